"""The portable losses in torch's own operations: on any device, under every transform, to any order."""

from __future__ import annotations

from typing import Any

import torch

from xent import portable
from xent.backends.torch.ops import TORCH
from xent.passes import Loss

Tensor = Any
Form = tuple[str, ...]  # the names of the arrays that travel with the call; what stands before them are the targets
Rest = tuple[Tensor, ...]


def parted(form: Form, rest: Any) -> tuple[Any, dict[str, Any]]:
    """Targets (a pair if they are sparse) and arrays by name."""
    first = len(rest) - len(form)
    return rest[0] if first == 1 else tuple(rest[:first]), dict(zip(form, rest[first:], strict=True))


def value(record: Loss, form: Form, z: Tensor, rest: Rest) -> Tensor:
    """The loss, differentiable in everything."""
    return portable.value(TORCH, record, z, *parted(form, rest))


def value_and_grad(record: Loss, form: Form, z: Tensor, rest: Rest) -> tuple[Tensor, Tensor]:
    """(value, gradient)."""

    def total(z: Tensor) -> tuple[Tensor, Tensor]:
        found = value(record, form, z, rest)
        return found.sum(), found

    gradient, found = torch.func.grad(total, has_aux=True)(z)
    return found, gradient


def grad_and_hess(record: Loss, form: Form, z: Tensor, rest: Rest) -> tuple[Tensor, Tensor]:
    """(gradient, diagonal of the Hessian)."""
    return portable.grad_and_hess(TORCH, record, z, *parted(form, rest))


def hvp(record: Loss, form: Form, z: Tensor, rest: Rest, v: Tensor) -> Tensor:
    """The Hessian of the value, or of the sum of the losses, times `v`."""
    slope = torch.func.grad(lambda z: value(record, form, z, rest).sum())
    return torch.func.jvp(slope, (z,), (v.to(z.dtype),))[1]


def times(record: Loss, form: Form, z: Tensor, rest: Rest, up: Tensor) -> Tensor:
    """The upstream gradient times the derivative of the value in the logits."""
    return torch.func.vjp(lambda z: value(record, form, z, rest), z)[1](up)[0]


def aliases(inputs: Rest, wanted: tuple[bool, ...], lasting: bool) -> list[Tensor]:
    """An alias of each wanted input: one may have been made of another, and each path counts once."""
    return [
        (x.view_as(x) if lasting and x.requires_grad else x.detach().requires_grad_()) if want else x
        for x, want in zip(inputs, wanted, strict=True)
    ]


def pulled(record: Loss, form: Form, inputs: Rest, up: Tensor, wanted: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    """Upstream gradient times the derivative of the value in each wanted input; differentiable in grad mode."""
    lasting = torch.is_grad_enabled()
    with torch.enable_grad():
        fresh = aliases(inputs, wanted, lasting)
        found = value(record, form, fresh[0], tuple(fresh[1:]))
        asked = [x for x, want in zip(fresh, wanted, strict=True) if want]
        grads = iter(torch.autograd.grad(found, asked, up, create_graph=lasting, allow_unused=True))
    return tuple(next(grads) if want else None for want in wanted)


def pulled_twice(
    record: Loss, form: Form, inputs: Rest, up: Tensor, v: Tensor, wanted: tuple[bool, ...]
) -> tuple[Tensor | None, ...]:
    """The derivatives of <v, gradient in the logits> in (upstream, logits, and the others) where wanted."""
    lasting = torch.is_grad_enabled()
    with torch.enable_grad():
        fresh = aliases((up, *inputs), wanted, lasting)
        z = fresh[1] if wanted[1] else fresh[1].detach().requires_grad_()
        found = value(record, form, z, tuple(fresh[2:]))
        (slope,) = torch.autograd.grad(found, z, fresh[0], create_graph=True)
        asked = [x for x, want in zip(fresh, wanted, strict=True) if want]
        grads = iter(torch.autograd.grad(slope, asked, v, create_graph=lasting, allow_unused=True))
    return tuple(next(grads) if want else None for want in wanted)
