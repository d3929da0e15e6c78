"""`audit key|seal|verify`: keys, signatures and anchors, and what only those can tell."""

from __future__ import annotations

import base64
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from pgerase.cli.main import main
from pgerase.operate.seal.keys import SealKey
from tests.audit import rfc6962
from tests.audit.fix_commands import AUDIT, PACK, VARIABLE, codes

# --- keys ---


def test_a_key_is_written_for_this_account_alone_and_never_over_another(audit, tmp_path):
    assert audit("key", "new", "--out", str(tmp_path / "k.pem"))[0] == 0
    assert (tmp_path / "k.pem").stat().st_mode & 0o777 == 0o600
    before = (tmp_path / "k.pem").read_bytes()
    code, _, err = audit("key", "new", "--out", str(tmp_path / "k.pem"))
    assert (code, "hint: nothing was written over it" in err) == (2, True)
    code, _, err = audit("key", "new", "--out", str(tmp_path / "nowhere" / "k.pem"))
    assert (code, f"hint: there is no folder {tmp_path / 'nowhere'}: make it first" in err) == (2, True)
    assert (tmp_path / "k.pem").read_bytes() == before


def test_a_key_may_be_base64_and_anything_else_is_refused_without_showing_it(audit, monkeypatch):
    secret = "c2VjcmV0LXRoYXQtaXMtbm8ta2V5"
    monkeypatch.setenv(VARIABLE, secret)
    code, out, err = audit("seal")
    assert code == 2
    assert secret not in out + err
    monkeypatch.setenv(VARIABLE, base64.b64encode(bytes(range(32))).decode())
    assert audit("seal")[0] == 0


# --- sealing and signing ---


def test_sealing_signs_and_anchors_and_a_second_time_does_nothing(copy, folder, anchors, capfd, monkeypatch):
    """With connections of its own, as it is run."""

    def run(*arguments: str) -> tuple[int, str]:
        code = main(["--dsn", copy.dsn, "audit", *arguments, "--pack", str(folder)])
        return int(code), capfd.readouterr().out

    (folder / "pack.yaml").write_text(PACK.format(prefix=copy.names.prefix))
    key = folder / "k.pem.pub"
    SealKey.new().write(folder / "k.pem")
    monkeypatch.setenv(VARIABLE, (folder / "k.pem").read_text())
    copy.write("2026-10-06 00:00Z", people=["1"])
    code, out = run("seal")
    assert code == 0
    assert "sealed: 1 entry and 0 records in 1 segment\nsigned: 7 headers, by key " in out
    assert out.endswith(f"\nanchored: {anchors}\n")
    (line,) = anchors.read_text().splitlines()
    ((text, signature, root),) = copy.rows("select text, signature, root from {log}.checkpoint")
    assert json.loads(line)["checkpoint"] == text
    assert base64.b64decode(json.loads(line)["signature"]) == signature
    # The root by an independent implementation over the headers' hashes.
    hashes = [one for (one,) in copy.rows("select hash from {log}.segment order by segment_id")]
    assert rfc6962.root(hashes) == root
    assert text.split("\n")[1:3] == ["7", base64.b64encode(root).decode()]
    # How far all is sealed is noted once, and signed.
    copy.outlive_others()
    assert (
        "sealed: nothing new; 1 segment without entries was added, which says up to where all is sealed\nsigned: 8 headers"
        in run("seal")[1]
    )
    assert run("seal")[1] == "sealed: nothing new\nsigned: nothing new\n"
    assert "not signed, as --unsigned says; 8 headers signed before" in run("seal", "--unsigned")[1]
    assert len(anchors.read_text().splitlines()) == 2
    assert run("verify", "--public-key", str(key), "--strict")[0] == 0


def test_without_the_key_everything_is_sealed_and_nothing_signed(audit, log, monkeypatch, key):
    monkeypatch.delenv(VARIABLE)
    log.write("2026-10-06 00:00Z")
    code, out, _ = audit("seal")
    assert code == 1
    assert f"not signed: the environment variable {VARIABLE} is not set (nothing was ever signed); " in out
    monkeypatch.setenv(VARIABLE, "")
    assert f"not signed: the environment variable {VARIABLE} is empty (nothing was ever signed); " in audit("seal")[1]
    monkeypatch.delenv(VARIABLE)
    assert "`pgerase audit key new`" in out
    assert log.rows("select count(*) from {log}.checkpoint") == [(0,)]
    # Said, as it is older than the ten minutes of audit.yaml.
    assert codes(audit, "--public-key", str(key)) == {"nothing-signed", "unsigned"}
    code, out, _ = audit("seal", "--unsigned")
    assert code == 0
    assert "not signed, as --unsigned says; nothing was ever signed" in out


