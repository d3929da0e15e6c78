"""Prints the story: narration, command lines, what they said, tables, and what was found to hold. It looks at nothing itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import wrap
from typing import TextIO

from rich.console import Console
from rich.text import Text

from pgerase.counts import counted

_WIDEST = 100
_INDENT = 4
_GAP = 2
_NARROWEST = 20


class Teller:
    """Writes to one stream; `quiet` to none. Keeps what was found to hold, for the end and for JSON."""

    def __init__(self, stream: TextIO, *, quiet: bool = False) -> None:
        self._console = Console(file=stream, quiet=quiet, highlight=False, markup=False, emoji=False)
        self._console.width = min(self._console.width, _WIDEST)
        self._acts = 0
        self.held: list[str] = []

    def act(self, title: str) -> None:
        """Begin a part of the story."""
        self._acts += 1
        self._print("", "")
        self._print(f"{self._acts}. {title}", "bold")

    def say(self, text: str) -> None:
        """Narration: what is about to happen. Never what came of it."""
        self._hanging(text, indent=0, hang=0, style="")

    def command(self, words: str) -> None:
        """A command or a statement as it is run."""
        self._hanging(f"$ {words}", indent=2, hang=4, style="bold cyan")

    def statement(self, who: str, sql: str) -> None:
        """A statement as it is run, and by whom."""
        self._hanging(f"{who}=> {sql};", indent=2, hang=4, style="bold cyan")

    def said(self, lines: Sequence[str], shown: Sequence[str] = ()) -> None:
        """What a command or the database said. With `shown`, the lines that match one of these patterns and the last one.

        How many lines are left out is said where they are.
        """
        patterns = [re.compile(pattern) for pattern in shown]
        left_out = 0
        for number, line in enumerate(lines, start=1):
            if patterns and number < len(lines) and not any(pattern.search(line) for pattern in patterns):
                left_out += 1
                continue
            self._left_out(left_out)
            left_out = 0
            extra = len(line) - len(line.lstrip())
            self._hanging(line.lstrip(), indent=_INDENT + extra, hang=2, style=_style(line))

    def _left_out(self, count: int) -> None:
        if count:
            self._print(f"{' ' * _INDENT}({counted(count, 'more line')})", "dim")

    def rows(self, titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[bool]) -> None:
        """A table, by title whether its column is aligned to the right; the last column may take several lines."""
        widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
        widths[-1] = max(self._console.width - _INDENT - sum(widths[:-1]) - _GAP * (len(widths) - 1), _NARROWEST)
        for number, row in enumerate((titles, *rows)):
            folded = wrap(row[-1], widths[-1]) or [""]
            cells = [
                cell.rjust(width) if numbers else cell.ljust(width)
                for cell, width, numbers in zip(row[:-1], widths, right, strict=False)
            ]
            for last in folded:
                line = " " * _INDENT + (" " * _GAP).join([*cells, last])
                self._print(line.rstrip(), "dim" if number == 0 else "")
                cells = [" " * width for width in widths[:-1]]

    def holds(self, claim: str) -> None:
        """Something that was looked at and found so."""
        self.held.append(claim)
        self._hanging(f"ok  {claim}", indent=_INDENT, hang=4, style="green")

    def _hanging(self, text: str, *, indent: int, hang: int, style: str) -> None:
        """A paragraph whose further lines are indented more."""
        lines = wrap(
            text,
            self._console.width,
            initial_indent=" " * indent,
            subsequent_indent=" " * (indent + hang),
            break_on_hyphens=False,
        )
        for line in lines or [""]:
            self._print(line, style)

    def _print(self, line: str, style: str) -> None:
        # The width was kept where lines were made; a word longer than a line goes on as it is.
        self._console.print(Text(line, style=style), soft_wrap=True)


def _style(line: str) -> str:
    """A colour by the sign or word a line begins with; nothing depends on it."""
    for pattern, style in (
        (r"^\+ ", "green"),
        (r"^~ ", "yellow"),
        (r"^- ", "red"),
        (r"^error", "red"),
        (r"^warning", "yellow"),
        (r"^note", "dim"),
    ):
        if re.match(pattern, line):
            return style
    return ""
