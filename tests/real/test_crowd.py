"""E4 and E5 on Crowd's tables, with the shipped pack: what its own audit log cannot do, ours does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgerase.database import Database
from pgerase.operate.retention import maintain
from tests.fix_database import FreshDatabase
from tests.real.conftest import Deployments
from tests.real.erasing import Counts, Trial

CROWD = Path(__file__).resolve().parents[2] / "policies" / "crowd"
ELI, GITA, INES, JONA, NAMESAKE = 163845, 163847, 163849, 163850, 164141
CHECKS = ("chain", "segments", "entries", "values", "records", "order")


@pytest.fixture(scope="module")
def crowd_template(server: str, unique_prefix: Callable[[], str]) -> Iterator[FreshDatabase]:
    """The directory, made by its owner, without pgerase."""
    template = FreshDatabase(server, unique_prefix(), "template0")
    template.create()
    with template.connect() as connection:
        for script in ("schema.sql", "seed.sql"):
            connection.execute((CROWD / script).read_bytes())
    template.close()
    yield template
    template.drop()


@pytest.fixture(scope="module")
def trial(deployments: Deployments, crowd_template: FreshDatabase, pg_programs: Path) -> Trial:
    grants = (CROWD / "roles.sql").read_text(encoding="utf-8")
    deployed = deployments.deploy(crowd_template, CROWD, app="crowd", roles=("app",), grants=grants)
    return Trial(deployed, deployments.copy(crowd_template), pg_programs, "public")


def _counts(**rows: int) -> Counts:
    """One person's: how many rows of each table go."""
    return {(f"public.cwd_{table}", "delete"): (1, count) for table, count in rows.items()}


def test_e2_aliases_and_sessions_go_with_the_person_by_name(trial: Trial):
    # By hand from the seed: number 5 has a telephone number, two aliases, a session, and is a developer.
    assert trial.erase("person", ELI) == _counts(user=1, user_attribute=2, membership=2, application_alias=2, token=1)
    trial.by_hand(
        """
        delete from public.cwd_application_alias where user_name = 'eli.abbott';
        delete from public.cwd_token where entity_name = 'eli.abbott';
        delete from public.cwd_membership where child_name = 'eli.abbott';
        delete from public.cwd_user_attribute where user_id = {key};
        delete from public.cwd_user where id = {key};
        """,
        key=ELI,
    )
    assert trial.compare() == []
    assert trial.broken_constraints() == []


def test_e2_a_namesake_in_another_directory_keeps_the_session_but_not_the_alias(trial: Trial):
    session = "select directory_id from public.cwd_token where entity_name = 'jona.abbott'"
    alias = "select alias_name from public.cwd_application_alias where lower_user_name = 'jona.abbott'"
    assert trial.admin.execute(alias).fetchall() == [("JAbbott",)]
    trial.erase("person", JONA)
    assert trial.admin.execute(session).fetchall() == [(32771,)]
    assert trial.admin.execute(alias).fetchall() == []
    trial.erase("person", NAMESAKE)
    assert trial.admin.execute(session).fetchall() == []


def _write(trial: Trial, *statements: str) -> int:
    """Write as the application does, in a transaction of its own, and in the copy; the number of the last entry before it."""
    ((last,),) = _log(trial, "select coalesce(max(entry_id), 0) from {log}.entry")
    with psycopg.connect(trial.deployment.database.dsn(trial.deployment.roles["app"])) as connection:
        for statement in statements:
            connection.execute(statement.encode())
    for statement in statements:
        trial.truth.execute(statement.encode())
    return last


