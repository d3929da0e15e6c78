"""Names with line breaks and other control characters: what PostgreSQL lets people call things, plan, apply and revert live with."""

from __future__ import annotations

from pathlib import Path

import yaml

from pgerase.apply.execute import apply_plan
from pgerase.apply.ledger import read_state
from pgerase.cli.main import main
from pgerase.database import Database
from pgerase.plan.revert import make_revert
from tests.real.deployment import Deployment

HOSTILE = "two\nlines\r\t\x0b\x85\u2028'; drop table app.kept; -- \\ \"\x1b[31m"
"""A name that would end a comment and begin a statement, were it written into one as it is."""


def quoted(name: str) -> str:
    """As an identifier, as SQL and rule files write it."""
    return '"' + name.replace('"', '""') + '"'


def test_hostile_names_are_governed_captured_erased_and_given_back(database, tmp_path: Path, capsys):
    """Threat: a name that ends a line, and what follows in it run with the rights of whoever applies."""
    name = HOSTILE
    odd, table, web = quoted(name), f"app.{quoted(name)}", database.role("web")
    owner = database.connect()
    owner.execute("create schema app; create table app.kept ()")
    owner.execute(
        f"create table {table} ({odd} bigint primary key, {quoted(name + 'n')} text, boss_id bigint)".encode()
    )
    owner.execute(f"create table app.task (task_id int primary key, {odd} bigint references {table})".encode())
    owner.execute(f"create index on app.task ({odd})".encode())
    owner.execute(f"insert into {table} values (1, 'Ann', 2), (2, 'Bob', null)".encode())
    owner.execute(f'grant usage on schema app to "{web}"'.encode())
    owner.execute(f'grant select, update on {table} to "{web}"'.encode())
    files = {
        "pack": {
            "version": 1,
            "name": "odd",
            "prefix": database.prefix,
            "schemas": {"app": "governed"},
            "roles": {"app": [web]},
            "tables": {table: {"mode": "on"}},
        },
        "access": {
            "version": 1,
            "viewers": {"table": table, "key": odd, "identity": "setting", "manager": "boss_id"},
            "resources": {
                "person": {
                    "table": table,
                    "everyone": "none",
                    "rules": [
                        {"name": "own", "rows": {odd: {"eq": {"viewer": "key"}}}, "can": ["read", "update"]},
                    ],
                }
            },
        },
        "data_map": {
            "version": 1,
            "subjects": {"person": {"table": table, "key": odd}},
            "tables": {
                table: {
                    "subject": "person",
                    "rows": "keep",
                    "columns": {quoted(name + "n"): {"kind": "name", "purpose": "x", "erase": {"fill": "gone"}}},
                },
                "app.task": {"links": {odd: {"person": "key", "rows": "delete"}}},
            },
        },
        "audit": {"version": 1, "capture": {table: {"personal": {quoted(name + "n"): odd}}, "app.task": {}}},
    }
    folder = tmp_path / "pack"
    folder.mkdir()
    for file, content in files.items():
        (folder / f"{file}.yaml").write_text(yaml.safe_dump(content, width=1000), encoding="utf-8")
    made = Deployment(database, folder, {"web": web})
    made.apply()
    assert [step.key for step in made.plan().pending] == []
    with made.session("1") as session:
        assert session.execute(f"select {quoted(name + 'n')} from {table}".encode()).fetchall() == [("Ann",)]
        session.execute(f"update {table} set {quoted(name + 'n')} = 'Anna'".encode())
        session.commit()
    admin = database.connect_admin()
    admin.execute("insert into app.task values (1, 1), (2, 2)")
    given = ["--dsn", database.dsn(), "--pack", str(folder)]
    for command in (
        ["plan"],
        ["drift"],
        ["explain", "--viewer", "1", "read", "person", "1"],
        ["matrix"],
        ["audit", "coverage"],
        ["verify"],
    ):
        code = main([*command, *given])
        said = capsys.readouterr()
        # The owner is a door, which verify reports.
        assert code == (command == ["verify"]), said.out + said.err
        assert not set("\x1b\r\x0b\x85\u2028") & set(said.out + said.err)
    assert "0 disagreements with the rules, 0 objects not seen" in said.out
    logged = admin.execute(
        f"select key, new from {database.prefix}_log.entry where action = 'update'".encode()
    ).fetchall()
    assert logged == [({name: 1}, {})]
    admin.execute(f"select * from {database.prefix}_eraser.erase_person('{{1}}', '{{{'x' * 26}}}', '{{f}}')".encode())
    assert admin.execute(f"select {quoted(name + 'n')} from {table} order by 1".encode()).fetchall() == [
        ("Bob",),
        ("gone",),
    ]
    assert admin.execute("select count(*) from app.kept").fetchall() == [(0,)]
    with Database.open(database.dsn()) as opened:
        apply_plan(opened, make_revert(*read_state(opened, database.prefix), database.prefix, "odd"), allow_drop=True)
    left = admin.execute(
        "select t.tgname from pg_trigger as t join pg_class as c on c.oid = t.tgrelid "
        "where c.relnamespace = 'app'::regnamespace and not t.tgisinternal"
    )
    assert left.fetchall() == []
