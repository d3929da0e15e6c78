"""What stands around the statement that writes entries: who writes and for what, and whether it may be written at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pgerase.catalog.model import Name
from pgerase.compile.audit import values
from pgerase.compile.audit.pieces import NEW, OLD, ROWS, Writer, fields, quoted
from pgerase.compile.sql import fit_name, indent, qualified

_SAID = "    -- A type that is not the server's own could bring code along, to run with our rights.\n"


class Frame(Writer):
    """The body of a function, from its variables to its end, around a statement."""

    def one_side(self, side: str, write: str) -> str:
        """Of inserted or deleted rows."""
        if self._looks_first:
            return self._looking_first(self._seen(side), [side], write)
        return self._body([], self._context() + write + self._unwritten(self._kept_out(side)) + self._answered())

    def both_sides(self, write: str) -> str:
        """Of updated rows."""
        if self._capture.moves:
            counts, counted = ["v_old bigint;", "v_new bigint;"], self._counted()
            if self._looks_first:
                return self._looking_first(counted + self._look(OLD), [NEW, OLD], write, counts)
            unwritten = self._unwritten(self._strange(OLD) + self._strange(NEW), is_touched=True)
            return self._body(counts, counted + self._context() + write + unwritten + self._answered())
        if self._looks_first:
            return self._looking_first(self._seen(NEW), [NEW, OLD], write)
        unwritten = self._unwritten(self._strange(NEW), untouched=NEW)
        return self._body([], self._context() + write + unwritten + self._answered())

    def emptied(self, write: str) -> str:
        """Of a table that was emptied."""
        return self._body([], self._context() + self._answered() + write)

    def _body(self, declared: Iterable[str], statements: str) -> str:
        lines = [
            "v_at timestamptz;",
            "v_actor text;",
            "v_login text;",
            "v_role text;",
            "v_request text;",
            "v_purpose text;",
            *(["v_grant bigint;"] if self._granted else []),
            *declared,
        ]
        return (
            "#variable_conflict use_variable\ndeclare\n"
            + "".join(f"    {line}\n" for line in lines)
            + f"begin\n{statements}    return null;\nend;\n"
        )

    # Before anything is written -----------------------------------------------------------------------------------

    def _looking_first(self, seen: str, sides: Sequence[str], write: str, declared: Sequence[str] = ()) -> str:
        declared = [*declared, "v_profiles jsonb;", *([] if self._known("t") is None else ["v_is_known boolean;"])]
        return self._body(declared, seen + self._context() + self._answered() + self._profiles(sides) + write)

    def _seen(self, side: str) -> str:
        """Nothing where the statement touched no row; an error where columns have got types of others."""
        nothing = "        return null;\n    end if;\n"
        if self._known("t") is None:
            return f"    if not exists (select from {ROWS[side]}) then\n{nothing}\n"
        return self._look(side, f"    if not found then\n{nothing}")

    def _look(self, side: str, nothing: str = "") -> str:
        """An error where columns have got types of others; `nothing` says what is done where there are no rows."""
        if (known := self._known("t")) is None:
            return ""
        return (
            f"{_SAID}    select {indent(known)}\n    into v_is_known\n    from {ROWS[side]} as t\n    limit 1;\n{nothing}"
            f"    if v_is_known is not true then\n{self._refusal()}\n    end if;\n\n"
        )

    def _unwritten(self, refused: str, *, untouched: str = "", is_touched: bool = False) -> str:
        """Where nothing was written: an error if types kept rows out, and nobody has to answer for nothing.

        Whether there are rows is asked within: PL/pgSQL runs an expression with a subquery as a statement of its own. An update
        that changed nothing touched rows nevertheless: `untouched` is the side to ask then, `is_touched` says that it was.
        """
        answered = ""
        if self._required and not is_touched:
            answered = "        return null;\n"
            if untouched:
                answered = f"        if not exists (select from {ROWS[untouched]}) then\n            return null;\n        end if;\n"
        inner = refused + answered
        return f"\n    if not found then\n{inner}    end if;\n\n" if inner else "\n"

    def _kept_out(self, side: str) -> str:
        """An error where there are rows, each of which should have been written."""
        return "" if self._known("t") is None else self._refused_if(f"select from {ROWS[side]}")

    def _strange(self, side: str) -> str:
        """An error where there are rows of types that are not known."""
        if (known := self._known("t")) is None:
            return ""
        return self._refused_if(
            f"\n            select\n            from {ROWS[side]} as t\n            where ({indent(known, 12)}) is not true\n        "
        )

    def _refused_if(self, rows: str) -> str:
        return f"    {_SAID}        if exists ({rows}) then\n    {indent(self._refusal())}\n        end if;\n"

    def _refusal(self) -> str:
        return (
            "        raise exception using\n            errcode = 'ZE202',\n"
            f"            message = {quoted(f'{self._capture.table.name}: a captured column has another type than at the last apply')},\n"
            "            hint = 'Run pgerase apply in the transaction that changes the table.',\n"
            "            schema = tg_table_schema,\n            table = tg_table_name;"
        )

    def _counted(self) -> str:
        """How many rows there were and are: of a moved row the new one may be missing."""
        return (
            f"    v_old := (select count(*) from {ROWS[OLD]});\n    v_new := (select count(*) from {ROWS[NEW]});\n"
            "    if v_old = 0 and v_new = 0 then\n        return null;\n    end if;\n\n"
        )

    def _context(self) -> str:
        """Who writes, and for what: once a statement."""
        annotation, request = qualified(Name(self._naming.log, "annotation")), quoted(f"{self._naming.prefix}.request")
        text = (
            "    v_at := clock_timestamp();\n"
            f"    v_actor := {qualified(Name(self._naming.api, 'current_viewer'))}();\n"
            "    v_login := session_user;\n    v_role := nullif(current_setting('role'), 'none');\n"
            # Both or neither are set; each is an expression of some size, which PL/pgSQL prepares once a transaction.
            f"    if current_setting({request}, true) <> '' then\n"
            f"        v_request := {annotation}(p_setting => {request});\n"
            f"        v_purpose := {annotation}(p_setting => {quoted(f'{self._naming.prefix}.purpose')});\n    end if;\n"
        )
        if self._granted:
            # Asked for last, and for those alone who may hold one: it is a look into a table.
            held = qualified(Name(self._naming.api, "held_grant"))
            text += f"    if v_actor is not null then\n        v_grant := {held}(p_holder => v_actor);\n    end if;\n"
        return text + "\n"

    def _answered(self) -> str:
        """An error where somebody has to answer for a write and nobody does."""
        text = ""
        if self._required:
            text += (
                f"    if v_actor is null and v_request is null and v_purpose is null then\n"
                "        raise exception using\n            errcode = 'ZE201',\n"
                f"            message = {quoted(f'{self._capture.table.name}: nobody answers for this write')},\n"
                "            hint = "
                + quoted(
                    f"Present a viewer ({self._naming.api}.become), or a request or purpose ({self._naming.api}.annotate)."
                )
                + ",\n            schema = tg_table_schema,\n            table = tg_table_name;\n    end if;\n\n"
            )
        return text

    def _profiles(self, sides: Sequence[str]) -> str:
        """The profiles of the people whose rows these are, asked for once."""
        person = self._capture.keep.person
        if person is None:
            return ""
        listed = "\nunion\n".join(
            f"select {values.key_text(fields('t', person.columns))} from {ROWS[side]} as t" for side in sides
        )
        function = qualified(Name(self._naming.eraser, fit_name(f"profile_{person.subject}")))
        return (
            "    -- How long entries are kept depends on the people whose rows these are.\n"
            "    select jsonb_object_agg(known.person, known.profile)\n    into v_profiles\n"
            f"    from {function}(\n"
            f"        p_keys => array(\n            {indent(listed, 12)}\n        )\n    ) as known;\n\n"
        )
