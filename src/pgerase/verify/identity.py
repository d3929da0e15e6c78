"""Says on whose behalf the transaction runs, as applications do: by `become`, or by the claims that a gateway sets."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from pgerase.database import Database, identifier
from pgerase.install.borrow import acting_as
from pgerase.install.names import Home, Names
from pgerase.install.sources import read_sources
from pgerase.operate.keys import draw_key
from pgerase.rules.access import IdentityKind
from pgerase.tokens import SigningKey, sign_token
from pgerase.verify.viewers import Viewer

_CLAIMS = "request.jwt.claims"
_LIFETIME = timedelta(days=1)
"""Longer than anybody looks."""


class Identity:
    """One way of identifying viewers, in the open transaction. Made by `prepare_identity`.

    `key` signs tokens, where viewers are identified by them: one that is good until the rollback and that nobody else has.
    """

    def __init__(self, database: Database, api: str, kind: IdentityKind, claim: str, key: SigningKey | None) -> None:
        self._database = database
        self._api = api
        self._kind = kind
        self._claim = claim
        self._key = key

    def present(self, viewer: Viewer) -> None:
        """Present the viewer's identity, or none. Raises DatabaseFailed."""
        self._database.rows(f"select {identifier(self._api, 'forget')}()")
        if viewer.presented is None:
            return
        by_claims = self._kind is IdentityKind.CLAIMS
        if not viewer.valid:
            self._set(_CLAIMS if by_claims else f"{self._api}.viewer", viewer.presented)
        elif by_claims:
            self._set(_CLAIMS, json.dumps({self._claim: viewer.presented}))
        elif self._key is None:
            self._become(viewer.presented)
        else:
            now: datetime = self._database.value("select pg_catalog.statement_timestamp()")
            self._become(sign_token(self._key, viewer.presented, lifetime=_LIFETIME, now=now))

    def hint(self, wide: bool) -> None:
        """Leave the planner the hint that the viewer may see everything, or that he may not; whichever is true. Raises DatabaseFailed.

        Anybody can: it must decide nothing.
        """
        self._set(f"{self._api}.wide", "yes" if wide else "")

    def _become(self, key_or_token: str) -> None:
        self._database.rows(f"select {identifier(self._api, 'become')}(%s)", [key_or_token])

    def _set(self, setting: str, value: str) -> None:
        self._database.rows("select pg_catalog.set_config(%s, %s, true)", [setting, value])


def roles_to_prepare(names: Names, kind: IdentityKind) -> tuple[str, ...]:
    """The private roles that have to be borrowed to read everything and to make an identity ready."""
    by_secret = kind in (IdentityKind.ROLE, IdentityKind.TOKEN)
    return (names.lookup, names.secret) if by_secret else (names.lookup,)


def prepare_identity(database: Database, names: Names, kind: IdentityKind, claim: str) -> Identity:
    """Make it possible, until the rollback, to present anybody. Inside the block in which `roles_to_prepare` are borrowed.

    Where people are their logins, nobody can become anybody: until then the transaction says who it is. Where they bring tokens, a key
    of our own signs them: those that applications sign with stay where they are. Raises DatabaseFailed.
    """
    key: SigningKey | None = None
    if kind in (IdentityKind.ROLE, IdentityKind.TOKEN):
        with acting_as(database, names.secret):
            if kind is IdentityKind.TOKEN:
                key = draw_key(database, names.prefix)
            else:
                # Those of the ledger and of the log are the same for every kind of identity.
                for routine in read_sources(IdentityKind.SETTING).routines:
                    if routine.home is Home.API:
                        database.run(routine.written(names), what=routine.name)
    return Identity(database, names.api, kind, claim, key)
