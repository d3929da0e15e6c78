"""`audit export` and the verifier of one file: what it proves, what it detects, and that it agrees with `audit verify`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pgerase.operate.log import Log
from pgerase.operate.seal.exporting import export_log
from pgerase.operate.seal.keys import SealKey
from pgerase.operate.seal.sealing import sign_log
from tests.audit import rfc6962
from tests.audit.fix_commands import VERIFIER, codes


@pytest.mark.parametrize(
    ("undone", "said"),
    [
        (
            "delete from {log}.segment; delete from {log}.leaf; delete from {log}.entry; delete from {log}.value",
            "sealed",
        ),
        ("delete from {log}.segment; delete from {log}.leaf", "sealed"),
        ("", "signed"),
    ],
    ids=["an empty log", "nothing but unsealed entries", "seals without a signature"],
)
def test_where_nothing_is_sealed_or_signed_nothing_is_proven(audit, key, log, judge, undone, said):
    if undone:
        log.run(undone)
    sentence = f"nothing is {said} yet: nothing is proven"
    code, out, _ = audit("verify", "--public-key", str(key))
    assert code == 0
    assert f"warning nothing-{said}: nothing is {said} yet: " in out
    assert out.endswith(f"\n{sentence}\n")
    assert "as it was sealed" not in out
    assert audit("verify", "--public-key", str(key), "--strict")[0] == 1
    code, out = judge()
    assert code == 0
    assert out.endswith(f"Result: {sentence}.\n")
    assert "the log is as it was sealed" not in out
    assert judge("--strict")[0] == 1


def test_the_verifier_says_that_an_anchor_may_be_newer_than_the_export(
    audit, key, log, verifier, anchors, tmp_path, capfd
):
    """The log is whole: it was signed once more between the export and the copy of the anchors."""
    assert audit("seal")[0] == 0
    file = tmp_path / "export.jsonl"
    assert audit("export", str(file))[0] == 0
    log.write("2026-10-06 00:00Z")
    assert audit("seal")[0] == 0
    one, two = anchors.read_text().splitlines()
    *_, signed = json.loads(two)["checkpoint"].split()
    size = json.loads(two)["checkpoint"].split("\n")[1]
    lines = file.read_text().splitlines()
    arguments = [str(file), "--public-key", str(key), "--anchors", str(anchors)]

    def told(made: datetime) -> tuple[int, str]:
        first = {**json.loads(lines[0]), "exported_at": made.isoformat()}
        file.write_text("\n".join([json.dumps(first), *lines[1:]]) + "\n")
        capfd.readouterr()
        code = verifier.main(arguments)
        (wrong,) = [line for line in capfd.readouterr().out.splitlines() if line.startswith("WRONG")]
        return code, wrong

    at = datetime.strptime(signed, "%Y-%m-%dT%H:%M:%S.%f%z")
    times = f"It was signed at {signed}, and the export says it was made at"
    for made in (at - timedelta(seconds=1), at + timedelta(seconds=59)):
        assert told(made) == (
            1,
            (
                f"WRONG   Anchors: line 2 is of {size} headers, and there are 7. {times} {made.isoformat()}."
                " Either it was signed after this export: take a new export; or the end of the log was cut off."
            ),
        )
    made = at + timedelta(seconds=61)
    code, said = told(made)
    assert code == 1
    assert said.endswith(
        f"{times} {made.isoformat()}, after it: the end of the log was cut off, or this is an older copy of it."
    )
    # With the anchors of before, nothing is wrong.
    anchors.write_text(one + "\n")
    assert verifier.main(arguments) == 0


@pytest.mark.parametrize("what", ["nothing of a key", "the private half", "another kind of key", "bytes for anchors"])
def test_the_verifier_names_the_file_that_cannot_be_read(audit, key, verifier, tmp_path, capfd, what):
    file, wrong = tmp_path / "export.jsonl", tmp_path / "wrong.file"
    assert audit("export", str(file))[0] == 0
    arguments = [str(file), "--public-key", str(wrong)]
    if what.startswith("nothing"):
        wrong.write_text("no key\n")
    elif what.startswith("the private"):
        wrong.write_text(key.with_suffix("").read_text())
    elif what.startswith("another"):
        public = X25519PrivateKey.generate().public_key()
        wrong.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    else:
        wrong.write_bytes(b"\xff\xfe")
        arguments = [str(file), "--public-key", str(key), "--anchors", str(wrong)]
    capfd.readouterr()
    assert verifier.main(arguments) == 2
    out, err = capfd.readouterr()
    assert err.startswith(f"{wrong} holds no ")
    assert str(file) not in out + err


def test_the_verifier_excuses_nothing_that_was_sealed_after_a_record_of_dropping(audit, key, log, judge):
    log.rows("select {log}.add_record('drop', '{\"class\": \"default\"}')")
    audit("seal")
    log.write("2026-10-06 02:00Z")
    audit("seal")
    log.run(
        "delete from {log}.entry where at = '2026-10-06 02:00Z'; delete from {log}.leaf where at = '2026-10-06 02:00Z'"
    )
    code, said = judge()
    assert code == 1
    assert "(default, 2026-10-06) is gone, and no record says that its time was over." in said


def test_the_verifier_agrees_and_says_so(audit, key, log, anchors, judge):
    audit("seal")
    code, said = judge("--anchors", str(anchors))
    assert code == 0, said
    assert "WRONG" not in said
    assert "Entries: 30 as they were sealed, 0 not sealed yet" in said
    assert "Values: 33 of people as they were sealed, 0 erased" in said
    assert said.endswith("Result: the log is as it was sealed.\n")


@pytest.mark.parametrize(
    ("threat", "said"),
    [
        ("cut off after its first line", "Signatures: none is good."),
        ("anchors that were emptied", "Anchors: the file holds none."),
        ("an erasure that nobody signed", "the records of 1 erasure are not signed yet"),
    ],
)
def test_the_verifier_passes_nothing_unproven_when_it_is_strict(
    audit, key, verifier, tmp_path, anchors, capfd, threat, said
):
    audit("seal")
    file = tmp_path / "export.jsonl"
    assert audit("export", str(file))[0] == 0
    arguments = [str(file), "--public-key", str(key), "--anchors", str(anchors)]
    assert verifier.main([*arguments, "--strict"]) == 0
    lines = file.read_text().splitlines()
    if threat.startswith("cut"):
        arguments, lines = arguments[:3], lines[:1]
    elif threat.startswith("anchors"):
        anchors.write_text("")
    else:
        found = [json.loads(line) for line in lines]
        entry = next(one for one in found if one["type"] == "entry" and one["values"])
        text = json.dumps(
            ["pgerase record 1", 9, 0, "erasure", json.dumps({"request": 1, "parts": [[entry["number"], 1]]})]
        )
        entry["values"] = [one for one in entry["values"] if one["part"] != 1]
        lines = [json.dumps(one) for one in [*found, {"type": "record", "text": text, "segment": None}]]
    file.write_text("\n".join(lines) + "\n")
    capfd.readouterr()
    assert verifier.main(arguments) == 0
    assert said in capfd.readouterr().out
    assert verifier.main([*arguments, "--strict"]) == 1


def test_the_verifier_misses_values_that_were_blanked_in_the_export(audit, key, verifier, tmp_path, capfd):
    audit("seal")
    file = tmp_path / "export.jsonl"
    assert audit("export", str(file))[0] == 0
    found = [json.loads(line) for line in file.read_text().splitlines()]
    next(one for one in found if one["type"] == "entry" and one["values"])["values"][0]["text"] = None
    file.write_text("".join(json.dumps(one) + "\n" for one in found))
    capfd.readouterr()
    assert verifier.main([str(file), "--public-key", str(key)]) == 1
    assert "was left out, and the export says that it has all" in capfd.readouterr().out


def test_the_verifier_runs_alone(audit, key, tmp_path):
    """It imports nothing of pgerase: `-I` hides the checkout, and the module would be found in sys.modules."""
    audit("seal")
    audit("export", str(tmp_path / "export.jsonl"))
    program = (
        f"import runpy, sys; sys.argv = ['verify_log.py', {str(tmp_path / 'export.jsonl')!r}, '--public-key', {str(key)!r}]\n"
        "try:\n"
        f"    runpy.run_path({str(VERIFIER)!r}, run_name='__main__')\n"
        "except SystemExit as stop:\n"
        "    assert not [name for name in sys.modules if name.split('.')[0] in ('pgerase', 'psycopg')]\n"
        "    raise\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "note    Anchors: none were given." in done.stdout


TAMPERED = {
    "an edited entry": (
        "update {log}.entry set actor = '8' where entry_id = 5",
        "Entries: entry 5 is not as it was sealed.",
    ),
    "an edited value": (
        "update {log}.value set new = '{}' where entry_id = 4 and part = 1",
        "Values: part 1 of entry 4 is not as it was sealed.",
    ),
    "a deleted entry": ("delete from {log}.entry where entry_id = 5", "Entries: entry 5 was sealed, and is gone."),
    "a deleted value": (
        "delete from {log}.value where entry_id = 4 and part = 1",
        "Values: part 1 of entry 4 is gone, and no record says that it was erased.",
    ),
    "reordering": (
        (
            "drop index {log}.leaf_1_20260901_segment_id_position_idx;"
            "update {log}.leaf set position = 3 - position where segment_id = 1 and position in (1, 2)"
        ),
        "Entries: segment 1 (default, 2026-09-10) is in another order than it was sealed in.",
    ),
    "an insertion in the past": (
        (
            "insert into {log}.entry (class, at, entry_id, relation, action, login) overriding system value"
            " values ('default', '2026-09-10 00:10Z', 1, 'a.b', 'update', 'x')"
        ),
        "Entries: entry 1 was put in later, with a number of before.",
    ),
    "a new number with an old time": (
        (
            "insert into {log}.entry (class, at, relation, action, login)"
            " values ('default', '2026-09-10 00:10Z', 'a.b', 'update', 'x')"
        ),
        "says 2026-09-10 00:10 UTC, and was numbered after the seal of 2026-10-05 12:00 UTC.",
    ),
    "a dropped partition": (
        "drop table {log}.entry_1_20260901, {log}.value_1_20260901, {log}.leaf_1_20260901",
        "Entries: segment 1 (default, 2026-09-10) is gone, and no record says that its time was over.",
    ),
    "a deleted header": (
        "delete from {log}.segment where segment_id = 2",
        "Chain: header 3 stands where header 2 should: one is missing.",
    ),
    "an edited header": ("update {log}.segment set floor = 0", "is not what was hashed."),
}


@pytest.mark.parametrize("threat", TAMPERED)
def test_the_verifier_detects(log, verifier, tmp_path, monkeypatch, capfd, threat: str):
    key = SealKey.new()
    key.write(tmp_path / "k.pem")
    door = Log(log.database, log.names.prefix)
    # One transaction is open, which is taken back.
    monkeypatch.setattr(door, "snapshot", nullcontext)
    assert sign_log(door, key) is not None
    statement, sentence = TAMPERED[threat]
    log.run(statement)
    export_log(door, tmp_path / "export.jsonl")
    code = verifier.main([str(tmp_path / "export.jsonl"), "--public-key", str(tmp_path / "k.pem.pub")])
    said = capfd.readouterr().out
    assert code == 1
    (line,) = [line for line in said.splitlines() if sentence in line][:1]
    assert line.startswith("WRONG   ")
    assert said.splitlines()[-1].startswith("Result: the log is NOT as it was sealed")


@pytest.mark.parametrize("bounds", ["of the partition", "of its rows"])
def test_the_verifier_tells_erased_and_dropped_from_tampered(audit, key, log, anchors, judge, bounds: str):
    """E4 and E5 together: one person erased, one partition over; an auditor sees both, with their records.

    A table that somebody detached and renamed has no bounds: the record of dropping it has the times of its rows.
    """
    audit("seal")
    ((request,),) = log.rows(
        "insert into {internal}.request (kind, subject, received_at, due_on)"
        " values ('erasure', 'person', now(), '2026-12-01') returning request_id"
    )
    assert log.rows("select {log}.forget_people('person', '{1}', %s)", [request]) == [(9,)]
    code, said = judge("--anchors", str(anchors))
    assert code == 0
    assert "the records of 9 erasures are not signed yet" in said
    begins, ends = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)
    if bounds == "of its rows":
        ((begins, ends),) = log.rows("select min(at), max(at) + interval '1 microsecond' from {log}.entry_1_20260901")
        assert begins.day == 10 < ends.day
    log.run("drop table {log}.entry_1_20260901, {log}.value_1_20260901, {log}.leaf_1_20260901")
    log.run("update {log}.class set keep = '1 day' where class = 'default'")
    log.run('select {log}.add_record(\'class\', \'{"class": "default", "keep": "1 day"}\')')
    body = {"class": "default", "from": begins.isoformat(), "to": ends.isoformat(), "tables": ["entry_keep"]}
    log.rows("select {log}.add_record('drop', %s)", [json.dumps(body)])
    audit("seal")
    assert codes(audit) == set()
    code, said = judge("--anchors", str(anchors))
    assert code == 0, said
    assert "Segments: 4 whole, 2 dropped as their time was over, each with a record of it." in said
    assert f"3 erased, each with a record (request {request})." in said
    assert "note    Values" not in said


def test_the_verifier_counts_months_as_the_server_does(log, verifier):
    moments = ["2026-08-31 00:00Z", "2028-02-29 12:30:00.000001Z", "2026-12-31 23:59:59.999999Z", "2027-01-01 00:00Z"]
    lengths = [
        "6 months",
        "1 year 1 month",
        "13 months -1 day",
        "90 days",
        "36:00:00.5",
        "1 month 2 days -01:30:00",
        "25 years",
    ]
    for keep in lengths:
        for at in moments:
            statement = "select %s::timestamptz as at, %s::interval::text as keep, (%s::timestamptz at time zone 'UTC' + %s::interval) at time zone 'UTC' as moved"
            ((read, spelled, moved),) = log.rows(statement, [at, keep, at, keep])
            assert verifier.later(read, spelled) == moved, (at, keep)
    with pytest.raises(ValueError, match="is no interval"):
        verifier.later(read, "P6M")


def test_an_export_without_values_holds_nobody_s(audit, key, verifier, tmp_path, capfd):
    audit("seal")
    file = tmp_path / "without.jsonl"
    assert audit("export", str(file), "--no-values")[0] == 0
    assert "@example.org" not in file.read_text()
    assert all(not any(json.loads(line).get("salts", [])) for line in file.read_text().splitlines())
    code = verifier.main([str(file), "--public-key", str(key)])
    said = capfd.readouterr().out
    assert code == 0, said
    assert "33 were left out of the export, and could not be checked" in said


def test_one_entry_is_proven_without_the_others(audit, key, verifier, tmp_path, capfd):
    audit("seal")
    file, proof = tmp_path / "export.jsonl", tmp_path / "proof.json"
    audit("export", str(file))
    assert verifier.main([str(file), "--public-key", str(key), "--entry", "5", "--proof", str(proof)]) == 0
    assert verifier.main([str(proof), "--public-key", str(key)]) == 0
    assert "Header 2 is one of 7 that key" in capfd.readouterr().out
    given = json.loads(proof.read_text())
    assert len(given["path"]) == 3
    for change in (
        lambda one: one["entry"].update(text=one["entry"]["text"].replace('"7"', '"8"')),
        lambda one: one["entry"].update(position=2),
        lambda one: one.update(path=one["path"][:-1]),
        lambda one: one.update(header_path=one["header_path"][::-1]),
        lambda one: one.update(header=one["header"].replace('"shop.person"', '"default"')),
        lambda one: one["checkpoint"].update(checkpoint=one["checkpoint"]["checkpoint"].replace("\n7\n", "\n8\n")),
    ):
        wrong = json.loads(proof.read_text())
        change(wrong)
        assert wrong != given
        proof.with_name("wrong.json").write_text(json.dumps(wrong))
        assert verifier.main([str(proof.with_name("wrong.json")), "--public-key", str(key)]) == 1
    assert verifier.main([str(file), "--public-key", str(key), "--entry", "1"]) == 1
    capfd.readouterr()


def test_the_verifier_s_trees_are_those_of_the_rfc(verifier):
    leaves = [rfc6962.leaf(bytes([number])) for number in range(20)]
    for size in range(1, 21):
        part = leaves[:size]
        assert verifier.tree_root(part) == rfc6962.root(part)
        for place in range(size):
            assert verifier.inclusion_proof(place, part) == rfc6962.path(place, part)
            assert verifier.root_of_path(part[place], place, size, rfc6962.path(place, part)) == rfc6962.root(part)
        for first in range(1, size + 1):
            path = rfc6962.proof(first, part)
            roots = rfc6962.root(leaves[:first]), rfc6962.root(part)
            assert verifier.consistency_proof(first, part) == path
            assert verifier.is_consistent(first, size, *roots, path)
            assert not verifier.is_consistent(first, size, rfc6962.leaf(b"other"), roots[1], path)
            assert not verifier.is_consistent(first, size, roots[0], rfc6962.leaf(b"other"), path)
            assert not verifier.is_consistent(first, size, *roots, [*path, leaves[0]])
            if first < size:
                assert not verifier.is_consistent(first, size, *roots, path[:-1])


def test_the_verifier_passes_no_terminal_sequence_on(verifier, key, tmp_path, capfd):
    """Threat: whoever makes an export names a class so that the auditor's terminal shows another verdict."""
    name = "\x1b[2J\x9b31m\u202e\nok"
    header = {"format": 1, "origin": name, "exported_at": name, "values": True}
    text = json.dumps(["pgerase segment 1", 1, "entry", name, 0, 1, 1, 1, 1, 1, 1, "1", "1", 0, "0", "0"])
    lines = ({"type": "log", **header}, {"type": "header", "text": text, "hash": ""})
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    capfd.readouterr()
    assert verifier.main([str(tmp_path / "x.jsonl"), "--public-key", str(key)]) == 1
    said = capfd.readouterr().out
    assert "segment 1 (?[2J?31m??ok, " in said
    assert not set(said) & {"\x1b", "\x9b", "\u202e"}


