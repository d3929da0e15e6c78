"""Findings as text: place, line, caret, hint, and nothing that moves a terminal's cursor."""

from __future__ import annotations

import json
import unicodedata

from pgerase.check.door import Door, judge
from pgerase.check.door_codes import Code
from pgerase.cli.output import finding_data
from pgerase.errors import Finding, Position, Severity
from pgerase.report import format_findings, json_text


def test_finding_shows_place_line_caret_and_hint() -> None:
    at = Position("access.yaml", 3, 5, "  a: reed")
    finding = Finding("unknown-word", Severity.ERROR, "resources.r", "expected read", "did you mean read?", at)
    assert format_findings([finding]) == (
        "access.yaml:3:5: error[unknown-word]: expected read (resources.r)\n"
        "      a: reed\n"
        "        ^\n"
        "    hint: did you mean read?"
    )


def test_finding_without_place_is_one_line() -> None:
    assert format_findings([Finding("door", Severity.WARNING, "", "postgres is a superuser")]) == (
        "warning[door]: postgres is a superuser"
    )


def test_a_finding_names_its_page_and_json_has_the_fix_by_itself() -> None:
    door = Door(
        Code.BYPASSRLS,
        "bypassrls",
        "etl",
        Severity.WARNING,
        "role etl has BYPASSRLS.",
        fix="alter role etl nobypassrls;",
    )
    (finding,) = judge([door], ())
    assert format_findings([finding]) == (
        "warning[door-bypassrls]: role etl has BYPASSRLS. (etl)\n"
        '    hint: alter role etl nobypassrls; or accept it in pack.yaml: {bypassrls: "etl", because: "…"}\n'
        "    see: docs/doors.md#door-bypassrls"
    )
    data = finding_data(finding)
    assert (data["code"], data["fix"], data["page"]) == (
        "door-bypassrls",
        "alter role etl nobypassrls;",
        "docs/doors.md#door-bypassrls",
    )


def test_findings_stand_below_each_other() -> None:
    finding = Finding("door", Severity.NOTE, "", "x")
    assert format_findings([finding, finding]) == "note[door]: x\nnote[door]: x"
    assert format_findings([]) == ""


def test_caret_stands_below_wide_characters() -> None:
    line, caret = format_findings([Finding("c", Severity.ERROR, "", "m", at=Position("f", 1, 4, "名前: x"))]).split(
        "\n"
    )[1:]
    assert line == "    名前: x"
    assert caret == "    " + " " * 5 + "^"


def test_long_line_is_cut_around_the_place() -> None:
    text = "a" * 1000 + "X" + "b" * 1000
    line, caret = format_findings([Finding("c", Severity.ERROR, "", "m", at=Position("f", 1, 1001, text))]).split("\n")[
        1:
    ]
    assert len(line) < 200
    assert line[caret.index("^")] == "X"


def test_terminal_sequences_are_not_passed_on() -> None:
    at = Position("f\x1b[2J", 1, 1, "\x1b[31mred\x9b\u202e")
    text = format_findings([Finding("c", Severity.ERROR, "s\r", "m\nfake: error", "h\x07", at)])
    assert not set(text) & {"\x1b", "\r", "\x07", "\x9b", "\u202e"}
    assert text.count("\n") == 3


def test_terminal_sequences_are_escaped_in_json() -> None:
    """Threat: U+009B is what ESC [ is to a terminal, and JSON lets it pass; so is what turns text around. Letters stay letters."""
    everything = [chr(code) for code in [*range(0x2100), 0xD800, 0x1F600]]
    data = {"Łódź 😀\x9b2J": [everything, "".join(everything)]}
    for text in (json_text(data), json_text(data, indent=2)):
        assert json.loads(text) == data
        assert "Łódź 😀\\u009b2J" in text
        harmful = {
            sign
            for sign in text
            if unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} or sign in "\u061c\u200e\u200f\u202e\u2066"
        }
        assert harmful <= {"\n"}
