"""Options as arrays of the framework: from the record as constants rounded once, from the call differentiable.

What an array may not hold becomes NaN, which spoils every loss it touches; `xent.device_checks` makes it an error.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from xent import backends, tables
from xent.objective import Objective, SigmoidObjective, SoftmaxObjective
from xent.portable.ops import Array, Ops
from xent.portable.rules import rules


def sound(ops: Ops, ok: Array, x: Array, rule: str) -> Array:
    """`x`, NaN where it is not ok."""
    if backends.checking:
        ops.check(ok, rule)
    return ops.where(ok, x, math.nan)


def column(
    ops: Ops, record: Objective, given: tables.Given, name: str, count: int, axis_name: str, like: Array
) -> Array | None:
    """The option in the dtype of `like`, of shape (1,) or (count,); None where it is absent."""
    if given is None or name not in given:
        numbers = tables.column(record, None, name, count, axis_name)
        return None if numbers is None else ops.constant(numbers, like)
    x = given[name]
    if ops.kind(x) not in "biuf":
        raise TypeError(f"`{name}` must hold numbers; got {x.dtype}.")
    tables.fits(name, tuple(x.shape), count, axis_name)
    return ops.reshape(holding(ops, record, name, ops.cast(x, like)), (-1,))


def holding(ops: Ops, record: Objective, name: str, x: Array) -> Array:
    """An option that came as an array, NaN where it breaks its rule."""
    rule, holds = tables.rule_of(record, name)
    return sound(ops, holds(x) & ops.isfinite(x), x, f"`{name}` must be {rule}.")


# ---- sigmoid family: the table P0 P1 Q0 Q1 W0 W1 of tables.sigmoid, each entry (1,) or (labels,)


def sigmoid_table(
    ops: Ops, record: SigmoidObjective, given: tables.Given, labels: int, single: bool, like: Array
) -> tuple[list[Array], bool]:
    """The six rows, NumPy's where they are numbers of the record, and whether classes weigh differently from 1."""
    if given is None:
        table, unequal, _ = tables.sigmoid(record, None, labels, single)
        return list(table), unequal
    alpha = column(ops, record, given, "alpha", labels, "label", like)
    pos_weight = column(ops, record, given, "pos_weight", labels, "label", like)
    prior = column(ops, record, given, "prior", labels, "label", like)
    one = ops.constant(np.ones(1), like)
    a, b = (one, one) if alpha is None else (alpha, 1.0 - alpha)
    a = a if pos_weight is None else a * pos_weight
    rows = tables.rates(a, b, record.label_smoothing, 0.5 * one if prior is None else prior)
    pair = class_pair(ops, record, given, labels, single, like)
    return [*rows, *(pair or (np.ones(1), np.ones(1)))], pair is not None


def class_pair(
    ops: Ops, record: SigmoidObjective, given: dict[str, Any], labels: int, single: bool, like: Array
) -> tuple[Array, Array] | None:
    """Weights of the classes 0 and 1."""
    name = "class_weight"
    if name not in given:
        rows, unequal, _ = tables.sigmoid(record, None, labels, single)
        return (rows[4], rows[5]) if unequal else None
    if tables.paired(tuple(given[name].shape), labels, single):
        pairs = ops.reshape(holding(ops, record, name, ops.cast(given[name], like)), (-1, 2))
        return pairs[..., 0], pairs[..., 1]
    each = column(ops, record, given, name, labels, "label", like)
    return each, each


def blend(ops: Ops, t: Array, at0: Array, at1: Array) -> Array:
    """(1 - t) at0 + t at1."""
    if isinstance(at0, np.ndarray) and isinstance(at1, np.ndarray):
        if (at0 == at1).all():
            return ops.broadcast_to(ops.constant(at0.reshape(()) if t.ndim == 0 else at0, t), t.shape)
        if (at0 == 0).all() and (at1 == 1).all():
            return t
        if (at0 == 1).all() and (at1 == 0).all():
            return 1.0 - t
    first, second = (ops.constant(x, t) if isinstance(x, np.ndarray) else x for x in (at0, at1))
    return (1.0 - t) * first + t * second


# ---- softmax family


def softmax_tables(
    ops: Ops, record: SoftmaxObjective, given: tables.Given, classes: int, like: Array
) -> tuple[Array, Array, Array]:
    """(class_loss, class_weight, prior) as tables.softmax has them, each (K,) or None."""
    if given is None:
        numbers = tables.softmax(record, None, classes)[:3]
        return tuple(None if x is None else ops.constant(x, like) for x in numbers)  # type: ignore[return-value]
    class_weight, alpha, prior = (
        column(ops, record, given, name, classes, "class", like) for name in ("class_weight", "alpha", "prior")
    )
    if prior is not None:
        prior = sum_to_one(ops, prior, classes)
    weights = [x for x in (class_weight, alpha) if x is not None]
    full = [
        None if x is None else ops.broadcast_to(x, (classes,))
        for x in (math.prod(weights) if weights else None, class_weight)
    ]
    return full[0], full[1], prior


def sum_to_one(ops: Ops, prior: Array, classes: int) -> Array:
    """The prior of the softmax family, which must sum to 1 within 1e-5, divided by its sum."""
    total = ops.sum(prior)
    rule = f"`prior` must hold one probability per class, shape ({classes},), and sum to 1"
    if tuple(prior.shape) != (classes,):
        raise ValueError(f"{rule}; got shape {tuple(prior.shape)}.")
    return sound(ops, ops.abs(total - 1.0) <= 1e-5, prior / total, f"{rule}.")


# ---- z' = softcap tanh((z + bias) / softcap) / temperature


def piped(ops: Ops, record: Objective, bias: Array | None, z: Array) -> Array:
    """z'."""
    x = z if bias is None else z + bias
    if record.softcap is not None:
        x = record.softcap * rules(ops).tanh(x / record.softcap)
    return x if record.temperature == 1.0 else x / record.temperature


def through(
    ops: Ops, record: Objective, bias: Array | None, z: Array, slope: Array, bend: Array
) -> tuple[Array, Array]:
    """First and second derivatives in z from those in z', where the second are their own rows' only."""
    if record.softcap is None:
        return slope / record.temperature, bend / record.temperature**2
    u = (z if bias is None else z + bias) / record.softcap
    first = rules(ops).sech2(u) / record.temperature
    second = -2.0 * rules(ops).tanh(u) / record.softcap * first
    return first * slope, first * first * bend + second * slope
