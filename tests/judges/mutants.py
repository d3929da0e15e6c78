"""Mutants of what a pack generates, and databases in which some of them stand where the right ones stood.

Several mutants share a database and a look of verify, as far as it can tell them apart: by the table, and by what was tried there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from pgerase.apply.ledger import read_state
from pgerase.catalog.model import Name
from pgerase.compile import compile_pack
from pgerase.compile.desired import DesiredFunction, DesiredPolicy, DesiredView
from pgerase.database import Database
from pgerase.rules.read import read_pack
from pgerase.verify import Sample
from tests.judges.conftest import Ward
from tests.judges.mutate import Mutant, expressions, queries

ALL, READERS = Sample(viewers=12, writers=12, probes=4), Sample(viewers=12, writers=1, probes=1)
"""Everybody writes, or, where nothing is changed but what is read, hardly anybody."""
READS = frozenset({"mismatch-read", "mismatch-leaf", "mismatch-update-right"})
_SHOWS = {
    "SELECT": READS,
    "INSERT": frozenset({"mismatch-insert"}),
    "UPDATE": frozenset({"mismatch-update", "mismatch-update-right"}),
    "DELETE": frozenset({"mismatch-delete"}),
}


@dataclass(frozen=True)
class Wrong:
    """One mutant: what it is of, what was done to it, and the statements that put it in the right one's place.

    `table` is where it shows, and `codes` are the findings that it may show as. `command` is that of its policy, or what verify calls what
    it shows in. `conditions` are those of the policy that are others now, as they were and as they are.
    """

    of: str
    operator: str
    was: str
    script: str
    table: str
    codes: frozenset[str]
    command: str
    part: str = ""
    conditions: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return " ".join(f"{self.of} {self.part}: {self.operator}: {self.was}".split())

    def bothers(self, other: Wrong) -> bool:
        """Whether verify could not tell the two apart."""
        same = self.command == other.command or "SELECT" in (self.command, other.command)
        return same and self.table == other.table


def generated(ward: Ward) -> tuple[object, ...]:
    """What the pack's rules generate."""
    with Database.open(ward.database.dsn()) as database:
        catalog, _ = read_state(database, ward.prefix)
    desired = compile_pack(read_pack(ward.folder), catalog)
    assert desired.governed, desired.findings
    return desired.objects


# -- policies -----------------------------------------------------------------------------------------------------------------


def of_conditions(one: DesiredPolicy, choose: Callable[[int], Iterable[int]] = range) -> Iterator[Wrong]:
    """A change in a condition of a policy. The same change of the same part is made once, wherever else the part stands."""
    for part in ("using", "check"):
        text = getattr(one, part)
        seen: set[tuple[str, str]] = set()
        for mutant in expressions(text, choose) if text else ():
            if (mutant.operator, mutant.was) not in seen:
                seen.add((mutant.operator, mutant.was))
                yield replace(_altered(one, mutant, **{part: mutant.sql}), part=part)


def of_policies(one: DesiredPolicy) -> Iterator[Wrong]:
    """A change of the policy as a whole."""
    drop = f"drop policy {_quoted(one.name)} on {_name(one.table)}"
    yield _wrong(one, "policy dropped", "", drop)
    other_kind = replace(one, permissive=not one.permissive)
    yield _wrong(
        one,
        "restrictive for permissive" if one.permissive else "permissive for restrictive",
        "",
        f"{drop}; {_create(other_kind)}",
    )
    for part in ("using", "check"):
        text = getattr(one, part)
        if text is not None and text != "true":
            yield _altered(one, Mutant(f"{part} true", text, ""), **{part: "true"})
    if one.using and one.check and one.using != one.check:
        yield _altered(one, Mutant("using and check swapped", "", ""), using=one.check, check=one.using)
        dropped = _wrong(one, "check dropped", "", f"{drop}; {_create(replace(one, check=None))}")
        yield replace(dropped, conditions=((one.check, one.using),))


