"""Says on whose behalf the transaction runs, as applications do: by `become`, or by the claims that a gateway sets."""

from __future__ import annotations

import json

from pgerase.database import Database, identifier
from pgerase.rules.access import IdentityKind
from pgerase.verify.viewers import Viewer

_CLAIMS = "request.jwt.claims"


class Identity:
    """One way of identifying viewers, in the open transaction. Logins are presented by `become` as well (see `run`)."""

    def __init__(self, database: Database, api: str, kind: IdentityKind, claim: str) -> None:
        self._database = database
        self._api = api
        self._kind = kind
        self._claim = claim

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
        else:
            self._database.rows(f"select {identifier(self._api, 'become')}(%s)", [viewer.presented])

    def _set(self, setting: str, value: str) -> None:
        self._database.rows("select pg_catalog.set_config(%s, %s, true)", [setting, value])
