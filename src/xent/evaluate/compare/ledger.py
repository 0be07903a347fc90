"""What is kept of every pair of models while rows go by: a fixed number of sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import numpy as np

from ..state import fixed
from .sums import Sums

# Log-odds of the favourite at which rows are told apart by how sure the two models are on average (geometric mean of
# the odds): of probabilities 0.6 to 0.999. The truth plays no part in it, so neither model is favoured.
SURE = (0.6, 0.75, 0.9, 0.99, 0.999)
SURE_EDGES = np.log(SURE) - np.log1p(-np.array(SURE))
SURE_LABELS = (
    f"< {SURE[0]:g}",
    *(f"{a:g} to {b:g}" for a, b in pairwise(SURE)),
    f">= {SURE[-1]:g}",
)
MOST_SLOTS = 1 << 19  # of the sums of a column over all pairs: 84 MB with weights


@dataclass(frozen=True, eq=False)
class Chunk:
    """n rows of all models, none of weight 0. loss and margin: float64 [n] by model; slot int32 [n]: its bucket of
    clusters or step of time (0 without); codes int32 [n] by column; weight float64 [n] or None."""

    loss: Sequence[np.ndarray]
    margin: Sequence[np.ndarray] | None
    weight: np.ndarray | None
    slot: np.ndarray
    codes: Mapping[str, np.ndarray]


@dataclass
class Book:
    """One pair: sums of the difference over rows that both gave a chance; rows that one or both did not."""

    a: int
    b: int
    sums: Sums
    slices: dict[str, Sums]
    width: dict[str, int]  # slots for each value of a column: those of the clusters, or 1
    infinite: list[int] = field(default_factory=lambda: [0, 0, 0])  # on a alone, on b alone, on both
    counts: np.ndarray = field(default_factory=lambda: np.zeros(3, np.int64))  # rows: a better, equal, b better
    weights: np.ndarray = field(default_factory=lambda: fixed.zeros(3))  # and their weights, where there are some


def shares(book: Book) -> tuple[float, float]:
    """Shares of rows, by weight, on which b is better and on which both cost the same."""
    each = [fixed.value(w) for w in book.weights] if book.weights.any() else [Fraction(int(n)) for n in book.counts]
    whole = sum(each, Fraction(0))
    return float(each[2] / whole), float(each[1] / whole)


class Ledger:
    """The books of all pairs, and of every model on its own where its rows are not independent."""

    def __init__(
        self, models: int, pairs: Sequence[tuple[int, int]], slots: int, columns: Mapping[str, int], *, clustered: bool,
        alone: bool, weighted: bool,
    ) -> None:  # fmt: skip
        self.narrow = [c for c, n in columns.items() if clustered and n * slots * len(pairs) > MOST_SLOTS]
        width = {c: slots if clustered and c not in self.narrow else 1 for c in columns}
        self.books = [
            Book(a, b, Sums.empty(slots, weighted=weighted),
                 {c: Sums.empty(n * width[c], weighted=weighted) for c, n in columns.items()}, width)
            for a, b in pairs
        ]  # fmt: skip
        self.alone = [Sums.empty(slots, weighted=weighted) for _ in range(models)] if alone else []

    def add(self, chunk: Chunk) -> None:
        """Take in a batch."""
        finite = [np.isfinite(loss) for loss in chunk.loss]
        whole = [bool(f.all()) for f in finite]
        for book in self.books:
            both = None if whole[book.a] and whole[book.b] else finite[book.a] & finite[book.b]
            self._add(book, chunk, both)
            if both is not None:
                for i, lost in enumerate((finite[book.b] & ~finite[book.a], finite[book.a] & ~finite[book.b],
                                          ~finite[book.a] & ~finite[book.b])):  # fmt: skip
                    book.infinite[i] += int(lost.sum())
        for sums, loss, f in zip(self.alone, chunk.loss, finite, strict=False):
            w = chunk.weight
            sums.add(chunk.slot[f], loss[f], None if w is None else w[f])

    def _add(self, book: Book, chunk: Chunk, both: np.ndarray | None) -> None:
        la, lb, w, slot = chunk.loss[book.a], chunk.loss[book.b], chunk.weight, chunk.slot
        sign = (la > lb).astype(np.int32) - (la < lb) + 1
        if w is None:
            book.counts += np.bincount(sign, minlength=3)
        else:
            fixed.scatter(book.weights, sign, w)
        if both is not None:
            la, lb, slot = la[both], lb[both], slot[both]
            w = None if w is None else w[both]
        d = la - lb
        book.sums.add(slot, d, w)
        for column, sums in book.slices.items():
            code = self._codes(book, chunk, column)
            code = code if both is None else code[both]
            sums.add(code if book.width[column] == 1 else code * np.int32(book.width[column]) + slot, d, w)

    @staticmethod
    def _codes(book: Book, chunk: Chunk, column: str) -> np.ndarray:
        if column in chunk.codes:
            return chunk.codes[column]
        assert chunk.margin is not None  # the column of how sure both are is there with margins only
        pooled = 0.5 * chunk.margin[book.a] + 0.5 * chunk.margin[book.b]
        return np.searchsorted(SURE_EDGES, pooled, side="right").astype(np.int32)
