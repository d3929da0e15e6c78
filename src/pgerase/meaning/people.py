"""People: who a session's viewer is, who is active, erased or super admin, reach, groups and attributes.

Everything here is fact, read blind of any decision (docs/meaning.md, points 6 to 10).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pgerase.errors import PgeraseError
from pgerase.meaning.conditions import Conditions, person_scope, walk, where_scope, who_scope
from pgerase.meaning.paths import Facts, Row, last_column
from pgerase.meaning.truth import Truth
from pgerase.meaning.values import Family, Found, Kind, Many, One, kind_of, literal_value, normal, same, stand_in
from pgerase.rules.access import (
    Attribute,
    ColumnAttribute,
    Group,
    LookupAttribute,
    ManagerColumn,
    ManagerTree,
    MemberKeys,
    MemberRelation,
    RelationAttribute,
    Viewers,
)
from pgerase.rules.conditions import Condition, RowRef, ViewerRef
from pgerase.rules.names import TableColumns


class Nobody:
    """The people of rules without viewers, where every rule names a role: asking about anyone is an error."""

    def attribute(self, person: Row, name: str) -> Found | None:
        """Raises PgeraseError."""
        raise PgeraseError(f"there are no viewers, and so no attribute {name}")

    def operand(self, person: Row, ref: ViewerRef, resource_row: Row | None) -> Found | None:
        """Raises PgeraseError."""
        raise PgeraseError(f"{ref.at}: there are no viewers")

    def is_member(self, person: Row, names: tuple[str, ...]) -> bool:
        """Raises PgeraseError."""
        raise PgeraseError(f"there are no viewers, and so no groups {', '.join(names)}")


class People:
    """The viewers table's rows as people, at one moment."""

    def __init__(self, viewers: Viewers, groups: Sequence[Group], facts: Facts, now: datetime) -> None:
        """Raises PgeraseError where an attribute's name could mean two things (point 31)."""
        self._viewers = viewers
        self._facts = facts
        self._table = facts.table(viewers.table)
        self._groups = {group.name: group for group in groups}
        self._attributes: dict[str, Attribute] = {}
        for attribute in viewers.attributes:
            named_otherwise = (
                not isinstance(attribute, ColumnAttribute) and self._table.column(attribute.name) is not None
            )
            if attribute.name == "key" or attribute.name in self._attributes or named_otherwise:
                raise PgeraseError(f"{attribute.at}: attribute {attribute.name} would have two meanings")
            self._attributes[attribute.name] = attribute
        self._conditions = Conditions(facts, self, now)
        self._key_kind = kind_of(facts.column(self._table, viewers.key))
        self._by_key: dict[object, Row] = {}
        for row in facts.rows(self._table):
            key = self.key(row)
            if key.value is None:
                continue
            known_as = stand_in(key.value, key.kind, key.kind)
            if known_as in self._by_key:
                raise PgeraseError(f"two rows of {self._table.name} have the same {viewers.key}")
            self._by_key[known_as] = row
        self._reports: dict[Row, list[Row]] | None = None
        self._roles: dict[Row, Row | None] = {}
        self._above: dict[Row, Row] | None = None
        self._active: dict[Row, bool] = {}
        self._reach: dict[Row, tuple[Row, ...]] = {}
        self._members: dict[tuple[Row, str], bool] = {}
        self._relations: dict[tuple[Row, str], tuple[Row, ...]] = {}
        self._found: dict[tuple[Row, str, int], Found | None] = {}
        self._under_way: set[tuple[Row, str]] = set()

    @property
    def conditions(self) -> Conditions:
        """The evaluation of conditions that asks these people."""
        return self._conditions

    def key(self, person: Row) -> One:
        """The person's key."""
        return self._facts.single(person, self._viewers.key)

    # -- who the viewer is ---------------------------------------------------------------------------------------------

    def identify(self, presented: str) -> Row | None:
        """The person named by the text presented: the key as PostgreSQL prints it; None where nobody is (point 32).

        Raises PgeraseError where the key's type is none of integer, uuid or text.
        """
        kind = self._key_kind
        key: object = presented
        match kind.family:
            case Family.NUMBER if kind.name in ("smallint", "integer", "bigint"):
                key = _printed_alike(presented, kind)
            case Family.UUID:
                key = _printed_alike(presented, kind)
            case Family.TEXT:
                key = normal(presented, kind)
            case _:
                raise PgeraseError(f"viewers cannot be told apart by a key of type {kind}")
        return None if key is None else self._by_key.get(stand_in(key, kind, kind))

    def is_active(self, person: Row) -> bool:
        """Known to be not erased, and known to be active, each only if given (points 6 and 7)."""
        if person not in self._active:
            scope = person_scope(person)
            viewers = self._viewers
            self._active[person] = not self._maybe_erased(person) and (
                viewers.active is None or self._conditions.holds(viewers.active, scope) is True
            )
        return self._active[person]

    def is_super_admin(self, person: Row) -> bool:
        """Known to be super admin; without a condition nobody is (point 6)."""
        condition = self._viewers.super_admin
        return condition is not None and self._conditions.holds(condition, person_scope(person)) is True

    def who(self, person: Row, condition: Condition | None) -> Truth:
        """Whether a `who` holds for that person alone."""
        return self._conditions.holds(condition, who_scope(person))

    def _maybe_erased(self, person: Row) -> bool:
        erased = self._viewers.erased
        return erased is not None and self._conditions.holds(erased, person_scope(person)) is not False

    # -- reach ---------------------------------------------------------------------------------------------------------

    def reach(self, viewer: Row) -> tuple[Row, ...]:
        """The viewer and everyone whose chain of managers leads to him, without the erased (point 7).

        Chains pass through anybody, inactive or erased; cycles are tolerated. Empty where the viewer is not active. In a tree
        of roles it is everyone whose role stands below his. Raises PgeraseError where the tree has no meaning.
        """
        if viewer not in self._reach:
            self._reach[viewer] = tuple(self._find_reach(viewer)) if self.is_active(viewer) else ()
        return self._reach[viewer]

    def _find_reach(self, viewer: Row) -> list[Row]:
        if isinstance(self._viewers.manager, ManagerTree):
            return self._reach_in_tree(viewer, self._viewers.manager)
        reports = self._direct_reports()
        met = {viewer}
        waiting = [viewer]
        while waiting:
            for report in reports.get(waiting.pop(), []):
                if report not in met:
                    met.add(report)
                    waiting.append(report)
        return [person for person in self._facts.rows(self._table) if person in met and not self._maybe_erased(person)]

    def _reach_in_tree(self, viewer: Row, tree: ManagerTree) -> list[Row]:
        """The viewer, and whoever's role leads up to the viewer's and is another one."""
        mine = self._role(viewer, tree)
        found = [viewer]
        if mine is not None:
            roles = self._facts.rows(mine.table)
            below = {role for role in roles if role is not mine and self._leads_to(role, mine, tree)}
            found += [person for person in self._facts.rows(self._table) if self._role(person, tree) in below]
        return [person for person in found if not self._maybe_erased(person)]

    def _role(self, person: Row, tree: ManagerTree) -> Row | None:
        """The node of the tree that a person stands at; None without one."""
        if person not in self._roles:
            self._roles[person] = self._facts.follow(person, tree.through.steps)
        return self._roles[person]

    def _leads_to(self, role: Row, top: Row, tree: ManagerTree) -> bool:
        """Whether going up from `role` one comes to `top`."""
        met: set[Row] = set()
        above: Row | None = role
        while above is not None and above not in met:
            met.add(above)
            above = self._roles_above(tree).get(above)
            if above is top:
                return True
        return False

    def _roles_above(self, tree: ManagerTree) -> dict[Row, Row]:
        """Each node's next one up: the node whose key, as `through` finds nodes, is in its column `up`."""
        if self._above is None:
            key = self._facts.known_by(self._table, tree.through.steps)
            roles = self._facts.rows(self._facts.target(self._table, tree.through.steps))
            links = [(role, self._facts.single(role, tree.up), self._facts.single(role, key)) for role in roles]
            named = {stand_in(own.value, own.kind, own.kind): role for role, _, own in links if own.value is not None}
            found = {
                role: named.get(stand_in(up.value, up.kind, own.kind))
                for role, up, own in links
                if up.value is not None
            }
            self._above = {role: above for role, above in found.items() if above is not None}
        return self._above

    def in_circles(self) -> tuple[Row, ...]:
        """The people, or nodes of a tree of roles, above whom one comes back to them; who is his own manager is not meant."""
        match self._viewers.manager:
            case None:
                return ()
            case ManagerTree() as tree:
                above = self._roles_above(tree)
            case ManagerColumn():
                above = {report: manager for manager, reports in self._direct_reports().items() for report in reports}
        found: list[Row] = []
        done: set[Row] = set()
        for start in above:
            chain: list[Row] = []
            here: Row | None = start
            while here is not None and here not in done:
                done.add(here)
                chain.append(here)
                here = above.get(here)
            if here in chain:
                circle = chain[chain.index(here) :]
                found += circle if len(circle) > 1 else []
        return tuple(found)

    def _direct_reports(self) -> dict[Row, list[Row]]:
        if self._reports is None:
            self._reports = {}
            match self._viewers.manager:
                case None:
                    pass
                case ManagerColumn(column=column):
                    for person in self._facts.rows(self._table):
                        link = self._facts.single(person, column)
                        if link.value is None:
                            continue
                        manager = self._by_key.get(stand_in(link.value, link.kind, self._key_kind))
                        if manager is not None:
                            self._reports.setdefault(manager, []).append(person)
                case ManagerTree(at=at):
                    raise PgeraseError(f"{at}: people report to nobody where their roles form a tree")
        return self._reports

    # -- groups --------------------------------------------------------------------------------------------------------

    def is_member(self, person: Row, names: tuple[str, ...]) -> bool:
        """Whether the person is in any of these groups; never unknown (point 8).

        Raises PgeraseError for a group that is not declared.
        """
        groups = [self._group(name) for name in names]
        return any(self._is_member_of(person, group) for group in groups)

    def manages(self, person: Row, name: str) -> bool:
        """Whether the person adds and removes members of the group by hand (point 39). Raises PgeraseError without the group."""
        managed = self._group(name).managed_by
        return managed is not None and (
            self.is_super_admin(person) or (managed.who is not None and self.who(person, managed.who) is True)
        )

    def fits(self, person: Row, name: str) -> bool:
        """Whether the person fits the criteria of the group, active or not. Raises PgeraseError without the group."""
        return self._fits(person, self._group(name))

    def _group(self, name: str) -> Group:
        if name not in self._groups:
            raise PgeraseError(f"there is no group {name}")
        return self._groups[name]

    def _is_member_of(self, person: Row, group: Group) -> bool:
        if (person, group.name) not in self._members:
            self._members[person, group.name] = (group.include_inactive or self.is_active(person)) and (
                self._fits(person, group) or self._is_listed(person, group)
            )
        return self._members[person, group.name]

    def _fits(self, person: Row, group: Group) -> bool:
        # A group of listed members alone has no criteria: nobody fits, rather than everybody.
        return group.criteria is not None and self._conditions.holds(group.criteria, person_scope(person)) is True

    def _is_listed(self, person: Row, group: Group) -> bool:
        key = self.key(person)
        if key.value is None:
            return False
        match group.members:
            case None:
                return False
            case MemberKeys(keys=keys):
                return any(same(key.value, key.kind, literal_value(item.value, key.kind), key.kind) for item in keys)
            case MemberRelation(table=name, value=column, where=where):
                for row in self._facts.rows(self._facts.table(name)):
                    listed = self._facts.single(row, column)
                    if listed.value is None or not same(key.value, key.kind, listed.value, listed.kind):
                        continue
                    if self._conditions.holds(where, where_scope(row, None, None)) is True:
                        return True
                return False

    # -- attributes ----------------------------------------------------------------------------------------------------

    def attribute(self, person: Row, name: str) -> Found | None:
        """A declared attribute or a column of the viewers table (point 10); None through a null or missing hop.

        Raises PgeraseError where there is neither, or relations refer to each other in a circle.
        """
        declared = self._attributes.get(name)
        match declared:
            case None | ColumnAttribute():
                return self._facts.read(person, name)
            case LookupAttribute(path=path):
                end = self._facts.follow(person, path.lookups)
                return None if end is None else self._facts.read(end, last_column(path))
            case RelationAttribute():
                if (person, name, 0) not in self._found:
                    self._found[person, name, 0] = self._values(declared, self._relation(person, declared))
                return self._found[person, name, 0]

    def operand(self, person: Row, ref: ViewerRef, resource_row: Row | None) -> Found | None:
        """What `{viewer: …}` stands for: the key, an attribute, or a relation narrowed by `where` (point 9).

        Raises PgeraseError where `where` narrows what is no relation.
        """
        if ref.where is None:
            return self.key(person) if ref.attribute == "key" else self.attribute(person, ref.attribute)
        declared = self._attributes.get(ref.attribute)
        if not isinstance(declared, RelationAttribute):
            raise PgeraseError(f"{ref.at}: where narrows relations only, and {ref.attribute} is none")
        if any(isinstance(node, RowRef) for node in walk(ref.where)):
            return self._narrowed(person, declared, ref.where, resource_row)
        # The rules live as long as these people, so a node's id is its own.
        memo = (person, ref.attribute, id(ref))
        if memo not in self._found:
            self._found[memo] = self._narrowed(person, declared, ref.where, None)
        return self._found[memo]

    def _narrowed(self, person: Row, relation: RelationAttribute, where: Condition, resource_row: Row | None) -> Many:
        return self._values(
            relation,
            tuple(
                row
                for row in self._relation(person, relation)
                if self._conditions.holds(where, where_scope(row, person, resource_row)) is True
            ),
        )

    def _relation(self, person: Row, relation: RelationAttribute) -> tuple[Row, ...]:
        """The rows m with where(m, u) true, the same u throughout (point 9)."""
        memo = (person, relation.name)
        if memo not in self._relations:
            if memo in self._under_way:
                raise PgeraseError(f"{relation.at}: attribute {relation.name} refers to itself in a circle")
            self._under_way.add(memo)
            self._relations[memo] = tuple(
                row
                for row in self._facts.rows(self._facts.table(relation.table))
                if self._conditions.holds(relation.where, where_scope(row, person, None)) is True
            )
            self._under_way.remove(memo)
        return self._relations[memo]

    def _values(self, relation: RelationAttribute, rows: tuple[Row, ...]) -> Many:
        """Their values, nulls dropped, with descendants where `below` is given."""
        kind = kind_of(self._facts.column(self._facts.table(relation.table), relation.value))
        values: list[object] = []
        for row in rows:
            found = self._facts.read(row, relation.value)
            if isinstance(found, Many):
                values += found.values or ()
            elif found.value is not None:
                values.append(found.value)
        if relation.below is not None:
            values = self._with_descendants(values, kind, relation.below)
        return Many(tuple(values), kind, is_relation=True)

    def _with_descendants(self, values: list[object], kind: Kind, below: TableColumns) -> list[object]:
        """Adds the primary key of every row whose parent column leads to a value; loops are tolerated (point 9)."""
        table = self._facts.table(below.table)
        if len(below.columns) != 1 or len(table.primary_key) != 1:
            raise PgeraseError(f"below {below} needs one parent column and a primary key of one column")
        children: dict[object, list[One]] = {}
        for row in self._facts.rows(table):
            parent, own = self._facts.single(row, below.columns[0]), self._facts.single(row, table.primary_key[0])
            if parent.value is not None and own.value is not None:
                children.setdefault(stand_in(parent.value, parent.kind, kind), []).append(own)
        found = {stand_in(value, kind, kind): value for value in values}
        waiting = list(found)
        own_kind = kind_of(self._facts.column(table, table.primary_key[0]))
        while waiting:
            for child in children.get(waiting.pop(), []):
                known_as = stand_in(child.value, own_kind, kind)
                if known_as not in found:
                    found[known_as] = child.value
                    waiting.append(known_as)
        return list(found.values())

    # -- what explaining asks ------------------------------------------------------------------------------------------

    @property
    def viewers(self) -> Viewers:
        """What the rule file says about people."""
        return self._viewers

    def group(self, name: str) -> Group:
        """The group of that name. Raises PgeraseError where there is none."""
        if name not in self._groups:
            raise PgeraseError(f"there is no group {name}")
        return self._groups[name]

    def is_listed(self, person: Row, group: Group) -> bool:
        """Whether the person is listed as a member, active or not."""
        return self._is_listed(person, group)

    def declared(self, name: str) -> Attribute | None:
        """The declared attribute of that name; None for a mere column."""
        return self._attributes.get(name)

    def row_with(self, person: Row, ref: ViewerRef, resource_row: Row | None, value: Found) -> Row | None:
        """A row of a relation that holds a value equal to (one of) `value`; None where none does by itself."""
        declared = self._attributes.get(ref.attribute)
        if not isinstance(declared, RelationAttribute):
            return None
        for row in self._relation(person, declared):
            own = self._facts.read(row, declared.value)
            if not own.stand_ins(value.kind) & value.stand_ins(own.kind):
                continue
            if self._conditions.holds(ref.where, where_scope(row, person, resource_row)) is True:
                return row
        return None

    def chains(self, viewer: Row) -> dict[Row, tuple[Row, ...]]:
        """Everyone within reach, nearest first, with the managers above, from the nearest to the viewer himself.

        In a tree of roles nobody stands between the viewer and those below.
        """
        if isinstance(self._viewers.manager, ManagerTree):
            others = [person for person in self.reach(viewer) if person is not viewer]
            return {viewer: (), **dict.fromkeys(others, (viewer,))}
        within = set(self.reach(viewer))
        above: dict[Row, tuple[Row, ...]] = {viewer: ()}
        waiting = [viewer]
        for person in waiting:
            for report in self._direct_reports().get(person, []):
                if report not in above:
                    above[report] = (person, *above[person])
                    waiting.append(report)
        return {person: chain for person, chain in above.items() if person in within}


def _printed_alike(presented: str, kind: Kind) -> object | None:
    """The key that PostgreSQL prints exactly so; None where there is none."""
    try:
        key = literal_value(presented, kind)
    except PgeraseError:
        return None  # not an error here: text that is no key is an invalid identity, and sees nothing
    return key if str(key) == presented else None
