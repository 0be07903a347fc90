"""One call of a loss, whatever the family: weigh, allocate, one fused pass, reduce. A straight line, no options."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from xent import backends
from xent.backends.memory import empty
from xent.objective import Objective, divides, nothing_left
from xent.rows import Rows

Array = Any
DOUBLE = np.dtype(np.float64)
SINGLE_MOST = 2.0**128 - 2.0**103  # float32 rounds it to infinity, and NumPy would warn


def scale_of(objective: Objective, rows: Rows) -> tuple[float, float | None]:
    """(1 / denominator, the value where nothing is left to average)."""
    if objective.reduction != "mean":
        return 1.0, None
    wanted, size = objective.denominator, rows.size
    if size and wanted != "positives":
        if not isinstance(wanted, str):
            if rows.plain or objective.empty == "zero":
                return 1.0 / wanted, None
        elif rows.plain or (wanted == "elements" and objective.empty == "zero"):
            return 1.0 / size, None
    weight, count, positives = rows.weigh() if size else (0.0, 0, 0.0)
    if count == 0:
        if objective.empty == "raise":
            raise ValueError(nothing_left(size))
        return 1.0, 0.0 if objective.empty == "zero" else math.nan
    return share(objective, weight, count, positives, size), None


def share(objective: Objective, weight: float, count: int, positives: float, size: int) -> float:
    """1 / the denominator of a mean in which something counts."""
    wanted = objective.denominator
    if not isinstance(wanted, str):
        return 1.0 / wanted
    if wanted == "weight":
        divides(weight)
    return 1.0 / {"weight": weight, "count": count, "elements": size, "positives": max(1.0, positives)}[wanted]


def fresh(rows: Rows, shape: tuple[int, ...], view: tuple[int, ...], out: Any, *others: Array) -> tuple[Array, Array]:
    """(what the caller gets, what the kernel fills): the same array but for an `out` without the kernel's view."""
    logits, targets = rows.logits, rows.targets
    if out is None:
        # a matrix keeps the order of the logits; anything else is C order, which always has the kernel's view
        across = len(shape) == 2 and shape == logits.shape and abs(logits.strides[0]) < abs(logits.strides[1])
        made = empty(shape, logits.dtype, "F" if across else "C")
        return made, made
    inputs = (logits, *(targets if type(targets) is tuple else (targets,)), rows.w, rows.where, *others)
    rows.numpy.buffer("out", out, shape, logits.dtype, inputs)
    seen = out.size == 0 or np.may_share_memory(out, out.reshape(view))
    return out, out if seen else np.empty(shape, logits.dtype)


def reduced(rows: Rows, total: float, instead: float | None) -> Any:
    """The value as a scalar of the result's dtype."""
    if instead is not None:
        total = instead
    if rows.logits.dtype == DOUBLE:
        return np.float64(total)
    return np.float32(total if not abs(total) >= SINGLE_MOST else math.copysign(math.inf, total))


def settle(pair: tuple[Array, Array]) -> Array:
    """The caller's array, filled."""
    out, filled = pair
    if out is not filled:
        out[...] = filled
    return out


class Loss(Objective):
    """The four ways to call a loss. Abstract: the families say how arrays become rows.

    `arrays` are what travels with a call: `sample_weight`, `where`, and any option that has one number per class.
    """

    def rows(self, logits: Any, targets: Any, arrays: dict[str, Any]) -> Rows:
        """The arrays as the kernels take them."""
        raise NotImplementedError

    def __call__(self, logits: Any, targets: Any, *, out: Any = None, **arrays: Any) -> Any:
        """The loss in nats; with `reduction="none"` all losses in the logits' dtype, in `out` if given."""
        if type(logits) is not np.ndarray and (other := backends.foreign(logits)) is not None:
            return other.loss(self, logits, targets, arrays, out)
        rows = self.rows(logits, targets, arrays)
        if self.reduction == "none":
            losses = fresh(rows, rows.shape, rows.loss_view, out)
            if rows.size:
                rows.run(1.0, losses[1], None, None, None)
            return settle(losses)
        if out is not None:
            raise ValueError(f"`out` takes the losses of `reduction`='none'; got it with {self.reduction!r}.")
        scale, instead = scale_of(self, rows)
        total = rows.run(scale, None, None, None, None) if rows.size else 0.0
        return reduced(rows, total, instead)

    def value_and_grad(self, logits: Any, targets: Any, *, out: Any = None, **arrays: Any) -> tuple[Any, Array]:
        """(value, gradient) in one fused pass; the gradient has the logits' shape and dtype, and lies in `out` if
        given.

        With `reduction="none"` the value is all losses, and the gradient that of their sum.
        """
        if type(logits) is not np.ndarray and (other := backends.foreign(logits)) is not None:
            pair: tuple[Any, Array] = other.value_and_grad(self, logits, targets, arrays, out)
            return pair
        rows = self.rows(logits, targets, arrays)
        scale, instead = scale_of(self, rows)
        grad = fresh(rows, rows.logits.shape, rows.view, out)
        losses = empty(rows.shape, rows.logits.dtype) if self.reduction == "none" else None
        total = rows.run(scale, losses, grad[1], None, None) if rows.size else 0.0
        return reduced(rows, total, instead) if losses is None else losses, settle(grad)

    def grad_and_hess(self, logits: Any, targets: Any, *, out: Any = None, **arrays: Any) -> tuple[Array, Array]:
        """(gradient, diagonal of the Hessian) of the value in one fused pass, in the pair of buffers `out` if given.

        Boosting wants every element's own derivatives, undivided: `reduction="sum"` or "none".
        """
        if type(logits) is not np.ndarray and (other := backends.foreign(logits)) is not None:
            pair: tuple[Array, Array] = other.grad_and_hess(self, logits, targets, arrays, out)
            return pair
        if out is not None and (not isinstance(out, tuple) or len(out) != 2):
            raise TypeError(f"`out` must be a pair of buffers (gradient, hessian); got {type(out).__name__}.")
        rows = self.rows(logits, targets, arrays)
        scale, _ = scale_of(self, rows)
        first, second = out or (None, None)
        grad = fresh(rows, rows.logits.shape, rows.view, first)
        hess = fresh(rows, rows.logits.shape, rows.view, second, first)
        if rows.size:
            rows.run(scale, None, grad[1], hess[1], None)
        return settle(grad), settle(hess)

    def hvp(self, logits: Any, targets: Any, v: Any, *, out: Any = None, **arrays: Any) -> Array:
        """The Hessian of the value times `v`, which has the logits' shape; in `out` if given."""
        if type(logits) is not np.ndarray and (other := backends.foreign(logits)) is not None:
            return other.hvp(self, logits, targets, v, arrays, out)
        rows = self.rows(logits, targets, arrays)
        v = backends.of(v).floating("v", v)
        if v.shape != rows.logits.shape:
            raise ValueError(f"`v` must have the shape of the logits, {rows.logits.shape}; got shape {v.shape}.")
        scale, _ = scale_of(self, rows)
        product = fresh(rows, rows.logits.shape, rows.view, out, v)
        if rows.size:
            rows.run(scale, None, None, product[1], v)
        return settle(product)
