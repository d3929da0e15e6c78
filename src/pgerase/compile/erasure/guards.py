"""Guards for erased keys: nobody revives them, links to them anew, or writes to them.

A guard takes the person's row FOR KEY SHARE before it looks, so that a writer and an erasure wait for one another: without
that, a link written late by an open transaction would survive (field notes on erasing).
"""

from __future__ import annotations

from collections.abc import Sequence

from pgerase.catalog.model import Catalog, Column, Name, Table
from pgerase.compile.desired import DesiredFunction, DesiredTrigger, partition_makers
from pgerase.compile.erasure.bound import BoundLink, BoundMap, BoundSubject
from pgerase.compile.erasure.code import user_code
from pgerase.compile.erasure.fill import comparable
from pgerase.compile.erasure.known import as_text, is_others, printed, table_held, types_of_row
from pgerase.compile.erasure.parts import row_key_text
from pgerase.compile.naming import Naming
from pgerase.compile.sql import dollar_tag, fit_name, ident, indent, plpgsql, qualified, row_field, text_literal
from pgerase.compile.types import type_of


def erased_guards(
    data_map: BoundMap, naming: Naming, catalog: Catalog
) -> tuple[tuple[DesiredFunction, ...], tuple[DesiredTrigger, ...]]:
    """Guard functions and triggers on the subjects' tables and on every table with a link that a row itself holds."""
    functions: list[DesiredFunction] = []
    triggers: list[DesiredTrigger] = []
    for subject in data_map.subjects.values():
        function, made = _self_guard(subject, data_map, naming)
        functions.append(function)
        triggers += made
    for mapped in data_map.tables.values():
        links = [link for link in mapped.links if link.path.is_direct and not link.is_self]
        if links:
            function, made = _link_guard(mapped.table, links, data_map, naming, catalog)
            functions.append(function)
            triggers += made
    return tuple(functions), tuple(triggers)


def _state(subject: BoundSubject, alias: str, naming: Naming) -> str:
    """Whether a person's row is that of somebody erased."""
    if subject.lifecycle is not None:
        column = subject.table.column(subject.lifecycle.column)
        assert column is not None
        field = row_field(alias, column.name)
        if is_others(column):
            # Neither its type nor a literal of it: another one may have got the name.
            return f"{printed(field)} = {subject.lifecycle.erased.removesuffix(f'::{column.base_type}')}"
        return f"{field} = {subject.lifecycle.erased}"
    is_erased = qualified(Name(naming.internal, "is_erased"))
    return f"{is_erased}({text_literal(subject.name).strip()}, {row_key_text(subject, alias)})"


def _self_guard(
    subject: BoundSubject, data_map: BoundMap, naming: Naming
) -> tuple[DesiredFunction, tuple[DesiredTrigger, ...]]:
    """What erasing left of a person stays so, and the key is not used again. Other columns go on working, for migrations."""
    table = subject.table
    is_erased = qualified(Name(naming.internal, "is_erased"))
    again = f"{is_erased}({text_literal(subject.name).strip()}, {row_key_text(subject, 'new')})"
    mapped = data_map.tables.get(table.name)
    kept = dict.fromkeys((*subject.key_columns, *(mapped.columns if mapped is not None else ())))
    if subject.lifecycle is not None:
        kept[subject.lifecycle.column] = None
    columns = [column for name in kept if (column := table.column(name)) is not None]
    changed = "\n            or ".join(
        " is distinct from ".join(
            as_text(one, field) if is_others(one) else comparable(one, field)
            for field in (row_field("new", one.name), row_field("old", one.name))
        )
        for one in columns
    )
    moved = " or ".join(
        f"{row_field('new', name)} is distinct from {row_field('old', name)}" for name in subject.key_columns
    )
    # A new row is asked for its key alone.
    key_known = types_of_row(naming, table, "new", subject.key_columns)
    rest_known = types_of_row(naming, table, "new", [name for name in kept if name not in subject.key_columns])
    body = f"""
begin
    {indent(key_known)}
    if tg_op = 'INSERT' or {moved} then
        if {again} then
            raise exception using
                errcode = 'ZE105',
                message = {_message(f"{table.name}: this key was a person's who is erased")},
                hint = 'A new person has a new key.',
                schema = tg_table_schema,
                table = tg_table_name;
        end if;
    end if;
    if tg_op = 'INSERT' then
        return null;
    end if;
    {indent(rest_known)}
    if {_state(subject, "old", naming)}
        and (
            {changed}
        )
    then
        raise exception using
            errcode = 'ZE105',
            message = {_message(f"{table.name}: this person is erased, for ever")},
            hint = 'Somebody who comes back is a new person.',
            schema = tg_table_schema,
            table = tg_table_name;
    end if;
    return null;
end;
"""
    when = ""
    if subject.lifecycle is not None:
        when = f" and ({row_field('old', subject.lifecycle.column)} = {subject.lifecycle.erased} or {moved})"
    what = f"Erased {subject.name}s stay erased: what erasing wrote is not overwritten, keys are not used again ({subject.at})."
    return _guard(table, "erased", f"guard_erased_{subject.name}", body, ("", when), what, naming)


