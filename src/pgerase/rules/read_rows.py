"""What is done to rows, read: verbs, and lists of rules with conditions."""

from __future__ import annotations

from pgerase.errors import Position
from pgerase.rules.basics import ANY_PATH, NAME
from pgerase.rules.conditions import Literal
from pgerase.rules.data_map import (
    Candidate,
    CandidateKey,
    CandidateNamed,
    CandidatePool,
    CandidateWord,
    DoWord,
    EraseDelete,
    KeepRow,
    Mark,
    Reassign,
    RowColumn,
    RowRule,
    RowVerb,
    RowWord,
    Unlink,
)
from pgerase.rules.read_conditions import ConditionShape
from pgerase.rules.read_treatments import EXEMPTION, FOR, FROM, LAW, TREATMENTS
from pgerase.rules.reading import Reading
from pgerase.rules.scopes import DATA_MAP
from pgerase.rules.shapes import (
    ByKind,
    Choice,
    Fields,
    ListOf,
    LiteralValue,
    Mapped,
    MappingOf,
    Record,
    Shape,
    Shared,
    Single,
    defaulted,
    optional,
    required,
)

DATA_CONDITION = ConditionShape(DATA_MAP)
UNLINK_VALUE = Mapped(LiteralValue(), lambda value, at, _: Unlink(value, at))

_KEY: Shape[tuple[Literal, ...]] = ByKind(
    "a key, or a list of its parts",
    scalar=Mapped(LiteralValue(), lambda value, at, _: (value,)),
    sequence=ListOf(LiteralValue(), minimum=2),
)
_CANDIDATE: Shape[Candidate] = ByKind(
    "manager, ghost, unlink, {pool: …} or {key: …}",
    scalar=Mapped(Choice({word.value: word for word in CandidateWord}), lambda word, at, _: CandidateNamed(word, at)),
    mapping=Single[Candidate](
        "a candidate",
        {
            "pool": Mapped(ANY_PATH, lambda path, at, _: CandidatePool(path, at)),
            "key": Mapped(_KEY, lambda values, at, _: CandidateKey(values, at)),
        },
    ),
)


def _reassign(candidates: tuple[Candidate, ...], at: Position, reading: Reading) -> RowVerb:
    *others, last = candidates
    for candidate in others:
        if _always_is(candidate):
            reading.error("unreachable", "what follows this candidate is never reached", candidate.at, "put it last")
    if not _always_is(last):
        hint = "end with unlink, ghost or {key: …}"
        reading.fail("no-last-resort", "a reassignment has to end in somebody who is always there", last.at, hint)
    return Reassign(candidates, at)


def _always_is(candidate: Candidate) -> bool:
    match candidate:
        case CandidateKey():
            return True
        case CandidatePool():
            return False
        case CandidateNamed(word):
            return word is not CandidateWord.MANAGER


def _verb() -> Shape[RowVerb]:
    return ByKind(
        "keep, delete, unlink, ghost, erase, or a mapping with unlink, reassign, erase or keep",
        scalar=Mapped(Choice({word.value: word for word in RowWord}), lambda word, at, _: DoWord(word, at)),
        mapping=Single[RowVerb](
            "what is done to a row",
            {
                "unlink": UNLINK_VALUE,
                "reassign": Mapped(ListOf(_CANDIDATE), _reassign),
                "erase": Mapped(Choice({"delete": None}), lambda _, at, __: EraseDelete(at)),
                "keep": Record("keep", (EXEMPTION, LAW, FROM, FOR, _THEN), _kept),
            },
        ),
    )


VERB: Shape[RowVerb] = Shared("row_verb", "what is done to a row", _verb)


def _after(verb: RowVerb, at: Position, reading: Reading) -> RowVerb:
    if isinstance(verb, KeepRow) or (isinstance(verb, DoWord) and verb.word is RowWord.KEEP):
        reading.fail("keep-after-keep", "what is done when keeping ends cannot be to keep", at)
    return verb


_THEN = optional("then", Mapped(VERB, _after), "What is done with the row when it ends.")


def _kept(fields: Fields) -> RowVerb:
    return KeepRow(fields[EXEMPTION], fields[LAW], fields[FROM], fields[FOR], fields[_THEN], fields.at)


_WHEN = optional("when", DATA_CONDITION, "For which rows; only the last rule of a list has none.")
_DO = required("do", VERB, "What is done to the row.")
_COLUMNS = defaulted(
    "columns",
    MappingOf(NAME, TREATMENTS, what="a mapping from columns to treatments"),
    (),
    "Treatments that replace those of the columns, for these rows.",
)
_MARK = defaulted(
    "mark",
    MappingOf(NAME, LiteralValue(), what="a mapping from columns to values"),
    (),
    "Columns set at the handover; the application resets them.",
)


def _rule(fields: Fields) -> RowRule:
    return RowRule(
        when=fields[_WHEN],
        do=fields[_DO],
        columns=tuple(RowColumn(column.key, column.value, column.at) for column in fields[_COLUMNS]),
        mark=tuple(Mark(mark.key, mark.value, mark.at) for mark in fields[_MARK]),
        at=fields.at,
    )


def _rules(rules: tuple[RowRule, ...], _at: Position, reading: Reading) -> tuple[RowRule, ...]:
    *others, last = rules
    for rule in others:
        if rule.when is None:
            reading.error("unreachable", "this rule holds for every row, so what follows is never reached", rule.at)
    if last.when is not None:
        message = "the last rule has no when: something has to be said for every other row"
        reading.fail("no-last-resort", message, last.at, "add - {do: keep}, or what is meant")
    return rules


_ONE = Mapped(VERB, lambda verb, at, _: (RowRule(None, verb, (), (), at),))
ROW_RULES: Shape[tuple[RowRule, ...]] = Shared(
    "rows",
    "what is done to rows",
    lambda: ByKind[tuple[RowRule, ...]](
        "what is done to a row, or a list of {when, do, columns, mark}",
        scalar=_ONE,
        mapping=_ONE,
        sequence=Mapped(ListOf(Record("a row rule", (_WHEN, _DO, _COLUMNS, _MARK), _rule)), _rules),
    ),
)
