"""Support access: whom a viewer's open grants are about, which rows that opens, and the functions that opening asks.

A blind view per kind of person holds the people whom the viewer may look at, by grants and by what rules say now: who he is, and
what the person allows. Policies read the keys in it as one array, which is empty for almost everybody; parents' decisions and
`{can: …}` never ask it. Rows of such people can be taken down by key, and returned once that is committed (`log_read_…`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pgerase.catalog.model import Column, Name, Table
from pgerase.compile import sql
from pgerase.compile.bind_support import BoundSupport, Opened, bind_support
from pgerase.compile.bound import BoundCondition, BoundPeople, BoundResource, BoundRules
from pgerase.compile.decisions import DecisionEmitter
from pgerase.compile.desired import DesiredFunction, DesiredObject, DesiredView
from pgerase.compile.emit import Emitter, Env, row_env
from pgerase.compile.erasure.bind import bind_map
from pgerase.compile.erasure.bound import BoundSubject
from pgerase.compile.erasure.parts import key_text
from pgerase.compile.naming import Naming
from pgerase.compile.sql import (
    FALSE,
    Atom,
    Formula,
    conjunction,
    disjunction,
    dollar_tag,
    ident,
    qualified,
    text_literal,
)
from pgerase.compile.support_guard import switch_guard
from pgerase.compile.support_viewer import NamedViewerEmitter, NamedViewerRequirements
from pgerase.compile.types import key_from_text
from pgerase.compile.views import PREFER_COLUMNS, ViewBuilder, texts
from pgerase.errors import Finding, InternalError, Severity
from pgerase.rules.conditions import Action, Span
from pgerase.rules.pack import Pack

_MARK = "[pgerase support]"


@dataclass(frozen=True, slots=True)
class _Definer:
    """A function of the lookup role: its arguments with types, what it returns, its body, who may call it."""

    name: Name
    arguments: tuple[tuple[str, str], ...]
    returns: str
    body: str
    comment: str
    volatility: str = "stable"
    defaults: str = ""


def support_access(
    pack: Pack, rules: BoundRules, governed: Sequence[BoundResource], decisions: DecisionEmitter, views: ViewBuilder
) -> SupportAccess:
    """Support access as the pack has it, bound to the database."""
    terms = None if pack.audit is None else pack.audit.support
    if terms is None:
        return SupportAccess(None, (), rules, (), decisions, views)
    if pack.data_map is None:
        message = "support access is to the data of people, and there is no data map that says whose rows are whose"
        hint = "Add data_map.yaml to the pack."
        missing = Finding("support-without-map", Severity.ERROR, "support", message, hint, terms.at)
        return SupportAccess(None, (missing,), rules, (), decisions, views)
    # What cannot be bound of it is said where erasing is compiled.
    bound_map, _ = bind_map(pack.data_map, views.catalog)
    bound_support, problems = bind_support(terms, rules, bound_map, tuple(governed), views.catalog)
    return SupportAccess(bound_support, problems, rules, governed, decisions, views)


class SupportAccess:
    """What one pack's support access comes to; without it every answer is empty."""

    def __init__(
        self,
        support: BoundSupport | None,
        problems: Sequence[Finding],
        rules: BoundRules,
        governed: Sequence[BoundResource],
        decisions: DecisionEmitter,
        views: ViewBuilder,
    ) -> None:
        self._support = support
        self._problems = tuple(problems)
        self._rules = rules
        self._governed = tuple(governed)
        self._decisions = decisions
        self._views = views
        self._naming: Naming = decisions.naming
        self._emitter: Emitter = decisions.emitter

    # Policies -----------------------------------------------------------------------------------------------------

    def arms(self, resource: BoundResource, table: str) -> Formula:
        """The rows of the resource, as a policy names them, that the viewer's open grants are about."""
        if self._support is None:
            return FALSE
        env = row_env(table, as_set=True)
        return disjunction(self._points_at(one, env) for one in self._support.opening(resource.name))

    def _points_at(self, one: Opened, env: Env) -> Atom:
        assert env.row is not None
        return Atom(self._emitter.points_into(one.hop, env.row, self._view(one.subject), env))

    def why(self, resource: BoundResource) -> tuple[str, ...]:
        """What the policy's comment says of it."""
        if self._support is None or not self._support.opening(resource.name):
            return ()
        return (f"support access ({self._support.terms.at})",)

    # Objects ------------------------------------------------------------------------------------------------------

    def objects(self) -> tuple[DesiredObject, ...]:
        """Views and functions that read what blind views have, so they come after these. Notes what they read."""
        if self._support is None:
            return ()
        made: list[DesiredObject] = []
        for subject in self._support.subjects:
            made.append(self._people(self._support, subject))
            made += self._keys(self._support, subject)
        made += [self._terms(self._support), self._viewer(self._support), self._person(self._support)]
        return tuple(made)

    def reading(self, shown: Mapping[str, Name]) -> tuple[DesiredObject, ...]:
        """For each resource whose rows grants open, what takes down which rows are going to be read, and what returns them."""
        if self._support is None:
            return ()
        return tuple(
            made
            for resource in self._opened_resources()
            for made in self._read_by_ticket(self._support, resource, shown.get(resource.name, resource.table.name))
        )

    def opened(self) -> tuple[tuple[Name, str], ...]:
        """The tables whose rows grants open, and by which links."""
        if self._support is None:
            return ()
        return tuple(
            (
                resource.table.name,
                "; ".join(
                    f"{one.subject}: {', '.join(one.hop.columns)} is {one.hop.target}({', '.join(one.hop.target_columns)})"
                    for one in self._support.opening(resource.name)
                ),
            )
            for resource in self._resources()
        )

    def guard(self) -> tuple[DesiredObject, ...]:
        """What keeps others from the setting by which people allow it."""
        return switch_guard(self._support, self._rules.people, self._naming)

    def findings(self) -> tuple[Finding, ...]:
        """What could not be bound, and resources whose rows cannot be taken down, for want of a key to name them by."""
        if self._support is None:
            return self._problems
        return self._problems + tuple(
            Finding(
                "support-without-key",
                Severity.NOTE,
                str(resource.table.name),
                f"{resource.table.name} has no primary key that everybody may read: which rows were returned cannot be kept",
                "",
                self._support.terms.at,
            )
            for resource in self._resources()
            if not _names_rows(resource)
        )

    def _resources(self) -> tuple[BoundResource, ...]:
        assert self._support is not None
        return tuple({one.resource.name: one.resource for one in self._support.opened}.values())

    def _opened_resources(self) -> tuple[BoundResource, ...]:
        return tuple(resource for resource in self._resources() if _names_rows(resource))

    def _view(self, subject: str) -> Name:
        return self._naming.view("support", subject)

    def _columns(self, support: BoundSupport, subject: BoundSubject) -> tuple[str, ...]:
        """The subject's columns that links lead to."""
        linked = [name for one in support.opened if one.subject == subject.name for name in one.hop.target_columns]
        return tuple(dict.fromkeys((*subject.key_columns, *linked)))

    def _people(self, support: BoundSupport, subject: BoundSubject) -> DesiredView:
        """The people of a kind whom the viewer may look at, and the grants by which he may."""
        people = self._known_people()
        facts = self._emitter.facts
        columns = self._columns(support, subject)
        switch = None if support.switch is None or support.switch[0] != subject.name else support.switch[1]
        read = {*columns} if switch is None else {*columns, switch}
        table = facts.read(subject.table.name, read, decides_people=False)
        env = Env(person="p", taken=frozenset({"p", "g", "s"}))
        key = facts.person(people.key.name)
        allowed = f"s.{ident(switch)}" if switch is not None else "true"
        ways = ["not g.is_break_glass", *self._held(support.staff.who, env), *([allowed] if allowed != "true" else [])]
        either = [] if not support.may_consent(subject.name) else [" and ".join(ways)]
        if support.staff.break_glass is not None:
            approved = ["g.is_approved"] if _second_person(support) else []
            either.append(" and ".join(["g.is_break_glass", *self._held(support.staff.break_glass, env), *approved]))
        may = "false" if not either else sql.block("(", "\nor ".join(either), ")") if len(either) > 1 else either[0]
        grants = (
            f"{ident(self._naming.internal)}.open_grants("
            f"p_holder => p.{key}::text, p_subject => {_literal(subject.name)}) g"
        )
        listed = ", ".join(f"s.{ident(name)}" for name in columns)
        me = qualified(self._naming.view("me"))
        required = self._required_of(subject)
        if required:
            table = qualified(subject.table.name)
        query = sql.select(
            f"{listed}, g.grant_id",
            [f"{me} p", grants, f"{table} s"],
            [*_same_person(subject, "s", "g.person"), may, *required],
        )
        comment = f"Whom of {subject.name} the viewer may look at, by open support grants ({support.terms.at}). {_MARK}"
        return self._views.view(self._view(subject.name), query, comment)

    def _required_of(self, subject: BoundSubject) -> list[str]:
        """What is required of reading the person's own row: whoever moved out of its reach has lost what hangs on it, too."""
        resource = next((one for one in self._rules.resources if one.table.name == subject.table.name), None)
        if resource is None:
            return []
        env = row_env("s", as_set=True)
        held = conjunction(
            self._decisions.requirement(resource, one, env) for one in self._decisions.required(resource, Action.READ)
        )
        people = self._known_people()
        if subject.table.name != people.table.name:
            return texts([held])
        own = Atom(f"s.{ident(people.key.name)} = p.{self._emitter.facts.person(people.key.name)}")
        return [] if not texts([held]) else texts([disjunction([own, held])])

    def _held(self, who: BoundCondition, env: Env) -> list[str]:
        return [text for text in self._emitter.conjuncts(who, env, positive=True) if text != "true"]

    def _keys(self, support: BoundSupport, subject: BoundSubject) -> list[DesiredFunction]:
        """What policies ask: all values of a column in that view, once a statement."""
        view = self._view(subject.name)
        single = [
            one.hop.target_columns[0]
            for one in support.opened
            if one.subject == subject.name and len(one.hop.columns) == 1
        ]
        made: list[DesiredFunction] = []
        for name in dict.fromkeys(single):
            column = subject.table.column(name)
            assert column is not None
            body = f"return array({sql.select(f'v.{ident(name)}', [f'{qualified(view)} v'], [])});"
            what = f"Values of {name} in {view.name}, read once a statement."
            made.append(self._views.function(self._naming.keys(view, name), f"{column.base_type}[]", "", body, what))
        return made

    # What opening asks --------------------------------------------------------------------------------------------

    def _terms(self, support: BoundSupport) -> DesiredFunction:
        glass = support.terms.break_glass
        within = "null::interval" if glass is None or glass.review_within is None else _interval(glass.review_within)
        values = ", ".join(
            (_interval(support.terms.longest), _boolean(glass is not None), _boolean(_second_person(support)), within)
        )
        definer = _Definer(
            self._naming.view("terms_of_support"),
            (),
            "table (longest interval, has_break_glass boolean, second_person boolean, review_within interval)",
            f"return query select {values};",
            f"What the rules say of support access ({support.terms.at}).",
        )
        return self._function(definer, (self._naming.secret,))

    def _viewer(self, support: BoundSupport) -> DesiredFunction:
        people = self._known_people()
        env = Env(person="p", taken=frozenset({"p"}))
        key = self._emitter.facts.person(people.key.name)
        presented = _from_text("staff_member.p_key", people.key)
        fits = [support.staff.who, support.staff.break_glass, people.super_admin]
        listed = ",\n    ".join((f"p.{key}::text", *(self._fits(one, env) for one in fits)))
        in_force = texts(self._views.in_force(people, env))
        query = f"select\n    {listed}\nfrom {self._views.person} p\nwhere " + "\n    and ".join(
            sql.indent(one) for one in (f"p.{key} = {presented}", *in_force)
        )
        definer = _Definer(
            self._naming.view("staff_member"),
            (("p_key", "text"),),
            "table (viewer text, may_support boolean, may_break_glass boolean, is_super_admin boolean)",
            f"return query {query};",
            f"What an active viewer may do about support access ({support.terms.at}).",
        )
        return self._function(definer, (self._naming.secret,))

    def _fits(self, who: BoundCondition | None, env: Env) -> str:
        if who is None:
            return "false"
        text = sql.formula_text(self._emitter.truth(who, env, positive=True))
        return f"{sql.block('(', text, ')')} is true"

    def _person(self, support: BoundSupport) -> DesiredFunction:
        people = self._known_people()
        cases = [self._concerned(support, subject) for subject in support.subjects]
        # Holders are asked for as well: about whom a grant was is not known for ever.
        holder = f"s.{ident(people.key.name)}"
        person = _from_text("concerned_person.p_person", people.key)
        query = self._within_sight(
            people.table, {people.key.name}, f"{holder}::text, false, {holder}::text", [f"{holder} = {person}"]
        )
        cases.append(f"if p_subject is null then\n    return query {sql.indent(query)};\nend if;")
        definer = _Definer(
            self._naming.view("concerned_person"),
            (("p_subject", "text"), ("p_person", "text"), ("p_viewer", "text")),
            "table (person text, is_allowed boolean, viewer text, is_in_sight boolean)",
            "\n".join(cases),
            "Whether there is such a person, whether he allows support access, and whether the requirements of reading leave him to"
            f" this viewer; of no subject: a viewer ({support.terms.at}).",
        )
        return self._function(definer, (self._naming.secret,))

    def _concerned(self, support: BoundSupport, subject: BoundSubject) -> str:
        people = self._known_people()
        switch = support.switch[1] if support.switch is not None and support.switch[0] == subject.name else None
        allowed = f"s.{ident(switch)} is true" if switch is not None else _boolean(support.may_consent(subject.name))
        is_viewer = subject.table.name == people.table.name
        viewer = f"s.{ident(people.key.name)}::text" if is_viewer else "null::text"
        spelt = key_text(subject, "s")
        same = [*_same_person(subject, "s", "concerned_person.p_person"), f"{spelt} = concerned_person.p_person"]
        read = {*subject.key_columns, *([switch] if switch else []), *([people.key.name] if is_viewer else [])}
        query = self._within_sight(subject.table, read, f"{spelt}, {allowed}, {viewer}", same)
        return f"if p_subject = {_literal(subject.name)} then\n    return query {sql.indent(query)};\nend if;"

    def _within_sight(self, table: Table, read: Collection[str], listed: str, same: Sequence[str]) -> str:
        """The person, and whether what is required of reading the row leaves it to the viewer; his own row nothing keeps from him."""
        people = self._known_people()
        resource = next((one for one in self._governed if one.table.name == table.name), None)
        required = () if resource is None else self._decisions.required(resource, Action.READ)
        if resource is None or not required:
            known = self._emitter.facts.read(table.name, read, decides_people=False)
            return sql.select(f"{listed}, true", [f"{known} s"], same)
        presented = _from_text("concerned_person.p_viewer", people.key)
        inside = Env(person="v", taken=frozenset({"v", "s"}))
        key = self._emitter.facts.person(people.key.name)
        me = sql.select(
            "v.*", [f"{self._views.person} v"], [f"v.{key} = {presented}", *texts(self._views.in_force(people, inside))]
        )
        emitter = NamedViewerEmitter(self._emitter.facts, sql.subquery(me))
        decisions = NamedViewerRequirements(self._rules, emitter, "concerned_person.p_viewer")
        env = row_env("s", as_set=False)
        held = conjunction(decisions.requirement(resource, one, env) for one in required)
        if table.name == people.table.name:
            held = disjunction([Atom(f"s.{key} = {presented}"), held])
        in_sight = f"{sql.block('(', sql.formula_text(held), ')')} is true"
        return sql.select(f"{listed},\n    {sql.indent(in_sight)}", [f"{qualified(table.name)} s"], same)

    # Reading by ticket --------------------------------------------------------------------------------------------

    def _read_by_ticket(self, support: BoundSupport, resource: BoundResource, shown: Name) -> tuple[DesiredObject, ...]:
        ways = support.opening(resource.name)
        rows = self._naming.view("supported", resource.name)
        env = row_env("r", as_set=True)
        required = [
            text
            for one in self._decisions.required(resource, Action.READ)
            for text in texts([self._decisions.requirement(resource, one, env)])
        ]
        key = _row_key(resource.table, "r")
        selects = [
            sql.select(
                f"{key} as key, s.grant_id",
                [f"{qualified(resource.table.name)} r", f"{qualified(self._view(one.subject))} s"],
                [
                    *(
                        f"r.{ident(mine)} = s.{ident(theirs)}"
                        for mine, theirs in zip(one.hop.columns, one.hop.target_columns, strict=True)
                    ),
                    *required,
                ],
            )
            for one in ways
        ]
        view = self._views.view(
            rows,
            "\nunion\n".join(selects),
            f"Rows of {resource.name} that the viewer may read by open support grants. {_MARK}",
            readable=False,
        )
        return view, self._log_read(support, resource, rows), self._read(resource, shown)

    def _log_read(self, support: BoundSupport, resource: BoundResource, rows: Name) -> DesiredFunction:
        subjects = dict.fromkeys(one.subject for one in support.opening(resource.name))
        held = "\n        union all\n        ".join(
            f"select s.grant_id from {qualified(self._view(subject))} s" for subject in subjects
        )
        name = self._naming.log_read(resource.name)
        internal = ident(self._naming.internal)
        body = (
            "if not exists (\n"
            "    select\n"
            f"    from (\n        {held}\n    ) held\n"
            f"    where held.grant_id = {ident(name.name)}.p_grant\n"
            ") then\n"
            "    raise exception using\n"
            "        errcode = 'ZE307',\n"
            "        message = 'you have no open support access of this number',\n"
            "        hint = 'It opens nothing in the transaction that opened it: commit first.';\n"
            "end if;\n"
            f"return {internal}.keep_ticket(\n"
            "    p_grant => p_grant,\n"
            f"    p_resource => {_literal(resource.name)},\n"
            "    p_keys => array(\n"
            "        select v.key\n"
            f"        from {qualified(rows)} v\n"
            f"        where v.grant_id = {ident(name.name)}.p_grant\n"
            "            and (p_keys is null or v.key = any (p_keys))\n"
            '        order by v.key collate "C"\n'
            "    )\n"
            ");"
        )
        definer = _Definer(
            name,
            (("p_grant", "bigint"), ("p_keys", "text[]")),
            "uuid",
            body,
            f"Takes down which rows of {resource.name} the viewer is going to read under a support grant, and returns the ticket.",
            "volatile",
            "p_grant bigint, p_keys text[] default null",
        )
        return self._function(definer, (self._naming.viewer,))

    def _read(self, resource: BoundResource, shown: Name) -> DesiredFunction:
        """Returns the rows of a ticket with the caller's own rights: what policies and masks hide stays hidden."""
        name = self._naming.read_by_ticket(resource.name)
        keys = [column for name in resource.table.primary_key if (column := resource.table.column(name)) is not None]
        if len(keys) == 1:
            held = f"r.{ident(keys[0].name)} = any (ticket.v_keys::{keys[0].base_type}[])"
        else:
            parts = ", ".join(f"(k.v::jsonb ->> {place})::{one.base_type}" for place, one in enumerate(keys))
            mine = ", ".join(f"r.{ident(one.name)}" for one in keys)
            held = f"({mine}) in (select {parts} from unnest(ticket.v_keys) k (v))"
        body = sql.plpgsql(
            f"\n{PREFER_COLUMNS}\n"
            "<<ticket>>\n"
            "declare\n"
            f"    v_keys constant text[] := {ident(self._naming.api)}.ticket_keys(\n"
            "        p_ticket => p_ticket,\n"
            f"        p_resource => {_literal(resource.name)}\n"
            "    );\n"
            "begin\n"
            f"    return query select r.* from {qualified(shown)} r where {held};\n"
            "end;\n"
        )
        tag = dollar_tag(body)
        definition = (
            f"create or replace function {qualified(name)}(p_ticket uuid)\n"
            f"    returns setof {qualified(shown)}\n"
            "    language plpgsql\n"
            "    stable\n"
            "    security invoker\n"
            "    set search_path = pg_catalog, pg_temp\n"
            f"as {tag}{body}{tag}"
        )
        comment = f"Returns the rows of {resource.name} that were taken down under this ticket. {_MARK}"
        return DesiredFunction(name, "uuid", self._naming.lookup, definition, (self._naming.viewer,), comment)

    # Helpers ------------------------------------------------------------------------------------------------------

    def _known_people(self) -> BoundPeople:
        if self._rules.people is None:
            raise InternalError("support access without viewers was not refused when binding")
        return self._rules.people

    def _function(self, definer: _Definer, executors: Sequence[str]) -> DesiredFunction:
        body = f"\n{PREFER_COLUMNS}\nbegin\n    {sql.indent(definer.body)}\nend;\n"
        tag = dollar_tag(body)
        declared = definer.defaults or ", ".join(f"{name} {kind}" for name, kind in definer.arguments)
        definition = (
            f"create or replace function {qualified(definer.name)}({declared})\n"
            f"    returns {definer.returns}\n"
            "    language plpgsql\n"
            f"    {definer.volatility}\n"
            "    security definer\n"
            "    set search_path = pg_catalog, pg_temp\n"
            # A migrator's session has it off, which is an error for whoever is exempt by policy.
            "    set row_security = on\n"
            f"as {tag}{body}{tag}"
        )
        arguments = ", ".join(kind for _, kind in definer.arguments)
        comment = f"{definer.comment} {_MARK}"
        return DesiredFunction(definer.name, arguments, self._naming.lookup, definition, tuple(executors), comment)


