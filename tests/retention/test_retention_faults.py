"""Killed anywhere, run twice, read while it runs: the next run finishes what was begun, and nobody waits for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event

import psycopg
import pytest

from pgerase.apply.ledger import missing_from_log
from pgerase.database import Database
from pgerase.errors import DatabaseFailed
from pgerase.install.survey import survey
from pgerase.operate import retention
from pgerase.operate.log import Log
from pgerase.operate.log_status import log_status
from pgerase.operate.retention_model import Fate, RunState
from pgerase.operate.seal.sealing import seal_log
from tests.retention.conftest import interrupted, utc


@pytest.fixture(autouse=True)
def no_long_tries(monkeypatch) -> None:
    monkeypatch.setattr(retention, "_TRIES", 2)


def members(archive) -> list[tuple]:
    """Who may use the keeper's rights."""
    return archive.as_admin(
        "select member::regrole::text from pg_auth_members where roleid = %s::regrole"
        " and (coalesce((to_jsonb(pg_auth_members) ->> 'inherit_option')::boolean, true)"
        " or coalesce((to_jsonb(pg_auth_members) ->> 'set_option')::boolean, true))",
        archive.names.keeper,
    )


def detached(archive) -> set[str]:
    return {row[0] for row in archive.rows("select relation from {l}.detached()")}


@contextmanager
def killed_before(archive, monkeypatch, number: int, victim: Database):
    """The session ends before the statement of this number that the run sends; how many were sent is kept."""
    sent = [0]

    def count(database) -> None:
        if database is victim:
            sent[0] += 1
            if sent[0] == number:
                pid = victim.connection.info.backend_pid
                assert archive.as_admin("select pg_terminate_backend(%s, 10000)", pid) == [(True,)]

    rows, run = Database.rows, Database.run

    def counted_rows(self, *arguments):
        count(self)
        return rows(self, *arguments)

    def counted_run(self, *arguments, **options):
        count(self)
        return run(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Database, "rows", counted_rows)
        patch.setattr(Database, "run", counted_run)
        yield sent


def prepare(archive) -> tuple[int, int]:
    """A partition that is due on 2026-03-01, with one entry, and one in the next."""
    archive.define("default", "1 month", "month", "2026-01-15")
    archive.run("2026-02-28", clock_is_right=True)
    return archive.write("2026-01-20", person="1"), archive.write("2026-02-20", person="1")


def killed_everywhere(archive, monkeypatch, step: int) -> None:
    archive.define("default", "1 month", "month", "2026-01-15")
    for day in range(1, 29):
        archive.write(f"2026-02-{day:02}")
    entry = archive.write("2026-02-28")
    archive.run("2026-02-28", clock_is_right=True)
    with killed_before(archive, monkeypatch, 0, archive.owner) as sent:
        archive.run("2026-03-01")
    total, left, month = sent[0], set(), utc("2026-04-01")
    assert total > 20
    for number in range(1, total + 1, step):
        victim = archive.open()
        old, entry = entry, archive.write(month - timedelta(days=1), person="1")
        # It is due now, and the run is killed.
        with killed_before(archive, monkeypatch, number, victim), pytest.raises(DatabaseFailed):
            archive.run(month, victim, clock_is_right=True)
        left |= {name.rpartition("_")[0] for name in detached(archive)}
        late = archive.write(month)
        run = archive.run(month + timedelta(minutes=1), clock_is_right=True)
        assert run.state is RunState.DONE, number
        assert (old in archive.entries(), {entry, late} <= archive.entries()) == (False, True)
        assert archive.bounds()[0] == ("-infinity", str((month - timedelta(days=1)).replace(day=1).date()))
        assert detached(archive) == set()
        assert members(archive) == []
        month = (month + timedelta(days=31)).replace(day=1)
    # It was killed between detaching and dropping as well.
    assert left == {"entry_1", "value_1", "leaf_1"}


def test_killed_before_some_statements_the_next_run_finishes(archive, monkeypatch) -> None:
    killed_everywhere(archive, monkeypatch, 5)


@pytest.mark.long
def test_killed_before_every_statement_the_next_run_finishes(archive, monkeypatch) -> None:
    killed_everywhere(archive, monkeypatch, 1)


def test_readers_block_nobody_and_an_interrupted_detach_is_finished_later(archive) -> None:
    old, young = prepare(archive)
    reader = archive.database.connect()
    with reader.transaction():
        reader.execute(archive.sql("select count(*) from {l}.entry"))
        run = archive.run("2026-03-01", patience=0.2)
        assert run.state is RunState.INCOMPLETE
        assert [one.name for one in run.outcomes if one.fate is Fate.BUSY] == ["default", "entry_1_20260101"]
        assert archive.rows("select distinct relation from {l}.partitions() where is_pending") == [
            ("entry_1_20260101",)
        ]
        # Others write and read on, and see no more of what is going; the reader does as before.
        archive.owner.run("set lock_timeout = '1s'")
        archive.as_admin("set lock_timeout = '1s'")
        late = archive.write("2026-03-01 00:01")
        assert archive.entries() == {young, late}
        assert reader.execute(archive.sql("select min(entry_id) from {l}.entry")).fetchone() in {(old,), (young,)}
        # Once more while the reader is there: still busy, nothing is lost, and nothing else of the class is tried.
        assert archive.run("2026-03-01 00:02", patience=0.2).counts[Fate.BUSY] >= 1
    run = archive.run("2026-03-01 00:03")
    assert run.state is RunState.DONE
    assert archive.entries() == {young, late}
    assert detached(archive) == set()


def test_making_partitions_gives_up_rather_than_queue_writers_behind_a_reader(archive) -> None:
    archive.define("default", "6 months", "month", "2026-01-15")
    reader = archive.database.connect()
    with reader.transaction():
        reader.execute(archive.sql("select count(*) from {l}.entry"))
        run = archive.run("2026-02-02", clock_is_right=True)
        assert (run.state, run.counts[Fate.BUSY]) == (RunState.INCOMPLETE, 1)
    assert archive.run("2026-02-02").counts[Fate.MADE] == 1


