"""backup-check counts what pg_dump really writes, and never calls a dump whole that it could not compare."""

from __future__ import annotations

import io

import pytest

from pgerase.apply.backup import Verdict, check_backup, count_copied
from pgerase.apply.programs import find_pg_dump
from pgerase.catalog.model import Name
from pgerase.database import Database
from pgerase.errors import Refused
from tests.plan.conftest import COMPANY, NOTE, PAYMENT


@pytest.fixture
def program(pg_programs):
    return pg_programs / "pg_dump"


def verdicts(compared):
    return {str(one.table): (one.dumped, one.rows, one.verdict) for one in compared}


def test_a_service_dumps_everything(site, program):
    site.apply(site.desired())
    with Database.open(site.database.admin_dsn) as truth:
        compared = check_backup(
            site.db, site.prefix, dump_dsn=site.database.dsn(site.dump), pg_dump=program, truth=truth
        )
    assert verdicts(compared) == {
        "cs.company": (9, 9, Verdict.WHOLE),
        "cs.note": (9, 9, Verdict.WHOLE),
        "cs.payment": (0, 0, Verdict.WHOLE),
        "cs.payment_2025": (3, 3, Verdict.WHOLE),
        "cs.payment_2026": (6, 6, Verdict.WHOLE),
    }
    assert [one.finding() for one in compared] == [None] * 5


def test_a_leaf_without_the_exempt_policy_is_missed(site, program):
    site.apply(site.desired())
    site.sql(f"drop policy {site.prefix}_dump on cs.payment_2026")
    compared = check_backup(site.db, site.prefix, dump_dsn=site.database.dsn(site.dump), pg_dump=program)
    wrong = {str(one.table): one.finding().message for one in compared if one.verdict is Verdict.INCOMPLETE}
    assert wrong == {"cs.payment_2026": "the dump holds 0 of 6 rows"}


def test_the_lookup_role_counts_what_it_sees_and_nobody_stays_in_it(site, program):
    site.apply(site.desired())
    compared = verdicts(check_backup(site.db, site.prefix, dump_dsn=site.database.dsn(site.dump), pg_dump=program))
    # Leaves are counted through their table, on which the lookup role is exempt; notes are counted by nobody.
    assert compared["cs.company"] == (9, 9, Verdict.WHOLE)
    assert compared["cs.payment_2026"] == (6, 6, Verdict.WHOLE)
    assert compared["cs.note"] == (9, None, Verdict.UNVERIFIED)
    assert site.admin("select pg_has_role(%s, %s, 'set')" if site.db.server_version >= 160000 else "select pg_has_role(%s, %s, 'member')",
                      [site.owner, f"{site.prefix}_lookup"]) == [(False,)]  # fmt: skip


def test_a_bound_role_dumps_nothing_and_exits_with_0(site, program):
    site.apply(site.desired())
    bound = site.database.role("bound")
    site.sql(f'grant usage on schema cs to "{bound}"; grant select on all tables in schema cs to "{bound}"')
    compared = verdicts(check_backup(site.db, site.prefix, dump_dsn=site.database.dsn(bound), pg_dump=program))
    assert compared["cs.company"] == (0, 9, Verdict.INCOMPLETE)
    assert compared["cs.payment_2026"] == (0, 6, Verdict.INCOMPLETE)


def test_a_viewer_cannot_even_dump_what_lookups_decide(site, program):
    """pg_dump forbids itself views, and with that every policy that reads one: loud, unlike no rows."""
    site.apply(site.desired())
    with pytest.raises(Refused, match="non-system view"):
        check_backup(site.db, site.prefix, dump_dsn=site.database.dsn(site.app), pg_dump=program)


def test_rows_written_meanwhile_make_no_difference(site, program, monkeypatch):
    site.apply(site.desired())
    from pgerase.apply import backup

    original = backup.dumping

    def dumping_late(*arguments):
        site.admin("insert into cs.company values (1000, 1, 'late')")
        return original(*arguments)

    monkeypatch.setattr(backup, "dumping", dumping_late)
    compared = verdicts(check_backup(site.db, site.prefix, dump_dsn=site.database.dsn(site.dump), pg_dump=program))
    assert compared["cs.company"] == (9, 9, Verdict.WHOLE)


def test_a_role_that_may_not_read_is_no_clean_answer(site, program):
    site.apply(site.desired())
    stranger = site.database.role("stranger")
    with pytest.raises(Refused, match="pg_dump failed"):
        check_backup(site.db, site.prefix, dump_dsn=site.database.dsn(stranger), pg_dump=program)


def test_nothing_governed_is_no_clean_answer(site, program):
    with pytest.raises(Refused, match="nothing to compare"):
        check_backup(site.db, site.prefix, dump_dsn=site.database.dsn(site.dump), pg_dump=program)


def test_an_old_or_missing_program_is_refused(program, tmp_path):
    with pytest.raises(Refused, match="no pg_dump that runs"):
        find_pg_dump(18, tmp_path / "nothing")
    with pytest.raises(Refused, match="it refuses to dump it"):
        find_pg_dump(99, program)
    with pytest.raises(Refused, match="99 or later"):
        find_pg_dump(99)
    assert find_pg_dump(15, program).major >= 15


def test_copy_blocks_are_counted_by_table():
    dump = b"""COPY cs.company (id, name) FROM stdin;
1\tCOPY cs.note (id) FROM stdin;
2\t\\\\.
\\.

COPY "S ""x"".y"."a (b" ("c d") FROM stdin;
\\.
COPY cs.note (id) FROM stdin;
1
\\.
"""
    assert count_copied(io.BytesIO(dump)) == {
        Name("cs", "company"): 2,
        Name('S "x".y', "a (b"): 0,
        Name("cs", "note"): 1,
    }
    assert (Name("cs", "company"), Name("cs", "note"), Name("cs", "payment")) == (COMPANY, NOTE, PAYMENT)
