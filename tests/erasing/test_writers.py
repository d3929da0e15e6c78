"""An application that writes all the while two operators erase: nobody's rows are lost, nothing stays with the erased, the
ledger is exact.

Every writer keeps a journal of what it committed. What the tables have to hold in the end follows from the journals, the
managers and the rules of the data map, by hand.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from threading import Barrier, BrokenBarrierError, Event

import psycopg
import pytest

from pgerase.operate import Erasure, dry_run, erase, open_request, retry_request
from tests.erasing.conftest import ADMIN, Club

PEOPLE = range(101, 161)
FIRST, SECOND = range(106, 136), range(150, 120, -1)
ERASED = {*FIRST, *SECOND}
WRITERS = 3
IN_THE_WAY = {"40001", "40P01"}
BEFORE, AFTER, LIMIT = 15, 80, 20_000
"""Transactions of a writer before the operators begin, after they are done, and in all."""
FEW = 5
"""So many rows of each kind a writer keeps, to have something to write to however long it takes."""
ROUNDS = 40
PATIENCE = 60

MANAGERS = {n: 3 if n == 101 else 100 + (n - 100) // 2 for n in PEOPLE}

SETUP = """
    insert into app.person (person_id, email, full_name, phone, manager_id)
    select n, n || '@club.example', 'Name ' || n, '+1 555 ' || n, case n when 101 then 3 else 100 + (n - 100) / 2 end
    from generate_series(101, 160) as n;
    insert into app.task (task_id, owner_id, status, title)
    select n * 10 + i, n, case when i < 3 then 'Open' else 'Closed' end, 'seed'
    from generate_series(101, 160) as n, generate_series(1, 4) as i;
    insert into app.membership (club, person_id) select 'c' || n || i, n from generate_series(101, 160) as n, generate_series(1, 2) as i;
    insert into app.message (message_id, sender, body)
    select n * 10 + i, n || '@club.example', 'seed' from generate_series(101, 160) as n, generate_series(1, 2) as i;

    create table app.audit (
        audit_id bigint generated always as identity,
        relation text not null,
        before jsonb not null,
        after jsonb
    );
    create function app.audit() returns trigger language plpgsql security definer set search_path = '' as $$
    begin
        insert into app.audit (relation, before, after)
        values ('app.' || tg_table_name, to_jsonb(old), case tg_op when 'UPDATE' then to_jsonb(new) end);
        return null;
    end
    $$;
"""
AUDIT = """
    create trigger audit after update or delete on app.{table} for each row when (current_user = '{eraser}')
    execute function app.audit();
"""
# What erasing changed, by person and as the ledger calls it, from the audit alone.
AUDITED = """
    select before ->> 'person_id', relation, 'delete', count(*)
    from app.audit where relation = 'app.membership' and after is null group by 1, 2
    union all
    select before ->> 'owner_id', relation, 'reassign', count(*)
    from app.audit where relation = 'app.task' and after ->> 'owner_id' <> before ->> 'owner_id' group by 1, 2
    union all
    select before ->> 'manager_id', relation, 'reassign', count(*)
    from app.audit where relation = 'app.person' and after ->> 'manager_id' <> before ->> 'manager_id' group by 1, 2
    union all
    select before ->> 'person_id', relation, 'change', count(*)
    from app.audit where relation = 'app.person' and after ->> 'status' <> before ->> 'status' group by 1, 2
    union all
    select split_part(before ->> 'sender', '@', 1), relation, 'change', count(*)
    from app.audit where relation = 'app.message' and after ->> 'sender' <> before ->> 'sender' group by 1, 2
