"""Support access for drawn rule files: what audit.yaml might say beside them, and grants that people hold, good ones and bad ones.

Links are drawn by key alone; identifiers, masks and what opens and closes grants are tried on a small schema (tests/support).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg
import yaml
from psycopg import sql

from pgerase.meaning import Grant, SupportRules
from pgerase.rules.audit import AuditRules
from pgerase.rules.data_map import DataMap
from pgerase.rules.names import quote_part
from pgerase.rules.read_audit import read_audit
from pgerase.rules.read_data_map import read_data_map
from tests.property.draw_data import GONE, Data, Pools, json_key
from tests.property.draw_rules import Drawn, RuleDrawer
from tests.property.world import PEOPLE, TABLES, Variant

SHARE = 0.5
"""Of the rule files that come with support access."""
SUBJECT = "person"
SWITCH = "vip"
LINKS = tuple(
    (table.name, look.columns[0])
    for table in TABLES.values()
    for look in table.lookups
    if look.target == PEOPLE and table.name != PEOPLE
)
"""Every column with a person's key."""


def draw_support(rng: Random, variant: Variant, drawn: Drawn) -> dict[str, Any]:
    """What audit.yaml says: mostly for the tables that are resources."""
    drawer = RuleDrawer(rng, variant, Pools.draw(rng), ())
    near = [link for link in LINKS if link[0] in drawn.resources]
    links = [link for link in near if rng.random() < 0.9] + rng.sample(LINKS, rng.randrange(2))
    support: dict[str, Any] = {
        "who": "everyone" if rng.random() < 0.5 else drawer.pointed_test(),
        "links": [drawer.columns(table, column) for table, column in dict.fromkeys(links)],
    }
    if rng.random() < 0.4:
        support["switch"] = drawer.columns(PEOPLE, SWITCH)
    if rng.random() < 0.7:
        glass: dict[str, Any] = {"review_within": "1 day"}
        if rng.random() < 0.6:
            glass["who"] = "everyone" if rng.random() < 0.4 else drawer.pointed_test()
        if rng.random() < 0.4:
            glass["second_person"] = True
        support["break_glass"] = glass
    return support


def read_support(support: dict[str, Any], variant: Variant) -> tuple[AuditRules, DataMap]:
    """The same as typed rules, and the data map that knows the links."""
    audit = read_audit(_yaml({"version": 1, "support": support}))
    drawer = RuleDrawer(Random(0), variant, Pools.draw(Random(0)), ())
    tables: dict[str, Any] = {drawer.table(PEOPLE): {"subject": SUBJECT, "rows": "keep"}}
    for table, column in LINKS:
        if drawer.columns(table, column) in support.get("links", []):
            links = tables.setdefault(drawer.table(table), {"links": {}})["links"]
            links[variant.path(((column,),))] = {SUBJECT: "key", "rows": "keep"}
    subjects = {SUBJECT: {"table": drawer.table(PEOPLE), "key": quote_part(variant.n("id"))}}
    data_map = read_data_map(_yaml({"version": 1, "unindexed": "scan", "subjects": subjects, "tables": tables}))
    return audit, data_map


def _yaml(spec: dict[str, Any]) -> str:
    return yaml.safe_dump(spec, allow_unicode=True, sort_keys=False, width=120)


def draw_grants(
    rng: Random, variant: Variant, data: Data, holders: list[str], resources: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Grants as rows: of these holders, about people who are there and one who is not; most of them good ones."""
    people = [str(person["id"]) for person in data.rows[PEOPLE]] + [str(json_key(variant, PEOPLE, GONE))]
    owners = [row[column] for table, column in LINKS if table in resources for row in data.rows[table]]
    owning = [str(key) for key in owners if key is not None] or people
    now = datetime.now(UTC)
    grants: list[dict[str, Any]] = []
    for holder in holders:
        for _ in range(rng.choice((1, 2, 3, 4))):
            second = rng.random() < 0.3
            approved = rng.random() < 0.7
            over = rng.random() < 0.1
            grants.append(
                {
                    "grant_id": len(grants) + 1,
                    "kind": rng.choice(("normal", "normal", "break_glass")),
                    "holder": holder,
                    "subject": SUBJECT if rng.random() < 0.95 else "other",
                    "person": rng.choice(owning if rng.random() < 0.7 else people),
                    "until": (now + timedelta(hours=-1 if over else 1)).isoformat(),
                    "second_person": second,
                    "approved": approved,
                    "closed": rng.random() < 0.1,
                    "here": rng.random() < 0.08,
                    "approved_here": rng.random() < 0.2,
                }
            )
    return grants


def store_grants(connection: psycopg.Connection, prefix: str, grants: list[dict[str, Any]]) -> None:
    """As the routines would have: the first transaction of all stands for those that have committed."""
    for grant in grants:
        connection.execute(
            sql.SQL(
                "insert into {} (grant_id, kind, holder, subject, person, reason, links, opened_at, opened_xact, until, second_person,"
                " approved_by, approved_at, approved_xact, closed_at) overriding system value"
                " select %(grant_id)s, %(kind)s, %(holder)s, %(subject)s, %(person)s, 'r', '{{}}', %(until)s::timestamptz - interval '1 day',"
                " case when %(here)s then pg_current_xact_id() else '3' end, %(until)s::timestamptz, %(second_person)s,"
                " case when %(approved)s then 'somebody else' end, case when %(approved)s then now() end,"
                " case when not %(approved)s then null when %(approved_here)s then pg_current_xact_id() else '3' end,"
                " case when %(closed)s then now() end"
            ).format(sql.Identifier(f"{prefix}_internal", "support_grant")),
            grant,
        )


def meant(grants: list[dict[str, Any]]) -> tuple[Grant, ...]:
    """The grants as the meaning knows them."""
    return tuple(
        Grant(
            number=one["grant_id"],
            holder=one["holder"],
            subject=one["subject"],
            person=one["person"],
            until=datetime.fromisoformat(one["until"]),
            is_break_glass=one["kind"] == "break_glass",
            second_person=one["second_person"],
            is_approved=one["approved"],
            is_closed=one["closed"],
            opened_here=one["here"],
            approved_here=one["approved"] and one["approved_here"],
        )
        for one in grants
    )


def rules_of(audit: AuditRules | None, data_map: DataMap | None) -> SupportRules | None:
    """What the meaning is given."""
    if audit is None or audit.support is None or data_map is None:
        return None
    return SupportRules(audit.support, data_map)
