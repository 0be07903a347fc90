"""Small plain calls by the shortest way: a kernel over the tensors' memory, and nothing between.

One fact forces the shape. On 64 numbers the kernel takes a microsecond, and every line of Python before it several
times its own time, because what autograd does next has then left the processor's caches. So a call without arrays, on
contiguous matrices of few elements, skips rows/ and passes.py; whatever is unusual about it, errors too, is theirs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from xent import _kernels, tables
from xent.objective import SigmoidObjective, divides
from xent.passes import Loss
from xent.rows import ALL

Tensor = Any
MOST = 1 << 13  # elements: from here on the kernel is most of the call
LARGEST = 3e38  # a float32 holds it
IDS = frozenset((torch.int64, torch.int32))
PLAIN = frozenset((torch.float32, torch.float64))


def value_and_grad(record: Any, z: Tensor, t: Tensor) -> tuple[Tensor, Tensor] | None:
    """(value, gradient) of a mean or a sum; None where the call is not small and plain, or where something is wrong."""
    if z.dtype not in PLAIN or not 0 < z.numel() <= MOST or not (z.is_contiguous() and t.is_contiguous()):
        return None
    found = elements(record, z, t) if isinstance(record, SigmoidObjective) else rows(record, z, t)
    if found is None:
        return None
    total, gradient = found
    if not abs(total) < LARGEST:  # or NaN
        return None
    return torch.scalar_tensor(total, dtype=z.dtype), torch.from_numpy(gradient)


def elements(record: Any, z: Tensor, t: Tensor) -> tuple[float, Any] | None:
    """The sigmoid family, where all labels are alike."""
    if t.shape != z.shape or not (t.dtype in PLAIN or t.dtype in IDS):
        return None
    if "quick" not in record.memory:
        record.memory["quick"] = alike(record)
    plan = record.memory["quick"]
    if plan is None:
        return None
    count, (table, law, pipe, divisor) = z.numel(), plan
    made = np.empty(z.shape, np.float32 if z.dtype is torch.float32 else np.float64)
    total, bad = _kernels.sigmoid(
        z.detach().numpy().reshape(1, count), t.detach().numpy().reshape(1, count), None, None, (), table, law, pipe,
        1.0 / (divisor or count), None, made.reshape(1, count), None, None, ALL,
    )  # fmt: skip
    return None if bad != -1 else (total, made)


def alike(record: Any) -> tuple[Any, ...] | None:
    """(table, law, pipe, divisor or None for the count), where no label has numbers of its own."""
    each = (record.alpha, record.pos_weight, record.prior, record.bias)
    if record.ignored or record.class_weight is not None or any(isinstance(x, tuple) for x in each):
        return None
    if record.denominator == "positives":
        return None
    table, _, pipe = tables.sigmoid(record, None, 1, True)
    return table, record.law, pipe, divisor_of(record)


def divisor_of(record: Any) -> float | None:
    """What a value is divided by; None where that is a sum of weights."""
    if record.reduction == "sum":
        return 1.0
    return None if isinstance(record.denominator, str) else float(record.denominator)


def rows(record: Any, z: Tensor, t: Tensor) -> tuple[float, Any] | None:
    """The softmax family, class ids beside a matrix."""
    if z.dim() != 2 or t.dim() != 1 or t.dtype not in IDS or record.axis not in (-1, 1) or len(t) != len(z):
        return None
    count, classes = z.shape
    class_loss, class_weight, prior, pipe = tables.softmax(record, None, classes)
    ids = t.numpy().reshape(count, 1)
    scale = 1.0 / (divisor_of(record) or count)
    if record.reduction == "mean" and (record.ignored or class_weight is not None):
        weighed = _kernels.weigh_softmax(classes, ids, None, None, record.ignored, class_weight, ALL)
        if (found := shared(record, *weighed, count)) is None:
            return None
        scale = found
    made = np.empty((count, classes), np.float32 if z.dtype is torch.float32 else np.float64)
    total, bad = _kernels.softmax(
        z.detach().numpy().reshape(count, classes, 1), ids, None, None, record.ignored, class_loss, class_weight,
        record.label_smoothing, prior, record.z_loss, record.law, pipe, scale,
        None, made.reshape(count, classes, 1), None, None, ALL,
    )  # fmt: skip
    return None if bad >= 0 else (total, made)


def shared(record: Loss, weight: float, count: int, bad: int, size: int) -> float | None:
    """1 / the denominator of a mean; None for `passes.scale_of` to say what is wrong, or what a mean of nothing is."""
    if bad >= 0 or not count:
        return None
    if not isinstance(record.denominator, str):
        return 1.0 / record.denominator
    if record.denominator == "weight":
        divides(weight)
    return 1.0 / {"weight": weight, "count": count, "elements": size}[record.denominator]
