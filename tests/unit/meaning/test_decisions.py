"""Points 11 to 23, 33 to 35 and 37 to 39 of docs/meaning.md: decisions. Expected keys are worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from pgerase.errors import PgeraseError
from pgerase.meaning import Meaning, Session
from pgerase.rules.access import AccessRules, ExpressionAnd, ExpressionOr, HandOver, ManagedBy
from pgerase.rules.conditions import Action
from tests.unit.meaning.build import (
    AT,
    NOW,
    World,
    access,
    all_of,
    any_of,
    as_viewer,
    can,
    catalog,
    combine,
    eq,
    expression,
    group,
    has,
    in_group,
    is_role,
    listed,
    no,
    reference,
    requirement,
    resource,
    row,
    rule,
    sees,
    viewer,
    viewers,
)

WEB = Session(None, "web")
ACTIONS = ("read", "insert", "update", "delete")


def shop() -> World:
    """Companies, their tasks, the tasks' notes.

    1 boss of 2; 3 a partner; 4 of unknown kind; 5 super admin; 6 super admin but inactive.
    """
    world = World().add(
        "person",
        "id integer, boss integer, kind text, active boolean, admin boolean, tenant integer",
        (1, None, "staff", True, False, 1),
        (2, 1, "staff", True, False, 1),
        (3, None, "partner", True, False, 2),
        (4, None, None, True, None, None),
        (5, None, "staff", True, True, 1),
        (6, None, "staff", False, True, 1),
    )
    world.add(
        "company",
        "id integer, owner integer, tenant integer, stage text",
        (1, 1, 1, "won"),
        (2, 2, 1, "lost"),
        (3, 3, 2, "won"),
        (4, None, None, None),
    )
    world.add(
        "task",
        "id integer, company integer, owner integer",
        (11, 1, 3),
        (12, 1, None),
        (21, 2, 1),
        (31, 3, 3),
        (32, 3, 2),
        (41, 4, 4),
        (91, None, 2),  # null lookup
        (92, 99, 2),  # dangling lookup
        keys={"company": "company.id"},
    )
    return world.add(
        "note",
        "id integer, task integer, author integer, state text",
        (111, 11, 1, "draft"),
        (121, 12, 2, "final"),
        (311, 31, 3, "draft"),
        (911, 91, 2, "draft"),
        (901, None, 3, "draft"),
        keys={"task": "task.id"},
    )


PEOPLE = viewers(active=eq("active", True), super_admin=eq("admin", True), manager="boss")
OWNER = eq("owner", viewer("key"))
AUTHOR = eq("author", viewer("key"))


def shop_rules(*resources: Any, **more: Any) -> AccessRules:
    return access(*resources, **{"people": PEOPLE, **more})


def shop_meaning(*resources: Any, **more: Any) -> Meaning:
    return shop().meaning(shop_rules(*resources, **more))


def by_viewer(meaning: Meaning, name: str, action: str = "read") -> dict[int, list[int]]:
    return {person: sees(meaning, person, name, action) for person in (1, 2, 3, 4, 5, 6)}


# -- rules for roles ---------------------------------------------------------------------------------------------------


def test_point_11_role_rules_grant_without_identity_only():
    meaning = shop_meaning(resource("company", rule(who=is_role("web", "kiosk"), rows=eq("stage", "won"))))
    assert sees(meaning, WEB, "company") == [1, 3]
    assert sees(meaning, Session(None, "kiosk"), "company") == [1, 3]
    assert sees(meaning, Session(None, "WEB"), "company") == []  # exactly one of these
    assert sees(meaning, Session(None, "app"), "company") == []
    assert sees(meaning, Session("1", "web"), "company") == []  # identified viewers never match a role
    assert sees(meaning, Session("77", "web"), "company") == []  # point 12: unknown sees nothing at all
    assert sees(meaning, Session("6", "web"), "company") == []  # nor does an inactive viewer


def test_point_11_no_everyone_no_parents_no_combine_no_super_admin_without_identity():
    meaning = shop_meaning(
        resource("company", rule(who=is_role("web")), everyone="write"),
        resource("task", rule("other", rows=OWNER), everyone="none", inherits={"company": "company"}),
        resource(
            "note",
            rule(who=is_role("web"), rows=eq("state", "final")),
            inherits={"task": "task"},
            combined=[combine("task")],
        ),
    )
    assert sees(meaning, WEB, "company") == [1, 2, 3, 4]
    assert sees(meaning, WEB, "company", "update") == []  # everyone's write is not theirs
    assert sees(meaning, WEB, "task") == []
    assert sees(meaning, WEB, "note") == [121]


def test_point_11_and_35_requirements_bind_without_identity():
    granted = rule(who=is_role("web"), may="write")

    def seen(*require: Any) -> list[int]:
        return sees(shop_meaning(resource("company", granted, require=require)), WEB, "company")

    assert seen() == [1, 2, 3, 4]
    assert seen(requirement(eq("stage", "won"))) == [1, 3]
    assert seen(requirement(eq("stage", "won"), may="update")) == [1, 2, 3, 4]
    assert seen(requirement(eq("stage", "won"), who=eq("kind", "partner"))) == [1, 3]  # who(v) unknown: binds
    assert seen(requirement(eq("tenant", viewer("tenant")))) == []
    assert seen(requirement(any_of(eq("stage", "won"), eq("tenant", viewer("tenant"))))) == []


def test_point_35_update_needs_read_without_identity_too():
    meaning = shop_meaning(resource("company", rule(who=is_role("web"), may="update")))
    assert sees(meaning, WEB, "company", "update") == []
    meaning = shop_meaning(resource("company", rule(who=is_role("web"), may="read update")))
    assert sees(meaning, WEB, "company", "update") == [1, 2, 3, 4]


def test_point_11_rules_for_roles_name_nothing_else():
    for who in (all_of(is_role("web"), eq("kind", "x")), no(is_role("web")), any_of(is_role("web"), is_role("kiosk"))):
        with pytest.raises(PgeraseError, match="names nothing else"):
            shop_meaning(resource("company", rule(who=who)))
    for parts in (
        {"rows": OWNER},
        {"becomes": OWNER},
        {"rows": has("owner", "in", viewer("boss"))},
    ):
        with pytest.raises(PgeraseError, match="speak of the viewer"):
            shop_meaning(resource("company", rule(who=is_role("web"), **parts)))
    with pytest.raises(PgeraseError, match="speak of the viewer"):
        shop_meaning(resource("company"), resource("task", rule(who=is_role("web"), rows=can("company", "read"))))


def test_point_11_rules_without_viewers():
    rules = access(resource("company", rule(who=all_of(is_role("web")), rows=eq("stage", "won"))))
    meaning = shop().meaning(rules)
    assert sees(meaning, WEB, "company") == [1, 3]
    assert sees(meaning, 1, "company") == []


# -- everyone, own, open -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("everyone", "allowed"), [("none", ()), ("read", ("read",)), ("write", ("read", "insert", "update", "delete"))]
)
def test_point_13_everyone(everyone, allowed):
    meaning = shop_meaning(resource("company", everyone=everyone))
    assert [action for action in ACTIONS if sees(meaning, 4, "company", action) == [1, 2, 3, 4]] == list(allowed)
    assert [action for action in ACTIONS if sees(meaning, 4, "company", action)] == list(allowed)


def test_point_13_open_is_superseded_by_a_restricted_parent():
    child = resource("task", everyone="write", inherits={"company": "company"})
    closed = shop_meaning(resource("company", rule(rows=OWNER)), child)
    assert by_viewer(closed, "task") == {
        1: [11, 12, 21],
        2: [21],
        3: [31, 32],
        4: [],
        5: [11, 12, 21, 31, 32, 41, 91, 92],
        6: [],
    }
    open_too = shop_meaning(resource("company", everyone="read"), child)
    assert sees(open_too, 4, "task") == [11, 12, 21, 31, 32, 41, 91, 92]  # also where the lookup is null
    # Writing a task needs update on the company, which everyone's read does not cover.
    assert sees(open_too, 4, "task", "update") == []


def test_point_13_openness_goes_up_through_grandparents():
    def seen(company: str) -> list[int]:
        meaning = shop_meaning(
            resource("company", everyone=company),
            resource("task", everyone="read", inherits={"company": "company"}),
            resource("note", everyone="read", inherits={"task": "task"}),
        )
        return sees(meaning, 4, "note")

    assert seen("read") == [111, 121, 311, 911, 901]
    assert seen("none") == []


def test_point_14_any_of_several_rules_grants():
    meaning = shop_meaning(
        resource("company", rule("a", rows=OWNER), rule("b", who=eq("kind", "partner"), rows=eq("stage", "won")))
    )
    assert by_viewer(meaning, "company") == {1: [1, 2], 2: [2], 3: [1, 3], 4: [], 5: [1, 2, 3, 4], 6: []}


def test_point_14_every_action_grants_only_itself():
    for action in ACTIONS:
        meaning = shop_meaning(resource("company", rule("rd"), rule("it", rows=OWNER, may=action)))
        found = {word: sees(meaning, 2, "company", word) for word in ACTIONS}
        expected = {"read": [1, 2, 3, 4], "insert": [], "update": [], "delete": []}
        if action != "read":
            expected[action] = [2]
        assert found == expected


# -- parents -----------------------------------------------------------------------------------------------------------


def test_point_15_and_16_own_or_every_parent():
    meaning = shop_meaning(
        resource("company", rule(rows=OWNER, may="read")),
        resource("task", rule(rows=OWNER, hierarchy=False), inherits={"company": "company"}),
    )
    assert by_viewer(meaning, "task") == {
        1: [11, 12, 21],  # companies 1 and (through 2) 2; owns 21
        2: [21, 32, 91, 92],  # company 2; owns 32, 91, 92
        3: [11, 31, 32],  # company 3; owns 11 and 31
        4: [41],
        5: [11, 12, 21, 31, 32, 41, 91, 92],
        6: [],
    }


def test_point_15_a_write_needs_update_on_the_parent():
    def task(action: str, company_may: str) -> list[int]:
        meaning = shop_meaning(
            resource("company", rule(rows=OWNER, may=company_may)),
            resource("task", rule("all may be read"), inherits={"company": "company"}),
        )
        return sees(meaning, 2, "task", action)

    for action in ("insert", "update", "delete"):
        assert task(action, "read") == []
        assert task(action, "read insert delete") == []
        assert task(action, "update") == []  # updating the company needs reading it
        assert task(action, "read update") == [21]


def test_point_15_null_and_dangling_lookups_give_nothing():
    meaning = shop_meaning(resource("company", rule()), resource("task", inherits={"company": "company"}))
    assert sees(meaning, 3, "task") == [11, 12, 21, 31, 32, 41]  # not 91, not 92


def test_point_15_open_parents_drop_out_of_the_union():
    meaning = shop_meaning(
        resource("company", everyone="read"), resource("task", rule(rows=OWNER), inherits={"company": "company"})
    )
    assert sees(meaning, 3, "task") == [11, 31]


def test_point_15_open_for_read_is_not_open_for_write():
    """For a write the parent, open for read only, is a term again."""
    meaning = shop_meaning(
        resource("company", rule(rows=OWNER, may="update"), everyone="read"),
        resource("task", rule("rd"), inherits={"company": "company"}),
    )
    assert sees(meaning, 2, "task", "update") == [21]


def test_point_15_grandparents():
    meaning = shop_meaning(
        resource("company", rule(rows=OWNER, hierarchy=False)),
        resource("task", inherits={"company": "company"}),
        resource("note", inherits={"task": "task"}),
    )
    assert by_viewer(meaning, "note") == {1: [111, 121], 2: [], 3: [311], 4: [], 5: [111, 121, 311, 911, 901], 6: []}


def test_point_20_super_admin_is_not_passed_up():
    world = shop()
    people = viewers(super_admin=eq("kind", "partner"), manager="boss")
    world.data[world.tables[0].name][2]["boss"] = 1  # 3, a super admin here, reports to 1
    meaning = world.meaning(access(resource("company", rule(rows=OWNER)), people=people))
    assert sees(meaning, 3, "company") == [1, 2, 3, 4]
    assert sees(meaning, 1, "company") == [1, 2, 3]  # what 3 owns, not what 3 may


def test_point_19_passes_on_means_every_resource_with_one_lookup():
    meaning = shop_meaning(
        resource("company", rule(rows=OWNER, hierarchy=False), passes_on=True), resource("task"), resource("note")
    )
    assert sees(meaning, 1, "task") == [11, 12]
    assert sees(meaning, 1, "note") == []  # notes have no lookup to companies


def two_lookups(**more: Any) -> World:
    world = World().add("person", "id integer, tenant integer", (1, 1), (2, 2))
    world.add(
        "company",
        "id integer, owner integer, tenant integer, up integer",
        (1, 1, 1, None),
        (2, 2, 1, 1),
        (3, 1, 2, 2),
        keys={"up": "company.id"},
    )
    return world.add(
        "deal",
        "id integer, seller integer, buyer integer",
        (11, 1, 1),
        (12, 1, 2),
        (21, 2, 1),
        (13, 1, 3),
        (10, 1, None),
        **{"keys": {"seller": "company.id", "buyer": "company.id"}, **more},
    )


def test_point_19_two_lookups_need_a_word():
    company = resource("company", rule(rows=OWNER), passes_on=True)
    with pytest.raises(PgeraseError, match="several lookups"):
        two_lookups().meaning(access(company, resource("deal"), people=viewers()))
    meaning = two_lookups().meaning(access(company, resource("deal", inherits={"company": "buyer"}), people=viewers()))
    assert sees(meaning, 1, "deal") == [11, 21, 13]
    with pytest.raises(PgeraseError, match="several lookups"):
        two_lookups(keys={"seller": "company.id"}).meaning(
            access(company, resource("deal"), people=viewers(), references=[reference("deal.buyer", "company.id")])
        )


def test_point_34_a_lookup_to_itself_makes_no_parent():
    company = resource("company", rule(rows=OWNER), passes_on=True)
    meaning = two_lookups().meaning(access(company, people=viewers()))
    assert sees(meaning, 1, "company") == [1, 3]
    with pytest.raises(PgeraseError, match="circle: company → company"):
        two_lookups().meaning(access(resource("company", inherits={"company": "up"}), people=viewers()))


def test_circles_are_refused_by_name():
    world = World().add("person", "id integer", (1,)).add("a", "id integer, b integer", keys={"b": "b.id"})
    world.add("b", "id integer, a integer", keys={"a": "a.id"})
    inherited = resource("a", inherits={"b": "b"})
    for rules in (
        [rule(rows=can("a", "read"))],
        [rule(becomes=no(can("a", "read")), may="insert")],
    ):
        with pytest.raises(PgeraseError, match="in a circle"):
            world.meaning(access(inherited, resource("b", *rules), people=viewers()))
    with pytest.raises(PgeraseError, match="in a circle"):
        world.meaning(access(inherited, resource("b", require=[requirement(can("a", "read"))]), people=viewers()))
    with pytest.raises(PgeraseError, match="does not lead to"):
        world.meaning(
            access(resource("a", inherits={"c": "b"}), resource("b"), resource("c", table="person"), people=viewers())
        )


# -- combine -----------------------------------------------------------------------------------------------------------


def combined(*entries: Any, company: str = "none", rules: Any = None) -> dict[int, list[int]]:
    meaning = shop_meaning(
        resource("company", rule(rows=OWNER, hierarchy=False), everyone=company),
        resource(
            "task", *(rules or [rule(rows=OWNER, hierarchy=False)]), inherits={"company": "company"}, combined=entries
        ),
    )
    return {person: sees(meaning, person, "task") for person in (1, 2, 3, 4)}


OWN_OR_COMPANY = {1: [11, 12, 21], 2: [21, 32, 91, 92], 3: [11, 31, 32], 4: [41]}


def test_point_16_without_entries_the_union():
    assert combined() == OWN_OR_COMPANY


def test_point_16_expressions():
    assert combined(combine("own")) == {1: [21], 2: [32, 91, 92], 3: [11, 31], 4: [41]}
    assert combined(combine("company")) == {1: [11, 12], 2: [21], 3: [31, 32], 4: []}
    assert combined(combine("own and company")) == {1: [], 2: [], 3: [31], 4: []}
    assert combined(combine("own or company")) == OWN_OR_COMPANY


def test_point_16_first_match_wins_and_who_is_about_v_alone():
    partners = combine("own and company", eq("kind", "partner"))
    staff = combine("company", eq("kind", "staff"))
    # 4's kind is unknown: (own and company) and company = nothing.
    assert combined(partners, staff) == {1: [11, 12], 2: [21], 3: [31], 4: []}
    assert combined(combine("own", eq("id", 1)), combine("company")) == {1: [21], 2: [21], 3: [31, 32], 4: []}
    # 2 reports to 1: an entry for 2 is not 1's.
    assert combined(combine("own and company", eq("id", 2)))[1] == [11, 12, 21]


def test_point_16_unknown_who_must_hold_together_with_what_follows():
    unknown_for_4 = eq("kind", "partner")
    rules = [rule(rows=any_of(OWNER, has("id", "in", [11, 41])), hierarchy=False)]
    # For 4: own = 41 and 11. Entry (unknown) own, rest: the union.
    assert combined(combine("own", unknown_for_4), rules=rules)[4] == [11, 41]
    # Entry (unknown) company gives 4 nothing, whatever follows.
    assert combined(combine("company", unknown_for_4), combine("own"), rules=rules)[4] == []
    # Entry (unknown) own, then company: both.
    assert combined(combine("own", unknown_for_4), combine("company"), rules=rules)[4] == []


def test_point_15_open_parents_drop_out_of_expressions():
    assert combined(combine("own and company"), company="read")[3] == [11, 31]
    assert combined(combine("own or company"), company="read")[3] == [11, 31]
    assert combined(combine("company"), company="read")[3] == []  # no term left: false
    nested = ExpressionOr((ExpressionAnd((expression("company"), expression("company"))), expression("own")))
    assert combined(combine(nested), company="read")[3] == [11, 31]
    emptied = ExpressionAnd((ExpressionOr((expression("company"),)), expression("own")))
    assert combined(combine(emptied), company="read")[3] == [11, 31]


def test_point_16_super_admin_is_above_combine():
    meaning = shop_meaning(
        resource("company"), resource("task", inherits={"company": "company"}, combined=[combine("company")])
    )
    assert len(sees(meaning, 5, "task")) == 8


def test_point_16_terms_are_own_and_parents():
    with pytest.raises(PgeraseError, match="neither own nor a parent"):
        combined(combine("own and note"))


# -- requirements ------------------------------------------------------------------------------------------------------

TENANT = eq("tenant", viewer("tenant"))


def test_point_17_requirements_bind_super_admins_too():
    meaning = shop_meaning(resource("company", everyone="read", require=[requirement(TENANT)]))
    assert by_viewer(meaning, "company") == {1: [1, 2], 2: [1, 2], 3: [3], 4: [], 5: [1, 2], 6: []}


def test_point_17_a_requirement_is_v_s_own_and_not_through_reach():
    world = shop()
    world.data[world.tables[0].name][2]["boss"] = 1  # 3, of tenant 2, reports to 1
    meaning = world.meaning(shop_rules(resource("company", rule(rows=OWNER), require=[requirement(TENANT)])))
    assert sees(meaning, 1, "company") == [1, 2]


def test_point_17_binds_unless_who_is_false():
    meaning = shop_meaning(
        resource("company", everyone="read", require=[requirement(eq("stage", "won"), who=eq("kind", "partner"))])
    )
    assert {person: sees(meaning, person, "company") for person in (1, 3, 4)} == {1: [1, 2, 3, 4], 3: [1, 3], 4: [1, 3]}


def test_point_17_an_unknown_requirement_fails():
    meaning = shop_meaning(resource("company", everyone="read", require=[requirement(has("stage", "ne", "lost"))]))
    assert sees(meaning, 1, "company") == [1, 3]


def test_point_17_only_for_the_actions_listed():
    frozen = requirement(has("stage", "ne", "lost"), may="update delete")
    meaning = shop_meaning(resource("company", everyone="write", require=[frozen]))
    assert {action: sees(meaning, 1, "company", action) for action in ACTIONS} == {
        "read": [1, 2, 3, 4],
        "insert": [1, 2, 3, 4],
        "update": [1, 3],
        "delete": [1, 3],
    }


def test_point_17_one_for_read_binds_update_and_delete_and_not_insert():
    meaning = shop_meaning(resource("company", everyone="write", require=[requirement(eq("stage", "won"), may="read")]))
    assert {action: sees(meaning, 1, "company", action) for action in ACTIONS} == {
        "read": [1, 3],
        "insert": [1, 2, 3, 4],
        "update": [1, 3],
        "delete": [1, 3],
    }


def test_point_17_update_needs_it_on_both_rows():
    meaning = shop_meaning(
        resource("company", everyone="write", require=[requirement(eq("stage", "won"), may="update")])
    )

    def may(old: str, new: str) -> bool:
        rows = [{"id": 1, "owner": 1, "tenant": 1, "stage": stage} for stage in (old, new)]
        return meaning.decide(as_viewer(1), "company", Action.UPDATE, row=rows[0], new=rows[1])

    assert [may("won", "won"), may("won", "lost"), may("lost", "won")] == [True, False, False]


def test_point_18_passes_on_to_children_and_grandchildren():
    meaning = shop_meaning(
        resource("company", require=[requirement(TENANT, passes_on=True)]),
        resource("task", everyone="read", inherits={"company": "company"}),
        resource("note", rule("all"), inherits={"task": "task"}),
    )
    # Notes 111 and 121 hang below company 1, 311 below 3, 911's task has no company, 901 has no task.
    assert by_viewer(meaning, "note") == {1: [111, 121], 2: [111, 121], 3: [311], 4: [], 5: [111, 121], 6: []}
    assert by_viewer(meaning, "task")[5] == [11, 12, 21]


def test_point_18_under_the_same_who_and_can():
    meaning = shop_meaning(
        resource("company", require=[requirement(TENANT, who=eq("kind", "partner"), may="read", passes_on=True)]),
        resource("task", rule("all", may="write"), inherits={"company": "company"}),
    )
    assert {person: sees(meaning, person, "task") for person in (1, 3, 4)} == {
        1: [11, 12, 21, 31, 32, 41, 91, 92],  # known to be no partner
        3: [31, 32],
        4: [],  # kind unknown: bound, and of no tenant
    }
    assert len(sees(meaning, 3, "task", "insert")) == 8
    assert sees(meaning, 3, "task", "delete") == [31, 32]


def test_point_18_without_passes_on_it_stays():
    meaning = shop_meaning(
        resource("company", require=[requirement(TENANT)]),
        resource("task", rule("all"), inherits={"company": "company"}),
    )
    assert len(sees(meaning, 3, "task")) == 8


def test_point_18_through_the_parent_s_passes_on():
    meaning = shop_meaning(
        resource("company", passes_on=True, require=[requirement(TENANT, passes_on=True)]),
        resource("task", rule("all")),
    )
    assert sees(meaning, 3, "task") == [31, 32]


def test_point_18_no_child_no_derived_requirement():
    meaning = shop_meaning(
        resource("company", require=[requirement(TENANT, passes_on=True)]), resource("task", rule("all"))
    )
    assert len(sees(meaning, 3, "task")) == 8


def test_point_33_only_through_the_lookup_that_inherits():
    meaning = two_lookups().meaning(
        access(
            resource("company", require=[requirement(TENANT, passes_on=True)]),
            resource("deal", rule("all"), inherits={"company": "seller"}),
            people=viewers(),
        )
    )
    # Every seller is of tenant 1; that 13's buyer is of tenant 2 and 10 has none is not asked.
    assert sorted(sees(meaning, 1, "deal")) == [10, 11, 12, 13, 21]
    assert sees(meaning, 2, "deal") == []


def test_point_18_and_35_derived_requirements_without_identity():
    task = resource("task", rule(who=is_role("web")), inherits={"company": "company"})
    meaning = shop_meaning(resource("company", require=[requirement(eq("stage", "won"), passes_on=True)]), task)
    assert sees(meaning, WEB, "task") == [11, 12, 31, 32]
    meaning = shop_meaning(resource("company", require=[requirement(TENANT, passes_on=True)]), task)
    assert sees(meaning, WEB, "task") == []


def test_point_17_two_requirements_must_both_hold():
    meaning = shop_meaning(
        resource("company", everyone="read", require=[requirement(TENANT), requirement(eq("stage", "won"))])
    )
    assert sees(meaning, 1, "company") == [1]


# -- writes and new rows -----------------------------------------------------------------------------------------------


def note(**values: object) -> dict[str, object]:
    return {"id": 1, "task": 11, "author": 1, "state": "draft", **values}


def test_point_20_update_and_delete_need_read_and_insert_does_not():
    meaning = shop_meaning(resource("note", rule(rows=AUTHOR, may="insert update delete")))
    assert {action: sees(meaning, 3, "note", action) for action in ACTIONS} == {
        "read": [],
        "insert": [311, 901],
        "update": [],
        "delete": [],
    }
    meaning = shop_meaning(resource("note", rule(rows=AUTHOR, may="update"), rule(rows=eq("task", 31))))
    assert sees(meaning, 3, "note", "update") == [311]


def test_point_21_insert_is_decided_on_the_new_row():
    meaning = shop_meaning(resource("note", rule(rows=AUTHOR, may="insert", hierarchy=False)))
    assert meaning.decide(as_viewer(1), "note", Action.INSERT, new=note())
    assert not meaning.decide(as_viewer(1), "note", Action.INSERT, new=note(author=2))
    assert not meaning.decide(as_viewer(1), "note", Action.INSERT, new=note(author=None))


SIGN_OFF = (
    rule(
        "sign", rows=all_of(AUTHOR, eq("state", "draft")), becomes=eq("state", "final"), may="update", hierarchy=False
    ),
    rule("rd", rows=AUTHOR, may="read", hierarchy=False),
)


def test_point_21_becomes_stands_in_place_of_rows():
    meaning = shop_meaning(resource("note", *SIGN_OFF))

    def may(old: dict[str, object], new: dict[str, object] | None) -> bool:
        return meaning.decide(as_viewer(1), "note", Action.UPDATE, row=old, new=new)

    assert may(note(), None)
    assert may(note(), note(state="final"))
    assert not may(note(), note())  # a draft left a draft is no signing off
    assert not may(note(state="final"), note(state="final"))
    assert not may(note(author=2), note(state="final"))
    assert not may(note(), note(state="final", author=2))  # becomes allows it, reading the new row does not


def test_point_21_becomes_of_an_insert():
    meaning = shop_meaning(resource("note", rule(rows=eq("state", "final"), becomes=AUTHOR, may="insert")))
    assert meaning.decide(as_viewer(1), "note", Action.INSERT, new=note())
    assert not meaning.decide(as_viewer(3), "note", Action.INSERT, new=note(state="final"))


def test_point_21_reading_never_uses_becomes():
    meaning = shop_meaning(resource("note", rule(rows=AUTHOR, becomes=eq("state", "final"), may="write")))
    assert sees(meaning, 3, "note") == [311, 901]
    assert sees(meaning, 3, "note", "delete") == [311, 901]
    # The new row may be final, but must be readable: by its author.
    assert meaning.decide(as_viewer(3), "note", Action.UPDATE, row=note(author=3), new=note(author=3, state="final"))
    assert not meaning.decide(
        as_viewer(3), "note", Action.UPDATE, row=note(author=3), new=note(author=1, state="final")
    )


def test_point_21_old_and_new_row_by_different_rules():
    meaning = shop_meaning(
        resource(
            "note",
            rule("mine", rows=AUTHOR, may="read update", hierarchy=False),
            rule("final", rows=eq("state", "final"), may="read update"),
        )
    )
    assert meaning.decide(as_viewer(1), "note", Action.UPDATE, row=note(), new=note(author=2, state="final"))
    assert not meaning.decide(as_viewer(1), "note", Action.UPDATE, row=note(), new=note(author=2))


def test_point_21_parents_and_combine_apply_to_the_new_row():
    meaning = shop_meaning(
        resource("company", rule(rows=OWNER, may="read update", hierarchy=False)),
        resource("task", inherits={"company": "company"}),
    )
    old = {"id": 11, "company": 1, "owner": 3}
    assert meaning.decide(as_viewer(1), "task", Action.UPDATE, row=old, new={**old, "owner": 2})
    for company in (2, None, 99):
        assert not meaning.decide(as_viewer(1), "task", Action.UPDATE, row=old, new={**old, "company": company})
        assert not meaning.decide(as_viewer(1), "task", Action.INSERT, new={**old, "company": company})
    assert meaning.decide(as_viewer(1), "task", Action.INSERT, new=old)


def test_point_21_super_admin_s_new_row_meets_requirements():
    meaning = shop_meaning(resource("company", require=[requirement(TENANT)]))
    new = {"id": 9, "owner": None, "tenant": 1, "stage": None}
    assert meaning.decide(as_viewer(5), "company", Action.INSERT, new=new)
    assert not meaning.decide(as_viewer(5), "company", Action.INSERT, new={**new, "tenant": 2})


def test_point_37_a_new_row_does_not_find_itself():
    world = two_lookups()
    rules = access(resource("company", rule(rows=has("up.owner", "is_set"), may="write")), people=viewers())
    meaning = world.meaning(rules)
    new = {"id": 9, "owner": 1, "tenant": 1, "up": 9}
    assert not meaning.decide(as_viewer(1), "company", Action.INSERT, new=new)
    assert meaning.decide(as_viewer(1), "company", Action.INSERT, new={**new, "up": 1})


# -- {can} -------------------------------------------------------------------------------------------------------------


def can_rules(*rules: Any, task: Any = None) -> Meaning:
    return shop_meaning(resource("task", *(task or [rule(rows=OWNER, hierarchy=False)])), resource("note", *rules))


def test_point_22_can_is_the_decision_on_the_row_looked_up():
    meaning = can_rules(rule(rows=can("task", "read")))
    assert by_viewer(meaning, "note") == {1: [], 2: [911], 3: [111, 311], 4: [], 5: [111, 121, 311, 911, 901], 6: []}


def test_point_22_can_is_two_valued_and_unknown_without_a_row():
    meaning = can_rules(rule(rows=no(can("task", "read"))))
    assert sees(meaning, 3, "note") == [121, 911]  # not 901, which has no task


def test_point_22_can_is_v_s_own_even_through_reach():
    # 1 reaches 2, who may read tasks 32, 91, 92; notes of those are not 1's, though 2's are found through reach.
    mine_and_readable = rule(rows=all_of(AUTHOR, can("task", "read")))
    meaning = can_rules(mine_and_readable)
    assert sees(meaning, 2, "note") == [911]
    assert sees(meaning, 1, "note") == []


def test_point_22_can_of_every_action():
    task = [rule("rd", rows=eq("id", 11)), rule("up", rows=has("id", "in", [11, 31]), may="update")]
    task += [
        rule("ins", rows=eq("id", 12), becomes=eq("id", 31), may="insert"),
        rule("del", rows=eq("id", 12), may="delete"),
    ]

    def seen(action: str) -> list[int]:
        return sees(can_rules(rule(rows=can("task", action)), task=task), 1, "note")

    assert {action: seen(action) for action in ACTIONS} == {
        "read": [111],
        "update": [111],  # 31 may not be read
        "insert": [311],  # as if it were new: becomes
        "delete": [],  # 12 may not be read
    }


def test_point_22_can_through_several_lookups_and_in_requirements():
    meaning = shop_meaning(
        resource("company", rule(rows=OWNER, hierarchy=False)),
        resource("note", rule(rows=can("task.company", "read"))),
    )
    assert {person: sees(meaning, person, "note") for person in (1, 3)} == {1: [111, 121], 3: [311]}
    meaning = shop_meaning(
        resource("company", rule(rows=OWNER, hierarchy=False)),
        resource("note", everyone="read", require=[requirement(can("task.company", "read"))]),
    )
    assert {person: sees(meaning, person, "note") for person in (1, 3)} == {1: [111, 121], 3: [311]}


def test_point_22_can_needs_a_resource():
    with pytest.raises(PgeraseError, match="is no resource"):
        shop_meaning(resource("note", rule(rows=can("task", "read"))))


def test_point_22_insert_with_can_of_the_new_row():
    meaning = can_rules(rule(rows=all_of(can("task", "read"), AUTHOR), may="insert", hierarchy=False))
    assert meaning.decide(as_viewer(3), "note", Action.INSERT, new=note(author=3, task=31))
    assert not meaning.decide(as_viewer(3), "note", Action.INSERT, new=note(author=3, task=21))
    assert not meaning.decide(as_viewer(3), "note", Action.INSERT, new=note(author=3, task=None))


# -- asking ------------------------------------------------------------------------------------------------------------


def test_granted_by_names_what_grants():
    meaning = shop_meaning(
        resource("company", rule("mine", rows=OWNER), rule("won", rows=eq("stage", "won"))),
        resource("task", rule("owner", rows=OWNER), everyone="read", inherits={"company": "company"}),
        resource("note", everyone="read", require=[requirement(eq("state", "draft"))]),
    )
    company = {"id": 1, "owner": 1, "tenant": 1, "stage": "won"}
    assert meaning.granted_by(as_viewer(1), "company", Action.READ, company) == ("mine", "won")
    assert meaning.granted_by(as_viewer(3), "company", Action.READ, company) == ("won",)
    assert meaning.granted_by(as_viewer(5), "company", Action.READ, company) == ("super admin", "won")
    assert meaning.granted_by(as_viewer(5), "company", Action.DELETE, company) == ("super admin",)
    assert meaning.granted_by(as_viewer(1), "company", Action.DELETE, company) == ()
    assert meaning.granted_by(as_viewer(99), "company", Action.READ, company) == ()
    task = {"id": 11, "company": 1, "owner": 3}
    assert meaning.granted_by(as_viewer(3), "task", Action.READ, task) == ("owner", "company")
    assert meaning.granted_by(as_viewer(3), "note", Action.READ, note()) == ("everyone",)
    assert meaning.granted_by(as_viewer(3), "note", Action.READ, note(state="final")) == ()


def test_granted_by_of_a_role():
    meaning = shop_meaning(resource("company", rule("visitors", who=is_role("web"))))
    company = {"id": 1, "owner": 1, "tenant": 1, "stage": "won"}
    assert meaning.granted_by(WEB, "company", Action.READ, company) == ("visitors",)
    assert meaning.granted_by(Session(None, "app"), "company", Action.READ, company) == ()


def test_decide_takes_the_rows_of_its_action():
    meaning = shop_meaning(resource("note", everyone="write"))
    for action, rows in (
        (Action.READ, {}),
        (Action.READ, {"row": note(), "new": note()}),
        (Action.DELETE, {"new": note()}),
        (Action.INSERT, {"row": note()}),
        (Action.INSERT, {"row": note(), "new": note()}),
        (Action.UPDATE, {"new": note()}),
    ):
        with pytest.raises(ValueError, match="takes"):
            meaning.decide(as_viewer(1), "note", action, **rows)
    with pytest.raises(PgeraseError, match="no resource secrets"):
        meaning.visible(as_viewer(1), "secrets")


def test_now_needs_a_time_zone():
    with pytest.raises(ValueError, match="time zone"):
        Meaning(shop_rules(), catalog(*shop().tables), {}, datetime(2024, 1, 1))
    assert NOW.tzinfo is not None


def test_a_row_without_a_column_is_an_error():
    meaning = shop_meaning(resource("company", rule(rows=OWNER)))
    with pytest.raises(PgeraseError, match="without its column owner"):
        meaning.decide(as_viewer(1), "company", Action.READ, row={"id": 1})


def test_rows_alike_are_decided_alike():
    """A table without a primary key may hold the same row twice."""
    world = World().add("person", "id integer", (1,)).add("log", "who integer", (1,), (1,), (2,), primary="")
    meaning = world.meaning(access(resource("log", rule(rows=eq("who", viewer("key")))), people=viewers()))
    assert sees(meaning, 1, "log", key="who") == [1, 1]


def test_deep_chains_of_parents_are_not_exponential():
    """Each of 60 levels has two parents of the level above, and requirements pass down through both: decided once each."""
    world = World().add("person", "id integer, tenant integer", (1, 1))
    resources = [resource("a0", rule(), require=[requirement(TENANT, passes_on=True)])]
    resources.append(resource("b0", rule(), require=[requirement(TENANT, passes_on=True)]))
    for letter in "ab":
        world.add(f"{letter}0", "id integer, tenant integer", (1, 1))
    for level in range(1, 60):
        above = {"x": f"a{level - 1}.id", "y": f"b{level - 1}.id"}
        for letter in "ab":
            world.add(f"{letter}{level}", "id integer, x integer, y integer", (1, 1, 1), keys=above)
            both = {f"a{level - 1}": "x", f"b{level - 1}": "y"}
            combination = [combine(f"a{level - 1} and b{level - 1}")]
            resources.append(resource(f"{letter}{level}", inherits=both, combined=combination))
    meaning = world.meaning(access(*resources, people=viewers()))
    assert sees(meaning, 1, "a59") == [1]


def test_one_u_for_groups_and_rows_and_places():
    """who by group, rows by attribute: through reach the same u, while the requirement stays v's."""
    meaning = shop_meaning(
        resource("company", rule(who=eq("id", 2), rows=OWNER), require=[requirement(has("id", "ne", row("owner")))]),
        groups=[group("g", eq("kind", "staff"))],
    )
    # 1 reaches 2, whose company 2 has its own number as owner: the requirement fails. 1's own company is not granted.
    assert sees(meaning, 1, "company") == []


