"""Losses that torch's operations computed, reduced as xent's records reduce theirs."""

from __future__ import annotations

from typing import Any

import torch

from xent.objective import denominator_of
from xent.torch.peer import concrete

Tensor = Any
NAMES = ("weight", "count", "elements")


def sum_of(x: Tensor) -> Tensor:
    """The sum, in float64 where the device has it."""
    return x.sum(dtype=torch.float32 if x.device.type == "mps" else torch.float64)


def mean_of(total: Tensor, divisor: Any, count: Any, empty: str) -> Tensor:
    """total / divisor; where nothing counts, what `empty` says, connected to the graph."""
    if empty not in ("zero", "nan", "raise"):
        raise ValueError(f"`empty` must be one of 'zero', 'nan', 'raise'; got {empty!r}.")
    if not isinstance(count, torch.Tensor) or concrete(count):
        if count > 0:
            return total / divisor
        if empty == "raise":
            raise ValueError("nothing is left to average: no loss counts. `empty`='zero' or 'nan' makes that a value.")
        return total * 0.0 if empty == "zero" else total + torch.nan
    some = count > 0
    if isinstance(divisor, torch.Tensor):
        divisor = torch.where(some, divisor, torch.ones_like(divisor))
    value = total / divisor
    return value if empty == "zero" else torch.where(some, value, torch.full_like(value, torch.nan))


def finished(
    losses: Tensor, reduction: str, denominator: Any, empty: str, keep: Tensor | None = None,
    weight: Tensor | None = None, target: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Losses of weight `weight`, 0 where not `keep`, reduced. `denominator` None: how many are kept, weight or not.

    "positives" is for those who give the `target`.
    """
    if reduction != "mean":
        return losses if reduction == "none" else sum_of(losses)
    if isinstance(denominator, str) and denominator not in (*NAMES, *(("positives",) if target is not None else ())):
        raise ValueError(
            f"`denominator` must be one of {', '.join(map(repr, NAMES))} or a number; got {denominator!r}."
        )
    if isinstance(denominator, (int, float)) and not torch.compiler.is_compiling():
        denominator_of(denominator, NAMES)
    kept = losses.numel() if keep is None else sum_of(keep)
    if weight is None or denominator is None:
        counted = kept
    else:
        counted = sum_of(weight != 0 if keep is None else keep & (weight != 0))
    return mean_of(sum_of(losses), divisor_of(denominator, kept, counted, losses, keep, weight, target), counted, empty)


def divisor_of(
    denominator: Any, kept: Any, counted: Any, losses: Tensor, keep: Tensor | None, weight: Tensor | None,
    target: Tensor | None,
) -> Any:  # fmt: skip
    """What the mean divides by."""
    if denominator is None or (denominator == "weight" and weight is None):
        return kept
    if denominator == "count":
        return counted
    if denominator == "elements":
        return losses.numel()
    if denominator == "weight":
        return sum_of(masked(weight, keep))
    if denominator == "positives":
        counts = keep if weight is None else weight != 0 if keep is None else keep & (weight != 0)
        return sum_of(masked(target.to(losses.dtype), counts)).clamp(min=1.0)  # type: ignore[union-attr]
    return denominator


def masked(x: Tensor, keep: Tensor | None) -> Tensor:
    """`x`, 0 where not `keep`."""
    return x if keep is None else torch.where(keep, x, torch.zeros_like(x))


def product(weight: Tensor, losses: Tensor) -> Tensor:
    """weight * losses with 0 * inf = 0."""
    return torch.where(weight == 0, torch.zeros_like(losses), losses * weight)
