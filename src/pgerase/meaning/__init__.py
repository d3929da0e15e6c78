"""The reference evaluation: what a rule file means, decided in ordinary Python over rows (DESIGN.md, Promise 3).

Shares nothing with the compiler below the rule models and the catalog model, so that comparing the two is a proof.
"""

from pgerase.meaning.decide import Meaning, Session
from pgerase.meaning.support import Grant, SupportRules

__all__ = ["Grant", "Meaning", "Session", "SupportRules"]
