"""What somebody did to the log's own tables is reported by drift (issue 5, Build 2: append-only; every leaf closed)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pgerase.apply.ledger import drift, log_shapes
from pgerase.catalog.model import Name
from pgerase.catalog.read import read_catalog
from pgerase.database import Database
from pgerase.errors import Severity
from pgerase.install import Names, install
from pgerase.install.survey import LOG_TABLES
from pgerase.plan.log_drift import FAMILIES
from pgerase.plan.log_shape import shape_of
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
    "a parent that shows people's values": (
        ('create table public.mirror (entry_id bigint not null, part smallint not null, subject text collate "C" not null,'
        ' person text collate "C", old jsonb, new jsonb); grant select on public.mirror to public;'
        "alter table {l}.held_value inherit public.mirror"),
        "log-reader", "table {l}.held_value", "its rows are those of public.mirror, too",
    ),
    "a parent that shows values of a partition that was detached": (
        ('create table public.mirror (class text collate "C" not null, at timestamptz not null);'
        "alter table {l}.value_2 detach partition {l}.value_2_20200101;"
        "alter table {l}.value_2_20200101 inherit public.mirror"),
        "log-reader", "table {l}.value_2_20200101", "its rows are those of public.mirror, too",
    ),
    "a key to a partition, for which retention stops": (
        "create table public.kin (id bigint constraint mine references {l}.leaf_1_20261001 (entry_id))",
        "log-constraint", "table {l}.leaf_1_20261001", "expected no key to it, found: mine of public.kin, for which retention",
    ),
    "a key to headers, of each partition of another table": (
        ("create table public.kind (id bigint constraint mine references {l}.segment) partition by list (id);"
        "create table public.kind_1 partition of public.kind for values in (1)"),
        "log-constraint", "table {l}.segment", "expected no key to it, found: mine of public.kind,",
    ),
    "numbers that leave room for entries between": (
        "alter sequence {l}.entry_entry_id_seq increment by 1000000",
        "log-sequence", "sequence {l}.entry_entry_id_seq", "found: as bigint increment 1000000",
    ),
    "numbers that come again": (
        "alter sequence {l}.record_record_id_seq maxvalue 1000 cycle",
        "log-sequence", "sequence {l}.record_record_id_seq", "maxvalue 1000 start 1 cache 1 cycle",
    ),
    "numbers that a crash takes back": (
        "alter sequence {l}.class_number_seq set unlogged",
        "log-unlogged", "sequence {l}.class_number_seq", "expected a sequence that survives a crash, found: unlogged",
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
        ("alter table {l}.entry_2 detach partition {l}.entry_2_20200101;"
        "alter table {l}.entry_2_20200101 disable trigger refuse_change"),
        "log-trigger", "table {l}.entry_2_20200101", "found: switched off",
    ),
    "a default that runs somebody's function as the log's owner": (
        ("create function public.spy() returns timestamptz language sql as 'select now()';"
        "alter table {l}.run alter column started_at set default public.spy()"),
        "log-default", "table {l}.run", "default clock_timestamp(), found: timestamp with time zone not null default public.spy()",
    ),
    "a default of a class alone": (
        "alter table only {l}.value_1 alter column part set default 7", "log-default", "table {l}.value_1", "default 7",
    ),
    "a check that runs somebody's function as the log's owner": (
        ("create function public.look_at(jsonb) returns boolean language sql as 'select true';"
        "alter table {l}.entry_1_tail add constraint mine check (public.look_at(new))"),
        "log-constraint", "table {l}.entry_1_tail", "expected no constraint mine, found: CHECK (public.look_at(new))",
    ),
    "an index that runs somebody's function as the log's owner": (
        ("create function public.shown(jsonb) returns integer immutable language sql as 'select 1';"
        "create index mine on {l}.record (public.shown(body))"),
        "log-index", "table {l}.record", "expected no index mine, found: USING btree (public.shown(body))",
    ),
    "statistics that run somebody's function as the log's owner": (
        ("create function public.told(bytea) returns integer immutable language sql as 'select 1';"
        "create statistics public.mine on (public.told(root)) from {l}.segment"),
        "log-statistics", "table {l}.segment", "found: public.mine, whose expressions run with the log's rights",
    ),
    "a key to a table of somebody": (
        ("create table public.other (id bigint primary key);"
        "alter table {l}.held_value add constraint mine foreign key (entry_id) references public.other"),
        "log-constraint", "table {l}.held_value", "expected no constraint mine, found: a foreign key to public.other",
    ),
    "a column that need not be there": (
        "alter table {l}.checkpoint alter column signature drop not null",
        "log-not-null", "table {l}.checkpoint", "column signature: expected bytea not null, found: bytea",
    ),
    "a column that holds less": (
        "alter table {l}.held alter column due_at type timestamptz(0)",
        "log-column", "table {l}.held", "column due_at: expected timestamp with time zone not null, found: timestamp(0)",
    ),
    "a column more": (
        "alter table {l}.hold add column mine text default current_user",
        "log-column", "table {l}.hold", "expected no column mine, found: text default CURRENT_USER",
    ),
    "numbers that somebody else may choose": (
        "alter table {l}.record alter column record_id set generated by default",
        "log-column", "table {l}.record", "found: bigint not null generated by default as identity",
    ),
    "a key that is gone": (
        "alter table {l}.segment drop constraint segment_pkey",
        "log-constraint", "table {l}.segment", "constraint segment_pkey: expected PRIMARY KEY (segment_id), found: nothing",
    ),
    "a check that is gone": (
        "alter table {l}.class drop constraint class_keep_check", "log-constraint", "table {l}.class", "found: nothing",
    ),
    "numbers that may be there twice": (
        "drop index {l}.leaf_1_tail_entry_id_idx",
        "log-index", "table {l}.leaf_1_tail", "index: expected UNIQUE USING btree (entry_id), found: nothing",
    ),
    "a check of a partition that was detached": (
        ("create function public.look_at(jsonb) returns boolean language sql as 'select true';"
        "alter table {l}.value_2 detach partition {l}.value_2_20200101;"
        "alter table {l}.value_2_20200101 add constraint mine check (public.look_at(new))"),
        "log-constraint", "table {l}.value_2_20200101", "expected no constraint mine",
    ),
    "a class that nobody defined": (
        ("create table {l}.entry_9 (like {l}.entry including defaults) partition by range (at);"
        "create trigger refuse_change before update or delete or truncate on {l}.entry_9 for each statement"
        " execute function {l}.refuse_change(); alter table {l}.entry_9 owner to {k};"
        "alter table {l}.entry attach partition {l}.entry_9 for values in ('yours')"),
        "log-class", "table {l}.entry_9", "expected a class of entries that is defined, found: FOR VALUES IN ('yours')",
    ),
    "a partition in which nothing ends": (
        ("create table {l}.leaf_1_x (like {l}.leaf_1_tail including all); alter table {l}.leaf_1_x owner to {k};"
        "create trigger refuse_change before update or delete or truncate on {l}.leaf_1_x for each statement"
        " execute function {l}.refuse_change(); alter table {l}.leaf_1 attach partition {l}.leaf_1_x default"),
        "log-class", "table {l}.leaf_1_x", "expected a partition by time, found: DEFAULT",
    ),
    "the next month that is gone: writes will fail, and a run makes the newest alone": (
        "drop table {l}.entry_1_20261001",
        "log-missing", "table {l}.entry_1", "expected a partition from 2026-10-01 to 2026-11-01, found: none",
    ),
    "the month that is written, detached": (
        "alter table {l}.value_1 detach partition {l}.value_1_20260901",
        "log-missing", "table {l}.value_1", "expected a partition from 2026-09-01 to 2026-10-01, found: none",
    ),
    "the last one that is gone, so that writes fail when time has come": (
        "drop table {l}.value_2_tail",
        "log-missing", "table {l}.value_2", "expected a partition from 2020-03-01 to the end, found: none",
    ),
    "what is dated before everything": (
        "drop table {l}.leaf_2_head_20200101",
        "log-missing", "table {l}.leaf_2", "expected a partition from the beginning to 2020-01-01, found: none",
    ),
    "a class whose values were detached and dropped": (
        "alter table {l}.value detach partition {l}.value_1; drop table {l}.value_1",
        "log-class", "table {l}.value", "expected a part for the class default, found: nothing",
    ),
    "tables that the installing role makes in the log's schema": (
        "grant create on schema {l} to {owner}", "schema-grant", "schema {l}", "for {owner} but usage, found: create",
    ),
    "tables that anybody makes beside": (
        "grant create on schema {i} to public", "schema-grant", "schema {i}", "no privilege for public, found: create",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def installed(server: str, unique_prefix: Callable[[], str]) -> Iterator[FreshDatabase]:
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    with Database.open(database.dsn()) as owner:
        install(owner, database.prefix)
        assert drift(owner, database.prefix) == (), "before there are classes"
        # Of the first nothing is expired whatever the clock of the machine shows, and of the second everything.
        for terms in ("'default', '100 years', 'month', 3, '2026-09-05Z'", "'old', '1 day', 'month', 1, '2020-01-05Z'"):
            owner.rows(f"select {Names(database.prefix).logs}.define_class({terms})")
    yield database
    database.drop()


# What no statement puts right, as drift does not know what it was.
BY_HAND = {"log-missing", "log-stranger", "log-column", "log-class", "routine"}


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
    spelled = {
        "l": names.logs,
        "i": names.internal,
        "k": names.keeper,
        "owner": installed.owner,
        "web": installed.role("web"),
    }
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


def test_what_the_tables_are_compared_with_is_what_a_fresh_installation_has(installed):
    """Whoever writes a migration of the log changes sql/install/log_tables.json with it, into what is found here."""
    names, shapes = Names(installed.prefix), log_shapes()
    with Database.open(installed.dsn()) as owner, owner.transaction(read_only=True):
        tables = read_catalog(owner).tables
    found = {name: shape_of(tables[Name(names.logs, name)]) for name in LOG_TABLES}
    assert found == dict(shapes.tables)
    parts = {family: shape_of(tables[Name(names.logs, f"{family}_1_tail")]).indexes for family in FAMILIES}
    assert parts == shapes.parts


def test_detaching_and_dropping_as_retention_does_is_no_drift(installed):
    names = Names(installed.prefix)
    with Database.open(installed.admin_dsn) as admin, admin.connection.transaction(force_rollback=True):
        admin.run(f"alter table {names.logs}.entry_2 detach partition {names.logs}.entry_2_20200101")
        assert drift(admin, installed.prefix) == ()


def test_the_bounds_that_detaching_leaves_are_no_drift(installed):
    """As retention detaches: beside others, which makes a check of the bounds. Attached again it keeps that."""
    logs = Names(installed.prefix).logs
    with Database.open(installed.admin_dsn) as admin:
        admin.run(f"alter table {logs}.value_2 detach partition {logs}.value_2_20200101 concurrently")
        checks = f"select count(*) as n from pg_constraint where conrelid = '{logs}.value_2_20200101'::regclass and contype = 'c'"
        assert (admin.value(checks), drift(admin, installed.prefix)) == (1, ())
        admin.run(
            f"alter table {logs}.value_2 attach partition {logs}.value_2_20200101 for values"
            " from ('2020-01-01 00:00:00+00') to ('2020-02-01 00:00:00+00')"
        )
        assert (admin.value(checks), drift(admin, installed.prefix)) == (1, ())


def test_a_class_that_was_detached_is_attached_by_the_statement_given_and_nothing_of_it_is_to_be_dropped(installed):
    """Threat: somebody detaches a class, and whoever does what drift says drops the log. A guard that is off in it is found, too."""
    logs = Names(installed.prefix).logs
    with Database.open(installed.admin_dsn) as admin, admin.connection.transaction(force_rollback=True):
        admin.run(f"alter table {logs}.entry detach partition {logs}.entry_1")
        admin.run(f"alter table {logs}.entry_1_20260901 disable trigger refuse_change")
        found = {one.subject: one for one in drift(admin, installed.prefix)}
        assert {(one.code, one.subject) for one in found.values()} == {
            ("log-class", f"table {logs}.entry"),
            ("log-class", f"table {logs}.entry_1"),
            ("log-trigger", f"table {logs}.entry_1_20260901"),
        }
        assert "expected it attached to entry, found: detached" in found[f"table {logs}.entry_1"].message
        run, attach = found[f"table {logs}.entry_1"].hint.split(", which attaches it, or: ")
        assert run == "Run `pgerase audit maintain`"
        assert attach == f"alter table {logs}.entry attach partition {logs}.entry_1 for values in ('default');"
        admin.run(attach)
        admin.run(f"alter table {logs}.entry_1_20260901 enable trigger refuse_change")
        assert drift(admin, installed.prefix) == ()


def test_a_class_that_was_detached_and_renamed_is_not_to_be_dropped_either(installed):
    logs = Names(installed.prefix).logs
    with Database.open(installed.admin_dsn) as admin, admin.connection.transaction(force_rollback=True):
        for family in FAMILIES:
            admin.run(f"alter table {logs}.{family} detach partition {logs}.{family}_2")
            admin.run(f"alter table {logs}.{family}_2 rename to aside_{family}")
        found = {one.subject: one for one in drift(admin, installed.prefix)}
        assert found.keys() == {f"table {logs}.{prefix}{family}" for family in FAMILIES for prefix in ("", "aside_")}
        for family in FAMILIES:
            hint = found[f"table {logs}.aside_{family}"].hint
            assert hint == (
                "Attach it for the class that its rows have:"
                f" alter table {logs}.{family} attach partition {logs}.aside_{family} for values in ('…');"
            )
