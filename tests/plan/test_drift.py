"""Each kind of change made by hand is found, named with what was expected and what was found; and apply puts it right."""

from __future__ import annotations

import pytest

from pgerase.apply.ledger import drift
from pgerase.database import Database
from pgerase.errors import Severity
from pgerase.rules.pack import Existing
from tests.plan.conftest import COMPANY

# what is done by hand, as superuser: (statement, code, subject, part of the message)
CHANGES = {
    "expression": (
        "alter policy {p}_company on cs.company using (true)",
        "changed", "policy {p}_company on cs.company", "using: expected (owner_id = ANY",
    ),
    "check": (
        "alter policy {p}_company_update on cs.company with check (true)",
        "changed", "policy {p}_company_update on cs.company", "found: true",
    ),
    "roles": (
        "alter policy {p}_company on cs.company to public",
        "changed", "policy {p}_company on cs.company", "roles: expected {p}_viewer, found: public",
    ),
    "command": (
        "drop policy {p}_tenant on cs.note; create policy {p}_tenant on cs.note as restrictive for all using (body <> 'secret')",
        "changed", "policy {p}_tenant on cs.note", "command: expected SELECT, found: ALL",
    ),
    "permissive": (
        "drop policy {p}_tenant on cs.note; create policy {p}_tenant on cs.note for select to {p}_viewer using (body <> 'secret')",
        "changed", "policy {p}_tenant on cs.note", "permissive: expected no, found: yes",
    ),
    "comment": (
        "comment on policy {p}_tenant on cs.note is 'mine'",
        "changed", "policy {p}_tenant on cs.note", "comment: expected Rule tenant",
    ),
    "dropped policy": (
        "drop policy {p}_tenant on cs.note", "missing", "policy {p}_tenant on cs.note", "found: nothing",
    ),
    "row security disabled": (
        "alter table cs.note disable row level security",
        "changed", "row security cs.note", "enabled: expected yes, found: no",
    ),
    "row security unforced": (
        "alter table cs.note no force row level security",
        "changed", "row security cs.note", "forced: expected yes, found: no",
    ),
    "leaf unforced": (
        "alter table cs.payment_2025 no force row level security",
        "changed", "row security cs.payment_2025", "forced: expected yes, found: no",
    ),
    "grant taken": (
        "revoke select on cs.payment from {p}_lookup",
        "missing", "grant select on table cs.payment to {p}_lookup", "found: nothing",
    ),
    "grant given": (
        "grant update on cs.company to {p}_lookup",
        "unplanned-grant", "grant update on table cs.company to {p}_lookup", "found: granted",
    ),
    "grant option": (
        "grant select on cs.company to {p}_lookup with grant option",
        "changed", "grant select on table cs.company to {p}_lookup", "grantable: expected no, found: yes",
    ),
    "view definition": (
        "create or replace view {p}_lookup.my_company as select c.id from cs.company as c",
        "changed", "view {p}_lookup.my_company", "definition: expected",
    ),
    "view owner": (
        "alter view {p}_lookup.my_company owner to {owner}",
        "changed", "view {p}_lookup.my_company", "owner: expected {p}_lookup, found: {owner}",
    ),
    "view grant": (
        "grant select on {p}_lookup.my_company to public",
        "changed", "view {p}_lookup.my_company", "grants: expected {p}_viewer SELECT",
    ),
    "view option": (
        "alter view {p}_lookup.my_company set (security_invoker = true)",
        "changed", "view {p}_lookup.my_company", "options: expected nothing, found: security_invoker=true",
    ),
    "another view": (
        "create view {p}_lookup.peek as select * from cs.company",
        "stranger", "view {p}_lookup.peek", "found: this",
    ),
    "function body": (
        "create or replace function {p}.guard_note() returns trigger language plpgsql set search_path = '' as 'begin return null; end'",
        "changed", "function {p}.guard_note()", "definition: expected",
    ),
    "function grant": (
        "grant execute on function {p}.guard_note() to public",
        "changed", "function {p}.guard_note()", "found: public EXECUTE",
    ),
    "another function": (
        "create function {p}.peek() returns int language sql as 'select 1'",
        "stranger", "function {p}.peek()", "found: this",
    ),
    "installed function": (
        "alter function {p}.current_viewer() volatile",
        "routine", "function {p}.current_viewer", "expected as installed",
    ),
    "trigger disabled": (
        "alter table cs.note disable trigger {p}_guard_note",
        "changed", "trigger {p}_guard_note on cs.note", "enabled: expected O, found: D",
    ),
    "trigger definition": (
        "drop trigger {p}_guard_note on cs.note; create trigger {p}_guard_note before insert on cs.note for each row execute function {p}.guard_note()",
        "changed", "trigger {p}_guard_note on cs.note", "definition: expected",
    ),
    "role attribute": (
        "alter role {p}_lookup bypassrls", "role-attribute", "role {p}_lookup", "bypassrls: expected no, found: yes",
    ),
    "role login": (
        "alter role {p}_eraser login", "role-attribute", "role {p}_eraser", "login: expected no, found: yes",
    ),
    "private member": (
        "grant {p}_lookup to {app}", "private-role-member", "membership {app} in {p}_lookup", "found: one who can use the role",
    ),
    "private role in another": (
        "grant pg_signal_backend to {p}_viewer", "role-attribute", "membership {p}_viewer in pg_signal_backend", "found: in pg_signal_backend",
    ),
    "viewer gone": (
        "revoke {p}_viewer from {app} granted by {owner}", "missing", "membership {app} in {p}_viewer", "found: nothing",
    ),
    "viewer more": (
        "grant {p}_viewer to {dump}", "unplanned-viewer", "membership {dump} in {p}_viewer", "found: one more",
    ),
    "setting changed": (
        "alter role {owner} in database {db} set row_security = on",
        "changed", "role setting row_security of {owner}", "value: expected off, found: on",
    ),
    "setting of a private role": (
        "alter role {p}_lookup in database {db} set row_security = off",
        "role-setting", "role setting row_security of {p}_lookup", "found: off",
    ),
    "schema grant": (
        "grant usage on schema {p}_lookup to public", "schema-grant", "schema {p}_lookup", "no privilege for public, found: usage",
    ),
    "schema owner": (
        "alter schema {p}_lookup owner to {owner}", "owner", "schema {p}_lookup", "owner: expected {p}_lookup, found: {owner}",
    ),
    "foreign policy": (
        "create policy everybody on cs.company for select using (true)",
        "foreign-policy", "policy everybody on cs.company", "found: permissive, for select, to public",
    ),
    "foreign policy on a leaf": (
        "create policy everybody on cs.payment_2026 for select using (true)",
        "foreign-policy", "policy everybody on cs.payment_2026", "found: permissive",
    ),
    "foreign policy with our name": (
        "create policy {p}_more on cs.company for select using (true)",
        "foreign-policy", "policy {p}_more on cs.company", "found: permissive",
    ),
    "leaf attached": (
        "create table cs.payment_2027 partition of cs.payment for values from ('2027-01-01') to ('2028-01-01')",
        "leaf-without-row-security", "row security cs.payment_2027", "a leaf of cs.payment",
    ),
}  # fmt: skip


