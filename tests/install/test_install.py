"""Installing as an application's owner: what it makes, what it refuses, and that any number may do it at once."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from psycopg import sql

from pgerase.database import Database
from pgerase.errors import PgeraseError, Refused, UsageError
from pgerase.install import Names, Report, install, plan_install, roles_sql, uninstall

PRIVATE = ("lookup", "eraser", "secret", "masker", "keeper")

USABLE_MEMBERS = """
    select r.rolname, m.rolname
    from pg_auth_members a
        join pg_roles r on r.oid = a.roleid
        join pg_roles m on m.oid = a.member
    where r.rolname = any (%s)
        and (
            coalesce((to_jsonb(a) ->> 'inherit_option')::boolean, true)
            or coalesce((to_jsonb(a) ->> 'set_option')::boolean, true)
        )
"""


def run(dsn: str, prefix: str, **options) -> Report:
    with Database.open(dsn) as connection:
        return install(connection, prefix, **options)


def usable_members(admin: psycopg.Connection, prefix: str) -> list:
    return admin.execute(USABLE_MEMBERS, [[f"{prefix}_{role}" for role in PRIVATE]]).fetchall()


def race(*calls) -> list:
    """Run all at the same moment; results or the errors raised, in order."""
    barrier = Barrier(len(calls))

    def one(call):
        barrier.wait()
        try:
            return call()
        except PgeraseError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def test_second_install_changes_nothing(database) -> None:
    first = run(database.dsn(), database.prefix)
    assert {step.kind for step in first.steps} >= {"role", "schema", "migration", "routine", "grant"}
    assert run(database.dsn(), database.prefix).steps == ()


def test_plan_says_what_install_does_and_changes_nothing(database) -> None:
    with Database.open(database.dsn()) as connection:
        planned = plan_install(connection, database.prefix)
        assert plan_install(connection, database.prefix) == planned
        assert install(connection, database.prefix).steps == planned
        assert plan_install(connection, database.prefix) == ()


def test_superuser_installs_too(database, admin) -> None:
    assert run(database.admin_dsn, database.prefix).steps
    assert run(database.admin_dsn, database.prefix).steps == ()
    assert usable_members(admin, database.prefix) == []


def test_roles_are_powerless_and_commented(database, admin) -> None:
    run(database.dsn(), database.prefix)
    rows = admin.execute(
        "select rolname, shobj_description(oid, 'pg_authid') from pg_roles where starts_with(rolname, %s)"
        " and not (rolcanlogin or rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)",
        [f"{database.prefix}_"],
    ).fetchall()
    comment = f"pgerase {database.prefix} for database {database.name}"
    assert sorted(rows) == sorted((f"{database.prefix}_{role}", comment) for role in ("viewer", *PRIVATE))


def test_nobody_is_left_in_the_private_roles(database, admin) -> None:
    run(database.dsn(), database.prefix)
    assert usable_members(admin, database.prefix) == []
    owner = database.connect()
    for role in PRIVATE:
        if owner.info.server_version >= 160000:
            # Before 16 CREATEROLE lets one become anybody; from 16 on the installer has to grant himself the role first.
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                owner.execute(sql.SQL("set role {}").format(sql.Identifier(f"{database.prefix}_{role}")))
        assert owner.execute("select pg_has_role(%s, 'usage')", [f"{database.prefix}_{role}"]).fetchone() == (False,)


def test_self_grant_setting_makes_nobody_a_member(database, admin, server_version) -> None:
    if server_version < 160000:
        pytest.skip("createrole_self_grant came with PostgreSQL 16")
    admin.execute(
        sql.SQL("alter role {} set createrole_self_grant = 'set, inherit'").format(sql.Identifier(database.owner))
    )
    run(database.dsn(), database.prefix)
    assert usable_members(admin, database.prefix) == []


def test_twenty_at_once(database, admin) -> None:
    reports = race(*[lambda: run(database.dsn(), database.prefix)] * 20)
    assert sorted(bool(report.steps) for report in reports) == [False] * 19 + [True]
    assert usable_members(admin, database.prefix) == []
    assert run(database.dsn(), database.prefix).steps == ()


def test_two_databases_with_their_own_prefixes_at_once(databases) -> None:
    first, second = databases(), databases()
    reports = race(
        lambda: run(first.dsn(), first.prefix),
        lambda: run(second.dsn(), second.prefix),
    )
    assert all(report.steps for report in reports)
    assert run(first.dsn(), first.prefix).steps == () == run(second.dsn(), second.prefix).steps


@pytest.fixture
def contest(databases):
    """Two databases that want the same prefix, and that prefix; whoever got it gives it back."""
    first, second = databases(), databases()
    yield first, second, first.prefix
    for database in (first, second):
        with Database.open(database.dsn()) as connection:
            uninstall(connection, first.prefix)


def test_same_prefix_in_two_databases_at_once_has_one_winner(contest, admin) -> None:
    first, second, prefix = contest
    outcomes = race(*[lambda d=d: run(d.dsn(), prefix) for d in (first, second)])
    losers = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert len(losers) == 1
    assert "prefix:" in losers[0].hint
    loser = second if outcomes[1] is losers[0] else first
    assert usable_members(admin, prefix) == []
    grants = "select count(*) from pg_auth_members where %s::regrole in (member, grantor)"
    assert admin.execute(grants, [loser.owner]).fetchone() == (0,)
    with loser.connect() as connection:
        schemas = "select count(*) from pg_namespace where starts_with(nspname, %s)"
        assert connection.execute(schemas, [prefix]).fetchone() == (0,)


def test_prefix_of_another_database_is_refused_and_nothing_granted(databases, admin) -> None:
    first, second = databases(), databases()
    run(first.dsn(), first.prefix)
    with pytest.raises(Refused, match=f"for database {first.name}") as refusal:
        run(second.dsn(), first.prefix)
    assert "prefix:" in refusal.value.hint
    assert refusal.value.exit_code == 3
    assert usable_members(admin, first.prefix) == []
    with pytest.raises(Refused, match=first.name), Database.open(second.dsn()) as connection:
        roles_sql(connection, first.prefix)


def test_role_of_somebody_else_is_refused(database, admin) -> None:
    role = f"{database.prefix}_secret"
    admin.execute(sql.SQL("create role {}").format(sql.Identifier(role)))
    with pytest.raises(Refused, match=f"role {role} exists.*not pgerase's"):
        run(database.dsn(), database.prefix)


@pytest.mark.parametrize("power", ["login", "bypassrls", "superuser", "createrole", "createdb", "replication"])
def test_role_with_powers_is_refused(database, admin, power) -> None:
    run(database.dsn(), database.prefix)
    role = sql.Identifier(f"{database.prefix}_lookup")
    admin.execute(sql.SQL("alter role {} {}").format(role, sql.SQL(power)))
    with pytest.raises(Refused, match=power):
        run(database.dsn(), database.prefix)


def test_member_of_a_private_role_is_refused_by_name(database, admin) -> None:
    run(database.dsn(), database.prefix)
    member = database.role("curious")
    role = f"{database.prefix}_lookup"
    admin.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), sql.Identifier(member)))
    with pytest.raises(Refused, match=f"{member} is a member of {role}") as refusal:
        run(database.dsn(), database.prefix)
    assert f"revoke {role} from {member}" in refusal.value.hint


def test_private_role_with_rights_of_others_is_refused(database, admin) -> None:
    run(database.dsn(), database.prefix)
    role = f"{database.prefix}_secret"
    admin.execute(sql.SQL("grant pg_signal_backend to {}").format(sql.Identifier(role)))
    with pytest.raises(Refused, match=f"{role} is a member of pg_signal_backend"):
        run(database.dsn(), database.prefix)


@pytest.mark.parametrize("suffix", ["", "_internal", "_lookup"])
def test_existing_schema_is_refused(database, suffix) -> None:
    schema = database.prefix + suffix
    with database.connect() as owner:
        owner.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        comment = Names(database.prefix).schema_comment(schema)
        owner.execute(sql.SQL("comment on schema {} is {}").format(sql.Identifier(schema), sql.Literal(comment)))
    # The comment alone does not make it ours: whoever may create a schema could have put functions of his own there.
    with pytest.raises(Refused, match=f"the schema {schema} exists already"):
        run(database.dsn(), database.prefix)


def test_prefix_that_differs_in_case_only_is_refused(database) -> None:
    run(database.dsn(), database.prefix)
    with pytest.raises(Refused, match="upper and lower case"):
        run(database.dsn(), database.prefix.upper())


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "pg_mine",
        "PG_mine",
        "a b",
        'a"b',
        "a'b",
        "a.b",
        "a;b",
        "a$$b",
        "a%b",
        "a\nb",
        "a\\b",
        "1a",
        "-a",
        "x" * 41,
        "ü" * 21,
    ],
)
def test_impossible_prefix_is_a_usage_error(prefix) -> None:
    with pytest.raises(UsageError):
        Names(prefix)


@pytest.mark.parametrize("word", ["public", "information_schema"])
def test_schema_of_the_system_is_refused(database, word) -> None:
    with pytest.raises(Refused, match="exists already"), Database.open(database.dsn()) as connection:
        plan_install(connection, word)


@pytest.mark.parametrize("ending", ["Select", "ÄÖ漢字", "_" * 3, "x" * 26])
def test_unusual_prefix_works(database, ending) -> None:
    prefix = f"{database.prefix}{ending}"[:40]
    run(database.dsn(), prefix)
    assert run(database.dsn(), prefix).steps == ()
    with database.connect() as owner, owner.transaction():
        viewer = database.role("web")
        owner.execute(sql.SQL("grant {} to {}").format(sql.Identifier(f"{prefix}_viewer"), sql.Identifier(viewer)))
    with database.connect(viewer) as web, web.transaction():
        web.execute(sql.SQL("select {}(%s)").format(sql.Identifier(prefix, "become")), ["7"])
        current = sql.SQL("select {}(), current_setting({})").format(
            sql.Identifier(prefix, "current_viewer"), sql.Literal(f"{prefix}.viewer")
        )
        key, raw = web.execute(current).fetchone()
        assert (key, raw[:2]) == ("7", "7@")


def test_two_prefixes_in_one_database_do_not_meet(database) -> None:
    first, second = database.prefix, f"{database.prefix}_b"
    assert run(database.dsn(), first).steps
    assert run(database.dsn(), second).steps
    assert run(database.dsn(), first).steps == ()
    web = database.role("web")
    with database.connect() as owner:
        for prefix in (first, second):
            owner.execute(sql.SQL("grant {} to {}").format(sql.Identifier(f"{prefix}_viewer"), sql.Identifier(web)))
    with database.connect(web) as connection, connection.transaction():
        connection.execute(f"select {first}.become('1')".encode())
        both = connection.execute(f"select {first}.current_viewer(), {second}.current_viewer()".encode())
        assert both.fetchone() == ("1", None)
    with Database.open(database.dsn()) as connection:
        assert uninstall(connection, first).left == ()
    assert run(database.dsn(), second).steps == ()


def test_everything_in_the_ledger_is_commented(database) -> None:
    run(database.dsn(), database.prefix)
    bare = """
        select c.relname, a.attname
        from pg_class c
            join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
        where c.relnamespace = %s::regnamespace
            and c.relkind = 'r'
            and (col_description(c.oid, a.attnum) is null or obj_description(c.oid, 'pg_class') is null)
    """
    with database.connect() as owner:
        assert owner.execute(bare, [f"{database.prefix}_internal"]).fetchall() == []
        functions = "select proname from pg_proc where pronamespace = %s::regnamespace and obj_description(oid, 'pg_proc') is null"
        assert owner.execute(functions, [database.prefix]).fetchall() == []


def test_stranger_can_call_and_read_nothing(database) -> None:
    # Default privileges of the owner must not leak into what is installed.
    stranger = database.role("stranger")
    with database.connect() as owner:
        for what in ("select on tables", "execute on functions", "usage on schemas", "usage on sequences"):
            owner.execute(
                sql.SQL("alter default privileges grant {} to public, {}").format(
                    sql.SQL(what), sql.Identifier(stranger)
                )
            )
    run(database.dsn(), database.prefix)
    reachable = """
        select 'schema', nspname::text from pg_namespace
            where starts_with(nspname, %(p)s) and has_schema_privilege(oid, 'usage, create')
        union all
        select 'routine', proname from pg_proc join pg_namespace n on n.oid = pronamespace
            where starts_with(nspname, %(p)s) and has_function_privilege(pg_proc.oid, 'execute')
        union all
        select 'relation', relname from pg_class join pg_namespace n on n.oid = relnamespace
            where starts_with(nspname, %(p)s) and relkind in ('r', 'v', 'S')
                and has_table_privilege(pg_class.oid, 'select, insert, update, delete, truncate, references, trigger')
    """
    with database.connect(stranger) as connection:
        assert connection.execute(reachable, {"p": database.prefix}).fetchall() == []
        for call in ("become('1')", "current_viewer()", "presented_viewer()", "forget()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select {database.prefix}.{call}".encode())


def test_viewers_cannot_look_into_the_ledger(database) -> None:
    run(database.dsn(), database.prefix)
    web = database.role("web")
    with database.connect() as owner:
        owner.execute(
            sql.SQL("grant {} to {}").format(sql.Identifier(f"{database.prefix}_viewer"), sql.Identifier(web))
        )
    with database.connect(web) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"select * from {database.prefix}_internal.applied_object".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"create function {database.prefix}.f() returns int return 1".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"create view {database.prefix}_lookup.v as select 1".encode())


def test_installer_has_just_what_apply_needs(database) -> None:
    run(database.dsn(), database.prefix)
    ledger = f"{database.prefix}_internal"
    with database.connect() as owner:
        owner.execute(
            f"insert into {ledger}.apply_run (pack, plan_sha256, action) values ('p', repeat('0', 64), 'apply')".encode()
        )
        owner.execute(
            f"insert into {ledger}.applied_object (kind, identity, source_sha256, deparsed, apply_id)"
            " values ('policy', 'p on t', repeat('0', 64), 'create policy …', 1)".encode()
        )
        owner.execute(f"update {ledger}.applied_object set deparsed = 'x'".encode())
        owner.execute(f"delete from {ledger}.applied_object".encode())
        for statement in (
            "update {}.migration set checksum = repeat('0', 64)",
            "delete from {}.migration",
            "update {}.routine set deparsed = ''",
            "update {}.installation set version = ''",
            "delete from {}.apply_run",
            "update {}.apply_run set by = 'somebody else'",
            "drop table {}.applied_object",
            "create table {}.mine ()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                owner.execute(statement.format(ledger).encode())


def test_without_createrole_it_says_what_to_do(database, admin) -> None:
    plain = database.role("plain")
    admin.execute(
        sql.SQL("grant create on database {} to {}").format(sql.Identifier(database.name), sql.Identifier(plain))
    )
    with pytest.raises(Refused, match="may not create the roles") as refusal:
        run(database.dsn(plain), database.prefix)
    assert "--roles-sql" in refusal.value.hint


def test_without_create_on_the_database_it_says_what_to_do(database) -> None:
    plain = database.role("plain", "createrole")
    with pytest.raises(Refused, match="may not create schemas") as refusal:
        run(database.dsn(plain), database.prefix)
    assert refusal.value.hint == f'grant create on database "{database.name}" to "{plain}"'


def test_roles_script_lets_a_plain_role_install(database, admin, pg_programs) -> None:
    plain = database.role("plain")

    def run_script() -> str:
        with Database.open(database.dsn(plain)) as connection:
            script = roles_sql(connection, database.prefix)
        psql = [pg_programs / "psql", "--no-psqlrc", "--quiet", "--dbname", database.admin_dsn]
        subprocess.run(psql, input=script, text=True, check=True, capture_output=True)
        return script

    assert "create role" in run_script()
    assert run(database.dsn(plain), database.prefix).steps
    assert usable_members(admin, database.prefix) == []
    assert run(database.dsn(plain), database.prefix).steps == ()
    # And again for what comes later: an upgrade, an apply.
    assert "create role" not in run_script()
    admin_connection = database.connect_admin()
    admin_connection.execute(f"drop function {database.prefix}.forget()".encode())
    kinds = {step.kind for step in run(database.dsn(plain), database.prefix).steps}
    assert "routine" in kinds
    assert usable_members(admin, database.prefix) == []


def test_roles_script_has_nothing_to_do_where_the_role_may_create_roles(database) -> None:
    run(database.dsn(), database.prefix)
    with Database.open(database.dsn()) as connection:
        assert roles_sql(connection, database.prefix).startswith("-- Nothing to do")


def test_membership_left_from_the_roles_script_ends(database, admin, server_version) -> None:
    if server_version >= 160000:
        pytest.skip("from 16 on the roles script makes nobody a member that inherits or sets")
    run(database.dsn(), database.prefix)
    role = f"{database.prefix}_secret"
    admin.execute(
        sql.SQL("grant {} to {} with admin option").format(sql.Identifier(role), sql.Identifier(database.owner))
    )
    step = run(database.dsn(), database.prefix).steps[0]
    assert str(step) == f"- membership of {database.owner} in {role}"
    assert usable_members(admin, database.prefix) == []


def test_login_that_acts_as_the_owner_installs(database, admin) -> None:
    # A deploy login whose role setting makes it the owner: what is made belongs to our roles, and the role comes back.
    deploy = database.role("deploy")
    owner = sql.Identifier(database.owner)
    admin.execute(sql.SQL("grant {} to {}").format(owner, sql.Identifier(deploy)))
    admin.execute(sql.SQL("alter role {} set role = {}").format(sql.Identifier(deploy), owner))
    with Database.open(database.dsn(deploy)) as connection:
        assert install(connection, database.prefix).steps
        assert connection.value("select current_user::text") == database.owner
    assert usable_members(admin, database.prefix) == []


def test_second_role_that_cannot_read_the_ledger_is_told_who_can(database) -> None:
    run(database.dsn(), database.prefix)
    other = database.role("other", "createrole")
    with pytest.raises(Refused, match="closed to the current role") as refusal:
        run(database.dsn(other), database.prefix)
    assert "role that installed it" in refusal.value.hint


@pytest.mark.parametrize("setting", ["default_transaction_isolation = 'serializable'", "search_path = 'evil, public'"])
def test_settings_of_the_installer_do_not_matter(database, admin, setting) -> None:
    admin.execute(sql.SQL("alter role {} set {}").format(sql.Identifier(database.owner), sql.SQL(setting)))
    reports = race(*[lambda: run(database.dsn(), database.prefix)] * 4)
    assert sorted(bool(report.steps) for report in reports) == [False] * 3 + [True]
