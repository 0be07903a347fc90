"""Where rows come from: a source has a name, typed columns, and batches that can be read again from the start.

`open_sources` takes whatever a caller points at: a path, several, a glob, a folder, or a table in memory.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .faults import BadInput

# Suffix -> (module of this package that reads it, name of the format).
FORMATS = {
    ".parquet": "parquet", ".pq": "parquet",
    ".csv": "csv", ".tsv": "csv", ".csv.gz": "csv", ".tsv.gz": "csv",
    ".arrow": "ipc", ".feather": "ipc", ".ipc": "ipc", ".arrows": "ipc",
    ".jsonl": "json", ".ndjson": "json", ".json": "json", ".jsonl.gz": "json", ".ndjson.gz": "json",
    ".json.gz": "json",
    ".npy": "npy", ".npz": "npz",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column of a source. kind: float, int, bool, text, list (numbers, `width` a row if fixed) or other."""

    name: str
    kind: str
    dtype: str
    width: int | None = None


Batch = Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """A named run of rows. `read(names, size)` yields batches of at most `size` rows of the columns named."""

    name: str
    columns: Mapping[str, Column]
    rows: int | None
    read: Callable[[Sequence[str], int], Iterator[Batch]]
    replays: bool = True


def open_sources(data: Any) -> tuple[list[Source], tuple[str, ...]]:
    """The sources that `data` means, and what has to be said about finding them."""
    if isinstance(data, (str, os.PathLike)):
        data = [data]
    if isinstance(data, (list, tuple)) and data and all(isinstance(d, (str, os.PathLike)) for d in data):
        paths, notes = find_files([os.fspath(d) for d in data])
        return [open_file(path) for path in paths], notes
    if isinstance(data, Mapping):
        from .arrays import from_arrays

        return [from_arrays({str(name): array for name, array in data.items()})], ()
    from .tables import from_table

    return [from_table(data)], ()


def find_files(patterns: Sequence[str]) -> tuple[list[Path], tuple[str, ...]]:
    """Files named by paths, globs and folders, sorted within each, none twice."""
    found: dict[Path, None] = {}
    notes: list[str] = []
    for pattern in patterns:
        path = Path(pattern)
        if not pattern:
            raise BadInput("the name of a file or folder must not be empty.")
        if os.path.isdir(pattern):  # unlike Path.is_dir, False for names that no system takes
            inside = sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p.relative_to(path)))
            known = [p for p in inside if suffix(p)]
            if not known:
                raise BadInput(f"{pattern}: the folder holds no prediction files ({_formats()}).")
            if len(known) < len(inside):
                others = [str(p.relative_to(path)) for p in inside if not suffix(p)]
                notes.append(
                    f"{pattern}: left aside, not a known format: {', '.join(others[:3])}"
                    + (" ..." if others[3:] else "")
                )
            found.update(dict.fromkeys(known))
        elif os.path.isfile(pattern):
            found[path] = None
        elif glob.has_magic(pattern):
            matches = sorted(Path(p) for p in glob.glob(pattern, recursive=True) if Path(p).is_file())
            if not matches:
                raise BadInput(f"{pattern}: no file matches the pattern.")
            found.update(dict.fromkeys(matches))
        else:
            raise BadInput(_absent(pattern))
    return list({path.resolve(): path for path in reversed(found)}.values())[::-1], tuple(notes)


def _absent(pattern: str) -> str:
    if pattern == "-" or os.path.exists(pattern):
        return f"{pattern}: not a regular file; predictions are read twice, so save a stream to a file first."
    if "://" in pattern:
        return f"{pattern}: addresses are not opened; download the file first."
    return f"{pattern}: no such file or folder."


def open_file(path: Path) -> Source:
    """A source for one file, by its suffix."""
    ending = suffix(path)
    if ending is None:
        raise BadInput(f"{path}: unknown format; known are {_formats()}.")
    try:
        if path.stat().st_size == 0:
            raise BadInput(f"{path}: the file is empty (0 bytes).")
        kind = FORMATS[ending]
        if kind in ("npy", "npz"):
            from . import arrays

            return arrays.open_npy(path) if kind == "npy" else arrays.open_npz(path)
        from . import formats

        readers = {"parquet": formats.open_parquet, "csv": formats.open_csv, "ipc": formats.open_ipc}
        return readers.get(kind, formats.open_json)(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}.") from error
    except UnicodeEncodeError as error:
        raise BadInput(f"{path}: the name is not UTF-8, so Arrow cannot open the file; rename it.") from error


def suffix(path: Path) -> str | None:
    """The known ending of a file's name, or None."""
    name = path.name.lower()
    return next((s for s in sorted(FORMATS, key=len, reverse=True) if name.endswith(s)), None)


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _formats() -> str:
    return ".csv, .tsv, .parquet, .arrow, .feather, .jsonl, .npy, .npz"
