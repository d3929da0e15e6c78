"""How the generated policies are carried out: nothing is called or asked for each row, and indexes serve as they do by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from pgerase.apply.ledger import read_state
from pgerase.cli.main import main
from pgerase.compile.indexes import missing_indexes
from pgerase.database import Database
from pgerase.rules.read import read_pack
from tests.verify.conftest import Site

Plan = dict[str, Any]

REPORT, BOSS, ADMIN = 110, 1, 9999
"""Somebody who reaches himself alone, somebody who reaches 111 people, and the super admin."""

CONDITIONS = ("Filter", "Index Cond", "Recheck Cond", "Join Filter", "Hash Cond", "Merge Cond")
CALL = re.compile(r'(?:[a-z_]\w*|"[^"]+")(?:\.(?:[a-z_]\w*|"[^"]+"))?(?=\()')
BUILT_IN = {"current_setting"}
"""Where the key's range stands in a filter, the hint of `become` is read there: a look at a variable of the session."""


@contextmanager
def session(site: Site, viewer: int) -> Generator[psycopg.Connection]:
    with site.session(str(viewer)) as connection:
        # As on any server with solid-state disks; with the default the depot is small enough to be read whole.
        connection.execute("set local random_page_cost = 1.1")
        yield connection


def explained(connection: psycopg.Connection, query: str) -> Plan:
    row = connection.execute(f"explain (format json) {query}".encode()).fetchone()
    assert row is not None
    return row[0][0]["Plan"]


def nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def body(plan: Plan) -> Iterator[Plan]:
    """The nodes that see rows of the statement; what is found out once beforehand is left out."""
    yield plan
    for child in plan.get("Plans", []):
        if child["Parent Relationship"] != "InitPlan":
            yield from body(child)


def indexes(plan: Plan) -> set[str]:
    return {node["Index Name"] for node in body(plan) if "Index Name" in node}


def asked_for_each_row(plan: Plan) -> list[str]:
    """Subplans that are not hashed, and functions called in conditions on rows that are looked for.

    What is asked of a new row stands below the node that writes it and is left out: a new row cannot be looked for.
    """
    found = [
        child["Subplan Name"]
        for node in nodes(plan)
        if node["Node Type"] != "ModifyTable"
        for child in node.get("Plans", [])
        if child["Parent Relationship"] == "SubPlan"
    ]
    conditions = [str(node[key]) for node in nodes(plan) for key in CONDITIONS if key in node]
    once = {name for name in found if any(f"hashed {name}" in text for text in conditions)}
    called = {call for text in conditions for call in CALL.findall(text)} - BUILT_IN
    return sorted({*found} - once | called)


QUERIES = {
    "count of tickets": "select count(*) from depot.ticket",
    "page of tickets": "select * from depot.ticket order by id limit 50",
    "ticket by key": "select * from depot.ticket where id = 4711",
    "tickets of a contract": "select * from depot.ticket where contract_id = 4711",
    "join": "select count(*) from depot.ticket as t join depot.contract as c on c.id = t.contract_id",
    "remarks": "select count(*) from depot.remark",
    "sites": "select count(*) from depot.site",
    "update by key": "update depot.ticket set state = 's9' where id = 4711",
    "update of all": "update depot.ticket set state = 's9'",
    "delete by key": "delete from depot.ticket where id = 4711",
}


@pytest.mark.parametrize("viewer", [REPORT, BOSS, ADMIN])
def test_p10_nothing_is_called_or_asked_for_each_row(viewer: int, depot: Site):
    with session(depot, viewer) as connection:
        asked = {name: asked_for_each_row(explained(connection, query)) for name, query in QUERIES.items()}
    assert {name: found for name, found in asked.items() if found} == {}


