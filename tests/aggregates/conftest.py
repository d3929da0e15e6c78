"""A small bureau whose analysts see aggregates and no rows; applied once for a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fix_database import FreshDatabase
from tests.verify.conftest import Site, deploy

BUREAU = Path(__file__).resolve().parent / "bureau"


@pytest.fixture(scope="module")
def bureau(server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        with database.connect() as connection:
            connection.execute((BUREAU / "schema.sql").read_bytes())
        yield deploy(database, BUREAU, tmp_path_factory.mktemp("bureau"), "bureau", ("web",))
    finally:
        database.drop()
