"""The drop-ins that take log-probabilities."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from xent.backends.torch.ops import TORCH
from xent.backends.torch.routes import fusible
from xent.backends.torch.views import beside
from xent.torch.checks import first_wrong, held, same_shape
from xent.torch.peer import compute, concrete, drop_in, dtype_of, floating, per_element, per_row, reduction_of, span
from xent.torch.reductions import finished, masked, product, sum_of
from xent.torch.softmax import NAMES, class_axis, indices, row_weights

Tensor = Any


def ids_of(target: Tensor, input: Tensor, axis: int) -> Tensor:
    """Class ids in the shape of the rows; torch takes (1,) for an unbatched one."""
    if input.dim() == 1 and tuple(target.shape) == (1,):
        target = target.reshape(())
    rows = tuple(input.shape[:axis] + input.shape[axis + 1 :])
    if tuple(target.shape) != rows:
        raise ValueError(f"`target` must have one class id per row, {rows}; got shape {tuple(target.shape)}.")
    if target.is_floating_point():
        raise TypeError(f"`target` holds class ids and must be integers; got {target.dtype}.")
    return TORCH.ids(target)


def picked(input: Tensor, target: Tensor, axis: int, classes: int, ignore_index: Any, keep: Tensor | None) -> Tensor:
    """-input at every row's class; where a row does not count, whatever is there."""
    if not torch.compiler.is_compiling() and classes and type(ignore_index) is int and fusible(input, (target,)):
        kernel: Any = torch._C._nn.nll_loss_nd  # not of torch.nn.functional, where our own may stand
        try:
            return compute(kernel(input, target, None, 0, ignore_index))
        except IndexError:  # some id is out of range, perhaps in a row that does not count
            pass
    known = (target >= 0) & (target < classes)
    ids = torch.where(known, target, torch.zeros_like(target))
    losses = -input.gather(axis, ids.unsqueeze(axis)).squeeze(axis) if classes else input.sum(axis)
    fine = known if keep is None else known | ~keep
    rule = f"`target` must hold class ids in [0, {classes})"
    rule += "" if ignore_index is None else f" or `ignore_index`={ignore_index}"
    return held(fine, compute(losses), f"{rule}{first_wrong(target, fine)}.")


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
    axis = class_axis(input, None)
    target = ids_of(target, input, axis)
    classes = input.shape[axis]
    keep = None if where is None else per_row("where", where, target.shape, input)
    for index in indices(ignore_index):
        keep = target != index if keep is None else keep & (target != index)
    losses = picked(input, target, axis, classes, ignore_index, keep)
    each = (
        None if sample_weight is None else per_row("sample_weight", sample_weight, target.shape, input).to(losses.dtype)
    )
    if weight is not None:
        weight = beside("class_weight", weight, input)
        if tuple(weight.shape) != (classes,):
            raise ValueError(f"`weight` must hold one number per class, shape ({classes},); got {tuple(weight.shape)}.")
        own = row_weights(target, weight.to(losses.dtype), axis, False, keep)
        each = own if each is None else each * own
    losses = masked(losses if each is None else product(each, losses), keep)
    denominator = "weight" if denominator is None else denominator
    return finished(losses, reduction, denominator, empty, keep, each).to(dtype_of(input))


def divergences(q: Tensor, t: Tensor, log_target: bool, keep: Tensor | None) -> Tensor:
    """t (log t - q), or e^t (t - q), with 0 (log 0 - anything) = 0; 0 where not `keep`."""
    if keep is None and concrete(t) and t.numel() and span(t)[0] > (-torch.inf if log_target else 0.0):
        return torch.exp(t) * (t - q) if log_target else t * (torch.log(t) - q)
    some = t != (-torch.inf if log_target else 0.0)
    some = some if keep is None else some & keep
    zero, one = torch.zeros_like(t), torch.ones_like(t)
    q, t = torch.where(some, q, zero), torch.where(some, t, zero if log_target else one)
    losses = torch.exp(t) * (t - q) if log_target else t * (torch.log(t) - q)
    if not log_target:
        fine = ~(t < 0)
        losses = held(fine, losses, f"`target` must hold probabilities >= 0{first_wrong(t, fine)}.")
    return torch.where(some, losses, zero)


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
    if size_average is None and reduce is None and reduction == "mean" and not torch.compiler.is_compiling():
        warnings.warn(
            "`reduction`='mean' divides by the number of elements; 'batchmean' is the divergence.", stacklevel=3
        )
    batch = reduction == "batchmean" and size_average is None and reduce is None
    reduction = reduction_of(size_average, reduce, reduction, "batchmean")
    target = beside("targets", target, floating("input", input))
    same_shape(input, target)
    dtype = dtype_of(input, target)
    q, t = (compute(x.to(dtype)) for x in (input, target))
    keep = None if where is None else per_element("where", where, input)
    losses = divergences(q, t, log_target, keep)
    if batch:
        return (sum_of(losses) / max(1, input.shape[0] if input.dim() else 1)).to(dtype)
    return finished(losses, reduction, denominator, empty, keep).to(dtype)
