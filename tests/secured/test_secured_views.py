"""P12: the rules hold for materialized views and foreign tables too, read through secured views."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgerase.apply.execute import apply_plan
from pgerase.apply.ledger import drift, read_state
from pgerase.catalog.model import Name, UserMapping
from pgerase.catalog.read import read_catalog
from pgerase.check.doors import doors
from pgerase.compile import compile_pack
from pgerase.database import Database
from pgerase.errors import UsageError
from pgerase.explain import MatrixQuestion, Question, explain, matrix
from pgerase.plan.revert import make_off, make_revert
from pgerase.plan.whole import plan_whole
from pgerase.report.explanation import explanation_lines
from pgerase.rules.conditions import Action
from pgerase.rules.read import read_pack
from pgerase.rules.read_access import read_access
from tests.secured.conftest import ADMIN, ANA, BEA, GONE, LEAD, ROB, Plant

TOTALS = "select company_id, total from {P}.company_total order by 1"
SHIPMENTS = "select id from {P}.shipment order by 1"
TARIFFS = "select team, price from {P}.tariff"


def keys(rows: list[tuple[object, ...]]) -> list[object]:
    return [row[0] for row in rows]


def test_p12_a_materialized_view_is_read_by_its_rules(plant: Plant):
    # By the companies one may read (the sealed one nobody), with the total masked for whoever is no analyst.
    assert plant.rows(LEAD, TOTALS) == [(10, -1), (11, -1), (12, -1)]
    assert plant.rows(ROB, TOTALS) == [(10, -1), (11, -1)]
    assert plant.rows(BEA, TOTALS) == [(12, -1)]
    assert plant.rows(ANA, TOTALS) == [(10, 150), (11, 20), (14, 0)]
    assert plant.rows(ADMIN, TOTALS) == [(10, -1), (11, -1), (12, -1), (14, -1)]
    for nobody in (None, GONE, "77", "abc"):
        assert plant.rows(nobody, TOTALS) == []
    assert plant.rows(None, TOTALS, "visitor") == [(12, -1)]


def test_p12_foreign_tables_are_read_by_their_rules(plant: Plant):
    assert keys(plant.rows(LEAD, SHIPMENTS)) == [1, 2, 3]
    assert keys(plant.rows(ROB, SHIPMENTS)) == [1]
    assert keys(plant.rows(BEA, SHIPMENTS)) == [2, 3]
    assert keys(plant.rows(ANA, SHIPMENTS)) == []
    assert keys(plant.rows(ADMIN, SHIPMENTS)) == [1, 2, 3, 4]
    assert plant.rows(LEAD, TARIFFS) == [("red", 5), ("red", 5)]
    assert plant.rows(ADMIN, TARIFFS) == [("blue", 9)]
    for nobody in (None, GONE, "77"):
        assert plant.rows(nobody, SHIPMENTS) == plant.rows(nobody, TARIFFS) == []


def test_p12_aggregates_of_a_materialized_view_count_what_requirements_allow(plant: Plant):
    # One company in the south is sealed, so the other stands alone.
    assert plant.rows(ANA, "select * from {P}.sold") == [("north", 3, 170)]
    assert plant.rows(LEAD, "select * from {P}.sold") == []


def test_p12_without_user_mapping_the_owner_of_the_view_reads_nothing_and_check_says_so(plant: Plant):
    found = {(one.code, one.subject, one.severity.value) for one in plant.unmapped}
    assert found == {("user-mapping", "plant.shipment", "error")}
    (said,) = plant.unmapped
    assert f"{plant.prefix}_masker" in said.message
    assert "create user mapping for" in said.hint
    assert said.at is not None
    assert said.at.file == "access.yaml"


def test_p12_a_user_mapping_without_password_is_said_before_postgres_fdw_refuses_it(plant: Plant):
    # As superuser, who may see the options of mappings.
    with Database.open(plant.database.admin_dsn) as database:
        catalog = read_catalog(database)
    table = catalog.tables[Name("plant", "shipment")]
    assert table.server is not None
    masker, lookup = f"{plant.prefix}_masker", f"{plant.prefix}_lookup"
    assert {one.role: one.logs_in for one in table.server.mappings} == {masker: True, lookup: True}
    cases = {
        (("public", False),): {("user-mapping-password", "warning")},
        (("public", True),): set(),
        (("public", None),): set(),  # not to be seen
        ((masker, True), ("public", False)): set(),
        ((lookup, True),): {("user-mapping", "error")},
    }
    for mappings, expected in cases.items():
        server = replace(table.server, mappings=tuple(UserMapping(*one) for one in mappings))
        changed = replace(catalog, tables={**catalog.tables, table.name: replace(table, server=server)})
        found = compile_pack(read_pack(plant.folder), changed).findings
        assert {(one.code, one.severity.value) for one in found if one.code.startswith("user-map")} == expected


DIRECT = {
    "read": "select 1 from plant.{}",
    "whole rows": "select t from plant.{} t",
    "copy": "copy plant.{} to stdout",
    "count": "select count(*) from plant.{}",
    "a view of his own": "create temporary view peek as select * from plant.{}; select * from peek",
}


@pytest.mark.parametrize("relation", ["company_total", "shipment", "tariff"])
def test_p12_nobody_reads_past_the_secured_view(relation: str, plant: Plant):
    for role in ("web", "visitor", "reporter"):
        for what, statement in DIRECT.items():
            viewer = None if role == "reporter" else LEAD
            assert plant.refused(statement.format(relation), viewer, role), (what, role)
    # A service reads what it could (the one that lies elsewhere it could not: it has no user mapping).
    if relation != "shipment":
        ((count,),) = plant.rows(None, f"select count(*) from plant.{relation}", "refresher")
        assert count == {"company_total": 5, "tariff": 3}[relation]


WRITES = {
    "insert": "insert into plant.shipment (weight) values (1)",
    "insert into the view": "insert into {P}.shipment (weight) values (1)",
    "update": "update plant.shipment set weight = 1",
    "update of the view": "update {P}.shipment set weight = 1",
    "delete": "delete from plant.shipment",
    "truncate": "truncate plant.shipment",
    "lock of the view": "select 1 from {P}.shipment for update",
}


@pytest.mark.parametrize("what", WRITES)
def test_p12_nobody_writes_a_secured_foreign_table(what: str, plant: Plant):
    assert plant.refused(WRITES[what])


LEAK = """
    create function pg_temp.leak(p text) returns boolean language plpgsql cost 0.0000001
    as $$ begin raise notice '%', p; return true; end $$
