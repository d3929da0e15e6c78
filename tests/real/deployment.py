"""Puts a pack on a copy of its database as a real owner would, and asks it questions as the people who log in for viewers.

Names of roles belong to the whole cluster, so a deployment writes its own copy of the pack: the prefix and the roles are the
test database's, every other byte is the shipped file's.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.abc import Query

from pgerase.apply.execute import apply_plan
from pgerase.apply.prepare import prepare
from pgerase.database import Database
from pgerase.install import install
from pgerase.operate import add_key
from pgerase.plan.model import Plan
from pgerase.rules.access import IdentityKind
from pgerase.rules.read import read_pack
from pgerase.tokens import SigningKey, sign_token
from tests.fix_database import FreshDatabase

NOBODY = None
"""A session that presents no identity."""

Keys = frozenset[str]


class Deployment:
    """A database with a pack applied. `roles` are the unique names of the roles that the pack calls `web`, `app`, …

    `signing` is what `become` signs tokens with, where the pack identifies viewers by them.
    """

    signing: SigningKey | None = None

    def __init__(self, database: FreshDatabase, folder: Path, roles: Mapping[str, str]) -> None:
        self.database = database
        self.folder = folder
        self.roles = dict(roles)
        self.prefix = database.prefix

    @contextmanager
    def session(self, viewer: str | None, role: str = "") -> Iterator[psycopg.Connection]:
        """A transaction as an app login, for `viewer` or for nobody; rolled back at the end."""
        with psycopg.connect(self.database.dsn(role or next(iter(self.roles.values())))) as connection:
            self.become(connection, viewer)
            yield connection
            connection.rollback()

    def become(self, connection: psycopg.Connection, viewer: str | None) -> None:
        """Say for whom the transaction of `connection` runs."""
        if viewer is not None:
            presented = viewer if self.signing is None else sign_token(self.signing, viewer)
            connection.execute(sql.SQL("select {}.become(%s)").format(sql.Identifier(self.prefix)), [presented])

    def on(self, database: FreshDatabase, folder: Path | None = None) -> Deployment:
        """The same on a copy of the database, with the same roles; with a copy of the pack in `folder`, which tests may change."""
        if folder is not None:
            shutil.copytree(self.folder, folder)
        other = Deployment(database, folder or self.folder, self.roles)
        # Keys are of one database: a copy's are worth nothing.
        other.sign()
        return other

    def plan(self) -> Plan:
        """What applying the pack would change now, as the owner and with all that `pgerase plan` asks to be acknowledged."""
        with Database.open(self.database.dsn()) as database:
            return prepare(database, read_pack(self.folder)).plan

    def apply(self) -> Plan:
        """Install, plan and apply as the owner; the plan that was carried out. Fails on any finding that refuses."""
        with Database.open(self.database.dsn()) as database:
            pack = read_pack(self.folder)
            install(database, self.prefix, identity=pack.identity, claim=pack.claim)
            plan = prepare(database, pack).plan
            assert plan.refusals == (), "\n".join(
                f"{each.code} {each.subject}: {each.message}" for each in plan.refusals
            )
            apply_plan(database, plan)
        return plan

    def sign(self) -> None:
        """Make a signing key, so that `become` takes people's keys where the pack identifies viewers by tokens."""
        if read_pack(self.folder).identity is IdentityKind.TOKEN:
            with Database.open(self.database.dsn()) as database:
                file = self.folder.with_suffix(".key")
                file.unlink(missing_ok=True)
                self.signing = add_key(database, self.prefix, file)


def copy_pack(source: Path, target: Path, *, prefix: str, roles: Mapping[str, str], app: str) -> Path:
    """Copy a pack's rule files, with `prefix` and the roles of this database: `roles` maps what follows `app`_ to a name."""
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        text = re.sub(r"(?m)^prefix: \w+", f"prefix: {prefix}", text)
        for short, name in roles.items():
            text = re.sub(rf"\b{app}_{short}\b", name, text)
        (target / file.name).write_text(text, encoding="utf-8")
    return target


def differences(
    deployment: Deployment,
    truth: psycopg.Connection,
    table: sql.Composable,
    *,
    key: str,
    expected: str,
    viewers: Iterable[str | None],
    role: str = "",
    fewer: bool = False,
) -> list[str]:
    """Where the database and the expectations disagree about one table, for every viewer; one line a viewer and action.

    With `fewer`, only rows too many are a difference.

    `expected` names the views `expected.<expected>_read` and `_update` of the database that never had pgerase. What may be
    updated is asked with FOR KEY SHARE, which returns the rows that may be read and updated and fires nothing.
    """
    lines: list[str] = []
    key_sql = sql.SQL(key)
    for action, suffix in (("read", sql.SQL("")), ("update", sql.SQL(" for key share"))):
        wanted: dict[str, set[str]] = {}
        view = sql.Identifier("expected", f"{expected}_{action}")
        for viewer, found in truth.execute(sql.SQL("select viewer, key from {}").format(view)):
            wanted.setdefault(viewer, set()).add(found)
        statement = sql.SQL("select {} from {}").format(key_sql, table) + suffix
        with psycopg.connect(deployment.database.dsn(role or next(iter(deployment.roles.values())))) as connection:
            for viewer in viewers:
                deployment.become(connection, viewer)
                got = [row[0] for row in connection.execute(statement)]
                connection.rollback()
                assert len(got) == len(set(got)), f"{key} does not tell the rows apart"
                right = wanted.get(viewer or "", set())
                lines += _compare(f"{viewer} {action}", set(got), right & set(got) if fewer else right)
    return lines


def _compare(what: str, got: set[str], wanted: set[str]) -> list[str]:
    if got == wanted:
        return []
    parts = [f"{what}: {len(got)} instead of {len(wanted)}"]
    for word, keys in (("too many", got - wanted), ("missing", wanted - got)):
        if keys:
            parts.append(f"{word} {', '.join(sorted(keys)[:8])}{' …' if len(keys) > 8 else ''}")
    return ["; ".join(parts)]


def outcome(deployment: Deployment, viewer: str | None, statement: Query, *, role: str = "") -> str:
    """What one writing statement comes to for a viewer: "refused" by a policy or guard, or how many rows it changed.

    The statement is rolled back. Anything but a refusal for lack of privilege is an error of the test.
    """
    with deployment.session(viewer, role) as connection:
        try:
            return str(connection.execute(statement).rowcount)
        except psycopg.errors.InsufficientPrivilege:
            return "refused"
