"""How much wider clusters make the error of a given slice, from the sample: whole sums by value keep no clusters.

A sample that holds a share f of the rows holds f² of the pairs of rows of one cluster, so that the part of the variance
that pairs make up is f times too small beside the rows' own: design effect = 1 + (that of the sample − 1) / f.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .contrast import contrast
from .half import Half
from .levels import coded

Array = Any


def designs(state: Any, column: str, labels: list[str], notes: list[str]) -> tuple[Array, Array]:
    """(Design effects, at least 1; degrees of freedom), float64 [groups]; inf where a group lies in one bucket only."""
    sample = state.sample
    if sample is None or column not in sample.columns:
        notes.append(f"The errors of slices by `{column}` take rows as independent.")
        return np.ones(len(labels)), np.full(len(labels), np.inf)
    on = np.isfinite(sample.loss)
    to = _places(state.groups.lows(column), labels, np.asarray(sample.columns[column])[on])
    weight = np.ones(len(on)) if sample.weight is None else np.asarray(sample.weight, np.float64)
    half = Half.of(sample.loss[on], weight[on], (), sample.bucket[on])
    every = np.ones(len(labels), bool)
    alone = contrast(half.sums(to, len(labels)), half.whole)
    together = half.by_cluster(to, alone, every)
    with np.errstate(invalid="ignore", divide="ignore"):
        thin = np.where(alone.error > 0, (together.error / alone.error) ** 2, 1.0)
    share = len(sample.loss) / max(sample.seen, len(sample.loss))
    return np.where(np.isfinite(together.error), 1.0 + (thin - 1.0) / share, np.inf), together.freedom


def _places(lows: Array | None, labels: list[str], values: Array) -> Array:
    """The group of each value, intp [n]."""
    if lows is None:
        codes, names = coded(values)
        place = {label: k for k, label in enumerate(labels)}
        return np.array([place[name] for name in names], np.intp)[codes]
    return np.where(np.isnan(values), len(labels) - 1, np.searchsorted(lows, values, side="right") - 1)
