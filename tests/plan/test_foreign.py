"""Policies that were there before: refused, replaced or fenced; and names that others took first."""

from __future__ import annotations

import pytest

from pgerase.apply.ledger import read_state
from pgerase.catalog.model import Name
from pgerase.compile.desired import DesiredView
from pgerase.errors import Refused
from pgerase.plan.foreign import fence
from pgerase.plan.model import Effect
from pgerase.rules.pack import Existing
from tests.plan.conftest import COMPANY, LEAVES, NOTE, PAYMENT, changed

EVERYBODY = "create policy everybody on cs.company for select using (id < 6)"


def refusals(plan):
    return {(finding.code, finding.subject) for finding in plan.refusals}


def test_foreign_policies_are_refused_each_by_name(site):
    site.sql(f"{EVERYBODY}; create policy writers on cs.note for update using (true) with check (body is not null)")
    site.sql("create policy leaf on cs.payment_2025 for select using (true)")
    plan = site.plan(site.desired())
    assert refusals(plan) == {
        ("foreign-policy", "policy everybody on cs.company"),
        ("foreign-policy", "policy writers on cs.note"),
        ("foreign-policy", "policy leaf on cs.payment_2025"),
    }
    with pytest.raises(Refused) as refused:
        site.apply(site.desired())
    assert {finding.subject for finding in refused.value.findings} == {subject for _, subject in refusals(plan)}
    assert site.admin("select count(*) from pg_policy") == [(3,)]


def test_policies_on_ungoverned_tables_are_nobodys_business(site):
    site.sql("create table cs.other (id int); create policy p on cs.other using (true)")
    assert site.plan(site.desired()).refusals == ()


def test_replaced_policies_go_and_come_back_exactly(site, pg_dump):
    site.sql(
        f'{EVERYBODY}; create policy "It\'s" on cs.company as restrictive for update to "{site.app}"'
        " using (name <> E'a\\\\b') with check (id > 0); alter table cs.company enable row level security;"
        " comment on policy everybody on cs.company is 'All of us; -- really'"
    )
    before = pg_dump(site.database, "--schema=cs")
    site.adopt(COMPANY, Existing.REPLACE)
    desired = site.desired()
    plan = site.plan(desired)
    effects = {str(step.key): step.effect for step in plan.destructive}
    assert effects == {
        "replaced policy everybody on cs.company": Effect.NARROW,
        'replaced policy "It\'s" on cs.company': Effect.WIDEN,
    }
    site.apply(desired)
    assert site.seen("select id from cs.company") == []
    assert site.plan(desired).pending == ()
    site.revert()
    assert pg_dump(site.database, "--schema=cs") == before


def test_replaced_policies_come_back_when_their_table_is_no_longer_governed(site):
    site.sql(f"{EVERYBODY}")
    site.adopt(COMPANY, Existing.REPLACE)
    site.apply(site.desired())
    less = site.desired(without=(COMPANY,))
    site.apply(less)
    assert site.admin("select polname from pg_policy where polrelid = 'cs.company'::regclass") == [("everybody",)]
    assert site.plan(less).pending == ()


def test_fenced_policies_stay_and_show_no_more_than_ours(site):
    site.sql(EVERYBODY)
    site.sql("create policy write on cs.company for insert with check (true)")
    site.adopt(COMPANY, Existing.FENCE)
    desired = site.desired()
    site.apply(desired)
    assert site.seen("select id from cs.company") == []
    assert site.seen("select id from cs.company order by id", viewer=1) == [(1,), (4,), (7,)]
    assert site.plan(desired).pending == ()
    # Someone who is no viewer goes on as before: the fence is for viewers.
    assert (
        site.admin("select polroles::regrole[]::text from pg_policy where polname like %s", [f"{site.prefix}_fence%"])
        == [(f"{{{site.prefix}_viewer}}",)] * 4
    )
    # Nothing of ours lets anybody insert, whatever the other policy says.
    site.sql(f'grant insert on cs.company to "{site.app}"')
    with pytest.raises(Exception, match="violates row-level security"):
        site.seen("insert into cs.company values (100, 1, 'x') returning id", viewer=1)
    site.revert()
    left = site.admin("select polname from pg_policy where polrelid = 'cs.company'::regclass order by 1")
    assert left == [("everybody",), ("write",)]


