"""Claims in increasing order, each with the weight of its zeros and ones: all that isotonic recalibration looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any


@dataclass(frozen=True, eq=False)
class Claims:
    """Cells of rows alike in what they claim, in increasing order of the claim; every cell has at least one row.

    z, p float64[m]: claimed logit (infinite where p is 0 or 1) and probability of yes. rows, infinite int64[m]: all of
    them, and those that cost infinitely much. zeros, ones, squares float64[m]: sums of weights by outcome, and of
    squared weights. if_one, if_zero float64[m]: what a row costs, in nats; where p is 0 or 1 the impossible outcome is
    counted in `infinite` and costs 0 here. width float64[m]: of the cell, in logits; 0 where scores are exact.
    """

    z: Array
    p: Array
    rows: Array
    infinite: Array
    zeros: Array
    ones: Array
    squares: Array
    if_one: Array
    if_zero: Array
    width: Array
    exact: bool

    @classmethod
    def of(cls, scores: Any) -> Claims:
        """From the scores of a state (z, p, low, high [m]; n, w, w2 [folds, outcome, m]; exact)."""
        n = scores.n.sum(axis=0)
        keep = n.sum(axis=0) > 0
        n, w, w2 = n[:, keep], scores.w.sum(axis=0)[:, keep], scores.w2.sum(axis=(0, 1))[keep]
        z, p = scores.z[keep], scores.p[keep]
        infinite = np.where(z == np.inf, n[0], 0) + np.where(z == -np.inf, n[1], 0)
        width = np.zeros(len(z))
        if not scores.exact:
            low, high, inner = scores.low[keep], scores.high[keep], np.isfinite(z)
            width[inner] = 2.0 * np.minimum(z[inner] - low[inner], high[inner] - z[inner])  # some are open on one side
        return cls(z, p, n.sum(axis=0), infinite, w[0], w[1], w2, *costs(z), width, scores.exact)

    @property
    def weight(self) -> Array:
        """Weight of each cell."""
        return self.zeros + self.ones

    @property
    def total(self) -> float:
        """Weight of all rows."""
        return float(self.weight.sum())

    def suffered(self, exactly: float | None = None) -> Array:
        """Nats that the rows of each cell cost as claimed, infinite rows at 0; float64[m], summed, not averaged.

        exactly: what they add up to. Rows of a cell claim what its middle does, or a little more or less; the rest is
        shared out by how much that can be, (1 - p) for a one and p for a zero, times the width.
        """
        nats = self.ones * self.if_one + self.zeros * self.if_zero
        doubt = (self.ones * np.exp(-self.if_zero) + self.zeros * np.exp(-self.if_one)) * self.width
        if exactly is not None and doubt.any():
            nats = nats + (exactly - nats.sum()) * (doubt / doubt.sum())
        return nats

    def brier(self) -> Array:
        """Sum of w (p - y)^2 of each cell, float64[m]."""
        return self.ones * (1.0 - self.p) ** 2 + self.zeros * self.p**2


def costs(z: Array) -> tuple[Array, Array]:
    """-log p and -log(1 - p) at logits z; 0 for the impossible outcome of a certain claim."""
    if_one, if_zero = np.logaddexp(0.0, -z), np.logaddexp(0.0, z)
    return np.where(z == -np.inf, 0.0, if_one), np.where(z == np.inf, 0.0, if_zero)


def pooled(claims: Claims, most: int) -> Claims:
    """At most `most` cells (and two of certain claims): neighbours become one, with the mean of their claims.

    Equal shares of a measure decide: half of it rows, half of it the logarithm of the rows' distance from the nearer
    end, since steps of an isotonic fit are short there. Certain claims (p 0 or 1) keep cells of their own.
    """
    if len(claims.z) <= most:
        return claims
    middle = np.cumsum(claims.rows) - 0.5 * claims.rows
    whole = claims.rows.sum()
    ends = np.log(middle) - np.log(whole - middle)
    measure = 0.5 * middle / whole + 0.5 * (ends - ends[0]) / (ends[-1] - ends[0])
    group = np.minimum((measure * most).astype(np.int64), most - 1)
    certain = np.isinf(claims.z)
    start = np.flatnonzero(np.concatenate([[True], (np.diff(group) > 0) | (certain[1:] != certain[:-1])]))

    def add(x: Array) -> Array:
        return np.add.reduceat(x, start)

    weight = add(claims.weight)
    yes = add(claims.weight * np.exp(-np.logaddexp(0.0, -claims.z))) / weight
    no = add(claims.weight * np.exp(-np.logaddexp(0.0, claims.z))) / weight
    tiny = np.finfo(np.float64).smallest_subnormal
    z = np.where(certain[start], claims.z[start], np.log(np.maximum(yes, tiny)) - np.log(np.maximum(no, tiny)))
    return Claims(
        z, np.where(certain[start], claims.p[start], yes), add(claims.rows), add(claims.infinite), add(claims.zeros),
        add(claims.ones), add(claims.squares), *costs(z), np.zeros(len(z)), False,
    )  # fmt: skip
