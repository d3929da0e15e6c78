"""Pairs of rule files whose difference is known by hand, and what comparing them proves (issue 4, section 7).

`=` the same; `<` nobody gains is proven, and losing is not ruled out; `>` the other way round; `?` neither.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgerase.catalog.model import Name
from pgerase.compare import solver
from pgerase.compare.model import Basis, Compared, Verdict
from pgerase.compare.rules import Rules, compare
from pgerase.rules.conditions import Action
from pgerase.rules.read_access import read_access
from tests.unit.meaning.build import catalog, table

CATALOG = catalog(
    table(
        "person",
        "id integer, boss integer, active boolean, admin boolean, title text, region text, team integer, born date, tags text[]",
        keys={"boss": "person.id"},
    ),
    table(
        "account",
        "id integer, owner integer, team integer, region text, state text, size integer, ratio numeric, opened date,"
        " code text collate c, tags text[], alias citext, open boolean",
        keys={"owner": "person.id"},
    ),
    table("task", "id integer, account integer, assignee integer, state text", keys={"account": "account.id"}),
    table("member", "person integer, account integer, role text, until date", primary=""),
    table("visits", "person integer, account integer", primary=""),
)
TABLES = {"account", "task"}
VIEWERS = """
version: 1
viewers:
  table: person
  key: id
  identity: setting
  active: {active: true}
  super_admin: {admin: true}
  manager: boss
  attributes:
    - accounts: {from: member, where: {person: {eq: {viewer: key}}}, value: account}
    - led: {from: member, where: {person: {eq: {viewer: key}}, role: lead}, value: account}
"""


def rules(text: str, tables: set[str] = TABLES) -> Rules:
    return Rules(read_access(text), frozenset(Name("public", name) for name in tables))


def account(rows: str = "{}", *, rule: str = "can: [read]", more: str = "", head: str = VIEWERS) -> str:
    """One rule on accounts; `{}` for every row."""
    rows = "" if rows == "{}" else f"rows: {rows}, "
    return f"{head}resources:\n  account:\n    table: account\n    everyone: none\n    rules:\n      - {{name: r, {rows}{rule}}}\n{more}"


def sign(one: Compared) -> str:
    """The comparison as in the module's docstring; open sides are open, for without data nothing can be seen."""
    assert one.gains.answer in (False, None)
    assert one.losses.answer in (False, None)
    return {(False, False): "=", (False, None): "<", (None, False): ">", (None, None): "?"}[
        one.gains.answer, one.losses.answer
    ]


def compared(before: str, after: str, action: str = "read", name: str = "account", **more: object) -> Compared:
    found = compare(rules(before, {name}), rules(after, {name}), CATALOG, **more)
    return next(one for one in found if one.action is Action(action))


