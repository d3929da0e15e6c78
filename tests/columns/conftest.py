"""A small office whose pack restricts columns; applied once for a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fix_database import FreshDatabase
from tests.verify.conftest import Site, deploy

DESK = Path(__file__).resolve().parent / "desk"


@pytest.fixture(scope="module")
def desk(server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        with database.connect() as connection:
            connection.execute((DESK / "schema.sql").read_bytes())
        yield deploy(database, DESK, tmp_path_factory.mktemp("desk"), "desk", ("web",))
    finally:
        database.drop()
