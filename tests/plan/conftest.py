"""A small governed database: two tables, one partitioned table, roles, and a desired state written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import psycopg
import pytest

from pgerase.apply.execute import apply_plan
from pgerase.apply.ledger import read_state
from pgerase.apply.locks import Patience
from pgerase.catalog.model import Name
from pgerase.compile.desired import (
    Desired,
    DesiredFunction,
    DesiredGrant,
    DesiredMembership,
    DesiredObject,
    DesiredPolicy,
    DesiredRoleSetting,
    DesiredRowSecurity,
    DesiredTrigger,
    DesiredView,
)
from pgerase.database import Database
from pgerase.errors import Position
from pgerase.install import install
from pgerase.plan.build import make_plan
from pgerase.plan.model import Applied, Plan
from pgerase.plan.revert import make_revert
from pgerase.rules.names import TableName
from pgerase.rules.pack import Adoption, Existing, Mode, PackSettings

AT = Position("pack.yaml", 1, 1)

SCHEMA = """
create schema cs;
create table cs.company (id int primary key, owner_id int not null, name text not null);
create table cs.note (id int primary key, company_id int references cs.company, body text);
create table cs.payment (id int not null, company_id int, at date not null, primary key (id, at)) partition by range (at);
create table cs.payment_2025 partition of cs.payment for values from ('2025-01-01') to ('2026-01-01');
create table cs.payment_2026 partition of cs.payment for values from ('2026-01-01') to ('2027-01-01');
insert into cs.company select i, i % 3, 'company ' || i from generate_series(1, 9) as i;
insert into cs.note select i, i, 'note ' || i from generate_series(1, 9) as i;
insert into cs.payment select i, i, date '2025-06-01' + i * 60 from generate_series(1, 9) as i;
"""

COMPANY = Name("cs", "company")
NOTE = Name("cs", "note")
PAYMENT = Name("cs", "payment")
LEAVES = (Name("cs", "payment_2025"), Name("cs", "payment_2026"))


@dataclass
class Site:
    """One database with pgerase installed, and shorthands to plan and apply as its owner."""

    database: object
    prefix: str
    owner: str
    app: str
    dump: str
    adoptions: tuple[Adoption, ...] = ()
    opened: list[Database] = field(default_factory=list)

    def open(self) -> Database:
        """Another connection as the owner."""
        opened = Database.open(self.database.dsn())
        self.opened.append(opened)
        return opened

    @property
    def db(self) -> Database:
        """The first connection as the owner."""
        return self.opened[0] if self.opened else self.open()

    def admin(self, statement: str, parameters: object = None) -> list[tuple]:
        """Run something as superuser."""
        with psycopg.connect(self.database.admin_dsn, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def sql(self, statement: str) -> None:
        """Run something as the owner."""
        self.db.run(statement)

    def seen(self, statement: str, viewer: int | None = None) -> list[tuple]:
        """What the application's login gets, as a viewer or as nobody."""
        limited = "-c statement_timeout=10s"
        with (
            psycopg.connect(self.database.dsn(self.app), autocommit=True, options=limited) as connection,
            connection.transaction(),
        ):
            if viewer is not None:
                connection.execute("select set_config('cs.viewer', %s, true)", [str(viewer)])
            return connection.execute(statement).fetchall()

    def settings(self) -> PackSettings:
        return PackSettings(
            name="test", prefix=self.prefix, schemas=(), app=(self.app,), services=(), migrator=None,
            tables=self.adoptions, acknowledged=(), accepted=(), at=AT,
        )  # fmt: skip

    def adopt(self, table: Name, existing: Existing) -> None:
        entry = Adoption(TableName(table.name, table.schema), Mode.ON, existing, AT)
        self.adoptions = (*(one for one in self.adoptions if one.table != entry.table), entry)

    def plan(self, desired: Desired) -> Plan:
        return make_plan(desired, *read_state(self.db, self.prefix), self.settings())

    def apply(self, desired: Desired, **options: object) -> Applied:
        options.setdefault("allow_drop", True)
        return apply_plan(self.db, self.plan(desired), **options)

    def revert(self) -> Applied:
        plan = make_revert(*read_state(self.db, self.prefix), self.prefix, "test")
        return apply_plan(self.db, plan, allow_drop=True)

    def desired(self, *extra: DesiredObject, company: str = "", without: tuple[Name, ...] = ()) -> Desired:
        """Companies of the viewer; notes of what companies one sees through a blind view; payments likewise."""
        prefix = self.prefix
        viewer, lookup = f"{prefix}_viewer", f"{prefix}_lookup"
        mine = Name(f"{prefix}_lookup", "my_company")
        quoted = f'"{mine.schema}".{mine.name}'
        company = company or "owner_id = any (array(select nullif(current_setting('cs.viewer', true), '')::int))"
        through = f"company_id = any (array(select v.id from {quoted} as v))"

        def policy(table: Name, name: str, command: str, using: str | None, check: str | None = None, **other: object):
            mark = f"Rule {name}, access.yaml:1. [pgerase rule={name}]"
            values = {"permissive": True, "roles": (viewer,), "comment": mark, **other}
            return DesiredPolicy(
                table=table, name=f"{prefix}_{name}", command=command, using=using, check=check, **values
            )

        objects: list[DesiredObject] = [
            DesiredMembership(viewer, self.app),
            DesiredGrant("schema", "cs", "USAGE", lookup),
            DesiredGrant("table", '"cs"."company"', "SELECT", lookup),
            DesiredGrant("table", '"cs"."payment"', "SELECT", lookup),
            policy(COMPANY, "exempt_lookup", "SELECT", "true", roles=(lookup,)),
            policy(PAYMENT, "exempt_lookup", "SELECT", "true", roles=(lookup,)),
            DesiredView(
                mine, lookup,
                f"select c.id\n  from cs.company as c\n where c.{company}",
                (viewer,), "Companies of the viewer.",
            ),
            DesiredRowSecurity(COMPANY),
            policy(COMPANY, "company", "SELECT", company),
            policy(COMPANY, "company_update", "UPDATE", company, company),
            DesiredRowSecurity(NOTE),
            policy(NOTE, "note", "SELECT", through),
            policy(NOTE, "tenant", "SELECT", "body <> 'secret'", permissive=False),
            DesiredFunction(
                Name(prefix, "guard_note"), "", f"{prefix}_secret",
                f'create or replace function "{prefix}".guard_note() returns trigger language plpgsql '
                "set search_path = '' as 'begin return new; end'",
                (), "Guards notes.",
            ),
            DesiredTrigger(
                NOTE, f"{prefix}_guard_note",
                f'create trigger "{prefix}_guard_note" before update on cs.note for each row '
                f'execute function "{prefix}".guard_note()',
                "Guards notes.",
            ),
            DesiredRowSecurity(PAYMENT),
            policy(PAYMENT, "payment", "SELECT", through),
            DesiredRoleSetting(self.owner, "row_security", "off"),
        ]  # fmt: skip
        whole = (COMPANY, NOTE, PAYMENT, *LEAVES)
        objects += [policy(table, "dump", "SELECT", "true", roles=(self.dump,)) for table in whole]
        objects += [DesiredRowSecurity(leaf) for leaf in LEAVES]
        kept = [one for one in (*objects, *extra) if getattr(one, "table", None) not in without]
        governed = tuple(table for table in (COMPANY, NOTE, PAYMENT) if table not in without)
        return Desired(prefix, tuple(kept), governed, ())


