"""Fixtures of the whole suite. Tests run on a real PostgreSQL, given by PGERASE_TEST_DSN or started for the run."""

from __future__ import annotations

pytest_plugins = ("tests.fix_server", "tests.fix_database", "tests.fix_data")
