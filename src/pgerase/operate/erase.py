"""Erasing in batches: each is one transaction, and the ledger says who is left.

Client, session and server may be killed at any moment: a batch that was not committed is pending as before, and the next run
goes on with it. Only people who fail alone are set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pgerase.errors import DatabaseFailed, UsageError
from pgerase.operate.batches import Batches, Verdict
from pgerase.operate.model import Count, DryRun, Erasure, Failure, Held, Progress, Violation
from pgerase.operate.register import Register
from pgerase.operate.requests import open_request, read_request

DEFAULT_BATCH = 100
LARGEST_BATCH = 10_000

Watch = Callable[[Progress], None]
"""Called at the beginning and after every batch."""


def dry_run(
    register: Register, number: int, *, batch: int = LARGEST_BATCH, again: bool = True, progress: Watch | None = None
) -> DryRun:
    """Count what erasing the pending people of a request would do, and keep the counts for comparing when it is done.

    They are counted together, as far as `batch` goes: what an earlier one takes away is not counted for a later one, who will
    not find it, in whichever batches they are erased.
    Nothing but the ledger changes. Without `again`, those counted before are not counted anew. Whoever cannot be counted is
    set aside as failed. Raises Refused where the request is not open, the eraser is not blind, or user code is not
    acknowledged; UsageError; DatabaseFailed.
    """
    with register.answering():
        _plan(register, number, Batches(_checked(batch)), again=again, progress=progress or _unwatched)
        return DryRun(
            read_request(register, number),
            _counts(register, "planned", number),
            _failures(register, number),
            tuple(Violation(**row) for row in register.rows("violations", number=number)),
            _held(register, number, "pending"),
        )


def rehearse(
    register: Register,
    subject: str,
    keys: Sequence[str],
    *,
    batch: int = LARGEST_BATCH,
    missing_too: bool = False,
    progress: Watch | None = None,
) -> DryRun:
    """What a dry run of a request about these people would say, with nothing kept: not even the request.

    Raises what `open_request` and `dry_run` raise.
    """
    _checked(batch)
    with register.answering(), register.database.transaction(isolation="repeatable read", undo=True):
        request = open_request(register, subject, keys, missing_too=missing_too)
        return dry_run(register, request.number, batch=batch, progress=progress)


def erase(register: Register, number: int, *, batch: int = DEFAULT_BATCH, progress: Watch | None = None) -> Erasure:
    """Erase the pending people of a request, in batches of at most `batch`; returns what all runs for it did together.

    A batch that fails is halved; whoever fails alone is set aside with the SQLSTATE, and the rest goes on. Where there is a
    plan, everybody's counts have to be those of the plan. People whom another session is erasing are waited for. Raises
    Refused where the request is not open, the eraser is not blind, or user code is not acknowledged; UsageError;
    DatabaseFailed where the connection is lost or the server cannot go on. Calling it again resumes.
    """
    if register.database.in_transaction:
        raise UsageError("every batch is a transaction of its own, and one is open already")
    with register.answering():
        _erase(register, number, Batches(_checked(batch)), progress or _unwatched)
        return Erasure(
            read_request(register, number),
            _counts(register, "done", number),
            _failures(register, number),
            _held(register, number, "failed"),
        )


def _plan(register: Register, number: int, batches: Batches, *, again: bool, progress: Watch) -> None:
    database = register.database
    total = read_request(register, number).pending
    done = failed = 0
    after = ""
    progress(Progress(done, failed, total))
    while True:
        # One snapshot for what is counted and for whom it says were erased before.
        isolation = "" if database.in_transaction else "repeatable read"
        keys: list[str] = []
        try:
            with register.discreet(), database.transaction(isolation=isolation):
                rows = register.rows("pending", number=number, after=after, again=again, size=batches.size)
                keys = [row["key"] for row in rows]
                if keys:
                    register.call("plan_people", number, keys)
        except DatabaseFailed as error:
            if not _goes_on(register, number, batches, keys, error):
                continue
            failed += 1
        else:
            if not keys:
                return
            batches.succeeded()
            done += len(keys)
        after = keys[-1]
        progress(Progress(done, failed, total))


def _erase(register: Register, number: int, batches: Batches, progress: Watch) -> None:
    database = register.database
    total = read_request(register, number).pending
    done = failed = 0
    wait = False
    progress(Progress(done, failed, total))
    while True:
        keys: list[str] = []
        try:
            with register.discreet(), database.transaction(isolation="read committed"):
                keys = register.call("take_people", number, batches.size, wait)[0]["take_people"]
                if keys:
                    register.call("erase_people", number, keys)
        except DatabaseFailed as error:
            if _goes_on(register, number, batches, keys, error):
                failed += 1
                progress(Progress(done, failed, total))
            continue
        if keys:
            batches.succeeded()
            done += len(keys)
            progress(Progress(done, failed, total))
            wait = False
        elif read_request(register, number).pending:
            # Another session has them. Should it fail, they are ours.
            wait = True
        else:
            return


def _goes_on(register: Register, number: int, batches: Batches, keys: Sequence[str], error: DatabaseFailed) -> bool:
    """After a batch failed: true where its one person was set aside, false where it is to be tried again. Else raises."""
    if not keys or register.is_lost(error):
        raise error
    match batches.failed(error, len(keys)):
        case Verdict.AGAIN:
            return False
        case Verdict.FAILED:
            register.call("fail_person", number, keys[0], error.sqlstate, error.relation, error.constraint)
            return True
        case Verdict.STOP:
            raise error


def _counts(register: Register, file: str, number: int) -> tuple[Count, ...]:
    return tuple(Count(**row) for row in register.rows(file, number=number))


def _failures(register: Register, number: int) -> tuple[Failure, ...]:
    return tuple(Failure(**row) for row in register.rows("failures", number=number))


def _held(register: Register, number: int, state: str) -> tuple[Held, ...]:
    return tuple(
        Held(row["key"], tuple(row["references"]), row["since"])
        for row in register.rows("held_people", number=number, state=state)
    )


def _checked(batch: int) -> int:
    if not 1 <= batch <= LARGEST_BATCH:
        raise UsageError(f"a batch is between 1 and {LARGEST_BATCH} people")
    return batch


def _unwatched(_: Progress) -> None:
    """Nobody looks."""
