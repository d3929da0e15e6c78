"""Counts of what people may do, against independent SQL and the reference evaluation; and pages that hostile text cannot break."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from html.parser import HTMLParser

import psycopg
import pytest

from pgerase.cli.main import main
from pgerase.errors import Finding, Severity
from pgerase.explain import Matrix
from pgerase.explain.model import Cell, Line, ResourceColumn
from pgerase.report.matrix import matrix_csv, matrix_html, matrix_lines
from pgerase.rules.conditions import Action
from tests.verify.conftest import Site

Command = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def command(shop: Site, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(line: str) -> tuple[int, str, str]:
        code = main(["--pack", str(shop.folder), "--dsn", shop.database.dsn(), "matrix", *shop.fill(line).split()])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_counts_are_what_plain_sql_says(shop: Site, command: Command):
    code, text, _ = command("--viewer 6 --viewer 3 --resource account --format json")
    assert code == 0
    counts = {(one["who"], one["action"]): (one["low"], one["high"]) for one in json.loads(text)["counts"]}
    with psycopg.connect(shop.database.admin_dsn) as connection:
        # 6 is a super admin of tenant 1, whom no other requirement binds; nothing is below 3.
        of_tenant = connection.execute("select count(*) from shop.account where tenant = 1").fetchone()
        threes = connection.execute(
            "select count(*), count(*) filter (where id = 3 and stage = 'open') from shop.account where tenant = 1"
            " and ((region = 'west' and product = 'coffee') or id = 3)"
        ).fetchone()
    assert of_tenant is not None
    assert threes is not None
    assert counts == {
        ("6", "read"): of_tenant * 2,
        ("6", "update"): of_tenant * 2,
        ("3", "read"): (threes[0], threes[0]),
        ("3", "update"): (threes[1], threes[1]),
    }


def test_who_is_nobody_is_not_taken_for_somebody_without_rights(command: Command):
    """And what was typed is not told again: it may be somebody's."""
    for key in ("99", "x.y@example.org"):
        code, text, errors = command(f"--viewer 3 --viewer {key} --resource account --action read")
        assert (code, text) == (2, "")
        assert "error: nobody of shop.person has the key that is given as --viewer number 2\n" in errors
        assert "hint: Keys are values of id, of type integer." in errors
        assert key not in errors
    assert "the key that is given as --viewer\n" in command("--viewer 99")[2]


def test_the_sample_agrees_with_the_rules(command: Command):
    code, text, _ = command("--expected --format json")
    data = json.loads(text)
    assert code == 0
    assert data["findings"] == []
    kinds = {one["kind"] for one in data["counts"]}
    assert {"super admin", "inactive", "nobody"} <= kinds
    assert "garbage" not in kinds
    for one in data["counts"]:
        assert one["differs"] is False
        if one["action"] in ("read", "update") and one["low"] is not None:
            assert (one["low"], one["high"]) == (one["expected_low"], one["expected_high"])
        else:
            assert one["low"] is None
    assert any(one["expected_low"] for one in data["counts"] if one["action"] == "delete")
    assert any(one["expected_low"] for one in data["counts"] if one["action"] == "insert")
    assert data["not_in_force"] == [{"resource": "badge", "mode": "shadow"}]


def test_text_has_a_line_for_everybody_and_every_resource(command: Command):
    code, text, _ = command("--viewer 3 --resource account --resource article --action read")
    assert code == 0
    assert text.splitlines() == [
        "who       resource  rows  read",
        "viewer 3  account     48     5",
        "viewer 3  article      6     6",
        "Not in force, and not counted: badge (shadow).",
    ]


def test_groups_are_counted_for_by_some_of_their_members(command: Command):
    code, text, _ = command("--group desk --resource account --format csv")
    assert code == 0
    (read, update) = csv.DictReader(io.StringIO(text))
    assert (read["kind"], read["who"], read["looked"], read["people"]) == ("group", "desk", "1", "1")
    assert (read["low"], read["high"], read["expected_low"]) == (read["high"], read["low"], "")
    assert int(read["low"]) > int(update["low"]) == 0


