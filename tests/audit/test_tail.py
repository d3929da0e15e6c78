"""`audit tail` and `audit history` (issue 5, build 7): readable, filterable, and every entry once, whenever it was committed."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from pgerase import resources
from pgerase.cli import audit_tail as command
from pgerase.cli.main import main
from pgerase.database import Database
from pgerase.install import Names, install
from pgerase.operate import Register, tail
from pgerase.operate.tail import Tail, Wanted
from tests.fix_database import FreshDatabase

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Log:
    """A log whose entries are written by hand, as its owner; partitions end with February, March and never."""

    def __init__(self, database: FreshDatabase) -> None:
        self.database = database
        self.names = Names(database.prefix)
        with Database.open(database.dsn()) as owner:
            install(owner, database.prefix)
        self.keeper = self.session()
        for table in ("entry", "value", "leaf"):
            self.run(
                f"create table P_log.{table}_1 partition of P_log.{table} for values in ('default') partition by range (at)"
            )
            bounds = ("minvalue", "'2026-03-01Z'", "'2026-04-01Z'", "maxvalue")
            for number, (lower, upper) in enumerate(pairwise(bounds)):
                part = f"P_log.{table}_1_{number}"
                self.run(f"create table {part} partition of P_log.{table}_1 for values from ({lower}) to ({upper})")
                self.run(f"create index on {part} (entry_id)")

    def session(self) -> psycopg.Connection:
        """A session of the log's owner, autocommitting."""
        connection = psycopg.connect(self.database.admin_dsn, autocommit=True)
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(self.names.keeper)))
        return connection

    def sql(self, text: str) -> bytes:
        return text.replace("P_log", self.names.logs).encode()

    def run(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        cursor = self.keeper.execute(self.sql(statement), parameters)
        return cursor.fetchall() if cursor.description else []

    def write(self, session: psycopg.Connection | None = None, **columns: Any) -> int:
        """An entry: app.thing was updated by nobody, unless said otherwise."""
        values = {"class": "default", "at": NOON, "relation": "app.thing", "action": "update", "login": "web"} | columns
        values = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in values.items()}
        statement = sql.SQL("insert into {} ({}) values ({}) returning entry_id").format(
            sql.Identifier(self.names.logs, "entry"),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        )
        return (session or self.keeper).execute(statement, list(values.values())).fetchone()[0]

    def apart(self, entry: int, part: int, person: str, *, old: Any = None, new: Any = None) -> None:
        """Somebody's part of an entry."""
        self.run(
            "insert into P_log.value (class, at, entry_id, part, subject, person, old, new)"
            " values ('default', %s, %s, %s, 'user', %s, %s, %s)",
            [NOON, entry, part, person, None if old is None else Jsonb(old), None if new is None else Jsonb(new)],
        )

    def erased(self, *parts: tuple[int, int]) -> None:
        """The record that these parts of entries were erased."""
        body = Jsonb({"request": 1, "parts": [list(part) for part in parts]})
        self.run("insert into P_log.record (kind, body) values ('erasure', %s)", [body])

    def tail(self, **wanted: Any) -> Tail:
        """A tail on a connection of the owner's own; ends with the test."""
        return Tail(Register(Database(self.database.connect()), self.database.prefix), Wanted(**wanted))


@pytest.fixture(scope="module")
def made_log(server, unique_prefix) -> Iterator[Log]:
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    made = Log(database)
    yield made
    made.keeper.close()
    database.drop()


@pytest.fixture
def log(made_log: Log) -> Iterator[Log]:
    """The log, with nothing in it yet."""
    made_log.run("truncate P_log.entry, P_log.value, P_log.leaf, P_log.record")
    yield made_log
    made_log.database.close()


@pytest.fixture
def run(log, capsys):
    """`run("tail", …)`: lines on standard output, or on standard error where the command is to end with another code."""

    def call(*words: str, code: int = 0) -> list[str]:
        given = [*words, "--dsn", log.database.dsn(), "--prefix", log.database.prefix]
        assert main(["audit", *given, *(["--no-follow"] if words[0] == "tail" else [])]) == code
        said = capsys.readouterr()
        return (said.out if code == 0 else said.err).splitlines()

    return call


