"""`identity: {claims: …}`: the settings by which PostgREST and Supabase hand the claims of a JWT on, and what is wrong with them."""

from __future__ import annotations

import json

import psycopg
import pytest

from pgerase.database import Database
from pgerase.errors import UsageError
from pgerase.install import install, plan_install
from pgerase.rules.access import IdentityKind
from tests.identity.conftest import CLAIM, PUBLIC, own, person, set_role

JSON = "request.jwt.claims"
LEGACY = f"request.jwt.claim.{CLAIM}"


@pytest.fixture
def connection(claims) -> psycopg.Connection:
    return claims.connect()


@pytest.fixture(scope="module")
def gateway(deploy_notes) -> None:
    """PostgREST's roles: it logs in as authenticator, which inherits nothing, and becomes what the JWT says."""
    notes = deploy_notes("sub", "claims")
    notes.admin("grant {anon}, {web} to {authenticator}")
    return notes


# -- as gateways do ----------------------------------------------------------------------------------------------------


def test_postgrest_sets_role_and_claims_for_the_transaction(gateway):
    """One statement at its beginning, by set_config with bind parameters, as PostgREST 9 and later."""
    connection = gateway.connect("authenticator")
    claims = json.dumps({"sub": person(2), "role": gateway.roles["web"], "exp": 4102444800})
    start = (
        "select set_config('search_path', %s, true), set_config('role', %s, true), set_config('request.jwt.claims', %s, true),"
        " set_config('request.method', 'GET', true), set_config('request.path', '/note', true)"
    )
    connection.execute("begin isolation level read committed read only")
    connection.execute(start, ['"notes", "public"', gateway.roles["web"], claims])
    assert {row[0] for row in connection.execute("select id from note")} == own(2)
    connection.execute("commit")
    connection.execute("begin")
    connection.execute(start, ['"notes", "public"', gateway.roles["anon"], json.dumps({"role": gateway.roles["anon"]})])
    assert {row[0] for row in connection.execute("select id from note")} == PUBLIC
    connection.execute("commit")


def test_postgrest_before_9_sets_one_setting_a_claim(gateway):
    connection = gateway.connect("authenticator")
    with connection.transaction():
        set_role(connection, gateway.roles["web"])
        gateway.set_local(connection, "request.jwt.claim.role", gateway.roles["web"])
        gateway.set_local(connection, "request.jwt.claim.sub", person(3))
        assert gateway.seen(connection) == own(3)
    with connection.transaction():
        set_role(connection, gateway.roles["anon"])
        gateway.set_local(connection, "request.jwt.claim.role", gateway.roles["anon"])
        assert gateway.seen(connection) == PUBLIC


def test_supabase_auth_uid_and_policies_agree_on_the_viewer(gateway):
    """The body of Supabase's auth.uid(), beside the policies, under a JWT of its shape."""
    with gateway.database.connect() as owner:
        owner.execute(
            "create schema if not exists auth; grant usage on schema auth to public;"
            " create or replace function auth.uid() returns uuid language sql stable as $$ select coalesce("
            " nullif(current_setting('request.jwt.claim.sub', true), ''),"
            " (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid $$"
        )
    connection = gateway.connect("authenticator")
    jwt = {
        "iss": "https://x.supabase.co/auth/v1", "sub": person(1), "aud": "authenticated", "exp": 4102444800, "iat": 1,
        "email": "ann@example.org", "role": gateway.roles["web"], "aal": "aal1", "amr": [{"method": "password", "timestamp": 1}],
        # What people may write themselves stays what it is.
        "user_metadata": {"sub": person(4), "name": '\\"}], "sub": "x" ü'}, "session_id": person(9), "is_anonymous": False,
    }  # fmt: skip
    with connection.transaction():
        set_role(connection, gateway.roles["web"])
        gateway.set_local(connection, JSON, json.dumps(jwt))
        assert str(connection.execute("select auth.uid()").fetchone()[0]) == person(1) == gateway.who(connection)
        assert gateway.seen(connection) == own(1) | own(2) | own(3)  # who manages 2 and 3
    with connection.transaction():  # the key that Supabase gives to browsers: a JWT without subject
        set_role(connection, gateway.roles["anon"])
        gateway.set_local(
            connection, JSON, json.dumps({"iss": "supabase", "ref": "x", "role": "anon", "exp": 4102444800})
        )
        assert gateway.seen(connection) == PUBLIC


def test_claims_of_a_transaction_are_gone_with_it(gateway):
    connection = gateway.connect("authenticator")
    for _ in range(2):
        with connection.transaction():
            set_role(connection, gateway.roles["web"])
            gateway.set_local(connection, JSON, json.dumps({"sub": person(2)}))
            assert gateway.seen(connection) == own(2)
        with connection.transaction():
            set_role(connection, gateway.roles["anon"])
            assert gateway.seen(connection) == PUBLIC


