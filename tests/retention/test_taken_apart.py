"""Tables of the log that somebody takes apart, or is just taking apart, while it is sealed, erased, held and dropped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from pgerase.errors import DatabaseFailed
from pgerase.operate import retention
from pgerase.operate.log_status import log_status
from pgerase.operate.retention_model import Fate, RunState
from tests.retention.conftest import Archive, interrupted, utc

FAMILIES = ("entry", "value", "leaf")


@pytest.fixture(autouse=True)
def no_long_tries(monkeypatch) -> None:
    monkeypatch.setattr(retention, "_TRIES", 2)


def begun(archive: Archive, keep: str = "1 month", period: str = "month") -> None:
    archive.define("default", keep, period, "2026-01-15")
    archive.run("2026-01-15")


def found(archive: Archive) -> set[str]:
    """What verifying says is wrong."""
    asked = " union ".join(
        f"select code from {{l}}.verify_{one}()" for one in ("segments", "entries", "values", "order")
    )
    return {code for (code,) in archive.as_admin(asked)}


def take_apart(archive: Archive, how: str) -> None:
    match how:
        case "being detached":
            interrupted(archive, "value_1", "value_1_20260101")
        case "its class":
            archive.as_admin("alter table {l}.value detach partition {l}.value_1")
        case "its class, being detached":
            interrupted(archive, "value", "value_1")
        case _:
            archive.as_admin("alter table {l}.value_1 detach partition {l}.value_1_20260101")


@pytest.mark.parametrize("how", ["being detached", "its class", "its class, being detached", "detached"])
def test_nothing_is_sealed_as_erased_that_lies_in_a_table_apart(archive, how: str) -> None:
    """Threat: a dump holds up DETACH CONCURRENTLY while the log is sealed; its values come back, and were changed, for ever."""
    begun(archive)
    theirs = archive.write("2026-01-15 01:00", person="1")
    take_apart(archive, how)
    # Its newest row is a month old by then; the partition of its entry is due later, and the values come back with it.
    for at in ("2026-01-15 12:00Z", "2026-02-20Z"):
        archive.rows("select {l}.seal(%s)", at)
        assert archive.rows("select entry_id from {l}.leaf") == []
    archive.run("2026-01-16", clock_is_right=True)
    assert archive.rows("select entry_id from {l}.leaf") == [(theirs,)]
    assert found(archive) == set()


def test_a_copy_of_values_keeps_no_entry_from_being_sealed(archive) -> None:
    """Threat: whoever copies them with the keeper's rights has nothing sealed any more that they are of, for months."""
    begun(archive)
    theirs = archive.write("2026-01-15 01:00", person="1")
    archive.as_admin("create table {l}.value_copy as select * from {l}.value")
    archive.as_admin(f'alter table {{l}}.value_copy owner to "{archive.names.keeper}"')
    archive.rows("select {l}.seal('2026-01-15 12:00Z')")
    assert archive.rows("select entry_id from {l}.leaf") == [(theirs,)]
    assert found(archive) == set()
    archive.as_admin("drop table {l}.value_copy")


