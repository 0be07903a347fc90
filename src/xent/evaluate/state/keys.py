"""What a row is known by, and which of 256 buckets it falls into: the same for any partition of the rows.

A row's key mixes a hash of its file's name, without its folder, with its number there. Rows of one cluster share a
bucket: that of the cluster's value. Hashes are no more random than they need to be; nobody attacks them.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np

from ..sources import Column
from .values import MOMENTS, SPANS, microseconds, sort_of, text_bytes

Array = Any
# Weyl step and finaliser of splitmix64 (Steele, Lea & Flood 2014; Stafford's variant 13).
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_NONE = np.uint64(0x6E6F6E65)  # a missing value: "none"
_FRACTION = np.uint64(0x66726163)  # sets 0.5 apart from the whole number of the same bits
_WORD = 8


def row_keys(source: str, start: int, rows: int) -> Array:
    """uint64 [rows]: keys of rows `start` and following of a source."""
    name = int.from_bytes(blake2b(source.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
    return mixed(np.uint64(name) + (np.arange(start, start + rows, dtype=np.uint64) + np.uint64(1)) * _STEP)


def mixed(x: Array) -> Array:
    """The finaliser of splitmix64, a bijection of uint64 that spreads every bit over all."""
    x = x ^ (x >> np.uint64(30))
    x *= _FIRST
    x ^= x >> np.uint64(27)
    x *= _SECOND
    x ^= x >> np.uint64(31)
    return x


def buckets(hashes: Array) -> Array:
    """int32: the top 8 bits."""
    return (hashes >> np.uint64(56)).astype(np.int32)


def cluster_hashes(array: Any, column: Column) -> Array:
    """uint64 [n]: hashes of the values of a column; 3 and 3.0 are one value, so are all nulls and NaN."""
    if sort_of(column) == "text":
        return _text(array)
    if column.dtype.startswith((*MOMENTS, *SPANS)):
        whole, missing = microseconds(array)
        return np.where(missing, _NONE, mixed(whole.view(np.uint64) + _STEP))
    return _numbers(*_raw(array))


def _raw(array: Any) -> tuple[Array, Array]:
    """Numbers as they are stored, and where there is none."""
    if isinstance(array, np.ndarray):
        return array, np.zeros(len(array), bool)
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    missing = array.is_null().to_numpy(zero_copy_only=False)
    if array.null_count:
        array = array.fill_null(False if pa.types.is_boolean(array.type) else 0)
    return array.to_numpy(zero_copy_only=False), missing


def _numbers(x: Array, missing: Array) -> Array:
    if x.dtype.kind in "biu":
        return np.where(missing, _NONE, mixed(x.astype(np.uint64) + _STEP))
    x = x.astype(np.float64)
    with np.errstate(invalid="ignore"):
        whole = (x == np.floor(x)) & (abs(x) < 2.0**63)
        as_whole = np.where(whole, x, 0.0).astype(np.int64).view(np.uint64)
    hashes = np.where(whole, mixed(as_whole + _STEP), mixed((x + 0.0).view(np.uint64) ^ _FRACTION))
    return np.where(missing | np.isnan(x), _NONE, hashes)


def _text(array: Any) -> Array:
    """Eight bytes at a time, shorter texts dropping out."""
    data, offsets, missing = text_bytes(array)
    lengths = np.diff(offsets)
    padded = np.concatenate([data, np.zeros(_WORD, np.uint8)])
    hashes = mixed(lengths.astype(np.uint64) + _STEP)
    left = np.flatnonzero(lengths)
    at = 0
    while len(left):
        piece = padded[(offsets[left] + at)[:, None] + np.arange(_WORD)]
        piece[np.arange(_WORD) >= (lengths[left] - at)[:, None]] = 0
        hashes[left] = mixed(hashes[left] ^ np.ascontiguousarray(piece).view("<u8")[:, 0])
        at += _WORD
        left = left[lengths[left] > at]
    hashes[missing] = _NONE
    return hashes
