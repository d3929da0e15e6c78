"""Lengths of time as people write them on the command line: `30m`, `1 hour`, `90 minutes`, `1h 30m`, `PT1H30M`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import click

_UNITS = {
    "seconds": ("s", "sec", "secs", "second", "seconds"),
    "minutes": ("m", "min", "mins", "minute", "minutes"),
    "hours": ("h", "hr", "hrs", "hour", "hours"),
    "days": ("d", "day", "days"),
    "weeks": ("w", "wk", "wks", "week", "weeks"),
}
_UNIT_OF = {word: unit for unit, words in _UNITS.items() for word in words}
_NUMBER = r"[0-9]{1,6}(?:\.[0-9]{1,6})?"
_PARTS = re.compile(rf"{_NUMBER} ?[A-Za-z]+(?: ?{_NUMBER} ?[A-Za-z]+)*")
_PART = re.compile(rf"({_NUMBER}) ?([A-Za-z]+)")
_ISO = re.compile(
    rf"p(?=.)(?:(?P<weeks>{_NUMBER})w)?(?:(?P<days>{_NUMBER})d)?"
    rf"(?:t(?=.)(?:(?P<hours>{_NUMBER})h)?(?:(?P<minutes>{_NUMBER})m)?(?:(?P<seconds>{_NUMBER})s)?)?",
    re.IGNORECASE | re.ASCII,
)
_UNEQUAL = re.compile(r"(M|mo|mon|mons|months?|y|yr|yrs|years?)", re.IGNORECASE)
_WRITTEN = "write 30m, 1 hour, 1h 30m, 7 days or PT1H"
_LONGEST = timedelta(days=365_000)


class LengthProblem(ValueError):
    """Text that is no length of time; says how to write one."""


def parse_length(text: str, *, unit: str = "") -> timedelta:
    """A length of time. A number alone counts `unit`s (`hours`), or says nothing. Raises LengthProblem."""
    words = " ".join(text.split())
    if unit and re.fullmatch(_NUMBER, words):
        words = f"{words} {unit}"
    if re.fullmatch(_NUMBER, words):
        raise LengthProblem(f"{text!r} does not say of what: write {words}m, {words}h or {words}d")
    if iso := _ISO.fullmatch(words):
        parts = [(number, name) for name, number in iso.groupdict().items() if number is not None]
    elif _PARTS.fullmatch(words):
        parts = [(number, _unit(text, word)) for number, word in _PART.findall(words)]
    else:
        raise LengthProblem(f"{text!r} is no length of time: {_WRITTEN}")
    names = [name for _, name in parts]
    if len(set(names)) < len(names):
        raise LengthProblem(f"{text!r} names {next(name for name in names if names.count(name) > 1)} twice: {_WRITTEN}")
    length = timedelta(**{name: float(number) for number, name in parts})
    if length > _LONGEST:
        raise LengthProblem(f"{text!r} is longer than any length that can be meant: {_WRITTEN}")
    return length


def _unit(text: str, word: str) -> str:
    # M might be months: what can be read in two ways is not guessed.
    known = word if word == "M" else word.casefold()
    if known not in _UNIT_OF:
        why = "months and years are of no one length" if _UNEQUAL.fullmatch(word) else f"{word} is no unit of time"
        raise LengthProblem(f"{text!r} is no length of time here, as {why}: {_WRITTEN}")
    return _UNIT_OF[known]


def length(
    unit: str = "", *, least: timedelta = timedelta(seconds=1), most: timedelta | None = None
) -> Callable[[click.Context, click.Parameter, str], timedelta]:
    """The callback of an option that takes a length of time; a number alone counts `unit`s, where one is given.

    It raises click.BadParameter for what is no length, or out of bounds.
    """

    def convert(context: click.Context, parameter: click.Parameter, value: str) -> timedelta:
        try:
            given = parse_length(value, unit=unit)
        except LengthProblem as problem:
            raise click.BadParameter(str(problem), context, parameter) from None
        if given < least or (most is not None and given > most):
            upto = f" and at most {_said(most)}" if most is not None else ""
            message = f"{value!r} is out of bounds: at least {_said(least)}{upto}"
            raise click.BadParameter(message, context, parameter)
        return given

    return convert


def _said(length: timedelta) -> str:
    for letter, unit in (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1))):
        if length and not length % unit:
            return f"{length // unit}{letter}"
    return f"{length.total_seconds():g}s"
