"""A plan and what it is made from, as frozen values: steps with their SQL, the ledger, and JSON to keep a plan in a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, cast

from pgerase.catalog.model import Name
from pgerase.compare.model import Compared, compared_data, read_compared
from pgerase.errors import Finding, Position, Severity, UsageError
from pgerase.plan.objects import Key, Kind, canonical

FORMAT = 2
"""Version of a plan's JSON; another one is refused."""


class Change(StrEnum):
    """What a step does to its object."""

    CREATE = "create"
    ALTER = "alter"
    DROP = "drop"
    SAME = "same"

    @property
    def mark(self) -> str:
        """The sign in front of a plan's line."""
        return {"create": "+", "alter": "~", "drop": "-", "same": "="}[self.value]


class Effect(StrEnum):
    """What a step changes in what people may see or do. CHANGES: some more and some less, or not to be told from here."""

    WIDEN = "widen"
    NARROW = "narrow"
    CHANGES = "changes"
    NEUTRAL = "neutral"


class Action(StrEnum):
    """What a plan is for; recorded with its run."""

    APPLY = "apply"
    REVERT = "revert"
    OFF = "off"


@dataclass(frozen=True, slots=True, order=True)
class Lock:
    """A table lock a step takes, and holds until the end of the transaction."""

    table: Name
    mode: str


