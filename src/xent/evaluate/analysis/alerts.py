"""What to know before any other number, worst first: each a sentence with the figures that say so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..scores import Score
from .records import Analysis

WIDER = 1.5  # a design effect from which the interval of independent rows is called too narrow
DOMINATED = 0.5  # share of the variance in ten rows from which a normal interval is called doubtful
UNLIKELY = 0.01


def alerts(score: Score, found: Analysis) -> Analysis:
    """The analysis with its alerts."""
    said = [*_lost(score), *_worse(score), *_wide(score, found), *_tail(score, found), *_claims(score, found)]
    return replace(found, alerts=(*said, *_suspects(score, found)))


def _lost(score: Score) -> Iterator[str]:
    if score.infinite:
        yield (
            f"{score.infinite} of {score.rows} rows give the truth probability 0: the log loss is infinite."
            " Look at these rows first: the label or the model is wrong."
        )
    if score.renormalized is not None:
        yield f"Every row was divided by its sum (off by up to {score.row_sum_deviation:.2g})."


def _worse(score: Score) -> Iterator[str]:
    if score.baseline == 0:
        yield "Only one class occurs: there is nothing to tell apart, and no baseline."
    elif score.explained is not None and score.explained < 0:
        yield (
            f"Worse than always giving the class shares: {score.log_loss:.4f} against {score.baseline:.4f} nats."
            " Do the columns stand in the order of the classes?"
        )


def _alike(found: Analysis) -> bool:
    return any(s.method != "iid" and (s.design_effect or 0.0) > WIDER for s in found.spreads)


def _wide(score: Score, found: Analysis) -> Iterator[str]:
    for spread in found.spreads:
        if spread.method != "iid" and spread.design_effect is not None and spread.design_effect > WIDER:
            alike = f"within `{spread.column}`" if spread.method == "cluster" else f"over time (`{spread.column}`)"
            yield (
                f"Rows are alike {alike}: the standard error is {spread.standard_error:.4g},"
                f" {spread.design_effect**0.5:.1f} times that of independent rows."
            )


def _tail(score: Score, found: Analysis) -> Iterator[str]:
    share = found.tail.variance_top10
    if share is not None and share > DOMINATED and score.rows > 100:
        yield (
            f"Ten rows hold {100 * share:.0f} % of the variance: the interval rests on them, and on none that did not"
            " happen to be drawn."
        )


def _claims(score: Score, found: Analysis) -> Iterator[str]:
    for part in found.decompositions if len(found.decompositions) == 1 else ():
        if part.p_value is not None and part.p_value < UNLIKELY and part.miscalibration < float("inf"):
            yield (
                f"Miscalibrated: {part.miscalibration:.4f} nats, where a calibrated model would show"
                f" {part.expected:.4f} (p {_p(part.p_value)}{', rows taken as independent' if _alike(found) else ''})."
            )


def _suspects(score: Score, found: Analysis) -> Iterator[str]:
    suspects = found.suspects
    if suspects is not None and suspects.at is not None and suspects.excess is not None:
        row = next((t for t in suspects.thresholds if t.prob == suspects.at), None)
        if row is not None and row.p_value < UNLIKELY:
            what = ("label" if score.kind == "multilabel" else "row") + ("" if row.rows == 1 else "s")
            expected = f"{row.expected:.0f}" if row.expected >= 10 else f"{row.expected:.2g}"
            yield (
                f"{row.rows} {what} gave the truth less than {row.prob:.2g}, where {expected} are to be expected:"
                " wrong labels, or a model too sure of itself. The dearest rows are the place to look."
            )


def _p(value: float) -> str:
    return f"< {UNLIKELY / 10:g}" if value < UNLIKELY / 10 else f"= {value:.2g}"
