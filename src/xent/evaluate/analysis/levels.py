"""Columns as levels: the values of a text column, the values or eighths of a numeric one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Array = Any
KEPT = 50  # values of a text column; those of fewer rows are one level, "(other)"
FEW = 16  # a numeric column of at most so many values is taken value by value
EIGHTHS = 8
NONE, OTHER = "(none)", "(other)"


@dataclass(frozen=True, eq=False)
class Levels:
    """A column: codes intp [m] into labels."""

    name: str
    codes: Array
    labels: tuple[str, ...]


def levels(name: str, column: Array) -> Levels | None:
    """The levels of a column of text (None: "(none)") or float64 (NaN: "(none)"); None if all rows are alike."""
    values = np.asarray(column)
    found = _numbers(name, values) if values.dtype.kind in "fiu" else _texts(name, values)
    return found if len(found.labels) > 1 else None


def coded(values: Array) -> tuple[Array, list[str]]:
    """Text as codes into its values."""
    import pyarrow as pa

    encoded = pa.array(values, pa.string(), from_pandas=True).fill_null(NONE).dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary.to_pylist()


def _texts(name: str, values: Array) -> Levels:
    codes, labels = coded(values)
    counts = np.bincount(codes, minlength=len(labels))
    ranked = sorted(range(len(labels)), key=lambda k: (-int(counts[k]), labels[k]))
    kept = sorted(ranked if len(ranked) <= KEPT + 1 else ranked[:KEPT], key=lambda k: labels[k])
    place = np.full(len(labels), len(kept), np.intp)
    place[kept] = np.arange(len(kept))
    names = [labels[k] for k in kept] + ([OTHER] if len(kept) < len(labels) else [])
    return Levels(name, place[codes], tuple(names))


def _numbers(name: str, values: Array) -> Levels:
    x = values.astype(np.float64)
    there = ~np.isnan(x)
    distinct = np.unique(x[there])
    if len(distinct) <= FEW:
        codes, labels = np.searchsorted(distinct, x), [_value(float(v)) for v in distinct]
    else:
        cuts = np.unique(np.quantile(x[there], np.arange(1, EIGHTHS) / EIGHTHS, method="inverted_cdf"))
        cuts = cuts[cuts < distinct[-1]] if cuts[0] < distinct[-1] else distinct[-2:-1]  # nearly all at the top
        codes, labels = np.searchsorted(cuts, x), _ranges(cuts)
    codes[~there] = len(labels)
    return Levels(name, codes, (*labels, *([] if there.all() else [NONE])))


def _value(x: float) -> str:
    return f"{x:.0f}" if x.is_integer() and abs(x) < 1e15 else repr(x)


def _ranges(cuts: Array) -> list[str]:
    """ "up to a", "a to b" (above a, b included), "above b", with as few digits as tell the cuts apart."""
    for digits in range(3, 18):
        said = [f"{c:.{digits}g}" for c in cuts.tolist()]
        if len(set(said)) == len(said):
            break
    between = [f"{a} to {b}" for a, b in pairwise(said)]
    return [f"up to {said[0]}", *between, f"above {said[-1]}"]


def numbered(name: str, codes: Array, labels: tuple[str, ...]) -> Levels | None:
    """A column of class ids; beyond 51 classes the 50 of most rows are kept."""
    values = np.asarray(labels, object)[np.asarray(codes)]
    return levels(name, values)
