"""Everything wrong with an `access.yaml` is found at its place, with the nearest valid name."""

from __future__ import annotations

import pytest

from pgerase.rules.read_access import read_access
from tests.unit.rules.support import RESOURCE, VIEWERS, findings_of, places


def in_resource(text: str) -> str:
    return RESOURCE + "".join(f"    {line}\n" for line in text.splitlines())


def in_rows(condition: str) -> str:
    """A rule whose rows are a flow mapping that starts on line 8, column 25."""
    return in_resource("rules:\n  - {name: a, rows: " + condition + ", can: [read]}")


def in_who(condition: str) -> str:
    """A rule whose who is a flow mapping that starts on line 8, column 24."""
    return in_resource("rules:\n  - {name: a, who: " + condition + ", can: [read]}")


def in_aggregate(text: str, name: str = "n") -> str:
    """An aggregate whose flow mapping starts on line 8, column 6; `text` at column 40."""
    return RESOURCE + f"aggregates:\n  {name}: {{of: r, who: {{a: 1}}, at_least: 5, {text}}}\n"


CASES: dict[str, tuple[str, list[str], str]] = {
    # Aggregates
    "aggregate without who": (
        RESOURCE + "aggregates:\n  n: {of: r, values: {n: count}, at_least: 5}",
        ["8:6 missing-key"],
        "who",
    ),
    "aggregate without size": (
        RESOURCE + "aggregates:\n  n: {of: r, who: {a: 1}, values: {n: count}}",
        ["8:6 missing-key"],
        "at_least",
    ),
    "aggregate of ones": (
        RESOURCE + "aggregates:\n  n: {of: r, who: {a: 1}, values: {n: count}, at_least: 1}",
        ["8:57 wrong-shape"],
        "from 2 on",
    ),
    "aggregate of nothing": (
        RESOURCE + "aggregates:\n  n: {of: q, who: {a: 1}, values: {n: count}, at_least: 5}",
        ["8:3 unknown-resource"],
        "no resource q",
    ),
    "aggregate for a role": (
        RESOURCE + "aggregates:\n  n: {of: r, who: {role: x}, values: {n: count}, at_least: 5}",
        ["8:20 no-role-here"],
        "role",
    ),
    "aggregate for an unknown group": (
        RESOURCE + "aggregates:\n  n: {of: r, who: {group: x}, values: {n: count}, at_least: 5}",
        ["8:20 unknown-group"],
        "no group x",
    ),
    "aggregate with a least": (in_aggregate("values: {n: {min: a}}"), ["8:53 single-value"], "one row's own value"),
    "aggregate with two measures": (in_aggregate("values: {n: {sum: a, avg: a}}"), ["8:52 one-key"], "exactly one"),
    "aggregate with two columns of a name": (
        in_aggregate("by: [a], values: {a: count}"),
        ["8:58 duplicate-name"],
        "the name a",
    ),
    "aggregate by a lookup without a name": (
        in_aggregate("by: [b.c], values: {n: count}"),
        ["8:45 unnamed-lookup"],
        "write {c: b.c}",
    ),
    "aggregate with a long name": (in_aggregate("values: {n: count}", "n" * 64), ["8:3 long-name"], "63 bytes"),
    "aggregate without viewers": (
        "version: 1\nresources: {r: {table: t, everyone: none}}\naggregates:\n  n: {of: r, who: {a: 1}, values: {n: count}, at_least: 5}",
        ["4:3 no-viewers"],
        "is for viewers",
    ),
    # The file
    "version missing": (
        "groups: {g: {members: [1]}}",
        [
            "1:1 missing-key",
        ],
        "version",
    ),
    "version other": ("version: 2", ["1:10 wrong-version"], "2"),
    "version as text": ("version: '1'", ["1:10 wrong-version"], "'1'"),
    "unknown section": ("version: 1\nresorces: {}", ["2:1 unknown-key"], "resources"),
    # Resources
    "everyone missing": ("version: 1\nresources:\n  r: {table: t}", ["3:6 missing-key"], "everyone"),
    "everyone misspelt": (
        "version: 1\nresources:\n  r: {table: t, everyone: reed}",
        ["3:27 unknown-word"],
        "did you mean read?",
    ),
    "everyone as no": ("version: 1\nresources:\n  r: {table: t, everyone: no}", ["3:27 unknown-word"], "'no'"),
    "table twice": (
        VIEWERS + "resources:\n  a: {table: s.t, everyone: none}\n  b: {table: '\"s\".t', everyone: none}",
        ["5:3 duplicate-table"],
        "governed by a already",
    ),
    "reserved name": (VIEWERS + "resources:\n  own: {table: t, everyone: none}", ["4:3 reserved-word"], "own"),
    "can missing": (in_resource("rules: [{name: a}]"), ["7:13 missing-key"], "can"),
    "can unknown": (
        in_resource("rules: [{name: a, can: [reed, writ]}]"),
        ["7:29 unknown-word", "7:35 unknown-word"],
        "write",
    ),
    "can empty": (in_resource("rules: [{name: a, can: []}]"), ["7:28 too-few"], "something"),
    "can not a list": (in_resource("rules: [{name: a, can: read}]"), ["7:28 wrong-shape"], "brackets"),
    "can twice": (in_resource("rules: [{name: a, can: [read, read]}]"), ["7:28 duplicate-word"], "twice"),
    "rule name twice": (
        in_resource("rules:\n  - {name: a, can: [read]}\n  - {name: a, can: [read]}"),
        ["9:9 duplicate-name"],
        "8:9",
    ),
    "rule and requirement of one name": (
        in_resource("rules: [{name: a, can: [read]}]\nrequire: [{name: a, rows: {x: 1}}]"),
        ["8:15 duplicate-name"],
        "a",
    ),
    "requirement without rows": (in_resource("require: [{name: a}]"), ["7:15 missing-key"], "rows"),
    "becomes without write": (
        in_resource("rules: [{name: a, can: [read, delete], becomes: {x: 1}}]"),
        ["7:44 becomes-without-write"],
        "neither inserts nor updates",
    ),
    "inherits unknown": (in_resource("inherits: {reletionship: a}"), ["7:16 unknown-resource"], "reletionship"),
    "inherits itself": (in_resource("inherits: {r: parent_id}"), ["4:3 inherit-circle"], "r → r"),
    "inherits in a circle": (
        VIEWERS + "resources:\n"
        "  a: {table: a, everyone: none, inherits: {b: b_id}}\n"
        "  b: {table: b, everyone: none, inherits: {c: c_id}}\n"
        "  c: {table: c, everyone: none, inherits: {a: a_id}}",
        ["4:3 inherit-circle"],
        "a → b → c → a",
    ),
    "combine names no parent": (
        in_resource("combine: [{name: a, expression: own and compny}]")
        + "  company: {table: c, everyone: none, passes_on: true}",
        ["7:37 unknown-term"],
        "did you mean company?",
    ),
    "combine with not": (
        in_resource("combine: [{name: a, expression: not own}]"),
        ["7:37 malformed"],
        "not cannot be used",
    ),
    "combine cut off": (
        in_resource("combine: [{name: a, expression: own and}]"),
        ["7:37 malformed"],
        "missing at the end",
    ),
    "combine unreachable": (
        in_resource("combine:\n  - {name: a, expression: own}\n  - {name: b, who: {x: 1}, expression: own}"),
        ["8:9 unreachable"],
        "never reached",
    ),
    "write and more": (in_resource("columns: {c: {write: none, update: everyone}}"), ["7:32 write-and-more"], "update"),
    "column word": (in_resource("columns: {c: {read: everybody}}"), ["7:25 unknown-word"], "everyone"),
    # Conditions
    "unknown operator": (in_rows("{a: {equals: 1}}"), ["8:30 unknown-operator"], "no operator equals"),
    "nearest operator": (in_rows("{a: {startswith: x}}"), ["8:30 unknown-operator"], "did you mean starts_with?"),
    "reference without operator": (in_rows("{a: {viewer: key}}"), ["8:30 unknown-operator"], "{eq: {viewer: …}}"),
    "null literal": (in_rows("{a: null}"), ["8:29 null-literal"], "is_null"),
    "null operand": (in_rows("{a: {ne: ~}}"), ["8:34 null-literal"], "is_null"),
    "null in a list": (in_rows("{a: [1, null]}"), ["8:33 null-literal"], "no null"),
    "eq of a list": (in_rows("{a: {eq: [1, 2]}}"), ["8:34 wrong-operand"], "use in"),
    "ne of a list": (in_rows("{a: {ne: [1, 2]}}"), ["8:34 wrong-operand"], "use not_in"),
    "in of a value": (in_rows("{a: {in: x}}"), ["8:34 wrong-operand"], "write [x]"),
    "in of a time": (in_rows("{a: {in: {ago: 1 day}}}"), ["8:34 wrong-operand"], "takes a list"),
    "between of one": (in_rows("{a: {between: [1]}}"), ["8:39 wrong-operand"], "two"),
    "between of three": (in_rows("{a: {between: [1, 2, 3]}}"), ["8:39 wrong-operand"], "two"),
    "between of no list": (in_rows("{a: {between: 1}}"), ["8:39 wrong-operand"], "two"),
    "is_null of text": (in_rows("{a: {is_null: yes}}"), ["8:39 wrong-shape"], "true or false"),
    "reference in a list": (in_rows("{a: {in: [1, {viewer: key}]}}"), ["8:38 wrong-operand"], "values only"),
    "unknown operand": (in_rows("{a: {eq: {veiwer: key}}}"), ["8:35 unknown-operand"], "did you mean viewer?"),
    "two operands": (in_rows("{a: {eq: {viewer: key, row: b}}}"), ["8:34 unknown-operand"], "exactly one"),
    "where without viewer": (in_rows("{a: {eq: {row: b, where: {c: 1}}}}"), ["8:43 unknown-operand"], "where"),
    "duration": (in_rows("{a: {lt: {ago: 90 dayz}}}"), ["8:40 malformed"], "90 days"),
    "duration of a number": (in_rows("{a: {lt: {ago: 90}}}"), ["8:40 wrong-shape"], "length of time"),
    "empty condition": (in_rows("{}"), ["8:25 empty-condition"], "leave the key out"),
    "condition not a mapping": (in_rows("[a]"), ["8:25 wrong-shape"], "all: […]"),
    "condition left empty": (
        in_resource("rules:\n  - name: a\n    rows:\n    can: [read]"),
        ["9:14 wrong-shape"],
        "nothing",
    ),
    "empty all": (in_rows("{all: []}"), ["8:31 too-few"], "something"),
    "terms without logic": (in_rows("{terms: {A: {a: 1}}}"), ["8:26 missing-key"], "logic"),
    "logic without terms": (in_rows("{logic: A, a: 1}"), ["8:26 missing-key"], "terms"),
    "logic with unknown letter": (in_rows("{terms: {A: {a: 1}}, logic: A and B}"), ["8:53 unknown-term"], "B"),
    "logic with unused letter": (in_rows("{terms: {A: {a: 1}, B: {b: 1}}, logic: A}"), ["8:45 unused-term"], "B"),
    "logic misspelt": (in_rows("{terms: {A: {a: 1}}, logic: A AND A}"), ["8:53 malformed"], "written and"),
    "logic with open bracket": (in_rows("{terms: {A: {a: 1}}, logic: (A or A}"), ["8:53 malformed"], "bracket"),
    "logic too deep": (in_rows("{terms: {A: {a: 1}}, logic: " + "(" * 5000 + "A}"), ["8:53 malformed"], "nested"),
    "path backwards": (in_rows('{"s.t(a).b": 1}'), ["8:26 malformed"], "backwards"),
    "path with an end missing": (in_rows("{a.: 1}"), ["8:26 malformed"], "ends too early"),
    "path ending in a composite": (in_rows("{'a, b': 1}"), ["8:26 no-column"], "single column"),
    "can unknown action": (in_rows("{a: {can: look}}"), ["8:35 unknown-word"], "read"),
    "reserved in rows": (in_rows("{support: true}"), ["8:26 reserved-word"], "'\"support\"'"),
    "subject in access": (in_rows("{a: {eq: {subject: key}}}"), ["8:35 operand-not-here"], "data maps"),
    # People
    "can in who": (in_who("{a: {can: read}}"), ["8:29 no-can-here"], "a rule's who"),
    "row in who": (in_who("{a: {eq: {row: b}}}"), ["8:34 operand-not-here"], "row"),
    "unknown group": (in_who("{group: nobody}"), ["8:25 unknown-group"], "nobody"),
    "role with more": (in_who("{role: x, a: 1}"), ["8:25 role-not-alone"], "only thing"),
    "role inside not": (in_who("{not: {role: x}}"), ["8:31 role-not-alone"], "only thing"),
    "role in a requirement": (
        in_resource("require: [{name: a, who: {role: x}, rows: {a: 1}}]"),
        ["7:31 no-role-here"],
        "only a rule's who",
    ),
    "viewer in a role rule": (
        in_resource("rules: [{name: a, who: {role: x}, rows: {b: {eq: {viewer: key}}}, can: [read]}]"),
        ["7:54 viewer-in-role-rule"],
        "there is none",
    ),
    "can in a role rule": (
        in_resource("rules: [{name: a, who: {role: x}, rows: {b: {can: read}}, can: [read]}]"),
        ["7:46 can-in-role-rule"],
        "viewer can do",
    ),
    "groups in criteria": (
        VIEWERS + "groups:\n  a: {criteria: {group: b}}\n  b: {members: []}",
        ["4:18 no-groups-here"],
        "criteria",
    ),
    "group of nobody": (VIEWERS + "groups: {a: {include_inactive: true}}", ["3:13 empty-group"], "criteria"),
    "viewer in members": (
        VIEWERS + "groups: {a: {members: {from: m, value: u, where: {u: {eq: {viewer: key}}}}}}",
        ["3:60 operand-not-here"],
        "viewer",
    ),
    "no viewers": (
        "version: 1\nresources:\n  r: {table: t, everyone: read, rules: [{name: a, can: [read]}]}",
        ["3:3 no-viewers", "3:41 no-viewers"],
        "identity",
    ),
    "identity unknown": ("version: 1\nviewers: {table: u, key: id, identity: tokens}", ["2:40 unknown-word"], "token"),
    "attribute twice": (
        "version: 1\nviewers: {table: u, key: id, identity: role, attributes: [a, a: b.c]}",
        ["2:62 duplicate-name"],
        "2:59",
    ),
    "attribute named key": (
        "version: 1\nviewers: {table: u, key: id, identity: role, attributes: [key: b.c]}",
        ["2:59 reserved-word"],
        "viewer's key",
    ),
    "relations in a circle": (
        (
            "version: 1\nviewers:\n  table: u\n  key: id\n  identity: role\n  attributes:\n"
            "    - a: {from: m, where: {x: {in: {viewer: b}}}, value: v}\n"
            "    - b: {from: m, where: {x: {in: {viewer: a}}}, value: v}"
        ),
        ["7:7 attribute-circle"],
        "a → b → a",
    ),
    "narrowing what is no relation": (
        in_rows("{a: {in: {viewer: region, where: {b: 1}}}}"),
        ["8:34 not-a-relation"],
        "region",
    ),
    "reference of other width": (
        VIEWERS + 'references: {"a(x, y)": b.z}',
        ["3:14 reference-shape"],
        "different numbers",
    ),
    "reference twice": (VIEWERS + "references:\n  s.a.x: b.z\n  '\"s\".a.x': b.z", ["5:3 duplicate-key"], "4:3"),
    "reference to a table": (VIEWERS + "references: {a.x: b}", ["3:19 malformed"], "names no column"),
    # Named conditions
    "unknown name": (
        VIEWERS + "conditions: {mine: {a: 1}}\n" + in_rows("{use: mien}")[len(VIEWERS) :],
        ["9:31 unknown-condition"],
        "did you mean mine?",
    ),
    "names in a circle": (
        VIEWERS + "conditions:\n  a: {use: b}\n  b: {not: {use: a}}",
        ["4:12 condition-circle", "5:18 condition-circle"],
        "a → b → a",
    ),
    "wrong where it is used": (
        VIEWERS + "conditions: {mine: {a: {can: read}}}\n" + in_who("{use: mine}")[len(VIEWERS) :],
        ["3:25 no-can-here"],
        "used at access.yaml:9:30",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_access_error_is_found_in_its_place(case: str) -> None:
    text, expected, said = CASES[case]
    findings = findings_of(lambda: read_access(text))
    assert places(findings) == expected
    assert said in " | ".join(f"{finding.message} | {finding.hint}" for finding in findings)


@pytest.mark.parametrize("case", CASES)
def test_access_error_shows_its_line(case: str) -> None:
    text = CASES[case][0]
    for finding in findings_of(lambda: read_access(text, "some/access.yaml")):
        assert finding.at is not None
        assert finding.at.file == "some/access.yaml"
        assert finding.at.text == text.split("\n")[finding.at.line - 1]


def test_access_errors_of_all_parts_come_at_once() -> None:
    text = in_resource("rules:\n  - {nam: a, can: [reed]}\n  - {name: b, rows: {a: {eqq: 1}}, can: [read]}\ncolums: {}")
    assert places(findings_of(lambda: read_access(text + "groups: {g: {}}"))) == [
        "8:9 missing-key",
        "8:10 unknown-key",
        "8:24 unknown-word",
        "9:30 unknown-operator",
        "10:5 unknown-key",
        "11:13 empty-group",
    ]


def test_access_expansion_of_names_has_a_budget() -> None:
    """Names that use each other twice would double with each level; reading ends early, with one finding."""
    names = "".join(f"  c{n}: {{all: [{{use: c{n - 1}}}, {{use: c{n - 1}}}]}}\n" for n in range(1, 40))
    findings = findings_of(lambda: read_access(VIEWERS + "conditions:\n  c0: {a: 1}\n" + names))
    assert [finding.code for finding in findings] == ["condition-too-large"]


def test_access_long_chain_of_names_is_refused_and_no_crash() -> None:
    names = "".join(f"  c{n}: {{not: {{use: c{n - 1}}}}}\n" for n in range(1, 2000))
    codes = {
        finding.code for finding in findings_of(lambda: read_access(VIEWERS + "conditions:\n  c0: {a: 1}\n" + names))
    }
    assert "condition-too-deep" in codes
    assert codes <= {"condition-too-deep", "condition-too-large"}


def test_access_long_chain_of_parents_is_no_circle() -> None:
    resources = "".join(f"  r{n}: {{table: t{n}, everyone: none, inherits: {{r{n + 1}: up}}}}\n" for n in range(3000))
    rules = read_access(VIEWERS + f"resources:\n{resources}  r3000: {{table: t3000, everyone: none}}")
    assert len(rules.resources) == 3001
