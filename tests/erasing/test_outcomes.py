"""What becomes of rows where references, links and owners meet: the smallest cases that random maps found wrong."""

from __future__ import annotations

import pytest

from pgerase.database import Database
from pgerase.operate import Register, dry_run, erase, open_request
from tests.erasing.small import GOES, PEOPLE, STAYS, SUBJECT


@pytest.mark.parametrize("on_delete", ["cascade", "set null"])
def test_a_row_handed_over_does_not_go_with_the_person_it_was_taken_from(erasing, on_delete):
    made = erasing(
        PEOPLE
        + "create table s.task (task_id int primary key, title text,"
        + f" owner_id bigint references s.person on delete {on_delete});"
        + "insert into s.task values (1, 'a', 1), (2, 'b', 2);",
        SUBJECT + GOES + "  s.task: {links: {owner_id: {person: key, rows: {reassign: [manager, unlink]}}}}\n",
    )
    assert made.erase("1") == {("1", "s.person", "delete"): 1, ("1", "s.task", "reassign"): 1}
    assert made.rows("select * from s.task order by 1") == [(1, "a", 3), (2, "b", 2)]


def test_rows_go_along_by_several_references_in_turn(erasing):
    """4 hangs on 3 by one reference, 3 on 2 by the other, 2 on 1 by the first again; 5 only loses its link."""
    made = erasing(
        PEOPLE
        + "create table s.page (page_id int primary key, owner_id bigint references s.person,"
        + " parent_id int references s.page on delete cascade, origin_id int references s.page on delete cascade,"
        + " next_id int references s.page on delete set null);"
        + "insert into s.page values (1, 1, null, null, null), (2, null, 1, null, null), (3, null, null, 2, null),"
        + " (4, null, 3, null, null), (5, null, null, null, 4), (6, null, null, null, 5);",
        SUBJECT + STAYS + "  s.page: {links: {owner_id: {person: key, rows: delete}}}\n",
    )
    assert made.erase("1") == {("1", "s.page", "delete"): 4, ("1", "s.page", "unlink"): 1}
    assert made.rows("select page_id, next_id from s.page order by 1") == [(5, None), (6, 5)]


def test_a_row_of_several_people_counts_for_each(erasing):
    made = erasing(
        PEOPLE
        + "create table s.room (room_id int primary key, label text);"
        + "create table s.stay (stay_id int primary key, room_id int references s.room, guest_id bigint);"
        + "insert into s.room values (1, 'a'), (2, 'b');"
        + "insert into s.stay values (1, 1, 1), (2, 1, 2), (3, 2, 2), (4, 2, 2);",
        SUBJECT
        + STAYS
        + "  s.stay: {links: {guest_id: {person: key, rows: keep}}}\n"
        + '  s.room:\n    links: {"s.stay(room_id).guest_id": {person: key, rows: keep}}\n'
        + "    columns: {label: {kind: name, purpose: x, erase: clear}}\n",
    )
    assert made.erase("1", "2") == {("1", "s.room", "change"): 1, ("2", "s.room", "change"): 2}


ADDRESSES = """
create table s.address (address_id int primary key, street text);
alter table s.person add address_id int references s.address;
insert into s.address values (1, 'one'), (2, 'two'), (3, 'three');
update s.person set address_id = case when person_id < 3 then 1 else person_id - 1 end;
"""
LAST = '  s.address:\n    links: {"s.person(address_id)": {person: key}}\n    owners: last\n    of: any\n'
STREET = "    columns: {street: {kind: address, purpose: x, erase: clear}}\n"


