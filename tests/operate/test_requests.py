"""The register of requests: what may be written into it, when it is due, how it ends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from pgerase.errors import Refused, UsageError
from pgerase.operate import (
    Outcome,
    RequestKind,
    State,
    close_request,
    erase,
    history,
    list_requests,
    open_request,
    read_request,
    set_state,
    status,
)


def test_request_lives_from_opening_to_closing(register) -> None:
    opened = open_request(register, "person", ["1", "2", "2"], reference="DSR-2026/17")
    assert (opened.kind, opened.subject, opened.reference) == (RequestKind.ERASURE, "person", "DSR-2026/17")
    assert (opened.people, opened.pending, opened.done, opened.failed) == (2, 2, 0, 0)
    assert list_requests(register) == (opened,)
    with pytest.raises(Refused, match="2 people of this request are not erased"):
        close_request(register, opened.number)
    erase(register, opened.number)
    closed = close_request(register, opened.number)
    assert (closed.outcome, closed.done, closed.pending) == (Outcome.DONE, 2, 0)
    assert closed.closed_at is not None
    assert list_requests(register) == ()
    assert list_requests(register, closed=True) == (closed,) == (read_request(register, opened.number),)
    for act in (close_request, erase):
        with pytest.raises(Refused, match="no open"):
            act(register, opened.number)


def test_request_can_be_withdrawn(register, shop) -> None:
    before = shop.application()
    opened = open_request(register, "person", ["1"])
    assert close_request(register, opened.number, outcome=Outcome.WITHDRAWN).outcome is Outcome.WITHDRAWN
    assert shop.application() == before
    with pytest.raises(Refused):
        erase(register, opened.number)


def test_request_that_is_no_erasure_is_closed_by_hand(register) -> None:
    opened = open_request(register, "person", ["1"], kind=RequestKind.ACCESS)
    with pytest.raises(Refused, match="no open erasure request"):
        erase(register, opened.number)
    assert close_request(register, opened.number).outcome is Outcome.DONE


@pytest.mark.parametrize(
    ("received", "due"),
    [
        (datetime(2025, 1, 31, 12, tzinfo=UTC), date(2025, 2, 28)),
        (datetime(2024, 1, 31, 12, tzinfo=UTC), date(2024, 2, 29)),
        (datetime(2025, 12, 15, 23, 59, tzinfo=UTC), date(2026, 1, 15)),
        (datetime(2025, 3, 30, 0, 30, tzinfo=UTC), date(2025, 4, 30)),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland"])
def test_due_is_a_calendar_month_later(register, received, due, zone) -> None:
    register.database.rows("select set_config('timezone', %s, false)", [zone])
    assert open_request(register, "person", ["1"], received_at=received).due_on == due


@pytest.mark.parametrize("reference", ["a@b.c", "Jane Doe", "x" * 65, "ü", "a\nb", "a\n", "'; drop table x", " "])
def test_reference_that_could_be_personal_is_refused(register, reference) -> None:
    with pytest.raises(UsageError, match="a request needs"):
        open_request(register, "person", ["1"], reference=reference)
    assert list_requests(register, closed=True) == ()


def test_what_is_no_request_is_refused(register) -> None:
    with pytest.raises(UsageError, match="no such subject"):
        open_request(register, "nobody", ["1"])
    with pytest.raises(UsageError, match="no such subject"):
        open_request(register, "person; drop", ["1"])
    for keys in ([], [""], ["x" * 1025]):
        with pytest.raises(UsageError, match="a request needs"):
            open_request(register, "person", keys)
    with pytest.raises(UsageError, match="a request needs"):
        open_request(register, "person", ["1"], received_at=datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(Refused, match="2 of the keys given belong to nobody"):
        open_request(register, "person", ["1", "9999", "10000"])
    for keys in (["nonsense"], ["1", "007"], [" 7"], ["99999999999"]):
        for act in (open_request, status, lambda *given: set_state(*given, State.INACTIVE)):
            with pytest.raises(UsageError, match="these keys cannot be looked up") as error:
                act(register, "person", keys)
            assert "as PostgreSQL prints it" in error.value.hint
        with pytest.raises(UsageError, match="these keys cannot be looked up"):
            open_request(register, "person", keys, missing_too=True)
    with pytest.raises(Refused, match="no request 4711"):
        read_request(register, 4711)


def test_keys_of_nobody_are_accepted_where_it_is_said(register, shop) -> None:
    shop.owner.execute("alter table shop.note drop constraint note_author_id_fkey")
    shop.owner.execute("insert into shop.note values (1, 9999, 'left behind')")
    request = open_request(register, "person", ["9999"], missing_too=True)
    assert [(c.relation, c.rows) for c in erase(register, request.number).counts] == [("shop.note", 1)]
    assert status(register, "person", ["9999"])[0].state is State.ERASED


def test_lifecycle_of_a_person(register, shop) -> None:
    def state() -> State:
        return status(register, "person", ["7"])[0].state

    assert state() is State.ACTIVE
    assert set_state(register, "person", ["7", "8"], State.INACTIVE) == 2
    assert set_state(register, "person", ["7", "8"], State.INACTIVE) == 0
    assert state() is State.INACTIVE
    assert set_state(register, "person", ["7"], State.ACTIVE) == 1
    request = open_request(register, "person", ["7"], reference="R-1")
    erase(register, request.number)
    assert state() is State.ERASED
    with pytest.raises(Refused, match="person 7 is erased: nobody was changed"):
        set_state(register, "person", ["6", "7"], State.INACTIVE)
    with pytest.raises(Refused, match="person 9999 is missing"):
        set_state(register, "person", ["6", "9999"], State.INACTIVE)
    assert status(register, "person", ["6"])[0].state is State.ACTIVE
    close_request(register, request.number)
    assert [(event.what, event.request, event.reference) for event in history(register, "person", ["7"])] == [
        ("received", request.number, "R-1"),
        ("erased", request.number, "R-1"),
        ("closed", request.number, "R-1"),
    ]


def test_subject_without_a_lifecycle_is_erased_by_the_ledger(register, shop) -> None:
    shop.owner.execute("insert into shop.member values ('a', 'b'), ('a', 'c')")
    both = ['["a", "b"]', '["a", "c"]']
    assert [person.state for person in status(register, "member", both)] == [State.ACTIVE, State.ACTIVE]
    with pytest.raises(Refused, match="no lifecycle"):
        set_state(register, "member", both, State.INACTIVE)
    erase(register, open_request(register, "member", both[:1]).number)
    assert [person.state for person in status(register, "member", both)] == [State.ERASED, State.ACTIVE]
    assert shop.rows("select nick from shop.member") == [("c",)]
    # Somebody revives the key behind our back: the ledger still knows.
    shop.owner.execute("insert into shop.member values ('a', 'b')")
    assert status(register, "member", both)[0].state is State.ERASED
