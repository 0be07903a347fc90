"""Fitted calibrations as frozen records of numbers: applied to arrays, pickled, compared, written to JSON and back.

Every map takes scores to calibrated logits, in the scores' shape and dtype; arithmetic is float64. With one score a row
the sigmoid, with K the softmax of what comes out is the calibrated probability.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from xent.information import log_sigmoid, log_softmax, sigmoid, softmax

from .inputs import check_scores, columns, logits_of, scores, spans

Array = Any
Row = tuple[float, ...]

VERSION = 1  # of the JSON


def product(factor: Any, z: Array) -> Array:
    """factor z, with 0 inf = 0."""
    with np.errstate(invalid="ignore"):
        return np.where((factor == 0) & np.isinf(z), 0.0, factor * z)


@dataclass(frozen=True, kw_only=True)
class Map:
    """Scores -> calibrated logits. Abstract: the kinds say how.

    `columns` is 1 for one score a row, else the number of classes; `probs`: the scores are probabilities; `floor`: the
    least probability believed (0: all are).
    """

    columns: int
    probs: bool = False
    floor: float = 0.0

    kind: ClassVar[str]
    binary: ClassVar[bool] = False  # acts on one logit a row, [N, 2] as their difference

    def __call__(self, scores: Any) -> Array:
        """Calibrated logits in the shape and dtype of the scores."""
        return self._each(scores, lambda z: z)

    def probabilities(self, scores: Any) -> Array:
        """Calibrated probabilities in the shape and dtype of the scores: of class 1, or of every class."""
        return self._each(scores, lambda z: sigmoid(z) if z.ndim == 1 else softmax(z))

    def calibrated(self, z: Array) -> Array:
        """Float64 logits [n] or [n, K] -> calibrated ones."""
        raise NotImplementedError

    def _each(self, x: Any, then: Any) -> Array:
        a = scores(x, self.probs)
        if columns(a) != self.columns:
            name, wanted = "probs" if self.probs else "logits", self.columns
            shape = "(N,) or (N, 1)" if wanted == 1 else f"(N, {wanted})"
            raise ValueError(f"`{name}` must have the shape of the fit, {shape}; got {a.shape}.")
        flat = a[:, 0] if a.ndim == 2 and a.shape[1] == 1 else a
        check_scores(flat, self.probs)
        out = np.empty(flat.shape, flat.dtype)
        for span in spans(len(flat), self.columns):
            z = logits_of(flat[span], self.probs, self.floor)
            with np.errstate(over="ignore"):  # to the dtype of the scores
                out[span] = then(self._pair(z) if self.binary and z.ndim == 2 else self.calibrated(z))
        return out.reshape(a.shape)

    def _pair(self, z: Array) -> Array:
        log_odds = self.calibrated(z[:, 1] - z[:, 0])
        return np.stack([-0.5 * log_odds, 0.5 * log_odds], 1) if np.isfinite(log_odds).all() else _certain(log_odds)

    def to_json(self, **about: Any) -> str:
        """The map as one JSON object; `from_json` reads it back, bit for bit, and passes over `about`."""
        told = {"xent": "calibration", "version": VERSION, "kind": self.kind, **asdict(self)}
        return json.dumps(told | {"about": about} if about else told)


def _certain(log_odds: Array) -> Array:
    """Two logits for each log-odds, infinite ones too."""
    return np.stack([log_sigmoid(-log_odds), log_sigmoid(log_odds)], 1)


@dataclass(frozen=True, kw_only=True)
class TemperatureMap(Map):
    """z' = beta z, beta = 1/T."""

    beta: float

    kind = "temperature"

    def calibrated(self, z: Array) -> Array:
        scaled = product(self.beta, z)
        return scaled if z.ndim == 1 else np.where(np.isneginf(z), -np.inf, scaled)  # a class ruled out stays out


@dataclass(frozen=True, kw_only=True)
class PlattMap(Map):
    """z' = slope z + intercept."""

    slope: float
    intercept: float

    kind, binary = "platt", True

    def calibrated(self, z: Array) -> Array:
        return product(self.slope, z) + self.intercept


