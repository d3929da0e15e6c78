"""The commands of the seal inside a test's one transaction, a key of their own, and the verifier of one file."""

from __future__ import annotations

import importlib.util
import json
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from pgerase.cli.main import main
from pgerase.cli.settings import Settings
from pgerase.operate.log import Log

VERIFIER = Path(__file__).resolve().parents[2] / "tools" / "verify_log.py"


VARIABLE = "TEST_SEAL_KEY"


PACK = "version: 1\nname: shop\nprefix: {prefix}\nschemas: {{shop: governed}}\n"


AUDIT = "version: 1\nseal: {{every: 10 minutes, key_env: {variable}, anchor: {anchor}}}\n"


class Shared:
    """The connection of a test's one transaction, as the installing role: closing it gives it back."""

    def __init__(self, log) -> None:
        self.log = log

    def __enter__(self):
        self.log.rows("select set_config('role', %s, true)", [self.log.owner])
        return self.log.database

    def __exit__(self, *error) -> None:
        self.log.rows("select set_config('role', 'none', true)")


@pytest.fixture
def folder(tmp_path, sealed):
    """A pack with nothing but `seal:`; its anchors go to a file in another folder."""
    made = tmp_path / "pack"
    made.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (made / "pack.yaml").write_text(PACK.format(prefix=sealed.names.prefix))
    (made / "audit.yaml").write_text(AUDIT.format(variable=VARIABLE, anchor="{file: ../elsewhere/anchors.jsonl}"))
    return made


@pytest.fixture
def anchors(folder) -> Path:
    return folder.parent / "elsewhere" / "anchors.jsonl"


@pytest.fixture
def audit(log, folder, capfd, monkeypatch):
    """Run `pgerase audit …` inside the test's transaction, which is taken back; (exit code, stdout, stderr)."""
    monkeypatch.setattr(Settings, "open_database", lambda self: Shared(log))
    monkeypatch.setattr(Log, "snapshot", lambda self: nullcontext())
    monkeypatch.delenv(VARIABLE, raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["audit", *arguments, "--pack", str(folder)])
        captured = capfd.readouterr()
        return int(code), captured.out, captured.err

    return run


@pytest.fixture
def key(audit, tmp_path, monkeypatch) -> Path:
    """A key made by the command and put into the environment; the path of the public half."""
    code, out, _ = audit("key", "new", "--out", str(tmp_path / "seal.pem"))
    assert code == 0
    assert VARIABLE in out
    assert "PRIVATE" not in out
    monkeypatch.setenv(VARIABLE, (tmp_path / "seal.pem").read_text())
    return tmp_path / "seal.pem.pub"


@pytest.fixture(scope="module")
def verifier():
    """The verifier's functions, loaded from its file."""
    spec = importlib.util.spec_from_file_location("verify_log", VERIFIER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["verify_log"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def judge(audit, verifier, tmp_path, capfd, key):
    """Export the log and let the verifier look at it: (exit code, what it said)."""

    def run(*arguments: str) -> tuple[int, str]:
        file = tmp_path / f"export{len(list(tmp_path.iterdir()))}.jsonl"
        assert audit("export", str(file))[0] == 0
        assert file.stat().st_mode & 0o777 == 0o600
        code = verifier.main([str(file), "--public-key", str(key), *arguments])
        return code, capfd.readouterr().out

    return run


def codes(audit, *arguments: str) -> set[str]:
    code, out, _ = audit("verify", "--format", "json", *arguments)
    data = json.loads(out)
    assert (code == 0) == data["ok"]
    return {finding["code"] for finding in data["findings"]}
