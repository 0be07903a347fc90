"""That the models are judged on the same rows: one truth, one weight, row by row; the first that differs is named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..faults import BadInput
from .judging import Judge, Judged

Where = Callable[[int], str]  # row of the batch -> its place, for people
SOFT = 1e-6  # by which soft labels may differ: of files in float32 and float64


def agree(a: Judge, one: Judged, at: Where, b: Judge, other: Judged, there: Where, joined: bool) -> None:
    """Raises `BadInput` at the first row whose truth or weight differs between two models."""
    differs = one.truth != other.truth if one.truth.dtype.kind == "i" else abs(one.truth - other.truth) > SOFT
    if differs.ndim == 2:
        differs = differs.any(axis=1)
    if differs.any():
        row = int(np.argmax(differs))
        raise BadInput(
            f"the models must be judged on the same rows: {at(row)} has the truth {_said(a, one, row)} for {a.name},"
            f" and {there(row)} has {_said(a, other, row)} for {b.name}."
            + ("" if joined else " Rows in another order are matched by a key with `id` (--id COLUMN).")
        )
    if one.weight is not None and other.weight is not None and not np.array_equal(one.weight, other.weight):
        row = int(np.argmax(one.weight != other.weight))
        raise BadInput(
            f"the weights of all models must agree: {at(row)} weighs {one.weight[row]:.9g} for {a.name}, and"
            f" {there(row)} weighs {other.weight[row]:.9g} for {b.name}. Choose with `sample_weight` (--weight)."
        )


def named(judge: Judge, truth: np.ndarray) -> str:
    """The truth of a row by name: the class, the labels that hold, or of soft labels the likeliest and how much."""
    if truth.dtype.kind == "f":
        q = truth if len(truth) > 1 or judge.multilabel else np.array([1.0 - truth[0], truth[0]])
        return f"{judge.plan.classes[int(q.argmax())]} {q.max():.7g}"
    if truth.ndim == 0:
        return judge.plan.classes[int(truth)]
    yes = [name for name, held in zip(judge.plan.classes, truth, strict=True) if held]
    return ", ".join(yes) or "none"


def _said(judge: Judge, judged: Judged, row: int) -> str:
    return f"`{named(judge, judged.truth[row])}`"
