"""P11: why somebody may or may not, told as a tree of reasons. What has to be in it is worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from pgerase.meaning import Meaning, Session
from pgerase.meaning.reasons import Distances, Join, Kind, Reason, follows, walk
from pgerase.rules.conditions import Action
from tests.property.explained import faults
from tests.unit.meaning.build import (
    World,
    access,
    all_of,
    as_viewer,
    can,
    combine,
    eq,
    group,
    has,
    is_role,
    listed,
    no,
    relation,
    requirement,
    resource,
    row,
    rule,
    viewer,
    viewers,
)
from tests.unit.meaning.build import in_group as is_in

PEOPLE = viewers(
    relation("accounts", "member", "company", eq("person", viewer("key"))),
    active=eq("active", True),
    erased=eq("gone", True),
    super_admin=eq("admin", True),
    manager="boss",
)


def world() -> World:
    """1 above 2 above 3 above 4; 3 is inactive; 5 is super admin; 6 is gone; 7 is nobody's."""
    made = World().add(
        "person",
        "id integer, boss integer, region text, active boolean, gone boolean, admin boolean",
        (1, None, "east", True, False, False),
        (2, 1, "west", True, False, False),
        (3, 2, "north", False, False, False),
        (4, 3, "south", True, False, False),
        (5, None, None, True, False, True),
        (6, None, "east", True, True, False),
        (7, None, None, True, False, False),
    )
    made.add(
        "company", "id integer, region text, stage text", (1, "east", "won"), (2, "south", "lost"), (3, None, "won")
    )
    made.add("task", "id integer, company integer", (1, 1), (2, 2), (9, None), keys={"company": "company.id"})
    return made.add("member", "id integer, company integer, person integer", (81, 3, 7), (82, 1, 7))


def meaning(*resources: Any, **more: Any) -> Meaning:
    return world().meaning(access(*resources, **{"people": PEOPLE, **more}))


def explain(asked: Meaning, who: Any, name: str, key: Any, action: str = "read", **more: Any) -> Reason:
    data = world().data
    found = next((one for table, rows in data.items() if table.name == name for one in rows if one["id"] == key), None)
    session = who if isinstance(who, Session) else as_viewer(who)
    reason = asked.explain(session, name, Action(action), row=found, **more)
    assert list(faults(reason)) == []
    return reason


def of(reason: Reason, kind: Kind, name: str = "") -> Reason:
    """The first reason of that kind and name."""
    return next(one for one in walk(reason) if one.kind is kind and (not name or one.name == name))


REGION = rule("region", rows=eq("region", viewer("region")))


def test_p7_the_person_through_whom_a_rule_holds_and_the_managers_above():
    reason = explain(meaning(resource("company", REGION)), 1, "company", 2)
    person = of(reason, Kind.PERSON)
    assert reason.truth is True
    assert (person.key, person.chain) == ("4", ("3", "2", "1"))
    assert [one.says for one in walk(person) if one.kind is Kind.TEST] == ["region is 4's region"]
    assert of(reason, Kind.PEOPLE).count == (4, 4)


def test_the_viewer_himself_is_named_before_the_people_below():
    person = of(explain(meaning(resource("company", REGION)), 1, "company", 1), Kind.PERSON)
    assert (person.key, person.chain) == ("1", ())


def test_a_rule_without_hierarchy_is_explained_by_the_viewer_alone():
    own = rule("region", rows=eq("region", viewer("region")), hierarchy=False)
    reason = explain(meaning(resource("company", own)), 1, "company", 2)
    assert reason.truth is False
    assert (of(reason, Kind.PERSON).key, of(reason, Kind.PEOPLE).count) == ("1", (1, 1))


def test_what_is_nearest_is_told_of_the_person_who_came_nearest():
    both = rule("both", rows=all_of(eq("region", viewer("region")), eq("stage", "won")))
    reason = explain(meaning(resource("company", both)), 1, "company", 2)
    # 4 has the region and only the stage is missing; the others miss both.
    assert of(reason, Kind.PERSON).key == "4"
    assert Distances().of(of(reason, Kind.PERSON)) == 1


