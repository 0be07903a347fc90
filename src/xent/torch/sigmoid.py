"""The drop-ins of the sigmoid family: every logit its own yes-or-no question."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch

from xent.backends.torch.views import beside
from xent.losses import SigmoidCrossEntropy, sigmoid_cross_entropy
from xent.torch import labels
from xent.torch.peer import (
    BadIndex,
    compute,
    concrete,
    drop_in,
    dtype_of,
    floating,
    per_element,
    reduction_of,
    signed_numbers,
    span,
    spread,
    usual,
)
from xent.torch.reductions import finished, mean_of, sum_of
from xent.torch.softmax import indices

Tensor = Any
NAMES = {"logits": "input", "targets": "target"}


def left_out(target: Tensor, where: Tensor | None, ignore_index: Any) -> Tensor | None:
    """Which elements count, where some may not."""
    keep = where
    for index in indices(ignore_index):
        hit = signed_numbers(target) != index
        keep = hit if keep is None else keep & hit
    return keep


def weighed(
    input: Tensor, target: Tensor, weight: Tensor, keep: Tensor | None, reduction: str, denominator: Any, empty: str,
    sample_weight: Tensor | None, options: dict[str, Any],
) -> Tensor:  # fmt: skip
    """Weights of any sign, or of a sign nobody may look at: the losses times the weights."""
    keep = torch.ones_like(target, dtype=torch.bool) if keep is None else keep
    losses = sigmoid_cross_entropy(
        compute(input), target, sample_weight=sample_weight, where=keep & (weight != 0), reduction="none", **options
    )
    weight = weight.to(losses.dtype)
    whole = weight if sample_weight is None else weight * sample_weight.to(losses.dtype)
    return finished(losses * weight, reduction, denominator, empty, keep, whole, target)


def binary(
    input: Tensor, target: Any, weight: Any, pos_weight: Any, reduction: str, *, sample_weight: Any, where: Any,
    ignore_index: Any, denominator: Any, empty: str, **options: Any,
) -> Tensor:  # fmt: skip
    """The loss of every drop-in here, in the dtype it was computed in. `denominator` None: elements that count."""
    target = beside("targets", target, input)
    if target.shape != input.shape:
        raise ValueError(
            f"`targets` must have the shape of the logits, {tuple(input.shape)}; got shape {tuple(target.shape)}. "
            "Nothing is broadcast."
        )
    signed = weight is not None and (not concrete(weight) or span(weight)[0] < 0)
    weight = None if weight is None else spread("weight", weight, input)
    sample_weight = None if sample_weight is None else per_element("sample_weight", sample_weight, input)
    where = None if where is None else per_element("where", where, input)
    view = labels.view(input, pos_weight)
    if view is not None:
        input, target, weight, sample_weight, where = (
            None if x is None else view.there(x) for x in (input, target, weight, sample_weight, where)
        )
        pos_weight = view.pos_weight
    options |= {"pos_weight": pos_weight, "ignore_index": ignore_index}
    keep = left_out(target, where, ignore_index)
    if signed:
        loss = weighed(input, target, weight, keep, reduction, denominator, empty, sample_weight, options)
    else:
        if weight is not None:
            sample_weight = weight if sample_weight is None else weight * sample_weight
        counted = reduction == "mean" and denominator is None and keep is not None
        loss = sigmoid_cross_entropy(
            input, target, sample_weight=sample_weight, where=where, reduction="sum" if counted else reduction,
            denominator="elements" if denominator is None else denominator, empty=empty, **options,
        )  # fmt: skip
        if counted:
            count = sum_of(keep)
            loss = mean_of(loss, count, count, empty)
    return view.back(loss) if view is not None and reduction == "none" else loss


@lru_cache(maxsize=256, typed=True)
def record_of(
    reduction: str, label_smoothing: float, gamma: float, poly: float, gce: float, temperature: float, empty: str
) -> SigmoidCrossEntropy:
    """The loss of a plain call: no numbers but these."""
    return SigmoidCrossEntropy(
        reduction=reduction_of(None, None, reduction), label_smoothing=label_smoothing, gamma=gamma, poly=poly,
        gce=gce, temperature=temperature, empty=empty, denominator="elements",
    )  # fmt: skip


@drop_in(**NAMES)
def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean", pos_weight: Tensor | None = None, *,
    sample_weight: Any = None, where: Any = None, ignore_index: Any = None, class_weight: Any = None,
    label_smoothing: float = 0.0, prior: Any = None, gamma: Any = 0.0, alpha: Any = None, poly: float = 0.0,
    gce: float = 0.0, temperature: float = 1.0, softcap: float | None = None, bias: Any = None,
    denominator: str | float | None = None, empty: str = "zero",
) -> Tensor:  # fmt: skip
    """`torch.nn.functional.binary_cross_entropy_with_logits`, exact in both tails.

        loss = weight [pos_weight t softplus(-z) + (1 - t) softplus(z)]

    Args:
        input: logits z of any shape.
        target: t in [0, 1], the input's shape, any dtype (torch: floating only).
        weight: factor of every loss, of any shape that broadcasts to the input's and of any sign; not part of the mean.
        size_average, reduce: torch's deprecated pair, which decides `reduction` where given.
        reduction: "mean" (over the elements), "sum" or "none".
        pos_weight: >= 0, factor of the positive term, of any shape that broadcasts to the input's.
        sample_weight, where, ignore_index, class_weight, label_smoothing, prior, gamma, alpha, poly, gce, temperature,
            softcap, bias, empty: as in `xent.sigmoid_cross_entropy`.
        denominator: of the mean; None is torch's: the elements (without those that `where` and `ignore_index` leave
            out).

    Returns:
        The loss in nats in the wider dtype of input and target (float32 under autocast).

    Raises:
        ValueError, TypeError (RuntimeError too, as torch's): shapes that differ, targets outside [0, 1].

    >>> import torch
    >>> z = torch.tensor([20.0, -20.0], requires_grad=True)
    >>> binary_cross_entropy_with_logits(z, torch.tensor([1.0, 0.0])).backward()  # torch's gradient: 0 and 1.0e-09
    >>> z.grad
    tensor([-1.0306e-09,  1.0306e-09])
    """
    if (
        usual(input, target) and weight is None and size_average is None and reduce is None and pos_weight is None
        and sample_weight is None and where is None and ignore_index is None and class_weight is None
        and prior is None and alpha is None and bias is None and softcap is None and denominator is None
        and type(gamma) is float
    ):  # fmt: skip
        plain: Tensor = record_of(reduction, label_smoothing, gamma, poly, gce, temperature, empty)(input, target)
        return plain
    reduction = reduction_of(size_average, reduce, reduction)
    dtype = dtype_of(floating("logits", input), target)
    if dtype is not input.dtype and (reduction == "none" or dtype is torch.float64):
        input = input.to(dtype)
    loss = binary(
        input, target, weight, pos_weight, reduction, sample_weight=sample_weight, where=where,
        ignore_index=ignore_index, class_weight=class_weight, label_smoothing=label_smoothing, prior=prior,
        gamma=gamma, alpha=alpha, poly=poly, gce=gce, temperature=temperature, softcap=softcap, bias=bias,
        denominator=denominator, empty=empty,
    )  # fmt: skip
    return loss.to(dtype)


@drop_in(**NAMES)
def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean", *, sample_weight: Any = None, where: Any = None,
    ignore_index: Any = None, pos_weight: Any = None, label_smoothing: float = 0.0, prior: Any = None,
    gamma: Any = 0.0, alpha: Any = None, poly: float = 0.0, gce: float = 0.0, temperature: float = 1.0,
    softcap: float | None = None, bias: Any = None, denominator: str | float | None = None, empty: str = "zero",
) -> Tensor:  # fmt: skip
    """`torch.nn.functional.multilabel_soft_margin_loss`: the mean over the labels (the last axis) of the binary losses.

    Arguments as in `binary_cross_entropy_with_logits`; a row's loss is the sum over its L labels divided by L.

    >>> import torch
    >>> multilabel_soft_margin_loss(torch.zeros(2, 3), torch.ones(2, 3), reduction="none")
    tensor([0.6931, 0.6931])
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if floating("logits", input).dim() == 0:
        raise BadIndex("`input` must have a label axis; got a single logit.")
    dtype = dtype_of(input, target, weight, widened=False)
    if dtype is torch.float64 or reduction == "none":
        input = input.to(dtype if dtype is torch.float64 else torch.float32)
    loss = binary(
        input, target, weight, pos_weight, reduction, sample_weight=sample_weight, where=where,
        ignore_index=ignore_index, label_smoothing=label_smoothing, prior=prior, gamma=gamma, alpha=alpha, poly=poly,
        gce=gce, temperature=temperature, softcap=softcap, bias=bias, denominator=denominator, empty=empty,
    )  # fmt: skip
    if reduction == "none":
        loss = loss.sum(-1)
    return (loss if reduction == "mean" else loss / input.shape[-1]).to(dtype)


@drop_in(logits="inputs", targets="targets", input="inputs")
def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: Any = 0.25, gamma: Any = 2, reduction: str = "none", *,
    weight: Any = None, sample_weight: Any = None, where: Any = None, ignore_index: Any = None, pos_weight: Any = None,
    label_smoothing: float = 0.0, prior: Any = None, temperature: float = 1.0, softcap: float | None = None,
    bias: Any = None, denominator: str | float | None = None, empty: str = "zero",
) -> Tensor:  # fmt: skip
    """`torchvision.ops.sigmoid_focal_loss`, in log space: no NaN for gamma < 1, no dead gradient in the tails.

        loss = alpha t (1 - p)^gamma softplus(-z) + (1 - alpha) (1 - t) p^gamma softplus(z),   p = sigmoid(z)

    Args:
        inputs: logits z of any shape.
        targets: t in [0, 1], the inputs' shape, any dtype.
        alpha: in [0, 1]; -1: no alpha. A number, or one per label.
        gamma: >= 0, or a pair (of positives, of negatives).
        reduction: "none", "mean" (over the elements) or "sum".
        weight, pos_weight: as in `binary_cross_entropy_with_logits`; the others as in `xent.sigmoid_cross_entropy`.
        denominator: of the mean; None is torchvision's: the elements that count. "positives" is RetinaNet's.

    Raises:
        ValueError, TypeError: as `binary_cross_entropy_with_logits`.

    Source: Lin et al. 2017, arXiv:1708.02002, eq. 5.

    >>> import torch
    >>> sigmoid_focal_loss(torch.tensor([30.0]), torch.tensor([1.0]), gamma=0.5, alpha=-1)  # torchvision: gradient NaN
    tensor([2.8625e-20])
    """
    dtype = dtype_of(floating("logits", inputs), targets)
    if dtype is not inputs.dtype and (reduction == "none" or dtype is torch.float64):
        inputs = inputs.to(dtype)
    if isinstance(alpha, (int, float)) and alpha == -1:
        alpha = None
    loss = binary(
        inputs, targets, weight, pos_weight, reduction_of(None, None, reduction), sample_weight=sample_weight,
        where=where, ignore_index=ignore_index, label_smoothing=label_smoothing, prior=prior, gamma=gamma, alpha=alpha,
        temperature=temperature, softcap=softcap, bias=bias, denominator=denominator, empty=empty,
    )  # fmt: skip
    return loss.to(dtype)
