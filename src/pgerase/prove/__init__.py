"""The search that proves an erased person gone, with an honest verdict for what could not be looked at (docs/prove.md)."""

from pgerase.prove.model import Hit, Needle, Place, PlaceKind, ProofReport, Sought, Step, Verdict
from pgerase.prove.run import identifier_names, prove

__all__ = [
    "Hit",
    "Needle",
    "Place",
    "PlaceKind",
    "ProofReport",
    "Sought",
    "Step",
    "Verdict",
    "identifier_names",
    "prove",
]
