"""Rows of the sigmoid family: every element its own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from xent import _kernels, backends, tables
from xent.objective import SigmoidObjective
from xent.rows.shapes import (
    ALL,
    Array,
    Rows,
    Shape,
    at,
    checked,
    floats,
    labels,
    or_ignored,
    position,
    sparse,
    weight_axes,
)


class SigmoidRows(Rows):
    """Every element its own row: (R, L), or (1, size) where labels do not matter."""

    __slots__ = ("objective", "sample_weight", "t", "table")

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
            self.sample_weight = w
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
        # targets that cannot matter here are not read: the pass itself checks them
        matter = self.w is None or self.ignored or self.objective.denominator == "positives"
        t = self.t if matter or (self.table[4] != self.table[5]).any() else None
        weight, count, positives, bad = _kernels.weigh_sigmoid(t, self.w, self.where, self.ignored, self.table, ALL)
        if bad != -1:
            self.complain(bad)
        return weight, count, positives

    def run(self, scale: float, loss: Array, grad: Array, hess: Array, v: Array) -> float:
        total, bad = _kernels.sigmoid(
            self.z, self.t, self.w, self.where, self.ignored, self.table, self.law, self.pipe, scale,
            self.kernel(loss), self.kernel(grad), self.kernel(hess), self.kernel(v), ALL,
        )  # fmt: skip
        if bad != -1:
            self.complain(bad)
        return float(total)

    def complain(self, bad: int) -> None:
        """The error for the target at this flat index, or for a sample weight (-2 and below)."""
        if bad < -1:
            self.numpy.nonnegative("sample_weight", self.sample_weight)
        value = self.t.reshape(-1)[bad] if self.t.shape[0] == 1 else self.t[bad // self.view[1], bad % self.view[1]]
        raise ValueError(
            f"`targets` must lie in [0, 1]{or_ignored(self.objective)}; got {value}"
            f"{at(position(bad, self.shape), 'index')}."
        )


def weight_of(name: str, x: Any, shape: Shape) -> tuple[Array, bool]:
    """`sample_weight` or `where` of the sigmoid family, and whether it has an entry for every element."""
    backend = backends.of(x)
    a = backend.mask(name, x) if name == "where" else backend.weights(name, x)
    return a, weight_axes(name, a, shape)


def spread(a: Array, shape: Shape) -> Array:
    """Row weights over the labels, without a copy."""
    return a if a.shape == shape else np.broadcast_to(a[..., None], shape)


def scattered(targets: tuple[Any, ...], shape: Shape) -> Array:
    """Sparse targets of the sigmoid family as a dense array; labels not named are 0, ids named twice add."""
    if not shape:
        raise ValueError("`targets` given as a tuple is sparse, which needs a label axis; got a single logit.")
    count = shape[-1]
    ids, probs = sparse(targets, shape, len(shape) - 1, "label")
    wrong = (ids < 0) | (ids >= count)
    if wrong.any():
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"`targets` must hold label ids in [0, {count}); got {ids[index]} at row {tables.show(index[:-1])}."
        )
    dense = np.zeros((math.prod(shape[:-1]), count), np.float64)
    flat = ids.reshape(len(dense), ids.shape[-1]).astype(np.int64)
    np.add.at(dense, (np.arange(len(dense))[:, None], flat), probs.reshape(flat.shape))
    return dense.reshape(shape)
