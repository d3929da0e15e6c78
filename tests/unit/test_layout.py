"""Long lines of generated SQL are broken between words, and nothing else about them changes."""

from __future__ import annotations

import pytest
from pglast import parser

from pgerase.compile.layout import WIDTH, comment, folded

LONG = "a_column_whose_name_is_as_long_as_a_name_may_be_in_postgresql__"
assert len(LONG) == 63

FOLDED = {
    "a name below its expression": f"""
    o.{LONG}
        as old_{LONG},""",
    "a list behind SELECT": f"""
    select
        row_number() over () as place,
        t.{LONG},
        t.{LONG}""",
    "a list in brackets": f"""
    insert into log.entry (
        class,
        {LONG},
        {LONG}
    )""",
    "CASE, with its name": f"""
    case
        when changed.{LONG} then null
        else changed.{LONG}
    end as {LONG},""",
    "conditions of an arm": f"""
    when one then case
        when a.{LONG}
            and b.{LONG}
            then 0
        else 1
    end""",
    "a comparison": f"""
    or o.{LONG}
        is not distinct from n.{LONG} as same,""",
    "queries": f"""
    keys => array(
        select t.{LONG}
        from new_rows as t
        union
        select t.{LONG}
        from old_rows as t
        where t.a is distinct from 1
    )""",
}


def words(text: str) -> list[str]:
    return [text[token.start : token.end + 1] for token in parser.scan(text)]


@pytest.mark.parametrize("what", FOLDED)
def test_a_line_is_broken_where_a_person_would_break_it(what: str) -> None:
    expected = FOLDED[what].removeprefix("\n")
    line = "    " + " ".join(part.strip() for part in expected.split("\n")).replace("( ", "(").replace(" )", ")")
    assert len(line) > WIDTH
    assert folded(f"before\n{line}\nafter") == f"before\n{expected}\nafter"


@pytest.mark.parametrize(
    "line",
    [
        f"case when \"end, (case\" then 'a, b) end -- '' as c' else {LONG} end, E'\\\\ (\\'' as \"as, {LONG[:50]}\"",
        f'o."Größe der {LONG[:40]}" is not distinct from n."Größe der {LONG[:40]}" as "ÄÖÜ [case {LONG[:20]}"',
        f"a.{LONG} = b.{LONG} and c) as d, (e or {LONG}",
        f"end, {LONG}] else case when {LONG} in (",
    ],
)
def test_nothing_is_lost_whatever_names_and_literals_hold(line: str) -> None:
    assert len(line) > WIDTH
    assert words(folded(line)) == words(line)
    assert "\n" in folded(line)


def test_what_is_short_a_comment_or_one_word_stays() -> None:
    text = f"    -- {LONG} {LONG}\n    select  1\n{' ' * 70}{LONG}"
    assert folded(text) == text


def test_no_comment_ends_early() -> None:
    """Threat: a table is called so that the rest of its name is a statement."""
    made = comment(f"app.t\n; drop table x; --\r\u2028{LONG} {LONG}")
    first, second, rest = made.split("\n")
    assert (first[:25], second[:3], rest) == ("-- app.t ; drop table x; ", "-- ", "")
    assert (max(len(first), len(second)) < WIDTH, "\r" in made) == (True, False)
