"""Rows of the softmax family: one class of K, whatever the class axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from xent import _kernels, backends, tables
from xent.objective import SoftmaxObjective
from xent.rows.shapes import (
    ALL,
    Array,
    Rows,
    Shape,
    are_ids,
    at,
    checked,
    class_axis,
    floats,
    labels,
    or_ignored,
    position,
    sparse,
)


class SoftmaxRows(Rows):
    """One class of K: (O, K, I), whatever the class axis."""

    __slots__ = ("class_loss", "class_weight", "given", "kind", "objective", "prior", "t")

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
        full = z.shape
        axis = class_axis(objective.axis, full)
        classes = full[axis]
        self.shape = shape = full[:axis] + full[axis + 1 :]
        outer, inner = math.prod(full[:axis]), math.prod(full[axis + 1 :])
        self.size, self.view, self.loss_view = outer * inner, (outer, classes, inner), (outer, inner)
        self.class_loss, self.class_weight, self.prior, self.pipe = tables.softmax(objective, arrays, classes)
        self.t = self.read_targets(targets, full, axis)
        self.logits, self.targets = z, targets
        self.z = self.numpy.bits(z.reshape(self.view))
        self.w = self.where = None
        if sample_weight is not None:
            backend = backends.of(sample_weight)
            w = backend.nonnegative("sample_weight", backend.weights("sample_weight", sample_weight))
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
        outer, _, inner = self.view
        if type(targets) is tuple:
            self.kind = "sparse"
            pair = sparse(targets, full, axis, "class")
            self.given, probs = (x.reshape(outer, x.shape[axis], inner) for x in pair)
            return (unwrapped(self.given) if self.ignored else self.given), probs
        t = labels(targets)
        if not are_ids(t.shape, t.dtype, t.dtype.kind, self.shape, full):
            self.kind = "dense"
            if t.shape != full:
                checked("targets", t, full, "the shape of the logits, or one class id per row")
            return t.reshape(self.view)
        self.kind = "ids"
        if t.shape != self.shape:
            checked("targets", t, self.shape, "one class id per row")
        if t.dtype.kind == "f":
            t = t.astype(np.int64)  # of size 0
        self.given = t.reshape(outer, inner)
        return unwrapped(self.given) if self.ignored else self.given

    def weigh(self) -> tuple[float, int, float]:
        weight, count, bad = _kernels.weigh_softmax(
            self.view[1], self.t, self.w, self.where, self.ignored, self.class_weight, ALL
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
            rows, self.kernel(grad), self.kernel(hess), self.kernel(v), ALL,
        )  # fmt: skip
        if bad >= 0:
            self.complain(bad)
        return float(total)

    def complain(self, bad: int) -> None:
        """The error for the row at this flat index."""
        o, i = divmod(bad, self.view[2])
        where = at(position(bad, self.shape), "row")
        rule = f"class ids in [0, {self.view[1]}){or_ignored(self.objective)}"
        if self.kind == "ids":
            raise ValueError(f"`targets` must hold {rule}; got {self.given[o, i]}{where}.")
        if self.kind == "sparse":
            ids = self.given[o, :, i]
            padding = (self.t[1][o, :, i] == 0) & np.isin(ids, self.ignored)
            wrong = ids[((ids < 0) | (ids >= self.view[1])) & ~padding]
            if wrong.size:
                raise ValueError(f"`targets` must hold {rule}; got {wrong[0]}{where}.")
        row = (self.t[1] if self.kind == "sparse" else self.t)[o, :, i]
        k = int(np.argmax(~((row >= 0) & (row <= 1))))
        raise ValueError(
            f"`targets` must lie in [0, 1]{or_ignored(self.objective)}; got {row[k]} for class {k}{where}."
        )


def unwrapped(ids: Array) -> Array:
    """The ids, those beyond int64 as its least number: as a signed number they would be negative, perhaps ignored."""
    if ids.dtype != np.uint64 or not ids.size or ids.max() < 2**63:
        return ids
    return np.where(ids < 2**63, ids.astype(np.int64), np.iinfo(np.int64).min)