"""


@dataclass(frozen=True)
class Rows:
    """A writer's rows as it last committed them: tasks as owner, status, title; messages as their sender's key and body."""

    tasks: dict[int, tuple[int, str, str]] = field(default_factory=dict)
    memberships: dict[tuple[str, int], str] = field(default_factory=dict)
    messages: dict[int, tuple[int, str]] = field(default_factory=dict)
    locales: dict[int, str] = field(default_factory=dict)

    def copy(self) -> Rows:
        """A copy to be changed by a transaction that may fail."""
        return replace(self, **{name: dict(rows) for name, rows in vars(self).items()})


def seeded(number: int) -> Rows:
    """The rows of SETUP that one writer alone writes to."""
    mine = [n for n in PEOPLE if n % WRITERS == number]
    return Rows(
        {n * 10 + i: (n, "Open" if i < 3 else "Closed", "seed") for n in mine for i in range(1, 5)},
        {(f"c{n}{i}", n): "member" for n in mine for i in (1, 2)},
        {n * 10 + i: (n, "seed") for n in mine for i in (1, 2)},
        dict.fromkeys(mine, "en"),
    )


class Writer:
    """One connection of the application's login, or of a superuser, whom row security does not bind but guards do."""

    def __init__(self, club: Club, number: int, user: str | None) -> None:
        self.club = club
        self.rows = seeded(number)
        self.refused: Counter[str] = Counter()
        self.committed: Counter[str] = Counter()
        self._viewer = ADMIN if user else None
        self._connection = club.database.connect(user) if user else club.database.connect_admin()
        self._random = random.Random(number)
        self._next = (number + 1) * 1_000_000
        self._actions: Sequence[Callable[[Rows], None]] = (
            self._add_task,
            self._add_task,
            self._add_membership,
            self._add_message,
            self._retitle,
            self._close,
            self._hand_over,
            self._promote,
            self._reword,
            self._translate,
            self._remove_task,
            self._remove_membership,
            self._remove_message,
        )

    def run(self, start: Barrier, finished: Event) -> None:
        """Write until the operators are done, and a little longer."""
        for _ in range(BEFORE):
            self._transaction("before")
        start.wait(PATIENCE)
        left = AFTER
        for _ in range(LIMIT):
            if finished.is_set():
                left -= 1
            if not left:
                return
            self._transaction("after" if finished.is_set() else "during")

    def _transaction(self, when: str) -> None:
        isolation = self._random.choice(("read committed", "read committed", "repeatable read"))
        rows = self.rows.copy()
        try:
            self._connection.execute(f"begin isolation level {isolation}".encode())
            self.club.deployment.become(self._connection, self._viewer)
            for _ in range(self._random.randint(1, 3)):
                self._random.choice(self._actions)(rows)
            self._connection.execute("commit")
        except psycopg.Error as error:
            self._connection.execute("rollback")
            self.refused[error.sqlstate or repr(error)] += 1
        except BaseException:
            # Or its locks would keep the operators waiting for ever.
            self._connection.close()
            raise
        else:
            self.rows = rows
            self.committed[when] += 1

    def _write(self, statement: str, *values: object) -> tuple | None:
        return self._connection.execute(statement.encode(), values).fetchone()

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _somebody(self) -> int:
        return self._random.choice(PEOPLE)

    def _task(self, rows: Rows) -> int:
        return self._random.choice(sorted(rows.tasks))

    def _add_task(self, rows: Rows) -> None:
        new, owner, status = self._number(), self._somebody(), self._random.choice(("Open", "Open", "Closed"))
        self._write("insert into app.task values (%s, %s, %s, 'new') returning 1", new, owner, status)
        rows.tasks[new] = (owner, status, "new")

    def _add_membership(self, rows: Rows) -> None:
        new, person = f"n{self._number()}", self._somebody()
        self._write("insert into app.membership values (%s, %s, 'new') returning 1", new, person)
        rows.memberships[new, person] = "new"

    def _add_message(self, rows: Rows) -> None:
        new, person = self._number(), self._somebody()
        found = self._write("select email from app.person where person_id = %s for key share", person)
        assert found is not None
        self._write("insert into app.message values (%s, %s, 'new') returning 1", new, found[0])
        rows.messages[new] = (person, "new")

    def _change_task(self, rows: Rows, change: str, *values: object) -> None:
        task = self._task(rows)
        # Whose it is now, since erasing may have handed it over.
        statement = f"update app.task set {change} where task_id = %s returning owner_id, status, title"
        changed = self._write(statement, *values, task)
        assert changed is not None, f"task {task} is gone"
        rows.tasks[task] = changed

    def _retitle(self, rows: Rows) -> None:
        self._change_task(rows, "title = %s", f"title {self._number()}")

    def _close(self, rows: Rows) -> None:
        self._change_task(rows, "status = 'Closed'")

    def _hand_over(self, rows: Rows) -> None:
        self._change_task(rows, "owner_id = %s", self._somebody())

    def _remove_task(self, rows: Rows) -> None:
        if len(rows.tasks) < FEW:
            return self._add_task(rows)
        task = self._task(rows)
        assert self._write("delete from app.task where task_id = %s returning 1", task), f"task {task} is gone"
        del rows.tasks[task]
        return None

    def _promote(self, rows: Rows) -> None:
        club, person = which = self._random.choice(sorted(rows.memberships))
        role = f"role {self._number()}"
        statement = "update app.membership set role = %s where club = %s and person_id = %s returning 1"
        found = self._write(statement, role, club, person)
        assert found or person in ERASED, f"membership {which} is gone"
        rows.memberships[which] = role

    def _remove_membership(self, rows: Rows) -> None:
        if len(rows.memberships) < FEW:
            return self._add_membership(rows)
        club, person = which = self._random.choice(sorted(rows.memberships))
        found = self._write("delete from app.membership where club = %s and person_id = %s returning 1", club, person)
        assert found or person in ERASED, f"membership {which} is gone"
        del rows.memberships[which]
        return None

    def _reword(self, rows: Rows) -> None:
        message, body = self._random.choice(sorted(rows.messages)), f"body {self._number()}"
        assert self._write("update app.message set body = %s where message_id = %s returning 1", body, message)
        rows.messages[message] = (rows.messages[message][0], body)

    def _remove_message(self, rows: Rows) -> None:
        if len(rows.messages) < FEW:
            return self._add_message(rows)
        message = self._random.choice(sorted(rows.messages))
        assert self._write("delete from app.message where message_id = %s returning 1", message)
        del rows.messages[message]
        return None

    def _translate(self, rows: Rows) -> None:
        person, locale = self._random.choice(sorted(rows.locales)), f"l{self._number()}"
        assert self._write("update app.person set locale = %s where person_id = %s returning 1", locale, person)
        rows.locales[person] = locale


