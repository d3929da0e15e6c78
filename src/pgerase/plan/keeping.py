"""How long entries of the log are kept, before a plan and after it, in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pgerase.compile.desired import DesiredLogClass
from pgerase.counts import counted

_ISO = re.compile(r"P(\d+)M(\d+)D(?:T(\d+)S)?")
_PART = re.compile(r"(\d+) (year|mon|day)s?")
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d)")
_DAYS = {"year": 365.2425, "month": 365.2425 / 12, "day": 1.0, "hour": 1 / 24, "minute": 1 / 1440, "second": 1 / 86400}


def change_of(wanted: DesiredLogClass, state: Mapping[str, object]) -> str:
    """What becomes different in a class that is there, for the plan's line; empty where nothing does that is told."""
    before, after = _parts(str(state["keep"])), _parts(wanted.keep)
    said = [f"kept {_words(after)}, until now {_words(before)}"] if after != before else []
    if wanted.period != state["partition"]:
        said.append(f"partitions by {wanted.period}, until now by {state['partition']}")
    return "; ".join(said)


def shortened(wanted: DesiredLogClass, state: Mapping[str, object]) -> str | None:
    """A sentence for whoever decides, where entries that are there will go earlier than until now."""
    before, after = _parts(str(state["keep"])), _parts(wanted.keep)
    if _days(after) >= _days(before):
        return None
    return (
        f"Entries of the class {wanted.name} are kept {_words(after)} instead of {_words(before)}: the next run of retention"
        " drops what is older, and nobody can bring it back."
    )


def _parts(keep: str) -> dict[str, int]:
    """Years, months and so on of an interval, as rules are compiled to (ISO 8601) or as PostgreSQL writes it."""
    if iso := _ISO.fullmatch(keep):
        months, days, seconds = (int(part or 0) for part in iso.groups())
    else:
        found = {unit: int(number) for number, unit in _PART.findall(keep)}
        months, days = found.get("year", 0) * 12 + found.get("mon", 0), found.get("day", 0)
        clock = _CLOCK.search(keep)
        seconds = int(clock[1]) * 3600 + int(clock[2]) * 60 + int(clock[3]) if clock else 0
    parts = {
        "year": months // 12,
        "month": months % 12,
        "day": days,
        "hour": seconds // 3600,
        "minute": seconds // 60 % 60,
        "second": seconds % 60,
    }
    return {unit: number for unit, number in parts.items() if number}


def _words(parts: Mapping[str, int]) -> str:
    return " ".join(counted(number, unit) for unit, number in parts.items())


def _days(parts: Mapping[str, int]) -> float:
    return sum(number * _DAYS[unit] for unit, number in parts.items())
