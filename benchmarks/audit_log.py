"""What the log itself costs those who write: sealing it, and dropping what has expired."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import psycopg
from audit_common import SCRIPT, Budget, Result, cpu, pgbench, turn
from audit_ways import PLAIN, PREFIX, ROW, Bench

from pgerase.database import Database
from pgerase.operate.retention import maintain
from pgerase.operate.retention_model import Fate

SEAL = f"select coalesce(sum(entries), 0)::bigint from {PREFIX}_log.seal()"


def sealing(bench: Bench, repeat: int, seconds: int) -> Result:
    """Eight writers by themselves, and while one session seals what they write: all the time, or once a second.

    In pairs, of which either half goes first by turns. What is left of one half is sealed before the next one begins.
    """
    result = Result()
    script = SCRIPT.format(way=PLAIN)
    with psycopg.connect(bench.owner, autocommit=True) as sealer:
        pid = sealer.info.backend_pid
        seal_all(sealer)
        for what, pause in (("all the time", 0.0), ("every second", 1.0)):
            ratios: list[float] = []
            costs: list[float] = []
            for number in range(repeat):
                found: dict[bool, float] = {}
                for is_on in (True, False) if number % 2 else (False, True):
                    before = cpu(pid)
                    with sealed_meanwhile(sealer, pause) if is_on else contextlib.nullcontext():
                        found[is_on] = pgbench(bench, script, 8, seconds)
                    entries = seal_all(sealer)
                    if entries and not is_on and before is not None:
                        costs.append(((cpu(pid) or before) - before) / entries)
                ratios.append(found[True] / found[False])
            ratio = statistics.median(ratios)
            result.budgets.append(
                Budget(
                    f"throughput of 8 writers, sealed {what}", "at least 0.9 × unsealed", f"{ratio:.2f} ×", ratio >= 0.9
                )
            )
        if costs:
            result.notes.append(f"Sealing one entry takes {statistics.median(costs):.1f} µs of server CPU.")
    return result


@contextlib.contextmanager
def sealed_meanwhile(sealer: psycopg.Connection, pause: float) -> Generator[None]:
    """Seal in another thread until the block ends; an error there ends the block's with it."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(pause):
            sealer.execute(SEAL.encode())

    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(work)
        try:
            yield
        finally:
            stop.set()
        task.result()


def seal_all(sealer: psycopg.Connection) -> int:
    """Seal until nothing is left; how many entries that were."""
    count = 0
    while True:
        row = sealer.execute(SEAL.encode()).fetchone()
        assert row is not None
        if not row[0]:
            return count
        count += row[0]


# --- what has expired ---

