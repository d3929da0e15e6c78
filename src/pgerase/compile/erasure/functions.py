"""The functions that count and erase: static PL/pgSQL, one pair a kind of person, owned by the eraser."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from pgerase.catalog.model import Catalog, Name, Table
from pgerase.catalog.settings import STABLE
from pgerase.compile.bound import BoundCondition
from pgerase.compile.desired import DesiredFunction
from pgerase.compile.erasure.bound import BoundSubject, ToValue
from pgerase.compile.erasure.code import UserCode, assert_user_code, user_code
from pgerase.compile.erasure.known import ASSERT_TYPES, LOOK, assert_columns, columns_known, is_known, table_held
from pgerase.compile.erasure.parts import Part, key_name, key_names, key_text
from pgerase.compile.erasure.people import ERASED_BEFORE
from pgerase.compile.erasure.statement import Statement
from pgerase.compile.erasure.used import used_columns
from pgerase.compile.naming import Naming
from pgerase.compile.sql import dollar_tag, fit_name, ident, indent, qualified, regclass, text_literal
from pgerase.errors import Severity

_ARGUMENTS = "text[], text[], boolean[]"
_HEAD = "p_keys text[], p_tokens text[], p_erased boolean[]"
_RETURNS = "table (person text, relation text, strategy text, hits bigint)"


def with_parts(parts: Iterable[Part], final: str) -> str:
    """A query with its named parts, each under its comment."""
    written: list[str] = []
    for part in parts:
        comment = "".join(f"-- {line}\n" for line in part.comment.splitlines())
        written.append(f"{comment}{ident(part.name)} as (\n    {indent(part.query)}\n){part.suffix}")
    return "with recursive\n" + ",\n".join(written) + "\n" + final


def count_function(statement: Statement, naming: Naming, code: UserCode) -> DesiredFunction:
    """The dry run: the same parts as the run, and nothing done."""
    query = with_parts([*statement.people(), *statement.found(plain=True)], statement.counts(done=False))
    before = f"{_heirs_refused(statement)}{_identifiers(statement)}"
    body = (
        "\n#variable_conflict use_column\n"
        f"{_declared(statement)}"
        "begin\n"
        f"{LOOK}"
        # It evaluates checks, with the eraser's rights.
        f"{_code_is_known(statement, naming, code)}"
        f"{before}"
        f"    return query\n    {indent(query)};\n"
        "end;\n"
    )
    what = (
        f"What erasing these people would do: rows by person, table and strategy. Changes nothing. {_place(statement)}"
    )
    if not _is_refused(statement):
        body = _looked_at(body, naming, statement.emitter.facts.catalog, [one.name for one in statement.work])
    return _function(naming, f"count_{statement.subject.name}", _HEAD, _ARGUMENTS, _RETURNS, "stable", body, what)


def erase_function(
    statement: Statement,
    naming: Naming,
    code: UserCode,
    *,
    super_admin: BoundCondition | None,
) -> DesiredFunction:
    """The run: lock, prove, change, compare."""
    subject = statement.subject
    written = [one.table for one in statement.work]
    read = sorted(statement.reads - {table.name for table in written})
    tables = [*(table.name for table in written), *read]
    missed = statement.missed()
    united = f"\nunion all\n{missed}" if missed else ""
    counted = (
        "select counted.person, counted.relation, counted.strategy, counted.hits\n"
        f"from (\n    {indent(statement.counts(done=True))}\n) as counted (person, relation, strategy, hits)"
        f"{united}"
    )
    query = with_parts([*statement.people(settled=True), *statement.found(plain=False), *statement.done()], counted)
    again = bool(code)
    before = (
        f"{_people_locked(statement, super_admin)}"
        f"{_erased_before(statement)}"
        f"{_heirs_refused(statement)}"
        f"{_identifiers(statement)}"
    )
    body = (
        "\n#variable_conflict use_column\n"
        f"{_declared(statement, _variables(statement, code=again))}"
        "begin\n"
        f"{_NOT_FROM_TRIGGERS}"
        "    -- One at a time: what one takes away must not go to somebody whom another is erasing, and the last but one who\n"
        "    -- shares a row must not take the other for the last.\n"
        f"    perform pg_advisory_xact_lock(hashtextextended({text_literal(naming.eraser).strip()}, 0));\n"
        "    -- Nobody changes a table's policies or triggers from here on.\n"
        f"{_locks(written, read)}"
        f"    perform {naming_of(naming, 'assert_blind')}({_regclasses(tables)});\n"
        f"{LOOK}"
        f"{_code_is_known(statement, naming, code)}"
        f"{before}"
        f"{_held_before(naming) if again else ''}"
        f"{_until_clean(statement, query) if again else _once(query)}"
        "    -- What is deferred is checked here: at the end of the transaction its DETAIL, with values, would go to the log.\n"
        "    set constraints all immediate;\n"
        f"{_nothing_left(naming) if again else ''}"
        # No lock keeps a function from being replaced meanwhile.
        f"{_code_is_known(statement, naming, code) if again else ''}"
        "end;\n"
    )
    what = f"Erases these people: locks, proves that nothing hides rows, changes, compares with what it found. {_place(statement)}"
    if not _is_refused(statement):
        body = _looked_at(body, naming, statement.emitter.facts.catalog, [one.name for one in statement.work])
    return _function(naming, f"erase_{subject.name}", _HEAD, _ARGUMENTS, _RETURNS, "volatile", body, what)


def _code_is_known(statement: Statement, naming: Naming, code: UserCode) -> str:
    return _is_known(naming, [one.name for one in statement.work], code)


def _is_known(naming: Naming, tables: Sequence[Name], code: UserCode, *, reading: bool = False) -> str:
    function, listed = naming_of(naming, "assert_user_code"), _regclasses(tables, 8)
    only = ",\n        p_reading => true" if reading else ""
    return f"    perform {function}(\n        {listed},\n        '{code.hash}'{only}\n    );\n"


def _is_refused(statement: Statement) -> bool:
    """Whether what is written of a statement is no SQL, since something could not be compiled."""
    return any(one.severity is Severity.ERROR for one in statement.findings)


def _looked_at(body: str, naming: Naming, catalog: Catalog, written: Collection[Name] = ()) -> str:
    """A body that first holds the tables it uses, and knows the types of what it uses and the code that reading them runs.

    What writing runs is known otherwise, of the tables `written`.
    """
    read = [name for name in used_columns(body.replace(LOOK, ""), catalog.tables) if name not in written]
    known = _is_known(naming, read, user_code(catalog, naming, (), read), reading=True) if read else ""
    return columns_known(body.replace(LOOK, f"{LOOK}{known}"), naming, catalog.tables)


def _variables(statement: Statement, *, code: bool) -> list[str]:
    lifecycle = statement.subject.lifecycle
    return [
        *([f"{ERASED_BEFORE} boolean[];"] if lifecycle is not None else []),
        *(["v_held text;"] if code else []),
        "v_row record;",
    ]


_NOT_FROM_TRIGGERS = """    if pg_trigger_depth() > 0 then
        raise exception using
            errcode = 'ZE103',
            message = 'a trigger does not erase anybody';
    end if;
