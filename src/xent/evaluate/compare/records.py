"""What a comparison of models on the same rows finds, as frozen records of plain numbers.

All losses in nats a row (multi-label: a label); differences are log_loss(a) - log_loss(b): above 0, b is better.
"""

from __future__ import annotations

import json
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

    ratio = exp(difference): how many times likelier b made what happened, a row; percent of a's loss. better: share of
    rows (by weight) on which b is better; ties. rows_for_power: rows that show such a difference with 80 % power.
    p_holm: over all pairs shown. infinite_a, infinite_b: rows infinite on that side alone: they decide (decided);
    infinite_both: counted, and left out of the difference. verdict: one sentence.
    """

    a: str
    b: str
    rows: int
    difference: float
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
    """Where the difference of a pair lies: the slices add up to it. part: nats a row of all rows."""

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


@dataclass(frozen=True)
class Comparison:
    """Models on the same rows, best first, and every pair of them.

    joined: the column rows were joined on (None: by position); unmatched: rows of each model without a partner.
    """

    rows: int
    weight: float
    kind: str
    classes: int
    confidence: float
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
        from ..scores import plain

        return json.dumps(plain(self.to_dict()), indent=2, ensure_ascii=False, allow_nan=False)
