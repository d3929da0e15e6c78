"""Draws rows: few values, often equal, often null, with dangling keys, circles, people with two memberships, empty tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from tests.property.world import MARK, RID, TABLES, Col, Tab, Variant

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


@dataclass
class Pools:
    """What values are drawn from in one run: small, so that rows and rules meet."""

    texts: tuple[str, ...]
    today: datetime

    @classmethod
    def draw(cls, rng: Random, today: datetime) -> Pools:
        return cls(("north", "south", *rng.sample(TEXTS[2:], 2)), today)


@dataclass
class Data:
    """Rows by table; new rows and changed rows to try."""

    rows: dict[str, list[Row]]
    new: dict[str, list[Row]] = field(default_factory=dict)
    changed: dict[str, list[Row]] = field(default_factory=dict)


def json_key(variant: Variant, table: str, number: int) -> object:
    key = variant.key(table, number)
    return key if isinstance(key, int) else str(key)


def draw_value(rng: Random, variant: Variant, column: Col, pools: Pools, sizes: dict[str, int]) -> Any:
    """A value for a column, or None."""
    if not column.required and rng.random() < (0.04 if column.domain == "status" else 0.13):
        return None
    return draw_present(rng, variant, column, pools, sizes)


def draw_present(rng: Random, variant: Variant, column: Col, pools: Pools, sizes: dict[str, int]) -> Any:
    kind, domain = column.kind, column.domain
    if domain.startswith("key."):
        table = domain[4:]
        existing = sizes.get(table, 1)
        if existing == 0 or rng.random() < 0.06:
            return json_key(variant, table, GONE + rng.randrange(2))
        return json_key(variant, table, rng.randrange(existing))
    if domain == "status":
        return rng.choices(STATES, (8, 2, 1, 1))[0]
    if domain == "admin":
        return rng.random() < 0.12
    if domain in ("part", "dealno"):
        return rng.randint(1, 3)
    if domain == "time":
        return draw_time(rng, kind, pools)
    if kind == "bool":
        return rng.random() < 0.5
    if kind in ("texts", "ints"):
        if kind == "texts":
            values: list[Any] = [rng.choice(pools.texts) for _ in range(rng.randrange(4))]
        else:
            values = [rng.randrange(4) for _ in range(rng.randrange(4))]
        if values and rng.random() < 0.15:
            values[rng.randrange(len(values))] = None
        return values
    if domain == "num":
        return draw_number(rng, kind)
    text = rng.choice(TITLES) if domain == "title" else rng.choice(pools.texts)
    if kind == "cit" and rng.random() < 0.4:
        text = text.upper()
    if kind == "ch" and rng.random() < 0.3:
        text = f"{text}  "[:16]
    return text


def draw_number(rng: Random, kind: str) -> Any:
    if kind in ("num", "dbl") and rng.random() < 0.3:
        return "NaN" if rng.random() < 0.15 else rng.choice((0.5, 1.5, 2.25))
    return rng.randrange(-1, 4)


def draw_time(rng: Random, kind: str, pools: Pools) -> str:
    day = pools.today + timedelta(days=rng.choice(DAYS))
    if kind == "date":
        return day.date().isoformat()
    moment = day + timedelta(hours=rng.choice((-5, -3, 3, 5)))
    return moment.isoformat() if kind == "tstz" else moment.replace(tzinfo=None).isoformat()


def draw_data(rng: Random, variant: Variant, pools: Pools, resources: dict[str, list[Col]]) -> Data:
    """Rows for every table; new and changed ones for these, changed mostly in the columns given."""
    sizes = {}
    for table in TABLES.values():
        size = rng.choice((table.rows - 1, table.rows, table.rows + 1))
        if table.name != "person" and rng.random() < 0.05:
            size = 0
        sizes[table.name] = size
    data = Data({})
    rid = 0
    for table in TABLES.values():
        rows: list[Row] = []
        for number in range(sizes[table.name]):
            rid += 1
            rows.append(_row(rng, variant, table, number, rid, pools, sizes))
        data.rows[table.name] = rows
    _people(rng, variant, data.rows["person"])
    for name, telling in resources.items():
        table = TABLES[name]
        data.new[name] = []
        for number in range(3):
            rid += 1
            row = _row(rng, variant, table, FRESH + number, rid, pools, sizes)
            if data.rows[name] and rng.random() < 0.7:
                model = rng.choice(data.rows[name])
                row = {**model, **{column: row[column] for column in table.key}, RID: rid}
                if rng.random() < 0.5:
                    _change(rng, variant, table, telling, row, pools, sizes)
            data.new[name].append(row)
        data.changed[name] = []
        for model in rng.sample(data.rows[name], min(3, len(data.rows[name]))):
            row = dict(model)
            for _ in range(rng.choice((1, 1, 2))):
                _change(rng, variant, table, telling, row, pools, sizes)
            if table.key == ("id",) and rng.random() < 0.1:
                row["id"] = json_key(variant, name, FRESH + 50 + len(data.changed[name]))
            data.changed[name].append(row)
    return data


def _row(rng: Random, variant: Variant, table: Tab, number: int, rid: int, pools: Pools, sizes: dict[str, int]) -> Row:
    row: Row = {column.name: draw_value(rng, variant, column, pools, sizes) for column in table.columns}
    if table.key == ("id",) or table.name == "event":
        row["id"] = json_key(variant, table.name, number)
    elif table.name == "deal":
        row["a"] = json_key(variant, "deal", number % 2 if number < FRESH else number)
        row["b"] = 1 + number // 2
    return {**row, RID: rid, MARK: None}


def _change(
    rng: Random, variant: Variant, table: Tab, telling: list[Col], row: Row, pools: Pools, sizes: dict[str, int]
) -> None:
    fixed = {*table.key} - {"part"}
    telling = [column for column in telling if column.name not in fixed]
    if not telling or rng.random() < 0.25:
        telling = [column for column in table.columns if column.name not in fixed]
    column = rng.choice(telling)
    row[column.name] = draw_value(rng, variant, column, pools, sizes)


def _people(rng: Random, variant: Variant, people: list[Row]) -> None:
    """Mostly a tree of managers with somebody active on top, sometimes a circle."""
    for number, person in enumerate(people):
        if number == 0:
            person["status"] = "ACTIVE"
        if rng.random() < 0.7:
            person["manager"] = json_key(variant, "person", rng.randrange(number)) if number else None
    if rng.random() < 0.3:
        people[0]["manager"] = people[-1]["id"]


def today() -> datetime:
    """The time of now in UTC, seconds only."""
    return datetime.now(UTC).replace(microsecond=0)


__all__ = ["FRESH", "GONE", "Data", "Pools", "Row", "date", "draw_data", "json_key", "today"]
