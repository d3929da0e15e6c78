"""E5: entries expire after a set time by dropping partitions; not a day too long, not a moment too early."""

from __future__ import annotations

import pytest

from pgerase.errors import Refused
from pgerase.operate.retention import maintain
from pgerase.operate.retention_model import Fate, RunState
from tests.retention.conftest import utc


def test_first_partitions(archive) -> None:
    archive.define("default", "6 months", "month", "2026-01-15", ahead=2)
    assert archive.bounds() == [
        ("-infinity", "2026-01-01"),
        ("2026-01-01", "2026-02-01"),
        ("2026-02-01", "2026-03-01"),
        ("2026-03-01", "2026-04-01"),
        ("2026-04-01", "infinity"),
    ]


@pytest.mark.parametrize(
    ("period", "first", "second"),
    [("day", "2026-01-15", "2026-01-16"), ("week", "2026-01-12", "2026-01-19"), ("month", "2026-01-01", "2026-02-01")],
)
def test_periods_begin_at_midnight_on_mondays_and_on_firsts(archive, period, first, second) -> None:
    archive.define("default", "6 months", period, "2026-01-15 13:00", ahead=1)
    assert archive.bounds()[0:2] == [("-infinity", first), (first, second)]


def test_e5_a_month_goes_when_its_last_entry_is_six_months_old(archive) -> None:
    archive.define("default", "6 months", "month", "2026-01-15")
    old, young = archive.write("2026-01-31 23:59"), archive.write("2026-02-01")
    archive.run("2026-07-31 23:59", clock_is_right=True)
    assert archive.entries() == {old, young}
    run = archive.run("2026-08-01")
    assert archive.entries() == {young}
    assert (run.state, run.counts[Fate.DROPPED]) == (RunState.DONE, 1)
    assert not {"entry_1_20260101", "value_1_20260101", "leaf_1_20260101"} & archive.tables()


def test_half_a_year_after_the_end_of_august_is_the_end_of_february(archive) -> None:
    # 30 August, 23:59 and six months is 28 February, 23:59; the bound, 31 August, and six months is 28 February, 0:00.
    archive.define("default", "6 months", "week", "2026-08-25")
    entry = archive.write("2026-08-30 23:59")
    archive.run("2027-02-28 23:58", clock_is_right=True)
    assert archive.entries() == {entry}
    archive.run("2027-03-01")
    assert archive.entries() == set()


def test_classes_have_their_own_time(archive) -> None:
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.define("app.payment", "10 years", "month", "2026-01-15")
    archive.define("support", "10 days", "day", "2026-01-15")
    entries = {name: archive.write("2026-01-15", name) for name in ("default", "app.payment", "support")}
    archive.run("2026-01-26", clock_is_right=True)
    assert archive.entries() == {entries["default"], entries["app.payment"]}
    archive.run("2026-08-02", clock_is_right=True)
    assert archive.entries() == {entries["app.payment"]}


@pytest.mark.parametrize("name", ["app.we\\ird", "app.o'hara", "app.a\\'b"])
def test_a_table_s_name_keeps_nothing_from_expiring(archive, name) -> None:
    """Whatever a quoted identifier may hold, the server writes into bounds in its own way."""
    archive.define(name, "6 months", "month", "2026-01-15")
    archive.write("2026-01-31 23:59", name)
    run = archive.run("2026-08-01", clock_is_right=True)
    assert (run.counts[Fate.DROPPED], archive.entries()) == (1, set())


def test_true_bounds_decide_not_names(archive) -> None:
    archive.define("default", "6 months", "month", "2026-01-15")
    entry = archive.write("2026-02-10")
    # Somebody gave the young partition a name that looks ten years old.
    for family in ("entry", "value", "leaf"):
        archive.as_admin(f"alter table {{l}}.{family}_1_20260201 rename to {family}_1_20160101")
    archive.run("2026-08-01", clock_is_right=True)
    assert archive.entries() == {entry}


def test_a_shorter_time_drops_many_only_when_somebody_says_so(archive) -> None:
    archive.define("default", "12 months", "month", "2026-01-15")
    for month in range(1, 10):
        archive.run(f"2026-{month:02}-20", clock_is_right=True)
    entry = archive.write("2026-02-10")
    archive.define("default", "1 month", "month", "2026-09-20")
    refused = archive.run("2026-09-21")
    assert refused.refused
    assert refused.counts[Fate.REFUSED] == 7
    assert archive.entries() == {entry}
    assert archive.run("2026-09-22", allow_drop=True).counts[Fate.DROPPED] == 7
    assert archive.entries() == set()


def test_missed_runs_explain_what_is_dropped_at_once(archive) -> None:
    archive.define("default", "2 months", "month", "2026-01-15")
    for month in range(1, 8):
        archive.run(f"2026-{month:02}-26", clock_is_right=True)
    # Nothing ran for five months, in which something was written every five days.
    written = [archive.write(f"2026-{month:02}-{day:02}") for month in range(8, 13) for day in (1, 6, 11, 16, 21, 26)]
    run = archive.run("2026-12-27")
    assert (run.refused, run.state) == (False, RunState.DONE)
    # By hand: May to September, two months after the first of August to that of December.
    assert run.counts[Fate.DROPPED] == 5
    assert archive.entries() == set(written[12:])


