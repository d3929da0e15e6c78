"""Handing a row over to somebody out of one's reach: what no policy lets through, since a row has to stay readable (field notes).

A function of the viewer's own rights updates a view that people cannot name. A view's table is read and written as the view's
owner, the lookup role, under policies of that role's own: they hold the viewer's right to update the old row, and what is required
of the new one. Everything else stays as in any update: triggers run as whoever calls, guards judge him, and nobody borrows rights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pgerase.catalog.model import Name
from pgerase.compile import bound, sql
from pgerase.compile.decisions import DecisionEmitter
from pgerase.compile.desired import DesiredFunction, DesiredGrant, DesiredObject, DesiredPolicy, DesiredView
from pgerase.compile.emit import Env, row_env
from pgerase.compile.naming import Naming
from pgerase.compile.sql import dollar_tag, formula_text, ident, qualified, regclass, text_literal
from pgerase.compile.views import ViewBuilder, texts
from pgerase.errors import Finding, Severity
from pgerase.rules.conditions import Action


def hand_over_objects(
    rules: bound.BoundRules, resources: Iterable[bound.BoundResource], decisions: DecisionEmitter, views: ViewBuilder
) -> tuple[tuple[DesiredObject, ...], tuple[Finding, ...]]:
    """Views, functions, policies and grants for every column that is handed over, and what cannot be named apart.

    Emits conditions, so it has to come before the blind views are made for good.
    """
    naming = decisions.naming
    chosen = [resource for resource in resources if resource.hand_over]
    if not chosen or rules.people is None:
        return (), ()
    names = Counter(naming.hand_over(one.name, handed.column.name) for one in chosen for handed in one.hand_over)
    findings = [
        Finding("hand-over", Severity.ERROR, resource.name, f"two functions would be called {name}", "Rename the resource.", handed.at)
        for resource in chosen
        for handed in resource.hand_over
        if names[name := naming.hand_over(resource.name, handed.column.name)] > 1
    ]  # fmt: skip
    env = Env(person="p", taken=frozenset({"p", "t"}))
    in_force = texts(views.in_force(rules.people, env))
    objects: list[DesiredObject] = [_assertion(naming)]
    for resource in chosen:
        view = _view(resource, naming)
        objects += [view, *_policies(resource, decisions)]
        for handed in resource.hand_over:
            privilege = f"update ({ident(handed.column.name)})"
            objects.append(DesiredGrant("table", qualified(resource.table.name), privilege, naming.lookup))
            objects.append(_function(resource, handed, view, rules.people, in_force, views))
    return tuple(objects), tuple(findings)


def _view(resource: bound.BoundResource, naming: Naming) -> DesiredView:
    """The table's keys and what is handed over, updatable by whoever may call the functions."""
    handed = [one.column.name for one in resource.hand_over]
    keys = [column.name for column in resource.hand_over[0].keys]
    listed = ", ".join(f"t.{ident(name)}" for name in (*keys, *handed))
    query = sql.select(listed, [f"{qualified(resource.table.name)} t"], [])
    comment = f"Rows of {resource.name} to be handed over. [pgerase hand_over]"
    writes = f"update ({', '.join(map(ident, handed))})"
    name = naming.view("hand_over", resource.name)
    return DesiredView(name, naming.lookup, query, (naming.viewer,), comment, (writes,))


