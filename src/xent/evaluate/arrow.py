"""Arrow columns as this package sees them: kinds, and values as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from .faults import BadInput, needs, place
from .sources import Column


def pyarrow() -> Any:
    """pyarrow, imported when first needed."""
    try:
        import pyarrow
    except ImportError as error:
        raise needs("pyarrow", "reading tables and files other than .npy and .npz") from error
    return pyarrow


def column(field: Any) -> Column:
    """The column that an Arrow field declares."""
    pa = pyarrow()
    kind = field.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_fixed_size_list(kind):
        return Column(field.name, "list", _number(kind.value_type), kind.list_size)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return Column(field.name, "list", _number(kind.value_type))
    return Column(field.name, _kind(kind), _number(kind))


def columns(schema: Any, source: str) -> dict[str, Column]:
    """All columns of a schema; two of one name cannot be told apart."""
    if len(set(schema.names)) < len(schema.names):
        twice = sorted({n for n in schema.names if schema.names.count(n) > 1})
        raise BadInput(f"{source}: two columns are called {', '.join(f'`{n}`' for n in twice)}; rename one of them.")
    return {field.name: column(field) for field in schema}


def _kind(kind: Any) -> str:
    types = pyarrow().types
    if types.is_floating(kind) or types.is_decimal(kind):
        return "float"
    if types.is_integer(kind):
        return "int"
    if types.is_boolean(kind):
        return "bool"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    return "other"


def _number(kind: Any) -> str:
    names = {"halffloat": "float16", "float": "float32", "double": "float64"}
    return names.get(str(kind), str(kind))


def values(array: Any, name: str, source: str, start: int, nulls: str = "") -> np.ndarray:
    """A column of numbers or booleans as NumPy, [rows] or [rows, width]; a null is an error that says where.

    nulls: what to add to that error.
    """
    if isinstance(array, np.ndarray):
        return array
    pa = pyarrow()
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    refuse_nulls(array, name, source, start, nulls)
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _lists(array, name, source, start)
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    return np.asarray(array.to_numpy(zero_copy_only=False))


def refuse_nulls(array: Any, name: str, source: str, start: int, advice: str = "") -> None:
    """An error at the first null of a column."""
    if array.null_count:
        row = start + int(np.argmax(array.is_null().to_numpy(zero_copy_only=False)))
        raise BadInput(
            f"{place(source, row, name)}: a null (missing value), the first of {array.null_count} in this batch;"
            f" fill or remove such rows before scoring.{advice}"
        )


def _lists(array: Any, name: str, source: str, start: int) -> np.ndarray:
    import pyarrow.compute as pc

    if not len(array):
        return np.empty((0, 1))
    lengths = pc.list_value_length(array).to_numpy(zero_copy_only=False)
    if (lengths != lengths[0]).any():
        row = int(np.argmax(lengths != lengths[0]))
        raise BadInput(
            f"{place(source, start + row, name)}: every list must have the same length; got {lengths[row]} after"
            f" {lengths[0]}."
        )
    flat = array.flatten()
    if flat.null_count:
        row = int(np.argmax(flat.is_null().to_numpy(zero_copy_only=False))) // int(lengths[0])
        raise BadInput(
            f"{place(source, start + row, name)}: the list holds a null; fill or remove such rows before scoring."
        )
    if pyarrow().types.is_decimal(flat.type):
        flat = flat.cast(pyarrow().float64())
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(len(array), int(lengths[0]))
