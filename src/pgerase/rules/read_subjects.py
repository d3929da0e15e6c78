"""`subjects` of `data_map.yaml`, read: kinds of people, their keys, identifiers and lifecycle."""

from __future__ import annotations

from pgerase.errors import Position
from pgerase.rules.basics import ANY_PATH, NAME, SPAN, STEP, TABLE
from pgerase.rules.data_map import (
    Display,
    Erasing,
    Ghost,
    Identifier,
    IdentifierPaths,
    IdentifierSql,
    KeyColumn,
    Lifecycle,
    Subject,
)
from pgerase.rules.names import Path
from pgerase.rules.reading import Reading
from pgerase.rules.shapes import (
    ByKind,
    Choice,
    Fields,
    Flag,
    ListOf,
    LiteralValue,
    Mapped,
    MappingOf,
    Record,
    Shape,
    Single,
    Text,
    defaulted,
    optional,
    required,
)
from pgerase.rules.templates import TEMPLATE

_COLUMN = required("column", NAME, "The column.")
_NATURAL = defaulted("natural", Flag(), False, "Whether the key itself is personal.")
_KEY_COLUMN: Shape[KeyColumn] = ByKind(
    "a column, or {column: …, natural: true}",
    scalar=Mapped(NAME, lambda column, at, _: KeyColumn(column, natural=False, at=at)),
    mapping=Record(
        "a key column", (_COLUMN, _NATURAL), lambda fields: KeyColumn(fields[_COLUMN], fields[_NATURAL], fields.at)
    ),
)


def _key(columns: tuple[KeyColumn, ...], at: Position, reading: Reading) -> tuple[KeyColumn, ...]:
    if len({column.column for column in columns}) != len(columns):
        reading.fail("duplicate-name", "a column of the key is given twice", at)
    return columns


_ONE_COLUMN = Mapped(_KEY_COLUMN, lambda column, at, _: (column,))
_KEY_SHAPE: Shape[tuple[KeyColumn, ...]] = ByKind(
    "a column, a list of columns, or {column: …, natural: true}",
    scalar=_ONE_COLUMN,
    mapping=_ONE_COLUMN,
    sequence=Mapped(ListOf(_KEY_COLUMN), _key),
)


def _with_column(path: Path, at: Position, reading: Reading) -> Path:
    try:
        _ = path.column
    except ValueError:
        hint = "write table(column).column for a value of the rows that point here"
        reading.fail("no-column", f"{path} does not end in a single column", at, hint)
    return path


COLUMN_PATH = Mapped(ANY_PATH, _with_column)
_IDENTIFIER: Shape[IdentifierPaths | IdentifierSql] = ByKind(
    "a column or path, a list of them, or {sql: …}",
    scalar=Mapped(COLUMN_PATH, lambda path, at, _: IdentifierPaths((path,))),
    sequence=Mapped(ListOf(COLUMN_PATH), lambda paths, at, _: IdentifierPaths(paths)),
    mapping=Single[IdentifierPaths | IdentifierSql](
        "an identifier", {"sql": Mapped(Text("an expression"), lambda sql, at, _: IdentifierSql(sql))}
    ),
)

_STATE_COLUMN = required("column", NAME, "The column that holds the state.")
_ACTIVE = required("active", LiteralValue(), "Its value for active people.")
_INACTIVE = required("inactive", LiteralValue(), "Its value for inactive people.")
_ERASED = required("erased", LiteralValue(), "Its value for erased people.")
_SINCE = optional("inactive_since", NAME, "The column with the time of deactivation.")
_LIFECYCLE_SHAPE = Record(
    "lifecycle",
    (_STATE_COLUMN, _ACTIVE, _INACTIVE, _ERASED, _SINCE),
    lambda fields: Lifecycle(
        column=fields[_STATE_COLUMN],
        active=fields[_ACTIVE],
        inactive=fields[_INACTIVE],
        erased=fields[_ERASED],
        inactive_since=fields[_SINCE],
        at=fields.at,
    ),
)

_SHOWN = required("name", TEMPLATE, "How an active person is shown, from columns.")
_SHOWN_INACTIVE = optional("inactive", TEMPLATE, "How an inactive one is; {name} is the above.")
_SHOWN_ERASED = optional("erased", TEMPLATE, "How an erased one is.")
_DISPLAY_SHAPE = Record(
    "display",
    (_SHOWN, _SHOWN_INACTIVE, _SHOWN_ERASED),
    lambda fields: Display(fields[_SHOWN], fields[_SHOWN_INACTIVE], fields[_SHOWN_ERASED], fields.at),
)

_APPROVAL = defaulted(
    "approval", Choice({"required": True, "none": False}), False, "Whether a person has to approve each erasure."
)
_COOLING_OFF = optional("cooling_off", SPAN, "How long an erasure waits.")
_CONSENTS = defaulted("consents", ListOf(Text("a purpose")), (), "Consents without which nobody can be created.")
_ERASING_SHAPE = Record(
    "erasing",
    (_APPROVAL, _COOLING_OFF, _CONSENTS),
    lambda fields: Erasing(fields[_APPROVAL], fields[_COOLING_OFF], fields[_CONSENTS], fields.at),
)

_TABLE = optional("table", TABLE, "The table with one row a person; left out: known by a value given with the request.")
_KEY = required("key", _KEY_SHAPE, "The column or columns that identify a person.")
_IDENTIFIERS = defaulted(
    "identifiers",
    MappingOf(Text("a name"), _IDENTIFIER, what="a mapping from names to columns, paths or {sql: …}"),
    (),
    "What a person can be recognised by; read once, before anything changes.",
)
_MANAGER = optional("manager", STEP, "The column with the manager's key.")
_GHOST_SHAPE = Mapped(
    MappingOf(NAME, LiteralValue(), what="a mapping from key columns to values"),
    lambda values, at, _: Ghost(tuple((value.key, value.value) for value in values), at),
)
_GHOST = optional("ghost", _GHOST_SHAPE, "The row that stands for deleted people.")
_LIFECYCLE = optional(
    "lifecycle", _LIFECYCLE_SHAPE, "The column with a person's state; left out: the ledger is the state."
)
_DISPLAY = optional("display", _DISPLAY_SHAPE, "How people are shown.")
_ERASING = optional("erasing", _ERASING_SHAPE, "What comes before erasing a person.")
_OF_A_TABLE = (_IDENTIFIERS, _MANAGER, _GHOST, _LIFECYCLE, _DISPLAY)


def _subject(fields: Fields) -> Subject:
    if not fields.has(_TABLE):
        for key in _OF_A_TABLE:
            if fields.has(key):
                message = f"{key.name} is about a table's rows, and this subject has no table"
                fields.reading.error("no-table", message, fields.at_key(key), "name the table, or leave it out")
    return Subject(
        name="",
        table=fields[_TABLE],
        key=fields[_KEY],
        identifiers=tuple(Identifier(item.key, item.value, item.at) for item in fields[_IDENTIFIERS]),
        manager=fields[_MANAGER],
        ghost=fields[_GHOST],
        lifecycle=fields[_LIFECYCLE],
        display=fields[_DISPLAY],
        erasing=fields[_ERASING],
        at=fields.at,
    )


SUBJECT = Record("a subject", (_TABLE, _KEY, *_OF_A_TABLE, _ERASING), _subject)
