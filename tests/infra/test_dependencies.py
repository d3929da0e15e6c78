"""docs/dependencies.md tells of every dependency there is, and of no other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]


def _declared() -> dict[str, set[str]]:
    project = tomllib.loads((_CHECKOUT / "pyproject.toml").read_text())["project"]
    sections = {"At run time": project["dependencies"]} | {
        f"Extra `{extra}`": requirements for extra, requirements in project["optional-dependencies"].items()
    }
    judges = (_CHECKOUT / "tests" / "judges" / "requirements.txt").read_text().split()
    sections["Judges of the tests"] = judges
    return {
        section: {re.split(r"[\[<>=~! ]", requirement)[0] for requirement in requirements}
        for section, requirements in sections.items()
    }


def _documented() -> dict[str, set[str]]:
    text = (_CHECKOUT / "docs" / "dependencies.md").read_text()
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    tables = dict(zip(parts[::2], parts[1::2], strict=True))
    tables.pop("Not from the package index")
    return {
        section: set(re.findall(r"^\| ([\w-]+) \|", table, re.MULTILINE)) - {"package"}
        for section, table in tables.items()
    }


def test_every_dependency_is_documented_and_no_other():
    assert _documented() == _declared()


def test_every_row_says_why_and_gives_licence_and_alternative():
    text = (_CHECKOUT / "docs" / "dependencies.md").read_text().partition("## Not from the package index")[0]
    rows = [
        line for line in text.splitlines() if re.match(r"\| [\w-]+ \| [^|]", line) and not line.startswith("| package")
    ]
    assert len(rows) >= 15
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 4, row
        assert all(cells), row
