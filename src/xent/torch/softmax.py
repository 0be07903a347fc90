"""`cross_entropy`: the drop-in of the softmax family."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch

from xent.backends.torch.ops import TORCH
from xent.backends.torch.views import beside
from xent.losses import SoftmaxCrossEntropy, softmax_cross_entropy
from xent.objective import number, share
from xent.torch.peer import (
    compute,
    concrete,
    drop_in,
    dtype_of,
    floating,
    per_row,
    reduction_of,
    signed_numbers,
    span,
    usual,
)
from xent.torch.reductions import finished, mean_of, product, sum_of

Tensor = Any
NAMES = {"logits": "input", "targets": "target", "class_weight": "weight"}
SHORT = 32  # classes: a longer table is cheaper read than hashed


def indices(ignore_index: Any) -> tuple[Any, ...]:
    """The ignored ids, however many."""
    if ignore_index is None:
        return ()
    return tuple(ignore_index) if isinstance(ignore_index, (tuple, list)) else (ignore_index,)


def class_axis(input: Tensor, axis: int | None) -> int:
    """The class axis, counted from the front: torch's where None."""
    if input.dim() == 0:
        raise ValueError("`input` must have a class axis; got a single number.")
    if axis is None:
        return 0 if input.dim() == 1 else 1
    if not -input.dim() <= axis < input.dim():
        raise ValueError(f"`axis` must name one of the input's {input.dim()} axes; got {axis}.")
    return int(axis % input.dim())


def rows_ignored(target: Tensor, axis: int, classes: int, ignore_index: Any) -> Tensor | None:
    """Which rows of probabilities are ignored; None where none can be.

    Filled with an ignored id, or its one-hot row. An id that is no probability shows in the first class.
    """
    found, target = None, signed_numbers(target)
    for index in indices(ignore_index):
        hit = (target == index).all(axis) if index in (0, 1) else target.select(axis, 0) == index
        if 0 <= index < classes:
            hit = hit | (target.select(axis, index) == 1) & ((target != 0).sum(axis) == 1)
        found = hit if found is None else found | hit
    return found


def counted_rows(
    target: Tensor, axis: int, classes: int, dense: bool, ignore_index: Any, where: Tensor | None
) -> Tensor | None:
    """Which rows count; None where all do."""
    keep = where
    if dense:
        hit = rows_ignored(target, axis, classes, ignore_index)
        if hit is not None:
            keep = ~hit if keep is None else keep & ~hit
        return keep
    ids = TORCH.ids(target)
    for index in indices(ignore_index):
        keep = ids != index if keep is None else keep & (ids != index)
    return keep


def folded(
    target: Tensor, weight: Tensor, axis: int, dense: bool, keep: Tensor, label_smoothing: float, prior: Any
) -> Tensor:  # fmt: skip
    """Class weights and smoothing as part of the targets: entries t'_k w_k of any sign."""
    classes = weight.shape[0]
    if not dense:
        ids = torch.where(keep, TORCH.ids(target), 0)
        target = torch.nn.functional.one_hot(ids, classes).movedim(-1, axis)
    shape = [classes if k == axis else 1 for k in range(target.dim())]
    at = 1.0 / classes if prior is None else torch.as_tensor(prior, dtype=weight.dtype).reshape(shape)
    return ((1.0 - label_smoothing) * target.to(weight.dtype) + label_smoothing * at) * weight.reshape(shape)


def signed_losses(
    input: Tensor, target: Tensor, weight: Tensor, axis: int, dense: bool, keep: Tensor, options: dict[str, Any]
) -> Tensor:
    """The losses with class weights of any sign."""
    options = {**options, "axis": axis, "reduction": "none"}
    smoothing, prior = options.pop("label_smoothing"), options.pop("prior")
    if not torch.compiler.is_compiling():  # whose numbers may be symbols
        number("label_smoothing", smoothing, "a number in [0, 1]", share)
    if not dense and smoothing == 0:
        w = row_weights(target, weight, axis, dense, keep)
        return softmax_cross_entropy(input, target, where=keep & (w != 0), **options) * w
    if options["z_loss"]:
        raise ValueError("`weight` must be >= 0 beside `z_loss`; got a negative class weight.")
    c, most = folded(target, weight, axis, dense, keep, smoothing, prior), weight.abs().max()
    options["ignore_index"] = None
    up, down = (softmax_cross_entropy(input, x.clamp(min=0) / most, where=keep, **options) for x in (c, -c))
    return (up - down) * most


