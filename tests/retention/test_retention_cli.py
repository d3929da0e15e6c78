"""The commands that keep the log going, what they print and how they end; and holds on people, which erasing respects."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime

import pytest

from pgerase.cli.main import main
from pgerase.cli.retention import _run_lines
from pgerase.database import Database, identifier
from pgerase.errors import Position
from pgerase.install import install, uninstall
from pgerase.operate.log_status import log_status
from pgerase.operate.retention import maintain
from pgerase.operate.retention_model import Run, RunState
from pgerase.rules.pack import AcceptedDoor
from tests.operate.conftest import first_shop, shop  # noqa: F401 - the small application with people to hold
from tests.retention.conftest import utc


@pytest.fixture
def pgerase(capfd, monkeypatch):
    """Run a command on a database; (exit code, stdout, stderr)."""

    def run(dsn: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))
        code = main(["--dsn", dsn, *arguments])
        captured = capfd.readouterr()
        return int(code), captured.out, captured.err

    return run


def alarms(archive, now: str) -> tuple[str, ...]:
    return log_status(archive.owner, archive.prefix, now=utc(now)).alarms


def test_support_grants_that_went_are_told_in_a_sentence() -> None:
    def said(pruned: int) -> str:
        return _run_lines(Run(1, utc("2026-01-01 00:00"), RunState.DONE, (), pruned=pruned))[0]

    assert said(1) == "1 support grant that ended longer ago than entries are kept was removed"
    assert said(2) == "2 support grants that ended longer ago than entries are kept were removed"


def test_maintain_then_status(archive, pgerase) -> None:
    dsn = archive.database.dsn()
    code, out, _ = pgerase(dsn, "audit", "status")
    assert (code, out) == (0, "no class of entries is defined\nlast run: never; last that was done: never\n")
    archive.rows("select {l}.define_class('default', '6 months', 'month', 3)")
    code, out, _ = pgerase(dsn, "audit", "status")
    assert code == 1
    assert "ALARM: no run of retention was ever done: run `pgerase audit maintain`, and schedule it" in out
    code, out, _ = pgerase(dsn, "audit", "maintain")
    assert (code, out) == (0, "kept       default  4\nrun 1: done: 4 kept\n")
    code, out, _ = pgerase(dsn, "audit", "status", "--format", "json")
    data = json.loads(out)
    assert (code, data["format"], data["alarms"], data["last_state"]) == (0, 1, [], "done")
    assert (data["classes"][0]["keep"], data["classes"][0]["partitions"]) == ("6 mons", 4)
    code, out, _ = pgerase(dsn, "retention", "run", "--format", "json")
    assert (code, json.loads(out)["outcomes"][0]["outcome"]) == (0, "kept")


def test_a_refusal_is_exit_code_3_and_waits_for_a_word(archive, pgerase) -> None:
    archive.define("default", "1 month", "month", "2020-01-15")
    archive.run("2020-01-15")
    code, out, err = pgerase(archive.database.dsn(), "audit", "maintain")
    assert (code, "no entries tell of the time between" in out, "--clock-is-right" in err) == (3, True, True)
    code, out, _ = pgerase(archive.database.dsn(), "audit", "maintain", "--clock-is-right")
    assert (code, "dropped    entry_1_20200101  2020-01-01 to 2020-02-01" in out) == (0, True)


def test_s_alarms(archive) -> None:
    """What did not happen is noticed: a missed run, a missing partition, one that is overdue, one half detached."""
    archive.define("default", "1 month", "month", "2026-01-15", ahead=1)
    archive.run("2026-01-15")
    assert alarms(archive, "2026-01-16") == ()
    (alarm,) = alarms(archive, "2026-01-17")
    assert alarm == (
        "the last run that was done was 2026-01-15 00:00 UTC: runs are missed; run `pgerase audit maintain`, and look why"
        " nothing ran it"
    )
    assert "default: the next partition is missing: `pgerase audit maintain` makes it" in alarms(archive, "2026-02-02")
    assert (
        "default: 1 partition should have been dropped more than a day ago: `pgerase audit maintain` drops what is due, or says"
        " why it stays"
    ) in alarms(archive, "2026-03-02")
    archive.as_admin("alter table {l}.leaf_1 detach partition {l}.leaf_1_20260201")
    assert (
        "detached, and there still: leaf_1_20260201: `pgerase audit maintain` attaches what has the name it had, and drops what"
        " is due; what was renamed stays until its time is over, or until it has its name again"
    ) in alarms(archive, "2026-01-16")
    archive.write("1999-01-01")
    archive.run("2026-01-16")
    assert "default: entries dated before every partition, found 2026-01-16" in alarms(archive, "2026-01-16")
    archive.run("2026-01-02")
    assert "the last run was refused: `pgerase audit maintain` says why" in alarms(archive, "2026-01-16")


def test_a_missing_partition_is_an_alarm_until_maintain_put_it_back(archive, pgerase) -> None:
    """Threat: every write to captured tables fails, and what is asked every morning says that all is well."""
    dsn = archive.database.dsn()
    archive.rows("select {l}.define_class('default', '6 months', 'month', 3)")
    assert pgerase(dsn, "audit", "maintain")[0] == 0
    ((table,),) = archive.rows(
        "select relation from {l}.partitions() where family = 'value' and lower_bound <= now() and now() < upper_bound"
    )
    archive.as_admin(f"drop table {{l}}.{table}")
    code, out, _ = pgerase(dsn, "audit", "status")
    assert (code, "ALARM: default: no partition of value from " in out) == (1, True)
    assert ": writes to its tables fail now; `pgerase audit maintain` puts it right" in out
    (gap,) = json.loads(pgerase(dsn, "audit", "status", "--format", "json")[1])["gaps"]
    assert (gap["class"], gap["tables"], gap["is_now"]) == ("default", ["value"], True)
    code, out, _ = pgerase(dsn, "audit", "maintain")
    assert (code, table in archive.tables()) == (0, True)
    assert pgerase(dsn, "audit", "status")[0] == 0


def test_maintain_says_what_it_attached_again_and_what_it_made_anew(archive, pgerase) -> None:
    """Threat: sealed entries vanish with their partition, and the run that makes an empty one says what it says every night."""
    dsn = archive.database.dsn()
    archive.rows("select {l}.define_class('default', '6 months', 'month', 3)")
    assert pgerase(dsn, "audit", "maintain")[0] == 0
    (_, gone, apart, _), days = (
        [row[number] for row in archive.rows(
            "select substring(relation from '\\d{8}$'), lower_bound::date::text, upper_bound::date::text from {l}.partitions()"
            " where family = 'value' and lower_bound > '-infinity' and upper_bound < 'infinity' order by lower_bound"
        )] for number in (0, 1)
    )  # fmt: skip
    _, gone_on, apart_on, after = days
    take = (
        f"drop table {{l}}.entry_1_{gone}; drop table {{l}}.value_1_tail;"
        f"alter table {{l}}.leaf_1 detach partition {{l}}.leaf_1_{apart}"
    )
    archive.as_admin(take)
    anew = "made anew and empty: if there was something in it, it is gone; `audit verify` says what of it was sealed"
    again = "attached again, with all that is in it"
    code, out, _ = pgerase(dsn, "audit", "maintain")
    assert (code, out.splitlines()) == (
        0,
        [
            f"made       entry_1_{gone}  {gone_on} to {apart_on}  ({anew})",
            f"made       leaf_1_{apart}  {apart_on} to {after}  ({again})",
            f"made       value_1_tail  ({anew})",
            "kept       default  4",
            "run 2: done: 3 made, 4 kept",
        ],
    )
    archive.as_admin(take)
    data = json.loads(pgerase(dsn, "audit", "maintain", "--format", "json")[1])
    assert [(one["name"], one["outcome"], one["anew"], one["why"]) for one in data["outcomes"]] == [
        (f"entry_1_{gone}", "made", True, anew),
        (f"leaf_1_{apart}", "made", False, again),
        ("value_1_tail", "made", True, anew),
        ("default", "kept", None, ""),
    ]


def test_what_is_needed_is_told_with_all_else_that_the_run_did(archive, pgerase) -> None:
    """Threat: one view of somebody's, and nobody hears what was made, kept or dropped, nor which partition it was."""
    archive.define("default", "1 month", "month", "2020-01-15")
    archive.run("2020-01-15")
    dsn = archive.database.dsn()
    archive.as_admin("create view public.mine as select * from {l}.entry_1_20200201")
    command = ("audit", "maintain", "--clock-is-right", "--allow-drop")
    code, out, err = pgerase(dsn, *command)
    assert code == 4
    lines = out.splitlines()
    assert "dropped    entry_1_20200101  2020-01-01 to 2020-02-01" in lines
    assert "needed     entry_1_20200201  2020-02-01 to 2020-03-01" in lines
    assert lines[-1].startswith("run 2: failed: ")
    assert ", 1 needed" in lines[-1]
    assert "view public.mine depends on entry_1_20200201" in err
    code, out, err = pgerase(dsn, *command, "--format", "json")
    data = json.loads(out)
    assert (code, data["command"], data["state"], data["run"]) == (4, "audit maintain", "failed", 3)
    assert [one["name"] for one in data["outcomes"] if one["outcome"] == "needed"] == ["entry_1_20200201"]
    assert (data["error"]["kind"], data["error"]["exit_code"]) == ("DatabaseFailed", 4)
    assert "view public.mine depends on entry_1_20200201" in data["error"]["message"]
    archive.as_admin("drop view public.mine")
    assert "dropped    entry_1_20200201" in pgerase(dsn, *command)[1]


