"""What cannot be captured is refused by name and place, never left out in silence (issue 5, Build 1)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pgerase.apply.execute import apply_plan
from pgerase.apply.ledger import drift, read_state
from pgerase.apply.prepare import prepare
from pgerase.catalog.model import Name
from pgerase.check.coverage import Why, captured_tables, coverage
from pgerase.cli.main import main
from pgerase.compile import compile_pack
from pgerase.compile.desired import DesiredFunction, DesiredLogClass, DesiredTrigger
from pgerase.database import Database
from pgerase.errors import Severity
from pgerase.install import install
from pgerase.operate.log_status import log_status
from pgerase.plan.model import Change
from pgerase.plan.objects import Kind
from pgerase.plan.revert import make_revert
from pgerase.rules.read import read_pack
from tests.capture.conftest import CLINIC
from tests.fix_database import FreshDatabase

MAP = """
version: 1
unindexed: scan
subjects: {patient: {table: app.patient, key: patient_id}, reader: {table: app.counter, key: counter_id}}
tables:
  app.patient: {subject: patient, rows: keep, columns: {name: {kind: name, purpose: care, erase: clear}}}
  app.counter: {subject: reader, rows: keep}
  app.loan: {links: {reader_id: {reader: key, rows: unlink}, keeper_id: patient}, rows: keep}
  app.visit: {links: {patient_id: patient}, rows: keep}
profiles: {us: {when: {country: us}}}
"""


class Bench:
    """The clinic's tables without rules; packs are written by the tests."""

    def __init__(self, database: FreshDatabase, folder: Path) -> None:
        self.database = database
        self.prefix = database.prefix
        self.folder = folder
        self.owner = database.connect()
        self.owner.execute((CLINIC / "schema.sql").read_bytes())
        self.admin = database.connect_admin()
        (folder / "pack.yaml").write_text(f"version: 1\nname: bench\nprefix: {self.prefix}\n")
        (folder / "data_map.yaml").write_text(MAP)

    def write(self, capture: str, log: str = "") -> None:
        """The pack's audit.yaml."""
        (self.folder / "audit.yaml").write_text(f"version: 1\n{log}capture:\n{capture}")

    def findings(self, capture: str, log: str = "") -> list[tuple[str, str]]:
        """Errors and warnings of the compiler, as (code, subject)."""
        self.write(capture, log)
        with Database.open(self.database.dsn()) as opened:
            catalog, _ = read_state(opened, self.prefix)
        found = compile_pack(read_pack(self.folder), catalog).findings
        return [(one.code, one.subject) for one in found if one.severity is not Severity.NOTE]

    def plan(self):
        with Database.open(self.database.dsn()) as opened:
            return prepare(opened, read_pack(self.folder)).plan

    def apply(self) -> None:
        with Database.open(self.database.dsn()) as opened:
            plan = prepare(opened, read_pack(self.folder)).plan
            assert plan.refusals == (), [one.message for one in plan.refusals]
            apply_plan(opened, plan, allow_drop=True)

    def drift(self) -> list[tuple[str, str]]:
        with Database.open(self.database.dsn()) as opened:
            return [(one.code, one.subject) for one in drift(opened, self.prefix)]

    def alarms(self) -> tuple[str, ...]:
        with Database.open(self.database.dsn()) as opened:
            return log_status(opened, self.prefix).alarms

    def gaps(self, *wanted: Name) -> list[tuple[str, str]]:
        with Database.open(self.database.dsn()) as opened:
            catalog, _ = read_state(opened, self.prefix)
        return [(one.code, one.subject) for one in coverage(catalog, self.prefix, dict.fromkeys(wanted, Why.RESOURCE))]


@pytest.fixture(scope="module")
def shared(server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory):
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        made = Bench(database, tmp_path_factory.mktemp("bench"))
        with Database.open(database.dsn()) as opened:
            install(opened, made.prefix)
        made.owner.execute(
            "create table app.keyless (note text); create unlogged table app.scratch (id integer primary key); "
            "create view app.shown as select * from app.counter; "
            "create materialized view app.frozen as select * from app.counter"
        )
        yield made
    finally:
        database.drop()


