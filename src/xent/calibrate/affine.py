"""Vector and matrix scaling: a linear map of log-probabilities, by Newton's method with closed-form products."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any

import numpy as np

from xent.information import log_softmax, softmax
from xent.losses import SoftmaxCrossEntropy
from xent.objective import number

from .estimator import Calibrator
from .faults import CalibrationWarning, NoFiniteOptimum, separable
from .inputs import Rows
from .maps import FLOOR, Map, MatrixMap, VectorMap
from .newton import minimise
from .temperature import SMOOTH, best_beta

Array = Any

HELD = 1 << 25  # log-probabilities that are kept between passes (256 MiB); more are computed again
SAMPLE = 4096  # rows that precondition matrix scaling: with 100 classes a tenth of the products that none need
DENSE = 256  # classes up to which the Hessian of vector scaling and the blocks of matrix scaling's are formed


class Columns:
    """Log-probabilities in blocks, centred and scaled class by class, and the loss of what is made of them."""

    def __init__(self, rows: Rows, smoothing: float) -> None:
        self.rows, self.price = rows, SoftmaxCrossEntropy(label_smoothing=smoothing, reduction="sum")
        self.classes = rows.scores.shape[1]
        self.middle, self.scale = np.zeros(self.classes), np.ones(self.classes)
        weight, first, second = np.zeros((3, self.classes))
        self.masked = False
        for x, gone, _, w in self._logs():
            w = np.ones(len(x)) if w is None else w
            self.masked |= gone is not None
            weight, first = weight + w @ (~gone if gone is not None else np.ones_like(x)), first + w @ x
            second = second + w @ (x * x)
        weight = np.maximum(weight, 1e-300)
        self.middle = first / weight
        spread = np.sqrt(np.maximum(second / weight - self.middle**2, 0.0))
        self.scale = np.where(spread > 1e-7 * (1.0 + abs(self.middle)), spread, 1.0)
        self.held = list(self._logs()) if rows.scores.size <= HELD else None

    def _logs(self) -> Any:
        """(centred log-probabilities, 0 where a class is ruled out; which are; targets; weights or None)."""
        for z, t, w in self.rows.blocks():
            x = log_softmax(z)
            gone = np.isneginf(x)
            x = (x - self.middle) / self.scale
            yield (np.where(gone, 0.0, x), gone, t, w) if gone.any() else (x, None, t, w)

    def blocks(self) -> Any:
        return self._logs() if self.held is None else self.held

    def raw(self, matrix: Array, bias: Array) -> tuple[Array, Array]:
        """Weights of the centred columns as those of the log-probabilities; the mean bias is 0."""
        weight = matrix / self.scale
        bias = bias - weight @ self.middle
        return weight, bias - bias.mean()


class Product:
    """Multiplication by a Hessian, through that of the loss in its logits."""

    def __init__(self, problem: Any, x: Array) -> None:
        self.problem, self.x = problem, x

    @cached_property
    def precondition(self) -> Any:
        """An approximate inverse; made only where a step is taken from here."""
        return self.problem.preconditioner(self.x)

    def __call__(self, v: Array) -> Array:
        p = self.problem
        out = np.zeros_like(v)
        for x, gone, t, w in p.columns.blocks():
            arrays = {} if w is None else {"sample_weight": w}
            out += p.back(p.columns.price.hvp(p.logits(self.x, x, gone), t, p.move(v, x), **arrays), x)
        return p.penalised(out / p.columns.rows.total, v)


class Affine:
    """The mean log loss of a linear map. Abstract: `move` makes logits, `back` is its transpose."""

    def __init__(self, columns: Columns, ridge: float = 0.0) -> None:
        self.columns, self.classes, self.ridge = columns, columns.classes, ridge / columns.rows.total

    def move(self, parameters: Array, x: Array) -> Array:
        raise NotImplementedError

    def back(self, gradient: Array, x: Array) -> Array:
        raise NotImplementedError

    def hessian(self, parameters: Array) -> Any:
        return Product(self, parameters)

    def preconditioner(self, parameters: Array) -> Any:
        raise NotImplementedError

    def penalised(self, gradient: Array, parameters: Array) -> Array:
        return gradient

    def logits(self, parameters: Array, x: Array, gone: Array | None) -> Array:
        z = self.move(parameters, x)
        if gone is not None:
            z[gone] = -np.inf
        return z

    def at(self, parameters: Array) -> tuple[float, Array, Any]:
        value, gradient = 0.0, np.zeros_like(parameters)
        for x, gone, t, w in self.columns.blocks():
            arrays = {} if w is None else {"sample_weight": w}
            loss, slope = self.columns.price.value_and_grad(self.logits(parameters, x, gone), t, **arrays)
            value, gradient = value + float(loss), gradient + self.back(slope, x)
        total = self.columns.rows.total
        own = self.penalised(np.zeros_like(parameters), parameters)
        value = value / total + 0.5 * float(np.vdot(own, parameters))
        return value, gradient / total + own, self.hessian(parameters)

    def reach(self, parameters: Array, step: Array) -> float:
        most = 0.0
        for x, gone, _, _ in self.columns.blocks():
            z, moved = self.move(parameters, x), self.move(step, x)
            if gone is not None:
                z, moved = np.where(gone, 0.0, z), np.where(gone, 0.0, moved)
            most = max(most, float((np.ptp(moved, 1) / (1.0 + np.ptp(z, 1))).max()))
        return most


class Diagonal(Affine):
    """z' = a x + b, class by class; parameters (a, b), 2K of them."""

    def move(self, parameters: Array, x: Array) -> Array:
        return x * parameters[: self.classes] + parameters[self.classes :]

    def back(self, gradient: Array, x: Array) -> Array:
        return np.concatenate([np.einsum("nk,nk->k", gradient, x), gradient.sum(0)])

    def _moments(self, parameters: Array, outer: bool) -> tuple[Array, Any]:
        """Means of p x^2, p x and p, (3, K); and of q q^T with q = (p x, p), if wanted."""
        k = self.classes
        means, second = np.zeros((3, k)), np.zeros((2 * k, 2 * k)) if outer else 0.0
        for x, gone, _, w in self.columns.blocks():
            p = softmax(self.logits(parameters, x, gone))
            q = np.concatenate([p * x, p], 1)
            heavy = q if w is None else q * w[:, None]
            means += [np.einsum("nk,nk->k", heavy[:, :k], x), heavy[:, :k].sum(0), heavy[:, k:].sum(0)]
            second = second + q.T @ heavy if outer else 0.0
        return means / self.columns.rows.total, second / self.columns.rows.total

    def hessian(self, parameters: Array) -> Any:
        if self.classes > DENSE:
            return Product(self, parameters)
        k = self.classes
        (xx, x, one), second = self._moments(parameters, True)
        matrix = np.block([[np.diag(xx), np.diag(x)], [np.diag(x), np.diag(one)]]) - second
        matrix[k:, k:] += one.mean()  # a shift of all biases changes nothing: hold it
        return matrix

    def preconditioner(self, parameters: Array) -> Any:
        """The 2 x 2 blocks of the diagonal, a trifle added."""
        (xx, x, one), _ = self._moments(parameters, False)
        xx, one = xx + 1e-9 * xx.max(), one + 1e-9 * one.max()
        det = np.maximum(xx * one - x * x, 1e-12 * xx * one)

        def solve(r: Array) -> Array:
            a, b = r[: self.classes], r[self.classes :]
            return np.concatenate([(one * a - x * b) / det, (xx * b - x * a) / det])

        return solve


