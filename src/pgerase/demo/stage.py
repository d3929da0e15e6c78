"""The database of the demo: made as an application would have it, looked at as the application does, and dumped.

It executes what a DBA and an application would; the commands of pgerase are run by the story.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pgerase.apply.programs import Program, dumping, find_pg_dump
from pgerase.counts import counted
from pgerase.database import Database, connection_environment, identifier
from pgerase.demo.casts import Cast, Measure
from pgerase.errors import DatabaseFailed, InternalError
from pgerase.server import SUPERUSER, EmbeddedServer, ServerFailed, embedded_binaries
from pgerase.session import as_viewer
from pgerase.tokens import Key, SigningKey, sign_token

_FILES = ("schema.sql", "seed.sql", "roles.sql")
_INSUFFICIENT_PRIVILEGE = "42501"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a write came to: how many rows, or what the server said when it refused."""

    rows: int
    refusal: str = ""

    def __str__(self) -> str:
        return self.refusal or counted(self.rows, "row")


class Stage:
    """One database on a private server, with a connection each for superuser, owner and application. Use as context manager."""

    def __init__(self, server: EmbeddedServer, cast: Cast, folder: Path, prefix: str) -> None:
        self._server = server
        self._cast = cast
        self._folder = folder
        self._prefix = prefix
        self._signing: SigningKey | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Make the owner and the database, and load the pack's files as the owner. Raises DatabaseFailed."""
        with ExitStack() as stack:
            with Database.open(self._server.dsn()) as database:
                owner, name = identifier(self._cast.owner), identifier(self._cast.database)
                database.run(f"create role {owner} login createrole")
                database.run(f"create database {name}")
                database.run(f"grant create on database {name} to {owner}")
            self.superuser = stack.enter_context(self._connect(SUPERUSER))
            self._owner = stack.enter_context(self._connect(self._cast.owner))
            for file in _FILES:
                self._owner.run((self._folder / file).read_text(encoding="utf-8"), what=file)
            self._app = stack.enter_context(self._connect(self._cast.login))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def _connect(self, user: str) -> Database:
        return Database.open(self._server.dsn(self._cast.database, user))

    def connection_variables(self) -> dict[str, str]:
        """Libpq's environment for connecting as the owner."""
        return connection_environment(self._server.dsn(self._cast.database, self._cast.owner), self._owner)

    @property
    def key_file(self) -> Path:
        """Where the application's sign-in service keeps its signing key: in the server's private folder."""
        return self._server.folder / "signing-key.json"

    def sign_in_with(self, file: Path) -> None:
        """From now on the application presents tokens signed with this key. Raises UsageError, OSError."""
        self._signing = SigningKey.read(file)

    # --- what the catalog says ---

    def inventory(self) -> dict[str, int]:
        """How many tables, rows and policies there are in the schema of the application."""
        tables = [
            row["name"]
            for row in self.superuser.rows(
                "select c.oid::pg_catalog.regclass::text as name from pg_catalog.pg_class as c"
                " where c.relnamespace = %s::pg_catalog.regnamespace and c.relkind in ('r', 'p') and not c.relispartition",
                [self._cast.schema],
            )
        ]
        # Spelled by the server under an empty search_path: quoted and qualified where it has to be.
        rows = sum(self.superuser.value(f"select count(*) from {name}") for name in tables)
        policies = self.superuser.value(
            "select count(*) from pg_catalog.pg_policies where schemaname = %s", [self._cast.schema]
        )
        return {"tables": len(tables), "rows": rows, "policies": policies}

    def owner_powers(self) -> dict[str, bool]:
        """The attributes of the owner that matter here, by name."""
        (row,) = self.superuser.rows(
            'select rolsuper as "superuser", rolbypassrls as "bypassrls", rolcreaterole as "createrole"'
            " from pg_catalog.pg_roles where rolname = %s",
            [self._cast.owner],
        )
        return row

    def policy(self, table: str, name: str) -> str:
        """The condition of one policy, in the server's own spelling."""
        return self.superuser.value(
            "select pg_catalog.pg_get_expr(p.polqual, p.polrelid, true) from pg_catalog.pg_policy as p"
            " where p.polrelid = %s::pg_catalog.regclass and p.polname = %s",
            [table, name],
        )

    # --- looking and writing as the application ---

    def person(self, find: str) -> tuple[Key, str]:
        """The key and the description of one person. Raises DatabaseFailed where not exactly one is found."""
        rows = self.superuser.rows(find)
        if len(rows) != 1:
            raise DatabaseFailed(f"expected one person, got {len(rows)} rows")
        return rows[0]["key"], rows[0]["person"]

    def sees(self, key: Key | None) -> list[str]:
        """Every measure, as the application's login, for a viewer or for nobody."""
        with self._for(key):
            return [self._measure(measure) for measure in self._cast.measures]

    def keys(self, key: Key | None) -> frozenset[Key]:
        """The keys of the main table that the application's login reads for a viewer or for nobody."""
        with self._for(key):
            return frozenset(row["key"] for row in self._app.rows(self._cast.keys))

    def numbers(self, key: Key) -> list[dict[str, str]]:
        """What the analyst's statement returns, as the application's login for a viewer."""
        with self._for(key):
            rows = self._app.rows(self._cast.analyst.statement)
        return [{name: str(value) for name, value in row.items()} for row in rows]

    def all_keys(self) -> frozenset[Key]:
        """The keys of the main table there are."""
        return frozenset(row["key"] for row in self.superuser.rows(self._cast.keys))

    def asks(self, key: Key, statement: str) -> list[dict[str, str]]:
        """A statement as the application's login for a viewer, committed; the rows it returns. Raises DatabaseFailed."""
        with self._for(key):
            rows = self._app.rows(statement)
        return [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]

    def refused(self, key: Key, statement: str) -> str:
        """What the server says where it refuses a statement of a viewer; empty where it does not."""
        try:
            self.asks(key, statement)
        except DatabaseFailed as error:
            return f"ERROR: {error.message}"
        return ""

    def attempt(self, key: Key, statement: str) -> Outcome:
        """A write as the application's login for a viewer, rolled back. A refusal by the rules is an outcome, no error."""
        self._app.run("begin")
        try:
            with self._for(key):
                changed = self._app.rows(f"with changed as ({statement} returning 1) select count(*) as n from changed")
            return Outcome(changed[0]["n"])
        except DatabaseFailed as error:
            if error.sqlstate != _INSUFFICIENT_PRIVILEGE:
                raise
            return Outcome(0, f"ERROR: {error.message}")
        finally:
            self._app.run("rollback")

    def _measure(self, measure: Measure) -> str:
        return str(self._app.value(measure.statement))

    @contextmanager
    def _for(self, key: Key | None) -> Generator[None]:
        if key is None:
            yield
            return
        if self._signing is None:
            raise InternalError("nobody can sign a token yet")
        with as_viewer(self._app.connection, token=sign_token(self._signing, key), prefix=self._prefix):
            yield

    # --- the one who is erased ---

    def known(self, key: Key, above: Key) -> list[str]:
        """Every measure of the leaver, as superuser."""
        return [
            str(self.superuser.value(measure.statement.format(key=key, above=above)))
            for measure in self._cast.leaver.measures
        ]

    def write_identifiers(self, key: Key) -> Path:
        """What the leaver is recognised by, in a file of the server's private folder, for the proof."""
        rows = self.superuser.rows(self._cast.leaver.identifiers.format(key=key))
        path = self._server.folder / "identifiers"
        path.write_text("".join(f"{row['name']}: {row['value']}\n" for row in rows), encoding="utf-8")
        return path

    def dump_data(self) -> str:
        """pg_dump of the rows of the application's schema, in order, as superuser. Raises Refused."""
        text = self._dump("pg_dump", f"--schema={self._cast.schema}", "--data-only", "--inserts")
        return "".join(sorted(text.splitlines(keepends=True)))

    # --- dumps ---

    def dump_schema(self) -> str:
        """pg_dump of the application's schema, as superuser. Raises Refused."""
        return self._dump("pg_dump", f"--schema={self._cast.schema}")

    def dump_all(self) -> str:
        """pg_dump of the whole database, with its own settings and rights, and of the server's roles. Raises Refused."""
        return self._dump("pg_dump", "--create") + self._dump("pg_dumpall", "--globals-only")

    def _own_pg_dump(self) -> Path | None:
        """That of the server, else that of the embedded package, which is newer than any server; None where neither has one."""
        folders = [self._server.bin]
        with suppress(ServerFailed):
            folders.append(embedded_binaries())
        return next((folder / "pg_dump" for folder in folders if (folder / "pg_dump").is_file()), None)

    def _dump(self, program: str, *arguments: str) -> str:
        found = find_pg_dump(self.superuser.server_version // 10000, self._own_pg_dump())
        environment = connection_environment(self._server.dsn(self._cast.database), self.superuser)
        with dumping(Program(found.path.with_name(program), found.major), environment, arguments) as output:
            text = output.read().decode()
        # Newer ones begin and end with a random word.
        return "".join(
            line for line in text.splitlines(keepends=True) if not line.startswith(("\\restrict", "\\unrestrict"))
        )


@contextmanager
def libpq_environment(variables: dict[str, str]) -> Generator[None]:
    """These variables of libpq and no others, for everything this process connects to; as before afterwards."""
    before = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    _replace(before, variables)
    try:
        yield
    finally:
        _replace([name for name in os.environ if name.startswith("PG")], before)


def _replace(names: Sequence[str] | dict[str, str], variables: dict[str, str]) -> None:
    for name in list(names):
        os.environ.pop(name, None)
    os.environ.update(variables)
