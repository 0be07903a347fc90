"""Entropy and divergences of rows with their derivatives, to any order, for a framework that differentiates them.

What has no mass takes no part: where p = 0 the slope of p log p is +inf, its limit, but 0 times it is 0, and so it is
for log q at q = 0. Logarithms of -inf have mass 0 and slope 0.
"""

from __future__ import annotations

from math import inf
from typing import Any

from xent.portable import information as values
from xent.portable.absorbing import of_one, of_two
from xent.portable.rules import rules

Array = Any


class Divergences:
    """For one namespace, made once: the elementwise rules, and the measures of rows built of them."""

    def __init__(self, ops: Any) -> None:
        self.ops = ops
        sigma = rules(ops).sigma
        self.inverse = of_one(ops, lambda x: 1.0 / x, lambda x: -self.inverse(x) * self.inverse(x))
        self.cost = of_one(ops, lambda x: -ops.log(x) + 0.0, lambda x: -self.inverse(x))
        self.cost_of_rest = of_one(ops, lambda x: -ops.log1p(-x), lambda x: self.inverse(1.0 - x))
        self.surprise = of_one(ops, lambda x: values.product(ops, -x, ops.log(x)), lambda x: self.cost(x) - 1.0)
        self.product = of_two(ops, lambda x, y: values.product(ops, x, y), lambda x, y: y, lambda x, y: x)
        self.priced = of_two(  # -a log b
            ops,
            lambda a, b: values.product(ops, -a, ops.log(b)),
            lambda a, b: self.cost(b),
            lambda a, b: -self.product(a, self.inverse(b)),
        )
        self.priced_rest = of_two(  # -a log(1 - b)
            ops,
            lambda a, b: values.product(ops, -a, ops.log1p(-b)),
            lambda a, b: self.cost_of_rest(b),
            lambda a, b: self.product(a, self.inverse(1.0 - b)),
        )
        self.log_ratio = of_two(
            ops,
            lambda a, b: values.log_ratio(ops, a, b),
            lambda a, b: self.inverse(a),
            lambda a, b: -self.inverse(b),
        )
        self.log_share = of_two(ops, lambda a, b: values.log_share(ops, a, b), self._share_slope, self._share_cross)
        self.log_share_of_logs = of_one(ops, lambda x: values.log_share_of_logs(ops, x), lambda x: -sigma(x))
        self.excess = of_two(
            ops,
            lambda a, b: values.excess(ops, a, b),
            lambda a, b: -self.mass(a),
            lambda a, b: self.mass(b),
        )
        self._add_rows(ops)

    def _add_rows(self, ops: Any) -> None:
        """The divergences, each a sum over the last axis."""
        self.kl = of_two(
            ops,
            lambda a, b: values.kl(ops, a, b),
            lambda a, b: self.log_ratio(a, b) + 1.0,
            lambda a, b: -self.product(a, self.inverse(b)),
            rows=True,
        )
        self.kl_of_logs = of_two(
            ops,
            lambda a, b: values.kl_of_logs(ops, a, b),
            lambda a, b: -self.product(self.mass(a), self._step(a, b)),
            lambda a, b: self.excess(a, b),
            rows=True,
        )
        self.js = of_two(
            ops,
            lambda a, b: values.js(ops, a, b),
            lambda a, b: self.log_share(a, b) / 2.0,
            lambda a, b: self.log_share(b, a) / 2.0,
            rows=True,
        )
        self.js_of_logs = of_two(
            ops,
            lambda a, b: values.js_of_logs(ops, a, b),
            lambda a, b: self.product(self.mass(a), self.log_share_of_logs(self._step(a, b))) / 2.0,
            lambda a, b: self.product(self.mass(b), self.log_share_of_logs(self._step(b, a))) / 2.0,
            rows=True,
        )

    def mass(self, a: Array) -> Array:
        """e^a, with derivatives exactly 0 where it is 0."""
        gone = self.ops.exp(a) == 0
        return self.ops.where(gone, 0.0, self.ops.exp(self.ops.where(gone, 0.0, a)))

    def _step(self, a: Array, b: Array) -> Array:
        """b - a, 0 where both are -inf."""
        gone = (a == -inf) & (b == -inf)
        return self.ops.where(gone, 0.0, b) - self.ops.where(gone, 0.0, a)

    def _share_slope(self, a: Array, b: Array) -> Array:
        """b / (a (a + b))"""
        whole = a + b
        return self.product(self.inverse(a), b / self.ops.where(whole == 0, 1.0, whole))

    def _share_cross(self, a: Array, b: Array) -> Array:
        """-1 / (a + b)"""
        whole = a + b
        return self.ops.where(whole == 0, 0.0, -1.0 / self.ops.where(whole == 0, 1.0, whole))

    def entropy(self, a: Array, log: bool) -> Array:
        """H(p)."""
        return self.ops.sum(self.product(self.mass(a), -a) if log else self.surprise(a), -1) + 0.0

    def cross_entropy(self, a: Array, b: Array, log: bool) -> Array:
        """H(p, q)."""
        return self.ops.sum(self.product(self.mass(a), -b) if log else self.priced(a, b), -1) + 0.0

    def kl_divergence(self, a: Array, b: Array, log: bool) -> Array:
        """KL(p || q)."""
        return self.kl_of_logs(a, b) if log else self.kl(a, b)

    def js_divergence(self, a: Array, b: Array, log: bool) -> Array:
        """JS(p, q)."""
        return self.js_of_logs(a, b) if log else self.js(a, b)


def divergences(ops: Any) -> Divergences:
    """The divergences of a namespace."""
    if ops.divergences is None:
        ops.divergences = Divergences(ops)
    known: Divergences = ops.divergences
    return known