# -- handing over and members by hand ----------------------------------------------------------------------------------


def test_point_38_handing_over_asks_for_the_old_row_s_right_and_what_is_required_of_the_new_one():
    people = viewers(active=eq("active", True), manager="boss")
    world = World().add(
        "person",
        "id integer, boss integer, tenant integer, active boolean",
        (1, None, 1, True), (2, 1, 1, True), (3, None, 1, True), (4, None, 2, True), (5, None, 1, False),
    ).add("paper", "id integer, owner integer, frozen boolean", (10, 2, False), (20, 2, True), (30, 3, False), keys={"owner": "person.id"})  # fmt: skip
    papers = resource(
        "paper",
        rule("owner", rows=OWNER, may="read update"),
        require=[
            requirement(eq("frozen", False), may="update", name="frozen"),
            requirement(eq("owner.tenant", viewer("tenant")), may="read", name="tenant"),
        ],
    )

    def found(column: str = "owner", **more: Any) -> list[tuple[int, int, str]]:
        rules = access(replace(papers, **more), people=people)
        meaning = world.meaning(rules)
        rows = {row["id"]: row for row in world.data[world.tables[1].name]}
        return [
            (viewer_key, key, to)
            for viewer_key in range(1, 6)
            for key, row in rows.items()
            for to in ("1", "2", "3", "4", "5", "6", "x")
            if meaning.may_hand_over(as_viewer(viewer_key), "paper", column, to, row)
        ]

    mine = [(1, 10, to) for to in "123"] + [(2, 10, to) for to in "123"] + [(3, 30, to) for to in "123"]
    assert found(hand_over=(HandOver("owner", AT),)) == mine
    assert found() == []  # unless it is said, nobody may
    assert found("id", hand_over=(HandOver("owner", AT),)) == []


def test_point_39_members_by_hand_are_managed_by_those_who_are_named_and_super_admins():
    world = World().add(
        "person", "id integer, kind text, region text", (1, "lead", None), (2, "staff", "north"), (3, "admin", None)
    ).add("member", "who integer, list text", (2, "g"), primary="")  # fmt: skip
    people = viewers(super_admin=eq("kind", "admin"))
    by_hand = group("g", eq("region", "north"), listed("member", "who", eq("list", "g")))
    managed = {
        "leads": ManagedBy(eq("kind", "lead"), AT),
        "members": ManagedBy(in_group("g"), AT),
        "nobody else": ManagedBy(None, AT),
        "not by hand": None,
    }
    found: dict[str, list[int]] = {}
    for name, one in managed.items():
        meaning = world.meaning(access(people=people, groups=[replace(by_hand, managed_by=one)]))
        found[name] = [key for key in range(1, 5) if meaning.may_change_members(as_viewer(key), "g")]
        assert not meaning.may_change_members(Session(None, "app"), "g")
        assert [meaning.is_removable("g", key) for key in ("1", "2", "3", "4")] == [True, False, True, True]
    assert found == {"leads": [1, 3], "members": [2, 3], "nobody else": [3], "not by hand": []}
