"""Which of our objects use which, told from how the server spells them: under an empty search_path every use is qualified."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from pgerase.plan.model import decoded
from pgerase.plan.objects import Key, Kind

_HANGERS_ON = {Kind.TRIGGER: 0, Kind.POLICY: 1}
"""Nothing depends on these: they go first."""

_PART = r'("(?:[^"]|"")+"|[^\W\d][\w$]*)'
_QUALIFIED = re.compile(rf"{_PART}\.(?={_PART})")
"""Two names around a dot; of a.b.c both pairs, so that columns of qualified tables do not hide the table."""


def qualified_names(text: str) -> set[tuple[str, str]]:
    """Every pair of names around a dot in SQL text, unquoted. Pairs inside string constants are found as well."""
    return {(_plain(schema), _plain(name)) for schema, name in _QUALIFIED.findall(text)}


def _plain(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part


class Uses:
    """Which names every live object mentions, looked at once each."""

    def __init__(self, live: Mapping[Key, str]) -> None:
        self._live = live
        self._names: dict[Key, set[tuple[str, str]]] = {}

    def mention(self, user: Key, used: Key) -> bool:
        """Whether an object names a view or function (or table). May err on the side of yes, inside a string constant."""
        if user not in self._names:
            state = self._live.get(user)
            self._names[user] = set() if state is None else qualified_names(_text(decoded(state)))
        return (used.parts[0], used.parts[1]) in self._names[user]


def _text(value: object) -> str:
    """Every string in a state, apart from its comment."""
    match value:
        case str():
            return value
        case dict():
            items = cast(dict[str, Any], value)
            return "\n".join(_text(item) for name, item in items.items() if name != "comment")
        case list():
            return "\n".join(_text(item) for item in cast(list[Any], value))
        case _:
            return ""


def dependents_first(keys: Iterable[Key], uses: Uses) -> list[Key]:
    """The keys in an order in which they can be dropped: triggers, policies, then views and functions after their users."""
    given = list(dict.fromkeys(keys))
    first = sorted((key for key in given if key.kind in _HANGERS_ON), key=lambda key: _HANGERS_ON[key.kind])
    movable = [key for key in given if key.kind in {Kind.VIEW, Kind.FUNCTION}]
    last = [key for key in given if key.kind not in {*_HANGERS_ON, Kind.VIEW, Kind.FUNCTION}]
    users = {key: {other for other in movable if other != key and uses.mention(other, key)} for key in movable}
    ordered: list[Key] = []
    waiting = dict.fromkeys(movable)
    while waiting:
        # A circle cannot be: views cannot form one. Text that only looks like a use could; then the given order stands.
        ready = next((key for key in waiting if not users[key] & waiting.keys()), next(iter(waiting)))
        ordered.append(ready)
        del waiting[ready]
    return [*first, *ordered, *last]
