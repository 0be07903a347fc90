"""How the nats are spread over rows: few dear ones, or many that cost a little."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..statistics import NO_SPREAD
from .records import LossBin, Tail

Array = Any
POINTS, BINS = 101, 80
NEEDED = 100  # rows from which "the dearest 1 %" is at least one row


def tail(state: Any) -> Tail:
    """The tail of the finite losses, from the histogram of losses and, where they were kept, the dearest rows.

    Shares of rows are shares of weight. Every point of the Lorenz curve is exact: a count of dearest rows, or all rows
    above an edge of a bin; half_rows, half_share and top_percent are interpolated (a bin is 1/16 bit wide).
    Multi-label: cells, except that variance_top10 is of rows. Rows of infinite loss are left out: with them there would
    be no share to speak of.
    """
    losses = state.losses
    if losses is None or not int(np.sum(losses.rows)):
        return Tail(None, None, None, _variance(state), (), ())
    rows, weight, nats = _curve(state)
    shares = weight / weight[-1], nats / nats[-1] if nats[-1] > 0 else weight / weight[-1]
    half = _half(rows, *shares) if nats[-1] > 0 else (None, None)
    top = float(np.interp(0.01, *shares)) if nats[-1] > 0 and rows[-1] >= NEEDED else None
    return Tail(half[0], half[1], top, _variance(state), _points(*shares), _histogram(losses))


def _curve(state: Any) -> tuple[Array, Array, Array]:
    """Running rows, weight and nats, dearest first: row by row as far as rows were kept, then bin by bin."""
    losses = state.losses
    used = np.flatnonzero(losses.rows)[::-1]
    bins = [np.cumsum(np.asarray(x, np.float64)[used]) for x in (losses.rows, losses.weight, losses.nats)]
    kept = [] if state.problem.kind == "multilabel" else [r for r in state.dearest.rows() if math.isfinite(r.loss)]
    w = np.array([r.weight for r in kept], np.float64)
    first = [np.arange(1.0, len(kept) + 1), np.cumsum(w), np.cumsum(w * [r.loss for r in kept])]
    later = bins[0] > len(kept)
    curve = [np.concatenate([[0.0], one, many[later]]) for one, many in zip(first, bins, strict=True)]
    return curve[0], np.maximum.accumulate(curve[1]), np.maximum.accumulate(curve[2])


def _half(rows: Array, weight: Array, nats: Array) -> tuple[int, float]:
    exact = float(np.interp(0.5, nats, rows))
    count = math.ceil(exact - 1e-9)  # the half itself may lie a rounding error off a whole row
    return count, float(np.interp(0.5, nats, weight))


def _points(weight: Array, nats: Array) -> tuple[tuple[float, float], ...]:
    """At most 101 of the points, evenly along the curve."""
    along = np.floor((weight + nats) / 2.0 * (POINTS - 2))
    kept = np.flatnonzero(np.diff(along, prepend=-1.0) > 0)
    kept = np.unique(np.append(kept, len(weight) - 1))
    return tuple((float(x), float(y)) for x, y in zip(weight[kept], nats[kept], strict=True))


def _variance(state: Any) -> float | None:
    r"""The ten dearest rows' share of :math:`\sum (w (l - m))^2`, the variance that the standard error rests on."""
    tally, rows = state.tally, state.tally.rows
    finite = tally.count("rows", rows) - tally.count("infinite", rows)
    kept = [row for row in state.dearest.rows() if math.isfinite(row.loss)][:10]
    if finite < 2 or len(kept) < min(10, finite):
        return None
    s = {name: tally.total(name, rows) for name in ("w", "wl", "w2", "w2l", "w2l2")}
    m = s["wl"] / s["w"]
    spread = s["w2l2"] - 2 * m * s["w2l"] + m * m * s["w2"]
    if spread <= NO_SPREAD * m * m * s["w2"]:
        return None
    return min(1.0, math.fsum((row.weight * (row.loss - float(m))) ** 2 for row in kept) / float(spread))


def _histogram(losses: Any) -> tuple[LossBin, ...]:
    """At most 80 bins: as many neighbours pooled as it takes, a power of two of them.

    expected: the expected weight, as rows (times the bin's own rows by weight; where it has none, the average).
    """
    rows, weight = np.asarray(losses.rows), np.asarray(losses.weight, np.float64)
    last = int(np.flatnonzero(rows)[-1]) + 1
    width = 1
    while -(-last // width) > BINS:
        width *= 2
    starts = np.arange(0, last, width)
    ends = np.minimum(starts + width, last)
    sums = [np.add.reduceat(np.asarray(x)[:last], starts) for x in (rows, weight, losses.nats, losses.expected)]
    average = float(rows.sum() / math.fsum(weight))
    edges = [float(x) for x in losses.edges]
    return tuple(
        LossBin(edges[a], edges[b], n, cost, e * (n / w if n else average))
        for a, b, n, w, cost, e in zip(starts, ends, *(x.tolist() for x in sums), strict=True)
    )