"""


def _held(naming: Naming) -> str:
    """What the eraser owns and has granted, as one text. In the run itself: a function of its own could be replaced."""
    eraser = text_literal(naming.eraser).strip()
    return f"""select concat_ws(
    E'\\n',
    (
        select string_agg(concat_ws(' ', f.oid, f.proacl, md5(pg_get_functiondef(f.oid))), E'\\n' order by f.oid)
        from pg_proc as f
        where f.proowner = {eraser}::regrole
    ),
    (
        select string_agg(concat_ws(' ', s.oid, s.nspowner, s.nspacl), E'\\n' order by s.oid)
        from pg_namespace as s
        where s.nspname = {eraser}
    ),
    (
        select string_agg(
            concat_ws(' ', d.dbid, d.classid, d.objid, d.objsubid, d.deptype), E'\\n'
            order by d.dbid, d.classid, d.objid, d.objsubid, d.deptype
        )
        from pg_shdepend as d
        where d.refclassid = 'pg_authid'::regclass
            and d.refobjid = {eraser}::regrole
    )
)"""


def _held_before(naming: Naming) -> str:
    return f"    v_held := (\n        {indent(_held(naming), 8)}\n    );\n"


def _nothing_left(naming: Naming) -> str:
    """Code of the application runs with the eraser's rights, and must not keep them."""
    return f"""    if v_held is distinct from (
        {indent(_held(naming), 8)}
    ) then
        raise exception using
            errcode = 'ZE103',
            message = 'code of the application made, changed or granted something in the name of the eraser',
            hint = 'Look at the triggers that pgerase plan lists; nothing was changed.';
    end if;
"""


