"""`binary_cross_entropy`: the drop-in that takes the probability of a yes.

torch's own kernel is exact but within 1e-12 of 0 and 1, where it clamps: only there the terms are taken apart, so that
the one without a limit is as it should be.
"""

from __future__ import annotations

from typing import Any

import torch

from xent.backends.torch.views import beside
from xent.objective import number, share
from xent.torch.checks import first_wrong, held, same_shape
from xent.torch.peer import compute, concrete, drop_in, dtype_of, floating, per_element, reduction_of, span, spread
from xent.torch.reductions import finished, masked, product
from xent.torch.softmax import NAMES, indices

Tensor = Any
MOST, LEAST = 100.0, 1e-12  # torch.nn.BCELoss: a logarithm is at least -100, a divisor of the gradient at least 1e-12


def clamped(x: Tensor, exact: bool) -> Tensor:
    """log x of a small x >= 0; unless `exact`, torch's: at least -100, with slope 1e12."""
    if exact:
        return torch.log(x)
    flat = x.detach()
    return torch.log(flat).clamp(min=-MOST) + (x - flat) / LEAST


def near_an_end(p: Tensor, t: Tensor, exact: bool) -> Tensor:
    """The loss where p is within 1e-12 of 0 or 1, with 0 log 0 = 0 in value and gradient; elsewhere anything finite."""
    low = p < 0.5
    small = torch.where(low, p, 1.0 - p)  # the smaller of p and 1 - p, and its target
    share = torch.where(low, t, 1.0 - t)
    nothing = (share == 0) & (small == 0)
    steep = share * clamped(torch.where(nothing, torch.ones_like(p), small), exact)
    return -masked(steep, ~nothing) - (1.0 - share) * torch.log1p(-small)


def ordinary(p: Tensor, t: Tensor) -> bool:
    """Whether a look shows that nothing is wrong and no probability near an end."""
    if not (concrete(p, t) and p.numel()):
        return False
    (low, high), (least, most) = span(p), span(t)
    return low >= LEAST and 1.0 - high >= LEAST and least >= 0 and most <= 1


def losses_of(p: Tensor, t: Tensor, exact: bool) -> Tensor:
    """-[t log p + (1 - t) log(1 - p)], checked."""
    kernel: Any = torch._C._nn.binary_cross_entropy  # not of torch.nn.functional, where our own may stand
    if ordinary(p, t):
        return kernel(p, t, None, 0)
    fine, right = (p >= 0) & (p <= 1), (t >= 0) & (t <= 1)
    half = torch.full_like(p, 0.5)
    p_in, t_in = torch.where(fine, p, half), torch.where(right, t, half)
    end = torch.minimum(p_in, 1.0 - p_in) < LEAST
    inner = kernel(torch.where(end, half, p_in), t_in, None, 0)
    losses = torch.where(end, near_an_end(torch.where(end, p_in, torch.zeros_like(p)), t_in, exact), inner)
    losses = held(fine, losses, f"`input` must hold probabilities in [0, 1]{first_wrong(p, fine)}.")
    return held(right, losses, f"`target` must lie in [0, 1]{first_wrong(t, right)}.")


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
    same_shape(input, target)
    dtype = dtype_of(input, target)
    p = compute(input.to(torch.promote_types(input.dtype, dtype)))
    t = target.to(p.dtype)
    keep = None if where is None else per_element("where", where, input)
    for index in indices(ignore_index):
        keep = t != index if keep is None else keep & (t != index)
    if keep is not None:
        p, t = (torch.where(keep, x, torch.full_like(x, 0.5)) for x in (p, t))
    if label_smoothing:
        if not torch.compiler.is_compiling():  # whose numbers may be symbols
            number("label_smoothing", label_smoothing, "a number in [0, 1]", share)
        t = (1.0 - label_smoothing) * t + 0.5 * label_smoothing
    losses = losses_of(p, t, exact)
    if weight is not None:
        weight = spread("weight", weight, input).to(p.dtype)
        losses = product(weight, losses)
    losses = masked(losses, keep)
    return finished(losses, reduction, denominator, empty, keep, weight).to(dtype)
