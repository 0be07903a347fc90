"""The reliability curve for pictures: blocks, bins, and the claims at which a band is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from .claims import Claims
from .isotone import Fit, entropies
from .records import Bin, Block

Array = Any
BLOCKS, BINS, PLACES = 200, 20, 60


def blocks(claims: Claims, fit: Fit, nats: Array) -> tuple[Block, ...]:
    """Steps of the fit, at most 200: beyond that those neighbours are pooled that lose least. nats float64[m]."""
    start = fit.start[_thinned(fit.zeros, fit.ones, BLOCKS)]
    columns = _summed(claims, nats, start)
    return tuple(
        Block(low, high, claimed, rate, rows, weight, cost)
        for low, high, claimed, rate, rows, weight, cost in zip(*columns, strict=True)
    )


def bins(claims: Claims, nats: Array) -> tuple[Bin, ...]:
    """At most 20 bins of about as many rows each; equal claims stay together, so a frequent claim has its own bin."""
    start = _even(claims.rows, BINS)
    low, _, claimed, rate, rows, weight, cost = _summed(claims, nats, start)
    high = [*low[1:], float(claims.p[-1])]
    return tuple(
        Bin(lo, hi, n, w, c, r, v)
        for lo, hi, n, w, c, r, v in zip(low, high, rows, weight, claimed, rate, cost, strict=True)
    )


def places(claims: Claims) -> Array:
    """Claims, at most 60, that show the whole curve: spread evenly over rows, over probabilities, and over logits."""
    m = len(claims.z)
    if m <= PLACES:
        return np.arange(m)
    z = np.clip(claims.z, -40.0, 40.0)
    each = np.linspace(0.0, 1.0, PLACES // 3)
    scales = (np.cumsum(claims.rows), claims.p, z)
    found = [np.searchsorted(x, x[0] + each * (x[-1] - x[0])) for x in scales]
    return np.unique(np.minimum(np.concatenate(found), m - 1))


def _summed(claims: Claims, nats: Array, start: Array) -> tuple[list[Any], ...]:
    """low, high, claimed, rate, rows, weight, nats of runs of cells."""
    weight, zeros, ones, rows, claimed, cost = (
        np.add.reduceat(x, start)
        for x in (claims.weight, claims.zeros, claims.ones, claims.rows, claims.weight * claims.p, nats)
    )
    low, high = claims.p[start], claims.p[np.append(start[1:], len(claims.p)) - 1]
    claimed = np.clip(claimed / weight, low, high)  # rounding
    columns = (low, high, claimed, ones / (zeros + ones), rows, weight, cost)
    return tuple(column.tolist() for column in columns)


def _thinned(zeros: Array, ones: Array, most: int) -> Array:
    """First members of at most `most` runs of blocks.

    Rounds of pooling pairs: of those among the cheapest that would be enough, every other one where they touch.
    """
    at = np.arange(len(zeros))
    while (spare := len(at) - most) > 0:
        own = entropies(zeros, ones)
        lost = entropies(zeros[1:] + zeros[:-1], ones[1:] + ones[:-1]) - own[1:] - own[:-1]
        cheap = lost <= np.partition(lost, spare - 1)[spare - 1]
        pair = np.arange(len(lost))
        since = np.maximum.accumulate(np.where(cheap, -1, pair))  # the last pair that is not cheap
        chosen = np.flatnonzero(cheap & ((pair - since) % 2 == 1))
        gone = chosen[np.argsort(lost[chosen], kind="stable")[:spare]] + 1
        keep = np.setdiff1d(np.arange(len(at)), gone)
        at, zeros, ones = at[keep], np.add.reduceat(zeros, keep), np.add.reduceat(ones, keep)
    return at


def _even(rows: Array, most: int) -> Array:
    """First cells of at most `most` runs with about as many rows each."""
    if len(rows) <= most:
        return np.arange(len(rows))
    edges = np.concatenate([[0], np.cumsum(rows)])
    wanted = np.arange(1, most) * (edges[-1] / most)
    after = np.searchsorted(edges, wanted)
    nearer = np.where(edges[after] - wanted > wanted - edges[after - 1], after - 1, after)
    return np.unique(np.concatenate([[0], nearer[nearer < len(rows)]]))