@dataclass(frozen=True, slots=True)
class Step:
    """One object and the statements that change it.

    All steps' `before` statements run first, by `rank`: they take away what stands in the way, dependents first. Then all
    `statements`, in the order of the steps. They run as the roles `before_as` and `run_as` where these are not None. `record`: the ledger keeps the object afterwards, with `source_sha256` and
    `undo` (JSON of what was there before pgerase), otherwise forgets it. A step without statements touches the ledger alone.
    """

    change: Change
    key: Key
    before: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    run_as: str | None = None
    before_as: str | None = None
    locks: tuple[Lock, ...] = ()
    effect: Effect = Effect.NEUTRAL
    destructive: bool = False
    record: bool = True
    source_sha256: str = ""
    undo: str = "{}"
    note: str = ""
    rank: int = 0

    @property
    def touches(self) -> bool:
        """Whether the step changes anything, the ledger included."""
        return self.change is not Change.SAME


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything an apply will do, in order, and what it was made from.

    `last_run` is the newest run it knew of. `findings` of severity error are refusals: such a plan can be read but not applied. `fingerprint` covers `relied_on` (tables),
    the ledger and the live state of everything of pgerase's own. `said` are sentences for whoever decides. `rules` is what the
    ledger keeps of the rules afterwards (`pgerase.rules.record`): empty for none, None to leave it as it is. `compared` says who
    gains or loses rows; it is no part of what is done, nor of the plan's identity.
    """

    action: Action
    pack: str
    prefix: str
    database: str
    server_version: int
    rule_files: tuple[tuple[str, str], ...]
    relied_on: tuple[Name, ...]
    fingerprint: str
    last_run: int
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...] = ()
    said: tuple[str, ...] = ()
    rules: str | None = None
    compared: tuple[Compared, ...] = ()

    @property
    def pending(self) -> tuple[Step, ...]:
        """The steps that change something."""
        return tuple(step for step in self.steps if step.touches)

    @property
    def destructive(self) -> tuple[Step, ...]:
        """The steps that need --allow-drop."""
        return tuple(step for step in self.steps if step.destructive)

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """Why it cannot be applied; empty when it can."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    @property
    def locked(self) -> tuple[Name, ...]:
        """The tables locked before anything is done, in name order."""
        return tuple(sorted({lock.table for step in self.pending for lock in step.locks}))

    @property
    def owners(self) -> tuple[str, ...]:
        """The private roles whose objects are made, and whose membership is taken for the time of the transaction.

        The lookup role is among them wherever an expression may name its views: nobody else has USAGE on their schema.
        """
        roles = {role for step in self.pending for role in (step.run_as, step.before_as)}
        naming = {Kind.POLICY, Kind.REPLACED_POLICY, Kind.VIEW, Kind.FUNCTION, Kind.TRIGGER}
        if any(step.statements and step.key.kind in naming for step in self.pending):
            roles.add(f"{self.prefix}_lookup")
        # To make a trigger one has to be allowed to execute its function, which no PUBLIC may.
        if any(step.statements and step.key.kind is Kind.TRIGGER for step in self.pending):
            roles.add(f"{self.prefix}_secret")
        if any(step.statements and step.key.is_capture(self.prefix) for step in self.pending):
            roles.add(f"{self.prefix}_keeper")
        return tuple(sorted(role for role in roles if role is not None))

    @property
    def sha256(self) -> str:
        """The plan's identity, to quote later."""
        return hashlib.sha256(canonical(_encode(replace(self, compared=()))).encode()).hexdigest()

    def to_json(self) -> str:
        """The plan as a file."""
        return json.dumps(_encode(self), indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row of the ledger. `deparsed` is the server's own spelling of the object, `undo` JSON of what was there before."""

    key: Key
    source_sha256: str
    deparsed: str
    undo: str


NO_READS = '{"table": [], "columns": []}'
"""The state of a role that is granted SELECT on nothing of a table, as jsonb spells it."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger's rows, and the live state of everything it could hold, both spelled by the server in the same way.

    `rules` are those in force, as recorded; empty where none are, None where this ledger keeps none: it is of an earlier version.
    """

    rows: Mapping[Key, Recorded]
    live: Mapping[Key, str]
    last_run: int = 0
    rules: str | None = None

    def state(self, key: Key) -> Mapping[str, Any] | None:
        """The live state of an object, None where there is none."""
        text = self.spelled(key)
        return None if text is None else decoded(text)

    def spelled(self, key: Key) -> str | None:
        """The live state as the server spells it, None where there is none. A role that may read nothing has a state, too."""
        return self.live.get(key.live, NO_READS if key.kind is Kind.READS else None)


EMPTY = Ledger({}, {})


def decoded(text: str) -> Mapping[str, Any]:
    """A state or undo text as a mapping."""
    return cast(Mapping[str, Any], json.loads(text))


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did."""

    run: int
    sha256: str
    created: int = 0
    altered: int = 0
    dropped: int = 0
    same: int = 0
    notes: tuple[str, ...] = field(default=())


def _encode(plan: Plan) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "action": plan.action.value,
        "pack": plan.pack,
        "prefix": plan.prefix,
        "database": plan.database,
        "server_version": plan.server_version,
        "rule_files": [list(pair) for pair in plan.rule_files],
        "relied_on": [[name.schema, name.name] for name in plan.relied_on],
        "fingerprint": plan.fingerprint,
        "last_run": plan.last_run,
        "steps": [step_data(step) for step in plan.steps],
        "findings": [encode_finding(finding) for finding in plan.findings],
        "said": list(plan.said),
        "rules": plan.rules,
        "compared": [compared_data(one) for one in plan.compared],
    }


def step_data(step: Step) -> dict[str, Any]:
    """A step for JSON output."""
    return {
        "change": step.change.value,
        "kind": step.key.kind.value,
        "identity": step.key.identity,
        "parts": list(step.key.parts),
        "before": list(step.before),
        "statements": list(step.statements),
        "run_as": step.run_as,
        "before_as": step.before_as,
        "locks": [[lock.table.schema, lock.table.name, lock.mode] for lock in step.locks],
        "effect": step.effect.value,
        "destructive": step.destructive,
        "record": step.record,
        "source_sha256": step.source_sha256,
        "undo": step.undo,
        "note": step.note,
        "rank": step.rank,
    }


def encode_finding(finding: Finding) -> dict[str, Any]:
    """A finding for JSON output."""
    at = finding.at
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "subject": finding.subject,
        "message": finding.message,
        "hint": finding.hint,
        "at": None if at is None else {"file": at.file, "line": at.line, "column": at.column},
    }


def read_plan(text: str) -> Plan:
    """A plan from its file. Raises UsageError where the text is none, or of another format version."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise UsageError(f"not a plan file: {error}", hint="make one with `pgerase plan -o FILE`") from error
    if not isinstance(data, dict) or cast(dict[str, Any], data).get("format") != FORMAT:
        raise UsageError(f"not a plan file of format {FORMAT}", hint="plan again with this version of pgerase")
    values = cast(dict[str, Any], data)
    try:
        return Plan(
            action=Action(values["action"]),
            pack=values["pack"],
            prefix=values["prefix"],
            database=values["database"],
            server_version=values["server_version"],
            rule_files=tuple((path, sha) for path, sha in values["rule_files"]),
            relied_on=tuple(Name(schema, name) for schema, name in values["relied_on"]),
            fingerprint=values["fingerprint"],
            last_run=values["last_run"],
            steps=tuple(_decode_step(step) for step in values["steps"]),
            findings=tuple(_decode_finding(finding) for finding in values["findings"]),
            said=tuple(values["said"]),
            rules=values["rules"],
            compared=tuple(read_compared(one) for one in values["compared"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"not a whole plan file: {error!r}", hint="plan again") from error


def _decode_step(step: Mapping[str, Any]) -> Step:
    return Step(
        change=Change(step["change"]),
        key=Key(Kind(step["kind"]), tuple(step["parts"])),
        before=tuple(step["before"]),
        statements=tuple(step["statements"]),
        run_as=step["run_as"],
        before_as=step["before_as"],
        locks=tuple(Lock(Name(schema, table), mode) for schema, table, mode in step["locks"]),
        effect=Effect(step["effect"]),
        destructive=step["destructive"],
        record=step["record"],
        source_sha256=step["source_sha256"],
        undo=step["undo"],
        note=step["note"],
        rank=step["rank"],
    )


def _decode_finding(finding: Mapping[str, Any]) -> Finding:
    at = finding["at"]
    return Finding(
        code=finding["code"],
        severity=Severity(finding["severity"]),
        subject=finding["subject"],
        message=finding["message"],
        hint=finding["hint"],
        at=None if at is None else Position(at["file"], at["line"], at["column"]),
    )