def _altered(one: DesiredPolicy, mutant: Mutant, **parts: str) -> Wrong:
    words = {"using": "using", "check": "with check"}
    expressions_of_it = " ".join(f"{words[part]} ({text})" for part, text in parts.items())
    script = f"alter policy {_quoted(one.name)} on {_name(one.table)} {expressions_of_it}"
    conditions = tuple((getattr(one, part), text) for part, text in parts.items())
    return replace(_wrong(one, mutant.operator, mutant.was, script), conditions=conditions)


def _wrong(one: DesiredPolicy, operator: str, was: str, script: str) -> Wrong:
    kind = "permissive" if one.permissive else "restrictive"
    of = f"{kind} {one.command} policy {one.name} on {one.table}"
    return Wrong(of, operator, was, script, str(one.table), _SHOWS[one.command], one.command)


def _create(one: DesiredPolicy) -> str:
    parts = [("using", one.using), ("with check", one.check)]
    expressions_of_it = " ".join(f"{word} ({text})" for word, text in parts if text is not None)
    kind = "permissive" if one.permissive else "restrictive"
    return (
        f"create policy {_quoted(one.name)} on {_name(one.table)} as {kind} for {one.command}"
        f" to {', '.join(map(_quoted, one.roles))} {expressions_of_it}"
    )


# -- views and functions ------------------------------------------------------------------------------------------------------


def of_query(one: DesiredView | DesiredFunction, table: str, what: str) -> Iterator[Wrong]:
    """A change in a view's query or in the body of an SQL function, that shows on `table` when verify looks at `what`."""
    codes = READS if what == "SELECT" else frozenset({f"mismatch-{what}"})
    text = one.definition if isinstance(one, DesiredFunction) else one.query
    for mutant in queries(text):
        script = mutant.sql
        if isinstance(one, DesiredView):
            script = f"create or replace view {_name(one.name)} as {script}"
        kind = "function" if isinstance(one, DesiredFunction) else "view"
        yield Wrong(f"{kind} {one.name}", mutant.operator, mutant.was, script, table, codes, what)


# -- databases ----------------------------------------------------------------------------------------------------------------


def waves(mutants: Iterable[Wrong], most: int, worth: Callable[[Wrong], bool] = lambda _: True) -> list[list[Wrong]]:
    """At most so many groups in which none bothers another; what has no place in them is left out, and what is not worth one."""
    made: list[list[Wrong]] = [[] for _ in range(most)]
    for one in mutants:
        home = next((wave for wave in made if not any(one.bothers(other) for other in wave)), None)
        if home is not None and worth(one):
            home.append(one)
    return [wave for wave in made if wave]


@contextmanager
def copied(ward: Ward) -> Iterator[Ward]:
    """A copy of the deployment's database, dropped again. Its roles are the same ones."""
    ward.database.close()
    twin = copy.copy(ward)
    twin.database = copy.copy(ward.database)
    twin.database.name = f"{ward.database.name}copy"
    name = sql.Identifier(twin.database.name)
    with psycopg.connect(ward.server, autocommit=True) as server:
        server.execute(sql.SQL("create database {} template {}").format(name, sql.Identifier(ward.database.name)))
        server.execute(sql.SQL("grant create on database {} to {}").format(name, sql.Identifier(ward.database.owner)))
        try:
            yield twin
        finally:
            server.execute(sql.SQL("drop database {} with (force)").format(name))


def survivors(ward: Ward, wave: list[Wrong]) -> list[Wrong]:
    """Those of a wave that verify does not see by what the database does."""
    with copied(ward) as twin:
        make(twin, wave)
        sample = READERS if all(one.command == "SELECT" for one in wave) else ALL
        report = twin.verify(
            *sorted({one.table for one in wave if one.table.startswith("ward.")}), sample=sample, statics=False
        )
        found = {(finding.code, finding.subject) for finding in report.failures}
        assert "could-not-look" not in {code for code, _ in found}, report.failures
    return [one for one in wave if not any((code, one.table) in found for code in one.codes)]


def make(twin: Ward, wave: list[Wrong]) -> None:
    """Put mutants where the right ones stand."""
    with psycopg.connect(twin.database.admin_dsn, autocommit=True) as admin:
        admin.execute("set search_path = ''")
        for one in wave:
            admin.execute(one.script.encode())


def _name(name: Name) -> str:
    return f"{_quoted(name.schema)}.{_quoted(name.name)}"


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string(None)
