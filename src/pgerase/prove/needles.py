"""Puts what is searched for onto the server: by COPY, which no log shows, into temporary tables of the open transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pgerase import resources
from pgerase.database import Database
from pgerase.errors import Refused
from pgerase.prove.queries import MOST_FRAGMENTS, Filter
from pgerase.prove.spelling import covering
from pgerase.prove.subject import Looked


def load(database: Database, looked: Sequence[Looked], keys: Iterable[str]) -> Filter:
    """Make and fill the tables; what a scan has to look for first. Raises Refused where texts are not UTF-8, DatabaseFailed."""
    encoding = database.value("select pg_catalog.current_setting('server_encoding')")
    if encoding != "UTF8":
        raise Refused(f"the database is encoded in {encoding}; only UTF8 can be searched")
    database.run(resources.read_text("sql", "prove", "needles.sql"))
    spellings = [one.spelling for one in looked]
    database.copy(
        "copy pg_temp.pgerase_needle (ordinal, value, fragment, second_fragment, third_fragment, pattern) from stdin",
        [
            # Missing ones are empty, which is in every text.
            (ordinal, one.text, *(*one.fragments, "", "", "")[:3], one.pattern)
            for ordinal, one in enumerate(spellings)
        ],
    )
    database.copy("copy pg_temp.pgerase_key (key) from stdin", [(key,) for key in keys])
    fragments = covering(spellings)
    probed = [one.gate for one in spellings if not one.fragments]
    if len(fragments) > MOST_FRAGMENTS:
        probed, fragments = [*fragments, *probed], ()
    database.copy("copy pg_temp.pgerase_filter (ordinal, fragment) from stdin", list(enumerate(fragments, start=1)))
    database.copy("copy pg_temp.pgerase_probe (pattern) from stdin", [("|".join(probed),)])
    return Filter(len(fragments), probe=bool(probed))


def add_words(database: Database) -> None:
    """Say what the identifiers are in full-text search. Raises DatabaseFailed."""
    database.run(resources.read_text("sql", "prove", "words.sql"))
    database.run(resources.read_text("sql", "prove", "probe_words.sql"))
