"""What a repair saves, from sums: a mean paired difference with its error."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from xent.calibrate.gain import student

Array = Any


@dataclass(frozen=True)
class Drop:
    """Weighted sums of a paired difference d over rows; `+` puts two together.

    rows, weight, squares (sum of w^2), first (w d), second (w^2 d), third (w^2 d^2): of rows where d is a number;
    whole: the weight of all rows, those infinite on both sides too. mended: rows infinite before and finite after;
    broken: the other way round.
    """

    rows: int = 0
    weight: float = 0.0
    squares: float = 0.0
    first: float = 0.0
    second: float = 0.0
    third: float = 0.0
    whole: float = 0.0
    mended: int = 0
    broken: int = 0

    def __add__(self, other: Drop) -> Drop:
        return Drop(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def gain(self) -> float | None:
        """The mean difference over all rows, those infinite on both sides counting 0; infinite where one side is."""
        if self.mended or self.broken:
            return -math.inf if self.broken else math.inf
        return self.first / self.whole if self.rows else None

    def error(self, inflation: float = 1.0) -> float | None:
        r"""Linearised standard error, :math:`\sqrt{n/(n-1) \sum w^2 (d - \bar d)^2} / \sum w`, times `inflation`."""
        if self.rows < 2 or self.mended or self.broken:
            return None
        mean = self.first / self.weight
        spread = max(self.third - 2.0 * mean * self.second + mean * mean * self.squares, 0.0)
        return inflation * math.sqrt(spread * self.rows / (self.rows - 1)) / self.whole


def drop(before: Array, after: Array, rows: Array, weight: Array, squares: Array) -> Drop:
    """The sums of before - after [...] over cells that hold so many `rows`, with their sums of w and w^2."""
    lost, gone = np.isposinf(before), np.isposinf(after)
    usable = ~(lost | gone)
    if usable.all():
        d = before - after
    else:
        d = np.subtract(before, after, where=usable, out=np.zeros(usable.shape))
        mended, broken = int(rows[lost & ~gone].sum()), int(rows[gone & ~lost].sum())
        whole = float(weight.sum())
        rows, weight, squares = (np.where(usable, x, 0) for x in (rows, weight, squares))
        return _sums(d, rows, weight, squares) + Drop(whole=whole - float(weight.sum()), mended=mended, broken=broken)
    return _sums(d, rows, weight, squares)


def _sums(d: Array, rows: Array, weight: Array, squares: Array) -> Drop:
    heavy, whole = squares * d, float(weight.sum())
    return Drop(
        int(rows.sum()), whole, float(squares.sum()), float((weight * d).sum()), float(heavy.sum()),
        float((heavy * d).sum()), whole,
    )  # fmt: skip


def bounds(gain: float | None, error: float | None, confidence: float, freedom: int) -> tuple[float | None, ...]:
    """(low, high) of gain +- t SE; None where there is no error."""
    if gain is None or error is None or freedom < 1:
        return None, None
    reach = error * student((1.0 - confidence) / 2.0, freedom)
    return gain - reach, gain + reach


def pays(gain: float | None, low: float | None) -> bool:
    """Whether a gain is beyond doubt: its interval lies above 0, or infinite rows became finite."""
    return gain == math.inf if low is None else low > 0.0
