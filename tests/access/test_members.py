"""P8: members of sharing groups by hand, through functions; one who fits the criteria cannot be removed by hand."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from tests.access.conftest import refusals
from tests.real.deployment import outcome
from tests.verify.conftest import Site

READER, BOARD, GUEST = 1, 2, 3


def change(site: Site, connection: psycopg.Connection, function: str, person: object) -> str:
    """What one of the functions comes to: "changed", "same", "refused", or "fits"."""
    call = sql.SQL("select {}(%s)").format(sql.Identifier(site.prefix, function))
    try:
        with connection.transaction():
            found = connection.execute(call, [person]).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return "refused"
    except psycopg.errors.ObjectNotInPrerequisiteState:
        return "fits"
    return "changed" if found == (True,) else "same"


def notices(site: Site, connection: psycopg.Connection, viewer: object) -> set[int]:
    site.become(connection, str(viewer))
    return {row[0] for row in connection.execute("select id from office.notice")}


def test_p8_members_come_and_go_by_hand_and_it_takes_effect_at_once(office: Site):
    with office.session("20") as connection:
        assert notices(office, connection, 50) == set()
        office.become(connection, "20")
        assert change(office, connection, "add_to_readers", 50) == "changed"
        assert change(office, connection, "add_to_readers", 50) == "same"
        assert notices(office, connection, 50) == {READER}
        office.become(connection, "21")
        assert change(office, connection, "remove_from_readers", 50) == "changed"
        assert change(office, connection, "remove_from_readers", 50) == "same"
        assert notices(office, connection, 50) == set()


def test_p8_who_fits_the_criteria_cannot_be_removed_by_hand(office: Site):
    with office.session("1") as connection:
        assert change(office, connection, "remove_from_readers", 110) == "fits"
        assert change(office, connection, "remove_from_readers", 99) == "changed"
        assert change(office, connection, "remove_from_board", 10) == "changed"
        # Who does not fit any longer can be.
        connection.execute("update office.person set region = 'south' where id = 110")
        assert change(office, connection, "remove_from_readers", 110) == "changed"


def test_p8_inactive_people_can_be_listed_and_are_no_members_meanwhile(office: Site):
    with office.session("1") as connection:
        assert change(office, connection, "add_to_board", 30) == "changed"
        assert change(office, connection, "add_to_board", 31) == "same"  # erased
        assert change(office, connection, "add_to_board", 12345) == "same"  # nobody
        assert change(office, connection, "add_to_board", None) == "same"
        assert notices(office, connection, 30) == set()
        office.become(connection, "1")
        connection.execute("update office.person set status = 'ACTIVE' where id = 30")
        assert notices(office, connection, 30) == {READER, BOARD}


@pytest.mark.parametrize(
    ("viewer", "function", "outcome"),
    [
        ("20", "add_to_readers", "changed"),
        ("10", "add_to_readers", "refused"),  # above 20, yet it is not for managers
        ("32", "add_to_readers", "refused"),
        ("20", "add_to_board", "refused"),  # another group's
        ("1", "add_to_readers", "changed"),
        ("1", "add_to_board", "changed"),
        ("10", "add_to_board", "refused"),  # a member does not manage his group
        ("99", "add_to_guests", "changed"),  # readers manage guests
        ("110", "add_to_guests", "changed"),
        ("20", "add_to_guests", "refused"),
        ("30", "add_to_guests", "refused"),  # listed, but inactive
        ("12345", "add_to_readers", "refused"),
        (None, "add_to_readers", "refused"),
    ],
)
def test_who_adds_members(viewer: str | None, function: str, outcome: str, office: Site):
    with office.session(viewer) as connection:
        assert change(office, connection, function, 60) == outcome


def test_logins_need_no_privilege_on_the_table_and_nobody_gets_more_than_the_functions_do(office: Site):
    web = sql.Identifier(office.roles["web"])
    with office.database.connect_admin() as admin:
        try:
            admin.execute(sql.SQL("revoke all on office.member, office.guest from {}").format(web))
            with office.session("20") as connection:
                assert change(office, connection, "add_to_readers", 50) == "changed"
                assert change(office, connection, "remove_from_readers", 50) == "changed"
            with office.session("99") as connection:
                assert change(office, connection, "add_to_guests", 50) == "changed"
                assert change(office, connection, "remove_from_guests", 50) == "changed"
        finally:
            admin.execute(
                sql.SQL("grant select, insert, update, delete on office.member, office.guest to {}").format(web)
            )
    for verb in ("insert into {} values (50, 'readers')", "delete from {}", "select * from {}"):
        view = sql.Identifier(f"{office.prefix}_lookup", "members_readers")
        assert outcome(office, "20", sql.SQL(verb).format(view)) == "refused"


def test_who_manages_a_group_writes_its_rows_and_no_others(office: Site):
    for statement, comes_to in (
        ("insert into office.member (group_name, person_id) values ('readers', 50)", "1"),
        ("insert into office.member (group_name, person_id) values ('board', 50)", "refused"),
        ("insert into office.member (group_name, person_id) values ('a group unheard of', 50)", "refused"),
        ("update office.member set person_id = 50 where person_id = 99", "1"),
        ("update office.member set group_name = 'board' where person_id = 99", "refused"),
        ("update office.member set group_name = 'readers' where person_id = 10", "refused"),
        ("delete from office.member where group_name = 'readers'", "3"),
        ("delete from office.member", "refused"),
        ("update office.member set since = null", "4"),  # which decides nothing
    ):
        assert outcome(office, "20", statement) == comes_to, statement
        if comes_to != "4":
            assert outcome(office, "32", statement) == "refused", statement
    # Where the table is governed no rule lets them: the functions do.
    assert outcome(office, "99", "insert into office.guest (person_id, list) values (50, 'guests')") == "refused"


def test_nobody_adds_himself_by_the_right_he_is_just_giving_himself(office: Site):
    with office.session("50") as connection:
        assert change(office, connection, "add_to_readers", 50) == "refused"
        assert change(office, connection, "add_to_guests", 50) == "refused"
    assert outcome(office, "50", "update office.person set role_id = 2 where id = 50") == "refused"
    assert outcome(office, "50", "update office.person set region = 'north' where id = 50") == "refused"


def test_verify_knows_who_manages_and_finds_who_must_not(office: Site):
    report = office.verify()
    assert report.ok, report.failures
    with office.database.connect_admin() as admin:
        right = admin.execute("select pg_get_functiondef(%s::regproc)", [f"{office.prefix}.has_authority"]).fetchone()[
            0
        ]
        wrong = right.replace("'members of board'::text THEN", "'members of board'::text THEN true or")
        assert wrong != right, right
        try:
            admin.execute(wrong)
            found = office.verify(statics=False)
        finally:
            admin.execute(right)
    assert {one.code for one in found.failures} == {"mismatch-guard"}, found.failures


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("where: {group_name: board}", "where: {group_name: [board, council]}", "managed-group"),
        ("where: {group_name: board}", "where: {group_name: {starts_with: b}}", "managed-group"),
        ("where: {group_name: board}", "where: {since: 2025-01-01}", "managed-group"),
        (
            "{from: office.member, value: person_id, where: {group_name: board}}",
            "[10]",
            "managed-group",
        ),
        ("managed_by: {role_id: 2}", "managed_by: everyone", "unknown-word"),
        ("managed_by: {group: readers}", "managed_by: {group: nobody}", "unknown-group"),
    ],
)
def test_what_cannot_be_managed_by_hand_is_refused(old: str, new: str, code: str, office: Site, tmp_path):
    assert code in refusals(office, tmp_path, old, new)
