"""Guards on columns that decide about people, so that nobody makes himself super admin, manager or member.

Row security cannot compare old and new, and column privileges do not tell one viewer from another where all share a login: so
each such table gets an AFTER ROW trigger, which sees the row as every other trigger left it. It binds members of the viewer
role; owners, services and superusers are doors, which `verify` lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Column, Name, Table
from pgerase.compile import bound, sql
from pgerase.compile.desired import DesiredFunction, DesiredTrigger, partition_makers
from pgerase.compile.emit import Emitter, Env
from pgerase.compile.naming import Naming
from pgerase.compile.sql import dollar_tag, fit_name, ident, qualified, text_literal
from pgerase.errors import Finding, Severity

SUPER_ADMIN = "super admin"


@dataclass(frozen=True, slots=True)
class _Guard:
    """A guarded column and the authority that may write it."""

    column: Column
    authority: str


def guards(
    rules: bound.BoundRules, catalog: Catalog, emitter: Emitter
) -> tuple[tuple[DesiredFunction, ...], tuple[DesiredTrigger, ...], tuple[Finding, ...]]:
    """The guard functions and triggers for everything that decisions read of people, and notes saying what is guarded."""
    if rules.people is None:
        return (), (), ()
    naming = emitter.naming
    granted = {(entry.table, entry.column): entry for entry in rules.authority}
    super_admin = _holder(rules.people.super_admin, emitter)
    authorities: dict[str, str] = {SUPER_ADMIN: super_admin}
    for entry in rules.authority:
        # Besides super admins, who may write every guarded column.
        named = [] if entry.who is None else [_holder(entry.who, emitter)]
        authorities[f"{entry.table}.{entry.column}"] = sql.block("(", "\nor ".join([super_admin, *named]), ")")
    managed = [group for group in rules.groups if group.managed is not None]
    for group in managed:
        assert group.managed is not None
        # Besides super admins, here as everywhere.
        named = [] if group.managed.who is None else [_holder(group.managed.who, emitter)]
        authorities[managers(group)] = sql.block("(", "\nor ".join([super_admin, *named]), ")")
    functions: list[DesiredFunction] = []
    triggers: list[DesiredTrigger] = []
    findings: list[Finding] = []
    for name in sorted(emitter.facts.authority):
        table = catalog.tables[name]
        guarded = tuple(_guarded(table, emitter.facts.authority[name], granted))
        if not guarded:
            continue
        if table.kind == "m":
            message = f"{name} decides about people as of its last refresh: guard what it is made from"
            findings.append(Finding("unguarded", Severity.WARNING, str(name), message))
            continue
        if table.kind == "f":
            message = f"{name} decides about people but is a foreign table, which no trigger can guard"
            findings.append(Finding("unguarded", Severity.WARNING, str(name), message, "Guard it where it lives."))
            continue
        here = [group for group in managed if group.member_table == name]
        function, trigger = _guard(table, guarded, here, emitter)
        functions.append(function)
        # Partitions get it from their parent. Children that inherit do not, and their rows are written through it all the same.
        heirs = [leaf for leaf in catalog.leaves(name) if not catalog.tables[leaf].is_partition]
        triggers += (trigger, *(_trigger(catalog.tables[heir], function, naming) for heir in heirs))
        columns = ", ".join(guard.column.name for guard in guarded)
        message = f"{name}: only super admins, and whom authority: names, may write {columns}: decisions read them"
        findings.append(Finding("authority-guarded", Severity.NOTE, str(name), message))
    for table_name, column in granted:
        if column not in emitter.facts.authority.get(table_name, set()):
            message = f"authority names {table_name}.{column}, which no decision about people reads"
            findings.append(Finding("idle-authority", Severity.WARNING, f"{table_name}.{column}", message))
    if not functions and not managed:
        return (), (), tuple(findings)
    return (_has_authority(authorities, naming), *functions), tuple(triggers), tuple(findings)


def managers(group: bound.BoundGroup) -> str:
    """What has_authority calls those who manage a group's members."""
    return f"members of {group.name}"


def _holder(who: bound.BoundCondition | None, emitter: Emitter) -> str:
    """An expression: the active viewer fits `who`; false for None."""
    if who is None:
        return "false"
    env = Env(person="p", taken=frozenset({"p"}))
    held = emitter.conjuncts(who, env, positive=True)
    return sql.exists(sql.select("", [f"{emitter.me} p"], held))


def _guarded(
    table: Table, columns: Iterable[str], granted: Mapping[tuple[Name, str], bound.BoundAuthority]
) -> Iterable[_Guard]:
    for name in sorted(columns):
        column = table.column(name)
        entry = granted.get((table.name, name))
        if column is None or (entry is not None and entry.everyone):
            continue
        yield _Guard(column, SUPER_ADMIN if entry is None else f"{table.name}.{name}")


def _has_authority(authorities: Mapping[str, str], naming: Naming) -> DesiredFunction:
    """The one function that knows who may write guarded columns; with the caller's rights, over blind views."""
    name = Name(naming.api, "has_authority")
    cases = "\n".join(
        f"    when {text_literal(key).strip()} then {sql.indent(text)}" for key, text in authorities.items()
    )
    definition = (
        f"create or replace function {qualified(name)}(p_authority text)\n"
        "    returns boolean\n"
        "    language sql\n"
        "    stable\n"
        "    parallel safe\n"
        f"return case p_authority\n{cases}\n    else false\nend"
    )
    comment = "Whether the viewer may write the columns that an authority stands for. [pgerase guard]"
    return DesiredFunction(name, "text", naming.lookup, definition, (naming.viewer,), comment)


