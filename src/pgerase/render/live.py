"""The query that shows everything pgerase could have made, as the server spells it: one row an object."""

from __future__ import annotations

from pgerase.catalog.model import Name
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
    "log_class",
    "role",
    "schema",
)


def own_roles(prefix: str) -> tuple[str, ...]:
    """The roles of a prefix, the viewers' first, then the private ones."""
    return tuple(f"{prefix}_{name}" for name in ("viewer", "lookup", "eraser", "secret", "masker", "keeper"))


def own_schemas(prefix: str) -> tuple[str, ...]:
    """The schemas of a prefix."""
    return (prefix, f"{prefix}_internal", f"{prefix}_lookup", f"{prefix}_eraser", f"{prefix}_log")


def live_objects(prefix: str, *, log: bool = True) -> str:
    """A query with the columns kind, parts (text[]) and state (jsonb); to be run under the settings of `settings`.

    Without `log` it says nothing of the audit log, which an earlier version did not install.
    """
    shown = {"schemas": own_schemas(prefix), "roles": own_roles(prefix), "classes": log_classes(prefix)}
    kinds = [kind for kind in _KINDS if log or kind != "log_class"]
    return "     union all\n".join(render(f"live/{kind}", **shown) for kind in kinds)


def log_classes(prefix: str) -> Name:
    """The table of the classes of entries."""
    return Name(f"{prefix}_log", "class")
