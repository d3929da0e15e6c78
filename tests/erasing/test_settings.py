"""What a database or a role sets for its sessions changes nothing of what erasing does and says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from pgerase.database import Database
from pgerase.operate import State, dry_run, history, list_requests, open_request, status
from pgerase.plan.model import Change
from pgerase.prove import Needle, Verdict, prove
from pgerase.rules.read import read_pack
from tests.erasing.conftest import Club

SETTINGS = {
    "datestyle": "German",
    "intervalstyle": "iso_8601",
    "bytea_output": "escape",
    "extra_float_digits": "-5",
    "client_encoding": "LATIN1",
    "timezone": "Asia/Tokyo",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
}


@pytest.mark.parametrize("whose", ["database {database}", "role {owner}", "role {owner} in database {database}"])
def test_erasing_says_the_same_whatever_a_session_is_given(whose: str, unapplied: Club):
    club = unapplied
    club.owner.execute("update app.person set full_name = 'Ænna Łuk €' where person_id = 5")
    club.apply()
    target = whose.format(database=f'"{club.database.name}"', owner=f'"{club.database.owner}"')
    for name, value in SETTINGS.items():
        club.admin.execute(f"alter {target} set {name} = '{value}'".encode())
    with psycopg.connect(club.database.dsn()) as theirs:
        assert theirs.execute("show datestyle").fetchone() == ("German, DMY",)
    before = datetime.now(UTC) - timedelta(minutes=1)
    register = club.register()
    number = open_request(register, "person", ["5"]).number
    planned = dry_run(register, number)
    done = club.erase(5)
    assert (done.failures, done.counts) == ((), planned.counts)
    (person,) = status(register, "person", ["5"])
    assert (person.state, person.erased_at is not None and person.erased_at > before) == (State.ERASED, True)
    assert {one.what for one in history(register, "person", ["5"])} >= {"erased"}
    assert all(one.received_at > before for one in list_requests(register, closed=True))
    with Database.open(club.database.dsn()) as database:
        report = prove(database, read_pack(club.deployment.folder), "person", [Needle("5", "full_name", "Ænna Łuk €")])
    assert {one.verdict for one in report.places} & {Verdict.FAIL, Verdict.REVIEW} == set()
    assert [one.key for one in club.deployment.plan().steps if one.change is not Change.SAME] == []


@pytest.mark.parametrize(
    "name",
    ["datestyle", "intervalstyle", "bytea_output", "extra_float_digits", "client_encoding", "quote_all_identifiers"],
)
def test_a_connection_spells_values_as_the_driver_reads_them(name: str, unapplied: Club):
    club = unapplied
    with Database.open(club.database.dsn()) as database:
        usual = database.value(f"show {name}")
    club.admin.execute(f"alter role \"{club.database.owner}\" set {name} = '{SETTINGS[name]}'".encode())
    with Database.open(club.database.dsn()) as database:
        # The order of day and month, which only what is read depends on, stays theirs.
        assert database.value(f"show {name}") == (usual if name != "datestyle" else "ISO, DMY")
        assert database.rows(
            "select '2024-02-01 12:00+00'::timestamptz as at, 'Łuk €' as name, '\\x41'::bytea as raw"
        ) == [{"at": datetime(2024, 2, 1, 12, tzinfo=UTC), "name": "Łuk €", "raw": b"A"}]
