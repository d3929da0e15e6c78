"""Small packs, each put on a database of its own once a module."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pgerase.apply.ledger import read_state
from pgerase.compile import compile_pack
from pgerase.database import Database
from pgerase.errors import Finding, RuleFileError, Severity
from pgerase.rules.read import read_pack
from tests.fix_database import FreshDatabase
from tests.verify.conftest import Site, deploy

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def office(server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The office of `office/`, applied as its owner."""
    yield from _deployed(server, unique_prefix(), tmp_path_factory.mktemp("office"), "office", "office", ("web",))


@pytest.fixture(scope="module")
def plant(server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The plant of `grammar/`, applied as its owner."""
    folder = tmp_path_factory.mktemp("plant")
    yield from _deployed(server, unique_prefix(), folder, "grammar", "plant", ("web", "visitor"))


@pytest.fixture(scope="module")
def depot(server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The depot of `depot/`, applied as its owner, with statistics."""
    for site in _deployed(server, unique_prefix(), tmp_path_factory.mktemp("depot"), "depot", "depot", ("web",)):
        with site.database.connect() as connection:
            connection.execute("analyze")
        yield site


def _deployed(server: str, prefix: str, folder: Path, pack: str, app: str, roles: tuple[str, ...]) -> Iterator[Site]:
    database = FreshDatabase(server, prefix, "template0")
    database.create()
    try:
        with database.connect() as connection:
            connection.execute((HERE / pack / "schema.sql").read_bytes())
        yield deploy(database, HERE / pack, folder, app, roles)
    finally:
        database.drop()


def refusals(site: Site, folder: Path, old: str, new: str, *, adopt: str = "") -> set[str]:
    """The codes of what refuses the site's rules when `old` in them is replaced by `new`; `adopt` are further tables."""
    return {finding.code for finding in refused(site, folder, old, new, adopt=adopt)}


def refused(site: Site, folder: Path, old: str, new: str, *, adopt: str = "") -> tuple[Finding, ...]:
    """What refuses the site's rules when `old` in them is replaced by `new`."""
    shutil.copytree(site.folder, folder, dirs_exist_ok=True)
    text = (folder / "access.yaml").read_text(encoding="utf-8")
    assert old in text
    (folder / "access.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with (folder / "pack.yaml").open("a", encoding="utf-8") as pack:
        pack.writelines(f"  {table}: {{mode: on}}\n" for table in adopt.split())
    try:
        found = read_pack(folder)
    except RuleFileError as error:
        return tuple(error.findings)
    with Database.open(site.database.dsn()) as database:
        catalog, _ = read_state(database, site.prefix)
    findings = compile_pack(found, catalog).findings
    return tuple(finding for finding in findings if finding.severity is Severity.ERROR)
