"""An explanation as lines that can be read aloud, and as JSON. Says what is in it, nearest first; decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pgerase.counts import counted
from pgerase.errors import Position
from pgerase.explain.model import AggregateAnswer, Answer
from pgerase.meaning.reasons import Distances, Join, Kind, Reason
from pgerase.meaning.truth import Truth
from pgerase.meaning.words import say
from pgerase.report.findings import printable
from pgerase.rules.access import Aggregate
from pgerase.rules.conditions import Action
from pgerase.rules.pack import Mode

_SHOWN = 6
"""Ways to be granted something of which details are told; the others are named."""
_INDENT = "  "
_GRANTS = frozenset(
    {
        Kind.GRANT,
        Kind.UNION,
        Kind.OWN,
        Kind.RULE,
        Kind.COMBINE,
        Kind.EXPRESSION,
        Kind.SUPER_ADMIN,
        Kind.EVERYONE,
        Kind.SUPPORT,
        Kind.SUPPORT_GRANT,
    }
)


def explanation_lines(answer: Answer) -> list[str]:
    """The decision, why, and what the database says."""
    lines = [_headline(answer)]
    lines += ["because" if answer.allowed else "what is missing, nearest first"]
    lines += _Teller().lines(answer.reason)
    lines += ["in the database", *(f"{_INDENT}{line}" for line in _database(answer))]
    return [printable(line) for line in lines]


def _headline(answer: Answer) -> str:
    question = answer.question
    who = f"viewer {question.viewer}" if question.role is None else f"role {question.role}, which presents nobody,"
    may = "may" if answer.allowed else "may not"
    row = f"{question.resource} {question.key}"
    if question.action is Action.INSERT:
        row = f"this row into {question.resource}"
    elif question.new is not None:
        row += f" so that {', '.join(question.new)} become{'s' if len(question.new) == 1 else ''} what was given"
    return f"{'allowed' if answer.allowed else 'denied'}: {who} {may} {question.action} {row} ({answer.table})"


def _database(answer: Answer) -> Iterator[str]:
    asked, enforcement = answer.asked, answer.enforcement
    if answer.agrees is not None:
        same = "the same" if answer.agrees else "NOT THE SAME"
        yield f"{'allowed' if asked.allowed else 'denied'}, asked as {asked.role} ({asked.how}): {same}"
    else:
        yield f"not asked: {asked.how}"
    if not enforcement.installed:
        yield f"nothing enforces it: pgerase is not installed in {answer.database}"
    elif enforcement.mode is not Mode.ON:
        yield f"nothing of these rules enforces it: {answer.table} is in mode {enforcement.mode}"
    elif enforcement.secured_view is not None:
        there = f"the secured view {enforcement.secured_view}" if enforcement.row_security else "no secured view"
        yield f"{there} of {answer.table}, which can have no policies"
    elif not enforcement.row_security:
        yield f"nothing enforces it: row security is not enabled and forced on {answer.table}"
    for policy in enforcement.policies:
        kind = "permissive" if policy.permissive else "restrictive"
        whose = "" if policy.ours else ", not made by pgerase"
        yield f"policy {policy.name} on {answer.table}: {kind}, for {policy.command}{whose}"


def aggregate_lines(answer: AggregateAnswer) -> list[str]:
    """For whom the aggregate is, what it shows and what not, and what the database shows."""
    one, question = answer.aggregate, answer.question
    who = f"viewer {question.viewer}" if question.role is None else f"role {question.role}, which presents nobody,"
    may = "may" if answer.allowed else "may not"
    lines = [f"{'allowed' if answer.allowed else 'denied'}: {who} {may} read the aggregate {one.name} ({answer.view})"]
    lines.append("because" if answer.allowed else "what is missing")
    lines += _Teller().of_aggregate(answer.reason, one)
    lines += ["what it shows", *(f"{_INDENT}{line}" for line in _shown(answer))]
    if answer.groups is None:
        asked = f"not asked: {answer.not_asked}"
    else:
        asked = f"{counted(answer.groups, 'group')} shown, asked as {answer.asked_as} (select)"
    return [printable(line) for line in [*lines, "in the database", f"{_INDENT}{asked}"]]


def _shown(answer: AggregateAnswer) -> Iterator[str]:
    one = answer.aggregate
    by = f" by {', '.join(key.name for key in one.by)}" if one.by else ", all of them as one"
    yield f"groups of {one.resource} ({answer.table}){by}, and never a row{_place(one.at)}"
    size = "rows" if one.each is None else f"different {one.each}"
    yield f"a group of fewer than {one.at_least} {size} is not shown"
    told = [value.name for value in one.values if value.path is not None]
    if told:
        yield f"{', '.join(told)}: nothing where fewer than {one.at_least} {size} of the group have a value"
    if one.rows is not None:
        fits = say(one.rows, "the viewer's")
        yield f"counted are rows where {fits}"
    names = ", ".join(f'"{name}"' for name in answer.requirements)
    yield f"what requirements keep from the viewer is not counted{f': {names}' if names else ''}"
    yield "rules, everyone, parents, combine and super admin play no part"


def _place(at: Position | None) -> str:
    return "" if at is None else f" ({at.file}:{at.line})"


def _word(truth: Truth) -> str:
    return "unknown" if truth is None else "yes" if truth else "no"


class _Teller:
    """Tells why reasons have the truth they have: all that had to hold, or everything that failed."""

    def __init__(self) -> None:
        self._distances = Distances()
        self._told: set[int] = set()
        self._lines: list[str] = []

    def lines(self, answer: Reason) -> list[str]:
        """The lines below the headline."""
        told = [part for part in answer.parts if part.truth is not True or answer.truth is True]
        for part in told:
            if part.kind is Kind.DECISION and sum(one.kind in (Kind.DECISION, Kind.ALL) for one in told) == 1:
                self._of_decision(part, 1)  # the headline has said what it is about
            else:
                self._tell(part, 1)
        return self._lines

    def of_aggregate(self, answer: Reason, one: Aggregate) -> list[str]:
        """The lines below the headline of an aggregate."""
        for part in answer.parts:
            if part.kind is Kind.WHO:
                holds = "holds" if part.truth is True else "does not hold"
                self._say(1, f"`who` of {one.name}{_place(one.at)} {holds} for the viewer")
                self._parts(part, 2)
            else:
                self._viewer(part, 1)
        return self._lines

    def _say(self, depth: int, text: str) -> None:
        self._lines.append(f"{_INDENT * depth}{text}")

    def _tell(self, reason: Reason, depth: int) -> None:
        match reason.kind:
            case Kind.VIEWER:
                self._viewer(reason, depth)
            case Kind.ROW:
                if reason.truth is not True:
                    self._say(depth, f"{reason.says}; a viewer is told the same of a row he may not see")
            case Kind.DECISION:
                self._decision(reason, depth)
            case Kind.REQUIREMENT:
                self._requirement(reason, depth)
            case Kind.PARENT | Kind.INHERITED:
                self._parent(reason, depth)
            case kind if kind in _GRANTS:
                self._grant(reason, depth)
            case _:
                self._condition(reason, depth)

    # -- decisions -----------------------------------------------------------------------------------------------------

    def _viewer(self, reason: Reason, depth: int) -> None:
        if reason.name:
            self._say(depth, f"the session of {reason.name} {reason.says}")
        elif reason.says:
            self._say(depth, f"viewer {reason.key}: {reason.says}{_place(reason.at)}")
        elif reason.truth is not True or any(part.parts for part in reason.parts):
            active = reason.parts[0]
            state = "is active" if reason.truth else "is not active, and sees nothing"
            self._say(depth, f"viewer {reason.key} {state}{_place(active.at)}")
            if reason.truth is not True:
                self._parts(active, depth + 1)

    def _decision(self, reason: Reason, depth: int) -> None:
        as_new = f" {reason.says}" if reason.says else ""
        what = f"{reason.action} {reason.name}{f' {reason.key}' if reason.key else ''}{as_new}"
        again = id(reason) in self._told
        self._say(depth, f"{what}: {'allowed' if reason.truth else 'denied'}{', as said above' if again else ''}")
        if not again:
            self._of_decision(reason, depth + 1)

    def _of_decision(self, reason: Reason, depth: int) -> None:
        """What grants it and what was required; or what of that is missing."""
        self._told.add(id(reason))
        *requirements, grant = reason.parts
        if reason.truth is True:
            self._tell(grant, depth)
            for requirement in requirements:
                self._tell(requirement, depth)
            return
        for requirement in sorted(requirements, key=self._distances.of):
            if requirement.truth is not True:
                self._tell(requirement, depth)
        if grant.truth is True:
            granting = next(_grants(grant), None)
            if granting is not None:
                self._say(depth, f"otherwise granted by {_title(granting)}")
        else:
            self._say(depth, "nothing grants it")
            self._tell(grant, depth + 1)

    def _grant(self, reason: Reason, depth: int) -> None:
        match reason.kind:
            case Kind.RULE:
                self._rule(reason, depth)
            case Kind.COMBINE:
                self._combine(reason, depth)
            case Kind.EXPRESSION:
                self._say(depth, reason.says)
                self._parts(reason, depth + 1)
            case Kind.SUPER_ADMIN:
                self._say(depth, f"the viewer is {'a' if reason.truth else 'no'} super admin{_place(reason.at)}")
                if reason.truth is True:
                    self._parts(reason, depth + 1)
            case Kind.EVERYONE | Kind.SUPPORT_GRANT:
                self._say(depth, f"{reason.says}{_place(reason.at)}")
            case _:
                self._alternatives(reason, depth)

    def _alternatives(self, reason: Reason, depth: int) -> None:
        """Of several ways one that holds, and the names of the others; where none does, the nearest first."""
        if reason.truth is True:
            holding = [part for part in reason.parts if part.truth is True]
            self._tell(holding[0], depth)
            others = [_title(one) for part in holding[1:] for one in _grants(part)]
            if others:
                self._say(depth, f"also granted by {', '.join(dict.fromkeys(others))}")
            return
        ways = sorted(self._ways(reason), key=self._distances.of)
        for way in ways[:_SHOWN]:
            self._tell(way, depth)
        further = [_title(way) for way in ways[_SHOWN:]]
        if further:
            self._say(depth, f"further away: {', '.join(further)}")
        if not ways:
            self._say(depth, "there is no rule for it")

    def _ways(self, reason: Reason) -> Iterator[Reason]:
        for part in reason.parts:
            if part.kind in (Kind.UNION, Kind.OWN, Kind.SUPPORT):
                yield from self._ways(part)
            elif part.kind is Kind.EVERYONE and "supersedes" not in part.says:
                continue  # "everyone: none" is where everything starts
            else:
                yield part

    def _rule(self, reason: Reason, depth: int) -> None:
        title = f'rule "{reason.name}"{_place(reason.at)}'
        gives, *others = reason.parts
        subject = others[0] if others else None
        if subject is None or subject.kind is not Kind.PEOPLE:
            self._rule_for_role(reason, depth, title)
            return
        person = subject.parts[0]
        through = f" through {person.key}" if person.chain else ""
        through += "".join(f", who reports to {manager}" for manager in person.chain)
        if reason.truth is True:
            self._say(depth, f"{title} grants it{through}")
        elif gives.truth is not True:
            holds = f", though it holds{through}" if subject.truth else ""
            self._say(depth, f"{title} {gives.says} only{holds}")
            return
        else:
            held, asked = subject.count or (0, 0)
            who = "the viewer" if asked == 1 else f"{held} of {asked} people within reach"
            if not held:
                said = f"`who` does not hold for {'the viewer' if asked == 1 else 'anybody within reach'}"
            else:
                said = f"`who` holds for {who}, but `rows` does not"
            nearest = f"; nearest{through}" if through else ""
            self._say(depth, f"{title}: {said}{nearest}")
        for part in person.parts:
            if reason.truth is True or part.truth is not True:
                self._parts(part, depth + 1)

    def _rule_for_role(self, reason: Reason, depth: int, title: str) -> None:
        gives, role, *rows = reason.parts
        if reason.truth is True:
            said = " grants it"
        elif role.truth is not True:
            said = f" {role.says}"
        else:
            said = ", but `rows` does not hold" if gives.truth is True else f" {gives.says} only"
        self._say(depth, f"{title}{said}")
        for part in rows:
            self._parts(part, depth + 1)

    def _parent(self, reason: Reason, depth: int) -> None:
        lookup, *rest = reason.parts
        word = "parent" if reason.kind is Kind.PARENT else "asked of"
        row = f" {reason.key}" if reason.key else ""
        says = "" if lookup.truth else f" {lookup.says}"
        self._say(depth, f"{word} {reason.name}{row}, through {lookup.name}{says}")
        for part in rest:
            self._condition(part, depth + 1)

    def _combine(self, reason: Reason, depth: int) -> None:
        who, *rest = reason.parts
        if who.truth is False:
            self._tell(rest[0], depth)
            return
        fits = "decides" if who.truth else "may fit the viewer, and has to hold besides what follows"
        self._say(depth, f'combine "{reason.name}"{_place(reason.at)} {fits}')
        self._parts(who, depth + 1)
        for part in rest:
            if reason.truth is True or part.truth is not True:
                self._tell(part, depth + 1)

    def _requirement(self, reason: Reason, depth: int) -> None:
        title = f'requirement "{reason.name}"{_place(reason.at)}'
        exempt = next((part for part in reason.parts if part.kind is Kind.EXEMPT), None)
        if exempt is not None and exempt.truth is True:
            self._say(depth, f"{title} does not bind the viewer")
            self._parts(exempt.parts[0], depth + 1)
            return
        self._say(depth, f"{title} {'holds' if reason.truth else 'fails'}")
        if exempt is not None and reason.truth is not True:
            self._parts(exempt.parts[0], depth + 1)
        self._condition(reason.parts[-1], depth + 1)

    # -- conditions ----------------------------------------------------------------------------------------------------

    def _parts(self, reason: Reason, depth: int) -> None:
        """What made the reason what it is: of all what failed, of any one that held."""
        if not reason.parts and reason.truth is not True and reason.kind is Kind.ROWS:
            self._say(depth, f"{_word(reason.truth)}: {reason.says}")
        conjunctive = reason.join in (Join.ALL, Join.EVERY)
        for part in reason.parts:
            if reason.join in (Join.FACT, Join.THROUGH) or (reason.truth is True) is conjunctive:
                self._condition(part, depth)
            elif part.truth is not True if conjunctive else part.truth is True:
                self._condition(part, depth)
                if not conjunctive:
                    return

    def _condition(self, reason: Reason, depth: int) -> None:
        word = _word(reason.truth)
        match reason.kind:
            case Kind.WHO | Kind.ROWS | Kind.ALL:
                self._parts(reason, depth)
            case Kind.ANY:
                told = reason.truth is not True and len(reason.parts) != 1
                if told:
                    self._say(depth, f"{word}: any of")
                self._parts(reason, depth + told)
            case Kind.NOT | Kind.ERASED:
                inner = reason.parts[0]
                what = "not erased" if reason.kind is Kind.ERASED else f"not ({inner.says or 'what follows'})"
                self._say(depth, f"{word}: {what}{_values(inner)}")
                (self._parts if inner.says else self._condition)(inner, depth + 1)
            case Kind.LOOKUP | Kind.RELATION:
                self._say(depth, f"{reason.name} {reason.says}{_place(reason.at)}")
            case kind if kind in _FACTS:
                said = _FACTS[kind].format(reason=reason)
                self._say(
                    depth,
                    f"{word}: {said}{'' if kind in (Kind.CAN, Kind.TEST) else _place(reason.at)}{_values(reason)}",
                )
                self._parts(reason, depth + 1)
            case _:
                self._tell(reason, depth)


_FACTS = {
    Kind.GROUP: "in group {reason.name}",
    Kind.CRITERIA: "fits its criteria",
    Kind.LISTED: "listed {reason.says}",
    Kind.ACTIVE: "active",
    Kind.CAN: "{reason.says}",
    Kind.TEST: "{reason.says}",
}


def _values(reason: Reason) -> str:
    return f" [compared: {' with '.join(reason.values)}]" if reason.values else ""


def _grants(reason: Reason) -> Iterator[Reason]:
    """What holds in it by name: rules, parents, everyone, super admin, support grants."""
    if reason.truth is not True:
        return
    if reason.kind in (Kind.RULE, Kind.PARENT, Kind.EVERYONE, Kind.SUPER_ADMIN, Kind.SUPPORT_GRANT):
        yield reason
    elif reason.kind in (Kind.GRANT, Kind.UNION, Kind.OWN, Kind.COMBINE, Kind.EXPRESSION, Kind.SUPPORT):
        for part in reason.parts:
            yield from _grants(part)


def _title(reason: Reason) -> str:
    match reason.kind:
        case Kind.RULE:
            return f'rule "{reason.name}"{_place(reason.at)}'
        case Kind.PARENT:
            return f"parent {reason.name}{f' {reason.key}' if reason.key else ''}"
        case Kind.SUPER_ADMIN:
            return f"super admin{_place(reason.at)}"
        case Kind.COMBINE:
            return f'combine "{reason.name}"{_place(reason.at)}'
        case _:
            return reason.says or reason.name or reason.kind


# -- JSON --------------------------------------------------------------------------------------------------------------


def explanation_data(answer: Answer) -> dict[str, Any]:
    """The explanation as JSON has it; docs/explain.md says what the fields mean."""
    question, enforcement = answer.question, answer.enforcement
    return {
        "command": "explain",
        "pack": answer.pack,
        "database": answer.database,
        "viewer": question.viewer,
        "role": question.role,
        "action": question.action.value,
        "resource": question.resource,
        "table": answer.table,
        "key": question.key,
        "new": None if question.new is None else sorted(question.new),
        "allowed": answer.allowed,
        "agrees": answer.agrees,
        "asked": {"allowed": answer.asked.allowed, "role": answer.asked.role, "how": answer.asked.how},
        "enforcement": {
            "mode": enforcement.mode.value,
            "installed": enforcement.installed,
            "row_security": enforcement.row_security,
            "secured_view": enforcement.secured_view,
            "policies": [
                {"name": one.name, "command": one.command, "permissive": one.permissive, "ours": one.ours}
                for one in enforcement.policies
            ],
        },
        "reason": _Data().of(answer.reason),
    }


def aggregate_data(answer: AggregateAnswer) -> dict[str, Any]:
    """The explanation of an aggregate as JSON has it."""
    one = answer.aggregate
    return {
        "command": "explain",
        "pack": answer.pack,
        "database": answer.database,
        "viewer": answer.question.viewer,
        "role": answer.question.role,
        "action": answer.question.action.value,
        "aggregate": one.name,
        "view": answer.view,
        "resource": one.resource,
        "table": answer.table,
        "by": [key.name for key in one.by],
        "values": [value.name for value in one.values],
        "each": None if one.each is None else str(one.each),
        "at_least": one.at_least,
        "requirements": list(answer.requirements),
        "allowed": answer.allowed,
        "asked": {"groups": answer.groups, "role": answer.asked_as, "how": answer.not_asked or "select"},
        "reason": _Data().of(answer.reason),
    }


class _Data:
    """Reasons as JSON; a decision that was told already is named again without its parts."""

    def __init__(self) -> None:
        self._told: set[int] = set()

    def of(self, reason: Reason) -> dict[str, Any]:
        repeats = reason.kind is Kind.DECISION and id(reason) in self._told
        self._told.add(id(reason))
        at = reason.at
        return {
            "kind": reason.kind.value,
            "truth": reason.truth,
            "join": reason.join.value,
            "name": reason.name,
            "says": reason.says,
            "at": None if at is None else {"file": at.file, "line": at.line, "column": at.column},
            "action": None if reason.action is None else reason.action.value,
            "key": reason.key,
            "chain": list(reason.chain),
            "count": None if reason.count is None else {"held": reason.count[0], "asked": reason.count[1]},
            "values": list(reason.values),
            "repeats": repeats,
            "parts": [] if repeats else [self.of(part) for part in reason.parts],
        }
