"""The losses as registered operators, which compilers and exporters take as they are.

`xent::loss` and `xent::value_and_grad` are differentiable in everything; `xent::pullback`, the derivative of a value
times an upstream gradient, once more. On the CPU they run the kernels, elsewhere the portable path. The record travels
as its own text.
"""

from __future__ import annotations

from typing import Any

import torch

from xent.backends.torch import composite, fused
from xent.backends.torch.composite import Form, Rest
from xent.backends.torch.routes import fusible
from xent.losses import record as record_of
from xent.objective import SigmoidObjective
from xent.passes import Loss

Tensor = Any
Call = tuple[Loss, Form, Tensor, Rest]
NAMES = ("sample_weight", "where", "class_weight", "pos_weight", "alpha", "prior", "bias")
BESIDE = ", ".join(f"Tensor? {name}=None" for name in ("probs", *NAMES))
ARRAYS = f"Tensor logits, Tensor targets, str record, {BESIDE}"


def called(logits: Tensor, targets: Tensor, text: str, *others: Any) -> Call:
    """An operator's arguments as the rest of the package has them."""
    form = tuple(name for name, x in zip(("probs", *NAMES), others, strict=False) if x is not None and name != "probs")
    return record_of(text), form, logits, (targets, *(x for x in others if x is not None))


def path(call: Call, *more: Tensor) -> Any:
    """The module that computes this call."""
    return fused if fusible(call[2], (*call[3], *more)) else composite


def value(record: Loss, form: Form, z: Tensor, rest: Rest) -> Tensor:
    """The loss by an operator: with its gradient where that is worth making with the value, see fused.soon."""
    first, given = len(rest) - len(form), dict(zip(form, rest[len(rest) - len(form) :], strict=True))
    others = (rest[1] if first == 2 else None, *(given.get(name) for name in NAMES))
    if torch.is_grad_enabled() and z.requires_grad and record.reduction != "none" and z.dtype is not torch.float16:
        return torch.ops.xent.value_and_grad(z, rest[0], record.text(), *others)[0]
    return torch.ops.xent.loss(z, rest[0], record.text(), *others)


def value_like(record: Any, logits: Tensor) -> Tensor:
    """An empty value."""
    if record.reduction != "none":
        return logits.new_empty((), dtype=torch.float64 if logits.dtype is torch.float64 else torch.float32)
    if isinstance(record, SigmoidObjective):
        return torch.empty_like(logits)
    axis = record.axis % logits.dim()
    return logits.new_empty(logits.shape[:axis] + logits.shape[axis + 1 :])


def laid(found: Tensor, place: Tensor) -> Tensor:
    """A result in the layout that its stand-in promises."""
    return found if found.stride() == place.stride() else torch.empty_like(place).copy_(found)


# ---- what the operators compute


def loss(*arguments: Any) -> Tensor:
    call = called(*arguments)
    return laid(path(call).value(*call), value_like(call[0], call[2]))


def value_and_grad(*arguments: Any) -> tuple[Tensor, Tensor]:
    call = called(*arguments)
    found, gradient = path(call).value_and_grad(*call)
    return laid(found, value_like(call[0], call[2])), laid(gradient, torch.empty_like(call[2]))


def grad_and_hess(*arguments: Any) -> tuple[Tensor, Tensor]:
    call = called(*arguments)
    first, second = path(call).grad_and_hess(*call)
    return laid(first, torch.empty_like(call[2])), laid(second, torch.empty_like(call[2]))


def hvp(v: Tensor, *arguments: Any) -> Tensor:
    call = called(*arguments)
    return laid(path(call, v).hvp(*call, v), torch.empty_like(call[2]))


def pullback(up: Tensor, *arguments: Any) -> Tensor:
    call = called(*arguments)
    return laid(path(call, up).times(*call, up), torch.empty_like(call[2]))


# ---- their shapes


def like_value(*arguments: Any) -> Tensor:
    record, _, z, _ = called(*arguments)
    return value_like(record, z)


def like_pair(*arguments: Any) -> tuple[Tensor, Tensor]:
    record, _, z, _ = called(*arguments)
    return value_like(record, z), torch.empty_like(z)


