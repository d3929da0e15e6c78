"""The functions that capture: static PL/pgSQL, one a table and event, called once a statement with all of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pgerase.catalog.model import Column, Name
from pgerase.catalog.settings import STABLE
from pgerase.compile.audit import values
from pgerase.compile.audit.bound import Apart, BoundCapture
from pgerase.compile.desired import DesiredFunction
from pgerase.compile.erasure.parts import unlike
from pgerase.compile.naming import Naming
from pgerase.compile.sql import dollar_tag, fit_name, ident, indent, qualified, text_literal

INSERT, UPDATE, DELETE, TRUNCATE = "insert", "update", "delete", "truncate"
EVENTS = (INSERT, UPDATE, DELETE, TRUNCATE)
OLD, NEW = "old", "new"
ROWS = {OLD: "old_rows", NEW: "new_rows"}
"""The names of the transition tables."""
_MOST_PAIRS = 50
"""A function takes a hundred arguments."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What capture of every table has in common.

    `required`: a write that nobody answers for is refused. `granted`: the pack has support access, and entries name the grant.
    """

    naming: Naming
    server_version: int
    required: bool
    granted: bool


def capture_function(capture: BoundCapture, event: str, terms: Terms, mark: str) -> DesiredFunction:
    """The function for one table and event; `mark` is what its comment says of the columns, for others to read."""
    writer = _Writer(capture, terms)
    body = {INSERT: writer.one_side, DELETE: writer.one_side, UPDATE: writer.both_sides, TRUNCATE: writer.emptied}[
        event
    ]
    return writer.function(event, body(event), mark)


def function_name(capture: BoundCapture, event: str, naming: Naming) -> Name:
    """The name of the function for one table and event."""
    name = capture.table.name
    return Name(naming.log, fit_name(f"capture_{event}_{name.schema}_{name.name}"))


class _Writer:
    """Writes the functions of one table."""

    def __init__(self, capture: BoundCapture, terms: Terms) -> None:
        self._capture = capture
        self._naming = terms.naming
        self._version = terms.server_version
        self._required = terms.required
        self._granted = terms.granted
        self._profiled = capture.keep.person is not None
        self._relation = _text(qualified(capture.table.name))

    def function(self, event: str, body: str, mark: str) -> DesiredFunction:
        name = function_name(self._capture, event, self._naming)
        tag = dollar_tag(body)
        looked_at = () if event == TRUNCATE else values.settings(self._capture.read)
        definition = (
            f"create or replace function {qualified(name)}()\n"
            "    returns trigger\n"
            "    language plpgsql\n"
            "    volatile\n"
            "    security definer\n"
            "    set search_path = pg_catalog, pg_temp\n"
            + "".join(f"    set {setting} = {_text(STABLE[setting])}\n" for setting in looked_at)
            + f"as {tag}{body}{tag}"
        )
        what = f"Captures {event} of {self._capture.table.name} ({self._capture.at}). {mark}"
        return DesiredFunction(name, "", self._naming.keeper, definition, (), what)

    # Bodies -------------------------------------------------------------------------------------------------------

    def one_side(self, event: str) -> str:
        """Inserted or deleted rows: all that is captured of each."""
        side = NEW if event == INSERT else OLD
        write = self._one_side_apart(event, side) if self._capture.apart else self._one_side_whole(event, side)
        if self._looks_first:
            return self._body(
                [*self._profiles_declared(), *self._known_declared()],
                self._seen(ROWS[side]) + self._context() + self._answered() + self._profiles([side]) + write,
            )
        return self._body([], self._context() + write + self._written(ROWS[side]) + self._answered("found and "))

    def both_sides(self, event: str) -> str:
        """Updated rows: what changed of each."""
        declared = [*self._profiles_declared(), *self._known_declared()]
        if not self._capture.moves:
            seen = self._seen(ROWS[NEW])
        else:
            declared += ["v_old bigint;", "v_new bigint;"]
            seen = self._counted()
        write = self._pairs(event)
        return self._body(declared, seen + self._context() + self._answered() + self._profiles([NEW, OLD]) + write)

    def emptied(self, event: str) -> str:
        """A table that was emptied, or a partition, which is named."""
        name = self._capture.table.name
        which = "null::jsonb"
        if self._capture.leaves:
            which = (
                f"case\n            when (tg_table_schema, tg_table_name) <> ({_text(name.schema)}, {_text(name.name)})\n"
                "            then jsonb_build_object('partition', format('%I.%I', tg_table_schema, tg_table_name))\n        end"
            )
        columns = [*self._head(event, "", _text(self._capture.keep.name)), ("key", which)]
        return self._body([], self._context() + self._answered() + self._insert_entry(columns, ""))

    def _body(self, declared: Iterable[str], statements: str) -> str:
        lines = [
            "v_at timestamptz;",
            "v_actor text;",
            "v_role text;",
            "v_request text;",
            "v_purpose text;",
            *(["v_grant bigint;"] if self._granted else []),
            *declared,
        ]
        return (
            "\n#variable_conflict error\ndeclare\n"
            + "".join(f"    {line}\n" for line in lines)
            + f"begin\n{statements}    return null;\nend;\n"
        )

    # Before anything is written -----------------------------------------------------------------------------------

    def _known_declared(self) -> list[str]:
        return [] if values.known_types(self._capture.read, "t") is None else ["v_is_known boolean;"]

    def _seen(self, rows: str) -> str:
        """Nothing where the statement touched no row; an error where columns have got types of others."""
        known = values.known_types(self._capture.read, "t")
        if known is None:
            return f"    if not exists (select from {rows}) then\n        return null;\n    end if;\n\n"
        return (
            "    -- A type that is not the server's own could bring code along, to run with our rights.\n"
            f"    select {indent(known)}\n    into v_is_known\n    from {rows} as t\n    limit 1;\n"
            "    if not found then\n        return null;\n    end if;\n" + self._refuse_types()
        )

    @property
    def _looks_first(self) -> bool:
        """Whether types are looked at in a statement before the one that writes, where asking them a row would be dear.

        Of domains that is a look into a catalog, and profiles need the people's keys before.
        """
        return self._profiled or any(column.domains for column in self._capture.read)

    def _where_known(self) -> str:
        """The condition, of the statement that writes, that the types are known: nothing of others is evaluated for such rows."""
        known = None if self._looks_first else values.known_types(self._capture.read, "t")
        return "" if known is None else f"\nwhere {known}"

    def _written(self, rows: str) -> str:
        """An error where rows were touched whose types kept them out."""
        if not self._where_known():
            return "\n"
        return (
            "\n    -- A type that is not the server's own could bring code along, to run with our rights.\n"
            f"    if not found and exists (select from {rows}) then\n{self._refusal()}\n    end if;\n\n"
        )

    def _refuse_types(self) -> str:
        return f"    if v_is_known is not true then\n{self._refusal()}\n    end if;\n\n"

    def _refusal(self) -> str:
        return (
            "        raise exception using\n            errcode = 'ZE202',\n"
            f"            message = {_text(f'{self._capture.table.name}: a captured column has another type than at the last apply')},\n"
            "            hint = 'Run pgerase apply in the transaction that changes the table.',\n"
            "            schema = tg_table_schema,\n            table = tg_table_name;"
        )

    def _counted(self) -> str:
        """How many rows there were and are: of a moved row the new one may be missing."""
        known = values.known_types(self._capture.read, "t")
        seen = (
            f"    v_old := (select count(*) from {ROWS[OLD]});\n    v_new := (select count(*) from {ROWS[NEW]});\n"
            "    if v_old = 0 and v_new = 0 then\n        return null;\n    end if;\n\n"
        )
        if known is None:
            return seen
        return (
            f"{seen}    -- A type that is not the server's own could bring code along, to run with our rights.\n"
            f"    select {indent(known)}\n    into v_is_known\n    from {ROWS[OLD]} as t\n    limit 1;\n"
            + self._refuse_types()
        )

    def _context(self) -> str:
        """Who writes, and for what: once a statement."""
        annotation = qualified(Name(self._naming.log, "annotation"))
        text = (
            "    v_at := clock_timestamp();\n"
            f"    v_actor := {qualified(Name(self._naming.api, 'current_viewer'))}();\n"
            "    v_role := nullif(current_setting('role'), 'none');\n"
            f"    v_request := {annotation}(p_setting => {_text(f'{self._naming.prefix}.request')});\n"
            f"    v_purpose := {annotation}(p_setting => {_text(f'{self._naming.prefix}.purpose')});\n"
        )
        if self._granted:
            # Asked for last, and for those alone who may hold one: it is a look into a table.
            held = qualified(Name(self._naming.api, "held_grant"))
            text += f"    if v_actor is not null then\n        v_grant := {held}(p_holder => v_actor);\n    end if;\n"
        return text + "\n"

    def _answered(self, if_also: str = "") -> str:
        """An error where somebody has to answer for a write and nobody does."""
        text = ""
        if self._required:
            text += (
                f"    if {if_also}v_actor is null and v_request is null and v_purpose is null then\n"
                "        raise exception using\n            errcode = 'ZE201',\n"
                f"            message = {_text(f'{self._capture.table.name}: nobody answers for this write')},\n"
                "            hint = "
                + _text(
                    f"Present a viewer ({self._naming.api}.become), or a request or purpose ({self._naming.api}.annotate)."
                )
                + ",\n            schema = tg_table_schema,\n            table = tg_table_name;\n    end if;\n\n"
            )
        return text

    # How long it is kept ------------------------------------------------------------------------------------------

    def _profiles_declared(self) -> list[str]:
        return ["v_profiles jsonb;"] if self._profiled else []

    def _profiles(self, sides: Sequence[str]) -> str:
        """The profiles of the people whose rows these are, asked for once."""
        person = self._capture.keep.person
        if person is None:
            return ""
        listed = " union ".join(
            f"select {values.key_text(person.columns, _sources('t', person.columns))} from {ROWS[side]} as t"
            for side in sides
        )
        function = qualified(Name(self._naming.eraser, fit_name(f"profile_{person.subject}")))
        return (
            "    -- How long entries are kept depends on the people whose rows these are.\n"
            "    select jsonb_object_agg(known.person, known.profile)\n    into v_profiles\n"
            f"    from {function}(\n            p_keys => array({listed})\n        ) as known;\n\n"
        )

    def _class(self, person: str) -> str:
        keep = self._capture.keep
        if keep.person is None:
            return _text(keep.name)
        cases = "".join(f"\n    when {_text(profile)} then {_text(name)}" for profile, name in keep.profiles)
        return f"case v_profiles ->> {person}{cases}\n    else {_text(keep.name)}\nend"

    def _person(self, side: str) -> str:
        """The text of the key of whoever decides on the class, among the columns of `changed`'s own source."""
        person = self._capture.keep.person
        return "" if person is None else f"({values.key_text(person.columns, _sources('t', person.columns))})"

    # Entries ------------------------------------------------------------------------------------------------------

    def _head(self, action: str, entry_id: str, log_class: str) -> list[tuple[str, str]]:
        """The columns of an entry that say who did what."""
        return [
            ("class", log_class),
            ("at", "v_at"),
            *([("entry_id", entry_id)] if entry_id else []),
            ("relation", self._relation),
            ("action", action if action.startswith("case") else _text(action)),
            ("actor", "v_actor"),
            ("login", "session_user"),
            ("role", "v_role"),
            ("request", "v_request"),
            ("purpose", "v_purpose"),
            *([("grant_id", "v_grant")] if self._granted else []),
        ]

    def _insert_entry(self, columns: list[tuple[str, str]], source: str, by: int = 4) -> str:
        names = ", ".join(name for name, _ in columns)
        overriding = "overriding system value\n" if any(name == "entry_id" for name, _ in columns) else ""
        selected = ",\n".join(text for _, text in columns)
        statement = (
            f"insert into {qualified(Name(self._naming.log, 'entry'))} ({names})\n{overriding}"
            f"select\n    {indent(selected)}{source};"
        )
        return f"{' ' * by}{indent(statement, by)}\n"

    def _shown(self, of: Sequence[Column], source: str, prefix: str, kept: str = "") -> str:
        """The list of a lateral SELECT: values of columns under their own names; null where `kept` says it is the same."""
        items: list[str] = []
        for column in of:
            made = self._value(column, f"{source}.{ident(fit_name(prefix + column.name))}")
            if kept:
                made = f"case when {source}.{ident(fit_name(kept + column.name))} then null else {made} end"
            bare = made == f"{source}.{ident(column.name)}"
            items.append(made if bare else f"{made} as {ident(column.name)}")
        return ",\n    ".join(indent(item) for item in items)

    @property
    def _plain(self) -> tuple[Column, ...]:
        """The columns whose values or changes stand in entries, in the table's order."""
        wanted = {*self._capture.columns, *self._capture.masked}
        return tuple(column for column in self._capture.table.columns if column in wanted)

    # One side: insert and delete ----------------------------------------------------------------------------------

    def _one_side_whole(self, event: str, side: str) -> str:
        columns = self._head(event, "", self._class(self._person(side)))
        columns += self._rows(side, "t", "")
        return self._insert_entry(columns, f"\nfrom {ROWS[side]} as t{self._where_known()}")

    def _rows(self, side: str, row: str, prefix: str) -> list[tuple[str, str]]:
        """The entry's key and its row, each where something of it is nobody's own."""
        made = [("key", self._object(self._capture.entry_key, row, prefix))] if self._capture.entry_key else []
        return [*made, *([(side, self._object(self._plain, row, prefix))] if self._plain else [])]

    def _object(self, of: Sequence[Column], source: str, prefix: str) -> str:
        """The values of columns as a jsonb object: from its parts, which costs a third less than from a row."""
        pairs = [
            f"{_text(column.name)}, {self._value(column, f'{source}.{ident(fit_name(prefix + column.name))}')}"
            for column in of
        ]
        return " || ".join(
            f"jsonb_build_object({pair})"
            if len(some) == 1 and "\n" not in (pair := some[0])
            else _call("jsonb_build_object", some)
            for some in (pairs[first : first + _MOST_PAIRS] for first in range(0, len(pairs), _MOST_PAIRS))
        )

    def _value(self, column: Column, source: str) -> str:
        return values.MASKED if column in self._capture.masked else values.value(column, source)

    def _one_side_apart(self, event: str, side: str) -> str:
        capture = self._capture
        prefix = f"{side}_"
        selected = [
            f"{self._next_number()} as entry_id",
            f"{self._class(self._person(side))} as class",
            *(f"t.{ident(column.name)} as {ident(fit_name(prefix + column.name))}" for column in self._needed()),
            *(
                f"{values.key_text(group.whose.columns, _sources('t', group.whose.columns))} as person_{number}"
                for number, group in enumerate(capture.apart, 1)
            ),
        ]
        changed = _query(selected, f"from {ROWS[side]} as t{self._where_known()}")
        parts = ",\n".join(
            _row(
                str(number),
                _text(group.whose.subject),
                f"changed.person_{number}",
                self._object(group.columns, "changed", prefix),
            )
            for number, group in enumerate(capture.apart, 1)
        )
        apart = self._insert_values(("part", "subject", "person", side), "", parts, where="")
        columns = [*self._head(event, "changed.entry_id", "changed.class"), *self._rows(side, "changed", prefix)]
        columns.append(("parts", str(len(capture.apart))))
        return self._with(changed, apart) + self._insert_entry(columns, "\nfrom changed")

    # Both sides: update -------------------------------------------------------------------------------------------

    def _pairs(self, event: str) -> str:
        capture = self._capture
        place = self._place
        selected = [
            *([] if not capture.moves else [f"o.{place} is not null as was", f"n.{place} is not null as remains"]),
            *(
                f"{row}.{ident(column.name)} as {ident(fit_name(f'{side}_{column.name}'))}"
                for row, side in (("o", OLD), ("n", NEW))
                for column in self._needed()
            ),
            *(self._same(column) for column in self._compared()),
        ]
        listed = ", ".join(f"t.{ident(column.name)}" for column in capture.read)
        shift = " + case when v_old = v_new then 0 else v_old end" if capture.moves else ""
        joined = (
            "from (\n"
            f"        select row_number() over () as {place}, {listed}\n        from {ROWS[OLD]} as t\n"
            "    ) as o\n"
            "    full join (\n"
            f"        select row_number() over (){shift} as {place}, {listed}\n        from {ROWS[NEW]} as t\n"
            f"    ) as n on n.{place} = o.{place}\n"
            "offset 0"
        )
        comment = (
            "-- Both tables are filled in step. A full join can be no nested loop, which a plan that was first made for one row would be;\n"
            "-- OFFSET 0, so that columns are compared once.\n"
        )
        if capture.moves:
            comment += "-- Where a trigger swallowed a row that was moved to another partition, nothing says which belong together.\n"
        paired = comment + "paired as (\n    " + indent(_query(selected, joined)) + "\n)"
        changed = self._changed()
        columns = self._head(self._action(event), "changed.entry_id" if capture.apart else "", "changed.class")
        source = "\nfrom changed"
        columns, source = self._both_rows(columns, source)
        if capture.apart:
            counts = [f"changed.parts_{number}" for number in range(1, len(capture.apart) + 1)]
            columns.append(("parts", " + ".join(counts)))
            apart = self._insert_values(
                ("part", "subject", "person", OLD, NEW), *self._parts(), where="\nwhere part.part is not null"
            )
        else:
            apart = ""
        return self._with(changed, apart, before=paired) + self._insert_entry(columns, source)

    @property
    def _place(self) -> str:
        """The column with a row's place among the others, where the table has none of that name."""
        return ident(unlike("place", {column.name for column in self._capture.table.columns}))

    def _same(self, column: Column) -> str:
        text = values.same(column, self._version)
        if self._capture.moves:
            together = f"o.{self._place} = n.{self._place}"
            text = f"{together} and ({text})" if " or " in text else f"{together} and {text}"
        return f"{text} as {ident(fit_name(f'same_{column.name}'))}"

    def _action(self, event: str) -> str:
        if not self._capture.moves:
            return event
        return "case\n    when not changed.remains then 'delete'\n    when not changed.was then 'insert'\n    else 'update'\nend"

    def _changed(self) -> str:
        """The rows of which something changed that is captured, with what did not."""
        capture = self._capture
        person = capture.keep.person
        decides = ""
        if person is not None:
            texts = [
                values.key_text(person.columns, _sources("paired", person.columns, f"{side}_")) for side in (NEW, OLD)
            ]
            decides = f"coalesce({texts[0]}, {texts[1]})"
        selected = [f"{self._next_number()} as entry_id"] if capture.apart else []
        selected += [f"{self._class(decides)} as class", "paired.*"]
        if self._plain:
            selected.append(f"{_unchanged(self._plain, 'paired', 'same_')} as unchanged")
        for number, group in enumerate(capture.apart, 1):
            whose = group.whose.columns
            one = " and ".join(_sources("paired", whose, "same_"))
            selected += [
                f"{values.key_text(whose, _sources('paired', whose, f'{side}_'))} as {name}_{number}"
                for side, name in ((OLD, "person_was"), (NEW, "person_is"))
            ]
            held = one if len(whose) == 1 else f"({one})"
            selected.append(f"{held} is true as is_one_{number}")
            selected.append(f"{self._how_many(group, one)} as parts_{number}")
        same = "\n    and ".join(_sources("paired", self._compared(), "same_"))
        return _query(selected, f"from paired\nwhere (\n    {same}\n) is not true")

    def _how_many(self, group: Apart, one: str) -> str:
        """How many people have a part in it: nobody, whoever it is, or whoever it was and whoever it is now."""
        own = " and ".join(_sources("paired", group.columns, "same_"))
        # Of a natural key nothing else says which row it is.
        touched = "1" if set(group.columns) & set(self._capture.key) else f"case when {own} then 0 else 1 end"
        both = "2" if not self._capture.moves else "paired.was::integer + paired.remains::integer"
        return f"case\n    when {one} then {touched}\n    else {both}\nend"

    def _both_rows(self, columns: list[tuple[str, str]], source: str) -> tuple[list[tuple[str, str]], str]:
        capture = self._capture
        made = [*columns]
        if capture.entry_key:
            key = "to_jsonb(key.*)"
            source += _lateral(self._shown(capture.entry_key, "changed", f"{OLD}_"), "key")
            if capture.moves:
                source += _lateral(self._shown(capture.entry_key, "changed", f"{NEW}_"), "new_key")
                key = "case when changed.was then to_jsonb(key.*) else to_jsonb(new_key.*) end"
            made.append(("key", key))
        if self._plain:
            for side, there in ((OLD, "was"), (NEW, "remains")):
                row = f"to_jsonb({side}_row.*) - changed.unchanged"
                made.append((side, f"case when changed.{there} then {row} end" if capture.moves else row))
                source += _lateral(self._shown(self._plain, "changed", f"{side}_", "same_"), f"{side}_row")
        return made, source

    def _parts(self) -> tuple[str, str]:
        """What of each pair is somebody's: the sources, and the rows of VALUES."""
        capture = self._capture
        sources, rows, before = "", list[str](), ""
        for number, group in enumerate(capture.apart, 1):
            one = f"changed.is_one_{number}"
            parts = f"changed.parts_{number}"
            key = set(capture.key)
            for side in (OLD, NEW):
                sources += _lateral(self._shown(group.columns, "changed", f"{side}_"), f"{side}_{number}")
            named = [column for column in group.columns if column not in key]
            old, new = f"to_jsonb({OLD}_{number}.*)", f"to_jsonb({NEW}_{number}.*)"
            if named:
                old += f" - case when {one} then {_unchanged(named, 'changed', 'same_')} else '{{}}' end"
            partly = f"{new} - {_unchanged(group.columns, 'changed', 'same_')}"
            person, now, subject = (
                f"changed.person_was_{number}",
                f"changed.person_is_{number}",
                _text(group.whose.subject),
            )
            first = f"case when {one} then {partly} end"
            if capture.moves:
                person = f"case when changed.was then {person} else {now} end"
                old = f"case when changed.was then {old} end"
                first = f"case\n    when {one} then {partly}\n    when not changed.was then {new}\nend"
            rows += [
                _row(f"case when {parts} > 0 then {before}1 end", subject, person, old, first),
                _row(f"case when {parts} = 2 then {before}2 end", subject, now, "null", new),
            ]
            before += f"{parts} + "
        return sources, ",\n".join(rows)

    # Pieces -------------------------------------------------------------------------------------------------------

    def _needed(self) -> tuple[Column, ...]:
        """The columns whose values are needed, which those of masked ones are not."""
        return tuple(column for column in self._capture.read if column not in self._capture.masked)

    def _compared(self) -> tuple[Column, ...]:
        """The columns that an update compares: what is captured, and whose it is."""
        capture = self._capture
        named = {*self._plain, *capture.personal}
        named |= {column for group in capture.apart for column in group.whose.columns}
        return tuple(column for column in capture.table.columns if column in named)

    def _next_number(self) -> str:
        return f"nextval({_text(qualified(Name(self._naming.log, 'entry_entry_id_seq')))})"

    def _insert_values(self, names: Sequence[str], sources: str, rows: str, where: str) -> str:
        listed = ", ".join(names)
        # Where nobody is named nothing is kept: no erasing would ever find it.
        selected = ",\n    ".join(
            f"case when part.person is not null then part.{name} end" if name in {OLD, NEW} else f"part.{name}"
            for name in names
        )
        return (
            f"insert into {qualified(Name(self._naming.log, 'value'))} (class, at, entry_id, {listed})\n"
            f"select\n    changed.class,\n    v_at,\n    changed.entry_id,\n    {selected}\n"
            f"from changed{sources}\n"
            f"    cross join lateral (values\n        {indent(rows, 8)}\n    ) as part ({listed}){where}"
        )

    def _with(self, changed: str, apart: str, before: str = "") -> str:
        parts = [before] if before else []
        parts.append(f"changed as materialized (\n    {indent(changed)}\n)")
        if apart:
            parts.append(f"apart as (\n    {indent(apart)}\n)")
        return f"    with {indent((',' + chr(10)).join(parts))}\n" if not before else _with_first(parts)


