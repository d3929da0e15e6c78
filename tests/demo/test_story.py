"""The demo notices what does not hold. A real database each time; only the commands' answers are made up."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pgerase.demo.casts import CASTS
from pgerase.demo.stage import Outcome, Stage, libpq_environment
from pgerase.demo.story import DemoFailed, Said, _Story
from pgerase.demo.teller import Teller
from pgerase.errors import DatabaseFailed, ExitCode
from pgerase.resources import folder
from pgerase.server import THROWAWAY, EmbeddedServer, ServerFailed
from pgerase.tokens import SigningKey
from tests.fix_server import IN_CI

_CAST = CASTS["customer_success"]
_BINARIES = os.environ.get("PGERASE_TEST_BIN", "")


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The application's database as the demo makes it, before pgerase comes."""
    server = EmbeddedServer(binaries=Path(_BINARIES) if _BINARIES else None, settings=THROWAWAY, in_memory=True)
    try:
        server.start()
    except ServerFailed as error:
        if IN_CI:
            raise
        pytest.skip(error.message)
    try:
        with Stage(server, _CAST, folder("policies") / "customer_success", "csp") as made:
            yield made
    finally:
        server.stop()


@pytest.fixture
def story(stage: Stage) -> Callable[..., _Story]:
    """A story whose commands all answer the same."""

    def make(code: int = 0, *lines: str) -> _Story:
        def run(_: Sequence[str]) -> Said:
            return Said(code, lines)

        return _Story(_CAST, folder("policies") / "customer_success", Teller(io.StringIO()), run, stage)

    return make


def test_the_database_is_made_as_an_application_would_have_it(stage: Stage):
    assert stage.owner_powers() == {"superuser": False, "bypassrls": False, "createrole": True}
    found = stage.inventory()
    assert found["tables"] == 18
    assert found["policies"] == 0
    owners = stage.superuser.rows(
        "select distinct tableowner as owner from pg_catalog.pg_tables where schemaname = 'cs'"
    )
    assert owners == [{"owner": "cs_owner"}]


def test_a_plan_that_is_not_empty_ends_the_story(story: Callable[..., _Story]):
    with pytest.raises(DemoFailed, match="pgerase plan ended with exit code 1 instead of 0") as caught:
        story(1, "+ something")._second_plan()
    assert caught.value.exit_code is ExitCode.NO


def test_a_failed_proof_ends_the_story(story: Callable[..., _Story]):
    with pytest.raises(DemoFailed, match="pgerase verify ended with exit code 1"):
        story(1, "mismatch")._verify()


def test_rules_that_hide_nothing_end_the_story(story: Callable[..., _Story]):
    with pytest.raises(DemoFailed, match="sees all that"):
        story()._after([(part.label, None) for part in _CAST.parts])


def test_meddling_without_effect_ends_the_story(story: Callable[..., _Story], stage: Stage):
    with pytest.raises(DemoFailed, match="sees more than the rules say"):
        story(1, "2 differences")._meddle("a CSM", None)
    stage.superuser.run("drop policy quick_fix on cs.company")


def test_a_dump_that_differs_ends_the_story(story: Callable[..., _Story], stage: Stage):
    with pytest.raises(DemoFailed, match="tables, rows, policies and rights"):
        story()._go_back(stage.sees(None), (stage.dump_schema() + "x", ""))


@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        (("policy quick_fix on cs.company", "1 difference"), "row security cs.app_user"),
        (("policy quick_fix on cs.company", "row security cs.app_user", "x", "3 differences"), "and nothing else"),
    ],
)
def test_drift_that_misses_something_or_finds_too_much_ends_the_story(
    story: Callable[..., _Story], stage: Stage, lines: tuple[str, ...], missing: str
):
    # Policies alone decide now: none for anybody, until the quick fix.
    stage.superuser.run("alter table cs.company enable row level security")
    try:
        with pytest.raises(DemoFailed, match=missing):
            story(1, *lines)._meddle("a CSM", None)
    finally:
        stage.superuser.run("drop policy quick_fix on cs.company; alter table cs.company disable row level security")


