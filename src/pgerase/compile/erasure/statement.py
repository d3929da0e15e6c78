"""The erasing statement of one kind of person: everything is found against one state, then changed at once.

All updates and deletes are data-modifying parts of *one* statement. They all see the state before it, foreign keys are checked
at its end, so nothing needs an order and circles need no breaking (PostgreSQL manual, 7.8.4; field notes on erasing). No row is
in two of them: what becomes of a row is decided once, in the part named after its table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pgerase.catalog.model import Column
from pgerase.compile.erasure.bound import CHANGE, Gone, Verb
from pgerase.compile.erasure.circle import Circles
from pgerase.compile.erasure.parts import (
    AS_FOUND,
    ROW,
    STRENGTH,
    Hit,
    Part,
    alone,
    identity,
    new_name,
    strategy_of,
)
from pgerase.compile.erasure.people import BELOW
from pgerase.compile.erasure.unique import columns_of, derived, unique_keys
from pgerase.compile.erasure.work import Work
from pgerase.compile.sql import ident, indent, qualified, text_literal, unbroken
from pgerase.compile.types import unmodified
from pgerase.errors import Finding, Severity


class Statement(Circles):
    """The whole statement: what is found, what is done, what is counted."""

    def done(self) -> list[Part]:
        """The updates and deletes, one of each a table at most; rows are never in both."""
        parts: list[Part] = []
        for one in self.work:
            if (hit := self.plain(one)) is not None:
                parts.append(self.done_plainly(one, hit))
                continue
            alias, ids = self.aliases[one.name], identity(one.table)
            # What became of a row was decided of the version that was found. A writer we had to wait for may have handed the
            # row over: then it is left alone, and missed. By xmin, since older servers do not look at a ctid again.
            same = f"{self.equal(ROW, ids, 'found', ids)} and {ROW}.xmin = found.{AS_FOUND}"
            changed = self.changed_columns(one)
            deleted = self.part_name(one, "deleted")
            if one.deletes:
                query = (
                    f"delete from {qualified(one.name)} as {ROW}\nusing {ident(alias)} as found\n"
                    f"where {same} and found.deleted_by is not null\nreturning 1"
                )
                parts.append(Part(deleted, query, ""))
            if changed:
                # A row may be handed over to where another one goes from, which has to be gone by then.
                after = f" and (select count(*) from {ident(deleted)}) >= 0" if one.clashes and one.deletes else ""
                sets = ",\n    ".join(f"{ident(name)} = found.{ident(new_name(name))}" for name in changed)
                query = (
                    f"update {qualified(one.name)} as {ROW}\nset {sets}\nfrom {ident(alias)} as found\n"
                    f"where {same} and found.changes and found.deleted_by is null{after}\nreturning 1"
                )
                parts.append(Part(self.part_name(one, "changed"), query, ""))
        return parts

    def done_plainly(self, work: Work, hit: Hit) -> Part:
        """The change as one would write it by hand."""
        alias = self.aliases[work.name]
        people, on = hit.joins[0].split(" on ", 1)
        outcome = hit.outcomes[0]
        comment = f"{work.name} ({work.links[0].at}): {hit.comment}"
        if outcome.label == Verb.DELETE:
            query = f"delete from {qualified(work.name)} as {ROW}\nusing {people}\nwhere {on}\nreturning {hit.number}"
            return Part(alias, query, comment)
        changes = [(name, alone(name, value)) for name, value in outcome.changes]
        sets = ",\n    ".join(f"{ident(name)} = {indent(value)}" for name, value in changes)
        differs = ""
        if outcome.label == Verb.KEEP:
            differs = f"\n    and {indent(self.differs(work.table, [n for n, _ in changes], changes))}"
        query = (
            f"update {qualified(work.name)} as {ROW}\nset {sets}\nfrom {people}\nwhere {on}{differs}\n"
            f"returning {hit.number}"
        )
        return Part(alias, query, comment)

    def counts(self, *, done: bool) -> str:
        """Rows by person, table and strategy; a row counts once a person, and not after somebody before deleted it.

        `done`: of tables changed without a look before, what was returned.
        """
        if not self.work:
            nothing = "-- The map keeps everything as it is.\nselect person.person, null::text, null::text, 0::bigint\n"
            return f"{nothing}from person\nwhere false"
        each = [self.count_of(one, done=done) for one in self.work]
        if not done and (violations := self.violations()):
            each.append(violations)
        united = "\nunion all\n".join(each)
        return (
            "select person.person, hit.relation, hit.strategy, count(*)\n"
            f"from (\n    {indent(united)}\n) as hit\n    join person on person.number = hit.number\n"
            "group by person.person, hit.relation, hit.strategy"
        )

    def count_of(self, work: Work, *, done: bool) -> str:
        alias, ids = self.aliases[work.name], identity(work.table)
        relation = text_literal(str(work.name)).strip()
        if (hit := self.plain(work)) is not None:
            verb = hit.outcomes[0].label
            strategy = CHANGE if verb == Verb.KEEP else verb
            number = "number" if done else f"number_{hit.name}"
            changed = "\nwhere found.changes" if verb == Verb.KEEP and not done else ""
            return (
                f"select found.{number} as number, {relation} as relation, '{strategy}' as strategy\n"
                f"from {ident(alias)} as found{changed}"
            )
        names = self.hit_names(work)
        shared = self.shared_names(work)
        if len(names) == 1 and not shared:
            strategy = strategy_of(f"found.verb_{names[0]}")
            return (
                f"select found.number_{names[0]} as number, {relation} as relation,\n    {strategy} as strategy\n"
                f"from {ident(alias)} as found"
            )
        last = work.mapped is not None and work.mapped.only_last
        rows = "\n        union all\n        ".join(
            f"select each.number, {strategy_of(f'found.verb_{name}', last=last)} from "
            + (
                f"unnest(found.numbers_{name}) as each (number)"
                if name in shared
                else f"(values (found.number_{name})) as each (number)"
            )
            for name in names
        )
        listed = ", ".join(f"found.{ident(name)}" for name in ids)
        order = "array_position(array[" + ", ".join(f"'{one}'" for one in STRENGTH) + "], hit.strategy)"
        query = (
            f"select distinct on ({listed}, hit.number) hit.number, {relation} as relation, hit.strategy\n"
            f"from {ident(alias)} as found\n"
            f"    cross join lateral (\n        {rows}\n    ) as hit (number, strategy)\n"
            "where hit.number <= coalesce(found.deleted_by, hit.number)\n"
            f"order by {listed}, hit.number, {order}"
        )
        return f"(\n    {indent(query)}\n)"

    def violations(self) -> str:
        """Rows that would break a check or a foreign key as they are to be: the dry run evaluates what the compiler cannot prove."""
        return "\nunion all\n".join(text for one in self.work for text in self.violations_of(one))

    def violations_of(self, work: Work) -> Iterable[str]:
        changed = set(self.changed_columns(work))
        if not changed:
            return
        follow = {column.name: unbroken(column.default or "") for column in derived(work.table, changed)}
        alias, ids = self.aliases[work.name], identity(work.table)
        numbers = [f"found.number_{name}" for name in self.hit_names(work)]
        number = numbers[0] if len(numbers) == 1 else f"least({', '.join(numbers)})"
        asked = self.asked_columns(work, changed, follow)
        columns = ",\n        ".join(
            f"found.{ident(new_name(column.name))} as {ident(column.name)}"
            if column.name in changed
            else f"{ROW}.{ident(column.name)}"
            for column in work.table.columns
            if column.name not in follow and column.name in asked
        )
        mine = _unlike(column.name for column in work.table.columns)
        after = (
            f"from (\n    select {number} as {mine},\n        {columns}\n"
            f"    from {ident(alias)} as found\n"
            f"        join {qualified(work.name)} as {ROW} on {self.equal(ROW, ids, 'found', ids)}\n"
            "    where found.changes and found.deleted_by is null\n) as after"
        )
        if follow:
            made = ",\n        ".join(f"({expression}) as {ident(name)}" for name, expression in follow.items())
            after = f"from (\n    select after.*,\n        {made}\n    {indent(after)}\n) as after"
            changed |= set(follow)
        for check in work.table.constraints:
            if (
                check.kind == "c"
                and changed & set(check.columns)
                and (text := _condition(check.definition)) is not None
            ):
                strategy = text_literal(f"violates {check.name}").strip()
                relation = text_literal(str(work.name)).strip()
                yield f"select after.{mine}, {relation}, {strategy}\n{after}\nwhere ({text}) is false"
        for column in work.table.columns:
            if column.name in changed and (text := self.domain_violations(work, column, after, mine)):
                yield text
        for key in work.table.foreign_keys:
            if not changed & set(key.columns):
                continue
            self.reads.add(key.target)
            here = [f"after.{ident(name)} is not null" for name in key.columns]
            there = self.equal("target", key.target_columns, "after", key.columns)
            conditions = " and ".join(
                [*here, f"not exists (select from {qualified(key.target)} as target where {there})"]
            )
            strategy = text_literal(f"violates {key.name}").strip()
            relation = text_literal(str(work.name)).strip()
            yield f"select after.{mine}, {relation}, {strategy}\n{after}\nwhere {conditions}"
        yield from self.duplicates(work, changed, after, mine)

    @staticmethod
    def asked_columns(work: Work, changed: set[str], follow: Mapping[str, str]) -> set[str]:
        """The columns that constraints name which could be broken, and what follows from others is made of."""
        table, after = work.table, changed | set(follow)
        asked = set(changed)
        for expression in follow.values():
            asked |= columns_of(table, expression)
        for check in table.constraints:
            if check.kind == "c" and after & set(check.columns) and (text := _condition(check.definition)) is not None:
                asked |= columns_of(table, text)
        for named in (*(key.columns for key in table.foreign_keys), *(key.columns for key in unique_keys(table))):
            if after & set(named):
                asked.update(named)
        return asked

    def domain_violations(self, work: Work, column: Column, after: str, number: str) -> str:
        """Rows of which a domain of a column refuses the new value; empty where none has a check.

        As the server does, from the innermost domain outwards and no further than the first that refuses: another one may rely on it.
        """
        cases = "".join(
            f"\n            when ({text}) is false then {text_literal(f'violates {check.name}').strip()}"
            for domain in reversed(column.domains)
            for check in domain.checks
            if (text := _condition(check.definition)) is not None
        )
        if not cases:
            return ""
        relation = text_literal(str(work.name)).strip()
        # Nothing but the value is in sight of a check, which calls it VALUE.
        value = f"after.{ident(column.name)}::{unmodified(column.base_type)} as value"
        return (
            f"select broken.number, {relation}, broken.strategy\n"
            "from (\n    select checked.number,\n        case"
            f"{cases}\n        end as strategy\n"
            f"    from (\n        select after.{number} as number, {value}\n        {indent(after, 8)}\n    ) as checked\n"
            ") as broken\nwhere broken.strategy is not null"
        )

    def unwritable(self) -> Iterable[Finding]:
        """Columns that would be changed and that PostgreSQL lets nobody write: generated ones, and GENERATED ALWAYS AS IDENTITY."""
        for one in self.work:
            for name in self.changed_columns(one):
                column = one.table.column(name)
                if column is None or not (column.generated or column.identity == "a"):
                    continue
                at = one.mapped.at if one.mapped is not None else self.subject.at
                what, hint = (
                    ("generated", "Link by the columns it is made from, or treat those.")
                    if column.generated
                    else ("generated always as identity", "Let it be written: alter column … set generated by default.")
                )
                subject = f"{one.name}.{name}"
                message = f"{subject}: erasing would write it, and it is {what}"
                yield Finding("generated-column", Severity.ERROR, subject, message, hint, at)

    def hit_names(self, work: Work) -> list[str]:
        """The names of the ways in which rows of a table are touched, as in `found_in`."""
        names = list(self.link_names[work.name])
        names += [self.gone_name(work, one) for one in work.gone_before]
        along = [one.gone is Gone.DELETE for one in work.gone_in_circle]
        if any(along):
            names.append(BELOW)
        names += [self.gone_name(work, one) for one in work.gone_in_circle if one.gone is not Gone.DELETE]
        return names

    def shared_names(self, work: Work) -> set[str]:
        """The names of those by which a row may be several people's."""
        return {
            name for name, link in zip(self.link_names[work.name], work.links, strict=True) if not link.path.finds_one
        }

    def missed(self) -> str:
        """For each table how many rows were found but not changed or deleted: somebody's trigger held them back."""
        each: list[str] = []
        for one in self.work:
            if self.plain(one) is not None:
                continue
            alias = self.aliases[one.name]
            relation = text_literal(str(one.name)).strip()
            ways = [("delete", "deleted", "found.deleted_by is not null")] if one.deletes else []
            if self.changed_columns(one):
                ways.insert(0, (CHANGE, "changed", "found.changes and found.deleted_by is null"))
            for strategy, suffix, which in ways:
                each.append(
                    f"select null, {relation}, '{strategy}',\n"
                    f"    (select count(*) from {ident(alias)} as found where {which})\n"
                    f"        - (select count(*) from {ident(self.part_name(one, suffix))})"
                )
        return "\nunion all\n".join(each)


def _unlike(names: Iterable[str]) -> str:
    """A name for the person's number that none of a table's columns has: checks speak of those by their bare names."""
    taken, name = set(names), "number"
    while name in taken:
        name += "_"
    return name


def _condition(definition: str) -> str | None:
    """The expression of a check constraint as the server spells it."""
    match = _CHECK.match(definition)
    return unbroken(match[1]) if match else None


_CHECK = re.compile(r"CHECK \((.*)\)(?: NO INHERIT)?(?: NOT VALID)?(?: NOT ENFORCED)?\Z", re.DOTALL)
