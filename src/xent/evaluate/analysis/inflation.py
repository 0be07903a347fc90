"""How much further than independent rows the mean loss strays: labels of one row, rows of one cluster."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np


def inflation(state: Any) -> float:
    r"""The root of the design effect of the mean loss, at least 1: its standard error by what is independent (rows, or
    hash buckets of clusters) over that of independent cells.

    Sums by cell of score do not know which row or cluster they came from, so the error of a difference summed over them
    is multiplied by this: the difference is a function of score and outcome, as the loss is.
    """
    tally, clustered = state.tally, state.problem.cluster is not None
    many = tally.multilabel
    if not clustered and not many:
        return 1.0
    alone = _spread(tally, slice(0, tally.classes))
    together = _buckets(state.buckets) if clustered else _spread(tally, slice(tally.classes, tally.classes + 1))
    return math.sqrt(max(1.0, together / alone)) if alone > 0.0 else 1.0


def freedom(state: Any, rows: int) -> int:
    """Degrees of freedom of an error: rows, or buckets that hold any, less 1."""
    units = rows if state.problem.cluster is None else int((np.asarray(state.buckets.w) > 0).sum())
    return units - 1


def _spread(tally: Any, groups: slice) -> float:
    """The variance of the mean loss of finite rows (cells), taken as independent."""
    s = {name: tally.total(name, groups) for name in ("w", "w2", "wl", "w2l", "w2l2")}
    if not s["w"]:
        return 0.0
    mean = s["wl"] / s["w"]
    found: Fraction = (s["w2l2"] - 2 * mean * s["w2l"] + mean * mean * s["w2"]) / (s["w"] * s["w"])
    return max(float(found), 0.0)


def _buckets(buckets: Any) -> float:
    w, wl = np.asarray(buckets.w), np.asarray(buckets.wl)
    used = w > 0
    count, whole = int(used.sum()), float(w.sum())
    if count < 2:
        return 0.0
    residual = wl[used] - wl.sum() / whole * w[used]
    return float(residual @ residual) * count / (count - 1) / whole**2
