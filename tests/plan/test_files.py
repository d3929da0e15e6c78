"""What `render` writes does with psql what apply does, and is text that a DBA would sign."""

from __future__ import annotations

import re
import subprocess

import pytest

from pgerase.apply.ledger import drift, read_state
from pgerase.plan.files import lines, script
from pgerase.plan.model import Change
from pgerase.plan.revert import make_revert
from tests.plan.conftest import changed


@pytest.fixture
def psql(site, pg_programs, tmp_path):
    def run(text: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "script.sql"
        file.write_text(text, encoding="utf-8")
        command = [pg_programs / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", file, site.database.dsn()]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_psql_applies_and_reverts_like_apply(site, psql, pg_dump):
    before = pg_dump(site.database, "--schema=cs")
    desired = site.desired()
    done = psql(script(site.plan(desired)))
    assert (done.returncode, done.stderr) == (0, "")
    assert site.plan(desired).pending == ()
    assert drift(site.db, site.prefix) == ()
    by_psql = {
        key: (row.deparsed, row.source_sha256, row.undo)
        for key, row in read_state(site.db, site.prefix)[1].rows.items()
    }
    done = psql(script(make_revert(*read_state(site.db, site.prefix), site.prefix, "test")))
    assert (done.returncode, done.stderr) == (0, "")
    assert pg_dump(site.database, "--schema=cs") == before
    site.apply(desired)
    by_apply = {
        key: (row.deparsed, row.source_sha256, row.undo)
        for key, row in read_state(site.db, site.prefix)[1].rows.items()
    }
    assert by_psql == by_apply


def test_a_script_fails_whole_where_a_table_is_in_use(site, psql):
    reader = site.database.connect(site.app)
    reader.autocommit = False
    reader.execute("select 1 from cs.note")
    done = psql(script(site.plan(site.desired())))
    assert done.returncode != 0
    assert "could not obtain lock" in done.stderr
    assert site.admin("select count(*) from pg_policy") == [(0,)]


def test_a_script_made_for_an_earlier_state_changes_nothing(site, psql):
    desired = site.desired()
    first = script(site.plan(desired))
    assert psql(first).returncode == 0
    tighter = changed(desired, "note", using="false")
    stale = script(site.plan(tighter))
    site.apply(changed(desired, "company", using="false"))
    done = psql(stale)
    assert done.returncode != 0
    assert "the ledger has moved on" in done.stderr
    assert site.plan(changed(desired, "company", using="false")).pending == ()


def test_hostile_text_stays_inside_constants(site, psql):
    nasty = "x'; drop table cs.note; -- \\ $$ \n; drop table cs.company; [pgerase x]"
    desired = changed(site.desired(), "note", comment=nasty)
    text = script(site.plan(desired))
    assert all("drop table" not in line.partition("--")[2] for line in text.splitlines() if line.startswith("--"))
    done = psql(text)
    assert (done.returncode, done.stderr) == (0, "")
    comment = site.admin(
        "select obj_description(oid, 'pg_policy') from pg_policy where polname = %s", [f"{site.prefix}_note"]
    )
    assert comment == [(nasty,)]


def test_names_with_line_ends_do_not_leave_their_comment(site, psql):
    site.sql('create table cs."a\n; drop table cs.note; --" (id int)')
    from pgerase.catalog.model import Name
    from pgerase.compile.desired import DesiredRowSecurity

    desired = site.desired(DesiredRowSecurity(Name("cs", "a\n; drop table cs.note; --")))
    done = psql(script(site.plan(desired)))
    assert (done.returncode, done.stderr) == (0, "")
    assert site.plan(desired).pending == ()


def test_script_looks_like_house_style(site):
    text = script(site.plan(site.desired()))
    statements = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    outside = re.sub(r"'(?:[^']|'')*'", "''", statements)
    keywords = r"\b(CREATE|ALTER|DROP|GRANT|REVOKE|SELECT|POLICY|TABLE|USING|INSERT|BEGIN|COMMIT)\b"
    assert re.findall(keywords, outside) == []
    assert text.startswith("-- pgerase apply: ")
    assert "\nbegin isolation level read committed;\n" in text
    assert text.endswith("\ncommit;\n")
    assert not any(line != line.rstrip() for line in text.splitlines())
    # Beside the query that reads the objects back, only what was compiled may be long.
    assert text.count("commit;") == 1


def test_lines_say_what_how_and_where(site):
    desired = site.desired()
    text = lines(site.plan(desired))
    assert f"+ policy {site.prefix}_note on cs.note [widen] (locks cs.note: access exclusive)" in text
    assert "+ row security cs.note [narrow] (locks cs.note: access exclusive)" in text
    assert text[-1].startswith(
        f"{len(desired.objects)} to create, 0 to alter, 0 to drop, 0 the same; locks 5 tables; plan "
    )
    site.apply(desired)
    (last,) = lines(site.plan(desired))
    assert last == f"nothing to do: 0 to create, 0 to alter, 0 to drop, {len(desired.objects)} the same"
    marks = {line[0] for line in lines(site.plan(changed(desired, "note", using="false")), same=True)[:-1]}
    assert marks == {"~", "="}
    assert {change.mark for change in Change} == {"+", "~", "-", "="}
