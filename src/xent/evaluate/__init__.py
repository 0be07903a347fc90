"""From prediction files to an account of where every nat went."""

from .door import finish, gather, score
from .faults import BadInput
from .scores import ClassScore, Compat, Score
from .state.state import State

__all__ = ["BadInput", "ClassScore", "Compat", "Score", "State", "finish", "gather", "score"]
