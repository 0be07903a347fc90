"""Any shape -> what the kernels take, and back: where axes, target kinds, weights, masks and reductions end.

A kernel sees (R, L) logits of the sigmoid family or (O, K, I) of the softmax family with the class axis in the middle,
as views wherever NumPy can view them, and one weight per element or row. `Rows` says the same of both families, so
that one straight line of code (passes.py) runs every loss.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from xent import backends, tables

Array = Any
Shape = tuple[int, ...]
ALL = 0  # threads: as many as OpenMP may use


class Rows:
    """Logits, targets and weights as the kernels take them. Abstract: the two families complete it."""

    __slots__ = (
        "ignored", "law", "logits", "loss_view", "numpy", "pipe", "plain", "shape", "size", "targets", "view", "w",
        "where", "z"
    )  # fmt: skip

    numpy: Any  # the backend module
    logits: Array  # as the caller gave them
    targets: Any
    shape: Shape  # of the losses
    size: int  # how many losses
    view: Shape  # of the logits in the kernel
    loss_view: Shape  # of the losses in the kernel
    plain: bool  # every loss has weight 1
    w: Array  # weights as the kernel reads them, or None
    where: Array

    def weigh(self) -> tuple[float, int, float]:
        """(sum of effective weights, how many count, sum of their targets)."""
        raise NotImplementedError

    def run(self, scale: float, loss: Array, grad: Array, hess: Array, v: Array) -> float:
        """One fused pass; the sum of scale * losses."""
        raise NotImplementedError

    def kernel(self, a: Array) -> Array:
        """An array of the logits' shape as the kernel reads or writes it; None stays None."""
        return None if a is None else self.numpy.bits(a.reshape(self.view))


def checked(name: str, x: Any, shape: Shape, like: str) -> None:
    """ValueError unless `x` has exactly this shape."""
    if x.shape != shape:
        hint, got = "", tuple(x.shape)
        if math.prod(got) == math.prod(shape) and len(got) != len(shape):
            hint = f" Nothing is broadcast: `{name}.reshape({shape})` if that is what is meant."
        raise ValueError(f"`{name}` must have {like}, {shape}; got shape {got}.{hint}")


def position(flat: int, shape: Shape) -> tuple[int, ...]:
    """The index of a flat position."""
    return tuple(int(i) for i in np.unravel_index(flat, shape)) if shape else ()


def at(index: tuple[int, ...], noun: str) -> str:
    """` at row 3`, ` at row (2, 5)`, or nothing where there is only one."""
    return f" at {noun} {tables.show(index)}" if index else ""


def or_ignored(objective: Any) -> str:
    """How the error messages mention `ignore_index`."""
    return "" if objective.ignore_index is None else f" or `ignore_index`={objective.ignore_index}"


def class_axis(axis: int, full: Shape) -> int:
    """The class axis of logits of this shape, counted from the front; ValueError if they have none."""
    ndim = len(full)
    if not -ndim <= axis < ndim:
        raise ValueError(f"`axis` must name one of the logits' {ndim} axes; got {axis} with shape {full}.")
    axis += ndim if axis < 0 else 0
    if full[axis] == 0:
        raise ValueError(f"`logits` must have at least one class; got shape {full} with the class axis {axis}.")
    return axis


def are_ids(shape: Shape, dtype: Any, kind: str, rows: Shape, full: Shape) -> bool:
    """Whether targets of this shape are class ids rather than rows of probabilities; errors where they are neither."""
    if len(shape) == len(full):
        return False
    if shape == rows and kind == "f" and math.prod(rows) > 0:
        raise TypeError(
            f"`targets` of shape {shape} are class ids and must be integers; got {dtype}. "
            f"Soft targets have the logits' shape, {full}."
        )
    return True


def floats(logits: Any) -> tuple[Any, Array]:
    """The backend and the logits as an array it can hand to the kernels."""
    backend = backends.of(logits)
    if type(logits) is np.ndarray and logits.dtype in backend.FLOATS and logits.flags.aligned:
        return backend, logits
    return backend, backend.floating("logits", logits)


def labels(x: Any) -> Array:
    """Targets as an array the kernels read."""
    backend = backends.of(x)
    if type(x) is np.ndarray and x.dtype in backend.TARGETS and x.flags.aligned:
        return x
    return backend.targets("targets", x)


def weight_axes(name: str, x: Any, shape: Shape) -> bool:
    """Whether a weight or mask of the sigmoid family has an entry for every element, or else one per row."""
    if x.shape == shape:
        return True
    if len(shape) < 2 or x.shape != shape[:-1]:
        like = "the shape of the logits" if len(shape) < 2 else f"one entry per row, {shape[:-1]}, or the logits' shape"
        checked(name, x, shape, like)
    return False


def sparse(
    targets: tuple[Any, ...], shape: Shape, axis: int, noun: str, read: Any = labels, kind: Any = None
) -> tuple[Array, Array]:
    """The two arrays of sparse targets, checked: `shape` with the class axis as long as there are ids.

    `read` and `kind` (its `dtype.kind`) are those of the arrays' framework.
    """
    if len(targets) != 2 or any(np.ndim(x) != len(shape) for x in targets):
        raise ValueError(
            "`targets` given as a tuple must be sparse: (ids, probs), two arrays with the logits' axes, the "
            f"{noun} axis as long as there are ids in a row; got shapes {tuple(np.shape(x) for x in targets)} against "
            f"logits {shape}. For plain targets pass a list or an array."
        )
    ids, probs = read(targets[0]), read(targets[1])
    if (ids.dtype.kind if kind is None else kind(ids)) not in "iub" and math.prod(ids.shape):
        raise TypeError(f"`targets` ids must be integers; got {ids.dtype}.")
    wanted = (*shape[:axis], ids.shape[axis], *shape[axis + 1 :])
    checked("targets", ids, wanted, "ids in the shape of the logits but for the class axis")
    checked("targets", probs, tuple(ids.shape), "probs in the shape of the ids")
    return ids, probs
