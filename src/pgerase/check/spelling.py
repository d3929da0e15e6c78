"""How findings name database objects, and how names in pack.yaml are matched with them. Names are never guessed."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence

from pgerase.catalog.model import Name, Routine
from pgerase.catalog.quoting import quote_identifier
from pgerase.rules.names import quote_part


def spell(name: Name, *parts: str) -> str:
    """A qualified name as rule files spell it, with further parts (a trigger, a policy) behind it."""
    return ".".join(quote_part(part) for part in (name.schema, name.name, *parts))


def spell_routine(routine: Routine) -> str:
    """A routine with its signature: names alone may be overloaded."""
    return f"{spell(routine.name)}({routine.identity})"


def in_sql(*parts: str) -> str:
    """A name for a statement, e.g. of a schema and a table: quoted only where it must be."""
    return ".".join(quote_identifier(part) for part in parts)


def table_in_sql(*names: Name) -> str:
    """Qualified names for a statement."""
    return ", ".join(in_sql(name.schema, name.name) for name in names)


def roles_in_sql(roles: Iterable[str]) -> str:
    """Roles for a statement; `public` stands for PUBLIC, which is a word and no name."""
    return ", ".join(in_sql(role) for role in roles)


def routine_in_sql(routine: Routine) -> str:
    """A routine with its signature for a statement."""
    return f"{in_sql(routine.name.schema, routine.name.name)}({routine.identity})"


def routine_kind(routine: Routine) -> str:
    """`function` or `procedure`, as pack.yaml calls it."""
    return "procedure" if routine.definition.startswith("CREATE OR REPLACE PROCEDURE") else "function"


def spell_all(names: Sequence[Name], limit: int = 5) -> str:
    """Names in words, cut after `limit`."""
    shown = ", ".join(spell(name) for name in names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def yaml_text(text: str) -> str:
    """A scalar for a flow mapping of YAML: quoted always, so that no name can mean anything else."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def nearest(written: str, known: Collection[str]) -> str | None:
    """The known name closest to what was written, if any is close: an overload of the same function before others."""
    overloads = sorted(name for name in known if name.startswith(f"{written}("))
    if overloads:
        return overloads[0]
    return next(iter(difflib.get_close_matches(written, sorted(known), n=1)), None)
