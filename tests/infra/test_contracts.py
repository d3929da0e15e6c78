"""The import contracts hold, and would notice if they did not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).resolve().parents[2]


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_import_contracts_hold():
    done = _lint(_CHECKOUT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "imported", "contract"),
    [
        ("rules/bad.py", "psycopg", "psycopg lives behind"),
        ("catalog/bad.py", "pglast", "pglast lives behind"),
        ("compile/bad.py", "jinja2", "Jinja lives behind"),
        ("verify/bad.py", "click", "Click lives behind"),
        ("check/bad.py", "yaml", "YAML lives behind"),
        ("compare/bad.py", "z3", "z3 lives behind"),
        ("operate/bad.py", "http.client", "HTTP lives behind"),
        ("rules/bad.py", "pgerase.compile", "One direction"),
        ("meaning/bad.py", "pgerase.compile", "One direction"),
        ("compile/bad.py", "pgerase.meaning", "One direction"),
        ("plan/bad.py", "pgerase.database", "Planning neither"),
        ("meaning/bad.py", "pgerase.database", "The reference meaning"),
        ("nowhere/__init__.py", "pgerase.errors", "One direction"),
    ],
)
def test_a_breach_is_noticed(tmp_path: Path, module: str, imported: str, contract: str):
    shutil.copytree(_CHECKOUT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(_CHECKOUT / "pyproject.toml", tmp_path)
    path = tmp_path / "src" / "pgerase" / module
    path.parent.mkdir(exist_ok=True)
    (path.parent / "__init__.py").touch()
    path.write_text(f"import {imported}\n")
    done = _lint(tmp_path)
    assert done.returncode != 0
    (verdict,) = [line for line in done.stdout.splitlines() if line.startswith(contract) and "KEPT" not in line][:1]
    assert "BROKEN" in verdict
