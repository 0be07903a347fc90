"""True labels as class ids: text or numbers, looked up by name; a label that no prediction knows is an error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrow import pyarrow, refuse_nulls, values
from .faults import BadInput, place
from .soft import SoftTargets
from .sources import Source

SOFT = "Probabilities as truth need a target column for every prediction, and `soft`=True (--soft)."
LIMIT = 2**63  # class ids are looked up as int64
MOST_LABELS = 16384  # a tally keeps exact registers by class: 5 to 11 kB each


@dataclass(frozen=True)
class Encoder:
    """Class names in the order of the predictions; `aliases`: other spellings, such as full column names."""

    names: tuple[str, ...]
    aliases: tuple[str, ...] | None = None
    binary: bool = False

    def ids(self, labels: Any, column: str, source: str, start: int) -> np.ndarray:
        """int32 class ids of a batch of labels."""
        if is_text(labels):
            return self._by_text(labels, column, source, start)
        numbers = values(labels, column, source, start)
        if numbers.ndim != 1:
            raise BadInput(f"{place(source, None, column)}: one label a row is needed; got {numbers.shape[1]}.")
        if numbers.dtype.kind not in "biuf":
            raise BadInput(
                f"{place(source, None, column)}: labels must be text, whole numbers or booleans; got {numbers.dtype}."
            )
        if numbers.dtype.kind == "f":
            self._refuse_fractions(numbers, column, source, start)
        if numbers.dtype.kind in "fu":
            beyond = numbers > LIMIT - 1 if numbers.dtype.kind == "u" else abs(numbers.astype(np.float64)) >= LIMIT
            if beyond.any():
                row = int(np.argmax(beyond))
                self._refuse(str(numbers[row].item()), column, source, start + row)
        return self._by_number(numbers, column, source, start)

    def _by_number(self, numbers: np.ndarray, column: str, source: str, start: int) -> np.ndarray:
        said = [name.lower() for name in self.names]
        if numbers.dtype.kind == "b" and sorted(said) == ["false", "true"]:
            return np.where(numbers, said.index("true"), said.index("false")).astype(np.int32)
        wide = numbers.astype(np.int64)  # labels beyond int64 have been refused
        if all(_whole(name) for name in self.names):
            known = np.array([int(name) for name in self.names], np.int64)
        else:
            known = np.arange(len(self.names))
        if np.array_equal(known, np.arange(len(known))):
            bad = (wide < 0) | (wide >= len(known))
            found = wide
        else:
            order = np.argsort(known, kind="stable")
            at = np.searchsorted(known[order], wide).clip(max=len(known) - 1)
            found = order[at]
            bad = known[found] != wide
        if bad.any():
            row = int(np.argmax(bad))
            self._refuse(str(numbers[row].item()), column, source, start + row)
        return found.astype(np.int32)

    def _by_text(self, labels: Any, column: str, source: str, start: int) -> np.ndarray:
        known = (*self.names, *(self.aliases or ()))
        if isinstance(labels, np.ndarray):
            unique, inverse = np.unique(labels, return_inverse=True)
            position = {name: i for i, name in reversed(list(enumerate(known)))}
            found = np.array([position.get(str(u), -1) for u in unique], np.int64)[inverse]
        else:
            import pyarrow.compute as pc

            refuse_nulls(labels, column, source, start)
            pa = pyarrow()
            found = pc.index_in(plain(labels), value_set=pa.array(known, pa.string()))
            found = found.fill_null(-1).to_numpy().astype(np.int64)
        if (found < 0).any():
            row = int(np.argmax(found < 0))
            self._refuse(repr(_item(labels, row)), column, source, start + row)
        return (found % len(self.names)).astype(np.int32)

    def _refuse_fractions(self, numbers: np.ndarray, column: str, source: str, start: int) -> None:
        bad = ~np.isfinite(numbers) | (numbers != np.floor(numbers))
        if bad.any():
            row = int(np.argmax(bad))
            said = f"{place(source, start + row, column)}: labels must be whole class ids, text or booleans; got"
            if self.binary and 0.0 < numbers[row] < 1.0:
                raise SoftTargets(f"{said} {numbers[row]!s}. {SOFT}")
            raise BadInput(f"{said} {numbers[row]!s}. {SOFT}")

    def _refuse(self, label: str, column: str, source: str, row: int) -> None:
        if self.binary:
            raise BadInput(
                f"{place(source, row, column)}: with one prediction a row the labels must be 0 and 1; got {label}."
                " Say which label the prediction is for with `positive` (--positive)."
            )
        shown = ", ".join(self.names[:8]) + (" ..." if len(self.names) > 8 else "")
        raise BadInput(
            f"{place(source, row, column)}: the label {label} is not among the {len(self.names)} classes"
            f" predicted ({shown})."
            " If the names or their order differ, give them with `classes` (--classes)."
        )


def is_text(labels: Any) -> bool:
    """Whether a batch of labels holds text."""
    if isinstance(labels, np.ndarray):
        return labels.dtype.kind in "UT"
    types = pyarrow().types
    kind = labels.type.value_type if types.is_dictionary(labels.type) else labels.type
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def plain(labels: Any) -> Any:
    """Arrow text of any make (dictionary, large, view) as plain strings."""
    pa = pyarrow()
    if pa.types.is_dictionary(labels.type):
        return plain(labels.dictionary).take(labels.indices)
    return labels if labels.type == pa.string() else labels.cast(pa.string())


def indicators(batches: Sequence[Any], columns: Sequence[str], source: str, start: int) -> np.ndarray:
    """Yes/no labels [rows, labels] as int32 of 0 and 1, from several columns or from one of lists."""
    parts = [values(b, c, source, start) for b, c in zip(batches, columns, strict=True)]
    table = parts[0] if parts[0].ndim == 2 else np.stack(parts, axis=1)
    bad = (table != 0) & (table != 1)
    if bad.any():
        row, at = (int(i) for i in np.argwhere(bad)[0])
        name = columns[at] if len(columns) > 1 else f"{columns[0]}[{at}]"
        said = f"{place(source, start + row, name)}: a yes/no label must be 0 or 1; got {table[row, at]!s}."
        raise SoftTargets(f"{said} {SOFT}") if 0 < table[row, at] < 1 else BadInput(said)
    return np.ascontiguousarray(table, np.int32)


def distinct(sources: Sequence[Source], column: str) -> list[str]:
    """All labels of a column in sorted order, numbers as numbers; one pass over that column alone."""
    found: set[Any] = set()
    for source in sources:
        if not source.replays:
            raise BadInput(
                "a stream can be read only once, and the class names are not known; give `classes` or `positive`."
            )
        if column not in source.columns:
            continue
        start = 0
        for batch in source.read([column], 1 << 17):
            labels = batch[column]
            if not isinstance(labels, np.ndarray):
                refuse_nulls(labels, column, source.name, start)
                start += len(labels)
                found.update((plain(labels) if is_text(labels) else labels).unique().to_pylist())
            else:
                found.update(np.unique(labels).tolist())
            if len(found) > MOST_LABELS:
                raise BadInput(
                    f"{place(source.name, None, column)}: more than {MOST_LABELS} different labels; is this the"
                    " label column?"
                )
    ordered = sorted(found, key=lambda v: (isinstance(v, str), v))
    return [
        str(int(v)) if isinstance(v, bool) or (isinstance(v, float) and v.is_integer()) else str(v) for v in ordered
    ]


def _whole(name: str) -> bool:
    return name.removeprefix("-").isdecimal() and -LIMIT <= int(name) < LIMIT


def _item(labels: Any, row: int) -> Any:
    item = labels[row]
    return str(item) if isinstance(labels, np.ndarray) else item.as_py()
