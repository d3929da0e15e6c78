"""`check` on files alone: what it prints of an `audit.yaml`, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pgerase.cli.main import main

DESIGN = Path(__file__).parent / "rules" / "design"


def checked(folder: Path, audit: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error for a pack with this `audit.yaml` alone."""
    (folder / "audit.yaml").write_text(f"version: 1\n{audit}\n", encoding="utf-8")
    code = main(["--pack", str(folder), "check"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_design_example_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--pack", str(DESIGN), "check"]) == 0
    assert capsys.readouterr().out == "customer_success, files alone: 0 to settle, 0 to know\n"


def test_a_length_that_is_too_long_is_shown_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """E5."""
    code, out, _ = checked(tmp_path, "capture: {cs.company: {keep: 4 years}}", capsys)
    assert code == 1
    assert "long-keep" in out
    assert "audit.yaml:2:30" in out
    assert "capture: {cs.company: {keep: 4 years}}" in out
    assert "CNIL 2021-122" in out
    assert out.splitlines()[-1] == f"{tmp_path.name}, files alone: 1 to settle, 0 to know"


def test_a_length_that_is_too_long_is_settled_by_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever has to keep it for ten years would have a check that fails for ever, and stop looking."""
    keep = "capture: {cs.company: {keep: {default: 10 years, because: 'Art. L123-22\u202e of the commercial code'}}}"
    code, out, _ = checked(tmp_path, keep, capsys)
    assert code == 0
    assert "note[long-keep]: entries are kept for more than 36 months, because: Art. L123-22" in out
    assert "\u202e" not in out
    assert out.splitlines()[-1] == f"{tmp_path.name}, files alone: 0 to settle, 1 to know"
    code, out, err = checked(tmp_path, "capture: {cs.company: {keep: {default: 10 years, because: ''}}}", capsys)
    assert (code, "audit.yaml:2:59: error[blank-text]" in err) == (2, True)


def test_what_is_good_to_know_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = checked(tmp_path, "capture: {cs.company: {}}\nseal: {key_env: SEAL_KEY}", capsys)
    assert code == 0
    assert "no-anchor" in out


def test_what_is_refused_is_named_and_ends_as_unreadable_rules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = checked(tmp_path, "log: {keep: 3 days}\ncapture: {cs.company: {personal: {email: id}}}", capsys)
    assert (code, out) == (2, "")
    assert "audit.yaml:2:13" in err
    assert "keep-too-short" in err
    assert "audit.yaml:3:35" in err
    assert "no-data-map" in err


def test_a_secret_in_the_file_reaches_no_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Builds run `check`, and many read their logs."""
    secret = "https://hooks.example/T0/B0/c0ffee"
    code, out, err = checked(tmp_path, f"seal: {{key_env: K, anchor: {{webhook_env: '{secret}'}}}}", capsys)
    assert code == 2
    assert "secret-in-file" in err
    assert "c0ffee" not in out + err


def test_machines_get_findings_as_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "audit.yaml").write_text("version: 1\nlog: {keep: 40 months}\ncapture: {t: {}}\n", encoding="utf-8")
    assert main(["--pack", str(tmp_path), "--format", "json", "check"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["code"], finding["severity"], finding["subject"]) == ("long-keep", "warning", "log.keep")
