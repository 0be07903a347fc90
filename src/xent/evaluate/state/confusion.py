"""Nats by true class and favourite class: the cells add up to the finite loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import fixed
from .rows import Judged, Problem

Array = Any


@dataclass(eq=False)
class Confusion:
    """rows int64, weight and nats (finite losses) float64, all [classes, classes]: truth, favourite."""

    problem: Problem
    counts: Array  # [classes^2]
    sums: Array  # w l, and with weights w

    @classmethod
    def empty(cls, problem: Problem) -> Confusion:
        cells = len(problem.classes) ** 2
        return cls(problem, np.zeros(cells, np.int64), fixed.zeros(cells, 2 if problem.weighted else 1))

    def add(self, rows: Judged) -> None:
        from xent import _kernels

        at = rows.target * np.int32(len(self.problem.classes)) + rows.best
        _kernels.crosstab(self.counts, self.sums, np.ascontiguousarray(at, np.int32), rows.loss, rows.weight)

    def merge(self, other: Confusion) -> Confusion:
        return Confusion(self.problem, self.counts + other.counts, fixed.merged(self.sums, other.sums))

    def pack(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Only cells with rows: 1,000 classes have a million."""
        at = np.flatnonzero(self.counts)
        return {}, {"at": at, "counts": self.counts[at], "sums": self.sums[at]}

    @classmethod
    def unpack(cls, problem: Problem, told: dict[str, Any], arrays: Mapping[str, Array]) -> Confusion:
        found = cls.empty(problem)
        found.counts[arrays["at"]] = arrays["counts"]
        found.sums[arrays["at"]] = arrays["sums"]
        return found

    @property
    def rows(self) -> Array:
        return self._square(self.counts)

    @property
    def weight(self) -> Array:
        return self._square(fixed.floats(self.sums[:, 1]) if self.problem.weighted else self.counts.astype(np.float64))

    @property
    def nats(self) -> Array:
        return self._square(fixed.floats(self.sums[:, 0]))

    def _square(self, cells: Array) -> Array:
        classes = len(self.problem.classes)
        return cells.reshape(classes, classes)
