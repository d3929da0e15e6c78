"""What conditions may use in each place of the rule files."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """What a condition in some place may use. `person`: bare names are a person's attributes, group and role are reserved."""

    what: str
    person: bool = False
    groups: bool = False
    role: bool = False
    viewer: bool = True
    row: bool = False
    can: bool = False
    consent: bool = False
    subject: bool = False
    backwards: bool = False


RULE_WHO = Scope("a rule's who", person=True, groups=True, role=True, consent=True)
WHO = Scope("who", person=True, groups=True, consent=True)
CRITERIA = Scope("criteria", person=True)
PERSON = Scope("a condition on the viewers table", person=True)
ROWS = Scope("rows", row=True, can=True, consent=True)
RELATION = Scope("where of a relation")
NARROWING = Scope("where at the place of use", row=True)
MEMBERS = Scope("where of members", viewer=False)
DATA_MAP = Scope("a condition of the data map", viewer=False, row=True, subject=True, backwards=True)
NAMED = Scope(
    "a named condition", groups=True, role=True, row=True, can=True, consent=True, subject=True, backwards=True
)
"""Everything goes: a named condition is checked for good where it is used."""
