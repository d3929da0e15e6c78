"""Who may do what, and why: one row in depth (`explain`), or everything as counts (`matrix`). It changes nothing."""

from pgerase.explain.aggregate import aggregate_named, explain_aggregate
from pgerase.explain.matrix import matrix
from pgerase.explain.model import AggregateAnswer, Answer, Asked, Enforcement, Matrix, MatrixQuestion, Question
from pgerase.explain.run import explain

__all__ = [
    "AggregateAnswer",
    "Answer",
    "Asked",
    "Enforcement",
    "Matrix",
    "MatrixQuestion",
    "Question",
    "aggregate_named",
    "explain",
    "explain_aggregate",
    "matrix",
]
