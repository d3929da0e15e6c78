"""The seal in the database: what it detects and what it survives, each named by the threat (issue 5, Build 4; E4)."""

from __future__ import annotations

import hashlib
import json

import pytest

from pgerase.errors import DatabaseFailed, Severity
from pgerase.operate.seal.findings import MEANINGS
from tests.audit import rfc6962
from tests.audit.fix_seal import Log

# --- RFC 6962 ---

VECTORS = (
    # The leaves and roots of the test suite of Certificate Transparency.
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
)


def test_merkle_root_is_that_of_rfc_6962(log):
    hashes: list[bytes] = []
    for data, root in VECTORS:
        hashes.append(rfc6962.leaf(bytes.fromhex(data)))
        assert rfc6962.root(hashes).hex() == root
        assert log.rows("select {log}.root_of_leaves(%s)", [b"".join(hashes)]) == [(bytes.fromhex(root),)]
    assert log.rows("select {log}.root_of_leaves('')") == [(hashlib.sha256(b"").digest(),)]


@pytest.mark.parametrize("size", [9, 16, 31, 33, 100])
def test_merkle_root_of_any_size_is_that_of_the_definition(log, size: int):
    hashes = [rfc6962.leaf(bytes([number])) for number in range(size)]
    assert log.rows("select {log}.root_of_leaves(%s)", [b"".join(hashes)]) == [(rfc6962.root(hashes),)]


def test_inclusion_paths_lead_to_the_root_and_no_other_leaf_does(log):
    hashes = {size: [rfc6962.leaf(bytes([number])) for number in range(size)] for size in (1, 2, 3, 7, 8, 13)}
    for size, leaves in hashes.items():
        for place in range(size):
            path = rfc6962.path(place, leaves)
            statement = "select {log}.root_of_path(%s, %s, %s, %s)"
            assert log.rows(statement, [leaves[place], place, size, path]) == [(rfc6962.root(leaves),)]
            for wrong in (
                [leaves[place], (place + 1) % size, size, path] if size > 1 else [leaves[0], 1, 1, path],
                [rfc6962.leaf(b"other"), place, size, path],
                [leaves[place], place, size, [*path, leaves[0]]],
                [leaves[place], place, size, path[1:]] if path else [leaves[0], 0, 2, path],
                [leaves[place], size, size, path],
                [leaves[place], -1, size, path],
            ):
                assert log.rows(statement, wrong) != [(rfc6962.root(leaves),)]


def test_inclusion_path_of_an_entry_leads_to_the_root_of_its_segment(log):
    found = log.rows(
        "select leaf.hash, leaf.position, segment.entries, segment.root, {log}.inclusion_path(leaf.segment_id, leaf.position)"
        " from {log}.leaf as leaf join {log}.segment as segment using (segment_id)"
    )
    assert len(found) == 30
    for leaf_hash, place, size, root, path in found:
        assert log.rows("select {log}.root_of_path(%s, %s, %s, %s)", [leaf_hash, place, size, path]) == [(root,)]
    log.run("delete from {log}.leaf where segment_id = 1 and position = 2")
    with pytest.raises(DatabaseFailed, match="segment 1 of the log is not whole"), log.database.transaction():
        log.rows("select {log}.inclusion_path(1, 0)")


# --- what is hashed ---


def test_canonical_texts_are_as_documented_under_any_settings(log):
    log.run(
        "set local timezone = 'Asia/Kathmandu'; set local datestyle = 'German'; set local intervalstyle = 'sql_standard'"
    )
    log.run("set local bytea_output = 'escape'; set local extra_float_digits = 0; set local lc_monetary = 'C'")
    ((entry,),) = log.rows(
        "select {log}.entry_text('default', '2026-09-10 00:00:00.123456Z', 7, '42', 'a.b', 'update', null, 'l\"\\', '', 'null',"
        " E'\\n', null, '{\"ключ\": 1.50, \"a\": null}', null, 'null', 2::smallint)"
    )
    # By hand; 2026-09-10 is day 20706 of the epoch.
    assert entry == (
        '["pgerase entry 1", "default", 1788998400123456, 7, "42", "a.b", "update", null, "l\\"\\\\", "", "null", "\\n", null, '
        '"{\\"a\\": null, \\"ключ\\": 1.50}", null, "null", 2]'
    )
    assert 20706 * 86_400 * 1_000_000 + 123_456 == 1788998400123456
    ((value,),) = log.rows(
        "select {log}.value_text('c', '2026-09-10 00:00Z', 7, 1::smallint, 'person', null, null, '{\"e\": \"x\"}')"
    )
    assert value == '["pgerase value 1", "c", 1788998400000000, 7, 1, "person", null, null, "{\\"e\\": \\"x\\"}"]'
    ((record,),) = log.rows("select {log}.record_text(3, '2026-09-10 00:00Z', 'drop', '{\"a\": [1]}')")
    assert record == '["pgerase record 1", 3, 1788998400000000, "drop", "{\\"a\\": [1]}"]'


