"""`audit.yaml`, read: the whole file put together, then checked as a whole."""

from __future__ import annotations

import re
from dataclasses import replace

from pgerase.errors import Position
from pgerase.rules import check_audit
from pgerase.rules.audit import (
    Announce,
    AuditRules,
    BreakGlass,
    Capture,
    Context,
    Keep,
    ListedColumn,
    LogRules,
    OpenedLink,
    Period,
    PersonalColumn,
    ProfileKeep,
    Seal,
    Support,
    Uncaptured,
)
from pgerase.rules.basics import NAME, SPAN, TABLE, TABLE_COLUMNS, VERSION
from pgerase.rules.conditions import Condition, Span
from pgerase.rules.documents import INCLUDE, compose_alone
from pgerase.rules.names import TableColumns, TableName
from pgerase.rules.names_read import NameProblem, parse_table_columns
from pgerase.rules.read_access import conditions_first
from pgerase.rules.read_conditions import ConditionShape, NamedConditions
from pgerase.rules.read_pack import DEFAULT_PREFIX
from pgerase.rules.reading import Reading
from pgerase.rules.scopes import WHO
from pgerase.rules.shapes import (
    ByKind,
    Choice,
    Definitions,
    Fields,
    Flag,
    ListOf,
    Mapped,
    MappingOf,
    Nullable,
    Parsed,
    Record,
    Schema,
    Shape,
    Text,
    Whole,
    defaulted,
    optional,
    required,
)
from pgerase.rules.templates import TABLE_PATTERN
from pgerase.rules.yaml_nodes import MappingNode, Node, ScalarNode

MERGEABLE = frozenset({"capture", "uncaptured", "conditions"})

_DEFAULT_KEEP = Span(months=6, days=0, seconds=0)
_DEFAULT_LONGEST = Span(months=0, days=0, seconds=4 * 3600)
_MOST_AHEAD = 100
_LONGEST_CHANNEL = 63
_OF_THE_PREFIX = ""
"""A channel that `notify: true` asks for; no channel that is written can be empty."""


class _Variable(Shape[str]):
    """The name of an environment variable. What is no such name may be the secret itself, and is never repeated."""

    what = "the name of an environment variable"
    _name = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
    _hex = re.compile(r"[0-9A-Fa-f]{32,}")

    def __init__(self, held: str) -> None:
        self._held = held
        self._text = Text(self.what)

    def read(self, node: Node, reading: Reading) -> str:
        if isinstance(node, ScalarNode) and not isinstance(node.value, str):
            # Digits alone may be a key.
            reading.fail("malformed", f"expected {self.what}", _unseen(node.at), self._hint())
        text = self._text.read(node, reading)
        if "://" in text:
            message = f"this is an address, and {self.what} is expected"
            reading.fail("secret-in-file", message, _unseen(node.at), self._hint())
        if self._name.fullmatch(text) is None or self._hex.fullmatch(text) is not None:
            reading.fail("malformed", f"expected {self.what}", _unseen(node.at), self._hint())
        return text

    def _hint(self) -> str:
        return f"{self._held} is a secret, and rule files are none: put it into the environment, and write the variable's name"

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "string", "pattern": f"^{self._name.pattern}$"}


def _unseen(at: Position) -> Position:
    """The same place without its line, which reports show."""
    return replace(at, text="")


_WEBHOOK = _Variable("a webhook's address")


class _FileShape(Text):
    """The path of a file. An address may hold a secret, and is never repeated."""

    def __init__(self) -> None:
        super().__init__("the path of a file")

    def read(self, node: Node, reading: Reading) -> str:
        text = super().read(node, reading)
        if "://" in text:
            message = f"this is an address, and {self.what} is expected"
            hint = (
                "to post checkpoints put the address into the environment, and write webhook_env: the variable's name"
            )
            reading.fail("secret-in-file", message, _unseen(node.at), hint)
        return text


# The log

_PROFILE_NAME = Text("the name of a profile")
_PLACED_SPAN = Mapped(SPAN, lambda span, at, _: (span, at))
_KEEP_DEFAULT = required("default", _PLACED_SPAN, "How long entries are kept.")
_KEEP_PROFILES = defaulted(
    "profiles",
    MappingOf(_PROFILE_NAME, SPAN, what="a mapping from profiles of the data map to lengths of time"),
    (),
    "How long entries about people of a profile of the data map are kept instead.",
)
_KEEP_BECAUSE = defaulted("because", Text("the reason"), "", "Why for so long, where it is more than 36 months.")


