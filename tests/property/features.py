"""Counts in how many rule files each word of the language occurs, as the reader understood it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from pgerase.errors import RuleFileError
from pgerase.rules.access import (
    AccessRules,
    ColumnAttribute,
    Everyone,
    ExpressionAnd,
    ExpressionOr,
    LookupAttribute,
    MemberKeys,
    MemberRelation,
    RelationAttribute,
)
from pgerase.rules.conditions import (
    Action,
    All,
    AnyOf,
    Can,
    Condition,
    InGroup,
    IsRole,
    LiteralList,
    Not,
    Operator,
    Range,
    RelativeTime,
    RowRef,
    Test,
    ViewerRef,
    walk,
    walk_operand,
)
from pgerase.rules.read_access import read_access

WANTED = {
    **{f"operator {operator}": 8 for operator in Operator},
    **{f"can {action}": 2 for action in Action},
    **{f"everyone {everyone}": 10 for everyone in Everyone},
    **{f"lookups {depth}": 5 for depth in range(4)},
    **dict.fromkeys(("all", "any", "not", "group", "can in rows", "can under not or any"), 6),
    **dict.fromkeys(("literal", "list", "empty list", "viewer", "row", "ago", "ahead", "between viewer"), 4),
    **dict.fromkeys(
        ("viewer key", "viewer relation", "viewer narrowed", "narrowed by row", "chained relation", "below"), 4
    ),
    **dict.fromkeys(("column attribute", "lookup attribute", "relation attribute"), 10),
    **dict.fromkeys(("criteria", "member keys", "member table", "include inactive", "empty group"), 3),
    **dict.fromkeys(("active", "erased", "super admin", "manager", "no manager", "no super admin", "authority"), 5),
    **dict.fromkeys(("becomes", "hierarchy false", "role", "rules alike", "who unknown to nobody"), 5),
    **dict.fromkeys(("require", "require who", "require can", "require passes on", "passes on"), 6),
    **dict.fromkeys(
        ("inherits", "inherits two", "three levels", "combine", "combine who", "combine and", "combine or"), 4
    ),
    **dict.fromkeys(("composite lookup", "use", "terms", "quotes", "backslash", "line break", "dollar quote"), 4),
}


def features(specs: Iterable[dict[str, Any]]) -> Counter[str]:
    """The number of files, of those that can be read, with each feature."""
    found: Counter[str] = Counter()
    for spec in specs:
        text = yaml.safe_dump(spec, allow_unicode=True, sort_keys=False, width=120)
        try:
            rules = read_access(text)
        except RuleFileError:
            continue
        found.update({*_of_rules(rules), *_of_text(spec, text)})
    return found


def _of_text(spec: dict[str, Any], text: str) -> Iterator[str]:
    yield from (word for word in ("use", "terms") if f"{word}:" in text)
    for name, mark in (("quotes", "o'brien"), ("backslash", "\\"), ("line break", "line"), ("dollar quote", "$$")):
        if mark in text:
            yield name


def _of_rules(rules: AccessRules) -> Iterator[str]:
    relations: set[str] = set()
    if (viewers := rules.viewers) is not None:
        yield from ("active" for _ in [1] if viewers.active)
        if viewers.erased:
            yield "erased"
        yield "super admin" if viewers.super_admin else "no super admin"
        yield "manager" if viewers.manager else "no manager"
        relations = {one.name for one in viewers.attributes if isinstance(one, RelationAttribute)}
        for attribute in viewers.attributes:
            match attribute:
                case ColumnAttribute():
                    yield "column attribute"
                case LookupAttribute():
                    yield "lookup attribute"
                case RelationAttribute(where=where, below=below):
                    yield "relation attribute"
                    if below:
                        yield "below"
                    if where and any(
                        isinstance(part, Test)
                        and isinstance(part.operand, ViewerRef)
                        and part.operand.attribute in relations
                        for part in walk(where)
                    ):
                        yield "chained relation"
    if rules.authority:
        yield "authority"
    for group in rules.groups:
        if group.criteria:
            yield "criteria"
        if group.include_inactive:
            yield "include inactive"
        match group.members:
            case MemberKeys(keys=keys):
                yield "member keys"
                if not keys and not group.criteria:
                    yield "empty group"
            case MemberRelation():
                yield "member table"
            case None:
                pass
    for condition in _conditions(rules):
        yield from _of_condition(condition, relations)
    levels: dict[str, int] = {}
    for resource in rules.resources:
        yield f"everyone {resource.everyone}"
        if resource.passes_on:
            yield "passes on"
        if resource.inherits:
            yield "inherits"
        if len(resource.inherits) > 1:
            yield "inherits two"
        levels[resource.name] = 1 + max((levels.get(one.parent, 1) for one in resource.inherits), default=0)
        for rule in resource.rules:
            if rule.becomes:
                yield "becomes"
            if not rule.hierarchy:
                yield "hierarchy false"
            if isinstance(rule.who, IsRole):
                yield "role"
        shapes = Counter(
            (str(_shape(rule.who)), str(_shape(rule.rows)), rule.can) for rule in resource.rules if rule.rows
        )
        if any(count > 1 for count in shapes.values()):
            yield "rules alike"
        for requirement in resource.require:
            yield "require"
            if requirement.who:
                yield "require who"
                yield "who unknown to nobody"
            if len(requirement.can) < len(Action):
                yield "require can"
            if requirement.passes_on:
                yield "require passes on"
        for entry in resource.combine:
            yield "combine"
            if entry.who:
                yield "combine who"
            if isinstance(entry.expression, ExpressionAnd):
                yield "combine and"
            if isinstance(entry.expression, ExpressionOr):
                yield "combine or"
    if max(levels.values()) >= 3:
        yield "three levels"


def _shape(condition: Condition | None) -> object:
    return (
        None
        if condition is None
        else [
            (type(part).__name__, getattr(part, "path", None), getattr(part, "operator", None))
            for part in walk(condition)
        ]
    )


def _conditions(rules: AccessRules) -> Iterator[Condition]:
    found: list[Condition | None] = []
    if (viewers := rules.viewers) is not None:
        found += [viewers.active, viewers.erased, viewers.super_admin]
        found += [one.where for one in viewers.attributes if isinstance(one, RelationAttribute)]
    for group in rules.groups:
        found.append(group.criteria)
        if isinstance(group.members, MemberRelation):
            found.append(group.members.where)
    for resource in rules.resources:
        for rule in resource.rules:
            found += [rule.who, rule.rows, rule.becomes]
        for requirement in resource.require:
            found += [requirement.who, requirement.rows]
        found += [entry.who for entry in resource.combine]
    yield from (condition for condition in found if condition is not None)


def _of_condition(condition: Condition, relations: set[str]) -> Iterator[str]:
    for part in walk(condition):
        match part:
            case All():
                yield "all"
            case AnyOf() | Not():
                yield "any" if isinstance(part, AnyOf) else "not"
                if any(isinstance(inner, Can) for inner in walk(part)):
                    yield "can under not or any"
            case InGroup():
                yield "group"
            case Can(action=action):
                yield "can in rows"
                yield f"can {action}"
            case Test(path=path, operator=operator, operand=operand):
                yield f"operator {operator}"
                yield f"lookups {len(path.lookups)}"
                if any(len(step.columns) > 1 for step in path.lookups):
                    yield "composite lookup"
                for one in walk_operand(operand) if operand is not None else ():
                    yield from _of_operand(one, relations)
                if isinstance(operand, Range) and isinstance(operand.low, ViewerRef):
                    yield "between viewer"
            case _:
                pass


def _of_operand(operand: object, relations: set[str]) -> Iterator[str]:
    match operand:
        case ViewerRef(attribute=attribute, where=where):
            yield "viewer"
            if attribute == "key":
                yield "viewer key"
            if attribute in relations:
                yield "viewer relation"
            if where is not None:
                yield "viewer narrowed"
                if any(isinstance(part, Test) and isinstance(part.operand, RowRef) for part in walk(where)):
                    yield "narrowed by row"
        case RowRef():
            yield "row"
        case RelativeTime(sign=sign):
            yield "ago" if sign < 0 else "ahead"
        case LiteralList(items=items):
            yield "list" if items else "empty list"
        case Range():
            pass
        case _:
            yield "literal"
