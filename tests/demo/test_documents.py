"""What is written about pgerase is true: the README's commands, the modules, the migrations."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from pgerase.cli.main import COMMANDS
from pgerase.rules.read import read_pack
from pgerase.server import ServerFailed, embedded_binaries
from tests.demo.readme import README, comparable, replayed
from tests.fix_server import IN_CI

_CHECKOUT = Path(__file__).resolve().parents[2]


def _text(name: str) -> str:
    return (_CHECKOUT / name).read_text(encoding="utf-8")


def test_the_commands_in_the_readme_print_what_it_says(pg_programs: Path):
    # Always the embedded server: others may be older than the floor that verify asks for.
    try:
        embedded_binaries()
    except ServerFailed as error:
        if IN_CI:
            raise
        pytest.skip(error.message)
    fresh = replayed(_text("README.md"), pg_programs)
    assert comparable(fresh) == comparable(_text("README.md"))


def test_the_readme_shows_every_command_or_says_it_is_missing():
    text = README.read_text(encoding="utf-8")
    for name in COMMANDS:
        assert re.search(rf"\bpgerase {name}\b|`{name}[ `]", text), name
    missing = re.search(r"and the commands ((?:`[\w-]+`(?:, )?)+)\.", text)
    assert missing is not None
    assert not set(re.findall(r"`([\w-]+)`", missing.group(1))) & set(COMMANDS)


@pytest.mark.parametrize("name", ["README.md", "docs/architecture.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name: str):
    base = (_CHECKOUT / name).parent
    for target in re.findall(r"\]\(([^)#:]+)\)", _text(name)):
        assert (base / target).exists(), target


def test_links_inside_the_readme_lead_to_headings():
    text = _text("README.md")
    headings = {
        re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= headings


def test_every_top_level_module_is_in_the_architecture():
    text = _text("docs/architecture.md")
    modules = {
        path.stem if path.is_file() else path.name
        for path in (_CHECKOUT / "src" / "pgerase").iterdir()
        if (path.suffix == ".py" and not path.stem.startswith("__")) or (path / "__init__.py").is_file()
    }
    described = set(re.findall(r"^\| `pgerase\.(\w+)` \|", text, re.MULTILINE))
    assert described == modules


def test_the_architecture_lists_modules_from_below():
    layers = tomllib.loads(_text("pyproject.toml"))["tool"]["importlinter"]["contracts"][0]["layers"]
    rank = {name: -number for number, line in enumerate(layers) for name in re.findall(r"\w+", line)}
    listed = re.findall(r"^\| `pgerase\.(\w+)` \|", _text("docs/architecture.md"), re.MULTILINE)
    # The private server imports nothing of pgerase's; it stands beside the demo, which is what it is for.
    ranks = [rank[name] for name in listed if name != "server"]
    assert ranks == sorted(ranks)


def test_the_changelog_lists_every_migration_under_database():
    entries = _database_entries()
    for path in sorted((_CHECKOUT / "sql" / "migrations").glob("*.sql")):
        (entry,) = [entry for entry in entries if entry.startswith(f"- Migration {path.stem[:4]},")]
        assert "Locks: " in entry
        assert "Reversible: " in entry


def _database_entries() -> list[str]:
    sections = re.findall(r"^### Database\n(.*?)(?=^##|\Z)", _text("CHANGELOG.md"), re.MULTILINE | re.DOTALL)
    return [
        " ".join(entry.split()) for section in sections for entry in re.split(r"(?m)^(?=- )", section) if entry.strip()
    ]


def test_the_pack_in_the_readme_is_read_without_findings(tmp_path: Path):
    for name, body in re.findall(
        r"\(`shop/([\w.]+)`\):\n\n```yaml\n(.*?)^```$", _text("README.md"), re.MULTILINE | re.DOTALL
    ):
        (tmp_path / name).write_text(body, encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"access.yaml", "audit.yaml", "data_map.yaml", "pack.yaml"}
    assert read_pack(tmp_path).name == "shop"


def test_what_the_comparison_of_audit_logs_names_as_proof_is_there():
    text = _text("docs/audit_compared.md")
    named = set(re.findall(r"`((?:tests|benchmarks|docs)/[\w/.]+)`", text))
    assert len(named) >= 10
    assert sorted(name for name in named if not (_CHECKOUT / name).exists()) == []