"""
PEEK = {
    # Without the barrier a requirement that costs nothing still comes first.
    "company_total": ("t.company_id::text", {"10", "11"}, {"10", "11", "12", "14"}),
    "tariff": ("t.team", {"red"}, {"red", "blue"}),
}


@pytest.mark.parametrize("relation", PEEK)
def test_p12_threat_a_leaky_function_in_a_readers_condition_is_given_no_hidden_row(relation: str, plant: Plant):
    value, visible, every = PEEK[relation]

    def told() -> set[str]:
        heard: list[str] = []
        with plant.session(ROB) as connection:
            connection.add_notice_handler(lambda notice: heard.append(str(notice.message_primary)))
            connection.execute(LEAK)
            connection.execute(
                f"select 1 from {plant.prefix}.{relation} t where pg_temp.leak({value})".encode(), prepare=False
            )
        return set(heard)

    assert told() == visible
    # What the barrier is for: without it the reader's own function comes first.
    plant.admin(f"alter view {{P}}.{relation} set (security_barrier = false)")
    assert told() == every
    with Database.open(plant.database.dsn()) as database:
        assert ("changed", f"view {plant.prefix}.{relation}") in {
            (one.code, one.subject) for one in drift(database, plant.prefix)
        }
    plant.apply()
    assert told() == visible


def test_p12_refresh_goes_on_and_shows_what_is_there_as_of_it(plant: Plant):
    plant.admin("insert into plant.sale values (6, 11, 1000)")
    try:
        assert (11, 20) in plant.rows(ANA, TOTALS)
        with plant.database.connect(plant.roles["refresher"]) as refresher:
            refresher.execute("refresh materialized view concurrently plant.company_total")
        assert plant.rows(ANA, TOTALS) == [(10, 150), (11, 1020), (14, 0)]
    finally:
        plant.admin("delete from plant.sale where id = 6; refresh materialized view plant.company_total")


def test_p12_verify_compares_secured_views_with_the_rules(plant: Plant):
    report = plant.verify()
    assert report.ok, report.findings
    looked = {one.object: one.extent for one in report.looked if one.what == "secured"}
    assert looked.keys() == {f"{plant.prefix}.{name}" for name in ("company_total", "shipment", "tariff")}
    assert all(" 0 rows shown" not in extent for extent in looked.values()), looked
    assert [one.object for one in report.looked if one.what == "aggregates"] == [f"{plant.prefix}.sold"]


GRANTED_NO_MORE = "revoke select (total) on plant.company_total from {web};"
SHOWN = """
    create or replace view {P}.company_total with (security_barrier)
    as select company_id, region, sealed, -1 as total from plant.company_total
