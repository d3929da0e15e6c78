"""From a data map to erasing: which rows are a person's, what becomes of them, and the functions that do it."""

from pgerase.compile.erasure.desire import Erasure, compile_erasure

__all__ = ["Erasure", "compile_erasure"]
