"""Rows of several models matched by a key: which row of each model stands for which row of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrow import pyarrow, refuse_nulls
from ..faults import BadInput, place
from ..labels import is_text, plain
from ..names import missing
from ..sources import Source


@dataclass(frozen=True, eq=False)
class Matched:
    """Rows that all models have, in the order of the first. place: by model, int64 [its rows]: where each of its rows
    stands among them, -1 without a partner. keys: their keys, an Arrow array."""

    place: list[np.ndarray]
    keys: Any

    @property
    def rows(self) -> int:
        return len(self.keys)

    def unmatched(self, model: int) -> int:
        """Rows of a model without a partner in all others."""
        return len(self.place[model]) - self.rows


def match(sources: Sequence[Sequence[Source]], names: Sequence[str], column: str) -> Matched:
    """Join the rows of all models on a column; a key that stands twice in a model is an error that names it."""
    keys = _alike([_keys(own, column) for own in sources], names, column)
    partner = []  # of every row: the row of the first model with its key, or -1
    for i, own in enumerate(keys):
        found = _positions(own, own)
        _refuse_twice(own, found, sources[i], names[i], column)
        partner.append(found if i == 0 else _positions(own, keys[0]))
    shared = np.ones(len(keys[0]), bool)
    for rows in partner[1:]:
        here = np.zeros(len(keys[0]) + 1, bool)  # the last place is that of rows without a partner
        here[rows] = True
        shared &= here[:-1]
    if not shared.any():
        raise BadInput(
            f"no value of `{column}` is in all models: {names[0]} has {keys[0][0]} and others,"
            f" {names[1]} has {keys[1][0]} and others."
        )
    place = np.append(np.where(shared, np.cumsum(shared) - 1, -1), -1)
    return Matched([place[rows] for rows in partner], keys[0].filter(pyarrow().array(shared)))


def _positions(keys: Any, among: Any) -> np.ndarray:
    """Where each key stands first in `among`, -1 where it does not: Arrow's hash lookup."""
    import pyarrow.compute as pc

    return np.asarray(pc.index_in(keys, value_set=among).fill_null(-1).to_numpy(zero_copy_only=False))


def _keys(sources: Sequence[Source], column: str) -> Any:
    """The keys of one model, one Arrow array."""
    pa = pyarrow()
    pieces = []
    for source in sources:
        if column not in source.columns:
            raise BadInput(missing(column, source.columns, "id", source.name))
        if not source.replays:
            raise BadInput("`id` needs tables that can be read twice; a stream can be read only once.")
        start = 0
        for batch in source.read([column], 1 << 17):
            array = batch[column]
            if isinstance(array, np.ndarray):
                array = pa.array(array.astype(object) if array.dtype.kind == "T" else array)
            refuse_nulls(array, column, source.name, start)
            if is_text(array):
                array = plain(array)
            pieces.append(array)
            start += len(array)
    kinds = {piece.type for piece in pieces}
    if len(kinds) > 1:
        said = " and ".join(sorted(map(str, kinds)))
        raise BadInput(f"{place(sources[0].name, None, column)}: keys must be of one type in all files; got {said}.")
    return pa.chunked_array(pieces).combine_chunks()


def _alike(keys: list[Any], names: Sequence[str], column: str) -> list[Any]:
    """Keys of one type: whole numbers of any width are one type, floats that are whole are too."""
    pa = pyarrow()
    numbers = [pa.types.is_integer(k.type) or pa.types.is_floating(k.type) for k in keys]
    if all(numbers):
        try:
            return [k.cast(pa.int64()) for k in keys]
        except pa.ArrowInvalid:
            if all(pa.types.is_integer(k.type) for k in keys):
                return [k.cast(pa.string()) for k in keys]
            raise BadInput(f"`id`: column `{column}` must hold whole numbers or text; it holds fractions.") from None
    for name, key in zip(names, keys, strict=True):
        if key.type != keys[0].type:
            raise BadInput(
                f"`id`: column `{column}` must be of one type in all models; it is {keys[0].type} in {names[0]} and"
                f" {key.type} in {name}. Convert one of them."
            )
        if pa.types.is_nested(key.type):
            raise BadInput(f"`id`: column `{column}` must hold text, numbers or times; it holds {key.type}.")
    return keys


def _refuse_twice(keys: Any, found: np.ndarray, sources: Sequence[Source], name: str, column: str) -> None:
    again = np.flatnonzero(found != np.arange(len(found)))
    if len(again):
        row = int(again[0])
        where = place(sources[0].name if len(sources) == 1 else name, row, column)
        raise BadInput(
            f"{where}: every key must stand once in a model; {keys[row]} stands in row {int(found[row])} already"
            f" ({len(again)} such rows)."
        )
