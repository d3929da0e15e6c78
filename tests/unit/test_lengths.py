"""Lengths of time on the command line are read as people write them, or refused with what to write."""

from __future__ import annotations

from datetime import timedelta

import click
import pytest

from pgerase.cli.lengths import LengthProblem, length, parse_length

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1h", 60), ("1 h", 60), ("1hr", 60), ("1 hour", 60), ("  2   Hours ", 120), ("90 minutes", 90), ("90m", 90),
        ("30 min", 30), ("30min", 30), ("1 hour 30 minutes", 90), ("1h30m", 90), ("1h 30m", 90), ("0.5h", 30),
        ("60s", 1), ("1d", 1440), ("2 days", 2880), ("1 week", 10080), ("1w", 10080),
        ("1H", 60), ("2D 30m", 2910), ("1W", 10080), ("PT1H", 60), ("pt1h30m", 90), ("P1D", 1440), ("P1DT1H", 1500), ("P1W", 10080), ("PT0.5H", 30),
    ],
)  # fmt: skip
def test_length_is_read_as_people_write_it(text: str, minutes: int) -> None:
    assert parse_length(text) == minutes * MINUTE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5", "write 5m, 5h or 5d"),
        ("soon", "write 30m, 1 hour"),
        ("", "write 30m"),
        ("-1h", "write 30m"),
        ("1h -5m", "write 30m"),
        ("1 fortnight", "fortnight is no unit of time"),
        ("1 month", "months and years are of no one length"),
        ("2y", "months and years are of no one length"),
        ("1Y", "months and years are of no one length"),
        ("\u0661h", "write 30m"),
        ("PT\uff11H", "write 30m"),
        ("1M", "months and years are of no one length"),
        ("P1M", "write 30m"),
        ("P", "write 30m"),
        ("PT", "write 30m"),
        ("P1DT", "write 30m"),
        ("1h 30", "write 30m"),
        ("1h 1h", "hours twice"),
        ("1h 2 hours", "hours twice"),
        ("1h, 30m", "write 30m"),
        ("999999w", "longer than any length"),
        ("9999999h", "write 30m"),
    ],
)
def test_what_is_no_length_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(LengthProblem) as problem:
        parse_length(text)
    assert said in str(problem.value)


def test_a_number_alone_counts_the_unit_of_the_option() -> None:
    assert parse_length("24", unit="hours") == timedelta(hours=24)
    assert parse_length("0.1", unit="seconds") == timedelta(seconds=0.1)
    assert parse_length("24 min", unit="hours") == 24 * MINUTE


def test_bounds_are_said_when_they_are_passed() -> None:
    @click.command()
    @click.option(
        "--every", callback=length("seconds", least=timedelta(seconds=0.1), most=timedelta(hours=1)), default="5s"
    )
    def command(every: timedelta) -> timedelta:
        return every

    assert command.main([], standalone_mode=False) == timedelta(seconds=5)
    assert command.main(["--every", "0.1"], standalone_mode=False) == timedelta(seconds=0.1)
    assert command.main(["--every", "1 hour"], standalone_mode=False) == timedelta(hours=1)
    for text in ("0", "0.05", "61 min"):
        with pytest.raises(click.BadParameter, match=r"out of bounds: at least 0.1s and at most 1h"):
            command.main(["--every", text], standalone_mode=False)
