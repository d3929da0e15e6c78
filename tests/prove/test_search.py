"""What the search finds, and where: every kind of column, every kind of relation."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from pgerase.prove import PlaceKind, Verdict
from tests.fix_database import FreshDatabase
from tests.prove.conftest import ANNA, Prove, loud, place


def test_nobody_left_is_clean(search: Prove):
    report = search()
    assert loud(report) == {}
    assert report.verdict is Verdict.CLEAN
    assert all(one.decisive for one in report.sought)


def test_every_column_of_every_relation_is_listed(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("create table app.many (a int, b date, c text, d bool, e jsonb, f int[], g daterange, h uuid)")
        owner.execute("create table app.events (at date, what text) partition by range (at)")
        owner.execute(
            "create table app.events_1 partition of app.events for values from ('2026-01-01') to ('2027-01-01')"
        )
        owner.execute("create materialized view app.copy as select body from app.note")
        rows = owner.execute(
            """select format('%I.%I', n.nspname, c.relname), quote_ident(a.attname)
                 from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
                where c.relkind in ('r', 'p', 'm', 'f') and a.attnum > 0 and not a.attisdropped
                  and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_toast'"""
        ).fetchall()
    report = search(("email", "anna@example.org"))
    assert {(one.relation, one.column) for one in report.places if one.kind is PlaceKind.ROWS} == set(rows)
    assert place(report, "app.many", "b").verdict is Verdict.NOTHING
    assert place(report, "app.many", "f").verdict is Verdict.NOTHING
    assert place(report, "app.many", "c").verdict is Verdict.CLEAN


MAIL = "Zoë.O'Brien@example.org"

COLUMNS = [
    ("text", "'by {}, 2026'"),
    ("varchar(90)", "'by {}'"),
    ("char(90)", "'{}'"),
    ("name", "'{}'"),
    ("json", """'{{"a": [{{"b": "by {}"}}]}}'"""),
    ("jsonb", """'{{"a": {{"by {}": 1}}}}'"""),
    ("text[]", "array['x', 'by {}', null]"),
    ("text[][]", "array[array['x', 'by {}']]"),
    ("app.pair", "row(1, 'by {}')"),
    ("app.pair[]", "array[row(1, 'by {}')::app.pair]"),
    ("app.short", "'by {}'"),
    ("app.short[]", "array['by {}']::app.short[]"),
    ("app.words", '\'["{}","|"]\''),
    ("bytea", "convert_to('by {}', 'UTF8')"),
    ("bytea", "'\\x00ff'::bytea || convert_to(' {} ', 'UTF8') || '\\xfe80'::bytea"),
    ("bytea[]", "array[convert_to('by {}', 'UTF8')]"),
    ("tsvector", "to_tsvector('english', 'by {}, today')"),
    ("tsvector", "strip(to_tsvector('simple', 'by {}, today'))"),
    ("tsquery", "phraseto_tsquery('simple', '{}')"),
]


@pytest.mark.parametrize(("kind", "value"), COLUMNS)
def test_it_is_found_in_every_type_that_can_hold_text(app: FreshDatabase, search: Prove, kind: str, value: str):
    mail = MAIL.replace("Zoë.O'", "zoe.") if kind.startswith("ts") else MAIL
    literal = value.format(mail.replace("'", "''"))
    with app.connect() as owner:
        owner.execute("create type app.pair as (number int, label text)")
        owner.execute("create domain app.short as varchar(60) check (length(value) > 1)")
        owner.execute("create type app.words as range (subtype = text)")
        owner.execute(f"create table app.holder (id int, held {kind})")
        owner.execute(f"insert into app.holder values (1, {literal}), (2, null)")
    report = search(("email", mail.upper()))
    assert loud(report) == {"app.holder.held": Verdict.FAIL}
    assert place(report, "app.holder", "held").hits[0].rows == 1


