"""Where rows that are handed over, filled or gone meet others: unique indexes, circles of references, two links to one column."""

from __future__ import annotations

import psycopg
import pytest

from tests.erasing.small import GOES, PEOPLE, STAYS, SUBJECT

SEATS = """
create table s.seat (
    seat_id int primary key, owner_id bigint references s.person, room text, closed boolean default false
);
create table s.badge (badge_id int primary key, seat_id int references s.seat on delete cascade);
insert into s.seat values
    (1, 1, 'east'), (2, 1, 'west'), (3, 2, 'west'), (4, 3, 'east'), (5, 4, 'north'), (6, 1, null), (7, 2, null);
insert into s.badge values (1, 1), (2, 2), (3, 4);
"""
TAKEN_OVER = """
  s.seat: {links: {owner_id: {person: key, rows: {reassign: [manager, unlink]}}}}
  s.badge: {links: {seat_id.owner_id: {person: key, rows: keep}}}
"""
UNIQUE = [
    "create unique index on s.seat (owner_id, room)",
    "create unique index on s.seat (owner_id, lower(room))",
    "create unique index on s.seat (room) include (seat_id) where owner_id = 3 and not closed",
]


@pytest.mark.parametrize("index", UNIQUE)
def test_a_row_moved_to_where_another_is_goes_and_of_several_one_stays(erasing, index):
    """Ann's east goes, since her manager has one; of both wests the first stays; null is unlike null. What hangs on them goes along."""
    made = erasing(PEOPLE + SEATS + index, SUBJECT + STAYS + TAKEN_OVER)
    counts = made.erase("1", "2")
    assert made.rows("select seat_id, owner_id, room from s.seat order by 1") == [
        (2, 3, "west"),
        (4, 3, "east"),
        (5, 4, "north"),
        (6, 3, None),
        (7, 3, None),
    ]
    assert made.rows("select badge_id from s.badge order by 1") == [(2,), (3,)]
    assert counts == {
        ("1", "s.seat", "delete"): 1,
        ("1", "s.seat", "reassign"): 2,
        ("2", "s.seat", "delete"): 1,
        ("2", "s.seat", "reassign"): 1,
        ("1", "s.badge", "delete"): 1,
        ("1", "s.badge", "keep"): 1,
    }


def test_nulls_that_are_not_distinct_meet(erasing):
    made = erasing(
        PEOPLE + SEATS + "create unique index on s.seat (owner_id, room) nulls not distinct",
        SUBJECT + STAYS + TAKEN_OVER,
    )
    made.erase("1", "2")
    assert made.rows("select seat_id from s.seat order by 1") == [(2,), (4,), (5,), (6,)]


def test_a_row_takes_the_place_of_one_that_goes(erasing):
    """The manager's own east is deleted by another link in the same statement: Ann's takes its place."""
    made = erasing(
        PEOPLE
        + SEATS
        + "alter table s.seat add guest bigint; update s.seat set guest = 1 where seat_id = 4;"
        + "create unique index on s.seat (owner_id, room)",
        SUBJECT
        + STAYS
        + "  s.seat:\n    links:\n      owner_id: {person: key, rows: {reassign: [manager, unlink]}}\n"
        + "      guest: {person: key, rows: delete}\n"
        + "  s.badge: {links: {seat_id.owner_id: {person: key, rows: keep}}}\n",
    )
    made.erase("1")
    assert made.rows("select seat_id, owner_id from s.seat where room = 'east'") == [(1, 3)]


def test_moved_to_where_nobody_is(erasing):
    made = erasing(PEOPLE + SEATS + UNIQUE[0], SUBJECT + STAYS + TAKEN_OVER)
    assert made.erase("4") == {("4", "s.seat", "reassign"): 1}
    assert made.rows("select owner_id from s.seat where seat_id = 5") == [(3,)]


def test_fillers_that_would_meet_are_counted_before(erasing):
    """One token a person, and two rows of hers: nobody loses a row for a filler, so the dry run says what would be violated."""
    made = erasing(
        PEOPLE
        + "create table s.alias (alias_id int primary key, owner_id bigint, name text unique);"
        + "insert into s.alias values (1, 1, 'ann'), (2, 1, 'annie'), (3, 2, 'bob');",
        SUBJECT
        + STAYS
        + "  s.alias:\n    links: {owner_id: {person: key, rows: keep}}\n"
        + '    columns: {name: {kind: name, purpose: x, erase: {fill: "was {token}"}}}\n',
    )
    assert made.count("1", "2") == {
        ("1", "s.alias", "change"): 2,
        ("1", "s.alias", "violates alias_name_key"): 2,
        ("2", "s.alias", "change"): 1,
    }
    with pytest.raises(psycopg.errors.UniqueViolation):
        made.run("1")
    assert made.erase("2") == {("2", "s.alias", "change"): 1}


