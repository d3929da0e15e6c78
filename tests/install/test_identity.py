"""Who a session runs for: what counts as an identity, what does not, and that leftovers never do."""

from __future__ import annotations

import uuid

import psycopg
import pytest
from psycopg import sql

from pgerase.database import Database
from pgerase.install import install
from pgerase.rules.access import IdentityKind
from tests.fix_database import FreshDatabase

KEYS = [
    "1",
    "a@b.example",
    "@",
    "x@1760000000.000001",
    " ",
    "ü漢",
    "it's",
    'say "x"',
    "a\nb",
    "back\\slash",
    "$$",
    "%s",
    "null",
    "x" * 10_000,
    str(uuid.UUID(int=7)),
]


class Web:
    """A database with the runtime installed, and a pooled application login in it."""

    def __init__(self, database, identity: IdentityKind) -> None:
        with Database.open(database.dsn()) as connection:
            install(connection, database.prefix, identity=identity)
        self.database = database
        self.prefix = database.prefix
        self.logins = 0

    def pool(self) -> None:
        """A new login for every test, so that no setting of one reaches the next."""
        self.logins += 1
        self.login = self.database.role(f"web{self.logins}")
        with self.database.connect() as owner:
            role = sql.Identifier(f"{self.prefix}_viewer")
            owner.execute(sql.SQL("grant {} to {}").format(role, sql.Identifier(self.login)))

    def connect(self) -> psycopg.Connection:
        return self.database.connect(self.login)

    def sql(self, text: str) -> bytes:
        """P stands for the prefix."""
        return text.replace("P.", f"{self.prefix}.").encode()


@pytest.fixture(scope="module")
def installed(server, unique_prefix):
    """One installation of each kind for all tests here: none of them changes it."""
    made = {
        kind: FreshDatabase(server, unique_prefix(), "template0") for kind in (IdentityKind.SETTING, IdentityKind.ROLE)
    }
    for database in made.values():
        database.create()
    yield {kind: Web(database, kind) for kind, database in made.items()}
    for database in made.values():
        database.drop()


@pytest.fixture
def web(installed) -> Web:
    installed[IdentityKind.SETTING].pool()
    return installed[IdentityKind.SETTING]


@pytest.fixture
def people(installed) -> Web:
    installed[IdentityKind.ROLE].pool()
    return installed[IdentityKind.ROLE]


def who(web: Web, connection: psycopg.Connection) -> tuple:
    return connection.execute(web.sql("select P.presented_viewer(), P.current_viewer()")).fetchone()


def stamp(connection: psycopg.Connection) -> str:
    return connection.execute("select extract(epoch from now())::text").fetchone()[0]


def test_become_lasts_for_its_transaction(web) -> None:
    connection = web.connect()
    assert who(web, connection) == (None, None)
    with connection.transaction():
        connection.execute(web.sql("select P.become('42')"))
        assert who(web, connection) == (f"42@{stamp(connection)}", "42")
    assert who(web, connection) == (None, None)


@pytest.mark.parametrize("key", KEYS)
def test_any_key_comes_back_as_it_was(web, key) -> None:
    connection = web.connect()
    with connection.transaction():
        connection.execute(web.sql("select P.become(%s)"), [key])
        assert who(web, connection)[1] == key


@pytest.mark.parametrize("key", [None, ""])
def test_become_nobody_raises_and_says_what_to_do(web, key) -> None:
    connection = web.connect()
    with pytest.raises(psycopg.DatabaseError) as raised, connection.transaction():
        connection.execute(web.sql("select P.become(%s)"), [key])
    assert raised.value.diag.sqlstate == "ZE001"
    assert f"{web.prefix}.forget()" in raised.value.diag.message_hint


def test_forget_takes_the_identity_away(web) -> None:
    connection = web.connect()
    with connection.transaction():
        connection.execute(web.sql("select P.become('42')"))
        connection.execute(web.sql("select P.forget()"))
        assert who(web, connection) == (None, None)
        connection.execute(web.sql("select P.become('43')"))
        assert who(web, connection)[1] == "43"


def test_rollback_to_a_savepoint_restores_the_identity(web) -> None:
    connection = web.connect()
    with connection.transaction():
        connection.execute(web.sql("select P.become('42')"))
        with connection.transaction() as savepoint:
            connection.execute(web.sql("select P.become('43')"))
            assert who(web, connection)[1] == "43"
            raise psycopg.Rollback(savepoint)
        assert who(web, connection)[1] == "42"


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_nothing_is_left_for_the_next_user_of_a_pooled_connection(web, ending) -> None:
    connection = web.connect()
    connection.execute("begin")
    connection.execute(web.sql("select P.become('42')"))
    connection.execute(ending.encode())
    for _ in range(2):
        assert who(web, connection) == (None, None)
        with connection.transaction():
            assert who(web, connection) == (None, None)


