"""JSON as commands print it: for machines, and harmless on the terminal of whoever looks at it. Decides nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

# JSON escapes what is below U+0020 and nothing else. U+0080 to U+009F are control characters too, and the others turn text
# around or end lines; a lone half of a pair, which a file name may hold, cannot be printed at all.
_HARMFUL = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def json_text(data: Any, *, indent: int | None = None) -> str:
    """The data as JSON: letters as they are, everything that a terminal obeys escaped. Raises TypeError for what JSON has no word for."""
    return _harmless(json.dumps(data, indent=indent, ensure_ascii=False))


def object_text(fields: Mapping[str, str] | None) -> str:
    """A JSON object of fields that are JSON text already, and stay so to the last digit; null for None."""
    if fields is None:
        return "null"
    return f"{{{', '.join(f'{json_text(name)}: {_harmless(text)}' for name, text in fields.items())}}}"


def array_text(items: Iterable[str]) -> str:
    """A JSON array of what is JSON text already."""
    return f"[{', '.join(map(_harmless, items))}]"


def _harmless(text: str) -> str:
    # All that is harmful stands within strings, where an escape means the same.
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
