"""The scheduler over years of drawn time: writes, runs, missed and killed runs, clocks that jump, holds, erasures.

What must be there afterwards is said by a model in Python that shares nothing with the routines: lists of dates and sets of
numbers. Besides, what the issue asks for is asserted by itself: no write fails, nothing goes early, nothing stays too long.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from pgerase.errors import DatabaseFailed
from pgerase.operate import retention
from pgerase.operate.retention_model import RunState
from tests.retention.conftest import utc
from tests.retention.test_retention_faults import killed_before, members

START = utc("2024-02-27 10:00")
DAY = timedelta(days=1)
PEOPLE = ("1", "2", "3")


def months_later(at: datetime, months: int) -> datetime:
    """As calendars do: the last day of a shorter month."""
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    for day in range(at.day, 0, -1):
        try:
            return at.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    raise AssertionError(at)


def midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass
class Entry:
    number: int
    at: datetime
    person: str | None
    is_early: bool = False
    """Dated before every partition: its date says nothing about its age."""
    written: datetime = START
    is_late: bool = False
    """Written where no run had made a partition."""


@dataclass
class Class:
    """`bounds` are where partitions meet: before the first and after the last are the open ones."""

    name: str
    period: str
    keep: tuple[int, int]
    """Months and days."""
    ahead: int
    bounds: list[datetime] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    held: dict[int, tuple[Entry, datetime]] = field(default_factory=dict)
    early_since: datetime | None = None
    early_newest: int | None = None

    def begin(self, at: datetime) -> datetime:
        day = midnight(at)
        return {"day": day, "week": day - timedelta(days=at.weekday()), "month": day.replace(day=1)}[self.period]

    def following(self, at: datetime) -> datetime:
        begin = self.begin(at)
        return {"day": begin + DAY, "week": begin + 7 * DAY, "month": months_later(begin, 1)}[self.period]

    def kept_until(self, at: datetime) -> datetime:
        return months_later(at, self.keep[0]) + timedelta(days=self.keep[1])

    def due(self, upper: datetime) -> datetime:
        tick = timedelta(microseconds=1)
        return max(self.kept_until(upper), self.kept_until(upper - tick) + tick)

    def make(self, now: datetime) -> None:
        if not self.bounds:
            self.bounds = [self.begin(now)]
        if now >= self.bounds[-1]:
            self.bounds.append(self.following(now))
        while sum(bound > now for bound in self.bounds[:-1]) < self.ahead:
            self.bounds.append(self.following(self.bounds[-1]))
        early = [entry.number for entry in self.entries if entry.at < self.bounds[0]]
        newest = max(early, default=None)
        if newest != self.early_newest:
            self.early_newest, self.early_since = newest, now if early else None

    def expired(self, now: datetime) -> list[tuple[datetime | None, datetime]]:
        """The partitions that are due, the open first one too where it is."""
        found: list[tuple[datetime | None, datetime]] = []
        if (
            self.early_since is not None
            and self.kept_until(self.early_since) <= now
            and self.due(self.bounds[0]) <= now
        ):
            found.append((None, self.bounds[0]))
        found += [(lower, upper) for lower, upper in pairwise(self.bounds) if self.due(upper) <= now]
        return found

    def drop(self, lower: datetime | None, upper: datetime, holds: set[str]) -> list[Entry]:
        gone = [one for one in self.entries if one.at < upper and (lower is None or one.at >= lower)]
        self.entries = [one for one in self.entries if one not in gone]
        for one in gone:
            if one.person in holds:
                self.held[one.number] = (one, self.due(upper))
        if lower is not None:
            self.bounds.remove(lower)
        return gone


class Model:
    """What has to be there, and what has to be refused."""

    def __init__(self) -> None:
        self.classes = {
            "default": Class("default", "month", (6, 0), 2),
            "app.visit": Class("app.visit", "day", (0, 10), 2),
            "app.order": Class("app.order", "week", (2, 0), 1),
        }
        self.holds: set[str] = set()
        self.accepted: list[datetime] = []
        self.seen = 0
        self.done: datetime | None = None
        self.entries: list[tuple[int, datetime]] = []
        """All there ever were, by number, with their dates; those still in the log tell of the time."""

    def present(self) -> list[Entry]:
        return [entry for one in self.classes.values() for entry in one.entries]

    def refuses(self, now: datetime) -> bool:
        last = self.accepted[-1]
        minute = timedelta(minutes=1)
        present = sorted(self.present(), key=lambda entry: entry.number)
        if now < last - minute or (present and now < present[-1].at - minute):
            return True
        if now <= last + 7 * DAY:
            return False
        told = sorted([last, now, *(one.at for one in present if one.number > self.seen and one.at > last)])
        return any(later - sooner > 7 * DAY for sooner, later in pairwise(told))

    def accept(self, now: datetime) -> None:
        """A run whose clock is trusted has begun."""
        self.accepted.append(now)
        self.seen = max((entry.number for entry in self.present()), default=0)

    def run(self, now: datetime, *, allow_drop: bool) -> bool:
        """What a run does; whether all of it was done."""
        self.accept(now)
        whole = True
        for one in self.classes.values():
            one.make(now)
        for one in self.classes.values():
            expired = one.expired(now)
            unexplained = sum(self.done is None or one.due(upper) <= self.done for _, upper in expired)
            if unexplained > 2 and not allow_drop:
                whole = False
                continue
            for lower, upper in expired:
                for entry in one.drop(lower, upper, self.holds):
                    # Nothing goes early: neither by its date nor, where that is wrong, by when it was written.
                    assert one.kept_until(entry.at) <= now
            one.make(now)
        for one in self.classes.values():
            for number, (entry, due) in list(one.held.items()):
                if entry.person not in self.holds and due <= now:
                    del one.held[number]
        if whole:
            self.done = now
        return whole


class Trial:
    """The model and the log, side by side. `now` is the true time; what the server's clock shows is `now + offset`."""

    def __init__(self, archive, monkeypatch) -> None:
        self.archive = archive
        self.monkeypatch = monkeypatch
        self.model = Model()
        self.now = START
        self.offset = timedelta(0)
        for one in self.model.classes.values():
            keep = f"{one.keep[0]} months {one.keep[1]} days"
            archive.define(one.name, keep, one.period, START, one.ahead)
            one.make(START)
        self.run()

    @property
    def clock(self) -> datetime:
        return self.now + self.offset

    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    def miss(self, days: int) -> None:
        self.wait(24 * days)

    def jump(self, days: int) -> None:
        self.offset = timedelta(days=days)

    def set_right(self) -> None:
        self.offset = timedelta(0)

    def day(self, name: str, person: str | None) -> None:
        self.write(name, person)
        self.wait(24)
        self.run()

    def weeks(self, number: int) -> None:
        """Somebody starts it once a week, an hour before it would be late."""
        for _ in range(number):
            self.wait(7 * 24 - 1)
            self.write("default", "1")
            self.run()

    def killed(self, number: int) -> None:
        self.run(number)

    def write(self, name: str, person: str | None) -> None:
        one = self.model.classes[name]
        # No write fails, whatever the clock shows and whoever was killed before.
        number = self.archive.write(self.clock, name, person=person)
        early = self.clock < one.bounds[0]
        one.entries.append(Entry(number, self.clock, person, early, self.now, is_late=self.clock >= one.bounds[-1]))

    def hold(self, person: str) -> None:
        self.archive.rows("select {l}.place_hold('person', %s, null, null, 'case-1')", person)
        self.model.holds.add(person)

    def release(self, person: str) -> None:
        self.archive.rows("select {l}.release_holds('person', %s, null)", person)
        self.model.holds.discard(person)

    def erase(self, person: str) -> None:
        held = self.archive.rows("select {l}.is_held('person', %s)", person) == [(True,)]
        assert held == (person in self.model.holds)
        if held:
            return
        for table in ("value", "held_value"):
            self.archive.as_admin("set session_replication_role = replica")
            self.archive.as_admin(f"delete from {{l}}.{table} where person = %s", person)
            self.archive.as_admin("reset session_replication_role")
        for one in self.model.classes.values():
            for entry in [*one.entries, *(entry for entry, _ in one.held.values())]:
                if entry.person == person:
                    entry.person = None

    def run(self, kill: int | None = None) -> None:
        """A run by the clock; where the clock is right and nobody believes it, somebody says so."""
        clock = self.clock
        right = bool(self.model.accepted) and self.model.refuses(clock)
        if right:
            refused = self.archive.run(clock)
            assert refused.state is RunState.REFUSED
            self.compare()
            if self.offset:
                return
        if kill is not None:
            victim = self.archive.open()
            with killed_before(self.archive, self.monkeypatch, kill, victim) as sent:
                try:
                    self.archive.run(clock, victim, clock_is_right=right)
                except DatabaseFailed:
                    assert sent[0] >= kill
            # Whatever it left: writes go on, and the next run finishes it.
            self.write("app.visit", None)
        expected = self.model.run(clock, allow_drop=False)
        run = self.archive.run(clock, clock_is_right=right)
        assert (run.state is RunState.DONE, run.refused) == (expected, not expected), run
        self.compare()
        if not expected and not self.offset:
            assert self.model.run(clock, allow_drop=True)
            assert self.archive.run(clock, clock_is_right=right, allow_drop=True).state is RunState.DONE
            self.compare()
        if not self.offset:
            self.nothing_stays_too_long()

    def nothing_stays_too_long(self) -> None:
        """Of what was written into a partition made for it: at most its time, its period, and a day for the ends of months."""
        for one in self.model.classes.values():
            for entry in one.entries:
                if not entry.is_late and not entry.is_early:
                    assert self.now < one.kept_until(one.following(entry.at)) + DAY, entry

    def compare(self) -> None:
        archive, model = self.archive, self.model
        for one in model.classes.values():
            bounds = ["-infinity", *(str(bound.date()) for bound in one.bounds), "infinity"]
            assert archive.bounds(one.name) == list(pairwise(bounds)), one.name
        assert archive.entries() == {entry.number for entry in model.present()}
        assert archive.held() == {number for one in model.classes.values() for number in one.held}
        assert archive.rows("select relation from {l}.detached()") == []
        assert members(archive) == []


