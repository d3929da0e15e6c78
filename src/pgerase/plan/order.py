"""Which of our objects use which, told from how the server spells them: under an empty search_path every use is qualified."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

from pgerase.plan.objects import Key, Kind, canonical
from pgerase.render.fragments import quote_identifier

_HANGERS_ON = {Kind.TRIGGER: 0, Kind.POLICY: 1}
"""Nothing depends on these: they go first."""


@cache
def _spelling(key: Key) -> re.Pattern[str]:
    name = f"{quote_identifier(key.parts[0])}.{quote_identifier(key.parts[1])}"
    # States are JSON: a quoted name stands in them with its quotation marks escaped.
    return re.compile(rf"(?<![\w$\"]){re.escape(canonical(name)[1:-1])}(?![\w$\"])")


def mentions(state: str, key: Key) -> bool:
    """Whether an object's state names the view or function `key`. May err on the side of yes, inside a string constant."""
    return _spelling(key).search(state) is not None


def dependents_first(keys: Iterable[Key], live: Mapping[Key, str]) -> list[Key]:
    """The keys in an order in which they can be dropped: triggers, policies, then views and functions after their users."""
    given = list(dict.fromkeys(keys))
    first = sorted((key for key in given if key.kind in _HANGERS_ON), key=lambda key: _HANGERS_ON[key.kind])
    movable = [key for key in given if key.kind in {Kind.VIEW, Kind.FUNCTION}]
    last = [key for key in given if key.kind not in {*_HANGERS_ON, Kind.VIEW, Kind.FUNCTION}]
    users = {
        key: {other for other in movable if other != key and mentions(live.get(other, ""), key)} for key in movable
    }
    ordered: list[Key] = []
    waiting = list(movable)
    while waiting:
        # A circle cannot be: views cannot form one. Text that only looks like a use could; then the given order stands.
        ready = next((key for key in waiting if not users[key] & set(waiting)), waiting[0])
        ordered.append(ready)
        waiting.remove(ready)
    return [*first, *ordered, *last]
