"""Running an application's statements on behalf of one person: `become` in a transaction, for psycopg connections.

It only says who the viewer is. What the viewer may see is decided in the database.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any, TypeAlias, overload
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.rows import tuple_row

from pgerase.errors import UsageError

Key: TypeAlias = str | int | UUID


@overload
def as_viewer(
    connection: psycopg.Connection[Any], key: Key, *, prefix: str = "pgerase"
) -> AbstractContextManager[None]: ...


@overload
def as_viewer(
    connection: psycopg.AsyncConnection[Any], key: Key, *, prefix: str = "pgerase"
) -> AbstractAsyncContextManager[None]: ...


def as_viewer(
    connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any], key: Key, *, prefix: str = "pgerase"
) -> AbstractContextManager[None] | AbstractAsyncContextManager[None]:
    """Run what is in the block as the viewer with this key, in a transaction of its own or a savepoint of the open one.

    The identity ends with the block: with the transaction, or by giving the enclosing block's identity back. An exception
    rolls back. Use `with` for a connection and `async with` for an asynchronous one::

        with pgerase.as_viewer(connection, 42):
            connection.execute("select …")

    The key travels as a bind parameter. Raises UsageError for an empty key, and on entry for a connection that is busy, in
    a failed transaction, in a pipeline or closed; psycopg's errors otherwise.
    """
    text = _text(key)
    if isinstance(connection, psycopg.AsyncConnection):
        return _async_viewer(connection, text, prefix)
    return _sync_viewer(connection, text, prefix)


@contextmanager
def _sync_viewer(connection: psycopg.Connection[Any], key: str, prefix: str) -> Generator[None]:
    nested = _is_nested(connection)
    with connection.transaction():
        before = None
        if nested:
            before = connection.cursor(row_factory=tuple_row).execute(_PRESENTED, [_setting(prefix)]).fetchone()
        connection.execute(_become(prefix), [key])
        yield
        if before is not None:
            connection.execute(_RESTORE, [_setting(prefix), before[0]])


@asynccontextmanager
async def _async_viewer(connection: psycopg.AsyncConnection[Any], key: str, prefix: str) -> AsyncGenerator[None]:
    nested = _is_nested(connection)
    async with connection.transaction():
        before = None
        if nested:
            cursor = connection.cursor(row_factory=tuple_row)
            before = await (await cursor.execute(_PRESENTED, [_setting(prefix)])).fetchone()
        await connection.execute(_become(prefix), [key])
        yield
        if before is not None:
            await connection.execute(_RESTORE, [_setting(prefix), before[0]])


# The raw value with its stamp, so that giving it back makes the enclosing block's identity valid again.
_PRESENTED = "select coalesce(pg_catalog.current_setting(%s, true), '')"
_RESTORE = "select pg_catalog.set_config(%s, %s, true)"


def _become(prefix: str) -> sql.Composed:
    return sql.SQL("select {}(%s)").format(sql.Identifier(prefix, "become"))


def _setting(prefix: str) -> str:
    return f"{prefix}.viewer"


def _text(key: Key) -> str:
    if isinstance(key, bool) or not isinstance(key, (str, int, UUID)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"a viewer's key is text, a whole number or a UUID, not {type(key).__name__}")
    text = str(key)
    if not text:
        raise UsageError("an empty viewer's key", hint="without a viewer, do not use as_viewer at all")
    return text


def _is_nested(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> bool:
    """Whether a transaction is open already. Raises UsageError for a connection that cannot run a statement now."""
    if connection.pgconn.pipeline_status != PipelineStatus.OFF:
        raise UsageError(
            "as_viewer cannot begin inside a pipeline: whether a transaction is open is not known there",
            hint="open the pipeline inside the as_viewer block",
        )
    match connection.info.transaction_status:
        case TransactionStatus.IDLE:
            return False
        case TransactionStatus.INTRANS:
            return True
        case TransactionStatus.INERROR:
            raise UsageError("the connection is in a failed transaction", hint="roll it back first")
        case TransactionStatus.ACTIVE:
            raise UsageError("the connection is busy with another statement", hint="finish or close it first")
        case _:
            raise UsageError("the connection is closed", hint="open a new one")
