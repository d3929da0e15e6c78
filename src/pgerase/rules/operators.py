"""The operators of conditions and what they take, as tables for the reader, and as the JSON Schema of a condition."""

from __future__ import annotations

from pgerase.rules.basics import SPAN
from pgerase.rules.conditions import Action, Operator
from pgerase.rules.shapes import Choice, Definitions, Flag, ListOf, LiteralValue, Schema, Text

ACTIONS = Choice({action.value: action for action in Action})
LITERAL = LiteralValue()
LITERALS = ListOf(LITERAL, minimum=0)
FLAG = Flag()
LISTS = frozenset({Operator.IN, Operator.NOT_IN, Operator.OVERLAPS})
TEXT_SEARCH = frozenset({Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH})
PRESENCE = {Operator.IS_NULL: Operator.IS_SET, Operator.IS_SET: Operator.IS_NULL}


def condition_schema(definitions: Definitions) -> Schema:
    """The JSON Schema of any condition; what one place allows and another does not is left to the reader."""
    condition: Schema = {"$ref": "#/$defs/condition"}
    several: Schema = {"type": "array", "items": condition, "minItems": 1}
    definitions["test"] = _test_schema(definitions)
    return {
        "type": "object",
        "minProperties": 1,
        "properties": {
            "all": {"description": "Every one of these holds."} | several,
            "any": {"description": "At least one of these holds."} | several,
            "not": {"description": "This does not hold; unknown stays unknown."} | condition,
            "use": {"description": "A condition named under conditions."} | Text().schema(definitions),
            "terms": {"description": "Conditions by letter.", "type": "object", "additionalProperties": condition},
            "logic": {"description": "How the letters are joined: A and (B or not C)."} | Text().schema(definitions),
        },
        "dependentRequired": {"terms": ["logic"], "logic": ["terms"]},
        "additionalProperties": {"$ref": "#/$defs/test"},
    }


def _test_schema(definitions: Definitions) -> Schema:
    literal = LITERAL.schema(definitions)
    span, text = SPAN.schema(definitions), Text().schema(definitions)
    references = {"viewer": text, "row": text, "ago": span, "ahead": span, "subject": {"const": "key"}}
    definitions["reference"] = {
        "type": "object",
        "properties": references | {"where": {"$ref": "#/$defs/condition"}},
        "dependentRequired": {"where": ["viewer"]},
        "additionalProperties": False,
        "minProperties": 1,
    }
    single: Schema = {"anyOf": [literal, {"$ref": "#/$defs/reference"}]}
    literals = LITERALS.schema(definitions)
    operators: dict[str, Schema] = {}
    for operator in Operator:
        if operator in PRESENCE:
            operators[operator] = FLAG.schema(definitions)
        elif operator is Operator.BETWEEN:
            operators[operator] = {"type": "array", "items": single, "minItems": 2, "maxItems": 2}
        elif operator in LISTS:
            operators[operator] = {"anyOf": [literals, {"$ref": "#/$defs/reference"}]}
        elif operator in TEXT_SEARCH:
            operators[operator] = {"anyOf": [literals, single]}
        else:
            operators[operator] = single
    operators["can"] = {"description": "The viewer may finally do that to the row looked up."} | ACTIONS.schema(
        definitions
    )
    tests: Schema = {"type": "object", "properties": operators, "additionalProperties": False, "minProperties": 1}
    return {"anyOf": [literal, literals, tests]}
