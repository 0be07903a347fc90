"""How many rows cost how much, and how many a calibrated model would have there.

Bins of -log2 p, fixed so that histograms of any rows can be added: 16 a bit up to 64 bits, 4 bits wide up to 1100 (no
float64 probability costs more than 1075), and one for what only a logit can cost (src/kernels/histograms.hpp).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import fixed
from .rows import Judged, Problem

Array = Any
EDGES = np.concatenate([np.arange(1024) / 16.0, 64.0 + 4.0 * np.arange(260), [np.inf]])
BINS = len(EDGES) - 1


@dataclass(eq=False)
class Losses:
    """Rows (multi-label: cells, a row's weight each) by what they cost.

    rows int64 [bins]; sums: nats (weighted: also weights) [bins, columns]; chance: sum over rows of w p_k over the
    classes k (binary and multi-label: both outcomes) that would cost so much; infinite: rows without a bin. Where
    truths are distributions a row costs the mean of its classes, which no single class need cost: chance stays empty.
    """

    problem: Problem
    rows: Array
    sums: Array
    chance: Array
    infinite: int = 0

    @classmethod
    def empty(cls, problem: Problem) -> Losses:
        sums = fixed.zeros(BINS, 2 if problem.weighted else 1)
        return cls(problem, np.zeros(BINS, np.int64), sums, fixed.zeros(BINS, 1, wide=problem.weighted))

    def add(self, rows: Judged) -> None:
        from xent import _kernels

        loss, weight, labels = rows.loss, rows.weight, 1
        if self.problem.soft:
            self.infinite += _kernels.losses(self.rows, self.sums, loss, weight)
            return
        if self.problem.kind == "multilabel":
            labels = self.problem.width
            loss = np.empty(rows.margin.size)
            _kernels.cells(rows.margin.reshape(-1), np.ascontiguousarray(rows.target, np.int32).reshape(-1), loss)
            weight = None if weight is None else np.repeat(weight, labels)
        self.infinite += _kernels.losses(self.rows, self.sums, loss, weight)
        if self.problem.kind == "multiclass":
            _kernels.expected_classes(self.chance, rows.x, rows.weight, rows.logits)
        else:
            _kernels.expected(self.chance, rows.margin.reshape(-1), rows.weight, labels)

    def merge(self, other: Losses) -> Losses:
        return Losses(
            self.problem,
            self.rows + other.rows,
            fixed.merged(self.sums, other.sums),
            fixed.merged(self.chance, other.chance),
            self.infinite + other.infinite,
        )

    def pack(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {"infinite": self.infinite}, {"rows": self.rows, "sums": self.sums, "chance": self.chance}

    @classmethod
    def unpack(cls, problem: Problem, told: dict[str, Any], arrays: Mapping[str, Array]) -> Losses:
        return cls(problem, arrays["rows"], arrays["sums"], arrays["chance"], int(told["infinite"]))

    @property
    def edges(self) -> Array:
        """Edges of the bins in bits, float64 [bins + 1]."""
        return EDGES

    @property
    def nats(self) -> Array:
        """Sum of w l by bin."""
        return fixed.floats(self.sums[:, 0])

    @property
    def weight(self) -> Array:
        """Sum of w by bin."""
        return fixed.floats(self.sums[:, 1]) if self.problem.weighted else self.rows.astype(np.float64)

    @property
    def expected(self) -> Array:
        """The weight that a calibrated model would have in each bin."""
        return fixed.floats(self.chance[:, 0])
