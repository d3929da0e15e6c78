"""Who writes may not choose what is written down of it, nor read or change it, nor run code with the keeper's rights (issue 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

import psycopg
import pytest

from pgerase import as_viewer
from tests.capture.conftest import Clinic, deployed
from tests.fix_database import FreshDatabase

EVIL = "begin raise exception 'ran as %%', current_user; end"
AS_KEEPER = (
    "begin if current_user like '%%keeper' then raise exception 'ran as %%', current_user; end if; return null; end"
)


@pytest.fixture(scope="module")
def attacked(
    server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Clinic]:
    """A clinic whose owner brought casts, operators and checks for the types of captured columns before it was applied."""
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        made = deployed(database, tmp_path_factory.mktemp("attacked"))
        made.owner.execute(
            f"""
            create function app.as_json(app.urgency) returns json language plpgsql as $$ {EVIL} $$;
            create function app.as_text(app.urgency) returns text language plpgsql as $$ {EVIL} $$;
            create function app.same(app.urgency, app.urgency) returns boolean language plpgsql as $$ {EVIL} $$;
            create function app.place_json(app.place) returns json language plpgsql as $$ {EVIL} $$;
            create function app.place_text(app.place) returns text language plpgsql as $$ {EVIL} $$;
            create cast (app.urgency as json) with function app.as_json (app.urgency) as implicit;
            create cast (app.urgency as text) with function app.as_text (app.urgency) as implicit;
            create cast (app.place as json) with function app.place_json (app.place) as implicit;
            create cast (app.place as text) with function app.place_text (app.place) as implicit;
            create operator app.= (leftarg = app.urgency, rightarg = app.urgency, function = app.same);
            create function app.fine(integer) returns boolean language plpgsql as $$
            begin
                if current_user like '%%keeper' then raise exception 'ran as %%', current_user; end if;
                return true;
            end $$;
            alter domain app.score add check (app.fine(value));
            """.replace("%%", "%").encode()
        )
        yield made
    finally:
        database.drop()


def refused(connection: psycopg.Connection, statement: str) -> str:
    """The SQLSTATE with which a statement is refused."""
    with pytest.raises(psycopg.Error) as error:
        connection.execute(statement.encode())
    assert "ran as" not in str(error.value)
    return error.value.sqlstate or ""


def test_forged_actor_is_nobody(attacked: Clinic) -> None:
    """Identity token: who sets the setting, replays a stamp or signs with another key is not the actor."""
    connection, p = attacked.connect(), attacked.prefix
    connection.execute("begin")
    for value in ("1", "1@' || extract(epoch from now()) || '", "x:y:' || extract(epoch from now()) || ':1"):
        connection.execute(f"select set_config('{p}.viewer', '{value}', true)".encode())
        connection.execute(
            "insert into app.counter (counter_id, count) select coalesce(max(counter_id), 0) + 1, 0 from app.counter"
        )
    connection.execute("commit")
    with as_viewer(connection, token=attacked.sign(2)[:-4] + "AAAA", prefix=p):
        connection.execute("insert into app.counter values (100, 0)")
    assert [(one["actor"], one["login"]) for one in attacked.entries("relation = 'app.counter'")] == [
        (None, attacked.web)
    ] * 4


def test_another_s_log_is_read_and_altered_by_nobody(attacked: Clinic) -> None:
    """The login of the application, the viewers' role, and the owner who installed: he reads, and writes no more than others."""
    p = attacked.prefix
    with attacked.connect() as connection:
        for relation in ("entry", "value", "leaf", "entry_1", "entry_1_tail", "value_1_tail", "class", "record"):
            for statement in (
                f"select from {p}_log.{relation}",
                f"insert into {p}_log.{relation} default values",
                f"update {p}_log.{relation} set class = 'x'" if relation != "record" else f"delete from {p}_log.record",
                f"delete from {p}_log.{relation}",
                f"truncate {p}_log.{relation}",
            ):
                assert refused(connection, statement) == "42501"
    owner = attacked.database.connect()
    assert owner.execute(f"select count(*) >= 0 from {p}_log.entry".encode()).fetchone() == (True,)
    for statement in (
        f"insert into {p}_log.entry (class, at, relation, action, login) values ('default', now(), 'x', 'insert', 'me')",
        f"update {p}_log.entry set actor = '7'",
        f"delete from {p}_log.entry_1_tail",
        f"truncate {p}_log.entry_1_tail",
        f"alter table {p}_log.entry_1 detach partition {p}_log.entry_1_tail",
        f"drop table {p}_log.entry",
        f"set role {p}_keeper",
    ):
        assert refused(owner, statement) in {"42501", "0A000"}


