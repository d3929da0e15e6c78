"""What records of the log itself are believed of, by `audit verify` and the verifier: dropping, lengths, times, routines."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from pgerase.operate.log import Log
from pgerase.operate.seal.keys import SealKey
from pgerase.operate.seal.sealing import sign_log
from tests.audit.fix_commands import VARIABLE, Shared, codes


def test_a_made_up_erasure_names_a_request_that_there_never_was(audit, key, log, judge):
    """Sealed and signed, a forged record explains a missing value. The ledger has no such request."""
    log.run(
        "delete from {log}.value where person = '1' and entry_id = 4; update {log}.leaf set salts[1] = null where entry_id = 4"
    )
    log.run("insert into {log}.record (kind, body) values ('erasure', '{\"request\": 99, \"parts\": [[4, 1]]}')")
    audit("seal")
    assert codes(audit) == {"erasure-unrequested"}
    # The export says which request, for somebody to ask.
    code, said = judge()
    assert code == 0
    assert "1 erased, each with a record (request 99)" in said


def test_detects_a_made_up_record_of_dropping_by_the_signer_s_clock(audit, key, log, anchors, judge):
    """Threat: whoever may seal names a time when the partition was due. Whoever signs has another clock, and anchors keep it."""
    audit("seal")
    log.run("drop table {log}.entry_1_20260901, {log}.value_1_20260901, {log}.leaf_1_20260901")
    log.rows('select {log}.add_record(\'class\', \'{"class": "default", "keep": "6 mons"}\')')
    body = json.dumps({"class": "default", "from": "2026-09-01T00:00:00+00:00", "to": "2096-10-01T00:00:00+00:00"})
    log.rows("insert into {log}.record (kind, body, at) values ('drop', %s, '2097-05-01Z')", [body])
    log.seal("2097-05-01Z")
    assert log.findings() == set(), "the database alone cannot tell"
    audit("seal")
    assert "drop-early" in codes(audit)
    code, said = judge()
    assert code == 1
    assert "segment 1 (default, 2026-09-10) is gone, and the record of it is of 20" in said
    assert "before it was due" in said
    # Taking the signature away helps as long as there are anchors.
    log.run("delete from {log}.checkpoint where size > 7")
    assert "drop-early" in codes(audit)
    code, said = judge("--anchors", str(anchors))
    assert (code, "before it was due" in said) == (1, True)


EMPTY = {
    "run": 3, "class": None, "tables": ["keepme"], "from": None, "to": None, "due": "-infinity",
    "first_segment": None, "last_segment": None, "held_late": 0,
}  # fmt: skip


def test_a_record_of_dropping_what_was_empty_is_no_finding_and_explains_nothing(audit, key, log, judge):
    """Threat: an empty table that somebody set aside goes, and the log is said to be tampered with for ever after."""
    log.rows("insert into {log}.record (kind, body) values ('drop', %s)", [json.dumps(EMPTY)])
    audit("seal")
    assert codes(audit) == set()
    code, said = judge()
    assert (code, "would be kept" in said) == (0, False), said
    # Threat: such a record, made up, for a partition that had all of September.
    log.run("drop table {log}.entry_1_20260901, {log}.value_1_20260901, {log}.leaf_1_20260901")
    log.rows("insert into {log}.record (kind, body) values ('drop', %s)", [json.dumps(EMPTY)])
    audit("seal")
    assert codes(audit) == {"partition-dropped"}
    code, said = judge()
    assert code == 1
    assert "segment 1 (default, 2026-09-10) is gone, and no record says that its time was over." in said


# How long a record of a class says that it is kept: so long that the test is no question of the day it is run on.
LONG, SHORT = (json.dumps({"class": "default", "keep": keep}) for keep in ("60 years", "1 day"))


KEPT = "insert into {log}.record (kind, body, at) values ('class', %s, %s)"


def forged_drop(log, month: int = 9) -> None:
    """The record that retention would have written of a month, from the sixth of the next on."""
    body = {"class": "default", "from": f"2026-{month:02}-01T00:00:00Z", "to": f"2026-{month + 1:02}-01T00:00:00Z"}
    statement = "insert into {log}.record (kind, body, at) values ('drop', %s, %s)"
    log.rows(statement, [json.dumps(body), f"2026-{month + 1:02}-06Z"])


@pytest.mark.parametrize("day", ["2026-10-05", "2026-08-01"])
def test_a_made_up_record_of_a_shorter_keep_is_told_with_what_it_made_due(audit, key, log, judge, day: str):
    """Threat: who has the keeper's rights writes that all is kept for a day, dated back or not, and then that September was dropped."""
    log.rows(KEPT, [LONG, "2026-07-01Z"])
    log.seal("2026-10-05 12:30Z")
    log.run("drop table {log}.entry_1_20260901, {log}.value_1_20260901, {log}.leaf_1_20260901")
    log.rows(KEPT, [SHORT, f"{day} 13:00Z"])
    forged_drop(log)
    log.seal("2026-10-06 01:00Z")
    audit("seal")
    # Retention goes by a table that still says otherwise.
    assert codes(audit) == {"class-differs", "keep-shortened", "drop-shortened"}
    log.rows("update {log}.class set keep = '1 day' where class = 'default'")
    code, out, _ = audit("verify")
    assert (code, "class-differs" in out) == (0, False)
    assert "note keep-shortened: how long entries are kept was shortened" in out
    assert f", {day} 13:00 UTC, from 60 years to 1 day, default\n" in out
    assert "warning drop-shortened: segments were dropped that would be there still" in out
    assert ", else kept until 2086-10-01 00:00 UTC, segment 8, default\n" in out
    assert audit("verify", "--strict")[0] == 1
    code, said = judge()
    assert code == 0
    assert (
        f"told    Retention: default is kept for 1 day since {day} 13:00 UTC, and for 60 years before (record " in said
    )
    assert (
        "note    Entries: segment 1 (default, 2026-09-10) would be kept until 2086-10-01 00:00 UTC, had nobody" in said
    )


