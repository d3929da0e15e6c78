"""Erased keys stay erased, nothing is written late, and erasing refuses where somebody's code or policy could undo it."""

from __future__ import annotations

import psycopg
import pytest

from pgerase.errors import DatabaseFailed, Refused
from tests.erasing.conftest import Club

ERASED = "ZE105"
CHANGED_MEANWHILE = "40001"


@pytest.mark.parametrize(
    "statements",
    [
        # Revived.
        ["update app.person set status = 'ACTIVE' where person_id = 4"],
        ["update app.person set status = 'INACTIVE' where person_id = 4"],
        # What erasing filled or cleared.
        ["update app.person set email = 'ann@club.example' where person_id = 4"],
        ["update app.person set full_name = 'Ann Ash' where person_id = 4"],
        ["update app.person set phone = '+1 555 0104' where person_id = 4"],
        ["update app.customer set name = 'Eve Elm' where customer_id = 11"],
        [
            (
                "insert into app.person (person_id, email, full_name) values (4, 'ann@club.example', 'Ann Ash') "
                "on conflict (person_id) do update set email = excluded.email, full_name = excluded.full_name"
            )
        ],
        [
            (
                "merge into app.person as p using (values (4)) as v (id) on p.person_id = v.id "
                "when matched then update set full_name = 'Ann Ash'"
            )
        ],
        # The key: of somebody new, who is inserted or takes it over, or given up.
        ["delete from app.person where person_id = 6", "insert into app.person values (6, 'c@club.example', 'Cleo')"],
        ["delete from app.person where person_id = 6", "update app.person set person_id = 6 where person_id = 7"],
        ["update app.person set person_id = 66 where person_id = 6"],
        ["delete from app.purchase", "delete from app.customer", "insert into app.customer values (11, 'Eve Elm')"],
        ["insert into app.visitor values (21, 'Guy Gale')"],
        ["update app.visitor set visitor_id = 21 where visitor_id = 22"],
        # Linked anew.
        ["insert into app.task (task_id, owner_id) values (99, 4)"],
        [
            "insert into app.task (task_id, owner_id) select 99, person_id from app.person where email like 'erased%' limit 1"
        ],
        ["update app.task set owner_id = 4 where task_id = 51"],
        ["insert into app.task (task_id) values (51) on conflict (task_id) do update set owner_id = 4"],
        [
            "merge into app.task as t using (values (51)) as v (id) on t.task_id = v.id when matched then update set owner_id = 4"
        ],
        ["insert into app.membership (club, person_id) values ('chess', 4)"],
        ["update app.membership set person_id = 4 where club = 'go'"],
        [
            "insert into app.membership (club, person_id) values ('go', 5) on conflict (club, person_id) do update set person_id = 4"
        ],
        ["update app.person set manager_id = 4 where person_id = 7"],
        ["insert into app.person (person_id, email, full_name, manager_id) values (8, 'x@club.example', 'X', 4)"],
        ["insert into app.message (message_id, sender) select 99, email from app.person where person_id = 4"],
        ["update app.message set sender = (select email from app.person where person_id = 4) where message_id = 51"],
        ["insert into app.purchase values (199, 11, 1)"],
        ["update app.purchase set customer_id = 11 where purchase_id = 121"],
        ["insert into app.visit values (299, 21)"],
        ["update app.visit set visitor_id = 21 where visit_id = 221"],
    ],
    ids=lambda statements: statements[-1][:70],
)
def test_u1_an_erased_key_is_not_revived_reused_linked_or_written(statements: list[str], erased_club: Club):
    before = erased_club.everything()
    assert erased_club.write(*statements, end="rollback") == ERASED
    assert erased_club.everything() == before