@pytest.fixture
def bench(shared: Bench):
    """The shared one without its data map, and with nothing applied once the test is over."""
    (shared.folder / "data_map.yaml").unlink()
    yield shared
    (shared.folder / "data_map.yaml").write_text(MAP)
    with Database.open(shared.database.dsn()) as opened:
        apply_plan(opened, make_revert(*read_state(opened, shared.prefix), shared.prefix, "bench"), allow_drop=True)


@pytest.mark.parametrize(
    ("capture", "expected"),
    [
        ("  app.keyless:\n", ("no-key", "app.keyless")),
        ("  app.shown:\n", ("captured-view", "app.shown")),
        ("  app.frozen:\n", ("not-capturable", "app.frozen")),
        ("  app.nowhere:\n", ("unknown-table", "app.nowhere")),
        ("  app.visit_2025:\n", ("captured-leaf", "app.visit_2025")),
        ("  app.extra:\n", ("captured-leaf", "app.extra")),
        ("  app.scratch:\n", ("captured-unlogged", "app.scratch")),
        ("  app.counter: {except: [cuont]}\n", ("unknown-column", "app.counter.cuont")),
        ("  app.counter: {except: [counter_id]}\n", ("key-left-out", "app.counter.counter_id")),
        ("  app.counter: {mask: [counter_id]}\n", ("key-left-out", "app.counter.counter_id")),
        ("  app.patient:\n", ("captured-personal", "app.patient.name")),
        ("  app.patient: {mask: [email]}\n", ("captured-personal", "app.patient.name")),
        ("  app.patient: {personal: {name: nobody}}\n", ("unknown-column", "app.patient.nobody")),
        ("  app.loan: {personal: {reader_words: number}}\n", ("not-a-link", "app.loan.number")),
        ("  app.loan: {personal: {reader_words: {patient: from}}}\n", ("key-type", "app.loan.from")),
    ],
)
def test_what_cannot_be_captured_is_said(shared: Bench, capture: str, expected: tuple[str, str]) -> None:
    assert expected in shared.findings(capture)


@pytest.mark.parametrize(
    ("capture", "word"),
    [
        ("  app.counter: {except: [count, cuont]}\n", "cuont"),
        ("  app.counter: {mask: [counter_id]}\n", "counter_id"),
        ("  app.patient: {personal: {name: nobody}}\n", "nobody"),
        ("  app.loan: {personal: {reader_words: number}}\n", "number"),
        ("  app.loan: {personal: {reader_words: {patient: from}}}\n", "patient: from"),
    ],
)
def test_what_cannot_be_captured_is_said_of_the_word_meant(shared: Bench, capture: str, word: str) -> None:
    shared.write(capture)
    with Database.open(shared.database.dsn()) as opened:
        catalog, _ = read_state(opened, shared.prefix)
    found = compile_pack(read_pack(shared.folder), catalog).findings
    # One line below `version: 1` and `capture:`; columns count from 1.
    places = {(one.at.line, one.at.column) for one in found if one.severity is Severity.ERROR and one.at is not None}
    assert (3, capture.index(word) + 1) in places


@pytest.mark.parametrize(
    "capture",
    [
        "  app.patient: {except: [name]}\n",
        "  app.patient: {mask: [name]}\n",
        "  app.patient: {personal: {name: patient_id}}\n",
    ],
)
def test_each_way_to_keep_personal_values_out_of_entries_will_do(shared: Bench, capture: str) -> None:
    assert shared.findings(capture) == []


