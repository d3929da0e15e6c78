"""Random data maps over a random schema, mostly such as the compiler accepts."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from pgerase.rules.names import quote_part
from tests.property.erasing_world import PERSON, SCHEMA, STATES, STATUS, Col, Pointer, Tab, World

SUBJECT = "someone"
GHOST, HEIR = 0, 90
"""Numbers of the people who stand for erased ones, and who are never asked to go."""
NEUTRAL = 0
"""The row that a filled lookup points to."""


@dataclass
class DrawnMap:
    """A map as YAML's values, and what data and checks have to know of it."""

    spec: dict[str, Any]
    neutral: set[tuple[str, str]] = field(default_factory=set)
    """Lookups that are filled with a neutral row's key."""


def draw_map(rng: Random, world: World) -> DrawnMap:
    """A map by chance."""
    return _MapDrawer(rng, world).draw()


class _MapDrawer:
    def __init__(self, rng: Random, world: World) -> None:
        self.rng = rng
        self.world = world
        self.n = world.n
        self.tables: dict[str, dict[str, Any]] = {}
        self.drawn = DrawnMap({})
        self.manager = rng.random() < 0.7
        self.ghost = rng.random() < 0.6
        self.spared: set[str] = set()

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    # The whole --------------------------------------------------------------------------------------------------------

    def draw(self) -> DrawnMap:
        world = self.world
        subject: dict[str, Any] = {
            "table": self.t(PERSON),
            "key": [self.n(one) for one in world.key_columns]
            if len(world.key_columns) > 1
            else self.n(world.key_columns[0]),
            "identifiers": {"email": self.p("email"), "login": self.p("login")},
        }
        if self.manager:
            subject["manager"] = self.p("boss")
        if self.ghost:
            subject["ghost"] = {self.n(world.key_columns[-1]): key_value(world, 1, GHOST)[-1]}
        if world.lifecycle:
            subject["lifecycle"] = {
                "column": self.n("state"),
                "active": STATES[0],
                "inactive": STATES[1],
                "erased": STATES[2],
            }
        # Which tables hang on people decides which paths may end in them.
        linked = {tab.name for tab in world.tabs.values() if tab.links() or tab.identifier}
        for tab in world.tabs.values():
            if tab.name == PERSON:
                self.person(tab)
            else:
                self.child(tab, linked)
        self.answer()
        for tab in world.tabs.values():
            if tab.name in self.tables:
                self.columns(tab)
                # Whether such rows are needed could not be asked of rows that wait for them.
                if any(self.goes_along(tab, one) and one.target in self.deleted() for one in tab.pointers):
                    self.tables[tab.name].pop("owners", None)
        spec: dict[str, Any] = {"version": 1, "subjects": {SUBJECT: subject}}
        if not world.indexed:
            spec["unindexed"] = "scan"
        spec["tables"] = {self.t(name): one for name, one in self.tables.items()}
        none = [self.t(name) for name in world.tabs if name not in self.tables]
        if none:
            spec["none"] = none
        self.drawn.spec = spec
        return self.drawn

    def t(self, table: str) -> str:
        return f"{SCHEMA}.{quote_part(self.n(table))}"

    def p(self, *columns: str) -> str:
        """Columns as a step of a path."""
        names = [quote_part(self.n(one)) for one in columns]
        return ", ".join(names)

    def step(self, pointer: Pointer) -> str:
        listed = self.p(*pointer.columns)
        return f'"{listed}"' if len(pointer.columns) > 1 else listed

    def back(self, table: str, pointer: Pointer) -> str:
        return f"{self.t(table)}({self.p(*pointer.columns)})"

    # Tables -----------------------------------------------------------------------------------------------------------

    def person(self, tab: Tab) -> None:
        made: dict[str, Any] = {"subject": SUBJECT, "rows": self.rows(tab, None, keep=0.6, delete=0.3)}
        (boss,) = tab.own_pointers()
        if boss.action is not None or self.chance(0.4):
            made["links"] = {self.step(boss): {SUBJECT: "key", "rows": self.rows(tab, boss, keep=0.3, delete=0.005)}}
        self.tables[PERSON] = made

    def child(self, tab: Tab, linked: set[str]) -> None:
        links: dict[str, Any] = {}
        for one in tab.links():
            if one.action is not None or self.chance(0.8):
                links[self.step(one)] = self.link(tab, one)
        if tab.identifier and self.unique() and self.chance(0.85):
            by = self.rng.choice(self.unique())
            links[self.p(tab.identifier)] = self.link(
                tab, Pointer((tab.identifier,), PERSON, (by,), None, (tab.identifier,)), by
            )
        for path in self.paths(tab, linked):
            links.setdefault(path, self.link(tab, None))
        if not links:
            if self.chance(0.5):
                self.tables[tab.name] = {}
            return
        made: dict[str, Any] = {"links": links}
        if self.chance(0.3):
            made["rows"] = "keep" if self.chance(0.5) else "delete"
            for link in links.values():
                if isinstance(link, dict) and self.chance(0.5):
                    del link["rows"]
        if any("(" in path for path in links) and self.chance(0.5) and not tab.unique:
            made["owners"] = "last"
        self.tables[tab.name] = made

    def unique(self) -> list[str]:
        """Identifiers that can be linked by."""
        return [name for name in ("email", "login") if self.world.person.col(name).unique]

    def paths(self, tab: Tab, linked: set[str]) -> list[str]:
        """Ways to people over other tables."""
        found: list[str] = []
        for one in tab.lookups():
            target = self.world.tabs[one.target]
            if target.name not in linked or not self.chance(0.5):
                continue
            ways = [self.step(link) for link in target.links()]
            if target.name in self.tables and self.tables[target.name].get("links") and self.chance(0.5):
                found.append(self.step(one))
            elif ways:
                found.append(f"{self.step(one)}.{self.rng.choice(ways)}")
            for further in target.lookups():
                end = self.world.tabs[further.target]
                if end.links() and self.chance(0.4):
                    found.append(f"{self.step(one)}.{self.step(further)}.{self.step(self.rng.choice(end.links()))}")
        own = [one for one in self.world.person.pointers if one.target == tab.name]
        found += [self.back(PERSON, one) for one in own if self.chance(0.75)]
        for other in self.world.tabs.values():
            if other.name in (PERSON, tab.name):
                continue
            for one in other.lookups():
                if one.target == tab.name and other.links() and self.chance(0.3):
                    back = self.back(other.name, one)
                    found.append(f"{back}.{self.step(self.rng.choice(other.links()))}")
        return found

    def link(self, tab: Tab, held: Pointer | None, by: str = "key") -> Any:
        made: dict[str, Any] = {SUBJECT: by, "rows": self.rows(tab, held)}
        if self.chance(0.15):
            made["when"] = self.when(tab)
        return made

    # Rows -------------------------------------------------------------------------------------------------------------

    def rows(self, tab: Tab, held: Pointer | None, *, keep: float = 0.35, delete: float = 0.3) -> Any:
        if self.chance(0.7):
            return self.verb(tab, held, keep, delete)
        rules: list[dict[str, Any]] = [
            {"when": self.when(tab), "do": self.verb(tab, held, keep, delete)} for _ in range(self.rng.randint(1, 2))
        ]
        rules.append({"do": self.verb(tab, held, keep, delete)})
        for rule in rules:
            if tab.of_role("mark") and self.chance(0.25) and rule["do"] != "delete":
                rule["mark"] = {self.n("marked"): True}
        return rules

    def verb(self, tab: Tab, held: Pointer | None, keep: float, delete: float) -> Any:
        draw = self.rng.random()
        if draw < keep:
            return "keep"
        if draw < keep + delete or held is None:
            return "delete" if draw < keep + delete else "keep"
        by_key = held.target_columns == self.world.key_columns
        last: list[Any] = []
        if held.own:
            last.append("unlink")
        if by_key and self.ghost:
            last.append("ghost")
        # In people's own table the first column of a composite is their key.
        if by_key and (tab.name != PERSON or len(held.columns) == 1):
            heir = key_value(self.world, 1, HEIR)
            last.append({"key": list(heir) if len(heir) > 1 else heir[0]})
        if not last:
            return "keep"
        end = self.rng.choice(last)
        if by_key and (self.chance(0.5) or isinstance(end, dict)):
            before: list[Any] = []
            if self.manager and self.chance(0.6):
                before.append("manager")
            pool = self.pool(tab)
            if pool and self.chance(0.6):
                before.append({"pool": pool})
            self.rng.shuffle(before)
            return {"reassign": [*before, end]}
        if (
            end == "unlink"
            and held.action is None
            and len(held.columns) == 1
            and self.world.key == "bigint"
            and self.chance(0.3)
        ):
            return {"unlink": -1} if by_key else {"unlink": "nobody"}
        return end

    def pool(self, tab: Tab) -> str | None:
        """A way to somebody's key."""
        ways = [self.p(one.columns[-1]) for one in (*tab.links(), *(tab.own_pointers() if tab.name == PERSON else ()))]
        for one in tab.lookups():
            target = self.world.tabs[one.target]
            ways += [f"{self.step(one)}.{self.p(link.columns[-1])}" for link in target.links()]
        return self.rng.choice(ways) if ways else None

    # Conditions -------------------------------------------------------------------------------------------------------

    def when(self, tab: Tab) -> dict[str, Any]:
        if self.chance(0.2):
            return {self.rng.choice(("any", "all")): [self.test(tab), self.test(tab)]}
        if self.chance(0.15):
            return {"not": self.test(tab)}
        return self.test(tab)

    def test(self, tab: Tab) -> dict[str, Any]:
        single = len(self.world.key_columns) == 1
        if single and self.chance(0.15):
            pointers = [one for one in tab.pointers if one.target == PERSON]
            if pointers:
                operator = self.rng.choice(("in", "not_in"))
                return {self.p(self.rng.choice(pointers).columns[0]): {operator: {"subject": "key"}}}
        declared = [one for one in tab.pointers if one.action is not None and one.target != tab.name]
        if declared and self.chance(0.2):
            one = self.rng.choice(declared)
            return {
                f"{self.step(one)}.{column}": test for column, test in self.plain(self.world.tabs[one.target]).items()
            }
        return self.plain(tab)

    def plain(self, tab: Tab) -> dict[str, Any]:
        col = self.rng.choice(tab.of_role("plain"))
        name = self.p(col.name)
        match col.name:
            case "status":
                return self.rng.choice(
                    (
                        {name: self.rng.choice(STATUS)},
                        {name: {"ne": "done"}},
                        {name: ["open", "odd"]},
                        {name: {"is_null": True}},
                    )
                )
            case "vip" | "flag":
                return {name: self.chance(0.5)}
            case _:
                return self.rng.choice(
                    ({name: {"gt": 2}}, {name: {"between": [1, 3]}}, {name: {"is_set": True}}, {name: {"le": 3}})
                )

    # References -------------------------------------------------------------------------------------------------------

    def answer(self) -> None:
        """Say what becomes of rows whose row goes, wherever nothing says it yet."""
        for tab in self.world.tabs.values():
            for one in tab.pointers:
                used = one.action is None and (one.target != PERSON or self.chance(0.5))
                if tab.name in self.tables and (used or (one.action is not None and self.chance(0.12))):
                    self.refer(tab, one, self.gone(tab, one, constrained=one.action is not None))
        person = self.world.person
        if PERSON in self.deleted() and self.chance(0.9):
            # Rows that go with people, and people whose rows point to them, would be a circle.
            for one in person.lookups():
                self.spare(one.target)
        while True:
            deleted = self.deleted()
            for tab in self.world.tabs.values():
                for one in tab.pointers:
                    if tab is person and one.target in deleted and not one.own and one.target not in self.spared:
                        self.spare(one.target)
                        break
                    said = self.said(tab, one)
                    if one.target not in deleted or said is not None or one.action in (None, "set null"):
                        continue
                    if one.action == "cascade" and tab.name != PERSON:
                        continue
                    if one.action == "cascade" or not self.moved(tab, one):
                        self.tables.setdefault(tab.name, {})
                        self.refer(tab, one, self.gone(tab, one, constrained=True))
                        break
                else:
                    continue
                break
            else:
                return

    def spare(self, name: str) -> None:
        """Let no rows of a table be deleted, if that can be had."""
        self.spared.add(name)
        made = self.tables.get(name)
        if made is None:
            return
        for holder in (made, *made.get("links", {}).values()):
            if "rows" in holder:
                holder["rows"] = _kept(holder["rows"])
        tab = self.world.tabs[name]
        for one in tab.pointers:
            if self.goes_along(tab, one) and one.own:
                self.refer(tab, one, "unlink")

    def gone(self, tab: Tab, one: Pointer, *, constrained: bool) -> Any:
        # People do not go with anything else.
        ways: list[Any] = ["delete"] if tab.name != PERSON or not one.own else []
        if one.own:
            ways += ["unlink"] * 3
        if not constrained:
            ways += ["keep"] * 2
            if self.world.key == "bigint" or one.target != PERSON:
                ways.append({"unlink": -7}) if len(one.columns) == 1 else None
        return self.rng.choice(ways)

    def refer(self, tab: Tab, one: Pointer, gone: Any) -> None:
        table = self.t(one.target)
        target = (
            f"{table}({self.p(*one.target_columns)})"
            if len(one.columns) > 1
            else f"{table}.{self.p(*one.target_columns)}"
        )
        key = self.step(one)
        self.tables[tab.name].setdefault("references", {})[key] = {"to": target, "gone": gone}

    def said(self, tab: Tab, one: Pointer) -> Any:
        found = self.tables.get(tab.name, {}).get("references", {}).get(self.step(one))
        return None if found is None else found["gone"]

    def moved(self, tab: Tab, one: Pointer) -> bool:
        """Whether a link over the same columns lets no row stay that points to a deleted person."""
        if one.target != PERSON:
            return False
        made = self.tables.get(tab.name, {})
        link = made.get("links", {}).get(self.step(one))
        if link is None or "when" in link or "owners" in made:
            return False
        return "keep" not in _verbs(link.get("rows", made.get("rows")))

    def deleted(self) -> set[str]:
        """Tables of which rows may go."""
        found: set[str] = set()
        for name, made in self.tables.items():
            said = [made.get("rows")] if made.get("subject") else []
            said += [link.get("rows", made.get("rows")) for link in made.get("links", {}).values()]
            if any("delete" in _verbs(rows) for rows in said):
                found.add(name)
        while True:
            more = {
                tab.name
                for tab in self.world.tabs.values()
                for one in tab.pointers
                if one.target in found and self.goes_along(tab, one)
            } - found
            if not more:
                return found
            found |= more

    def goes_along(self, tab: Tab, one: Pointer) -> bool:
        """Whether rows go with the row they point to."""
        said = self.said(tab, one)
        return said == "delete" or (said is None and one.action == "cascade")

    # Columns ----------------------------------------------------------------------------------------------------------

    def columns(self, tab: Tab) -> None:
        made = self.tables[tab.name]
        links = list(made.get("links", {}))
        columns: dict[str, Any] = {}
        for col in tab.of_role("personal"):
            if tab.name != PERSON and not (links and self.chance(0.9)):
                continue
            one: dict[str, Any] = {"kind": "personal", "purpose": "use"}
            if not (self.always_deletes(made) and self.chance(0.5)):
                one["erase"] = self.treatment(tab, col)
            if links and (len(links) > 1 or self.chance(0.2)) and tab.name != PERSON:
                one["of"] = self.owner(links)
            columns[self.n(col.name)] = one
        if tab.name == PERSON:
            for pointer in tab.lookups():
                self.released(tab, pointer, columns)
        if columns:
            made["columns"] = columns
        if not made:
            # Something has to be said.
            made["columns"] = {self.n("status"): "none"}
        self.overrides(tab, made, columns)
        if links and tab.name != PERSON and self.chance(0.3):
            made["of"] = self.owner(links)
            for one in columns.values():
                if self.chance(0.5):
                    one.pop("of", None)

    def released(self, tab: Tab, pointer: Pointer, columns: dict[str, Any]) -> None:
        """Let go of what a lookup points to."""
        col = tab.col(pointer.columns[0])
        draw = self.rng.random()
        if draw < 0.3:
            return
        if draw < 0.6 and col.null:
            erase: Any = "clear"
        else:
            erase = {"fill": NEUTRAL}
            self.drawn.neutral.add((tab.name, col.name))
        columns[self.n(col.name)] = {"kind": "lookup", "purpose": "use", "erase": erase}

    def owner(self, links: list[str]) -> Any:
        draw = self.rng.random()
        if draw < 0.35:
            return "any"
        if draw < 0.5:
            return SUBJECT
        if draw < 0.7 and len(links) > 1:
            return self.rng.sample(links, 2)
        return self.rng.choice(links)

    def always_deletes(self, made: dict[str, Any]) -> bool:
        said = [made.get("rows")] if made.get("subject") else []
        said += [link.get("rows", made.get("rows")) for link in made.get("links", {}).values()]
        return all(set(_verbs(rows)) == {"delete"} for rows in said)

    def overrides(self, tab: Tab, made: dict[str, Any], columns: dict[str, Any]) -> None:
        """Treatments of some rules' own."""
        named = [col for col in tab.of_role("personal") if self.n(col.name) in columns]
        every = [made.get("rows"), *(link.get("rows") for link in made.get("links", {}).values())]
        for rows in every:
            # A person has one row of their own, and perhaps many by a link: a token would stand in several.
            own = tab.name == PERSON and rows is made["rows"]
            fit = [col for col in named if own or tab.name != PERSON or not col.unique]
            if any(one.identifier for one in self.world.tabs.values()):
                fit = [col for col in fit if col.name not in ("email", "login")]
            for rule in rows if isinstance(rows, list) else ():
                if fit and rule["do"] != "delete" and self.chance(0.3):
                    col = self.rng.choice(fit)
                    rule["columns"] = {self.n(col.name): self.treatment(tab, col)}

    def treatment(self, tab: Tab, col: Col) -> Any:
        draw = self.rng.random()
        if draw < 0.12:
            return "keep"
        if col.null and draw < 0.4:
            return "clear"
        base = col.type
        if base.startswith("varchar") or base == "text":
            return self.text(tab, col)
        match base:
            case "date":
                return self.rng.choice(({"generalize": "year"}, {"generalize": "month"}, {"fill": "1970-01-01"}))
            case "timestamp" | "timestamptz":
                return {"generalize": self.rng.choice(("year", "month"))}
            case "json" | "jsonb":
                return {"fill": self.rng.choice(({"gone": True, "who": ["{token}", 1]}, {}, [], {"n": None, "a": "b"}))}
            case "integer":
                return {"fill": self.rng.choice((0, 7))}
            case "boolean":
                return {"fill": False}
            case _:
                return {"fill": "other"}

    def text(self, tab: Tab, col: Col) -> Any:
        """Fillers that keep a unique column unique: one a person in people's table, one a row elsewhere."""
        each = "{token}" if tab.name == PERSON else "{token:rid}"
        if col.unique and not tab.partitioned:
            return {"fill": self.rng.choice((each, f"x{each}"))}
        room = 12 if col.type != "text" else 90
        ways: list[Any] = [
            {"fill": "Deleted"},
            {"fill": "it's {{gone}}"},
            {"fill": "{token}"},
            {"fill": f"e+{each}@x"},
            {"generalize": self.rng.randint(1, 3)},
            {"generalize": 2, "fill": "x{token}"},
        ]
        plain = quote_part(self.n(self.rng.choice(tab.of_role("plain")).name))
        if ":" not in plain:
            ways.append({"fill": f"g {{token:{plain}}}"})
        if room > 12:
            ways.append({"fill": f"{{token}} and {{token:{plain}}}"})
        return self.rng.choice(ways)


def _kept(rows: Any) -> Any:
    """Rows of which none is deleted."""
    if isinstance(rows, list):
        return [rule | {"do": _kept(rule["do"])} for rule in rows]
    return "keep" if rows == "delete" else rows


def _verbs(rows: Any) -> list[str]:
    """The verbs of what is said of rows."""
    if isinstance(rows, list):
        return [verb for rule in rows for verb in _verbs(rule["do"])]
    if isinstance(rows, dict):
        return list(rows)
    return [rows]


def key_value(world: World, tenant: int, number: int) -> tuple[Any, ...]:
    """The key of the person of a number, as JSON has it."""
    match world.key:
        case "bigint":
            return (number,)
        case "uuid":
            return (f"00000000-0000-4000-8000-{number:012x}",)
        case "text":
            return (f"k{number:02}",)
        case _:
            return (tenant, number)
