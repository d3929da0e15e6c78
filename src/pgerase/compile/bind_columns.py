"""Binds `columns` of a resource: what every column's rights come to once `"*"` is looked up, and masks as typed literals."""

from __future__ import annotations

import re

from pgerase.catalog.model import Column, Table
from pgerase.compile import bound
from pgerase.compile.bind_conditions import ConditionBinder, Scope
from pgerase.compile.bound import BoundColumnGrant, BoundColumnRight, BoundColumns, Side
from pgerase.compile.types import type_of
from pgerase.rules import access
from pgerase.rules.access import ColumnGrant, ColumnRight
from pgerase.rules.conditions import Action

OTHERS = "*"
"""The entry of `columns` that stands for every column not named, later ones included."""
_MODIFIER = re.compile(r"\([\d,]+\)")
_LENGTH = re.compile(r"\((\d+)\)")


class ColumnBinder(ConditionBinder):
    """Column rights of resources. What cannot be bound is left out and named in the findings."""

    def bind_columns(self, resource: access.Resource, table: Table) -> BoundColumns:
        """The rights on the columns of a resource."""
        entries = {entry.column: entry for entry in resource.columns}
        for entry in resource.columns:
            if entry.column != OTHERS:
                self.attempt(lambda entry=entry: self.column(table, entry.column, entry.at))
        made = {
            (entry.column, action): self.attempt(
                lambda entry=entry, action=action: self.bind_grant(entry, action, table)
            )
            for entry in resource.columns
            for action in (Action.READ, Action.INSERT, Action.UPDATE)
        }

        def right(column: str, action: Action) -> BoundColumnGrant | None:
            source = next((name for name in (column, OTHERS) if name in entries and given(entries[name], action)), None)
            return None if source is None else made[source, action]

        rights: list[BoundColumnRight] = []
        for column in table.columns:
            read, insert, update = (
                right(column.name, action) for action in (Action.READ, Action.INSERT, Action.UPDATE)
            )
            if read is not None or insert is not None or update is not None:
                mask = self.attempt(lambda column=column: self.mask(column, entries, table))
                rights.append(BoundColumnRight(column, read, insert, update, mask or "null"))
        later = (right(OTHERS, action) for action in (Action.READ, Action.INSERT, Action.UPDATE))
        return BoundColumns(tuple(rights), *later)

    def bind_grant(self, entry: ColumnRight, action: Action, table: Table) -> BoundColumnGrant | None:
        """The right that an entry gives for an action; None where everyone has it, or the entry does not mention it."""
        grant = given(entry, action)
        if grant is None or grant.everyone is True:
            return None
        who = None
        if grant.who is not None:
            who = self.condition(grant.who, Scope(Side.PERSON, self.people_table(grant.at)))
        viewers = self.viewers_table is not None
        rows = self.condition(grant.rows, Scope(Side.ROW, table, person=viewers, row=table, can=True))
        return BoundColumnGrant(f"{entry.column}: {action}", grant.everyone is False, who, rows, grant.at)

    def mask(self, column: Column, entries: dict[str, ColumnRight], table: Table) -> str:
        """What stands in a column's place for those who may not read it, as SQL of exactly the column's type."""
        own, others = entries.get(column.name), entries.get(OTHERS)
        # The mask goes with the right to read; an entry that says nothing of reading may still bring its own.
        source = own if own is not None and (own.read is not None or own.mask is not None) else others
        if source is None or source.mask is None:
            return f"null::{column.type}"
        subject = f"{table.name}.{column.name}"
        wanted = type_of(column)
        if wanted.many:
            raise self.fail("bad-mask", subject, f"{subject} is an array: it can be masked with null only", source.at)
        made = self.literal(source.mask, wanted, subject)
        longest = _LENGTH.search(column.type) if wanted.is_text else None
        if longest is not None and len(str(source.mask.value)) > int(longest.group(1)):
            message = f"the mask of {subject} is longer than the {longest.group(1)} characters it holds"
            raise self.fail("bad-mask", subject, message, source.mask.at)
        # A domain's checks are about stored values: its base type is enough, and never fails on being read.
        is_domain = _MODIFIER.sub("", column.type) != column.base_type and column.type_kind != "e"
        return f"({made})::{column.base_type if is_domain else column.type}"


def given(entry: ColumnRight, action: Action) -> ColumnGrant | None:
    """What an entry says about an action; None where it does not mention it."""
    return {Action.READ: entry.read, Action.INSERT: entry.insert, Action.UPDATE: entry.update}.get(action)


def row_columns(condition: bound.BoundCondition) -> set[str]:
    """Columns of the resource's own row that a condition reads first hand."""
    found: set[str] = set()

    def value(one: bound.Value | None) -> None:
        match one:
            case bound.ColumnValue(side=Side.ROW):
                found.update(one.hops[0].columns if one.hops else (one.column,))
            case bound.RelationValue():
                visit(one.relation.where)
                visit(one.narrowed)
            case _:
                return

    def visit(part: bound.BoundCondition) -> None:
        match part:
            case bound.BAll(terms) | bound.BAny(terms):
                for term in terms:
                    visit(term)
            case bound.BNot(term):
                visit(term)
            case bound.BCan():
                found.update(part.side_hops[0].columns)
            case bound.BTest(left, _, right):
                value(left)
                for one in right if isinstance(right, tuple) else (right,):
                    value(one)
            case bound.BInGroup():
                pass

    visit(condition)
    return found