@pytest.mark.parametrize(
    "statement",
    [
        # Columns that erasing left alone.
        "update app.person set locale = 'de' where person_id = 4",
        "update app.person set email = email, status = status where person_id = 4",
        "update app.person set manager_id = null where person_id = 4",
        "update app.customer set city = 'Kiel' where customer_id = 11",
        # Rows that stay.
        "update app.task set title = 'x' where task_id = 42",
        "update app.task set owner_id = 4, title = 'x' where task_id = 42",
        "update app.task set owner_id = 5 where task_id = 42",
        "update app.purchase set total = 5 where purchase_id = 111",
        "update app.visit set place = 'x' where visit_id = 211",
        "delete from app.task where task_id = 42",
        "delete from app.person where person_id = 6",
        # Everybody else, and somebody new with the same address.
        "update app.person set email = 'b@club.example' where person_id = 5",
        "update app.person set status = 'INACTIVE' where person_id = 5",
        "insert into app.task (task_id, owner_id) values (99, 5)",
        "insert into app.task (task_id) values (99)",
        "insert into app.person (person_id, email, full_name) values (8, 'ann@club.example', 'Ann Ash')",
        "insert into app.message (message_id, sender) values (99, 'ann@club.example')",
        "insert into app.message (message_id) values (99)",
        "insert into app.visitor values (23, 'Ida Ilm')",
        "insert into app.visit values (299, 23)",
    ],
)
def test_everything_else_goes_on_working(statement: str, erased_club: Club):
    assert erased_club.write(statement, end="rollback") == "1"


def test_copy_is_guarded_as_well(erased_club: Club):
    connection = erased_club.begin()
    with (
        pytest.raises(psycopg.Error, match="points to a person who is erased") as error,
        connection.cursor().copy("copy app.purchase (purchase_id, customer_id, total) from stdin") as copy,
    ):
        copy.write(b"199\t11\t1\n")
    connection.execute("rollback")
    assert error.value.sqlstate == ERASED


def test_the_owner_is_guarded_as_well(club: Club):
    club.erase_cleanly(11, subject="customer")
    with pytest.raises(psycopg.Error, match="for ever") as error:
        club.owner.execute("update app.customer set name = 'Eve Elm' where customer_id = 11")
    assert error.value.sqlstate == ERASED


# A writer of the moment ------------------------------------------------------------------------------------------------

LATE = [
    pytest.param("person", 5, "insert into app.task (task_id, owner_id) values (99, 5)", id="task"),
    pytest.param("person", 5, "update app.task set owner_id = 5 where task_id = 31", id="update"),
    pytest.param("person", 5, "insert into app.membership (club, person_id) values ('cards', 5)", id="membership"),
    pytest.param("person", 5, "update app.person set manager_id = 5 where person_id = 7", id="manager"),
    # No constraint holds these.
    pytest.param(
        "person", 5, "insert into app.message (message_id, sender) values (99, 'ben@club.example')", id="e-mail"
    ),
    pytest.param("customer", 11, "insert into app.purchase values (199, 11, 1)", id="customer"),
    pytest.param("visitor", 21, "insert into app.visit values (299, 21)", id="visit"),
]
LINKS = {
    "person": "select (select count(*) from app.task where owner_id = 5 and status <> 'Closed')"
    " + (select count(*) from app.membership where person_id = 5)"
    " + (select count(*) from app.person where manager_id = 5)"
    " + (select count(*) from app.message where sender = 'ben@club.example')",
    "customer": "select count(*) - 2 from app.purchase",
    "visitor": "select count(*) - 2 from app.visit",
}


@pytest.mark.parametrize(("subject", "key", "statement"), LATE)
def test_erasing_waits_for_an_open_writer_and_takes_its_row_along(subject: str, key: int, statement: str, club: Club):
    writer = club.begin()
    assert writer.execute(statement.encode()).rowcount == 1
    run = club.in_background(lambda: club.erase(key, subject=subject))
    club.until_blocked(work=run)
    writer.execute("commit")
    assert run.result(30).failures == ()
    # Purchases and visits stay, and were there before the erasing.
    assert club.rows(LINKS[subject]) == [(0 if subject == "person" else 1,)]


