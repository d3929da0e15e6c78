"""Who has whose rights is compared with what the server says (pg_has_role) and with what SET ROLE allows."""

from __future__ import annotations

import itertools

import pytest

from pgerase.catalog.read import read_catalog
from pgerase.catalog.roles import RoleGraph
from pgerase.database import Database
from tests.fix_database import FreshDatabase


@pytest.fixture
def family(database: FreshDatabase) -> tuple[FreshDatabase, list[str]]:
    """Six roles and every kind of membership among them, as far as the server has kinds."""
    roles = [database.role(name) for name in ("a", "b", "c", "d", "e")] + [database.role("f", "noinherit")]
    a, b, c, d, e, f = roles
    admin = database.connect_admin()
    if admin.info.server_version >= 160000:
        admin.execute(
            f"grant {b} to {a} with inherit true, set false; grant {c} to {b} with inherit false, set true;"
            f"grant {d} to {a} with inherit false, set true; grant {e} to {d} with inherit true, set false;"
            f"grant {c} to {e} with admin true, inherit false, set false; grant {a} to {f} with inherit false, set true".encode()
        )
    else:
        admin.execute(
            f"grant {b} to {a}; grant {c} to {b}; grant {d} to {a}; grant {e} to {d}; grant {a} to {f}".encode()
        )
    return database, roles


def test_inheriting_is_what_the_server_calls_usage(family: tuple[FreshDatabase, list[str]]) -> None:
    database, roles = family
    with Database.open(database.dsn()) as connection:
        graph = RoleGraph(read_catalog(connection))
        for member, role in itertools.product(roles, roles):
            server = connection.value("select pg_catalog.pg_has_role(%s, %s, 'usage')", [member, role])
            assert (role in graph.inherited(member)) == server, (member, role)


def test_acting_as_is_what_set_role_and_inheriting_give(family: tuple[FreshDatabase, list[str]]) -> None:
    database, roles = family
    kind = "set" if database.connect().info.server_version >= 160000 else "member"
    with Database.open(database.dsn()) as connection:
        graph = RoleGraph(read_catalog(connection))
        for member, role in itertools.product(roles, roles):
            server = connection.value(
                """
                select exists (
                    select from pg_catalog.unnest(%(roles)s::text[]) as via (name)
                     where (via.name = %(member)s or pg_catalog.pg_has_role(%(member)s, via.name, %(kind)s))
                       and pg_catalog.pg_has_role(via.name, %(role)s, 'usage'))
                """,
                {"roles": roles, "member": member, "role": role, "kind": kind},
            )
            assert (role in graph.acts_as(member)) == server, (member, role)


def test_admin_option_lets_become(family: tuple[FreshDatabase, list[str]]) -> None:
    database, roles = family
    a, _, c, d, e, _ = roles
    with Database.open(database.dsn()) as connection:
        catalog = read_catalog(connection)
        graph = RoleGraph(catalog)
    if catalog.server_version < 160000:
        pytest.skip("before PostgreSQL 16 every membership can be used")
    assert c not in graph.acts_as(e)
    assert c in graph.could_become(e)
    assert c in graph.could_become(d), "it inherits e, and with it the ADMIN OPTION"
    # The claim itself: a becomes d, inherits e, grants itself c, and is c.
    session = database.connect(a)
    session.execute(f"set role {d}".encode())
    session.execute(f"grant {c} to {d}".encode())
    session.execute(f"set role {c}".encode())
    assert session.execute("select current_user").fetchone() == (c,)


def test_createrole_becomes_anybody_before_16(database: FreshDatabase) -> None:
    maker, other = database.role("maker", "createrole"), database.role("other")
    with Database.open(database.dsn()) as connection:
        catalog = read_catalog(connection)
    assert (other in RoleGraph(catalog).could_become(maker)) == (catalog.server_version < 160000)
    assert catalog.owner not in RoleGraph(catalog).could_become(maker), "a superuser"


def test_logins_acting_as_are_those_who_log_in(family: tuple[FreshDatabase, list[str]]) -> None:
    database, roles = family
    a, _, _, d, e, f = roles
    database.connect_admin().execute(f"alter role {d} nologin".encode())
    with Database.open(database.dsn()) as connection:
        assert RoleGraph(read_catalog(connection)).logins_acting_as(e) == tuple(sorted((a, f)))
