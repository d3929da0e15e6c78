"""What the grammar of rules has beyond one rule on one table, on a small plant; every expectation is worked out by hand."""

from __future__ import annotations

import pytest

from tests.access.conftest import refused
from tests.verify.conftest import Site

STAFF_NORTH, STAFF_SOUTH, PARTNER, GUEST, AUDITOR, UNKNOWN = 100, 101, 102, 103, 104, 105


def seen(site: Site, viewer: object, table: str, role: str = "web") -> set[int]:
    with site.session(None if viewer is None else str(viewer), site.roles[role]) as connection:
        return {row[0] for row in connection.execute(f"select id from plant.{table}")}


@pytest.mark.parametrize(
    ("viewer", "units"),
    [
        (STAFF_NORTH, {1, 3}),
        (STAFF_SOUTH, {2}),
        (PARTNER, {1, 3}),
        (GUEST, set()),
        (AUDITOR, {2, 3}),  # those whose parent lies in the north
        (UNKNOWN, set()),
    ],
)
def test_p2_named_conditions_from_an_included_file_and_lookups_into_the_table_itself(
    viewer: int, units: set[int], plant: Site
):
    assert seen(plant, viewer, "unit") == units


@pytest.mark.parametrize(
    ("viewer", "projects", "tasks"),
    [
        # Without an entry that fits: own, or through the project, or through the unit.
        (STAFF_NORTH, {10, 20, 40}, {1, 2, 3, 4, 5, 6, 8}),
        (STAFF_SOUTH, {20, 30, 40}, {2, 3, 4, 5, 6, 8}),
        # (own 2, 3, 5 or project 1, 2, 6, 8) and unit 1, 3, 5, 8.
        (PARTNER, {10, 40}, {1, 3, 5, 8}),
        # Own alone: two of his, and what follows what follows one of his.
        (GUEST, set(), {6, 7, 8}),
        # Own alone: open ones that come after one that is done.
        (AUDITOR, {20, 40}, {2, 4, 6}),
        # Nobody knows of what kind, so both entries have to hold and the rest as well.
        (UNKNOWN, set(), set()),
    ],
)
def test_p5_p6_a_diamond_of_parents_combined_by_the_first_entry_that_fits(
    viewer: int, projects: set[int], tasks: set[int], plant: Site
):
    assert seen(plant, viewer, "project") == projects
    assert seen(plant, viewer, "task") == tasks


@pytest.mark.parametrize(
    ("viewer", "remarks"),
    [
        (STAFF_NORTH, {2, 4, 6}),
        (STAFF_SOUTH, {2, 4, 6}),
        (PARTNER, set()),
        (GUEST, {6}),
        (AUDITOR, {2, 4, 6}),
        (UNKNOWN, set()),
    ],
)
def test_p2_a_decision_about_another_row_and_a_lookup_of_two_steps(viewer: int, remarks: set[int], plant: Site):
    assert seen(plant, viewer, "remark") == remarks


def test_p1_sessions_without_identity_see_what_rules_for_their_role_give_and_nothing_else(plant: Site):
    assert seen(plant, None, "remark", "visitor") == {2, 4, 6, 8}
    assert seen(plant, None, "remark", "web") == set()
    for table in ("unit", "project", "task"):
        assert seen(plant, None, table, "visitor") == set()
    # Whoever is somebody is no visitor, and an identity that is nobody's is not none.
    assert seen(plant, PARTNER, "remark", "visitor") == set()
    assert seen(plant, 999, "remark", "visitor") == set()
    assert seen(plant, "x", "remark", "visitor") == set()


def test_the_plant_is_verified(plant: Site):
    report = plant.verify()
    assert report.ok, report.failures


@pytest.mark.parametrize(
    ("old", "new", "circle"),
    [
        (
            "rows: {lead_id: {eq: {viewer: key}}}",
            "rows: {first_task_id: {can: read}}",
            {"project → task → project", "task → project → task"},
        ),
        (
            "    inherits: {project: project_id}\n",
            "    inherits: {project: project_id}\n    require:\n      - {name: first, rows: {previous_id: {can: update}}}\n",
            {"task → task"},
        ),
        (
            "  project:\n    table: plant.project\n",
            "  project:\n    table: plant.project\n    inherits: {task: first_task_id}\n",
            {"project → task → project", "task → project → task"},
        ),
    ],
)
def test_circles_of_decisions_are_refused_with_the_circle_printed(
    old: str, new: str, circle: set[str], plant: Site, tmp_path
):
    found = refused(plant, tmp_path, old, new)
    assert len(found) == 1, found
    assert found[0].code in {"circle", "inherit-circle"}
    assert found[0].message.split(": ", 1)[1] in circle


def test_what_is_named_has_to_be_there_and_includes_stay_in_the_pack(plant: Site, tmp_path):
    for number, (old, new, code) in enumerate(
        (
            ("use: ready", "use: steady", "unknown-condition"),
            ("include: [conditions.yaml, ", "include: [", "unknown-condition"),
            ("include: [conditions.yaml", "include: [../conditions.yaml", "include-outside"),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert code in {finding.code for finding in refused(plant, folder, old, new)}, new
