"""YAML 1.2 (core schema) text as a tree of positioned nodes; the only module that knows the YAML library.

Built from parser events, without recursion, so that depth and size are limits of ours and never a crash. Anchors, aliases
and tags are refused altogether: no rule needs them (`{use: name}` names a condition), and they are how YAML files attack.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

import yaml

from pgerase.errors import Position
from pgerase.rules.reading import Reading

MAXIMUM_BYTES = 4 * 1024 * 1024
MAXIMUM_DEPTH = 64
_MAXIMUM_DIGITS = 1000

# libyaml where PyYAML was built with it: the same events twenty times as fast. Tests hold the two together.
LOADER: type[yaml.BaseLoader] = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
# NEL, LS and PS are line breaks to YAML 1.1 parsers and text to YAML 1.2: refused rather than guessed.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A single value; `text` is what was written (without quotes and escapes), `value` what the core schema makes of it."""

    value: str | int | float | bool | None
    text: str
    at: Position


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A list."""

    items: tuple[Node, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping with its value."""

    key: ScalarNode
    value: Node


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A mapping in the order of the file; keys differ (duplicates were reported and left out)."""

    entries: tuple[Entry, ...]
    at: Position

    def get(self, key: str) -> Entry | None:
        """The entry with that key as text, if there is one."""
        return next((entry for entry in self.entries if entry.key.text == key), None)


@dataclass(frozen=True, slots=True)
class InvalidNode:
    """Something that has been reported already."""

    at: Position


Node: TypeAlias = ScalarNode | SequenceNode | MappingNode | InvalidNode


def describe(node: Node) -> str:
    """What a node is, in words for a message."""
    match node:
        case MappingNode():
            return "a mapping"
        case SequenceNode():
            return "a list"
        case InvalidNode():
            return "something unreadable"
        case ScalarNode(value=None):
            return "nothing (null)"
        case ScalarNode(value=bool(), text=text):
            return f"the truth value {text}"
        case ScalarNode(value=int() | float(), text=text):
            return f"the number {shorten(text)}"
        case ScalarNode(text=text):
            return f"'{shorten(text)}'"


def shorten(text: str, length: int = 60) -> str:
    """Text for a message: on one line, and not longer than is readable."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"


