"""Upgrading: changed routines are made again, altered ones repaired, tampered history refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pgerase import resources
from pgerase.database import Database
from pgerase.errors import InternalError, Refused
from pgerase.install import install, uninstall
from pgerase.install.localize import localize
from pgerase.install.names import Names
from pgerase.install.sources import INTERNAL_ROUTINES, LOG_ROUTINES, ROUTINES, read_sources
from pgerase.install.survey import read_routines
from pgerase.rules.access import IdentityKind

NEXT = f"{len(list((resources.folder('sql') / 'migrations').iterdir())) + 1:04}"
"""The number of a migration that a later version may bring."""


@pytest.fixture
def sql_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A copy of `sql/` that pgerase uses instead, so that a test may change what a version ships."""
    copy = tmp_path / "sql"
    shutil.copytree(resources.folder("sql"), copy)
    original = resources.folder

    def forget() -> None:
        resources.read_text.cache_clear()
        read_sources.cache_clear()

    class Files:
        folder = copy

        def change(self, path: str, old: str, new: str) -> None:
            text = (copy / path).read_text()
            assert old in text
            (copy / path).write_text(text.replace(old, new))
            forget()

        def add(self, path: str, text: str) -> None:
            (copy / path).write_text(text)
            forget()

    monkeypatch.setattr(resources, "folder", lambda name: copy if name == "sql" else original(name))
    forget()
    yield Files()
    monkeypatch.undo()
    forget()


def steps(database, **options) -> list[str]:
    with Database.open(database.dsn()) as connection:
        return [str(step) for step in install(connection, database.prefix, **options).steps]


def test_changed_routine_is_made_again(database, sql_files) -> None:
    steps(database)
    sql_files.change("routines/forget.sql", "Takes the viewer away", "Removes the viewer")
    assert steps(database)[0] == f"~ routine {database.prefix}.forget"
    comment = "select obj_description(%s::regprocedure, 'pg_proc')"
    with database.connect() as owner:
        assert owner.execute(comment, [f"{database.prefix}.forget()"]).fetchone() == (
            "Removes the viewer for the rest of this transaction.",
        )
    assert steps(database) == []


def test_altered_routine_is_repaired(database) -> None:
    steps(database)
    p = database.prefix
    with database.connect_admin() as admin:
        admin.execute(f"create or replace function {p}.current_viewer() returns text stable return 'root'".encode())
        admin.execute(f"grant execute on function {p}.forget() to public, {database.owner}".encode())
        admin.execute(f"drop function {p}.presented_viewer()".encode())
    assert steps(database)[:3] == [
        f"+ routine {p}.presented_viewer",
        f"~ routine {p}.current_viewer",
        f"~ routine {p}.forget",
    ]
    with database.connect_admin() as admin:
        assert admin.execute(f"select {p}.current_viewer()".encode()).fetchone() == (None,)
        grantees = "select count(*) from pg_proc, aclexplode(proacl) g where pg_proc.oid = %s::regprocedure"
        # The owner and the viewers' role.
        assert admin.execute(grantees, [f"{p}.forget()"]).fetchone() == (2,)
    assert steps(database) == []


@pytest.fixture
def released(database):
    """A database as version 0.1.0.dev0 left it, at migration 0001."""
    names = Names(database.prefix)
    script = (Path(__file__).parent / "released_0001.sql").read_text()
    script = script.replace("installer_of_it", database.owner).replace("database_of_it", database.name)
    script = localize(script, names).replace("'pgerase pgerase", f"'pgerase {database.prefix}")
    with database.connect_admin() as admin:
        admin.execute(script.encode())
        with Database.open(database.admin_dsn) as connection:
            for routine in read_routines(connection, names):
                record = f"update {names.internal}.routine set deparsed = %s where name = %s"
                admin.execute(record.encode(), [routine.deparsed, routine.name])
    return database


def test_upgrade_from_migration_0001_ends_as_a_fresh_installation(released, databases, pg_dump) -> None:
    p = released.prefix
    done = steps(released, must_exist=True)
    assert done[:4] == [
        f"+ role {p}_keeper",
        f"+ schema {p}_eraser",
        f"+ schema {p}_log",
        "+ migration 0002 erasing",
    ]
    assert "+ migration 0003 claims" in done
    assert [step for step in done if not step.startswith("+")] == [
        f"~ routine {p}.current_viewer",  # the log asks it, too
        f"~ routine {p}.become",  # what it has in common with other kinds of identity is a routine of its own
        f"~ routine {p}.forget",  # a caller's temporary types come last
        "~ record of pgerase 0.1.0.dev0, identity setting",
    ]
    assert [step for step in done if "+ routine" in step] == [
        f"+ routine {p}.present",
        f"+ routine {p}.annotate",
        *(f"+ routine {p}_internal.{name}" for name in INTERNAL_ROUTINES),
        *(f"+ routine {p}_log.{name}" for name in LOG_ROUTINES),
    ]
    assert steps(released) == []
    fresh = databases()
    steps(fresh)

    def dump(database) -> list[str]:
        text = pg_dump(database, "--schema-only")
        return sorted(text.replace(database.owner, "o").replace(database.prefix, "p").splitlines())

    assert dump(released) == dump(fresh)


def test_installation_at_migration_0001_is_uninstalled(released) -> None:
    with Database.open(released.dsn()) as connection:
        report = uninstall(connection, released.prefix)
    assert report.left == ()
    with released.connect() as owner:
        made = "select count(*) from pg_namespace where starts_with(nspname, %s)"
        assert owner.execute(made, [released.prefix]).fetchone() == (0,)