def _keep(fields: Fields) -> Keep:
    profiles = tuple(ProfileKeep(entry.key, entry.value, entry.at) for entry in fields[_KEEP_PROFILES])
    default, at = fields[_KEEP_DEFAULT]
    return Keep(default, profiles, at, fields[_KEEP_BECAUSE])


_KEEP: Shape[Keep] = ByKind(
    "a length of time, or {default: …, profiles: {name: …}, because: …}",
    scalar=Mapped(SPAN, lambda span, at, _: Keep(span, (), at)),
    mapping=Record("keep", (_KEEP_DEFAULT, _KEEP_PROFILES, _KEEP_BECAUSE), _keep),
)
_PARTITION = defaulted(
    "partition",
    Choice({period.value: period for period in Period}),
    Period.MONTH,
    "How much time a partition of the log covers; default: month.",
)
_AHEAD = defaulted(
    "ahead", Whole(1, _MOST_AHEAD), 3, "How many partitions are made before they are needed; default: 3."
)
_LOG_KEEP = optional("keep", _KEEP, "How long entries are kept; default: 6 months.")
_CONTEXT = defaulted(
    "context",
    Choice({context.value: context for context in Context}),
    Context.RECORDED,
    "required: a write that nobody answers for is refused; recorded, the default: it is noted as what it is.",
)


def _log(fields: Fields) -> LogRules:
    keep = fields[_LOG_KEEP] or Keep(_DEFAULT_KEEP, (), fields.at)
    return LogRules(fields[_PARTITION], fields[_AHEAD], keep, fields[_CONTEXT], fields.at)


# Capture


class _WhoseShape(Shape[tuple[str, str | None, Position]]):
    """The column with the person's key, alone or under the subject's name: `user_id`, `{employee: user_id}`; with its place."""

    what = "the column with the person's key, or {subject: column}"

    def read(self, node: Node, reading: Reading) -> tuple[str, str | None, Position]:
        if not isinstance(node, MappingNode):
            return NAME.read(node, reading), None, node.at
        if len(node.entries) != 1:
            reading.fail("one-subject", "a value is one person's: name one subject", node.at, "{subject: column}")
        entry = node.entries[0]
        subject = Text("the name of a subject").read(ScalarNode(entry.key.text, entry.key.text, entry.key.at), reading)
        with reading.within(subject):
            return NAME.read(entry.value, reading), subject, entry.key.at

    def schema(self, definitions: Definitions) -> Schema:
        column = NAME.schema(definitions)
        named: Schema = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": column}
        return {"anyOf": [column, named]}


_LISTED_COLUMN = Mapped(NAME, lambda name, at, _: ListedColumn(name, at))
_EXCEPT = defaulted("except", ListOf(_LISTED_COLUMN), (), "Columns that are not captured.")
_MASK = defaulted("mask", ListOf(_LISTED_COLUMN), (), "Columns of which only the change is captured, not the value.")
_PERSONAL = defaulted(
    "personal",
    MappingOf(NAME, _WhoseShape(), what="a mapping from columns to whose they are"),
    (),
    "Columns whose values are kept apart for a person, and the column with that person's key.",
)
_TABLE_KEEP = optional("keep", _KEEP, "How long entries of this table are kept; default: the log's.")


def _capture(fields: Fields) -> Capture:
    personal = tuple(
        PersonalColumn(entry.key, whose, subject, entry.at, whose_at)
        for entry in fields[_PERSONAL]
        for whose, subject, whose_at in (entry.value,)
    )
    given = [
        *((one.column, one.at, _EXCEPT.name) for one in fields[_EXCEPT]),
        *((one.column, one.at, _MASK.name) for one in fields[_MASK]),
        *((column.column, column.at, _PERSONAL.name) for column in personal),
    ]
    check_audit.check_columns(given, fields.reading)
    return Capture(
        table=TableName(""),
        excluded=tuple(fields[_EXCEPT]),
        masked=tuple(fields[_MASK]),
        personal=personal,
        keep=fields[_TABLE_KEEP],
        at=fields.at,
    )


_TABLE_CAPTURE = Record("a captured table", (_EXCEPT, _MASK, _PERSONAL, _TABLE_KEEP), _capture)


def _captured(capture: Capture | None, at: Position, _: Reading) -> Capture:
    return capture or Capture(TableName(""), (), (), (), None, at)


# Support access

