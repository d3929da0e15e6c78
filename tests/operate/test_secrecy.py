"""Nothing personal in the server's log, the ledger or an answer; nobody but the installing role writes or reads the ledger."""

from __future__ import annotations

import os
import re
import traceback
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from pgerase.errors import DatabaseFailed, PgeraseError, Refused, UsageError
from pgerase.operate import (
    Register,
    State,
    close_request,
    dry_run,
    erase,
    history,
    open_request,
    rehearse,
    retry_request,
    set_state,
    status,
)
from pgerase.server import THROWAWAY, EmbeddedServer
from tests.fix_database import FreshDatabase
from tests.operate.conftest import Shop, keys

PERSONAL = re.compile(r"Secret Name|@example\.org|private words|erased\+|Doe")

TROUBLE = """
    alter table shop.person add constraint unlucky check (person_id <> 13 or name <> 'Deleted');
    alter table shop.person add constraint stays_active check (person_id <> 14 or status = 'ACTIVE');
    create function shop.chatter() returns trigger language plpgsql as
        $$begin raise exception 'no: % % %', old.email, old.name, old using errcode = 'P0042', detail = old.email; end$$;
    create constraint trigger late after update on shop.person deferrable initially deferred
        for each row when (old.person_id = 15) execute function shop.chatter();
    create trigger early before delete on shop.note
        for each row when (old.author_id = 17) execute function shop.cast();
"""

CAST = """
    create function shop.cast() returns trigger language plpgsql as
        $$begin perform old.body::int; return old; end$$;
"""

NOISY = {
    "log_statement": "all",
    "log_min_error_statement": "error",
    "log_min_messages": "notice",
    "log_error_verbosity": "verbose",
    "log_min_duration_statement": "0",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "-1",
}


@pytest.fixture(scope="module")
def noisy_server():
    """A server that logs all it can, the values bound to statements included."""
    binaries = os.environ.get("PGERASE_TEST_BIN", "")
    with EmbeddedServer(
        binaries=Path(binaries) if binaries else None, settings={**THROWAWAY, **NOISY}, in_memory=True
    ) as server:
        yield server


def test_log_holds_nothing_personal_whatever_fails(noisy_server) -> None:
    server = noisy_server
    database = FreshDatabase(server.dsn(), "noisy", "template0")
    database.create()
    shop = Shop.make(database)
    shop.owner.execute(CAST)
    shop.owner.execute(TROUBLE)
    said: list[str] = []

    def refused(act, *arguments, **options) -> None:
        with pytest.raises(PgeraseError) as failure:
            act(*arguments, **options)
        said.extend([failure.value.message, failure.value.hint, "".join(traceback.format_exception(failure.value))])

    register = shop.register()
    before = len(server.log())
    people = keys(range(1, 31))
    request = open_request(register, "person", people, reference="DSR-1").number
    said.append(repr(rehearse(register, "person", people)))
    said.append(repr(dry_run(register, request)))
    done = erase(register, request, batch=10)
    said.append(repr(done))
    assert [(f.key, f.sqlstate, f.constraint) for f in done.failures] == [
        ("13", "23514", "unlucky"),
        ("14", "23514", "stays_active"),
        ("15", "P0042", ""),
        ("17", "22P02", ""),
    ]
    retry_request(register, request)
    for key in ("13", "15", "17"):
        refused(register.call, "plan_people", "nonsense", [key])
        refused(register.call, "erase_people", request, [key])
    refused(set_state, register, "person", ["14"], State.INACTIVE)
    refused(close_request, register, request)
    refused(open_request, register, "person", ["1"], reference="jane.doe@work")
    erase(register, request)
    said.append(repr(status(register, "person", people)))
    said.append(repr(history(register, "person", people)))
    log = server.log()[before:]
    shop.close()
    database.close()
    assert "erase_people" in log
    assert "ERROR:" in log
    # What the operator typed where it does not belong is in the log, as it is in the shell's: nobody can prevent that.
    assert PERSONAL.findall(log.replace("jane.doe@work", "")) == []
    assert PERSONAL.findall("\n".join(said)) == []


def test_ledger_holds_nothing_personal(shop, register, pg_dump) -> None:
    shop.owner.execute(CAST)
    shop.owner.execute(TROUBLE)
    request = open_request(register, "person", keys(range(1, 31)), reference="DSR-1").number
    dry_run(register, request)
    assert len(erase(register, request).failures) == 4
    dump = pg_dump(shop.database, f"--schema={shop.names.internal}")
    assert "DSR-1" in dump
    assert PERSONAL.findall(dump) == []


def test_failure_is_noted_by_names_that_exist_and_nothing_else(shop, register) -> None:
    request = open_request(register, "person", ["1", "2", "3"]).number
    assert register.call("fail_person", request, "1", "23514", "Jane Doe", "jane@example.org") == [
        {"fail_person": True}
    ]
    assert register.call("fail_person", request, "1", "23514", "", "") == [{"fail_person": False}]
    register.call("fail_person", request, "2", "23514", "shop.person", "person_pkey")
    for state in ("Jane", "23514 ", "", None):
        with pytest.raises(DatabaseFailed, match="SQLSTATE"):
            register.call("fail_person", request, "3", state, "", "")
    assert shop.rows(
        "select key, sqlstate, failed_relation, failed_constraint from {i}.request_person order by key"
    ) == [
        ("1", "23514", None, None),
        ("2", "23514", "shop.person", "person_pkey"),
        ("3", None, None, None),
    ]


