"""Tables in memory: anything that speaks the Arrow PyCapsule interface (pandas, polars, pyarrow, DuckDB, ...)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .arrow import columns, pyarrow
from .faults import BadInput
from .formats import slices
from .sources import Batch, Source


def from_table(table: Any) -> Source:
    """A source over a table; a one-shot reader can be read only once, and says so when that does not do."""
    pa = pyarrow()
    try:
        if isinstance(table, pa.RecordBatchReader):
            return _reader(table)
        if hasattr(table, "__arrow_c_stream__"):
            return _table(pa.table(table) if not isinstance(table, pa.Table) else table)
        if hasattr(table, "__arrow_c_array__"):
            return _table(pa.Table.from_batches([pa.record_batch(table)]))
    except (pa.ArrowException, ValueError, TypeError) as error:  # pandas raises its own for doubled columns
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"`data` cannot be read as an Arrow table: {' '.join(str(error).split())[:300]}") from error
    raise BadInput(
        "`data` must be a path, a list of paths, a dict of arrays or a table with the Arrow PyCapsule interface"
        f" (pandas, polars, pyarrow); got {type(table).__name__}. For arrays use score(targets=..., probs=...)."
    )


def _table(table: Any) -> Source:
    def read(names: Sequence[str], size: int) -> Iterator[Batch]:
        for batch in table.select(list(names)).to_batches(max_chunksize=size):
            yield from slices(batch, names, size)

    return Source("", columns(table.schema, "table"), table.num_rows, read)


def _reader(reader: Any) -> Source:
    def read(names: Sequence[str], size: int) -> Iterator[Batch]:
        for batch in reader:
            yield from slices(batch, names, size)

    return Source("", columns(reader.schema, "stream"), None, read, replays=False)