FILL = f"""
with source as (
    select
        nextval('{PREFIX}_log.entry_entry_id_seq') as entry_id, i,
        date_trunc('month', now(), 'UTC') - interval '4 months' + i * interval '1 second' as at
    from generate_series(1, %(size)s::bigint) as i
), kept as (
    insert into {PREFIX}_log.value (class, at, entry_id, part, subject, person, new)
    select %(class)s, at, entry_id, 1, 'member', i::text, jsonb_build_object('email', 'user' || i || '@example.org') from source
)
insert into {PREFIX}_log.entry (class, at, entry_id, relation, action, login, key, new, parts)
overriding system value
select
    %(class)s, at, entry_id, 'a.plain', 'insert', 'bench_app', jsonb_build_object('item_id', i),
    jsonb_build_object('title', 'the title of ' || i, 'body', 'words words words words words', 'state', 'open'), 1
from source
"""
DEFINE = f"""
select {PREFIX}_log.define_class(%(class)s, interval '3 months', 'month', 1, date_trunc('month', now()) - interval '4 months')
"""
EXPIRED = f"""
select relation from {PREFIX}_log.partitions()
where class = %(class)s and lower_bound > '-infinity' and due_at <= now()
"""
PARENTS = f"select distinct parent from {PREFIX}_log.partitions() where class = %(class)s"
AHEAD = f"select {PREFIX}_log.make_partitions(%(class)s, now())"
FILL_ROWS = """
insert into by_row.entry (at, relation, action, new_row)
select
    date_trunc('month', now()) - interval '1 month' + i * interval '1 second', 'row_trigger', 'INSERT',
    jsonb_build_object(
        'item_id', i, 'email', 'user' || i || '@example.org', 'title', 'the title of ' || i,
        'body', 'words words words words words', 'state', 'open'
    )
from generate_series(1, %(size)s::bigint) as i
"""
READ = f"select entry_id from {PREFIX}_log.entry order by entry_id desc limit 20"
READ_ROWS = "select entry_id from by_row.entry where relation = 'row_trigger' order by at desc limit 20"
WRITE = """
insert into a.{way} (member_id, email, phone, title, body, state)
values (17, 'user17@example.org', '+49 30 1000017', 'a title', 'words', 'open')
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """How long something took, the longest that a reader and a writer waited meanwhile, all in milliseconds; bytes of WAL."""

    spent: float
    reader: float
    writer: float
    wal: float

    def __str__(self) -> str:
        return f"{self.spent:,.0f} | {self.reader:.0f}, {self.writer:.0f} | {self.wal / 1000:,.0f}"


def usual(runs: Sequence[Watched]) -> Watched:
    """The median of what several took, with the longest waits of all."""
    return Watched(
        statistics.median(one.spent for one in runs),
        max(one.reader for one in runs),
        max(one.writer for one in runs),
        statistics.median(one.wal for one in runs),
    )


def dropping(bench: Bench, sizes: Sequence[int], repeat: int) -> Result:
    """One expired month among readers and writers, by size: a run of retention, DROP TABLE of copies of what it drops, and a
    DELETE with its VACUUM.

    DROP TABLE by itself is what no run can do without: it gives the files back to the operating system, which takes its time by
    their size. Then a run and a drop with a report that reads the log for a second: a run, which detaches concurrently, and
    dropping a partition where it hangs.
    """
    result = Result()
    ours: dict[int, list[Watched]] = {size: [] for size in sizes}
    bare: dict[int, list[Watched]] = {size: [] for size in sizes}
    theirs: dict[int, list[Watched]] = {size: [] for size in sizes}
    with psycopg.connect(bench.admin, autocommit=True) as admin:
        for number in range(repeat):
            for size in turn(sizes, number):
                fill(bench, admin, f"size_{size}", size)
                copies = copied(admin, f"size_{size}")
                ours[size].append(watched(bench, PLAIN, READ, lambda: expire(bench)))
                by_hand = partial(admin.execute, f"drop table {copies}".encode())
                bare[size].append(watched(bench, PLAIN, READ, by_hand))
                remove(admin, f"size_{size}")
                admin.execute(FILL_ROWS, {"size": size})
                theirs[size].append(watched(bench, ROW, READ_ROWS, lambda: delete(admin)))
        fill(bench, admin, "reported", sizes[0])
        with reported(bench.admin, READ):
            run = watched(bench, PLAIN, READ, lambda: expire(bench))
        with reported(bench.admin, READ_ROWS):
            drop = watched(bench, ROW, READ_ROWS, lambda: admin.execute("drop table by_row.entry_old"))
    result.notes = [
        (
            "| expired entries | run of retention, ms | longest wait of reader, writer, ms | WAL, kB"
            " | DROP TABLE of copies, ms | longest wait of reader, writer, ms | WAL, kB"
            " | DELETE and VACUUM, ms | longest wait of reader, writer, ms | WAL, kB |"
        ),
        f"|---:|{'---:|' * 9}",
        *(f"| {size:,} | {usual(ours[size])} | {usual(bare[size])} | {usual(theirs[size])} |" for size in sizes),
        "",
        "| while a report reads the log for a second | takes, ms | longest wait of reader, writer, ms | WAL, kB |",
        "|---|---:|---:|---:|",
        f"| run of retention | {run} |",
        f"| drop of an attached partition | {drop} |",
    ]
    small, large = ((usual(ours[size]).spent, usual(bare[size]).spent) for size in (sizes[0], sizes[-1]))
    whole, besides = large[0] / small[0], (large[0] - large[1]) / (small[0] - small[1])
    what = f"dropping an expired month of {sizes[-1]:,} entries, against one of {sizes[0]:,}"
    for part, ratio in (("the run", whole), ("the run without DROP TABLE itself", besides)):
        result.budgets.append(Budget(f"{what}: {part}", "constant: 1.5 ×", f"{ratio:.2f} ×", ratio <= 1.5))
    return result


def fill(bench: Bench, admin: psycopg.Connection, name: str, size: int) -> None:
    """A class whose first month has expired, with so many sealed entries in it."""
    with psycopg.connect(bench.owner, autocommit=True) as owner:
        owner.execute(DEFINE.encode(), {"class": name})
        admin.execute(FILL.encode(), {"class": name, "size": size})
        admin.execute(AHEAD.encode(), {"class": name})
        seal_all(owner)
    admin.execute("vacuum (analyze)")


def remove(admin: psycopg.Connection, name: str) -> None:
    """Take a class away: a run takes its time by how many there are as well, and all are to have as many."""
    for (parent,) in admin.execute(PARENTS, {"class": name}).fetchall():
        admin.execute(f"drop table {PREFIX}_log.{parent}".encode())
    admin.execute(f"delete from {PREFIX}_log.class where class = %s".encode(), [name])


def copied(admin: psycopg.Connection, name: str) -> str:
    """Copy the expired tables of a class, indexes and all, to where nobody reads or writes; the copies' names, by commas."""
    admin.execute("create schema if not exists by_hand")
    tables = [f"by_hand.{relation}" for (relation,) in admin.execute(EXPIRED, {"class": name})]
    for table in tables:
        original = f"{PREFIX}_log.{table.removeprefix('by_hand.')}"
        admin.execute(f"create table {table} (like {original} including indexes)".encode())
        admin.execute(f"insert into {table} select * from {original}".encode())
    admin.execute("vacuum (analyze)")
    # Neither way finds files half written that the other one does not.
    admin.execute("checkpoint")
    return ", ".join(tables)


