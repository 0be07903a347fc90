"""Sums in fixed point, int64[..., 2] (whole, 64 bits behind the point): the same bits for any partition of the rows.

A value is rounded down to a multiple of 2^-63 and must be below 2^62 in size (src/kernels/fixed.hpp). Where every digit
counts (the loss itself), the tally's registers of 2,176 bits are the place; here a table has thousands of slots.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

Array = Any


def zeros(*shape: int) -> Array:
    """Sums of nothing."""
    return np.zeros((*shape, 2), np.int64)


def scatter(sums: Array, index: Array, x: Array) -> None:
    """sums[index[r], ...] += x[r, ...] for every row r; sums int64[slots, columns, 2] or [slots, 2], x float64."""
    from xent import _kernels

    wide = sums if sums.ndim == 3 else sums[:, None]
    values = np.ascontiguousarray(x, np.float64).reshape(len(index), wide.shape[1])
    _kernels.scatter(wide, np.ascontiguousarray(index, np.int32), values)


def merged(a: Array, b: Array) -> Array:
    """a + b."""
    from xent import _kernels

    out = a.copy()
    _kernels.combine(out, np.ascontiguousarray(b))
    return out


def floats(sums: Array) -> Array:
    """The sums as float64, shape without the last axis."""
    return sums[..., 0] + sums[..., 1].view(np.uint64).astype(np.float64) * 2.0**-64


def value(sums: Array) -> Fraction:
    """One sum, exactly."""
    return Fraction((int(sums[0]) << 64) + int(sums[1].view(np.uint64)), 1 << 64)
