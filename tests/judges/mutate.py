"""Systematic mutants of generated SQL: one small change each, made in the syntax tree as PostgreSQL parses it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType, BoolTestType
from pglast.stream import RawStream
from pglast.visitors import Visitor

_BOUND = 2147483647
"""The ends of what a key may be: a literal of this size is no part of a rule."""


@dataclass(frozen=True)
class Mutant:
    """What was changed, the part as it was, and the whole with the change."""

    operator: str
    was: str
    sql: str


def expressions(text: str, choose: Callable[[int], Iterable[int]] = range) -> Iterator[Mutant]:
    """All mutants of a condition, or those that are chosen when it is known how many there are."""
    for one in queries(f"select {text}", choose):
        yield Mutant(one.operator, one.was, one.sql.removeprefix("SELECT "))


def queries(text: str, choose: Callable[[int], Iterable[int]] = range) -> Iterator[Mutant]:
    """All mutants of a query, or those that are chosen."""
    counting = _Change(sys.maxsize)
    counting(parse_sql(text))
    for number in choose(sys.maxsize - counting.left):
        tree = parse_sql(text)
        change = _Change(number)
        changed = change(tree)
        assert change.operator is not None
        yield Mutant(change.operator, change.was, RawStream()(changed or tree))


_NEGATED = {
    "=": "<>",
    "<>": "=",
    "<": ">=",
    ">=": "<",
    ">": "<=",
    "<=": ">",
}
_OTHER_TEST = {
    BoolTestType.IS_TRUE: BoolTestType.IS_NOT_TRUE,
    BoolTestType.IS_NOT_TRUE: BoolTestType.IS_TRUE,
    BoolTestType.IS_FALSE: BoolTestType.IS_NOT_FALSE,
    BoolTestType.IS_NOT_FALSE: BoolTestType.IS_FALSE,
    BoolTestType.IS_UNKNOWN: BoolTestType.IS_NOT_UNKNOWN,
    BoolTestType.IS_NOT_UNKNOWN: BoolTestType.IS_UNKNOWN,
}


class _Change(Visitor):
    """Makes the change of that number, counted in the order in which changes are met; `operator` stays None after the last, and `left` is
    how many more would have been met before it.
    """

    def __init__(self, number: int) -> None:
        self.left = number
        self.operator: str | None = None
        self.was = ""

    @staticmethod
    def _query_of(ancestors) -> ast.Node:
        """The innermost query."""
        while not isinstance(ancestors.node, ast.SelectStmt):
            ancestors = ancestors.parent
        return ancestors.node

    @staticmethod
    def _part_of(ancestors, node: ast.Node) -> ast.Node:
        """The comparison or call that a value stands in: what is changed, since the same value elsewhere is another matter."""
        while ancestors is not None and ancestors.node is not None:
            if isinstance(ancestors.node, ast.A_Expr | ast.FuncCall):
                return ancestors.node
            if isinstance(ancestors.node, ast.SelectStmt):
                break
            ancestors = ancestors.parent
        return node

    def _due(self, operator: str, node: ast.Node) -> bool:
        """Whether this is the one."""
        if self.operator is not None:
            return False
        if self.left:
            self.left -= 1
            return False
        self.operator, self.was = operator, RawStream()(node)
        return True

    def visit_BoolExpr(self, ancestors, node):
        if node.boolop == BoolExprType.NOT_EXPR:
            return node.args[0] if self._due("not dropped", node) else None
        word = "conjunct" if node.boolop == BoolExprType.AND_EXPR else "disjunct"
        for index, part in enumerate(node.args):
            if self._due(f"{word} dropped", part):
                rest = tuple(one for number, one in enumerate(node.args) if number != index)
                return rest[0] if len(rest) == 1 else ast.BoolExpr(boolop=node.boolop, args=rest)
        if self._due("and for or" if word == "disjunct" else "or for and", node):
            other = BoolExprType.AND_EXPR if word == "disjunct" else BoolExprType.OR_EXPR
            return ast.BoolExpr(boolop=other, args=node.args)
        return None

    def visit_BooleanTest(self, ancestors, node):
        if self._due("test negated", node):
            return ast.BooleanTest(arg=node.arg, booltesttype=_OTHER_TEST[BoolTestType(node.booltesttype)])
        return None

    def visit_A_Expr(self, ancestors, node):
        name = node.name[-1].sval
        if (
            node.kind == A_Expr_Kind.AEXPR_OP
            and name in _NEGATED
            and node.lexpr
            and self._due("comparison negated", node)
        ):
            return self._compared(node, A_Expr_Kind.AEXPR_OP, _NEGATED[name])
        if node.kind == A_Expr_Kind.AEXPR_OP_ANY and name == "=" and self._due("any negated", node):
            return self._compared(node, A_Expr_Kind.AEXPR_OP_ALL, "<>")
        if node.kind == A_Expr_Kind.AEXPR_IN and self._due("in negated", node):
            return self._compared(node, A_Expr_Kind.AEXPR_IN, "<>" if name == "=" else "=")
        distinct = {
            A_Expr_Kind.AEXPR_DISTINCT: A_Expr_Kind.AEXPR_NOT_DISTINCT,
            A_Expr_Kind.AEXPR_NOT_DISTINCT: A_Expr_Kind.AEXPR_DISTINCT,
        }
        if node.kind in distinct and self._due("distinct negated", node):
            return self._compared(node, distinct[A_Expr_Kind(node.kind)], name)
        return None

    @staticmethod
    def _compared(node: ast.A_Expr, kind: A_Expr_Kind, name: str) -> ast.A_Expr:
        operator = (*node.name[:-1], ast.String(name))
        return ast.A_Expr(kind=kind, name=operator, lexpr=node.lexpr, rexpr=node.rexpr)

    def visit_NullTest(self, ancestors, node):
        if self._due("null test negated", node):
            return ast.NullTest(arg=node.arg, nulltesttype=1 - int(node.nulltesttype))
        return None

    def visit_SubLink(self, ancestors, node):
        if node.subLinkType == 0 and self._due("exists negated", node):
            return ast.BoolExpr(boolop=BoolExprType.NOT_EXPR, args=(node,))
        return None

    def visit_SelectStmt(self, ancestors, node):
        if node.whereClause is not None and self._due("where dropped", node.whereClause):
            return self._copied(node, whereClause=None)
        return None

    def visit_CaseExpr(self, ancestors, node):
        if node.defresult is not None and self._due("case branches swapped", node):
            first, *others = node.args
            swapped = ast.CaseWhen(expr=first.expr, result=node.defresult)
            return ast.CaseExpr(arg=node.arg, args=(swapped, *others), defresult=first.result)
        return None

    def visit_RangeFunction(self, ancestors, node):
        call = node.functions[0][0]
        schema, name = (call.funcname[0].sval, call.funcname[-1].sval)
        if name == "reach" and self._due("reach narrowed to oneself", node):
            return self._called(node, schema, "me")
        if name == "me" and self._due("oneself widened to reach", self._query_of(ancestors)):
            return self._called(node, schema, "reach")
        return None

    @staticmethod
    def _called(node: ast.RangeFunction, schema: str, name: str) -> ast.RangeFunction:
        call = ast.FuncCall(funcname=(ast.String(schema), ast.String(name)))
        return ast.RangeFunction(functions=((call, None),), alias=node.alias)

    def visit_A_Const(self, ancestors, node):
        value, part = node.val, self._part_of(ancestors, node)
        number = _number(value)
        if number is not None:
            if abs(number) < _BOUND and self._due("another number", part):
                return ast.A_Const(val=ast.Integer(number + 1))
        elif isinstance(value, ast.String) and self._due("another text", part):
            return ast.A_Const(val=ast.String(f"{value.sval}?"))
        if isinstance(value, ast.Boolean) and self._due("another truth", part):
            return ast.A_Const(val=ast.Boolean(not value.boolval))
        return None

    @staticmethod
    def _copied(node: ast.Node, **changes: object) -> ast.Node:
        values = {name: getattr(node, name) for name in node.__slots__}
        return type(node)(**{**values, **changes})


def _number(value: ast.Node) -> int | None:
    """A number, also where it is written as a text that is cast."""
    if isinstance(value, ast.Integer):
        return value.ival
    text = value.sval if isinstance(value, ast.String) else ""
    return int(text) if re.fullmatch(r"-?\d+", text) else None