def test_leaves_are_salted_hashes_that_somebody_else_can_compute(log):
    (salt, salts, commitments, leaf_hash, entry, values), *_ = log.rows(
        "select leaf.salt, leaf.salts, leaf.commitments, leaf.hash,"
        " (select {log}.entry_text(e.class, e.at, e.entry_id, e.xact, e.relation, e.action, e.actor, e.login, e.role, e.request,"
        "   e.purpose, e.grant_id, e.key, e.old, e.new, e.parts) from {log}.entry as e where e.entry_id = leaf.entry_id),"
        " array(select {log}.value_text(v.class, v.at, v.entry_id, v.part, v.subject, v.person, v.old, v.new)"
        "   from {log}.value as v where v.entry_id = leaf.entry_id order by v.part)"
        " from {log}.leaf as leaf where pg_catalog.cardinality(leaf.salts) = 3"
    )
    assert commitments == [
        hashlib.sha256(one + text.encode()).digest() for one, text in zip(salts, values, strict=True)
    ]
    assert leaf_hash == hashlib.sha256(b"\x00" + salt + entry.encode() + b"".join(commitments)).digest()
    assert len({salt, *salts}) == 4
    assert {len(one) for one in (salt, *salts)} == {32}
    assert json.loads(entry)[0] == "pgerase entry 1"


def test_no_two_salts_are_alike(log):
    ((drawn, different),) = log.rows(
        "select count(*) as drawn, count(distinct salt) as different from (select salt from {log}.leaf union all select unnest(salts) from {log}.leaf) as all_salts"
    )
    assert drawn == different == 30 + 15 + 9 * 2


# --- nothing happened ---


def test_what_was_sealed_verifies(log):
    assert log.findings() == set()
    assert log.rows("select sum(entries) from {log}.segment") == [(30,)]


def test_sealing_again_notes_only_how_far_all_is_sealed_and_then_nothing(log):
    log.outlive_others()
    assert log.seal("2026-10-06") == [(7, "record", None, 0)]
    assert log.rows("select floor = sequence from {log}.segment where segment_id = 7") == [(True,)]
    assert log.seal("2026-10-06 00:10Z") == []
    assert log.findings() == set()


def test_sealing_in_batches_comes_to_the_same(log):
    for minute in range(7):
        log.write(f"2026-10-06 00:0{minute}Z", people=["1"])
    assert [entries for *_, entries in log.seal("2026-10-06 00:10Z", limit=3)] == [3]
    before = log.rows("select floor from {log}.segment order by segment_id desc limit 1")
    assert log.rows("select floor from {log}.segment where segment_id = 6") == before
    assert [entries for *_, entries in log.seal("2026-10-06 00:10Z", limit=3)] == [3]
    assert [entries for *_, entries in log.seal("2026-10-06 00:10Z", limit=3)] == [1]
    assert log.findings() == set()


# --- what is detected ---

