"""Where the nats go: what a state adds up to, beyond the score."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..scores import Score
from .alerts import alerts
from .command import with_command
from .confidence import bins
from .confusion import confusion
from .decompose import decompositions
from .ladder import ladder, waterfall
from .records import Analysis, Provenance
from .slices import slices
from .soft import soft_labels
from .spreads import notes as doubts
from .spreads import spreads
from .suspects import suspects
from .tail import tail

__all__ = ["Analysis", "analyse"]


def analyse(state: Any, score: Score, *, confidence: float, seed: int, provenance: Provenance) -> Analysis:
    """The analysis of everything a state has seen. score: what the same state adds up to, without analysis."""
    with ThreadPoolExecutor(1) as beside:  # the two that take long, each mostly in compiled code
        decomposed = beside.submit(decompositions, state, seed)
        repairs = with_command(ladder(state, confidence, seed), state)
        parts = decomposed.result()
    errors = spreads(state, score)
    found = Analysis(
        spreads=errors,
        decompositions=parts,
        waterfall=waterfall(score, parts, repairs),
        ladder=repairs,
        tail=tail(state),
        suspects=suspects(state),
        confidence=bins(state),
        confusion=confusion(state),
        slices=slices(state, confidence, seed),
        soft=soft_labels(state),
        provenance=provenance,
        alerts=(),
        notes=tuple(doubts(errors)),
    )
    return alerts(score, found)
