"""Who wrote, and what for: S2's actor and context, read once a statement (issue 5, Build 1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import psycopg
import pytest

from pgerase import as_viewer
from pgerase.database import Database
from pgerase.operate import Register, erase, open_request
from tests.capture.conftest import CLINIC, Clinic, deployed
from tests.fix_database import FreshDatabase


@pytest.fixture(scope="module")
def strict(server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """The same clinic, where a write that nobody answers for is refused."""
    folder = tmp_path_factory.mktemp("strict")
    for file in CLINIC.glob("*.yaml"):
        text = file.read_text().replace("context: recorded", "context: required")
        (folder / file.name).write_text(text)
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        yield deployed(database, tmp_path_factory.mktemp("deployed"), folder)
    finally:
        database.drop()


def said(clinic: Clinic, relation: str = "app.counter") -> tuple:
    """Who wrote last, and what for."""
    where = f"relation = '{relation}' and entry_id = (select max(entry_id) from {clinic.prefix}_log.entry where relation = '{relation}')"
    (last,) = clinic.entries(where)
    return tuple(last[name] for name in ("actor", "login", "role", "request", "purpose"))


def test_the_viewer_of_the_token_is_the_actor_and_the_login_stands_beside(strict: Clinic) -> None:
    connection = strict.connect()
    with as_viewer(connection, token=strict.sign(1), prefix=strict.prefix):
        connection.execute("insert into app.counter values (1, 1)")
    assert said(strict) == ("1", strict.web, None, None, None)


def test_request_and_purpose_are_the_block_s_and_end_with_it(strict: Clinic) -> None:
    connection = strict.connect()
    with as_viewer(connection, token=strict.sign(1), request="R-1", purpose="billing", prefix=strict.prefix):
        connection.execute("insert into app.counter values (2, 1)")
        assert said(strict, "app.counter")[0] == "1"
        with as_viewer(connection, token=strict.sign(2), request="R-2", prefix=strict.prefix):
            connection.execute("insert into app.counter values (3, 1)")
        connection.execute("insert into app.counter values (4, 1)")
    kept = strict.entries("key ->> 'counter_id' in ('2', '3', '4')")
    assert [(one["actor"], one["request"], one["purpose"]) for one in kept] == [
        ("1", "R-1", "billing"),
        ("2", "R-2", None),
        ("1", "R-1", "billing"),
    ]
    with as_viewer(connection, token=strict.sign(1), prefix=strict.prefix):
        connection.execute("insert into app.counter values (5, 1)")
    assert said(strict) == ("1", strict.web, None, None, None)


def test_asynchronous_blocks_annotate_alike(strict: Clinic) -> None:
    async def write() -> None:
        connection = await psycopg.AsyncConnection.connect(strict.database.dsn(strict.web))
        async with connection, as_viewer(connection, token=strict.sign(2), request="R-9", prefix=strict.prefix):
            await connection.execute("insert into app.counter values (9, 1)")

    asyncio.run(write())
    assert said(strict) == ("2", strict.web, None, "R-9", None)


def test_a_role_that_was_set_is_named_as_the_login_is(strict: Clinic) -> None:
    with strict.admin.transaction():
        strict.admin.execute(f'set local role "{strict.database.owner}"')
        strict.admin.execute(f"select {strict.prefix}.annotate('migration 7', null)")
        strict.admin.execute("insert into app.counter values (11, 1)")
    login = strict.admin.info.user
    assert said(strict) == (None, login, strict.database.owner, "migration 7", None)


def test_a_write_that_nobody_answers_for_is_refused(strict: Clinic) -> None:
    connection = strict.connect()
    for statement in (
        "insert into app.counter values (20, 1)",
        "update app.counter set count = 2",
        "delete from app.counter",
        "truncate app.counter",
    ):
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(statement.encode())
        assert refused.value.sqlstate == "ZE201"
        assert "app.counter" in str(refused.value)
    # Statements that touch nothing, and tables that nobody captures, ask for nobody.
    connection.execute("update app.counter set count = 2 where counter_id = -1")
    connection.execute("select 1 from app.staff")


def test_what_a_pooled_session_has_left_over_answers_for_nothing(strict: Clinic) -> None:
    connection = strict.connect()
    with as_viewer(connection, token=strict.sign(1), request="R-1", prefix=strict.prefix):
        request = connection.execute(f"select current_setting('{strict.prefix}.request')").fetchone()
    assert request is not None
    connection.execute("select set_config(%s, %s, false)", [f"{strict.prefix}.request", request[0]])
    connection.execute("select set_config(%s, 'plain', false)", [f"{strict.prefix}.purpose"])
    with pytest.raises(psycopg.Error) as refused:
        connection.execute("insert into app.counter values (21, 1)")
    assert refused.value.sqlstate == "ZE201"


def set_by_hand(clinic: Clinic, request: str | None, purpose: str | None, counter: int) -> None:
    """Write under settings that a client makes itself, stamped as annotate stamps them; None is not set."""
    with clinic.admin.transaction():
        for name, value in (("request", request), ("purpose", purpose)):
            if value is not None:
                statement = "select set_config(%s, %s || '@' || extract(epoch from now()), true)"
                clinic.admin.execute(statement, [f"{clinic.prefix}.{name}", value])
        clinic.admin.execute("insert into app.counter values (%s, 1)", [counter])


def test_a_purpose_that_was_set_by_hand_is_read_with_a_request_only(strict: Clinic, clinic: Clinic) -> None:
    """docs/capture.md, "Who answers for a write": capture looks for a request, and for a purpose where there is one."""
    for number, one in enumerate((strict, clinic)):
        set_by_hand(one, "job 7", "billing", 40 + number)
        assert said(one)[3:] == ("job 7", "billing")
        # A request that is empty is one that was set: so annotate says a purpose alone.
        set_by_hand(one, "", "billing", 42 + number)
        assert said(one)[3:] == (None, "billing")
    with pytest.raises(psycopg.Error) as refused:
        set_by_hand(strict, None, "billing", 44)
    assert refused.value.sqlstate == "ZE201"
    set_by_hand(clinic, None, "billing", 44)
    assert said(clinic)[3:] == (None, None)


def test_annotate_refuses_what_says_nothing_and_what_is_no_reference(strict: Clinic) -> None:
    connection = strict.connect()
    for request, purpose in ((None, None), ("", ""), ("x" * 1001, None), (None, "x" * 1001)):
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(f"select {strict.prefix}.annotate(%s, %s)".encode(), [request, purpose])
        assert refused.value.sqlstate == "ZE203"


def test_the_installing_role_answers_for_its_migrations(strict: Clinic) -> None:
    with strict.owner.transaction():
        strict.owner.execute(f"select {strict.prefix}.annotate('V12__counters', 'migration')".encode())
        strict.owner.execute("insert into app.counter values (30, 1)")
    assert said(strict)[3:] == ("V12__counters", "migration")


def test_erasing_answers_for_itself(strict: Clinic) -> None:
    with strict.admin.transaction():
        strict.admin.execute(f"select {strict.prefix}.annotate('seed', null)".encode())
        strict.admin.execute("insert into app.patient (patient_id, name) values (70, 'Ann')")
    with Database.open(strict.database.dsn()) as opened:
        register = Register(opened, strict.prefix)
        number = open_request(register, "patient", ["70"]).number
        assert erase(register, number).failures == ()
    p = strict.prefix
    found = strict.admin.execute(
        f"select request, purpose, key, new, parts from {p}_log.entry where relation = 'app.patient' and action = 'update'".encode()
    )
    # What erasing itself wrote is captured, and what was somebody's in it is forgotten with the rest (E4).
    assert found.fetchall() == [(f"erasure {number}", "erasure", {"patient_id": 70}, {"name_length": None}, 1)]
    left = strict.admin.execute(f"select count(*) from {p}_log.value where person = '70'".encode())
    assert left.fetchone() == (0,)


@pytest.mark.parametrize("request_", ["erasure 12", " ERASURE\t12", "erasure of somebody"])
def test_a_client_that_says_it_is_an_erasure_is_refused(strict: Clinic, request_: str) -> None:
    """Threat: whoever wipes what somebody said names it erasure 12, and it looks like what the ledger did."""
    connection = strict.connect()
    with pytest.raises(psycopg.Error) as refused:
        connection.execute(f"select {strict.prefix}.annotate(%s, null)".encode(), [request_])
    assert refused.value.sqlstate == "ZE203"


def test_what_follows_an_erasure_in_its_transaction_is_not_taken_for_it(strict: Clinic) -> None:
    """Threat: erase somebody, and whatever the transaction writes afterwards goes by the name of the erasure."""
    p, connection = strict.prefix, strict.owner
    with strict.admin.transaction():
        strict.admin.execute(f"select {p}.annotate('seed', null)".encode())
        strict.admin.execute("insert into app.patient (patient_id, name) values (71, 'Bob'), (72, 'Cy')")
    open_it = f"select {p}_internal.open_request('erasure', 'patient', array[%s], null, null, false)".encode()
    erase_it = f"select from {p}_internal.erase_people(%s, array[%s])".encode()
    for person, said_before in (("71", "V13"), ("72", None)):
        with connection.transaction(force_rollback=True):
            if said_before is not None:
                connection.execute(f"select {p}.annotate(%s, null)".encode(), [said_before])
            number = connection.execute(open_it, [person]).fetchone()[0]
            connection.execute(erase_it, [number, person])
            if said_before is None:
                with pytest.raises(psycopg.Error) as refused:
                    connection.execute("insert into app.counter values (31, 1)")
                assert refused.value.sqlstate == "ZE201"
                continue
            connection.execute("insert into app.counter values (31, 1)")
            rows = connection.execute(
                f"select relation, request, purpose from {p}_log.entry where xact = pg_current_xact_id() order by entry_id".encode()
            )
            assert rows.fetchall() == [
                ("app.patient", f"erasure {number}", "erasure"),
                ("app.counter", "V13", None),
            ]


def test_the_support_grant_under_which_somebody_stands_is_named(strict: Clinic) -> None:
    connection, p = strict.connect(), strict.prefix
    strict.admin.execute(
        f"begin; select {p}.annotate('seed', null); insert into app.patient (patient_id) values (80); commit".encode()
    )
    with as_viewer(connection, token=strict.sign(2), prefix=p):
        opened = connection.execute(
            f"select {p}.open_support('patient', '80', 'asked for help', 'T-1', now() + interval '1 hour')".encode()
        ).fetchone()
        connection.execute("insert into app.counter values (80, 1)")
    assert opened is not None
    for viewer, number in ((2, 81), (1, 82)):
        with as_viewer(connection, token=strict.sign(viewer), prefix=p):
            connection.execute(f"insert into app.counter values ({number}, 1)".encode())
    with as_viewer(connection, token=strict.sign(2), prefix=p):
        connection.execute(f"select {p}.close_support({opened[0]})".encode())
    with as_viewer(connection, token=strict.sign(2), prefix=p):
        connection.execute("insert into app.counter values (83, 1)")
    found = strict.admin.execute(
        f"select (key ->> 'counter_id')::integer, grant_id from {p}_log.entry "
        "where relation = 'app.counter' and (key ->> 'counter_id')::integer between 80 and 83 order by 1".encode()
    )
    # One that was opened by the same transaction is none yet.
    assert found.fetchall() == [(80, None), (81, opened[0]), (82, None), (83, None)]