def test_a_run_that_makes_nothing_warns_of_what_is_missing(archive, pgerase) -> None:
    """Threat: writes fail, and the run that everybody looks at says done."""
    dsn = archive.database.dsn()
    archive.rows("select {l}.define_class('default', '6 months', 'month', 3)")
    assert pgerase(dsn, "audit", "maintain")[0] == 0
    assert pgerase(dsn, "retention", "run") == (0, "kept       default  4\nrun 2: done: 4 kept\n", "")
    assert json.loads(pgerase(dsn, "retention", "run", "--format", "json")[1])["findings"] == []
    archive.as_admin("drop table {l}.value_1_tail")
    code, out, err = pgerase(dsn, "retention", "run")
    assert (code, out) == (0, "kept       default  4\nrun 4: done: 4 kept\n")
    assert "log-missing" in err
    assert "Run `pgerase audit maintain`" in err
    (found,) = json.loads(pgerase(dsn, "retention", "run", "--format", "json")[1])["findings"]
    assert (found["code"], found["severity"]) == ("log-missing", "warning")
    assert pgerase(dsn, "audit", "maintain")[::2] == (0, "")


def test_a_class_without_a_part_is_told_of_without_bounds_and_maintain_attaches_it(archive, pgerase) -> None:
    dsn = archive.database.dsn()
    archive.rows("select {l}.define_class('default', '6 months', 'month', 3)")
    assert pgerase(dsn, "audit", "maintain")[0] == 0
    archive.as_admin("alter table {l}.entry detach partition {l}.entry_1")
    code, out, _ = pgerase(dsn, "audit", "status")
    assert (code, out.splitlines()[0]) == (1, "default: kept 6 mons, by month; 0 partitions")
    assert pgerase(dsn, "audit", "maintain")[0] == 0
    code, out, _ = pgerase(dsn, "audit", "status")
    assert (code, out.startswith("default: kept 6 mons, by month; 4 partitions from ")) == (0, True)


