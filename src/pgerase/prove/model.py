"""What a proof is told and what it answers, as frozen values. A report holds names, keys and counts, and no value searched for."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Needle:
    """An identifier of a person, given again. `person` is the key as PostgreSQL prints it; `name` one of the subject's identifiers.

    A composite key is the text of a JSON array of such texts. Neither key nor value is in the repr: tracebacks show that.
    """

    person: str = field(repr=False)
    name: str
    value: str = field(repr=False)


class Verdict(StrEnum):
    """What came of looking at one place.

    FAIL: an identifier that is this person's alone is there. UNVERIFIED: nobody could look. REVIEW: something is there that
    others have too, or that is too short to tell. CLEAN: searched, nothing there. NOTHING: nothing searched for can be there.
    """

    FAIL = "FAIL"
    UNVERIFIED = "UNVERIFIED"
    REVIEW = "REVIEW"
    CLEAN = "clean"
    NOTHING = "nothing to search"


class PlaceKind(StrEnum):
    """Where values can be: rows, the planner's statistics about them, the catalog's texts, large objects."""

    ROWS = "rows"
    STATISTICS = "statistics"
    CATALOG = "catalog"
    LARGE_OBJECTS = "large objects"


@dataclass(frozen=True, slots=True)
class Sought:
    """One identifier that was searched for. `person` is the key, or a number where the key itself is personal.

    `decisive`: finding it anywhere is residue. `others` are the living people of the subject's table whose identifiers hold
    it too, None where nobody could count them; `weak` says why it is too short to decide, '' where it is not.
    """

    person: str
    name: str
    decisive: bool
    others: int | None
    weak: str


@dataclass(frozen=True, slots=True)
class Hit:
    """One identifier found in one place: in how many rows. `theirs` more are other people's own identifier columns."""

    person: str
    name: str
    decisive: bool
    rows: int
    theirs: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """One column of one relation (or `*` for all there is of its kind), what came of it, and why where that needs a word."""

    kind: PlaceKind
    relation: str
    column: str
    type: str
    verdict: Verdict
    reason: str = ""
    hits: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """How far a proof is: bytes of tables, and the relation being searched."""

    relation: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ProofReport:
    """Everything that was looked at, in the order of names."""

    pack: str
    database: str
    server_version: int
    subject: str
    persons: tuple[str, ...]
    sought: tuple[Sought, ...]
    not_given: tuple[tuple[str, str], ...]
    """(person, identifier) that the data map declares and nobody gave: not searched for."""
    places: tuple[Place, ...]

    @property
    def undecided(self) -> tuple[str, ...]:
        """People none of whose identifiers is theirs alone: what is found of them proves nothing, and nothing disproves it."""
        decided = {one.person for one in self.sought if one.decisive}
        return tuple(person for person in self.persons if person not in decided)

    @property
    def verdict(self) -> Verdict:
        """FAIL before UNVERIFIED before REVIEW before CLEAN; to REVIEW somebody of whom nothing is decisive is UNVERIFIED."""
        found = {place.verdict for place in self.places}
        for verdict in (Verdict.FAIL, Verdict.UNVERIFIED):
            if verdict in found:
                return verdict
        if Verdict.REVIEW in found:
            undecided = set(self.undecided)
            reviewed = {hit.person for place in self.places for hit in place.hits if hit.rows}
            return Verdict.UNVERIFIED if undecided & reviewed else Verdict.REVIEW
        return Verdict.CLEAN

    @property
    def ok(self) -> bool:
        """Whether everything was looked at and nothing of the person was found; what is to REVIEW is not proven to be of them."""
        return self.verdict in {Verdict.CLEAN, Verdict.REVIEW}

    def count(self, verdict: Verdict) -> int:
        """How many places got this verdict."""
        return sum(place.verdict is verdict for place in self.places)