"""
FAULTS = {
    # The fault, what is looked at, what that finds.
    "grants on the relations": (
        "grant select (total) on plant.company_total to {web}; grant delete on plant.shipment to {web}",
        "company_total shipment",
        {"mask-open"},
    ),
    "all rows are shown": (GRANTED_NO_MORE + SHOWN, "company_total", {"mismatch-secured"}),
    "no row is shown": (SHOWN + " where false", "company_total", {"mismatch-secured"}),
    "the view is dropped": ("drop view {P}.company_total", "company_total", {"could-not-look"}),
}


def test_p12_faults_are_found_by_what_then_happens(plant: Plant):
    for fault, (script, relations, codes) in FAULTS.items():
        plant.admin(script)
        report = plant.verify(*(f"plant.{one}" for one in relations.split()), statics=False)
        assert {one.code for one in report.failures} == codes, fault
        assert len(report.failures) == len(relations.split())
    # And by their looks, all together.
    plant.admin("grant select on plant.company_total to {web}")
    looks = {(one.code, one.subject) for one in plant.verify(behaviour=False).failures}
    assert {
        ("missing", f"view {plant.prefix}.company_total"),
        ("changed", f"reads {plant.roles['web']} of plant.company_total"),
        ("changed", f"reads {plant.roles['web']} of plant.shipment"),
        ("door-materialized-view", "plant.company_total"),
        ("door-foreign-table", "plant.shipment"),
    } <= looks
    plant.apply()
    assert plant.verify("plant.company_total").ok


def test_p12_a_secured_relation_is_a_shut_door_and_what_reads_past_its_view_an_open_one(plant: Plant):
    def open_doors() -> dict[tuple[str, str], str]:
        with Database.open(plant.database.dsn()) as database:
            catalog = read_catalog(database)
        desired = compile_pack(read_pack(plant.folder), catalog)
        found = doors(catalog, desired.governed, plant.prefix, exempt=desired.exempt)
        return {(one.kind, one.name): one.severity.value for one in found if one.name.startswith("plant.")}

    assert ("materialized_view", "plant.company_total") in plant.open_before
    before = open_doors()
    assert not {kind for kind, _ in before} & {"materialized_view", "view", "table"}, before
    plant.admin(
        """
        create view plant.past as select * from plant.company_total;
        create view plant.through as select * from {P}.company_total;
        alter view plant.past owner to {refresher};
        alter view plant.through owner to {web};
        grant select on plant.past, plant.through to {web}, {visitor}
        """
    )
    opened = open_doors()
    assert {key: opened[key] for key in opened.keys() - before.keys()} == {("view", "plant.past"): "error"}
    plant.admin("drop view plant.past, plant.through")
    assert open_doors() == before


def test_p12_explain_tells_why_a_row_of_a_materialized_view_is_shown(plant: Plant):
    with Database.open(plant.database.dsn()) as database:
        pack = read_pack(plant.folder)
        shown = explain(database, pack, Question(Action.READ, "total", "12", BEA))
        assert (shown.allowed, shown.agrees) == (True, True)
        assert shown.enforcement.secured_view == f"{plant.prefix}.company_total"
        assert shown.findings == ()
        text = "\n".join(explanation_lines(shown))
        assert f"the secured view {plant.prefix}.company_total of plant.company_total" in text
        sealed = explain(database, pack, Question(Action.READ, "total", "13", BEA))
        assert (sealed.allowed, sealed.agrees) == (False, True)
        with pytest.raises(UsageError, match=r"plant\.company_total is a materialized view.*nobody writes it"):
            explain(database, pack, Question(Action.UPDATE, "total", "12", BEA))
        # PostgreSQL has no keys on foreign tables.
        with pytest.raises(UsageError, match=r"plant\.shipment has no unique index"):
            explain(database, pack, Question(Action.READ, "shipment", "1", BEA))


def test_p12_matrix_counts_through_secured_views(plant: Plant):
    question = MatrixQuestion(viewers=(LEAD, ANA), resources=("total", "shipment"), expected=True)
    with Database.open(plant.database.dsn()) as database:
        counted = matrix(database, read_pack(plant.folder), question)
    assert counted.findings == ()
    # Read and update of each: nobody updates.
    assert [[cell.low for cell in line] for line in counted.cells] == [[3, 0, 3, 0], [3, 0, 0, 0]]


WRITTEN = """
  total:
    table: plant.company_total
    everyone: write
    rules:
      - {name: theirs, rows: {region: north}, can: [read, update]}
    require:
      - {name: open, rows: {sealed: false}, can: [update]}
    columns:
      total: {update: everyone}
  shipment:
    table: plant.shipment
    everyone: none
    hand_over: company_id