def test_a_length_without_a_unit_is_refused(archive, pgerase) -> None:
    code, _, err = pgerase(archive.database.dsn(), "audit", "status", "--missed-after", "26")
    assert (code, "'26' does not say of what: write 26m, 26h or 26d" in err) == (2, True)


def test_a_setting_that_silences_capture_is_an_alarm(archive, pgerase) -> None:
    """Threat: with session_replication_role = replica a role's writes leave no entry, and the log looks like one of quiet days."""
    name, login = archive.database.name, archive.owner.value("select current_user")
    with Database.open(archive.database.admin_dsn) as admin, admin.connection.transaction(force_rollback=True):
        assert log_status(admin, archive.prefix).alarms == ()
        admin.run(f"alter role {login} in database {name} set session_replication_role = replica")
        admin.run(f"alter database {name} set session_replication_role = replica")
        admin.run(f"grant set on parameter session_replication_role to {login}")
        found = log_status(admin, archive.prefix).alarms
        assert [alarm.split(":")[0] for alarm in found] == [
            f"every session of {name} begins with session_replication_role = replica",
            f"{login} begins with session_replication_role = replica",
            f"{login} has SET on the parameter session_replication_role",
        ]
        assert found[0].endswith(f"alter database {name} reset session_replication_role;")
        known = AcceptedDoor("grant", f"{login}/session_replication_role", "restores", Position("pack.yaml", 1, 1))
        assert len(log_status(admin, archive.prefix, accepted=[known]).alarms) == 2
    archive.as_admin(f"alter database {name} set session_replication_role = replica")
    code, out, _ = pgerase(archive.database.dsn(), "audit", "status")
    archive.as_admin(f"alter database {name} reset session_replication_role")
    assert (code, "ALARM: every session of" in out) == (1, True)


