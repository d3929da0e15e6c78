"""`data_map.yaml` as typed frozen values: where a person's data is, and how each piece goes. Order is the file's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from pgerase.errors import Position
from pgerase.rules.conditions import Condition, Literal, Scalar, Span
from pgerase.rules.names import Path, Step, TableColumns, TableName


@dataclass(frozen=True, slots=True)
class Placeholder:
    """`{name}` in a template, or `{name:argument}`; what names mean depends on the place."""

    name: str
    argument: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """Text with placeholders; `{{` and `}}` in the file are braces of the text. `text` is what was written."""

    parts: tuple[str | Placeholder, ...]
    text: str
    at: Position

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """The placeholders, in order."""
        return tuple(part for part in self.parts if isinstance(part, Placeholder))


@dataclass(frozen=True, slots=True)
class Member:
    """`.name` or `['name']`; with `descend`, `..name`: at any depth."""

    name: str
    descend: bool = False


@dataclass(frozen=True, slots=True)
class Element:
    """`[n]`, from the end where negative; with `descend`, `..[n]`."""

    index: int
    descend: bool = False


@dataclass(frozen=True, slots=True)
class Every:
    """`[*]` or `.*`: every element or member; with `descend`, `..*`."""

    descend: bool = False


JsonStep: TypeAlias = Member | Element | Every


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path into JSON, of RFC 9535's `.`, `..`, `[n]` and `[*]`."""

    steps: tuple[JsonStep, ...]
    text: str
    at: Position


@dataclass(frozen=True, slots=True)
class JsonObject:
    """A JSON object of a structured filler."""

    members: tuple[tuple[str, JsonValue], ...]


@dataclass(frozen=True, slots=True)
class JsonArray:
    """A JSON array of a structured filler."""

    items: tuple[JsonValue, ...]


JsonValue: TypeAlias = int | float | bool | Template | JsonObject | JsonArray | None


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column of a subject's key; `natural` where the key itself is personal."""

    column: str
    natural: bool
    at: Position


@dataclass(frozen=True, slots=True)
class IdentifierPaths:
    """An identifier read from columns or through paths; several make one text, joined by blanks."""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class IdentifierSql:
    """An identifier computed from the person's own row by an immutable expression: the only SQL in a map."""

    expression: str


@dataclass(frozen=True, slots=True)
class Identifier:
    """What a person can be recognised by; decisive for the proof."""

    name: str
    source: IdentifierPaths | IdentifierSql
    at: Position


