"""Access rules as text that the ledger keeps, and back: what is in force, to compare the next rules with.

It is the rules as they were read, without positions, comments and names of files: nothing that the generated SQL beside it does
not say too. A person's key is in it where a rule file names one, as in that SQL; it goes with the next apply or with revert.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from pgerase.errors import Position
from pgerase.rules import access, conditions, names
from pgerase.rules.access import AccessRules

_FORMAT = 1
_NOWHERE = Position("the ledger", 1, 1)
_KNOWN: dict[str, type[Any]] = {
    name: found
    for module in (names, conditions, access)
    for name, found in vars(module).items()
    if isinstance(found, type) and found.__module__ == module.__name__
}
"""Every class that rules are made of, by its name."""


@dataclass(frozen=True, slots=True)
class RecordedRules:
    """Rules in force. `governed` are the tables in mode on, as (schema, name).

    `opened` are those whose rows support grants open besides, as (schema, name, by what), to be compared and no more.
    """

    access: AccessRules
    governed: tuple[tuple[str, str], ...]
    opened: tuple[tuple[str, str, str], ...] = ()


def rules_text(recorded: RecordedRules) -> str:
    """The rules as JSON, a resource a line, for it stands in SQL that people review and compare.

    The same text for rules that say the same in the same order.
    """
    access_parts = cast("dict[str, object]", _data(recorded.access))
    parts = ",\n".join(f"{_json(name)}:{_laid_out(value)}" for name, value in sorted(access_parts.items()))
    governed = _laid_out([list(table) for table in sorted(recorded.governed)])
    opened = ""
    if recorded.opened:
        opened = f'"opened":{_laid_out([list(table) for table in sorted(recorded.opened)])},\n'
    return f'{{"format":{_FORMAT},\n"governed":{governed},\n{opened}"access":{{\n{parts}\n}}}}'


def plain_text(value: object) -> str:
    """A part of the rules as text, without positions: the same for what says the same."""
    return _json(_data(value))


def _laid_out(value: object) -> str:
    """A list with one of its parts a line."""
    parts = [_json(part) for part in cast("list[object]", value)] if isinstance(value, list) else []
    return "[\n  " + ",\n  ".join(parts) + "\n]" if parts else _json(cast("object", value))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def read_rules(text: str) -> RecordedRules | None:
    """The rules of such a text; None where this version cannot read it: it is another version's."""
    try:
        data = json.loads(text)
        if data["format"] != _FORMAT:
            return None
        rules = _value(data["access"])
        governed = tuple((str(schema), str(name)) for schema, name in data["governed"])
        opened = tuple((str(schema), str(name), str(how)) for schema, name, how in data.get("opened", ()))
    except (ValueError, KeyError, TypeError):
        return None
    return RecordedRules(rules, governed, opened) if isinstance(rules, AccessRules) else None


def without_table(text: str, table: tuple[str, str]) -> str:
    """The text when that table is no longer governed; empty where it cannot be read."""
    recorded = read_rules(text)
    if recorded is None:
        return ""
    return rules_text(dataclasses.replace(recorded, governed=tuple(one for one in recorded.governed if one != table)))


def _data(value: object) -> object:
    if isinstance(value, Enum):
        return {"is": type(value).__name__, "value": value.value}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {one.name: _data(getattr(value, one.name)) for one in dataclasses.fields(value) if one.name != "at"}
        return {"is": type(value).__name__, **fields}
    if isinstance(value, frozenset):
        return {"is": "set", "items": sorted((_data(one) for one in cast("frozenset[object]", value)), key=repr)}
    if isinstance(value, tuple):
        return [_data(one) for one in cast("tuple[object, ...]", value)]
    return value


def _value(data: object) -> object:
    if isinstance(data, list):
        return tuple(_value(one) for one in cast("list[object]", data))
    if not isinstance(data, dict):
        return data
    fields = {name: _value(one) for name, one in cast("dict[str, object]", data).items()}
    name = str(fields.pop("is"))
    if name == "set":
        return frozenset(cast("tuple[object, ...]", fields["items"]))
    made = _KNOWN[name]
    if issubclass(made, Enum):
        return made(fields["value"])
    if any(one.name == "at" for one in dataclasses.fields(made)):
        fields["at"] = _NOWHERE
    return made(**fields)
