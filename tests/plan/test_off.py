"""The emergency exit, and what revert does when things are not as they were."""

from __future__ import annotations

import pytest

from pgerase.apply.execute import apply_plan
from pgerase.apply.ledger import drift, find_prefix, read_state
from pgerase.catalog.model import Name
from pgerase.errors import Refused
from pgerase.plan.model import Change
from pgerase.plan.revert import make_off
from pgerase.rules.pack import Existing
from tests.plan.conftest import COMPANY, LEAVES, NOTE, PAYMENT


def off(site, table):
    plan = make_off(*read_state(site.db, site.prefix), site.prefix, "", table)
    return apply_plan(site.db, plan, allow_drop=True)


def test_off_opens_one_table_and_says_who_is_connected(site):
    site.apply(site.desired())
    done = off(site, COMPANY)
    assert site.seen("select count(*) from cs.company") == [(9,)]
    assert site.seen("select count(*) from cs.note") == [(0,)]
    # Notes are still decided by companies: through the lookup view, as before.
    assert site.seen("select id from cs.note order by id", viewer=1) == [(1,), (4,), (7,)]
    assert any("cs.note, cs.payment" in sentence for sentence in done.notes)
    assert site.admin(f"select action from {site.prefix}_internal.apply_run order by apply_id") == [
        ("apply",),
        ("off",),
    ]
    assert drift(site.db, site.prefix) == ()


def test_off_covers_leaves_and_guards(site):
    site.apply(site.desired())
    off(site, PAYMENT)
    assert site.seen("select count(*) from cs.payment") == [(9,)]
    assert site.seen("select count(*) from cs.payment_2025")[0][0] > 0
    off(site, NOTE)
    assert site.admin("select count(*) from pg_trigger where not tgisinternal") == [(0,)]
    assert LEAVES[0].name == "payment_2025"


def test_off_gives_replaced_policies_back(site):
    site.sql(
        "create policy everybody on cs.company for select using (id < 6); alter table cs.company enable row level security"
    )
    site.adopt(COMPANY, Existing.REPLACE)
    site.apply(site.desired())
    off(site, COMPANY)
    assert site.seen("select id from cs.company order by id") == [(1,), (2,), (3,), (4,), (5,)]
    # The lookup role stays exempt there, so that others' rules find what they found.
    assert site.seen("select id from cs.note order by id", viewer=1) == [(1,), (4,), (7,)]


def test_the_next_apply_governs_it_again_and_revert_still_restores(site, pg_dump):
    before = pg_dump(site.database, "--schema=cs")
    desired = site.desired()
    site.apply(desired)
    off(site, NOTE)
    plan = site.plan(desired)
    assert {step.change for step in plan.pending} == {Change.CREATE}
    site.apply(desired)
    assert site.seen("select count(*) from cs.note") == [(0,)]
    off(site, NOTE)
    site.revert()
    assert pg_dump(site.database, "--schema=cs") == before


def test_off_refuses_a_table_that_is_not_governed(site):
    site.apply(site.desired())
    with pytest.raises(Refused, match=r"cs\.other is not governed"):
        off(site, Name("cs", "other"))


def test_the_prefix_is_found_without_rule_files(site):
    assert find_prefix(site.db) == site.prefix


def test_revert_copes_with_what_is_gone_or_was_changed(site, pg_dump):
    before = pg_dump(site.database, "--schema=cs", "--exclude-table=cs.note")
    site.apply(site.desired())
    site.sql(
        f"drop policy {site.prefix}_company on cs.company; alter policy {site.prefix}_payment on cs.payment using (true)"
    )
    site.sql("drop table cs.note")
    site.revert()
    assert pg_dump(site.database, "--schema=cs") == before
    assert read_state(site.db, site.prefix)[1].rows == {}


def test_reverting_twice_does_nothing(site):
    site.apply(site.desired())
    assert site.revert().run == 2
    assert site.revert().run == 0
