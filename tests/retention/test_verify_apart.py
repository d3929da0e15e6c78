"""What verifying says of partitions whose time is over while retention takes them away, and of those somebody takes before."""

from __future__ import annotations

import json

import pytest

from pgerase.errors import DatabaseFailed, Severity
from pgerase.operate import retention
from pgerase.operate.log import Log
from pgerase.operate.retention_model import RunState
from pgerase.operate.seal.exporting import export_log
from pgerase.operate.seal.keys import SealKey
from pgerase.operate.seal.sealing import sign_log
from pgerase.operate.seal.verifying import SealReport, verify_log
from tests.audit.fix_commands import verifier  # noqa: F401 - a fixture

# All of it is long ago, and kept for a month: it is over whenever this is run.
JANUARY = ("2020-01-20", "2020-01-25")
FAMILIES = ("entry", "value", "leaf")


@pytest.fixture(autouse=True)
def no_long_tries(monkeypatch) -> None:
    monkeypatch.setattr(retention, "_TRIES", 2)


@pytest.fixture
def sealed(archive):
    """Two days of January, due on 1 March, and one of February; people in them; one was erased."""
    archive.define("default", "1 month", "month", "2020-01-15")
    for day in JANUARY:
        archive.write(day, person="1")
        archive.write(day, person="2")
        archive.write(day)
    archive.run("2020-02-05", clock_is_right=True)
    archive.write("2020-02-20", person="1")
    assert archive.as_admin("select {l}.forget_people('person', '{2}', 1)") == [(2,)]
    archive.outlive_others()
    archive.run("2020-02-28", clock_is_right=True)
    # A request that there never was is another matter.
    archive.as_admin(
        "insert into {i}.request (request_id, kind, subject, received_at, due_on) overriding system value"
        " values (1, 'erasure', 'person', '2020-02-20', '2020-03-20') on conflict do nothing"
    )
    return archive


class Auditor:
    """Signs the log and looks at it both ways: in the database, and at an export."""

    def __init__(self, archive, verifier, folder, capfd) -> None:  # noqa: F811 - the fixture
        self.archive = archive
        self.verifier = verifier
        self.folder = folder
        self.capfd = capfd
        self.key = SealKey.new()
        self.key.write(folder / "k.pem")
        self.file = folder / "export.jsonl"

    def verified(self) -> SealReport:
        """What `audit verify` finds."""
        sign_log(self._log(), self.key)
        return verify_log(self._log(), keys=[self.key.public])

    def codes(self) -> set[str]:
        return {one.code for one in self.verified().findings}

    def exported(self, *, values: bool = True) -> list[dict]:
        """The lines of an export, which is kept."""
        sign_log(self._log(), self.key)
        self.file.unlink(missing_ok=True)
        export_log(self._log(), self.file, values=values)
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def judged(self, *, values: bool = True) -> tuple[int, str]:
        """What the program of one file says of an export."""
        self.exported(values=values)
        return self.read()

    def read(self) -> tuple[int, str]:
        self.capfd.readouterr()
        code = self.verifier.main([str(self.file), "--public-key", str(self.folder / "k.pem.pub")])
        return code, self.capfd.readouterr().out

    def _log(self) -> Log:
        return Log(self.archive.owner, self.archive.prefix)


@pytest.fixture
def auditor(archive, verifier, tmp_path, capfd) -> Auditor:  # noqa: F811 - the fixture
    return Auditor(archive, verifier, tmp_path, capfd)


def detach(archive, family: str, how: str = " concurrently") -> None:
    archive.as_admin(f"alter table {{l}}.{family}_1 detach partition {{l}}.{family}_1_20200101{how}")


def keep(archive, length: str) -> None:
    """Let the class be kept for another time, without making or attaching anything."""
    archive.as_admin("select set_config('session_replication_role', 'replica', false)")
    archive.as_admin("update {l}.class set keep = %s::interval", length)
    archive.as_admin("select set_config('session_replication_role', 'origin', false)")
    archive.as_admin("select {l}.add_record('class', %s)", json.dumps({"class": "default", "keep": length}))


