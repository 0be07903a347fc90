"""A call of a loss as one operation of JAX: what it costs to trace is one equation, and each platform lowers its own.

On the CPU it becomes one call of the kernels; elsewhere the portable loss. The portable loss also serves what one call
on one device cannot: `vmap`, arrays that the compiler spreads over devices, and exported programs, which must run
where xent is not installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir

from xent import backends
from xent.backends.jax import arrays, fused, portably
from xent.backends.jax.call import Call

Array = Any

operation: Any = Primitive("xent")
operation.multiple_results = True


def run(call: Call, *operands: Array) -> list[Array]:
    """The results of the call."""
    results: list[Array] = operation.bind(*operands, call=call)
    return results


def on_arrays(*operands: Array, call: Call) -> list[Array]:
    if arrays.home(operands) is not None:
        return fused.direct(call, list(operands))
    return portably.compiled(call, backends.checking)(*operands)


def shapes(*avals: Any, call: Call) -> list[Any]:
    logits = avals[0]
    return [
        logits.update(shape=shape, dtype=dtype, weak_type=False, sharding=whole(logits, len(shape)))
        for shape, dtype in call.results(logits.shape, logits.dtype)
    ]


def whole(aval: Any, ndim: int) -> Any:
    """The sharding of a result that is not spread, on the mesh of `aval`."""
    unsharded: Any = jax.sharding.PartitionSpec
    return aval.sharding.update(spec=unsharded(*[None] * ndim))


def lower_portable(ctx: Any, *operands: Any, call: Call) -> Any:
    return mlir.lower_fun(portably.results(call), multiple_results=True)(ctx, *operands)


def lower_kernels(ctx: Any, *operands: Any, call: Call) -> Any:
    if spread(ctx.module_context) or not fused.kernels():
        return lower_portable(ctx, *operands, call=call)
    text = call.text([aval.dtype for aval in (*ctx.avals_in, *ctx.avals_out)])
    return jax.ffi.ffi_lowering("xent")(ctx, *operands, call=text)


def spread(module: Any) -> bool:
    """Whether the program leaves this process, or its compiler may spread one array over several devices."""
    if module.lowering_parameters.for_export:
        return True
    axes = module.axis_context
    if isinstance(axes, mlir.SPMDAxisContext):
        return set(axes.mesh.axis_names) != set(axes.manual_axes)
    return getattr(axes, "num_devices", 1) != 1


operation.def_impl(on_arrays)
operation.def_abstract_eval(shapes)
mlir.register_lowering(operation, lower_portable)
mlir.register_lowering(operation, lower_kernels, platform="cpu")


def batch(operands: Sequence[Array], axes: Sequence[Any], *, call: Call) -> tuple[Sequence[Array], Sequence[int]]:
    results = jax.vmap(portably.compiled(call, backends.checking), in_axes=tuple(axes))(*operands)
    return results, [0] * len(results)


batching.primitive_batchers[operation] = batch
