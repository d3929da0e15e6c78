"""verify itself: clean databases pass, what cannot be looked at fails, nothing is left behind, hostile text is only text."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from pgerase.cli.main import main
from pgerase.database import Database
from pgerase.errors import Refused, Severity
from pgerase.rules.pack import AcceptedDoor
from pgerase.rules.read import read_pack
from pgerase.verify import Sample, Verdict, verify
from tests.fix_database import FreshDatabase
from tests.verify.conftest import AT, SAMPLE, Site, deploy

POLICIES = Path(__file__).resolve().parents[2] / "policies"
REAL = Path(__file__).resolve().parents[1] / "real"
SMALL = Sample(viewers=10, rows=40, whole=60, writers=2, probes=1)


def _clean(site: Site) -> None:
    report = site.verify(sample=SMALL)
    assert report.failures == ()
    assert report.ok
    assert {one.verdict for one in report.looked} == {Verdict.OK}
    # Something was allowed and something denied, or nothing was proved.
    tried = [one.extent for one in report.looked if one.what in {"insert", "update", "delete"}]
    assert any(not extent.startswith("0 allowed") for extent in tried)
    assert any(" and 0 denied" not in extent for extent in tried)


# The demo, which is a test as well, verifies this pack in every run.
@pytest.mark.long
def test_customer_success_is_clean(database: FreshDatabase, tmp_path: Path):
    with database.connect() as connection:
        for script in ("schema.sql", "seed.sql"):
            connection.execute((POLICIES / "customer_success" / script).read_bytes())
    roles = ("web", "reporting", "visitor", "etl")
    _clean(deploy(database, POLICIES / "customer_success", tmp_path / "pack", "cs", roles))


def test_chinook_is_clean(chinook: FreshDatabase, tmp_path: Path):
    _clean(deploy(chinook, REAL / "chinook", tmp_path / "pack", "chinook", ("app",)))


def test_pagila_is_clean(pagila: FreshDatabase, tmp_path: Path):
    _clean(deploy(pagila, REAL / "pagila", tmp_path / "pack", "pagila", ("app",)))


# -- what could not be looked at ----------------------------------------------------------------------------------------


def _unseen(site: Site, subject: str, *tables: str, sample: Sample = SAMPLE) -> str:
    report = site.verify(*tables, sample=sample, statics=False)
    assert not report.ok
    found = [finding for finding in report.failures if finding.subject == site.fill(subject)]
    assert [finding.code for finding in found[:1]] == ["could-not-look"], report.failures
    assert found[0].severity is Severity.ERROR
    assert any(one.verdict is Verdict.UNSEEN for one in report.looked)
    return found[0].message


def test_a_policy_that_blinds_the_lookup_role_is_no_truth(shop: Site):
    shop.admin("create policy blinds on shop.account as restrictive for select using (id < 40)")
    try:
        assert "is proven to see every row" in _unseen(shop, "shop.account")
    finally:
        shop.admin("drop policy blinds on shop.account")


def test_a_lookup_that_viewers_may_not_ask_is_no_pass(shop: Site):
    shop.admin("revoke execute on function {P}_lookup.me() from {P}_viewer")
    try:
        assert "permission denied" in _unseen(shop, "shop.task", "shop.task")
    finally:
        shop.admin("grant execute on function {P}_lookup.me() to {P}_viewer")


def test_facts_too_many_to_hold_are_no_pass(shop: Site):
    assert "--hold" in str(shop.verify(sample=Sample(hold=3), statics=False).failures)
    assert "facts" in _unseen(shop, "shop.person", sample=Sample(hold=3))


def test_a_table_somebody_else_has_locked_is_no_pass(shop: Site):
    with psycopg.connect(shop.database.admin_dsn) as other:
        other.execute("lock table shop.task in access exclusive mode")
        report = shop.verify(statics=False)
        other.rollback()
    assert not report.ok
    assert "lock" in report.failures[0].message


def test_rows_somebody_else_has_locked_are_told_and_not_passed(shop: Site):
    with psycopg.connect(shop.database.admin_dsn) as other:
        other.execute("select from shop.task where id in (3, 4) for update")
        report = shop.verify("shop.task", statics=False)
        other.rollback()
    assert [(finding.code, finding.subject) for finding in report.failures] == [("rows-not-looked-at", "shop.task")]
    assert report.failures[0].message.startswith("2 rows ")
    assert report.disagreements == 0
    assert not report.ok
    assert shop.verify("shop.task", statics=False).ok


def test_a_row_changed_since_the_snapshot_is_passed_over_and_told(shop: Site):
    def change(message: str) -> None:
        if message.startswith("looking"):
            # Locks for a foreign key pass by an update of other columns; that of a key they do not.
            shop.admin("update shop.task set id = 700 where id = 2")

    with Database.open(shop.database.dsn()) as database:
        report = verify(
            database, read_pack(shop.folder), sample=SAMPLE, statics=False, tables=["shop.task"], progress=change
        )
    shop.admin("update shop.task set id = 2 where id = 700")
    assert [finding.code for finding in report.failures] == ["rows-not-looked-at"]
    assert report.disagreements == 0


def test_without_the_right_to_act_as_logins_the_owner_stands_in(shop: Site):
    if shop.database.connect().info.server_version < 160000:
        pytest.skip("before PostgreSQL 16 a role maker may act as every login")
    shop.admin("revoke {web}, {visitor} from {owner}")
    try:
        report = shop.verify("shop.account", "shop.task", "shop.article", statics=False)
    finally:
        shop.admin("grant {web}, {visitor} to {owner} with inherit false, set true")
    # Nobody else can be known by that role: what its rule gives was not seen, and that is an error.
    assert [finding.subject for finding in report.failures] == [shop.fill("role {visitor}")]
    assert report.disagreements == 0
    assert shop.database.owner in next(one.extent for one in report.looked if one.what == "read")
    # What the stand-in sees is what policies show: a fault is found by it as well.
    shop.admin(
        'revoke {web}, {visitor} from {owner}; alter policy "{P}_require_tenant_read" on shop.account using (true)'
    )
    try:
        report = shop.verify("shop.account", statics=False)
    finally:
        shop.admin("grant {web}, {visitor} to {owner} with inherit false, set true")
        shop.apply()
    assert "mismatch-read" in {finding.code for finding in report.failures}


# -- who may run it, and what it leaves -----------------------------------------------------------------------------------


def test_a_superuser_is_refused_unless_allowed(shop: Site):
    with Database.open(shop.database.admin_dsn) as database:
        with pytest.raises(Refused, match="no policy binds"):
            verify(database, read_pack(shop.folder))
        report = verify(database, read_pack(shop.folder), sample=SAMPLE, allow_superuser=True, statics=False)
    assert report.failures == ()
    assert report.disagreements == 0


_EVERYTHING = """
    select array[
        (select md5(string_agg(r::text, '' order by oid)) from pg_catalog.pg_roles as r where rolname like %(prefix)s),
        (select md5(string_agg(m::text, '' order by m::text)) from pg_catalog.pg_auth_members as m
            where m.member::regrole::text like %(prefix)s or m.roleid::regrole::text like %(prefix)s),
        (select md5(string_agg(n::text, '' order by oid)) from pg_catalog.pg_namespace as n),
        (select md5(string_agg(concat(oid, relname, relacl, relrowsecurity, relforcerowsecurity, reloptions), '' order by oid))
            from pg_catalog.pg_class),
        (select md5(string_agg(p::text, '' order by oid)) from pg_catalog.pg_policy as p),
        (select md5(string_agg(p::text, '' order by oid)) from pg_catalog.pg_proc as p),
        (select md5(string_agg(t::text, '' order by oid)) from pg_catalog.pg_trigger as t),
        (select md5(string_agg(t::text, '' order by id)) from shop.account as t),
        (select md5(string_agg(t::text, '' order by id)) from shop.person as t),
        (select count(*)::text from {P}_internal.apply_run)
    ]