def row_weights(target: Tensor, weight: Tensor, axis: int, dense: bool, keep: Tensor | None) -> Tensor:
    """The class weight of every row's target; any number where a row does not count."""
    if dense:
        shape = [-1 if k == axis else 1 for k in range(target.dim())]
        return (target.to(weight.dtype) * weight.reshape(shape)).sum(axis)
    if weight.shape[0] == 0:
        return torch.ones_like(target, dtype=weight.dtype)
    ids = TORCH.ids(target)
    return weight[ids if keep is None else ids.clamp(0, weight.shape[0] - 1)]


def signed(
    input: Tensor, target: Tensor, weight: Tensor, axis: int, dense: bool, keep: Tensor | None, reduction: str,
    denominator: Any, empty: str, options: dict[str, Any],
) -> Tensor:  # fmt: skip
    """The loss with class weights of any sign."""
    if tuple(weight.shape) != (input.shape[axis],):
        raise ValueError(
            f"`class_weight` must hold one number per class, shape ({input.shape[axis]},); got {tuple(weight.shape)}."
        )
    input = compute(input)
    weight = weight.to(input.dtype)
    sample_weight, options["sample_weight"] = options.pop("sample_weight"), None
    if keep is None:
        keep = torch.ones(input.shape[:axis] + input.shape[axis + 1 :], dtype=torch.bool, device=input.device)
    losses = signed_losses(input, target, weight, axis, dense, keep, options)
    if sample_weight is not None:
        sample_weight = per_row("sample_weight", sample_weight, losses.shape, input).to(losses.dtype)
        losses = product(sample_weight, losses)
    each = row_weights(target, weight, axis, dense, keep)
    each = each if sample_weight is None else each * sample_weight
    denominator = None if denominator is None and dense else denominator or "weight"
    return finished(losses, reduction, denominator, empty, keep, each)


def may_be_negative(weight: Any, hard: bool) -> bool:
    """Whether class weights are negative; where nobody may look, whether they are to be taken for it."""
    if not isinstance(weight, torch.Tensor) or not weight.is_floating_point():
        return False
    return span(weight)[0] < 0 if concrete(weight) else hard


def numbers_of(weight: Any) -> Any:
    """A short table of weights as numbers, whose preparation a record remembers; else as it is."""
    if (
        isinstance(weight, torch.Tensor)
        and weight.dim() == 1
        and 0 < weight.numel() <= SHORT
        and weight.is_floating_point()
        and not weight.requires_grad
        and concrete(weight)
    ):
        return tuple(weight.tolist())
    return weight


def all_count(target: Tensor, axis: int, ignore_index: Any) -> bool:
    """Whether a look at the first class shows that no row of probabilities is ignored."""
    return (
        all(index < 0 for index in indices(ignore_index)) and concrete(target) and span(target.select(axis, 0))[0] >= 0
    )


def of_probabilities(input: Tensor, target: Tensor, axis: int, keep: Tensor | None, options: dict[str, Any]) -> Tensor:
    """torch's mean where targets are probabilities: over the rows that count, whatever their weights."""
    empty = options["empty"]
    if keep is None or (concrete(keep) and bool(keep.all())):
        return softmax_cross_entropy(input, target, axis=axis, denominator="elements", **options)
    count = sum_of(keep)
    options = {**options, "reduction": "sum", "empty": "zero"}
    return mean_of(softmax_cross_entropy(input, target, axis=axis, **options), count, count, empty)


@lru_cache(maxsize=256, typed=True)
def record_of(
    ignore_index: int, reduction: str, label_smoothing: float, gamma: float, poly: float, gce: float, z_loss: float,
    temperature: float, empty: str,
) -> SoftmaxCrossEntropy:  # fmt: skip
    """The loss of a plain call: class ids beside a matrix."""
    return SoftmaxCrossEntropy(
        axis=1, ignore_index=ignore_index, reduction=reduction_of(None, None, reduction),
        label_smoothing=label_smoothing, gamma=gamma, poly=poly, gce=gce, z_loss=z_loss, temperature=temperature,
        empty=empty,
    )  # fmt: skip


