"""`audit seal|verify|export|key` and the verifier of one file: signatures, anchors, and what only those can tell."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pgerase.cli.main import main
from pgerase.cli.settings import Settings
from pgerase.operate.log import Log
from pgerase.operate.seal.exporting import export_log
from pgerase.operate.seal.keys import SealKey
from pgerase.operate.seal.sealing import sign_log
from tests.audit import rfc6962

VERIFIER = Path(__file__).resolve().parents[2] / "tools" / "verify_log.py"
VARIABLE = "TEST_SEAL_KEY"
PACK = "version: 1\nname: shop\nprefix: {prefix}\nschemas: {{shop: governed}}\n"
AUDIT = "version: 1\nseal: {{every: 10 minutes, key_env: {variable}, anchor: {anchor}}}\n"


class Shared:
    """The connection of a test's one transaction, as the installing role: closing it gives it back."""

    def __init__(self, log) -> None:
        self.log = log

    def __enter__(self):
        self.log.rows("select set_config('role', %s, true)", [self.log.owner])
        return self.log.database

    def __exit__(self, *error) -> None:
        self.log.rows("select set_config('role', 'none', true)")


@pytest.fixture
def folder(tmp_path, sealed):
    """A pack with nothing but `seal:`; its anchors go to a file in another folder."""
    made = tmp_path / "pack"
    made.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (made / "pack.yaml").write_text(PACK.format(prefix=sealed.names.prefix))
    (made / "audit.yaml").write_text(AUDIT.format(variable=VARIABLE, anchor="{file: ../elsewhere/anchors.jsonl}"))
    return made


@pytest.fixture
def anchors(folder) -> Path:
    return folder.parent / "elsewhere" / "anchors.jsonl"


@pytest.fixture
def audit(log, folder, capfd, monkeypatch):
    """Run `pgerase audit …` inside the test's transaction, which is taken back; (exit code, stdout, stderr)."""
    monkeypatch.setattr(Settings, "open_database", lambda self: Shared(log))
    monkeypatch.setattr(Log, "snapshot", lambda self: nullcontext())
    monkeypatch.delenv(VARIABLE, raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["audit", *arguments, "--pack", str(folder)])
        captured = capfd.readouterr()
        return int(code), captured.out, captured.err

    return run


@pytest.fixture
def key(audit, tmp_path, monkeypatch) -> Path:
    """A key made by the command and put into the environment; the path of the public half."""
    code, out, _ = audit("key", "new", "--out", str(tmp_path / "seal.pem"))
    assert code == 0
    assert VARIABLE in out
    assert "PRIVATE" not in out
    monkeypatch.setenv(VARIABLE, (tmp_path / "seal.pem").read_text())
    return tmp_path / "seal.pem.pub"


