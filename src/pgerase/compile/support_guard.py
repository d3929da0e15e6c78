"""The guard on the setting by which people allow support access: nobody changes it but the person himself, super admins included."""

from __future__ import annotations

from pgerase.catalog.model import Column, Name, Table
from pgerase.compile import sql
from pgerase.compile.bind_support import BoundSupport
from pgerase.compile.bound import BoundPeople
from pgerase.compile.desired import DesiredFunction, DesiredObject, DesiredTrigger, partition_makers
from pgerase.compile.guards import bound_alone, harmless
from pgerase.compile.naming import Naming
from pgerase.compile.sql import dollar_tag, fit_name, ident, qualified, text_literal

_MARK = "[pgerase guard]"


def switch_guard(support: BoundSupport | None, people: BoundPeople | None, naming: Naming) -> tuple[DesiredObject, ...]:
    """What asks whether it is oneself, and the guard with its trigger; nothing where there is no switch."""
    if support is None or support.switch is None or people is None:
        return ()
    name, switch = support.switch
    subject = next(one for one in support.subjects if one.name == name)
    column = subject.table.column(switch)
    assert column is not None
    # Who is no viewer cannot be told to be the person, so nobody whom the rules bind is.
    key = people.key.name if subject.table.name == people.table.name else None
    function = _guard(subject.table, column, key, str(support.terms.at), naming)
    name = naming.policy("guard", "support")
    trigger = (
        f"create trigger {ident(name)}\n"
        f"    after insert or update on {qualified(subject.table.name)}\n"
        f"    for each row execute function {qualified(function.name)}()"
    )
    return (
        *([] if key is None else [_oneself(people, naming)]),
        function,
        DesiredTrigger(subject.table.name, name, trigger, function.comment),
    )


def _oneself(people: BoundPeople, naming: Naming) -> DesiredFunction:
    """With the caller's rights, over the blind view of the viewer, which is bound when the function is made."""
    name = Name(naming.api, "is_oneself")
    found = sql.exists(
        sql.select("", [f"{qualified(naming.view('me'))}() p"], [f"p.{ident(people.key.name)}::text = p_key"])
    )
    definition = (
        f"create or replace function {qualified(name)}(p_key text)\n"
        "    returns boolean\n"
        "    language sql\n"
        "    stable\n"
        "    parallel safe\n"
        f"return {found}"
    )
    return DesiredFunction(
        name,
        "text",
        naming.lookup,
        definition,
        (naming.viewer,),
        f"Whether the viewer is the person with this key. {_MARK}",
    )


def _guard(table: Table, switch: Column, key: str | None, at: str, naming: Naming) -> DesiredFunction:
    name = Name(naming.api, fit_name(f"guard_support_{table.name.schema}_{table.name.name}"))
    mine, before = sql.row_field("new", switch.name), sql.row_field("old", switch.name)
    changed = (
        f"        tg_op = 'INSERT' and {mine} is distinct from {harmless(switch)}\n"
        f"        or tg_op = 'UPDATE' and {mine} is distinct from {before}\n"
    )
    oneself = "false"
    if key is not None:
        # The row's own key as it was: nobody becomes the person by the same statement.
        rows = f"case tg_op when 'INSERT' then {sql.row_field('new', key)} else {sql.row_field('old', key)} end"
        oneself = f"{ident(naming.api)}.is_oneself(({rows})::text)"
    message = text_literal(f"{table.name}.{switch.name} is the person's own to change").strip()
    body = sql.plpgsql(f"""
begin
{bound_alone(naming)}
    if (
{changed}    )
        and not {oneself}
    then
        raise exception using
            errcode = 'insufficient_privilege',
            message = {message},
            hint = 'It says whether support may look at the person''s data: support.switch in audit.yaml.',
            schema = tg_table_schema,
            table = tg_table_name;
    end if;
    return null;
end;
""")
    tag = dollar_tag(body)
    definition = (
        f"create or replace function {qualified(name)}()\n"
        "    returns trigger\n"
        "    language plpgsql\n"
        "    stable\n"
        "    set search_path = pg_catalog, pg_temp\n"
        f"as {tag}{body}{tag}"
    )
    comment = f"Lets nobody but the person change {table.name}.{switch.name} ({at}). {_MARK}"
    return DesiredFunction(name, "", naming.lookup, definition, partition_makers(table), comment)
