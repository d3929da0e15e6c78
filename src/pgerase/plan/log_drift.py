"""What somebody did to the tables of the audit log: whose they are, who may use them, and whether they still refuse changes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pgerase.catalog.model import Catalog, Name, Table
from pgerase.errors import Finding, Severity
from pgerase.plan.family import below, children
from pgerase.plan.log_shape import LogShapes, part_drift, shape_drift
from pgerase.render.fragments import quote_identifier, quote_literal

FAMILIES = ("entry", "value", "leaf")
"""Those with partitions, which refuse whatever is not an insert."""
GUARD = "refuse_change"
"""The trigger that does it, and its function."""
_ENABLED = "O"


@dataclass(frozen=True, slots=True)
class LogSequence:
    """A sequence of the log: its owner, who else may use it how, as `grantee privilege`, and what it draws, as ALTER SEQUENCE has it."""

    name: str
    owner: str
    grants: tuple[str, ...]
    options: str
    persistence: str


@dataclass(frozen=True, slots=True)
class LogPart:
    """A table attached below entry, value or leaf: `level` 1 are classes, 2 their partitions; `bound` as the server spells it."""

    family: str
    level: int
    schema: str
    name: str
    kind: str
    bound: str


@dataclass(frozen=True, slots=True)
class LogGap:
    """A time for which a class has no partition of these of the three tables, and that is not expired. None is open."""

    class_name: str
    families: tuple[str, ...]
    lower: datetime | None
    upper: datetime | None


def missing_parts(prefix: str, parts: Sequence[LogPart], gaps: Iterable[LogGap]) -> Iterator[Finding]:
    """Partitions that somebody took away: what is dated in their time cannot be written. A class without its part is told of as such."""
    classes = {(part.family, part.bound): part for part in parts if part.level == 1 and part.schema == f"{prefix}_log"}
    for gap in gaps:
        since = "the beginning" if gap.lower is None else f"{gap.lower:%Y-%m-%d}"
        until = "the end" if gap.upper is None else f"{gap.upper:%Y-%m-%d}"
        for family in gap.families:
            if part := classes.get((family, _bound_of(gap.class_name))):
                message = (
                    f"expected a partition from {since} to {until}, found: none; writes that are logged there fail then"
                )
                hint = "Run `pgerase audit maintain`: it attaches what was detached, or makes it anew, empty."
                yield _error("log-missing", Name(part.schema, part.name), message, hint)


def part_strangers(prefix: str, classes: Iterable[str], parts: Sequence[LogPart]) -> Iterator[Finding]:
    """What is attached to the log and is not as the log's routines attach it, by bounds: retention goes by these.

    `classes` are those that the log's own table has. What belongs to none of them is written, read, and never dropped.
    """
    wanted = {_bound_of(name) for name in classes}
    # Elsewhere they are strangers, whatever they hold.
    for part in (one for one in parts if one.schema == f"{prefix}_log"):
        name = Name(part.schema, part.name)
        if part.level == 1 and (part.bound not in wanted or part.kind != "p"):
            message = f"expected a class of entries that is defined, found: {part.bound}"
            yield _error("log-class", name, message, f"Look who made it; what is in it goes by no class. {_DETACH}")
        elif part.level == 2 and (not part.bound.startswith("FOR VALUES FROM ") or part.kind != "r"):
            message = f"expected a partition by time, found: {part.bound}"
            yield _error("log-class", name, message, f"Look who made it; what is in it never expires. {_DETACH}")
        elif part.level > 2:
            message = "expected no partition of a partition, found: this"
            yield _error("log-class", name, message, f"Look who made it; what is in it never expires. {_DETACH}")


def missing_classes(prefix: str, classes: Iterable[str], parts: Sequence[LogPart]) -> Iterator[Finding]:
    """Classes that the log's own table has and one of its three tables has no part for: what is written of them is refused."""
    found = {(part.family, part.bound) for part in parts if part.level == 1}
    for class_name in sorted(classes):
        for family in FAMILIES:
            if (family, _bound_of(class_name)) not in found:
                message = (
                    f"expected a part for the class {class_name}, found: nothing; what is written of it is refused"
                )
                hint = "Run `pgerase audit maintain`: it attaches what was detached, or makes it anew, empty."
                yield _error("log-class", Name(f"{prefix}_log", family), message, hint)


def statistics_strangers(prefix: str, statistics: Iterable[tuple[str, Name]]) -> Iterator[Finding]:
    """Extended statistics of the log's tables: install makes none, and their expressions run as the log's owner."""
    for table, name in statistics:
        message = f"expected no extended statistics, found: {name}, whose expressions run with the log's rights"
        yield _error("log-statistics", Name(f"{prefix}_log", table), message, f"drop statistics {_quoted(name)};")


