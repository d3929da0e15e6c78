"""Shapes that every rule file uses: names, paths, lengths of time, the version."""

from __future__ import annotations

from pgerase.rules.conditions import Span
from pgerase.rules.names_read import (
    parse_name,
    parse_path,
    parse_span,
    parse_step,
    parse_table,
    parse_table_columns,
    span_hint,
)
from pgerase.rules.reading import Reading
from pgerase.rules.shapes import Definitions, OneOrMany, Parsed, Schema, Shape, optional, required
from pgerase.rules.yaml_nodes import Node, ScalarNode, describe

NAME = Parsed("a name", parse_name)
NAMES = OneOrMany(NAME)
TABLE = Parsed("a table", parse_table)
TABLE_COLUMNS = Parsed("columns of a table", parse_table_columns)
STEP = Parsed("a lookup column", parse_step)
FORWARD_PATH = Parsed("a column or a dotted lookup", lambda text: parse_path(text, backwards=False))
ANY_PATH = Parsed("a path", lambda text: parse_path(text, backwards=True))


class SpanShape(Parsed[Span]):
    """A length of time, of which a number alone says nothing."""

    def read(self, node: Node, reading: Reading) -> Span:
        if isinstance(node, ScalarNode) and isinstance(node.value, int) and not isinstance(node.value, bool):
            raise self.mismatch(node, reading, span_hint(node.text))
        return super().read(node, reading)


SPAN = SpanShape("a length of time", parse_span, r"^[0-9]+ [a-z]+( [0-9]+ [a-z]+)*$")


class Version(Shape[int]):
    """The version of the grammar: 1."""

    what = "the version 1"

    def read(self, node: Node, reading: Reading) -> int:
        if not isinstance(node, ScalarNode) or node.text != "1" or node.value != 1:
            message = f"this release reads version 1, not {describe(node)}"
            reading.fail("wrong-version", message, node.at, "write version: 1")
        return 1

    def schema(self, definitions: Definitions) -> Schema:
        return {"const": 1}


_SUMMARY = "The version of this grammar: 1."
VERSION = required("version", Version(), _SUMMARY)
OPTIONAL_VERSION = optional("version", Version(), _SUMMARY)