PARTS = [("entry",), ("value",), ("leaf",), ("entry", "value"), ("entry", "leaf"), ("value", "leaf"), FAMILIES]
FEW = [*PARTS[:3], FAMILIES]


@pytest.mark.parametrize("read", FAMILIES)
def test_a_run_that_waited_for_a_reader_is_no_tampering(sealed, auditor, read: str) -> None:
    """Threat: somebody reads the log for long, and for a day an officer reads that entries are gone and values put in."""
    reader = sealed.database.connect()
    with reader.transaction():
        reader.execute(sealed.sql(f"select count(*) from {{l}}.{read}"))
        assert sealed.run("2020-03-01", patience=0.2).state is RunState.INCOMPLETE
    assert sealed.rows("select relation from {l}.partitions() where is_pending") == [(f"{read}_1_20200101",)]
    report = auditor.verified()
    assert {(one.code, one.severity) for one in report.findings} == {("partition-detached", Severity.WARNING)}
    # Each of the two segments once.
    assert len(report.findings) == 2
    assert sealed.run("2020-03-02").state is RunState.DONE
    assert auditor.codes() == set()


def test_the_first_partition_counts_from_when_what_is_in_it_was_found(archive, auditor) -> None:
    """Its entries have wrong dates: by these, whatever a clock that was behind has written would be over at once."""
    archive.define("default", "1 month", "month", "2020-02-01")
    archive.write("2010-05-05", person="1")
    archive.run("2020-02-05", clock_is_right=True)
    reader = archive.database.connect()
    with reader.transaction():
        reader.execute(archive.sql("select count(*) from {l}.entry"))
        assert archive.run("2020-03-06", patience=0.2, clock_is_right=True).state is RunState.INCOMPLETE
    assert archive.rows("select lower_bound = '-infinity' from {l}.partitions() where is_pending") == [(True,)]
    assert auditor.codes() == {"partition-detached"}
    assert auditor.judged()[0] == 0
    archive.as_admin("update {l}.class set early_since = '9000-01-01Z'")
    assert "entry-missing" in auditor.codes()


@pytest.mark.parametrize("families", FEW, ids=" and ".join)
@pytest.mark.parametrize("how", [" concurrently", ""], ids=["concurrently", "by hand"])
def test_what_is_apart_and_over_is_no_tampering_in_any_order(sealed, auditor, families, how: str) -> None:
    for family in families:
        detach(sealed, family, how)
    assert auditor.codes() == {"partition-detached"}


@pytest.mark.parametrize("families", FEW, ids=" and ".join)
@pytest.mark.parametrize("how", [" concurrently", ""], ids=["concurrently", "by hand"])
def test_detects_what_is_apart_and_not_over(sealed, auditor, families, how: str) -> None:
    """Threat: who detaches a table before its time, and says that retention is at it."""
    keep(sealed, "1000 years")
    for family in families:
        detach(sealed, family, how)
    report = auditor.verified()
    assert not report.ok
    assert "partition-detached" not in {one.code for one in report.findings}


def test_detects_what_is_gone_beside_what_is_apart(sealed, auditor) -> None:
    """Threat: while one month is being taken away, entries of another go with it."""
    detach(sealed, "entry")
    sealed.as_admin("set session_replication_role = replica")
    sealed.as_admin("delete from {l}.entry where at >= '2020-02-01Z'")
    sealed.as_admin("set session_replication_role = origin")
    assert auditor.codes() == {"partition-detached", "entry-missing", "value-inserted"}


