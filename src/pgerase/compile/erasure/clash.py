"""Unique indexes: a row handed over to where another one is goes, and of several that come to the same place one stays.

Values that fillers make, and what is undone with rows that go, are another matter: nobody is to lose a row for those, so the
dry run counts them as violations.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pgerase.compile import sql
from pgerase.compile.erasure.bound import Verb
from pgerase.compile.erasure.find import Finder
from pgerase.compile.erasure.parts import AS_FOUND, ROW, Hit, Part, identity, lateral, new_name
from pgerase.compile.erasure.unique import UniqueKey, unique_keys
from pgerase.compile.erasure.work import Work
from pgerase.compile.sql import ident, indent, qualified, text_literal

_MOVES = (Verb.REASSIGN, Verb.GHOST, Verb.UNLINK)
_MOVED = "like any (array[" + ", ".join(f"'{verb}%'" for verb in _MOVES) + "])"


class Clashes(Finder):
    """Where rows would come to stand, and whether another one is there."""

    def settled(self, work: Work, hits: Sequence[Hit], decided: Part) -> list[Part]:
        """The parts of a table in which rows that are handed over may meet others; `decided` is what its links say of each row.

        Whoever is erased first brings their rows first, as if people were erased one by one. What meets a row that stays goes
        before others are compared, so that it takes nobody along.
        """
        alias, ids = decided.name, identity(work.table)
        moved, placed = self.part_name(work, "moved"), self.part_name(work, "placed")
        movers = [
            f"case when found.verb_{hit.name} {_MOVED} then found.number_{hit.name} end"
            for hit in hits
            if not hit.points
        ]
        first = movers[0] if len(movers) == 1 else f"least(\n    {(',' + chr(10) + '    ').join(movers)}\n)"
        names = ", ".join(key.name for key in work.clashes)
        comment = f"A row that is handed over to where another one is goes; of several one stays ({names})."
        out = [f"found.{ident(name)}" for name in (*ids, *self.exposed_names(work))]
        for hit in hits:
            out.append(f"found.number_{hit.name}")
            if hit.numbers is not None:
                out.append(f"found.numbers_{hit.name}")
            verb = f"found.verb_{hit.name}"
            out.append(
                f"case when placed.goes and {verb} {_MOVED} then '{Verb.DELETE}' else {verb} end as verb_{hit.name}"
            )
        out += [f"found.{ident(new_name(name))}" for name in self.changed_columns(work)]
        out += ["found.changes", "case when placed.goes then placed.mover else found.deleted_by end as deleted_by"]
        out.append(f"found.{AS_FOUND}")
        where = self.equal("placed", ids, "found", ids)
        listed = ",\n    ".join(indent(one) for one in out)
        final = f"select {listed}\nfrom {ident(moved)} as found\n    join {ident(placed)} as placed on {where}"
        return [
            Part(moved, decided.query, decided.comment),
            Part(placed, self.placed(work, moved, first), comment),
            Part(alias, final, ""),
        ]

    def placed(self, work: Work, moved: str, mover: str) -> str:
        """For each row who hands it over, and whether it goes for that."""
        ids = identity(work.table)
        wanted = [f"found.{ident(name)}" for name in ids]
        sources = [
            f"{ident(moved)} as found",
            f"join {qualified(work.name)} as {ROW} on {self.equal(ROW, ids, 'found', ids)}",
            lateral([mover], "handed", ["mover"]),
        ]
        wanted.append("handed.mover")
        taken: list[str] = []
        for number, key in enumerate(work.clashes, 1):
            spot = f"spot_{number}"
            sources.append(f"left join lateral (\n    {indent(self.spot(work, key))}\n) as {spot} on true")
            wanted += [f"{spot}.{name} as {name}_{number}" for name in ("moves", *_keys(key))]
            taken.append(f"({spot}.moves and {self.taken(work, key, number, moved)})")
        united = "\n    or ".join(taken)
        wanted.append(f"handed.mover is not null and coalesce(\n    {indent(united)}, false\n) as goes")
        query = (
            "select " + ",\n    ".join(indent(one) for one in wanted) + "\nfrom " + "\n    ".join(map(indent, sources))
        )
        told = [*(ident(name) for name in ids), "mover"]
        for number, key in enumerate(work.clashes, 1):
            carried = [
                f"placed.{name}_{later}"
                for later, other in enumerate(work.clashes, 1)
                if later > number
                for name in ("moves", *_keys(other))
            ]
            partition = ", ".join(["placed.goes", *(f"placed.{name}_{number}" for name in ("moves", *_keys(key)))])
            order = ", ".join(["placed.mover nulls first", *(f"placed.{ident(name)}" for name in ids)])
            place = f"row_number() over (partition by {partition} order by {order})"
            goes = f"placed.goes or (coalesce(placed.moves_{number}, false) and placed.mover is not null and {place} > 1) as goes"
            listed = ",\n    ".join([*(f"placed.{name}" for name in told), *carried, goes])
            query = f"select {listed}\nfrom (\n    {indent(query)}\n) as placed"
        return query

    def spot(self, work: Work, key: UniqueKey) -> str:
        """Where a row would come to stand in a unique index; nothing where it is not moved, or not in the index."""
        changed = set(self.changed_columns(work)) & set(key.columns)
        image = ", ".join(
            f"found.{ident(new_name(name))} as {ident(name)}" if name in changed else f"{ROW}.{ident(name)}"
            for name in key.columns
        )
        differs = " or ".join(
            f"found.{ident(new_name(name))} is distinct from {ROW}.{ident(name)}"
            for name in key.columns
            if name in changed
        )
        conditions = ["found.deleted_by is null", f"({differs})", *_in_index(key)]
        keys = ", ".join(f"{text} as {name}" for text, name in zip(key.keys, _keys(key), strict=True))
        return sql.select(f"true as moves, {keys}", [f"(select {image}) as after"], conditions)

    def taken(self, work: Work, key: UniqueKey, number: int, moved: str) -> str:
        """Whether a row is at that place that does not go.

        One that is changed and leaves it counts as well: the server looks at each row as it is changed, in whatever order.
        """
        ids = identity(work.table)
        stays = _outside("other", ids, f"{ident(moved)} as found", "found.deleted_by is not null")
        there = key.same(f"spot_{number}")
        if key.predicate is not None:
            there.append(key.predicate)
        itself = self.equal("other", ids, "found", ids)
        conditions = [*there, f"not ({itself})", stays]
        return sql.exists(sql.select("", [f"{qualified(work.name)} as other"], conditions))

    def duplicates(self, work: Work, changed: set[str], after: str, number: str) -> Iterable[str]:
        """Rows that would stand where another one stands in a unique index and do not go for that.

        `after` are the rows as they would be, `number` its column that says whose they are, `changed` those that may be others.
        """
        ids = identity(work.table)
        relation = text_literal(str(work.name)).strip()
        for key in unique_keys(work.table):
            if not changed & set(key.columns):
                continue
            names = _keys(key)
            keys = ", ".join(f"{text} as {name}" for text, name in zip(key.keys, names, strict=True))
            spots = sql.select(
                f"after.{number} as number, {keys},\n    count(*) over (partition by {', '.join(key.keys)}) as many",
                [after.removeprefix("from ")],
                _in_index(key),
            )
            # What is changed itself is among the others.
            found = f"{ident(self.aliases[work.name])} as found"
            stays = _outside(ROW, ids, found, "(found.changes or found.deleted_by is not null)")
            there = key.same("spot")
            if key.predicate is not None:
                there.append(key.predicate)
            other = sql.exists(sql.select("", [f"{qualified(work.name)} as {ROW}"], [*there, stays]))
            strategy = text_literal(f"violates {key.name}").strip()
            yield (
                f"select spot.number, {relation}, {strategy}\nfrom (\n    {indent(spots)}\n) as spot\n"
                f"where spot.many > 1\n    or {indent(other)}"
            )


def _keys(key: UniqueKey) -> list[str]:
    return list(key.names)


def _outside(alias: str, ids: Sequence[str], source: str, condition: str) -> str:
    """Whether a row is not among some others. Not as EXISTS, which would read those once a row: NOT IN is hashed, and ids are never null."""
    mine = ", ".join(f"{alias}.{ident(name)}" for name in ids)
    theirs = ", ".join(f"found.{ident(name)}" for name in ids)
    return f"({mine}) not in (\n    {indent(sql.select(theirs, [source], [condition]))}\n)"


def _in_index(key: UniqueKey) -> list[str]:
    """When a row has a place in the index that no other may have."""
    nulls = [f"{text} is not null" for text in key.keys] if key.nulls_distinct else []
    return [*nulls, *([key.predicate] if key.predicate is not None else [])]
