"""Fixtures of the catalog and of what is judged from it."""

from __future__ import annotations

import pytest

from tests.catalog.world import World
from tests.fix_database import FreshDatabase


@pytest.fixture
def world(database: FreshDatabase) -> World:
    """The small application, nothing installed."""
    return World(database)


@pytest.fixture
def governed_world(world: World) -> World:
    """The small application with row security as pgerase leaves it."""
    world.install()
    return world
