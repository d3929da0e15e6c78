"""Chinook: representatives see their own customers with invoices and lines, managers those of their people (P5, P7)."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from tests.real.deployment import NOBODY, Deployment, differences, outcome

TABLES = {
    "employee": "employee_id::text",
    "customer": "customer_id::text",
    "invoice": "invoice_id::text",
    "invoice_line": "invoice_line_id::text",
    "artist": "artist_id::text",
    "album": "album_id::text",
    "track": "track_id::text",
    "playlist": "playlist_id::text",
    "playlist_track": "concat_ws('/', playlist_id, track_id)",
}
EVERYBODY = tuple(str(key) for key in range(1, 9))
STRANGERS = (NOBODY, "99", "abc")


@pytest.mark.parametrize("table", TABLES)
def test_p5_p7_every_employee_reads_and_updates_what_plain_sql_says(
    table: str, chinook_deployed: Deployment, chinook_truth: psycopg.Connection
):
    assert chinook_truth.execute("select array_agg(employee_id::text order by 1) from public.employee").fetchone() == (
        list(EVERYBODY),
    )
    found = differences(
        chinook_deployed,
        chinook_truth,
        sql.Identifier("public", table),
        key=TABLES[table],
        expected=table,
        viewers=(*EVERYBODY, *STRANGERS),
    )
    assert found == []


@pytest.mark.parametrize(
    ("viewer", "customers", "invoices", "total"),
    [
        # Jane, Margaret and Steve have 21, 20 and 18 customers; Nancy manages them; Andrew is above all.
        ("3", 21, 146, "833.04"),
        ("4", 20, 140, "775.40"),
        ("5", 18, 126, "720.16"),
        ("2", 59, 412, "2328.60"),
        ("1", 59, 412, "2328.60"),
        # Michael manages IT: nobody there has customers.
        ("6", 0, 0, "0"),
        ("8", 0, 0, "0"),
        (NOBODY, 0, 0, "0"),
    ],
)
def test_p7_p12_sums_and_counts_are_of_what_one_may_see(
    viewer: str | None, customers: int, invoices: int, total: str, chinook_deployed: Deployment
):
    with chinook_deployed.session(viewer) as connection:
        assert connection.execute("select count(*) from public.customer").fetchone() == (customers,)
        assert connection.execute("select count(*), coalesce(sum(total), 0)::text from public.invoice").fetchone() == (
            invoices,
            total,
        )


def _customer(representative: str) -> str:
    return (
        "insert into public.customer (customer_id, first_name, last_name, email, support_rep_id) "
        f"values (900, 'New', 'Customer', 'new@shop.example', {representative})"
    )


def _invoice(customer: int, date: str) -> str:
    return f"insert into public.invoice (invoice_id, customer_id, invoice_date, total) values (900, {customer}, '{date}', 1)"


@pytest.mark.parametrize(
    ("viewer", "statement", "expected"),
    [
        # P4: Jane (3) changes her customers; those of a colleague are not there for her.
        ("3", "update public.customer set fax = '1' where customer_id = 1", "1"),
        ("3", "update public.customer set fax = '1' where customer_id = 2", "0"),
        ("3", "update public.customer set fax = '1'", "21"),
        ("6", "update public.customer set fax = '1'", "0"),
        (NOBODY, "update public.customer set fax = '1'", "0"),
        # P7: a customer is handed over by the manager of both, not by a representative, and not out of her reach.
        ("3", "update public.customer set support_rep_id = 4 where customer_id = 1", "refused"),
        ("3", "update public.customer set support_rep_id = null where customer_id = 1", "refused"),
        ("2", "update public.customer set support_rep_id = 4 where customer_id = 1", "1"),
        ("2", "update public.customer set support_rep_id = 6 where customer_id = 1", "refused"),
        ("1", "update public.customer set support_rep_id = 6 where customer_id = 1", "1"),
        # A new customer is one's own, or one's people's. Nobody said who may delete one: the super admin alone.
        ("3", _customer("3"), "1"),
        ("3", _customer("4"), "refused"),
        ("3", _customer("null"), "refused"),
        ("2", _customer("4"), "1"),
        ("8", _customer("8"), "1"),
        ("99", _customer("3"), "refused"),
        ("3", "delete from public.customer where customer_id = 1", "0"),
        # P5: invoices and lines come with the customer; agents leave the books of earlier years alone.
        ("3", "update public.invoice set billing_city = 'x' where invoice_id = 412", "1"),
        ("3", "update public.invoice set billing_city = 'x' where invoice_id = 6", "0"),
        ("2", "update public.invoice set billing_city = 'x' where invoice_id = 6", "1"),
        ("3", "update public.invoice set invoice_date = '2024-12-31' where invoice_id = 412", "refused"),
        ("3", "update public.invoice set customer_id = 2 where invoice_id = 412", "refused"),
        ("3", "update public.invoice set billing_city = 'x' where invoice_id = 403", "0"),
        ("3", _invoice(1, "2025-12-30"), "1"),
        ("3", _invoice(1, "2024-12-30"), "refused"),
        ("3", _invoice(2, "2025-12-30"), "refused"),
        ("2", _invoice(1, "2024-12-30"), "1"),
        ("3", "update public.invoice_line set quantity = 2 where invoice_id = 412", "1"),
        ("3", "update public.invoice_line set quantity = 2 where invoice_id = 6", "0"),
        ("3", "update public.invoice_line set invoice_id = 6 where invoice_id = 412", "refused"),
        ("3", "insert into public.invoice_line values (9000, 412, 1, 1, 1)", "1"),
        ("3", "insert into public.invoice_line values (9000, 403, 1, 1, 1)", "refused"),
        ("3", "delete from public.invoice_line where invoice_id = 412", "1"),
        ("4", "delete from public.invoice_line where invoice_id = 412", "0"),
        # The catalogue: read by all, changed by the general manager; playlists by IT, and by him who is above.
        ("3", "update public.album set title = 'x'", "0"),
        ("3", "insert into public.artist values (9000, 'x')", "refused"),
        ("1", "insert into public.artist values (9000, 'x')", "1"),
        ("7", "update public.playlist set name = 'x' where playlist_id = 1", "1"),
        ("7", "insert into public.playlist_track values (2, 1)", "1"),
        ("2", "insert into public.playlist_track values (2, 1)", "refused"),
        ("7", "update public.track set name = 'x'", "0"),
    ],
)
def test_p4_p5_p7_writes_follow_who_looks_after_the_customer(
    viewer: str | None, statement: str, expected: str, chinook_deployed: Deployment
):
    assert outcome(chinook_deployed, viewer, statement) == expected


@pytest.mark.parametrize(
    ("viewer", "statement", "expected"),
    [
        ("3", "update public.employee set phone = '1' where employee_id = 3", "1"),
        ("3", "update public.employee set phone = '1' where employee_id = 4", "0"),
        ("2", "update public.employee set phone = '1' where employee_id = 4", "1"),
        ("6", "update public.employee set phone = '1' where employee_id = 4", "0"),
        # title makes a super admin here, reports_to a manager: the row is one's own, these columns are not.
        ("3", "update public.employee set title = 'General Manager' where employee_id = 3", "refused"),
        ("2", "update public.employee set title = 'General Manager' where employee_id = 2", "refused"),
        ("3", "update public.employee set reports_to = 6 where employee_id = 3", "refused"),
        ("2", "update public.employee set reports_to = 2 where employee_id = 2", "refused"),
        ("6", "update public.employee set reports_to = 6 where employee_id = 3", "0"),
        ("3", "update public.employee set employee_id = 900 where employee_id = 3", "refused"),
        (
            "2",
            "insert into public.employee (employee_id, last_name, first_name, reports_to) values (900, 'x', 'y', 2)",
            "refused",
        ),
        ("3", "delete from public.employee where employee_id = 3", "0"),
        ("1", "update public.employee set reports_to = 6 where employee_id = 3", "1"),
        (
            "1",
            "insert into public.employee (employee_id, last_name, first_name, reports_to) values (900, 'x', 'y', 2)",
            "1",
        ),
    ],
)
def test_p1_nobody_makes_himself_super_admin_or_manager(
    viewer: str, statement: str, expected: str, chinook_deployed: Deployment
):
    assert outcome(chinook_deployed, viewer, statement) == expected


def test_p10_a_new_manager_has_new_people_in_the_same_transaction(chinook_deployed: Deployment):
    with chinook_deployed.session("1") as connection:
        connection.execute("update public.employee set reports_to = 6 where employee_id = 3")
        chinook_deployed.become(connection, "6")
        assert connection.execute("select count(*) from public.customer").fetchone() == (21,)
        chinook_deployed.become(connection, "2")
        assert connection.execute("select count(*) from public.customer").fetchone() == (38,)


def test_tables_left_off_are_as_they_were(chinook_deployed: Deployment):
    with chinook_deployed.session(NOBODY) as connection:
        assert connection.execute("select count(*) from public.genre").fetchone() == (25,)
        assert connection.execute("update public.media_type set name = name").rowcount == 5


def test_a_second_plan_is_empty(chinook_deployed: Deployment):
    plan = chinook_deployed.plan()
    assert plan.pending == ()
