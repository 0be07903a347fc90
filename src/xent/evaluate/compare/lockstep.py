"""The rows of all models, judged and held against each other, in blocks: by position or by key.

By position memory is flat. By key a row keeps its losses (and how sure each model was) until all models are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..faults import place
from ..scoring import Progress, batch_size
from .agreement import agree
from .coding import Coder
from .judging import Judge, Judged
from .matching import Matched
from .streams import Feed, Piece, in_step

Located = tuple[str, int]  # file and row


@dataclass(frozen=True, eq=False)
class Block:
    """n rows of all models: judged by model; codes int32 [n] by column; where(model, i): file and row of the i-th row;
    key(i): what it is known by, where there are keys."""

    judged: Sequence[Judged]
    codes: Mapping[str, np.ndarray]
    where: Callable[[int, int], Located]
    key: Callable[[int], str | None]


@dataclass(frozen=True)
class Wanted:
    """Further columns: how each is coded, and which model's files have it."""

    coders: Mapping[str, Coder]
    owner: Mapping[str, int]

    def names(self, model: int) -> tuple[str, ...]:
        """Columns to be read from a model's files."""
        return tuple(self.coders[c].column for c, owner in self.owner.items() if owner == model)

    def codes(self, model: int, piece: Piece) -> dict[str, np.ndarray]:
        """Codes of a piece of a model's rows."""
        mine = [c for c, owner in self.owner.items() if owner == model]
        return {c: self.coders[c].of(piece.columns[self.coders[c].column]) for c in mine}


def by_position(
    judges: Sequence[Judge], wanted: Wanted, progress: Progress | None, batch_rows: int | None
) -> Iterator[Block]:  # fmt: skip
    """Row i of every model is one row."""
    shared = judges[0].entrant.shared
    if shared:
        names = [n for i, judge in enumerate(judges) for n in (*judge.plan.names, *wanted.names(i))]
        feeds = [Feed(judges[0].entrant.sources, names, batch_size(sum(j.width for j in judges), batch_rows))]
    else:
        size = batch_size(max(judge.width for judge in judges), batch_rows)
        feeds = [Feed(j.entrant.sources, (*j.plan.names, *wanted.names(i)), size) for i, j in enumerate(judges)]
    for step in in_step(feeds, [judge.name for judge in judges]):
        pieces = step * len(judges) if shared else step
        block = _beside(judges, pieces, wanted)
        for i, other in enumerate(block.judged[1:], 1):
            agree(judges[0], block.judged[0], _at(block, 0), judges[i], other, _at(block, i), joined=False)
        yield block
        for piece in step if progress is not None else ():
            assert progress is not None
            progress(piece.source.name, piece.start + piece.rows, piece.source.rows)


def _beside(judges: Sequence[Judge], pieces: Sequence[Piece], wanted: Wanted) -> Block:
    judged = [judge.take(piece) for judge, piece in zip(judges, pieces, strict=True)]
    codes: dict[str, np.ndarray] = {}
    for i, piece in enumerate(pieces):
        codes |= wanted.codes(i, piece)

    def where(model: int, row: int) -> Located:
        return pieces[model].source.name, pieces[model].start + row

    return Block(judged, codes, where, lambda row: None)


def _at(block: Block, model: int) -> Callable[[int], str]:
    return lambda row: place(*block.where(model, row))


class ByKey:
    """Rows of one key are one row; in the order of the first model."""

    def __init__(self, judges: Sequence[Judge], matched: Matched, wanted: Wanted) -> None:
        self.judges, self.matched, self.wanted = judges, matched, wanted
        self.files: list[list[tuple[str, int]]] = [[] for _ in judges]
        self.codes = {c: np.zeros(matched.rows, np.int32) for c in wanted.coders}
        self.rows: list[Judged] = []
        self._global = [np.zeros(matched.rows, np.int64) for _ in judges]

    def read(self, progress: Progress | None, batch_rows: int | None) -> None:
        """Judge the rows of every model that have partners."""
        for i, judge in enumerate(self.judges):
            own = self._room(judge)
            self.rows.append(own)
            start = 0
            size = batch_size(judge.width, batch_rows)
            feed = Feed(judge.entrant.sources, (*judge.plan.names, *self.wanted.names(i)), size)
            while rows := feed.head():
                piece = feed.take(rows)
                self._take(i, piece, start)
                start += rows
                if progress is not None:
                    progress(piece.source.name, piece.start + rows, piece.source.rows)

    def _room(self, judge: Judge) -> Judged:
        n, many = self.matched.rows, judge.multilabel
        shape = (n, judge.width) if many or judge.plan.soft else (n,)
        truth = np.empty(shape, np.float64 if judge.plan.soft else np.int32)
        if self.rows:  # the first model's truth and weight are everybody's once they agree
            truth = self.rows[0].truth
        weight = None if judge.plan.weight is None else self.rows[0].weight if self.rows else np.empty(n)
        return Judged(np.empty(n), truth, weight, None if many else np.empty(n))

    def _take(self, model: int, piece: Piece, start: int) -> None:
        own, files = self.rows[model], self.files[model]
        if piece.start == 0:
            files.append((piece.source.name, start))
        row = self.matched.place[model][start : start + piece.rows]
        keep = row >= 0
        at = row[keep]
        if not len(at):
            return
        judged = self.judges[model].take(piece, keep)
        self._global[model][at] = start + np.flatnonzero(keep)
        if model:
            self._agree(model, judged, at)
        else:
            own.truth[at] = judged.truth
            if own.weight is not None and judged.weight is not None:
                own.weight[at] = judged.weight
        own.loss[at] = judged.loss
        if own.margin is not None and judged.margin is not None:
            own.margin[at] = judged.margin
        for column, codes in self.wanted.codes(model, piece).items():
            self.codes[column][at] = codes[keep]

    def _agree(self, model: int, judged: Judged, at: np.ndarray) -> None:
        first = self.rows[0]
        weight = None if first.weight is None else first.weight[at]
        mine = Judged(first.loss[at], first.truth[at], weight, None)

        def said(which: int) -> Callable[[int], str]:
            return lambda row: place(*self._where(which, int(at[row])))

        agree(self.judges[0], mine, said(0), self.judges[model], judged, said(model), joined=True)

    def _where(self, model: int, row: int) -> Located:
        """File and row of the row-th matched row."""
        number = int(self._global[model][row])
        file, start = next((f, s) for f, s in reversed(self.files[model]) if s <= number)
        return file, number - start

    def blocks(self) -> Iterator[Block]:
        """All rows, in pieces."""
        size = 1 << 17
        for start in range(0, self.matched.rows, size):
            part = slice(start, start + size)
            judged = [
                Judged(r.loss[part], r.truth[part], None if r.weight is None else r.weight[part],
                       None if r.margin is None else r.margin[part])
                for r in self.rows
            ]  # fmt: skip

            def where(model: int, row: int, start: int = start) -> Located:
                return self._where(model, start + row)

            def key(row: int, start: int = start) -> str:
                return str(self.matched.keys[start + row])

            yield Block(judged, {c: codes[part] for c, codes in self.codes.items()}, where, key)