def _with_first(parts: Sequence[str]) -> str:
    joined = ",\n".join(parts)
    return f"    with\n    {indent(joined)}\n"


def _row(*items: str) -> str:
    listed = ",\n".join(items)
    return f"(\n    {indent(listed)}\n)"


def _query(selected: Sequence[str], rest: str) -> str:
    listed = ",\n".join(selected)
    return f"select\n    {indent(listed)}\n{rest}"


def _lateral(selected: str, alias: str) -> str:
    inline = f"\n    cross join lateral (select {selected}) as {alias}"
    if "\n" not in selected:
        return inline
    return f"\n    cross join lateral (\n        select\n            {indent(selected, 8)}\n    ) as {alias}"


def _call(function: str, arguments: Sequence[str]) -> str:
    listed = ",\n".join(arguments)
    return f"{function}(\n    {indent(listed)}\n)"


def _unchanged(columns: Iterable[Column], source: str, prefix: str) -> str:
    """The names of the columns that are the same, for taking them out of the row; nulls take nothing."""
    listed = ",\n".join(
        f"case when {source}.{ident(fit_name(prefix + column.name))} then {_text(column.name)} end"
        for column in columns
    )
    return f"array[\n    {indent(listed)}\n]"


def _sources(row: str, columns: Iterable[Column], prefix: str = "") -> list[str]:
    return [f"{row}.{ident(fit_name(prefix + column.name))}" for column in columns]


def _text(value: str) -> str:
    return text_literal(value).strip()
