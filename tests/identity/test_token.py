"""`identity: token`: who signs, who is believed, for how long, and who can get hold of a key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

import pgerase
from pgerase.database import Database
from pgerase.errors import UsageError
from pgerase.operate.keys import draw_key
from pgerase.tokens import SigningKey
from tests.identity.conftest import PUBLIC, own, person


@pytest.fixture
def connection(token) -> psycopg.Connection:
    return token.connect()


def part(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(key: SigningKey, claims: object, header: object = None, *, secret: bytes | None = None) -> str:
    """Signed as any JWT library signs, and not with the code under test."""
    signed = f"{part({'alg': 'HS256', 'kid': key.key_id} if header is None else header)}.{part(claims)}"
    return f"{signed}.{part(hmac.new(secret or key.secret, signed.encode(), hashlib.sha256).digest())}"


def claims(key: SigningKey, number: int = 2, **more: object) -> dict[str, object]:
    return {"sub": person(number), "aud": key.audience, "exp": int(time.time()) + 60} | more


# -- who is believed -------------------------------------------------------------------------------------------------------


def test_a_signed_token_is_its_person(token, connection):
    with connection.transaction():
        connection.execute(token.sql("select P.become(%s)"), [pgerase.sign_token(token.key, person(1))])
        assert token.who(connection) == person(1)
        assert token.seen(connection) == own(1) | own(2) | own(3)
    assert token.who(connection) is None


def test_what_other_libraries_sign_is_believed(token, connection):
    key = token.key
    for claimed in (
        claims(key),
        claims(key, aud=["other", key.audience]),
        claims(key, exp=time.time() + 60.5, nbf=time.time() - 60, iat=1, jti="x", role="x", nested={"sub": "y"}),
    ):
        for header in (None, {"kid": key.key_id, "typ": "JWT", "alg": "HS256"}):
            with connection.transaction():
                connection.execute(token.sql("select P.become(%s)"), [jwt(key, claimed, header)])
                assert token.seen(connection) == own(2)


@pytest.mark.parametrize("key", ["a:b", ":", "::x::", "x@y", "it's", "ü漢\n", " ", "null", "x" * 2000])
def test_any_key_comes_back_as_it_was(token, connection, key):
    with connection.transaction():
        connection.execute(token.sql("select P.become(%s)"), [pgerase.sign_token(token.key, key)])
        assert token.who(connection) == key


@pytest.mark.parametrize("name", ["text", "jsonb", "bytea"])
def test_types_of_the_client_stand_for_nothing_in_functions_that_see_keys(token, connection, name):
    # Where a path does not name pg_temp, it comes first for types: the check of a domain would run as whoever keeps the keys.
    told: list[str | None] = []
    connection.add_notice_handler(lambda diagnostic: told.append(diagnostic.message_primary))
    with connection.transaction(force_rollback=True):
        connection.execute(
            f"""
            create function pg_temp.tell(p_value pg_catalog.{name}) returns boolean language plpgsql as $$
            begin
                raise notice 'in %', current_user;
                return true;
            end;
            $$;
            create domain pg_temp.{name} as pg_catalog.{name} check (pg_temp.tell(value));
            """
        )
        connection.execute(token.sql("select P.become(%s)"), [jwt(token.key, claims(token.key))])
        assert token.seen(connection) == own(2)
    assert told == []


# In docs/identity.md, for whoever signs in another language.
VECTOR_SECRET = bytes(range(64))
VECTOR = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsxIn0"
    ".eyJzdWIiOiI0MiIsImF1ZCI6InBnZXJhc2VAc2hvcCIsImV4cCI6MTc2NzIyNTkwMH0"
    ".Z8gZaai2OIZw-Ru0fhsr8XLjDN3lx7yK_ETJCsaY-Ck"
)


def test_the_vector_in_the_documentation():
    text = (Path(__file__).resolve().parents[2] / "docs" / "identity.md").read_text()
    key = SigningKey("k1", VECTOR_SECRET, "pgerase@shop")
    signed = pgerase.sign_token(key, 42, now=datetime(2026, 1, 1, tzinfo=UTC))
    assert signed == VECTOR
    for piece in (*VECTOR.split("."), part(VECTOR_SECRET)):
        assert piece in text


def test_hmac_of_the_server_is_that_of_rfc_4231(token):
    """Keys of 32 to 64 bytes, as Python's hmac makes them; the RFC's own are shorter or longer, so it stands for them."""
    lengths = (32, 33, 63, 64)
    with token.keeper() as keeper:
        for length in lengths:
            secret = hashlib.shake_256(str(length).encode()).digest(length)
            keeper.execute(token.sql("select P_internal.keep_signing_key(%s, %s)"), [f"k{length}", secret])
        for message in (b"", b"Hi There", b"\xdd" * 50, bytes(range(256)) * 9):
            found = dict(keeper.execute(token.sql("select * from P_internal.signatures(%s)"), [message]).fetchall())
            for length in lengths:
                secret = hashlib.shake_256(str(length).encode()).digest(length)
                assert found[f"k{length}"] == hmac.new(secret, message, hashlib.sha256).digest()


# -- who is not ------------------------------------------------------------------------------------------------------------

OTHER = SigningKey("other", hashlib.sha256(b"other").digest(), "pgerase@other")


def _forgeries(key: SigningKey) -> dict[str, str]:
    good = jwt(key, claims(key))
    header, payload, signature = good.split(".")
    hs256 = {"alg": "HS256", "kid": key.key_id}
    end = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = end[end.index(signature[-1]) ^ 1]  # the same 32 bytes, for whoever ignores what is left over
    return {
        "expired": jwt(key, claims(key, exp=time.time() - 1)),
        "expired long ago": jwt(key, claims(key, exp=0)),
        "not yet": jwt(key, claims(key, nbf=time.time() + 60)),
        "no end": jwt(key, {"sub": person(2), "aud": key.audience}),
        "an end in words": jwt(key, claims(key, exp="4102444800")),
        "an end that is null": jwt(key, claims(key, exp=None)),
        "a beginning in words": jwt(key, claims(key, nbf="0")),
        "another's key under the right id": jwt(key, claims(key), secret=OTHER.secret),
        "another's key": jwt(OTHER, claims(key)),
        "the right key under another id": jwt(key, claims(key), {**hs256, "kid": "other"}),
        "no key id": jwt(key, claims(key), {"alg": "HS256"}),
        "another database": jwt(key, claims(key, aud=key.audience + "x")),
        "another prefix": jwt(key, claims(key, aud="x" + key.audience)),
        "no audience": jwt(key, {"sub": person(2), "exp": time.time() + 60}),
        "several other audiences": jwt(key, claims(key, aud=["a", "b"])),
        "an audience of an object": jwt(key, claims(key, aud={key.audience: 1})),
        "no subject": jwt(key, {"aud": key.audience, "exp": time.time() + 60}),
        "an empty subject": jwt(key, claims(key, sub="")),
        "a subject that is no text": jwt(key, claims(key, sub=2)),
        "a null subject": jwt(key, claims(key, sub=None)),
        "no claims": jwt(key, []),
        "claims that are text": jwt(key, "x"),
        "another algorithm": jwt(key, claims(key), {**hs256, "alg": "HS384"}),
        "no algorithm": f"{part({'alg': 'none', 'kid': key.key_id})}.{payload}.",
        "no algorithm, but a signature": jwt(key, claims(key), {**hs256, "alg": "none"}),
        "something critical": jwt(key, claims(key), {**hs256, "crit": ["x"], "x": 1}),
        "without signature": f"{header}.{payload}",
        "with an empty signature": f"{header}.{payload}.",
        "another signature": f"{header}.{payload}.{part(bytes(32))}",
        "another spelling of the signature": f"{header}.{payload}.{signature[:-1]}{last}",
        "filled up": good + "=",
        "with blanks": f" {good} ",
        "with a line's end": f"{good}\n",
        "a part more": f"{good}.{signature}",
        "other claims": f"{header}.{part(claims(key, 1))}.{signature}",
        "a key alone": person(2),
        "nothing but dots": "..",
        "very long": jwt(key, claims(key, more="x" * 20000)),
        "a proof instead": f"{'0' * 64}:{key.key_id}:4102444800:0:{person(2)}",
    }


NAMES = list(_forgeries(OTHER))


@pytest.mark.parametrize("name", NAMES)
def test_presented_but_invalid_sees_nothing_role_rules_included(token, name):
    """S: who forges, cuts, replays or brings what was meant for somebody else is no visitor either."""
    forged = _forgeries(token.key)[name]
    for role in ("anon", "web"):
        connection = token.connect(role)
        with connection.transaction():
            connection.execute(token.sql("select P.become(%s)"), [forged])
            assert connection.execute(
                token.sql("select P.presented_viewer() is null, P.current_viewer()")
            ).fetchone() == (
                False,
                None,
            )
            assert token.seen(connection) == set()
        if role == "anon":
            assert token.seen(connection) == PUBLIC


def test_every_shortened_or_altered_token_is_invalid(token, connection):
    good = pgerase.sign_token(token.key, person(2))
    cut = [good[:length] for length in range(1, len(good))] + [good[start:] for start in range(1, len(good), 7)]
    altered = [good[:i] + ("A" if good[i] != "A" else "B") + good[i + 1 :] for i in range(len(good))]
    admit = token.sql("select P.admit(%s)")
    assert connection.execute(admit, [good]).fetchone() != (None,)
    assert {connection.execute(admit, [text]).fetchone()[0] for text in (*cut, *altered)} == {None}


def test_a_token_that_ends_in_the_middle_of_a_transaction_ends_there(token, connection):
    """P: expiry is that of statement_timestamp(), whatever was valid when the transaction began."""
    with connection.transaction():
        end = time.time() + 1.5
        connection.execute(token.sql("select P.become(%s)"), [jwt(token.key, claims(token.key, exp=end))])
        assert token.seen(connection) == own(2)
        connection.execute("select pg_sleep_until(to_timestamp(%s))", [end])
        assert token.seen(connection) == set()
        assert token.who(connection) is None
    with connection.transaction():  # replayed
        connection.execute(token.sql("select P.become(%s)"), [jwt(token.key, claims(token.key, exp=end))])
        assert token.seen(connection) == set()


@pytest.mark.parametrize("local", [True, False])
def test_nothing_that_a_client_can_set_is_an_identity(token, connection, local):
    setting = f"{token.prefix}.viewer"
    with connection.transaction(force_rollback=True):
        token.present(connection, 2)
        proof = connection.execute("select current_setting(%s)", [setting]).fetchone()[0]
        signature, key_id, end, stamp, viewer = proof.split(":")
        assert viewer == person(2)
        for value in (
            person(1),
            f"{person(1)}@{stamp}",
            f"{signature}:{key_id}:{end}:{stamp}:{person(1)}",
            f"{signature}:{key_id}:4102444800:{stamp}:{viewer}",
            f"{'0' * 64}:{key_id}:{end}:{stamp}:{viewer}",
            f"{signature.upper()}:{key_id}:{end}:{stamp}:{viewer}",
            f"{signature[:-1]}:{key_id}:{end}:{stamp}:{viewer}",
            f"{signature}:other:{end}:{stamp}:{viewer}",
            f"{signature}::{end}:{stamp}:{viewer}",
            f"{signature}:{key_id}:x:{stamp}:{viewer}",
            f"x{proof}",
            pgerase.sign_token(token.key, person(1)),
            *(proof[:length] for length in range(0, len(proof), 5) if length),
        ):
            token.set_local(connection, setting, value, local=local)
            # Nor does it raise: policies go on, for nobody.
            assert token.seen(connection) == set(), value
        token.set_local(connection, setting, proof, local=local)
        assert token.seen(connection) == own(2)


def test_a_proof_is_of_no_use_in_another_transaction(token):
    """Whatever code reads the setting, a trigger of the application say, holds nothing that it could bring again."""
    first, second = token.connect(), token.connect()
    setting = f"{token.prefix}.viewer"
    with first.transaction():
        token.present(first, 2)
        stolen = first.execute("select current_setting(%s)", [setting]).fetchone()[0]
        with second.transaction():
            token.set_local(second, setting, stolen)
            assert token.seen(second) == set()
        token.set_local(first, setting, stolen, local=False)
        assert token.seen(first) == own(2)
    assert first.execute("select current_setting(%s)", [setting]).fetchone() == (stolen,)
    assert token.seen(first) == set()


def test_a_token_in_the_text_of_a_statement_counts_for_nothing(token, connection):
    """Tokens travel as bind parameters only: others of the same login can read statements in pg_stat_activity."""
    notices: list[str] = []
    connection.add_notice_handler(lambda notice: notices.append(f"{notice.severity} {notice.message_primary}"))
    signed = pgerase.sign_token(token.key, person(2))
    with connection.transaction():
        connection.execute(sql.SQL("select {}({})").format(sql.Identifier(token.prefix, "become"), sql.Literal(signed)))
        assert token.seen(connection) == set()
    assert notices == ["WARNING the token stands in the statement and counts for nothing"]
    with psycopg.ClientCursor(connection) as cursor, connection.transaction():
        cursor.execute(token.sql("select P.become(%s)"), [signed])
        assert token.seen(connection) == set()
    client = psycopg.connect(token.database.dsn(token.roles["web"]), cursor_factory=psycopg.ClientCursor)
    with client, pgerase.as_viewer(client, token=signed, prefix=token.prefix):
        assert token.seen(client) == own(2)  # as_viewer binds, whatever the connection does otherwise


# -- as_viewer ---------------------------------------------------------------------------------------------------------------


def test_as_viewer_takes_tokens_and_gives_the_enclosing_identity_back(token, connection):
    outer, inner = (pgerase.sign_token(token.key, person(number)) for number in (2, 3))
    with pgerase.as_viewer(connection, token=outer, prefix=token.prefix):
        with pgerase.as_viewer(connection, token=inner, prefix=token.prefix):
            assert token.seen(connection) == own(3)
        assert token.seen(connection) == own(2)
        with pgerase.as_viewer(connection, token="no token", prefix=token.prefix):
            assert token.seen(connection) == set()
        assert token.seen(connection) == own(2)
    assert token.who(connection) is None


def test_as_viewer_takes_claims(claims):
    connection = claims.connect()
    with pgerase.as_viewer(connection, claims={"user_id": person(2)}):
        assert claims.seen(connection) == own(2)
        with pgerase.as_viewer(connection, claims={"user_id": person(3)}):
            assert claims.seen(connection) == own(3)
        assert claims.seen(connection) == own(2)
    assert claims.who(connection) is None


@pytest.mark.parametrize("given", [{}, {"key": 1, "token": "x"}, {"token": ""}, {"key": ""}, {"key": 1, "claims": {}}])
def test_as_viewer_takes_one_of_them(connection, given):
    with pytest.raises(UsageError):
        pgerase.as_viewer(connection, **given)


@pytest.mark.parametrize(
    ("viewer", "more"),
    [("", {}), (True, {}), (1.5, {}), (1, {"lifetime": timedelta(0)}), (1, {"lifetime": timedelta(seconds=-1)}),
     (1, {"now": datetime(2026, 1, 1)})],
)  # fmt: skip
def test_what_cannot_be_signed_is_refused(viewer, more):
    with pytest.raises(UsageError):
        pgerase.sign_token(OTHER, viewer, **more)


# -- who can get hold of a key ---------------------------------------------------------------------------------------------

READS = [
    "select * from P_internal.signing_key",
    "select * from P_internal.key_mask",
    "select * from P_internal.signing_keys()",
    "select * from P_internal.signatures('x')",
    "select * from P_internal.draw_signing_key()",
    "select P_internal.keep_signing_key('x', sha256('x'))",
    "select P_internal.retire_signing_key('x')",
    "select P_internal.make_room_for_key(null)",
    "refresh materialized view P_internal.key_mask",
]


@pytest.mark.parametrize("statement", READS)
def test_viewers_and_their_triggers_cannot_read_or_use_keys(token, connection, statement):
    with connection.transaction():
        token.present(connection, 4)  # a super admin
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(token.sql(statement))


@pytest.mark.parametrize("statement", READS[1:])
def test_a_trigger_of_a_developer_cannot_read_or_use_keys(token, connection, statement):
    """Even one that runs with the rights of the tables' owner, which installed pgerase: it reads what is masked, and no more."""
    with token.database.connect() as owner:
        owner.execute(
            token.sql(
                "create function notes.spy() returns trigger language plpgsql security definer as"
                f" $$ begin execute $q${statement}$q$; return new; end $$;"
                " create trigger spy before update on notes.note for each row execute function notes.spy()"
            )
        )
    try:
        with connection.transaction():
            token.present(connection, 2)
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute("update notes.note set public = public")
    finally:
        with token.database.connect() as owner:
            owner.execute("drop function notes.spy() cascade")