def test_entries_are_forged_through_no_function(attacked: Clinic) -> None:
    """Functions that write the log are called by nobody, nor put on a table of one's own."""
    p = attacked.prefix
    for connection in (attacked.connect(), attacked.database.connect()):
        assert refused(connection, f"select {p}_log.capture_insert_app_counter()") == "42501"
        assert refused(connection, f"select {p}_log.add_record('drop', '{{}}')") == "42501"
        written = f"select {p}_log.write_entry('default', 'x', 'y', '1', null, null, null, null, null)"
        assert refused(connection, written) == "42501"
        connection.execute("create temp table app_counter (counter_id integer, count bigint)")
        trigger = (
            "create trigger forged after insert on app_counter referencing new table as new_rows "
            f"for each statement execute function {p}_log.capture_insert_app_counter()"
        )
        assert refused(connection, trigger) == "42501"


def test_casts_operators_and_checks_of_the_owner_s_types_do_not_run(attacked: Clinic) -> None:
    """They would run with the keeper's rights; each of them raises an error if it does."""
    key = "00000000-0000-0000-0000-00000000000a"
    found = attacked.run(
        f"insert into app.form (form_id, urgency, place, score, best, urgencies) "
        f"values ('{key}', 'low', row('Main St', 1), 1, 2, array['low'::app.urgency])",
        "update app.form set urgency = 'high', place = row('Side St', 2), score = 3, urgencies = '{}'",
        "delete from app.form",
    )
    assert found[1]["new"] == {"urgency": "high", "place": '("Side St",2)', "score": 3, "urgencies": "{}"}


@pytest.mark.parametrize(
    ("table", "key", "column"),
    [("app.counter", "counter_id", "count"), ("app.form", "form_id", "score")],
    ids=["plain", "domain"],
)
def test_a_type_that_comes_after_the_last_apply_is_refused_before_its_cast_runs(
    attacked: Clinic, table: str, key: str, column: str
) -> None:
    connection = attacked.database.connect()
    keys = {"app.counter": ("200", "201"), "app.form": (f"'{UUID(int=200)}'", f"'{UUID(int=201)}'")}[table]
    connection.execute(f"insert into {table} ({key}, {column}) values ({keys[0]}, 1)".encode())
    connection.execute("begin; create type app.mood as enum ('1', '2')")
    for kind in ("json", "text"):
        connection.execute(
            f"create function app.mood_{kind}(app.mood) returns {kind} language plpgsql as "
            f"$$ {EVIL.replace('%%', '%')} $$".encode()
        )
        connection.execute(
            f"create cast (app.mood as {kind}) with function app.mood_{kind} (app.mood) as implicit".encode()
        )
    connection.execute(f"alter table {table} alter {column} type app.mood using '1'".encode())
    for statement in (
        f"insert into {table} ({key}, {column}) values ({keys[1]}, '2')",
        f"update {table} set {column} = '2' where {key} = {keys[0]}",
        f"delete from {table} where {key} = {keys[0]}",
    ):
        connection.execute("savepoint before")
        assert refused(connection, statement) == "ZE202"
        connection.execute("rollback to before")
    connection.execute("rollback")
    connection.execute(f"delete from {table} where {key} = {keys[0]}".encode())


