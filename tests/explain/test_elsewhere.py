"""Databases unlike the shop: people who are their logins, hostile names and keys, one without pgerase, keys that are hard to hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from psycopg import sql

from pgerase.cli.main import main
from pgerase.database import Database
from pgerase.errors import Refused
from pgerase.explain import Answer, MatrixQuestion, Question, explain, matrix
from pgerase.rules.conditions import Action
from pgerase.rules.read import read_pack
from tests.fix_database import FreshDatabase
from tests.property.explained import faults
from tests.verify.conftest import Site, deploy

NASTY = "o'; drop table x; -- $$ \\ \" %s {0} %(x)s <b>"


def rule_files(folder: Path, access: str, app: str) -> Path:
    folder.mkdir()
    (folder / "pack.yaml").write_text(f"version: 1\nname: other\nprefix: x\nroles: {{app: [{app}_web]}}\n")
    (folder / "access.yaml").write_text(access)
    return folder


def ask(site: Site, action: str, resource: str, key: str | None, viewer: str, **more: object) -> Answer:
    with Database.open(site.database.dsn()) as database:
        question = Question(Action(action), resource, key, viewer, **more)  # type: ignore[arg-type]
        answer = explain(database, read_pack(site.folder), question)
    assert list(faults(answer.reason)) == []
    return answer


LOGINS = """
version: 1
viewers: {table: app.person, key: login, identity: role, manager: boss}
resources:
  paper:
    table: app.paper
    everyone: none
    rules: [{name: own, rows: {owner: {eq: {viewer: key}}}, can: [write]}]
