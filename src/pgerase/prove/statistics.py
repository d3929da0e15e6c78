"""The planner's statistics: values of rows that are long gone may still be in them.

The server shows them through pg_stats, which hides those of a table from whoever its policies bind, exempt or not; where they
are stored only superusers and members of pg_read_all_data may look. What was hidden is said to be unverified, or built anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pgerase import resources
from pgerase.catalog.model import Name
from pgerase.compile.sql import qualified
from pgerase.database import Database
from pgerase.install.borrow import acting_as
from pgerase.prove.verdicts import Found


@dataclass(frozen=True, slots=True)
class Statistics:
    """Relations that may have statistics, those whose statistics nobody saw, and what was found by relation and column."""

    relations: tuple[Name, ...]
    unseen: frozenset[Name]
    found: Mapping[Name, Mapping[str, tuple[Found, ...]]]


_MAY_READ_ALL = (
    "select pg_catalog.has_table_privilege('pg_catalog.pg_statistic', 'SELECT')"
    " and pg_catalog.has_table_privilege('pg_catalog.pg_statistic_ext_data', 'SELECT')"
)


def search_statistics(database: Database, roles: Iterable[str]) -> Statistics:
    """Search them as each of the roles, until all were seen. Inside the transaction with the needles. Raises DatabaseFailed."""
    relations: tuple[Name, ...] = ()
    unseen: set[Name] | None = None
    found: dict[tuple[Name, str, int], int] = {}
    for role in roles:
        with database.trial(), acting_as(database, role):
            listed = {
                Name(row["schema"], row["name"]): bool(row["is_seen"])
                for row in database.rows(_text("statistics_seen"))
            }
            relations = tuple(listed)
            everything = bool(database.value(_MAY_READ_ALL))
            hidden = set[Name]() if everything else {name for name, is_seen in listed.items() if not is_seen}
            if unseen is None or unseen - hidden:
                for row in database.rows(_text("statistics_stored" if everything else "statistics")):
                    found[Name(row["schema"], row["name"]), row["column"], row["ordinal"]] = row["rows"]
        unseen = hidden if unseen is None else unseen & hidden
        if not unseen:
            break
    by_place: defaultdict[Name, defaultdict[str, list[Found]]] = defaultdict(lambda: defaultdict(list))
    for (name, column, ordinal), rows in found.items():
        by_place[name][column].append(Found(ordinal, rows))
    return Statistics(
        relations,
        frozenset(unseen or ()),
        {name: {column: tuple(hits) for column, hits in columns.items()} for name, columns in by_place.items()},
    )


def rebuild_statistics(database: Database, names: Iterable[Name]) -> frozenset[Name]:
    """Rebuild the statistics of tables, from rows that have been searched; those of which nothing old is left. Raises DatabaseFailed.

    Outside a transaction, and after the search: what it samples are the rows that were searched, and later ones.
    """
    wanted = set(names)
    before = {Name(row["schema"], row["name"]) for row in database.rows(_text("rebuildable")) if row["can_be"]}
    for name in sorted(wanted & before):
        database.run(f"analyze {qualified(name)}")
    after = {
        Name(row["schema"], row["name"])
        for row in database.rows(_text("rebuildable"))
        if row["can_be"] and row["has_rows"]
    }
    return frozenset(wanted & before & after)


def _text(name: str) -> str:
    return resources.read_text("sql", "prove", f"{name}.sql")
