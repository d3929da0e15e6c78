"""`subject prove`: the identifiers by prompt or file, the places where something is or nobody could look, and the verdict."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from pgerase.cli.output import print_result
from pgerase.cli.settings import Settings, common_options
from pgerase.counts import counted
from pgerase.errors import ExitCode, UsageError
from pgerase.prove import Needle, Place, ProofReport, Step, Verdict, identifier_names
from pgerase.prove import prove as prove_gone
from pgerase.prove.subject import find_subject, has_personal_key
from pgerase.report import printable
from pgerase.rules.data_map import Subject
from pgerase.rules.read_identifiers import Given, read_identifiers
from pgerase.rules.reading import nearest

_LOUD = (Verdict.FAIL, Verdict.UNVERIFIED, Verdict.REVIEW)


@click.command("prove")
@common_options
@click.argument("name", metavar="SUBJECT")
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option(
    "--identifiers",
    "source",
    metavar="FILE",
    help="The person's identifiers, or those of several people by key: YAML, JSON or lines of `name: value`; - is standard input.",
)
@click.option("--analyze", is_flag=True, help="Afterwards, rebuild statistics that nobody could look at (ANALYZE).")
@click.option("--strict", is_flag=True, help="Exit code 1 for what is to be reviewed as well.")
@click.option("--all", "everything", is_flag=True, help="List the places where nothing was found, too.")
@click.pass_obj
def prove(
    settings: Settings,
    name: str,
    keys: tuple[str, ...],
    source: str | None,
    *,
    analyze: bool,
    strict: bool,
    everything: bool,
) -> int:
    """Search the whole database for a person who was erased.

    What is searched for is asked for, or read from a file; never give it as an argument. Exit code 1 where an identifier that is
    this person's alone is anywhere, or where nobody could look. What others have too is to be reviewed, which fails with --strict only.
    """
    pack = settings.read_pack()
    if pack is None:
        raise UsageError("no pack was given", hint="Name the folder with the rule files: --pack DIR.")
    subject = find_subject(pack, name)
    if has_personal_key(subject) and keys:
        hint = "give it with the identifiers: by prompt or --identifiers FILE"
        raise UsageError(f"the key of {name} is personal and must not be an argument", hint=hint)
    if not has_personal_key(subject) and not keys:
        raise UsageError(f"whose? give the key of a {name}")
    given = _from_file(subject, keys, source) if source else _asked_for(subject, keys)
    needles = [
        Needle(person, what, value)
        for person, identifiers in given.items()
        for what, values in identifiers.items()
        for value in values or ()
    ]
    with settings.open_database() as database, _shown() as step:
        report = prove_gone(database, pack, name, needles, analyze=analyze, progress=step)
    print_result(settings, _lines(report, everything=everything), _data(report))
    return ExitCode.DONE if report.verdict is Verdict.CLEAN or (report.ok and not strict) else ExitCode.NO


# --- what is searched for ---


def _from_file(subject: Subject, keys: Sequence[str], source: str) -> Mapping[str, Given]:
    if source == "-":
        text, label = sys.stdin.read(), "standard input"
    else:
        label = source
        try:
            text = Path(source).read_text(encoding="utf-8-sig")
        except OSError as error:
            raise UsageError(f"{source} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise UsageError(f"{source} is not UTF-8") from None
    given = read_identifiers(text, label)
    first = next(iter(given.values()))
    if isinstance(first, tuple):
        if len(keys) > 1:
            raise UsageError(f"{label} holds one person's identifiers, and there are {len(keys)} keys")
        one = cast(Given, given)
        _check_names(subject, one)
        return {keys[0] if keys else _personal_key(subject, one): one}
    several = cast(Mapping[str, Given], given)
    for one in several.values():
        _check_names(subject, one)
    if has_personal_key(subject):
        raise UsageError(f"the key of {subject.name} is an identifier: give one person's at a time")
    if set(several) != set(keys):
        raise UsageError(f"{label} holds the identifiers of other people than the keys name")
    return several


def _check_names(subject: Subject, given: Given) -> None:
    known = identifier_names(subject)
    unknown = [one for one in given if one not in known]
    if unknown:
        # Not said: a value may stand where a name should.
        hint = nearest(unknown[0], known)
        raise UsageError(f"{len(unknown)} of the names given are no identifiers of {subject.name}", hint=hint)


def _personal_key(subject: Subject, given: Given) -> str:
    return "".join(value for column in subject.key for value in given.get(column.column, ())[:1])


def _asked_for(subject: Subject, keys: Sequence[str]) -> Mapping[str, Given]:
    """Ask at the terminal, showing nothing. Raises UsageError where nobody is there."""
    if not sys.stdin.isatty():
        raise UsageError(
            "nobody is there to ask for identifiers", hint="give them with --identifiers FILE, or - for stdin"
        )
    click.echo("What is typed is not shown. Several of a kind: one after the other; nothing: go on.", err=True)
    found: dict[str, Given] = {}
    for key in keys or ("",):
        whose = f" of {key}" if key else ""
        given: dict[str, tuple[str, ...]] = {}
        for what in identifier_names(subject):
            values: list[str] = []
            while value := click.prompt(f"{what}{whose}", default="", hide_input=True, show_default=False, err=True):
                values.append(value)
            given[what] = tuple(values)
        found[key or _personal_key(subject, given)] = given
    return found


# --- what came of it ---


@contextmanager
def _shown() -> Generator[Callable[[Step], None]]:
    """A progress bar on standard error where that is a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("searching", total=None)

        def step(at: Step) -> None:
            bar.update(task, total=max(at.total, 1), completed=at.done, description=printable(at.relation)[:40])

        yield step


