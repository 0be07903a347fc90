"""Where the nats of a yes/no problem go: uncertainty, less discrimination, plus miscalibration.

Two facts force the shape. The score itself is summed exactly elsewhere, while the isotonic fit may see scores in cells:
what the fit leaves is then known up to a bound, and the score stays exact. And a certain claim that fails costs
infinitely much, while the recalibrated loss never does: the infinity belongs to the miscalibration alone.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..registers import rounded
from .brier import brier
from .claims import Claims
from .isotone import Fit, entropies, fit, least
from .null import null
from .records import Decomposition
from .reliability import bins, blocks

Array = Any


def decompositions(state: Any, seed: int) -> tuple[Decomposition, ...]:
    r"""S = UNC - DSC + MCB of every yes/no problem in a state, by isotonic recalibration (CORP).

    .. math:: UNC = H(\bar y), \qquad DSC = UNC - S_c, \qquad MCB = S - S_c

    with :math:`S_c` the mean loss after pool-adjacent-violators, all in nats a row. Binary: one. Multi-label: one a
    label, and their mean is the whole. Multi-class: "top-1", whether the favourite is right. None for soft labels.

    Source: Dimitriadis, Gneiting & Jordan, PNAS 118 (2021), doi 10.1073/pnas.2016191118; the log score: Dimitriadis et
    al., Int. J. Forecasting 40 (2024), doi 10.1016/j.ijforecast.2023.09.007.
    """
    if state.blocks is None:
        return ()
    count = state.blocks.problems
    found = []
    for i in range(count):
        claims = Claims.of(state.blocks.scores(i))
        if len(claims.z):
            found.append(decomposition(_name(state, i), claims, _part(state, i), (seed, i), count))
    return tuple(found)


def decomposition(
    name: str, claims: Claims, part: float | None, seed: tuple[int, ...], problems: int = 1
) -> Decomposition:
    """One problem. part: its mean loss, infinite rows at 0, where it is known exactly; else that of the cells."""
    total, infinite = claims.total, int(claims.infinite.sum())
    suffered = claims.suffered(None if part is None else part * total)
    part = float(suffered.sum()) / total if part is None else part
    found = fit(claims.zeros, claims.ones)
    binned = float(entropies(found.zeros, found.ones).sum()) / total
    uncertainty = float(entropies(claims.zeros.sum(), claims.ones.sum())) / total
    bound = 0.0 if claims.exact else max(0.0, binned - least(claims) / total)
    # The claims and the base rate are increasing maps of the score too: no fit is worse, but for rounding and cells.
    left = min(binned, uncertainty) if infinite else min(binned, uncertainty, part)
    nats = (suffered - _recalibrated(claims, found)) / total
    nats[claims.infinite > 0] = math.inf
    expected = null(claims, seed, problems)
    return Decomposition(
        name=name, rows=int(claims.rows.sum()), weight=total, score=math.inf if infinite else part, finite_part=part,
        infinite_rows=infinite, uncertainty=uncertainty, discrimination=uncertainty - left,
        miscalibration=math.inf if infinite else part - left, expected=expected.expected,
        expected_high=expected.high, p_value=expected.p_value, resamples=expected.resamples, exact=claims.exact,
        bound=bound, brier=brier(claims, found), blocks=blocks(claims, found, nats), bins=bins(claims, nats),
        band=expected.band,
    )  # fmt: skip


def _recalibrated(claims: Claims, found: Fit) -> Array:
    """Nats that the rows of each cell cost at the rate of their block; float64[m], summed."""
    from scipy.special import xlogy

    weight = found.zeros + found.ones
    cells_in = np.diff(np.append(found.start, len(claims.z)))
    no, yes = (np.repeat(outcome / weight, cells_in) for outcome in (found.zeros, found.ones))
    spent: Array = -(xlogy(claims.zeros, no) + xlogy(claims.ones, yes))
    return spent


def _name(state: Any, i: int) -> str:
    kind = state.problem.kind
    return "" if kind == "binary" else "top-1" if kind == "multiclass" else state.problem.classes[i]


def _part(state: Any, i: int) -> float | None:
    """Mean loss of problem i with infinite rows at 0, from the exact sums; None where these are of another problem."""
    tally = state.tally
    groups = slice(i, i + 1) if tally.multilabel else slice(None)
    weight = tally.weight(groups)
    if state.problem.kind != "multiclass":
        return rounded(tally.total("wl", groups) / weight)
    # an infinite row may be finite in "the favourite is right", and the sum leaves it out
    return None if tally.count("infinite", groups) else rounded(tally.total("wtop", groups) / weight)
