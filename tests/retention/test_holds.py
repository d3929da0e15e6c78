"""Legal holds: what they are about outlives its partition, with what proves it; all else goes in time."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from hashlib import sha256

import psycopg
import pytest

from pgerase.errors import DatabaseFailed, PgeraseError
from pgerase.operate.holds import list_holds, release_holds
from pgerase.operate.log import Log
from pgerase.operate.retention_model import Fate, RunState


def hold(archive, person: str, reference: str = "case-1") -> None:
    archive.rows("select {l}.place_hold('person', %s, null, null, %s)", person, reference)


def release(archive, person: str, reference: str | None = None) -> int:
    return archive.rows("select {l}.release_holds('person', %s, %s)", person, reference)[0][0]


def begun(archive) -> None:
    archive.define("default", "1 month", "month", "2026-01-15")
    archive.run("2026-01-15")


def root(leaf: bytes, position: int, size: int, path: list[bytes]) -> bytes:
    """Where an inclusion path leads to, as RFC 9162, 2.1.3.2 says it."""
    place, last, found = position, size - 1, leaf
    for other in path:
        if place % 2 or place == last:
            found = sha256(b"\x01" + other + found).digest()
            while place and not place % 2:
                place, last = place >> 1, last >> 1
        else:
            found = sha256(b"\x01" + found + other).digest()
        place, last = place >> 1, last >> 1
    assert last == 0
    return found


def test_entries_of_held_people_outlive_their_partition(archive) -> None:
    begun(archive)
    theirs = archive.write("2026-01-20", person="1")
    for person in ("2", None, "3", "2"):
        archive.write("2026-01-20", person=person)
    hold(archive, "1")
    run = archive.run("2026-03-01", clock_is_right=True)
    assert (run.state, run.sealed, run.counts[Fate.DROPPED]) == (RunState.DONE, True, 1)
    assert archive.entries() == set()
    assert archive.held() == {theirs}
    assert archive.rows("select person, new from {l}.held_value") == [("1", {"email": "x"})]
    # The path was computed while the segment was whole, and leads to the root that its header still has.
    [(leaf, position, path, size, sealed)] = archive.rows(
        "select held.hash, held.position, held.path, segment.entries, segment.root"
        " from {l}.held as held join {l}.segment as segment using (segment_id)"
    )
    assert (size, root(leaf, position, size, path)) == (5, sealed)
    assert archive.rows("select * from {l}.verify_held()") == []
    assert archive.rows("select body from {l}.record where kind = 'held'") == [
        ({"table": "entry_1_20260101", "entries": 1, "numbers": [theirs], "proven": True},)
    ]


def test_the_log_verifies_after_holds_and_drops(archive) -> None:
    """Issue: the seal survives retention and holds."""
    begun(archive)
    archive.write("2026-01-20", person="1")
    archive.write("2026-01-20", person="2")
    archive.write("2026-03-01", person="1")
    hold(archive, "1")
    archive.run("2026-03-01", clock_is_right=True)
    names = archive.rows(
        "select proname from pg_proc where pronamespace = %s::regnamespace and proname ~ '^verify_' and pronargs = 0",
        archive.names.logs,
    )
    assert len(names) >= 4
    for (name,) in names:
        assert archive.as_admin(f"select * from {{l}}.{name}()") == [], name


def test_what_is_no_longer_held_goes_with_the_next_run(archive) -> None:
    begun(archive)
    archive.write("2026-01-20", person="1")
    young = archive.write("2026-03-01", person="1")
    hold(archive, "1", "case-1")
    hold(archive, "1", "case-2")
    archive.run("2026-03-01", clock_is_right=True)
    assert release(archive, "1", "case-1") == 1
    assert archive.run("2026-03-02").released == 0
    assert len(archive.held()) == 1
    assert release(archive, "1") == 1
    assert archive.run("2026-03-03").released == 1
    assert archive.held() == set()
    assert archive.rows("select * from {l}.held_value") == []
    assert archive.entries() == {young}
    kinds = archive.rows("select kind from {l}.record where kind not in ('class', 'drop') order by record_id")
    assert [kind for (kind,) in kinds] == ["hold", "hold", "held", "release", "release", "unheld"]


def test_a_hold_released_in_time_keeps_nothing(archive) -> None:
    begun(archive)
    archive.write("2026-01-20", person="1")
    hold(archive, "1")
    release(archive, "1")
    archive.run("2026-03-01", clock_is_right=True)
    assert (archive.entries(), archive.held()) == (set(), set())


def test_entries_about_a_held_row_are_held_whatever_type_its_key_has(archive) -> None:
    begun(archive)
    number = archive.write("2026-01-20", relation="app.person", key='{"id": 7, "no": "x"}')
    archive.write("2026-01-20", relation="app.person", key='{"id": 8, "no": "x"}')
    archive.write("2026-01-20", relation="app.note", key='{"id": 7}')
    archive.rows("select {l}.place_hold('person', '7', 'app.person', '{\"id\": \"7\"}', 'case-1')")
    archive.run("2026-03-01", clock_is_right=True)
    assert archive.held() == {number}


def test_entries_under_a_grant_whose_review_is_open_are_held(archive) -> None:
    begun(archive)
    grants = archive.as_admin(
        "insert into {i}.support_grant (kind, holder, subject, person, reason, links, opened_at, opened_xact, until, second_person,"
        " review_within, review_due)"
        " select 'break_glass', 'h', 'person', '1', 'why', '{}', now(), pg_current_xact_id(), now() + interval '1 hour',"
        " kind.second_person, '1 day', now() + interval '25 hours'"
        " from (values (false), (false), (true)) as kind (second_person) returning grant_id"
    )
    # The first is not reviewed, the second is, the third was never approved.
    open_one, reviewed, unapproved = (grant for (grant,) in grants)
    review = (
        "update {i}.support_grant set reviewed_by = 'r', reviewed_at = now(), verdict = 'justified' where grant_id = %s"
    )
    archive.as_admin(review, reviewed)
    held = archive.write("2026-01-20", grant=open_one)
    archive.write("2026-01-20", grant=reviewed)
    archive.write("2026-01-20", grant=unapproved)
    archive.write("2026-01-20")
    archive.run("2026-03-01", clock_is_right=True)
    assert archive.held() == {held}
    archive.as_admin(review, open_one)
    assert archive.run("2026-03-02").released == 1


def test_a_hold_placed_between_detaching_and_dropping_is_honoured(archive) -> None:
    begun(archive)
    theirs = archive.write("2026-01-20", person="1")
    archive.as_admin("select * from {l}.seal()")
    for family in ("entry", "value", "leaf"):
        archive.as_admin(f"alter table {{l}}.{family}_1 detach partition {{l}}.{family}_1_20260101 concurrently")
    hold(archive, "1")
    archive.run("2026-03-01", clock_is_right=True)
    assert archive.held() == {theirs}


def test_without_all_three_tables_nobody_can_tell_who_is_held(archive) -> None:
    begun(archive)
    archive.write("2026-01-20", person="1")
    for family in ("entry", "value", "leaf"):
        archive.as_admin(f"alter table {{l}}.{family}_1 detach partition {{l}}.{family}_1_20260101 concurrently")
    archive.as_admin("alter table {l}.value_1_20260101 rename to value_1_mine")
    hold(archive, "1")
    run = archive.run("2026-03-01", clock_is_right=True)
    told = {one.name: (one.fate, one.why) for one in run.outcomes if one.fate is Fate.HELD_BACK}
    why = "its tables were taken apart: who is held in it cannot be told"
    assert told == {"entry_1_20260101": (Fate.HELD_BACK, why), "value_1_mine": (Fate.HELD_BACK, why)}
    assert {"entry_1_20260101", "value_1_mine"} <= archive.tables()


def test_what_cannot_be_sealed_is_not_dropped_until_somebody_says_so(archive) -> None:
    """E5's deadline loses against the proof, and audit status says so; with --allow-drop it wins."""
    begun(archive)
    archive.write("2026-01-20")
    # Another session seals, and does not come to an end.
    archive.as_admin("select pg_advisory_lock(hashtextextended(%s, 1))", archive.names.logs)
    run = archive.run("2026-03-01", clock_is_right=True)
    assert (run.state, run.counts[Fate.HELD_BACK]) == (RunState.INCOMPLETE, 1)
    assert len(archive.entries()) == 1
    assert archive.run("2026-03-02", allow_drop=True).state is RunState.DONE
    assert archive.entries() == set()


