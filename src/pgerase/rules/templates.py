"""Templates, JSON paths, version ranges and table patterns of data maps, read from text."""

from __future__ import annotations

import re

from pgerase.errors import Position
from pgerase.rules.data_map import (
    Element,
    Every,
    JsonPath,
    JsonStep,
    LinkTemplate,
    Member,
    Placeholder,
    TablePattern,
    Template,
    VersionBound,
)
from pgerase.rules.names_read import NameProblem, parse_name, parse_table
from pgerase.rules.shapes import Parsed, Placed
from pgerase.rules.yaml_nodes import shorten

_TEMPLATE = re.compile(r'\{\{|\}\}|\{((?:"(?:[^"]|"")*"|[^{}"])*)\}|[{}]')
_ARGUMENT = re.compile(r'((?:"(?:[^"]|"")*"|[^:"])*)(?::(.*))?', re.DOTALL)
_MEMBER = re.compile(r"[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*")
_BRACKET = re.compile(
    r"""\[\s*(?:(?P<every>\*)|(?P<index>0|-?[1-9][0-9]{0,8})|'(?P<one>[^'\\]*)'|"(?P<two>[^"\\]*)")\s*\]"""
)
_BOUND = re.compile(r"(>=|<=|>|<|=)?\s*([0-9]{1,9}(?:\.[0-9]{1,9}){0,5})")
_BRACE_HINT = "a brace that is text is doubled: {{ or }}"


def parse_template(text: str, at: Position) -> Template:
    """Text with `{name}` and `{name:argument}`. Raises NameProblem."""
    parts: list[str | Placeholder] = []
    offset = 0
    for match in _TEMPLATE.finditer(text):
        _append(parts, text[offset : match.start()])
        if match.group() in ("{{", "}}"):
            _append(parts, match.group()[0])
        elif match[1] is None:
            raise NameProblem(f"'{shorten(text)}' has an open brace", _BRACE_HINT)
        else:
            parts.append(_placeholder(match[1], text))
        offset = match.end()
    _append(parts, text[offset:])
    return Template(tuple(parts), text, at)


def _append(parts: list[str | Placeholder], text: str) -> None:
    if not text:
        return
    last = parts[-1] if parts else None
    if isinstance(last, str):
        parts[-1] = last + text
    else:
        parts.append(text)


def _placeholder(inner: str, text: str) -> Placeholder:
    match = _ARGUMENT.fullmatch(inner)
    if match is None or not inner.strip():
        raise NameProblem(f"'{shorten(text)}' has a placeholder without a name", _BRACE_HINT)
    return Placeholder(parse_name(match[1]), None if match[2] is None else parse_name(match[2]))


def parse_link_template(text: str, at: Position) -> LinkTemplate:
    """A template that may begin or end in `*`. Raises NameProblem."""
    is_prefix, is_suffix = text.endswith("*"), text.startswith("*")
    inner = text[1 if is_suffix else 0 : len(text) - 1 if is_prefix and len(text) > 1 else len(text)]
    template = parse_template(inner, at)
    if "*" in "".join(part for part in template.parts if isinstance(part, str)):
        raise NameProblem(f"'{shorten(text)}' has a * inside", "a * stands at the beginning or at the end")
    if not template.placeholders:
        raise NameProblem(
            f"'{shorten(text)}' names neither key nor identifier", "write {key} where the person's key stands"
        )
    return LinkTemplate(template, is_prefix, is_suffix)


def parse_json_path(text: str, at: Position) -> JsonPath:
    """`$.a.b`, `$..a`, `$[0]`, `$.a[*]`, `$['a b']`. Raises NameProblem."""
    if not text.startswith("$"):
        raise NameProblem(f"'{shorten(text)}' does not start with $", "write $.member, $..member, $[0] or $[*]")
    steps: list[JsonStep] = []
    offset = 1
    while offset < len(text):
        step, offset = _json_step(text, offset)
        steps.append(step)
    if not steps:
        raise NameProblem("$ alone is the whole value", "write $.member, or treat the column as a whole")
    return JsonPath(tuple(steps), text, at)


def _json_step(text: str, start: int) -> tuple[JsonStep, int]:
    descend = text.startswith("..", start)
    offset = start + 2 if descend else start
    is_dotted = descend or text.startswith(".", offset)
    if not descend and is_dotted:
        offset += 1
    bracket = _BRACKET.match(text, offset) if descend or not is_dotted else None
    if bracket is not None:
        return _bracket_step(bracket, descend=descend), bracket.end()
    if is_dotted and text.startswith("*", offset):
        return Every(descend), offset + 1
    member = _MEMBER.match(text, offset) if is_dotted else None
    if member is None:
        hint = "write .member, ..member, [0], [*] or ['any member']"
        raise NameProblem(f"'{shorten(text)}' cannot be read from '{shorten(text[start:])}' on", hint)
    return Member(member.group(), descend), member.end()


def _bracket_step(bracket: re.Match[str], *, descend: bool) -> JsonStep:
    if bracket["every"]:
        return Every(descend)
    if bracket["index"]:
        return Element(int(bracket["index"]), descend)
    return Member(bracket["one"] if bracket["one"] is not None else bracket["two"], descend)


def parse_versions(text: str) -> tuple[VersionBound, ...]:
    """Bounds such as `>=3 <5`. Raises NameProblem."""
    bounds: list[VersionBound] = []
    offset = 0
    text = text.strip()
    while offset < len(text):
        match = _BOUND.match(text, offset)
        if match is None or (match.end() < len(text) and text[match.end()] not in " ,"):
            raise NameProblem(f"'{shorten(text)}' is no range of versions", "write >=3 <5")
        bounds.append(VersionBound(match[1] or "=", tuple(int(part) for part in match[2].split("."))))
        offset = match.end()
        while offset < len(text) and text[offset] in " ,":
            offset += 1
    return tuple(bounds)


def parse_pattern(text: str, at: Position) -> TablePattern:
    """A table, whose name may hold `*` for any characters. Raises NameProblem."""
    table = parse_table(text)
    if table.schema is not None and "*" in table.schema:
        raise NameProblem(f"'{shorten(text)}' has a * in the schema", "name the schema")
    return TablePattern(table.schema, tuple(table.name.split("*")), at)


TEMPLATE = Placed("text with {placeholders}", parse_template)
LINK_TEMPLATE = Placed("a template", parse_link_template)
JSON_PATH = Placed("a JSON path", parse_json_path, r"^\$")
TABLE_PATTERN = Placed("a table, with * for any characters", parse_pattern)
VERSIONS = Parsed("a range of versions", parse_versions)
