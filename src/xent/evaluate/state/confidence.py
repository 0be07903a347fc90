"""Rows by the favourite's margin: how sure the model was, how often it was right, and what that cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import fixed
from .rows import Judged, Problem

Array = Any
# Bins of the favourite's logit, 32 a logit from -12 to 52, and what is beyond (src/kernels/histograms.hpp).
EDGES = np.concatenate([[-np.inf], np.arange(64 * 32 + 1) / 32.0 - 12.0, [np.inf]])
BINS = len(EDGES) - 1


@dataclass(eq=False)
class Confidences:
    """By bin of the favourite's margin log c - log(1 - c): rows int64 [bins], w, right (w where it was), claimed (w c),
    all float64 [bins] over all rows; wl, wh, w2v (v: variance of the loss) and w_finite over rows with a finite loss;
    infinite int64 [bins]: the others. edges float64 [bins + 1]: of the bins, logits.

    The favourite of a yes/no problem is "yes" where its probability is above 1/2.
    """

    problem: Problem
    counts: Array  # rows, right, infinite
    claims: Array  # w c, w h, w2 v
    costs: Array  # w l, and with weights w, w where right, w where infinite

    @classmethod
    def empty(cls, problem: Problem) -> Confidences:
        costs = fixed.zeros(BINS, 4 if problem.weighted else 1)
        return cls(problem, np.zeros((3, BINS), np.int64), fixed.zeros(BINS, 3, wide=problem.weighted), costs)

    def add(self, rows: Judged) -> None:
        from xent import _kernels

        if rows.best is None:
            margin, right = np.abs(rows.margin), (rows.margin > 0.0) == (rows.target != 0)
        else:
            margin, right = rows.margin, rows.best == rows.target
        _kernels.confidences(
            self.counts, self.claims, self.costs, margin, right.view(np.uint8), rows.loss, rows.entropy, rows.variance,
            rows.weight,
        )  # fmt: skip

    def merge(self, other: Confidences) -> Confidences:
        sums = (fixed.merged(self.claims, other.claims), fixed.merged(self.costs, other.costs))
        return Confidences(self.problem, self.counts + other.counts, *sums)

    def pack(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {}, {"counts": self.counts, "claims": self.claims, "costs": self.costs}

    @classmethod
    def unpack(cls, problem: Problem, told: dict[str, Any], arrays: Mapping[str, Array]) -> Confidences:
        return cls(problem, arrays["counts"], arrays["claims"], arrays["costs"])

    @property
    def edges(self) -> Array:
        return EDGES

    @property
    def rows(self) -> Array:
        return self.counts[0]

    @property
    def infinite(self) -> Array:
        return self.counts[2]

    @property
    def right(self) -> Array:
        return self._weights(2, self.counts[1])

    @property
    def w(self) -> Array:
        return self._weights(1, self.counts[0])

    @property
    def w_finite(self) -> Array:
        return self.w - self._weights(3, self.counts[2])

    @property
    def claimed(self) -> Array:
        return fixed.floats(self.claims[:, 0])

    @property
    def wh(self) -> Array:
        return fixed.floats(self.claims[:, 1])

    @property
    def w2v(self) -> Array:
        return fixed.floats(self.claims[:, 2])

    @property
    def wl(self) -> Array:
        return fixed.floats(self.costs[:, 0])

    def _weights(self, column: int, count: Array) -> Array:
        return fixed.floats(self.costs[:, column]) if self.problem.weighted else count.astype(np.float64)
