"""Log loss of probabilities: never clipped, never renormalised; p = 0 on the truth is +inf, and is said so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from xent import backends
from xent.forecasts import bernoulli
from xent.objective import (
    DENOMINATORS,
    EMPTIES,
    REDUCTIONS,
    at_least_zero,
    axis_of,
    choice,
    denominator_of,
    divides,
    ignored_of,
    nothing_left,
    per_class,
)
from xent.portable.measures import on_axis, slack_of
from xent.portable.probabilities import IN_RANGE, elementwise, no_positives
from xent.rows import checked, labels
from xent.tables import show

Array = Any
OPERANDS = ("probs", "targets", "sample_weight", "where", "class_weight")


def sum_tolerance(dtype: Any, classes: int) -> float:
    """How far a row of `classes` probabilities may sum from 1: `slack_of`, for a dtype or its class."""
    return slack_of(np.dtype(dtype), classes)


def _at(index: Any, noun: str = "row") -> str:
    index = tuple(int(i) for i in index)
    return f" at {noun} {show(index)}" if index else ""


@dataclass(frozen=True, kw_only=True)
class LogLoss:
    """Log loss of probabilities as a frozen record of numbers; the options are those of `log_loss`.

    Call it for the loss, or `value_and_grad(probs, targets)` for (value, gradient with respect to the probabilities),
    with the probabilities taken as free: -t/p + (1 - t)/(1 - p), or -t_k/p_k. `sample_weight`, `where` and
    `class_weight` may travel with the call. NumPy arrays, torch tensors and JAX arrays; frameworks differentiate the
    call to any order in probabilities, soft targets and weights.

    >>> value, gradient = LogLoss().value_and_grad([0.9, 0.3], [1, 0])
    >>> print(f"{value:.4f}", gradient.round(4))
    0.2310 [-0.5556  0.7143]
    """

    multilabel: bool | None = None
    axis: int = -1
    class_weight: Any = None
    ignore_index: Any = None
    reduction: str = "mean"
    denominator: str | float = "weight"
    empty: str = "zero"

    def __post_init__(self) -> None:
        if self.multilabel not in (None, True, False):
            raise TypeError(f"`multilabel` must be None, True or False; got {self.multilabel!r}.")
        if self.class_weight is not None:
            weight = per_class("class_weight", self.class_weight, "finite and >= 0", at_least_zero, nested=True)
            object.__setattr__(self, "class_weight", weight)
        object.__setattr__(self, "axis", axis_of(self.axis))
        object.__setattr__(self, "ignore_index", ignored_of(self.ignore_index))
        object.__setattr__(self, "denominator", denominator_of(self.denominator, DENOMINATORS))
        choice("reduction", self.reduction, REDUCTIONS)
        choice("empty", self.empty, EMPTIES)

    def __call__(self, probs: Any, targets: Any, *, sample_weight: Any = None, where: Any = None,
                 class_weight: Any = None) -> Any:  # fmt: skip
        """The loss in nats; with `reduction="none"` one per row or element."""
        return self._ask(False, probs, targets, sample_weight, where, class_weight)

    def value_and_grad(self, probs: Any, targets: Any, *, sample_weight: Any = None, where: Any = None,
                       class_weight: Any = None) -> tuple[Any, Array]:  # fmt: skip
        """(value, gradient with respect to the probabilities), the gradient in their shape and dtype."""
        both: tuple[Any, Array] = self._ask(True, probs, targets, sample_weight, where, class_weight)
        return both

    def _ask(self, wanted: bool, *operands: Any) -> Any:
        """The value, with `wanted` also the gradient, of arrays of any kind."""
        if operands[-1] is not None and self.class_weight is not None:
            raise ValueError("`class_weight` is given twice: in the loss and again at the call; leave one of them out.")
        face = backends.face(operands[0])
        if face is None:
            return self._run(wanted, *operands)
        options = (self.class_weight, self.ignore_index, self.reduction, self.denominator, self.empty)

        return face.through(
            dict(zip(OPERANDS, operands, strict=True)),
            ("log_loss", (self.multilabel, self.axis, options, wanted)),
            numbers=lambda **views: self._run(wanted, **views),
            check=lambda **views: self._run(wanted, **views),
            detached=wanted,
        )

    def _run(
        self, wanted: bool, probs: Any, targets: Any, sample_weight: Any = None, where: Any = None,
        class_weight: Any = None,
    ) -> Any:  # fmt: skip
        """The value, with `wanted` also the gradient, of NumPy's arrays."""
        p, t = backends.of(probs).floating("probs", probs), labels(targets)
        if elementwise(p.shape, t.shape, t.dtype.kind, t.dtype, self.multilabel, self.axis):
            return self._elements(p, t, sample_weight, where, class_weight, wanted)
        on_axis("probs", p.shape, self.axis)
        no_positives(self.denominator)
        dtype = p.dtype
        p = np.moveaxis(backends.numpy.widened(p) if dtype == backends.numpy.BFLOAT16 else p, self.axis, -1)
        t = t if t.ndim < p.ndim else np.moveaxis(t, self.axis, -1)
        s = _weights(t, p.shape[:-1], self.ignore_index, sample_weight, where)
        keep = s > 0  # what weighs nothing may hold anything
        cw = self.class_weight
        if class_weight is not None:
            cw = backends.of(class_weight).table("class_weight", class_weight)
            if not ((cw >= 0) & np.isfinite(cw)).all():
                raise ValueError(f"`class_weight` must be finite and >= 0; got {cw.tolist()}.")
        losses, weight, gradient = _categorical(p, t, s, keep, cw, wanted, self.ignore_index, dtype)
        value, scale = self._reduce(losses, weight)
        round_to = backends.numpy.rounded
        with np.errstate(over="ignore"):
            if self.reduction == "none":
                value = round_to(value, dtype)
            else:
                value = np.float64(value) if dtype == np.float64 else np.float32(value)
            if not wanted:
                return value
            gradient = np.moveaxis(np.where((weight > 0)[..., None], gradient * scale, 0.0), -1, self.axis)
            return value, np.ascontiguousarray(round_to(gradient, dtype)).reshape(np.shape(gradient))

    def _elements(self, p: Array, t: Array, sample_weight: Any, where: Any, class_weight: Any, wanted: bool) -> Any:
        loss = bernoulli(
            class_weight=self.class_weight, ignore_index=self.ignore_index, reduction=self.reduction,
            denominator=self.denominator, empty=self.empty,
        )  # fmt: skip
        given = {"sample_weight": sample_weight, "where": where, "class_weight": class_weight}
        arrays = {name: x for name, x in given.items() if x is not None}
        return loss.value_and_grad(p, t, **arrays) if wanted else loss(p, t, **arrays)

    def _reduce(self, losses: Array, weight: Array) -> tuple[Any, float]:
        if self.reduction != "mean":
            return (losses if self.reduction == "none" else _total(losses)), 1.0
        count = np.count_nonzero(weight > 0)
        if count == 0:
            if self.empty == "raise":
                raise ValueError(nothing_left(losses.size))
            return (0.0 if self.empty == "zero" else math.nan), 0.0
        by = self.denominator
        if isinstance(by, str):
            by = {"weight": _total(weight), "count": count, "elements": weight.size}[by]
        if self.denominator == "weight":
            divides(by)
        return _total(losses) / by, 1.0 / by


