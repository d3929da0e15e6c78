"""Names and paths: what is written is what is meant, whatever the names are made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgerase.rules.conditions import Span
from pgerase.rules.names import BackStep, Path, Step, TableColumns, TableName, quote_part
from pgerase.rules.names_read import (
    NameProblem,
    parse_name,
    parse_path,
    parse_span,
    parse_step,
    parse_table,
    parse_table_columns,
)

NAMES = st.text(min_size=1, max_size=70).filter(lambda text: bool(text.strip()))
"""Any name at all: marks, quotes, blanks, newlines, more than 63 bytes."""


def forward(*columns: str) -> Path:
    return Path(tuple(Step((column,)) for column in columns))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", forward("a")),
        ("a.b.c", forward("a", "b", "c")),
        ("first name", forward("first name")),
        ('"we.ird".col', forward("we.ird", "col")),
        ('"say ""hi"""', forward('say "hi"')),
        ("a, b", Path((Step(("a", "b")),))),
        ('"a, b"', Path((Step(("a", "b")),))),
        ('"a, b".c', Path((Step(("a", "b")), Step(("c",))))),
        ('"""a, b"""', forward("a, b")),
        ('"a, ""b, c"""', Path((Step(("a", "b, c")),))),
        ("Straße.名前", forward("Straße", "名前")),
        ("cs.phone(user_id).number", Path((BackStep(TableName("phone", "cs"), ("user_id",)), Step(("number",))))),
        ("phone(user_id)", Path((BackStep(TableName("phone"), ("user_id",)),))),
        ("app.m(chat, at)", Path((BackStep(TableName("m", "app"), ("chat", "at")),))),
        ("team.cs.phone(x)", Path((Step(("team",)), BackStep(TableName("phone", "cs"), ("x",))))),
        (
            "s.a(x).b(y).c",
            Path((BackStep(TableName("a", "s"), ("x",)), BackStep(TableName("b"), ("y",)), Step(("c",)))),
        ),
    ],
)
def test_path_is_read(text: str, path: Path) -> None:
    assert parse_path(text, backwards=True) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        " a",
        "a ",
        "a. b",
        '"a',
        'a"b',
        '""',
        "a(b",
        "a(b))",
        "a()",
        "a(,)",
        "a[0]",
        "a, b.c",
        "a,",
        "a, a",
        "(a)",
        "a(b)c",
        '"a"b',
        "a(b,)",
    ],
)
def test_path_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(NameProblem):
        parse_path(text, backwards=True)


@given(st.lists(st.lists(NAMES, min_size=1, max_size=3, unique=True).map(tuple), min_size=1, max_size=3))
def test_path_survives_being_written(steps: list[tuple[str, ...]]) -> None:
    path = Path(tuple(Step(columns) for columns in steps))
    assert parse_path(str(path), backwards=False) == path


@given(NAMES)
def test_name_survives_being_quoted(name: str) -> None:
    assert parse_name(quote_part(name)) == name


@given(NAMES, st.none() | NAMES, st.lists(NAMES, min_size=1, max_size=3, unique=True))
def test_table_columns_survive_being_written(table: str, schema: str | None, columns: list[str]) -> None:
    name = TableName(table, schema)
    assert parse_table(str(name)) == name
    pair = TableColumns(name, tuple(columns))
    assert parse_table_columns(str(pair)) == pair


def test_step_is_one_step() -> None:
    assert parse_step("tenant_id, company_id") == Step(("tenant_id", "company_id"))
    with pytest.raises(NameProblem):
        parse_step("a.b")


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90 days", Span(0, 90, 0)),
        ("1 day", Span(0, 1, 0)),
        ("2 weeks", Span(0, 14, 0)),
        ("24 months", Span(24, 0, 0)),
        ("1 year", Span(12, 0, 0)),
        ("72 hours", Span(0, 0, 259_200)),
        ("10 minutes", Span(0, 0, 600)),
        ("30 seconds", Span(0, 0, 30)),
        ("1 year 6 months 2 days", Span(18, 2, 0)),
    ],
)
def test_span_is_read(text: str, span: Span) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize(
    "text", ["", "90", "days", "90 dayz", "-1 days", "1.5 days", "0 days", "90  days", "90days", "1 day ", "P90D"]
)
def test_span_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(NameProblem):
        parse_span(text)
