"""Loss claimed against loss suffered, by how sure the favourite was."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from xent.information import sigmoid

from .records import ConfidenceBin

Array = Any
BINS = 16
ENOUGH = 30  # rows a bin has at least (if there are as many): below that a z says little


def bins(state: Any) -> tuple[ConfidenceBin, ...]:
    r"""At most 16 bins of the favourite's probability, each with its mean loss, mean entropy and the z of their gap.

    .. math:: z = \sum w (l - H) / \sqrt{\sum w^2 V}

    as for all rows together (`statistics.claim`): above 0 where the model is too sure. Where bins end follows from
    the claims alone (about equal shares of a measure: half of it rows, half of it claimed nats), so that z stays
    standard normal under calibration. Binary and multi-class; none for labels.
    """
    held = state.confidences
    if held is None or not held.rows.sum():
        return ()
    start = _starts(held.rows, held.wh)
    end = np.append(start[1:], np.flatnonzero(held.rows)[-1] + 1)
    edges = sigmoid(np.asarray(held.edges, np.float64))
    names = ("rows", "infinite", "w", "w_finite", "right", "claimed", "wl", "wh", "w2v")
    sums = {name: np.add.reduceat(getattr(held, name), start).tolist() for name in names}
    return tuple(
        _bin(float(edges[a]), float(edges[b]), *numbers)
        for a, b, *numbers in zip(start, end, *sums.values(), strict=True)
    )


def _bin(
    low: float, high: float, rows: int, infinite: int, w: float, w_finite: float, right: float, claimed: float,
    wl: float, wh: float, w2v: float,
) -> ConfidenceBin:  # fmt: skip
    z = math.inf if infinite else (wl - wh) / math.sqrt(w2v) if w2v > 0 else None
    loss = math.inf if infinite else wl / w
    entropy = wh / w_finite if w_finite > 0 else 0.0  # only rows of finite loss tell theirs
    return ConfidenceBin(low, high, rows, w, claimed / w, right / w, loss, entropy, z)


def _starts(rows: Array, nats: Array) -> Array:
    """First fine bins of at most 16 runs, each with enough rows."""
    whole, claimed = rows.sum(), nats.sum()
    measure = np.cumsum(rows) / whole
    if claimed > 0:
        measure = 0.5 * measure + 0.5 * np.cumsum(nats) / claimed
    wanted = np.searchsorted(measure, np.arange(1, BINS) / BINS) + 1
    edges = np.unique(np.concatenate([[np.flatnonzero(rows)[0]], wanted]))
    seen = np.concatenate([[0], np.cumsum(rows)])
    start = [int(edges[0])]
    for edge in edges[1:].tolist():
        if seen[edge] - seen[start[-1]] >= ENOUGH and whole - seen[edge] >= ENOUGH:
            start.append(edge)
    return np.array(start)
