"""What auditing costs writers: statements that change many rows, and those that change one."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import psycopg
from audit_common import SCRIPT, TITLES, Budget, Result, cpu, pgbench, turn
from audit_ways import APART, BARE, PLAIN, PREFIX, WAYS, Bench
from psycopg.pq import ExecStatus

from pgerase.tokens import sign_token


@dataclass(slots=True)
class Spent:
    """What one kind of statement took, a number a run."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)
    wal: list[float] = field(default_factory=list)


# --- statements that change many rows ---

MANY = {
    "insert": "insert into a.{way} select * from a.source",
    "update": "update a.{way} set title = title || '!'",
    "delete": "delete from a.{way}",
}


def bulk(bench: Bench, rows: int, repeat: int) -> Result:
    """One statement each that inserts, updates and deletes all rows."""
    spent: dict[tuple[str, str], Spent] = defaultdict(Spent)
    with psycopg.connect(bench.app, autocommit=True) as app, psycopg.connect(bench.admin, autocommit=True) as admin:
        # The first run, which plans and warms up, does not count.
        for number in range(repeat + 1):
            empty(admin)
            for event, statement in MANY.items():
                for way in turn(WAYS, number):
                    one = Spent() if number == 0 else spent[event, way]
                    measure(app, admin, statement.format(way=way), one)
        empty(admin)
    result = Result()
    for event in MANY:
        for kind, what, per, form in (
            ("wall", "ms", 1e-3, ",.0f"),
            ("cpu", "ms of server CPU", 1e-3, ",.0f"),
            ("stored", "bytes of log a row", 1 / rows, ",.0f"),
            ("wal", "bytes of WAL a row", 1 / rows, ",.0f"),
        ):
            found = {
                way: per * statistics.median(getattr(spent[event, way], kind))
                for way in WAYS
                if getattr(spent[event, way], kind)
            }
            if found:
                result.lines.append((f"{event} of {rows:,} rows, {what}", found, form))
    # Processor time where it is known: other work on the machine makes less of a difference to it.
    kind, unit = ("cpu", "server CPU") if spent["insert", BARE].cpu else ("wall", "time")
    bare = statistics.median(getattr(spent["insert", BARE], kind))
    for way, most, what in ((PLAIN, 4.0, "plain"), (APART, 8.0, "personal values apart")):
        ratio = statistics.median(getattr(spent["insert", way], kind)) / bare
        result.budgets.append(
            Budget(f"bulk insert, {what}, {unit}", f"{most:g} × bare", f"{ratio:.2f} ×", ratio <= most)
        )
    return result


def empty(admin: psycopg.Connection) -> None:
    """Empty the tables and all logs, as a superuser and past all triggers, so that each run begins alike."""
    with admin.transaction():
        admin.execute("set local session_replication_role = replica")
        tables = ", ".join([*(f"a.{way}" for way in WAYS), "by_row.entry", "by_supa.version", *logs()])
        admin.execute(f"truncate {tables}".encode())
    admin.execute("checkpoint")


def logs() -> list[str]:
    """The tables of our log that capture writes to."""
    return [f"{PREFIX}_log.entry", f"{PREFIX}_log.value"]


STORED = f"""
select coalesce(sum(pg_total_relation_size(oid)), 0)::bigint, pg_current_wal_insert_lsn() - '0/0'::pg_lsn from pg_class
where relkind = 'r' and relnamespace in ('{PREFIX}_log'::regnamespace, 'by_row'::regnamespace, 'by_supa'::regnamespace)
"""


def measure(app: psycopg.Connection, admin: psycopg.Connection, statement: str, spent: Spent) -> None:
    """Run the statement; add its microseconds, those of server CPU, bytes of log and bytes of WAL."""
    pid = app.info.backend_pid
    stored, wal = two(admin, STORED)
    before = cpu(pid)
    began = time.perf_counter()
    app.execute(statement.encode())
    spent.wall.append(1e6 * (time.perf_counter() - began))
    if before is not None:
        spent.cpu.append((cpu(pid) or before) - before)
    stored_after, wal_after = two(admin, STORED)
    spent.stored.append(stored_after - stored)
    spent.wal.append(wal_after - wal)


def two(connection: psycopg.Connection, query: str) -> tuple[float, float]:
    """The two numbers a query returns."""
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return float(row[0]), float(row[1])


# --- statements that change one row ---

COLUMNS = "(member_id, email, phone, title, body, state)"
ONE = f"insert into a.{{way}} {COLUMNS} values ($1, $2, $3, $4, $5, $6)"
CHANGE = "update a.{way} set title = $1 where item_id = $2"
VALUES = ("17", "user17@example.org", "+49 30 1000017", "the title of 17", "words " * 5, "open")
PRESENT = f"select {PREFIX}.become($1)"
ANNOTATE = f"select {PREFIX}.annotate($1, $2)"
BLOCK = 200
"""Statements between two looks at the clock."""

