"""From `audit.yaml` to capture: which tables and columns are written to the log, whose values go apart, and the triggers that do it."""

from pgerase.compile.audit.classes import has_profiles
from pgerase.compile.audit.desire import Audit, compile_audit

__all__ = ["Audit", "compile_audit", "has_profiles"]