def _log(trial: Trial, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Rows of the log, as a superuser."""
    schema = f"{trial.deployment.prefix}_log"
    return trial.admin.execute(statement.replace("{log}", schema).encode(), parameters or None).fetchall()


def _seal(trial: Trial, now: datetime | None = None) -> None:
    """As the owner, who is no superuser; by a clock that shows this, or by the server's."""
    seal = f"select from {trial.deployment.prefix}_log.seal(p_now => coalesce(%s, clock_timestamp()))"
    trial.deployment.database.connect().execute(seal.encode(), [now])


def _findings(trial: Trial) -> list[str]:
    """Codes of what is not as it was sealed."""
    return [code for check in CHECKS for (code,) in _log(trial, f"select code from {{log}}.verify_{check}()")]


def _found(trial: Trial, tables: str, needles: list[str]) -> list[str]:
    """Which of these texts stand in tables of which the qualified name begins like that."""
    named = trial.admin.execute(
        "select c.oid::regclass::text from pg_class as c where c.relkind = 'r'"
        " and starts_with(format('%%s.%%s', c.relnamespace::regnamespace, c.relname), %s)",
        [tables],
    ).fetchall()
    assert named
    texts = [
        str(trial.admin.execute(f"select string_agg(t::text, '') from {table} as t".encode()).fetchone())
        for (table,) in named
    ]
    return [needle for needle in needles if any(needle in text for text in texts)]


def test_what_the_application_writes_is_captured_with_its_login(trial: Trial):
    last = _write(
        trial,
        "update public.cwd_user set active = 'F', display_name = 'Finn A.', credential = 'new' where id = 163846",
        "update public.cwd_token set last_accessed_date = last_accessed_date + interval '1 minute'",
        "insert into public.cwd_group values"
        " (98400, 'Guests', 'guests', 'T', 'T', '2025-01-01', '2025-01-01', null, 'GROUP', 32769, null)",
        "update public.cwd_application_alias set alias_name = 'Nobody' where id = 393219",
    )
    entries = _log(
        trial,
        "select relation, action, actor, login, request, key, old, new, parts from {log}.entry where entry_id > %s order by entry_id",
        last,
    )
    login = trial.deployment.roles["app"]
    guests = {
        "id": 98400, "group_name": "Guests", "lower_group_name": "guests", "active": "T", "is_local": "T",
        "created_date": "2025-01-01T00:00:00", "updated_date": "2025-01-01T00:00:00", "description": None,
        "group_type": "GROUP", "directory_id": 32769, "external_id": None,
    }  # fmt: skip
    # That sessions were used is no entry: when that was is left out, and nothing else changed.
    assert entries == [
        ("public.cwd_user", "update", None, login, None, {"id": 163846},
         {"active": "T", "credential": "(masked)"}, {"active": "F", "credential": "(masked)"}, 1),
        ("public.cwd_group", "insert", None, login, None, {"id": 98400}, None, guests, 0),
        ("public.cwd_application_alias", "update", None, login, None, {"id": 393219},
         {"alias_name": "(masked)"}, {"alias_name": "(masked)"}, 0),
    ]  # fmt: skip
    assert _log(trial, "select subject, person, old, new from {log}.value where entry_id > %s", last) == [
        ("person", "163846", {"display_name": "Finn Abbott"}, {"display_name": "Finn A."})
    ]


def test_e4_one_person_goes_from_the_log_every_other_entry_stays_and_it_still_verifies(trial: Trial):
    # Statements about two people at once.
    first = _write(
        trial,
        f"update public.cwd_user set email_address = 'moved@' || id || '.example' where id in ({GITA}, {INES})",
        f"update public.cwd_user_attribute set attribute_value = 'seen ' || user_id where user_id in ({GITA}, {INES})",
        f"insert into public.cwd_membership values (295900, 98306, {GITA}, 'GROUP_USER', 'GROUP', 'Developers', 'developers',"
        " 'gita.abbott', 'gita.abbott', '2025-01-01', 32769)",
    )
    _seal(trial)
    assert _findings(trial) == []
    log = f"{trial.deployment.prefix}_log."
    needles = ["gita.abbott", f"moved@{GITA}.example", f"seen {GITA}"]
    assert _found(trial, log, needles) == needles
    assert _log(trial, "select person, count(*) from {log}.value where entry_id > %s group by 1 order by 1", first) == [
        (str(GITA), 4),
        (str(INES), 2),
    ]
    entries = "select tableoid, ctid, e::text from {log}.entry as e where entry_id <= %s order by entry_id"
    values = "select tableoid, ctid, v::text from {log}.value as v where person <> %s order by entry_id, part"
    ((last,),) = _log(trial, "select max(entry_id) from {log}.entry")
    before, others = _log(trial, entries, last), _log(trial, values, str(GITA))

    trial.erase("person", GITA)
    _seal(trial)

    assert _findings(trial) == []
    assert _log(trial, entries, last) == before
    assert _log(trial, values, "") == others
    assert _found(trial, log, needles) == []
    # Crowd's own log, which this map leaves alone, has her name for ever.
    assert _found(trial, "public.cwd_audit_log", needles) == ["gita.abbott"]
    # And it sees: a value that is gone without a record is no erasure.
    with trial.admin.transaction(force_rollback=True):
        trial.admin.execute("set local session_replication_role = replica")
        assert len(_log(trial, "delete from {log}.value where person = %s returning 1", str(INES))) == 2
        assert set(_findings(trial)) == {"value-missing", "salt-left"}


def test_e5_entries_older_than_six_months_are_gone_by_partition_drop(trial: Trial):
    """The last test here: for this database half a year has passed after it."""
    last = _write(
        trial,
        "update public.cwd_group set description = 'Everyone' where id = 98308",
        "delete from public.cwd_token where id = 459753",
    )
    ((end, tables),) = _log(
        trial,
        "select max(upper_bound), array_agg(relation) from {log}.partitions()"
        " where class = 'default' and lower_bound <= now() and upper_bound > now()",
    )
    assert len(tables) == 3
    after = "select (%s at time zone 'UTC' + %s::interval) at time zone 'UTC'"
    kept = "select relation, count(*) from {log}.entry where entry_id > %s group by 1 order by 1"
    group, session = ("public.cwd_group", 1), ("public.cwd_token", 1)
    with Database.open(trial.deployment.database.dsn()) as owner:
        for length, wanted in (
            ("3 months -1 second", [group, session]),
            ("3 months", [group]),
            ("6 months -1 second", [group]),
            ("6 months", []),
        ):
            ((now,),) = _log(trial, after, end, length)
            maintain(owner, trial.deployment.prefix, now=now, clock_is_right=True)
            assert _log(trial, kept, last) == wanted, length
    assert _log(trial, "select count(to_regclass('{log}.' || name)) from unnest(%s::text[]) as name", tables) == [(0,)]
    _seal(trial, now)
    assert _findings(trial) == []


def test_an_application_without_rules_of_access_says_what_it_writes_for(trial: Trial):
    deployed = trial.deployment
    with deployed.session(None) as connection:
        connection.execute(f"select {deployed.prefix}.annotate('sync 7', 'synchronisation')".encode())
        connection.execute("update public.cwd_group set description = 'Everybody of ours'")
        connection.commit()
    with deployed.database.connect() as owner:
        said = f"select request, purpose from {deployed.prefix}_log.entry order by entry_id desc limit 1"
        assert owner.execute(said.encode()).fetchone() == ("sync 7", "synchronisation")
