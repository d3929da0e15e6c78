"""What a changed, removed or added object does to the database, and what a plan says about it beforehand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgerase.catalog.model import Name
from pgerase.compile.desired import Desired, DesiredGrant, DesiredPolicy, DesiredRowSecurity, DesiredView
from pgerase.errors import Finding, Refused, Severity
from pgerase.plan.model import Change, Effect, read_plan
from tests.plan.conftest import COMPANY, LEAVES, NOTE, PAYMENT, changed


def pending(plan):
    return {str(step.key): step.change for step in plan.pending}


def only(plan):
    (step,) = plan.pending
    return step


def test_changed_expression_is_altered_in_place_and_enforced(site):
    desired = site.desired()
    site.apply(desired)
    tighter = changed(desired, "company", using="owner_id = 2")
    step = only(site.plan(tighter))
    assert (step.change, step.effect) == (Change.ALTER, Effect.CHANGES)
    assert step.statements[0].startswith("alter policy")
    assert [(lock.table, lock.mode) for lock in step.locks] == [(COMPANY, "access exclusive")]
    site.apply(tighter)
    assert site.seen("select id from cs.company order by id") == [(2,), (5,), (8,)]
    assert site.plan(tighter).pending == ()


def test_changed_command_or_kind_makes_the_policy_again(site):
    desired = site.desired()
    site.apply(desired)
    step = only(site.plan(changed(desired, "tenant", permissive=True)))
    assert step.before
    assert step.statements[0].startswith("create policy")
    site.apply(changed(desired, "tenant", permissive=True))
    assert site.plan(changed(desired, "tenant", permissive=True)).pending == ()


def test_expression_taken_away_makes_the_policy_again(site):
    desired = site.desired()
    site.apply(desired)
    narrower = changed(desired, "company_update", check=None)
    site.apply(narrower)
    assert site.admin("select polwithcheck from pg_policy where polname = %s", [f"{site.prefix}_company_update"]) == [
        (None,)
    ]
    assert site.plan(narrower).pending == ()


def test_changed_view_takes_its_users_down_and_makes_them_again(site):
    desired = site.desired()
    site.apply(desired)
    view = next(one for one in desired.objects if isinstance(one, DesiredView))
    other = changed(desired, "my_company", query="select c.name, c.id from cs.company as c where c.id in (1, 2)")
    plan = site.plan(other)
    key = f"view {site.prefix}_lookup.my_company"
    assert pending(plan) == {
        key: Change.ALTER,
        f"policy {site.prefix}_note on cs.note": Change.ALTER,
        f"policy {site.prefix}_payment on cs.payment": Change.ALTER,
    }
    assert not plan.destructive
    site.apply(other, allow_drop=False)
    assert site.seen("select id from cs.note order by id") == [(1,), (2,)]
    assert site.plan(other).pending == ()
    owner = site.admin(f"select relowner::regrole::text from pg_class where oid = '{key[5:]}'::regclass")
    assert owner == [(view.owner,)]


def test_views_on_views_are_rebuilt_in_order(site):
    prefix = site.prefix
    inner = next(one for one in site.desired().objects if isinstance(one, DesiredView))
    outer = DesiredView(
        Name(f"{prefix}_lookup", 'a "view"'), inner.owner,
        f"select v.id from {prefix}_lookup.my_company as v where v.id > 1", inner.readers, "On a view.",
    )  # fmt: skip
    top = DesiredView(
        Name(f"{prefix}_lookup", "aa_top"), inner.owner,
        f'select v.id from {prefix}_lookup."a ""view""" as v', inner.readers, "On a view on a view.",
    )  # fmt: skip
    desired = site.desired(outer, top)
    site.apply(desired)
    other = changed(desired, "my_company", query="select c.name, c.id from cs.company as c")
    assert {f'view {prefix}_lookup."a ""view"""', f"view {prefix}_lookup.aa_top"} <= set(pending(site.plan(other)))
    site.apply(other)
    assert site.plan(other).pending == ()
    site.revert()
    assert site.admin("select count(*) from pg_views where schemaname = %s", [f"{prefix}_lookup"]) == [(0,)]


