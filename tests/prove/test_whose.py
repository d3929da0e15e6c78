"""Whose an identifier is decides between residue and what somebody has to look at."""

from __future__ import annotations

from pathlib import Path

from pgerase.database import Database
from pgerase.prove import Needle, Verdict, prove
from tests.fix_database import FreshDatabase
from tests.prove.conftest import ANNA, Prove, loud, place, write_pack


def test_the_persons_own_row_is_residue(app: FreshDatabase, search: Prove):
    app.connect().execute("update app.person set email = 'anna.smith@example.org' where id = 1")
    assert loud(search()) == {"app.person.email": Verdict.FAIL}


def test_another_persons_own_value_is_theirs(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("insert into app.person values (9, 'x@example.org', 'anna9', 'Anna', 'Smith')")
        report = search(("full_name", "Anna Smith"), ("user_name", "asmith7"))
        assert loud(report) == {}
        (shared, alone) = report.sought
        assert (shared.decisive, shared.others) == (False, 1)
        assert (alone.decisive, alone.others) == (True, 0)
        owner.execute("insert into app.note (body) values ('by Anna Smith'), ('Anna Smith and asmith7')")
    report = search(("full_name", "Anna Smith"), ("user_name", "asmith7"))
    assert loud(report) == {"app.note.body": Verdict.FAIL}
    assert [(hit.name, hit.rows, hit.decisive) for hit in place(report, "app.note", "body").hits] == [
        ("full_name", 2, False),
        ("user_name", 1, True),
    ]


def test_a_common_name_is_reviewed_with_counts(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("insert into app.person values (9, 'x@example.org', 'anna9', 'Anna', 'Smith')")
        owner.execute("insert into app.note (body) values ('by Anna Smith'), ('ANNA SMITH again')")
    report = search(("full_name", "Anna Smith"), ("user_name", "asmith7"))
    assert loud(report) == {"app.note.body": Verdict.REVIEW}
    assert report.verdict is Verdict.REVIEW
    assert report.ok
    assert place(report, "app.note", "body").hits[0].rows == 2


def test_somebody_of_whom_nothing_is_decisive_is_not_proven(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("insert into app.person values (9, 'x@example.org', 'anna9', 'Anna', 'Smith')")
        owner.execute("insert into app.note (body) values ('by Anna Smith')")
    report = search(("full_name", "Anna Smith"))
    assert report.undecided == ("1",)
    assert report.verdict is Verdict.UNVERIFIED


def test_a_word_of_anothers_identifier_is_not_decisive(app: FreshDatabase, search: Prove):
    app.connect().execute("insert into app.note (body) values ('write to mary.anna@example.org')")
    report = search(("user_name", "anna"), ("email", "anna@example.org"), ("phones", "+49 171 1234567"))
    assert loud(report) == {"app.note.body": Verdict.REVIEW}
    assert [one.others for one in report.sought] == [1, 1, 0]


def test_an_erased_person_and_the_ghost_have_nothing(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("insert into app.person values (9, 'asmith7', 'x', 'y', 'z', 'ERASED')")
        owner.execute("update app.person set first_name = 'Anna', last_name = 'Smith' where id = 0")
    report = search(("user_name", "asmith7"), ("full_name", "Anna Smith"))
    assert [one.decisive for one in report.sought] == [True, True]
    assert loud(report) == {"app.person.email": Verdict.FAIL}


def test_another_column_of_another_person_is_residue(app: FreshDatabase, search: Prove):
    with app.connect() as owner:
        owner.execute("alter table app.person add about text")
        owner.execute("update app.person set about = 'sits by asmith7' where id = 2")
    assert loud(search()) == {"app.person.about": Verdict.FAIL}


def test_short_values_and_short_numbers_are_reviewed(app: FreshDatabase, search: Prove):
    app.connect().execute("insert into app.note (body) values ('by Bo'), ('room 4711')")
    report = search(("user_name", "bo"), ("phones", "4711"), ("email", "anna@example.org"))
    assert loud(report) == {"app.note.body": Verdict.REVIEW}
    assert ["characters" in one.weak or "digits" in one.weak for one in report.sought] == [True, True, False]


def test_two_people_at_once(app: FreshDatabase, pack, search: Prove):
    with app.connect() as owner:
        owner.execute("insert into app.person values (9, 'anna9@example.org', 'anna9', 'Anna', 'Smith')")
    needles = [Needle("1", "full_name", "Anna Smith"), Needle("9", "email", "anna9@example.org")]
    with Database.open(app.dsn()) as connection:
        report = prove(connection, pack, "employee", needles)
    # Nine is to be gone as well: that she is called so, too, is no excuse.
    assert loud(report) == {"app.person.email": Verdict.FAIL}
    assert all(one.decisive for one in report.sought)
    assert report.persons == ("1", "9")


def test_a_personal_key_is_not_in_the_report(app: FreshDatabase, tmp_path: Path):
    data_map = """\
version: 1
subjects:
  employee:
    table: app.person
    key: {column: user_name, natural: true}
    identifiers: {email: email}
  visitor: {key: ip}
"""
    pack = write_pack(tmp_path, data_map, app.prefix)
    with app.connect() as owner:
        owner.execute("create table app.seen (ip inet)")
        owner.execute("insert into app.seen values ('192.0.2.77')")
        owner.execute("update app.person set first_name = 'Robert' where id = 2")
    with Database.open(app.dsn()) as connection:
        needles = [Needle("bob", "user_name", "bob"), Needle("bob", "email", "bob@example.org")]
        report = prove(connection, pack, "employee", needles)
        visitor = prove(connection, pack, "visitor", [Needle("192.0.2.77", "ip", "192.0.2.77")])
    assert loud(report) == {"app.person.email": Verdict.FAIL, "app.person.user_name": Verdict.FAIL}
    assert "bob" not in repr(report)
    assert loud(visitor) == {"app.seen.ip": Verdict.FAIL}
    assert "192" not in repr(visitor)


def test_what_was_not_given_is_said(search: Prove):
    report = search(ANNA[0])
    assert report.not_given == (("1", "user_name"), ("1", "full_name"), ("1", "phones"))


def test_a_leaf_of_the_subjects_table_knows_its_people(app: FreshDatabase, tmp_path: Path):
    with app.connect() as owner:
        owner.execute("create table app.user (id int, mail text) partition by range (id)")
        owner.execute("create table app.u1 partition of app.user for values from (0) to (10)")
        owner.execute("create table app.u2 partition of app.user for values from (10) to (20)")
        owner.execute(
            "insert into app.user values (1, 'x@example.org'), (2, 'shared@example.org'), (12, 'y@example.org')"
        )
    data_map = "version: 1\nsubjects:\n  user: {table: app.user, key: id, identifiers: {mail: mail}}\n"
    pack = write_pack(tmp_path, data_map, app.prefix)
    with Database.open(app.dsn()) as connection:
        values = ("x@example.org", "shared@example.org", "y@example.org")
        report = prove(connection, pack, "user", [Needle("1", "mail", value) for value in values])
    assert loud(report) == {"app.u1.mail": Verdict.FAIL}
    assert [one.others for one in report.sought] == [0, 1, 1]
