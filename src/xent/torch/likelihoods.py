"""The drop-ins that take what a model says: probabilities or their logarithms."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from xent import backends
from xent.backends.torch.views import beside
from xent.torch.peer import compute, concrete, drop_in, dtype_of, floating, mean_of, reduction_of, spread, sum_of
from xent.torch.softmax import indices

Tensor = Any
NAMES = {"logits": "input", "targets": "target", "class_weight": "weight"}
MOST, LEAST = 100.0, 1e-12  # torch.nn.BCELoss: a logarithm is at least -100, a divisor of the gradient at least 1e-12


def held(ok: Tensor, losses: Tensor, message: str, rule: type[Exception] = ValueError) -> Tensor:
    """The losses where `ok`; elsewhere an error, or loss and gradient NaN where nobody may look."""
    if concrete(ok):
        if bool(ok.all()):
            return losses
        raise rule(message)
    if getattr(backends, "checking", False):
        torch._assert_async(ok.all(), message)
    return losses * torch.where(ok, 1.0, torch.nan).to(losses.dtype)


def first_wrong(name: str, x: Tensor, ok: Tensor) -> str:
    """` got 1.5 at index (0, 3).`, where Python may look."""
    if not concrete(x, ok) or bool(ok.all()):
        return ""
    at = tuple(int(i) for i in (~ok).nonzero()[0])
    where = "" if not at else f" at index {at[0] if len(at) == 1 else at}"
    return f"; got {x[at].item():.9g}{where}"


def finished(
    losses: Tensor, reduction: str, denominator: Any, empty: str, keep: Tensor | None, weight: Tensor | None
) -> Tensor:
    """Losses reduced; `denominator` None: the mean over those that count."""
    if reduction != "mean":
        return losses if reduction == "none" else sum_of(losses)
    keep = torch.ones_like(losses, dtype=torch.bool) if keep is None else keep
    kept = sum_of(keep)
    counted = kept if weight is None else sum_of(keep & (weight != 0))
    if denominator is None:
        divisor = counted = kept
    elif denominator == "weight":
        divisor = kept if weight is None else sum_of(torch.where(keep, weight, torch.zeros_like(weight)))
    elif denominator == "count":
        divisor = counted
    elif denominator == "elements":
        divisor = float(losses.numel())
    elif isinstance(denominator, str):
        raise ValueError(f"`denominator` must be 'weight', 'count', 'elements' or a number; got {denominator!r}.")
    else:
        divisor = denominator
    return mean_of(sum_of(losses), divisor, counted, empty)


def logarithm(p: Tensor, exact: bool) -> Tensor:
    """log p of 0 <= p <= 1; unless `exact`, torch's: at least -100, its slope 1 / p at most 1e12."""
    if exact:
        return torch.log(p)
    small = p < LEAST
    flat = p.detach()
    steep = torch.log(flat).clamp(min=-MOST) + (p - flat) / LEAST
    return torch.where(small, steep, torch.log(torch.where(small, torch.ones_like(p), p)))


def term(t: Tensor, p: Tensor, exact: bool) -> Tensor:
    """-t log p with 0 log 0 = 0, in value and gradient."""
    nothing = (t == 0) & (p == 0)
    return torch.where(nothing, torch.zeros_like(p), -t * logarithm(torch.where(nothing, torch.ones_like(p), p), exact))


def other_term(t: Tensor, p: Tensor, exact: bool) -> Tensor:
    """-(1 - t) log(1 - p), likewise."""
    u, q = 1.0 - t, 1.0 - p
    nothing = (u == 0) & (q == 0)
    if exact:
        log = torch.log1p(-torch.where(nothing, torch.zeros_like(p), p))
    else:
        small = q < LEAST
        flat = p.detach()
        steep = torch.log1p(-flat).clamp(min=-MOST) - (p - flat) / LEAST
        log = torch.where(small, steep, torch.log1p(-torch.where(small, torch.zeros_like(p), p)))
    return torch.where(nothing, torch.zeros_like(p), -u * log)