ROWS = [
    # Lists and bounds.
    ("{state: [a, b]}", "<", "{state: a}"),
    ("{state: {in: [a, b]}}", "=", "{any: [{state: b}, {state: {eq: a}}]}"),
    ("{state: {in: []}}", ">", "{state: a}"),
    ("{size: {gt: 1}}", "=", "{size: {ge: 2}}"),
    ("{ratio: {gt: 1}}", ">", "{ratio: {ge: 1}}"),
    ("{ratio: {gt: 1}}", ">", "{ratio: {gt: 0.5}}"),
    ("{size: {between: [1, 5]}}", "<", "{size: {between: [2, 5]}}"),
    ("{size: {between: [1, 5]}}", "=", "{size: {ge: 1, le: 5}}"),
    ('{opened: {gt: "2024-01-01"}}', "=", '{opened: {ge: "2024-01-02"}}'),
    ("{code: {lt: b}}", ">", "{code: {lt: c}}"),
    ("{open: true}", "=", "{open: {ne: false}}"),
    # Null: unknown is not true, and what is not false need not be true.
    ("{state: {ne: a}}", "=", "{state: {not_in: [a]}}"),
    ("{state: {ne: a}}", "=", "{not: {state: a}}"),
    ("{state: {not_in: []}}", "=", "{state: {is_set: true}}"),
    ("{}", "<", "{any: [{state: a}, {not: {state: a}}]}"),
    ("{any: [{state: a}, {state: {ne: a}}]}", "=", "{state: {is_set: true}}"),
    ("{not: {state: {is_null: true}}}", "=", "{state: {is_set: true}}"),
    ("{not: {owner.title: {is_null: true}}}", "=", "{owner.title: {is_set: true}}"),
    # Through a missing hop is_null is unknown: not everyone without a title's owner.
    ("{}", "<", "{any: [{owner.title: {is_null: true}}, {owner.title: {is_set: true}}]}"),
    ("{owner.id: {is_set: true}}", ">", "{owner: {is_set: true}}"),
    ("{owner.id: {eq: {viewer: key}}}", ">", "{owner: {eq: {viewer: key}}}"),
    # And, or, not.
    ("{all: [{state: a}, {size: 1}]}", ">", "{any: [{state: a}, {size: 1}]}"),
    ("{not: {any: [{state: a}, {size: 1}]}}", "=", "{all: [{not: {state: a}}, {not: {size: 1}}]}"),
    ("{all: [{state: a}, {state: b}]}", "=", "{all: [{size: 1}, {size: 2}]}"),
    ("{state: a}", "?", "{state: b}"),
    # Text.
    ("{state: {starts_with: ab}}", ">", "{state: {starts_with: a}}"),
    ("{state: {starts_with: ab}}", ">", "{state: {contains: b}}"),
    ("{state: abc}", ">", "{state: {contains: bc}}"),
    ("{state: {contains: [x, y]}}", "=", "{any: [{state: {contains: x}}, {state: {contains: y}}]}"),
    ("{state: {ends_with: xyz}}", "?", "{state: {starts_with: xyz}}"),
    ("{alias: Ab}", "=", "{alias: aB}"),
    ("{state: Ab}", "?", "{state: aB}"),
    # Times that move.
    ("{opened: {ge: {ago: 30 days}}}", ">", "{opened: {ge: {ago: 31 days}}}"),
    ("{opened: {ge: {ago: 1 month}}}", "?", "{opened: {ge: {ago: 30 days}}}"),
    # Arrays and relations.
    ("{tags: {eq: a}}", "=", "{tags: {overlaps: [a]}}"),
    ("{tags: {in: [a, b]}}", "<", "{tags: {contains: b}}"),
    ("{tags: {ne: a}}", "=", "{not: {tags: a}}"),
    ("{id: {in: {viewer: accounts}}}", "<", "{id: {in: {viewer: led}}}"),
    ("{id: {in: {viewer: accounts, where: {role: lead}}}}", "=", "{id: {in: {viewer: led}}}"),
    ("{id: {not_in: {viewer: accounts}}}", ">", "{id: {not_in: {viewer: led}}}"),
    ("{id: {in: {viewer: accounts, where: {role: [lead, deputy]}}}}", "<", "{id: {in: {viewer: led}}}"),
    # One's own, and other columns of the row.
    ("{owner: {eq: {viewer: key}}, team: {eq: {viewer: team}}}", ">", "{owner: {eq: {viewer: key}}}"),
    ("{owner: {eq: {row: team}}}", "=", "{team: {eq: {row: owner}}}"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "expected", "after"), ROWS)
def test_rows(before, expected, after):
    assert sign(compared(account(before), account(after))) == expected
    # Taken the other way round, and each with itself.
    turned = {"<": ">", ">": "<"}.get(expected, expected)
    assert sign(compared(account(after), account(before))) == turned
    for same in (before, after):
        assert compared(account(same), account(same)).gains.basis is Basis.UNCHANGED


def viewers(old: str, new: str) -> str:
    assert old in VIEWERS
    return VIEWERS.replace(old, new)


GROUPS = "groups:\n  sales: {criteria: {title: [Rep, Lead]}, members: [1, 2]}\n"
SALES = account(rule="who: {group: sales}, can: [read]", head=VIEWERS + GROUPS)
OWN = account("{owner: {eq: {viewer: key}}}")
TEAM = account("{team: {eq: {viewer: team}}}")
PARENTS = (
    VIEWERS
    + "resources:\n  account: {table: account, everyone: none, rules: [{name: a, rows: ROWS, can: [write]}]REQUIRE}\n"
)
TASK = "  task: {table: task, everyone: none, rules: [{name: t, rows: {state: open}, can: [write]}], inherits: {account: account}COMBINE}\n"


def family(rows: str = "{owner: {eq: {viewer: key}}}", require: str = "", combine: str = "") -> str:
    return PARENTS.replace("ROWS", rows).replace("REQUIRE", require) + TASK.replace("COMBINE", combine)


