"""The columns beside targets and predictions: which are wanted for what, and rows that carry their values."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import names
from ..faults import BadInput, place
from ..sources import Batch, Source
from .keys import buckets, cluster_hashes, row_keys
from .rows import Judged, Problem
from .values import Coded, read, sort_of

if TYPE_CHECKING:
    from ..columns import Plan
    from ..tally import Details

Array = Any
MOST_SOUGHT = 32  # columns that slices are sought in
PROBED, LONG = 256, 64  # rows read to see what text is like; longer on average, in bytes, it is prose, not a category


def further_names(problem: Problem) -> tuple[str, ...]:
    """Columns to be read beside those of the plan."""
    singles = [name for name in (problem.cluster, problem.time) if name is not None]
    return tuple(dict.fromkeys((*problem.by, *problem.sought, *singles)))


def chosen(sources: Sequence[Source], given: str | Sequence[str] | None, argument: str) -> tuple[str, ...]:
    """Columns named by a caller, each of which can tell rows apart in every source alike."""
    if given is None:
        return ()
    patterns = [given] if isinstance(given, str) else list(given)
    found = names.expand(patterns, sources[0].columns, argument, sources[0].name)
    for name in found:
        for source in sources:
            _refuse_unusable(source, sources[0], name, argument)
    return tuple(found)


def single(sources: Sequence[Source], given: str | None, argument: str) -> str | None:
    """One column named by a caller."""
    if given is None:
        return None
    found = names.expand([given], sources[0].columns, argument, sources[0].name)
    if len(found) > 1:
        raise BadInput(f"`{argument}` must name one column; {given!r} means {names.listed(found)}.")
    return chosen(sources, found, argument)[0]


def _refuse_unusable(source: Source, first: Source, name: str, argument: str) -> None:
    column = source.columns.get(name)
    if column is None:
        raise BadInput(names.missing(name, source.columns, argument, source.name))
    if sort_of(column) is None:
        what = f"lists of {column.dtype}" if column.kind == "list" else column.dtype
        raise BadInput(
            f"{place(source.name, None, name)}: `{argument}` needs text, numbers, yes/no or times; it holds {what}."
        )
    mine = first.columns[name]
    if sort_of(column) != sort_of(mine):
        raise BadInput(
            f"column `{name}` must be of one type in all files; it is {mine.dtype} in {first.name} and {column.dtype}"
            f" in {source.name}."
        )
    if argument == "time" and sort_of(column) not in ("number", "moment"):
        raise BadInput(
            f"{place(source.name, None, name)}: `time` must hold times or numbers that grow with time; it holds"
            f" {column.dtype}."
        )


def sought(sources: Sequence[Source], plan: Plan, taken: Sequence[str]) -> tuple[str, ...]:
    """The other columns of a table, in which slices may be sought: at most 32, of one sort in all sources, no prose."""
    used = {*plan.names, *taken}
    first = sources[0]
    if not first.replays:
        return ()
    usable = [
        name for name, column in first.columns.items()
        if name not in used and sort_of(column) is not None and column.dtype != "null"
        and all(name in s.columns and sort_of(s.columns[name]) == sort_of(column) for s in sources)
    ]  # fmt: skip
    text = [name for name in usable if first.columns[name].kind == "text"]
    prose = _prose(first, text) if text else set()
    return tuple(name for name in usable if name not in prose)[:MOST_SOUGHT]


def _prose(source: Source, columns: list[str]) -> set[str]:
    for batch in source.read(columns, PROBED):
        found = {name: read(batch[name], source.columns[name]) for name in columns}
        return {name for name, text in found.items() if isinstance(text, Coded) and _mean_length(text) > LONG}
    return set()


def _mean_length(text: Coded) -> float:
    lengths = np.array([len(name.encode("utf-8", "surrogatepass")) for name in text.names])
    return float(lengths[text.codes].mean()) if len(text) else 0.0


def moments(sources: Sequence[Source], columns: Sequence[str]) -> tuple[str, ...]:
    """Those of the columns that hold moments or durations."""
    return tuple(name for name in dict.fromkeys(columns) if sort_of(sources[0].columns[name]) == "moment")


def judged(
    problem: Problem, source: Source, start: int, batch: Batch, x: Array, target: Array, weight: Array | None,
    loss: Array, details: Details, soft: Array | None = None,
) -> Judged:  # fmt: skip
    """The rows of a batch that count, with all that the parts of a state want to know of them."""
    key = row_keys(os.path.basename(source.name), start, len(x))
    hashes = key
    if problem.cluster is not None:
        hashes = cluster_hashes(batch[problem.cluster], source.columns[problem.cluster])
    wanted = [*problem.by, *problem.sought, *([problem.time] if problem.time else [])]
    further = {name: read(batch[name], source.columns[name]) for name in dict.fromkeys(wanted)}
    if problem.time is not None:
        _refuse_timeless(further[problem.time], problem.time, source.name, start)
    rows = Judged(
        x, target, weight, loss, details.entropy, details.variance, details.margin, details.best, key,
        buckets(hashes), problem.form == "logits", further, soft,
    )  # fmt: skip
    return rows if weight is None or weight.all() else rows.take(np.flatnonzero(weight))


def _refuse_timeless(times: Array, name: str, source: str, start: int) -> None:
    missing = ~np.isfinite(times)
    if missing.any():
        row = start + int(np.argmax(missing))
        raise BadInput(f"{place(source, row, name)}: `time` must be there and finite in every row.")
