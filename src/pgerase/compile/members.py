"""Members of groups added and removed by hand, through functions: for those whom `managed_by` names, and super admins (P8).

As with handing over, the functions have the caller's rights and write views that nobody can name, so that logins need no privilege
on the table of members. Who may is asked by the function, and by the guard on that table once more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection

from pgerase.catalog.model import Name
from pgerase.compile import bound, sql
from pgerase.compile.bound import ManagedMembers
from pgerase.compile.desired import DesiredFunction, DesiredGrant, DesiredObject, DesiredPolicy, DesiredView
from pgerase.compile.emit import Emitter, Env
from pgerase.compile.guards import managers
from pgerase.compile.naming import Naming
from pgerase.compile.sql import dollar_tag, ident, qualified, text_literal
from pgerase.compile.views import ViewBuilder, texts
from pgerase.errors import Finding, Severity


def read_members(rules: bound.BoundRules, emitter: Emitter) -> None:
    """Note what the functions read, so that blind views have it, also of groups that no rule names."""
    if rules.people is None:
        return
    for group in rules.groups:
        if group.managed is not None:
            emitter.facts.person(rules.people.key.name)
            _fits(group, emitter)
            columns = {group.managed.value.name, *(name for name, _ in group.managed.fixed)}
            emitter.facts.read(group.managed.table.name, columns, decides_people=True)


def member_objects(
    rules: bound.BoundRules, governed: Collection[Name], views: ViewBuilder
) -> tuple[tuple[DesiredObject, ...], tuple[Finding, ...]]:
    """Functions, views, grants and policies for every group whose members are managed by hand."""
    chosen = [(group, group.managed) for group in rules.groups if group.managed is not None]
    if not chosen or rules.people is None:
        return (), ()
    naming = views.naming
    names = Counter(name for group, _ in chosen for name in (naming.add_to(group.name), naming.remove_from(group.name)))
    findings = tuple(
        Finding("managed-group", Severity.ERROR, group.name, f"two functions would be called {name}", "Rename the group.", managed.at)
        for group, managed in chosen
        for name in (naming.add_to(group.name), naming.remove_from(group.name))
        if names[name] > 1
    )  # fmt: skip
    objects: list[DesiredObject] = [_assertion(naming)]
    tables: dict[Name, list[bound.BoundGroup]] = defaultdict(list)
    for group, managed in chosen:
        tables[managed.table.name].append(group)
        columns = ", ".join(ident(name) for name in (managed.value.name, *(name for name, _ in managed.fixed)))
        privileges = (f"insert ({columns})", "delete")
        held = _where(managed, "m")
        query = sql.select(columns, [f"{qualified(managed.table.name)} m"], held)
        view = DesiredView(
            naming.view("members", group.name), naming.lookup, query, (naming.viewer,),
            f"Members of {group.name} by hand. [pgerase group]", privileges,
        )  # fmt: skip
        target = qualified(managed.table.name)
        objects += [DesiredGrant("table", target, privilege, naming.lookup) for privilege in privileges]
        objects += [
            view,
            _add(group, managed, view, rules.people, views),
            _remove(group, managed, view, rules.people, views),
        ]
    for table, groups in sorted(tables.items()):
        objects += _policies(table, groups, naming) if table in governed else []
    return tuple(objects), findings


def _where(managed: ManagedMembers, alias: str) -> list[str]:
    """Conditions under which a row is that of a member."""
    return [f"{alias}.{ident(column)} = {value}" for column, value in managed.fixed]


def _policies(table: Name, groups: list[bound.BoundGroup], naming: Naming) -> list[DesiredPolicy]:
    """Where the table of members is governed: what the views' owner may add and remove for whoever calls."""
    ways: list[str] = []
    for group in groups:
        assert group.managed is not None
        asked = f"(select {ident(naming.api)}.has_authority({text_literal(managers(group)).strip()}))"
        ways.append(" and ".join([asked, *_where(group.managed, ident(table.name))]))
    held = "\nor ".join(ways)
    sql.assert_expression(held)
    mark = f"[pgerase groups={', '.join(group.name for group in groups)}]"
    made: list[DesiredPolicy] = []
    for command, using, check in (("INSERT", None, held), ("DELETE", held, None)):
        opened = (None if using is None else "true", None if check is None else "true")
        name = f"members_{command.lower()}"
        why = f"Lets members by hand come and go, within what the next policy allows. {mark}"
        within = f"Members by hand come and go by those who manage them. {mark}"
        made += [
            DesiredPolicy(table, naming.policy(name), command, True, (naming.lookup,), *opened, why),
            DesiredPolicy(table, naming.policy(name, "within"), command, False, (naming.lookup,), using, check, within),
        ]
    return made


