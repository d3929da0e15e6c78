"""Ways around row security as the database stands now, each with a severity.

A door is open or shut in the snapshot given; what will change by enabling row security is `impact`. It never closes one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

from pgerase.catalog.model import Catalog, Name
from pgerase.check.door import Door
from pgerase.check.door_codes import Code
from pgerase.check.impersonation import impersonators
from pgerase.check.look import Look
from pgerase.check.muted import muted
from pgerase.check.object_doors import object_doors
from pgerase.check.oracles import oracles
from pgerase.check.role_doors import role_doors
from pgerase.check.table_doors import table_doors
from pgerase.errors import Severity

_RANK = {Severity.NOTE: 0, Severity.WARNING: 1, Severity.ERROR: 2}


def doors(
    catalog: Catalog,
    governed: Collection[Name],
    prefix: str,
    *,
    viewers: Collection[str] = (),
    by_login: bool = False,
    personal: Mapping[Name, Collection[str]] | None = None,
    shown: Collection[Name] = (),
    exempt: Mapping[Name, Collection[str]] = MappingProxyType({}),
) -> tuple[Door, ...]:
    """Every way around row security on the governed tables and their leaves, in order of kind, name and code.

    Viewers are the members of the viewer role in the snapshot, and `viewers` besides. `by_login`: people are their logins, so that
    nobody speaks for others. `personal`: columns known to hold data of people. `shown`: tables of which everybody who may write reads every row. `exempt`: the roles
    that may read a foreign table or materialized view past its secured view. A door that two ways lead through is
    given once, at its worst. Names are roles, objects with their schema, `role/member` for memberships and `grantee/privilege` (or
    the schema's name in its place) for grants.
    """
    look = Look(catalog, governed, prefix, viewers, by_login=by_login, exempt=exempt)
    worst: dict[tuple[str, str, Code], Door] = {}
    for door in _everything(look, personal or {}, frozenset(shown)):
        key = door.kind, door.name, door.code
        known = worst.get(key)
        if known is None or _RANK[door.severity] > _RANK[known.severity]:
            worst[key] = door
    return tuple(worst[key] for key in sorted(worst))


def _everything(look: Look, personal: Mapping[Name, Collection[str]], shown: frozenset[Name]) -> Iterator[Door]:
    """All doors, some perhaps more than once."""
    yield from role_doors(look)
    yield from impersonators(look)
    yield from muted(look)
    yield from table_doors(look)
    yield from object_doors(look)
    yield from oracles(look, personal, shown)
