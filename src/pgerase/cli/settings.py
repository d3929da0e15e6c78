"""The options every command takes, before or after its name, and what they lead to: the database, the pack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from pgerase.database import Database
from pgerase.rules.pack import Pack

DEFAULT_PREFIX = "pgerase"

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass
class Settings:
    """What the common options say. Filled while the command line is parsed; commands get it with `@click.pass_obj`."""

    dsn: str = ""
    pack: Path | None = None
    format: str = "text"
    debug: bool = False

    @property
    def json(self) -> bool:
        """Whether results are wanted as JSON."""
        return self.format == "json"

    def open_database(self) -> Database:
        """Connect. Raises DatabaseFailed."""
        return Database.open(self.dsn)

    def read_pack(self) -> Pack | None:
        """The pack of `--pack`, None without one. Raises RuleFileError."""
        if self.pack is None:
            return None
        from pgerase.rules.read import read_pack  # noqa: PLC0415 - commands without a pack need no YAML

        return read_pack(self.pack)


def _keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value is not None:
        setattr(context.ensure_object(Settings), parameter.name, value)


debug_option = click.option(
    "--debug",
    is_flag=True,
    default=None,
    expose_value=False,
    callback=_keep,
    help="Show tracebacks.",
)


def formats(*names: str) -> Callable[[_Function], _Function]:
    """A `--format` with these choices."""
    return click.option(
        "--format",
        type=click.Choice(names),
        expose_value=False,
        # Before all others: what is wrong with them is printed in this format too.
        is_eager=True,
        callback=_keep,
        help="How to print results; text by default.",
    )


format_option = formats("text", "json")
_pack_option = click.option(
    "--pack",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    expose_value=False,
    callback=_keep,
    help="The folder with the rule files.",
)
_dsn_option = click.option(
    "--dsn",
    metavar="DSN",
    expose_value=False,
    callback=_keep,
    help="A libpq connection string; what it leaves out comes from libpq's environment. Keep passwords out of it.",
)


def common_options(function: _Function) -> _Function:
    """Give a command `--dsn`, `--pack`, `--format` and `--debug`. They go to Settings, not to the function."""
    return common_options_with(format_option)(function)


def common_options_with(format_option: Callable[[_Function], _Function]) -> Callable[[_Function], _Function]:
    """The same for a command that prints in other formats."""

    def give(function: _Function) -> _Function:
        for option in (debug_option, format_option, _pack_option, _dsn_option):
            function = option(function)
        return function

    return give
