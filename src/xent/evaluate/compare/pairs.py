"""From the sums of a pair to what is said of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from ..analysis.contrast import adjusted
from ..analysis.spreads import jackknife, over_time
from ..registers import rounded
from ..scores import mean_loss
from ..tally import Tally
from .ledger import Book, shares
from .multiplicity import holm
from .records import Pair, PairSlice
from .sums import Sums, mean_of, nearest, plain_error, power_rows


@dataclass(frozen=True)
class Method:
    """How rows depend on each other: iid | cluster | time, by which column, and the level of intervals."""

    name: str
    column: str | None
    level: float


@dataclass(frozen=True)
class Error:
    """A mean's standard error with what it takes to judge it; None where there is none."""

    standard_error: float | None
    units: int
    lags: int | None
    freedom: int

    def reach(self, level: float) -> float | None:
        """Half the width of the interval: Student's t."""
        if self.standard_error is None or self.freedom < 1:
            return None
        if not self.standard_error:
            return 0.0
        from scipy.special import stdtrit

        return self.standard_error * float(stdtrit(self.freedom, 0.5 + level / 2.0))

    def p_value(self, mean: float) -> float | None:
        """Two-sided, against a mean of 0."""
        if self.standard_error is None or self.freedom < 1:
            return None
        if not self.standard_error:
            return 0.0 if mean else 1.0
        from scipy.special import stdtr

        return float(2.0 * stdtr(self.freedom, -abs(mean) / self.standard_error))


def error_of(sums: Sums, method: Method, slots: np.ndarray | None = None) -> Error:
    """The error of the mean of `sums` over some slots (all)."""
    if method.name == "iid" or (slots is not None and len(slots) == 1):
        rows = int(sums.rows.sum() if slots is None else sums.rows[slots].sum())
        return Error(plain_error(sums, slots), rows, None, rows - 1)
    chosen = slice(None) if slots is None else slots
    wd, w = sums.floats("wd")[chosen], sums.floats("w")[chosen]
    if sums.wild:
        return Error(None, int((w > 0).sum()), None, 0)
    if method.name == "cluster":
        error, units = jackknife(wd, w)
        return Error(error, units, None, units - 1)
    error, units, lags, freedom = over_time(wd, w)
    return Error(error, units, lags, freedom)


def pair_of(book: Book, names: Sequence[str], tallies: Sequence[Tally], method: Method) -> Pair:
    """Everything but what the other pairs decide (p_holm, verdict)."""
    only_a, only_b, both = book.infinite
    mean = mean_of(book.sums)
    tally = tallies[book.a]
    # Where every row counts: the difference of the two losses, rounded once.
    finite = nearest(mean) if any(book.infinite) else rounded(_exactly(tally) - _exactly(tallies[book.b]))
    error = error_of(book.sums, method)
    reach = error.reach(method.level) if mean is not None else None
    better, ties = shares(book)
    difference: float | None = finite
    if only_a or only_b:
        difference = None if only_a and only_b else math.inf if only_a else -math.inf
    own = mean_loss(tally, tally.cells)
    rows = int(book.sums.rows.sum())
    return Pair(
        a=names[book.a], b=names[book.b], rows=rows + only_a + only_b + both, difference=difference,
        finite_difference=finite, standard_error=error.standard_error,
        low=None if reach is None else finite - reach, high=None if reach is None else finite + reach,
        p_value=error.p_value(finite) if mean is not None else None, p_holm=None,
        percent=100.0 * difference / own if difference is not None and math.isfinite(difference)
        and own and math.isfinite(own) else None,
        ratio=_exp(difference), better=better, ties=ties,
        rows_for_power=power_rows(rows, finite, error.standard_error, method.level),
        infinite_a=only_a, infinite_b=only_b, infinite_both=both,
        decided=None if bool(only_a) == bool(only_b) else names[book.b if only_a else book.a],
        method=method.name, units=error.units, lags=error.lags, verdict="",
    )  # fmt: skip


def _exp(x: float | None) -> float | None:
    return None if x is None else math.inf if x > 709 else math.exp(x)


def _exactly(tally: Tally) -> Fraction:
    return tally.total("wl", tally.cells) / tally.total("w", tally.cells)


def judged(pairs: Sequence[Pair], level: float) -> tuple[Pair, ...]:
    """The pairs with p-values that hold for all of them at once, and a verdict each."""
    from .verdicts import verdict

    adjusted = holm([None if pair.infinite_a or pair.infinite_b else pair.p_value for pair in pairs])
    told = [replace(pair, p_holm=p) for pair, p in zip(pairs, adjusted, strict=True)]
    return tuple(replace(pair, verdict=verdict(pair, level, len(told))) for pair in told)


def slices_of(
    book: Book, names: Sequence[str], labels: Mapping[str, tuple[str, ...]], ordered: Collection[str], method: Method
) -> list[PairSlice]:  # fmt: skip
    """Where the difference of a pair lies, column by column, the largest parts first (of columns with an order of their
    own: in it); q-values over all of them."""
    whole = book.sums.total("w")
    found: list[PairSlice] = []
    for column, sums in book.slices.items():
        width = book.width[column]
        own = [
            _slice(sums, np.arange(k * width, (k + 1) * width), whole, (names[book.a], names[book.b], column, label),
                   method if width > 1 else replace(method, name="iid"))
            for k, label in enumerate(labels[column])
        ]  # fmt: skip
        there = [s for s in own if s is not None]
        found += there if column in ordered else sorted(there, key=lambda s: -abs(s.part))
    tested = [s.p_value for s in found if s.p_value is not None]
    q_values = iter(adjusted(np.array(tested), len(tested)).tolist())
    return [s if s.p_value is None else replace(s, q_value=next(q_values)) for s in found]


def _slice(
    sums: Sums, slots: np.ndarray, whole: Fraction, name: tuple[str, str, str, str], method: Method
) -> PairSlice | None:
    rows = int(sums.rows[slots].sum())
    if not rows:
        return None
    mean, error = nearest(mean_of(sums, slots)), error_of(sums, method, slots)
    a, b, column, value = name
    return PairSlice(
        a, b, column, value, rows, rounded(sums.total("w", slots)), mean,
        rounded(sums.total("wd", slots) / whole), error.standard_error, error.p_value(mean), None,
    )  # fmt: skip
