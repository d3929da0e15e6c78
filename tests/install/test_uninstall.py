"""Uninstalling: everything of ours goes, everything else stays as it was."""

from __future__ import annotations

import pytest
from psycopg import sql

from pgerase.database import Database
from pgerase.errors import Refused
from pgerase.install import Report, install, plan_uninstall, uninstall

APPLICATION = """
    create schema app;
    create table app.company (company_id int primary key, name text not null, owner_id int);
    create table app.note (note_id int primary key, company_id int references app.company, body text);
    create index note_company on app.note (company_id);
    create view app.companies as select company_id, name from app.company;
    create function app.touch() returns trigger language plpgsql as 'begin return new; end';
    create trigger touch before update on app.note for each row execute function app.touch();
    alter table app.company enable row level security;
    create policy mine on app.company for select to {web} using (owner_id = 1);
    grant usage on schema app to {web};
    grant select, update (name) on app.company to {web};
    grant select on app.note to public;
    alter default privileges in schema app grant select on tables to {web};
    insert into app.company values (1, 'a', 1);
"""


@pytest.fixture
def application(database):
    web = database.role("web")
    with database.connect() as owner:
        owner.execute(sql.SQL(APPLICATION).format(web=sql.Identifier(web)))
    database.web = web
    return database


def do_install(database) -> None:
    with Database.open(database.dsn()) as connection:
        install(connection, database.prefix)


def do_uninstall(database) -> Report:
    with Database.open(database.dsn()) as connection:
        return uninstall(connection, database.prefix)


def cluster(admin) -> list:
    return (
        admin.execute(
            "select to_jsonb(r) - 'oid' from pg_roles r where not starts_with(rolname, 'pg_') order by rolname"
        ).fetchall()
        + admin.execute(
            "select roleid::regrole::text, member::regrole::text from pg_auth_members order by 1, 2"
        ).fetchall()
    )


def ours(rows: list, prefix: str) -> list:
    """Other tests of the same run may make roles meanwhile."""
    return [row for row in rows if prefix in str(row)]


def test_dump_is_the_same_as_before(application, admin, pg_dump) -> None:
    before, roles = pg_dump(application), ours(cluster(admin), application.prefix)
    tables = pg_dump(application, "--schema=app")
    do_install(application)
    with application.connect() as owner:
        owner.execute(
            sql.SQL("grant {} to {}").format(
                sql.Identifier(f"{application.prefix}_viewer"), sql.Identifier(application.web)
            )
        )
    # The owner, who is no superuser, can go on dumping the whole database.
    assert f"{application.prefix}_internal.applied_object" in pg_dump(application)
    assert pg_dump(application, "--schema=app") == tables
    assert do_uninstall(application).left == ()
    assert pg_dump(application) == before
    assert ours(cluster(admin), application.prefix) == roles


def test_uninstall_twice_does_nothing(database) -> None:
    do_install(database)
    with Database.open(database.dsn()) as connection:
        planned = plan_uninstall(connection, database.prefix)
    assert do_uninstall(database).steps == planned
    assert do_uninstall(database).steps == ()
    do_install(database)
    assert do_uninstall(database).steps == planned


def test_superuser_uninstalls_too(database) -> None:
    do_install(database)
    with Database.open(database.admin_dsn) as connection:
        assert uninstall(connection, database.prefix).left == ()


def test_refused_while_tables_are_governed(database) -> None:
    do_install(database)
    ledger = f"{database.prefix}_internal"
    with database.connect() as owner:
        owner.execute(
            f"insert into {ledger}.apply_run (pack, plan_sha256, action) values ('p', repeat('0', 64), 'apply')".encode()
        )
        owner.execute(
            f"insert into {ledger}.applied_object (kind, identity, source_sha256, deparsed, apply_id)"
            " select 'policy', 'x', repeat('0', 64), 'x', apply_id from "
            f"{ledger}.apply_run".encode()
        )
        with pytest.raises(Refused, match="1 object made by apply is still there") as refusal:
            do_uninstall(database)
        assert "revert" in refusal.value.hint
        owner.execute(f"delete from {ledger}.applied_object".encode())
    assert do_uninstall(database).steps


