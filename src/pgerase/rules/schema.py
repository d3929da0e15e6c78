"""JSON Schema (2020-12) of the rule files, for editors, from the shapes that read them: `python -m pgerase.rules.schema`.

What needs several keys at once (names that exist, circles, counts of columns) is left to the readers. Included files may
leave out what the schema calls required.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pgerase.rules.read_access import ACCESS
from pgerase.rules.read_audit import AUDIT
from pgerase.rules.read_data_map import DATA_MAP
from pgerase.rules.read_pack import PACK
from pgerase.rules.shapes import Definitions, Record, Schema

FOLDER = Path(__file__).parent / "schemas"
_ROOTS: dict[str, tuple[Record[Any], str]] = {
    "pack": (PACK, "How the rules of a pack meet a database."),
    "access": (ACCESS, "Who may see or change which row."),
    "data_map": (DATA_MAP, "Where a person's data is, and how each piece goes."),
    "audit": (AUDIT, "What is captured, how long it is kept, and who of the staff may look."),
}


def schema(name: str) -> Schema:
    """The JSON Schema of one rule file: pack, access, data_map or audit. Raises KeyError for another name."""
    root, summary = _ROOTS[name]
    definitions: Definitions = {}
    body = root.schema(definitions)
    head: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"pgerase {name}.yaml",
        "description": summary,
    }
    return head | body | ({"$defs": dict(sorted(definitions.items()))} if definitions else {})


def schema_text(name: str) -> str:
    """The schema as it is checked in."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


def names() -> tuple[str, ...]:
    """The rule files that have a schema."""
    return tuple(_ROOTS)


def main() -> int:
    """Write every schema to its place inside the package."""
    FOLDER.mkdir(exist_ok=True)
    for name in names():
        (FOLDER / f"{name}.schema.json").write_text(schema_text(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
