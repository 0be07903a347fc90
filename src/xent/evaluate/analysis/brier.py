"""The Brier score, decomposed with the blocks of the log score."""

from __future__ import annotations

from .claims import Claims
from .isotone import Fit
from .records import Brier


def brier(claims: Claims, fit: Fit) -> Brier:
    r"""Mean of :math:`(p - y)^2 = UNC - DSC + MCB` (Murphy 1973; by isotonic recalibration: Dimitriadis et al. 2021).

    With block rates r: UNC = b (1 - b) for the base rate b, DSC = UNC - mean of r (1 - r). Scores in cells count as
    the cell's claim.
    """
    total = claims.total
    score = float(claims.brier().sum()) / total
    base = float(claims.ones.sum()) / total
    uncertainty = base * (float(claims.zeros.sum()) / total)
    left = float((fit.ones * (fit.zeros / (fit.zeros + fit.ones))).sum()) / total
    left = min(left, score, uncertainty)  # rounding, or the width of cells, never makes a part negative
    return Brier(score, uncertainty, uncertainty - left, score - left)
