"""The rows that cost most: kept while streaming, ordered by (loss, file name, row), so any partition finds the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np

WEIGHTLESS = -0.5  # the tally gives rows of weight 0 a loss of -1; an accepted p just above 1 costs a little below 0


@dataclass(frozen=True)
class DearRow:
    """One row: where it is, what it cost, what was true (with its probability) and what was favoured instead."""

    file: str
    row: int
    loss: float
    target: str
    prob: float
    favourite: str
    favourite_prob: float
    weight: float


@dataclass
class Dearest:
    """At most `most` rows of largest loss, dearest first."""

    most: int
    kept: list[DearRow] = field(default_factory=list)

    def offer(self, loss: np.ndarray, file: str, start: int, describe: Callable[[int], DearRow]) -> None:
        """Consider a batch; `describe(i)` writes up its i-th row and is called only for rows that enter."""
        if not self.most or not len(loss):
            return
        likely = np.flatnonzero(self._enters(loss, file))
        if len(likely) > self.most:
            kth = np.partition(loss[likely], -self.most)[-self.most]
            above = likely[loss[likely] > kth]
            level = likely[loss[likely] == kth][: self.most - len(above)]
            likely = np.concatenate([above, level])
        if len(likely):
            self._keep([*self.kept, *(describe(i) for i in likely.tolist())])

    def _enters(self, loss: np.ndarray, file: str) -> np.ndarray:
        if len(self.kept) < self.most:
            return loss > WEIGHTLESS
        last = self.kept[-1]
        return loss >= last.loss if file < last.file else loss > last.loss

    def _keep(self, rows: list[DearRow]) -> None:
        self.kept = sorted(rows, key=_order)[: self.most]

    def merge(self, other: Dearest) -> Dearest:
        """The dearest rows of both."""
        merged = Dearest(max(self.most, other.most))
        merged._keep([*self.kept, *other.kept])
        return merged

    def rows(self) -> tuple[DearRow, ...]:
        """Dearest first; equal losses in the order of file names and rows."""
        return tuple(self.kept)

    def pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Texts for JSON and arrays."""
        texts = [[row.file, row.target, row.favourite] for row in self.kept]
        numbers = [[row.loss, row.prob, row.favourite_prob, row.weight] for row in self.kept]
        at = np.array([row.row for row in self.kept], np.int64)
        return {"most": self.most, "rows": texts}, {"at": at, "numbers": np.array(numbers).reshape(-1, 4)}

    @classmethod
    def unpack(cls, told: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> Dearest:
        """What `pack` gave."""
        rows = []
        for text, at, found in zip(told["rows"], arrays["at"].tolist(), arrays["numbers"].tolist(), strict=True):
            file, target, favourite = text
            loss, prob, favourite_prob, weight = found
            rows.append(DearRow(file, at, loss, target, prob, favourite, favourite_prob, weight))
        return cls(told["most"], rows)


def _order(row: DearRow) -> tuple[Any, ...]:
    return (-row.loss, row.file, row.row, *astuple(row)[3:])


def describe(
    x: np.ndarray,
    target: np.ndarray,
    loss: float,
    names: tuple[str, ...],
    *,
    logits: bool,
    weight: float,
    file: str,
    row: int,
) -> DearRow:
    """Write up one row. x: its predictions; target: its class id, or its yes/no labels."""
    if target.ndim:  # multi-label: the dearest of its labels
        costs = [_cell(float(v), int(t), logits) for v, t in zip(x, target, strict=True)]
        at = int(np.argmax(costs))
        said, prob = ("yes" if target[at] else "no"), math.exp(-costs[at])
        other = "no" if target[at] else "yes"
        return DearRow(file, row, loss, f"{names[at]}={said}", prob, f"{names[at]}={other}", 1.0 - prob, weight)
    probs = _distribution(x.astype(np.float64), logits)
    top = int(np.argmax(probs))
    return DearRow(
        file, row, loss, names[int(target)], float(probs[int(target)]), names[top], float(probs[top]), weight
    )


def _cell(x: float, t: int, logits: bool) -> float:
    if logits:
        margin = x if t else -x
        return max(-margin, 0.0) + math.log1p(math.exp(-abs(margin)))
    p = x if t else 1.0 - x
    return -math.log(p) if p > 0.0 else math.inf


def _distribution(x: np.ndarray, logits: bool) -> np.ndarray:
    if len(x) == 1:
        if not logits:
            return np.array([1.0 - x[0], x[0]])
        x = np.array([0.0, x[0]])
    if not logits:
        return x
    if np.isposinf(x).any():
        return np.isposinf(x).astype(np.float64)
    with np.errstate(over="ignore"):  # a distance beyond float64 is -inf, and its exponential 0
        e = np.exp(x - x.max())
    return np.asarray(e / e.sum())
