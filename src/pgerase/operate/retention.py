"""One run of retention: partitions are made ahead, and those whose time is over are detached and dropped.

Everything is done in steps of a transaction each, and every step can be repeated: whoever is killed leaves nothing that the next
run does not finish. What is made does not depend on what is dropped, nor the other way round. One run at a time.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import TypeVar

from pgerase.counts import counted
from pgerase.database import Database, Row, identifier
from pgerase.errors import DatabaseFailed, Refused, UsageError
from pgerase.install.borrow import lent, take_back
from pgerase.operate.log import Log
from pgerase.operate.retention_model import Fate, Outcome, Run, RunState

MOST_DROPPED = 2
"""So many partitions of a class may be dropped at once that no missed run explains."""

CONTENTION = frozenset({"55P03", "40P01", "40001", "57014"})
"""Lock not available, deadlock, serialization failure, canceled: somebody was in the way."""

_TRIES = 10
_PAUSE = 0.3
"""Seconds between two tries, at most: each is a short wait of writers, and has to stay a rare one."""
_PATIENCE = 60
"""Seconds that detaching waits for those who read the log; nobody waits for it meanwhile."""
_LOCK = "pgerase retention"
_SEALED_AT_ONCE = 100_000
_ANOTHER_SEALS = "ZE230"
_STILL_NEEDED = "2BP01"
"""dependent_objects_still_exist."""
_WHY_ANEW = "made anew and empty: if there was something in it, it is gone; `audit verify` says what of it was sealed"
_WHY_ANOTHER = "another partition is still being detached: the next run goes on"
_WHY_APART = "its tables were taken apart: who is held in it cannot be told"
_UNSEALED = "unsealed"
_WHY_UNSEALED_APART = (
    "it has entries that are not sealed, and is detached: `pgerase audit seal` seals them once it is attached again;"
    " --allow-drop drops it so"
)
_WHY_UNSEALED = "it has entries that are not sealed: `pgerase audit seal` says why; --allow-drop drops it so"

_T = TypeVar("_T")


def maintain(
    database: Database,
    prefix: str,
    *,
    now: datetime | None = None,
    make: bool = True,
    allow_drop: bool = False,
    clock_is_right: bool = False,
    patience: float = _PATIENCE,
) -> Run:
    """Make partitions ahead (with `make`), seal, and expire what is due.

    `now` None is the server's clock. `clock_is_right` trusts it however far it is from the last run; `allow_drop` drops more
    than missed runs explain, and what could not be sealed. Raises Refused where another run is under way, or the current role may
    not do it; UsageError inside a transaction; RunFailed, without values, for whatever else went wrong, after all else was done;
    DatabaseFailed where the connection was lost, or nothing was begun.
    """
    if database.in_transaction:
        raise UsageError("a run of retention makes transactions of its own, and one is open already")
    log = Log(database, prefix)
    steps: _Steps | None = None
    try:
        with _naming(log), log.discreet(), _alone(log):
            take_back(database, log.names.keeper)
            clock = now or log.now
            begun = log.call("begin_run", clock, clock_is_right)[0]
            if begun["refusal"]:
                return Run(begun["run_id"], clock, RunState.REFUSED, (), refusal=begun["refusal"])
            steps = _Steps(log, begun["run_id"], clock, allow_drop=allow_drop, patience=patience)
            return steps.run(make=make)
    except DatabaseFailed as error:
        if steps is None or steps.ended is None:
            raise
        raise RunFailed(error, steps.ended) from None


class RunFailed(DatabaseFailed):
    """Some of a run went wrong; `run` says what came of all else."""

    def __init__(self, error: DatabaseFailed, run: Run) -> None:
        super().__init__(
            error.message,
            sqlstate=error.sqlstate,
            hint=error.hint,
            relation=error.relation,
            constraint=error.constraint,
        )
        self.run = run


@contextmanager
def _alone(log: Log) -> Generator[None]:
    """Be the only run until the block ends; the lock goes with the connection too. Raises Refused where one is under way."""
    key = [f"{_LOCK} {log.names.prefix}"]
    taken = "select pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended(%s, 0))"
    if not log.database.value(taken, key):
        raise Refused("another run of retention is under way, and nothing was done", hint="wait for it to end")
    try:
        yield
    finally:
        if not log.database.closed:
            log.database.rows("select pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended(%s, 0))", key)


@contextmanager
def _naming(log: Log) -> Generator[None]:
    """Say with a failure what of others depends on the log, which may be why: no name of a table or view is anybody's value."""
    try:
        yield
    except DatabaseFailed as error:
        named = [] if log.database.closed else needed(log)
        if not named:
            raise
        raise DatabaseFailed(
            f"{error.message}; {'; '.join(named)}",
            sqlstate=error.sqlstate,
            hint="drop what depends on the log; the next run goes on. `pgerase drift` says how",
            relation=error.relation,
            constraint=error.constraint,
        ) from None