def test_changed_function_takes_its_trigger_along(site):
    desired = site.desired()
    site.apply(desired)
    function = next(one for one in desired.objects if getattr(one, "definition", "").startswith("create or replace"))
    stricter = replace(function, definition=function.definition.replace("return new", "return null"))
    other = replace(desired, objects=tuple(stricter if one == function else one for one in desired.objects))
    assert set(pending(site.plan(other))) == {
        f"function {site.prefix}.guard_note()",
        f"trigger {site.prefix}_guard_note on cs.note",
    }
    site.apply(other)
    assert site.plan(other).pending == ()
    others = "select a.grantee from pg_proc as p, aclexplode(p.proacl) as a where p.proname = 'guard_note' and a.grantee <> p.proowner"
    assert site.admin(others) == []


def test_comment_alone_is_an_alteration_without_rebuilding(site):
    desired = site.desired()
    site.apply(desired)
    other = changed(desired, "note", comment="It's \\ here; -- and\nthere $$ [pgerase rule=note]")
    step = only(site.plan(other))
    assert step.before == ()
    site.apply(other)
    comment = site.admin(
        "select obj_description(oid, 'pg_policy') from pg_policy where polname = %s", [f"{site.prefix}_note"]
    )
    assert comment == [("It's \\ here; -- and\nthere $$ [pgerase rule=note]",)]


def test_removed_objects_are_dropped_only_with_consent(site):
    site.apply(site.desired())
    less = site.desired(without=(NOTE,))
    plan = site.plan(less)
    dropped = {str(step.key) for step in plan.destructive}
    assert "row security cs.note" in dropped
    with pytest.raises(Refused, match="drops"):
        site.apply(less, allow_drop=False)
    assert site.seen("select count(*) from cs.note") == [(0,)]
    site.apply(less)
    assert site.seen("select count(*) from cs.note") == [(9,)]
    assert site.admin("select relrowsecurity, relforcerowsecurity from pg_class where oid = 'cs.note'::regclass") == [
        (False, False)
    ]
    assert site.plan(less).pending == ()


def test_labels_say_who_sees_more_or_less(site):
    effects = {str(step.key): step.effect for step in site.plan(site.desired()).steps}
    assert effects["row security cs.note"] is Effect.NARROW
    assert effects[f"policy {site.prefix}_note on cs.note"] is Effect.WIDEN
    assert effects[f"policy {site.prefix}_tenant on cs.note"] is Effect.NARROW
    assert effects[f"trigger {site.prefix}_guard_note on cs.note"] is Effect.NARROW
    assert effects[f"view {site.prefix}_lookup.my_company"] is Effect.NEUTRAL
    site.apply(site.desired())
    effects = {str(step.key): step.effect for step in site.plan(site.desired(without=(NOTE,))).steps}
    assert effects["row security cs.note"] is Effect.WIDEN
    assert effects[f"policy {site.prefix}_note on cs.note"] is Effect.NARROW
    assert effects[f"policy {site.prefix}_tenant on cs.note"] is Effect.WIDEN


def test_plan_survives_its_file(site):
    plan = site.plan(site.desired())
    assert read_plan(plan.to_json()) == plan
    assert read_plan(plan.to_json()).sha256 == plan.sha256


def test_what_held_before_is_left_by_revert(site):
    site.admin(f'grant "{site.prefix}_viewer" to "{site.app}"')
    site.sql(f'grant usage on schema cs to "{site.prefix}_lookup"')
    site.sql("alter table cs.company enable row level security")
    site.admin(f'alter role "{site.owner}" in database "{site.database.name}" set row_security = on')
    desired = site.desired()
    site.apply(desired)
    assert site.plan(desired).pending == ()
    site.revert()
    assert site.admin(
        "select relrowsecurity, relforcerowsecurity from pg_class where oid = 'cs.company'::regclass"
    ) == [(True, False)]
    assert site.admin("select pg_has_role(%s, %s, 'usage')", [site.app, f"{site.prefix}_viewer"]) == [(True,)]
    assert site.admin("select has_schema_privilege(%s, 'cs', 'usage')", [f"{site.prefix}_lookup"]) == [(True,)]
    assert site.admin("select setconfig from pg_db_role_setting where setrole = %s::regrole", [f'"{site.owner}"']) == [
        (["row_security=on"],)
    ]


