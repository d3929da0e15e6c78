"""Proof on the live database: what it returns and refuses is compared with what the rules mean (DESIGN.md, Promise 3)."""

from pgerase.verify.model import Looked, Sample, Verdict, VerifyReport
from pgerase.verify.run import verify

__all__ = ["Looked", "Sample", "Verdict", "VerifyReport", "verify"]
