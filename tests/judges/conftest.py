"""The ward of `ward/`, applied once for a module: tokens, members, hand_over, masks, guards, partitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from pgerase.database import Database
from pgerase.operate import add_key
from pgerase.tokens import SigningKey, sign_token
from tests.fix_database import FreshDatabase
from tests.real.conftest import customer_success, customer_success_template, deployments  # noqa: F401 - fixtures
from tests.verify.conftest import Site, deploy

WARD = Path(__file__).resolve().parent / "ward"


class Ward(Site):
    """A deployment of `ward/`. `key` is what its tokens are signed with."""

    key: SigningKey
    server: str

    def become(self, connection: psycopg.Connection, viewer: str | None) -> None:
        super().become(connection, viewer and sign_token(self.key, viewer))


@pytest.fixture(scope="module")
def ward(server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        with database.connect() as connection:
            connection.execute((WARD / "schema.sql").read_bytes())
        site = deploy(database, WARD, tmp_path_factory.mktemp("ward"), "ward", ("web", "visitor"))
        made = Ward(database, site.folder, site.roles)
        made.accepted, made.server = site.accepted, server
        with Database.open(database.dsn()) as connection:
            made.key = add_key(connection, database.prefix, tmp_path_factory.mktemp("key") / "key.json")
        yield made
    finally:
        database.drop()
