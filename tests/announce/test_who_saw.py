"""S4: the person sees support (role), on date, for this reason, looked at these records; and nobody sees another's."""

from __future__ import annotations

import json
from datetime import timedelta

import psycopg
import pytest
from psycopg import sql

from pgerase.cli.main import main
from pgerase.operate import Returned, who_saw
from pgerase.tokens import SigningKey, sign_token
from tests.announce.conftest import CARE
from tests.verify.conftest import deploy


@pytest.fixture
def looked(care):
    """Anna was looked at twice, once without her consent; Berta once. Numbers of the three grants."""
    first = care.opened(70, why="cannot sign in")
    glass = care.opened(70, kind="break_glass", holder="lead-1", why="fraud report")
    care.as_owner("select P_internal.approve_grant(%s, 'lead-2')", [glass])
    other = care.opened(71, why="billing")
    for resource, keys in (("note", ["1", "2"]), ("person", ["70"])):
        care.as_secret("select P_internal.keep_ticket(%s, %s, %s)", [first, resource, keys])
    care.as_owner("select P_internal.close_grant(%s, null)", [first])
    return first, glass, other


def test_s4_the_person_sees_role_date_reason_and_records(care, looked):
    first, glass, _ = looked
    latest, earliest = care.seen_by("anna", "who_saw_me")
    assert (latest["access"], earliest["access"]) == (glass, first)
    assert (earliest["kind"], earliest["reason"], earliest["ticket"]) == ("support", "cannot sign in", "T-1")
    assert (latest["kind"], latest["reason"]) == ("break glass", "fraud report")
    assert earliest["since"] <= earliest["closed_at"] <= earliest["until"]
    assert latest["closed_at"] is None
    assert latest["until"] - latest["since"] <= timedelta(hours=1)
    assert earliest["reachable"] == ["care.note.person"]
    assert [(one["resource"], one["rows"]) for one in earliest["returned"]] == [("note", 2), ("person", 1)]
    assert latest["returned"] == []


def test_s4_what_could_be_seen_is_as_it_was_then(care, looked):
    """Links that audit.yaml opens later, or no longer, change nothing of what is told."""
    function = "P_internal.announce_settings()"
    ((before,),) = care.as_secret(f"select pg_get_functiondef('{function}'::regprocedure)")
    assert before.count("care.note.person") == 1
    try:
        care.as_secret(before.replace("care.note.person", "care.letter.person"))
        later = care.opened(70)
        shown = {one["access"]: one["reachable"] for one in care.seen_by("anna", "who_saw_me")}
    finally:
        care.as_secret(before)
    assert shown == {looked[0]: ["care.note.person"], looked[1]: ["care.note.person"], later: ["care.letter.person"]}


def test_s4_what_is_told_is_there_to_be_read(care, looked):
    first, glass, other = looked
    assert [(one["access"], one["event"]) for one in care.seen_by("anna", "my_messages")] == [
        (first, "closed"),
        (glass, "approved"),
        (first, "opened"),
    ]
    (message,) = care.seen_by("berta", "my_messages")
    assert (message["access"], message["event"]) == (other, "opened")
    assert message["said"].startswith("Support has access to your data until ")
    assert message["said"].endswith("Reason: billing. Ticket: T-1.")


def test_threat_one_person_asks_for_another(care, looked):
    _, _, other = looked
    assert [one["access"] for one in care.seen_by("berta", "who_saw_me")] == [other]
    for login in ("carl", "agent-1", "lead-1", "nobody-at-all", None):
        for function in ("who_saw_me", "my_messages"):
            assert care.seen_by(login, function) == [], (login, function)


def test_threat_an_identity_cannot_be_forged(care, looked, tmp_path):
    forger = SigningKey(care.key.key_id, bytes(64), care.key.audience)
    with care.session(sign_token(forger, "anna")) as connection:
        assert connection.execute(care.sql("select from P.who_saw_me()").encode()).rowcount == 0
    with care.session(None) as connection:
        connection.execute("select set_config(%s, 'anna', true)", [f"{care.prefix}.viewer"])
        assert connection.execute(care.sql("select from P.who_saw_me()").encode()).rowcount == 0


