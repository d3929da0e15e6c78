"""Points 6 to 10, 24, 31, 32 and 36 of docs/meaning.md: viewers, reach, groups, attributes, relations."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from pgerase.errors import PgeraseError
from pgerase.meaning import Session
from pgerase.rules.access import ColumnAttribute, ManagerTree, Viewers
from tests.unit.meaning.build import (
    AT,
    World,
    access,
    all_of,
    any_of,
    as_viewer,
    can,
    eq,
    found_by,
    group,
    has,
    in_group,
    is_role,
    listed,
    no,
    path,
    relation,
    resource,
    row,
    rule,
    sees,
    viewer,
    viewers,
)


def staff() -> World:
    """One boss (1), her reports, and what each owns: the row of the same number.

    1 ← 2 ← 3; 1 ← 4 (erased) ← 5; 1 ← 6 (inactive) ← 7; 8 status unknown; 9 alone.
    """
    world = World().add(
        "person",
        "id integer, boss integer, status text, region text, boss_of_all boolean",
        (1, None, "ACTIVE", "east", True),
        (2, 1, "ACTIVE", "west", False),
        (3, 2, "ACTIVE", None, None),
        (4, 1, "ERASED", "east", True),
        (5, 4, "ACTIVE", "east", False),
        (6, 1, "INACTIVE", "west", True),
        (7, 6, "ACTIVE", "west", False),
        (8, None, None, "east", True),
        (9, None, "ACTIVE", "east", None),
    )
    return world.add("thing", "id integer, owner integer, region text", *((n, n, None) for n in range(1, 10)))


def of_staff(**more: object) -> Viewers:
    settings = {"active": eq("status", "ACTIVE"), "erased": eq("status", "ERASED"), "manager": "boss", **more}
    return viewers(**settings)  # type: ignore[arg-type]


OWNER = eq("owner", viewer("key"))


# -- erased, active, super admin ---------------------------------------------------------------------------------------


def test_point_6_active_and_erased_must_be_known():
    rules = access(resource("thing", rule(rows=OWNER)), people=of_staff(manager=None))
    seen = {person: sees(staff().meaning(rules), person, "thing") for person in range(1, 10)}
    assert seen == {1: [1], 2: [2], 3: [3], 4: [], 5: [5], 6: [], 7: [7], 8: [], 9: [9]}


def test_point_6_each_counts_only_if_given():
    def seen(**given: object) -> list[int]:
        rules = access(resource("thing", rule(rows=OWNER)), people=viewers(**given))  # type: ignore[arg-type]
        return [person for person in range(1, 10) if sees(staff().meaning(rules), person, "thing")]

    assert seen() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert seen(erased=eq("status", "ERASED")) == [1, 2, 3, 5, 6, 7, 9]  # 8: unknown whether erased
    assert seen(active=eq("status", "ACTIVE")) == [1, 2, 3, 5, 7, 9]


def test_point_6_super_admin_only_where_true_and_active():
    rules = access(resource("thing"), people=of_staff(super_admin=eq("boss_of_all", True)))
    seen = {person: len(sees(staff().meaning(rules), person, "thing")) for person in range(1, 10)}
    assert seen == {1: 9, 2: 0, 3: 0, 4: 0, 5: 0, 6: 0, 7: 0, 8: 0, 9: 0}


def test_point_6_without_a_condition_nobody_is_super_admin():
    rules = access(resource("thing"), people=of_staff())
    assert sees(staff().meaning(rules), 1, "thing") == []


# -- reach -------------------------------------------------------------------------------------------------------------


def test_point_7_reach_passes_through_the_erased_and_inactive():
    rules = access(resource("thing", rule(rows=OWNER)), people=of_staff())
    seen = {person: sees(staff().meaning(rules), person, "thing") for person in range(1, 10)}
    assert seen == {
        1: [1, 2, 3, 5, 6, 7],  # not 4, who is erased, but through him 5; 6 is inactive and still in reach
        2: [2, 3],
        3: [3],
        4: [],
        5: [5],
        6: [],  # inactive viewers reach nobody
        7: [7],
        8: [],
        9: [9],
    }


def test_point_7_people_of_unknown_erasure_are_passed_through_and_no_members():
    world = World().add(
        "person", "id integer, boss integer, gone boolean", (1, None, False), (2, 1, None), (3, 2, False)
    )
    world.add("thing", "id integer, owner integer", (1, 1), (2, 2), (3, 3))
    rules = access(resource("thing", rule(rows=OWNER)), people=viewers(erased=eq("gone", True), manager="boss"))
    assert sees(world.meaning(rules), 1, "thing") == [1, 3]


def test_point_7_cycles_reach_each_other():
    world = World().add("person", "id integer, boss integer", (1, 3), (2, 1), (3, 2), (4, 3), (5, 5), (6, 99))
    world.add("thing", "id integer, owner integer", *((n, n) for n in range(1, 7)))
    rules = access(resource("thing", rule(rows=OWNER)), people=viewers(manager="boss"))
    seen = {person: sees(world.meaning(rules), person, "thing") for person in range(1, 7)}
    assert seen == {1: [1, 2, 3, 4], 2: [1, 2, 3, 4], 3: [1, 2, 3, 4], 4: [4], 5: [5], 6: [6]}


def test_point_7_without_hierarchy_u_is_v():
    rules = access(resource("thing", rule(rows=OWNER, hierarchy=False)), people=of_staff())
    assert sees(staff().meaning(rules), 1, "thing") == [1]


def test_point_7_who_is_asked_of_the_same_u_as_rows():
    world = staff()
    rules = access(resource("thing", rule(who=eq("region", "west"), rows=OWNER)), people=of_staff())
    assert sees(world.meaning(rules), 1, "thing") == [2, 6, 7]  # of her reach those in the west; not her own, nor 3's


def test_point_7_who_alone_through_reach_gives_all_rows():
    rules = access(resource("thing", rule(who=eq("region", "west"))), people=of_staff())
    assert len(sees(staff().meaning(rules), 1, "thing")) == 9  # 2 is in the west and in her reach
    assert sees(staff().meaning(rules), 5, "thing") == []


def in_tree(world: World, through: str, **more: object) -> dict[int, list[int]]:
    """What everybody sees of the things he and the people of roles below his own, if any do, own."""
    people = replace(viewers(**more), manager=ManagerTree(path(through), "up", AT))  # type: ignore[arg-type]
    meaning = world.meaning(access(resource("thing", rule(rows=OWNER)), people=people))
    return {number: sees(meaning, number, "thing") for number in range(1, 10)}


def roles(*people: tuple[int, int | None, str], keys: dict[str, str] | None = None) -> World:
    """10 ← 20 ← 30 and 10 ← 40, where nobody is, ← 50; 60 and 70 lead to each other; 80, its own parent, ← 90."""
    up = {10: None, 20: 10, 30: 20, 40: 10, 50: 40, 60: 70, 70: 60, 80: 80, 90: 80}
    world = World().add("role", "id integer, up integer", *up.items())
    world.add("person", "id integer, role integer, status text", *people, keys=keys or {"role": "role.id"})
    return world.add("thing", "id integer, owner integer", *((n, n) for n in range(1, 10)))


def test_point_7_in_a_tree_of_roles_one_reaches_the_people_of_roles_below_and_no_peers():
    staff = roles(
        (1, 10, "a"), (2, 10, "a"), (3, 20, "a"), (4, 30, "inactive"), (5, 30, "erased"), (6, 50, "a"), (7, None, "a"), (8, 99, "a"), (9, 99, "a")
    )  # fmt: skip
    seen = in_tree(staff, "role", active=eq("status", "a"), erased=eq("status", "erased"))
    assert seen == {
        1: [1, 3, 4, 6],  # not 2, who has the same role; 6 through a role that nobody has
        2: [2, 3, 4, 6],
        3: [3, 4],
        4: [],
        5: [],
        6: [6],
        7: [7],
        8: [8],  # a role that is not there is nobody's place
        9: [9],
    }


def test_point_7_circles_of_roles_reach_each_other_and_a_root_may_be_its_own_parent():
    staff = roles(*((n, role, "a") for n, role in enumerate((60, 60, 70, 80, 80, 90, 10, 30, 30), start=1)))
    seen = in_tree(staff, "role")
    assert seen == {1: [1, 3], 2: [2, 3], 3: [1, 2, 3], 4: [4, 6], 5: [5, 6], 6: [6], 7: [7, 8, 9], 8: [8], 9: [9]}


def test_point_7_the_way_to_a_role_may_lead_over_other_tables():
    staff = roles(*((n, n % 3 + 1, "a") for n in range(1, 10)), keys={"role": "post.id"})
    staff.add("post", "id integer, is integer", (1, 30), (2, 10), (3, None), keys={"is": "role.id"})
    # Posts of 1, 4 and 7 are at the top, those of 3, 6 and 9 two below it, those of 2, 5 and 8 nowhere.
    below = {n: sorted([n, 3, 6, 9]) if n in (1, 4, 7) else [n] for n in range(1, 10)}
    assert in_tree(staff, "role.is") == below


# -- groups ------------------------------------------------------------------------------------------------------------


def members(*groups: object, names: tuple[str, ...] = ("g",), world: World | None = None) -> list[int]:
    """Who is a member, found by a rule for v alone; inactive people cannot look themselves, so 1 asks through reach."""
    rules = access(
        resource("thing", rule(who=in_group(*names), rows=OWNER)),
        people=of_staff(),
        groups=groups,  # type: ignore[arg-type]
    )
    meaning = (world or staff()).meaning(rules)
    return sorted({key for person in range(1, 10) for key in sees(meaning, person, "thing")})


def test_point_8_members_by_criteria_or_list():
    assert members(group("g", eq("region", "east"))) == [1, 5, 9]
    assert members(group("g", None, [2, 5, 77])) == [2, 5]
    assert members(group("g", eq("region", "east"), [2])) == [1, 2, 5, 9]
    assert members(group("g")) == []


def test_point_8_inactive_members_only_if_said():
    assert members(group("g", eq("region", "west"))) == [2, 7]
    assert members(group("g", eq("region", "west"), include_inactive=True)) == [2, 6, 7]
    # 4 is erased: a member now, but reach leaves him out.
    assert members(group("g", None, [4, 6], include_inactive=True)) == [6]


def test_point_8_any_of_several_groups():
    assert members(group("g", None, [2]), group("h", None, [9]), names=("g", "h")) == [2, 9]
    with pytest.raises(PgeraseError, match="no group h"):
        members(group("g", None, [2]), names=("g", "h"))


def test_point_8_members_from_a_table():
    world = staff().add(
        "member",
        "id integer, who integer, team text",
        (1, 2, "a"),
        (2, 3, "b"),
        (3, None, "a"),
        (4, 5, "a"),
        (5, 5, "a"),
    )
    assert members(group("g", None, listed("member", "who")), world=world) == [2, 3, 5]
    assert members(group("g", None, listed("member", "who", eq("team", "a"))), world=world) == [2, 5]


def test_point_8_a_group_is_never_unknown():
    # 3 has no region: criteria are unknown, membership is false, its negation true.
    rules = access(
        resource("thing", rule(who=no(in_group("g")), rows=OWNER)),
        people=of_staff(manager=None),
        groups=[group("g", eq("region", "east"))],
    )
    seen = [person for person in range(1, 10) if sees(staff().meaning(rules), person, "thing")]
    assert seen == [2, 3, 7]


def test_point_29_where_of_members_names_no_viewer():
    world = staff().add("member", "id integer, who integer, region text", (1, 1, "east"))
    with pytest.raises(PgeraseError, match="no viewer here"):
        members(group("g", None, listed("member", "who", eq("region", viewer("region")))), world=world)


def test_point_36_without_criteria_nobody_fits():
    assert members(group("g", None, [])) == []
    assert members(group("g", all_of())) == [1, 2, 3, 5, 7, 9]  # criteria that are always true


# -- relations ---------------------------------------------------------------------------------------------------------


def accounts(*attributes: object, memberships: tuple[tuple[object, ...], ...], **more: object) -> World:
    world = World().add(
        "person", "id integer, boss integer, region text", (1, None, "east"), (2, 1, "west"), (3, None, "east")
    )
    world.add("member", "id integer, who integer, account integer, role text, region text", *memberships)
    return world.add(
        "thing",
        "id integer, account integer, region text",
        (10, 1, "east"),
        (20, 2, "west"),
        (30, 3, None),
        (40, None, "x"),
    )


MINE = relation("accounts", "member", "account", eq("who", viewer("key")))
SOME = ((1, 1, 1, "owner", "east"), (2, 1, 2, "guest", "west"), (3, 2, 3, "owner", "west"), (4, None, 3, "owner", None))


def account_rule(operator: str, where: object = None) -> object:
    return rule(rows=has("account", operator, viewer("accounts", where)))  # type: ignore[arg-type]


def test_point_9_values_of_the_person_s_rows():
    meaning = accounts(memberships=SOME).meaning(
        access(resource("thing", account_rule("in")), people=viewers(MINE))  # type: ignore[arg-type]
    )
    assert {person: sees(meaning, person, "thing") for person in (1, 2, 3)} == {1: [10, 20], 2: [30], 3: []}


def test_point_3_an_empty_relation_is_known_and_empty():
    meaning = accounts(memberships=SOME).meaning(
        access(resource("thing", account_rule("not_in")), people=viewers(MINE))  # type: ignore[arg-type]
    )
    # 40 has no account: unknown even for 3, whose relation is empty.
    assert {person: sees(meaning, person, "thing") for person in (1, 2, 3)} == {1: [30], 2: [10, 20], 3: [10, 20, 30]}


def test_point_9_nulls_are_dropped():
    meaning = accounts(memberships=((1, 1, None, None, None), (2, 1, 1, None, None))).meaning(
        access(resource("thing", account_rule("not_in")), people=viewers(MINE))  # type: ignore[arg-type]
    )
    assert sees(meaning, 1, "thing") == [20, 30]


def test_point_9_where_narrows_at_the_place_of_use():
    meaning = accounts(memberships=SOME).meaning(
        access(resource("thing", account_rule("in", eq("role", "owner"))), people=viewers(MINE))  # type: ignore[arg-type]
    )
    assert {person: sees(meaning, person, "thing") for person in (1, 2, 3)} == {1: [10], 2: [30], 3: []}


def test_point_9_where_may_speak_of_the_resource_s_row_and_of_the_same_person():
    by_row = account_rule("in", eq("region", row("region")))
    meaning = accounts(memberships=SOME).meaning(
        access(resource("thing", by_row), people=viewers(MINE))  # type: ignore[arg-type]
    )
    # 1: both memberships fit their row's region; 2: row 30 has no region, so the membership's test is unknown.
    assert {person: sees(meaning, person, "thing") for person in (1, 2)} == {1: [10, 20], 2: []}
    by_person = account_rule("in", eq("region", viewer("region")))
    meaning = accounts(memberships=SOME).meaning(
        access(resource("thing", by_person), people=viewers(MINE))  # type: ignore[arg-type]
    )
    assert {person: sees(meaning, person, "thing") for person in (1, 2)} == {1: [10], 2: [30]}


def test_point_9_two_memberships_one_u_for_both():
    """Boss 1 reaches 2 (accounts of the east) and 3 (of the west): who and rows must hold for one of them, not one each."""
    world = World().add(
        "person", "id integer, boss integer, region text", (1, None, None), (2, 1, "east"), (3, 1, "west")
    )
    world.add("member", "id integer, who integer, account integer", (1, 2, 1), (2, 3, 2))
    world.add(
        "thing",
        "id integer, account integer, region text",
        (11, 1, "east"),
        (12, 1, "west"),
        (21, 2, "east"),
        (22, 2, "west"),
    )
    both = all_of(has("account", "in", viewer("accounts")), eq("region", viewer("region")))
    meaning = world.meaning(access(resource("thing", rule(rows=both)), people=viewers(MINE, manager="boss")))
    assert sees(meaning, 1, "thing") == [11, 22]
    only_east = rule(who=eq("region", "east"), rows=has("account", "in", viewer("accounts")))
    meaning = world.meaning(access(resource("thing", only_east), people=viewers(MINE, manager="boss")))
    assert sees(meaning, 1, "thing") == [11, 12]


def test_point_9_two_memberships_of_one_person_are_one_m_each():
    """A where over two columns must hold on one membership, not on two together."""
    world = accounts(memberships=((1, 1, 1, "guest", None), (2, 1, 2, "owner", None)))
    meaning = world.meaning(
        access(resource("thing", account_rule("in", eq("role", "owner"))), people=viewers(MINE))  # type: ignore[arg-type]
    )
    assert sees(meaning, 1, "thing") == [20]


def test_point_9_relations_may_use_relations_but_not_in_a_circle():
    world = accounts(memberships=SOME).add("child", "id integer, account integer, sub integer", (1, 1, 3), (2, 3, 2))
    subs = relation("subs", "child", "sub", has("account", "in", viewer("accounts")))
    chained = rule(rows=has("account", "in", viewer("subs")))
    meaning = world.meaning(access(resource("thing", chained), people=viewers(MINE, subs)))
    assert {person: sees(meaning, person, "thing") for person in (1, 2, 3)} == {1: [30], 2: [20], 3: []}
    around = relation("accounts", "member", "account", has("account", "in", viewer("subs")))
    with pytest.raises(PgeraseError, match="circle"):
        sees(world.meaning(access(resource("thing", chained), people=viewers(around, subs))), 1, "thing")


def test_point_9_without_the_viewer_a_relation_is_the_same_for_everyone():
    owned = relation("owned", "member", "account", eq("role", "owner"))
    everyone_s = rule(rows=has("account", "in", viewer("owned")))
    meaning = accounts(memberships=SOME).meaning(access(resource("thing", everyone_s), people=viewers(owned)))
    assert {person: sees(meaning, person, "thing") for person in (1, 3)} == {1: [10, 30], 3: [10, 30]}


def test_point_9_lookups_in_where():
    world = World().add("person", "id integer", (1,)).add("team", "id integer, open boolean", (5, True), (6, False))
    world.add(
        "member", "id integer, who integer, team integer", (1, 1, 5), (2, 1, 6), (3, 1, None), keys={"team": "team.id"}
    )
    world.add("thing", "id integer, team integer", (5, 5), (6, 6))
    open_teams = relation("teams", "member", "team", all_of(eq("who", viewer("key")), eq("team.open", True)))
    meaning = world.meaning(
        access(resource("thing", rule(rows=has("team", "in", viewer("teams")))), people=viewers(open_teams))
    )
    assert sees(meaning, 1, "thing") == [5]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ((1,), [1, 2, 3]),  # 3 ← 2 ← 1
        ((2,), [2, 3]),
        ((3,), [3]),
        ((4,), [4, 5]),  # 4 and 5 lead to each other
        ((9,), [6, 9]),  # no territory 9, yet 6 names it as its parent
        ((1, 4), [1, 2, 3, 4, 5]),
        ((), []),
    ],
)
def test_point_9_below_adds_descendants(start, expected):
    world = World().add("person", "id integer", (1,))
    world.add("territory", "id integer, up integer", (1, None), (2, 1), (3, 2), (4, 5), (5, 4), (6, 9), (7, None))
    world.add("member", "id integer, who integer, territory bigint", *((n, 1, at) for n, at in enumerate(start)))
    world.add("thing", "id integer, territory integer", *((n, n) for n in range(1, 10)))
    mine = relation("mine", "member", "territory", eq("who", viewer("key")), below="territory.up")
    meaning = world.meaning(
        access(resource("thing", rule(rows=has("territory", "in", viewer("mine")))), people=viewers(mine))
    )
    assert sees(meaning, 1, "thing") == expected


def test_point_9_where_narrows_before_descendants_are_added():
    world = (
        World()
        .add("person", "id integer", (1,))
        .add("territory", "id integer, up integer", (1, None), (2, 1), (3, None))
    )
    world.add("member", "id integer, who integer, territory integer, role text", (1, 1, 1, "lead"), (2, 1, 3, "guest"))
    world.add("thing", "id integer, territory integer", (1, 1), (2, 2), (3, 3))
    mine = relation("mine", "member", "territory", eq("who", viewer("key")), below="territory.up")
    narrowed = rule(rows=has("territory", "in", viewer("mine", eq("role", "lead"))))
    assert sees(world.meaning(access(resource("thing", narrowed), people=viewers(mine))), 1, "thing") == [1, 2]


def test_point_9_where_narrows_relations_only():
    rules = access(resource("thing", rule(rows=eq("region", viewer("region", eq("id", 1))))), people=of_staff())
    with pytest.raises(PgeraseError, match="narrows relations only"):
        sees(staff().meaning(rules), 1, "thing")


# -- attributes in who -------------------------------------------------------------------------------------------------


def test_point_10_bare_names_in_who_are_columns_attributes_and_lookups():
    world = World().add(
        "person",
        "id integer, team integer, region text",
        (1, 5, "east"),
        (2, 6, "west"),
        (3, None, None),
        keys={"team": "team.id"},
    )
    world.add("team", "id integer, name text", (5, "sales"), (6, "ops"))
    world.add("member", "id integer, who integer, account integer", (1, 1, 7), (2, 1, 8), (3, 2, 9))
    world.add("thing", "id integer", (1,))
    people = viewers(MINE, found_by("team_name", "team.name"), ColumnAttribute("region", AT))

    def who(condition: object) -> list[int]:
        meaning = world.meaning(access(resource("thing", rule(who=condition)), people=people))  # type: ignore[arg-type]
        return [person for person in (1, 2, 3) if sees(meaning, person, "thing")]

    assert who(eq("region", "east")) == [1]
    assert who(eq("team_name", "sales")) == [1]
    assert who(eq("team.name", "ops")) == [2]
    assert who(no(eq("team.name", "ops"))) == [1]  # 3 has no team: unknown
    assert who(eq("accounts", 8)) == [1]
    assert who(has("accounts", "not_in", [8])) == [2, 3]  # 3's relation is empty and known
    assert who(has("accounts", "contains", 9)) == [2]
    assert who(has("accounts", "overlaps", [7, 9])) == [1, 2]
    assert who(has("accounts", "lt", 8)) == [1]
    with pytest.raises(PgeraseError, match="no column colour"):
        who(eq("colour", "red"))


def test_point_10_an_attribute_of_the_same_person_as_operand():
    world = World().add("person", "id integer, home text, work text", (1, "a", "a"), (2, "a", "b"), (3, None, None))
    world.add("thing", "id integer", (1,))
    meaning = world.meaning(access(resource("thing", rule(who=eq("home", viewer("work")))), people=viewers()))
    assert [person for person in (1, 2, 3) if sees(meaning, person, "thing")] == [1]


def test_point_3_an_array_attribute_as_operand():
    world = World().add("person", "id integer, regions text[]", (1, ["east", None]), (2, []), (3, None))
    world.add("thing", "id integer, region text", (1, "east"), (2, "west"), (3, None))

    def seen(operator: str) -> list[list[int]]:
        rules = access(resource("thing", rule(rows=has("region", operator, viewer("regions")))), people=viewers())
        return [sees(world.meaning(rules), person, "thing") for person in (1, 2, 3)]

    assert seen("in") == [[1], [], []]
    assert seen("not_in") == [[2], [1, 2], []]


def test_point_1_a_viewer_s_null_attribute_is_unknown():
    world = staff()
    rules = access(resource("thing", rule(rows=has("owner", "ne", viewer("boss")))), people=of_staff(manager=None))
    assert sees(world.meaning(rules), 1, "thing") == []
    assert sees(world.meaning(rules), 2, "thing") == [2, 3, 4, 5, 6, 7, 8, 9]


def test_point_31_names_with_two_meanings_are_refused():
    for attribute in (
        found_by("region", "boss.region"),
        relation("status", "thing", "id", None),
        found_by("key", "boss.id"),
    ):
        with pytest.raises(PgeraseError, match="two meanings"):
            staff().meaning(access(resource("thing"), people=viewers(attribute)))


def test_point_31_bare_key_is_a_column_or_an_error():
    with pytest.raises(PgeraseError, match="no column key"):
        sees(staff().meaning(access(resource("thing", rule(who=eq("key", 1))), people=of_staff())), 1, "thing")


def test_point_29_words_out_of_place_are_errors():
    def ask(**parts: object) -> None:
        settings = {"who": None, "rows": None, **parts}
        rules = access(
            resource("thing", rule(**settings)),  # type: ignore[arg-type]
            people=viewers(relation("r", "thing", "id", eq("id", row("id"))), table="person"),
            groups=[group("g", in_group("g"))],
        )
        sees(staff().meaning(rules), 1, "thing")

    for parts, message in (
        ({"rows": in_group("g")}, "group may stand"),
        ({"rows": is_role("web")}, "role may stand alone"),
        ({"who": in_group("g")}, "group may stand"),  # its criteria name a group
        ({"who": can("boss", "read")}, "can may stand"),
        ({"who": eq("id", row("id"))}, "no resource's row"),
        ({"rows": has("id", "in", viewer("r"))}, "no resource's row"),  # {row} in the relation's own where
    ):
        with pytest.raises(PgeraseError, match=message):
            ask(**parts)


# -- identity ----------------------------------------------------------------------------------------------------------


def test_point_12_and_32_integer_keys():
    meaning = staff().meaning(access(resource("thing", everyone="read"), people=of_staff()))
    for presented, count in (
        ("1", 9),
        ("9", 9),
        ("01", 0),
        ("+1", 0),
        (" 1", 0),
        ("1 ", 0),
        ("1.0", 0),
        ("one", 0),
        ("77", 0),
    ):
        assert len(sees(meaning, presented, "thing")) == count, presented
    assert sees(meaning, "9" * 5000, "thing") == []
    assert sees(meaning, "١", "thing") == []  # an Arabic digit one


def test_point_32_uuid_keys():
    key = UUID("6f9619ff-8b86-d011-b42d-00cf4fc964ff")
    world = World().add("person", "id uuid", (key,)).add("thing", "id integer", (1,))
    meaning = world.meaning(access(resource("thing", everyone="read"), people=viewers()))
    assert sees(meaning, str(key), "thing") == [1]
    for presented in (str(key).upper(), key.hex, "{" + str(key) + "}", str(UUID(int=1)), "nobody"):
        assert sees(meaning, presented, "thing") == [], presented


@pytest.mark.parametrize(
    ("kind", "presented", "found"),
    [
        ("text", "Ann", True),
        ("text", "ann", False),
        ("text", "Ann ", False),
        ("citext", "aNN", True),
        ("character", "Ann", True),
        ("character", "Ann   ", True),
    ],
)
def test_point_32_text_keys(kind, presented, found):
    world = (
        World()
        .add("person", f"id {kind}", ("Ann  " if kind == "character" else "Ann",))
        .add("thing", "id integer", (1,))
    )
    meaning = world.meaning(access(resource("thing", everyone="read"), people=viewers()))
    assert sees(meaning, presented, "thing") == ([1] if found else [])


def test_point_32_empty_text_is_no_identity():
    meaning = staff().meaning(access(resource("thing", rule(who=is_role("web"))), people=of_staff()))
    assert sees(meaning, Session("", "web"), "thing") == list(range(1, 10))
    assert sees(meaning, Session(None, "web"), "thing") == list(range(1, 10))
    assert sees(meaning, Session("0", "web"), "thing") == []


def test_keys_that_cannot_identify_are_errors():
    world = World().add("person", "id integer, at date", (1, None)).add("thing", "id integer", (1,))
    with pytest.raises(PgeraseError, match="key of type date"):
        sees(world.meaning(access(resource("thing"), people=viewers(key="at"))), 1, "thing")
    world = World().add("person", "id integer", (1,), (1,), (None,)).add("thing", "id integer", (1,))
    with pytest.raises(PgeraseError, match="the same id"):
        world.meaning(access(resource("thing"), people=viewers()))


def test_point_24_everyone_means_active_viewers():
    meaning = staff().meaning(access(resource("thing", everyone="read"), people=of_staff()))
    seen = [person for person in range(1, 10) if sees(meaning, person, "thing")]
    assert seen == [1, 2, 3, 5, 7, 9]
    assert sees(meaning, Session(None, "app"), "thing") == []
    assert sees(meaning, as_viewer(1), "thing", "update") == []


def test_any_of_relation_conditions_under_not():
    """`not` over an empty relation's `in` is true: the relation is known."""
    rules = access(
        resource("thing", rule(rows=no(any_of(has("account", "in", viewer("accounts")))))), people=viewers(MINE)
    )
    assert sees(accounts(memberships=SOME).meaning(rules), 3, "thing") == [10, 20, 30]
