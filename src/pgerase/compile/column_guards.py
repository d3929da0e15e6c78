"""Guards of columns that not everyone may write, or even read: triggers, because row security cannot compare old and new.

A value that stays as it is was not written. A column that is hidden from the viewer is different: there the statement may not
so much as name it, since "refused" and "unchanged" would tell whether a value was guessed right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pgerase.catalog.model import Catalog, Column, Name, Table
from pgerase.compile import bound, sql
from pgerase.compile.bound import BoundColumnGrant, BoundResource
from pgerase.compile.column_rights import ColumnRights, row_values
from pgerase.compile.desired import DesiredFunction, DesiredTrigger, partition_makers
from pgerase.compile.guards import bound_alone, harmless
from pgerase.compile.sql import dollar_tag, fit_name, ident, qualified, text_literal
from pgerase.errors import Finding, Severity

_Rights = tuple[BoundColumnGrant | None, BoundColumnGrant | None]
"""What writing a column takes: the right to write it, and the right to read it."""


class ColumnGuards:
    """Makes functions and triggers for the governed resources of one pack."""

    def __init__(self, rights: ColumnRights, catalog: Catalog) -> None:
        self.rights = rights
        self.catalog = catalog
        self.naming = rights.naming

    def make(
        self, resources: Iterable[BoundResource]
    ) -> tuple[tuple[DesiredFunction, ...], tuple[DesiredTrigger, ...], tuple[Finding, ...]]:
        """Everything for resources with restricted columns, and warnings about defaults that will count as written."""
        functions: list[DesiredFunction] = []
        triggers: list[DesiredTrigger] = []
        findings: list[Finding] = []
        for resource in resources:
            if not resource.columns.rights and resource.columns == bound.BoundColumns():
                continue
            functions.append(self.rights.function(resource.table, resource.columns))
            made, hung = self.guard(resource)
            functions += made
            triggers += hung
            findings += _computed_defaults(resource)
        return tuple(functions), tuple(triggers), tuple(findings)

    def guard(self, resource: BoundResource) -> tuple[list[DesiredFunction], list[DesiredTrigger]]:
        """The functions and triggers of one table. Partitions have them from it; heirs get their own."""
        table = resource.table
        whole = self.function(resource)
        functions = [whole]
        heirs = [leaf for leaf in self.catalog.leaves(table.name) if not self.catalog.tables[leaf].is_partition]
        tables = (table.name, *heirs)
        triggers = [self.trigger(one, "columns", "after insert or update", whole) for one in tables]
        if table.kind == "p":
            # A row that moves to another partition is deleted here and inserted there: AFTER UPDATE does not fire for it.
            triggers += [self.trigger(one, "columns_moved", "before update", whole) for one in tables]
        hidden = resource.columns.hidden
        if hidden:
            named = self.hidden_function(resource)
            functions.append(named)
            when = "before" if table.kind == "p" else "after"
            for right in hidden:
                event = f"{when} update of {ident(right.column.name)}"
                triggers += [
                    self.trigger(one, f"hidden_{right.column.name}", event, named, right.column.name) for one in tables
                ]
        return functions, triggers

    def trigger(
        self, table: Name, what: str, event: str, function: DesiredFunction, argument: str = ""
    ) -> DesiredTrigger:
        """A row trigger; names of columns may be long, and so may names of triggers become."""
        name = self.naming.policy(what)
        argument = text_literal(argument).strip() if argument else ""
        definition = (
            f"create trigger {ident(name)}\n"
            f"    {event} on {qualified(table)}\n"
            f"    for each row execute function {qualified(function.name)}({argument})"
        )
        return DesiredTrigger(table, name, definition, function.comment)

    def function(self, resource: BoundResource) -> DesiredFunction:
        """The trigger function that refuses to fill in or change a column without the right to."""
        table, columns = resource.table, resource.columns
        inserted = _by_rights({right.column.name: (right.insert, right.read) for right in columns.rights})
        # Whether a known hidden column is named is for its own trigger to see; of later ones nobody knew.
        updated = _by_rights({right.column.name: (right.update, None) for right in columns.rights})
        checks: list[str] = []
        for written, later in (
            (inserted, (columns.later_insert, columns.later_read)),
            (updated, (columns.later_update, columns.later_read)),
        ):
            if any(later):
                written.setdefault(later, [])
            checks += [
                self.check(resource, rights, names, is_later=rights == later, inserting=written is inserted)
                for rights, names in written.items()
            ]
        body = f"""
