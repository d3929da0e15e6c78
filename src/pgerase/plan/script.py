"""A plan as one script: what `apply` runs piece by piece is what `render` writes into files. Pure.

One transaction. Locks first, then what goes, then what comes, then the ledger, which keeps each object as the server spells it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pgerase.catalog.model import Name
from pgerase.plan.model import Plan, Step
from pgerase.render.environment import render
from pgerase.render.fragments import Expr
from pgerase.render.live import live_objects

LOCK_TIMEOUT = "5s"
"""How long a statement may wait for a lock that the first statement did not take (a view's tables)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some statements of the script, and what they are for."""

    what: str
    sql: str


def settings() -> Piece:
    """The settings under which the server spells expressions the same for everybody."""
    return Piece("settings", render("plan/settings", lock_timeout=LOCK_TIMEOUT))


def advisory_lock(prefix: str, *, wait: bool) -> Piece:
    """The locks of everything that changes what is enforced in a database, and of install: two never interleave.

    With `wait` it waits for them, else its single value says whether it got them.
    """
    template = "plan/advisory_lock" if wait else "plan/try_advisory_lock"
    return Piece("advisory lock", render(template, install=f"pgerase install {prefix}"))


def table_locks(tables: tuple[Name, ...]) -> Piece | None:
    """One statement that locks every table or none, without waiting."""
    return Piece("table locks", render("plan/lock_tables", tables=tables)) if tables else None


def body(plan: Plan) -> Iterator[Piece]:
    """Everything between the locks and the commit.

    The run is recorded first: where another run came between, that statement fails, and nothing has been done yet.
    """
    internal = f"{plan.prefix}_internal"
    run, ledger = Name(internal, "apply_run"), Name(internal, "applied_object")
    yield Piece(
        "record of the run",
        render(
            "plan/record_run",
            run=run,
            last_run=plan.last_run,
            pack=plan.pack,
            plan_sha256=plan.sha256,
            action=plan.action.value,
        ),
    )
    owners = plan.owners
    if owners:
        with_option = plan.server_version >= 160000
        yield Piece("private roles taken", render("plan/become_owners", roles=owners, with_option=with_option))
    yield from _changes(plan)
    if owners:
        yield Piece("private roles released", render("plan/release_owners", roles=owners))
    yield from _records(plan, run, ledger)
    if plan.rules is not None:
        kept = Name(internal, "applied_rules")
        if plan.rules:
            yield Piece("rules in force", render("plan/record_rules", ledger=kept, run=run, rules=plan.rules))
        else:
            yield Piece("rules in force", render("plan/forget_rules", ledger=kept))


def _changes(plan: Plan) -> Iterator[Piece]:
    going = sorted((step for step in plan.pending if step.before), key=lambda step: step.rank)
    work = [(step, step.before, step.before_as) for step in going]
    work += [(step, step.statements, step.run_as) for step in plan.pending if step.statements]
    current: str | None = None
    for step, statements, role in work:
        if role != current:
            yield Piece(f"become {role or 'oneself'}", _become(role))
            current = role
        for statement in statements:
            yield Piece(str(step.key), statement)
    if current is not None:
        yield Piece("become oneself", _become(None))


def _become(role: str | None) -> str:
    return render("plan/set_role", role=role) if role else render("plan/reset_role")


def _records(plan: Plan, run: Name, ledger: Name) -> Iterator[Piece]:
    gone = [_row(step) for step in plan.pending if not step.record]
    if gone:
        yield Piece("ledger", render("plan/forget_objects", ledger=ledger, objects=gone))
    made = [_row(step) for step in plan.pending if step.record]
    if made:
        live = Expr(live_objects(plan.prefix).rstrip("\n"))
        yield Piece("ledger", render("plan/record_objects", ledger=ledger, run=run, objects=made, live=live))


def _row(step: Step) -> dict[str, Any]:
    return {
        "kind": step.key.kind.value,
        "identity": step.key.identity,
        "parts": step.key.parts,
        "source_sha256": step.source_sha256,
        "before": step.undo,
    }