def _names_rows(resource: BoundResource) -> bool:
    """Whether rows can be named by their primary key, and everybody who sees one may see it."""
    hidden = {right.column.name for right in resource.columns.hidden}
    return bool(resource.table.primary_key) and not hidden & set(resource.table.primary_key)


def _row_key(table: Table, alias: str) -> str:
    """A row's primary key as text; a composite one as the text of a JSON array of such texts."""
    if len(table.primary_key) == 1:
        return f"{alias}.{ident(table.primary_key[0])}::text"
    listed = ", ".join(f"{alias}.{ident(name)}::text" for name in table.primary_key)
    return f"jsonb_build_array({listed})::text"


def _same_person(subject: BoundSubject, alias: str, text: str) -> list[str]:
    """The row is that of the person with this key as text; a key of another spelling is nobody's."""
    if len(subject.key) == 1:
        return [f"{alias}.{ident(subject.key[0].name)} = {_from_text(text, subject.key[0])}"]
    # Compared as text: what is no JSON array is nobody's key, and no error.
    return [f"{key_text(subject, alias)} = {text}"]


def _from_text(source: str, column: Column) -> str:
    made = key_from_text(source, column.base_type)
    if made is None:
        raise InternalError(f"unsupported key type {column.base_type} was not refused when binding")
    return sql.indent(made)


def _second_person(support: BoundSupport) -> bool:
    glass = support.terms.break_glass
    return glass is not None and glass.second_person


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _literal(text: str) -> str:
    return text_literal(text).strip()


def _interval(span: Span) -> str:
    return f"'{span.months} months {span.days} days {span.seconds} seconds'::interval"
