"""The second pass: every column of the input as it is, the predictions in their new values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..arrow import pyarrow
from ..faults import BadInput, kernel_fault, place
from ..scoring import Progress, matrix
from ..sources import Batch, Source, suffix
from .apply import calibrated
from .kept import Kept
from .stream import batch_size
from .writers import FORMATS

Array = Any


@dataclass(frozen=True)
class Outputs:
    """Where predictions are and what becomes of them. form, wanted: probs or logits, before and after; tolerance: of
    rows that nobody has judged yet, None where they have been."""

    outputs: tuple[str, ...]
    form: str
    dtype: str
    wanted: str
    tolerance: float | None = None


def rewritten(
    source: Source, told: Outputs, kept: Kept, names: Sequence[str], progress: Progress | None = None
) -> Iterator[Batch]:
    """Batches of the columns `names` of a source, predictions calibrated."""
    start = 0
    mends = any(n in told.outputs for n in names)
    reads = [n for n in source.columns if n in names or (mends and n in told.outputs)]
    for batch in source.read(reads, batch_size(kept.width)):
        if mends:
            x = matrix(batch, cast(Any, told), source.name, start, kept.width)
            if told.tolerance is not None:
                _refuse_faulty(x, told, kept, source.name, start)
            new = calibrated(x, kept, told.form, told.wanted)
            yield {n: _as_before(batch[n], new, told, n) if n in told.outputs else batch[n] for n in names}
        else:
            yield {n: batch[n] for n in names}
        start += len(batch[names[0]])
        if progress is not None:
            progress(source.name, start, source.rows)


def _as_before(old: Any, new: Array, told: Outputs, name: str) -> Any:
    """New values in the make of the old: NumPy or Arrow, numbers or lists, of their dtype if that holds fractions."""
    values_of = new if len(told.outputs) == 1 else new[:, told.outputs.index(name)]
    with np.errstate(over="ignore"):
        if isinstance(old, np.ndarray):
            made = values_of.reshape(old.shape)
            return made.astype(old.dtype) if _fractions(old.dtype) else made
        return _arrow(old, values_of)


def _fractions(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "f" or dtype.name == "bfloat16"


def _arrow(old: Any, new: Array) -> Any:
    pa = pyarrow()
    kind = old.type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    inner = kind.value_type if lists or pa.types.is_dictionary(kind) else kind
    inner = inner if pa.types.is_floating(inner) else pa.float64()
    numpy = {"halffloat": np.float16, "float": np.float32}.get(str(inner), np.float64)
    if not lists:
        return pa.array(np.ascontiguousarray(new.reshape(-1), numpy), inner)
    flat, width = pa.array(np.ascontiguousarray(new.reshape(-1), numpy), inner), new.shape[1]
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(flat, width)
    large = pa.types.is_large_list(kind)
    ends = np.arange(len(new) + 1, dtype=np.int64 if large else np.int32) * width
    return (pa.LargeListArray if large else pa.ListArray).from_arrays(pa.array(ends), flat)


def _refuse_faulty(x: Array, told: Outputs, kept: Kept, source: str, start: int) -> None:
    """An error at the first row that is no distribution."""
    slack = told.tolerance or 0.0
    wide = kept.kind == "multiclass"
    found: list[tuple[int, int, int, float]] = []  # row, kind of fault, column, value
    checks = [(1, np.isnan(x))]
    if told.form == "probs":
        checks += [(2, x < -slack), (3, x > 1.0 + slack)]
    for kind, bad in checks:
        if bad.any():
            row, column = (int(i) for i in np.argwhere(bad)[0])
            found.append((row, kind, column, float(x[row, column])))
    if wide:
        total = x.sum(axis=1, dtype=np.float64)
        if told.form == "probs":
            lost = np.abs(total - 1.0) > slack
        else:
            lost = (np.isneginf(x).sum(axis=1) == x.shape[1]) | (np.isposinf(x).sum(axis=1) > 1)
        if lost.any():
            row = int(np.argmax(lost))
            found.append((row, 4 if told.form == "probs" else 6, -1, float(total[row])))
    if not found:
        return
    row, kind, column, value = min(found)
    name = None
    if column >= 0:
        name = told.outputs[column] if len(told.outputs) > 1 else told.outputs[0]
    where = place(source, start + row, name)
    raise kernel_fault(kind, value, where, tolerance=slack, total=x.shape[1], renormalize=False, form=told.form)


def verbatim(source: Source, told: Outputs, ending: str) -> Source:
    """A CSV that becomes a CSV keeps its other columns letter by letter; every other source is as it is."""
    path = Path(source.name)
    read = (suffix(path) or "") if source.name else ""
    if FORMATS[ending] != "csv" or not read.startswith((".csv", ".tsv")):
        return source
    from ..formats import open_csv

    others = [name for name in source.columns if name not in told.outputs]
    return replace(open_csv(path, others), rows=source.rows)


def same_columns(sources: Sequence[Source]) -> tuple[str, ...]:
    """The columns of sources that are to become one file, in the order of the first."""
    first = sources[0]
    for source in sources[1:]:
        mine, other = ({n: c.dtype for n, c in s.columns.items()} for s in (first, source))
        if mine != other:
            name = next(n for n in (*mine, *other) if mine.get(n) != other.get(n))
            raise BadInput(
                f"files that become one must have the same columns; `{name}` is {mine.get(name, 'not there')} in"
                f" {first.name} and {other.get(name, 'not there')} in {source.name}. Calibrate the files one by"
                " one, with --save for the first and --apply for the others."
            )
    return tuple(first.columns)


def metadata_of(source: Source) -> Any:
    """What an Arrow table says about itself, such as which of its columns are pandas' index."""
    ending = suffix(Path(source.name)) if source.name else None
    if ending not in (".parquet", ".pq"):
        return None
    import pyarrow.parquet as pq

    return pq.read_schema(source.name).metadata
