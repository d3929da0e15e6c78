"""How support access is announced, and which person of the data map a viewer is: what the ledger's routines ask of the rules."""

from __future__ import annotations

from pgerase.catalog.model import Name
from pgerase.compile.bound import BoundPeople
from pgerase.compile.desired import DesiredFunction
from pgerase.compile.emit import Facts
from pgerase.compile.sql import dollar_tag, indent, qualified, text_literal
from pgerase.compile.surroundings import matches
from pgerase.rules.audit import Support
from pgerase.rules.data_map import DataMap, Subject

_SETTINGS = "notify text, webhook_env text, person boolean, staff_names boolean, links text[]"


def announcing_objects(support: Support | None, data_map: DataMap | None, facts: Facts) -> tuple[DesiredFunction, ...]:
    """The functions that answer for the `support:` of audit.yaml; none without it. Before views are built, which it asks for."""
    if support is None:
        return ()
    subjects = _viewers_as_subjects(data_map, facts.people)
    return (_settings(support, facts), *((_own_person(subjects, facts),) if subjects else ()))


def _settings(support: Support, facts: Facts) -> DesiredFunction:
    announce = support.announce
    links = ", ".join(_text(str(link.columns)) for link in support.links)
    values = (
        f"{_text(announce.notify)}::text",
        f"{_text(announce.webhook_env)}::text",
        _bool(announce.person),
        _bool(support.staff_names),
        f"array[{links}]::text[]",
    )
    name = Name(facts.naming.internal, "announce_settings")
    definition = (
        f"create or replace function {qualified(name)}()\n"
        f"    returns table ({_SETTINGS})\n"
        "    language sql\n"
        "    stable\n"
        "    parallel safe\n"
        "    security invoker\n"
        "begin atomic\n"
        f"    select\n        {indent(f',{chr(10)}'.join(values), 8)};\n"
        "end"
    )
    comment = f"How support access is announced: support ({support.at})."
    return DesiredFunction(name, "", facts.naming.secret, definition, (), comment)


def _own_person(subjects: tuple[Subject, ...], facts: Facts) -> DesiredFunction:
    """Whom the active viewer is, by each kind of person that is kept in the viewers table."""
    naming = facts.naming
    me = qualified(naming.view("me"))
    queries = [f"select {_text(one.name)}::text, {_key(one, facts)}\nfrom {me} p" for one in subjects]
    query = "\nunion all\n".join(queries)
    body = f"\n#variable_conflict use_column\nbegin\n    return query\n    {indent(query)};\nend;\n"
    tag = dollar_tag(body)
    name = Name(naming.lookup, "own_person")
    definition = (
        f"create or replace function {qualified(name)}()\n"
        "    returns table (subject text, person text)\n"
        "    language plpgsql\n"
        "    stable\n"
        "    parallel safe\n"
        "    rows 1\n"
        "    security definer\n"
        "    set search_path = pg_catalog, pg_temp\n"
        f"as {tag}{body}{tag}"
    )
    comment = "Which person of the data map the viewer is, for telling who saw his data. [pgerase lookup]"
    return DesiredFunction(name, "", naming.lookup, definition, (naming.secret,), comment)


def _viewers_as_subjects(data_map: DataMap | None, people: BoundPeople | None) -> tuple[Subject, ...]:
    if data_map is None or people is None:
        return ()
    return tuple(one for one in data_map.subjects if one.table is not None and matches(one.table, people.table.name))


def _key(subject: Subject, facts: Facts) -> str:
    """The person's key as the ledger has it: its text, or a JSON array of texts."""
    columns = [f"p.{facts.person(one.column)}::text" for one in subject.key]
    return columns[0] if len(columns) == 1 else f"pg_catalog.jsonb_build_array({', '.join(columns)})::text"


def _text(value: str | None) -> str:
    return "null" if value is None else text_literal(value).strip()


def _bool(value: bool) -> str:
    return "true" if value else "false"
