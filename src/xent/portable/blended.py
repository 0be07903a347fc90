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
    share = ops.cast(t, z)
    side = 1.0 if alpha is None else alpha * share + (1.0 - alpha) * (1.0 - share)
    endless = ops.isinf(z)
    finite = ops.where(endless if alpha is None else endless | ((side == 0) & ops.isnan(z)), ops.zeros_like(z), z)
    up = z > 0
    s = ops.exp(ops.where(up, -finite, finite))
    a, b = ops.where(up, 1.0 - share, share), ops.where(up, share, 1.0 - share)
    plain = losses(finite, t) * power(ops, (a + b * s) / (1.0 + s), gamma)
    none = ops.zeros_like(z)
    beyond = endless & (a != 0) & (side != 0)
    limit = ops.where(beyond, a, none) * power(ops, ops.where(beyond, a, none + 1.0), gamma)
    return side * ops.where(endless, limit * ops.where(beyond, ops.abs(z), none), plain)


def power(ops: Ops, q: Array, gamma: Any) -> Array:
    """q^gamma for 0 <= q <= 1, with derivatives where q has underflowed."""
    if isinstance(gamma, Real) and float(gamma).is_integer():
        return q ** int(float(gamma))
    return ops.maximum(q, ops.zeros_like(q) + 2.0**-126) ** gamma
