"""Tables whose rows go with one another, in whatever order and however often: which rows go in the end.

First each table's rows are found by links and by tables outside (`…_direct`), then deleted rows are followed round the circle,
then everything is decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pgerase.catalog.model import Name, Table
from pgerase.compile import sql
from pgerase.compile.erasure import bound
from pgerase.compile.erasure.bound import Gone, Verb
from pgerase.compile.erasure.clash import Clashes
from pgerase.compile.erasure.parts import ROW, Hit, Outcome, Part, identity, new_name
from pgerase.compile.erasure.people import BELOW
from pgerase.compile.erasure.work import Work
from pgerase.compile.sql import fit_name, ident, indent, qualified


class Circles(Clashes):
    """The parts that find, table by table."""

    def found(self, *, plain: bool) -> list[Part]:
        """For each table, which rows are touched, by whom, and what becomes of them; `plain`: also where that needs no look."""
        parts: list[Part] = []
        for one in self.work:
            if one.name != one.circle[0] or (not plain and self.plain(one) is not None):
                continue
            circle = [other for other in self.work if other.name in one.circle]
            parts += (
                self.found_in_circle(circle) if any(other.gone_in_circle for other in circle) else self.found_in(one)
            )
        return parts

    def found_in(self, work: Work) -> list[Part]:
        """The parts of a table whose rows go with nothing that depends on them."""
        parts, hits = self.hits_before(work)
        decided = Part(self.aliases[work.name], self.decided(work, hits), self.why(work, hits))
        return [*parts, *(self.settled(work, hits, decided) if work.clashes else [decided])]

    def found_in_circle(self, circle: Sequence[Work]) -> list[Part]:
        """Tables whose rows go with one another, or one with its own: first the rows found otherwise, then whatever goes with them."""
        parts: list[Part] = []
        before: dict[Name, list[Hit]] = {}
        for one in circle:
            more, hits = self.hits_before(one)
            before[one.name] = hits
            parts += more
            if _is_found_before(one):
                parts.append(Part(self.direct_name(one), self.decided(one, hits), self.why(one, hits)))
        below, source = self.below_in(circle)
        parts += below
        for one in circle:
            ids, hits = identity(one.table), list(before[one.name])
            if along := [ref for ref in one.gone_in_circle if ref.gone is Gone.DELETE]:
                joins = (f"{ident(source[one.name])} as {BELOW} on {self.equal(BELOW, ids, ROW, ids)}",)
                comment = f"with rows that go ({', '.join(ref.label for ref in along)})"
                hits.append(Hit(BELOW, joins, f"{BELOW}.deleted_by", (Outcome(Verb.DELETE, None, ()),), comment))
            hits += [
                self.gone_hit(one, ref, source[ref.hop.target])
                for ref in one.gone_in_circle
                if ref.gone is not Gone.DELETE
            ]
            parts.append(Part(self.aliases[one.name], self.decided(one, hits), f"{one.name}, with what goes along."))
        return parts

    def direct_name(self, work: Work) -> str:
        """The part of a table in a circle that knows the rows found otherwise."""
        return self.part_name(work, "direct")

    def below_in(self, circle: Sequence[Work]) -> tuple[list[Part], Mapping[Name, str]]:
        """The parts that follow deleted rows round a circle, and where each table's deleted rows are then known."""
        along = [(one, ref) for one in circle for ref in one.gone_in_circle if ref.gone is Gone.DELETE]
        source = {one.name: self.direct_name(one) for one in circle}
        if not along:
            return [], source
        labels = ", ".join(ref.label for _, ref in along)
        comment = f"What points to them goes with them ({labels})."
        if len(circle) == 1:
            name = self.part_name(circle[0], "below")
            return [Part(name, self.below(circle[0], [ref for _, ref in along]), comment)], {circle[0].name: name}
        together = self.part_name(circle[0], "together")
        parts = [Part(together, self.together(circle, along), comment)]
        for place, one in enumerate(circle):
            if not one.deletes:
                continue
            source[one.name] = self.part_name(one, "below")
            names = self.told_names(one)
            inner = [f"together.{ident(_carried(place, name))} as {ident(name)}" for name in names]
            grouped = ", ".join(f"together.{ident(_carried(place, name))}" for name in names)
            query = (
                f"select {', '.join(inner)}, min(together.deleted_by) as deleted_by\n"
                f"from {ident(together)} as together\nwhere together.place = {place}\ngroup by {grouped}"
            )
            parts.append(Part(source[one.name], query, ""))
        return parts, source

    def told_names(self, work: Work) -> list[str]:
        """The columns that tell a deleted row, and those by which others point to it."""
        return [*identity(work.table), *self.exposed_names(work)]

    def pointing(self, work: Work, reference: bound.BoundReference, holder: str, names: Sequence[str]) -> str:
        """Rows that point to a deleted row of `holder`, but for those that a link of their own leads elsewhere."""
        conditions = [self.equal(ROW, reference.hop.columns, holder, names)]
        ids = identity(work.table)
        led = [name for name in reference.hop.columns if name in self.link_columns(work)]
        if led:
            moved = " or ".join(f"moved.{ident(new_name(name))} is distinct from {ROW}.{ident(name)}" for name in led)
            query = sql.select(
                "", [f"{ident(self.direct_name(work))} as moved"], [self.equal("moved", ids, ROW, ids), f"({moved})"]
            )
            conditions.append(f"not {sql.exists(query)}")
        return f"from {qualified(work.name)} as {ROW}\nwhere {' and '.join(conditions)}"

    def link_columns(self, work: Work) -> set[str]:
        """The columns that a link may change, before anything that goes with other rows is looked at."""
        return set(self.changed_columns(replace(work, gone=work.gone_before)))

    def below(self, work: Work, references: Sequence[bound.BoundReference]) -> str:
        """Deleted rows of a table, those of it that point to them, and so on; each goes with the first person of all."""
        names = self.told_names(work)
        listed = ", ".join(f"{ROW}.{ident(name)}" for name in names)
        seed = (
            f"select {', '.join(f'found.{ident(name)}' for name in names)}, found.deleted_by\n"
            f"from {ident(self.direct_name(work))} as found\nwhere found.deleted_by is not null"
        )
        steps = [f"select {listed}\n{self.pointing(work, one, 'below', one.hop.target_columns)}" for one in references]
        united = "\nunion all\n".join(steps)
        step = f"select {listed}, below.deleted_by\nfrom below\n    cross join lateral (\n        {indent(united, 8)}\n    ) as {ROW}"
        outer = ", ".join(f"below.{ident(name)}" for name in names)
        return (
            f"with recursive below as (\n    {indent(seed)}\n    union\n    {indent(step)}\n)\n"
            f"select {outer}, min(below.deleted_by) as deleted_by\nfrom below\ngroup by {outer}"
        )

    def together(self, circle: Sequence[Work], along: Sequence[tuple[Work, bound.BoundReference]]) -> str:
        """The same over several tables: a row tells its table by `place`, and leaves the other tables' columns null."""
        places = {one.name: place for place, one in enumerate(circle)}
        carried = [
            (place, name, _type_of(one.table, name))
            for place, one in enumerate(circle)
            for name in self.told_names(one)
        ]

        def row(place: int, alias: str) -> str:
            values = [f"{alias}.{ident(name)}" if own == place else f"null::{kind}" for own, name, kind in carried]
            return ", ".join([str(place), *values])

        seeds = [
            f"select {row(places[one.name], 'found')}, found.deleted_by\n"
            f"from {ident(self.direct_name(one))} as found\nwhere found.deleted_by is not null"
            for one in circle
            if one.deletes and _is_found_before(one)
        ]
        names = ", ".join(["place", *(ident(_carried(place, name)) for place, name, _ in carried), "deleted_by"])
        steps = [
            f"select {row(places[one.name], ROW)}\n"
            + self.pointing(
                one,
                ref,
                "together",
                [_carried(places[ref.hop.target], name) for name in ref.hop.target_columns],
            )
            + f" and together.place = {places[ref.hop.target]}"
            for one, ref in along
        ]
        united_seeds, united_steps = "\nunion all\n".join(seeds), "\nunion all\n".join(steps)
        step = (
            "select step.*, together.deleted_by\nfrom together\n"
            f"    cross join lateral (\n        {indent(united_steps, 8)}\n    ) as step"
        )
        return (
            f"with recursive together ({names}) as (\n    (\n        {indent(united_seeds, 8)}\n    )\n    union\n"
            f"    {indent(step)}\n)\nselect *\nfrom together"
        )


def _is_found_before(work: Work) -> bool:
    """Whether rows of a table in a circle are touched otherwise as well, and not only with others of the circle."""
    return bool(work.links or work.gone_before)


def _carried(place: int, column: str) -> str:
    """The column in which rows of several tables carry a column of one of them."""
    return fit_name(f"c{place}_{column}")


def _type_of(table: Table, name: str) -> str:
    """The type of a column that tells rows apart, or of where a row lies."""
    column = table.column(name)
    return column.type if column is not None else {"tableoid": "oid", "ctid": "tid"}[name]