def _link_guard(
    table: Table, links: Sequence[BoundLink], data_map: BoundMap, naming: Naming, catalog: Catalog
) -> tuple[DesiredFunction, tuple[DesiredTrigger, ...]]:
    """Rows are not linked to people who are erased or being erased."""
    checks: list[str] = []
    columns: dict[str, None] = {}
    for link in links:
        subject = data_map.subjects[link.subject]
        wanted = (
            subject.key_columns if link.path.identifier is None else (subject.identifiers[link.path.identifier].name,)
        )
        pairs = list(zip(link.path.columns, wanted, strict=True))
        columns.update(dict.fromkeys(link.path.columns))
        changed = " or ".join(
            f"{row_field('new', mine)} is distinct from {row_field('old', mine)}" for mine, _ in pairs
        )
        found = " and ".join(f"person.{ident(theirs)} = {row_field('new', mine)}" for mine, theirs in pairs)
        if link.path.identifier is None:
            constrained = _is_constrained(link, subject, table, data_map)
            checks.append(_by_key(table, link, subject, changed, found, naming, catalog, constrained=constrained))
        else:
            checks.append(_by_identifier(table, link, subject, changed, found, naming, catalog))
    loops = any(link.path.identifier is not None for link in links)
    declared = "declare\n    v_person record;\n" if loops else ""
    body = f"\n{declared}begin\n{''.join(checks)}    return null;\nend;\n"
    set_one = " or ".join(f"{row_field('new', name)} is not null" for name in columns)
    changed_one = " or ".join(f"{row_field('new', name)} is distinct from {row_field('old', name)}" for name in columns)
    name = f"guard_links_{table.name.schema}_{table.name.name}"
    what = f"No new links from {table.name} to people who are erased or being erased."
    return _guard(table, "links", name, body, (f" and ({set_one})", f" and ({changed_one})"), what, naming)


def _is_constrained(link: BoundLink, subject: BoundSubject, table: Table, data_map: BoundMap) -> bool:
    """Whether a foreign key refuses keys that no row has."""
    return any(
        one.constrained
        and one.source == table.name
        and one.hop.target == subject.table.name
        and set(one.hop.columns) == set(link.path.columns)
        for one in data_map.references
    )


def _by_key(
    table: Table,
    link: BoundLink,
    subject: BoundSubject,
    changed: str,
    found: str,
    naming: Naming,
    catalog: Catalog,
    *,
    constrained: bool,
) -> str:
    refused = f"""exists (
            select
            from {qualified(subject.table.name)} as person
            where {found}
                and {_state(subject, "person", naming)}
        )"""
    if not constrained:
        # The row of somebody erased may be gone, and then the ledger alone knows the key.
        held = zip(link.path.columns, subject.key, strict=True)
        keys = ", ".join(f"{row_field('new', mine)}{_as_key(table.column(mine), key)}" for mine, key in held)
        text = keys if len(subject.key) == 1 else f"jsonb_build_array({keys})::text"
        refused += f"\n            or {_in_ledger(subject, text, naming)}"
    return f"""    if tg_op = 'INSERT' or {changed} then
{_types_are_known(table, link, subject, subject.key_columns, naming, catalog)}        -- Waits for an erasure that holds the person, and makes a later one wait for us.
        perform
        from {qualified(subject.table.name)} as person
        where {found}
        for key share;
        if {refused}
        then
            {indent(_refuse(table, link), 12)}
        end if;
    end if;
"""


