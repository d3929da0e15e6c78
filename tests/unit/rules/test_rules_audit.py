"""`audit.yaml`: the design's example says what the design says; everything wrong is found in its place, alone and in a pack."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgerase.errors import Finding, Position, Severity
from pgerase.rules.audit import (
    Announce,
    AuditRules,
    BreakGlass,
    Capture,
    Context,
    Keep,
    ListedColumn,
    LogRules,
    OpenedLink,
    Period,
    PersonalColumn,
    ProfileKeep,
    Seal,
    Support,
)
from pgerase.rules.check_audit import advice
from pgerase.rules.conditions import All, Condition, InGroup, Literal, Operator, Span, Test
from pgerase.rules.names import Path as RulePath
from pgerase.rules.names import Step, TableColumns, TableName
from pgerase.rules.pack import Pack
from pgerase.rules.read import read_pack
from pgerase.rules.read_audit import read_audit
from tests.unit.rules.support import findings_of, places

DESIGN = Path(__file__).parent / "design"
SIX_MONTHS = Span(6, 0, 0)


def at(line: int, column: int, file: str = "audit.yaml") -> Position:
    return Position(file, line, column)


def is_type(word: str, line: int, column: int, value: int) -> Condition:
    """`{user_type: word}`, the test and its value where the file has them."""
    return Test(RulePath((Step(("user_type",)),)), Operator.EQ, Literal(word, at(line, value)), at(line, column))


def design() -> AuditRules:
    rules = read_pack(DESIGN).audit
    assert rules is not None
    return rules


def test_design_example_reads_to_exact_values() -> None:
    user, owner = TableName("app_user", "cs"), TableName("call_to_action", "cs")
    assert design() == AuditRules(
        log=LogRules(Period.MONTH, 3, Keep(SIX_MONTHS, (), at(2, 41)), Context.REQUIRED, at(2, 6)),
        captures=(
            Capture(
                TableName("company", "cs"),
                (ListedColumn("search_vector", at(4, 25)),),
                (ListedColumn("notes", at(4, 48)),),
                (),
                None,
                at(4, 3),
            ),
            Capture(
                user,
                (),
                (),
                (
                    PersonalColumn("email", "user_id", None, at(5, 28), at(5, 35)),
                    PersonalColumn("phone", "user_id", None, at(5, 44), at(5, 51)),
                ),
                None,
                at(5, 3),
            ),
            Capture(owner, (), (), (), Keep(Span(24, 0, 0), (), at(6, 29)), at(6, 3)),
        ),
        support=Support(
            who=is_type("support_agent", 8, 9, 20),
            links=(OpenedLink(TableColumns(owner, ("owner_id",)), at(9, 11)),),
            switch=TableColumns(user, ("allow_support",)),
            longest=Span(0, 0, 4 * 3600),
            break_glass=BreakGlass(
                is_type("support_lead", 12, 23, 34), True, Span(0, 0, 24 * 3600), at(12, 16), at(12, 85)
            ),
            announce=Announce("pgerase_support", "SUPPORT_WEBHOOK_URL", True, at(13, 13)),
            staff_names=False,
            at=at(8, 3),
            switch_at=at(10, 11),
            longest_at=at(11, 12),
        ),
        seal=Seal(Span(0, 0, 600), "PGERASE_SEAL_KEY", "anchors.jsonl", None, at(15, 7)),
        at=at(1, 1),
    )


def test_design_example_leaves_nothing_to_think_about() -> None:
    assert advice(design()) == ()


def test_everything_but_the_version_has_a_default() -> None:
    rules = read_audit("version: 1\n")
    log = LogRules(Period.MONTH, 3, Keep(SIX_MONTHS, (), at(1, 1)), Context.RECORDED, at(1, 1))
    assert rules == AuditRules(log, (), None, None, at(1, 1))


def test_keys_of_log_and_seal_have_defaults() -> None:
    rules = read_audit("version: 1\nlog: {}\nseal: {key_env: KEY}\n")
    assert rules.log == LogRules(Period.MONTH, 3, Keep(SIX_MONTHS, (), at(2, 6)), Context.RECORDED, at(2, 6))
    assert rules.seal == Seal(Span(0, 0, 600), "KEY", None, None, at(3, 7))


@pytest.mark.parametrize("body", ["", " {}", " null", " ~"])
def test_a_table_with_nothing_said_is_captured_whole(body: str) -> None:
    (capture,) = read_audit(f"version: 1\ncapture:\n  cs.x:{body}\n").captures
    assert capture == Capture(TableName("x", "cs"), (), (), (), None, at(3, 3))


def test_a_value_may_name_the_subject_whose_it_is() -> None:
    (capture,) = read_audit("version: 1\ncapture: {t: {personal: {a: {employee: u}, u: u}}}\n").captures
    assert capture.personal == (
        PersonalColumn("a", "u", "employee", at(2, 26), at(2, 30)),
        PersonalColumn("u", "u", None, at(2, 44), at(2, 47)),
    )


def test_profiles_have_lengths_of_their_own() -> None:
    keep = read_audit("version: 1\nlog: {keep: {default: 6 months, profiles: {us: 1 year, fr: 90 days}}}\n").log.keep
    profiles = (
        ProfileKeep("us", Span(12, 0, 0), at(2, 44)),
        ProfileKeep("fr", Span(0, 90, 0), at(2, 56)),
    )
    assert keep == Keep(SIX_MONTHS, profiles, at(2, 23))


def support(body: str) -> Support:
    rules = read_audit("version: 1\nsupport: {" + body + "}\n", prefix="csp").support
    assert rules is not None
    return rules


def test_support_has_defaults_but_for_who() -> None:
    whole = at(2, 10)
    announce = Announce(None, None, True, whole)
    four_hours = Span(0, 0, 4 * 3600)
    assert support("who: everyone") == Support(
        None, (), None, four_hours, None, announce, False, whole, switch_at=whole, longest_at=whole
    )


def test_who_is_a_condition_of_access_rules() -> None:
    who = support("who: {group: agents, any: [{level: 2}, {level: 3}]}").who
    assert isinstance(who, All)
    assert who.terms[0] == InGroup(("agents",), at(2, 17))


def test_conditions_of_this_file_have_names() -> None:
    text = "version: 1\nsupport: {who: {use: agents}}\nconditions: {agents: {user_type: support_agent}}\n"
    rules = read_audit(text).support
    assert rules is not None
    assert rules.who == is_type("support_agent", 3, 23, 34)


def test_whoever_breaks_the_glass_is_support_unless_said() -> None:
    who = "who: {user_type: agent}"
    glass = support(who + ", break_glass: {second_person: true}").break_glass
    assert glass == BreakGlass(is_type("agent", 2, 17, 28), True, None, at(2, 49), at(2, 49))
    everyone = support(who + ", break_glass: {who: everyone, review_within: 1 day}").break_glass
    assert everyone == BreakGlass(None, False, Span(0, 1, 0), at(2, 49), at(2, 80))


@pytest.mark.parametrize(("written", "channel"), [("true", "csp_support"), ("false", None), ("Help desk", "Help desk")])
def test_a_channel_is_named_or_follows_the_prefix(written: str, channel: str | None) -> None:
    assert support(f"who: everyone, announce: {{notify: {written}, person: false}}").announce == Announce(
        channel, None, False, at(2, 36)
    )


def test_links_and_composite_keys_are_columns_of_tables() -> None:
    links = support('who: everyone, links: [s.t.owner, "s.t(tenant, owner)"]').links
    assert links == (
        OpenedLink(TableColumns(TableName("t", "s"), ("owner",)), at(2, 34)),
        OpenedLink(TableColumns(TableName("t", "s"), ("tenant", "owner")), at(2, 45)),
    )


def line(body: str) -> str:
    """What is said on line 2."""
    return f"version: 1\n{body}\n"


def table(body: str) -> str:
    """One captured table, whose body begins at column 14."""
    return line("capture: {t: {" + body + "}}")


def staff(body: str) -> str:
    """Support for everyone; the rest begins at column 26."""
    return line("support: {who: everyone, " + body + "}")


def announced(body: str) -> str:
    """What is announced, which begins at column 37."""
    return staff("announce: {" + body + "}")


CASES: dict[str, tuple[str, list[str], str]] = {
    "no version": ("log: {}\n", ["1:1 missing-key"], "version"),
    "other version": ("version: 2\n", ["1:10 wrong-version"], "version: 1"),
    "unknown section": (line("captures: {}"), ["2:1 unknown-key"], "did you mean capture?"),
    "named twice": (line("log: {}\nlog: {}"), ["3:1 duplicate-key"], "log"),
    # The log
    "unknown key of log": (line("log: {partitions: day}"), ["2:7 unknown-key"], "did you mean partition?"),
    "partition": (line("log: {partition: months}"), ["2:18 unknown-word"], "did you mean month?"),
    "ahead none": (line("log: {ahead: 0}"), ["2:14 wrong-shape"], "1 to 100"),
    "ahead too many": (line("log: {ahead: 101}"), ["2:14 wrong-shape"], "1 to 100"),
    "ahead as text": (line("log: {ahead: '3'}"), ["2:14 wrong-shape"], "whole number"),
    "context": (line("log: {context: require}"), ["2:16 unknown-word"], "did you mean required?"),
    "keep nothing": (line("log: {keep: 0 months}"), ["2:13 malformed"], "no length of time"),
    "keep a number": (line("log: {keep: 6}"), ["2:13 wrong-shape"], "say of what"),
    "keep without default": (line("log: {keep: {profiles: {us: 1 year}}}"), ["2:13 missing-key"], "default"),
    "keep of no profile": (line("log: {keep: {default: 1 year, profiles: {}}}"), ["2:41 too-few"], "profiles"),
    "keep nothing of a profile": (
        line("log: {keep: {default: 1 year, profiles: {us: 0 days}}}"),
        ["2:46 malformed"],
        "no length of time",
    ),
    "keep less than a month": (line("log: {keep: 3 days}"), ["2:13 keep-too-short"], "a month"),
    "keep less than four weeks": (line("log: {keep: 27 days 23 hours}"), ["2:13 keep-too-short"], "log.partition"),
    "keep less than a week": (line("log: {partition: week, keep: 6 days}"), ["2:30 keep-too-short"], "a week"),
    "keep less than a day": (line("log: {partition: day, keep: 23 hours}"), ["2:29 keep-too-short"], "a day"),
    "keep a profile less": (
        line("log: {keep: {default: 1 year, profiles: {us: 1 week}}}"),
        ["2:42 keep-too-short"],
        "people of us",
    ),
    "keep the default less": (
        line("log: {keep: {profiles: {us: 1 year}, default: 1 week}}"),
        ["2:47 keep-too-short"],
        "entries are kept",
    ),
    "keep a table less": (table("keep: 1 week"), ["2:21 keep-too-short"], "entries"),
    # Capture
    "nothing captured": (line("capture: {}"), ["2:10 too-few"], "found nothing"),
    "table as word": (line("capture: {t: all}"), ["2:14 wrong-shape"], "a captured table"),
    "table twice": (line("capture: {s.t: {}, '\"s\".t': {}}"), ["2:20 duplicate-key"], "2:11"),
    "table of three parts": (line("capture: {a.b.c: {}}"), ["2:11 malformed"], "schema.table"),
    "unknown key of a table": (table("exept: [a]"), ["2:15 unknown-key"], "did you mean except?"),
    "except one": (table("except: a"), ["2:23 wrong-shape"], "brackets"),
    "except none": (table("except: []"), ["2:23 too-few"], "something"),
    "except twice": (table("except: [a, a]"), ["2:27 duplicate-name"], "twice"),
    "except and mask": (table("except: [a], mask: [b, a]"), ["2:38 duplicate-name"], "except already, and under mask"),
    "except and personal": (table("except: [a], personal: {a: u}"), ["2:39 duplicate-name"], "2:24"),
    "mask and personal": (table("personal: {a: u}, mask: [a]"), ["2:26 duplicate-name"], "under mask already"),
    "mask quoted and bare": (table("mask: [a, '\"a\"']"), ["2:25 duplicate-name"], "twice"),
    "personal of nobody": (table("personal: {a: {}}"), ["2:29 one-subject"], "one subject"),
    "personal of two": (table("personal: {a: {p: u, q: u}}"), ["2:29 one-subject"], "one subject"),
    "personal by lookup": (table("personal: {a: u.id}"), ["2:29 malformed"], "name"),
    # Support
    "who has to be said": (line("support: {longest: 1 hour}"), ["2:10 missing-key"], "everyone has to be said"),
    "who is nobody": (line("support: {who: none}"), ["2:16 unknown-word"], "everyone"),
    "who is empty": (line("support: {who: {}}"), ["2:16 empty-condition"], "everything"),
    "who is a role": (line("support: {who: {role: web}}"), ["2:17 no-role-here"], "role"),
    "unknown key of support": (staff("link: [a.b]"), ["2:26 unknown-key"], "did you mean links?"),
    "link of no column": (staff("links: [t]"), ["2:34 malformed"], "schema.table.column"),
    "link twice": (staff("links: [a.b, a.b]"), ["2:39 duplicate-name"], "2:34"),
    "switch of no table": (staff("switch: allow"), ["2:34 malformed"], "schema.table.column"),
    "switch of two columns": (staff('switch: "t(a, b)"'), ["2:34 malformed"], "one boolean column"),
    "longest nothing": (staff("longest: 0 hours"), ["2:35 malformed"], "no length of time"),
    "glass by itself": (staff("break_glass: {who: everyone}"), ["2:39 no-safeguard"], "second_person: true"),
    "glass of one person": (staff("break_glass: {second_person: false}"), ["2:39 no-safeguard"], "review_within"),
    "glass misspelt": (
        staff("break_glass: {second_person: true, review_in: 1 day}"),
        ["2:61 unknown-key"],
        "did you mean review_within?",
    ),
    "channel too long": (announced("notify: " + "é" * 32), ["2:45 malformed"], "63 bytes"),
    "channel a number": (announced("notify: 7"), ["2:45 wrong-shape"], "true, or"),
    "channel blank": (announced("notify: ' '"), ["2:45 blank-text"], "channel"),
    "address in the file": (
        announced("webhook_env: 'https://hooks.example/T0/B0'"),
        ["2:50 secret-in-file"],
        "is a secret",
    ),
    "variable with a dash": (announced("webhook_env: SUPPORT-URL"), ["2:50 malformed"], "variable"),
    "variable with a dollar": (announced("webhook_env: $SUPPORT_URL"), ["2:50 malformed"], "variable"),
    "names as text": (staff("staff_names: yes"), ["2:39 wrong-shape"], "true or false"),
    # The seal
    "seal without key": (line("seal: {}"), ["2:7 missing-key"], "key_env"),
    "seal always": (line("seal: {every: 0 seconds, key_env: K}"), ["2:15 malformed"], "no length of time"),
    "key in the file": (line("seal: {key_env: " + "ab" * 32 + "}"), ["2:17 malformed"], "is a secret"),
    "key of digits": (line("seal: {key_env: " + "12" * 32 + "}"), ["2:17 malformed"], "is a secret"),
    "anchor nowhere": (line("seal: {key_env: K, anchor: {}}"), ["2:28 missing-key"], "webhook_env"),
    "anchor misspelt": (line("seal: {key_env: K, anchor: {flie: a}}"), ["2:29 unknown-key"], "did you mean file?"),
    "anchor at an address": (
        line("seal: {key_env: K, anchor: {webhook_env: 'http://a.example'}}"),
        ["2:42 secret-in-file"],
        "an address",
    ),
    "anchor in a file at an address": (
        line("seal: {key_env: K, anchor: {file: 'https://a.example/T0'}}"),
        ["2:35 secret-in-file"],
        "webhook_env",
    ),
    "a number alone": (line("log: {keep: 5}"), ["2:13 wrong-shape"], "say of what: 5 hours, 5 days or 5 months"),
    "a number in quotes": (line("log: {keep: '5'}"), ["2:13 malformed"], "'5' has no unit | say of what: 5 hours"),
    "access longer than the log": (
        line("log: {keep: 3 months}\nsupport: {who: everyone, longest: 400 days}"),
        ["3:35 access-too-long"],
        "for longer than what the log says of it is kept (log.keep) | shorten longest:",
    ),
    "reviewed after the log": (
        line("support: {who: everyone, break_glass: {review_within: 6 months}}"),
        ["2:55 access-too-long"],
        "review_within",
    ),
    "captured, and not on purpose": (
        line("capture: {cs.t: {}}\nuncaptured: {cs.t: why, cs.u: ''}"),
        ["3:31 blank-text"],
        "the reason",
    ),
    "captured, and left out on purpose": (
        line("capture: {cs.t: {}}\nuncaptured: {cs.t: why, 'cs.*': no}"),
        ["3:14 duplicate-name"],
        "it is captured at audit.yaml:2:11",
    ),
    "several at once": (
        line("log: {ahead: 0}\ncapture: {t: {mask: a}}\nsupport: {}"),
        ["2:14 wrong-shape", "3:21 wrong-shape", "4:10 missing-key"],
        "who",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_error_is_found_in_its_place(case: str) -> None:
    text, expected, said = CASES[case]
    findings = findings_of(lambda: read_audit(text))
    assert places(findings) == expected
    assert said in " | ".join(f"{finding.message} | {finding.hint}" for finding in findings)


@pytest.mark.parametrize(
    "body",
    [
        "support: {who: everyone, announce: {webhook_env: 'https://hooks.example/T0/B0/c0ffee'}}",
        "support: {who: everyone, announce: {webhook_env: c0ffee-c0ffee}}",
        "seal: {key_env: c0ffee+c0ffee=}",
        "seal: {key_env: c0ffeec0ffeec0ffeec0ffeec0ffeec0ffee}",
    ],
)
def test_a_secret_in_the_file_is_not_shown_again(body: str) -> None:
    """Reports show the line of a finding, and end up in the logs of a build."""
    (finding,) = findings_of(lambda: read_audit(line(body)))
    assert finding.at is not None
    assert "c0ffee" not in repr(finding) + finding.at.text


@pytest.mark.parametrize(
    "log",
    [
        "{partition: month, keep: 1 month}",
        "{partition: month, keep: 30 days}",
        "{partition: month, keep: 4 weeks}",
        "{partition: week, keep: 7 days}",
        "{partition: day, keep: 24 hours}",
        "{ahead: 100}",
    ],
)
def test_a_partition_may_be_as_long_as_entries_are_kept(log: str) -> None:
    assert read_audit(line(f"log: {log}")).log.at == at(2, 6)


# Beside the other files of a pack

MAP = """version: 1
subjects: {person: {table: s.person, key: id}, visitor: {key: ip}}
tables:
  s.person: {subject: person, rows: keep}
  s.task: {links: {owner_id: person, "a, b": person}, rows: keep}