def test_a_shorter_keep_that_was_sealed_after_the_drop_makes_nothing_due(audit, key, log, judge):
    """Threat: the shorter keep is made up when the record of dropping is sealed already, with a number of before."""
    log.rows(KEPT, [LONG, "2026-07-01Z"])
    ((number,),) = log.rows("select nextval('{log}.record_record_id_seq')")
    log.run("drop table {log}.entry_1_20260901, {log}.value_1_20260901, {log}.leaf_1_20260901")
    forged_drop(log)
    audit("seal")
    forged = KEPT.replace("(kind", "(record_id, kind").replace(
        "values (", f"overriding system value values ({number}, "
    )
    log.rows(forged, [SHORT, "2026-10-02Z"])
    audit("seal")
    assert "drop-early" in codes(audit)
    code, said = judge()
    assert (code, "before it was due" in said) == (1, True)


def test_a_keep_that_was_shortened_before_the_entries_were_written_is_but_a_note(audit, key, log, judge):
    """No false alarm: somebody decided it in October, and retention dropped November when that was over."""
    log.rows("update {log}.class set keep = '1 day' where class = 'default'")
    log.rows(KEPT, [LONG, "2026-10-06Z"])
    log.rows(KEPT, [SHORT, "2026-10-07Z"])
    forged_drop(log, month=11)
    log.seal("2026-12-07Z")
    assert codes(audit) - {"nothing-signed", "time-ahead", "unsigned"} == {"keep-shortened"}
    assert "would be kept until" not in judge()[1]