class Source:
    """One file's text: positions in it, and its lines."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self._lines = _LINE_BREAK.split(text)

    def at(self, line: int, column: int) -> Position:
        """A position from 0-based line and column."""
        text = self._lines[line] if line < len(self._lines) else ""
        return Position(self.file, line + 1, column + 1, text)

    def at_offset(self, offset: int) -> Position:
        """A position from an offset into the text."""
        before = _LINE_BREAK.split(self.text[:offset])
        return self.at(len(before) - 1, len(before[-1]))


def compose_bytes(data: bytes, file: str, reading: Reading) -> MappingNode | None:
    """The mapping that is the root of a file, or None where there is none; everything wrong with it is reported."""
    if len(data) > MAXIMUM_BYTES:
        message = f"the file has {len(data)} bytes; a rule file has at most {MAXIMUM_BYTES}"
        reading.error("yaml-too-large", message, Position(file, 1, 1), "split it up with include:")
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        source = Source(data[: error.start].decode("utf-8"), file)
        at = source.at_offset(len(source.text))
        reading.error("yaml-not-utf8", f"byte 0x{data[error.start]:02x} is not UTF-8", at, "save the file as UTF-8")
        return None
    return compose(text, file, reading)


def compose(text: str, file: str, reading: Reading) -> MappingNode | None:
    """As compose_bytes, from text."""
    source = Source(text, file)
    if text.startswith("\ufeff"):
        reading.error(
            "yaml-byte-order-mark", "the file starts with a byte order mark", source.at(0, 0), "save it without"
        )
        return None
    unprintable = _UNPRINTABLE.search(text)
    if unprintable:
        message = f"the character U+{ord(unprintable.group()):04X} cannot stand in a rule file"
        hint = "inside double quotes YAML spells it as an escape"
        reading.error("yaml-character", message, source.at_offset(unprintable.start()), hint)
        return None
    root = _Composer(source, reading).compose()
    if root is None or isinstance(root, InvalidNode):
        return None
    if isinstance(root, MappingNode):
        return root
    if isinstance(root, ScalarNode) and root.text == "":
        reading.error("yaml-empty", "the file is empty", source.at(0, 0), "delete it, or start it with version: 1")
        return None
    reading.error("yaml-not-a-mapping", f"a rule file is a mapping of keys, not {describe(root)}", root.at)
    return None


@dataclass(slots=True)
class _Frame:
    """A collection being built; in a mapping, `key` is the one waiting for its value."""

    at: Position
    is_mapping: bool
    items: list[Node] = field(default_factory=list["Node"])
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    key: Node | None = None


class _Composer:
    def __init__(self, source: Source, reading: Reading) -> None:
        self._source = source
        self._reading = reading
        self._frames: list[_Frame] = []
        self._root: Node | None = None

    def compose(self) -> Node | None:
        """The root node; None where the text is no YAML, nests too deeply or holds several documents."""
        documents = 0
        try:
            for event in yaml.parse(self._source.text, Loader=LOADER):
                if isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if not self._accept_document(event, documents):
                        return None
                elif not self._accept(event):
                    return None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            at = self._source.at(mark.line, mark.column) if mark else self._source.at(0, 0)
            self._reading.error("yaml-syntax", _syntax_message(error), at, _syntax_hint(at, error))
            return None
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            # The scanner passes the number of a \U escape to chr() unchecked.
            self._reading.error("yaml-syntax", f"this is not YAML: {shorten(str(error))}", self._source.at(0, 0))
            return None
        if documents == 0:
            return ScalarNode(None, "", self._source.at(0, 0))
        return self._root

    def _accept_document(self, event: yaml.DocumentStartEvent, number: int) -> bool:
        at = self._position(event)
        if number > 1:
            self._reading.error("yaml-documents", "a rule file is one YAML document; a second one starts here", at)
            return False
        if event.version is not None and tuple(event.version) != (1, 2):
            version = ".".join(str(part) for part in event.version)
            self._reading.error("yaml-version", f"rule files are YAML 1.2, not {version}", at)
        if event.tags:
            self._reading.error("yaml-tag", "rule files have no tags, so no %TAG either", at)
        return True

    def _accept(self, event: yaml.Event) -> bool:
        if isinstance(event, yaml.AliasEvent):
            at = self._position(event)
            self._reading.error("yaml-alias", f"aliases (*{event.anchor}) are not used in rule files", at, _ANCHOR_HINT)
            self._add(InvalidNode(at))
        elif isinstance(event, yaml.ScalarEvent):
            self._refuse_properties(event)
            self._add(self._scalar(event))
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._refuse_properties(event)
            at = self._position(event)
            if len(self._frames) >= MAXIMUM_DEPTH:
                self._reading.error("yaml-too-deep", f"nested more than {MAXIMUM_DEPTH} levels deep", at)
                return False
            self._frames.append(_Frame(at, isinstance(event, yaml.MappingStartEvent)))
        elif isinstance(event, yaml.MappingEndEvent):
            frame = self._frames.pop()
            self._add(MappingNode(tuple(frame.entries.values()), frame.at))
        elif isinstance(event, yaml.SequenceEndEvent):
            frame = self._frames.pop()
            self._add(SequenceNode(tuple(frame.items), frame.at))
        return True

    def _refuse_properties(self, event: yaml.NodeEvent) -> None:
        tag: str | None = getattr(event, "tag", None)
        if event.anchor is None and tag is None:
            return
        at = self._position(event)
        if event.anchor is not None:
            self._reading.error(
                "yaml-anchor", f"anchors (&{event.anchor}) are not used in rule files", at, _ANCHOR_HINT
            )
        if tag is not None:
            hint = "a value in quotes is text; without them it is what it looks like"
            self._reading.error("yaml-tag", f"tags ({shorten(tag)}) are not used in rule files", at, hint)

    def _scalar(self, event: yaml.ScalarEvent) -> Node:
        at = self._position(event)
        text: str = event.value
        unstorable = _UNSTORABLE.search(text)
        if unstorable:
            self._reading.error(
                "yaml-character", f"PostgreSQL cannot store U+{ord(unstorable.group()):04X} in text", at
            )
            return InvalidNode(at)
        if not event.implicit[0]:
            return ScalarNode(text, text, at)
        try:
            return ScalarNode(_resolve(text), text, at)
        except _Unrepresentable as error:
            self._reading.error("yaml-number", str(error), at, "put it in quotes to keep it as it is written")
            return InvalidNode(at)

    def _add(self, node: Node) -> None:
        if not self._frames:
            self._root = node
            return
        frame = self._frames[-1]
        if not frame.is_mapping:
            frame.items.append(node)
        elif frame.key is None:
            frame.key = node
        else:
            key, frame.key = frame.key, None
            self._add_entry(frame, key, node)

    def _add_entry(self, frame: _Frame, key: Node, value: Node) -> None:
        if isinstance(key, InvalidNode):
            return
        if not isinstance(key, ScalarNode):
            self._reading.error("yaml-key", f"a key is a word, not {describe(key)}", key.at, "put it in quotes")
        elif key.text == "":
            self._reading.error("yaml-key", "a key is missing here", key.at)
        elif key.text in frame.entries:
            first = frame.entries[key.text].key.at
            self._reading.error(
                "duplicate-key", f"{shorten(key.text)} is given twice", key.at, f"the first is at {first}"
            )
        else:
            frame.entries[key.text] = Entry(key, value)

    def _position(self, event: yaml.Event) -> Position:
        mark = event.start_mark
        return self._source.at(0, 0) if mark is None else self._source.at(mark.line, mark.column)


_ANCHOR_HINT = (
    "name a condition under conditions: and use it as {use: name}; write a value that begins with & or * in quotes"
)


class _Unrepresentable(Exception):
    """A number that would change on the way into the program."""


def _resolve(text: str) -> str | int | float | bool | None:
    """What the YAML 1.2 core schema makes of a plain scalar. Raises _Unrepresentable rather than round a number."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if text[0] not in "+-.0123456789":
        return text
    if len(text) > _MAXIMUM_DIGITS and (
        _INTEGER.fullmatch(text) or _HEXADECIMAL.fullmatch(text) or _OCTAL.fullmatch(text)
    ):
        raise _Unrepresentable(f"a number of {len(text)} digits")
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text, 8)
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 16)
    if _FLOAT.fullmatch(text):
        return _float(text)
    if _NOT_FINITE.fullmatch(text):
        raise _Unrepresentable(f"{text} is not a number that rules can compare")
    return text


def _float(text: str) -> float:
    value = float(text)
    try:
        exact = Decimal(text) == Decimal(repr(value))
    except ArithmeticError:
        exact = False
    if not exact:
        raise _Unrepresentable(f"the number {shorten(text)} would be rounded")
    return value


def _syntax_message(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "unreadable"
    return f"this is not YAML: {error.context}, {problem}" if error.context else f"this is not YAML: {problem}"


def _syntax_hint(at: Position, error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or ""
    if "'\\t'" in problem or at.text[at.column - 1 : at.column] == "\t":
        return "indent and separate with spaces: YAML has no tabs there"
    if "'%'" in problem or "'@'" in problem or "'`'" in problem:
        return "put a value that begins with this character in quotes"
    if "mapping values are not allowed" in problem:
        return "put a value that holds ': ' in quotes"
    return ""
