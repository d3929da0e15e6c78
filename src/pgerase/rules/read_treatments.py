"""What is done to columns, read: the treatments of `erase:`, in the order written."""

from __future__ import annotations

from pgerase.errors import Position
from pgerase.rules.basics import ANY_PATH, NAME, SPAN
from pgerase.rules.data_map import (
    Clear,
    DatePart,
    Fill,
    Generalize,
    JsonArray,
    JsonObject,
    JsonValue,
    KeepColumn,
    KeepNoted,
    Redact,
    RemovePaths,
    Template,
    Treatment,
)
from pgerase.rules.names_read import NameProblem
from pgerase.rules.reading import Reading, Unreadable, nearest
from pgerase.rules.shapes import (
    ByKind,
    Choice,
    Definitions,
    Fields,
    ListOf,
    Mapped,
    Record,
    Schema,
    Shape,
    Shared,
    Text,
    Whole,
    defaulted,
    optional,
    required,
)
from pgerase.rules.templates import JSON_PATH, parse_template
from pgerase.rules.yaml_nodes import InvalidNode, MappingNode, Node, ScalarNode, SequenceNode, shorten


class _FillShape(Shape[Treatment]):
    """A value: a scalar, text with `{token}` and `{token:column}`, or JSON."""

    what = "a value to fill in"

    def read(self, node: Node, reading: Reading) -> Treatment:
        value = _json(node, reading)
        if value is None:
            reading.fail("wrong-shape", "nothing to fill in (null)", node.at, "write erase: clear")
        return Fill(value, node.at)

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": ["string", "number", "boolean", "object", "array"]}


def _json(node: Node, reading: Reading) -> JsonValue:
    """A node as JSON, whose texts are templates. Raises Unreadable after everything inside was tried."""
    match node:
        case InvalidNode():
            raise Unreadable
        case MappingNode(entries=entries):
            values = _all_json(tuple(entry.value for entry in entries), reading)
            return JsonObject(tuple(zip((entry.key.text for entry in entries), values, strict=True)))
        case SequenceNode(items=items):
            return JsonArray(_all_json(items, reading))
        case ScalarNode(value=value):
            return _filler(value, node.at, reading) if isinstance(value, str) else value


def _all_json(nodes: tuple[Node, ...], reading: Reading) -> tuple[JsonValue, ...]:
    values: list[JsonValue] = []
    complete = True
    for node in nodes:
        try:
            values.append(_json(node, reading))
        except Unreadable:
            complete = False
    if not complete:
        raise Unreadable
    return tuple(values)


def _filler(text: str, at: Position, reading: Reading) -> Template:
    try:
        template = parse_template(text, at)
    except NameProblem as problem:
        reading.fail("malformed", f"this filler cannot be read: {problem}", at, problem.hint)
    for placeholder in template.placeholders:
        if placeholder.name != "token":
            hint = "{token} is one a person, {token:column} one a value of that column; a brace of the text is doubled"
            reading.fail("unknown-placeholder", f"a filler has no placeholder {shorten(placeholder.name)}", at, hint)
    return template


class _Generalized(Shape[DatePart | int]):
    what = "year, month or a number of characters"
    _words = Choice[DatePart | int]({part.value: part for part in DatePart})
    _count = Whole(1)

    def read(self, node: Node, reading: Reading) -> DatePart | int:
        if isinstance(node, ScalarNode) and isinstance(node.value, str):
            return self._words.read(node, reading)
        return self._count.read(node, reading)

    def schema(self, definitions: Definitions) -> Schema:
        return {"anyOf": [self._words.schema(definitions), self._count.schema(definitions)]}


_REDACT: Shape[Treatment] = ByKind(
    "identifiers, or a list of them",
    scalar=Mapped(Choice({"identifiers": None}), lambda _, at, __: Redact(None, at)),
    sequence=Mapped(ListOf(Text("the name of an identifier")), lambda names, at, _: Redact(names, at)),
)
EXEMPTION = required("exemption", Text("the ground"), "The ground in Art. 17(3) or elsewhere, or that none applies.")
LAW = required("law", Text("the law"), "The law that demands it.")
FROM = optional("from", ANY_PATH, "The date it runs from; left out: the erasure.")
FOR = required("for", SPAN, "How long.")


class _Treatments(Shape[tuple[Treatment, ...]]):
    """`clear`, `keep`, or a mapping from treatments to what they need, done in that order."""

    what = "clear, keep, or a mapping with fill, generalize, redact, paths or keep"

    def read(self, node: Node, reading: Reading) -> tuple[Treatment, ...]:
        if isinstance(node, ScalarNode) and node.value is not None:
            word = _WORDS.read(node, reading)
            return (Clear(node.at) if word == "clear" else KeepNoted(node.at),)
        if not isinstance(node, MappingNode):
            raise self.mismatch(node, reading)
        if not node.entries:
            reading.fail("too-few", f"expected {self.what}, found nothing", node.at)
        done: list[Treatment] = []
        complete = True
        for entry in node.entries:
            word = entry.key.text
            shape = _SHAPES.get(word)
            if shape is None:
                hint = "write erase: clear" if word == "clear" else nearest(word, _SHAPES)
                reading.error("unknown-key", f"there is no treatment {shorten(word)}", entry.key.at, hint)
                complete = False
                continue
            with reading.within(word):
                try:
                    done.append(shape.read(entry.value, reading))
                except Unreadable:
                    complete = False
            if word == "keep" and len(node.entries) > 1:
                message = "keep stands alone: what is kept is not treated"
                reading.error("keep-and-more", message, entry.key.at, "what comes after it ends is said by then:")
        if not complete:
            raise Unreadable
        return tuple(done)

    def schema(self, definitions: Definitions) -> Schema:
        properties = {word: shape.schema(definitions) for word, shape in _SHAPES.items()}
        mapping: Schema = {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
            "minProperties": 1,
        }
        return {"anyOf": [_WORDS.schema(definitions), mapping]}


TREATMENTS: Shape[tuple[Treatment, ...]] = Shared("treatments", _Treatments.what, _Treatments)
_WORDS = Choice({"clear": "clear", "keep": "keep"})
_VISIBLE_TO = defaulted("visible_to", ListOf(NAME), (), "Who may read it in the vault; left out: it stays in place.")
_THEN = defaulted("then", TREATMENTS, (), "What is done when it ends; default: clear.")


def _kept(fields: Fields) -> Treatment:
    return KeepColumn(
        exemption=fields[EXEMPTION],
        law=fields[LAW],
        start=fields[FROM],
        period=fields[FOR],
        visible_to=fields[_VISIBLE_TO],
        then=fields[_THEN],
        at=fields.at,
    )


_SHAPES: dict[str, Shape[Treatment]] = {
    "fill": _FillShape(),
    "generalize": Mapped(_Generalized(), lambda to, at, _: Generalize(to, at)),
    "redact": _REDACT,
    "paths": Mapped(ListOf(JSON_PATH), lambda paths, at, _: RemovePaths(paths, at)),
    "keep": Record("keep", (EXEMPTION, LAW, FROM, FOR, _VISIBLE_TO, _THEN), _kept),
}