@pytest.mark.parametrize(
    ("table", "refusal"),
    # The foreign key asks first, as the table's owner.
    [("app.loan", "ZE202"), ("app.visit", "23503"), ("app.alike", "ZE202")],
)
def test_a_cast_that_the_planner_evaluates_does_not_run_though_there_is_no_row(
    attacked: Clinic, table: str, refusal: str
) -> None:
    """A cast in SQL is inlined, and what it calls evaluated, while a statement is planned: before any look at types."""
    column = {"app.loan": "reader_id"}.get(table, "patient_id")
    connection = attacked.database.connect()
    connection.execute("begin")
    guards = connection.execute(
        "select tgname from pg_trigger where tgrelid = %s::regclass and not tgisinternal and tgname !~ '_capture_'",
        [table],
    ).fetchall()
    assert guards
    for (guard,) in guards:
        connection.execute(f'drop trigger "{guard}" on {table}'.encode())
    connection.execute(
        f"""
        create type app.mood as enum ('1', '2');
        create function app.folded(text) returns text language plpgsql immutable as $$ {AS_KEEPER} $$;
        create function app.folded_number(text) returns bigint language plpgsql immutable as $$ {AS_KEEPER} $$;
        create function app.mood_text(app.mood) returns text language sql immutable as $$ select app.folded('k') $$;
        create function app.mood_number(app.mood) returns bigint language sql immutable
            as $$ select app.folded_number('k') $$;
        create cast (app.mood as text) with function app.mood_text (app.mood) as implicit;
        create cast (app.mood as bigint) with function app.mood_number (app.mood) as implicit;
        alter table {table} alter {column} type app.mood using null;
        """.replace("%%", "%").encode()
    )
    for statement in (
        f"insert into {table} select * from {table} where false",
        f"update {table} set {column} = '2' where false",
        f"delete from {table} where false",
    ):
        connection.execute(statement.encode())
    columns, row = {
        "app.loan": ('"from", number, reader_id', "'x', 1, '1'"),
        "app.visit": ("visit_id, day, patient_id", "1, '2025-03-01', '1'"),
        "app.alike": ("alike_id, patient_id", "1, '1'"),
    }[table]
    assert refused(connection, f"insert into {table} ({columns}) values ({row})") == refusal
    connection.execute("rollback")


def test_whoever_owns_the_people_s_table_runs_nothing_as_the_eraser(attacked: Clinic) -> None:
    """A key that becomes a type of his own brings casts along; capture asks profiles, guards and erasing ask the table."""
    with attacked.database.connect_admin() as connection:
        connection.execute("begin")
        connection.execute("insert into app.patient (patient_id) values (300)")
        for (guard,) in connection.execute(
            "select tgname from pg_trigger where tgrelid = 'app.patient'::regclass and not tgisinternal"
        ).fetchall():
            connection.execute(f'drop trigger "{guard}" on app.patient'.encode())
        for (policy,) in connection.execute(
            "select polname from pg_policy where polrelid = 'app.patient'::regclass and pg_get_expr(polqual, polrelid) <> 'true'"
        ).fetchall():
            connection.execute(f'drop policy "{policy}" on app.patient'.encode())
        # A pack without support access has no such view.
        connection.execute(f"drop view {attacked.prefix}_lookup.fact_app_patient cascade".encode())
        connection.execute(
            "alter table app.patient drop constraint patient_pkey cascade; create type app.mood as enum ('1')"
        )
        for kind in ("bigint", "text"):
            connection.execute(
                f"create function app.mood_{kind}(app.mood) returns {kind} language plpgsql as "
                f"$$ {EVIL.replace('%%', '%')} $$".encode()
            )
            connection.execute(
                f"create cast (app.mood as {kind}) with function app.mood_{kind} (app.mood) as implicit".encode()
            )
        connection.execute("alter table app.patient alter patient_id type app.mood using '1'")
        eraser = f"{attacked.prefix}_eraser"
        for statement in (
            f"select from {eraser}.profile_patient(array['1'])",
            f"select from {eraser}.status_patient(array['1'])",
            f"select from {eraser}.count_patient(array['1'], array['token'], array[false])",
            f"select from {eraser}.erase_patient(array['1'], array['token'], array[false])",
            "insert into app.visit (visit_id, day, patient_id) values (300, '2025-03-01', 1)",
        ):
            connection.execute("savepoint before")
            assert refused(connection, statement) == "ZE103"
            connection.execute("rollback to before")
        connection.execute("rollback")


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("interval", "1 mon", "30 days"),
        ("box", "(0,0),(1,2)", "(50,50),(52,51)"),
        ("numeric", "1.0", "1.00"),
        ("character(5)", "a", "b"),
    ],
)
def test_a_type_of_the_server_s_that_comes_later_hides_no_change(
    attacked: Clinic, kind: str, first: str, second: str
) -> None:
    connection = attacked.database.connect()
    connection.execute(f"begin; alter table app.base alter note type {kind} using '{first}'".encode())
    connection.execute("insert into app.base (id) values (900)")
    connection.execute("update app.base set note = %s where id = 900", [first])
    count = f"select count(*) from {attacked.prefix}_log.entry where action = 'update'".encode()
    before = connection.execute(count).fetchone()
    assert before is not None
    connection.execute("update app.base set note = %s where id = 900", [second])
    assert connection.execute(count).fetchone() == (before[0] + 1,)
    connection.execute("rollback")


