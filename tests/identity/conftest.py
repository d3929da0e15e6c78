"""The same small application under every way of identifying people: `notes`, deployed once a module for each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from pgerase.database import Database
from pgerase.install import Names, install
from pgerase.operate import add_key, list_keys
from pgerase.rules.read import read_pack
from pgerase.tokens import SigningKey, sign_token
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
    key: SigningKey
    """What tokens are signed with, in the deployment `token`."""

    def connect(self, role: str = "web") -> psycopg.Connection:
        return self.database.connect(self.roles[role])

    def sql(self, text: str) -> bytes:
        """P stands for the prefix."""
        return text.replace("P.", f"{self.prefix}.").replace("P_", f"{self.prefix}_").encode()

    def present(self, connection: psycopg.Connection, number: int) -> None:
        match self.kind:
            case "claims":
                self.set_local(connection, "request.jwt.claims", json.dumps({CLAIM: person(number), "role": "x"}))
            case "token":
                self.become(connection, sign_token(self.key, person(number)))
            case _:
                self.become(connection, person(number))

    def repair(self) -> None:
        """Make functions that a test has altered again."""
        pack = read_pack(self.folder)
        with Database.open(self.database.dsn()) as database:
            install(database, self.prefix, identity=pack.identity, claim=pack.claim)

    @property
    def names(self) -> Names:
        return Names(self.prefix)

    @contextmanager
    def keeper(self) -> Iterator[psycopg.Connection]:
        """A transaction with the rights of the role that keeps the keys; rolled back."""
        with psycopg.connect(self.database.admin_dsn) as connection:
            set_role(connection, self.names.secret)
            yield connection
            connection.rollback()

    def keys(self) -> list[tuple[str, str]]:
        """The ids and states of all signing keys, the newest first."""
        with Database.open(self.database.dsn()) as database:
            return [(known.key_id, known.state.value) for known in list_keys(database, self.prefix)]

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
def deployed() -> Iterator[dict[str, Notes]]:
    """The deployments made so far, by kind; dropped at the end."""
    made: dict[str, Notes] = {}
    yield made
    for notes in made.values():
        notes.database.drop()


@pytest.fixture(autouse=True)
def connections_end(deployed: dict[str, Notes]) -> Iterator[None]:
    """A test's connections end with it, though the databases stay."""
    yield
    for notes in deployed.values():
        notes.database.close()


@pytest.fixture(scope="session")
def deploy_notes(
    server: str,
    unique_prefix: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
    deployed: dict[str, Notes],
) -> Callable[[str, str], Notes]:
    """`deploy_notes(kind, identity)`: a database with `notes` governed under `identity:`, once for all tests of a kind."""
    made = deployed

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
            with Database.open(database.dsn()) as connection:
                made[kind].key = add_key(connection, database.prefix, tmp_path_factory.mktemp("key") / "key.json")
        return made[kind]

    return make


@pytest.fixture
def setting(deploy_notes) -> Notes:
    return deploy_notes("setting", "setting")


@pytest.fixture
def claims(deploy_notes) -> Notes:
    return deploy_notes("claims", f"{{claims: {CLAIM}}}")


@pytest.fixture
def token(deploy_notes) -> Notes:
    return deploy_notes("token", "token")


@pytest.fixture(params=["setting", "claims", "token"])
def notes(request: pytest.FixtureRequest) -> Notes:
    """Every way in which an application says who the viewer is."""
    return request.getfixturevalue(request.param)


def set_role(connection: psycopg.Connection, role: str) -> None:
    """As PostgREST does: for the length of the transaction."""
    connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