def operate(club: Club, people: range, start: Barrier, *, planned: bool) -> tuple[Erasure, Counter[str]]:
    """Erase these people, retrying those who fail; the result, and with what they failed on the way."""
    register = club.register()
    number = open_request(register, "person", [str(key) for key in people]).number
    if planned:
        dry_run(register, number, batch=7)
    start.wait(PATIENCE)
    failed: Counter[str] = Counter()
    for _ in range(ROUNDS):
        result = erase(register, number, batch=4)
        failed.update(one.sqlstate for one in result.failures)
        if not result.failures:
            return result, failed
        assert retry_request(register, number) == len(result.failures)
    raise AssertionError(failed)


def erase_meanwhile(club: Club, writers: Sequence[Writer]) -> list[tuple[Erasure, Counter[str]]]:
    """Let both operators work while the writers write; what the operators came to."""
    start, finished = Barrier(WRITERS + 2), Event()
    with ThreadPoolExecutor(WRITERS + 2) as pool:
        writing = [pool.submit(one.run, start, finished) for one in writers]
        try:
            # Whoever fails before all have begun keeps the others from waiting for him.
            for one in writing:
                one.add_done_callback(lambda one: start.abort() if one.exception() else None)
            operators = [
                pool.submit(operate, club, people, start, planned=planned)
                for people, planned in ((FIRST, True), (SECOND, False))
            ]
            wait(operators)
        finally:
            finished.set()
        broken = [error for one in writing if (error := one.exception())]
        assert [error for error in broken if not isinstance(error, BrokenBarrierError)] == []
        return [one.result() for one in operators]


def heir(person: int) -> int:
    """The person, or whoever is next above who is not erased."""
    while person in ERASED:
        person = MANAGERS[person]
    return person


