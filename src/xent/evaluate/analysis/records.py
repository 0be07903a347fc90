"""What an analysis finds, as frozen records of plain numbers: the report, the page and the JSON read nothing else.

All losses in nats a row (multi-label: a label) unless said; shares are of 1; `None` where there is no such number.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The error of the mean loss by one way of reckoning. method: iid | cluster | time.

    units: rows, hash buckets of clusters, or steps of time; lags: of the Newey-West weights; design_effect: squared
    ratio to the error of independent rows.
    """

    method: str
    column: str | None
    standard_error: float | None
    low: float | None
    high: float | None
    units: int
    lags: int | None
    design_effect: float | None


@dataclass(frozen=True)
class Block:
    """One step of the isotonic fit: claimed probabilities from `low` to `high`, of which a share `rate` came true.

    nats: what recalibrating the step would save, a row of all rows (they add up to the miscalibration); inf where an
    infinite row lies in it.
    """

    low: float
    high: float
    claimed: float
    rate: float
    rows: int
    weight: float
    nats: float


@dataclass(frozen=True)
class Bin:
    """Rows whose claimed probability lies in [low, high): what was claimed, what came true, what the gap costs."""

    low: float
    high: float
    rows: int
    weight: float
    claimed: float
    rate: float
    nats: float


@dataclass(frozen=True)
class Band:
    """Where the reliability curve lies, with 95 %, if the claim is right (consistency band)."""

    claimed: float
    low: float
    high: float


@dataclass(frozen=True)
class Brier:
    """The same decomposition of the Brier score (p - y)^2."""

    score: float
    uncertainty: float
    discrimination: float
    miscalibration: float


@dataclass(frozen=True)
class Decomposition:
    """score = uncertainty - discrimination + miscalibration of one yes/no problem, by isotonic recalibration (CORP).

    name: "" (binary), a label, or "top-1" (the favourite is right). score and miscalibration are inf where
    infinite_rows gave the truth probability 0; finite_part counts these as 0. expected: the mean miscalibration of a
    perfectly calibrated forecaster with these claims (resampled), expected_high its 95 % point; p_value of the one
    seen. exact: blocks of exact scores; else scores are binned and the true discrimination is up to `bound` larger.
    """

    name: str
    rows: int
    weight: float
    score: float
    finite_part: float
    infinite_rows: int
    uncertainty: float
    discrimination: float
    miscalibration: float
    expected: float | None
    expected_high: float | None
    p_value: float | None
    resamples: int
    exact: bool
    bound: float
    brier: Brier
    blocks: tuple[Block, ...]  # at most 200, neighbours pooled beyond
    bins: tuple[Bin, ...]  # at most 20
    band: tuple[Band, ...]  # at most 60


@dataclass(frozen=True)
class Rung:
    """One repair: its cross-fitted drop in log loss, with the paired error of that drop.

    method: temperature | platt | beta | vector | matrix | isotonic. said: its parameters in words, such as "T = 2.40".
    rows: it was fitted to (fewer than all where a sample had to do). trouble: why there is none, in words.
    """

    method: str
    said: str
    gain: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    in_sample: float | None
    pays: bool
    rows: int
    trouble: str | None


@dataclass(frozen=True)
class Ladder:
    """The rungs from few parameters to many; best: the one worth taking (None: leave it as it is).

    repairable: its gain, 0 without one. command: what to run.
    """

    rungs: tuple[Rung, ...]
    best: str | None
    repairable: float
    folds: int
    command: str | None


@dataclass(frozen=True)
class Step:
    """One step of the waterfall. kind: start | down | up | total (a level, not a change). after: the level reached."""

    name: str
    kind: str
    nats: float
    standard_error: float | None
    after: float


@dataclass(frozen=True)
class LossBin:
    """Rows whose loss lies in [low, high) bits; expected: how many there would be if the model were calibrated."""

    low: float
    high: float
    rows: int
    nats: float
    expected: float