def names(site):
    return {
        "p": site.prefix,
        "owner": site.owner,
        "app": site.app,
        "dump": site.dump,
        "db": site.database.name,
    }


@pytest.fixture
def governed(site):
    site.apply(site.desired())
    assert drift(site.db, site.prefix) == ()
    return site


def test_each_change_by_hand_is_found(governed):
    missed = {}
    with Database.open(governed.database.admin_dsn) as admin:
        for change, texts in CHANGES.items():
            statement, code, subject, message = (text.format(**names(governed)) for text in texts)
            with admin.connection.transaction(force_rollback=True):
                admin.run(statement)
                found = [finding for finding in drift(admin, governed.prefix) if finding.subject == subject]
            if [finding.code for finding in found if message in finding.message] != [code]:
                missed[change] = found
        assert drift(admin, governed.prefix) == ()
    assert missed == {}


# What the next apply cannot put right, because it never made it, or because it is nothing that SQL of a pack says.
_BY_HAND = {
    "grant given", "another view", "another function", "installed function", "role attribute", "role login", "private member",
    "private role in another", "viewer more", "setting of a private role", "schema grant", "schema owner", "foreign policy",
    "foreign policy on a leaf", "foreign policy with our name", "leaf attached", "grant option", "view owner",
}  # fmt: skip


def test_apply_puts_right_what_it_made(governed):
    assert set(CHANGES) > _BY_HAND
    wrong = {}
    for change in [change for change in CHANGES if change not in _BY_HAND]:
        governed.admin(CHANGES[change][0].format(**names(governed)))
        before = len(governed.plan(governed.desired()).pending)
        governed.apply(governed.desired())
        left = drift(governed.db, governed.prefix)
        if not before or left or governed.plan(governed.desired()).pending:
            wrong[change] = (before, left)
    assert wrong == {}


def test_kept_policies_are_no_drift_until_they_change(site):
    site.sql("create policy everybody on cs.company for select using (id < 6)")
    site.adopt(COMPANY, Existing.FENCE)
    site.apply(site.desired())
    assert drift(site.db, site.prefix) == ()
    site.sql("alter policy everybody on cs.company using (true)")
    (finding,) = drift(site.db, site.prefix)
    assert (finding.code, finding.severity) == ("foreign-policy-changed", Severity.ERROR)
    assert "found: true" in finding.message


def test_everything_gone_after_a_revert_is_no_drift(governed):
    governed.revert()
    assert drift(governed.db, governed.prefix) == ()
