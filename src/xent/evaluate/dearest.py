"""The rows that cost most: kept while streaming, ordered by (loss, file, row), so any batching finds the same ones."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field

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
    """At most `most` rows of largest loss."""

    most: int
    _heap: list[tuple[float, int, int]] = field(default_factory=list)
    _rows: dict[tuple[int, int], DearRow] = field(default_factory=dict)

    def offer(self, loss: np.ndarray, file: int, start: int, describe: Callable[[int], DearRow]) -> None:
        """Consider a batch; `describe(i)` writes up its i-th row and is called only for rows that enter."""
        if not self.most or not len(loss):
            return
        full = len(self._heap) == self.most
        likely = np.flatnonzero(loss > self._heap[0][0] if full else loss > WEIGHTLESS)
        if len(likely) > self.most:
            kth = np.partition(loss[likely], -self.most)[-self.most]
            above = likely[loss[likely] > kth]
            level = likely[loss[likely] == kth][: self.most]
            likely = np.sort(np.concatenate([above, level]))
        for i in likely.tolist():
            self._enter((float(loss[i]), -file, -(start + i)), describe, i)

    def _enter(self, key: tuple[float, int, int], describe: Callable[[int], DearRow], i: int) -> None:
        if len(self._heap) < self.most:
            heapq.heappush(self._heap, key)
        elif key > self._heap[0]:
            _, file, row = heapq.heapreplace(self._heap, key)
            del self._rows[file, row]
        else:
            return
        self._rows[key[1], key[2]] = describe(i)

    def rows(self) -> tuple[DearRow, ...]:
        """Dearest first; equal losses in the order of files and rows."""
        return tuple(self._rows[file, row] for _, file, row in sorted(self._heap, reverse=True))


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