def test_grants_on_columns_are_applied_and_taken_back(site):
    viewer = f"{site.prefix}_viewer"
    desired = site.desired(DesiredGrant("table", "cs.company", 'SELECT (id, "name")', viewer))
    site.apply(desired)
    held = (
        "select has_column_privilege(%s, 'cs.company', c, 'select') from unnest(array['id', 'name', 'owner_id']) as c"
    )
    assert site.admin(held, [viewer]) == [(True,), (True,), (False,)]
    assert site.plan(desired).pending == ()
    site.revert()
    assert site.admin(held, [viewer]) == [(False,), (False,), (False,)]


def test_a_leaf_attached_later_is_covered_by_the_next_plan(site):
    site.apply(site.desired())
    site.sql("create table cs.payment_2027 partition of cs.payment for values from ('2027-01-01') to ('2028-01-01')")
    leaf = Name("cs", "payment_2027")
    desired = site.desired(DesiredRowSecurity(leaf))
    assert pending(site.plan(desired)) == {"row security cs.payment_2027": Change.CREATE}
    site.apply(desired)
    assert site.plan(desired).pending == ()


def test_quoted_and_longest_names(site):
    schema, table = 'S "x".y', "é" * 31
    site.sql(f'create schema "S ""x"".y"; create table "S ""x"".y"."{table}" (id int, "a b" text)')
    name = Name(schema, table)
    policy_name = f"{site.prefix}_" + "ü" * ((62 - len(site.prefix)) // 2)
    viewer = f"{site.prefix}_viewer"
    desired = site.desired(
        DesiredPolicy(name, policy_name, "SELECT", True, (viewer,), '"a b" = $q$it\'s; -- "$q$', None, "x [pgerase x]"),
        DesiredRowSecurity(name),
        DesiredGrant("table", f'"S ""x"".y"."{table}"', "SELECT", viewer),
        DesiredGrant("schema", '"S ""x"".y"', "USAGE", viewer),
        DesiredView(
            Name(f"{site.prefix}_lookup", "v'; drop table cs.note; --"), f"{site.prefix}_lookup",
            "select 'a\nb' as \"x;\ny\"", (viewer,), "' ; $$ \\",
        ),
    )  # fmt: skip
    site.apply(desired)
    assert site.plan(desired).pending == ()
    assert site.admin("select polname from pg_policy where polname = %s", [policy_name]) == [(policy_name,)]
    site.revert()
    assert site.admin("select count(*) from pg_policy") == [(0,)]


def test_leaves_are_locked_for_triggers_on_their_parent(site):
    trigger = next(one for one in site.desired().objects if getattr(one, "definition", "").startswith("create trigger"))
    on_payment = replace(
        trigger, table=PAYMENT, name=f"{site.prefix}_guard_payment",
        definition=f'create trigger "{site.prefix}_guard_payment" before update on cs.payment for each row '
        f'execute function "{site.prefix}".guard_note()',
    )  # fmt: skip
    plan = site.plan(site.desired(on_payment))
    step = next(step for step in plan.steps if step.key.parts[-1].endswith("guard_payment"))
    assert {lock.table for lock in step.locks} == {PAYMENT, *LEAVES}
    site.apply(site.desired(on_payment))
    assert site.plan(site.desired(on_payment)).pending == ()


def test_what_cannot_be_compiled_drops_nothing(site):
    site.apply(site.desired())
    finding = Finding("not-compiled-yet", Severity.ERROR, "data_map.yaml", "not yet")
    plan = site.plan(Desired(site.prefix, (), (), (finding,)))
    assert (plan.steps, plan.refusals) == ((), (finding,))
    with pytest.raises(Refused):
        site.apply(Desired(site.prefix, (), (), (finding,)))


def test_an_applier_without_inherit(site):
    site.admin(f'alter role "{site.owner}" noinherit')
    plan = site.plan(site.desired())
    if site.db.server_version < 160000:
        assert [finding.code for finding in plan.refusals] == ["applier-noinherit"]
    else:
        site.apply(site.desired())
        assert site.plan(site.desired()).pending == ()