profiles: {us: {when: {country: US}, tables: {s.task: {rows: delete}}}}
"""


def access(identity: str) -> str:
    return f"version: 1\nviewers: {{table: s.person, key: id, identity: {identity}}}\ngroups: {{agents: {{members: [1]}}}}\n"


def pack(folder: Path, audit: str, access_text: str | None, map_text: str | None) -> Path:
    for name, text in (("audit", line(audit)), ("access", access_text), ("data_map", map_text)):
        if text is not None:
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


BESIDE: dict[str, tuple[str, str | None, str | None, list[str], str]] = {
    "support without access": ("support: {who: everyone}", None, MAP, ["2:10 no-viewers"], "viewers:"),
    "support without viewers": ("support: {who: everyone}", "version: 1\n", MAP, ["2:10 no-viewers"], "viewers:"),
    "support by setting": ("support: {who: everyone}", access("setting"), MAP, ["2:10 forgeable-identity"], "token"),
    "support by claims": (
        "support: {who: everyone}",
        access("{claims: sub}"),
        MAP,
        ["2:10 forgeable-identity"],
        "claims can be forged",
    ),
    "support without map": ("support: {who: everyone}", access("token"), None, ["2:10 no-data-map"], "data_map.yaml"),
    "support without people": (
        "support: {who: everyone}",
        access("token"),
        "version: 1\nsubjects: {visitor: {key: ip}}\n",
        ["2:10 no-subject"],
        "has a table",
    ),
    "group": ("support: {who: {group: agent}}", access("role"), MAP, ["2:17 unknown-group"], "did you mean agents?"),
    "group of the glass": (
        "support: {who: everyone, break_glass: {who: {group: leads}, second_person: true}}",
        access("role"),
        MAP,
        ["2:46 unknown-group"],
        "agents",
    ),
    "relation": (
        "support: {who: {a: {in: {viewer: b, where: {c: 1}}}}}",
        access("role"),
        MAP,
        ["2:25 not-a-relation"],
        "relations",
    ),
    "link": (
        "support: {who: everyone, links: [s.task.owner]}",
        access("token"),
        MAP,
        ["2:34 unknown-link"],
        "did you mean s.task.owner_id?",
    ),
    "link of a table not in the map": (
        "support: {who: everyone, links: [s.task.owner_id, other.task.owner_id]}",
        access("token"),
        MAP,
        ["2:51 unknown-link"],
        "other.task.owner_id is no link",
    ),
    "switch of another table": (
        "support: {who: everyone, switch: s.task.allow}",
        access("token"),
        MAP,
        ["2:34 other-table"],
        "s.person",
    ),
    "personal without map": ("capture: {t: {personal: {a: u}}}", None, None, ["2:26 no-data-map"], "data_map.yaml"),
    "personal of no subject": (
        "capture: {t: {personal: {a: {persn: u}}}}",
        None,
        MAP,
        ["2:30 unknown-subject"],
        "did you mean person?",
    ),
    "profile": (
        "log: {keep: {default: 1 year, profiles: {uk: 1 year}}}",
        None,
        MAP,
        ["2:42 unknown-profile"],
        "us",
    ),
    "profile of a table": (
        "capture: {t: {keep: {default: 1 year, profiles: {uk: 1 year}}}}",
        None,
        MAP,
        ["2:50 unknown-profile"],
        "us",
    ),
    "profile without map": (
        "log: {keep: {default: 1 year, profiles: {us: 1 year}}}",
        None,
        None,
        ["2:42 unknown-profile"],
        "data_map.yaml",
    ),
}


@pytest.mark.parametrize("case", BESIDE)
def test_error_beside_the_other_files_is_found_in_its_place(case: str, tmp_path: Path) -> None:
    audit, access_text, map_text, expected, said = BESIDE[case]
    findings = findings_of(lambda: read_pack(pack(tmp_path, audit, access_text, map_text)))
    assert places(findings) == expected
    assert {finding.at.file for finding in findings if finding.at is not None} == {"audit.yaml"}
    assert said in " | ".join(f"{finding.message} | {finding.hint}" for finding in findings)


@pytest.mark.parametrize("identity", ["token", "role"])
def test_support_is_sound_with_an_identity_that_cannot_be_forged(identity: str, tmp_path: Path) -> None:
    """S5: a grant is one viewer's, so nobody may be able to pass for another."""
    audit = (
        'support: {who: {group: agents}, links: [task.owner_id, "s.task(a, b)"], switch: person.allow}\n'
        "capture: {s.task: {personal: {owner_id: {person: owner_id}}}}"
    )
    read: Pack = read_pack(pack(tmp_path, audit, access(identity), MAP))
    assert read.audit is not None
    assert read.audit.support is not None
    assert read.audit.support.links[1].columns.columns == ("a", "b")