@pytest.mark.parametrize(("subject", "key", "statement"), LATE)
def test_a_writer_that_comes_meanwhile_waits_and_is_refused(subject: str, key: int, statement: str, club: Club):
    writer = club.begin()
    with club.erasing(key, subject=subject):
        late = club.in_background(lambda: club.write(statement, connection=writer))
        club.until_blocked(writer, work=late)
    assert late.result(30) == ERASED
    assert club.rows(LINKS[subject]) == [(0,)]


@pytest.mark.parametrize(("subject", "key", "statement"), LATE)
def test_a_writer_of_an_older_snapshot_is_sent_away(subject: str, key: int, statement: str, club: Club):
    writer = club.begin("repeatable read")
    writer.execute("select count(*) from app.person")
    club.erase_cleanly(key, subject=subject)
    assert club.write(statement, connection=writer) == CHANGED_MEANWHILE
    assert club.rows(LINKS[subject]) == [(0,)]


def test_a_rolled_back_erasing_leaves_the_writer_alone(club: Club):
    writer = club.begin()
    with club.erasing(5):
        late = club.in_background(
            lambda: club.write("insert into app.task (task_id, owner_id) values (99, 5)", connection=writer)
        )
        club.until_blocked(writer, work=late)
        # As if the operator had been killed.
        raise psycopg.Rollback
    assert late.result(30) == "1"
    assert club.rows("select status from app.person where person_id = 5") == [("ACTIVE",)]


# Two operators -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inactive", [False, True])
@pytest.mark.parametrize(("first", "second"), [(5, 4), (4, 5)])
def test_two_operators_leave_nothing_with_the_erased(first: int, second: int, inactive: bool, club: Club):
    """What 5 leaves must not go to 4, who is being erased, whoever is first. Either 5 reports to 4, or to 6, who is inactive
    and reports to 4: then no row of 5's is written for 4, and none is locked. Without super admins, whom every run locks."""
    club.admin.execute("update app.person set is_admin = false")
    if inactive:
        club.admin.execute(
            "update app.person set status = 'INACTIVE' where person_id = 6; "
            "update app.person set manager_id = 6 where person_id = 5"
        )
    with club.erasing(first):
        other = club.in_background(lambda: club.erase(second))
        club.until_blocked(work=other)
    assert other.result(30).failures == ()
    owners = club.rows("select task_id, owner_id from app.task order by 1")
    # By hand: everything open goes to 3, above both.
    assert owners == [(31, 3), (41, 3), (42, 4), (51, 3), (52, 5)]
    assert club.rows("select distinct manager_id from app.person where person_id in (6, 7)") == [(3,)]


def test_operators_with_crossing_people_never_stand_in_each_others_way(club: Club):
    """A chain of managers, erased from both ends at once, one person a transaction: no deadlock, nothing left."""
    club.admin.execute(
        "update app.person set is_admin = false; "
        "insert into app.person (person_id, email, full_name, manager_id) "
        "select n, n || '@club.example', 'N', case when n > 101 then n - 1 end from generate_series(101, 140) as n; "
        "insert into app.task (task_id, owner_id) select n, n from generate_series(101, 140) as n; "
        "insert into app.message (message_id, sender) select n, n || '@club.example' from generate_series(101, 140) as n"
    )
    odd, even = range(102, 140, 2), range(139, 101, -2)
    registers = [club.register(), club.register()]

    def run(register, people) -> list[str]:
        problems = []
        for person in people:
            try:
                with club.erasing(person):
                    pass
            except DatabaseFailed as error:
                problems.append(f"{person}: {error.sqlstate} {error.message}")
        return problems

    runs = [club.in_background(lambda pair=pair: run(*pair)) for pair in zip(registers, (odd, even), strict=True)]
    assert [one.result(120) for one in runs] == [[], []]
    left = "select t.task_id from app.task as t join app.person as p on p.person_id = t.owner_id where p.status = 'ERASED' and t.status = 'Open'"
    assert club.rows(left) == []
    assert club.rows("select count(*) from app.task where owner_id = 101") == [(39,)]
    assert club.rows("select person_id, manager_id from app.person where person_id = 140") == [(140, 101)]
    assert club.rows("select message_id from app.message where sender ~ '^1[0-9]+@' order by 1") == [(101,), (140,)]


