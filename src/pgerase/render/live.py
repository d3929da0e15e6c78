"""The query that shows everything pgerase could have made, as the server spells it: one row an object."""

from __future__ import annotations

from pgerase.render.environment import render

_KINDS = (
    "policy",
    "row_security",
    "view",
    "function",
    "trigger",
    "grant",
    "reads",
    "membership",
    "role_setting",
    "role",
    "schema",
)


def own_roles(prefix: str) -> tuple[str, ...]:
    """The roles of a prefix, the viewers' first, then the private ones."""
    return tuple(f"{prefix}_{name}" for name in ("viewer", "lookup", "eraser", "secret", "masker", "keeper"))


def own_schemas(prefix: str) -> tuple[str, ...]:
    """The schemas of a prefix."""
    return (prefix, f"{prefix}_internal", f"{prefix}_lookup", f"{prefix}_eraser", f"{prefix}_log")


def live_objects(prefix: str) -> str:
    """A query with the columns kind, parts (text[]) and state (jsonb); to be run under the settings of `settings`."""
    schemas, roles = own_schemas(prefix), own_roles(prefix)
    return "     union all\n".join(render(f"live/{kind}", schemas=schemas, roles=roles) for kind in _KINDS)
