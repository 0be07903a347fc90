"""Where the nats go: what a state adds up to, beyond the score."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..scores import Score
from .alerts import alerts
from .records import Analysis, Provenance, Slices, Tail

__all__ = ["Analysis", "analyse"]


def analyse(
    state: Any, score: Score, *, confidence: float, seed: int, provenance: Provenance, notes: tuple[str, ...] = ()
) -> Analysis:
    """The analysis of everything a state has seen. score: what the same state adds up to, without analysis."""

    def of(name: str, instead: Any, *arguments: Any) -> Any:
        module, function = name.split(".")
        if find_spec(f"{__name__}.{module}") is None:  # NOT YET THERE
            return instead
        return getattr(import_module(f"{__name__}.{module}"), function)(*arguments)

    decompositions = of("decompose.decompositions", (), state, seed)
    ladder = of("ladder.ladder", None, state, confidence, seed)
    found = Analysis(
        spreads=of("spreads.spreads", (), state, score),
        decompositions=decompositions,
        waterfall=of("ladder.waterfall", (), score, decompositions, ladder),
        ladder=ladder,
        tail=of("tail.tail", Tail(None, None, None, None, (), ()), state, score),
        suspects=of("suspects.suspects", None, state),
        confidence=of("confidence.bins", (), state),
        confusion=of("confusion.confusion", None, state),
        slices=of("slices.slices", Slices((), (), 0, 0, (), ()), state, confidence, seed),
        soft=of("soft.soft_labels", None, state),
        provenance=provenance,
        alerts=(),
        notes=notes,
    )
    return alerts(score, found)