WIDE, NARROW = "{owner: {eq: {viewer: key}}}", "{owner: {eq: {viewer: key}}, state: a}"
REQUIRED = ", require: [{name: q, rows: {region: {eq: {viewer: region}}}, passes_on: true}]"

WHOLE = [
    ("rule added", OWN, ">", account("{owner: {eq: {viewer: key}}}", more="      - {name: s, rows: {open: true}, can: [read]}\n")),
    ("rules in another order", account("{open: true}", more="      - {name: s, rows: {size: 1}, can: [read]}\n"),
     "=", account("{size: 1}", more="      - {name: s, rows: {open: true}, can: [read]}\n")),
    ("requirement added", OWN, "<", OWN + "    require: [{name: q, rows: {region: north}}]\n"),
    ("requirement for fewer", OWN + "    require: [{name: q, rows: {region: north}}]\n",
     ">", OWN + "    require: [{name: q, who: {title: Rep}, rows: {region: north}}]\n"),
    ("requirement for who is no rep, null is bound", OWN + "    require: [{name: q, who: {title: Rep}, rows: {region: north}}]\n",
     ">", OWN + "    require: [{name: q, who: {title: Rep, team: 1}, rows: {region: north}}]\n"),
    ("requirement for writing alone", OWN, "=", OWN + "    require: [{name: q, rows: {region: north}, can: [update]}]\n"),
    ("everyone", OWN, ">", OWN.replace("everyone: none", "everyone: read")),
    ("no hierarchy", TEAM, "<", account("{team: {eq: {viewer: team}}}", rule="can: [read], hierarchy: false")),
    ("hierarchy that makes no difference", account("{open: true}"), "=", account("{open: true}", rule="can: [read], hierarchy: false")),
    ("another chain of managers", TEAM, "?", TEAM.replace("manager: boss", "manager: team")),
    ("no chain of managers", TEAM, "<", TEAM.replace("  manager: boss\n", "")),
    ("fewer rows through reach", TEAM, "<", account("{team: {eq: {viewer: team}}, state: a}")),
    ("fewer people through reach", account("{team: {eq: {viewer: team}}}", rule="who: {title: [Rep, Lead]}, can: [read]"),
     "<", account("{team: {eq: {viewer: team}}}", rule="who: {title: Rep}, can: [read]")),
    ("criteria", SALES, "<", SALES.replace("[Rep, Lead]", "Rep")),
    ("criteria said otherwise", SALES, "=", SALES.replace("{title: [Rep, Lead]}", "{any: [{title: Lead}, {title: Rep}]}")),
    ("a member less", SALES, "<", SALES.replace("[1, 2]", "[2]")),
    ("members in another order", SALES, "=", SALES.replace("[1, 2]", "[2, 1]")),
    ("inactive members, who see nothing by themselves", SALES.replace("name: r, ", "name: r, hierarchy: false, "), "=",
     SALES.replace("name: r, ", "name: r, hierarchy: false, ").replace("[1, 2]}", "[1, 2], include_inactive: true}")),
    ("inactive members, through reach", SALES, ">", SALES.replace("[1, 2]}", "[1, 2], include_inactive: true}")),
    ("a group instead of its criteria", account(rule="who: {title: Rep}, can: [read], hierarchy: false"), ">",
     SALES.replace("name: r, ", "name: r, hierarchy: false, ")),
    ("more active people", OWN, ">", OWN.replace("active: {active: true}", "active: {active: {is_set: true}}")),
    ("fewer super admins", OWN, "<", OWN.replace("super_admin: {admin: true}", "super_admin: {admin: true, title: Boss}")),
    ("for roles", OWN, ">", account("{owner: {eq: {viewer: key}}}", more="      - {name: w, who: {role: web}, rows: {open: true}, can: [read]}\n")),
    ("other rows for roles", account("{open: true}", rule="who: {role: web}, can: [read]"),
     "<", account("{open: true, size: 1}", rule="who: {role: web}, can: [read]")),
    ("a relation of more", account("{id: {in: {viewer: led}}}"), ">", account("{id: {in: {viewer: led}}}").replace(", role: lead}", "}")),
    ("a relation from elsewhere", account("{id: {in: {viewer: led}}}"), "?",
     account("{id: {in: {viewer: led}}}").replace("from: member, where: {person: {eq: {viewer: key}}, role: lead}", "from: visits, where: {person: {eq: {viewer: key}}}")),
    ("people known by another key", OWN, "?", OWN.replace("key: id", "key: team")),
]  # fmt: skip


