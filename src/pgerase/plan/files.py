"""A plan as files for people and for other tools: what apply would run, and the way back. Pure; writing is the caller's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pgerase.catalog.model import Name
from pgerase.counts import counted
from pgerase.plan.model import Change, Effect, Plan, Step
from pgerase.plan.objects import Kind
from pgerase.plan.script import Piece, advisory_lock, body, settings, table_locks


def script(plan: Plan) -> str:
    """The whole plan as one script for psql, Flyway and the like: one transaction, locks first, the ledger last.

    Comments hold names and hashes of ours only: text of rules and names of the database's objects stand in string constants and
    identifiers, where nothing in them can end a comment.
    """
    pieces: list[Piece] = [settings(), advisory_lock(plan.prefix, wait=True)]
    locks = table_locks(plan.locked)
    if locks is not None:
        pieces.append(locks)
    pieces += body(plan)
    counts = Counter(step.change for step in plan.steps)
    head = [
        f"-- pgerase {plan.action.value}: {_counted(counts)}",
        f"-- plan {plan.sha256}",
        f"-- for PostgreSQL {plan.server_version // 10000}; to be run as the role that installed pgerase",
        "-- All or nothing. It waits for no table: where one is in use it fails, and can be run again;",
        "-- where another run came between, it fails for good: render again.",
    ]
    sections = ["\n".join(head), "begin isolation level read committed;"]
    for number, piece in enumerate(pieces, start=1):
        sections.append(f"-- {number:04} {one_line(piece.what)}\n{piece.sql.rstrip()}")
    sections.append("commit;")
    return "\n\n".join(sections) + "\n"


def one_line(what: str) -> str:
    """Text on one line: names may hold line ends, and nothing after one would be a comment any more."""
    return "".join(sign if sign.isprintable() else "?" for sign in what)


def lines(plan: Plan, *, same: bool = False) -> list[str]:
    """The plan as people read it: a line a step, and a summary."""
    shown = [_line(step) for step in plan.steps if same or step.touches]
    return [*shown, summary(plan)]


def overview(plan: Plan) -> list[str]:
    """The plan in short: a line a table with what becomes of it, one for everything that hangs on no table, and a summary."""
    by_table: dict[Name | None, list[Step]] = {}
    for step in plan.pending:
        by_table.setdefault(step.key.table, []).append(step)
    named = sorted((table, steps) for table, steps in by_table.items() if table is not None)
    shown = [_short(one_line(str(table)), steps) for table, steps in named]
    if None in by_table:
        shown.append(_short("besides", by_table[None]))
    return [*shown, summary(plan)]


def _short(what: str, steps: Sequence[Step]) -> str:
    counts = Counter((step.change, step.key.kind) for step in steps)
    parts = [f"{change.mark} {_many(kind, count)}" for (change, kind), count in counts.items()]
    effects = sorted({step.effect.value for step in steps if step.effect is not Effect.NEUTRAL})
    modes = sorted({lock.mode for step in steps for lock in step.locks})
    return (
        f"{what}: {', '.join(parts)}"
        + (f" [{', '.join(effects)}]" if effects else "")
        + (f" (locks {'; '.join(modes)})" if modes else "")
    )


def _many(kind: Kind, count: int) -> str:
    """`row security`, `1 policy`, `4 policies`, `2 views`, `3 log classes`."""
    word = kind.value.replace("_", " ")
    if kind is Kind.ROW_SECURITY:
        return word
    return counted(count, word)


def summary(plan: Plan) -> str:
    """One line: how many of what, how many locks."""
    counts = Counter(step.change for step in plan.steps)
    text = _counted(counts)
    if not plan.pending:
        return "nothing is planned before that is settled" if plan.refusals else f"nothing to do: {text}"
    locked = plan.locked
    return f"{text}; locks {counted(len(locked), 'table')}; plan {plan.sha256[:12]}"


def _counted(counts: Mapping[Change, int]) -> str:
    words = (
        (Change.CREATE, "to create"),
        (Change.ALTER, "to alter"),
        (Change.DROP, "to drop"),
        (Change.SAME, "the same"),
    )
    return ", ".join(f"{counts.get(change, 0)} {word}" for change, word in words)


def _line(step: Step) -> str:
    parts = [f"{step.change.mark} {one_line(str(step.key))}"]
    if step.effect is not Effect.NEUTRAL:
        parts.append(f"[{step.effect.value}]")
    if step.locks:
        parts.append(f"(locks {_locks(step)})")
    if step.note:
        parts.append(f"– {step.note}")
    return " ".join(parts)


def _locks(step: Step) -> str:
    by_mode: dict[str, list[Name]] = {}
    for lock in step.locks:
        by_mode.setdefault(lock.mode, []).append(lock.table)
    return "; ".join(
        f"{', '.join(one_line(str(table)) for table in tables)}: {mode}" for mode, tables in by_mode.items()
    )
