"""What PostgreSQL's own regression tests try on row security (rowsecurity.sql and its neighbours), tried on generated policies.

`CASES` names for every case of that list the test of ours; most are here, on one database, as the application's login and in a
transaction that is rolled back. Not among them: test_rls_hooks, which tries policies that C code adds; pgerase loads none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.judges.conftest import Ward

CHECKOUT = Path(__file__).resolve().parents[2]
HERE = "tests/judges/test_regression_list.py"

CASES = {
    "a cheap function in a condition": [f"{HERE}::test_a_cheap_function_is_shown_visible_rows_alone"],
    "permissive and restrictive policies, errors by name": [
        f"{HERE}::test_restrictive_policies_narrow_and_the_first_by_name_is_named"
    ],
    "oracles of unique and foreign keys": [
        f"{HERE}::test_a_key_that_is_taken_by_a_hidden_row_tells_no_more_than_that",
        f"{HERE}::test_foreign_keys_accept_hidden_rows",
    ],
    "owner, superuser and exempt roles, row_security on and off": [
        f"{HERE}::test_owner_superuser_and_exempt_role_with_row_security_on_and_off"
    ],
    "inheritance": [f"{HERE}::test_rows_of_a_child_are_judged_through_its_parent"],
    "partitions, a child named directly": [f"{HERE}::test_partitions_show_rows_through_their_parent_alone"],
    "recursion, mutual and through views": [
        f"{HERE}::test_policies_that_read_their_own_table_and_each_other_do_not_recurse"
    ],
    "subqueries": [f"{HERE}::test_subqueries_unions_and_ctes_are_judged_in_every_part"],
    "prepared plans across people and roles": [
        f"{HERE}::test_prepared_plans_follow_person_and_role",
        "tests/identity/test_sessions.py::test_a_prepared_statement_never_keeps_an_old_identity",
    ],
    "views, barriers, security_invoker": [f"{HERE}::test_views_show_what_their_reader_or_their_owner_may_see"],
    "MERGE": [f"{HERE}::test_merge_does_what_its_actions_may_do"],
    "COPY": [f"{HERE}::test_copy_writes_visible_rows_and_reads_none"],
    "WHERE CURRENT OF": [f"{HERE}::test_where_current_of_is_judged_like_any_update"],
    "TABLESAMPLE": [f"{HERE}::test_a_sample_is_one_of_visible_rows"],
    "FOR SHARE": [f"{HERE}::test_locking_asks_for_the_right_to_update"],
    "UNION": [f"{HERE}::test_subqueries_unions_and_ctes_are_judged_in_every_part"],
    "CTE": [f"{HERE}::test_subqueries_unions_and_ctes_are_judged_in_every_part"],
    "ON CONFLICT": [f"{HERE}::test_on_conflict_neither_shows_nor_changes_hidden_rows"],
    "RETURNING": [f"{HERE}::test_returning_asks_for_the_right_to_read"],
    "FORCE and referential integrity": [f"{HERE}::test_foreign_keys_accept_hidden_rows"],
    "DROP OWNED, roles that policies depend on": [f"{HERE}::test_roles_that_policies_name_stay"],
    "a role named twice in a policy": [f"{HERE}::test_a_role_named_twice_is_one"],
    "what policies depend on is dropped": [
        f"{HERE}::test_what_policies_read_is_not_dropped_beneath_them",
        f"{HERE}::test_without_what_a_function_reads_there_is_an_error_and_no_row",
    ],
    "holes that had a CVE": [
        "tests/catalog/test_server_version.py::test_below_the_floor_every_open_hole_is_named",
        "tests/catalog/test_server_version.py::test_a_server_at_the_floor_is_clean",
    ],
    "plans that SQL functions cache": [
        f"{HERE}::test_functions_keep_no_plan_for_another_person",
        "tests/identity/test_sessions.py::test_a_function_with_a_cached_plan_never_keeps_an_old_identity",
    ],
    "TRUNCATE": [f"{HERE}::test_truncate_is_nobodys"],
    "subscriptions (027, 033)": ["tests/catalog/test_impact.py::test_subscription_stops_unless_its_role_bypasses"],
}

# By hand, for person 3: of house 1, so not 6, 12, 18; nothing secret or of unknown secrecy, so not 1, 5, 6, 10, 11, 15, 16. Of the night
# desk: in are 7, 13. Of team blue and not closed: 9, 13. Assigned: 3. Doctor of 2, which may be changed for that.
VISIBLE, CHANGEABLE = {2, 3, 7, 9, 13}, {2}
# For person 6, of house 2 and team red.
OTHERS = {12}


def test_every_case_has_a_test():
    for case, names in CASES.items():
        assert names, case
        for name in names:
            path, _, function = name.partition("::")
            tree = ast.parse((CHECKOUT / path).read_text(encoding="utf-8"))
            assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name
    here = {name.partition("::")[2] for names in CASES.values() for name in names if name.startswith(HERE)}
    mine = {name for name in globals() if name.startswith("test_")} - {"test_every_case_has_a_test"}
    assert here == mine


@pytest.fixture
def admin(ward: Ward) -> Iterator[psycopg.Connection]:
    """The superuser, in a transaction that is rolled back, who acts as others."""
    with psycopg.connect(ward.database.admin_dsn) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def nurse(ward: Ward) -> Iterator[psycopg.Connection]:
    """The application's login for person 3, in a transaction that is rolled back."""
    with psycopg.connect(ward.database.dsn(ward.roles["web"])) as connection:
        ward.become(connection, "3")
        yield connection
        connection.rollback()