@pytest.mark.parametrize(("before", "expected", "after"), [case[1:] for case in WHOLE], ids=[case[0] for case in WHOLE])
def test_rules(before, expected, after):
    assert sign(compared(before, after)) == expected
    assert sign(compared(after, before)) == {"<": ">", ">": "<"}.get(expected, expected)


REPS = "{name: c, who: {title: Rep}, expression: account}"
LEADS = "{name: e, who: {title: Lead}, expression: own}"

FAMILIES = [
    ("a parent's rule", family(WIDE), "<", family(NARROW)),
    ("a requirement that is passed on", family(), "<", family(require=REQUIRED)),
    ("own and parent instead of or", family(), "<", family(combine=", combine: [{name: c, expression: own and account}]")),
    ("parent alone", family(), "<", family(combine=", combine: [{name: c, expression: account}]")),
    ("for some", family(), "<", family(combine=", combine: [{name: c, who: {title: Rep}, expression: account}]")),
    ("first entry counts", family(combine=f", combine: [{REPS}, {{name: d, who: {{team: 1}}, expression: own}}]"), "?",
     family(combine=f", combine: [{{name: d, who: {{team: 1}}, expression: own}}, {REPS}]")),
    ("nobody is both", family(combine=f", combine: [{REPS}, {LEADS}]"), "=", family(combine=f", combine: [{LEADS}, {REPS}]")),
    ("an entry for nobody else but who has no title", family(combine=f", combine: [{REPS}]"), "<",
     family(combine=f", combine: [{REPS}, {{name: d, who: {{title: Rep, team: 1}}, expression: own}}]")),
    ("who has no title needs both, either way", family(combine=f", combine: [{REPS}, {{name: d, expression: own}}]"), "=",
     family(combine=", combine: [{name: d, who: {not: {title: Rep}}, expression: own}, {name: c, expression: account}]")),
    ("who has no title needs one more", family(combine=f", combine: [{REPS}, {{name: d, expression: own}}]"), ">",
     family(combine=f", combine: [{REPS}, {{name: d, who: {{title: {{is_set: true}}}}, expression: own}}]")),
    ("may the account instead of inheriting", family(), "=",
     family().replace(", inherits: {account: account}", "").replace("rows: {state: open}", "rows: {any: [{state: open}, {account: {can: read}}]}")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "expected", "after"), [case[1:] for case in FAMILIES], ids=[case[0] for case in FAMILIES]
)
def test_children(before, expected, after):
    assert sign(compared(before, after, name="task")) == expected
    assert sign(compared(after, before, name="task")) == {"<": ">", ">": "<"}.get(expected, expected)


def test_each_action_by_itself():
    before = account("{owner: {eq: {viewer: key}}}", rule="can: [write]")
    after = account(
        "{owner: {eq: {viewer: key}}}", rule="becomes: {owner: {eq: {viewer: key}}, state: a}, can: [write]"
    )
    found = {
        one.action.value: sign(one) for one in compare(rules(before, {"account"}), rules(after, {"account"}), CATALOG)
    }
    assert found == {"read": "=", "delete": "=", "insert": "<", "update": "<"}
    # Whoever may not read may not change either.
    fewer = account("{owner: {eq: {viewer: key}}}", rule="can: [insert, update, delete]")
    found = {
        one.action.value: sign(one) for one in compare(rules(before, {"account"}), rules(fewer, {"account"}), CATALOG)
    }
    assert found == {"read": "<", "insert": "=", "update": "<", "delete": "<"}


SIZES = [
    ("{read: {title: [Rep, Lead]}}", {"read": "<", "insert": "<", "update": "<"}, "{read: {title: Rep}}"),
    ("{update: {title: Rep}}", {"read": "<", "insert": "<", "update": "="}, "{write: {title: Rep}, read: {title: Rep}}"),
    ("{update: everyone}", {"read": "=", "insert": "=", "update": "<"}, "{update: none}"),
    ("{update: {who: {title: Rep}, rows: {open: true}}}", {"read": "=", "insert": "=", "update": ">"}, "{update: {rows: {open: true}}}"),
    ("{read: {rows: {state: {is_set: true}}}}", {"read": "=", "insert": "=", "update": "="}, "{read: {rows: {not: {state: {is_null: true}}}}}"),
    # Whoever may not read a column may not write it.
    ("{read: {title: Rep}, insert: {title: Rep}}", {"read": "=", "insert": "=", "update": "="}, "{read: {title: Rep}, insert: everyone}"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "expected", "after"), SIZES)
