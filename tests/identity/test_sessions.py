"""What a session keeps from one viewer to the next: never who he was. For every way of saying who he is."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from tests.identity.conftest import Notes, own

# Who is looked as, one after the other: people, and nobody in between. 1 is the manager of 2 and 3, 5 is inactive.
TURNS = [2, 3, None, 2, 5, 7, None, 1, 3]
EXPECTED = {1: own(1) | own(2) | own(3), 5: set(), None: set()}


def expected(number: int | None) -> set[int]:
    return EXPECTED[number] if number in EXPECTED else own(number or 0)


@pytest.fixture
def connection(notes: Notes) -> psycopg.Connection:
    return notes.connect()


@pytest.mark.parametrize("plans", ["force_generic_plan", "force_custom_plan", "auto"])
def test_a_prepared_statement_never_keeps_an_old_identity(notes, connection, plans):
    connection.execute(sql.SQL("set plan_cache_mode = {}").format(sql.SQL(plans)))
    connection.execute("prepare seen (int) as select id from notes.note where id > $1")
    for _ in range(2):
        for number in TURNS:
            with notes.viewer(connection, number):
                assert {row[0] for row in connection.execute("execute seen(0)")} == expected(number)
                bound = connection.execute("select id from notes.note where id > %s", [0], prepare=True)
                assert {row[0] for row in bound} == expected(number)
    with connection.transaction():  # and within one transaction
        for number in TURNS:
            if number is None:
                connection.execute(notes.sql("select P.forget()"))
            else:
                notes.present(connection, number)
            assert {row[0] for row in connection.execute("execute seen(0)")} == expected(number)
    assert {row[0] for row in connection.execute("execute seen(0)")} == set()


FUNCTIONS = """
    create or replace function notes.seen() returns setof int language plpgsql as $$
    declare v_id int;
    begin
        for v_id in select n.id from notes.note n loop
            return next v_id;
        end loop;
    end $$;
    create or replace function notes.seen_stable() returns bigint[] language plpgsql stable as
        $$ begin return (select array_agg(n.id) from notes.note n); end $$;
    create or replace function notes.seen_sql() returns setof int language sql stable begin atomic select n.id from notes.note n; end;
    create or replace function notes.seen_dynamic() returns setof int language plpgsql as
        $$ begin return query execute 'select n.id from notes.note n'; end $$;
"""


@pytest.mark.parametrize(
    "call",
    [
        "select notes.seen()",
        "select unnest(notes.seen_stable())",
        "select notes.seen_sql()",
        "select notes.seen_dynamic()",
    ],
)
def test_a_function_with_a_cached_plan_never_keeps_an_old_identity(notes, connection, call):
    with notes.database.connect() as owner:
        owner.execute(FUNCTIONS.encode())
    for _ in range(3):  # until plans are generic
        for number in TURNS:
            with notes.viewer(connection, number):
                assert {row[0] for row in connection.execute(call.encode())} == expected(number)
    with connection.transaction():
        for number in (number for number in TURNS if number is not None):
            notes.present(connection, number)
            assert {row[0] for row in connection.execute(call.encode())} == expected(number)


@pytest.mark.parametrize("inner", [3, 5, None])
def test_rolling_back_to_a_savepoint_gives_the_identity_of_then_back(notes, connection, inner):
    with notes.viewer(connection, 2):
        connection.execute("savepoint s")
        for _ in range(2):
            if inner is None:
                connection.execute(notes.sql("select P.forget()"))
            else:
                notes.present(connection, inner)
            assert notes.seen(connection) == expected(inner)
            connection.execute("rollback to savepoint s")
            assert notes.seen(connection) == own(2)
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("select 1 / 0")
        connection.execute("rollback to savepoint s")
        assert notes.seen(connection) == own(2)
        # Released, what is new stays.
        notes.present(connection, 7)
        connection.execute("release savepoint s")
        assert notes.seen(connection) == own(7)
    assert notes.seen(connection) == set()


def test_an_identity_said_in_a_savepoint_that_is_rolled_back_was_never_said(notes, connection):
    with connection.transaction():
        with connection.transaction(force_rollback=True):
            notes.present(connection, 2)
            assert notes.seen(connection) == own(2)
        assert notes.seen(connection) == set()


@pytest.mark.parametrize("ending", ["commit", "rollback", "prepare and fail"])
def test_nothing_is_left_when_a_transaction_ends(notes, connection, ending):
    for number in (2, 3):
        connection.execute("begin")
        notes.present(connection, number)
        assert notes.seen(connection) == own(number)
        if ending == "prepare and fail":
            with pytest.raises(psycopg.errors.UndefinedTable):
                connection.execute("select from nothing_of_this_name")
            connection.execute("rollback")
        else:
            connection.execute(ending.encode())
        assert notes.seen(connection) == set()
        with connection.transaction():
            assert notes.seen(connection) == set()


# -- cursors: they belong to nobody (docs/identity.md, Cursors) --------------------------------------------------------------


def fetched(connection: psycopg.Connection, count: str = "all") -> set[int]:
    return {row[0] for row in connection.execute(f"fetch {count} from c".encode())}


def test_a_cursor_shows_the_rows_of_whoever_is_current_when_it_is_fetched_from(notes, connection):
    with notes.viewer(connection, 2):
        connection.execute("declare c cursor for select id from notes.note")
        notes.present(connection, 3)
        assert fetched(connection) == own(3)
        connection.execute("close c")
        connection.execute("declare c cursor for select id from notes.note")
        connection.execute(notes.sql("select P.forget()"))
        assert fetched(connection) == set()


def test_a_cursor_ends_with_its_transaction(notes, connection):
    with notes.viewer(connection, 2):
        connection.execute("declare c cursor for select id from notes.note")
        assert len(fetched(connection, "3")) == 3
    with pytest.raises(psycopg.errors.InvalidCursorName), notes.viewer(connection, 3):
        fetched(connection)


def test_a_cursor_that_is_rolled_back_is_gone(notes, connection):
    with notes.viewer(connection, 2):
        with connection.transaction(force_rollback=True):
            notes.present(connection, 3)
            connection.execute("declare c cursor for select id from notes.note")
            assert len(fetched(connection, "3")) == 3
        with pytest.raises(psycopg.errors.InvalidCursorName), connection.transaction():
            fetched(connection)
        assert notes.seen(connection) == own(2)


def test_a_cursor_with_hold_keeps_the_rows_of_whoever_was_current_at_the_end(notes, connection):
    """Why to close it: the one thing that outlives a transaction. Pools that reset sessions close it."""
    with notes.viewer(connection, 2):
        connection.execute("declare c cursor with hold for select id from notes.note")
        notes.present(connection, 3)
    assert fetched(connection) == own(3)
    connection.execute("close all")
    with pytest.raises(psycopg.errors.InvalidCursorName):
        fetched(connection)


def test_a_server_side_cursor_of_the_driver_is_for_the_viewer_of_its_transaction(notes, connection):
    for number in (2, 3):
        with notes.viewer(connection, number), connection.cursor(name="c") as cursor:
            cursor.execute("select id from notes.note")
            assert {row[0] for row in cursor} == own(number)