def test_an_application_that_writes_all_the_while(unapplied: Club):
    tables = ("person", "task", "membership", "message")
    eraser = f"{unapplied.prefix}_eraser"
    unapplied.owner.execute((SETUP + "".join(AUDIT.format(table=one, eraser=eraser) for one in tables)).encode())
    # Deadlocks are part of the test; waiting for them to be noticed is not.
    unapplied.admin.execute(f"alter database {unapplied.database.name} set deadlock_timeout = '20ms'".encode())
    before = dict(unapplied.rows("select person_id, p::text from app.person as p where person_id <= 7"))
    club = unapplied.apply(*(f"app.{one}.audit" for one in tables))

    writers = [Writer(club, number, user) for number, user in enumerate((club.web, club.web, None))]
    results = erase_meanwhile(club, writers)

    # The writers wrote while people were erased, and were refused for nothing else.
    refused = sum((one.refused for one in writers), Counter())
    assert refused["ZE105"] > 0
    assert set(refused) <= {"ZE105", *IN_THE_WAY}
    assert all(one.committed[when] for one in writers for when in ("before", "during", "after"))

    # All were erased, in the end.
    for (result, failed), people in zip(results, (FIRST, SECOND), strict=True):
        assert (result.request.done, result.request.pending, result.request.failed) == (len(people), 0, 0)
        assert set(failed) <= {"ZE101", *IN_THE_WAY}
    internal = f"{club.prefix}_internal"
    in_ledger = club.rows(f"select key::integer from {internal}.erased_person where erased_at is not null")
    assert {key for (key,) in in_ledger} == ERASED
    by_status = club.rows("select person_id from app.person where status = 'ERASED'")
    assert {key for (key,) in by_status} == ERASED

    # Nothing is left with them but what the map keeps.
    gone = "(select person_id from app.person where status = 'ERASED')"
    assert club.rows(f"select * from app.membership where person_id in {gone}") == []
    assert club.rows(f"select * from app.task where status <> 'Closed' and owner_id in {gone}") == []
    assert club.rows(f"select * from app.person where manager_id in {gone}") == []
    addresses = [f"{key}@club.example" for key in ERASED]
    assert club.admin.execute("select * from app.message where sender = any (%s)", [addresses]).fetchall() == []

    # Every row that was committed is there as it was, or as the rules say, and no other row is.
    rows = [one.rows for one in writers]
    tasks = {
        key: (owner if status == "Closed" else heir(owner), status, title)
        for one in rows
        for key, (owner, status, title) in one.tasks.items()
    }
    found = club.rows("select task_id, owner_id, status, title from app.task where task_id > 100")
    assert {row[0]: row[1:] for row in found} == tasks
    memberships = {which: role for one in rows for which, role in one.memberships.items() if which[1] not in ERASED}
    found = club.rows("select club, person_id, role from app.membership where person_id > 7")
    assert {row[:2]: row[2] for row in found} == memberships
    emails = dict(club.rows("select person_id, email from app.person"))
    messages = {key: (emails[sender], body) for one in rows for key, (sender, body) in one.messages.items()}
    found = club.rows("select message_id, sender, body from app.message where message_id > 100")
    assert {row[0]: row[1:] for row in found} == messages
    people = {
        key: (
            *(("Deleted user", None, "ERASED") if key in ERASED else (f"Name {key}", f"+1 555 {key}", "ACTIVE")),
            one.locales[key],
            heir(MANAGERS[key]),
        )
        for one in rows
        for key in one.locales
    }
    found = club.rows(
        "select person_id, full_name, phone, status, locale, manager_id from app.person where person_id > 7"
    )
    assert {row[0]: row[1:] for row in found} == people
    assert {key: email for key, email in emails.items() if key > 7 and key not in ERASED} == {
        key: f"{key}@club.example" for key in PEOPLE if key not in ERASED
    }
    assert dict(club.rows("select person_id, p::text from app.person as p where person_id <= 7")) == before

    # The ledger says of everybody what was done, of both requests together. Whom the other one erased first has a plan only.
    ledger = club.rows(
        f"select key, relation, strategy, sum(done)::bigint from {internal}.request_count "
        "where strategy <> 'keep' and done is not null group by 1, 2, 3"
    )
    assert sorted(ledger) == sorted(club.rows(AUDITED))


TASK = "select owner_id, status from app.task where task_id = 51"
MEMBERSHIP = "select person_id from app.membership where club = 'go'"
LOOKED_AT = """
    create function app.look() returns trigger language plpgsql as 'begin return old; end';
    create trigger look before delete on app.membership for each row execute function app.look();
"""


@pytest.mark.parametrize(
    ("change", "query", "stays"),
    [
        ("update app.task set owner_id = 7 where task_id = 51", TASK, (7, "Open")),
        ("update app.task set status = 'Closed' where task_id = 51", TASK, (5, "Closed")),
        ("update app.membership set person_id = 7 where club = 'go'", MEMBERSHIP, (7,)),
        (
            "update app.message set sender = 'dan@club.example' where message_id = 51",
            "select sender from app.message where message_id = 51",
            ("dan@club.example",),
        ),
        (
            "update app.person set manager_id = 7 where person_id = 6",
            "select manager_id from app.person where person_id = 6",
            (7,),
        ),
    ],
)
@pytest.mark.parametrize("code", [False, True])
def test_what_a_writer_takes_away_while_erasing_waits_is_left_alone(
    change: str, query: str, stays: tuple, code: bool, unapplied: Club
):
    """The row was the person's when erasing found it. With code of the application, rows are looked at before the change."""
    unapplied.owner.execute(
        ("update app.person set manager_id = 5 where person_id = 6;" + (LOOKED_AT if code else "")).encode()
    )
    club = unapplied.apply(*(["app.membership.look"] if code else []))
    writer = club.begin()
    assert writer.execute(change.encode()).rowcount == 1
    run = club.in_background(lambda: club.erase(5))
    club.until_blocked(work=run)
    writer.execute("commit")
    result = run.result(30)
    assert {one.sqlstate for one in result.failures} <= {"ZE101"}
    assert club.rows(query) == [stays]
    register = club.register()
    retry_request(register, result.request.number)
    assert erase(register, result.request.number).failures == ()
    assert club.rows(query) == [stays]
    assert club.rows("select status from app.person where person_id = 5") == [("ERASED",)]
