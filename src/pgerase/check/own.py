"""Tells what pgerase made under a prefix from what others made. It judges by names and comments, as they stand in the catalog."""

from __future__ import annotations

import re

from pgerase.catalog.model import Catalog, Policy, Routine, View

_MARK = re.compile(r"\[pgerase [^\]]*\]\s*\Z")
_PRIVATE = ("lookup", "eraser", "secret", "masker", "keeper")


def other_installations(catalog: Catalog, prefix: str) -> tuple[Own, ...]:
    """What was installed here under other prefixes: the ledger's schema is of a role whose comment says so.

    Whoever may not act as that role, of which nobody is a member, can counterfeit neither.
    """
    found: list[Own] = []
    for name, schema in catalog.schemas.items():
        other = name.removesuffix("_internal")
        secret = catalog.roles.get(f"{other}_secret")
        if (
            other not in (name, prefix)
            and secret is not None
            and schema.owner == secret.name
            and secret.comment == f"pgerase {other} for database {catalog.database}"
        ):
            found.append(Own(other))
    return tuple(found)


class Own:
    """The names that belong to one prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.viewer = f"{prefix}_viewer"
        self.private = tuple(f"{prefix}_{name}" for name in _PRIVATE)
        self.schema = prefix
        self.internal_schema = f"{prefix}_internal"
        self.lookup_schema = f"{prefix}_lookup"
        self.eraser_schema = f"{prefix}_eraser"
        self.log_schema = f"{prefix}_log"

    def role(self, name: str) -> bool:
        """Whether a role is one of this installation's."""
        return name == self.viewer or name in self.private

    def in_schema(self, schema: str) -> bool:
        """Whether a schema is one of this installation's."""
        return schema in (
            self.schema,
            self.internal_schema,
            self.lookup_schema,
            self.eraser_schema,
            self.log_schema,
        )

    def made_view(self, view: View) -> bool:
        """Whether a view lies in a schema of this installation."""
        return self.in_schema(view.name.schema)

    def made_routine(self, routine: Routine) -> bool:
        """Whether a routine lies in a schema of this installation."""
        return self.in_schema(routine.name.schema)

    def made_policy(self, policy: Policy) -> bool:
        """Whether a policy carries the prefix and the mark in its comment; both, as either may occur by chance."""
        return policy.name.startswith(f"{self.prefix}_") and self.made(policy.comment)

    def made(self, comment: str) -> bool:
        """Whether a comment ends in the mark that every policy and trigger of pgerase has."""
        return bool(_MARK.search(comment))
