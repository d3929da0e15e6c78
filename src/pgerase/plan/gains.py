"""Who gains or loses rows, as people read it below the steps of a plan. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pgerase.compare.model import Compared, Side, Verdict
from pgerase.counts import counted
from pgerase.plan.files import one_line


def gains_lines(compared: Sequence[Compared]) -> list[str]:
    """A line for each table and what its actions have in common; what stays as it is in one line. Empty for no comparison."""
    if not compared:
        return []
    same = sum(one.verdict is Verdict.SAME for one in compared)
    lines = ["who gains or loses rows:"]
    for what in dict.fromkeys(one.what for one in compared):
        found: dict[str, list[str]] = {}
        for one in compared:
            if one.what == what and one.verdict is not Verdict.SAME:
                found.setdefault(_said(one), []).append(one.action.value)
        lines += [one_line(f"  {what}, {_actions(actions)}: {said}") for said, actions in found.items()]
    if same:
        lines.append(
            f"  {'the rest' if same < len(compared) else 'everything'}: the same for everyone, proven ({same} of {len(compared)})"
        )
    return lines


def _actions(actions: Sequence[str]) -> str:
    return "every action" if len(actions) == 4 else ", ".join(actions)


def _said(one: Compared) -> str:
    return f"{one.verdict.value}: {'; '.join(_sides(one))}"


def _sides(one: Compared) -> Iterator[str]:
    for side, does in ((one.gains, "gain"), (one.losses, "lose")):
        yield _side(side, does)


def _side(side: Side, does: str) -> str:
    if side.answer is False:
        return f"nobody {does}s (proven)"
    if side.answer:
        return f"somebody {does}s ({side.seen} of {counted(side.looked, 'pair')} of viewer and row looked at)"
    return f"whether anybody {does}s is unknown ({side.why})"
