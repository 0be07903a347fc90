"""The functions whose derivatives are written out, because automatic ones would lose digits or make NaN.

Two facts force the shape. A derivative written with 1 - p is 0 where p rounds to 1, so every rule is a product of terms
that were never subtracted from 1. And a rule whose derivative is made of rules again is exact at every order.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from xent import laws
from xent.portable.ops import Array, Ops, Scalar

Pair = tuple[Array, Array]


class Rules:
    """For one namespace, made once: elementwise functions, laws, and the statistics of rows along the last axis."""

    softplus: Scalar  # log(1 + e^x)
    sigma: Scalar  # its derivative
    tanh: Scalar
    sech2: Scalar  # the derivative of tanh
    p_ratio: Scalar  # x / (e^x - 1), x > 0: part of the focal law
    shares: Callable[[Array], Pair]  # p = softmax(z) and q = 1 - p, both to the last digits
    nll: Callable[[Array], Array]  # -log p
    lse: Callable[[Array], Array]  # log sum_k e^z_k, one per row

    def __init__(self, ops: Ops) -> None:
        self.ops = ops
        self.costs: dict[laws.Law, Scalar] = {}
        self.sigma = ops.scalar_rule(self._sigma, lambda x: self.sigma(x) * self.sigma(-x))
        self.softplus = ops.scalar_rule(self._softplus, self.sigma)
        self.tanh = ops.scalar_rule(ops.tanh, lambda x: self.sech2(x))
        self.sech2 = ops.scalar_rule(self._sech2, lambda x: -2.0 * self.tanh(x) * self.sech2(x))
        self.p_ratio = ops.scalar_rule(lambda x: laws.probability(ops, x)[2], self._p_ratio_slope)
        self.shares = ops.row_rule(lambda z: statistics(ops, z)[:2], self._shares_jvp, self._shares_vjp)
        self.nll = ops.row_rule(lambda z: statistics(ops, z)[2], self._nll_jvp, self._nll_vjp)
        self.lse = ops.row_rule(lambda z: statistics(ops, z)[3], self._lse_jvp, self._lse_vjp)

    # elementwise

    def _sigma(self, x: Array) -> Array:
        e = self.ops.exp(-self.ops.abs(x))
        return self.ops.where(x < 0, e, 1.0) / (1.0 + e)

    def _softplus(self, x: Array) -> Array:
        return self.ops.where(x > 0, x, 0.0) + self.ops.log1p(self.ops.exp(-self.ops.abs(x)))

    def _sech2(self, x: Array) -> Array:
        e = self.ops.exp(-2.0 * self.ops.abs(x))
        return 4.0 * e / ((1.0 + e) * (1.0 + e))

    def _p_ratio_slope(self, x: Array) -> Array:
        """Of p x / q, p = e^-x, q = 1 - p: (p / q) (1 - x / q), with no square of a q that may be tiny."""
        p, q = self.ops.exp(-x), -self.ops.expm1(-x)
        return p / q * (1.0 - x / q)

    def cost(self, law: laws.Law) -> Scalar:
        """What a negative log-probability costs; its derivative is the law's slope, and that one's the law's curve."""
        if law == laws.Log():
            return lambda nll: nll
        if law not in self.costs:
            ops = self.ops

            def curve(nll: Array) -> Array:
                ends = (nll == 0) | (nll == math.inf)  # where it is 0 or meets a factor 0 in every derivative
                inner = ops.where(ends, 1.0, nll)
                return ops.where(ends, 0.0, law.curve(ops, inner, self.p_ratio(inner)))

            slope = ops.scalar_rule(lambda nll: law.terms(ops, nll)[1], curve)
            self.costs[law] = ops.scalar_rule(lambda nll: law.terms(ops, nll)[0], slope)
        return self.costs[law]

    # rows: d nll_k = sum_{j != k} p_j dz_j - q_k dz_k,  dp_k = p_k (q_k dz_k - sum_{j != k} p_j dz_j) = -dq_k

    def _nll_jvp(self, z: Array, dz: Array) -> Array:
        p, q = self.shares(z)
        return others(self.ops, z, p * dz) - q * dz

    def _nll_vjp(self, z: Array, u: Array) -> Array:
        p, q = self.shares(z)
        return p * others(self.ops, z, u) - q * u

    def _shares_jvp(self, z: Array, dz: Array) -> Pair:
        dp = self._spread(z, dz)
        return dp, -dp

    def _shares_vjp(self, z: Array, u: Pair) -> Array:
        return self._spread(z, u[0] - u[1])

    def _spread(self, z: Array, h: Array) -> Array:
        """(diag p - p p^T) h, which is its own transpose."""
        p, q = self.shares(z)
        return p * (q * h - others(self.ops, z, p * h))

    def _lse_jvp(self, z: Array, dz: Array) -> Array:
        p = self.shares(z)[0]
        return self.ops.sum(p * self.ops.where(p == 0, 0.0, dz), -1)

    def _lse_vjp(self, z: Array, u: Array) -> Array:
        p = self.shares(z)[0]
        return p * self.ops.where(p == 0, 0.0, u[..., None])  # lse may be infinite, and z-loss squares it


