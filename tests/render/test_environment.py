"""The gate of the templates: nothing but fragments comes through, and every fragment means what it was made from."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import DictLoader, TemplateError

from pgerase.catalog.model import Name
from pgerase.errors import InternalError
from pgerase.render.environment import environment, make_environment, render
from pgerase.render.fragments import KEYWORDS, Expr, Ident, Idents, Literal, quote_identifier, quote_literal

HOSTILE = [
    "'",
    '"',
    "a'; drop table t; --",
    "\\",
    "\\'",
    "$$",
    "a\nb",
    "/* x",
    "{{ x }}",
    "ü",
    "select",
    "Aa",
    "%s",
    ":x",
]


def out(source: str, **values: object) -> str:
    return make_environment(DictLoader({"t": source})).get_template("t").render(values)


@pytest.mark.parametrize(
    "source",
    [
        "{{ text }}",
        "{{ 'constant' }}",
        "{{ name|ident ~ name|ident }}",
        "{{ 'a' ~ 'b' }}",
        "{{ none }}",
        "{{ true }}",
        "{{ 1.5 }}",
        "{{ names }}",
        "{{ (name|ident).parts[0] }}",
        "{{ text|expr }}",
        "{{ names|literal }}",
        "{{ 1|ident }}",
        "{{ name|qualified }}",
        "{{ []|idents }}",
        "{{ ''|ident }}",
        "{{ long|ident }}",
        "{{ nul|literal }}",
        "{{ nul|ident }}",
    ],
)
def test_gate_refuses(source: str) -> None:
    values = {"text": "x", "name": "n", "names": ["a"], "long": "ü" * 32, "nul": "a\0b"}
    with pytest.raises(InternalError):
        out(source, **values)


@pytest.mark.parametrize(
    "source", ["{{ missing }}", "{{ missing|ident }}", "{{ text|upper }}", "{{ text|safe }}", "{{ range(3) }}"]
)
def test_environment_knows_nothing_else(source: str) -> None:
    with pytest.raises((TemplateError, InternalError)):
        out(source, text="x")


def test_fragments_pass() -> None:
    source = "{{ a|ident }} {{ b|qualified }} {{ c|idents }} {{ d|literal }} {{ e|expr }} {{ 3 }} {{ f }}\n"
    values = {
        "a": "Select",
        "b": Name("s", "order"),
        "c": ["x", "y z"],
        "d": "it's",
        "e": Expr("a = 1"),
        "f": Literal(None),
    }
    assert out(source, **values) == '"Select" s."order" x, "y z" \'it\'\'s\' a = 1 3 null\n'


def test_missing_template_is_named() -> None:
    with pytest.raises(InternalError, match="no_such_template"):
        render("no_such_template")


def test_environment_is_made_once() -> None:
    assert environment() is environment()


def test_fragments_are_values() -> None:
    assert Ident(("a", "b")) == Ident(("a", "b"))
    assert str(Idents((Ident(("a",)), Ident(("b",))))) == "a, b"
    assert [str(Literal(value)) for value in (None, True, False, -7)] == ["null", "true", "false", "-7"]


@pytest.fixture
def connection(server: str):
    with psycopg.connect(server, autocommit=True) as made:
        yield made


@pytest.mark.parametrize("conforming", ["on", "off"])
def test_literals_mean_their_text(connection: psycopg.Connection, conforming: str) -> None:
    connection.execute(f"set standard_conforming_strings = {conforming}".encode())
    connection.execute("set escape_string_warning = off")

    @settings(max_examples=60, deadline=None)
    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
    def round_trip(text: str) -> None:
        assert connection.execute(b"select " + quote_literal(text).encode()).fetchone() == (text,)

    round_trip()
    for text in HOSTILE:
        assert connection.execute(b"select " + quote_literal(text).encode()).fetchone() == (text,)
    connection.execute("set standard_conforming_strings = on")


def test_identifiers_mean_their_name(connection: psycopg.Connection) -> None:
    for name in [*HOSTILE, "x" * 63, "a.b", "plain", "_a1", "a$b", "1a"]:
        cursor = connection.execute(b"select 1 as " + quote_identifier(name).encode())
        assert cursor.description is not None
        assert cursor.description[0].name == name


def test_identifiers_are_quoted_as_the_server_quotes(connection: psycopg.Connection) -> None:
    # json_scalar and its like became keywords after 15: quoting too much is right on every version, too little on none.
    words = [word for (word,) in connection.execute("select word from pg_get_keywords() where catcode <> 'U'")]
    assert set(words) <= KEYWORDS
    for name in ["plain", "order", "Upper", "with space", "a$b", "_x", "9"]:
        assert connection.execute("select quote_ident(%s)", [name]).fetchone() == (quote_identifier(name),)
