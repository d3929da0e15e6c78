"""verify, explain and matrix know of support access; plan says what it cannot prove (docs/meaning.md, points 47 to 53)."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from pgerase.apply.ledger import read_state
from pgerase.apply.prepare import prepare
from pgerase.catalog.model import Name
from pgerase.compile import compile_pack
from pgerase.compile.indexes import missing_indexes
from pgerase.database import Database
from pgerase.errors import Severity
from pgerase.explain import MatrixQuestion, Question, explain, matrix
from pgerase.meaning.reasons import Kind, walk
from pgerase.report.explanation import explanation_lines
from pgerase.rules.conditions import Action
from pgerase.rules.read import read_pack
from pgerase.verify.changes import compared_plan
from tests.support.conftest import ANN, CARA, DAN, Desk


def ask(desk: Desk, viewer: int, resource: str, key: str, action: Action = Action.READ):
    with Database.open(desk.database.dsn()) as database:
        return explain(database, read_pack(desk.folder), Question(action, resource, key, str(viewer)))


@pytest.fixture(scope="module")
def granted(desk: Desk) -> Desk:
    """Ann may look at Cara."""
    desk.grant = desk.open(ANN, CARA)
    return desk


def test_verify_compares_what_grants_open(granted):
    report = granted.verify(statics=False)
    assert report.counterexamples == ()
    assert ("holder of a support grant", "10") in report.viewers
    assert [finding for finding in report.failures if finding.code != "unseen"] == []


def test_verify_finds_a_view_that_shows_too_much(granted):
    """Whoever alters the view of support access is found out: Ann is shown people who did not allow it."""
    with granted.database.connect_admin() as admin:
        found = admin.execute(granted.sql("select pg_get_viewdef('P_lookup.support_person'::regclass)")).fetchone()[0]
        admin.execute(
            granted.sql(
                "create or replace view P_lookup.support_person as select s.id, s.email, 1::bigint as grant_id"
                " from P_lookup.fact_help_person as s where s.id = 101"
            )
        )
        try:
            report = granted.verify(statics=False)
        finally:
            admin.execute(granted.sql("create or replace view P_lookup.support_person as ") + found.encode())
    assert {one.object for one in report.counterexamples} >= {"help.person", "help.task"}


def test_explain_tells_the_grant(granted):
    answer = ask(granted, ANN, "task", "1001")
    assert answer.allowed
    assert answer.agrees
    text = "\n".join(explanation_lines(answer))
    assert f"support grant {granted.grant} until " in text
    assert "for person 100, ticket T-1" in text
    assert "audit.yaml:3" in text


@pytest.mark.parametrize(
    ("resource", "key", "action", "why"),
    [
        ("task", "1011", Action.READ, "the row is not that person's"),
        ("diary", "100", Action.READ, "the row is not that person's"),
        ("step", '["1001", "1"]', Action.READ, "the row is not that person's"),
    ],
)
def test_explain_tells_why_a_grant_does_not_open_a_row(granted, resource, key, action, why):
    answer = ask(granted, ANN, resource, key, action)
    assert not answer.allowed
    assert answer.agrees
    reasons = [reason for reason in walk(answer.reason) if reason.kind is Kind.SUPPORT_GRANT]
    assert [why in reason.says for reason in reasons] == [True]


def test_explain_and_verify_know_who_moved_out_of_reach(granted):
    """Point 50: what hangs on the person, on tables that ask for no tenant themselves, is not to be seen without him."""
    granted.admin(f"update help.person set tenant = 2 where id = {CARA}")
    try:
        answer = ask(granted, ANN, "task", "1001")
        report = granted.verify(statics=False)
    finally:
        granted.admin(f"update help.person set tenant = 1 where id = {CARA}")
    assert not answer.allowed
    assert answer.agrees
    (reason,) = [reason for reason in walk(answer.reason) if reason.kind is Kind.SUPPORT_GRANT]
    assert reason.says.endswith(": what is required of reading the person does not hold for the viewer")
    assert report.counterexamples == ()


def test_writing_knows_of_no_grant(granted):
    answer = ask(granted, ANN, "task", "1001", Action.UPDATE)
    assert not answer.allowed
    assert answer.agrees
    assert not [reason for reason in walk(answer.reason) if reason.kind is Kind.SUPPORT_GRANT]


def test_matrix_counts_them(granted):
    with Database.open(granted.database.dsn()) as database:
        counted = matrix(
            database,
            read_pack(granted.folder),
            MatrixQuestion(viewers=(str(ANN), str(DAN)), actions=(Action.READ,), expected=True),
        )
    assert counted.findings == ()


def test_plan_says_that_it_cannot_tell_who_will_hold_grants(granted, tmp_path):
    """Another link, another condition: who gains is unknown, never nobody; with the same support access nothing is."""

    def verdicts(old: str, new: str) -> dict[str, str]:
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        shutil.copytree(granted.folder, folder)
        text = (folder / "audit.yaml").read_text()
        assert old in text
        (folder / "audit.yaml").write_text(text.replace(old, new))
        with Database.open(granted.database.dsn()) as database:
            prepared = prepare(database, read_pack(folder))
            plan = compared_plan(database, prepared.plan, prepared.catalog, prepared.ledger)
        return {f"{one.table} {one.action}": one.verdict.value for one in plan.compared if one.verdict.value != "same"}

    assert verdicts("longest: 4 hours", "longest: 2 hours") == {}
    assert verdicts("help.message.sender, ", "help.message.sender, help.diary.person_id, ") == {
        "help.diary read": "at most widens"
    }
    assert verdicts("help.message.sender, ", "") == {"help.message read": "at most narrows"}
    assert set(verdicts("who: {kind: agent}", "who: everyone").values()) == {"unknown"}


def test_a_link_without_an_index_is_named(granted):
    """Without one the arm for grants would keep every statement on the table from using indexes."""
    with Database.open(granted.database.dsn()) as database:
        catalog, _ = read_state(database, granted.prefix)
    pack = read_pack(granted.folder)
    # Without the rule that looks for messages by their sender too, and with a data map that would scan for them.
    assert pack.access is not None
    assert pack.data_map is not None
    resources = tuple(replace(one, rules=()) if one.name == "message" else one for one in pack.access.resources)
    data_map = replace(pack.data_map, unindexed_scan=True)
    pack = replace(pack, access=replace(pack.access, resources=resources), data_map=data_map)
    assert missing_indexes(pack, catalog) == ()
    message = catalog.tables[Name("help", "message")]
    bare = replace(message, indexes=tuple(index for index in message.indexes if index.primary))
    found = missing_indexes(pack, replace(catalog, tables={**catalog.tables, message.name: bare}))
    assert [(one.subject, "support access" in one.message) for one in found] == [("help.message.sender", True)]


def test_who_holds_no_grant_reads_by_index(granted):
    """The arm is an array that an index serves: nobody pays with a scan for what others may see."""
    with granted.acting(DAN) as connection:
        connection.execute("set local enable_seqscan = off")
        plan = "\n".join(line for (line,) in connection.execute("explain select * from help.task"))
    assert "Seq Scan on task" not in plan
    assert "task_owner_id_idx" in plan


@pytest.mark.parametrize(
    ("file", "old", "new", "found"),
    [
        ("audit", "longest: 4 hours", "longest: 4 hours\n  announce: {person: false}", ()),
        ("audit", "person.allow_support", "person.gone", ("support-switch", "help.person.gone")),
        ("audit", "person.allow_support", "person.name", ("support-switch", "help.person.name")),
        ("data_map", "{sender: {", "{sender: {when: {id: 1}, ", ("support-link", "help.message.sender")),
    ],
)
def test_what_cannot_be_bound_is_refused_in_its_place(granted, tmp_path, file, old, new, found):
    shutil.copytree(granted.folder, tmp_path, dirs_exist_ok=True)
    changed = tmp_path / f"{file}.yaml"
    text = changed.read_text()
    assert old in text
    changed.write_text(text.replace(old, new))
    with Database.open(granted.database.dsn()) as database:
        catalog, _ = read_state(database, granted.prefix)
    findings = compile_pack(read_pack(tmp_path), catalog).findings
    errors = [one for one in findings if one.severity is Severity.ERROR]
    assert [one.code for one in errors] == [*found[:1]]
    for one in errors:
        assert one.at is not None
        line = (tmp_path / "audit.yaml").read_text().splitlines()[one.at.line - 1]
        assert line[one.at.column - 1 :].startswith(found[1])


def test_a_switch_that_is_misspelt_is_told_with_the_one_that_may_be_meant(granted, tmp_path):
    shutil.copytree(granted.folder, tmp_path, dirs_exist_ok=True)
    changed = tmp_path / "audit.yaml"
    changed.write_text(changed.read_text().replace("person.allow_support", "person.allow_suport"))
    with Database.open(granted.database.dsn()) as database:
        catalog, _ = read_state(database, granted.prefix)
    (error,) = [one for one in compile_pack(read_pack(tmp_path), catalog).findings if one.severity is Severity.ERROR]
    assert (error.code, error.hint) == ("support-switch", "Did you mean allow_support?")


def test_everything_stands_as_applied(granted):
    """verify with plan, drift, doors and guards: nothing is open that was not before."""
    report = granted.verify()
    assert report.failures == ()