DETECTED = {
    "an edited entry": ('update {log}.entry set new = \'{"city": "Bonn"}\' where entry_id = 5', {"entry-changed"}),
    "another actor": ("update {log}.entry set actor = '8' where entry_id = 5", {"entry-changed"}),
    "null for a JSON null": ("update {log}.entry set new = 'null' where entry_id = 5", {"entry-changed"}),
    "an edited value": (
        "update {log}.value set new = '{\"email\": \"x@example.org\"}' where person = '1'",
        {"value-changed"},
    ),
    "a value given to another person": ("update {log}.value set person = '9' where person = '1'", {"value-changed"}),
    "a deleted entry": (
        "delete from {log}.entry where entry_id = 5; delete from {log}.value where entry_id = 5",
        {"entry-missing"},
    ),
    "an entry deleted with its leaf": (
        "delete from {log}.entry where entry_id = 5; delete from {log}.value where entry_id = 5; delete from {log}.leaf where entry_id = 5",
        {"leaf-missing"},
    ),
    "an entry whose leaf was taken to seal it anew": (
        "delete from {log}.leaf where entry_id = 5",
        {"leaf-missing", "entry-inserted"},
    ),
    "a deleted day": (
        (
            "delete from {log}.entry where at < '2026-09-11'; delete from {log}.value where at < '2026-09-11';"
            "delete from {log}.leaf where at < '2026-09-11'"
        ),
        {"partition-dropped"},
    ),
    "a dropped partition, which a run made anew": (
        (
            "drop table {log}.entry_1_20260901, {log}.value_1_20260901, {log}.leaf_1_20260901;"
            "select {log}.fill_gaps('default', '2026-10-06Z')"
        ),
        {"partition-dropped"},
    ),
    "a dropped partition of entries alone, which a run made anew": (
        "drop table {log}.entry_1_20260901; select {log}.fill_gaps('default', '2026-10-06Z')",
        {"entry-missing", "value-inserted"},
    ),
    "two entries that swapped their numbers": (
        (
            "alter table {log}.entry alter entry_id set generated by default;"
            "update {log}.entry set entry_id = 9 - entry_id where entry_id in (2, 7)"
        ),
        {"entry-missing", "entry-inserted", "value-missing", "value-inserted"},
    ),
    "two leaves that swapped their places": (
        (
            "drop index {log}.leaf_1_20260901_segment_id_position_idx;"
            "update {log}.leaf set position = 3 - position where segment_id = 1 and position in (1, 2)"
        ),
        {"reordered"},
    ),
    "leaves and entries that swapped their numbers": (
        (
            "alter table {log}.entry alter entry_id set generated by default;"
            "drop index {log}.entry_1_20260901_entry_id_idx, {log}.leaf_1_20260901_entry_id_idx;"
            "update {log}.entry set entry_id = 6 - entry_id, at = case entry_id when 2 then '2026-09-10 01:00Z'::timestamptz"
            "   else '2026-09-10 00:00Z'::timestamptz end where entry_id in (2, 4);"
            "update {log}.leaf set entry_id = 6 - entry_id, at = case entry_id when 2 then '2026-09-10 01:00Z'::timestamptz"
            "   else '2026-09-10 00:00Z'::timestamptz end where entry_id in (2, 4);"
            "delete from {log}.value where entry_id in (2, 4)"
        ),
        {"entry-changed", "reordered", "value-missing", "salt-left"},
    ),
    "an entry of another time": (
        "update {log}.entry set at = at + interval '1 s' where entry_id = 5",
        {"entry-missing", "entry-inserted", "value-inserted", "value-missing"},
    ),
    "a doubled entry": (
        (
            "drop index {log}.entry_2_20260901_entry_id_idx;"
            "insert into {log}.entry overriding system value select * from {log}.entry where entry_id = 5"
        ),
        {"entry-doubled"},
    ),
    "a nulled value": ("update {log}.value set new = null where person = '1'", {"value-changed"}),
    "a deleted value": ("delete from {log}.value where person = '1'", {"value-missing", "salt-left"}),
    "a deleted value and its salt": (
        "delete from {log}.value where person = '1'; update {log}.leaf set salts[1] = null",
        {"value-missing", "value-changed"},
    ),
    "a value more": (
        "insert into {log}.value select class, at, entry_id, 7, subject, person, old, new from {log}.value where person = '1'",
        {"value-inserted"},
    ),
    "another salt and commitment": (
        (
            "update {log}.leaf set salts[1] = salt, commitments[1] = {log}.commitment("
            "   (select {log}.value_text(v.class, v.at, v.entry_id, v.part, v.subject, v.person, v.old, v.new) from {log}.value as v"
            "    where v.entry_id = leaf.entry_id and v.part = 1), salt) where segment_id = 1 and cardinality(salts) > 0"
        ),
        {"entry-changed"},
    ),
    "a leaf computed anew for an edited entry": (
        (
            "update {log}.entry set actor = '8' where entry_id = 2;"
            "update {log}.leaf set hash = {log}.text_hash((select {log}.entry_text(e.class, e.at, e.entry_id, e.xact, e.relation, e.action,"
            "   e.actor, e.login, e.role, e.request, e.purpose, e.grant_id, e.key, e.old, e.new, e.parts) from {log}.entry as e"
            "   where e.entry_id = 2), salt) where entry_id = 2"
        ),
        {"root-differs"},
    ),
    "a root computed anew": (
        (
            "update {log}.segment set root = {log}.root_of_leaves(root || root) where segment_id = 1;"
            "update {log}.leaf set hash = salt where segment_id = 1 and position = 0"
        ),
        {"entry-changed", "root-differs", "header-changed"},
    ),
    "an edited header": ("update {log}.segment set floor = floor + 1 where segment_id = 2", {"header-changed"}),
    "a header computed anew": (
        (
            "update {log}.segment as s set floor = s.floor + 1, hash = {log}.text_hash({log}.segment_text(s.segment_id, s.kind,"
            "   s.class, s.from_at, s.to_at, s.entries, s.first_id, s.last_id, s.sequence, s.floor + 1, s.oldest, s.newest,"
            "   s.at, s.previous, s.root)) where s.segment_id = 2"
        ),
        {"header-unlinked"},
    ),
    "a deleted header": (
        "delete from {log}.segment where segment_id = 2",
        {"header-missing", "header-unlinked", "leaf-inserted"},
    ),
}