def test_a_table_of_one_kind_of_person_may_hold_values_of_another(shared: Bench) -> None:
    assert (
        shared.findings("  app.loan: {personal: {reader_words: reader_id, keeper_words: {patient: keeper_id}}}\n") == []
    )
    assert ("not-a-link", "app.loan.reader_id") not in shared.findings(
        "  app.loan: {personal: {reader_words: {patient: reader_id}}}\n"
    )


def test_profiles_have_to_be_told_from_the_rows_of_whoever_decides(shared: Bench) -> None:
    keep = "keep: {default: 6 months, profiles: {us: 1 year}}"
    assert shared.findings(f"  app.patient: {{mask: [name], {keep}}}\n") == []
    # A counter is somebody's own row in this map, and has no country; nobody's is app.form.
    assert shared.findings(f"  app.counter: {{{keep}}}\n") == [("unknown-column", "app.counter.country")]
    assert shared.findings(f"  app.form: {{{keep}}}\n") == []


def test_functions_of_a_wide_table_read_as_if_somebody_had_written_them(shared: Bench) -> None:
    """Issue 5: generated SQL is reviewed by people. Sixty columns, names as long as they may be, parts of several people."""
    names = [
        f"{'a column, case when ' * (number % 2)}nr_{number:02}".ljust(60 + number % 4, "_") for number in range(60)
    ]
    types = ("text", "integer", "numeric", "jsonb", "text[]", "timestamptz", "date", "point")
    listed = ", ".join(f'"{name}" {types[number % len(types)]}' for number, name in enumerate(names))
    shared.owner.execute(
        f"create table app.wide (id integer, place integer, patient_id integer, {listed},"
        " primary key (id, place)) partition by list (place)".encode()
    )
    shared.owner.execute(b"create table app.wide_one partition of app.wide for values in (1)")
    apart = ", ".join(f'"{name}": {{patient: patient_id}}' for name in names[:16:2])
    shared.write(
        f'  app.wide: {{personal: {{{apart}}}, mask: ["{names[20]}"], keep: {{default: 1 year, profiles: {{us: 2 years}}}}}}\n',
        "log: {keep: 6 months, context: required}\n",
    )
    with Database.open(shared.database.dsn()) as opened:
        catalog, _ = read_state(opened, shared.prefix)
    compiled = compile_pack(read_pack(shared.folder), catalog)
    assert [one.message for one in compiled.findings if one.severity is Severity.ERROR] == []
    functions = [one for one in compiled.objects if isinstance(one, DesiredFunction) and "Captures" in one.comment]
    assert len(functions) == 4
    for one in functions:
        lines = one.definition.split("\n")
        assert [line for line in lines if len(line) > 120 or line != line.rstrip()] == []
        (began,) = [number for number, line in enumerate(lines) if line.startswith("as $")]
        assert lines[began + 1].startswith("-- app.wide (audit.yaml:4:3): an entry")
    shared.owner.execute(b"drop table app.wide")


def test_classes_are_the_log_s_and_those_of_tables_with_a_length_of_their_own(shared: Bench) -> None:
    shared.write("  app.counter: {keep: 24 months}\n  app.base:\n", "log: {partition: week, ahead: 2, keep: 10 days}\n")
    with Database.open(shared.database.dsn()) as opened:
        catalog, _ = read_state(opened, shared.prefix)
    objects = compile_pack(read_pack(shared.folder), catalog).objects
    assert [one for one in objects if isinstance(one, DesiredLogClass)] == [
        DesiredLogClass("default", "P0M10D", "week", 2),
        DesiredLogClass("app.counter", "P24M0D", "week", 2),
    ]
    triggers = {(str(one.table), one.name.rpartition("_")[2]) for one in objects if isinstance(one, DesiredTrigger)}
    for table in ("app.counter", "app.base", "app.extra"):
        assert {(table, event) for event in ("insert", "update", "delete", "truncate")} <= triggers


def test_a_pack_of_audit_alone_is_applied_and_planned_again_without_a_step(bench: Bench) -> None:
    bench.write("  app.visit:\n  app.counter:\n")
    bench.apply()
    assert bench.plan().pending == ()
    assert bench.drift() == []


