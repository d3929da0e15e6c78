"""The small shop of tests/verify, deployed once for all tests of a module; what they change they roll back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fix_database import FreshDatabase
from tests.verify.conftest import Site, deploy

_SHOP = Path(__file__).resolve().parents[1] / "verify" / "shop"


@pytest.fixture(scope="module")
def shop(server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        with database.connect() as connection:
            connection.execute((_SHOP / "schema.sql").read_bytes())
        yield deploy(database, _SHOP, tmp_path_factory.mktemp("shop"), "shop", ("web", "visitor"))
    finally:
        database.drop()
