"""Trials of erasing: schemas, maps, rows and requests drawn from a seed, erased in a database and compared with the meaning."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import psycopg
import yaml
from psycopg.rows import dict_row

from pgerase.catalog.model import Catalog, Name
from pgerase.catalog.read import read_catalog
from pgerase.compile import Desired, compile_pack
from pgerase.compile.desired import DesiredFunction, DesiredGrant, DesiredPolicy, DesiredTrigger
from pgerase.database import Database
from pgerase.errors import Finding, RuleFileError, Severity
from pgerase.install import install
from pgerase.render import statements
from pgerase.rules.data_map import DataMap
from pgerase.rules.pack import Pack
from pgerase.rules.read_data_map import read_data_map
from pgerase.rules.read_pack import default_settings
from tests.fix_database import FreshDatabase
from tests.property.erasing_data import Data, draw_data
from tests.property.erasing_maps import SUBJECT, DrawnMap, draw_map
from tests.property.erasing_meaning import Erasing, Outcome
from tests.property.erasing_values import Asked, Ledger, Tokens
from tests.property.erasing_world import PERSON, SCHEMA, World, draw_world, ident, listed, q, script

MAPS, STATES = 3, 3
"""Maps a schema, and sets of rows a map."""

State = dict[Name, list[dict[str, Any]]]
Counts = Counter[tuple[str, str, str]]


class Failed(AssertionError):
    """The database and the meaning differ."""


@dataclass
class Tally:
    """What was tried."""

    maps: int = 0
    refused: int = 0
    cases: int = 0
    people: int = 0
    batches: int = 0
    """Cases with several people."""
    alike: int = 0
    """… in which one batch comes to the same rows as one person after the other,"""
    alike_counts: int = 0
    """… and to the same counts."""
    settled: int = 0
    """Cases in which a second erasure means nothing new."""
    codes: Counter[str] = field(default_factory=Counter)
    strategies: Counter[str] = field(default_factory=Counter)
    searched: int = 0

    def __str__(self) -> str:
        return (
            f"{self.cases} cases of {self.maps} maps ({self.refused} refused: {dict(self.codes)}), {self.people} people, "
            f"{dict(self.strategies)}; {self.settled} settled; of {self.batches} batches {self.alike} come to the same as one "
            f"by one, {self.alike_counts} with the same counts; {self.searched} secrets searched"
        )


@dataclass(frozen=True)
class Case:
    """Everything one case is made of."""

    world: World
    drawn: DrawnMap
    data: Data


@dataclass
class Laboratory:
    """A database with pgerase installed, and the connections of its owner and of a superuser."""

    prefix: str
    database: Database
    connection: psycopg.Connection
    owner: psycopg.Connection
    owner_name: str

    @classmethod
    def build(cls, database: FreshDatabase) -> Laboratory:
        opened = Database.open(database.dsn())
        install(opened, database.prefix)
        connection = psycopg.connect(database.admin_dsn, autocommit=True, row_factory=dict_row, prepare_threshold=None)
        for setting in (
            "search_path = ''",
            "jit = off",
            "plan_cache_mode = force_generic_plan",
            "timezone = 'Asia/Kolkata'",
        ):
            connection.execute(f"set {setting}")
        p = database.prefix
        connection.execute(f"""
            create or replace function {p}_internal.is_erased(p_subject text, p_key text) returns boolean
                language sql stable
                as $$ select p_key = any (current_setting('test.erased', true)::text[]) $$;
            create or replace function {p}_internal.is_requested(p_subject text, p_key text) returns boolean
                language sql stable
                as $$ select p_key = any (current_setting('test.requested', true)::text[]) $$;
        """)
        return cls(database.prefix, opened, connection, database.connect(), database.owner)

    def close(self) -> None:
        self.database.close()
        self.connection.close()

    def make(self, world: World) -> Catalog:
        """The schema instead of the one before, and its catalog."""
        self.drop()
        self.owner.execute(script(world).encode())
        return read_catalog(self.database)

    def drop(self) -> None:
        self.owner.execute(f"drop schema if exists {SCHEMA} cascade")

    def compile(self, drawn: DrawnMap, catalog: Catalog) -> tuple[str, DataMap, Desired] | tuple[Finding, ...]:
        text = yaml.safe_dump(drawn.spec, allow_unicode=True, sort_keys=False, width=120)
        try:
            data_map = read_data_map(text)
        except RuleFileError as error:
            return error.findings
        settings = replace(default_settings("property"), prefix=self.prefix)
        desired = compile_pack(Pack("", settings, None, data_map, None, ()), catalog)
        errors = tuple(finding for finding in desired.findings if finding.severity is Severity.ERROR)
        return errors or (text, data_map, desired)

    def script(self, desired: Desired) -> str:
        """Everything as `apply` would make it."""
        made: list[str] = []
        for wanted in desired.objects:
            match wanted:
                case DesiredFunction():
                    become = ident(wanted.owner or self.owner_name)
                    made += [f"set local role {become};", statements.create_function(wanted), "set local role none;"]
                case DesiredPolicy():
                    made.append(statements.create_policy(wanted))
                case DesiredTrigger():
                    made.append(statements.create_trigger(wanted))
                case DesiredGrant():
                    made.append(statements.grant(wanted))
                case _:
                    raise AssertionError(wanted)
        return "\n".join(made)

    # -- rows ----------------------------------------------------------------------------------------------------------

    def load(self, world: World, data: Data) -> None:
        """As replication does, so that rows may point in circles; `dangling` looks after constraints."""
        execute = self.connection.execute
        execute("set local session_replication_role = replica")
        for name, rows in data.rows.items():
            target = q(world, name)
            named = [{world.n(column): value for column, value in row.items()} for row in rows]
            execute(
                f"insert into {target} select * from jsonb_populate_recordset(null::{target}, %s::jsonb)".encode(),
                [json.dumps(named)],
            )
        execute("set local session_replication_role = origin")

    def state(self, world: World) -> State:
        return {
            Name(SCHEMA, world.n(name)): self.connection.execute(
                f"select * from {q(world, name)} order by rid".encode()
            ).fetchall()
            for name in world.tabs
        }

    def dangling(self, world: World) -> list[str]:
        """Foreign keys that do not hold."""
        found: list[str] = []
        for tab in world.tabs.values():
            for one in tab.pointers:
                if one.action is None:
                    continue
                mine = " and ".join(f"s.{ident(world.n(c))} is not null" for c in one.columns)
                same = " and ".join(
                    f"s.{ident(world.n(c))} = t.{ident(world.n(t))}"
                    for c, t in zip(one.columns, one.target_columns, strict=True)
                )
                query = (
                    f"select 1 from {q(world, tab.name)} s where {mine} "
                    f"and not exists (select from {q(world, one.target)} t where {same})"
                )
                if self.connection.execute(query.encode()).fetchone():
                    found.append(f"{tab.name}({listed(world, one.columns)})")
        return found

    # -- erasing -------------------------------------------------------------------------------------------------------

    def call(self, function: str, asked: Sequence[Asked], ledger: Ledger) -> Counts:
        execute = self.connection.execute
        for name, keys in (("erased", ledger.erased), ("requested", ledger.requested)):
            execute("select set_config(%s, %s::text[]::text, true)", [f"test.{name}", sorted(keys)])
        execute(f"set local role {ident(self.prefix + '_secret')}")
        rows = execute(
            f"select * from {ident(self.prefix + '_eraser')}.{ident(function)}(%s::text[], %s::text[], %s::boolean[])".encode(),
            [[one.key for one in asked], [one.token for one in asked], [one.erased for one in asked]],
        ).fetchall()
        execute("set local role none")
        execute("set constraints all immediate")
        counts: Counts = Counter()
        for row in rows:
            key = (row["person"], row["relation"], row["strategy"])
            if key in counts:
                raise Failed(f"{key} is counted twice")
            counts[key] = row["hits"]
        return counts


@dataclass
class Trials:
    """Tries maps of one seed in one laboratory."""

    laboratory: Laboratory
    seed: str
    tally: Tally = field(default_factory=Tally)

    def schema(self, number: int) -> None:
        """Everything of the `number`th schema. Raises Failed."""
        rng = Random(f"{self.seed}/{number}")
        world = draw_world(rng)
        catalog = self.laboratory.make(world)
        for which in range(MAPS):
            place = f"seed {self.seed}, schema {number}, map {which}"
            drawn = draw_map(rng, world)
            datas = [draw_data(rng, world, drawn) for _ in range(STATES)]
            self.tally.maps += 1
            compiled = self.laboratory.compile(drawn, catalog)
            if not isinstance(compiled[0], str):
                self.tally.refused += 1
                self.tally.codes.update({finding.code for finding in compiled})
                continue
            self.map(place, world, catalog, drawn, compiled, datas)

    def map(
        self, place: str, world: World, catalog: Catalog, drawn: DrawnMap, compiled: Any, datas: list[Data]
    ) -> None:
        text, data_map, desired = compiled
        execute = self.laboratory.connection.execute
        execute("begin")
        try:
            made = self.laboratory.script(desired)
            try:
                execute(made.encode())
            except psycopg.Error as error:
                raise Failed(f"what was compiled is refused: {error}") from error
            for number, data in enumerate(datas):
                trial = _Trial(self.laboratory, self.tally, Case(world, drawn, data), catalog, data_map)
                self.tally.cases += 1
                execute("savepoint rows")
                try:
                    trial.run()
                except (Failed, psycopg.Error) as error:
                    raise Failed(
                        f"{place}, rows {number}: {type(error).__name__} {error}\n\n{script(world)}\n\n{text}\n\n{trial.story()}"
                    ) from error
                finally:
                    execute("rollback to savepoint rows")
        except Failed as error:
            if place in str(error):
                raise
            raise Failed(f"{place}: {error}\n\n{script(world)}\n\n{text}") from error
        finally:
            execute("rollback")


class _Trial:
    def __init__(self, laboratory: Laboratory, tally: Tally, case: Case, catalog: Catalog, data_map: DataMap) -> None:
        self.lab = laboratory
        self.tally = tally
        self.case = case
        self.world = case.world
        self.catalog = catalog
        self.map = data_map
        self.tokens = Tokens()
        self.asked: list[Asked] = []
        rng = Random(str(case.data.asked))
        erased = {self.text(key) for key in case.data.erased}
        for key in case.data.asked:
            token = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=26))
            text = self.text(key)
            self.asked.append(Asked(text, token, text in erased))
        self.ledger = Ledger(frozenset(erased), frozenset(map(self.text, case.data.requested)))

    @staticmethod
    def text(key: tuple[Any, ...]) -> str:
        return str(key[0]) if len(key) == 1 else json.dumps([str(part) for part in key])

    def story(self) -> str:
        lines = [f"asked {self.asked}", f"{self.ledger}"]
        for name, rows in self.case.data.rows.items():
            lines += [f"{name}: {row}" for row in rows]
        return "\n".join(lines)

    def run(self) -> None:
        self.tally.people += len(self.asked)
        self.lab.load(self.world, self.case.data)
        bad = self.lab.dangling(self.world)
        assert not bad, bad
        before = self.lab.state(self.world)
        self.lab.connection.execute("savepoint once")
        after, counts = self.step("one batch", before, self.asked, self.ledger)
        self.search(after)
        self.again(after)
        self.lab.connection.execute("rollback to savepoint once")
        if len(self.asked) > 1:
            self.one_by_one(before, after, counts)

    def step(self, what: str, before: State, asked: Sequence[Asked], ledger: Ledger) -> tuple[State, Counts]:
        """Erase, and compare with the meaning."""
        expected = Erasing(self.catalog, self.map, SUBJECT, before, ledger, self.tokens).erase(asked)
        planned = self.lab.call(f"count_{SUBJECT}", asked, ledger)
        if self.lab.state(self.world) != before:
            raise Failed(f"{what}: the dry run changes rows")
        done = self.lab.call(f"erase_{SUBJECT}", asked, ledger)
        after = self.lab.state(self.world)
        self.compare(what, asked, before, after, expected)
        _same_counts(f"{what}: dry run", planned, expected.counts)
        _same_counts(f"{what}: run", done, expected.counts)
        bad = self.lab.dangling(self.world)
        if bad:
            raise Failed(f"{what}: nothing there that these point to: {bad}")
        if what == "one batch":
            for (_, _, strategy), hits in done.items():
                self.tally.strategies[strategy] += hits
        return after, done

    def compare(self, what: str, asked: Sequence[Asked], before: State, after: State, expected: Outcome) -> None:
        """Row by row; raises Failed for the first that differs."""
        for name, rows in before.items():
            now = {row["rid"]: row for row in after[name]}
            for old, wanted in zip(rows, expected.state[name], strict=True):
                row = now.pop(old["rid"], None)
                if (row is None) != (wanted is None):
                    states = "gone" if row is None else "there", "gone" if wanted is None else "there"
                    raise Failed(f"{what}: {name} rid {old['rid']} is {states[0]}, and should be {states[1]}: {old}")
                if row is None or wanted is None:
                    continue
                for column, value in wanted.items():
                    if not self.tokens.matches(row[column], value, asked):
                        raise Failed(
                            f"{what}: {name}.{column} rid {old['rid']} was {old[column]!r}, "
                            f"is {row[column]!r}, and should be {value!r}"
                        )
            if now:
                raise Failed(f"{what}: {name} has new rows: {now}")

    # -- what must hold besides ----------------------------------------------------------------------------------------

    def again(self, after: State) -> None:
        """A second erasure of the same people changes nothing more."""
        asked = [replace(one, erased=True) for one in self.asked]
        last, counts = self.step("again", after, asked, self.ledger.with_erased(one.key for one in asked))
        if last == after and {strategy for _, _, strategy in counts} <= {"keep"}:
            self.tally.settled += 1

    def one_by_one(self, before: State, once: State, counts: Counts) -> None:
        state, ledger = before, self.ledger
        total: Counts = Counter()
        for number, one in enumerate(self.asked):
            state, done = self.step(f"batch {number}", state, [one], ledger)
            ledger = ledger.with_erased([one.key])
            total.update(done)
        self.tally.batches += 1
        self.tally.alike += state == once
        self.tally.alike_counts += state == once and total == counts

    def search(self, after: State) -> None:
        """Secrets of erased people, wherever the map treats all of a column and leaves no row out."""
        rows = {name: {row["rid"]: row for row in found} for name, found in after.items()}
        text = json.dumps([[*found.values()] for found in rows.values()], default=str)
        for secret in self.secrets():
            self.tally.searched += 1
            if secret in text:
                raise Failed(f"{secret} is still there")

    def secrets(self) -> Iterator[str]:
        """What stood in the columns of the people's own rows that the map fills or clears."""
        made = self.case.drawn.spec["tables"][f"{SCHEMA}.{self.world.n(PERSON)}"]
        erased = {one.key for one in self.asked if one.erased}
        rules = made["rows"] if isinstance(made["rows"], list) else [{"do": made["rows"]}]
        lifecycle = self.world.lifecycle
        for row in self.case.data.rows[PERSON]:
            key = tuple(row[column] for column in self.world.key_columns)
            if key not in self.case.data.asked or self.text(key) in erased or (lifecycle and row["state"] == "ERASED"):
                continue
            for col in self.world.person.of_role("personal"):
                said = made["columns"].get(self.world.n(col.name), {})
                treatments = [
                    said.get("erase", "keep"),
                    *(rule.get("columns", {}).get(self.world.n(col.name), "clear") for rule in rules),
                ]
                value = row[col.name]
                if (
                    all(one == "clear" or (isinstance(one, Mapping) and "fill" in one) for one in treatments)
                    and isinstance(value, str)
                    and value.startswith("z")
                    and self.is_followed(col.name)
                ):
                    yield value

    def is_followed(self, column: str) -> bool:
        """Whether copies of an identifier are linked by it everywhere, so that they go too."""
        if column not in ("email", "login"):
            return True
        return not any(tab.identifier for tab in self.world.tabs.values())


def _same_counts(what: str, seen: Counts, expected: Counts) -> None:
    """Tables in which nothing is to do may be left out, so that rows kept as they are are counted or not."""
    different = {
        key: (seen[key], expected[key])
        for key in {*seen, *expected}
        if seen[key] != expected[key] and not (key[2] == "keep" and seen[key] == 0)
    }
    if different:
        raise Failed(f"{what}: counts differ (database, meaning): {different}")
