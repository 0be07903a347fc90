"""Memory for results: at a multiple of 64 bytes, and large blocks again as soon as nobody holds them.

Two facts force the shape. A training loop asks for a gradient of the same size at every step, and memory fresh from the
system costs as much as the loss: its pages must be cleared (2^24 float32: 10 ms beside 13). And a view of
an array keeps that array only if its memory is not an array's: so blocks are ctypes', and an array that is gone
leaves no view behind.
"""

from __future__ import annotations

import ctypes
import math
import sys
import weakref
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np

Array = Any
Block = Any  # bytes of ctypes

LEAST = 1 << 20  # bytes: from here on the system hands out pages that it must clear
MOST = 1 << 28  # bytes kept for the next call, all blocks together
LINE = 64  # bytes of a cache line, and of the widest vector


class Loan(weakref.ref):  # type: ignore[type-arg]
    """A reference to an array in use, and the block it lies in."""

    __slots__ = ("block",)

    block: Block


_lent: dict[int, Loan] = {}  # by identity: an array has no hash
_kept: list[Block] = []  # blocks that came back, the last used first
_lock = Lock()  # never waited for: a fork may have left it locked


def empty(shape: tuple[int, ...], dtype: Any, order: Any = "C") -> Array:
    """What `numpy.empty` gives; from 1 MiB on aligned, in memory that the last result of this size has left if it can.

    >>> empty((2, 3), "float32").shape
    (2, 3)
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < LEAST:
        return np.empty(shape, dtype, order)
    block = taken(size)
    made = np.ndarray(shape, dtype, block, order=order)
    lend(made, block, came_back)
    return made


def lend(made: Array, block: Block, back: Callable[[Loan], None]) -> None:
    """Has `back` called when `made` is gone."""
    loan = Loan(made, back)
    loan.block = block
    _lent[id(loan)] = loan


def taken(size: int) -> Block:
    """A block of this many bytes: one that came back, or a new one."""
    if _lock.acquire(blocking=False):
        try:
            for at, block in enumerate(_kept):
                if len(block) == size:
                    return _kept.pop(at)
        finally:
            _lock.release()
    return block_of(np.empty(size + LINE, np.uint8), size)


def block_of(raw: Array, size: int) -> Block:
    """The first `size` bytes of an array's memory from a multiple of 64 on; they keep the array."""
    return (ctypes.c_uint8 * size).from_buffer(raw, -raw.__array_interface__["data"][0] % LINE)


def came_back(loan: Loan) -> None:
    """Keeps the block of an array that is gone, unless somebody asked for it (`array.base`); of many the last used."""
    del _lent[id(loan)]
    block = loan.block
    if sys.getrefcount(block) > HELD or not _lock.acquire(blocking=False):
        return
    try:
        _kept.insert(0, block)
        while sum(map(len, _kept)) > MOST:
            _kept.pop()
    finally:
        _lock.release()


def _held() -> int:
    """The references to a block in `came_back` that are not somebody's, counted: Pythons differ."""
    seen = []

    def count(loan: Loan) -> None:
        del _lent[id(loan)]
        block = loan.block
        seen.append(sys.getrefcount(block))

    block = block_of(np.empty(8 + LINE, np.uint8), 8)
    made = np.ndarray((2,), np.float32, block)
    lend(made, block, count)
    del block, made
    return seen[0]


HELD = _held()