def _types_are_known(
    table: Table, link: BoundLink, subject: BoundSubject, columns: Sequence[str], naming: Naming, catalog: Catalog
) -> str:
    """The row and the person's are compared with the eraser's rights, and either table may be somebody else's."""
    lifecycle = [] if subject.lifecycle is None else [subject.lifecycle.column]
    code = user_code(catalog, naming, (), [subject.table.name]).hash
    mine = indent(types_of_row(naming, table, "new", link.path.columns), 8)
    return f"        {mine}\n{table_held(naming, subject.table, [*columns, *lifecycle], code, by=8)}"


def _as_key(column: Column | None, key: Column) -> str:
    """The cast that spells a link column's value as the ledger spells the key; integers of any size are spelt alike."""
    assert column is not None
    alike = {type_of(column).base, type_of(key).base}
    return "::text" if len(alike) == 1 or alike <= _INTEGERS or type_of(column).is_text else f"::{key.base_type}::text"


_INTEGERS = {"smallint", "integer", "bigint"}


def _by_identifier(
    table: Table, link: BoundLink, subject: BoundSubject, changed: str, found: str, naming: Naming, catalog: Catalog
) -> str:
    """An erasure changes the identifier: whose it was has to be known before waiting for it."""
    keys = ", ".join(f"person.{ident(name)}" for name in subject.key_columns)
    same = " and ".join(f"person.{ident(name)} = {row_field('v_person', name)}" for name in subject.key_columns)
    refused = _in_ledger(subject, row_key_text(subject, "v_person"), naming)
    if subject.lifecycle is not None:
        refused = f"""exists (
                select
                from {qualified(subject.table.name)} as person
                where {same}
                    and {_state(subject, "person", naming)}
            )
                or {refused}"""
    assert link.path.identifier is not None
    asked = [*subject.key_columns, subject.identifiers[link.path.identifier].name]
    return f"""    if tg_op = 'INSERT' or {changed} then
{_types_are_known(table, link, subject, asked, naming, catalog)}        -- An erasure changes the identifier: whose it is has to be known before we wait for one.
        for v_person in
            select {keys}
            from {qualified(subject.table.name)} as person
            where {found}
        loop
            perform
            from {qualified(subject.table.name)} as person
            where {same}
            for key share;
            if {refused}
            then
                {indent(_refuse(table, link), 16)}
            end if;
        end loop;
    end if;
"""


def _refuse(table: Table, link: BoundLink) -> str:
    return f"""raise exception using
    errcode = 'ZE105',
    message = {_message(f"{table.name}.{link.label} points to a person who is erased")},
    schema = tg_table_schema,
    table = tg_table_name;"""


def _in_ledger(subject: BoundSubject, key: str, naming: Naming) -> str:
    return f"{qualified(Name(naming.internal, 'is_erased'))}({text_literal(subject.name).strip()}, {key})"


def _message(text: str) -> str:
    return text_literal(text).strip()


def _guard(
    table: Table, label: str, name: str, body: str, when: tuple[str, str], what: str, naming: Naming
) -> tuple[DesiredFunction, tuple[DesiredTrigger, ...]]:
    """AFTER ROW, to see the row as every other trigger left it; the eraser itself is let through by WHEN.

    In the function, which runs as its owner, nobody could tell who is writing.
    """
    full = Name(naming.eraser, fit_name(name))
    body = plpgsql(body)
    tag = dollar_tag(body)
    definition = (
        f"create or replace function {qualified(full)}()\n"
        "    returns trigger\n"
        "    language plpgsql\n"
        "    volatile\n"
        "    security definer\n"
        "    set search_path = pg_catalog, pg_temp\n"
        # A migrator writes with it off, which is an error for whoever is exempt by policy.
        "    set row_security = on\n"
        f"as {tag}{body}{tag}"
    )
    comment = f"{what} [pgerase guard]"
    triggers: list[DesiredTrigger] = []
    for event, condition in zip(("insert", "update"), when, strict=True):
        trigger_name = naming.policy("guard", label, event)
        trigger = plpgsql(
            f"create trigger {ident(trigger_name)}\n"
            f"    after {event} on {qualified(table.name)}\n"
            "    for each row\n"
            f"    when (current_user <> {_message(naming.eraser)}{condition})\n"
            f"    execute function {qualified(full)}()"
        )
        triggers.append(DesiredTrigger(table.name, trigger_name, trigger, comment))
    return DesiredFunction(full, "", naming.eraser, definition, partition_makers(table), comment), tuple(triggers)