_WHO: Shape[Condition | None] = ByKind(
    "everyone or a condition",
    scalar=Mapped(Choice({"everyone": None}), lambda everyone, at, _: everyone),
    mapping=ConditionShape(WHO),
)
_SUPPORT_WHO = required("who", _WHO, "Which viewers may open access to a person's data; everyone has to be said.")
_BREAK_GLASS_WHO = optional("who", _WHO, "Who may; default: who of support.")
_SECOND_PERSON = defaulted("second_person", Flag(), False, "Whether somebody else has to agree first; default: false.")
_REVIEW_WITHIN = optional(
    "review_within", _PLACED_SPAN, "How soon it has to be reviewed; until then its holder opens no other."
)


def _break_glass(fields: Fields) -> tuple[BreakGlass, bool]:
    """And whether it says itself who may."""
    review, review_at = fields[_REVIEW_WITHIN] or (None, fields.at)
    rules = BreakGlass(fields[_BREAK_GLASS_WHO], fields[_SECOND_PERSON], review, fields.at, review_at)
    if not rules.second_person and rules.review_within is None:
        message = "breaking the glass needs a second person, a review afterwards, or both"
        fields.reading.fail("no-safeguard", message, fields.at, "add second_person: true or review_within: 24 hours")
    return rules, fields.has(_BREAK_GLASS_WHO)


def _parse_channel(text: str) -> str:
    if len(text.encode()) > _LONGEST_CHANNEL:
        raise NameProblem(f"it has more than the {_LONGEST_CHANNEL} bytes that a channel's name may have")
    return text


class _ChannelShape(Shape[str | None]):
    """A channel of NOTIFY; true stands for one that is named after the prefix."""

    what = "true, or the name of a channel"
    _channel = Parsed("the name of a channel", _parse_channel)

    def read(self, node: Node, reading: Reading) -> str | None:
        if isinstance(node, ScalarNode) and isinstance(node.value, bool):
            return _OF_THE_PREFIX if node.value else None
        if isinstance(node, ScalarNode) and isinstance(node.value, str):
            return self._channel.read(node, reading)
        raise self.mismatch(node, reading)

    def schema(self, definitions: Definitions) -> Schema:
        channel = self._channel.schema(definitions) | {"maxLength": _LONGEST_CHANNEL}
        return {"anyOf": [{"type": "boolean"}, channel]}


_NOTIFY = defaulted(
    "notify", _ChannelShape(), None, "A channel of NOTIFY: its name, or true for PREFIX_support; default: none."
)
_WEBHOOK_ENV = optional("webhook_env", _WEBHOOK, "The environment variable with the address of the team's webhook.")
_PERSON = defaulted("person", Flag(), True, "Whether the person is told; default: true.")


def _announce(fields: Fields) -> Announce:
    return Announce(fields[_NOTIFY], fields[_WEBHOOK_ENV], fields[_PERSON], fields.at)


def _parse_switch(text: str) -> TableColumns:
    column = parse_table_columns(text)
    if len(column.columns) != 1:
        raise NameProblem(f"{column} is more than one column", "name one boolean column of the person's own row")
    return column


_LINKS = defaulted(
    "links",
    ListOf(Mapped(TABLE_COLUMNS, lambda columns, at, _: OpenedLink(columns, at))),
    (),
    "Which links of the data map a grant opens, besides the person's own row; default: none.",
)
_SWITCH = optional(
    "switch",
    Mapped(Parsed("a column of a table", _parse_switch), lambda column, at, _: (column, at)),
    "The person's own setting, a boolean column of the person's row; left out: nobody is asked.",
)
_LONGEST = optional("longest", _PLACED_SPAN, "How long a grant lasts at most; default: 4 hours.")
_BREAK_GLASS = optional(
    "break_glass",
    Record("break_glass", (_BREAK_GLASS_WHO, _SECOND_PERSON, _REVIEW_WITHIN), _break_glass),
    "Access against the person's own setting; left out: there is none.",
)
_ANNOUNCE = optional("announce", Record("announce", (_NOTIFY, _WEBHOOK_ENV, _PERSON), _announce), "Who is told of it.")
_STAFF_NAMES = defaulted(
    "staff_names", Flag(), False, "Whether the person is told the names of staff, not only that it was support."
)


def _support(fields: Fields) -> Support:
    check_audit.check_repeated(fields[_LINKS], fields.reading)
    glass, says_who = fields[_BREAK_GLASS] or (None, True)
    if glass is not None and not says_who:
        glass = replace(glass, who=fields[_SUPPORT_WHO])
    switch, switch_at = fields[_SWITCH] or (None, fields.at)
    longest, longest_at = fields[_LONGEST] or (_DEFAULT_LONGEST, fields.at)
    return Support(
        who=fields[_SUPPORT_WHO],
        links=fields[_LINKS],
        switch=switch,
        longest=longest,
        break_glass=glass,
        announce=fields[_ANNOUNCE] or Announce(None, None, True, fields.at),
        staff_names=fields[_STAFF_NAMES],
        at=fields.at,
        switch_at=switch_at,
        longest_at=longest_at,
    )


