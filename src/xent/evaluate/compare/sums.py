"""Sums of one number a row, by slot (buckets of clusters, values of a slice): from them means and errors.

Fixed point, so that batches do not change a bit. A difference whose square does not fit (`wild`: beyond 2^45 nats, as
only logits cost) still counts in the mean, but leaves it without an error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from ..registers import root, rounded
from ..state import fixed
from ..statistics import NO_SPREAD

WILD = 2.0**45  # of w d: its square just fits (state/fixed.py)
# Sums that are kept with weights and without; without, the others are these or counts.
WEIGHTED = ("w", "wd", "w2", "w2d", "w2d2")
PLAIN = ("wd", "w2d2")
_SAME = {"w2d": "wd"}


@dataclass
class Sums:
    """Sums of w, wd, w2, w2d, w2d2 by slot, and rows; wild: rows too far out for a square."""

    kept: tuple[str, ...]
    table: np.ndarray
    rows: np.ndarray
    beyond: dict[int, Fraction] = field(default_factory=dict)  # slot -> wd of wild rows
    wild: int = 0

    @classmethod
    def empty(cls, slots: int, *, weighted: bool) -> Sums:
        kept = WEIGHTED if weighted else PLAIN
        return cls(kept, fixed.zeros(slots, len(kept)), np.zeros(slots, np.int64))

    def add(self, slot: np.ndarray, d: np.ndarray, w: np.ndarray | None) -> None:
        """Take in rows: slot int32 [n], d float64 [n] finite, w float64 [n] (None: without weights)."""
        x = np.empty((len(d), len(self.kept)))
        with np.errstate(over="ignore", invalid="ignore"):
            wd = d if w is None else w * d
            wild = ~(abs(wd) < WILD)
            if wild.any():
                self._far(slot, d, w, wild)
                wd = np.where(wild, 0.0, wd)
        if w is not None:
            x[:, 0], x[:, 2], x[:, 3] = w, w * w, w * wd
        x[:, self.kept.index("wd")] = wd
        x[:, -1] = wd * wd
        fixed.scatter(self.table, slot, x)
        self.rows += np.bincount(slot, minlength=len(self.rows))

    def _far(self, slot: np.ndarray, d: np.ndarray, w: np.ndarray | None, wild: np.ndarray) -> None:
        for i in np.flatnonzero(wild).tolist():
            own = Fraction(float(d[i])) * (1 if w is None else Fraction(float(w[i])))
            self.beyond[int(slot[i])] = self.beyond.get(int(slot[i]), Fraction(0)) + own
            self.wild += 1

    def total(self, name: str, slots: np.ndarray | None = None) -> Fraction:
        """The sum called so over some slots (all), exactly as it is kept."""
        name = name if name in self.kept else _SAME.get(name, name)
        if name not in self.kept:
            return Fraction(int((self.rows if slots is None else self.rows[slots]).sum()))
        words = self.table[:, self.kept.index(name)]
        raw = _added(words if slots is None else words[slots])
        if name == "wd" and self.beyond:
            chosen = self.beyond if slots is None else set(slots.tolist())
            raw += sum((far for slot, far in self.beyond.items() if slot in chosen), Fraction(0))
        return raw

    def floats(self, name: str) -> np.ndarray:
        """The sums called so by slot, float64 (wild rows left out)."""
        if name not in self.kept:
            return self.rows.astype(np.float64)
        return np.asarray(fixed.floats(self.table[:, self.kept.index(name)]))


def _added(words: np.ndarray) -> Fraction:
    """The sum of wide sums int64[n, 4], exactly: words are added by halves, which int64 has room for."""
    whole = 0
    for i in range(4):
        word = words[:, i] if i == 0 else words[:, i].view(np.uint64)  # the highest carries the sign
        high, low = (word >> word.dtype.type(32)).astype(np.int64), words[:, i] & 0xFFFFFFFF
        whole = (whole << 64) + (int(high.sum()) << 32) + int(low.sum())
    return Fraction(whole, 1 << 128)


def mean_of(sums: Sums, slots: np.ndarray | None = None) -> Fraction | None:
    """The weighted mean over some slots; None without rows."""
    weight = sums.total("w", slots)
    return sums.total("wd", slots) / weight if weight else None


def plain_error(sums: Sums, slots: np.ndarray | None = None) -> float | None:
    r"""Standard error of the mean of independent rows, linearised for weights.

    .. math:: SE^2 = \frac{n}{n - 1} \frac{\sum w^2 (d - \bar d)^2}{(\sum w)^2}

    None with fewer than two rows, or with a wild one.
    """
    rows = int(sums.rows.sum() if slots is None else sums.rows[slots].sum())
    mean = mean_of(sums, slots)
    if rows < 2 or mean is None or sums.wild:
        return None
    second = sums.total("w2d2", slots) - 2 * mean * sums.total("w2d", slots) + mean * mean * sums.total("w2", slots)
    if second <= NO_SPREAD * mean * mean * sums.total("w2", slots):
        return 0.0
    return root(second / sums.total("w", slots) ** 2 * Fraction(rows, rows - 1))


def nearest(x: Fraction | None) -> float:
    """As float64; NaN never: nothing is 0."""
    return 0.0 if x is None else rounded(x)


def power_rows(rows: int, mean: float, error: float | None, level: float, power: float = 0.8) -> int | None:
    r"""Rows that show such a mean with a given power: :math:`n (z_{1-\alpha/2} + z_{power})^2 (SE / m)^2`.

    The error carries what clusters, time and weights make of n rows; None where the mean or the error is 0 or unknown.
    """
    if not error or not mean or not math.isfinite(mean):
        return None
    from statistics import NormalDist

    z = -NormalDist().inv_cdf((1.0 - level) / 2.0) + NormalDist().inv_cdf(power)
    needed = rows * (z * error / mean) ** 2
    return max(2, math.ceil(needed)) if needed < 1e18 else None
