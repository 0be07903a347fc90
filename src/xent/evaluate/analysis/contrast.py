r"""The mean loss of a slice against the mean of all rows, the slice among them.

With r = l − m, weights W_g of a slice g and W of all rows, the difference is D = Σ_g wr / W_g, and row i moves it by

.. math:: \psi_i = 1_g \frac{w_i (r_i - D)}{W_g} - \frac{w_i r_i}{W}, \qquad SE^2 = \frac{k}{k-1} \sum_i \psi_i^2

(linearised; k: rows of the slice, or of the rest where these are fewer), or its sums by cluster. Losses are skewed: a
small slice that happens to hold no dear row is cheap and has a small error, too, and would seem far too certain. So
the p-value rests on the larger of two errors, this one and the error if the slice's rows were rows like all others.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

Array = Any


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over finite rows, by slice: rows n, Σw, Σwr, Σw², Σw²r, Σw²r², each float64 [slices]."""

    n: Array
    w: Array
    wr: Array
    w2: Array
    w2r: Array
    w2r2: Array

    def some(self, which: Array) -> Sums:
        """Of some slices."""
        return Sums(*(getattr(self, field.name)[which] for field in fields(self)))


@dataclass(frozen=True, eq=False)
class Whole:
    """The same sums over all rows; r is taken from their mean, so Σwr = 0."""

    n: float
    w: float
    w2: float
    w2r2: float


@dataclass(frozen=True, eq=False)
class Contrast:
    """By slice: D, its standard error, the error if the slice were like all rows (both inf where there is none), and
    degrees of freedom."""

    difference: Array
    error: Array
    under_null: Array
    freedom: Array

    @property
    def p_value(self) -> Array:
        """Two-sided, by Student's t and the larger error; 1 where there is none."""
        from scipy.special import stdtr

        error = np.maximum(self.error, self.under_null)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(error > 0, np.abs(self.difference) / error, 0.0)
        return np.where(np.isfinite(error), np.minimum(1.0, 2.0 * stdtr(np.maximum(self.freedom, 1), -t)), 1.0)

    def wider(self, factor: Array, freedom: Array) -> Contrast:
        """With larger errors and no more degrees of freedom."""
        with np.errstate(invalid="ignore"):  # 0 · inf: no error known
            error, null = (np.nan_to_num(e * factor, nan=np.inf, posinf=np.inf) for e in (self.error, self.under_null))
        return Contrast(self.difference, error, null, np.minimum(self.freedom, freedom))


def contrast(s: Sums, whole: Whole) -> Contrast:
    """Of independent rows."""
    fewer = np.minimum(s.n, whole.n - s.n)
    with np.errstate(divide="ignore", invalid="ignore"):
        d = np.where(s.w > 0, s.wr / s.w, 0.0)
        own = (s.w2r2 - 2.0 * d * s.w2r + d * d * s.w2) / (s.w * s.w)
        shared = (s.w2r2 - d * s.w2r) / (s.w * whole.w)
        variance = own - 2.0 * shared + whole.w2r2 / whole.w**2
        error = np.sqrt(np.maximum(variance, 0.0) * fewer / (fewer - 1.0))
        alike = s.w2 / (s.w * s.w) - 2.0 * s.w2 / (s.w * whole.w) + whole.w2 / whole.w**2
        null = np.sqrt(np.maximum(alike, 0.0) * whole.w2r2 / whole.w2)
    known = fewer >= 2
    return Contrast(d, np.where(known, error, np.inf), np.where(known, null, np.inf), fewer - 1.0)


@dataclass(frozen=True, eq=False)
class Clusters:
    """Σwr and Σw of all rows by cluster, float64 [clusters]."""

    wr: Array
    w: Array


def clustered(found: Contrast, wr: Array, w: Array, every: Clusters) -> Contrast:
    """The same contrasts with errors of clusters, where these are larger.

    wr, w: Σwr and Σw by slice and cluster, float64 [slices, clusters]. Degrees of freedom are those of the clusters
    that the slice lies in, or the rest, whichever are fewer.
    """
    occupied = max(int((every.w > 0).sum()), 2)
    inside = (w > 0).sum(axis=1)
    fewer = np.minimum(inside, (w < every.w * (1.0 - 1e-12)).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        own = (wr - found.difference[:, None] * w) / w.sum(axis=1)[:, None]
        moved = own - every.wr / every.w.sum()
        error = np.sqrt(occupied / (occupied - 1.0) * (moved * moved).sum(axis=1))
    error = np.where(fewer >= 2, np.maximum(error, found.error), np.inf)
    return Contrast(found.difference, error, found.under_null, np.minimum(found.freedom, fewer - 1.0))


def adjusted(p: Array, tried: int) -> Array:
    """q-values: Benjamini & Hochberg (JRSS B 57, 1995) over `tried` tests, of which those not in p count as p = 1."""
    if not len(p):
        return np.zeros(0)
    order = np.argsort(p, kind="stable")
    raised = p[order] * tried / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum(1.0, np.minimum.accumulate(raised[::-1])[::-1])
    return q
