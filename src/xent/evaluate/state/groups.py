"""Sums by the values of given columns: text and yes/no by value, numbers by value while they are few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from ..faults import BadInput
from . import texts as limits
from .cells import Cells, run_starts
from .grid import Grid, keys_of, numbers_of
from .labels import bin_labels, value_labels
from .rows import Judged, Problem
from .texts import Texts
from .values import NONE, Coded

Array = Any
MOST_FRACTIONS = 64  # different numbers that are not whole: more are bins, not values
BINS = 8


class Group(NamedTuple):
    """Rows that share a value (or a range of values) of a column; the sums leave infinite rows out."""

    label: str
    rows: int
    w: float
    w2: float
    wl: float
    w2l: float
    w2l2: float
    wh: float
    infinite: int


class _ByText:
    """Sums by text."""

    def __init__(self, texts: Texts, cells: Cells) -> None:
        self.texts, self.cells = texts, cells

    def add(self, column: str, rows: Judged, values: Coded) -> None:
        codes = self.texts.codes(values)
        if codes is None:
            raise _too_many(column)
        self.cells = self.cells.plus(Cells.of(rows, codes, len(self.texts)))

    def merge(self, column: str, other: _ByText) -> _ByText:
        texts = self.texts.merge(other.texts)
        if texts.full:
            raise _too_many(column)
        moved = Cells.empty(len(texts))
        places = texts.places(other.texts)
        moved.counts[places], moved.sums[places] = other.cells.counts, other.cells.sums
        return _ByText(texts, self.cells.plus(moved))

    def ordered(self) -> _ByText:
        texts = self.texts.sorted()
        order = np.argsort(texts.places(self.texts)) if len(texts) else np.zeros(0, np.int64)
        return _ByText(texts, Cells(self.cells.counts[order], self.cells.sums[order]))

    def groups(self, moment: bool) -> list[Group]:
        ordered = self.ordered()
        return _groups(ordered.texts.names, ordered.cells)

    def pack(self, name: str) -> tuple[dict[str, Any], dict[str, Array]]:
        ordered = self.ordered()
        return {name: list(ordered.texts.names)}, ordered.cells.pack(name)

    @classmethod
    def unpack(cls, name: str, told: Mapping[str, Any], arrays: Mapping[str, Array]) -> _ByText:
        found = cls(Texts(told[name]), Cells.unpack(name, arrays))
        if len(found.texts) != len(found.cells):
            raise ValueError(f"the groups of {name} do not fit together")
        return found


class _ByNumber:
    """Sums by number, and those of rows without one."""

    def __init__(self, grid: Grid, none: Cells) -> None:
        self.grid, self.none = grid, none

    def add(self, column: str, rows: Judged, values: Array) -> None:
        missing = np.isnan(values)
        if missing.any():
            without = rows.take(np.flatnonzero(missing))
            self.none = self.none.plus(Cells.of(without, np.zeros(len(without.key), np.int32), 1))
            there = np.flatnonzero(~missing)
            rows, values = rows.take(there), values[there]
        if len(values):
            self.grid.add(rows, keys_of(values))

    def merge(self, column: str, other: _ByNumber) -> _ByNumber:
        return _ByNumber(self.grid.merge(other.grid), self.none.plus(other.none))

    def _starts(self) -> tuple[Array, bool]:
        """Where groups begin among the cells, and whether each holds one value."""
        values = numbers_of(self.grid.lows)
        with np.errstate(invalid="ignore"):
            whole = bool((values == np.floor(values)).all())
        single = self.grid.level == 0 and (whole or len(values) <= MOST_FRACTIONS)
        return (np.arange(len(values)) if single else quantile_starts(self.grid.cells.counts[:, 0])), single

    def lows(self) -> Array:
        """float64: the least number of each group."""
        return numbers_of(self.grid.lows)[self._starts()[0]]

    def groups(self, moment: bool) -> list[Group]:
        (starts, single), cells = self._starts(), self.grid.cells
        lows = self.lows().tolist()
        if single:
            labels = value_labels(lows, moment)
        else:
            labels = bin_labels(lows[1:], moment)
            cells = cells.pooled(np.arange(len(cells)), starts)
        found = _groups(labels, cells)
        return found + (_groups([NONE], self.none) if self.none.counts[0, 0] else [])

    def pack(self, name: str) -> tuple[dict[str, Any], dict[str, Array]]:
        told, arrays = self.grid.pack(name)
        return told, arrays | self.none.pack(f"{name} {NONE}")

    @classmethod
    def unpack(cls, name: str, told: Mapping[str, Any], arrays: Mapping[str, Array]) -> _ByNumber:
        none = Cells.unpack(f"{name} {NONE}", arrays)
        if len(none) != 1:
            raise ValueError(f"the groups of {name} do not fit together")
        return cls(Grid.unpack(name, told, arrays), none)


class Groups:
    """Sums by value for every column of Problem.by.

    A column of text may have 4,096 values; of numbers, more are pooled on a grid and come out as 8 bins of about as
    many rows, as do fractions of more than 64 values.
    """

    def __init__(self, problem: Problem, by: dict[str, _ByText | _ByNumber]) -> None:
        self.problem, self._by = problem, by

    @classmethod
    def empty(cls, problem: Problem) -> Self:
        return cls(problem, {})

    def add(self, rows: Judged) -> None:
        """Take in a batch. Raises `BadInput` when a column has too many texts."""
        for name in self.problem.by:
            values = rows.columns[name]
            if name not in self._by:
                text = isinstance(values, Coded)
                self._by[name] = _ByText(Texts(), Cells.empty()) if text else _ByNumber(Grid.empty(), Cells.empty(1))
            self._by[name].add(name, rows, values)

    def merge(self, other: Self) -> Self:
        """Both together. Raises `BadInput` when a column has too many texts, or numbers here and texts there."""
        merged = dict(other._by) | dict(self._by)
        for name in self._by.keys() & other._by.keys():
            a, b = self._by[name], other._by[name]
            if type(a) is not type(b):
                raise BadInput(
                    f"column `{name}` must be of one type in all files; it holds text in some and numbers in others."
                )
            merged[name] = a.merge(name, b)  # type: ignore[arg-type]
        return type(self)(self.problem, merged)

    @property
    def columns(self) -> dict[str, list[Group]]:
        """The groups of every column: texts in their order, numbers in theirs, rows without a value last."""
        return {n: self._by[n].groups(n in self.problem.moments) for n in self.problem.by if n in self._by}

    def lows(self, name: str) -> Array | None:
        """float64: the least number of each group of a column, that of "(none)" left out; None for text."""
        by = self._by[name]
        return by.lows() if isinstance(by, _ByNumber) else None

    def pack(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Columns by number."""
        told: list[dict[str, Any]] = []
        arrays: dict[str, Array] = {}
        for i, (name, by) in enumerate(sorted(self._by.items())):
            own, more = by.pack(str(i))
            told.append({"column": name, "text": isinstance(by, _ByText), "told": own})
            arrays |= more
        return {"by": told}, arrays

    @classmethod
    def unpack(cls, problem: Problem, told: dict[str, Any], arrays: Mapping[str, Array]) -> Self:
        by: dict[str, _ByText | _ByNumber] = {}
        for i, own in enumerate(told["by"]):
            by[own["column"]] = (_ByText if own["text"] else _ByNumber).unpack(str(i), own["told"], arrays)
        return cls(problem, by)


def quantile_starts(rows: Array) -> Array:
    """Where bins of about as many rows begin, of cells in order with so many rows each; at most 8."""
    middle = np.cumsum(rows) - rows / 2.0
    at = np.floor(BINS * middle / max(int(rows.sum()), 1))
    return run_starts(at)


def _groups(labels: Any, cells: Cells) -> list[Group]:
    return list(_told(labels, cells))


def _told(labels: Any, cells: Cells) -> Iterator[Group]:
    sums = cells.floats()
    for i, label in enumerate(labels):
        own = {name: float(of[i]) for name, of in sums.items()}
        yield Group(label, int(cells.counts[i, 0]), **own, infinite=int(cells.counts[i, 1]))


def _too_many(column: str) -> BadInput:
    return BadInput(
        f"column `{column}` has more than {limits.MOST_TEXTS} different texts, too many for slices of their own; leave"
        " it out of `by` (--by), or name the rows' clusters by it with `cluster` (--cluster)."
    )
