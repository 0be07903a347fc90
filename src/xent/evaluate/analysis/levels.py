"""Columns as levels: the values of a text column, the values or eighths of a numeric one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..state.labels import bin_labels, value_labels
from ..state.values import NONE

Array = Any
KEPT = 50  # values of a text column; those of fewer rows are one level, "(other)"
FEW = 16  # a numeric column of at most so many values is taken value by value
EIGHTHS = 8
OTHER = "(other)"


@dataclass(frozen=True, eq=False)
class Levels:
    """A column: codes intp [m] into labels."""

    name: str
    codes: Array
    labels: tuple[str, ...]


def levels(name: str, column: Array, moment: bool = False) -> Levels | None:
    """The levels of a column of text or float64 (NaN: "(none)"; moment: microseconds); None if all rows are alike."""
    values = np.asarray(column)
    found = _numbers(name, values, moment) if values.dtype.kind in "fiu" else _texts(name, values)
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


def _numbers(name: str, values: Array, moment: bool) -> Levels:
    x = values.astype(np.float64)
    there = ~np.isnan(x)
    distinct = np.unique(x[there])
    if len(distinct) <= FEW:
        codes, labels = np.searchsorted(distinct, x), value_labels(distinct.tolist(), moment)
    else:
        ends = np.quantile(x[there], np.arange(1, EIGHTHS) / EIGHTHS, method="inverted_cdf")
        after = np.minimum(np.searchsorted(distinct, ends, side="right"), len(distinct) - 1)
        cuts = np.unique(distinct[after])  # the least value of each following bin
        codes, labels = np.searchsorted(cuts, x, side="right"), bin_labels(cuts.tolist(), moment)
    codes[~there] = len(labels)
    return Levels(name, codes, (*labels, *([] if there.all() else [NONE])))


def numbered(name: str, codes: Array, labels: tuple[str, ...]) -> Levels | None:
    """A column of class ids; beyond 51 classes the 50 of most rows are kept."""
    values = np.asarray(labels, object)[np.asarray(codes)]
    return levels(name, values)