_names = st.sampled_from(["default", "app.visit", "app.order"])
_people = st.sampled_from([None, *PEOPLE])
_some = st.sampled_from(PEOPLE)


def events(weeks: int) -> st.SearchStrategy[tuple]:
    """One event: the name of a method of Trial with its arguments."""
    return st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 80)),
        st.tuples(st.just("write"), _names, _people),
        st.tuples(st.just("day"), _names, _people),
        st.tuples(st.just("weeks"), st.integers(1, weeks)),
        st.tuples(st.just("run")),
        st.tuples(st.just("killed"), st.integers(4, 60)),
        st.tuples(st.just("miss"), st.integers(1, 200)),
        st.tuples(st.just("jump"), st.sampled_from([-900, -40, -2, 1, 5, 30, 400, 4000])),
        st.tuples(st.just("set_right")),
        st.tuples(st.just("hold"), _some),
        st.tuples(st.just("release"), _some),
        st.tuples(st.just("erase"), _some),
    )


def play(archive, monkeypatch, events: list[tuple]) -> None:
    """Carry out what was drawn, from an empty log."""
    archive.end()
    archive.begin()
    trial = Trial(archive, monkeypatch)
    for name, *arguments in events:
        getattr(trial, name)(*arguments)
    trial.set_right()
    trial.wait(25)
    trial.run()


