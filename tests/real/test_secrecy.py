"""Erasing with compiled functions on a server that logs all it can: nothing personal is in its log, statistics of statements, plans
of slow queries, in pgerase's own tables, in what plan and render write, or in what any command prints."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgerase.cli.main import main
from pgerase.server import THROWAWAY, EmbeddedServer
from tests.fix_database import FreshDatabase
from tests.real.conftest import CUSTOMER_SUCCESS, Deployments, deploy_customer_success

LOUD = {
    **THROWAWAY,
    "log_statement": "all",
    "log_duration": "on",
    "log_min_duration_statement": "0",
    "log_min_error_statement": "debug5",
    "log_min_messages": "notice",
    "log_error_verbosity": "verbose",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "-1",
    "log_lock_waits": "on",
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "pg_stat_statements.track": "all",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_verbose": "on",
}
ERASED = ("110", "111", "112", "120", "1022", "1026")
FAILS = "120"
"""A constraint of the application does not let this one go."""
SHOUTS = "112"
"""For this one a trigger of the application raises an error that quotes the row, at the end of the transaction."""
TROUBLE = f"""
    alter table cs.app_user add constraint stays_called check (user_id <> {FAILS} or last_name <> 'User');
    create function cs.shout() returns trigger language plpgsql as
        $$begin raise exception 'no: % %', old.email, old using detail = old.email, hint = old.first_name; end$$;
    create constraint trigger shout after update on cs.app_user deferrable initially deferred
        for each row when (old.user_id = {SHOUTS} and new.last_name = 'User') execute function cs.shout();
"""
PERSONAL = """
    select distinct word
    from cs.app_user as u
        cross join lateral (values
            (u.email), (u.user_name), (u.phone), (u.first_name || ' ' || u.last_name), (u.last_name),
            (u.birth_date::text)
        ) as said (word)
    where u.user_id = any (%s::bigint[]) and length(word) > 3
"""


@pytest.fixture(scope="module")
def loud_server() -> Iterator[EmbeddedServer]:
    binaries = os.environ.get("PGERASE_TEST_BIN", "")
    with EmbeddedServer(binaries=Path(binaries) if binaries else None, settings=LOUD, in_memory=True) as server:
        yield server


@pytest.fixture
def platform(loud_server: EmbeddedServer, tmp_path: Path) -> Iterator[tuple[Deployments, FreshDatabase]]:
    names = iter(("loud_template", "loud"))
    template = FreshDatabase(loud_server.dsn(), next(names), "template0")
    template.create()
    with template.connect() as connection:
        for script in ("schema.sql", "seed.sql"):
            connection.execute((CUSTOMER_SUCCESS / script).read_bytes())
        connection.execute(TROUBLE)
    template.close()
    made = Deployments(loud_server.dsn(), lambda: next(names), tmp_path)
    yield made, template
    made.drop()
    template.drop()


def test_erasing_says_nothing_personal_anywhere(
    loud_server: EmbeddedServer,
    platform: tuple[Deployments, FreshDatabase],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    pg_dump,
):
    deployed = deploy_customer_success(*platform)
    database = deployed.database
    admin = database.connect_admin()
    words = sorted(word for (word,) in admin.execute(PERSONAL, [list(ERASED)]))
    assert len(words) >= 3 * len(ERASED)
    identifiers = tmp_path / "identifiers.yaml"
    who = admin.execute("select email, user_name from cs.app_user where user_id = 110").fetchone()
    assert who is not None
    identifiers.write_text(f"email: {who[0]}\nuser_name: {who[1]}\n", encoding="utf-8")
    admin.execute("create extension pg_stat_statements")
    admin.execute("select pg_stat_statements_reset()")
    before = len(loud_server.log())

    said: list[str] = []
    pack = str(deployed.folder)

    def pgerase(*arguments: str, given: str = "") -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        code = main(["--dsn", database.dsn(), "--pack", pack, "--debug", *arguments])
        captured = capfd.readouterr()
        said.append(captured.out + captured.err)
        return int(code), captured.out + captured.err

    assert pgerase("plan")[0] == 0
    assert pgerase("render", str(tmp_path / "rendered"))[0] == 0
    said += [file.read_text() for file in sorted((tmp_path / "rendered").rglob("*")) if file.is_file()]
    assert pgerase("request", "open", "employee", "--file", "-", given="\n".join(ERASED))[0] == 0
    code, out = pgerase("subject", "erase", "employee", "--request", "1", "--dry-run")
    assert code == 1
    assert f"would fail: employee {FAILS}: 1 row of cs.app_user would violate stays_called" in out
    assert "5 people would be erased, 1 would fail; nothing was changed" in out
    assert pgerase("subject", "erase", "employee", "--request", "1", "--yes", "--format", "json")[0] == 1
    assert pgerase("subject", "status", "employee", *ERASED)[0] == 0
    assert pgerase("subject", "history", "employee", *ERASED)[0] == 0
    proof = ("subject", "prove", "employee", "110", "--identifiers", str(identifiers))
    assert "email" in pgerase(*proof)[1]
    failed = admin.execute(
        f"select key, sqlstate from {deployed.prefix}_internal.request_person where state <> 'done' order by key".encode()
    ).fetchall()
    assert failed == [(SHOUTS, "P0001"), (FAILS, "23514")]

    log = loud_server.log()[before:]
    statements = "\n".join(str(row) for row in admin.execute("select query from pg_stat_statements"))
    dump = "".join(
        pg_dump(database, f"--schema={deployed.prefix}{suffix}", user="postgres")
        for suffix in ("", "_internal", "_eraser", "_lookup")
    )
    # What is looked at holds what one would find the words in.
    assert "erase_people" in log
    assert "Query Text" in log
    assert "ERROR:" in log
    assert f"{deployed.prefix}_eraser.erase_employee" in statements + log
    assert "erased_person" in dump
    for place, text in {"log": log, "statements": statements, "ledger": dump, "output": "\n".join(said)}.items():
        found = [word for word in words if word.lower() in text.lower()]
        assert found == [], place
