"""What will answer differently once row security is enabled and forced: found in the snapshot, matched with acknowledgements.

It never changes anything, and it speaks about the future: whether row security is on already makes no difference, so that an
acknowledgement stays good after `apply`. Objects that go on showing everything are doors, not impacts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import cast

from pgerase.catalog.model import Catalog, ForeignKey, Name, Routine, Table, View
from pgerase.catalog.reach import Certainty, Mentions, Reach, reaching_routines, with_leaves
from pgerase.catalog.roles import RoleGraph
from pgerase.check.own import Own, other_installations
from pgerase.check.spelling import nearest, routine_kind, spell, spell_all, spell_routine, yaml_text
from pgerase.errors import Finding, Severity
from pgerase.rules.pack import Acknowledgement, PackSettings

_DATA_PRIVILEGES = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
_ACTIONS = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
_SCHEDULERS = {Name("cron", "job"): "pg_cron", Name("pgagent", "pga_job"): "pgAgent"}
_READ_ALL = ("pg_read_all_data", "pg_write_all_data")
_MAINTAIN_SINCE = 170000
_APPLIES_AS_TABLE_OWNER_SINCE = 160000


@dataclass(frozen=True, slots=True, order=True)
class Impact:
    """One object that will answer differently. `tables` are governed tables or leaves; empty where it may be any.

    `acknowledged_by` is the key of pack.yaml's `acknowledge` that goes with it. An ERROR has to be acknowledged, a WARNING
    should be; a NOTE is shown only: it does as the rules intend, or happens with every pack.
    """

    kind: str
    name: str
    tables: tuple[Name, ...]
    effect: str
    acknowledged_by: str
    severity: Severity = Severity.ERROR


class _Sight(Enum):
    """What a role will read of some tables."""

    ALL = "all"
    RULES = "rules"
    NOTHING = "nothing"


def impact(
    catalog: Catalog,
    governed: Collection[Name],
    viewers: Collection[str],
    exempt: Collection[str] | Mapping[str, Collection[Name] | None],
    migrator: str | None,
    *,
    prefix: str = "pgerase",
) -> tuple[Impact, ...]:
    """Every object that will answer differently once these tables and their leaves are forced, in order of kind and name.

    `viewers` are the roles that will be members of the viewer role, `exempt` services with read access; a mapping of these
    may give the tables (None: all). `migrator` is the role whose row_security is turned off, None where no role's is. What pgerase made itself under `prefix` is left out.
    """
    found = _Search(catalog, governed, viewers=viewers, exempt=exempt, migrator=migrator, prefix=prefix)
    unique: dict[tuple[str, str], Impact] = {}
    for item in found.everything():
        unique.setdefault((item.kind, item.name), item)
    return tuple(sorted(unique.values(), key=lambda item: (item.kind, item.name)))


class _Search:
    """One look at one snapshot."""

    def __init__(
        self,
        catalog: Catalog,
        governed: Collection[Name],
        *,
        viewers: Collection[str],
        exempt: Collection[str] | Mapping[str, Collection[Name] | None],
        migrator: str | None,
        prefix: str,
    ) -> None:
        self.catalog = catalog
        self.covered = with_leaves(catalog, governed)
        self.own = Own(prefix)
        self.others = other_installations(catalog, prefix)
        self.viewers = frozenset(viewers) | {self.own.viewer}
        self.exempt = self._exemptions(exempt)
        self.migrator = migrator
        self.graph = RoleGraph(catalog)
        self.reached = reaching_routines(catalog, self.covered)
        self.mentions = Mentions(catalog, self.covered)
        self.routines = {routine.oid: routine for routine in catalog.routines}

    def everything(self) -> Iterator[Impact]:
        """All impacts; where an object is found twice, what comes first counts."""
        if not self.covered:
            return
        yield from self._views()
        yield from self._functions()
        yield from self._triggers()
        yield from self._policies()
        yield from self._rules()
        yield from self._foreign_keys()
        yield from self._replication()
        yield from self._owners()
        yield from self._roles()
        yield from self._jobs()

    def _exemptions(
        self, exempt: Collection[str] | Mapping[str, Collection[Name] | None]
    ) -> Mapping[str, frozenset[Name] | None]:
        if not isinstance(exempt, Mapping):
            return dict.fromkeys(exempt)
        given = cast("Mapping[str, Collection[Name] | None]", exempt)
        return {role: None if tables is None else with_leaves(self.catalog, tables) for role, tables in given.items()}

    def sight(self, role: str, tables: Iterable[Name]) -> _Sight:
        """What `role` will read of all these tables together; no tables stand for all governed ones."""
        attributes = self.catalog.roles.get(role)
        if attributes is not None and (attributes.superuser or attributes.bypassrls):
            return _Sight.ALL
        inherited = self.graph.inherited(role)
        tables = frozenset(tables) or self.covered
        for service in inherited & self.exempt.keys():
            open_to = self.exempt[service]
            tables = frozenset() if open_to is None else tables - open_to
        if not tables:
            return _Sight.ALL
        return _Sight.RULES if inherited & self.viewers else _Sight.NOTHING

    # Views.

    def _views(self) -> Iterator[Impact]:
        for view in self.catalog.views.values():
            if self.own.made_view(view):
                continue
            tables = tuple(name for name in view.reads if name in self.covered)
            if tables:
                yield from self._materialized(view, tables) if view.kind == "m" else self._plain_view(view, tables)
            else:
                yield from self._view_through_routine(view)

    def _plain_view(self, view: View, tables: tuple[Name, ...]) -> Iterator[Impact]:
        readers = self._reading_roles(view)
        blind = [role for role, read in readers.items() if self.sight(role, read) is _Sight.NOTHING]
        bound = [role for role, read in readers.items() if self.sight(role, read) is _Sight.RULES]
        what = spell_all(tables)
        if blind:
            yield Impact(
                "view",
                spell(view.name),
                tables,
                f"returns no rows of {what} to anybody any more: it reads as its owner {blind[0]}, who is neither viewer nor"
                " service. With security_invoker it would follow its reader's rights.",
                "view",
            )
        elif bound:
            yield Impact(
                "view",
                spell(view.name),
                tables,
                f"returns of {what} what the rules allow the person behind the session, whoever may read the view: it reads as"
                f" its owner {bound[0]}, who is a viewer.",
                "view",
            )
        elif not readers:
            yield Impact(
                "view",
                spell(view.name),
                tables,
                f"returns of {what} what its reader may see (security_invoker).",
                "view",
                Severity.NOTE,
            )

    def _reading_roles(self, view: View) -> Mapping[str, frozenset[Name]]:
        """Owners with whose rights this view or one below it reads covered tables; invoker views read as the session does."""
        readers: defaultdict[str, frozenset[Name]] = defaultdict(frozenset)
        for name in (view.name, *view.through):
            layer = self.catalog.views[name]
            direct = self.covered & set(layer.direct)
            if direct and not layer.security_invoker:
                readers[layer.owner] |= direct
        return readers

    def _materialized(self, view: View, tables: tuple[Name, ...]) -> Iterator[Impact]:
        refreshers = [view.owner, *self.graph.logins_acting_as(view.owner)]
        if self.catalog.server_version >= _MAINTAIN_SINCE:
            refreshers += [grant.grantee for grant in view.grants if grant.privilege == "MAINTAIN"]
        who = ", ".join(sorted(set(refreshers)))
        what = spell_all(tables)
        # REFRESH runs the whole query as the owner, security_invoker views below included.
        sight = self.sight(view.owner, tables)
        if sight is _Sight.ALL:
            return
        effect = (
            f"keeps its rows of {what} until it is refreshed (by {who}), and is empty afterwards, without an error: REFRESH reads"
            f" as its owner {view.owner}, who is neither viewer nor service."
            if sight is _Sight.NOTHING
            else f"keeps its rows of {what} until it is refreshed (by {who}), and holds afterwards what the rules allow the person"
            f" who refreshed it: REFRESH reads as its owner {view.owner}, who is a viewer."
        )
        yield Impact("materialized_view", spell(view.name), tables, effect, "materialized_view")

    def _view_through_routine(self, view: View) -> Iterator[Impact]:
        """A view that reads no governed table itself, but calls a routine that does."""
        for oid in view.calls:
            routine, reach = self.routines.get(oid), self.reached.get(oid)
            if routine is None or reach is None:
                continue
            # Routines in a view run as its reader; in a materialized view as whoever owns it.
            runs_as = routine.owner if routine.security_definer else view.owner if view.kind == "m" else None
            if runs_as is not None and self.sight(runs_as, reach.tables) is _Sight.ALL:
                continue
            kind = "materialized_view" if view.kind == "m" else "view"
            yield Impact(
                kind,
                spell(view.name),
                reach.tables,
                f"calls {spell_routine(routine)}, which {reach.via}{_how_sure(reach)}: its rows will follow from what that one"
                " still sees.",
                kind,
            )
            return

    # Code.

    def _functions(self) -> Iterator[Impact]:
        for routine in self.catalog.routines:
            reach = self.reached.get(routine.oid)
            if (
                reach is None
                or not routine.security_definer
                or self.own.made_routine(routine)
                or self._is_others(routine)
            ):
                continue
            sight = self.sight(routine.owner, reach.tables)
            if sight is _Sight.ALL:
                continue
            kind = routine_kind(routine)
            yield Impact(
                kind,
                spell_routine(routine),
                reach.tables,
                f"security definer that {reach.via}{_how_sure(reach)}: {_as_owner(sight, routine.owner)}",
                kind,
            )

    def _is_others(self, routine: Routine) -> bool:
        """Whether it is another installation's, and runs as a role that reads none of these tables: it answers as before.

        Where both govern a table it has rights there, and is told as everybody's.
        """
        return any(one.made_routine(routine) and routine.owner in one.private for one in self.others) and not (
            self._may_read(routine.owner)
        )

    def _may_read(self, role: str) -> bool:
        """Whether a role has any right on one of these tables, or on a view of one; in doubt it has."""
        inherited = self.graph.inherited(role)
        if not inherited.isdisjoint(_READ_ALL):
            return True
        views = [view for view in self.catalog.views.values() if not self.covered.isdisjoint(view.reads)]
        return any(
            one.owner in inherited or any(grant.grantee in {*inherited, "public"} for grant in one.grants)
            for one in (*(self.catalog.tables[name] for name in self.covered), *views)
        )

    def _triggers(self) -> Iterator[Impact]:
        by_name: defaultdict[Name, list[Routine]] = defaultdict(list)
        for routine in self.catalog.routines:
            if routine.is_trigger:
                by_name[routine.name].append(routine)
        for table in self.catalog.tables.values():
            for trigger in table.triggers:
                inherited = any(
                    trigger.name == other.name and trigger.function == other.function
                    for parent in table.parents
                    for other in self.catalog.tables[parent].triggers
                )
                if inherited or self.own.made(trigger.comment):
                    continue
                for routine in by_name[trigger.function]:
                    yield from self._trigger(table, trigger.name, routine)

    def _trigger(self, table: Table, trigger: str, routine: Routine) -> Iterator[Impact]:
        reach = self.reached.get(routine.oid)
        if reach is None or self.own.made_routine(routine):
            return
        if routine.security_definer:
            sight = self.sight(routine.owner, reach.tables)
            if sight is _Sight.ALL:
                return
            does = f"security definer {spell_routine(routine)} {reach.via}{_how_sure(reach)}: {_as_owner(sight, routine.owner)}"
        else:
            does = (
                f"{spell_routine(routine)} {reach.via}{_how_sure(reach)}: it runs as whoever writes, and finds only the rows that"
                " this person may see; what it counts, checks or copies may come out differently."
            )
        yield Impact("trigger", spell(table.name, trigger), reach.tables, does, "trigger")

    def _policies(self) -> Iterator[Impact]:
        """Policies of ungoverned tables that look into governed ones; those on governed tables are for `existing:` to settle."""
        names = {
            routine.name.name.lower(): self.reached[routine.oid]
            for routine in self.catalog.routines
            if routine.oid in self.reached
        }
        for table in self.catalog.tables.values():
            if table.name in self.covered:
                continue
            for policy in table.policies:
                if self.own.made_policy(policy):
                    continue
                text = f"{policy.using or ''} {policy.check or ''}"
                tables = set(self.mentions.tables(text))
                for called in names.keys() & set(text.lower().replace("(", ".").replace(" ", ".").split(".")):
                    tables |= set(names[called].tables)
                if tables:
                    yield Impact(
                        "policy",
                        spell(table.name, policy.name),
                        tuple(sorted(tables)),
                        f"a policy of an ungoverned table looks into {spell_all(sorted(tables))}, and will find only what the"
                        " rules show the person it is asked for.",
                        "policy",
                    )

    def _rules(self) -> Iterator[Impact]:
        for table in self.catalog.tables.values():
            tables = {
                behind
                for name in table.rewrites
                for behind in (self.catalog.views[name].reads if name in self.catalog.views else (name,))
            } & self.covered
            if table.name in self.covered and table.rewrites:
                tables |= {table.name}
            if not tables:
                continue
            sight = self.sight(table.owner, tables)
            if sight is not _Sight.ALL:
                yield Impact(
                    "rule",
                    spell(table.name),
                    tuple(sorted(tables)),
                    f"has rewrite rules over {spell_all(sorted(tables))}: {_as_owner(sight, table.owner)}",
                    "rule",
                )

    def _foreign_keys(self) -> Iterator[Impact]:
        for name in sorted(self.covered):
            table = self.catalog.tables[name]
            for key in table.foreign_keys:
                if self._of_parent(table, key):
                    continue
                actions = [
                    f"ON {event} {_ACTIONS[code]}"
                    for event, code in (("DELETE", key.on_delete), ("UPDATE", key.on_update))
                    if code in _ACTIONS
                ]
                if actions:
                    yield Impact(
                        "foreign_key",
                        spell(name, key.name),
                        (name,),
                        f"{' and '.join(actions)} changes rows of {spell(name)} outside every policy, also rows that whoever"
                        f" changed {spell(key.target)} may neither see nor write.",
                        "foreign_key",
                        Severity.WARNING if key.on_delete in _ACTIONS else Severity.NOTE,
                    )

    def _of_parent(self, table: Table, key: ForeignKey) -> bool:
        """Whether the key only repeats one that a parent declares."""
        return any(
            (other.columns, other.target, other.on_delete, other.on_update)
            == (key.columns, key.target, key.on_delete, key.on_update)
            for parent in table.parents
            for other in self.catalog.tables[parent].foreign_keys
        )

    # Replication.

    def _replication(self) -> Iterator[Impact]:
        for publication in self.catalog.publications:
            tables = tuple(sorted(self.covered & set(publication.tables)))
            if tables:
                yield Impact(
                    "publication",
                    publication.name,
                    tables,
                    f"changes of {spell_all(tables)} still leave in full, whatever the rules; but the first copy of a new"
                    " subscriber is a query of the role it connects as, and comes out empty or partial unless that role is a"
                    " service.",
                    "publication",
                )
        for subscription in self.catalog.subscriptions:
            tables = tuple(sorted(self.covered & set(subscription.tables)))
            if not tables:
                continue
            new = self.catalog.server_version >= _APPLIES_AS_TABLE_OWNER_SINCE
            owner = self.catalog.roles.get(subscription.owner)
            if not new and owner is not None and (owner.superuser or owner.bypassrls):
                continue
            acts_as = "the tables' owners, unless run_as_owner is set," if new else f"its owner {subscription.owner}"
            yield Impact(
                "subscription",
                subscription.name,
                tables,
                f"stops with an error at the next change of {spell_all(tables)}: it applies as {acts_as} and replication refuses"
                " tables with row security unless that role bypasses it.",
                "subscription",
            )

    # Roles.

    def _owners(self) -> Iterator[Impact]:
        owned: defaultdict[str, list[Name]] = defaultdict(list)
        for name in sorted(self.covered):
            owned[self.catalog.tables[name].owner].append(name)
        for owner, tables in owned.items():
            sight = self.sight(owner, tables)
            if sight is _Sight.ALL or self.own.role(owner):
                continue
            sees = (
                "sees nothing" if sight is _Sight.NOTHING else "sees what the rules allow the person behind the session"
            )
            others = self.graph.logins_acting_as(owner)
            also = f", as do those who act as it ({', '.join(others)})" if others else ""
            if sight is _Sight.RULES:
                safety = " Its UPDATE and DELETE silently find no others."
            elif self.migrator == owner:
                safety = " row_security is turned off for it as the migrator, so that a blind statement fails instead of doing nothing."
            else:
                safety = " Its UPDATE and DELETE silently find no rows" + (
                    ": named as migrator under roles in pack.yaml, it would be told with an error instead."
                    if self.migrator is None
                    else "."
                )
            yield Impact(
                "role",
                owner,
                tuple(tables),
                f"the owner of {spell_all(tables)} {sees} of them{also}; pg_dump as this role fails.{safety}",
                "role",
                Severity.NOTE if self.migrator in (None, owner) else Severity.ERROR,
            )

    def _roles(self) -> Iterator[Impact]:
        for grantee, tables in self._grantees().items():
            if self.own.role(grantee) or (grantee != "public" and grantee not in self.catalog.roles):
                continue
            if grantee == "public":
                yield Impact(
                    "role",
                    "public",
                    tables,
                    f"every role may use {spell_all(tables)} today; those that are neither viewer nor service will find no rows.",
                    "role",
                )
                continue
            blind = tuple(name for name in tables if self.sight(grantee, [name]) is _Sight.NOTHING)
            if blind:
                yield from self._blind_role(grantee, blind)
        for role in self.catalog.roles.values():
            through = [name for name in _READ_ALL if name in self.graph.acts_as(role.name) - {role.name}]
            if through and self.sight(role.name, ()) is not _Sight.ALL and not self.own.role(role.name):
                yield Impact(
                    "dump_role",
                    role.name,
                    tuple(sorted(self.covered)),
                    f"reads every table through {through[0]} today and will read no governed rows but its own as a viewer: a"
                    " pg_dump made with it fails, or with --enable-row-security comes out without the rows, and says so nowhere.",
                    "dump_role",
                )

    def _grantees(self) -> Mapping[str, tuple[Name, ...]]:
        """Who was granted data privileges on which covered tables, owners left out."""
        granted: defaultdict[str, set[Name]] = defaultdict(set)
        for name in self.covered:
            table = self.catalog.tables[name]
            for grant in table.grants:
                if grant.privilege in _DATA_PRIVILEGES and grant.grantee != table.owner:
                    granted[grant.grantee].add(name)
        return {grantee: tuple(sorted(granted[grantee])) for grantee in sorted(granted)}

    def _blind_role(self, grantee: str, tables: tuple[Name, ...]) -> Iterator[Impact]:
        """A role that was granted something and will see nothing, unless all who log in through it see for themselves."""
        role = self.catalog.roles[grantee]
        users = [grantee, *self.graph.logins_acting_as(grantee)] if role.login else self.graph.logins_acting_as(grantee)
        blind = [user for user in users if self.sight(user, tables) is _Sight.NOTHING]
        if users and not blind:
            return
        used = f" ({', '.join(blind[:5])}{', …' if len(blind) > 5 else ''})" if blind and blind != [grantee] else ""
        yield Impact(
            "role",
            grantee,
            tables,
            f"may use {spell_all(tables)} today and will find no rows{used}: it is neither viewer nor service."
            + ("" if users else " Nobody logs in through it today."),
            "role",
            Severity.ERROR if users else Severity.NOTE,
        )

    def _jobs(self) -> Iterator[Impact]:
        for name, scheduler in _SCHEDULERS.items():
            if name in self.catalog.tables:
                yield Impact(
                    "job",
                    spell(name),
                    (),
                    f"{scheduler} runs the jobs listed in {spell(name)}: one whose role is neither viewer nor service will find no"
                    " governed rows, and report success.",
                    "job",
                )


def _how_sure(reach: Reach) -> str:
    what = f" ({spell_all(reach.tables)}" if reach.tables else " (any table"
    return (
        what
        + {
            Certainty.CERTAIN: "; certain)",
            Certainty.MENTIONED: "; likely: the name is there)",
            Certainty.POSSIBLE: "; possible)",
        }[reach.certainty]
    )


def _as_owner(sight: _Sight, owner: str) -> str:
    if sight is _Sight.NOTHING:
        return f"as its owner {owner} is neither viewer nor service, it will find no rows, without an error."
    return f"as its owner {owner} is a viewer, it will find what the rules allow the person behind the session."


def unacknowledged(impacts: Collection[Impact], pack_settings: PackSettings) -> tuple[Finding, ...]:
    """A finding for every impact that no entry of `acknowledge` names, and a warning for every entry that names none.

    Names match exactly, kind and all; a function may be named without its signature where that leaves one. Notes are given too:
    they need no acknowledgement, but take one. An entry with a hash may speak of code that erasing runs alone: the compiler judges it.
    """
    spellings: defaultdict[tuple[str, str], set[Impact]] = defaultdict(set)
    for item in impacts:
        spellings[item.acknowledged_by, item.name].add(item)
    for item in impacts:
        short = item.name.partition("(")[0]
        alike = [other for other in impacts if other.kind == item.kind and other.name.partition("(")[0] == short]
        if item.kind in ("function", "procedure") and alike == [item]:
            spellings[item.acknowledged_by, short].add(item)
    settled: set[Impact] = set()
    unknown: list[Finding] = []
    for entry in pack_settings.acknowledged:
        matched = spellings.get((entry.kind, entry.name))
        if matched:
            settled |= matched
        elif not entry.hash:
            unknown.append(_unknown(entry, {name for kind, name in spellings if kind == entry.kind}))
    return (*(_open(item) for item in impacts if item not in settled), *unknown)


def _open(item: Impact) -> Finding:
    return Finding(
        code=f"unacknowledged-{item.kind.replace('_', '-')}",
        severity=item.severity,
        subject=item.name,
        message=item.effect,
        hint=""
        if item.severity is Severity.NOTE
        else f'once looked at, add to acknowledge in pack.yaml: {{{item.acknowledged_by}: {yaml_text(item.name)}, because: "…"}}',
    )


def _unknown(entry: Acknowledgement, known: Collection[str]) -> Finding:
    close = nearest(entry.name, known)
    return Finding(
        code="unknown-acknowledgement",
        severity=Severity.WARNING,
        subject=entry.name,
        message=f"no {entry.kind.replace('_', ' ')} of this name will answer differently",
        hint=f"did you mean {close}?" if close else "remove the entry if the object is gone",
        at=entry.at,
    )
