"""The repository keeps its own rules: the style of `sql/` and `templates/`, and the size of its modules."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pgerase.errors import SQLSTATES
from tests.sql_lint import file_faults, migration_faults, page_faults, routine_faults, template_faults

_CHECKOUT = Path(__file__).resolve().parents[1]


def _tracked(*patterns: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=_CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(name for name in listed.stdout.split("\0") if name and (_CHECKOUT / name).is_file())


_SQL = _tracked("sql/*.sql")
_ROUTINES = [name for name in _SQL if name.startswith("sql/routines/")]
_MIGRATIONS = [name for name in _SQL if name.startswith("sql/migrations/")]
_TEMPLATES = _tracked("templates/*.j2")
_PAGES = [name for name in _TEMPLATES if name.endswith(".html.j2")]
# Most modules are far shorter; the bound is where one can no longer be read at once.
_MODULES = _tracked("src/*.py")


def _text(name: str) -> str:
    return (_CHECKOUT / name).read_text(encoding="utf-8")


def test_there_is_something_to_check():
    for found in (_SQL, _ROUTINES, _MIGRATIONS, _TEMPLATES, _MODULES):
        assert found


@pytest.mark.parametrize("name", _SQL)
def test_sql_file_keeps_the_style(name: str):
    assert list(file_faults(_text(name))) == []


@pytest.mark.parametrize("name", _ROUTINES)
def test_routine_file_holds_one_hardened_routine(name: str):
    assert list(routine_faults(Path(name).stem, _text(name))) == []


@pytest.mark.parametrize("name", _MIGRATIONS)
def test_migration_is_numbered_and_tells_its_locks(name: str):
    assert list(migration_faults(Path(name).stem, _text(name))) == []


def test_migrations_are_numbered_without_gaps():
    numbers = [int(Path(name).stem[:4]) for name in _MIGRATIONS]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("name", [name for name in _TEMPLATES if name not in _PAGES])
def test_template_is_layout_alone(name: str):
    assert name.endswith(".sql.j2")
    assert list(template_faults(_text(name))) == []


@pytest.mark.parametrize("name", _PAGES)
def test_page_is_layout_alone_and_needs_nothing_but_itself(name: str):
    assert list(page_faults(_text(name))) == []


@pytest.mark.parametrize("name", _MODULES)
def test_module_is_short_and_has_a_docstring(name: str):
    text = _text(name)
    assert text.startswith('"""')
    assert len(text.splitlines()) <= 700


def test_every_sqlstate_that_our_sql_raises_is_in_the_table_and_the_other_way_round():
    written = "".join(_text(name) for name in (*_SQL, *_TEMPLATES))
    # Generated SQL may have its code from a constant.
    generated = "".join(_text(name) for name in _tracked("src/pgerase/compile/*.py"))
    code = r"\bZE[0-9A-Z]{3}\b"
    raised = {*re.findall(rf"errcode = '({code})'", written), *re.findall(code, generated)}
    assert raised == set(SQLSTATES)
    assert set(re.findall(code, written)) <= raised


def test_the_sqlstates_in_the_docs_are_those_of_the_table():
    listed = re.findall(r"^\| (ZE\w{3}) \| (.+) \|$", _text("docs/identity.md"), re.MULTILINE)
    assert dict(listed) == dict(SQLSTATES)


def test_every_test_file_is_collected():
    helpers = re.compile(r"^(test_\w+|conftest|fix_\w+|__init__)\.py$")
    # Helpers are imported by tests; a file of tests under another name would never run.
    for name in _tracked("tests/*.py"):
        if not helpers.match(Path(name).name):
            assert not re.search(r"^\s*def test_", _text(name), re.MULTILINE), name


# --- the rules themselves notice a breach ---

_GOOD = """-- Greets. Security definer because the greeting lies in a private table.
create or replace function pgerase.greet(p_name text)
    returns text
    language plpgsql
    stable
    parallel safe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    return p_name;
end;
$$;

comment on function pgerase.greet(text) is 'Greets.';

revoke all on function pgerase.greet(text) from public;
"""

