"""How many of what, in English: `1 entry`, `2 entries`. Every count that people read is written by this."""

from __future__ import annotations

_IRREGULAR = {"person": "people", "leaf": "leaves"}
_SIBILANTS = ("s", "x", "ch", "sh")
_VOWELS = "aeiou"


def counted(count: int, what: str) -> str:
    """`count` of `what`, a singular whose last word is the noun: `1 held entry`, `3 held entries`."""
    return f"{count} {plural(count, what)}"


def plural(count: int, what: str) -> str:
    """The singular for one, the plural for any other number, and for none."""
    if count == 1:
        return what
    before, space, noun = what.rpartition(" ")
    return before + space + _plural(noun)


def _plural(noun: str) -> str:
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if noun.endswith("y") and noun[-2:-1] not in _VOWELS:
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(_SIBILANTS) else f"{noun}s"
