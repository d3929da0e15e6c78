from __future__ import annotations

import pytest

from pgerase.check.server_version import judge_server
from pgerase.errors import Position, Severity
from pgerase.rules.pack import AcceptedDoor


@pytest.mark.parametrize("version", [150019, 160015, 170011, 180006, 150030])
def test_a_server_at_the_floor_is_clean(version: int) -> None:
    assert judge_server(version) == ()


@pytest.mark.parametrize(
    ("version", "open_holes"),
    [
        (150018, {"CVE-2026-14666"}),
        (160014, {"CVE-2026-14666"}),
        (170010, {"CVE-2026-14666"}),
        (180005, {"CVE-2026-14666"}),
        (180000, {"CVE-2026-14666"}),
        (170005, {"CVE-2026-14666", "CVE-2025-8713"}),
        (160009, {"CVE-2026-14666", "CVE-2025-8713"}),
        (
            150002,
            {
                "CVE-2023-2455",
                "CVE-2023-39418",
                "CVE-2024-4317",
                "CVE-2024-10976",
                "CVE-2024-10978",
                "CVE-2025-8713",
                "CVE-2026-14666",
            },
        ),
    ],
)
def test_below_the_floor_every_open_hole_is_named(version: int, open_holes: set[str]) -> None:
    (finding,) = judge_server(version)
    assert (finding.code, finding.severity) == ("server-below-cve-floor", Severity.WARNING)
    assert {word.rstrip(":") for word in finding.message.split() if word.startswith("CVE-")} == open_holes


@pytest.mark.parametrize(
    ("version", "what"), [(140024, "server"), (90624, "server"), (190000, "pgerase"), (200001, "pgerase")]
)
def test_an_unknown_major_is_an_error(version: int, what: str) -> None:
    (finding,) = judge_server(version)
    assert (finding.code, finding.severity, finding.hint) == (
        "unsupported-server",
        Severity.ERROR,
        f"upgrade {'the server' if what == 'server' else what}",
    )


def test_a_server_below_the_floor_may_be_accepted_for_exactly_its_version() -> None:
    def accepted(kind: str, name: str) -> tuple[AcceptedDoor, ...]:
        return (AcceptedDoor(kind, name, "upgrade is planned", Position("pack.yaml", 1, 1)),)

    assert judge_server(150018, accepted("server", "15.18")) == ()
    assert judge_server(150017, accepted("server", "15.18")) != ()
    assert judge_server(150018, accepted("superuser", "15.18")) != ()
    assert judge_server(140018, accepted("server", "14.18")) != ()
