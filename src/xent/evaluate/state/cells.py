"""Sums over rows by what they have in common, one cell for each value; kept in the order of the values.

Columns of the sums, over the rows of finite loss l with weight w and entropy h: w, w^2, wl, w^2 l, w^2 l^2, wh.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import fixed
from .rows import Judged

Array = Any
SUMS = ("w", "w2", "wl", "w2l", "w2l2", "wh")
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, eq=False)
class Cells:
    """counts int64 [m, 2]: rows, and infinite ones among them; sums [m, 6, 4] in fixed point."""

    counts: Array
    sums: Array

    @classmethod
    def empty(cls, size: int = 0) -> Cells:
        """Cells that no row fell into."""
        return cls(np.zeros((size, 2), np.int64), fixed.zeros(size, len(SUMS)))

    @classmethod
    def of(cls, rows: Judged, index: Array, size: int) -> Cells:
        """The rows of a batch; index int32 [n]: the cell of each."""
        cells = cls.empty(size)
        lost = np.isinf(rows.loss)
        cells.counts[:, 0] = np.bincount(index, minlength=size)
        cells.counts[:, 1] = np.bincount(index[lost], minlength=size)
        w, loss, entropy = rows.weights, rows.loss, rows.entropy
        if lost.any():
            on = ~lost
            w, loss, entropy, index = w[on], loss[on], entropy[on], index[on]
        wl = w * loss
        fixed.scatter(cells.sums, index, np.stack([w, w * w, wl, w * wl, wl * wl, w * entropy], axis=1))
        return cells

    def __len__(self) -> int:
        return len(self.counts)

    def plus(self, other: Cells) -> Cells:
        """Cell by cell, after empty ones are put behind the shorter."""
        size = max(len(self), len(other))
        a, b = (c.beside(Cells.empty(size - len(c))) for c in (self, other))
        return Cells(a.counts + b.counts, fixed.merged(a.sums, b.sums))

    def beside(self, other: Cells) -> Cells:
        """These cells, then the other ones."""
        return Cells(np.concatenate([self.counts, other.counts]), np.concatenate([self.sums, other.sums]))

    def pooled(self, order: Array, starts: Array) -> Cells:
        """Cells put into an order, and each run of them from one of `starts` to the next made one; exactly."""
        if not len(starts):
            return Cells.empty()
        counts = np.add.reduceat(self.counts[order], starts, axis=0)
        words = self.sums[order].view(np.uint64)
        out = np.empty((len(starts), *words.shape[1:]), np.uint64)
        carry = np.zeros(out.shape[:-1], np.uint64)
        for i in reversed(range(words.shape[-1])):
            low = np.add.reduceat(words[..., i] & _LOW, starts, axis=0) + carry
            high = np.add.reduceat(words[..., i] >> _HALF, starts, axis=0) + (low >> _HALF)
            out[..., i] = (low & _LOW) | (high << _HALF)
            carry = high >> _HALF
        return Cells(counts, out.view(np.int64))

    def floats(self) -> dict[str, Array]:
        """The sums by name, float64 [m]."""
        return dict(zip(SUMS, fixed.floats(self.sums).T, strict=True))

    def pack(self, name: str) -> dict[str, Array]:
        """Arrays for a file."""
        return {f"{name}.counts": self.counts, f"{name}.sums": self.sums}

    @classmethod
    def unpack(cls, name: str, arrays: Mapping[str, Array]) -> Cells:
        """What `pack` gave."""
        cells = cls(arrays[f"{name}.counts"], arrays[f"{name}.sums"])
        like = cls.empty(len(cells.counts))
        if (cells.counts.shape, cells.sums.shape) != (like.counts.shape, like.sums.shape):
            raise ValueError(f"the cells of {name} do not fit together")
        return cells


def run_starts(keys: Array) -> Array:
    """Where each run of equal keys begins."""
    return np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.zeros(0, np.int64)