def _erased_before(statement: Statement) -> str:
    """Who had been erased before the run: afterwards the lifecycle says so of everybody."""
    subject = statement.subject
    if subject.lifecycle is None:
        return ""
    own = statement.equal("self", subject.key_columns, "given", key_names(subject))
    given = (
        f"select given.number, given.erased, {_key_cast(subject, 'given.key')}\n"
        "from unnest(p_keys, p_erased) with ordinality as given (key, erased, number)"
    )
    query = (
        f"select given.erased or coalesce(self.{ident(subject.lifecycle.column)} = {subject.lifecycle.erased}, false)\n"
        f"from (\n    {indent(given)}\n) as given\n    left join {qualified(subject.table.name)} as self on {own}\n"
        "order by given.number"
    )
    return f"    {ERASED_BEFORE} := array(\n        {indent(query, 8)}\n    );\n"


def _once(query: str, *, first: str = "") -> str:
    """The statement, its counts returned; `first` says when, where it runs more than once."""
    return (
        "    for v_row in\n"
        f"        {indent(query, 8)}\n"
        "    loop\n"
        "        if v_row.person is null and v_row.hits <> 0 then\n"
        "            raise exception using\n"
        "                errcode = 'ZE101',\n"
        "                message = format(\n"
        "                    '%s: %s found to %s and not touched',\n"
        "                    v_row.relation,\n"
        f"                    {_rows('was', 'were')},\n"
        "                    v_row.strategy\n"
        "                ),\n"
        "                hint = 'A trigger or somebody else held them back; nothing was changed.';\n"
        "        end if;\n"
        f"        if v_row.person is not null{first} then\n"
        "            person := v_row.person;\n"
        "            relation := v_row.relation;\n"
        "            strategy := v_row.strategy;\n"
        "            hits := v_row.hits;\n"
        "            return next;\n"
        "        end if;\n"
        "    end loop;\n"
    )


def _rows(one: str, several: str) -> str:
    """How many rows, with the verb that goes with it."""
    return f"case v_row.hits when 1 then '1 row {one}' else format('%s rows {several}', v_row.hits) end"


def _until_clean(statement: Statement, query: str) -> str:
    """Where others' code runs: what it writes back is erased as well, until nothing is found, at most three times."""
    left = with_parts([*statement.people(settled=True), *statement.found(plain=True)], statement.counts(done=False))
    return (
        "    -- Code of the application runs (a history trigger, say) and may write back what is taken away: then once more, at most\n"
        "    -- three times. What was counted is what the first time does.\n"
        "    for v_round in 1 .. 3 loop\n"
        f"    {indent(_once(query, first=' and v_round = 1').rstrip())}\n"
        "        -- What is deferred is that code as well, and it may have set the path.\n"
        "        set constraints all immediate;\n"
        "        perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);\n"
        "        select remains.relation, remains.hits\n"
        "        into v_row\n"
        f"        from (\n            {indent(left, 12)}\n"
        "        ) as remains (person, relation, strategy, hits)\n"
        "        where remains.strategy <> 'keep'\n"
        "        limit 1;\n"
        "        exit when not found;\n"
        "        if v_round = 3 then\n"
        "            raise exception using\n"
        "                errcode = 'ZE101',\n"
        "                message = format(\n"
        "                    '%s: %s the person''s again after erasing three times',\n"
        "                    v_row.relation,\n"
        f"                    {_rows('is', 'are')}\n"
        "                ),\n"
        "                hint = 'A trigger of the application writes them back; nothing was changed.';\n"
        "        end if;\n"
        "    end loop;\n"
    )


