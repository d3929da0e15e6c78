"""Points 1 to 5, 25 to 28 and 30 of docs/meaning.md: what single conditions mean on a row. Expectations are worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from pgerase.errors import PgeraseError
from pgerase.meaning.truth import and3, not3, or3
from pgerase.rules.conditions import Condition
from tests.unit.meaning.build import (
    World,
    access,
    ago,
    ahead,
    all_of,
    any_of,
    ends,
    eq,
    found_by,
    has,
    no,
    reference,
    relation,
    resource,
    row,
    rule,
    sees,
    viewer,
    viewers,
)

T, F, U = "true", "false", "unknown"


def truth(
    condition: Condition, columns: str, values: tuple[object, ...], *, world: World | None = None, **more: Any
) -> str:
    """A condition's truth on one row, found from outside: it grants, or its negation does, or neither."""
    here = world or World()
    if world is None:
        here.add("person", "id integer, name text", (1, "Ann"))
    here.add("thing", f"id integer, {columns}", (1, *values), **more)
    granted = {
        wording: bool(sees(here.meaning(access(resource("thing", rule(rows=rows)), people=viewers())), 1, "thing"))
        for wording, rows in ((T, condition), (F, no(condition)))
    }
    assert not all(granted.values())
    return next((wording for wording, holds in granted.items() if holds), U)


def on_column(kind: str, value: object, operator: str, operand: Any = None) -> str:
    return truth(has("c", operator, operand), f"c {kind}", (value,))


# -- truth -------------------------------------------------------------------------------------------------------------


def test_point_0_sql_truth_tables():
    assert [and3([a, b]) for a in (True, False, None) for b in (True, False, None)] == [
        True, False, None, False, False, False, None, False, None,
    ]  # fmt: skip
    assert [or3([a, b]) for a in (True, False, None) for b in (True, False, None)] == [
        True, True, True, True, False, None, True, None, None,
    ]  # fmt: skip
    assert [not3(a) for a in (True, False, None)] == [False, True, None]
    assert and3([]) is True
    assert or3([]) is False


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (all_of(), T),
        (any_of(), F),
        (all_of(eq("c", 1), eq("n", 1)), U),
        (all_of(eq("c", 2), eq("n", 1)), F),
        (any_of(eq("c", 1), eq("n", 1)), T),
        (any_of(eq("c", 2), eq("n", 1)), U),
        (no(all_of(eq("c", 2), eq("n", 1))), T),
    ],
)
def test_point_5_combinators_are_three_valued(condition, expected):
    assert truth(condition, "c integer, n integer", (1, None)) == expected


def test_point_5_not_of_unknown_stays_unknown():
    assert on_column("integer", None, "eq", 1) == U
    assert truth(no(no(eq("c", 1))), "c integer", (None,)) == U


# -- nulls -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operator", ["eq", "ne", "lt", "le", "gt", "ge", "in", "not_in", "overlaps"])
def test_point_1_null_on_either_side_is_unknown(operator):
    assert on_column("integer", None, operator, 1) == U
    assert truth(has("c", operator, row("n")), "c integer, n integer", (1, None)) == U
    assert truth(has("c", operator, row("n")), "c integer, n integer", (None, None)) == U


@pytest.mark.parametrize("operator", ["contains", "starts_with", "ends_with"])
def test_point_1_null_text_is_unknown(operator):
    assert on_column("text", None, operator, "a") == U
    assert truth(has("c", operator, row("n")), "c text, n text", ("a", None)) == U


def test_point_1_is_null_and_is_set_on_the_row_are_two_valued():
    assert on_column("integer", None, "is_null") == T
    assert on_column("integer", 1, "is_null") == F
    assert on_column("integer", None, "is_set") == F
    assert on_column("integer", 1, "is_set") == T


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        (1, {"is_null": T, "is_set": F, "eq": U}),  # Ann is there, her note is null
        (2, {"is_null": F, "is_set": T, "eq": T}),
        (None, {"is_null": U, "is_set": U, "eq": U}),  # null hop
        (9, {"is_null": U, "is_set": U, "eq": U}),  # dangling hop
    ],
)
def test_point_1_any_test_through_a_null_or_missing_hop_is_unknown(owner, expected):
    def found(operator: str) -> str:
        world = World().add("person", "id integer, note text", (1, None), (2, "x"))
        condition = has("owner.note", operator, "x" if operator == "eq" else None)
        return truth(condition, "owner integer", (owner,), world=world, keys={"owner": "person.id"})

    assert {operator: found(operator) for operator in expected} == expected


