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
    pa = pyarrow()
    keys = _alike([_keys(own, column) for own in sources], names, column)
    joined = pa.table({"key": keys[0], "row0": np.arange(len(keys[0]))})
    for i, own in enumerate(keys):
        _refuse_twice(own, sources[i], names[i], column)
        if i:
            other = pa.table({"key": own, f"row{i}": np.arange(len(own))})
            joined = joined.join(other, keys="key", join_type="inner")
    if not joined.num_rows:
        raise BadInput(
            f"no value of `{column}` is in all models: {names[0]} has {keys[0][0]} and others,"
            f" {names[1]} has {keys[1][0]} and others."
        )
    joined = joined.sort_by("row0")
    places = []
    for i, own in enumerate(keys):
        where = np.full(len(own), -1, np.int64)
        where[joined.column(f"row{i}").to_numpy()] = np.arange(joined.num_rows)
        places.append(where)
    return Matched(places, joined.column("key").combine_chunks())


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


def _refuse_twice(keys: Any, sources: Sequence[Source], name: str, column: str) -> None:
    import pyarrow.compute as pc

    if pc.count_distinct(keys).as_py() == len(keys):
        return
    codes = keys.dictionary_encode().indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    again = order[1:][codes[order][1:] == codes[order][:-1]]
    second = int(again.min())
    first = int(np.argmax(codes == codes[second]))
    where = place(sources[0].name if len(sources) == 1 else name, second, column)
    raise BadInput(
        f"{where}: every key must stand once in a model; {keys[second]} stands in row {first} already"
        f" ({len(again)} such rows)."
    )
