"""How sealing is carried out: an entry is compared with what has its number, and not with all the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.audit.fix_seal import LogCopy

ENTRIES = 300
WRITE = """
with written as (
    insert into {log}.entry (class, at, relation, action, actor, login, key, new, parts)
    select 'default', timestamptz '2026-10-05 10:00Z' + i * interval '1 second', 'shop.person', 'insert', '7', 'application',
        jsonb_build_object('id', i), jsonb_build_object('city', i), %s
    from generate_series(1, %s) as i
    returning class, at, entry_id, parts
)
insert into {log}.value (class, at, entry_id, part, subject, person, new)
select written.class, written.at, written.entry_id, part, 'person', part::text, jsonb_build_object('email', part)
from written cross join lateral generate_series(1, written.parts) as part
returning 1
"""


def carried_out(copy: LogCopy, statement: str) -> list[dict[str, Any]]:
    """The nodes of all plans of a statement and of the functions it calls, with what they did."""
    plans: list[dict[str, Any]] = []

    def taken(explained: dict[str, Any]) -> None:
        # Looking for detached tables compares tables of the log, of which there are few.
        if f"{copy.names.logs}.unattached(" not in explained["Query Text"]:
            plans.append(explained["Plan"])

    with psycopg.connect(copy.admin_dsn, autocommit=True) as connection:
        connection.execute("load 'auto_explain'")
        for setting, value in (
            ("log_min_duration", "0"),
            ("log_nested_statements", "on"),
            ("log_analyze", "on"),
            ("log_timing", "off"),
            ("log_format", "json"),
        ):
            connection.execute(f"set auto_explain.{setting} = {value}".encode())
        connection.add_notice_handler(
            lambda notice: taken(json.loads((notice.message_primary or "").partition("plan:")[2]))
        )
        connection.execute("set client_min_messages = log")
        connection.execute(copy.written(statement).encode())
        connection.execute("set client_min_messages = warning")
    return [node for plan in plans for node in nodes(plan)]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


@pytest.mark.parametrize("parts", [0, 2], ids=["nothing apart", "values apart"])
@pytest.mark.parametrize("is_open", [False, True], ids=["nobody else writes", "somebody writes for long"])
def test_sealing_compares_no_entry_with_all_others(copy: LogCopy, parts: int, is_open: bool):
    """Nobody has counted what is new. Behind a transaction that lasts, all that came after it is looked at each time."""
    with psycopg.connect(copy.admin_dsn) as writer:
        if is_open:
            writer.execute(copy.written("select nextval('{log}.entry_entry_id_seq'), pg_current_xact_id()").encode())
        for _ in range(3):
            copy.rows(WRITE, [parts, ENTRIES])
            done = carried_out(copy, "select * from {log}.seal(p_now => '2026-10-06Z')")
            assert [node["Operation"] for node in done if node.get("Relation Name") == "leaf"] == ["Insert"]
            joined = [str(node[by]) for node in done for by in ("Merge Cond", "Hash Cond") if by in node]
            # A class is that of nearly all, and rows come sorted by it: nothing may be merged by it.
            assert any("entry_id" in one for one in joined)
            assert not [one for one in joined if "class" in one]
            compared = sum(round(node.get("Rows Removed by Join Filter", 0) * node["Actual Loops"]) for node in done)
            # Two values of an entry have one number.
            assert compared <= ENTRIES * parts