# What nobody but an attacker writes into a record, and what would end a look at the log that takes it for granted.
UNREADABLE = (
    ("infinity", "class", {"class": "default", "keep": "1 day"}),
    ("-infinity", "class", {"class": "default", "keep": "1 day"}),
    ("infinity", "erasure", {"request": 1, "parts": []}),
    ("-infinity", "whatever", {}),
    ("2026-10-05", "class", {"class": "default"}),
    ("2026-10-05", "class", {"class": "default", "keep": "1 day ago"}),
    ("2026-10-05", "class", {"class": "default", "keep": "-1 days"}),
    ("2026-10-05", "class", {"class": "default", "keep": ""}),
    ("2026-10-05", "class", {"class": "default", "keep": "infinity"}),
    ("2026-10-05", "class", {"class": "default", "keep": f"{9 * 10**20} years"}),
    ("2026-10-05", "class", {"class": "default", "keep": "99999999999:00:00"}),
    ("2026-10-05", "class", {"class": [1], "keep": "1 day"}),
    ("2026-10-05", "class", [1]),
    ("2026-10-05", "drop", {"class": {}, "from": None}),
    ("2026-10-05", "drop", {"class": "default", "to": "tomorrow"}),
    ("2026-10-05", "drop", {"class": "default", "from": "2026-13-01T00:00:00Z"}),
    ("2026-10-05", "drop", {"class": "default", "from": "2026-10-01T00:00:00"}),
    ("2026-10-05", "erasure", {"request": 1}),
    ("2026-10-05", "erasure", {"request": 1, "parts": 7}),
    ("2026-10-05", "erasure", {"request": 1, "parts": [7]}),
    ("2026-10-05", "erasure", {"request": 1, "parts": [[10**30, 1]]}),
    ("2026-10-05", "erasure", {"request": 1, "parts": [[4, None]]}),
    ("2026-10-05", "held", {"numbers": [1]}),
    ("2026-10-05", "held", {"entries": 1, "numbers": ["x"]}),
    ("2026-10-05", "unheld", {"entries": 1, "numbers": 5}),
)


def test_a_made_up_record_keeps_nobody_from_looking_and_is_told(audit, key, log, judge):
    """Threat: one record that cannot be read, or is beyond all times, so that verifying ends before it finds the edited entry."""
    audit("seal")
    log.run("update {log}.entry set actor = '8' where entry_id = 5")
    made_up = []
    for at, kind, body in UNREADABLE:
        statement = "insert into {log}.record (at, kind, body) values (%s, %s, %s) returning record_id"
        made_up += log.rows(statement, [at, kind, json.dumps(body)])
    code, out, _ = audit("verify", "--format", "json")
    found = [one for one in json.loads(out)["findings"] if one["code"] == "record-unreadable"]
    assert (code, [one["detail"] for one in found]) == (1, [f"record {number}" for (number,) in made_up])
    assert codes(audit) == {"record-unreadable", "entry-changed", "erasure-unrequested", "time-ahead"}
    code, said = judge()
    lines = said.splitlines()
    assert code == 1
    told = [line for line in lines if line.startswith("WRONG   Records: record ")]
    assert told == [
        f"WRONG   Records: record {number} says what the log itself writes in none, and nothing goes by it."
        for (number,) in made_up[:10]
    ]
    assert f"WRONG   and {len(made_up) - 10} more of the kind" in lines
    assert "WRONG   Entries: entry 5 is not as it was sealed." in lines
    # Sealed they are as they were sealed, and still nothing that the log writes.
    log.seal("2026-10-06 01:00Z")
    assert "record-changed" not in codes(audit)
    assert len([line for line in judge()[1].splitlines() if "WRONG" in line and "as they were sealed" in line]) == 0


@pytest.mark.parametrize(("at", "keep"), [("294276-12-31", "1 day"), ("2026-10-05", "300000 years")])
def test_a_record_near_the_end_of_time_keeps_nobody_from_looking(audit, key, log, judge, at: str, keep: str):
    """Threat: a time, or a length, past which no time can be counted."""
    log.rows(KEPT, [LONG, "2026-07-01Z"])
    log.rows(KEPT, [json.dumps({"class": "default", "keep": keep}), at])
    forged_drop(log)
    log.seal("2026-10-06 01:00Z")
    audit("seal")
    found = codes(audit)
    assert "class-differs" in found
    assert ("keep-shortened" in found) == (keep == "1 day")
    code, said = judge()
    assert (code, "Result: the log is as it was sealed" in said) == (0, True), said
    assert ("told    Retention: default is kept for 1 day since" in said) == (keep == "1 day")


def test_a_shorter_keep_is_told_past_a_record_that_says_none(audit, key, log, judge):
    """Threat: a record without a length between two, so that neither is compared with the other."""
    log.rows(KEPT, [LONG, "2026-10-01Z"])
    log.rows(KEPT, ['{"class": "default"}', "2026-10-02Z"])
    log.rows(KEPT, [SHORT, "2026-10-03Z"])
    log.rows(KEPT, ['{"class": "default"}', "2026-10-04Z"])
    assert {"record-unreadable", "keep-shortened", "class-differs"} <= codes(audit)
    assert (
        "told    Retention: default is kept for 1 day since 2026-10-03 00:00 UTC, and for 60 years before" in judge()[1]
    )