_BREACHES = [
    ("create or replace function pgerase.greet", "create or replace function greet", "schema"),
    ("create or replace function pgerase.greet", "create or replace function pgerase.salute", "not the file's name"),
    ("create or replace function", "create function", "create or replace"),
    ("    set search_path = pg_catalog, pg_temp\n", "", "search_path"),
    ("search_path = pg_catalog, pg_temp", "search_path = public", "search_path"),
    ("search_path = pg_catalog, pg_temp", "search_path = ''", "search_path"),
    ("    stable\n", "", "volatility"),
    ("    parallel safe\n", "", "parallel"),
    ("    security definer\n", "", "security"),
    ("Security definer because the greeting lies in a private table.", "", "header about why"),
    ("#variable_conflict error\n", "", "variable_conflict"),
    ("return p_name;", "execute 'select ' || p_name;", "format"),
    # Threat: under another lc_messages the words are others, and whoever looks for them finds nothing.
    ("return p_name;", "get diagnostics v_stack = pg_context;", "lc_messages"),
    ("return p_name;", "begin perform 1; exception when others then return null; end;", "without raising"),
    (
        "return p_name;",
        "begin perform 1; exception when others then raise exception using errcode = 'P0001'; end;",
        "without raising",
    ),
    ("is 'Greets.'", "is 'greets'", "comment"),
    ("revoke all on function pgerase.greet(text) from public;\n", "", "revoke"),
    ("from public;", "from somebody;", "revoke"),
    ("from public;\n", "from public;\ncreate table pgerase.x ();\n", "CreateStmt"),
    ("comment on", "create or replace function pgerase.b() returns int return 1;\ncomment on", "2 routines"),
    ("plpgsql", "sql", "SET clause"),
    ("plpgsql", "sql", "SQL-standard body"),
    ("-- Greets.", "-- Greets.\n--\n--\n--\n--\n--\n-- definer", "header of more"),
]


def test_a_good_routine_passes():
    assert list(routine_faults("greet", _GOOD)) == []
    assert list(file_faults(_GOOD)) == []


@pytest.mark.parametrize(("old", "new", "fault"), _BREACHES)
def test_a_breach_in_a_routine_is_noticed(old: str, new: str, fault: str):
    assert old in _GOOD
    assert any(fault in found for found in routine_faults("greet", _GOOD.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("select 1;\n", "comment"),
        ("-- Why.\nselect 1;", "newline"),
        ("-- Why.\n\tselect 1;\n", "tab"),
        ("-- Why.\nselect 1; \n", "blanks"),
        ("-- Why.\nSELECT 1;\n", "SELECT"),
        ("-- Why.\nselect case When é then 1 end, %(names)s from x;\n", "When"),
        ("-- Why.\n" + "select 1;\n" * 500, "500 lines"),
        ("-- Why.\nselect '" + "a" * 130 + "';\n", "130 columns"),
    ],
)
def test_a_breach_in_any_sql_file_is_noticed(text: str, fault: str):
    assert any(fault in found for found in file_faults(text))


@pytest.mark.parametrize(
    ("stem", "text", "fault"),
    [
        ("0002_more", "-- pgerase: migration 0001, more\n-- locks: none\n-- reversible: yes\n", "0002"),
        ("0002_more", "-- pgerase: migration 0002, more\n-- reversible: yes\n", "locks"),
        ("0002_more", "-- pgerase: migration 0002, more\n-- locks: none\n", "reversible"),
        ("more", "-- pgerase: migration 0002\n", "NNNN"),
        ("0002_more", "-- pgerase: migration 0002\n-- locks: none\n-- reversible: yes\nbegin;\n", "transaction"),
    ],
)
def test_a_breach_in_a_migration_is_noticed(stem: str, text: str, fault: str):
    assert any(fault in found for found in migration_faults(stem, text))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{% set x = 1 %}\n", "set"),
        ("{% macro x() %}{% endmacro %}\n", "macro"),
        ("{{ x|safe }}\n", "safe"),
        ("do $$ x $$;\n", "body"),
        ("commit;\n", "transaction"),
        ("select 1;\n" * 41, "40 lines"),
    ],
)
def test_a_breach_in_a_template_is_noticed(text: str, fault: str):
    assert any(fault in found for found in template_faults(text))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{% set x = 1 %}\n", "set"),
        ("{{ x|safe }}\n", "safe"),
        ("{% autoescape false %}\n", "autoescape"),
        ("<script>1</script>\n", "script"),
        ('<img src="https://example.org/x.png">\n', "fetches"),
        ("<style>@import url(x.css)</style>\n", "fetches"),
        ("<td title={{ x }}>\n", "quotes"),
        ("<p>\n" * 81, "80 lines"),
    ],
)
def test_a_breach_in_a_page_is_noticed(text: str, fault: str):
    assert any(fault in found for found in page_faults(text))