def test_held_people_are_not_erased(shop, pgerase) -> None:  # noqa: F811
    dsn = shop.database.dsn()
    code, out, _ = pgerase(dsn, "subject", "hold", "person", "1", "2", "--reference", "case-7")
    assert (code, len(out.splitlines())) == (0, 2)
    # Day, time and zone.
    assert all(len(line.partition(", case-7")[0].partition("held since ")[2].split()) == 3 for line in out.splitlines())
    # Whoever plans is told before, and counts nothing as going that stays.
    code, out, _ = pgerase(dsn, "subject", "erase", "person", "1", "3", "--dry-run")
    told = [line for line in out.splitlines() if "legal hold" in line]
    assert (code, len(told), told[0][-30:]) == (1, 1, " (case-7): would not be erased")
    assert out.endswith("dry run, no request: 1 person would be erased, 1 would fail; nothing was changed\n")
    code, out, _ = pgerase(dsn, "subject", "erase", "person", "1", "3", "--dry-run", "--format", "json")
    assert [(one["key"], one["references"]) for one in json.loads(out)["held"]] == [("1", ["case-7"])]
    _, _, err = pgerase(dsn, "subject", "erase", "person", "1", "3")
    assert "person 1  under legal hold since" in err
    code, out, _ = pgerase(dsn, "subject", "erase", "person", "1", "3", "--yes", "--format", "json")
    data = json.loads(out)
    assert code == 1
    assert [(one["key"], one["sqlstate"], one["message"]) for one in data["failures"]] == [
        ("1", "ZE221", "somebody is under legal hold")
    ]
    assert [(one["key"], one["references"]) for one in data["held"]] == [("1", ["case-7"])]
    assert shop.rows("select person_id, status from shop.person where person_id in (1, 3) order by 1") == [
        (1, "ACTIVE"),
        (3, "ERASED"),
    ]
    request = str(data["request"]["number"])
    code, out, err = pgerase(dsn, "subject", "erase", "person", "--request", request, "--retry", "--yes")
    (failed,) = [line for line in out.splitlines() if line.startswith("failed: ")]
    assert (code, failed[:45], failed[-9:]) == (1, "failed: person 1: under legal hold since 2026", " (case-7)")
    assert "`subject release` ends a hold" in err
    code, out, _ = pgerase(dsn, "subject", "release", "person", "1", "--reference", "case-8", "--yes")
    assert (code, out) == (1, "released: 0; nobody of them is held under case-8\n")
    code, out, _ = pgerase(dsn, "subject", "release", "person", "1", "--yes")
    assert (code, out) == (0, "released: 1\n")
    assert pgerase(dsn, "subject", "release", "person", "1", "--yes")[0] == 1
    assert pgerase(dsn, "subject", "erase", "person", "--request", request, "--retry", "--yes")[0] == 0
    assert shop.rows("select status from shop.person where person_id = 1") == [("ERASED",)]