TAKEN = {
    "values detached": "alter table {l}.value_1 detach partition {l}.value_1_20260101",
    "leaves dropped": "drop table {l}.leaf_1_20260101",
    "all detached": (
        "alter table {l}.entry_1 detach partition {l}.entry_1_20260101;"
        "alter table {l}.value_1 detach partition {l}.value_1_20260101;"
        "alter table {l}.leaf_1 detach partition {l}.leaf_1_20260101"
    ),
    "entries detached and renamed": (
        "alter table {l}.entry_1 detach partition {l}.entry_1_20260101;"
        "alter table {l}.entry_1_20260101 rename to aside"
    ),
}  # fmt: skip


@pytest.mark.parametrize("taken", TAKEN.values(), ids=TAKEN)
def test_what_is_not_sealed_stays_however_its_tables_were_taken_apart(archive, taken: str) -> None:
    """Threat: detaching one table of three is enough for entries that nobody can prove to go, without --allow-drop."""
    begun(archive)
    archive.write("2026-01-20", person="1")
    archive.as_admin("select pg_advisory_lock(hashtextextended(%s, 1))", archive.names.logs)
    archive.as_admin(taken)

    def there() -> bool:
        (found,) = archive.rows(
            "select count(*) from pg_class where relnamespace = %s::regnamespace and relname in ('aside', 'entry_1_20260101')",
            archive.names.logs,
        )[0]
        return found > 0

    for day in ("2026-03-01", "2026-03-02"):
        run = archive.run(day, clock_is_right=True)
        assert run.state is RunState.INCOMPLETE
        assert "it has entries that are not sealed" in next(o.why for o in run.outcomes if o.fate is Fate.HELD_BACK)
        assert there()
    assert archive.run("2026-03-03", allow_drop=True).counts[Fate.HELD_BACK] == 0
    archive.run("2026-03-04")
    assert not there()


