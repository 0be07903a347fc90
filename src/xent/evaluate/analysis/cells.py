"""Repairs of yes/no problems whose rows are grouped by score: fitted to four folds, judged on the fifth.

A fit needs the weight of yes and no at each score and nothing else, so ten million rows cost what their distinct scores
cost. The parametric fits pool neighbours further; what a repair saves is summed over all cells.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from xent.calibrate import CalibrationWarning, Map, NoFiniteOptimum
from xent.calibrate.gain import METHODS
from xent.information import log_sigmoid

Array = Any
T = TypeVar("T")
FINE = 128  # pooled cells a logit up to |z| = EDGE: moves a gain by less than 1e-7 nats (tests)
EDGE = 32.0
COARSE = 16  # pooled cells for each doubling of |z| beyond, where the loss is a straight line
MOST = int(FINE * EDGE) + COARSE * 1020  # keys lie in [-MOST, MOST]
REACH = 4  # spreads on either side of the median that are told apart as finely as scores with a spread of 1


def losses(z: Array) -> Array:
    """What scores cost, float64 [2, m]: where the answer is no, and where it is yes."""
    return np.stack([-log_sigmoid(-z), -log_sigmoid(z)])


def keys(z: Array) -> Array:
    """The pooled cell of each finite score, an integer that increases with it."""
    size = abs(z)
    beyond = np.floor(COARSE * np.log2(np.maximum(size, EDGE) / EDGE)) + FINE * EDGE
    return np.where(size < EDGE, np.floor(FINE * z), np.sign(z) * beyond).astype(np.int64)


@dataclass(frozen=True)
class Pooled:
    """Finite scores of one or more problems, pooled: w, wz [folds, 2, c], the weights of no and yes and sums of w z.

    The two have means of their own: a common one would blur which of two near scores was the yes, which moves a slope
    by 1e-4 where rows are few.
    """

    w: Array
    wz: Array

    @classmethod
    def alone(cls, z: Array, w: Array) -> Pooled:
        """Of one problem: z [m] increasing, w [folds, 2, m]. Scores that lie close together, as those of a model that
        always says nearly the same do, are told apart by their own spread."""
        z, w = _finite(z, w)
        key, close = keys(z), _close(z, w.sum((0, 1)))
        new = (key[1:] != key[:-1]) | (close[1:] != close[:-1])
        begin = np.flatnonzero(np.concatenate([[True], new])) if len(z) else np.zeros(0, np.int64)
        return cls(*(np.add.reduceat(x, begin, axis=2) if len(z) else x for x in (w, w * z)))

    @classmethod
    def empty(cls, folds: int) -> Pooled:
        return cls(np.zeros((folds, 2, 2 * MOST + 1)), np.zeros((folds, 2, 2 * MOST + 1)))

    def add(self, z: Array, w: Array) -> None:
        """Takes in the cells of a problem: z [m] increasing, w [folds, 2, m]. Infinite scores, which no slope moves,
        stay out."""
        z, w = _finite(z, w)
        if not len(z):
            return
        key = keys(z) + MOST
        begin = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
        self.w[:, :, key[begin]] += np.add.reduceat(w, begin, axis=2)
        self.wz[:, :, key[begin]] += np.add.reduceat(w * z, begin, axis=2)

    def of(self, folds: Sequence[int]) -> tuple[Array, Array]:
        """(mean score [c], weight [2, c]) of the rows in some folds."""
        w, wz = self.w[folds].sum(0), self.wz[folds].sum(0)
        no, yes = (side > 0 for side in w)
        mean = np.concatenate([wz[0, no] / w[0, no], wz[1, yes] / w[1, yes]])
        weight = np.zeros((2, len(mean)))
        weight[0, : no.sum()], weight[1, no.sum() :] = w[0, no], w[1, yes]
        return mean, weight


def _finite(z: Array, w: Array) -> tuple[Array, Array]:
    finite = np.isfinite(z)
    return (z, w) if finite.all() else (z[finite], w[:, :, finite])


def _close(z: Array, weight: Array) -> Array:
    """Cells of scores [m] by their quartiles, where these lie less than 1 apart; else one cell for all."""
    below = np.cumsum(weight)
    if not len(z) or not below[-1] > 0.0:
        return np.zeros(len(z))
    low, middle, high = z[np.searchsorted(below, below[-1] * np.array([0.25, 0.5, 0.75])).clip(max=len(z) - 1)]
    if not 0.0 < high - low < 1.0:
        return np.zeros(len(z))
    return np.floor(FINE * np.clip((z - middle) / (high - low), -REACH, REACH))


def fit(method: str, z: Array, weight: Array) -> Map:
    """The map of scores z [m] with the weights [2, m] of no and yes; NoFiniteOptimum where there is none."""
    total = weight.sum(0)
    there = total > 0
    if not there.any():
        raise NoFiniteOptimum("no row with a finite score is left to fit")
    z, weight, total = z[there], weight[:, there], total[there]
    return METHODS[method]().fit(z, weight[1] / total, total).map_


@dataclass(frozen=True)
class Maps:
    """A repair of all rows (`found`), and of the rows outside each fold (None: the fold is empty); or its `fault`.

    warned: what the fit said of the scores.
    """

    found: Map | None
    without: tuple[Map | None, ...]
    fault: str | None = None
    warned: str | None = None


def crossed(folds: Sequence[bool], fitted: Callable[[list[int]], Map]) -> Maps:
    """A repair fitted to all folds and without each of those that hold rows; `fitted(folds)` fits it to some."""
    everything = list(range(len(folds)))
    warned: list[str] = []
    try:
        found = heard(lambda: fitted(everything), warned)
        if sum(folds) < 2:
            raise NoFiniteOptimum("there are too few rows to hold some back")
        without = tuple(_without(f, everything, fitted) if folds[f] else None for f in everything)
    except NoFiniteOptimum as error:
        return Maps(None, (), brief(error))
    return Maps(found, without, warned=next(iter(warned), None))


def _without(fold: int, everything: list[int], fitted: Callable[[list[int]], Map]) -> Map:
    try:
        return heard(lambda: fitted([f for f in everything if f != fold]), [])
    except NoFiniteOptimum as error:
        raise NoFiniteOptimum(f"without fold {fold + 1} of {len(everything)}, {brief(error)}") from None


def heard(work: Callable[[], T], warned: list[str]) -> T:
    """What `work` returns; the calibration warnings it gave are put into `warned`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CalibrationWarning)
        result = work()
    warned += [str(w.message) for w in caught if issubclass(w.category, CalibrationWarning)]
    return result


def brief(error: Exception) -> str:
    """The reason without the advice."""
    return str(error).replace("the fit has no finite optimum: ", "").split(". ")[0].rstrip(".")


def words(found: Any) -> str:
    """A map's parameters as a person would say them."""
    if found.kind == "temperature":
        return f"T = {_short(1.0 / found.beta)}" if found.beta else "T = infinite"
    if found.kind == "platt":
        return f"slope {_short(found.slope)}, intercept {_short(found.intercept)}"
    if found.kind == "beta":
        return f"a {_short(found.a)}, b {_short(found.b)}, c {_short(found.c)}"
    if found.kind == "isotonic":
        steps = len({*found.y, *found.ends})
        return f"{steps} step{'s' * (steps > 1)}"
    if found.kind == "vector":
        return f"scales {_range(found.scale)}, biases {_range(found.bias)}"
    return f"{len(found.bias)} x {len(found.bias)} weights, biases {_range(found.bias)}"


def _range(x: Sequence[float]) -> str:
    return f"{_short(min(x))} to {_short(max(x))}"


def _short(x: float) -> str:
    return f"{x + 0.0:.2f}" if 0.01 <= abs(x) < 1000 or x == 0 else f"{x:.2g}"
