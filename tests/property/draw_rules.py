"""Draws rule files as plain data, ready to be written as YAML: every operator, operand and combinator, in every place.

Most of what it draws binds; what the compiler refuses is counted by the caller.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any

from pgerase.rules.names import Step, TableColumns, TableName, quote_part
from tests.property.draw_data import DAYS, STATES, TITLES, Pools, json_key
from tests.property.world import PEOPLE, RESERVED, TABLES, Col, Look, Variant

Condition = dict[str, Any]

_FAMILY = {
    "int": "number", "small": "number", "big": "number", "num": "number", "dbl": "number",
    "text": "text", "ctext": "text", "vc": "text", "ch": "text", "dom": "text",
    "texts": "text", "ints": "number",
}  # fmt: skip
_TEXT = {"text", "ctext", "vc", "ch", "dom", "cit", "texts"}
_ORDERED = {"int", "small", "big", "num", "dbl", "ctext", "date", "tstz", "ts", "ints"}
_TIMES = {"date", "tstz", "ts"}
_MANY = {"texts", "ints"}
_LOOKUPS = (
    ("team region", (("team",), ("region",))),
    ("dept_budget", (("team",), ("dept",), ("budget",))),
    ("boss of boss", (("manager",), ("manager",), ("region",))),
    ("home_name", (("home",), ("region",))),
    ("team tags", (("team",), ("tags",))),
    ("lead", (("team",), ("lead",))),
)
_POINTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "one person": (("account",), ("person",), ("task",), ("account", "step")),
    "below": (("account",), ("territory",), ("person",), ("tmember",)),
    "set": (),
    "group": (),
    "combine": (("account", "task"), ("account", "event"), ("task", "step"), ("person", "log"), ("team", "account")),
}
"""What pointed files are about, and the tables that are good for it; none: any."""
_SHARED = {"region", "num", "bool", "key.team"}
ACTIONS = ("read", "insert", "update", "delete")


@dataclass(frozen=True)
class Attribute:
    """What `{viewer: …}` may name: its kind and domain, and, for a relation, the table its members are in."""

    name: str
    kind: str
    domain: str
    relation: str = ""


@dataclass(frozen=True)
class Scope:
    """Where a condition stands."""

    table: str
    person: bool = False
    groups: bool = False
    viewer: bool = False
    row: str = ""
    can: bool = False


WHO = Scope(PEOPLE, person=True, groups=True, viewer=True)


@dataclass
class Drawn:
    """A rule file and which tables are its resources."""

    spec: dict[str, Any]
    resources: tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """What an operand has to be to stand beside a column."""

    column: Col
    operator: str
    single: bool
    one_of_many: bool

    def fits(self, kind: str, *, many: bool) -> bool:
        """Whether something of that kind compares; `many`: it is a relation."""
        many = many or kind in _MANY
        ordered = self.operator in ("lt", "le", "gt", "ge", "between")
        return (
            _FAMILY.get(kind, kind) == _FAMILY.get(self.column.kind, self.column.kind)
            and not (self.single and many)
            and (many or not self.one_of_many)
            and (kind == "ctext" or not (ordered and self.column.kind == "ctext"))
        )


@dataclass
class RuleDrawer:
    """Draws one rule file: a `pointed` one of few rules, each of a kind that is easily got wrong, or one of anything."""

    rng: Random
    variant: Variant
    pools: Pools
    roles: tuple[str, ...]
    attributes: list[Attribute] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    named: dict[str, Condition] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset({"admin"})
    earlier: tuple[str, ...] = ()
    point: str = ""
    """What a pointed file is about; empty for one of anything."""

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    # -- the file ------------------------------------------------------------------------------------------------------

    def draw(self) -> Drawn:
        rng = self.rng
        self.point = rng.choice([*_POINTS]) if self.chance(0.55) else ""
        spec: dict[str, Any] = {"version": 1, "references": self.references(), "viewers": self.viewers()}
        if self.chance(0.7) or self.point == "group":
            spec["groups"] = self.draw_groups()
        names = self.choose_resources()
        spec["resources"] = {}
        for number, name in enumerate(names):
            self.earlier = tuple(names[:number])
            spec["resources"][self.resource_name(name)] = self.resource(name, names)
        if self.named:
            spec["conditions"] = self.named
        if self.chance(0.3):
            column = rng.choice(("region", "title", "manager"))
            who = "everyone" if self.chance(0.3) else self.condition(WHO, 1)
            spec["authority"] = {self.columns(PEOPLE, column): who}
        return Drawn(spec, tuple(names))

    def table(self, name: str) -> str:
        return str(TableName(self.variant.n(name), self.variant.n("schema")))

    def columns(self, table: str, *columns: str) -> str:
        """One side of a reference."""
        name = TableName(self.variant.n(table), self.variant.n("schema"))
        return str(TableColumns(name, tuple(self.variant.n(column) for column in columns)))

    def plain(self, name: str) -> str:
        """A single name as rule files spell it."""
        return quote_part(self.variant.n(name))

    def resource_name(self, table: str) -> str:
        return f"the {table}s" if self.variant.hostile else table

    def references(self) -> dict[str, str]:
        return {
            self.columns(table.name, *look.columns): self.columns(look.target, *look.target_columns)
            for table in TABLES.values()
            for look in table.lookups
            if not look.declared
        }

    def choose_resources(self) -> list[str]:
        """Connected tables in an order in which each may inherit from those before it."""
        rng = self.rng
        if _POINTS.get(self.point):
            return list(rng.choice(_POINTS[self.point]))
        order = [
            "territory",
            "dept",
            "team",
            "person",
            "account",
            "deal",
            "task",
            "event",
            "log",
            "step",
            "member",
            "tmember",
            "glist",
        ]
        weights = {"account": 0.9, "task": 0.75, "step": 0.6, "log": 0.5, "event": 0.5, "deal": 0.5, "person": 0.45}
        # Few, so that what they become stays small: a file of a dozen tells no more than several of four.
        wanted = rng.choices((1, 2, 3, 4), (4, 5, 1, 0) if self.point else (1, 4, 5, 1))[0]
        picked = rng.choices(list(weights), list(weights.values()))
        while len(picked) < wanted:
            near = [look.target for name in picked for look in TABLES[name].lookups]
            near += [table.name for table in TABLES.values() if any(look.target in picked for look in table.lookups)]
            near = [name for name in near if name not in picked] or [name for name in order if name not in picked]
            picked.append(rng.choice([*near, *(name for name in near if name in weights)]))
        chosen = [name for name in order if name in picked]
        if self.chance(0.25):
            rng.shuffle(chosen)
        return chosen

    # -- viewers and groups --------------------------------------------------------------------------------------------

    def viewers(self) -> dict[str, Any]:
        viewers: dict[str, Any] = {"table": self.table(PEOPLE), "key": self.plain("id"), "identity": "setting"}
        viewers |= self.states()
        if self.chance(0.75):
            viewers["super_admin"] = {self.variant.path((("admin",),)): True}
        if self.chance(0.8):
            viewers["manager"] = self.plain("manager")
        elif self.chance(0.5):
            # People's homes as roles, or those of their managers: nodes, missing ones and circles are drawn as for `below`.
            through = self.rng.choice(((("home",),), (("manager",), ("home",))))
            viewers["manager"] = {"through": self.variant.path(through), "up": self.plain("parent")}
        for column in TABLES[PEOPLE].columns:
            if column.name not in self.hidden:
                self.attributes.append(Attribute(self.plain(column.name), column.kind, column.domain))
        self.attributes += [Attribute("key", "key", "key.person")] * 3
        declared = self.declared()
        if declared:
            viewers["attributes"] = declared
        return viewers

    def states(self) -> dict[str, Condition]:
        """Who is active, who is erased."""
        plain = Scope(PEOPLE, person=True)
        status = self.variant.path((("status",),))
        found: dict[str, Condition] = {}
        if self.chance(0.8):
            found["active"] = {status: "ACTIVE"}
        elif self.chance(0.3):
            found["active"] = self.condition(plain, 1)
        if self.chance(0.6):
            found["erased"] = {status: "ERASED"}
        elif self.chance(0.2):
            found["erased"] = {"all": [{status: "ERASED"}, self.condition(plain, 0)]}
        return found

    def declared(self) -> list[Any]:
        """Attributes: columns, lookups, relations."""
        declared: list[Any] = [self.plain("region")] if self.chance(0.3) else []
        for name, steps in _LOOKUPS:
            if self.chance(0.35):
                declared.append({name: self.variant.path(steps)})
                end = self.end(PEOPLE, steps)
                self.attributes += [Attribute(name, end.kind, end.domain)] * 2
        return declared + self.relations()

    def end(self, table: str, steps: tuple[tuple[str, ...], ...]) -> Col:
        for step in steps[:-1]:
            table = next(look.target for look in TABLES[table].lookups if look.columns == step)
        return TABLES[table].col(steps[-1][0])

    def relations(self) -> list[dict[str, Any]]:
        """Relations people draw up, some of them resting on others, and one of any kind."""
        found: dict[str, Any] = {}
        for share, name, table, value, where, weight in self.usual_relations():
            is_due = self.chance(share * (1.6 if self.point else 1)) or (name, self.point) == ("territories", "below")
            if is_due and (name != "mates" or "accounts" in found):
                below = name == "territories" and (self.chance(0.7) or self.point == "below")
                extra = self.test(Scope(table, viewer=True)) if name == "accounts" and self.chance(0.25) else {}
                found[name] = self.relation(name, table, value, where | extra, below=below, weight=weight)
        if self.chance(0.2):
            where = self.condition(Scope("team"), 0) if self.chance(0.7) else None
            found["known teams"] = self.relation("known teams", "team", "id", where)
        if self.chance(0.3):
            table = self.rng.choice([*TABLES])
            columns = [one for one in TABLES[table].columns if one.kind not in _MANY and one.name not in self.hidden]
            value = self.rng.choice(columns)
            below = value.domain == "key.territory" and self.chance(0.6)
            where = self.condition(Scope(table, viewer=True), 1)
            found["any 'thing'"] = self.relation("any 'thing'", table, value.name, where, below=below)
        return [{name: relation} for name, relation in found.items()]

    def usual_relations(self) -> tuple[tuple[float, str, str, str, Condition, int], ...]:
        """How often, name, table, value, where, weight."""
        path = self.variant.path

        def mine(column: str) -> Condition:
            return {path(((column,),)): {"eq": {"viewer": "key"}}}

        same_accounts = {path((("account",),)): {"in": {"viewer": "accounts"}}}
        same_team = {path((("owner",), ("team",))): {"eq": {"viewer": self.plain("team")}}}
        return (
            (0.8, "accounts", "member", "account", mine("person"), 5),
            (0.45, "territories", "tmember", "territory", mine("person"), 4),
            (0.45, "mates", "member", "person", same_accounts, 3),
            (0.25, "owned", "account", "id", mine("owner"), 3),
            (0.25, "regions", "account", "region", same_team, 2),
            (0.2, "sizes", "account", "size", mine("owner"), 2),
            (0.15, "dates", "member", "since", mine("person"), 2),
            (0.15, "states", "task", "state", mine("assignee"), 2),
        )

    def relation(
        self, name: str, table: str, value: str, where: Condition | None, *, below: bool = False, weight: int = 2
    ) -> dict[str, Any]:
        """One relation; conditions drawn from now on may name it, the likelier the greater its weight."""
        relation: dict[str, Any] = {"from": self.table(table)}
        if where is not None:
            relation["where"] = where
        relation["value"] = self.plain(value)
        if below:
            relation["below"] = self.columns("territory", "parent")
        column = TABLES[table].col(value)
        self.attributes += [Attribute(name, column.kind, column.domain, table)] * weight
        return relation

    def draw_groups(self) -> dict[str, Any]:
        groups: dict[str, Any] = {}
        for number in range(self.rng.randint(1, 3)):
            group: dict[str, Any] = {}
            if self.chance(0.6):
                anything = Scope(PEOPLE, person=True, viewer=True)
                group["criteria"] = self.pointed_test() if self.point else self.condition(anything, 1)
            if not group or self.chance(0.5):
                if self.chance(0.45):
                    group["members"] = [
                        json_key(self.variant, PEOPLE, self.rng.choice((0, 1, 2, 3, 4, 5, 90)))
                        for _ in range(self.rng.randrange(4))
                    ]
                else:
                    group["members"] = {"from": self.table("glist"), "value": self.plain("person")}
                    if self.chance(0.7):
                        group["members"]["where"] = self.condition(Scope("glist"), 1)
            if self.chance(0.3):
                group["include_inactive"] = True
            groups[f"group {number}"] = group
        self.groups = list(groups)
        return groups

    # -- resources -----------------------------------------------------------------------------------------------------

    def resource(self, name: str, names: list[str]) -> dict[str, Any]:
        drawn: dict[str, Any] = {
            "table": self.table(name),
            "everyone": self.rng.choices(("none", "read", "write"), (12 if self.point else 7, 2, 1.2))[0],
        }
        rows = Scope(name, viewer=True, row=name, can=True)
        inherits = self.parents(name)
        if self.may_pass_on(name, names) and self.chance(0.45):
            drawn["passes_on"] = True
        rules = self.rules(rows)
        if rules:
            drawn["rules"] = rules
        requirements = [self.requirement(number, rows) for number in range(self.rng.choices((0, 1, 2), (6, 3, 1))[0])]
        if requirements:
            drawn["require"] = requirements
        if inherits:
            drawn["inherits"] = inherits
            if self.chance(0.5) or self.point == "combine":
                drawn["combine"] = self.combine(["own", *inherits])
        return drawn

    def parents(self, name: str) -> dict[str, str]:
        """Resources that come before, and the lookups that lead to them."""
        several = self.chance(0.3)
        found: dict[str, str] = {}
        for look in TABLES[name].lookups:
            parent = self.resource_name(look.target)
            fits = look.target in self.earlier and look.target != name and parent not in found
            if fits and (several or self.point == "combine" or self.chance(0.55)):
                found[parent] = self.step(look)
        return found

    def rules(self, rows: Scope) -> list[dict[str, Any]]:
        """Some rules, some of them of one shape, and now and then one for a role."""
        rng = self.rng
        if self.point:
            rules = [self.pointed_rule(rows)]
        else:
            rules = [self.rule(rows) for _ in range(rng.choices((0, 1, 2, 3), (1, 5, 4, 1))[0])]
        for rule in list(rules):
            if self.chance(0.35):
                rules += self.alike(rule)
        rng.shuffle(rules)
        for number, rule in enumerate(rules):
            rule["name"] = rng.choice((f"r{number}", f"o'rule {number} $$ --", f"{'é' * 40} {number}"))
        if self.chance(0.22):
            rule = self.rule(replace(rows, viewer=False, can=False))
            rule |= {"name": "visitors", "who": {"role": rng.choice((self.roles[0], list(self.roles)))}}
            rules.append(rule)
        return rules

    def another_rule(self, table: str) -> dict[str, Any]:
        """One more rule for a resource, for everybody and by what every file knows of people."""
        self.viewers()
        declared = {name for name, _ in _LOOKUPS}
        self.attributes = [one for one in self.attributes if not one.relation and one.name not in declared]
        rule = self.rule(Scope(table, viewer=True, row=table)) | {"name": "one more"}
        if "use" in rule.get("rows", {}):
            rule["rows"] = self.named[rule["rows"]["use"]]
        return rule

    def may_pass_on(self, name: str, names: list[str]) -> bool:
        """Everybody with a lookup here comes later, and has only one."""
        for number, other in enumerate(names):
            looks = [look for look in TABLES[other].lookups if look.target == name]
            if other != name and looks and (len(looks) > 1 or number < names.index(name)):
                return False
        return True

    def step(self, look: Look) -> str:
        return str(Step(tuple(self.variant.n(column) for column in look.columns)))

    def pointed_rule(self, rows: Scope) -> dict[str, Any]:
        """A rule that ties people and rows together by one equality or two, or by a set."""
        rng = self.rng
        rule: dict[str, Any] = {"name": "to be named"}
        if self.point == "group" or self.chance(0.3):
            rule["who"] = self.pointed_who()
        tied = self.tied(rows)
        if tied:
            rule["rows"] = tied
            if self.chance(0.2):
                rule["rows"] |= self.test(replace(rows, viewer=False))
        rule["can"] = ["write"] if self.chance(0.6) else ["read", rng.choice(ACTIONS[1:])]
        if self.chance(0.1):
            rule["hierarchy"] = False
        return rule

    def tied(self, rows: Scope) -> Condition:
        """Columns that equal attributes of people, by what the file is about; empty where the table has none such."""
        rng = self.rng
        ties = self.ties(rows)
        if self.point == "one person":
            # One and the same person has to fit both: values that several people share tell whether it is.
            shared = [(column, one) for column, one in ties if column.domain in _SHARED and not one.relation]
            return {
                self.variant.path(((column.name,),)): {"eq": {"viewer": attribute.name}}
                for column, attribute in rng.choices(shared or ties, k=2)
            }
        if self.point == "below":
            ties = [(column, one) for column, one in ties if one.name == "territories"]
        elif self.point == "set":
            ties = [(column, one) for column, one in ties if one.relation] or ties
        if not ties or (self.point in ("group", "combine") and self.chance(0.3)):
            return {}
        column, attribute = rng.choice(ties)
        return {self.variant.path(((column.name,),)): self.tie(rows, column, attribute)}

    def pointed_who(self) -> Condition:
        """About half of the people, unknown for some."""
        if self.groups and (self.point == "group" or self.chance(0.45)):
            group = {"group": self.rng.choice(self.groups)}
            return {"not": group} if self.chance(0.2) else group
        test = self.pointed_test()
        return {"not": test} if self.chance(0.15) else test

    def pointed_test(self) -> Condition:
        name = self.rng.choice(("title", "region", "level", "vip", "joined", "score"))
        column, path = TABLES[PEOPLE].col(name), self.variant.path(((name,),))
        if column.kind in ("int", "date", "num"):
            return {path: {self.rng.choice(("ge", "lt", "ne")): self.literal(column)}}
        return {path: self.literal(column) if self.chance(0.5) else [self.literal(column), self.literal(column)]}

    def ties(self, rows: Scope) -> list[tuple[Col, Attribute]]:
        """Columns of the table with attributes of people that say the same."""
        return [
            (column, attribute)
            for column in TABLES[rows.table].columns
            for attribute in self.attributes
            if column.domain == attribute.domain
            and Wanted(column, "eq", single=False, one_of_many=False).fits(
                attribute.kind, many=bool(attribute.relation)
            )
        ]

    def tie(self, rows: Scope, column: Col, attribute: Attribute) -> dict[str, Any]:
        operand: dict[str, Any] = {"viewer": attribute.name}
        if attribute.relation and self.chance(0.3):
            operand["where"] = self.condition(Scope(attribute.relation, viewer=True, row=rows.row), 0)
        words = ("eq", "eq", "in", "in", "ne", "not_in") if attribute.relation else ("eq", "eq", "eq", "in", "ne")
        return {self.rng.choice(words): operand}

    def rule(self, rows: Scope) -> dict[str, Any]:
        rng = self.rng
        rule: dict[str, Any] = {"name": "to be named"}
        if self.chance(0.45):
            rule["who"] = self.condition(WHO, 1)
        if self.chance(0.88):
            rule["rows"] = self.named_or(self.condition(rows, 2))
        can = ["write"] if self.chance(0.5) else sorted(rng.sample(ACTIONS, rng.choices((1, 2, 3), (4, 3, 2))[0]))
        if "read" not in can and can != ["write"] and self.chance(0.5):
            can.append("read")
        rule["can"] = can
        if can != ["read"] and set(can) & {"write", "insert", "update"} and self.chance(0.25):
            rule["becomes"] = self.condition(rows, 1)
        if self.chance(0.25):
            rule["hierarchy"] = False
        return rule

    def named_or(self, condition: Condition) -> Condition:
        if not self.chance(0.1):
            return condition
        name = f"cond {len(self.named)}"
        self.named[name] = condition
        return {"use": name}

    def alike(self, rule: dict[str, Any]) -> list[dict[str, Any]]:
        """Rules of the same shape with other constants."""
        made = []
        for _ in range(self.rng.randint(1, 2)):
            other = copy.deepcopy(rule)
            for part in ("who", "rows", "becomes"):
                if part in other:
                    other[part] = self.vary(other[part])
            made.append(other)
        return made

    def vary(self, node: Any) -> Any:
        """The same with other literals of the same pools, where that is easily told."""
        if isinstance(node, dict):
            return {
                key: value
                if key in ("viewer", "row", "group", "use", "logic", "can", "ago", "ahead")
                else self.vary(value)
                for key, value in node.items()
            }
        if isinstance(node, list):
            return [self.vary(item) for item in node]
        for pool in (self.pools.texts, TITLES, STATES):
            if node in pool and isinstance(node, str):
                return self.rng.choice(pool)
        if isinstance(node, int) and not isinstance(node, bool) and -1 <= node < 4:
            return self.rng.randrange(4)
        return node

    def requirement(self, number: int, rows: Scope) -> dict[str, Any]:
        rng = self.rng
        drawn: dict[str, Any] = {"name": f"must {number}", "rows": self.likely(self.condition(rows, 1))}
        if self.chance(0.45):
            drawn["who"] = self.condition(WHO, int(self.chance(0.3)))
        if self.chance(0.5):
            drawn["can"] = sorted(rng.sample(ACTIONS, rng.randint(1, 2)))
        if self.chance(0.4):
            drawn["passes_on"] = True
        return drawn

    def likely(self, condition: Condition) -> Condition:
        """Requirements that leave nothing over prove little, and the contrary of a test mostly holds."""
        if self.chance(0.45):
            return {"not": condition}
        return condition

    def combine_who(self) -> Condition:
        if self.point == "combine":
            # Unknown for whoever has no team, no manager, or none with a region.
            steps = self.rng.choice((("region",), ("team", "region"), ("manager", "title"), ("manager", "region")))
            end = TABLES[PEOPLE].col(steps[-1])
            return {
                self.variant.path(tuple((step,) for step in steps)): {self.rng.choice(("eq", "ne")): self.literal(end)}
            }
        if self.point or self.chance(0.4):
            return self.pointed_test()
        return self.condition(WHO, int(self.chance(0.25)))

    def combine(self, terms: list[str]) -> list[dict[str, Any]]:
        entries = [
            {
                "name": f"entry {number}",
                "who": self.condition(WHO, int(self.chance(0.25))),
                "expression": self.expression(terms, 1),
            }
            for number in range(self.rng.choices((0, 1, 2), (0, 5, 1) if self.point else (3, 5, 1))[0])
        ]
        if not entries or self.chance(0.3):
            entries.append({"name": "the rest", "expression": self.expression(terms, 2)})
        return entries

    def expression(self, terms: list[str], depth: int) -> str:
        if depth == 0 or self.chance(0.4):
            term = self.rng.choice(terms)
            return f'"{term}"' if " " in term else term
        word = self.rng.choice((" and ", " or "))
        return f"({word.join(self.expression(terms, depth - 1) for _ in range(2))})"

    # -- conditions ----------------------------------------------------------------------------------------------------

    def condition(self, scope: Scope, depth: int) -> Condition:
        rng = self.rng
        form = rng.choices(
            ("test", "two", "all", "any", "not", "terms"),
            (6, 1, 1.2, 1.4, 1.3, 0.6) if depth > 0 else (1, 0.15, 0, 0, 0, 0),
        )[0]
        if form == "test":
            return self.leaf(scope)
        if form == "two":
            return self.leaf(scope) | self.leaf(scope)
        if form == "not":
            return {"not": self.condition(scope, depth - 1)}
        if form == "terms":
            letters = {letter: self.condition(scope, 0) for letter in ("A", "B", "C")[: rng.randint(2, 3)]}
            logic = {
                2: ("A and not B", "A or B", "not (A and B)"),
                3: ("A and (B or not C)", "A or (B and C)", "not A or (B and not C)"),
            }
            return {"terms": letters, "logic": rng.choice(logic[len(letters)])}
        return {form: [self.condition(scope, depth - 1) for _ in range(rng.choices((1, 2, 3), (1, 5, 2))[0])]}

    def leaf(self, scope: Scope) -> Condition:
        if scope.groups and self.groups and self.chance(0.3):
            return {"group": self.rng.choice((self.rng.choice(self.groups), self.groups[:2]))}
        if scope.can and self.chance(0.12):
            can = self.can(scope.table)
            if can:
                return can
        return self.test(scope)

    def can(self, table: str) -> Condition | None:
        """`{can: …}` towards a resource that comes before, through one lookup or two."""
        choices = [
            (look.columns,) for look in TABLES[table].lookups if look.target in self.earlier and look.target != table
        ]
        choices += [
            (first.columns, second.columns)
            for first in TABLES[table].lookups
            for second in TABLES[first.target].lookups
            if second.target in self.earlier and second.target != table
        ]
        if not choices:
            return None
        return {self.variant.path(self.rng.choice(choices)): {"can": self.rng.choices(ACTIONS, (5, 1, 2, 1))[0]}}

    def walk(self, table: str, most: int = 3) -> tuple[tuple[tuple[str, ...], ...], Col]:
        """A path to a column, and that column."""
        rng = self.rng
        steps: list[tuple[str, ...]] = []
        for _ in range(rng.choices(range(most + 1), (60, 25, 10, 5)[: most + 1])[0]):
            if not TABLES[table].lookups:
                break
            look = rng.choice(TABLES[table].lookups)
            steps.append(look.columns)
            table = look.target
        columns = [column for column in TABLES[table].columns if column.name not in self.hidden]
        column = rng.choice(columns)
        if not column.domain.startswith("key.") and self.chance(0.3):
            column = rng.choice(columns)
        return (*steps, (column.name,)), column

    def test(self, scope: Scope) -> Condition:
        rng = self.rng
        path, column = self.walk(scope.table)
        text = self.variant.path(path)
        many = column.kind in _MANY
        # In `who` and the like, attributes that were declared may be tested by name.
        if scope.person and self.attributes and self.chance(0.2):
            attribute = rng.choice(self.attributes)
            if attribute.name != "key" and not self.circular(scope, attribute):
                text, column, many = (
                    attribute.name,
                    Col("", attribute.kind, attribute.domain),
                    attribute.kind in _MANY or bool(attribute.relation),
                )
                if text in RESERVED:
                    text = f'"{text}"'
                return self.tested(scope, text, column, many, relation=bool(attribute.relation))
        return self.tested(scope, text, column, many)

    def circular(self, scope: Scope, attribute: Attribute) -> bool:
        """Relations in conditions that people are drawn for before relations are there."""
        return not scope.groups and bool(attribute.relation) and not scope.viewer

    def tested(self, scope: Scope, text: str, column: Col, many: bool, relation: bool = False) -> Condition:
        rng = self.rng
        operator = self.operator(column, many, nulls=not relation)
        if operator in ("is_null", "is_set"):
            return {text: {operator: self.chance(0.8)}}
        if operator == "between":
            return {text: {"between": [self.single(scope, column), self.single(scope, column)]}}
        lists = {"in", "not_in", "overlaps"}
        reference = None
        if self.chance(0.55 if scope.viewer or scope.row else 0):
            reference = self.reference(scope, column, many, operator)
        if reference is None and column.kind in _TIMES and self.chance(0.45) and operator not in lists:
            reference = self.relative()
        if reference is not None:
            return {text: {operator: reference}}
        if operator in lists or (operator in ("contains", "starts_with", "ends_with") and self.chance(0.2)):
            values = [self.literal(column) for _ in range(rng.choices((0, 1, 2, 3), (1, 3, 4, 2))[0])]
            return {text: values} if operator == "in" and self.chance(0.5) else {text: {operator: values}}
        value = self.literal(column)
        if operator in ("contains", "starts_with", "ends_with") and isinstance(value, str) and not many and value:
            value = {"contains": value[1:3], "starts_with": value[:2], "ends_with": value[-2:]}[operator] or value
        return {text: value} if operator == "eq" and self.chance(0.5) else {text: {operator: value}}

    def operator(self, column: Col, many: bool, *, nulls: bool) -> str:
        words = ["eq"] * 5 + ["ne", "in", "in", "not_in"]
        if nulls and not column.required:
            words += ["is_null", "is_set"]
        if column.kind in _ORDERED or (
            column.kind == "key" and self.variant.keys != "text" and not column.domain.startswith("key.")
        ):
            words += ["lt", "le", "gt", "ge", "between", "between"]
        if column.kind in _TEXT:
            words += ["contains", "starts_with", "ends_with"]
        if many:
            words += ["overlaps", "overlaps", "contains"] if column.kind in _MANY | _TEXT else ["overlaps"]
        return self.rng.choice(words)

    def single(self, scope: Scope, column: Col) -> Any:
        """One end of `between`."""
        if column.kind in _TIMES and self.chance(0.5):
            return self.relative()
        if (scope.viewer or scope.row) and column.kind != "ctext" and self.chance(0.3):
            found = self.reference(scope, column, True, "eq", single=True)
            if found is not None:
                return found
        return self.literal(column)

    def relative(self) -> dict[str, str]:
        word = self.rng.choice(("ago", "ahead"))
        return {word: self.rng.choice(("7 days", "1 month", "30 days", "36 hours", "1 year", "2 weeks", "90 minutes"))}

    def reference(self, scope: Scope, column: Col, many: bool, operator: str, *, single: bool = False) -> Any:
        """`{viewer: …}` or `{row: …}` of something that compares with the column, or None."""
        kinds = ["viewer"] * 5 if scope.viewer else []
        if scope.row:
            kinds += ["row"] * (8 if scope.row != scope.table else 1)
        wants = Wanted(column, operator, single=single, one_of_many=operator == "overlaps" and not many)
        if self.rng.choice(kinds) == "viewer":
            return self.viewer_reference(scope, wants)
        return self.row_reference(scope, wants)

    def viewer_reference(self, scope: Scope, wants: Wanted) -> dict[str, Any] | None:
        fits = [one for one in self.attributes if wants.fits(one.kind, many=bool(one.relation))]
        if self.chance(0.85):
            fits = [one for one in fits if one.domain == wants.column.domain]
        if not fits:
            return None
        chosen = self.rng.choice(fits)
        operand: dict[str, Any] = {"viewer": chosen.name}
        if chosen.relation and self.chance(0.4):
            narrowed = Scope(chosen.relation, viewer=True, row=scope.row)
            operand["where"] = self.condition(narrowed, 1 if self.chance(0.3) else 0)
        return operand

    def row_reference(self, scope: Scope, wants: Wanted) -> dict[str, Any] | None:
        for _ in range(6):
            path, end = self.walk(scope.row, 2)
            if wants.fits(end.kind, many=False) and (end.domain == wants.column.domain or self.chance(0.2)):
                return {"row": self.variant.path(path)}
        return None

    def literal(self, column: Col) -> Any:
        kind, domain = column.kind, column.domain
        if domain.startswith("key."):
            return json_key(self.variant, domain[4:], self.rng.choice((0, 1, 2, 3, 90, 100)))
        if kind == "enum":
            return self.rng.choice(STATES)
        if kind == "bool":
            return self.chance(0.5)
        if domain == "time":
            return self.time(kind)
        if domain in ("num", "part", "dealno"):
            return self.number(kind)
        return self.rng.choice(TITLES if domain == "title" else self.pools.texts)

    def time(self, kind: str) -> str:
        day = self.pools.today + timedelta(days=self.rng.choice(DAYS))
        if kind == "date":
            return day.date().isoformat()
        if kind == "ts":
            return day.replace(tzinfo=None).isoformat()
        return self.rng.choice((day.isoformat(), day.replace(tzinfo=None).isoformat(sep=" ")))

    def number(self, kind: str) -> Any:
        if kind in ("num", "dbl") and self.chance(0.3):
            return self.rng.choice((0.5, 1.5, 2.25))
        return self.rng.randrange(4) if self.chance(0.9) else "2"
