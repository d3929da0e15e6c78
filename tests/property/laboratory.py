"""One database with pgerase installed, in which rule files are tried and taken back: what was seen, and what should have been.

A rule file is compiled and its objects are made with the statements `apply` would run, then data are loaded, viewers try
everything on every resource, all in one transaction that is rolled back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg
import yaml
from psycopg import sql
from psycopg.rows import dict_row

from pgerase.catalog.model import Catalog
from pgerase.catalog.read import read_catalog
from pgerase.compile import Desired, compile_pack
from pgerase.compile.desired import (
    DesiredFunction,
    DesiredGrant,
    DesiredLogClass,
    DesiredMembership,
    DesiredObject,
    DesiredPolicy,
    DesiredRowSecurity,
    DesiredTrigger,
    DesiredView,
)
from pgerase.database import Database
from pgerase.errors import Finding, RuleFileError, Severity
from pgerase.install import install
from pgerase.meaning import Grant, Meaning, Session, SupportRules
from pgerase.render import statements
from pgerase.rules.access import AccessRules
from pgerase.rules.conditions import Action
from pgerase.rules.pack import Pack
from pgerase.rules.read_access import read_access
from pgerase.rules.read_pack import default_settings
from tests.fix_database import FreshDatabase
from tests.property.draw_data import Data, Row
from tests.property.support import meant, read_support, rules_of, store_grants
from tests.property.world import MARK, RID, TABLES, Variant, leaves, probe_script, schema_script

OF_ERASING = frozenset({"unmapped-link", "unmapped-table"})
"""What is amiss with a data map that erases; here one says whose rows are whose."""
NOBODY = "\x01 nobody's key"
"""An identity no person has, standing for whatever is presented without being valid."""


@dataclass(frozen=True)
class Viewer:
    """Who asks: `role` is the login's place (0 the application, 1 a visitor's); `text` what is presented, None nothing.

    `stamped` False presents the text without this transaction's stamp, so that it is no identity.
    """

    kind: str
    text: str | None
    role: int = 0
    stamped: bool = True


@dataclass(frozen=True)
class Mismatch:
    """One difference between the database and the meaning."""

    viewer: Viewer
    resource: str
    what: str
    seen: object
    expected: object

    def __str__(self) -> str:
        return f"{self.viewer}: {self.what} on {self.resource}: database {self.seen}, meaning {self.expected}"


@dataclass
class Outcome:
    """What came of one viewer's tries on one resource, by row."""

    read: frozenset[int]
    share: frozenset[int]
    update: frozenset[int] | None
    single: dict[int, int]
    delete: frozenset[int]
    insert: frozenset[int]
    change: dict[int, int]


@dataclass
class Compiled:
    """A rule file ready to be tried."""

    text: str
    rules: AccessRules
    desired: Desired
    support: SupportRules | None
    resources: dict[str, str]
    """Resource names by table, by the generator's names."""


@dataclass
class Refused:
    """A rule file that the reader or the compiler refuses."""

    findings: tuple[Finding, ...]


