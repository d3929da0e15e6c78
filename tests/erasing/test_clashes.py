"""Which rows go where several unique indexes, several people, fillers and other rows meet, and which do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pgerase.database import Database
from pgerase.operate import Register, dry_run, erase, open_request
from tests.erasing.small import PEOPLE, STAYS, SUBJECT, Erasing
from tests.fix_database import FreshDatabase

SEATS = (
    PEOPLE
    + "create table s.seat (seat_id int primary key, owner_id bigint, room text, slot int, guest bigint, closed boolean default false);"
)
HANDED_OVER = SUBJECT + STAYS + "  s.seat: {links: {owner_id: {person: key, rows: {reassign: [manager, unlink]}}}}\n"
BY_ROOM = "create unique index by_room on s.seat (owner_id, room);"


def test_what_goes_by_one_index_takes_nobody_along_by_another(erasing):
    """Seat 1 goes, since the manager has an east; so it does not keep seat 2 from coming to slot 1."""
    made = erasing(
        SEATS
        + BY_ROOM
        + "create unique index on s.seat (owner_id, slot);"
        + "insert into s.seat values (1, 1, 'east', 1), (2, 2, 'west', 1), (4, 3, 'east', 9);",
        HANDED_OVER,
    )
    made.erase("1", "2")
    assert made.rows("select seat_id, owner_id from s.seat order by 1") == [(2, 3), (4, 3)]


def test_of_several_the_first_person_has_the_place_as_if_erased_alone(erasing):
    """A batch that failed is halved: the counts of the dry run have to hold all the same."""
    made = erasing(
        SEATS + BY_ROOM + "insert into s.seat values (1, 2, 'west', 1), (2, 1, 'west', 2), (3, 1, 'west ', 3);",
        HANDED_OVER,
    )
    together = made.count("1", "2")
    assert made.run("1") | made.run("2") == together
    assert together == {("1", "s.seat", "reassign"): 2, ("2", "s.seat", "delete"): 1}
    assert made.rows("select seat_id from s.seat order by 1") == [(2,), (3,)]


def test_a_place_that_is_left_by_a_change_is_taken(erasing):
    """The server looks at each row as it is changed: the manager's east is marked only after Ann's would have come."""
    made = erasing(
        SEATS
        + "create unique index on s.seat (owner_id, room) where not closed;"
        + "insert into s.seat values (1, 1, 'east', 1, null), (2, 3, 'east', 2, 1);",
        SUBJECT
        + STAYS
        + "  s.seat:\n    links:\n      owner_id: {person: key, rows: {reassign: [manager, unlink]}}\n"
        + "      guest: {person: key, rows: [{do: keep, mark: {closed: true}}]}\n",
    )
    made.erase("1")
    assert made.rows("select seat_id, closed from s.seat") == [(2, True)]


@pytest.mark.parametrize("verb", ["keep", "{reassign: [manager, unlink]}"])
def test_nobody_loses_a_row_for_a_filler(erasing, verb):
    """Neither where rows stay nor where they are handed over, and the dry run says so."""
    made = erasing(
        SEATS + BY_ROOM + "insert into s.seat values (1, 1, 'east', 1), (2, 1, 'west', 2);",
        SUBJECT
        + STAYS
        + f"  s.seat:\n    links: {{owner_id: {{person: key, rows: [{{when: {{slot: 9}}, do: {{reassign: [manager, unlink]}}}}, {{do: {verb}}}]}}}}\n"
        + '    columns: {room: {kind: place, purpose: x, erase: {fill: "was {token}"}}}\n',
    )
    assert made.count("1")[("1", "s.seat", "violates by_room")] == 2
    with pytest.raises(psycopg.errors.UniqueViolation):
        made.run("1")
    assert made.rows("select count(*) from s.seat") == [(2,)]


def test_nobody_loses_a_row_for_what_goes_elsewhere(erasing):
    """Bob's first seat comes to home 0 as Ann's home goes, where he has another: it is no one's to delete."""
    made = erasing(
        PEOPLE
        + "create table s.home (home_id int primary key, tenant bigint); insert into s.home values (0, null), (1, 1);"
        + "create table s.seat (seat_id int primary key, owner_id bigint, home_id int default 0 references s.home on delete set default,"
        + " constraint one_each unique (owner_id, home_id)); insert into s.seat values (1, 2, 1), (2, 2, 0);",
        HANDED_OVER + "  s.home: {links: {tenant: {person: key, rows: delete}}}\n",
    )
    assert made.count("1") == {
        ("1", "s.home", "delete"): 1,
        ("1", "s.seat", "unlink"): 1,
        ("1", "s.seat", "violates one_each"): 1,
    }
    with pytest.raises(psycopg.errors.UniqueViolation):
        made.run("1")


def test_an_index_over_whole_rows_is_left_to_the_database(erasing):
    made = erasing(
        SEATS
        + "create function s.place(s.seat) returns text immutable language sql as 'select $1.room';"
        + "create unique index on s.seat (s.place(seat)); insert into s.seat values (1, 1, 'east'), (2, 3, 'west');",
        HANDED_OVER,
    )
    made.erase("1")
    assert made.rows("select distinct owner_id from s.seat") == [(3,)]


