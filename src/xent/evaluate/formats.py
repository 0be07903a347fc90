"""Parquet, CSV, Arrow IPC and JSON lines, each as a `Source` that streams.

Memory stays flat because little is read ahead (two batches): Parquet by pages, CSV and JSON by blocks, IPC by mapping
the file and giving its pages back as they are used up.
"""

from __future__ import annotations

import contextlib
import csv
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from .ahead import ahead
from .arrow import columns, pyarrow
from .faults import BadInput
from .lines import csv_fault, json_fault, opened
from .mapped import Mapped
from .sources import Batch, Column, Source

BLOCK = 1 << 20  # bytes of text parsed at a time: Arrow reads some blocks ahead and keeps their memory for reuse


def slices(batch: Any, names: Sequence[str], size: int) -> Iterator[Batch]:
    """A record batch in pieces of at most `size` rows."""
    for start in range(0, batch.num_rows, size):
        piece = batch.slice(start, size)
        yield {name: piece.column(name) for name in names}


def guarded(
    path: Path, read: Callable[[], Iterator[Batch]], locate: Callable[[], str | None] | None = None
) -> Iterator[Batch]:
    """`read`, with whatever Arrow finds wrong inside the file said as an error of that file."""
    pa = pyarrow()
    try:
        yield from ahead(read)
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise unreadable(path, error, locate) from error


def unreadable(path: Path, error: BaseException, locate: Callable[[], str | None] | None = None) -> BadInput:
    """What is wrong with a file: the place, where `locate` can tell it, else what Arrow said."""
    said = " ".join(str(error).split()) or type(error).__name__
    if "Empty CSV" in said or "Empty JSON" in said:
        return BadInput(f"{path}: there are no rows to score.")
    if "straddl" in said:
        return BadInput(f"{path}: a row is longer than {BLOCK} bytes of text; convert the file to Parquet.")
    with contextlib.suppress(OSError, EOFError, zlib.error, csv.Error):
        found = locate() if locate else None
        if found:
            return BadInput(found)
    return BadInput(
        f"{path}: cannot be read to its end: {said[:300].rstrip('.')}. Is the file truncated, damaged or of another"
        " format?"
    )


def open_parquet(path: Path) -> Source:
    pa = pyarrow()
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from error

    def read(names: Sequence[str], size: int) -> Iterator[Batch]:
        def batches() -> Iterator[Batch]:
            with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
                for batch in file.iter_batches(size, columns=list(names)):
                    yield from slices(batch, names, size)

        return guarded(path, batches)

    return Source(str(path), columns(schema, str(path)), rows, read)


def open_ipc(path: Path) -> Source:
    pa = pyarrow()
    try:
        with Mapped(path) as mapped, _ipc_reader(mapped) as reader:
            schema = reader.schema
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from error

    def read(names: Sequence[str], size: int) -> Iterator[Batch]:
        def batches() -> Iterator[Batch]:
            with Mapped(path) as mapped, _ipc_reader(mapped) as reader:
                stream = (
                    reader
                    if not hasattr(reader, "num_record_batches")
                    else map(reader.get_batch, range(reader.num_record_batches))
                )
                for batch in stream:
                    for piece in slices(batch, names, size):
                        yield piece
                        mapped.release_pages()

        return guarded(path, batches)

    return Source(str(path), columns(schema, str(path)), None, read)


def _ipc_reader(mapped: Mapped) -> Any:
    buffer = pyarrow().py_buffer(mapped.view)
    from pyarrow import ipc

    return ipc.open_file(buffer) if bytes(mapped.view[:6]) == b"ARROW1" else ipc.open_stream(buffer)


def open_csv(path: Path, text: Collection[str] = ()) -> Source:
    """A CSV; the columns named in `text` are read letter by letter, whatever they look like."""
    pa = pyarrow()
    from pyarrow import csv as arrow_csv

    delimiter = _delimiter(path)
    parse = arrow_csv.ParseOptions(delimiter=delimiter)
    options = arrow_csv.ReadOptions(block_size=BLOCK)
    try:
        with arrow_csv.open_csv(path, read_options=options, parse_options=parse) as reader:
            found = _textual(columns(reader.schema, str(path)))
            found |= {name: Column(name, "text", "string") for name in text}
            if not any(batch.num_rows for batch in reader):
                raise BadInput(f"{path}: there are no rows to score.")
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error, lambda: csv_fault(path, delimiter, {})) from error

    def read(names: Sequence[str], size: int) -> Iterator[Batch]:
        def batches() -> Iterator[Batch]:
            convert = arrow_csv.ConvertOptions(include_columns=list(names), column_types=_types(found, names))
            with arrow_csv.open_csv(path, read_options=options, parse_options=parse, convert_options=convert) as reader:
                for batch in reader:
                    yield from slices(batch, names, size)

        return guarded(path, batches, lambda: csv_fault(path, delimiter, {n: found[n].kind for n in names}))

    return Source(str(path), found, None, read)


def open_json(path: Path) -> Source:
    pa = pyarrow()
    import pyarrow.json as json

    options = json.ReadOptions(block_size=BLOCK)
    try:
        with json.open_json(path, read_options=options) as reader:
            schema = reader.schema
            found = _textual(columns(schema, str(path)))
            if not any(batch.num_rows for batch in reader):
                raise BadInput(f"{path}: there are no rows to score.")
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error, lambda: json_fault(path)) from error

    def read(names: Sequence[str], size: int) -> Iterator[Batch]:
        def batches() -> Iterator[Batch]:
            kinds = _types(found, names)
            wanted = pa.schema([(n, kinds.get(n, schema.field(n).type)) for n in names])
            parse = json.ParseOptions(explicit_schema=wanted, unexpected_field_behavior="ignore")
            with json.open_json(path, read_options=options, parse_options=parse) as reader:
                for batch in reader:
                    yield from slices(batch, names, size)

        return guarded(path, batches, lambda: json_fault(path))

    return Source(str(path), found, None, read)


def _textual(found: dict[str, Column]) -> dict[str, Column]:
    """Numbers written as text are read in float64, whether or not the first block had a decimal point."""

    def wide(c: Column) -> bool:
        return c.kind in ("float", "int") or (c.kind == "list" and c.dtype in ("int64", "float64"))

    return {n: Column(n, c.kind, "float64" if wide(c) else c.dtype, c.width) for n, c in found.items()}


def _types(found: dict[str, Column], names: Sequence[str]) -> dict[str, Any]:
    pa = pyarrow()
    kinds = {"float": pa.float64(), "int": pa.int64(), "text": pa.string(), "bool": pa.bool_()}
    lists = {n: pa.list_(pa.float64()) for n in names if found[n].kind == "list" and found[n].dtype == "float64"}
    return lists | {n: kinds[found[n].kind] for n in names if found[n].kind in kinds}


def _delimiter(path: Path) -> str:
    """The separator that the header line uses most: a tab, a semicolon or a comma."""
    try:
        with opened(path) as file:
            header = file.readline(1 << 20)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error
    return max(",", ";", "\t", key=header.count)
