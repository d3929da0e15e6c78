"""The statement for updated rows: old and new are paired, and what changed of each is written."""

from __future__ import annotations

from pgerase.catalog.model import Column
from pgerase.compile.audit import values
from pgerase.compile.audit.bound import Apart
from pgerase.compile.audit.entries import Entries
from pgerase.compile.audit.pieces import NEW, OLD, ROWS, bracketed, fields, query, quoted, unchanged
from pgerase.compile.erasure.parts import unlike
from pgerase.compile.layout import comment
from pgerase.compile.sql import fit_name, ident, indent


class Changes(Entries):
    """Updated rows: what changed of each."""

    def statement(self, event: str) -> str:
        """The statement."""
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
            f"    ) as n on n.{place} = o.{place}{self._where_known('n')}\n"
            "offset 0"
        )
        said = (
            "Both tables are filled in step. A full join can be no nested loop, which a plan that was first made for one row"
            " would be; OFFSET 0, so that columns are compared once."
        )
        if capture.moves:
            said += " Where a trigger swallowed a row that was moved to another partition, nothing says which belong together."
        paired = comment(said) + "paired as (\n    " + indent(query(selected, joined)) + "\n)"
        changed = self._changed()
        columns = self._head(self._action(event), "changed.entry_id" if capture.apart else "", "changed.class")
        rows, sources = self._both_rows()
        columns += rows
        if capture.apart:
            counts = [f"changed.parts_{number}" for number in range(1, len(capture.apart) + 1)]
            columns.append(("parts", " + ".join(counts)))
            apart = self._insert_values(
                ("part", "subject", "person", OLD, NEW), *self._parts(), where="\nwhere part.part is not null"
            )
        else:
            apart = ""
        return self._with(changed, apart, before=paired) + self._insert_entry(columns, f"\nfrom changed{sources}")

    @property
    def _place(self) -> str:
        """The column with a row's place among the others, where the table has none of that name."""
        return ident(unlike("place", {column.name for column in self._capture.table.columns}))

    def _same(self, column: Column) -> str:
        text = values.same(column, self._version)
        if self._capture.moves:
            together = f"o.{self._place} = n.{self._place}"
            text = (
                f"{together}\n    and (\n        {indent(text)}\n    )" if " or " in text else f"{together} and {text}"
            )
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
            texts = [values.key_text(fields("paired", person.columns, f"{side}_")) for side in (NEW, OLD)]
            listed = ",\n".join(texts)
            decides = f"coalesce(\n    {indent(listed)}\n)"
        selected = [f"{self._next_number()} as entry_id"] if capture.apart else []
        selected += [f"{self._class(decides)} as class", "paired.*"]
        if self._plain:
            selected.append(f"{unchanged(self._plain, 'paired', 'same_')} as unchanged")
        for number, group in enumerate(capture.apart, 1):
            whose = group.whose.columns
            one = " and ".join(fields("paired", whose, "same_"))
            said = f"Which {group.whose.subject} it was and is, whether that is the same one, and how many have a part in it."
            selected += [
                f"{comment(said) if name == 'person_was' else ''}{values.key_text(fields('paired', whose, f'{side}_'))} as {name}_{number}"
                for side, name in ((OLD, "person_was"), (NEW, "person_is"))
            ]
            held = one if len(whose) == 1 else f"({one})"
            selected.append(f"{held} is true as is_one_{number}")
            selected.append(f"{self._how_many(group, one)} as parts_{number}")
        same = "\n    and ".join(fields("paired", self._compared(), "same_"))
        return query(selected, f"from paired\nwhere (\n    {same}\n) is not true")

    def _how_many(self, group: Apart, one: str) -> str:
        """How many people have a part in it: nobody, whoever it is, or whoever it was and whoever it is now."""
        own = " and ".join(fields("paired", group.columns, "same_"))
        # Of a natural key nothing else says which row it is.
        touched = "1" if set(group.columns) & set(self._capture.key) else f"case when {own} then 0 else 1 end"
        both = "2" if not self._capture.moves else "paired.was::integer + paired.remains::integer"
        return f"case\n    when {one} then {touched}\n    else {both}\nend"

    def _both_rows(self) -> tuple[list[tuple[str, str]], str]:
        """The entry's key, as it was, and what changed of its row; and the sources that they come from."""
        capture = self._capture
        made, sources = list[tuple[str, str]](), ""
        if capture.entry_key:
            key = "to_jsonb(old_key.*)"
            sources += self._row(capture.entry_key, "changed", f"{OLD}_", "old_key")
            if capture.moves:
                key = f"case\n    when changed.was then {key}\n    else to_jsonb(new_key.*)\nend"
                sources += self._row(capture.entry_key, "changed", f"{NEW}_", "new_key")
            made.append(("key", key))
        if self._plain:
            for side, there in ((OLD, "was"), (NEW, "remains")):
                row = f"to_jsonb({side}_row.*) - changed.unchanged"
                sources += self._row(self._plain, "changed", f"{side}_", f"{side}_row", kept="same_")
                made.append((side, f"case\n    when changed.{there} then {row}\nend" if capture.moves else row))
        return made, sources

    def _parts(self) -> tuple[str, str]:
        """What of each pair is somebody's: the sources, and the rows of VALUES."""
        capture = self._capture
        sources, rows, before = "", list[str](), ""
        for number, group in enumerate(capture.apart, 1):
            one = f"changed.is_one_{number}"
            parts = f"changed.parts_{number}"
            key = set(capture.key)
            for side in (OLD, NEW):
                sources += self._row(group.columns, "changed", f"{side}_", f"{side}_{number}")
            named = [column for column in group.columns if column not in key]
            old, new = f"to_jsonb({OLD}_{number}.*)", f"to_jsonb({NEW}_{number}.*)"
            if named:
                old += (
                    f" - case\n    when {one} then {indent(unchanged(named, 'changed', 'same_'))}\n    else '{{}}'\nend"
                )
            partly = f"{new} - {unchanged(group.columns, 'changed', 'same_')}"
            person, now, subject = (
                f"changed.person_was_{number}",
                f"changed.person_is_{number}",
                quoted(group.whose.subject),
            )
            first = f"case\n    when {one} then {indent(partly)}\nend"
            if capture.moves:
                person = f"case when changed.was then {person} else {now} end"
                old = f"case\n    when changed.was then {indent(old)}\nend"
                first = f"case\n    when {one} then {indent(partly)}\n    when not changed.was then {new}\nend"
            rows += [
                "-- Whose it was: what changed where it is theirs still, all of it where it is not.\n"
                + bracketed(f"case when {parts} > 0 then {before}1 end", subject, person, old, first),
                "-- Whose it is now, where that is somebody else.\n"
                + bracketed(f"case when {parts} = 2 then {before}2 end", subject, now, "null", new),
            ]
            before += f"{parts} + "
        return sources, ",\n".join(rows)

    def _compared(self) -> tuple[Column, ...]:
        """The columns that an update compares: what is captured, and whose it is."""
        capture = self._capture
        named = {*self._plain, *capture.personal}
        named |= {column for group in capture.apart for column in group.whose.columns}
        return tuple(column for column in capture.table.columns if column in named)
