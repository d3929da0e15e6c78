"""Code of the application that erasing runs: which it is, whether somebody has looked at it, and how a run knows it again.

It runs with the eraser's rights, so whoever owns it could use them. Code that its own functions call in turn is not followed: of
most languages the server does not know what they call.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, ExpressionCall, Name, Routine, Table, Trigger
from pgerase.catalog.roles import RoleGraph
from pgerase.check.spelling import nearest, spell_routine, yaml_text
from pgerase.compile.erasure.known import FIRST_USER_TYPE
from pgerase.compile.naming import Naming
from pgerase.compile.sql import qualified, text_literal
from pgerase.compile.surroundings import leaves_too
from pgerase.errors import Finding, Position, Severity
from pgerase.rules.pack import Acknowledgement

_SHOWN = 16
"""As many digits of a hash are printed."""
_PLACES = 5
"""As many places that call a function are named."""
_SETS_DEFAULT = "d"
_PLANNED = frozenset({"index", "statistics"})
"""What is evaluated while a statement that only reads a table is planned, whoever runs it."""


@dataclass(frozen=True, slots=True)
class UserCode:
    """What of the application runs: triggers, and functions with the places that call them, such as `trigger touch on app.task`."""

    triggers: tuple[tuple[Name, Trigger], ...]
    functions: tuple[tuple[Routine, tuple[str, ...]], ...]

    def __bool__(self) -> bool:
        return bool(self.triggers or self.functions)

    @property
    def hash(self) -> str:
        """What `assert_user_code` computes on the server."""
        triggers = sorted(self.triggers, key=lambda one: (qualified(one[0]).encode(), one[1].name.encode()))
        texts = ["\n".join((qualified(table), one.definition, one.enabled)) for table, one in triggers]
        functions = sorted(
            (one for one, _ in self.functions), key=lambda one: [part.encode() for part in _signature(one)]
        )
        texts += [_as_written(one) for one in functions]
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def user_code(catalog: Catalog, naming: Naming, tables: Iterable[Name], read: Iterable[Name] = ()) -> UserCode:
    """The code of the application that erasing from these tables runs, that of their leaves as well; of `read`, what reading runs.

    Functions of the server, pgerase's own, and those that an extension of a superuser brought are none of it.
    """
    own = {naming.api, naming.eraser, naming.log}
    routines = {
        one.oid: one
        for one in catalog.routines
        if one.name.schema not in own and not _of_superusers_extension(one, catalog)
    }
    triggers: list[tuple[Name, Trigger]] = []
    places: defaultdict[int, list[str]] = defaultdict(list)
    written = dict.fromkeys(leaves_too(catalog, tables))
    for name in written:
        table = catalog.tables[name]
        triggers += [(name, one) for one in table.triggers if one.function.schema not in own]
        for call in table.calls:
            if call.routine in routines and _is_run(table, call):
                places[call.routine].append(_place(name, call))
    for name in leaves_too(catalog, read):
        for call in catalog.tables[name].calls if name not in written else ():
            if call.routine in routines and call.kind in _PLANNED:
                places[call.routine].append(_place(name, call))
    found = sorted(((routines[oid], tuple(at)) for oid, at in places.items()), key=lambda one: _signature(one[0]))
    return UserCode(tuple(triggers), tuple(found))


def code_findings(
    code: UserCode,
    catalog: Catalog,
    touched: Collection[Name],
    acknowledged: Iterable[Acknowledgement],
    at: Position,
) -> Iterable[Finding]:
    """A note for each function, or an error where somebody has to look at it first; `touched` is all that the eraser has rights on.

    Nobody has to where its owner is superuser or acts as the owner of every such table: the eraser can do nothing that he cannot.
    """
    roles = RoleGraph(catalog)
    owners = {catalog.tables[name].owner for name in touched}
    entries = [one for one in acknowledged if one.hash]
    used: set[Position] = set()
    names = [_spellings(one, code) for one, _ in code.functions]
    for (routine, places), spellings in zip(code.functions, names, strict=True):
        given = [one for one in entries if one.name in spellings]
        used |= {one.at for one in given}
        role = catalog.roles.get(routine.owner)
        own = (role is not None and role.superuser) or owners <= roles.acts_as(routine.owner)
        yield _judged(routine, places, given, own=own, at=at)
    known = {name for spellings in names for name in spellings}
    for entry in entries:
        if entry.at not in used:
            close = nearest(entry.name, known)
            message = "erasing runs no function of this name"
            hint = f"did you mean {close}?" if close else "remove the entry if the function is gone, or its hash"
            yield Finding("unknown-acknowledgement", Severity.WARNING, entry.name, message, hint, entry.at)


def _judged(
    routine: Routine, places: tuple[str, ...], given: list[Acknowledgement], *, own: bool, at: Position
) -> Finding:
    hash_ = hashlib.sha256(_as_written(routine).encode()).hexdigest()
    subject = spell_routine(routine)
    rights = f"its owner {routine.owner}" if routine.security_definer else "the eraser"
    where = ", ".join(places[:_PLACES]) + (f" and {len(places) - _PLACES} more" if len(places) > _PLACES else "")
    what = f"erasing runs this function of {routine.owner} with the rights of {rights}: {where}"
    line = f'{{function: {yaml_text(subject)}, hash: "{hash_[:_SHOWN]}", because: "…"}}'
    if stale := [one for one in given if not hash_.startswith(one.hash)]:
        message = f"{what}; it was acknowledged as {stale[0].hash}, and now is {hash_[:_SHOWN]}"
        hint = f"Look what has changed, then in pack.yaml: {line}"
        return Finding("stale-acknowledgement", Severity.ERROR, subject, message, hint, stale[0].at)
    if not own and not given:
        hint = f"Once looked at, add to acknowledge in pack.yaml: {line}"
        return Finding("unacknowledged-code", Severity.ERROR, subject, what, hint, at)
    hint = "Look what it does; erasing refuses once it is changed."
    if routine.is_trigger and not routine.security_definer:
        hint += " The eraser may insert nowhere: a trigger that writes a history has to be SECURITY DEFINER."
    return Finding("erasing-runs-code", Severity.NOTE, subject, what, hint, at)


def assert_user_code(naming: Naming) -> str:
    """The body of the function that refuses where other code would run than `UserCode.hash` was made from."""
    own = ", ".join(text_literal(name).strip() for name in (naming.api, naming.eraser, naming.log))
    return f"""
