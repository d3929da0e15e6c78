"""Signing keys: made, imported, rotated, retired and listed, by the commands; what is secret is in the file and nowhere else."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

import pgerase
from pgerase.cli.main import main
from pgerase.database import Database
from pgerase.errors import DatabaseFailed, ExitCode, Refused, UsageError
from pgerase.install import install
from pgerase.operate import KeyState, add_key, import_key, list_keys, retire_key
from pgerase.rules.access import IdentityKind
from pgerase.tokens import SigningKey


@pytest.fixture
def vault(database):
    with Database.open(database.dsn()) as connection:
        install(connection, database.prefix, identity=IdentityKind.TOKEN)
    return database


@pytest.fixture
def run(vault, capsys) -> Callable[..., tuple[int, str]]:
    """`run(…)`: `pgerase key …`; its exit code and everything it printed."""

    def call(*arguments: object) -> tuple[int, str]:
        code = main(["key", *map(str, arguments), "--dsn", vault.dsn()])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return call


def is_valid(database, key: SigningKey, *, dsn: str = "") -> bool:
    """Whether the database believes what the key signs."""
    admit = sql.SQL("select {}(%s) is not null").format(sql.Identifier(database.prefix, "admit"))
    with psycopg.connect(dsn or database.admin_dsn) as connection:
        return connection.execute(admit, [pgerase.sign_token(key, 42)]).fetchone()[0]


def states(vault) -> list[KeyState]:
    with Database.open(vault.dsn()) as connection:
        return [known.state for known in list_keys(connection, vault.prefix)]


def test_a_key_is_in_its_file_which_one_account_may_read_and_nowhere_else(vault, run, tmp_path):
    out = tmp_path / "key.json"
    code, printed = run("add", "--out", out)
    assert code == ExitCode.DONE
    key = SigningKey.read(out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert printed == f"key {key.key_id}: valid for {vault.prefix}@{vault.name}, written to {out}\n"
    assert is_valid(vault, key)
    found = json.loads(out.read_text())
    assert (found["kty"], found["alg"], found["kid"], found["aud"]) == ("oct", "HS256", key.key_id, key.audience)
    secrets = (found["k"], key.secret.hex(), str(key.secret))
    code, listed = run("list")
    assert (code, key.key_id in listed, "valid" in listed) == (ExitCode.DONE, True, True)
    for text in (printed, listed, repr(key), str(key)):
        assert not [secret for secret in secrets if secret in text]


def test_rotating_lets_what_was_signed_before_be_valid_until_the_overlap_ends(vault, run, tmp_path):
    first, second, third = (tmp_path / name for name in ("1", "2", "3"))
    assert run("add", "--out", first)[0] == ExitCode.DONE
    assert run("rotate", "--out", second, "--overlap", "60 min")[0] == ExitCode.DONE
    assert states(vault) == [KeyState.VALID, KeyState.ENDING]
    assert is_valid(vault, SigningKey.read(first))
    assert is_valid(vault, SigningKey.read(second))
    # Two are valid: a third has to wait, and there is no file of it.
    code, printed = run("rotate", "--out", third)
    assert (code, "two signing keys are valid already" in printed, third.exists()) == (ExitCode.REFUSED, True, False)
    with psycopg.connect(vault.admin_dsn) as admin:  # an hour later
        admin.execute(
            sql.SQL("update {} set valid_until = valid_until - interval '1 hour'").format(
                sql.Identifier(f"{vault.prefix}_internal", "signing_key")
            )
        )
    assert states(vault) == [KeyState.VALID, KeyState.ENDED]
    assert not is_valid(vault, SigningKey.read(first))
    assert is_valid(vault, SigningKey.read(second))
    assert run("rotate", "--out", third, "--overlap", 0)[0] == ExitCode.DONE
    assert states(vault) == [KeyState.VALID, KeyState.ENDED, KeyState.ENDED]
    assert [is_valid(vault, SigningKey.read(path)) for path in (first, second, third)] == [False, False, True]


def test_rotating_again_does_not_give_an_ending_key_more_time(vault, tmp_path):
    with Database.open(vault.dsn()) as connection:
        add_key(connection, vault.prefix, tmp_path / "1")
        second = add_key(connection, vault.prefix, tmp_path / "2", overlap=timedelta(minutes=1))
        before = {known.key_id: known.valid_until for known in list_keys(connection, vault.prefix)}
        retire_key(connection, vault.prefix, second.key_id)
        add_key(connection, vault.prefix, tmp_path / "3", overlap=timedelta(days=1))
        after = {known.key_id: known.valid_until for known in list_keys(connection, vault.prefix)}
    assert [after[key] for key in before if key != second.key_id] == [
        before[key] for key in before if key != second.key_id
    ]


def test_a_retired_key_is_invalid_at_once_within_open_transactions_too(vault, run, tmp_path):
    out = tmp_path / "key"
    run("add", "--out", out)
    key = SigningKey.read(out)
    names = vault.prefix
    with psycopg.connect(vault.admin_dsn) as session:
        session.execute(f"select {names}.become(%s)".encode(), [pgerase.sign_token(key, 42)])
        assert session.execute(f"select {names}.current_viewer()".encode()).fetchone() == ("42",)
        code, printed = run("retire", key.key_id, "--yes")
        assert (code, printed) == (ExitCode.DONE, f"key {key.key_id}: retired\n")
        assert session.execute(f"select {names}.current_viewer()".encode()).fetchone() == (None,)
    assert states(vault) == [KeyState.RETIRED]
    assert not is_valid(vault, key)
    # What is compromised does not come back, under whatever name.
    assert run("add", "--from", out)[0] == ExitCode.REFUSED
    with Database.open(vault.dsn()) as connection, pytest.raises(Refused):
        import_key(connection, vault.prefix, SigningKey("another-id", key.secret, key.audience))
    assert run("retire", key.key_id, "--yes")[0] == ExitCode.REFUSED
    assert run("retire", "nobody", "--yes")[0] == ExitCode.REFUSED


def test_a_key_can_be_shared_and_what_it_signs_is_for_one_audience(vault, databases, run, tmp_path):
    run("add", "--out", tmp_path / "key")
    key = SigningKey.read(tmp_path / "key")
    other = databases()
    with Database.open(other.dsn()) as connection:
        install(connection, other.prefix, identity=IdentityKind.TOKEN)
        there = import_key(connection, other.prefix, key)
        assert import_key(connection, other.prefix, key) == there  # again: nothing changes
        assert [known.state for known in list_keys(connection, other.prefix)] == [KeyState.VALID]
    assert there == SigningKey(key.key_id, key.secret, f"{other.prefix}@{other.name}")
    assert is_valid(other, there)
    assert not is_valid(other, key)
    assert not is_valid(vault, there)


def test_no_key_works_in_a_restored_copy_until_it_is_imported_there(
    vault, run, tmp_path, pg_programs, admin, unique_prefix
):
    run("add", "--out", tmp_path / "key")
    key = SigningKey.read(tmp_path / "key")
    dump = subprocess.run(
        [pg_programs / "pg_dump", "--dbname", vault.admin_dsn], capture_output=True, text=True, check=True
    ).stdout
    copy = unique_prefix()
    admin.execute(sql.SQL("create database {} template template0").format(sql.Identifier(copy)))
    dsn = make_conninfo(vault.admin_dsn, dbname=copy)
    try:
        subprocess.run(
            [pg_programs / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "--dbname", dsn],
            # A setting of 17, which a newer pg_dump writes whatever server it dumps.
            input=dump.replace("SET transaction_timeout = 0;\n", ""),
            capture_output=True,
            text=True,
            check=True,
        )
        here = SigningKey(key.key_id, key.secret, f"{vault.prefix}@{copy}")
        with Database.open(dsn) as connection:
            assert [known.state for known in list_keys(connection, vault.prefix)] == [KeyState.VOID]
            assert not is_valid(vault, here, dsn=dsn)
            assert import_key(connection, vault.prefix, key) == here
            assert [known.state for known in list_keys(connection, vault.prefix)] == [KeyState.VALID]
        assert is_valid(vault, here, dsn=dsn)
        assert not is_valid(vault, key, dsn=dsn)
    finally:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(copy)))


def test_without_its_file_there_is_no_key(vault, run, tmp_path):
    out = tmp_path / "key"
    out.write_text("something else")
    code, printed = run("add", "--out", out)
    assert (code, str(out) in printed, out.read_text()) == (ExitCode.USAGE, True, "something else")
    assert run("add", "--out", tmp_path / "no" / "folder")[0] == ExitCode.USAGE
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    assert run("add", "--out", link)[0] == ExitCode.USAGE
    assert not (tmp_path / "elsewhere").exists()
    assert states(vault) == []


def test_without_its_key_there_is_no_file(vault, tmp_path, monkeypatch):
    out = tmp_path / "key"
    with Database.open(vault.dsn()) as connection:
        write = SigningKey.write

        def write_and_lose(key: SigningKey, path: Path) -> None:
            write(key, path)
            connection.close()

        monkeypatch.setattr(SigningKey, "write", write_and_lose)
        with pytest.raises(DatabaseFailed, match="connection to PostgreSQL is lost"):
            add_key(connection, vault.prefix, out)
    assert not out.exists()
    assert states(vault) == []


def test_of_many_who_add_a_key_at_once_two_succeed(vault, tmp_path):
    def add(number: int) -> bool:
        with Database.open(vault.dsn()) as connection:
            try:
                add_key(connection, vault.prefix, tmp_path / str(number))
            except Refused:
                return False
            return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(add, range(6))) == [False] * 4 + [True] * 2
    assert len(list(tmp_path.iterdir())) == 2
    assert states(vault) == [KeyState.VALID] * 2


@pytest.mark.parametrize(
    "arguments",
    [("add",), ("add", "--out", "a", "--from", __file__), ("rotate",), ("add", "--from", __file__), ("retire",),
     ("rotate", "--out", "a", "--overlap", "-1"), ("add", "--from", "no/such/file"), ("add", "secret")],
)  # fmt: skip
def test_what_cannot_be_done_is_a_usage_error(run, arguments):
    code, printed = run(*arguments)
    assert code == ExitCode.USAGE
    assert Path(__file__).read_text()[:50] not in printed


@pytest.mark.parametrize("length", [0, 31, 65])
def test_a_key_of_another_length_is_refused(length):
    with pytest.raises(UsageError, match="bytes"):
        SigningKey("k", bytes(length), "a")


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "RSA"},
        {"alg": "none"},
        {"kid": ""},
        {"kid": 1},
        {"aud": None},
        {"k": "a+b"},
        {"k": "a"},
        {"k": 1},
        {"k": "QQ"},
    ],
)
def test_a_file_that_is_no_key_is_refused_and_not_shown(tmp_path, change):
    good = {"kty": "oct", "alg": "HS256", "kid": "k", "aud": "a", "k": "S" * 43}
    path = tmp_path / "key"
    path.write_text(json.dumps(good))
    assert SigningKey.read(path).key_id == "k"
    path.write_text(json.dumps(good | change))
    with pytest.raises(UsageError) as raised:
        SigningKey.read(path)
    assert "SSSS" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_where_nothing_is_installed_keys_are_refused(database, tmp_path):
    with Database.open(database.dsn()) as connection, pytest.raises(Refused, match="not installed"):
        add_key(connection, database.prefix, tmp_path / "key")


def test_who_may_not_administer_the_keepers_role_is_refused(vault, tmp_path):
    login = vault.role("somebody")
    with Database.open(vault.dsn(login)) as connection, pytest.raises(Refused, match="is closed to the current role"):
        add_key(connection, vault.prefix, tmp_path / "key")


def test_nobody_stays_a_member_of_the_keepers_role(vault, run, tmp_path):
    run("add", "--out", tmp_path / "key")
    run("list")
    usable = (
        "select count(*) from pg_auth_members where roleid = %s::regrole and (coalesce((to_jsonb(pg_auth_members) ->>"
        " 'inherit_option')::bool, true) or coalesce((to_jsonb(pg_auth_members) ->> 'set_option')::bool, true))"
    )
    with psycopg.connect(vault.admin_dsn) as admin:
        assert admin.execute(usable, [f"{vault.prefix}_secret"]).fetchone() == (0,)