def act(connection: psycopg.Connection, ward: Ward, viewer: str = "3", role: str = "web") -> None:
    """From here on the application's login, for a person."""
    connection.execute(f'set local role "{ward.roles[role]}"'.encode())
    ward.become(connection, viewer)


def ids(connection: psycopg.Connection, query: str = "select id from ward.patient") -> set[int]:
    return {row[0] for row in connection.execute(query.encode())}


@contextmanager
def refused(connection: psycopg.Connection, sqlstate: str = "42501") -> Iterator[pytest.ExceptionInfo[psycopg.Error]]:
    with pytest.raises(psycopg.Error) as caught, connection.transaction():
        yield caught
    assert caught.value.sqlstate == sqlstate, caught.value


def test_a_cheap_function_is_shown_visible_rows_alone(nurse: psycopg.Connection):
    told: list[str] = []
    nurse.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    nurse.execute(
        "create function pg_temp.tell(p_id int) returns boolean language plpgsql cost 0.0000001 as"
        " 'begin raise notice ''%'', p_id; return true; end'"
    )
    assert ids(nurse, "select id from ward.patient where pg_temp.tell(id)") == VISIBLE
    assert {int(one) for one in told} == VISIBLE


def test_restrictive_policies_narrow_and_the_first_by_name_is_named(admin: psycopg.Connection, ward: Ward):
    for name in ("zz strict", "aa strict"):
        admin.execute(
            f'create policy "{name}" on ward.patient as restrictive for all to public using (id <> 7) with check (id < 100)'.encode()
        )
    act(admin, ward)
    assert ids(admin) == VISIBLE - {7}
    with refused(admin) as caught:
        admin.execute("insert into ward.patient values (100, 1, 'blue', null, 'in', false)")
    assert '"aa strict"' in str(caught.value)


def test_a_key_that_is_taken_by_a_hidden_row_tells_no_more_than_that(nurse: psycopg.Connection):
    with refused(nurse, "23505") as caught:
        nurse.execute("insert into ward.patient values (6, 1, 'blue', null, 'in', false)")
    assert caught.value.diag.message_detail is None


def test_foreign_keys_accept_hidden_rows(admin: psycopg.Connection, ward: Ward):
    """Their checks run without policies, forced or not: what verify and check call an oracle."""
    admin.execute("create table ward.wish (patient_id int references ward.patient)")
    admin.execute(f'grant insert on ward.wish to "{ward.roles["web"]}"'.encode())
    act(admin, ward)
    assert 6 not in ids(admin)
    admin.execute("insert into ward.wish values (6)")
    with refused(admin, "23503"):
        admin.execute("insert into ward.wish values (600)")
    # Where the referring table is governed the policy comes first.
    with refused(admin):
        admin.execute("insert into ward.visit values (99, '2026-02-02', 6)")


def test_owner_superuser_and_exempt_role_with_row_security_on_and_off(admin: psycopg.Connection, ward: Ward):
    everything = set(range(1, 19))
    act(admin, ward)
    for role, wanted in (
        (ward.database.owner, set()),
        (f"{ward.prefix}_lookup", everything),
        (ward.roles["web"], VISIBLE),
    ):
        admin.execute(f'set local role "{role}"'.encode())
        admin.execute("set local row_security = on")
        assert ids(admin) == wanted
        # An error, and no way around: an exempt policy is a policy, too.
        admin.execute("set local row_security = off")
        with refused(admin):
            ids(admin)
    admin.execute("reset role")
    assert ids(admin) == everything


def test_rows_of_a_child_are_judged_through_its_parent(admin: psycopg.Connection, ward: Ward):
    admin.execute("create table ward.patient_of_old () inherits (ward.patient)")
    admin.execute(
        "insert into ward.patient_of_old values (50, 1, 'blue', null, 'in', false), (51, 2, 'blue', null, 'in', false)"
    )
    act(admin, ward)
    assert ids(admin) == VISIBLE | {50}
    with refused(admin):
        ids(admin, "select id from ward.patient_of_old")


