"""S6: people who run analytics get aggregates, never the rows. Expectations are computed by hand from bureau/schema.sql."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import psycopg
import pytest

from pgerase.apply.execute import apply_plan
from pgerase.apply.ledger import drift, read_state
from pgerase.cli.main import main
from pgerase.database import Database
from pgerase.errors import Severity
from pgerase.plan.model import Effect
from pgerase.plan.revert import make_revert
from pgerase.verify.model import Verdict, VerifyReport
from tests.real.deployment import Deployment
from tests.verify.conftest import Site

ANALYST, HEAD, OTHER_TENANT, ADMIN, FORMER, SELLER = "1", "2", "3", "4", "5", "10"


def rows(site: Deployment, viewer: str | None, statement: str) -> list[tuple]:
    with site.session(viewer, site.roles["web"]) as connection:
        return connection.execute(statement.replace("{P}", site.prefix)).fetchall()


def test_s6_groups_that_are_large_enough_are_shown_and_no_others(bureau: Site):
    # North 4 sales, one without an amount; south 3, of which 2 have an amount or points: too few to tell; west 1: not there.
    # Sales of no region are a group like others.
    assert rows(bureau, ANALYST, "select * from {P}.by_region order by region nulls last") == [
        ("north", 4, Decimal("60.50"), Decimal("20.1666666666666667"), 10, 4),
        ("south", 3, None, None, None, 3),
        (None, 3, Decimal("9.00"), Decimal("3.0000000000000000"), 30, 3),
    ]


def test_s6_a_group_of_people_counts_people_and_not_their_rows(bureau: Site):
    # North is two people's, but all amounts there are one's; the seller whom nobody knows is no person. Counts to the nearest 3.
    assert rows(bureau, ANALYST, "select * from {P}.by_seller order by region nulls last") == [
        ("north", 3, None),
        ("south", 3, Decimal("16.00")),
        (None, 3, Decimal("9.00")),
    ]


def test_s6_lookups_enums_and_numbers_that_are_none(bureau: Site):
    found = rows(bureau, ANALYST, "select city, kind::text, letter, sales, share, mean from {P}.by_city order by city")
    assert [row[:4] for row in found] == [("Bonn", "new", "a  ", 4), ("Kiel", "old", "b  ", 2)]
    assert math.isnan(found[0][4])
    assert math.isnan(found[0][5])
    assert found[1][4:] == (1.125, 0.5625)
    assert rows(bureau, HEAD, 'select * from {P}."all"') == [(11,)]


def test_s6_requirements_bind_what_is_counted(bureau: Site):
    # Tenant 2 has two sales in the north and one in the south: no group of three, and nothing of tenant 1 among them.
    assert rows(bureau, OTHER_TENANT, "select * from {P}.by_region") == []
    assert rows(bureau, OTHER_TENANT, "select city, sales, share from {P}.by_city") == [("Kiel", 3, 3.0)]


def test_s6_nobody_else_sees_anything(bureau: Site):
    # Not a manager through whom he reports to him, not a super admin, nobody who was an analyst, no unknown identity.
    counts = "select (select count(*) from {P}.by_region), (select count(*) from {P}.by_seller),"
    counts += ' (select count(*) from {P}.by_city), (select count(*) from {P}."all")'
    assert rows(bureau, ANALYST, counts) == [(3, 3, 2, 0)]
    assert rows(bureau, HEAD, counts) == [(0, 0, 0, 1)]
    for viewer in (ADMIN, FORMER, SELLER, "77", "abc", None):
        assert rows(bureau, viewer, counts) == [(0, 0, 0, 0)], viewer
    assert rows(bureau, ANALYST, "select id from bureau.sale") == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(bureau, ANALYST, "select * from {P}_lookup.aggregate_by_region()")
    for write in (
        "delete from {P}.by_region",
        "update {P}.by_region set sales = 1",
        "insert into {P}.by_region default values",
    ):
        with pytest.raises((psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.InsufficientPrivilege)):
            rows(bureau, ANALYST, write)


# Conditions of the reader ------------------------------------------------------------------------------------------------

_TELL = """
    create function pg_temp.tell(p_region text) returns boolean language plpgsql cost 0.0000001 as $$
    begin
        raise notice 'saw %', p_region;
        return true;
    end;
    $$
