"""The same small application under every way of identifying people: `notes`, deployed once a module for each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.fix_database import FreshDatabase
from tests.verify.conftest import Site, deploy

NOTES = Path(__file__).resolve().parent / "notes"
CLAIM = "user_id"
"""The claim that names the viewer in the deployment `claims`; another than the default, as nothing else may depend on that."""


def person(number: int) -> str:
    """The key of a person."""
    return f"00000000-0000-0000-0000-{number:012}"


def own(number: int) -> set[int]:
    """The notes of a person alone, by hand: ten, sixty apart."""
    return {i for i in range(1, 601) if 1 + i % 60 == number}


PUBLIC = {100, 200, 300, 400, 500, 600, 601}


class Notes(Site):
    """A deployment of `notes`. `present` says who the viewer is, in the way of its kind, in the open transaction."""

    kind = ""
    claim = CLAIM

    def connect(self, role: str = "web") -> psycopg.Connection:
        return self.database.connect(self.roles[role])

    def sql(self, text: str) -> bytes:
        """P stands for the prefix."""
        return text.replace("P.", f"{self.prefix}.").encode()

    def present(self, connection: psycopg.Connection, number: int) -> None:
        match self.kind:
            case "claims":
                self.set_local(connection, "request.jwt.claims", json.dumps({CLAIM: person(number), "role": "x"}))
            case _:
                self.become(connection, person(number))

    @contextmanager
    def viewer(self, connection: psycopg.Connection, number: int | None) -> Iterator[None]:
        """A transaction for one person, or for nobody."""
        with connection.transaction():
            if number is not None:
                self.present(connection, number)
            yield

    def set_local(self, connection: psycopg.Connection, setting: str, value: str, *, local: bool = True) -> None:
        connection.execute("select set_config(%s, %s, %s)", [setting, value, local])

    def seen(self, connection: psycopg.Connection) -> set[int]:
        """The notes that are shown."""
        return {row[0] for row in connection.execute("select id from notes.note")}

    def who(self, connection: psycopg.Connection) -> str | None:
        """The viewer's key, as policies are told."""
        return connection.execute(self.sql("select P.current_viewer()")).fetchone()[0]


@pytest.fixture(scope="session")
def deploy_notes(
    server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str, str], Notes]]:
    """`deploy_notes(kind, identity)`: a database with `notes` governed under `identity:`, once for all tests of a kind."""
    made: dict[str, Notes] = {}

    def make(kind: str, identity: str) -> Notes:
        if kind not in made:
            database = FreshDatabase(server, unique_prefix(), "template0")
            database.create()
            folder = tmp_path_factory.mktemp("notes")
            for file in NOTES.glob("*.yaml"):
                (folder / file.name).write_text(file.read_text().replace("identity: setting", f"identity: {identity}"))
            with database.connect() as owner:
                owner.execute((NOTES / "schema.sql").read_bytes())
            site = deploy(database, folder, tmp_path_factory.mktemp("pack"), "notes", ("web", "anon", "authenticator"))
            made[kind] = Notes(database, site.folder, site.roles)
            made[kind].accepted = site.accepted
            made[kind].kind = kind
        return made[kind]

    yield make
    for notes in made.values():
        notes.database.drop()


@pytest.fixture
def setting(deploy_notes) -> Notes:
    return deploy_notes("setting", "setting")


@pytest.fixture
def claims(deploy_notes) -> Notes:
    return deploy_notes("claims", f"{{claims: {CLAIM}}}")


@pytest.fixture(params=["setting", "claims"])
def notes(request: pytest.FixtureRequest) -> Notes:
    """Every way in which an application says who the viewer is."""
    return request.getfixturevalue(request.param)


def set_role(connection: psycopg.Connection, role: str) -> None:
    """As PostgREST does: for the length of the transaction."""
    connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
