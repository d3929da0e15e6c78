"""Whether the server is a version pgerase knows, and has the fixes that row security depends on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pgerase.check.door_codes import ServerCode, page
from pgerase.errors import Finding, Severity
from pgerase.rules.pack import AcceptedDoor

_OLDEST, _NEWEST = 15, 18


@dataclass(frozen=True, slots=True)
class Hole:
    """A CVE, what it does to row security, and the minor version of each major that fixes it; a major not named never had it."""

    cve: str
    what: str
    fixed: Mapping[int, int]

    @property
    def source(self) -> str:
        """The project's own account of it."""
        return f"https://www.postgresql.org/support/security/{self.cve}/"


HOLES = (
    Hole("CVE-2023-2455", "row security is forgotten when a function is inlined", {15: 3}),
    Hole("CVE-2023-39418", "MERGE does not enforce UPDATE and SELECT policies", {15: 4}),
    Hole("CVE-2024-4317", "extended statistics show hidden values", {15: 7, 16: 3}),
    Hole("CVE-2024-10976", "subqueries, CTEs and invoker views use another role's policies", {15: 9, 16: 5, 17: 1}),
    Hole("CVE-2024-10978", "SET ROLE resets to the wrong role", {15: 9, 16: 5, 17: 1}),
    Hole("CVE-2025-8713", "planner statistics of partitions show hidden values", {15: 14, 16: 10, 17: 6}),
    Hole(
        "CVE-2026-14666",
        "cached plans ignore GRANT, REVOKE and BYPASSRLS changes under the same role",
        {15: 19, 16: 15, 17: 11, 18: 6},
    ),
)
"""Known holes in the row security of supported majors, oldest first."""

FLOOR: Mapping[int, int] = MappingProxyType(
    {
        major: max((hole.fixed[major] for hole in HOLES if major in hole.fixed), default=0)
        for major in range(_OLDEST, _NEWEST + 1)
    }
)
"""Major → the minor version from which none of them is open."""


def judge_server(server_version: int, accepted: Collection[AcceptedDoor] = ()) -> tuple[Finding, ...]:
    """Findings about a server_version_num, e.g. 180006: an error for a major version that is not supported, a warning below
    the CVE floor that names what is open, unless pack.yaml accepts `server` of exactly this version.
    """
    major, minor = divmod(server_version, 10000)
    subject = f"PostgreSQL {major}.{minor}"
    if not _OLDEST <= major <= _NEWEST:
        return (
            Finding(
                code=ServerCode.UNSUPPORTED,
                severity=Severity.ERROR,
                subject=subject,
                message=f"{subject} is not supported: pgerase knows {_OLDEST} to {_NEWEST}",
                hint="upgrade the server" if major < _OLDEST else "upgrade pgerase",
                page=page(ServerCode.UNSUPPORTED),
            ),
        )
    version = f"{major}.{minor}"
    if minor >= FLOOR[major] or any(entry.kind == "server" and entry.name == version for entry in accepted):
        return ()
    holes = [f"{hole.cve}: {hole.what}" for hole in HOLES if minor < hole.fixed.get(major, 0)]
    return (
        Finding(
            code=ServerCode.BELOW_CVE_FLOOR,
            severity=Severity.WARNING,
            subject=subject,
            message=f"{subject} has known holes in row security: " + "; ".join(holes),
            hint=f'upgrade to {major}.{FLOOR[major]} or later; or accept it in pack.yaml: {{server: "{version}", because: "…"}}',
            page=page(ServerCode.BELOW_CVE_FLOOR),
        ),
    )