def test_text_and_whole_numbers_are_keys(claims, connection):
    for value, key in [("ü' or true --", "ü' or true --"), (42, "42"), (-7, "-7"), ("42", "42"), (1.50, "1.5")]:
        with connection.transaction():
            claims.set_local(connection, JSON, json.dumps({CLAIM: value}))
            assert claims.who(connection) == key


# -- nobody, and whoever is invalid --------------------------------------------------------------------------------------

NONE = {
    "nothing": {},
    "empty": {JSON: "", LEGACY: ""},
    "an empty object": {JSON: "{}"},
    "other claims": {JSON: '{"role": "anon", "sub": "x", "nested": {"user_id": "x"}}'},
    "another claim's setting": {"request.jwt.claim.sub": person(2)},
}
INVALID = {
    "cut": json.dumps({CLAIM: person(2)})[:-1],
    "no json": person(2),
    "json in a string": json.dumps(json.dumps({CLAIM: person(2)})),
    "an array": json.dumps([{CLAIM: person(2)}]),
    "null": "null",
    "a number": "7",
    "blanks": "  ",
    "a null claim": json.dumps({CLAIM: None}),
    "an empty claim": json.dumps({CLAIM: ""}),
    "a claim of several": json.dumps({CLAIM: [person(2)]}),
    "a claim of an object": json.dumps({CLAIM: {"id": person(2)}}),
    "a claim that is true": json.dumps({CLAIM: True}),
    "a NUL": '{"' + CLAIM + '": "\\u0000"}',
    "half a surrogate": '{"' + CLAIM + '": "\\ud800"}',
    "a trailing comma": '{"' + CLAIM + '": "x",}',
    "two documents": json.dumps({CLAIM: person(2)}) * 2,
}


@pytest.mark.parametrize("settings", NONE.values(), ids=NONE.keys())
def test_claims_that_name_nobody_are_a_visitors(claims, settings):
    for role, expected in (("anon", PUBLIC), ("web", set())):
        connection = claims.connect(role)
        with connection.transaction():
            for setting, value in settings.items():
                claims.set_local(connection, setting, value)
            assert connection.execute(claims.sql("select P.presented_viewer(), P.current_viewer()")).fetchone() == (
                None,
                None,
            )
            assert claims.seen(connection) == expected


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID.keys())
def test_invalid_claims_see_nothing_role_rules_included(claims, text):
    connection = claims.connect("anon")
    for local in (True, False):
        with connection.transaction(force_rollback=True):
            claims.set_local(connection, JSON, text, local=local)
            presented, current = connection.execute(
                claims.sql("select P.presented_viewer(), P.current_viewer()")
            ).fetchone()
            assert presented is not None
            assert current is None
            assert claims.seen(connection) == set()


@pytest.mark.parametrize(
    "text", [person(61), "00000000-0000-0000-0000-000000000002 ", person(2).upper() + "x", person(5)]
)
def test_claims_of_an_unknown_or_inactive_person_see_nothing(claims, text):
    connection = claims.connect("anon")
    with connection.transaction():
        claims.set_local(connection, JSON, json.dumps({CLAIM: text}))
        assert claims.seen(connection) == set()


@pytest.mark.parametrize("said", [{CLAIM: person(3)}, {"role": "anon"}, {CLAIM: None}])
def test_two_settings_that_say_different_things_count_for_nothing(claims, said):
    connection = claims.connect("anon")
    with connection.transaction():
        claims.set_local(connection, LEGACY, person(2))
        assert claims.seen(connection) == own(2)
        claims.set_local(connection, JSON, json.dumps({CLAIM: person(2)}))
        assert claims.seen(connection) == own(2)
        claims.set_local(connection, JSON, json.dumps(said))
        assert claims.seen(connection) == set()


def test_forget_takes_claims_away_and_become_says_that_it_cannot(claims, connection):
    with connection.transaction():
        claims.set_local(connection, LEGACY, person(2))
        claims.set_local(connection, JSON, json.dumps({CLAIM: person(2)}))
        connection.execute(claims.sql("select P.forget()"))
        assert connection.execute(claims.sql("select P.presented_viewer()")).fetchone() == (None,)
    with pytest.raises(psycopg.DatabaseError) as raised, connection.transaction():
        claims.become(connection, person(2))
    assert raised.value.diag.sqlstate == "ZE003"


def test_whether_a_text_is_json_is_told_without_an_error(claims, connection):
    """Compared with the server's own parser, on documents and on what becomes of them when one character is changed."""
    documents = [*INVALID.values(), *(json.dumps(value, ensure_ascii=False) for value in SOME), *MORE]
    texts = set(documents)
    for text in documents:
        for place in range(len(text)):
            texts |= {
                text[:place] + text[place + 1 :],
                text[:place] + '"' + text[place + 1 :],
                text[:place] + "," + text[place:],
            }
    ask = claims.sql("select P.is_json(%s)")
    wrong = []
    for text in sorted(texts):
        try:
            with connection.transaction():
                connection.execute("select %s::jsonb", [text])
            is_json = True
        except psycopg.DataError:
            is_json = False
        if connection.execute(ask, [text]).fetchone() != (is_json,):
            wrong.append(text)
    assert wrong == []