def test_partitions_show_rows_through_their_parent_alone(nurse: psycopg.Connection):
    # Visits 1 to 7 are to the patients of that number.
    assert ids(nurse, "select id from ward.visit") == {2, 3, 7}
    assert ids(nurse, "select id from ward.visit_2025 union all select id from ward.visit_2026") == set()


def test_policies_that_read_their_own_table_and_each_other_do_not_recurse(nurse: psycopg.Connection):
    # Policies of person read person; those of patient read assignment, and those of assignment patient.
    assert ids(nurse, "select id from ward.person") == set(range(1, 11))
    assert ids(nurse, "select patient_id from ward.assignment") == VISIBLE
    joined = "select p.id from ward.patient as p join ward.assignment as a on a.patient_id = p.id join ward.person as d on d.id = p.doctor_id"
    assert ids(nurse, joined) == VISIBLE


def test_subqueries_unions_and_ctes_are_judged_in_every_part(nurse: psycopg.Connection):
    assert ids(nurse, "select n from generate_series(1, 18) as n where n in (select id from ward.patient)") == VISIBLE
    assert (
        ids(nurse, "select n from generate_series(1, 18) as n where exists (select from ward.patient where id = n)")
        == VISIBLE
    )
    assert (
        ids(nurse, "select id from ward.patient where id < 5 union all select id from ward.patient where id > 5")
        == VISIBLE
    )
    assert ids(nurse, "select id from ward.patient intersect select n from generate_series(1, 6) as n") == {2, 3}
    assert ids(nurse, "with p as materialized (select * from ward.patient) select id from p") == VISIBLE
    changed = "with changed as (update ward.patient set stage = stage returning id) select id from changed"
    assert ids(nurse, changed) == CHANGEABLE


def test_prepared_plans_follow_person_and_role(admin: psycopg.Connection, ward: Ward):
    for setting in ("force_generic_plan", "force_custom_plan"):
        admin.execute(f"set local plan_cache_mode = {setting}".encode())
        admin.execute(f"prepare {setting} as select id from ward.patient".encode())
        run = f"execute {setting}"
        act(admin, ward)
        assert ids(admin, run) == VISIBLE
        act(admin, ward, "6")
        assert ids(admin, run) == OTHERS
        admin.execute("reset role")
        assert len(ids(admin, run)) == 18
        act(admin, ward)
        assert ids(admin, run) == VISIBLE
        admin.execute("reset role")


def test_views_show_what_their_reader_or_their_owner_may_see(admin: psycopg.Connection, ward: Ward):
    for name, option in (
        ("invoked", "security_invoker"),
        ("defined", "security_invoker = false"),
        ("barred", "security_invoker, security_barrier"),
    ):
        admin.execute(f"create view ward.{name} with ({option}) as select * from ward.patient".encode())
        admin.execute(f'alter view ward.{name} owner to "{ward.database.owner}"'.encode())
        admin.execute(f'grant select on ward.{name} to "{ward.roles["web"]}"'.encode())
    act(admin, ward)
    assert ids(admin, "select id from ward.invoked") == VISIBLE
    assert ids(admin, "select id from ward.barred") == VISIBLE
    # The owner is bound as well, and nobody's viewer.
    assert ids(admin, "select id from ward.defined") == set()


def test_merge_does_what_its_actions_may_do(nurse: psycopg.Connection):
    merge = (
        "merge into ward.patient as p using (values {values}) as v (id) on p.id = v.id"
        " when matched then update set stage = p.stage when not matched then do nothing"
    )
    assert nurse.execute(merge.format(values="(2), (6), (600)").encode()).rowcount == 1
    # Seen, but not to be changed: an error, where UPDATE would pass it over.
    with refused(nurse):
        nurse.execute(merge.format(values="(3)").encode())
    with refused(nurse):
        nurse.execute(
            "merge into ward.patient as p using (values (600)) as v (id) on p.id = v.id"
            " when not matched then insert values (v.id, 2, 'blue', null, 'in', false)"
        )


def test_copy_writes_visible_rows_and_reads_none(nurse: psycopg.Connection):
    with nurse.cursor().copy("copy ward.patient (id) to stdout") as copy:
        assert {int(row[0]) for row in copy.rows()} == VISIBLE
    with refused(nurse, "0A000"), nurse.cursor().copy("copy ward.patient from stdin") as copy:
        copy.write_row((200, 1, "blue", None, "in", False))


