"""From prediction files to an account of where every nat went."""

from .door import score
from .faults import BadInput
from .scores import ClassScore, Compat, Score

__all__ = ["BadInput", "ClassScore", "Compat", "Score", "score"]