@pytest.mark.parametrize("jump", ["2026-01-01", "2026-01-19"])
def test_a_clock_behind_the_last_run_is_not_trusted(archive, jump) -> None:
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.run("2026-01-20")
    run = archive.run(jump)
    assert (run.state, run.refusal) == (RunState.REFUSED, "the clock is behind the last run")


def test_a_clock_behind_the_newest_entry_is_not_trusted(archive) -> None:
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.write("2026-02-01")
    assert archive.run("2026-01-20").refusal == "the clock is behind the newest entry"
    assert archive.run("2026-01-20", clock_is_right=True).refusal == ""


def test_a_clock_that_jumped_before_the_very_first_run_drops_nothing(archive) -> None:
    """Threat: there is no run to compare with, and a clock that shows September in February empties the log."""
    archive.define("default", "1 month", "month", "2026-02-10")
    old, young = archive.write("2026-02-10"), archive.write("2026-02-14")
    run = archive.run("2026-09-20")
    assert run.state is RunState.REFUSED
    assert "7 days ahead of the definition of the log" in run.refusal
    assert archive.run("2026-02-09").refusal == "the clock is behind the definition of the log"
    # A refused run is no witness for the next, and the days between are told by entries.
    assert archive.run("2026-09-20").state is RunState.REFUSED
    assert archive.run("2026-02-20").state is RunState.DONE
    assert archive.entries() == {old, young}


def test_a_clock_that_jumped_ahead_drops_nothing(archive) -> None:
    """Threat: a clock set ten years ahead empties the log in one night, and what is written meanwhile seems to confirm it."""
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.run("2026-01-15")
    old = archive.write("2026-01-15")
    lying = archive.write("2036-01-15")
    run = archive.run("2036-01-15")
    assert run.state is RunState.REFUSED
    assert "ahead of the last run" in run.refusal
    assert archive.entries() == {old, lying}
    # The clock is right again; the refused run is no witness.
    assert archive.run("2026-01-16", clock_is_right=True).state is RunState.DONE
    assert archive.entries() == {old, lying}


def test_writes_never_fail_for_want_of_a_partition(archive) -> None:
    archive.define("default", "6 months", "month", "2026-01-15")
    for at in ("0001-01-01", "1970-01-01", "2025-12-31", "2026-01-15", "2026-06-30", "9999-12-31"):
        archive.write(at)
    assert len(archive.entries()) == 6


def test_a_log_that_no_run_looked_after_becomes_partitions_without_losing_a_row(archive) -> None:
    archive.define("default", "6 months", "month", "2026-01-15", ahead=1)
    archive.run("2026-01-15")
    days = [f"2026-{month:02}-{day:02}" for month in range(1, 8) for day in (1, 6, 11, 16, 21, 26)]
    written = [archive.write(day, person="1") for day in days]
    run = archive.run("2026-07-27")
    assert (run.state, run.counts[Fate.MADE]) == (RunState.DONE, 2)
    assert archive.bounds()[-4:] == [
        ("2026-02-01", "2026-03-01"),
        ("2026-03-01", "2026-08-01"),
        ("2026-08-01", "2026-09-01"),
        ("2026-09-01", "infinity"),
    ]
    assert archive.entries() == set(written)
    assert archive.rows("select count(*) from {l}.value") == [(len(written),)]
    assert archive.rows("select count(*) from only {l}.entry_1_tail") == [(0,)]


def test_entries_dated_ahead_move_out_of_the_way_of_new_partitions(archive) -> None:
    archive.define("default", "6 months", "month", "2026-01-15", ahead=1)
    archive.run("2026-01-15")
    near, far = archive.write("2026-03-10"), archive.write("2031-01-01")
    archive.run("2026-02-02", clock_is_right=True)
    assert archive.bounds()[-2:] == [("2026-03-01", "2026-04-01"), ("2026-04-01", "infinity")]
    tables = dict(archive.rows("select entry_id, tableoid::regclass::text from {l}.entry"))
    assert tables[near].endswith("entry_1_20260301")
    assert tables[far].endswith("entry_1_tail")


def test_entries_dated_before_everything_are_kept_their_time(archive) -> None:
    """Threat: what was written while the clock stood at 1970 is dropped by the first run after it was set."""
    archive.define("default", "6 months", "month", "2026-01-15")
    early = archive.write("1970-01-01")
    run = archive.run("2026-01-15", clock_is_right=True)
    assert any("clock was behind" in outcome.why for outcome in run.outcomes)
    archive.run("2026-07-14", clock_is_right=True)
    assert archive.entries() == {early}
    archive.run("2026-07-16")
    assert archive.entries() == set()
    assert archive.bounds()[0][0] == "-infinity"