declare
    v_column text;
begin
{bound_alone(self.naming)}
{chr(10).join(checks)}
    return new;
end;
"""
        what = f"Refuses to write columns of {table.name} without the right to."
        return self.trigger_function(table, "guard_columns", body, what)

    def check(
        self, resource: BoundResource, rights: _Rights, names: list[str], *, is_later: bool, inserting: bool
    ) -> str:
        """Find the first of some columns that is written, and refuse it to those who lack one of the rights."""
        table = resource.table
        event = "INSERT" if inserting else "UPDATE"
        cases = [
            f"            when {_filled(column) if inserting else _changed(column)} then {_text(column.name)}"
            for column in (table.column(name) for name in names)
            if column is not None and not column.generated
        ]
        found = "null"
        if is_later:
            # "*" covers columns that nobody knew of when this was made.
            known = ", ".join(_text(column.name) for column in table.columns)
            new, old = "pg_catalog.to_jsonb(new)", "pg_catalog.to_jsonb(old)"
            differs = "n.value <> 'null'" if inserting else f"n.value is distinct from {old} -> n.key"
            found = (
                "(\n"
                "                select n.key\n"
                f"                from pg_catalog.jsonb_each({new} - array[{known}]) n\n"
                f"                where {differs}\n"
                "                limit 1\n"
                "            )"
            )
        if cases:
            lines = "\n".join(cases)
            otherwise = f"\n            else {found}" if is_later else ""
            found = f"case\n{lines}{otherwise}\n        end"
        refusals = "\n".join(
            self.refusal(resource, grant, reading=grant is rights[1], inserting=inserting)
            for grant in rights
            if grant is not None
        )
        return f"    if tg_op = '{event}' then\n        v_column := {found};\n{refusals}\n    end if;"

    def refusal(self, resource: BoundResource, grant: BoundColumnGrant, *, reading: bool, inserting: bool) -> str:
        """Refuse the column found, unless the viewer has the right; a right that speaks of rows is needed on old and new."""
        asked = self.lacking(resource, grant, inserting=inserting)
        verb = "fill in" if inserting else "change"
        why = f"may not {verb} it: it is hidden from you" if reading else f"may not {verb} it"
        message = f"{text_literal(f'{resource.table.name}.').strip()} || v_column || {_text(f': you {why} (columns of {resource.name}, {grant.at.file}:{grant.at.line})')}"
        hint = (
            "Leave it out: whoever may not read a column may not write it."
            if reading
            else "Leave it out, or as it is. Who may write it is said under columns: in access.yaml."
        )
        return (
            "        if v_column is not null\n"
            f"            and {sql.indent(asked, 12)}\n"
            "        then\n"
            f"            {sql.indent(_raise(message, hint, 'v_column'), 12)}\n"
            "        end if;"
        )

    def lacking(self, resource: BoundResource, grant: BoundColumnGrant, *, inserting: bool) -> str:
        """The viewer is not known to have the right."""
        table, columns = resource.table, resource.columns
        new = f"{self.rights.asked(table, columns, grant, 'new')} is not true"
        if inserting or not row_values(columns):
            return new
        old = f"{self.rights.asked(table, columns, grant, 'old')} is not true"
        return f"(\n    {old}\n    or {new}\n)"

    def hidden_function(self, resource: BoundResource) -> DesiredFunction:
        """The trigger function that refuses to name a hidden column; its argument is the column."""
        table = resource.table
        checks: list[str] = []
        for right in resource.columns.hidden:
            grant = right.read
            assert grant is not None
            where = f"(columns of {resource.name}, {grant.at.file}:{grant.at.line})"
            message = _text(f"{table.name}.{right.column.name}: you may not change it: it is hidden from you {where}")
            hint = "Leave it out of the statement: whoever may not read a column may not write it, not even as it is."
            checks.append(
                f"    if tg_argv[0] = {_text(right.column.name)}\n"
                f"        and {sql.indent(self.lacking(resource, grant, inserting=False), 8)}\n"
                "    then\n"
                f"        {sql.indent(_raise(message, hint, 'tg_argv[0]'), 8)}\n"
                "    end if;"
            )
        body = f"""