@pytest.fixture(scope="module")
def verifier():
    """The verifier's functions, loaded from its file."""
    spec = importlib.util.spec_from_file_location("verify_log", VERIFIER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["verify_log"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def judge(audit, verifier, tmp_path, capfd, key):
    """Export the log and let the verifier look at it: (exit code, what it said)."""

    def run(*arguments: str) -> tuple[int, str]:
        file = tmp_path / f"export{len(list(tmp_path.iterdir()))}.jsonl"
        assert audit("export", str(file))[0] == 0
        assert file.stat().st_mode & 0o777 == 0o600
        code = verifier.main([str(file), "--public-key", str(key), *arguments])
        return code, capfd.readouterr().out

    return run


def codes(audit, *arguments: str) -> set[str]:
    code, out, _ = audit("verify", "--format", "json", *arguments)
    data = json.loads(out)
    assert (code == 0) == data["ok"]
    return {finding["code"] for finding in data["findings"]}


# --- keys ---


def test_a_key_is_written_for_this_account_alone_and_never_over_another(audit, tmp_path):
    assert audit("key", "new", "--out", str(tmp_path / "k.pem"))[0] == 0
    assert (tmp_path / "k.pem").stat().st_mode & 0o777 == 0o600
    before = (tmp_path / "k.pem").read_bytes()
    assert audit("key", "new", "--out", str(tmp_path / "k.pem"))[0] == 2
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
    assert "sealed: nothing new; 1 segment to note how far all is sealed\nsigned: 8 headers" in run("seal")[1]
    assert run("seal")[1] == "sealed: nothing new\nsigned: nothing new\n"
    assert "not signed, as --unsigned says; 8 headers signed before" in run("seal", "--unsigned")[1]
    assert len(anchors.read_text().splitlines()) == 2
    assert run("verify", "--public-key", str(key), "--strict")[0] == 0


def test_without_the_key_everything_is_sealed_and_nothing_signed(audit, log, monkeypatch, key):
    monkeypatch.delenv(VARIABLE)
    log.write("2026-10-06 00:00Z")
    code, out, _ = audit("seal")
    assert code == 1
    assert f"not signed: the environment variable {VARIABLE} is empty (nothing was ever signed); " in out
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
        assert audit("seal", "--again")[0] == 0
        server.shutdown()
        thread.join()
    assert json.loads(taken[1])["checkpoint"].startswith("pgerase/")


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
    assert "1 were erased, each with a record (requests 99)" in said


def test_findings_are_told_in_words(audit, key, log):
    audit("seal")
    log.run("update {log}.entry set actor = '8' where entry_id = 5")
    code, out, _ = audit("verify")
    assert code == 1
    assert "error entry-changed: entries are not as they were sealed (1)\n    entry 5, segment 2, shop.person\n" in out
    assert out.endswith("the log is NOT as it was sealed\n")


# --- the verifier of one file ---


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
    assert "Entries: 30 are as they were sealed; 0 are not sealed yet" in said
    assert "Values: 33 of people are as they were sealed; 0 were erased" in said
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
    "an edited entry": ("update {log}.entry set actor = '8' where entry_id = 5", "Entries: 5 is not as it was sealed."),
    "an edited value": (
        "update {log}.value set new = '{}' where entry_id = 4 and part = 1",
        "Values: part 1 of entry 4 is not as it was sealed.",
    ),
    "a deleted entry": ("delete from {log}.entry where entry_id = 5", "Entries: 5 was sealed, and is gone."),
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
        "Entries: 1 was put in later, with a number of before.",
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


def test_the_verifier_tells_erased_and_dropped_from_tampered(audit, key, log, anchors, judge):
    """E4 and E5 together: one person erased, one partition over; an auditor sees both, with their records."""
    audit("seal")
    log.rows(
        "insert into {internal}.request (kind, subject, received_at, due_on) values ('erasure', 'person', now(), '2026-12-01')"
    )
    assert log.rows("select {log}.forget_people('person', '{1}', 1)") == [(9,)]
    code, said = judge("--anchors", str(anchors))
    assert code == 0
    assert "the records of 9 erasures are not signed yet" in said
    log.run("drop table {log}.entry_1_20260901, {log}.value_1_20260901, {log}.leaf_1_20260901")
    log.run("update {log}.class set keep = '1 day' where class = 'default'")
    log.run('select {log}.add_record(\'class\', \'{"class": "default", "keep": "1 day"}\')')
    log.run(
        'select {log}.add_record(\'drop\', \'{"class": "default", "from": "2026-09-01T00:00:00+00:00", "to":'
        ' "2026-10-01T00:00:00+00:00", "table": "entry_1_20260901"}\')'
    )
    audit("seal")
    assert codes(audit) == set()
    code, said = judge("--anchors", str(anchors))
    assert code == 0, said
    assert "Segments: 4 are whole, 2 were dropped as their time was over, each with a record of it." in said
    assert "3 were erased, each with a record (requests 1)." in said
    assert "note    Values" not in said


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
    assert "WRONG   Entries: 5 is not as it was sealed." in lines
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


REPLACED = {
    "verify_entries": (
        "create or replace function {log}.verify_entries() returns table (code text, class text, segment_id bigint,"
        " entry_id bigint, part smallint) language sql stable parallel unsafe security definer begin atomic"
        " select null::text, null::text, null::bigint, null::bigint, null::smallint where false; end"
    ),
    "text_hash": "alter function {log}.text_hash(text, bytea, bytea) volatile",
    "merkle_root": "alter function {log}.merkle_root(bytea[]) set search_path = public",
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


def test_what_is_no_export_is_exit_code_2(verifier, key, tmp_path, capfd):
    for text in ("", "{}\n", "nonsense\n", '{"type": "log", "format": 2}\n'):
        (tmp_path / "x.jsonl").write_text(text)
        assert verifier.main([str(tmp_path / "x.jsonl"), "--public-key", str(key)]) == 2
    assert verifier.main([str(tmp_path / "none.jsonl"), "--public-key", str(key)]) == 2
    capfd.readouterr()
