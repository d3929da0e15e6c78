"""Lets the server spell expressions the same way whatever the session's settings."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from pgerase.catalog.settings import STABLE
from pgerase.database import Database
from pgerase.errors import InternalError

_GET = "select s.name, pg_catalog.current_setting(s.name) as value from pg_catalog.unnest(%s::pg_catalog.text[]) as s (name)"
_SET = (
    "select pg_catalog.set_config(s.name, s.value, true)"
    " from rows from (pg_catalog.unnest(%s::pg_catalog.text[]), pg_catalog.unnest(%s::pg_catalog.text[])) as s (name, value)"
)


@contextmanager
def stable_deparse(database: Database) -> Generator[None]:
    """Inside the open transaction, let the server deparse expressions fully qualified and free of the session's settings.

    Expressions read in two such blocks can be compared as text. The transaction's settings are put back at the end; after an
    exception they stay until the transaction ends, which a failed one has to anyhow. Raises InternalError outside a
    transaction, DatabaseFailed if the server refuses.
    """
    if not database.in_transaction:
        raise InternalError("stable_deparse needs an open transaction")
    names = list(STABLE)
    before = {row["name"]: row["value"] for row in database.rows(_GET, [names])}
    database.rows(_SET, [names, list(STABLE.values())])
    yield
    database.rows(_SET, [names, [before[name] for name in names]])
