"""Log loss of Bernoulli forecasts: the sigmoid family's rows with a probability in the place of the logit."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from xent import _kernels, tables
from xent.objective import SigmoidObjective
from xent.passes import Loss
from xent.portable.probabilities import IN_RANGE
from xent.rows import ALL, SigmoidRows
from xent.rows.shapes import at, position

Array = Any


class Forecasts(SigmoidRows):
    """Probabilities as the kernels take them."""

    __slots__ = ()

    def run(self, scale: float, loss: Array, grad: Array, hess: Array, v: Array) -> float:
        if self.w is not None:
            self.numpy.nonnegative("sample_weight", self.sample_weight)
        total, bad, wrong = _kernels.log_loss(
            self.z, self.t, self.w, self.where, self.ignored, self.table, scale,
            self.kernel(loss), self.kernel(grad), ALL,
        )  # fmt: skip
        if bad >= 0:
            self.complain(bad)
        if wrong >= 0:
            index = position(wrong, self.shape)
            value = self.numpy.widened(self.logits)[index] if self.z.dtype == np.uint16 else self.logits[index]
            raise ValueError(f"`probs` must {IN_RANGE}; got {value}{at(index, 'index')}.")
        return float(total)


class Bernoulli(Loss, SigmoidObjective):
    """-t log p - (1 - t) log(1 - p), element by element, with the sigmoid family's weights and reductions."""

    def rows(self, logits: Any, targets: Any, arrays: dict[str, Any]) -> Forecasts:
        return Forecasts(self, logits, targets, *tables.given(self, arrays))


bernoulli = lru_cache(maxsize=64, typed=True)(Bernoulli)