@pytest.fixture(autouse=True)
def no_long_tries(monkeypatch) -> None:
    monkeypatch.setattr(retention, "_TRIES", 2)


# What fails here is drawn the same again; finding the smallest such list takes minutes, and is for the long run.
_QUICK = (Phase.explicit, Phase.generate)
_FIXTURES = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(
    max_examples=2, deadline=None, suppress_health_check=_FIXTURES, database=None, derandomize=True, phases=_QUICK
)
@given(drawn=st.lists(events(2), min_size=6, max_size=10))
@example(
    drawn=[
        ("day", "default", "1"),
        ("hold", "1"),
        ("miss", 200),
        ("killed", 30),
        ("jump", 400),
        ("day", "app.visit", "2"),
        ("set_right",),
        ("erase", "2"),
        ("release", "1"),
        ("weeks", 2),
    ]
)
def test_no_write_fails_nothing_goes_early_nothing_stays_too_long(archive, monkeypatch, drawn) -> None:
    play(archive, monkeypatch, drawn)


@pytest.mark.long
@settings(max_examples=150, deadline=None, suppress_health_check=_FIXTURES, database=None, print_blob=True)
@given(drawn=st.lists(events(60), min_size=10, max_size=60))
def test_years_of_it(archive, monkeypatch, drawn) -> None:
    play(archive, monkeypatch, drawn)


def test_the_model_says_the_same_of_august_as_people_do() -> None:
    assert months_later(utc("2026-08-31"), 6) == utc("2027-02-28")
    weekly = Class("x", "week", (6, 0), 1)
    assert weekly.following(utc("2026-08-26")) == utc("2026-08-31")
    assert weekly.due(utc("2026-08-31")) == utc("2027-03-01")
