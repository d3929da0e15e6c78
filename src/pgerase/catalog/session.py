"""Settings under which the server spells expressions the same way for everybody."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from pgerase.database import Database
from pgerase.errors import InternalError

_STABLE = {
    # Not empty: pg_temp would be searched first, unseen, and a temporary type named text would be spelt where text is meant.
    "search_path": "pg_catalog, pg_temp",
    "quote_all_identifiers": "off",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
}
"""All that pg_get_expr and its relatives depend on: name resolution, quoting, and the output of constants."""

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
    names = list(_STABLE)
    before = {row["name"]: row["value"] for row in database.rows(_GET, [names])}
    database.rows(_SET, [names, list(_STABLE.values())])
    yield
    database.rows(_SET, [names, [before[name] for name in names]])
