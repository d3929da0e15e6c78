"""`subject prove` on the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from pgerase.cli import prove as command
from pgerase.cli.main import main
from pgerase.rules.pack import Pack
from tests.fix_database import FreshDatabase


@pytest.fixture
def run(app: FreshDatabase, pack: Pack, capsys: pytest.CaptureFixture[str]):
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["subject", "prove", *arguments, "--pack", pack.folder, "--dsn", app.dsn()])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def _file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "identifiers"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    "text",
    [
        "email: anna.smith@example.org\nphones: ['+49 171 1234567', 0123456]\nfull_name: Anna Smith\n",
        '{"email": "anna.smith@example.org", "phones": ["+49 171 1234567", 1234567], "full_name": null}',
        "email: anna.smith@example.org\nphones: +49 171 1234567\nuser_name: @anna\nfull_name: 'x' y: z\n",
    ],
)
def test_clean_in_every_format_of_identifiers(run, tmp_path: Path, text: str):
    code, out, _ = run("employee", "1", "--identifiers", _file(tmp_path, text))
    assert code == 0, out
    assert out.splitlines()[-1].startswith("proven")


def test_residue_is_exit_code_one(app: FreshDatabase, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    app.connect().execute("insert into app.note (body) values ('anna.smith@example.org')")
    monkeypatch.setattr("sys.stdin", io.StringIO("email: Anna.Smith@example.org\n"))
    code, out, _ = run("employee", "1", "--identifiers", "-")
    assert code == 1
    assert out.splitlines()[0].split() == ["FAIL", "app.note.body", "1:", "email", "in", "1"]
    assert "1: phones: not given" in out
    assert "NOT proven" in out
    code, out, _ = run(
        "employee", "1", "--identifiers", _file(tmp_path, "email: anna.smith@example.org"), "--format", "json"
    )
    data = json.loads(out)
    assert (code, data["format"], data["verdict"], data["ok"]) == (1, 1, "FAIL", False)
    (found,) = [place for place in data["places"] if place["verdict"] == "FAIL"]
    assert found["relation"] == "app.note"
    assert found["hits"] == [{"person": "1", "name": "email", "decisive": True, "rows": 1, "theirs": 0}]


def test_review_fails_only_where_that_is_asked(app: FreshDatabase, run, tmp_path: Path):
    with app.connect() as owner:
        owner.execute("insert into app.person values (9, 'x@example.org', 'anna9', 'Anna', 'Smith')")
        owner.execute("insert into app.note (body) values ('by Anna Smith')")
    identifiers = _file(tmp_path, "email: anna.smith@example.org\nfull_name: Anna Smith\n")
    code, out, _ = run("employee", "1", "--identifiers", identifiers)
    assert code == 0
    assert "REVIEW" in out
    assert "1 other has it too" in out
    assert run("employee", "1", "--identifiers", identifiers, "--strict")[0] == 1


def test_unverified_is_exit_code_one(app: FreshDatabase, run, tmp_path: Path):
    app.connect().execute("alter table app.note enable row level security, force row level security")
    code, out, _ = run("employee", "1", "--identifiers", _file(tmp_path, "email: anna.smith@example.org"))
    assert code == 1
    assert "nobody could look everywhere" in out


def test_several_people_by_key(run, tmp_path: Path):
    text = (
        "'1': {email: anna.smith@example.org}\n'8': {email: bert@example.org, phones: [+49 170 1111111, '7654321']}\n"
    )
    code, out, _ = run("employee", "1", "8", "--identifiers", _file(tmp_path, text))
    assert code == 0, out
    assert "8: phones: decisive" in out
    code, _, err = run("employee", "1", "--identifiers", _file(tmp_path, text))
    assert code == 2
    assert "other people" in err
    code, _, err = run("employee", "1", "8", "--identifiers", _file(tmp_path, "email: a@b.cd"))
    assert code == 2


def test_asked_for_without_showing(run, monkeypatch: pytest.MonkeyPatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    answers = iter(["anna.smith@example.org", "", "asmith7", "", "", "+49 171 1234567", "0171 1234567", ""])
    asked: list[tuple[str, bool]] = []

    def prompt(text: str, **options: object) -> str:
        asked.append((text, bool(options["hide_input"])))
        return next(answers)

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(command.click, "prompt", prompt)
    code, out, _ = run("employee", "1")
    assert code == 0, out
    assert all(hidden for _, hidden in asked)
    assert {text for text, _ in asked} == {f"{name} of 1" for name in ("email", "user_name", "full_name", "phones")}
    assert out.count("1: phones: decisive") == 2


@pytest.mark.parametrize(
    ("arguments", "text", "message"),
    [
        (("employee",), "email: a@b.cd", "whose?"),
        (("emploee", "1"), "email: a@b.cd", "no subject emploee"),
        (("employee", "1"), "emial: a@b.cd", "email"),
        (("employee", "1"), "secret@b.cd", "cannot be read"),
        (("employee", "1"), "- secret@b.cd", "cannot be read"),
        (("employee", "1"), "email: {secret: secret@b.cd}\nphones: x", "a text or a list"),
        (("employee", "1"), '{"email": "secret@b.cd"', "not JSON"),
        (("employee", "1"), '{"email": 1.5}', "a text or a list"),
        (("employee", "1"), "email:", "nothing to search for"),
        (("employee", "1"), "", "cannot be read"),
        (("employee", "1"), "{}", "no identifiers"),
        (("employee", "1"), "secret@b.cd: x", "no identifiers of employee"),
    ],
)
def test_what_cannot_work_is_said_without_the_text(run, tmp_path: Path, arguments, text: str, message: str):
    code, out, err = run(*arguments, "--identifiers", _file(tmp_path, text))
    assert code == 2, out + err
    assert message in err
    assert "secret" not in out + err


def test_nobody_there_to_ask(run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    code, _, err = run("employee", "1")
    assert code == 2
    assert "--identifiers" in err


def test_a_personal_key_is_no_argument(app: FreshDatabase, run, pack: Pack, tmp_path: Path):
    map_file = Path(pack.folder) / "data_map.yaml"
    map_file.write_text(
        map_file.read_text()
        .replace("key: id", "key: {column: user_name, natural: true}")
        .replace("    ghost: {id: 0}\n", "")
    )
    code, _, err = run("employee", "asmith7", "--identifiers", _file(tmp_path, "email: a@b.cd"))
    assert code == 2
    assert "asmith7" not in err
    code, out, _ = run("employee", "--identifiers", _file(tmp_path, "email: a@b.cd\nuser_name: asmith7"))
    assert code == 0, out
    assert "asmith7" not in out
    assert "#1: email: decisive" in out


def test_names_cannot_move_the_cursor(app: FreshDatabase, run, tmp_path: Path):
    app.connect().execute('create table app."red\x1b[31m\rtable" (a text)')
    app.connect().execute("insert into app.\"red\x1b[31m\rtable\" values ('asmith7')")
    _, out, _ = run("employee", "1", "--identifiers", _file(tmp_path, "user_name: asmith7"))
    assert "FAIL" in out
    assert "\x1b" not in out
    assert "\r" not in out