def numbers(entries: Any) -> list[int]:
    return [entry.number for entry in entries]


# --- what it shows ---


def test_an_entry_is_a_line_and_what_is_somebodys_is_apart(log, run):
    log.write(action="insert", key={"id": 1}, new={"id": 1, "name": "Bolt", "price": 2.5}, actor="42")
    changed = log.write(
        key={"id": 1}, old={"name": "Bolt", "tags": ["a"]}, new={"name": "", "tags": None}, parts=1, grant_id=7
    )
    log.apart(changed, 1, "u1", old={"email": "ann@example.org"}, new={"email": "bob@example.org"})
    gone = log.write(action="delete", key={"a": 1, "b": "x"}, old={"a": 1, "b": "x"}, role="admin", parts=2)
    log.erased((gone, 1), (gone, 2))
    log.write(action="truncate", relation="app.other")
    lines = [
        "2026-03-01 12:00:00.000Z  app.thing id=1  insert  42/web  id: 1, name: Bolt, price: 2.5",
        '2026-03-01 12:00:00.000Z  app.thing id=1  update  -/web  [support grant 7]  name: Bolt → "", tags: ["a"] → null, email: (apart)',
        "2026-03-01 12:00:00.000Z  app.thing a=1,b=x  delete  -/web  a: 1, b: x, (2 people erased)",
        "2026-03-01 12:00:00.000Z  app.other -  truncate  -/web",
    ]
    assert run("tail") == lines
    assert run("tail", "-n", "1") == lines[-1:]
    assert run("tail", "-n", "0") == []
    lines[1] = lines[1].replace("(apart)", "ann@example.org → bob@example.org")
    assert run("tail", "--values") == lines


def test_json_has_a_line_an_entry_and_a_version(log, run):
    number = log.write(
        key={"id": 1}, old={"name": "é"}, new={"name": "f"}, actor="42", request="r-1", purpose="p", parts=2
    )
    log.apart(number, 2, "u1", old={"email": "ann@example.org"}, new={"phone": "1"})
    log.erased((number, 1))
    (line,) = run("tail", "--format", "json")
    data = json.loads(line)
    assert data.pop("transaction").isdigit()
    assert data == {
        "format": 1,
        "entry": number,
        "at": "2026-03-01T12:00:00+00:00",
        "table": "app.thing",
        "action": "update",
        "actor": "42",
        "login": "web",
        "role": None,
        "request": "r-1",
        "purpose": "p",
        "grant": None,
        "key": {"id": 1},
        "old": {"name": "é"},
        "new": {"name": "f"},
        "people": [{"subject": "user", "columns": ["email", "phone"]}],
        "others": 0,
        "erased": 1,
        "missing": 0,
    }
    (line,) = run("tail", "--format", "json", "--values")
    assert json.loads(line)["people"] == [
        {"subject": "user", "key": "u1", "old": {"email": "ann@example.org"}, "new": {"phone": "1"}}
    ]


def handed_over(log: Log) -> int:
    """An order with an address passed from person 101 to person 100."""
    number = log.write(relation="shop.order", key={"id": 2}, old={"customer": 101}, new={"customer": 100}, parts=2)
    log.apart(number, 1, "101", old={"ship_to": "Dora, High St"})
    log.apart(number, 2, "100", new={"ship_to": "Carl, New Rd"})
    return number


def test_threat_who_asks_for_one_person_is_shown_nobody_elses(log, run):
    """Whoever answers a person's question with this must not send another's address along."""
    handed_over(log)
    order = "2026-03-01 12:00:00.000Z  shop.order id=2  update  -/web  customer: 101 → 100, "
    asked = ("tail", "--person", "user", "100")
    assert run(*asked) == [f"{order}ship_to: (apart), (values of 1 other person)"]
    assert run(*asked, "--values") == [f"{order}ship_to: – → Carl, New Rd, (values of 1 other person)"]
    assert run("tail", "--person", "user", "101", "--values") == [
        f"{order}ship_to: Dora, High St → –, (values of 1 other person)"
    ]
    (line,) = run(*asked, "--values", "--format", "json")
    data = json.loads(line)
    assert data["people"] == [{"subject": "user", "key": "100", "old": None, "new": {"ship_to": "Carl, New Rd"}}]
    assert (data["others"], data["erased"], data["missing"]) == (1, 0, 0)
    # They are not even fetched.
    (entry,) = log.tail(person=("user", "100"), values=True).last(5)
    assert "Dora" not in repr(entry)


