"""The story itself, act by act. Everything it shows was said by a command or by the database, and every claim is looked at.

Narration says what is about to happen. What came of it is printed by `said` and `rows`, and judged by `_claim`, which ends the
story where something does not hold.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pgerase.demo.casts import Cast
from pgerase.demo.stage import Stage, libpq_environment
from pgerase.demo.teller import Teller
from pgerase.errors import ExitCode, InternalError, PgeraseError
from pgerase.rules.read import read_pack
from pgerase.server import THROWAWAY, EmbeddedServer
from pgerase.tokens import Key

_LAST_LINE = ("(?!)",)
"""Matches no line: of what a command says, the last line is enough."""


class DemoFailed(PgeraseError):
    """Something in the story does not hold."""

    exit_code = ExitCode.NO


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and every line it printed, results and progress together."""

    code: int
    lines: tuple[str, ...]


Run = Callable[[Sequence[str]], Said]
"""Runs `pgerase` with these arguments."""


def tell(cast: Cast, folder: Path, teller: Teller, run: Run, *, binaries: Path | None = None) -> None:
    """Tell the whole story of the pack in `folder` on a server of its own, which is gone afterwards.

    `binaries` is the bin folder of a PostgreSQL, by default the embedded one's. Raises DemoFailed as soon as something does not
    hold, ServerFailed where there is no PostgreSQL to start, DatabaseFailed and Refused where a statement or a dump fails.
    """
    prefix = read_pack(folder).settings.prefix
    teller.act("A PostgreSQL of its own")
    teller.say(
        "It starts in a folder that only it may enter. No system user is added; nothing outside the folder is touched."
    )
    with libpq_environment({}), EmbeddedServer(binaries=binaries, settings=THROWAWAY, in_memory=True) as server:
        home = server.folder
        with Stage(server, cast, folder, prefix) as stage:
            teller.said([f"PostgreSQL {stage.superuser.value('show server_version')}"])
            # A copy, since what belongs to a pack is written beside it: anchors of the log.
            copy = shutil.copytree(folder, home / "packs" / folder.name)
            with libpq_environment(stage.connection_variables()):
                _Story(cast, copy, teller, run, stage).tell()
    _claim(teller, not home.exists(), "the server has stopped and its folder is gone")


def _claim(teller: Teller, holds: bool, claim: str) -> None:
    if not holds:
        raise DemoFailed(f"this does not hold: {claim}", hint="please report it with everything that was printed above")
    teller.holds(claim)


