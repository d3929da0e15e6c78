"""Who is below whom: partitions and inheriting children, looked up once for a whole plan. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from pgerase.catalog.model import Catalog, Name


def children(catalog: Catalog) -> Mapping[Name, list[Name]]:
    """The direct children of every table that has any."""
    found: dict[Name, list[Name]] = {}
    for table in catalog.tables.values():
        for parent in table.parents:
            found.setdefault(parent, []).append(table.name)
    return found


def below(family: Mapping[Name, list[Name]], name: Name) -> tuple[Name, ...]:
    """Every table below one, however deep, in name order; without the table itself."""
    found: set[Name] = set()
    frontier = [name]
    while frontier:
        for child in family.get(frontier.pop(), ()):
            if child not in found:
                found.add(child)
                frontier.append(child)
    return tuple(sorted(found))