def test_threat_values_of_nobody_are_not_shown_as_somebodys(log, run):
    number = log.write(parts=3)
    log.apart(number, 1, "100", new={"ship_to": "Carl, New Rd"})
    log.run(
        "insert into P_log.value (class, at, entry_id, part, subject, person, new)"
        " values ('default', %s, %s, 2, 'user', null, '{\"ship_to\": \"Dora\"}')",
        [NOON, number],
    )
    log.run(
        "insert into P_log.value (class, at, entry_id, part, subject, person, new)"
        " values ('default', %s, %s, 3, 'firm', '100', '{\"vat\": \"7\"}')",
        [NOON, number],
    )
    (line,) = run("tail", "--person", "user", "100", "--values")
    assert line.endswith("  ship_to: – → Carl, New Rd, (values of 2 other people)")
    (line,) = run("tail", "--values")
    assert line.endswith("  ship_to (user 100): – → Carl, New Rd, ship_to (no user): – → Dora, vat (firm 100): – → 7")


def test_values_of_several_people_say_whose_they_are(log, run):
    handed_over(log)
    number = log.write(action="delete", key={"id": 3}, parts=2)
    log.apart(number, 1, "1\x1b" + "0" * 90, old={"ship_to": "Dora"})
    log.apart(number, 2, "100", old={"ship_to": "Carl"})
    moved, gone = run("tail", "--values")
    assert moved.endswith(
        "  customer: 101 → 100, ship_to (user 101): Dora, High St → –, ship_to (user 100): – → Carl, New Rd"
    )
    assert gone.endswith("…): Dora, ship_to (user 100): Carl")
    assert gone.isprintable()
    # Unless values are asked for, a column is named once.
    moved, gone = run("tail")
    assert moved.endswith("  customer: 101 → 100, ship_to: (apart)")
    assert gone.endswith("  ship_to: (apart)")
    assert run("history", "shop.order", "id=2") == [moved]


def test_what_is_gone_without_a_record_is_missing_and_not_erased(log, run):
    """Somebody dropped or deleted values: saying that people were erased would be believed."""
    first = log.write(key={"id": 1}, parts=3)
    log.apart(first, 2, "u2", new={"email": "x"})
    second = log.write(key={"id": 1}, parts=2)
    # Numbers of an entry and of a part are not taken for each other, and a record twice is not two people.
    log.erased((first, 1), (first, 1), (1, first), (second + 1, 1))
    log.erased((first, 1))
    log.run(
        "insert into P_log.record (kind, body) values ('erasure', '7'), ('erasure', '{\"parts\": [7, [null], \"x\"]}')"
    )
    log.run("insert into P_log.record (kind, body) values ('drop', %s)", [Jsonb({"parts": [[second, 1]]})])
    for words in (["tail"], ["history", "app.thing", "id=1"]):
        one, other = run(*words)
        assert one.endswith("  email: (apart), (1 person erased), (values of 1 person missing)")
        assert other.endswith("  -/web  (values of 2 people missing)")
    one, other = map(json.loads, run("tail", "--format", "json"))
    assert (one["erased"], one["missing"]) == (1, 1)
    assert (other["erased"], other["missing"]) == (0, 2)
    log.erased((second, 1), (second, 2))
    assert run("tail")[1].endswith("  -/web  (2 people erased)")


