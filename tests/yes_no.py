"""Yes/no problems for tests of the analysis: rows to the cells that a state keeps, by the definition."""

from types import SimpleNamespace

import numpy as np


def logit(p):
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log1p(-np.asarray(p, float))


def scores(z, y, w=None, p=None, width=0.0):
    """What `state.blocks.scores` gives for rows that claim logits z: a cell for each distinct z, of some width."""
    z, y = np.asarray(z, float) + 0.0, np.asarray(y, int)
    w = np.ones(len(y)) if w is None else np.asarray(w, float)
    cells, first, at = np.unique(z, return_index=True, return_inverse=True)
    n, total, squares = (np.zeros((5, 2, len(cells)), kind) for kind in (np.int64, float, float))
    where = (np.arange(len(y)) % 5, y, at)
    for sums, x in ((n, 1), (total, w), (squares, w * w)):
        np.add.at(sums, where, x)
    with np.errstate(over="ignore"):
        p = 1.0 / (1.0 + np.exp(-cells)) if p is None else np.asarray(p, float)[first]
    half = 0.5 * width
    return SimpleNamespace(z=cells, p=p, low=cells - half, high=cells + half, n=n, w=total, w2=squares, exact=not width)


def isotonic_loss(z, y, w=None):
    """What rows cost after the isotonic fit, summed nats. Rate of cell i: max over a <= i of min over b > i of the mean
    of cells a to b (Barlow et al. 1972)."""
    no, yes = scores(z, y, w).w.sum(axis=0)
    one, weight = np.append(0, np.cumsum(yes)), np.append(0, np.cumsum(no + yes))
    a, b = np.indices((len(yes), len(yes) + 1))
    mean = np.where(b > a, (one[b] - one[a]) / np.where(b > a, weight[b] - weight[a], 1.0), 2.0)
    least = np.minimum.accumulate(mean[:, ::-1], axis=1)[:, ::-1]  # over all ends from b on
    rate = np.where(b[:, 1:] > a[:, 1:], least[:, 1:], -1.0).max(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return -(np.where(yes > 0, yes * np.log(rate), 0.0) + np.where(no > 0, no * np.log1p(-rate), 0.0)).sum()
