"""Sigmoid, softmax and their logarithms, differentiable to any order, with masked classes that move nothing."""

from __future__ import annotations

from math import inf, nan
from typing import Any

from xent.portable.rules import rules
from xent.portable.targets import floating
from xent.rows.shapes import class_axis

Array = Any


def sigmoid(ops: Any, z: Array) -> Array:
    """1 / (1 + e^-z)"""
    return rules(ops).sigma(z)


def log_sigmoid(ops: Any, z: Array) -> Array:
    """-log(1 + e^-z)"""
    return -rules(ops).softplus(-z)


def _rows(ops: Any, z: Array) -> tuple[Array, Array]:
    """Which rows are nothing but -inf, and the rows with those replaced: a gradient of 0 there, and none of NaN."""
    gone = ops.all(z == -inf, -1, keepdims=True)
    return gone, ops.where(gone, 0.0, z)


def softmax(ops: Any, z: Array) -> Array:
    """e^z_k / sum_j e^z_j"""
    gone, rows = _rows(ops, z)
    p = rules(ops).shares(rows)[0]
    p = ops.where(p == 0, 0.0, p)  # an infinite cotangent, such as entropy's, ends at a class without mass
    return ops.where(gone, nan, p)


def log_softmax(ops: Any, z: Array) -> Array:
    """z_k - log sum_j e^z_j"""
    gone, rows = _rows(ops, z)
    return ops.where(gone, nan, -rules(ops).nll(rows))


def logsumexp(ops: Any, z: Array) -> Array:
    """log sum_k e^z_k; infinite where a logit is +inf or all are -inf."""
    gone, rows = _rows(ops, z)
    several = ops.sum(z == inf, -1) > 1
    spoilt = ops.any(ops.isnan(z), -1)
    lse = ops.where(several & ~spoilt, inf, rules(ops).lse(rows))
    return ops.where(gone[..., 0], -inf, lse)


ELEMENTWISE = {"sigmoid": sigmoid, "log_sigmoid": log_sigmoid}
ROWWISE = {"softmax": softmax, "log_softmax": log_softmax, "logsumexp": logsumexp}


def activation(ops: Any, given: dict[str, Array], kind: str, axis: int | None) -> Array:
    """The activation of this name, along the axis or elementwise, in the dtype of the logits."""
    z = given["logits"]
    floating(ops, "logits", z)
    made = ops.compute(z)
    if axis is None:
        return ops.cast(ELEMENTWISE[kind](ops, made), z)
    axis = class_axis(axis, tuple(z.shape))
    rows = ROWWISE[kind](ops, ops.moveaxis(made, axis, -1))
    return ops.cast(rows if kind == "logsumexp" else ops.moveaxis(rows, -1, axis), z)
