"""Conditions, read: the operators and operands in one table each, and what may be used in which place (`Scope`).

`{use: name}` and lettered terms are expanded here, within a budget, so that nobody after this module has to.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgerase.errors import Position
from pgerase.rules import logic as lettered
from pgerase.rules.basics import ANY_PATH, FORWARD_PATH, SPAN
from pgerase.rules.conditions import (
    All,
    AnyOf,
    Can,
    Condition,
    HasConsent,
    InGroup,
    IsRole,
    LiteralList,
    Not,
    Operand,
    Operator,
    Range,
    RelativeTime,
    RowRef,
    Span,
    SubjectRef,
    Test,
    ViewerRef,
    walk,
)
from pgerase.rules.names import BackStep, Path
from pgerase.rules.names_read import parse_name
from pgerase.rules.operators import ACTIONS, FLAG, LISTS, LITERAL, LITERALS, PRESENCE, TEXT_SEARCH, condition_schema
from pgerase.rules.reading import Reading, Unreadable, nearest
from pgerase.rules.scopes import NAMED, NARROWING, Scope
from pgerase.rules.shapes import (
    Choice,
    Definitions,
    ListOf,
    OneOrMany,
    Parsed,
    Schema,
    Shape,
    Text,
)
from pgerase.rules.yaml_nodes import Entry, InvalidNode, MappingNode, Node, ScalarNode, SequenceNode, describe, shorten

MAXIMUM_DEPTH = 64
MAXIMUM_EXPANSION = 50_000


_LATER_WORDS = ("restriction", "support")
_REFERENCES = ("viewer", "row", "ago", "ahead", "subject")
_OPERATORS = {operator.value: operator for operator in Operator}


class ConditionShape(Shape[Condition]):
    """A condition, for one scope."""

    what = "a condition"

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def read(self, node: Node, reading: Reading) -> Condition:
        """The tree. Raises Unreadable; so does a `role` that is not the whole condition."""
        condition = _Reader(self._scope, reading).condition(node)
        if not isinstance(condition, IsRole):
            for part in walk(condition):
                if isinstance(part, IsRole) and self._scope is not NAMED:
                    reading.fail("role-not-alone", "role must be the only thing in who", part.at, _ROLE_HINT)
        return condition

    def schema(self, definitions: Definitions) -> Schema:
        if "condition" not in definitions:
            definitions["condition"] = {}
            definitions["condition"] = condition_schema(definitions)
        return {"$ref": "#/$defs/condition"}


_ROLE_HINT = "a role is for sessions without a person; put what the rows must be into rows"


class _Reader:
    def __init__(self, scope: Scope, reading: Reading) -> None:
        self._scope = scope
        self._reading = reading
        self._path = ANY_PATH if scope.backwards else FORWARD_PATH

    def condition(self, node: Node) -> Condition:
        reading = self._reading
        if not isinstance(node, MappingNode):
            hint = "a list of conditions is written all: […] or any: […]" if isinstance(node, SequenceNode) else ""
            raise ConditionShape(self._scope).mismatch(node, reading, hint)
        if not node.entries:
            reading.fail(
                "empty-condition",
                "an empty condition would hold for everything",
                node.at,
                "leave the key out to say so",
            )
        if reading.depth >= MAXIMUM_DEPTH:
            reading.fail("condition-too-deep", f"conditions are nested more than {MAXIMUM_DEPTH} deep", node.at)
        if reading.uses:
            reading.expanded += len(node.entries)
            if reading.expanded > MAXIMUM_EXPANSION:
                message = f"the named conditions expand to more than {MAXIMUM_EXPANSION} terms"
                if not reading.is_exhausted:
                    reading.error("condition-too-large", message, node.at, "use fewer, or smaller ones")
                reading.is_exhausted = True
                raise Unreadable
        reading.depth += 1
        try:
            return self._terms(node)
        finally:
            reading.depth -= 1

    def _terms(self, node: MappingNode) -> Condition:
        terms: list[Condition] = []
        complete = True
        for entry in node.entries:
            if entry.key.text == "logic":
                complete &= self._has_terms(node, entry)
                continue
            try:
                terms.append(self._entry(node, entry))
            except Unreadable:
                complete = False
        if not complete:
            raise Unreadable
        return terms[0] if len(terms) == 1 else All(tuple(terms), node.at)

    def _has_terms(self, node: MappingNode, entry: Entry) -> bool:
        if node.get("terms") is None:
            self._reading.error(
                "missing-key", "logic needs the terms it speaks of", entry.key.at, "terms: {A: …, B: …}"
            )
        return node.get("terms") is not None

    def _entry(self, node: MappingNode, entry: Entry) -> Condition:
        word, at = entry.key.text, entry.key.at
        match word:
            case "all":
                return All(self._several(entry), at)
            case "any":
                return AnyOf(self._several(entry), at)
            case "not":
                return Not(self.condition(entry.value), at)
            case "use":
                return self._use(entry)
            case "terms":
                return self._lettered(node, entry)
            case "group" | "role" if self._scope.person or self._is_named_person_word(entry):
                return self._person(entry)
            case "consent" if self._scope.consent and (self._scope is not NAMED or isinstance(entry.value, ScalarNode)):
                return HasConsent(Text("a purpose").read(entry.value, self._reading), at)
            case _:
                if word in _LATER_WORDS and self._scope.consent and self._scope is not NAMED:
                    hint = f"a column of that name is written '\"{word}\"'"
                    self._reading.fail("reserved-word", f"{word} is reserved and means nothing yet", at, hint)
                return self._test(entry)

    def _is_named_person_word(self, entry: Entry) -> bool:
        return self._scope is NAMED and not isinstance(entry.value, MappingNode)

    def _several(self, entry: Entry) -> tuple[Condition, ...]:
        return ListOf(_Nested(self), what="a list of conditions").read(entry.value, self._reading)

    def _use(self, entry: Entry) -> Condition:
        reading = self._reading
        name = Text("the name of a condition").read(entry.value, reading)
        if name not in reading.conditions:
            hint = nearest(name, reading.conditions) or "conditions are named under conditions:"
            reading.fail("unknown-condition", f"there is no condition named {shorten(name)}", entry.value.at, hint)
        chain = [used for used, _ in reading.uses]
        if name in chain:
            circle = " → ".join([*chain[chain.index(name) :], name])
            reading.fail("condition-circle", f"conditions use each other in a circle: {circle}", entry.value.at)
        reading.uses.append((name, entry.value.at))
        try:
            return self.condition(reading.conditions[name])
        finally:
            reading.uses.pop()

    def _lettered(self, node: MappingNode, entry: Entry) -> Condition:
        reading = self._reading
        logic = node.get("logic")
        if logic is None:
            hint = 'logic: "A and (B or not C)"; without it, use all: or any:'
            reading.fail("missing-key", "terms needs the logic that joins them", entry.key.at, hint)
        if not isinstance(entry.value, MappingNode):
            reading.fail(
                "wrong-shape",
                f"expected a mapping from letters to conditions, found {describe(entry.value)}",
                entry.value.at,
            )
        terms = {
            term.key.text: reading.attempt(lambda term=term: self.condition(term.value)) for term in entry.value.entries
        }
        text = Text("an expression of letters").read(logic.value, reading)
        try:
            tree = lettered.parse_logic(text, negation=True)
        except lettered.LogicProblem as problem:
            reading.fail("malformed", f"this is no logic: {problem}", logic.value.at)
        used = lettered.names_in(tree)
        complete = all(term is not None for term in terms.values())
        for name in dict.fromkeys(used):
            if name not in terms:
                reading.error(
                    "unknown-term",
                    f"logic names {shorten(name)}, which is not among the terms",
                    logic.value.at,
                    nearest(name, terms),
                )
                complete = False
        for term in entry.value.entries:
            if term.key.text not in used:
                reading.error("unused-term", f"the logic does not use the term {shorten(term.key.text)}", term.key.at)
                complete = False
        if not complete:
            raise Unreadable
        return _joined(tree, {name: term for name, term in terms.items() if term is not None}, logic.value.at)

    def _person(self, entry: Entry) -> Condition:
        word, scope, reading = entry.key.text, self._scope, self._reading
        column_hint = f"a column of that name is written '\"{word}\"'"
        if word == "group":
            names = OneOrMany(Text("the name of a group")).read(entry.value, reading)
            if not scope.groups:
                reading.fail("no-groups-here", f"{scope.what} cannot name a group", entry.key.at, column_hint)
            return InGroup(names, entry.key.at)
        names = OneOrMany(Text("the name of a role")).read(entry.value, reading)
        if not scope.role:
            reading.fail(
                "no-role-here", f"{scope.what} cannot name a role: only a rule's who can", entry.key.at, column_hint
            )
        return IsRole(names, entry.key.at)

    def _test(self, entry: Entry) -> Condition:
        reading, at = self._reading, entry.key.at
        path = self._path.read(ScalarNode(entry.key.text, entry.key.text, at), reading)
        value = entry.value
        with reading.within(entry.key.text):
            if isinstance(value, ScalarNode) and value.value is None:
                reading.fail("null-literal", "nothing equals null", value.at, "write {is_null: true}")
            if isinstance(value, ScalarNode):
                self._needs_column(path, at)
                return Test(path, Operator.EQ, LITERAL.read(value, reading), at)
            if isinstance(value, SequenceNode):
                self._needs_column(path, at)
                return Test(path, Operator.IN, self._literals(value), at)
            if isinstance(value, InvalidNode):
                raise Unreadable
            return self._operators(path, value, at)

    def _operators(self, path: Path, node: MappingNode, at: Position) -> Condition:
        if not node.entries:
            self._reading.fail(
                "empty-condition", "an operator is missing", node.at, "write a value, or {operator: value}"
            )
        tests: list[Condition] = []
        complete = True
        for entry in node.entries:
            try:
                tests.append(self._operator(path, entry, at))
            except Unreadable:
                complete = False
        if not complete:
            raise Unreadable
        return tests[0] if len(tests) == 1 else All(tuple(tests), at)

    def _operator(self, path: Path, entry: Entry, at: Position) -> Condition:
        word, reading = entry.key.text, self._reading
        if word == "can":
            if not self._scope.can:
                reading.fail(
                    "no-can-here", f"{self._scope.what} cannot ask what the viewer can do elsewhere", entry.key.at
                )
            return Can(path, ACTIONS.read(entry.value, reading), at)
        if word not in _OPERATORS:
            hint = f"write {{eq: {{{word}: …}}}}" if word in _REFERENCES else nearest(word, [*_OPERATORS, "can"])
            reading.fail("unknown-operator", f"there is no operator {shorten(word)}", entry.key.at, hint)
        self._needs_column(path, at)
        operator = _OPERATORS[word]
        if operator in PRESENCE:
            flag = FLAG.read(entry.value, reading)
            return Test(path, operator if flag else PRESENCE[operator], None, at)
        return Test(path, operator, self._operand(operator, entry.value), at)

    def _needs_column(self, path: Path, at: Position) -> None:
        last = path.steps[-1]
        if isinstance(last, BackStep) or len(last.columns) != 1:
            self._reading.fail("no-column", f"{path} does not end in a single column", at, "test each column by itself")

    def _operand(self, operator: Operator, node: Node) -> Operand:
        reading = self._reading
        if operator is Operator.BETWEEN:
            if not isinstance(node, SequenceNode) or len(node.items) != 2:
                reading.fail("wrong-operand", "between needs a list of two: the lowest and the highest", node.at)
            low, high = (reading.attempt(lambda end=end: self._single(end)) for end in node.items)
            if low is None or high is None:
                raise Unreadable
            return Range(low, high, node.at)
        if isinstance(node, SequenceNode):
            if operator not in LISTS | TEXT_SEARCH:
                better = "not_in" if operator is Operator.NE else "in"
                reading.fail("wrong-operand", f"{operator} takes a single value, not a list", node.at, f"use {better}")
            return self._literals(node)
        if operator in LISTS and (isinstance(node, ScalarNode) or _is_time(node)):
            hint = f"write [{shorten(node.text)}]" if isinstance(node, ScalarNode) and node.value is not None else ""
            reading.fail("wrong-operand", f"{operator} takes a list, not {describe(node)}", node.at, hint)
        if operator in TEXT_SEARCH and _is_time(node):
            reading.fail("wrong-operand", f"{operator} takes text, not a time", node.at)
        return self._single(node)

    def _literals(self, node: SequenceNode) -> LiteralList:
        for item in node.items:
            if isinstance(item, MappingNode):
                hint = "join two tests with any:, or give the reference alone"
                self._reading.fail("wrong-operand", "a list holds values only, no references", item.at, hint)
            if isinstance(item, ScalarNode) and item.value is None:
                hint = "add the test {is_null: true} with any:"
                self._reading.fail("null-literal", "a list holds no null: nothing equals it", item.at, hint)
        return LiteralList(LITERALS.read(node, self._reading), node.at)

    def _single(self, node: Node) -> Operand:
        if not isinstance(node, MappingNode):
            if isinstance(node, ScalarNode) and node.value is None:
                self._reading.fail("null-literal", "nothing equals null", node.at, "write {is_null: true}")
            return LITERAL.read(node, self._reading)
        return self._reference(node)

    def _reference(self, node: MappingNode) -> Operand:
        reading, scope = self._reading, self._scope
        kinds = [entry for entry in node.entries if entry.key.text in _REFERENCES]
        for entry in node.entries:
            if entry not in kinds and not (entry.key.text == "where" and node.get("viewer")):
                hint = nearest(entry.key.text, _REFERENCES)
                reading.fail("unknown-operand", f"there is no operand {shorten(entry.key.text)}", entry.key.at, hint)
        if len(kinds) != 1:
            reading.fail(
                "unknown-operand", f"an operand is a value or exactly one of {', '.join(_REFERENCES)}", node.at
            )
        word, value = kinds[0].key.text, kinds[0].value
        allowed = {"viewer": scope.viewer, "row": scope.row, "subject": scope.subject}
        if not allowed.get(word, True):
            reading.fail(
                "operand-not-here", f"{scope.what} cannot refer to {{{word}: …}}", kinds[0].key.at, _WHY_NOT[word]
            )
        match word:
            case "viewer":
                where = node.get("where")
                narrowed = None if where is None else ConditionShape(NARROWING).read(where.value, reading)
                return ViewerRef(_ATTRIBUTE.read(value, reading), narrowed, node.at)
            case "row":
                path = self._path.read(value, reading)
                self._needs_column(path, value.at)
                return RowRef(path, node.at)
            case "subject":
                Choice({"key": "key"}).read(value, reading)
                return SubjectRef(node.at)
            case _:
                span: Span = SPAN.read(value, reading)
                return RelativeTime(span, -1 if word == "ago" else 1, node.at)


_ATTRIBUTE = Parsed("the name of an attribute; lookups are declared under viewers.attributes", parse_name)
_WHY_NOT = {
    "viewer": "it does not depend on who looks",
    "row": "it has no row of a resource to look at",
    "subject": "only data maps know the people of a request",
}


@dataclass(frozen=True, slots=True)
class _Nested(Shape[Condition]):
    """A condition inside another one, in the same scope."""

    reader: _Reader
    what = "a condition"

    def read(self, node: Node, reading: Reading) -> Condition:
        return self.reader.condition(node)

    def schema(self, definitions: Definitions) -> Schema:
        return {"$ref": "#/$defs/condition"}


def _is_time(node: Node) -> bool:
    return isinstance(node, MappingNode) and any(entry.key.text in ("ago", "ahead") for entry in node.entries)


def _joined(tree: lettered.Logic, terms: dict[str, Condition], at: Position) -> Condition:
    match tree:
        case lettered.Name(name):
            return terms[name]
        case lettered.Negation(part):
            return Not(_joined(part, terms, at), at)
        case lettered.Conjunction(parts):
            return All(tuple(_joined(part, terms, at) for part in parts), at)
        case lettered.Disjunction(parts):
            return AnyOf(tuple(_joined(part, terms, at) for part in parts), at)


class NamedConditions(Shape[None]):
    """`conditions:`: each is checked by itself, used or not, and remembered for `{use: name}`."""

    what = "a mapping from names to conditions"

    def read(self, node: Node, reading: Reading) -> None:
        if not isinstance(node, MappingNode):
            raise self.mismatch(node, reading)
        reading.conditions = {entry.key.text: entry.value for entry in node.entries}
        for entry in node.entries:
            with reading.within(entry.key.text):
                reading.uses.append((entry.key.text, None))
                reading.attempt(lambda value=entry.value: ConditionShape(NAMED).read(value, reading))
                reading.uses.pop()

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "object", "additionalProperties": ConditionShape(NAMED).schema(definitions)}
