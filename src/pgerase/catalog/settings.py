"""The settings under which the server spells expressions the same way for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

STABLE: Mapping[str, str] = MappingProxyType(
    {
        # Not empty: pg_temp would be searched first, unseen, and a temporary type named text would be spelt where text is meant.
        "search_path": "pg_catalog, pg_temp",
        "quote_all_identifiers": "off",
        "datestyle": "ISO, MDY",
        "intervalstyle": "postgres",
        "timezone": "UTC",
        "extra_float_digits": "1",
        "bytea_output": "hex",
    }
)
"""All that pg_get_expr and its relatives depend on: name resolution, quoting, and the output of constants."""