def test_where_current_of_is_judged_like_any_update(nurse: psycopg.Connection):
    nurse.execute("declare seen cursor for select id from ward.patient where id in (2, 3)")
    changed = {}
    for _ in range(2):
        (one,) = nurse.execute("fetch 1 from seen").fetchone() or (0,)
        changed[one] = nurse.execute("update ward.patient set stage = stage where current of seen").rowcount
    assert changed == {2: 1, 3: 0}


def test_a_sample_is_one_of_visible_rows(nurse: psycopg.Connection):
    assert ids(nurse, "select id from ward.patient tablesample bernoulli (100)") == VISIBLE
    assert ids(nurse, "select id from ward.patient tablesample system (100) repeatable (1)") == VISIBLE


def test_locking_asks_for_the_right_to_update(nurse: psycopg.Connection):
    for strength in ("key share", "share", "no key update", "update"):
        assert ids(nurse, f"select id from ward.patient for {strength}") == CHANGEABLE


def test_on_conflict_neither_shows_nor_changes_hidden_rows(nurse: psycopg.Connection):
    insert = "insert into ward.patient values ({id}, 1, 'blue', null, 'in', false) on conflict (id) do {do}"
    change = "update set stage = excluded.stage"
    assert nurse.execute(insert.format(id=300, do="nothing").encode()).rowcount == 1
    assert nurse.execute(insert.format(id=4, do="nothing").encode()).rowcount == 0
    assert nurse.execute(insert.format(id=2, do=change).encode()).rowcount == 1
    # Seen and hidden rows that may not be changed: an error for both.
    for taken in (3, 4):
        with refused(nurse):
            nurse.execute(insert.format(id=taken, do=change).encode())


def test_returning_asks_for_the_right_to_read(nurse: psycopg.Connection):
    insert = b"insert into ward.patient values (400, 1, 'blue', null, 'in', true)"
    with refused(nurse):
        nurse.execute(insert + b" returning id")
    assert nurse.execute(insert).rowcount == 1
    assert ids(nurse) == VISIBLE


def test_roles_that_policies_name_stay(admin: psycopg.Connection, ward: Ward):
    for role in ("viewer", "lookup"):
        with refused(admin, "2BP01"):
            admin.execute(f'drop role "{ward.prefix}_{role}"'.encode())
    admin.execute(f'drop owned by "{ward.roles["web"]}"'.encode())
    left = admin.execute("select count(*) from pg_policy where polrelid = 'ward.patient'::regclass").fetchone()
    assert left is not None
    assert left[0] > 10


def test_a_role_named_twice_is_one(admin: psycopg.Connection, ward: Ward):
    admin.execute(
        'create policy twice on ward.patient as restrictive to "{0}", "{0}" using (id <> 7)'.format(
            ward.roles["web"]
        ).encode()
    )
    act(admin, ward)
    assert ids(admin) == VISIBLE - {7}
    admin.execute("reset role")
    admin.execute(f'drop owned by "{ward.roles["web"]}"'.encode())
    assert admin.execute("select from pg_policy where polname = 'twice'").fetchall() == []


def test_what_policies_read_is_not_dropped_beneath_them(admin: psycopg.Connection, ward: Ward):
    for what in (
        "alter table ward.patient drop column team",
        f"drop function {ward.prefix}_lookup.me()",
        f"drop function {ward.prefix}_lookup.reach()",
        f"drop function {ward.prefix}.current_viewer()",
        "drop table ward.assignment",
    ):
        with refused(admin, "2BP01"):
            admin.execute(what.encode())


def test_without_what_a_function_reads_there_is_an_error_and_no_row(admin: psycopg.Connection, ward: Ward):
    """me() finds its view when it runs, so PostgreSQL lets a superuser drop that."""
    act(admin, ward)
    assert ids(admin, "select id from ward.patient") == VISIBLE
    admin.execute("reset role")
    admin.execute(f"drop view {ward.prefix}_lookup.me".encode())
    admin.execute(f"set local role {ward.roles['web']}".encode())
    with refused(admin, "42P01"):
        admin.execute("select id from ward.patient")


def test_functions_keep_no_plan_for_another_person(admin: psycopg.Connection, ward: Ward):
    act(admin, ward)
    admin.execute("reset role")
    admin.execute("create function ward.seen() returns setof int language sql stable as 'select id from ward.patient'")
    admin.execute(
        "create function ward.seen_too() returns setof int language plpgsql stable as 'begin return query select id from ward.patient; end'"
    )
    for _ in range(7):
        for viewer, wanted in (("3", VISIBLE), ("6", OTHERS)):
            act(admin, ward, viewer)
            assert ids(admin, "select ward.seen()") == ids(admin, "select ward.seen_too()") == wanted


def test_truncate_is_nobodys(nurse: psycopg.Connection):
    """Row security does not ask: so no login of an application has the privilege, which verify judges."""
    with refused(nurse):
        nurse.execute("truncate ward.poster")
