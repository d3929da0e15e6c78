"""P11: an administrator is told why, as text and as JSON, beside what the database itself does."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from random import Random
from typing import Any

import psycopg
import pytest

from pgerase.cli.main import main
from pgerase.database import Database
from pgerase.errors import Refused
from pgerase.explain import Answer, Question, explain
from pgerase.meaning.reasons import Kind, walk
from pgerase.rules.conditions import Action
from pgerase.rules.read import read_pack
from tests.property.explained import faults
from tests.verify.conftest import Site

Command = Callable[[str], tuple[int, str, str]]

VIEWERS = [*map(str, range(1, 10)), "20", "99", "abc", "' or true --", "1 "]
SEED = 11


@pytest.fixture
def command(shop: Site, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `pgerase explain …` as the owner; exit code, output without the folder's name, errors."""

    def run(line: str) -> tuple[int, str, str]:
        words = shop.fill(line).split()
        code = main(["--pack", str(shop.folder), "--dsn", shop.database.dsn(), "explain", *words])
        printed = capsys.readouterr()
        return code, printed.out.replace(f"{shop.folder}/", "").replace(shop.prefix, "shop"), printed.err

    return run


def ask(shop: Site, action: str, resource: str, key: str | None, viewer: str | None = None, **more: Any) -> Answer:
    hold = more.pop("hold", 200_000)
    with Database.open(shop.database.dsn()) as database:
        answer = explain(
            database, read_pack(shop.folder), Question(Action(action), resource, key, viewer, **more), hold=hold
        )
    assert list(faults(answer.reason)) == []
    return answer


@contextmanager
def intruder(shop: Site) -> Iterator[None]:
    """A policy that somebody made by hand, and that lets everybody read every account."""
    shop.admin("create policy intruder on shop.account for select to {P}_viewer using (true)")
    try:
        yield
    finally:
        shop.admin("drop policy intruder on shop.account")


# -- agreement ---------------------------------------------------------------------------------------------------------


def test_the_database_does_what_is_explained(shop: Site):
    """Drawn viewers, rows and actions of every kind, some of them of rows that are not there."""
    draw = Random(SEED)
    keys = {
        "person": [*range(1, 10), 20, 77],
        "account": [*range(1, 49), 99],
        "task": [*range(1, 61), 99],
        "article": [1, 2],
    }
    stages = ("open", "won", "closed", "odd")
    questions: list[dict[str, Any]] = []
    for resource, action in product(keys, ("read", "update", "delete")):
        questions += [
            {
                "action": action,
                "resource": resource,
                "key": str(draw.choice(keys[resource])),
                "viewer": draw.choice(VIEWERS[:9]),
            }
            for _ in range(4)
        ]
    for viewer in draw.sample(VIEWERS, 5):
        new = {"id": "100", "tenant": "1", "stage": draw.choice(stages)}
        questions.append({"action": "insert", "resource": "account", "key": None, "viewer": viewer, "new": new})
        change = {"stage": draw.choice(stages)}
        key = str(draw.choice((1, 3, 10, 12)))
        questions.append({"action": "update", "resource": "account", "key": key, "viewer": viewer, "new": change})
    questions += [{"action": "read", "resource": "article", "key": key, "role": shop.roles["visitor"]} for key in "12"]
    answers = [ask(shop, **question) for question in questions]
    wrong = [(answer.question, answer.allowed, answer.asked) for answer in answers if answer.agrees is not True]
    assert wrong == []
    assert not any(answer.findings for answer in answers)
    assert 0.2 < sum(answer.allowed for answer in answers) / len(answers) < 0.8


@pytest.mark.parametrize("viewer", VIEWERS[-5:])
def test_p1_who_is_nobody_sees_nothing_and_an_administrator_is_told(shop: Site, viewer: str):
    answer = ask(shop, "read", "account", "1", viewer)
    known = viewer == "20"
    assert (answer.allowed, answer.agrees) == (known and answer.allowed, True)
    if not known:
        assert [part.kind for part in answer.reason.parts] == [Kind.VIEWER]


def test_p11_asking_directly_gives_nothing_and_explain_says_why(shop: Site, command: Command):
    with shop.session("2") as connection:
        assert connection.execute("select * from shop.account where id = 7").fetchall() == []
        assert connection.execute("select * from shop.account where id = 999").fetchall() == []
    code, hidden, _ = command("read account 7 --viewer 2")
    assert code == 0
    assert hidden.splitlines()[:5] == [
        "denied: viewer 2 may not read account 7 (shop.account)",
        "what is missing, nearest first",
        '  requirement "tenant" (access.yaml:34) fails',
        "    no: tenant is the viewer's tenant",
        '  otherwise granted by rule "mine" (access.yaml:29)',
    ]
    code, missing, _ = command("read account 999 --viewer 2")
    assert code == 0
    assert "shop.account has no such row; a viewer is told the same of a row he may not see" in missing


# -- the text ----------------------------------------------------------------------------------------------------------


