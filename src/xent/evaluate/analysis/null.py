"""What a calibrated forecaster with the same claims would show: consistency resampling.

Miscalibration by an isotonic fit is positive even for a perfect forecaster: the fit follows the noise. So outcomes are
drawn again as the claims say, y* ~ Bernoulli(p), and the same fit is made (Bröcker & Smith, Weather and Forecasting 22,
2007; Dimitriadis, Gneiting & Jordan, PNAS 118, 2021).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .claims import Claims, pooled
from .isotone import entropies, starts
from .records import Band
from .reliability import places

Array = Any
DRAWS = 1_000_000  # binomial draws aimed at in all: 0.02-0.1 us each
LEAST, MOST = 99, 999  # resamples: a 95 % point and p-values in steps of 1/100 at least
CELLS, FEWEST = 1 << 15, 256  # cells drawn in all; what a problem keeps of them however many problems there are
CHUNK = 1 << 18  # draws held at a time: 2 MB an array


@dataclass(frozen=True)
class Null:
    """Mean and 95 % point of miscalibration under calibration, p-value of the one seen, band of the curve."""

    expected: float
    high: float
    p_value: float
    resamples: int
    band: tuple[Band, ...]


def null(claims: Claims, seed: tuple[int, ...], problems: int = 1) -> Null:
    r"""Resamples the outcomes of all rows as claimed and decomposes them.

    .. math:: MCB^*_j = S(p, y^*_j) - S(\hat r(y^*_j), y^*_j), \qquad
        p = (1 + \#\{j: MCB^*_j \ge MCB\}) / (1 + R)

    Rows of one cell draw together, binomially. A weight says how much a row counts, not how often it was seen, so a
    cell of n rows behaves as its effective number of them, (sum w)^2 / sum w^2: rounded up or down at random in each
    resample, so that the variance is right. An infinite row is impossible under the claims: p = 0.

    Beyond 32,768 / problems cells neighbours are pooled. The noise that a fit finds inside the pools is then missing
    from every MCB*, and from MCB by as much: the latter is known, and added to the mean and the 95 % point.
    """
    few = pooled(claims, max(FEWEST, CELLS // problems))
    resamples = min(MOST, max(LEAST, DRAWS // (problems * len(few.z))))
    seen = _fitted(few, few.ones[None])[0][0]
    hidden = 0.0 if few is claims else max(0.0, _fitted(claims, claims.ones[None])[0][0] - seen)
    rng = np.random.default_rng(seed)
    at = places(few)
    chunk = max(1, CHUNK // len(few.z))
    drawn, curves = [], []
    for start in range(0, resamples, chunk):
        ones = _draws(few, min(chunk, resamples - start), rng)
        costs, curve = _fitted(few, ones, at)
        drawn.append(costs)
        curves.append(curve)
    values = np.concatenate(drawn)
    above = 0.0 if claims.infinite.any() else (1 + int((values >= seen * (1 - 1e-12)).sum())) / (1 + resamples)
    low, high = np.quantile(np.concatenate(curves), [0.025, 0.975], axis=0, method="weibull")
    band = tuple(Band(*numbers) for numbers in zip(few.p[at].tolist(), low.tolist(), high.tolist(), strict=True))
    mean, most = math.fsum(values) / resamples, float(np.quantile(values, 0.95, method="weibull"))
    hidden = float(hidden)
    return Null(mean + hidden, most + hidden, above, resamples, band)


def _draws(claims: Claims, resamples: int, rng: np.random.Generator) -> Array:
    """Weight that comes true in each cell, float64[resamples, m], if the claims are right."""
    weight = claims.weight
    effective = np.maximum(weight * weight / claims.squares, 1.0)
    near = np.rint(effective)
    whole = np.where(np.abs(effective - near) <= 1e-9 * near, near, np.floor(effective))
    trials = whole.astype(np.int64)[:, None]
    if (whole != effective).any():  # mean of 1 / trials = 1 / effective
        up = (effective - whole) * (whole + 1.0) / effective
        trials = trials + (rng.random((len(weight), resamples)) < up[:, None])
    # one cell after the other: NumPy prepares a binomial distribution once for equal parameters in a row
    yes = rng.binomial(trials, np.clip(claims.p, 0.0, 1.0)[:, None], size=(len(weight), resamples))
    share: Array = np.ascontiguousarray((yes / trials).T)
    return share * weight


def _fitted(claims: Claims, ones: Array, at: Array | None = None) -> tuple[Array, Array]:
    """(miscalibration of each resample, its recalibrated rates at some cells); one fit of all, one above the other.

    A resample is put above the last by a constant larger than any rate, so that no block spans two.
    """
    resamples, m = ones.shape
    weight = claims.weight
    claimed = ones @ claims.if_one + (weight - ones) @ claims.if_zero
    lift = (2.0 * np.arange(resamples))[:, None] * weight
    start = starts((ones + lift).reshape(-1), np.broadcast_to(weight, ones.shape).reshape(-1))
    block_ones = np.add.reduceat(ones.reshape(-1), start)
    block_zeros = np.add.reduceat((weight - ones).reshape(-1), start)
    first = np.searchsorted(start, np.arange(resamples) * m)
    after = np.add.reduceat(entropies(block_zeros, block_ones), first)
    rates = np.empty((resamples, 0))
    if at is not None:
        where = np.searchsorted(start, np.arange(resamples)[:, None] * m + at, side="right") - 1
        rates = (block_ones / (block_ones + block_zeros))[where]
    return np.maximum(claimed - after, 0.0) / weight.sum(), rates
