"""Derivatives of a call: the first comes with the value from one fused pass, the others from the portable loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from xent import backends
from xent.backends.jax import portably, primitive
from xent.backends.jax.call import Call

Array = Any


@lru_cache(maxsize=256)
def differentiable(call: Call) -> Callable[..., list[Array]]:
    """The call as a function of its operands with derivatives of every order in all of them."""

    @jax.custom_jvp
    def run(*operands: Array) -> list[Array]:
        return primitive.run(call, *operands)

    def rule(primals: Sequence[Array], tangents: Sequence[Any]) -> tuple[list[Array], list[Array]]:
        if call.what != "loss" or still(tangents[0]):
            found = run(*primals)
            return found, along(call, primals, tangents, found)
        found, moved = along_logits(call, primals, tangents[0])
        if all(map(still, tangents[1:])):
            return found, moved
        rest = along(call, primals, (None, *tangents[1:]), found)
        return found, [x + y for x, y in zip(moved, rest, strict=True)]

    run.defjvp(rule, symbolic_zeros=True)
    return run


def still(tangent: Any) -> bool:
    """Whether an operand does not move."""
    return tangent is None or isinstance(tangent, SymbolicZero)


def along_logits(call: Call, primals: Sequence[Array], tangent: Array) -> tuple[list[Array], list[Array]]:
    """The loss and its tangent: value and gradient in one pass, whose tangent is linear in that of the logits."""
    logits, *others = primals
    dtype = np.dtype(np.float64 if logits.dtype == np.float64 else np.float32)
    lifted = logits.astype(dtype) if logits.dtype == np.float16 else logits  # its small gradients outlive a loss scale
    value, gradient = differentiable(call.asks("value_and_grad"))(lifted, *others)
    moved = gradient.astype(dtype) * jnp.asarray(tangent, dtype)
    if call.record.reduction != "none":
        return [value], [jnp.sum(moved)]
    if call.axis is not None:
        moved = jnp.sum(moved, axis=call.axis)
    return [value.astype(logits.dtype)], [moved.astype(logits.dtype)]


def along(call: Call, primals: Sequence[Array], tangents: Sequence[Any], found: list[Array]) -> list[Array]:
    """The tangents of the portable results where some operands move."""
    moving = [i for i, x in enumerate(tangents) if not still(x)]
    if not moving:
        return [jnp.zeros_like(x) for x in found]

    def portable(*some: Array) -> list[Array]:
        operands = list(primals)
        for i, x in zip(moving, some, strict=True):
            operands[i] = x
        return portably.compiled(call, backends.checking)(*operands)

    moved = jax.jvp(portable, [primals[i] for i in moving], [tangents[i] for i in moving])[1]
    return [x.astype(like.dtype) for x, like in zip(moved, found, strict=True)]