def test_threat_the_application_cannot_ask_about_somebody(care, looked):
    web = care.database.connect(care.roles["web"])
    for statement in (
        "select * from P_internal.who_saw('person', '70')",
        "select * from P_internal.own_person()",
        "select * from P_lookup.own_person()",
        "select * from P_internal.support_grant",
        "select P_internal.message_text('person', 'opened', 1)",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            web.execute(care.sql(statement).encode())


def test_who_is_not_active_sees_nothing(care, looked):
    with care.database.connect_admin() as admin:
        admin.execute("update care.person set status = 'INACTIVE' where login = 'anna'")
    try:
        assert care.seen_by("anna", "who_saw_me") == []
    finally:
        with care.database.connect_admin() as admin:
            admin.execute("update care.person set status = 'ACTIVE' where login = 'anna'")


def test_break_glass_that_nobody_approved_opened_nothing(care):
    care.opened(70, kind="break_glass", holder="lead-1")
    assert care.seen_by("anna", "who_saw_me") == []


def test_threat_names_of_staff_are_kept_unless_the_pack_says_so(care, looked):
    seen = [*care.seen_by("anna", "who_saw_me"), *care.seen_by("anna", "my_messages")]
    for name in ("agent-1", "lead-1", "lead-2", "Agnes", "Leo"):
        assert name not in str(seen)
    function = "P_internal.announce_settings()"
    ((before,),) = care.as_secret(f"select pg_get_functiondef('{function}'::regprocedure)")
    # The only one of its settings that is false.
    assert before.count("false") == 1
    try:
        care.as_secret(before.replace("false", "true"))
        assert [one["staff"] for one in care.seen_by("anna", "who_saw_me")] == ["lead-1", "agent-1"]
        assert "agent-1" not in str(care.seen_by("anna", "my_messages"))
    finally:
        care.as_secret(before)


def test_of_somebody_erased_the_time_and_the_ticket_stay(care, looked, capsys):
    _, glass, _ = looked
    care.as_secret("select P_internal.forget_support('person', '{70}')")
    latest, earliest = who_saw(care.register(), "person", "70")
    assert (latest.number, latest.reason, latest.ticket) == (glass, None, "T-1")
    # How many rows were returned is not known any more, which is not the same as none.
    assert [(one.resource, one.rows) for one in earliest.returned] == [("note", None), ("person", None)]
    assert main(["support", "who-saw", "person", "70", "--dsn", care.database.dsn(), "--prefix", care.prefix]) == 0
    told = [line.strip() for line in capsys.readouterr().out.splitlines() if "asked to read" in line]
    at = f"{earliest.returned[0].at:%Y-%m-%d %H:%M %Z}"
    assert told[0] == f"asked to read, and was shown at most: rows of note, {at}; how many is erased"


def test_a_ticket_that_nobody_read_by_is_not_said_to_have_returned_rows(care, looked, capsys):
    """Taking a ticket leaves a trace, reading by it leaves none: what is told is what was asked for, and the most that it showed."""
    first, _, _ = looked
    assert main(["support", "who-saw", "person", "70", "--dsn", care.database.dsn(), "--prefix", care.prefix]) == 0
    said = capsys.readouterr().out
    assert "returned" not in said
    (earliest,) = [one for one in who_saw(care.register(), "person", "70") if one.number == first]
    asked = [line.strip() for line in said.splitlines() if "asked to read" in line]
    assert asked == [
        f"asked to read, and was shown at most: {rows}, {one.at:%Y-%m-%d %H:%M %Z}"
        for rows, one in zip(("2 rows of note", "1 row of person"), earliest.returned, strict=True)
    ]


def test_officers_ask_about_anybody_and_see_what_the_person_sees(care, looked, capsys):
    first, glass, _ = looked
    found = who_saw(care.register(), "person", "70")
    assert [(one.number, one.kind, one.reason, one.staff) for one in found] == [
        (glass, "break glass", "fraud report", None),
        (first, "support", "cannot sign in", None),
    ]
    assert isinstance(found[1].returned[0], Returned)
    assert who_saw(care.register(), "person", "72") == ()
    options = ["--dsn", care.database.dsn(), "--prefix", care.prefix]
    assert main(["support", "who-saw", "person", "71", *options]) == 0
    said = capsys.readouterr().out
    assert "support  " in said
    assert "billing" in said
    assert main(["support", "who-saw", "person", "70", "--format", "json", *options]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["format"] == 1
    assert [one["access"] for one in data["seen"]] == [glass, first]
    assert data["seen"][1]["returned"][0]["rows"] == 2
    assert main(["support", "who-saw", "person", "72", *options]) == 0
    assert capsys.readouterr().out == "no support access to person 72 is on record\n"
    assert main(["support", "who-saw", "person", "999", *options]) == 0
    assert capsys.readouterr().out == "no support access to person 999 is on record, and nobody has this key\n"


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (["support", "who-saw", "persn", "70"], "has no such subject", "There is: person."),
        (
            ["support", "open", "persn", "70", "--as", "agent-1", "--reason", "x"],
            "no such subject",
            "There is: person.",
        ),
        (["subject", "history", "persn", "70"], "has no such subject", "There is: person."),
        (["subject", "release", "persn", "70", "--yes"], "has no such subject", "There is: person."),
        (["audit", "tail", "--no-follow", "--person", "persn", "70"], "has no such subject", "There is: person."),
        (["audit", "tail", "--no-follow", "--table", "persn"], "persn is not captured", "Did you mean care.person?"),
        (["audit", "tail", "--no-follow", "--table", "care.persno"], "is not captured", "Did you mean care.person?"),
        (["audit", "tail", "--no-follow", "--table", "note"], "note is not captured", "Captured are: care.person."),
        # It is there, and no slip for another that has the schema in common.
        (
            ["audit", "tail", "--no-follow", "--table", "care.note"],
            "care.note is not captured",
            "hint: Captured are: care",
        ),
        (
            ["audit", "history", "care.note", "number=1"],
            "care.note is not captured",
            "hint: Captured are: care.person.",
        ),
        (["audit", "history", "person", "id=70"], "id is no column of the key of care.person", "The key is number."),
    ],
)
def test_a_slip_of_the_pen_is_no_answer(care, capsys, words, said, hint):
    """Exit code 2, and what there is: "nobody looked" must not be said of people who are not there."""
    assert main([*words, "--dsn", care.database.dsn(), "--prefix", care.prefix]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert hint in printed.err


def test_s2_every_access_is_in_the_log_and_tail_shows_it_beside_what_was_done(care, capsys):
    begun = care.as_owner("select clock_timestamp()")
    grant = care.opened(70, why="forgot her PIN")
    with care.database.connect_admin() as admin:
        admin.execute("update care.person set name = 'Anna Ash', kind = 'vip' where number = 70")
        (login,) = admin.execute("select session_user").fetchone()
    options = ["--dsn", care.database.dsn(), "--prefix", care.prefix, "--no-follow", "--since", begun.isoformat()]

    def shown(*words: str) -> list[str]:
        assert main(["audit", "tail", *options, *words]) == 0
        return [line.partition("  ")[2] for line in capsys.readouterr().out.splitlines()]

    opened, changed = shown()
    assert opened.startswith(f"support -  open  agent-1/{care.database.owner}  [support grant {grant}]  until: ")
    assert opened.endswith(", reason: (apart)")
    assert "ticket: T-1" in opened
    assert changed == f"care.person number=70  update  -/{login}  kind: customer → vip, name: (apart)"
    assert "PIN" not in opened
    assert shown("--person", "person", "70", "--values")[1].endswith("name: Anna Arbor → Anna Ash")
    for key, why in (("71", "no entry of the log is like this; names"), ("999", "nobody has this key, and no entry")):
        assert main(["audit", "tail", *options, "--person", "person", key]) == 0
        said = capsys.readouterr()
        assert (said.out, said.err.startswith(why)) == ("", True)
    assert shown("--table", "support", "--actor", "agent-1") == [opened]
    assert main(["audit", "history", "care.person", "number=70", *options[:4]]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(changed)


@pytest.mark.long
def test_where_the_login_is_the_identity_it_is_whose_data_it_is(databases, tmp_path):
    database = databases()
    with database.connect() as owner:
        owner.execute((CARE / "schema.sql").read_bytes())
    pack = tmp_path / "pack"
    pack.mkdir()
    for file in CARE.glob("*.yaml"):
        text = (
            file.read_text()
            .replace("identity: token", "identity: role")
            .replace("[care_web]", "[care_anna, care_berta]")
        )
        (pack / file.name).write_text(text)
    site = deploy(database, pack, tmp_path / "care", "care", ("anna", "berta"))
    with database.connect_admin() as admin:
        for name in ("anna", "berta"):
            admin.execute("update care.person set login = %s where login = %s", [site.roles[name], name])
    with database.connect() as owner:
        opening = "select {}.open_grant('normal', 'agent-1', 'person', '70', null, 'T-1', now() + interval '1 hour')"
        (grant,) = owner.execute(sql.SQL(opening).format(sql.Identifier(f"{database.prefix}_internal"))).fetchone()
    question = sql.SQL("select access from {}.who_saw_me()").format(sql.Identifier(database.prefix))
    anna = database.connect(site.roles["anna"])
    assert anna.execute(question).fetchall() == [(grant,)]
    assert database.connect(site.roles["berta"]).execute(question).fetchall() == []
