"""The subject as the data map declares it, and what may be given of a person. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pgerase.errors import Refused, UsageError
from pgerase.prove.model import Needle
from pgerase.prove.queries import Living
from pgerase.prove.spelling import Spelling, spell
from pgerase.rules.conditions import Scalar
from pgerase.rules.data_map import IdentifierPaths, Subject
from pgerase.rules.names import BackStep, Path
from pgerase.rules.pack import Pack
from pgerase.rules.reading import nearest


@dataclass(frozen=True, slots=True)
class Looked:
    """One identifier to look for, with its spellings."""

    person: str
    name: str
    spelling: Spelling


def find_subject(pack: Pack, name: str) -> Subject:
    """The subject of that name. Raises Refused where the pack has no data map, UsageError where it has no such subject."""
    if pack.data_map is None:
        raise Refused(
            "the pack has no data map: it does not say who a subject is", hint="Add data_map.yaml to the pack."
        )
    try:
        return pack.data_map.subject(name)
    except KeyError:
        known = [subject.name for subject in pack.data_map.subjects]
        raise UsageError(f"the data map has no subject {name}", hint=nearest(name, known)) from None


def has_personal_key(subject: Subject) -> bool:
    """Whether keys must not be shown or be arguments: a natural key, or a subject that is nothing but a value."""
    return subject.table is None or any(column.natural for column in subject.key)


def identifier_names(subject: Subject) -> tuple[str, ...]:
    """What can be given of a person: the declared identifiers, and the columns of a personal key."""
    names = [identifier.name for identifier in subject.identifiers]
    if has_personal_key(subject):
        names += [column.column for column in subject.key]
    return tuple(dict.fromkeys(names))


def look_for(subject: Subject, needles: Iterable[Needle]) -> tuple[Looked, ...]:
    """The identifiers with their spellings, each once. Raises UsageError, naming no value."""
    known = identifier_names(subject)
    found: dict[tuple[str, str, str], Looked] = {}
    for needle in needles:
        if needle.name not in known:
            hint = nearest(needle.name, known) or "the data map declares none"
            raise UsageError(f"{subject.name} has no identifier {needle.name}", hint=hint)
        spelling = spell(needle.value, needle.name)
        found.setdefault((needle.person, needle.name, spelling.text), Looked(needle.person, needle.name, spelling))
    if not found:
        raise UsageError("nothing to search for", hint=f"give at least one of {', '.join(known)}")
    return tuple(found.values())


def normal_key(subject: Subject, key: str) -> str:
    """A key as PostgreSQL prints it; a composite one is a JSON array of texts. Raises UsageError, without the key."""
    if len(subject.key) == 1:
        return key
    hint = f"write {json.dumps([column.column.upper() for column in subject.key])}, every part as text"
    try:
        parts: Any = json.loads(key)
    except ValueError:
        parts = None
    if (
        not isinstance(parts, list)
        or len(cast(list[object], parts)) != len(subject.key)
        or not all(isinstance(part, str) for part in cast(list[object], parts))
    ):
        raise UsageError(f"a key of {subject.name} is a JSON array of {len(subject.key)} texts", hint=hint)
    return json.dumps(parts, ensure_ascii=False)


def own_identifiers(subject: Subject) -> tuple[tuple[str, ...], ...]:
    """For each identifier made of columns of the person's own row alone, those columns; then each of them by itself."""
    whole = [_own_columns(one.source.paths) for one in subject.identifiers if isinstance(one.source, IdentifierPaths)]
    found = [columns for columns in whole if columns]
    if has_personal_key(subject):
        found += [(column.column,) for column in subject.key]
    return tuple(dict.fromkeys([*found, *((column,) for columns in found for column in columns)]))


def _own_columns(paths: Sequence[Path]) -> tuple[str, ...]:
    """The columns, or none where a path leads elsewhere."""
    names: list[str] = []
    for path in paths:
        if len(path.steps) != 1 or isinstance(path.steps[0], BackStep) or len(path.steps[0].columns) != 1:
            return ()
        names.append(path.steps[0].columns[0])
    return tuple(names)


def living(subject: Subject) -> Living:
    """When a row of the subject's table is another living person."""
    lifecycle, ghost = subject.lifecycle, subject.ghost
    state = None
    # Where two states share a value the column does not tell who is erased: everybody counts as living.
    if lifecycle is not None and lifecycle.erased.value not in {lifecycle.active.value, lifecycle.inactive.value}:
        state = (lifecycle.column, _as_text(lifecycle.erased.value))
    return Living(
        key=tuple(column.column for column in subject.key),
        state=state,
        ghost=tuple((name, _as_text(value.value)) for name, value in ghost.values) if ghost else (),
    )


def _as_text(value: Scalar) -> str:
    """A literal as PostgreSQL prints it."""
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)