"""
_BY_HAND = "as select region, count(*) as sales from bureau.sale where tenant = 1 group by region having count(*) >= 3"


@pytest.fixture
def by_hand(bureau: Site) -> Iterator[Site]:
    """The views that one would write by hand, owned by one whom no policy binds."""
    bureau.admin(
        f"create view bureau.plain {_BY_HAND}; create view bureau.barrier with (security_barrier) {_BY_HAND};"
        "grant select on bureau.plain, bureau.barrier to {web}"
    )
    yield bureau
    bureau.admin("drop view bureau.plain; drop view bureau.barrier")


@contextmanager
def analyst(site: Site) -> Iterator[psycopg.Connection]:
    with site.session(ANALYST, site.roles["web"]) as connection:
        yield connection


def test_s6_a_leaky_function_sees_no_group_that_is_hidden(by_hand: Site):
    with analyst(by_hand) as connection:
        connection.execute(_TELL)
        told: set[str] = set()
        connection.add_notice_handler(lambda diagnostic: told.add(diagnostic.message_primary or ""))

        def saw(view: str) -> set[str]:
            told.clear()
            assert len(connection.execute(f"select * from {view} where pg_temp.tell(region)").fetchall()) == 3
            return set(told)

        shown = {"saw north", "saw south", "saw <NULL>"}
        assert saw("bureau.plain") == {*shown, "saw west"}  # the condition was moved below HAVING
        assert saw("bureau.barrier") == shown
        assert saw(f"{by_hand.prefix}.by_region") == shown


def test_s6_no_plan_tells_how_large_a_hidden_group_is(by_hand: Site):
    with analyst(by_hand) as connection:

        def told(view: str, region: str) -> str:
            explain = "explain (analyze, costs off, timing off, summary off, buffers off)"
            plan = connection.execute(f"{explain} select * from {view} where region = '{region}'").fetchall()
            return "\n".join(str(row[0]) for row in plan).replace(region, "…")

        # A leakproof condition goes below HAVING even where there is a barrier, and the plan counts what it let through.
        assert told("bureau.barrier", "west") != told("bureau.barrier", "nowhere")
        assert "Removed by Filter: 1" in told("bureau.barrier", "west")
        ours = f"{by_hand.prefix}.by_region"
        assert told(ours, "west") == told(ours, "nowhere")
        assert "sale" not in told(ours, "west").replace("sales", "")


def test_s6_types_and_tables_of_the_reader_stand_for_nothing(bureau: Site):
    # Temporary types and tables are found before all others, unless a path says otherwise: and this check would run as the owner.
    with analyst(bureau) as connection:
        told: list[str | None] = []
        connection.add_notice_handler(lambda diagnostic: told.append(diagnostic.message_primary))
        connection.execute(
            """
            create function pg_temp.tell(p_text pg_catalog.text) returns boolean language plpgsql as $$
            begin
                raise notice 'as % in %', p_text, current_user;
                return true;
            end;
            $$;
            create domain pg_temp.text as pg_catalog.text check (pg_temp.tell(value));
            create temporary table sale (id int);
            """
        )
        assert len(connection.execute(f"select * from {bureau.prefix}.by_region").fetchall()) == 3
        assert connection.execute(f'select * from {bureau.prefix}."all"').fetchall() == []
        assert told == []


# Compiling, planning, applying -------------------------------------------------------------------------------------------


def edited(site: Site, *changes: tuple[str, str]) -> list[tuple[str, Severity, str]]:
    """What a plan finds about aggregates once access.yaml has these changes."""
    path = site.folder / "access.yaml"
    text = path.read_text(encoding="utf-8")
    changed = text
    for before, after in changes:
        assert before in changed
        changed = changed.replace(before, after, 1)
    path.write_text(changed, encoding="utf-8")
    try:
        return [(one.code, one.severity, one.message) for one in site.plan().findings]
    finally:
        path.write_text(text, encoding="utf-8")


REFUSED = {
    "a masked column would show": ("by: [region]", "by: [buyer]", "aggregate-shows-masked"),
    "what a masked column leads to would show": ("buyer: {read", "shop_id: {read", "aggregate-shows-masked"),
    "a number is needed to add": ("{sum: amount}", "{sum: region}", "not-a-number"),
    "arrays are no groups": ("by: [region]", "by: [tags]", "not-groupable"),
    "json has no equality": ("{distinct: buyer}", "{distinct: payload}", "not-groupable"),
    "no such column": ("by: [region]", "by: [regoin]", "unknown-column"),
    "no such lookup": ("shop_id.city", "kind.city", "not-a-lookup"),
    "a table's masked view has the name": ("  by_city:", "  sale:", "name-collision"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_s6_what_cannot_be_kept_is_refused(name: str, bureau: Site):
    before, after, code = REFUSED[name]
    found = edited(bureau, (before, after))
    assert code in {found_code for found_code, severity, _ in found if severity is Severity.ERROR}


def adopted(site: Site, **modes: str) -> set[tuple[str, Severity, str]]:
    """What a plan finds about aggregates where pack.yaml says so of tables."""
    path = site.folder / "pack.yaml"
    text = path.read_text(encoding="utf-8")
    tables = "".join(f"  bureau.{name}: {{{mode}}}\n" for name, mode in modes.items())
    path.write_text(text.replace("acknowledge:", f"tables:\n{tables}acknowledge:"), encoding="utf-8")
    try:
        return {
            (one.code, one.severity, one.subject) for one in site.plan().findings if one.code.startswith("aggregate-")
        }
    finally:
        path.write_text(text, encoding="utf-8")


def test_s6_a_policy_of_others_that_would_not_bind_what_is_counted_is_refused(bureau: Site):
    bureau.admin("create policy weekdays on bureau.sale as restrictive for select to {web} using (id > 1)")
    try:
        found = adopted(bureau, person="mode: on", shop="mode: on", sale="mode: on, existing: fence")
    finally:
        bureau.admin("drop policy weekdays on bureau.sale")
    assert found == {("aggregate-unfenced", Severity.ERROR, f"{bureau.prefix}.{name}") for name in FAULTS}


def test_s6_a_resource_that_is_off_has_no_aggregates(bureau: Site):
    found = adopted(bureau, person="mode: on", shop="mode: on", sale="mode: off")
    assert found == {("aggregate-not-governed", Severity.WARNING, name) for name in FAULTS}


def test_s6_two_aggregates_of_the_same_rows_are_noted(bureau: Site):
    found = [message for code, _, message in edited(bureau) if code == "aggregates-differ"]
    assert len(found) == 6
    assert found[0].startswith("by_region and by_seller both count rows of sale")


def test_s6_a_new_aggregate_widens_and_one_that_goes_narrows(bureau: Site):
    path = bureau.folder / "access.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("  by_city:", "  by_town:"), encoding="utf-8")
    steps = {str(step.key): step.effect for step in bureau.plan().pending}
    path.write_text(text, encoding="utf-8")
    assert steps[f"view {bureau.prefix}.by_town"] is Effect.WIDEN
    assert steps[f"view {bureau.prefix}.by_city"] is Effect.NARROW
    assert bureau.plan().pending == ()


def test_s6_the_generated_sql_says_where_it_comes_from(bureau: Site):
    (comment,) = rows(bureau, None, "select obj_description('{P}.by_seller'::regclass)")[0]
    line = (
        bureau.folder.joinpath("access.yaml")
        .read_text(encoding="utf-8")
        .splitlines()
        .index("  by_seller:                      # of two sellers at least")
        + 1
    )
    assert f"Aggregate by_seller of sale (access.yaml:{line}:3): groups of at least 2 different seller_id" in comment


# Explain -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def explained(bureau: Site, capsys: pytest.CaptureFixture[str]) -> Callable[[str], tuple[int, str, str]]:
    def run(line: str) -> tuple[int, str, str]:
        code = main(["explain", *line.split(), "--pack", str(bureau.folder), "--dsn", bureau.database.dsn()])
        printed = capsys.readouterr()
        return code, printed.out.replace(f"{bureau.folder}/", "").replace(bureau.prefix, "P"), printed.err

    return run


EXPLAINED = """\
allowed: viewer 1 may read the aggregate by_region (P.by_region)
because
  viewer 1 is active (access.yaml:6)
  `who` of by_region (access.yaml:24) holds for the viewer
    yes: in group analysts (access.yaml:10)
      yes: active (access.yaml:6)
        yes: status is 'ACTIVE'
      yes: fits its criteria (access.yaml:10)
        yes: title is 'Analyst'