def test_the_last_super_admin_is_protected(club: Club):
    club.erase_cleanly(1)
    (failure,) = club.erase(2).failures
    assert (failure.key, failure.sqlstate) == ("2", "ZE104")
    assert club.rows("select status, full_name from app.person where person_id = 2") == [("ACTIVE", "Bo Baker")]


def test_inactive_super_admins_do_not_count(club: Club):
    club.admin.execute("update app.person set status = 'INACTIVE' where person_id = 1")
    assert [one.sqlstate for one in club.erase(2).failures] == ["ZE104"]


def test_of_two_super_admins_erased_at_once_one_stays(club: Club):
    with club.erasing(1):
        other = club.in_background(lambda: club.erase(2))
        club.until_blocked(work=other)
    assert [one.sqlstate for one in other.result(30).failures] == ["ZE104"]
    assert club.rows("select person_id from app.person where is_admin and status = 'ACTIVE'") == [(2,)]


def test_of_two_super_admins_in_one_request_one_stays(club: Club):
    assert [one.sqlstate for one in club.erase(1, 2).failures] == ["ZE104"]
    assert club.rows("select count(*) from app.person where is_admin and status = 'ACTIVE'") == [(1,)]


# Code and policies of others --------------------------------------------------------------------------------------------

NOTHING = """
    create function app.nothing() returns trigger language plpgsql as 'begin return new; end';
"""
TOUCH = """
    create function app.touch() returns trigger language plpgsql as $$begin new.title = new.title; return new; end$$;
    create trigger touch before update on app.task for each row execute function app.touch();
"""


@pytest.mark.parametrize(
    "change",
    [
        "create trigger later before update on app.task for each row execute function app.nothing()",
        "create trigger later after delete on app.membership for each statement execute function app.nothing()",
        (
            "create constraint trigger later after update on app.person deferrable initially deferred for each row "
            "execute function app.nothing()"
        ),
        "create or replace function app.touch() returns trigger language plpgsql as 'begin return null; end'",
        "alter table app.task disable trigger touch",
        "alter table app.task enable always trigger touch",
        "drop trigger touch on app.task",
        "alter function app.touch() security definer",
    ],
)
def test_code_that_came_or_changed_after_the_map_was_applied_is_refused(change: str, unapplied: Club):
    unapplied.owner.execute((NOTHING + TOUCH).encode())
    club = unapplied.apply()
    club.erase_cleanly(6)
    club.owner.execute(change.encode())
    before = club.everything()
    with pytest.raises(Refused, match="code that erasing runs has changed"):
        club.erase(5)
    assert club.everything() == before
    # Looked at once more, it is taken note of.
    club.apply()
    if "return null" not in change:
        club.erase_cleanly(5)


@pytest.mark.parametrize(
    "change",
    [
        "create policy theirs on app.task as restrictive for select using (status = 'Open')",
        "create policy theirs on app.task as restrictive to {eraser} using (true)",
        "create policy theirs on app.person as restrictive for update to public using (person_id > 5)",
        "drop policy {p}_eraser_select on app.task",
        "drop policy {p}_eraser_update on app.person",
        "drop policy {p}_eraser_delete on app.membership",
        "alter policy {p}_eraser_select on app.task using (status = 'Open')",
        "alter policy {p}_eraser_update on app.task with check (status = 'Open')",
        "alter policy {p}_eraser_update on app.person to {viewer}",
        "alter table app.message enable row level security",
    ],
)
def test_what_could_hide_rows_from_erasing_is_refused(change: str, club: Club):
    club.owner.execute(
        change.format(p=club.prefix, eraser=f"{club.prefix}_eraser", viewer=f"{club.prefix}_viewer").encode()
    )
    before = club.everything()
    with pytest.raises(Refused, match="could hide rows from erasing"):
        club.erase(5)
    assert club.everything() == before


