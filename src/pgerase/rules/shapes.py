"""What may stand where in a rule file, declared once: reading and the JSON Schema both come from these shapes.

A shape reads a node into a typed value, or reports what is wrong and raises Unreadable. Collections read everything they
hold before they give up, so that one run shows every error. No shape knows a rule file; those are the read_* modules.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar, cast

from pgerase.errors import Position
from pgerase.rules import conditions
from pgerase.rules.names_read import NameProblem
from pgerase.rules.reading import Reading, Unreadable, nearest
from pgerase.rules.yaml_nodes import InvalidNode, MappingNode, Node, ScalarNode, SequenceNode, describe, shorten

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")
T_co = TypeVar("T_co", covariant=True)

Schema: TypeAlias = dict[str, Any]
Definitions: TypeAlias = dict[str, Schema]


class Shape(ABC, Generic[T_co]):
    """Something that can be read; `what` names it in messages, with its article."""

    what: str = "something else"

    @abstractmethod
    def read(self, node: Node, reading: Reading) -> T_co:
        """The typed value. Raises Unreadable after reporting why not."""

    @abstractmethod
    def schema(self, definitions: Definitions) -> Schema:
        """The JSON Schema of this shape; shared parts are added to `definitions`."""

    def mismatch(self, node: Node, reading: Reading, hint: str = "") -> Unreadable:
        """Report that `node` is not this shape, unless it was reported already; to be raised."""
        if not isinstance(node, InvalidNode):
            reading.error("wrong-shape", f"expected {self.what}, found {describe(node)}", node.at, hint)
        return Unreadable()


class Text(Shape[str]):
    """Text that is not blank, kept exactly."""

    def __init__(self, what: str = "text") -> None:
        self.what = what

    def read(self, node: Node, reading: Reading) -> str:
        if not isinstance(node, ScalarNode):
            raise self.mismatch(node, reading)
        if not isinstance(node.value, str):
            raise self.mismatch(node, reading, "put it in quotes" if node.value is not None else "")
        if not node.value.strip():
            reading.fail("blank-text", f"expected {self.what}, found only blanks", node.at)
        return node.value

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "string", "pattern": r"\S"}


class Placed(Shape[T]):
    """Text with a spelling of its own whose value remembers where it stands."""

    def __init__(self, what: str, parse: Callable[[str, Position], T], pattern: str = r"\S") -> None:
        self.what = what
        self._text = Text(what)
        self._parse = parse
        self._pattern = pattern

    def read(self, node: Node, reading: Reading) -> T:
        text = self._text.read(node, reading)
        try:
            return self._parse(text, node.at)
        except NameProblem as problem:
            reading.fail("malformed", f"expected {self.what}: {shorten(str(problem), 200)}", node.at, problem.hint)

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "string", "pattern": self._pattern}


class Parsed(Placed[T]):
    """Text with a spelling of its own, as names, paths and lengths of time have."""

    def __init__(self, what: str, parse: Callable[[str], T], pattern: str = r"\S") -> None:
        super().__init__(what, lambda text, _: parse(text), pattern)


class Choice(Shape[T]):
    """One of a few words."""

    def __init__(self, words: Mapping[str, T]) -> None:
        self._words = words
        self.what = " or ".join([", ".join(list(words)[:-1]), list(words)[-1]]) if len(words) > 1 else next(iter(words))

    def read(self, node: Node, reading: Reading) -> T:
        if not isinstance(node, ScalarNode):
            raise self.mismatch(node, reading)
        if node.text not in self._words or not isinstance(node.value, str):
            hint = nearest(node.text, self._words)
            reading.fail("unknown-word", f"expected {self.what}, found {describe(node)}", node.at, hint)
        return self._words[node.text]

    def schema(self, definitions: Definitions) -> Schema:
        return {"enum": list(self._words)}


class Flag(Shape[bool]):
    """true or false."""

    what = "true or false"

    def read(self, node: Node, reading: Reading) -> bool:
        if isinstance(node, ScalarNode) and isinstance(node.value, bool):
            return node.value
        raise self.mismatch(node, reading, "YAML 1.2 has only true and false; yes, no, on and off are text")

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "boolean"}


class Whole(Shape[int]):
    """A whole number from `minimum` on, up to `maximum` where there is one."""

    def __init__(self, minimum: int, maximum: int | None = None) -> None:
        self._minimum = minimum
        self._maximum = maximum
        self.what = f"a whole number from {minimum} {'on' if maximum is None else f'to {maximum}'}"

    def read(self, node: Node, reading: Reading) -> int:
        if not isinstance(node, ScalarNode) or isinstance(node.value, bool) or not isinstance(node.value, int):
            raise self.mismatch(node, reading)
        if node.value < self._minimum or (self._maximum is not None and node.value > self._maximum):
            raise self.mismatch(node, reading)
        return node.value

    def schema(self, definitions: Definitions) -> Schema:
        schema: Schema = {"type": "integer", "minimum": self._minimum}
        return schema if self._maximum is None else schema | {"maximum": self._maximum}


class LiteralValue(Shape[conditions.Literal]):
    """A value of the application's data; never null."""

    what = "a value"

    def read(self, node: Node, reading: Reading) -> conditions.Literal:
        if not isinstance(node, ScalarNode):
            raise self.mismatch(node, reading)
        if node.value is None:
            raise self.mismatch(node, reading, "the text null is written 'null', an empty text ''")
        return conditions.Literal(node.value, node.at)

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": ["string", "number", "boolean"]}


