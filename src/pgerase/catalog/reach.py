"""Which routines reach which tables. Bodies that are text are searched for names, so an answer says how sure it is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum

from pgerase.catalog.model import Catalog, Name, Routine

# Without $, which may begin a dollar quote: names that hold one are looked for as they are.
_WORD = re.compile(r"\w+")
_READABLE = frozenset({"sql", "plpgsql"})
_COMPILED = frozenset({"c", "internal"})
_RUNS_TEXT = frozenset(
    {
        "execute",
        "query_to_xml",
        "query_to_xmlschema",
        "query_to_xml_and_xmlschema",
        "table_to_xml",
        "table_to_xml_and_xmlschema",
        "schema_to_xml",
        "schema_to_xml_and_xmlschema",
        "database_to_xml",
        "database_to_xml_and_xmlschema",
        "cursor_to_xml",
        "ts_stat",
        "dblink",
        "dblink_exec",
        "dblink_open",
        "dblink_send_query",
        "crosstab",
        "connectby",
    }
)
"""Words that run a statement given as text, which can name any table."""


class Certainty(IntEnum):
    """How sure it is that a routine reaches a table."""

    POSSIBLE = 1
    """It runs text as a statement, or its language cannot be read."""
    MENTIONED = 2
    """Its body has the table's name in it."""
    CERTAIN = 3
    """The server records it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a routine reaches: `tables` is empty where it may be any; `via` says how, in words."""

    tables: tuple[Name, ...]
    certainty: Certainty
    via: str


def with_leaves(catalog: Catalog, governed: Collection[Name]) -> frozenset[Name]:
    """The governed tables that exist, together with all their leaves."""
    children: defaultdict[Name, list[Name]] = defaultdict(list)
    for table in catalog.tables.values():
        for parent in table.parents:
            children[parent].append(table.name)
    found = {name for name in governed if name in catalog.tables}
    frontier = list(found)
    while frontier:
        for child in children.get(frontier.pop(), ()):
            if child not in found:
                found.add(child)
                frontier.append(child)
    return frozenset(found)


class Mentions:
    """Finds names of relations in text, whole words in any case: it may find too much, never too little of what is spelt out."""

    def __init__(self, catalog: Catalog, covered: Collection[Name]) -> None:
        self._words: defaultdict[str, set[Name]] = defaultdict(set)
        self._phrases: defaultdict[str, set[Name]] = defaultdict(set)
        for name in covered:
            self._add(name.name, {name})
        for view in catalog.views.values():
            tables = set(view.reads) & set(covered)
            if tables:
                self._add(view.name.name, tables)

    def _add(self, spelling: str, tables: set[Name]) -> None:
        lowered = spelling.lower()
        if _WORD.fullmatch(lowered):
            self._words[lowered] |= tables
        else:
            self._phrases[lowered] |= tables
            self._phrases[lowered.replace('"', '""')] |= tables

    def tables(self, text: str) -> frozenset[Name]:
        """Covered tables that the text names, directly or by a view that reads them."""
        lowered = text.lower()
        found: set[Name] = set()
        for word in set(_WORD.findall(lowered)) & self._words.keys():
            found |= self._words[word]
        for phrase, tables in self._phrases.items():
            if phrase in lowered:
                found |= tables
        return frozenset(found)


def reaching_routines(catalog: Catalog, covered: Collection[Name]) -> Mapping[int, Reach]:
    """Routines, by oid, that reach a covered table with the rights they run with.

    A routine reaches what it names, and what a routine it calls reaches, unless that one is a security definer: then the reading
    is that one's own, with its owner's rights. Compiled routines of extensions are trusted to read nothing of ours.
    """
    mentions = Mentions(catalog, covered)
    reached = {
        routine.oid: reach for routine in catalog.routines if (reach := _own_reach(routine, mentions, catalog, covered))
    }
    bodies = {routine.oid: _words_of(routine) for routine in catalog.routines if routine.reads is None}
    frontier = [routine for routine in catalog.routines if routine.oid in reached]
    while frontier:
        callee = frontier.pop()
        if callee.security_definer:
            continue
        reach = reached[callee.oid]
        spelling = callee.name.name.lower()
        for caller in catalog.routines:
            if caller.oid in reached or caller.oid == callee.oid:
                continue
            if callee.oid in caller.calls:
                certainty = reach.certainty
            elif spelling in bodies.get(caller.oid, ()):
                certainty = min(reach.certainty, Certainty.MENTIONED)
            else:
                continue
            reached[caller.oid] = Reach(reach.tables, certainty, f"calls {callee.name}, which {reach.via}")
            frontier.append(caller)
    return reached


def _own_reach(routine: Routine, mentions: Mentions, catalog: Catalog, covered: Collection[Name]) -> Reach | None:
    if routine.reads is not None:
        tables = {table for name in routine.reads for table in _tables_behind(catalog, name)} & set(covered)
        return Reach(tuple(sorted(tables)), Certainty.CERTAIN, "reads or writes them") if tables else None
    if routine.extension is not None and routine.language in _COMPILED:
        return None
    found = mentions.tables(_body(routine))
    if found:
        return Reach(tuple(sorted(found)), Certainty.MENTIONED, "mentions them in its body")
    if routine.language not in _READABLE:
        return Reach((), Certainty.POSSIBLE, f"is written in {routine.language}, which cannot be looked into")
    if _words_of(routine) & _RUNS_TEXT:
        return Reach((), Certainty.POSSIBLE, "runs statements it makes at run time, which cannot be looked into")
    return None


def _tables_behind(catalog: Catalog, name: Name) -> tuple[Name, ...]:
    view = catalog.views.get(name)
    return (name, *view.reads) if view else (name,)


def _body(routine: Routine) -> str:
    """The text after the header of pg_get_functiondef, so that a routine's own name is no mention."""
    _, mark, body = routine.definition.partition("\nAS ")
    return body if mark else routine.definition


def _words_of(routine: Routine) -> frozenset[str]:
    lowered = _body(routine).lower()
    # A name that is no plain word is called in quotes.
    return frozenset(_WORD.findall(lowered)) | frozenset(re.findall(r'"((?:[^"]|"")+)"', lowered))
