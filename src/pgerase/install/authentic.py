"""Are the routines of the log those that this version installs? Asked by who is about to believe what they say.

The ledger says what they were when they were made, and whoever can change them can change that too. So they are made once more
from the files, for this session alone and in a transaction that is taken back, and compared as the server spells them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from pgerase import resources
from pgerase.catalog.session import stable_deparse
from pgerase.database import Database
from pgerase.errors import DatabaseFailed, InternalError
from pgerase.install.names import Home, Names
from pgerase.install.sources import RoutineSource, read_sources
from pgerase.rules.access import IdentityKind

_NOT_POSSIBLE = frozenset({"42501", "25006"})
"""Without the right to make temporary objects, or on a server that is read-only."""
_HEAD = re.compile(r"^create or replace function \S+?\.(?=\w+\()", re.MULTILINE)
_END = "\n\ncomment on function "


@dataclass(frozen=True, slots=True)
class Authentic:
    """What came of it: routines that are others than those of the files, or missing. `unchecked`: why nobody could tell, if so."""

    different: tuple[str, ...] = ()
    unchecked: str = ""


def check_log_routines(database: Database, names: Names) -> Authentic:
    """Compare the routines of the log with the files. Nothing stays of it. Raises DatabaseFailed."""
    sources = [source for source in read_sources(IdentityKind.SETTING).routines if source.home is Home.LOG]
    try:
        with database.transaction(undo=True), stable_deparse(database):
            database.run("\n".join(_for_this_session(source, names) for source in sources), what="comparing routines")
            made = _definitions(database, None)
            found = _definitions(database, names.logs)
    except DatabaseFailed as error:
        if error.sqlstate not in _NOT_POSSIBLE:
            raise
        return Authentic(unchecked=f"SQLSTATE {error.sqlstate}")
    owned = {name: [(definition, names.keeper) for definition, _ in one] for name, one in made.items()}
    return Authentic(tuple(source.name for source in sources if found.get(source.name) != owned[source.name]))


def _definitions(database: Database, schema: str | None) -> dict[str, list[tuple[str, str]]]:
    """Definition and owner by name: more than one where somebody made another one of that name."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in database.rows(resources.read_text("sql", "install", "definitions.sql"), {"schema": schema}):
        found[row["name"]].append((row["definition"], row["owner"]))
    return dict(found)


def _for_this_session(source: RoutineSource, names: Names) -> str:
    """The statement of a file that makes its routine, in the schema that is this session's own."""
    script, _, rest = source.written(names).partition(_END)
    made, count = _HEAD.subn("create function pg_temp.", script)
    if count != 1 or not rest:
        raise InternalError(f"sql/routines/{source.file} is not one routine with its comment")
    return made
