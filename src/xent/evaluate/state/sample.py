"""A sample of rows, whole: those whose keys, which are hashes, are smallest.

Which rows these are depends on the rows alone, not on how they were split or ordered (bottom-k sampling).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from .rows import Judged, Problem
from .texts import Texts
from .values import Coded

Array = Any
MOST_ROWS, MOST_NUMBERS = 1 << 17, 1 << 20  # rows, and predicted numbers in all: at most 8 MB of predictions
FIELDS = ("x", "target", "weight", "loss", "entropy", "variance", "best", "margin", "key", "bucket", "soft")
_OF_TABLE = "column "  # before the names of further columns, to keep them apart from the fields


def capacity(problem: Problem) -> int:
    """How many rows a sample has room for."""
    return max(1, min(MOST_ROWS, MOST_NUMBERS // problem.width))


class Sample:
    """Rows by increasing key. x, target, weight, loss, entropy, variance, best, margin, key, bucket, soft: as `Judged`.

    columns: by name, float64 [m], or objects [m] of text; a column of more than 4,096 texts among all rows tells rows
    too far apart and is not there. seen: rows in all; complete: whether all of them are here.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.seen = problem, 0
        self._most = capacity(problem)
        self._pieces: list[dict[str, Array]] = []
        self._settled = True
        self._bound: Any = None  # no key above it can enter
        self._texts: dict[str, Texts] = {}

    @classmethod
    def empty(cls, problem: Problem) -> Self:
        return cls(problem)

    def add(self, rows: Judged) -> None:
        """Take in a batch."""
        self.seen += len(rows.key)
        near = np.arange(len(rows.key)) if self._bound is None else np.flatnonzero(rows.key <= self._bound)
        piece = {name: v[near] for name in FIELDS if (v := getattr(rows, name)) is not None}
        for name, values in rows.columns.items():
            codes = self._texts.setdefault(name, Texts()).codes(values) if isinstance(values, Coded) else values
            if codes is not None:
                piece[_OF_TABLE + name] = codes[near]
        self._take(piece)

    def merge(self, other: Self) -> Self:
        """Both together."""
        merged = type(self)(self.problem)
        merged.seen = self.seen + other.seen
        mine, theirs = dict(self._rows()), dict(other._rows())
        for name in dict.fromkeys((*self._texts, *other._texts)):
            texts, more = self._texts.get(name, Texts()), other._texts.get(name, Texts())
            merged._texts[name] = both = texts.merge(more)
            if not both.full and _OF_TABLE + name in theirs:
                theirs[_OF_TABLE + name] = both.places(more)[theirs[_OF_TABLE + name]]
        for piece in (mine, theirs):
            if piece:
                merged._take(piece)
        return merged

    def _take(self, piece: dict[str, Array]) -> None:
        self._pieces.append(piece)
        self._settled = False
        if sum(len(p["key"]) for p in self._pieces) >= 2 * self._most:
            self._rows()

    def _rows(self) -> dict[str, Array]:
        """All pieces as one: the smallest keys, in their order."""
        if not self._settled:
            full = {_OF_TABLE + name for name, texts in self._texts.items() if texts.full}
            names = [n for n in self._pieces[0] if n not in full and all(n in p for p in self._pieces)]
            found = {name: np.concatenate([p[name] for p in self._pieces]) for name in names}
            order = _smallest(found, self._most)
            self._pieces, self._settled = [{name: v[order] for name, v in found.items()}], True
            if len(order) == self._most:
                self._bound = self._pieces[0]["key"][-1]
        return self._pieces[0] if self._pieces else {}

    def __len__(self) -> int:
        return len(self._rows().get("key", ()))

    @property
    def complete(self) -> bool:
        return self.seen == len(self)

    @property
    def columns(self) -> dict[str, Array]:
        return {
            name.removeprefix(_OF_TABLE): self._text(name.removeprefix(_OF_TABLE), v)
            for name, v in self._rows().items() if name.startswith(_OF_TABLE)
        }  # fmt: skip

    def _text(self, name: str, values: Array) -> Array:
        if name not in self._texts:
            return values
        return np.array(self._texts[name].names, object)[values]

    def __getattr__(self, name: str) -> Any:
        if name not in FIELDS:
            raise AttributeError(name)
        return self._rows().get(name)

    def pack(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Texts with codes in their order, so that the bytes say nothing of who came first; columns by number."""
        arrays = dict(sorted(self._rows().items()))
        columns = [name.removeprefix(_OF_TABLE) for name in arrays if name.startswith(_OF_TABLE)]
        told: dict[str, list[str] | None] = {}
        for name, texts in sorted(self._texts.items()):
            ordered = texts.sorted()
            told[name] = None if texts.full else list(ordered.names)
            if name in columns:
                arrays[_OF_TABLE + name] = ordered.places(texts)[arrays[_OF_TABLE + name]]
        numbered = {}
        for i, name in enumerate(columns):
            numbered[f"{_OF_TABLE}{i}"] = arrays.pop(_OF_TABLE + name)
        return {"seen": self.seen, "texts": told, "columns": columns}, arrays | numbered

    @classmethod
    def unpack(cls, problem: Problem, told: dict[str, Any], arrays: Mapping[str, Array]) -> Self:
        sample = cls(problem)
        sample.seen = int(told["seen"])
        sample._texts = {name: Texts(names or (), names is None) for name, names in told["texts"].items()}
        if arrays:
            rows = {name: v for name, v in arrays.items() if not name.startswith(_OF_TABLE)}
            rows |= {_OF_TABLE + name: arrays[f"{_OF_TABLE}{i}"] for i, name in enumerate(told["columns"])}
            _refuse_misfit(problem, rows, sample._texts)
            sample._take(rows)
        return sample


def _refuse_misfit(problem: Problem, rows: dict[str, Array], texts: dict[str, Texts]) -> None:
    columns = {name.removeprefix(_OF_TABLE) for name in rows if name.startswith(_OF_TABLE)}
    known = columns <= {*problem.by, *problem.sought, problem.time}
    if not known or len({len(v) for v in rows.values()}) > 1 or rows["x"].shape[1:] != (problem.width,):
        raise ValueError("the sample does not fit together")
    for name, own in texts.items():
        codes = rows.get(_OF_TABLE + name)
        if codes is not None and len(codes) and not 0 <= codes.min() <= codes.max() < len(own):
            raise ValueError("the texts of the sample do not fit together")


def _smallest(rows: dict[str, Array], most: int) -> Array:
    """Numbers of the rows of smallest key, in order; rows of one key (files of one name) by what they hold."""
    key = rows["key"]
    near = np.arange(len(key))
    if len(key) > most:
        near = np.flatnonzero(key <= np.partition(key, most - 1)[most - 1])
    order = near[np.argsort(key[near], kind="stable")]
    if (key[order][1:] == key[order][:-1]).any():
        ties = [column for name in FIELDS if name in rows for column in rows[name][near].reshape(len(near), -1).T]
        order = near[np.lexsort([*ties, key[near]])]
    return order[:most]