def test_it_is_found_in_extension_types(app: FreshDatabase, search: Prove):
    with app.connect_admin() as admin:
        for name, value in (("citext", "'By ANNA.SMITH@example.org'"), ("hstore", "'k=>\"anna.smith@EXAMPLE.org\"'")):
            try:
                admin.execute(sql.SQL("create extension {} schema public").format(sql.Identifier(name)))
            except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
                pytest.skip(f"{name} is not there")
            admin.execute(f"create table app.{name} (held public.{name})")
            admin.execute(f"insert into app.{name} values ({value})")
            admin.execute(f"grant select on app.{name} to {app.owner}")
    assert loud(search(ANNA[0])) == {"app.citext.held": Verdict.FAIL, "app.hstore.held": Verdict.FAIL}


def test_it_is_found_in_xml(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("create table app.holder (held xml)")
        try:
            owner.execute("insert into app.holder values ('<a who=\"anna.smith@example.org\"/>')")
        except psycopg.errors.FeatureNotSupported:
            pytest.skip("a server without xml")
    assert loud(search()) == {"app.holder.held": Verdict.FAIL}


def test_labels_of_enums_are_found(app: FreshDatabase, search: Prove):
    app.connect().execute("create type app.who as enum ('nobody', 'anna.smith@example.org')")
    assert loud(search()) == {"label of type app.who.": Verdict.FAIL}


def test_a_phone_number_is_found_by_its_digits(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("create table app.numbers (a bigint, b numeric, c text, d text, e bigint)")
        owner.execute(
            "insert into app.numbers values"
            " (491711234567, 491711234567, 'call 491711234567 now', '+49 171 1234567', 1491711234567)"
        )
    found = {f"app.numbers.{column}": Verdict.FAIL for column in "abcd"}
    assert loud(search(("phones", "+49 171 1234567"))) == found


def test_values_that_look_like_other_types_are_found_there(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("create table app.seen (a inet, b uuid, c date)")
        owner.execute(
            "insert into app.seen values ('192.0.2.77', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '1984-03-01')"
        )
    assert loud(search(("user_name", "192.0.2.77"))) == {"app.seen.a": Verdict.FAIL}
    assert loud(search(("user_name", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"))) == {"app.seen.b": Verdict.FAIL}
    assert loud(search(("user_name", "1984-03-01"))) == {"app.seen.c": Verdict.FAIL}


@pytest.mark.parametrize(
    ("setting", "value"),
    [("timezone", "Asia/Tokyo"), ("datestyle", "German")],
)
def test_values_are_spelled_as_a_dump_in_utc_spells_them(app: FreshDatabase, search: Prove, setting: str, value: str):
    with app.connect() as owner:
        owner.execute("create table app.seen (a timestamptz, b date)")
        owner.execute("insert into app.seen values ('1984-03-01 23:30+00', '1984-03-01')")
    with app.connect_admin() as admin:
        admin.execute(f"alter database \"{app.name}\" set {setting} = '{value}'")
    assert loud(search(("user_name", "1984-03-01"))) == {"app.seen.a": Verdict.FAIL, "app.seen.b": Verdict.FAIL}


@pytest.mark.parametrize(
    "body",
    [
        "Anna Smith",
        "ANNA\n\t SMITH!",
        "anna\u00a0smith,",
        "(Anna Smith)",
        '{"who":"Anna\\nSmith"}',
        '{"text":"hello\\nAnna Smith"}',
        "q=Anna+Smith&x=1",
        "q=Anna%20Smith",
        "by%20Anna%20Smith",
        "我们见到Anna Smith了",
        "re:anna_asmith7.png",
        "asmith7's",
    ],
)
def test_spellings_are_found(app: FreshDatabase, search: Prove, body: str):
    app.connect().execute("insert into app.note (body) values (%s)", [body])
    assert loud(search()) == {"app.note.body": Verdict.FAIL}


@pytest.mark.parametrize(
    "body",
    [
        "Annas Smith",
        "Anna Smithson",
        "JoAnna Smith",
        "anna-smith",
        "asmith77",
        "basmith7",
        "Anna \u00e9Smith",
        "AnnaSmith",
    ],
)
def test_parts_of_other_words_are_not(app: FreshDatabase, search: Prove, body: str):
    app.connect().execute("insert into app.note (body) values (%s)", [body])
    assert loud(search()) == {}


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ("Zoë", "zoë"),
        ("Zoë", "ZOË"),
        ("Zoë", "zoe\u0308"),
        ("Zoe\u0308", "Zoë"),
        ("Zoë", '{"a":"zo\\u00eb"}'),
        ("Zoë", '{"a":"ZO\\u00CB"}'),
        ("Zoë", "x=Zo%C3%AB&y"),
        ("Straße 12", "STRASSE 12"),
        ("Иван", "ИВАН"),
        ("Иван", '{"a": "\\u0418\\u0432\\u0430\\u043d"}'),
        ("王小明", "我和王小明去"),
        ("anna@x.org", "to=anna%40x.org"),
        ("a/b/c", '"a\\/b\\/c"'),
        ('say "hi"', '{"a":"say \\"hi\\""}'),
        ("😀anna😀", '"\\ud83d\\ude00anna\\ud83d\\ude00"'),
        ("back\\slash", '{"a":"back\\\\slash"}'),
        ("o'neil", "values ('o''neil')"),
    ],
)
def test_scripts_and_escapes(app: FreshDatabase, search: Prove, value: str, body: str):
    app.connect().execute("insert into app.note (body) values (%s)", [body])
    assert loud(search(("user_name", value))) == {"app.note.body": Verdict.FAIL}


@pytest.mark.parametrize(
    "value",
    [
        "a.c",
        "100%",
        "x_y_z",
        ".*x",
        "[abc]",
        "a|b|c",
        "\\d\\d\\d",
        "(?i)abc",
        "***=abc",
        "a'b\"c",
        "$1$",
        "^abc$",
        "{3,}",
    ],
)
def test_needles_are_no_patterns(app: FreshDatabase, search: Prove, value: str):
    with app.connect() as owner:
        owner.execute("insert into app.note (body) values ('abc 1000 xzyzz 123 bcd aac b c')")
        assert loud(search(("user_name", value))) == {}
        owner.execute("insert into app.note (body) values (%s)", [f"<<{value}>>"])
    report = search(("user_name", value))
    assert loud(report) == {"app.note.body": Verdict.FAIL}
    assert place(report, "app.note", "body").hits[0].rows == 1


def test_names_of_tables_and_columns_may_be_anything(app: FreshDatabase, search: Prove):
    table, column = "a\"b%s'; drop table app.note; --\n\\", "ä" * 31
    with app.connect() as owner:
        name = sql.SQL("app.{}").format(sql.Identifier(table))
        owner.execute(
            sql.SQL('create table {} ({} text, "select" text, "%%" text)').format(name, sql.Identifier(column))
        )
        owner.execute(sql.SQL("insert into {} values ('x', 'asmith7', '%%s')").format(name))
    report = search()
    (found,) = [one for one in report.places if one.verdict is not Verdict.CLEAN and one.verdict is not Verdict.NOTHING]
    assert (found.column, found.verdict) == ('"select"', Verdict.FAIL)


def test_every_partition_is_searched_once(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("create table app.events (at date, what text) partition by range (at)")
        owner.execute(
            "create table app.e1 partition of app.events for values from ('2026-01-01') to ('2026-07-01') partition by list (what)"
        )
        owner.execute("create table app.e1a partition of app.e1 default")
        owner.execute("create table app.e2 (what text, at date)")
        owner.execute("alter table app.events attach partition app.e2 for values from ('2026-07-01') to ('2027-01-01')")
        owner.execute(
            "insert into app.events values ('2026-02-01', 'asmith7'), ('2026-08-01', 'asmith7'), ('2026-08-01', 'x')"
        )
        owner.execute("create table app.old (what text)")
        owner.execute("create table app.older (more text) inherits (app.old)")
        owner.execute("insert into app.older values ('asmith7', 'asmith7')")
    report = search()
    assert loud(report) == dict.fromkeys(
        ("app.e1a.what", "app.e2.what", "app.older.what", "app.older.more"), Verdict.FAIL
    )
    assert {place(report, name, "what").hits[0].rows for name in ("app.e1a", "app.e2", "app.older")} == {1}
    assert place(report, "app.events", "what").verdict is Verdict.NOTHING


def test_materialized_views_are_searched(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("insert into app.note (body) values ('asmith7')")
        owner.execute("create materialized view app.copy as select body as copied from app.note")
        owner.execute("delete from app.note where body = 'asmith7'")
    assert loud(search()) == {"app.copy.copied": Verdict.FAIL}


def test_a_wide_table_is_searched_in_pieces(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        columns = ", ".join(f"c{number} text" for number in range(1200))
        owner.execute(f"create table app.wide ({columns})")
        owner.execute("insert into app.wide (c0, c399, c1199) values ('asmith7', 'asmith7', 'asmith7')")
    found = {f"app.wide.{column}": Verdict.FAIL for column in ("c0", "c399", "c1199")}
    assert loud(search()) == found


def test_large_objects_are_searched(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("select lo_from_bytea(0, convert_to('a note by asmith7', 'UTF8'))")
    assert loud(search()) == {"*.*": Verdict.FAIL}
    with app.connect_admin() as admin:
        admin.execute("select lo_from_bytea(0, 'x')")
    report = search()
    assert [one.verdict for one in report.places if one.kind is PlaceKind.LARGE_OBJECTS] == [
        Verdict.FAIL,
        Verdict.UNVERIFIED,
    ]


def test_many_people_and_identifiers_at_once(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("insert into app.note (body) select 'about unique' || g || 'name' from generate_series(1, 3) g")
    wanted = [("user_name", f"unique{number}name") for number in range(60)]
    report = search(*wanted)
    assert loud(report) == {"app.note.body": Verdict.FAIL}
    assert len(place(report, "app.note", "body").hits) == 3


def test_catalog_texts_are_searched(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("comment on column app.note.body is 'ask anna.smith@example.org'")
        owner.execute("alter table app.note add constraint c check (body <> 'Anna Smith')")
        owner.execute("alter table app.note alter body set default 'by anna smith'")
        owner.execute("create table app.l (who text) partition by list (who)")
        owner.execute("create table app.l1 partition of app.l for values in ('anna.smith@example.org')")
        owner.execute("create function app.f() returns text language sql as $$select 'anna.smith@example.org'$$")
        owner.execute("create view app.v as select * from app.note where body = 'anna.smith@example.org'")
        owner.execute("create table app.asmith7 (id int)")
    found = loud(search())
    assert {name for name in found if not name.startswith(("constraint", "default value"))} == {
        "comment on column body of table app.note.",
        "definition of app.v.",
        "function app.f().",
        "partition bound of app.l1.",
        *(name for name in found if name.startswith("name of")),
    }
    assert set(found.values()) == {Verdict.FAIL}
    assert not any("asmith7" in name for name in found if "oid" in name)


def test_a_single_word_in_code_is_reviewed(app: FreshDatabase, search: Prove):
    app.connect().execute("comment on table app.note is 'the inbox of everybody'")
    assert set(loud(search(("user_name", "inbox"))).values()) == {Verdict.REVIEW}


def test_statistics_are_searched(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("insert into app.note (body) select 'anna.smith@example.org' from generate_series(1, 20)")
        owner.execute("create index on app.note (upper(body))")
        owner.execute("create statistics app.paired on body, author from app.note")
        owner.execute("analyze app.note")
        owner.execute("delete from app.note where body like 'anna%'")
    report = search()
    assert set(loud(report).values()) == {Verdict.FAIL}
    places = {(one.relation, one.column) for one in report.places if one.verdict is Verdict.FAIL}
    assert places == {("app.note", "body"), ("app.note", "paired"), ("app.note_upper_idx", "upper")}
    assert all(one.kind is PlaceKind.STATISTICS for one in report.places if one.verdict is Verdict.FAIL)
    assert set(loud(search(admin=True))) == set(loud(report))
    app.connect().execute("analyze app.note")
    assert loud(search()) == {}