@drop_in(**NAMES)
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean", *, exact: bool = False, where: Any = None,
    ignore_index: Any = None, label_smoothing: float = 0.0, denominator: str | float | None = None,
    empty: str = "zero",
) -> Tensor:  # fmt: skip
    """`torch.nn.functional.binary_cross_entropy`: from probabilities.

        loss = -weight [t log p + (1 - t) log(1 - p)]

    From logits use `binary_cross_entropy_with_logits`: a probability near 1 has already lost the digits of its loss.

    Args:
        input: probabilities p in [0, 1].
        target: t in [0, 1], the input's shape, any dtype.
        weight: factor of every loss, of any shape that broadcasts to the input's and of any sign; not part of the mean.
        size_average, reduce, reduction: as in torch.
        exact: False is torch's convention: a logarithm counts at most 100 nats and its slope at most 1e12. True: p = 0
            at t = 1 costs inf, with gradient -inf.
        where, ignore_index: which elements count, whatever they hold.
        label_smoothing: t' = (1 - eps) t + eps / 2.
        denominator: of the mean: None (the elements that count), "weight", "count", "elements" or a number.
        empty: the mean of nothing: "zero", "nan" or "raise".

    Raises:
        ValueError and RuntimeError: shapes that differ, probabilities or targets outside [0, 1].

    >>> import torch
    >>> binary_cross_entropy(torch.tensor([0.0, 0.5]), torch.tensor([1.0, 1.0]), reduction="none")
    tensor([100.0000,   0.6931])
    """
    reduction = reduction_of(size_average, reduce, reduction)
    target = beside("targets", target, floating("input", input))
    if target.shape != input.shape:
        raise ValueError(
            f"`target` must have the shape of the input, {tuple(input.shape)}; got shape {tuple(target.shape)}. "
            "Nothing is broadcast."
        )
    dtype = dtype_of(input, target)
    p = compute(input.to(torch.promote_types(input.dtype, dtype)))
    keep = None if where is None else beside("where", where, input).expand(input.shape)
    for index in indices(ignore_index):
        keep = target != index if keep is None else keep & (target != index)
    t = target.to(p.dtype)
    if keep is not None:
        p, t = (torch.where(keep, x, torch.full_like(x, 0.5)) for x in (p, t))
    fine, right = (p >= 0) & (p <= 1), (t >= 0) & (t <= 1)
    smooth = t if label_smoothing == 0 else (1.0 - label_smoothing) * t + 0.5 * label_smoothing
    losses = term(smooth, p, exact) + other_term(smooth, p, exact)
    losses = held(fine, losses, f"`input` must hold probabilities in [0, 1]{first_wrong('input', p, fine)}.")
    losses = held(right, losses, f"`target` must lie in [0, 1]{first_wrong('target', t, right)}.")
    if weight is not None:
        weight = spread("weight", weight, input).to(p.dtype)
        losses = torch.where(weight == 0, torch.zeros_like(losses), losses * weight)
    if keep is not None:
        losses = torch.where(keep, losses, torch.zeros_like(losses))
    return finished(losses, reduction, denominator, empty, keep, weight).to(dtype)


def class_axis(input: Tensor, target: Tensor) -> tuple[int, Tensor]:
    """The class axis of log-probabilities, and class ids in the shape of the rest."""
    if input.dim() == 0:
        raise ValueError("`input` must have a class axis; got a single number.")
    axis = 0 if input.dim() == 1 else 1
    if input.dim() == 1 and tuple(target.shape) == (1,):
        target = target.reshape(())
    rows = tuple(input.shape[:axis] + input.shape[axis + 1 :])
    if tuple(target.shape) != rows:
        raise ValueError(f"`target` must have one class id per row, {rows}; got shape {tuple(target.shape)}.")
    if target.is_floating_point():
        raise TypeError(f"`target` holds class ids and must be integers; got {target.dtype}.")
    return axis, target


