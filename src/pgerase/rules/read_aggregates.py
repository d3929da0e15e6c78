"""`aggregates` of `access.yaml`, read."""

from __future__ import annotations

from pgerase.errors import Position
from pgerase.rules.access import Aggregate, AggregateKey, AggregateValue, Measure
from pgerase.rules.basics import FORWARD_PATH, NAME
from pgerase.rules.names import BackStep, Path
from pgerase.rules.read_conditions import ConditionShape
from pgerase.rules.reading import Reading
from pgerase.rules.scopes import ROWS, WHO
from pgerase.rules.shapes import (
    ByKind,
    Choice,
    Definitions,
    Fields,
    ListOf,
    Mapped,
    MappingOf,
    Record,
    Schema,
    Shape,
    Text,
    Whole,
    defaulted,
    optional,
    required,
)
from pgerase.rules.yaml_nodes import MappingNode, Node, ScalarNode


def _single(path: Path, at: Position, reading: Reading) -> Path:
    last = path.steps[-1]
    if isinstance(last, BackStep) or len(last.columns) != 1:
        reading.fail("no-column", f"{path} does not end in a single column", at)
    return path


_COLUMN = Mapped(FORWARD_PATH, _single)


class _KeyShape(Shape[AggregateKey]):
    """`column`, or `name: lookup.column`."""

    what = "a column, or a mapping from one name to a column or a dotted lookup"

    def read(self, node: Node, reading: Reading) -> AggregateKey:
        if not isinstance(node, MappingNode):
            path = _COLUMN.read(node, reading)
            if path.lookups:
                hint = f"write {{{path.column}: {path}}}, or another name"
                reading.fail(
                    "unnamed-lookup", f"{path} is a lookup: the column that shows it needs a name", node.at, hint
                )
            return AggregateKey(path.column, path, node.at)
        if len(node.entries) != 1:
            reading.fail("one-key", "each of by is a mapping with one key, its name", node.at, "start each with a dash")
        entry = node.entries[0]
        name = NAME.read(ScalarNode(entry.key.text, entry.key.text, entry.key.at), reading)
        with reading.within(name):
            return AggregateKey(name, _COLUMN.read(entry.value, reading), entry.key.at)

    def schema(self, definitions: Definitions) -> Schema:
        named: Schema = {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": _COLUMN.schema(definitions),
        }
        return {"anyOf": [NAME.schema(definitions), named]}


_ROWS_COUNTED = optional("count", Choice({"rows": None}), "How many rows.")
_DISTINCT = optional("distinct", _COLUMN, "How many different values of this.")
_SUM = optional("sum", _COLUMN, "The sum of this number.")
_AVG = optional("avg", _COLUMN, "The average of this number.")
_ROUND_TO = optional("round_to", Whole(2), "What is shown is the nearest multiple of this.")
_REFUSED = {"min": "least", "max": "greatest"}


def _value(fields: Fields) -> AggregateValue:
    given = [key for key in (_ROWS_COUNTED, _DISTINCT, _SUM, _AVG) if fields.has(key)]
    if len(given) != 1:
        fields.reading.fail("one-key", "a value is exactly one of count, distinct, sum and avg", fields.at)
    return AggregateValue("", Measure(given[0].name), fields[given[0]], fields[_ROUND_TO], fields.at)


class _ValueRecord(Record[AggregateValue]):
    """`{sum: column}` and the like; says why there is no least and no greatest."""

    def read(self, node: Node, reading: Reading) -> AggregateValue:
        if isinstance(node, MappingNode):
            for entry in node.entries:
                if entry.key.text in _REFUSED:
                    message = (
                        f"the {_REFUSED[entry.key.text]} of a group is one row's own value, however large the group"
                    )
                    reading.fail("single-value", message, entry.key.at, "use sum or avg")
        return super().read(node, reading)


_VALUE: Shape[AggregateValue] = ByKind(
    "count, or {distinct: column}, {sum: column}, {avg: column}",
    scalar=Mapped(Choice({"count": Measure.COUNT}), lambda measure, at, _: AggregateValue("", measure, None, None, at)),
    mapping=_ValueRecord("a value", (_ROWS_COUNTED, _DISTINCT, _SUM, _AVG, _ROUND_TO), _value),
)

_OF = required("of", Text("the name of a resource"), "The resource whose rows are counted.")
_WHO = required("who", ConditionShape(WHO), "Which viewers see it.")
_BY = defaulted("by", ListOf(_KeyShape()), (), "What rows are grouped by; left out: all are one group.")
_ROWS = optional("rows", ConditionShape(ROWS), "Which rows count; left out: all.")
_VALUES = required(
    "values", MappingOf(NAME, _VALUE, what="a mapping from names to what is shown"), "What is shown of a group."
)
_AT_LEAST = required("at_least", Whole(2), "Groups of fewer are not shown.")
_EACH = optional("each", _COLUMN, "The size of a group counts different values of this (people), not rows.")


def _aggregate(fields: Fields) -> Aggregate:
    return Aggregate(
        name="",
        resource=fields[_OF],
        who=fields[_WHO],
        by=fields[_BY],
        rows=fields[_ROWS],
        values=tuple(
            AggregateValue(item.key, item.value.measure, item.value.path, item.value.round_to, item.at)
            for item in fields[_VALUES]
        ),
        at_least=fields[_AT_LEAST],
        each=fields[_EACH],
        at=fields.at,
    )


AGGREGATE = Record("an aggregate", (_OF, _WHO, _BY, _ROWS, _VALUES, _AT_LEAST, _EACH), _aggregate)
