"""What is no longer as apply left it: the ledger against the live state, and what others put where only we should be. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from pgerase.catalog.model import Catalog, Name
from pgerase.check.coverage import coverage
from pgerase.errors import Finding, Severity
from pgerase.plan.family import below, children
from pgerase.plan.foreign import foreign_policies
from pgerase.plan.log_drift import (
    LogGap,
    LogPart,
    LogSequence,
    log_drift,
    missing_classes,
    missing_parts,
    part_strangers,
    statistics_strangers,
)
from pgerase.plan.log_shape import LogShapes
from pgerase.plan.model import Ledger, Recorded, decoded
from pgerase.plan.objects import Key, Kind
from pgerase.render.fragments import quote_identifier
from pgerase.render.live import own_roles, own_schemas

_EXPECTED_ROLE = dict.fromkeys(("superuser", "bypassrls", "createrole", "createdb", "replication", "login"), False)
_LONGEST = 300
_OF_CAPTURE = frozenset({"uncaptured-leaf", "uncaptured-column", "missing-column"})
"""Characters of a value that a message shows."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What install recorded: who installed, and each routine as the server spelled it then and does now (None: gone).

    `views` are those that belong to the ledger, `log_shapes` what install makes of the log, `log_sequences` what is there of it, `log_statistics`
    extended ones by table, `log_classes` its classes by number, `log_parts` its partitions; None where its classes cannot be read. `log_gaps` are times without partitions.
    """

    installer: str
    routines: Mapping[Name, tuple[str, str | None]]
    views: frozenset[Name] = frozenset()
    log_shapes: LogShapes = field(default_factory=lambda: LogShapes({}, {}))
    log_sequences: tuple[LogSequence, ...] = ()
    log_statistics: tuple[tuple[str, Name], ...] = ()
    log_classes: Mapping[int, str] = field(default_factory=dict[int, str])
    log_parts: tuple[LogPart, ...] | None = None
    log_gaps: tuple[LogGap, ...] = ()


def find_drift(catalog: Catalog, ledger: Ledger, prefix: str, installed: Installed) -> tuple[Finding, ...]:
    """Every difference, sorted by object. Empty means: as apply left it, and nothing foreign where rules hold."""
    look = _Look(catalog, ledger, prefix, installed)
    found = chain(
        look.objects(),
        look.foreign(),
        look.leaves(),
        look.captured(),
        look.roles(),
        look.memberships(),
        look.settings(),
        look.schemas(),
        look.grants(),
        look.strangers(),
        look.routines(),
        log_drift(
            catalog, prefix, installed.installer, installed.log_shapes, installed.log_sequences, installed.log_classes
        ),
        statistics_strangers(prefix, installed.log_statistics),
        look.classes(),
    )
    return tuple(sorted(found, key=lambda finding: (finding.subject, finding.code, finding.message)))


class _Look:
    """One comparison."""

    def __init__(self, catalog: Catalog, ledger: Ledger, prefix: str, installed: Installed) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._prefix = prefix
        self._installed = installed
        self._viewer, *self._private = own_roles(prefix)
        self._triggered = {str(key.table) for key in ledger.rows if key.is_capture(prefix)}
        self._governed = {key.table for key in ledger.rows if key.kind is Kind.ROW_SECURITY and key.table is not None}

    def objects(self) -> Iterator[Finding]:
        """Recorded objects that are gone or different."""
        for key, row in self._ledger.rows.items():
            if key.kind is Kind.REPLACED_POLICY:
                continue
            live = self._ledger.spelled(key)
            if live is None:
                yield _error("missing", key, "expected as applied, found: nothing", _APPLY)
            elif live != row.deparsed:
                yield from _differences(key, row, decoded(live))

    def foreign(self) -> Iterator[Finding]:
        """Policies on governed tables and leaves that are neither ours nor recorded as kept."""
        for name in self._governed:
            table = self._catalog.tables.get(name)
            for policy in foreign_policies(table, self._prefix, self._ledger) if table else ():
                if Key(Kind.KEPT_POLICY, (name.schema, name.name, policy.name)) in self._ledger.rows:
                    continue
                kind = "permissive" if policy.permissive else "restrictive"
                yield _error(
                    "foreign-policy",
                    Key(Kind.POLICY, (name.schema, name.name, policy.name)),
                    f"expected no policy but ours, found: {kind}, for {policy.command.lower()}, to {', '.join(policy.roles)}",
                    "Drop it, or let pack.yaml say `existing: replace` or `existing: fence` for the table, and apply.",
                )

    def leaves(self) -> Iterator[Finding]:
        """Leaves attached or created later: read directly, they answer by no rule; dumped by a service, with no rows."""
        family = children(self._catalog)
        for top in self._governed:
            for leaf in below(family, top):
                table = self._catalog.tables[leaf]
                if leaf in self._governed:
                    continue
                flags = f"enabled {_yes(table.rls_enabled)}, forced {_yes(table.rls_forced)}"
                yield _error(
                    "leaf-without-row-security",
                    Key(Kind.ROW_SECURITY, (leaf.schema, leaf.name)),
                    f"a leaf of {top}, expected under row security like it, found: not made by pgerase ({flags})",
                    _APPLY,
                )

    def captured(self) -> Iterator[Finding]:
        """Leaves and columns that came to captured tables later, or went. What was applied and is gone is found by its key."""
        for finding in coverage(self._catalog, self._prefix):
            if finding.code in _OF_CAPTURE and finding.subject not in self._triggered:
                yield finding

    def classes(self) -> Iterator[Finding]:
        """Partitions of the log for classes of entries that nobody defined, and classes without theirs, or some of them."""
        if self._installed.log_parts is not None:
            defined = [key.parts[0] for key in self._ledger.live if key.kind is Kind.LOG_CLASS]
            yield from part_strangers(self._prefix, defined, self._installed.log_parts)
            yield from missing_classes(self._prefix, defined, self._installed.log_parts)
            yield from missing_parts(self._prefix, self._installed.log_parts, self._installed.log_gaps)

    def roles(self) -> Iterator[Finding]:
        """The prefix's roles have no power of their own."""
        for role in (self._viewer, *self._private):
            key = Key(Kind.ROLE, (role,))
            state = self._ledger.state(key)
            if state is None:
                yield _error("missing", key, "expected a role, found: nothing", "Run `pgerase install`.")
                continue
            for power, expected in _EXPECTED_ROLE.items():
                if state[power] != expected:
                    yield _error(
                        "role-attribute",
                        key,
                        f"{power}: expected {_yes(expected)}, found: {_yes(state[power])}",
                        f"alter role {quote_identifier(role)} no{power};",
                    )

    def memberships(self) -> Iterator[Finding]:
        """Members that nobody planned. To administer a private role without inheriting or becoming it is what installers do."""
        own = {self._viewer, *self._private}
        for key in self._ledger.live:
            if key.kind is not Kind.MEMBERSHIP or key in self._ledger.rows:
                continue
            role, member = key.parts
            state = decoded(self._ledger.live[key])
            usable = state["inherit"] or state["set"]
            revoke = f"revoke {quote_identifier(role)} from {quote_identifier(member)};"
            if role in self._private and usable:
                yield _error("private-role-member", key, "expected no member, found: one who can use the role", revoke)
            elif role == self._viewer and usable:
                yield Finding(
                    "unplanned-viewer",
                    Severity.WARNING,
                    str(key),
                    "expected the members that the pack names, found: one more",
                    f"Name {member} under roles.app in pack.yaml and apply, or: {revoke}",
                )
            elif member in own and role not in own:
                yield _error("role-attribute", key, f"expected {member} in no other role, found: in {role}", revoke)

    def settings(self) -> Iterator[Finding]:
        """Settings of the prefix's roles in this database that were not applied."""
        own = {self._viewer, *self._private}
        for key, state in self._ledger.live.items():
            if key.kind is Kind.ROLE_SETTING and key.parts[0] in own and key not in self._ledger.rows:
                found = decoded(state)["value"]
                yield _error("role-setting", key, f"expected no setting, found: {found}", "alter role … reset …;")

    def schemas(self) -> Iterator[Finding]:
        """The prefix's schemas belong to private roles; besides these only the installer looks into two of them."""
        api, internal, lookup, eraser, log = own_schemas(self._prefix)
        secret, masker, keeper = (f"{self._prefix}_{name}" for name in ("secret", "masker", "keeper"))
        owners = {api: secret, internal: secret, lookup: lookup, eraser: eraser, log: keeper}
        allowed = {
            api: {self._viewer, *self._private, self._installed.installer},
            # Views of support access ask for grants; the log asks which have to be reviewed.
            internal: {self._installed.installer, eraser, lookup, keeper},
            # Masked views read lookups; what a view reads is named when it is made, by its owner.
            lookup: {masker, secret},
            # Capture asks for people's profiles, where entries are kept by them.
            eraser: {secret, keeper},
            log: {secret, self._installed.installer},
        }
        for schema, owner in owners.items():
            key = Key(Kind.SCHEMA, (schema,))
            state = self._ledger.state(key)
            if state is None:
                yield _error("missing", key, "expected a schema, found: nothing", "Run `pgerase install`.")
                continue
            if state["owner"] != owner:
                yield _error(
                    "owner", key, f"owner: expected {owner}, found: {state['owner']}", "Run `pgerase install`."
                )
            for grant in state["grants"]:
                grantee, privilege = str(grant).removesuffix(" grantable").rsplit(" ", 1)
                # What is made in a schema of ours is taken for ours: views in the first are, the others' owners make the rest.
                makers = {*self._private, self._installed.installer} if schema == api else set[str]()
                users = allowed.get(schema, set())
                if grantee not in users or (privilege != "USAGE" and grantee not in makers):
                    of = grantee if grantee == "public" else quote_identifier(grantee)
                    yield _error(
                        "schema-grant",
                        key,
                        f"expected no privilege for {grantee}{' but usage' if grantee in users else ''}, found: {privilege.lower()}",
                        f"revoke {privilege.lower()} on schema {quote_identifier(schema)} from {of};",
                    )

    def grants(self) -> Iterator[Finding]:
        """Privileges of the prefix's roles on the application's objects that were not applied."""
        own = set(own_schemas(self._prefix))
        for key in self._ledger.live:
            if key.kind is not Kind.GRANT or key in self._ledger.rows or key.parts[1] in own:
                continue
            grantee = key.parts[-1]
            if grantee in self._private:
                yield _error("unplanned-grant", key, "expected no such privilege, found: granted", "Revoke it.")
            elif grantee == self._viewer:
                message = "expected no privilege that the plan did not give, found: granted by hand"
                yield Finding("unplanned-grant", Severity.NOTE, str(key), message)

    def strangers(self) -> Iterator[Finding]:
        """Views and functions in our schemas that nobody of ours made, and our marks on policies nobody recorded."""
        for key in self._ledger.live:
            if key.kind not in {Kind.VIEW, Kind.FUNCTION} or key in self._ledger.rows:
                continue
            if key.kind is Kind.FUNCTION and Name(*key.parts[:2]) in self._installed.routines:
                continue
            if key.kind is Kind.VIEW and Name(*key.parts[:2]) in self._installed.views:
                continue
            yield _error("stranger", key, "expected nothing but what pgerase made, found: this", "Drop it.")

    def routines(self) -> Iterator[Finding]:
        """Functions that install made."""
        for name, (expected, found) in self._installed.routines.items():
            subject = f"function {quote_identifier(name.schema)}.{quote_identifier(name.name)}"
            if found is None:
                message = "expected as installed, found: nothing"
            elif found != expected:
                message = f"expected as installed, found: {_first_difference(expected, found)}"
            else:
                continue
            yield Finding("routine", Severity.ERROR, subject, message, "Run `pgerase upgrade`.")


