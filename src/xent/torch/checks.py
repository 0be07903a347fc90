"""What must hold of tensors that torch's operations compute with: an error, or NaN where nobody may look."""

from __future__ import annotations

from typing import Any

import torch

from xent import backends
from xent.backends.torch.ops import TORCH
from xent.torch.peer import concrete

Tensor = Any


def held(ok: Tensor, losses: Tensor, message: str) -> Tensor:
    """The losses where `ok`; elsewhere an error, or loss and gradient NaN where nobody may look."""
    if concrete(ok):
        if bool(ok.all()):
            return losses
        raise ValueError(message)
    if backends.checking:
        TORCH.check(ok, message)
    return losses * torch.where(ok, 1.0, torch.nan).to(losses.dtype)


def same_shape(input: Tensor, target: Tensor) -> None:
    """ValueError unless the target has the input's shape."""
    if target.shape != input.shape:
        raise ValueError(
            f"`target` must have the shape of the input, {tuple(input.shape)}; got shape {tuple(target.shape)}. "
            "Nothing is broadcast."
        )


def first_wrong(x: Tensor, ok: Tensor) -> str:
    """` got 1.5 at index (0, 3).`, where Python may look."""
    if not concrete(x, ok) or bool(ok.all()):
        return ""
    at = tuple(int(i) for i in (~ok).nonzero()[0])
    where = "" if not at else f" at index {at[0] if len(at) == 1 else at}"
    return f"; got {x[at].item():.9g}{where}"