@pytest.mark.parametrize("others", [("entry",), FAMILIES], ids=" and ".join)
def test_detects_what_is_gone_from_a_partition_though_a_made_up_one_lies_apart(sealed, auditor, others) -> None:
    """Threat: a table of anybody's own rows says that the time is apart, and the true one is there, without the entries."""
    for family in others:
        sealed.as_admin(
            f"create table {{l}}.{family}_1_20191201 (like {{l}}.{family});"
            f"insert into {{l}}.{family}_1_20191201 select * from {{l}}.{family} where at < '2020-02-01Z';"
            "set session_replication_role = replica;"
            f"delete from {{l}}.{family} where at = '2020-01-20Z';"
            "set session_replication_role = origin;"
            f'alter table {{l}}.{family}_1_20191201 owner to "{sealed.names.keeper}"'
        )
        assert sealed.as_admin("select relation from {l}.unattached(%s)", family) == [(f"{family}_1_20191201",)]
    codes = auditor.codes()
    assert codes == ({"partition-dropped"} if others == FAMILIES else {"entry-missing", "value-inserted"})
    assert auditor.judged()[0] == 1


def made_up(archive, name: str, begins: str, ends: str) -> None:
    """A table of the keeper's that says by its constraint which time it had."""
    family = name.partition("_")[0]
    archive.as_admin(
        f"create table {{l}}.{name} (like {{l}}.{family});"
        f'alter table {{l}}.{name} owner to "{archive.names.keeper}";'
        f"alter table {{l}}.{name} add check"
        f" (class = 'default'::text and at >= timestamptz '{begins} 00:00Z' and at < timestamptz '{ends} 00:00Z')"
    )


@pytest.mark.parametrize("gone", [("entry", "value"), FAMILIES], ids=" and ".join)
def test_detects_a_month_that_was_dropped_behind_a_made_up_first_partition(archive, auditor, gone) -> None:
    """Threat: by its name it is due since long, with its bounds it excuses a month that is not."""
    archive.define("default", "500 years", "month", "2020-01-15")
    archive.write("2020-01-20", person="7")
    archive.run("2020-01-21", clock_is_right=True)
    for family in gone:
        true, name = f"{family}_1_20200101", f"{family}_1_head_15000101"
        made_up(archive, name, "2020-01-01", "2020-02-01")
        archive.as_admin(
            f"insert into {{l}}.{name}"
            f" select (jsonb_populate_record(one, '{{\"entry_id\": 1}}')).* from {{l}}.{true} as one limit 1"
        )
        archive.as_admin(f"drop table {{l}}.{true}")
    archive.as_admin("update {l}.class set early_since = '1500-01-01', early_newest = 1")
    assert not auditor.verified().ok
    assert auditor.judged()[0] == 1


def test_detects_that_early_entries_were_deleted_behind_a_made_up_partition(archive, auditor) -> None:
    """Threat: by their dates their time is over; they were found late, and are kept from then."""
    archive.define("default", "500 years", "month", "2020-01-15")
    archive.write("1000-01-10", person="7")
    archive.write("2020-01-20", person="7")
    archive.run("2020-01-21", clock_is_right=True)
    archive.as_admin("set session_replication_role = replica")
    for family in FAMILIES:
        archive.as_admin(f"delete from {{l}}.{family} where at < '1500-01-01'")
    archive.as_admin("reset session_replication_role")
    made_up(archive, "leaf_1_10000101", "1000-01-01", "1000-02-01")
    assert "detached-early" in auditor.codes()
    assert auditor.judged()[0] == 1


def needed(archive, table: str, now: str) -> None:
    """A run that detaches what is due, and cannot drop it."""
    archive.as_admin(f"create view public.mine as select * from {{l}}.{table}")
    with pytest.raises(DatabaseFailed) as failure:
        archive.run(now, allow_drop=True, clock_is_right=True)
    assert failure.value.sqlstate == "2BP01"
    assert archive.rows("select family from {l}.detached() order by 1") == [("entry",), ("leaf",), ("value",)]


@pytest.fixture
def several(archive):
    """A partition of four months, as runs were missed, that is due and cannot be dropped."""
    archive.define("default", "1 month", "month", "2020-01-15", 1)
    for day in ("2020-03-10", "2020-04-10", "2020-05-10"):
        archive.write(day, person="1")
    archive.run("2020-06-20", clock_is_right=True)
    assert ("2020-03-01", "2020-07-01") in archive.bounds()
    needed(archive, "leaf_1_20200301", "2020-08-02")
    yield archive
    archive.as_admin("drop view public.mine")


