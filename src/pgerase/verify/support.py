"""Support access as it stands: the grants of a database, and what the meaning has to be told of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pgerase.catalog.model import Catalog, Name
from pgerase.database import Database, identifier
from pgerase.install.names import Names
from pgerase.meaning import Grant, SupportRules
from pgerase.meaning.paths import Facts
from pgerase.rules.data_map import IdentifierPaths
from pgerase.rules.pack import Pack


def support_rules(pack: Pack) -> SupportRules | None:
    """What the pack says of support access; None where it has none."""
    if pack.audit is None or pack.audit.support is None or pack.data_map is None:
        return None
    return SupportRules(pack.audit.support, pack.data_map)


def read_grants(database: Database, prefix: str) -> tuple[Grant, ...]:
    """Every grant that is not over, as this transaction sees it. Raises DatabaseFailed where the role may not read the ledger."""
    internal = Names(prefix).internal
    table = identifier(internal, "support_grant")
    if database.value("select pg_catalog.to_regclass(%s)", [table]) is None:
        return ()
    rows = database.rows(
        "select g.grant_id, g.holder::text, g.subject::text, g.person::text, g.until, g.kind = 'break_glass' as is_break_glass,"
        " g.second_person, g.approved_at is not null as is_approved, coalesce(g.ticket, '') as ticket,"
        " g.closed_at is not null or g.forgotten_at is not null as is_closed,"
        " g.opened_xact is not distinct from pg_catalog.pg_current_xact_id_if_assigned() as opened_here,"
        " coalesce(g.approved_xact is not distinct from pg_catalog.pg_current_xact_id_if_assigned(), false) as approved_here"
        f" from {table} as g where g.until > pg_catalog.statement_timestamp() order by g.grant_id"
    )
    return tuple(
        Grant(
            number=row["grant_id"],
            holder=row["holder"],
            subject=row["subject"],
            person=row["person"],
            until=row["until"],
            is_break_glass=row["is_break_glass"],
            second_person=row["second_person"],
            is_approved=row["is_approved"],
            is_closed=row["is_closed"],
            opened_here=row["opened_here"],
            approved_here=row["is_approved"] and row["approved_here"],
            ticket=row["ticket"],
        )
        for row in rows
    )


def support_columns(rules: SupportRules, facts: Facts) -> Iterator[tuple[Name, frozenset[str], bool]]:
    """What deciding by grants reads: tables with columns, and whether people are looked for in them. Raises PgeraseError."""
    support = rules.support
    for subject in rules.data_map.subjects:
        if subject.table is None:
            continue
        table = facts.table(subject.table)
        columns = {column.column for column in subject.key}
        for one in subject.identifiers:
            paths = one.source.paths if isinstance(one.source, IdentifierPaths) else ()
            columns |= {path.column for path in paths if not path.lookups}
        if support.switch is not None and facts.table(support.switch.table).name == table.name:
            columns.update(support.switch.columns)
        yield table.name, frozenset(columns), True
    for link in support.links:
        yield facts.table(link.columns.table).name, frozenset(link.columns.columns), False


def people_of(
    rules: SupportRules, grants: Sequence[Grant], catalog: Catalog
) -> tuple[tuple[Name, Mapping[str, str]], ...]:
    """Whom grants are about: the table of each person with the key by column."""
    facts = Facts(catalog, (), {})
    subjects = {one.name: one for one in rules.data_map.subjects if one.table is not None}
    found: list[tuple[Name, Mapping[str, str]]] = []
    for grant in grants:
        subject = subjects.get(grant.subject)
        if subject is None or subject.table is None:
            continue
        columns = [column.column for column in subject.key]
        values = [grant.person] if len(columns) == 1 else cast("list[Any]", json.loads(grant.person))
        found.append((facts.table(subject.table).name, dict(zip(columns, map(str, values), strict=True))))
    return tuple(found)