def test_times_that_cannot_be_are_told(audit, key, log, anchors, judge):
    """Threat: whoever may seal sets a clock ahead, for entries, headers and checkpoints alike."""
    audit("seal")
    assert codes(audit) == set()
    code, said = judge("--anchors", str(anchors), "--strict")
    assert (code, "Times" in said) == (0, False), said
    log.write("2096-01-01 00:00Z")
    log.seal("2096-01-02 00:00Z")
    assert codes(audit) == {"time-ahead"}
    audit("seal")
    _, out, _ = audit("verify")
    assert "header-ahead: headers say that they were sealed after they were signed" in out
    assert "(1)\n    dated 2096-01-02 00:00 UTC, segment 8\n" in out
    assert codes(audit) == {"header-ahead", "time-ahead"}
    code, said = judge()
    assert code == 0
    assert "note    Times: header 8 says 2096-01-02 00:00 UTC, and was signed 20" in said
    assert "note    Times: 2 lie in the future, the last of them is header 8: 2096-01-02 00:00 UTC." in said
    assert judge("--anchors", str(anchors), "--strict")[0] == 1
    # The signature is gone from the database; the anchor tells.
    log.run("delete from {log}.checkpoint where size = 8")
    assert "header-ahead" in codes(audit)
    log.write("2026-10-07 01:00Z")
    log.seal("2026-10-07 02:00Z")
    own = SealKey.from_environment(VARIABLE)
    assert own is not None
    sign_log(Log(log.database, log.names.prefix), own, now=datetime(2026, 1, 1, tzinfo=UTC))
    found = codes(audit)
    assert {"signer-set-back", "clock-set-back"} <= found
    code, said = judge()
    assert "the signer's clock was set back." in said


REPLACED = {
    "verify_entries": (
        "create or replace function {log}.verify_entries() returns table (code text, class text, segment_id bigint,"
        " entry_id bigint, part smallint) language sql stable parallel unsafe security definer begin atomic"
        " select null::text, null::text, null::bigint, null::bigint, null::smallint where false; end"
    ),
    "text_hash": "alter function {log}.text_hash(text, bytea, bytea) volatile",
    "root_of_leaves": "alter function {log}.root_of_leaves(bytea) set search_path = public",
    "verify_values": "alter function {log}.verify_values() owner to current_user",
    "verify_chain": ("create function {log}.verify_chain(p_all boolean) returns void language plpgsql as 'begin end'"),
    "verify_held": "alter function {log}.verify_held() rename to verify_held_well",
}


@pytest.mark.parametrize("name", REPLACED)
def test_routines_that_somebody_replaced_are_told_before_they_are_believed(audit, key, log, name: str):
    """Threat: whoever changes an entry lets the routine that looks for it find nothing, and the ledger say that it always was so."""
    audit("seal")
    log.run("update {log}.entry set actor = '8' where entry_id = 5")
    log.run(REPLACED[name])
    log.run(
        "update {internal}.routine set deparsed = (select concat_ws(E'\\n', pg_get_functiondef(p.oid), 'owner ' ||"
        " p.proowner::regrole, 'privileges ' || array_to_string(p.proacl, ' '), obj_description(p.oid))"
        f" from pg_proc p where p.pronamespace = '{{log}}'::regnamespace and p.proname ~ '{name}' limit 1) where name = '{name}'"
    )
    door = Log(log.database, log.names.prefix)
    with Shared(log):
        assert door.authentic().different == (name,)
    code, out, _ = audit("verify")
    assert code == 1
    told = "error routine-changed: routines of the log are not those that this version installs, and what they say proves nothing"
    assert out.startswith(f"{told} (1)\n    {name}\n")
    # What is left of them is asked, and what was replaced is not.
    assert ("entry-changed" in out) == (name != "verify_entries")


def test_routines_that_cannot_be_compared_are_said_to_be_unchecked(audit, key, log):
    audit("seal")
    log.run(f'revoke temporary on database "{log.fresh.name}" from public')
    assert codes(audit) == {"routines-unchecked"}
