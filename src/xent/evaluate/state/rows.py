"""What the parts of a state are told: the problem, once, and the rows that count, batch by batch, already judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

Array = Any
BUCKETS = 256
FOLDS = 5  # a row's fold is its bucket modulo this, so rows of one cluster share a fold


@dataclass(frozen=True)
class Problem:
    """What every row is: two states can be merged where these agree.

    kind: binary | multiclass | multilabel; soft: the truth is given as probabilities. width: numbers predicted a row.
    by: columns whose values are wanted as slices; sought: columns in which slices are sought. moments: those among by,
    sought and time that hold moments, as microseconds (since 1970).
    """

    kind: str
    form: str
    dtype: str
    classes: tuple[str, ...]
    width: int
    weighted: bool
    soft: bool = False
    by: tuple[str, ...] = ()
    sought: tuple[str, ...] = ()
    cluster: str | None = None
    time: str | None = None
    moments: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Judged:
    """A batch of n rows of positive weight.

    x [n, width] as stored; target int32 [n], or [n, labels] of 0 and 1; weight float64 [n] or None; loss (inf where the
    truth has probability 0), entropy, variance (of the loss under the model's own probabilities) float64 [n].
    margin float64: the logit of "yes" [n] (binary), of every label [n, labels], or of "the favourite is right" [n]
    (multi-class: log c - log(1 - c)). best int32 [n]: the favourite class (multi-class only, else None).
    key uint64 [n]: what a row is known by; bucket int32 [n] in [0, 256), of its cluster where there are clusters, else
    of its key. columns: the values of Problem.by, sought and time, as arrays [n] of text, float64 or int64 (time).
    soft [n, width] float64: the truth's probabilities, or None.
    """

    x: Array
    target: Array
    weight: Array | None
    loss: Array
    entropy: Array
    variance: Array
    margin: Array
    best: Array | None
    key: Array
    bucket: Array
    logits: bool
    columns: Mapping[str, Array]
    soft: Array | None = None

    def take(self, on: Array) -> Judged:
        """Some of the rows, by their numbers."""

        def of(values: Any) -> Any:
            return None if values is None else values[on]

        return Judged(
            of(self.x), of(self.target), of(self.weight), of(self.loss), of(self.entropy), of(self.variance),
            of(self.margin), of(self.best), of(self.key), of(self.bucket), self.logits,
            {name: of(values) for name, values in self.columns.items()}, of(self.soft),
        )  # fmt: skip

    @property
    def weights(self) -> Array:
        """Weights, 1 where there are none."""
        return np.ones(len(self.loss)) if self.weight is None else self.weight


class Part(Protocol):
    """A monoid: `empty`, `add` a batch in place, `merge` into a new one; `pack` and `unpack` for files.

    pack() -> (numbers and texts for JSON, arrays); any two parts that saw the same rows, in any order and partition,
    pack to the same bytes.
    """

    @classmethod
    def empty(cls, problem: Problem) -> Self: ...
    def add(self, rows: Judged) -> None: ...
    def merge(self, other: Self) -> Self: ...
    def pack(self) -> tuple[dict[str, Any], dict[str, Array]]: ...
    @classmethod
    def unpack(cls, problem: Problem, told: dict[str, Any], arrays: Mapping[str, Array]) -> Self: ...