HOMES = """
create table s.home (home_id int primary key, tenant_id bigint not null references s.person on delete cascade, street text);
alter table s.person add main_home int references s.home on delete set null;
insert into s.home values (1, 1, 'one'), (2, 2, 'two'), (3, 3, 'three');
update s.person set main_home = case person_id when 4 then 1 else person_id end;
"""


def test_people_and_what_they_point_to_go_in_a_circle(erasing):
    """Ann's home goes with her row; Dot, whose main home it was, loses the link."""
    made = erasing(
        PEOPLE + HOMES,
        SUBJECT + GOES + "  s.home: {links: {tenant_id: {person: key, rows: delete}}}\n",
    )
    assert made.erase("1") == {
        ("1", "s.person", "delete"): 1,
        ("1", "s.person", "unlink"): 1,
        ("1", "s.home", "delete"): 1,
    }
    assert made.rows("select person_id, main_home from s.person order by 1") == [(2, 2), (3, 3), (4, None)]
    assert made.rows("select home_id from s.home order by 1") == [(2,), (3,)]


def test_tables_to_which_nobody_is_linked_go_with_the_others_of_their_circle(erasing):
    """With Ann go her home, its door and the door's key, which opened Cy's as well; Dot, who had that key, has none any more."""
    made = erasing(
        PEOPLE
        + HOMES
        + "create table s.door (door_id int primary key, home_id int not null references s.home on delete cascade);"
        + "create table s.key (key_id int primary key, door_id int references s.door on delete cascade,"
        + " copy_of int references s.key on delete set null);"
        + "alter table s.person add key_id int references s.key on delete set null;"
        + "alter table s.home add opened_by int references s.key on delete set null;"
        + "insert into s.door values (10, 1), (20, 2); insert into s.key values (100, 10, null), (200, 20, 100), (300, null, 200);"
        + "update s.person set key_id = case person_id when 4 then 100 when 2 then 200 end;"
        + "update s.home set opened_by = 100 where home_id in (1, 3);",
        SUBJECT + GOES + "  s.home: {links: {tenant_id: {person: key, rows: delete}}}\n" + "none: [s.door, s.key]\n",
    )
    assert made.erase("1") == {
        ("1", "s.person", "delete"): 1,
        ("1", "s.person", "unlink"): 1,
        ("1", "s.home", "delete"): 1,
        ("1", "s.home", "unlink"): 1,
        ("1", "s.door", "delete"): 1,
        ("1", "s.key", "delete"): 1,
        ("1", "s.key", "unlink"): 1,
    }
    assert made.rows("select person_id, main_home, key_id from s.person order by 1") == [
        (2, 2, 200),
        (3, 3, None),
        (4, None, None),
    ]
    assert made.rows("select home_id, opened_by from s.home order by 1") == [(2, None), (3, None)]
    assert made.rows("select door_id from s.door") == [(20,)]
    assert made.rows("select key_id, door_id, copy_of from s.key order by 1") == [(200, 20, None), (300, None, 200)]


def test_rows_of_two_tables_take_one_another_along(erasing):
    """Box 1 goes with Ann, the lid on it, the box on that lid, and so on until one that nobody points from."""
    made = erasing(
        PEOPLE
        + "create table s.box (box_id int primary key, owner_id bigint, lid_id int);"
        + "create table s.lid (lid_id int primary key, box_id int references s.box on delete cascade, note text);"
        + "alter table s.box add foreign key (lid_id) references s.lid on delete cascade;"
        + "insert into s.box values (1, 1, null), (2, 2, null), (3, 2, null), (4, 2, null);"
        + "insert into s.lid values (10, 1), (20, 2), (30, 3), (40, 4);"
        + "update s.box set lid_id = case box_id when 2 then 10 when 1 then 30 when 3 then 20 end;",
        SUBJECT
        + STAYS
        + "  s.box: {links: {owner_id: {person: key, rows: [{when: {box_id: 1}, do: delete}, {do: keep}]}}}\n"
        + "  s.lid: {links: {box_id.owner_id: {person: key, rows: keep}}}\n",
    )
    assert made.erase("1") == {("1", "s.box", "delete"): 3, ("1", "s.lid", "delete"): 3}
    assert made.rows("select box_id from s.box") == [(4,)]
    assert made.rows("select lid_id from s.lid") == [(40,)]


