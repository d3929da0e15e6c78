"""The statements that write entries, and what is somebody's apart from them. An update's are in `changes`."""

from __future__ import annotations

from collections.abc import Sequence

from pgerase.catalog.model import Column, Name
from pgerase.compile.audit import values
from pgerase.compile.audit.pieces import INSERT, NEW, OLD, ROWS, Writer, bracketed, fields, lateral, query, quoted
from pgerase.compile.sql import fit_name, ident, indent, qualified


class Entries(Writer):
    """What statements of every event are made of."""

    def _head(self, action: str, entry_id: str, log_class: str) -> list[tuple[str, str]]:
        """The columns of an entry that say who did what."""
        return [
            ("class", log_class),
            ("at", "v_at"),
            *([("entry_id", entry_id)] if entry_id else []),
            ("relation", self._relation),
            ("action", action if action.startswith("case") else quoted(action)),
            ("actor", "v_actor"),
            ("login", "v_login"),
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

    def _class(self, person: str) -> str:
        keep = self._capture.keep
        if keep.person is None:
            return quoted(keep.name)
        cases = "".join(f"\n    when {quoted(profile)} then {quoted(name)}" for profile, name in keep.profiles)
        return f"case v_profiles ->> {person}{cases}\n    else {quoted(keep.name)}\nend"

    @property
    def _plain(self) -> tuple[Column, ...]:
        """The columns whose values or changes stand in entries, in the table's order."""
        wanted = {*self._capture.columns, *self._capture.masked}
        return tuple(column for column in self._capture.table.columns if column in wanted)

    def _value(self, column: Column, source: str) -> str:
        return values.MASKED if column in self._capture.masked else values.value(column, source)

    def _row(self, of: Sequence[Column], source: str, prefix: str, alias: str, kept: str = "") -> str:
        """A lateral row of columns under their own names, of which to_jsonb makes an object.

        In the order in which jsonb keeps names, it has nothing to sort: a tenth of what capture costs. Null where a column that
        begins with `kept` says that it is the same, so that nothing large is read to be left out.
        """
        items: list[str] = []
        for column in sorted(of, key=_as_kept):
            value = self._value(column, f"{source}.{ident(fit_name(prefix + column.name))}")
            if kept:
                value = f"case when {source}.{ident(fit_name(kept + column.name))} then null else {value} end"
            bare = value == f"{source}.{ident(column.name)}"
            items.append(value if bare else f"{value} as {ident(column.name)}")
        return lateral(items, alias)

    def _next_number(self) -> str:
        return f"nextval({quoted(qualified(Name(self._naming.log, 'entry_entry_id_seq')))})"

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
            parts.append(f"-- What is somebody's, a row a person.\napart as (\n    {indent(apart)}\n)")
        joined = ",\n".join(parts)
        return f"    with\n    {indent(joined)}\n"

    def _needed(self) -> tuple[Column, ...]:
        """The columns whose values are needed, which those of masked ones are not."""
        return tuple(column for column in self._capture.read if column not in self._capture.masked)


def _as_kept(column: Column) -> tuple[int, bytes]:
    """Where jsonb keeps a name: shorter ones first."""
    name = column.name.encode()
    return len(name), name


class Emptied(Entries):
    """A table that was emptied, or a partition, which is named."""

    def statement(self, event: str) -> str:
        """The statement."""
        name = self._capture.table.name
        which = "null::jsonb"
        if self._capture.leaves:
            which = (
                f"case\n    when (tg_table_schema, tg_table_name) <> ({quoted(name.schema)}, {quoted(name.name)})\n"
                "        then jsonb_build_object('partition', format('%I.%I', tg_table_schema, tg_table_name))\nend"
            )
        columns = [*self._head(event, "", quoted(self._capture.keep.name)), ("key", which)]
        return self._insert_entry(columns, "")


class OneSide(Entries):
    """Inserted or deleted rows: all that is captured of each."""

    def statement(self, event: str) -> str:
        """The statement."""
        side = NEW if event == INSERT else OLD
        return self._apart(event, side) if self._capture.apart else self._whole(event, side)

    def _whole(self, event: str, side: str) -> str:
        rows, sources = self._rows(side, "t", "")
        columns = [*self._head(event, "", self._class(self._person())), *rows]
        return self._insert_entry(columns, f"\nfrom {ROWS[side]} as t{sources}{self._where_known('t')}")

    def _apart(self, event: str, side: str) -> str:
        capture = self._capture
        prefix = f"{side}_"
        selected = [
            f"{self._next_number()} as entry_id",
            f"{self._class(self._person())} as class",
            *(f"t.{ident(column.name)} as {ident(fit_name(prefix + column.name))}" for column in self._needed()),
            *(
                f"{values.key_text(fields('t', group.whose.columns))} as person_{number}"
                for number, group in enumerate(capture.apart, 1)
            ),
        ]
        changed = query(selected, f"from {ROWS[side]} as t{self._where_known('t')}")
        numbered = list(enumerate(capture.apart, 1))
        sources = "".join(self._row(group.columns, "changed", prefix, f"{side}_{number}") for number, group in numbered)
        parts = ",\n".join(
            bracketed(
                str(number), quoted(group.whose.subject), f"changed.person_{number}", f"to_jsonb({side}_{number}.*)"
            )
            for number, group in numbered
        )
        apart = self._insert_values(("part", "subject", "person", side), sources, parts, where="")
        rows, sources = self._rows(side, "changed", prefix)
        columns = [*self._head(event, "changed.entry_id", "changed.class"), *rows, ("parts", str(len(capture.apart)))]
        return self._with(changed, apart) + self._insert_entry(columns, f"\nfrom changed{sources}")

    def _person(self) -> str:
        """The text of the key of whoever decides on the class, of a row."""
        person = self._capture.keep.person
        return "" if person is None else f"({values.key_text(fields('t', person.columns))})"

    def _rows(self, side: str, row: str, prefix: str) -> tuple[list[tuple[str, str]], str]:
        """The entry's key and its row, each where something of it is nobody's own, and the sources that they come from."""
        made, sources = list[tuple[str, str]](), ""
        for name, alias, of in (("key", "key", self._capture.entry_key), (side, "captured", self._plain)):
            if of:
                made.append((name, f"to_jsonb({alias}.*)"))
                sources += self._row(of, row, prefix, alias)
        return made, sources
