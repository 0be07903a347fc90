"""Rows of one yes/no problem by score: exact scores while there is room for them, else cells of a grid on the logit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import fixed
from .rows import FOLDS

Array = Any
OCTAVES = 12  # of the grid beyond |z| = 32, the last one open (src/kernels/lookup.hpp)


def grid_edges(fine: int) -> Array:
    """Edges of the cells between the two for infinite logits, float64 [cells - 1]."""
    beyond = 32.0 * 2.0 ** np.arange(1, OCTAVES)
    inner = np.arange(fine + 1) * (64.0 / fine) - 32.0
    return np.concatenate([[-np.inf], -beyond[::-1], inner, beyond, [np.inf]])


@dataclass(frozen=True, eq=False)
class Scores:
    """Cells of one yes/no problem in increasing order of score.

    z float64 [m]: the logit (of a cell of the grid: its middle), -inf and inf where p is 0 and 1; p float64 [m]: the
    claimed probability of yes; low, high float64 [m]: the least and largest logits of the cell (z itself where exact);
    n int64, w and w2 float64 [fold, outcome, m]: rows and their weights.
    """

    z: Array
    p: Array
    low: Array
    high: Array
    n: Array
    w: Array
    w2: Array
    exact: bool


class Cells:
    """Counts of one yes/no problem. logits: whether scores are logits, else probabilities."""

    def __init__(self, room: int, *, weighted: bool, logits: bool) -> None:
        self.room, self.weighted, self.logits = room, weighted, logits
        self.scores, self.count = np.empty(room), 0
        self.places: Array = np.zeros(2 * room, np.int32)
        self._clear(room)

    def _clear(self, cells: int) -> None:
        self.rows = np.zeros((cells, FOLDS, 2), np.int64)
        self.sums = fixed.zeros(cells, FOLDS, 2, 2) if self.weighted else None

    @property
    def exact(self) -> bool:
        return self.places is not None

    def add(self, score: Array, z: Array, bucket: Array, yes: Array, weight: Array | None) -> None:
        """Rows of a batch: score float64 [n], its logit, bucket and outcome int32 [n]."""
        from xent import _kernels

        at = self._slots(score) if self.exact else None
        if at is None:
            at = np.empty(len(z), np.int32)
            _kernels.grid(z, self.room, at)
        _kernels.enter(self.rows, self.sums, at, bucket, yes, weight)

    def _slots(self, score: Array) -> Array | None:
        """Slots of scores; None, and everything moved to the grid, where there is no room for them."""
        from xent import _kernels

        slot = np.empty(len(score), np.int32)
        self.count, found = _kernels.lookup(self.scores, self.count, self.places, score, slot)
        if found == len(score):
            return slot
        self._move()
        return None

    def _move(self) -> None:
        """From exact scores to the grid."""
        scores, rows, sums = self.contents()
        self.places = None
        self._clear(self.room + 2 * OCTAVES + 2)
        self._absorb(_grid(self._logits(scores), self.room), rows, sums)

    def _logits(self, scores: Array) -> Array:
        return np.array(scores) if self.logits else _convert(scores, logits=False)

    def _absorb(self, at: Array, rows: Array, sums: Array | None) -> None:
        np.add.at(self.rows, at, rows)
        if sums is not None:
            fixed.collect(self.sums, at, sums)

    def contents(self) -> tuple[Array, Array, Array | None]:
        """Scores (numbers of cells, on the grid) with rows, in increasing order; their rows and sums."""
        if self.exact:
            order = np.argsort(self.scores[: self.count])
            kept = order[self.rows[order].any(axis=(1, 2))]
            names = self.scores[kept]
        else:
            kept = np.flatnonzero(self.rows.any(axis=(1, 2)))
            names = kept.astype(np.float64)
        return names, self.rows[kept], None if self.sums is None else self.sums[kept]

    def take(self, exact: bool, names: Array, rows: Array, sums: Array | None) -> None:
        """Add the contents of another."""
        at = None
        if exact and self.exact:
            at = self._slots(names)
        elif self.exact:
            self._move()
        if at is None:
            at = _grid(self._logits(names), self.room) if exact else names.astype(np.int32)
        self._absorb(at, rows, sums)

    def read(self) -> Scores:
        names, rows, sums = self.contents()
        if self.exact:
            z = self._logits(names)
            p = _convert(names, logits=True) if self.logits else names
            low = high = z
        else:
            edges = grid_edges(self.room)
            at = names.astype(np.int64)
            low, high = edges[np.maximum(at - 1, 0)], edges[np.minimum(at, len(edges) - 1)]
            z = _middles(low, high)
            p = _convert(z, logits=True)
        n = np.moveaxis(rows, 0, -1)
        w, w2 = (n.astype(np.float64),) * 2
        if sums is not None:
            w, w2 = (np.moveaxis(fixed.floats(sums[..., i, :]), 0, -1) for i in range(2))
        return Scores(z, p, low, high, n, w, w2, self.exact)


def _grid(z: Array, fine: int) -> Array:
    from xent import _kernels

    at = np.empty(len(z), np.int32)
    _kernels.grid(z, fine, at)
    return at


def _convert(x: Array, *, logits: bool) -> Array:
    from xent import _kernels

    out = np.empty(len(x))
    _kernels.convert(np.ascontiguousarray(x), logits, out)
    return out


def _middles(low: Array, high: Array) -> Array:
    """Of cells; of the open ones, half as far again as their finite edge."""
    least = np.where(np.isinf(low) & ~np.isinf(high), 2.0 * high, low)
    most = np.where(np.isinf(high) & ~np.isinf(low), 2.0 * low, high)
    return np.where(least == most, least, 0.5 * least + 0.5 * most)
