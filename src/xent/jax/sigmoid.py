"""Every logit its own yes-or-no question, with optax's signatures."""

from __future__ import annotations

from numbers import Real
from typing import Any

import jax.numpy as jnp

from xent.backends.jax.ops import OPS
from xent.jax.shapes import array, exact, floating, joined, mask
from xent.losses import sigmoid_cross_entropy
from xent.portable.blended import focal

Array = Any


def pair(logits: Any, labels: Any) -> tuple[Array, Array]:
    """Logits and labels as arrays of one shape."""
    z, t = floating("logits", logits), array("labels", labels)
    shape = joined("logits", z.shape, "labels", t.shape)
    return jnp.broadcast_to(z, shape), jnp.broadcast_to(t, shape)


def sigmoid_binary_cross_entropy(logits: Any, labels: Any, **options: Any) -> Array:
    """labels softplus(-logits) + (1 - labels) softplus(logits), one loss per logit; optax's signature.

    Args:
        logits: floating-point, any shape.
        labels: in [0, 1], bool, integer or floating; the logits' shape, or one that broadcasts to it.
        options: those of `xent.sigmoid_cross_entropy`, as keywords; `reduction` is "none" unless given.

    Returns:
        The losses in the logits' dtype and shape.

    Raises:
        TypeError: integer logits. ValueError: shapes, options; labels outside [0, 1], where they can be seen (under jit
            their loss is NaN).

    Also called binary cross-entropy with logits.

    >>> import numpy as np
    >>> print(np.asarray(sigmoid_binary_cross_entropy([2.0, -1.0], [1.0, 0.0])).round(4))
    [0.1269 0.3133]
    """
    z, t = pair(logits, labels)
    return exact(sigmoid_cross_entropy, z, t, **options)


def sigmoid_focal_loss(
    logits: Any, labels: Any, *, alpha: Any = None, gamma: Any = 2.0, sample_weight: Any = None, where: Any = None
) -> Array:
    """alpha_t (1 - p_t)^gamma BCE(logits, labels), one loss per logit; optax's signature.

    p_t = labels p + (1 - labels)(1 - p) and alpha_t = alpha labels + (1 - alpha)(1 - labels) with p = sigmoid(logits):
    for soft labels one factor of the blended probability, as in optax and torchvision. (`xent.sigmoid_cross_entropy`
    with `gamma` weighs its two terms each by its own factor. Hard labels make no difference.)

    Args:
        logits: floating-point, any shape.
        labels: in [0, 1]; the logits' shape, or one that broadcasts to it. Bool and integer labels are hard for sure
            and take one fused pass.
        alpha: in [0, 1], a number or an array that broadcasts to the losses; None: no weights.
        gamma: >= 0, a number or an array that broadcasts to the losses.
        sample_weight, where: factors >= 0 (NaN for others) and a mask, of the losses' shape or broadcasting to it.

    Returns:
        The losses in the logits' dtype and shape. Finite derivatives of every order at saturated logits, gamma < 1
        included.

    Raises:
        As `sigmoid_binary_cross_entropy`; ValueError for alpha or gamma given as numbers out of range.

    Lin et al. 2017, arXiv:1708.02002, eq. 5.

    >>> import numpy as np
    >>> print(np.asarray(sigmoid_focal_loss([2.0, -1.0], [1.0, 0.0])).round(6))
    [0.001804 0.022658]
    """
    z, t = pair(logits, labels)
    for name, value, rule, most in (("gamma", gamma, ">= 0", jnp.inf), ("alpha", alpha, "in [0, 1]", 1.0)):
        if isinstance(value, Real) and not 0 <= float(value) <= most:
            raise ValueError(f"`{name}` must be {rule}; got {value!r}.")
    weigh = [x for x in (sample_weight, where) if x is not None]
    numbers = isinstance(gamma, Real) and (alpha is None or isinstance(alpha, Real))
    if numbers and not weigh and not jnp.issubdtype(t.dtype, jnp.inexact):
        return exact(sigmoid_cross_entropy, z, t, gamma=float(gamma), alpha=None if alpha is None else float(alpha))
    keep = True if where is None else jnp.broadcast_to(mask(where), z.shape)
    if sample_weight is not None:
        sample_weight = array("sample_weight", sample_weight)
        sample_weight = jnp.where((sample_weight >= 0) & jnp.isfinite(sample_weight), sample_weight, jnp.nan)
        keep &= sample_weight != 0
    z = z if keep is True else jnp.where(keep, z, 0)
    factors = [x if x is None or isinstance(x, Real) else jnp.asarray(x, jnp.float32) for x in (alpha, gamma)]
    loss = focal(OPS, lambda finite, soft: exact(sigmoid_cross_entropy, finite, soft), z, t, *factors)
    if sample_weight is not None:
        loss = sample_weight.astype(loss.dtype) * loss
    loss = loss if keep is True else jnp.where(keep, loss, 0)
    return loss.astype(z.dtype)