def test_the_chain_that_grants_is_told(command: Command):
    code, text, _ = command("read account 1 --viewer 1")
    assert code == 0
    assert text.splitlines() == [
        "allowed: viewer 1 may read account 1 (shop.account)",
        "because",
        "  viewer 1 is active (access.yaml:6)",
        '  rule "line" (access.yaml:28) grants it through 3, who reports to 1',
        "    yes: region is 3's region",
        "    yes: product is 3's product",
        '  also granted by rule "mine" (access.yaml:29)',
        '  requirement "tenant" (access.yaml:34) holds',
        "    yes: tenant is the viewer's tenant",
        '  requirement "no secrets" (access.yaml:35) does not bind the viewer',
        "    no: not (kind is 'employee')",
        "in the database",
        "  allowed, asked as shopx_web (select): the same",
        "  policy shop_read on shop.account: permissive, for select",
        "  policy shop_require_no secrets_read on shop.account: restrictive, for select",
        "  policy shop_require_tenant_read on shop.account: restrictive, for select",
    ]


def test_groups_say_why_somebody_is_in_them(command: Command):
    _, text, _ = command("read account 4 --viewer 4")
    assert "    yes: in group desk (access.yaml:13)\n" in text
    assert "      yes: fits its criteria (access.yaml:13)\n        yes: title is 'Desk'\n" in text


def test_combine_and_parents_say_which_row_above_is_in_the_way(command: Command):
    _, text, _ = command("read task 5 --viewer 5")
    assert 'combine "outsiders" (access.yaml:42) decides' in text
    assert "parent account 5, through account_id\n" in text
    assert '        read account 5: denied\n            requirement "no secrets" (access.yaml:35) fails' in text


def test_personal_values_are_shown_only_where_asked_for(command: Command):
    _, quiet, _ = command("read account 4 --viewer 2")
    assert "coffee" not in quiet
    _, told, _ = command("read account 4 --viewer 2 --values")
    assert "no: product is the viewer's product [compared: coffee with tea]" in told
    code, data, _ = command("read account 4 --viewer 2 --format json")
    assert code == 0
    assert "coffee" not in data


def test_new_rows_of_update_and_insert_are_judged(command: Command):
    _, closed, _ = command("update account 1 --viewer 1 --set stage=closed")
    assert closed.startswith("allowed: viewer 1 may update account 1 so that stage becomes what was given")
    _, won, _ = command("update account 1 --viewer 1 --set stage=won")
    assert won.startswith("denied:")
    assert "  update account 1 as a new row: denied\n" in won
    assert "no: stage is one of ['open', 'closed']" in won
    _, event, _ = command("insert event --viewer 2 --set id=5 --set at=2025-11-11 --set account_id=1 --set by=2")
    assert event.startswith("allowed: viewer 2 may insert this row into event")
    assert "account_id leads to shop.account 1" in event


def test_a_new_row_comes_as_json_too(command: Command, monkeypatch: pytest.MonkeyPatch):
    given = {"id": 5, "at": "2025-11-11", "account_id": None, "by": 2}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(given)))
    code, text, _ = command("insert event --viewer 2 --new -")
    assert code == 0
    assert "unknown: the viewer may read what account_id leads to\n        account_id is not set" in text


def test_nothing_is_left_behind(shop: Site, command: Command):
    def state() -> list[Any]:
        with shop.database.connect() as connection:
            # Roles are the whole cluster's: those of other tests come and go.
            return connection.execute(
                "select (select count(*) from pg_class), (select count(*) from pg_namespace),"
                " (select count(*) from pg_auth_members where starts_with(roleid::regrole::text, %s))",
                [shop.prefix],
            ).fetchall()

    before = state()
    assert command("delete account 8 --viewer 1")[0] == 0
    assert state() == before
    with psycopg.connect(shop.database.admin_dsn) as connection:
        assert connection.execute("select count(*) from shop.account where id = 8").fetchone() == (1,)


# -- JSON --------------------------------------------------------------------------------------------------------------