_APPLY = "Look who changed it; `pgerase plan` shows how to put it right, `pgerase apply` does it."


def _differences(key: Key, row: Recorded, live: Mapping[str, Any]) -> Iterator[Finding]:
    expected = decoded(row.deparsed)
    for what in sorted({*expected, *live}):
        if expected.get(what) != live.get(what):
            yield _error(
                "changed" if key.kind is not Kind.KEPT_POLICY else "foreign-policy-changed",
                key,
                f"{what}: expected {_shown(expected.get(what))}, found: {_shown(live.get(what))}",
                _APPLY,
            )


def _shown(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return _yes(value)
        case list():
            return ", ".join(str(item) for item in value) or "nothing"  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            text = str(value)
            return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _first_difference(expected: str, found: str) -> str:
    lines = zip(expected.splitlines(), found.splitlines(), strict=False)
    different = next((line for before, line in lines if before != line), None)
    return _shown(different if different is not None else "more or fewer lines")


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _error(code: str, key: Key, message: str, hint: str) -> Finding:
    return Finding(code, Severity.ERROR, str(key), message, hint)


def governed_tables(ledger: Ledger) -> tuple[Name, ...]:
    """The tables and leaves under our row security."""
    return tuple(sorted(Name(*key.parts) for key in ledger.rows if key.kind is Kind.ROW_SECURITY))
