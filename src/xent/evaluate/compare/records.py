"""What a comparison of models on the same rows finds, as frozen records of plain numbers.

All losses in nats a row (multi-label: a label); differences are log_loss(a) - log_loss(b): above 0, b is better.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..analysis.records import Provenance


@dataclass(frozen=True)
class Model:
    """One model's own score. miscalibration and discrimination where it is one yes/no problem (else None)."""

    name: str
    source: str
    form: str
    log_loss: float
    standard_error: float | None
    low: float | None
    high: float | None
    finite_part: float
    infinite: int
    baseline: float
    accuracy: float
    entropy: float
    uncertainty: float | None
    discrimination: float | None
    miscalibration: float | None


@dataclass(frozen=True)
class InfiniteRow:
    """A row on which a model gave the truth probability 0."""

    file: str
    row: int
    id: str | None
    target: str
    models: tuple[str, ...]  # those that did


@dataclass(frozen=True)
class Pair:
    """Two models on the same rows. method: iid | cluster | time, as in `Spread`.

    finite_difference: the mean over rows finite on both sides, with standard_error, interval (Student's t), p_value.
    infinite_a, infinite_b: rows infinite on that side alone: they decide (`decided`), and difference is +-inf; None
    where each side has some, and neither is better. infinite_both: counted, and left out of the difference. ratio =
    exp(difference): how many times likelier b made what happened, a row; percent of a's loss. better: share of rows (by
    weight) on which b is better; ties (and both infinite). p_holm: over all pairs shown; None with rows infinite
    on one side alone. rows_for_power: rows that would show finite_difference with 80 % power. verdict: one sentence.
    """

    a: str
    b: str
    rows: int
    difference: float | None
    finite_difference: float
    standard_error: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_holm: float | None
    percent: float | None
    ratio: float | None
    better: float
    ties: float
    rows_for_power: int | None
    infinite_a: int
    infinite_b: int
    infinite_both: int
    decided: str | None
    method: str
    units: int
    lags: int | None
    verdict: str


@dataclass(frozen=True)
class PairSlice:
    """Where the difference of a pair lies: parts (nats a row of all rows) of the slices of a column add up to it.

    column: one of `by`, "(truth)" or "(confidence)": how sure the two models are, on average. Rows infinite on either
    side are left out. q_value: p_value (against no difference) after Benjamini-Hochberg over all slices of the pair.
    """

    a: str
    b: str
    column: str
    value: str
    rows: int
    weight: float
    difference: float
    part: float
    standard_error: float | None
    p_value: float | None
    q_value: float | None


@dataclass(frozen=True)
class Comparison:
    """Models on the same rows, best first, and every pair of them (of more than ten models: the best with every other).

    verdict: what it comes to. joined: the column rows were joined on (None: by position); unmatched: rows of each model
    without a partner in all others; infinite: the first 20 rows infinite on one side, then on all.
    """

    rows: int
    weight: float
    kind: str
    classes: int
    confidence: float
    verdict: str
    models: tuple[Model, ...]
    pairs: tuple[Pair, ...]
    slices: tuple[PairSlice, ...]
    infinite: tuple[InfiniteRow, ...]
    joined: str | None
    unmatched: tuple[tuple[str, int], ...]
    alerts: tuple[str, ...]
    notes: tuple[str, ...]
    provenance: Provenance

    def to_dict(self) -> dict[str, Any]:
        """Every number, as plain Python objects."""
        return asdict(self)

    def to_json(self) -> str:
        """Every number as JSON; infinities are the strings "Infinity" and "-Infinity", which float() reads."""
        from ..scores import as_json

        return as_json(self.to_dict())

    def __repr__(self) -> str:
        names = ", ".join(f"{model.name} {model.log_loss:.6g}" for model in self.models)
        return f"Comparison({names}; rows={self.rows}, {self.kind}: {self.verdict})"

    def __str__(self) -> str:
        from .text import text

        return text(self)