def state_functions(statement: Statement, naming: Naming) -> list[DesiredFunction]:
    """`status_S`, and where a lifecycle is declared `set_state_S`."""
    subject = statement.subject
    cast = _key_cast(subject, "given.key")
    own = statement.equal("self", subject.key_columns, "given", key_names(subject))
    table = qualified(subject.table.name)
    lifecycle = subject.lifecycle
    if lifecycle is None:
        state = "'active'"
    else:
        column = f"self.{ident(lifecycle.column)}"
        state = (
            f"case {column}\n            when {lifecycle.active} then 'active'\n"
            f"            when {lifecycle.inactive} then 'inactive'\n"
            f"            when {lifecycle.erased} then 'erased'\n            else 'active'\n        end"
        )
    first = ident(subject.key_columns[0])
    catalog = statement.emitter.facts.catalog
    status = (
        f"\n#variable_conflict use_column\nbegin\n{LOOK}"
        "    return query\n"
        # As PostgreSQL spells the key: 007 is known to the ledger as 7.
        f"    select case when self.{first} is null then given.person else {key_text(subject, 'self')} end,\n"
        f"        case when self.{first} is null then 'missing' else {state} end\n"
        f"    from (select given.key as person, {cast} from unnest(p_keys) as given (key)) as given\n"
        f"        left join {table} as self on {own};\n"
        "end;\n"
    )
    made = [
        _function(
            naming,
            f"status_{subject.name}",
            "p_keys text[]",
            "text[]",
            "table (person text, state text)",
            "stable",
            _looked_at(status, naming, catalog),
            f"The state of people. {_place(statement)}",
        )
    ]
    if lifecycle is None:
        return made
    since = lifecycle.inactive_since
    written = [subject.table.name]
    since_set = (
        ""
        if since is None
        else f",\n        {ident(since.name)} = case p_state when 'inactive' then now() end::{since.type}"
    )
    state_body = (
        "\n#variable_conflict use_variable\ndeclare\n    v_changed bigint;\nbegin\n"
        f"{_NOT_FROM_TRIGGERS}"
        "    if p_state not in ('active', 'inactive') then\n"
        "        raise exception using\n            errcode = 'invalid_parameter_value',\n"
        "            message = 'people are made active or inactive; erasing is another thing';\n    end if;\n"
        f"{LOOK}"
        "    -- Its triggers and checks run as they do while erasing.\n"
        f"{_is_known(naming, written, user_code(catalog, naming, written))}"
        f"    update {table} as self\n"
        f"    set {ident(lifecycle.column)} = case p_state when 'inactive' then {lifecycle.inactive}"
        f" else {lifecycle.active} end{since_set}\n"
        f"    from (select {cast} from unnest(p_keys) as given (key)) as given\n"
        f"    where {own}\n"
        f"        and self.{ident(lifecycle.column)} = case p_state when 'inactive' then {lifecycle.active}"
        f" else {lifecycle.inactive} end;\n"
        "    get diagnostics v_changed = row_count;\n    return v_changed;\nend;\n"
    )
    made.append(
        _function(
            naming,
            f"set_state_{subject.name}",
            "p_keys text[], p_state text",
            "text[], text",
            "bigint",
            "volatile",
            _looked_at(state_body, naming, catalog, written),
            f"Makes active people inactive and the other way round; erased ones stay erased. {_place(statement)}",
        )
    )
    return made