@pytest.fixture
def daily(archive):
    """A month whose class has been kept by days since, that is due and cannot be dropped."""
    archive.define("default", "1 month", "month", "2020-01-15")
    for day in JANUARY:
        archive.write(day, person="1")
    archive.run("2020-01-28", clock_is_right=True)
    archive.define("default", "1 month", "day", "2020-01-28")
    needed(archive, "leaf_1_20200101", "2020-03-02")
    yield archive
    archive.as_admin("drop view public.mine")


@pytest.mark.parametrize("made", ["several", "daily"])
def test_what_retention_detached_and_cannot_drop_is_told_apart_with_all_its_days(auditor, request, made: str) -> None:
    """Threat: a view of somebody else's, and for as long as it is there the log is said to be tampered with."""
    archive = request.getfixturevalue(made)
    report = auditor.verified()
    assert {one.code for one in report.findings} == {"partition-detached"}
    assert len(report.findings) == len(archive.rows("select segment_id from {l}.segment where kind = 'entry'"))
    keep(archive, "1000 years")
    assert "detached-early" in auditor.codes()
    assert not {"partition-detached", "partition-dropped"} & auditor.codes()


def test_what_cannot_be_dropped_is_told_apart_though_the_first_partition_has_grown_over_it(archive, auditor) -> None:
    """Something else was dropped meanwhile, and the first partition, open below, follows the oldest that is left."""
    archive.define("default", "1 month", "month", "2020-01-15")
    archive.define("other", "1 month", "month", "2020-01-15")
    for day in JANUARY:
        archive.write(day, person="1")
    archive.write("2020-01-25", "other")
    archive.run("2020-02-05", clock_is_right=True)
    needed(archive, "leaf_1_20200101", "2020-03-02")
    assert archive.bounds()[0] == ("-infinity", "2020-02-01")
    # What went is recorded by the test's clock; whoever signs does it by the real one.
    found = {(one.code, one.class_name) for one in auditor.verified().findings}
    assert found == {("partition-detached", "default")}
    code, said = auditor.judged()
    assert (code, "WRONG" in said) == (0, False), said
    archive.as_admin("drop view public.mine")


# --- the same, by an export ---


def left_by_a_reader(archive, table: str) -> None:
    """A run that waits for somebody who reads a table, and leaves the others of it as they are."""
    reader = archive.database.connect()
    with reader.transaction():
        reader.execute(archive.sql(f"select count(*) from {{l}}.{table}"))
        assert archive.run("2020-03-01", patience=0.2).state is RunState.INCOMPLETE


@pytest.mark.parametrize("values", [True, False], ids=["with values", "without values"])
@pytest.mark.parametrize("read", FAMILIES)
def test_the_verifier_agrees_on_a_run_that_waited_for_a_reader(sealed, auditor, read: str, values: bool) -> None:
    """Threat: an auditor reads WRONG where `audit verify` says that all is well, and believes neither from then on."""
    left_by_a_reader(sealed, read)
    code, said = auditor.judged(values=values)
    assert (code, "WRONG" in said) == (0, False), said
    assert (
        "note    Retention: tables of default from 2020-01-01 to 2020-02-01 00:00 UTC are detached, or about to be, and not dropped"
        " yet. Their time was over at 2020-03-01 00:00 UTC; nothing is proven of what is in them.\n"
    ) in said