@dataclass
class Laboratory:
    """See the module."""

    variant: Variant
    prefix: str
    connection: psycopg.Connection
    logins: tuple[str, str]
    catalog: Catalog
    owner: str

    @classmethod
    def build(cls, database: FreshDatabase, variant: Variant) -> Laboratory:
        """Make the schema as owner, install, and make what tries everything."""
        logins = database.role("app"), database.role("visitor")
        admin = database.connect_admin()
        owner = database.connect()
        owner.execute("select set_config('search_path', '', false)")
        owner.execute(schema_script(variant).encode())
        with Database.open(database.dsn()) as opened:
            install(opened, database.prefix)
            viewers = f"{database.prefix}_viewer"
            admin.execute(f"grant {_id(viewers)} to {_id(logins[0])}, {_id(logins[1])}")
            admin.execute(probe_script(variant, viewers).encode())
            catalog = read_catalog(opened)
        owner.close()
        admin.close()
        connection = psycopg.connect(database.admin_dsn, autocommit=True, row_factory=dict_row)
        connection.execute("select set_config('search_path', '', false)")
        connection.execute("set plan_cache_mode = force_generic_plan")
        connection.execute("set jit = off")
        connection.execute("set timezone = 'Asia/Kolkata'")
        return cls(variant, database.prefix, connection, logins, catalog, database.owner)

    # -- rule files ----------------------------------------------------------------------------------------------------

    def compile(self, spec: dict[str, Any]) -> Compiled | Refused:
        """Write a rule file as YAML, read it, compile it."""
        text = yaml.safe_dump(
            {key: part for key, part in spec.items() if key != "support"},
            allow_unicode=True,
            sort_keys=False,
            width=120,
        )
        audit = data_map = None
        try:
            rules = read_access(text)
            if "support" in spec:
                audit, data_map = read_support(spec["support"], self.variant)
        except RuleFileError as error:
            return Refused(error.findings)
        settings = replace(default_settings("property"), prefix=self.prefix, app=(self.logins[0],))
        pack = Pack("", settings, rules, data_map, audit, ())
        desired = self._without_erasing(compile_pack(pack, self.catalog))
        errors = tuple(
            finding
            for finding in desired.findings
            if finding.severity is Severity.ERROR and finding.code not in OF_ERASING
        )
        if errors:
            return Refused(errors)
        logical = {self.variant.n(name): name for name in TABLES}
        return Compiled(
            text,
            rules,
            desired,
            rules_of(audit, data_map),
            {logical[one.table.name]: one.name for one in rules.resources},
        )

    def _without_erasing(self, desired: Desired) -> Desired:
        """What erases is no part of it: a data map is there to say whose rows are whose. Nor is what takes down which rows are read."""
        eraser = f"{self.prefix}_eraser"

        def is_left(one: DesiredObject) -> bool:
            match one:
                case DesiredFunction(name=name):
                    return name.schema != eraser and not name.name.startswith(("log_read_", "read_"))
                case DesiredView(name=name):
                    return not name.name.startswith("supported_")
                case DesiredLogClass():
                    return False
                case DesiredPolicy(roles=roles):
                    return eraser not in roles
                case DesiredGrant(grantee=role):
                    return role != eraser
                case DesiredTrigger(definition=definition):
                    return f"{eraser}." not in definition
                case _:
                    return True

        return replace(desired, objects=tuple(filter(is_left, desired.objects)))

    def script(self, desired: Desired) -> str:
        """Everything as `apply` would make it, views and functions as their owner; guards off: they are about columns."""
        made: list[str] = []
        for wanted in desired.objects:
            match wanted:
                case DesiredView():
                    made += [
                        f"set local role {_id(wanted.owner)};",
                        statements.create_view(wanted),
                        "set local role none;",
                    ]
                case DesiredFunction():
                    become = _id(wanted.owner or self.owner)
                    made += [f"set local role {become};", statements.create_function(wanted), "set local role none;"]
                case DesiredPolicy():
                    made.append(statements.create_policy(wanted))
                case DesiredRowSecurity(table=table):
                    made.append(statements.row_security(table, enabled=True, forced=True))
                case DesiredTrigger(table=table, name=name):
                    made.append(statements.create_trigger(wanted))
                    made.append(f"alter table {_id(table.schema, table.name)} disable trigger {_id(name)};")
                case DesiredGrant():
                    made.append(statements.grant(wanted))
                case DesiredMembership(role=role, member=member):
                    assert role == f"{self.prefix}_viewer"
                    if member == f"{self.prefix}_masker":
                        made.append(statements.grant_membership(wanted))
                    else:
                        assert member in self.logins
                case _:
                    raise AssertionError(wanted)
        return "\n".join(made)

    @contextmanager
    def applied(self, compiled: Compiled) -> Iterator[None]:
        """A transaction in which the rule file is in force; rolled back at the end."""
        self.connection.execute("begin")
        try:
            self.connection.execute(self.script(compiled.desired).encode())
            yield
        finally:
            self.connection.execute("rollback")

    # -- data ----------------------------------------------------------------------------------------------------------

    @contextmanager
    def loaded(self, data: Data) -> Iterator[Stored]:
        """A savepoint in which the data are there; yields them as the database returns them."""
        self.connection.execute("savepoint loaded")
        try:
            for table, rows in data.rows.items():
                self._load(_id(self.variant.n("schema"), self.variant.n(table)), table, rows)
            for table in data.new:
                self._load(_id("probe", f"new_{table}"), table, data.new[table])
                self._load(_id("probe", f"changed_{table}"), table, data.changed[table])
            store_grants(self.connection, self.prefix, data.grants)
            yield Stored(
                {table: self._rows(_id(self.variant.n("schema"), self.variant.n(table))) for table in TABLES},
                {table: self._rows(_id("probe", f"new_{table}")) for table in data.new},
                {table: self._rows(_id("probe", f"changed_{table}")) for table in data.new},
                self.connection.execute("select now() as now").fetchone()["now"],
                meant(data.grants),
            )
        finally:
            self.connection.execute("rollback to savepoint loaded")

    def _load(self, target: str, table: str, rows: list[Row]) -> None:
        if rows:
            named = [{self.variant.n(name): value for name, value in row.items()} for row in rows]
            target = target.replace("%", "%%")
            statement = f"insert into {target} select * from jsonb_populate_recordset(null::{target}, %s::jsonb)"
            self.connection.execute(statement, [json.dumps(named)])

    def _rows(self, source: str) -> list[dict[str, Any]]:
        return self.connection.execute(f"select * from {source} order by {RID}".encode()).fetchall()

    # -- trying --------------------------------------------------------------------------------------------------------

    @contextmanager
    def acting(self, viewer: Viewer) -> Iterator[None]:
        """A savepoint in which the viewer's login acts for the viewer; taken back at the end."""
        execute = self.connection.execute
        execute("savepoint viewer")
        try:
            execute(f"set local session authorization {_id(self.logins[viewer.role])}")
            if viewer.text is not None:
                if viewer.stamped:
                    execute(f"select {_id(self.prefix)}.become(%s)", [viewer.text])
                else:
                    execute("select set_config(%s, %s, true)", [f"{self.prefix}.viewer", viewer.text])
            yield
        finally:
            execute("rollback to savepoint viewer")

    def observe(self, compiled: Compiled, stored: Stored, viewer: Viewer) -> dict[str, Outcome]:
        """What the viewer sees and may change, by table."""
        execute = self.connection.execute
        with self.acting(viewer):
            tries = ", ".join(f"probe.try_{table}() as {table}" for table in compiled.resources)
            found = execute(f"select {tries}").fetchone()
            for leaf in leaves(self.variant):
                if "event" in compiled.resources and execute(f"select 1 from {leaf}".encode()).fetchone():
                    raise AssertionError(f"a partition shows rows by itself: {leaf}")
        return {table: _outcome(frozenset(row[RID] for row in stored.rows[table]), found[table]) for table in found}


