"""Killed at every statement boundary, be it the client, its session or the server: the run is resumed with exact counts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from pgerase.errors import DatabaseFailed
from pgerase.operate import Register, dry_run, erase, open_request
from pgerase.server import THROWAWAY
from tests.fix_database import FreshDatabase
from tests.operate.conftest import Shop, before_statement, expected, found, keys
from tests.operate.crash import CrashingServer

PEOPLE = 6


def group(number: int) -> range:
    """People nobody else in the test erases."""
    return range(number * PEOPLE + 1, number * PEOPLE + PEOPLE + 1)


def opened(register: Register, number: int) -> int:
    request = open_request(register, "person", keys(group(number)))
    dry_run(register, request.number)
    return request.number


def assert_whole_or_untouched(shop: Shop, people: range) -> None:
    """Everybody is erased wholly, as the ledger says too, or not at all."""
    for n, status, email, notes, tickets, state, erased in shop.rows(
        """
        select
            p.person_id, p.status, p.email,
            (select count(*) from shop.note where author_id = p.person_id),
            (select count(*) from shop.ticket where owner_id = p.person_id),
            r.state,
            e.erased_at is not null
        from shop.person p
            join {i}.request_person r on r.key = p.person_id::text
            left join {i}.erased_person e on e.key = r.key
        where p.person_id = any (%s)
        """,
        [list(people)],
    ):
        if state == "done":
            assert (status, notes, tickets, erased) == ("ERASED", 0, 0, True)
        else:
            assert (status, email, notes, tickets, state, erased) == (
                "ACTIVE",
                f"person{n}@example.org",
                n % 4,
                n % 3,
                "pending",
                False,
            )


def resume(shop: Shop, request: int, people: range) -> None:
    """Another client goes on; the counts of all runs together are those of the data."""
    done = erase(shop.register(), request, batch=2)
    assert found(done.counts) == expected(people)
    assert (done.request.done, done.request.pending, done.failures) == (len(people), 0, ())
    assert_whole_or_untouched(shop, people)


def statements(shop: Shop, monkeypatch) -> int:
    """How many statements one whole run sends."""
    register = shop.register()
    request = opened(register, 0)
    with before_statement(monkeypatch, 0, lambda: None) as sent:
        erase(register, request, batch=2)
    return sent[0]


def test_client_killed_at_every_statement(shop, monkeypatch) -> None:
    register = shop.register()
    script = Path(__file__).parent / "interrupted_client.py"
    checkout = script.parents[2]
    environment = os.environ | {"PYTHONPATH": f"{checkout}{os.pathsep}{checkout / 'src'}"}
    # The client asks once more than the run: whether the ledger is there.
    total = statements(shop, monkeypatch) + 1
    assert total > 3 * (PEOPLE / 2)
    requests = {number: opened(register, number) for number in range(1, total + 1)}

    def kill(number: int) -> int:
        command = [sys.executable, script, shop.database.dsn(), shop.prefix, str(requests[number]), str(number)]
        return subprocess.run(command, env=environment, check=False).returncode

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(kill, requests)) == {-signal.SIGKILL}
    for number, request in requests.items():
        resume(shop, request, group(number))


def test_session_terminated_at_every_statement(shop, monkeypatch) -> None:
    total = statements(shop, monkeypatch)
    for number in range(1, total + 1):
        register = shop.register()
        request = opened(register, number)
        pid = register.database.connection.info.backend_pid

        def terminate(pid: int = pid) -> None:
            assert shop.as_admin("select pg_terminate_backend(%s, 10000)", [pid]) == [(True,)]

        with (
            before_statement(monkeypatch, number, terminate),
            pytest.raises(DatabaseFailed, match="is lost") as failure,
        ):
            erase(register, request, batch=2)
        assert "resumes" in failure.value.hint
        assert_whole_or_untouched(shop, group(number))
        resume(shop, request, group(number))


@pytest.mark.parametrize("ending", ["terminate", "cancel"])
def test_session_ended_inside_a_batch(shop, ending) -> None:
    # A trigger of the application waits in the middle of the erasing statement.
    shop.as_admin("""
        create function shop.wait() returns trigger language plpgsql as
            $$begin perform pg_advisory_xact_lock(42); return null; end$$;
        create trigger wait after delete on shop.note for each row when (old.author_id = 5) execute function shop.wait();
    """)
    register = shop.register()
    people = range(1, 13)
    request = open_request(register, "person", keys(people)).number
    pid = register.database.connection.info.backend_pid
    with shop.database.connect_admin() as admin, ThreadPoolExecutor(1) as pool:
        admin.execute("select pg_advisory_lock(42)")
        running = pool.submit(erase, register, request, batch=4)
        waiting = "select count(*) from pg_locks where pid = %s and locktype = 'advisory' and not granted"
        while admin.execute(waiting, [pid]).fetchone() == (0,):
            admin.execute("select pg_sleep(0.02)")
        admin.execute(f"select pg_{ending}_backend(%s)".encode(), [pid])
        if ending == "terminate":
            with pytest.raises(DatabaseFailed, match="is lost"):
                running.result()
            admin.execute("select pg_advisory_unlock(42)")
            assert_whole_or_untouched(shop, people)
            resume(shop, request, people)
        else:
            admin.execute("select pg_advisory_unlock(42)")
            # Halved, and done in the end: the second time nobody cancels.
            assert found(running.result().counts) == expected(people)


def test_server_killed_at_every_statement(tmp_path, monkeypatch) -> None:
    binaries = os.environ.get("PGERASE_TEST_BIN", "")
    # What is committed has to be there afterwards.
    settings = {**THROWAWAY, "synchronous_commit": "on"}
    with CrashingServer(binaries=Path(binaries) if binaries else None, settings=settings) as server:
        database = FreshDatabase(server.dsn(), "crash", "template0")
        database.create()
        shop = Shop.make(database)
        total = statements(shop, monkeypatch)
        for number in range(1, total + 1):
            register = shop.register()
            request = opened(register, number)
            with before_statement(monkeypatch, number, server.crash), pytest.raises(DatabaseFailed, match="is lost"):
                erase(register, request, batch=2)
            shop.owner = database.connect()
            assert_whole_or_untouched(shop, group(number))
            resume(shop, request, group(number))
        shop.close()
        database.close()


def together(*calls) -> list:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [running.result() for running in [pool.submit(*call) for call in calls]]


def test_two_operators_of_one_request_share_its_people(shop) -> None:
    people = range(1, 201)
    first, second = shop.register(), shop.register()
    request = open_request(first, "person", keys(people)).number
    dry_run(first, request)
    shares: dict[int, int] = {}

    def run(register: Register, me: int):
        return erase(register, request, batch=4, progress=lambda now: shares.__setitem__(me, now.done))

    results = together((run, first, 1), (run, second, 2))
    assert sum(shares.values()) == 200
    for result in results:
        assert found(result.counts) == expected(people)
        assert (result.request.done, result.failures) == (200, ())


def test_two_operators_never_have_the_same_person(shop) -> None:
    first, second = shop.register(), shop.register()
    request = open_request(first, "person", keys(range(1, 11))).number
    with first.database.transaction(undo=True), second.database.transaction(undo=True):
        mine, theirs = (one.call("take_people", request, 4, False)[0]["take_people"] for one in (first, second))
        # In the order of the text, not of the number.
        assert (mine, theirs) == (["1", "10", "2", "3"], ["4", "5", "6", "7"])
        assert second.call("take_people", request, 9, False)[0]["take_people"] == ["4", "5", "6", "7", "8", "9"]


def test_two_requests_about_the_same_people_erase_them_once(shop) -> None:
    first, second = shop.register(), shop.register()
    # One in this order, one in the other: they meet in the middle and wait for each other, never in a circle.
    one = open_request(first, "person", keys(range(1, 121))).number
    other = open_request(second, "person", keys(range(200, 40, -1))).number
    dry_run(first, one)
    dry_run(second, other)
    results = together((erase, first, one), (erase, second, other))
    assert [result.failures for result in results] == [(), ()]
    total: dict = {}
    for result in results:
        for key, (people, rows) in found(result.counts).items():
            had = total.get(key, (0, 0))
            total[key] = (had[0] + people, had[1] + rows)
    twice = 120 - 40
    wanted = expected(range(1, 201))
    wanted["shop.invoice", "keep"] = (200 + twice, 200 + twice)
    assert total == wanted
    assert shop.rows("select count(*), count(distinct token) from {i}.erased_person") == [(200, 200)]


def test_operator_whose_neighbour_fails_takes_his_people(shop) -> None:
    first, second = shop.register(), shop.register()
    people = range(1, 21)
    request = open_request(first, "person", keys(people)).number
    with ThreadPoolExecutor(1) as pool:
        with first.database.transaction(undo=True):
            held = first.call("take_people", request, 7, False)[0]["take_people"]
            assert len(held) == 7
            assert len(first.call("erase_people", request, held)) > 7
            running = pool.submit(erase, second, request, batch=5)
            pid = second.database.connection.info.backend_pid
            waiting = "select wait_event_type from pg_stat_activity where pid = %s"
            while shop.as_admin(waiting, [pid]) != [("Lock",)]:
                shop.as_admin("select pg_sleep(0.02)")
        assert found(running.result().counts) == expected(people)


def test_deadlock_with_the_application_is_tried_again(shop) -> None:
    register = shop.register()
    people = range(1, 11)
    request = open_request(register, "person", keys(people)).number
    with shop.database.connect() as application, ThreadPoolExecutor(1) as pool:
        application.execute("begin")
        application.execute("update shop.note set body = 'x' where author_id = 9")
        running = pool.submit(erase, register, request)
        pid = register.database.connection.info.backend_pid
        waiting = "select wait_event_type from pg_stat_activity where pid = %s"
        while shop.as_admin(waiting, [pid]) != [("Lock",)]:
            shop.as_admin("select pg_sleep(0.02)")
        try:
            application.execute("update shop.person set name = 'y' where person_id = 3")
            application.execute("commit")
        except psycopg.errors.DeadlockDetected:
            application.execute("rollback")
        result = running.result()
    assert result.failures == ()
    assert found(result.counts) == expected(people)
