"""Rows of files as a fit reads them: logits block by block, read again for every pass, so memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xent.calibrate.inputs import logits_of

from ..arrow import values
from ..columns import Plan
from ..scoring import VALUES, Progress, matrix, target_of
from ..sources import Source

Array = Any


def batch_size(width: int) -> int:
    """Rows held at a time."""
    return max(1024, min(1 << 17, VALUES // 2 // width))


def logits(x: Array, form: str, floor: float) -> Array:
    """Predictions [n, K] of classes as float64 logits; what a tolerance accepts above 1 is 1."""
    return logits_of(_held(x, form), form == "probs", floor)


def label_logits(x: Array, form: str, floor: float) -> Array:
    """Predictions [n, labels] of yes/no problems as float64 logits [n, labels]."""
    return logits_of(_held(x, form).reshape(-1), form == "probs", floor).reshape(x.shape)


def _held(x: Array, form: str) -> Array:
    return np.clip(x, 0.0, 1.0) if form == "probs" else x


@dataclass
class Stream:
    """The rows of some sources that count; an object that fits of xent.calibrate take for rows.

    total: the sum of weights; classes: by class. progress: told of every pass.
    """

    sources: Sequence[Source]
    plan: Plan
    width: int
    floor: float
    total: float
    classes: Array
    progress: Progress | None = None
    one_hot: bool = True  # for `target_of`, which asks whether yes/no targets might be one class of many
    binary: bool = field(default=False, init=False)

    @property
    def size(self) -> int:
        """Too many numbers to hold between passes."""
        return 1 << 62

    def class_weights(self) -> Array:
        return self.classes

    def batches(self) -> Iterator[tuple[Array, Array, Array | None]]:
        """(predictions as stored, targets, weights or None) of rows of positive weight."""
        plan = self.plan
        for source in self.sources:
            start = 0
            for batch in source.read(plan.names, batch_size(self.width)):
                x = matrix(batch, plan, source.name, start, self.width)
                t = target_of(self, plan, source.name, batch, start, self.width, x)
                w = None
                if plan.weight is not None:
                    w = np.asarray(values(batch[plan.weight], plan.weight, source.name, start), np.float64)
                start += len(x)
                if self.progress is not None:
                    self.progress(source.name, start, source.rows)
                if w is not None and not (some := w > 0).all():
                    x, t, w = x[some], t[some], w[some]
                if len(x):
                    yield x, t, w

    def blocks(self, infinite: bool = False) -> Iterator[tuple[Array, Array, Array | None]]:
        """(float64 logits [n, K], class ids, weights or None)."""
        for x, t, w in self.batches():
            yield logits(x, self.plan.form, self.floor), t, w
