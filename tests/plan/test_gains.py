"""`plan` says who gains or loses rows (issue 4, section 7): what the ledger keeps, what is proven, what live data show."""

from __future__ import annotations

import json

import pytest

from pgerase.cli.main import main

VIEWERS = "version: 1\nviewers: {table: cs.person, key: id, identity: setting, super_admin: {admin: true}}\n"
OWNER = "{name: owner, rows: {owner_id: {eq: {viewer: key}}}, can: [write]}"


def access(*rules: str, more: str = "", everyone: str = "none") -> str:
    listed = "".join(f"\n      - {rule}" for rule in rules)
    return (
        f"{VIEWERS}resources:\n  company:\n    table: cs.company\n    everyone: {everyone}\n"
        f"{f'    rules:{listed}' if rules else ''}\n{more}"
    )


@pytest.fixture
def pack(site, tmp_path):
    site.sql(
        "create table cs.person (id int primary key, admin boolean not null default false, region text);"
        "insert into cs.person values (0, false), (1, false), (2, true);"
        f'grant select on cs.person to "{site.app}"'
    )
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "pack.yaml").write_text(
        f"version: 1\nname: small\nprefix: {site.prefix}\n"
        f"roles: {{app: [{site.app}], services: {{{site.dump}: {{read: all, reason: dumps}}}}}}\n",
        encoding="utf-8",
    )
    return folder


@pytest.fixture
def run(site, pack, capsys):
    """`run(rules, "plan", …)` writes the rule file and gives (exit code, standard output, standard error)."""

    def call(rules: str, *arguments: str) -> tuple[int, str, str]:
        (pack / "access.yaml").write_text(rules, encoding="utf-8")
        code = main(["--dsn", site.database.dsn(), "--pack", str(pack), *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def gains(out: str) -> list[str]:
    """The lines below the steps."""
    printed = out.splitlines()
    return [line.strip() for line in printed[printed.index("who gains or loses rows:") + 1 :]]


def test_governing_and_changing_and_leaving(run, site):
    # Governed for the first time: grants alone decided before, so that nobody can gain.
    # 0 and 1 keep three companies of nine each, super admin 2 all of them, and who is nobody none.
    assert gains(run(access(OWNER), "plan")[1]) == [
        "cs.company, every action: narrows: nobody gains (proven); somebody loses (21 of 36 pairs of viewer and row looked at)"
    ]
    assert run(access(OWNER), "apply", "--yes")[0] == 0

    # A rule more: nobody can lose; somebody gains, for there are rows and a viewer to show it.
    more = "{name: regional, who: {region: {is_null: true}}, rows: {id: {lt: 4}}, can: [read]}"
    code, out, _ = run(access(OWNER, more), "--format", "json", "plan")
    assert code == 0
    read = next(one for one in json.loads(out)["compared"] if one["action"] == "read")
    assert (read["verdict"], read["gains"]["basis"], read["losses"]["basis"]) == ("widens", "seen", "rules")
    # Persons 0 and 1 (person 2 is super admin) see companies 1 to 3 beside their own: 0 owns 3, 1 owns 1.
    assert read["gains"]["seen"] == 4
    others = [one for one in json.loads(out)["compared"] if one["action"] != "read"]
    assert {one["verdict"] for one in others} == {"same"}

    # What cannot show today is not proven, and nothing is guessed.
    never = "{name: later, rows: {id: {gt: 1000}}, can: [read]}"
    (line, rest) = gains(run(access(OWNER, never), "plan")[1])
    assert line == (
        "cs.company, read: at most widens: whether anybody gains is unknown"
        " (the solver does not rule it out; live data do not show it); nobody loses (proven)"
    )
    assert rest == "the rest: the same for everyone, proven (3 of 4)"

    # The same in other words, and words that a solver sees through.
    twice = "{name: owner again, rows: {all: [{owner_id: {eq: {viewer: key}}}, {id: {ge: 0}}]}, can: [read]}"
    assert gains(run(access(OWNER, twice), "plan")[1]) == ["everything: the same for everyone, proven (4 of 4)"]

    # A column that only super admins may change: 2 may, 0 and 1 may no longer, on all nine rows, nor may who is nobody.
    guarded = access(OWNER, more="    columns: {name: {update: {admin: true}}}\n")
    assert gains(run(guarded, "plan")[1]) == [
        "cs.company.name, update: narrows: nobody gains (proven); somebody loses (27 of 36 pairs of viewer and row looked at)",
        "the rest: the same for everyone, proven (6 of 7)",
    ]

    # Left to itself again.
    run(access(OWNER, more), "apply", "--yes")
    kept = site.admin(f"select rules from {site.prefix}_internal.applied_rules")
    assert '"regional"' in kept[0][0]
    assert run(access(OWNER, more), "revert", "--yes", "--allow-drop")[0] == 0
    assert site.admin(f"select count(*) from {site.prefix}_internal.applied_rules") == [(0,)]


def test_off_and_ledgers_that_say_nothing(run, site):
    run(access(OWNER), "apply", "--yes")
    # Unchanged: nothing to compare.
    assert "who gains" not in run(access(OWNER), "plan")[1]
    assert run(access(OWNER), "off", "cs.company", "--yes")[0] == 0
    assert '"governed":[]' in site.admin(f"select rules from {site.prefix}_internal.applied_rules")[0][0]
    (line,) = gains(run(access(OWNER), "plan")[1])
    assert line.startswith("cs.company, every action: narrows: nobody gains (proven); somebody loses")
    run(access(OWNER), "apply", "--yes")
    # A ledger of an earlier version has objects and no rules: what it had in force is not guessed.
    site.admin(f"delete from {site.prefix}_internal.applied_rules")
    (line,) = gains(run(access(OWNER), "plan")[1])
    assert line.startswith(
        "cs.company, every action: unknown: whether anybody gains is unknown (the ledger does not say"
    )
    # The next apply records them, though it has nothing else to do.
    assert "run" in run(access(OWNER), "apply", "--yes")[1]
    assert "who gains" not in run(access(OWNER), "plan")[1]
    assert run(access(OWNER), "apply", "--yes")[1].strip() == "apply: nothing to do"


def test_a_plan_file_says_it_too_and_is_the_same_plan(run, site, tmp_path):
    run(access(OWNER), "apply", "--yes")
    file = tmp_path / "plan.json"
    out = run(access(OWNER, everyone="read"), "plan", "-o", str(file))[1]
    assert "cs.company, read: widens" in out
    code, _, err = run(access(OWNER, everyone="read"), "apply", str(file), "--yes", "--verbose")
    assert code == 0
    assert "cs.company, read: widens" in err


def test_others_policies_are_not_judged(run, site, pack):
    site.sql("alter table cs.company enable row level security; create policy theirs on cs.company using (true)")
    settings = pack / "pack.yaml"
    settings.write_text(settings.read_text() + "tables: {cs.company: {mode: on, existing: replace}}\n")
    (line,) = gains(run(access(OWNER), "plan")[1])
    assert line.startswith("cs.company, every action: unknown")
    assert "other policies decide about the table as well" in line