def test_dumps_notice_rows_flags_policies_and_roles(stage: Stage):
    schema, everything = stage.dump_schema(), stage.dump_all()
    assert (stage.dump_schema(), stage.dump_all()) == (schema, everything)
    for statement, undo in (
        (
            "update cs.company set name = 'x' where company_id = 1",
            "update cs.company set name = 'Acorn Foods' where company_id = 1",
        ),
        ("alter table cs.company enable row level security", "alter table cs.company disable row level security"),
        ("grant select on cs.company to cs_visitor", "revoke select on cs.company from cs_visitor"),
    ):
        stage.superuser.run(statement)
        assert stage.dump_schema() != schema, statement
        stage.superuser.run(undo)
    stage.superuser.run("alter role cs_web set row_security = off")
    assert stage.dump_all() != everything
    stage.superuser.run("alter role cs_web reset row_security")


def test_writes_are_rolled_back_and_only_refusals_are_outcomes(stage: Stage):
    before = stage.dump_schema()
    stage.superuser.run(
        "create schema csp; grant usage on schema csp to cs_web; create function csp.become(text) returns void return null"
    )
    SigningKey("k", bytes(32), "csp@demo").write(stage.key_file)
    stage.sign_in_with(stage.key_file)
    try:
        assert stage.attempt("1", "update cs.company set name = 'x'") == Outcome(40)
        assert stage.attempt(
            "1", "insert into cs.help_article (title) select rolpassword from pg_catalog.pg_authid"
        ).refusal.startswith("ERROR: ")
        with pytest.raises(DatabaseFailed, match="no_such_column"):
            stage.attempt("1", "update cs.company set no_such_column = 1")
        assert stage.dump_schema() == before
    finally:
        stage.superuser.run("drop schema csp cascade")
        stage.key_file.unlink()


def test_libpq_environment_is_replaced_and_given_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PGUSER", "before")
    monkeypatch.delenv("PGHOST", raising=False)
    with libpq_environment({"PGHOST": "here"}):
        assert {
            name: value for name, value in os.environ.items() if name.startswith("PG") and "PGERASE" not in name
        } == {"PGHOST": "here"}
    assert os.environ["PGUSER"] == "before"
    assert "PGHOST" not in os.environ


# --- printing ---


def _printed(width: int, monkeypatch: pytest.MonkeyPatch, tell: Callable[[Teller], None]) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    stream = io.StringIO()
    tell(Teller(stream))
    return stream.getvalue()


def test_lines_left_out_are_counted(monkeypatch: pytest.MonkeyPatch):
    lines = ["a", "b", "+ shown", "c", "last"]
    assert _printed(80, monkeypatch, lambda teller: teller.said(lines, (r"^\+",))) == (
        "    (2 more lines)\n    + shown\n    (1 more line)\n    last\n"
    )
    assert _printed(80, monkeypatch, lambda teller: teller.said(lines)).split() == ["a", "b", "+", "shown", "c", "last"]


def test_long_lines_hang_and_tables_fold_in_the_last_column(monkeypatch: pytest.MonkeyPatch):
    printed = _printed(40, monkeypatch, lambda teller: teller.said(["+ " + "word " * 12]))
    assert all(len(line) <= 40 for line in printed.splitlines())
    assert printed.splitlines()[1].startswith("      word")
    printed = _printed(
        40,
        monkeypatch,
        lambda teller: teller.rows(
            ("who", "n", "names"), [("she", "7", "one two three four five six seven")], right=(False, True, False)
        ),
    )
    assert printed == "    who  n  names\n    she  7  one two three four five six\n            seven\n"


def test_what_a_database_says_is_printed_as_it_is(monkeypatch: pytest.MonkeyPatch):
    assert (
        _printed(80, monkeypatch, lambda teller: teller.said(["[bold]x[/bold] :smile:"]))
        == "    [bold]x[/bold] :smile:\n"
    )
