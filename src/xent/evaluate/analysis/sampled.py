"""Repairs of many classes: temperature from sums over all rows, vector and matrix scaling from the sample of rows.

The sample says what a repair saves beyond temperature, which all rows have a part in; so the error of few rows weighs
only where the repairs differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xent.calibrate import Map
from xent.calibrate.affine import Solved, solved
from xent.calibrate.estimator import row_losses
from xent.calibrate.gain import METHODS, paired
from xent.calibrate.inputs import Rows, logits_of, read
from xent.calibrate.maps import TemperatureMap

from ..state.rows import FOLDS
from .cells import Maps, crossed

Array = Any
MATRIX_CLASSES = 32  # above, a fit takes many seconds
MATRIX_ROWS = 5  # a parameter, at least
NUMBERS, ROWS = 1 << 20, 1 << 16  # of the sample at most: the six fits of a repair take a second or two


@dataclass(frozen=True)
class Sample:
    """Rows of a state's sample that count: z [m, K] logits, t class ids, w weights or None, fold, cluster or None.

    before: what they cost as they stand. share: the weight of all finite rows in that of all rows; part: the share of
    all rows that is here.
    """

    z: Array
    before: Array
    t: Array
    w: Array | None
    fold: Array
    cluster: Array | None
    share: float
    part: float

    def read(self, folds: Sequence[int]) -> Rows:
        """The rows of some folds, as a fit reads them."""
        some = np.isin(self.fold, list(folds))
        w = None if self.w is None else self.w[some]
        return read(self.z[some], self.t[some], w, probs=False, floor=0.0, binary=False, impossible=None)

    def losses(self, found: Map) -> Array:
        return np.asarray(row_losses(found, self.z, self.t, None)[0])

    def crossed_losses(self, maps: Maps) -> Array:
        """Each row's loss after the map of the other folds."""
        out = np.empty(len(self.t))
        for f, found in enumerate(maps.without):
            here = self.fold == f
            if here.any() and found is not None:
                out[here] = row_losses(found, self.z[here], self.t[here], None)[0]
        return out

    def mean(self, difference: Array) -> tuple[float, float | None, int]:
        """(mean, error, degrees of freedom) of a paired difference, in nats of all rows."""
        mean, error, freedom = paired(difference, self.w, self.cluster)
        return mean * self.share, None if error is None else error * self.share, freedom