def test_what_is_missing_comes_back_though_somebody_reads_the_log_for_long(archive) -> None:
    """Threat: writes fail until the last reader is gone, as making the next partition has to wait and takes all with it."""
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.define("support", "6 months", "month", "2026-01-15")
    for table in ("value_1_20260201", "value_2_20260201"):
        archive.as_admin(f"drop table {{l}}.{table}")
    archive.as_admin("create table {l}.value_1_20260201 (x int)")
    reader = archive.database.connect()
    with reader.transaction():
        reader.execute(archive.sql("select count(*) from {l}.entry"))
        with pytest.raises(DatabaseFailed, match="value_1_20260201, which has its name, is none"):
            archive.run("2026-02-02", clock_is_right=True)
        # What one class has in its way is none of another's.
        assert archive.write("2026-02-02", "support", person="1")
        archive.as_admin("drop table {l}.value_1_20260201")
        run = archive.run("2026-02-02")
        assert (run.counts[Fate.MADE], run.counts[Fate.BUSY]) == (1, 2)
        assert archive.write("2026-02-02", person="1")


def test_dropping_goes_on_where_making_fails(archive) -> None:
    """Threat: what fails on one side undoes the other, every night (creation lost with the drop, or the drop with creation)."""
    old, young = prepare(archive)
    # Somebody took the name that the next partition is to have.
    archive.as_admin("create table {l}.value_1_20260501 (x int)")
    with pytest.raises(DatabaseFailed) as failure:
        archive.run("2026-03-01")
    assert failure.value.sqlstate == "42P07"
    assert archive.entries() == {young}
    assert archive.rows("select state, sqlstate from {l}.run order by run_id desc limit 1") == [("failed", "42P07")]
    archive.as_admin("drop table {l}.value_1_20260501")
    assert archive.run("2026-03-02").state is RunState.DONE
    assert old not in archive.entries()


def test_making_goes_on_where_dropping_fails(archive) -> None:
    prepare(archive)
    archive.as_admin("create view public.mine as select * from {l}.entry_1_20260101")
    before = archive.bounds()[-1]
    with pytest.raises(DatabaseFailed) as failure:
        archive.run("2026-03-01")
    assert failure.value.sqlstate == "2BP01"
    assert archive.bounds()[-1] > before
    archive.as_admin("drop view public.mine")
    assert archive.run("2026-03-02").state is RunState.DONE
    assert detached(archive) == set()


NEEDS = {
    "key": (
        "create table public.mine (entry_id bigint, constraint ours foreign key (entry_id) references {l}.entry_1_20260101 (entry_id))",
        "constraint ours on table public.mine depends on entry_1_20260101",
        "drop table public.mine",
    ),
    "view": (
        "create view public.mine as select * from {l}.value_1_20260101; create view public.more as select * from {l}.leaf_1_20260101",
        "view public.more depends on leaf_1_20260101; view public.mine depends on value_1_20260101",
        "drop view public.mine, public.more",
    ),
    "routine": (
        "create function public.mine() returns bigint language sql begin atomic select count(*) from {l}.leaf_1_20260101; end",
        "function public.mine() depends on leaf_1_20260101",
        "drop function public.mine()",
    ),
    "child": (
        "alter table {l}.value_1 detach partition {l}.value_1_20260101; create table public.mine () inherits ({l}.value_1_20260101)",
        "table public.mine depends on value_1_20260101",
        "drop table public.mine",
    ),
    "rule": (
        "create table public.mine (); create rule counts as on insert to public.mine do also select count(*) from {l}.entry_1_20260101",
        "rule counts on table public.mine depends on entry_1_20260101",
        "drop table public.mine",
    ),
    "rows in arrays": (
        "create table public.mine (held {l}.entry_1_20260101[])",
        "table public.mine depends on entry_1_20260101",
        "drop table public.mine",
    ),
}  # fmt: skip


@pytest.mark.parametrize("made", NEEDS)
def test_what_others_depend_on_is_named_and_all_else_goes(archive, made: str) -> None:
    """Threat: one key to one partition keeps everything else past its time, and a bare SQLSTATE is all that anybody hears."""
    make, named, drop = NEEDS[made]
    _, young = prepare(archive)
    archive.define("other", "1 month", "month", "2026-01-15")
    other = archive.write("2026-01-20", "other")
    archive.as_admin(make)
    for day in ("2026-03-01", "2026-03-02"):
        with pytest.raises(DatabaseFailed) as failure:
            archive.run(day)
        assert (failure.value.sqlstate, failure.value.message) == (
            "2BP01",
            f"PostgreSQL refused with SQLSTATE 2BP01; {named}",
        )
        assert archive.rows("select state, sqlstate from {l}.run order by run_id desc limit 1") == [("failed", "2BP01")]
        assert other not in archive.entries()
        # All three of them wait, and whoever asks in the morning is told why.
        assert detached(archive) == {"entry_1_20260101", "value_1_20260101", "leaf_1_20260101"}
        told = log_status(archive.owner, archive.prefix, now=utc(day)).alarms
        assert "the last run failed with SQLSTATE 2BP01: `pgerase audit maintain` goes on, or says what fails" in told
        for one in named.split("; "):
            assert f"{one}: what is due there cannot be dropped while it does" in told
    # Nothing was recorded as dropped that is there still.
    assert archive.rows("select body ->> 'class' from {l}.record where kind = 'drop'") == [("other",)]
    archive.as_admin(drop)
    assert archive.run("2026-03-03").state is RunState.DONE
    assert (detached(archive), young in archive.entries()) == (set(), True)
    assert archive.rows("select body ->> 'class' from {l}.record where kind = 'drop' order by record_id") == [
        ("other",), ("default",)
    ]  # fmt: skip
    assert log_status(archive.owner, archive.prefix, now=utc("2026-03-03")).alarms == ()


