"""The only door to PostgreSQL: opens connections, runs statements, and translates what the server says into our errors.

It never builds SQL. Statements come from files under `sql/`, from `render`, or are literals of the caller; values travel as
bind parameters. A connection starts with an empty search_path, so that nothing it runs depends on one, and with values spelled
as the driver reads them, whatever the database or the role has set.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString, Self, TypeAlias, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from pgerase.errors import DatabaseFailed, UsageError

Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any] | None
Row: TypeAlias = dict[str, Any]

_SESSION = {
    "search_path": "",
    # Whether the day or the month comes first in what triggers of the application read is left as it is.
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "client_encoding": "UTF8",
    # Our own statements have backslashes in literals: where they escape, pgerase's schemas would be taken for the system's.
    "standard_conforming_strings": "on",
    # What is installed is compared by signature.
    "quote_all_identifiers": "off",
}
_SET = (
    "select pg_catalog.set_config(s.name, s.value, false)"
    " from rows from (pg_catalog.unnest(%s::pg_catalog.text[]), pg_catalog.unnest(%s::pg_catalog.text[])) as s (name, value)"
)
_WHERE = "Where to connect is said by --dsn, and what it leaves out by PGHOST, PGPORT, PGDATABASE and PGUSER."


class Database:
    """One connection. Autocommits outside `transaction()`; use as a context manager to close it."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    @classmethod
    def open(cls, dsn: str = "", *, application_name: str = "pgerase") -> Database:
        """Connect with a libpq connection string, completed by libpq's environment. Raises UsageError for what is none, DatabaseFailed."""
        _read(dsn)
        try:
            with _translated():
                connection = psycopg.connect(dsn, autocommit=True, application_name=application_name)
                connection.execute(_SET, [list(_SESSION), list(_SESSION.values())])
        except DatabaseFailed as error:
            raise DatabaseFailed(error.message, sqlstate=error.sqlstate, hint=error.hint or _WHERE) from error
        return cls(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; harmless when it is closed already."""
        self.connection.close()

    @property
    def server_version(self) -> int:
        """server_version_num of the server, e.g. 180006."""
        return self.connection.info.server_version

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open on this connection, failed or not."""
        return self.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE

    @property
    def closed(self) -> bool:
        """Whether the connection was closed, or lost."""
        return self.connection.closed

    def rows(self, statement: str, parameters: Parameters = None) -> list[Row]:
        """Run one statement and return its rows as dicts; empty where it returns none. Raises DatabaseFailed."""
        with _translated(), self.connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(cast(LiteralString, statement), parameters)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, parameters: Parameters = None) -> Any:
        """The single column of the single row a statement returns. Raises DatabaseFailed where there is not exactly one."""
        rows = self.rows(statement, parameters)
        if len(rows) != 1 or len(rows[0]) != 1:
            raise DatabaseFailed(f"expected one value, got {len(rows)} rows")
        return next(iter(rows[0].values()))

    @contextmanager
    def own_statements(self) -> Generator[None]:
        """For a block that prepares statements by name: the driver prepares none, and so never deallocates any.

        After a rollback it would otherwise throw away its own with all others. Raises DatabaseFailed.
        """
        before = self.connection.prepare_threshold
        self.connection.prepare_threshold = None
        # What the driver has prepared so far is forgotten by this rollback.
        with _translated(), self.connection.transaction(force_rollback=True):
            self.connection.execute("select 1")
        try:
            yield
        finally:
            self.connection.prepare_threshold = before

    def affected(self, statement: str, parameters: Parameters = None) -> int:
        """Run one statement and return how many rows it changed. Raises DatabaseFailed."""
        with _translated():
            return self.connection.execute(cast(LiteralString, statement), parameters).rowcount

    def copy(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Send rows to a `copy … from stdin`: the one way for values that must be in no log. Raises DatabaseFailed."""
        with _translated(), self.connection.cursor() as cursor, cursor.copy(cast(LiteralString, statement)) as copy:
            for row in rows:
                copy.write_row(row)

    def run(self, script: str, *, what: str = "") -> None:
        """Run a script of any number of statements without parameters. Raises DatabaseFailed, naming `what`."""
        with _translated(what):
            self.connection.execute(script.encode())

    @contextmanager
    def transaction(self, *, isolation: str = "", read_only: bool = False, undo: bool = False) -> Generator[None]:
        """A transaction (a savepoint where one is open). `isolation` is e.g. "repeatable read". Raises DatabaseFailed.

        With `undo` it is rolled back at the end, whatever happened.
        """
        with _translated(), self.connection.transaction(force_rollback=undo):
            if isolation or read_only:
                words = (f"isolation level {isolation}" if isolation else "") + (" read only" if read_only else "")
                self.connection.execute(f"set transaction {words}".encode())
            yield

    @contextmanager
    def trial(self, *, isolation: str = "") -> Generator[None]:
        """Like `transaction`, but whatever is done in it is taken back, and the locks it took with it. Raises DatabaseFailed."""
        with _translated(), self.connection.transaction(force_rollback=True):
            if isolation:
                self.connection.execute(f"set transaction isolation level {isolation}".encode())
            yield


def identifier(*parts: str) -> str:
    """A dotted identifier, each part double-quoted."""
    return sql.Identifier(*parts).as_string(None)


def with_parameters(text: str) -> str:
    """SQL text as a statement with parameters has to spell it: names may hold percent signs."""
    return text.replace("%", "%%")


def connection_environment(dsn: str, like: Database) -> dict[str, str]:
    """A connection string as libpq's environment, for programs that must not get passwords as arguments.

    Host, port and database that it leaves out are those of `like`. Raises UsageError for a string libpq cannot read, DatabaseFailed
    for an option that has no environment variable.
    """
    given = _read(dsn)
    info = like.connection.info
    for name, value in (("host", info.host), ("port", str(info.port)), ("dbname", info.dbname)):
        if "hostaddr" not in given or name != "host":
            given.setdefault(name, value)
    variables = {
        option.keyword.decode(): option.envvar.decode()
        for option in psycopg.pq.Conninfo.get_defaults()
        if option.envvar is not None
    }
    unknown = sorted(set(given) - set(variables))
    if unknown:
        raise DatabaseFailed(f"connection options without an environment variable: {', '.join(unknown)}")
    return {variables[name]: value for name, value in given.items() if value}


def _read(dsn: str) -> dict[str, str]:
    """What a connection string says. Raises UsageError for what is none."""
    try:
        return {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    except psycopg.ProgrammingError as error:
        raise UsageError(
            f"not a connection string: {str(error).strip()}",
            hint="Write it as 'host=… dbname=… user=…' or postgresql://user@host/dbname.",
        ) from error


@contextmanager
def _translated(what: str = "") -> Generator[None]:
    """Turn psycopg's errors into DatabaseFailed, keeping SQLSTATE, detail and hint."""
    try:
        yield
    except psycopg.Error as error:
        diagnostic = error.diag
        message = diagnostic.message_primary or str(error).strip() or type(error).__name__
        if diagnostic.message_detail:
            message = f"{message} ({diagnostic.message_detail})"
        if what:
            message = f"{what}: {message}"
        raise DatabaseFailed(
            message,
            sqlstate=error.sqlstate or "",
            hint=diagnostic.message_hint or "",
            relation=".".join(name for name in (diagnostic.schema_name, diagnostic.table_name) if name),
            constraint=diagnostic.constraint_name or "",
        ) from error