"""


def test_nothing_is_left_behind(shop: Site):
    statement = shop.fill(_EVERYTHING)
    with psycopg.connect(shop.database.admin_dsn, autocommit=True) as admin:
        parameters = {"prefix": f"{shop.prefix}%"}
        before = admin.execute(statement, parameters).fetchone()
        with Database.open(shop.database.dsn()) as database:
            verify(database, read_pack(shop.folder), sample=SAMPLE, accepted=shop.accepted)
            assert not database.in_transaction
            assert database.rows("select name from pg_catalog.pg_prepared_statements") == []
            left = database.rows(
                "select current_user as role, current_setting(%s, true) as viewer", [f"{shop.prefix}.viewer"]
            )
            assert left == [{"role": shop.database.owner, "viewer": ""}]
            assert (
                database.value(
                    "select count(*) from pg_catalog.pg_locks where pid = pg_backend_pid() and relation > 16383"
                )
                == 0
            )
        assert admin.execute(statement, parameters).fetchone() == before


def test_the_same_seed_looks_at_the_same(shop: Site):
    first, again = (shop.verify("shop.task", statics=False) for _ in range(2))
    assert (first.viewers, first.looked) == (again.viewers, again.looked)
    other = shop.verify("shop.task", sample=Sample(seed=2, viewers=4, writers=2, probes=1), statics=False)
    assert other.ok
    assert other.viewers != first.viewers


def test_people_of_every_stratum_are_looked_as(shop: Site):
    strata = dict(reversed(pair) for pair in shop.verify("shop.article", statics=False).viewers)
    assert strata["6"] == "super admin"
    assert strata["9"] == "super admin, inactive"
    assert strata["8"] == "inactive"
    assert {"(nobody)", "(unknown key)", "(garbage 'null')"} <= strata.keys()
    assert shop.fill("(role {visitor})") in strata
    assert any(label.startswith("(leftover of") for label in strata)


def test_large_tables_are_compared_by_a_sample_that_is_called_one(shop: Site):
    report = shop.verify("shop.task", sample=Sample(viewers=6, rows=20, whole=30, writers=2, probes=1), statics=False)
    assert report.ok
    assert "a sample of 20 of 60 rows" in {one.extent.partition(" × ")[2].partition(",")[0] for one in report.looked}


# -- shadow -----------------------------------------------------------------------------------------------------------------


def test_shadow_says_who_would_lose_what_and_changes_nothing(shop: Site):
    report = shop.verify(shadow=True)
    assert report.ok
    counts = {count.stratum: count for count in report.shadow if count.table == "shop.badge"}
    # Eight badges, open to all now. Six is super admin; nobody and strangers lose everything.
    assert (counts["super admin"].now, counts["super admin"].then, counts["super admin"].lose) == (8, 8, 0)
    assert (counts["nobody"].now, counts["nobody"].then, counts["nobody"].lose) == (8, 0, 8)
    assert all(count.gain == 0 for count in report.shadow)


# -- where people are their logins --------------------------------------------------------------------------------------------


def test_people_who_are_their_logins_are_looked_as_too(database: FreshDatabase, tmp_path: Path):
    with database.connect() as connection:
        connection.execute(
            "create schema app; create table app.person (login text primary key, boss text);"
            "create table app.paper (id int primary key, owner text);"
            "insert into app.person values ('ann', null), ('bob', 'ann'), ('cy', null);"
            "insert into app.paper select i, (array['ann', 'bob', 'cy', null])[1 + i % 4] from generate_series(1, 12) as i"
        )
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "pack.yaml").write_text("version: 1\nname: logins\nprefix: x\nroles: {app: [app_web]}\n")
    (folder / "access.yaml").write_text(
        "version: 1\nviewers: {table: app.person, key: login, identity: role, manager: boss}\n"
        "resources:\n  paper:\n    table: app.paper\n    everyone: none\n"
        "    rules: [{name: own, rows: {owner: {eq: {viewer: key}}}, can: [write]}]\n"
    )
    site = deploy(database, folder, tmp_path / "pack", "app", ("web",))
    report = site.verify()
    assert report.failures == ()
    assert {"ann", "bob", "cy"} <= {label for _, label in report.viewers}
    before = (
        database.connect()
        .execute("select pg_get_functiondef(%s::regproc)", [f"{site.prefix}.current_viewer"])
        .fetchone()
    )
    assert "session_user" in before[0].lower()  # nothing stayed of the identity that verify used
    site.admin('alter policy "{P}_read" on app.paper using (owner is not null)')
    assert "mismatch-read" in {finding.code for finding in site.verify(statics=False).failures}


# -- hostile text -----------------------------------------------------------------------------------------------------------


NASTY = "o'; drop table x; -- $$ $a$ \\ /* \" %s {0} %(x)s"
LONG = "ein sehr langer Name mit Ümläuten und noch mehr Wörtern, weit über 63 Bytes"


def test_hostile_names_and_texts_are_only_text(database: FreshDatabase, tmp_path: Path):
    with database.connect() as connection:
        schema, table, column = (
            psycopg.sql.Identifier(name) for name in ('sch"e %s', "ta{0}b %s \" l'e", 'co"l %(x)s {1} \\ $$')
        )
        make = psycopg.sql.SQL(
            "create schema {0}; create table {0}.person (id int primary key, {2} text);"
            "create table {0}.{1} (id int primary key, {2} text, owner int);"
            "insert into {0}.person values (1, {3}), (2, 'plain'), (3, null);"
            "insert into {0}.{1} select i, case when i % 2 = 0 then {3} end, 1 + i % 3 from generate_series(1, 12) as i"
        ).format(schema, table, column, psycopg.sql.Literal(NASTY))
        connection.execute(make)
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "pack.yaml").write_text("version: 1\nname: nasty\nprefix: x\nroles: {app: [nasty_web]}\n")
    person, thing, path = (
        '"sch""e %s".person',
        '"sch""e %s"."ta{0}b %s "" l\'e"',
        '"co""l %(x)s {1} \\ $$"',
    )
    rules = {
        "version": 1,
        "viewers": {"table": person, "key": "id", "identity": "setting", "super_admin": {path: NASTY + "\n"}},
        "groups": {LONG: {"criteria": {path: NASTY}}},
        "resources": {
            "thing": {
                "table": thing,
                "everyone": "none",
                "rules": [
                    {"name": NASTY, "who": {"group": LONG}, "rows": {path: {"contains": NASTY}}, "can": ["write"]},
                    {"name": LONG, "rows": {"owner": {"eq": {"viewer": "key"}}}, "can": ["read", "delete"]},
                ],
                "require": [{"name": LONG + "!", "rows": {path: {"ne": "x\nx"}}, "can": ["update"]}],
            }
        },
    }
    (folder / "access.yaml").write_text(json.dumps(rules, ensure_ascii=False))
    site = deploy(database, folder, tmp_path / "pack", "nasty", ("web",))
    report = site.verify()
    assert report.failures == ()
    counts = [one.extent for one in report.looked if one.what == "insert"]
    assert counts
    assert not counts[0].startswith("0 allowed")


# -- command line -----------------------------------------------------------------------------------------------------------


def test_the_command_prints_a_line_an_object_and_two_that_sum_up(shop: Site, capsys: pytest.CaptureFixture[str]):
    options = [
        "verify",
        "--pack",
        str(shop.folder),
        "--dsn",
        shop.database.dsn(),
        "--viewers",
        "4",
        "--table",
        "shop.article",
    ]
    code = main(options)
    lines = capsys.readouterr().out.rstrip("\n").split("\n")
    # The owner of the tables is a door that this pack does not accept.
    assert code == 1
    assert any(line.startswith("shop.article") and line.endswith("  ok") for line in lines)
    assert any(line.startswith("doors") and line.endswith("  FAIL") for line in lines)
    assert "    see: docs/doors.md#door-owner" in lines
    assert lines[-2].endswith("seed 1, PostgreSQL " + ".".join(map(str, divmod(_version(shop), 10000))))
    assert lines[-1].startswith("NOT verified: ")


def test_the_command_prints_json_with_a_format_version(shop: Site, capsys: pytest.CaptureFixture[str]):
    options = ["verify", "--pack", str(shop.folder), "--dsn", shop.database.dsn(), "--shadow", "--format", "json"]
    code = main(options)
    data = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (data["format"], data["command"], data["ok"]) == (1, "verify", True)
    assert {count["table"] for count in data["shadow"]} == {"shop.badge"}


def test_a_server_with_known_holes_fails_until_accepted(shop: Site, monkeypatch: pytest.MonkeyPatch):
    major, minor = divmod(_version(shop), 10000)
    monkeypatch.setattr("pgerase.check.server_version.FLOOR", {major: minor + 1})
    assert shop.verify(behaviour=False).ok
    shop.accepted = tuple(door for door in shop.accepted if door.kind != "server")
    try:
        report = shop.verify(behaviour=False)
        assert [finding.code for finding in report.failures] == ["server-below-cve-floor"]
    finally:
        shop.accepted = (*shop.accepted, AcceptedDoor("server", f"{major}.{minor}", "test", AT))


def _version(site: Site) -> int:
    return site.database.connect().info.server_version