def test_a_policy_that_binds_others_is_none_of_erasings_business(club: Club):
    club.owner.execute(
        f"create policy theirs on app.task as restrictive to {club.prefix}_viewer using (false)".encode()
    )
    club.erase_cleanly(5)
    assert club.rows("select owner_id from app.task where task_id = 51") == [(4,)]


def _trigger(table: str, when: str, body: str, rights: str = "") -> str:
    return (
        f"create function app.theirs() returns trigger language plpgsql {rights} as $$begin {body} end$$; "
        f"create trigger theirs {when} on {table} for each row execute function app.theirs()"
    )


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(_trigger("app.person", "before update", "return null;"), id="update of the person"),
        pytest.param(_trigger("app.task", "before update", "return null;"), id="update of a task"),
        pytest.param(_trigger("app.membership", "before delete", "return null;"), id="delete"),
        pytest.param(_trigger("app.message", "before update", "return null;"), id="e-mail"),
        pytest.param(
            _trigger("app.person", "before update", "new.email := old.email; return new;"), id="keeps the old e-mail"
        ),
        pytest.param(
            _trigger("app.person", "before update", "new.phone := old.phone; return new;"), id="keeps the old phone"
        ),
        pytest.param(
            _trigger("app.person", "before update", "new.status := old.status; return new;"), id="keeps the old status"
        ),
        pytest.param(
            _trigger("app.task", "before update", "new.owner_id := old.owner_id; return new;"), id="keeps the old owner"
        ),
        pytest.param(
            _trigger("app.message", "before update", "new.sender := old.sender; return new;"), id="keeps the old sender"
        ),
        pytest.param(
            _trigger(
                "app.person",
                "after update",
                "if pg_trigger_depth() = 1 then update app.person set email = old.email, full_name = old.full_name "
                "where person_id = old.person_id; end if; return null;",
            ),
            id="writes the old name back",
        ),
        pytest.param(
            _trigger(
                "app.task",
                "after update",
                "if pg_trigger_depth() = 1 then update app.task set owner_id = old.owner_id "
                "where task_id = old.task_id; end if; return null;",
            ),
            id="writes the old owner back",
        ),
    ],
)
def test_a_trigger_that_holds_back_or_writes_back_is_noticed(code: str, unapplied: Club):
    unapplied.owner.execute(code.encode())
    club = unapplied.apply("app.person.theirs", "app.task.theirs", "app.membership.theirs")
    before = club.everything()
    (failure,) = club.erase(5).failures
    assert (failure.key, failure.sqlstate) == ("5", "ZE101")
    assert club.everything() == before


@pytest.mark.parametrize(
    ("person", "code", "said"),
    [
        # Person 4 is in one club, person 5 in two.
        (4, _trigger("app.membership", "before delete", "return null;"), "1 row was found to delete and not touched"),
        (5, _trigger("app.membership", "before delete", "return null;"), "2 rows were found to delete and not touched"),
        (
            5,
            _trigger(
                "app.task",
                "after update",
                "if pg_trigger_depth() = 1 then update app.task set owner_id = old.owner_id "
                "where task_id = old.task_id; end if; return null;",
            ),
            "2 rows are the person's again after erasing three times",
        ),
        (
            4,
            _trigger(
                "app.task",
                "after update",
                "if pg_trigger_depth() = 1 then update app.task set owner_id = old.owner_id "
                "where task_id = old.task_id; end if; return null;",
            ),
            "1 row is the person's again after erasing three times",
        ),
    ],
)  # fmt: skip
def test_rows_that_were_held_back_are_counted_in_english(person: int, code: str, said: str, unapplied: Club):
    # Then person 5 has two open and two closed tasks, person 4 one of each.
    unapplied.owner.execute(
        "insert into app.task (task_id, owner_id, status, title) values (53, 5, 'Open', 'f'), (54, 5, 'Closed', 'g')"
    )
    unapplied.owner.execute(code.encode())
    club = unapplied.apply("app.task.theirs", "app.membership.theirs")
    with pytest.raises(DatabaseFailed) as failure, club.erasing(person):
        pass
    assert failure.value.message.partition(": ")[2] == said


