"""What became of a repair, as a frozen record of plain numbers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ..analysis.records import Rung
from ..scores import Score, as_json

if TYPE_CHECKING:
    from .kept import Kept
    from .rewrite import Outputs


@dataclass(frozen=True)
class Repaired:
    """A repair of predictions. All losses in nats a row (multi-label: a label).

    asked: the method given (auto, or apply for a saved map); method: the one taken, None where none pays. rungs: what
    each method tried saves, cross-fitted over `folds`, with its interval at `confidence`. log_loss: as the predictions
    stand; after: less the gain, None where that is not finite. pays: the interval of the gain lies above 0; wrote:
    whether anything was written. output, saved: files; columns: those replaced, now `form`.
    """

    asked: str
    method: str | None
    kind: str
    rows: int
    log_loss: float | None
    after: float | None
    infinite: int
    pays: bool
    forced: bool
    rungs: tuple[Rung, ...]
    folds: int
    confidence: float
    files: tuple[tuple[str, int], ...]
    wrote: bool = False
    output: str | None = None
    saved: str | None = None
    columns: tuple[str, ...] = ()
    form: str | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, score: Score, asked: str, method: str | None, rungs: Sequence[Rung], folds: int, confidence: float,
        forced: bool,
    ) -> Repaired:  # fmt: skip
        """Before anything is written."""
        rung = next((r for r in rungs if r.method == method), None)
        gain = rung.gain if rung is not None and not score.infinite else None
        return cls(
            asked, method, score.kind, score.rows, score.log_loss, None if gain is None else score.log_loss - gain,
            score.infinite, rung is not None and rung.pays, forced, tuple(rungs), folds, confidence, score.files,
            notes=score.notes,
        )  # fmt: skip

    @classmethod
    def applied(cls, mended: Kept, told: Outputs, rows: int, output: Any, map_file: str) -> Repaired:
        """By a saved map, to rows whose truth is not known."""
        found = cls(
            "apply", mended.method, mended.kind, rows, None, None, 0, True, False, (), 0, 0.0, (),
            notes=(f"the map of {map_file}",),
        )  # fmt: skip
        return found.written(output, None, rows, told)

    def written(self, output: Any, saved: Any, rows: int | None, told: Outputs) -> Repaired:
        """With the files that hold it."""
        names = (None if f is None else os.fspath(f) for f in (output, saved))
        out, kept = names
        return replace(self, wrote=True, output=out, saved=kept, columns=told.outputs, form=told.wanted)

    def to_dict(self) -> dict[str, Any]:
        """Every number, as plain Python objects."""
        return asdict(self)

    def to_json(self) -> str:
        """Every number as JSON; infinities are the strings "Infinity" and "-Infinity", which float() reads."""
        return as_json(self.to_dict())
