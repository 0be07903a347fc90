"""NumPy arrays as a `Source`: from memory, from .npy (mapped), from .npz (stored members mapped, others unpacked)."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .faults import BadInput, place
from .mapped import EVERY, Mapped
from .sources import Batch, Column, Source


def from_arrays(arrays: dict[str, Any]) -> Source:
    """A source over arrays of equal length in memory."""
    return source("", {name: as_array(name, a) for name, a in arrays.items()}, lambda: None)


def as_array(name: str, given: Any) -> np.ndarray:
    """Lists and anything NumPy can view; masked, ragged or of mixed objects is an error."""
    try:
        array = np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as error:
        raise BadInput(f"`{name}` must be an array of one or two dimensions: {error}") from error
    if not array.ndim:
        raise BadInput(f"`{name}` must be an array, one entry a row; got {type(given).__name__}.")
    masked = np.ma.getmaskarray(given) if isinstance(given, np.ma.MaskedArray) else np.zeros(1, bool)
    if masked.any():
        row = int(np.argwhere(masked)[0][0])
        raise BadInput(f"{place('', row, name)}: a masked value; fill or remove such rows before scoring.")
    return _objects(name, array) if array.dtype == object else array


def _objects(name: str, array: np.ndarray) -> np.ndarray:
    """Text or numbers kept as Python objects; the first that is neither is named."""
    for kinds in ((str,), (bool, np.bool_), (int, float, np.integer, np.floating)):
        if array.size and all(isinstance(v, kinds) for v in array.flat):
            return np.array(array.tolist())
    if not array.size:
        return array.astype(float)
    kind = type(array.flat[0])
    at = next((i for i, v in enumerate(array.flat) if v is None or not isinstance(v, kind)), 0)
    row = at // max(1, array.size // max(1, len(array)))
    raise BadInput(f"{place('', row, name)}: text or numbers of one kind are expected; got {array.flat[at]!r}.")


def source(name: str, arrays: dict[str, np.ndarray], release: Callable[[], None]) -> Source:
    """Columns of one length; `release` is called now and then between batches."""
    columns = {key: column(key, a, name) for key, a in arrays.items()}

    def read(names: Sequence[str], size: int) -> Iterator[Batch]:
        chosen = {n: np.atleast_1d(arrays[n]) for n in names}
        lengths = {n: len(a) for n, a in chosen.items()}
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"`{n}` {k}" for n, k in lengths.items())
            raise BadInput(f"{name + ': ' if name else ''}arrays must have the same number of rows; got {said}.")
        bytes_a_row = sum(a[:1].nbytes for a in chosen.values())
        used = 0
        for start in range(0, next(iter(lengths.values()), 0), size):
            yield {n: a[start : start + size] for n, a in chosen.items()}
            used += size * bytes_a_row
            if used > EVERY:
                release()
                used = 0

    rows = {len(a) for a in arrays.values() if a.ndim}
    return Source(name, columns, rows.pop() if len(rows) == 1 else None, read)


def column(name: str, array: np.ndarray, where: str) -> Column:
    """The column that an array makes: [n] one number a row, [n, k] a list of k."""
    kinds = {"f": "float", "i": "int", "u": "int", "b": "bool", "U": "text", "T": "text"}
    kind = "float" if array.dtype.name == "bfloat16" else kinds.get(array.dtype.kind, "other")
    if array.ndim == 2:
        return Column(name, "list" if kind in ("float", "int", "bool") else "other", array.dtype.name, array.shape[1])
    if array.ndim != 1:
        return Column(name, "other", f"{array.dtype.name} in {array.ndim} dimensions")
    return Column(name, kind, array.dtype.name)


def open_npy(path: Path) -> Source:
    """A plain array is the column `predictions` or `labels`, by its kind; a structured one has its fields."""
    mapped = Mapped(path)
    array = parsed(mapped.view, 0, len(mapped.view), str(path))
    if array.dtype.names:
        return source(str(path), {n: array[n] for n in array.dtype.names}, mapped.release_pages)
    name = "predictions" if array.dtype.kind == "f" else "labels"
    return source(str(path), {name: array}, mapped.release_pages)


def open_npz(path: Path) -> Source:
    mapped = Mapped(path)
    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.filename.endswith(".npy"):
                    continue
                where = f"{path}, array `{info.filename[:-4]}`"
                if info.compress_type == zipfile.ZIP_STORED:
                    start = _member(mapped.view, info)
                    arrays[info.filename[:-4]] = parsed(mapped.view, start, start + info.file_size, where)
                else:
                    with archive.open(info) as member:
                        _parse_header(member, where)
                    with archive.open(info) as member:
                        arrays[info.filename[:-4]] = np.lib.format.read_array(member, allow_pickle=False)
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{path}: cannot be read to its end: {error}. Is the file truncated or damaged?") from error
    return source(str(path), arrays, mapped.release_pages)


def _member(view: memoryview, info: zipfile.ZipInfo) -> int:
    """Where a stored member's bytes begin: 30 bytes of local header, then a name and an extra field (APPNOTE 4.3.7)."""
    head = info.header_offset
    name, extra = (int.from_bytes(view[head + i : head + i + 2], "little") for i in (26, 28))
    return head + 30 + name + extra


class _Bytes:
    """The little of a file that NumPy's header reader needs, over a memoryview."""

    def __init__(self, view: memoryview) -> None:
        self.view, self.at = view, 0

    def read(self, n: int) -> bytes:
        piece = bytes(self.view[self.at : self.at + n])
        self.at += len(piece)
        return piece


def _parse_header(file: Any, path: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = reader(file)
    except ValueError as error:
        raise BadInput(f"{path}: not a readable .npy array: {error}") from error
    if dtype.hasobject:
        raise BadInput(
            f"{path}: holds Python objects (pickled), which are never loaded; save numbers or text (.astype(str))."
        )
    return shape, fortran, dtype


def parsed(view: memoryview, start: int, end: int, path: str) -> np.ndarray:
    """The array of a .npy in a map, without copying it."""
    file = _Bytes(view[start:end])
    shape, fortran, dtype = _parse_header(file, path)
    size = int(np.prod(shape)) * dtype.itemsize
    if file.at + size > end - start:
        raise BadInput(f"{path}: truncated: {size} bytes of data declared, {end - start - file.at} there.")
    data = np.frombuffer(view[start + file.at : start + file.at + size], dtype)
    return data.reshape(shape, order="F" if fortran else "C")


def joined(paths: dict[str, Path]) -> Source:
    """One source over several .npy files, each a column."""
    maps: list[Mapped] = []
    arrays: dict[str, np.ndarray] = {}
    for name, path in paths.items():
        if not path.is_file():
            raise BadInput(f"{path}: no such file.")
        if not path.stat().st_size:
            raise BadInput(f"{path}: the file is empty (0 bytes).")
        try:
            maps.append(Mapped(path))
        except OSError as error:
            raise BadInput(f"{path}: cannot be read: {error.strerror or error}.") from error
        arrays[name] = parsed(maps[-1].view, 0, len(maps[-1].view), str(path))

    def release() -> None:
        for mapped in maps:
            mapped.release_pages()

    return source(str(paths.get("probs") or paths["logits"]), arrays, release)