@pytest.mark.parametrize("threat", DETECTED)
def test_detects(log, threat: str):
    statements, codes = DETECTED[threat]
    log.run(statements)
    assert log.findings() == codes


def test_detects_numbers_that_would_be_given_out_again(log):
    # A sequence is not rolled back.
    ((last,),) = log.rows("select last_value from {log}.entry_entry_id_seq")
    log.rows("select setval('{log}.entry_entry_id_seq', 3)")
    found = log.findings()
    log.rows("select setval('{log}.entry_entry_id_seq', %s)", [last])
    assert found == {"numbers-behind"}
    assert log.findings() == set()


def test_detects_an_insertion_in_the_past_with_a_number_that_was_free(log):
    # Number 1 was drawn and rolled back before anything was written.
    assert log.rows("select min(entry_id) from {log}.entry") == [(2,)]
    log.write("2026-09-10 00:10Z", number=1)
    assert log.findings() == {"entry-inserted"}
    # Sealing does not hide it.
    log.seal("2026-10-06")
    assert log.findings() == {"entry-inserted"}


def test_detects_an_insertion_in_the_past_with_a_new_number(log):
    log.write("2026-09-10 00:10Z", number=None)
    assert log.findings() == {"entry-backdated"}
    log.seal("2026-10-06")
    assert log.findings() == {"entry-backdated"}


def test_detects_an_entry_that_is_dated_after_the_seal_it_is_in(log):
    """Threat: what happened is dated ahead, out of sight of who looks at the day; or the clock was ahead and is right again."""
    ahead = log.write("2026-10-05 20:00Z")
    log.write("2026-10-05 13:00:30Z")
    log.seal("2026-10-05 13:00Z")
    assert log.rows("select code, entry_id from {log}.verify_order()") == [("entry-ahead", ahead)]
    assert log.findings() == {"entry-ahead"}


def test_detects_an_insertion_in_the_past_that_claims_a_transaction_that_was_running_at_the_seal(log):
    """A seal has a transaction of its own: its number was running then, and is in the header for everybody to read."""
    ((newest,),) = log.rows("select max(newest::text::bigint) from {log}.segment")
    log.write("2026-10-05 13:30Z")
    log.seal("2026-10-05 14:00Z")
    log.run(
        f"update {{log}}.segment set oldest = '{newest + 5}', newest = '{newest + 9}' where at = '2026-10-05 14:00Z'"
    )
    before = log.findings()
    number = log.write("2026-09-10 00:10Z")
    log.run(f"update {{log}}.entry set xact = '{newest + 5}' where entry_id = {number}")
    assert log.findings() - before == {"entry-backdated"}
    # What was running and is no older than the seal before it may well be so.
    ((at,),) = log.rows("select max(at) from {log}.segment where at < '2026-10-05 14:00Z'")
    log.run(f"update {{log}}.entry set at = '{at}' where entry_id = {number}")
    assert log.findings() == before


