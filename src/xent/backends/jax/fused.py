"""The kernels under JAX: directly on concrete arrays, and through XLA's foreign function interface under a compiler.

`_kernels` has a handler for XLA when jaxlib's headers were there at build time. It lends XLA's buffers to `answer`
below, which is the NumPy face; an error there ends the computation with its message.
"""

from __future__ import annotations

import atexit
import logging
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xent import _kernels
from xent.backends.jax import arrays
from xent.backends.jax.call import Call, read
from xent.backends.memory import empty

Array = Any
BFLOAT16 = np.dtype(jnp.bfloat16)


def answer(text: str, inputs: list[memoryview], results: list[memoryview]) -> None:
    """What the handler asks: the pass of this call over borrowed memory."""
    call, bfloat16 = read(text)
    held = [
        np.asarray(x).view(BFLOAT16) if half else np.asarray(x)
        for x, half in zip((*inputs, *results), bfloat16, strict=True)
    ]
    call.fill(*call.rows(held[: len(inputs)]), held[len(inputs) :])


@cache
def kernels() -> bool:
    """Makes the handlers known to XLA; whether there are any that this jaxlib takes.

    Asked when a program is lowered, never on import: it starts the CPU backend, without which JAX would take any
    handler, and a wrong one would then keep that backend from starting.
    """
    try:
        jax.devices("cpu")
        for name, handler in _kernels.xla_handlers(answer).items():
            jax.ffi.register_ffi_target(name, handler, platform="cpu")
            atexit.register(close)
            return True
    except Exception as error:  # built against a jaxlib whose interface this one does not speak
        logging.getLogger("xent").info("XLA refuses xent's kernels, the portable path is used: %s", error)
    return False


barrier: Any = jax.effects_barrier


def close() -> None:
    """Lets computations under way end before the interpreter does."""
    try:
        barrier()
    finally:
        _kernels.xla_close()


def direct(call: Call, operands: list[Any]) -> list[Array]:
    """The results for concrete arrays on one CPU device."""
    rows, v = call.rows([arrays.seen(x) for x in operands])
    results = [empty(*result) for result in call.results(rows.logits.shape, rows.logits.dtype)]
    call.fill(rows, v, results)
    return [arrays.given_back(x, operands[0]) for x in results]