def needed(log: Log) -> list[str]:
    """What of others keeps partitions from going, a sentence each. Raises DatabaseFailed."""
    return [f"{row['name']} depends on {row['relation']}" for row in log.rows("log_needed")]


class _Steps:
    """The steps of one run, what came of them so far, and the first failure."""

    def __init__(self, log: Log, number: int, clock: datetime, *, allow_drop: bool, patience: float) -> None:
        self._log = log
        self._number = number
        self._clock = clock
        self._allow_drop = allow_drop
        self._patience = patience
        self._outcomes: list[Outcome] = []
        self._released = 0
        self._pruned = 0
        self._sealed = False
        self._waits = False
        self._finalized = False
        self._failure: DatabaseFailed | None = None
        self.ended: Run | None = None
        """The run, once it has ended, be it with a failure."""

    def run(self, *, make: bool) -> Run:
        """All of them, whichever fails; what failed is raised at the end."""
        if make:
            self._make_all()
        self._apart(self._finalize)
        # What was to be detached and is not due is missing from now on.
        if make and self._finalized:
            self._make_all()
        if self._due():
            self._apart(self._seal)
        self._apart(self._expire)
        self._apart(self._drop)
        self._apart(self._release)
        self._apart(self._prune)
        # What was dropped is recorded, and verifying asks for a record that is sealed.
        if make or Fate.DROPPED in {one.fate for one in self._outcomes}:
            self._apart(self._seal)
        return self._end()

    def _apart(self, step: Callable[..., object], *arguments: object) -> None:
        """A step, whose failure is kept for the end. Raises DatabaseFailed where the connection is lost."""
        try:
            step(*arguments)
        except DatabaseFailed as error:
            if self._log.database.closed:
                raise
            self._failure = self._failure or error

    def _classes(self) -> list[str]:
        return [
            row["class"] for row in self._log.database.rows(f"select class from {self._log.table('class')} order by 1")
        ]

    def _make_all(self) -> None:
        for name in self._classes():
            self._apart(self._make, name)

    def _make(self, name: str) -> None:
        """What is missing first, and by itself: it waits for nobody who reads, and writes fail until it is there."""
        back = self._called("fill_gaps", name)
        if back:
            for row in self._log.rows("log_attached", name=name, count=back):
                why = _WHY_ANEW if row["is_anew"] else "attached again, with all that is in it"
                self._note(replace(_outcome({**row, "class": name}, Fate.MADE, why), anew=row["is_anew"]))
        made = self._called("make_partitions", name)
        if made:
            self._note(Outcome(name, Fate.MADE, name, count=made))
        if back is None or made is None:
            self._note(Outcome(name, Fate.BUSY, name, why="the log is being read or written for long"))

    def _called(self, routine: str, name: str) -> int | None:
        """How many partitions a routine gave a class; None where somebody was in the way."""
        rows = self._again(lambda: self._log.call(routine, name, self._clock))
        return None if rows is None else rows[0][routine]

    def _again(self, attempt: Callable[[], _T]) -> _T | None:
        """What an attempt returns; None where somebody was in the way each time. Raises DatabaseFailed for anything else."""
        for number in range(_TRIES):
            if number:
                time.sleep(random.uniform(0, _PAUSE))  # noqa: S311 - spreads attempts, hides nothing
            try:
                return attempt()
            except DatabaseFailed as error:
                if error.sqlstate not in CONTENTION:
                    raise
        return None

    def _finalize(self) -> None:
        pending = [row for row in self._due() if row["is_pending"]]
        if not pending:
            return
        with self._detaching():
            for row in pending:
                self._apart(self._finish, row)

    def _finish(self, row: Row) -> None:
        self._finalized = self._detach(row, "finalize") or self._finalized

    def _seal(self) -> None:
        """Seal all there is; what is not sealed in the end is found by whoever asks."""
        try:
            while sum(row["entries"] for row in self._log.call("seal", self._clock)) >= _SEALED_AT_ONCE:
                pass
        except DatabaseFailed as error:
            if error.sqlstate != _ANOTHER_SEALS:
                raise
        self._sealed = True

    def _expire(self) -> None:
        due = self._due()
        blocked = {row["parent"] for row in due if row["is_pending"]}
        going: list[list[Row]] = []
        for name, rows in groupby((row for row in due if not row["is_pending"]), key=lambda row: row["class"]):
            groups = [list(group) for _, group in groupby(rows, key=lambda row: row["upper_bound"])]
            unexplained = sum(not group[0]["explained"] for group in groups)
            if blocked & {row["parent"] for group in groups for row in group}:
                self._each(groups, Fate.BUSY, _WHY_ANOTHER)
            elif unexplained > MOST_DROPPED and not self._allow_drop:
                why = f"{counted(unexplained, 'partition')} of {name} at once, more than missed runs explain: --allow-drop drops them"
                self._each(groups, Fate.REFUSED, why)
            else:
                going += groups
        ready = [group for group in going if self._is_ready(group)]
        if not ready:
            return
        stopped: set[str] = set()
        with self._detaching():
            for group in ready:
                parents = {row["parent"] for row in group}
                if parents & stopped:
                    self._each([group], Fate.BUSY, _WHY_ANOTHER)
                else:
                    self._apart(self._take_out, group)
                    stopped |= self._pending(parents)

    def _take_out(self, group: Sequence[Row]) -> None:
        """The first that somebody is in the way of is enough: the others of it stay with it."""
        if all(self._detach(row, "concurrently") for row in group):
            self._each([group], Fate.DETACHED)

    def _is_ready(self, group: Sequence[Row]) -> bool:
        """Whether a partition may go: it is sealed, and what is held is kept; if not, it is noted why."""
        tables = {row["family"]: row["relation"] for row in group}
        missing = sorted({"entry", "value", "leaf"} - set(tables))
        for family in missing:
            # Where single ones are detached already, that is finished; of a part, nobody knows what is in it.
            if not self._is_attached(f"{family}_{group[0]['parent'].rpartition('_')[2]}"):
                why = f"all of {family} is missing: `pgerase audit maintain` gives it back first"
                return self._hold_back(group, why)
        if "entry" in tables and not self._allow_drop:
            found = self._log.call("first_unsealed", tables["entry"])
            if found[0]["first_unsealed"] is not None:
                return self._hold_back(group, _WHY_UNSEALED)
        if not missing:
            self._log.call("keep_held", tables["entry"], tables["value"], tables["leaf"], group[0]["due_at"])
        return True

    def _hold_back(self, group: Sequence[Row], why: str) -> bool:
        self._each([group], Fate.HELD_BACK, why)
        self._waits = True
        return False

    def _is_attached(self, relation: str) -> bool:
        asked = (
            "select from pg_catalog.pg_inherits as link"
            " where link.inhrelid = pg_catalog.to_regclass(%s) and not link.inhdetachpending"
        )
        return bool(self._log.database.value(f"select exists ({asked})", [self._log.table(relation)]))

    def _pending(self, parents: Iterable[str]) -> set[str]:
        """Those of which one partition is being detached: no other one can be."""
        asked = (
            "select exists (select from pg_catalog.pg_inherits as link"
            " where link.inhparent = pg_catalog.to_regclass(%s) and link.inhdetachpending)"
        )
        return {one for one in parents if self._log.database.value(asked, [self._log.table(one)])}

    @contextmanager
    def _detaching(self) -> Generator[None]:
        """As the keeper, outside transactions. Waiting for readers takes no lock that others wait for."""
        database = self._log.database
        with lent(database, self._log.names.keeper):
            database.rows("select pg_catalog.set_config('lock_timeout', %s, false)", [f"{self._patience}s"])
            try:
                yield
            finally:
                if not database.closed:
                    database.run("reset lock_timeout")

    def _detach(self, row: Row, how: str) -> bool:
        parent, relation = self._log.table(row["parent"]), self._log.table(row["relation"])
        try:
            self._log.database.run(f"alter table {parent} detach partition {relation} {how}")
        except DatabaseFailed as error:
            if error.sqlstate not in CONTENTION:
                raise
            why = "it is being read for long: the next run goes on with detaching it"
            self._note(_outcome(row, Fate.BUSY, why))
            return False
        return True

    def _drop(self) -> None:
        dropped = self._again(self._drop_detached)
        if dropped is None:
            self._note(Outcome("detached tables", Fate.BUSY, why="somebody reads them"))
            return
        unsealed = {row["relation"] for row in dropped if row["outcome"] == _UNSEALED}
        self._waits = self._waits or bool(unsealed)
        gone = {
            row["relation"]: Fate.HELD_BACK if row["relation"] in unsealed else Fate(row["outcome"]) for row in dropped
        }
        known = {outcome.name for outcome in self._outcomes}
        self._outcomes = [
            replace(
                one, fate=gone.get(one.name, one.fate), why=_WHY_UNSEALED_APART if one.name in unsealed else one.why
            )
            for one in self._outcomes
        ]
        # One line for the tables that go together, by the first of them: somebody may have called them anything.
        for _, names in groupby(gone, key=lambda name: (_stem(name), gone[name])):
            if (name := min(names)) not in known:
                why = "it was detached before this run"
                if gone[name] is Fate.HELD_BACK:
                    why = _WHY_UNSEALED_APART if name in unsealed else _WHY_APART
                self._note(Outcome(name, gone[name], why=why))
        if Fate.NEEDED in gone.values():
            # Nobody but whoever made it can say whether it may go; all else goes on.
            self._failure = self._failure or DatabaseFailed("", sqlstate=_STILL_NEEDED)
        # The first partition, open below, follows the oldest that is left.
        if Fate.DROPPED in gone.values():
            self._make_all()

    def _drop_detached(self) -> list[Row]:
        with self._log.database.transaction():
            if self._allow_drop:
                setting = f"{self._log.names.prefix}.allow_drop"
                self._log.database.rows("select pg_catalog.set_config(%s, 'on', true)", [setting])
            return self._log.call("drop_detached", self._number, self._clock)

    def _release(self) -> None:
        self._released = self._log.call("drop_released", self._clock)[0]["drop_released"]

    def _prune(self) -> None:
        """Support grants end as their entries do."""
        routine = identifier(self._log.names.internal, "prune_support")
        self._pruned = int(self._log.database.value(f"select {routine}(%s)", [self._clock]))

    def _end(self) -> Run:
        for row in self._log.rows("log_kept"):
            name = row["class"]
            if row["early_since"] is not None:
                why = "entries dated before every partition: the clock was behind when they were written"
                self._note(Outcome(name, Fate.HELD_BACK, name, why=why))
            self._note(Outcome(name, Fate.KEPT, name, count=row["partitions"]))
        unfinished = {Fate.BUSY, Fate.REFUSED, Fate.DETACHED}
        waits = self._waits or any(one.fate in unfinished for one in self._outcomes)
        state = RunState.FAILED if self._failure else RunState.INCOMPLETE if waits else RunState.DONE
        run = Run(
            self._number, self._clock, state, tuple(self._outcomes), self._released, self._sealed, pruned=self._pruned
        )
        counts = json.dumps({fate.value: count for fate, count in run.counts.items()})
        self._log.call(
            "end_run", self._number, state.value, counts, self._failure.sqlstate or None if self._failure else None
        )
        self.ended = run
        if self._failure:
            raise self._failure
        return run

    def _due(self) -> list[Row]:
        return self._log.rows("log_expired", now=self._clock)

    def _each(self, groups: Iterable[Sequence[Row]], fate: Fate, why: str = "") -> None:
        for group in groups:
            self._note(_outcome(group[0], fate, why))

    def _note(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)


def _stem(relation: str) -> str:
    """What tables that are dropped together have in common."""
    return re.sub("^(entry|value|leaf)_", "", relation)


def _outcome(row: Row, fate: Fate, why: str) -> Outcome:
    return Outcome(row["relation"], fate, row["class"], row["lower_bound"], row["upper_bound"], why=why)
