"""Vector and matrix scaling: a linear map of log-probabilities, by Newton's method with closed-form Hessians."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from xent.objective import number

from .estimator import Calibrator
from .faults import CalibrationWarning, NoFiniteOptimum, separable
from .full import SQUARE, Full
from .inputs import Rows
from .linear import DENSE, Affine, Columns, Diagonal
from .maps import FLOOR, Map, MatrixMap, VectorMap
from .newton import GAIN, chord, minimise
from .temperature import SMOOTH, best_beta

Array = Any


def _fault() -> NoFiniteOptimum:
    return separable("some classes can be told apart without error, and each larger step fits better", SMOOTH)


@dataclass(frozen=True)
class Solved:
    """A linear map at the least loss of its rows: parameters x of `loss`, which can be solved again for other rows."""

    loss: Affine
    x: Array

    @cached_property
    def curvature(self) -> Any:
        """The Hessian at x, made once."""
        return self.loss.curvature(self.x)

    def again(self, rows: Rows, *, dear: bool = False) -> Array | None:
        """The optimum for rows like these, from here; None where it has to be sought from the start.

        Within 1e-11 nats. dear: a pass over the rows costs so much that the Hessian is not made of them.
        """
        if (rows.class_weights() == 0).any() and not self.loss.columns.price.label_smoothing:
            return None
        other = self.loss.on(rows)
        here = self.loss.moved(self.curvature, self.x, other)
        return chord(other, here, self.x, renew=not dear, enough=GAIN)

    def map(self, x: Array, frame: dict[str, Any]) -> VectorMap | MatrixMap:
        """The map that parameters stand for."""
        k, columns = self.loss.classes, self.loss.columns
        if isinstance(self.loss, Full):
            table = x.reshape(k, k + 1)
            weight, bias = columns.raw(table[:, :-1], table[:, -1])
            return MatrixMap(weight=tuple(map(tuple, weight.tolist())), bias=tuple(bias.tolist()), **frame)
        weight, bias = columns.raw(np.diag(x[:k]), x[k:])
        return VectorMap(scale=tuple(np.diag(weight).tolist()), bias=tuple(bias.tolist()), **frame)


def solved(
    rows: Rows, smoothing: float, ridge: float | None, *, beta: float | None = None, vector: Array | None = None
) -> Solved:
    """Vector scaling of some rows, or with a ridge matrix scaling; from a temperature, or a vector scaling of the same
    rows, where one is known."""
    columns = Columns(_classes(rows), smoothing)
    if ridge is not None and columns.masked:
        raise ValueError(f"`probs` or `logits` must leave every class a probability > 0 for a Matrix; {FLOOR}.")
    k = columns.classes
    _refuse_empty(rows, smoothing)
    if vector is None:
        start = columns.start(_start(rows, smoothing) if beta is None else beta)
        vector = _least(Diagonal(columns), start, k <= DENSE)
    if ridge is None:
        return Solved(Diagonal(columns), vector)
    start = np.hstack([np.diag(vector[:k]), vector[k:, None]]).reshape(-1)
    full = Full(columns, ridge)
    return Solved(full, _least(full, start, k <= SQUARE))


def _least(f: Affine, start: Array, formed: bool) -> Array:
    """Where f is least; `formed`: its Hessian is a matrix, worth keeping for many steps."""
    best = chord(f, f.curvature(start), start) if formed else None
    return minimise(f, start, np.full(start.size, -np.inf), _fault)[0] if best is None else best


def _refuse_empty(rows: Rows, smoothing: float) -> None:
    empty = np.flatnonzero(rows.class_weights() == 0)
    if len(empty) and not smoothing:
        some = ", ".join(map(str, empty[:5])) + (", …" if len(empty) > 5 else "")
        raise separable(f"no row has class {some} for its target, and each lower bias fits better", SMOOTH)


def _start(rows: Rows, smoothing: float) -> float:
    """The inverse temperature to start from."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)  # a start only
        beta = best_beta(rows, smoothing)
    if beta == 0.0:
        warnings.warn(
            "the logits are anti-informative: no temperature beats knowing nothing, and what this map finds in them "
            "may turn their order around. Do the columns stand in the order of the class ids?",
            CalibrationWarning,
            stacklevel=5,
        )
    return beta