@dataclass(frozen=True)
class Tail:
    """How the nats are spread over rows, dearest first.

    half_rows: as few rows as carry half of all nats (half_share: of all rows; exact to the width of a bin);
    top_percent: the share of nats that the dearest 1 % carry; variance_top10: the ten dearest rows' share of the
    variance; lorenz: (share of rows, share of nats), dearest first, at most 101 points.
    """

    half_rows: int | None
    half_share: float | None
    top_percent: float | None
    variance_top10: float | None
    lorenz: tuple[tuple[float, float], ...]
    histogram: tuple[LossBin, ...]  # at most 80


@dataclass(frozen=True)
class Threshold:
    """Rows whose truth had probability below `prob`: how many there are, and how many a calibrated model would have."""

    prob: float
    rows: int
    expected: float
    p_value: float


@dataclass(frozen=True)
class Suspects:
    """Dearest rows against expectation: `excess` of them are more than chance gives a calibrated model (the labels, or
    the model's overconfidence); `at`: the threshold that shows most."""

    thresholds: tuple[Threshold, ...]
    at: float | None
    excess: float | None


@dataclass(frozen=True)
class ConfidenceBin:
    """Rows of which the favourite has a probability in [low, high): loss suffered against loss claimed (entropy)."""

    low: float
    high: float
    rows: int
    weight: float
    confidence: float
    accuracy: float
    log_loss: float
    entropy: float
    z: float | None


@dataclass(frozen=True)
class Confusion:
    """Nats by true class (row) and favourite class (column), a row of all rows; all cells add up to the finite loss.

    At most 26 classes are shown, those that cost most; the rest are pooled as the last one, "others".
    """

    classes: tuple[str, ...]
    nats: tuple[tuple[float, ...], ...]
    rows: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Slice:
    """Rows alike in one or two columns: where = ((column, value), ...).

    excess: nats a row of all rows that the slice costs beyond the mean; error of `log_loss - mean`; q_value: after
    Benjamini-Hochberg over all candidates; held_out: excess of the slice's mean over the mean in the half that did not
    choose it, with its p-value; confirmed: it holds there too. None where nothing was chosen (columns given by name).
    """

    where: tuple[tuple[str, str], ...]
    rows: int
    weight: float
    log_loss: float
    share: float | None
    excess: float | None
    difference: float | None
    standard_error: float | None
    p_value: float | None
    q_value: float | None
    held_out: float | None
    held_out_p: float | None
    confirmed: bool | None
    infinite: int


@dataclass(frozen=True)
class Slices:
    """Slices by given columns (the 100 values that matter most) and automatic ones.

    tried: candidates; rows: they were sought in.
    """

    given: tuple[Slice, ...]
    found: tuple[Slice, ...]
    tried: int
    rows: int
    columns: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class SoftLabels:
    """Soft labels: cross_entropy = entropy + divergence, exactly; entropy: what no model can save."""

    cross_entropy: float
    entropy: float
    divergence: float


@dataclass(frozen=True)
class Provenance:
    """Where the numbers come from. hashes: (file, bytes, blake2b-128 of the content, or None for tables in memory)."""

    version: str
    options: tuple[tuple[str, str], ...]
    hashes: tuple[tuple[str, int, str | None], ...]
    seed: int


@dataclass(frozen=True)
class Analysis:
    """Where the nats go, where they sit, and what gets them back."""

    spreads: tuple[Spread, ...]
    decompositions: tuple[Decomposition, ...]
    waterfall: tuple[Step, ...]
    ladder: Ladder | None
    tail: Tail
    suspects: Suspects | None
    confidence: tuple[ConfidenceBin, ...]
    confusion: Confusion | None
    slices: Slices
    soft: SoftLabels | None
    provenance: Provenance
    alerts: tuple[str, ...]  # what to know before anything else, worst first
    notes: tuple[str, ...]