def _policies(resource: bound.BoundResource, decisions: DecisionEmitter) -> tuple[DesiredPolicy, DesiredPolicy]:
    """What binds the view's owner: the right to update the old row, and requirements, not grants, on the new one.

    The decision is restrictive, so that a policy of others that is for everybody does not add to it.
    """
    table, naming = resource.table.name, decisions.naming
    old, new = row_env(table.name, as_set=True), row_env(table.name, as_set=False)
    using = formula_text(decisions.whole(resource, Action.UPDATE, old))
    required = [decisions.requirement(resource, one, new) for one in decisions.required(resource, Action.UPDATE)]
    check = formula_text(sql.conjunction(required))
    for text in (using, check):
        sql.assert_expression(text)
    mark = f"[pgerase resource={resource.name}]"
    columns = ", ".join(f"{one.column.name} ({one.at})" for one in resource.hand_over)
    return (
        DesiredPolicy(
            table, naming.policy("hand_over"), "UPDATE", True, (naming.lookup,), "true", "true",
            f"Lets rows of {resource.name} be handed over, within what the next policy allows. {mark}",
        ),
        DesiredPolicy(
            table, naming.policy("hand_over", "within"), "UPDATE", False, (naming.lookup,), using, check,
            f"Who may hand over rows of {resource.name}, by {columns}: whoever may update them. {mark}",
        ),
    )  # fmt: skip


def _function(
    resource: bound.BoundResource,
    handed: bound.BoundHandOver,
    view: DesiredView,
    people: bound.BoundPeople,
    in_force: list[str],
    views: ViewBuilder,
) -> DesiredFunction:
    """The function of one column. Its body is bound when it is made: who calls it could not name the view."""
    naming = views.naming
    column, table = handed.column, resource.table.name
    parameters = [*handed.keys, column]
    to = f"${len(parameters)}"
    key = views.facts.person(people.key.name)
    active = sql.exists(sql.select("", [f"{views.person} p"], [f"p.{key} = {to}", *in_force]))
    relation = regclass(table)
    conditions = [
        *(f"t.{ident(one.name)} = ${number}" for number, one in enumerate(handed.keys, start=1)),
        active,
        # The login may write the column as well, as for any other update.
        f"pg_catalog.has_column_privilege({relation}, {text_literal(column.name).strip()}, 'update')",
    ]
    where = "\n    and ".join(sql.indent(one) for one in conditions)
    update = f"update {qualified(view.name)} t\nset {ident(column.name)} = {to}\nwhere {where}\nreturning true"
    declared = ", ".join(f"{ident(f'p_{one.name}')} {one.type}" for one in parameters)
    name = naming.hand_over(resource.name, column.name)
    definition = (
        f"create or replace function {qualified(name)}({declared})\n"
        "    returns void\n"
        "    language sql\n"
        "    volatile\n"
        "    security invoker\n"
        "begin atomic\n"
        f"    with handed_over as (\n        {sql.indent(update, 8)}\n    )\n"
        f"    select {qualified(_assertion_name(naming))}(\n"
        f"        {text_literal(resource.name).strip()}, exists (select from handed_over)\n    );\n"
        "end"
    )
    comment = f"Hands a row of {resource.name} over: {column.name} becomes somebody else's key. [pgerase hand_over]"
    arguments = ", ".join(one.type for one in parameters)
    return DesiredFunction(name, arguments, naming.lookup, definition, (naming.viewer,), comment)


def _assertion_name(naming: Naming) -> Name:
    return Name(naming.api, "assert_handed_over")


def _assertion(naming: Naming) -> DesiredFunction:
    """The function that says no where nothing was handed over: it does not tell whether the row or the person was wrong."""
    name = _assertion_name(naming)
    body = """
begin
    if p_done is not true then
        raise exception using
            errcode = 'insufficient_privilege',
            message = pg_catalog.format('%s: nothing was handed over', p_resource),
            hint = 'It takes the right to update the row, and an active person to hand it to.';
    end if;
end;
"""
    tag = dollar_tag(body)
    definition = (
        f"create or replace function {qualified(name)}(p_resource text, p_done boolean)\n"
        "    returns void\n"
        "    language plpgsql\n"
        "    volatile\n"
        "    set search_path = pg_catalog, pg_temp\n"
        f"as {tag}{body}{tag}"
    )
    comment = "Refuses where nothing was handed over. [pgerase hand_over]"
    return DesiredFunction(name, "text, boolean", naming.lookup, definition, (naming.viewer,), comment)
