"""Rows by score, fold and outcome: all that an isotonic fit of a yes/no problem needs.

Up to 65,536 distinct scores are kept as they are (rounded forecasts always fit), more than that in cells of a fixed
grid on the logit. Which of the two it is depends on the scores seen, not on their order: rows are moved to the grid
when one score too many comes, and the grid's cells are the same for all. Many labels share the room (`room_of`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .rows import Judged, Problem
from .scores import Cells, Scores

Array = Any
ROOM = 1 << 16
LEAST_ROOM, ALL_ROOM = 1 << 6, 1 << 20  # of one label, and of all together: 84 MB of counts


def room_of(labels: int) -> int:
    """Scores kept of each label, and cells of its grid between logits of -32 and 32: a power of two."""
    return int(max(LEAST_ROOM, min(ROOM, 1 << (ALL_ROOM // labels).bit_length() - 1)))


@dataclass(eq=False)
class Blocks:
    """One `Scores` a yes/no problem: binary "yes", every label, or of several classes "the favourite is right".

    The score is the prediction as stored; of several classes the favourite's margin log c - log(1 - c).
    """

    problem: Problem
    kept: list[Cells]

    @classmethod
    def empty(cls, problem: Problem) -> Blocks:
        labels = problem.width if problem.kind == "multilabel" else 1
        logits = problem.kind == "multiclass" or problem.form == "logits"
        room = room_of(labels)
        return cls(problem, [Cells(room, weighted=problem.weighted, logits=logits) for _ in range(labels)])

    @property
    def problems(self) -> int:
        return len(self.kept)

    def scores(self, i: int) -> Scores:
        """What has been seen of problem i."""
        return self.kept[i].read()

    def add(self, rows: Judged) -> None:
        weight = rows.weight
        if self.problem.kind == "multiclass":
            right = (rows.best == rows.target).astype(np.int32)
            self.kept[0].add(rows.margin, rows.margin, rows.bucket, right, weight)
            return
        x = rows.x.astype(np.float64, copy=False)
        z, yes = (a[:, None] if a.ndim == 1 else a for a in (rows.margin, np.asarray(rows.target, np.int32)))
        for j, cells in enumerate(self.kept):
            cells.add(x[:, j], z[:, j], rows.bucket, yes[:, j], weight)

    def merge(self, other: Blocks) -> Blocks:
        out = Blocks.empty(self.problem)
        for to, *parts in zip(out.kept, self.kept, other.kept, strict=True):
            for part in parts:
                to.take(part.exact, *part.contents())
        return out

    def pack(self) -> tuple[dict[str, Any], dict[str, Array]]:
        found = [cells.contents() for cells in self.kept]
        arrays = {
            "exact": np.array([cells.exact for cells in self.kept]),
            "sizes": np.array([len(names) for names, _, _ in found], np.int64),
            "names": np.concatenate([names for names, _, _ in found]),
            "rows": np.concatenate([rows for _, rows, _ in found]),
        }
        if self.problem.weighted:
            arrays["sums"] = np.concatenate([sums for _, _, sums in found])
        return {}, arrays

    @classmethod
    def unpack(cls, problem: Problem, told: dict[str, Any], arrays: Mapping[str, Array]) -> Blocks:
        out, end = cls.empty(problem), 0
        for cells, exact, size in zip(out.kept, arrays["exact"], arrays["sizes"], strict=True):
            own = slice(end, end := end + int(size))
            cells.take(
                bool(exact),
                arrays["names"][own],
                arrays["rows"][own],
                arrays["sums"][own] if problem.weighted else None,
            )
        return out