@pytest.mark.parametrize("sealed", [True, False])
def test_nothing_goes_while_one_of_the_three_tables_lacks_all_of_a_class(archive, sealed: bool) -> None:
    """Threat: entries go, their values stay with the class that somebody detached, and come back with it when they were due."""
    begun(archive)
    entry = archive.write("2026-01-20", person="1")
    if sealed:
        archive.as_admin("select * from {l}.seal()")
    archive.as_admin("alter table {l}.value detach partition {l}.value_1")
    run = archive.run("2026-03-01", clock_is_right=True, make=False)
    assert (run.state, archive.entries()) == (RunState.INCOMPLETE, {entry})
    assert [one.why for one in run.outcomes if one.fate is Fate.HELD_BACK] == [
        "all of value is missing: `pgerase audit maintain` gives it back first"
    ]
    assert archive.run("2026-03-02").state is RunState.DONE
    assert (archive.entries(), archive.rows("select person from {l}.value")) == (set(), [])


@pytest.mark.parametrize(
    "how", ["drop table {l}.leaf_1_20260101", "alter table {l}.leaf_1 detach partition {l}.leaf_1_20260101"]
)
def test_what_is_due_is_sealed_before_it_goes_though_its_leaves_were_taken_away(archive, how: str) -> None:
    """Threat: without their partition nothing of any class is sealed, and what is due stays for ever, as it is not."""
    begun(archive)
    archive.write("2026-01-20", person="1")
    archive.as_admin(how)
    young = archive.write("2026-03-01")
    assert archive.run("2026-03-01", clock_is_right=True).state is RunState.DONE
    assert archive.entries() == {young}
    assert archive.rows("select entry_id from {l}.leaf") == [(young,)]


def test_who_is_held_is_looked_for_in_values_that_somebody_set_aside(archive) -> None:
    """Threat: an empty table takes their place, in which nobody is held, and the entry goes with its partition."""
    begun(archive)
    theirs, other = archive.write("2026-01-20", person="1"), archive.write("2026-01-21", person="2")
    archive.as_admin("select * from {l}.seal()")
    hold(archive, "1")
    archive.as_admin("alter table {l}.value_1 detach partition {l}.value_1_20260101")
    archive.as_admin("alter table {l}.value_1_20260101 rename to value_aside")
    archive.run("2026-01-22")
    archive.run("2026-03-01", clock_is_right=True)
    assert (archive.entries(), archive.held()) == (set(), {theirs})
    assert archive.rows("select entry_id, person from {l}.held_value") == [(theirs, "1")]
    assert {"value_aside"} <= archive.tables()
    assert archive.as_admin("select * from {l}.verify_held()") == []
    # It is held for as long as the hold lasts, and not for what was set aside.
    assert archive.run("2026-03-02").released == 0
    release(archive, "1")
    assert archive.run("2026-03-03").released == 1
    assert (archive.held(), "value_aside" in archive.tables(), other in archive.entries()) == (set(), False, False)


