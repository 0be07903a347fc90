"""Soft labels: what of the loss is the labels' own entropy, and what is the predictions' distance from them."""

from __future__ import annotations

import math
from typing import Any

from ..registers import rounded
from ..statistics import label_entropy
from .records import SoftLabels


def soft_labels(state: Any) -> SoftLabels | None:
    r"""Cross-entropy = entropy of the labels + divergence, :math:`-\sum q \log p = H(q) + KL(q \| p)`, over all rows.

    The first two are exact sums of the same products and the third is their exact difference, each rounded once, so
    the parts add up and a forecaster who gives the labels themselves has divergence 0. Infinite where a class with
    q > 0 has p = 0. None for hard labels.
    """
    tally, entropy = state.tally, label_entropy(state.tally)
    if entropy is None:
        return None
    if tally.count("infinite", tally.cells):
        return SoftLabels(math.inf, rounded(entropy), math.inf)
    loss = tally.total("wl", tally.cells) / tally.total("w", tally.cells)
    return SoftLabels(rounded(loss), rounded(entropy), rounded(loss - entropy))