def _total(x: Array) -> float:
    """The sum, correctly rounded; infinite where it leaves float64."""
    try:
        return math.fsum(x.reshape(-1))
    except OverflowError:  # all terms are >= 0
        return math.inf


def _weights(t: Array, shape: tuple[int, ...], ignore_index: Any, sample_weight: Any, where: Any) -> Array:
    """One weight per row, 0 where it is masked or ignored."""
    keep = np.ones(shape, bool)
    if where is not None:
        mask = backends.of(where).mask("where", where)
        checked("where", mask, shape, "one entry per loss")
        keep &= mask
    keep &= ~_ignored(t, shape, ignore_index)
    s = np.ones(shape)
    if sample_weight is not None:
        backend = backends.of(sample_weight)
        s = backend.nonnegative("sample_weight", backend.weights("sample_weight", sample_weight))
        checked("sample_weight", s, shape, "one entry per loss")
    return np.where(keep, s, 0.0)


def _ignored(t: Array, shape: tuple[int, ...], ignore_index: Any) -> Array:
    """Entries or ids that equal an ignored value; dense rows of nothing else, or its one-hot rows."""
    hit = np.zeros(shape, bool)
    for i in () if ignore_index is None else np.atleast_1d(ignore_index):
        if t.shape == shape:
            hit |= t == i
        else:
            hit |= (t == i).all(-1) | (t == (np.arange(t.shape[-1]) == i)).all(-1) & (t.sum(-1) == 1)
    return hit


def _complain(name: str, rule: str, values: Array, wrong: Array, rows: int) -> None:
    """ValueError for the first entry that is wrong."""
    if wrong.any():
        at = np.argwhere(wrong)[0]
        raise ValueError(f"`{name}` must {rule}; got {values[tuple(at)]}{_at(at[:rows])}.")


def _check(p: Array, t: Array, keep: Array, shape: tuple[int, ...]) -> None:
    """Probabilities and soft targets of the rows that count lie in [0, 1]."""
    on = keep[..., None]
    _complain("probs", IN_RANGE, p, on & ~((p >= 0) & (p <= 1)), len(shape))
    if t.shape == p.shape:
        _complain("targets", "lie in [0, 1]", t, on & ~((t >= 0) & (t <= 1)), len(shape))


