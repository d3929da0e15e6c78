"""The commands about people: what they print, ask and answer, and that a script gets the same numbers as JSON."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from pgerase.cli.main import main
from pgerase.operate import list_requests
from tests.operate.conftest import expected, keys


class Terminal(io.StringIO):
    """Somebody at a terminal who types this."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def pgerase(shop, capfd, monkeypatch):
    """Run a command on the shop; (exit code, stdout, stderr). `typed` is what somebody at a terminal answers."""

    def run(*arguments: str, typed: str | None = None, given: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", Terminal(typed) if typed is not None else io.StringIO(given))
        code = main(["--dsn", shop.database.dsn(), *arguments])
        captured = capfd.readouterr()
        return int(code), captured.out, captured.err

    return run


def answer(out: str) -> dict:
    data = json.loads(out)
    assert data["format"] == 1
    return data


def counted(data: dict) -> dict[tuple[str, str], tuple[int, int]]:
    return {(one["relation"], one["strategy"]): (one["people"], one["rows"]) for one in data["counts"]}


def test_request_is_opened_listed_and_closed(pgerase) -> None:
    code, out, _ = pgerase("request", "open", "person", "1", "2", "--reference", "DSR-7", "--received", "2025-01-31")
    assert (code, out) == (
        0,
        "     1  erasure        person  due 2025-02-28 OVERDUE  2 people: 0 done, 2 pending  DSR-7\n",
    )
    code, out, _ = pgerase("request", "open", "person", "3", "--kind", "access", "--format", "json")
    opened = answer(out)["request"]
    assert (opened["number"], opened["kind"], opened["people"], opened["overdue"]) == (2, "access", 1, False)
    assert date.fromisoformat(opened["due_on"]) > date.fromisoformat(opened["received_at"][:10])
    assert [line.split()[0] for line in pgerase("request", "list")[1].splitlines()] == ["1", "2"]
    assert pgerase("request", "close", "1")[0] == 3
    code, out, _ = pgerase("request", "close", "1", "--withdrawn")
    assert (code, "withdrawn" in out) == (0, True)
    assert pgerase("request", "close", "2")[0] == 0
    assert pgerase("request", "list")[1] == "no request is open\n"
    listed = answer(pgerase("request", "list", "--all", "--format", "json")[1])["requests"]
    assert [(one["number"], one["outcome"]) for one in listed] == [(1, "withdrawn"), (2, "done")]


def test_erase_shows_asks_does_and_closes(pgerase, shop) -> None:
    before = shop.application()
    code, out, err = pgerase("subject", "erase", "person", "7", "8", typed="n\n")
    assert (code, out) == (3, "")
    # Person 7 has 3 notes and 1 ticket, person 8 no notes and 2 tickets.
    for line in (
        "shop.note     delete         3 rows       1 person",
        "shop.ticket   unlink         3 rows       2 people",
        "erase 2 people of person for good (request 1)?",
    ):
        assert line in err
    assert shop.application() == before
    assert list_requests(shop.register()) == ()
    code, out, err = pgerase("subject", "erase", "person", "7", "8", typed="y\n")
    assert code == 0
    assert out.splitlines() == [
        "shop.invoice  keep           2 rows       2 people",
        "shop.note     delete         3 rows       1 person",
        "shop.person   change         2 rows       2 people",
        "shop.ticket   unlink         3 rows       2 people",
        "request 2: 2 people: 2 done",
    ]
    assert list_requests(shop.register()) == ()
    assert [(one.number, one.outcome) for one in list_requests(shop.register(), closed=True)] == [
        (1, "withdrawn"),
        (2, "done"),
    ]


def test_nobody_is_erased_where_nobody_can_be_asked(pgerase, shop) -> None:
    before = shop.application()
    code, out, err = pgerase("subject", "erase", "person", "7")
    assert (code, out) == (3, "")
    assert "shop.note" in err
    assert "--yes" in err
    assert shop.application() == before


def test_dry_run_and_erasure_agree_and_keys_come_from_a_file(pgerase, shop, tmp_path) -> None:
    people = range(1, 41)
    before = shop.application()
    lines = "\n".join(keys(people)) + "\n\n"
    command = ("subject", "erase", "person", "--file", "-", "--format", "json")
    code, out, err = pgerase(*command, "--dry-run", given=lines)
    planned = answer(out)
    assert (code, err) == (0, "")
    assert (planned["dry_run"], planned["people"], planned["request"]) == (True, 40, None)
    assert counted(planned) == expected(people)
    assert shop.application() == before
    assert list_requests(shop.register(), closed=True) == ()
    (tmp_path / "keys").write_text(lines)
    code, out, err = pgerase(
        "subject", "erase", "person", "--file", str(tmp_path / "keys"), "--yes", "--format", "json"
    )
    done = answer(out)
    assert (code, err) == (0, "")
    assert counted(done) == expected(people)
    assert (done["dry_run"], done["request"]["done"], done["failures"]) == (False, 40, [])
    code, out, _ = pgerase(*command, "--yes", given=lines)
    assert (code, counted(answer(out))) == (0, {("shop.invoice", "keep"): (40, 40)})


def test_request_is_planned_erased_and_retried(pgerase, shop) -> None:
    pgerase("request", "open", "person", "5", "6", "7")
    code, out, _ = pgerase("subject", "erase", "person", "--request", "1", "--dry-run")
    assert code == 0
    assert out.splitlines()[-1] == "dry run, request 1: 3 people would be erased; nothing was changed"
    shop.owner.execute("insert into shop.note values (7001, 6, 'written after the dry run')")
    code, out, err = pgerase("subject", "erase", "person", "--request", "1", "--yes")
    assert code == 1
    assert "failed: person 6: SQLSTATE ZE101, table shop.note (erasing came to other numbers than planned)" in out
    assert out.splitlines()[-1] == "request 1: 3 people: 2 done, 1 failed"
    assert "--request 1 --retry" in err
    code, out, _ = pgerase("subject", "erase", "person", "--request", "1", "--retry", "--yes", "--format", "json")
    done = answer(out)
    assert (code, done["request"]["done"], done["request"]["outcome"]) == (0, 3, None)
    assert pgerase("subject", "erase", "person", "--request", "1", "--yes")[0] == 0
    assert pgerase("request", "close", "1")[0] == 0
    code, _, err = pgerase("subject", "erase", "person", "--request", "1", "--yes")
    assert (code, "no open erasure request" in err) == (3, True)


def test_lifecycle_and_history(pgerase) -> None:
    assert pgerase("subject", "status", "person", "7", "8")[:2] == (0, "person 7  active\nperson 8  active\n")
    assert pgerase("subject", "deactivate", "person", "7")[0] == 3
    code, out, err = pgerase("subject", "deactivate", "person", "7", "8", typed="y\n")
    assert (code, out) == (0, "deactivate: 2 changed, 0 were inactive already\n")
    assert "person 7  active -> inactive" in err
    code, out, _ = pgerase("subject", "activate", "person", "8", "--yes", "--format", "json")
    assert (code, answer(out)["changed"]) == (0, 1)
    assert pgerase("subject", "history", "person", "7")[:2] == (1, "nothing is known\n")
    pgerase("subject", "erase", "person", "7", "--reference", "DSR-1", "--yes")
    code, out, _ = pgerase("subject", "history", "person", "7")
    assert code == 0
    assert [line.split("  ")[2].strip() for line in out.splitlines()] == ["received", "planned", "erased", "closed"]
    assert "request 1 (erasure, DSR-1)" in out
    events = answer(pgerase("subject", "history", "person", "7", "--format", "json")[1])["events"]
    assert [event["what"] for event in events] == ["received", "planned", "erased", "closed"]
    code, out, _ = pgerase("subject", "status", "person", "7", "9999", "--format", "json")
    assert code == 1
    assert [one["state"] for one in answer(out)["people"]] == ["erased", "missing"]
    code, _, err = pgerase("subject", "activate", "person", "7", "--yes")
    assert (code, "person 7 is erased" in err) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["subject", "erase", "person"], 2, "no key was given"),
        (["subject", "erase", "nobody", "1", "--yes"], 2, "no such subject"),
        (["subject", "erase", "person", "9999", "--yes"], 3, "1 of the keys given belong to nobody"),
        (["subject", "erase", "person", "1", "--request", "1"], 2, "the request says who"),
        (["subject", "erase", "person", "--request", "4711", "--yes"], 3, "no request 4711"),
        (["subject", "erase", "member", "--request", "1", "--yes"], 2, "request 1 is about person"),
        (["subject", "erase", "person", "1", "--retry"], 2, "only people of a request"),
        (["subject", "erase", "person", "--request", "1", "--retry", "--dry-run"], 2, "changes nothing"),
        (["subject", "erase", "person", "1", "--batch", "0"], 2, "--batch"),
        (["subject", "erase", "person", "1", "--reference", "jane@example.org", "--yes"], 2, "never a name"),
        (["subject", "status", "person"], 2, "no key was given"),
        (["subject", "deactivate", "member", '["a", "b"]', "--yes"], 3, "is missing"),
        (["subject", "status", "person", "1", "--prefix", "nothing"], 3, "not installed here"),
        (["request", "open", "person", "1", "--kind", "whim"], 2, "whim"),
        (["request", "open", "person", "1", "--received", "tomorrow"], 2, "tomorrow"),
        (["request", "open", "person", "1", "--received", "2999-01-01"], 2, "no date to come"),
        (["request", "close", "4711"], 3, "no open request"),
        (["request", "approve", "1"], 2, "No such command"),
    ],
)
def test_mistakes_have_their_exit_code_and_a_sentence(pgerase, arguments, code, said) -> None:
    pgerase("request", "open", "person", "1")
    got, out, err = pgerase(*arguments)
    assert (got, out) == (code, "")
    assert said in err