def test_a_rule_whose_who_holds_is_nearer_than_one_whose_who_does_not():
    near = rule("near", who=eq("region", "east"), rows=eq("stage", "lost"))
    far = rule("far", who=eq("region", "moon"), rows=eq("stage", "won"))
    own = of(explain(meaning(resource("company", far, near)), 1, "company", 1), Kind.OWN)
    distance = Distances()
    by_name = {part.name: distance.of(part) for part in own.parts if part.kind is Kind.RULE}
    assert by_name["near"] < by_name["far"]


@pytest.mark.parametrize(
    ("who", "kinds"), [(3, {Kind.ACTIVE}), (6, {Kind.ACTIVE, Kind.ERASED}), (99, set()), ("x", set())]
)
def test_viewers_who_see_nothing_are_told_why_and_nothing_else(who: Any, kinds: set[Kind]):
    reason = explain(meaning(resource("company", everyone="read")), who, "company", 1)
    assert reason.truth is False
    assert [part.kind for part in reason.parts] == [Kind.VIEWER]
    failing = {one.kind for one in walk(reason.parts[0]) if one.truth is not True}
    assert kinds <= failing
    assert bool(reason.parts[0].says) is not bool(kinds)  # nobody has that key, or a person with reasons


def test_a_row_that_does_not_exist_is_said_to_be_missing():
    reason = explain(meaning(resource("company", everyone="read")), 1, "company", 77)
    assert (reason.truth, of(reason, Kind.ROW).truth) == (False, False)


def test_criteria_and_listed_members_are_told_apart():
    groups = (
        group("easterners", eq("region", "east")),
        group("named", members=[2]),
        group("table", members=listed("member", "person")),
    )
    rules = [rule(name, who=is_in(name)) for name in ("easterners", "named", "table")]
    asked = meaning(resource("company", *rules), groups=groups)
    found = {who: explain(asked, who, "company", 1) for who in (1, 7)}
    inside = of(found[1], Kind.GROUP, "easterners")
    assert [part.kind for part in inside.parts[1].parts] == [Kind.CRITERIA]
    assert of(found[7], Kind.LISTED).truth is False
    assert [part.says for part in of(found[7], Kind.GROUP, "table").parts[1].parts] == ["in member"]
    assert of(found[1], Kind.RULE, "named").truth is True  # through 2, who reports to 1
    assert of(of(found[1], Kind.RULE, "named"), Kind.PERSON).chain == ("1",)


def test_the_row_of_a_relation_through_which_it_holds_is_named_by_its_key():
    mine = rule("mine", rows=has("id", "in", viewer("accounts")))
    reason = explain(meaning(resource("company", mine)), 7, "company", 3)
    assert (of(reason, Kind.RELATION).name, of(reason, Kind.RELATION).key) == ("accounts", "81")


def test_p5_a_parent_is_explained_down_to_its_own_rule():
    asked = meaning(resource("company", REGION), resource("task", inherits={"company": "company"}))
    reason = explain(asked, 2, "task", 2)
    parent = of(reason, Kind.PARENT, "company")
    assert (parent.truth, parent.key) == (True, "2")
    assert of(parent, Kind.RULE, "region").truth is True
    missing = of(explain(asked, 2, "task", 9), Kind.PARENT)
    assert [(part.kind, part.truth) for part in missing.parts] == [(Kind.LOOKUP, False)]


def test_p6_the_entry_of_combine_that_fits_is_named():
    asked = meaning(
        resource("company", REGION),
        resource(
            "task",
            rule("any"),
            inherits={"company": "company"},
            combined=[combine("own and company", eq("region", "west"))],
        ),
    )
    reason = explain(asked, 2, "task", 1)
    entry = of(reason, Kind.COMBINE)
    assert (reason.truth, entry.truth, len(entry.parts)) == (False, False, 2)
    assert of(entry, Kind.PARENT).truth is False