def _outcome(everything: frozenset[int], answer: dict[str, Any]) -> Outcome:
    return Outcome(
        read=frozenset(answer["read"]),
        share=frozenset(answer["share"]),
        update=None if answer["update"] is None else frozenset(answer["update"]),
        single={int(rid): count for rid, count in (answer["single"] or {}).items()},
        delete=everything - frozenset(answer["left"]),
        insert=frozenset(answer["insert"]),
        change={int(rid): count for rid, count in answer["change"].items()},
    )


@dataclass
class Stored:
    """Rows as the database returns them."""

    rows: dict[str, list[dict[str, Any]]]
    new: dict[str, list[dict[str, Any]]]
    changed: dict[str, list[dict[str, Any]]]
    now: datetime
    grants: tuple[Grant, ...] = ()


class Expectation:
    """What the meaning says of one rule file and one state of the data."""

    def __init__(self, laboratory: Laboratory, compiled: Compiled, stored: Stored) -> None:
        variant = laboratory.variant
        data = {variant.table(name): rows for name, rows in stored.rows.items()}
        self.meaning = Meaning(
            compiled.rules,
            laboratory.catalog,
            data,
            stored.now,
            support=compiled.support,
            grants=stored.grants,
        )
        self.compiled = compiled
        self.stored = stored
        self.logins = laboratory.logins

    def session(self, viewer: Viewer) -> Session:
        """The session as the meaning knows it."""
        return Session(viewer.text if viewer.stamped else NOBODY, self.logins[viewer.role])

    def outcome(self, viewer: Viewer, table: str) -> Outcome:
        """What trying has to come to."""
        session, name = self.session(viewer), self.compiled.resources[table]
        rows = {row[RID]: row for row in self.stored.rows[table]}

        def seen(action: Action) -> frozenset[int]:
            return frozenset(row[RID] for row in self.meaning.visible(session, name, action))

        touch = seen(Action.UPDATE)
        marked = {
            rid: self.meaning.decide(session, name, Action.UPDATE, row=rows[rid], new={**rows[rid], MARK: 1})
            for rid in touch
        }
        change = {}
        for new in self.stored.changed[table]:
            rid = new[RID]
            allowed = rid in touch and self.meaning.decide(session, name, Action.UPDATE, row=rows[rid], new=new)
            change[rid] = (1 if allowed else -1) if rid in touch else 0
        whole = all(marked.values())
        return Outcome(
            read=seen(Action.READ),
            share=touch,
            update=touch if whole else None,
            single={} if whole else {rid: (1 if marked[rid] else -1) if rid in touch else 0 for rid in rows},
            delete=seen(Action.DELETE),
            insert=frozenset(
                new[RID] for new in self.stored.new[table] if self.meaning.decide(session, name, Action.INSERT, new=new)
            ),
            change=change,
        )

    def opened(self, viewer: Viewer, table: str, read: frozenset[int]) -> int:
        """How many of these rows the viewer reads by a support grant alone."""
        if not self.stored.grants:
            return 0
        return sum(
            all(name.startswith("support grant") for name in self.granted_by(viewer, table, rid)) for rid in read
        )

    def granted_by(self, viewer: Viewer, table: str, rid: int) -> tuple[str, ...]:
        """What lets the viewer read a row, as the meaning says."""
        row = next((row for row in self.stored.rows[table] if row[RID] == rid), None)
        if row is None:
            return ()
        return self.meaning.granted_by(self.session(viewer), self.compiled.resources[table], Action.READ, row)


def differences(viewer: Viewer, table: str, seen: Outcome, expected: Outcome) -> Iterator[Mismatch]:
    """Every kind of try that came out differently."""
    for what in ("read", "share", "update", "single", "delete", "insert", "change"):
        here, there = getattr(seen, what), getattr(expected, what)
        if here != there:
            yield Mismatch(viewer, table, what, _shown(here), _shown(there))


def _shown(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else value


def _id(*parts: str) -> str:
    return sql.Identifier(*parts).as_string(None)