def test_new_migration_runs_once(database, sql_files) -> None:
    steps(database)
    sql_files.add(f"migrations/{NEXT}_probe.sql", "create table pgerase_internal.probe (n int);\n")
    # The table it makes is the ledger's own, so uninstall has to know it: here only that it ran matters.
    assert steps(database)[0] == f"+ migration {NEXT} probe"
    assert steps(database) == []


def test_tampered_migration_is_refused(database, sql_files) -> None:
    steps(database)
    sql_files.change("migrations/0001_ledger.sql", "The numbered scripts", "The many scripts")
    with pytest.raises(Refused, match=r"0001 ledger.*checksum differs"):
        steps(database)


def test_failing_migration_leaves_nothing(database, sql_files) -> None:
    sql_files.add(f"migrations/{NEXT}_broken.sql", "create table pgerase_internal.probe (n int);\nselect 1 / 0;\n")
    with pytest.raises(Exception, match=f"migration {NEXT} broken: division by zero"):
        steps(database)
    with database.connect() as owner:
        made = "select count(*) from pg_namespace where starts_with(nspname, %s)"
        assert owner.execute(made, [database.prefix]).fetchone() == (0,)
        roles = "select count(*) from pg_roles where starts_with(rolname, %s)"
        assert owner.execute(roles, [f"{database.prefix}_"]).fetchone() == (0,)


def test_ledger_of_a_newer_version_is_refused(database, sql_files) -> None:
    sql_files.add(f"migrations/{NEXT}_later.sql", "create table pgerase_internal.probe (n int);\n")
    steps(database)
    (sql_files.folder / f"migrations/{NEXT}_later.sql").unlink()
    read_sources.cache_clear()
    with pytest.raises(Refused, match=rf"{NEXT} later.*does not know"):
        steps(database)


@pytest.mark.parametrize("name", ["9999_gap.sql", "nonsense.sql"])
def test_misnumbered_migration_is_a_bug(sql_files, name) -> None:
    sql_files.add(f"migrations/{name}", "select 1;\n")
    with pytest.raises(InternalError):
        read_sources(IdentityKind.SETTING)


def test_upgrade_of_nothing_is_refused(database) -> None:
    with pytest.raises(Refused, match="nothing is installed"):
        steps(database, must_exist=True)
    steps(database)
    assert steps(database, must_exist=True) == []


def test_identity_kind_is_kept_until_it_is_changed(database) -> None:
    steps(database, identity=IdentityKind.ROLE)
    assert steps(database) == []
    changed = steps(database, identity=IdentityKind.SETTING)
    # What is about support access goes: with this kind of identity there is none.
    assert [line for line in changed if "routine" in line and not line.startswith("- ")] == [
        f"{mark} routine {database.prefix}.{name}"
        for mark, name in (("~", "presented_viewer"), ("~", "current_viewer"), ("+", "present"), ("~", "become"))
    ]


def test_every_routine_file_is_used_and_makes_one_routine() -> None:
    used = {f"{file}.sql": f"pgerase.{name}" for name, variants in ROUTINES.items() for file in variants.values()}
    used |= {f"{name}.sql": f"pgerase_internal.{name}" for name in INTERNAL_ROUTINES}
    used |= {f"{name}.sql": f"pgerase_log.{name}" for name in LOG_ROUTINES}
    files = {path.name: path.read_text() for path in resources.folder("sql").joinpath("routines").glob("*.sql")}
    assert used.keys() == files.keys()
    for file, text in files.items():
        assert text.count("create or replace function") == 1
        assert f"create or replace function {used[file]}(" in text
        assert f"from public;\ngrant execute on function {used[file]}(" in text or used[file].startswith(
            ("pgerase_internal.", "pgerase_log.")
        )
        assert "comment on function" in text


def test_localize_changes_names_and_nothing_else() -> None:
    for kind in IdentityKind:
        sources = read_sources(kind)
        for source in (*sources.migrations, *sources.routines):
            assert localize(source.script, Names("pgerase")) == source.script
            there = localize(source.script, Names("Order"))
            code = [line for line in there.splitlines() if not line.startswith("--")]
            assert not [line for line in code if "pgerase." in line or "pgerase_" in line]
            assert there.replace('"Order', "pgerase").replace('"', "").replace(
                "Order", "pgerase"
            ) == source.script.replace('"', "")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("select pgerase.f()", 'select "Or".f()'),
        ("select 'pgerase.viewer'", "select 'Or.viewer'"),
        ("select 'pgerase'", "select 'Or'"),
        ("-- pgerase.f", "-- pgerase.f"),
        ("/* pgerase.f */", "/* pgerase.f */"),
        ("select my_pgerase, pgerase_other, 'my_pgerase.x'", "select my_pgerase, pgerase_other, 'my_pgerase.x'"),
        ("$a$ pgerase_viewer $a$", '$a$ "Or_viewer" $a$'),
        ("grant x to pgerase_viewer;", 'grant x to "Or_viewer";'),
        ("select '''pgerase.'", "select '''pgerase.'"),
    ],
)
def test_localize_works_by_token(written, meant) -> None:
    assert localize(written, Names("Or")) == meant


@pytest.mark.parametrize("broken", ["select 'open", 'select "open', 'select "pgerase"'])
def test_localize_refuses_what_it_cannot_read(broken) -> None:
    with pytest.raises(InternalError):
        localize(broken, Names("Or"))
