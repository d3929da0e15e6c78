"""A wheel carries everything that is read at run time, and finds it when installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).resolve().parents[2]
_FOLDERS = ("sql", "templates", "policies", "tools")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=_CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


def _files(folder: str) -> dict[str, bytes]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", folder], cwd=_CHECKOUT, capture_output=True, text=True, check=True
    )
    return {name: (_CHECKOUT / name).read_bytes() for name in listed.stdout.split("\0") if name}


@pytest.mark.parametrize("folder", _FOLDERS)
def test_wheel_carries_every_file(wheel: Path, folder: str):
    expected = _files(folder)
    assert expected
    with zipfile.ZipFile(wheel) as archive:
        for name, content in expected.items():
            assert archive.read(f"pgerase/{name}") == content, name


def test_wheel_carries_licence_and_command(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        (licence,) = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
        (commands,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        (metadata,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        assert "GNU GENERAL PUBLIC LICENSE" in archive.read(licence).decode()
        assert "pgerase = pgerase.cli.main:main" in archive.read(commands).decode()
        assert "License-Expression: GPL-3.0-or-later" in archive.read(metadata).decode()


def test_an_unpacked_wheel_finds_its_files(wheel: Path, tmp_path: Path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from pgerase import resources\n"
        "for name in sys.argv[1:]: print(resources.folder(name))\n"
    )
    # Isolated: neither the checkout nor an installed pgerase can answer in its place.
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, *_FOLDERS], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(tmp_path / "pgerase" / folder) for folder in _FOLDERS]