def test_point_1_second_hop_missing_is_unknown():
    def found(team: object, operator: str) -> str:
        world = World().add("person", "id integer, team integer", (1, team), keys={"team": "team.id"})
        world.add("team", "id integer, name text", (5, None))
        return truth(has("owner.team.name", operator), "owner integer", (1,), world=world, keys={"owner": "person.id"})

    assert [found(5, "is_null"), found(None, "is_null"), found(6, "is_null"), found(6, "is_set")] == [T, U, U, U]


def test_point_1_row_operand_through_a_missing_hop_is_unknown():
    world = World().add("person", "id integer, region text", (1, "east"))
    condition = eq("region", row("owner.region"))
    assert truth(condition, "region text, owner integer", ("east", 7), world=world, keys={"owner": "person.id"}) == U


# -- literals and lists ------------------------------------------------------------------------------------------------


def test_point_2_empty_list():
    assert on_column("integer", 1, "in", []) == F
    assert on_column("integer", 1, "not_in", []) == T
    assert on_column("integer", None, "in", []) == U
    assert on_column("integer", None, "not_in", []) == U


@pytest.mark.parametrize(
    ("kind", "value", "operator", "operand", "expected"),
    [
        ("integer", 3, "in", [1, 3], T),
        ("integer", 2, "in", [1, 3], F),
        ("integer", 2, "not_in", [1, 3], T),
        ("bigint", 2**40, "eq", 2**40, T),
        ("integer", 7, "eq", "7", T),
        ("numeric", Decimal("0.1"), "eq", 0.1, T),
        ("numeric", Decimal("1.50"), "eq", 1.5, T),
        ("numeric", Decimal("NaN"), "eq", "NaN", T),
        ("numeric", Decimal("NaN"), "gt", 10**30, T),
        ("double precision", 0.1, "eq", 0.1, T),
        ("double precision", float("nan"), "ge", float("nan"), T),
        ("real", 0.1, "eq", 0.1, T),
        ("text", "NO", "eq", "NO", T),
        ("text", "no", "eq", "NO", F),
        ("text", "a ", "eq", "a", F),
        ("character", "ab   ", "eq", "ab", T),
        ("character", "ab   ", "eq", "ab ", T),
        ("public.citext", "Ann", "eq", "aNN", T),
        ("citext", "Ann", "ne", "aNN", F),
        ("boolean", True, "eq", True, T),
        ("boolean", False, "lt", True, T),
        ("uuid", UUID(int=5), "eq", "00000000-0000-0000-0000-000000000005", T),
        ("uuid", UUID(int=5), "lt", "00000000-0000-0000-0000-000000000006", T),
        ("date", date(2024, 2, 29), "eq", "2024-02-29", T),
        ("date", date(2024, 2, 29), "ge", "2024-03-01", F),
        ("timestamp without time zone", datetime(2024, 2, 29, 1), "eq", "2024-02-29 01:00", T),
        ("timestamp with time zone", datetime(2024, 2, 29, 1, tzinfo=UTC), "eq", "2024-02-29T01:00", T),
        ("timestamp with time zone", datetime(2024, 2, 29, 1, tzinfo=UTC), "eq", "2024-02-29T03:00+02:00", T),
        (
            "timestamp with time zone",
            datetime(2024, 2, 29, 3, tzinfo=timezone(timedelta(hours=2))),
            "le",
            "2024-02-29T01:00Z",
            T,
        ),
        ("time without time zone", time(8, 30), "lt", "09:00", T),
        ("cs.mood", "happy", "in", ["happy", "sad"], T),
        ("cs.mood", "happy", "eq", "Happy", F),
    ],
)
def test_point_27_literals_take_the_column_s_type(kind, value, operator, operand, expected):
    assert on_column(kind, value, operator, operand) == expected


@pytest.mark.parametrize(
    ("kind", "value", "literal"),
    [
        ("integer", 1, 1.5),
        ("integer", 1, True),
        ("integer", 1, "one"),
        ("text", "1", 1),
        ("boolean", True, "true"),
        ("boolean", True, 1),
        ("uuid", UUID(int=1), "not a uuid"),
        ("date", date(2024, 1, 1), "2024-02-30"),
        ("date", date(2024, 1, 1), "2024-01-01 10:00"),
        ("timestamp without time zone", datetime(2024, 1, 1), "2024-01-01T00:00+01:00"),
        ("numeric", Decimal(1), "1,5"),
    ],
)
def test_point_27_literals_of_another_type_are_errors(kind, value, literal):
    with pytest.raises(PgeraseError, match="is not a value of type"):
        on_column(kind, value, "eq", literal)


