"""What a calibration saves on rows it was not fitted to, with its paired standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from xent.objective import number

from .affine import Matrix, Vector
from .estimator import Calibrator, row_losses
from .faults import NoFiniteOptimum
from .inputs import scores
from .isotonic import Isotonic
from .logistic import Beta, Platt
from .temperature import Temperature

Array = Any

METHODS: dict[str, type[Calibrator]] = {
    "temperature": Temperature, "platt": Platt, "beta": Beta, "vector": Vector, "matrix": Matrix, "isotonic": Isotonic
}  # fmt: skip


@dataclass(frozen=True)
class Gain:
    """The drop in log loss, nats a row; > 0 is a repair.

    before, after: mean log loss of the scores as they stand, and out of fold after the map. gain = before - after, with
    standard_error, low, high (at `confidence`) of the paired difference. in_sample: the drop where each row was fitted,
    always at least as rosy, with its own error. infinite_before, infinite_after: rows that cost +inf; a row infinite on
    both sides counts nowhere else. With a row infinite on one side gain is +-inf and has no error.
    """

    method: str
    rows: int
    folds: int
    clusters: int | None
    before: float
    after: float
    gain: float
    standard_error: float | None
    low: float | None
    high: float | None
    confidence: float
    in_sample: float
    in_sample_error: float | None
    infinite_before: int
    infinite_after: int

    @property
    def pays(self) -> bool:
        """Whether the repair is beyond doubt: the interval lies above 0, or infinite rows became finite."""
        return self.gain == math.inf if self.low is None else self.low > 0


def student(tail: float, freedom: int) -> float:
    """The quantile of Student's t with a probability of `tail` above it; 1 and 2 degrees of freedom exactly, 3 within
    2 %, 5 and more within 2e-3 for tails from 0.005 (Abramowitz & Stegun 26.7.5)."""
    if freedom == 1:
        return 1.0 / math.tan(math.pi * tail)
    if freedom == 2:
        return (1.0 - 2.0 * tail) / math.sqrt(2.0 * tail * (1.0 - tail))
    z, v = -NormalDist().inv_cdf(tail), float(freedom)
    terms = (
        (z**3 + z) / 4.0,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96.0,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384.0,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160.0,
    )
    return z + sum(term / v**power for power, term in enumerate(terms, 1))


def paired(difference: Array, weight: Array | None, cluster: Array | None) -> tuple[float, float | None, int]:
    """(mean, linearised standard error, degrees of freedom); residuals summed by cluster (Liang & Zeger 1986)."""
    w = np.ones(len(difference)) if weight is None else weight
    mean = float(np.average(difference, weights=w)) if len(difference) else math.nan
    if not math.isfinite(mean):
        return mean, None, 0
    residual = w * (difference - mean)
    if cluster is not None:
        residual = np.bincount(cluster, residual)[np.bincount(cluster) > 0]
    n = len(residual)
    if n < 2:
        return mean, None, 0
    return mean, float(np.sqrt(residual @ residual * (n / (n - 1))) / w.sum()), n - 1


def fold_of(targets: Array, cluster: Array | None, folds: int, seed: int) -> Array:
    """The fold of each row: whole clusters at random; without them dealt out class by class."""
    rng = np.random.default_rng(seed)
    if cluster is not None:
        return (rng.permutation(int(cluster.max()) + 1) % folds)[cluster]
    shuffled = rng.permutation(len(targets))
    key = targets if targets.ndim == 1 else targets.argmax(1)
    dealt = shuffled[np.argsort(key[shuffled], kind="stable")]
    fold = np.empty(len(targets), np.int64)
    fold[dealt] = np.arange(len(targets)) % folds
    return fold


def _clusters(cluster: Any, rows: int) -> Array | None:
    if cluster is None:
        return None
    names = np.asarray(cluster)
    if names.shape != (rows,):
        raise ValueError(f"`cluster` must have one entry per row, ({rows},); got shape {names.shape}.")
    return np.unique(names, return_inverse=True)[1]


def _method(method: Any, probs: bool | None) -> tuple[str, Calibrator]:
    if isinstance(method, str):
        if method not in METHODS:
            raise ValueError(f"`method` must be one of {', '.join(METHODS)}, or a calibrator; got {method!r}.")
        return method, METHODS[method](probs=bool(probs))  # type: ignore[call-arg]
    if not isinstance(method, Calibrator):
        raise TypeError(f"`method` must be a name or a calibrator; got {type(method).__name__}.")
    if probs is not None and bool(probs) != bool(method.probs):
        raise ValueError(f"`probs` is given twice: {method.probs!r} in the calibrator and {probs!r} in the call.")
    return type(method).__name__.lower(), method


def cross_fitted_gain(
    method: Any, logits: Any, targets: Any, *, folds: int = 5, cluster: Any = None, sample_weight: Any = None,
    probs: bool | None = None, confidence: float = 0.95, seed: int = 0,
) -> Gain:  # fmt: skip
    """The out-of-sample drop in log loss that a calibration buys, nats a row, with its paired standard error.

    Rows are dealt into folds (by class; by cluster where given), each fold is calibrated by a map fitted to the others,
    and the difference of a row's loss before and after is averaged: gain +- t SE. Fitted maps share rows, which the
    error does not know of; with a few parameters on many rows it hardly matters.

    Args:
        method: "temperature", "platt", "beta", "vector", "matrix", "isotonic", or a calibrator such as
            `Temperature(floor=1e-6)`, which is not changed.
        logits, targets, sample_weight, probs: as in the calibrator's `fit`.
        folds: 2 to the number of rows (clusters).
        cluster: [N], any labels: rows of one cluster stay in one fold, and the error is of cluster sums.
        seed: of the deal.

    Raises:
        NoFiniteOptimum: of a fold, which is named. ValueError, TypeError: as in `fit`.

    Source: cross-fitted calibration gain (Berta et al. 2025, arXiv:2501.19195); paired error as in Vuong 1989.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=2000)
    >>> t = (z + rng.logistic(size=2000) > 0).astype(int)
    >>> found = cross_fitted_gain("temperature", 3.0 * z, t)
    >>> print(f"{found.gain:.3f} +- {found.standard_error:.3f} nats a row", found.pays)
    0.171 +- 0.017 nats a row True
    """
    name, estimator = _method(method, probs)
    confidence = number("confidence", confidence, "a number in (0, 1)", lambda x: 0 < x < 1)
    x, t = scores(logits, bool(estimator.probs)), np.asarray(targets)
    w = None if sample_weight is None else np.asarray(sample_weight, np.float64)
    options = estimator.get_params()
    whole = type(estimator)(**options).fit(x, t, w)  # checks everything; its rows are in order of the input
    label = _clusters(cluster, len(x))
    counted = np.arange(len(x)) if w is None else np.flatnonzero(w)
    x, t = x[counted], t[counted]
    w, label = None if w is None else w[counted], None if label is None else np.unique(
        label[counted], return_inverse=True
    )[1]  # fmt: skip
    groups = len(x) if label is None else int(label.max()) + 1
    if not isinstance(folds, (int, np.integer)) or not 2 <= folds <= groups:
        raise ValueError(
            f"`folds` must be an integer from 2 to {groups}, the number of {'rows' if label is None else 'clusters'}; "
            f"got {folds!r}."
        )
    fold = fold_of(t, label, int(folds), seed)
    before, _ = row_losses(None, x, t, w, bool(estimator.probs))
    inside, _ = row_losses(whole.map_, x, t, w)
    after = np.empty(len(x))
    for f in range(int(folds)):
        held = fold == f
        fresh = type(estimator)(**options)
        try:
            fresh.fit(x[~held], t[~held], None if w is None else w[~held])
        except NoFiniteOptimum as error:
            raise NoFiniteOptimum(f"without fold {f + 1} of {folds}, {error}") from None
        after[held] = row_losses(fresh.map_, x[held], t[held], None)[0]
    return _gain(name, before, after, inside, w, label, int(folds), groups, confidence)


def _gain(
    name: str, before: Array, after: Array, inside: Array, w: Array | None, label: Array | None, folds: int,
    groups: int, confidence: float,
) -> Gain:  # fmt: skip
    lost = np.isposinf(before), np.isposinf(after), np.isposinf(inside)

    def drop(new: Array, gone: Array) -> tuple[float, float | None, int]:
        use = ~(lost[0] & gone)
        return paired(
            before[use] - new[use], None if w is None else w[use], None if label is None else label[use]
        )  # fmt: skip

    gain, error, freedom = drop(after, lost[1])
    in_sample, in_sample_error, _ = drop(inside, lost[2])
    reach = None if error is None else error * student((1.0 - confidence) / 2.0, freedom)
    return Gain(
        method=name, rows=len(before), folds=folds, clusters=None if label is None else groups,
        before=float(np.average(before, weights=w)), after=float(np.average(after, weights=w)), gain=gain,
        standard_error=error, low=None if reach is None else gain - reach,
        high=None if reach is None else gain + reach, confidence=confidence, in_sample=in_sample,
        in_sample_error=in_sample_error, infinite_before=int(lost[0].sum()), infinite_after=int(lost[1].sum()),
    )  # fmt: skip
