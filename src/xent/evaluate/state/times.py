"""Sums by time, in order: what errors of a mean need when neighbours in time are alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from ..faults import BadInput
from .grid import Grid
from .rows import Judged, Problem
from .values import SECOND

Array = Any
FINEST = 2.0**-20  # the finest step of a time that is a plain number; of moments it is a microsecond
_REACH = 2.0**62


class Times:
    """Rows, weight and nats by step of time. At most 4,096 steps have rows; beyond, the steps are doubled.

    keys int64 [m], increasing: multiples of `step` (in seconds for moments, else in the column's unit); rows int64;
    w, wl float64: over rows of finite loss.
    """

    def __init__(self, problem: Problem, grid: Grid) -> None:
        self.problem, self._grid = problem, grid
        self._moment = problem.time in problem.moments

    @classmethod
    def empty(cls, problem: Problem) -> Self:
        return cls(problem, Grid.empty())

    def add(self, rows: Judged) -> None:
        """Take in a batch. Raises `BadInput` for numbers of 2^42 or more."""
        times = rows.columns[str(self.problem.time)]
        fine = times if self._moment else np.floor(times * (1.0 / FINEST))
        if (abs(fine) >= _REACH).any():
            raise BadInput(f"column `{self.problem.time}`: `time` must be below 2^42; got {abs(times).max():.9g}.")
        self._grid.add(rows, fine.astype(np.int64))

    def merge(self, other: Self) -> Self:
        return type(self)(self.problem, self._grid.merge(other._grid))

    def _spacing(self) -> int:
        """Finest units in a step: while every time is kept, the largest number that divides all gaps."""
        if self._grid.level or len(self._grid.keys) < 2:
            return 1 << self._grid.level
        return int(np.gcd.reduce(np.diff(self._grid.keys)))

    @property
    def step(self) -> float:
        return self._spacing() * (1.0 / SECOND if self._moment else FINEST)

    @property
    def keys(self) -> Array:
        return self._grid.lows // self._spacing()

    @property
    def rows(self) -> Array:
        return self._grid.cells.counts[:, 0]

    @property
    def w(self) -> Array:
        return self._grid.cells.floats()["w"]

    @property
    def wl(self) -> Array:
        return self._grid.cells.floats()["wl"]

    def pack(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return self._grid.pack("grid")

    @classmethod
    def unpack(cls, problem: Problem, told: dict[str, Any], arrays: Mapping[str, Array]) -> Self:
        return cls(problem, Grid.unpack("grid", told, arrays))