"""


def test_people_who_are_their_logins(database: FreshDatabase, tmp_path: Path):
    with database.connect() as connection:
        connection.execute(
            "create schema app; create table app.person (login text primary key, boss text);"
            "create table app.paper (id int primary key, owner text);"
            "insert into app.person values ('ann', null), ('bob', 'ann'), ('cy', null);"
            "insert into app.paper values (1, 'ann'), (2, 'bob'), (3, 'cy'), (4, null)"
        )
    site = deploy(database, rule_files(tmp_path / "rules", LOGINS, "app"), tmp_path / "pack", "app", ("web",))
    for viewer, key, allowed in (("ann", "2", True), ("bob", "1", False), ("cy", "4", False), ("dee", "1", False)):
        for action in ("read", "update", "delete"):
            answer = ask(site, action, "paper", key, viewer)
            assert (answer.allowed, answer.agrees) == (allowed, True)
    new = ask(site, "insert", "paper", None, "bob", new={"id": "9", "owner": "ann"})
    assert (new.allowed, new.agrees) == (False, True)
    with Database.open(site.database.dsn()) as connected:
        found = matrix(connected, read_pack(site.folder), MatrixQuestion(viewers=("ann", "bob"), expected=True))
    assert [[cell.low for cell in cells] for cells in found.cells] == [[2, 2], [1, 1]]
    assert found.findings == ()
    source = database.connect().execute("select pg_get_functiondef(%s::regproc)", [f"{site.prefix}.current_viewer"])
    assert "session_user" in source.fetchall()[0][0].lower()  # nothing stayed of the identity that was used


def test_hostile_names_keys_and_values_are_only_text(
    database: FreshDatabase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    table, column, key = (sql.Identifier(name) for name in ("ta{0}b %s \" l'e", 'co"l %(x)s {1} \\ $$', 'k"%s'))
    with database.connect() as connection:
        connection.execute(
            sql.SQL(
                "create schema s; create table s.person (id text primary key, {1} text);"
                "create table s.{0} ({2} text, n int, {1} text, up text, primary key ({2}, n));"
                "insert into s.person values ({3}, {3}), ('plain', null);"
                "insert into s.{0} values ({3}, 1, {3}, {3}), ('b', 2, null, {3}), ('c', 3, 'x', 'plain')"
            ).format(table, column, key, sql.Literal(NASTY))
        )
    access = {
        "version": 1,
        "references": {'s."ta{0}b %s "" l\'e".up': "s.person.id"},
        "viewers": {"table": "s.person", "key": "id", "identity": "setting"},
        "resources": {
            NASTY: {
                "table": 's."ta{0}b %s "" l\'e"',
                "everyone": "none",
                "rules": [{"name": NASTY, "rows": {"up": {"eq": {"viewer": "key"}}}, "can": ["write"]}],
                "require": [{"name": NASTY + "!", "rows": {'up."co""l %(x)s {1} \\ $$"': {"is_set": True}}}],
            }
        },
    }
    folder = rule_files(tmp_path / "rules", json.dumps(access), "nasty")
    site = deploy(database, folder, tmp_path / "pack", "nasty", ("web",))
    rows = {"first": json.dumps([NASTY, "1"]), "second": json.dumps(["b", "2"]), "third": json.dumps(["c", "3"])}
    for action in ("read", "update", "delete"):
        answers = {name: ask(site, action, NASTY, row, NASTY) for name, row in rows.items()}
        assert {name: (one.allowed, one.agrees) for name, one in answers.items()} == {
            "first": (True, True),
            "second": (True, True),
            "third": (False, True),
        }
    assert ask(site, "read", NASTY, rows["third"], "plain").allowed is False  # the requirement, on what is not set
    changed = ask(site, "update", NASTY, rows["first"], NASTY, new={'co"l %(x)s {1} \\ $$': NASTY * 3})
    assert (changed.allowed, changed.agrees) == (True, True)
    given = ask(site, "insert", NASTY, None, NASTY, new={'k"%s': NASTY, "n": 7, "up": "plain"})
    assert (given.allowed, given.agrees) == (False, True)
    for options in (["--format", "html"], ["--format", "csv"], ["--expected"]):
        arguments = ["--pack", str(site.folder), "--dsn", site.database.dsn(), "matrix", "--viewer", NASTY, *options]
        assert main(arguments) == 0
        printed = capsys.readouterr().out
        assert "<b>" not in printed or "html" not in options


def test_a_database_without_pgerase_is_explained_and_said_to_enforce_nothing(
    database: FreshDatabase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with database.connect() as connection:
        connection.execute(
            "create schema app; create table app.person (login text primary key, boss text);"
            "create table app.paper (id int primary key, owner text);"
            "insert into app.person values ('ann', null), ('bob', 'ann'); insert into app.paper values (1, 'bob')"
        )
    folder = rule_files(tmp_path / "rules", LOGINS, "app")
    settings = f"version: 1\nname: other\nprefix: {database.prefix}\n"
    (folder / "pack.yaml").write_text(settings)
    arguments = ["--pack", str(folder), "--dsn", database.dsn(), "explain", "read", "paper", "1", "--viewer", "ann"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("allowed: viewer ann may read paper 1")
    assert "not asked: pgerase is not installed in this database" in printed
    assert "nothing enforces it" in printed
    with Database.open(database.dsn()) as connected, pytest.raises(Refused, match="not installed"):
        matrix(connected, read_pack(folder), MatrixQuestion())


def test_an_operator_who_is_superuser_is_told_the_same(shop: Site):
    with Database.open(shop.database.admin_dsn) as database:
        pack = read_pack(shop.folder)
        for key, allowed in (("1", True), ("4", False)):
            answer = explain(database, pack, Question(Action.READ, "account", key, "2"))
            assert (answer.allowed, answer.agrees) == (allowed, True)
        found = matrix(database, pack, MatrixQuestion(viewers=("2",), resources=("account",), expected=True))
    assert found.findings == ()


def test_a_row_that_somebody_else_is_changing_is_not_waited_for(shop: Site):
    with shop.database.connect_admin() as other:
        other.execute("begin; select from shop.account where id = 1 for update")
        answer = ask(shop, "update", "account", "1", "2")
        other.execute("rollback")
    assert (answer.allowed, answer.agrees) == (True, None)
    assert [finding.code for finding in answer.findings] == ["could-not-ask"]
    assert "somebody else is changing the row" in answer.asked.how


def test_where_nobody_is_below_anybody_people_are_not_read_whole(database: FreshDatabase, tmp_path: Path):
    """One of ten thousand people asks about one of ten thousand papers, with ten rows held."""
    with database.connect() as connection:
        connection.execute(
            "create schema app; create table app.person (login text primary key, area text);"
            "create table app.paper (id int primary key, owner text references app.person);"
            "insert into app.person select 'p' || i, 'a' || i % 2 from generate_series(1, 10000) as i;"
            "insert into app.paper select i, 'p' || i from generate_series(1, 10000) as i"
        )
    access = """
version: 1
viewers: {table: app.person, key: login, identity: setting}
resources:
  paper:
    table: app.paper
    everyone: none
    rules: [{name: same area, who: {area: a1}, rows: {owner.area: {eq: {viewer: area}}}, can: [read]}]
"""
    site = deploy(database, rule_files(tmp_path / "rules", access, "app"), tmp_path / "pack", "app", ("web",))
    for viewer, key, allowed in (("p1", "3", True), ("p1", "4", False), ("p2", "4", False), ("p0", "1", False)):
        with Database.open(site.database.dsn()) as connected:
            question = Question(Action.READ, "paper", key, viewer)
            answer = explain(connected, read_pack(site.folder), question, hold=10)
        assert (answer.allowed, answer.agrees) == (allowed, True)
