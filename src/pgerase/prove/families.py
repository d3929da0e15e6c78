"""What a type's values look like as text, so that a column that cannot hold any of the identifiers need not be searched.

Pure. A type that is not listed here (one of users or extensions, a composite, an enum) is always searched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from pgerase.prove.spelling import Spelling

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*", re.ASCII)
_UUID = re.compile(r"\{?[0-9a-fA-F]{4}-?([0-9a-fA-F]{4}-?){6}[0-9a-fA-F]{4}\}?", re.ASCII)
_ADDRESS = re.compile(r"[0-9a-fA-F]+([.:-][0-9a-fA-F]*)+(/[0-9]+)?", re.ASCII)


def _is_number(one: Spelling) -> bool:
    return bool(one.number)


def _is_date(one: Spelling) -> bool:
    return bool(_DATE.fullmatch(one.text))


def _is_uuid(one: Spelling) -> bool:
    return bool(_UUID.fullmatch(one.text))


def _is_address(one: Spelling) -> bool:
    return bool(_ADDRESS.fullmatch(one.text))


def _never(_: Spelling) -> bool:
    return False


_FAMILIES: dict[str, tuple[str, Callable[[Spelling], bool]]] = {
    **dict.fromkeys(("int2", "int4", "int8", "numeric", "float4", "float8", "money", "oid"), ("numbers", _is_number)),
    **dict.fromkeys(("date", "timestamp", "timestamptz"), ("dates", _is_date)),
    **dict.fromkeys(("inet", "cidr", "macaddr", "macaddr8"), ("network addresses", _is_address)),
    "uuid": ("uuids", _is_uuid),
    **dict.fromkeys(("time", "timetz", "interval"), ("times", _never)),
    **dict.fromkeys(("point", "line", "lseg", "box", "path", "polygon", "circle"), ("geometry", _never)),
    **dict.fromkeys(("bit", "varbit"), ("bits", _never)),
    **dict.fromkeys(
        ("tid", "xid", "xid8", "cid", "pg_lsn", "pg_snapshot", "txid_snapshot"), ("internal numbers", _never)
    ),
    "bool": ("truth values", _never),
    "char": ("single bytes", _never),
}


def nothing_to_search(leaf_type: str, spellings: Iterable[Spelling]) -> str:
    """Why no value made of this type (of pg_catalog) can be one of the identifiers; '' where one can."""
    family = _FAMILIES.get(leaf_type)
    if family is None or any(family[1](one) for one in spellings):
        return ""
    return f"holds {family[0]} only, and no identifier is one"
