"""What rule files say arrives as typed values, exactly."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgerase.rules.access import ColumnGrant, Everyone, ExpressionAnd, ExpressionOr, IdentityKind, MemberKeys, Term
from pgerase.rules.conditions import (
    Action,
    All,
    AnyOf,
    Can,
    Condition,
    HasConsent,
    InGroup,
    IsRole,
    Literal,
    LiteralList,
    Not,
    Range,
    RelativeTime,
    RowRef,
    Span,
    SubjectRef,
    Test,
    ViewerRef,
    walk,
)
from pgerase.rules.data_map import (
    Clear,
    Element,
    Every,
    Fill,
    JsonObject,
    Member,
    PersonalColumn,
    Placeholder,
    Template,
    VersionBound,
)
from pgerase.rules.names import TableName
from pgerase.rules.read_access import read_access
from pgerase.rules.read_data_map import read_data_map
from pgerase.rules.read_pack import read_pack_settings
from pgerase.rules.templates import parse_json_path, parse_template
from tests.unit.rules.support import MAP, RESOURCE, VIEWERS

ALL = frozenset(Action)


def rows_of(condition: str, more: str = "") -> Condition:
    """The condition of a rule's rows."""
    rules = read_access(RESOURCE + f"    rules: [{{name: a, rows: {condition}, can: [read]}}]\n" + more)
    rows = rules.resource("r").rules[0].rows
    assert rows is not None
    return rows


def spelled(condition: Condition) -> str:
    """A condition in one line, positions left out, written independently of any reader."""
    match condition:
        case All(terms):
            return f"all({', '.join(spelled(term) for term in terms)})"
        case AnyOf(terms):
            return f"any({', '.join(spelled(term) for term in terms)})"
        case Not(term):
            return f"not({spelled(term)})"
        case Test(path, operator, operand):
            return f"{path} {operator}" if operand is None else f"{path} {operator} {spelled_operand(operand)}"
        case InGroup(names):
            return f"group {'|'.join(names)}"
        case IsRole(names):
            return f"role {'|'.join(names)}"
        case Can(path, action):
            return f"{path} can {action}"
        case HasConsent(purpose):
            return f"consent {purpose}"


def spelled_operand(operand: object) -> str:
    match operand:
        case Literal(value):
            return repr(value)
        case LiteralList(items):
            return "[" + ", ".join(repr(item.value) for item in items) + "]"
        case ViewerRef(attribute, where):
            return f"viewer.{attribute}" + (f"[{spelled(where)}]" if where else "")
        case RowRef(path):
            return f"row.{path}"
        case RelativeTime(Span(months, days, seconds), sign):
            return f"{sign:+d}*({months}m {days}d {seconds}s)"
        case Range(low, high):
            return f"{spelled_operand(low)}..{spelled_operand(high)}"
        case SubjectRef():
            return "subject"
        case _:
            raise AssertionError(operand)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{a: 1}", "a eq 1"),
        ("{a: NO}", "a eq 'NO'"),
        ("{a: true}", "a eq True"),
        ("{a: [x, 2, 1.5]}", "a in ['x', 2, 1.5]"),
        ("{a: []}", "a in []"),
        ("{a: x, b: y}", "all(a eq 'x', b eq 'y')"),
        ("{a: {gt: 1, lt: 5}}", "all(a gt 1, a lt 5)"),
        ("{a: {ne: 1}}", "a ne 1"),
        ("{a: {not_in: [1]}}", "a not_in [1]"),
        ("{a: {between: [1, {ahead: 7 days}]}}", "a between 1..+1*(0m 7d 0s)"),
        ("{a: {is_null: true}}", "a is_null"),
        ("{a: {is_null: false}}", "a is_set"),
        ("{a: {is_set: true}}", "a is_set"),
        ("{a: {is_set: false}}", "a is_null"),
        ("{a: {contains: [x, y]}}", "a contains ['x', 'y']"),
        ("{a: {starts_with: '%_'}}", "a starts_with '%_'"),
        ("{a: {ends_with: {viewer: domain}}}", "a ends_with viewer.domain"),
        ("{a: {overlaps: {row: b.c}}}", "a overlaps row.b.c"),
        ("{a: {lt: {ago: 1 year 2 days}}}", "a lt -1*(12m 2d 0s)"),
        ("{a.b.c: {eq: {viewer: key}}}", "a.b.c eq viewer.key"),
        ("{a: {can: update}}", "a can update"),
        ("{'a, b': {can: read}}", '"a, b" can read'),
        ("{all: [{a: 1}, {b: 2}], c: 3}", "all(all(a eq 1, b eq 2), c eq 3)"),
        ("{any: [{a: 1}, {not: {b: 2}}]}", "any(a eq 1, not(b eq 2))"),
        ("{consent: newsletter}", "consent newsletter"),
        ("{group: x}", "group eq 'x'"),
        ("{role: x}", "role eq 'x'"),
        ("{'\"all\"': x, '\"consent\"': y}", "all(all eq 'x', consent eq 'y')"),
        (
            '{terms: {A: {a: 1}, B: {b: 2}, C: {c: 3}}, logic: "A and (B or not C)"}',
            "all(a eq 1, any(b eq 2, not(c eq 3)))",
        ),
        ('{terms: {A: {a: 1}, B: {b: 2}}, logic: "A or B and not A"}', "any(a eq 1, all(b eq 2, not(a eq 1)))"),
    ],
)
def test_condition_is_what_was_written(written: str, meant: str) -> None:
    assert spelled(rows_of(written)) == meant