def test_a_clock_that_was_set_back_is_believed_where_a_later_seal_shows_it(log):
    log.write("2026-10-05 11:00Z")
    assert log.findings() == {"entry-backdated"}
    log.seal("2026-10-05 11:10Z")
    assert log.findings() == {"clock-set-back"}
    # What comes after that seal, from a transaction that began after it, is measured by it.
    late = log.write("2026-10-05 11:05Z")
    log.run(f"update {{log}}.entry set xact = '999999999' where entry_id = {late}")
    assert log.findings() == {"clock-set-back", "entry-backdated"}


def test_detects_an_insertion_of_a_whole_segment_without_a_header(log):
    log.write("2026-10-06 00:00Z")
    log.seal("2026-10-06 01:00Z")
    log.run("delete from {log}.segment where segment_id = 7")
    assert log.findings() == {"leaf-inserted"}


def test_detects_records_that_were_edited_deleted_or_put_in(log):
    for number in range(3):
        log.rows("select {log}.add_record('run', jsonb_build_object('n', %s::int))", [number])
    assert log.seal("2026-10-06") == [(7, "record", None, 3)]
    assert log.findings() == set()
    for statement, code in (
        ("update {log}.record set body = '{\"n\": 9}' where body = '{\"n\": 1}'", "record-changed"),
        ("update {log}.record set at = at - interval '1 s' where body = '{\"n\": 1}'", "record-changed"),
        ("delete from {log}.record where body = '{\"n\": 1}'", "record-missing"),
        ("delete from {log}.record", "record-missing"),
        ("insert into {log}.record (kind, segment_id) values ('run', 7)", "record-inserted"),
        ("insert into {log}.record (kind, segment_id) values ('run', 2)", "record-inserted"),
    ):
        with log.database.transaction(undo=True):
            log.run(statement)
            assert log.findings() == {code}, statement


# --- a dropped partition ---

DROP = "drop table {log}.entry_1_20260901, {log}.value_1_20260901, {log}.leaf_1_20260901"
RECORD = (
    "insert into {log}.record (kind, body, at) values ('drop', jsonb_build_object('class', 'default', 'from', %s::timestamptz,"
    " 'to', %s::timestamptz, 'table', 'entry_1_20260901'), %s)"
)
KEPT = 'select {log}.add_record(\'class\', \'{"class": "default", "keep": "6 mons"}\')'
MONTH = ["2026-09-01Z", "2026-10-01Z"]
DUE = "2027-04-01Z"


def test_detects_a_dropped_partition_without_a_retention_record(log):
    log.run(DROP)
    assert log.findings() == {"partition-dropped"}
    log.seal("2026-10-06")
    assert log.findings() == {"partition-dropped"}


@pytest.mark.parametrize(
    "bounds", [["2026-08-01Z", "2026-09-01Z"], ["2026-10-01Z", "2026-11-01Z"], ["2026-09-11Z", "2026-10-01Z"]]
)
def test_detects_a_dropped_partition_with_the_record_of_another_one(log, bounds: list[str]):
    log.run(DROP)
    log.rows(KEPT)
    log.rows(RECORD, [*bounds, "2027-06-01Z"])
    log.seal("2027-06-01")
    assert log.findings() == {"partition-dropped"}


def test_a_record_of_dropping_excuses_nothing_that_was_sealed_after_it(log):
    """Made up once, without bounds, it would let everything go for ever."""
    log.rows("select {log}.add_record('drop', '{\"class\": \"default\"}')")
    log.seal("2026-10-06 01:00Z")
    log.write("2026-10-06 02:00Z")
    ((segment, _, _, _),) = log.seal("2026-10-06 03:00Z")
    log.run(
        "delete from {log}.entry where at = '2026-10-06 02:00Z'; delete from {log}.leaf where at = '2026-10-06 02:00Z'"
    )
    assert log.rows("select code, segment_id from {log}.verify_segments()") == [("partition-dropped", segment)]


def test_survives_retention(log):
    """E5: the partition goes, with a record; everything else verifies, and so do the headers of what went."""
    log.run(DROP)
    log.rows(KEPT)
    log.rows(RECORD, [*MONTH, DUE])
    assert log.findings() == {"drop-unsealed"}
    log.seal(DUE)
    assert log.findings() == set()
    assert log.rows("select count(*) from {log}.segment where class = 'default'") == [(3,)]
    # What is left is proven as before.
    log.run("update {log}.entry set actor = '8' where entry_id = (select max(entry_id) from {log}.entry)")
    assert log.findings() == {"entry-changed"}


