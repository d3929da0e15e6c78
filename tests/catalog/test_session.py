from __future__ import annotations

import pytest

from pgerase.catalog.session import stable_deparse
from pgerase.database import Database
from pgerase.errors import InternalError
from tests.fix_database import FreshDatabase

EXPRESSION = "select pg_catalog.pg_get_viewdef('public.v'::regclass) as text"


def test_deparse_is_the_same_in_every_session(database: FreshDatabase) -> None:
    database.connect().execute(
        "create table public.t (at timestamptz); create view public.v as select at > '2020-06-01 00:00:00+00' as later from public.t"
    )
    seen: set[str] = set()
    for settings in ("", "set search_path = public; set timezone = 'Asia/Kathmandu'; set datestyle = 'German'"):
        with Database.open(database.dsn()) as connection:
            if settings:
                connection.run(settings)
            with connection.transaction(), stable_deparse(connection):
                seen.add(connection.value(EXPRESSION))
    assert len(seen) == 1
    assert "FROM public.t" in seen.pop()


def test_outside_a_transaction_it_is_refused(database: FreshDatabase) -> None:
    with (
        Database.open(database.dsn()) as connection,
        pytest.raises(InternalError, match="open transaction"),
        stable_deparse(connection),
    ):
        pass
