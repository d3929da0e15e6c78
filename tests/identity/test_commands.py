"""What acts for others acts for them under every way of identifying people, and leaves nothing behind: explain, matrix, verify."""

from __future__ import annotations

import pytest

from pgerase.database import Database
from pgerase.explain import MatrixQuestion, Question, explain, matrix
from pgerase.rules.conditions import Action
from pgerase.rules.read import read_pack
from tests.identity.conftest import PUBLIC, Notes, own, person


@pytest.mark.parametrize(
    ("number", "key", "allowed"),
    [(2, 1 + 60, True), (3, 1 + 60, False), (1, 1 + 60, True), (4, 1 + 60, True), (5, 4, False), (61, 1, False)],
)
def test_explain_agrees_with_the_database(notes: Notes, number: int, key: int, allowed: bool):
    for action in (Action.READ, Action.UPDATE, Action.DELETE):
        with Database.open(notes.database.dsn()) as database:
            answer = explain(database, read_pack(notes.folder), Question(action, "note", str(key), person(number)))
        assert (answer.allowed, answer.agrees) == (allowed, True)


def test_explain_of_a_visitor_agrees_with_the_database(notes: Notes):
    for key, allowed in ((100, True), (1, False)):
        with Database.open(notes.database.dsn()) as database:
            question = Question(Action.READ, "note", str(key), role=notes.roles["anon"])
            answer = explain(database, read_pack(notes.folder), question)
        assert (answer.allowed, answer.agrees) == (allowed, True)


def test_matrix_counts_what_the_rules_mean(notes: Notes):
    before = notes.keys()
    viewers = tuple(person(number) for number in (1, 2, 4, 5))
    question = MatrixQuestion(resources=("note",), actions=(Action.READ,), viewers=viewers, expected=True)
    with Database.open(notes.database.dsn()) as database:
        found = matrix(database, read_pack(notes.folder), question)
    assert found.findings == ()
    assert [cells[0].low for cells in found.cells] == [len(own(1) | own(2) | own(3)), 10, 601, 0]
    assert notes.keys() == before


def test_verify_finds_nothing_and_keeps_nothing(notes: Notes):
    before = notes.keys()
    assert notes.verify().failures == ()
    assert notes.keys() == before
    connection = notes.connect("anon")
    assert notes.seen(connection) == PUBLIC
