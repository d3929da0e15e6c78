"""What a domain demands is proved when a map is compiled, or evaluated by the dry run on the rows as they would be."""

from __future__ import annotations

import pytest

from pgerase.operate import dry_run, open_request, rehearse
from tests.erasing.conftest import Club
from tests.erasing.test_code import planned

FILL = "Deleted user"
"""What the club's map writes into the names of erased people."""


def refusals(club: Club) -> list[tuple[str, str]]:
    """What the plan refuses, by code and object."""
    planned(club)
    return [(one.code, one.subject) for one in club.deployment.plan().refusals]


def violations(club: Club, key: int) -> dict[tuple[str, str], int]:
    """What the dry run finds that the database would refuse, by table and constraint."""
    found = rehearse(club.register(), "person", [str(key)])
    assert found.failures == ()
    return {(one.relation, one.strategy): one.rows for one in found.counts if one.strategy.startswith("violates")}


@pytest.mark.parametrize(
    ("domain", "column", "refused"),
    [
        ("text not null", "phone", ("clear-not-null", "app.person.phone")),
        ("app.base not null", "phone", ("clear-not-null", "app.person.phone")),
        ("app.base", "phone", None),
        (f"varchar({len(FILL) - 1})", "full_name", ("filler-too-long", "app.person.full_name")),
        ("app.short check (value <> '')", "full_name", ("filler-too-long", "app.person.full_name")),
        (f"varchar({len(FILL)})", "full_name", None),
        ("varchar(29)", "email", ("filler-too-long", "app.person.email")),
        ("varchar(60) check (value like '%@%')", "email", None),
        ("bigint not null", "owner_id", ("unlink-not-null", "app.task.owner_id")),
    ],
)
def test_length_and_not_null_of_a_domain_are_proved(
    domain: str, column: str, refused: tuple[str, str] | None, unapplied: Club
):
    club = unapplied
    table = "app.task" if column == "owner_id" else "app.person"
    club.owner.execute(
        (
            "create domain app.base as text; create domain app.short as varchar(5); "
            f"create domain app.said as {domain}; delete from app.membership; "
            "update app.person set full_name = 'x' || person_id, phone = '-', email = person_id || '@x'; "
            f"alter table {table} alter {column} type app.said"
        ).encode()
    )
    assert refusals(club)[:1] == ([] if refused is None else [refused])


CHECKED = {
    "fill": ("text constraint named check (value !~ '^Deleted')", "full_name", "named", "app.person"),
    "nested": ("app.named check (value <> '')", "full_name", "inner_named", "app.person"),
    # It could not be asked of a value that the inner one refuses.
    "relies on the inner one": (
        "app.digits constraint small check (value::bigint < 100)",
        "full_name",
        "digits_only",
        "app.person",
    ),
    "order of names": (
        "text constraint b check (value::bigint < 100) constraint a check (value ~ '^[0-9]+$')",
        "full_name",
        "a",
        "app.person",
    ),
    "clear": ("text constraint there check (value is not null)", "phone", "there", "app.person"),
    "value follows": ("text constraint honest check (value !~ '^erased')", "sender", "honest", "app.message"),
    "padded": ("char(20) constraint padded check (value <> 'Deleted user')", "full_name", "padded", "app.person"),
    "lifecycle": ("text constraint known check (value in ('ACTIVE', 'INACTIVE'))", "status", "known", "app.person"),
    "reassigned": ("bigint constraint five check (value is null or value <> 4)", "owner_id", "five", "app.task"),
}


@pytest.mark.parametrize("what", CHECKED)
def test_checks_of_a_domain_are_evaluated_by_the_dry_run_and_that_person_fails(what: str, unapplied: Club):
    domain, column, constraint, table = CHECKED[what]
    club = unapplied
    club.owner.execute(
        (
            "create domain app.named as text constraint inner_named check (value not like 'Del%'); "
            "create domain app.digits as text constraint digits_only check (value ~ '^[0-9]+$'); "
            f"create domain app.said as {domain}; "
            "update app.person set full_name = person_id; update app.task set owner_id = 5 where owner_id = 4; "
            f"alter table {table} alter {column} drop default, alter {column} type app.said"
        ).encode()
    )
    club.apply()
    before = club.everything()
    assert violations(club, 5) == {(table, f"violates {constraint}"): 2 if what == "reassigned" else 1}
    (failure,) = club.erase(5).failures
    assert (failure.sqlstate, failure.constraint) == ("23514", constraint)
    assert club.everything() == before


def test_domains_that_hold_are_no_obstacle(unapplied: Club):
    club = unapplied
    club.owner.execute(
        b"create domain app.base as varchar(60) check (value <> ''); "
        b"create domain app.mail as app.base not null check (value like '%@%'); "
        b"create domain app.title as text check (value is null or length(value) < 20); "
        b"alter table app.person alter email type app.mail, alter full_name type app.title, alter phone type app.title; "
        b"alter table app.message alter sender type app.mail; "
        b"create domain app.who as bigint check (value > 0); alter table app.task alter owner_id type app.who"
    )
    club.apply()
    assert violations(club, 4) == violations(club, 5) == {}
    club.erase_cleanly(4, 5)
    assert club.rows(
        "select full_name, phone, email ~ '^erased[+].{26}@erased.invalid$' from app.person where person_id = 5"
    ) == [(FILL, None, True)]
    assert club.rows("select count(*) from app.message where sender in (select email from app.person)") == [(2,)]
    assert club.rows("select task_id, owner_id from app.task order by 1") == [
        (31, 3),
        (41, 3),
        (42, 4),
        (51, 3),
        (52, 5),
    ]


def test_a_column_called_value_is_not_what_a_domain_speaks_of(unapplied: Club):
    club = unapplied
    club.owner.execute(
        b"create domain app.said as text constraint named check (value !~ '^Deleted'); "
        b"alter table app.person add value text default 'x', add number integer default 7, alter full_name type app.said"
    )
    club.apply()
    assert violations(club, 5) == {("app.person", "violates named"): 1}


def test_what_a_check_raises_itself_shows_no_values(unapplied: Club):
    """The database raises it as well when the value is written."""
    club = unapplied
    club.owner.execute(
        b"update app.person set full_name = person_id; "
        b"create domain app.said as text constraint small check (value::bigint < 100); "
        b"alter table app.person alter full_name type app.said"
    )
    club.apply()
    register = club.register()
    (failure,) = dry_run(register, open_request(register, "person", ["5"]).number).failures
    assert (failure.sqlstate, FILL in repr(failure)) == ("22P02", False)
