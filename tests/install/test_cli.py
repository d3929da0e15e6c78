"""The command line: exit codes, what goes where, and that nothing is changed unasked."""

from __future__ import annotations

import json

import click
import pytest

from pgerase import __version__
from pgerase.cli import main as main_module
from pgerase.cli.main import COMMANDS, main


@pytest.fixture
def pgerase(database, capfd):
    """Run a command on the database; (exit code, stdout, stderr)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["--dsn", database.dsn(), *arguments])
        captured = capfd.readouterr()
        return int(code), captured.out, captured.err

    run.prefix = database.prefix
    return run


def test_install_upgrade_uninstall(pgerase) -> None:
    prefix = ["--prefix", pgerase.prefix]
    code, out, err = pgerase("install", *prefix, "--yes")
    assert code == 0
    assert f"+ role {pgerase.prefix}_viewer" in out
    assert out.splitlines()[-1].startswith(f"install {pgerase.prefix}: ")
    assert err == ""
    for command in ("install", "upgrade"):
        code, out, err = pgerase(command, *prefix)
        assert (code, out, err) == (0, f"{command} {pgerase.prefix}: nothing to do\n", "")
    code, out, err = pgerase("uninstall", *prefix, "--yes")
    assert code == 3
    assert f"- role {pgerase.prefix}_viewer" in err
    assert "--allow-drop" in err
    code, out, _ = pgerase("uninstall", *prefix, "--yes", "--allow-drop")
    assert code == 0
    assert f"- role {pgerase.prefix}_viewer" in out
    assert pgerase("uninstall", *prefix)[:2] == (0, f"uninstall {pgerase.prefix}: nothing to do\n")
    assert pgerase("upgrade", *prefix, "--yes")[0] == 3


def test_nothing_is_changed_where_nobody_can_be_asked(pgerase) -> None:
    code, out, err = pgerase("install", "--prefix", pgerase.prefix)
    assert (code, out) == (3, "")
    assert f"+ role {pgerase.prefix}_viewer" in err
    assert "--yes" in err
    assert pgerase("upgrade", "--prefix", pgerase.prefix)[0] == 3


def test_json_is_one_document_with_a_version(pgerase) -> None:
    code, out, _ = pgerase("install", "--prefix", pgerase.prefix, "--yes", "--format", "json")
    answer = json.loads(out)
    assert code == 0
    assert (answer["format"], answer["command"], answer["changed"]) == (1, "install", True)
    assert {"mark": "+", "kind": "role", "name": f"{pgerase.prefix}_viewer"} in answer["steps"]
    code, out, _ = pgerase("--format", "json", "uninstall", "--prefix", pgerase.prefix, "--yes")
    answer = json.loads(out)
    assert (code, answer["format"], answer["error"]["exit_code"], answer["error"]["kind"]) == (3, 1, 3, "Refused")


def test_roles_sql_prints_and_changes_nothing(pgerase, database) -> None:
    plain = database.role("plain")
    code = main(["--dsn", database.dsn(plain), "install", "--prefix", database.prefix, "--roles-sql"])
    assert code == 0
    code, out, _ = pgerase("install", "--prefix", pgerase.prefix, "--roles-sql")
    assert f"create role {pgerase.prefix}_viewer nologin;" in out
    assert out.splitlines()[0] == "\\set ON_ERROR_STOP on"
    assert out.splitlines()[-1] == "commit;"
    with database.connect() as owner:
        made = "select count(*) from pg_roles where starts_with(rolname, %s)"
        assert owner.execute(made, [f"{pgerase.prefix}_"]).fetchone() == (0,)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["instal"], 2, "Did you mean install?"),
        (["frobnicate"], 2, "no such command: frobnicate."),
        (["install", "--nope"], 2, "No such option"),
        (["install", "--prefix", "pg_x"], 2, "reserved for PostgreSQL"),
        (["install", "--prefix", "a b"], 2, "cannot be a prefix"),
        (["--format", "xml", "install"], 2, "xml"),
        (["--pack", "/nowhere/at/all", "install"], 2, "does not exist"),
        (["--dsn", "host=127.0.0.1 port=1 connect_timeout=5", "install"], 4, "port 1"),
        (["--dsn", "nonsense", "install"], 2, "not a connection string"),
    ],
)
def test_mistakes_have_their_exit_code_and_a_sentence(capfd, arguments, code, said) -> None:
    assert main(arguments) == code
    captured = capfd.readouterr()
    assert captured.out == ""
    assert said in captured.err


def test_help_and_version(capfd) -> None:
    assert main(["--help"]) == 0
    out = capfd.readouterr().out
    for name, entry in COMMANDS.items():
        assert name in out
        assert entry.summary.split()[0] in out
    assert main(["--version"]) == 0
    assert capfd.readouterr().out == f"pgerase, version {__version__}\n"


def test_a_summary_that_lists_commands_lists_all_of_them() -> None:
    for name, entry in COMMANDS.items():
        command = main_module.cli.get_command(click.Context(main_module.cli), name)
        what, _, listed = entry.summary.removesuffix(".").partition(": ")
        if isinstance(command, click.Group) and listed:
            assert sorted(listed.split(", ")) == sorted(command.commands), what


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_loads_and_has_help(capfd, name) -> None:
    assert main([name, "--help"]) == 0
    out = capfd.readouterr().out
    for option in ("--dsn", "--pack", "--format", "--debug"):
        assert option in out


@pytest.mark.parametrize("debug", [True, False])
def test_bug_asks_for_a_report(capfd, monkeypatch, debug) -> None:
    def broken(*_args, **_options):
        raise ZeroDivisionError("unexpected")

    monkeypatch.setattr("pgerase.cli.install.plan_install", broken)
    monkeypatch.setattr("pgerase.cli.settings.Settings.open_database", lambda _: __import__("contextlib").nullcontext())
    assert main(["--debug", "install"] if debug else ["install"]) == 5
    err = capfd.readouterr().err
    assert "ZeroDivisionError: unexpected" in err
    assert "report" in err
    assert ("Traceback" in err) is debug


def test_findings_are_printed_with_the_error(capfd, monkeypatch) -> None:
    from pgerase.errors import Finding, Position, Refused, Severity

    finding = Finding("a-code", Severity.ERROR, "cs.company", "it is so", "do that", Position("access.yaml", 3, 5))

    def refuse(*_args, **_options):
        raise Refused("no", (finding,), hint="later")

    monkeypatch.setattr(main_module.cli, "main", refuse)
    assert main([]) == 3
    err = capfd.readouterr().err
    for word in ("access.yaml:3:5", "it is so", "do that", "error: no", "hint: later"):
        assert word in err


def test_upgrade_and_uninstall_find_the_one_that_is_installed(pgerase) -> None:
    """Threat: somebody believes it is gone while everything is there still, or makes a second installation."""
    own = pgerase.prefix
    assert pgerase("install", "--prefix", own, "--yes")[0] == 0
    assert pgerase("upgrade")[:2] == (0, f"upgrade {own}: nothing to do\n")
    code, out, _ = pgerase("uninstall", "--yes", "--allow-drop")
    assert (code, f"- schema {own}_internal" in out) == (0, True)
    assert pgerase("uninstall")[:2] == (0, "uninstall pgerase: nothing to do\n")
    code, _, err = pgerase("upgrade", "--yes")
    assert (code, "nothing is installed for the prefix pgerase" in err, "run `pgerase install`" in err) == (
        3,
        True,
        True,
    )


def test_a_prefix_that_is_not_installed_is_told_from_those_that_are(pgerase) -> None:
    own, other, none = pgerase.prefix, f"{pgerase.prefix}_2", f"{pgerase.prefix}_3"
    assert pgerase("install", "--prefix", own, "--yes")[0] == 0
    hint = f"hint: installed here is {own}; name it with --prefix, or as `prefix:` in pack.yaml\n"
    for command in (["upgrade"], ["drift"], ["audit", "status"], ["support", "list"]):
        code, _, err = pgerase(*command, "--prefix", none)
        assert (code, none in err, hint in err) == (3, True, True), err
    code, out, err = pgerase("uninstall", "--prefix", none, "--yes", "--allow-drop")
    assert (code, out) == (0, f"uninstall {none}: nothing to do\n")
    assert f"{none} is not installed here; installed here is {own}" in err
    assert pgerase("install", "--prefix", other, "--yes")[0] == 0
    for command in ("upgrade", "uninstall"):
        code, _, err = pgerase(command, "--yes")
        assert (code, f"several prefixes are installed here: {own}, {other}" in err) == (3, True), err
    code, _, err = pgerase("upgrade", "--prefix", none)
    assert (code, f"installed here are {own}, {other}" in err) == (3, True), err


def test_install_tells_of_another_prefix(pgerase) -> None:
    own = pgerase.prefix
    assert "installed here" not in pgerase("install", "--prefix", own, "--yes")[2]
    # Asked and not answered: the role names of `pgerase` are everybody's on this server.
    code, _, err = pgerase("install")
    assert code == 3
    assert f"installed here is {own} already, and this makes a second installation, pgerase" in err
    assert f"pgerase upgrade --prefix {own}" in err
    assert "second" not in pgerase("install", "--prefix", f"{own}_2")[2]