def test_the_table_that_a_dump_takes_along_does_not_tell_a_key(token, pg_dump):
    """S: whoever has a dump cannot sign; nor can whoever restores it."""
    with token.database.connect() as owner:
        masked = owner.execute(token.sql("select bit_send(masked) from P_internal.signing_key")).fetchall()
    assert masked
    dump = pg_dump(token.database, "--exclude-schema=notes")
    assert f"REFRESH MATERIALIZED VIEW {token.prefix}_internal.key_mask" in dump
    secrets = [token.key.secret.hex(), f"{int.from_bytes(token.key.secret):0256b}", part(token.key.secret)]
    assert not [secret for secret in secrets if secret in dump]
    with token.keeper() as keeper:
        (pads,) = keeper.execute(
            token.sql("select inner_pad::text || outer_pad::text from P_internal.key_mask")
        ).fetchone()
    assert len(pads) == 1024
    assert pads[:512] not in dump
    assert pads[512:] not in dump


def test_no_log_and_no_statement_shows_a_key_or_a_token(token, connection):
    """What pg_stat_activity and a log of statements could show: texts of statements, and what they are called with."""
    token.admin("alter role {web} set log_statement = 'all'")
    signed = pgerase.sign_token(token.key, person(2))
    with connection.transaction():
        connection.execute(token.sql("select P.become(%s)"), [signed])
        with psycopg.connect(token.database.admin_dsn) as admin:
            texts = [
                row[0] for row in admin.execute("select query from pg_stat_activity where datname = current_database()")
            ]
        assert any("become" in text for text in texts)
        assert not any(signed in text or signed.split(".")[2] in text for text in texts)


