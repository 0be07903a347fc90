"""Losses of JAX arrays: concrete ones on the CPU go to the kernels as they lie, all others become one operation.

Under `jit` on the CPU that operation calls the kernels through XLA's foreign function interface, if xent was built with
jaxlib's headers there (`kernels()` says so) and the portable path is not asked for; elsewhere it is the portable loss.
"""

from __future__ import annotations

from typing import Any

from xent import backends
from xent.backends.jax import arrays as operands_of
from xent.backends.jax import derivatives, fused, portably
from xent.backends.jax.fused import kernels
from xent.passes import Loss

Array = Any

__all__ = ["grad_and_hess", "hvp", "kernels", "loss", "value_and_grad"]


def ask(
    what: str, record: Loss, logits: Any, targets: Any, arrays: dict[str, Any], out: Any, v: Any = None
) -> list[Array]:
    """The results of a call."""
    if out is not None:
        raise TypeError("`out` is for NumPy arrays and torch tensors: JAX arrays never change; use what is returned.")
    call, operands = operands_of.collect(what, record, logits, targets, arrays, v)
    concrete = operands_of.concrete(operands)
    if concrete and not backends.portable and operands_of.home(operands) is not None:
        return fused.direct(call, operands)
    brought = [operands_of.brought(name, x) for name, x in zip(call.names, operands, strict=True)]
    operands_of.checked(call, brought)
    if concrete or backends.portable or operands_of.spread(brought):
        return portably.compiled(call, backends.checking)(*brought)
    return derivatives.differentiable(call)(*operands_of.varying(brought))


def loss(record: Loss, logits: Any, targets: Any, arrays: dict[str, Any], out: Any) -> Array:
    """The value, or all losses."""
    return ask("loss", record, logits, targets, arrays, out)[0]


def value_and_grad(record: Loss, logits: Any, targets: Any, arrays: dict[str, Any], out: Any) -> tuple[Array, Array]:
    """(value, gradient) in one pass."""
    value, gradient = ask("value_and_grad", record, logits, targets, arrays, out)
    return value, gradient


def grad_and_hess(record: Loss, logits: Any, targets: Any, arrays: dict[str, Any], out: Any) -> tuple[Array, Array]:
    """(gradient, diagonal of the Hessian) in one pass."""
    gradient, hessian = ask("grad_and_hess", record, logits, targets, arrays, out)
    return gradient, hessian


def hvp(record: Loss, logits: Any, targets: Any, v: Any, arrays: dict[str, Any], out: Any) -> Array:
    """The Hessian times `v`."""
    return ask("hvp", record, logits, targets, arrays, out, v)[0]
