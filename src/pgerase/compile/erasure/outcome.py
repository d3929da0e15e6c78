"""What becomes of a row by one link: verbs, heirs, and the new values of columns."""

from __future__ import annotations

from collections.abc import Iterable

from pgerase.catalog.model import Table
from pgerase.compile import sql
from pgerase.compile.bound import BoundCondition
from pgerase.compile.emit import Env
from pgerase.compile.erasure import bound
from pgerase.compile.erasure.bound import BoundLink, Verb
from pgerase.compile.erasure.fill import Misfit, leaves_alone, new_value
from pgerase.compile.erasure.parts import ROW, Outcome
from pgerase.compile.erasure.people import People
from pgerase.compile.erasure.work import Work
from pgerase.compile.sql import ident, qualified
from pgerase.errors import Finding, Position, Severity
from pgerase.rules import data_map as rules


class Outcomes(People):
    """The outcomes of links."""

    def holds(self, when: BoundCondition, alias: str) -> list[str]:
        """A condition on a row, or on the person whose row it is, as texts safe next to AND."""
        taken = frozenset({alias, ROW, "person", "given", "manager", "climb"})
        env = Env(row=alias, person=alias, as_set=False, taken=taken)
        return self.emitter.conjuncts(when, env, positive=True)

    def outcomes(self, work: Work, link: BoundLink, name: str) -> tuple[Outcome, ...]:
        made: list[Outcome] = []
        seen: dict[Verb, int] = {}
        for rule in link.rules:
            seen[rule.verb] = seen.get(rule.verb, 0) + 1
            again = f" {seen[rule.verb]}" if seen[rule.verb] > 1 else ""
            conditions = [] if rule.when is None else self.holds(rule.when, ROW)
            if rule.verb is Verb.DELETE and work.keeps_needed:
                conditions += [f"not {needed}" for needed in self.needed(work)]
            when = " and ".join(conditions) if conditions else None
            changes = () if rule.verb is Verb.DELETE else tuple(self.changes(work, link, rule, name).items())
            made.append(Outcome(f"{rule.verb}{again}", when, changes))
            if when is None:
                return tuple(made)
        return (*made, Outcome(Verb.KEEP + (" 0" if Verb.KEEP in seen else ""), None, ()))

    def needed(self, work: Work) -> Iterable[str]:
        """Whether somebody else still points to the row: anybody but the people of the request, whose columns let go of it."""
        for one in work.keeps_needed:
            conditions = [self.equal("other", one.hop.columns, ROW, one.hop.target_columns)]
            self.reads.add(one.source)
            own = self.data_map.tables.get(one.source)
            released = own is not None and all(
                name in own.columns and not leaves_alone(own.columns[name].treatments) for name in one.hop.columns
            )
            if one.source == self.subject.table.name and released:
                mine = self.equal("leaving", self.subject.key_columns, "other", self.subject.key_columns)
                conditions.append(f"not {sql.exists(sql.select('', ['person as leaving'], [mine]))}")
            yield sql.exists(sql.select("", [f"{qualified(one.source)} as other"], conditions))

    def changes(self, work: Work, link: BoundLink, rule: bound.BoundRule, name: str) -> dict[str, str]:
        """The columns that a rule changes, with their new values."""
        changed: dict[str, str] = {}
        mapped = work.mapped
        assert mapped is not None
        if rule.candidates:
            changed.update(self.handed_over(link, rule, name))
        if link.is_self and self.subject.lifecycle is not None:
            changed[self.subject.lifecycle.column] = self.subject.lifecycle.erased
        if link.path.identifier is not None and link.path.is_direct and not rule.candidates:
            changed.update(self.followed(link, name))
        replaced = dict(rule.columns)
        for column in (*link.columns, *(one for one in replaced if one not in link.columns)):
            entry = mapped.columns.get(column)
            treatments = replaced.get(column, entry.treatments if entry is not None else ())
            at = rule.at if column in replaced else entry.at if entry is not None else rule.at
            if not treatments and entry is not None:
                self.findings.append(not_treated(work.table, column, at))
            if treatments and not leaves_alone(treatments):
                self.treat(work.table, column, treatments, name, changed)
        changed.update(rule.marks)
        return changed

    def treat(
        self, table: Table, column: str, treatments: tuple[rules.Treatment, ...], person: str, changed: dict[str, str]
    ) -> None:
        found = table.column(column)
        assert found is not None
        try:
            changed[column] = new_value(table, found, treatments, ROW, person)
        except Misfit as misfit:
            self.findings.append(misfit.finding(table, found))

    def followed(self, link: BoundLink, name: str) -> dict[str, str]:
        """A kept link by identifier takes the identifier's new value."""
        assert link.path.identifier is not None
        column = self.subject.identifiers[link.path.identifier]
        own = self.data_map.tables[self.subject.table.name].columns.get(column.name)
        if own is None or leaves_alone(own.treatments):
            return {}
        try:
            value = new_value(self.subject.table, column, own.treatments, "self", name)
        except Misfit:
            return {}  # Reported where the column itself is treated.
        if "self." in value:
            message = f"{link.label} holds {column.name}, whose new value depends on the person's row"
            self.findings.append(refusal("not-compiled-yet", str(link.label), message, link.at))
        return {link.path.columns[0]: value}

    def handed_over(self, link: BoundLink, rule: bound.BoundRule, name: str) -> dict[str, str]:
        """What the link columns become: the first candidate there is."""
        columns = link.path.columns
        values: dict[str, list[str]] = {}
        for candidate in rule.candidates:
            match candidate:
                case bound.ToManager():
                    last = ident(self.subject.key_columns[-1])
                    query = f"(select manager.{last} from manager where manager.number = {name}.number)"
                    values.setdefault(columns[-1], []).append(query)
                case bound.ToPool(value):
                    values.setdefault(columns[-1], []).append(self.pool(value, columns))
                case bound.ToValue(pairs):
                    for column, value in pairs:
                        values.setdefault(column, []).append(value)
        return {column: f"coalesce({', '.join(one)})" if len(one) > 1 else one[0] for column, one in values.items()}

    def pool(self, value: bound.ColumnValue, columns: tuple[str, ...]) -> str:
        """The person that the row's path leads to, if active and staying."""
        subject = self.subject
        env = Env(row=ROW, as_set=False, taken=frozenset({ROW, "pool", "leaving"}))
        *rest, last = subject.key_columns
        conditions = [f"pool.{ident(last)} = {self.emitter.value(value, env)}"]
        conditions += [f"pool.{ident(key)} = {ROW}.{ident(mine)}" for key, mine in zip(rest, columns, strict=False)]
        conditions.append(self.stays("pool"))
        return sql.subquery(sql.select(f"pool.{ident(last)}", [f"{qualified(subject.table.name)} as pool"], conditions))


def not_treated(table: Table, column: str, at: Position) -> Finding:
    """A personal column of rows that stay, of which nothing is said."""
    message = f"{table.name}.{column} is personal, and nothing says what becomes of it in rows that stay"
    return refusal("not-treated", f"{table.name}.{column}", message, at)


def refusal(code: str, subject: str, message: str, at: Position) -> Finding:
    """A finding that refuses the map."""
    return Finding(code, Severity.ERROR, subject, message, "", at)