@pytest.mark.parametrize(
    ("kinds", "values", "expected"),
    [
        ("integer/numeric", (1, Decimal("1.0")), T),
        ("numeric/double precision", (Decimal("0.1"), 0.1), T),
        ("real/double precision", (0.1, 0.1), F),  # as in PostgreSQL: 0.1::real <> 0.1::float8
        ("text/character varying", ("a", "a"), T),
        ("text/character", ("a", "a  "), T),
        ("text/character", ("a  ", "a  "), F),
        ("citext/citext", ("A", "a"), T),
        ("citext/text", ("A", "a"), F),
        ("date/timestamp without time zone", (date(2024, 1, 1), datetime(2024, 1, 1)), T),
        ("cs.mood/cs.mood", ("sad", "sad"), T),
    ],
)
def test_point_27_columns_of_different_types(kinds, values, expected):
    left, right = kinds.split("/")
    assert truth(eq("c", row("d")), f"c {left}, d {right}", values) == expected


@pytest.mark.parametrize(
    ("kinds", "values"),
    [
        ("integer/text", (1, "1")),
        ("boolean/integer", (True, 1)),
        ("cs.mood/text", ("sad", "sad")),
        ("timestamp with time zone/date", (datetime(2024, 1, 1, tzinfo=UTC), date(2024, 1, 1))),
        (
            "timestamp with time zone/timestamp without time zone",
            (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1)),
        ),
    ],
)
def test_point_27_what_does_not_compare_is_an_error(kinds, values):
    left, right = kinds.split("/")
    with pytest.raises(PgeraseError, match="cannot be compared"):
        truth(eq("c", row("d")), f"c {left}, d {right}", values)


# -- text --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "value", "operand", "expected"),
    [
        ("contains", "50% off", "0%", T),
        ("contains", "500 off", "0%", F),
        ("contains", "a_b", "_", T),
        ("contains", "ab", "_", F),
        ("contains", "Will Churn", "churn", F),
        ("contains", "abc", "", T),
        ("contains", "a\\b", "\\", T),
        ("starts_with", "100%", "1%", F),
        ("starts_with", "Ann", "An", T),
        ("starts_with", "Ann", "an", F),
        ("ends_with", "x.pdf", ".pdf", T),
        ("ends_with", "xpdf", ".pdf", F),
    ],
)
def test_point_4_text_searches_are_literal(operator, value, operand, expected):
    assert on_column("text", value, operator, operand) == expected


def test_point_4_case_counts_in_citext_too():
    assert on_column("citext", "Ann", "contains", "ann") == F


def test_point_4_only_text_is_searched():
    with pytest.raises(PgeraseError, match="not both text"):
        on_column("integer", 12, "contains", 1)


def test_point_4_order_of_text_needs_collation_c_and_goes_by_code_point():
    assert on_column("text collate c", "Z", "lt", "a") == T
    assert on_column("text collate c", "é", "gt", "z") == T
    assert on_column("text collate c", "\U0001f600", "gt", "￿") == T
    assert on_column("text collate c", "b", "between", ends("a", "b")) == T
    for operator, operand in (("lt", "a"), ("between", ends("a", "b"))):
        with pytest.raises(PgeraseError, match="collation C"):
            on_column("text", "Z", operator, operand)


def test_point_4_equality_needs_a_deterministic_collation():
    for operator in ("eq", "ne", "in", "not_in"):
        with pytest.raises(PgeraseError, match="deterministic"):
            on_column("text collate loose", "a", operator, ["a"])


def test_point_27_enums_have_no_order_here():
    with pytest.raises(PgeraseError, match="no order"):
        on_column("cs.mood", "sad", "lt", "happy")


# -- between -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [(1, 1, 3, T), (3, 1, 3, T), (0, 1, 3, F), (4, 1, 3, F), (2, 3, 1, F), (None, 1, 3, U)],
)
def test_point_26_between_includes_both_ends(value, low, high, expected):
    assert on_column("integer", value, "between", ends(low, high)) == expected


