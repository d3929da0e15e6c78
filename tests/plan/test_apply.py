"""Stale plans, locks that are not free, killed and concurrent applies."""

from __future__ import annotations

import threading
from dataclasses import replace

import psycopg
import pytest

from pgerase.apply.execute import apply_plan
from pgerase.apply.ledger import read_state
from pgerase.apply.locks import Patience
from pgerase.errors import DatabaseFailed, Refused, StalePlan
from pgerase.plan.model import read_plan
from pgerase.plan.script import body
from tests.plan.conftest import changed

STATE = """
select (select count(*) from pg_policy),
       (select count(*) from pg_class where relrowsecurity),
       (select count(*) from pg_trigger where not tgisinternal),
       (select count(*) from pg_views where schemaname = %(lookup)s),
       (select count(*) from pg_auth_members as m join pg_roles as r on r.oid = m.roleid
         where r.rolname like %(roles)s and m.member in (%(app)s::regrole, %(owner)s::regrole)
           and coalesce((to_jsonb(m) ->> 'set_option')::bool, true)),
       (select count(*) from pg_db_role_setting where setrole = %(owner)s::regrole)
"""


def state(site):
    values = {
        "lookup": f"{site.prefix}_lookup",
        "roles": f"{site.prefix}\\_%",
        "app": f'"{site.app}"',
        "owner": f'"{site.owner}"',
    }
    ledger = site.admin(f"select count(*) from {site.prefix}_internal.applied_object")
    runs = site.admin(f"select count(*) from {site.prefix}_internal.apply_run")
    return site.admin(STATE, values) + ledger + runs


@pytest.mark.parametrize(
    "change",
    [
        "alter table cs.company add column more int",
        "create policy p on cs.note using (true)",
        "alter table cs.note enable row level security",
        "create table cs.payment_2030 partition of cs.payment for values from ('2030-01-01') to ('2031-01-01')",
        "alter table cs.note drop constraint note_company_id_fkey",
    ],
)
def test_stale_plan_is_refused(site, change):
    plan = site.plan(site.desired())
    site.sql(change)
    before = state(site)
    with pytest.raises(StalePlan, match="changed after this plan"):
        apply_plan(site.db, plan)
    assert state(site) == before


def test_plan_stays_good_while_the_rest_of_the_database_lives_on(site):
    plan = read_plan(site.plan(site.desired()).to_json())
    site.sql("create table cs.unrelated (id int); insert into cs.note values (100, 1, 'new'); analyze cs.note")
    assert apply_plan(site.db, plan).run == 1


def test_plan_for_another_database_is_refused(site):
    plan = replace(site.plan(site.desired()), database="other")
    with pytest.raises(StalePlan, match="for the database other"):
        apply_plan(site.db, plan)


def test_a_plan_is_applied_once(site):
    plan = site.plan(site.desired())
    apply_plan(site.db, plan)
    with pytest.raises(StalePlan):
        apply_plan(site.db, plan)
    assert site.admin(f"select count(*) from {site.prefix}_internal.apply_run") == [(1,)]


def test_rules_changed_by_hand_between_plan_and_apply_make_the_plan_stale(site):
    desired = site.desired()
    site.apply(desired)
    plan = site.plan(changed(desired, "note", using="false"))
    site.sql(f"alter policy {site.prefix}_company on cs.company using (true)")
    with pytest.raises(StalePlan):
        apply_plan(site.db, plan, allow_drop=True)


def test_an_idle_reader_is_named_and_nobody_waits(site, impatient):
    reader = site.database.connect(site.app)
    reader.autocommit = False
    reader.execute("select 'secret text' from cs.note")
    before = state(site)
    pauses = []
    patience = replace(impatient(), pause=pauses.append)
    # A second reader gets through between any two attempts: nothing queues behind the lock that was not granted.
    with pytest.raises(Refused) as refused:
        apply_plan(site.db, site.plan(site.desired()), patience=patience)
    assert len(pauses) == 2
    assert f"pid {reader.info.backend_pid}" in refused.value.message
    assert f"user {site.app}" in refused.value.message
    assert "cs.note" in refused.value.message
    assert "secret text" not in refused.value.message
    assert state(site) == before
    assert site.seen("select count(*) from cs.company") == [(9,)]
    reader.rollback()
    site.apply(site.desired())


def test_readers_are_not_blocked_while_apply_is_waiting(site, impatient):
    reader = site.database.connect(site.app)
    reader.autocommit = False
    reader.execute("select 1 from cs.note")
    counts = []

    def pause(seconds: float) -> None:
        counts.append(site.seen("select count(*) from cs.company"))

    with pytest.raises(Refused):
        apply_plan(site.db, site.plan(site.desired()), patience=replace(impatient(), pause=pause))
    assert len(counts) == 2


def test_apply_goes_on_when_the_blocker_leaves(site, impatient):
    reader = site.database.connect(site.app)
    reader.autocommit = False
    reader.execute("select 1 from cs.note")
    applied = apply_plan(
        site.db, site.plan(site.desired()), patience=replace(impatient(), pause=lambda seconds: reader.rollback())
    )
    assert applied.run == 1


def test_a_killed_apply_leaves_nothing_whatever_it_was_doing(site):
    desired = site.desired()
    plan = site.plan(desired)
    before = state(site)
    pieces = [*body(plan), None]
    for number in range(len(pieces)):
        connection = site.open()
        seen = 0

        def kill(piece, connection=connection, number=number):
            nonlocal seen
            if seen == number:
                site.admin("select pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid])
            seen += 1

        with pytest.raises((DatabaseFailed, psycopg.OperationalError)):
            apply_plan(connection, plan, watch=kill)
        assert seen == number + 1
        assert state(site) == before, pieces[number]
    apply_plan(site.db, plan)
    assert site.plan(desired).pending == ()


def test_two_applies_at_once_do_not_interleave(site):
    desired = site.desired()
    plan = site.plan(desired)
    inside, go_on = threading.Event(), threading.Event()
    results: list[object] = []

    def hold(piece) -> None:
        if piece.what == "commit":
            inside.set()
            assert go_on.wait(20)

    def first() -> None:
        results.append(apply_plan(site.open(), plan, watch=hold))

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(20)
    second = site.open()
    with pytest.raises(Refused, match="another apply or install") as refused:
        apply_plan(second, plan, patience=Patience(seconds=0))
    assert not isinstance(refused.value, StalePlan)
    # One that waits finds, when it is its turn, that the database is no longer what it was planned for.
    with pytest.raises(StalePlan):
        apply_plan(second, plan, patience=Patience(seconds=20, pause=lambda seconds: (go_on.set(), thread.join(20))))
    assert len(results) == 1
    assert site.admin(f"select count(*) from {site.prefix}_internal.apply_run") == [(1,)]
    assert site.plan(desired).pending == ()


def test_a_failing_statement_leaves_nothing_and_names_its_object(site):
    desired = changed(site.desired(), "note", using="no_such_column = 1")
    before = state(site)
    with pytest.raises(DatabaseFailed, match=f"policy {site.prefix}_note on cs.note.*no_such_column"):
        site.apply(desired)
    assert state(site) == before


def test_the_ledger_needs_an_installation(site):
    with pytest.raises(Refused, match="not installed here for the prefix nobody"):
        read_state(site.db, "nobody")