@pytest.mark.parametrize("sealed", ["before", "after", "never"])
def test_erased_is_what_verifying_takes_for_erased(log, run, sealed):
    """Erased people, and a partition of values that somebody dropped: of an entry that is sealed, before or after, and of one that is not."""
    first = log.write(parts=2)
    for part, person in enumerate(("u1", "u2"), 1):
        log.apart(first, part, person, new={"email": person})
    second = log.write(at=NOON + timedelta(days=60), parts=1)
    log.run(
        "insert into P_log.value (class, at, entry_id, part, subject, person)"
        " values ('default', %s, %s, 1, 'user', 'u3')",
        [NOON + timedelta(days=60), second],
    )
    if sealed == "before":
        log.run("select P_log.seal()")
    # All of this is taken back.
    with log.keeper.transaction(force_rollback=True):
        log.run("drop table P_log.value_1_2")
        assert log.run("select P_log.forget_people('user', '{u2}', 1)") == [(1,)]
        if sealed == "after":
            log.run("select P_log.seal()")
        found = log.run("select entry_id, part from P_log.verify_values() where code = 'value-missing'")
        assert found == [(second, 1)]
        log.run("reset role")
        told = Register(Database(log.keeper), log.database.prefix)
        entries = Tail(told, Wanted()).last(5)
    assert [(entry.number, entry.erased, entry.missing) for entry in entries] == [(first, 1, 0), (second, 0, 1)]


def test_an_entry_with_more_parts_than_it_had_loses_none(log, run):
    """A value that was put in later does not make up for one that is gone."""
    number = log.write(parts=1)
    log.apart(number, 2, "u2", new={"email": "x"})
    (line,) = run("tail")
    assert line.endswith("  email: (apart), (values of 1 person missing)")


def test_a_line_says_what_for_and_under_which_grant(log, run):
    """Issue 5, build 1 and 7: request, purpose and support grant are captured, and to be read without JSON."""
    log.write(
        key={"id": 1}, request="R-2026/17", purpose="billing", grant_id=12, actor="42", old={"n": 1}, new={"n": 2}
    )
    log.write(key={"id": 1}, request="r" * 90)
    asked, long = run("history", "app.thing", "id=1")
    assert asked.endswith("  42/web  [request R-2026/17, purpose billing, support grant 12]  n: 1 → 2")
    assert long.endswith(f"  -/web  [request {'r' * 39}…]")
    assert [line.partition("  ")[2] for line in run("tail")] == [line.partition("  ")[2] for line in (asked, long)]


def test_threat_numbers_are_shown_to_the_last_digit_and_stop_nobody(log, run):
    """Python reads no integer of more than 4300 digits, and makes floats of fractions; numeric has both."""
    old = '{"n": 12345678901234567890.123456789, "m": 70.0, "big": 1e5000, "j": [1.10, {"d": 2.50}], "f": false, "z": null}'
    new = '{"n": 1e400, "m": 70.00, "big": 0.5, "j": [], "f": true, "z": "70.0"}'
    number = log.write(key={"k": 1}, parts=1)
    log.run("update P_log.entry set key = '{\"k\": 70.00}', old = %s, new = %s where entry_id = %s", [old, new, number])
    log.apart(number, 1, "u1", old={"x": 1})
    log.run("update P_log.value set old = %s, new = '{}' where entry_id = %s", ['{"salary": 1e4400}', number])
    (line,) = run("tail", "--values")
    assert " k=70.00  update" in line
    assert "n: 12345678901234567890.123456789 → 1000" in line
    assert "m: 70.0 → 70.00, " in line
    assert 'j: [1.10, {"d": 2.50}] → [], ' in line
    assert ", z: null → 70.0, " in line
    (line,) = run("tail", "--values", "--format", "json")
    said = json.loads(line, parse_int=str, parse_float=str, parse_constant=pytest.fail)
    assert said["key"] == {"k": "70.00"}
    assert said["old"]["n"] == "12345678901234567890.123456789"
    assert said["old"]["m"] == "70.0"
    assert said["old"]["big"] == "1" + "0" * 5000
    assert said["old"]["j"] == ["1.10", {"d": "2.50"}]
    assert said["new"]["n"] == "1" + "0" * 400
    assert said["new"]["m"] == "70.00"
    assert said["people"] == [
        {"subject": "user", "key": "u1", "old": {"salary": "1" + "0" * 4400}, "new": {}},
    ]


