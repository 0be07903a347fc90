"""The error of the mean loss by three reckonings: rows independent, rows alike within clusters, rows alike over time.

The mean is m = Σwl/Σw. Clusters and steps of time are judged by their sums of w(l − m), so that a ratio of sums has the
error that linearising gives it.
"""

from __future__ import annotations

import math
from typing import Any

from xent.calibrate.gain import student

from ..scores import Score
from .records import Spread

Array = Any
FEW_UNITS = 10  # clusters, or steps of time, below which an error of them is itself hardly known


def spreads(state: Any, score: Score) -> tuple[Spread, ...]:
    """Every error there is: of independent rows; of clusters and over time where the problem names such columns.

    With an infinite row there is no mean and so no error: the numbers are None.
    """
    iid = score.standard_error
    found = [Spread("iid", None, iid, score.low, score.high, score.rows, None, None if iid is None else 1.0)]
    if state.problem.cluster is not None and state.buckets is not None:
        b = state.buckets
        error, units = jackknife(b.wl, b.w)
        found.append(_spread("cluster", state.problem.cluster, score, error, units, units - 1, None))
    if state.problem.time is not None and state.times is not None:
        error, units, lags, freedom = over_time(state.times.wl, state.times.w)
        found.append(_spread("time", state.problem.time, score, error, units, freedom, lags))
    return tuple(found)


def notes(found: tuple[Spread, ...]) -> tuple[str, ...]:
    """What is to be said of the errors: too few units to know them by."""
    return tuple(
        f"The {'clusters of' if s.method == 'cluster' else 'steps of time in'} `{s.column}` fall into {s.units}"
        f" {'buckets' if s.method == 'cluster' else 'sums'} only: their error is itself hardly known."
        for s in found
        if s.method != "iid" and s.units < FEW_UNITS
    )


def jackknife(wl: Array, w: Array) -> tuple[float | None, int]:
    r"""Delete-a-bucket jackknife of Σwl/Σw: (standard error, occupied buckets B).

    .. math:: SE^2 = \frac{B-1}{B} \sum_b (m_{(-b)} - m)^2, \quad m_{(-b)} = \frac{\sum wl - wl_b}{\sum w - w_b}

    wl, w float64 [buckets]. Clusters fall into buckets by hash, whole; with fewer buckets than clusters the error is
    that of unions of clusters, which are independent too. Centred on m, the more careful of the two customs (the
    estimator CV3 of MacKinnon, Nielsen & Webb, J. Appl. Econometrics 38, 2023). None with fewer than two buckets.
    """
    used = w > 0
    wl, w = wl[used], w[used]
    count = len(w)
    if count < 2:
        return None, count
    total, weight = math.fsum(wl), math.fsum(w)
    mean = total / weight
    # m_(-b) - m, without the difference of two near numbers
    moved = (wl - mean * w) / (w - weight)
    return math.sqrt((count - 1) / count * math.fsum(moved * moved)), count


def over_time(wl: Array, w: Array) -> tuple[float | None, int, int, int]:
    r"""Newey-West error of Σwl/Σw from sums by time step: (standard error, steps T, lags, degrees of freedom).

    .. math:: SE^2 = \frac{\gamma_0 + 2 \sum_{j<S} (1 - j/S) \gamma_j}{(\sum w)^2 (1 - b + b^2/3)}, \quad
        \gamma_j = \sum_t u_t u_{t-j}, \quad u_t = wl_t - m w_t, \quad b = S/T

    (Newey & West, Econometrica 55, 1987) with S = 1.3 √T (Lazarus, Lewis, Stock & Watson, J. Bus. Econ. Stat. 36,
    2018): longer than the old rules, for honest coverage. What that costs is in the last factor, the share of the
    variance that subtracting the mean leaves when b is not small, and in the 3/(2b) degrees of freedom of a sum with
    Bartlett weights; together they give the critical values of Kiefer & Vogelsang (Econometric Theory 21, 2005) within
    3 % up to b = 0.2. Steps without rows are left out, their neighbours count as adjacent.
    """
    used = w > 0
    wl, w = wl[used], w[used]
    steps = len(w)
    if steps < 2:
        return None, steps, 0, 0
    span = min(math.ceil(1.3 * math.sqrt(steps)), steps)
    weight = math.fsum(w)
    u = wl - math.fsum(wl) / weight * w
    long_run = float(u @ u) + 2.0 * math.fsum((1.0 - j / span) * float(u[j:] @ u[:-j]) for j in range(1, span))
    b = span / steps
    left = 1.0 - b + b * b / 3.0
    return math.sqrt(max(long_run, 0.0) / left) / weight, steps, span - 1, max(1, int(1.5 / b))


def _spread(
    method: str, column: str, score: Score, error: float | None, units: int, freedom: int, lags: int | None
) -> Spread:
    if error is None or score.infinite:
        return Spread(method, column, None, None, None, units, lags, None)
    reach = error * student((1.0 - score.confidence) / 2.0, freedom)
    iid = score.standard_error
    design = (error / iid) ** 2 if iid else None
    low, high = max(0.0, score.log_loss - reach), score.log_loss + reach
    return Spread(method, column, error, low, high, units, lags, design)