class Full(Affine):
    """z' = A x + b; parameters [A, b], K rows of K + 1, flat. Off the diagonal a ridge."""

    def __init__(self, columns: Columns, ridge: float) -> None:
        super().__init__(columns, ridge)
        self.penalty = self.ridge * np.hstack([1.0 - np.eye(self.classes), np.zeros((self.classes, 1))])
        self.inverse: Array | None = None

    def _split(self, parameters: Array) -> tuple[Array, Array]:
        table = parameters.reshape(self.classes, self.classes + 1)
        return table[:, :-1], table[:, -1]

    def move(self, parameters: Array, x: Array) -> Array:
        matrix, bias = self._split(parameters)
        return x @ matrix.T + bias

    def back(self, gradient: Array, x: Array) -> Array:
        return np.hstack([gradient.T @ x, gradient.sum(0)[:, None]]).reshape(-1)

    def penalised(self, gradient: Array, parameters: Array) -> Array:
        return gradient + self.penalty.reshape(-1) * parameters

    def preconditioner(self, parameters: Array) -> Any:
        """The K blocks of the Hessian's diagonal, a class each, from some rows; of many classes its diagonal. Made
        once."""
        if self.inverse is None:
            found = self._blocks(parameters)
            self.inverse = np.linalg.inv(found) if found.ndim == 3 else 1.0 / found
        inverse, rule = self.inverse, "kij,kj->ki" if self.inverse.ndim == 3 else "ki,ki->ki"
        return lambda r: np.einsum(rule, inverse, r.reshape(self.classes, -1)).reshape(-1)

    def _blocks(self, parameters: Array) -> Array:
        """(K, K + 1, K + 1), or above DENSE classes (K, K + 1), from about SAMPLE rows evenly spaced."""
        k, total = self.classes, 0.0
        found = np.zeros((k, k + 1, k + 1) if k <= DENSE else (k, k + 1))
        step = -(-len(self.columns.rows.targets) // SAMPLE)
        for x, _, _, w in self.columns.blocks():
            x, w = x[::step], np.ones(len(x[::step])) if w is None else w[::step]
            p = softmax(self.move(parameters, x))
            bend = (p * (1.0 - p) * w[:, None]).T
            wide = np.hstack([x, np.ones((len(x), 1))])
            total += float(w.sum())
            if k > DENSE:
                found += bend @ wide**2
                continue
            for c in range(k):
                found[c] += (wide.T * bend[c]) @ wide
        found /= total
        if k > DENSE:
            return found + self.penalty + 1e-3 * found.mean(1, keepdims=True)
        size = 1e-3 * np.einsum("kii->k", found) / (k + 1)
        found += np.einsum("ki,ij->kij", self.penalty + size[:, None], np.eye(k + 1))
        return found


def _fault() -> NoFiniteOptimum:
    return separable("some classes can be told apart without error, and each larger step fits better", SMOOTH)


def fit_diagonal(rows: Rows, columns: Columns, smoothing: float) -> Array:
    """(a, b) of vector scaling in the centred columns."""
    k = columns.classes
    empty = np.flatnonzero(rows.class_weights() == 0)
    if len(empty) and not smoothing:
        some = ", ".join(map(str, empty[:5])) + (", …" if len(empty) > 5 else "")
        raise separable(f"no row has class {some} for its target, and each lower bias fits better", SMOOTH)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)  # a start only
        beta = best_beta(rows, smoothing)
    start = np.concatenate([beta * columns.scale, beta * columns.middle])
    return minimise(Diagonal(columns), start, np.full(2 * k, -np.inf), _fault)[0]


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
        columns = Columns(_classes(rows), options["label_smoothing"])
        found = fit_diagonal(rows, columns, options["label_smoothing"])
        weight, bias = columns.raw(np.diag(found[: columns.classes]), found[columns.classes :])
        return VectorMap(scale=tuple(np.diag(weight).tolist()), bias=tuple(bias.tolist()), **frame)


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
        ridge: > 0. Only off the diagonal; scales and biases are free.

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
        self, *, probs: bool = False, floor: float = 0.0, label_smoothing: float = 0.0, ridge: float = 100.0
    ) -> None:
        self.probs = probs
        self.floor = floor
        self.label_smoothing = label_smoothing
        self.ridge = ridge

    def _fitted(self, rows: Rows, options: dict[str, Any], frame: dict[str, Any]) -> Map:
        ridge = number("ridge", options["ridge"], "a number > 0", lambda x: x > 0)
        columns = Columns(_classes(rows), options["label_smoothing"])
        if columns.masked:
            raise ValueError(f"`probs` or `logits` must leave every class a probability > 0 for a Matrix; {FLOOR}.")
        k = columns.classes
        found = fit_diagonal(rows, columns, options["label_smoothing"])
        start = np.hstack([np.diag(found[:k]), found[k:, None]]).reshape(-1)
        best, _ = minimise(Full(columns, ridge), start, np.full(start.size, -np.inf), _fault)
        table = best.reshape(k, k + 1)
        weight, bias = columns.raw(table[:, :-1], table[:, -1])
        return MatrixMap(weight=tuple(map(tuple, weight.tolist())), bias=tuple(bias.tolist()), **frame)
