"""Everything wrong with a `data_map.yaml` or `pack.yaml` is found at its place, with the nearest valid name."""

from __future__ import annotations

import pytest

from pgerase.rules.read_data_map import read_data_map
from pgerase.rules.read_pack import read_pack_settings
from tests.unit.rules.support import MAP, findings_of, places


def in_table(body: str) -> str:
    """One table on line 5; its body begins at column 8."""
    return MAP + f"  s.t: {body}\n"


def linked(body: str) -> str:
    """As in_table, with a link; the rest of the body begins at column 43."""
    return in_table("{rows: keep, links: {owner_id: p}, " + body + "}")


def erased(treatment: str) -> str:
    """A column's erase, which begins at column 85."""
    return linked("columns: {c: {kind: k, purpose: u, erase: " + treatment + "}}")


def subject(body: str) -> str:
    """A second subject on line 3, whose body begins at column 6."""
    return "version: 1\nsubjects:\n  q: " + body + "\n"


CASES: dict[str, tuple[str, list[str], str]] = {
    "no subjects": ("version: 1\n", ["1:1 missing-key"], "subjects"),
    "unknown section": (MAP.replace("tables", "tabels") + "  {}", ["4:1 unknown-key"], "tables"),
    # Subjects
    "key missing": (subject("{table: t}"), ["3:6 missing-key"], "key"),
    "key twice": (subject("{table: t, key: [a, a]}"), ["3:22 duplicate-name"], "twice"),
    "identifier to a table": (
        subject("{table: t, key: a, identifiers: {x: s.p(a)}}"),
        ["3:42 no-column"],
        "table(column).column",
    ),
    "identifier of other kind": (subject("{table: t, key: a, identifiers: {x: {sq: y}}}"), ["3:43 unknown-key"], "sql"),
    "ghost of no key": (
        subject("{table: t, key: user_id, ghost: {user: 0}}"),
        ["3:45 unknown-column"],
        "did you mean user_id?",
    ),
    "lifecycle half": (
        subject("{table: t, key: a, lifecycle: {column: c, active: A}}"),
        ["3:36 missing-key"] * 2,
        "erased",
    ),
    "no table": (subject("{key: ip, manager: m}"), ["3:16 no-table"], "has no table"),
    "display brace": (subject('{table: t, key: a, display: {name: "{a"}}'), ["3:41 malformed"], "doubled"),
    "reserved subject": ("version: 1\nsubjects: {when: {key: a}}\n", ["2:12 reserved-word"], "when"),
    "cooling off": (subject("{key: a, erasing: {cooling_off: soon}}"), ["3:38 malformed"], "90 days"),
    # Tables
    "nothing said": (in_table("{}"), ["5:8 empty-table"], "none:"),
    "unknown subject": (in_table("{rows: keep, subject: peple}"), ["5:3 unknown-subject"], "peple"),
    "other table's subject": (in_table("{rows: keep, subject: p}"), ["5:3 other-table"], "which is that of s.p"),
    "subject without rows": (MAP + "  s.p: {subject: p}", ["5:3 no-rows"], "rows: keep"),
    "unknown verb": (in_table("{rows: remove, links: {a: p}}"), ["5:15 unknown-word"], "delete"),
    "link to nobody": (in_table("{rows: keep, links: {a: q}}"), ["5:32 unknown-subject"], "no subject q"),
    "link to two": (in_table("{rows: keep, links: {a: {p: key, q: key}}}"), ["5:32 one-subject"], "p and q"),
    "link option misspelt": (in_table("{rows: keep, links: {a: {p: key, wen: {b: 1}}}}"), ["5:32 one-subject"], "when"),
    "link by unknown identifier": (
        in_table("{rows: keep, links: {a: {p: male}}}"),
        ["5:32 unknown-identifier"],
        "did you mean mail?",
    ),
    "link by unknown placeholder": (
        in_table('{rows: keep, links: {a: {p: "user:{ky}"}}}'),
        ["5:36 unknown-placeholder"],
        "did you mean key?",
    ),
    "link by constant": (in_table('{rows: keep, links: {a: {p: "user*"}}}'), ["5:36 malformed"], "{key}"),
    "link by suffix": (in_table('{rows: keep, links: {a: {p: "*:{key}"}}}'), ["5:36 needs-scan"], "scan: true"),
    "link star inside": (
        in_table('{rows: keep, links: {a: {p: "a*b{key}"}}}'),
        ["5:36 malformed"],
        "beginning or at the end",
    ),
    "link without rows": (in_table("{links: {a: p}}"), ["5:20 no-rows"], "hang on a"),
    "link twice": (in_table("{rows: keep, links: {a: p, '\"a\"': p}}"), ["5:35 duplicate-key"], "twice"),
    "json path": (in_table("{rows: keep, links: {a: {p: key, at: UserId}}}"), ["5:45 malformed"], "$"),
    "viewer in a map": (
        in_table("{rows: keep, links: {a: {p: key, when: {b: {eq: {viewer: key}}}}}}"),
        ["5:57 operand-not-here"],
        "viewer",
    ),
    "nobody's table": (
        in_table("{rows: keep, columns: {c: {kind: k, erase: clear, of: any}}}"),
        ["5:3 no-links"],
        "nobody",
    ),
    "mapped and none": (in_table("{rows: keep, links: {a: p}}") + "none: ['s.*']", ["5:3 mapped-and-none"], "none:"),
    "owners": (linked("owners: all"), ["5:51 unknown-word"], "last"),
    "gone": (linked("references: {a: {to: s.x.id, gone: cascade}}"), ["5:78 unknown-word"], "delete"),
    "reference of other width": (linked('references: {"a, b": s.x.id}'), ["5:56 reference-shape"], "different numbers"),
    "files to nobody": (linked("files: {store: ['{path}']}"), ["5:51 unknown-recipient"], "store"),
    "files to a mailer": (
        linked("files: {store: ['{path}']}") + "recipients: {store: {kind: manual, text: t}}",
        ["5:51 wrong-recipient"],
        "manual",
    ),
    # Rows
    "rows without end": (
        in_table("{links: {a: {p: key, rows: [{when: {b: 1}, do: keep}]}}}"),
        ["5:36 no-last-resort"],
        "do: keep",
    ),
    "rows unreachable": (
        in_table("{links: {a: p}, rows: [{do: keep}, {do: delete}]}"),
        ["5:31 unreachable"],
        "never reached",
    ),
    "rows empty": (in_table("{links: {a: p}, rows: []}"), ["5:30 too-few"], "something"),
    "rows without do": (in_table("{links: {a: p}, rows: [{mark: {b: 1}}]}"), ["5:31 missing-key"], "do"),
    "reassign without end": (
        in_table("{links: {a: p}, rows: {reassign: [manager]}}"),
        ["5:42 no-last-resort"],
        "ghost",
    ),
    "reassign unreachable": (
        in_table("{links: {a: p}, rows: {reassign: [ghost, unlink]}}"),
        ["5:42 unreachable"],
        "last",
    ),
    "reassign unknown": (
        in_table("{links: {a: p}, rows: {reassign: [boss, ghost]}}"),
        ["5:42 unknown-word"],
        "manager",
    ),
    "keep without law": (
        in_table("{links: {a: p}, rows: {keep: {exemption: x, for: 1 year}}}"),
        ["5:37 missing-key"],
        "law",
    ),
    "keep after keep": (
        in_table("{links: {a: p}, rows: {keep: {exemption: x, law: y, for: 1 year, then: keep}}}"),
        ["5:79 keep-after-keep"],
        "cannot be to keep",
    ),
    "two verbs": (in_table("{links: {a: p}, rows: {unlink: 0, erase: delete}}"), ["5:30 one-key"], "exactly one"),
    # Columns
    "kind missing": (linked("columns: {c: {erase: clear}}"), ["5:56 missing-key"], "kind"),
    "erase missing": (linked("columns: {c: {kind: k}}"), ["5:53 missing-key"], "rows of s.t may stay"),
    "column word": (linked("columns: {c: nothing}"), ["5:56 unknown-word"], "none"),
    "treatment unknown": (erased("{redct: identifiers}"), ["5:86 unknown-key"], "did you mean redact?"),
    "treatment word": (erased("cleer"), ["5:85 unknown-word"], "did you mean clear?"),
    "clear in a mapping": (erased("{clear: true}"), ["5:86 unknown-key"], "erase: clear"),
    "fill placeholder": (erased('{fill: "{name}"}'), ["5:92 unknown-placeholder"], "{token}"),
    "fill null": (erased("{fill: null}"), ["5:92 wrong-shape"], "clear"),
    "generalize": (erased("{generalize: day}"), ["5:98 unknown-word"], "month"),
    "generalize zero": (erased("{generalize: 0}"), ["5:98 wrong-shape"], "from 1 on"),
    "redact unknown": (erased("{redact: [male]}"), ["5:94 unknown-identifier"], "did you mean mail?"),
    "paths": (erased("{paths: ['$.a', '$[x]']}"), ["5:101 malformed"], "[0]"),
    "keep and more": (
        erased("{fill: x, keep: {exemption: x, law: y, for: 1 year}}"),
        ["5:95 keep-and-more"],
        "stands alone",
    ),
    "whose": (
        in_table("{rows: keep, links: {a: p, b: p}, columns: {c: {kind: k, erase: clear}}}"),
        ["5:52 whose"],
        "several links",
    ),
    "of unknown": (linked("of: ownr_id"), ["5:47 unknown-link"], "did you mean owner_id?"),
    "of self": (linked("of: self"), ["5:47 no-subject"], "no subject's table"),
    # The rest
    "recipient kind": (
        MAP + "  s.t: {rows: keep, links: {a: p}}\nrecipients: {r: {kind: email}}",
        ["6:24 unknown-word"],
        "webhook",
    ),
    "recipient without text": (
        MAP + "  s.t: {rows: keep, links: {a: p}}\nrecipients: {r: {kind: manual}}",
        ["6:17 missing-key"],
        "text",
    ),
    "recipient needs": (
        MAP + "  s.t: {rows: keep, links: {a: p}}\nrecipients: {r: {kind: manual, text: t, needs: [male]}}",
        ["6:14 unknown-identifier"],
        "mail",
    ),
    "retention of both": (
        MAP
        + "  s.t: {rows: keep, links: {a: p}}\nretention: [{name: a, subject: p, table: t, when: {a: 1}, do: erase}]",
        ["6:13 one-key"],
        "a subject or about a table",
    ),
    "retention erases a table": (
        MAP + "  s.t: {rows: keep, links: {a: p}}\nretention: [{name: a, table: t, when: {a: 1}, do: erase}]",
        ["6:47 wrong-shape"],
        "clear",
    ),
    "versions": (
        MAP + "  s.t: {rows: keep, links: {a: p}}\napplication: {name: a, versions: '~3'}",
        ["6:34 malformed"],
        ">=3 <5",
    ),
    "profile of nothing": (
        MAP + "  s.t: {rows: keep, links: {a: p}}\nprofiles: {us: {when: {c: US}, tables: {s.t: {}}}}",
        ["6:46 empty-table"],
        "rows, columns",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_data_map_error_is_found_in_its_place(case: str) -> None:
    text, expected, said = CASES[case]
    findings = findings_of(lambda: read_data_map(text))
    assert places(findings) == expected
    assert said in " | ".join(f"{finding.message} | {finding.hint}" for finding in findings)


PACKS: dict[str, tuple[str, list[str], str]] = {
    "unknown key": ("nam: x", ["1:1 unknown-key"], "did you mean name?"),
    "prefix with a capital": ("prefix: Csp", ["1:9 malformed"], "lower-case"),
    "prefix of the system": ("prefix: pg_mine", ["1:9 malformed"], "pg_"),
    "prefix too long": ("prefix: " + "a" * 41, ["1:9 malformed"], "at most 40"),
    "mode": ("tables: {a: {mode: yes}}", ["1:20 unknown-word"], "'yes'"),
    "mode as truth": ("tables: {a: {mode: true}}", ["1:20 unknown-word"], "true"),
    "existing": ("tables: {a: {existing: fense}}", ["1:24 unknown-word"], "did you mean fence?"),
    "ungoverned without reason": ("schemas: {public: ungoverned}", ["1:19 unknown-word"], "governed"),
    "service without reason": ("roles: {services: {etl: {read: all}}}", ["1:25 missing-key"], "reason"),
    "service reads nothing": ("roles: {services: {etl: {read: [], reason: r}}}", ["1:32 too-few"], "something"),
    "service that is an app": (
        "roles: {app: [web], services: {web: {read: all, reason: r}}}",
        ["1:32 duplicate-name"],
        "both",
    ),
    "door without reason": ("accepted: [{superuser: postgres}]", ["1:12 missing-key"], "because"),
    "door unknown": (
        "accepted: [{superuse: postgres, because: b}]",
        ["1:12 one-key", "1:13 unknown-key"],
        "did you mean superuser?",
    ),
    "hash of a view": (
        'acknowledge: [{view: v, hash: "0123456789ab", because: c}]',
        ["1:15 one-key", "1:25 unknown-key"],
        "one object",
    ),
    "hash of nothing": (
        'acknowledge: [{hash: "0123456789ab", because: c}]',
        ["1:15 one-key", "1:16 unknown-key"],
        "one object",
    ),
    "short hash": ('acknowledge: [{function: f, hash: "0123", because: c}]', ["1:35 malformed"], "12 to 64"),
    "hash in capitals": (
        'acknowledge: [{function: f, hash: "0123456789AB", because: c}]',
        ["1:35 malformed"],
        "lower case",
    ),
    "hash that is a number": (
        "acknowledge: [{function: f, hash: 123456789012, because: c}]",
        ["1:35 wrong-shape"],
        "quotes",
    ),
    "two doors in one": ("accepted: [{superuser: a, owner: b, because: c}]", ["1:12 one-key"], "one object"),
    "app not a list": ("roles: {app: web}", ["1:14 wrong-shape"], "brackets"),
    "table twice": ("tables:\n  s.t: {}\n  '\"s\".t': {}", ["3:3 duplicate-key"], "2:3"),
}


@pytest.mark.parametrize("case", PACKS)
def test_pack_error_is_found_in_its_place(case: str) -> None:
    text, expected, said = PACKS[case]
    findings = findings_of(lambda: read_pack_settings(text))
    assert places(findings) == expected
    assert said in " | ".join(f"{finding.message} | {finding.hint}" for finding in findings)
