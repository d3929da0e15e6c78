"""Reads what a plan is made from, and makes it: what `plan`, `apply` and `render` show is made here, once."""

from __future__ import annotations

from dataclasses import dataclass

from pgerase.apply.ledger import read_state
from pgerase.catalog.model import Catalog
from pgerase.database import Database
from pgerase.errors import Refused
from pgerase.install.run import plan_install
from pgerase.plan.model import Ledger, Plan
from pgerase.plan.whole import plan_whole
from pgerase.rules.pack import Pack


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with the snapshot it was made from."""

    plan: Plan
    catalog: Catalog
    ledger: Ledger


def prepare(database: Database, pack: Pack) -> Prepared:
    """Plan a pack against the database, from one snapshot; impacts nobody acknowledged are among the plan's findings.

    Raises Refused where pgerase is not installed, or where roles, functions or the kind of identity are not those that this
    version's policies rely on; DatabaseFailed otherwise.
    """
    prefix = pack.settings.prefix
    catalog, ledger = read_state(database, prefix)
    if plan_install(database, prefix, identity=pack.identity, claim=pack.claim, must_exist=True):
        raise Refused(
            "what is installed in this database is not what this pack and this version of pgerase need",
            hint="Run `pgerase upgrade` with the same --pack first: it shows what it changes.",
        )
    return Prepared(plan_whole(pack, catalog, ledger), catalog, ledger)
