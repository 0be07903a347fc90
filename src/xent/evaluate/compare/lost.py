"""Rows on which a model gave the truth probability 0: the first of them, by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .agreement import named
from .judging import Judge
from .lockstep import Block
from .records import InfiniteRow

MOST = 20


class Lost:
    """At most 20 rows, those that some model of the comparison did give a chance before those that none did."""

    def __init__(self, judges: Sequence[Judge]) -> None:
        self.judges = judges
        self._some: list[InfiniteRow] = []
        self._all: list[InfiniteRow] = []

    def offer(self, block: Block) -> None:
        """Look through a block."""
        lost = np.array([np.isposinf(judged.loss) for judged in block.judged])
        counts = lost.sum(axis=0)
        for rows, kept in (
            (np.flatnonzero((counts > 0) & (counts < len(lost))), self._some),
            (np.flatnonzero(counts == len(lost)), self._all),
        ):
            for row in rows[: MOST - len(kept)].tolist():
                models = [i for i in range(len(lost)) if lost[i, row]]
                file, number = block.where(models[0], row)
                truth = named(self.judges[0], block.judged[0].truth[row])
                names = tuple(self.judges[i].name for i in models)
                kept.append(InfiniteRow(file, number, block.key(row), truth, names))

    def rows(self) -> tuple[InfiniteRow, ...]:
        """What was found."""
        return tuple((self._some + self._all)[:MOST])