def test_dropping_reads_nothing_of_what_is_sealed_for_good(archive) -> None:
    """E5: as fast for a hundred million entries as for ten. Threat: who puts an entry in below the floor keeps a partition for ever."""
    begun(archive)
    with archive.admin.transaction(force_rollback=True):
        gap = archive.write("2026-01-20")
    archive.write("2026-01-20")
    for _ in range(2):
        archive.outlive_others()
        archive.as_admin("select {l}.seal()")
        archive.write("2026-02-20")
    assert archive.rows("select max(floor) > %s from {l}.segment", gap) == [(True,)]
    archive.as_admin(
        "insert into {l}.entry (class, at, entry_id, relation, action, login) overriding system value"
        " values ('default', '2026-01-20 12:00Z', %s, 'app.note', 'update', 'web')",
        gap,
    )
    assert archive.run("2026-03-01", clock_is_right=True).counts[Fate.DROPPED] == 1
    assert gap not in archive.entries()


def test_a_segment_that_was_tampered_with_is_no_reason_to_lose_what_is_held(archive) -> None:
    begun(archive)
    theirs, other = archive.write("2026-01-20", person="1"), archive.write("2026-01-20", person="2")
    archive.as_admin("select * from {l}.seal()")
    archive.as_admin("set session_replication_role = replica")
    archive.as_admin("update {l}.leaf set hash = sha256('') where entry_id = %s", other)
    archive.as_admin("reset session_replication_role")
    hold(archive, "1")
    assert archive.run("2026-03-01", clock_is_right=True).state is RunState.DONE
    assert archive.rows("select entry_id, path from {l}.held") == [(theirs, None)]
    assert archive.rows("select body ->> 'proven' from {l}.record where kind = 'held'") == [("false",)]


def test_erasing_reaches_what_is_held_for_somebody_else(archive) -> None:
    """E4: an entry is held for one person; another one's values in it go all the same."""
    begun(archive)
    entry = archive.write("2026-01-20", person="1")
    with archive.admin.transaction():
        archive.admin.execute("select set_config('role', %s, true)", [archive.names.keeper])
        archive.admin.execute(
            archive.sql(
                "insert into {l}.value (class, at, entry_id, part, subject, person, new)"
                " values ('default', '2026-01-20', %s, 2, 'person', '2', '{\"email\": \"y\"}')"
            ),
            [entry],
        )
    hold(archive, "1")
    archive.run("2026-03-01", clock_is_right=True)
    assert archive.as_admin("select {l}.forget_people('person', array['2'], null)") == [(1,)]
    assert archive.rows("select person from {l}.held_value") == [("1",)]
    assert archive.held() == {entry}


def test_the_same_hold_twice_is_one(archive) -> None:
    hold(archive, "1")
    hold(archive, "1")
    assert archive.rows("select count(*) from {l}.hold") == [(1,)]
    assert release(archive, "1") == 1
    assert release(archive, "1") == 0


def test_who_is_held(archive) -> None:
    hold(archive, "1")
    question = "select {l}.is_held('person', '1'), {l}.is_held('person', '2'), {l}.is_held('company', '1')"
    assert archive.rows(question) == [(True, False, False)]
    release(archive, "1")
    assert archive.rows(question) == [(False, False, False)]


@pytest.mark.parametrize("reference", ["", "Erika Mustermann", "x" * 65])
def test_a_reference_is_opaque(archive, reference) -> None:
    with pytest.raises(Exception, match="a reference is opaque") as failure:
        hold(archive, "1", reference)
    assert failure.value.sqlstate == "ZE111"
    # What was given is in no error, and so in no log.
    assert not reference or reference not in str(failure.value)


JANE = "jane@example.org"


