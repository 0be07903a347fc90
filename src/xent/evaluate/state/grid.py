"""Sums by a number: exactly by value while there are few values, else by the finest grid that has few cells.

A grid of level k pools keys that agree but for their last k bits. The level is the least at which at most 4,096 cells
have rows: that depends on the set of values only, so any partition and order of the rows ends with the same cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .cells import Cells, run_starts
from .rows import Judged

Array = Any
MOST_CELLS = 4096
_SIGN = np.int64(0x7FFFFFFFFFFFFFFF)
_LEAST = np.float64(-np.inf).view(np.int64) ^ _SIGN


def keys_of(x: Array) -> Array:
    """int64 keys in the order of float64 numbers, -0.0 and 0.0 alike: the bits, those of negative numbers flipped."""
    bits = (np.asarray(x, np.float64) + 0.0).view(np.int64)
    return np.where(bits < 0, bits ^ _SIGN, bits)


def numbers_of(keys: Array) -> Array:
    """float64 numbers of such keys; what lies below -inf, where a wide cell may begin, is -inf."""
    keys = np.maximum(np.asarray(keys, np.int64), _LEAST)
    return np.where(keys < 0, keys ^ _SIGN, keys).view(np.float64)


def distinct(keys: Array) -> tuple[Array, Array]:
    """Different keys, increasing, and int32 [n]: which of them each one is."""
    try:
        import pyarrow as pa
    except ImportError:
        unique, index = np.unique(keys, return_inverse=True)
        return unique, index.astype(np.int32)
    coded = pa.array(keys).dictionary_encode()  # a hash table: a third of the time of sorting
    met = coded.dictionary.to_numpy()
    order = np.argsort(met)
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return met[order], place[coded.indices.to_numpy()]


@dataclass(eq=False)
class Grid:
    """keys int64 [m], increasing: those of the cells, shifted down by `level` bits."""

    level: int
    keys: Array
    cells: Cells

    @classmethod
    def empty(cls) -> Grid:
        """A grid without rows."""
        return cls(0, np.zeros(0, np.int64), Cells.empty())

    def add(self, rows: Judged, keys: Array) -> None:
        """Take in a batch of rows with these keys."""
        unique, index = distinct(keys >> self.level)
        self._join(unique, Cells.of(rows, index, len(unique)))

    def merge(self, other: Grid) -> Grid:
        """Both together."""
        level = max(self.level, other.level)
        merged = Grid(level, self.keys >> (level - self.level), self.cells)
        merged._join(other.keys >> (level - other.level), other.cells)
        return merged

    def _join(self, keys: Array, cells: Cells) -> None:
        both = np.concatenate([self.keys, keys])
        order = np.argsort(both, kind="stable")
        both = both[order]
        starts = run_starts(both)
        while len(starts) > MOST_CELLS:
            self.level += 1
            both = both >> 1
            starts = run_starts(both)
        self.keys, self.cells = both[starts], self.cells.beside(cells).pooled(order, starts)

    @property
    def lows(self) -> Array:
        """The least key that falls into each cell."""
        return self.keys << self.level

    def pack(self, name: str) -> tuple[dict[str, int], dict[str, Array]]:
        """Numbers for JSON and arrays."""
        return {name: self.level}, {f"{name}.keys": self.keys, **self.cells.pack(name)}

    @classmethod
    def unpack(cls, name: str, told: Mapping[str, int], arrays: Mapping[str, Array]) -> Grid:
        """What `pack` gave."""
        grid = cls(int(told[name]), arrays[f"{name}.keys"], Cells.unpack(name, arrays))
        if len(grid.keys) != len(grid.cells) or not 0 <= grid.level < 64:
            raise ValueError(f"the grid of {name} does not fit together")
        return grid
