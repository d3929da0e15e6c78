"""Whoever owns a table of the map, and is no superuser, runs nothing as the eraser by what he changes after the map was applied."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.erasing.small import Erasing
from tests.fix_database import FreshDatabase

SCHEMA = """
create schema s;
create type s.mood as enum ('active', 'inactive', 'erased');
create type s.place as (street text, number int);
create table s.person (person_id bigint primary key, name text, answers json, state s.mood, home s.place, boss_id bigint, unused text);
insert into s.person select n, 'P' || n, '{}', 'active', row('x', 1)::s.place, null, 'y' from generate_series(1, 9) as n;
create table s.post (
    post_id bigint primary key, writer bigint references s.person, body text, kind s.mood check (kind::text <> '!'), unused json
);
insert into s.post select n, n, 'hello', 'active' from generate_series(1, 9) as n;
"""
MAP = """
version: 1
unindexed: scan
subjects:
  person:
    table: s.person
    key: person_id
    lifecycle: {column: state, active: active, inactive: inactive, erased: erased}
tables:
  s.person:
    subject: person
    rows: keep
    of: self
    columns:
      name: {kind: name, purpose: x, erase: {fill: "gone {token:state}"}}
      answers: {kind: note, purpose: x, erase: clear}
      home: {kind: address, purpose: x, erase: clear}
  s.post:
    links: {writer: {person: key, rows: keep}}
    columns:
      body: {kind: note, purpose: x, erase: {fill: "gone {token:kind}"}}
      kind: {kind: note, purpose: x, erase: clear}
"""
RUNS = "begin if current_user like '%_eraser' then raise exception 'ran as the eraser'; end if; return {0}; end"
EVIL = f"""
create function s.holds() returns boolean language plpgsql immutable as $$ {RUNS.format("true")} $$;
create function s.spelt(s.mood) returns text language plpgsql immutable as $$ {RUNS.format("'x'")} $$;
create function s.numbered(s.mood) returns bigint language plpgsql immutable as $$ {RUNS.format("1")} $$;
create function s.touched() returns trigger language plpgsql as $$ {RUNS.format("new")} $$;
"""
CALLS = {
    "status": "select from {0}_eraser.status_person(array['1'])",
    "set state": "select {0}_eraser.set_state_person(array['1'], 'inactive')",
    "count": "select from {0}_eraser.count_person(array['1'], array['token'], array[false])",
    "erase": "select from {0}_eraser.erase_person(array['1'], array['token'], array[false])",
    "guard of links": "update s.post set writer = 5 where post_id = 4",
}
UNGUARDED = """do $$
declare v_name text;
begin
    for v_name in select tgname from pg_trigger where tgrelid = '{0}'::regclass and tgname ~ 'guard.*update' loop
        execute format('drop trigger %I on {0}', v_name);
    end loop;
