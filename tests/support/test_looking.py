"""verify, explain and matrix know of support access; plan says what it cannot prove (docs/meaning.md, points 47 to 53)."""

from __future__ import annotations

import shutil

import pytest

from pgerase.apply.prepare import prepare
from pgerase.database import Database
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
