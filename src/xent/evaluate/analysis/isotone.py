"""The isotonic fit of outcomes to scores: which cells share a rate, and what the rows cost after that.

Pooled means are the likeliest increasing rates under every proper score at once (Barlow et al. 1972; Dimitriadis,
Gneiting & Jordan 2021), so the log score and the Brier score share their blocks. A block of nothing but zeros or ones
costs 0, so recalibrated losses are always finite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .claims import Claims

Array = Any


@dataclass(frozen=True, eq=False)
class Fit:
    """Blocks of the fit: start int64[b] (their first cells), zeros, ones float64[b] (sums of weights)."""

    start: Array
    zeros: Array
    ones: Array

    @property
    def rate(self) -> Array:
        """What comes true in each block, float64[b]."""
        return self.ones / (self.zeros + self.ones)


def fit(zeros: Array, ones: Array) -> Fit:
    """Pool adjacent violators over cells in order of their score; every cell has a weight > 0."""
    start = starts(ones, zeros + ones)
    return Fit(start, np.add.reduceat(zeros, start), np.add.reduceat(ones, start))


def starts(ones: Array, weight: Array) -> Array:
    """First cells of the blocks."""
    from xent import _kernels

    begin: Array = _kernels.pav(np.ascontiguousarray(ones, np.float64), np.ascontiguousarray(weight, np.float64))
    return begin


def entropies(zeros: Array, ones: Array) -> Array:
    """Nats that rows cost when each is told its group's rate: -sum of w log(share), float64 of any shape."""
    from scipy.special import xlogy

    weight = zeros + ones
    return 0.0 - (xlogy(ones, ones / weight) + xlogy(zeros, zeros / weight))


def least(claims: Claims) -> float:
    """Lower bound of what isotonic recalibration could leave, summed nats, had the scores not been put into cells.

    Rows of one cell may stand in any order in truth. Take the best increasing rates of that order and hand them out
    again inside each cell, the smallest ones to its zeros: no row gets dearer, since a zero likes a small rate and a
    one a large one. So zeros first, then ones, is the cheapest order, and its own fit is the bound.
    """
    zeros = np.stack([claims.zeros, np.zeros_like(claims.zeros)], 1).reshape(-1)
    ones = np.stack([np.zeros_like(claims.ones), claims.ones], 1).reshape(-1)
    keep = zeros + ones > 0
    found = fit(zeros[keep], ones[keep])
    return float(entropies(found.zeros, found.ones).sum())
