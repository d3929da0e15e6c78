"""Code of others runs with the eraser's rights only after somebody has looked at it, and only as it was then (C4)."""

from __future__ import annotations

import re

import pytest
import yaml

from pgerase.database import Database
from pgerase.errors import Finding, Refused, Severity
from pgerase.install import install
from pgerase.operate import dry_run, open_request
from pgerase.rules.read import read_pack
from tests.erasing.conftest import Club

FUNCTION = "create function app.theirs({0}) returns {1} language plpgsql immutable as $$begin return {2}; end$$; "
LOOKS = FUNCTION.format("p_text text", "boolean", "true")
SPELLS = FUNCTION.format("p_text text", "text", "lower(p_text)")
# Every way in which a function comes to run while rows of the club are changed or deleted.
WAYS = {
    "trigger theirs on app.task": FUNCTION.format("", "trigger", "new").replace(" immutable", "")
    + "create trigger theirs before update on app.task for each row execute function app.theirs()",
    "trigger whole on app.membership": FUNCTION.format("", "trigger", "null").replace(" immutable", "")
    + "create trigger whole after delete on app.membership for each statement execute function app.theirs()",
    "trigger touch on app.task": LOOKS
    + "create function app.touch() returns trigger language plpgsql as 'begin return new; end'; "
    "create trigger touch before update on app.task for each row when (app.theirs(new.title)) execute function app.touch()",
    "check looks on app.person": LOOKS + "alter table app.person add constraint looks check (app.theirs(full_name))",
    "check signs on app.person": LOOKS.replace("p_text text", "a text, b text")
    + "create operator app.<=> (function = app.theirs, leftarg = text, rightarg = text); "
    "alter table app.person add constraint signs check (full_name operator(app.<=>) email)",
    "index spelled on app.person": SPELLS + "create index spelled on app.person (app.theirs(full_name))",
    "index partly on app.person": LOOKS + "create index partly on app.person (locale) where app.theirs(full_name)",
    "generated of app.person.shown": SPELLS
    + "alter table app.person add column shown text generated always as (app.theirs(locale)) stored",
    "domain of app.person.locale": LOOKS
    + "create domain app.inner as text check (app.theirs(value)); create domain app.outer as app.inner; "
    "alter table app.person alter locale type app.outer",
    "default of app.task.owner_id": FUNCTION.format("", "bigint", "null::bigint")
    + "alter table app.task alter owner_id set default app.theirs(), drop constraint task_owner_id_fkey, "
    "add foreign key (owner_id) references app.person on delete set default",
}


def theirs(club: Club, code: str) -> str:
    """Run a developer's code, whose function app.theirs belongs to a role of his own afterwards; the role."""
    developer = club.database.role("developer")
    club.owner.execute(code.encode())
    club.admin.execute(f'alter function app.theirs owner to "{developer}"'.encode())
    return developer


def planned(club: Club) -> list[Finding]:
    """What the plan says of functions that erasing runs."""
    with Database.open(club.database.dsn()) as database:
        install(database, club.prefix, identity=read_pack(club.deployment.folder).identity)
    codes = {"erasing-runs-code", "unacknowledged-code", "stale-acknowledgement", "unknown-acknowledgement"}
    return [one for one in club.deployment.plan().findings if one.code in codes]


def pasted(finding: Finding) -> str:
    """The line of pack.yaml that a finding prints, with a reason."""
    found = re.search(r"\{function: .*\}$", finding.hint)
    assert found is not None, finding.hint
    return found[0].replace("…", "it does nothing")


def acknowledge(club: Club, *lines: str) -> None:
    pack = club.deployment.folder / "pack.yaml"
    kept = pack.read_text().partition("acknowledge:")[0]
    pack.write_text(kept + "acknowledge:\n" + "".join(f"  - {line}\n" for line in lines))


@pytest.mark.parametrize("place", WAYS)
def test_code_of_others_is_refused_until_acknowledged_and_again_once_it_changed(place: str, unapplied: Club):
    club = unapplied
    developer = theirs(club, WAYS[place])
    (refused,) = [one for one in planned(club) if one.severity is Severity.ERROR]
    assert (refused.code, refused.subject.partition("(")[0]) == ("unacknowledged-code", "app.theirs")
    assert place in refused.message
    assert developer in refused.message
    acknowledge(club, pasted(refused))
    club.apply()
    club.erase_cleanly(6)
    club.admin.execute("alter function app.theirs set work_mem = '5MB'")
    before = club.everything()
    with pytest.raises(Refused, match="code that erasing runs has changed"):
        club.erase(5)
    assert club.everything() == before
    old = yaml.safe_load(pasted(refused))["hash"]
    (stale,) = [one for one in planned(club) if one.severity is Severity.ERROR]
    assert (stale.code, stale.at is not None and stale.at.line > 1) == ("stale-acknowledgement", True)
    assert old in stale.message
    assert yaml.safe_load(pasted(stale))["hash"] in stale.message
    acknowledge(club, pasted(stale))
    club.apply()
    club.erase_cleanly(5)