def test_requirements_say_whether_they_bind():
    won = requirement(eq("stage", "won"), name="won", who=no(eq("region", "east")))
    asked = meaning(resource("company", rule("all"), require=[won]))
    assert explain(asked, 1, "company", 2).truth is True
    assert of(explain(asked, 1, "company", 2), Kind.EXEMPT).truth is True
    failing = of(explain(asked, 2, "company", 2), Kind.REQUIREMENT, "won")
    assert [(part.kind, part.truth) for part in failing.parts] == [(Kind.EXEMPT, False), (Kind.ROWS, False)]
    # The admin is bound too, and not known to be exempt: his region is null.
    admin = explain(asked, 5, "company", 2)
    assert (admin.truth, of(admin, Kind.SUPER_ADMIN).truth, of(admin, Kind.EXEMPT).truth) == (False, True, None)


def test_requirements_that_are_passed_on_name_the_row_they_are_asked_of():
    won = requirement(eq("stage", "won"), name="won", passes_on=True)
    asked = meaning(resource("company", rule("all"), require=[won]), resource("task", inherits={"company": "company"}))
    reason = explain(asked, 1, "task", 2)
    assert (of(reason, Kind.INHERITED).key, of(reason, Kind.INHERITED).truth) == ("2", False)


def test_a_rule_that_gives_another_action_is_said_to():
    reason = explain(meaning(resource("company", rule("look"))), 1, "company", 1, "update")
    gives = of(of(reason, Kind.RULE), Kind.ACTION)
    assert (gives.truth, gives.says) == (False, "gives read")


def test_can_is_explained_by_the_decision_it_asks_for():
    asked = meaning(resource("company", REGION), resource("task", rule("with it", rows=can("company", "read"))))
    assert of(of(explain(asked, 1, "task", 1), Kind.CAN), Kind.DECISION).name == "company"
    unknown = of(explain(asked, 1, "task", 9), Kind.CAN)
    assert (unknown.truth, len(unknown.parts)) == (None, 1)


def test_a_session_of_a_role_is_told_what_is_for_roles():
    visitors = rule("visitors", who=is_role("web"), rows=eq("stage", "won"))
    asked = meaning(resource("company", visitors, REGION))
    granted = explain(asked, Session(None, "web"), "company", 1)
    assert (granted.truth, of(granted, Kind.RULE, "visitors").truth, of(granted, Kind.RULE, "region").truth) == (
        True,
        True,
        False,
    )
    assert of(explain(asked, Session(None, "other"), "company", 1), Kind.ROLE).truth is False


def test_new_rows_are_judged_by_becomes_and_have_to_be_readable():
    close = rule("close", rows=eq("stage", "won"), becomes=eq("stage", "lost"), may="update")
    look = rule("look", rows=eq("stage", "won"))
    asked = meaning(resource("company", close, look))
    new = {"id": 1, "region": "east", "stage": "lost"}
    reason = explain(asked, 1, "company", 1, "update", new=new)
    touch, leave = reason.parts[-2:]
    assert (touch.truth, leave.truth) == (True, False)
    assert [(part.action, part.truth) for part in leave.parts] == [(Action.UPDATE, True), (Action.READ, False)]


def test_values_are_in_it_only_where_they_were_asked_for():
    asked = meaning(resource("company", REGION))
    quiet = explain(asked, 1, "company", 2)
    assert not any(one.values for one in walk(quiet))
    assert "south" not in str(quiet)
    told = explain(asked, 1, "company", 2, values=True)
    assert ("south", "south") in [one.values for one in walk(told) if one.kind is Kind.TEST]


def test_a_row_ref_reads_as_one():
    same = rule("same", rows=eq("id", row("id")))
    reason = explain(meaning(resource("company", same)), 1, "company", 1)
    assert "id is this row's id" in [one.says for one in walk(reason)]


@pytest.mark.parametrize(("action", "more"), [("insert", {}), ("read", {"new": {}}), ("delete", {"new": {}})])
def test_rows_too_few_or_too_many_are_refused(action: str, more: dict[str, Any]):
    with pytest.raises(ValueError, match="too few or too many"):
        explain(meaning(resource("company")), 1, "company", 1, action, **more)


def test_truths_that_do_not_follow_are_noticed():
    leaf = Reason(Kind.TEST, False)
    assert not follows(Reason(Kind.OWN, True, Join.SOME, parts=(leaf,)))