@pytest.mark.parametrize(("value", "expected"), [(2, U), (9, F)])
def test_point_26_a_null_end_is_as_in_sql(value, expected):
    # 2 between null and 5: unknown. 9 between null and 5: false, whatever the low end is.
    condition = has("c", "between", ends(row("n"), 5))
    assert truth(condition, "c integer, n integer", (value, None)) == expected


@pytest.mark.parametrize(
    ("values", "expected"), [([1, 9], F), ([1, 4], T), ([], F), (None, U), ([None, 4], T), ([None], F)]
)
def test_point_26_between_of_an_array_wants_one_value_within(values, expected):
    assert on_column("integer[]", values, "between", ends(3, 5)) == expected


def test_point_26_between_of_an_array_with_a_null_end_is_unknown():
    assert truth(has("c", "between", ends(row("n"), 5)), "c integer[], n integer", ([9], None)) == U


def test_point_26_an_end_with_many_values_is_refused():
    with pytest.raises(PgeraseError, match="one low and one high"):
        truth(has("c", "between", ends(row("n"), 5)), "c integer, n integer[]", (1, [1]))


# -- arrays ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "operator", "operand", "expected"),
    [
        (["a", "b"], "eq", "a", T),
        (["a", "b"], "eq", "c", F),
        (["a", "b"], "ne", "a", F),
        (["a", "b"], "ne", "c", T),
        (["a", "b"], "in", ["b", "c"], T),
        (["a", "b"], "not_in", ["b", "c"], F),
        (["a", "b"], "not_in", ["c"], T),
        (["a", "b"], "contains", "a", T),
        (["abc"], "contains", "a", F),  # an element, not a substring
        (["abc"], "starts_with", "a", T),
        (["abc"], "ends_with", "a", F),
        (["a", "b"], "overlaps", ["b", "z"], T),
        (["a", "b"], "overlaps", ["z"], F),
        (["a", "b"], "in", [], F),
        (["a", "b"], "not_in", [], T),
        ([], "eq", "a", F),
        ([], "ne", "a", T),
        ([None], "eq", "a", F),
        ([None, "a"], "ne", "b", T),
        ([["a"], ["b", None]], "eq", "b", T),
        (None, "eq", "a", U),
        (None, "ne", "a", U),
        (None, "in", [], U),
        (None, "overlaps", ["a"], U),
    ],
)
def test_point_3_array_column_tested(tags, operator, operand, expected):
    assert on_column("text[]", tags, operator, operand) == expected


@pytest.mark.parametrize(
    ("scores", "operator", "expected"), [([1, 9], "lt", T), ([9], "lt", F), ([], "lt", F), ([1, 9], "ge", T)]
)
def test_point_3_order_of_an_array_means_any(scores, operator, expected):
    assert on_column("integer[]", scores, operator, 5) == expected


@pytest.mark.parametrize(
    ("value", "operator", "tags", "expected"),
    [
        ("a", "eq", ["a", "b"], T),
        ("a", "in", ["b"], F),
        ("a", "ne", ["a", "b"], F),
        ("a", "not_in", ["b"], T),
        ("a", "in", [None, "a"], T),
        ("a", "not_in", [None, "b"], T),  # nulls are dropped, unlike in SQL's NOT IN
        ("a", "in", [], F),
        ("a", "not_in", [], T),
        (None, "in", [], U),
        (None, "not_in", [], U),
        ("a", "in", None, U),
        ("a", "not_in", None, U),
        ("abc", "starts_with", ["x", "ab"], T),
        ("abc", "contains", ["x", "bc"], T),
        ("abc", "ends_with", [], F),
        ("a", "overlaps", ["a"], T),
    ],
)
def test_point_3_array_as_operand(value, operator, tags, expected):
    assert truth(has("c", operator, row("t")), "c text, t text[]", (value, tags)) == expected


def test_point_3_two_arrays():
    columns = "a integer[], b integer[]"
    assert truth(has("a", "overlaps", row("b")), columns, ([1, 2], [2, 3])) == T
    assert truth(has("a", "ne", row("b")), columns, ([1, 2], [2, 3])) == F
    assert truth(has("a", "ne", row("b")), columns, ([1], [2])) == T
    assert truth(has("a", "gt", row("b")), columns, ([1, 4], [3, 9])) == T
    assert truth(has("a", "gt", row("b")), columns, ([1, 2], [3, 9])) == F


