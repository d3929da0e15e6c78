"""The seal and retention as they are run: partitions expire, what is held outlives them, and all of it still verifies (E4, E5)."""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pgerase.database import Database
from pgerase.operate.log import Log
from pgerase.operate.retention import maintain
from pgerase.operate.retention_model import Fate
from pgerase.operate.seal.exporting import export_log
from pgerase.operate.seal.keys import SealKey
from pgerase.operate.seal.sealing import sign_log
from pgerase.operate.seal.verifying import verify_log

# September's partitions end on 1 October and are kept for six months.
EXPIRED = datetime(2027, 4, 2, tzinfo=UTC)
VERIFIER = Path(__file__).resolve().parents[2] / "tools" / "verify_log.py"


DETECTED = [
    ("update {log}.held set actor = '8'", {"held-changed"}),
    ("update {log}.held set path = path[2:]", {"held-changed"}),
    ("update {log}.held set segment_id = 2", {"held-changed", "entry-ahead"}),
    ("delete from {log}.held where entry_id = 4", {"held-missing", "value-inserted"}),
    ("update {log}.held_value set new = null where part = 2", {"value-changed"}),
    ("delete from {log}.held_value where part = 2", {"value-missing", "salt-left"}),
    (
        (
            "insert into {log}.held select class, at, 1, xact, relation, action, actor, login, role, request, purpose, grant_id,"
            " key, old, new, 0, due_at from {log}.held where entry_id = 4"
        ),
        {"held-inserted", "held-unsealed"},
    ),
    # Threat: one that incriminates goes, and another that is as true takes its place, so that there are as many.
    (
        (
            "insert into {log}.held select e.class, e.at, e.entry_id, e.xact, e.relation, e.action, e.actor, e.login, e.role,"
            " e.request, e.purpose, e.grant_id, e.key, e.old, e.new, e.parts, now(), l.segment_id, l.position, l.salt, l.salts,"
            " l.commitments, l.hash, {log}.inclusion_path(l.segment_id, l.position)"
            " from {log}.entry as e join {log}.leaf as l using (entry_id) where e.parts = 0 limit 1;"
            "delete from {log}.held_value where entry_id = 4; delete from {log}.held where entry_id = 4"
        ),
        {"held-missing", "held-inserted"},
    ),
]


@pytest.fixture
def expired(copy):
    """The log of a copy with a hold on person 1, after September went."""
    with Database.open(copy.dsn) as database:
        with copy.as_owner():
            copy.rows("select {log}.define_class('default', '6 months', 'month', 3, '2026-10-06Z')")
            copy.rows("select {log}.define_class('shop.person', '6 months', 'month', 3, '2026-10-06Z')")
            copy.rows("select {log}.place_hold('person', '1', null, null, 'case/1')")
        run = maintain(database, copy.names.prefix, now=EXPIRED, clock_is_right=True)
        assert {fate.fate.value for fate in run.outcomes} >= {"dropped"}, run
        assert copy.rows("select to_regclass('{log}.entry_1_20260901') as gone") == [(None,)]
    copy.seal("2027-04-02 01:00Z")
    return copy


def test_survives_retention_with_holds(expired, tmp_path, capfd):
    """Held entries of a dropped partition are proven one by one by their inclusion paths; an auditor sees the same."""
    assert expired.findings() == set()
    # Three entries a day name person 1, and September has two days.
    assert expired.rows("select count(*) from {log}.held") == [(6,)]
    assert expired.rows("select count(*) from {log}.entry where at < '2026-10-01'") == [(0,)]
    key = SealKey.new()
    key.write(tmp_path / "k.pem")
    with Database.open(expired.dsn) as database:
        door = Log(database, expired.names.prefix)
        sign_log(door, key, now=datetime(2027, 4, 2, 2, tzinfo=UTC))
        export_log(door, tmp_path / "export.jsonl")
    spec = importlib.util.spec_from_file_location("verify_log", VERIFIER)
    assert spec is not None
    assert spec.loader is not None
    verifier = sys.modules["verify_log"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(verifier)
    code = verifier.main([str(tmp_path / "export.jsonl"), "--public-key", str(tmp_path / "k.pem.pub")])
    said = capfd.readouterr().out
    assert code == 0, said
    assert "Holds: 6 entries kept past their time, each proven by itself." in said
    assert "Segments: 2 whole, 4 dropped as their time was over" in said
    for statement, sentence in (
        ("update {log}.held set actor = '8'", "is not as it was sealed"),
        ("update {log}.held set position = position # 1", "is not in the segment it names"),
        ("update {log}.held_value set new = null", "is not as it was sealed"),
        ("delete from {log}.held_value", "is gone, and no record says that it was erased"),
        ("delete from {log}.held", "Holds: 0 entries kept, where records say 6."),
        ("update {log}.held_value set part = 9 where part = 2", "has values that were put in later"),
        (DETECTED[-1][0], "Holds: entry 4 is under hold, as records say, and gone."),
    ):
        with expired.database.transaction(undo=True):
            expired.run(statement)
            door = Log(expired.database, expired.names.prefix)
            file = tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl"
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(door, "snapshot", expired.database.transaction)
                export_log(door, file)
        assert verifier.main([str(file), "--public-key", str(tmp_path / "k.pem.pub")]) == 1
        assert sentence in capfd.readouterr().out


def test_survives_that_something_empty_was_set_aside_and_went(copy):
    """Nothing is missing, and the run's own record of it is no evidence of tampering, now or ever."""
    copy.run("alter table {log}.entry_1 detach partition {log}.entry_1_20261101")
    copy.run("alter table {log}.entry_1_20261101 rename to keepme")
    with Database.open(copy.dsn) as database:
        run = maintain(database, copy.names.prefix, now=datetime(2026, 10, 6, tzinfo=UTC), clock_is_right=True)
        assert [one.fate for one in run.outcomes if one.name == "keepme"] == [Fate.DROPPED]
        copy.seal("2026-10-06 01:00Z")
        door = Log(database, copy.names.prefix)
        sign_log(door, SealKey.new(), now=datetime(2026, 10, 6, 2, tzinfo=UTC))
        found = verify_log(door).findings
    assert {one.code for one in found} == {"signatures-unchecked"}


def test_detects_what_was_done_to_held_entries(expired):
    for statement, codes in DETECTED:
        with expired.database.transaction(undo=True):
            expired.run(statement)
            assert expired.findings() == codes, statement


def test_survives_erasing_another_person_from_held_entries_and_their_release(expired):
    assert expired.rows("select {log}.forget_people('person', '{2}', 1)")[0][0] > 4
    assert expired.rows("select distinct person from {log}.held_value order by 1") == [("1",), (None,)]
    assert expired.rows("select count(*) from {log}.held where salts[2] is not null") == [(0,)]
    with Database.open(expired.dsn) as database:
        expired.seal("2027-04-02 02:00Z")
        assert expired.findings() == set()
        with expired.as_owner():
            expired.rows("select {log}.release_holds('person', '1', null)")
        maintain(database, expired.names.prefix, now=EXPIRED + timedelta(hours=2, minutes=30), clock_is_right=True)
        assert expired.rows("select count(*) from {log}.held") == [(0,)]
    expired.seal("2027-04-02 03:00Z")
    assert expired.findings() == set()
