"""How much further than that of independent rows a mean strays: labels of one row, rows of one cluster."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from .cells import Maps, losses
from .climb import Climb, clipped_logits

Array = Any


def inflation(state: Any) -> float:
    r"""The root of the design effect of the mean loss, at least 1: its standard error by what is independent (rows, or
    hash buckets of clusters) over that of independent cells."""
    tally, clustered = state.tally, state.problem.cluster is not None
    many = tally.multilabel
    if not clustered and not many:
        return 1.0
    alone = _spread(tally, slice(0, tally.classes))
    together = _buckets(state.buckets) if clustered else _spread(tally, slice(tally.classes, tally.classes + 1))
    return math.sqrt(max(1.0, together / alone)) if alone > 0.0 else 1.0


class Together:
    """The root of the design effect, at least 1, of what one repair saves beyond another (None: beyond nothing).

    Sums by cell of score do not know which row or cluster they came from; the rows of the sample do. Where they are not
    all rows, fewer of a cluster meet there, and the effect of the clusters is divided by their share; and it is taken
    to be no less than that of the loss, which all rows tell.
    """

    def __init__(self, state: Any, climb: Climb, floor: float) -> None:
        self.state, self.climb, self.floor = state, climb, floor
        self.needed = state.tally.multilabel or state.problem.cluster is not None
        self._lost: dict[str | None, Array] = {}
        if self.needed:
            kept = state.sample
            rows = len(kept.key)
            self.z, self.yes = (np.asarray(x).reshape(rows, -1) for x in (kept.margin, kept.target))
            self.w = np.ones((rows, 1)) if kept.weight is None else np.asarray(kept.weight)[:, None]
            self.bucket, self.part = np.asarray(kept.bucket), rows / max(1, int(kept.seen))

    def __call__(self, low: str | None, high: str) -> float:
        if not self.needed or not len(self.z):
            return 1.0
        found = self._effect(self._losses(low), self._losses(high))
        return (
            math.sqrt(max(1.0, found)) if self.part == 1.0 else max(inflation(self.state), math.sqrt(max(1.0, found)))
        )

    def _losses(self, method: str | None) -> Array:
        """Of every cell of the sample [rows, labels], after the maps of the other folds."""
        if method not in self._lost:
            maps = [None] * self.z.shape[1] if method is None else self.climb.maps[method]
            self._lost[method] = np.stack([self._label(i, m) for i, m in enumerate(maps)], 1)
        return self._lost[method]

    def _label(self, i: int, maps: Maps | None) -> Array:
        z = self.z[:, i]
        if maps is not None and maps.found is not None:
            believed, z, fold = clipped_logits(z, self.floor), z.copy(), self.bucket % len(maps.without)
            for f, found in enumerate(maps.without):
                if found is not None:
                    z[fold == f] = found.calibrated(believed[fold == f])
        return np.where(self.yes[:, i] > 0, *losses(z)[::-1])

    def _effect(self, before: Array, after: Array) -> float:
        usable = np.isfinite(before) & np.isfinite(after)
        w = np.where(usable, self.w, 0.0)
        d = np.subtract(before, after, where=usable, out=np.zeros(usable.shape))
        if not (whole := float(w.sum())):
            return 1.0
        residual = w * (d - float((w * d).sum()) / whole)
        alone, rows = float((residual**2).sum()), residual.sum(1)
        if not alone > 0.0:
            return 1.0
        found = float(rows @ rows) / alone
        if self.state.problem.cluster is not None:
            held = np.bincount(self.bucket, w.sum(1)) > 0
            sums, count = np.bincount(self.bucket, rows)[held], int(held.sum())
            if count > 1:
                found += (float(sums @ sums) * count / (count - 1) / alone - found) / self.part
        return found


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
