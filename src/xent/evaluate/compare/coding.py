"""Columns that rows are grouped by, as small whole numbers: values of a slice, buckets of clusters, steps of time.

Slices and time are planned by a reading of their column alone, so that the reading of everything else is a single one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..faults import BadInput, place
from ..names import missing
from ..sources import Column, Source
from ..state.keys import buckets, cluster_hashes
from ..state.values import NONE, Coded, sort_of
from ..state.values import read as read_any

MOST_TEXTS = 4096  # values of a column of text
MOST_NUMBERS = 256  # values of a column of numbers that are slices of their own; of more, ranges are made
RANGES = 8
MOST_STEPS = 4096
CELL = 44  # bits of a float64 dropped to place the bounds of ranges: 256 cells for every power of two


Read = Any  # Coded, or float64 [n]


def read(array: Any, column: Column) -> Read:
    """The values of a batch."""
    found: Read = read_any(array, column)
    return found


@dataclass(frozen=True)
class Coder:
    """A column as slots: `of` takes a batch of its values to int32 slots; labels: what each slot stands for.

    ordered: labels have an order of their own (numbers)."""

    column: str
    slots: int
    labels: tuple[str, ...]
    of: Callable[[Any], np.ndarray]
    ordered: bool = False


def owner(sources: Sequence[Sequence[Source]], column: str, argument: str) -> int:
    """Which model's files have the column, the first that does; an error that shows the columns where none has."""
    for i, own in enumerate(sources):
        if all(column in source.columns for source in own):
            return i
    raise BadInput(missing(column, sources[0][0].columns, argument, sources[0][0].name))


def _batches(sources: Sequence[Source], column: str, argument: str) -> Iterator[Any]:
    """What `values.read` makes of every batch of a column."""
    for source in sources:
        if sort_of(source.columns[column]) is None:
            raise BadInput(
                f"{place(source.name, None, column)}: `{argument}` needs text, numbers, yes/no or times; it holds"
                f" {source.columns[column].dtype}."
            )
        if not source.replays:
            raise BadInput(f"`{argument}` needs a table that can be read twice; a stream can be read only once.")
        for batch in source.read([column], 1 << 17):
            yield read(batch[column], source.columns[column])


def slices(sources: Sequence[Source], column: str) -> Coder:
    """Slots by value; numbers of many values fall into ranges of about equally many rows."""
    texts: set[str] = set()
    numbers: np.ndarray | None = np.empty(0)
    cells: dict[int, int] = {}
    rows = 0
    for batch in _batches(sources, column, "by"):
        rows += len(batch)
        if isinstance(batch, Coded):
            texts.update(batch.names[i] for i in np.unique(batch.codes))
            if len(texts) > MOST_TEXTS:
                raise BadInput(
                    f"{place(sources[0].name, None, column)}: more than {MOST_TEXTS} values; is this a key (--id)"
                    " rather than something that rows share (--by)?"
                )
            continue
        if numbers is not None:
            numbers = np.unique(np.concatenate([numbers, batch + 0.0]))
            numbers = None if len(numbers) > MOST_NUMBERS else numbers
        for cell, count in zip(*np.unique(_cell(batch), return_counts=True), strict=True):
            cells[int(cell)] = cells.get(int(cell), 0) + int(count)
    kind = sources[0].columns[column]
    if texts:
        return _by_text(column, sorted(texts), kind)
    return _by_value(column, numbers, kind) if numbers is not None else _by_range(column, cells, kind)


def _by_text(column: str, names: list[str], kind: Column) -> Coder:
    slot = {name: i for i, name in enumerate(names)}

    def of(array: Any) -> np.ndarray:
        coded = read(array, kind)
        return np.asarray(np.array([slot.get(name, 0) for name in coded.names], np.int32)[coded.codes])

    return Coder(column, len(names), tuple(names), of)


def _by_value(column: str, values: np.ndarray, kind: Column) -> Coder:
    labels = tuple(_number(v) for v in values)

    def of(array: Any) -> np.ndarray:
        return np.asarray(np.searchsorted(values, read(array, kind) + 0.0), np.int32)

    return Coder(column, len(values), labels, of, ordered=True)


def _cell(x: np.ndarray) -> np.ndarray:
    """Whole numbers in the order of x, one for a range of 1/256 of its size; NaN last."""
    bits = np.ascontiguousarray(x + 0.0).view(np.int64)
    ordered = np.where(bits < 0, np.int64(-(2**63)) - bits, bits) >> CELL
    return np.where(np.isnan(x), np.int64(1 << 60), ordered)


def _start(cell: int) -> float:
    """The least number of a cell."""
    bits = cell << CELL
    return float(np.array(bits if bits >= 0 else -(2**63) - bits, np.int64).view(np.float64))


def _by_range(column: str, cells: dict[int, int], kind: Column) -> Coder:
    gone = cells.pop(1 << 60, 0)
    order = sorted(cells)
    reached = np.cumsum([cells[c] for c in order])
    wanted = reached[-1] * np.arange(1, RANGES) / RANGES
    starts = sorted({order[i] for i in np.searchsorted(reached, wanted, side="left").tolist()} - {order[0]})
    edges = np.array([_start(c) for c in starts])
    said = [f"{e:.6g}" for e in edges]
    labels = [f"< {said[0]}", *(f"{a} to {b}" for a, b in pairwise(said)), f">= {said[-1]}"]
    labels += [NONE] if gone else []

    def of(array: Any) -> np.ndarray:
        x = read(array, kind)
        return np.where(np.isnan(x), len(edges) + 1, np.searchsorted(edges, x, side="right")).astype(np.int32)

    return Coder(column, len(labels), tuple(labels), of, ordered=True)


def _number(value: float) -> str:
    if np.isnan(value):
        return NONE
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else f"{value:.9g}"


def clusters(sources: Sequence[Source], column: str) -> Coder:
    """256 buckets by a hash of the value."""
    kind = sources[0].columns[column]
    if sort_of(kind) is None:
        raise BadInput(f"{place(sources[0].name, None, column)}: `cluster` cannot be read from {kind.dtype}.")
    return Coder(column, 256, (), lambda array: buckets(cluster_hashes(array, kind)))


def steps(sources: Sequence[Source], column: str) -> Coder:
    """Slots in the order of time: its values, or steps of 2^k (microseconds for moments) of which 4096 suffice."""
    kind = sources[0].columns[column]
    found, step = np.empty(0), 0.0
    for batch in _batches(sources, column, "time"):
        if isinstance(batch, Coded) or np.isnan(batch).any():
            what = kind.dtype if isinstance(batch, Coded) else "a missing value"
            raise BadInput(f"{place(sources[0].name, None, column)}: `time` must be a number or a time; got {what}.")
        found = np.unique(np.concatenate([found, np.floor(batch / step) if step else batch + 0.0]))
        while len(found) > MOST_STEPS:
            before, step = step, step * 2 if step else 2.0**-20
            found = np.unique(np.floor(found / (2.0 if before else step)))

    def of(array: Any) -> np.ndarray:
        x = read(array, kind) + 0.0
        return np.asarray(np.searchsorted(found, np.floor(x / step) if step else x), np.int32)

    return Coder(column, len(found), (), of)