@pytest.mark.parametrize("lines", [1, 4])
def test_an_export_that_was_cut_off_is_said_to_be(audit, verifier, key, tmp_path, capfd, lines):
    file = tmp_path / "export.jsonl"
    assert audit("export", str(file))[0] == 0
    whole = file.read_text().splitlines(keepends=True)
    file.write_text("".join(whole[:lines])[:-20])
    capfd.readouterr()
    assert verifier.main([str(file), "--public-key", str(key)]) == 2
    said = capfd.readouterr().err
    assert said == f"{file}: line {lines} is cut off, and what came after it is missing: get the whole file\n"
    file.write_text("".join(whole[:3]) + "nonsense\n" + "".join(whole[3:]))
    assert verifier.main([str(file), "--public-key", str(key)]) == 2
    assert f"{file} is no export of the log: line 4 is no JSON: " in capfd.readouterr().err


def test_exporting_tells_numbers_from_counts(audit, log, tmp_path):
    log.run("select nextval('{log}.entry_entry_id_seq')")
    log.write("2026-10-06 00:00Z")
    _, out, err = audit("export", str(tmp_path / "export.jsonl"))
    (count,) = [word for word in out.split(", ") if "entries" in word]
    entries = int(count.split()[0])
    (last,) = log.rows("select max(entry_id) from {log}.entry")[0]
    assert last > entries
    assert err == f"{entries} entries written, up to number {last} of {last}\n"


def test_what_is_no_export_is_exit_code_2(verifier, key, tmp_path, capfd):
    for text in ("", "{}\n", "nonsense\n", '{"type": "log", "format": 2}\n'):
        (tmp_path / "x.jsonl").write_text(text)
        assert verifier.main([str(tmp_path / "x.jsonl"), "--public-key", str(key)]) == 2
    assert verifier.main([str(tmp_path / "none.jsonl"), "--public-key", str(key)]) == 2
    capfd.readouterr()
