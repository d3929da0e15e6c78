"""Entries of the log as lines for people, and as JSON for machines. Knows nothing of terminals: a piece has a name of its kind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from enum import StrEnum

from pgerase.counts import counted
from pgerase.operate.tail import Entry, Person
from pgerase.report.findings import printable
from pgerase.report.machine import array_text, json_text, object_text

FORMAT = 1
"""The version of an entry's JSON; it grows when a field changes its meaning or goes."""
_LONGEST = 40
_APART = "(apart)"
_NOT_THEIRS = "–"
"""What a side of an update says that was not, or is no longer, this person's."""


class Kind(StrEnum):
    """What a piece of a line is, for whoever gives it a colour."""

    TIME = "time"
    TABLE = "table"
    ACTION = "action"
    WHO = "who"
    TEXT = "text"


def entry_line(entry: Entry, *, values: bool) -> Iterator[tuple[Kind, str]]:
    """An entry as the pieces of one line: time, table, key, action, actor and login, what for, what changed. Long values are cut.

    Without `values`, what is somebody's is named only.
    """
    yield Kind.TIME, f"{entry.at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + "Z"
    yield Kind.TEXT, "  "
    yield Kind.TABLE, printable(entry.relation)
    yield Kind.TEXT, f" {_key(entry)}  "
    yield Kind.ACTION, printable(entry.action)
    yield Kind.TEXT, "  "
    yield Kind.WHO, _who(entry)
    if why := ", ".join(_why(entry)):
        yield Kind.TEXT, f"  [{why}]"
    changed = ", ".join(_changed(entry, values=values))
    if changed:
        yield Kind.TEXT, f"  {changed}"


def entry_json(entry: Entry, *, values: bool) -> str:
    """An entry as one line of JSON. Without `values`, what is somebody's is named only."""
    said = {
        "format": FORMAT,
        "entry": entry.number,
        "at": entry.at.isoformat(),
        "transaction": entry.transaction,
        "table": entry.relation,
        "action": entry.action,
        "actor": entry.actor,
        "login": entry.login,
        "role": entry.role,
        "request": entry.request,
        "purpose": entry.purpose,
        "grant": entry.grant,
    }
    held = {"key": entry.key, "old": entry.old, "new": entry.new}
    return object_text(
        {
            **{name: json_text(value) for name, value in said.items()},
            **{name: object_text(columns) for name, columns in held.items()},
            "people": array_text(_person(one, values=values) for one in entry.people),
            "others": json_text(entry.others),
            "erased": json_text(entry.erased),
            "missing": json_text(entry.missing),
        }
    )


def _person(person: Person, *, values: bool) -> str:
    if not values:
        return json_text({"subject": person.subject, "columns": sorted({*(person.old or {}), *(person.new or {})})})
    sides = {"old": _fetched(person.old), "new": _fetched(person.new)}
    return object_text(
        {
            "subject": json_text(person.subject),
            "key": json_text(person.key),
            **{name: object_text(columns) for name, columns in sides.items()},
        }
    )


def _fetched(columns: Mapping[str, str | None] | None) -> Mapping[str, str] | None:
    """Columns with their values; null where they were not fetched."""
    return None if columns is None else {name: "null" if text is None else text for name, text in columns.items()}


def _key(entry: Entry) -> str:
    """The row's key; what of it is somebody's is among what changed."""
    return ",".join(f"{printable(name)}={_value(value)}" for name, value in (entry.key or {}).items()) or "-"


def _who(entry: Entry) -> str:
    actor = "-" if entry.actor is None else _cut(printable(entry.actor))
    return f"{actor}/{printable(entry.login)}"


def _why(entry: Entry) -> Iterator[str]:
    """What the client said it was for, and the support grant under which it was done."""
    if entry.request is not None:
        yield f"request {_cut(printable(entry.request))}"
    if entry.purpose is not None:
        yield f"purpose {_cut(printable(entry.purpose))}"
    if entry.grant is not None:
        yield f"support grant {entry.grant}"


def _changed(entry: Entry, *, values: bool) -> Iterator[str]:
    yield from _columns(entry.old, entry.new)
    if values:
        for person in entry.people:
            yield from _columns(*_sides(entry, person), whose=_whose(person) if len(entry.people) > 1 else "")
    else:
        names = dict.fromkeys(name for person in entry.people for name in _names(person.old, person.new))
        yield from (f"{printable(name)}: {_APART}" for name in names)
    if entry.others:
        yield f"(values of {counted(entry.others, 'other person')})"
    if entry.erased:
        yield f"({counted(entry.erased, 'person')} erased)"
    if entry.missing:
        yield f"(values of {counted(entry.missing, 'person')} missing)"


def _sides(entry: Entry, person: Person) -> tuple[Mapping[str, str | None] | None, Mapping[str, str | None] | None]:
    """Somebody's columns before and after. What an update gave to another person, or took from one, has one side only: it is to be seen which."""
    if entry.action != "update":
        return person.old, person.new
    names = _names(person.old, person.new)
    old, new = ({name: (side or {}).get(name, _NOT_THEIRS) for name in names} for side in (person.old, person.new))
    return old, new


def _whose(person: Person) -> str:
    """Whose a column is, where an entry has columns of several people."""
    key = f"no {person.subject}" if person.key is None else f"{person.subject} {person.key}"
    return f" ({_cut(printable(key))})"


def _names(old: Mapping[str, str | None] | None, new: Mapping[str, str | None] | None) -> Iterable[str]:
    return dict.fromkeys([*(old or {}), *(new or {})])


def _columns(
    old: Mapping[str, str | None] | None, new: Mapping[str, str | None] | None, *, whose: str = ""
) -> Iterator[str]:
    for name in _names(old, new):
        sides = [_value(side[name] or "null") for side in (old, new) if side is not None and name in side]
        yield f"{printable(name)}{whose}: {' → '.join(sides)}"


def _value(text: str) -> str:
    """A value for people: texts as they are, all else as the log has it."""
    said = str(json.loads(text)) if text.startswith('"') else text
    return _cut(printable(said or text))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