begin
    if p_wanted is distinct from (
        with recursive tree (oid) as (
            select unnest(p_tables)::oid
            union
            select below.inhrelid from pg_inherits as below join tree on tree.oid = below.inhparent
        ),
        column_type (oid) as (
            select a.atttypid
            from pg_attribute as a
                join tree on tree.oid = a.attrelid
            where a.attnum > 0
                and not a.attisdropped
            union
            select t.typbasetype
            from pg_type as t
                join column_type on column_type.oid = t.oid
            where t.typtype = 'd'
        ),
        user_trigger as (
            select t.oid, t.tgrelid::regclass::text as relation, t.tgname, t.tgenabled
            from pg_trigger as t
                join pg_proc as f on f.oid = t.tgfoid
                join pg_namespace as home on home.oid = f.pronamespace
            where not p_reading
                and not t.tgisinternal
                and home.nspname not in ({own})
                and t.tgrelid in (select tree.oid from tree)
        ),
        expression (class, oid) as (
            select 'pg_trigger'::regclass, user_trigger.oid
            from user_trigger
            union all
            select 'pg_constraint'::regclass, k.oid
            from pg_constraint as k
            where not p_reading
                and k.contype = 'c'
                and (
                    k.conrelid in (select tree.oid from tree)
                    or k.contypid in (select column_type.oid from column_type)
                )
            union all
            select 'pg_attrdef'::regclass, d.oid
            from pg_attrdef as d
                join tree on tree.oid = d.adrelid
                join pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
            where not p_reading
                and (
                    a.attgenerated <> ''
                    or exists (
                        select
                        from pg_constraint as k
                        where k.conrelid = d.adrelid
                            and k.contype = 'f'
                            and '{_SETS_DEFAULT}' in (k.confdeltype, k.confupdtype)
                            and d.adnum = any (k.conkey)
                    )
                )
            union all
            select 'pg_class'::regclass, i.indexrelid
            from pg_index as i
                join tree on tree.oid = i.indrelid
            union all
            select 'pg_statistic_ext'::regclass, s.oid
            from pg_statistic_ext as s
                join tree on tree.oid = s.stxrelid
            union all
            select 'pg_rewrite'::regclass, w.oid
            from pg_rewrite as w
                join tree on tree.oid = w.ev_class
            where not p_reading
            union all
            select 'pg_cast'::regclass, k.oid
            from pg_cast as k
                join column_type on column_type.oid in (k.castsource, k.casttarget)
            where not p_reading
                and column_type.oid >= {FIRST_USER_TYPE}
            union all
            select 'pg_class'::regclass, tree.oid
            from tree
            where not p_reading
        ),
        called (oid) as (
            select distinct coalesce(o.oprcode::oid, d.refobjid)
            from expression
                join pg_depend as d on d.classid = expression.class and d.objid = expression.oid
                left join pg_operator as o on d.refclassid = 'pg_operator'::regclass and o.oid = d.refobjid
            where d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass)
        ),
        piece (place, first, second, third, written) as (
            select
                1,
                user_trigger.relation,
                user_trigger.tgname::text,
                '',
                concat_ws(
                    E'\\n', user_trigger.relation, pg_get_triggerdef(user_trigger.oid), user_trigger.tgenabled
                )
            from user_trigger
            union all
            select
                2,
                home.nspname::text,
                f.proname::text,
                pg_get_function_identity_arguments(f.oid),
                concat_ws(
                    E'\\n',
                    home.nspname,
                    f.proname,
                    pg_get_function_identity_arguments(f.oid),
                    owner.rolname,
                    pg_get_functiondef(f.oid)
                )
            from called
                join pg_proc as f on f.oid = called.oid
                join pg_namespace as home on home.oid = f.pronamespace
                join pg_roles as owner on owner.oid = f.proowner
            where home.nspname not in ('pg_catalog', 'information_schema', {own})
                and not (
                    owner.rolsuper
                    and exists (
                        select
                        from pg_depend as d
                        where d.classid = 'pg_proc'::regclass
                            and d.objid = f.oid
                            and d.deptype = 'e'
                    )
                )
        )
        select encode(
                sha256(convert_to(coalesce(string_agg(
                    piece.written,
                    E'\\n' order by
                        piece.place, piece.first collate "C", piece.second collate "C", piece.third collate "C"
                ), ''), 'UTF8')),
                'hex'
            )
        from piece
    ) then
        raise exception using
            errcode = 'ZE103',
            message = 'code that erasing runs has changed since the map was applied',
            hint = 'Look at it with pgerase plan, which lists what runs; pgerase apply takes note of it.';
    end if;