def test_a_file_that_cannot_be_read_is_not_held_against_the_audit(tmp_path: Path) -> None:
    audit = "support: {who: {group: agents}}\ncapture: {t: {personal: {a: u}}}"
    findings = findings_of(lambda: read_pack(pack(tmp_path, audit, "version: 1\nviewer: 1\n", "version: 2\n")))
    assert {finding.at.file for finding in findings if finding.at is not None} == {"access.yaml", "data_map.yaml"}


def test_capture_may_come_from_several_files(tmp_path: Path) -> None:
    folder = pack(tmp_path, "include: more.yaml\ncapture: {a: {}}", None, None)
    (folder / "more.yaml").write_text("capture: {b: {mask: [x]}}\n")
    rules = read_pack(folder).audit
    assert rules is not None
    assert [(str(capture.table), str(capture.at)) for capture in rules.captures] == [
        ("a", "audit.yaml:3:11"),
        ("b", "more.yaml:1:11"),
    ]


def test_log_cannot_come_from_two_files(tmp_path: Path) -> None:
    folder = pack(tmp_path, "include: more.yaml\nlog: {ahead: 2}", None, None)
    (folder / "more.yaml").write_text("log: {ahead: 3}\n")
    assert [str(finding.at) for finding in findings_of(lambda: read_pack(folder))] == ["more.yaml:1:1"]