def test_entries_that_nobody_seals_are_told(audit, log, key):
    log.write("2026-10-06 00:00Z")
    assert codes(audit) == {"nothing-signed", "unsealed", "unsigned"}
    assert audit("verify")[0] == 0
    assert audit("verify", "--strict")[0] == 1


def test_an_anchor_that_was_not_written_is_written_by_the_next_run(audit, key, anchors):
    assert audit("seal")[0] == 0
    assert audit("seal")[0] == 0
    written = anchors.read_text()
    # The last line was cut off by a crash.
    anchors.write_text(written[:-40])
    assert audit("seal")[0] == 0
    assert anchors.read_text().splitlines()[-1] == written.splitlines()[-1]
    assert codes(audit) == {"anchor-forged"}


def test_checkpoints_are_posted_to_a_webhook(audit, key, folder, monkeypatch):
    taken: list[bytes] = []
    answers = [500, 200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            taken.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(answers.pop(0))
            self.end_headers()

        def log_message(self, *arguments):
            pass

    (folder / "audit.yaml").write_text(AUDIT.format(variable=VARIABLE, anchor="{webhook_env: TEST_ANCHOR}"))
    assert audit("seal")[0] == 2, "the variable is empty"
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("TEST_ANCHOR", f"http://127.0.0.1:{server.server_port}/token-that-is-secret")
        code, out, err = audit("seal")
        assert code != 0
        assert "it answered 500" in err
        assert "token-that-is-secret" not in out + err
        code, out, err = audit("seal", "--again")
        assert (code, out.splitlines()[-1]) == (0, "anchored: the webhook that TEST_ANCHOR names")
        assert "token-that-is-secret" not in out + err
        server.shutdown()
        thread.join()
    assert json.loads(taken[1])["checkpoint"].startswith("pgerase/")


def test_who_anchors_nowhere_is_told(audit, key, folder):
    text = (folder / "audit.yaml").read_text()
    (folder / "audit.yaml").write_text(text.replace(", anchor: {file: ../elsewhere/anchors.jsonl}", ""))
    code, out, _ = audit("seal")
    assert code == 0
    assert "\nnot anchored: audit.yaml names no place" in out
    assert "anchored" not in audit("seal")[1]


@pytest.mark.parametrize("at", ["infinity", "20000-01-01Z", "0044-03-15 BC"])
def test_a_header_with_a_time_out_of_reach_is_told_and_all_else_verified(audit, log, at):
    """Threat: a header that no client can read ends verifying."""
    log.run(f"update {{log}}.segment set at = '{at}' where segment_id = 2")
    assert "header-changed" in codes(audit)


# --- what only signatures and anchors can tell ---


def test_anchors_that_were_emptied_or_taken_away_are_missed(audit, key, anchors):
    assert audit("seal")[0] == 0
    assert codes(audit) == set()
    kept = anchors.read_text()
    for gone in (lambda: anchors.write_text(""), anchors.unlink):
        gone()
        assert codes(audit) == {"anchor-missing"}
        assert audit("verify", "--strict")[0] == 1
    anchors.write_text(kept)
    assert codes(audit) == set()


REWRITE = """
    delete from {log}.checkpoint;
    delete from {log}.segment;
    delete from {log}.leaf;
    update {log}.entry set actor = '666' where entry_id = 5;
"""


def sealed_anew(log) -> None:
    """What an attacker does who owns the database: another history, whole in itself."""
    log.run(REWRITE)
    log.seal("2026-10-05 12:00Z")


def test_detects_a_rewritten_chain_that_nobody_signed(audit, key, log, anchors):
    audit("seal")
    sealed_anew(log)
    assert log.findings() == set(), "the database alone cannot tell"
    assert codes(audit) == {"anchor-broken", "nothing-signed", "unsigned"}


def test_a_key_does_not_sign_what_does_not_continue_what_it_signed(audit, key, log, anchors):
    audit("seal")
    sealed_anew(log)
    code, _, err = audit("seal")
    assert code == 3
    assert "the log is not the one that was signed" in err


def test_detects_a_rewritten_chain_signed_again_with_another_key(audit, key, log, anchors, tmp_path, monkeypatch):
    audit("seal")
    sealed_anew(log)
    audit("key", "new", "--out", str(tmp_path / "evil.pem"))
    monkeypatch.setenv(VARIABLE, (tmp_path / "evil.pem").read_text())
    kept = anchors.read_text()
    assert audit("seal")[0] == 0
    # The attacker's own anchor is not in the auditor's copy.
    anchors.write_text(kept)
    assert codes(audit, "--public-key", str(key), "--anchors", str(anchors)) >= {
        "checkpoint-unknown-key",
        "anchor-broken",
    }


def test_detects_a_rewritten_chain_signed_again_with_the_same_key(audit, key, log, anchors, judge):
    """Only anchors in another trust domain tell: without them it verifies."""
    audit("seal")
    kept = anchors.read_text()
    anchors.unlink()
    sealed_anew(log)
    assert audit("seal")[0] == 0
    assert codes(audit) == set()
    elsewhere = anchors.with_name("auditor.jsonl")
    elsewhere.write_text(kept)
    assert codes(audit, "--anchors", str(elsewhere)) == {"anchor-broken"}
    code, said = judge("--anchors", str(elsewhere))
    assert code == 1
    assert "WRONG   Anchors: line 1 is of another log." in said


def test_detects_that_the_end_was_cut_off_behind_the_last_anchor(audit, key, log, anchors, judge):
    audit("seal")
    log.run(
        "delete from {log}.checkpoint; delete from {log}.segment where segment_id > 4;"
        "delete from {log}.leaf where segment_id > 4; delete from {log}.entry where at > '2026-10-01';"
        "delete from {log}.value where at > '2026-10-01'"
    )
    assert log.findings() == set(), "the database alone cannot tell"
    assert codes(audit) == {"anchor-ahead", "nothing-signed", "unsigned"}
    code, said = judge("--anchors", str(anchors))
    assert code == 1
    assert "the end of the log was cut off" in said


def test_detects_forged_checkpoints(audit, key, log):
    audit("seal")
    assert codes(audit) == set()
    for change, code in (
        ("signature = decode(repeat('00', 64), 'hex')", "checkpoint-forged"),
        ("text = replace(text, 'T', 'U')", None),
        (
            (
                "text = overlay(text placing translate(substr(text, length(text) - 2, 1), '0123456789', '1234567890')"
                " from length(text) - 2 for 1)"
            ),
            "checkpoint-forged",
        ),
        ("key_id = '0123456789abcdef'", "checkpoint-unknown-key"),
    ):
        log.run("create temporary table kept as select * from {log}.checkpoint")
        log.run(f"update {{log}}.checkpoint set {change}")
        if code is None:
            # What is no checkpoint at all.
            assert audit("verify")[0] in {1, 3}
        else:
            assert code in codes(audit)
        log.run("delete from {log}.checkpoint; insert into {log}.checkpoint select * from kept; drop table kept")


def test_without_a_public_key_signatures_are_said_to_be_unchecked(audit, key, monkeypatch):
    audit("seal")
    monkeypatch.delenv(VARIABLE)
    assert codes(audit) == {"signatures-unchecked"}


def test_without_a_public_key_nothing_is_said_to_be_signed(audit, key, log, anchors, monkeypatch):
    """Threat: signatures that were made up, of checkpoints and of anchors, pass for good where nobody checks them."""
    audit("seal")
    assert "\nsigned up to header 7 at " in audit("verify")[1]
    log.run("update {log}.checkpoint set signature = decode(repeat('00', 64), 'hex')")
    found = json.loads(anchors.read_text())
    anchors.write_text(json.dumps({**found, "signature": base64.b64encode(bytes(64)).decode()}) + "\n")
    assert codes(audit) == {"anchor-forged", "checkpoint-forged", "unsigned"}
    monkeypatch.delenv(VARIABLE)
    code, out, _ = audit("verify")
    assert code == 0
    assert "signed up to" not in out
    assert "public key was given (1)\n    1 checkpoint, 1 anchor\n" in out
    assert out.endswith("the log agrees with its seals, and no signature was checked: give --public-key\n")
    data = json.loads(audit("verify", "--format", "json")[1])
    assert (data["signed"], data["signed_at"]) == (0, None)
    assert audit("verify", "--strict")[0] == 1
    # Where the database has none, those of the file are unchecked all the same.
    log.run("delete from {log}.checkpoint")
    assert "signatures-unchecked" in codes(audit)
    assert "    0 checkpoints, 1 anchor\n" in audit("verify")[1]


def test_a_key_that_was_not_given_is_asked_for(audit, key, tmp_path):
    audit("seal")
    assert audit("key", "new", "--out", str(tmp_path / "other.pem"))[0] == 0
    code, out, _ = audit("verify", "--public-key", str(tmp_path / "other.pem.pub"))
    assert code == 1
    for what in ("checkpoint", "anchor"):
        assert f"{what}-unknown-key: {what}s are signed by keys that were not given: give --public-key once for" in out
    assert "signed up to" not in out


def test_with_another_key_nothing_is_proven_and_nothing_said_to_be_wrong(
    audit, key, log, anchors, verifier, tmp_path, capfd
):
    """Threat: an auditor with last year's key reports a log as forged; or a log that was forged is excused by the key."""
    audit("seal")
    assert audit("key", "new", "--out", str(tmp_path / "other.pem"))[0] == 0
    other, file = tmp_path / "other.pem.pub", tmp_path / "export.jsonl"

    def said(*keys: Path) -> tuple[str, str]:
        given = [word for one in keys for word in ("--public-key", str(one))]
        file.unlink(missing_ok=True)
        assert audit("export", str(file))[0] == 0
        code, out, _ = audit("verify", *given)
        alone = verifier.main([str(file), *given, "--anchors", str(anchors)])
        assert (code, alone) == (1, 1)
        return out.splitlines()[-1], capfd.readouterr().out.splitlines()[-1]

    none = "not proven: the signatures are of another key than the ones given; nothing else is wrong"
    assert said(other) == (none, f"Result: {none}.")
    log.write("2026-10-06 00:00Z")
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv(VARIABLE, (tmp_path / "other.pem").read_text())
        assert audit("seal")[0] == 0
    some = "not proven throughout: some of the signatures are of another key than the ones given; nothing else is wrong"
    assert said(other) == (some, f"Result: {some}.")
    # What is wrong whoever signed it is not excused.
    wrong = "the log is NOT as it was sealed"
    lines = anchors.read_text()
    anchors.write_text(lines.splitlines()[0].replace("\\n7\\n", "\\n6\\n") + "\n")
    assert anchors.read_text() != lines.splitlines()[0] + "\n"
    assert said(other)[0] == wrong
    assert said(other)[1].startswith(f"Result: {wrong}")
    anchors.write_text(lines)
    log.run("update {log}.entry set actor = '8' where entry_id = 5")
    assert said(other)[0] == wrong
    assert said(other)[1].startswith(f"Result: {wrong}")


def test_findings_are_told_in_words(audit, key, log):
    audit("seal")
    log.run("update {log}.entry set actor = '8' where entry_id = 5")
    code, out, _ = audit("verify")
    assert code == 1
    assert "error entry-changed: entries are not as they were sealed (1)\n    entry 5, segment 2, shop.person\n" in out
    assert out.endswith("the log is NOT as it was sealed\n")


@pytest.mark.parametrize(
    ("table", "told"),
    [("entry", "entry-missing"), ("value", "value-missing"), ("leaf", "detached-early")],
)
def test_what_is_detached_is_named_beside_what_is_missing_for_it(audit, key, log, table: str, told: str):
    """Threat: an officer reads that entries are gone, and nobody says that they lie beside the log and come back."""
    audit("seal")
    log.run("update {log}.class set keep = '1000 years'")
    assert "table-detached" not in codes(audit)
    log.run(f"alter table {{log}}.{table}_1 detach partition {{log}}.{table}_1_20260901")
    assert {told, "table-detached"} <= codes(audit)
    _, out, _ = audit("verify")
    said, _, place = out.partition("warning table-detached: ")[2].partition("\n")
    assert "`pgerase audit maintain` attaches again what has the name it had" in said
    assert place.startswith(f"    {table}_1_20260901\n")
    # What is due lies there until the next run, by rights.
    log.run("update {log}.class set keep = '1 day'")
    assert "table-detached" not in codes(audit)