def rules(ops: Ops) -> Rules:
    """The rules of a namespace."""
    if ops.rules is None:
        ops.rules = Rules(ops)
    known: Rules = ops.rules
    return known


def times(ops: Ops, a: Array, b: Array) -> Array:
    """a * b with 0 * inf = 0 and no NaN in a derivative: where `a` is 0, an infinite `b` is not there.

    >>> import numpy as np
    >>> from xent.portable.ops import NUMPY
    >>> times(NUMPY, np.array([0.0, 0.0, 2.0]), np.array([np.inf, 3.0, 3.0]))
    array([0., 0., 6.])
    """
    return a * ops.where((a == 0) & ops.isinf(b), 0.0, b)


def priced(ops: Ops, rate: Array | None, nll: Array, law: laws.Law) -> Array:
    """rate * phi(nll), 0 where the rate is 0 and the nll infinite; without a rate phi(nll)."""
    if rate is None:
        return rules(ops).cost(law)(nll)
    nll = ops.where((rate == 0) & ops.isinf(nll), 0.0, nll)
    return rate * rules(ops).cost(law)(nll)


def top_of(ops: Ops, z: Array) -> Array:
    """Which class of each row is the largest; one of them where several are."""
    return ops.arange(z.shape[-1], z) == ops.argmax(z, -1, keepdims=True)


def others(ops: Ops, z: Array, x: Array) -> Array:
    """sum_{j != k} x_j for every class k, the class on top never having been in its own sum."""
    top = top_of(ops, z)
    beside = ops.where(top, 0.0, x)
    rest = ops.sum(beside, -1, keepdims=True)
    first = ops.sum(ops.where(top, x, 0.0), -1, keepdims=True)
    return ops.where(top, rest, (rest - beside) + first)


def statistics(ops: Ops, z: Array) -> tuple[Array, Array, Array, Array]:
    """p, q = 1 - p, nll = -log p [N, K] and lse [N]; exactly one +inf is the limit of a class that wins."""
    hot = z == math.inf
    one = ops.sum(hot, -1, keepdims=True) == 1
    y = ops.where(one, ops.where(hot, 0.0, ops.where(ops.isnan(z), z, -math.inf)), z)
    m = ops.max(y, -1, keepdims=True)
    top = top_of(ops, y)
    d = y - m
    part = d - y
    low = (y - (d - part)) + (-m - part)  # what rounding took from d (two-sum), given back to exp
    low = ops.where(ops.isfinite(low), low, 0.0)
    e = ops.exp(d)
    e = ops.where(ops.isfinite(m), e + e * low, math.nan)
    rest = ops.sum(ops.where(top, 0.0, e), -1, keepdims=True)
    rise = ops.log1p(rest)  # lse - m
    whole = 1.0 + rest
    lse = ops.where(one & ops.isfinite(m), math.inf, m + rise)
    return e / whole, ops.where(top, rest, 1.0 + (rest - e)) / whole, (rise - low) - d, lse[..., 0]
