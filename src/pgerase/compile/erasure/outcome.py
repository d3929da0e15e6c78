"""What becomes of a row by one link: verbs, heirs, and the new values of columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pgerase.catalog.model import Table
from pgerase.compile import sql
from pgerase.compile.bound import BoundCondition, BoundRequirement, ColumnValue
from pgerase.compile.emit import Env, asks_decision
from pgerase.compile.erasure import bound
from pgerase.compile.erasure.bound import BoundLink, Verb
from pgerase.compile.erasure.fill import Misfit, leaves_alone, new_value
from pgerase.compile.erasure.parts import BEFORE, NEEDED, ROW, Outcome, identity, key_names, new_name
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
            when = " and ".join(conditions) if conditions else None
            changes = () if rule.verb is Verb.DELETE else tuple(self.changes(work, link, rule, name).items())
            if rule.verb is Verb.DELETE and work.keeps_needed:
                # What somebody else needs stays as it is, whatever the rules below say of rows that are not deleted.
                still = " or ".join(self.needed(work))
                made.append(Outcome(f"{NEEDED}{again}", f"{when} and ({still})" if when else still, ()))
            made.append(Outcome(f"{rule.verb}{again}", when, changes))
            if when is None:
                return tuple(made)
        return (*made, Outcome(Verb.KEEP + (" 0" if Verb.KEEP in seen else ""), None, ()))

    def needed(self, work: Work) -> Iterable[str]:
        """Whether a row still points here: one that neither goes nor lets go in the same statement.

        Rows of tables that are decided later, and of the same one, count in any case, but for people who let go of it.
        """
        names = [one.name for one in self.work]
        before = {one.name: one for one in self.work[: names.index(work.name)] if one.name not in work.circle}
        for one in work.keeps_needed:
            conditions = [self.equal("other", one.hop.columns, ROW, one.hop.target_columns)]
            if one.source == work.name:
                ids = identity(work.table)
                same = self.equal("other", ids, ROW, ids)
                conditions.append(f"not ({same})")
            elif one.source in before:
                source = before[one.source]
                ids = identity(source.table)
                changed = self.changed_columns(source)
                gone = ["found.deleted_by is not null"] if source.deletes else []
                gone += [
                    f"found.{ident(new_name(name))} is distinct from other.{ident(name)}"
                    for name in one.hop.columns
                    if name in changed
                ]
                if gone:
                    same = self.equal("found", ids, "other", ids)
                    lets_go = sql.select(
                        "", [f"{ident(self.aliases[one.source])} as found"], [same, f"({' or '.join(gone)})"]
                    )
                    conditions.append(f"not {sql.exists(lets_go)}")
            elif one.source == self.subject.table.name and self.lets_go(one):
                mine = self.equal("leaving", key_names(self.subject), "other", self.subject.key_columns)
                conditions.append(f"not {sql.exists(sql.select('', ['person as leaving'], [mine]))}")
            self.reads.add(one.source)
            yield sql.exists(sql.select("", [f"{qualified(one.source)} as other"], conditions))

    def lets_go(self, reference: bound.BoundReference) -> bool:
        """Whether erasing a person changes what of their row points somewhere."""
        own = self.data_map.tables.get(reference.source)
        return own is not None and all(
            name in own.columns and not leaves_alone(own.columns[name].treatments) for name in reference.hop.columns
        )

    def changed_columns(self, work: Work) -> list[str]:
        """The columns that some outcome changes, in order of first appearance."""
        found: dict[str, None] = {}
        for link in work.links:
            for rule in link.rules:
                if rule.verb is not Verb.DELETE:
                    found.update(dict.fromkeys(self._quietly(work, link, rule)))
        for one in work.gone:
            found.update(dict.fromkeys(name for name, _ in one.values))
        return list(found)

    def _quietly(self, work: Work, link: BoundLink, rule: bound.BoundRule) -> Iterable[str]:
        """The columns of `changes`, without reporting what it reports a second time."""
        before = len(self.findings)
        names = list(self.changes(work, link, rule, "x"))
        del self.findings[before:]
        return names

    def changes(self, work: Work, link: BoundLink, rule: bound.BoundRule, name: str) -> dict[str, str]:
        """The columns that a rule changes, with their new values."""
        changed: dict[str, str] = {}
        mapped = work.mapped
        assert mapped is not None
        if rule.candidates:
            changed.update(self.handed_over(work, link, rule, name))
        if link.is_self and self.subject.lifecycle is not None:
            changed[self.subject.lifecycle.column] = self.subject.lifecycle.erased
        if link.path.identifier is not None and link.path.is_direct and not rule.candidates:
            changed.update(self.followed(work, link, name))
        replaced = dict(rule.columns)
        for column in (*link.columns, *(one for one in replaced if one not in link.columns)):
            entry = mapped.columns.get(column)
            treatments = replaced.get(column, entry.treatments if entry is not None else ())
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
            changed[column] = new_value(table, found, treatments, BEFORE, ROW, person)
        except Misfit as misfit:
            self.findings.append(misfit.finding(table, found))

    def followed(self, work: Work, link: BoundLink, name: str) -> dict[str, str]:
        """A kept link by identifier takes the identifier's new value."""
        assert link.path.identifier is not None
        column = self.subject.identifiers[link.path.identifier]
        home = self.data_map.tables[self.subject.table.name]
        own = home.columns.get(column.name)
        if any(column.name == name for one in home.links for rule in one.rules for name, _ in rule.columns):
            message = (
                f"{link.label} holds {column.name}, whose new value depends on the rule that decides the person's row"
            )
            self.findings.append(refusal("not-compiled-yet", str(link.label), message, link.at))
        if own is None or leaves_alone(own.treatments):
            return {}
        try:
            value = new_value(self.subject.table, column, own.treatments, BEFORE, "self", name)
        except Misfit:
            return {}  # Reported where the column itself is treated.
        if BEFORE in value or "self." in value:
            message = f"{link.label} holds {column.name}, whose new value depends on the person's row"
            self.findings.append(refusal("not-compiled-yet", str(link.label), message, link.at))
        held = work.table.column(link.path.columns[0])
        if held is not None and held.refuses_null and isinstance(own.treatments[-1], rules.Clear):
            message = f"{work.name}.{held.name} takes the new value of {column.name}, which is cleared, and is NOT NULL"
            self.findings.append(refusal("clear-not-null", f"{work.name}.{held.name}", message, link.at))
        return {link.path.columns[0]: value}

    def handed_over(self, work: Work, link: BoundLink, rule: bound.BoundRule, name: str) -> dict[str, str]:
        """What the link columns become: the first candidate there is."""
        columns = link.path.columns
        people: list[str] = []
        last: dict[str, str] = {}
        for candidate in rule.candidates:
            match candidate:
                case bound.ToManager():
                    people.append(self.manager(work, name, columns))
                case bound.ToPool(value):
                    people.append(self.pool(work, value, columns))
                case bound.ToValue(pairs):
                    last = dict(pairs)
        if not people:
            return last
        made = {columns[-1]: f"coalesce({', '.join([*people, last.get(columns[-1], f'{ROW}.{ident(columns[-1])}')])})"}
        for column, value in last.items():
            if column != columns[-1]:
                # A manager or a pool's person replaces the last column and leaves the others.
                found = " or ".join(f"{one} is not null" for one in people)
                made[column] = f"case when {found} then {ROW}.{ident(column)} else {value} end"
        return made

    def manager(self, work: Work, name: str, columns: tuple[str, ...]) -> str:
        """The person's manager who stays, if the row is within what is required of that one."""
        *rest, last = self.subject.key_columns
        required = self.requirements(work, "boss")
        if not required:
            return f"{name}.heir"
        conditions = [f"boss.{ident(last)} = {name}.heir"]
        conditions += [f"boss.{ident(key)} = {ROW}.{ident(mine)}" for key, mine in zip(rest, columns, strict=False)]
        source = f"{qualified(self.subject.table.name)} as boss"
        return sql.subquery(sql.select(f"boss.{ident(last)}", [source], [*conditions, *required]))

    def pool(self, work: Work, value: ColumnValue, columns: tuple[str, ...]) -> str:
        """The person that the row's path leads to, if active and staying and the row within what is required."""
        env = Env(row=ROW, as_set=False, taken=frozenset({ROW, "pool", "leaving"}))
        *rest, last = self.subject.key_columns
        conditions = [f"pool.{ident(last)} = {self.emitter.value(value, env)}"]
        conditions += [f"pool.{ident(key)} = {ROW}.{ident(mine)}" for key, mine in zip(rest, columns, strict=False)]
        conditions += [self.stays("pool"), *self.requirements(work, "pool")]
        source = f"{qualified(self.subject.table.name)} as pool"
        return sql.subquery(sql.select(f"pool.{ident(last)}", [source], conditions))

    def requirements(self, work: Work, heir: str) -> list[str]:
        """What the access rules require of whoever reads the row, asked of the heir; a requirement binds unless `who` is false."""
        env = Env(row=ROW, person=heir, as_set=False, taken=frozenset({ROW, heir, "person", "leaving", "manager"}))
        texts: list[str] = []
        for one in self.required.get(work.name, ()):
            held = self.required_of(one, env)
            if held is None or (one.who is not None and asks_decision(one.who)):
                self.findings.append(_unasked(work, one))
            elif one.who is None:
                texts.append(f"({held})")
            else:
                who = sql.formula_text(self.emitter.truth(one.who, env, positive=False))
                texts.append(f"(({who}) is false or ({held}))")
        if self.emitter.facts.groups:
            # Groups are known to views that only viewers' policies may read.
            self.findings += [_unasked(work, one) for one in self.required.get(work.name, ())]
            self.emitter.facts.groups.clear()
            return []
        return texts

    def required_of(self, requirement: BoundRequirement, env: Env) -> str | None:
        """What a requirement demands of the row under `env`; one that was passed on, of the parent's row. None: it asks for a decision."""
        through = requirement.through
        if through is None:
            if asks_decision(requirement.rows):
                return None
            return sql.formula_text(self.emitter.truth(requirement.rows, env, positive=True))
        assert requirement.origin is not None
        name = requirement.origin[1]
        origin = next((one for one in self.required.get(through.target, ()) if one.name == name), None)
        if origin is None:
            return None
        assert env.row is not None
        alias, inside = env.fresh("up")
        held = self.required_of(origin, replace(inside, row=alias))
        if held is None:
            return None
        self.reads.add(through.target)
        same = self.equal(alias, through.target_columns, env.row, through.columns)
        return sql.exists(sql.select("", [f"{qualified(through.target)} as {alias}"], [same, f"({held})"]))


def _unasked(work: Work, requirement: BoundRequirement) -> Finding:
    message = (
        f"rows of {work.name} are handed over without asking whether requirement {requirement.name} "
        f"({requirement.at}) lets the new owner see them"
    )
    hint = "It asks for a group or for {can: …}: look at such rows after a handover."
    return Finding("requirement-not-asked", Severity.WARNING, str(work.name), message, hint, requirement.at)


def refusal(code: str, subject: str, message: str, at: Position) -> Finding:
    """A finding that refuses the map."""
    return Finding(code, Severity.ERROR, subject, message, "", at)