EARLY = {
    "dated as it was made up": ([KEPT], [*MONTH, "2026-10-05 13:00Z"], "2026-10-05 13:00Z"),
    "a day before it was due": ([KEPT], [*MONTH, "2027-03-31Z"], "2027-04-02Z"),
    "dated ahead, and sealed when it was made up": ([KEPT], [*MONTH, DUE], "2026-10-05 13:00Z"),
    "of a class that no record defined": ([], [*MONTH, DUE], DUE),
    "without an upper bound": ([KEPT], ["2026-09-01Z", None, "2036-01-01Z"], "2036-01-01Z"),
    "with a shorter keep that came after it": (
        [KEPT],
        [*MONTH, "2026-10-05 13:00Z"],
        "2026-10-05 13:00Z",
        'select {log}.add_record(\'class\', \'{"class": "default", "keep": "1 day"}\')',
    ),
    "of a class whose keep had grown": (
        [KEPT, 'select {log}.add_record(\'class\', \'{"class": "default", "keep": "1 year"}\')'],
        [*MONTH, DUE],
        DUE,
    ),
}


@pytest.mark.parametrize("threat", EARLY)
def test_detects_a_made_up_record_of_dropping_what_was_not_due(log, threat: str):
    """Threat: who has the keeper's rights drops a partition that tells of him, and writes the record that retention would have written."""
    before, record, sealed, *after = EARLY[threat]
    log.run(DROP)
    for statement in before:
        log.rows(statement)
    log.rows(RECORD, record)
    for statement in after:
        log.rows(statement)
    log.seal(sealed)
    assert log.findings() == {"drop-early"}


def test_detects_a_record_of_dropping_that_was_sealed_with_a_clock_set_ahead(log):
    """Threat: the seal is told a time when it was due. The next header, by the real clock, says otherwise."""
    log.run(DROP)
    log.rows(KEPT)
    log.rows(RECORD, [*MONTH, DUE])
    log.seal(DUE)
    assert log.findings() == set()
    log.write("2026-10-06 01:00Z")
    log.seal("2026-10-06 02:00Z")
    assert log.findings() == {"drop-early", "clock-set-back"}


def test_a_keep_that_is_shorter_by_then_is_what_counts(log):
    log.run(DROP)
    log.rows(KEPT)
    log.rows('select {log}.add_record(\'class\', \'{"class": "default", "keep": "1 day 12:00:00"}\')')
    log.rows(RECORD, [*MONTH, "2026-10-02 12:00Z"])
    log.seal("2026-10-06")
    assert log.findings() == set()


@pytest.mark.parametrize("now", ["infinity", "-infinity", "20000-01-01Z", "0044-03-15 BC", "1999-12-31Z", None])
def test_nobody_seals_by_a_clock_that_no_verifier_could_read(log, now):
    """Threat: one call by whoever may seal, and verifying ends with an error for ever."""
    log.write("2026-10-06 01:00Z")
    with pytest.raises(DatabaseFailed) as failure, log.database.transaction():
        log.seal(now)
    assert failure.value.sqlstate == "22023"
    log.rows("select set_config('role', 'none', false)")
    assert log.seal("2026-10-06 02:00Z")


def of_segments(log, keep: str) -> set[str]:
    """What is found of segments, with this length of keeping entries."""
    log.run(f"update {{log}}.class set keep = '{keep}' where class = 'default'")
    return {code for (code,) in log.rows("select code from {log}.verify_segments()")}


def test_a_partition_that_is_detached_and_not_yet_dropped_is_told_apart(log):
    """As a run leaves it that was killed: its time is over."""
    for table in ("entry", "value", "leaf"):
        log.run(f"alter table {{log}}.{table}_1 detach partition {{log}}.{table}_1_20260901")
    assert of_segments(log, "1 day") == {"partition-detached"}
    # A hold placed now still gets its proof.
    ((path,),) = log.rows("select {log}.inclusion_path(1, 0)")
    assert len(path) == 3