def expire(bench: Bench) -> None:
    """A run of retention, which drops one partition."""
    with Database.open(bench.owner) as opened:
        run = maintain(opened, PREFIX)
    if run.counts[Fate.DROPPED] != 1:
        raise SystemExit(f"the run dropped {run.counts[Fate.DROPPED]} partitions: {run}")


def delete(admin: psycopg.Connection) -> None:
    """What is done without partitions."""
    admin.execute("delete from by_row.entry where at < date_trunc('month', now())")
    admin.execute("vacuum by_row.entry_old")


@contextlib.contextmanager
def reported(address: str, query: str) -> Generator[None]:
    """A transaction that has read the log, and ends a second later."""

    def linger() -> None:
        report.execute("select pg_sleep(1)")
        report.commit()

    with psycopg.connect(address) as report, ThreadPoolExecutor(1) as pool:
        report.execute(query.encode())
        task = pool.submit(linger)
        yield
        task.result()


def watched(bench: Bench, way: str, query: str, work: Callable[[], object]) -> Watched:
    """Do it while one session reads the end of the log again and again, and another one writes to a table that is captured."""
    stop = threading.Event()
    with (
        psycopg.connect(bench.admin, autocommit=True) as reader,
        psycopg.connect(bench.app, autocommit=True) as writer,
        psycopg.connect(bench.admin, autocommit=True) as admin,
        ThreadPoolExecutor(2) as pool,
    ):
        tasks = [
            pool.submit(wait_of, session, statement, stop)
            for session, statement in ((reader, query), (writer, WRITE.format(way=way)))
        ]
        try:
            before = wal_position(admin)
            began = time.perf_counter()
            work()
            spent = 1000 * (time.perf_counter() - began)
            after = wal_position(admin)
        finally:
            stop.set()
        return Watched(spent, tasks[0].result(), tasks[1].result(), after - before)


def wait_of(session: psycopg.Connection, statement: str, stop: threading.Event) -> float:
    """Milliseconds of the longest of these statements, one after the other until told to stop."""
    longest = 0.0
    while not stop.wait(0.002):
        began = time.perf_counter()
        session.execute(statement.encode(), prepare=True)
        longest = max(longest, 1000 * (time.perf_counter() - began))
    return longest


def wal_position(admin: psycopg.Connection) -> float:
    """Bytes of WAL that were ever written."""
    row = admin.execute("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    return float(row[0])