def test_rule_files_of_a_pack_say_the_prefix(pgerase, shop, tmp_path) -> None:
    (tmp_path / "pack.yaml").write_text(f"version: 1\nname: shop\nprefix: {shop.prefix}\n")
    assert pgerase("--pack", str(tmp_path), "subject", "status", "person", "1")[0] == 0


def test_bar_is_shown_on_a_terminal_and_results_are_not_in_it(shop) -> None:
    read, write = pty.openpty()
    src = Path(__file__).resolve().parents[2] / "src"
    command = [
        sys.executable,
        "-m",
        "pgerase",
        "--dsn",
        shop.database.dsn(),
        "subject",
        "erase",
        "person",
        "--file",
        "-",
    ]
    process = subprocess.Popen(
        [*command, "--batch", "20", "--yes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=write,
        env=os.environ | {"PYTHONPATH": str(src), "TERM": "xterm"},
    )
    os.close(write)
    out, _ = process.communicate("\n".join(keys(range(1, 301))).encode())
    shown = b""
    try:
        while piece := os.read(read, 65536):
            shown += piece
    except OSError:
        # The other end is closed: Linux says so with EIO.
        assert shown
    os.close(read)
    assert process.returncode == 0
    assert out.decode().splitlines()[-1] == "request 1: 300 people: 300 done"
    assert b"erasing" in shown
    assert b"300/300" in shown


def test_what_is_no_utf_8_is_a_mistake_of_the_call_and_not_shown(pgerase, shop, tmp_path) -> None:
    """Threat: a key in another encoding ends as a bug, whose message shows it. Bytes that are no text come as halves of pairs."""
    before = shop.application()
    (tmp_path / "keys").write_bytes(b"1\nM\xfcller\n")
    file = str(tmp_path / "keys")
    for arguments, said in (
        (("subject", "status", "person", "1", "M\udcfcller"), "error: key 2 on the command line is not valid UTF-8\n"),
        (
            ("subject", "erase", "person", "M\udcfcller", "--yes"),
            "error: key 1 on the command line is not valid UTF-8\n",
        ),
        (
            ("subject", "erase", "person", "--file", file, "--yes"),
            "error: the file of keys is not valid UTF-8, at byte 4\n",
        ),
        (
            ("request", "open", "person", "1", "--reference", "M\udcfcller"),
            "error: word 8 after `pgerase` is not valid UTF-8\n",
        ),
    ):
        code, out, err = pgerase(*arguments)
        assert (code, out, said in err, "ller" in err) == (2, "", True, False), (arguments, err)
    code, out, _ = pgerase("subject", "--format", "json", "M\udcfcller")
    assert (code, answer(out)["error"]["kind"]) == (2, "UsageError")
    assert shop.application() == before