CHANGES = {
    "source": "create or replace function app.theirs() returns trigger language plpgsql as 'begin return null; end'",
    "owner": 'alter function app.theirs owner to "{other}"',
    "settings": "alter function app.theirs set search_path = app",
    "rights": "alter function app.theirs security definer",
    "language": "create or replace function app.theirs() returns trigger language internal as "
    "'suppress_redundant_updates_trigger'",
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_hash_covers_whatever_decides_what_a_function_does(change: str, unapplied: Club):
    club = unapplied
    theirs(club, WAYS["trigger theirs on app.task"])
    (first,) = planned(club)
    acknowledge(club, pasted(first))
    assert [one.severity for one in planned(club)] == [Severity.NOTE]
    club.admin.execute(CHANGES[change].format(other=club.database.role("other")).encode())
    (stale,) = [one for one in planned(club) if one.subject == "app.theirs()"]
    assert stale.code == "stale-acknowledgement"


def test_code_of_whoever_owns_all_of_it_is_noted(unapplied: Club):
    club = unapplied
    club.owner.execute(WAYS["check looks on app.person"].encode())
    (noted,) = planned(club)
    assert (noted.code, noted.severity, noted.subject) == (
        "erasing-runs-code",
        Severity.NOTE,
        "app.theirs(p_text text)",
    )
    assert "check looks on app.person" in noted.message


def test_code_of_a_superuser_and_of_his_extensions_needs_nobody(unapplied: Club):
    club = unapplied
    club.owner.execute(WAYS["check looks on app.person"].encode())
    club.admin.execute("alter function app.theirs owner to current_user")
    assert [one.severity for one in planned(club)] == [Severity.NOTE]
    club.admin.execute("create extension citext schema app")
    club.owner.execute("alter table app.person drop constraint looks, alter full_name type app.citext")
    club.owner.execute("alter table app.person add check (full_name operator(app.<>) 'x'::app.citext)")
    assert planned(club) == []
    club.apply().erase_cleanly(5)


def test_a_developer_who_owns_one_table_does_not_reach_the_others_by_its_triggers(unapplied: Club):
    club = unapplied
    developer = theirs(club, WAYS["trigger theirs on app.task"])
    club.admin.execute(f'alter table app.task owner to "{developer}"')
    club.admin.execute(f'grant "{developer}" to "{club.database.owner}"')
    (refused,) = planned(club)
    assert refused.code == "unacknowledged-code"
    # Whoever may act as the owner of all could do without the eraser.
    club.admin.execute(f'revoke "{developer}" from "{club.database.owner}"')
    club.admin.execute(f'grant "{club.database.owner}" to "{developer}"')
    club.admin.execute(f'alter table app.task owner to "{club.database.owner}"')
    assert [one.severity for one in planned(club)] == [Severity.NOTE]


def test_an_acknowledgement_of_code_that_does_not_run_is_a_warning(unapplied: Club):
    club = unapplied
    theirs(club, WAYS["trigger theirs on app.task"])
    acknowledge(club, '{function: app.there, hash: "0123456789ab", because: misspelled}')
    assert [(one.code, one.severity, one.subject) for one in planned(club)] == [
        ("unacknowledged-code", Severity.ERROR, "app.theirs()"),
        ("unknown-acknowledgement", Severity.WARNING, "app.there"),
    ]


def test_an_acknowledgement_without_hash_is_none(unapplied: Club):
    club = unapplied
    theirs(club, WAYS["trigger theirs on app.task"])
    acknowledge(club, "{function: app.theirs, because: looked at}")
    assert [one.code for one in planned(club)] == ["unacknowledged-code", "unknown-acknowledgement"]


def test_functions_that_only_inserts_or_other_tables_run_are_left_out(unapplied: Club):
    club = unapplied
    theirs(
        club,
        LOOKS + "alter table app.salary add check (app.theirs(amount::text)); "
        "alter table app.person add column flag boolean default app.theirs('x')",
    )
    assert planned(club) == []


SPELLINGS = (
    "datestyle = 'German'",
    "intervalstyle = 'sql_standard'",
    "timezone = 'Asia/Tokyo'",
    "quote_all_identifiers = on",
    "bytea_output = 'escape'",
    "search_path = app, public",
)


@pytest.mark.parametrize("setting", SPELLINGS)
def test_how_a_session_spells_values_does_not_change_the_code(setting: str, unapplied: Club):
    club = unapplied
    club.owner.execute(
        b"create function app.touch() returns trigger language plpgsql as 'begin return new; end'; "
        b"create trigger touch before update on app.task for each row when (new.title <> '' "
        b"and '2024-02-01'::date < now() and '2024-02-01 12:00+00'::timestamptz < now() and interval '1 day 2 hours' > '0' "
        b"and '\\x4142'::bytea is not null) execute function app.touch()"
    )
    club.admin.execute(f'alter database "{club.database.name}" set {setting}'.encode())
    club.apply().erase_cleanly(5)


def test_triggers_of_the_server_itself_run(unapplied: Club):
    club = unapplied
    club.owner.execute(
        b"alter table app.task add column words tsvector; "
        b"create trigger words before update on app.task for each row "
        b"execute function tsvector_update_trigger(words, 'pg_catalog.simple', title)"
    )
    club.apply().erase_cleanly(5)
    assert club.rows("select owner_id from app.task where task_id = 51") == [(4,)]


@pytest.mark.parametrize(
    ("table", "body"),
    [
        ("app.task", "execute 'grant usage on schema {e} to public'; return null;"),
        (
            "app.task",
            "execute 'create function {e}.door() returns bigint language sql security definer return 1'; return null;",
        ),
    ],
)
def test_what_a_deferred_trigger_leaves_behind_is_refused_as_well(table: str, body: str, unapplied: Club):
    club = unapplied
    club.owner.execute(
        (
            f"create function app.late() returns trigger language plpgsql as $$begin {body} end$$; "
            f"create constraint trigger late after update on {table} deferrable initially deferred for each row "
            "execute function app.late()"
        )
        .format(e=f"{club.prefix}_eraser")
        .encode()
    )
    club.apply("app.task.late")
    before = club.everything()
    with pytest.raises(Refused, match="in the name of the eraser"):
        club.erase(5)
    assert club.everything() == before


def test_what_a_deferred_trigger_writes_back_is_erased_as_well(unapplied: Club):
    club = unapplied
    club.owner.execute(
        b"create function app.late() returns trigger language plpgsql as $$begin "
        b"update app.message set sender = old.email where message_id = 41 and sender <> old.email; return null; end$$; "
        b"create constraint trigger late after update on app.person deferrable initially deferred for each row "
        b"execute function app.late()"
    )
    club.apply().erase_cleanly(5)
    assert "ben@club.example" not in str(club.everything())


def test_a_function_that_is_replaced_meanwhile_is_noticed(unapplied: Club):
    """No lock keeps anybody from that."""
    club = unapplied
    theirs(
        club,
        "create function app.theirs() returns trigger language plpgsql as $$begin "
        "perform pg_advisory_xact_lock(7); return new; end$$; "
        "create trigger theirs before update on app.task for each row execute function app.theirs()",
    )
    (refused,) = planned(club)
    acknowledge(club, pasted(refused))
    club.apply()
    before = club.everything()
    club.admin.execute("select pg_advisory_lock(7)")
    erasing = club.in_background(lambda: club.erase(5))
    other = club.database.connect_admin()
    club.until_blocked(work=erasing)
    other.execute("create or replace function app.theirs() returns trigger language plpgsql as 'begin return new; end'")
    club.admin.execute("select pg_advisory_unlock(7)")
    with pytest.raises(Refused, match="code that erasing runs has changed"):
        erasing.result(30)
    assert club.everything() == before


def test_a_dry_run_does_not_run_what_nobody_has_looked_at(unapplied: Club):
    """It evaluates checks, with the eraser's rights."""
    club = unapplied
    theirs(club, WAYS["check looks on app.person"])
    (refused,) = planned(club)
    acknowledge(club, pasted(refused))
    club.apply()
    club.admin.execute(
        "create or replace function app.theirs(p_text text) returns boolean language plpgsql immutable as "
        "'begin raise exception ''ran''; end'"
    )
    register = club.register()
    number = open_request(register, "person", ["5"]).number
    with pytest.raises(Refused, match="code that erasing runs has changed"):
        dry_run(register, number)