def test_two_links_to_one_column_compose_in_their_order(erasing):
    """The writer's link shortens, the reader's fills: it comes later and has the last word."""
    made = erasing(
        PEOPLE
        + "create table s.letter (letter_id int primary key, writer bigint, reader bigint, city text);"
        + "insert into s.letter values (1, 1, 2, 'Bonn'), (2, 1, 3, 'Rome'), (3, 3, 2, 'Oslo'), (4, 3, 3, 'Kyiv');",
        SUBJECT
        + STAYS
        + "  s.letter:\n    links:\n"
        + "      writer: {person: key, rows: [{do: keep, columns: {city: {generalize: 2}}}]}\n"
        + "      reader: {person: key, rows: [{do: keep, columns: {city: {fill: Xan}}}]}\n",
    )
    made.erase("1", "2")
    assert made.rows("select letter_id, city from s.letter order by 1") == [
        (1, "Xan"),
        (2, "Ro"),
        (3, "Xan"),
        (4, "Kyiv"),
    ]


def test_what_was_made_by_one_link_is_shortened_by_the_next(erasing):
    made = erasing(
        PEOPLE
        + "create table s.letter (letter_id int primary key, writer bigint, reader bigint, city text);"
        + "insert into s.letter values (1, 1, 2, 'Bonn'), (2, 2, 1, 'Rome');",
        SUBJECT
        + STAYS
        + "  s.letter:\n    links:\n"
        + "      writer: {person: key, rows: [{do: keep, columns: {city: {fill: Xanadu}}}]}\n"
        + "      reader: {person: key, rows: [{do: keep, columns: {city: {generalize: 2}}}]}\n",
    )
    made.erase("1", "2")
    assert made.rows("select letter_id, city from s.letter order by 1") == [(1, "Xa"), (2, "Xa")]


def test_nobody_is_erased_to_whom_the_map_hands_rows_over(erasing):
    """Dot gets what has no manager; erasing her would leave her rows to herself. The dry run says so as well."""
    made = erasing(
        PEOPLE
        + "create table s.task (task_id int primary key, owner_id bigint); insert into s.task values (1, 3), (2, 4);",
        SUBJECT + STAYS + "  s.task: {links: {owner_id: {person: key, rows: {reassign: [manager, {key: 4}]}}}}\n",
    )
    for call in (made.count, made.run):
        with pytest.raises(psycopg.Error) as caught:
            call("3", "4")
        assert caught.value.sqlstate == "ZE106"
    made.erase("3")
    assert made.rows("select * from s.task order by 1") == [(1, 4), (2, 4)]


def test_line_breaks_in_checks_and_indexes_mean_themselves(erasing):
    """Moved right with the rest of the statement, a literal of two lines would be another one."""
    made = erasing(
        PEOPLE
        + "create table s.seat (seat_id int primary key, owner_id bigint, title text, "
        + r"constraint forbidden check (title is distinct from E'Deleted\nuser' and title <> E'a\\b\nc'), "
        + 'constraint "odd\nname" check (owner_id is null or title is not null));'
        + r"create unique index on s.seat (owner_id) where title = E'one\ntwo';"
        + r"insert into s.seat values (1, 1, E'one\ntwo'), (2, 3, E'one\ntwo'), (3, 4, 'x'), (4, 3, 'y');",
        SUBJECT
        + STAYS
        + "  s.seat:\n    links: {owner_id: {person: key, rows: [{when: {seat_id: 3}, do: keep}, {do: {reassign: [manager, unlink]}}]}}\n"
        + "    columns: {title: {kind: name, purpose: x, erase: keep}}\n",
    )
    assert made.erase("1") == {("1", "s.seat", "delete"): 1}
    made.admin.execute("update s.seat set owner_id = 4 where seat_id = 4")
    assert made.rows("select seat_id from s.seat order by 1") == [(2,), (3,), (4,)]


def test_a_filler_of_two_lines_that_a_check_forbids_is_counted(erasing):
    made = erasing(
        PEOPLE
        + "create table s.seat (seat_id int primary key, owner_id bigint, title text,"
        + r" constraint forbidden check (title is distinct from E'Deleted\nuser'));"
        + "insert into s.seat values (1, 1, 'x');",
        SUBJECT
        + STAYS
        + "  s.seat:\n    links: {owner_id: {person: key, rows: keep}}\n"
        + '    columns: {title: {kind: name, purpose: x, erase: {fill: "Deleted\\nuser"}}}\n',
    )
    assert made.count("1") == {("1", "s.seat", "change"): 1, ("1", "s.seat", "violates forbidden"): 1}
