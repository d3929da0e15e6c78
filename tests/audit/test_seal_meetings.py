"""Sealing while others write, erase, seal or restore: what is not visible yet is sealed later, and nothing is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from pgerase.database import Database
from tests.audit.fix_seal import LogCopy


def entry(copy: LogCopy, connection: psycopg.Connection, at: str, person: str | None = None) -> int:
    """An entry on another connection, which may have a transaction open."""
    row = connection.execute(
        copy.written(
            "insert into {log}.entry (class, at, relation, action, login, parts) values ('default', %s, 'a.b', 'update', 'x', %s)"
            " returning entry_id"
        ).encode(),
        [at, 0 if person is None else 1],
    ).fetchone()
    assert row is not None
    if person is not None:
        connection.execute(
            copy.written(
                "insert into {log}.value (class, at, entry_id, part, subject, person) values ('default', %s, %s, 1, 'person', %s)"
            ).encode(),
            [at, row[0], person],
        )
    return int(row[0])


def floor(copy: LogCopy) -> int:
    ((found,),) = copy.rows("select max(floor) from {log}.segment")
    return int(found)


def test_an_entry_that_commits_after_later_numbers_were_sealed_is_sealed_then(copy):
    """No false alarm: the floor stays below the number of a transaction that is running."""
    early, late = copy.connect(), copy.connect()
    early.execute("begin")
    number = entry(copy, early, "2026-10-06 00:00Z")
    # Nothing that began later has ended: snapshots do not tell that it runs.
    copy.seal("2026-10-06 00:10Z")
    for minute in range(4):
        entry(copy, late, f"2026-10-06 00:1{minute}Z")
        copy.seal(f"2026-10-06 00:1{minute}:30Z")
        assert floor(copy) < number
    assert copy.findings() == set()
    early.execute("commit")
    # It says 00:00, and the seal of 00:10 saw greater numbers: but its transaction was running then.
    assert copy.findings() == set()
    assert [entries for *_, entries in copy.seal("2026-10-06 00:30Z")] == [1]
    copy.outlive_others()
    copy.seal("2026-10-06 00:40Z")
    assert floor(copy) > number
    assert copy.findings() == set()


def test_a_writer_does_not_wait_for_the_seal_nor_the_seal_for_a_writer(copy):
    writer = copy.connect()
    writer.execute("begin")
    entry(copy, writer, "2026-10-06 00:00Z", "1")
    with copy.database.transaction():
        copy.run("set local lock_timeout = '1s'")
        copy.seal("2026-10-06 00:10Z")
        writer.execute("set local lock_timeout = '1s'")
        entry(copy, writer, "2026-10-06 00:00Z", "1")
        writer.execute("commit")
    assert copy.findings() == set()


def test_a_second_sealer_says_so(copy):
    other = copy.connect()
    other.execute("begin")
    other.execute(copy.written("select {log}.seal()").encode())
    with pytest.raises(Exception, match="another session is sealing the log") as refused:
        copy.seal("2026-10-06 00:10Z")
    copy.rows("select set_config('role', 'none', false)")
    assert refused.value.sqlstate == "ZE230"  # type: ignore[attr-defined]
    other.execute("rollback")
    assert copy.seal("2026-10-06 00:10Z") == [(7, "record", None, 0)]


def test_erasing_waits_for_a_seal_and_empties_the_salts_that_it_drew(copy):
    """Else the salt of an erased value would stay, and with it the means to confirm a guess."""
    entry(copy, copy.database.connection, "2026-10-06 00:00Z", "77")
    sealer, eraser = copy.connect(), copy.connect()
    sealer.execute("begin")
    sealer.execute(copy.written("select {log}.seal('2026-10-06 00:10Z')").encode())
    with ThreadPoolExecutor(1) as pool:
        erased = pool.submit(eraser.execute, copy.written("select {log}.forget_people('person', '{77}', 1)").encode())
        while not copy.rows("select 1 from pg_locks where locktype = 'advisory' and not granted"):
            assert not erased.done()
        sealer.execute("commit")
        assert erased.result(30).fetchone() == (1,)
    assert copy.rows("select salts from {log}.leaf where at = '2026-10-06 00:00Z'") == [([None],)]
    copy.seal("2026-10-06 00:20Z")
    assert copy.findings() == set()


def test_a_seal_waits_for_an_erasure_that_it_would_see_half_of(copy):
    entry(copy, copy.database.connection, "2026-10-06 00:00Z", "77")
    eraser, sealer = copy.connect(), copy.connect()
    eraser.execute("begin")
    eraser.execute(copy.written("select {log}.forget_people('person', '{77}', 1)").encode())
    with ThreadPoolExecutor(1) as pool:
        sealed = pool.submit(sealer.execute, copy.written("select {log}.seal('2026-10-06 00:10Z')").encode())
        while not copy.rows("select 1 from pg_locks where locktype = 'advisory' and not granted"):
            assert not sealed.done()
        eraser.execute("commit")
        sealed.result(30)
    assert copy.rows("select salts, commitments from {log}.leaf where at = '2026-10-06 00:00Z'") == [
        ([None], [bytes(32)])
    ]
    assert copy.findings() == set()


def test_an_erasure_that_could_not_see_the_latest_seal_is_made_good_by_the_next_one(copy):
    entry(copy, copy.database.connection, "2026-10-06 00:00Z", "77")
    eraser = copy.connect()
    eraser.execute("begin isolation level repeatable read")
    eraser.execute("select 1")
    copy.seal("2026-10-06 00:10Z")
    eraser.execute(copy.written("select {log}.forget_people('person', '{77}', 1)").encode())
    eraser.execute("commit")
    assert copy.findings() == {"erasure-unsealed", "salt-left"}
    copy.seal("2026-10-06 00:20Z")
    assert copy.findings() == set()


def test_survives_dump_and_restore(copy, copies: Callable[..., LogCopy], pg_programs: Path):
    """A dump restored elsewhere verifies, and is sealed on; a transaction that was running is nobody's concern there."""
    running = copy.connect()
    running.execute("begin")
    entry(copy, running, "2026-10-06 00:00Z")
    entry(copy, copy.database.connection, "2026-10-06 00:01Z", "1")
    copy.seal("2026-10-06 00:10Z")
    unsealed = entry(copy, copy.database.connection, "2026-10-06 00:11Z", "2")
    file = subprocess.run(
        [pg_programs / "pg_dump", "--format=custom", "--dbname", copy.admin_dsn], capture_output=True, check=True
    ).stdout
    restored = copies(empty=True)
    done = subprocess.run(
        [pg_programs / "pg_restore", "--dbname", restored.admin_dsn], input=file, capture_output=True, check=False
    )
    # A newer pg_restore sets what an older server does not know.
    wrong = [
        line for line in done.stderr.decode().splitlines() if "error:" in line and "transaction_timeout" not in line
    ]
    assert wrong == []
    assert restored.findings() == set()
    assert restored.rows("select * from {log}.segment order by 1") == copy.rows(
        "select * from {log}.segment order by 1"
    )
    restored.seal("2026-10-06 00:20Z")
    assert restored.rows("select count(*) from {log}.leaf where entry_id = %s", [unsealed]) == [(1,)]
    entry(restored, restored.database.connection, "2026-10-06 00:21Z")
    restored.seal("2026-10-06 00:30Z")
    assert restored.findings() == set()
    # And the rest is guarded there as it was here.
    restored.run("update {log}.entry set actor = '8' where entry_id = 5")
    assert restored.findings() == {"entry-changed"}


