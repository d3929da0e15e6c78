"""A way around row security as a value, and the match of those found with `accepted` in pack.yaml. It finds none itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from pgerase.catalog.model import Name
from pgerase.check.door_codes import Code, page
from pgerase.check.spelling import nearest, yaml_text
from pgerase.errors import Finding, Severity
from pgerase.rules.pack import AcceptedDoor


@dataclass(frozen=True, slots=True, order=True)
class Door:
    """One way around row security. (`kind`, `name`) is what `accepted` in pack.yaml names. `tables` empty: all governed ones.

    `fix` is SQL that shuts it, `hint` what to know of that, or what to do where no SQL does.
    """

    code: Code
    kind: str
    name: str
    severity: Severity
    message: str
    hint: str = ""
    fix: str = ""
    tables: tuple[Name, ...] = ()

    @property
    def advice(self) -> str:
        """How to shut it, in one line."""
        fix = self.fix.replace("\n", " ").removesuffix(";")
        return f"{self.hint}: {fix}" if self.hint and fix else self.hint or fix


def judge(found: Collection[Door], accepted: Collection[AcceptedDoor]) -> tuple[Finding, ...]:
    """A finding for every door that is not accepted, and a warning for every acceptance that fits none.

    Kind and name match exactly; a function may be named without its signature where that leaves one. Notes come too. What is
    accepted about the server itself is for `judge_server`.
    """
    by_name: defaultdict[tuple[str, str], list[Door]] = defaultdict(list)
    for door in found:
        by_name[door.kind, door.name].append(door)
    for door in found:
        short = door.name.partition("(")[0]
        alike = [other for other in found if other.kind == door.kind and other.name.partition("(")[0] == short]
        if short != door.name and alike == [door]:
            by_name[door.kind, short].append(door)
    settled = {door for entry in accepted for door in by_name.get((entry.kind, entry.name), ())}
    open_doors = tuple(
        Finding(
            code=door.code,
            severity=door.severity,
            subject=door.name,
            message=door.message,
            hint=door.advice
            if door.severity is Severity.NOTE
            else f'{door.advice}; or accept it in pack.yaml: {{{door.kind}: {yaml_text(door.name)}, because: "…"}}',
            fix=door.fix,
            page=page(door.code),
        )
        for door in found
        if door not in settled
    )
    return (
        *open_doors,
        *(
            _unknown(entry, by_name)
            for entry in accepted
            if entry.kind != "server" and (entry.kind, entry.name) not in by_name
        ),
    )


def _unknown(entry: AcceptedDoor, known: Collection[tuple[str, str]]) -> Finding:
    close = nearest(entry.name, {name for kind, name in known if kind == entry.kind})
    return Finding(
        code="unknown-acceptance",
        severity=Severity.WARNING,
        subject=entry.name,
        message=f"no {entry.kind.replace('_', ' ')} of this name is a way around row security",
        hint=f"did you mean {close}?" if close else "remove the entry: the door is shut",
        at=entry.at,
    )
