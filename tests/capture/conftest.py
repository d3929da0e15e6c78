"""A small clinic whose tables are captured, applied by its owner, who is no superuser, and used by a login for its staff."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from pgerase.database import Database
from pgerase.operate import add_key
from pgerase.tokens import SigningKey, sign_token
from tests.fix_database import FreshDatabase
from tests.real.deployment import Deployment, copy_pack

CLINIC = Path(__file__).resolve().parent / "clinic"
GRANTED = """
grant usage on schema app to "{web}";
grant select, insert, update, delete, truncate on all tables in schema app to "{web}";
insert into app.staff values (1, null, 'east', true), (2, 1, 'west', true), (3, null, 'nowhere', false);
"""


class Clinic(Deployment):
    """A clinic. `admin` sees everything and is bound by nothing; what it writes is captured all the same."""

    key: SigningKey

    def __init__(self, database: FreshDatabase, folder: Path, source: Path = CLINIC) -> None:
        self.web = database.role("web")
        pack = copy_pack(source, folder, prefix=database.prefix, roles={"web": self.web}, app="clinic")
        super().__init__(database, pack, {"web": self.web})
        self.owner = database.connect()
        self.owner.execute((CLINIC / "schema.sql").read_bytes())
        self.owner.execute(GRANTED.format(web=self.web).encode())
        self.admin = database.connect_admin()

    def connect(self) -> psycopg.Connection:
        """The application's login."""
        return self.database.connect(self.web)

    def sign(self, viewer: int) -> str:
        """A token for somebody of the staff."""
        return sign_token(self.key, str(viewer))

    def run(self, *statements: str) -> list[dict]:
        """Run statements in a transaction of their own, as the superuser; the entries that came of it."""
        with self.admin.transaction():
            for statement in statements:
                self.admin.execute(statement.encode())
            return self.entries()

    def entries(
        self, where: str = "xact = pg_current_xact_id()", connection: psycopg.Connection | None = None
    ) -> list[dict]:
        """Entries with the values apart, in the order of their numbers; of the open transaction unless said otherwise."""
        cursor = (connection or self.admin).cursor(row_factory=dict_row)
        found = cursor.execute(
            f"""
            select relation, action, actor, login, role, request, purpose, key, old, new, parts, class,
                array(
                    select array[part::text, subject, person, old::text, new::text]
                    from {self.prefix}_log.value as value
                    where value.entry_id = entry.entry_id and value.class = entry.class and value.at = entry.at
                    order by part
                ) as apart
            from {self.prefix}_log.entry as entry
            where {where}
            order by entry_id
            """.encode()
        ).fetchall()
        for one in found:
            assert one["parts"] == len(one["apart"])
        return found


def short(entries: list[dict]) -> list[tuple]:
    """What was done to which row: action, key, old and new."""
    return [(one["action"], one["key"], one["old"], one["new"]) for one in entries]


def deployed(database: FreshDatabase, folder: Path, source: Path = CLINIC) -> Clinic:
    """A clinic with its pack applied and a signing key."""
    made = Clinic(database, folder / "pack", source)
    made.apply()
    with Database.open(database.dsn()) as opened:
        made.key = add_key(opened, database.prefix, folder / "key.json")
    return made


@pytest.fixture(scope="module")
def clinic(server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """One clinic for a module."""
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        yield deployed(database, tmp_path_factory.mktemp("clinic"))
    finally:
        database.drop()
