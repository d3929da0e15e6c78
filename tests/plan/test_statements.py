"""Each statement as it is laid out, byte for byte; and with names and text that try to get out of it."""

# ruff: noqa: ISC004 - expected texts are broken where their lines are

from __future__ import annotations

import pglast
import pytest

from pgerase.catalog.model import Name
from pgerase.compile.desired import (
    DesiredFunction,
    DesiredGrant,
    DesiredMembership,
    DesiredPolicy,
    DesiredRoleSetting,
    DesiredTrigger,
    DesiredView,
)
from pgerase.errors import InternalError
from pgerase.render import statements as sql

T = Name("cs", "company")
POLICY = DesiredPolicy(T, "p_read", "UPDATE", False, ("p_viewer", "public"), "a = 1\nor b", "a = 2", "Why.")
VIEW = DesiredView(Name("p_lookup", "v"), "p_lookup", "select 1 as id;\n", ("p_viewer",), "Ids.")
FUNCTION = DesiredFunction(
    Name("p", "f"), "text, integer", None, "create or replace function p.f(text, integer)\nreturns int return 1",
    ("p_viewer", "app"), "One.",
)  # fmt: skip
TRIGGER = DesiredTrigger(
    T, "p_guard", "create trigger p_guard before update on cs.company execute function p.f()", "No."
)

GOLDEN = {
    "create policy": (
        sql.create_policy(POLICY),
        "create policy p_read\n    on cs.company\n    as restrictive\n    for update\n    to p_viewer, public\n"
        "    using (\n        a = 1\n        or b\n    )\n    with check (\n        a = 2\n    );\n"
        "comment on policy p_read on cs.company\n    is 'Why.';\n",
    ),
    "alter policy": (
        sql.alter_policy(POLICY),
        "alter policy p_read\n    on cs.company\n    to p_viewer, public\n    using (\n        a = 1\n        or b\n    )\n"
        "    with check (\n        a = 2\n    );\ncomment on policy p_read on cs.company\n    is 'Why.';\n",
    ),
    "drop policy": (sql.drop_policy(T, "p_read"), "drop policy p_read on cs.company;\n"),
    "row security": (
        sql.row_security(T, enabled=True, forced=False),
        "alter table only cs.company\n    enable row level security,\n    no force row level security;\n",
    ),
    "create view": (
        sql.create_view(VIEW),
        "create view p_lookup.v as\nselect 1 as id;\ngrant select on table p_lookup.v to p_viewer;\n"
        "comment on view p_lookup.v\n    is 'Ids.';\n",
    ),
    "drop view": (sql.drop_view(VIEW.name), "drop view p_lookup.v;\n"),
    "create function": (
        sql.create_function(FUNCTION),
        "create or replace function p.f(text, integer)\nreturns int return 1;\n"
        "revoke all on routine p.f(text, integer) from public;\n"
        "grant execute on routine p.f(text, integer) to p_viewer, app;\n"
        "comment on routine p.f(text, integer)\n    is 'One.';\n",
    ),
    "drop function": (sql.drop_function(FUNCTION.name, ""), "drop routine p.f();\n"),
    "create trigger": (
        sql.create_trigger(TRIGGER),
        "create trigger p_guard before update on cs.company execute function p.f();\n"
        "comment on trigger p_guard on cs.company\n    is 'No.';\n",
    ),
    "drop trigger": (sql.drop_trigger(T, "p_guard"), "drop trigger p_guard on cs.company;\n"),
    "grant": (
        sql.grant(DesiredGrant("table", "cs.company", "SELECT", "p_lookup")),
        "grant select on table cs.company to p_lookup;\n",
    ),
    "revoke": (
        sql.revoke(DesiredGrant("schema", "cs", "USAGE", "p_lookup")), "revoke usage on schema cs from p_lookup;\n",
    ),
    "grant membership": (sql.grant_membership(DesiredMembership("p_viewer", "app")), "grant p_viewer to app;\n"),
    "revoke membership": (sql.revoke_membership("p_viewer", "app"), "revoke p_viewer from app;\n"),
    "set": (
        sql.set_role_setting(DesiredRoleSetting("app", "row_security", "off"), "shop"),
        "alter role app in database shop set row_security = 'off';\n",
    ),
    "reset": (
        sql.reset_role_setting("app", "shop", "row_security"), "alter role app in database shop reset row_security;\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", GOLDEN)
def test_statement_is_laid_out(what):
    text, expected = GOLDEN[what]
    assert text == expected
    pglast.parse_sql(text)


HOSTILE = [
    'x"; drop table t; --',
    "x'; drop table t; --",
    "x\\'; drop table t; --",
    "$$; drop table t; $$",
    "a\n; drop table t",
    "select",
]


@pytest.mark.parametrize("evil", HOSTILE)
def test_names_and_text_cannot_add_a_statement(evil):
    table = Name(evil, evil)
    made = [
        (sql.create_policy(DesiredPolicy(table, evil, "SELECT", True, (evil,), "true", None, evil)), 2),
        (sql.alter_policy(DesiredPolicy(table, evil, "SELECT", True, (evil,), "true", None, evil)), 2),
        (sql.drop_policy(table, evil), 1),
        (sql.row_security(table, enabled=False, forced=True), 1),
        (sql.create_view(DesiredView(table, evil, "select 1", (evil,), evil)), 3),
        (sql.drop_view(table), 1),
        (sql.drop_function(table, "text"), 1),
        (sql.drop_trigger(table, evil), 1),
        (sql.grant_membership(DesiredMembership(evil, evil)), 1),
        (sql.revoke_membership(evil, evil), 1),
        (sql.set_role_setting(DesiredRoleSetting(evil, "row_security", evil), evil), 1),
        (sql.reset_role_setting(evil, evil, "row_security"), 1),
    ]
    for text, count in made:
        assert len(pglast.parse_sql(text)) == count, text
        assert "DropStmt" not in str(pglast.parse_sql(text)) or text.startswith("drop ")


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("a = 'x\ny'\nand b", "a = 'x\ny'\n        and b"),
        ("a = $q$x\ny$q$\nand b", "a = $q$x\ny$q$\n        and b"),
        ("\"it's\" = 'x\ny'\nand b", "\"it's\" = 'x\ny'\n        and b"),
        ("a = E'it\\'s\ny'\nand 'x' = b", "a = E'it\\'s\ny'\n        and 'x' = b"),
        ('"a\nb"\nand c', '"a\nb"\n        and c'),
        ("a -- it's\nand b = 'x\ny'", "a -- it's\nand b = 'x\ny'"),
    ],
)
def test_indenting_leaves_constants_and_names_alone(expression, shown):
    policy = DesiredPolicy(T, "p", "SELECT", True, ("v",), expression, None, "")
    assert f"using (\n        {shown}\n    )" in sql.create_policy(policy)


def test_a_name_that_would_be_cut_is_refused():
    with pytest.raises(InternalError, match="longer than 63 bytes"):
        sql.drop_policy(T, "é" * 32)
