"""After an apply, the next plan is empty; after a revert, the database is what it was before."""

from __future__ import annotations

import pytest

from pgerase.apply.ledger import read_state
from pgerase.plan.model import Change


def test_second_plan_is_empty(site):
    desired = site.desired()
    first = site.plan(desired)
    assert {step.change for step in first.steps} == {Change.CREATE}
    applied = site.apply(desired)
    assert applied.created == len(first.steps) == len(desired.objects)
    second = site.plan(desired)
    assert [str(step.key) for step in second.pending] == []
    assert len(second.steps) == len(desired.objects)


def test_applied_rules_are_enforced_for_the_application(site):
    assert len(site.seen("select id from cs.company")) == 9
    site.apply(site.desired())
    assert site.seen("select id from cs.company order by id", viewer=1) == [(1,), (4,), (7,)]
    assert site.seen("select id from cs.note order by id", viewer=1) == [(1,), (4,), (7,)]
    assert site.seen("select id from cs.payment order by id", viewer=1) == [(1,), (4,), (7,)]
    assert site.seen("select id from cs.payment_2025", viewer=1) == []
    assert site.seen("select id from cs.company") == []


def test_nobody_is_left_in_the_private_roles(site):
    site.apply(site.desired())
    members = site.admin(
        "select m.member::regrole::text from pg_auth_members as m where m.roleid in"
        " (select oid from pg_roles where rolname = any (%s)) and"
        " (coalesce((to_jsonb(m) ->> 'inherit_option')::bool, true) or coalesce((to_jsonb(m) ->> 'set_option')::bool, true))",
        [[f"{site.prefix}_{name}" for name in ("lookup", "eraser", "secret", "masker", "keeper")]],
    )
    assert members == []


def test_revert_leaves_a_dump_identical_to_the_one_before(site, pg_dump):
    before = pg_dump(site.database, "--schema=cs")
    site.apply(site.desired())
    site.revert()
    assert pg_dump(site.database, "--schema=cs") == before
    _, ledger = read_state(site.db, site.prefix)
    assert ledger.rows == {}
    assert site.seen("select count(*) from cs.company") == [(9,)]
    settings = site.admin("select setconfig from pg_db_role_setting where setrole = %s::regrole", [f'"{site.owner}"'])
    assert settings == []
    held = site.admin("select 1 from pg_auth_members where member = %s::regrole", [f'"{site.app}"'])
    assert held == []


@pytest.mark.parametrize("times", [2])
def test_applying_after_a_revert_ends_in_the_same_state(site, times):
    desired = site.desired()
    states = []
    for _ in range(times):
        site.apply(desired)
        rows = read_state(site.db, site.prefix)[1].rows
        states.append({key: (row.deparsed, row.source_sha256, row.undo) for key, row in rows.items()})
        site.revert()
    assert states[0] == states[1]
