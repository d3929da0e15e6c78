"""Takes every lock of an apply at once or none, without making anybody wait; names who is in the way."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pgerase.catalog.model import Name
from pgerase.database import Database
from pgerase.errors import DatabaseFailed, Refused
from pgerase.plan.model import Plan
from pgerase.plan.script import advisory_lock, settings, table_locks

LOCK_NOT_AVAILABLE = "55P03"
DEADLOCK = "40P01"

# Not the text of the query: it may hold personal data.
_BLOCKERS = """
select l.pid,
       coalesce(a.usename, '(unknown)') as login,
       coalesce(a.state, '(not shown to this role)') as state,
       coalesce(pg_catalog.to_char(a.query_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC', '') as since,
       coalesce(n.nspname || '.' || c.relname, 'another apply or install') as what
  from pg_catalog.pg_locks as l
  left join pg_catalog.pg_stat_activity as a on a.pid = l.pid
  left join pg_catalog.pg_class as c on c.oid = l.relation
  left join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
 where l.granted
   and l.pid <> pg_catalog.pg_backend_pid()
   and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
   and (
        (l.locktype = 'relation' and l.relation = any (
            select t.oid
              from rows from (pg_catalog.unnest(%(schemas)s::text[]), pg_catalog.unnest(%(tables)s::text[])) as u (schema, name)
              join pg_catalog.pg_namespace as s on s.nspname = u.schema
              join pg_catalog.pg_class as t on t.relnamespace = s.oid and t.relname = u.name))
        or (l.locktype = 'advisory' and (l.classid::bigint << 32 | l.objid::bigint) in (
            pg_catalog.hashtextextended('pgerase apply', 0), pg_catalog.hashtextextended(%(install)s, 0)))
   )
 order by l.pid, what
"""


class Busy(Exception):
    """A lock is held by somebody else; the transaction has to be given up."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try, and how: `pause` waits that many seconds. Attempts follow each other at growing, random distances."""

    seconds: float = 30.0
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def attempts(self) -> Iterable[int]:
        """Numbers of attempts, with pauses in between; ends when the time is over."""
        end = self.clock() + self.seconds
        longest = 0.1
        number = 0
        while True:
            number += 1
            yield number
            left = end - self.clock()
            if left <= 0:
                return
            # Random, so that two who block each other do not go on doing so in step.
            self.pause(min(left, random.uniform(longest / 2, longest)))  # noqa: S311 - no secret
            longest = min(longest * 2, 5.0)


def take_locks(database: Database, plan: Plan) -> None:
    """Inside a fresh transaction: settings, advisory locks, table locks. Raises Busy where one is not free, at once."""
    database.run(settings().sql)
    if not database.value(advisory_lock(plan.prefix, wait=False).sql):
        raise Busy
    locks = table_locks(plan.locked)
    if locks is None:
        return
    try:
        database.run(locks.sql, what=locks.what)
    except DatabaseFailed as error:
        if error.sqlstate == LOCK_NOT_AVAILABLE:
            raise Busy from error
        raise


def _all(tables: int) -> str:
    return "the table" if tables == 1 else f"all {tables} tables"


def blocked(database: Database, plan: Plan, waited: float) -> Refused:
    """The refusal that names who holds what, outside any transaction."""
    holders = blockers(database, plan.locked, plan.prefix)
    who = "; ".join(holders) or "nobody any more"
    return Refused(
        f"could not lock {_all(len(plan.locked))} within {waited:g} s; in the way: {who}",
        hint="Nothing was changed and nobody was made to wait. Wait for these sessions or end them, then try again.",
    )


def blockers(database: Database, tables: Iterable[Name], prefix: str) -> list[str]:
    """Who holds locks on these tables, or the advisory ones: pid, login, state and since when."""
    names = list(tables)
    rows = database.rows(
        _BLOCKERS,
        {
            "schemas": [name.schema for name in names],
            "tables": [name.name for name in names],
            "install": f"pgerase install {prefix}",
        },
    )
    sessions: dict[str, list[str]] = {}
    for row in rows:
        since = f" since {row['since']}" if row["since"] else ""
        sessions.setdefault(f"pid {row['pid']}, user {row['login']}, {row['state']}{since}", []).append(row["what"])
    return [f"{session} ({', '.join(_few(sorted(set(what))))})" for session, what in sessions.items()]


def _few(names: list[str], most: int = 3) -> list[str]:
    return names if len(names) <= most else [*names[:most], f"{len(names) - most} more"]
