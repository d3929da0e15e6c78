"""Which role reads which relation for the search: one of whom the catalog proves that no policy hides a row from it.

Pure: it judges what `sql/prove/columns.sql`, `readers.sql` and `ancestors.sql` say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pgerase.catalog.model import Name


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a relation; `leaf_type` is what its type is made of, '' where that is not of pg_catalog."""

    name: str
    position: int
    type: str
    is_text: bool
    is_words: bool
    leaf_type: str


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation that holds rows (r table, m materialized view, f foreign table) or whose partitions do (p)."""

    oid: int
    name: Name
    kind: str
    is_other_temp: bool
    size: int
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Rights:
    """What one role may do with one relation; `storage` is the file its rows are in, which a rewrite changes."""

    may_use: bool
    columns: frozenset[int]
    sees_all: bool
    storage: int = 0


@dataclass(frozen=True, slots=True)
class Unit:
    """One scan: these columns of `relation`, read by `role` and, for partitions, perhaps through `ancestor`."""

    relation: Relation
    role: str
    columns: tuple[Column, ...]
    ancestor: Relation | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A column nobody could search, and why."""

    relation: Relation
    column: Column
    why: str


@dataclass(slots=True)
class Reading:
    """How everything is read, and what cannot be."""

    units: list[Unit] = field(default_factory=list[Unit])
    unreadable: list[Unreadable] = field(default_factory=list[Unreadable])


def assign(
    relations: Sequence[Relation],
    rights: Mapping[tuple[str, int], Rights],
    roles: Sequence[str],
    ancestors: Mapping[int, Sequence[int]],
) -> Reading:
    """For each relation with rows the first role that reads it whole, itself or through a table it is a partition of."""
    by_oid = {relation.oid: relation for relation in relations}
    reading = Reading()
    for relation in relations:
        if relation.kind == "p" or not relation.columns:
            continue
        if relation.is_other_temp:
            why = "a temporary table of another session: only that session can read it"
            reading.unreadable += [Unreadable(relation, column, why) for column in relation.columns]
            continue
        ways = [relation, *(by_oid[oid] for oid in ancestors.get(relation.oid, ()) if oid in by_oid)]
        found = _first_whole(relation, ways, rights, roles) or _most_columns(relation, rights, roles)
        if found is not None:
            reading.units.append(found)
        seen = {column.position for column in found.columns} if found else set[int]()
        blind = found is None and _may_select(relation, rights, roles)
        why = _BLIND if blind else _FORBIDDEN
        reading.unreadable += [
            Unreadable(relation, column, why) for column in relation.columns if column.position not in seen
        ]
    return reading


_BLIND = "row security may hide rows from every role the search could act as"
_FORBIDDEN = "no role the search could act as may select it"


def _first_whole(
    relation: Relation, ways: Sequence[Relation], rights: Mapping[tuple[str, int], Rights], roles: Sequence[str]
) -> Unit | None:
    for way in ways:
        wanted = {column.name for column in relation.columns}
        for role in roles:
            has = rights.get((role, way.oid))
            if has is None or not has.may_use or not has.sees_all:
                continue
            if wanted <= {column.name for column in way.columns if column.position in has.columns}:
                return Unit(relation, role, relation.columns, None if way is relation else way)
    return None


def _most_columns(relation: Relation, rights: Mapping[tuple[str, int], Rights], roles: Sequence[str]) -> Unit | None:
    best: Unit | None = None
    for role in roles:
        has = rights.get((role, relation.oid))
        if has is None or not has.may_use or not has.sees_all:
            continue
        columns = tuple(column for column in relation.columns if column.position in has.columns)
        if columns and (best is None or len(columns) > len(best.columns)):
            best = Unit(relation, role, columns)
    return best


def _may_select(relation: Relation, rights: Mapping[tuple[str, int], Rights], roles: Sequence[str]) -> bool:
    held = [rights[role, relation.oid] for role in roles if (role, relation.oid) in rights]
    return any(has.may_use and has.columns and not has.sees_all for has in held)


def grouped(units: Iterable[Unit]) -> list[list[Unit]]:
    """Units that one scan serves: partitions read through the same table by the same role; everything else alone."""
    together: defaultdict[tuple[str, int], list[Unit]] = defaultdict(list)
    for unit in units:
        together[unit.role, (unit.ancestor or unit.relation).oid].append(unit)
    return list(together.values())