TABLES = ("request", "request_person", "request_count", "erased_person")
HELPERS = {
    "make_token",
    "assert_subject",
    "assert_open",
    "draw_signing_key",
    "from_base64url",
    "keep_signing_key",
    "make_room_for_key",
    "retire_signing_key",
    "signatures",
    "signing_keys",
    "token_audience",
    "announce",
    "grant_in_sight",
    "forget_support",
    "message_text",
    "note_support",
    "own_person",
    "support_lock",
    "support_person",
    "support_terms",
    "support_viewer",
}
"""Called by other routines, and by commands that borrow the role for a transaction."""

ASKED_BY_OTHERS = {
    "is_erased": "eraser",
    "is_requested": "eraser",
    "keep_ticket": "lookup",
    "open_grants": "lookup",
    "open_reviews": "keeper",
}
"""Which of pgerase's own roles may ask these besides: guards, blind views, the log."""


def test_only_the_installing_role_may_call_the_routines(shop) -> None:
    names = shop.names
    rows = shop.as_admin(
        """
        select p.proname, array(
            select a.grantee::regrole::text from aclexplode(p.proacl) a where a.grantee <> p.proowner order by 1
        ), p.proowner::regrole::text
        from pg_proc p where p.pronamespace = %s::regnamespace
        """,
        [names.internal],
    )
    owner = shop.database.owner
    assert len(rows) == 47
    for name, grantees, routine_owner in rows:
        wanted = [] if name in HELPERS | {"keep_ticket", "open_grants"} else [owner]
        if name in ASKED_BY_OTHERS:
            wanted.append(getattr(names, ASKED_BY_OTHERS[name]))
        assert sorted(grantees) == sorted(wanted), name
        assert routine_owner == names.secret


@pytest.mark.parametrize("who", ["stranger", "viewer", "lookup", "eraser", "masker", "keeper"])
def test_nobody_else_reads_or_writes_the_ledger(shop, who) -> None:
    role = shop.database.role("stranger") if who == "stranger" else getattr(shop.names, who)
    with shop.database.connect_admin() as admin:
        admin.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        for table in TABLES:
            for statement in ("select * from {}", "delete from {}", "insert into {} default values"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    admin.execute(sql.SQL(statement).format(sql.Identifier(shop.names.internal, table)))
        for call in (
            "erase_people(1, array['1'])",
            "plan_people(1, array['1'])",
            "take_people(1, 1, false)",
            "open_request('erasure', 'person', array['1'], null, null, false)",
            "fail_person(1, '1', '23514', '', '')",
            "people_status('person', array['1'])",
            "set_people_state('person', array['1'], 'inactive')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                admin.execute(f"select {shop.names.internal}.{call}".encode())


def test_installing_role_writes_through_routines_only(shop, register) -> None:
    open_request(register, "person", ["1"])
    for table in TABLES:
        for statement in ("delete from {}", "truncate {}", "insert into {} default values"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                shop.owner.execute(sql.SQL(statement).format(sql.Identifier(shop.names.internal, table)))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.owner.execute(f"update {shop.names.internal}.request_person set state = 'pending'".encode())
    call = f"select {shop.names.erasers}.erase_person(array['1'], array['x'], array[false])"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.owner.execute(call.encode())


def test_owner_of_the_ledger_cannot_touch_the_application(shop) -> None:
    with shop.database.connect_admin() as admin:
        admin.execute(sql.SQL("set role {}").format(sql.Identifier(shop.names.secret)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            admin.execute("select * from shop.person")


def test_code_of_the_application_cannot_reach_the_ledger_through_an_erasure(shop, register) -> None:
    shop.as_admin(f"""
        create function shop.pry() returns trigger language plpgsql as $$
        declare
            v_text text;
        begin
            select string_agg(key, ',') into v_text from {shop.names.internal}.request_person;
            raise exception 'got %', v_text;
        end$$;
        create trigger pry before update on shop.person for each row execute function shop.pry();
    """)
    done = erase(register, open_request(register, "person", ["1", "2"]).number)
    # Denied as the eraser, which runs it: insufficient privilege, not what the trigger raises when it succeeds.
    assert {failure.sqlstate for failure in done.failures} == {"42501"}


def test_guards_may_ask_who_is_erased_or_requested(shop, register) -> None:
    request = open_request(register, "person", ["1", "2"]).number
    with shop.database.connect_admin() as admin:
        admin.execute(sql.SQL("set role {}").format(sql.Identifier(shop.names.eraser)))

        def asked(routine: str) -> list:
            call = f"select {shop.names.internal}.{routine}('person', key) from unnest(array['1', '2', '3']) as key"
            return [answer for (answer,) in admin.execute(call.encode()).fetchall()]

        assert (asked("is_erased"), asked("is_requested")) == ([False] * 3, [True, True, False])
        register.call("erase_people", request, ["1"])
        assert (asked("is_erased"), asked("is_requested")) == ([True, False, False], [False, True, False])
        erase(register, request)
        close_request(register, request)
        assert (asked("is_erased"), asked("is_requested")) == ([True, True, False], [False] * 3)


def test_role_that_did_not_install_is_told_who_may(shop) -> None:
    with pytest.raises(Refused, match="closed to the current role") as refusal:
        shop.register(shop.database.role("stranger"))
    assert "installed it" in refusal.value.hint


def test_register_of_a_prefix_that_is_not_installed_is_refused(shop) -> None:
    with pytest.raises(Refused, match="not installed here for the prefix nothing"):
        Register(shop.register().database, "nothing")
    with pytest.raises(UsageError):
        Register(shop.register().database, "no; prefix")
