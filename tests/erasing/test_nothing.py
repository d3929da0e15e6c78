"""Subjects whom erasing leaves as they are: their functions are made, run, and count nothing."""

from __future__ import annotations

import pytest

from tests.erasing.small import PEOPLE, STAYS, SUBJECT

TASKS = "create table s.task (id int primary key, owner_id bigint); insert into s.task values (1, 1), (2, 3);"


@pytest.mark.parametrize(
    "tables",
    [STAYS, STAYS + "  s.task: {links: {owner_id: {person: key, rows: keep}}}\n"],
    ids=["own row", "linked rows"],
)
def test_everything_is_kept(erasing, tables):
    """It was a function that did not parse, and apply failed."""
    made = erasing(PEOPLE + TASKS, SUBJECT + tables)
    before = made.rows("select * from s.person order by 1"), made.rows("select * from s.task order by 1")
    planned = made.erase("1", "2")
    assert (made.rows("select * from s.person order by 1"), made.rows("select * from s.task order by 1")) == before
    assert planned == {}


def test_one_kind_of_person_is_kept_beside_another_that_goes(erasing):
    """Two subjects: what is nothing for one is no obstacle to the other."""
    made = erasing(
        PEOPLE + "create table s.guest (guest_id bigint primary key); insert into s.guest values (1), (2);",
        SUBJECT.replace("}}\n", "}, guest: {table: s.guest, key: guest_id}}\n")
        + STAYS
        + "  s.guest: {subject: guest, rows: delete}\n",
    )
    assert made.erase("1") == {}
    made.admin.execute(f"select * from {made.prefix}_eraser.erase_guest('{{2}}', '{{x}}', '{{f}}')")
    assert made.rows("select guest_id from s.guest") == [(1,)]
