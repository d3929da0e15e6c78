"""Tables whose rows are had without their policies, and rights on tables that policies do not bind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pgerase.catalog.model import DefaultGrant, Name, Publication, Table
from pgerase.catalog.reach import with_leaves
from pgerase.check.door import Door
from pgerase.check.door_codes import Code
from pgerase.check.look import DATA_PRIVILEGES, Look, grantees
from pgerase.check.spelling import in_sql, roles_in_sql, spell, spell_all, table_in_sql
from pgerase.errors import Severity


@dataclass(frozen=True, slots=True)
class _Strong:
    """A privilege that no policy binds: how bad in a viewer's hands, in others', and why."""

    code: Code
    for_viewers: Severity
    for_others: Severity
    why: str


_STRONG_PRIVILEGES: Mapping[str, _Strong] = {
    "TRUNCATE": _Strong(
        Code.TRUNCATE, Severity.ERROR, Severity.WARNING, "TRUNCATE is bound by no policy and empties the table"
    ),
    "TRIGGER": _Strong(
        Code.TRIGGER,
        Severity.ERROR,
        Severity.WARNING,
        "a trigger it makes runs with the rights of whoever writes next, and sees every row that is written",
    ),
    "REFERENCES": _Strong(
        Code.REFERENCES,
        Severity.WARNING,
        Severity.NOTE,
        "a foreign key it makes tells which keys exist, visible or not",
    ),
}


def table_doors(look: Look) -> Iterator[Door]:
    """Doors that are tables, policies of others, grants, publications and subscriptions."""
    yield from _unprotected(look)
    yield from _ancestors(look)
    yield from _tables_to_come(look)
    yield from _policies(look)
    yield from _strong_grants(look)
    yield from _publications(look)
    yield from _subscriptions(look)


def _unprotected(look: Look) -> Iterator[Door]:
    for name in sorted(look.covered):
        table = look.catalog.tables[name]
        if table.rls_enabled and table.rls_forced:
            continue
        is_leaf = name not in look.roots
        if not table.has_row_security and not is_leaf:
            yield from _unsecured(look, table)
            continue
        direct = grantees(table)
        if table.kind == "f":
            # With no rights on it but the owner's it is read through its parent alone.
            if not direct:
                continue
            code, what = Code.FOREIGN_TABLE, "is a foreign table, which cannot have row security"
            fix = f"revoke all on {table_in_sql(name)} from {roles_in_sql(direct)};"
        elif table.rls_enabled:
            code = Code.LEAF if is_leaf else Code.NOT_FORCED
            what = f"has row security enabled but not forced: its owner {table.owner} reads past it"
            fix = f"alter table {table_in_sql(name)} force row level security;"
        else:
            code, what = Code.LEAF if is_leaf else Code.NO_ROW_SECURITY, "has no row security"
            fix = f"alter table {table_in_sql(name)} enable row level security, force row level security;"
        # Through the parent, the parent's policies hold; only who may name the leaf itself gets past them.
        harmless = is_leaf and not direct
        yield Door(
            code,
            "table",
            spell(name),
            Severity.WARNING if harmless else Severity.ERROR,
            f"{'leaf' if is_leaf else 'table'} {spell(name)} {what}"
            + (f"; {', '.join(direct)} may use it directly." if direct else "."),
            fix=fix,
            tables=(name,),
        )


def _unsecured(look: Look, table: Table) -> Iterator[Door]:
    """What has a secured view is shut once nobody but its owner, those who read it for others and services may use it."""
    closed = {table.owner, *look.own.private, *look.exempt.get(table.name, ())}
    direct = [role for role in grantees(table) if role not in closed]
    if direct:
        foreign = table.kind == "f"
        yield Door(
            Code.FOREIGN_TABLE if foreign else Code.MATERIALIZED_VIEW,
            "table",
            spell(table.name),
            Severity.ERROR if look.for_viewers(direct) else Severity.WARNING,
            f"{'foreign table' if foreign else 'materialized view'} {spell(table.name)} cannot have row security;"
            f" {', '.join(direct)} may use it past its secured view.",
            "`pgerase apply` does what it can",
            f"revoke all on {table_in_sql(table.name)} from {roles_in_sql(direct)};",
            (table.name,),
        )


def _ancestors(look: Look) -> Iterator[Door]:
    """Whoever reads a parent is bound by the parent's policies alone, and gets the child's rows."""
    for name in sorted(look.covered):
        frontier = [(parent, name) for parent in look.catalog.tables[name].parents]
        while frontier:
            parent_name, child = frontier.pop()
            parent = look.catalog.tables[parent_name]
            frontier += [(above, parent_name) for above in parent.parents]
            if parent.name in look.covered:
                continue
            yield Door(
                Code.UNGOVERNED_PARENT,
                "table",
                spell(parent.name),
                Severity.ERROR if look.for_viewers(grantees(parent)) else Severity.WARNING,
                f"table {spell(parent.name)} is not governed and is a parent of {spell(name)}: who reads it gets those rows by"
                " its policies, if it has any.",
                "Govern it, or take the child out of it",
                _detach(look.catalog.tables[child], parent),
                (name,),
            )


def _detach(child: Table, parent: Table) -> str:
    if child.is_partition:
        return f"alter table {table_in_sql(parent.name)} detach partition {table_in_sql(child.name)};"
    return f"alter table {table_in_sql(child.name)} no inherit {table_in_sql(parent.name)};"


def _tables_to_come(look: Look) -> Iterator[Door]:
    """Default privileges open each partition that is made after apply, until the next one."""
    held: defaultdict[tuple[str, str | None, str], set[DefaultGrant]] = defaultdict(set)
    for grant in look.catalog.default_grants:
        if grant.privilege in DATA_PRIVILEGES and grant.grantee in look.in_viewers_hands:
            held[grant.grantee, grant.schema, grant.creator].add(grant)
    for (grantee, schema, creator), grants in held.items():
        growing = tuple(
            name
            for name in look.roots
            if schema in (None, name.schema)
            and creator == look.catalog.tables[name].owner
            and look.catalog.tables[name].kind == "p"
        )
        if growing:
            privileges = ", ".join(sorted(grant.privilege for grant in grants))
            where = "" if schema is None else f" in schema {in_sql(schema)}"
            yield Door(
                Code.DEFAULT_PRIVILEGES,
                "grant",
                f"{grantee}/{creator}" if schema is None else f"{grantee}/{creator} in {schema}",
                Severity.WARNING,
                f"{grantee} gets {privileges} on every table that {creator} makes{where}: the next partition of"
                f" {spell_all(growing)} can be named directly, past all policies, until it is governed by the next apply.",
                fix=f"alter default privileges for role {in_sql(creator)}{where}"
                f" revoke {privileges.lower()} on tables from {roles_in_sql([grantee])};",
                tables=growing,
            )


def _policies(look: Look) -> Iterator[Door]:
    for name in sorted(look.covered):
        for policy in look.catalog.tables[name].policies:
            if policy.permissive and not look.own.made_policy(policy):
                yield Door(
                    Code.POLICY,
                    "policy",
                    spell(name, policy.name),
                    Severity.ERROR if look.for_viewers(policy.roles) else Severity.WARNING,
                    f"policy {policy.name} on {spell(name)} is not pgerase's and permissive: it lets {', '.join(policy.roles)}"
                    f" {policy.command} rows that the rules do not.",
                    "Adopt the table with `existing: replace` or `fence`, or drop it",
                    f"drop policy {in_sql(policy.name)} on {table_in_sql(name)};",
                    (name,),
                )


def _strong_grants(look: Look) -> Iterator[Door]:
    held: defaultdict[tuple[str, str], set[Name]] = defaultdict(set)
    for name in look.covered:
        table = look.catalog.tables[name]
        for grant in table.grants:
            if grant.privilege in _STRONG_PRIVILEGES and grant.grantee != table.owner:
                held[grant.privilege, grant.grantee].add(name)
    for (privilege, grantee), tables in held.items():
        role = look.catalog.roles.get(grantee)
        if role is not None and role.superuser:
            continue
        strong = _STRONG_PRIVILEGES[privilege]
        names = tuple(sorted(tables))
        yield Door(
            strong.code,
            "grant",
            f"{grantee}/{privilege}",
            strong.for_viewers if grantee in look.in_viewers_hands else strong.for_others,
            f"{grantee} has {privilege} on {spell_all(names)}: {strong.why}.",
            fix=f"revoke {privilege.lower()} on {table_in_sql(*names)} from {roles_in_sql([grantee])};",
            tables=names,
        )


# What is carried to other databases, and what comes from them.


def _publications(look: Look) -> Iterator[Door]:
    for publication in look.catalog.publications:
        tables = tuple(sorted(look.covered & set(publication.tables)))
        if tables:
            hint, fix = _take_out(look, publication, tables)
            yield Door(
                Code.PUBLICATION,
                "publication",
                publication.name,
                Severity.WARNING,
                f"publication {publication.name} sends every change of {spell_all(tables)} to its subscribers, whatever the rules.",
                hint,
                fix,
                tables,
            )


def _take_out(look: Look, publication: Publication, tables: tuple[Name, ...]) -> tuple[str, str]:
    """How a publication stops carrying tables: by what it was made with, which may be their parents or schemas."""
    name = in_sql(publication.name)
    if publication.all_tables:
        return "Make it anew with the tables that may go", f"drop publication {name};"
    carried = frozenset(tables)
    fixes = [
        f"alter publication {name} drop tables in schema {in_sql(schema)};"
        for schema in publication.schemas
        if any(one.schema == schema for one in look.covered)
    ]
    named = [table for table in publication.named if with_leaves(look.catalog, [table]) & carried]
    if named:
        fixes.append(f"alter publication {name} drop table {table_in_sql(*named)};")
    return "Unless the subscribers are governed as well", "\n".join(fixes)


def _subscriptions(look: Look) -> Iterator[Door]:
    for subscription in look.catalog.subscriptions:
        tables = tuple(sorted(look.covered & set(subscription.tables)))
        if tables:
            does = (
                "writes what its publisher sends, and no rule is asked"
                if look.is_unbound(subscription.owner)
                else "is refused at the first row, and stands still with all it carries: its owner is bound by row security"
            )
            name = in_sql(subscription.name)
            yield Door(
                Code.SUBSCRIPTION,
                "subscription",
                subscription.name,
                Severity.WARNING,
                f"subscription {subscription.name} of {subscription.owner} into {spell_all(tables)} {does}.",
                "Unless the publisher is governed as well (its slot there is dropped by hand)",
                f"alter subscription {name} disable;\nalter subscription {name} set (slot_name = none);\n"
                f"drop subscription {name};",
                tables,
            )