def test_condition_names_are_expanded() -> None:
    more = "conditions: {mine: {owner: {eq: {viewer: key}}}, open: {any: [{use: mine}, {state: open}]}}\n"
    assert spelled(rows_of("{use: open, x: 1}", more)) == "all(any(owner eq viewer.key, state eq 'open'), x eq 1)"


def test_condition_walk_meets_what_is_inside_operands() -> None:
    text = (
        "version: 1\nviewers:\n  table: u\n  key: id\n  identity: role\n"
        "  attributes: [m: {from: m, where: {u: {eq: {viewer: key}}}, value: v}]\n"
        "resources:\n  r:\n    table: t\n    everyone: none\n"
        "    rules: [{name: a, rows: {not: {a: {in: {viewer: m, where: {k: {eq: {row: b}}}}}}}, can: [read]}]\n"
    )
    rows = read_access(text).resource("r").rules[0].rows
    assert rows is not None
    assert spelled(rows) == "not(a in viewer.m[k eq row.b])"
    assert [spelled(part) for part in walk(rows)][-1] == "k eq row.b"


def test_rule_and_requirement_defaults() -> None:
    resource = read_access(
        RESOURCE + "    rules: [{name: a, can: [write]}, {name: b, can: [read, insert], hierarchy: false}]\n"
        "    require: [{name: c, rows: {x: 1}}, {name: d, rows: {x: 1}, can: [update], passes_on: true}]\n"
    ).resource("r")
    first, second = resource.rules
    assert (first.who, first.rows, first.becomes, first.can, first.hierarchy) == (None, None, None, ALL, True)
    assert (second.can, second.hierarchy) == ({Action.READ, Action.INSERT}, False)
    assert [(item.can, item.passes_on) for item in resource.require] == [(ALL, False), ({Action.UPDATE}, True)]
    assert (resource.table, resource.everyone, resource.passes_on) == (TableName("t"), Everyone.NONE, False)


def test_role_rules_need_no_viewers() -> None:
    text = (
        "version: 1\nresources: {r: {table: t, everyone: none, rules: [{name: a, who: {role: [x, y]}, can: [read]}]}}"
    )
    rules = read_access(text)
    assert rules.viewers is None
    who = rules.resource("r").rules[0].who
    assert isinstance(who, IsRole)
    assert who.names == ("x", "y")


