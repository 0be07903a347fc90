"""Log loss of probabilities, element by element or one class of K, with the weights and means of the two families.

A row that counts and is no distribution, or an element outside [0, 1], has a loss and a gradient of NaN.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

from xent.objective import SigmoidObjective, SoftmaxObjective
from xent.portable import sigmoid, softmax
from xent.portable.divergences import divergences
from xent.portable.mean import Weighed, reduced, scale_of
from xent.portable.measures import on_axis, slack_of
from xent.portable.ops import Array, Ops
from xent.portable.options import sound
from xent.portable.rules import times
from xent.portable.targets import floating

Shape = tuple[int, ...]
SINGLE = lru_cache(maxsize=64, typed=True)(SigmoidObjective)
CLASSES = lru_cache(maxsize=64, typed=True)(SoftmaxObjective)
IN_RANGE = "lie in [0, 1] and are not logits (for those: `sigmoid_cross_entropy`, `softmax_cross_entropy`)"


def elementwise(p: Shape, t: Shape, kind: str, dtype: Any, multilabel: bool | None, axis: int) -> bool:
    """Whether every probability is its own Bernoulli forecast, by the shapes and the kind of the targets."""
    if p == t:
        if len(p) < 2 or multilabel is not None:
            return bool(multilabel) or (multilabel is None and len(p) < 2)
        raise ValueError(
            f"`probs` and `targets` both have shape {p}, which can be read in two ways: multilabel=True, "
            "every entry a forecast of its own, or multilabel=False, every row a distribution. Say which."
        )
    at = axis % len(p) if -len(p) <= axis < len(p) else -1
    if at < 0 or t != p[:at] + p[at + 1 :]:
        raise ValueError(f"`targets` must have the shape of `probs`, {p}, or one class id per row; got shape {t}.")
    if multilabel:
        raise ValueError(f"`multilabel`=True needs targets in the shape of `probs`, {p}; got shape {t}.")
    if kind == "f" and 0 not in t:
        raise TypeError(f"`targets` of shape {t} are class ids and must be integers; got {dtype}.")
    return False


def no_positives(denominator: Any) -> None:
    """ValueError for what only labels have."""
    if denominator == "positives":
        raise ValueError(
            "`denominator`='positives' counts positive labels, which only binary and multi-label rows have."
        )


class Priced(NamedTuple):
    """Losses, and their gradient in the probabilities before any reduction."""

    record: Any
    losses: Array
    weighed: Weighed
    slope: Array


def log_loss(
    ops: Ops, given: dict[str, Array], multilabel: bool | None, axis: int, options: tuple[Any, ...], wanted: bool
) -> Any:
    """The value, or (value, gradient). `options`: class_weight, ignore_index, reduction, denominator, empty."""
    arrays = dict(given)
    p, t = arrays.pop("probs"), arrays.pop("targets")
    floating(ops, "probs", p)
    shape = tuple(p.shape)
    names = dict(zip(("class_weight", "ignore_index", "reduction", "denominator", "empty"), options, strict=True))
    if elementwise(shape, tuple(t.shape), ops.kind(t), t.dtype, multilabel, axis):
        found = bernoulli(ops, SINGLE(**names), p, t, arrays, wanted)
    else:
        on_axis("probs", shape, axis)
        no_positives(names["denominator"])
        found = categorical(ops, CLASSES(axis=axis, **names), p, t, arrays, wanted)
    value = reduced(ops, found.record, found.losses, found.weighed, p)
    if not wanted:
        return value
    divisor: Any = scale_of(ops, found.record, found.weighed).divisor
    return value, ops.cast(found.slope / divisor, p)


def usable(ops: Ops, x: Array, finite: Array, weight: Array) -> tuple[Array, Array, Array]:
    """(probabilities, weights, which losses are 0): what weighs nothing makes no NaN, and a weight of NaN makes one.

    `finite`: where a probability lies in [0, 1] and its loss must be finite.
    """
    bad, hidden = ops.isnan(weight), (weight == 0) & ~finite
    x = ops.where(hidden, 0.5, x) * ops.where(bad, ops.ones_like(x) * math.nan, 1.0)
    return x, ops.where(bad, 1.0, weight), hidden


def bernoulli(ops: Ops, record: Any, p: Array, t: Array, arrays: dict[str, Array], wanted: bool) -> Priced:
    """-t log p - (1 - t) log(1 - p), element by element."""
    d = divergences(ops)
    e = sigmoid.read(ops, record, p, t, arrays)
    probs = ops.compute(p)
    inside = (probs >= 0) & (probs <= 1)
    weight = sound(ops, inside | (e.weight == 0), e.weight, f"`probs` must {IN_RANGE}.")
    x, w, hidden = usable(ops, probs, (probs > 0) & (probs < 1), weight)
    total = ops.where(hidden, 0.0, d.priced(e.positive, x) + d.priced_rest(e.negative, x))
    losses = d.product(w, total) + 0.0
    slope = losses
    if wanted:
        slope = times(ops, w * e.negative, d.inverse(1.0 - x)) - times(ops, w * e.positive, d.inverse(x))
    return Priced(record, losses, e.weighed._replace(weight=weight), slope)


def categorical(ops: Ops, record: Any, p: Array, t: Array, arrays: dict[str, Array], wanted: bool) -> Priced:
    """-sum_k t_k log p_k, row by row."""
    d, axis = divergences(ops), record.axis
    rows = softmax.read(ops, record, p, t, arrays)
    probs = ops.compute(ops.moveaxis(p, axis, -1))
    seen = ops.stop(probs)
    inside = (seen >= 0) & (seen <= 1)
    slack = slack_of(p.dtype, probs.shape[-1])
    silent = rows.share == 0
    share = sound(ops, ops.all(inside, -1) | silent, rows.share, f"`probs` must {IN_RANGE}.")
    total = ops.sum(ops.wide(seen), -1)
    rule = f"`probs` must sum to 1 within {slack:.2g} over the classes (never renormalised here)."
    share = sound(ops, (ops.abs(total - 1.0) <= slack) | silent, share, rule)
    x, s, hidden = usable(ops, probs, (seen > 0) & (seen <= 1), ops.broadcast_to(share[..., None], tuple(seen.shape)))
    if rows.ids is None:
        rates, told = rows.rates, x
    else:
        at = rows.ids[..., None]
        told, s, hidden = (ops.take_along_axis(y, at, -1) for y in (x, s, hidden))
        rates = ops.ones_like(told) if rows.rates is None else rows.rates[..., None]
    losses = ops.sum(d.product(s, ops.where(hidden, 0.0, d.priced(rates, told))), -1) + 0.0
    slope = losses
    if wanted:
        slope = -times(ops, s * rates, d.inverse(told))
        if rows.ids is not None:
            slope = ops.where(ops.one_hot(rows.ids, x.shape[-1], x) == 1, slope, 0.0)
            slope = ops.where(ops.isnan(x), math.nan, slope)
        slope = ops.moveaxis(slope, -1, axis)
    weight = ops.where(ops.isnan(share), math.nan, rows.weighed.weight)
    return Priced(record, losses, rows.weighed._replace(weight=weight), slope)