what it shows
  groups of sale (bureau.sale) by region, and never a row (access.yaml:24)
  a group of fewer than 3 rows is not shown
  amount, mean, points, buyers: nothing where fewer than 3 rows of the group have a value
  what requirements keep from the viewer is not counted: "tenant"
  rules, everyone, parents, combine and super admin play no part
in the database
  3 groups shown, asked as Px_web (select)
"""


def test_s6_explain_says_for_whom_an_aggregate_is_and_what_it_leaves_out(explained):
    # 3 groups, as computed above.
    assert explained("read by_region --viewer 1") == (0, EXPLAINED, "")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("by_region --viewer 2", "`who` of by_region (access.yaml:24) does not hold for the viewer"),
        ("by_region --viewer 4", "`who` of by_region (access.yaml:24) does not hold for the viewer"),
        ("by_region --viewer 5", "viewer 5 is not active, and sees nothing"),
        ("by_region --viewer 77", "viewer 77: nobody in bureau.person has that key"),
        ("by_region --role {web}", "presents nobody, and aggregates are for viewers"),
    ],
)
def test_s6_explain_says_why_an_aggregate_is_empty(bureau: Site, explained, asked, why):
    code, said, _ = explained(f"read {bureau.fill(asked)}")
    assert (code, said.partition(":")[0]) == (0, "denied")
    assert why in said
    assert "  0 groups shown, asked as Px_web" in said


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("read by_region north --viewer 1", "it shows groups, and has no row to name"),
        ("update by_region --viewer 1", "an aggregate, and for reading only"),
        ("read by_region --viewer 1 --role {web}", "say who asks"),
        ("read by_region --role nobody_there", "there is no role nobody_there"),
        ("read by_region --viewer=", "the viewer's key is empty"),
    ],
)
def test_s6_what_cannot_be_asked_of_an_aggregate(bureau: Site, explained, asked, why):
    code, said, errors = explained(bureau.fill(asked))
    assert (code, said) == (2, "")
    assert why in errors


def test_s6_an_aggregate_that_shows_too_much_disagrees(bureau: Site, explained):
    view = f'{bureau.prefix}_lookup."groups_all"'
    with bureau.database.connect_admin() as admin:
        query = admin.execute("select pg_get_viewdef(%s::regclass)", [view]).fetchone()[0]
        right, wrong = FAULTS["all"]
        assert right in query
        try:
            admin.execute(f"create or replace view {view} as {query.replace(right, wrong)}")
            code, said, _ = explained("read all --viewer 1 --format json")
        finally:
            admin.execute(f"create or replace view {view} as {query}")
    found = json.loads(said)
    assert (code, found["allowed"], found["asked"]["groups"]) == (1, False, 1)
    assert [one["code"] for one in found["findings"]] == ["explain-disagrees"]


# Verify ------------------------------------------------------------------------------------------------------------------


def looked(report: VerifyReport) -> dict[str, tuple[str, Verdict]]:
    return {
        one.object.partition(".")[2]: (one.extent, one.verdict) for one in report.looked if one.what == "aggregates"
    }


FAULTS = {
    "by_region": ("(r.tenant = (", "(r.tenant >= ("),  # other tenants' rows count
    "by_seller": ("IS NOT NULL)) >= 2", "IS NOT NULL)) >= 0"),  # values of one are told
    "by_city": ("HAVING (count(*) >= 2)", "HAVING (count(*) >= 1)"),  # groups of one are shown
    "all": ("(p.title = 'Head'", "(p.title <> 'Seller'"),  # to more people than were named
}


def test_s6_verify_computes_aggregates_from_the_rows_and_finds_faults(bureau: Site):
    before = looked(bureau.verify("bureau.sale", statics=False))
    assert before.keys() == FAULTS.keys()
    assert {verdict for _, verdict in before.values()} == {Verdict.OK}
    assert "× 14 rows: 3 groups shown to 1 of them" in before["by_region"][0]
    assert "3 groups shown to 2 of them" in before["by_city"][0]
    with bureau.database.connect_admin() as admin:
        views = {name: f'{bureau.prefix}_lookup."groups_{name}"' for name in FAULTS}
        queries = {
            name: admin.execute("select pg_get_viewdef(%s::regclass)", [view]).fetchone()[0]
            for name, view in views.items()
        }
        try:
            for name, (right, wrong) in FAULTS.items():
                assert right in queries[name], queries[name]
                admin.execute(f"create or replace view {views[name]} as {queries[name].replace(right, wrong)}")
            report = bureau.verify("bureau.sale")
        finally:
            for name, query in queries.items():
                admin.execute(f"create or replace view {views[name]} as {query}")
    assert {verdict for _, verdict in looked(report).values()} == {Verdict.FAIL}
    assert {one.code for one in report.failures} == {"mismatch-aggregates", "changed", "pending"}
    assert not any(city in str(report.findings) for city in ("Bonn", "Kiel"))


def test_s6_revert_leaves_nothing(bureau: Site):
    assert bureau.plan().pending == ()
    with Database.open(bureau.database.dsn()) as database:
        assert drift(database, bureau.prefix) == ()
        apply_plan(
            database, make_revert(*read_state(database, bureau.prefix), bureau.prefix, "bureau"), allow_drop=True
        )
    left = """
        select c.relname from pg_class c where c.relnamespace in ('{P}'::regnamespace, '{P}_lookup'::regnamespace)
        union all select p.proname from pg_proc p where p.pronamespace = '{P}_lookup'::regnamespace
        union all select t.typname from pg_type t where t.typnamespace in ('{P}'::regnamespace, '{P}_lookup'::regnamespace)
    """
    with bureau.database.connect_admin() as admin:
        assert admin.execute(left.replace("{P}", bureau.prefix)).fetchall() == []
    bureau.apply()
    assert len(rows(bureau, ANALYST, "select * from {P}.by_region")) == 3