@drop_in(**NAMES)
def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    ignore_index: Any = -100, reduce: bool | None = None, reduction: str = "mean", label_smoothing: float = 0.0, *,
    axis: int | None = None, sample_weight: Any = None, where: Any = None, prior: Any = None, gamma: float = 0.0,
    alpha: Any = None, poly: float = 0.0, gce: float = 0.0, z_loss: float = 0.0, temperature: float = 1.0,
    softcap: float | None = None, bias: Any = None, denominator: str | float | None = None, empty: str = "zero",
) -> Tensor:  # fmt: skip
    """`torch.nn.functional.cross_entropy`, exact in the tails and whole where batches are not.

        loss = sum_k t'_k weight_k (-log softmax(z)_k),   t' = (1 - label_smoothing) t + label_smoothing / C

    Args:
        input: logits z: (C,), (N, C) or (N, C, d1, ...).
        target: class ids of any integer dtype, the input's shape without the classes; or probabilities in the input's
            shape, of any dtype; or sparse `(ids, probs)`.
        weight: (C,), one per class, of any sign.
        size_average, reduce: torch's deprecated pair, which decides `reduction` where given.
        ignore_index: class ids that do not count (one, several, or None), whatever the logits hold; rows of
            probabilities too, filled with the id or its one-hot row.
        reduction: "mean", "sum" or "none".
        label_smoothing: in [0, 1].
        axis: the class axis; None is torch's, the second (the first of unbatched input).
        sample_weight, where, prior, gamma, alpha, poly, gce, z_loss, temperature, softcap, bias, empty: as in
            `xent.softmax_cross_entropy`.
        denominator: of the mean; None is torch's: the sum of weights for class ids, the number of rows for
            probabilities. "weight" makes a class id and its one-hot row mean the same.

    Returns:
        The loss in nats in the input's dtype (with probabilities, the wider dtype; float32 under autocast).

    Raises:
        IndexError and ValueError: a class id out of range. ValueError and RuntimeError: shapes that differ,
            probabilities outside [0, 1]. TypeError: integer logits, class ids that are no integers.

    >>> import torch
    >>> z = torch.tensor([[20.0, 0.0]], requires_grad=True)
    >>> loss = cross_entropy(z, torch.tensor([0]))  # torch: 0, gradient 0
    >>> loss.backward()
    >>> print(f"{loss.item():.4g}", z.grad)
    2.061e-09 tensor([[-2.0612e-09,  2.0612e-09]])
    """
    if (
        usual(input, target) and input.dim() == 2 and target.dim() == 1 and weight is None and type(ignore_index) is int
        and size_average is None and reduce is None and axis is None and sample_weight is None and where is None
        and prior is None and alpha is None and bias is None and softcap is None and denominator is None
    ):  # fmt: skip
        numbers = (ignore_index, reduction, label_smoothing, gamma, poly, gce, z_loss, temperature, empty)
        loss: Tensor = record_of(*numbers)(input, target)
        return loss
    reduction = reduction_of(size_average, reduce, reduction)
    floating("logits", input)
    axis = class_axis(input, axis)
    if where is not None:
        where = per_row("where", where, input.shape[:axis] + input.shape[axis + 1 :], input)
    hard, dense = False, False
    if not isinstance(target, tuple):
        target = beside("targets", target, input)
        dense = target.shape == input.shape
        if input.dim() == 1 and not dense and tuple(target.shape) == (1,):
            target = target.reshape(())  # torch takes both for an unbatched class id
        hard = not dense
    dtype = dtype_of(input, *((target, weight) if dense else ()))
    if dtype is not input.dtype and (reduction == "none" or dtype is torch.float64):
        input = input.to(dtype)
    options: dict[str, Any] = {
        "sample_weight": sample_weight, "label_smoothing": label_smoothing, "prior": prior, "gamma": gamma,
        "alpha": alpha, "poly": poly, "gce": gce, "z_loss": z_loss, "temperature": temperature, "softcap": softcap,
        "bias": bias, "ignore_index": ignore_index,
    }  # fmt: skip
    if (hard or dense) and may_be_negative(weight, hard and label_smoothing == 0):
        keep = counted_rows(target, axis, input.shape[axis], dense, ignore_index, where)
        return signed(input, target, weight, axis, dense, keep, reduction, denominator, empty, options).to(dtype)
    options |= {"class_weight": numbers_of(weight), "where": where, "reduction": reduction, "empty": empty}
    if dense and denominator is None and where is None and all_count(target, axis, ignore_index):
        denominator = "elements"
    elif dense and reduction == "mean" and denominator is None:
        keep = counted_rows(target, axis, input.shape[axis], dense, ignore_index, where)
        return of_probabilities(input, target, axis, keep, options).to(dtype)
    denominator = "weight" if denominator is None else denominator
    return softmax_cross_entropy(input, target, axis=axis, denominator=denominator, **options).to(dtype)