"""


def test_p12_what_speaks_of_writing_is_refused_by_name_and_place(plant: Plant):
    text = (plant.folder / "access.yaml").read_text(encoding="utf-8")
    before = text[: text.index("  total:\n")]
    pack = read_pack(plant.folder)
    access = read_access(before + WRITTEN.lstrip("\n"), "access.yaml")
    with Database.open(plant.database.dsn()) as database:
        catalog = read_catalog(database)
    found = {
        (one.subject, one.at.line - before.count("\n"), one.message.split(",")[0])
        for one in compile_pack(replace(pack, access=access), catalog).findings
        if one.code == "read-only" and one.at is not None
    }
    assert found == {
        ("total", 1, "everyone: write lets people write"),
        ("total", 5, "the rule theirs says can: update"),
        ("total", 7, "the requirement open says can: update"),
        ("total", 9, "columns: total says who writes it"),
        ("shipment", 13, "hand_over: company_id changes rows"),
    }


def test_p12_a_plan_waits_until_somebody_says_that_the_application_reads_the_view(plant: Plant):
    pack = read_pack(plant.folder)
    settings = replace(pack.settings, acknowledged=())
    with Database.open(plant.database.dsn()) as database:
        catalog, ledger = read_state(database, plant.prefix)
    refused = plan_whole(replace(pack, settings=settings), catalog, ledger).refusals
    said = {one.subject: one.message for one in refused if one.code == "unacknowledged-secured-table"}
    assert said.keys() >= {"plant.company_total"}, {one.code for one in refused}


def test_p12_a_materialized_view_that_was_made_anew_is_drift_until_the_next_apply(plant: Plant):
    with plant.database.connect_admin() as admin:
        ((definition,),) = admin.execute("select pg_get_viewdef('plant.company_total'::regclass)").fetchall()
    plant.admin(
        "drop materialized view plant.company_total cascade;"
        f"create materialized view plant.company_total as {definition}"
        "create unique index company_total_key on plant.company_total (company_id);"
        "alter materialized view plant.company_total owner to {refresher};"
        "grant select on plant.company_total to {web}"
    )
    with Database.open(plant.database.dsn()) as database:
        found = {(one.code, one.subject) for one in drift(database, plant.prefix)}
    assert ("missing", f"view {plant.prefix}.company_total") in found
    assert ("changed", f"reads {plant.roles['web']} of plant.company_total") in found
    assert ("missing", f"grant select on table plant.company_total to {plant.prefix}_masker") in found
    assert plant.rows(LEAD, "select count(*) from plant.company_total") == [(5,)]
    plant.apply()
    assert plant.refused("select 1 from plant.company_total")
    assert plant.rows(ROB, TOTALS) == [(10, -1), (11, -1)]
    assert plant.plan().pending == ()


def test_p12_off_and_revert_give_back_what_was_granted(plant: Plant):
    with Database.open(plant.database.dsn()) as database:
        catalog, ledger = read_state(database, plant.prefix)
        apply_plan(database, make_off(catalog, ledger, plant.prefix, "plant", Name("plant", "shipment")))
        # Both ways are open for a while: who reads through the view goes on.
        assert [one for one in plant.granted() if one[0] == "shipment"] == [
            one for one in plant.grants if one[0] == "shipment"
        ]
        assert keys(plant.rows(ROB, SHIPMENTS)) == [1]
        assert plant.refused("select 1 from plant.company_total")
        catalog, ledger = read_state(database, plant.prefix)
        apply_plan(database, make_revert(catalog, ledger, plant.prefix, "plant"), allow_drop=True)
    assert plant.granted() == plant.grants
    with plant.database.connect_admin() as admin:
        left = "select count(*) from pg_class where relnamespace = %s::regnamespace and relkind = 'v'"
        assert admin.execute(left, [plant.prefix]).fetchone() == (0,)
    plant.apply()
    assert plant.verify(behaviour=False).ok