def bound_alone(naming: Naming) -> str:
    """The lines by which a guard lets pass whom the rules do not bind."""
    return f"""\
    -- Only those whom the rules bind are guarded: owners, services and superusers are doors, listed by verify.
    -- A login that is bound stays guarded in every role it may set: the statement itself may call set_config('role', …).
    if (
            select r.rolsuper or not pg_catalog.pg_has_role(r.oid, {text_literal(naming.viewer)}, 'usage')
            from pg_catalog.pg_roles r
            where r.rolname = current_user
        )
        and (
            select s.rolsuper
                or not pg_catalog.pg_has_role(s.oid, {text_literal(naming.viewer)}, 'usage')
                or not pg_catalog.pg_has_role(s.oid, current_user, 'member')
            from pg_catalog.pg_roles s
            where s.rolname = session_user
        )
    then
        return new;
    end if;"""


def _guard(
    table: Table, guarded: tuple[_Guard, ...], managed: list[bound.BoundGroup], emitter: Emitter
) -> tuple[DesiredFunction, DesiredTrigger]:
    """The trigger function of one table and its trigger. `managed` are the groups whose members by hand stand in it."""
    naming = emitter.naming
    name = Name(naming.api, fit_name(f"guard_{table.name.schema}_{table.name.name}"))
    by_authority: dict[str, list[str]] = {}
    for guard in guarded:
        by_authority.setdefault(guard.authority, []).append(guard.column.name)
    columns = {guard.column.name: guard.column for guard in guarded}
    checks = "\n".join(
        _check(table, authority, [columns[column] for column in names], managed, emitter)
        for authority, names in by_authority.items()
    )
    body = f"""
begin
{bound_alone(naming)}
{checks}
    return null;
end;
"""
    body = sql.plpgsql(body)
    tag = dollar_tag(body)
    definition = (
        f"create or replace function {qualified(name)}()\n"
        "    returns trigger\n"
        "    language plpgsql\n"
        "    stable\n"
        # Not '': temporary types would then come first, and the types of defaults are written as format_type does.
        "    set search_path = pg_catalog, pg_temp\n"
        f"as {tag}{body}{tag}"
    )
    what = f"Refuses changes to columns of {table.name} that decide about people, except by those with authority."
    makers = partition_makers(table)
    function = DesiredFunction(name, "", naming.lookup, definition, makers, f"{what} [pgerase guard]")
    return function, _trigger(table, function, naming)


def _trigger(table: Table, function: DesiredFunction, naming: Naming) -> DesiredTrigger:
    name = naming.policy("guard")
    trigger = (
        f"create trigger {ident(name)}\n"
        f"    after insert or update or delete on {qualified(table.name)}\n"
        f"    for each row execute function {qualified(function.name)}()"
    )
    return DesiredTrigger(table.name, name, trigger, function.comment)


def _managed(managed: list[bound.BoundGroup], emitter: Emitter) -> str:
    """An expression: what is written are rows of groups whose members the viewer manages; empty where there are none."""
    sides: list[str] = []
    for row, absent in (("old", "INSERT"), ("new", "DELETE")):
        ways: list[str] = []
        for group in managed:
            held = emitter.conjuncts(group.member_where, Env(member=row), positive=True)
            asked = f"{ident(emitter.naming.api)}.has_authority({text_literal(managers(group)).strip()})"
            ways.append(" and ".join([*(text for text in held if text != "true"), asked]))
        sides.append(f"(tg_op = '{absent}' or {' or '.join(ways)})")
    return " and ".join(sides) if managed else ""


def _check(
    table: Table, authority: str, columns: list[Column], managed: list[bound.BoundGroup], emitter: Emitter
) -> str:
    """Refuse to write columns without the authority they stand under, or that over the members who are written."""
    naming = emitter.naming
    by_hand = _managed(managed, emitter)
    inserted = " or ".join(
        f"{sql.row_field('new', column.name)} is distinct from {harmless(column)}" for column in columns
    )
    updated = " or ".join(
        f"{sql.row_field('new', column.name)} is distinct from {sql.row_field('old', column.name)}"
        for column in columns
    )
    named = ", ".join(column.name for column in columns)
    message = text_literal(f"{table.name} decides about people: you may not write {named}").strip()
    return (
        "    if (\n"
        "            tg_op = 'DELETE'\n"
        f"            or tg_op = 'INSERT' and ({inserted})\n"
        f"            or tg_op = 'UPDATE' and ({updated})\n"
        "        )\n"
        f"        and not {ident(naming.api)}.has_authority({text_literal(authority).strip()})\n"
        + (f"        and not coalesce({by_hand}, false)\n" if by_hand else "")
        + "    then\n"
        "        raise exception using\n"
        "            errcode = 'insufficient_privilege',\n"
        f"            message = {message},\n"
        "            hint = 'Super admins may; others are named under authority: in access.yaml.',\n"
        "            schema = tg_table_schema,\n"
        "            table = tg_table_name;\n"
        "    end if;"
    )


def harmless(column: Column) -> str:
    """What a new row may hold without authority: the column's constant default, else null."""
    default = column.default
    if default is None or "(" in default or column.generated or "current" in default.lower():
        return f"null::{column.type}"
    return f"({default})"