def _categorical(
    p: Array, t: Array, s: Array, keep: Array, cw: Any, wanted: bool, ignore_index: Any, dtype: Any
) -> tuple[Any, ...]:
    """-sum_k t_k log p_k, row by row; rows sum to 1."""
    classes, shape = p.shape[-1], p.shape[:-1]
    _check(p, t, keep, shape)
    total, slack = p.sum(-1, dtype=np.float64), sum_tolerance(dtype, classes)
    rule = f"sum to 1 within {slack:.2g} over the classes (never renormalised here)"
    _complain("probs", rule, total, keep & ~(abs(total - 1.0) <= slack), len(shape))
    cw = np.broadcast_to(_classes(cw, classes), (classes,))
    if t.ndim == len(shape):
        also = "" if ignore_index is None else f" or `ignore_index`={ignore_index}"
        _complain(
            "targets", f"hold class ids in [0, {classes}){also}", t, keep & ((t < 0) | (t >= classes)), len(shape)
        )
        ids = np.where(keep, t, 0).astype(np.int64)[..., None]
        share: Any = 1.0
        told, cost = np.take_along_axis(p, ids, -1).astype(np.float64), cw[ids]
    else:
        told, share, cost = p.astype(np.float64), np.where(keep[..., None], t, 0.0).astype(np.float64), cw
    factor = share * cost * s[..., None]
    weight = factor.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        losses = np.where(factor > 0, -factor * np.log(told), 0.0).sum(-1) + 0.0
        slope = np.where(factor > 0, -factor / told, 0.0) if wanted else None
    if slope is not None and t.ndim == len(shape):
        gradient = np.zeros(p.shape)
        np.put_along_axis(gradient, ids, slope, -1)
        slope = gradient
    return losses, weight, slope


def _classes(cw: Any, classes: int) -> Array:
    weights = np.asarray(1.0 if cw is None else cw, np.float64)
    if weights.shape not in ((), (classes,)):
        raise ValueError(f"`class_weight` must be a number or have shape ({classes},); got shape {weights.shape}.")
    return weights


def log_loss(
    probs: Any, targets: Any, *, multilabel: bool | None = None, axis: int = -1, sample_weight: Any = None,
    class_weight: Any = None, ignore_index: Any = None, where: Any = None, reduction: str = "mean",
    denominator: str | float = "weight", empty: str = "zero",
) -> Any:  # fmt: skip
    """Log loss of forecast probabilities, exactly as they are: -sum_k t_k log p_k, or -t log p - (1 - t) log(1 - p).

    Never clipped, never renormalised: p = 0 on the truth costs +inf.

    Args:
        probs: float16, bfloat16, float32 or float64 in [0, 1]. `[N]`: probability of class 1. `[N, K]` (classes along
            `axis`): rows sum to 1 within K 2^-23 (half precision: and 4 eps more).
        targets: `[N]` with probs `[N]`: binary, or soft in [0, 1]. Class ids `[N]` with probs `[N, K]`. `[N, K]` with
            `[N, K]` needs `multilabel`.
        multilabel: True: every entry is a Bernoulli forecast; False: every row is a distribution and targets are dense.
        sample_weight, where: one entry per loss. class_weight: as in `sigmoid_cross_entropy`, `softmax_cross_entropy`.
        ignore_index, reduction, denominator, empty: as in `softmax_cross_entropy`.

    Returns:
        The loss in nats: float32 for probs up to float32, float64 for float64.

    Raises:
        ValueError: probabilities outside [0, 1] or NaN, a row that does not sum to 1 (it is named), class ids out of
            range, shapes that can be read in two ways. Where values cannot be read (a device, a tracer) the loss and
            gradient of such a row are NaN.

    Also called binary or categorical cross-entropy (of probabilities), negative log-likelihood, logarithmic score (Good
    1952). From logits use `sigmoid_cross_entropy` or `softmax_cross_entropy`: they keep digits that p has lost. The
    gradient: `LogLoss().value_and_grad`.

    >>> print(f"{log_loss([0.9, 0.3], [1, 0]):.4f}")
    0.2310
    >>> print(f"{log_loss([[0.1, 0.9], [0.9, 0.1], [0.8, 0.2], [0.35, 0.65]], [1, 0, 0, 1]):.5f}")
    0.21616
    """
    loss = LogLoss(
        multilabel=multilabel, axis=axis, ignore_index=ignore_index, reduction=reduction, denominator=denominator,
        empty=empty,
    )  # fmt: skip
    return loss(probs, targets, sample_weight=sample_weight, where=where, class_weight=class_weight)
