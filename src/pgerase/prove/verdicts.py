"""From what was found to verdicts: whose an identifier is decides. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pgerase.prove.model import Hit, Place, PlaceKind, Sought, Verdict
from pgerase.prove.subject import Looked


@dataclass(frozen=True, slots=True)
class Found:
    """One identifier (by its number) in one place: `rows` of nobody else's, and `theirs` in other people's own columns."""

    ordinal: int
    rows: int
    theirs: int = 0


class Judge:
    """Verdicts for one search."""

    def __init__(self, looked: Sequence[Looked], others: Mapping[int, int] | None, labels: Mapping[str, str]) -> None:
        """`others`: how many living people have each identifier too; None where nobody could count them."""
        self._looked = looked
        self._labels = labels
        self.sought = tuple(
            Sought(
                person=labels[one.person],
                name=one.name,
                decisive=not one.spelling.weak and not (others or {}).get(ordinal, 0),
                others=None if others is None else others.get(ordinal, 0),
                weak=one.spelling.weak,
            )
            for ordinal, one in enumerate(looked)
        )

    def place(
        self, kind: PlaceKind, relation: str, column: str, type_name: str, found: Sequence[Found], reason: str = ""
    ) -> Place:
        """A place that was searched."""
        hits = tuple(self._hit(one) for one in sorted(found, key=lambda one: one.ordinal))
        return Place(kind, relation, column, type_name, _verdict(hits), reason, hits)

    def text_place(self, what: str, found: Sequence[Found]) -> Place:
        """A text of the catalog. A single word in it may be any word: only more than that decides there."""
        place = self.place(PlaceKind.CATALOG, what, "", "", found)
        if place.verdict is Verdict.FAIL and not any(
            self.sought[one.ordinal].decisive and self._looked[one.ordinal].spelling.is_strong for one in found
        ):
            reason = "a single word, in a comment, name or program that need not mean the person"
            return Place(place.kind, place.relation, "", "", Verdict.REVIEW, reason, place.hits)
        return place

    def _hit(self, found: Found) -> Hit:
        one = self.sought[found.ordinal]
        return Hit(one.person, one.name, one.decisive, found.rows, found.theirs)


def _verdict(hits: Sequence[Hit]) -> Verdict:
    if any(hit.rows and hit.decisive for hit in hits):
        return Verdict.FAIL
    return Verdict.REVIEW if any(hit.rows for hit in hits) else Verdict.CLEAN
