"""The statements that search a relation. Pure: names become quoted identifiers, and no value is in any statement.

One scan looks at all columns and all identifiers. The row's texts are put together and folded once, ASCII letters only, and
searched for a few plain fragments, one of which is in every spelling; only rows that hold one meet the expressions, column by
column. The subquery with OFFSET 0 keeps the fold from being repeated, and conditions from reaching a foreign server. Values
become text by their output functions (concat), never by a cast, which may be a function that somebody wrote. Figures: docs/prove.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgerase.catalog.model import Name
from pgerase.compile.sql import ident, qualified, text_literal

MOST_FRAGMENTS = 6
"""With more, one expression with all of them is faster than one search after the other."""
_ARGUMENTS = 90
_SEPARATOR = "pg_catalog.chr(1)"


@dataclass(frozen=True, slots=True)
class Text:
    """Something to search: its number in the answer, an expression over the row `t`, and how that becomes text."""

    number: int
    expression: str
    is_text: bool
    is_words: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """What a row has to hold to be looked at closer: one of so many fragments, or (`probe`) what the one expression finds."""

    fragments: int
    probe: bool


@dataclass(frozen=True, slots=True)
class Living:
    """When a row of the subject's table is another living person: not one of the keys, not erased, not the ghost."""

    key: tuple[str, ...]
    state: tuple[str, str] | None
    """The lifecycle column and its value for erased people, as text."""
    ghost: tuple[tuple[str, str], ...]


def column(name: str) -> str:
    """A column of the row `t`."""
    return f"t.{ident(name)}"


def joined(columns: Sequence[str]) -> str:
    """Columns of the row `t` as one text, blanks between them."""
    return f"pg_catalog.concat_ws(' ', {', '.join(column(name) for name in columns)})"


@dataclass(frozen=True, slots=True)
class Source:
    """What to read as `t`, and the oid of the relation a row is from."""

    rows: str
    oid: str


def only(name: Name, oid: int) -> Source:
    """The rows of a relation itself, without those of its children. Where they are from need not be asked: that takes a right."""
    return Source(f"only {qualified(name)} as t", str(int(oid)))


def through(ancestor: Name, partitions: Sequence[int]) -> Source:
    """The rows of these partitions, read through a table they are part of."""
    oids = ", ".join(str(int(oid)) for oid in partitions)
    return Source(
        f"(select p.*, p.tableoid from {qualified(ancestor)} as p where p.tableoid in ({oids})) as t", "t.tableoid"
    )


def scan(
    source: Source,
    texts: Sequence[Text],
    looked_for: Filter,
    living: Living | None = None,
    people: Sequence[Text] = (),
) -> str:
    """A query: (source, number, ordinal, other, rows) for every identifier found in a text, in rows of others or not.

    `people` are identifiers made of columns that are among the texts: a row that has one in them has it there too, except where it
    is spread over several columns and nothing but the one expression can find it.
    """
    whole = [*texts, *people] if looked_for.probe else texts
    kept = {f"c{text.number}": text.expression for text in (*texts, *people)}
    kept |= {f"k{number}": column(name) for number, name in enumerate(_about(living))}
    inner = [f"{source.oid} as source", *(f"{expression} as {alias}" for alias, expression in kept.items())]
    values = [
        f"({text.number}, {_as_text(text)}, pg_catalog.lower({_as_text(text)}), {_words(text)})"
        for text in (*texts, *people)
    ]
    return "\n".join(
        [
            "select s.source, c.number, n.ordinal, x.other, pg_catalog.count(*) as rows",
            f"from (select {', '.join(inner)}, {_folded(whole)} as whole from {source.rows} offset 0) as s",
            f"cross join lateral (values {', '.join(values)}) as c (number, value, folded, words)",
            f"cross join lateral (values ({_other(living)})) as x (other)",
            "join pg_temp.pgerase_needle as n on " + _MATCHES,
            f"where {_filter(texts, looked_for)}",
            "group by s.source, c.number, n.ordinal, x.other",
        ]
    )


_MATCHES = (
    "case when pg_catalog.strpos(c.folded, n.fragment) > 0 and pg_catalog.strpos(c.folded, n.second_fragment) > 0"
    " and pg_catalog.strpos(c.folded, n.third_fragment) > 0"
    " then c.value operator(pg_catalog.~) n.pattern else false end"
    " or c.words operator(pg_catalog.@@) n.words"
    # Without positions there are no phrases.
    " or (c.words operator(pg_catalog.@@) n.any_words and c.words operator(pg_catalog.=) pg_catalog.strip(c.words))"
)


def _as_text(text: Text) -> str:
    value = f"s.c{text.number}" if text.is_text else f"pg_catalog.concat(s.c{text.number})"
    return f'{value} collate pg_catalog."C"'


def _words(text: Text) -> str:
    return f"s.c{text.number}" if text.is_words else "null::pg_catalog.tsvector"


def _folded(texts: Sequence[Text]) -> str:
    parts = [text.expression for text in texts]
    while len(parts) > _ARGUMENTS:
        chunks = [parts[start : start + _ARGUMENTS] for start in range(0, len(parts), _ARGUMENTS)]
        parts = [f"pg_catalog.concat_ws({_SEPARATOR}, {', '.join(chunk)})" for chunk in chunks]
    whole = f"pg_catalog.concat_ws({_SEPARATOR}, {', '.join(parts)})"
    return f'pg_catalog.lower({whole} collate pg_catalog."C")'


def _filter(texts: Sequence[Text], looked_for: Filter) -> str:
    arms = [
        "pg_catalog.strpos(s.whole, (select f.fragment from pg_temp.pgerase_filter as f"
        f" where f.ordinal operator(pg_catalog.=) {number})) > 0"
        for number in range(1, looked_for.fragments + 1)
    ]
    if looked_for.probe:
        arms.append("s.whole operator(pg_catalog.~) (select p.pattern from pg_temp.pgerase_probe as p)")
    arms += [
        f"s.c{text.number} operator(pg_catalog.@@) (select p.words from pg_temp.pgerase_probe as p)"
        for text in texts
        if text.is_words
    ]
    return "\n   or ".join(arms)


def _about(living: Living | None) -> list[str]:
    """The columns that tell whose a row is."""
    if living is None:
        return []
    state = [] if living.state is None else [living.state[0]]
    return list(dict.fromkeys([*living.key, *state, *(name for name, _ in living.ghost)]))


def _other(living: Living | None) -> str:
    if living is None:
        return "false"
    alias = {name: f"pg_catalog.concat(s.k{number})" for number, name in enumerate(_about(living))}
    if len(living.key) == 1:
        key = alias[living.key[0]]
    else:
        parts = ", ".join(alias[name] for name in living.key)
        key = f"pg_catalog.jsonb_build_array({parts})::pg_catalog.text"
    known = "array(select k.key from pg_temp.pgerase_key as k)"
    arms = [f'not (({key}) collate pg_catalog."C" operator(pg_catalog.=) any ({known}))']
    if living.state is not None:
        arms.append(f"not ({_is(alias[living.state[0]], living.state[1])})")
    if living.ghost:
        arms.append(f"not ({' and '.join(_is(alias[name], value) for name, value in living.ghost)})")
    return " and ".join(arms)


def _is(text: str, value: str) -> str:
    return f'{text} collate pg_catalog."C" operator(pg_catalog.=) {text_literal(value)}'