end $$;"""
UNLINKED = "alter table s.post drop constraint post_writer_fkey; "
RETYPED = (
    "alter table s.person drop constraint person_pkey cascade; "
    + UNGUARDED.format("s.person")
    + "create cast (s.mood as bigint) with function s.numbered(s.mood) as implicit; "
    "alter table s.person alter person_id type s.mood using 'active'"
)
READING = {"status", "set state", "count", "erase", "guard of links"}
WRITING = {"set state", "count", "erase"}
THREATS = {
    "the predicate of an index": ("create index on s.person (name) where s.holds()", READING),
    "an expression of an index": ("create index on s.person ((s.holds()))", READING),
    "an index of a child": ("create table s.kid () inherits (s.person); create index on s.kid ((s.holds()))", READING),
    "an expression of statistics": ("create statistics s.odd on (s.holds()), name from s.person", READING),
    "a view under the table's name": (
        (
            "alter table s.person rename to people; create view s.person as select * from s.people where s.holds(); "
            "grant all on s.person to public"
        ),
        READING,
    ),
    "a key of a type that was known for another column": (RETYPED, READING),
    "a trigger": ("create trigger t before update on s.person for each row execute function s.touched()", WRITING),
    "a check": ("alter table s.person add check (s.holds())", WRITING),
    "a rule": ("create rule r as on update to s.person where s.holds() do instead nothing", WRITING),
    "a cast of a type there was": ("create cast (s.mood as text) with function s.spelt(s.mood)", WRITING),
}


@pytest.fixture
def made(database: FreshDatabase, tmp_path: Path) -> tuple[Erasing, psycopg.Connection]:
    """A database with the map applied, and its owner, who then made functions that raise an error where the eraser runs them."""
    made = Erasing(database, tmp_path, SCHEMA, MAP)
    owner = database.connect()
    owner.execute(EVIL.encode())
    return made, owner


@pytest.mark.parametrize("threat", THREATS)
def test_the_owner_of_the_people_s_table_runs_nothing_as_the_eraser_by(threat: str, made):
    erasing, owner = made
    change, refusing = THREATS[threat]
    owner.execute(change.encode())
    for name, call in CALLS.items():
        connection = owner if name.startswith("guard") else erasing.admin
        if name in refusing:
            assert sqlstate(connection, call.format(erasing.prefix)) == "ZE103", name
        else:
            assert sqlstate(connection, call.format(erasing.prefix)) is None, name


def test_whoever_owns_rows_with_links_runs_nothing_as_the_eraser_by_the_type_of_a_link(made):
    _, owner = made
    owner.execute(
        (
            UNLINKED + "create cast (s.mood as bigint) with function s.numbered(s.mood) as implicit; "
            "create table s.fake (post_id bigint, body text, writer s.mood)"
        ).encode()
    )
    # Neither is the guard put on a table of one's own, nor does the column get another type under it.
    guard = owner.execute(
        "select tgfoid::regprocedure::text from pg_trigger where tgrelid = 's.post'::regclass and tgname ~ 'guard.*insert'"
    ).fetchone()
    assert guard is not None
    trigger = f"create trigger g after insert on s.fake for each row execute function {guard[0]}"
    assert sqlstate(owner, trigger) == "42501"
    assert sqlstate(owner, "alter table s.post alter writer type s.mood using 'active'") == "0A000"


def test_a_new_key_of_the_owner_s_type_is_printed_by_nobody_s_cast(made):
    _, owner = made
    owner.execute(RETYPED.encode())
    owner.execute(b"create cast (s.mood as text) with function s.spelt(s.mood)")
    assert sqlstate(owner, "insert into s.person (person_id) values ('inactive')") == "ZE103"


@pytest.mark.parametrize("function", ["count", "erase"])
def test_a_json_column_that_becomes_the_owner_s_type_brings_no_cast_along(function: str, made):
    erasing, owner = made
    owner.execute(
        b"alter table s.person alter answers type s.mood using 'active'; "
        b"create cast (s.mood as text) with function s.spelt(s.mood)"
    )
    assert sqlstate(erasing.admin, CALLS[function].format(erasing.prefix)) == "ZE103"


def test_another_type_under_the_name_of_a_known_one_is_another(made):
    """A domain, say: a literal of it asks its checks."""
    erasing, owner = made
    owner.execute(
        (
            "alter type s.mood rename to old; create domain s.mood as s.old check (s.holds()); "
            + UNGUARDED.format("s.person")
            + "alter table s.person alter state type s.mood"
        ).encode()
    )
    for name, call in CALLS.items():
        assert sqlstate(owner if name.startswith("guard") else erasing.admin, call.format(erasing.prefix)) == "ZE103"


@pytest.mark.parametrize("name", ["status", "count", "guard of links"])
def test_a_change_that_is_committed_while_we_wait_for_the_table_is_seen(name: str, made, database: FreshDatabase):
    """The owner holds the table until types have been looked at: they are looked at when it is ours."""
    erasing, owner = made
    call = CALLS[name].format(erasing.prefix)
    erasing.admin.commit()
    with database.connect() as other, ThreadPoolExecutor(1) as pool:
        caller = other if name.startswith("guard") else erasing.admin
        # What a session has looked at before is looked at again.
        assert sqlstate(caller, call) is None
        owner.execute(UNLINKED.encode())
        owner.execute(f"begin; {RETYPED}".encode())
        waiting = pool.submit(sqlstate, caller, call)
        wait_for_lock(database)
        owner.execute("commit")
        assert waiting.result(timeout=30) == "ZE103"


def test_a_transaction_that_began_before_the_change_is_told_the_types_of_now(made, database: FreshDatabase):
    _, owner = made
    with database.connect() as older:
        older.execute("begin isolation level repeatable read; select 1")
        owner.execute(RETYPED.encode())
        assert sqlstate(older, CALLS["guard of links"]) == "ZE103"


def test_what_is_not_used_may_be_of_whatever_type(made):
    erasing, owner = made
    owner.execute(
        b"alter table s.person alter unused type s.mood using 'active', alter boss_id type s.mood using null; "
        b"alter table s.post alter unused type s.mood using null"
    )
    for name, call in CALLS.items():
        assert sqlstate(owner if name.startswith("guard") else erasing.admin, call.format(erasing.prefix)) is None, name


@pytest.mark.parametrize(
    ("function", "columns"),
    [
        ("status_person", {"s.person": ["person_id", "state"]}),
        ("set_state_person", {"s.person": ["person_id", "state"]}),
        (
            "count_person",
            {
                "s.person": ["answers", "home", "name", "person_id", "state"],
                "s.post": ["body", "kind", "post_id", "writer"],
            },
        ),
    ],
)
def test_each_function_looks_at_the_columns_that_it_uses(function: str, columns: dict[str, list[str]], made):
    """Asked of what runs: each look is written down by a function in the place of ours."""
    erasing, _ = made
    eraser = f"{erasing.prefix}_eraser"
    erasing.admin.execute("create temp table looked (relation text, name text); grant insert on looked to public")
    erasing.admin.execute(
        f"create or replace function {eraser}.assert_columns(p_table regclass, p_columns text[], p_known text[] default array[]::text[]) "
        "returns void language sql as $$ insert into pg_temp.looked select p_table::text, unnest(p_columns) $$".encode()
    )
    call = {"status_person": "status", "set_state_person": "set state", "count_person": "count"}[function]
    erasing.admin.execute(CALLS[call].format(erasing.prefix).encode())
    found = erasing.rows("select relation, array_agg(name order by name) from looked group by relation")
    assert dict(found) == columns


def sqlstate(connection: psycopg.Connection, statement: str) -> str | None:
    """How a statement fails, whose effects are taken back; None where it does not."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement.encode())
    except psycopg.Error as error:
        found = error
    else:
        return None
    assert "ran as" not in str(found), statement
    return found.sqlstate


def wait_for_lock(database: FreshDatabase) -> None:
    """Until somebody waits for a lock on the people's table."""
    with database.connect_admin() as admin:
        admin.autocommit = True
        admin.execute("set statement_timeout = '20s'")
        admin.execute(
            b"do $$ begin while not exists (select from pg_locks where relation = 's.person'::regclass and not granted) loop "
            b"perform pg_sleep(0.02), pg_stat_clear_snapshot(); end loop; end $$"
        )
