"""Running an application's statements on behalf of one person: `become` in a transaction, for psycopg connections.

It only says who the viewer is. What the viewer may see is decided in the database.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, overload

import psycopg
from psycopg import sql
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.rows import tuple_row

from pgerase.errors import UsageError
from pgerase.tokens import Key, viewer_text

_CLAIMS = "request.jwt.claims"


@overload
def as_viewer(
    connection: psycopg.Connection[Any],
    key: Key | None = None,
    *,
    token: str | None = None,
    claims: Mapping[str, Any] | None = None,
    request: str | None = None,
    purpose: str | None = None,
    prefix: str = "pgerase",
) -> AbstractContextManager[None]: ...


@overload
def as_viewer(
    connection: psycopg.AsyncConnection[Any],
    key: Key | None = None,
    *,
    token: str | None = None,
    claims: Mapping[str, Any] | None = None,
    request: str | None = None,
    purpose: str | None = None,
    prefix: str = "pgerase",
) -> AbstractAsyncContextManager[None]: ...


def as_viewer(
    connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any],
    key: Key | None = None,
    *,
    token: str | None = None,
    claims: Mapping[str, Any] | None = None,
    request: str | None = None,
    purpose: str | None = None,
    prefix: str = "pgerase",
) -> AbstractContextManager[None] | AbstractAsyncContextManager[None]:
    """Run what is in the block as one viewer, in a transaction of its own or a savepoint of the open one.

    The viewer is given by `key`, by a signed `token` or by `claims`, as `viewers.identity` wants it. `request` and `purpose` are what
    the audit log notes beside the viewer: which request or job writes, and what for. All of it ends with the block: with the transaction, or by giving the enclosing block's back. An exception rolls back. Use `with` for a
    connection and `async with` for an asynchronous one::

        with pgerase.as_viewer(connection, 42):
            connection.execute("select …")

    `prefix` is that of pack.yaml, where it has one: the schema that `install` made. The viewer travels as a bind parameter. A token that is not valid is no error: the block sees nothing. Raises UsageError for an
    empty key or token or none at all, and on entry for a connection that is busy, in a failed transaction, in a pipeline
    or closed; psycopg's errors otherwise.
    """
    if sum(given is not None for given in (key, token, claims)) != 1:
        raise UsageError("as_viewer takes one of key, token and claims")
    if claims is not None:
        presented = [_Presented(sql.SQL(_SET), (_CLAIMS, json.dumps(dict(claims))), (_CLAIMS,))]
    else:
        if token is not None and not token:
            raise UsageError("an empty token", hint="without a viewer, do not use as_viewer at all")
        value = token if token is not None else viewer_text(key if key is not None else "")
        become = sql.SQL("select {}(%s)").format(sql.Identifier(prefix, "become"))
        presented = [_Presented(become, (value,), (f"{prefix}.viewer",))]
    if request is not None or purpose is not None:
        annotate = sql.SQL("select {}(%s, %s)").format(sql.Identifier(prefix, "annotate"))
        presented.append(_Presented(annotate, (request, purpose), (f"{prefix}.request", f"{prefix}.purpose")))
    if isinstance(connection, psycopg.AsyncConnection):
        return _async_viewer(connection, presented)
    return _sync_viewer(connection, presented)


@dataclass(frozen=True, slots=True)
class _Presented:
    """A statement that presents who or what the block is for, with its parameters, and the settings that keep it."""

    statement: sql.SQL | sql.Composed
    parameters: tuple[str | None, ...]
    settings: tuple[str, ...]


@contextmanager
def _sync_viewer(connection: psycopg.Connection[Any], presented: Sequence[_Presented]) -> Generator[None]:
    nested = _is_nested(connection)
    kept = [setting for one in presented for setting in one.settings] if nested else []
    with connection.transaction():
        before = [connection.cursor(row_factory=tuple_row).execute(_KEPT, [name]).fetchone() for name in kept]
        for one in presented:
            # Not the connection's own kind of cursor, which may write parameters into the statement.
            psycopg.Cursor(connection).execute(one.statement, one.parameters)
        yield
        for name, found in zip(kept, before, strict=True):
            connection.execute(_SET, [name, found[0] if found is not None else ""])


@asynccontextmanager
async def _async_viewer(
    connection: psycopg.AsyncConnection[Any], presented: Sequence[_Presented]
) -> AsyncGenerator[None]:
    nested = _is_nested(connection)
    kept = [setting for one in presented for setting in one.settings] if nested else []
    async with connection.transaction():
        before: list[Any] = []
        for name in kept:
            cursor = connection.cursor(row_factory=tuple_row)
            before.append(await (await cursor.execute(_KEPT, [name])).fetchone())
        for one in presented:
            await psycopg.AsyncCursor(connection).execute(one.statement, one.parameters)
        yield
        for name, found in zip(kept, before, strict=True):
            await connection.execute(_SET, [name, found[0] if found is not None else ""])


# The raw value, with its stamp where it has one, so that giving it back makes the enclosing block's identity valid again.
_KEPT = "select coalesce(pg_catalog.current_setting(%s, true), '')"
_SET = "select pg_catalog.set_config(%s, %s, true)"


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