SOME = [
    {"a": [1, -2.5e3, None, True, {"b": {}}], "ü": '\\/\b\f\n\r\t" 漢'},
    [[[]]],
    "x",
    0,
    -0.0,
    [],
    {},
    [{"": [[], {}]}],
]
MORE = [
    '{"a" : 1 ,\n\t"a":2}',
    '"\\ud83d\\ude00"',
    '"\\u00e4"',
    "01",
    "1.",
    ".5",
    "+1",
    "1e5",
    "1E+05",
    "nul",
    "True",
    "[1 2]",
    "\x01",
]


# -- installing ------------------------------------------------------------------------------------------------------------

HOSTILE = 'it\'s "a" \\ %s {x} pgerase.viewer https://example.org/id $'


@pytest.mark.parametrize("claim", [HOSTILE, "pgerase", "sub", "'", "$"])
def test_a_claim_may_have_any_name(database, claim):
    with Database.open(database.dsn()) as connection:
        install(connection, database.prefix, identity=IdentityKind.CLAIMS, claim=claim)
        assert plan_install(connection, database.prefix) == ()  # what is installed is kept, its claim too
        assert plan_install(connection, database.prefix, identity=IdentityKind.CLAIMS, claim=claim) == ()
        other = plan_install(connection, database.prefix, identity=IdentityKind.CLAIMS, claim="other")
        p = database.prefix
        assert [str(step) for step in other] == [
            f"~ routine {p}.claimed_viewer",
            f"~ routine {p}.forget",
            "~ record of pgerase 0.1.0.dev0, identity claims, claim other",
        ]
    with database.connect_admin() as admin, admin.transaction():
        ask = f"select {p}.current_viewer()".encode()
        admin.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps({claim: "42"})])
        assert admin.execute(ask).fetchone() == ("42",)
        admin.execute(f"select {p}.forget()".encode())
        assert admin.execute(ask).fetchone() == (None,)


@pytest.mark.parametrize("claim", ["", "a$$b", "a\nb", "\x00"])
def test_a_claim_that_no_routine_can_hold_is_refused(database, claim):
    with Database.open(database.dsn()) as connection, pytest.raises(UsageError, match="claim"):
        plan_install(connection, database.prefix, identity=IdentityKind.CLAIMS, claim=claim)


def test_from_setting_to_claims_and_back_nothing_is_left(database):
    p = database.prefix
    functions = "select proname::text from pg_proc where pronamespace = %s::regnamespace order by 1"
    with Database.open(database.dsn()) as connection, database.connect() as owner:
        install(connection, p)
        before = owner.execute(functions, [p]).fetchall()
        install(connection, p, identity=IdentityKind.CLAIMS)
        between = [name for (name,) in owner.execute(functions, [p])]
        assert between == [
            "annotate",
            "become",
            "claimed_viewer",
            "current_viewer",
            "forget",
            "is_json",
            "presented_viewer",
        ]
        install(connection, p, identity=IdentityKind.SETTING)
        assert owner.execute(functions, [p]).fetchall() == before
        assert plan_install(connection, p) == ()


# -- what stands around it -------------------------------------------------------------------------------------------------


def test_verify_looks_through_claims_and_notices_a_fault(claims):
    report = claims.verify()
    assert report.failures == ()
    assert "malformed claims" in {stratum for stratum, _ in report.viewers}
    # Whoever's claims are malformed is somebody, and no visitor: a function that says otherwise is found.
    broken = (
        "create or replace function {P}.presented_viewer() returns text stable return nullif({P}.claimed_viewer(), '')"
    )
    claims.admin(broken)
    try:
        assert "mismatch-read" in {finding.code for finding in claims.verify("notes.note", statics=False).failures}
    finally:
        claims.repair()


def test_parallel_workers_may_ask_who_the_viewer_is(claims, connection):
    with claims.database.connect() as owner:
        owner.execute(
            "create table public.big as select lpad(n::text, 5, '0') as key from generate_series(1, 30000) as n"
        )
        owner.execute("grant select on public.big to public")
    for free in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
        connection.execute(f"set {free} = 0".encode())
    query = claims.sql("select count(*) from public.big where key = P.current_viewer()")
    for text, expected in ((json.dumps({CLAIM: "29999"}), 1), ('{"x', 0)):
        with connection.transaction():
            claims.set_local(connection, JSON, text)
            plan = "\n".join(row[0] for row in connection.execute(b"explain (analyze, costs off) " + query))
            assert "Workers Launched: " in plan
            assert connection.execute(query).fetchone() == (expected,)