def test_fence_repeats_the_decision_for_each_command(site):
    desired = site.desired()
    policies = {policy.command: policy for policy in fence(desired, COMPANY)}
    ours = {one.name: one for one in desired.objects if getattr(one, "table", None) == COMPANY and hasattr(one, "name")}
    select, update = ours[f"{site.prefix}_company"], ours[f"{site.prefix}_company_update"]
    assert (policies["SELECT"].using, policies["SELECT"].check) == (select.using, None)
    assert (policies["UPDATE"].using, policies["UPDATE"].check) == (update.using, update.check)
    assert (policies["INSERT"].using, policies["INSERT"].check) == (None, "false")
    assert (policies["DELETE"].using, policies["DELETE"].check) == ("false", None)
    assert not any(policy.permissive for policy in policies.values())
    assert [policy.using for policy in fence(desired, LEAVES[0])] == ["false", None, "false", "false"]


def test_a_leaf_follows_its_table(site):
    site.sql("create policy leaf on cs.payment_2025 for select using (true)")
    site.adopt(PAYMENT, Existing.FENCE)
    desired = site.desired()
    site.apply(desired)
    assert site.seen("select id from cs.payment_2025", viewer=1) == []
    assert site.plan(desired).pending == ()


@pytest.mark.parametrize("existing", [Existing.REFUSE, Existing.REPLACE, Existing.FENCE])
@pytest.mark.parametrize("to", ["public", "{prefix}_eraser", "{prefix}_lookup"])
def test_restrictive_policies_that_bind_exempt_roles_are_always_refused(site, existing, to):
    site.admin(
        f"create policy half on cs.note as restrictive using (id > 4); alter policy half on cs.note to {to.format(prefix=site.prefix)}"
    )
    site.adopt(NOTE, existing)
    assert refusals(site.plan(site.desired())) == {("restrictive-binds-exempt", "policy half on cs.note")}


def test_names_of_ours_that_others_took_are_refused_and_untouched(site):
    prefix = site.prefix
    site.sql(f"create policy {prefix}_note on cs.note using (false)")
    site.sql(
        f"create function cs.f() returns trigger language plpgsql as 'begin return new; end';"
        f" create trigger {prefix}_guard_note before insert on cs.note for each row execute function cs.f()"
    )
    site.admin(f"create view {prefix}_lookup.my_company as select 1 as id")
    site.sql(f"create function {prefix}.guard_note() returns trigger language plpgsql as 'begin return null; end'")
    plan = site.plan(site.desired())
    assert {code for code, _ in refusals(plan)} == {"name-collision"}
    assert {subject for _, subject in refusals(plan)} == {
        f"policy {prefix}_note on cs.note",
        f"trigger {prefix}_guard_note on cs.note",
        f"view {prefix}_lookup.my_company",
        f"function {prefix}.guard_note()",
    }
    with pytest.raises(Refused):
        site.apply(site.desired())
    assert site.admin("select polcmd::text from pg_policy where polname = %s", [f"{prefix}_note"]) == [("*",)]


def test_a_policy_with_our_mark_that_the_ledger_lost_is_ours(site):
    desired = site.desired()
    site.apply(desired)
    site.admin(f"delete from {site.prefix}_internal.applied_object where kind = 'policy'")
    plan = site.plan(desired)
    assert plan.refusals == ()
    site.apply(desired)
    assert site.plan(desired).pending == ()
    site.revert()
    assert site.admin("select count(*) from pg_policy") == [(0,)]


def test_a_marked_policy_that_no_rule_wants_is_dropped(site):
    site.apply(site.desired())
    site.admin(f"delete from {site.prefix}_internal.applied_object where identity like '%%\\_tenant on%%'")
    less = site.desired()
    less = type(less)(
        less.prefix,
        tuple(one for one in less.objects if getattr(one, "name", "") != f"{site.prefix}_tenant"),
        less.governed,
        (),
    )
    (step,) = site.plan(less).pending
    assert (str(step.key), step.destructive) == (f"policy {site.prefix}_tenant on cs.note", True)


def test_a_renamed_table_takes_its_policies_along(site):
    site.apply(site.desired())
    site.sql("alter table cs.note rename to remark")
    _, ledger = read_state(site.db, site.prefix)
    remark = Name("cs", "remark")
    from dataclasses import replace

    desired = site.desired()
    moved = [
        replace(
            one,
            table=remark,
            **({"definition": one.definition.replace("cs.note", "cs.remark")} if hasattr(one, "definition") else {}),
        )
        if getattr(one, "table", None) == NOTE
        else one
        for one in desired.objects
    ]
    desired = replace(desired, objects=tuple(moved), governed=(COMPANY, remark, PAYMENT))
    plan = site.plan(desired)
    # The trigger carries no mark of ours that could be told from another's: it is refused, everything else is adopted.
    assert {subject for _, subject in refusals(plan)} == {f"trigger {site.prefix}_guard_note on cs.remark"}
    assert any(isinstance(one, DesiredView) for one in desired.objects)
    assert changed(desired, "note", using="true") != desired
    assert any(key.parts[:2] == ("cs", "note") for key in ledger.rows)
