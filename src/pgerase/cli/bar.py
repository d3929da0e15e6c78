"""A progress bar on standard error, on a terminal only: scripts and logs get none."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from pgerase.operate import Progress


@contextmanager
def bar(label: str) -> Generator[Callable[[Progress], None]]:
    """What to call with every step, for the length of the block. The bar goes when the block ends."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(label, total=None)

        def step(now: Progress) -> None:
            failed = f", {now.failed} failed" if now.failed else ""
            shown.update(task, completed=now.done + now.failed, total=now.total, description=f"{label}{failed}")

        yield step