@pytest.mark.parametrize(("counted", "done"), [(10, 2), (1, 1)])
def test_what_an_earlier_batch_takes_away_is_not_planned_for_a_later_one(erasing, counted: int, done: int):
    """Counted together, both are erased in batches of one; counted apart, the second would be held to a row that is gone."""
    made = erasing(
        PEOPLE + "create table s.letter (letter_id bigint primary key, reader bigint, writer bigint, text text);"
        "insert into s.letter values (1, 1, 2, 'Dear Ann');",
        SUBJECT
        + STAYS
        + "  s.letter:\n    links: {reader: {person: key, rows: delete}, writer: {person: key, rows: keep}}\n    of: writer\n"
        "    columns: {text: {kind: message, purpose: post, erase: clear}}\n",
    )
    with Database.open(made.dsn) as database:
        register = Register(database, made.prefix)
        number = open_request(register, "person", ["1", "2"]).number
        dry_run(register, number, batch=counted)
        outcome = erase(register, number, batch=1)
    assert outcome.request.done == done
    assert [one.sqlstate for one in outcome.failures] == ["ZE101"] * (2 - done)
    assert made.rows("select * from s.letter") == []


def test_a_row_goes_with_the_last_whose_own_row_goes(erasing):
    made = erasing(PEOPLE + ADDRESSES, SUBJECT + GOES + LAST + "    rows: delete\n")
    assert made.erase("1", "3") == {
        ("1", "s.person", "delete"): 1,
        ("1", "s.address", "keep"): 1,
        ("3", "s.person", "delete"): 1,
        ("3", "s.address", "delete"): 1,
    }
    assert made.erase("2") == {("2", "s.person", "delete"): 1, ("2", "s.address", "delete"): 1}
    assert made.rows("select address_id from s.address") == [(3,)]


def test_the_last_of_several_in_one_batch_takes_the_row_along(erasing):
    made = erasing(PEOPLE + ADDRESSES, SUBJECT + GOES + LAST + "    rows: delete\n")
    assert made.erase("1", "2") == {
        ("1", "s.person", "delete"): 1,
        ("1", "s.address", "keep"): 1,
        ("2", "s.person", "delete"): 1,
        ("2", "s.address", "delete"): 1,
    }


def test_a_row_that_somebody_else_needs_stays_as_it_is(erasing):
    rows = "    rows: [{when: {street: {ne: three}}, do: delete}, {do: keep}]\n"
    clears = "columns: {address_id: {kind: address, purpose: x, erase: clear}}"
    made = erasing(
        PEOPLE + ADDRESSES,
        SUBJECT + f"  s.person: {{subject: person, rows: keep, {clears}}}\n" + LAST + rows + STREET,
    )
    made.erase("1", "4")
    assert made.rows("select * from s.address order by 1") == [(1, "one"), (2, "two"), (3, None)]


def test_a_manager_replaces_the_last_column_of_a_composite_and_leaves_the_others(erasing):
    made = erasing(
        "create schema s;"
        "create table s.person (tenant int, no int, boss int, primary key (tenant, no));"
        "insert into s.person values (1, 1, 2), (1, 2, null), (9, 9, null), (2, 5, null);"
        "create table s.task (task_id int primary key, tenant int, owner int);"
        "insert into s.task values (1, 1, 1), (2, 2, 5);",
        "version: 1\nunindexed: scan\n"
        "subjects: {person: {table: s.person, key: [tenant, no], manager: boss}}\n"
        "tables:\n  s.person: {subject: person, rows: keep}\n"
        '  s.task: {links: {"tenant, owner": {person: key, rows: {reassign: [manager, {key: [9, 9]}]}}}}\n',
    )
    made.erase('["1", "1"]', '["2", "5"]')
    assert made.rows("select * from s.task order by 1") == [(1, 1, 2), (2, 9, 9)]


@pytest.mark.parametrize("name", ["Team é", 'odd "team"'])
def test_names_that_need_quotes(erasing, name):
    quoted = '"' + name.replace('"', '""') + '"'
    spelled = '"' + name.replace('"', '""') + '"' if '"' in name else name
    made = erasing(
        PEOPLE
        + f"create table s.{quoted} (id int primary key, owner_id bigint references s.person,"
        + f" parent_id int references s.{quoted} on delete cascade);"
        + f"insert into s.{quoted} values (1, 1, null), (2, null, 1);",
        SUBJECT + STAYS + f"  's.{spelled}': {{links: {{owner_id: {{person: key, rows: delete}}}}}}\n",
    )
    assert made.erase("1") == {("1", f"s.{name}", "delete"): 2}