def test_holds_are_listed(shop, pgerase) -> None:  # noqa: F811
    """Whoever answers for holds has to know whom they are on: references are in the commands of long ago."""
    dsn = shop.database.dsn()
    assert pgerase(dsn, "subject", "holds") == (0, "nobody is held\n", "")
    for key, reference in (("2", "case-9"), ("1", "case-7"), ("1", "case-8")):
        assert pgerase(dsn, "subject", "hold", "person", key, "--reference", reference)[0] == 0
    rows = shop.rows(f"select hold_id, person, reference, placed_at from {shop.names.logs}.hold order by hold_id")
    assert [row[1:3] for row in rows] == [("2", "case-9"), ("1", "case-7"), ("1", "case-8")]
    code, out, _ = pgerase(dsn, "subject", "holds")
    assert (code, out.splitlines()) == (
        0,
        [
            f"person {person}  held since {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {reference}"
            for _, person, reference, at in rows
        ],
    )
    code, out, _ = pgerase(dsn, "subject", "holds", "person", "--format", "json")
    data = json.loads(out)
    assert (code, data["command"]) == (0, "subject holds")
    assert [tuple(one[name] for name in ("hold", "subject", "key", "reference")) for one in data["holds"]] == [
        (number, "person", person, reference) for number, person, reference, _ in rows
    ]
    assert [datetime.fromisoformat(one["placed_at"]) for one in data["holds"]] == [at for *_, at in rows]
    # What was released is over.
    assert pgerase(dsn, "subject", "release", "person", "1", "--reference", "case-7", "--yes")[0] == 0
    assert len(pgerase(dsn, "subject", "holds", "person")[1].splitlines()) == 2
    code, out, err = pgerase(dsn, "subject", "holds", "persom")
    assert (code, out, "subject" in err) == (2, "", True)


def test_a_release_that_nobody_can_confirm_says_how(shop, pgerase) -> None:  # noqa: F811
    dsn = shop.database.dsn()
    code, out, err = pgerase(dsn, "subject", "release", "person", "1", "2")
    assert (code, out) == (3, "")
    assert err == (
        "error: nobody is there to ask, and nothing was changed\n"
        "hint: --yes answers this question with yes: release the holds on 2 people?\n"
    )


def test_a_hold_on_nobody_is_a_mistake(shop, pgerase) -> None:  # noqa: F811
    dsn = shop.database.dsn()
    code, _, err = pgerase(dsn, "subject", "hold", "person", "1", "999999", "--reference", "case-7")
    assert (code, "1 of these keys belongs to nobody" in err) == (3, True)
    assert shop.rows("select * from {i}.request") == []
    code, _, err = pgerase(dsn, "subject", "hold", "persom", "1", "--reference", "case-7")
    assert (code, "subject" in err) == (2, True)
    code, _, err = pgerase(dsn, "subject", "hold", "person", "1", "--reference", "Erika Mustermann")
    assert (code, "Mustermann" in err) == (2, False)
    assert pgerase(dsn, "subject", "hold", "person", "999999", "--allow-missing", "--reference", "case-7")[0] == 0


def test_uninstall_is_refused_while_holds_last(database, pgerase) -> None:
    """Threat: evidence under legal hold goes with the log, by a command that is about something else."""
    dsn, log = database.dsn(), identifier(f"{database.prefix}_log", "place_hold")
    with Database.open(dsn) as connection:
        install(connection, database.prefix)
        for key in "12":
            connection.rows(f"select {log}('person', %s, null, null, 'case/7')", [key])
    command = ("uninstall", "--prefix", database.prefix, "--yes", "--allow-drop")
    code, _, err = pgerase(dsn, *command)
    assert (code, "2 legal holds last" in err, "--allow-held" in err) == (3, True, True)
    with Database.open(dsn) as connection:
        released = identifier(f"{database.prefix}_log", "release_holds")
        assert connection.value(f"select {released}('person', '1', null)") == 1
    code, _, err = pgerase(dsn, *command)
    assert (code, "1 legal hold lasts" in err) == (3, True)
    assert pgerase(dsn, *command, "--allow-held")[0] == 0


def test_uninstall_takes_the_log_along_with_its_partitions(database) -> None:
    with Database.open(database.dsn()) as connection:
        install(connection, database.prefix)
        connection.rows(
            f"select {identifier(f'{database.prefix}_log', 'define_class')}('default', '6 months', 'month', 2)"
        )
        maintain(connection, database.prefix)
        uninstall(connection, database.prefix)
        left = "select rolname from pg_catalog.pg_roles where starts_with(rolname, %s) and not rolcanlogin"
        assert connection.rows(left, [database.prefix]) == []