def test_values_that_are_detached_while_sealing_reads_them_end_the_seal(archive) -> None:
    """Threat: they go between the look for what is apart and reading; the seal has to look again, and gives up."""
    begun(archive)
    theirs = archive.write("2026-01-15 01:00", person="1")
    # Sealing waits for this transaction where it reads entries: after its look, and before it reads values.
    blocker = archive.database.connect_admin()
    blocker.execute("begin")
    blocker.execute(archive.sql("lock table only {l}.leaf_1 in access exclusive mode"))
    sealer = archive.database.connect_admin()
    with blocker, sealer, ThreadPoolExecutor(1) as pool:
        task = pool.submit(lambda: sealer.execute(archive.sql("select * from {l}.seal('2026-01-15 12:00Z')")))
        archive.wait_for(sealer)
        dba = archive.database.connect_admin()
        dba.execute("set lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            dba.execute(archive.sql("alter table {l}.value_1 detach partition {l}.value_1_20260101 concurrently"))
        dba.close()
        blocker.execute("commit")
        with pytest.raises(psycopg.Error, match="detached values of the log while it was sealed") as failure:
            task.result()
    assert failure.value.sqlstate == "ZE230"
    archive.run("2026-01-16", clock_is_right=True)
    assert archive.rows("select entry_id from {l}.leaf") == [(theirs,)]
    assert found(archive) == set()


@pytest.mark.parametrize("how", ["", "concurrently"])
@pytest.mark.parametrize("last", ["20260101", "20260201", "20260401"])
def test_the_first_partition_and_the_oldest_of_all_three_tables_come_back_together(
    archive, last: str, how: str
) -> None:
    """Threat: whoever detaches all that is older than some day gets the first one back over their time, and they stay outside."""
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.run("2026-04-15", clock_is_right=True)
    before, tables = archive.bounds(), archive.tables()
    theirs = {archive.write(at, person="1") for at in ("2025-12-01", "2026-01-20", "2026-02-10", "2026-04-15")}
    for family in FAMILIES:
        for name in ("head_20260101", "20260101", "20260201", "20260301", "20260401"):
            if name.startswith("head") or name <= last:
                archive.as_admin(f"alter table {{l}}.{family}_1 detach partition {{l}}.{family}_1_{name} {how}")
    run = archive.run("2026-04-16", clock_is_right=True)
    assert (run.state, archive.bounds(), archive.tables(), archive.entries()) == (RunState.DONE, before, tables, theirs)
    for day in ("2025-12-02", "2026-01-02", "2026-02-02", "2026-03-02", "2026-04-16"):
        assert archive.write(day, person="1")


def test_bounds_that_detaching_left_do_not_stop_writes(archive) -> None:
    """Threat: the last one comes back with more of the time than it had, and its old bounds refuse all writes; nothing tells."""
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.run("2026-01-15")
    names = sorted(name.removeprefix("entry_1_") for name in archive.tables() if name.startswith("entry_1_2026"))[1:]
    for family in FAMILIES:
        archive.as_admin(f"alter table {{l}}.{family}_1 detach partition {{l}}.{family}_1_tail concurrently")
        for name in names:
            archive.as_admin(f"drop table {{l}}.{family}_1_{name}")
    assert archive.run("2026-02-11", clock_is_right=True).state is RunState.DONE
    for day in ("2026-02-11", "2026-03-01", "2027-01-01"):
        assert archive.write(day, person="1")


@pytest.mark.parametrize("make", [True, False])
def test_the_last_partition_that_is_being_detached_is_finished_and_comes_back(archive, make: bool) -> None:
    """Threat: a time that no client reads ends every run before it begins, and nothing is sealed or dropped any more."""
    begun(archive)
    interrupted(archive, "leaf_1", "leaf_1_tail")
    run = archive.run("2026-01-16", make=make)
    assert run.state is (RunState.DONE if make else RunState.INCOMPLETE)
    archive.run("2026-01-17")
    assert archive.bounds()[-1][1] == "infinity"
    assert log_status(archive.owner, archive.prefix, now=utc("2026-01-17")).alarms == ()


def test_what_is_due_behind_one_that_is_read_for_long_waits_with_it(archive) -> None:
    """Threat: a second partition of the class is tried while the first is being detached, and every such run counts as failed."""
    begun(archive, "10 days", "day")
    for day in ("15", "16", "17"):
        archive.run(f"2026-01-{day}")
        archive.write(f"2026-01-{day}")
    reader = archive.database.connect()
    with reader.transaction():
        reader.execute(archive.sql("select count(*) from {l}.entry"))
        run = archive.run("2026-01-29", clock_is_right=True, allow_drop=True, patience=0.2)
        assert run.state is RunState.INCOMPLETE
        busy = {one.name: one.why for one in run.outcomes if one.fate is Fate.BUSY and one.name.startswith("entry")}
        assert busy["entry_1_20260115"].startswith("it is being read for long")
        assert busy["entry_1_20260116"] == "another partition is still being detached: the next run goes on"
    assert archive.run("2026-01-29 01:00", allow_drop=True).state is RunState.DONE
    assert archive.entries() == set()


AWAY = {
    "below another's table": (
        (
            "create table public.theirs (like {l}.value) partition by range (at);"
            "alter table public.theirs attach partition {l}.value_1_20260101 for values from (minvalue) to (maxvalue)"
        ),
        "alter table public.theirs detach partition {l}.value_1_20260101",
    ),
    "inheriting from another's table": (
        "create table public.theirs (like {l}.value); alter table {l}.value_1_20260101 inherit public.theirs",
        "alter table {l}.value_1_20260101 no inherit public.theirs",
    ),
}


@pytest.mark.parametrize("where", AWAY)
def test_who_is_erased_is_looked_for_in_tables_that_somebody_put_below_his_own(archive, where: str) -> None:
    """Threat: the person survives there, and is back in the log with the table, which verifying finds whole."""
    begun(archive)
    for person in ("1", "2"):
        archive.write("2026-01-15", person=person)
    archive.as_admin("select {l}.seal('2026-01-15 12:00Z')")
    archive.as_admin("alter table {l}.value_1 detach partition {l}.value_1_20260101")
    put, taken = AWAY[where]
    archive.as_admin(put)
    assert archive.as_admin("select {l}.forget_people('person', array['1'], null)") == [(1,)]
    with pytest.raises(DatabaseFailed, match=r"which has its name, is one of public\.theirs") as failure:
        archive.run("2026-01-16", clock_is_right=True)
    assert failure.value.hint is not None
    assert "Take it out of public.theirs" in failure.value.hint
    archive.as_admin(taken)
    archive.run("2026-01-16", clock_is_right=True)
    assert archive.rows("select person from {l}.value") == [("2",)]
    archive.as_admin("drop table public.theirs")


def test_nobody_is_erased_and_nothing_dropped_while_values_lie_in_another_schema(archive) -> None:
    """Threat: a table that was moved away for good keeps a name, and who is held is not found in it."""
    begun(archive)
    theirs = archive.write("2026-01-15", person="1")
    archive.as_admin("select {l}.seal('2026-01-15 12:00Z')")
    archive.as_admin(
        "alter table {l}.value_1 detach partition {l}.value_1_20260101; create schema theirs;"
        " alter table {l}.value_1_20260101 set schema theirs"
    )
    with pytest.raises(psycopg.Error, match="lies in another schema, and nobody was erased") as failure:
        archive.as_admin("select {l}.forget_people('person', array['1'], null)")
    assert failure.value.sqlstate == "ZE222"
    assert failure.value.diag.message_hint == (
        f"Give it back: alter table theirs.value_1_20260101 set schema {archive.names.logs}; then do this again."
        " `pgerase audit maintain` attaches it."
    )
    archive.rows("select {l}.place_hold('person', '1', null, null, 'case-1')")
    archive.run("2026-01-16", clock_is_right=True)
    with pytest.raises(DatabaseFailed, match="nothing goes while somebody is held"):
        archive.run("2026-03-01", clock_is_right=True)
    assert archive.entries() == {theirs}
    archive.as_admin("drop table {l}.value_1_20260101")
    archive.as_admin("alter table theirs.value_1_20260101 set schema {l}; drop schema theirs")
    archive.run("2026-03-01 01:00")
    assert (archive.entries(), archive.held()) == (set(), {theirs})
    assert archive.rows("select person from {l}.held_value") == [("1",)]


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_goes_alone_while_a_class_is_being_detached(archive, family: str) -> None:
    """Threat: a run that makes nothing drops two of three tables, and what is left of the third is found by nobody."""
    begun(archive)
    theirs = archive.write("2026-01-20", person="1")
    archive.as_admin("select * from {l}.seal()")
    interrupted(archive, family, f"{family}_1")
    if family == "leaf":
        # Nothing can be sealed, either.
        with pytest.raises(DatabaseFailed):
            archive.run("2026-03-01", clock_is_right=True, make=False)
    else:
        assert archive.run("2026-03-01", clock_is_right=True, make=False).state is RunState.INCOMPLETE
    assert {f"{one}_1_20260101" for one in FAMILIES} <= archive.tables()
    assert archive.run("2026-03-02").state is RunState.DONE
    assert theirs not in archive.entries()
    assert not {f"{one}_1_20260101" for one in FAMILIES} & archive.tables()


def test_what_is_detached_and_not_sealed_is_said_to_need_its_place(archive) -> None:
    """Threat: the reason sends one to `audit seal`, which seals nothing that is detached."""
    begun(archive)
    archive.write("2026-01-20", person="1")
    for family in FAMILIES:
        archive.as_admin(
            f"alter table {{l}}.{family}_1 detach partition {{l}}.{family}_1_20260101;"
            f"alter table {{l}}.{family}_1_20260101 rename to {family}_aside"
        )
    run = archive.run("2026-03-01", clock_is_right=True)
    assert [one.why for one in run.outcomes if one.fate is Fate.HELD_BACK] == [
        (
            "it has entries that are not sealed, and is detached: `pgerase audit seal` seals them once it is attached"
            " again; --allow-drop drops it so"
        )
    ]
    archive.run("2026-03-02", allow_drop=True)
    assert not [name for name in archive.tables() if name.endswith("_aside")]


def test_a_class_that_came_back_can_be_detached_and_comes_back_again(archive) -> None:
    """Threat: its partitions lack the identity of their parent, detaching it never ends, and all writes of the class fail."""
    begun(archive)
    theirs = archive.write("2026-01-15", person="1")
    bounds = archive.bounds()
    for how in ("", "concurrently", "concurrently"):
        archive.as_admin(f"alter table {{l}}.entry detach partition {{l}}.entry_1 {how}")
        assert archive.run("2026-01-16").state is RunState.DONE
        assert (archive.bounds(), archive.entries()) == (bounds, {theirs})
        assert found(archive) == set()