def test_a_key_to_the_whole_log_is_named_and_the_rest_goes_once_it_is_gone(archive) -> None:
    """Such a key keeps partitions from being made and detached: its table is somebody else's."""
    prepare(archive)
    archive.as_admin(
        "create unique index theirs on {l}.entry (class, at, entry_id);"
        "create table public.mine (class text, at timestamptz, entry_id bigint,"
        " constraint ours foreign key (class, at, entry_id) references {l}.entry (class, at, entry_id))"
    )
    with pytest.raises(DatabaseFailed) as failure:
        archive.run("2026-03-01")
    assert "; constraint ours on table public.mine depends on entry" in failure.value.message
    assert any(
        one.startswith("constraint ours on table public.mine depends on entry: ")
        for one in log_status(archive.owner, archive.prefix, now=utc("2026-03-01")).alarms
    )
    archive.as_admin("drop table public.mine; drop index {l}.theirs")
    assert archive.run("2026-03-02").state is RunState.DONE


def test_install_knows_what_is_detached_as_the_log_does(archive) -> None:
    """It is written twice, as neither may ask the other: what one of them misses is left behind, or taken for somebody else's."""
    prepare(archive)
    archive.as_admin(
        "alter table {l}.entry_1 detach partition {l}.entry_1_20260101;"
        "alter table {l}.entry_1_20260101 rename to aside;"
        "alter table {l}.leaf_1 detach partition {l}.leaf_1_20260201;"
        # Theirs: of another owner, and of other columns.
        "create table {l}.alike (like {l}.entry);"
        "create table {l}.shorter (entry_id bigint);"
        # Ours, though somebody put it below a table of his own.
        "create table {l}.above (like {l}.value);"
        "create table {l}.below () inherits ({l}.above)"
    )
    archive.as_admin(f"alter table {{l}}.below owner to {archive.names.keeper}")
    known = archive.as_admin(
        "select found.relation from (values ('entry'), ('value'), ('leaf')) as root (name)"
        " cross join lateral {l}.unattached(root.name) as found order by 1"
    )
    assert known == [("aside",), ("below",), ("leaf_1_20260201",)]
    with archive.owner.transaction(undo=True):
        assert survey(archive.owner, archive.names).detached == ("aside", "below", "leaf_1_20260201")
    archive.as_admin("drop table {l}.below, {l}.above, {l}.shorter, {l}.alike, {l}.aside, {l}.leaf_1_20260201")


def test_what_somebody_detached_by_hand_and_called_otherwise_is_found_and_kept_its_time(archive) -> None:
    """Threat: a detached table with old personal data stays for ever, seen by nobody."""
    archive.define("default", "1 month", "month", "2026-01-15")
    archive.run("2026-01-15")
    archive.write("2026-02-10")
    archive.as_admin("select * from {l}.seal()")
    for family in ("entry", "value", "leaf"):
        archive.as_admin(f"alter table {{l}}.{family}_1 detach partition {{l}}.{family}_1_20260201")
        archive.as_admin(f"alter table {{l}}.{family}_1_20260201 rename to {family}_1_mine")
    run = archive.run("2026-02-20", clock_is_right=True)
    assert [outcome.fate for outcome in run.outcomes if outcome.name == "entry_1_mine"] == [Fate.KEPT]
    # What is written meanwhile has its partition again.
    assert {"entry_1_mine", "entry_1_20260201"} <= archive.tables()
    assert archive.write("2026-02-20") in archive.entries()
    archive.run("2026-04-01", clock_is_right=True)
    assert (detached(archive), archive.entries()) == (set(), set())
    # The record explains that this is missing, and nothing else.
    bounds = archive.rows(
        "select body ->> 'from', body ->> 'to' from {l}.record where kind = 'drop' and body -> 'tables' ? 'entry_1_mine'"
    )
    assert bounds == [("2026-02-10T00:00:00+00:00", "2026-02-10T00:00:00.000001+00:00")]


@pytest.mark.parametrize("is_open", [False, True], ids=["", "somebody writes for long"])
@pytest.mark.parametrize("family", ["entry", "value", "leaf"])
def test_what_was_set_aside_is_told_when_it_goes_whatever_it_is_called(archive, family: str, is_open: bool) -> None:
    """Threat: what somebody kept aside is dropped, and no line says so. A transaction that lasts keeps the floor below it."""
    writer = archive.open()
    if is_open:
        writer.connection.autocommit = False
        writer.connection.execute("select pg_catalog.pg_current_xact_id()")
    archive.define("default", "1 month", "month", "2026-01-15")
    archive.run("2026-01-15")
    archive.write("2026-02-10", person="1")
    archive.rows("select * from {l}.seal('2026-02-11Z')")
    for month, name in (("02", "apart"), ("03", "keepme")):
        archive.as_admin(f"alter table {{l}}.{family}_1 detach partition {{l}}.{family}_1_2026{month}01")
        archive.as_admin(f"alter table {{l}}.{family}_1_2026{month}01 rename to {name}")

    def told(day: str) -> dict[str, tuple[Fate, str]]:
        run = archive.run(day, clock_is_right=True)
        return {one.name: (one.fate, one.why) for one in run.outcomes if one.name in ("apart", "keepme")}

    # Nothing in the one says when it is due: it is empty, and goes at once.
    why = "it was detached before this run"
    assert told("2026-02-20") == {"apart": (Fate.KEPT, why), "keepme": (Fate.DROPPED, why)}
    assert told("2026-04-01") == {"apart": (Fate.DROPPED, why)}
    assert told("2026-04-02") == {}


