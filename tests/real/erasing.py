"""Erasing in the three databases, held against a copy that never had pgerase and from which the same people went by hand.

Both are dumped whole and compared line by line: what erasing should not have touched is then as certain as what it should have.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from pgerase.database import Database
from pgerase.operate import Count, DryRun, Erasure, Register, dry_run, erase, open_request
from pgerase.prove import Needle, ProofReport, prove
from pgerase.rules.read import read_pack
from tests.fix_database import FreshDatabase
from tests.real.deployment import Deployment

Counts = dict[tuple[str, str], tuple[int, int]]
"""People and rows, by relation and strategy."""

# Columns in which triggers of the applications note when a row was last changed.
_TOUCHED = {"updated_at", "last_update"}
_COPY = re.compile(r"COPY (\S+) \((.*)\) FROM stdin;\Z")
# The one guards a dump with a random word, the other counts requests.
_PASSING = re.compile(r"\\(un)?restrict |SELECT pg_catalog\.setval\('[a-z0-9]+_internal\.")
_NOT_PERSONAL = 8
"""Tokens are cut to fit, never below this."""


@dataclass(frozen=True)
class Dump:
    """A whole dump: the rows of each table, the rest line by line, and all of it as text to search."""

    rows: Mapping[str, Counter[str]]
    rest: tuple[str, ...]
    text: str = field(repr=False)

    def of(self, *schemas: str) -> dict[str, Counter[str]]:
        """The tables of some schemas."""
        return {table: rows for table, rows in self.rows.items() if table.split(".")[0] in schemas}


def lines(before: Mapping[str, Counter[str]], after: Mapping[str, Counter[str]]) -> list[str]:
    """Where two dumps differ, as a diff shows it."""
    found: list[str] = []
    for table in sorted({*before, *after}):
        old, new = before.get(table, Counter()), after.get(table, Counter())
        found += [f"{table} - {line}" for line in sorted((old - new).elements())]
        found += [f"{table} + {line}" for line in sorted((new - old).elements())]
    return found


class Trial:
    """A deployment people are erased from, and `truth`, a copy without pgerase from which a test lets them go by hand.

    In `truth` the placeholder `<key>` stands for a person's token.
    """

    def __init__(self, deployment: Deployment, copy: FreshDatabase, programs: Path, *schemas: str) -> None:
        self.deployment = deployment
        self.copy = copy
        self.truth = copy.connect_admin()
        self.schemas = schemas
        self._programs = programs
        self._today = datetime.now(UTC).date().isoformat()
        self.admin = deployment.database.connect_admin()

    def prepare(self, script: str) -> None:
        """Change both databases before anybody is erased."""
        for connection in (self.admin, self.truth):
            connection.execute("begin")
            connection.execute(script.encode())
            connection.execute("commit")

    def by_hand(self, script: str, **values: object) -> None:
        """Change the copy as erasing should have changed the database; `values` are put in for `{name}`."""
        self.truth.execute("begin")
        self.truth.execute(script.format(**values).encode())
        self.truth.execute("commit")

    def erase(self, subject: str, *keys: int) -> Counts:
        """Erase people as the owner, who is no superuser; what a dry run said and what was done, which have to agree."""
        planned, done = self.tried(subject, *keys)
        assert planned.failures == ()
        assert done.failures == ()
        assert counted(planned.counts) == counted(done.counts)
        return counted(done.counts)

    def failures(self, subject: str, *keys: int) -> list[tuple[str, str]]:
        """Who cannot be erased, with the SQLSTATE."""
        _, done = self.tried(subject, *keys)
        return [(one.key, one.sqlstate) for one in done.failures]

    def tried(self, subject: str, *keys: int) -> tuple[DryRun, Erasure]:
        """What the dry run and the run say, whatever it is."""
        with Database.open(self.deployment.database.dsn()) as database:
            register = Register(database, self.deployment.prefix)
            number = open_request(register, subject, [str(key) for key in keys]).number
            return dry_run(register, number), erase(register, number)

    def prove(self, subject: str, key: int, identifiers: Mapping[str, str]) -> ProofReport:
        """Search for what a person was known by, as the owner, with statistics made anew."""
        needles = [Needle(str(key), name, value) for name, value in identifiers.items()]
        with Database.open(self.deployment.database.dsn()) as database:
            return prove(database, read_pack(self.deployment.folder), subject, needles, analyze=True)

    def dump(self) -> Dump:
        """The database's dump, with placeholders for tokens."""
        return self._dump(self.deployment.database.admin_dsn, self._tokens())

    def dump_truth(self) -> Dump:
        """The copy's dump."""
        return self._dump(self.copy.admin_dsn, {})

    def compare(self) -> list[str]:
        """Where the database and the copy differ, line by line."""
        return lines(self.dump_truth().of(*self.schemas), self.dump().of(*self.schemas))

    def broken_constraints(self) -> list[str]:
        """Foreign keys and checks that do not hold: each is made once more, which looks at every row."""
        broken: list[str] = []
        found = self.admin.execute(
            "select c.conrelid::regclass::text, c.conname, pg_get_constraintdef(c.oid) "
            "from pg_constraint as c join pg_class as t on t.oid = c.conrelid "
            "join pg_namespace as n on n.oid = t.relnamespace "
            "where c.contype in ('f', 'c') and c.conparentid = 0 and c.coninhcount = 0 and n.nspname = any (%s)",
            [list(self.schemas)],
        ).fetchall()
        assert found
        for table, name, definition in found:
            self.admin.execute("begin")
            try:
                self.admin.execute(f"alter table {table} add constraint once_more {definition}".encode())
            except psycopg.errors.IntegrityError:
                broken.append(f"{table} {name}")
            self.admin.execute("rollback")
        return broken

    def _tokens(self) -> dict[str, str]:
        ledger = sql.Identifier(f"{self.deployment.prefix}_internal", "erased_person")
        return dict(self.admin.execute(sql.SQL("select token, '<' || key || '>' from {}").format(ledger)).fetchall())

    def _dump(self, dsn: str, tokens: Mapping[str, str]) -> Dump:
        # What is done is written down in the log, which has tests of its own.
        log = f"--exclude-schema={self.deployment.prefix}_log"
        command = [str(self._programs / "pg_dump"), "--dbname", dsn, log]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        plain = text
        for token, placeholder in tokens.items():
            for length in range(len(token), _NOT_PERSONAL - 1, -1):
                plain = plain.replace(token[:length], placeholder)
        rows: dict[str, Counter[str]] = {}
        rest: list[str] = []
        table, touched = "", frozenset[int]()
        for line in plain.splitlines():
            if table:
                if line == "\\.":
                    table = ""
                else:
                    rows[table][self._without_times(line, touched)] += 1
            elif match := _COPY.match(line):
                table = match[1]
                rows[table] = Counter()
                touched = frozenset(place for place, name in enumerate(match[2].split(", ")) if name in _TOUCHED)
            elif not _PASSING.match(line):
                rest.append(line)
        return Dump(rows, tuple(rest), text)

    def _without_times(self, line: str, touched: Iterable[int]) -> str:
        """The time of this test is another one in each database."""
        values = line.split("\t")
        for place in touched:
            if values[place] >= self._today:
                values[place] = "now"
        return "\t".join(values)


def counted(counts: Iterable[Count]) -> Counts:
    """Counts by relation and strategy."""
    return {(one.relation, one.strategy): (one.people, one.rows) for one in counts}


def by_sql(connection: psycopg.Connection, queries: Mapping[tuple[str, str], str]) -> Counts:
    """Counts from plain SQL: each query returns the person of every row; what finds nothing is left out."""
    found: Counts = {}
    for which, query in queries.items():
        people = [row[0] for row in connection.execute(query.encode())]
        if people:
            found[which] = (len(set(people)), len(people))
    return found


def residue(dump: Dump, needles: Iterable[str]) -> list[str]:
    """Which of these texts are somewhere in a dump, whatever their case."""
    text = dump.text.lower()
    return [needle for needle in needles if needle.lower() in text]
