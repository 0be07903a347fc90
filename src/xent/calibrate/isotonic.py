"""Isotonic calibration for the log score: pool adjacent violators, then smooth, then interpolate.

Two facts force the shape. The pooled means are optimal for the log score too, but a block of nothing but ones says 1,
and one such block costs infinitely much on the first exception: every block shares one row of the base rate. And equal
scores are one score, while scores one ulp apart are two: nothing is merged by a tolerance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from xent.objective import number

from .estimator import Calibrator
from .inputs import Rows
from .maps import IsotonicMap, Map

Array = Any


def pool(ones: Array, weight: Array) -> Array:
    """Where blocks begin in the least-squares (and likeliest) increasing fit of ones / weight; weights > 0.

    Pooling any adjacent violators, in any order, leads to the same blocks (Barlow et al. 1972), so whole falling runs
    are pooled at once while that pays, and the rest one by one.
    """
    begin = np.arange(len(ones))
    while len(ones) > 1:
        mean = ones / weight
        first = np.concatenate([[True], mean[1:] > mean[:-1]])  # of a run that does not rise
        if first.all():
            return begin
        if first.sum() > 0.9 * len(first):
            break
        at = np.flatnonzero(first)
        begin, ones, weight = begin[at], np.add.reduceat(ones, at), np.add.reduceat(weight, at)
    return begin[pool_slowly(ones.tolist(), weight.tolist(), 0.0, 0.0)]


def pool_slowly(ones: list[float], weight: list[float], prior_ones: float, prior: float) -> list[int]:
    """Where blocks begin, one pass with a stack; each block's mean holds `prior_ones` in `prior` rows besides."""
    stack: list[tuple[int, float, float]] = []
    for i, (k, n) in enumerate(zip(ones, weight, strict=True)):
        start = i
        while stack and (stack[-1][1] + prior_ones) / (stack[-1][2] + prior) >= (k + prior_ones) / (n + prior):
            start, k, n = stack[-1][0], stack[-1][1] + k, stack[-1][2] + n
            stack.pop()
        stack.append((start, k, n))
    return [start for start, _, _ in stack]


def blocks(z: Array, t: Array, w: Array | None, strength: float) -> tuple[Array, Array, Array, float]:
    """(least logit, largest logit, calibrated logit) of each block, and the logit of the base rate."""
    order = np.argsort(z, kind="stable")
    z, t = z[order], t[order]
    w = np.ones(len(z)) if w is None else w[order]
    new = np.flatnonzero(np.concatenate([[True], z[1:] != z[:-1]]))  # equal scores are one
    ones, weight = np.add.reduceat(w * t, new), np.add.reduceat(w, new)
    base = (ones.sum() + 1.0) / (weight.sum() + 2.0)  # Laplace's, never 0 or 1
    at = pool(ones, weight)
    ones, weight = np.add.reduceat(ones, at), np.add.reduceat(weight, at)
    again = pool_slowly(ones.tolist(), weight.tolist(), strength * base, strength)
    at, ones, weight = at[again], np.add.reduceat(ones, again), np.add.reduceat(weight, again)
    zeros = np.maximum(weight - ones, 0.0) + strength * (1.0 - base)
    logit = np.log(ones + strength * base) - np.log(zeros)
    ends = np.concatenate([new[at][1:] - 1, [len(z) - 1]])
    return z[new[at]], z[ends], logit, float(np.log(base) - np.log1p(-base))


class Isotonic(Calibrator):
    r"""Isotonic calibration: the likeliest increasing step function of the score, smoothed, for two classes.

    Pool adjacent violators (our own: ties, weights, scores one ulp apart, infinite logits, probabilities 0 and 1). A
    block of n rows with k ones says

    .. math:: (k + m\,\pi) / (n + m), \qquad \pi = (k_{all} + 1)/(n_{all} + 2), \quad m = strength

    so that neither 0 nor 1 is ever said; blocks that smoothing puts out of order are pooled again. Between blocks the
    logit is interpolated linearly; beyond the first and last score it is constant. Equal scores may become equal where
    they were not, so ties appear and ranking measures move.

    Args:
        probs: as in `Temperature`.
        strength: > 0: how many rows of the base rate each block shares.

    Attributes: `map_` (its `x` and `y`: scores and calibrated logits of the ends of the blocks), `blocks_` (their
        number), `classes_`, `n_features_in_`.

    Scores [N], [N, 1] or [N, 2]. More classes are refused: one-vs-rest fits do not sum to 1, and dividing by their sum
    is a map that nothing has fitted.

    Also called isotonic regression, PAV, ROC convex hull calibration (Ayer et al. 1955; Zadrozny & Elkan 2002); the
    recalibration of the CORP decomposition (Dimitriadis, Gneiting & Jordan 2021), which does not smooth.

    >>> fitted = Isotonic().fit([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0], [0, 0, 1, 0, 1, 1])
    >>> print(fitted.map_.probabilities([-2.0, 0.5, 9.0]).round(4))
    [0.1667 0.5    0.8333]
    """

    binary = True
    mends_zero = True

    map_: IsotonicMap
    blocks_: int

    def __init__(self, *, probs: bool = False, strength: float = 1.0) -> None:
        self.probs = probs
        self.strength = strength

    def _fitted(self, rows: Rows, options: dict[str, Any], frame: dict[str, Any]) -> Map:
        strength = number("strength", options["strength"], "a number > 0", lambda x: x > 0)
        z = np.concatenate([z for z, _, _ in rows.blocks(infinite=True)])
        least, most, logit, base = blocks(z, rows.targets, rows.weight, strength)
        self.blocks_ = len(logit)
        x = np.stack([least, most], 1).reshape(-1)
        y = np.repeat(logit, 2)
        keep = np.isfinite(x) & np.concatenate([[True], x[1:] != x[:-1]])
        x, y = (x[keep], y[keep]) if keep.any() else (np.zeros(1), np.clip([base], logit[0], logit[-1]))
        return IsotonicMap(
            x=tuple(x.tolist()), y=tuple(y.tolist()), ends=(float(logit[0]), float(logit[-1])), **frame
        )  # fmt: skip
