"""Which of several models is better, by how much, and where."""

from .door import compare
from .records import Comparison, InfiniteRow, Model, Pair, PairSlice

__all__ = ["Comparison", "InfiniteRow", "Model", "Pair", "PairSlice", "compare"]