end;
"""


def _is_run(table: Table, call: ExpressionCall) -> bool:
    """Whether erasing comes by it: a plain default is of no account unless a foreign key sets it."""
    return call.kind != "default" or any(
        _SETS_DEFAULT in (key.on_delete, key.on_update) and call.name in key.columns for key in table.foreign_keys
    )


def _place(table: Name, call: ExpressionCall) -> str:
    match call.kind:
        case "partition key":
            return f"partition key of {table}"
        case "cast":
            return f"cast of the type of {table}.{call.name}"
        case "domain" | "default" | "generated":
            return f"{call.kind} of {table}.{call.name}"
        case _:
            return f"{call.kind} {call.name} on {table}"


def _of_superusers_extension(routine: Routine, catalog: Catalog) -> bool:
    role = catalog.roles.get(routine.owner)
    return routine.extension is not None and role is not None and role.superuser


def _signature(routine: Routine) -> tuple[str, str, str]:
    return routine.name.schema, routine.name.name, routine.identity


def _as_written(routine: Routine) -> str:
    """All that decides what a function does and for whom; settings and SECURITY DEFINER are part of its definition."""
    return "\n".join((*_signature(routine), routine.owner, routine.definition))


def _spellings(routine: Routine, code: UserCode) -> set[str]:
    """How pack.yaml may name a function: with its signature, or without where that leaves one."""
    full = spell_routine(routine)
    alike = [one for one, _ in code.functions if one.name == routine.name]
    return {full, full.partition("(")[0]} if len(alike) == 1 else {full}
