"""Who may write a column: guards, asked as the application's login, which may write every row that decisions allow."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from tests.real.deployment import Deployment
from tests.verify.conftest import Site

LEAD, RED, BLUE, HR, ADMIN = "1", "2", "3", "4", "5"


class Write(NamedTuple):
    viewer: str
    statement: str
    answer: str


def answer(site: Site, viewer: str | None, statement: str) -> str:
    with site.session(viewer, site.roles["web"]) as connection:
        try:
            return str(connection.execute(statement).rowcount)
        except psycopg.errors.InsufficientPrivilege as error:
            return f"refused {error.diag.column_name}"


WRITES = {
    "may": Write(LEAD, "update desk.task set score = 2 where id = 1", "1"),
    "may not": Write(RED, "update desk.task set score = 2 where id = 1", "refused score"),
    "super admins are bound": Write(ADMIN, "update desk.task set score = 2 where id = 1", "refused score"),
    "unchanged": Write(RED, "update desk.task set score = score, team = team where id = 1", "1"),
    "as it is, written differently": Write(RED, "update desk.task set score = 1.5 where id = 1", "1"),
    "to null": Write(RED, "update desk.task set score = null where id = 1", "refused score"),
    "from null": Write(BLUE, "update desk.task set score = 0 where id = 2", "refused score"),
    "one row of many": Write(RED, "update desk.task set score = 3", "refused score"),
    "not through reach": Write(LEAD, "update desk.person set phone = '+9' where id = 2", "0"),
    "one's own": Write(RED, "update desk.person set phone = '+9' where id = 2", "1"),
    "another's (C4)": Write(HR, "update desk.person set phone = '+9' where id = 2", "refused phone"),
    "a role may be reassigned (C4)": Write(HR, "update desk.person set team = 'red' where id = 2", "1"),
    "insert of another's": Write(
        HR, "insert into desk.person (id, title, status, phone) values (9, 'Rep', 'NEW', '+9')", "refused phone"
    ),
    "none, by default": Write(RED, "insert into desk.task (id, team) values (9, 'red')", "1"),
    "none, as by default": Write(RED, "insert into desk.task (id, mood) values (9, 'good')", "1"),
    "none": Write(LEAD, "insert into desk.task (id, mood) values (9, 'bad')", "refused mood"),
    "none of insert is not of update": Write(LEAD, "update desk.task set mood = 'bad' where id = 1", "1"),
    "others, json": Write(RED, "update desk.task set payload = '{}' where id = 1", "refused payload"),
    "others, json unchanged": Write(RED, "update desk.task set payload = payload where id = 1", "1"),
    "others, by rows": Write(LEAD, "update desk.task set payload = '[]' where id = 3", "1"),
    "others, row that does not fit": Write(LEAD, "update desk.task set payload = '[]', team = 'blue' where id = 3", "refused payload"),
    "others, row that did not fit": Write(LEAD, "update desk.task set payload = '[]', team = 'red' where id = 4", "refused payload"),
    "others, on insert": Write(RED, "insert into desk.task (id, code) values (9, 'x')", "refused code"),
    "others, insert of the default": Write(RED, "insert into desk.task (id, code) values (9, 'none')", "1"),
    "upsert": Write(RED, "insert into desk.task (id) values (1) on conflict (id) do update set score = 9", "refused score"),
    "merge": Write(
        RED, "merge into desk.task t using (values (1)) v (id) on t.id = v.id when matched then update set score = 9", "refused score"
    ),
    "partition": Write(RED, "update desk.diary set state = 'closed' where id = 1", "refused state"),
    "to another partition": Write(RED, "update desk.diary set state = 'closed', at = '2026-01-02' where id = 3 or id = 1", "refused state"),
    "only to another partition": Write(RED, "update desk.diary set at = '2026-01-02' where id = 3", "1"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITES)
def test_c4_a_column_is_written_by_whom_its_right_names(name: str, desk: Site):
    assert answer(desk, WRITES[name].viewer, WRITES[name].statement) == WRITES[name].answer


HIDDEN = {
    "changed": Write(BLUE, "update desk.task set notes = 'x' where id = 1", "refused notes"),
    # What the table itself would have to be asked for is refused by its grants already, whoever asks.
    "taken from itself": Write(RED, "update desk.task set notes = notes where id = 1", "refused None"),
    "guessed": Write(BLUE, "update desk.task set notes = 'call back' where id = 1", "refused notes"),
    "the mask, as an ORM would": Write(BLUE, "update desk.task set notes = '(hidden)', team = 'blue' where id = 1", "refused notes"),
    "not named": Write(BLUE, "update desk.task set team = 'blue' where id = 1", "1"),
    "insert": Write(BLUE, "insert into desk.task (id, notes) values (9, 'x')", "refused notes"),
    "insert without": Write(BLUE, "insert into desk.task (id) values (9)", "1"),
    "who reads it": Write(RED, "update desk.task set notes = 'call back' where id = 1", "1"),
    "of unknown team": Write(HR, "update desk.task set notes = null where id = 2", "refused notes"),
    "by row": Write(RED, "update desk.diary set secret = 'x' where id = 1", "1"),
    "by row, another's": Write(BLUE, "update desk.diary set secret = 'mine' where id = 1", "refused secret"),
    "by row, made one's own": Write(BLUE, "update desk.diary set secret = 'x', owner_id = 3 where id = 1", "refused secret"),
    "by row, given away": Write(RED, "update desk.diary set secret = 'x', owner_id = 3 where id = 1", "refused secret"),
    "by row, to another partition": Write(BLUE, "update desk.diary set secret = null, at = '2026-01-02' where id = 3", "refused secret"),
    "may change what one may not read": Write(HR, "update desk.person set pay = 1 where id = 2", "refused pay"),
}  # fmt: skip


@pytest.mark.parametrize("name", HIDDEN)
def test_what_is_hidden_from_one_is_not_written_by_one_nor_guessed(name: str, desk: Site):
    write = HIDDEN[name]
    if write.viewer == RED and write.statement == HIDDEN["who reads it"].statement:
        # To write it takes the right on others as well, which reps have not, but it stays as it is.
        assert answer(desk, RED, "update desk.task set notes = 'x' where id = 1") == "refused notes"
    assert answer(desk, write.viewer, write.statement) == write.answer


def test_the_error_names_column_and_rule_and_holds_no_value(desk: Site):
    refused = pytest.raises(psycopg.errors.InsufficientPrivilege)
    with desk.session(RED, desk.roles["web"]) as connection, refused as raised:
        connection.execute("update desk.task set score = 77.7 where id = 1")
    line = 1 + (desk.folder / "access.yaml").read_text(encoding="utf-8").splitlines().index(
        "      score: {update: {title: Lead}}"
    )
    said = raised.value.diag
    assert said.sqlstate == "42501"
    assert said.message_primary == f"desk.task.score: you may not change it (columns of task, access.yaml:{line})"
    assert said.message_hint
    assert (said.schema_name, said.table_name, said.column_name) == ("desk", "task", "score")
    assert "77.7" not in str(raised.value)


def test_nobody_gives_himself_the_right_with_the_statement_that_needs_it(desk: Site):
    with desk.session(BLUE, desk.roles["web"]) as connection:
        desk.admin("update desk.person set team = 'blue' where id = 3")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"desk\.task\.score"):
            connection.execute(
                "with promoted as (update desk.person set title = 'Lead' where id = 3 returning 1)"
                " update desk.task set score = 9 where id = 2"
            )


def test_others_covers_columns_that_were_added_later(desk: Site):
    with psycopg.connect(desk.database.dsn()) as owner:
        owner.execute("alter table desk.task add column later text, add column blank int default 3")
        owner.commit()
        try:
            assert answer(desk, RED, "update desk.task set later = 'x' where id = 1") == "refused later"
            assert answer(desk, RED, "update desk.task set team = 'red' where id = 1") == "1"
            assert answer(desk, LEAD, "update desk.task set later = 'x' where id = 3") == "1"
            # Whether it comes from the default nobody knows until the rules are applied again.
            assert answer(desk, RED, "insert into desk.task (id) values (9)") == "refused blank"
        finally:
            owner.execute("alter table desk.task drop column later, drop column blank")


def test_the_owner_makes_a_partition_of_a_table_whose_columns_are_guarded(desk: Site):
    """Threat: the first night of next year there is no partition, and every write fails: permission denied for function."""
    with psycopg.connect(desk.database.dsn()) as owner, owner.transaction(force_rollback=True):
        owner.execute(
            "create table desk.diary_2027 partition of desk.diary for values from ('2027-01-01') to ('2028-01-01')"
        )


def test_a_default_that_is_computed_is_told(desk: Site, tmp_path: Path):
    text = (desk.folder / "access.yaml").read_text(encoding="utf-8")
    (tmp_path / "pack.yaml").write_bytes((desk.folder / "pack.yaml").read_bytes())
    (tmp_path / "access.yaml").write_text(text.replace("      touched: {insert: everyone}\n", ""), encoding="utf-8")
    findings = Deployment(desk.database, tmp_path, desk.roles).plan().findings
    assert [found.subject for found in findings if found.code == "computed-default"] == ["desk.task.touched"]
