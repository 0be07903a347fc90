"""Where in the columns the loss is higher or lower than elsewhere: single levels, and pairs of levels of two columns.

The search sees one half of the rows; what it finds is tested on the other half (slices.py). Pairs are pruned as in
SliceLine (Sagadeeva & Boehm, SIGMOD 2021): a pair lies within both of its levels, so it has no more rows than either,
and its excess is at most the sum of the positive (or of the negative) w(l − m) of either. Pairs with too few rows are
no candidates; pairs that cannot reach an excess worth telling are candidates that are not looked at (p = 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .contrast import Contrast, Sums, adjusted
from .half import Half
from .levels import Levels

Array = Any
WORTH = 0.002  # an excess below this share of the mean loss is not worth a line
FEWEST = 50  # rows of a candidate (and of the rest) in the half searched, or a 500th of that half
SHOWN = 12
VISITED = 150  # significant candidates looked at for what they say beside those shown
WITHIN = 0.8  # a slice with so much of its rows in another is part of it
BEYOND, CLEAR = 3.0, 2.0  # standard errors: of a pair beyond its two levels (of many pairs), of one comparison


@dataclass(frozen=True, eq=False)
class Candidates:
    """where intp [c, 4]: column, level, column, level (−1, −1 for a single); the rest float64 [c]."""

    where: Array
    difference: Array
    error: Array
    p_value: Array
    excess: Array

    @classmethod
    def joined(cls, parts: Sequence[Candidates]) -> Candidates:
        fields = ("where", "difference", "error", "p_value", "excess")
        return cls(*(np.concatenate([getattr(part, f) for part in parts]) for f in fields))


@dataclass(frozen=True)
class Chosen:
    """A slice: ((column, level), ...) by number, with its p-value and q-value in the half that chose it."""

    where: tuple[tuple[int, int], ...]
    p_value: float
    q_value: float


def search(columns: Sequence[Levels], half: Half, level: float) -> tuple[list[Chosen], int]:
    """The slices worth showing, most nats first, at most 12, and how many candidates there were."""
    least = max(FEWEST, half.whole.n / 500.0)
    floor = WORTH * abs(half.mean)
    singles = [_single(half, k, column, least) for k, column in enumerate(columns)]
    tried = sum(int(single.usable.sum()) for single in singles)
    parts = [single.candidates(half, k) for k, single in enumerate(singles)]
    for i in range(len(columns)):
        for j in range(i + 1, len(columns)):
            count, found = _pairs(half, singles, i, j, least, floor)
            tried += count
            parts += [] if found is None else [found]
    every = Candidates.joined(parts) if parts else None
    if every is None or not len(every.p_value):
        return [], tried
    q = adjusted(every.p_value, tried)
    says = (q <= level) & (np.abs(every.excess) >= floor) & _beyond(every, singles)
    order = np.flatnonzero(says)
    order = order[np.lexsort((order, -every.excess[order], -np.round(np.abs(every.excess[order]) / floor, 6)))]
    kept = _distinct(half, every, order.tolist())
    return [Chosen(_where(every, k), float(every.p_value[k]), float(q[k])) for k in kept], tried


@dataclass(frozen=True, eq=False)
class _Single:
    """A column by level: sums, contrasts, which levels are candidates, and the excess that a part of one can reach."""

    sums: Sums
    found: Contrast
    usable: Array
    reach: Array

    def candidates(self, half: Half, column: int) -> Candidates:
        k = np.flatnonzero(self.usable)
        where = np.stack([np.full(len(k), column), k, np.full(len(k), -1), np.full(len(k), -1)], axis=1)
        excess = self.sums.wr[k] / half.whole.w
        return Candidates(where, self.found.difference[k], self.found.error[k], self.found.p_value[k], excess)


def _single(half: Half, k: int, column: Levels, least: float) -> _Single:
    many = len(column.labels)
    sums = half.sums(half.codes[k], many)
    found = half.contrast(half.codes[k], sums, np.ones(many, bool))
    up = np.bincount(half.codes[k], np.maximum(half.w * half.r, 0.0), many)
    reach = np.maximum(up, up - sums.wr) / half.whole.w
    return _Single(sums, found, (sums.n >= least) & (half.whole.n - sums.n >= least), reach)


def _pairs(
    half: Half, singles: Sequence[_Single], i: int, j: int, least: float, floor: float
) -> tuple[int, Candidates | None]:
    a, b = singles[i], singles[j]
    shape = len(a.usable), len(b.usable)
    codes = half.codes[i] * shape[1] + half.codes[j]
    n = np.bincount(codes, minlength=shape[0] * shape[1]).reshape(shape)
    inside = (n < a.sums.n[:, None]) & (n < b.sums.n[None, :])
    candidate = (n >= least) & inside & a.usable[:, None] & b.usable[None, :]
    looked_at = candidate & (np.minimum(a.reach[:, None], b.reach[None, :]) >= floor)
    if not looked_at.any():
        return int(candidate.sum()), None
    sums = half.sums(codes, shape[0] * shape[1])
    found = half.contrast(codes, sums, looked_at.ravel())
    x, y = np.nonzero(looked_at)
    where = np.stack([np.full(len(x), i), x, np.full(len(x), j), y], axis=1)
    excess = sums.wr[looked_at.ravel()] / half.whole.w
    return int(candidate.sum()), Candidates(where, found.difference, found.error, found.p_value, excess)


def _beyond(every: Candidates, singles: Sequence[_Single]) -> Array:
    """Whether a pair says more than its levels: further from the mean than either, and than both together."""
    offset = np.cumsum([0, *(len(single.usable) for single in singles)])
    levels = np.concatenate([single.found.difference for single in singles])
    i, a, j, b = every.where.T
    sign = np.sign(every.difference)
    first, second = sign * levels[offset[i] + a], sign * levels[offset[j] + b]
    own = np.abs(every.difference) - np.maximum(np.maximum(first, second), first + second)
    return (j < 0) | (own > BEYOND * every.error)


def _where(every: Candidates, k: int) -> tuple[tuple[int, int], ...]:
    i, a, j, b = every.where[k].tolist()
    return ((i, a),) if j < 0 else ((i, a), (j, b))


def mask_of(codes: Sequence[Array], where: tuple[tuple[int, int], ...]) -> Array:
    """The rows of a slice."""
    inside = codes[where[0][0]] == where[0][1]
    for column, level in where[1:]:
        inside = inside & (codes[column] == level)
    return inside


@dataclass(frozen=True, eq=False)
class _Kept:
    """A slice that is shown: its rows, its difference, and the rows outside it as a half of their own."""

    candidate: int
    mask: Array
    difference: float
    outside: Half


def _distinct(half: Half, every: Candidates, order: list[int]) -> list[int]:
    """The first that say something beside those before them, without single levels whose excess is all in a pair that
    is shown too."""
    kept: list[_Kept] = []
    for k in order[:VISITED]:
        if len(kept) == 2 * SHOWN:
            break
        mask = mask_of(half.codes, _where(every, k))
        if all(_says_more(mask, float(every.difference[k]), float(every.error[k]), other) for other in kept):
            kept.append(_Kept(k, mask, float(every.difference[k]), half.part(~mask)))
    out = []
    for one in kept:
        own = _where(every, one.candidate)
        pairs = [other.mask for other in kept if other is not one and own[0] in _where(every, other.candidate)]
        if len(own) == 2 or all(_still(half, one.mask & ~pair, one.difference) for pair in pairs):
            out.append(one.candidate)
    return out[:SHOWN]


def _says_more(mask: Array, difference: float, error: float, other: _Kept) -> bool:
    """Whether a slice says more than another: within it, that it lies further out; else, that it differs outside it."""
    sign = np.sign(difference)
    rows, shared = np.count_nonzero(mask), np.count_nonzero(mask & other.mask)
    if shared > WITHIN * rows:
        return bool(sign * (difference - other.difference) > CLEAR * error)
    found = other.outside.of_mask(mask[~other.mask])
    return bool(sign * found.difference[0] > CLEAR * found.error[0])


def _still(half: Half, rest: Array, difference: float) -> bool:
    """Whether what a pair leaves of a level still lies on the level's side of the mean."""
    found = half.of_mask(rest)
    return bool(np.sign(difference) * found.difference[0] > CLEAR * found.error[0])