def profile_function(
    statement: Statement, naming: Naming, profiles: Sequence[tuple[str, BoundCondition]]
) -> DesiredFunction:
    """`profile_S`: which profile people have, for the audit log, which keeps entries about them as long as their profile says."""
    subject, facts = statement.subject, statement.emitter.facts
    own = statement.equal("self", subject.key_columns, "given", key_names(subject))
    cases = "".join(
        f"            when {' and '.join(statement.holds(when, 'self')) or 'true'} then {text_literal(name).strip()}\n"
        for name, when in profiles
    )
    body = (
        f"\n#variable_conflict use_column\nbegin\n{LOOK}"
        "    return query\n"
        "    select found.person, found.profile\n    from (\n"
        f"        select given.person, case\n{cases}        end as profile\n"
        f"        from (select given.key as person, {_key_cast(subject, 'given.key')}"
        " from unnest(p_keys) as given (key) where given.key is not null) as given\n"
        f"            join {qualified(subject.table.name)} as self on {own}\n"
        "    ) as found\n    where found.profile is not null;\n"
        "end;\n"
    )
    held = "".join(
        table_held(naming, facts.catalog.tables[name], columns, user_code(facts.catalog, naming, (), [name]).hash, by=4)
        for name, columns in used_columns(body.replace(LOOK, ""), facts.catalog.tables).items()
    )
    what = f"The profiles of people, where they have one. {_place(statement)}"
    made = _function(
        naming,
        f"profile_{subject.name}",
        "p_keys text[]",
        "text[]",
        "table (person text, profile text)",
        # It locks.
        "volatile",
        body.replace(LOOK, held),
        what,
    )
    return replace(made, executors=(naming.keeper,))


def check_functions(naming: Naming) -> list[DesiredFunction]:
    """What a run proves from the catalog before it touches anything."""
    eraser = text_literal(naming.eraser).strip()
    blind = f"""
declare
    v_found record;
begin
    -- On forced tables `row_security = off` would need BYPASSRLS, so blindness is read from the catalog: on every table and
    -- leaf with row security the eraser has a policy that is just true, and no restrictive policy is for it.
    for v_found in
        with recursive tree (oid) as (
            select unnest(p_tables)::oid
            union
            select below.inhrelid from pg_inherits as below join tree on tree.oid = below.inhparent
        )
        select t.oid::regclass as name
        from pg_class as t
        where t.oid in (select tree.oid from tree)
            and t.relrowsecurity
            and (
                exists (
                    select
                    from pg_policy as p
                        cross join lateral unnest(p.polroles) as held (role)
                    where p.polrelid = t.oid
                        and not p.polpermissive
                        and (held.role = 0 or pg_has_role({eraser}, held.role, 'usage'))
                )
                or exists (
                    select
                    from unnest(array['r', 'w', 'd']) as wanted (command)
                    where has_table_privilege({eraser}, t.oid, case wanted.command
                            when 'r' then 'select' when 'w' then 'update' else 'delete' end)
                        and not exists (
                            select
                            from pg_policy as p
                            where p.polrelid = t.oid
                                and p.polpermissive
                                and p.polcmd::text = wanted.command
                                and {eraser}::regrole = any (p.polroles)
                                and pg_get_expr(p.polqual, p.polrelid) = 'true'
                                and coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'true') = 'true'
                        )
                )
            )
    loop
        raise exception using
            errcode = 'ZE102',
            message = format('row security of %s could hide rows from erasing', v_found.name),
            hint = 'Look at its policies with pgerase drift, put them right with pgerase apply.';
    end loop;
end;
"""
    return [
        _function(
            naming,
            "assert_blind",
            "p_tables regclass[]",
            "regclass[]",
            "void",
            "stable",
            blind,
            "Refuses where row security could hide rows from the eraser.",
        ),
        _function(
            naming,
            "assert_types",
            "p_table regclass, p_types oid[], p_known text[] default array[]::text[]",
            "regclass, oid[], text[]",
            "void",
            "stable",
            ASSERT_TYPES,
            "Refuses types of columns that are neither the server's own nor known.",
        ),
        _function(
            naming,
            "assert_columns",
            "p_table regclass, p_columns text[], p_known text[] default array[]::text[]",
            "regclass, text[], text[]",
            "void",
            "volatile",
            assert_columns(naming),
            "Holds a table as it is, and refuses where a column has got a type of somebody's own.",
        ),
        _function(
            naming,
            "is_known",
            "p_table regclass, p_columns text[], p_others text[], p_known text[], p_wanted text",
            "regclass, text[], text[], text[], text",
            "boolean",
            # It is not: so that the server asks it when it plans a statement, and keeps the answer as long as the plan.
            "immutable",
            is_known(naming),
            "Refuses where columns or the code that reading runs are not known; whether the table has none below it.",
        ),
        _function(
            naming,
            "assert_user_code",
            "p_tables regclass[], p_wanted text, p_reading boolean default false",
            "regclass[], text, boolean",
            "void",
            "stable",
            assert_user_code(naming),
            "Refuses where other code would run than what was looked at.",
            # It compares what the server spells with what it spelt when the map was applied.
            STABLE,
        ),
    ]


