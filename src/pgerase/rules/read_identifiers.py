"""Identifiers of people, given again: YAML, JSON, or lines of `name: value`. Nothing of the text is in any error.

Values are texts, whatever they look like: a phone number is no integer. Not rules, but here because YAML is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from pgerase.errors import UsageError
from pgerase.rules.reading import Reading
from pgerase.rules.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode, compose

Given: TypeAlias = Mapping[str, tuple[str, ...]]
"""Values by the identifier's name; none where the person has none."""

_LINE = re.compile(r"([^\s:#'\"\[\]{}-][^:]*?)\s*:(?:[ \t]+(.*?))?[ \t]*")
_SHAPES = "an identifier is a text or a list of texts"


def read_identifiers(text: str, source: str) -> Given | Mapping[str, Given]:
    """One person's identifiers, or those of several by key. Raises UsageError, which tells `source` and the line at most."""
    if text.lstrip().startswith("{"):
        try:
            return _given(cast(object, json.loads(text)), source)
        except ValueError as error:
            line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
            raise UsageError(f"{source}{line}: not JSON") from None
    reading = Reading()
    root = compose(text, source, reading)
    if root is not None and not reading.findings:
        return _given(_plain(root, source), source)
    lines = _lines(text)
    if lines is None:
        places = [finding.at.line for finding in reading.findings if finding.at]
        line = f", line {places[0]}" if places else ""
        raise UsageError(f"{source}{line}: cannot be read", hint="write YAML, JSON or lines of `name: value`")
    return lines


def _lines(text: str) -> Given | None:
    """Values that YAML would take for something else, one a line; None where there is any other line."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        value = match[2] or ""
        found[match[1]] = (*found.get(match[1], ()), *((value,) if value else ()))
    return found or None


def _plain(node: Node, source: str) -> object:
    match node:
        case ScalarNode():
            return None if node.value is None else node.text
        case SequenceNode():
            return [_plain(item, source) for item in node.items]
        case MappingNode():
            return {entry.key.text: _plain(entry.value, source) for entry in node.entries}
        case _:
            raise UsageError(f"{source}, line {node.at.line}: {_SHAPES}")


def _given(root: object, source: str) -> Given | Mapping[str, Given]:
    if not isinstance(root, dict) or not root:
        raise UsageError(f"{source}: holds no identifiers", hint="write YAML, JSON or lines of `name: value`")
    entries = cast(dict[str, Any], root)
    if all(isinstance(value, dict) for value in entries.values()):
        return {key: _values(value, source) for key, value in entries.items()}
    return _values(entries, source)


def _values(entries: dict[str, Any], source: str) -> Given:
    found: dict[str, tuple[str, ...]] = {}
    for name, value in entries.items():
        texts = cast(list[object], value) if isinstance(value, list) else [] if value is None else [value]
        if any(isinstance(text, bool | float) or not isinstance(text, str | int) for text in texts):
            raise UsageError(f"{source}: {_SHAPES}")
        found[name] = tuple(text for text in map(str, texts) if text.strip())
    return found
