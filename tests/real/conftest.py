"""The three databases: each once as its pack leaves it, and once bare with the expectations written in plain SQL.

A module's tests share one copy; what they change they roll back, or they take a copy of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.fix_database import FreshDatabase
from tests.real.deployment import Deployment, copy_pack

HERE = Path(__file__).resolve().parent
CUSTOMER_SUCCESS = HERE.parents[1] / "policies" / "customer_success"


@pytest.fixture(scope="session")
def customer_success_template(server: str, unique_prefix: Callable[[], str]) -> Iterator[FreshDatabase]:
    """The customer-success platform, made by its owner, without pgerase."""
    template = FreshDatabase(server, unique_prefix(), "template0")
    template.create()
    with template.connect() as connection:
        for script in ("schema.sql", "seed.sql"):
            connection.execute((CUSTOMER_SUCCESS / script).read_bytes())
    template.close()
    yield template
    template.drop()


class Deployments:
    """Makes deployments and bare copies, and drops them all at the end."""

    def __init__(self, server: str, unique_prefix: Callable[[], str], folder: Path) -> None:
        self._server = server
        self._unique_prefix = unique_prefix
        self._folder = folder
        self._made: list[FreshDatabase] = []

    def copy(self, template: FreshDatabase) -> FreshDatabase:
        """A copy of a template, owned by its own owner."""
        database = FreshDatabase(self._server, self._unique_prefix(), template.name)
        self._made.append(database)
        database.create()
        database.adopt(template.owner)
        return database

    def bare(self, template: FreshDatabase, expectations: str) -> psycopg.Connection:
        """A superuser's connection to a copy that never had pgerase, with a file of `expected/` run in it."""
        return self.bare_database(template, expectations).connect_admin()

    def bare_database(self, template: FreshDatabase, expectations: str) -> FreshDatabase:
        """The same, as a database."""
        database = self.copy(template)
        database.connect_admin().execute((HERE / "expected" / expectations).read_bytes())
        return database

    def deploy(
        self, template: FreshDatabase, pack: Path, *, app: str, roles: tuple[str, ...], grants: str = ""
    ) -> Deployment:
        """A copy with the pack applied. `roles` follow `app`_ in the rule files; `grants` is a script that names them so.

        Without a script, every role reads and writes every table, so that nothing but the rules stands in the way.
        """
        database = self.copy(template)
        names = {short: database.role(short) for short in roles}
        folder = copy_pack(pack, self._folder / database.name, prefix=database.prefix, roles=names, app=app)
        with database.connect() as connection:
            if grants:
                for short, name in names.items():
                    grants = grants.replace(f"{app}_{short}", name)
                connection.execute(grants.encode())
            else:
                schemas = [row[0] for row in connection.execute(_SCHEMAS)]
                for role in names.values():
                    for statement in _GRANTS:
                        connection.execute(
                            sql.SQL(statement).format(
                                sql.SQL(", ").join(sql.Identifier(schema) for schema in schemas), sql.Identifier(role)
                            )
                        )
        deployment = Deployment(database, folder, names)
        deployment.apply()
        deployment.sign()
        return deployment

    def drop(self) -> None:
        """Drop everything that was made."""
        for database in self._made:
            database.close()
        for database in self._made:
            database.drop()


_SCHEMAS = """
    select distinct n.nspname
    from pg_catalog.pg_class as c
        join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_toast'
    order by 1
"""
_GRANTS = (
    "grant usage on schema {} to {}",
    "grant select, insert, update, delete on all tables in schema {} to {}",
    "grant usage on all sequences in schema {} to {}",
)


@pytest.fixture(scope="module")
def deployments(
    server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployments]:
    made = Deployments(server, unique_prefix, tmp_path_factory.mktemp("packs"))
    yield made
    made.drop()


def deploy_customer_success(
    deployments: Deployments, template: FreshDatabase, pack: Path = CUSTOMER_SUCCESS
) -> Deployment:
    """A copy of the platform with the shipped pack, or another one, and the shipped grants."""
    return deployments.deploy(
        template,
        pack,
        app="cs",
        roles=("web", "reporting", "visitor", "etl"),
        grants=(CUSTOMER_SUCCESS / "roles.sql").read_text(encoding="utf-8"),
    )


@pytest.fixture(scope="module")
def customer_success(deployments: Deployments, customer_success_template: FreshDatabase) -> Deployment:
    return deploy_customer_success(deployments, customer_success_template)


@pytest.fixture(scope="module")
def customer_success_truth(deployments: Deployments, customer_success_template: FreshDatabase) -> psycopg.Connection:
    return deployments.bare(customer_success_template, "customer_success.sql")


@pytest.fixture
def own_customer_success(
    deployments: Deployments, customer_success_template: FreshDatabase
) -> tuple[Deployment, psycopg.Connection]:
    """A deployment and the bare copy beside it, for one test that changes data."""
    return (
        deploy_customer_success(deployments, customer_success_template),
        deployments.bare(customer_success_template, "customer_success.sql"),
    )


@pytest.fixture(scope="module")
def chinook_deployed(deployments: Deployments, chinook_template: FreshDatabase) -> Deployment:
    return deployments.deploy(chinook_template, HERE / "chinook", app="chinook", roles=("app",))


@pytest.fixture(scope="module")
def chinook_truth(deployments: Deployments, chinook_template: FreshDatabase) -> psycopg.Connection:
    return deployments.bare(chinook_template, "chinook.sql")


@pytest.fixture(scope="module")
def pagila_deployed(deployments: Deployments, pagila_template: FreshDatabase) -> Deployment:
    return deployments.deploy(pagila_template, HERE / "pagila", app="pagila", roles=("app",))


@pytest.fixture(scope="module")
def pagila_truth(deployments: Deployments, pagila_template: FreshDatabase) -> psycopg.Connection:
    return deployments.bare(pagila_template, "pagila.sql")
