"""Values as erasing leaves them: fillers with tokens in them, dates made coarser, keys from their texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from pgerase.catalog.model import Column, Table
from pgerase.rules import data_map as rules


@dataclass(frozen=True)
class Token:
    """What `{token}` or `{token:column}` stands for: one a person, or one a person and value."""

    person: int
    argument: str | None = None


@dataclass(frozen=True)
class Filled:
    """Text with tokens in it. `cut`: only the first so many characters."""

    parts: tuple[str | Token, ...]
    cut: int | None = None


@dataclass(frozen=True)
class Asked:
    """A person of the request. `key` is as a request gives it."""

    key: str
    token: str
    erased: bool = False


@dataclass(frozen=True)
class Ledger:
    """Keys of people who were erased before, and of those who wait to be erased by another request."""

    erased: frozenset[str] = frozenset()
    requested: frozenset[str] = frozenset()

    def with_erased(self, keys: Iterable[str]) -> Ledger:
        """The ledger after these were erased as well."""
        return replace(self, erased=self.erased.union(keys))


class Tokens:
    """The texts that tokens were seen as: the same wherever a token stands, and nobody else's."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], str] = {}

    def matches(self, value: Any, wanted: Any, people: Sequence[Asked], *, learn: bool = True) -> bool:
        """Whether a value is what it should be. `learn` False: a token never seen before is not."""
        match wanted:
            case Filled(parts, cut):
                if cut is not None:
                    return isinstance(value, str) and len(value) <= cut
                pattern = "".join(re.escape(part) if isinstance(part, str) else "([a-z0-9]{8,26})" for part in parts)
                found = re.fullmatch(pattern, value) if isinstance(value, str) else None
                tokens = [part for part in parts if isinstance(part, Token)]
                return found is not None and all(
                    self._is_token(token, text, people, learn=learn)
                    for token, text in zip(tokens, found.groups(), strict=True)
                )
            case dict():
                return (
                    isinstance(value, dict)
                    and wanted.keys() == value.keys()
                    and all(self.matches(value[key], one, people, learn=learn) for key, one in wanted.items())
                )
            case list():
                return (
                    isinstance(value, list)
                    and len(value) == len(wanted)
                    and all(
                        self.matches(mine, one, people, learn=learn) for mine, one in zip(value, wanted, strict=True)
                    )
                )
            case _:
                return value == wanted and type(value) is type(wanted)

    def _is_token(self, token: Token, text: str, people: Sequence[Asked], *, learn: bool) -> bool:
        """One a person, or one a person and value."""
        who = people[token.person]
        if token.argument is None:
            return who.token.startswith(text)
        known = self._seen.get((who.key, token.argument), "")
        if not known and not learn:
            return False
        if len(text) > len(known) and text.startswith(known):
            self._seen[who.key, token.argument] = text
        others = [one for other, one in self._seen.items() if other != (who.key, token.argument)]
        others += [one.token for one in people]
        return (known.startswith(text) or text.startswith(known)) and all(one[:8] != text[:8] for one in others)


def generalized(value: Any, to: rules.DatePart | int) -> Any:
    if value is None:
        return None
    if isinstance(value, Filled):
        assert isinstance(to, int)
        return replace(value, cut=to)
    if isinstance(to, int):
        return str(value)[:to]
    coarse = {"day": 1} | ({"month": 1} if to is rules.DatePart.YEAR else {})
    if isinstance(value, datetime):
        zone = value.tzinfo
        value = value.astimezone(UTC) if zone is not None else value
        return value.replace(hour=0, minute=0, second=0, microsecond=0, **coarse)
    assert isinstance(value, date)
    return value.replace(**coarse)


def from_text(table: Table, column: str, text: str) -> Any:
    """A value of a column's type from its text."""
    match column_of(table, column).base_type:
        case "bigint" | "integer" | "smallint":
            return int(text)
        case "uuid":
            return UUID(text)
        case "date":
            return date.fromisoformat(text)
        case "timestamp without time zone" | "timestamp with time zone":
            return datetime.fromisoformat(text)
        case _:
            return text


def column_of(table: Table, name: str) -> Column:
    column = table.column(name)
    assert column is not None, (table.name, name)
    return column
