"""Nats by true class and favourite class."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .records import Confusion

MOST = 26  # classes shown: what a page can hold
POOLED = "others"


def confusion(state: Any) -> Confusion | None:
    r"""The table :math:`C_{yk} = \sum_{i: y_i = y, \hat y_i = k} w_i l_i / \sum_i w_i` (nats a row of all rows).

    All cells add up to the finite loss: rows of infinite loss count, and cost 0 here. Beyond 26 classes
    the 25 that cost most, as truth or as favourite, are shown; the rest are pooled as "others". None where no table was
    kept (binary, multi-label, more than 1,024 classes).
    """
    table = state.confusion
    if table is None:
        return None
    names, nats, rows = tuple(state.problem.classes), np.asarray(table.nats), np.asarray(table.rows)
    nats = nats / math.fsum(np.asarray(table.weight).ravel())
    if len(names) > MOST:
        cost = nats.sum(axis=0) + nats.sum(axis=1) - nats.diagonal()
        kept = np.sort(np.argsort(-cost, kind="stable")[: MOST - 1])
        place = np.full(len(names), MOST - 1)
        place[kept] = np.arange(MOST - 1)
        names = (*(names[k] for k in kept), POOLED)
        nats, rows = _pooled(nats, place), _pooled(rows, place)
    return Confusion(names, tuple(map(tuple, nats.tolist())), tuple(map(tuple, rows.tolist())))


def _pooled(table: Any, place: Any) -> Any:
    out = np.zeros((MOST, MOST), table.dtype)
    np.add.at(out, (place[:, None], place[None, :]), table)
    return out
