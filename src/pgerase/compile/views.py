"""The blind views: people, groups, facts and decisions, owned by a role that row security does not hide anything from.

Nobody has USAGE on their schema; policies reach them because names are resolved when a policy is made (field notes: traps).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pgerase.catalog.model import Catalog, Name
from pgerase.compile import bound, sql
from pgerase.compile.bound import Side
from pgerase.compile.decisions import DecisionEmitter
from pgerase.compile.desired import DesiredFunction, DesiredView
from pgerase.compile.emit import Emitter, Env, Facts, member_columns, row_env
from pgerase.compile.sql import dollar_tag, ident, qualified
from pgerase.compile.types import key_from_text
from pgerase.errors import InternalError
from pgerase.rules.conditions import Action

PREFER_COLUMNS = "#variable_conflict use_column"
"""The result's columns are variables of the function, named like those it reads."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """A tree of roles as SQL: its blind view and identifiers of its columns, and how a person `p` gets to the role he has."""

    tree: str
    key: str
    up: str
    role: str
    sources: tuple[str, ...]
    conditions: tuple[str, ...]


class ViewBuilder:
    """Builds the views that everything emitted so far turned out to need."""

    def __init__(self, rules: bound.BoundRules, catalog: Catalog, facts: Facts) -> None:
        self.rules = rules
        self.catalog = catalog
        self.facts = facts
        self.naming = facts.naming
        self.emitter = Emitter(facts)
        self.decisions = DecisionEmitter(rules, self.emitter)

    def build(self) -> tuple[DesiredView | DesiredFunction, ...]:
        """All views and functions in an order in which they can be made."""
        asked = (-1,)
        views: tuple[DesiredView, ...] = ()
        while asked != (asked := self.asked()):
            # Emitting one may call for further ones: again until nothing new was asked for.
            views = (*self.group_views(), *self.decision_views(), *self.requirement_views())
        people = self.people_views() if self.rules.people is not None else ()
        # Functions before the views that call them: a body is bound when it runs, a view when it is made.
        return (*self.fact_views(), *people, *self.functions(), *views)

    def asked(self) -> tuple[int, ...]:
        """How much has been asked for so far."""
        facts = self.facts
        return (len(facts.may), len(facts.meets), len(facts.groups))

    def functions(self) -> tuple[DesiredFunction, ...]:
        """The people in reach, and the keys of every view of decisions or requirements, each planned once a session."""
        made = [*self.reach_functions()]
        asked = [(self.naming.may(action, name), name, keys) for (name, action), keys in sorted(self.facts.may.items())]
        asked += [(self.naming.meets(*origin), origin[0], keys) for origin, keys in sorted(self.facts.meets.items())]
        for view, resource, keys in asked:
            table = self.rules.resource(resource).table
            for column in (table.column(key[0]) for key in sorted(keys) if len(key) == 1):
                assert column is not None
                body = f"return array({sql.select(f'v.{ident(column.name)}', [f'{qualified(view)} v'], [])});"
                what = f"Values of {column.name} in {view.name}, read once a statement."
                made.append(self.function(self.naming.keys(view, column.name), f"{column.base_type}[]", "", body, what))
        return tuple(made)

    def reach_functions(self) -> Iterator[DesiredFunction]:
        """The people in reach, as rows and, where that is all that is asked, as an array of their keys.

        Below a column of managers they are walked level by level, each level by one look into the index of that column: that
        takes a fifth of what WITH RECURSIVE does, which asks for each person. Everyone is met once: a person has one manager,
        so whoever comes back comes back through the viewer, who is left out.
        """
        people = self.rules.people
        if people is None:
            return
        me, reach, key = self.naming.view("me"), self.naming.view("reach"), self.facts.person(people.key.name)
        columns = sorted(self.facts.person_columns)
        types = {column.name: column.type for column in people.table.columns}
        listed = ", ".join(f"p.{ident(column)}" for column in columns)
        declared = ",\n        ".join(f"{ident(column)} {types[column]}" for column in columns)
        returns = f"table (\n        {declared}\n    )"
        body = f"return query {sql.select(listed, [f'{qualified(me)} p'], [])};"
        yield self.function(me, returns, f"\n{PREFER_COLUMNS}", body, "The viewer's own row.", rows=1)
        if people.manager is None:
            return
        what = "The viewer and everyone below, walked once."
        keys, array = self.naming.keys(reach, people.key.name), f"{people.key.base_type}[]"
        what_keys = f"{key} of the viewer and of everyone below."
        if not isinstance(people.manager, str):
            body = f"return query {sql.select(listed, [f'{qualified(reach)} p'], [])};"
            yield self.function(reach, returns, f"\n{PREFER_COLUMNS}", body, what, rows=10)
            if self.facts.keys_in_reach:
                body = f"return array({sql.select(f'p.{key}', [f'{qualified(reach)} p'], [])});"
                yield self.function(keys, array, "", body, what_keys)
            return
        living = texts(self.not_erased(people, Env(person="p", taken=frozenset({"p"}))))
        everybody = [f"{self.person} p"]
        me = sql.array_of(sql.select(f"p.{key}", [f"{qualified(self.naming.view('me'))} p"], []))
        below = [f"p.{self.facts.person(people.manager)} = any (walk.v_level)", f"p.{key} <> walk.v_me[1]"]
        next_level = sql.array_of(sql.select(f"p.{key}", everybody, below))
        variables = f"<<walk>>\ndeclare\n    v_me constant {array} := {sql.indent(me)};\n    v_level {array} := v_me;"
        viewer = sql.select(listed, everybody, [f"p.{key} = walk.v_me[1]"])
        members = sql.select(listed, everybody, [*below, *living])
        # The last level has nobody: that is found out by keys, before rows are asked for.
        body = (
            f"return query\n    {sql.indent(viewer)};\n"
            "while pg_catalog.cardinality(walk.v_level) > 0 loop\n"
            f"    walk.v_next := {sql.indent(next_level)};\n"
            "    exit when pg_catalog.cardinality(walk.v_next) = 0;\n"
            f"    return query\n        {sql.indent(members, 8)};\n"
            "    walk.v_level := walk.v_next;\n"
            "end loop;"
        )
        options = f"\n{PREFER_COLUMNS}\n{variables}\n    v_next {array};"
        yield self.function(reach, returns, options, body, what, rows=10, generic=True)
        if self.facts.keys_in_reach:
            found = sql.array_of(sql.select(f"p.{key}", everybody, [*below, *living])) if living else "walk.v_level"
            take = f"    walk.v_found := walk.v_found || {sql.indent(found)};\n"
            step = f"    walk.v_level := {sql.indent(next_level)};\n"
            body = (
                "while pg_catalog.cardinality(walk.v_level) > 0 loop\n"
                f"{take + step if living else step + take}"
                "end loop;\n"
                "return walk.v_found;"
            )
            options = f"\n{PREFER_COLUMNS}\n{variables}\n    v_found {array} := v_me;"
            yield self.function(keys, array, options, body, what_keys, generic=True)

    def function(
        self,
        name: Name,
        returns: str,
        options: str,
        body: str,
        what: str,
        *,
        rows: int | None = None,
        generic: bool = False,
    ) -> DesiredFunction:
        """A function of no arguments that reads blindly, as its owner, and cannot be named by those who may execute it.

        One that returns rows promises few: plans would else look dear enough to be compiled, which takes longer than most run.
        `generic` plans its statements once whatever their variables hold: one with a few people seems cheap enough to be planned
        again every time, which takes longer than it runs.
        """
        text = f"{options}\nbegin\n    {sql.indent(body)}\nend;\n"
        tag = dollar_tag(text)
        definition = (
            f"create or replace function {qualified(name)}()\n"
            f"    returns {returns}\n"
            "    language plpgsql\n"
            "    stable\n"
            f"    parallel safe\n{f'    rows {rows}' + chr(10) if rows else ''}"
            "    security definer\n"
            "    set search_path = pg_catalog, pg_temp\n"
            f"{'    set plan_cache_mode = force_generic_plan' + chr(10) if generic else ''}"
            f"as {tag}{text}{tag}"
        )
        comment = f"{what} [pgerase lookup]"
        return DesiredFunction(name, "", self.naming.lookup, definition, (self.naming.viewer,), comment)

    def view(self, name: Name, query: str, comment: str, *, readable: bool = True) -> DesiredView:
        """A blind view; `readable` by viewers where policies name it."""
        sql.assert_query(query)
        return DesiredView(name, self.naming.lookup, query, (self.naming.viewer,) if readable else (), comment)

    # Decisions and requirements -----------------------------------------------------------------------------------

    def decision_views(self) -> tuple[DesiredView, ...]:
        """A view for every decision that is asked for, found again and again until none is new."""
        made: dict[tuple[str, Action], str] = {}
        while pending := [key for key in sorted(self.facts.may) if key not in made]:
            for name, action in pending:
                resource = self.rules.resource(name)
                env = row_env("r", as_set=True)
                made[name, action] = sql.formula_text(
                    self.decisions.whole(resource, action, env, new=action is Action.INSERT)
                )
        views: list[DesiredView] = []
        for (name, action), condition in made.items():
            resource = self.rules.resource(name)
            columns = _all_columns(self.facts.may[name, action])
            views.append(
                self.view(
                    self.naming.may(action, name),
                    _rows_where(resource, columns, condition),
                    f"Rows of {name} that the viewer may finally {action}.",
                )
            )
        return tuple(views)

    def requirement_views(self) -> tuple[DesiredView, ...]:
        """A view of the rows that meet a requirement passed on, for every one that children ask for."""
        made: dict[tuple[str, str], str] = {}
        while pending := [key for key in sorted(self.facts.meets) if key not in made]:
            for name, requirement_name in pending:
                resource = self.rules.resource(name)
                requirement = next(one for one in resource.requirements if one.name == requirement_name)
                # `who` is asked once, at the place of use: here only whether the rows hold.
                formula = self.decisions.requirement(
                    resource, replace(requirement, who=None), row_env("r", as_set=True)
                )
                made[name, requirement_name] = sql.formula_text(formula)
        views: list[DesiredView] = []
        for (name, requirement_name), condition in made.items():
            columns = _all_columns(self.facts.meets[name, requirement_name])
            views.append(
                self.view(
                    self.naming.meets(name, requirement_name),
                    _rows_where(self.rules.resource(name), columns, condition),
                    f"Rows of {name} that meet requirement {requirement_name}.",
                )
            )
        return tuple(views)

    # People -------------------------------------------------------------------------------------------------------

    def group_views(self) -> tuple[DesiredView, ...]:
        """A view of members for every group that is asked for."""
        people = self.rules.people
        views: list[DesiredView] = []
        for group in self.rules.groups:
            if group.name not in self.facts.groups or people is None:
                continue
            env = Env(person="p", taken=frozenset({"p"}))
            key = self.facts.person(people.key.name)
            ways: list[sql.Formula] = []
            if group.criteria is not None:
                ways.append(self.emitter.truth(group.criteria, env, positive=True))
            if group.keys is not None and group.keys.items:
                ways.append(sql.Atom(f"p.{key} in ({', '.join(group.keys.items)})"))
            if group.member_table is not None:
                ways.append(sql.Atom(self.listed(group, f"p.{key}", env)))
            conditions = [sql.disjunction(ways)]
            if not group.include_inactive:
                conditions += self.in_force(people, env)
            query = sql.select(f"p.{key}", [f"{self.person} p"], texts(conditions))
            views.append(self.view(self.naming.view("group", group.name), query, f"Members of group {group.name}."))
        return tuple(views)

    def listed(self, group: bound.BoundGroup, key: str, env: Env) -> str:
        """The person is listed in the group's table."""
        assert group.member_table is not None
        alias, inside = env.fresh("m")
        inside = replace(inside, member=alias)
        columns = {group.member_value, *member_columns(group.member_where)}
        view = self.facts.read(group.member_table, columns, decides_people=True)
        held = self.emitter.conjuncts(group.member_where, inside, positive=True)
        return sql.exists(sql.select("", [f"{view} {alias}"], [f"{alias}.{ident(group.member_value)} = {key}", *held]))

    @property
    def person(self) -> str:
        """The view of all people."""
        return qualified(self.naming.view("person"))

    def in_force(self, people: bound.BoundPeople, env: Env) -> list[sql.Formula]:
        """The person is not erased and is active, both known (6)."""
        return [*self.not_erased(people, env), self.emitter.truth(people.active, env, positive=True)]

    def not_erased(self, people: bound.BoundPeople, env: Env) -> list[sql.Formula]:
        """The person is known not to be erased."""
        if people.erased is None:
            return []
        text = sql.formula_text(self.emitter.truth(people.erased, env, positive=False))
        return [sql.Atom(f"{sql.block('(', text, ')')} is false")]

    def people_views(self) -> tuple[DesiredView, ...]:
        """People and the viewer; reach too where it is a tree of roles."""
        people = self.rules.people
        assert people is not None
        env = Env(person="p", taken=frozenset({"p"}))
        key = self.facts.person(people.key.name)
        presented = key_from_text(f"(select {ident(self.naming.api)}.current_viewer())", people.key.base_type)
        if presented is None:
            raise InternalError(f"unsupported key type {people.key.base_type} was not refused when binding")
        in_force = texts(self.in_force(people, env))
        living = texts(self.not_erased(people, env))
        below = None if people.manager is None else self.below(people.manager, env)
        columns = sorted(self.facts.person_columns)
        listed = ", ".join(f"p.{ident(column)}" for column in columns)
        table = qualified(people.table.name)
        self.facts.authority.setdefault(people.table.name, set()).update(columns)
        me, reach = self.naming.view("me"), self.naming.view("reach")
        everybody = sql.select(listed, [f"{table} p"], [])
        presented_row = sql.select(listed, [f"{self.person} p"], [f"p.{key} = {sql.indent(presented)}", *in_force])
        views = [
            self.view(self.naming.view("person"), everybody, "People, as far as decisions read them."),
            self.view(
                me, presented_row, "The viewer's own row; empty unless the identity is valid and the person active."
            ),
        ]
        if isinstance(below, Nodes):
            query = self.role_reach_query(qualified(me), below, columns, living)
            views.append(self.view(reach, query, "The viewer and everyone below."))
        return tuple(views)

    def below(self, manager: str | bound.BoundTree, env: Env) -> str | Nodes:
        """What the walk downwards reads: the identifier of the manager's column, or the tree and how people (p) stand in it."""
        if isinstance(manager, str):
            return self.facts.person(manager)
        tree = self.facts.read(manager.table, {manager.key, manager.up}, decides_people=True)
        *before, last = manager.hops
        alias, sources, conditions, _ = self.emitter.chain("p", tuple(before), Side.PERSON, env, last.columns[0])
        if not before:
            self.facts.person(last.columns[0])
        standing = (f"{alias}.{ident(last.columns[0])}", tuple(sources), tuple(conditions))
        return Nodes(tree, ident(manager.key), ident(manager.up), *standing)

    def role_reach_query(self, me: str, nodes: Nodes, columns: list[str], living: list[str]) -> str:
        """The viewer and everybody whose role lies below his: roles are walked, which are few, and people joined once (7)."""
        listed = ", ".join(f"p.{ident(column)}" for column in columns)
        # A role that is not there is nobody's place in the tree, whatever points to it.
        start = sql.select(
            f"t.{nodes.key}, t.{nodes.key}",
            [f"{me} p", *nodes.sources, f"{nodes.tree} t"],
            [*nodes.conditions, f"t.{nodes.key} = {nodes.role}"],
        )
        step = sql.select(f"t.{nodes.key}, b.top", ["below b", f"join {nodes.tree} t on t.{nodes.up} = b.role"], [])
        # Where roles form a circle the walk comes back to where it began, and still peers are nobody's people.
        people = sql.select(
            listed,
            ["below b", f"{self.person} p", *nodes.sources],
            [*nodes.conditions, f"{nodes.role} = b.role", "b.role <> b.top", *living],
        )
        walk = f"with recursive below (role, top) as (\n    {sql.indent(start)}\n    union\n    {sql.indent(step)}\n)"
        return f"{walk}\n{sql.select(listed, [f'{me} p'], [])}\nunion all\n{people}"

    # Facts --------------------------------------------------------------------------------------------------------

    def fact_views(self) -> tuple[DesiredView, ...]:
        """One view a table that conditions look something up in, with the columns they read."""
        views: list[DesiredView] = []
        for table in sorted(self.facts.tables):
            columns = ", ".join(f"t.{ident(column)}" for column in sorted(self.facts.tables[table]))
            query = sql.select(columns, [f"{qualified(table)} t"], [])
            views.append(self.view(self.naming.fact(table), query, f"{table}, as far as conditions read it."))
        return tuple(views)


def _rows_where(resource: bound.BoundResource, columns: tuple[str, ...], condition: str) -> str:
    listed = ", ".join(f"r.{ident(column)}" for column in columns)
    where = "" if condition == "true" else f"\nwhere {sql.indent(condition)}"
    return f"select {listed}\nfrom {qualified(resource.table.name)} r{where}"


def _all_columns(keys: set[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({column for key in keys for column in key}))


def texts(formulas: list[sql.Formula]) -> list[str]:
    """Formulas as texts that are safe next to AND."""
    made: list[str] = []
    for formula in formulas:
        text = sql.formula_text(formula)
        if text != "true":
            made.append(sql.block("(", text, ")") if isinstance(formula, sql.Or) and formula.parts else text)
    return made
