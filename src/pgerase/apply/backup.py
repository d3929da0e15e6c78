"""Are dumps whole? Counts the rows pg_dump writes of every governed table and leaf, and compares with the truth.

pg_dump as a role that row security binds exits 0 and writes no rows; nothing but counting shows it. Dump and truth read the same
snapshot, so that rows written meanwhile make no difference. Only counts are kept; rows pass through and are forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO

from pgerase.apply.ledger import read_state
from pgerase.apply.programs import dumping, find_pg_dump
from pgerase.catalog.model import Catalog, Name, Table
from pgerase.counts import counted
from pgerase.database import Database, connection_environment, identifier
from pgerase.errors import DatabaseFailed, Finding, Refused, Severity
from pgerase.plan.drift import governed_tables
from pgerase.plan.foreign import roles_bound_as
from pgerase.render.fragments import quote_identifier


class Verdict(StrEnum):
    """WHOLE: every row is in the dump. INCOMPLETE: some are not. UNVERIFIED: the truth could not be counted."""

    WHOLE = "whole"
    INCOMPLETE = "incomplete"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class Compared:
    """One table or leaf: rows in the dump, rows in truth (None where nobody could count them), and why it is unverified."""

    table: Name
    dumped: int | None
    rows: int | None
    why: str = ""

    @property
    def verdict(self) -> Verdict:
        """What follows from the two numbers."""
        if self.rows is None or self.dumped is None:
            return Verdict.UNVERIFIED
        return Verdict.WHOLE if self.dumped == self.rows else Verdict.INCOMPLETE

    def finding(self) -> Finding | None:
        """What is wrong, as a finding; None where nothing is."""
        match self.verdict:
            case Verdict.WHOLE:
                return None
            case Verdict.INCOMPLETE:
                whole = "unknown rows" if self.rows is None else counted(self.rows, "row")
                message = f"the dump holds {self.dumped} of {whole}"
                hint = (
                    "Dump as a service with `read: all` (--dump-dsn), or make the dumping role one in pack.yaml, then apply:"
                    " leaves need its policy too."
                )
                return Finding("backup-incomplete", Severity.ERROR, str(self.table), message, hint)
            case Verdict.UNVERIFIED:
                hint = "Name a connection that sees every row with --truth-dsn: a superuser, or a service with `read: all`."
                return Finding("backup-unverified", Severity.ERROR, str(self.table), self.why, hint)


def check_backup(
    database: Database, prefix: str, *, dump_dsn: str, pg_dump: Path | None = None, truth: Database | None = None
) -> tuple[Compared, ...]:
    """Dump the governed tables' data as `dump_dsn` and compare with what `truth` counts (default: `database`).

    The truth is counted as a role that the catalog says sees every row: the connected role where it is exempt, else the
    lookup role, borrowed for the time of the transaction. A table that neither sees wholly is UNVERIFIED.

    Raises Refused where nothing is governed, no fitting pg_dump is there, or pg_dump fails; DatabaseFailed.
    """
    counter = truth or database
    program = find_pg_dump(counter.server_version // 10000, pg_dump)
    with counter.transaction(isolation="repeatable read"):
        snapshot = str(counter.value("select pg_catalog.pg_export_snapshot()"))
        catalog, ledger = read_state(database if truth else counter, prefix)
        tables = [name for name in governed_tables(ledger) if name in catalog.tables]
        if not tables:
            raise Refused("no table is governed here: there is nothing to compare", hint="Apply a pack first.")
        arguments = [
            "--data-only",
            "--enable-row-security",
            f"--snapshot={snapshot}",
            *(f"--table={_pattern(name)}" for name in tables),
        ]
        with dumping(program, connection_environment(dump_dsn, counter), arguments) as output:
            dumped = count_copied(output)
        counted = _Truth(counter, catalog, prefix).count(tables)
    return tuple(_compared(name, catalog, dumped, counted) for name in tables)


def _compared(name: Name, catalog: Catalog, dumped: Mapping[Name, int], counted: Mapping[Name, int | str]) -> Compared:
    rows = counted[name]
    # A partitioned table has no rows of its own, and no COPY in a dump.
    in_dump = 0 if catalog.tables[name].kind == "p" else dumped.get(name)
    if isinstance(rows, str):
        return Compared(name, in_dump, None, rows)
    return Compared(name, in_dump, rows, "" if in_dump is not None else "pg_dump wrote nothing about this table")


_COPY = re.compile(r'COPY ("(?:[^"]|"")+"|[^\s".]+)\.("(?:[^"]|"")+"|[^\s".(]+) (?:\(.*\) )?FROM stdin;\Z', re.DOTALL)


def count_copied(output: IO[bytes] | Iterable[bytes]) -> dict[Name, int]:
    """Rows of every COPY block of a plain dump."""
    counts: dict[Name, int] = {}
    current: Name | None = None
    for line in output:
        if current is None:
            match = _COPY.match(line.decode(errors="replace").rstrip("\r\n")) if line.startswith(b"COPY ") else None
            if match:
                current = Name(_unquoted(match.group(1)), _unquoted(match.group(2)))
                counts[current] = 0
        elif line.rstrip(b"\r\n") == b"\\.":
            current = None
        else:
            counts[current] += 1
    return counts


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _pattern(name: Name) -> str:
    """A name as pg_dump's --table wants it: quoted, so that nothing in it is a pattern."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in (name.schema, name.name))


