"""JSON as commands print it: for machines, and harmless on the terminal of whoever looks at it. Decides nothing."""

from __future__ import annotations

import json
import re
from typing import Any

# JSON escapes what is below U+0020 and nothing else. U+0080 to U+009F are control characters too, and the others turn text
# around or end lines; a lone half of a pair, which a file name may hold, cannot be printed at all.
_HARMFUL = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def json_text(data: Any, *, indent: int | None = None) -> str:
    """The data as JSON: letters as they are, everything that a terminal obeys escaped. Raises TypeError for what JSON has no word for."""
    # All of them stand within strings, where an escape means the same.
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(data, indent=indent, ensure_ascii=False))
