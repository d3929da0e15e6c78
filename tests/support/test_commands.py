"""`pgerase support`, as operators use it in the name of one of the staff; and what erasing takes from support access."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgerase.cli.main import main
from pgerase.database import Database
from pgerase.operate import Register, erase, open_request
from tests.support.conftest import ANN, CARA, DAN, EVE, LEA, LIV, LOU, NORA, Desk

Command = Callable[..., tuple[int, Any]]


@pytest.fixture
def command(desk: Desk, capsys: pytest.CaptureFixture[str]) -> Command:
    """`pgerase support … --format json`: the exit code and what was printed."""

    def run(*words: str | int) -> tuple[int, Any]:
        line = [
            "support",
            *map(str, words),
            "--dsn",
            desk.database.dsn(),
            "--pack",
            str(desk.folder),
            "--format",
            "json",
        ]
        code = main(line)
        out = capsys.readouterr().out
        return code, json.loads(out)

    return run


@pytest.fixture
def shown(desk: Desk, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """`pgerase support list`: the lines."""

    def run(*words: str) -> list[str]:
        assert main(["support", "list", *words, "--dsn", desk.database.dsn(), "--pack", str(desk.folder)]) == 0
        return capsys.readouterr().out.splitlines()

    return run


def test_open_and_close_in_the_name_of_an_agent(desk, command):
    code, opened = command("open", "person", CARA, "--as", ANN, "--ticket", "T-9", "--for", "1 hour")
    assert (code, opened["grant"]["state"], opened["grant"]["holder"]) == (0, "open", "10")
    number = opened["grant"]["number"]
    assert desk.seen(ANN)[0] == [ANN, CARA]
    code, listed = command("list")
    assert [one["number"] for one in listed["grants"]] == [number]
    code, closed = command("close", number)
    assert (code, closed["grant"]["state"], closed["grant"]["closed_by"]) == (0, "closed", "")
    assert desk.seen(ANN)[0] == [ANN]
    # The login that did it is in the log, beside the actor, whom nobody proved.
    assert desk.entries(number) == [("open", "10", desk.database.owner), ("close", None, desk.database.owner)]


def test_break_glass_from_opening_to_review(desk, command, shown):
    number = command("open", "person", DAN, "--as", LEA, "--reason", "fraud", "--break-glass")[1]["grant"]["number"]
    assert command("approve", number, "--as", LEA)[0] == 3
    assert command("approve", number, "--as", LOU)[1]["grant"]["state"] == "open"
    assert command("close", number, "--as", LEA)[1]["grant"]["state"] == "to be reviewed"
    (line,) = [line for line in shown() if line.split()[0] == str(number)]
    assert re.search(r"to be reviewed, review due \d{4}-\d\d-\d\d \d\d:\d\d \S+  20 on person 101  until", line)
    code, refused = command("open", "person", EVE, "--as", LEA, "--reason", "fraud", "--break-glass")
    assert (code, "reviewed" in refused["error"]["message"]) == (3, True)
    reviewed = command("review", number, "--as", LOU, "--verdict", "justified")[1]["grant"]
    assert (reviewed["state"], reviewed["reviewed_by"], reviewed["verdict"]) == ("closed", "21", "justified")
    (line,) = [line for line in shown("--all") if line.split()[0] == str(number)]
    assert line.endswith("  fraud  approved by 21, justified, says 21")


def test_the_list_says_why(command, shown):
    number = command("open", "person", CARA, "--as", ANN, "--reason", "cannot pay", "--ticket", "T-9")[1]["grant"][
        "number"
    ]
    assert [line.split()[0] for line in shown() if line.endswith("  cannot pay; T-9")] == [str(number)]
    command("close", number)


def test_now_says_what_is_not_possible(desk, command):
    """Under identity token nobody knows whose session it is."""
    number = command("open", "person", CARA, "--as", ANN, "--ticket", "T-9")[1]["grant"]["number"]
    code, closed = command("close", number, "--now")
    assert (code, closed["grant"]["state"], closed["sessions_ended"]) == (1, "closed", 0)
    assert "nobody knows" in closed["not_possible"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("open", "person", DAN, "--as", ANN, "--ticket", "T-9"), 3),
        (("open", "person", CARA, "--as", LEA, "--ticket", "T-9"), 3),
        (("open", "person", CARA, "--as", ANN), 2),
        (("open", "person", CARA, "--as", ANN, "--ticket", "T-9", "--for", "5h"), 2),
        (("open", "person", CARA, "--as", ANN, "--ticket", "T-9", "--for", "5 hours"), 2),
        (("open", "person", CARA, "--as", ANN, "--ticket", "T-9", "--for", "soon"), 2),
        (("close", 10**6), 3),
        (("open", "person", NORA, "--as", ANN, "--ticket", "T-9"), 3),
        (("open", "person", CARA, "--as", LIV, "--reason", "fraud", "--break-glass"), 3),
    ],
)
def test_what_the_rules_refuse_is_refused_to_operators_too(command, words, code):
    assert command(*words)[0] == code


def test_what_is_closed_already_is_told_from_what_there_is_not(desk, command):
    """Operators see the whole list; a viewer gets one answer for both."""
    number = command("open", "person", CARA, "--as", ANN, "--ticket", "T-9")[1]["grant"]["number"]
    code, refused = command("close", number, "--as", LIV)
    assert (code, "that you may close" in refused["error"]["message"]) == (3, True)
    assert command("close", number)[0] == 0
    for words in ((), ("--as", ANN)):
        code, refused = command("close", number, *words)
        assert (code, refused["error"]["message"]) == (3, f"support access {number} is over already: closed"), words
        assert refused["error"]["hint"] == "`pgerase support list --all` shows all there is"
        code, refused = command("close", 10**6, *words)
        assert (code, refused["error"]["message"]) == (3, "there is no support access 1000000"), words
        assert refused["error"]["hint"] == "`pgerase support list --all` shows all there is"
    with pytest.raises(psycopg.Error, match="that you may close"):
        desk.value(ANN, "select P.close_support(%s)", number)


def test_where_the_log_lacks_a_partition_the_run_is_named_that_makes_it(desk, command, capsys):
    """Threat: nobody can open access, and the only hint is to look into the server's log."""
    words = ("open", "person", CARA, "--as", ANN, "--ticket", "T-9")
    number = command(*words)[1]["grant"]["number"]
    assert command("close", number)[0] == 0
    with psycopg.connect(desk.database.admin_dsn, autocommit=True) as admin:
        where = "select e.tableoid::regclass::text, inhparent::regclass::text from P_log.entry as e, pg_inherits"
        (part, table), *_ = admin.execute(
            desk.sql(f"{where} where grant_id = %s and inhrelid = e.tableoid"), [number]
        ).fetchall()
        admin.execute(f"alter table {table} detach partition {part}".encode())
    code, refused = command(*words)
    assert (code, "SQLSTATE 23514" in refused["error"]["message"]) == (4, True)
    assert refused["error"]["hint"].startswith(
        "the log has no partition for it: `pgerase audit status` says which, and `pgerase audit maintain` makes it; "
    )
    assert main(["audit", "maintain", "--dsn", desk.database.dsn(), "--pack", str(desk.folder)]) == 0
    capsys.readouterr()
    assert command("close", command(*words)[1]["grant"]["number"])[0] == 0