MISSING = {
    "the month that is being written": (("entry",), ("20260101",), ["default: no partition of entry from 2026-01-01 to 2026-02-01: writes to its tables fail now"]),
    "the next one, of all three": (
        ("entry", "leaf", "value"), ("20260201",),
        ["default: no partition of entry, leaf, value from 2026-02-01 to 2026-03-01: writes of that time fail"],
    ),
    "people's values of two months and whatever comes later": (
        ("value",), ("20260201", "20260301", "tail"),
        ["default: no partition of value from 2026-02-01 on: writes of that time fail"],
    ),
    "what is dated before, and the seal's half of it": (
        ("leaf",), ("head_20260101", "20260301"),
        [
            "default: no partition of leaf before 2026-01-01: writes of that time fail",
            "default: no partition of leaf from 2026-03-01 to 2026-04-01: writes of that time fail",
        ],
    ),
    "every one of people's values": (
        ("value",), ("head_20260101", "20260101", "20260201", "20260301", "tail"),
        ["default: no partition of value: writes to its tables fail now"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", ["drop table", "detach", "detach concurrently"])
def test_partitions_that_somebody_took_away_are_an_alarm_and_come_back(archive, how: str) -> None:
    """Threat: writes to every table of a class fail for want of a partition, some day or at once, and nothing tells or mends it."""
    archive.define("default", "1 month", "month", "2026-01-15")
    archive.run("2026-01-15")
    numbers = {archive.write(f"2026-{month:02}-10", person="1") for month in (1, 2, 3, 9)}
    before = archive.bounds()
    tables = archive.tables()
    end = " `pgerase audit maintain` puts it right"
    for threat, (families, names, expected) in MISSING.items():
        gone = [(family, f"{family}_1_{name}") for family in families for name in names]
        for family, table in gone:
            archive.as_admin(
                f"drop table {{l}}.{table}"
                if how == "drop table"
                else f"alter table {{l}}.{family}_1 detach partition {{l}}.{table}{how.removeprefix('detach')}"
            )
        found = log_status(archive.owner, archive.prefix, now=utc("2026-01-15"))
        assert [alarm for alarm in found.alarms if "no partition" in alarm] == [f"{one};{end}" for one in expected], (
            threat
        )
        run = archive.run("2026-01-15", clock_is_right=True)
        assert (run.state, run.counts[Fate.MADE]) == (RunState.DONE, len(gone)), threat
        assert (archive.bounds(), archive.tables()) == (before, tables), threat
        told = archive.as_admin(
            "delete from {l}.record where kind = 'attach' returning body ->> 'table', body ->> 'anew'"
        )
        assert set(told) == {(table, str(how == "drop table").lower()) for _, table in gone}, threat
        assert log_status(archive.owner, archive.prefix, now=utc("2026-01-15")).alarms == (), threat
    # What was detached is there with all that is in it; what was dropped is gone.
    assert archive.entries() == (numbers if how != "drop table" else numbers - {min(numbers), min(numbers) + 1})
    assert archive.rows("select count(*) from {l}.value") == [(4 if how != "drop table" else 0,)]
    for at in ("2025-12-31", "2026-01-31", "2026-02-28", "2026-03-31", "2030-01-01"):
        assert archive.write(at, person="2") in archive.entries()


def test_who_is_erased_while_a_class_is_detached_does_not_come_back_with_it(archive) -> None:
    """Threat: values of somebody erased lie in a class that was taken away, and the next run attaches it again."""
    archive.define("default", "6 months", "month", "2026-01-15")
    for person in ("1", "2"):
        archive.write("2026-01-15", person=person)
    for family in ("entry", "value", "leaf"):
        archive.as_admin(f"alter table {{l}}.{family} detach partition {{l}}.{family}_1")
    assert archive.as_admin("select {l}.forget_people('person', array['1'], 1)") == [(1,)]
    assert archive.run("2026-01-16").state is RunState.DONE
    assert archive.rows("select person from {l}.value") == [("2",)]
    assert archive.rows("select count(*) from {l}.entry") == [(2,)]


@pytest.mark.parametrize("level", ["class", "month"])
@pytest.mark.parametrize("how", ["", "concurrently"])
def test_who_is_erased_behind_somebody_who_detaches_does_not_come_back(archive, level: str, how: str) -> None:
    """Threat: an erasure that waited for a detaching table looks past it, says that it is done, and the values come back with it."""
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.run("2026-01-15")
    for person in ("1", "2"):
        archive.write("2026-01-15", person=person)
    archive.rows("select {l}.seal('2026-01-15 01:00Z')")
    for family in ("value", "leaf"):
        parent, part = (family, f"{family}_1") if level == "class" else (f"{family}_1", f"{family}_1_20260101")
        reader, dba, eraser = (archive.database.connect_admin() for _ in range(3))
        reader.execute("begin")
        reader.execute(archive.sql(f"select from {{l}}.{part}"))
        with ThreadPoolExecutor(2) as pool:
            detaching = pool.submit(
                dba.execute, archive.sql(f"alter table {{l}}.{parent} detach partition {{l}}.{part} {how}")
            )
            archive.wait_for(dba)
            erased = pool.submit(
                eraser.execute,
                archive.sql(f"select {{l}}.forget_people('person', '{{{1 if family == 'value' else 2}}}', 1)"),
            )
            if not how:
                archive.wait_for(eraser)
            reader.execute("commit")
            assert erased.result(30).fetchone() == (1,), family
            detaching.result(30)
        assert archive.run("2026-01-16", clock_is_right=True).state is RunState.DONE
        for one in (reader, dba, eraser):
            one.close()
        if family == "value":
            assert archive.rows("select person from {l}.value") == [("2",)]
    assert archive.rows("select person from {l}.value") == []
    assert archive.rows("select distinct salts from {l}.leaf") == [([None],)]


@pytest.mark.parametrize("gone", ["value_1_20260101", "value_1", "leaf_1_20260101"])
def test_nobody_is_erased_while_somebody_else_owns_what_was_detached(archive, gone: str) -> None:
    """Threat: values out of the eraser's reach stay, nothing tells, and they come back with the table once it is given back."""
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.run("2026-01-15")
    for person in ("1", "2"):
        archive.write("2026-01-15", person=person)
    archive.rows("select {l}.seal('2026-01-15 01:00Z')")
    parent = gone.removesuffix("_20260101") if gone.endswith("_20260101") else "value"
    archive.as_admin(f"alter table {{l}}.{parent} detach partition {{l}}.{gone}")
    archive.as_admin(f"alter table {{l}}.{gone} owner to current_user")
    with pytest.raises(psycopg.Error, match="nobody was erased") as failure:
        archive.as_admin("select {l}.forget_people('person', array['1'], 1)")
    assert failure.value.sqlstate == "ZE222"
    assert gone in str(failure.value.diag.message_primary)
    assert failure.value.diag.message_hint == (
        f"Give it back: alter table {archive.names.logs}.{gone} owner to {archive.names.keeper};"
        " then do this again. `pgerase audit maintain` attaches it."
    )
    archive.as_admin(f"alter table {{l}}.{gone} owner to {archive.names.keeper}")
    assert archive.as_admin("select {l}.forget_people('person', array['1'], 1)") == [(1,)]
    assert archive.run("2026-01-16", clock_is_right=True).state is RunState.DONE
    assert archive.rows("select person from {l}.value") == [("2",)]


def test_of_support_access_it_is_opening_and_closing_that_fails(archive) -> None:
    archive.define("support", "1 month", "month", "2026-01-15")
    archive.run("2026-01-15")
    archive.as_admin("drop table {l}.entry_1_20260101")
    (gap,) = log_status(archive.owner, archive.prefix, now=utc("2026-01-15")).gaps
    assert str(gap) == (
        "support: no partition of entry from 2026-01-01 to 2026-02-01: opening and closing support access fails now;"
        " `pgerase audit maintain` puts it right"
    )


def test_a_class_without_any_partition_is_an_alarm_and_gets_its_first_ones_again(archive) -> None:
    archive.define("default", "1 month", "month", "2026-01-15")
    archive.run("2026-01-15")
    before = archive.bounds()
    for table in archive.tables():
        archive.as_admin(f"drop table {{l}}.{table}")
    (gap,) = log_status(archive.owner, archive.prefix, now=utc("2026-01-15")).gaps
    assert str(gap).startswith("default: no partition of entry, leaf, value: writes to its tables fail now")
    archive.run("2026-01-15")
    assert (archive.bounds(), log_status(archive.owner, archive.prefix, now=utc("2026-01-15")).alarms) == (before, ())
    # Detached, all of them: nobody can tell their bounds, and new ones cannot have their names.
    tables = sorted(archive.tables())
    for table in tables:
        archive.as_admin(f"alter table {{l}}.{table.split('_')[0]}_1 detach partition {{l}}.{table}")
    with pytest.raises(psycopg.Error, match="all partitions of entry_1 are missing, and some are detached") as failure:
        archive.rows("select {l}.make_partitions('default', '2026-01-15Z')")
    assert failure.value.sqlstate == "ZE222"
    for table in tables:
        archive.as_admin(f"alter table {{l}}.{table} rename to {table.split('_')[0]}_aside_{tables.index(table)}")
    archive.run("2026-01-15")
    assert archive.bounds() == before


def test_what_is_expired_does_not_come_back(archive) -> None:
    """Threat: a run that finds detached what another one expired attaches it again, and what was promised to go stays."""
    archive.define("default", "1 month", "month", "2026-01-15")
    archive.run("2026-01-15")
    archive.write("2026-01-20")
    archive.as_admin("select * from {l}.seal()")
    for family in ("entry", "value", "leaf"):
        archive.as_admin(f"alter table {{l}}.{family}_1 detach partition {{l}}.{family}_1_20260101")
    assert log_status(archive.owner, archive.prefix, now=utc("2026-03-01")).gaps == ()
    assert log_status(archive.owner, archive.prefix, now=utc("2026-02-28")).gaps != ()
    run = archive.run("2026-03-01", clock_is_right=True)
    assert archive.rows("select count(*) from {l}.record where kind = 'attach'") == [(0,)]
    assert [one.fate for one in run.outcomes if one.name == "entry_1_20260101"] == [Fate.DROPPED]
    assert (archive.bounds()[0], archive.entries()) == (("-infinity", "2026-02-01"), set())


def test_a_partition_that_covers_more_than_a_period_comes_back_whole(archive) -> None:
    """One that was written on while runs were missed. It is not cut where it has entries."""
    archive.define("default", "6 months", "month", "2026-01-15", ahead=1)
    numbers = {archive.write(at) for at in ("2026-03-05", "2026-05-05")}
    archive.run("2026-05-15", clock_is_right=True)
    before = archive.bounds()
    assert ("2026-03-01", "2026-06-01") in before
    for family in ("entry", "value", "leaf"):
        archive.as_admin(f"alter table {{l}}.{family}_1 detach partition {{l}}.{family}_1_20260301 concurrently")
    archive.run("2026-05-15")
    assert (archive.bounds(), archive.entries()) == (before, numbers)


@pytest.mark.parametrize("families", [("entry",), ("leaf", "value"), ("entry", "value", "leaf")])
@pytest.mark.parametrize("how", ["detach partition", "dropped"])
def test_an_open_partition_that_somebody_took_away_comes_back(archive, families, how: str) -> None:
    """Threat: without it every run fails, with an error that names neither the table nor what to do, and so do writes some day."""
    archive.define("default", "1 month", "month", "2026-01-15")
    archive.run("2026-01-15")
    late = archive.write("2026-09-01") if how != "dropped" else None
    before = archive.bounds()
    for family in families:
        archive.as_admin(
            f"drop table {{l}}.{family}_1_tail"
            if how == "dropped"
            else f"alter table {{l}}.{family}_1 {how} {{l}}.{family}_1_tail"
        )
    run = archive.run("2026-01-16", clock_is_right=True)
    assert (run.state, run.counts[Fate.MADE]) == (RunState.DONE, len(families))
    assert archive.bounds() == before
    assert archive.entries() == {late} - {None}
    told = archive.rows("select body ->> 'table', body ->> 'from' from {l}.record where kind = 'attach' order by 1")
    assert told == [(f"{family}_1_tail", "2026-04-01T00:00:00+00:00") for family in sorted(families)]
    assert archive.write("2030-01-01") in archive.entries()


@pytest.mark.parametrize("make", [True, False], ids=["making fails", "nothing is made"])
def test_entries_dated_before_everything_are_kept_however_old_others_of_them_are(archive, make: bool) -> None:
    """Threat: the first of them tells since when all are there, and those of yesterday are dropped, where no run finds them before."""
    archive.define("default", "1 month", "month", "2026-01-15")
    archive.run("2026-01-15")
    archive.write("1970-01-01")
    archive.run("2026-01-16")
    archive.write("2026-02-15")
    archive.run("2026-02-15", clock_is_right=True)
    new = archive.write("1970-01-02", person="7")
    if make:
        archive.as_admin("alter table {l}.value_1 detach partition {l}.value_1_tail")
        archive.as_admin(
            "alter table {l}.value_1_tail rename to value_1_aside; create table {l}.value_1_tail (x integer)"
        )
        with pytest.raises(DatabaseFailed, match="value_1_tail, which has its name, is none"):
            archive.run("2026-02-16")
        archive.as_admin("drop table {l}.value_1_tail")
    else:
        archive.run("2026-02-16", make=False)
    assert new in archive.entries()
    # They have their time from when a run found them.
    archive.run("2026-02-17")
    archive.run("2026-03-16", clock_is_right=True)
    assert new in archive.entries()
    archive.run("2026-03-18")
    assert new not in archive.entries()


@pytest.mark.parametrize("families", [("entry",), ("value", "leaf"), ("entry", "value", "leaf")])
@pytest.mark.parametrize("make", [True, False])
def test_the_first_partition_comes_back_under_the_name_it_began_with(archive, families, make: bool) -> None:
    """Threat: it has followed the oldest one since; an empty one takes its place, and the true one is dropped."""
    archive.define("default", "2 months", "month", "2026-01-15")
    archive.run("2026-01-15")
    archive.write("2026-03-31")
    archive.run("2026-03-31", clock_is_right=True)
    early = archive.write("1970-01-02", person="7")
    archive.run("2026-04-01")
    assert archive.bounds()[0] == ("-infinity", "2026-02-01")
    for family in families:
        archive.as_admin(f"alter table {{l}}.{family}_1 detach partition {{l}}.{family}_1_head_20260101")
    tables = archive.tables()
    if not make:
        archive.run("2026-04-02", make=False)
        assert archive.tables() == tables
    archive.run("2026-04-03")
    assert (archive.tables(), early in archive.entries()) == (tables, True)
    assert archive.rows("select person from {l}.value") == [("7",)]
    assert archive.rows("select distinct body ->> 'anew' from {l}.record where kind = 'attach'") == [("false",)]
    archive.run("2026-06-02", clock_is_right=True)
    assert early not in archive.entries()


def test_what_was_detached_before_it_was_sealed_is_sealed_when_it_is_back(archive) -> None:
    """Threat: the floor goes past its numbers; it is never sealed, verifying says that it was put in later, and it goes unproven."""
    archive.define("default", "1 month", "month", "2026-01-15")
    archive.define("other", "1 month", "month", "2026-01-15")
    archive.run("2026-01-15")

    def seal_thrice() -> int:
        for _ in range(3):
            archive.outlive_others()
            archive.as_admin("select * from {l}.seal()")
        return archive.rows("select max(floor) from {l}.segment")[0][0]

    archive.write("2026-01-15 00:00", person="1")
    archive.as_admin("select * from {l}.seal()")
    theirs = archive.write("2026-01-15 01:00", person="1")
    for family in ("entry", "value", "leaf"):
        archive.as_admin(f"alter table {{l}}.{family}_1 detach partition {{l}}.{family}_1_20260101")
    other = archive.write("2026-01-15 02:00", "other")
    assert seal_thrice() == theirs - 1
    # Nothing is new, and no header says so over and over.
    count = archive.rows("select count(*) from {l}.segment")
    assert (seal_thrice(), archive.rows("select count(*) from {l}.segment")) == (theirs - 1, count)
    archive.run("2026-01-16")
    assert (theirs,) in archive.rows("select entry_id from {l}.leaf")
    assert archive.as_admin("select * from {l}.verify_entries()") == []
    assert seal_thrice() >= other


def test_entries_whose_values_are_detached_are_sealed_when_these_are_back(archive) -> None:
    """Threat: sealed without them they count as erased before, and verifying says that the values were changed."""
    archive.define("default", "1 month", "month", "2026-01-15")
    archive.define("other", "1 month", "month", "2026-01-15")
    archive.run("2026-01-15")
    theirs = archive.write("2026-01-15 01:00", person="1")
    archive.as_admin("alter table {l}.value_1 detach partition {l}.value_1_20260101")
    other = archive.write("2026-01-15 02:00", "other", person="1")
    archive.as_admin("select * from {l}.seal(p_now => '2026-01-15 12:00Z')")
    assert archive.rows("select entry_id from {l}.leaf order by 1") == [(other,)]
    assert archive.rows("select max(floor) < %s from {l}.segment", theirs) == [(True,)]
    archive.run("2026-01-16")
    assert archive.rows("select entry_id from {l}.leaf order by 1") == [(theirs,), (other,)]
    for routine in ("entries", "values", "segments"):
        assert archive.as_admin(f"select * from {{l}}.verify_{routine}()") == [], routine


@pytest.mark.parametrize("how", ["", "concurrently"])
@pytest.mark.parametrize("first", ["20260101", "20260201", "20260401"])
def test_the_newest_partitions_of_all_three_tables_come_back_with_the_last_one(archive, first: str, how: str) -> None:
    """Threat: the last one is attached over all their time, and every later run ends with 42P07, as their names are taken."""
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.run("2026-02-15", clock_is_right=True)
    before, tables = archive.bounds(), archive.tables()
    theirs = {
        archive.write(at, person="1") for at in ("2026-01-20", "2026-02-10", "2026-03-05", "2026-04-05", "2027-01-01")
    }
    for family in ("entry", "value", "leaf"):
        for name in ("20260101", "20260201", "20260301", "20260401", "tail"):
            if name >= first:
                archive.as_admin(f"alter table {{l}}.{family}_1 detach partition {{l}}.{family}_1_{name} {how}")
    run = archive.run("2026-02-16", clock_is_right=True)
    assert (run.state, archive.bounds(), archive.tables(), archive.entries()) == (RunState.DONE, before, tables, theirs)
    assert archive.run("2026-03-01", clock_is_right=True).state is RunState.DONE
    assert archive.write("2026-02-20", person="1")


def test_partitions_of_a_class_that_was_set_aside_are_named_with_what_to_do(archive) -> None:
    """Threat: they have the names of those that are missing, and every run ends with 42809."""
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.run("2026-01-15")
    entry = archive.write("2026-01-16", person="1")
    archive.as_admin("alter table {l}.value detach partition {l}.value_1")
    archive.as_admin("alter table {l}.value_1 rename to value_1_old")
    for day in ("2026-01-17", "2026-01-18"):
        with pytest.raises(
            DatabaseFailed, match=r"head_20260101, which has its name, is one of .*value_1_old"
        ) as failure:
            archive.run(day)
        assert (failure.value.sqlstate, failure.value.hint[:17]) == ("ZE222", "Rename all partit")
    old = archive.as_admin(
        "select inhrelid::regclass::text, relname from pg_inherits join pg_class on pg_class.oid = inhrelid"
        " where inhparent = %s::regclass", f"{archive.names.logs}.value_1_old",
    )  # fmt: skip
    for table, name in old:
        archive.as_admin(f"alter table {table} rename to old_{name}")
    assert archive.run("2026-01-19").state is RunState.DONE
    assert archive.write("2026-01-19", person="1") in archive.entries()
    # Or it is given its name again.
    archive.as_admin("drop table {l}.value_1; alter table {l}.value_1_old rename to value_1")
    for _, name in old:
        archive.as_admin(f"alter table {{l}}.old_{name} rename to {name}")
    assert archive.run("2026-01-20").state is RunState.DONE
    assert (entry, "1") in archive.rows("select entry_id, person from {l}.value")


def test_what_was_to_be_detached_and_is_not_due_is_back_after_one_run(archive) -> None:
    """Threat: the run finishes an interrupted DETACH CONCURRENTLY, says that it is done, and writes fail until the next one."""
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.run("2026-01-15")
    entry = archive.write("2026-01-15", person="1")
    before = archive.bounds()
    for family in ("entry", "value", "leaf"):
        reader, dba = archive.database.connect_admin(), archive.database.connect_admin()
        reader.autocommit = False
        reader.execute(archive.sql(f"select from {{l}}.{family}_1 limit 1"))
        dba.execute("set lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            dba.execute(
                archive.sql(f"alter table {{l}}.{family}_1 detach partition {{l}}.{family}_1_20260101 concurrently")
            )
        reader.rollback()
    with pytest.raises(psycopg.Error):
        archive.write("2026-01-15", person="1")
    run = archive.run("2026-01-16")
    assert (run.state, run.counts[Fate.MADE], archive.bounds()) == (RunState.DONE, 3, before)
    assert archive.entries() == {entry}
    assert archive.write("2026-01-16", person="1")


def test_what_cannot_be_the_open_partition_again_is_named_with_what_to_do(archive) -> None:
    archive.define("default", "1 month", "month", "2026-01-15")
    archive.run("2026-01-15")
    archive.as_admin("alter table {l}.value_1 detach partition {l}.value_1_tail")
    archive.as_admin(
        "insert into {l}.value_1_tail (class, at, entry_id, part, subject) values ('default', '2026-01-20Z', 1, 1, 'x')"
    )
    with pytest.raises(
        DatabaseFailed, match="value_1_tail cannot be it again: it has rows of another class or time"
    ) as failure:
        archive.run("2026-01-16")
    assert (failure.value.sqlstate, failure.value.hint[:9]) == ("ZE222", "Rename it")
    archive.as_admin("alter table {l}.value_1_tail rename to value_1_odd")
    archive.as_admin("create table {l}.value_1_tail (x int)")
    with pytest.raises(DatabaseFailed, match="value_1_tail, which has its name, is none") as failure:
        archive.run("2026-01-17")
    assert (failure.value.sqlstate, failure.value.hint[:17]) == ("ZE222", "Rename that table")
    archive.as_admin("drop table {l}.value_1_tail")
    assert archive.run("2026-01-18").state is RunState.DONE
    assert archive.write("2030-01-01", person="1") in archive.entries()
    # What was put aside is kept its time, like whatever somebody detached.
    assert "value_1_odd" in archive.tables()
    archive.run("2026-03-02", clock_is_right=True)
    assert "value_1_odd" not in archive.tables()


def test_writers_notice_nothing_of_partitions_that_come_and_go(archive) -> None:
    """Threat: a lock that queues writers, a deadlock between parent and partition, a row without a partition."""
    archive.define("default", "10 days", "day", "2026-01-15", ahead=1)
    archive.run("2026-01-15")
    clock, is_over = [utc("2026-01-15")], Event()

    def write() -> list[tuple[int, datetime]]:
        connection = archive.database.connect_admin()
        connection.execute("set lock_timeout = '5s'")
        written = []
        while not is_over.is_set():
            at = clock[0]
            written.append((archive.write(at, person="1", connection=connection), at))
        return written

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write) for _ in range(2)]
        try:
            for _ in range(13):
                clock[0] += timedelta(days=1)
                # Short waits may all be in vain; then the next run makes up for it, and what was written is where it belongs.
                archive.run(clock[0], clock_is_right=True)
        finally:
            is_over.set()
        written = [one for writer in writers for one in writer.result()]
    run = archive.run(clock[0] + timedelta(hours=1))
    assert run.state is RunState.DONE
    assert len(written) > 13
    # A day may have been written into the open partition and stay as long as the newest in it.
    assert {number for number, at in written if at > clock[0] - timedelta(days=10)} <= archive.entries()
    assert archive.entries() <= {number for number, at in written if at > clock[0] - timedelta(days=14)}


def test_a_membership_that_a_killed_run_left_is_taken_back(archive) -> None:
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.rows(f'grant "{archive.names.keeper}" to current_user')
    assert members(archive) != []
    archive.run("2026-01-15")
    assert members(archive) == []


def test_a_lost_connection_gives_the_lock_back(archive, monkeypatch) -> None:
    archive.define("default", "6 months", "month", "2026-01-15")
    victim = archive.open()
    with killed_before(archive, monkeypatch, 5, victim), pytest.raises((DatabaseFailed, psycopg.Error)):
        archive.run("2026-01-15", victim)
    assert archive.run("2026-01-15").state is RunState.DONE
    assert archive.rows("select state from {l}.run order by run_id") == [("killed",), ("done",)]


PARTS = {"one": ("entry",), "another": ("leaf",), "two": ("entry", "value"), "all": ("entry", "value", "leaf")}


@pytest.mark.parametrize("how", ["detach", "drop"])
@pytest.mark.parametrize("families", PARTS.values(), ids=PARTS)
def test_parts_of_a_class_that_somebody_took_away_come_back(archive, how: str, families: tuple[str, ...]) -> None:
    """Threat: every captured write fails, `audit maintain` fails with another SQLSTATE than its own, and nothing told repairs it."""
    archive.define("o'clock", "1 month", "month", "2026-01-15")
    archive.define("default", "1 month", "month", "2026-01-15")
    archive.run("2026-01-15")
    number = archive.write("2026-01-10", person="1")
    before, tables = archive.bounds(), archive.tables()
    others = archive.bounds("o'clock")
    (part,) = archive.rows("select number from {l}.class where class = 'default'")[0]
    for family in families:
        table = f"{{l}}.{family}_{part}"
        archive.as_admin(
            f"drop table {table}" if how == "drop" else f"alter table {{l}}.{family} detach partition {table}"
        )
    # Leaves are written by sealing.
    if "entry" in families:
        with pytest.raises(psycopg.Error):
            archive.write("2026-01-11", person="1")
    alarms = log_status(archive.owner, archive.prefix, now=utc("2026-01-15")).alarms
    assert any("writes to its tables fail now; `pgerase audit maintain` puts it right" in one for one in alarms)
    run = archive.run("2026-01-15", clock_is_right=True)
    assert (run.state, archive.bounds(), archive.bounds("o'clock"), archive.tables()) == (
        RunState.DONE, before, others, tables,
    )  # fmt: skip
    told = archive.rows(
        "select body ->> 'table', body ->> 'anew' from {l}.record where kind = 'attach' and not body ? 'from' order by record_id"
    )
    assert sorted(told) == sorted((f"{family}_{part}", str(how == "drop").lower()) for family in families)
    assert log_status(archive.owner, archive.prefix, now=utc("2026-01-15")).alarms == ()
    assert archive.entries() == (set() if how == "drop" and "entry" in families else {number})
    assert archive.write("2026-01-11", person="2") in archive.entries()


@pytest.mark.parametrize("is_finished", [False, True], ids=["interrupted", "finished"])
@pytest.mark.parametrize("family", ["entry", "value", "leaf"])
def test_a_class_that_somebody_detached_concurrently_is_an_alarm_and_comes_back(
    archive, family: str, is_finished: bool
) -> None:
    """Threat: writes of a class fail, nothing tells, and a run says that it is done."""
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.run("2026-01-15")
    number = archive.write("2026-01-15", person="1")
    before, tables = archive.bounds(), archive.tables()
    interrupted(archive, family, f"{family}_1")
    if is_finished:
        archive.as_admin(f"alter table {{l}}.{family} detach partition {{l}}.{family}_1 finalize")
    if family != "leaf":
        with pytest.raises(psycopg.errors.CheckViolation):
            archive.write("2026-01-15", person="1")
    # The others name what is apart.
    alarm, *_ = log_status(archive.owner, archive.prefix, now=utc("2026-01-15")).alarms
    assert alarm.startswith(f"default: no partition of {family}: writes to its tables fail now")
    found = [one for one in missing_from_log(archive.owner, archive.prefix) if one.code == "log-class"]
    assert [(one.subject, "for the class default" in one.message) for one in found] == [
        (f"table {archive.names.logs}.{family}", True)
    ]
    # It is given partitions again as well.
    assert archive.run("2026-04-15", clock_is_right=True).state is RunState.DONE
    assert (archive.bounds()[:2], archive.tables() >= tables) == (before[:2], True)
    assert archive.rows("select body ->> 'table', body ->> 'anew' from {l}.record where kind = 'attach'") == [
        (f"{family}_1", "false")
    ]
    assert log_status(archive.owner, archive.prefix, now=utc("2026-04-15")).alarms == ()
    assert {number, archive.write("2026-01-16", person="2")} <= archive.entries()


def test_a_class_of_another_owner_whose_detaching_was_interrupted_ends_the_run_with_its_name(archive) -> None:
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.run("2026-01-15")
    archive.as_admin("alter table {l}.value_1 owner to current_user")
    interrupted(archive, "value", "value_1")
    with pytest.raises(DatabaseFailed, match=r"value_1, which has its name, is none") as failure:
        archive.run("2026-01-16")
    assert failure.value.sqlstate == "ZE222"


def test_sealing_says_what_to_do_where_leaves_have_no_partition(archive) -> None:
    """Threat: nothing of any class is sealed any more, and a bare SQLSTATE is all that anybody hears."""
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.run("2026-01-15")
    archive.write("2026-01-15")
    archive.as_admin("alter table {l}.leaf_1 detach partition {l}.leaf_1_20260101")
    log = Log(archive.owner, archive.prefix)
    with pytest.raises(DatabaseFailed) as failure:
        seal_log(log)
    assert failure.value.sqlstate == "23514"
    assert "`pgerase audit maintain`" in failure.value.hint
    # It seals as well.
    archive.run("2026-01-15")
    assert archive.rows("select count(*) from {l}.leaf") == [(1,)]


def test_a_table_that_cannot_be_the_part_of_a_class_ends_the_run_with_its_name(archive) -> None:
    archive.define("default", "1 month", "month", "2026-01-15")
    archive.define("other", "1 month", "month", "2026-01-15")
    archive.run("2026-01-15")
    archive.write("2026-01-10")
    archive.as_admin("alter table {l}.entry detach partition {l}.entry_1")
    archive.as_admin("alter table {l}.entry_1 rename to entry_aside")
    archive.as_admin("create table {l}.entry_1 (id integer)")
    with pytest.raises(psycopg.Error, match=r"entry_1, which has its name, is none") as failure:
        archive.rows("select {l}.make_partitions('default', '2026-01-15Z')")
    assert (failure.value.sqlstate, failure.value.diag.table_name) == ("ZE222", "entry_1")
    archive.as_admin("drop table {l}.entry_1")
    archive.as_admin("alter table {l}.entry detach partition {l}.entry_2")
    archive.as_admin("alter table {l}.entry_2 rename to entry_1_of_other")
    archive.as_admin("alter table {l}.entry_aside rename to entry_2")
    with pytest.raises(psycopg.Error, match=r"entry_2 cannot be it again: it has rows of another class") as failure:
        archive.rows("select {l}.make_partitions('other', '2026-01-15Z')")
    assert (failure.value.sqlstate, failure.value.diag.table_name) == ("ZE222", "entry_2")
    archive.as_admin("drop table {l}.entry_1_of_other, {l}.entry_2")
