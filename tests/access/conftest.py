"""Small packs, each put on a database of its own once a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pgerase.apply.ledger import read_state
from pgerase.compile import compile_pack
from pgerase.database import Database
from pgerase.errors import RuleFileError, Severity
from pgerase.rules.read import read_pack
from tests.fix_database import FreshDatabase
from tests.verify.conftest import Site, deploy

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def office(server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The office of `office/`, applied as its owner."""
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        with database.connect() as connection:
            connection.execute((HERE / "office" / "schema.sql").read_bytes())
        yield deploy(database, HERE / "office", tmp_path_factory.mktemp("office"), "office", ("web",))
    finally:
        database.drop()


def refusals(site: Site, folder: Path, old: str, new: str, *, adopt: str = "") -> set[str]:
    """The codes of what refuses the site's rules when `old` in them is replaced by `new`; `adopt` are further tables."""
    text = (site.folder / "access.yaml").read_text(encoding="utf-8")
    assert old in text
    pack = (site.folder / "pack.yaml").read_text(encoding="utf-8")
    pack += "".join(f"  {table}: {{mode: on}}\n" for table in adopt.split())
    (folder / "access.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    (folder / "pack.yaml").write_text(pack, encoding="utf-8")
    try:
        found = read_pack(folder)
    except RuleFileError as error:
        return {finding.code for finding in error.findings}
    with Database.open(site.database.dsn()) as database:
        catalog, _ = read_state(database, site.prefix)
    return {finding.code for finding in compile_pack(found, catalog).findings if finding.severity is Severity.ERROR}
