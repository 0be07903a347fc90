"""Tables written batch by batch: Parquet, Arrow IPC, CSV, and arrays as .npz or .npy.

A batch is a mapping of column names to Arrow or NumPy arrays of equal length. Memory stays flat: Parquet by row groups
of what a batch holds, arrays one after the other, each in a pass of its own.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ..arrow import pyarrow, values
from ..faults import BadInput
from ..sources import Batch

Array = Any
Batches = Callable[[Sequence[str]], Iterator[Batch]]  # of some columns; may be called again
FORMATS = {
    ".parquet": "parquet", ".pq": "parquet", ".arrow": "ipc", ".feather": "ipc", ".ipc": "ipc", ".csv": "csv",
    ".tsv": "csv", ".csv.gz": "csv", ".tsv.gz": "csv", ".npz": "npz", ".npy": "npy",
}  # fmt: skip
GROUP = 1 << 20  # rows of a Parquet row group: what readers of a column expect


def ending(target: str) -> str:
    """The suffix of a file that can be written, or BadInput."""
    name = Path(target).name.lower()
    found = next((s for s in sorted(FORMATS, key=len, reverse=True) if name.endswith(s)), None)
    if found is None:
        raise BadInput(f"{target}: tables are written as .parquet, .arrow, .csv, .tsv, .npz or .npy; name such a file.")
    return found


def write(aside: Path, kind: str, names: Sequence[str], batches: Batches, metadata: Any = None) -> int:
    """Write a table; the number of its rows."""
    if FORMATS[kind] in ("npz", "npy"):
        return _arrays(aside, kind, names, batches)
    tables = (_record(batch, names) for batch in batches(names))
    if FORMATS[kind] == "csv":
        return _csv(aside, kind, names, tables)
    return (_parquet if FORMATS[kind] == "parquet" else _ipc)(aside, tables, metadata)


def _record(batch: Batch, names: Sequence[str]) -> Any:
    return pyarrow().RecordBatch.from_arrays([_arrow(batch[name], name) for name in names], names=list(names))


def _arrow(array: Any, name: str) -> Any:
    if not isinstance(array, np.ndarray):
        return array
    pa = pyarrow()
    if array.ndim == 1:
        return pa.array(array.astype(np.float32) if array.dtype.name == "bfloat16" else array)
    if array.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(_arrow(np.ascontiguousarray(array).reshape(-1), name), array.shape[1])
    raise BadInput(f"column `{name}` has {array.ndim} dimensions, which a table cannot hold; write .npz.")


def _with(schema: Any, metadata: Any) -> Any:
    return schema if metadata is None else schema.with_metadata(metadata)


def _alike(table: Any, schema: Any) -> Any:
    """A batch as the first one was, where dictionaries or nulls made its type differ."""
    return table if table.schema.equals(schema) else pyarrow().Table.from_batches([table]).cast(schema).to_batches()[0]


def _parquet(aside: Path, tables: Iterable[Any], metadata: Any) -> int:
    import pyarrow.parquet as pq

    pa, rows, held, few = pyarrow(), 0, [], 0
    with ExitStack() as stack:
        writer = None
        for table in tables:
            if writer is None:
                schema = table.schema
                writer = stack.enter_context(pq.ParquetWriter(aside, _with(schema, metadata)))
            held.append(_alike(table, schema))
            rows, few = rows + len(table), few + len(table)
            if few >= GROUP or sum(t.nbytes for t in held) >= 1 << 26:
                writer.write_table(pa.Table.from_batches(held).replace_schema_metadata(metadata))
                held, few = [], 0
        if held and writer is not None:
            writer.write_table(pa.Table.from_batches(held).replace_schema_metadata(metadata))
    return rows


def _ipc(aside: Path, tables: Iterable[Any], metadata: Any) -> int:
    from pyarrow import ipc

    rows = 0
    with ExitStack() as stack:
        writer = None
        for table in tables:
            if writer is None:
                schema = table.schema
                writer = stack.enter_context(ipc.new_file(str(aside), _with(schema, metadata)))
            writer.write_batch(_alike(table, schema).replace_schema_metadata(metadata))
            rows += len(table)
    return rows


def _csv(aside: Path, kind: str, names: Sequence[str], tables: Iterable[Any]) -> int:
    separator = "\t" if ".tsv" in kind else ","
    head = io.StringIO()
    csv.writer(head, delimiter=separator, lineterminator="\n").writerow(names)
    rows = 0
    with gzip.open(aside, "wb") if kind.endswith(".gz") else open(aside, "wb") as file:
        file.write(head.getvalue().encode())
        for table in tables:
            file.write(_lines(table, separator))
            rows += len(table)
    return rows


def _lines(table: Any, separator: str) -> bytes:
    """The rows of a batch as text; cells are quoted where they hold a quote, a separator or a new line."""
    import pyarrow.compute as pc

    pa = pyarrow()
    cells = []
    for name, column in zip(table.schema.names, table.columns, strict=True):
        if pa.types.is_nested(column.type) and not pa.types.is_dictionary(column.type):
            raise BadInput(f"column `{name}` holds {column.type}, which text cannot hold; write .parquet or .arrow.")
        text = column.cast(pa.string())
        if (
            pa.types.is_string(column.type)
            or pa.types.is_large_string(column.type)
            or pa.types.is_dictionary(column.type)
        ):
            odd = pc.match_substring_regex(text, f'["\r\n{separator}]')
            if pc.any(odd).as_py():
                inside = pc.replace_substring(text, '"', '""')
                text = pc.if_else(odd, pc.binary_join_element_wise('"', inside, '"', ""), text)
        cells.append(pc.fill_null(text, ""))
    lines = pc.binary_join_element_wise(*cells, separator) if len(cells) > 1 else cells[0]
    return ("\n".join(lines.to_pylist()) + "\n").encode() if len(lines) else b""


def _arrays(aside: Path, kind: str, names: Sequence[str], batches: Batches) -> int:
    """Each column an array, in a pass of its own for its shape and one for its numbers."""
    shapes = {name: _shape(name, batches) for name in names}
    if kind == ".npy":
        if len(names) > 1:
            raise BadInput("a .npy file holds one array; with several columns write .npz.")
        with open(aside, "wb") as file:
            _array(file, *shapes[names[0]], names[0], batches)
    else:
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name in names:
                with archive.open(name + ".npy", "w", force_zip64=True) as file:
                    _array(file, *shapes[name], name, batches)
    return shapes[names[0]][0][0]


def _shape(name: str, batches: Batches) -> tuple[tuple[int, ...], np.dtype[Any]]:
    rows, tail, dtype = 0, (), None
    for batch in batches([name]):
        part = _numpy(batch[name], name)
        rows, tail = rows + len(part), part.shape[1:]
        dtype = part.dtype if dtype is None else np.promote_types(dtype, part.dtype)
    return (rows, *tail), np.dtype(np.float64) if dtype is None else dtype


def _array(file: Any, shape: tuple[int, ...], dtype: np.dtype[Any], name: str, batches: Batches) -> None:
    head = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, head)
    for batch in batches([name]):
        file.write(np.ascontiguousarray(_numpy(batch[name], name), dtype).tobytes())


def _numpy(column: Any, name: str) -> Array:
    if isinstance(column, np.ndarray):
        return column
    found = values(column, name, "", 0)
    if found.dtype == object:
        raise BadInput(f"column `{name}` holds {column.type}, which .npz cannot hold; write .parquet or .arrow.")
    return found