def like_gradients(z: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(z), torch.empty_like(z)


def like_logits(_: Tensor, z: Tensor, *others: Any) -> Tensor:
    return torch.empty_like(z)


# ---- their derivatives


def remember(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.text = next(i for i, x in enumerate(inputs) if isinstance(x, str))
    ctx.record = inputs[ctx.text]
    ctx.set_materialize_grads(False)
    made = output[1:] if isinstance(output, tuple) else ()
    ctx.save_for_backward(*inputs[: ctx.text], *inputs[ctx.text + 1 :], *made)


def remembered(ctx: Any) -> list[Any]:
    """The inputs again, and what was made beside the value."""
    saved = list(ctx.saved_tensors)
    return [*saved[: ctx.text], ctx.record, *saved[ctx.text :]]


def wanted_of(ctx: Any, count: int) -> list[bool]:
    """Which inputs want a derivative; those left at None do not come."""
    return [*ctx.needs_input_grad, *[False] * count][:count]


def pulled(arguments: list[Any], up: Tensor, wanted: list[bool]) -> list[Any]:
    """The derivative in each wanted argument: in the logits by an operator, else by the portable path."""
    found = [None] * len(arguments)
    if wanted[0]:
        found[0] = torch.ops.xent.pullback(up, *arguments)
    if any(wanted[1:]):
        record, form, z, rest = called(*arguments)
        here = [i for i, x in enumerate(arguments) if isinstance(x, torch.Tensor)]
        asked = tuple(wanted[i] and i > 0 for i in here)
        for i, grad in zip(here, composite.pulled(record, form, (z, *rest), up, asked), strict=True):
            found[i] = grad if i else found[i]
    return found


def loss_backward(ctx: Any, up: Tensor | None) -> tuple[Any, ...]:
    arguments = remembered(ctx)
    wanted = wanted_of(ctx, len(arguments))
    return (None,) * len(wanted) if up is None else tuple(pulled(arguments, up, wanted))


def pair_backward(ctx: Any, up: Any, v: Any) -> tuple[Any, ...]:
    *arguments, gradient = remembered(ctx)
    wanted, found = wanted_of(ctx, len(arguments)), [None] * len(arguments)
    once = record_of(ctx.record).reduction != "none" and gradient.dtype is not torch.float16
    if up is not None:
        found = pulled(arguments, up, [wanted[0] and not once, *wanted[1:]])
        found[0] = up * gradient if once and wanted[0] else found[0]
    if v is not None:
        ones = torch.ones_like(value_like(record_of(ctx.record), arguments[0]))
        _, *second = twice(arguments, ones, v, [False, *wanted])
        found = [b if a is None else a if b is None else a + b for a, b in zip(found, second, strict=True)]
    return tuple(found)


def pullback_backward(ctx: Any, v: Tensor | None) -> tuple[Any, ...]:
    up, *arguments = remembered(ctx)
    wanted = wanted_of(ctx, 1 + len(arguments))
    return (None,) * len(wanted) if v is None else tuple(twice(arguments, up, v, wanted))


def twice(arguments: list[Any], up: Tensor, v: Tensor, wanted: list[bool]) -> list[Any]:
    """The derivatives of <v, up * gradient> in (upstream, *arguments)."""
    record, form, z, rest = called(*arguments)
    here = [0, *(i + 1 for i, x in enumerate(arguments) if isinstance(x, torch.Tensor))]
    found: list[Any] = [None] * len(wanted)
    grads = composite.pulled_twice(record, form, (z, *rest), up, v, tuple(wanted[i] for i in here))
    for i, grad in zip(here, grads, strict=True):
        found[i] = grad
    return found


# ---- their registration


def batched(operator: Any) -> Any:
    """Under `vmap`, one call after the other."""

    def rule(info: Any, in_dims: Any, *arguments: Any) -> tuple[Any, Any]:
        calls = [
            [x if dim is None else x.select(dim, i) for x, dim in zip(arguments, in_dims, strict=True)]
            for i in range(info.batch_size)
        ]
        found = [operator(*call) for call in calls]
        if isinstance(found[0], tuple):
            return tuple(map(torch.stack, zip(*found, strict=True))), (0, 0)
        return torch.stack(found), 0

    return rule


def register(name: str, takes: str, gives: str, compute: Any, like: Any, backward: Any = None) -> None:
    """Defines `xent::name`."""
    made = torch.library.custom_op(f"xent::{name}", compute, mutates_args=(), schema=f"({takes}) -> {gives}")
    made.register_fake(like)
    made.register_vmap(batched(made))
    if backward is not None:
        made.register_autograd(backward, setup_context=remember)


PAIR = "(Tensor, Tensor)"
register("loss", ARRAYS, "Tensor", loss, like_value, loss_backward)
register("value_and_grad", ARRAYS, PAIR, value_and_grad, like_pair, pair_backward)
register("grad_and_hess", ARRAYS, PAIR, grad_and_hess, like_gradients)
register("hvp", f"Tensor v, {ARRAYS}", "Tensor", hvp, like_logits)
register("pullback", f"Tensor up, {ARRAYS}", "Tensor", pullback, like_logits, pullback_backward)
