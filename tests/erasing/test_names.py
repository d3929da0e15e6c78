"""Names of the application's tables and columns that could be mistaken for one another, or for those of the erasing statement."""

from __future__ import annotations

import pytest

from tests.erasing.small import PEOPLE, STAYS, SUBJECT

LONG = "a_column_with_a_very_long_name_that_is_cut"


@pytest.mark.parametrize("key", ["key", "number", "token", "erased", "person", "is_erased", "height", "Person Id"])
def test_a_key_is_called_as_it_likes(erasing, key):
    """Also one whose name the statement has for something else."""
    made = erasing(
        f'create schema s; create table s.person ("{key}" int primary key, name text, boss int);'
        "insert into s.person values (1, 'Ann', 2), (2, 'Bob', 3), (3, 'Cy', null);"
        "create table s.task (task_id int primary key, owner_id int); insert into s.task values (1, 1), (2, 3);",
        f"version: 1\nunindexed: scan\nsubjects: {{person: {{table: s.person, key: '\"{key}\"', manager: boss}}}}\n"
        "tables:\n  s.person: {subject: person, rows: keep, columns: {name: {kind: name, purpose: x, erase: clear}}}\n"
        "  s.task:\n    links:\n      owner_id: {person: key, rows: "
        "[{when: {owner_id: {in: {subject: key}}}, do: {reassign: [manager, unlink]}}, {do: keep}]}\n",
    )
    made.erase("1", "2")
    assert made.rows("select name from s.person order by 1") == [("Cy",), (None,), (None,)]
    assert made.rows("select owner_id from s.task order by task_id") == [(3,), (3,)]


@pytest.mark.parametrize("suffix", ["deleted", "changed", "moved", "placed", "direct", "below", "by_owner_id"])
def test_a_table_is_called_like_part_of_another(erasing, suffix):
    made = erasing(
        PEOPLE
        + "".join(
            f"create table s.{one} (id int primary key, owner_id bigint, room text, up int references s.{one} on delete cascade);"
            f"insert into s.{one} values (1, 1, 'a', null), (2, 2, 'b', 1), (3, 3, 'a', null);"
            for one in ("seat", f"seat_{suffix}")
        )
        + "create table s.lamp (id int primary key, owner_id bigint, room text, unique (owner_id, room));"
        f"create table s.lamp_{suffix} (id int primary key, owner_id bigint, room text, unique (owner_id, room));"
        f"insert into s.lamp values (1, 1, 'a'), (2, 3, 'a'); insert into s.lamp_{suffix} table s.lamp;",
        SUBJECT
        + STAYS
        + "".join(
            f"  s.{one}: {{links: {{owner_id: {{person: key, rows: [{{when: {{room: a}}, do: delete}}, {{do: keep}}]}}}}}}\n"
            for one in ("seat", f"seat_{suffix}")
        )
        + "".join(
            f"  s.{one}: {{links: {{owner_id: {{person: key, rows: {{reassign: [manager, unlink]}}}}}}}}\n"
            for one in ("lamp", f"lamp_{suffix}")
        ),
    )
    made.erase("1")
    for one, left in (("seat", [(3,)]), ("lamp", [(2,)])):
        assert made.rows(f"select id from s.{one}") == left
        assert made.rows(f"select id from s.{one}_{suffix}") == left


@pytest.mark.parametrize(("box", "lid"), [("x", "x"), ("größe", "grüße"), (f"{LONG}_one", f"{LONG}_two")])
def test_rows_go_with_two_others_by_columns_called_alike(erasing, box, lid):
    """One column to two tables, names in other letters, names that are long."""
    columns = [f'"{box}" int', *([f'"{lid}" int'] if lid != box else [])]
    made = erasing(
        PEOPLE + "create table s.box (id int primary key, owner_id bigint); insert into s.box values (1, 1), (2, 2);"
        "create table s.lid (id int primary key, owner_id bigint); insert into s.lid values (1, 2), (2, 2), (3, 1);"
        f"create table s.both (id int primary key, {', '.join(columns)},"
        f' foreign key ("{box}") references s.box on delete cascade,'
        f' foreign key ("{lid}") references s.lid on delete cascade);'
        f"insert into s.both values {'(1, 1), (2, 2)' if box == lid else '(1, 1, 2), (2, 2, 2), (3, 2, 3)'};",
        SUBJECT
        + STAYS
        + "  s.box: {links: {owner_id: {person: key, rows: delete}}}\n"
        + "  s.lid: {links: {owner_id: {person: key, rows: delete}}}\nnone: [s.both]\n",
    )
    made.erase("1")
    assert made.rows("select id from s.both") == [(2,)]


def test_identifiers_are_called_alike(erasing):
    made = erasing(
        PEOPLE + "alter table s.person add mail text unique, add post text unique;"
        "update s.person set mail = 'm' || person_id, post = 'p' || person_id;"
        "create table s.letter (id int primary key, mail text, post text);"
        "insert into s.letter values (1, 'm1', 'p2'), (2, 'm2', 'p1'), (3, 'p1', 'm1');",
        SUBJECT.replace("manager: boss_id", "manager: boss_id, identifiers: {e-mail: mail, e_mail: post}")
        + STAYS
        + "  s.letter: {links: {mail: {person: e-mail, rows: delete}, post: {person: e_mail, rows: delete}}}\n",
    )
    made.erase("1")
    assert made.rows("select id from s.letter") == [(3,)]
