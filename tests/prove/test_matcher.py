"""The server's search against a matcher that shares nothing with it: it reads a text unit by unit and backtracks."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgerase.database import Database
from pgerase.prove.needles import load
from pgerase.prove.queries import Source, Text, scan
from pgerase.prove.spelling import covering, spell
from pgerase.prove.subject import Looked

BLANKS = set(" \t\n\r\f\v\u00a0\u3000")
SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "b": " ", "v": "\v"}


def units(text: str, at: int) -> Iterator[tuple[int, str]]:  # noqa: PLR0912 - one branch a spelling
    """What may stand at a place: (where it ends, the character it means)."""
    if at >= len(text):
        return
    yield at + 1, text[at]
    if text[at] == "+":
        yield at + 1, " "
    if text[at] == "\\":
        end = at
        while end < len(text) and text[end] == "\\":
            end += 1
        if end < len(text) and text[end] in SIMPLE:
            yield end + 1, SIMPLE[text[end]]
        found = re.match(r"u([0-9a-fA-F]{4})", text[end:])
        if found:
            yield end + 5, chr(int(found[1], 16))
        yield end, "\\"
        if end < len(text) and text[end] in "\"'/":
            yield end + 1, text[end]
    if text[at] in '\\"':
        run = re.match(r'[\\"]*', text[at:])
        assert run
        yield from ((at + offset + 1, '"') for offset, mark in enumerate(run[0]) if mark == '"')
    if text.startswith("''", at):
        yield at + 2, "'"
    run = re.match(r"(?:%[0-9a-fA-F]{2}){1,4}", text[at:])
    if run:
        for length in range(3, len(run[0]) + 1, 3):
            try:
                character = bytes.fromhex(run[0][:length].replace("%", "")).decode()
            except UnicodeDecodeError:
                continue
            # Letters and digits of ASCII need no escape, and none is looked for.
            if len(character) == 1 and not (character.isascii() and character.isalnum()):
                yield at + length, character


def fold(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def ends(text: str, at: int, wanted: str) -> Iterator[int]:
    """Every place where `wanted` may end that begins here."""
    if not wanted:
        yield at
        return
    if wanted[0] == " ":
        for end, character in units(text, at):
            if character in BLANKS:
                yield from ends(text, end, wanted)
                yield from ends(text, end, wanted[1:])
        return
    for end, character in units(text, at):
        escaped_ascii = end - at > 1 and character.isascii() and character.isalnum()
        if fold(character) == wanted[0] and not escaped_ascii:
            yield from ends(text, end, wanted[1:])
        if character.isascii() and not escaped_ascii:
            for end_of_mark, mark in units(text, end):
                if unicodedata.combining(mark) and fold(character + mark) == wanted[0]:
                    yield from ends(text, end_of_mark, wanted[1:])


def is_word(character: str) -> bool:
    return (character.isalnum() or bool(unicodedata.combining(character))) and not "\u4e00" <= character <= "\u9fff"


# The letter of an escape is small, hexadecimal digits are either.
_ESCAPE_BEFORE = re.compile(
    r"(\\[bfnrtv]|\\u00[0-2][0-9a-fA-F]|\\u003[a-fA-F]|\\u00[abAB][0-9a-fA-F]|\\u20..|\\u3000"
    r"|%[0-2][0-9a-fA-F]|%3[a-fA-F]|%[89a-fA-F][0-9a-fA-F]|\\[0-3][0-7]{2})\Z"
)


def holds(text: str, value: str) -> bool:
    wanted = fold(" ".join(value.split()))
    for start in range(len(text)):
        begins = (
            not is_word(wanted[0]) or start == 0 or not is_word(text[start - 1]) or _ESCAPE_BEFORE.search(text[:start])
        )
        if begins and any(
            not is_word(wanted[-1]) or end == len(text) or not is_word(text[end]) for end in ends(text, start, wanted)
        ):
            return True
    return False


LETTERS = "abcABCéÉдД王12"
MARKS = " @.'\"/\\-_%+&"
WORDS = st.text(st.sampled_from(LETTERS + MARKS), min_size=1, max_size=9)
VALUES = WORDS.filter(lambda value: bool(value.strip()))


def spellings(value: str) -> st.SearchStrategy[str]:
    forms = [
        value,
        value.upper(),
        value.swapcase(),
        unicodedata.normalize("NFD", value),
        value.replace(" ", " \n "),
        value.replace(" ", "\u00a0"),
        json.dumps(value)[1:-1],
        json.dumps(json.dumps(value))[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1].replace("/", "\\/"),
        quote(value, safe=""),
        quote_plus(value.upper()),
        value.replace("'", "''"),
        value.replace('"', '""').replace("\\", "\\\\"),
        value[1:],
        value[:-1],
    ]
    return st.sampled_from(forms)


@st.composite
def trials(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    values = draw(st.lists(VALUES, min_size=1, max_size=8, unique=True))
    around = st.one_of(
        WORDS, st.sampled_from(["", " ", "x", "é", "王", "\\n", "\\u0020", "%20", "%0A", "\\u00e9", "+", "\\", '"'])
    )
    texts = []
    for _ in range(draw(st.integers(1, 12))):
        pieces = draw(st.lists(st.one_of(around, st.sampled_from(values).flatmap(spellings)), min_size=1, max_size=4))
        texts.append("".join(pieces))
    return values, texts


@pytest.fixture(scope="module")
def matching(server: str) -> Iterator[Database]:
    with Database.open(server) as database:
        yield database


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trials())
def test_the_server_finds_what_the_matcher_finds(matching: Database, trial: tuple[list[str], list[str]]):
    values, texts = trial
    looked = [Looked("1", "name", spell(value, "name")) for value in values]
    with matching.trial():
        looked_for = load(matching, looked, ["1"])
        columns = ", ".join(f"c{number} text" for number in range(len(texts)))
        matching.run(f"create temporary table probed ({columns})")
        matching.copy("copy pg_temp.probed from stdin", [texts])
        columns = [Text(number, f"t.c{number}", is_text=True) for number in range(len(texts))]
        rows = matching.rows(scan(Source("pg_temp.probed as t", "0"), columns, looked_for))
    found = {(row["number"], row["ordinal"]) for row in rows}
    expected = {
        (number, ordinal)
        for number, text in enumerate(texts)
        for ordinal, value in enumerate(values)
        if holds(text, unicodedata.normalize("NFC", value))
    }
    assert found == expected


@given(st.lists(VALUES, min_size=1, max_size=12))
def test_fragments_cover_every_spelling(values: list[str]):
    spelled = [spell(value, "name") for value in values]
    chosen = covering(spelled)
    for one in spelled:
        assert not one.fragments or any(fragment in one.text.lower() for fragment in chosen)


@given(VALUES)
def test_an_expression_holds_no_character_but_letters_and_digits(value: str):
    allowed = re.compile(r"[A-Za-z0-9\\\[\](){}|?:!<=%'\",/*+-]*", re.ASCII)
    assert allowed.fullmatch(spell(value, "name").pattern)


def test_the_matcher_sees_what_it_should():
    assert holds('{"a": "ZO\\u00CB"}', "zoë")
    assert holds("x=anna%40b.c", "anna@b.c")
    assert not holds("about", "bo")
    assert holds("\\\\b1", "1")
    assert not holds("\\\\B1", "1")
    assert holds('say \\\\"hi\\\\"', 'say "hi"')


def test_all_patterns_compile_on_the_server(server: str):
    with psycopg.connect(server) as connection:
        for code in [*range(1, 0x3000, 7), *range(0xE000, 0x20000, 501)]:
            value = f"ab{chr(code)}cd"
            if not 0xD800 <= code <= 0xDFFF and value.strip():
                found = connection.execute(
                    'select (%s::text collate "C") ~ %s', [f"<{value}>", spell(value, "x").pattern]
                )
                assert found.fetchone() == (True,), hex(code)
