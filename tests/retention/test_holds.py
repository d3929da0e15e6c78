"""Legal holds: what they are about outlives its partition, with what proves it; all else goes in time."""

from __future__ import annotations

import pytest

from pgerase.operate.retention_model import Fate, RunState

STAND_IN = """
    create table {l}.segment (segment_id bigint primary key, at timestamptz not null default now());
    create function {l}.inclusion_path(p_segment bigint, p_position integer) returns bytea[]
        language plpgsql as $$
        begin
            if p_segment = 666 then
                raise exception using errcode = 'ZE232', message = 'tampered';
            end if;
            -- It needs the whole segment, as the real one does.
            return (
                select array_agg(leaf.hash order by leaf.position)
                from {l}.leaf as leaf
                where leaf.segment_id = p_segment and leaf.position <> p_position
            );
        end $$;
    create function {l}.seal(p_now timestamptz, p_limit integer default 100000)
        returns table (segment_id bigint, kind text, class text, entries integer)
        language plpgsql security definer as $$
        declare
            v_count integer;
        begin
            if exists (select from {l}.segment as refusing where refusing.segment_id = -1) then
                raise exception using errcode = 'ZE230', message = 'another session is sealing the log';
            end if;
            insert into {l}.leaf (class, at, entry_id, segment_id, position, salt, hash)
            select e.class, e.at, e.entry_id, 1, e.entry_id, '\\x00', sha256(e.entry_id::text::bytea)
            from {l}.entry as e
            where not exists (select from {l}.leaf as l where l.entry_id = e.entry_id);
            get diagnostics v_count = row_count;
            return query select 1::bigint, 'entry', 'default', v_count;
        end $$;
    alter table {l}.segment owner to {k};
    alter function {l}.seal(timestamptz, integer) owner to {k};
    alter function {l}.inclusion_path(bigint, integer) owner to {k};
    grant select on {l}.segment to {o};
"""


@pytest.fixture
def sealed(archive):
    """A stand-in for the seal, as small as can be: what is tested here is who calls it when."""
    script = STAND_IN.replace("{k}", f'"{archive.names.keeper}"').replace("{o}", f'"{archive.database.owner}"')
    archive.as_admin(script)
    yield archive
    archive.as_admin("drop function {l}.seal, {l}.inclusion_path; drop table {l}.segment")


def hold(archive, person: str, reference: str = "case-1") -> None:
    archive.rows("select {l}.place_hold('person', %s, null, null, %s)", person, reference)


def release(archive, person: str, reference: str | None = None) -> int:
    return archive.rows("select {l}.release_holds('person', %s, %s)", person, reference)[0][0]


def begun(archive) -> None:
    archive.define("default", "1 month", "month", "2026-01-15")
    archive.run("2026-01-15")


def test_entries_of_held_people_outlive_their_partition(sealed) -> None:
    begun(sealed)
    theirs, others, nobodys = (sealed.write("2026-01-20", person=person) for person in ("1", "2", None))
    hold(sealed, "1")
    run = sealed.run("2026-03-01", clock_is_right=True)
    assert (run.state, run.sealed, run.counts[Fate.DROPPED]) == (RunState.DONE, True, 1)
    assert sealed.entries() == set()
    assert sealed.held() == {theirs}
    [(person, new)] = sealed.rows("select person, new from {l}.held_value")
    assert (person, new) == ("1", {"email": "x"})
    # The path was computed while the segment was whole.
    paths = sealed.rows(
        "select path = array[sha256(%s), sha256(%s)] from {l}.held", str(others).encode(), str(nobodys).encode()
    )
    assert paths == [(True,)]
    assert sealed.rows("select body from {l}.record where kind = 'held'") == [
        ({"table": "entry_1_20260101", "entries": 1, "proven": True},)
    ]


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
    held = archive.write("2026-01-20", grant=5)
    archive.write("2026-01-20", grant=6)
    body = archive.as_admin(
        "select pg_get_functiondef(oid) from pg_proc where proname = 'held_grants' and pronamespace = %s::regnamespace",
        archive.names.logs,
    )
    archive.as_admin(
        "create or replace function {l}.held_grants() returns bigint[] language sql stable return array[5::bigint]"
    )
    archive.run("2026-03-01", clock_is_right=True)
    assert archive.held() == {held}
    archive.admin.execute(body[0][0].encode())
    assert archive.run("2026-03-02").released == 1


def test_a_hold_placed_between_detaching_and_dropping_is_honoured(archive) -> None:
    begun(archive)
    theirs = archive.write("2026-01-20", person="1")
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
    assert {one.fate for one in run.outcomes if one.name == "entry_1_20260101"} == {Fate.HELD_BACK}
    assert {"entry_1_20260101", "value_1_mine"} <= archive.tables()


def test_what_cannot_be_sealed_is_not_dropped_until_somebody_says_so(sealed) -> None:
    """E5's deadline loses against the proof, and audit status says so; with --allow-drop it wins."""
    begun(sealed)
    sealed.write("2026-01-20")
    sealed.as_admin("insert into {l}.segment values (-1)")
    run = sealed.run("2026-03-01", clock_is_right=True)
    assert (run.state, run.counts[Fate.HELD_BACK]) == (RunState.INCOMPLETE, 1)
    assert len(sealed.entries()) == 1
    assert sealed.run("2026-03-02", allow_drop=True).state is RunState.DONE
    assert sealed.entries() == set()


def test_a_segment_that_was_tampered_with_is_no_reason_to_lose_what_is_held(sealed) -> None:
    begun(sealed)
    theirs = sealed.write("2026-01-20", person="1")
    sealed.as_admin(
        "insert into {l}.leaf (class, at, entry_id, segment_id, position, salt, hash)"
        " values ('default', '2026-01-20', %s, 666, 0, '', '')",
        theirs,
    )
    hold(sealed, "1")
    assert sealed.run("2026-03-01", clock_is_right=True).state is RunState.DONE
    assert sealed.rows("select entry_id, segment_id, path from {l}.held") == [(theirs, 666, None)]
    assert sealed.rows("select body ->> 'proven' from {l}.record where kind = 'held'") == [("false",)]


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