def test_refused_while_others_depend_on_ours(application) -> None:
    do_install(application)
    with application.connect_admin() as admin:
        admin.execute(f"create view app.me as select {application.prefix}.current_viewer()".encode())
    with pytest.raises(Refused, match=r"depends on pgerase.*app\.me"):
        do_uninstall(application)
    with application.connect_admin() as admin:
        assert admin.execute(f"select {application.prefix}.current_viewer()".encode()).fetchone() == (None,)
        admin.execute("drop view app.me")
    assert do_uninstall(application).steps


@pytest.mark.parametrize(
    "what", ["table {}.mine ()", "function {}.mine() returns int return 1", "table {}_internal.mine ()"]
)
def test_refused_where_others_put_objects_into_our_schemas(database, what) -> None:
    do_install(database)
    with database.connect_admin() as admin:
        admin.execute(("create " + what.format(database.prefix)).encode())
    with pytest.raises(Refused, match=r"mine.*which did not make it"):
        do_uninstall(database)


def test_partitions_of_the_log_that_somebody_detached_go_along(database) -> None:
    """Threat: people's values stay in a table that nobody looks at any more, or uninstall takes one of its own for another's."""
    do_install(database)
    log = f"{database.prefix}_log"
    with database.connect() as owner:
        owner.execute(f"select {log}.define_class('default', '1 month', 'month', 2, '2026-01-15Z')".encode())
        owner.execute(f"select {log}.define_class('support', '1 month', 'month', 2, '2026-01-15Z')".encode())
    with database.connect_admin() as admin:
        admin.execute(f"alter table {log}.entry_1 detach partition {log}.entry_1_20260201".encode())
        admin.execute(f'alter table {log}.entry_1_20260201 rename to "Put aside"'.encode())
        admin.execute(f"alter table {log}.value_1 detach partition {log}.value_1_20260201 concurrently".encode())
        admin.execute(f"alter table {log}.leaf detach partition {log}.leaf_2".encode())
        # Of the same columns, and somebody else's.
        admin.execute(f"create table {log}.mine (like {log}.value)".encode())
    with pytest.raises(Refused, match=r"mine.*which did not make it"):
        do_uninstall(database)
    with database.connect_admin() as admin:
        admin.execute(f"drop table {log}.mine".encode())
    shown = {str(step) for step in do_uninstall(database).steps}
    assert shown >= {f"- table {log}.{name}" for name in ("Put aside", "value_1_20260201", "leaf_2")}
    with database.connect() as owner:
        assert owner.execute("select relname from pg_class where relname ~ '_1_2026|^leaf_|^Put'").fetchall() == []


def test_role_in_use_elsewhere_stays_and_is_named(databases) -> None:
    first, second = databases(), databases()
    do_install(first)
    role = f"{first.prefix}_viewer"
    with second.connect() as owner:
        owner.execute("create table t ()")
        owner.execute(sql.SQL("grant select on t to {}").format(sql.Identifier(role)))
    report = do_uninstall(first)
    assert len(report.left) == 1
    assert role in report.left[0]
    assert second.name in report.left[0]
    with second.connect() as owner:
        owner.execute("drop table t")
    # What stayed is still known as ours, by its comment.
    assert [str(step) for step in do_uninstall(first).steps] == [f"- role {role}"]


def test_role_that_may_not_drop_roles_leaves_them_and_says_how(database, admin) -> None:
    do_install(database)
    with Database.open(database.dsn()) as connection:
        assert connection.value("select rolcreaterole from pg_roles where rolname = current_user")
        admin.execute(sql.SQL("alter role {} nocreaterole").format(sql.Identifier(database.owner)))
        if connection.server_version >= 160000:
            # Administering them is still possible there, dropping them is not.
            report = uninstall(connection, database.prefix)
            assert [line.split()[2] for line in report.left] == [
                f"{database.prefix}_{role}" for role in ("keeper", "masker", "secret", "eraser", "lookup", "viewer")
            ]
            assert f"drop role {database.prefix}_viewer" in report.left[-1]
        else:
            with pytest.raises(Refused, match="may not administer"):
                uninstall(connection, database.prefix)


def test_roles_of_another_database_are_left_alone(databases, admin) -> None:
    first, second = databases(), databases()
    do_install(first)
    with Database.open(second.dsn()) as connection:
        assert uninstall(connection, first.prefix).steps == ()
    count = "select count(*) from pg_roles where starts_with(rolname, %s)"
    assert admin.execute(count, [f"{first.prefix}_"]).fetchone() == (6,)
