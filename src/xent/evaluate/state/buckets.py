"""Sums by bucket: a hash of a row's cluster (or of the row) puts it in one of 256.

Leaving buckets out one by one then shows the error of a mean, however the rows of a cluster hang together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import fixed
from .rows import BUCKETS, Judged, Problem

Array = Any


@dataclass(eq=False)
class Buckets:
    """rows, infinite int64 [256]; w, w2, wl, wh, w2l2 float64 [256] of the rows with a finite loss.

    l loss in nats, h entropy, w weight.
    """

    problem: Problem
    rows: Array
    infinite: Array
    sums: Array  # wl, w2l2, wh, and with weights w, w2

    @classmethod
    def empty(cls, problem: Problem) -> Buckets:
        sums = fixed.zeros(BUCKETS, 5 if problem.weighted else 3)
        return cls(problem, np.zeros(BUCKETS, np.int64), np.zeros(BUCKETS, np.int64), sums)

    def add(self, rows: Judged) -> None:
        from xent import _kernels

        _kernels.buckets(self.rows, self.infinite, self.sums, rows.bucket, rows.loss, rows.entropy, rows.weight)

    def merge(self, other: Buckets) -> Buckets:
        sums = fixed.merged(self.sums, other.sums)
        return Buckets(self.problem, self.rows + other.rows, self.infinite + other.infinite, sums)

    def pack(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {}, {"rows": self.rows, "infinite": self.infinite, "sums": self.sums}

    @classmethod
    def unpack(cls, problem: Problem, told: dict[str, Any], arrays: Mapping[str, Array]) -> Buckets:
        return cls(problem, arrays["rows"], arrays["infinite"], arrays["sums"])

    @property
    def wl(self) -> Array:
        return fixed.floats(self.sums[:, 0])

    @property
    def w2l2(self) -> Array:
        return fixed.floats(self.sums[:, 1])

    @property
    def wh(self) -> Array:
        return fixed.floats(self.sums[:, 2])

    @property
    def w(self) -> Array:
        return self._weights(3)

    @property
    def w2(self) -> Array:
        return self._weights(4)

    def _weights(self, column: int) -> Array:
        finite = (self.rows - self.infinite).astype(np.float64)
        return fixed.floats(self.sums[:, column]) if self.problem.weighted else finite
