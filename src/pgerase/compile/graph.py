"""Order and circles among things that need each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def in_dependency_order(needs: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Names so that each comes after those it needs; otherwise in the given order. Circles must be refused before."""
    done: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in done or name not in needs:
            return
        for other in sorted(needs[name]):
            visit(other)
        done[name] = None

    for name in needs:
        visit(name)
    return tuple(done)


def find_circle(needs: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """One circle as a path that ends where it begins, or empty where there is none."""
    finished: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> tuple[str, ...]:
        if name in trail:
            return (*trail[trail.index(name) :], name)
        if name in finished or name not in needs:
            return ()
        for other in sorted(needs[name]):
            circle = visit(other, (*trail, name))
            if circle:
                return circle
        finished.add(name)
        return ()

    for name in needs:
        circle = visit(name, ())
        if circle:
            return circle
    return ()
