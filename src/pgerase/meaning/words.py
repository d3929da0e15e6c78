"""Tests of rule files in words, as they are read aloud. What is said comes from the file alone, never from a row."""

from __future__ import annotations

from pgerase.counts import counted
from pgerase.rules.conditions import (
    All,
    AnyOf,
    Can,
    Condition,
    HasConsent,
    InGroup,
    IsRole,
    Literal,
    LiteralList,
    Not,
    Operand,
    Operator,
    Range,
    RelativeTime,
    RowRef,
    SubjectRef,
    Test,
    ViewerRef,
)

_WORDS = {
    Operator.EQ: "is",
    Operator.NE: "is not",
    Operator.IN: "is one of",
    Operator.NOT_IN: "is none of",
    Operator.LT: "is less than",
    Operator.LE: "is at most",
    Operator.GT: "is more than",
    Operator.GE: "is at least",
    Operator.BETWEEN: "is between",
    Operator.CONTAINS: "contains",
    Operator.STARTS_WITH: "starts with",
    Operator.ENDS_WITH: "ends with",
    Operator.IS_NULL: "is not set",
    Operator.IS_SET: "is set",
    Operator.OVERLAPS: "shares a value with",
}


def say(condition: Condition | None, whose: str) -> str:
    """A condition in words. `whose` is said of the person whose attributes `{viewer: …}` means, e.g. "the viewer's"."""
    match condition:
        case None:
            return "always"
        case All(terms=terms):
            return " and ".join(_bracketed(term, whose) for term in terms) or "always"
        case AnyOf(terms=terms):
            return " or ".join(_bracketed(term, whose) for term in terms) or "never"
        case Not(term=term):
            return f"not {_bracketed(term, whose)}"
        case Test(path=path, operator=operator, operand=operand):
            return f"{path} {_WORDS[operator]}" + ("" if operand is None else f" {say_operand(operand, whose)}")
        case InGroup(names=names):
            return f"in group {' or '.join(names)}"
        case IsRole(names=names):
            return f"role {' or '.join(names)}"
        case Can(path=path, action=action):
            return f"the viewer may {action} what {path} leads to"
        case HasConsent(purpose=purpose):
            return f"consent to {purpose}"


def _bracketed(condition: Condition, whose: str) -> str:
    said = say(condition, whose)
    return f"({said})" if isinstance(condition, All | AnyOf) and len(condition.terms) > 1 else said


def say_operand(operand: Operand, whose: str) -> str:
    """What stands on the right of a test, in words."""
    match operand:
        case Literal(value=value):
            return _literal(value)
        case LiteralList(items=items):
            return "[" + ", ".join(_literal(item.value) for item in items) + "]"
        case ViewerRef(attribute=attribute, where=where):
            narrowed = "" if where is None else f" where {say(where, whose)}"
            return f"{whose} {attribute}{narrowed}"
        case RowRef(path=path):
            return f"this row's {path}"
        case RelativeTime(span=span, sign=sign):
            parts = ((span.months, "month"), (span.days, "day"), (span.seconds, "second"))
            length = " ".join(counted(count, word) for count, word in parts if count)
            return f"{length or '0 days'} {'ago' if sign < 0 else 'ahead'}"
        case Range(low=low, high=high):
            return f"{say_operand(low, whose)} and {say_operand(high, whose)}"
        case SubjectRef():
            return "the subject"


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}'" if isinstance(value, str) else str(value)