Call: TypeAlias = tuple[str, Sequence[str]]
"""A prepared statement's name and its parameters."""


def single(bench: Bench, repeat: int) -> Result:
    """What one prepared statement costs the server: in a transaction of many, committed alone, and with an identity.

    A connection a way, blocks by turns, sent without waiting for answers, so that what is measured is the server's work and not how
    often it is woken. A difference is that of two blocks of the same round, so that the machine's moods are on both sides.
    """
    result = Result()
    token = sign_token(bench.key, 17)
    sessions = {way: psycopg.connect(bench.app, autocommit=True) for way in WAYS}
    keys: dict[str, list[str]] = {}
    for way, session in sessions.items():
        for name, statement in (("insert", ONE), ("update", CHANGE), ("present", PRESENT), ("annotate", ANNOTATE)):
            prepared = session.pgconn.prepare(name.encode(), statement.format(way=way).encode())
            if prepared.status != ExecStatus.COMMAND_OK:
                raise SystemExit(prepared.error_message.decode())
        pipelined(session, [[("insert", VALUES)]] * BLOCK)
        keys[way] = [row[0] for row in session.execute(f"select item_id::text from a.{way} limit {BLOCK}".encode())]
    if cpu(sessions[BARE].info.backend_pid) is None:
        return result

    def inserts(_way: str, _round: int) -> list[Call]:
        return [("insert", VALUES)] * BLOCK

    def updates(way: str, number: int) -> list[Call]:
        return [("update", (f"title {number}", key)) for key in keys[way]]

    identity: list[Call] = [("present", (token,)), ("annotate", ("request 17", "a test"))]
    for what, calls, before, is_alone, limit in (
        ("insert of one row among many of a transaction", inserts, [], False, 25),
        ("the same by an identified person", inserts, identity, False, 25),
        ("insert of one row, committed alone", inserts, [], True, 25),
        ("update of one row, committed alone", updates, [], True, None),
    ):
        # Rivals know nobody.
        ways = (BARE, PLAIN, APART) if before else WAYS
        times: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(4 * repeat + 2):
            for way in turn(ways, number):
                block = calls(way, number)
                batches = [[one] for one in block] if is_alone else [[*before, *block]]
                times[way].append(spent_on(sessions[way], batches) / BLOCK)
        result.lines.append(
            (f"{what}, µs of server CPU", {way: statistics.median(times[way][2:]) for way in ways}, ".1f")
        )
        for way in () if limit is None else (PLAIN, APART):
            pairs = zip(times[way][2:], times[BARE][2:], strict=True)
            more = statistics.median(mine - bare for mine, bare in pairs)
            result.budgets.append(
                Budget(f"{what}: {TITLES[way]}", f"bare + {limit} µs", f"+ {more:.1f} µs", more <= limit)
            )
    for session in sessions.values():
        session.close()
    return result


def spent_on(session: psycopg.Connection, batches: Sequence[Sequence[Call]]) -> float:
    """Microseconds of server CPU that these transactions take."""
    before = cpu(session.info.backend_pid)
    pipelined(session, batches)
    after = cpu(session.info.backend_pid)
    assert before is not None
    assert after is not None
    return after - before


def pipelined(session: psycopg.Connection, batches: Sequence[Sequence[Call]]) -> None:
    """Send all, a transaction a batch, and read the answers afterwards. The driver itself would wait for each commit."""
    raw = session.pgconn
    raw.enter_pipeline_mode()
    for batch in batches:
        for name, values in batch:
            raw.send_query_prepared(name.encode(), [value.encode() for value in values])
        raw.pipeline_sync()
    while raw.flush():
        pass
    ends = 0
    while ends < len(batches):
        answer = raw.get_result()
        if answer is None or answer.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            continue
        if answer.status != ExecStatus.PIPELINE_SYNC:
            raise SystemExit(answer.error_message.decode())
        ends += 1
    raw.exit_pipeline_mode()


def throughput(bench: Bench, repeat: int, seconds: int) -> Result:
    """Prepared single-row inserts a second with one client and with eight, by pgbench on the same machine."""
    result = Result()
    for clients in (1, 8):
        found: dict[str, list[float]] = defaultdict(list)
        for number in range(min(repeat, 3)):
            for way in turn(WAYS, number):
                found[way].append(pgbench(bench, SCRIPT.format(way=way), clients, seconds))
        medians = {way: statistics.median(found[way]) for way in WAYS}
        result.lines.append((f"inserts a second, {clients} client{'s' * (clients > 1)}", medians, ",.0f"))
    return result
