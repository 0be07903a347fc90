"""Entropies and divergences as they are asked for: along an axis, checked, reduced."""

from __future__ import annotations

from math import nan, prod
from typing import Any

from xent import backends
from xent.portable.divergences import divergences
from xent.portable.targets import floating

Array = Any
Shape = tuple[int, ...]


def slack_of(dtype: Any, classes: int) -> float:
    """How far a row of `classes` probabilities may sum from 1: K eps(float32), and 4 eps of a half precision.

    A float32 softmax is off by a few eps at 100 classes, and what is stored as float64 is mostly a float32 result. The
    rounding of the largest entries is what half precision adds.
    """
    half = 0.0 if dtype.itemsize != 2 else 2.0**-5 if "bfloat16" in str(dtype) else 2.0**-8
    return classes * 2.0**-23 + half


def on_axis(name: str, shape: Shape, axis: int) -> None:
    """ValueError unless there is such an axis."""
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"`axis` must name one of the axes of `{name}`; got {axis} with shape {shape}.")


def alike(rows: tuple[Shape, ...], given: tuple[Shape, ...]) -> None:
    """ValueError unless all distributions have one shape."""
    if len(set(rows)) > 1:
        raise ValueError(f"`p` and `q` must have the same shape; got {given[0]} and {given[1]}.")


def choice_of(reduction: str) -> None:
    """ValueError unless there is such a reduction."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"`reduction` must be one of 'none', 'mean', 'sum'; got {reduction!r}.")


def reduced(ops: Any, rows: Array, reduction: str) -> Array:
    """The values of all distributions, their sum or their mean."""
    choice_of(reduction)
    if reduction == "none":
        return rows
    shape = tuple(rows.shape)
    count = prod(shape)
    if reduction == "mean" and count == 0:
        raise ValueError(f"`reduction`='mean' needs at least one distribution; got shape {shape} of them.")
    total = ops.sum(rows)
    return total if reduction == "sum" else total / count


def sound(ops: Any, name: str, rows: Array, slack: float, log: bool) -> Array:
    """Which rows are distributions."""
    inside = (rows <= slack) if log else (rows >= 0) & (rows <= 1 + slack)
    total = ops.sum(ops.exp(rows) if log else rows, -1)
    good = ops.all(inside, -1) & (ops.abs(total - 1) <= slack)
    if backends.checking:
        kind = "log-probabilities" if log else "probabilities"
        ops.check(good, f"`{name}` must hold {kind} that sum to 1 within {slack:.2g}.")
    return good


def measure(ops: Any, given: dict[str, Array], kind: str, axis: int, log: bool, reduction: str) -> Array:
    """`kind` of the given distributions; NaN, with NaN for a gradient, where one is not a distribution."""
    rows, good = [], None
    for name, x in given.items():
        shape = tuple(x.shape)
        on_axis(name, shape, axis)
        floating(ops, name, x)
        along = ops.moveaxis(ops.wide(x), axis, -1)
        fine = sound(ops, name, ops.stop(along), slack_of(x.dtype, shape[axis]), log)
        good = fine if good is None else good & fine
        rows.append(along)
        alike((tuple(rows[0].shape), tuple(along.shape)), (tuple(next(iter(given.values())).shape), shape))
    value = getattr(divergences(ops), kind)(*rows, log)
    return reduced(ops, value * ops.where(good, ops.ones_like(value), nan), reduction)
