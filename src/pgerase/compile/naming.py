"""What pgerase calls its own roles, schemas, views and policies for one prefix. Ownership of an object starts with its name."""

from __future__ import annotations

from dataclasses import dataclass

from pgerase.catalog.model import Name
from pgerase.compile.sql import fit_name
from pgerase.rules.conditions import Action


@dataclass(frozen=True, slots=True)
class Naming:
    """Names derived from a prefix."""

    prefix: str

    @property
    def viewer(self) -> str:
        """The role policies are TO."""
        return f"{self.prefix}_viewer"

    @property
    def lookup(self) -> str:
        """The role that owns blind views."""
        return f"{self.prefix}_lookup"

    @property
    def eraser(self) -> str:
        """The role that erases, and the schema of its functions."""
        return f"{self.prefix}_eraser"

    @property
    def secret(self) -> str:
        """The role that owns the ledger, and alone may call the eraser's functions."""
        return f"{self.prefix}_secret"

    @property
    def masker(self) -> str:
        """The role that owns masked views."""
        return f"{self.prefix}_masker"

    @property
    def keeper(self) -> str:
        """The role that owns the audit log."""
        return f"{self.prefix}_keeper"

    @property
    def log(self) -> str:
        """The schema of the audit log, and of the functions that write it."""
        return f"{self.prefix}_log"

    @property
    def internal(self) -> str:
        """The schema of the ledger."""
        return f"{self.prefix}_internal"

    @property
    def api(self) -> str:
        """The schema of functions that viewers may call."""
        return self.prefix

    @property
    def wide_hint(self) -> str:
        """The setting by which `become` tells the planner of a viewer who may see everything."""
        return f"{self.prefix}.wide"

    @property
    def private_roles(self) -> tuple[str, ...]:
        """Roles that nobody may be a member of."""
        return tuple(f"{self.prefix}_{suffix}" for suffix in ("lookup", "eraser", "secret", "masker", "keeper"))

    def view(self, *parts: str) -> Name:
        """A blind view."""
        return Name(self.lookup, fit_name("_".join(parts)))

    def fact(self, table: Name) -> Name:
        """The blind view of a table that conditions read."""
        return self.view("fact", table.schema, table.name)

    def policy(self, *parts: str) -> str:
        """A policy's or trigger's name."""
        return fit_name("_".join((self.prefix, *parts)))

    def may(self, action: Action, resource: str) -> Name:
        """The view of rows of a resource that the viewer may finally do something to."""
        return self.view("may", action, resource)

    def meets(self, resource: str, requirement: str) -> Name:
        """The view of rows of a resource on which a requirement holds."""
        return self.view("meets", resource, requirement)

    def hand_over(self, resource: str, column: str) -> Name:
        """The function that hands a row over."""
        return Name(self.api, fit_name(f"hand_over_{resource}_{column}"))

    def add_to(self, group: str) -> Name:
        """The function that makes somebody a member by hand."""
        return Name(self.api, fit_name(f"add_to_{group}"))

    def remove_from(self, group: str) -> Name:
        """The function that takes a member by hand away."""
        return Name(self.api, fit_name(f"remove_from_{group}"))

    def log_read(self, resource: str) -> Name:
        """The function that takes down which rows of a resource are going to be read under a support grant."""
        return Name(self.api, fit_name(f"log_read_{resource}"))

    def read_by_ticket(self, resource: str) -> Name:
        """The function that returns these rows."""
        return Name(self.api, fit_name(f"read_{resource}"))

    def keys(self, view: Name, column: str) -> Name:
        """The function that gives all values of a column of such a view."""
        return self.view(view.name, "by", column)
