"""The focal loss of optax, torchvision and Keras for soft targets: one factor of the blended probability.

`laws.Focal` weighs the two terms of a soft target each by its own factor. For hard targets both are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

from xent.portable.ops import Ops

Array = Any


def focal(ops: Ops, losses: Callable[[Array, Array], Array], z: Array, t: Array, alpha: Any, gamma: Any) -> Array:
    """alpha_t (1 - p_t)^gamma BCE(z, t), each element, in float32 or better (Lin et al. 2017, arXiv:1708.02002, eq. 5).

    p_t = t p + (1 - t)(1 - p), alpha_t = alpha t + (1 - alpha)(1 - t); `losses` gives BCE. With s = e^-|z|, a the
    target's share on the wrong side and b = 1 - a: 1 - p_t = (a + b s) / (1 + s), a sum of what is never negative. An
    infinite logit costs a^(1 + gamma) |z|.
    """
    z = ops.compute(z)
    share, none = ops.cast(t, z), ops.zeros_like(z)
    side = 1.0 if alpha is None else alpha * share + (1.0 - alpha) * (1.0 - share)
    endless, up = ops.isinf(z), z > 0
    finite = ops.where(endless if alpha is None else endless | ((side == 0) & ops.isnan(z)), none, z)
    a, b = ops.where(up, 1.0 - share, share), ops.where(up, share, 1.0 - share)
    plain = losses(finite, t) * factor(ops, ops.where(up, finite, -finite), a, b, gamma)
    beyond = endless & (a != 0) & (side != 0)
    wrong = ops.where(beyond, a, none + 1.0)
    limit = wrong * power(ops, wrong, ops.log(wrong), gamma) * ops.where(beyond, ops.abs(z), none)
    return side * ops.where(endless, ops.where(beyond, limit, none), plain)


def factor(ops: Ops, size: Array, a: Array, b: Array, gamma: Any) -> Array:
    """(1 - p_t)^gamma for |z| = `size`."""
    s = ops.exp(-size)
    right = a == 0
    one = ops.ones_like(s)
    rest = ops.log(ops.where(right, one, a + b * s))
    edge = ops.log(ops.where(right, b, one)) - size + a * ops.exp(ops.minimum(size, 80.0 * one))  # d/da is e^|z|
    return power(ops, (a + b * s) / (1.0 + s), ops.where(right, edge, rest) - ops.log1p(s), gamma)


def power(ops: Ops, q: Array, log_q: Array, gamma: Any) -> Array:
    """q^gamma, by its logarithm where gamma is no whole number: q may underflow, and its slope then has no limit."""
    if isinstance(gamma, Real) and float(gamma).is_integer():
        return q ** int(float(gamma))
    return ops.exp(gamma * log_q)
