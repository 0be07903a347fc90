"""Sums in fixed point (src/kernels/fixed.hpp): the same bits for any partition of the rows.

int64[..., 4] (wide: 256 bits, 128 behind the point; values beyond 2^100 are held there) or, for bounded quantities,
int64[..., 2] (narrow: 128 bits, 64 behind the point, values below 2^62), the highest word first. Where every digit
counts (the loss itself), the tally's registers of 2,176 bits are the place; here a table has thousands of slots.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

Array = Any


def zeros(*shape: int, wide: bool = True) -> Array:
    """Sums of nothing."""
    return np.zeros((*shape, 4 if wide else 2), np.int64)


def scatter(sums: Array, index: Array, x: Array) -> None:
    """sums[index[r], ...] += x[r, ...] for every row r; sums [slots, columns, words] or [slots, words], x float64."""
    from xent import _kernels

    table = sums if sums.ndim == 3 else sums[:, None]
    values = np.ascontiguousarray(x, np.float64).reshape(len(index), table.shape[1])
    _kernels.scatter(table, np.ascontiguousarray(index, np.int32), values)


def merged(a: Array, b: Array) -> Array:
    """a + b."""
    from xent import _kernels

    out = a.copy()
    _kernels.combine(out, np.ascontiguousarray(b))
    return out


def floats(sums: Array) -> Array:
    """The sums as float64 (two places short of exact), shape without the last axis."""
    half = 64 * (sums.shape[-1] // 2)
    below = sums[..., :1] < 0
    words = np.where(below, ~sums, sums).view(np.uint64)  # -x - 1: one last place off
    out = np.zeros(sums.shape[:-1])
    for i in reversed(range(sums.shape[-1])):  # smallest first
        out += words[..., i].astype(np.float64) * 2.0 ** (64 * (sums.shape[-1] - 1 - i) - half)
    return np.where(below[..., 0], -out, out)


def value(sums: Array) -> Fraction:
    """One sum, exactly."""
    whole = int(sums[0])
    for word in sums[1:]:
        whole = (whole << 64) + int(word.view(np.uint64))
    return Fraction(whole, 1 << 64 * (len(sums) // 2))


def collect(sums: Array, index: Array, other: Array) -> None:
    """sums[index[r]] += other[r], both sums in fixed point with any axes between the first and the words."""
    from xent import _kernels

    shape = (int(np.prod(sums.shape[1:-1])), sums.shape[-1])
    flat = np.ascontiguousarray(other).reshape(len(index), *shape)
    _kernels.collect(sums.reshape(len(sums), *shape), np.ascontiguousarray(index, np.int32), flat)
