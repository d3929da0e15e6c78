"""Nothing personal is in the server's log, its statistics of statements, its activity, or anything that is printed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pgerase.cli.main import main
from pgerase.database import Database
from pgerase.errors import DatabaseFailed
from pgerase.prove import Needle, Step, Verdict, prove
from pgerase.server import THROWAWAY, EmbeddedServer, ServerFailed
from tests.fix_server import TestServer
from tests.prove.conftest import SCHEMA, write_pack

# Nothing of these stands anywhere but in rows, so that finding them in a log means that the search put them there.
PERSON = {
    "email": "Zoë.Quixote@secret.example",
    "user_name": "quixote77",
    "phones": "+49 171 7654321",
    "full_name": "Zoë Quixote",
}
TELLING = ("quixote", "QUIXOTE", "7654321", "Zoë", "zo\\u00eb", "[qQ]")


@pytest.fixture(scope="module")
def loud_server(test_server: TestServer) -> Iterator[EmbeddedServer]:
    """A server that logs all it can."""
    settings = {
        **THROWAWAY,
        "log_statement": "all",
        "log_duration": "on",
        "log_min_duration_statement": "0",
        "log_min_error_statement": "debug5",
        "log_min_messages": "debug1",
        "log_error_verbosity": "verbose",
        "log_parameter_max_length": "-1",
        "log_parameter_max_length_on_error": "-1",
        "log_temp_files": "0",
        "debug_print_plan": "on",
        "debug_print_rewritten": "on",
        "debug_print_parse": "on",
        "track_activity_query_size": "1MB",
        "shared_preload_libraries": "pg_stat_statements",
    }
    programs = Path(test_server.programs) if test_server.programs else None
    server = EmbeddedServer(binaries=programs, settings=settings)
    try:
        server.start()
    except ServerFailed:
        # Binaries without that module.
        settings.pop("shared_preload_libraries")
        server = EmbeddedServer(binaries=programs, settings=settings)
        server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def loud_dsn(loud_server: EmbeddedServer) -> str:
    """The application in it, owned by a role that is no superuser, with the person all over it."""
    with psycopg.connect(loud_server.dsn(), autocommit=True) as admin:
        admin.execute("create role app_owner login createrole")
        admin.execute("grant create on database postgres to app_owner")
        if admin.execute("select 1 from pg_available_extensions where name = 'pg_stat_statements'").fetchone():
            admin.execute("create extension pg_stat_statements")
    with psycopg.connect(loud_server.dsn(user="app_owner"), autocommit=True) as owner:
        owner.execute(SCHEMA)
        with owner.cursor() as cursor, cursor.copy("copy app.note (body) from stdin") as copy:
            for value in PERSON.values():
                copy.write_row([f"about {value}"])
        owner.execute("alter table app.person enable row level security, force row level security")
        owner.execute("create role pgerase_lookup nologin")
        owner.execute("create policy p on app.person for select to pgerase_lookup using (true)")
        owner.execute("grant usage on schema app to pgerase_lookup")
        owner.execute("grant select on app.person to pgerase_lookup")
        owner.execute("create table app.words (held tsvector)")
        owner.execute("insert into app.words select to_tsvector('english', body) from app.note")
    return loud_server.dsn(user="app_owner")


def _written(server: EmbeddedServer) -> str:
    """Everything the server keeps of statements."""
    kept = [server.log()]
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        kept += [str(row) for row in admin.execute("select query from pg_stat_activity")]
        if admin.execute("select 1 from pg_extension where extname = 'pg_stat_statements'").fetchone():
            kept += [str(row) for row in admin.execute("select query from pg_stat_statements")]
    return "\n".join(kept)


def _assert_silent(text: str) -> None:
    assert not [telling for telling in TELLING if telling in text]


def test_no_log_and_no_output_holds_a_value(
    loud_server: EmbeddedServer,
    loud_dsn: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    write_pack(tmp_path)
    identifiers = tmp_path / "person.yaml"
    identifiers.write_text("".join(f"{name}: '{value}'\n" for name, value in PERSON.items()))
    command = ["subject", "prove", "employee", "1", "--pack", str(tmp_path), "--dsn", loud_dsn, "--debug"]
    assert main([*command, "--identifiers", str(identifiers), "--all"]) == 1
    assert main([*command, "--identifiers", str(identifiers), "--format", "json"]) == 1
    printed = capfd.readouterr()
    assert "app.note.body" in printed.out
    assert json.loads(printed.out[printed.out.index("{\n") :])["verdict"] == "FAIL"
    _assert_silent(printed.out + printed.err + caplog.text)
    # The log is worth looking at: it holds the statements, and the data's own.
    log = _written(loud_server)
    assert "copy pg_temp.pgerase_needle" in log
    assert "pgerase_lookup" in log
    _assert_silent(log)


def test_activity_shows_no_value_while_it_runs(loud_server: EmbeddedServer, loud_dsn: str, tmp_path: Path):
    pack = write_pack(tmp_path)
    seen: list[str] = []
    with psycopg.connect(loud_server.dsn(), autocommit=True) as watcher, Database.open(loud_dsn) as connection:

        def look(_: Step) -> None:
            seen.extend(str(row) for row in watcher.execute("select query from pg_stat_activity"))

        report = prove(connection, pack, "employee", [Needle("1", *one) for one in PERSON.items()], progress=look)
    assert report.verdict is Verdict.FAIL
    assert seen
    _assert_silent("\n".join(seen) + repr(report))


def test_a_failure_says_nothing(loud_server: EmbeddedServer, loud_dsn: str, tmp_path: Path):
    pack = write_pack(tmp_path)
    needles = [Needle("1", *one) for one in PERSON.items()]
    assert "uixote" not in repr(needles)
    with Database.open(loud_dsn) as connection:

        def fail(_: Step) -> None:
            with psycopg.connect(loud_server.dsn(), autocommit=True) as admin:
                admin.execute("select pg_terminate_backend(%s)", [connection.connection.info.backend_pid])

        with pytest.raises(DatabaseFailed) as caught:
            prove(connection, pack, "employee", needles, progress=fail)
    _assert_silent(caught.value.message + repr(caught.value.__cause__))
    assert caught.value.__suppress_context__
    _assert_silent(_written(loud_server))


def test_what_was_sent_is_not_written_ahead(loud_server: EmbeddedServer, loud_dsn: str, tmp_path: Path):
    """Only temporary tables hold it; the application's own COPY is there, so that the log is worth looking at."""
    pack = write_pack(tmp_path)
    with Database.open(loud_dsn) as connection:
        prove(connection, pack, "employee", [Needle("1", *one) for one in PERSON.items()])
    with psycopg.connect(loud_server.dsn(), autocommit=True) as admin:
        admin.execute("checkpoint")
    folder = loud_server.folder / "data" / "pg_wal"
    segments = b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())
    assert b"about quixote77" in segments
    assert b"[qQ][uU][iI]" not in segments
