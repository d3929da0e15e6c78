"""Ways around row security as the database stands now, each with a severity.

A door is open or shut in the snapshot given; what will change by enabling row security is `impact`. It never closes one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

from pgerase.catalog.model import Catalog, Grant, Name, Policy, Routine, Table, View
from pgerase.catalog.reach import Certainty, Reach, reaching_routines, with_leaves
from pgerase.catalog.roles import RoleGraph
from pgerase.check.door import Door
from pgerase.check.impersonation import impersonators
from pgerase.check.own import Own
from pgerase.check.spelling import routine_kind, spell, spell_all, spell_routine
from pgerase.errors import Severity

_Roles: TypeAlias = Callable[[str], frozenset[str]]

_READING = frozenset({"SELECT"})
_WRITING = frozenset({"INSERT", "UPDATE", "DELETE"})
_DATA_PRIVILEGES = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
_ACTIONS = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
_ADMIN_OPTION_NEEDED = 160000

_STRONG_PRIVILEGES: Mapping[str, tuple[Severity, Severity, str]] = {
    "TRUNCATE": (Severity.ERROR, Severity.WARNING, "TRUNCATE is bound by no policy and empties the table"),
    "TRIGGER": (
        Severity.ERROR,
        Severity.WARNING,
        "a trigger it makes runs with the rights of whoever writes next, and sees every row that is written",
    ),
    "REFERENCES": (
        Severity.WARNING,
        Severity.NOTE,
        "a foreign key it makes tells which keys exist, visible or not",
    ),
}
"""Privilege → severity for viewers, for others, and why."""

_STRONG_ROLES: Mapping[str, str] = {
    "pg_execute_server_program": "runs programs on the server as its operating-system user, who can do anything",
    "pg_read_server_files": "reads any file of the server, the database's own included",
    "pg_write_server_files": "writes any file of the server, and so can become superuser",
    "pg_read_all_data": "reads every table, view and schema: what is not governed, and the private lookup views with facts",
    "pg_write_all_data": "writes every table that is not governed, membership and settings tables perhaps",
    "pg_read_all_stats": "reads the statements of all sessions, with the values in them, and statistics of all columns",
}
"""Predefined role → what its members get around row security; pg_monitor is a member of pg_read_all_stats."""


def doors(
    catalog: Catalog,
    governed: Collection[Name],
    prefix: str,
    *,
    viewers: Collection[str] = (),
    by_login: bool = False,
    exempt: Mapping[Name, Collection[str]] = MappingProxyType({}),
) -> tuple[Door, ...]:
    """Every way around row security on the governed tables and their leaves, in order of kind and name.

    Viewers are the members of the viewer role in the snapshot, and `viewers` besides. `by_login`: people are their logins, so that
    nobody speaks for others. `exempt`: the roles that may read a foreign table or materialized view past its secured view. A door that two ways lead through is
    given once, at its worst. Names are roles, objects with their schema, `role/member` for memberships and `grantee/privilege` (or
    the schema's name in its place) for grants.
    """
    worst: dict[tuple[str, str], Door] = {}
    for door in _Search(catalog, governed, prefix, viewers, by_login=by_login, exempt=exempt).everything():
        known = worst.get((door.kind, door.name))
        if known is None or _RANK[door.severity] > _RANK[known.severity]:
            worst[door.kind, door.name] = door
    return tuple(worst[key] for key in sorted(worst))


_RANK = {Severity.NOTE: 0, Severity.WARNING: 1, Severity.ERROR: 2}


class _Search:
    """One look at one snapshot."""

    def __init__(
        self,
        catalog: Catalog,
        governed: Collection[Name],
        prefix: str,
        viewers: Collection[str],
        *,
        by_login: bool,
        exempt: Mapping[Name, Collection[str]],
    ) -> None:
        self.catalog = catalog
        self.named = frozenset(viewers)
        self.by_login = by_login
        self.exempt = exempt
        self.roots = tuple(sorted(name for name in set(governed) if name in catalog.tables))
        self.covered = with_leaves(catalog, governed)
        self.own = Own(prefix)
        self.graph = RoleGraph(catalog)
        members = {role for role in catalog.roles if self.own.viewer in self.graph.acts_as(role)}
        self.viewers = frozenset(members) | frozenset(viewers) | {self.own.viewer}
        # Whatever any viewer can act as is in a viewer's hands.
        self.in_viewers_hands = frozenset({"public"}).union(*(self.graph.acts_as(role) for role in self.viewers))
        self.owners = tuple(sorted({catalog.tables[name].owner for name in self.covered}))
        self.reached = reaching_routines(catalog, self.covered)

    def everything(self) -> Iterator[Door]:
        """All doors, some perhaps more than once."""
        yield from self._bypassing_roles()
        yield from self._owning_roles()
        yield from self._role_makers()
        yield from self._private_roles()
        yield from self._private_schemas()
        yield from self._predefined_roles()
        yield from impersonators(self.catalog, self.graph, self.own, self.covered, self.named, by_login=self.by_login)
        yield from self._tables()
        yield from self._ancestors()
        yield from self._policies()
        yield from self._views()
        yield from self._functions()
        yield from self._strong_grants()
        yield from self._publications()
        yield from self._oracles()

    def _for_viewers(self, roles: Collection[str]) -> bool:
        return bool(self.in_viewers_hands & set(roles))

    def _severity(self, role: str, otherwise: Severity = Severity.WARNING) -> Severity:
        """An error where a viewer can use it: then row security binds nobody."""
        return Severity.ERROR if role in self.in_viewers_hands else otherwise

    # Roles.

    def _bypassing_roles(self) -> Iterator[Door]:
        superusers = {role.name for role in self.catalog.roles.values() if role.superuser}
        bypassing = {role.name for role in self.catalog.roles.values() if role.bypassrls} - superusers
        for name in sorted(superusers):
            yield Door(
                "superuser",
                name,
                self._severity(name),
                f"superuser {name} is bound by no policy and can undo everything.",
                f"alter role {name} nosuperuser, or accept it: it has to be somebody",
            )
        for name in sorted(bypassing):
            yield Door(
                "bypassrls",
                name,
                self._severity(name),
                f"role {name} has BYPASSRLS: no policy binds it.",
                f"alter role {name} nobypassrls",
            )
        for role in self.catalog.roles.values():
            if role.superuser:
                continue
            become = self._could(role.name, self.graph.could_set, self.graph.can_set)
            for kind, targets in (("superuser", superusers), ("bypassrls", bypassing)):
                reach = sorted((become & targets) - {role.name})
                if reach:
                    yield Door(
                        kind,
                        role.name,
                        self._severity(role.name),
                        f"role {role.name} can SET ROLE to {', '.join(reach)}, which no policy binds.",
                        f"revoke {reach[0]} from {role.name}",
                    )

    def _could(self, role: str, could: _Roles, can: _Roles) -> frozenset[str]:
        """What a role could become. Role makers before 16 could become nearly anybody: they are doors of their own."""
        maker = self.catalog.server_version < _ADMIN_OPTION_NEEDED and any(
            self.catalog.roles[name].createrole for name in self.graph.can_set(role) if name in self.catalog.roles
        )
        return can(role) if maker else could(role)

    def _owning_roles(self) -> Iterator[Door]:
        for owner in self.owners:
            attributes = self.catalog.roles.get(owner)
            if attributes is not None and attributes.superuser:
                continue
            owned = tuple(sorted(name for name in self.covered if self.catalog.tables[name].owner == owner))
            yield Door(
                "owner",
                owner,
                self._severity(owner),
                f"role {owner} owns {spell_all(owned)}: it can drop policies, turn row security off and grant rights.",
                "let a role own them that no application logs in with",
                owned,
            )
        for schema in sorted({name.schema for name in self.covered}):
            owner = self.catalog.schemas[schema].owner
            if owner == "pg_database_owner":
                owner = self.catalog.owner
            attributes = self.catalog.roles.get(owner)
            if owner not in self.owners and attributes is not None and not attributes.superuser:
                yield Door(
                    "owner",
                    owner,
                    self._severity(owner),
                    f"role {owner} owns schema {schema}: it can drop its tables and put others in their place.",
                    f"alter schema {schema} owner to {self.owners[0]}",
                )
        for role in self.catalog.roles.values():
            if role.superuser or role.name in self.owners:
                continue
            become = self._could(role.name, self.graph.could_become, self.graph.acts_as)
            reach = sorted(become & set(self.owners))
            if reach:
                yield Door(
                    "owner",
                    role.name,
                    self._severity(role.name),
                    f"role {role.name} can act as {', '.join(reach)}, who owns governed tables and can undo everything.",
                    f"revoke {reach[0]} from {role.name}",
                )

    def _role_makers(self) -> Iterator[Door]:
        private = {self.own.viewer, *self.own.private}
        for role in self.catalog.roles.values():
            if not role.createrole or role.superuser:
                continue
            if self.catalog.server_version < _ADMIN_OPTION_NEEDED:
                severity, why = Severity.WARNING, "before PostgreSQL 16 it can grant itself every role but superusers"
            else:
                become = self.graph.could_become(role.name) - {role.name}
                reach = sorted(become & (private | set(self.owners)))
                severity = Severity.WARNING if reach else Severity.NOTE
                why = f"it can make itself a member of {', '.join(reach)}" if reach else "it can make more roles"
            yield Door(
                "createrole",
                role.name,
                self._severity(role.name, severity),
                f"role {role.name} has CREATEROLE: {why}.",
                f"alter role {role.name} nocreaterole once everything is installed, or accept it",
            )
        for role in self.catalog.roles.values():
            if role.replication and not role.superuser:
                yield Door(
                    "replication",
                    role.name,
                    self._severity(role.name),
                    f"role {role.name} has REPLICATION: it can copy the whole cluster and stream every change.",
                    f"alter role {role.name} noreplication, or accept it",
                )

    def _private_roles(self) -> Iterator[Door]:
        for membership in self.catalog.memberships:
            if membership.role in self.own.private and (membership.inherit or membership.set):
                how = " and ".join(
                    word
                    for word, is_on in (("inherits", membership.inherit), ("can SET ROLE to", membership.set))
                    if is_on
                )
                yield Door(
                    "member",
                    f"{membership.role}/{membership.member}",
                    Severity.ERROR,
                    f"role {membership.member} {how} {membership.role}, whose policies show it every row.",
                    f"revoke {membership.role} from {membership.member}",
                )
        for name in (self.own.viewer, *self.own.private):
            role = self.catalog.roles.get(name)
            if role is None:
                continue
            excess = [
                word
                for word, is_on in (
                    ("LOGIN", role.login),
                    ("SUPERUSER", role.superuser),
                    ("BYPASSRLS", role.bypassrls),
                    ("CREATEROLE", role.createrole),
                    ("REPLICATION", role.replication),
                )
                if is_on
            ]
            if excess:
                yield Door(
                    "role",
                    name,
                    Severity.ERROR,
                    f"role {name} was given {', '.join(excess)}; pgerase makes it with none of these.",
                    f"alter role {name} " + " ".join(f"no{word.lower()}" for word in excess),
                )

    def _private_schemas(self) -> Iterator[Door]:
        for schema_name in (self.own.internal_schema, self.own.lookup_schema, self.own.eraser_schema):
            schema = self.catalog.schemas.get(schema_name)
            if schema is None:
                continue
            for grant in schema.grants:
                if grant.grantee not in (schema.owner, *self.own.private):
                    yield Door(
                        "grant",
                        f"{grant.grantee}/{schema_name}",
                        Severity.ERROR,
                        f"{grant.grantee} has {grant.privilege} on schema {schema_name}: what lies there reads past every policy.",
                        f"revoke all on schema {schema_name} from {grant.grantee}",
                    )

    def _predefined_roles(self) -> Iterator[Door]:
        for role in self.catalog.roles.values():
            if role.superuser or role.name.startswith("pg_"):
                continue
            for strong in sorted(self.graph.acts_as(role.name) & _STRONG_ROLES.keys()):
                yield Door(
                    "member",
                    f"{strong}/{role.name}",
                    self._severity(role.name),
                    f"role {role.name} is a member of {strong}: it {_STRONG_ROLES[strong]}.",
                    f"revoke {strong} from {role.name}",
                )

    # Tables.

    def _tables(self) -> Iterator[Door]:
        for name in sorted(self.covered):
            table = self.catalog.tables[name]
            is_leaf = name not in self.roots
            if table.rls_enabled and table.rls_forced:
                continue
            if not table.has_row_security and not is_leaf:
                yield from self._unsecured(table)
                continue
            direct = sorted(
                {grant.grantee for grant in table.grants if grant.privilege in _DATA_PRIVILEGES} - {table.owner}
            )
            if table.kind == "f":
                what, hint = "is a foreign table, which cannot have row security", "revoke direct grants on it"
            elif table.rls_enabled:
                what, hint = (
                    f"has row security enabled but not forced: its owner {table.owner} reads past it",
                    f"alter table {spell(name)} force row level security",
                )
            else:
                what, hint = (
                    "has no row security",
                    f"alter table {spell(name)} enable row level security, force row level security",
                )
            # Through the parent, the parent's policies hold; only who may name the leaf itself gets past them.
            harmless = is_leaf and not direct
            yield Door(
                "table",
                spell(name),
                Severity.WARNING if harmless else Severity.ERROR,
                f"{'leaf' if is_leaf else 'table'} {spell(name)} {what}"
                + (f"; {', '.join(direct)} may use it directly." if direct else "."),
                hint,
                (name,),
            )

    def _unsecured(self, table: Table) -> Iterator[Door]:
        """What has a secured view is shut once nobody but its owner, those who read it for others and services may use it."""
        closed = {table.owner, *self.own.private, *self.exempt.get(table.name, ())}
        direct = sorted({grant.grantee for grant in table.grants if grant.privilege in _DATA_PRIVILEGES} - closed)
        if direct:
            what = "foreign table" if table.kind == "f" else "materialized view"
            yield Door(
                "table",
                spell(table.name),
                self._severity_of(direct),
                f"{what} {spell(table.name)} cannot have row security; {', '.join(direct)} may use it past its secured view.",
                f"revoke all on {spell(table.name)} from {', '.join(direct)}; `pgerase apply` does what it can",
                (table.name,),
            )

    def _severity_of(self, roles: Collection[str]) -> Severity:
        return Severity.ERROR if self._for_viewers(roles) else Severity.WARNING

    def _ancestors(self) -> Iterator[Door]:
        """Whoever reads a parent is bound by the parent's policies alone, and gets the child's rows."""
        for name in sorted(self.covered):
            frontier = list(self.catalog.tables[name].parents)
            while frontier:
                parent = self.catalog.tables[frontier.pop()]
                frontier += parent.parents
                if parent.name in self.covered:
                    continue
                users = sorted(
                    {grant.grantee for grant in parent.grants if grant.privilege in _DATA_PRIVILEGES} - {parent.owner}
                )
                yield Door(
                    "table",
                    spell(parent.name),
                    Severity.ERROR if self._for_viewers(users) else Severity.WARNING,
                    f"table {spell(parent.name)} is not governed and is a parent of {spell(name)}: who reads it gets those rows by"
                    " its policies, if it has any.",
                    "govern it, or detach the child",
                    (name,),
                )

    def _policies(self) -> Iterator[Door]:
        for name in sorted(self.covered):
            for policy in self.catalog.tables[name].policies:
                if policy.permissive and not self.own.made_policy(policy):
                    yield Door(
                        "policy",
                        spell(name, policy.name),
                        Severity.ERROR if self._for_viewers(policy.roles) else Severity.WARNING,
                        f"policy {policy.name} on {spell(name)} is not pgerase's and permissive: it lets {', '.join(policy.roles)}"
                        f" {policy.command} rows that the rules do not.",
                        f"drop policy {policy.name} on {spell(name)}, or adopt the table with existing: replace or fence",
                        (name,),
                    )

    # Objects that read for others.

    def _sees_all(self, role: str, tables: Collection[Name]) -> bool:
        """Whether a role reads every row of one of these tables as they stand now."""
        attributes = self.catalog.roles.get(role)
        if attributes is not None and (attributes.superuser or attributes.bypassrls):
            return True
        inherited = self.graph.inherited(role)
        return any(self._reads_past(inherited, self.catalog.tables[name]) for name in tables)

    def _reads_past(self, inherited: frozenset[str], table: Table) -> bool:
        if not table.has_row_security:
            may = {grant.grantee for grant in table.grants if grant.privilege == "SELECT"}
            return table.owner in inherited or bool(may & {*inherited, "public"})
        if not table.rls_enabled or (table.owner in inherited and not table.rls_forced):
            return True
        return any(_shows_all(policy, inherited) for policy in table.policies)

    def _views(self) -> Iterator[Door]:
        for view in self.catalog.views.values():
            read = (*view.reads, *view.through)
            tables = tuple(name for name in read if name in self.covered)
            if not tables or self.own.made_view(view) or view.name in self.covered:
                continue
            users = self._users(
                view.grants, view.owner, _READING | (_WRITING if view.kind == "v" else frozenset[str]())
            )
            if not users:
                continue
            opens = self._for_viewers(users)
            if view.kind == "m":
                fills = self._sees_all(view.owner, tables)
                yield Door(
                    "materialized_view",
                    spell(view.name),
                    Severity.ERROR if opens and fills else Severity.WARNING,
                    f"materialized view {spell(view.name)} holds rows of {spell_all(tables)}"
                    f"{'' if fills else ' from its last refresh'}, and shows them to {', '.join(users)} whatever the rules say.",
                    "revoke the grants, or write rules for it: its secured view asks them",
                    tables,
                )
                continue
            past = self._layers_reading_past(view)
            if past:
                yield Door(
                    "view",
                    spell(view.name),
                    Severity.ERROR if opens else Severity.WARNING,
                    f"view {spell(view.name)} reads {spell_all(tables)} as {', '.join(past)}, who sees every row, and shows them to"
                    f" {', '.join(users)}.",
                    f"alter view {spell(view.name)} set (security_invoker = true)",
                    tables,
                )

    def _layers_reading_past(self, view: View) -> list[str]:
        """Owners in this view or below it who read a covered table in full; a materialized view below shows what it holds."""
        past: set[str] = set()
        for name in (view.name, *view.through):
            layer = self.catalog.views[name]
            if self.own.made_view(layer) or name in self.covered:
                continue
            direct = self.covered & set(layer.direct)
            if layer.kind == "m" or (direct and not layer.security_invoker and self._sees_all(layer.owner, direct)):
                past.add(layer.owner)
        return sorted(past)

    def _users(self, grants: tuple[Grant, ...], owner: str, privileges: frozenset[str]) -> tuple[str, ...]:
        """Who else than the owner may use it, without those that no policy binds anyhow."""
        found = {grant.grantee for grant in grants if grant.privilege in privileges} - {owner}
        roles = self.catalog.roles
        return tuple(
            sorted(name for name in found if name not in roles or not (roles[name].superuser or roles[name].bypassrls))
        )

    def _functions(self) -> Iterator[Door]:
        for routine in self.catalog.routines:
            if self.own.made_routine(routine):
                continue
            users = self._users(routine.grants, routine.owner, frozenset({"EXECUTE"}))
            if routine.leakproof and routine.extension is None:
                yield Door(
                    routine_kind(routine),
                    spell_routine(routine),
                    Severity.WARNING,
                    f"{spell_routine(routine)} is marked LEAKPROOF, which nobody checks: in a condition it is given rows before the"
                    " policies have removed them.",
                    f"alter routine {spell(routine.name)} not leakproof",
                )
            reach = self.reached.get(routine.oid)
            # A trigger function cannot be called; what fires it is a matter of the table it stands on.
            if reach is None or not routine.security_definer or routine.is_trigger or not users:
                continue
            if self._sees_all(routine.owner, reach.tables or self.covered):
                yield self._function(routine, reach, users)

    def _function(self, routine: Routine, reach: Reach, users: tuple[str, ...]) -> Door:
        sure = reach.certainty is not Certainty.POSSIBLE
        return Door(
            routine_kind(routine),
            spell_routine(routine),
            Severity.ERROR if sure and self._for_viewers(users) else Severity.WARNING,
            f"{spell_routine(routine)} is a security definer that {reach.via}, runs as {routine.owner}, who sees every row, and may"
            f" be called by {', '.join(users)}.",
            f"revoke execute on function {spell(routine.name)} from {users[0]}, or give it an owner whom the rules bind",
            reach.tables,
        )

    def _strong_grants(self) -> Iterator[Door]:
        held: defaultdict[tuple[str, str], set[Name]] = defaultdict(set)
        for name in self.covered:
            table = self.catalog.tables[name]
            for grant in table.grants:
                if grant.privilege in _STRONG_PRIVILEGES and grant.grantee != table.owner:
                    held[grant.privilege, grant.grantee].add(name)
        for (privilege, grantee), tables in held.items():
            role = self.catalog.roles.get(grantee)
            if role is not None and role.superuser:
                continue
            for_viewers, for_others, why = _STRONG_PRIVILEGES[privilege]
            names = tuple(sorted(tables))
            yield Door(
                "grant",
                f"{grantee}/{privilege}",
                for_viewers if grantee in self.in_viewers_hands else for_others,
                f"{grantee} has {privilege} on {spell_all(names)}: {why}.",
                f"revoke {privilege.lower()} on {spell(names[0])} from {grantee}",
                names,
            )

    def _publications(self) -> Iterator[Door]:
        for publication in self.catalog.publications:
            tables = tuple(sorted(self.covered & set(publication.tables)))
            if tables:
                yield Door(
                    "publication",
                    publication.name,
                    Severity.WARNING,
                    f"publication {publication.name} sends every change of {spell_all(tables)} to its subscribers, whatever the rules.",
                    "accept it if the subscribers are governed as well",
                    tables,
                )

    # What is told without being shown.

    def _oracles(self) -> Iterator[Door]:
        for name in sorted(self.covered):
            table = self.catalog.tables[name]
            writers = {grant.grantee for grant in table.grants if grant.privilege in _WRITING} - {table.owner}
            if name in self.roots and self._for_viewers(writers):
                unique = sorted(index.name for index in table.indexes if index.unique)
                if unique:
                    yield Door(
                        "unique_oracle",
                        spell(name),
                        Severity.NOTE,
                        f"writing a value that a hidden row of {spell(name)} has fails on {', '.join(unique)}: it tells that the"
                        " value exists.",
                        "let keys be surrogates, and unique keys contain the tenant",
                        (name,),
                    )
            for key in table.foreign_keys if name in self.roots else ():
                if key.target in self.covered and self._for_viewers(writers):
                    yield Door(
                        "foreign_key_oracle",
                        spell(name, key.name),
                        Severity.NOTE,
                        f"writing a key into {spell(name)} succeeds if a row of {spell(key.target)} has it, visible or not.",
                        "let the rules of the child ask for the parent ({can: read} on the lookup)",
                        (name,),
                    )
                acts = [
                    f"ON {event} {_ACTIONS[code]}"
                    for event, code in (("DELETE", key.on_delete), ("UPDATE", key.on_update))
                    if code in _ACTIONS
                ]
                if acts:
                    yield Door(
                        "foreign_key",
                        spell(name, key.name),
                        Severity.NOTE,
                        f"{' and '.join(acts)} changes rows of {spell(name)} outside every policy.",
                        "",
                        (name,),
                    )


def _shows_all(policy: Policy, inherited: frozenset[str]) -> bool:
    """Whether a policy shows its roles every row; restrictive ones beside it are not counted on."""
    return (
        policy.permissive
        and policy.command in ("ALL", "SELECT")
        and policy.using == "true"
        and bool(inherited.intersection(policy.roles) or "public" in policy.roles)
    )
