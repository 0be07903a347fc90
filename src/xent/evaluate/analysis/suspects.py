"""Label suspects: how many rows the model all but ruled out, and how many there would be if its claims were right."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .records import Suspects, Threshold

Array = Any
POWERS = range(1, 7)  # thresholds near 0.1 ... 1e-6: the bins' edges nearest to the powers of ten, within 3 %
UNLIKELY = 0.01  # after Bonferroni over the thresholds: below it an excess is called one


def suspects(state: Any) -> Suspects | None:
    r"""Rows whose truth had probability below t, against :math:`E_t = \sum_i \sum_{k: p_{ik} < t} p_{ik}`.

    If the claims are right the count is a sum of independent yes/no draws with mean E, so P(count ≥ r) is at most that
    of a Poisson variable of mean E for r ≥ E + 1 (Hoeffding, Ann. Math. Stat. 27, 1956; Anderson & Samuels 1967): the
    p-value said, one-sided. An excess is evidence of wrong labels, or of a model too sure of itself. Rows of infinite
    loss are below every threshold. Multi-label: cells, of which those of one row may hang together.

    With weights a row counts for its weight over Σw²/Σw, and `expected` is in rows: the ratio of weights, times the
    rows there are. `at` is the threshold whose excess is the least likely (None: no p-value below 0.01/6). None where
    truths are distributions.
    """
    losses = state.losses
    if losses is None or state.problem.soft or not int(np.sum(losses.rows)) + int(losses.infinite):
        return None
    unit, lost = _units(state)
    found = tuple(_threshold(losses, bits, unit, lost) for bits in _edges(losses.edges))
    clear = [t for t in found if t.p_value < UNLIKELY / len(POWERS)]
    if not clear:
        return Suspects(found, None, None)
    best = max(clear, key=lambda t: (_surprise(t.rows, t.expected), t.rows - t.expected, t.prob))
    return Suspects(found, best.prob, best.rows - best.expected)


def _edges(edges: Array) -> list[int]:
    return [int(np.argmin(np.abs(edges - power * math.log2(10.0)))) for power in POWERS]


def _units(state: Any) -> tuple[float, float]:
    """(Σw²/Σw, weight of the infinite rows); multi-label: of cells, each with the weight of its row."""
    tally, every = state.tally, slice(0, state.tally.classes)
    lost = tally.total("w_inf", every)
    weight, squares = tally.total("w", every) + lost, tally.total("w2", every) + tally.total("w2_inf", every)
    return float(squares / weight), float(lost)


def _threshold(losses: Any, edge: int, unit: float, lost: float) -> Threshold:
    from scipy.special import gammainc

    rows = int(losses.rows[edge:].sum()) + int(losses.infinite)
    weight = math.fsum(losses.weight[edge:]) + lost
    expected = math.fsum(losses.expected[edge:])
    count = weight / unit
    p_value = 1.0 if not rows else float(gammainc(count, expected / unit)) if expected > 0 else 0.0
    in_rows = expected * (rows / weight) if rows else expected / unit
    return Threshold(2.0 ** -float(losses.edges[edge]), rows, in_rows, p_value)


def _surprise(seen: float, expected: float) -> float:
    """Twice the log likelihood ratio of a Poisson count with its own mean against one with `expected`."""
    return math.inf if expected <= 0 else 2.0 * (seen * math.log(seen / expected) - (seen - expected))
