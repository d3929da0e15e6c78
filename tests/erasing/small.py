"""Small databases with a data map of one kind of person, whose functions tests call themselves."""

from __future__ import annotations

from pathlib import Path

import psycopg

from pgerase.apply.execute import apply_plan
from pgerase.apply.prepare import prepare
from pgerase.database import Database
from pgerase.install import install
from pgerase.rules.read import read_pack
from tests.fix_database import FreshDatabase

Counts = dict[tuple[str, str, str], int]

PEOPLE = """
create schema s;
create table s.person (person_id bigint primary key, name text, boss_id bigint);
insert into s.person values (1, 'Ann', 3), (2, 'Bob', 3), (3, 'Cy', null), (4, 'Dot', 3);
"""
SUBJECT = """
version: 1
unindexed: scan
subjects: {person: {table: s.person, key: person_id, manager: boss_id}}
tables:
"""
STAYS = "  s.person: {subject: person, rows: keep}\n"
GOES = "  s.person: {subject: person, rows: delete}\n"


class Erasing:
    """A database with a map applied; people are erased by the functions it made."""

    def __init__(self, database: FreshDatabase, folder: Path, schema: str, data_map: str) -> None:
        self.prefix = database.prefix
        self.dsn = database.dsn()
        database.connect().execute(schema.encode())
        (folder / "data_map.yaml").write_text(data_map, encoding="utf-8")
        (folder / "pack.yaml").write_text(f"version: 1\nname: small\nprefix: {self.prefix}\n", encoding="utf-8")
        with Database.open(database.dsn()) as opened:
            pack = read_pack(folder)
            install(opened, self.prefix)
            plan = prepare(opened, pack).plan
            assert plan.refusals == (), [one.message for one in plan.refusals]
            apply_plan(opened, plan)
        self.admin: psycopg.Connection = database.connect_admin()

    def erase(self, *keys: str) -> Counts:
        """Erase people; the counts, which the dry run gave as well."""
        planned = self.count(*keys)
        assert self.run(*keys) == planned
        return planned

    def count(self, *keys: str) -> Counts:
        """What the dry run says."""
        return self._call("count_person", keys)

    def run(self, *keys: str) -> Counts:
        """Erase people, whatever a dry run would say."""
        return self._call("erase_person", keys)

    def rows(self, query: str) -> list[tuple]:
        return self.admin.execute(query.encode()).fetchall()

    def _call(self, function: str, keys: tuple[str, ...]) -> Counts:
        tokens = [f"{number:026}" for number in range(len(keys))]
        found = self.admin.execute(
            f"select * from {self.prefix}_eraser.{function}(%s::text[], %s::text[], %s::boolean[])".encode(),
            [list(keys), tokens, [False] * len(keys)],
        )
        return {(person, relation, strategy): hits for person, relation, strategy, hits in found.fetchall()}