@dataclass(frozen=True, slots=True)
class Ghost:
    """The row that stands for deleted people, by the values of its key columns; columns not named stay as they are."""

    values: tuple[tuple[str, Literal], ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The column that holds a person's state, and its values; two states may share one."""

    column: str
    active: Literal
    inactive: Literal
    erased: Literal
    inactive_since: str | None
    at: Position


@dataclass(frozen=True, slots=True)
class Display:
    """How a person is shown, when active, when inactive, when erased."""

    name: Template
    inactive: Template | None
    erased: Template | None
    at: Position


@dataclass(frozen=True, slots=True)
class Erasing:
    """What comes before erasing a person, and which consents creating one needs."""

    approval: bool
    cooling_off: Span | None
    consents: tuple[str, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind of person. Without a table: one known by a value that is given with the request."""

    name: str
    table: TableName | None
    key: tuple[KeyColumn, ...]
    identifiers: tuple[Identifier, ...]
    manager: Step | None
    ghost: Ghost | None
    lifecycle: Lifecycle | None
    display: Display | None
    erasing: Erasing | None
    at: Position


class RowWord(StrEnum):
    """Row verbs that need nothing more."""

    KEEP = "keep"
    DELETE = "delete"
    UNLINK = "unlink"
    GHOST = "ghost"
    ERASE = "erase"


@dataclass(frozen=True, slots=True)
class DoWord:
    """A row verb by itself. `erase`: the row is a person, who is erased in turn."""

    word: RowWord
    at: Position


@dataclass(frozen=True, slots=True)
class Unlink:
    """`{unlink: value}`: the link column takes this value, where null is spelt otherwise."""

    value: Literal
    at: Position


@dataclass(frozen=True, slots=True)
class EraseDelete:
    """`{erase: delete}`: the row is a person, who is erased in turn, and the row goes."""

    at: Position


class CandidateWord(StrEnum):
    """Candidates of a reassignment that need nothing more."""

    MANAGER = "manager"
    GHOST = "ghost"
    UNLINK = "unlink"


@dataclass(frozen=True, slots=True)
class CandidateNamed:
    """The manager, the ghost, or nobody."""

    word: CandidateWord
    at: Position


@dataclass(frozen=True, slots=True)
class CandidatePool:
    """People that the row's path leads to; the lowest key wins."""

    path: Path
    at: Position


@dataclass(frozen=True, slots=True)
class CandidateKey:
    """A certain person, by key."""

    values: tuple[Literal, ...]
    at: Position


Candidate: TypeAlias = CandidateNamed | CandidatePool | CandidateKey


@dataclass(frozen=True, slots=True)
class Reassign:
    """The row goes to the first candidate there is; the last one always is."""

    candidates: tuple[Candidate, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class KeepRow:
    """A whole row left untouched by law: `start` (`from:`) is what `period` (`for:`) runs from, the erasure where None."""

    exemption: str
    law: str
    start: Path | None
    period: Span
    then: RowVerb | None
    at: Position


RowVerb: TypeAlias = DoWord | Unlink | EraseDelete | Reassign | KeepRow


@dataclass(frozen=True, slots=True)
class RowColumn:
    """Treatments that replace those of a column, for the rows of one row rule."""

    column: str
    treatments: tuple[Treatment, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Mark:
    """A column set at a handover; the application resets it."""

    column: str
    value: Literal
    at: Position


@dataclass(frozen=True, slots=True)
class RowRule:
    """What is done with a row: the first rule of a list whose `when` is true decides. Only the last has none."""

    when: Condition | None
    do: RowVerb
    columns: tuple[RowColumn, ...]
    mark: tuple[Mark, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Clear:
    """The column becomes null."""

    at: Position


@dataclass(frozen=True, slots=True)
class KeepNoted:
    """`keep` alone: kept without ground, and said to be."""

    at: Position


@dataclass(frozen=True, slots=True)
class Fill:
    """The column takes a value: a number or truth value, text with `{token}`s, or structured JSON."""

    value: Scalar | Template | JsonObject | JsonArray
    at: Position


class DatePart(StrEnum):
    """What a date is generalised to."""

    YEAR = "year"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Generalize:
    """The value becomes coarser: its year, its month, or its first n characters."""

    to: DatePart | int
    at: Position


@dataclass(frozen=True, slots=True)
class Redact:
    """Identifiers are taken out of text; `identifiers` None means all of them."""

    identifiers: tuple[str, ...] | None
    at: Position


@dataclass(frozen=True, slots=True)
class RemovePaths:
    """Members are removed from JSON."""

    paths: tuple[JsonPath, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class KeepColumn:
    """A value kept by law. With `visible_to` it moves to a vault and is cleared here; when it ends, `then` is done."""

    exemption: str
    law: str
    start: Path | None
    period: Span
    visible_to: tuple[str, ...]
    then: tuple[Treatment, ...]
    """Empty where the file leaves it out: clear."""
    at: Position


Treatment: TypeAlias = Clear | KeepNoted | Fill | Generalize | Redact | RemovePaths | KeepColumn


@dataclass(frozen=True, slots=True)
class OfSelf:
    """The columns are those of the person whose row it is."""

    at: Position


@dataclass(frozen=True, slots=True)
class OfAny:
    """The columns are those of anybody the row is linked to."""

    at: Position


@dataclass(frozen=True, slots=True)
class OfLinks:
    """The columns are those of the person that one of these links leads to."""

    links: tuple[Path, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class OfSubject:
    """The columns are those of every linked person of one kind."""

    subject: str
    at: Position


Of: TypeAlias = OfSelf | OfAny | OfLinks | OfSubject


@dataclass(frozen=True, slots=True)
class PersonalColumn:
    """A column with personal data. `purpose` None is found by the checks; `write_self`: only the person changes it.

    `erase` is empty where the file leaves it out, which it may where every rule deletes the row.
    """

    column: str
    kind: str
    purpose: str | None
    erase: tuple[Treatment, ...]
    of: Of | None
    mentions: bool
    write_self: bool
    at: Position


@dataclass(frozen=True, slots=True)
class NothingPersonalColumn:
    """`column: none`: looked at, nothing personal."""

    column: str
    at: Position


class GoneWord(StrEnum):
    """What a row does when the row it points to is deleted."""

    DELETE = "delete"
    UNLINK = "unlink"
    KEEP = "keep"


Gone: TypeAlias = GoneWord | Unlink


@dataclass(frozen=True, slots=True)
class TableReference:
    """A reference that no constraint declares; `gone` None where the file leaves it open."""

    step: Step
    to: TableColumns
    gone: Gone | None
    at: Position


@dataclass(frozen=True, slots=True)
class ByKey:
    """The link holds the subject's key."""


@dataclass(frozen=True, slots=True)
class ByIdentifier:
    """The link holds an identifier of the subject."""

    name: str


@dataclass(frozen=True, slots=True)
class LinkTemplate:
    """A spelling of the key inside the link; a prefix or suffix where the text goes on after or before."""

    template: Template
    is_prefix: bool
    is_suffix: bool


@dataclass(frozen=True, slots=True)
class ByTemplates:
    """The link holds one of these texts."""

    templates: tuple[LinkTemplate, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """Rows that hang on a subject: what `path` holds is the subject `by` key, identifier or template.

    `inside` is where in a JSON column the value stands; `rows` None means the table's.
    """

    path: Path
    subject: str
    by: ByKey | ByIdentifier | ByTemplates
    when: Condition | None
    inside: JsonPath | None
    scan: bool
    rows: tuple[RowRule, ...] | None
    at: Position


class Owners(StrEnum):
    """Whether a row that several people own goes with any of them or with the last."""

    ANY = "any"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class RowFiles:
    """Files outside the database that belong to a row, and the recipient that removes them."""

    recipient: str
    paths: tuple[Template, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class MappedTable:
    """A table with personal data."""

    table: TableName
    subject: str | None
    rows: tuple[RowRule, ...] | None
    references: tuple[TableReference, ...]
    links: tuple[Link, ...]
    of: Of | None
    owners: Owners
    columns: tuple[PersonalColumn | NothingPersonalColumn, ...]
    files: tuple[RowFiles, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class TablePattern:
    """Tables by their name, in which `*` is any characters; `pieces` is the name, split at each `*`."""

    schema: str | None
    pieces: tuple[str, ...]
    at: Position

    def __str__(self) -> str:
        return str(TableName("*".join(self.pieces), self.schema))

    def matches(self, table: TableName) -> bool:
        """Whether a table is meant. A name without schema means the table in whatever schema."""
        if self.schema is not None and self.schema != table.schema:
            return False
        first, *rest = self.pieces
        if not rest:
            return table.name == first
        *middle, last = rest
        if not table.name.startswith(first):
            return False
        offset = len(first)
        for piece in middle:
            found = table.name.find(piece, offset)
            if found < 0:
                return False
            offset = found + len(piece)
        return len(table.name) - offset >= len(last) and table.name.endswith(last)


@dataclass(frozen=True, slots=True)
class VersionBound:
    """One bound of a version range, such as `>=3`."""

    operator: str
    version: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Application:
    """Which versions of which application the map fits; every bound has to hold."""

    name: str
    versions: tuple[VersionBound, ...]
    at: Position


class RecipientKind(StrEnum):
    """How a recipient is told."""

    MANUAL = "manual"
    WEBHOOK = "webhook"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody outside the database who has to act too; `before`: the database part waits for it."""

    name: str
    kind: RecipientKind
    before: bool
    when: Condition | None
    text: str | None
    url_env: str | None
    needs: tuple[str, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class RetainSubject:
    """People of a kind are erased once the condition holds."""

    subject: str
    at: Position


@dataclass(frozen=True, slots=True)
class RetainColumns:
    """Columns of a table's rows are cleared once the condition holds."""

    table: TableName
    columns: tuple[str, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """What goes by itself, and when."""

    name: str
    what: RetainSubject | RetainColumns
    when: Condition
    at: Position


@dataclass(frozen=True, slots=True)
class ColumnOverride:
    """A column's treatment under a profile."""

    column: str
    erase: tuple[Treatment, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class TableOverride:
    """What a profile changes for one table; `rows` None leaves them."""

    table: TableName
    rows: tuple[RowRule, ...] | None
    columns: tuple[ColumnOverride, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Profile:
    """What the law of a person's own country changes; the first whose `when` holds applies."""

    name: str
    when: Condition
    tables: tuple[TableOverride, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class DataMap:
    """A whole `data_map.yaml`, includes merged. `unindexed_scan`: links without an index are accepted everywhere."""

    application: Application | None
    subjects: tuple[Subject, ...]
    tables: tuple[MappedTable, ...]
    none: tuple[TablePattern, ...]
    recipients: tuple[Recipient, ...]
    retention: tuple[RetentionRule, ...]
    profiles: tuple[Profile, ...]
    unindexed_scan: bool
    at: Position

    def subject(self, name: str) -> Subject:
        """The subject of that name. Raises KeyError where there is none."""
        for subject in self.subjects:
            if subject.name == name:
                return subject
        raise KeyError(name)
