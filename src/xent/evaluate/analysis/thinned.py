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
    """(Design effects, at least 1; degrees of freedom), float64 [values]; where the sample has no answer (1, 0)."""
    sample = state.sample
    nothing = np.ones(len(labels)), np.full(len(labels), 1e9)
    if sample is None or column not in sample.columns:
        notes.append(f"The errors of slices by `{column}` take rows as independent.")
        return nothing
    place = {label: k for k, label in enumerate(labels)}
    finite = np.isfinite(sample.loss)
    codes, names = coded(sample.columns[column][finite])
    to = np.array([place.get(name, len(labels)) for name in names], np.intp)[codes]
    if (to == len(labels)).all():
        notes.append(f"The errors of slices by `{column}` take rows as independent.")
        return nothing
    weight = np.ones(len(finite)) if sample.weight is None else np.asarray(sample.weight, np.float64)
    half = Half.of(sample.loss[finite], weight[finite], [to], sample.bucket[finite])
    sums = half.sums(to, len(labels) + 1)
    alone = contrast(sums, half.whole)
    together = half.by_cluster(to, alone, np.ones(len(labels) + 1, bool))
    with np.errstate(invalid="ignore", divide="ignore"):
        thin = np.where(np.isfinite(together.error) & (alone.error > 0), (together.error / alone.error) ** 2, 1.0)
    share = len(sample.loss) / max(sample.seen, len(sample.loss))
    return 1.0 + (thin[:-1] - 1.0) / share, np.maximum(together.freedom[:-1], 1.0)
