"""What hangs guards on partitioned tables leaves their owner free to make partitions."""

from __future__ import annotations

import psycopg

from tests.erasing.small import PEOPLE, STAYS, SUBJECT

SCHEMA = (
    PEOPLE
    + """
create table s.visit (visit_id bigint, at date, person_id bigint, primary key (visit_id, at)) partition by range (at);
create table s.visit_2025 partition of s.visit for values from ('2025-01-01') to ('2026-01-01');
"""
)
VISITS = "  s.visit: {links: {person_id: {person: key, rows: delete}}}\n"


def test_the_owner_makes_a_partition_of_a_guarded_table(erasing) -> None:
    """Threat: the first night of next year there is no partition, and every write fails: permission denied for function."""
    small = erasing(SCHEMA, SUBJECT + STAYS + VISITS)
    with psycopg.connect(small.dsn) as owner:
        owner.execute("create table s.visit_2026 partition of s.visit for values from ('2026-01-01') to ('2027-01-01')")
        owner.execute("create table s.visit_2027 (like s.visit including all)")
        owner.execute(
            "alter table s.visit attach partition s.visit_2027 for values from ('2027-01-01') to ('2028-01-01')"
        )
    assert small.rows(
        "select count(*) from pg_catalog.pg_trigger where tgparentid <> 0 and tgrelid = 's.visit_2027'::regclass"
    ) == [(2,)]