def test_what_is_asked_for_each_row_is_noticed(depot: Site):
    with session(depot, REPORT) as connection:
        asked = "select from depot.ticket as t where exists (select from depot.contract as c where c.id = t.contract_id offset 0)"
        assert asked_for_each_row(explained(connection, asked)) != []
        called = f'select from depot.ticket where state < "{depot.prefix}".presented_viewer() || md5(state)'
        assert asked_for_each_row(explained(connection, called)) != []


REACH = "array(with recursive r as (select 110::bigint as id union select p.id from depot.person as p join r on p.manager_id = r.id) select id from r)"
CONTRACTS = f"array(select c.id from depot.contract as c where c.owner_id = any ({REACH}))"
ACCOUNTS = "array(select m.account_id from depot.account_member as m where m.person_id = 110)"
TICKETS = f"t.assignee_id = any ({REACH}) or t.contract_id = any ({CONTRACTS})"
BY_HAND = {
    "count of tickets": f"select count(*) from depot.ticket as t where {TICKETS}",
    "page of tickets": f"select * from depot.ticket as t where {TICKETS} order by id limit 50",
    "ticket by key": f"select * from depot.ticket as t where id = 4711 and ({TICKETS})",
    "tickets of a contract": f"select * from depot.ticket as t where contract_id = 4711 and ({TICKETS})",
    "remarks": (
        f"select count(*) from depot.remark as m where m.author_id = any ({REACH}) or m.account_id = any ({ACCOUNTS})"
        " or m.ticket_id = any (array(select 7::bigint)) or m.readers @> array[110::bigint]"
    ),
    "sites": (
        "select count(*) from depot.site as s where s.area_id = any (array(select 5::bigint))"
        f" or s.account_id = any ({ACCOUNTS})"
    ),
    "update by key": f"update depot.ticket as t set state = 's9' where id = 4711 and ({TICKETS})",
    "update of all": f"update depot.ticket as t set state = 's9' where {TICKETS}",
    "delete by key": f"delete from depot.ticket as t where id = 4711 and ({TICKETS})",
}


def test_p10_indexes_serve_as_they_do_by_hand(depot: Site):
    with depot.database.connect_admin() as admin:
        admin.execute("set random_page_cost = 1.1")
        by_hand = {name: indexes(explained(admin, query)) for name, query in BY_HAND.items()}
    assert all(by_hand.values())
    with session(depot, REPORT) as connection:
        plans = {name: explained(connection, QUERIES[name]) for name in BY_HAND}
    unused = {name: by_hand[name] - indexes(plan) for name, plan in plans.items()}
    assert {name: left for name, left in unused.items() if left} == {}
    assert not [name for name, plan in plans.items() for node in body(plan) if node["Node Type"] == "Seq Scan"]


@pytest.mark.parametrize("view", ["may_read_account", "may_read_contract", "may_read_ticket", "may_update_contract"])
def test_p10_indexes_serve_decisions_about_parents(view: str, depot: Site):
    with depot.database.connect_admin() as admin:
        admin.execute("set random_page_cost = 1.1")
        plan = explained(admin, f'select v.id from "{depot.prefix}_lookup".{view} as v')
    assert "Seq Scan" not in {node["Node Type"] for node in nodes(plan)}
    assert asked_for_each_row(plan) == []


@pytest.mark.parametrize("viewer", [REPORT, BOSS])
def test_p10_a_plan_made_once_for_all_serves_by_indexes_too(viewer: int, depot: Site):
    with session(depot, viewer) as connection:
        connection.execute("set local plan_cache_mode = force_generic_plan")
        connection.execute("prepare by_contract (bigint) as select * from depot.ticket where contract_id = $1")
        connection.execute("prepare by_key (bigint) as select * from depot.ticket where id = $1")
        connection.execute("prepare counted as select count(*) from depot.ticket")
        plans = [explained(connection, f"execute {each}") for each in ("by_contract (7)", "by_key (7)", "counted")]
    assert [indexes(plan) for plan in plans] == [
        {"ticket_contract"},
        {"ticket_pkey"},
        {"ticket_pkey", "ticket_assignee", "ticket_contract"},
    ]
    assert [asked_for_each_row(plan) for plan in plans] == [[], [], []]


