"""The loss of a full linear map of log-probabilities: what matrix scaling minimises, with a ridge off the diagonal."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from xent.information import softmax

from .inputs import Rows
from .linear import DENSE, Affine, Columns

Array = Any

SAMPLE = 4096  # rows that precondition matrix scaling: with 100 classes a tenth of the products that none need
SQUARE = 32  # classes up to which the Hessian of matrix scaling is formed: 1056 x 1056 there


class Full(Affine):
    """z' = A x + b; parameters [A, b], K rows of K + 1, flat. Off the diagonal a ridge."""

    def __init__(self, columns: Columns, ridge: float) -> None:
        super().__init__(columns, ridge)
        self._hold(self.ridge, 1.0)

    def _hold(self, ridge: float, variance: Any) -> None:
        """Sets the ridge, for columns of this variance."""
        self.ridge = ridge
        self.penalty = ridge * np.hstack([(1.0 - np.eye(self.classes)) * variance, np.zeros((self.classes, 1))])
        self.inverse: Array | None = None

    def on(self, rows: Rows) -> Full:
        """The ridge is that of the other rows' number and spread."""
        other = super().on(rows)
        assert isinstance(other, Full)
        mean, square = (m / rows.total for m in other.columns.moments())
        other._hold(self.ridge * (self.columns.rows.total / rows.total), square - mean * mean)
        return other

    def moved(self, curvature: Any, parameters: Array, other: Affine) -> Any:
        assert isinstance(other, Full)
        if isinstance(curvature, np.ndarray):
            return curvature + np.diag((other.penalty - self.penalty).reshape(-1))
        here = copy.copy(self)
        here.penalty, here.inverse = other.penalty, None
        return here.curvature(parameters)

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

    def curvature(self, parameters: Array) -> Any:
        k = self.classes
        if k > SQUARE:
            return self.hessian(parameters)
        size, found, own = k * (k + 1), np.zeros((k * (k + 1),) * 2), np.zeros((k, k + 1, k + 1))
        step = max(1, (1 << 20) // size)
        for x, _, _, w in self.columns.blocks():
            for start in range(0, len(x), step):
                some = x[start : start + step]
                p = softmax(self.move(parameters, some))
                heavy = p if w is None else p * w[start : start + step, None]
                wide = np.hstack([some, np.ones((len(some), 1))])
                outer = (p[:, :, None] * wide[:, None, :]).reshape(len(some), size)
                found -= outer.T @ (heavy[:, :, None] * wide[:, None, :]).reshape(len(some), size)
                for c in range(k):
                    own[c] += (wide.T * heavy[:, c]) @ wide
        blocks = found.reshape(k, k + 1, k, k + 1)
        blocks[range(k), :, range(k), :] += own
        found /= self.columns.rows.total
        blocks[:, k, :, k] += np.trace(blocks[:, k, :, k]) / k  # a shift of all biases changes nothing: hold it
        return found + np.diag(self.penalty.reshape(-1))

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
