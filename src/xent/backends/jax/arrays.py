"""What comes beside JAX logits, as JAX arrays or as NumPy's views of them; and what can be checked without values.

A JAX array on the CPU is NumPy memory: `np.asarray` of it copies nothing, and JAX takes over aligned NumPy memory the
same way. A tracer has a shape and a dtype only: its call is checked on stand-ins without memory, by the very code that
checks NumPy's arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xent import backends, tables
from xent.backends.jax.call import Call
from xent.passes import Loss
from xent.rows.shapes import sparse

Array = Any
number: Any = jax.jit(lambda x: x)
FLOATS = frozenset(np.dtype(x) for x in (jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64))


def collect(
    what: str, record: Loss, logits: Any, targets: Any, arrays: dict[str, Any], v: Any
) -> tuple[Call, list[Any]]:
    """The call and its operands, as they came."""
    named = {"logits": logits}
    if type(targets) is tuple:
        if len(targets) != 2:
            sparse(targets, logits.shape, 0, "class")  # says so
        named |= dict(zip(("ids", "probs"), targets, strict=True))
    else:
        named["targets"] = targets
    tables.given(record, arrays)
    order = ("sample_weight", "where", *record.tables)
    named |= {name: arrays[name] for name in order if arrays.get(name) is not None}
    if what == "hvp":
        named["v"] = v
    for name, x in named.items():
        real(name, x)
    return Call(what, record, tuple(named)), list(named.values())


def real(name: str, x: Any) -> None:
    """TypeError for what JAX knows and NumPy does not: keys, and another framework's arrays."""
    kind = backends.framework(x)
    if kind == "jax" and jnp.issubdtype(x.dtype, jax.dtypes.extended):
        raise TypeError(f"`{name}` must hold numbers; got JAX keys, {x.dtype}.")
    if kind not in ("", "jax"):
        raise TypeError(
            f"the arrays of one call must be of one kind; got a {kind} {backends.FOREIGN[kind]} as `{name}` beside JAX "
            "logits. Pass a JAX or NumPy array."
        )


def concrete(operands: Sequence[Any]) -> bool:
    """Whether no operand is being traced or differentiated."""
    return not any(isinstance(x, jax.core.Tracer) for x in operands)


def home(operands: Sequence[Any]) -> Any:
    """The one CPU device on which all JAX arrays lie, or None."""
    found = None
    for x in operands:
        if isinstance(x, jax.Array):
            devices = x.devices()
            if len(devices) != 1 or (found is not None and devices != found):
                return None
            found = devices
    (device,) = found or (None,)
    return device if device is not None and device.platform == "cpu" else None


def seen(x: Any) -> Any:
    """NumPy's view of a JAX array; anything else as it is."""
    return np.asarray(x) if isinstance(x, jax.Array) else x


def given_back(result: Array, like: Array) -> Array:
    """A result as a JAX array where the logits are, committed if they are; aligned memory is taken over."""
    if getattr(like, "committed", True):
        return jax.device_put(result, like.sharding)
    if result.shape:
        return jax.device_put(result)
    with jax.disable_jit(False):
        return number(result)  # the quickest way in for a scalar


def brought(name: str, x: Any) -> Array:
    """An operand as a JAX array. Integers that JAX would wrap are an error."""
    if isinstance(x, jax.Array):
        return x
    a = backends.numpy.plain(name, x)
    if a.dtype.kind in "iu" and a.size:
        limits = np.iinfo(jax.dtypes.canonicalize_dtype(a.dtype))
        if a.min() < limits.min or a.max() > limits.max:
            raise ValueError(
                f"`{name}` must hold integers in [{limits.min}, {limits.max}], JAX's {limits.dtype}, unless "
                f"`jax_enable_x64` is on; got {a.min() if a.min() < limits.min else a.max()}."
            )
    return jnp.asarray(a)


def varying(operands: list[Array]) -> list[Array]:
    """Inside `shard_map`: all operands as varying over the mesh axes that any of them varies over."""
    axes = [manual_axes(x) for x in operands]
    every = frozenset[str]().union(*axes)
    return [x if own == every else as_varying(x, tuple(every - own)) for x, own in zip(operands, axes, strict=True)]


def as_varying(x: Array, axes: tuple[str, ...]) -> Array:
    """`x` as varying over these axes too, by the name that this JAX has for it."""
    lax: Any = jax.lax
    return lax.pcast(x, axes, to="varying") if hasattr(lax, "pcast") else lax.pvary(x, axes)


def manual_axes(x: Array) -> frozenset[str]:
    """The mesh axes that the type of `x` says it varies over, under the name that this JAX has for them."""
    kind: Any = jax.typeof(x)
    found: frozenset[str] = kind.mat.varying if hasattr(kind, "mat") else getattr(kind, "vma", frozenset())
    return found


def spread(operands: Sequence[Array]) -> bool:
    """Whether the type of an operand says that it lies in parts on several devices (explicit sharding)."""
    return any(axis is not None for x in operands for axis in jax.typeof(x).sharding.spec)


def stand_in(name: str, x: Any) -> Any:
    """An array of the same shape and kind without memory, whose values pass every check."""
    dtype = np.dtype(x.dtype)
    value = 0.0
    if name == "targets" and dtype in FLOATS:
        dtype = np.dtype(np.float32)
    elif name not in ("logits", "v", "where", "ids", "targets") and (dtype.kind in "biuf" or dtype in FLOATS):
        dtype = np.dtype(np.float64)  # which no check converts
        if name == "prior" and x.shape:
            value = 1.0 / max(1, math.prod(x.shape))
    return np.broadcast_to(np.asarray(value).astype(dtype), x.shape)


def checked(call: Call, operands: Sequence[Any]) -> None:
    """The errors of the NumPy face that shapes and dtypes decide."""
    for name, x in zip(call.names, operands, strict=True):
        if not all(isinstance(n, int) for n in x.shape):
            raise TypeError(f"`{name}` must have a shape of numbers; got {x.shape}. Export the program once per shape.")
    kept = {name: stand_in(name, x) for name, x in zip(call.names, operands, strict=True)}
    shape = kept["logits"].shape
    if call.axis is None and "ids" in kept and shape:
        sparse((kept.pop("ids"), kept.pop("probs")), shape, len(shape) - 1, "label")
        kept["targets"] = np.broadcast_to(np.float32(0), shape)  # `rows` would write them out
    replace(call, names=tuple(kept)).rows(list(kept.values()))
