"""Carries a plan out: locks, one transaction, the ledger. Whatever fails, or whoever kills it, nothing is left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pgerase.apply.ledger import read_state
from pgerase.apply.locks import DEADLOCK, LOCK_NOT_AVAILABLE, Busy, Patience, blocked, take_locks
from pgerase.counts import counted
from pgerase.database import Database
from pgerase.errors import DatabaseFailed, Refused, StalePlan
from pgerase.plan.fingerprint import fingerprint
from pgerase.plan.model import Applied, Change, Plan
from pgerase.plan.script import Piece, body

Watch = Callable[[Piece], None]
"""Called before each piece of the script is run: for progress, and for tests that kill it there."""


def apply_plan(
    database: Database,
    plan: Plan,
    *,
    allow_drop: bool = False,
    patience: Patience | None = None,
    watch: Watch | None = None,
) -> Applied:
    """Do what the plan says, all of it or nothing.

    Raises Refused where the plan carries refusals, drops without `allow_drop`, or cannot get its locks in time; StalePlan where the
    database is no longer what the plan was made from; DatabaseFailed where PostgreSQL refuses a statement.
    """
    refuse(plan, allow_drop=allow_drop)
    counts = Counter(step.change for step in plan.steps)
    run = 0
    if plan.pending or plan.rules is not None:
        run = _until_locked(database, plan, patience or Patience(), watch or _unwatched)
    return Applied(
        run=run,
        sha256=plan.sha256,
        created=counts[Change.CREATE],
        altered=counts[Change.ALTER],
        dropped=counts[Change.DROP],
        same=counts[Change.SAME],
        notes=plan.said,
    )


def stand_in_the_way(findings: int) -> str:
    """So many findings, in a sentence."""
    return f"{counted(findings, 'finding')} {'stands' if findings == 1 else 'stand'} in the way"


def refuse(plan: Plan, *, allow_drop: bool) -> None:
    """Raise Refused where a plan may not be carried out."""
    if plan.refusals:
        raise Refused(
            f"{stand_in_the_way(len(plan.refusals))}; nothing was changed",
            plan.refusals,
            hint="Settle each of them in the rule files or the database, then plan again.",
        )
    if plan.destructive and not allow_drop:
        first = ", ".join(str(step.key) for step in plan.destructive[:5])
        raise Refused(
            f"the plan drops {counted(len(plan.destructive), 'object')}: {first}{', …' if len(plan.destructive) > 5 else ''}",
            hint="Look at the plan's `-` lines; then give --allow-drop.",
        )


def _until_locked(database: Database, plan: Plan, patience: Patience, watch: Watch) -> int:
    for _ in patience.attempts():
        try:
            with database.transaction(isolation="read committed"):
                take_locks(database, plan)
                _refuse_stale(database, plan)
                return _run(database, plan, watch)
        except Busy:
            continue
        except DatabaseFailed as error:
            # Tables that views read are not locked first: waiting for them ends with the setting lock_timeout.
            if error.sqlstate not in {LOCK_NOT_AVAILABLE, DEADLOCK}:
                raise
    raise blocked(database, plan, patience.seconds)


def _unwatched(_: Piece) -> None:
    """Nobody looks."""


def _refuse_stale(database: Database, plan: Plan) -> None:
    """Under all locks, nothing the plan relied on can change any more: compare it now."""
    catalog, ledger = read_state(database, plan.prefix)
    if catalog.database != plan.database:
        raise StalePlan(f"the plan is for the database {plan.database}, this is {catalog.database}")
    if catalog.server_version // 10000 != plan.server_version // 10000:
        raise StalePlan(f"the plan is for PostgreSQL {plan.server_version // 10000}", hint="Plan again.")
    if fingerprint(catalog, ledger, plan.prefix, plan.relied_on) != plan.fingerprint:
        raise StalePlan(
            "the database changed after this plan was made; nothing was done",
            hint="Plan again and look at what is different.",
        )


def _run(database: Database, plan: Plan, watch: Watch) -> int:
    for piece in body(plan):
        watch(piece)
        database.run(piece.sql, what=piece.what)
    watch(Piece("commit", "commit;"))
    return int(read_state(database, plan.prefix)[1].last_run)
