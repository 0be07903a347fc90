"""Yes/no problems for tests of the analysis: rows to the cells that a state keeps, by the definition."""

from types import SimpleNamespace

import numpy as np


def logit(p):
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log1p(-np.asarray(p, float))


def scores(z, y, w=None, exact=True, p=None):
    """What `state.blocks.scores` gives for rows that claim logits z (or p): one cell for each distinct z."""
    z, y = np.asarray(z, float) + 0.0, np.asarray(y, int)
    w = np.ones(len(y)) if w is None else np.asarray(w, float)
    cells, first, at = np.unique(z, return_index=True, return_inverse=True)
    n, total, squares = (np.zeros((5, 2, len(cells)), kind) for kind in (np.int64, float, float))
    where = (np.arange(len(y)) % 5, y, at)
    for sums, x in ((n, 1), (total, w), (squares, w * w)):
        np.add.at(sums, where, x)
    with np.errstate(over="ignore"):
        p = 1.0 / (1.0 + np.exp(-cells)) if p is None else np.asarray(p, float)[first]
    return SimpleNamespace(z=cells, p=p, n=n, w=total, w2=squares, exact=exact)


def isotonic_loss(z, y, w=None):
    """What rows cost after the isotonic fit, summed nats: rates by the minimax formula, cell by cell (quadratic)."""
    cells = scores(z, y, w)
    no, yes = cells.w.sum(axis=0)
    one, all_ = np.concatenate([[0], np.cumsum(yes)]), np.concatenate([[0], np.cumsum(no + yes)])
    loss = 0.0
    for i in range(len(yes)):
        rate = max(min((one[b] - one[a]) / (all_[b] - all_[a]) for b in range(i + 1, len(one))) for a in range(i + 1))
        loss -= (yes[i] * np.log(rate) if yes[i] else 0.0) + (no[i] * np.log1p(-rate) if no[i] else 0.0)
    return loss