def test_only_one_run_at_a_time(archive) -> None:
    archive.define("default", "6 months", "month", "2026-01-15")
    other = archive.open()
    key = f"pgerase retention {archive.prefix}"
    other.rows("select pg_catalog.pg_advisory_lock(pg_catalog.hashtextextended(%s, 0))", [key])
    with pytest.raises(Refused, match="another run of retention is under way"):
        archive.run("2026-01-15")
    assert archive.rows("select * from {l}.run") == []


def test_every_run_is_recorded_with_what_came_of_it(archive) -> None:
    archive.define("default", "1 month", "month", "2026-01-15")
    archive.run("2026-01-15")
    archive.run("2026-03-01", clock_is_right=True)
    assert archive.rows("select run_id, clock, state, outcomes, sqlstate from {l}.run order by 1") == [
        (1, utc("2026-01-15"), "done", {"kept": 3}, None),
        (2, utc("2026-03-01"), "done", {"made": 2, "dropped": 1, "kept": 4}, None),
    ]
    [(body,)] = archive.rows("select body from {l}.record where kind = 'drop'")
    assert body["tables"] == ["entry_1_20260101", "leaf_1_20260101", "value_1_20260101"]
    assert (body["class"], body["from"], body["to"]) == (
        "default",
        "2026-01-01T00:00:00+00:00",
        "2026-02-01T00:00:00+00:00",
    )


def test_the_log_is_only_added_to_even_by_superusers(archive) -> None:
    archive.define("default", "6 months", "month", "2026-01-15")
    archive.write("2026-01-15", person="1")
    for table in ("entry", "entry_1", "entry_1_20260101", "value", "value_1_20260101", "leaf", "leaf_1_tail"):
        for statement in (f"update {{l}}.{table} set at = at", f"delete from {{l}}.{table}", f"truncate {{l}}.{table}"):
            with pytest.raises(Exception, match="the log is only added to") as failure:
                archive.as_admin(statement)
            assert failure.value.sqlstate == "ZE220"


def test_what_the_logs_own_routines_may_change_is_over_with_their_statement(archive) -> None:
    """Threat: a transaction that erased somebody, or failed to, may change the log from then on."""
    archive.define("default", "6 months", "month", "2026-01-15")
    number = archive.write("2026-01-15", person="1")
    forget = "select {l}.forget_people('person', %s, 1)"
    with archive.admin.transaction(force_rollback=True):
        assert archive.as_admin(forget, ["1"]) == [(1,)]
        with pytest.raises(Exception, match="the log is only added to"), archive.admin.transaction():
            archive.as_admin("delete from {l}.entry where entry_id = %s", number)
    with archive.admin.transaction(force_rollback=True):
        archive.as_admin(
            "create function {l}.fail() returns trigger language plpgsql as $$begin raise 'no memory'; end$$"
        )
        archive.as_admin("create trigger fail after delete on {l}.value for each statement execute function {l}.fail()")
        with pytest.raises(Exception, match="no memory"), archive.admin.transaction():
            archive.as_admin(forget, ["1"])
        with pytest.raises(Exception, match="the log is only added to"), archive.admin.transaction():
            archive.as_admin("delete from {l}.entry where entry_id = %s", number)


def test_the_installing_role_reads_the_log_and_no_more(archive) -> None:
    archive.define("default", "6 months", "month", "2026-01-15")
    for table in ("entry", "entry_1", "entry_1_20260101", "run", "hold", "held", "held_value"):
        archive.rows(f"select count(*) from {{l}}.{table}")
        for statement in ("insert into {t} default values", "delete from {t}", "drop table {t}"):
            with pytest.raises(Exception, match=r"permission denied|must be owner"):
                archive.rows(statement.replace("{t}", f"{{l}}.{table}"))


def test_a_dump_of_the_owner_is_whole(archive) -> None:
    archive.define("default", "6 months", "month", "2026-01-15")
    unreadable = archive.rows(
        "select relname from pg_class where relnamespace = %s::regnamespace and relkind in ('r', 'p', 'S')"
        " and not case relkind when 'S' then has_sequence_privilege(oid, 'select') else has_table_privilege(oid, 'select') end",
        archive.names.logs,
    )
    assert unreadable == []


def test_nobody_else_reads_any_of_it(archive) -> None:
    archive.define("default", "6 months", "month", "2026-01-15")
    stranger = archive.database.connect(archive.database.role("stranger"))
    for table in sorted(archive.tables() | {"entry", "run", "hold", "held", "held_value"}):
        with pytest.raises(Exception, match="permission denied"):
            stranger.execute(archive.sql(f"select from {{l}}.{table}"))


def test_a_class_that_cannot_be_is_refused(archive) -> None:
    with pytest.raises(Exception, match="class_period_check"):
        archive.define("default", "6 months", "year", "2026-01-15")
    assert archive.rows("select * from {l}.class") == []


def test_a_run_makes_its_own_transactions(archive) -> None:
    with archive.owner.transaction(), pytest.raises(Exception, match="transactions of its own"):
        archive.run("2026-01-15")


def test_it_says_where_there_is_no_log(archive) -> None:
    with pytest.raises(Refused, match="not installed here for the prefix nothing"):
        maintain(archive.owner, "nothing")
