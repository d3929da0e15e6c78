"""Types of the session's own temporary schema are found before PostgreSQL's, unless a function says otherwise.

Whoever may make temporary objects could otherwise put a domain in the place of `text`, whose check runs as whoever owns the
function that declares a variable of it: as the keeper of the signing keys, for one.
"""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from tests.judges.conftest import Ward

TYPES = ("text", "bytea", "jsonb", "json", "name", "date", "uuid", "timestamptz", "int4", "int8", "bool", "oid")

# What an application's login may call, with what a statement on a governed table calls for it.
STATEMENTS = (
    "select {P}.become('a.b.c')",
    "select {P}.current_viewer()",
    "select {P}.has_authority('super admin')",
    "select {P}.add_to_night(4)",
    "select {P}.remove_from_night(4)",
    "select {P}.hand_over_patient_doctor_id(1, 2)",
    "select count(*) from ward.patient",
    "select count(*) from {P}.chart",
    "insert into ward.visit values (99, '2026-02-02', 1)",
    "insert into ward.chart (id, patient_id, author_id, state) values (99, 9, 1, 'draft')",
    "update ward.person set phone = '?'",
    "delete from ward.chart",
)


@pytest.fixture
def hostile(ward: Ward) -> psycopg.Connection:
    """The application's login, who shadows the types he can."""
    connection = ward.database.connect(ward.roles["web"])
    for name in TYPES:
        one = sql.Identifier(name)
        connection.execute(
            sql.SQL(
                "create function pg_temp.{tell}(pg_catalog.{one}) returns boolean language plpgsql as"
                " 'begin raise notice ''ran as %'', current_user; return true; end'"
            ).format(tell=sql.Identifier(f"tell_{name}"), one=one)
        )
        connection.execute(
            sql.SQL("create domain pg_temp.{one} as pg_catalog.{one} check (pg_temp.{tell}(value))").format(
                one=one, tell=sql.Identifier(f"tell_{name}")
            )
        )
    return connection


def test_no_function_takes_a_type_of_the_session_for_one_of_postgresql(hostile: psycopg.Connection, ward: Ward):
    told: list[str] = []
    hostile.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    hostile.execute("select cast('x' as text)")
    assert told == [f"ran as {ward.roles['web']}"], "the shadow does not work, so nothing is proven"
    told.clear()
    for statement in STATEMENTS:
        with hostile.transaction(force_rollback=True):
            ward.become(hostile, "1")
            hostile.execute(ward.fill(statement).encode())
    assert [one for one in told if one.startswith("ran as")] == []


def test_every_function_of_pgerase_that_resolves_names_when_it_runs_looks_there_last(ward: Ward):
    with ward.database.connect_admin() as admin:
        found = admin.execute(
            """
            select p.oid::regprocedure::text, p.proconfig
            from pg_catalog.pg_proc as p
                join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
                join pg_catalog.pg_language as l on l.oid = p.prolang
            where starts_with(n.nspname, %s) and p.prosqlbody is null and p.proowner <> 10
            """,
            [ward.prefix],
        ).fetchall()
    assert len(found) > 25
    assert {name: path for name, path in found if "search_path=pg_catalog, pg_temp" not in path} == {}
