"""Small packs, each put on a database of its own once a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fix_database import FreshDatabase
from tests.verify.conftest import Site, deploy

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def office(server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The office of `office/`, applied as its owner."""
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        with database.connect() as connection:
            connection.execute((HERE / "office" / "schema.sql").read_bytes())
        yield deploy(database, HERE / "office", tmp_path_factory.mktemp("office"), "office", ("web",))
    finally:
        database.drop()
