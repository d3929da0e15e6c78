"""pgrls, a linter of row security by others, looks at databases with packs applied; what it finds is explained or mended.

It is a program in an environment of its own (`make setup`), since it needs an older pglast than pgerase.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

from tests.fix_server import IN_CI
from tests.judges.conftest import Ward
from tests.real.deployment import Deployment

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Finding:
    rule: str
    where: str


@dataclass(frozen=True)
class Allowed:
    rule: str
    pattern: str
    because: str

    def covers(self, finding: Finding) -> bool:
        return self.rule == finding.rule and fnmatchcase(finding.where, self.pattern)


def pgrls_program() -> Path:
    """The program; without it the tests are skipped, in CI they fail."""
    given = os.environ.get("PGERASE_PGRLS", "")
    program = Path(given) if given else Path(sys.prefix) / "judges" / "bin" / "pgrls"
    if not program.is_file():
        message = f"{program} is missing (make setup installs it): nobody else judges the generated SQL"
        if IN_CI or given:
            pytest.fail(message)
        pytest.skip(message)
    return program


def lint(site: Deployment, schema: str) -> set[Finding]:
    """What pgrls finds in the application's schema and pgerase's own."""
    with site.database.connect_admin() as admin:
        own = admin.execute("select nspname from pg_namespace where starts_with(nspname, %s)", [site.prefix]).fetchall()
    schemas = ",".join([schema, *(name for (name,) in own)])
    arguments = ["--database-url", site.database.admin_dsn, "--schemas", schemas, "--format", "json"]
    # A configuration in the folder of the run would count.
    done = subprocess.run(
        [pgrls_program(), "lint", *arguments], capture_output=True, text=True, check=False, cwd=site.folder
    )
    assert done.returncode in {0, 1}, done.stderr
    text = done.stdout.replace(f"{site.prefix}x_", "{R}_").replace(site.prefix, "{P}")
    found = {Finding(one["rule_id"], one["location"]) for one in json.loads(text)["violations"]}
    assert found, "it found nothing at all, so it has not looked"
    return found


def allowed() -> list[Allowed]:
    """One for each rule and pattern of the list."""
    entries = yaml.safe_load((HERE / "pgrls_allowed.yaml").read_text(encoding="utf-8"))
    return [
        Allowed(rule, pattern, one["because"]) for one in entries for rule in one["rules"] for pattern in one["where"]
    ]


def unexplained(found: Iterable[Finding], explained: list[Allowed]) -> list[Finding]:
    return sorted((one for one in found if not any(entry.covers(one) for entry in explained)), key=str)


def test_every_finding_is_explained_and_every_explanation_is_needed(ward: Ward, customer_success: Deployment):
    found = lint(ward, "ward") | lint(customer_success, "cs")
    explained = allowed()
    assert unexplained(found, explained) == []
    assert [entry for entry in explained if not any(entry.covers(one) for one in found)] == []
    assert all(len(entry.because.split()) > 5 for entry in explained)


def test_a_careless_table_and_function_are_found(ward: Ward):
    careless = """
        create table ward.careless (id int, owner text);
        create policy all_of_it on ward.careless using (true);
        create function ward.careless() returns bigint language plpgsql security definer as 'begin return 1; end'
    """
    ward.admin(careless)
    try:
        found = {one.rule for one in unexplained(lint(ward, "ward"), allowed())}
    finally:
        ward.admin("drop table ward.careless; drop function ward.careless()")
    assert {"SEC003", "SEC008", "SEC014", "SEC015", "SEC032"} <= found