class _Story:
    """One telling."""

    def __init__(self, cast: Cast, folder: Path, teller: Teller, run: Run, stage: Stage) -> None:
        self._cast = cast
        self._folder = folder
        self._teller = teller
        self._run = run
        self._stage = stage

    def tell(self) -> None:
        people = self._introduce()
        before = self._before()
        dumped = self._stage.dump_schema(), self._stage.dump_all()
        self._apply()
        self._after(people)
        self._numbers(people[0])
        self._why(people)
        self._second_plan()
        self._meddle(*people[0])
        self._verify()
        self._go_back(before, dumped)
        self._begin_again()
        self._log(people[0])
        self._support(people[0])
        self._erase(*people[:2])
        self._log_remains()

    # --- acts ---

    def _introduce(self) -> list[tuple[str, Key | None]]:
        """Who will look, by label; their keys."""
        cast, teller = self._cast, self._teller
        teller.act(f"The database as the application has it: {cast.database}")
        teller.say(
            f"schema.sql, seed.sql and roles.sql of {self._short} were run by {cast.owner}, who owns the tables."
        )
        found = self._stage.inventory()
        powers = ", ".join(f"{name} {'yes' if has else 'no'}" for name, has in self._stage.owner_powers().items())
        teller.said(
            [f"{found['tables']} tables, {found['rows']} rows, {found['policies']} policies", f"{cast.owner}: {powers}"]
        )
        teller.say("Who will look at them (found by the application's own columns):")
        people: list[tuple[str, Key | None]] = []
        rows: list[tuple[str, str]] = []
        for part in cast.parts:
            key, person = (
                self._stage.person(part.find) if part.find is not None else (None, "a session that names nobody")
            )
            people.append((part.label, key))
            rows.append((part.label, person if key is None else f"{person} ({key})"))
        teller.rows(("who", "person"), rows, right=(False, False))
        return people

    def _before(self) -> list[str]:
        self._teller.act("Who sees what before")
        self._teller.say(f"The application logs in as {self._cast.login}. The database does not know for whom it asks.")
        seen = self._stage.sees(None)
        self._table([("whoever it is", seen)])
        self._claim(
            self._stage.keys(None) == self._stage.all_keys(), f"{self._cast.login} reads all there is, whoever asks"
        )
        return seen

    def _apply(self) -> None:
        teller = self._teller
        teller.act("Install, plan, apply")
        teller.say(
            f"Every command below is the command line's own. It connects as {self._cast.owner} through PGHOST, PGPORT, PGDATABASE"
            f" and PGUSER. {self._short} is the folder {self._folder}"
        )
        self._command("install", "--yes", shown=(r"^\+ role", r"^\+ schema"))
        teller.say(
            "What would change, whether it shows people more (widen) or less (narrow), and which locks it takes. Some of its lines:"
        )
        self._command("plan", shown=self._cast.shown)
        teller.say("All locks first, without waiting for anybody; then one transaction.")
        self._command("apply", "--yes", shown=_LAST_LINE)
        self._sign_in()
        table, policy = self._cast.example
        teller.say(
            f"What is now in the database is plain row security. One of the shorter policies, {policy} on {table}, as the server spells it:"
        )
        teller.said(self._stage.policy(table, policy).splitlines())

    def _after(self, people: Sequence[tuple[str, Key | None]]) -> None:
        teller, stage = self._teller, self._stage
        teller.act("Who sees what after")
        teller.say(
            "The same login and the same statements. The application now says for whom it asks, by a token that its sign-in service signed:"
            f" {self._prefix}.become checks it, for one transaction."
        )
        seen = [(label, stage.sees(key)) for label, key in people]
        self._table(seen)
        everything = stage.all_keys()
        somebody, above, outsider, admin, nobody = (stage.keys(key) for _, key in people)
        somebody_label, above_label, outsider_label, admin_label, nobody_label = (label for label, _ in people)
        self._claim(
            frozenset() < somebody < above < everything,
            f"{above_label} sees all that {somebody_label} sees, and more, but not everything",
        )
        self._claim(frozenset() < outsider < everything, f"{outsider_label} sees some")
        self._claim(
            above < admin < everything, f"{admin_label} sees more than {above_label}, but not the other tenant's"
        )
        self._claim(not nobody and not any(map(int, self._counts(seen[-1][1]))), f"{nobody_label} sees nothing")
        teller.say(f"What {somebody_label} tries to write, each in a transaction that is rolled back:")
        for attempt in self._cast.attempts:
            teller.statement(f"{somebody_label}", attempt.statement)
            outcome = stage.attempt(people[0][1] or "", attempt.statement)
            teller.said([str(outcome)])
            self._claim((outcome.rows > 0) == attempt.allowed, attempt.claim)

    def _numbers(self, other: tuple[str, Key | None]) -> None:
        """Somebody who counts gets groups, and few rows or none."""
        teller, stage, analyst = self._teller, self._stage, self._cast.analyst
        key, person = stage.person(analyst.part.find or "")
        teller.act("Numbers without rows")
        teller.say(
            f"{analyst.part.label.capitalize()}, {person} ({key}), may count what is not shown, in groups of some size."
        )
        self._table([(analyst.part.label, stage.sees(key))])
        teller.statement(analyst.part.label, analyst.statement)
        groups = stage.numbers(key)
        teller.rows([*groups[0]], [[*group.values()] for group in groups], right=(False, True, True))
        sizes = [int(group[analyst.size]) for group in groups]
        self._claim(
            sum(sizes) > len(stage.keys(key)) and min(sizes) >= analyst.at_least,
            f"more is counted than {analyst.part.label} may read, and no group is smaller than {analyst.at_least}",
        )
        self._claim(not stage.numbers(str(other[1])), f"{other[0]}, who counts nothing, gets no numbers")

    def _why(self, people: Sequence[tuple[str, Key | None]]) -> None:
        """One row shown and one hidden, explained; then who has what, counted by the database."""
        teller, (label, key) = self._teller, people[0]
        teller.act("Why, and who can do what")
        teller.say("Whoever may not see a row is told nothing of it. An administrator may ask why:")
        for question in self._cast.questions:
            said = self._command(
                "explain", "read", question.resource, question.key, "--viewer", str(key), shown=question.shown
            )
            answer = "allowed" if question.allowed else "denied"
            self._claim(
                said.lines[0].startswith(answer) and any(question.because in line for line in said.lines),
                f"{label} is {answer} it, and the rule is named: {question.because}",
            )
        teller.say("Counted by the database for each of them, and compared with what the rules mean:")
        keys = [key for _, key in people if key is not None]
        viewers = [word for key in keys for word in ("--viewer", str(key))]
        said = self._command(
            "matrix", *viewers, "--resource", self._cast.main, "--expected", shown=(r"^who ", r"^viewer ", r"^\(n\)")
        )
        counts = [rf"viewer {key} +{self._cast.main} +\d+ +{len(self._stage.keys(key))} " for key in keys]
        self._claim(
            all(any(re.match(count, line) for line in said.lines) for count in counts),
            "each of them reads as many as above, and as many as the rules mean (exit code 0)",
        )

    def _second_plan(self) -> None:
        self._teller.act("A second plan is empty")
        self._teller.say(
            "The rule files are compiled again and compared with what the server says it has. Exit code 1 would mean: something to do."
        )
        self._command("plan", "--exit-code", shown=_LAST_LINE)
        self._teller.holds("nothing is left to do (exit code 0)")

    def _meddle(self, label: str, key: Key | None) -> None:
        teller, stage = self._teller, self._stage
        by_rules = stage.keys(key)
        teller.act("Somebody changes things by hand")
        for change in self._cast.meddling:
            teller.say(f"Suppose {change.why}:")
            teller.statement("postgres", change.statement)
            stage.superuser.run(change.statement)
        self._table([(label, stage.sees(key))])
        self._claim(by_rules < stage.keys(key), f"{label} sees more than the rules say")
        said = self._command("drift", code=ExitCode.NO)
        for change in self._cast.meddling:
            self._claim(any(change.named in line for line in said.lines), f"drift names it: {change.named}")
        self._claim(
            said.lines[-1].startswith(f"{len(self._cast.meddling)} difference"), "and nothing else (exit code 1)"
        )
        teller.say(
            "pgerase never touches a policy that is not its own: its author drops it. What was pgerase's, apply puts back."
        )
        for change in self._cast.meddling:
            if change.undo:
                teller.statement("postgres", change.undo)
                stage.superuser.run(change.undo)
        self._command("apply", "--yes", shown=(r"^~",))
        self._command("drift")
        self._claim(
            stage.keys(key) == by_rules, f"{label} sees what the rules say, and drift finds nothing (exit code 0)"
        )

    def _verify(self) -> None:
        self._teller.act("Proof on the live database")
        self._teller.say(
            "What the rule files mean is evaluated a second time, in Python over rows, and compared with what the database returns and refuses."
        )
        self._command("verify", shown=(r"viewers of \d+ strata",))
        self._teller.holds("the database and the meaning of the rules agree (exit code 0)")

    def _go_back(self, before: list[str], dumped: tuple[str, str]) -> None:
        teller, stage = self._teller, self._stage
        teller.act("Back to where it began")
        self._command("revert", "--yes", "--allow-drop", shown=_LAST_LINE)
        seen = stage.sees(None)
        self._table([("whoever it is", seen)])
        self._claim(seen == before, "the application sees what it saw before")
        self._same("tables, rows, policies and rights of the application", dumped[0], stage.dump_schema())
        self._command("uninstall", "--yes", "--allow-drop", shown=_LAST_LINE)
        self._same("the whole database, and the roles of the server", dumped[1], stage.dump_all())

    def _begin_again(self) -> None:
        self._teller.act("And forward again")
        self._teller.say("The same commands, for what comes now: the log, the staff, and a person who leaves.")
        self._command("install", "--yes", shown=_LAST_LINE)
        self._command("apply", "--yes", shown=_LAST_LINE)
        self._sign_in()

    def _log(self, writer: tuple[str, Key | None]) -> None:
        """Her writes are in the log, sealed; somebody changes the log, and it shows."""
        teller, stage, logged = self._teller, self._stage, self._cast.logged
        label, key = writer[0], str(writer[1])
        teller.act("What happened, and who did it")
        teller.say("audit.yaml says which tables are captured, how long that is kept, and whose which value is.")
        for statement in logged.writes:
            teller.statement(label, statement)
            stage.asks(key, f"{statement} returning 1")
        said = self._command("audit tail", "--no-follow", "-n", str(len(logged.writes)))
        shown = "\n".join(said.lines)
        self._claim(
            shown.count(key) >= len(logged.writes) and "(apart)" in shown,
            f"both are known to be {label}'s, and her {logged.apart} is kept apart for her",
        )
        teller.say("Sealing hashes what is new into a tree, off the way of those who write, and signs its root:")
        private = stage.key_file.with_name("seal-key.pem")
        self._command("audit key new", "--out", str(private), shown=(r"^key ",))
        os.environ[self._seal_variable] = private.read_text(encoding="utf-8")
        self._command("audit seal")
        self._command("audit verify", shown=_LAST_LINE)
        teller.say("Suppose somebody who may do anything puts it down to somebody else:")
        teller.statement("postgres", logged.tampering.format(log=f"{self._prefix}_log"))
        stage.superuser.run(logged.tampering.format(log=f"{self._prefix}_log"))
        self._command("audit verify", code=ExitCode.NO)
        teller.holds("the entry is named (exit code 1)")
        stage.superuser.run(logged.undo.format(log=f"{self._prefix}_log"))
        self._command("audit verify", shown=_LAST_LINE)
        teller.holds("put back as it was, it is what was sealed")

    def _support(self, person: tuple[str, Key | None]) -> None:
        """One of the staff looks at her data, with her consent and in her sight."""
        teller, stage, staff = self._teller, self._stage, self._cast.staff
        label, key = person[0], str(person[1])
        agent, who = stage.person(staff.agent.find or "")
        other, _ = stage.person(staff.others.find or "")
        words = {"prefix": self._prefix, "key": key}
        measures = [measure.statement.format(**words) for measure in staff.measures]

        def seen() -> list[str]:
            return [next(iter(stage.asks(agent, one)[0].values())) for one in measures]

        teller.act("Somebody of the staff looks at her data")
        teller.say(f"{staff.agent.label.capitalize()} is {who} ({agent}). {label.capitalize()} has not allowed it yet:")
        opening = staff.open.format(**words)
        teller.statement(staff.agent.label, opening)
        refusal = stage.refused(agent, opening)
        teller.said([refusal])
        self._claim(bool(refusal), "without her consent nobody gets in")
        before = seen()
        teller.statement(label, staff.allow.format(**words))
        stage.asks(key, f"{staff.allow.format(**words)} returning 1")
        self._claim(bool(stage.refused(other, opening)), f"{staff.others.label} may not, whatever she allows")
        stage.asks(agent, opening)
        after = seen()
        titles = ("", *(measure.title for measure in staff.measures))
        teller.rows(titles, [("before", *before), ("for an hour", *after)], right=(False, *(True for _ in after)))
        hers = stage.asks(key, measures[0])
        gained = int(after[0]) - int(before[0])
        self._claim(
            after[0] == next(iter(hers[0].values())) and gained > 0 and int(after[2]) - int(before[2]) == gained,
            "support sees all her tasks now, and nobody else's besides",
        )
        teller.say("What she is told of it, and what an officer sees:")
        told = stage.asks(key, staff.told.format(**words))
        teller.rows([*told[0]], [[*row.values()] for row in told], right=tuple(False for _ in told[0]))
        self._command("support who-saw", self._cast.leaver.subject, key)
        self._claim(
            len(told) == 1 and "T-4711" in told[0].values() and str(agent) not in told[0].values(),
            "she knows that it was support, when, and why; not which employee",
        )

    def _log_remains(self) -> None:
        """Erased in the log too, which can still be verified; what is too old goes with its partition."""
        teller = self._teller
        teller.act("The log, after her")
        self._command("audit seal", shown=_LAST_LINE)
        self._command("audit verify", shown=_LAST_LINE)
        teller.holds("her values are gone from the log, and all else in it is as it was sealed (exit code 0)")
        teller.say("Once a day: partitions ahead of time, and those whose time is over are dropped.")
        self._command("audit maintain")
        self._command("audit status")
        teller.holds("nothing is overdue (exit code 0)")

    def _erase(self, leaver: tuple[str, Key | None], above: tuple[str, Key | None]) -> None:
        """One person goes, with proof."""
        teller, stage, cast = self._teller, self._stage, self._cast
        key, boss = leaver[1] or "", above[1] or ""
        label = leaver[0].removeprefix("a ")
        teller.act(f"The {label} asks to be erased")
        teller.say("The pack's data map says where a person's data is, and how each piece goes.")
        before = stage.known(key, boss)
        identifiers, rows = stage.write_identifiers(key), stage.dump_data()
        who = (cast.leaver.subject, str(key))
        teller.say("What erasing her would do, counted by the statement that will do it:")
        planned = self._command("subject erase", *who, "--dry-run")
        self._claim(stage.dump_data() == rows, "the dry run changed nothing")
        teller.say("The same counts have to come out, or everything is rolled back.")
        done = self._command("subject erase", *who, "--yes")
        self._claim(
            _counted(planned, cast.schema) == _counted(done, cast.schema) != (), "what was done is what was counted"
        )
        after = stage.known(key, boss)
        titles = ("", *(measure.title for measure in cast.leaver.measures))
        right = (False, *(measure.is_count for measure in cast.leaver.measures))
        teller.rows(titles, [("before", *before), ("after", *after)], right=right)
        open_before, above_before, *stay_before = before[:4]
        open_after, above_after, *stay_after = after[:4]
        self._claim(
            open_after == "0"
            and int(above_after) == int(above_before) + int(open_before)
            and stay_after == stay_before,
            "open tasks went to the manager; closed ones and activities stay",
        )
        teller.say(
            "Is she gone? What she was known by is given again, in a file, and searched for in every column of every table."
            " Statistics, which hold values as well, are made anew, since only a superuser may look at them."
        )
        self._command("subject prove", *who, "--identifiers", str(identifiers), "--analyze", shown=_LAST_LINE)
        teller.holds("no identifier of hers is found (exit code 0)")
        rows = stage.dump_data()
        self._command("subject erase", *who, "--yes", shown=_LAST_LINE)
        self._claim(stage.dump_data() == rows, "erasing her a second time changes nothing")

    # --- helpers ---

    def _sign_in(self) -> None:
        """A new signing key for the application's sign-in service."""
        file = self._stage.key_file
        file.unlink(missing_ok=True)
        self._command("key add", "--out", str(file))
        self._stage.sign_in_with(file)

    @property
    def _seal_variable(self) -> str:
        """The environment variable that the key to sign with is read from."""
        audit = read_pack(self._folder).audit
        if audit is None or audit.seal is None:
            raise InternalError(f"{self._short} has no seal")
        return audit.seal.key_env

    @property
    def _short(self) -> str:
        return f"policies/{self._folder.name}"

    @property
    def _prefix(self) -> str:
        return read_pack(self._folder).settings.prefix

    def _claim(self, holds: bool, claim: str) -> None:
        _claim(self._teller, holds, claim)

    def _command(self, name: str, *options: str, code: int = ExitCode.DONE, shown: Sequence[str] = ()) -> Said:
        """Run a command, show what it said, and go on only where it ended with `code`."""
        words = name.split()
        self._teller.command(shlex.join(["pgerase", *words, "--pack", self._short, *options]))
        said = self._run([*words, "--pack", str(self._folder), *options])
        self._teller.said(said.lines, shown if said.code == code else ())
        if said.code != code:
            raise DemoFailed(
                f"pgerase {name} ended with exit code {said.code} instead of {int(code)}",
                hint="please report it with everything that was printed above",
            )
        return said

    def _table(self, rows: Sequence[tuple[str, Sequence[str]]]) -> None:
        titles = ("who", *(measure.title for measure in self._cast.measures))
        right = (False, *(measure.is_count for measure in self._cast.measures))
        self._teller.rows(titles, [(label, *values) for label, values in rows], right=right)

    def _counts(self, values: Sequence[str]) -> list[str]:
        return [value for value, measure in zip(values, self._cast.measures, strict=True) if measure.is_count]

    def _same(self, what: str, before: str, after: str) -> None:
        digests = [hashlib.sha256(text.encode()).hexdigest()[:16] for text in (before, after)]
        self._teller.said(
            [
                f"dumped before: {len(before.splitlines())} lines, sha256 {digests[0]}…",
                f"dumped now:    {len(after.splitlines())} lines, sha256 {digests[1]}…",
            ]
        )
        self._claim(before == after, f"{what}: as before, byte for byte")


def _counted(said: Said, schema: str) -> tuple[str, ...]:
    """The lines of counts, which begin with a table."""
    return tuple(sorted(line.strip() for line in said.lines if line.strip().startswith(f"{schema}.")))
