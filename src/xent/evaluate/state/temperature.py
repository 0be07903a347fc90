"""What the loss would be at other temperatures: 17 inverse temperatures are measured, the rest is interpolated.

Between two of them the loss is a quintic in log beta that has the measured loss, slope and curvature at both ends. Its
least value lies where that of the real loss does: the real loss there is within 1e-8 nats a row of its least (2e-10 for
networks on CIFAR). The interpolated value itself may be off by 2e-6 between the points, where classes are many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from . import fixed
from .rows import BUCKETS, Judged, Problem

Array = Any
BETAS = 2.0 ** (np.arange(-8, 9) / 2.0)  # as in src/kernels/temperature.hpp
STEP = float(np.log(2.0)) / 2.0


class Best(NamedTuple):
    """The inverse temperature of least loss, and how much more beta = 1 costs (in the units of the sums).

    beyond: -1 or 1 where the loss still falls at the least or largest beta measured, which `beta` then is (1 where
    every beta costs the same).
    """

    beta: float
    excess: float
    beyond: int


@dataclass(eq=False)
class Temperatures:
    """Losses of beta-scaled logits, by bucket, over rows whose truth has a probability.

    rows int64 [256]; w float64 [256]; sums float64 [256, 17, 3]: w times loss, d loss / d beta and its derivative.
    """

    problem: Problem
    rows: Array
    weights: Array
    fixed_sums: Array

    @classmethod
    def empty(cls, problem: Problem) -> Temperatures:
        return cls(problem, np.zeros(BUCKETS, np.int64), fixed.zeros(BUCKETS), fixed.zeros(BUCKETS, len(BETAS), 3))

    def add(self, rows: Judged) -> None:
        from xent import _kernels

        _kernels.temperatures(
            rows.x, rows.logits, rows.target, rows.bucket, rows.weight, self.rows, self.weights, self.fixed_sums
        )

    def merge(self, other: Temperatures) -> Temperatures:
        weights = fixed.merged(self.weights, other.weights)
        sums = fixed.merged(self.fixed_sums, other.fixed_sums)
        return Temperatures(self.problem, self.rows + other.rows, weights, sums)

    def pack(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {}, {"rows": self.rows, "weights": self.weights, "sums": self.fixed_sums}

    @classmethod
    def unpack(cls, problem: Problem, told: dict[str, Any], arrays: Mapping[str, Array]) -> Temperatures:
        return cls(problem, arrays["rows"], arrays["weights"], arrays["sums"])

    @property
    def w(self) -> Array:
        return fixed.floats(self.weights) if self.problem.weighted else self.rows.astype(np.float64)

    @property
    def sums(self) -> Array:
        return fixed.floats(self.fixed_sums)


def interpolate(sums: Array, beta: Array) -> Array:
    """The summed loss at beta (in [1/16, 16]) from sums [17, 3]; quintic Hermite interpolation in log beta."""
    place, at = _place(beta)
    return _quintic(_ends(sums, at), place)


def slope(sums: Array, beta: Array) -> Array:
    """d / d log beta of `interpolate`."""
    place, at = _place(beta)
    return _quintic(_ends(sums, at), place, derivative=1) / STEP


def best(sums: Array) -> Best:
    """Where the interpolated loss is least: its derivative's root, by bisection (the measured slopes only grow)."""
    slopes = sums[:, 1]
    if not slopes.any():
        return Best(1.0, 0.0, 0)
    now = float(interpolate(sums, 1.0))
    for end, beyond, falls in ((0, -1, slopes[0] >= 0.0), (-1, 1, slopes[-1] <= 0.0)):
        if falls:
            return Best(float(BETAS[end]), max(0.0, now - float(sums[end, 0])), beyond)
    at = int(np.flatnonzero(slopes < 0.0)[-1])
    ends = _ends(sums, np.array(at))
    low, high = 0.0, 1.0
    while True:
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (middle, high) if _quintic(ends, np.array(middle), derivative=1) < 0.0 else (low, middle)
    return Best(float(BETAS[at] * 2.0 ** (0.5 * high)), max(0.0, now - float(_quintic(ends, np.array(high)))), 0)


def _place(beta: Array) -> tuple[Array, Array]:
    """Where between two measured betas (0 to 1), and after which."""
    steps = np.log2(np.asarray(beta, np.float64)) * 2.0 + 8.0
    at = np.clip(np.floor(steps).astype(np.int64), 0, len(BETAS) - 2)
    return steps - at, at


def _ends(sums: Array, at: Array) -> tuple[Array, ...]:
    """Value, first and second derivative in units of a step of log beta, at both ends."""
    first, second = BETAS * sums[:, 1] * STEP, (BETAS**2 * sums[:, 2] + BETAS * sums[:, 1]) * STEP**2
    return tuple(x[i] for i in (at, at + 1) for x in (sums[:, 0], first, second))


def _quintic(ends: tuple[Array, ...], t: Array, derivative: int = 0) -> Array:
    """The polynomial of degree 5 with these values and derivatives at 0 and 1, or its derivative."""
    f, df, ddf, g, dg, ddg = ends
    rise, bend, turn = g - f - df - 0.5 * ddf, dg - df - ddf, ddg - ddf
    cubic, quartic, fifth = (
        10.0 * rise - 4.0 * bend + 0.5 * turn, -15.0 * rise + 7.0 * bend - turn, 6.0 * rise - 3.0 * bend + 0.5 * turn,
    )  # fmt: skip
    if derivative:
        return df + t * (ddf + t * (3.0 * cubic + t * (4.0 * quartic + t * 5.0 * fifth)))
    return f + t * (df + t * (0.5 * ddf + t * (cubic + t * (quartic + t * fifth))))