def _add(
    group: bound.BoundGroup, managed: ManagedMembers, view: DesiredView, people: bound.BoundPeople, views: ViewBuilder
) -> DesiredFunction:
    """Make a person who is known and not erased a member, unless he is on the list already."""
    env = Env(person="p", taken=frozenset({"p", "m"}))
    value = ident(managed.value.name)
    listed = sql.exists(sql.select("", [f"{qualified(view.name)} m"], [f"m.{value} = $1"]))
    key = f"p.{ident(people.key.name)}"
    chosen = sql.select(
        ", ".join([key, *(text for _, text in managed.fixed)]),
        [f"{views.person} p"],
        [f"{key} = $1", *texts(views.not_erased(people, env)), f"not {listed}"],
    )
    columns = ", ".join([value, *(ident(column) for column, _ in managed.fixed)])
    statement = f"insert into {qualified(view.name)} ({columns})\n{chosen}\non conflict do nothing\nreturning true"
    comment = f"Makes somebody a member of {group.name} by hand; whether anything changed. [pgerase group]"
    return _function(views.naming.add_to(group.name), group, people, [], statement, comment, views.naming)


def _remove(
    group: bound.BoundGroup, managed: ManagedMembers, view: DesiredView, people: bound.BoundPeople, views: ViewBuilder
) -> DesiredFunction:
    """Take a person off the list; one who fits the criteria would stay a member, so that is refused."""
    key = f"p.{ident(people.key.name)}"
    fits = _fits(group, views.emitter)
    found = sql.exists(sql.select("", [f"{views.person} p"], [f"{key} = $1", *fits])) if fits else "false"
    fitting = [
        f"select {qualified(_assertion_name(views.naming))}(\n    {_literal(group.name)}, true, {sql.indent(found)}\n)"
    ]
    value = ident(managed.value.name)
    statement = f"delete from {qualified(view.name)} m\nwhere m.{value} = $1\nreturning true"
    comment = f"Takes somebody off the list of {group.name}; whether anything changed. [pgerase group]"
    name = views.naming.remove_from(group.name)
    return _function(name, group, people, fitting, statement, comment, views.naming)


def _fits(group: bound.BoundGroup, emitter: Emitter) -> list[str]:
    """Conditions on the person p under which he fits the criteria; none for a group without."""
    if group.criteria is None:
        return []
    env = Env(person="p", taken=frozenset({"p", "m"}))
    return emitter.conjuncts(group.criteria, env, positive=True) or ["true"]


def _function(
    name: Name,
    group: bound.BoundGroup,
    people: bound.BoundPeople,
    checks: list[str],
    statement: str,
    comment: str,
    naming: Naming,
) -> DesiredFunction:
    """A function of one person's key. Its body is bound when it is made: who calls it could not name the view."""
    asked = f"{ident(naming.api)}.has_authority({_literal(managers(group))})"
    may = f"select {qualified(_assertion_name(naming))}({_literal(group.name)}, {asked}, false)"
    first = "".join(f"    {sql.indent(check)};\n" for check in (may, *checks))
    definition = (
        f"create or replace function {qualified(name)}({ident(f'p_{people.key.name}')} {people.key.type})\n"
        "    returns boolean\n"
        "    language sql\n"
        "    volatile\n"
        "    security invoker\n"
        f"begin atomic\n{first}"
        f"    with changed as (\n        {sql.indent(statement, 8)}\n    )\n"
        "    select exists (select from changed);\n"
        "end"
    )
    return DesiredFunction(name, people.key.type, naming.lookup, definition, (naming.viewer,), comment)


def _literal(text: str) -> str:
    return text_literal(text).strip()


def _assertion_name(naming: Naming) -> Name:
    return Name(naming.api, "assert_managed")


def _assertion(naming: Naming) -> DesiredFunction:
    """Says no to those who do not manage a group, and to removing whoever fits its criteria."""
    name = _assertion_name(naming)
    body = """
begin
    if p_allowed is not true then
        raise exception using
            errcode = 'insufficient_privilege',
            message = pg_catalog.format('you do not manage the members of %s', p_group),
            hint = 'Super admins do, and whom managed_by names in access.yaml.';
    elsif p_fits is true then
        raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = pg_catalog.format('one who fits the criteria of %s cannot be removed by hand', p_group),
            hint = 'Change what the criteria ask about, or the criteria.';
    end if;
end;
"""
    tag = dollar_tag(body)
    definition = (
        f"create or replace function {qualified(name)}(p_group text, p_allowed boolean, p_fits boolean)\n"
        "    returns void\n"
        "    language plpgsql\n"
        "    volatile\n"
        "    set search_path = pg_catalog, pg_temp\n"
        f"as {tag}{body}{tag}"
    )
    comment = "Refuses what may not be done to a group's members by hand. [pgerase group]"
    return DesiredFunction(name, "text, boolean, boolean", naming.lookup, definition, (naming.viewer,), comment)
