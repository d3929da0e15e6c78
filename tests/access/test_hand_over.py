"""Handing rows over: to people out of one's reach, with the right to update the old row and what is required of the new one."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from pgerase.apply.execute import apply_plan
from pgerase.apply.ledger import read_state
from pgerase.compile import compile_pack
from pgerase.compile.desired import DesiredFunction, DesiredPolicy
from pgerase.database import Database
from pgerase.render import statements
from pgerase.rules.read import read_pack
from tests.access.conftest import refusals
from tests.real.deployment import outcome
from tests.verify.conftest import Site


def hand_over(
    site: Site, viewer: object, *arguments: object, function: str = "hand_over_document_owner_id", role: str = ""
) -> str:
    """What handing over comes to: "done", "refused" by the function, or "required" where a policy says no. Taken back."""
    with site.session(None if viewer is None else str(viewer), role) as connection:
        return handed(site, connection, *arguments, function=function)


def handed(
    site: Site, connection: psycopg.Connection, *arguments: object, function: str = "hand_over_document_owner_id"
) -> str:
    placeholders = sql.SQL(", ").join([sql.Placeholder()] * len(arguments))
    call = sql.SQL("select {}({})").format(sql.Identifier(site.prefix, function), placeholders)
    try:
        connection.execute(call, arguments)
    except psycopg.errors.InsufficientPrivilege as error:
        return "required" if "row-level security" in str(error) else "refused"
    return "done"


def test_a_row_goes_to_somebody_out_of_reach_which_no_update_can_do(office: Site):
    assert outcome(office, "20", "update office.document set owner_id = 50 where id = 20") == "refused"
    with office.session("20") as connection:
        assert handed(office, connection, 20, 50) == "done"
        # It is not the old owner's any longer, and nothing but the owner has changed.
        assert connection.execute("select count(*) from office.document where id = 20").fetchone() == (0,)
        office.become(connection, "50")
        found = connection.execute("select * from office.document where id = 20").fetchone()
        assert found == (20, 50, 1, "draft", False)


@pytest.mark.parametrize(
    ("viewer", "document", "to", "outcome"),
    [
        (20, 32, 50, "done"),  # of somebody whose role is below
        (20, 30, 99, "done"),  # who is inactive: his rows need someone
        (20, 20, 20, "done"),  # to oneself
        (32, 32, 10, "done"),  # to one's manager
        (1, 50, 20, "done"),  # a super admin any row that requirements allow
        (32, 20, 32, "refused"),  # nobody takes what he may not update
        (20, 21, 20, "refused"),  # nor what a peer owns
        (10, 200, 32, "refused"),  # read is not enough
        (20, 200, 50, "refused"),  # a requirement on the old row: final is frozen
        (1, 200, 50, "done"),  # which does not bind super admins
        (20, 9999, 50, "refused"),  # what is not there
        (20, 20, 30, "refused"),  # to an inactive person
        (20, 20, 31, "refused"),  # to an erased one
        (20, 20, 12345, "refused"),  # to nobody known
        (20, 20, None, "refused"),  # to no one
        (20, 20, 100, "required"),  # a requirement on the new row: owned within the tenant
        (1, 20, 100, "required"),  # for super admins too
        (20, 202, 50, "required"),  # one for reading only binds the new row as well
        (20, 202, 21, "done"),
        (100, 101, 100, "done"),
        (100, 20, 100, "refused"),  # another tenant's
        (30, 30, 20, "refused"),  # an inactive viewer
        (31, 31, 20, "refused"),  # an erased one
        (12345, 20, 50, "refused"),  # an unknown one
        (None, 20, 50, "refused"),  # and nobody
    ],
)
def test_who_hands_over_what_to_whom(viewer: object, document: int, to: object, outcome: str, office: Site):
    assert hand_over(office, viewer, document, to) == outcome


def test_the_refusal_does_not_tell_what_is_there_nor_who(office: Site):
    said: set[str] = set()
    for arguments in ((20, 30), (20, 12345), (21, 50), (9999, 50)):
        with office.session("20") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
            connection.execute(
                sql.SQL("select {}(%s, %s)").format(sql.Identifier(office.prefix, "hand_over_document_owner_id")),
                arguments,
            )
        said.add(f"{refused.value.diag.message_primary} {refused.value.diag.message_detail}")
    assert said == {"document: nothing was handed over None"}


def test_children_follow_the_right_on_their_parent_and_keys_of_several_columns_name_a_row(office: Site):
    for function, may in (("hand_over_part_checker_id", "done"), ("hand_over_part_author_id", "done")):
        assert hand_over(office, 20, 20, 1, 50, function=function) == may
        assert hand_over(office, 32, 20, 2, 50, function=function) == "refused"
        assert hand_over(office, 20, 20, 3, 50, function=function) == "refused"
    with office.session("10") as connection:
        assert handed(office, connection, 20, 2, 99, function="hand_over_part_checker_id") == "done"
        rows = connection.execute("select number, checker_id, author_id from office.part order by 1").fetchall()
        assert rows == [(1, None, 20), (2, 99, 20)]


def test_triggers_run_with_the_rights_of_who_calls(office: Site):
    with office.session("20") as connection:
        assert handed(office, connection, 20, 50) == "done"
        written = connection.execute("select by_role, note from office.history").fetchall()
        assert written == [(office.roles["web"], "now of 50")]


def test_what_a_trigger_makes_of_the_row_meets_the_requirements_too(office: Site):
    with office.database.connect_admin() as admin:
        admin.execute(
            """
            create function office.move() returns trigger language plpgsql as $$
            begin
                new.tenant := 2;
                return new;
            end;
            $$;
            create trigger move before update on office.document for each row execute function office.move();
            """
        )
        try:
            assert hand_over(office, 20, 20, 50) == "required"
        finally:
            admin.execute("drop trigger move on office.document; drop function office.move()")


def test_the_login_needs_the_privilege_it_needs_for_an_update(office: Site):
    web = sql.Identifier(office.roles["web"])
    with office.database.connect_admin() as admin:
        try:
            admin.execute(sql.SQL("revoke update on office.document from {}").format(web))
            assert hand_over(office, 20, 20, 50) == "refused"
            admin.execute(sql.SQL("grant update (owner_id) on office.document to {}").format(web))
            assert hand_over(office, 20, 20, 50) == "done"
        finally:
            admin.execute(sql.SQL("revoke update (owner_id) on office.document from {}").format(web))
            admin.execute(sql.SQL("grant update on office.document to {}").format(web))


def test_nobody_names_the_view_or_borrows_the_right_of_its_owner(office: Site):
    view = sql.Identifier(f"{office.prefix}_lookup", "hand_over_document")
    for statement in (
        sql.SQL("update {} set owner_id = 20").format(view),
        sql.SQL("select * from {}").format(view),
        sql.SQL("select query_to_xml({}, true, true, '')").format(
            sql.Literal(sql.SQL("select * from {}").format(view).as_string())
        ),
        sql.SQL("set local role {}").format(sql.Identifier(f"{office.prefix}_lookup")),
    ):
        assert outcome(office, "20", statement) == "refused"
    assert hand_over(office, None, 20, 50, role=office.database.role("stranger")) == "refused"


def test_the_owner_of_the_view_may_write_the_column_alone_and_only_within_the_decision(office: Site):
    lookup = f"{office.prefix}_lookup"
    with office.database.connect_admin() as admin:
        granted = admin.execute(
            """
            select c.relname, a.attname
            from pg_class as c join pg_attribute as a on a.attrelid = c.oid
            where c.relnamespace = 'office'::regnamespace and c.relkind = 'r' and a.attnum > 0
                and has_column_privilege(%s, c.oid, a.attname, 'update')
            order by 1, 2
            """,
            [lookup],
        ).fetchall()
        assert granted == [("document", "owner_id"), ("part", "author_id"), ("part", "checker_id")]
        # Even as that role nobody changes anything without a viewer who may.
        with admin.transaction(force_rollback=True):
            admin.execute(sql.SQL("set local role {}").format(sql.Identifier(lookup)))
            assert admin.execute("update office.document set owner_id = 50").rowcount == 0


def test_policies_of_others_that_are_for_everybody_add_nothing(office: Site):
    with office.database.connect_admin() as admin:
        try:
            admin.execute(
                "create policy open_house on office.document for all to public using (true) with check (true)"
            )
            assert hand_over(office, 32, 20, 32) == "refused"
            assert hand_over(office, 20, 20, 100) == "required"
        finally:
            admin.execute("drop policy open_house on office.document")


def test_it_is_as_it_was_planned_and_verified(office: Site):
    assert office.plan().pending == ()
    report = office.verify()
    assert report.ok, report.failures


@pytest.mark.parametrize(
    ("where", "name", "code"),
    [
        ("hand_over: owner_id", "hand_over: state", "type-mismatch"),
        ("hand_over: owner_id", "hand_over: nobody", "unknown-column"),
        ("hand_over: owner_id", "hand_over: [owner_id, owner_id]", "duplicate-name"),
        ("hand_over: [checker_id, author_id]", "hand_over: [document_id]", "hand-over"),
        ("  part:\n", "  document_owner:\n    table: office.history\n    everyone: none\n    hand_over: document_id\n  part:\n", "hand-over"),
    ],
)  # fmt: skip
def test_what_cannot_be_handed_over_is_refused(where: str, name: str, code: str, office: Site, tmp_path):
    assert code in refusals(office, tmp_path, where, name)


def test_two_functions_of_one_name_are_refused(office: Site, tmp_path):
    with office.database.connect_admin() as admin:
        try:
            admin.execute(
                """
                create table office.one (id int primary key, b_c bigint);
                create table office.two (id int primary key, c bigint);
                """
            )
            more = "".join(
                f"  {resource}:\n    table: office.{table}\n    everyone: none\n    hand_over: {column}\n"
                for resource, table, column in (("a", "one", "b_c"), ("a_b", "two", "c"))
            )
            found = refusals(office, tmp_path, "  part:\n", f"{more}  part:\n", adopt="office.one office.two")
            assert found == {"hand-over"}
        finally:
            admin.execute("drop table office.one, office.two")


FAULTS = {
    "the old row's right": "alter policy {P}_hand_over_within on office.document using (true)",
    "what the new row needs": "alter policy {P}_hand_over_within on office.document with check (true)",
    "no one may": "alter policy {P}_hand_over_within on office.document using (false)",
    "one column's policies for both": "drop policy {P}_hand_over_within on office.part",
    "the function is gone": "drop function {P}.hand_over_part_author_id",
    "the person need not be active": """
        do $do$
        begin
            execute replace(pg_get_functiondef('{P}.hand_over_document_owner_id'::regproc), 'ACTIVE', 'INACTIVE');
        end;
        $do$
    """,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_verify_finds_faults(fault: str, office: Site):
    try:
        office.admin(FAULTS[fault])
        found = office.verify(statics=False)
    finally:
        put_back(office)
    assert not found.ok
    assert {one.code for one in found.failures} <= {"mismatch-hand-over", "could-not-look"}, found.failures


def put_back(site: Site) -> None:
    """Make again what hands rows over, as it was applied."""
    with Database.open(site.database.dsn()) as database:
        catalog, _ = read_state(database, site.prefix)
    wanted = compile_pack(read_pack(site.folder), catalog).objects
    with site.database.connect_admin() as admin, admin.transaction():
        for one in wanted:
            match one:
                case DesiredPolicy(table=table, name=name) if name.startswith(f"{site.prefix}_hand_over"):
                    drop = sql.SQL("drop policy if exists {} on {}")
                    admin.execute(drop.format(sql.Identifier(name), sql.Identifier(table.schema, table.name)))
                    admin.execute(statements.create_policy(one).encode())
                case DesiredFunction(name=name, owner=str(owner)) if name.name.startswith("hand_over"):
                    admin.execute(sql.SQL("set local role {}").format(sql.Identifier(owner)))
                    admin.execute(statements.create_function(one).encode())
                    admin.execute("reset role")
                case _:
                    pass
    assert site.plan().pending == ()


def test_what_is_handed_over_can_change_and_go(office: Site):
    rules = office.folder / "access.yaml"
    text = rules.read_text(encoding="utf-8")
    part = "hand_over_part_checker_id"
    try:
        for old, new, document, checker in (
            ("hand_over: [checker_id, author_id]", "hand_over: author_id", "done", "gone"),
            ("    hand_over: owner_id\n", "", "gone", "done"),
            ("    hand_over: owner_id\n", "    hand_over: [owner_id]\n", "done", "done"),
        ):
            assert old in text
            rules.write_text(text.replace(old, new), encoding="utf-8")
            apply(office)
            assert office.plan().pending == ()
            for arguments, function, expected in (
                ((20, 50), "hand_over_document_owner_id", document),
                ((20, 1, 50), part, checker),
            ):
                try:
                    found = hand_over(office, 20, *arguments, function=function)
                except psycopg.errors.UndefinedFunction:
                    found = "gone"
                assert found == expected, (new, function)
        with office.database.connect_admin() as admin:
            left = admin.execute(
                "select count(*) from pg_policy where polname like %s and polrelid = 'office.document'::regclass",
                [f"{office.prefix}_hand_over%"],
            ).fetchone()
        assert left == (2,)
    finally:
        rules.write_text(text, encoding="utf-8")
        apply(office)


def apply(site: Site) -> None:
    """Apply the site's rules, also where something goes."""
    with Database.open(site.database.dsn()) as database:
        apply_plan(database, site.plan(), allow_drop=True)