@pytest.mark.parametrize("families", PARTS, ids=" and ".join)
@pytest.mark.parametrize("length", ["1 mon", "1000 years"], ids=["over", "not over"])
@pytest.mark.parametrize("how", [" concurrently", ""], ids=["concurrently", "by hand"])
def test_the_verifier_agrees_on_what_is_apart(sealed, auditor, families, length: str, how: str) -> None:
    keep(sealed, length)
    sealed.run("2020-02-28", clock_is_right=True)
    for family in families:
        detach(sealed, family, how)
    code, said = auditor.judged()
    assert (code == 0, "note    Retention:" in said) == (length == "1 mon", length == "1 mon"), said
    early = "somebody detached its partition before its time was over" in said
    assert early == (length != "1 mon" and "leaf" in families)
    assert auditor.verified().ok == (code == 0)


@pytest.mark.parametrize("made", ["several", "daily"])
def test_the_verifier_agrees_on_what_retention_detached_and_cannot_drop(auditor, request, made: str) -> None:
    """Threat: the records are what the program goes by, and there is none before the tables are dropped."""
    archive = request.getfixturevalue(made)
    code, said = auditor.judged()
    assert (code, "WRONG" in said) == (0, False), said
    days = len(archive.rows("select segment_id from {l}.segment where kind = 'entry'"))
    assert (
        f"Segments: 0 whole, 0 dropped as their time was over, each with a record of it, {days} detached as their"
        in said
    )
    keep(archive, "1000 years")
    code, said = auditor.judged()
    assert (code, "somebody detached its partition before its time was over" in said) == (1, True)


def test_the_verifier_detects_what_is_gone_beside_what_is_apart(sealed, auditor) -> None:
    detach(sealed, "entry")
    sealed.as_admin("set session_replication_role = replica")
    sealed.as_admin("delete from {l}.entry where at >= '2020-02-01Z'")
    sealed.as_admin("set session_replication_role = origin")
    code, said = auditor.judged()
    ((young,),) = sealed.rows("select entry_id from {l}.leaf where at >= '2020-02-01Z'")
    wrong = {line for line in said.splitlines() if line.startswith("WRONG")}
    assert (code, wrong) == (1, {f"WRONG   Entries: entry {young} was sealed, and is gone."})


def test_the_verifier_believes_no_entry_of_another_day_than_its_header(sealed, auditor) -> None:
    """Threat: whoever makes the export says of an entry that is gone that it was of a time that is apart."""
    detach(sealed, "entry")
    lines = auditor.exported()
    young = next(one for one in lines if one["type"] == "entry" and one["text"] is not None)
    old = next(one for one in lines if one["type"] == "entry" and one["text"] is None)
    young |= {"text": None, "class": old["class"], "at": old["at"]}
    auditor.file.write_text("".join(json.dumps(one) + "\n" for one in lines))
    code, said = auditor.read()
    assert (code, f"Entries: entry {young['number']} was sealed, and is gone." in said) == (1, True)


def test_the_verifier_judges_an_export_that_tells_of_nothing_apart_as_before(sealed, auditor) -> None:
    left_by_a_reader(sealed, "leaf")
    lines = auditor.exported()
    assert {one["family"] for one in lines if one["type"] == "apart"} == {"entry", "leaf"}
    for one in lines:
        if one["type"] == "entry":
            del one["class"], one["at"]
    auditor.file.write_text("".join(json.dumps(one) + "\n" for one in lines if one["type"] != "apart"))
    code, said = auditor.read()
    assert code == 1
    assert "Entries: segment 1 (default, 2020-01-20) is gone, and no record says that its time was over." in said


def test_an_export_of_a_log_with_nothing_apart_has_no_line_of_it(sealed, auditor) -> None:
    assert {one["type"] for one in auditor.exported()} == {"log", "header", "checkpoint", "record", "entry"}


def test_the_verifier_goes_by_the_earlier_of_its_clock_and_the_export_s(sealed, auditor) -> None:
    """Threat: an export that says it was made when everything will be over."""
    keep(sealed, "1000 years")
    detach(sealed, "leaf")
    lines = auditor.exported()
    lines[0]["exported_at"] = "9000-01-01T00:00:00+00:00"
    auditor.file.write_text("".join(json.dumps(one) + "\n" for one in lines))
    code, said = auditor.read()
    assert (code, "note    Retention:" in said) == (1, False)
