"""Which columns of tables the text of a function uses, told by the aliases before them."""

from __future__ import annotations

import pytest

from pgerase.compile.erasure.used import used_columns
from tests.unit.meaning.build import name_of, table

TASK = table("app.task", "id integer, owner integer, title text, note json")
PERSON = table("app.person", "id integer, name text, title text")
TABLES = {one.name: one for one in (TASK, PERSON)}


@pytest.mark.parametrize(
    ("statement", "task", "person"),
    [
        ("perform from app.task as t where t.owner = 1;", {"owner"}, set()),
        ("perform t.id from app.task as t join app.person as p on p.id = t.owner;", {"id", "owner"}, {"id"}),
        ("update app.task as t set note = f.x from (select p.name as x from app.person as p) as f where t.id = 1;",
         {"note", "id"}, {"name"}),
        ("delete from app.task as t using app.person as p where p.id = t.owner;", {"owner"}, {"id"}),
        ("with found as (select t.id from app.task as t) select found.title into v_row from found;", {"id"}, set()),
        # The inner alias is another table's.
        ("perform from app.task as t where exists (select from app.person as t where t.title = '');", set(), {"title"}),
        # A name alone is the innermost table's that has it.
        ("perform from app.task as t where exists (select from app.person as p where title = owner::text);",
         {"owner"}, {"title"}),
        ("perform t.* from app.task as t;", {"id", "owner", "title", "note"}, set()),
        ("perform s.f(t) from app.task as t;", {"id", "owner", "title", "note"}, set()),
        ("v_ids := array(select p.name from app.person as p);", set(), {"name"}),
        ("if exists (select from app.person as p where p.id = 1) then return; end if;", set(), {"id"}),
        ("return query select t.id from app.task as t cross join lateral (values (t.note)) as v (x);",
         {"id", "note"}, set()),
        ("lock table app.task in row exclusive mode;", set(), set()),
        ("perform t.xmin from app.task as t;", set(), set()),
    ],
)  # fmt: skip
def test_used_columns_are_those_that_stand_behind_an_alias_of_their_table(
    statement: str, task: set[str], person: set[str]
) -> None:
    body = f"\n#variable_conflict use_column\ndeclare\n    v_ids app.mood[];\n    v_row record;\nbegin\n    {statement}\nend;\n"
    found = used_columns(body, TABLES)
    assert {name: set(columns) for name, columns in found.items()} == {
        name: columns for name, columns in ((TASK.name, task), (PERSON.name, person)) if columns
    }


def test_used_columns_come_in_the_order_of_their_table() -> None:
    body = "\nbegin\n    perform t.title, t.id from app.task as t;\nend;\n"
    assert used_columns(body, TABLES) == {name_of("app.task"): ("id", "title")}