def naming_of(naming: Naming, name: str) -> str:
    """A function of the eraser's, qualified."""
    return qualified(Name(naming.eraser, name))


# Pieces ---------------------------------------------------------------------------------------------------------------


def _function(
    naming: Naming,
    name: str,
    head: str,
    arguments: str,
    returns: str,
    volatility: str,
    body: str,
    what: str,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> DesiredFunction:
    full = Name(naming.eraser, fit_name(name))
    tag = dollar_tag(body)
    definition = (
        f"create or replace function {qualified(full)}({head})\n"
        f"    returns {returns}\n"
        "    language plpgsql\n"
        f"    {volatility}\n"
        "    security definer\n"
        # Not '': temporary types would then come first.
        "    set search_path = pg_catalog, pg_temp\n"
        # A migrator's sessions have it off, which is an error for whoever is exempt by policy.
        "    set row_security = on\n"
        # People are few or some hundred, tables large: one plan serves all, and is made once a session.
        "    set plan_cache_mode = force_generic_plan\n"
        f"{_set(settings)}"
        f"as {tag}{body}{tag}"
    )
    return DesiredFunction(full, arguments, naming.eraser, definition, (naming.secret,), f"{what} [pgerase erasing]")


def _set(settings: Mapping[str, str]) -> str:
    """Further settings of a function; the path is the same for all."""
    return "".join(
        f"    set {name} = {text_literal(value).strip()}\n" for name, value in settings.items() if name != "search_path"
    )


def _place(statement: Statement) -> str:
    return f"Subject {statement.subject.name} ({statement.subject.at})."


def _declared(statement: Statement, more: Sequence[str] = ()) -> str:
    lines = [
        f"v_{name} {statement.subject.identifiers[identifier].base_type}[];"
        for identifier, name in statement.identifier_names()
    ]
    lines += more
    return "declare\n" + "".join(f"    {line}\n" for line in lines) if lines else ""


def _identifiers(statement: Statement) -> str:
    """Identifiers are read once, before anything changes."""
    subject = statement.subject
    text = ""
    for identifier, name in statement.identifier_names():
        column = subject.identifiers[identifier]
        own = statement.equal("self", subject.key_columns, "given", key_names(subject))
        keys = f"select given.number, {_key_cast(subject, 'given.key')} from unnest(p_keys) with ordinality as given (key, number)"
        query = (
            f"select self.{ident(column.name)}\nfrom ({keys}) as given\n"
            f"    left join {qualified(subject.table.name)} as self on {own}\norder by given.number"
        )
        text += f"    v_{name} := array(\n        {indent(query, 8)}\n    );\n"
    return text


def _key_cast(subject: BoundSubject, source: str) -> str:
    if len(subject.key) == 1:
        column = subject.key[0]
        return f"{source}::{column.base_type} as {ident(key_name(column.name))}"
    return ", ".join(
        f"({source}::jsonb ->> {place})::{column.base_type} as {ident(key_name(column.name))}"
        for place, column in enumerate(subject.key)
    )


def _locks(written: Sequence[Table], read: Sequence[Name]) -> str:
    text = ""
    if written:
        listed = ",\n        ".join(qualified(table.name) for table in written)
        text += f"    lock table\n        {listed}\n    in row exclusive mode;\n"
    if read:
        listed = ",\n        ".join(qualified(name) for name in read)
        text += f"    lock table\n        {listed}\n    in access share mode;\n"
    return text


def _regclasses(tables: Sequence[Name], by: int = 4) -> str:
    """An array of tables, its closing bracket so far to the right."""
    if not tables:
        return "array[]::pg_catalog.regclass[]"
    inner = "\n" + " " * (by + 4)
    listed = f",{inner}".join(map(regclass, tables))
    return f"array[{inner}{listed}\n{' ' * by}]"


def _people_locked(statement: Statement, super_admin: BoundCondition | None) -> str:
    """All super admins first, so that two erasures at once cannot each leave the other as the last; then the people, in key order."""
    subject = statement.subject
    table = qualified(subject.table.name)
    order = ", ".join(f"self.{ident(name)}" for name in subject.key_columns)
    text = ""
    own = statement.equal("self", subject.key_columns, "given", key_names(subject))
    people = f"(select {_key_cast(subject, 'given.key')} from unnest(p_keys) as given (key)) as given"
    if super_admin is not None:
        held = " and ".join(statement.holds(super_admin, "self"))
        if subject.lifecycle is not None:
            held += f" and self.{ident(subject.lifecycle.column)} = {subject.lifecycle.active}"
        else:
            held += f" and not {statement.is_erased}({text_literal(subject.name).strip()}, {key_text(subject, 'self')})"
        text += (
            "    -- All of them, in one order: two erasures at once must not each take the other for the last.\n"
            f"    perform\n    from {table} as self\n    where {held}\n    order by {order}\n    for update;\n"
            f"    if exists (select from {table} as self where {held})\n"
            f"        and not exists (\n            select\n            from {table} as self\n            where {held}\n"
            f"                and not exists (select from {people} where {own})\n        )\n    then\n"
            "        raise exception using\n            errcode = 'ZE104',\n"
            "            message = 'the last super admin cannot be erased',\n"
            "            hint = 'Make somebody else super admin first.';\n    end if;\n"
        )
    text += (
        "    -- Writers with a link to one of them hold the row FOR KEY SHARE, and are waited for.\n"
        f"    perform\n    from {table} as self\n        join {people} on {own}\n    order by {order}\n"
        "    for update of self;\n"
    )
    return text


def _heirs_refused(statement: Statement) -> str:
    """Nobody is erased to whom the map hands rows over by name: the ghost, and the `{key: …}` at the end of a reassignment."""
    subject = statement.subject
    named = [subject.ghost] if subject.ghost is not None else []
    named += [
        dict(zip(subject.key_columns, (dict(candidate.values)[column] for column in link.path.columns), strict=True))
        for one in statement.work
        for link in one.links
        for rule in link.rules
        for candidate in rule.candidates
        if isinstance(candidate, ToValue)
        and link.path.is_direct
        and link.path.identifier is None
        # Neither unlinked nor in part.
        and {name for name, value in candidate.values if not value.startswith("null::")} == set(link.path.columns)
    ]
    if not named:
        return ""
    each = dict.fromkeys(
        " and ".join(f"given.{ident(key_name(name))} = {value}" for name, value in sorted(one.items())) for one in named
    )
    where = " or ".join(f"({one})" for one in each) if len(each) > 1 else next(iter(each))
    people = f"(select {_key_cast(subject, 'given.key')} from unnest(p_keys) as given (key)) as given"
    return (
        f"    if exists (select from {people} where {where}) then\n"
        "        raise exception using\n            errcode = 'ZE106',\n"
        "            message = 'the data map hands rows of erased people over to this one, who cannot be erased';\n    end if;\n"
    )
