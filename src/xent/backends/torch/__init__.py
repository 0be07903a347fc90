"""torch tensors: on the CPU through the kernels over their own memory, elsewhere by the portable path."""

from __future__ import annotations

from typing import Any

import torch

from xent import tables
from xent.backends.torch import composite, fused, operators
from xent.backends.torch.composite import Form, Rest
from xent.backends.torch.routes import fusible, watched
from xent.backends.torch.views import FLOATS, beside, checked, filled, logits_of, taken, view
from xent.passes import Loss

Tensor = Any
Arrays = dict[str, Any]
NOTHING: Form = ()


def gathered(record: Loss, logits: Tensor, targets: Any, arrays: Arrays) -> tuple[Form, Rest]:
    """The names of the arrays, and targets and arrays as tensors beside the logits."""
    if logits.dtype not in FLOATS or logits.layout is not torch.strided:
        logits_of(logits)
    if not arrays and type(targets) is torch.Tensor and targets.device == logits.device:
        return NOTHING, (targets if targets.layout is torch.strided else checked("targets", targets),)
    given: Arrays = {}
    if arrays:
        tables.given(record, arrays)
        given = {name: beside(name, x, logits) for name, x in arrays.items() if x is not None}
    first = targets if type(targets) is tuple else (targets,)
    return tuple(given), (*(beside("targets", x, logits) for x in first), *given.values())


def loss(record: Loss, logits: Tensor, targets: Any, arrays: Arrays, out: Any) -> Tensor:
    """The loss as a tensor that autograd differentiates."""
    if torch.compiler.is_compiling():
        from xent.backends.torch import traced

        return traced.loss(traced.named(record, arrays), logits, targets, arrays, out)
    form, rest = gathered(record, logits, targets, arrays)
    tracked = torch.is_grad_enabled() and (logits.requires_grad or any(x.requires_grad for x in rest))
    if out is not None:
        return losses(record, logits, form, rest, out, tracked)
    if not fusible(logits, rest):
        return (operators if watched(logits, rest) else composite).value(record, form, logits, rest)
    if tracked:
        return fused.differentiable(record, form, logits, *rest)
    return fused.value(record, form, logits, rest)


def losses(record: Any, logits: Tensor, form: Form, rest: Rest, out: Any, tracked: bool) -> Tensor:
    """All losses in `out`."""
    if tracked:
        raise ValueError("`out` takes losses of which no derivative is asked; leave it out, or use `torch.no_grad()`.")
    if record.reduction != "none":
        raise ValueError(f"`out` takes the losses of `reduction`='none'; got it with {record.reduction!r}.")
    if not fusible(logits, rest):
        return filled(taken(out, None, logits), composite.value(record, form, logits, rest))
    fused.value(record, form, logits, rest, view(taken(out, None, logits)))
    return out


def value_and_grad(record: Loss, logits: Tensor, targets: Any, arrays: Arrays, out: Any) -> tuple[Tensor, Tensor]:
    """(value, gradient), which no graph remembers."""
    if torch.compiler.is_compiling():
        from xent.backends.torch import traced

        pair: tuple[Tensor, Tensor] = traced.derivative("value_and_grad", record, logits, targets, arrays, out)
        return pair
    form, rest = gathered(record, logits, targets, arrays)
    place = None if out is None else taken(out, logits.shape, logits)
    if fusible(logits, rest):
        total, gradient = fused.value_and_grad(record, form, logits, rest, None if place is None else view(place))
        return total, gradient if out is None else out
    total, gradient = composite.value_and_grad(record, form, logits.detach(), tuple(x.detach() for x in rest))
    return total, gradient if out is None else filled(place, gradient)


def grad_and_hess(record: Loss, logits: Tensor, targets: Any, arrays: Arrays, out: Any) -> tuple[Tensor, Tensor]:
    """(gradient, diagonal of the Hessian), which no graph remembers."""
    if torch.compiler.is_compiling():
        from xent.backends.torch import traced

        pair: tuple[Tensor, Tensor] = traced.derivative("grad_and_hess", record, logits, targets, arrays, out)
        return pair
    if out is not None and (not isinstance(out, tuple) or len(out) != 2):
        raise TypeError(f"`out` must be a pair of buffers (gradient, hessian); got {type(out).__name__}.")
    form, rest = gathered(record, logits, targets, arrays)
    places = None if out is None else tuple(taken(x, logits.shape, logits) for x in out)
    if fusible(logits, rest):
        found = fused.grad_and_hess(record, form, logits, rest, places and tuple(map(view, places)))
        return found if out is None else out
    first, second = composite.grad_and_hess(record, form, logits.detach(), tuple(x.detach() for x in rest))
    return (first, second) if places is None else (filled(places[0], first), filled(places[1], second))


def hvp(record: Loss, logits: Tensor, targets: Any, v: Any, arrays: Arrays, out: Any) -> Tensor:
    """The Hessian times `v`, which no graph remembers."""
    if torch.compiler.is_compiling():
        from xent.backends.torch import traced

        return traced.derivative("hvp", record, logits, targets, arrays, out, v)
    form, rest = gathered(record, logits, targets, arrays)
    v = beside("v", v, logits)
    if v.shape != logits.shape:
        raise ValueError(f"`v` must have the shape of the logits, {tuple(logits.shape)}; got shape {tuple(v.shape)}.")
    place = None if out is None else taken(out, logits.shape, logits)
    if fusible(logits, (v, *rest)):
        product = fused.hvp(record, form, logits, rest, v, None if place is None else view(place))
        return product if out is None else out
    product = composite.hvp(record, form, logits.detach(), tuple(x.detach() for x in rest), v.detach())
    return product if out is None else filled(place, product)
