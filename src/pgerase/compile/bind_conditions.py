"""Binds conditions: attributes become values, literals typed ones, operators are checked against types and collations."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pgerase.catalog.model import Catalog, Table
from pgerase.compile import bound
from pgerase.compile.bind_names import NameBinder, Unbound, nearest
from pgerase.compile.bound import Side
from pgerase.compile.types import ValueType, literal, type_of
from pgerase.errors import Position
from pgerase.rules import access, conditions
from pgerase.rules.access import AccessRules
from pgerase.rules.conditions import Operator
from pgerase.rules.names import Path, Step

_ORDERED = {Operator.LT, Operator.LE, Operator.GT, Operator.GE, Operator.BETWEEN}
_SUBSTRING = {Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH}
_NULL_TESTS = {Operator.IS_NULL, Operator.IS_SET}


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a condition stands: whose attributes bare names are, and what else may be named."""

    side: Side
    table: Table
    person: bool = False
    row: Table | None = None
    can: bool = False


class ConditionBinder(NameBinder):
    """Conditions of one set of rules. `viewers_table` and `attributes` have to be filled before people are asked about."""

    def __init__(self, rules: AccessRules, catalog: Catalog) -> None:
        super().__init__(catalog)
        self.rules = rules
        self.viewers_table: Table | None = None
        self.relations: dict[str, bound.Relation] = {}
        self.relations_open: list[str] = []
        self.attributes: dict[str, access.Attribute] = {}
        self.tables: dict[str, Table] = {}

    # Attributes of people ---------------------------------------------------------------------------------------

    def person_value(self, name: str, at: Position, narrowed: bound.BoundCondition = bound.HOLDS) -> bound.Value:
        table = self.people_table(at)
        if name == "key":
            assert self.rules.viewers is not None
            column = self.column(table, self.rules.viewers.key, self.rules.viewers.at)
            return bound.ColumnValue(Side.PERSON, (), column.name, type_of(column))
        declared = self.attributes.get(name)
        if isinstance(declared, access.RelationAttribute):
            return bound.RelationValue(self.relation(declared), narrowed)
        if narrowed != bound.HOLDS:
            raise self.fail("where-without-relation", name, f"{name} is no relation, so `where` cannot narrow it", at)
        if isinstance(declared, access.LookupAttribute):
            return self.path(Side.PERSON, table, declared.path, declared.at)
        column = table.column(name)
        if column is None:
            known = [*self.attributes, *(c.name for c in table.columns)]
            hint = nearest(name, known) or "Lookups and relations are declared under viewers.attributes."
            raise self.fail("unknown-attribute", name, f"viewers have no attribute {name}", at, hint)
        return bound.ColumnValue(Side.PERSON, (), column.name, type_of(column))

    def people_table(self, at: Position) -> Table:
        if self.viewers_table is None:
            raise self.fail("no-viewers", "viewers", "this needs a viewers section that can be bound", at)
        return self.viewers_table

    def relation(self, declared: access.RelationAttribute) -> bound.Relation:
        if declared.name in self.relations:
            return self.relations[declared.name]
        if declared.name in self.relations_open:
            circle = " → ".join([*self.relations_open, declared.name])
            raise self.fail(
                "circular-relation", declared.name, f"relations use each other in a circle: {circle}", declared.at
            )
        self.relations_open.append(declared.name)
        try:
            table = self.table(declared.table, declared.at)
            column = self.column(table, declared.value, declared.at)
            where = self.condition(declared.where, Scope(Side.MEMBER, table, person=True))
            below = None
            if declared.below is not None:
                tree = self.table(declared.below.table, declared.at)
                if len(tree.primary_key) != 1 or len(declared.below.columns) != 1:
                    raise self.fail(
                        "tree-without-key",
                        str(tree.name),
                        f"`below` needs {tree.name} to have a primary key of one column",
                        declared.at,
                    )
                self.column(tree, declared.below.columns[0], declared.at)
                below = bound.Below(tree.name, tree.primary_key[0], declared.below.columns[0])
            value = type_of(column)
            if value.many:
                raise self.fail(
                    "array-in-relation",
                    declared.name,
                    f"{declared.value} is an array; a relation has one value a row",
                    declared.at,
                )
            self.relations[declared.name] = bound.Relation(
                declared.name, table.name, where, declared.value, replace(value, many=True), below
            )
        finally:
            self.relations_open.pop()
        return self.relations[declared.name]

    # Conditions ---------------------------------------------------------------------------------------------------

    def condition(self, condition: conditions.Condition | None, scope: Scope) -> bound.BoundCondition:
        match condition:
            case None:
                return bound.HOLDS
            case conditions.All(terms):
                return bound.BAll(self.several(terms, scope))
            case conditions.AnyOf(terms):
                return bound.BAny(self.several(terms, scope))
            case conditions.Not(term):
                return bound.BNot(self.condition(term, scope))
            case conditions.Test():
                return self.test(condition, scope)
            case conditions.InGroup(names):
                return bound.BInGroup(names)
            case conditions.Can():
                return self.can(condition, scope)
            case conditions.HasConsent(purpose, at):
                raise self.not_yet(f"consent: {purpose}", at)
            case conditions.IsRole(names, at):
                raise self.fail("role-in-condition", ", ".join(names), "`role` stands alone in a rule's `who`", at)

    def several(self, terms: tuple[conditions.Condition, ...], scope: Scope) -> tuple[bound.BoundCondition, ...]:
        """Bind every term, so that each one's problems are reported; fail afterwards if any did."""
        made = [self.attempt(lambda term=term: self.condition(term, scope)) for term in terms]
        if any(one is None for one in made):
            raise Unbound
        return tuple(one for one in made if one is not None)

    def can(self, condition: conditions.Can, scope: Scope) -> bound.BoundCondition:
        if not scope.can:
            raise self.fail(
                "can-here", str(condition.path), "`can` belongs in the rows of a rule or requirement", condition.at
            )
        hops, end = self.follow(scope.table, condition.path.steps, condition.at)
        resource = next((name for name, table in self.tables.items() if table.name == end.name), None)
        if resource is None:
            raise self.fail(
                "no-resource",
                str(end.name),
                f"{condition.path} leads to {end.name}, which is no resource",
                condition.at,
            )
        return bound.BCan(hops, resource, condition.action)

    def left(self, path: Path, scope: Scope, at: Position) -> bound.Value:
        if scope.side is Side.PERSON and len(path.steps) == 1:
            step = path.steps[0]
            if isinstance(step, Step) and len(step.columns) == 1:
                name = step.columns[0]
                # A bare `key` is a column of that name: only {viewer: key} means the viewer's key (31).
                if name == "key":
                    return self.path(Side.PERSON, scope.table, path, at)
                return self.person_value(name, at)
        return self.path(scope.side, scope.table, path, at)

    def test(self, test: conditions.Test, scope: Scope) -> bound.BTest:
        left = self.left(test.path, scope, test.at)
        subject, operator = str(test.path), test.operator
        if operator in _NULL_TESTS:
            if isinstance(left, bound.RelationValue):
                raise self.fail("null-relation", subject, f"{subject} is a relation: a set, never null", test.at)
            return bound.BTest(left, operator, None)
        self.check_operator(left.type, operator, subject, test.at)
        if operator is Operator.BETWEEN:
            assert isinstance(test.operand, conditions.Range)
            low = self.operand(test.operand.low, left.type, operator, scope, subject)
            high = self.operand(test.operand.high, left.type, operator, scope, subject)
            if low.type.many or high.type.many:
                raise self.fail("many-in-between", subject, "between needs one low and one high value", test.at)
            return bound.BTest(left, operator, (low, high))
        assert test.operand is not None
        right = self.operand(test.operand, left.type, operator, scope, subject)
        if operator is Operator.OVERLAPS and not (left.type.many or right.type.many):
            raise self.fail("overlaps-of-single", subject, "overlaps needs many values on one side", test.at)
        return bound.BTest(left, operator, right)

    def check_operator(self, wanted: ValueType, operator: Operator, subject: str, at: Position) -> None:
        if operator in _ORDERED:
            if not wanted.is_ordered:
                raise self.fail("unordered-type", subject, f"{operator} is not defined for {wanted.base}", at)
            if wanted.is_text and not wanted.collation_is_c:
                raise self.fail(
                    "collation", subject, f"{operator} on text needs collation C; another language's order may hide rows", at,
                    'Give the column collation "C", or compare with eq and in.',
                )  # fmt: skip
        elif not wanted.collation_deterministic:
            raise self.fail("collation", subject, f"{operator} needs a deterministic collation", at)
        if operator in _SUBSTRING and not wanted.is_text and not (operator is Operator.CONTAINS and wanted.many):
            raise self.fail(
                "not-text",
                subject,
                f"{operator} is for text{' and arrays' if operator is Operator.CONTAINS else ''}",
                at,
            )

    def operand(
        self, operand: conditions.Operand, wanted: ValueType, operator: Operator, scope: Scope, subject: str
    ) -> bound.Value:
        match operand:
            case conditions.Literal():
                return bound.Constant((self.literal(operand, wanted, subject),), wanted.one())
            case conditions.LiteralList(items):
                made = tuple(self.literal(item, wanted, subject) for item in items)
                return bound.Constant(made, replace(wanted, many=True))
            case conditions.ViewerRef(attribute, where, at):
                if not scope.person and scope.side is not Side.PERSON:
                    raise self.fail("viewer-here", attribute, "{viewer: …} has no meaning here", at)
                narrowed = bound.HOLDS
                declared = self.attributes.get(attribute)
                if where is not None:
                    if not isinstance(declared, access.RelationAttribute):
                        raise self.fail(
                            "where-without-relation",
                            attribute,
                            f"{attribute} is no relation, so `where` cannot narrow it",
                            at,
                        )
                    table = self.table(declared.table, declared.at)
                    narrowed = self.condition(where, Scope(Side.MEMBER, table, person=True, row=scope.row))
                return self.comparable(self.person_value(attribute, at, narrowed), wanted, operator, subject, at)
            case conditions.RowRef(path, at):
                if scope.row is None:
                    raise self.fail("row-here", str(path), "{row: …} has no meaning here", at)
                return self.comparable(self.path(Side.ROW, scope.row, path, at), wanted, operator, subject, at)
            case conditions.RelativeTime():
                if not wanted.is_time:
                    raise self.fail(
                        "not-a-time",
                        subject,
                        f"{subject} is {wanted.base}; ago and ahead need a date or timestamp",
                        operand.at,
                    )
                return bound.Computed(_moment(operand, wanted), wanted.one())
            case conditions.SubjectRef(at):
                raise self.fail("subject-here", subject, "{subject: key} belongs in data maps", at)
            case conditions.Range(at=at):
                raise self.fail("range-here", subject, f"{operator} does not take two values", at)

    def comparable(
        self, value: bound.Value, wanted: ValueType, operator: Operator, subject: str, at: Position
    ) -> bound.Value:
        if value.type.family != wanted.family:
            raise self.fail(
                "type-mismatch", subject, f"{subject} is {wanted.base}, compared with {value.type.base}", at
            )
        if not value.type.collation_deterministic:
            raise self.fail("collation", subject, "comparing needs a deterministic collation on both sides", at)
        if operator in _ORDERED and value.type.is_text and not value.type.collation_is_c:
            raise self.fail("collation", subject, f"{operator} on text needs collation C on both sides", at)
        return value

    def literal(self, value: conditions.Literal, wanted: ValueType, subject: str) -> str:
        made = literal(value.value, wanted)
        if made is None:
            raise self.fail(
                "bad-literal", subject, f"{value.value!r} is no {wanted.base}, which {subject} is", value.at
            )
        return made


def _moment(relative: conditions.RelativeTime, wanted: ValueType) -> str:
    """statement_timestamp() moved in UTC by calendar months, days and seconds, as docs/meaning.md (25) says."""
    span = relative.span
    parts = [
        f"{n} {unit}" for n, unit in ((span.months, "months"), (span.days, "days"), (span.seconds, "seconds")) if n
    ]
    sign = "-" if relative.sign < 0 else "+"
    local = f"(statement_timestamp() at time zone 'UTC' {sign} interval '{' '.join(parts) or '0 seconds'}')"
    if wanted.base == "timestamp with time zone":
        return f"({local} at time zone 'UTC')"
    if wanted.base == "date":
        return f"{local}::date"
    return local
