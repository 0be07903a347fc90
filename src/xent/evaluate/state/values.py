"""Further columns of a table, as the parts of a state take them: text by codes, numbers and moments as float64.

A missing value (null, NaN) is a value of its own: the text "(none)", the number NaN. Moments (dates, timestamps) are in
microseconds since 1970; times of day and durations are numbers of seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..sources import Column

Array = Any
NONE = "(none)"
MOMENTS = ("timestamp", "date32", "date64", "datetime64")
SPANS = ("time32", "time64", "duration", "timedelta64")
SECOND = 1e6  # microseconds


@dataclass(frozen=True, eq=False)
class Coded:
    """A batch of text: codes int32 [n] into `names` (which may hold names that no row has)."""

    codes: Array
    names: tuple[str, ...]

    def __getitem__(self, rows: Array) -> Coded:
        return Coded(self.codes[rows], self.names)

    def __len__(self) -> int:
        return len(self.codes)


def sort_of(column: Column) -> str | None:
    """text | flag | number | moment; None for what cannot tell rows apart, such as lists."""
    if column.kind == "text" or column.dtype == "null":
        return "text"
    if column.kind == "bool":
        return "flag"
    if column.kind in ("float", "int") or column.dtype.startswith(SPANS):
        return "number"
    return "moment" if column.dtype.startswith(MOMENTS) else None


def read(array: Any, column: Column) -> Coded | Array:
    """One column of a batch: `Coded` for text and yes/no, float64 [n] for numbers and moments."""
    sort = sort_of(column)
    if sort == "text":
        return _coded(array)
    if sort == "flag":
        return _flags(array)
    if column.dtype.startswith((*MOMENTS, *SPANS)):
        whole, missing = microseconds(array)
        return np.where(missing, np.nan, whole / (1.0 if sort == "moment" else SECOND))
    if isinstance(array, np.ndarray):
        return array.astype(np.float64)
    import pyarrow as pa

    plain = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    if not pa.types.is_float64(plain.type):
        plain = plain.cast(pa.float64(), safe=False)
    return plain.to_numpy(zero_copy_only=False)


def _flags(array: Any) -> Coded:
    if isinstance(array, np.ndarray):
        return Coded(array.astype(np.int32), ("false", "true", NONE))
    import pyarrow as pa

    codes = array.cast(pa.int32()).fill_null(2).to_numpy(zero_copy_only=False)
    return Coded(codes, ("false", "true", NONE))


def _coded(array: Any) -> Coded:
    if isinstance(array, np.ndarray):
        unique, inverse = np.unique(array, return_inverse=True)
        return Coded(inverse.astype(np.int32), tuple(str(name) for name in unique))
    import pyarrow as pa

    if pa.types.is_null(array.type):
        return Coded(np.zeros(len(array), np.int32), (NONE,))
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    names = [NONE if name is None else name for name in array.dictionary.to_pylist()]
    codes = array.indices.fill_null(len(names)).cast(pa.int32()).to_numpy(zero_copy_only=False)
    return Coded(codes, (*names, NONE))


def microseconds(array: Any) -> tuple[Array, Array]:
    """Moments, times of day and durations as int64 microseconds, and where there is none."""
    if isinstance(array, np.ndarray):
        whole = array.astype(f"{array.dtype.name.split('[')[0]}[us]").astype(np.int64)
        missing = np.isnat(array)
    else:
        import pyarrow as pa

        kind = array.type
        types = pa.types
        if types.is_time(kind):
            array = array.cast(pa.time64("us"), safe=False)
        elif types.is_duration(kind):
            array = array.cast(pa.duration("us"), safe=False)
        else:
            array = array.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False)
        missing = array.is_null().to_numpy(zero_copy_only=False)
        whole = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return np.where(missing, 0, whole), missing


def text_bytes(array: Any) -> tuple[Array, Array, Array]:
    """Text as UTF-8: bytes of all rows, uint8; where each begins and the last ends, int64 [n + 1]; where none is."""
    if isinstance(array, np.ndarray):
        pieces = [str(name).encode("utf-8", "surrogatepass") for name in array]
        offsets = np.concatenate([[0], np.cumsum([len(p) for p in pieces])]).astype(np.int64)
        return np.frombuffer(b"".join(pieces), np.uint8), offsets, np.zeros(len(array), bool)
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    missing = array.is_null().to_numpy(zero_copy_only=False)
    array = array.cast(pa.large_string())
    _, offsets, data = array.buffers()
    at = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8), at, missing