# The seal

_FILE = optional("file", _FileShape(), "The file that checkpoints are appended to.")
_ANCHOR_WEBHOOK = optional("webhook_env", _WEBHOOK, "The environment variable with the address they are posted to.")


def _anchor(fields: Fields) -> tuple[str | None, str | None]:
    file, webhook = fields[_FILE], fields[_ANCHOR_WEBHOOK]
    if file is None and webhook is None:
        message = "anchor has to say where checkpoints go"
        fields.reading.fail("missing-key", message, fields.at, "add file: or webhook_env:, or leave anchor out")
    return file, webhook


_EVERY = defaulted("every", SPAN, Span(0, 0, 600), "How often new entries are sealed; default: 10 minutes.")
_KEY_ENV = required("key_env", _Variable("a signing key"), "The environment variable with the signing key.")
_ANCHOR = optional("anchor", Record("anchor", (_FILE, _ANCHOR_WEBHOOK), _anchor), "Where signed checkpoints go.")


def _seal(fields: Fields) -> Seal:
    file, webhook = fields[_ANCHOR] or (None, None)
    return Seal(fields[_EVERY], fields[_KEY_ENV], file, webhook, fields.at)


# The whole file

_CONDITIONS = optional("conditions", NamedConditions(), "Conditions by name, for {use: name}.")
_LOG = optional("log", Record("log", (_PARTITION, _AHEAD, _LOG_KEEP, _CONTEXT), _log), "The log, and how long.")
_CAPTURE = defaulted(
    "capture",
    MappingOf(
        TABLE,
        Mapped(Nullable(_TABLE_CAPTURE), _captured),
        what="a mapping from tables to what is captured of them",
    ),
    (),
    "Which tables' changes are captured; nothing more said: every column.",
)
_UNCAPTURED = defaulted(
    "uncaptured",
    MappingOf(TABLE_PATTERN, Text("the reason"), what="a mapping from tables to why they are not captured"),
    (),
    "Tables that are left out on purpose, * being any characters, and why; audit coverage shows them apart.",
)
_SUPPORT = optional(
    "support",
    Record(
        "support",
        (_SUPPORT_WHO, _LINKS, _SWITCH, _LONGEST, _BREAK_GLASS, _ANNOUNCE, _STAFF_NAMES),
        _support,
    ),
    "Access of the staff to one person's data; left out: there is none.",
)
_SEAL = optional(
    "seal", Record("seal", (_EVERY, _KEY_ENV, _ANCHOR), _seal), "Proof that no entry was altered; left out: none."
)


def _audit(fields: Fields) -> AuditRules:
    at = fields.at
    rules = AuditRules(
        log=fields[_LOG] or LogRules(Period.MONTH, 3, Keep(_DEFAULT_KEEP, (), at), Context.RECORDED, at),
        captures=tuple(replace(entry.value, table=entry.key, at=entry.at) for entry in fields[_CAPTURE]),
        support=fields[_SUPPORT],
        seal=fields[_SEAL],
        at=at,
        uncaptured=tuple(Uncaptured(entry.key, entry.value, entry.at) for entry in fields[_UNCAPTURED]),
    )
    check_audit.check(rules, fields.reading)
    return rules


AUDIT = Record("audit.yaml", (VERSION, INCLUDE, _CONDITIONS, _LOG, _CAPTURE, _UNCAPTURED, _SUPPORT, _SEAL), _audit)


def read_audit(text: str, file: str = "audit.yaml", *, prefix: str = DEFAULT_PREFIX) -> AuditRules:
    """The rules of an `audit.yaml` given as text, for a pack of this prefix. Raises RuleFileError with every finding."""
    reading = Reading()
    root = compose_alone(text, file, reading)
    rules = None if root is None else read_audit_node(root, prefix, reading)
    reading.finish()
    assert rules is not None
    return rules


def read_audit_node(root: MappingNode, prefix: str, reading: Reading) -> AuditRules | None:
    """As read_audit, from a root node; None where something was reported."""
    reading.conditions = {}
    rules = reading.attempt(lambda: AUDIT.read(conditions_first(root), reading))
    if rules is None or rules.support is None or rules.support.announce.notify != _OF_THE_PREFIX:
        return rules
    announce = replace(rules.support.announce, notify=f"{prefix}_support")
    return replace(rules, support=replace(rules.support, announce=announce))
