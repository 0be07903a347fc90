"""torch tensors: on the CPU through the kernels over their own memory, elsewhere by the portable path."""

from __future__ import annotations

from typing import Any

import torch

from xent import tables
from xent.backends.torch import fused
from xent.backends.torch.views import beside, logits_of, tensor, view
from xent.passes import Loss

Tensor = Any
Arrays = dict[str, Any]


def gathered(record: Loss, logits: Tensor, targets: Any, arrays: Arrays) -> tuple[fused.Form, tuple[Tensor, ...]]:
    """The names of the arrays, and targets and arrays as tensors beside the logits."""
    logits_of(logits)
    given = {}
    if arrays:
        tables.given(record, arrays)
        given = {name: beside(name, x, logits) for name, x in arrays.items() if x is not None}
    first = targets if type(targets) is tuple else (targets,)
    return tuple(given), (*(beside("targets", x, logits) for x in first), *given.values())


def loss(record: Loss, logits: Tensor, targets: Any, arrays: Arrays, out: Any) -> Tensor:
    """The loss as a tensor that autograd differentiates."""
    form, rest = gathered(record, logits, targets, arrays)
    if torch.is_grad_enabled() and (logits.requires_grad or any(x.requires_grad for x in rest)):
        return fused.Value.apply(record, form, logits, *rest)
    return fused.value(record, form, logits, rest)


def value_and_grad(record: Loss, logits: Tensor, targets: Any, arrays: Arrays, out: Any) -> tuple[Tensor, Tensor]:
    """(value, gradient), detached."""
    form, rest = gathered(record, logits, targets, arrays)
    return fused.value_and_grad(record, form, logits, rest)


def grad_and_hess(record: Loss, logits: Tensor, targets: Any, arrays: Arrays, out: Any) -> tuple[Tensor, Tensor]:
    """(gradient, diagonal of the Hessian), detached."""
    form, rest = gathered(record, logits, targets, arrays)
    hosts, given = fused.hosted(form, rest)
    first, second = record.grad_and_hess(view(logits), hosts, **given)
    return tensor(first), tensor(second)


def hvp(record: Loss, logits: Tensor, targets: Any, v: Any, arrays: Arrays, out: Any) -> Tensor:
    """The Hessian times `v`, detached."""
    form, rest = gathered(record, logits, targets, arrays)
    hosts, given = fused.hosted(form, rest)
    return tensor(record.hvp(view(logits), hosts, view(beside("v", v, logits)), **given))
