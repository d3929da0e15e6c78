"""Fixtures of the catalog and of what is judged from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.catalog.world import World
from tests.fix_database import FreshDatabase


@pytest.fixture(scope="module")
def application(server: str, unique_prefix: Callable[[], str]) -> Iterator[FreshDatabase]:
    """A database with the small application in it, made once for a module."""
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        World.make(database)
        yield database
    finally:
        database.drop()


@pytest.fixture
def world(application: FreshDatabase) -> Iterator[World]:
    """The small application, nothing installed; whatever a test does to it, roles included, is rolled back."""
    with application.connect_admin() as connection, connection.transaction(force_rollback=True):
        yield World(application, connection)


@pytest.fixture
def governed_world(world: World) -> World:
    """The small application with row security as pgerase leaves it."""
    world.install()
    return world