def test_rows_of_more_columns_than_a_function_takes_arguments_are_whole(bench: Bench) -> None:
    columns = ", ".join(f"c{number} integer default {number}" for number in range(1, 121))
    bench.owner.execute(f"create table app.wide (wide_id integer primary key, {columns})".encode())
    bench.write("  app.wide:\n")
    bench.apply()
    bench.owner.execute("insert into app.wide (wide_id) values (1), (2)")
    bench.owner.execute("update app.wide set c60 = -60 where wide_id = 2")
    bench.owner.execute("delete from app.wide where wide_id = 1")
    whole = {"wide_id": 1} | {f"c{number}": number for number in range(1, 121)}
    entries = f"select action, old, new from {bench.prefix}_log.entry where relation = 'app.wide' order by entry_id"
    assert bench.owner.execute(entries.encode()).fetchall() == [
        ("insert", None, whole),
        ("insert", None, whole | {"wide_id": 2}),
        ("update", {"c60": 60}, {"c60": -60}),
        ("delete", whole, None),
    ]


def test_a_length_changed_by_hand_is_drift_and_put_right(bench: Bench) -> None:
    bench.write("  app.counter:\n")
    bench.apply()
    bench.admin.execute(f"update {bench.prefix}_log.class set keep = '1 year' where class = 'default'".encode())
    assert bench.drift() == [("changed", 'log class "default"')]
    bench.apply()
    assert bench.drift() == []
    kept = bench.admin.execute(f"select keep::text from {bench.prefix}_log.class where class = 'default'".encode())
    assert kept.fetchone() == ("6 mons",)


def test_what_comes_to_a_captured_table_later_is_a_gap_and_drift_until_it_is_applied(bench: Bench) -> None:
    bench.write("  app.visit:\n  app.counter:\n")
    bench.apply()
    assert bench.gaps() == []
    bench.owner.execute(
        "create table app.visit_2027 partition of app.visit for values from ('2027-01-01') to ('2028-01-01') "
        "partition by range (visit_id); "
        "create table app.visit_2027_1 partition of app.visit_2027 for values from (1) to (100); "
        "alter table app.counter add column unit text"
    )
    late = [
        ("uncaptured-column", "app.counter.unit"),
        ("uncaptured-leaf", "app.visit_2027"),
        ("uncaptured-leaf", "app.visit_2027_1"),
    ]
    try:
        assert bench.gaps(Name("app", "counter"), Name("app", "staff")) == [
            late[0],
            ("not-captured", "app.staff"),
            *late[1:],
        ]
        assert bench.drift() == late
        bench.apply()
        assert bench.gaps() == bench.drift() == []
    finally:
        bench.owner.execute("alter table app.counter drop column unit; drop table app.visit_2027")
        bench.apply()


@pytest.mark.parametrize("options", ["", ", mask: [unit]"], ids=["plain", "masked"])
@pytest.mark.parametrize("change", ["drop column unit", "rename column unit to item"])
def test_a_captured_column_that_is_gone_stops_writes_and_everybody_who_looks_is_told(
    bench: Bench, options: str, change: str
) -> None:
    """Threat: after a migration every write fails, and coverage, drift and status say that all is well."""
    bench.owner.execute("alter table app.counter add column unit text, add column left_out text")
    try:
        bench.write(f"  app.counter: {{except: [left_out]{options}}}\n")
        bench.apply()
        bench.owner.execute("alter table app.counter drop column left_out")
        bench.owner.execute("insert into app.counter (counter_id, count) values (901, 1)")
        assert bench.gaps() == bench.drift() == []
        assert not [one for one in bench.alarms() if "capturing" in one]
        bench.owner.execute(f"alter table app.counter {change}".encode())
        with pytest.raises(psycopg.errors.UndefinedColumn):
            bench.owner.execute("insert into app.counter (counter_id, count) values (902, 1)")
        gone = [("missing-column", "app.counter.unit")]
        assert [one for one in bench.gaps() if one[1].endswith("unit")] == gone
        assert [one for one in bench.drift() if one[1].endswith("unit")] == gone
        (alarm,) = [one for one in bench.alarms() if "capturing" in one]
        assert alarm == (
            "app.counter: capturing reads unit, and there is no such column any more: writes to it fail now;"
            " `pgerase apply` puts it right"
        )
        bench.write("  app.counter:\n")
        bench.apply()
        bench.owner.execute("insert into app.counter (counter_id, count) values (902, 1)")
        assert bench.gaps() == bench.drift() == []
        assert not [one for one in bench.alarms() if "capturing" in one]
    finally:
        bench.owner.execute("delete from app.counter where counter_id > 900")
        bench.owner.execute(
            "alter table app.counter drop column if exists unit, drop column if exists item,"
            " drop column if exists left_out"
        )