HISTORIES = {
    "by update, with the eraser's rights": _trigger(
        "app.person",
        "after update",
        "update app.message set sender = old.email where message_id = 41; return null;",
    ),
    # Its function has its owner's rights, who may insert where the eraser may not.
    "by insert, with its owner's": _trigger(
        "app.membership",
        "after delete",
        "insert into app.message (message_id, sender) values (900 + length(old.club), 'ben@club.example'); return null;",
        "security definer",
    ),
}


@pytest.mark.parametrize("code", HISTORIES.values(), ids=HISTORIES)
def test_what_a_history_trigger_writes_into_a_mapped_table_is_erased_as_well(code: str, unapplied: Club):
    unapplied.owner.execute(code.encode())
    club = unapplied.apply("app.person.theirs", "app.membership.theirs")
    assert "ben@club.example" in str(club.everything())
    assert club.erase(5).failures == ()
    assert "ben@club.example" not in str(club.everything())


INTERNAL = (
    "migration",
    "routine",
    "installation",
    "apply_run",
    "applied_object",
    "request",
    "request_person",
    "request_count",
    "erased_person",
)


@pytest.mark.parametrize("table", ["{i}." + table for table in INTERNAL] + ["app.salary"])
def test_a_developers_trigger_reads_nothing_through_an_erasure(table: str, unapplied: Club):
    club = unapplied
    target = table.format(i=f"{club.prefix}_internal")
    club.owner.execute(_trigger("app.task", "before update", f"perform from {target}; return new;").encode())
    club.apply()
    assert club.rows(f"select to_regclass('{target}') is not null") == [(True,)]
    before = club.everything()
    (failure,) = club.erase(5).failures
    assert (failure.key, failure.sqlstate) == ("5", "42501")
    assert club.everything() == before


def test_a_developers_trigger_runs_all_the_same(unapplied: Club):
    """So that the refusals above are refusals of reading."""
    unapplied.owner.execute(
        _trigger(
            "app.task", "before update", "new.title := current_user; perform from app.person; return new;"
        ).encode()
    )
    club = unapplied.apply("app.task.theirs")
    club.erase_cleanly(5)
    assert club.rows("select title from app.task where task_id = 51") == [(f"{club.prefix}_eraser",)]


def test_what_a_developers_function_raises_does_not_show_what_it_saw(unapplied: Club):
    unapplied.owner.execute(
        _trigger("app.person", "before update", "raise exception 'saw %', old.email; return new;").encode()
    )
    club = unapplied.apply()
    (failure,) = club.erase(5).failures
    assert "ben" not in repr(failure)
    assert failure.sqlstate == "P0001"


@pytest.mark.parametrize(
    "body",
    [
        "perform {e}.erase_person(array['7'], array[repeat('a', 26)], array[false]);",
        "perform {e}.set_state_person(array['7'], 'inactive');",
        "execute 'create function {e}.door() returns bigint language sql security definer return 1';",
        "execute 'create function pg_temp.door() returns bigint language sql security definer return 1';",
        "execute 'grant execute on function {e}.erase_person(text[], text[], boolean[]) to public';",
        "execute 'grant usage on schema {e} to public';",
        "execute 'drop function {e}.erase_visitor(text[], text[], boolean[])';",
        "execute 'alter function {e}.assert_blind(regclass[]) security invoker';",
        "perform set_config('search_path', 'app, pg_catalog', false); execute 'grant usage on schema {e} to public';",
    ],
)
def test_a_developers_trigger_keeps_nothing_of_the_erasers_rights(body: str, unapplied: Club):
    """It runs with them: what it makes, changes or grants in the eraser's name is undone with all the rest."""
    club = unapplied
    body = body.format(e=f"{club.prefix}_eraser")
    club.owner.execute(_trigger("app.task", "before update", f"{body} return new;").encode())
    club.apply("app.task.theirs")
    before = club.everything()
    with pytest.raises(Refused, match=r"trigger does not erase|in the name of the eraser"):
        club.erase(5)
    assert club.everything() == before
    assert club.rows("select proname from pg_proc where proname = 'door'") == []