class _Truth:
    """Counts rows as somebody of whom the catalog proves that no policy hides any."""

    def __init__(self, counter: Database, catalog: Catalog, prefix: str) -> None:
        self._counter = counter
        self._catalog = catalog
        self._lookup = f"{prefix}_lookup"
        self._user = str(counter.value("select current_user::text"))

    def count(self, tables: Iterable[Name]) -> dict[Name, int | str]:
        """Rows of each table itself, without its leaves, or the reason why nobody could count them."""
        counted: dict[Name, int | str] = {}
        borrowed: list[Name] = []
        for name in tables:
            table = self._catalog.tables[name]
            if table.kind == "p":
                counted[name] = 0
            elif self._sees_all(self._user, table):
                counted[name] = int(
                    self._counter.value(f"select count(*) from only {identifier(name.schema, name.name)}")
                )
            else:
                borrowed.append(name)
        if borrowed:
            counted.update(self._as_lookup(borrowed))
        return counted

    def _as_lookup(self, tables: list[Name]) -> dict[Name, int | str]:
        reason = f"neither {self._user} nor {self._lookup} sees every row of it"
        ways = {name: self._way(name) for name in tables}
        counted: dict[Name, int | str] = {name: reason for name, way in ways.items() if way is None}
        if len(counted) == len(ways):
            return counted
        try:
            with self._counter.transaction():
                self._counter.run(f"grant {quote_identifier(self._lookup)} to current_user")
                self._counter.run(f"set local role {quote_identifier(self._lookup)}")
                # A login may have row_security = off, under which even an exempt role gets an error instead of rows.
                self._counter.run("set local row_security = on")
                for name, way in ways.items():
                    if way is not None:
                        counted[name] = self._count_through(name, way)
                self._counter.run("reset role")
                self._counter.run(f"revoke {quote_identifier(self._lookup)} from current_user")
        except DatabaseFailed as error:
            failed = f"{self._lookup} could not count: {error.message}"
            return {name: reason if way is None else failed for name, way in ways.items()}
        return counted

    def _count_through(self, name: Name, way: Name) -> int:
        """Rows of a table, read through itself or through the table above it, whose policies then decide alone."""
        statement = (
            f"select count(*) from {identifier(way.schema, way.name)} as t"
            f" where t.tableoid = {int(self._catalog.tables[name].oid)}::pg_catalog.oid"
        )
        return int(self._counter.value(statement))

    def _way(self, name: Name) -> Name | None:
        """The table, or the nearest above it, that the lookup role sees wholly and may select from."""
        frontier = [name]
        while frontier:
            current = self._catalog.tables[frontier.pop(0)]
            granted = any(grant.grantee == self._lookup and grant.privilege == "SELECT" for grant in current.grants)
            if granted and self._sees_all(self._lookup, current):
                return current.name
            frontier += [parent for parent in current.parents if parent in self._catalog.tables]
        return None

    def _sees_all(self, role: str, table: Table) -> bool:
        """Whether no policy hides a row from a role: no superuser is asked, the catalog is."""
        known = self._catalog.roles.get(role)
        if known is not None and (known.superuser or known.bypassrls):
            return True
        bound = roles_bound_as(self._catalog, role)
        if not table.rls_enabled or (table.owner in bound and not table.rls_forced):
            return True
        mine = [one for one in table.policies if one.command in {"SELECT", "ALL"} and bound & set(one.roles)]
        return any(one.permissive and one.using == "true" for one in mine) and all(
            one.permissive or one.using == "true" for one in mine
        )