# -- what stands around it ---------------------------------------------------------------------------------------------------


def test_verify_signs_with_a_key_of_its_own_that_nobody_keeps(token):
    before = token.keys()
    report = token.verify()
    assert report.failures == ()
    assert {"leftover of another transaction", "unknown key"} <= {stratum for stratum, _ in report.viewers}
    assert token.keys() == before
    # Whoever presents what is no proof is somebody, and no visitor: a function that says otherwise is found.
    name = "create or replace function {P}.presented_viewer() returns text stable return "
    token.admin(name + "{P}.current_viewer()")
    try:
        assert "mismatch-read" in {finding.code for finding in token.verify("notes.note", statics=False).failures}
    finally:
        token.repair()


def test_a_key_of_a_transaction_that_is_rolled_back_signs_nothing_after_it(token, connection):
    with token.keeper() as keeper, Database(keeper).transaction(undo=True):
        key = draw_key(Database(keeper), token.names.prefix)
        signed, admit = pgerase.sign_token(key, person(2)), token.sql("select P.admit(%s)")
        assert person(2) in keeper.execute(admit, [signed]).fetchone()[0]
        # Nor anywhere else before that.
        assert connection.execute(admit, [signed]).fetchone() == (None,)
    assert connection.execute(admit, [signed]).fetchone() == (None,)


def test_parallel_workers_may_ask_who_the_viewer_is(token, connection):
    with token.database.connect() as owner:
        owner.execute(
            "create table public.big as select lpad(n::text, 5, '0') as key from generate_series(1, 3000) as n"
        )
        owner.execute("grant select on public.big to public")
    for free in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
        connection.execute(f"set {free} = 0".encode())
    query = token.sql("select count(*) from public.big where key = P.current_viewer()")
    with connection.transaction():
        connection.execute(token.sql("select P.become(%s)"), [pgerase.sign_token(token.key, "02999")])
        plan = "\n".join(row[0] for row in connection.execute(b"explain (analyze, costs off) " + query))
        assert "Workers Launched: " in plan
        assert connection.execute(query).fetchone() == (1,)
