"""The loss of a linear map of log-probabilities, with gradient and Hessian: what vector and matrix scaling minimise.

Two facts force the shape. A map of log-probabilities does not see a shift of the logits, and reads probabilities and
logits alike. And K classes have K (K + 1) parameters, so the Hessian of a full matrix is never formed: it is a product
through that of the loss in its logits.
"""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any

import numpy as np

from xent.information import log_softmax, softmax
from xent.losses import SoftmaxCrossEntropy

from .inputs import Rows

Array = Any

HELD = 1 << 25  # log-probabilities that are kept between passes (256 MiB); more are computed again
DENSE = 256  # classes up to which the Hessian of vector scaling and the blocks of matrix scaling's are formed


class Columns:
    """Log-probabilities in blocks, centred and scaled class by class, and the loss of what is made of them."""

    def __init__(self, rows: Rows, smoothing: float) -> None:
        self.rows, self.price = rows, SoftmaxCrossEntropy(label_smoothing=smoothing, reduction="sum")
        self.classes = rows.width
        self.held = list(self._logs()) if rows.size <= HELD else None
        self.masked = any(gone is not None for _, gone, _, _ in self._each())
        self.unit = np.max([abs(x).max(0) for x, *_ in self._each()], 0)  # before squares, which may overflow
        self.unit[self.unit == 0] = 1.0
        weight = np.maximum(self._sum(np.ones_like), 1e-300)
        self.middle = self._sum(lambda x: x / self.unit) / weight
        spread = np.sqrt(self._sum(lambda x: (x / self.unit - self.middle) ** 2) / weight)
        self.spread = np.where(spread > 1e-13, spread, 1.0)  # what does not vary keeps the slope it starts from
        if self.held is not None:
            self.held = [self._standard(*block) for block in self.held]

    def _logs(self) -> Any:
        """(log-probabilities, 0 where a class is ruled out; which are, or None; targets; weights or None)."""
        for z, t, w in self.rows.blocks():
            x = log_softmax(z)
            gone = np.isneginf(x)
            yield (np.where(gone, 0.0, x), gone, t, w) if gone.any() else (x, None, t, w)

    def _each(self) -> Any:
        return self._logs() if self.held is None else self.held

    def _sum(self, of: Any) -> Array:
        """The weighted sum of a function of each class's log-probabilities where the class is there."""
        found = np.zeros(self.classes)
        for x, gone, _, w in self._each():
            value = of(x) if gone is None else np.where(gone, 0.0, of(x))
            found += value.sum(0) if w is None else w @ value
        return found

    def _standard(self, x: Array, gone: Any, t: Array, w: Any) -> tuple[Array, Any, Array, Any]:
        x = (x / self.unit - self.middle) / self.spread
        return x if gone is None else np.where(gone, 0.0, x), gone, t, w

    def blocks(self) -> Any:
        return (self._standard(*block) for block in self._logs()) if self.held is None else self.held

    def on(self, rows: Rows) -> Columns:
        """Other rows, centred and scaled as these."""
        other = copy.copy(self)
        other.rows, other.held = rows, None
        if rows.size <= HELD:
            other.held = list(other.blocks())
        return other

    def moments(self) -> tuple[Array, Array]:
        """Weighted sums of the columns and of their squares."""
        first, second = np.zeros(self.classes), np.zeros(self.classes)
        for x, _, _, w in self.blocks():
            heavy = x if w is None else x * w[:, None]
            first, second = first + heavy.sum(0), second + np.einsum("nk,nk->k", heavy, x)
        return first, second

    def start(self, beta: float) -> Array:
        """Temperature scaling as parameters of vector scaling."""
        return np.concatenate([beta * self.unit * self.spread, beta * self.unit * self.middle])

    def raw(self, matrix: Array, bias: Array) -> tuple[Array, Array]:
        """Weights of the centred columns as those of the log-probabilities; the mean bias is 0."""
        bias = bias - matrix @ (self.middle / self.spread)
        return matrix / self.spread / self.unit, bias - bias.mean()


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
        return (*self.slope(parameters), self.hessian(parameters))

    def slope(self, parameters: Array) -> tuple[float, Array]:
        """(value, gradient), in one pass."""
        value, gradient = 0.0, np.zeros_like(parameters)
        for x, gone, t, w in self.columns.blocks():
            arrays = {} if w is None else {"sample_weight": w}
            loss, slope = self.columns.price.value_and_grad(self.logits(parameters, x, gone), t, **arrays)
            value, gradient = value + float(loss), gradient + self.back(slope, x)
        total = self.columns.rows.total
        own = self.penalised(np.zeros_like(parameters), parameters)
        return value / total + 0.5 * float(np.vdot(own, parameters)), gradient / total + own

    def curvature(self, parameters: Array) -> Any:
        """The Hessian as a matrix, where that is worth its memory; else as `hessian` has it."""
        return self.hessian(parameters)

    def on(self, rows: Rows) -> Affine:
        """The same parameters' loss on other rows."""
        other = copy.copy(self)
        other.columns = self.columns.on(rows)
        return other

    def moved(self, curvature: Any, parameters: Array, other: Affine) -> Any:
        """The curvature here, with the ridge of the other."""
        return curvature

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
