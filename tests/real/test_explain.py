"""P11: on the real databases, what is explained is what the database does and what plain SQL expects."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import psycopg
import pytest
from psycopg import sql

from pgerase.cli.main import main
from pgerase.database import Database
from pgerase.explain import Question, explain
from pgerase.meaning.reasons import Kind, walk
from pgerase.rules.conditions import Action
from pgerase.rules.read import read_pack
from tests.property.explained import faults
from tests.real.deployment import Deployment
from tests.real.test_customer_success import CHARACTERISTIC

SEED = 4
EACH = 1
"""Questions a table and action about rows that plain SQL says are allowed, and as many about any."""


def differing(
    deployment: Deployment, truth: psycopg.Connection, tables: dict[str, str], viewers: Sequence[str], schema: str
) -> list[str]:
    """Where an explanation differs from the database, from the expected views, or from its own reasons.

    `tables` are keys as the expected views spell them, by table, which is also the resource's name unless `table:resource`; behind
    a bar the primary key, where it is another.
    """
    draw = Random(SEED)
    wrong: list[str] = []
    with Database.open(deployment.database.dsn()) as database:
        pack = read_pack(deployment.folder)
        for name, written in tables.items():
            table, _, resource = name.partition(":")
            key, _, primary = written.partition(" | ")
            columns = sql.SQL(f"{key}, {primary or key}")
            statement = sql.SQL("select {} from {}").format(columns, sql.Identifier(schema, table))
            keys = {row[0]: row[1] for row in truth.execute(statement)}
            for action in (Action.READ, Action.UPDATE):
                view = sql.Identifier("expected", f"{table}_{action}")
                statement = sql.SQL("select viewer, key from {} where viewer = any (%s)").format(view)
                expected = {(row[0], row[1]) for row in truth.execute(statement, [list(viewers)])}
                mine = sorted(expected)
                asked = draw.sample(mine, min(len(mine), EACH))
                asked += [(draw.choice(viewers), draw.choice(sorted(keys))) for _ in range(EACH)]
                for viewer, row in asked:
                    answer = explain(database, pack, Question(action, resource or table, keys[row], viewer))
                    right = answer.allowed is ((viewer, row) in expected) and answer.agrees is True
                    if not right or [*faults(answer.reason)] or answer.findings:
                        wrong.append(
                            f"{viewer} {action} {table} {row}: {answer.allowed}, {answer.asked}, {answer.findings}"
                        )
    return wrong


def test_p11_customer_success(customer_success: Deployment, customer_success_truth: psycopg.Connection):
    tables = {
        "company": "company_id::text",
        "relationship": "relationship_id::text",
        "call_to_action:cta": "cta_id::text",
        "note": "note_id::text",
        "success_plan": "plan_id::text",
        "scorecard": "scorecard_id::text",
        "timeline_activity:activity": "activity_id::text | json_build_array(activity_id, occurred_at)::text",
    }
    viewers = [viewer for viewer in CHARACTERISTIC if viewer]
    assert differing(customer_success, customer_success_truth, tables, viewers, "cs") == []


def test_p11_chinook(chinook_deployed: Deployment, chinook_truth: psycopg.Connection):
    tables = {"customer": "customer_id::text", "invoice": "invoice_id::text", "invoice_line": "invoice_line_id::text"}
    assert differing(chinook_deployed, chinook_truth, tables, [*map(str, range(1, 9)), "99"], "public") == []


def test_p11_pagila(pagila_deployed: Deployment, pagila_truth: psycopg.Connection):
    tables = {"customer": "customer_id::text", "rental": "rental_id::text", "address": "address_id::text"}
    assert differing(pagila_deployed, pagila_truth, tables, ["1", "2", "1421", "1500"], "public") == []


@pytest.mark.parametrize(("key", "allowed"), [('["1", "3402"]', True), ("[1, 3402]", True), ('["99", "1"]', False)])
def test_p11_composite_keys_are_json_arrays(key: str, allowed: bool, chinook_deployed: Deployment):
    with Database.open(chinook_deployed.database.dsn()) as database:
        question = Question(Action.READ, "playlist_track", key, "3")
        answer = explain(database, read_pack(chinook_deployed.folder), question)
    assert (answer.allowed, answer.agrees) == (allowed, True)


def test_p11_a_key_of_too_few_parts_is_refused(chinook_deployed: Deployment, capsys: pytest.CaptureFixture[str]):
    common = ["--pack", str(chinook_deployed.folder), "--dsn", chinook_deployed.database.dsn(), "explain", "read"]
    assert main([*common, "playlist_track", "1", "--viewer", "3"]) == 2
    assert "a JSON array of 2 texts" in capsys.readouterr().err


def test_p11_an_administrator_is_told_why_carla_does_not_see_the_other_account(
    customer_success: Deployment, capsys: pytest.CaptureFixture[str]
):
    """What test_requirements.py shows to be nothing for her (company 13) has its reasons."""
    with Database.open(customer_success.database.dsn()) as database:
        answer = explain(database, read_pack(customer_success.folder), Question(Action.READ, "company", "13", "1001"))
    assert (answer.allowed, answer.agrees) == (False, True)
    failing = [
        one for one in walk(answer.reason) if one.truth is not True and one.kind in (Kind.RULE, Kind.REQUIREMENT)
    ]
    assert failing
    assert all(one.at is not None and one.at.file.endswith("access.yaml") for one in failing)
    assert {policy.name for policy in answer.enforcement.policies if policy.permissive} == {
        f"{customer_success.prefix}_read"
    }
