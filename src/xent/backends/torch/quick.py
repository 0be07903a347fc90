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
from xent.objective import SigmoidObjective
from xent.passes import share
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
    count, (table, law, pipe) = z.numel(), plan
    scale = 1.0 if record.reduction == "sum" else share(record, count, count, 0.0, count)
    made = np.empty(z.shape, np.float32 if z.dtype is torch.float32 else np.float64)
    total, bad = _kernels.sigmoid(
        z.detach().numpy().reshape(1, count), t.detach().numpy().reshape(1, count), None, None, (), table, law, pipe,
        scale, None, made.reshape(1, count), None, None, ALL,
    )  # fmt: skip
    return None if bad != -1 else (total, made)


def alike(record: Any) -> tuple[Any, ...] | None:
    """(table, law, pipe), where no label has numbers of its own."""
    each = (record.alpha, record.pos_weight, record.prior, record.bias)
    if record.ignored or record.class_weight is not None or any(isinstance(x, tuple) for x in each):
        return None
    if record.denominator == "positives":
        return None
    table, _, pipe = tables.sigmoid(record, None, 1, True)
    return table, record.law, pipe


def rows(record: Any, z: Tensor, t: Tensor) -> tuple[float, Any] | None:
    """The softmax family, class ids beside a matrix."""
    if z.dim() != 2 or t.dim() != 1 or t.dtype not in IDS or record.axis not in (-1, 1) or len(t) != len(z):
        return None
    count, classes = z.shape
    class_loss, class_weight, prior, pipe = tables.softmax(record, None, classes)
    ids = t.numpy().reshape(count, 1)
    scale = scale_of(record, ids, classes, class_weight)
    if scale is None:
        return None
    made = np.empty((count, classes), np.float32 if z.dtype is torch.float32 else np.float64)
    total, bad = _kernels.softmax(
        z.detach().numpy().reshape(count, classes, 1), ids, None, None, record.ignored, class_loss, class_weight,
        record.label_smoothing, prior, record.z_loss, record.law, pipe, scale,
        None, made.reshape(count, classes, 1), None, None, ALL,
    )  # fmt: skip
    return None if bad >= 0 else (total, made)


def scale_of(record: Any, ids: Any, classes: int, class_weight: Any) -> float | None:
    """What the losses are multiplied with; None where `passes.scale_of` knows better: bad ids, nothing that counts."""
    size = len(ids)
    if record.reduction == "sum":
        return 1.0
    if not record.ignored and class_weight is None:
        return share(record, size, size, 0.0, size)
    weight, count, bad = _kernels.weigh_softmax(classes, ids, None, None, record.ignored, class_weight, ALL)
    return None if bad >= 0 or not count else share(record, weight, count, 0.0, size)
