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


def components(needs: Mapping[str, Iterable[str]]) -> tuple[tuple[str, ...], ...]:
    """Names in groups that need one another in a circle (mostly groups of one), each group after those it needs.

    Strongly connected components (R. Tarjan, Depth-first search and linear graph algorithms, 1972).
    """
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    trail: list[str] = []
    groups: list[tuple[str, ...]] = []

    def visit(name: str) -> None:
        number[name] = lowest[name] = len(number)
        trail.append(name)
        for other in sorted(needs[name]):
            if other not in needs:
                continue
            if other not in number:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in trail:
                lowest[name] = min(lowest[name], number[other])
        if lowest[name] == number[name]:
            place = trail.index(name)
            groups.append(tuple(sorted(trail[place:])))
            del trail[place:]

    for name in needs:
        if name not in number:
            visit(name)
    return tuple(groups)
