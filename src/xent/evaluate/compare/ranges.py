"""Numbers of many values as a few ranges of about equally many rows, from one reading and a table of fixed size."""

from __future__ import annotations

import numpy as np

RANGES = 8
MOST_CELLS = 1 << 16


class Ranges:
    """How many rows have which numbers: one cell a float64, twice as many in each where there get to be too many."""

    def __init__(self) -> None:
        self.missing = 0
        self._level = 0  # bits dropped
        self._keys, self._rows = np.empty(0, np.int64), np.empty(0, np.int64)

    def add(self, x: np.ndarray) -> None:
        """Take in a batch, float64 [n]; NaN is missing."""
        there = x[~np.isnan(x)]
        self.missing += len(x) - len(there)
        keys, rows = np.unique(_keys(there) >> self._level, return_counts=True)
        keys, rows = np.concatenate([self._keys, keys]), np.concatenate([self._rows, rows])
        while True:
            self._keys, at = np.unique(keys, return_inverse=True)
            self._rows = np.bincount(at, rows, len(self._keys)).astype(np.int64)
            if len(self._keys) <= MOST_CELLS:
                return
            keys, rows, self._level = self._keys >> 1, self._rows, self._level + 1

    def edges(self) -> np.ndarray:
        """float64, at most 7: the least number of every range but the first. A number that fills several ranges is
        one of its own."""
        reached = np.cumsum(self._rows)
        wanted = int(self._rows.sum()) * np.arange(1, RANGES) / RANGES
        cells, times = np.unique(np.searchsorted(reached, wanted), return_counts=True)
        after = cells[(times > 1) | (cells == 0)] + 1
        starts = np.union1d(cells[cells > 0], after[after < len(reached)])
        return np.array([_number(int(key) << self._level) for key in self._keys[starts]])


def _keys(x: np.ndarray) -> np.ndarray:
    """Whole numbers in the order of x."""
    bits = np.ascontiguousarray(x + 0.0).view(np.int64)  # -0 is 0
    return np.where(bits < 0, np.int64(-(2**63)) - bits, bits)


def _number(key: int) -> float:
    return float(np.array(key if key >= 0 else -(2**63) - key, np.int64).view(np.float64))
