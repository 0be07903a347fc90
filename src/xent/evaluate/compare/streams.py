"""Several runs of rows side by side: pieces of one length from each, whatever batches the files come in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..faults import BadInput
from ..sources import Batch, Source


@dataclass(frozen=True)
class Piece:
    """Rows of one source, from its row `start` on."""

    source: Source
    start: int
    rows: int
    columns: Batch


class Feed:
    """The rows of some sources one after the other, taken in pieces of any length."""

    def __init__(self, sources: Sequence[Source], names: Sequence[str], size: int) -> None:
        self.taken = 0
        self._pieces = self._read(sources, tuple(dict.fromkeys(names)), size)
        self._piece: Piece | None = None

    @staticmethod
    def _read(sources: Sequence[Source], names: Sequence[str], size: int) -> Iterator[Piece]:
        for source in sources:
            start = 0
            for batch in source.read(names, size):
                rows = len(next(iter(batch.values())))
                if rows:
                    yield Piece(source, start, rows, batch)
                    start += rows
            if not start:
                raise BadInput(f"{source.name or 'input'}: there are no rows to score.")

    def head(self) -> int:
        """How many rows can be taken in one piece; 0 at the end."""
        if self._piece is None:
            self._piece = next(self._pieces, None)
        return 0 if self._piece is None else self._piece.rows

    def take(self, rows: int) -> Piece:
        """The next rows, at most `head()` of them."""
        piece = self._piece
        assert piece is not None and rows <= piece.rows  # the caller has asked head()
        self.taken += rows
        if rows == piece.rows:
            self._piece = None
            return piece
        rest = {name: column[rows:] for name, column in piece.columns.items()}
        self._piece = Piece(piece.source, piece.start + rows, piece.rows - rows, rest)
        return Piece(piece.source, piece.start, rows, {name: column[:rows] for name, column in piece.columns.items()})


def in_step(feeds: Sequence[Feed], names: Sequence[str]) -> Iterator[list[Piece]]:
    """A piece of every feed, all of one length, until all end together; else an error that says who ends first."""
    while True:
        heads = [feed.head() for feed in feeds]
        if not any(heads):
            return
        if not all(heads):
            raise BadInput(_uneven(feeds, names, heads))
        rows = min(heads)
        yield [feed.take(rows) for feed in feeds]


def _uneven(feeds: Sequence[Feed], names: Sequence[str], heads: Sequence[int]) -> str:
    short, long = heads.index(0), next(i for i, head in enumerate(heads) if head)
    feed = feeds[long]
    while head := feed.head():
        feed.take(head)
    return (
        f"every model must have the same rows: {names[short]} has {feeds[short].taken} and {names[long]} has"
        f" {feed.taken}. Rows that a key tells apart are matched by it with `id` (--id COLUMN)."
    )
