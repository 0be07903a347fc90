"""optax's shapes as the losses of xent take them: labels that broadcast, class axes in tuples, masks of two kinds.

optax broadcasts logits and labels both ways, so a column against a row becomes a matrix of losses without a word. Here
one of the two must already have the shape of the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import index
from typing import Any

import jax.numpy as jnp
import numpy as np

from xent import backends
from xent.backends.jax.arrays import brought
from xent.wording import reworded

Array = Any
Shape = tuple[int, ...]
Axes = tuple[int, ...]


def exact(loss: Callable[..., Array], z: Array, t: Array, **options: Any) -> Array:
    """A loss of xent, one for each example unless asked otherwise; its errors speak of `labels`."""
    try:
        return loss(z, t, **{"reduction": "none"} | options)
    except (ValueError, TypeError) as error:
        raise reworded(error, targets="labels") from None


def array(name: str, x: Any) -> Array:
    """`x` as a JAX array. Another framework's is a TypeError, integers that JAX would wrap are a ValueError."""
    if backends.framework(x) not in ("", "jax"):
        raise TypeError(f"`{name}` must be a JAX or NumPy array; got a {type(x).__module__} {type(x).__name__}.")
    return brought(name, x) if isinstance(x, np.ndarray | np.generic) else jnp.asarray(x)


def mask(where: Any) -> Array:
    """`where` as a boolean JAX array; TypeError if it is anything else."""
    found = array("where", where)
    if found.dtype != jnp.bool_:
        raise TypeError(f"`where` must be boolean; got {found.dtype}. Write the condition out, as in `where=x > 0`.")
    return found


def floating(name: str, x: Any) -> Array:
    """`x` as a JAX array of floating point; TypeError if it holds anything else."""
    a = array(name, x)
    if not jnp.issubdtype(a.dtype, jnp.floating):
        raise TypeError(f"`{name}` must be floating-point; got {a.dtype}.")
    return a


def joined(first: str, a: Shape, second: str, b: Shape) -> Shape:
    """The shape two arrays broadcast to, which one of them must already have."""
    try:
        shape = jnp.broadcast_shapes(a, b)
    except ValueError:
        shape = None
    if shape is None or shape not in (a, b):
        raise ValueError(
            f"`{second}` must have the shape of `{first}`, {a}, or broadcast to it; got shape {b}. "
            "Nothing becomes an outer product: reshape the one that lacks an axis."
        )
    return tuple(shape)


def class_axes(axis: Any, ndim: int) -> Axes:
    """The class axes counted from the end, so that leading axes may be added; None means all of them."""
    if isinstance(axis, (tuple, list)):
        axes = tuple(index(a) for a in axis)
    else:
        axes = tuple(range(ndim)) if axis is None else (index(axis),)
    if not axes or any(not -ndim <= a < ndim for a in axes) or len({a % ndim for a in axes}) < len(axes):
        raise ValueError(f"`axis` must name different axes of the logits' {ndim}; got {axis}.")
    return tuple(a % ndim - ndim for a in axes)


def rest(shape: Shape, axes: Axes) -> Shape:
    """The shape without the class axes."""
    dropped = {a % len(shape) for a in axes}
    return tuple(n for i, n in enumerate(shape) if i not in dropped)


def gathered(x: Array, axes: Axes) -> Array:
    """The class axes as one, the last, in the order they were named."""
    if len(axes) == 1:
        return jnp.moveaxis(x, axes[0], -1)
    named = tuple(a % x.ndim for a in axes)
    batch = tuple(i for i in range(x.ndim) if i not in named)
    return x.transpose(batch + named).reshape(*(x.shape[i] for i in batch), math.prod(x.shape[i] for i in named))


def masks(where: Any, shape: Shape, axes: Axes) -> tuple[Array | None, Array | None]:
    """(mask of rows, mask of classes with the class axis last): a mask is of the one kind or of the other."""
    if where is None:
        return None, None
    keep, batch = mask(where), rest(shape, axes)
    if keep.ndim != len(shape):
        joined("losses", batch, "where", keep.shape)
        return jnp.broadcast_to(keep, batch), None
    joined("logits", shape, "where", keep.shape)
    if all(keep.shape[a] == 1 for a in axes) and any(shape[a] != 1 for a in axes):
        return jnp.broadcast_to(keep.squeeze(axes), batch), None
    return None, gathered(jnp.broadcast_to(keep, shape), axes)