def test_triggers_switched_off_or_dropped_are_gaps_and_drift(bench: Bench) -> None:
    bench.write("  app.visit:\n  app.counter:\n")
    bench.apply()
    p = bench.prefix
    bench.owner.execute(
        f"alter table app.counter disable trigger {p}_capture_update; drop trigger {p}_capture_delete on app.visit_2025; "
        f"drop trigger {p}_capture_insert on app.counter".encode()
    )
    assert bench.gaps() == [
        ("disabled-trigger", "app.counter"),
        ("missing-trigger", "app.counter"),
        ("uncaptured-leaf", "app.visit_2025"),
    ]
    assert bench.drift() == [
        ("missing", f"trigger {p}_capture_delete on app.visit_2025"),
        ("missing", f"trigger {p}_capture_insert on app.counter"),
        ("changed", f"trigger {p}_capture_update on app.counter"),
    ]
    bench.apply()
    assert bench.gaps() == bench.drift() == []


def test_revert_takes_triggers_and_functions_and_leaves_the_log(bench: Bench) -> None:
    bench.write("  app.counter:\n")
    bench.apply()
    bench.admin.execute("insert into app.counter values (1, 1)")
    with Database.open(bench.database.dsn()) as opened:
        back = make_revert(*read_state(opened, bench.prefix), bench.prefix, "bench")
        apply_plan(opened, back, allow_drop=True)
        catalog, ledger = read_state(opened, bench.prefix)
    assert ledger.rows == {} and captured_tables(catalog, bench.prefix) == {}
    bench.admin.execute("delete from app.counter")
    left = bench.admin.execute(
        f"select action from {bench.prefix}_log.entry where relation = 'app.counter' and key = '{{\"counter_id\": 1}}'".encode()
    )
    assert left.fetchall() == [("insert",)]


def test_a_class_that_is_no_longer_wanted_keeps_its_entries(bench: Bench) -> None:
    bench.write("  app.counter: {keep: 2 months}\n")
    bench.apply()
    bench.write("  app.counter:\n")
    gone = [step for step in bench.plan().pending if step.key.kind is Kind.LOG_CLASS]
    assert [(step.change, step.key.parts, step.statements, step.before) for step in gone] == [
        (Change.DROP, ("app.counter",), (), ())
    ]
    assert not any(step.destructive for step in bench.plan().pending if step.key.kind is Kind.LOG_CLASS)