def sample_of(state: Any, floor: float = 0.0) -> Sample:
    """The sample as logits: the rows of least key, as any partition would keep them.

    Rows with a finite loss; or all, where a `floor` is the least probability believed.
    """
    kept, tally, everything = state.sample, state.tally, slice(None)
    order = np.argsort(kept.key, kind="stable")[: max(1, min(ROWS, NUMBERS // state.problem.width))]
    rows = order if floor else order[np.isfinite(np.asarray(kept.loss)[order])]
    x, t = np.asarray(kept.x)[rows], np.asarray(kept.target)[rows]
    plain = x if state.problem.form == "logits" else logits_of(x, True, 0.0)
    z = logits_of(x, state.problem.form == "probs", floor) if floor else plain
    before = row_losses(None, plain, t, None)[0] if len(rows) else np.zeros(0)
    finite, lost = float(tally.total("w", everything)), float(tally.total("w_inf", everything))
    bucket = np.asarray(kept.bucket)[rows]
    return Sample(
        z, before, t, np.asarray(kept.weight)[rows] if state.problem.weighted else None,
        bucket % FOLDS, bucket if state.problem.cluster is not None else None,
        1.0 if floor else finite / (finite + lost), len(order) / max(1, int(kept.seen)),
    )  # fmt: skip


@dataclass(frozen=True)
class Saved:
    """What a repair saves, nats a row of all rows: mean, error, degrees of freedom; its maps; the rows of the fit.

    after: the loss of every row of the sample after the maps of the other folds.
    """

    maps: Maps
    gain: float
    error: float | None
    freedom: int
    inside: float
    rows: int
    after: Array


def temperature_by_sums(state: Any, sample: Sample) -> Saved | None:
    """Temperature scaling across the folds from the 17 points; None where an optimum lies at their ends, or rows are
    too few to tell."""
    from ..state.temperature import BETAS, best, interpolate

    sums, weight = np.asarray(state.temperatures.sums), np.asarray(state.temperatures.w)
    fold, held = np.arange(len(sums)) % FOLDS, [bool(weight[f::FOLDS].any()) for f in range(FOLDS)]
    if sum(held) < 2:
        return None
    beta, *betas = (best(sums[some].sum(0))[0] for some in (fold >= 0, *(fold != f for f in range(FOLDS))))
    if not all(BETAS[0] < b < BETAS[-1] for b in (beta, *betas)):
        return None
    one = int(np.flatnonzero(np.asarray(BETAS) == 1.0)[0])
    maps = Maps(*_temperatures(state, beta, betas))
    saved = np.array([s[one, 0] - interpolate(s, betas[f]) for s, f in zip(sums, fold, strict=True)])
    used = weight > 0
    whole = float(weight.sum()) / sample.share
    gain, count = float(saved.sum()) / whole, int(used.sum())
    residual = saved[used] - gain * whole / float(weight.sum()) * weight[used]
    error = math.sqrt(float(residual @ residual) * count / (count - 1)) / whole
    total = sums.sum(0)
    inside = float(total[one, 0] - interpolate(total, beta)) / whole
    rows = int(np.asarray(state.temperatures.rows).sum())
    return Saved(maps, gain, error, count - 1, inside, rows, sample.crossed_losses(maps))


def _temperatures(state: Any, beta: float, betas: Sequence[float]) -> tuple[Map, tuple[Map, ...]]:
    width = state.problem.width
    return TemperatureMap(columns=width, beta=beta), tuple(TemperatureMap(columns=width, beta=b) for b in betas)


def by_rows(method: str, sample: Sample, base: Saved | None, patient: bool = False) -> Saved | str:
    """A repair across the folds of the sample, or why there is none. base: what temperature saves, of all rows; then
    only what this saves beyond it comes from the sample. patient: matrix scaling of any number of classes."""
    fault = _out_of_reach(method, sample, patient)
    held = [bool((sample.fold == f).any()) for f in range(FOLDS)]
    maps = None if fault else crossed(held, _fitting(method, sample, base))
    if maps is None or maps.found is None:
        return fault or str(maps and maps.fault)
    after, inside = sample.crossed_losses(maps), sample.losses(maps.found)
    whole, rows = sample.mean(sample.before - inside)[0], len(sample.t)
    if base is None:
        return Saved(maps, *sample.mean(sample.before - after), whole, rows, after)
    more, error, freedom = sample.mean(base.after - after)
    if error is not None and base.error is not None:
        shared = _covariance(sample, sample.before - base.after, base.after - after) * sample.part
        error = math.sqrt(max(error**2 + base.error**2 + 2.0 * shared, 0.0))
    inner = sample.mean(sample.losses(_found(base)) - inside)[0] + base.inside
    return Saved(maps, base.gain + more, error, min(freedom, base.freedom), inner, rows, after)


def _found(saved: Saved) -> Map:
    assert saved.maps.found is not None
    return saved.maps.found


def _covariance(sample: Sample, a: Array, b: Array) -> float:
    """The covariance of two means over the sample, by polarisation of their errors."""
    plus, minus = (sample.mean(x)[1] or 0.0 for x in (a + b, a - b))
    return 0.25 * (plus**2 - minus**2)


def _fitting(method: str, sample: Sample, base: Saved | None) -> Callable[[list[int]], Map]:
    """Fits to all folds first, and from there to fewer."""
    frame = {"columns": sample.z.shape[1]}
    ridge = METHODS["matrix"]().get_params()["ridge"] if method == "matrix" else None
    beta = base.maps.found.beta if base and isinstance(base.maps.found, TemperatureMap) else None
    first: list[Solved] = []

    def fitted(folds: list[int]) -> Map:
        rows = sample.read(folds)
        if method == "temperature":
            return METHODS[method]().fit(rows.scores, rows.targets, rows.weight).map_
        x = first[0].again(rows) if first else None
        if x is not None:
            return first[0].map(x, frame)
        here = solved(rows, 0.0, ridge, beta=beta)
        if not first:
            first.append(here)
        return here.map(here.x, frame)

    return fitted


def _out_of_reach(method: str, sample: Sample, patient: bool) -> str | None:
    rows, k = sample.z.shape
    if not rows:
        return "there is no row with a finite loss"
    if method != "matrix":
        return None
    if k == 2 and not patient:
        return "with two classes it is vector scaling"
    if k > MATRIX_CLASSES and not patient:
        return f"not tried: above {MATRIX_CLASSES} classes its {k * (k + 1)} numbers take long to fit"
    if rows < MATRIX_ROWS * k * (k + 1) and not patient:
        return f"not tried: {rows} rows for {k * (k + 1)} numbers"
    if np.isneginf(sample.z).any():
        return "a class has probability 0 in some rows, which matrix scaling would multiply"
    return None
