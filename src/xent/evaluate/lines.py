"""Where a text file goes wrong: the row and column of the first fault, found by a second, slow reading.

Arrow says that a CSV or JSON file cannot be read, but counts rows by block or not at all. So once it has refused a
file, and only then, the file is read again line by line to name the place.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from .faults import BadInput, place
from .sources import Source

# What Arrow reads as missing, or as true and false, in CSV (pyarrow.csv.ConvertOptions).
MISSING = frozenset(("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "N/A",
                     "NA", "NULL", "NaN", "n/a", "nan", "null"))  # fmt: skip
YES_NO = frozenset(("1", "True", "TRUE", "true", "0", "False", "FALSE", "false"))
KINDS = {"float": "a number", "int": "a whole number, as in the rows before,", "bool": "true or false"}


def opened(path: Path) -> TextIO:
    """The text of a file, plain or gzip; bytes that are not UTF-8 become U+FFFD."""
    open_ = gzip.open if path.name.lower().endswith(".gz") else open
    return open_(path, "rt", encoding="utf-8-sig", errors="replace", newline="")


def csv_fault(path: Path, delimiter: str, kinds: Mapping[str, str]) -> str | None:
    """The first row of a CSV with too many or too few cells, or with a cell that is not of its column's kind."""
    with opened(path) as file:
        rows = (row for row in csv.reader(file, delimiter=delimiter) if row)
        header = next(rows, [])
        if any("\ufffd" in name for name in header):
            return f"{path}: the column names are not UTF-8 text; convert the file to UTF-8."
        wanted = [(i, name, kinds[name]) for i, name in enumerate(header) if name in kinds]
        for number, row in enumerate(rows):
            if len(row) != len(header):
                counted = f"number of cells {len(row)}, in the header {len(header)} (separator {delimiter!r})"
                return f"{place(str(path), number)}: every row must have as many cells as the header; {counted}."
            for i, name, kind in wanted:
                if not _fits(row[i].strip(), kind):
                    wanted_kind = KINDS.get(kind, "UTF-8 text")
                    return f"{place(str(path), number, name)}: {wanted_kind} is expected; got {row[i][:40]!r}."
    return None


def _fits(cell: str, kind: str) -> bool:
    if cell in MISSING:
        return True
    if kind in ("float", "int"):
        return is_number(cell) if kind == "float" else cell.lstrip("+-").isdecimal()
    return cell in YES_NO if kind == "bool" else "\ufffd" not in cell


def is_number(text: Any) -> bool:
    try:
        float(text)
    except (TypeError, ValueError):
        return False
    return True


def json_fault(path: Path) -> str | None:
    """The first line that is not one JSON object, or in which a column changes its type."""
    kinds: dict[str, str] = {}
    with opened(path) as file:
        for number, line in enumerate(line for line in file if line.strip()):
            where = place(str(path), number)
            if number == 0 and line.lstrip().startswith("["):
                return f"{path}: holds one JSON array; write JSON lines, one object for each row on a line of its own."
            try:
                row = json.loads(line, object_pairs_hook=_object)
            except ValueError as error:
                why = getattr(error, "msg", error)
                return f"{where}: the line is not a JSON object of its own ({why}); write one object a line."
            if not isinstance(row, dict):
                return (
                    f'{where}: a JSON object such as {{"label": 1, "p": 0.5}} is expected; got {line.strip()[:40]!r}.'
                )
            for name, value in row.items():
                kind = _kind(value)
                if kind and kinds.setdefault(name, kind) != kind:
                    return (
                        f"{place(str(path), number, name)}: holds {kind} after {kinds[name]}; got {str(value)[:40]!r}."
                    )
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _kind(value: Any) -> str | None:
    kinds = {bool: "true or false", int: "numbers", float: "numbers", str: "text", list: "lists", dict: "objects"}
    return kinds.get(type(value))


def refuse_text(source: Source, column: str) -> BadInput:
    """The answer to a column that should hold predictions but was read as text: its first cell that is no number."""
    row = 0
    for batch in source.read([column], 1 << 14) if source.replays else ():
        for cell in _cells(batch[column]):
            if not is_number(cell):
                return BadInput(
                    f"{place(source.name, row, column)}: predictions must be numbers; got {str(cell)[:40]!r}."
                    " (Decimal commas and percent signs are not read.)"
                )
            row += 1
    return BadInput(f"{place(source.name, None, column)}: predictions must be numbers; the column holds text.")


def _cells(values: Any) -> Iterator[Any]:
    yield from values.tolist() if hasattr(values, "tolist") else values.to_pylist()
