"""Platt and beta calibration: logistic regression on one or two functions of the logit, slopes held at 0 or above."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from xent.information import log_sigmoid
from xent.losses import SigmoidCrossEntropy

from .estimator import Calibrator
from .faults import CalibrationWarning, NoFiniteOptimum, separable
from .inputs import Rows
from .maps import BetaMap, Map, PlattMap
from .newton import minimise

Array = Any
Features = Callable[[Array], Array]  # logits [n] -> [n, d]


def platt_features(z: Array) -> Array:
    return z[:, None]


def beta_features(z: Array) -> Array:
    return np.stack([log_sigmoid(z), -log_sigmoid(-z)], 1)


class Logistic:
    """The mean log loss of a logistic regression on standardised features, intercept last."""

    def __init__(self, rows: Rows, features: Features, smoothing: float) -> None:
        self.rows, self.features = rows, features
        self.price = SigmoidCrossEntropy(label_smoothing=smoothing, reduction="sum")
        blocks = [(features(z), w) for z, _, w in rows.blocks() if len(z)]
        weight = max(sum(float(len(x) if w is None else w.sum()) for x, w in blocks), 1e-300)
        top = np.max([abs(x).max(0) for x, _ in blocks], 0) if blocks else np.ones(1)
        self.unit = np.where(top > 0, top, 1.0)  # before squares, which may overflow
        self.middle = sum(_weigh(x / self.unit, w) for x, w in blocks) / weight
        spread = sum(_weigh((x / self.unit - self.middle) ** 2, w) for x, w in blocks) / weight
        self.scale = np.where(spread > 1e-26, np.sqrt(spread), np.inf)  # what does not vary has no slope

    def columns(self, z: Array) -> Array:
        return np.column_stack([(self.features(z) / self.unit - self.middle) / self.scale, np.ones(len(z))])

    def at(self, x: Array) -> tuple[float, Array, Array]:
        value, gradient, hessian = 0.0, np.zeros(len(x)), np.zeros((len(x), len(x)))
        for block in self.rows.blocks():
            loss, slope, bend = self.of(x, *block)
            value, gradient, hessian = value + loss, gradient + slope, hessian + bend
        total = self.rows.total
        return value / total, gradient / total, hessian / total

    def of(self, x: Array, z: Array, t: Array, w: Array | None) -> tuple[float, Array, Array]:
        """(value, gradient, Hessian) summed over rows: finite logits, targets, weights."""
        design = self.columns(z)
        moved = design @ x
        arrays = {} if w is None else {"sample_weight": w}
        slope, bend = self.price.grad_and_hess(moved, t, **arrays)
        return float(self.price(moved, t, **arrays)), slope @ design, (design * bend[:, None]).T @ design

    def reach(self, x: Array, step: Array) -> float:
        return 0.0  # `fit_slopes` has seen that an optimum exists

    def raw(self, x: Array) -> tuple[float, ...]:
        """Parameters of the standardised features as those of the features."""
        slopes = x[:-1] / self.scale
        return (*(float(s) for s in slopes / self.unit), float(x[-1] - slopes @ self.middle))


def _weigh(x: Array, w: Array | None) -> Array:
    return x.sum(0) if w is None else w @ x


def overlap(rows: Rows) -> tuple[float, float, float, float]:
    """(least, most logit that has some target 0, least, most that has some target 1)."""
    ends = np.array([np.inf, -np.inf, np.inf, -np.inf])
    for z, t, _ in rows.blocks(infinite=True):
        for i, there in ((0, t < 1), (2, t > 0)):
            if there.any():
                ends[i], ends[i + 1] = min(ends[i], z[there].min()), max(ends[i + 1], z[there].max())
    return float(ends[0]), float(ends[1]), float(ends[2]), float(ends[3])


def separated(rows: Rows, smoothing: float) -> NoFiniteOptimum | None:
    """Why there is no finite optimum, if there is none."""
    if smoothing:
        return None
    mend = "Leave the scores as they are, or fit with `label_smoothing` (1 / number of rows, say) or smoothed targets"
    zeros, ones = (float(w) for w in rows.class_weights())
    if not zeros or not ones:
        return separable(f"all targets are {1 if ones else 0}, and each further intercept fits better", mend)
    least0, most0, least1, most1 = overlap(rows)
    if most0 <= least1 and not least0 == most0 == least1 == most1:
        return separable(
            f"a threshold at {most0:.6g} on the logit separates the classes, and each steeper slope fits better", mend
        )
    return None


def solve_slopes(rows: Rows, features: Features, smoothing: float) -> tuple[Logistic, Array]:
    """(the loss in standardised features, where it is least among slopes >= 0)."""
    if (fault := separated(rows, smoothing)) is not None:
        raise fault
    problem = Logistic(rows, features, smoothing)
    slopes = len(problem.unit)
    zeros, ones = rows.class_weights() + 0.5 * smoothing * rows.total
    start = np.array([*(0.0 for _ in range(slopes)), float(np.log(ones) - np.log(zeros))])
    x, _ = minimise(
        problem, start, lowest(slopes), lambda: separable("the slope grows for ever", "Use `label_smoothing`")
    )
    if (x[:-1] < 1e-9).all():  # of a standard deviation: rounding
        x[:-1] = 0.0
        warnings.warn(
            "the logits do not vary, so the map is constant: the share of ones"
            if np.isinf(problem.scale).all()
            else "the logits are anti-informative: on these rows they do no better than the share of ones alone, and "
            "no slope >= 0 mends that; the map is constant. Is the other class the one that the scores are for?",
            CalibrationWarning,
            stacklevel=5,
        )
    return problem, x


def lowest(slopes: int) -> Array:
    """What slopes and the intercept may be at least."""
    return np.array([*(0.0 for _ in range(slopes)), -np.inf])


def fit_slopes(rows: Rows, features: Features, smoothing: float) -> tuple[float, ...]:
    """(slopes >= 0 ..., intercept) of least log loss."""
    problem, x = solve_slopes(rows, features, smoothing)
    return problem.raw(x)


class Platt(Calibrator):
    r"""Platt scaling: z' = slope z + intercept, slope >= 0, logistic regression on the logit of two classes.

    .. math:: \min_{a \ge 0, b} \sum_i w_i\,[t_i\,\zeta(-a z_i - b) + (1 - t_i)\,\zeta(a z_i + b)], \quad
        \zeta(x) = \log(1 + e^x)

    by Newton's method on the closed-form Hessian. Temperature is the case b = 0.

    Args:
        probs, floor, label_smoothing: as in `Temperature`.
        platt_targets: fits to (n1 + 1)/(n1 + 2) and 1/(n0 + 2) in the place of 1 and 0, n0 and n1 the weights of the
            classes (Platt 1999, section 2.2): a little shy, and never without an optimum.

    Attributes: `slope_`, `intercept_`, `map_`, `classes_`, `n_features_in_`.

    Scores [N], [N, 1] or [N, 2]. Classes that a threshold separates, or one class alone, raise `NoFiniteOptimum`;
    scores whose best slope is not above 0 give slope 0, the share of ones, and a `CalibrationWarning`.

    Also called sigmoid calibration, logistic calibration (Platt 1999; Lin, Lin & Weng 2007, Machine Learning 68); slope
    and intercept are Cox's (1958) calibration slope and intercept.

    >>> fitted = Platt().fit([-3.0, -3.0, -3.0, 3.0, 3.0, 3.0, 3.0], [0, 0, 1, 1, 1, 1, 0])
    >>> print(fitted.map_.probabilities([-3.0, 3.0]).round(6))
    [0.333333 0.75    ]
    """

    binary = True
    tells = (("slope_", "slope"), ("intercept_", "intercept"))

    slope_: float
    intercept_: float
    map_: PlattMap

    def __init__(
        self, *, probs: bool = False, floor: float = 0.0, label_smoothing: float = 0.0, platt_targets: bool = False
    ) -> None:
        self.probs = probs
        self.floor = floor
        self.label_smoothing = label_smoothing
        self.platt_targets = platt_targets

    def _fitted(self, rows: Rows, options: dict[str, Any], frame: dict[str, Any]) -> Map:
        if options["platt_targets"]:
            zeros, ones = rows.class_weights()
            low, high = 1.0 / (zeros + 2.0), (ones + 1.0) / (ones + 2.0)
            t = low + (high - low) * rows.targets
            rows = Rows(rows.scores, t, rows.weight, rows.probs, rows.floor, True, rows.total)
        slope, intercept = fit_slopes(rows, platt_features, options["label_smoothing"])
        return PlattMap(slope=slope, intercept=intercept, **frame)


class Beta(Calibrator):
    r"""Beta calibration: z' = a log p - b log(1 - p) + c with a, b >= 0, for two classes.

    Logistic regression on log p and -log(1 - p), p = sigmoid(z), by Newton's method on the closed-form Hessian with the
    two slopes held at 0 or above, so that the order of the scores is kept. a = b is Platt's map.

    Args:
        probs, floor, label_smoothing: as in `Temperature`.

    Attributes: `a_`, `b_`, `c_`, `map_`, `classes_`, `n_features_in_`.

    Scores, errors and warnings as in `Platt`.

    Source: Kull, Silva Filho & Flach 2017 (AISTATS; Electronic Journal of Statistics 11, doi 10.1214/17-EJS1338SI),
    who clip p where this map keeps the digits of the logit.

    >>> fitted = Beta().fit([-3.0, -3.0, -3.0, 0.0, 0.0, 3.0, 3.0, 3.0, 3.0], [0, 0, 1, 0, 1, 1, 1, 1, 0])
    >>> print(fitted.map_.probabilities([-3.0, 0.0, 3.0]).round(6))
    [0.333333 0.5      0.75    ]
    """

    binary = True
    tells = (("a_", "a"), ("b_", "b"), ("c_", "c"))

    a_: float
    b_: float
    c_: float
    map_: BetaMap

    def __init__(self, *, probs: bool = False, floor: float = 0.0, label_smoothing: float = 0.0) -> None:
        self.probs = probs
        self.floor = floor
        self.label_smoothing = label_smoothing

    def _fitted(self, rows: Rows, options: dict[str, Any], frame: dict[str, Any]) -> Map:
        a, b, c = fit_slopes(rows, beta_features, options["label_smoothing"])
        return BetaMap(a=a, b=b, c=c, **frame)