def test_identity_made_to_outlive_its_transaction_is_presented_and_invalid(web) -> None:
    connection = web.connect()
    with connection.transaction():
        connection.execute(web.sql("select P.become('42')"))
        # What a careless pool or an attacker with the connection does: keep the value for the session.
        connection.execute(web.sql("select set_config('P.viewer', current_setting('P.viewer'), false)"))
        assert who(web, connection)[1] == "42"
    presented, current = who(web, connection)
    assert presented.startswith("42@")
    assert current is None
    with connection.transaction():
        assert who(web, connection) == (presented, None)
        connection.execute(web.sql("select P.become('43')"))
        assert who(web, connection)[1] == "43"
    assert who(web, connection) == (presented, None)


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize(
    "value",
    ["42", "42@", "@", "42@0", "42@1.5", "42@now", "42@NaN", "@{stamp}", "{stamp}", "42{stamp}", "42@{stamp} ", "42@{stamp}0",
     "42@0{stamp}", "42@{stamp}@", "42@ {stamp}", "x"],
)  # fmt: skip
def test_value_without_the_stamp_of_this_transaction_is_no_identity(web, value, local) -> None:
    connection = web.connect()
    with connection.transaction():
        raw = value.format(stamp=stamp(connection))
        connection.execute("select set_config(%s, %s, %s)", [f"{web.prefix}.viewer", raw, local])
        assert who(web, connection) == (raw, None)


def test_stamp_of_an_earlier_transaction_is_no_identity(web) -> None:
    connection = web.connect()
    earlier = stamp(connection)
    with connection.transaction():
        connection.execute("select set_config(%s, %s, true)", [f"{web.prefix}.viewer", f"42@{earlier}"])
        assert who(web, connection) == (f"42@{earlier}", None)


@pytest.mark.parametrize("how", ["options", "set", "role"])
def test_identity_set_for_the_session_is_presented_and_invalid(web, how) -> None:
    setting = f"{web.prefix}.viewer"
    if how == "role":
        with web.database.connect_admin() as admin:
            login, name = sql.Identifier(web.login), sql.Identifier(web.prefix, "viewer")
            admin.execute(sql.SQL("alter role {} set {} = '42'").format(login, name))
    dsn = web.database.dsn(web.login)
    with psycopg.connect(dsn, options=f"-c {setting}=42" if how == "options" else "", autocommit=True) as connection:
        if how == "set":
            connection.execute(f"set {setting} = '42'".encode())
        assert who(web, connection) == ("42", None)
        with connection.transaction():
            assert who(web, connection) == ("42", None)


def test_client_that_cannot_call_a_function_may_set_the_stamped_value_itself(web) -> None:
    connection = web.connect()
    with connection.transaction():
        stamped = web.sql("select set_config('P.viewer', '42@' || extract(epoch from now())::text, true)")
        connection.execute(stamped)
        assert who(web, connection)[1] == "42"
    assert who(web, connection) == (None, None)


def test_empty_setting_counts_as_none(web) -> None:
    connection = web.connect()
    connection.execute(f"set {web.prefix}.viewer = ''".encode())
    assert who(web, connection) == (None, None)


def test_values_do_not_cross_sessions_with_the_same_login(web) -> None:
    first, second = web.connect(), web.connect()
    with first.transaction(), second.transaction():
        first.execute(web.sql("select P.become('1')"))
        assert who(web, second) == (None, None)
        second.execute(web.sql("select P.become('2')"))
        assert (who(web, first)[1], who(web, second)[1]) == ("1", "2")


def test_accessors_are_inlined_and_run_in_parallel_workers(web) -> None:
    admin = web.database.connect_admin()
    admin.execute("create table public.big as select n::text as owner from generate_series(1, 30000) as n")
    admin.execute("grant select on public.big to public")
    connection = web.connect()
    connection.execute("set max_parallel_workers_per_gather = 2")
    for free in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
        connection.execute(f"set {free} = 0".encode())
    query = web.sql(
        "select count(*) from public.big where owner = P.current_viewer() and P.presented_viewer() is not null"
    )
    with connection.transaction():
        connection.execute(web.sql("select P.become('29999')"))
        plan = "\n".join(row[0] for row in connection.execute(b"explain (verbose, analyze, costs off) " + query))
        assert "Workers Launched: " in plan
        assert "_viewer()" not in plan
        assert connection.execute(query).fetchone() == (1,)


# Calls of become outside a transaction: raised where it is certain, never inside a real one.

ALONE = ["select P.become('1')", "select P.become('1');", "  SELECT\n P . become ( 'x' ) ; "]


@pytest.mark.parametrize("statement", ALONE)
def test_become_alone_outside_a_transaction_raises(web, statement) -> None:
    connection = web.connect()
    with pytest.raises(psycopg.DatabaseError) as raised:
        connection.execute(web.sql(statement.replace("P .", "P.")))
    assert raised.value.diag.sqlstate == "ZE002"
    assert "outside a transaction" in raised.value.diag.message_primary
    assert "begin" in raised.value.diag.message_hint