@pytest.mark.parametrize("text", ["70", "70.00", "7e1", "+70", "070.0"])
def test_a_key_that_is_a_number_is_found_however_it_is_written(log, run, text):
    log.run(
        "insert into P_log.entry (class, at, relation, action, login, key)"
        " values ('default', %s, 'app.thing', 'update', 'web', '{\"k\": 70.00}')",
        [NOON],
    )
    log.write(key={"k": "70.00"})
    mine, *others = run("history", "app.thing", f"k={text}")
    assert mine.endswith("k=70.00  update  -/web")
    # A text is only what it is.
    assert len(others) == (text == "70.00")


def test_a_key_that_no_number_can_be_is_no_error(log):
    log.write(key={"k": 1})
    for text in ("1e999999", "0e-999999", "1e-16384", "NaN", "1_0", "\u0661", ""):
        assert log.tail(table="app.thing", key={"k": text}).last(5) == ()


def test_what_cannot_be_in_the_log_is_a_slip_and_no_answer(log, run):
    """Nothing found of a table that nobody captures, or of people whom the map does not have: exit code 2."""
    log.write()
    for words in (["tail", "--table", "app.thin"], ["history", "app.thin", "id=1"]):
        (said, hint) = run(*words, code=2)
        assert said == "error: app.thin is not captured, and nothing of it in the log is like this"
        assert hint == "hint: Captured are: none."
    said = run("tail", "--person", "usr", "u1", code=2)
    assert "error: there is no such subject, as no data map was applied" in said
    assert "hint: Subjects are named in data_map.yaml; pgerase apply makes their functions." in said
    # What is no longer captured is still to be found.
    assert len(run("tail", "--table", "app.thing")) == 1
    assert run("tail", "--table", "support") == []


def test_an_empty_answer_says_why(log, capsys):
    options = ["--no-follow", "--dsn", log.database.dsn(), "--prefix", log.database.prefix]

    def why(*words: str) -> str:
        assert main(["audit", "tail", *options, *words]) == 0
        said = capsys.readouterr()
        assert said.out == ""
        return said.err

    assert why().startswith("the log is empty; ")
    log.write()
    assert why("--since", "2999-01-01T01:00+01:00").startswith("--since lies in the future: 2999-01-01 00:00 UTC\n")
    assert why("--actor", "43").startswith("no entry of the log is like this; names are taken as they are, ")


@pytest.mark.parametrize(
    "dsn", ["host=h password=s3cret user=u", "password = 's3 cr\\'et' host=h", "postgresql://u:s3cret@h/d"]
)
def test_threat_an_option_that_swallows_dsn_shows_no_password(capsys, dsn):
    """--person takes two values: with one, the connection string is a word too many, and was printed whole."""
    assert main(["audit", "tail", "--person", "70", "--dsn", dsn]) == 2
    said = capsys.readouterr().err
    assert "Got unexpected extra argument (" in said
    assert "s3" not in said
    assert "cr" not in said.partition("\n")[0]


@pytest.mark.parametrize("group", ["audit", "support", "subject", "request", "retention", "key"])
def test_a_group_alone_shows_its_commands_and_says_what_is_missing(capsys, group):
    assert main([group]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"Usage: pgerase {group} ")
    assert "error: Usage" not in said
    assert said.endswith(f"\nerror: `pgerase {group}` needs a command\n")


def test_threat_personal_values_are_not_even_fetched_unless_asked_for(log):
    number = log.write(parts=1)
    log.apart(number, 1, "u1", new={"email": "ann@example.org"})
    (entry,) = log.tail().last(5)
    assert "email" in repr(entry)
    assert "ann@example.org" not in repr(entry)
    assert "u1" not in repr(entry)


