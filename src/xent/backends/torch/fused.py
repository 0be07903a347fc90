"""Eager CPU tensors through the NumPy face: value and gradient in one pass over the same memory.

Two facts force the shape. The gradient is made with the value, while the logits are in cache, so the first backward has
only to hand it out; whoever comes second finds it gone and computes it again from the saved tensors, which are the
caller's own. And an upstream gradient is a weight: of one loss a factor of the gradient, of many losses a
`sample_weight`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import frexp
from typing import Any

import numpy as np
import torch

from xent.backends.torch.views import tensor, view
from xent.objective import SigmoidObjective
from xent.passes import Loss, fresh, scale_of, settle

Tensor = Any
Form = tuple[str, ...]  # the names of the arrays that travel with the call; what stands before them are the targets
HALF = frozenset((torch.float16, torch.bfloat16))


def hosted(form: Form, rest: tuple[Tensor, ...]) -> tuple[Any, dict[str, Any]]:
    """Targets and arrays as the NumPy face takes them."""
    if len(rest) == 1 and not form:
        return view(rest[0]), {}
    arrays = [view(x) for x in rest]
    first = len(rest) - len(form)
    return arrays[0] if first == 1 else tuple(arrays[:first]), dict(zip(form, arrays[first:], strict=True))


def value(record: Loss, form: Form, z: Tensor, rest: tuple[Tensor, ...]) -> Tensor:
    """The loss alone."""
    targets, arrays = hosted(form, rest)
    return tensor(record(view(z), targets, **arrays))


def buffer(z: Tensor) -> Any:
    """Where a gradient in the layout of the logits goes, where NumPy would choose another; else None."""
    return None if z.dim() <= 2 or z.is_contiguous() else view(torch.empty_like(z))


def value_and_grad(record: Loss, form: Form, z: Tensor, rest: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """(value, gradient) in one pass, the gradient laid out like the logits."""
    targets, arrays = hosted(form, rest)
    total, gradient = record.value_and_grad(view(z), targets, out=buffer(z), **arrays)
    return tensor(total), tensor(gradient)


@lru_cache(maxsize=256)
def summed(record: Loss) -> Loss:
    """The record whose value is the sum of the losses."""
    return replace(record, reduction="sum")


def scaled(record: Loss, form: Form, z: Tensor, rest: tuple[Tensor, ...], factor: float) -> Tensor:
    """`factor` times the gradient of a mean or a sum, rounded once."""
    targets, arrays = hosted(form, rest)
    rows = record.rows(view(z), targets, arrays)
    scale, _ = scale_of(record, rows)
    grad = fresh(rows, rows.logits.shape, rows.view, buffer(z))
    if rows.size:
        rows.run(scale * factor, None, grad[1], None, None)
    return tensor(settle(grad))


def weighed(record: Loss, form: Form, z: Tensor, rest: tuple[Tensor, ...], up: Tensor) -> Tensor:
    """The gradient of sum(up * losses), `up` of any sign: its size is a sample weight."""
    up = up.detach()
    spread = up if isinstance(record, SigmoidObjective) else up.unsqueeze(record.axis)
    size = up.abs().float() if up.dtype in HALF else up.abs()
    if not bool(size.isfinite().all()):  # no weight is: by the rule 0 * inf = nan of a product
        return value_and_grad(summed(record), form, z, rest)[1].mul_(spread)
    targets, arrays = hosted(form, rest)
    weight = view(size)
    own = arrays.get("sample_weight")
    if own is not None:
        weight = weight * (own[..., None] if own.ndim < weight.ndim else own).astype(np.float64)
    arrays["sample_weight"] = weight
    _, gradient = summed(record).value_and_grad(view(z), targets, out=buffer(z), **arrays)
    found = tensor(gradient)
    return found.mul_(spread.sign()) if bool((up < 0).any()) else found


def times(record: Loss, form: Form, z: Tensor, rest: tuple[Tensor, ...], up: Tensor, ready: Tensor | None) -> Tensor:
    """The upstream gradient times the derivative of the value, from the gradient that is `ready` if it can be."""
    if record.reduction == "none":
        return weighed(record, form, z, rest, up)
    factor = float(up)
    if ready is None:
        return scaled(record, form, z, rest, factor)
    if factor == 1.0:
        return ready
    if ready.dtype in HALF and abs(frexp(factor)[0]) != 0.5:  # a second rounding, of few digits
        return scaled(record, form, z, rest, factor)
    return ready.mul_(up)


class Value(torch.autograd.Function):
    """The loss, with its derivatives."""

    @staticmethod
    def forward(ctx: Any, record: Loss, form: Form, z: Tensor, *rest: Tensor) -> Tensor:
        ctx.record, ctx.form, ctx.ready = record, form, None
        ctx.save_for_backward(z, *rest)
        if ctx.needs_input_grad[2] and soon(record, z):
            total, ctx.ready = value_and_grad(record, form, z, rest)
            return total
        return value(record, form, z, rest)

    @staticmethod
    def backward(ctx: Any, up: Tensor) -> tuple[Any, ...]:
        ready, ctx.ready = ctx.ready, None
        if ready is not None and not torch.is_grad_enabled() and float(up) == 1.0 and sum(ctx.needs_input_grad) == 1:
            return (None, None, ready, *(None,) * (len(ctx.needs_input_grad) - 3))
        z, *rest = ctx.saved_tensors
        return (None, None, times(ctx.record, ctx.form, z, tuple(rest), up, ready), *(None for _ in rest))


def soon(record: Loss, z: Tensor) -> bool:
    """Whether the gradient is worth making with the value.

    Not for many losses, whose upstream gradient is yet to come; nor in float16, where a loss is scaled up lest its
    gradient underflow; nor where saved tensors are packed away, by checkpointing say: a gradient would stay.
    """
    return (
        record.reduction != "none"
        and z.dtype is not torch.float16
        and torch._C._autograd._top_saved_tensors_default_hooks(False) is None
    )