def test_json_holds_the_tree_with_positions(command: Command):
    code, text, _ = command("read task 5 --viewer 5 --format json")
    data = json.loads(text)
    assert code == 0
    assert (data["format"], data["command"], data["allowed"], data["agrees"]) == (1, "explain", False, True)
    assert data["asked"] == {"allowed": False, "role": "shopx_web", "how": "select"}
    assert data["enforcement"]["mode"] == "on"
    assert {"name": "shop_read", "command": "select", "permissive": True, "ours": True} in data["enforcement"][
        "policies"
    ]
    assert data["findings"] == []

    def find(reason: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
        if reason["kind"] == kind:
            yield reason
        for part in reason["parts"]:
            yield from find(part, kind)

    combine = next(find(data["reason"], "combine"))
    assert (combine["name"], combine["truth"], combine["at"]["line"]) == ("outsiders", False, 42)
    assert {key for reason in find(data["reason"], "test") for key in reason} == {
        *(
            "kind",
            "truth",
            "join",
            "name",
            "says",
            "at",
            "action",
            "key",
            "chain",
            "count",
            "values",
            "repeats",
            "parts",
        )
    }


def test_a_decision_that_was_told_is_not_told_again(shop: Site, command: Command):
    _, text, _ = command("insert event --viewer 5 --set account_id=1 --set by=5 --format json")
    data = json.loads(text)

    def decisions(reason: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if reason["kind"] == "decision":
            yield reason
        for part in reason["parts"]:
            yield from decisions(part)

    again = [reason for reason in decisions(data["reason"]) if reason["repeats"]]
    assert all(reason["parts"] == [] for reason in again)


# -- what enforces it --------------------------------------------------------------------------------------------------


def test_a_database_that_does_something_else_is_a_loud_finding(shop: Site, command: Command):
    with intruder(shop):
        code, open_to_all, _ = command("read account 8 --viewer 4")
        _, data, _ = command("read account 8 --viewer 4 --format json")
    assert "allowed, asked as shopx_web (select): NOT THE SAME" in open_to_all
    assert "policy intruder on shop.account: permissive, for select, not made by pgerase" in open_to_all
    assert "error[explain-disagrees]: the rules deny it, and the database allows it" in open_to_all
    assert (code, json.loads(data)["agrees"]) == (1, False)


def test_row_security_that_is_off_is_a_finding(shop: Site, command: Command):
    shop.admin("alter table shop.account no force row level security")
    try:
        code, text, _ = command("read account 1 --viewer 1")
    finally:
        shop.admin("alter table shop.account force row level security")
    assert code == 1
    assert "nothing enforces it: row security is not enabled and forced on shop.account" in text
    assert "error[not-enforced]" in text


def test_a_table_in_mode_shadow_is_said_to_be(command: Command):
    code, text, _ = command("read badge 1 --viewer 2")
    assert code == 0
    assert text.startswith("denied: viewer 2 may not read badge 1")
    assert "not asked: the table is in mode shadow: the rules are not in force there" in text
    assert "nothing of these rules enforces it: shop.badge is in mode shadow" in text


# -- how much is read --------------------------------------------------------------------------------------------------


def test_tables_larger_than_is_held_are_followed_and_not_read(shop: Site):
    """10 people and 9 memberships are looked through; 48 accounts and 60 tasks are not."""
    answer = ask(shop, "read", "task", "30", "6", hold=10)
    assert answer.agrees is True
    assert {one.key for one in walk(answer.reason) if one.kind is Kind.PARENT} == {"5"}


def test_a_table_that_has_to_be_looked_through_and_is_too_large_is_refused_by_name(shop: Site):
    with pytest.raises(Refused) as refused:
        ask(shop, "read", "account", "1", "1", hold=9)
    assert "shop.person" in refused.value.message
    assert "10 rows of facts are more than 9" in refused.value.message
    assert "--hold" in refused.value.hint


# -- questions that cannot be asked ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("read acount 1 --viewer 1", "there is no resource acount", "Did you mean account?"),
        ("read account x --viewer 1", "that is no key of shop.account: id is of type integer\n", ""),
        ("read account --viewer 1", "which row? read needs its key", "Give its id after account."),
        ("read event 1 --viewer 1", "shop.event has no primary key", ""),
        ("read account 1", "say who asks", "--viewer KEY"),
        ("read account 1 --viewer 1 --role x", "say who asks", "--role NAME"),
        ("read account 1 --viewer=", "the viewer's key is empty", "presents nobody"),
        ("update account 1 --viewer 1 --set stge=1", "shop.account has no column stge", "Did you mean stage?"),
        (
            "update account 1 --viewer 1 --set stage=open --set tenant=x",
            "the new row is none of shop.account: tenant is of type integer\n",
            "",
        ),
        ("insert account --viewer 1 --set id=x --set tenant=1", "none of shop.account: id is of type integer\n", ""),
        ("update account 1 --viewer 1 --set tenant", "COLUMN=VALUE", "--new FILE"),
        ("read account 1 --viewer 1 --set stage=x", "a read leaves no new row", ""),
        ("insert account --viewer 1", "an insert needs the new row", "--set COLUMN=VALUE"),
        ("insert account 1 --viewer 1 --set stage=x", "an insert has no row yet", ""),
        ("look account 1 --viewer 1", "'look' is not one of", ""),
    ],
)
def test_a_question_that_cannot_be_asked_says_what_to_do(command: Command, line: str, message: str, hint: str):
    code, _, errors = command(line)
    assert code == 2
    assert message in errors
    assert hint in errors


def test_a_role_that_is_none_is_a_slip(shop: Site, command: Command):
    """ "Denied" would be true of it, and an answer to another question."""
    code, text, errors = command(f"read account 1 --role {shop.roles['web']}b")
    assert (code, text) == (2, "")
    assert f"there is no role {shop.roles['web']}b" in errors
    assert f"Did you mean {shop.roles['web']}?" in errors


def test_keys_and_names_move_no_cursor(shop: Site, capsys: pytest.CaptureFixture[str]):
    arguments = ["--pack", str(shop.folder), "--dsn", shop.database.dsn(), "explain", "read", "account", "1"]
    assert main([*arguments, "--viewer", "\x1b[31m1\n2"]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert printed.startswith("denied: viewer  [31m1 2 may not read account 1")