def test_point_30_is_null_of_an_array_asks_about_the_array():
    assert on_column("integer[]", None, "is_null") == T
    assert on_column("integer[]", [], "is_null") == F
    assert on_column("integer[]", [None], "is_set") == T


def test_point_30_is_null_of_a_relation_is_refused():
    world = World().add("person", "id integer", (1,)).add("member", "id integer, who integer, team integer", (1, 1, 1))
    world.add("thing", "id integer", (1,))
    people = viewers(relation("teams", "member", "team", eq("who", viewer("key"))))
    for operator in ("is_null", "is_set"):
        meaning = world.meaning(access(resource("thing", rule(who=has("teams", operator))), people=people))
        with pytest.raises(PgeraseError, match="relation"):
            sees(meaning, 1, "thing")


# -- relative times ----------------------------------------------------------------------------------------------------

LEAP_NOW = datetime(2024, 3, 31, 1, 30, tzinfo=timezone(timedelta(hours=2)))  # 2024-03-30 23:30 UTC


@pytest.mark.parametrize(
    ("kind", "relative", "equal_to"),
    [
        ("timestamp with time zone", ago(months=1), datetime(2024, 2, 29, 23, 30, tzinfo=UTC)),  # the 30th is clamped
        ("timestamp without time zone", ago(months=1), datetime(2024, 2, 29, 23, 30)),
        ("date", ago(months=1), date(2024, 2, 29)),
        ("date", ago(), date(2024, 3, 30)),  # the UTC day, not the 31st of the session
        ("date", ahead(seconds=1800), date(2024, 3, 31)),
        ("date", ago(months=13), date(2023, 2, 28)),
        ("date", ago(months=1, days=1), date(2024, 2, 28)),  # first clamped, then the day
        ("date", ahead(months=11, days=1), date(2025, 3, 1)),
        ("date", ahead(months=10), date(2025, 1, 30)),
        ("timestamp with time zone", ago(days=90), datetime(2023, 12, 31, 23, 30, tzinfo=UTC)),
        ("timestamp with time zone", ahead(seconds=90), datetime(2024, 3, 30, 23, 31, 30, tzinfo=UTC)),
    ],
)
def test_point_25_relative_times(kind, relative, equal_to):
    step = timedelta(days=1) if kind == "date" else timedelta(microseconds=1)
    world = World().add("person", "id integer", (1,))
    world.add("thing", f"id integer, at {kind}", (1, equal_to - step), (2, equal_to), (3, equal_to + step))
    rules = {operator: resource("thing", rule(rows=has("at", operator, relative))) for operator in ("lt", "eq", "gt")}
    seen = {
        operator: sees(world.meaning(access(rules[operator], people=viewers()), LEAP_NOW), 1, "thing")
        for operator in rules
    }
    assert seen == {"lt": [1], "eq": [2], "gt": [3]}


def test_point_25_between_relative_times():
    condition = has("at", "between", ends(ago(days=2), ahead(days=2)))
    assert truth(condition, "at date", (date(2024, 4, 2),)) == T
    assert truth(condition, "at date", (date(2024, 4, 3),)) == F


@pytest.mark.parametrize(
    ("kind", "value"), [("text", "2024-01-01"), ("integer", 1), ("time without time zone", time(1))]
)
def test_point_25_other_types_are_refused(kind, value):
    with pytest.raises(PgeraseError, match="relative time"):
        on_column(kind, value, "lt", ago(days=1))


def test_point_25_the_calendar_ends():
    with pytest.raises(PgeraseError, match="calendar"):
        on_column("date", date(2024, 1, 1), "gt", ago(months=12 * 3000))


# -- lookups -----------------------------------------------------------------------------------------------------------


def test_point_28_composite_lookup_and_its_nulls():
    def found(values: tuple[object, ...], step: str) -> str:
        world = World().add("chat", "tenant integer, id integer, open boolean", (1, 7, True), (2, 7, False))
        world.add("person", "id integer", (1,))
        return truth(
            eq(f"{step}.open", True),
            "tenant integer, chat integer",
            values,
            world=world,
            keys={"tenant+chat": "chat.tenant+id"},
        )

    assert [found(values, "tenant+chat") for values in ((1, 7), (2, 7), (3, 7), (1, None), (None, 7))] == [
        T,
        F,
        U,
        U,
        U,
    ]
    assert found((2, 7), "chat+tenant") == F  # the order of a step's columns means nothing
    assert found((1, 7), "chat") == T  # the only lookup that uses the column


