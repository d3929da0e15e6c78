"""A small application with people, and a way to ask for proof about one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pgerase.database import Database
from pgerase.prove import Needle, Place, PlaceKind, ProofReport, Verdict, prove
from pgerase.rules.pack import Pack
from pgerase.rules.read import read_pack
from tests.fix_database import FreshDatabase

DATA_MAP = """\
version: 1
subjects:
  employee:
    table: app.person
    key: id
    identifiers:
      email: email
      user_name: user_name
      full_name: [first_name, last_name]
      phones: "app.phone(person_id).number"
    ghost: {id: 0}
    lifecycle: {column: status, active: ACTIVE, inactive: INACTIVE, erased: ERASED}
tables:
  app.person:
    subject: employee
    rows: keep
    columns:
      email: {kind: email, purpose: sign-in, erase: {fill: "erased+{token}@erased.invalid"}}
"""

SCHEMA = """
create schema app;
create table app.person (
    id bigint primary key,
    email text,
    user_name text,
    first_name text,
    last_name text,
    status text not null default 'ACTIVE'
);
create table app.phone (person_id bigint references app.person, number text);
create table app.note (id bigint generated always as identity, author bigint, body text, at timestamptz default now());
insert into app.person values
    (0, null, 'ghost', 'Deleted', 'user', 'ACTIVE'),
    (1, 'erased+x@erased.invalid', 'erased_x', 'Deleted', 'person', 'ERASED'),
    (2, 'bob@example.org', 'bob', 'Bob', 'Miller', 'ACTIVE'),
    (3, 'mary.anna@example.org', 'mary', 'Mary', 'Smith', 'ACTIVE');
insert into app.note (author, body) values (2, 'nothing to see'), (3, 'about a cannon');
"""

ANNA = (
    ("email", "Anna.Smith@Example.org"),
    ("user_name", "asmith7"),
    ("full_name", "Anna  Smith"),
    ("phones", "+49 171 1234567"),
)


def write_pack(folder: Path, data_map: str = DATA_MAP, prefix: str = "pgerase") -> Pack:
    (folder / "data_map.yaml").write_text(data_map)
    (folder / "pack.yaml").write_text(f"version: 1\nname: test\nprefix: {prefix}\n")
    return read_pack(folder)


@pytest.fixture
def pack(tmp_path: Path, database: FreshDatabase) -> Pack:
    return write_pack(tmp_path, prefix=database.prefix)


@pytest.fixture
def app(database: FreshDatabase) -> FreshDatabase:
    """The application's database; the owner is no superuser."""
    database.connect().execute(SCHEMA)
    return database


Prove = Callable[..., ProofReport]


@pytest.fixture
def search(app: FreshDatabase, pack: Pack) -> Prove:
    """`search(("email", "…"), …)`: what the proof says about person 1."""

    def run(
        *identifiers: tuple[str, str], user: str | None = None, admin: bool = False, person: str = "1"
    ) -> ProofReport:
        needles = [Needle(person, name, value) for name, value in identifiers or ANNA]
        with Database.open(app.admin_dsn if admin else app.dsn(user)) as connection:
            return prove(connection, pack, "employee", needles)

    return run


def place(report: ProofReport, relation: str, column: str, kind: PlaceKind = PlaceKind.ROWS) -> Place:
    (found,) = [one for one in report.places if (one.kind, one.relation, one.column) == (kind, relation, column)]
    return found


def loud(report: ProofReport) -> dict[str, Verdict]:
    """Everything that is not clean, by name."""
    quiet = {Verdict.CLEAN, Verdict.NOTHING}
    return {f"{one.relation}.{one.column}": one.verdict for one in report.places if one.verdict not in quiet}
