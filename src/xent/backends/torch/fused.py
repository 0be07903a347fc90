"""Eager CPU tensors through the NumPy face: value and gradient in one pass over the tensors' own memory.

Two facts force the shape. The gradient is made with the value, while the logits are in cache, so the first backward has
only to hand it out; whoever comes second finds it gone and computes it again from the saved tensors, which are the
caller's own. And an upstream gradient is a factor of what is then already rounded, which half precision cannot afford:
there it goes into the pass, of one loss as the scale, of many losses as a `sample_weight`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import frexp
from typing import Any

import numpy as np
import torch

from xent.backends import numpy
from xent.backends.torch import composite, quick
from xent.backends.torch.composite import Form, Rest
from xent.backends.torch.routes import batched
from xent.backends.torch.views import tensor, view
from xent.objective import SigmoidObjective
from xent.passes import Loss, fresh, scale_of, settle

Tensor = Any
HALF = frozenset((torch.float16, torch.bfloat16))


def hosted(form: Form, rest: Rest) -> tuple[Any, dict[str, Any]]:
    """Targets and arrays as the NumPy face takes them."""
    if len(rest) == 1 and not form:
        return view(rest[0]), {}
    return composite.parted(form, [view(x) for x in rest])


def buffer(z: Tensor) -> Any:
    """Where a gradient laid out like the logits goes; None where NumPy lays it out so."""
    return None if z.is_contiguous() else view(torch.empty_like(z))


def value(record: Loss, form: Form, z: Tensor, rest: Rest, out: Any = None) -> Tensor:
    """The loss alone."""
    targets, arrays = hosted(form, rest)
    return tensor(record(view(z), targets, out=out, **arrays))


def value_and_grad(record: Loss, form: Form, z: Tensor, rest: Rest, out: Any = None) -> tuple[Tensor, Tensor]:
    """(value, gradient) in one pass, the gradient laid out like the logits."""
    targets, arrays = hosted(form, rest)
    out = buffer(z) if out is None else out
    total, gradient = record.value_and_grad(view(z), targets, out=out, **arrays)
    return tensor(total), tensor(gradient)


def grad_and_hess(record: Loss, form: Form, z: Tensor, rest: Rest, out: Any = None) -> tuple[Tensor, Tensor]:
    """(gradient, diagonal of the Hessian) in one pass."""
    targets, arrays = hosted(form, rest)
    if out is None and not z.is_contiguous():
        out = buffer(z), buffer(z)
    first, second = record.grad_and_hess(view(z), targets, out=out, **arrays)
    return tensor(first), tensor(second)


def hvp(record: Loss, form: Form, z: Tensor, rest: Rest, v: Tensor, out: Any = None) -> Tensor:
    """The Hessian times `v`."""
    targets, arrays = hosted(form, rest)
    out = buffer(z) if out is None else out
    return tensor(record.hvp(view(z), targets, view(v), out=out, **arrays))


# ---- times an upstream gradient


@lru_cache(maxsize=256)
def summed(record: Loss) -> Loss:
    """The record whose value is the sum of the losses."""
    return replace(record, reduction="sum")


def along(record: Any, x: Tensor) -> Tensor:
    """One number per loss against the logits."""
    return x if isinstance(record, SigmoidObjective) else x.unsqueeze(record.axis)


def scaled(record: Loss, form: Form, z: Tensor, rest: Rest, factor: float) -> Tensor:
    """`factor` times the gradient of a mean or a sum, rounded once."""
    targets, arrays = hosted(form, rest)
    rows = record.rows(view(z), targets, arrays)
    scale, _ = scale_of(record, rows)
    grad = fresh(rows, rows.logits.shape, rows.view, buffer(z))
    if rows.size:
        rows.run(scale * abs(factor), None, grad[1], None, None)
    found = tensor(settle(grad))
    return found.neg_() if factor < 0 else found


def weighed(record: Loss, form: Form, z: Tensor, rest: Rest, up: Tensor, v: Tensor | None = None) -> Tensor:
    """The gradient of sum(up * losses), or its Hessian times `v`: in half precision rounded once."""
    up, record = up.detach(), summed(record)
    if up.dtype not in HALF or not bool(up.isfinite().all()):
        found = value_and_grad(record, form, z, rest)[1] if v is None else hvp(record, form, z, rest, v)
        up = along(record, up)
        if (form or record.ignored) and not bool(up.isfinite().all()):  # what does not count stays 0 whatever comes
            return torch.where(found == 0, found, found * up)
        return found.mul_(up)
    targets, arrays = hosted(form, rest)
    own = arrays.get("sample_weight")
    weight = view(up.abs().float())  # of any sign: its size is a sample weight
    if own is not None:
        own = numpy.weights("sample_weight", own).astype(np.float64)
        weight = weight * (own[..., None] if own.ndim < weight.ndim else own)
    arrays["sample_weight"] = weight
    if v is None:
        found = tensor(record.value_and_grad(view(z), targets, out=buffer(z), **arrays)[1])
    else:
        found = tensor(record.hvp(view(z), targets, view(v), out=buffer(z), **arrays))
    return found.mul_(along(record, up.sign())) if bool((up < 0).any()) else found


def times(record: Loss, form: Form, z: Tensor, rest: Rest, up: Tensor, ready: Tensor | None = None) -> Tensor:
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


def times_hessian(record: Loss, form: Form, z: Tensor, rest: Rest, up: Tensor, v: Tensor) -> Tensor:
    """The derivative of <v, up * gradient> in the logits."""
    if record.reduction == "none":
        return weighed(record, form, z, rest, up, v)
    return hvp(record, form, z, rest, v).mul_(up)


def times_gradient(record: Any, form: Form, z: Tensor, rest: Rest, up: Tensor, v: Tensor) -> Tensor:
    """The derivative of <v, up * gradient> in the upstream gradient."""
    product = v.double() * value_and_grad(record, form, z, rest)[1]
    if record.reduction != "none":
        return product.sum().to(up.dtype)
    return (product if isinstance(record, SigmoidObjective) else product.sum(record.axis)).to(up.dtype)


# ---- for autograd


# the hooks that saved tensors go through; older torch does not tell
packing: Any = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", lambda ignored: None)


def soon(record: Loss, z: Tensor) -> bool:
    """Whether the gradient is worth making with the value.

    Not for many losses, whose upstream gradient is yet to come; nor in float16, where a loss is scaled up lest its
    gradient underflow; nor where saved tensors are packed away, by checkpointing say: a gradient would stay.
    """
    return record.reduction != "none" and z.dtype is not torch.float16 and packing(False) is None


class Value(torch.autograd.Function):
    """The loss; its derivative in the logits is `Slope`, in all else the portable one."""

    @staticmethod
    def forward(ctx: Any, record: Loss, form: Form, z: Tensor, *rest: Tensor) -> Tensor:
        ctx.record, ctx.form, ctx.ready = record, form, None
        ctx.save_for_backward(z, *rest)
        if ctx.needs_input_grad[2] and soon(record, z):
            plain = None if form or len(rest) > 1 else quick.value_and_grad(record, z, rest[0])
            total, ctx.ready = plain or value_and_grad(record, form, z, rest)
            return total
        return value(record, form, z, rest)

    @staticmethod
    def backward(ctx: Any, up: Tensor) -> tuple[Any, ...]:
        ready, ctx.ready = ctx.ready, None
        _, _, first, *others = ctx.needs_input_grad
        if batched(up):
            return None, None, *composite.pulled(ctx.record, ctx.form, ctx.saved_tensors, up, (first, *others))
        if ready is not None and True not in others and not torch.is_grad_enabled() and float(up) == 1.0:
            return (None, None, ready, None) if len(others) == 1 else (None, None, ready, *(None for _ in others))
        record, form = ctx.record, ctx.form
        z, *rest = ctx.saved_tensors
        found = [None, *(None for _ in others)]
        if True in others:
            found = list(composite.pulled(record, form, (z, *rest), up, (False, *others)))
        if first and torch.is_grad_enabled():
            found[0] = slope(record, form, (ready,), up, z, *rest)
        elif first:
            found[0] = times(record, form, z, tuple(rest), up, ready)
        return None, None, *found


# what `Value.apply` comes to outside of functorch's transforms, of which routes.py has made sure
differentiable: Any = super(torch.autograd.Function, Value).apply


class Slope(torch.autograd.Function):
    """The upstream gradient times the derivative of the value in the logits, for whoever differentiates again."""

    @staticmethod
    def forward(
        ctx: Any, record: Loss, form: Form, ready: tuple[Tensor | None], up: Tensor, z: Tensor, *rest: Tensor
    ) -> Tensor:
        ctx.record, ctx.form = record, form
        ctx.save_for_backward(up, z, *rest)
        return times(record, form, z, rest, up, ready[0])

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> tuple[Any, ...]:
        record, form, wanted = ctx.record, ctx.form, ctx.needs_input_grad[3:]
        up, z, *rest = ctx.saved_tensors
        if torch.is_grad_enabled() or True in wanted[2:] or batched(v) or batched(up):
            return None, None, None, *composite.pulled_twice(record, form, (z, *rest), up, v, wanted)
        call = record, form, z, tuple(rest), up, v
        first = times_gradient(*call) if wanted[0] else None
        return None, None, None, first, times_hessian(*call) if wanted[1] else None, *(None for _ in rest)


slope: Any = Slope.apply
