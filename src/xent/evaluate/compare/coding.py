"""Columns that rows are grouped by, as small whole numbers: values of a slice, buckets of clusters, steps of time.

Slices and time are planned by a reading of their column alone, so that the reading of everything else is a single one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..faults import BadInput, place
from ..names import missing
from ..sources import Column, Source
from ..state.keys import buckets, cluster_hashes
from ..state.labels import bin_labels, value_labels
from ..state.values import NONE, Coded, sort_of
from ..state.values import read as read_any
from .ranges import Ranges

MOST_TEXTS = 4096  # values of a column of text
MOST_NUMBERS = 256  # values of a column of numbers that are slices of their own; of more, ranges are made
MOST_STEPS = 4096


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
    ranges = Ranges()
    for batch in _batches(sources, column, "by"):
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
        ranges.add(batch)
    kind = sources[0].columns[column]
    if texts:
        return _by_text(column, sorted(texts), kind)
    return _by_value(column, numbers, kind) if numbers is not None else _by_range(column, ranges, kind)


def _by_text(column: str, names: list[str], kind: Column) -> Coder:
    slot = {name: i for i, name in enumerate(names)}

    def of(array: Any) -> np.ndarray:
        coded = read(array, kind)
        return np.asarray(np.array([slot.get(name, 0) for name in coded.names], np.int32)[coded.codes])

    return Coder(column, len(names), tuple(names), of)


def _by_value(column: str, values: np.ndarray, kind: Column) -> Coder:
    there = values[~np.isnan(values)].tolist()
    labels = (*value_labels(there, sort_of(kind) == "moment"), *[NONE] * (len(values) - len(there)))

    def of(array: Any) -> np.ndarray:
        return np.asarray(np.searchsorted(values, read(array, kind) + 0.0), np.int32)

    return Coder(column, len(values), labels, of, ordered=True)


def _by_range(column: str, ranges: Ranges, kind: Column) -> Coder:
    edges = ranges.edges()
    labels = bin_labels(edges.tolist(), sort_of(kind) == "moment") + ([NONE] if ranges.missing else [])

    def of(array: Any) -> np.ndarray:
        x = read(array, kind)
        return np.where(np.isnan(x), len(edges) + 1, np.searchsorted(edges, x, side="right")).astype(np.int32)

    return Coder(column, len(labels), tuple(labels), of, ordered=True)


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
