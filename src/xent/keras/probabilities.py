"""Losses of probabilities as Keras takes them: clipped to [epsilon, 1 - epsilon], categorical ones normalised first.

With `epsilon=0` they are taken as they are: probability 0 on the truth costs +inf, and 0 log 0 = 0. A factor 0 beside
an infinite logarithm is kept out of the derivatives by giving the logarithm another argument there.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Array = Any


def floor(epsilon: float | None) -> float:
    """The clip: Keras's own unless given."""
    if epsilon is None:
        return float(keras.config.epsilon())
    if not 0 <= epsilon < 0.5:
        raise ValueError(f"`epsilon` must be in [0, 0.5); got {epsilon!r}. 0 takes probabilities as they are.")
    return float(epsilon)


def surprise(share: Array, p: Array) -> Array:
    """-share log p, with 0 log 0 = 0."""
    there = share != 0
    return ops.where(there, -share * ops.log(ops.where(there, p, 1.0)), 0.0)


def distribution(p: Array, axis: int, epsilon: float) -> Array:
    """Probabilities along `axis`, normalised and clipped; as they are for epsilon 0."""
    return ops.clip(p / ops.sum(p, axis, keepdims=True), epsilon, 1.0 - epsilon) if epsilon else p


def categorical(t: Array, p: Array, axis: int, epsilon: float) -> Array:
    """-sum_k t_k log p_k."""
    return ops.sum(surprise(t, distribution(p, axis, epsilon)), axis)


def categorical_focal(t: Array, p: Array, alpha: Any, gamma: float, axis: int, epsilon: float) -> Array:
    """-sum_k alpha_k (1 - p_k)^gamma t_k log p_k; `alpha` lies along the last axis where it is no number."""
    p = distribution(p, axis, epsilon)
    return ops.sum(power(1.0 - p, gamma) * surprise(t, p) * ops.cast(alpha, p.dtype), axis)


def binary(t: Array, p: Array, epsilon: float) -> Array:
    """-t log p - (1 - t) log(1 - p), each element."""
    p = ops.clip(p, epsilon, 1.0 - epsilon) if epsilon else p
    return surprise(t, p) + surprise(1.0 - t, 1.0 - p)


def binary_focal(t: Array, p: Array, alpha: float | None, gamma: float, epsilon: float) -> Array:
    """alpha_t (1 - p_t)^gamma binary(t, p), each element, p_t = t p + (1 - t)(1 - p)."""
    p = ops.clip(p, epsilon, 1.0 - epsilon) if epsilon else p
    losses = power(t * (1.0 - p) + (1.0 - t) * p, gamma) * binary(t, p, 0.0)
    return losses if alpha is None else (t * alpha + (1.0 - t) * (1.0 - alpha)) * losses


def power(q: Array, gamma: float) -> Array:
    """q^gamma with q a probability; its slope is finite at q = 0."""
    return ops.power(ops.maximum(q, 1e-37), gamma) if gamma else ops.ones_like(q)


def divergence(t: Array, p: Array, epsilon: float) -> Array:
    """sum_k t_k log(t_k / p_k) over the last axis."""
    if epsilon:
        t, p = ops.clip(t, epsilon, 1.0), ops.clip(p, epsilon, 1.0)
    there = t != 0
    ratio = ops.where(there, t, 1.0) / ops.where(there, p, 1.0)
    return ops.sum(ops.where(there, t * ops.log(ratio), 0.0), -1)
