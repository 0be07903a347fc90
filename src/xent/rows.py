"""Any shape -> what the kernels take, and back: where axes, target kinds, weights, masks and reductions end.

A kernel sees (R, L) logits of the sigmoid family or (O, K, I) of the softmax family with the class axis in the middle,
as views wherever NumPy can view them, and one weight per element or row. `Rows` says the same of both families, so
that one straight line of code (passes.py) runs every loss.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from xent import _kernels, backends, tables
from xent.objective import SigmoidObjective, SoftmaxObjective

Array = Any
Shape = tuple[int, ...]


class Rows:
    """Logits, targets and weights as the kernels take them. Abstract: the two families complete it."""

    __slots__ = (
        "ignored", "law", "logits", "loss_view", "numpy", "pipe", "plain", "shape", "size", "targets", "view", "w", "where", "z"
    )  # fmt: skip

    numpy: Any  # the backend module
    logits: Array  # as the caller gave them
    targets: Any
    shape: Shape  # of the losses
    size: int  # how many losses
    view: Shape  # of the logits in the kernel
    loss_view: Shape  # of the losses in the kernel
    plain: bool  # every loss has weight 1

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
        hint = ""
        if x.size == math.prod(shape) and x.ndim != len(shape):
            hint = f" Nothing is broadcast: `{name}.reshape({shape})` if that is what is meant."
        raise ValueError(f"`{name}` must have {like}, {shape}; got shape {x.shape}.{hint}")


def position(flat: int, shape: Shape) -> tuple[int, ...]:
    """The index of a flat position."""
    return tuple(int(i) for i in np.unravel_index(flat, shape)) if shape else ()


def at(index: tuple[int, ...], noun: str) -> str:
    """` at row 3`, ` at row (2, 5)`, or nothing where there is only one."""
    return f" at {noun} {tables.show(index)}" if index else ""


def or_ignored(objective: Any) -> str:
    """How the error messages mention `ignore_index`."""
    return "" if objective.ignore_index is None else f" or `ignore_index`={objective.ignore_index}"


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


# ---------------------------------------------------------------------------------------------- sigmoid family


class SigmoidRows(Rows):
    """Every element its own row: (R, L), or (1, size) where labels do not matter."""

    __slots__ = ("objective", "table", "t")

    def __init__(
        self,
        objective: SigmoidObjective,
        logits: Any,
        targets: Any,
        sample_weight: Any,
        where: Any,
        arrays: tables.Given,
    ) -> None:
        self.objective, self.ignored, self.law = objective, objective.ignored, objective.law
        self.numpy, z = floats(logits)
        shape = z.shape
        count = shape[-1] if len(shape) > 1 else 1
        self.table, unequal, self.pipe = tables.sigmoid(objective, arrays, count, len(shape) < 2)
        t = scattered(targets, shape) if type(targets) is tuple else labels(targets)
        if t.shape != shape:
            checked("targets", t, shape, "the shape of the logits")
        by_label = self.table.shape[1] > 1 or (
            self.pipe is not None and self.pipe[0] is not None and len(self.pipe[0]) > 1
        )
        flat = not by_label and z.flags.c_contiguous and t.flags.c_contiguous
        w = mask = None
        if sample_weight is not None:
            w, whole = weight_of("sample_weight", sample_weight, shape)
            flat = flat and whole and w.flags.c_contiguous
        if where is not None:
            mask, whole = weight_of("where", where, shape)
            flat = flat and whole and mask.flags.c_contiguous
        self.size = z.size
        self.view = self.loss_view = view = (
            (1, self.size) if flat or len(shape) < 2 else (self.size // count if count else 0, count)
        )
        self.logits, self.targets, self.shape = z, targets, shape
        self.z, self.t = self.numpy.bits(z.reshape(view)), t.reshape(view)
        self.w = w if w is None else spread(w, shape).reshape(view)
        self.where = mask if mask is None else spread(mask, shape).reshape(view)
        self.plain = w is None and mask is None and not unequal and not self.ignored

    def weigh(self) -> tuple[float, int, float]:
        weight, count, positives, bad = _kernels.weigh_sigmoid(
            self.t, self.w, self.where, self.ignored, self.table, self.numpy.max_threads()
        )
        if bad >= 0:
            self.complain(bad)
        return weight, count, positives

    def run(self, scale: float, loss: Array, grad: Array, hess: Array, v: Array) -> float:
        total, bad = _kernels.sigmoid(
            self.z, self.t, self.w, self.where, self.ignored, self.table, self.law, self.pipe, scale,
            self.kernel(loss), self.kernel(grad), self.kernel(hess), self.kernel(v), self.numpy.max_threads(),
        )  # fmt: skip
        if bad >= 0:
            self.complain(bad)
        return total

    def complain(self, bad: int) -> None:
        """The error for the target at this flat index."""
        value = self.t.reshape(-1)[bad] if self.t.shape[0] == 1 else self.t[bad // self.view[1], bad % self.view[1]]
        raise ValueError(
            f"`targets` must lie in [0, 1]{or_ignored(self.objective)}; got {value}{at(position(bad, self.shape), 'index')}."
        )


def weight_of(name: str, x: Any, shape: Shape) -> tuple[Array, bool]:
    """`sample_weight` or `where` of the sigmoid family, and whether it has an entry for every element."""
    backend = backends.of(x)
    a = backend.mask(name, x) if name == "where" else backend.weights(name, x)
    if a.shape == shape:
        return a, True
    if len(shape) < 2 or a.shape != shape[:-1]:
        like = "the shape of the logits" if len(shape) < 2 else f"one entry per row, {shape[:-1]}, or the logits' shape"
        checked(name, a, shape, like)
    return a, False


def spread(a: Array, shape: Shape) -> Array:
    """Row weights over the labels, without a copy."""
    return a if a.shape == shape else np.broadcast_to(a[..., None], shape)


def sparse(targets: tuple, shape: Shape, axis: int, classes: int, noun: str) -> tuple[Array, Array]:
    """The two arrays of sparse targets, checked: `shape` with the class axis as long as there are ids."""
    if len(targets) != 2 or any(np.ndim(x) != len(shape) for x in targets):
        raise ValueError(
            "`targets` given as a tuple must be sparse: (ids, probs), two arrays with the logits' axes, the "
            f"{noun} axis as long as there are ids in a row; got shapes {tuple(np.shape(x) for x in targets)} against logits "
            f"{shape}. For plain targets pass a list or an array."
        )
    ids, probs = labels(targets[0]), labels(targets[1])
    if ids.dtype.kind not in "iub" and ids.size:
        raise TypeError(f"`targets` ids must be integers; got {ids.dtype}.")
    wanted = (*shape[:axis], ids.shape[axis], *shape[axis + 1 :])
    checked("targets", ids, wanted, "ids in the shape of the logits but for the class axis")
    checked("targets", probs, ids.shape, "probs in the shape of the ids")
    return ids, probs


def scattered(targets: tuple, shape: Shape) -> Array:
    """Sparse targets of the sigmoid family as a dense array; labels not named are 0, ids named twice add."""
    if not shape:
        raise ValueError("`targets` given as a tuple is sparse, which needs a label axis; got a single logit.")
    count = shape[-1]
    ids, probs = sparse(targets, shape, len(shape) - 1, count, "label")
    wrong = (ids < 0) | (ids >= count)
    if wrong.any():
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"`targets` must hold label ids in [0, {count}); got {ids[index]} at row {tables.show(index[:-1])}."
        )
    dense = np.zeros((math.prod(shape[:-1]), count), np.float64)
    flat = ids.reshape(len(dense), -1).astype(np.int64)
    np.add.at(dense, (np.arange(len(dense))[:, None], flat), probs.reshape(flat.shape))
    return dense.reshape(shape)


# ---------------------------------------------------------------------------------------------- softmax family


class SoftmaxRows(Rows):
    """One class of K: (O, K, I), whatever the class axis."""

    __slots__ = ("class_loss", "class_weight", "kind", "objective", "prior", "t")

    def __init__(
        self,
        objective: SoftmaxObjective,
        logits: Any,
        targets: Any,
        sample_weight: Any,
        where: Any,
        arrays: tables.Given,
    ) -> None:
        self.objective, self.ignored, self.law = objective, objective.ignored, objective.law
        self.numpy, z = floats(logits)
        full, axis, ndim = z.shape, objective.axis, z.ndim
        if not -ndim <= axis < ndim:
            raise ValueError(f"`axis` must name one of the logits' {ndim} axes; got {axis} with shape {full}.")
        axis += ndim if axis < 0 else 0
        classes = full[axis]
        if classes == 0:
            raise ValueError(f"`logits` must have at least one class; got shape {full} with the class axis {axis}.")
        self.shape = shape = full[:axis] + full[axis + 1 :]
        outer, inner = math.prod(full[:axis]), math.prod(full[axis + 1 :])
        self.size, self.view, self.loss_view = outer * inner, (outer, classes, inner), (outer, inner)
        self.class_loss, self.class_weight, self.prior, self.pipe = tables.softmax(objective, arrays, classes)
        self.t = self.read_targets(targets, full, axis)
        self.logits, self.targets = z, targets
        self.z = self.numpy.bits(z.reshape(self.view))
        self.w = self.where = None
        if sample_weight is not None:
            w = backends.of(sample_weight).weights("sample_weight", sample_weight)
            checked("sample_weight", w, shape, "one entry per row")
            self.w = w.reshape(outer, inner)
        if where is not None:
            mask = backends.of(where).mask("where", where)
            checked("where", mask, shape, "one entry per row")
            self.where = mask.reshape(outer, inner)
        ids = self.kind == "ids"
        self.plain = ids and self.w is None and self.where is None and self.class_weight is None and not self.ignored

    def read_targets(self, targets: Any, full: Shape, axis: int) -> Any:
        """Class ids (O, I), dense (O, K, I), or a pair of sparse (O, S, I)."""
        outer, classes, inner = self.view
        if type(targets) is tuple:
            self.kind = "sparse"
            pair = sparse(targets, full, axis, classes, "class")
            return tuple(x.reshape(outer, x.shape[axis], inner) for x in pair)
        t = labels(targets)
        if t.ndim == len(full):
            self.kind = "dense"
            if t.shape != full:
                checked("targets", t, full, "the shape of the logits, or one class id per row")
            return t.reshape(self.view)
        self.kind = "ids"
        if t.shape != self.shape:
            checked("targets", t, self.shape, "one class id per row")
        if t.dtype.kind == "f":
            if t.size:
                raise TypeError(
                    f"`targets` of shape {t.shape} are class ids and must be integers; got {t.dtype}. "
                    f"Soft targets have the logits' shape, {full}."
                )
            t = t.astype(np.int64)
        return t.reshape(outer, inner)

    def weigh(self) -> tuple[float, int, float]:
        weight, count, bad = _kernels.weigh_softmax(
            self.view[1], self.t, self.w, self.where, self.ignored, self.class_weight, self.numpy.max_threads()
        )
        if bad >= 0:
            self.complain(bad)
        return weight, count, math.nan

    def run(self, scale: float, loss: Array, grad: Array, hess: Array, v: Array) -> float:
        objective = self.objective
        rows = None if loss is None else self.numpy.bits(loss.reshape(self.loss_view))
        total, bad = _kernels.softmax(
            self.z, self.t, self.w, self.where, self.ignored, self.class_loss, self.class_weight,
            objective.label_smoothing, self.prior, objective.z_loss, self.law, self.pipe, scale,
            rows, self.kernel(grad), self.kernel(hess), self.kernel(v), self.numpy.max_threads(),
        )  # fmt: skip
        if bad >= 0:
            self.complain(bad)
        return total

    def complain(self, bad: int) -> None:
        """The error for the row at this flat index."""
        o, i = divmod(bad, self.view[2])
        where = at(position(bad, self.shape), "row")
        rule = f"class ids in [0, {self.view[1]}){or_ignored(self.objective)}"
        if self.kind == "ids":
            raise ValueError(f"`targets` must hold {rule}; got {self.t[o, i]}{where}.")
        if self.kind == "sparse":
            ids = self.t[0][o, :, i]
            wrong = ids[(ids < 0) | (ids >= self.view[1])]
            if wrong.size:
                raise ValueError(f"`targets` must hold {rule}; got {wrong[0]}{where}.")
        row = (self.t[1] if self.kind == "sparse" else self.t)[o, :, i]
        k = int(np.argmax(~((row >= 0) & (row <= 1))))
        raise ValueError(
            f"`targets` must lie in [0, 1]{or_ignored(self.objective)}; got {row[k]} for class {k}{where}."
        )
