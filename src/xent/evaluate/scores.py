"""The score of a set of predictions: a frozen record of numbers, and how it follows from a tally."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .conventions import Convention
from .dearest import DearRow
from .registers import rounded
from .state.state import State
from .statistics import claim, entropy_of, interval, label_entropy
from .tally import Tally

if TYPE_CHECKING:
    from .analysis.records import Analysis


@dataclass(frozen=True)
class ClassScore:
    """One class (the rows of which it is the truth) or one label (its yes/no problem), in nats.

    share: of all nats; excess: what it adds to the mean loss over costing what all rows cost on average. gap and z only
    for labels: knowing the truth, even a perfect model's loss and entropy differ.
    """

    name: str
    rows: int
    weight: float
    log_loss: float
    standard_error: float | None
    share: float | None
    excess: float | None
    entropy: float
    gap: float | None
    z: float | None
    infinite: int
    positive: int


@dataclass(frozen=True)
class Compat:
    """Another convention's number for the same rows, and what it did to them."""

    name: str
    says: str
    log_loss: float
    rows_changed: int
    nats_changed: float | None  # mean change over all rows; None where the honest loss is infinite
    infinite_rows_cost: float | None  # what each infinite row costs under the convention


@dataclass(frozen=True)
class Score:
    """What predictions cost. All losses in nats a row (multi-label: a label).

    log_loss is the (weighted) mean of -log p(truth), never clipped: infinite when `infinite` rows give the truth
    probability 0, and then finite_part (they count 0 nats in it) and finite_mean (the other rows' mean) say the rest.
    low, high: skew-corrected interval at `confidence`. baseline: the best constant forecast; explained = 1 - log_loss /
    baseline. entropy: what the model says it will suffer; gap = log_loss - entropy and its z: over-confident above 0.
    split: top-1 confidence and ranking of the rest, which add up to the loss. label_entropy: what no
    model can save where labels are soft (None: hard ones). analysis: None where none was asked for.
    """

    log_loss: float
    standard_error: float | None
    low: float | None
    high: float | None
    confidence: float
    skewness: float | None
    bits: float
    perplexity: float
    rows: int
    effective_rows: float
    weight: float
    weightless_rows: int
    kind: str
    form: str
    dtype: str
    classes: int
    infinite: int
    infinite_cells: int
    finite_part: float
    finite_mean: float | None
    baseline: float
    explained: float | None
    entropy: float
    gap: float
    z: float | None
    p_value: float | None
    accuracy: float
    top1: float | None
    ranking: float | None
    row_sum_deviation: float | None
    renormalized: float | None
    label_entropy: float | None
    compat: Compat | None
    by_class: tuple[ClassScore, ...]
    dearest: tuple[DearRow, ...]
    files: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]
    analysis: Analysis | None = None

    def to_dict(self) -> dict[str, Any]:
        """Every number, as plain Python objects."""
        return asdict(self)

    def to_json(self) -> str:
        """Every number as JSON; infinities are the strings "Infinity" and "-Infinity", which float() reads."""
        return as_json(self.to_dict())

    def __repr__(self) -> str:
        error = f" +- {self.standard_error:.2g}" if self.standard_error is not None else ""
        lost = f", {self.infinite} rows infinite, finite part {self.finite_part:.6g}" if self.infinite else ""
        return f"Score(log_loss={self.log_loss:.6g}{error} nats{lost}, rows={self.rows}, {self.kind} from {self.form})"

    def __str__(self) -> str:
        from .report import text

        return text(self)


