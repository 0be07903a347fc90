"""What a negative log-probability costs: nll -> (cost, slope, bend), with p = e^-nll and q = 1 - p.

Two facts force the shape. A loss is a law of `nll` and nothing else, so each law is written once here, as three lines
of mathematics, and the kernels write the same three lines. And the curvature enters every Hessian only as
`bend = q * cost''`, which stays finite at nll = 0 where cost'' alone may not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any  # float64 arrays of any shape
Terms = tuple[Array, Array, Array]


def _probability(nll: Array) -> Terms:
    """p, q = 1 - p and nll / q; the last is 1 at nll = 0, and p * (nll / q) is 0 at nll = inf."""
    p, q = np.exp(-nll), -np.expm1(-nll)
    ratio = np.divide(nll, q, out=np.ones_like(nll), where=q != 0)
    return p, q, ratio


def _times(p: Array, ratio: Array) -> Array:
    """p * ratio, with 0 * inf = 0."""
    return np.multiply(p, ratio, out=np.zeros_like(p), where=p != 0)


@dataclass(frozen=True, slots=True)
class Log:
    """cost = nll: the log loss itself."""

    def __call__(self, nll: Array) -> Terms:
        nll = np.asarray(nll, np.float64)
        flat = np.where(np.isnan(nll), np.nan, 1.0)
        return nll, flat, 0.0 * flat


@dataclass(frozen=True, slots=True)
class Focal:
    """cost = q^gamma * nll (Lin et al. 2017, arXiv:1708.02002, eq. 4): easy targets count less."""

    gamma: float

    def __call__(self, nll: Array) -> Terms:
        g, nll = self.gamma, np.asarray(nll, np.float64)
        p, q, ratio = _probability(nll)
        p_ratio, power = _times(p, ratio), q**g
        slope = power * (1.0 + g * p_ratio)
        return power * nll, slope, g * power * (2.0 * p + p_ratio * ((g - 1.0) * p - q))


@dataclass(frozen=True, slots=True)
class Poly:
    """cost = nll + epsilon * q (Leng et al. 2022, arXiv:2204.12511, eq. 6, poly-1)."""

    epsilon: float

    def __call__(self, nll: Array) -> Terms:
        p, q, _ = _probability(np.asarray(nll, np.float64))
        return nll + self.epsilon * q, 1.0 + self.epsilon * p, -self.epsilon * p * q


@dataclass(frozen=True, slots=True)
class Generalised:
    """cost = (1 - p^order) / order (Zhang & Sabuncu 2018, arXiv:1805.07836, eq. 6): bounded by 1 / order."""

    order: float

    def __call__(self, nll: Array) -> Terms:
        nll = np.asarray(nll, np.float64)
        slope = np.exp(-self.order * nll)
        return -np.expm1(-self.order * nll) / self.order, slope, self.order * slope * np.expm1(-nll)


Law = Log | Focal | Poly | Generalised


def choose(gamma: float, poly: float, gce: float) -> Law:
    """The law that the options name; at most one of them may be non-zero."""
    if (gamma != 0) + (poly != 0) + (gce != 0) > 1:
        raise ValueError(
            f"`gamma`, `poly` and `gce` each name a law, and a loss has one; got {gamma=}, {poly=}, {gce=}. "
            "Leave all but one of them at 0."
        )
    if gamma != 0:
        return Focal(gamma)
    if poly != 0:
        return Poly(poly)
    return Generalised(gce) if gce != 0 else Log()
