"""From losses to the value: denominators, and what the mean of nothing is."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from xent.objective import Objective, nothing_left
from xent.portable.ops import Array, Ops


class Weighed(NamedTuple):
    """One effective weight per loss: 0 where nothing counts, NaN where the input was bad."""

    weight: Array
    plain: bool  # nothing that could change a weight from 1 was given
    positives: Array  # the target where it counts; None in the softmax family


class Scale(NamedTuple):
    """The sum of the losses is divided by `divisor`; `lost` says where nothing was left and that is NaN."""

    divisor: Any
    lost: Any = False

    def of(self, ops: Ops, total: Array) -> Array:
        value = total if isinstance(self.divisor, float) and self.divisor == 1.0 else total / self.divisor
        return value if self.lost is False else ops.where(self.lost, math.nan, value)


def scale_of(ops: Ops, record: Objective, weighed: Weighed) -> Scale:
    """How the sum of the losses becomes the value."""
    if record.reduction != "mean":
        return Scale(1.0)
    weight, wanted = weighed.weight, record.denominator
    size = math.prod(weight.shape)
    if size == 0 and record.empty == "raise":
        raise ValueError(nothing_left(size))
    counts = weight != 0
    lost: Any = False
    if record.empty != "zero" and not (weighed.plain and size):
        lost = ~ops.any(counts)
        if record.empty == "raise":
            ops.require(~lost, nothing_left(size))
            lost = False
    if not isinstance(wanted, str):
        return Scale(wanted, lost)
    if wanted == "elements" or (weighed.plain and wanted != "positives"):
        return Scale(float(max(1, size)), lost)
    if wanted == "count":
        total = ops.wide(ops.sum(counts))
    elif wanted == "positives":
        total = ops.sum(ops.wide(ops.where(counts, weighed.positives, 0.0)))
        return Scale(ops.where(total > 1.0, total, 1.0), lost)
    else:
        total = ops.sum(ops.wide(ops.where(ops.isnan(weight), 1.0, weight)))
        total = ops.where(ops.isfinite(total), total, math.nan)
    return Scale(ops.where(total == 0, 1.0, total), lost)


def reduced(ops: Ops, record: Objective, losses: Array, weighed: Weighed, logits: Array) -> Array:
    """The value: one number in float32 or float64, or the losses in the dtype of the logits."""
    if record.reduction == "none":
        return ops.cast(losses, logits)
    total = scale_of(ops, record, weighed).of(ops, ops.sum(ops.wide(losses)))
    return ops.cast(total, ops.compute(logits))