def test_detects_a_month_that_is_detached_before_its_time_whatever_became_of_it(log):
    """Threat: who detaches the leaves may delete the entries, and be told of a run that was killed."""
    for table in ("entry", "value", "leaf"):
        log.run(f"alter table {{log}}.{table}_1 detach partition {{log}}.{table}_1_20260901")
    log.run("drop table {log}.entry_1_20260901, {log}.value_1_20260901; delete from {log}.leaf_1_20260901")
    assert of_segments(log, "1000 years") == {"detached-early"}
    assert MEANINGS["detached-early"].severity is Severity.ERROR


def test_detects_a_class_that_is_detached_and_rewritten(log):
    for table in ("entry", "value", "leaf"):
        log.run(f"alter table {{log}}.{table} detach partition {{log}}.{table}_1")
    log.run("update {log}.entry_1 set actor = 'somebody else'")
    assert of_segments(log, "1000 years") == {"detached-early"}


def test_what_was_dropped_by_the_times_of_its_rows_is_no_dropped_partition(log):
    """A table that somebody detached has no bounds; its first row is of some time of its first day."""
    log.run(DROP)
    log.rows(KEPT)
    log.rows(RECORD, ["2026-09-10 01:30Z", "2026-09-11 04:30:00.000001Z", DUE])
    log.seal(DUE)
    assert log.findings() == set()


# --- erasing inside the log (E4) ---


def forget(log: Log, *people: str, request: int = 1) -> int:
    ((erased,),) = log.rows("select {log}.forget_people('person', %s, %s)", [list(people), request])
    return erased


def test_survives_the_erasure_of_one_person(log):
    """E4: one person's values go, every other value, every entry and the proof stay."""
    others = "select * from {log}.value where person is distinct from '1' order by entry_id, part"
    entries = "select * from {log}.entry order by entry_id"
    proof = (
        "select segment_id, position, entry_id, salt, commitments, hash from {log}.leaf order by segment_id, position"
    )
    kept = [log.rows(statement) for statement in (others, entries, proof)]
    ((of_one, of_all),) = log.rows(
        "select count(*) filter (where person = '1') as of_one, count(*) as of_all from {log}.value"
    )
    assert (of_one, of_all) == (9, 33)
    assert forget(log, "1") == 9
    assert [log.rows(statement) for statement in (others, entries, proof)] == kept
    assert log.rows("select count(*) from {log}.value where person = '1'") == [(0,)]
    # No salt of an erased value is left, and all others are.
    assert log.rows(
        "select sum(cardinality(array_remove(salts, null))) as salts, sum(cardinality(commitments)) as all_of_them from {log}.leaf"
    ) == [(24, 33)]
    assert log.findings() == {"erasure-unsealed"}
    log.seal("2026-10-06")
    assert log.findings() == set()
    # And the rest is guarded as before.
    log.run("delete from {log}.value where person = '2' and class = 'shop.person' and at < '2026-09-11'")
    assert log.findings() == {"value-missing", "salt-left"}


def test_a_record_of_an_erasure_names_no_person(log):
    forget(log, "1", request=77)
    ((body,),) = log.rows("select body from {log}.record where kind = 'erasure'")
    assert body["request"] == 77
    assert len(body["parts"]) == 9
    assert {part for _, part in body["parts"]} == {1}
    assert set(body) == {"request", "parts"}


def test_erasing_the_same_person_again_does_nothing(log):
    assert (forget(log, "1"), forget(log, "1"), forget(log, "nobody")) == (9, 0, 0)
    assert log.rows("select count(*) from {log}.record") == [(1,)]


def test_erasing_two_people_of_one_entry_leaves_the_third(log):
    assert forget(log, "1", "2") == 9 + 6 + 15
    assert log.rows("select distinct person from {log}.value") == [(None,)]
    log.seal("2026-10-06")
    assert log.findings() == set()


def test_many_parts_are_recorded_in_chunks(log):
    log.run(
        "insert into {log}.entry (class, at, relation, action, login, parts)"
        " select 'default', '2026-10-05 13:00Z', 'a.b', 'update', 'l', 1 from generate_series(1, 2500);"
        "insert into {log}.value (class, at, entry_id, part, subject, person)"
        " select class, at, entry_id, 1, 'person', 'many' from {log}.entry where relation = 'a.b'"
    )
    log.seal("2026-10-05 14:00Z")
    assert forget(log, "many") == 2500
    assert log.rows("select jsonb_array_length(body -> 'parts') from {log}.record order by record_id") == [
        (1000,),
        (1000,),
        (500,),
    ]
    log.seal("2026-10-05 15:00Z")
    assert log.findings() == set()


