"""What nobody may look at is never clean."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from pgerase.database import Database
from pgerase.errors import UsageError
from pgerase.prove import Needle, PlaceKind, Step, Verdict, prove
from pgerase.rules.pack import Pack
from tests.fix_database import FreshDatabase
from tests.prove.conftest import ANNA, Prove, loud, place, write_pack


def _force(owner: psycopg.Connection, *policies: str) -> None:
    owner.execute("insert into app.note (body) values ('asmith7')")
    owner.execute("alter table app.note enable row level security, force row level security")
    for number, policy in enumerate(policies):
        owner.execute(f"create policy p{number} on app.note {policy}")


def test_the_owner_is_blind_to_a_forced_table(app: FreshDatabase, search: Prove):
    _force(app.connect())
    report = search()
    assert place(report, "app.note", "body").verdict is Verdict.UNVERIFIED
    assert "row security" in place(report, "app.note", "body").reason
    assert place(report, "app.note", "*", PlaceKind.STATISTICS).verdict is Verdict.UNVERIFIED
    assert report.verdict is Verdict.UNVERIFIED
    assert not report.ok
    assert place(search(admin=True), "app.note", "body").verdict is Verdict.FAIL


def test_an_owner_whom_no_policy_binds_reads(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        _force(owner)
        owner.execute("alter table app.note no force row level security")
    assert loud(search()) == {"app.note.body": Verdict.FAIL}


@pytest.mark.parametrize("private", ["lookup", "eraser"])
def test_an_exempt_private_role_is_borrowed(app: FreshDatabase, search: Prove, private: str):
    role = f"{app.prefix}_{private}"
    with app.connect() as owner:
        owner.execute(f"create role {role} nologin")
        _force(owner, f"for select to {role} using (true)")
        owner.execute(f"grant usage on schema app to {role}")
        owner.execute(f"grant select on app.note to {role}")
        # What a migrator's role may be set to: it must not make the search fail.
        owner.execute(f"alter role {app.owner} set row_security = off")
        members = f"select * from pg_auth_members where roleid = '{role}'::regrole"
        before = owner.execute(members).fetchall()
    report = search()
    assert place(report, "app.note", "body").verdict is Verdict.FAIL
    # Seen by nobody but superusers, whatever else the role may.
    assert place(report, "app.note", "*", PlaceKind.STATISTICS).verdict is Verdict.UNVERIFIED
    assert report.verdict is Verdict.FAIL
    # And what it reads by borrowing is as good as anything.
    assert place(search(("email", "nobody@example.org")), "app.note", "body").verdict is Verdict.CLEAN
    with app.connect() as owner:
        assert owner.execute(members).fetchall() == before


@pytest.mark.parametrize(
    "extra",
    [
        "as restrictive for select to {role} using (id > 1)",
        "as restrictive for all to public using (id > 1)",
    ],
)
def test_a_restrictive_policy_blinds_an_exempt_role(app: FreshDatabase, search: Prove, extra: str):
    role = f"{app.prefix}_lookup"
    with app.connect() as owner:
        owner.execute(f"create role {role} nologin")
        _force(owner, f"for select to {role} using (true)", extra.format(role=role))
        owner.execute(f"grant usage on schema app to {role}")
        owner.execute(f"grant select on app.note to {role}")
    assert place(search(), "app.note", "body").verdict is Verdict.UNVERIFIED


def test_a_policy_for_everybody_blinds_nobody(app: FreshDatabase, search: Prove):
    _force(app.connect(), "for select to public using (true)", "as restrictive for update to public using (false)")
    assert place(search(), "app.note", "body").verdict is Verdict.FAIL


def test_a_role_one_may_become_reads(app: FreshDatabase, search: Prove):
    auditor = app.role("auditor")
    with app.connect_admin() as admin:
        admin.execute(f"grant {auditor} to {app.owner}")
        admin.execute(f"alter role {app.owner} noinherit")
        admin.execute("create table app.secret (body text)")
        admin.execute("insert into app.secret values ('asmith7')")
        admin.execute(f"grant usage on schema app to {auditor}")
        admin.execute(f"grant select on app.secret to {auditor}")
    assert place(search(), "app.secret", "body").verdict is Verdict.FAIL


def test_a_stranger_sees_nothing_and_says_so(app: FreshDatabase, search: Prove):
    stranger = app.role("stranger")
    report = search(user=stranger)
    assert report.verdict is Verdict.UNVERIFIED
    assert {one.verdict for one in report.places if one.kind is PlaceKind.ROWS and one.type == "text"} == {
        Verdict.UNVERIFIED
    }
    assert all(one.others is None for one in report.sought)


def test_a_right_to_some_columns_shows_those(app: FreshDatabase, search: Prove):
    clerk = app.role("clerk")
    with app.connect() as owner:
        owner.execute("insert into app.note (body) values ('asmith7')")
        owner.execute("alter table app.note add more text")
        owner.execute(f"grant usage on schema app to {clerk}")
        owner.execute(f"grant select (body, id) on app.note to {clerk}")
    report = search(user=clerk)
    assert place(report, "app.note", "body").verdict is Verdict.FAIL
    assert place(report, "app.note", "more").verdict is Verdict.UNVERIFIED
    assert "may select" in place(report, "app.note", "more").reason
    # A number cannot be an identifier that was given: nobody need look.
    assert place(search(("email", "a@b.cd"), user=clerk), "app.note", "author").verdict is Verdict.NOTHING


def test_a_partition_one_may_not_name_is_read_through_its_parent(app: FreshDatabase, search: Prove):
    clerk = app.role("clerk")
    with app.connect() as owner:
        owner.execute("create table app.events (id int, what text) partition by range (id)")
        owner.execute("create table app.e1 partition of app.events for values from (0) to (10) partition by range (id)")
        owner.execute("create table app.e1a partition of app.e1 for values from (0) to (10)")
        owner.execute("create table app.e2 (what text, id int)")
        owner.execute("alter table app.events attach partition app.e2 for values from (10) to (20)")
        owner.execute("insert into app.events values (1, 'asmith7'), (2, 'x'), (11, 'x')")
        owner.execute(f"grant usage on schema app to {clerk}")
        owner.execute(f"grant select on app.events to {clerk}")
    report = search(user=clerk)
    assert place(report, "app.e1a", "what").verdict is Verdict.FAIL
    assert place(report, "app.e1a", "what").hits[0].rows == 1
    assert place(report, "app.e2", "what").verdict is Verdict.CLEAN


def test_a_leaf_with_policies_of_its_own_is_read_through_its_parent(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("create table app.events (id int, what text) partition by range (id)")
        owner.execute("create table app.e1 partition of app.events for values from (0) to (10)")
        owner.execute("insert into app.events values (1, 'asmith7')")
        owner.execute("alter table app.e1 enable row level security, force row level security")
    assert place(search(), "app.e1", "what").verdict is Verdict.FAIL


def test_statistics_are_read_where_they_are_stored(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute(
            "insert into app.note (body, author) select 'anna.smith@example.org', 1 from generate_series(1, 20)"
        )
        owner.execute("create statistics app.paired on body, author from app.note")
        owner.execute("create statistics app.shouted on (body || ' !') from app.note")
        owner.execute("analyze app.note")
        _force(owner)
        owner.execute("truncate app.note")
    assert place(search(), "app.note", "*", PlaceKind.STATISTICS).verdict is Verdict.UNVERIFIED
    with app.connect_admin() as admin:
        admin.execute(f"grant select on pg_statistic, pg_statistic_ext_data to {app.owner}")
    report = search()
    for column in ("body", "paired", "shouted"):
        assert place(report, "app.note", column, PlaceKind.STATISTICS).verdict is Verdict.FAIL


def test_what_fails_while_being_read_is_unverified(app: FreshDatabase, search: Prove):
    with app.connect_admin() as admin:
        try:
            admin.execute("create extension file_fdw schema public")
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
            pytest.skip("file_fdw is not there")
        admin.execute("create server files foreign data wrapper file_fdw")
        admin.execute("create foreign table app.far (a text) server files options (filename '/nonexistent/asmith7')")
        admin.execute(f"grant select on app.far to {app.owner}")
    report = search(("email", "anna@example.org"))
    assert place(report, "app.far", "a").verdict is Verdict.UNVERIFIED
    assert "58P01" in place(report, "app.far", "a").reason
    # Its options are the catalog's, and hold an identifier.
    assert Verdict.FAIL in loud(search()).values()


def test_foreign_tables_are_searched_and_nothing_is_sent_there(app: FreshDatabase, search: Prove):
    with app.connect_admin() as admin:
        try:
            admin.execute("create extension postgres_fdw schema public")
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
            pytest.skip("postgres_fdw is not there")
        info = admin.info
        admin.execute(
            "create server here foreign data wrapper postgres_fdw"
            f" options (host '{info.host}', port '{info.port}', dbname '{info.dbname}')"
        )
        admin.execute(f"create user mapping for current_user server here options (user '{info.user}')")
        admin.execute(
            "create foreign table app.far (id bigint, body text) server here options (table_name 'note', schema_name 'app')"
        )
        admin.execute("insert into app.note (body) values ('asmith7'), ('other')")
        # Whoever is told what is looked for would have to say it here.
        admin.execute("create table app.heard (what text)")
    report = search(admin=True)
    assert place(report, "app.far", "body").verdict is Verdict.FAIL
    assert "foreign server" in place(report, "app.far", "body").reason


def test_another_sessions_temporary_table_is_unverified(app: FreshDatabase, search: Prove):
    other = app.connect()
    other.execute("create temporary table mine (body text)")
    report = search()
    (found,) = [one for one in report.places if one.relation.endswith(".mine") and one.kind is PlaceKind.ROWS]
    assert found.verdict is Verdict.UNVERIFIED


def test_a_cast_that_somebody_wrote_is_not_run(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("create table app.ran (who text)")
        owner.execute("create type app.mood as enum ('asmith7', 'glad')")
        owner.execute(
            "create function app.hear(app.mood) returns text language plpgsql as"
            " $$begin raise exception 'it ran'; end$$"
        )
        owner.execute("create cast (app.mood as text) with function app.hear(app.mood) as implicit")
        owner.execute("create table app.holder (held app.mood, many app.mood[])")
        owner.execute("insert into app.holder values ('asmith7', '{glad,asmith7}')")
    report = search()
    assert place(report, "app.holder", "held").verdict is Verdict.FAIL
    assert place(report, "app.holder", "many").verdict is Verdict.FAIL


def test_nothing_is_left_behind(app: FreshDatabase, search: Prove, pack: Pack):
    with Database.open(app.dsn()) as connection:
        prove(connection, pack, "employee", [Needle("1", *ANNA[0])])
        assert connection.value("select count(*) from pg_class where relpersistence = 't'") == 0
        assert connection.value("select current_setting('row_security')") == "on"
        assert connection.value("select current_setting('bytea_output')") == "hex"
        assert not connection.in_transaction


def test_a_database_that_is_not_utf8_is_refused(server: str, tmp_path: Path, app: FreshDatabase, pack: Pack):
    from pgerase.errors import Refused

    name = f"{app.prefix}_latin"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name} template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'")
    dsn = psycopg.conninfo.make_conninfo(server, dbname=name)
    with Database.open(dsn) as connection, pytest.raises(Refused, match="LATIN1"):
        prove(connection, pack, "employee", [Needle("1", *ANNA[0])])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("emial", "a@b.cd", "no identifier emial"),
        ("email", "a\x00b", "no text"),
        ("email", "a\ud800b", "no text"),
        ("email", " \u00a0 ", "empty"),
        ("email", "x" * 301, "more than 300"),
    ],
)
def test_what_cannot_be_searched_for_is_refused(search: Prove, name: str, value: str, message: str):
    with pytest.raises(UsageError, match=message) as caught:
        search((name, value))
    if value.strip():
        assert value not in caught.value.message + caught.value.hint + repr(caught.value)
    if name == "emial":
        assert "email" in caught.value.hint


def test_a_composite_key_is_compared_as_text(app: FreshDatabase, tmp_path: Path):
    with app.connect() as owner:
        owner.execute("create table app.member (tenant int, no text, mail text, primary key (tenant, no))")
        owner.execute("insert into app.member values (1, '\"ü', 'x@example.org'), (2, '\"ü', 'y@example.org')")
    data_map = "version: 1\nsubjects:\n  member: {table: app.member, key: [tenant, no], identifiers: {mail: mail}}\n"
    composite = write_pack(tmp_path, data_map, app.prefix)
    with Database.open(app.dsn()) as connection:
        mine = prove(connection, composite, "member", [Needle('["1","\\"ü"]', "mail", "x@example.org")])
        theirs = prove(connection, composite, "member", [Needle('["2","\\"ü"]', "mail", "x@example.org")])
        with pytest.raises(UsageError, match="JSON array of 2"):
            prove(connection, composite, "member", [Needle("1", "mail", "x@example.org")])
    assert loud(mine) == {"app.member.mail": Verdict.FAIL}
    assert loud(theirs) == {}
    assert theirs.sought[0].others == 1


def test_hidden_statistics_can_be_built_anew(app: FreshDatabase, pack: Pack):
    with app.connect() as owner:
        owner.execute("insert into app.note (body) select 'anna.smith@example.org' from generate_series(1, 20)")
        owner.execute("create table app.empty (body text)")
        owner.execute("create table app.fixed (body text)")
        owner.execute("alter table app.fixed alter body set statistics 0")
        owner.execute("insert into app.empty select body from app.note")
        owner.execute("insert into app.fixed select 'other'")
        owner.execute("analyze app.note, app.empty, app.fixed")
        for table in ("note", "empty", "fixed"):
            owner.execute(f"create policy p on app.{table} using (true)")
            owner.execute(f"alter table app.{table} enable row level security, force row level security")
        owner.execute("delete from app.note where body like 'anna%'")
        owner.execute("delete from app.empty")
    with Database.open(app.dsn()) as connection:
        needles = [Needle("1", *ANNA[0])]
        hidden = prove(connection, pack, "employee", needles)
        rebuilt = prove(connection, pack, "employee", needles, analyze=True)
    kind = PlaceKind.STATISTICS
    assert {place(hidden, f"app.{table}", "*", kind).verdict for table in ("note", "empty", "fixed")} == {
        Verdict.UNVERIFIED
    }
    assert place(rebuilt, "app.note", "*", kind).verdict is Verdict.CLEAN
    # Nothing to sample leaves the old ones, and a column without a target keeps its own.
    assert place(rebuilt, "app.empty", "*", kind).verdict is Verdict.UNVERIFIED
    assert place(rebuilt, "app.fixed", "*", kind).verdict is Verdict.UNVERIFIED
    with Database.open(app.admin_dsn) as connection:
        truth = prove(connection, pack, "employee", needles)
    assert place(truth, "app.note", "*", kind).verdict is Verdict.CLEAN
    assert place(truth, "app.empty", "body", kind).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "change",
    [
        # Rows of a rewritten table are not seen in an older snapshot.
        "alter table app.note alter author type numeric",
        "create policy late on app.note as restrictive for select using (false)",
        "alter table app.note force row level security",
        "revoke select on app.note from {clerk}",
        "drop table app.note",
    ],
)
def test_what_changes_under_the_search_is_unverified(app: FreshDatabase, pack: Pack, change: str):
    clerk = app.role("clerk")
    with app.connect() as owner:
        owner.execute("insert into app.note (body) values ('asmith7')")
        owner.execute(f"grant usage on schema app to {clerk}")
        owner.execute(f"grant select on all tables in schema app to {clerk}")
        owner.execute("alter table app.note enable row level security")
        owner.execute(f"create policy p on app.note for select to {clerk} using (true)")
        owner.execute("create table app.aaa (body text)")
        owner.execute(f"grant select on app.aaa to {clerk}")
        done: list[bool] = []

        def meanwhile(_: Step) -> None:
            if not done:
                owner.execute("set lock_timeout = '5s'")
                owner.execute(change.format(clerk=clerk))
                done.append(True)

        with Database.open(app.dsn(clerk)) as connection:
            report = prove(connection, pack, "employee", [Needle("1", *one) for one in ANNA], progress=meanwhile)
    if "force" in change:
        # Which does not concern a reader who is not the owner.
        assert place(report, "app.note", "body").verdict is Verdict.FAIL
    else:
        assert place(report, "app.note", "body").verdict is Verdict.UNVERIFIED
    assert place(report, "app.aaa", "body").verdict is Verdict.CLEAN
    assert not report.ok
