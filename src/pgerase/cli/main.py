"""The entry point: the table of commands, loaded when called, and the one place where errors become exit codes."""

from __future__ import annotations

import difflib
import os
import re
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import click

from pgerase import __version__
from pgerase.cli.output import print_error
from pgerase.cli.settings import Settings, common_options
from pgerase.errors import ExitCode, PgeraseError


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is (`module:function`), and what it does in a few words, so that help need not load it."""

    target: str
    summary: str


COMMANDS = {
    "demo": Entry("pgerase.cli.demo:demo", "The whole story on a private PostgreSQL that goes away afterwards."),
    "install": Entry("pgerase.cli.install:install", "Make roles, schemas, ledger and functions in a database."),
    "upgrade": Entry("pgerase.cli.install:upgrade", "Bring what is installed to this version."),
    "uninstall": Entry("pgerase.cli.install:uninstall", "Remove what install made; tables stay as they are."),
    "check": Entry("pgerase.cli.check:check", "Are the rule files sound, alone or on a database?"),
    "plan": Entry("pgerase.cli.plan:plan", "Show what would change, with locks and who sees more or less."),
    "apply": Entry("pgerase.cli.plan:apply", "Carry out a plan, whole or not at all."),
    "revert": Entry("pgerase.cli.plan:revert", "Put everything back as it was before the first apply."),
    "off": Entry("pgerase.cli.plan:off", "Stop governing one table, now."),
    "drift": Entry("pgerase.cli.plan:drift", "Compare what was applied with what is there."),
    "verify": Entry("pgerase.cli.verify:verify", "Compare what the database does with what the rules mean."),
    "explain": Entry("pgerase.cli.explain:explain", "May somebody do that to a row, and why or why not?"),
    "matrix": Entry("pgerase.cli.matrix:matrix", "Who may do what, as counts of rows."),
    "render": Entry("pgerase.cli.plan:render", "Write the plan as SQL files for psql, Flyway and the like."),
    "request": Entry("pgerase.cli.request:request", "What people asked for: open, list, close."),
    "subject": Entry(
        "pgerase.cli.subject:subject",
        "People: status, deactivate, activate, erase, prove, hold, holds, release, history.",
    ),
    "audit": Entry(
        "pgerase.cli.audit:audit",
        "The log of what happened: status, maintain, seal, verify, export, coverage, tail, history, key.",
    ),
    "retention": Entry("pgerase.cli.retention:retention", "How long the log keeps what happened."),
    "support": Entry(
        "pgerase.cli.support:support",
        "Access of the staff to one person's data: open, approve, close, review, list, who-saw.",
    ),
    "deliver": Entry("pgerase.cli.deliver:deliver", "Post what is announced about support access."),
    "key": Entry("pgerase.cli.key:key", "Keys to sign tokens with: add, rotate, retire, list."),
    "backup-check": Entry("pgerase.cli.plan:backup_check", "Are dumps whole?"),
}


_PASSWORD = re.compile(r"(password\s*=\s*|password%3D|://[^\s/:@]*:)('(?:[^'\\]|\\.)*'|[^\s@&)]+)", re.IGNORECASE)
"""Passwords in connection strings, of both kinds."""


class Commands(click.Group):
    """A group whose commands are imported when they are called, and that helps with mistyped ones."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command; None for an unknown one."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, function = entry.target.split(":")
        return getattr(import_module(module), function)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command and its arguments. Raises click.UsageError naming the nearest where there is none of that name."""
        if args and args[0] not in COMMANDS:
            nearest = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {nearest[0]}?" if nearest else ""
            raise click.UsageError(f"no such command: {args[0]}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pgerase")
@common_options
def cli() -> None:
    """Privacy rules that PostgreSQL itself enforces.

    Results go to standard output, progress to standard error. Exit codes: 0 done or clean, 1 the answer is no, 2 usage or
    unreadable rules, 3 refused, 4 database failure, 5 bug.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Never raises; what goes wrong is printed."""
    settings = Settings()
    try:
        return perform(settings, sys.argv[1:] if arguments is None else arguments)
    except click.Abort:
        print_error(settings, kind="Refused", message="interrupted", code=ExitCode.REFUSED)
        return ExitCode.REFUSED


def perform(settings: Settings, arguments: Sequence[str]) -> int:
    """Run one command, print what goes wrong, and return its exit code. Raises click.Abort where it is interrupted."""
    try:
        # Nothing at all is a question, not a mistake.
        result = cli.main(args=list(arguments) or ["--help"], prog_name="pgerase", standalone_mode=False, obj=settings)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        raise
    except BrokenPipeError:
        # Whoever read our output has enough; there is nobody left to tell.
        sys.stderr.close()
        return ExitCode.DONE
    except Exception as error:  # noqa: BLE001 - the last resort: a bug is an exit code too
        if settings.debug:
            traceback.print_exc(file=sys.stderr)
        return _explain(settings, error, arguments)
    return result if isinstance(result, int) else ExitCode.DONE


def _explain(settings: Settings, error: Exception, arguments: Sequence[str]) -> int:
    """Print what went wrong and return the exit code that says so."""
    match error:
        case click.exceptions.NoArgsIsHelpError():
            if not settings.json:
                click.echo(f"{error.ctx.get_help()}\n", err=True)
            message = f"`{error.ctx.command_path}` needs a command"
            print_error(settings, kind="UsageError", message=message, code=ExitCode.USAGE)
            return ExitCode.USAGE
        case click.ClickException():
            where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "pgerase"
            hint = f"see `{where} --help`"
            # An option that lacks a value may have swallowed --dsn, and then the next word is one too many.
            message = _PASSWORD.sub(r"\1…", error.format_message())
            print_error(settings, kind="UsageError", message=message, hint=hint, code=ExitCode.USAGE)
            return ExitCode.USAGE
        case PgeraseError() if error.exit_code is not ExitCode.BUG:
            print_error(settings, kind=type(error).__name__, error=error, code=error.exit_code)
            return error.exit_code
        case OSError() if error.filename is not None:
            # A file named on the command line that cannot be read or written.
            message = f"{error.filename}: {error.strerror}"
            print_error(settings, kind="UsageError", message=message, hint=_file_hint(error), code=ExitCode.USAGE)
            return ExitCode.USAGE
        case UnicodeEncodeError() if any(map(_is_no_text, arguments)):
            # Names of files may be any bytes; whatever else is sent somewhere or looked for has to be text.
            number = next(number for number, one in enumerate(arguments, 1) if _is_no_text(one))
            message = f"word {number} after `pgerase` is not valid UTF-8"
            print_error(settings, kind="UsageError", message=message, code=ExitCode.USAGE)
            return ExitCode.USAGE
        case _:
            print_error(
                settings,
                kind="InternalError",
                message=f"{type(error).__name__}: {error}",
                hint="this is a bug in pgerase: please report it with the command and the traceback that --debug shows",
                code=ExitCode.BUG,
            )
            return ExitCode.BUG


def _file_hint(error: OSError) -> str:
    """What to do about a file that could not be read or written; nothing where the message says it all."""
    match error:
        case FileExistsError():
            return "nothing was written over it: name another file, or move that one away"
        case FileNotFoundError() if not (folder := Path(os.fsdecode(error.filename)).parent).exists():
            return f"there is no folder {folder}: make it first"
        case _:
            return ""


def _is_no_text(argument: str) -> bool:
    """Whether bytes were given that are not valid UTF-8: they come as halves of pairs."""
    return any("\ud800" <= character <= "\udfff" for character in argument)


if __name__ == "__main__":
    sys.exit(main())