def test_a_log_from_a_cluster_with_greater_transaction_numbers_is_sealed_on(copy):
    """The floor moves: transactions of the other cluster that it was waiting for are not here."""
    copy.write("2026-10-06 00:00Z")
    copy.seal("2026-10-06 00:10Z")
    ((last, before),) = copy.rows("select max(segment_id) as last, max(floor) as floor from {log}.segment")
    # The header as it would be, had it been sealed there while a transaction was running.
    copy.rows(
        "update {log}.segment as s set oldest = '9000000', newest = '9000005', hash = {log}.text_hash({log}.segment_text("
        " s.segment_id, s.kind, s.class, s.from_at, s.to_at, s.entries, s.first_id, s.last_id, s.sequence, s.floor, '9000000',"
        " '9000005', s.at, s.previous, s.root)) where s.segment_id = %s",
        [last],
    )
    assert copy.findings() == set()
    copy.write("2026-10-06 00:11Z")
    copy.seal("2026-10-06 00:20Z")
    assert floor(copy) > before
    copy.write("2026-10-06 00:21Z")
    copy.seal("2026-10-06 00:30Z")
    assert copy.findings() == set()


def test_erasing_through_the_ledger_erases_in_the_log_in_one_transaction(copy):
    """The routine of the ledger calls the log's; what fails takes both back."""
    copy.run(
        "create function {eraser}.erase_person(p_keys text[], p_tokens text[], p_erased boolean[])"
        " returns table (person text, relation text, strategy text, hits bigint) language sql"
        " as $$ select k, 'shop.person', 'delete', 1::bigint from unnest(p_keys) as k $$;"
        "create function {eraser}.status_person(p_keys text[]) returns int language sql as 'select 1';"
        "grant execute on function {eraser}.erase_person to {secret};"
        "insert into {internal}.request (kind, subject, received_at, due_on) values ('erasure', 'person', now(), '2026-12-01');"
        "insert into {internal}.request_person (request_id, key) values (1, '1')".replace(
            "{eraser}", copy.names.erasers
        ).replace("{secret}", copy.names.secret)
    )
    database: Database = copy.database
    statement = copy.written("select * from {internal}.erase_people(1, '{1}')")
    with database.transaction(undo=True):
        database.rows(statement)
        assert copy.rows("select count(*) from {log}.value where person = '1'") == [(0,)]
    assert copy.rows("select count(*) from {log}.value where person = '1'") == [(9,)]
    database.rows(statement)
    assert copy.rows("select count(*) from {log}.value where person = '1'") == [(0,)]
    copy.seal("2026-10-06 00:10Z")
    assert copy.findings() == set()
