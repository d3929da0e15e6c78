"""The fixtures keep what they promise: least rights, own names, nothing left behind."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from tests.fix_database import FreshDatabase


def test_owner_is_no_superuser_but_may_create_roles_and_schemas(database: FreshDatabase):
    connection = database.connect()
    row = connection.execute(
        "select rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_catalog.pg_roles"
        " where rolname = current_user"
    ).fetchone()
    assert row == (database.owner, False, False, True, False)
    connection.execute("create schema app")
    connection.execute("create table public.thing (id bigint primary key)")
    connection.execute(f"create role {database.prefix}_viewer")


def test_owner_does_not_own_the_database(database: FreshDatabase):
    row = (
        database.connect()
        .execute(
            "select pg_catalog.pg_get_userbyid(datdba) from pg_catalog.pg_database where datname = current_database()"
        )
        .fetchone()
    )
    assert row is not None
    assert row[0] != database.owner


def test_login_role_has_no_rights_of_its_own(database: FreshDatabase):
    database.connect().execute("create table public.thing (id bigint primary key)")
    alice = database.connect(database.role("alice"))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        alice.execute("select id from public.thing")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        alice.execute("create schema alice")


def test_role_attributes_are_given(database: FreshDatabase):
    name = database.role("dump", "bypassrls")
    row = database.connect().execute("select rolbypassrls from pg_catalog.pg_roles where rolname = %s", [name])
    assert row.fetchone() == (True,)


def test_two_databases_share_nothing(databases: Callable[..., FreshDatabase]):
    first, second = databases(), databases()
    assert first.name != second.name
    assert not first.prefix.startswith(second.prefix)
    assert not second.prefix.startswith(first.prefix)
    first.connect().execute("create table public.thing (id bigint primary key)")
    assert second.connect().execute("select pg_catalog.to_regclass('public.thing')").fetchone() == (None,)


def test_drop_leaves_no_database_and_no_role(server: str, admin: psycopg.Connection, unique_prefix: Callable[[], str]):
    prefix = unique_prefix()
    database = FreshDatabase(server, prefix, "template0")
    database.create()
    owner = database.connect()
    # What an install leaves: roles that granted each other memberships, own objects and hold grants.
    owner.execute(
        f"create role {prefix}_viewer; create role {prefix}_lookup;"
        f"grant {prefix}_viewer to {database.role('app')};"
        f"grant {prefix}_lookup to {database.owner};"
        f"create schema {prefix}_lookup; alter schema {prefix}_lookup owner to {prefix}_lookup;"
        f"create table public.thing (id bigint); grant select on public.thing to {prefix}_viewer;"
    )
    database.drop()
    for catalog, column in (("pg_database", "datname"), ("pg_roles", "rolname")):
        left = admin.execute(f"select {column} from pg_catalog.{catalog} where starts_with({column}, %s)", [prefix])
        assert left.fetchall() == []


def test_chinook_is_whole_and_owned_by_the_owner(chinook: FreshDatabase):
    connection = chinook.connect()
    assert connection.execute("select count(*) from public.customer").fetchone() == (59,)
    assert connection.execute("select count(*) from public.employee").fetchone() == (8,)
    assert _owners(connection) == [(chinook.owner,)]


def test_pagila_is_whole_and_owned_by_the_owner(pagila: FreshDatabase):
    connection = pagila.connect()
    assert connection.execute("select count(*) from public.customer").fetchone() == (599,)
    assert _owners(connection) == [(pagila.owner,)]


def test_clones_do_not_share_their_rows(databases: Callable[..., FreshDatabase], chinook_template: FreshDatabase):
    first, second = databases(chinook_template.name), databases(chinook_template.name)
    first.adopt(chinook_template.owner)
    first.connect().execute("delete from public.invoice_line")
    assert second.connect_admin().execute("select count(*) > 0 from public.invoice_line").fetchone() == (True,)


def test_two_dumps_of_the_same_database_are_equal(chinook: FreshDatabase, pg_dump: Callable[..., str]):
    dump = pg_dump(chinook)
    assert "CREATE TABLE public.customer" in dump
    assert pg_dump(chinook) == dump


def _owners(connection: psycopg.Connection) -> list[tuple[str]]:
    return connection.execute(
        "select distinct pg_catalog.pg_get_userbyid(relowner) from pg_catalog.pg_class"
        " where relnamespace = 'public'::regnamespace"
    ).fetchall()