def become_simple(web, connection):
    connection.execute(web.sql("select P.become('1')"))


def become_bound(web, connection):
    connection.execute(web.sql("select P.become(%s)"), ["1"])


def become_binary(web, connection):
    connection.execute(web.sql("select P.become(%b)"), ["1"], binary=True)


def become_prepared(web, connection):
    connection.execute(web.sql("select P.become(%s)"), ["1"], prepare=True)


def become_prepared_by_sql(web, connection):
    connection.execute(web.sql("prepare b as select P.become($1)"))
    connection.execute("execute b('1')")
    connection.execute("deallocate b")


def become_in_do(web, connection):
    connection.execute(web.sql("do $$ begin perform P.become('1'); end $$"))


def become_in_cte(web, connection):
    connection.execute(web.sql("with b as materialized (select P.become('1')) select * from b"))


def become_by_cursor(web, connection):
    with connection.cursor(name="c") as cursor:
        cursor.execute(web.sql("select P.become('1')"))
        cursor.fetchall()


CALLS = [
    become_simple,
    become_bound,
    become_binary,
    become_prepared,
    become_prepared_by_sql,
    become_in_do,
    become_in_cte,
    become_by_cursor,
]


@pytest.mark.parametrize(
    "begin", ["begin", "start transaction isolation level serializable", "begin; select 1", "psycopg"]
)
@pytest.mark.parametrize("call", CALLS)
def test_become_never_raises_inside_a_transaction_block(web, call, begin) -> None:
    connection = web.connect()
    # Again and again: psycopg prepares what it has seen five times, and clocks may be coarse.
    for _ in range(12):
        if begin == "psycopg":
            with connection.transaction():
                call(web, connection)
                assert who(web, connection)[1] == "1"
        else:
            connection.execute(begin.encode())
            call(web, connection)
            assert who(web, connection)[1] == "1"
            connection.execute("commit")
        assert who(web, connection) == (None, None)


def test_become_in_a_connection_that_does_not_autocommit(web) -> None:
    connection = web.connect()
    connection.autocommit = False
    become_simple(web, connection)
    assert who(web, connection)[1] == "1"
    connection.commit()
    assert who(web, connection) == (None, None)


@pytest.mark.parametrize(
    "script",
    [
        "begin; select P.become('1'); select P.current_viewer(); commit",
        "begin; select P.become('1'); select P.current_viewer()",
        # Several statements in one message are one transaction, begin or no begin.
        "select P.become('1'); select P.current_viewer()",
    ],
)
def test_become_in_one_message_with_what_it_is_for(web, script) -> None:
    cursor = web.connect().execute(web.sql(script))
    results = []
    while True:
        if cursor.description:
            results += cursor.fetchall()
        if not cursor.nextset():
            break
    assert results[-1] == ("1",)


@pytest.mark.parametrize("prepare", [True, False])
@pytest.mark.parametrize("explicit", [True, False])
def test_become_in_a_pipeline(web, explicit, prepare) -> None:
    connection = web.connect()
    for _ in range(3):
        with connection.pipeline():
            if explicit:
                connection.execute("begin")
            connection.execute(web.sql("select P.become(%s)"), ["1"], prepare=prepare)
            found = connection.execute(web.sql("select P.current_viewer()"), prepare=prepare)
            if explicit:
                connection.execute("commit")
            assert found.fetchone() == ("1",)
        assert who(web, connection) == (None, None)


def test_become_inside_a_function_of_the_application(web) -> None:
    with web.database.connect() as owner:
        owner.execute(web.sql("create schema app; grant usage on schema app to public"))
        owner.execute(
            web.sql(
                "create function app.become(p text) returns text language plpgsql as"
                " $$ begin perform P.become(p); return P.current_viewer(); end $$"
            )
        )
    connection = web.connect()
    assert connection.execute("select app.become('7')").fetchone() == ("7",)


def test_become_in_the_extended_protocol_outside_a_transaction_fails_closed(web) -> None:
    # The server cannot know that nothing follows in the same pipeline, so it cannot raise.
    connection = web.connect()
    become_bound(web, connection)
    assert who(web, connection) == (None, None)


# Identity by login.


def test_role_identity_is_the_login_whatever_role_is_set(people) -> None:
    connection = people.connect()
    assert who(people, connection) == (people.login, people.login)
    connection.execute(sql.SQL("set role {}").format(sql.Identifier(f"{people.prefix}_viewer")))
    connection.execute(f"set {people.prefix}.viewer = 'somebody'".encode())
    assert who(people, connection) == (people.login, people.login)


def test_role_identity_cannot_become_anybody(people) -> None:
    connection = people.connect()
    with pytest.raises(psycopg.DatabaseError) as raised, connection.transaction():
        connection.execute(people.sql("select P.become('somebody')"))
    assert raised.value.diag.sqlstate == "ZE003"