def test_without_consent_the_option_is_named(command):
    code, refused = command("open", "person", DAN, "--as", ANN, "--ticket", "T-9")
    assert (code, "--break-glass" in refused["error"]["hint"]) == (3, True)


def test_erasing_a_person_ends_access_and_takes_the_reason(desk, command):
    """What support access knows of a person goes: the reason, and which rows were read. That somebody looked stays."""
    grant = desk.open(ANN, EVE)
    ticket = desk.value(ANN, "select P.log_read_task(%s)", grant)
    with Database.open(desk.database.dsn()) as database:
        register = Register(database, desk.prefix)
        request = open_request(register, "person", [str(EVE)])
        erase(register, request.number)
    with psycopg.connect(desk.database.admin_dsn) as admin:
        kept = admin.execute(
            desk.sql(
                "select g.holder, g.person, g.reason, g.ticket, t.keys from P_internal.support_grant as g"
                " join P_internal.support_ticket as t using (grant_id) where grant_id = %s"
            ),
            [grant],
        ).fetchone()
    assert kept == ("10", str(EVE), None, "T-1", [])
    assert desk.seen(ANN)[0] == [ANN]
    assert desk.refused(ANN, "select * from P.read_task(%s)", ticket) == "ZE308"
    states = {one["number"]: one["state"] for one in command("list", "--all")[1]["grants"]}
    assert states[grant] == "ended by erasing"
    # It is over, and nobody has anything to do.
    assert grant not in [one["number"] for one in command("list")[1]["grants"]]
    # Nothing brings the person back: nobody opens another, and breaking the glass neither.
    assert desk.refused(ANN, "select P.open_support('person', '102', 'r', null, now() + '1 hour')") == "ZE305"
    assert desk.refused(LEA, "select P.open_break_glass('person', '102', 'r', null, now() + '1 hour')") == "ZE305"
