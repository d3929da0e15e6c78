"""What the compiler of data maps refuses, each by code, object and place, with the least that makes it refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgerase.catalog.read import read_catalog
from pgerase.compile import compile_pack
from pgerase.database import Database
from pgerase.errors import Finding, Severity
from pgerase.rules.read import read_pack
from tests.fix_database import FreshDatabase

SCHEMA = """
create schema s;
create table s.person (
    person_id bigint primary key,
    email text not null unique,
    nick varchar(12),
    born date,
    shout text generated always as (upper(email)) stored,
    boss_id bigint references s.person,
    status text not null default 'on',
    mail text unique
);
create index on s.person (boss_id);
create table s.post (
    post_id bigint primary key,
    author_id bigint references s.person,
    title text not null,
    parent_id bigint
);
create index on s.post (author_id);
create table s.reply (
    reply_id bigint primary key,
    post_id bigint not null references s.post on delete cascade,
    back_id bigint
);
create index on s.reply (post_id);
create table s.note (note_id bigint primary key, of_id bigint not null);
create index on s.note (of_id);
create table s.letter (sender text not null);
create table s.pair (a text, b bigint, many bigint[]);
"""
POST = "  s.post: {links: {author_id: {person: key, rows: keep}}}\n"
PERSON = "  s.person: {subject: person, rows: keep, links: {boss_id: {person: key, rows: keep}}}\n"


@pytest.fixture(scope="module")
def database(server: str, unique_prefix, tmp_path_factory):
    """One database for all maps: compiling changes nothing."""
    made = FreshDatabase(server, unique_prefix(), "template0")
    made.create()
    try:
        with made.connect() as connection:
            connection.execute(SCHEMA)
        yield made
    finally:
        made.drop()


def compiled(database: FreshDatabase, folder: Path, tables: str, subject: str = "", more: str = "") -> list[Finding]:
    """The findings of a map with these tables; `subject` goes into the person, `more` to the end."""
    text = (
        "version: 1\nsubjects:\n  person:\n    table: s.person\n    key: person_id\n"
        f"    identifiers: {{email: email, nick: nick, mail: mail}}\n{subject}tables:\n{tables}{more}"
    )
    (folder / "data_map.yaml").write_text(text, encoding="utf-8")
    (folder / "pack.yaml").write_text("version: 1\nname: small\nprefix: small\n", encoding="utf-8")
    with Database.open(database.dsn()) as opened:
        return list(compile_pack(read_pack(folder), read_catalog(opened)).findings)


def test_a_whole_map_is_not_refused(database: FreshDatabase, tmp_path: Path):
    found = compiled(database, tmp_path, PERSON + POST)
    assert [one for one in found if one.severity is Severity.ERROR] == []


BOSS = "links: {boss_id: {person: key, rows: keep}}"

CASES = {
    "unmapped-table": (PERSON, "", "", "s.post"),
    "unmapped-link": ("  s.person: {subject: person, rows: keep}\n" + POST, "", "", "s.person"),
    "unmapped-cascade": (
        PERSON + "  s.post: {links: {author_id: {person: key, rows: delete}}}\n",
        "",
        "",
        "s.reply",
    ),
    "gone-not-said": (
        f"  s.person: {{subject: person, rows: delete, {BOSS}}}\n" + POST,
        "",
        "",
        "s.person",
    ),
    "people-go-along": (
        (
            f"  s.person: {{subject: person, rows: delete, references: {{boss_id: {{to: s.person.person_id, gone: delete}}}}, {BOSS}}}\n"
            "  s.post: {links: {author_id: {person: key, rows: unlink}}}\n"
        ),
        "",
        "",
        "s.person",
    ),
    "unindexed-link": (
        PERSON + "  s.post: {links: {author_id: {person: key, rows: keep}, parent_id: {person: key, rows: keep}}}\n",
        "",
        "",
        "s.post(parent_id)",
    ),
    "clear-not-null": (
        f"  s.person: {{subject: person, rows: keep, of: self, {BOSS}, columns: {{email: {{kind: email, purpose: x, erase: clear}}}}}}\n"
        + POST,
        "",
        "",
        "s.person.email",
    ),
    "filler-not-unique": (
        f"  s.person: {{subject: person, rows: keep, of: self, {BOSS}, "
        "columns: {email: {kind: email, purpose: x, erase: {fill: gone}}}}\n" + POST,
        "",
        "",
        "s.person.email",
    ),
    "filler-too-long": (
        f"  s.person: {{subject: person, rows: keep, of: self, {BOSS}, "
        "columns: {nick: {kind: name, purpose: x, erase: {fill: Deleted person}}}}\n" + POST,
        "",
        "",
        "s.person.nick",
    ),
    "filler-type": (
        f"  s.person: {{subject: person, rows: keep, of: self, {BOSS}, "
        "columns: {born: {kind: birth_date, purpose: x, erase: {fill: someday}}}}\n" + POST,
        "",
        "",
        "s.person.born",
    ),
    "generalize-type": (
        f"  s.person: {{subject: person, rows: keep, of: self, {BOSS}, "
        "columns: {nick: {kind: name, purpose: x, erase: {generalize: year}}}}\n" + POST,
        "",
        "",
        "s.person.nick",
    ),
    "generated-column": (
        f"  s.person: {{subject: person, rows: keep, of: self, {BOSS}, "
        "columns: {shout: {kind: email, purpose: x, erase: clear}}}\n" + POST,
        "",
        "",
        "s.person.shout",
    ),
    "identifier-not-unique": (
        PERSON + POST + "  s.pair: {links: {a: {person: nick, rows: keep, scan: true}}}\n",
        "",
        "",
        "nick",
    ),
    "no-manager": (
        "  s.person: {subject: person, rows: keep, links: "
        "{boss_id: {person: key, rows: [{do: {reassign: [manager, unlink]}}]}}}\n" + POST,
        "",
        "",
        "person",
    ),
    "no-ghost": (
        "  s.person: {subject: person, rows: keep, links: {boss_id: {person: key, rows: ghost}}}\n" + POST,
        "",
        "",
        "person",
    ),
    "unlink-not-null": (
        PERSON + POST + "  s.note: {links: {of_id: {person: key, rows: unlink}}}\n",
        "",
        "",
        "s.note.of_id",
    ),
    "no-own-columns": (
        PERSON + POST + "  s.reply: {links: {post_id.author_id: {person: key, rows: unlink}}}\n",
        "",
        "",
        "rows",
    ),
    "uneven-link": (
        PERSON + POST + '  s.pair: {links: {"a, b": {person: key, rows: keep, scan: true}}}\n',
        "",
        "",
        None,
    ),
    "type-mismatch": (
        PERSON + POST + "  s.pair: {links: {a: {person: key, rows: keep, scan: true}}}\n",
        "",
        "",
        "a",
    ),
    "not-a-lookup": (
        PERSON + POST + '  s.pair: {links: {"s.reply(back_id)": {person: key, rows: keep, scan: true}}}\n',
        "",
        "",
        None,
    ),
    "not-mapped-there": (
        PERSON
        + POST
        + "  s.reply: {columns: {back_id: none}}\n  s.pair: {references: {b: {to: s.reply.reply_id}}, links: {b: {person: key, rows: keep, scan: true}}}\n",
        "",
        "",
        "b",
    ),
    "unknown-table": (PERSON + POST + "  s.pots: {links: {a: {person: key, rows: keep}}}\n", "", "", "s.pots"),
    "unknown-column": (
        PERSON + "  s.post: {links: {autor_id: {person: key, rows: keep}}}\n",
        "",
        "",
        "s.post.autor_id",
    ),
}


@pytest.mark.parametrize("code", CASES)
def test_refused(code: str, database: FreshDatabase, tmp_path: Path):
    tables, subject, more, wanted = CASES[code]
    found = [one for one in compiled(database, tmp_path, tables, subject, more) if one.code == code]
    assert found, code
    assert all(one.severity is Severity.ERROR and one.message for one in found)
    if wanted is not None:
        assert wanted in {one.subject for one in found}
    assert all(one.at is not None for one in found)


MORE = {
    "with owners: last a row may stay": (
        "gone-not-said",
        (
            "  s.person: {subject: person, rows: delete, links: {boss_id: {person: key, rows: unlink}}}\n"
            "  s.post: {links: {author_id: {person: key, rows: delete}}, owners: last}\nnone: [s.reply]\n"
        ),
        "s.post",
    ),
    "a cleared identifier is followed into NOT NULL": (
        "clear-not-null",
        PERSON.replace("}}}\n", "}}, columns: {mail: {kind: email, purpose: x, erase: clear}}}\n")
        + POST
        + "  s.letter: {links: {sender: {person: mail, rows: keep, scan: true}}}\n",
        "s.letter.sender",
    ),
    "an identifier has a treatment of some rule's own": (
        "not-compiled-yet",
        "  s.person: {subject: person, rows: [{do: keep, columns: {mail: clear}}], "
        "links: {boss_id: {person: key, rows: keep}}, columns: {mail: {kind: email, purpose: x, erase: keep}}}\n"
        + POST
        + "  s.letter: {links: {sender: {person: mail, rows: keep, scan: true}}}\n",
        "sender",
    ),
}


@pytest.mark.parametrize("what", MORE)
def test_refused_as_well(what: str, database: FreshDatabase, tmp_path: Path):
    code, tables, wanted = MORE[what]
    found = compiled(database, tmp_path, tables)
    assert (code, wanted) in {(one.code, one.subject) for one in found}, found


LATER = {
    "recipients": "recipients:\n  directory: {kind: manual, text: remove it}\n",
    "retention": "retention:\n  - {name: leavers, subject: person, when: {status: off}, do: erase}\n",
    "profiles": "profiles:\n  us: {when: {status: x}, tables: {s.post: {rows: delete}}}\n",
}


@pytest.mark.parametrize("part", LATER)
def test_what_comes_later_is_refused_by_name(part: str, database: FreshDatabase, tmp_path: Path):
    found = compiled(database, tmp_path, PERSON + POST, more=LATER[part])
    assert [one.subject.split(":")[0] for one in found if one.code == "not-compiled-yet"] == [part]


TREATMENTS = ("{redact: identifiers}", "{keep: {exemption: 17(3)(b), law: x, for: 2 months, visible_to: [auditor]}}")


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_treatments_that_come_later_are_refused(treatment: str, database: FreshDatabase, tmp_path: Path):
    tables = (
        f"  s.person: {{subject: person, rows: keep, of: self, {BOSS}, "
        f"columns: {{nick: {{kind: name, purpose: x, erase: {treatment}}}}}}}\n"
    )
    found = compiled(database, tmp_path, tables + POST)
    assert [one.subject for one in found if one.code == "not-compiled-yet"] == ["s.person.nick"]


def test_nothing_is_made_where_something_is_refused(database: FreshDatabase, tmp_path: Path):
    compiled(database, tmp_path, PERSON)
    with Database.open(database.dsn()) as opened:
        assert compile_pack(read_pack(tmp_path), read_catalog(opened)).objects == ()


@pytest.mark.parametrize(("column", "refused"), [("born", True), ("email", False), ("person_id", False)])
def test_a_token_is_not_derived_from_what_sessions_spell_in_different_ways(
    column: str, refused: bool, database: FreshDatabase, tmp_path: Path
):
    tables = (
        f"  s.person: {{subject: person, rows: keep, of: self, {BOSS}, "
        f'columns: {{nick: {{kind: name, purpose: x, erase: {{fill: "{{token:{column}}}"}}}}}}}}\n'
    )
    found = [one for one in compiled(database, tmp_path, tables + POST) if one.severity is Severity.ERROR]
    assert [(one.code, one.subject) for one in found] == ([("filler-type", "s.person.nick")] if refused else [])


@pytest.mark.parametrize("kind", ["numeric", "character(6)", "bit(4)", "date", "timestamp with time zone"])
def test_keys_that_are_spelled_in_several_ways_are_refused(kind: str, database: FreshDatabase, tmp_path: Path):
    with database.connect() as owner:
        owner.execute("drop table if exists s.odd")
        owner.execute(f"create table s.odd (odd_id {kind} primary key)".encode())
    text = (
        "version: 1\nsubjects:\n  odd: {table: s.odd, key: odd_id, identifiers: {it: odd_id}}\n"
        "tables:\n  s.odd: {subject: odd, rows: delete}\n"
    )
    (tmp_path / "data_map.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "pack.yaml").write_text("version: 1\nname: small\nprefix: small\n", encoding="utf-8")
    with Database.open(database.dsn()) as opened:
        found = compile_pack(read_pack(tmp_path), read_catalog(opened)).findings
    assert [one.subject for one in found if one.code == "not-compiled-yet"] == [f"a key of type {kind}: odd_id"]


@pytest.mark.parametrize(
    ("made", "code", "wanted"),
    [
        ("create unique index lone on s.note (lower(text)) ", "filler-not-unique", "s.note.text"),
        ("create unique index lone on s.note (text) where of_id > 0", "filler-not-unique", "s.note.text"),
        ("create rule lone as on delete to s.note do instead nothing", "rewrite-rule", "s.note"),
        (
            "create domain s.short as varchar(3); alter table s.note alter text type s.short",
            "filler-too-long",
            "s.note.text",
        ),
    ],
)
def test_what_the_database_would_refuse_later(
    made: str, code: str, wanted: str, database: FreshDatabase, tmp_path: Path
):
    with database.connect() as owner:
        owner.execute("alter table s.note add column text text")
        owner.execute(made.encode())
        note = "  s.note: {links: {of_id: {person: key, rows: keep}}, columns: {text: {kind: text, purpose: x, erase: {fill: gone}}}}\n"
        found = compiled(database, tmp_path, PERSON + POST + note)
        owner.execute(
            "drop rule if exists lone on s.note; alter table s.note drop column text; drop domain if exists s.short"
        )
    assert wanted in {one.subject for one in found if one.code == code}
