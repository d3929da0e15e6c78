"""Random schemas for the property test of erasing: a table of people, and tables that hang on it in every way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from psycopg import sql

SCHEMA = "shop"
PERSON = "person"
ACTIONS = {
    "cascade": "on delete cascade",
    "set null": "on delete set null",
    "no action": "",
    "restrict": "on delete restrict",
}
KEYS = ("bigint", "bigint", "uuid", "text", "composite")
STATES = ("ACTIVE", "INACTIVE", "ERASED")
STATUS = ("open", "done", "odd")


@dataclass
class Col:
    """A column. `role`: key, part, rid, plain, state, link, lookup, identifier, personal, mark."""

    name: str
    type: str
    role: str
    null: bool = True
    unique: bool = False
    check: str = ""


@dataclass
class Pointer:
    """Columns that point to a row of `target`: by a constraint (`action`), or by nobody's but the map's word (None)."""

    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]
    action: str | None
    own: tuple[str, ...]
    """The columns of its own, that are in no other pointer and no key: what may be null."""


@dataclass
class Tab:
    """A table."""

    name: str
    cols: list[Col]
    key: tuple[str, ...]
    has_key: bool = True
    partitioned: bool = False
    security: str = ""
    pointers: list[Pointer] = field(default_factory=list)
    identifier: str | None = None
    """The column that holds an identifier of a person."""
    unique: tuple[str, ...] = ()
    """Columns of which one is a link: whoever takes a row over may have one like it."""

    def col(self, name: str) -> Col:
        return next(col for col in self.cols if col.name == name)

    def of_role(self, *roles: str) -> list[Col]:
        return [col for col in self.cols if col.role in roles]

    def links(self) -> list[Pointer]:
        return [one for one in self.pointers if one.target == PERSON and self.name != PERSON]

    def lookups(self) -> list[Pointer]:
        return [one for one in self.pointers if one.target not in (PERSON, self.name)]

    def own_pointers(self) -> list[Pointer]:
        return [one for one in self.pointers if one.target == self.name]


@dataclass
class World:
    """A whole schema."""

    key: str
    tabs: dict[str, Tab]
    lifecycle: bool
    indexed: bool
    odd_names: bool

    @property
    def person(self) -> Tab:
        return self.tabs[PERSON]

    @property
    def key_columns(self) -> tuple[str, ...]:
        return self.person.key

    def n(self, name: str) -> str:
        """What a table or column is called in the database."""
        return f"{name.capitalize()} é" if self.odd_names and name != "rid" else name


def draw_world(rng: Random) -> World:
    """A schema by chance."""
    key = rng.choice(KEYS)
    lifecycle = rng.random() < 0.5
    world = World(key, {}, lifecycle, rng.random() < 0.4, rng.random() < 0.15)
    world.tabs[PERSON] = _person(rng, key, lifecycle)
    names = ["team", "note", "comment", "visit", "log", "item"][: rng.randint(2, 5)]
    rng.shuffle(names)
    for name in names:
        world.tabs[name] = _child(rng, world, name)
    targets = [tab for tab in world.tabs.values() if tab.name != PERSON and tab.has_key and not tab.partitioned]
    for name in ("first", "second")[: rng.choice((0, 0, 1, 1, 2))]:
        if targets:
            _point(rng, world.person, f"{name}_id", rng.choice(targets).name, null=rng.random() < 0.85, cascade=0.1)
    if len(world.person.pointers) == 1:
        # Where rows go in a circle nobody decides which of two goes.
        for tab in world.tabs.values():
            if tab.links() and tab.has_key and not tab.partitioned and not tab.own_pointers() and rng.random() < 0.4:
                tab.unique = (*rng.choice(tab.links()).columns, "num")
    for tab in world.tabs.values():
        if rng.random() < 0.3:
            tab.security = rng.choice(("enabled", "forced", "forced with a policy"))
    return world


def _person(rng: Random, key: str, lifecycle: bool) -> Tab:
    columns = {
        "bigint": [Col("user_id", "bigint", "key", null=False)],
        "uuid": [Col("user_id", "uuid", "key", null=False)],
        "text": [Col("user_id", "text", "key", null=False)],
        "composite": [Col("tenant", "integer", "key", null=False), Col("user_no", "bigint", "key", null=False)],
    }[key]
    keys = tuple(col.name for col in columns)
    columns += [
        Col("rid", "integer", "rid", null=False),
        Col("email", "text", "personal", unique=rng.random() < 0.5),
        Col("login", "varchar(24)", "personal", null=False, unique=rng.random() < 0.7),
        *_personal(rng, rng.randint(1, 4)),
        Col("level", "integer", "plain"),
        Col("vip", "boolean", "plain"),
        Col("boss", columns[-1].type, "boss"),
    ]
    if lifecycle:
        columns.append(Col("state", rng.choice(("text", "shop.state")), "state", null=False))
    person = Tab(PERSON, columns, keys, has_key=rng.random() < 0.85)
    boss = ("tenant", "boss") if key == "composite" else ("boss",)
    action = rng.choice((None, "no action", "no action", "set null", "set null", "cascade"))
    if key == "composite" and action == "set null":
        action = "no action"
    person.pointers.append(Pointer(boss, PERSON, keys, action, ("boss",)))
    return person


def _personal(rng: Random, count: int) -> list[Col]:
    kinds = [
        ("name", "text", ""),
        ("title", "text", "{} <> 'nothing'"),
        ("phone", "varchar(20)", ""),
        ("city", "varchar(40)", "char_length({}) >= 1"),
        ("born", "date", ""),
        ("seen", rng.choice(("timestamp", "timestamptz")), ""),
        ("profile", rng.choice(("json", "jsonb")), ""),
        ("size", "integer", "{} >= 0"),
        ("kind", "shop.kind", ""),
        ("agreed", "boolean", ""),
    ]
    return [
        Col(
            name,
            type_,
            "personal",
            null=rng.random() < 0.75,
            unique=type_ in ("text", "varchar(40)") and rng.random() < 0.15,
            check=check if rng.random() < 0.5 else "",
        )
        for name, type_, check in rng.sample(kinds, count)
    ]


def _child(rng: Random, world: World, name: str) -> Tab:
    composite = world.key == "composite"
    tab = Tab(name, [Col("id", "bigint", "id", null=False), Col("rid", "integer", "rid", null=False)], ("id",))
    tab.partitioned = rng.random() < 0.15
    tab.has_key = tab.partitioned or rng.random() < 0.8
    if tab.partitioned:
        tab.cols.append(Col("part", "integer", "part", null=False))
        tab.key = ("id", "part")
    tab.cols += [
        Col("status", rng.choice(("text", "shop.status")), "plain"),
        Col("num", "integer", "plain"),
        Col("flag", "boolean", "plain"),
        Col("marked", "boolean", "mark"),
    ]
    for link in ("owner", "editor")[: rng.choice((0, 1, 1, 1, 2, 2))]:
        null = rng.random() < 0.75
        action = rng.choice((None, "no action", "no action", "cascade", "set null", "restrict"))
        if action == "set null" and (not null or composite):
            action = "no action"
        columns = (f"{link}_tenant", f"{link}_no") if composite else (f"{link}_id",)
        # A tenant that may not be null: unlinking takes the number away.
        tenant_null = null and rng.random() < 0.5
        for column, target in zip(columns, world.key_columns, strict=True):
            nullable = tenant_null if column.endswith("_tenant") else null
            tab.cols.append(Col(column, world.person.col(target).type, "link", null=nullable))
        own = tuple(col for col in columns if tab.col(col).null)
        tab.pointers.append(Pointer(columns, PERSON, world.key_columns, action, own))
    if rng.random() < 0.3:
        tab.identifier = "author"
        tab.cols.append(
            Col("author", "varchar(60)" if rng.random() < 0.3 else "text", "identifier", null=rng.random() < 0.8)
        )
    before = [one for one in world.tabs.values() if one.name != PERSON and one.has_key and not one.partitioned]
    for number in range(rng.choice((0, 1, 1, 2)) if before else 0):
        target = rng.choice(before).name
        if not any(one.target == target for one in tab.pointers):
            _point(rng, tab, f"up{number}_id", target, null=rng.random() < 0.7, cascade=0.35)
    if tab.has_key and not tab.partitioned:
        for own in ("parent_id", "origin_id")[: rng.choice((0, 0, 0, 1, 1, 2))]:
            _point(rng, tab, own, name, null=True, cascade=0.4)
    tab.cols += _personal(rng, rng.randint(1, 3))
    return tab


def _point(rng: Random, tab: Tab, column: str, target: str, *, null: bool, cascade: float) -> None:
    action = (
        "cascade" if rng.random() < cascade else rng.choice((None, "no action", "no action", "set null", "set null"))
    )
    if action == "set null" and not null:
        action = "no action"
    tab.cols.append(Col(column, "bigint", "lookup", null=null))
    tab.pointers.append(Pointer((column,), target, ("id",), action, (column,) if null else ()))


# The script -----------------------------------------------------------------------------------------------------------


def script(world: World) -> str:
    """The schema as SQL."""
    return ";\n".join(_statements(world))


def _statements(world: World) -> Iterator[str]:
    yield f"create schema {SCHEMA}"
    yield "create type shop.kind as enum ('private', 'work', 'other')"
    yield "create type shop.status as enum ('open', 'done', 'odd')"
    yield "create type shop.state as enum ('ACTIVE', 'INACTIVE', 'ERASED')"
    for tab in world.tabs.values():
        yield from _table(world, tab)
    for tab in world.tabs.values():
        for number, one in enumerate(tab.pointers):
            if one.action is not None:
                yield (
                    f"alter table {q(world, tab.name)} add constraint {ident(f'{tab.name}_fk{number}')} "
                    f"foreign key ({listed(world, one.columns)}) references {q(world, one.target)} "
                    f"({listed(world, one.target_columns)}) {ACTIONS[one.action]}"
                )
        if world.indexed:
            for one in tab.pointers:
                yield f"create index on {q(world, tab.name)} ({listed(world, one.columns)})"
            if tab.identifier:
                yield f"create index on {q(world, tab.name)} ({listed(world, (tab.identifier,))})"


def _table(world: World, tab: Tab) -> Iterator[str]:
    lines: list[str] = []
    for col in tab.cols:
        line = f"{ident(world.n(col.name))} {col.type}"
        if not col.null:
            line += " not null"
        if col.unique and not tab.partitioned:
            line += " unique"
        if col.check:
            line += f" check ({col.check.format(ident(world.n(col.name)))})"
        lines.append(line)
    if tab.has_key:
        lines.append(f"primary key ({listed(world, tab.key)})")
    elif tab.name == PERSON:
        lines.append(f"unique ({listed(world, tab.key)})")
    if tab.unique:
        lines.append(f"unique ({listed(world, tab.unique)})")
    by = f" partition by list ({ident(world.n('part'))})" if tab.partitioned else ""
    yield f"create table {q(world, tab.name)} ({', '.join(lines)}){by}"
    if tab.partitioned:
        for part in (0, 1):
            yield f"create table {SCHEMA}.{ident(f'{tab.name}_p{part}')} partition of {q(world, tab.name)} for values in ({part})"
    for name in [tab.name, *([f"{tab.name}_p0"] if tab.partitioned else [])]:
        target = q(world, name) if name == tab.name else f"{SCHEMA}.{ident(name)}"
        if tab.security:
            yield f"alter table {target} enable row level security"
        if tab.security.startswith("forced"):
            yield f"alter table {target} force row level security"
        if tab.security.endswith("policy"):
            yield f"create policy theirs on {target} using (rid % 3 = 0)"


def q(world: World, table: str) -> str:
    """A table, qualified."""
    return f"{SCHEMA}.{ident(world.n(table))}"


def listed(world: World, columns: tuple[str, ...]) -> str:
    return ", ".join(ident(world.n(column)) for column in columns)


def ident(name: str) -> str:
    return sql.Identifier(name).as_string(None)
