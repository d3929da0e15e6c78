"""Names as SQL wants them: quoted only where they must be."""

from __future__ import annotations

import re

_BARE = re.compile(r"[a-z_][a-z0-9_]*\Z")


def quote_identifier(name: str) -> str:
    """The name as SQL wants it, quoted only where it must be: as the server's quote_ident, for every version's keywords."""
    if _BARE.match(name) and name not in KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


KEYWORDS = frozenset(
    # Every word that is not plainly usable as a name in PostgreSQL 15 to 18 (pg_get_keywords, catcode other than U).
    """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast
    char character check coalesce collate collation column concurrently constraint create cross current_catalog
    current_date current_role current_schema current_time current_timestamp current_user dec decimal default
    deferrable desc distinct do else end except exists extract false fetch float for foreign freeze from full grant
    greatest group grouping having ilike in initially inner inout int integer intersect interval into is isnull join
    json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize
    json_table json_value lateral leading least left like limit localtime localtimestamp merge_action national natural
    nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay placing
    position precision primary real references returning right row select session_user setof similar smallint some
    substring symmetric system_user table tablesample then time timestamp to trailing treat trim true union unique
    user using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists
    xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
    """.split()  # noqa: SIM905 - a hundred and fifty quotation marks say no more
)