def test_threat_a_value_cannot_move_the_cursor_or_fill_the_screen(log, run):
    log.write(relation="app.\x1b[2Jx", old={"a\nb": "\x1b]0;owned\x07"}, new={"a\nb": "y" * 500}, actor="z\u202e" * 30)
    (line,) = run("tail")
    assert all(character.isprintable() for character in line)
    assert line.endswith(f" → {'y' * 39}…")
    assert len(line) < 250


def test_filters_narrow_and_go_together(log, run):
    mine = log.write(actor="42", parts=1)
    log.apart(mine, 1, "u1", new={"email": "x"})
    other = log.write(actor="43", action="delete", parts=1)
    log.apart(other, 1, "u2", new={"email": "x"})
    late = log.write(relation="other.thing", at=NOON + timedelta(days=60))
    for wanted, found in (
        ({}, [mine, other, late]),
        ({"table": "app.thing"}, [mine, other]),
        ({"table": "thing"}, [mine, other, late]),
        ({"table": "hing"}, []),
        ({"actor": "42"}, [mine]),
        ({"actor": "4"}, []),
        ({"actions": ("delete", "insert")}, [other]),
        ({"person": ("user", "u2")}, [other]),
        ({"person": ("person", "u2")}, []),
        ({"person": ("user", "u1"), "actor": "43"}, []),
        ({"since": NOON + timedelta(seconds=1)}, [late]),
        ({"since": NOON}, [mine, other, late]),
    ):
        assert numbers(log.tail(**wanted).last(10)) == found, wanted
    filters = ["--person", "user", "u1", "--actor", "42", "--action", "update", "--since", "2026-03-01T13:00+01:00"]
    assert len(run("tail", *filters)) == 1
    assert run("tail", "--since", "2026-03-01T13:00", "--actor", "42") == []
    assert len(run("tail", "--since", "99999d")) == 3
    assert len(run("tail", "--since", "99999 days ago")) == 3
    for words in (
        ["--since", "yesterday"],
        ["--since", "2026-13-01"],
        ["--since", "999999w"],
        ["--every", "0"],
        ["--lines", "-1"],
    ):
        assert run("tail", *words, code=2)


def test_an_action_that_there_is_not_is_refused_with_those_that_there_are(log, run):
    """An empty answer would be taken for one: nobody deleted anything."""
    log.write(action="delete")
    assert len(run("tail", "--action", "DELETE", "--action", "open")) == 1
    said = " ".join(run("tail", "--action", "delet", code=2))
    assert all(f"'{action}'" in said for action in tail.ACTIONS)


def test_the_actions_that_are_known_are_those_that_routines_write():
    routines = {path.stem: path.read_text() for path in (resources.folder("sql") / "routines").glob("*.sql")}
    callers = [text for name, text in routines.items() if "note_support(" in text and name != "note_support"]
    written = {word for text in callers for word in re.findall(r"p_action => (?:case .* )?'(\w+)'", text)}
    assert written <= set(tail.ACTIONS)
    rows = {"insert", "update", "delete", "truncate"}
    assert all(any(f"'{action}'" in text for text in callers) for action in tail.ACTIONS if action not in rows)


def test_history_is_of_one_row(log, run):
    log.write(action="insert", key={"a": 1, "b": "x"}, new={"a": 1, "b": "x", "c": 1})
    log.write(key={"a": 1, "b": "y"}, old={"c": 1}, new={"c": 2})
    log.write(key={"a": 1, "b": "x"}, old={"c": 1}, new={"c": 3}, actor="42")
    log.write(key={"a": 1, "b": "x"}, relation="app.other")
    log.write(action="truncate")
    log.write(action="truncate", relation="app.other")
    assert [line.partition("  ")[2] for line in run("history", "app.thing", "a=1", "b=x")] == [
        "app.thing a=1,b=x  insert  -/web  a: 1, b: x, c: 1",
        "app.thing a=1,b=x  update  42/web  c: 1 → 3",
        "app.thing -  truncate  -/web",
    ]
    assert len(run("history", "app.thing", "a=1")) == 4
    assert run("history", "app.thing", "1", code=2)