def as_json(record: dict[str, Any]) -> str:
    """A record as JSON of plain numbers."""
    return json.dumps(plain(record), indent=2, ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """The same, with lists for tuples and text for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value


def mean_loss(tally: Tally, groups: slice) -> float:
    if tally.count("infinite", groups):
        return math.inf
    return rounded(tally.total("wl", groups) / tally.total("w", groups))


def result(state: State) -> Score:
    """The score that a state adds up to. Multi-label: means over cells, intervals over rows."""
    tally, problem, confidence = state.tally, state.problem, state.settings.confidence
    cells, rows = tally.cells, tally.rows
    weight = tally.weight(rows)
    loss = mean_loss(tally, cells)
    spread = interval(tally, rows, confidence)
    own = claim(tally, rows if tally.soft and not tally.multilabel else cells)
    baseline, said = _baseline(tally), label_entropy(tally)
    finite = tally.total("w", rows)
    classes, mended = problem.kind == "multiclass", state.settings.rules.renormalize
    top = rounded(tally.total("wtop", cells) / weight) if classes else None
    part = tally.total("wl", cells) / tally.weight(cells)
    return Score(
        log_loss=loss, standard_error=spread.standard_error, low=spread.low, high=spread.high, confidence=confidence,
        skewness=spread.skewness, bits=loss / math.log(2), perplexity=math.exp(loss) if loss < 709 else math.inf,
        rows=tally.count("rows", rows),
        effective_rows=rounded(weight**2 / (tally.total("w2", rows) + tally.total("w2_inf", rows))),
        weight=rounded(weight), weightless_rows=tally.count("off", rows),
        kind=problem.kind, form=problem.form, dtype=problem.dtype,
        classes=tally.classes, infinite=tally.count("infinite", rows), infinite_cells=tally.count("infinite", cells),
        finite_part=rounded(part), finite_mean=rounded(tally.total("wl", rows) / finite) if finite else None,
        baseline=baseline, explained=1.0 - loss / baseline if baseline and math.isfinite(loss) else None,
        entropy=own.entropy, gap=own.gap, z=own.z, p_value=own.p_value,
        accuracy=rounded(tally.total("w_right", cells) / tally.weight(cells)),
        top1=top, ranking=rounded(part - tally.total("wtop", cells) / weight) if classes else None,
        row_sum_deviation=tally.deviation[0] if classes and problem.form == "probs" else None,
        renormalized=rounded(tally.total("wlogsum", cells) / weight) if mended and classes else None,
        label_entropy=None if said is None else rounded(said),
        compat=_compat(tally, state.settings.convention, loss),
        by_class=_by_class(tally, problem.classes, confidence),
        dearest=state.dearest.rows(), files=tuple(state.files), notes=tuple(state.notes),
    )  # fmt: skip


def _baseline(tally: Tally) -> float:
    groups = [slice(g, g + 1) for g in range(tally.classes)]
    whole = [tally.weight(g) for g in groups]
    if not tally.multilabel:
        return entropy_of(whole)
    yes = [tally.total("w_positive", g) for g in groups]
    return math.fsum(entropy_of([y, w - y]) for y, w in zip(yes, whole, strict=True)) / tally.classes


def _compat(tally: Tally, convention: Convention | None, loss: float) -> Compat | None:
    if convention is None:
        return None
    cells = tally.cells
    weight = tally.weight(cells)
    other = tally.total("wcompat", cells) / weight
    infinite = tally.count("infinite", cells)
    exact = tally.total("wl", cells) / weight
    return Compat(
        convention.name, convention.says, rounded(other), tally.count("changed", cells),
        None if infinite else rounded(other - exact), convention.most if infinite else None,
    )  # fmt: skip


def _by_class(tally: Tally, names: tuple[str, ...], confidence: float) -> tuple[ClassScore, ...]:
    cells = tally.cells
    everything, whole = tally.total("wl", cells), tally.weight(cells)
    infinite = tally.count("infinite", cells)
    scores = []
    for g, name in enumerate(names[: tally.classes]):
        group = slice(g, g + 1)
        rows = tally.count("rows", group)
        if not rows:
            continue
        own, spread = claim(tally, group), interval(tally, group, confidence)
        share = None if infinite or not everything else rounded(tally.total("wl", group) / everything)
        weight, nats = tally.weight(group), tally.total("wl", group)
        excess = None if infinite else rounded((nats - weight * everything / whole) / whole)
        positive = tally.count("positive", group) if tally.multilabel else rows
        scores.append(ClassScore(
            name, rows, rounded(weight), mean_loss(tally, group), spread.standard_error, share, excess, own.entropy,
            own.gap if tally.multilabel else None, own.z if tally.multilabel else None,
            tally.count("infinite", group), positive,
        ))  # fmt: skip
    return tuple(scores)