def test_combine_expression_is_a_tree() -> None:
    resource = read_access(
        RESOURCE + "    inherits: {a: a_id, b c: 'x, y'}\n"
        "    combine: [{name: all, expression: 'own and (a or \"b c\") or a'}]\n"
        "  a: {table: a, everyone: none}\n  b c: {table: b, everyone: none}\n"
    ).resource("r")
    match resource.combine[0].expression:
        case ExpressionOr((ExpressionAnd((Term("own"), ExpressionOr((Term("a"), Term("b c"))))), Term("a"))):
            pass
        case other:
            pytest.fail(f"{other}")
    assert [(item.parent, item.step.columns) for item in resource.inherits] == [("a", ("a_id",)), ("b c", ("x", "y"))]


def test_column_rights_are_read() -> None:
    columns = (
        read_access(
            RESOURCE + "    columns:\n"
            "      notes: {read: {group: g}, mask: (hidden)}\n"
            "      score: {write: {who: {title: VP}, rows: {state: open}}, mask: null}\n"
            "      '*': {update: everyone, insert: none}\n"
            "groups: {g: {members: []}}\n"
        )
        .resource("r")
        .columns
    )
    notes, score, rest = columns
    assert notes.read is not None
    assert notes.read.who is not None
    assert spelled(notes.read.who) == "group g"
    assert notes.mask is not None
    assert notes.mask.value == "(hidden)"
    assert (notes.insert, notes.update) == (None, None)
    assert score.mask is None
    assert score.insert == score.update
    assert isinstance(score.insert, ColumnGrant)
    assert score.insert.rows is not None
    assert spelled(score.insert.rows) == "state eq 'open'"
    assert rest.column == "*"
    assert [grant and grant.everyone for grant in (rest.read, rest.insert, rest.update)] == [None, False, True]


def test_viewers_groups_and_authority_are_read() -> None:
    rules = read_access(
        "version: 1\nviewers: {table: s.u, key: id, identity: {claims: email}, manager: boss}\n"
        "groups: {g: {members: [1, 'x']}}\nauthority: {boss: {title: HR}, s.m.member: everyone}\n"
    )
    assert rules.viewers is not None
    assert (rules.viewers.identity.kind, rules.viewers.identity.claim) == (IdentityKind.CLAIMS, "email")
    members = rules.groups[0].members
    assert isinstance(members, MemberKeys)
    assert [key.value for key in members.keys] == [1, "x"]
    assert [(str(item.table), item.column, item.everyone) for item in rules.authority] == [
        ("s.u", "boss", False),
        ("s.m", "member", True),
    ]


def test_named_schema_and_long_names_are_exact() -> None:
    long = "ü" * 70
    rules = read_access(VIEWERS + f'resources:\n  r: {{table: \'"we.ird"."{long}"\', everyone: none}}\n')
    assert rules.resource("r").table == TableName(long, "we.ird")


HOSTILE = st.text(
    st.sampled_from(list("'\"\\$-/*#:{}[],&!%@`|>?~ \t\n;()é\u2028\U0001f600"))
    | st.characters(exclude_categories=("Cs",)),
    max_size=80,
).filter(lambda text: "\0" not in text)


