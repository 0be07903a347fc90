"""Measures, activations and probabilities of JAX arrays.

NumPy's own functions where values can be read, else the portable ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from xent import backends
from xent.backends.jax.arrays import brought, concrete, given_back, home, real, seen
from xent.backends.jax.ops import OPS
from xent.portable.questions import QUESTIONS

Array = Any
Given = dict[str, Any]


def through(
    given: Given,
    question: tuple[str, tuple[Any, ...]],
    *,
    numbers: Callable[..., Any],
    check: Callable[..., Any] | None = None,
    out: Any = None,
    detached: bool = False,
) -> Any:
    """`numbers` of the arrays as NumPy sees them, as JAX arrays; or the portable answer to the question.

    What is None stays away, and what is no JAX array becomes one. `check` and `detached` are for tensors: here whatever
    can be read goes through `numbers`, and a gradient that is asked for is differentiated like any other result.
    """
    if out is not None:
        raise TypeError("`out` is for NumPy arrays and torch tensors: JAX arrays never change; use what is returned.")
    given = {name: x for name, x in given.items() if x is not None}
    for name, x in given.items():
        real(name, x)
    operands = list(given.values())
    if backends.portable or not concrete(operands) or home(operands) is None:
        arrays = {name: brought(name, x) for name, x in given.items()}
        return QUESTIONS[question[0]](OPS, arrays, *question[1])
    like = next(x for x in operands if isinstance(x, jax.Array))
    found = numbers(**{name: seen(x) for name, x in given.items()})
    if not isinstance(found, tuple):
        return given_back(np.asarray(found), like)
    return tuple(None if x is None else given_back(np.asarray(x), like) for x in found)