def said(act: Callable[..., object], *arguments: object) -> tuple[PgeraseError, str]:
    """How something fails, and everything an operator or a log of errors could show of it."""
    with pytest.raises(PgeraseError) as failure:
        act(*arguments)
    error = failure.value
    return error, "\n".join([error.message, error.hint, *traceback.format_exception(error)])


def test_no_error_of_the_log_shows_anybodys_values(archive) -> None:
    """Threat: PostgreSQL's own words name keys (DETAIL of a constraint), rows, or what was given, and end up in tickets (S5)."""
    begun(archive)
    archive.write("2026-01-20", person=JANE)
    hold(archive, JANE)
    log = Log(archive.owner, archive.prefix)
    place = ("place_hold", "person", JANE, None, None)

    def expire() -> None:
        archive.run("2026-03-01", clock_is_right=True)

    archive.as_admin("create unique index once on {l}.hold (person)")
    archive.as_admin(f"alter table {{l}}.held_value add constraint nobody check (person <> '{JANE}')")
    archive.as_admin(f"alter table {{l}}.hold add constraint lasts check (released_at is null or person <> '{JANE}')")
    try:
        # The server does say it, with every one of them.
        with pytest.raises(psycopg.errors.UniqueViolation, match=rf"\(person\)=\({JANE}\)"):
            archive.rows("select {l}.place_hold('person', %s, null, null, 'case-2')", JANE)
        with pytest.raises(psycopg.errors.InvalidTextRepresentation, match=JANE):
            archive.rows("select {l}.place_hold('person', '1', 'app.person', %s, 'case-2')", f'"{JANE}')
        with pytest.raises(psycopg.errors.CheckViolation, match=JANE):
            archive.rows("select {l}.release_holds('person', %s, null)", JANE)
        table = f"table {archive.names.logs}.hold"
        for (error, shown), named in (
            (said(log.call, *place, "case-2"), ("23505", table, "constraint once")),
            (said(log.call, "place_hold", "person", "1", "app.person", f'"{JANE}', "case-2"), ("22P02",)),
            (said(release_holds, log, "person", [JANE]), ("23514", table, "constraint lasts")),
            (said(expire), ("23514", f"table {archive.names.logs}.held_value", "constraint nobody")),
        ):
            assert isinstance(error, DatabaseFailed)
            assert (error.message, JANE in shown) == (f"PostgreSQL refused with SQLSTATE {', '.join(named)}", False)
            assert error.__cause__ is None
        # What our routines refuse is told as they say it.
        error, shown = said(log.call, *place, f"case of {JANE}")
        assert (error.message.startswith("a reference is opaque"), JANE in shown) == (True, False)
    finally:
        archive.as_admin("drop index {l}.once")
        archive.as_admin("alter table {l}.held_value drop constraint nobody")
        archive.as_admin("alter table {l}.hold drop constraint lasts")
    assert archive.run("2026-03-02").state is RunState.DONE
    assert [one.person for one in list_holds(log)] == [JANE]


def test_tables_of_two_classes_that_share_a_name_go_each_at_its_time(archive) -> None:
    """Threat: somebody sets tables aside as value_keep and entry_keep, and the shorter of two times waits for the longer."""
    begun(archive)
    archive.define("long", "1 year", "month", "2026-01-01")
    young, old = archive.write("2026-01-20", person="1"), archive.write("2026-01-20", "long", person="2")
    archive.as_admin("select * from {l}.seal()")
    (number,) = archive.rows("select number from {l}.class where class = 'long'")[0]
    for family, one in (("value", 1), ("entry", number)):
        archive.as_admin(
            f"alter table {{l}}.{family}_{one} detach partition {{l}}.{family}_{one}_20260101;"
            f"alter table {{l}}.{family}_{one}_20260101 rename to {family}_keep"
        )
    archive.run("2026-01-25")
    run = archive.run("2026-03-01", clock_is_right=True)
    assert archive.tables() & {"value_keep", "entry_keep"} == {"entry_keep"}
    assert {one.name: one.fate for one in run.outcomes if one.name.endswith("_keep")} == {
        "value_keep": Fate.DROPPED,
        "entry_keep": Fate.KEPT,
    }
    assert young not in archive.entries()
    assert archive.rows("select entry_id from {l}.entry_keep") == [(old,)]
    archive.run("2027-03-01", clock_is_right=True, allow_drop=True)
    assert archive.tables() & {"value_keep", "entry_keep"} == set()
