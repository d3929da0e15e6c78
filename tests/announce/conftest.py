"""What the tests of announcing share: a webhook on this machine that answers as told, and a desk with support access."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from pgerase.database import Database
from pgerase.install import Names
from pgerase.operate import Register, add_key
from pgerase.tokens import SigningKey, sign_token
from tests.fix_database import FreshDatabase
from tests.verify.conftest import Site, deploy

CARE = Path(__file__).resolve().parent / "care"


@dataclass
class Hook:
    """A webhook: `answers` are used up one a request, the last one for ever; each a status, or one with headers."""

    url: str = ""
    answers: list[Any] = field(default_factory=lambda: [200])
    posted: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    hang: Event = field(default_factory=Event)
    """Set: requests are answered at once, as they are to begin with."""
    arrived: Event = field(default_factory=Event)

    @property
    def bodies(self) -> list[Any]:
        """What was posted, in order."""
        return [body for _, _, body in self.posted]

    @property
    def keys(self) -> list[str]:
        """The Idempotency-Key of each, in order."""
        return [headers["Idempotency-Key"] for _, headers, _ in self.posted]

    def again(self) -> None:
        """Forget everything."""
        self.answers, self.posted = [200], []
        self.hang.set()
        self.arrived.clear()


def _handler(hook: Hook) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"]))
            hook.posted.append((self.path, dict(self.headers), json.loads(text)))
            hook.arrived.set()
            hook.hang.wait()
            answer = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"secret words of the other side")

        do_GET = do_POST  # noqa: N815 - what http.server calls

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True  # the client had enough

    return Handler


@pytest.fixture(scope="module")
def hook_server() -> Iterator[Callable[[], Hook]]:
    """`hook_server()`: one more webhook, at an address of its own."""
    servers: list[tuple[ThreadingHTTPServer, Hook]] = []

    def make() -> Hook:
        hook = Hook()
        hook.hang.set()
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hook))
        hook.url = f"http://127.0.0.1:{server.server_port}/services/T0/B0/s3cr3t-path?x=1"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append((server, hook))
        return hook

    yield make
    for server, hook in servers:
        hook.hang.set()
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def channel_hook(hook_server) -> Hook:
    return hook_server()


@pytest.fixture
def hook(channel_hook: Hook) -> Hook:
    """The webhook, with nothing posted to it yet."""
    channel_hook.again()
    return channel_hook


class Care(Site):
    """A deployment of `care` under `identity: token`, and what happens to support access there."""

    key: SigningKey

    @property
    def names(self) -> Names:
        return Names(self.prefix)

    def sql(self, text: str) -> str:
        """P stands for the prefix."""
        return text.replace("P.", f"{self.prefix}.").replace("P_", f"{self.prefix}_")

    def register(self) -> Register:
        """A register on a connection of the owner's own; ends with the test."""
        return Register(Database(self.database.connect()), self.prefix)

    @contextmanager
    def secret(self) -> Iterator[psycopg.Connection]:
        """A transaction with the rights of the ledger's owner; commits."""
        with psycopg.connect(self.database.admin_dsn) as connection:
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(self.names.secret)))
            yield connection

    def as_secret(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Run a statement as the ledger's owner."""
        with self.secret() as connection:
            cursor = connection.execute(self.sql(statement).encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def opened(self, person: int = 70, *, kind: str = "normal", holder: str = "", why: str = "wants help") -> int:
        """Access that was just opened, as an operator opens it in the name of one of the staff, for an hour."""
        statement = "select P_internal.open_grant(%s, %s, 'person', %s, %s, 'T-1', now() + interval '1 hour')"
        holder = holder or ("lead-1" if kind == "break_glass" else "agent-1")
        return self.as_owner(statement, [kind, holder, str(person), why])

    def as_owner(self, statement: str, parameters: Any = None) -> Any:
        """The value of a statement that the owner runs."""
        with psycopg.connect(self.database.dsn()) as connection:
            return connection.execute(self.sql(statement).encode(), parameters).fetchone()[0]

    def happened(self, number: int | None, event: str) -> None:
        """Announce something."""
        self.as_secret("select P_internal.announce(p_kind => %s, p_grant => %s)", [event, number])

    def told(self, number: int) -> list[tuple[str, str]]:
        """What the outbox says of a grant: kind and event."""
        return self.as_secret(
            "select kind, event from P_internal.outbox where grant_id = %s order by created_at, kind", [number]
        )

    def later(self) -> None:
        """Whatever waits is due now."""
        self.as_secret("update P_internal.outbox set next_attempt_at = now() where next_attempt_at is not null")

    def empty(self) -> None:
        """Nobody looked at anybody, and nothing is announced."""
        self.as_secret("delete from P_internal.outbox")
        self.as_secret("delete from P_internal.support_ticket")
        self.as_secret("delete from P_internal.support_grant")

    @contextmanager
    def viewer(self, login: str | None) -> Iterator[psycopg.Connection]:
        """A session of the application for somebody, or for nobody."""
        with self.session(None if login is None else sign_token(self.key, login)) as connection:
            yield connection

    def seen_by(self, login: str | None, function: str) -> list[dict[str, Any]]:
        """What a function of the application's schema returns to somebody."""
        with self.viewer(login) as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return cursor.execute(self.sql(f"select * from P.{function}()").encode()).fetchall()


@pytest.fixture(scope="session")
def deployed_care(server, unique_prefix, tmp_path_factory) -> Iterator[Care]:
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    with database.connect() as owner:
        owner.execute((CARE / "schema.sql").read_bytes())
    site = deploy(database, CARE, tmp_path_factory.mktemp("care"), "care", ("web",))
    care = Care(database, site.folder, site.roles)
    care.accepted = site.accepted
    with Database.open(database.dsn()) as connection:
        care.key = add_key(connection, database.prefix, tmp_path_factory.mktemp("key") / "key.json")
    yield care
    database.drop()


@pytest.fixture
def care(deployed_care: Care) -> Iterator[Care]:
    """The deployment, with nothing opened yet."""
    deployed_care.empty()
    yield deployed_care
    deployed_care.database.close()