begin
{bound_alone(self.naming)}
{chr(10).join(checks)}
    return new;
end;
"""
        what = f"Refuses statements that write columns of {table.name} to whom they are hidden from."
        return self.trigger_function(table, "guard_hidden", body, what)

    def trigger_function(self, table: Table, name: str, body: str, what: str) -> DesiredFunction:
        """A stable function, which sees people as they were before the statement."""
        made = Name(self.naming.api, fit_name(f"{name}_{table.name.schema}_{table.name.name}"))
        body = sql.plpgsql(body)
        tag = dollar_tag(body)
        definition = (
            f"create or replace function {qualified(made)}()\n"
            "    returns trigger\n"
            "    language plpgsql\n"
            "    stable\n"
            # As for the other guards: types of defaults are written as format_type does.
            "    set search_path = pg_catalog, pg_temp\n"
            f"as {tag}{body}{tag}"
        )
        makers = partition_makers(table)
        return DesiredFunction(made, "", self.naming.lookup, definition, makers, f"{what} [pgerase columns]")


def _by_rights(needed: Mapping[str, _Rights]) -> dict[_Rights, list[str]]:
    """Columns that take the same rights, together; those that take none are left out."""
    found: dict[_Rights, list[str]] = {}
    for column, rights in needed.items():
        if any(rights):
            found.setdefault(rights, []).append(column)
    return found


def _filled(column: Column) -> str:
    """A new row's value is another than it would have by itself."""
    default = harmless(column)
    return _differs(column, default if default.startswith("null::") else f"{default}::{column.type}")


def _changed(column: Column) -> str:
    """The value is another one."""
    return _differs(column, sql.row_field("old", column.name))


def _differs(column: Column, other: str) -> str:
    """Bit by bit, since equal values may read differently: another case, 30 days for a month.

    Numbers alone are compared as such: 1.50 is 1.5, however the application spells it.
    """
    new = sql.row_field("new", column.name)
    if column.base_type == "numeric":
        return f"{new} is distinct from {other}"
    return f"record_image_ne(row({new}), row({other}))"


def _text(value: str) -> str:
    return text_literal(value).strip()


def _raise(message: str, hint: str, column: str) -> str:
    return (
        "raise exception using\n"
        "    errcode = 'insufficient_privilege',\n"
        f"    message = {message},\n"
        f"    hint = {_text(hint)},\n"
        "    schema = tg_table_schema,\n"
        "    table = tg_table_name,\n"
        f"    column = {column};"
    )


def _computed_defaults(resource: BoundResource) -> Iterable[Finding]:
    """Columns that are filled in by computing, whose new values nobody can tell from given ones."""
    for right in resource.columns.rights:
        column = right.column
        grant = right.insert or right.read
        computed = bool(column.identity) or (column.default is not None and harmless(column).startswith("null::"))
        if grant is None or not computed or column.generated:
            continue
        yield Finding(
            "computed-default",
            Severity.WARNING,
            f"{resource.table.name}.{column.name}",
            f"{column.name} fills itself in, which looks like writing it: without the right nobody inserts rows at all",
            f"Give {column.name} an entry of its own with insert: everyone, and read: everyone.",
            grant.at,
        )