def test_a_value_erased_before_it_was_sealed_is_accounted_for(log):
    entry = log.write("2026-10-05 13:00Z", people=["1", "8"])
    assert forget(log, "8") == 1
    log.seal("2026-10-05 14:00Z")
    assert log.findings() == set()
    ((salts, commitments),) = log.rows("select salts, commitments from {log}.leaf where entry_id = %s", [entry])
    assert salts[0] is not None
    assert salts[1] is None
    assert commitments[1] == bytes(32)
    # Nothing can be put in its place.
    log.run(
        f"insert into {{log}}.value select class, at, entry_id, 2, subject, '8', old, new from {{log}}.value where entry_id = {entry}"
    )
    assert log.findings() == {"value-returned"}


def test_a_value_of_an_unsealed_entry_that_is_gone_without_a_record_is_seen(log):
    log.write("2026-10-05 13:00Z", people=["8"])
    log.run("delete from {log}.value where person = '8'")
    assert log.findings() == {"value-missing"}
    log.seal("2026-10-05 14:00Z")
    assert log.findings() == {"value-missing"}


def test_a_value_that_comes_back_after_its_erasure_is_seen(log):
    log.run("create temporary table kept as select * from {log}.value where person = '1'")
    forget(log, "1")
    log.seal("2026-10-06")
    log.run("insert into {log}.value select * from kept")
    assert log.findings() == {"value-returned"}


def test_erasing_reaches_detached_partitions(log):
    for table in ("value", "leaf"):
        log.run(f"alter table {{log}}.{table}_1 detach partition {{log}}.{table}_1_20260901")
    assert forget(log, "1") == 9
    assert log.rows("select count(*) from {log}.value_1_20260901 where person = '1'") == [(0,)]
    assert log.rows("select count(*) from {log}.leaf_1_20260901 where salts[1] is not null") == [(0,)]


def test_e4_threat_a_detached_partition_under_another_name_hides_nothing_from_erasing(log):
    for table in ("value", "leaf"):
        log.run(f"alter table {{log}}.{table}_1 detach partition {{log}}.{table}_1_20260901")
        log.run(f"alter table {{log}}.{table}_1_20260901 rename to put_aside_{table}")
    assert forget(log, "1") == 9
    assert log.rows("select count(*) from {log}.put_aside_value where person = '1'") == [(0,)]
    assert log.rows("select count(*) from {log}.put_aside_leaf where salts[1] is not null") == [(0,)]


def test_a_forged_erasure_record_shows_as_unsealed_until_it_is_sealed(log):
    """Whoever writes the tables may forge one. Until it is sealed it is told apart; then it names a request, which the ledger has or not."""
    log.run(
        "delete from {log}.value where person = '1' and entry_id < 6; update {log}.leaf set salts[1] = null where entry_id in (4)"
    )
    parts = [
        [entry, part]
        for entry, part in log.rows("select entry_id, 1 from {log}.leaf where cardinality(salts) > 0 and entry_id < 6")
    ]
    log.rows(
        "insert into {log}.record (kind, body) values ('erasure', %s)", [json.dumps({"request": 99, "parts": parts})]
    )
    assert "erasure-unsealed" in log.findings()
    assert log.rows("select count(*) from {internal}.request where request_id = 99") == [(0,)]


# --- who may ---


def test_only_those_who_may_can_seal_or_forget(log):
    for call in (
        "select {log}.forget_people('person', '{1}', 1)",
        "select {log}.empty_salts('{1}', '{1}')",
        "select {log}.add_record('drop', '{}')",
        "select {log}.draw_seed()",
        "delete from {log}.segment",
        "update {log}.leaf set salt = salt",
        "insert into {log}.checkpoint values (1, 'x', '', now(), '', '')",
    ):
        with pytest.raises(DatabaseFailed) as refused, log.database.transaction(), log.as_owner():
            log.rows(call)
        assert refused.value.sqlstate == "42501"


def test_sealing_under_another_isolation_level_is_refused(sealed):
    with pytest.raises(DatabaseFailed) as refused, sealed.database.transaction(isolation="repeatable read"):
        sealed.seal("2026-10-06")
    assert refused.value.sqlstate == "ZE231"