class Nullable(Shape[T | None]):
    """Another shape, or an explicit null."""

    def __init__(self, inner: Shape[T]) -> None:
        self._inner = inner
        self.what = f"{inner.what} or null"

    def read(self, node: Node, reading: Reading) -> T | None:
        if isinstance(node, ScalarNode) and node.value is None:
            return None
        return self._inner.read(node, reading)

    def schema(self, definitions: Definitions) -> Schema:
        return {"anyOf": [self._inner.schema(definitions), {"type": "null"}]}


class ListOf(Shape[tuple[T, ...]]):
    """A list of at least `minimum` items of one shape."""

    def __init__(self, item: Shape[T], *, minimum: int = 1, what: str = "") -> None:
        self._item = item
        self._minimum = minimum
        self.what = what or f"a list of items that are each {item.what}"

    def read(self, node: Node, reading: Reading) -> tuple[T, ...]:
        if not isinstance(node, SequenceNode):
            hint = "put it in brackets" if isinstance(node, ScalarNode) and node.value is not None else ""
            raise self.mismatch(node, reading, hint)
        if len(node.items) < self._minimum:
            needs = "something" if self._minimum == 1 else f"at least {self._minimum} items"
            reading.fail("too-few", f"this list is too short: it needs {needs}", node.at)
        return read_all(self._item, node.items, reading)

    def schema(self, definitions: Definitions) -> Schema:
        schema: Schema = {"type": "array", "items": self._item.schema(definitions)}
        return schema | {"minItems": self._minimum} if self._minimum else schema


def read_all(shape: Shape[T], nodes: tuple[Node, ...], reading: Reading) -> tuple[T, ...]:
    """Every node read as `shape`. Raises Unreadable after all of them were tried."""
    values: list[T] = []
    complete = True
    for node in nodes:
        try:
            values.append(shape.read(node, reading))
        except Unreadable:
            complete = False
    if not complete:
        raise Unreadable
    return tuple(values)


class OneOrMany(Shape[tuple[T, ...]]):
    """One item, or a list of them."""

    def __init__(self, item: Shape[T]) -> None:
        self._one = item
        self._many = ListOf(item)
        self.what = f"{item.what}, or a list"

    def read(self, node: Node, reading: Reading) -> tuple[T, ...]:
        if isinstance(node, SequenceNode):
            return self._many.read(node, reading)
        return (self._one.read(node, reading),)

    def schema(self, definitions: Definitions) -> Schema:
        return {"anyOf": [self._one.schema(definitions), self._many.schema(definitions)]}


@dataclass(frozen=True, slots=True)
class Keyed(Generic[K, T_co]):
    """One entry of a mapping whose keys are names of the user's."""

    key: K
    value: T_co
    at: Position