def _lines(report: ProofReport, *, everything: bool) -> list[str]:
    shown = [place for place in report.places if everything or place.verdict in _LOUD]
    names = [_place_name(place) for place in shown]
    width = max((len(one) for one in names), default=0)
    lines = [
        f"{place.verdict.value:<10}  {name:<{width}}  {'; '.join(_details(place))}".rstrip()
        for place, name in zip(shown, names, strict=True)
    ]
    lines += [""] if lines else []
    lines += [
        f"{one.person}: {one.name}: {'decisive' if one.decisive else _why_not_decisive(one.weak, one.others)}"
        for one in report.sought
    ]
    lines += [f"{person}: {name}: not given, so not searched for" for person, name in report.not_given]
    return [printable(line) for line in [*lines, "", *_summary(report)]]


def _place_name(place: Place) -> str:
    match place.column:
        case "":
            name = place.relation
        case "*" if place.relation == "*":
            name = ""
        case "*":
            name = place.relation
        case _:
            name = f"{place.relation}.{place.column}"
    kind = "" if place.kind.value == "rows" else f"({place.kind.value})"
    return " ".join(part for part in (name, kind) if part)


def _details(place: Place) -> list[str]:
    found = [
        f"{hit.person}: {hit.name} {'' if hit.decisive else '(not decisive) '}in {hit.rows}"
        for hit in place.hits
        if hit.rows
    ]
    return [*found, *([place.reason] if place.reason else [])]


def _why_not_decisive(weak: str, others: int | None) -> str:
    return (
        f"not decisive: {weak}"
        if weak
        else f"not decisive: {'1 other has' if others == 1 else f'{others} others have'} it too"
    )


def _summary(report: ProofReport) -> list[str]:
    """Two lines: what was looked at, and what came of it."""
    version = f"{report.server_version // 10000}.{report.server_version % 10000}"
    counts = ", ".join(f"{report.count(verdict)} {verdict.value}" for verdict in Verdict if report.count(verdict))
    seen = f"{counted(len(report.places), 'place')} in {report.database}, PostgreSQL {version}: {counts}"
    match report.verdict:
        case Verdict.FAIL:
            said = "NOT proven: identifiers are still there"
        case Verdict.UNVERIFIED if report.undecided:
            said = f"NOT proven: no identifier given is that of {', '.join(report.undecided)} alone"
        case Verdict.UNVERIFIED:
            said = "NOT proven: nobody could look everywhere"
        case Verdict.REVIEW:
            said = "proven for what is theirs alone; what others have too, or is too short, is to be reviewed"
        case _:
            said = "proven: none of the identifiers is in any place that can be searched"
    return [seen, said]


def _data(report: ProofReport) -> dict[str, Any]:
    return {
        "command": "subject prove",
        "verdict": report.verdict.value,
        "ok": report.ok,
        "pack": report.pack,
        "database": report.database,
        "server_version": report.server_version,
        "subject": report.subject,
        "people": list(report.persons),
        "undecided": list(report.undecided),
        "identifiers": [asdict(one) for one in report.sought],
        "not_given": [{"person": person, "name": name} for person, name in report.not_given],
        "places": [
            {**asdict(place), "kind": place.kind.value, "verdict": place.verdict.value} for place in report.places
        ],
    }