def test_temporary_names_shadow_nothing(attacked: Clinic) -> None:
    connection = attacked.connect()
    connection.execute(
        """
        create temp table new_rows (counter_id integer, count bigint);
        create temp table old_rows (counter_id integer, count bigint);
        create temp table changed (entry_id bigint);
        create temp table entry (class text);
        create type pg_temp.text as (x integer);
        create type pg_temp.jsonb as (x integer);
        create function pg_temp.to_jsonb(anyelement) returns pg_catalog.jsonb language sql as $$ select null::pg_catalog.jsonb $$;
        create function pg_temp.clock_timestamp() returns timestamptz language sql as $$ select '-infinity'::timestamptz $$;
        set search_path = pg_temp, pg_catalog, app
        """
    )
    connection.execute("insert into app.counter values (300, 1)")
    connection.execute("update app.counter set count = 5 where counter_id = 300")
    found = attacked.entries("key ->> 'counter_id' = '300'")
    assert [(one["action"], one["new"]) for one in found] == [
        ("insert", {"counter_id": 300, "count": 1}),
        ("update", {"count": 5}),
    ]


def test_who_is_bound_by_row_security_writes_and_is_written_down(attacked: Clinic) -> None:
    """The viewer may see his ward alone; the entry comes all the same, with what he changed and nothing else."""
    connection = attacked.connect()
    attacked.admin.execute(
        "insert into app.patient (patient_id, name, ward) values (41, 'Ann', 'east'), (42, 'Bob', 'west')"
    )
    with as_viewer(connection, token=attacked.sign(2), prefix=attacked.prefix):
        connection.execute("insert into app.patient (patient_id, name, ward) values (43, 'Cy', 'west')")
        assert connection.execute("update app.patient set weight = 60").rowcount == 2
    found = attacked.entries("relation = 'app.patient' and actor = '2'")
    assert [(one["action"], one["key"]) for one in found] == [
        ("insert", {"patient_id": 43}),
        ("update", {"patient_id": 42}),
        ("update", {"patient_id": 43}),
    ]


def test_capture_is_switched_off_by_no_setting_of_the_session(attacked: Clinic) -> None:
    connection = attacked.connect()
    assert refused(connection, "set session_replication_role = 'replica'") == "42501"
    assert refused(connection, "alter table app.counter disable trigger all") == "42501"
    connection.execute(
        "set row_security = off; set check_function_bodies = off; set enable_hashjoin = off; set enable_mergejoin = off"
    )
    connection.execute("insert into app.counter values (400, 1)")
    connection.execute("update app.counter set count = 2 where counter_id = 400")
    assert len(attacked.entries("key ->> 'counter_id' = '400'")) == 2
