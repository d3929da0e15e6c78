"""Views, functions, triggers and rules that read or write for others, and claims about functions that nobody checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pgerase.catalog.model import Name, Routine, Table, Trigger, View
from pgerase.catalog.reach import Certainty, Reach
from pgerase.check.door import Door
from pgerase.check.door_codes import Code
from pgerase.check.look import WRITING, Look
from pgerase.check.spelling import (
    in_sql,
    roles_in_sql,
    routine_in_sql,
    routine_kind,
    spell,
    spell_all,
    spell_routine,
    table_in_sql,
)
from pgerase.errors import Severity

_READING = frozenset({"SELECT"})
_EXECUTE = frozenset({"EXECUTE"})


def object_doors(look: Look) -> Iterator[Door]:
    """Doors that are views, materialized views, functions, procedures, triggers and rewrite rules."""
    for view in look.catalog.views.values():
        yield from _view(look, view)
    for routine in look.catalog.routines:
        if not look.own.made_routine(routine):
            yield from _routine(look, routine)
    yield from _triggers(look)
    yield from _rules(look)


def _view(look: Look, view: View) -> Iterator[Door]:
    tables = tuple(name for name in (*view.reads, *view.through) if name in look.covered)
    if not tables or look.own.made_view(view) or view.name in look.covered:
        return
    writable = WRITING if view.kind == "v" else frozenset[str]()
    users = look.users(view.grants, view.owner, _READING | writable)
    if not users:
        return
    opens = look.for_viewers(users)
    revoke = f"revoke all on {table_in_sql(view.name)} from {roles_in_sql(users)};"
    if view.kind == "m":
        fills = look.sees_all(view.owner, tables)
        yield Door(
            Code.MATERIALIZED_VIEW,
            "materialized_view",
            spell(view.name),
            Severity.ERROR if opens and fills else Severity.WARNING,
            f"materialized view {spell(view.name)} holds rows of {spell_all(tables)}"
            f"{'' if fills else ' from its last refresh'}, and shows them to {', '.join(users)} whatever the rules say.",
            "Write rules for it, which its secured view asks, or",
            revoke,
            tables,
        )
        return
    past = _layers_reading_past(look, view)
    if past:
        plain = all(layer.kind == "v" for layer in past)
        turn = [f"alter view {table_in_sql(layer.name)} set (security_invoker = true);" for layer in past]
        yield Door(
            Code.VIEW,
            "view",
            spell(view.name),
            Severity.ERROR if opens else Severity.WARNING,
            f"view {spell(view.name)} reads {spell_all(tables)} as {', '.join(sorted({layer.owner for layer in past}))}, who sees"
            f" every row, and shows them to {', '.join(users)}.",
            "Who reads it then needs SELECT on what it reads" if plain else "",
            "\n".join(turn) if plain else revoke,
            tables,
        )


def _layers_reading_past(look: Look, view: View) -> list[View]:
    """This view or those below it whose owners read a covered table in full; a materialized view below shows what it holds."""
    past: list[View] = []
    for name in (view.name, *view.through):
        layer = look.catalog.views[name]
        if look.own.made_view(layer) or name in look.covered:
            continue
        direct = look.covered & set(layer.direct)
        if layer.kind == "m" or (direct and not layer.security_invoker and look.sees_all(layer.owner, direct)):
            past.append(layer)
    return past


def _routine(look: Look, routine: Routine) -> Iterator[Door]:
    users = look.users(routine.grants, routine.owner, _EXECUTE)
    spelling, statement = spell_routine(routine), f"alter routine {routine_in_sql(routine)}"
    reach = look.reached.get(routine.oid)
    if routine.leakproof and routine.extension is None:
        yield Door(
            Code.LEAKPROOF,
            "leakproof",
            spelling,
            Severity.WARNING,
            f"{spelling} is marked LEAKPROOF, which nobody checks: in a condition it is given rows before the"
            " policies have removed them.",
            fix=f"{statement} not leakproof;",
        )
    # A trigger function cannot be called; what fires it is a matter of the table it stands on.
    if routine.is_trigger or not users:
        return
    if reach is not None and routine.security_definer and look.sees_all(routine.owner, reach.tables or look.covered):
        yield _definer(look, routine, reach, users)
    if reach is not None and reach.certainty is not Certainty.POSSIBLE and routine.volatility == "i":
        yield Door(
            Code.IMMUTABLE,
            "immutable",
            spelling,
            Severity.ERROR if look.for_viewers(users) else Severity.WARNING,
            f"{spelling} is marked IMMUTABLE and {reach.via}: its answer is kept in prepared statements, and the next person on"
            " the same connection gets what it was for the last.",
            fix=f"{statement} stable;",
            tables=reach.tables,
        )
    if _can_be_misled(look, routine, users):
        yield Door(
            Code.SEARCH_PATH,
            "search_path",
            spelling,
            Severity.WARNING,
            f"{spelling} is a security definer that finds names by its caller's search_path: with a temporary table of the same name"
            f" its caller decides what it reads, and with a function of his own what it runs as {routine.owner}.",
            "Name the schemas that its body needs, none of which its callers may create in, and pg_temp last",
            f"{statement} set search_path = {in_sql(routine.name.schema)}, pg_temp;",
        )


def _definer(look: Look, routine: Routine, reach: Reach, users: tuple[str, ...]) -> Door:
    sure = reach.certainty is not Certainty.POSSIBLE
    return Door(
        Code.DEFINER_FUNCTION,
        routine_kind(routine),
        spell_routine(routine),
        Severity.ERROR if sure and look.for_viewers(users) else Severity.WARNING,
        f"{spell_routine(routine)} is a security definer that {reach.via}, runs as {routine.owner}, who sees every row, and may"
        f" be called by {', '.join(users)}.",
        "Make it security invoker, give it an owner whom the rules bind, or",
        f"revoke execute on routine {routine_in_sql(routine)} from {roles_in_sql(users)};",
        reach.tables,
    )


def _can_be_misled(look: Look, routine: Routine, users: tuple[str, ...]) -> bool:
    """Whether viewers choose what a function means by its names that has more rights than they. SQL-standard bodies are settled."""
    mighty = look.is_unbound(routine.owner) or routine.owner in (*look.owners, *look.own.private)
    return (
        routine.security_definer
        and routine.extension is None
        and routine.reads is None
        and mighty
        and look.for_viewers(users)
        and not any(setting.startswith("search_path=") for setting in routine.settings)
    )


def _triggers(look: Look) -> Iterator[Door]:
    """Definer triggers that read or write governed tables past the policies, for whoever writes the table they stand on."""
    functions = _trigger_functions(look)
    for table in look.catalog.tables.values():
        writers = look.users(table.grants, table.owner, WRITING)
        for trigger in table.triggers:
            routine = functions.get(trigger.function)
            if routine is None or look.own.made_routine(routine) or not routine.security_definer or not writers:
                continue
            if any(_has_trigger(look.catalog.tables[parent], trigger) for parent in table.parents):
                continue  # a partition's copy goes with its parent's
            reach = look.reached.get(routine.oid)
            if reach is None or not look.sees_all(routine.owner, reach.tables or look.covered):
                continue
            sure = reach.certainty is not Certainty.POSSIBLE
            yield Door(
                Code.DEFINER_TRIGGER,
                "trigger",
                spell(table.name, trigger.name),
                Severity.WARNING if sure and look.for_viewers(writers) else Severity.NOTE,
                f"trigger {trigger.name} on {spell(table.name)} runs {spell_routine(routine)}, a security definer that {reach.via},"
                f" as {routine.owner}, who sees every row, for {', '.join(writers)}.",
                "Unless what it does is meant for everybody who writes the table",
                f"alter function {routine_in_sql(routine)} security invoker;",
                reach.tables,
            )


def _has_trigger(table: Table, like: Trigger) -> bool:
    return any((own.name, own.function) == (like.name, like.function) for own in table.triggers)


def _trigger_functions(look: Look) -> Mapping[Name, Routine]:
    return {routine.name: routine for routine in look.catalog.routines if routine.is_trigger}


def _rules(look: Look) -> Iterator[Door]:
    """What the rules of a table name is read and written as the table's owner."""
    for table in look.catalog.tables.values():
        tables = tuple(name for name in table.rewrites if name in look.covered and name != table.name)
        writers = look.users(table.grants, table.owner, WRITING)
        if table.rules and tables and writers and look.sees_all(table.owner, tables):
            yield Door(
                Code.RULE,
                "rule",
                spell(table.name),
                Severity.ERROR if look.for_viewers(writers) else Severity.WARNING,
                f"{'rule' if len(table.rules) == 1 else 'rules'} {', '.join(table.rules)} on {spell(table.name)} reach"
                f" {spell_all(tables)} as {table.owner}, who sees every row, for {', '.join(writers)}.",
                fix="\n".join(f"drop rule {in_sql(rule)} on {table_in_sql(table.name)};" for rule in table.rules),
                tables=tables,
            )