class Vector(Calibrator):
    r"""Vector scaling: z'_k = scale_k log p_k + bias_k, two numbers a class.

    .. math:: \min \sum_i w_i\,(\mathrm{lse}(z'_i) - z'_{i y_i}), \qquad \sum_k bias_k = 0

    by Newton's method, the Hessian in closed form (through products with it above 256 classes). It acts on
    log-probabilities, so a shift of a row's logits changes nothing, and logits and their softmax give the same map.
    Temperature is the case of one scale and no bias.

    Args:
        probs, floor, label_smoothing: as in `Temperature`.

    Attributes: `scale_` (K,), `bias_` (K,), `map_`, `classes_`, `n_features_in_`.

    Scores [N, K], K >= 2. A class that no row has, or that is told apart without error, raises `NoFiniteOptimum`. A
    class at probability 0 stays there. Scales may come out negative for classes with few rows.

    Also called diagonal Dirichlet calibration (Guo et al. 2017, arXiv:1706.04599, section 4.2, on logits; Kull et al.
    2019, arXiv:1910.12656, on log-probabilities).

    >>> logits = [[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.0, 2.0], [0.0, 2.0], [0.0, 2.0]]
    >>> fitted = Vector().fit(logits, [0, 0, 1, 1, 1, 1, 0])
    >>> print(fitted.predict_proba(logits)[[0, -1], 0].round(6))
    [0.666667 0.25    ]
    """

    tells = (("scale_", "scale"), ("bias_", "bias"))

    scale_: Array
    bias_: Array
    map_: VectorMap

    def __init__(self, *, probs: bool = False, floor: float = 0.0, label_smoothing: float = 0.0) -> None:
        self.probs = probs
        self.floor = floor
        self.label_smoothing = label_smoothing

    def _fitted(self, rows: Rows, options: dict[str, Any], frame: dict[str, Any]) -> Map:
        found = solved(rows, options["label_smoothing"], None)
        return found.map(found.x, frame)


def _classes(rows: Rows) -> Rows:
    if rows.binary:
        raise ValueError(
            f"`{'probs' if rows.probs else 'logits'}` must have one column per class, (N, K), for this map; got one "
            "score a row. For those: Temperature, Platt, Beta or Isotonic."
        )
    return rows


class Matrix(Calibrator):
    r"""Matrix scaling: z' = W log p + b, K (K + 1) numbers, with a ridge on what couples the classes.

    .. math:: \min \sum_i w_i\,(\mathrm{lse}(z'_i) - z'_{i y_i}) + \tfrac{ridge}{2} \sum_{j \ne k} (W_{jk} s_k)^2

    with s_k the standard deviation of log p_k: a prior of standard deviation 1/sqrt(ridge) for what one class's spread
    does to another. ridge = inf is `Vector`. Newton's method with products by the closed-form Hessian (conjugate
    gradients); no SciPy.

    Args:
        probs, floor, label_smoothing: as in `Temperature`.
        ridge: > 0. Only off the diagonal; scales and biases are free. The default has the largest gain, or is within
            0.001 nats of it, among 10, 30, 100, 300, 1000, 3000 on the four CIFAR models of docs/calibration.md.

    Attributes: `weight_` (K, K), `bias_` (K,), `map_`, `classes_`, `n_features_in_`.

    Scores [N, K], K >= 2, without a probability of 0 (or with `floor`). Errors as in `Vector`.

    Also called Dirichlet calibration (Kull et al. 2019, arXiv:1910.12656, whose ODIR also holds the off-diagonal; Guo
    et al. 2017, arXiv:1706.04599, section 4.2, on logits and unregularised).

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> logits = rng.normal(size=(500, 3))
    >>> targets = (logits + rng.gumbel(size=(500, 3))).argmax(1)
    >>> f"{Vector().fit(logits, targets).score(logits, targets):.6f}"
    '-0.858393'
    >>> f"{Matrix(ridge=1e9).fit(logits, targets).score(logits, targets):.6f}"
    '-0.858393'
    """

    tells = (("weight_", "weight"), ("bias_", "bias"))

    weight_: Array
    bias_: Array
    map_: MatrixMap

    def __init__(
        self, *, probs: bool = False, floor: float = 0.0, label_smoothing: float = 0.0, ridge: float = 30.0
    ) -> None:
        self.probs = probs
        self.floor = floor
        self.label_smoothing = label_smoothing
        self.ridge = ridge

    def _fitted(self, rows: Rows, options: dict[str, Any], frame: dict[str, Any]) -> Map:
        ridge = number("ridge", options["ridge"], "a number > 0", lambda x: x > 0)
        found = solved(rows, options["label_smoothing"], ridge)
        return found.map(found.x, frame)