@pytest.fixture
def extended(databases: Callable[..., FreshDatabase], tmp_path: Path) -> Callable[[str, str], Erasing]:
    """Makes a small database with extensions in a schema that no path names."""

    def make(schema: str, data_map: str) -> Erasing:
        database = databases()
        admin = database.connect_admin()
        admin.execute("create schema ext; grant usage on schema ext to public")
        admin.execute("create extension citext schema ext; create extension hstore schema ext")
        return Erasing(database, tmp_path, schema, data_map)

    return make


def test_values_meet_as_their_type_compares_them(extended):
    made = extended(
        PEOPLE
        + "create table s.seat (seat_id int primary key, owner_id bigint, room ext.citext, unique (owner_id, room));"
        + "insert into s.seat values (1, 1, 'East'), (2, 3, 'east'), (3, 1, 'West'), (4, 2, 'west');",
        HANDED_OVER,
    )
    made.erase("1", "2")
    assert made.rows("select seat_id from s.seat order by 1") == [(2,), (3,)]


@pytest.mark.parametrize("type_", ["ext.hstore", "ext.citext", "ext.hstore[]", "jsonpath", "refcursor", "s.pair"])
def test_values_without_an_equality_in_reach_are_cleared(extended, type_):
    """Those kept are compared by the guard of erased people, who may be changed otherwise."""
    made = extended(
        "create schema s; create type s.pair as (one json, two int);"
        f"create table s.person (person_id bigint primary key, one {type_}, two {type_}, boss_id bigint);"
        "insert into s.person values (1), (2);",
        SUBJECT
        + "  s.person:\n    subject: person\n    rows: keep\n    columns:\n"
        + "      one: {kind: x, purpose: x, erase: clear}\n      two: {kind: x, purpose: x, erase: clear}\n",
    )
    value = {"s.pair": "'({},1)'", "jsonpath": "'$.a'"}.get(type_, "'{}'" if "[]" in type_ else "'a=>1'")
    made.admin.execute(f"update s.person set one = {value}, two = {value} where person_id = 1".encode())
    assert made.erase("1") == {("1", "s.person", "change"): 1}
    assert made.rows("select count(*) from s.person where one is null and two is null") == [(2,)]


def test_a_generated_column_is_seen_as_it_would_be(erasing):
    """In checks and in unique indexes: in the dry run, for the server makes it as it writes."""
    made = erasing(
        PEOPLE
        + "create table s.seat (seat_id int primary key, owner_id bigint, room text,"
        + " place text generated always as (owner_id::text || room) stored unique, twice bigint generated always as (owner_id * 2) stored,"
        + " constraint low check (twice < 6 or room <> 'low'));"
        + "insert into s.seat values (1, 1, 'east'), (2, 3, 'east'), (3, 1, 'low'), (4, 2, 'west');",
        HANDED_OVER,
    )
    assert made.count("1", "2") == {
        ("1", "s.seat", "reassign"): 2,
        ("1", "s.seat", "violates low"): 1,
        ("1", "s.seat", "violates seat_place_key"): 1,
        ("2", "s.seat", "reassign"): 1,
    }
    made.erase("2")
    assert made.rows("select place from s.seat where seat_id = 4") == [("3west",)]


@pytest.mark.parametrize(
    ("column", "rows"),
    [
        ("bigint generated always as (raw) stored", "{reassign: [manager, {key: 4}]}"),
        ("bigint generated always as identity", "{reassign: [manager, {key: 4}]}"),
        ("bigint generated always as (raw) stored", "[{do: keep, mark: {owner_id: 4}}]"),
    ],
)
def test_what_nobody_can_write_is_refused(erasing, column, rows):
    """Else everybody's erasure would fail."""
    with pytest.raises(AssertionError, match=r"s\.seat\.owner_id: erasing would write it, and it is generated"):
        erasing(
            PEOPLE + f"create table s.seat (seat_id int primary key, raw bigint, owner_id {column});",
            SUBJECT + STAYS + f"  s.seat: {{links: {{owner_id: {{person: key, rows: {rows}}}}}}}\n",
        )


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("rows", ["keep", "unlink", "{reassign: [manager, unlink]}", "delete"])
def test_people_with_a_row_in_common_are_erased_in_any_batches(erasing, rows, batch):
    """Sender and reader: what the first batch has cleared is kept by the next, and nobody fails for it."""
    made = erasing(
        PEOPLE
        + "create table s.letter (letter_id int primary key, sender bigint, reader bigint, body text);"
        + "insert into s.letter values (1, 1, 2, 'a'), (2, 2, 4, 'b'), (3, 4, 1, 'c'), (4, 1, 1, 'd'), (5, 3, 4, 'e'), (6, 3, 3, 'f');",
        SUBJECT
        + STAYS
        + f"  s.letter:\n    links: {{sender: {{person: key, rows: {rows}}}, reader: {{person: key, rows: keep}}}}\n"
        + "    columns: {body: {kind: message, purpose: x, of: any, erase: clear}}\n",
    )
    with Database.open(made.dsn) as database:
        register = Register(database, made.prefix)
        number = open_request(register, "person", ["1", "2", "4"]).number
        dry_run(register, number)
        assert erase(register, number, batch=batch).failures == ()
    assert made.rows("select letter_id from s.letter where body is not null") == [(6,)]
