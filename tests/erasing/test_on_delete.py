"""Rows that point to one that goes become what their foreign key's ON DELETE would make of them."""

from __future__ import annotations

import pytest

from pgerase.operate import rehearse
from tests.erasing.conftest import Club
from tests.erasing.test_code import planned

CARDS = """
alter table app.visitor add house integer not null default 1, add unique (house, visitor_id);
create table app.card (
    card_id bigint primary key,
    house integer {house} default 1,
    visitor_id integer default {default},
    foreign key (house, visitor_id) references app.visitor (house, visitor_id) on delete {action}
);
insert into app.card values (1, 1, 21), (2, 1, 22);
"""
WAYS = {
    "set null (visitor_id)": [(1, 1, None), (2, 1, 22)],
    "set default (visitor_id)": [(1, 1, 22), (2, 1, 22)],
    "set null": [(1, None, None), (2, 1, 22)],
    "set default": [(1, 1, 22), (2, 1, 22)],
    "cascade": [(2, 1, 22)],
}


def with_cards(club: Club, action: str, *, default: str = "22", house: str = "") -> Club:
    """Cards of visitors, of which the data map says only that nothing in them is personal."""
    club.owner.execute(CARDS.format(action=action, default=default, house=house).encode())
    path = club.deployment.folder / "data_map.yaml"
    path.write_text(path.read_text() + "none: [app.card]\n")
    return club


@pytest.mark.parametrize("action", WAYS)
def test_rows_become_what_on_delete_makes_of_them(action: str, unapplied: Club):
    club = with_cards(unapplied, action).apply()
    with club.admin.transaction(force_rollback=True):
        # What the database does by itself.
        club.admin.execute("delete from app.visitor where visitor_id = 21")
        assert club.rows("select * from app.card order by 1") == WAYS[action]
    club.erase_cleanly(21, subject="visitor")
    assert club.rows("select * from app.card order by 1") == WAYS[action]
    assert club.rows("select visitor_id from app.visitor") == [(22,)]


@pytest.mark.parametrize("action", ["set null (visitor_id)", "set default (visitor_id)"])
def test_columns_that_on_delete_leaves_alone_may_be_not_null(action: str, unapplied: Club):
    club = with_cards(unapplied, action, house="not null").apply()
    club.erase_cleanly(21, subject="visitor")
    assert club.rows("select * from app.card order by 1") == WAYS[action]


@pytest.mark.parametrize(
    ("action", "default"), [("set null", "22"), ("set default (visitor_id, house)", "22"), ("restrict", "22")]
)
def test_what_the_database_would_not_do_has_to_be_said(action: str, default: str, unapplied: Club):
    club = with_cards(unapplied, action, default=default, house="not null")
    if "default" in action:
        club.owner.execute(b"alter table app.card alter house drop default")
    planned(club)
    assert [(one.code, one.subject) for one in club.deployment.plan().refusals] == [("gone-not-said", "app.card")]


def test_a_default_that_points_to_nobody_is_found_by_the_dry_run(unapplied: Club):
    club = with_cards(unapplied, "set default", default="99").apply()
    found = rehearse(club.register(), "visitor", ["21"])
    assert {(one.relation, one.strategy): one.rows for one in found.counts} == {
        ("app.visitor", "delete"): 1,
        ("app.card", "unlink"): 1,
        ("app.card", "violates card_house_visitor_id_fkey"): 1,
    }
    (failure,) = club.erase(21, subject="visitor").failures
    assert failure.sqlstate == "23503"