@drop_in(**NAMES)
def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    ignore_index: Any = -100, reduce: bool | None = None, reduction: str = "mean", *, sample_weight: Any = None,
    where: Any = None, denominator: str | float | None = None, empty: str = "zero",
) -> Tensor:  # fmt: skip
    """`torch.nn.functional.nll_loss`: the negative log-probability of every row's class, from log-probabilities.

        loss = -weight_y input_y

    From logits use `cross_entropy`, which keeps the digits that a log-softmax loses.

    Args:
        input: log-probabilities: (C,), (N, C) or (N, C, d1, ...).
        target: class ids of any integer dtype, the input's shape without the classes.
        weight: (C,), one per class, of any sign.
        size_average, reduce, reduction: as in torch.
        ignore_index: class ids that do not count (one, several, or None), whatever the row holds.
        sample_weight, where: one per row.
        denominator: of the mean: None or "weight" (torch's), "count", "elements" or a number.
        empty: the mean of nothing: "zero", "nan" or "raise".

    Raises:
        IndexError and ValueError: a class id out of range. ValueError and RuntimeError: shapes that differ.

    >>> import torch
    >>> nll_loss(torch.tensor([[0.9, 0.1], [0.2, 0.8]]).log(), torch.tensor([0, 1]))
    tensor(0.1643)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    target = beside("targets", target, floating("input", input))
    axis, target = class_axis(input, target)
    classes = input.shape[axis]
    keep = torch.ones_like(target, dtype=torch.bool) if where is None else beside("where", where, input)
    for index in indices(ignore_index):
        keep = keep & (target != index)
    known = (target >= 0) & (target < classes)
    fine = known | ~keep
    ids = torch.where(known, target, torch.zeros_like(target)).long()
    if classes == 0:
        losses = compute(input).sum(axis)
    else:
        losses = -compute(input.gather(axis, ids.unsqueeze(axis)).squeeze(axis))
    each = None
    if weight is not None:
        weight = beside("class_weight", weight, input)
        if tuple(weight.shape) != (classes,):
            raise ValueError(f"`weight` must hold one number per class, shape ({classes},); got {tuple(weight.shape)}.")
        each = weight.to(losses.dtype)[ids] if classes else torch.ones_like(losses)
    if sample_weight is not None:
        s = beside("sample_weight", sample_weight, input).to(losses.dtype).expand(target.shape)
        each = s if each is None else each * s
    rule = f"`target` must hold class ids in [0, {classes}){'' if ignore_index is None else f' or {ignore_index}'}"
    losses = held(fine, losses, f"{rule}{first_wrong('target', target, fine)}.")
    if each is not None:
        losses = torch.where(each == 0, torch.zeros_like(losses), losses * each)
    losses = torch.where(keep, losses, torch.zeros_like(losses))
    denominator = "weight" if denominator is None else denominator
    return finished(losses, reduction, denominator, empty, keep, each).to(dtype_of(input))


@drop_in(**NAMES)
def kl_div(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", log_target: bool = False, *, where: Any = None, denominator: str | float | None = None,
    empty: str = "zero",
) -> Tensor:  # fmt: skip
    """`torch.nn.functional.kl_div`: the Kullback-Leibler divergence of `input` (log-probabilities) from `target`.

        loss = t (log t - input),   with log_target e^t (t - input);   0 (log 0 - anything) = 0

    Args:
        input: log-probabilities.
        target: probabilities (with `log_target`, their logarithms) of the input's shape, any floating dtype.
        size_average, reduce: torch's deprecated pair, which decides `reduction` where given.
        reduction: "mean" (over the elements, which is not the divergence), "batchmean" (which is), "sum" or "none".
        log_target: whether `target` holds logarithms.
        where: which elements count, whatever they hold.
        denominator: of the mean: None (the elements that count), "count", "elements" or a number.
        empty: the mean of nothing: "zero", "nan" or "raise".

    Raises:
        ValueError and RuntimeError: shapes that differ, negative targets.

    >>> import torch
    >>> p = torch.tensor([[0.5, 0.5, 0.0]])
    >>> kl_div(torch.tensor([[0.9, 0.1, 0.0]]).log(), p, reduction="batchmean")  # torch: nan
    tensor(0.5108)
    """
    if size_average is None and reduce is None and reduction == "mean":
        warnings.warn(
            "`reduction`='mean' divides by the number of elements; 'batchmean' is the divergence.", stacklevel=3
        )
    batch = reduction == "batchmean" and size_average is None and reduce is None
    reduction = reduction_of(size_average, reduce, reduction, "batchmean")
    target = beside("targets", target, floating("input", input))
    if target.shape != input.shape:
        raise ValueError(
            f"`target` must have the shape of the input, {tuple(input.shape)}; got shape {tuple(target.shape)}. "
            "Nothing is broadcast."
        )
    dtype = dtype_of(input, target)
    q, t = (compute(x.to(dtype)) for x in (input, target))
    keep = None if where is None else beside("where", where, input).expand(input.shape)
    nothing = (t == -torch.inf) if log_target else (t == 0)
    nothing = nothing if keep is None else nothing | ~keep
    zero = torch.zeros_like(t)
    q = torch.where(nothing, zero, q)
    t = torch.where(nothing, zero if log_target else torch.ones_like(t), t)
    losses = torch.exp(t) * (t - q) if log_target else t * (torch.log(t) - q)
    if not log_target:
        fine = ~(t < 0)
        losses = held(fine, losses, f"`target` must hold probabilities >= 0{first_wrong('target', t, fine)}.")
    losses = torch.where(nothing, zero, losses)
    if batch:
        return (sum_of(losses) / max(1, input.shape[0] if input.dim() else 1)).to(dtype)
    return finished(losses, reduction, denominator, empty, keep, None).to(dtype)
