"""A help desk whose staff may look at a person's data, under `identity: token`; deployed once for a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgerase.database import Database
from pgerase.operate import add_key
from pgerase.tokens import SigningKey, sign_token
from tests.fix_database import FreshDatabase
from tests.verify.conftest import Site, deploy

DESK = Path(__file__).resolve().parent / "desk"
ADMIN, ANN, ABE, LEA, LOU = 1, 10, 11, 20, 21
"""A super admin, two agents, two leads."""
DEVELOPER, FOUNDER, SALES = 30, 31, 32
CARA, DAN, EVE = 100, 101, 102
"""Customers: Cara and Eve allow support access, Dan does not."""
BO, BEN, LIV, LARS, NORA = 2, 12, 22, 23, 200
"""Another tenant's: a super admin, an agent, two leads, and a customer who allows support access."""

SEEN = """
    select array(select id from help.person order by 1), array(select id from help.task order by 1),
        array(select id from help.message order by 1), array(select id from help.diary order by 1),
        array(select person_id || '/' || number from help.parcel order by 1), array(select task_id from help.step order by 1)
"""
NOTHING_OF_OTHERS: list[list[Any]] = [[], [], [], [], [], []]


class Desk(Site):
    """The deployment, with the key that tokens are signed with."""

    key: SigningKey

    def sql(self, text: str) -> bytes:
        """P stands for the prefix."""
        return text.replace("P.", f"{self.prefix}.").replace("P_", f"{self.prefix}_").encode()

    def present(self, connection: psycopg.Connection, number: int) -> None:
        """Say for whom the open transaction runs."""
        self.become(connection, sign_token(self.key, str(number)))

    @contextmanager
    def acting(self, number: int | None) -> Iterator[psycopg.Connection]:
        """A transaction of the application's login for a person; committed."""
        with psycopg.connect(self.database.dsn(self.roles["web"])) as connection:
            if number is not None:
                self.present(connection, number)
            yield connection

    def run(self, number: int | None, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of one statement in a transaction of its own."""
        with self.acting(number) as connection:
            found = connection.execute(self.sql(statement), values)
            return found.fetchall() if found.description else []

    def value(self, number: int | None, statement: str, *values: object) -> Any:
        """The one value of a statement."""
        return self.run(number, statement, *values)[0][0]

    def refused(self, number: int | None, statement: str, *values: object) -> str:
        """The SQLSTATE that a statement is refused with; empty where it is not."""
        try:
            self.run(number, statement, *values)
        except psycopg.Error as error:
            return error.sqlstate or "?"
        return ""

    def open(self, holder: int, person: int, *, kind: str = "open_support", until: str = "1 hour") -> int:
        """Open support access, and commit."""
        return self.value(
            holder, f"select P.{kind}('person', %s, 'asked for help', 'T-1', now() + %s::interval)", str(person), until
        )

    def seen(self, number: int) -> list[list[Any]]:
        """What a person sees: people, tasks, messages, diaries, parcels, steps."""
        return list(self.run(number, SEEN)[0])

    def expire(self, grant: int) -> None:
        """Let a grant's window be over."""
        self.admin(
            "update {P}_internal.support_grant set opened_at = opened_at - interval '1 day', until = now() - interval '1 second',"
            f" review_due = now() - interval '1 second' + review_within where grant_id = {grant}"
        )

    def entries(self, grant: int) -> list[tuple[str, str, str]]:
        """What the log has of a grant: action, actor, whether the login is the application's."""
        with psycopg.connect(self.database.admin_dsn) as admin:
            found = admin.execute(
                self.sql("select action, actor, login from P_log.entry where grant_id = %s order by entry_id"), [grant]
            ).fetchall()
        return [(action, actor, "web" if login == self.roles["web"] else login) for action, actor, login in found]


@pytest.fixture(scope="module")
def desk(server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        with database.connect() as connection:
            connection.execute((DESK / "schema.sql").read_bytes())
        site = deploy(database, DESK, tmp_path_factory.mktemp("desk"), "help", ("web",))
        made = Desk(database, site.folder, site.roles)
        made.accepted = site.accepted
        with Database.open(database.dsn()) as connection:
            made.key = add_key(connection, database.prefix, tmp_path_factory.mktemp("key") / "key.json")
        yield made
    finally:
        database.drop()