def test_the_last_ones_are_found_behind_gaps(log, monkeypatch):
    monkeypatch.setattr(tail, "_SLICE", 3)
    monkeypatch.setattr(tail, "_WIDEST_SLICE", 40)
    early = [log.write(actor="42") for _ in range(2)]
    for _ in range(90):
        log.run("select nextval('P_log.entry_entry_id_seq')")
    late = [log.write() for _ in range(7)]
    assert numbers(log.tail().last(5)) == late[-5:]
    assert numbers(log.tail().last(8)) == [early[1], *late]
    assert numbers(log.tail().last(99)) == [*early, *late]
    assert numbers(log.tail(actor="42").last(5)) == early


# --- every entry once ---


def test_what_is_committed_late_is_shown_once(log):
    slow, slower = log.session(), log.session()
    with slow, slower:
        slow.execute("begin")
        begun_before = log.write(slow)
        seen = log.write()
        looking = log.tail()
        assert numbers(looking.last(10)) == [seen]
        slower.execute("begin")
        begun_after = log.write(slower)
        assert numbers(looking.new()) == []
        between = log.write()
        assert numbers(looking.new()) == [between]
        slow.execute("commit")
        assert numbers(looking.new()) == [begun_before]
        assert numbers(looking.new()) == []
        slower.execute("commit")
        # What was there when it began is still what it was.
        assert numbers(looking.last(10)) == [seen]
        assert numbers(looking.new()) == [begun_after]
        assert numbers(looking.new()) == []


def test_any_interleaving_shows_every_committed_entry_once(log):
    chance = random.Random(5)
    sessions = [log.session() for _ in range(6)]
    pending: dict[int, list[int]] = {}
    committed: list[int] = [log.write() for _ in range(3)]
    looking = None
    shown: list[int] = []
    for step in range(600):
        if step == 100:
            looking = log.tail()
            shown += numbers(looking.last(10_000))
            assert sorted(shown) == sorted(committed)
        which = chance.randrange(6)
        session = sessions[which]
        match chance.randrange(5):
            case 0 if looking is not None:
                shown += numbers(looking.new())
                assert sorted(shown) == sorted(committed), step
            case 1 if which in pending:
                session.execute("commit")
                committed += pending.pop(which)
            case 2 if which in pending and chance.random() < 0.3:
                session.execute("rollback")
                pending.pop(which)
            case _:
                if which not in pending:
                    session.execute("begin")
                    pending[which] = []
                if chance.random() < 0.2:
                    session.execute("savepoint s")
                pending[which].append(log.write(session))
    assert looking is not None
    for which, session in enumerate(sessions):
        if which in pending:
            session.execute("commit")
            committed += pending.pop(which)
        session.close()
    shown += numbers(looking.new())
    assert sorted(shown) == sorted(committed)
    assert len(shown) == len(set(shown)) > 100


def test_more_than_a_page_at_once_is_shown_whole(log, monkeypatch):
    monkeypatch.setattr(tail, "_PAGE", 7)
    looking = log.tail()
    log.run(
        "insert into P_log.entry (class, at, relation, action, login)"
        " select 'default', %s, 'app.thing', 'insert', 'web' from generate_series(1, 100)",
        [NOON],
    )
    found = numbers(looking.new())
    assert len(found) == 100
    assert found == sorted(set(found))
    assert numbers(looking.new()) == []


def test_it_looks_no_further_back_than_it_has_to(log):
    slow = log.session()
    with slow:
        looking = log.tail()
        slow.execute("begin")
        held = log.write(slow)
        list(looking.new())
        for _ in range(20):
            log.write()
            list(looking.new())
        # What the slow one drew is not behind the floor, however many looks ago.
        assert looking._floor < held
        slow.execute("commit")
        assert numbers(looking.new()) == [held]
        latest = log.write()
        # Transactions of other tests on the same server hold it back until they end.
        for _ in range(6_000):
            list(looking.new())
            if looking._floor >= held:
                break
            log.run("select pg_sleep(0.01)")
        assert held <= looking._floor <= latest


