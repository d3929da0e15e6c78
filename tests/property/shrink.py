"""Makes a failing case small: takes away whatever is not needed for it to fail, as long as there is time."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.property.draw_data import Data
from tests.property.laboratory import Viewer


@dataclass
class Case:
    """What a failure needs."""

    spec: dict[str, Any]
    data: Data
    viewer: Viewer


def shrink(case: Case, fails: Callable[[Case], bool], seconds: float) -> Case:
    """The smallest case found that still fails."""
    until = time.monotonic() + seconds
    changed = True
    while changed and time.monotonic() < until:
        changed = False
        for smaller in _smaller(case):
            if time.monotonic() > until:
                break
            if fails(smaller):
                case, changed = smaller, True
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    """Every case with one thing less, the largest things first."""
    for rows in ("rows", "new", "changed"):
        for table, found in getattr(case.data, rows).items():
            for half in _halves(len(found)):
                data = copy.copy(case.data)
                setattr(data, rows, {**getattr(case.data, rows), table: [found[index] for index in half]})
                yield Case(case.spec, data, case.viewer)
    for half in _halves(len(case.data.grants)):
        data = copy.copy(case.data)
        data.grants = [case.data.grants[index] for index in half]
        yield Case(case.spec, data, case.viewer)
    for spec in sorted(_less(case.spec), key=_size):
        yield Case(spec, case.data, case.viewer)
    for table, found in case.data.rows.items():
        for number, row in enumerate(found):
            for column, value in row.items():
                if value is not None and column not in ("rid", "id", "a", "b", "part", "status"):
                    data = copy.copy(case.data)
                    data.rows = {
                        **case.data.rows,
                        table: [*found[:number], {**row, column: None}, *found[number + 1 :]],
                    }
                    yield Case(case.spec, data, case.viewer)


def _halves(size: int) -> Iterator[list[int]]:
    everything = list(range(size))
    if size > 2:
        yield []
        yield everything[: size // 2]
        yield everything[size // 2 :]
    for index in everything:
        yield everything[:index] + everything[index + 1 :]


def _size(node: Any) -> int:
    return len(str(node))


_NEEDED = {"version", "table", "key", "identity", "everyone", "can", "name", "from", "value", "logic"}


def _less(node: Any) -> Iterator[Any]:
    """The same with one part less; a combinator may give way to one of its terms."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key not in _NEEDED:
                yield {other: kept for other, kept in node.items() if other != key}
            yield from _simpler(key, value, node)
            for smaller in _less(value):
                yield {**node, key: smaller}
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield node[:index] + node[index + 1 :]
            for smaller in _less(item):
                yield [*node[:index], smaller, *node[index + 1 :]]


def _simpler(key: str, value: Any, node: dict[str, Any]) -> Iterator[Any]:
    """What may stand for the whole mapping, going by one of its keys."""
    if key in ("all", "any") and len(node) == 1:
        yield from value
    elif key == "not" and isinstance(value, dict):
        yield value
    elif key == "terms":
        yield from value.values()
    elif key == "everyone" and value in ("read", "write"):
        yield {**node, key: "none"}
    elif key == "can" and isinstance(value, list) and value != ["read"]:
        yield {**node, key: ["read"]}
