"""E4 and E5 on Crowd's tables, with the shipped pack: what its own audit log cannot do, ours does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fix_database import FreshDatabase
from tests.real.conftest import Deployments
from tests.real.erasing import Counts, Trial

CROWD = Path(__file__).resolve().parents[2] / "policies" / "crowd"
ELI, JONA, NAMESAKE = 163845, 163850, 164141


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
