"""Who may do what, and why: one row in depth (`explain`), or everything as counts (`matrix`). It changes nothing."""

from pgerase.explain.matrix import matrix
from pgerase.explain.model import Answer, Asked, Enforcement, Matrix, MatrixQuestion, Question
from pgerase.explain.run import explain

__all__ = ["Answer", "Asked", "Enforcement", "Matrix", "MatrixQuestion", "Question", "explain", "matrix"]
