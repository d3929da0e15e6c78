"""S7: each way around row security has a code, a page that opens it, shows how it leaks and shuts it, and a finding with that fix.

docs/doors.md is run: what a section opens is found under its code, leaks as the section shows, and is gone after the finding's
own fix, which is the one the section prints. Everything of a section happens in one transaction that is rolled back, roles too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import yaml

from pgerase.check.door import Door, judge
from pgerase.check.door_codes import Code, ServerCode
from pgerase.check.server_version import FLOOR, HOLES, judge_server
from pgerase.rules.pack import AcceptedDoor
from tests.catalog.world import HERE, World

PAGE = Path(__file__).resolve().parents[2] / "docs" / "doors.md"
# Open from the start: whoever owns the tables can undo everything.
ALWAYS_OPEN = {Code.OWNER}
# What it takes to see these leak is another server, a replication connection, or to log in.
NOT_SHOWN = {
    Code.REPLICATION,
    Code.PRIVATE_ROLE,
    Code.TRIGGERS_OFF,
    Code.PUBLICATION,
    Code.SUBSCRIPTION,
    Code.LEAKY_INDEX,
}
# Nobody logs in any more, but who is logged in stays.
NOT_ENDED = {Code.OWNER}


@dataclass(frozen=True)
class Section:
    """One code's section: what it says, and its SQL."""

    text: str
    opening: str
    acts: tuple[tuple[str, str], ...]
    """Role and what it runs, in order; the last one shows what it should not."""
    closing: str

    @property
    def accepts(self) -> tuple[str, str]:
        """The kind and name of its entry for `accepted`."""
        entry = yaml.safe_load(re.search(r"\*Accept:\*\s+`(\{.*?\})`", self.text, re.DOTALL)[1])
        ((kind, name),) = ((key, value) for key, value in entry.items() if key != "because")
        return kind, name


