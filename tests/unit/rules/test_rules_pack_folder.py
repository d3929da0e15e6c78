"""A pack is a folder: which files count, what they may include, and that nothing leads out of it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pgerase.errors import Finding
from pgerase.rules.pack import Existing, Mode
from pgerase.rules.read import read_pack
from pgerase.rules.read_access import read_access
from tests.unit.rules.support import VIEWERS, findings_of, places

ACCESS = VIEWERS + "resources:\n  a: {table: a, everyone: none}\n"


def write(folder: Path, **files: str) -> Path:
    """Files by name, with __ for a slash and without .yaml."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def found(folder: Path) -> tuple[Finding, ...]:
    return findings_of(lambda: read_pack(folder))


def test_folder_with_one_access_file_is_a_pack(tmp_path: Path) -> None:
    folder = tmp_path / "my pack"
    folder.mkdir()
    pack = read_pack(write(folder, access=ACCESS))
    assert (pack.name, pack.settings.prefix, pack.settings.tables, pack.data_map) == ("my pack", "pgerase", (), None)
    assert pack.access is not None
    assert [resource.name for resource in pack.access.resources] == ["a"]
    assert pack.files == (("access.yaml", hashlib.sha256(ACCESS.encode()).hexdigest()),)


def test_folder_reads_pack_settings(tmp_path: Path) -> None:
    pack = read_pack(
        write(tmp_path, pack="name: mine\nprefix: my\ntables: {s.a: {mode: shadow}, b: {}}\n", access=ACCESS)
    )
    assert (pack.name, pack.settings.prefix) == ("mine", "my")
    assert [(str(table.table), table.mode, table.existing) for table in pack.settings.tables] == [
        ("s.a", Mode.SHADOW, Existing.REFUSE),
        ("b", Mode.ON, Existing.REFUSE),
    ]
    assert [name for name, _ in pack.files] == ["access.yaml", "pack.yaml"]


def test_folder_shows_errors_of_all_files_at_once(tmp_path: Path) -> None:
    findings = found(
        write(tmp_path, pack="nam: x\n", access="version: 1\nviewer: 1\n", data_map="version: 3\nsubjects: []\n")
    )
    assert [f"{finding.at} {finding.code}" for finding in findings] == [
        "access.yaml:2:1 unknown-key",
        "data_map.yaml:1:10 wrong-version",
        "data_map.yaml:2:11 wrong-shape",
        "pack.yaml:1:1 unknown-key",
    ]


def test_folder_reads_audit_beside_the_others(tmp_path: Path) -> None:
    pack = read_pack(write(tmp_path, access=ACCESS, audit="version: 1\ncapture: {s.t: {}}\n"))
    assert pack.audit is not None
    assert [str(capture.table) for capture in pack.audit.captures] == ["s.t"]
    assert [name for name, _ in pack.files] == ["access.yaml", "audit.yaml"]


def test_folder_with_audit_alone_is_a_pack(tmp_path: Path) -> None:
    pack = read_pack(write(tmp_path, audit="version: 1\ncapture: {s.t: {}}\n"))
    assert (pack.access, pack.data_map) == (None, None)
    assert pack.audit is not None


def test_folder_without_rules_is_no_pack(tmp_path: Path) -> None:
    assert [finding.code for finding in found(tmp_path)] == ["no-pack"]
    assert [finding.code for finding in found(tmp_path / "missing")] == ["no-pack"]


def test_folder_that_cannot_be_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    write(tmp_path, access=ACCESS)
    monkeypatch.setattr(Path, "iterdir", refuse)
    assert [finding.code for finding in found(tmp_path)] == ["file-unreadable"]


@pytest.mark.parametrize("name", ["access.yml", "acess.yaml", "Access.yaml", "data-map.yaml"])
def test_folder_with_a_misspelt_file_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, pack="name: x\n")
    (tmp_path / name).write_text("anything")
    assert [finding.code for finding in found(tmp_path)] == ["misspelled-file"]


def test_include_merges_sections(tmp_path: Path) -> None:
    write(
        tmp_path,
        access=VIEWERS + "include: [parts/one.yaml, access_2.yaml]\nresources:\n  a: {table: a, everyone: none}\n",
        parts__one="include: deeper.yaml\nresources:\n  b: {table: b, everyone: none, inherits: {a: a_id}}\n",
        parts__deeper="version: 1\nconditions: {mine: {x: 1}}\n",
        access_2="resources:\n  c: {table: c, everyone: none, rules: [{name: r, rows: {use: mine}, can: [read]}]}\n",
    )
    pack = read_pack(tmp_path)
    assert pack.access is not None
    assert [resource.name for resource in pack.access.resources] == ["a", "b", "c"]
    assert str(pack.access.resource("b").at) == "parts/one.yaml:3:3"
    assert [name for name, _ in pack.files] == ["access.yaml", "access_2.yaml", "parts/deeper.yaml", "parts/one.yaml"]


