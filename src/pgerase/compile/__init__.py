"""Bound rules become the SQL the database should hold. Decisions are made here; layout is `render`'s."""

from pgerase.compile.desire import compile_pack
from pgerase.compile.desired import Desired

__all__ = ["Desired", "compile_pack"]