def test_what_was_restored_from_a_dump_is_old(log):
    ((following,),) = log.run("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    foreign = [log.write(xact=str(following + shift)) for shift in (8, 16, 10_000_000)]
    looking = log.tail()
    assert numbers(looking.last(10)) == foreign
    for _ in range(30):
        # Each takes a number of its own, so that those restored are passed by.
        log.run("select pg_current_xact_id()")
        new = log.write(at=datetime.now(UTC))
        assert numbers(looking.new()) == [new]
    assert numbers(looking.new()) == []


def test_partitions_go_while_it_looks(log, monkeypatch):
    monkeypatch.setattr(tail, "_PAGE", 2)
    log.run("alter table P_log.entry_1 detach partition P_log.entry_1_2")
    for number, bounds in ((8, "from ('2038-01-01Z') to ('2039-01-01Z')"), (9, "from ('2039-01-01Z') to (maxvalue)")):
        part = f"P_log.entry_1_{number}"
        log.run(f"create table {part} partition of P_log.entry_1 for values {bounds}")
        log.run(f"create index on {part} (entry_id)")
    try:
        looking = log.tail()
        gone = [log.write(at=datetime(2038, 5, 1, tzinfo=UTC)) for _ in range(4)]
        stay = [log.write(at=datetime(2039, 5, 1, tzinfo=UTC)) for _ in range(4)]
        shown = looking.new()
        assert numbers([next(shown), next(shown)]) == gone[:2]
        # Between two pages no transaction is open: nobody who drops a partition waits for a slow reader.
        log.run("alter table P_log.entry_1 detach partition P_log.entry_1_8 concurrently")
        log.run("drop table P_log.entry_1_8")
        assert numbers(shown) == stay
        assert numbers(looking.new()) == []
        later = log.write(at=datetime(2039, 6, 1, tzinfo=UTC))
        assert numbers(looking.new()) == [later]
    finally:
        log.run("drop table if exists P_log.entry_1_8, P_log.entry_1_9")
        log.run(
            "alter table P_log.entry_1 attach partition P_log.entry_1_2 for values from ('2026-04-01Z') to (maxvalue)"
        )


# --- ending, and who may ---


def test_follow_shows_what_comes_until_it_is_interrupted(log, capsys, monkeypatch):
    class Interrupted:
        """Waits by writing an entry; the third time somebody presses Ctrl-C."""

        times = 0

        def wait(self, seconds: float) -> bool:
            self.times += 1
            if self.times == 3:
                raise KeyboardInterrupt
            log.write(actor=str(self.times))
            return False

    log.write(actor="before")
    monkeypatch.setattr(command, "Event", Interrupted)
    assert main(["audit", "tail", "--dsn", log.database.dsn(), "--prefix", log.database.prefix]) == 0
    said = capsys.readouterr()
    assert [line.split("  ")[3] for line in said.out.splitlines()] == ["before/web", "1/web", "2/web"]
    assert said.err == ""


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C reaches children: tests that run in the background ignore it, and a child goes on ignoring what its parent did."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("how", ["signal", "pipe"])
def test_a_process_ends_cleanly(log, how):
    for _ in range(3):
        log.write()
    given = ["--dsn", log.database.dsn(), "--prefix", log.database.prefix, "--every", "0.1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-m", "pgerase", "audit", "tail", *given],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(3):
            assert b"app.thing" in process.stdout.readline()
        if how == "signal":
            process.send_signal(signal.SIGINT)
        else:
            process.stdout.close()
            log.write()
        said = process.stderr.read()
        assert (process.wait(60), said) == (0, b"")


def test_threat_others_cannot_read_the_log_this_way(log, capsys):
    stranger = log.database.role("stranger")
    assert main(["audit", "tail", "--dsn", log.database.dsn(stranger), "--prefix", log.database.prefix]) == 3
    assert "error" in capsys.readouterr().err


def test_colours_are_for_terminals():
    assert command._styled(command.Kind.ACTION, "insert") == "\x1b[32minsert\x1b[0m"
    assert command._styled(command.Kind.ACTION, "open") == "\x1b[34mopen\x1b[0m"
    assert command._styled(command.Kind.TEXT, "x") == "x"
