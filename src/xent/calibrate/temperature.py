"""Temperature scaling: one number, convex in beta = 1/T."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from xent.losses import SigmoidCrossEntropy, SoftmaxCrossEntropy

from .estimator import Calibrator
from .faults import CalibrationWarning, separable
from .inputs import Rows
from .maps import Map, TemperatureMap
from .newton import GAIN, root

Array = Any
NEAR = 8  # Newton steps; from a start within 1e-3 one or two are needed
SMOOTH = "Leave it as it is, or fit with `label_smoothing` (1 / number of rows, say), which always has an optimum"


class Slope:
    """The derivative in beta of the log loss of beta z, and its own, summed over the rows in one pass.

    surveyed: finds `unit` and `slack` in a pass of its own; else the logits are taken as they are.
    """

    def __init__(self, rows: Rows, smoothing: float, surveyed: bool = True) -> None:
        kind = SigmoidCrossEntropy if rows.binary else SoftmaxCrossEntropy
        self.rows, self.price = rows, kind(label_smoothing=smoothing, reduction="sum")
        self.unit, self.slack = self._survey(smoothing) if surveyed else (1.0, 1.0)

    def _centred(self, z: Array) -> tuple[Array, Array | None]:
        """Logits with the row's largest at 0, which changes no loss and keeps digits; and which are ruled out."""
        if self.rows.binary:
            return z, None
        z = z - z.max(1, keepdims=True)
        gone = np.isneginf(z)
        return (np.where(gone, 0.0, z), gone) if gone.any() else (z, None)

    def _survey(self, smoothing: float) -> tuple[float, float]:
        """(a power of 2 that makes the logits at most 1, the slope at beta = inf times its reciprocal).

        The second is 0 where every row has all its mass on the top: more beta is always better.
        """
        most, slack = 0.0, 1.0 if smoothing else 0.0
        for z, t, w in self.rows.blocks():
            x, _ = self._centred(z)
            most = max(most, float(abs(x).max(initial=0.0)))
            if self.rows.binary:
                lost = np.where(x > 0, 1.0 - t, t) * abs(x)
            else:
                lost = -(x[np.arange(len(x)), t] if t.ndim == 1 else (t * x).sum(1))
            slack = max(slack, float((lost if w is None else lost[w > 0]).max(initial=0.0)))
        return (math.ldexp(1.0, -math.frexp(most)[1]) if most else 0.0), slack

    def __call__(self, beta: float) -> tuple[float, float]:
        first = second = 0.0
        for z, t, w in self.rows.blocks():
            x, gone = self._centred(z)
            x = x * self.unit
            scaled = beta * x
            arrays = {} if w is None else {"sample_weight": w}
            if self.rows.binary:
                slope, bend = self.price.grad_and_hess(scaled, t, **arrays)
                first, second = first + float(slope @ x), second + float(bend @ (x * x))
                continue
            if gone is not None:
                scaled[gone] = -np.inf
            _, slope = self.price.value_and_grad(scaled, t, **arrays)
            first += float(np.vdot(slope, x))
            second += float(np.vdot(self.price.hvp(scaled, t, x, **arrays), x))
        return first, second


def near_beta(rows: Rows, beta: float) -> float:
    """The inverse temperature of least log loss, from one that is near: a pass over the rows for each Newton step."""
    slope = Slope(rows, 0.0, surveyed=False)
    for _ in range(NEAR):
        first, second = slope(beta)
        if not second > 0.0:
            return beta
        beta = max(beta - first / second, 0.0)
        if first * first / second <= GAIN * rows.total:
            break
    return beta


def best_beta(rows: Rows, smoothing: float) -> float:
    """The inverse temperature of least log loss, >= 0."""
    slope = Slope(rows, smoothing)
    if slope.unit == 0.0:
        _warn("the logits of every row are equal, so no temperature changes anything; beta stays 1")
        return 1.0
    if slope.slack == 0.0:
        raise separable("every row has its target on top, and each lower temperature fits better than the last", SMOOTH)
    if slope(0.0)[0] >= 0.0:
        _warn(
            "the logits are anti-informative: on these rows no temperature beats knowing nothing, and the best one is "
            "infinite (beta = 0: every class equally likely). Do the columns stand in the order of the class ids?"
        )
        return 0.0
    return root(slope) * slope.unit


def _warn(message: str) -> None:
    warnings.warn(message, CalibrationWarning, stacklevel=5)


class Temperature(Calibrator):
    r"""Temperature scaling: z' = z / T, one number for all classes, fitted by maximum likelihood.

    .. math:: \min_{\beta \ge 0} \sum_i w_i\,(\mathrm{lse}(\beta z_i) - \beta z_{i y_i}), \qquad T = 1/\beta

    convex in beta, solved by a safeguarded Newton method on the closed-form slope far below 1e-9 nats from the optimum.
    The order of the classes in a row never changes.

    Args:
        probs: scores are probabilities, read as log p or log p - log(1 - p).
        floor: the least probability believed, applied before the map (0: none; then p = 0 on the truth is an error).
        label_smoothing: fits to (1 - eps) t + eps / K.

    Attributes: `beta_` = 1/T, `temperature_` (inf where beta is 0), `map_`, `classes_`, `n_features_in_`.

    Scores, targets and weights as in `fit`. Scores that carry nothing (best beta 0) give beta 0 and a
    `CalibrationWarning`; a target on top in every row has no finite optimum and raises `NoFiniteOptimum`.

    Also called softmax temperature, confidence scaling (Guo et al. 2017, arXiv:1706.04599, section 4.2).

    >>> logits, targets = [[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]], [0, 0, 0, 1]
    >>> fitted = Temperature().fit(logits, targets)
    >>> print(f"{fitted.temperature_:.6f}", fitted.predict_proba(logits)[0].round(6))
    3.640957 [0.75 0.25]
    """

    tells = (("beta_", "beta"),)

    beta_: float
    map_: TemperatureMap

    def __init__(self, *, probs: bool = False, floor: float = 0.0, label_smoothing: float = 0.0) -> None:
        self.probs = probs
        self.floor = floor
        self.label_smoothing = label_smoothing

    @property
    def temperature_(self) -> float:
        self._map()
        return 1.0 / self.beta_ if self.beta_ else math.inf

    def _fitted(self, rows: Rows, options: dict[str, Any], frame: dict[str, Any]) -> Map:
        return TemperatureMap(beta=best_beta(rows, options["label_smoothing"]), **frame)