@dataclass(frozen=True, kw_only=True)
class BetaMap(Map):
    """z' = a log p - b log(1 - p) + c."""

    a: float
    b: float
    c: float

    kind, binary = "beta", True

    def calibrated(self, z: Array) -> Array:
        return product(self.a, log_sigmoid(z)) - product(self.b, log_sigmoid(-z)) + self.c


@dataclass(frozen=True, kw_only=True)
class VectorMap(Map):
    """z'_k = scale_k log p_k + bias_k."""

    scale: Row
    bias: Row

    kind = "vector"

    def calibrated(self, z: Array) -> Array:
        logs = log_softmax(z)
        gone = np.isneginf(logs)
        return np.where(gone, -np.inf, np.where(gone, 0.0, logs) * np.asarray(self.scale) + np.asarray(self.bias))


@dataclass(frozen=True, kw_only=True)
class MatrixMap(Map):
    """z' = weight log p + bias."""

    weight: tuple[Row, ...]
    bias: Row

    kind = "matrix"

    @cached_property
    def _arrays(self) -> tuple[Array, Array]:
        return np.asarray(self.weight).T, np.asarray(self.bias)

    def calibrated(self, z: Array) -> Array:
        logs = log_softmax(z)
        if np.isneginf(logs).any():
            raise ValueError(f"a Matrix cannot take a probability of 0, which it would multiply; {FLOOR}.")
        weight, bias = self._arrays
        return logs @ weight + bias


FLOOR = "fit with `floor`, the least probability to believe, such as 1e-6"


@dataclass(frozen=True, kw_only=True)
class IsotonicMap(Map):
    """z' interpolates (x, y), increasing both; constant beyond the first and last x; `ends` at -inf and +inf."""

    x: Row
    y: Row
    ends: tuple[float, float]

    kind, binary = "isotonic", True

    @cached_property
    def _arrays(self) -> tuple[Array, Array]:
        return np.asarray(self.x), np.asarray(self.y)

    def calibrated(self, z: Array) -> Array:
        x, y = self._arrays
        right = np.clip(np.searchsorted(x, z, "left"), 0, len(x) - 1)
        left = np.maximum(right - 1, 0)
        with np.errstate(all="ignore"):
            share = (z - x[left]) / (x[right] - x[left])  # NaN only where left is right
        share = np.where((z >= x[right]) | (left == right), 1.0, share)
        found = y[left] + share * (y[right] - y[left])
        return np.where(np.isneginf(z), self.ends[0], np.where(np.isposinf(z), self.ends[1], found))


KINDS: dict[str, type[Map]] = {
    kind.kind: kind for kind in (TemperatureMap, PlattMap, BetaMap, VectorMap, MatrixMap, IsotonicMap)
}


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value


def _finite(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_finite(v) for v in value)
    return isinstance(value, (int, float)) and math.isfinite(value)


def from_json(text: str | bytes) -> Map:
    """The map that `to_json` wrote; ValueError where it is not one.

    >>> from_json(TemperatureMap(columns=10, beta=0.5).to_json())
    TemperatureMap(columns=10, probs=False, floor=0.0, beta=0.5)
    """
    try:
        told = json.loads(text)
    except ValueError as error:
        raise ValueError(f"`text` must be the JSON of a calibration map; {error}.") from None
    kind = KINDS.get(str(told.get("kind"))) if isinstance(told, dict) and told.get("xent") == "calibration" else None
    if kind is None:
        raise ValueError("`text` must be the JSON of a calibration map, as `to_json` writes it; got something else.")
    if told.get("version") != VERSION:
        raise ValueError(
            f"`text` must be version {VERSION} of the JSON; got {told.get('version')!r}. Is xent out of date?"
        )
    names = {f.name for f in fields(kind)}
    given = {name: _frozen(value) for name, value in told.items() if name not in ("xent", "version", "kind", "about")}
    if given.keys() != names or not all(_finite(v) for v in given.values()):
        raise ValueError(f"`text` must hold {', '.join(sorted(names))} as finite numbers; got {', '.join(told)}.")
    return kind(**given)
