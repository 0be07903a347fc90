"""Divergences of log-probabilities, and smoothed labels, with optax's signatures."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import jax.numpy as jnp

from xent.jax.shapes import class_axes, floating, joined, mask

Array = Any


def kl_divergence(log_predictions: Any, targets: Any, axis: Any = -1, where: Any = None) -> Array:
    """sum_k targets_k (log targets_k - log_predictions_k), one value per distribution; optax's signature.

    Args:
        log_predictions: log-probabilities, floating-point.
        targets: probabilities, floating-point, in the same shape, or one that broadcasts to it. Neither needs to be
            normalised: the sum is taken as it stands.
        axis: the axis or axes of a distribution; None for all.
        where: boolean, broadcasting to the terms: False leaves a term out.

    Returns:
        The divergence in the dtype of the arguments, their shape without `axis`. A term with target 0 is 0 whatever the
        prediction, with derivatives 0; a positive target predicted -inf is +inf; a negative target is NaN.

    Raises:
        TypeError: arguments that are not floating-point. ValueError: shapes.

    Also called relative entropy (Kullback & Leibler 1951). `xent.kl_divergence(p, q)` checks that both are
    distributions.

    >>> import numpy as np
    >>> print(np.asarray(kl_divergence(jnp.log(jnp.array([0.9, 0.1])), [0.5, 0.5])).round(6))
    0.510826
    """
    lp, t, dtype = _pair(log_predictions, targets, "targets")
    present = (t != 0) & _mask(where, t.shape)
    t, lp = jnp.where(present, t, 1), jnp.where(present, lp, 0)
    terms = jnp.where(present, t * (jnp.log(t) - lp), 0)
    return terms.sum(class_axes(axis, terms.ndim)).astype(dtype)


def kl_divergence_with_log_targets(log_predictions: Any, log_targets: Any, axis: Any = -1, where: Any = None) -> Array:
    """sum_k e^log_targets_k (log_targets_k - log_predictions_k), one value per distribution; optax's signature.

    Everything as in `kl_divergence`, with the targets as log-probabilities too; a target at -inf costs 0.

    >>> import numpy as np
    >>> log_p, log_q = jnp.log(jnp.array([0.5, 0.5])), jnp.log(jnp.array([0.9, 0.1]))
    >>> print(np.asarray(kl_divergence_with_log_targets(log_q, log_p)).round(6))
    0.510826
    """
    lp, lt, dtype = _pair(log_predictions, log_targets, "log_targets")
    present = (lt != -jnp.inf) & _mask(where, lt.shape)
    lt, lp = jnp.where(present, lt, 0), jnp.where(present, lp, 0)
    terms = jnp.where(present, jnp.exp(lt) * (lt - lp), 0)
    return terms.sum(class_axes(axis, terms.ndim)).astype(dtype)


def _pair(log_predictions: Any, targets: Any, name: str) -> tuple[Array, Array, Any]:
    """Both arrays in one shape and float32 or better, and the dtype of the result."""
    lp, t = floating("log_predictions", log_predictions), floating(name, targets)
    shape = joined("log_predictions", lp.shape, name, t.shape)
    dtype = jnp.result_type(lp, t)
    wide = jnp.promote_types(dtype, jnp.float32)
    return jnp.broadcast_to(lp.astype(wide), shape), jnp.broadcast_to(t.astype(wide), shape), dtype


def _mask(where: Any, shape: tuple[int, ...]) -> Array:
    if where is None:
        return True
    keep = mask(where)
    joined("log_predictions", shape, "where", keep.shape)
    return keep


def smooth_labels(labels: Any, alpha: Any, *, axis: Any = -1, where: Any = None) -> Array:
    """(1 - alpha) labels + alpha / K over the K classes of `axis`; optax's signature.

    Args:
        labels: one-hot or soft, floating-point.
        alpha: the share that is spread evenly, in [0, 1]; a number or an array.
        axis: the class axis or axes; None for all.
        where: boolean, broadcasting to the labels: K counts the classes that are True, and only they get a share.

    Returns:
        The smoothed labels, in the labels' dtype and shape. The losses do the same with `label_smoothing=alpha`.

    Raises:
        TypeError: labels that are not floating-point (class ids, perhaps). ValueError: alpha as a number out of range.

    Szegedy et al. 2016, arXiv:1512.00567, section 7.

    >>> import numpy as np
    >>> print(np.asarray(smooth_labels([0.0, 1.0, 0.0, 0.0], 0.2)).round(4))
    [0.05 0.85 0.05 0.05]
    """
    t = floating("labels", labels)
    if isinstance(alpha, Real) and not 0 <= float(alpha) <= 1:
        raise ValueError(f"`alpha` must be in [0, 1]; got {alpha!r}.")
    axes = class_axes(axis, t.ndim)
    if where is None:
        return (1 - alpha) * t + alpha / math.prod(t.shape[a] for a in axes)
    keep = jnp.broadcast_to(_mask(where, t.shape), t.shape)
    share = alpha / jnp.maximum(keep.sum(axes, keepdims=True), 1).astype(t.dtype)
    return (1 - alpha) * t + jnp.where(keep, share, 0)
