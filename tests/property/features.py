"""Counts in how many rule files each word of the language occurs, as the reader understood it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from pgerase.errors import RuleFileError
from pgerase.rules.access import (
    AccessRules,
    Attribute,
    ColumnAttribute,
    Everyone,
    ExpressionAnd,
    ExpressionOr,
    Group,
    LookupAttribute,
    ManagerTree,
    MemberKeys,
    MemberRelation,
    RelationAttribute,
    Resource,
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
    operands,
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
    **dict.fromkeys(
        ("active", "erased", "super admin", "manager", "role tree", "no manager", "no super admin", "authority"), 5
    ),
    **dict.fromkeys(("becomes", "hierarchy false", "role", "rules alike"), 5),
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
    viewers = rules.viewers
    assert viewers is not None
    relations = {one.name for one in viewers.attributes if isinstance(one, RelationAttribute)}
    yield from (word for word, given in (("active", viewers.active), ("erased", viewers.erased)) if given)
    yield "super admin" if viewers.super_admin else "no super admin"
    if isinstance(viewers.manager, ManagerTree):
        yield "role tree"
    else:
        yield "manager" if viewers.manager else "no manager"
    if rules.authority:
        yield "authority"
    for attribute in viewers.attributes:
        yield from _of_attribute(attribute, relations)
    for group in rules.groups:
        yield from _of_group(group)
    for condition in _conditions(rules):
        yield from _of_condition(condition, relations)
    levels: dict[str, int] = {}
    for resource in rules.resources:
        levels[resource.name] = 1 + max((levels.get(one.parent, 1) for one in resource.inherits), default=0)
        yield from _of_resource(resource)
    if max(levels.values()) >= 3:
        yield "three levels"


def _of_attribute(attribute: Attribute, relations: set[str]) -> Iterator[str]:
    match attribute:
        case ColumnAttribute():
            yield "column attribute"
        case LookupAttribute():
            yield "lookup attribute"
        case RelationAttribute(where=where, below=below):
            yield "relation attribute"
            if below:
                yield "below"
            if where and any(isinstance(one, ViewerRef) and one.attribute in relations for one in operands(where)):
                yield "chained relation"


def _of_group(group: Group) -> Iterator[str]:
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


def _of_resource(resource: Resource) -> Iterator[str]:
    yield f"everyone {resource.everyone}"
    given = {
        "passes on": resource.passes_on,
        "inherits": resource.inherits,
        "inherits two": resource.inherits[1:],
        "becomes": any(rule.becomes for rule in resource.rules),
        "hierarchy false": any(not rule.hierarchy for rule in resource.rules),
        "role": any(isinstance(rule.who, IsRole) for rule in resource.rules),
        "require": resource.require,
        "require who": any(requirement.who for requirement in resource.require),
        "require can": any(len(requirement.can) < len(Action) for requirement in resource.require),
        "require passes on": any(requirement.passes_on for requirement in resource.require),
        "combine": resource.combine,
        "combine who": any(entry.who for entry in resource.combine),
        "combine and": any(isinstance(entry.expression, ExpressionAnd) for entry in resource.combine),
        "combine or": any(isinstance(entry.expression, ExpressionOr) for entry in resource.combine),
    }
    yield from (word for word, there in given.items() if there)
    shapes = Counter((_shape(rule.who), _shape(rule.rows), rule.can) for rule in resource.rules if rule.rows)
    if any(count > 1 for count in shapes.values()):
        yield "rules alike"


def _shape(condition: Condition | None) -> str:
    """What is left of a condition without its constants."""
    parts = walk(condition) if condition is not None else ()
    return str([(type(part), getattr(part, "path", None), getattr(part, "operator", None)) for part in parts])


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
            case Test():
                yield from _of_test(part, relations)
            case _:
                pass


def _of_test(test: Test, relations: set[str]) -> Iterator[str]:
    yield f"operator {test.operator}"
    yield f"lookups {len(test.path.lookups)}"
    if any(len(step.columns) > 1 for step in test.path.lookups):
        yield "composite lookup"
    for operand in walk_operand(test.operand) if test.operand is not None else ():
        yield from _of_operand(operand, relations)
    if isinstance(test.operand, Range) and isinstance(test.operand.low, ViewerRef):
        yield "between viewer"


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
