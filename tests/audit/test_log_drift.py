"""What somebody did to the log's own tables is reported by drift (issue 5, Build 2: append-only; every leaf closed)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pgerase.apply.ledger import drift
from pgerase.database import Database
from pgerase.errors import Severity
from pgerase.install import Names, install
from tests.fix_database import FreshDatabase

# what is done as superuser: (statement, code, what is named, part of the message); {l} is the log's schema, {k} its owner
CHANGES = {
    "a view that shows people's values": (
        "create view public.peek as select * from {l}.value",
        "log-reader", "view public.peek", "it reads the log",
    ),
    "a publication of values": (
        "create publication leaky for table {l}.value",
        "log-reader", "publication leaky", "whoever subscribes has a copy",
    ),
    "a child whose rows are records": (
        "create table public.kid () inherits ({l}.record)",
        "log-stranger", "table public.kid", "expected no table but the log's own",
    ),
    "partitions to come that everybody reads": (
        "alter default privileges for role {k} in schema {l} grant select on tables to public",
        "log-grant", "role {k}", "public gets select on each partition to come",
    ),
    "a guard that is off": (
        "alter table {l}.entry_1_20260901 disable trigger refuse_change",
        "log-trigger", "table {l}.entry_1_20260901", "trigger refuse_change: expected on, found: switched off",
    ),
    "the guard of the whole table off": (
        "alter table {l}.entry disable trigger all",
        "log-trigger", "table {l}.entry", "found: switched off",
    ),
    "a guard for replicated writes alone": (
        "alter table {l}.value_1_tail enable replica trigger refuse_change",
        "log-trigger", "table {l}.value_1_tail", "found: on for replication only",
    ),
    "a guard that is gone": (
        "drop trigger refuse_change on {l}.leaf_1_20260901",
        "log-trigger", "table {l}.leaf_1_20260901", "expected the trigger refuse_change, found: none",
    ),
    "a guard that lets updates pass": (
        ("create or replace trigger refuse_change before delete or truncate on {l}.entry_1 for each statement"
        " execute function {l}.refuse_change()"),
        "log-trigger", "table {l}.entry_1", "BEFORE DELETE OR UPDATE OR TRUNCATE",
    ),
    "a guard that runs something else": (
        ("create function public.nothing() returns trigger language plpgsql as 'begin return null; end';"
        "create or replace trigger refuse_change before update or delete or truncate on {l}.entry_1 for each statement"
        " execute function public.nothing()"),
        "log-trigger", "table {l}.entry_1", "EXECUTE FUNCTION public.nothing()",
    ),
    "a guard that was rewritten": (
        "create or replace function {l}.refuse_change() returns trigger language plpgsql as 'begin return null; end'",
        "routine", "function {l}.refuse_change", "expected as installed",
    ),
    "a trigger more, which looks at what is written": (
        ("create or replace function public.look() returns trigger language plpgsql as 'begin return new; end';"
        "create trigger look after insert on {l}.value_1_20260901 for each row execute function public.look()"),
        "log-trigger", "table {l}.value_1_20260901", "expected no trigger but refuse_change, found: look, which runs public.look",
    ),
    "a trigger that changes records": (
        ("create or replace function public.look() returns trigger language plpgsql as 'begin return new; end';"
        "create trigger look before insert on {l}.record for each row execute function public.look()"),
        "log-trigger", "table {l}.record", "expected no trigger, found: look",
    ),
    "a guard's name on another table": (
        ("create or replace function public.look() returns trigger language plpgsql as 'begin return null; end';"
        "create trigger refuse_change before insert on {l}.segment for each row execute function public.look()"),
        "log-trigger", "table {l}.segment", "expected no trigger, found: refuse_change",
    ),
    "a grant to everybody": (
        "grant select on {l}.entry to public", "log-grant", "table {l}.entry", "found: public has select",
    ),
    "a grant on one partition": (
        "grant select on {l}.value_1_20260901 to {web}", "log-grant", "table {l}.value_1_20260901", "{web} has select",
    ),
    "a grant to write": (
        "grant delete on {l}.held to {owner}", "log-grant", "table {l}.held", "{owner} has delete",
    ),
    "a grant of a column": (
        "grant update (signature) on {l}.checkpoint to {web}", "log-grant", "table {l}.checkpoint", "{web} has update (signature)",
    ),
    "a right to give on": (
        "grant select on {l}.run to {owner} with grant option", "log-grant", "table {l}.run", "{owner} has select, and may give it on",
    ),
    "a grant on numbers": (
        "grant update on sequence {l}.entry_entry_id_seq to {web}",
        "log-grant", "sequence {l}.entry_entry_id_seq", "{web} has update",
    ),
    "row security that hides entries from verifying": (
        "alter table {l}.entry_1_20260901 enable row level security",
        "log-row-security", "table {l}.entry_1_20260901", "expected no row security, found: enabled",
    ),
    "a policy": (
        "create policy mine on {l}.hold using (false)", "log-row-security", "table {l}.hold", "expected no policy, found: mine",
    ),
    "a rule that swallows entries": (
        "create rule hush as on insert to {l}.entry do instead nothing", "log-rule", "table {l}.entry", "found: hush",
    ),
    "another owner": (
        "alter table {l}.segment owner to {owner}", "log-owner", "table {l}.segment", "owner: expected {k}, found: {owner}",
    ),
    "another owner of a partition": (
        "alter table {l}.leaf_1_tail owner to {owner}", "log-owner", "table {l}.leaf_1_tail", "found: {owner}",
    ),
    "a partition that a crash empties": (
        "alter table {l}.entry_1_20260901 set unlogged", "log-unlogged", "table {l}.entry_1_20260901", "found: unlogged",
    ),
    "a table in the log's schema": (
        "create table {l}.mine (id integer)", "log-stranger", "table {l}.mine", "found: this",
    ),
    "a partition that lies elsewhere": (
        ("create table public.hidden (like {l}.entry including defaults); alter table {l}.entry attach partition public.hidden"
        " for values in ('mine')"),
        "log-stranger", "table public.hidden", "found: this",
    ),
    "a table that is gone": (
        "drop table {l}.checkpoint", "log-missing", "table {l}.checkpoint", "found: nothing",
    ),
    "a guard off in a partition that was detached": (
        ("alter table {l}.entry_1 detach partition {l}.entry_1_20260901;"
        "alter table {l}.entry_1_20260901 disable trigger refuse_change"),
        "log-trigger", "table {l}.entry_1_20260901", "found: switched off",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def installed(server: str, unique_prefix: Callable[[], str]) -> Iterator[FreshDatabase]:
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    with Database.open(database.dsn()) as owner:
        install(owner, database.prefix)
        assert drift(owner, database.prefix) == (), "before there are classes"
        define = f"select {Names(database.prefix).logs}.define_class('default', '6 months', 'month', 3, '2026-09-05Z')"
        owner.rows(define)
    yield database
    database.drop()


# What no statement puts right, as drift does not know what it was.
BY_HAND = {"log-missing", "log-stranger", "routine"}


def batches(spelled: dict[str, str]) -> list[dict[str, tuple[str, ...]]]:
    """The threats in groups that are about different objects: a look at a database takes its time."""
    groups: list[dict[str, tuple[str, ...]]] = []
    for threat, texts in CHANGES.items():
        written = tuple(text.format(**spelled) for text in texts)
        free = [one for one in groups if all(written[2] != other[2] for other in one.values())]
        if not free or "detached" in threat:
            groups.append({})
            free = groups[-1:]
        free[0][threat] = written
    return groups


def test_what_was_done_to_the_tables_of_the_log_is_found_and_put_right_by_the_statement_given(installed):
    """As superuser, who alone could have done it: whoever has the keeper's rights did not get them from pgerase."""
    names = Names(installed.prefix)
    spelled = {"l": names.logs, "k": names.keeper, "owner": installed.owner, "web": installed.role("web")}
    missed, left = {}, {}
    with Database.open(installed.admin_dsn) as admin:
        assert drift(admin, installed.prefix) == ()
        for batch in batches(spelled):
            with admin.connection.transaction(force_rollback=True):
                for statement, *_ in batch.values():
                    admin.run(statement)
                found = drift(admin, installed.prefix)
                for threat, (_, code, subject, message) in batch.items():
                    about = [one for one in found if one.subject == subject]
                    if [(one.code, message in one.message, one.severity) for one in about] != [
                        (code, True, Severity.ERROR)
                    ]:
                        missed[threat] = about
                assert {one.subject for one in found} == {subject for _, _, subject, _ in batch.values()}
                for finding in found:
                    if finding.code not in BY_HAND:
                        admin.run(finding.hint)
                left |= {one.subject: one for one in drift(admin, installed.prefix) if one.code not in BY_HAND}
    assert (missed, left) == ({}, {})


def test_detaching_and_dropping_as_retention_does_is_no_drift(installed):
    names = Names(installed.prefix)
    with Database.open(installed.admin_dsn) as admin, admin.connection.transaction(force_rollback=True):
        admin.run(f"alter table {names.logs}.entry_1 detach partition {names.logs}.entry_1_20260901")
        assert drift(admin, installed.prefix) == ()