def test_a_database_that_shows_more_is_a_finding(shop: Site, command: Command):
    shop.admin("create policy intruder on shop.account for select to {P}_viewer using (true)")
    try:
        code, text, _ = command("--viewer 3 --resource account --expected --action read")
        alone, _, _ = command("--viewer 3 --resource account --action read")
    finally:
        shop.admin("drop policy intruder on shop.account")
    assert (code, alone) == (1, 0)
    assert ", NOT 5" in text
    assert "error[matrix-differs]" in text


def test_nothing_stays_locked(shop: Site, command: Command):
    assert command("--viewer 6")[0] == 0
    with psycopg.connect(shop.database.admin_dsn) as connection:
        connection.execute("select * from shop.account for update nowait")


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("--group dsk", 2, "Did you mean desk?"),
        ("--resource acount", 2, "Did you mean account?"),
        ("--resource badge", 3, "badge is in mode shadow"),
        ("--action delete", 2, "Add --expected"),
        ("--expected --hold 20", 3, "more than 20"),
        ("--format xml", 2, "'csv', 'html', 'json'"),
    ],
)
def test_what_cannot_be_counted_says_what_to_do(command: Command, line: str, code: int, message: str):
    found, _, errors = command(line)
    assert found == code
    assert message in errors


def test_only_who_is_looked_for_is_read(command: Command):
    """Without a sample or expectations nothing is held, however large tables are."""
    assert command("--viewer 3 --hold 1")[0] == 0


# -- hostile text ------------------------------------------------------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>",
    '" onmouseover="x',
    "=1+1",
    "@x",
    "{{ 7 * 7 }}",
    "\x1b[31m",
    "a\nb",
    "\x9b2J\u202eb\u2028",
    "&lt;",
    "-1",
]


def hostile(text: str) -> Matrix:
    return Matrix(
        pack=text,
        database=text,
        actions=(Action.READ,),
        columns=(ResourceColumn(text, text, 3),),
        lines=(Line("viewer", text, 1, 1), Line("group", text, 2, 9), Line(text, text, 1, 1)),
        cells=((Cell(1, 1),), (Cell(0, 3),), (Cell(2, 2, 1, 1, differs=True),)),
        not_in_force=((text, "off"),),
        findings=(Finding("x", Severity.ERROR, text, text),),
    )


def shown(text: str) -> str:
    """What people see of a text: spaces where it would move a cursor or turn what follows around."""
    return text.translate(dict.fromkeys(map(ord, "\x1b\n\x9b\u202e\u2028"), " "))


class Page(HTMLParser):
    """Tags with attributes, and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("text", HOSTILE)
def test_names_and_keys_cannot_break_the_page(text: str):
    plain, page = Page(), Page()
    plain.feed(matrix_html(hostile("plain")))
    page.feed(matrix_html(hostile(text)))
    assert page.tags == plain.tags
    assert "".join(page.text) == "".join(plain.text).replace("plain", shown(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_names_and_keys_stay_in_their_cell_and_are_no_formula(text: str):
    records = list(csv.reader(io.StringIO(matrix_csv(hostile(text)))))
    assert {len(record) for record in records} == {13}
    cell = records[1][1]
    assert cell.removeprefix("'") == shown(text)
    assert not cell.startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("text", HOSTILE)
def test_names_and_keys_move_no_cursor(text: str):
    lines = matrix_lines(hostile(text))
    assert not any("\x1b" in line or "\n" in line for line in lines)
    for whole in (matrix_csv(hostile(text)), matrix_html(hostile(text)), "\n".join(lines)):
        assert not set(whole) & set("\x1b\x9b\u202e\u2028")
    assert "2, NOT 1" in lines[3]


def test_the_page_is_whole(command: Command):
    code, text, _ = command("--viewer 3 --resource account --format html")
    assert code == 0
    page = Page()
    page.feed(text)
    assert text.startswith("<!doctype html>")
    assert "viewer 3" in page.text
    assert "account (48)" in page.text
