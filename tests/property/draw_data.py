"""Draws rows: few values, often equal, often null, with dangling keys, circles, people with two memberships, empty tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.property.world import MARK, PEOPLE, RID, TABLES, Col, Tab, Variant

Row = dict[str, Any]
"""By the generator's names; values as JSON writes them."""

TEXTS = (
    "north", "south", "o'brien", "back\\slash", "$$ -- /*", "zürich ☃", "", "North", "line\nbreak", "no", "x*/ ; --",
    "%_", '"quoted"', "{viewer: key}", "trailing ", "ß", "$guard$", "'''",
)  # fmt: skip
TITLES = ("CSM", "Lead", "VP", "o'brien \\ $$")
STATES = ("ACTIVE", "INACTIVE", "ERASED", "it's")
DAYS = (-60, -31, -30, -8, -7, -1, 0, 1, 7, 30)
GONE = 90
FRESH = 100


@dataclass(frozen=True)
class Pools:
    """What values are drawn from in one run: small, so that rows and rules meet."""

    texts: tuple[str, ...]
    today: datetime

    @classmethod
    def draw(cls, rng: Random) -> Pools:
        return cls(("north", "north", "south", *rng.sample(TEXTS[2:], 2)), datetime.now(UTC).replace(microsecond=0))


@dataclass
class Data:
    """Rows by table; new rows and changed rows to try."""

    rows: dict[str, list[Row]]
    new: dict[str, list[Row]] = field(default_factory=dict)
    changed: dict[str, list[Row]] = field(default_factory=dict)
    grants: list[Row] = field(default_factory=list)
    """Support grants, where rules know of them."""


def json_key(variant: Variant, table: str, number: int) -> object:
    """A key as JSON and YAML write it."""
    key = variant.key(table, number)
    return key if isinstance(key, int) else str(key)


@dataclass
class DataDrawer:
    """Draws one state of the data. `telling` names the tables to be changed and the columns that rules look at there."""

    rng: Random
    variant: Variant
    pools: Pools
    telling: dict[str, list[Col]]
    sizes: dict[str, int] = field(default_factory=dict)
    last: int = 0

    def draw(self) -> Data:
        """Rows for every table; new and changed ones for those to be changed."""
        for table in TABLES.values():
            size = self.rng.choice((table.rows - 1, table.rows, table.rows + 1))
            self.sizes[table.name] = 0 if table.name != PEOPLE and self.rng.random() < 0.05 else size
        rows = {
            table.name: [self.row(table, number) for number in range(self.sizes[table.name])]
            for table in TABLES.values()
        }
        self.arrange(rows[PEOPLE])
        new = {name: [self.new(TABLES[name], rows[name], number) for number in range(3)] for name in self.telling}
        return Data(rows, new, {name: self.changed(TABLES[name], rows[name]) for name in self.telling})

    # -- rows ----------------------------------------------------------------------------------------------------------

    def row(self, table: Tab, number: int) -> Row:
        self.last += 1
        row: Row = {column.name: self.value(column) for column in table.columns}
        if table.name == "deal":
            row["a"] = json_key(self.variant, "deal", number % 2 if number < FRESH else number)
            row["b"] = 1 + number // 2
        elif table.key:
            row["id"] = json_key(self.variant, table.name, number)
        return {**row, RID: self.last, MARK: None}

    def new(self, table: Tab, rows: list[Row], number: int) -> Row:
        """A new row, often much like one that is there."""
        row = self.row(table, FRESH + number)
        if rows and self.rng.random() < 0.7:
            row = {**self.rng.choice(rows), **{name: row[name] for name in (*table.key, RID)}}
            if self.rng.random() < 0.5:
                self.change(table, row)
        return row

    def changed(self, table: Tab, rows: list[Row]) -> list[Row]:
        """Some rows with other values, sometimes with another key."""
        found = [dict(row) for row in self.rng.sample(rows, min(3, len(rows)))]
        for number, row in enumerate(found):
            for _ in range(self.rng.choice((1, 1, 2))):
                self.change(table, row)
            if table.key == ("id",) and self.rng.random() < 0.1:
                row["id"] = json_key(self.variant, table.name, FRESH + 50 + number)
        return found

    def change(self, table: Tab, row: Row) -> None:
        fixed = {*table.key} - {"part"}
        columns = [column for column in self.telling[table.name] if column.name not in fixed]
        if not columns or self.rng.random() < 0.15:
            columns = [column for column in table.columns if column.name not in fixed]
        column = self.rng.choice(columns)
        row[column.name] = self.value(column)

    def arrange(self, people: list[Row]) -> None:
        """Mostly a tree of managers with somebody active on top, sometimes a circle."""
        for number, person in enumerate(people):
            if self.rng.random() < 0.7:
                manager = json_key(self.variant, PEOPLE, self.rng.randrange(number)) if number else None
                person["manager"] = manager
        people[0]["status"] = "ACTIVE"
        if self.rng.random() < 0.3:
            people[0]["manager"] = people[-1]["id"]

    # -- values --------------------------------------------------------------------------------------------------------

    def value(self, column: Col) -> Any:
        """A value for a column, or None."""
        if not column.required and self.rng.random() < (0.04 if column.domain == "status" else 0.15):
            return None
        if column.domain.startswith("key."):
            return self.key(column.domain[4:])
        if column.domain == "status":
            return self.rng.choices(STATES, (7, 4, 1.5, 0.5))[0]
        if column.domain == "admin":
            return self.rng.random() < 0.12
        if column.domain in ("part", "dealno"):
            return self.rng.randint(1, 3)
        return self.by_kind(column)

    def key(self, table: str) -> object:
        """Somebody's key, now and then nobody's."""
        existing = self.sizes[table]
        if existing == 0 or self.rng.random() < 0.06:
            return json_key(self.variant, table, GONE + self.rng.randrange(2))
        return json_key(self.variant, table, self.rng.randrange(existing))

    def by_kind(self, column: Col) -> Any:
        if column.domain == "time":
            return self.time(column.kind)
        if column.kind == "bool":
            return self.rng.random() < 0.5
        if column.kind in ("texts", "ints"):
            return self.array(column.kind)
        return self.number(column.kind) if column.domain == "num" else self.text(column)

    def text(self, column: Col) -> str:
        text = self.rng.choice(TITLES if column.domain == "title" else self.pools.texts)
        if column.kind == "cit" and self.rng.random() < 0.4:
            return text.upper()
        if column.kind == "ch" and self.rng.random() < 0.3:
            return f"{text}  "[:16]
        return text

    def array(self, kind: str) -> list[Any]:
        pool: tuple[Any, ...] = self.pools.texts if kind == "texts" else (0, 1, 1, 2)
        values: list[Any] = [self.rng.choice(pool) for _ in range(self.rng.randrange(4))]
        if values and self.rng.random() < 0.15:
            values[self.rng.randrange(len(values))] = None
        return values

    def number(self, kind: str) -> Any:
        if kind in ("num", "dbl") and self.rng.random() < 0.3:
            return "NaN" if self.rng.random() < 0.15 else self.rng.choice((0.5, 1.5, 2.25))
        return self.rng.choice((0, 0, 1, 1, 1, 2, 3, -1))

    def time(self, kind: str) -> str:
        """Hours away from what rules say of days, so that the time that passes while trying decides nothing."""
        day = self.pools.today + timedelta(days=self.rng.choice(DAYS))
        if kind == "date":
            return day.date().isoformat()
        moment = day + timedelta(hours=self.rng.choice((-5, -3, 3, 5)))
        return (moment if kind == "tstz" else moment.replace(tzinfo=None)).isoformat()