@pytest.mark.parametrize(
    ("partitioned", "capture", "fits", "more"),
    [
        # 1 class, 3 of each column, 1 list of what is the same: 1664; one more is 3 too many.
        (False, "", 554, "1 column under except:, or 2 columns under mask:"),
        # Of a masked column 1 in place of 3: three of them are room for two more.
        (False, "mask: [c1, c2, c3]", 556, "1 column under except:, or 2 columns under mask:"),
        # Besides 1 number of the entry, 4 of the person, and 2 that say whether the row was and is there: 1662.
        (True, "personal: {c1: {broad: id}}", 551, "1 column under except:, or 1 column under mask:"),
    ],
    ids=["plain", "masked", "apart"],
)  # fmt: skip
def test_more_columns_than_an_update_can_pair_are_refused(
    bench: Bench, partitioned: bool, capture: str, fits: int, more: str
) -> None:
    """Threat: plan and apply say nothing, inserts are captured, and the first UPDATE of the table fails (54011)."""
    columns = ", ".join(f"c{number} integer" for number in range(1, fits))
    by = " partition by list (id)" if partitioned else ""
    bench.owner.execute(f"create table app.broad (id integer primary key, {columns}){by}".encode())
    if partitioned:
        bench.owner.execute("create table app.broad_rest partition of app.broad default")
        (bench.folder / "data_map.yaml").write_text(
            "version: 1\nunindexed: scan\nsubjects: {broad: {table: app.broad, key: id}}\n"
            "tables: {app.broad: {subject: broad, rows: keep, columns: {c1: {kind: job, purpose: care, erase: clear}}}}\n"
        )
    try:
        bench.write(f"  app.broad: {{{capture}}}\n")
        bench.apply()
        for statement in (
            "insert into app.broad (id) values (1)",
            "update app.broad set c1 = 2",
            "delete from app.broad",
        ):
            bench.owner.execute(statement.encode())
        bench.owner.execute("alter table app.broad add one_more integer")
        (found,) = bench.plan().refusals
        assert (found.code, found.subject, found.at.line) == ("too-many-columns", "app.broad", 3)
        assert found.at.file.endswith("audit.yaml")
        assert found.hint == f"Name {more}."
        # What the hint says helps.
        bench.write(f"  app.broad: {{{', '.join(part for part in (capture, 'except: [one_more]') if part)}}}\n")
        assert bench.plan().refusals == ()
    finally:
        with Database.open(bench.database.dsn()) as opened:
            revert = make_revert(*read_state(opened, bench.prefix), bench.prefix, "bench")
            apply_plan(opened, revert, allow_drop=True)
        bench.owner.execute("drop table app.broad")
        (bench.folder / "data_map.yaml").unlink(missing_ok=True)