def test_include_shows_errors_in_the_included_file(tmp_path: Path) -> None:
    write(tmp_path, access=VIEWERS + "include: more.yaml\n", more="resources:\n  a: {table: a, everyone: nobody}\n")
    assert [f"{finding.at}" for finding in found(tmp_path)] == ["more.yaml:2:27"]


@pytest.mark.parametrize(
    "written", ["/etc/passwd", "../other.yaml", "parts/../../other.yaml", "~/x.yaml", "C:/x.yaml", "parts\\\\x.yaml"]
)
def test_include_cannot_leave_the_pack(tmp_path: Path, written: str) -> None:
    folder = tmp_path / "pack"
    folder.mkdir()
    (tmp_path / "other.yaml").write_text("resources: {}\n")
    write(folder, access=VIEWERS + f'include: "{written}"\n')
    assert places(found(folder)) == ["3:10 include-outside"]


def test_include_cannot_leave_the_pack_by_links(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    folder.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.yaml").write_text("resources: {}\n")
    (folder / "file.yaml").symlink_to(outside / "x.yaml")
    (folder / "folder").symlink_to(outside)
    write(folder, access=VIEWERS + "include: [file.yaml, folder/x.yaml]\n")
    assert places(found(folder)) == ["3:11 include-outside", "3:22 include-outside"]


def test_rule_file_cannot_be_a_link_that_leads_out(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    folder.mkdir()
    write(tmp_path, secret=ACCESS)
    (folder / "access.yaml").symlink_to(tmp_path / "secret.yaml")
    assert [finding.code for finding in found(folder)] == ["include-outside"]


def test_include_may_follow_a_link_that_stays_inside(tmp_path: Path) -> None:
    write(tmp_path, access=VIEWERS + "include: link.yaml\n", real="resources:\n  a: {table: a, everyone: none}\n")
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    access = read_pack(tmp_path).access
    assert access is not None
    assert [resource.name for resource in access.resources] == ["a"]


def test_include_in_a_circle_is_refused(tmp_path: Path) -> None:
    write(tmp_path, access=VIEWERS + "include: a.yaml\n", a="include: b.yaml\n", b="include: a.yaml\n")
    findings = found(tmp_path)
    assert [(str(finding.at), finding.code) for finding in findings] == [("b.yaml:1:10", "include-circle")]
    assert "a.yaml → b.yaml → a.yaml" in findings[0].message


def test_include_of_oneself_and_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path, access=VIEWERS + "include: [access.yaml, a.yaml, ./a.yaml]\n", a="groups: {g: {members: []}}\n")
    assert places(found(tmp_path)) == ["3:11 include-circle", "3:32 include-twice"]


def test_include_circle_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("b.yaml")
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    write(tmp_path, access=VIEWERS + "include: a.yaml\n")
    assert places(found(tmp_path)) == ["3:10 file-unreadable"]


def test_include_of_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path, access=VIEWERS + "include: [folder, pipe, missing.yaml, 7]\n")
    assert [place.split()[1] for place in places(found(tmp_path))] == ["wrong-shape"]
    write(tmp_path, access=VIEWERS + "include: [folder, pipe, missing.yaml]\n")
    assert [place.split()[1] for place in places(found(tmp_path))] == ["file-unreadable"] * 3


def test_include_cannot_repeat_or_split_what_is_one(tmp_path: Path) -> None:
    write(
        tmp_path,
        access=ACCESS + "include: more.yaml\n",
        more="viewers: {manager: boss}\nresources:\n  a: {table: x, everyone: write}\nresorces: {}\n",
    )
    findings = found(tmp_path)
    assert [(str(finding.at), finding.code) for finding in findings] == [
        ("more.yaml:1:1", "duplicate-key"),
        ("more.yaml:3:3", "duplicate-key"),
        ("more.yaml:4:1", "unknown-key"),
    ]


def test_include_of_another_version_is_refused(tmp_path: Path) -> None:
    write(tmp_path, access=VIEWERS + "include: more.yaml\n", more="version: 2\n")
    assert [str(finding.at) for finding in found(tmp_path)] == ["more.yaml:1:10"]


def test_include_needs_a_folder() -> None:
    assert places(findings_of(lambda: read_access(VIEWERS + "include: a.yaml\n"))) == ["3:1 include-without-folder"]