def changed(desired: Desired, name: str, **values: object) -> Desired:
    """The same with some fields of one policy (named without its prefix) or view replaced."""

    def is_meant(one: DesiredObject) -> bool:
        if isinstance(one, DesiredPolicy):
            return one.name == f"{desired.prefix}_{name}"
        return isinstance(one, DesiredView) and one.name.name == name

    assert any(is_meant(one) for one in desired.objects)
    return replace(desired, objects=tuple(replace(one, **values) if is_meant(one) else one for one in desired.objects))


@pytest.fixture
def site(database) -> Iterator[Site]:
    app, dump = database.role("app"), database.role("dump")
    made = Site(database, database.prefix, database.owner, app, dump)
    made.sql(SCHEMA)
    made.sql(
        f'grant usage on schema cs to "{app}", "{dump}"; grant select on all tables in schema cs to "{app}", "{dump}"'
    )
    made.sql(f'grant update on cs.company, cs.note to "{app}"')
    install(made.db, made.prefix)
    yield made
    for opened in made.opened:
        opened.close()


@pytest.fixture
def impatient() -> Callable[[], Patience]:
    """Tries once more after every pause, without any time passing."""

    def make(attempts: int = 3) -> Patience:
        ticks = iter(range(attempts + 1))
        return Patience(seconds=attempts, pause=lambda seconds: None, clock=lambda: next(ticks))

    return make
