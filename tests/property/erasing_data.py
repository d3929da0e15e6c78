"""Random rows for a random schema, and random requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.property.erasing_maps import GHOST, HEIR, DrawnMap, key_value
from tests.property.erasing_world import PERSON, STATUS, Col, Pointer, Tab, World

Row = dict[str, Any]


@dataclass
class Data:
    """Rows by table, as JSON has them, and a request: keys in order, those erased before, and their secrets."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    erased: list[tuple[Any, ...]] = field(default_factory=list)
    """Keys that the ledger has as erased."""
    requested: list[tuple[Any, ...]] = field(default_factory=list)
    """Keys of people who wait to be erased by another request."""


def draw_data(rng: Random, world: World, drawn: DrawnMap) -> Data:
    """Rows and a request by chance."""
    return _DataDrawer(rng, world, drawn).draw()


class _DataDrawer:
    def __init__(self, rng: Random, world: World, drawn: DrawnMap) -> None:
        self.rng = rng
        self.world = world
        self.drawn = drawn
        self.data = Data()
        self.count = 0
        self.regular: list[Row] = []
        self.standing: list[Row] = []
        """Rows that others are pointed to: nobody's, and pointing to nobody who goes."""

    def draw(self) -> Data:
        world, rng = self.world, self.rng
        tenants = (1, 2) if world.key == "composite" else (1,)
        people = [self.blank(world.person) for _ in range(rng.randint(5, 9))]
        special: list[Row] = []
        for number, row in enumerate(people, start=1):
            self.identify(row, rng.choice(tenants), number)
        for tenant in tenants:
            for number in (GHOST, HEIR):
                row = self.blank(world.person)
                self.identify(row, tenant, number)
                special.append(row)
                if world.lifecycle:
                    row["state"] = "ACTIVE"
        self.regular, self.standing = people, special
        self.data.rows[PERSON] = [*people, *special]
        for name, tab in world.tabs.items():
            if name != PERSON:
                self.data.rows[name] = [self.numbered(tab, number) for number in range(rng.randint(3, 9))]
        self.standing += [row for name in world.tabs if name != PERSON for row in self.data.rows[name][:1]]
        for name, tab in world.tabs.items():
            for row in self.data.rows[name]:
                for pointer in tab.pointers:
                    self.point(tab, row, pointer)
                if tab.identifier:
                    self.identifier(tab, row)
            if tab.unique:
                self.part(tab)
        self.request()
        return self.data

    def blank(self, tab: Tab) -> Row:
        """A row with everything that points nowhere."""
        self.count += 1
        row: Row = {"rid": self.count}
        for col in tab.cols:
            if col.name not in row:
                row[col.name] = None if col.null and self.rng.random() < 0.2 else self.value(col)
        return row

    def numbered(self, tab: Tab, number: int) -> Row:
        row = self.blank(tab)
        row["id"] = number
        return row

    def identify(self, row: Row, tenant: int, number: int) -> None:
        for column, value in zip(self.world.key_columns, key_value(self.world, tenant, number), strict=True):
            row[column] = value

    def value(self, col: Col) -> Any:
        rng = self.rng
        if col.role in ("link", "lookup", "boss", "identifier", "key", "id"):
            return None
        match col.name:
            case "status":
                return rng.choice(STATUS)
            case "num" | "level":
                return rng.randint(0, 5)
            case "flag" | "vip" | "marked" | "agreed":
                return rng.random() < 0.5 if col.role != "mark" else False
            case "state":
                return rng.choice(("ACTIVE", "ACTIVE", "INACTIVE", "ERASED"))
            case "part":
                return rng.randint(0, 1)
            case "born":
                return f"19{rng.randint(10, 99)}-{rng.randint(1, 12):02}-{rng.randint(2, 28):02}"
            case "seen":
                return f"20{rng.randint(10, 25)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:30:00"
            case "profile":
                return {"n": self.secret(), "deep": [self.secret()]}
            case "size":
                return 1000 + self.count
            case "kind":
                return rng.choice(("private", "work"))
            case _:
                return self.secret()

    def secret(self) -> str:
        """Text that is nowhere else."""
        return f"z{self.count}q{self.rng.randrange(16**6):06x}"

    def point(self, tab: Tab, row: Row, pointer: Pointer) -> None:
        rng = self.rng
        # A column in two pointers (a tenant) keeps what its key says.
        free = [column for column in pointer.columns if tab.col(column).role != "key"]
        targets = self.data.rows[pointer.target]
        is_standing = any(row is one for one in self.standing)
        standing = [one for one in targets if any(one is other for other in self.standing)]
        if is_standing:
            targets = standing
        elif pointer.target != PERSON:
            targets = [one for one in targets if not any(one is other for other in standing)]
        if free != list(pointer.columns):
            targets = [one for one in targets if one["tenant"] == row["tenant"]]
        if pointer.target == PERSON and not is_standing and rng.random() < 0.85:
            targets = [one for one in targets if one in self.regular] or targets
        if (tab.name, pointer.columns[0]) in self.drawn.neutral and rng.random() < 0.15:
            targets = standing
        nullable = set(pointer.own)
        if nullable and (not targets or is_standing or rng.random() < 0.2):
            for column in nullable if rng.random() < 0.7 else {rng.choice(sorted(nullable))}:
                row[column] = None
            if any(row[column] is None for column in pointer.columns):
                for column in free:
                    if column not in nullable and row[column] is None:
                        row[column] = 1
                return
        if pointer.action is None and rng.random() < 0.12:
            for column, value in zip(pointer.columns, self.dangling(pointer), strict=True):
                if column in free:
                    row[column] = value
            return
        target = rng.choice(targets)
        for column, wanted in zip(pointer.columns, pointer.target_columns, strict=True):
            row[column] = target[wanted]

    def part(self, tab: Tab) -> None:
        """No two rows alike where that is forbidden."""
        taken: set[tuple[Any, ...]] = set()
        for row in self.data.rows[tab.name]:
            while None not in (values := tuple(row[column] for column in tab.unique)) and values in taken:
                row["num"] += 1
            taken.add(values)

    def dangling(self, pointer: Pointer) -> tuple[Any, ...]:
        return key_value(self.world, 1, 77) if pointer.target == PERSON else (777,)

    def identifier(self, tab: Tab, row: Row) -> None:
        col = tab.col(tab.identifier or "")
        if col.null and self.rng.random() < 0.15:
            return
        if any(row is one for one in self.standing):
            row[col.name] = self.secret()
            return
        known = [value for one in self.regular for value in (one["email"], one["login"]) if value is not None]
        row[col.name] = self.rng.choice(known) if self.rng.random() < 0.85 else self.secret()

    def request(self) -> None:
        rng, world = self.rng, self.world
        chosen = rng.sample(self.regular, min(rng.choice((1, 1, 2, 2, 3, 4)), len(self.regular)))
        keys = [tuple(row[column] for column in world.key_columns) for row in chosen]
        if rng.random() < 0.06:
            keys.append(key_value(world, 1, 77))
        self.data.asked = sorted(keys)
        for row in self.regular:
            key = tuple(row[column] for column in world.key_columns)
            if world.lifecycle:
                if row["state"] == "ERASED" and rng.random() < 0.7:
                    self.data.erased.append(key)
            elif rng.random() < 0.12:
                self.data.erased.append(key)
            if key not in self.data.asked and rng.random() < 0.08:
                self.data.requested.append(key)