def test_rights_on_columns(before, expected, after):
    texts = (OWN + f"    columns: {{size: {rights}}}\n" for rights in (before, after))
    found = compare(*(rules(text, {"account"}) for text in texts), CATALOG)
    assert {one.action.value: sign(one) for one in found if one.column == "size"} == expected
    assert {one.verdict for one in found if not one.column} == {Verdict.SAME}


def test_handing_over_is_updating():
    before = account("{owner: {eq: {viewer: key}}}", rule="can: [write]")
    after = before + "    hand_over: owner\n"
    assert sign(compared(before, after, "update")) == ">"
    assert sign(compared(before, after, "read")) == "="


def test_governed_for_the_first_time_and_no_longer():
    ours = rules(OWN, {"account"})
    found = compare(None, ours, CATALOG)
    assert [(one.action.value, sign(one), one.gains.basis) for one in found] == [
        (action.value, "<", Basis.RULES) for action in Action
    ]
    assert {sign(one) for one in compare(ours, None, CATALOG)} == {">"}
    assert {one.verdict for one in compare(None, ours, CATALOG, foreign={Name("public", "account")})} == {
        Verdict.UNKNOWN
    }
    # A parent that is governed or not is the same parent (docs/meaning.md, 23).
    before, after = rules(family(), {"task"}), rules(family(), {"task", "account"})
    assert {one.table: sign(one) for one in compare(before, after, CATALOG)} == {
        "public.account": "<",
        "public.task": "=",
    }


def test_rules_that_do_not_fit_any_more_are_not_judged():
    (found, *_) = compare(rules(OWN.replace("owner:", "gone:"), {"account"}), rules(OWN, {"account"}), CATALOG)
    assert found.verdict is Verdict.UNKNOWN
    assert "gone" in found.gains.why


def test_without_the_solver_shapes_alone_prove():
    more = account("{owner: {eq: {viewer: key}}}", more="      - {name: s, rows: {open: true}, can: [read]}\n")
    found = compared(OWN, more, solver=False)
    assert (found.losses.answer, found.losses.basis) == (False, Basis.RULES)
    assert found.gains.answer is None
    assert "pip install" in found.gains.why
    demanded = OWN + "    require: [{name: q, rows: {region: north}}]\n"
    assert sign(compared(OWN, demanded, solver=False)) == "<"
    # What needs a thought is left open, never guessed.
    assert sign(compared(account("{size: {gt: 1}}"), account("{size: {ge: 2}}"), solver=False)) == "?"


def test_a_solver_that_runs_out_of_time_says_nothing(monkeypatch):
    monkeypatch.setattr(solver._Question, "_settle", lambda self: self._solver.set("rlimit", 1))
    found = compared(account("{size: {gt: 1}}"), account("{size: {ge: 2}}"))
    assert found.verdict is Verdict.UNKNOWN
    assert found.gains.why == "the solver ran out of time"


SWITCHES = VIEWERS + "    - switches: {from: switch, value: is_on}\n"


def test_a_table_may_be_empty():
    """Without any switch bosses gain: a row that is made up for one formula is none for the other."""
    switch = table("switch", "is_on boolean", primary="")
    columns = tuple(replace(one, not_null=True) for one in switch.columns)
    tables = (*CATALOG.tables.values(), replace(switch, columns=columns))
    before = account(rule="who: {switches: {in: [true, false]}}, can: [read]", head=SWITCHES)
    after = account(rule="who: {any: [{title: Boss}, {switches: true}]}, can: [read]", head=SWITCHES)
    found = compare(rules(before, {"account"}), rules(after, {"account"}), catalog(*tables))
    assert sign(next(one for one in found if one.action is Action.READ)) == "?"


@pytest.mark.parametrize(("may_hold_null", "expected"), [(False, "="), (True, "<")])
def test_not_null_counts_where_it_binds_every_row(may_hold_null, expected):
    tables = [
        replace(
            one, columns=tuple(replace(column, not_null=True, may_hold_null=may_hold_null) for column in one.columns)
        )
        for one in CATALOG.tables.values()
    ]
    before, after = (
        rules(account(rows, rule="can: [read], hierarchy: false"), {"account"})
        for rows in ("{}", "{any: [{state: a}, {not: {state: a}}]}")
    )
    found = compare(before, after, catalog(*tables))
    assert sign(next(one for one in found if one.action is Action.READ)) == expected
