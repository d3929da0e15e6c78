"""What both questions ask of a pack and a catalog: resources and their tables by name, and what is in force."""

from __future__ import annotations

import difflib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from pgerase.catalog.model import Catalog, Table, View
from pgerase.compile import compile_pack
from pgerase.compile.bind import bind
from pgerase.compile.desire import adoption
from pgerase.database import Database
from pgerase.errors import InternalError, RuleFileError, Severity, UsageError
from pgerase.explain.model import Question
from pgerase.install.names import Names
from pgerase.rules.access import AccessRules, Resource
from pgerase.rules.names import TableName
from pgerase.rules.pack import Mode, Pack

_WAIT = "5s"


@contextmanager
def looking(database: Database) -> Generator[None]:
    """A transaction that sees one moment, waits for nobody for long, and is rolled back. Raises DatabaseFailed."""
    if database.in_transaction:
        raise InternalError("explaining opens a transaction of its own")
    with database.own_statements(), database.trial(isolation="repeatable read"):
        database.run(f"set local lock_timeout = '{_WAIT}'")
        database.run("set local row_security = on")
        yield


def check_asker(question: Question) -> None:
    """Raises UsageError where not exactly one is said to ask, or a viewer without a key."""
    if (question.viewer is None) is (question.role is None):
        raise UsageError("say who asks: a viewer or a role, not both", hint="Give --viewer KEY, or --role NAME.")
    if question.viewer == "":
        # Presenting it is presenting nobody.
        raise UsageError("the viewer's key is empty", hint="--role NAME asks as a session that presents nobody.")


def check_role(catalog: Catalog, role: str | None) -> None:
    """Raises UsageError naming the nearest where there is no such role."""
    if role is not None and role not in catalog.roles:
        ours = [name for name in catalog.roles if not name.startswith("pg_")]
        raise UsageError(f"there is no role {role}", hint=nearest(role, ours))


def resource_named(access: AccessRules, name: str) -> Resource:
    """The resource of that name. Raises UsageError naming the nearest where there is none."""
    known = {resource.name: resource for resource in access.resources}
    if name not in known and any(one.name == name for one in access.aggregates):
        message = f"{name} is an aggregate: it shows groups, and has no rows to name or count"
        raise UsageError(message, hint=f"`pgerase explain read {name} --viewer KEY` says for whom, and what.")
    if name not in known:
        raise UsageError(f"there is no resource {name}", hint=nearest(name, list(known)))
    return known[name]


def named_table(catalog: Catalog, wanted: TableName) -> Table:
    """The table of that name. Raises UsageError where the database does not have it, or has several."""
    found = [
        table
        for name, table in catalog.tables.items()
        if name.name == wanted.name and wanted.schema in (None, name.schema)
    ]
    if len(found) != 1:
        raise UsageError(f"{wanted} has to be exactly one table of {catalog.database}, and is {len(found)}")
    return found[0]


def modes_of(pack: Pack, access: AccessRules, catalog: Catalog) -> Mapping[str, Mode]:
    """How far each resource's table has been adopted. Raises RuleFileError where the rules do not fit the database."""
    rules, problems = bind(access, catalog)
    modes, more = adoption(pack, rules, catalog)
    errors = tuple(finding for finding in (*problems, *more) if finding.severity is Severity.ERROR)
    if errors:
        raise RuleFileError("the rules do not fit this database", errors, hint="See `pgerase check --bound`.")
    return modes


def secured_view(pack: Pack, catalog: Catalog, table: Table) -> View | None:
    """The secured view of a materialized view or foreign table, None where there is none yet."""
    masks = compile_pack(pack, catalog).masks
    names = [mask.view for mask in masks if mask.secured and mask.table == table.name]
    return catalog.views.get(names[0]) if names else None


def as_read(table: Table, view: View | None) -> Table:
    """The table as people read it: under the name of its secured view, where it has one."""
    return table if view is None else replace(table, name=view.name, oid=view.oid)


def is_installed(catalog: Catalog, names: Names) -> bool:
    """Whether pgerase is in the database."""
    return names.lookup in catalog.roles and names.lookups in catalog.schemas


def nearest(name: str, known: Sequence[str]) -> str:
    """A hint for a name that is none: the nearest one, else all there are."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]}?" if near else f"There is: {', '.join(known) or 'none'}."
