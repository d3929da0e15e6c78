"""Fixtures of the whole suite. Tests run on a real PostgreSQL, given by PGERASE_TEST_DSN or started for the run."""

from __future__ import annotations

import gc

pytest_plugins = ("tests.fix_server", "tests.fix_database", "tests.fix_data")


def pytest_collection_finish() -> None:
    """Look for cyclic garbage seldom, and never among what the modules hold: that took a quarter of the workers' time."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
