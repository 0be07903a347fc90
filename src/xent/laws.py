"""What a negative log-probability costs: nll -> (cost, slope, bend), with p = e^-nll and q = 1 - p.

Two facts force the shape. A loss is a law of `nll` and nothing else, so each law is written once here, as three lines
of mathematics, and the kernels write the same three lines. And the curvature enters every Hessian only as
`bend = q * cost''`, which stays finite at nll = 0 where cost'' alone may not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any  # of any shape
Terms = tuple[Array, Array, Array]


class _Terms:
    """A law is called with float64 NumPy; `terms` takes any namespace that has exp, expm1, where and isnan."""

    __slots__ = ()

    def __call__(self, nll: Array) -> Terms:
        return self.terms(np, np.asarray(nll, np.float64))

    def terms(self, ops: Any, nll: Array) -> Terms:
        raise NotImplementedError

    def curve(self, ops: Any, nll: Array, p_ratio: Array) -> Array:
        """cost'' = bend / q for 0 < nll < inf as autodiff wants it: nothing divided by q, p * (nll / q) given."""
        raise NotImplementedError


def probability(ops: Any, nll: Array) -> Terms:
    """p, q = 1 - p and p * (nll / q), which is 1 at nll = 0 and 0 at nll = inf."""
    p, q = ops.exp(-nll), -ops.expm1(-nll)
    ratio = ops.where(q != 0, nll / ops.where(q != 0, q, 1.0), 1.0)
    return p, q, ops.where(p != 0, p * ops.where(p != 0, ratio, 1.0), 0.0)


@dataclass(frozen=True, slots=True)
class Log(_Terms):
    """cost = nll: the log loss itself."""

    def terms(self, ops: Any, nll: Array) -> Terms:
        flat = ops.where(ops.isnan(nll), nll, 1.0)
        return nll, flat, 0.0 * flat

    def curve(self, ops: Any, nll: Array, p_ratio: Array) -> Array:
        return 0.0 * nll


@dataclass(frozen=True, slots=True)
class Focal(_Terms):
    """cost = q^gamma * nll (Lin et al. 2017, arXiv:1708.02002, eq. 4): easy targets count less."""

    gamma: float

    def terms(self, ops: Any, nll: Array) -> Terms:
        g = self.gamma
        p, q, p_ratio = probability(ops, nll)
        power = q**g
        slope = power * (1.0 + g * p_ratio)
        return power * nll, slope, g * power * (2.0 * p + p_ratio * ((g - 1.0) * p - q))

    def curve(self, ops: Any, nll: Array, p_ratio: Array) -> Array:
        g, p, q = self.gamma, ops.exp(-nll), -ops.expm1(-nll)
        return g * q ** (g - 1.0) * (2.0 * p + p_ratio * ((g - 1.0) * p - q))


@dataclass(frozen=True, slots=True)
class Poly(_Terms):
    """cost = nll + epsilon * q (Leng et al. 2022, arXiv:2204.12511, eq. 6, poly-1)."""

    epsilon: float

    def terms(self, ops: Any, nll: Array) -> Terms:
        p, q, _ = probability(ops, nll)
        return nll + self.epsilon * q, 1.0 + self.epsilon * p, -self.epsilon * p * q

    def curve(self, ops: Any, nll: Array, p_ratio: Array) -> Array:
        return -self.epsilon * ops.exp(-nll)


@dataclass(frozen=True, slots=True)
class Generalised(_Terms):
    """cost = (1 - p^order) / order (Zhang & Sabuncu 2018, arXiv:1805.07836, eq. 6): bounded by 1 / order."""

    order: float

    def terms(self, ops: Any, nll: Array) -> Terms:
        slope = ops.exp(-self.order * nll)
        return -ops.expm1(-self.order * nll) / self.order, slope, self.order * slope * ops.expm1(-nll)

    def curve(self, ops: Any, nll: Array, p_ratio: Array) -> Array:
        return -self.order * ops.exp(-self.order * nll)


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