ADVICE: dict[str, tuple[str, list[tuple[str, Severity, str]]]] = {
    "three years": ("log: {keep: 36 months}\ncapture: {t: {}}", []),
    "three years and a day": (
        "log: {keep: 36 months 1 day}\ncapture: {t: {}}",
        [("long-keep", Severity.WARNING, "2:13")],
    ),
    "three years in days": ("log: {keep: 1096 days}\ncapture: {t: {}}", []),
    "a table's four years": ("capture: {t: {keep: 4 years}}", [("long-keep", Severity.WARNING, "2:21")]),
    "a profile's four years": (
        "log: {keep: {default: 1 year, profiles: {us: 4 years}}}\ncapture: {t: {}}",
        [("long-keep", Severity.WARNING, "2:42")],
    ),
    "four years, with the reason": (
        "log: {keep: {default: 4 years, because: the law of accounts}}\ncapture: {t: {}}",
        [("long-keep", Severity.NOTE, "2:23")],
    ),
    "a reason of the log's is none for a table's": (
        "log: {keep: {default: 4 years, because: the law of accounts}}\ncapture: {t: {keep: 5 years}}",
        [("long-keep", Severity.NOTE, "2:23"), ("long-keep", Severity.WARNING, "3:21")],
    ),
    "a reason for what needs none": ("log: {keep: {default: 1 year, because: habit}}\ncapture: {t: {}}", []),
    "nothing": ("log: {}", [("nothing-captured", Severity.WARNING, "1:1")]),
    "nothing, on purpose": ("uncaptured: {'cs.*': the warehouse does it}", []),
    "told to nobody": ("support: {who: everyone}", [("unannounced", Severity.NOTE, "2:10")]),
    "told to the person alone": (
        "support: {who: everyone, announce: {person: true}}",
        [("unannounced", Severity.NOTE, "2:36")],
    ),
    "told to the team": ("support: {who: everyone, announce: {notify: true}}", []),
    "access for ten days": (
        "support: {who: everyone, longest: 10 days, announce: {notify: true}}",
        [("long-access", Severity.WARNING, "2:35")],
    ),
    "anchored nowhere": ("capture: {t: {}}\nseal: {key_env: K}", [("no-anchor", Severity.NOTE, "3:7")]),
}


@pytest.mark.parametrize("case", ADVICE)
def test_what_can_be_done_and_should_be_thought_about(case: str) -> None:
    """E5: more than three years is far more than the CNIL's deliberation 2021-122 names (6 to 12 months)."""
    text, expected = ADVICE[case]
    found: tuple[Finding, ...] = advice(read_audit(line(text)))
    assert [
        (one.code, one.severity, f"{one.at.line}:{one.at.column}") for one in found if one.at is not None
    ] == expected
