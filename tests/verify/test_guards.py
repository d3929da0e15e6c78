"""Guards of tables that have children: the rows of a child are written through its parent."""

from __future__ import annotations

import psycopg
import pytest

from tests.verify.conftest import Site


def test_nobody_promotes_himself_through_the_parent_of_the_table_that_holds_his_row(shop: Site):
    with psycopg.connect(shop.database.dsn(shop.roles["web"])) as connection:
        connection.execute(f"select {shop.prefix}.become(%s)".encode(), ["20"])
        assert connection.execute("update shop.person set nickname = 'T' where id = 20").rowcount == 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="decides about people"):
            connection.execute("update shop.person set is_admin = true where id = 20")
