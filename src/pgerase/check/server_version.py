"""Whether the server is a version pgerase knows, and has the fixes that row security depends on."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pgerase.errors import Finding, Severity
from pgerase.rules.pack import AcceptedDoor

_OLDEST, _NEWEST = 15, 18

_FLOOR: Mapping[int, int] = {15: 19, 16: 15, 17: 11, 18: 6}
"""Major → the minor version from which no known hole in row security is open."""

_HOLES: tuple[tuple[str, str, Mapping[int, int]], ...] = (
    ("CVE-2023-2455", "row security is forgotten when a function is inlined", {15: 3}),
    ("CVE-2023-39418", "MERGE does not enforce UPDATE and SELECT policies", {15: 4}),
    ("CVE-2024-4317", "extended statistics show hidden values", {15: 7, 16: 3}),
    ("CVE-2024-10976", "subqueries, CTEs and invoker views use another role's policies", {15: 9, 16: 5, 17: 1}),
    ("CVE-2024-10978", "SET ROLE resets to the wrong role", {15: 9, 16: 5, 17: 1}),
    ("CVE-2025-8713", "planner statistics of partitions show hidden values", {15: 14, 16: 10, 17: 6}),
    (
        "CVE-2026-14666",
        "cached plans ignore GRANT, REVOKE and BYPASSRLS changes under the same role",
        {15: 19, 16: 15, 17: 11, 18: 6},
    ),
)
"""CVE, what it does to row security, and the minor version of each major that fixes it; a major not named never had it."""


def judge_server(server_version: int, accepted: Collection[AcceptedDoor] = ()) -> tuple[Finding, ...]:
    """Findings about a server_version_num, e.g. 180006: an error for a major version that is not supported, a warning below
    the CVE floor that names what is open, unless pack.yaml accepts `server` of exactly this version.
    """
    major, minor = divmod(server_version, 10000)
    subject = f"PostgreSQL {major}.{minor}"
    if not _OLDEST <= major <= _NEWEST:
        return (
            Finding(
                code="unsupported-server",
                severity=Severity.ERROR,
                subject=subject,
                message=f"{subject} is not supported: pgerase knows {_OLDEST} to {_NEWEST}",
                hint="upgrade the server" if major < _OLDEST else "upgrade pgerase",
            ),
        )
    version = f"{major}.{minor}"
    if minor >= _FLOOR[major] or any(entry.kind == "server" and entry.name == version for entry in accepted):
        return ()
    holes = [(cve, what) for cve, what, fixed in _HOLES if minor < fixed.get(major, 0)]
    return (
        Finding(
            code="server-below-cve-floor",
            severity=Severity.WARNING,
            subject=subject,
            message=f"{subject} has known holes in row security: " + "; ".join(f"{cve}: {what}" for cve, what in holes),
            hint=f'upgrade to {major}.{_FLOOR[major]} or later; or accept it in pack.yaml: {{server: "{version}", because: "…"}}',
        ),
    )