class MappingOf(Shape[tuple[Keyed[K, T], ...]]):
    """A mapping from names to values of one shape; two spellings of one name are a duplicate."""

    def __init__(self, key: Shape[K], value: Shape[T], *, what: str, empty: bool = False) -> None:
        self._key = key
        self._value = value
        self._empty = empty
        self.what = what

    def read(self, node: Node, reading: Reading) -> tuple[Keyed[K, T], ...]:
        if not isinstance(node, MappingNode):
            raise self.mismatch(node, reading)
        if not node.entries and not self._empty:
            reading.fail("too-few", f"expected {self.what}, found nothing", node.at)
        found: dict[K, Keyed[K, T]] = {}
        complete = True
        for entry in node.entries:
            with reading.within(entry.key.text):
                try:
                    # A key is text whatever it looks like: a column may be called 1 or true.
                    key = self._key.read(ScalarNode(entry.key.text, entry.key.text, entry.key.at), reading)
                    if key in found:
                        hint = f"the first is at {found[key].at}"
                        reading.fail("duplicate-key", f"{shorten(entry.key.text)} is given twice", entry.key.at, hint)
                except Unreadable:
                    complete = False
                    reading.attempt(lambda value=entry.value: self._value.read(value, reading))
                    continue
                try:
                    found[key] = Keyed(key, self._value.read(entry.value, reading), entry.key.at)
                except Unreadable:
                    complete = False
        if not complete:
            raise Unreadable
        return tuple(found.values())

    def schema(self, definitions: Definitions) -> Schema:
        schema: Schema = {"type": "object", "additionalProperties": self._value.schema(definitions)}
        return schema if self._empty else schema | {"minProperties": 1}


@dataclass(frozen=True, slots=True, eq=False)
class Key(Generic[T_co]):
    """A key of a record, and its type; `summary` is one sentence for whoever writes the file."""

    name: str
    shape: Shape[Any]
    summary: str
    is_required: bool
    default: Any = None


def required(name: str, shape: Shape[T], summary: str) -> Key[T]:
    """A key that has to be there."""
    return Key(name, shape, summary, is_required=True)


def optional(name: str, shape: Shape[T], summary: str) -> Key[T | None]:
    """A key that may be left out; None then."""
    return Key(name, shape, summary, is_required=False)


def defaulted(name: str, shape: Shape[T], default: T, summary: str) -> Key[T]:
    """A key that may be left out, and what it is then."""
    return Key(name, shape, summary, is_required=False, default=default)


@dataclass(frozen=True, slots=True)
class Fields:
    """The values of a record's keys, typed by the keys."""

    at: Position
    reading: Reading
    _values: dict[str, Any] = field(repr=False)
    _positions: dict[str, Position] = field(repr=False)

    def __getitem__(self, key: Key[T]) -> T:
        return cast("T", self._values.get(key.name, key.default))

    def has(self, key: Key[Any]) -> bool:
        """Whether the file gives this key."""
        return key.name in self._positions

    def at_key(self, key: Key[Any]) -> Position:
        """Where the key stands, or the record where it was left out."""
        return self._positions.get(key.name, self.at)


class Record(Shape[T]):
    """A mapping with keys of ours. `build` makes the value, and may report what only several keys together show."""

    def __init__(self, what: str, keys: tuple[Key[Any], ...], build: Callable[[Fields], T]) -> None:
        self.what = what
        self.keys = {key.name: key for key in keys}
        self._build = build

    def read(self, node: Node, reading: Reading) -> T:
        if not isinstance(node, MappingNode):
            raise self.mismatch(node, reading)
        values: dict[str, Any] = {}
        positions: dict[str, Position] = {}
        complete = True
        for entry in node.entries:
            name = entry.key.text
            key = self.keys.get(name)
            if key is None:
                hint = nearest(name, self.keys)
                reading.error("unknown-key", f"{self.what} has no key {shorten(name)}", entry.key.at, hint)
                complete = False
                continue
            positions[name] = entry.key.at
            with reading.within(name):
                try:
                    values[name] = key.shape.read(entry.value, reading)
                except Unreadable:
                    complete = False
        for name, key in self.keys.items():
            if key.is_required and name not in positions:
                reading.error("missing-key", f"{self.what} needs the key {name}", node.at, key.summary)
                complete = False
        if not complete:
            raise Unreadable
        return self._build(Fields(node.at, reading, values, positions))

    def schema(self, definitions: Definitions) -> Schema:
        properties = {
            name: {"description": key.summary} | key.shape.schema(definitions) for name, key in self.keys.items()
        }
        schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        needed = [name for name, key in self.keys.items() if key.is_required]
        return schema | {"required": needed} if needed else schema