def _two_lookups(keys: dict[str, str], step: str) -> str:
    world = World().add("person", "id integer", (1,)).add("tenant", "id integer, open boolean", (1, True), (2, False))
    world.add("chat", "tenant integer, id integer, open boolean", (1, 7, False))
    return truth(eq(f"{step}.open", True), "tenant integer, chat integer", (1, 7), world=world, keys=keys)


def test_point_28_a_column_in_two_lookups_is_ambiguous_unless_one_is_exactly_it():
    composite = {"tenant+chat": "chat.tenant+id"}
    assert _two_lookups({**composite, "tenant": "tenant.id"}, "tenant") == T
    with pytest.raises(PgeraseError, match="ambiguous"):
        _two_lookups({"tenant#1": "tenant.id", "tenant#2": "person.id"}, "tenant")
    with pytest.raises(PgeraseError, match="ambiguous"):
        _two_lookups({**composite, "tenant+id": "chat.tenant+id"}, "tenant")
    with pytest.raises(PgeraseError, match="no foreign key and no reference"):
        _two_lookups(composite, "id")


def test_point_28_the_same_lookup_declared_twice_is_one():
    assert _two_lookups({"tenant#1": "tenant.id", "tenant#2": "tenant.id"}, "tenant") == T


def test_point_28_references_lead_like_foreign_keys():
    world = World().add("person", "id integer", (1,)).add("cs.team", "id bigint, name text", (5, "east"))
    world.add("cs.thing", "id integer, team_id integer", (1, 5), (2, 6), (3, None))
    rules = access(
        resource("thing", rule(rows=eq("team_id.name", "east")), table="cs.thing"),
        people=viewers(),
        references=[reference("cs.thing.team_id", "cs.team.id")],
    )
    assert sees(world.meaning(rules), 1, "thing") == [1]


def test_point_28_a_reference_that_finds_several_rows_is_an_error():
    world = (
        World().add("person", "id integer", (1,)).add("team", "id integer, code text", (1, "a"), (2, "a"), (3, None))
    )
    world.add("thing", "id integer, code text", (1, "a"))
    rules = access(
        resource("thing", rule(rows=has("code.id", "is_set"))),
        people=viewers(),
        references=[reference("thing.code", "team.code")],
    )
    with pytest.raises(PgeraseError, match="finds 2 rows"):
        sees(world.meaning(rules), 1, "thing")


def test_point_28_text_keys_are_compared_as_their_types_compare():
    world = World().add("person", "id integer", (1,)).add("team", "code character, open boolean", ("a  ", True))
    condition = eq("code.open", True)
    assert truth(condition, "code character", ("a     ",), world=world, keys={"code": "team.code"}) == T


def test_unqualified_names_match_exactly_one_table():
    world = (
        World().add("person", "id integer", (1,)).add("a.thing", "id integer", (1,)).add("b.thing", "id integer", (2,))
    )
    with pytest.raises(PgeraseError, match=r"a\.thing, b\.thing"):
        world.meaning(access(resource("thing", rule()), people=viewers()))
    assert sees(world.meaning(access(resource("thing", rule(), table="b.thing"), people=viewers())), 1, "thing") == [2]
    with pytest.raises(PgeraseError, match="there is no table"):
        world.meaning(access(resource("thing", rule(), table="c.thing"), people=viewers()))


def test_missing_columns_and_tables_are_errors_not_false():
    world = World().add("person", "id integer", (1,)).add("thing", "id integer", (1,))
    with pytest.raises(PgeraseError, match="no column colour"):
        sees(world.meaning(access(resource("thing", rule(rows=eq("colour", "red"))), people=viewers())), 1, "thing")
    del world.data[world.tables[1].name]
    with pytest.raises(PgeraseError, match="were not given"):
        sees(world.meaning(access(resource("thing", rule()), people=viewers())), 1, "thing")


def test_point_31_a_lookup_attribute_ending_in_an_array_may_be_asked_for_null():
    world = World().add("person", "id integer, team integer", (1, 5), (2, 6), (3, None), keys={"team": "team.id"})
    world.add("team", "id integer, tags text[]", (5, None), (6, ["a"])).add("thing", "id integer", (1,))
    people = viewers(found_by("tags", "team.tags"))
    meaning = world.meaning(access(resource("thing", rule(who=has("tags", "is_null"))), people=people))
    assert [sees(meaning, viewer_key, "thing") for viewer_key in (1, 2, 3)] == [[1], [], []]
