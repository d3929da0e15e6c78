"""Faults of column guards: each is found, by what the database then does, or by how it then looks, and gone after its cure."""

from __future__ import annotations

import pytest

from tests.verify.conftest import Site


def test_what_was_applied_is_as_the_rules_mean_it(desk: Site):
    report = desk.verify()
    assert report.ok, report.findings
    columns = {one.object: one.extent for one in report.looked if one.what == "columns"}
    assert columns.keys() == {"desk.person", "desk.task", "desk.diary"}
    assert all(int(extent.split()[0]) > 5 and " 0 denied" not in extent for extent in columns.values()), columns


@pytest.mark.parametrize("table", ["task", "diary"])
@pytest.mark.parametrize("trigger", ["columns", "hidden"])
def test_a_guard_that_does_not_fire_is_found_by_what_then_happens_and_by_its_looks(
    table: str, trigger: str, desk: Site
):
    name = {"columns": "{P}_columns", "hidden": f"{{P}}_hidden_{'notes' if table == 'task' else 'secret'}"}[trigger]
    # A row that stays in its partition is seen by two triggers.
    also = ["{P}_columns_moved"] if (table, trigger) == ("diary", "columns") else []
    for verb in ("disable", "enable"):
        for each in (name, *also):
            desk.admin(f'alter table desk.{table} {verb} trigger "{each}"')
        if verb == "disable":
            behaviour = desk.verify(f"desk.{table}", statics=False)
            assert [one.code for one in behaviour.failures] == ["mismatch-columns"]
            looks = desk.verify(behaviour=False)
            assert {"guard-disabled", "changed"} <= {one.code for one in looks.failures}
    assert desk.verify(f"desk.{table}").ok


_FAULTS = {
    "everyone has every right": """
        create or replace function {P}.column_right_desk_task(p_right text, p_owner_id integer, p_team text)
            returns boolean language sql stable parallel safe return true""",
    "the guard does nothing": """
        create or replace function {P}.guard_columns_desk_task()
            returns trigger language plpgsql stable as 'begin return new; end'""",
}


@pytest.mark.parametrize("fault", _FAULTS)
def test_a_guard_that_asks_for_nothing_is_found_by_what_then_happens(fault: str, desk: Site):
    name = desk.fill(_FAULTS[fault]).split("function ")[1].split("(")[0]
    with desk.database.connect_admin() as admin:
        (right,) = admin.execute("select pg_get_functiondef(%s::regproc)", [name]).fetchone()
    desk.admin(_FAULTS[fault])
    assert [one.code for one in desk.verify("desk.task", statics=False).failures] == ["mismatch-columns"]
    desk.admin(right)
    assert desk.verify("desk.task").ok


def test_masked_views_are_compared(desk: Site):
    report = desk.verify(statics=False)
    masks = {one.object: one.extent for one in report.looked if one.what == "masks"}
    assert masks.keys() == {f"{desk.prefix}.{table}" for table in ("person", "task", "diary")}
    assert all(" 0 values shown" not in extent and ", 0 masked" not in extent for extent in masks.values()), masks


_VIEW = """
    create or replace view {P}.task as select r.id, r.owner_id, r.team, {notes} as notes,
        r.score, r.mood, r.payload, r.code, r.touched from desk.task r"""
_NARROW = """
    revoke select on desk.task from {web};
    grant select (id, owner_id, team, score, mood, payload, code, touched) on desk.task to {web}"""
_MASKS = {
    # The fault, its cure, what the behaviour shows, what looks show.
    "nothing is masked": (_VIEW.replace("{notes}", "r.notes"), None, "mismatch-masks", "changed"),
    "everything is masked": (_VIEW.replace("{notes}", "'(hidden)'::text"), None, "mismatch-masks", "changed"),
    "another mask": (
        _VIEW.replace(
            "{notes}", "case when exists (select from {P}_lookup.me p where p.team = 'red') then r.notes else 'x' end"
        ),
        None,
        "mismatch-masks",
        "changed",
    ),
    "rows are missing": (_VIEW.replace("{notes}", "null::text") + " where r.id > 1", None, "mismatch-masks", "changed"),
    "owned by an exempt role": (
        "alter view {P}.diary owner to {P}_lookup",
        "alter view {P}.diary owner to {P}_masker",
        None,
        "changed",
    ),
    "owned by the tables' owner": (
        "alter view {P}.task owner to {owner}", "alter view {P}.task owner to {P}_masker", None, "changed",
    ),
    "its owner is not bound": (
        "set role {owner}; revoke {P}_viewer from {P}_masker; reset role",
        "set role {owner}; grant {P}_viewer to {P}_masker; reset role", "could-not-look", "missing",
    ),
    "the table may be read again": (
        "grant select on desk.task to {web}", _NARROW, "mask-open", "changed",
    ),
    "a hidden column may be read again": (
        "grant select (notes) on desk.task to public", "revoke select (notes) on desk.task from public", "mask-open", "pending",
    ),
    "somebody becomes the masker": ("grant {P}_masker to {web}", "revoke {P}_masker from {web}", None, "private-role-member"),
    "nobody reads the view": (
        "revoke select on {P}.task from {web}", "grant select on {P}.task to {web}", "could-not-look", "changed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", _MASKS)
def test_a_fault_of_masks_is_found(name: str, desk: Site):
    fault, cure, behaviour, looks = _MASKS[name]
    with desk.database.connect_admin() as admin:
        (right,) = admin.execute("select pg_get_viewdef(%s::regclass)", [f"{desk.prefix}.task"]).fetchone()
    desk.admin(fault)
    if behaviour is not None:
        # Values are compared where they are shown; who cannot look may fail to at any table.
        tables = () if behaviour == "could-not-look" else ("desk.task",)
        assert behaviour in {one.code for one in desk.verify(*tables, statics=False).failures}
    assert looks in {one.code for one in desk.verify(behaviour=False).failures}
    desk.admin(cure or f"create or replace view {{P}}.task as {right}")
    report = desk.verify(behaviour=False)
    assert report.ok, report.findings


def test_a_masked_view_that_is_gone_is_found_and_made_again(desk: Site):
    desk.admin("drop view {P}.diary")
    assert "could-not-look" in {one.code for one in desk.verify("desk.diary", statics=False).failures}
    assert {"missing", "pending"} <= {one.code for one in desk.verify(behaviour=False).failures}
    desk.apply()
    assert desk.verify().ok