def _sections() -> dict[str, Section]:
    found: dict[str, Section] = {}
    for part in re.split(r"^### ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        text = re.split(r"^## ", text, flags=re.MULTILINE)[0]
        blocks = re.findall(r"^```sql (open|close|as (\w+))\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        assert heading not in found
        found[heading] = Section(
            text,
            "".join(body for what, _, body in blocks if what == "open"),
            tuple((role, body) for _, role, body in blocks if role),
            "".join(body for what, _, body in blocks if what == "close"),
        )
    return found


SECTIONS = _sections()


def test_every_code_has_its_section_and_every_section_its_code() -> None:
    assert list(SECTIONS) == list(dict.fromkeys(SECTIONS))
    assert set(SECTIONS) == {str(code) for code in (*Code, *ServerCode)}


def test_every_known_hole_and_floor_is_on_the_page() -> None:
    text = SECTIONS[ServerCode.BELOW_CVE_FLOOR].text
    for hole in HOLES:
        assert f"| [{hole.cve}]({hole.source}) | {hole.what} |" in text
    assert ", ".join(f"{major}.{minor}" for major, minor in FLOOR.items()) in text


def test_the_live_server_is_judged_by_its_own_version(server_version: int) -> None:
    findings = judge_server(server_version)
    major, minor = divmod(server_version, 10000)
    assert bool(findings) is (minor < FLOOR[major])
    assert [finding.page for finding in findings] == ["docs/doors.md#server-below-cve-floor"] * len(findings)


class Stage:
    """The world of docs/doors.md with what the page takes for granted."""

    def __init__(self, world: World) -> None:
        self._world = world
        roles = {name: f"{world.prefix}x_{name}" for name in ("owner", "web", "etl", "other", "boss")}
        self._names = {"pgerase": world.prefix, **{f"app_{name}": role for name, role in roles.items()}}

    def real(self, text: str) -> str:
        """Text of the page with this world's names."""
        names = r"\b(app_(?:owner|web|etl|other|boss)\b|pgerase(?=\b|_))"
        return re.sub(names, lambda name: self._names[name[1]], text)

    def run(self, script: str) -> None:
        """As a superuser."""
        self._world.connection.execute(self.real(script).encode())

    def doors(self) -> list[Door]:
        """What is open now."""
        return self._world.doors()

    def leaks(self, acts: tuple[tuple[str, str], ...]) -> bool:
        """Whether the last act gets through and, where it asks for something, gets it; whatever they do is taken back."""
        with self._world.connection.transaction(force_rollback=True):
            try:
                return [self._act(self.real(role), script) for role, script in acts][-1]
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ForeignKeyViolation):
                return False
            finally:
                self._world.connection.execute("deallocate all")

    def _act(self, role: str, script: str) -> bool:
        told = re.search(r"^-- error (\w{5}):", script, re.MULTILINE)
        try:
            shown = self._world.run_as(role, self.real(script).encode())
        except psycopg.Error as error:
            if told is None or error.sqlstate != told[1]:
                raise
            return True
        return shown is not None and told is None


_PEOPLE_SEE = "coalesce(nullif(current_setting('{}.viewer', true), ''), '1')::integer"


@pytest.fixture
def stage(governed_world: World) -> Stage:
    world = governed_world
    made = [
        ("note", "service", "select to {etl} using (true)", "[pgerase exempt]"),
        ("note", "insert", "insert to {viewer} with check (id > 0)", "[pgerase rule=x sha256=00]"),
        ("company", "lookup", "select to {lookup} using (true)", "[pgerase exempt]"),
    ]
    facts = f'"{world.prefix}_lookup"'
    world.admin(
        "insert into app.company values (1, 'Ada'), (2, 'Bob'); insert into app.event values (1, 1), (2, 1);"
        "insert into app.note values (1, 1, 'own'), (2, 2, 'hidden');"
        "alter role {owner} nocreaterole; grant usage on schema app to public;"
        "grant select on app.company, app.note, app.event to {web}, {other}, {etl}, {eraser}, {lookup};"
        "grant update on app.note to {eraser}; grant select, insert on app.free to {web};"
        f"create schema {facts} authorization {{lookup}};"
        f"create view {facts}.company as select * from app.company; alter view {facts}.company owner to {{lookup}};"
        f"grant select on {facts}.company to {{viewer}};"
        + "".join(
            f'alter policy "{world.prefix}_read" on app.{table} using (id = {_PEOPLE_SEE.format(world.prefix)});'
            for table in ("company", "note", "event", "event_1")
        )
        + "".join(
            f'create policy "{world.prefix}_{name}" on app.{table} for {body};'
            f"comment on policy \"{world.prefix}_{name}\" on app.{table} is '{mark}';"
            for table, name, body, mark in made
        )
    )
    world.connection.execute("select set_config('search_path', '', true)")
    return Stage(world)


def test_before_anything_is_opened_only_the_owner_is_a_door(stage: Stage) -> None:
    assert {door.code for door in stage.doors()} == ALWAYS_OPEN


@pytest.mark.parametrize("code", list(Code))
def test_a_door_is_found_leaks_and_is_shut_by_the_fix_of_its_finding(stage: Stage, code: Code) -> None:
    section = SECTIONS[code]
    assert bool(section.opening) is (code not in ALWAYS_OPEN)
    if section.opening:
        stage.run(section.opening)
    opened = stage.doors()
    kind, name = (stage.real(part) for part in section.accepts)
    (finding,) = (finding for finding in judge(opened, ()) if (finding.code, finding.subject) == (code, name))
    assert finding.page == f"docs/doors.md#{code}"
    assert finding.severity in section.text.partition("*Accept:*")[0]
    assert finding.fix.split() == stage.real(section.closing).split()
    assert finding not in judge(opened, (AcceptedDoor(kind, name, "on purpose", HERE),))
    assert bool(section.acts) is (code not in NOT_SHOWN)
    assert code in NOT_SHOWN or stage.leaks(section.acts)
    stage.run(finding.fix)
    assert code not in {door.code for door in stage.doors()}
    assert code in NOT_SHOWN | NOT_ENDED or not stage.leaks(section.acts)


def _index_conditions(world: World, condition: str) -> str:
    """How notes are looked for as a viewer, where a sequential scan is out of the question."""
    world.connection.execute("set local enable_seqscan = off; set local enable_bitmapscan = off")
    world.connection.execute(f"set local session authorization {world.web}".encode())
    plan = world.connection.execute(f"explain (costs off) select id from app.note where {condition}".encode())
    lines = [line for (line,) in plan.fetchall()]
    world.connection.execute("reset session authorization")
    return "\n".join(line for line in lines if "Index Cond" in line)


def test_what_the_page_says_of_indexes_under_row_security_is_so(stage: Stage, governed_world: World) -> None:
    world = governed_world
    world.admin(
        f'alter policy "{world.prefix}_read" on app.note using (company_id > 0);'
        "alter table app.note add price numeric, add cents bigint, add lower_body text generated always as (lower(body)) stored;"
        'create index on app.note (lower(body)); create index on app.note (body collate "C"); create index on app.note (price);'
        "create index on app.note (cents); create index on app.note (lower_body);"
    )
    assert "lower" not in _index_conditions(world, "lower(body) = 'x'")
    assert "lower_body" in _index_conditions(world, "lower_body = 'x'")
    assert "price" not in _index_conditions(world, "price = 1.50")
    assert "cents" in _index_conditions(world, "cents = 150")
    assert "body" not in _index_conditions(world, "body collate \"C\" like 'abc%'")
    assert "body" in _index_conditions(world, "body collate \"C\" ^@ 'abc'")
