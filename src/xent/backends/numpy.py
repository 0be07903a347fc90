"""NumPy arrays and what becomes one (lists, numbers, anything with `__array__`) on the way into the kernels."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

Array = Any

FLOATS = frozenset(np.dtype(c) for c in "efd")
HARD = frozenset(np.dtype(c) for c in "?bBhHiIlLqQ")
TARGETS = FLOATS | HARD
BLOCK = 1 << 16
BFLOAT16 = np.dtype([("bfloat16", np.uint16)])  # its bits, where ml_dtypes need not be there to name them


def is_bfloat16(dtype: np.dtype) -> bool:
    """Whether this is `BFLOAT16`, or ml_dtypes' bfloat16, which cannot be here unless ml_dtypes is loaded."""
    if dtype == BFLOAT16:
        return True
    ml_dtypes = sys.modules.get("ml_dtypes")
    return ml_dtypes is not None and dtype == ml_dtypes.bfloat16


def plain(name: str, x: Any) -> Array:
    """A base-class array in the machine's byte order, aligned; a copy only where it is not that already."""
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(
            f"`{name}` must be an array without a mask; got a masked array. Pass `where=~x.mask` and `x.data`."
        )
    try:
        a = np.asarray(x)
    except ValueError as error:  # ragged lists
        raise ValueError(f"`{name}` must be an array; {error}.") from None
    if not a.dtype.isnative:
        a = a.astype(a.dtype.newbyteorder("="))
    return a if a.flags.aligned else a.copy()


def floating(name: str, x: Any) -> Array:
    """Logits: float16, bfloat16, float32 or float64; Python numbers and lists become float64."""
    made = isinstance(x, (list, tuple, float, int))
    a = plain(name, x)
    if made and a.dtype.kind in "biuf":
        a = a.astype(np.float64)
    if a.dtype not in FLOATS and not is_bfloat16(a.dtype):
        raise TypeError(
            f"`{name}` must hold floating-point numbers (float16, bfloat16, float32, float64); got {a.dtype}. "
            f"Convert with `{name}.astype(np.float32)` if that is what they mean."
        )
    return a


def targets(name: str, x: Any) -> Array:
    """Targets of any real dtype; what the kernels do not read becomes the next wider float."""
    a = plain(name, x)
    if is_bfloat16(a.dtype):
        return widened(a)
    if a.dtype in TARGETS:
        return a
    if a.dtype.kind == "f":
        return a.astype(np.float64)
    raise TypeError(f"`{name}` must hold bool, integer or floating-point numbers; got {a.dtype}.")


def widened(a: Array) -> Array:
    """bfloat16 as float32, of which it is the upper half."""
    return np.asarray(np.left_shift(bits(a), 16, dtype=np.uint32)).view(np.float32)


def rounded(a: Array, dtype: np.dtype) -> Array:
    """float64 in this dtype; in `BFLOAT16` by way of float32, to even where two are as near."""
    if dtype != BFLOAT16:
        return a.astype(dtype)
    narrow = np.asarray(a, np.float32)
    bits = narrow.view(np.uint32)
    near = (bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))) >> np.uint32(16)
    return np.asarray(np.where(np.isnan(narrow), 0x7FC0, near).astype(np.uint16)).view(dtype)


def weights(name: str, x: Any) -> Array:
    """Weights in float32 or float64; see `nonnegative`."""
    a = targets(name, x)
    return a if a.dtype.char in "fd" else a.astype(np.float64)


def nonnegative(name: str, a: Array) -> Array:
    """`a` if all its entries are finite and >= 0. The sigmoid kernels look for themselves."""
    if not sound(a):
        at = tuple(int(i) for i in np.argwhere(~((a >= 0) & (a < np.inf)))[0])
        where = f" at index {at[0] if len(at) == 1 else at}" if at else ""
        raise ValueError(f"`{name}` must be finite and >= 0; got {a[at]}{where}.")
    return a


def sound(a: Array) -> bool:
    """Whether all entries are finite and >= 0; in blocks that stay in cache, so memory is read once."""
    if a.flags.c_contiguous and a.size > BLOCK:
        flat = a.reshape(-1)
        return all(sound(flat[i : i + BLOCK]) for i in range(0, flat.size, BLOCK))
    return a.size == 0 or bool(a.min() >= 0 and a.max() < np.inf)


def mask(name: str, x: Any) -> Array:
    """A boolean mask."""
    a = plain(name, x)
    if a.dtype != np.bool_:
        raise TypeError(f"`{name}` must be boolean; got {a.dtype}. Write the condition out, as in `{name}=x > 0`.")
    return a


def table(name: str, x: Any) -> Array:
    """Numbers per class in float64."""
    a = plain(name, x)
    if is_bfloat16(a.dtype):
        a = widened(a)
    if a.dtype.kind not in "biuf":
        raise TypeError(f"`{name}` must hold numbers; got {a.dtype}.")
    return a.astype(np.float64)


def bits(a: Array) -> Array:
    """What the kernels read: bfloat16 travels as its 16 bits."""
    return a if a.dtype in FLOATS else a.view(np.uint16)


def buffer(name: str, out: Any, shape: tuple[int, ...], dtype: np.dtype, inputs: tuple[Array, ...]) -> Array:
    """The caller's `out` if it can take the result."""
    if not isinstance(out, np.ndarray) or isinstance(out, (np.ma.MaskedArray, np.matrix)):
        raise TypeError(f"`{name}` must be a NumPy array of the base kind; got {type(out).__name__}.")
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(
            f"`{name}` must have shape {shape} and dtype {dtype}; got shape {out.shape} and dtype {out.dtype}."
        )
    if not out.flags.writeable:
        raise ValueError(f"`{name}` must be writable; got a read-only array.")
    if any(step == 0 and n > 1 for step, n in zip(out.strides, out.shape, strict=True)) and out.size:
        raise ValueError(f"`{name}` must hold every result at a place of its own; got strides {out.strides}.")
    if any(isinstance(x, np.ndarray) and np.may_share_memory(out, x) for x in inputs):
        raise ValueError(f"`{name}` must not share memory with an input or another buffer; got one that does.")
    return out
