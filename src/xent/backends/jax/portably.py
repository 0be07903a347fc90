"""The portable loss as functions of a call's operands: what JAX compiles, batches and differentiates by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from xent import portable
from xent.backends.jax.arrays import spread
from xent.backends.jax.call import Call
from xent.backends.jax.ops import OPS

Array = Any


@lru_cache(maxsize=256)
def results(call: Call) -> Callable[..., list[Array]]:
    """The function of the operands that gives the call's results."""
    return {"loss": loss, "value_and_grad": value_and_grad, "grad_and_hess": grad_and_hess, "hvp": hvp}[call.what](call)


@lru_cache(maxsize=256)
def compiled(call: Call, checking: bool) -> Callable[..., list[Array]]:
    """The same under jit, whatever the debugging flags; `checking` is part of what is compiled."""
    program: Any = jax.jit(lambda *operands: in_parts(call, operands) if spread(operands) else results(call)(*operands))

    def run(*operands: Array) -> list[Array]:
        with jax.disable_jit(False):
            return list(program(*operands))

    return run


def in_parts(call: Call, operands: Sequence[Array]) -> list[Array]:
    """The results for operands whose types say how they are spread: the compiler spreads what lies between."""
    kind: Any = jax.typeof(operands[0]).sharding
    partition: Any = jax.sharding.PartitionSpec
    spec = tuple(kind.spec)
    outs = []
    for shape, _ in call.results(operands[0].shape, operands[0].dtype):
        own = spec if len(shape) == len(spec) else call.without_classes(spec) if shape else ()
        outs.append(jax.sharding.NamedSharding(kind.mesh, partition(*own)))
    program: Any = jax.sharding.auto_axes(results(call), out_sharding=outs)
    return list(program(*operands))


def value(call: Call, operands: Any) -> Array:
    logits, targets, arrays, _ = call.unpack(operands)
    return portable.value(OPS, call.record, logits, targets, arrays)


def loss(call: Call) -> Callable[..., list[Array]]:
    return lambda *operands: [value(call, operands)]


def value_and_grad(call: Call) -> Callable[..., list[Array]]:
    def both(logits: Array, *others: Array) -> list[Array]:
        found, pull = jax.vjp(lambda z: value(call, (z, *others)), logits)
        return [found, *pull(jnp.ones_like(found))]

    return both


def grad_and_hess(call: Call) -> Callable[..., list[Array]]:
    def both(*operands: Array) -> list[Array]:
        logits, targets, arrays, _ = call.unpack(operands)
        return list(portable.grad_and_hess(OPS, call.record, logits, targets, arrays))

    return both


def hvp(call: Call) -> Callable[..., list[Array]]:
    """The tangent of the gradient along `v`."""

    def product(logits: Array, *others: Array) -> list[Array]:
        v = others[-1].astype(logits.dtype)
        first = value_and_grad(call)
        return [jax.jvp(lambda z: first(z, *others)[1], (logits,), (v,))[1]]

    return product
