"""A repair applied to a batch of predictions, in the form and dtype that they are wanted in."""

from __future__ import annotations

from typing import Any

import numpy as np

from xent.information import sigmoid, softmax

from .kept import Kept
from .stream import label_logits, logits

Array = Any


def calibrated(x: Array, kept: Kept, form: str, wanted: str) -> Array:
    """Predictions [n, width] of one form -> calibrated ones, float64 [n, width], of another."""
    if kept.kind == "multiclass":
        (found,) = (m for m in kept.maps if m is not None)
        z = found.calibrated(logits(x, form, found.floor))
        return softmax(z) if wanted == "probs" else z
    columns = []
    for i, m in enumerate(kept.maps):
        z = label_logits(x[:, i : i + 1], form, 0.0 if m is None else m.floor)[:, 0]
        z = z if m is None else m.calibrated(z)
        columns.append(sigmoid(z) if wanted == "probs" else z)
    return np.stack(columns, 1)
