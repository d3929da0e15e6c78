"""The real databases of `shared/data`: loaded once per session into a template, and cloned for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fix_database import FreshDatabase
from tests.fix_server import IN_CI

_CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `shared` beside the checkout, or PGERASE_SHARED; in CI its absence ends the run."""
    given = os.environ.get("PGERASE_SHARED", "")
    path = Path(given) if given else _CHECKOUT.parent / "shared"
    if not (path / "data").is_dir():
        message = f"{path / 'data'} is missing: the real databases cannot be loaded"
        if IN_CI or given:
            pytest.exit(message, returncode=3)
        pytest.skip(message)
    return path


def _template(server: str, prefix: str, script: Path) -> FreshDatabase:
    template = FreshDatabase(server, prefix, "template0")
    template.create()
    # As its owner, so that everything in it is owned by a role without special rights, as in a real application.
    with template.connect() as connection:
        connection.execute(script.read_bytes())
    template.close()
    return template


@pytest.fixture(scope="session")
def chinook_template(server: str, unique_prefix: Callable[[], str], shared: Path) -> Iterator[FreshDatabase]:
    template = _template(server, unique_prefix(), shared / "data" / "chinook.sql")
    yield template
    template.drop()


@pytest.fixture(scope="session")
def pagila_template(server: str, unique_prefix: Callable[[], str], shared: Path) -> Iterator[FreshDatabase]:
    template = _template(server, unique_prefix(), shared / "data" / "pagila.sql")
    yield template
    template.drop()


@pytest.fixture
def chinook(databases: Callable[..., FreshDatabase], chinook_template: FreshDatabase) -> FreshDatabase:
    """A copy of Chinook, in schema public, owned by this database's owner."""
    database = databases(chinook_template.name)
    database.adopt(chinook_template.owner)
    return database


@pytest.fixture
def pagila(databases: Callable[..., FreshDatabase], pagila_template: FreshDatabase) -> FreshDatabase:
    """A copy of Pagila, in schema public, owned by this database's owner."""
    database = databases(pagila_template.name)
    database.adopt(pagila_template.owner)
    return database