# Advice ---------------------------------------------------------------------------------------------------------------

PROBED = {
    "depot.person.manager_id",
    "depot.account.owner_id",
    "depot.contract.account_id",
    "depot.contract.owner_id",
    "depot.ticket.contract_id",
    "depot.ticket.assignee_id",
    "depot.account_member.person_id",
    "depot.remark.account_id",
    "depot.remark.ticket_id",
    "depot.remark.author_id",
    "depot.remark.readers",
    "depot.area.parent_id",
    "depot.area_member.person_id",
    "depot.site.area_id",
    "depot.site.account_id",
}
INDEXES = """
    select format('drop index depot.%I', i.relname), pg_catalog.pg_get_indexdef(i.oid)
    from pg_catalog.pg_class as i
        join pg_catalog.pg_index as x on x.indexrelid = i.oid
    where i.relnamespace = 'depot'::regnamespace and not x.indisunique
"""


@pytest.fixture
def advised(depot: Site) -> Callable[[], dict[str, str]]:
    """`advised()`: the columns that lack an index, and the statement for each."""

    def ask() -> dict[str, str]:
        with Database.open(depot.database.dsn()) as database:
            catalog, _ = read_state(database, depot.prefix)
        return {each.subject: each.hint for each in missing_indexes(read_pack(depot.folder), catalog)}

    return ask


@pytest.fixture
def bare(depot: Site) -> Iterator[psycopg.Connection]:
    """The owner's connection to the depot without its indexes; they are there again afterwards."""
    with depot.database.connect() as owner:
        made = owner.execute(INDEXES).fetchall()
        for drop, _ in made:
            owner.execute(drop)
        yield owner
        for drop, _ in owner.execute(INDEXES).fetchall():
            owner.execute(drop)
        for _, create in made:
            owner.execute(create)


def test_nothing_is_advised_where_every_probed_column_has_an_index(advised: Callable[[], dict[str, str]]):
    assert advised() == {}


def test_the_advised_statements_cure_the_finding_and_are_used(
    depot: Site, bare: psycopg.Connection, advised: Callable[[], dict[str, str]]
):
    statements = advised()
    assert set(statements) == PROBED
    assert statements["depot.ticket.assignee_id"] == "CREATE INDEX CONCURRENTLY ON depot.ticket (assignee_id);"
    with session(depot, REPORT) as connection:
        before = explained(connection, QUERIES["count of tickets"])
    assert "Seq Scan" in {node["Node Type"] for node in body(before)}

    for statement in statements.values():
        bare.execute(statement.encode())
    bare.execute("analyze")
    assert advised() == {}
    for query in ("count of tickets", "remarks", "sites"):
        with session(depot, REPORT) as connection:
            after = explained(connection, QUERIES[query])
        assert "Seq Scan" not in {node["Node Type"] for node in body(after)}


def test_an_index_that_cannot_serve_is_none(bare: psycopg.Connection, advised: Callable[[], dict[str, str]]):
    bare.execute("create index on depot.ticket (state, assignee_id)")
    bare.execute("create index on depot.ticket (contract_id) where state = 's1'")
    bare.execute("create index on depot.remark (readers)")
    assert set(advised()) == PROBED


def test_check_prints_the_advice_and_passes(depot: Site, bare: psycopg.Connection, capsys: pytest.CaptureFixture[str]):
    bare.execute("create index on depot.person (manager_id)")
    code = main(["--dsn", depot.database.dsn(), "--pack", str(depot.folder), "check", "--bound"])
    printed = capsys.readouterr().out
    assert "note[missing-index]" in printed
    assert "CREATE INDEX CONCURRENTLY ON depot.site (area_id);" in printed
    assert "depot.person.manager_id" not in printed
    assert code == ("warning[" in printed)  # of a server that is not up to date
