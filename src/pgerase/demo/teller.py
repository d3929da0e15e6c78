"""Prints the story: narration, command lines, what they said, tables, and what was found to hold. It looks at nothing itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_WIDEST = 100
_INDENT = 4


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
        self._console.print()
        self._console.print(Text(f"{self._acts}. {title}", style="bold"))

    def say(self, text: str) -> None:
        """Narration: what is about to happen. Never what came of it."""
        self._console.print(Text(text))

    def command(self, words: str) -> None:
        """A command or a statement as it is run."""
        self._console.print(_hanging(f"$ {words}", indent=2, hang=4, style="bold cyan"))

    def statement(self, who: str, sql: str) -> None:
        """A statement as it is run, and by whom."""
        self._console.print(_hanging(f"{who}=> {sql};", indent=2, hang=4, style="bold cyan"))

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
            self._console.print(_hanging(line.lstrip(), indent=_INDENT + extra, hang=2, style=_style(line)))

    def _left_out(self, count: int) -> None:
        if count:
            self._console.print(Text(f"{' ' * _INDENT}({count} more line{'' if count == 1 else 's'})", style="dim"))

    def rows(self, titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[bool]) -> None:
        """A table, by title whether its column is aligned to the right."""
        table = Table(box=None, pad_edge=False, header_style="underline", padding=(0, 2, 0, 0))
        for title, numbers in zip(titles, right, strict=True):
            table.add_column(title, justify="right" if numbers else "left", overflow="fold", no_wrap=numbers)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self._console.print(Padding(table, (0, 0, 0, _INDENT)))

    def holds(self, claim: str) -> None:
        """Something that was looked at and found so."""
        self.held.append(claim)
        line = Text.assemble(("ok", "bold green"), f"  {claim}")
        self._console.print(Padding(line, (0, 0, 0, _INDENT)))


def _hanging(text: str, *, indent: int, hang: int, style: str) -> Padding:
    """A paragraph whose further lines are indented more, unless it fits."""
    return Padding(_Hanging(Text(text, style=style), hang), (0, 0, 0, indent))


class _Hanging:
    """Text whose lines after the first are moved to the right."""

    def __init__(self, text: Text, hang: int) -> None:
        self._text = text
        self._hang = hang

    def __rich_console__(self, console: Console, options: object) -> list[Text]:
        width = getattr(options, "max_width", console.width)
        lines = self._text.wrap(console, max(width - self._hang, 20))
        for line in lines[1:]:
            line.pad_left(self._hang)
        for line in lines:
            line.rstrip()
        return list(lines)


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