def test_the_command_says_what_nobody_audits(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.write("  app.loan:\n")
    bench.apply()
    (bench.folder / "data_map.yaml").write_text(MAP)
    arguments = ["--dsn", bench.database.dsn(), "--pack", str(bench.folder), "audit", "coverage"]
    assert main(arguments) == 1
    said = capsys.readouterr().out
    assert "app.patient" in said and "app.visit" in said and "app.loan is" not in said
    bench.write("  app.loan:\n  app.patient: {mask: [name]}\n  app.counter:\n  app.visit:\n")
    capsys.readouterr()
    assert main(arguments) == 1
    said = capsys.readouterr().out
    message = "app.patient is named under capture: in audit.yaml, and not applied yet (app.patient)\n    hint: Apply.\n"
    assert f"warning[not-captured]: {message}" in said
    assert "app.loan is" not in said
    bench.apply()
    capsys.readouterr()
    assert main(arguments) == 0
    assert capsys.readouterr().out == "4 tables captured, 0 left out on purpose, 0 gaps\n"


@pytest.mark.parametrize(
    ("taken", "code", "message"),
    [
        ("drop table {l}.value_{n}_tail", "log-missing", " to the end, found: none; writes that are logged there fail then"),
        ("alter table {l}.leaf detach partition {l}.leaf_{n}", "log-class", "expected a part for the class default, found: "),
    ],
    ids=["partition", "part"],
)  # fmt: skip
def test_whoever_changes_a_database_is_told_what_its_log_lacks(
    bench: Bench, capsys: pytest.CaptureFixture[str], taken: str, code: str, message: str
) -> None:
    """Threat: somebody drops a partition of the log, and an apply or upgrade that ends well says nothing of writes that fail."""
    bench.write("  app.loan:\n  app.patient: {mask: [name]}\n  app.counter:\n  app.visit:\n")
    bench.apply()
    base = ["--dsn", bench.database.dsn(), "--pack", str(bench.folder)]
    commands = (["apply", "--yes"], ["upgrade", "--yes"])
    for command in commands:
        capsys.readouterr()
        assert main([*base, *command]) == 0
        assert "log-" not in capsys.readouterr().err
    ((number,),) = bench.owner.execute(
        f"select number from {bench.prefix}_log.class where class = 'default'".encode()
    ).fetchall()
    bench.admin.execute(taken.format(l=f"{bench.prefix}_log", n=number).encode())
    for command in commands:
        assert main([*base, *command]) == 0
        said = capsys.readouterr()
        assert f"warning[{code}]: " in said.err and message in said.err
        assert "hint: Run `pgerase audit maintain`: " in said.err
        assert main([*base, *command, "--format", "json"]) == 0
        (finding,) = json.loads(capsys.readouterr().out)["findings"]
        assert (finding["code"], finding["severity"]) == (code, "warning")
    assert main([*base, "audit", "coverage"]) == 1
    said = capsys.readouterr().out
    assert f"error[{code}]: " in said and message in said
    assert said.endswith("4 tables captured, 0 left out on purpose, 1 gap\n")
    # What the hint says is what puts it right.
    assert main([*base, "audit", "maintain"]) == 0
    capsys.readouterr()
    assert main([*base, "apply", "--yes"]) == 0
    assert "log-" not in capsys.readouterr().err


def test_coverage_says_who_may_ask_and_that_install_comes_first(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.write("  app.loan:\n  app.counter:\n")
    dsn, web = bench.database.dsn(), bench.database.dsn(bench.database.role("nobody"))
    assert main(["--dsn", web, "--pack", str(bench.folder), "audit", "coverage"]) == 3
    said = capsys.readouterr().err
    assert f"the schema {bench.prefix}_log is closed to the current role" in said
    assert "hint: Connect as the role that installed pgerase" in said
    # Under another prefix nothing is installed here.
    pack = bench.folder / "pack.yaml"
    installed = pack.read_text()
    pack.write_text(f"version: 1\nname: bench\nprefix: {bench.prefix}x\n")
    try:
        assert main(["--dsn", dsn, "--pack", str(bench.folder), "audit", "coverage"]) == 1
    finally:
        pack.write_text(installed)
    assert "hint: Run `pgerase install` first. Apply.\n" in capsys.readouterr().out


def test_what_is_left_out_on_purpose_is_no_gap(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """Issue 5, build 1, `audit coverage`: a reason in audit.yaml is shown, and what it does not name stays a gap."""
    bench.write("  app.loan:\n")
    bench.apply()
    (bench.folder / "data_map.yaml").write_text(MAP)
    arguments = ["--dsn", bench.database.dsn(), "--pack", str(bench.folder), "audit", "coverage"]
    file = bench.folder / "audit.yaml"
    loan = file.read_text()
    file.write_text(loan + "uncaptured: {'app.pat*': so that\u202e a test has one, app.loan_: nobody}\n")
    assert main(arguments) == 1
    said = capsys.readouterr().out
    assert "app.patient: left out on purpose: so that  a test has one\n" in said
    assert "warning[not-captured]: app.visit is in the data map, and nobody writes down" in said
    assert "uncaptured: {app.visit: " in said
    assert said.endswith("1 table captured, 1 left out on purpose, 2 gaps, 1 left out that is not there\n")
    file.write_text(loan + "uncaptured: {app.patient: a test, 'app.*': another}\n")
    assert main([*arguments, "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["left_out"] == [
        {"table": "app.counter", "reason": "another"},
        {"table": "app.patient", "reason": "a test"},
        {"table": "app.visit", "reason": "another"},
    ]


@pytest.mark.parametrize("words", [["audit", "coverage"], ["check", "--bound"]])
def test_leaving_out_what_is_not_there_is_a_slip(
    bench: Bench, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """Whoever misspells a table would think that it is left out on purpose."""
    bench.write("  app.loan:\n")
    bench.apply()
    file = bench.folder / "audit.yaml"
    file.write_text(file.read_text() + "uncaptured: {app.countr: a slip, 'gone.*': another, 'app.*': the rest}\n")
    capsys.readouterr()
    assert main(["--dsn", bench.database.dsn(), "--pack", str(bench.folder), *words, "--format", "json"]) == 1
    found = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["code"] == "uncaptured-nothing"]
    assert [(one["severity"], one["subject"], one["hint"]) for one in found] == [
        ("warning", "app.countr", "Did you mean app.counter?"),
        ("warning", "gone.*", "Take it out, or correct it."),
    ]


@pytest.mark.parametrize(
    ("capture", "message"),
    [
        ("  app.loan:\n  loan:\n", "app.loan is named twice under capture:, with its schema and without"),
        (
            "  app.base:\n  app.other:\n",
            "app.extra is below both app.base and app.other: what happens to its rows would be",
        ),
    ],
)
def test_what_is_captured_twice_says_how(bench: Bench, capture: str, message: str) -> None:
    bench.owner.execute(
        "create table if not exists app.other (id integer primary key); alter table app.extra inherit app.other"
    )
    try:
        bench.write(capture)
        with Database.open(bench.database.dsn()) as opened:
            catalog, _ = read_state(opened, bench.prefix)
        found = [one for one in compile_pack(read_pack(bench.folder), catalog).findings if one.code == "captured-twice"]
    finally:
        bench.owner.execute("alter table app.extra no inherit app.other")
    assert [one.message[: len(message)] for one in found] == [message]


@pytest.mark.parametrize(
    ("log", "note", "sentence"),
    [
        (
            "log: {keep: 3 days, partition: day}\n",
            "kept 3 days, until now 1 month; partitions by day, until now by month",
            (
                "Entries of the class default are kept 3 days instead of 1 month: the next run of retention drops what is"
                " older, and nobody can bring it back."
            ),
        ),
        ("log: {keep: 1 year 2 months}\n", "kept 1 year 2 months, until now 1 month", None),
        ("log: {keep: 31 days}\n", "kept 31 days, until now 1 month", None),
        ("log: {keep: 1 month, ahead: 5}\n", "", None),
    ],
    ids=["shorter", "longer", "a day more", "as long"],
)
def test_a_plan_says_that_the_log_is_kept_shorter(
    bench: Bench, capfd: pytest.CaptureFixture[str], log: str, note: str, sentence: str | None
) -> None:
    """Threat: a changed line of audit.yaml drops months of the log, and the plan says no more than that a class changes."""
    bench.write("  app.counter:\n", "log: {keep: 1 month}\n")
    bench.apply()
    bench.write("  app.counter:\n", log)
    plan = bench.plan()
    assert [(step.key.parts, step.note) for step in plan.pending] == [(("default",), note)]
    assert plan.said == (() if sentence is None else (sentence,))
    assert main(["plan", "--pack", str(bench.folder), "--dsn", bench.database.dsn()]) == 0
    shown = capfd.readouterr().out
    assert note in shown
    assert ("instead of" in shown) == (sentence is not None) == ((sentence or "instead of") in shown)


def test_a_length_lengthened_by_hand_is_said_to_be_shortened_again(bench: Bench) -> None:
    bench.write("  app.counter:\n", "log: {keep: 1 month}\n")
    bench.apply()
    bench.admin.execute(
        f"update {bench.prefix}_log.class set keep = '2 years 1 day 01:30:00' where class = 'default'".encode()
    )
    assert [step.note for step in bench.plan().pending] == [
        "changed by hand; kept 1 month, until now 2 years 1 day 1 hour 30 minutes"
    ]
    assert len(bench.plan().said) == 1