class Single(Shape[T]):
    """A mapping with exactly one of several keys, each with a shape of its own: `{fill: …}`, `{generalize: …}`."""

    def __init__(self, what: str, keys: Mapping[str, Shape[T]]) -> None:
        self.what = what
        self.keys = keys

    def read(self, node: Node, reading: Reading) -> T:
        if not isinstance(node, MappingNode):
            raise self.mismatch(node, reading)
        for entry in node.entries:
            if entry.key.text not in self.keys:
                hint = nearest(entry.key.text, self.keys)
                reading.fail("unknown-key", f"{self.what} has no key {shorten(entry.key.text)}", entry.key.at, hint)
        if len(node.entries) != 1:
            reading.fail("one-key", f"{self.what} has exactly one of the keys {', '.join(self.keys)}", node.at)
        with reading.within(node.entries[0].key.text):
            return self.keys[node.entries[0].key.text].read(node.entries[0].value, reading)

    def schema(self, definitions: Definitions) -> Schema:
        properties = {name: shape.schema(definitions) for name, shape in self.keys.items()}
        return {"type": "object", "properties": properties, "additionalProperties": False} | _EXACTLY_ONE


_EXACTLY_ONE: Schema = {"minProperties": 1, "maxProperties": 1}


class ByKind(Shape[T]):
    """Different shapes for a single value, a list and a mapping."""

    def __init__(
        self,
        what: str,
        *,
        scalar: Shape[T] | None = None,
        sequence: Shape[T] | None = None,
        mapping: Shape[T] | None = None,
    ) -> None:
        self.what = what
        self._kinds = {ScalarNode: scalar, SequenceNode: sequence, MappingNode: mapping}

    def read(self, node: Node, reading: Reading) -> T:
        shape = None if isinstance(node, InvalidNode) else self._kinds[type(node)]
        if shape is None or (isinstance(node, ScalarNode) and node.value is None):
            raise self.mismatch(node, reading)
        return shape.read(node, reading)

    def schema(self, definitions: Definitions) -> Schema:
        return {"anyOf": [shape.schema(definitions) for shape in self._kinds.values() if shape is not None]}


class Mapped(Shape[T]):
    """Another shape's value turned into something else, with its position."""

    def __init__(self, inner: Shape[U], change: Callable[[U, Position, Reading], T]) -> None:
        self.what = inner.what
        self._inner = cast("Shape[Any]", inner)
        self._change = cast("Callable[[Any, Position, Reading], T]", change)

    def read(self, node: Node, reading: Reading) -> T:
        return self._change(self._inner.read(node, reading), node.at, reading)

    def schema(self, definitions: Definitions) -> Schema:
        return self._inner.schema(definitions)


class Shared(Shape[T]):
    """A shape with a name in the JSON Schema's `$defs`; made when first needed, so that it may hold itself."""

    def __init__(self, name: str, what: str, make: Callable[[], Shape[T]]) -> None:
        self.what = what
        self._name = name
        self._make = make
        self._made: Shape[T] | None = None

    def read(self, node: Node, reading: Reading) -> T:
        return self._shape().read(node, reading)

    def schema(self, definitions: Definitions) -> Schema:
        if self._name not in definitions:
            definitions[self._name] = {}
            definitions[self._name] = self._shape().schema(definitions)
        return {"$ref": f"#/$defs/{self._name}"}

    def _shape(self) -> Shape[T]:
        if self._made is None:
            self._made = self._make()
        return self._made