def log_drift(
    catalog: Catalog,
    prefix: str,
    installer: str,
    shapes: LogShapes,
    sequences: Sequence[LogSequence],
    classes: Mapping[int, str],
) -> Iterator[Finding]:
    """Differences between the log's tables and what install and the log's own routines make.

    `shapes` are what install makes, `installer` the only one who may read it, `classes` those of the log by number. Nothing where
    there is no log.
    """
    if f"{prefix}_log" in catalog.schemas:
        yield from _Look(catalog, prefix, installer, shapes, classes).everything(sequences)


class _Look:
    """One comparison."""

    def __init__(
        self, catalog: Catalog, prefix: str, installer: str, shapes: LogShapes, classes: Mapping[int, str]
    ) -> None:
        self._catalog = catalog
        self._shapes = shapes
        self._classes = classes
        self._schema = f"{prefix}_log"
        self._keeper = f"{prefix}_keeper"
        self._installer = installer
        self._own = frozenset(Name(self._schema, family) for family in FAMILIES)
        self._roots = {family: catalog.tables.get(Name(self._schema, family)) for family in FAMILIES}

    def everything(self, sequences: Sequence[LogSequence]) -> Iterator[Finding]:
        known = {Name(self._schema, name) for name in self._shapes.tables}
        for name in sorted(known - self._catalog.tables.keys()):
            yield _error("log-missing", name, "expected a table, found: nothing", "Run `pgerase upgrade`.")
        family = children(self._catalog)
        parts = {leaf for root in FAMILIES for leaf in below(family, Name(self._schema, root))}
        for name, root in self._apart().items():
            parts |= {name, *below(family, name)}
            yield self._unattached_class(name, root)
        for name, table in self._catalog.tables.items():
            # Rows of a child are its parent's, too, wherever it lies.
            is_child = any(parent.schema == self._schema for parent in table.parents)
            if name.schema != self._schema and name not in parts and not is_child:
                continue
            if name in known or (name in parts and name.schema == self._schema) or self._was_part(table):
                yield from self._parents(table, parts)
                yield from self._table(table)
                yield from self._made_of(table, family)
                # The first class that is defined closes the three tables that classes are parts of.
                is_root = name.name in FAMILIES
                if name not in known or (is_root and family.get(name)):
                    yield from self._guard(table)
                yield from self._triggers(table, refuses=is_root or name not in known)
            else:
                hint = "Look what is in it; drop it only if that is nothing of the log."
                yield _error("log-stranger", name, "expected no table but the log's own, found: this", hint)
        for sequence in sequences:
            yield from self._sequence(sequence)
        yield from self._ways_out()
        yield from self._referenced()

    def _parents(self, table: Table, parts: Collection[Name]) -> Iterator[Finding]:
        """Whose rows are a table's own, too. Partitions are below the log's own, and below nothing else."""
        for parent in table.parents:
            if parent not in parts and parent not in self._own:
                yield _error(
                    "log-reader",
                    table.name,
                    f"its rows are those of {_quoted(parent)}, too: whoever may read that is shown what is in the log",
                    f"alter table {_quoted(table.name)} no inherit {_quoted(parent)};",
                )

    def _referenced(self) -> Iterator[Finding]:
        """Foreign keys to the log: they ask and lock it, and what they name can be neither detached nor dropped."""
        for table in self._catalog.tables.values():
            above = [self._catalog.tables[parent] for parent in table.parents if parent in self._catalog.tables]
            inherited = {one.name for parent in above for one in parent.foreign_keys}
            for key in table.foreign_keys:
                if key.target.schema != self._schema or table.name.schema == self._schema or key.name in inherited:
                    continue
                yield _error(
                    "log-constraint",
                    key.target,
                    f"expected no key to it, found: {key.name} of {_quoted(table.name)}, for which retention can drop nothing",
                    f"alter table {_quoted(table.name)} drop constraint {quote_identifier(key.name)};",
                )

    def _ways_out(self) -> Iterator[Finding]:
        """What shows the log to others. Publications of all tables are doors like for every table, and none of the log's own."""
        for view in self._catalog.views.values():
            if view.name.schema != self._schema and any(read.schema == self._schema for read in view.reads):
                kind = "materialized view" if view.kind == "m" else "view"
                message = "it reads the log: whoever may read it is shown values of people, and entries of others"
                yield _error("log-reader", view.name, message, f"drop {kind} {_quoted(view.name)};", what=kind)
        for one in self._catalog.publications:
            carried = sorted({*one.tables, *one.named}, key=str)
            log = [name for name in carried if name.schema == self._schema]
            if self._schema in one.schemas or (log and not one.all_tables):
                what = "the log's schema" if self._schema in one.schemas else ", ".join(map(_quoted, log))
                yield Finding(
                    "log-reader",
                    Severity.ERROR,
                    f"publication {quote_identifier(one.name)}",
                    f"it carries {what}: whoever subscribes has a copy of the log, from which nobody is erased",
                    f"drop publication {quote_identifier(one.name)};",
                )
        for grant in self._catalog.default_grants:
            if grant.creator == self._keeper and grant.schema in {None, self._schema}:
                where = "" if grant.schema is None else f" in schema {quote_identifier(grant.schema)}"
                grantee = grant.grantee if grant.grantee == "public" else quote_identifier(grant.grantee)
                yield Finding(
                    "log-grant",
                    Severity.ERROR,
                    f"role {quote_identifier(self._keeper)}",
                    f"expected no default privileges, found: {grant.grantee} gets {grant.privilege.lower()} on each partition to come",
                    f"alter default privileges for role {quote_identifier(self._keeper)}{where}"
                    f" revoke {grant.privilege.lower()} on tables from {grantee};",
                )

    def _made_of(self, table: Table, family: Mapping[Name, list[Name]]) -> Iterator[Finding]:
        """Columns, defaults, constraints and indexes: as install makes them, or as those of the table it is, or was, a part of."""
        shape = self._shapes.tables.get(table.name.name)
        if shape is not None:
            yield from shape_drift(table, shape)
            return
        for root in FAMILIES:
            if table.name in below(family, Name(self._schema, root)) or self._family_of(table) == root:
                expected = self._shapes.tables[root]
                yield from part_drift(table, expected, self._shapes.parts[root], is_leaf=table.kind == "r")
                return

    def _was_part(self, table: Table) -> bool:
        """Whether it is a partition that was detached and not yet dropped: known as retention knows it, by owner and columns."""
        if table.kind != "r" or table.owner != self._keeper or table.name.schema != self._schema:
            return False
        if any(parent.schema == self._schema for parent in table.parents):
            return False
        return self._family_of(table) is not None

    def _apart(self) -> Mapping[Name, str]:
        """Classes that were detached as a whole, each with the table it was a part of: known by owner and columns, too."""
        return {
            name: family
            for name, table in self._catalog.tables.items()
            if name.schema == self._schema and name not in self._own
            if table.kind == "p" and table.owner == self._keeper and not table.parents
            if (family := self._family_of(table)) is not None
        }

    def _family_of(self, table: Table) -> str | None:
        """Which of entry, value and leaf has the columns of a table."""
        return next((one for one, root in self._roots.items() if root and _shape(root) == _shape(table)), None)

    def _unattached_class(self, name: Name, family: str) -> Finding:
        """By the number in its name it is known which one it was."""
        number = name.name.removeprefix(f"{family}_")
        known = {f"{one}": class_name for one, class_name in self._classes.items()}
        attach = f"alter table {_quoted(Name(self._schema, family))} attach partition {_quoted(name)} for values in"
        hint = f"Attach it for the class that its rows have: {attach} ('…');"
        if number in known:
            hint = f"Run `pgerase audit maintain`, which attaches it, or: {attach} ({quote_literal(known[number])});"
        message = f"expected it attached to {family}, found: detached; nobody sees what is in it, and nobody is erased from it"
        return _error("log-class", name, message, hint)

    def _table(self, table: Table) -> Iterator[Finding]:
        name, spelled = table.name, _quoted(table.name)
        if table.owner != self._keeper:
            message = f"owner: expected {self._keeper}, found: {table.owner}"
            yield _error(
                "log-owner", name, message, f"alter table {spelled} owner to {quote_identifier(self._keeper)};"
            )
        if table.persistence != "p":
            message = "expected a table that survives a crash, found: unlogged"
            yield _error("log-unlogged", name, message, f"alter table {spelled} set logged;")
        if table.rls_enabled or table.rls_forced:
            message = (
                "expected no row security, found: enabled; who looks at the log, and verifies it, sees a part of it"
            )
            off = f"alter table {spelled} disable row level security, no force row level security;"
            yield _error("log-row-security", name, message, off)
        for policy in table.policies:
            message = f"expected no policy, found: {policy.name}"
            drop = f"drop policy {quote_identifier(policy.name)} on {spelled};"
            yield _error("log-row-security", name, message, drop)
        for rule in table.rules:
            message = f"expected no rule, found: {rule}, which can turn writes into something else, or into nothing"
            yield _error("log-rule", name, message, f"drop rule {quote_identifier(rule)} on {spelled};")
        yield from self._grants(table)

    def _grants(self, table: Table) -> Iterator[Finding]:
        for grant in table.grants:
            # What an owner has goes with the table.
            if grant.grantee in {self._keeper, table.owner}:
                continue
            if (grant.grantee, grant.privilege, grant.grantable, grant.column) == (
                self._installer,
                "SELECT",
                False,
                None,
            ):
                continue
            what = grant.privilege.lower() + (f" ({quote_identifier(grant.column)})" if grant.column else "")
            option = ", and may give it on" if grant.grantable else ""
            grantee = grant.grantee if grant.grantee == "public" else quote_identifier(grant.grantee)
            yield _error(
                "log-grant",
                table.name,
                f"expected that nobody but {self._installer} may read it and nobody write it, found: {grant.grantee} has"
                f" {what}{option}",
                f"revoke {what} on {_quoted(table.name)} from {grantee};",
            )

    def _guard(self, table: Table) -> Iterator[Finding]:
        """Whether the trigger that refuses changes is there, on, and the one it was."""
        found = next((trigger for trigger in table.triggers if trigger.name == GUARD), None)
        spelled, routine = _quoted(table.name), f"{quote_identifier(self._schema)}.{GUARD}()"
        made = (
            f"CREATE TRIGGER {GUARD} BEFORE DELETE OR UPDATE OR TRUNCATE ON {spelled}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {routine}"
        )
        again = f"{made.replace('CREATE', 'CREATE OR REPLACE', 1)};"
        if found is None:
            message = f"expected the trigger {GUARD}, found: none; it can be changed and emptied"
            yield _error("log-trigger", table.name, message, again)
        elif found.definition != made:
            message = f"trigger {GUARD}: expected {made}, found: {found.definition}"
            yield _error("log-trigger", table.name, message, again)
        elif found.enabled != _ENABLED:
            message = f"trigger {GUARD}: expected on, found: {_STATES.get(found.enabled, found.enabled)}"
            yield _error("log-trigger", table.name, message, f"alter table {spelled} enable trigger {GUARD};")

    def _triggers(self, table: Table, *, refuses: bool) -> Iterator[Finding]:
        """Those that nobody of ours made. Where the guard has its place, `_guard` looks at it."""
        for trigger in table.triggers:
            if refuses and trigger.name == GUARD:
                continue
            yield _error(
                "log-trigger",
                table.name,
                f"expected no trigger{f' but {GUARD}' if refuses else ''}, found: {trigger.name}, which runs {trigger.function} of"
                f" {trigger.function_owner} with what is written",
                f"drop trigger {quote_identifier(trigger.name)} on {_quoted(table.name)};",
            )

    def _sequence(self, sequence: LogSequence) -> Iterator[Finding]:
        name = Name(self._schema, sequence.name)
        if sequence.owner != self._keeper:
            message = f"owner: expected {self._keeper}, found: {sequence.owner}"
            yield _error("log-owner", name, message, "It follows the table whose numbers it draws.", what="sequence")
        options = _DRAWN.get(sequence.name, _NUMBERS)
        if sequence.options != options:
            message = f"numbers are drawn otherwise: expected {options}, found: {sequence.options}"
            again = f"alter sequence {_quoted(name)} {options};"
            yield _error("log-sequence", name, message, again, what="sequence")
        if sequence.persistence != "p":
            message = "expected a sequence that survives a crash, found: unlogged; numbers would be drawn again"
            yield _error("log-unlogged", name, message, f"alter sequence {_quoted(name)} set logged;", what="sequence")
        for grant in sequence.grants:
            grantee, _, privilege = grant.rpartition(" ")
            if grantee == self._keeper or (grantee, privilege) == (self._installer, "SELECT"):
                continue
            of = grantee if grantee == "public" else quote_identifier(grantee)
            yield _error(
                "log-grant",
                name,
                f"expected that nobody draws or sets numbers of the log, found: {grantee} has {privilege.lower()}",
                f"revoke {privilege.lower()} on sequence {_quoted(name)} from {of};",
                what="sequence",
            )


_NUMBERS = "as bigint increment 1 minvalue 1 maxvalue 9223372036854775807 start 1 cache 1 no cycle"
_DRAWN = {"class_number_seq": "as smallint increment 1 minvalue 1 maxvalue 32767 start 1 cache 1 no cycle"}
"""What install makes of sequences; those not named here draw `_NUMBERS`."""
_DETACH = "Detach it when that is settled."
_STATES = {
    "D": "switched off",
    "R": "on for replication only",
    "A": "on always, also where writes are replicated",
}


def _bound_of(class_name: str) -> str:
    """As the server spells bounds, which is not how it quotes literals."""
    return "FOR VALUES IN ('" + class_name.replace("'", "''") + "')"


def _shape(table: Table) -> tuple[tuple[str, str], ...]:
    return tuple((column.name, column.type) for column in table.columns)


def _quoted(name: Name) -> str:
    return f"{quote_identifier(name.schema)}.{quote_identifier(name.name)}"


def _error(code: str, name: Name, message: str, hint: str, *, what: str = "table") -> Finding:
    return Finding(code, Severity.ERROR, f"{what} {_quoted(name)}", message, hint)