def quoted(text: str) -> str:
    """Text as YAML writes it in double quotes: letters as they are, the rest as escapes."""
    letters = (c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return '"' + "".join(letters) + '"'


@given(HOSTILE)
def test_text_of_rules_survives_exactly(text: str) -> None:
    """Quotes, backslashes, dollar quotes, comment marks, newlines: a literal is what was written."""
    rows = cast("Test", rows_of("{a: " + quoted(text) + "}"))
    assert isinstance(rows.operand, Literal)
    assert rows.operand.value == text


@given(HOSTILE.filter(lambda text: text.strip() != ""))
def test_names_of_rules_survive_exactly(text: str) -> None:
    name = quoted(text)
    rules = read_access(
        VIEWERS + f"groups: {{{name}: {{members: []}}}}\nresources:\n"
        f"  r: {{table: t, everyone: none, rules: [{{name: {name}, who: {{group: {name}}}, can: [read]}}]}}\n"
    )
    assert rules.groups[0].name == text
    assert rules.resource("r").rules[0].name == text


@given(HOSTILE)
def test_fillers_survive_exactly(text: str) -> None:
    written = quoted(text.replace("{", "{{").replace("}", "}}"))
    data_map = read_data_map(
        MAP + f"  s.t: {{rows: keep, links: {{a: p}}, columns: {{c: {{kind: k, erase: {{fill: {written}}}}}}}}}"
    )
    column = data_map.tables[0].columns[0]
    assert isinstance(column, PersonalColumn)
    fill = column.erase[0]
    assert isinstance(fill, Fill)
    assert isinstance(fill.value, Template)
    assert "".join(cast("tuple[str, ...]", fill.value.parts)) == text


def test_block_scalars_keep_their_lines() -> None:
    text = (
        RESOURCE
        + "    rules:\n      - name: a\n        can: [read]\n        rows:\n          a: |\n            it's \"so\" \\n $$\n            -- '; drop\n"
    )
    rows = read_access(text).resource("r").rules[0].rows
    assert isinstance(rows, Test)
    assert isinstance(rows.operand, Literal)
    assert rows.operand.value == "it's \"so\" \\n $$\n-- '; drop\n"


def test_template_parts() -> None:
    at = read_pack_settings("name: x").at
    assert parse_template('a{{{b}}}{c:d}{"e:f":"g}"}', at).parts == (
        "a{",
        Placeholder("b"),
        "}",
        Placeholder("c", "d"),
        Placeholder("e:f", "g}"),
    )


def test_json_path_steps() -> None:
    at = read_pack_settings("name: x").at
    assert parse_json_path("$.a..b[0][-1][*].*..[2]['x y'][\"z\"]..*", at).steps == (
        Member("a"),
        Member("b", descend=True),
        Element(0),
        Element(-1),
        Every(),
        Every(),
        Element(2, descend=True),
        Member("x y"),
        Member("z"),
        Every(descend=True),
    )


def test_structured_filler_and_column_defaults() -> None:
    data_map = read_data_map(
        MAP + "  s.t:\n    rows: delete\n    links: {a: p}\n    columns:\n"
        "      c: {kind: k, erase: {fill: {name: 'x{token}', tags: [1, null]}}}\n"
        "      d: {kind: credential}\n      e: none\n"
        "none: [s.stage, 's.l_*_*']\napplication: {name: x, versions: '>=3 <5.1'}\n"
    )
    filled, bare, none = data_map.tables[0].columns
    assert isinstance(filled, PersonalColumn)
    assert isinstance(bare, PersonalColumn)
    assert bare.erase == ()
    assert none.column == "e"
    fill = filled.erase[0]
    assert isinstance(fill, Fill)
    assert isinstance(fill.value, JsonObject)
    assert [name for name, _ in fill.value.members] == ["name", "tags"]
    assert data_map.application is not None
    assert data_map.application.versions == (VersionBound(">=", (3,)), VersionBound("<", (5, 1)))


@pytest.mark.parametrize(
    ("table", "matches"),
    [
        (TableName("stage", "s"), True),
        (TableName("stage", "t"), False),
        (TableName("stages", "s"), False),
        (TableName("l_a_b", "s"), True),
        (TableName("l__", "s"), True),
        (TableName("l_a", "s"), False),
        (TableName("l_", "s"), False),
    ],
)
def test_table_pattern_matches(table: TableName, matches: bool) -> None:
    data_map = read_data_map(MAP + "  s.t: {rows: keep, links: {a: p}}\nnone: [s.stage, 's.l_*_*']\n")
    assert any(none.matches(table) for none in data_map.none) is matches


def test_clear_is_a_treatment() -> None:
    data_map = read_data_map(MAP + "  s.t: {rows: keep, links: {a: p}, columns: {c: {kind: k, erase: clear}}}")
    column = data_map.tables[0].columns[0]
    assert isinstance(column, PersonalColumn)
    assert [type(treatment) for treatment in column.erase] == [Clear]
