"""Tensors as NumPy arrays over the same memory, and what stands beside a tensor as a tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from xent import backends
from xent.backends.numpy import BFLOAT16, plain

Tensor = Any
Array = Any

FLOATS = frozenset((torch.float16, torch.bfloat16, torch.float32, torch.float64))
TABLES = frozenset(("class_weight", "pos_weight", "alpha", "prior", "bias"))  # small: they may come from the host


def view(x: Tensor) -> Array:
    """A CPU tensor's memory as a NumPy array of its strides; bfloat16 as the structured dtype `BFLOAT16`.

    Only where its sign is a bit that NumPy does not know (the imaginary part of a conjugate) is it a copy.
    """
    if x.dtype is torch.bfloat16:
        return x.detach().resolve_neg().view(torch.int16).numpy().view(BFLOAT16)
    return x.numpy(force=True)


def tensor(a: Array) -> Tensor:
    """The tensor over a NumPy array's memory (of a scalar's, a copy)."""
    if type(a) is not np.ndarray:
        a = np.asarray(a)
    if a.dtype.char == "V":
        return torch.from_numpy(a.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(a)


def checked(name: str, x: Tensor) -> Tensor:
    """The tensor, if it is dense; TypeError for the layouts whose entries do not lie at strides."""
    if x.layout is not torch.strided:
        raise TypeError(f"`{name}` must be a strided tensor; got layout {x.layout}. Pass `{name}.to_dense()`.")
    if x.is_quantized:
        raise TypeError(f"`{name}` must hold plain numbers; got {x.dtype}. Pass `{name}.dequantize()`.")
    if x.is_complex():
        raise TypeError(f"`{name}` must hold real numbers; got {x.dtype}.")
    return x


def logits_of(x: Tensor) -> Tensor:
    """The logits, if they hold floating-point numbers that the kernels read."""
    if x.dtype not in FLOATS:
        raise TypeError(
            f"`logits` must hold floating-point numbers (float16, bfloat16, float32, float64); got {x.dtype}. "
            "Convert with `logits.float()` if that is what they mean."
        )
    return checked("logits", x)


def beside(name: str, x: Any, logits: Tensor) -> Tensor:
    """What came beside the logits, as a tensor on their device: lists are read as NumPy reads them."""
    if not isinstance(x, torch.Tensor):
        backends.of(x)
        a = plain(name, x)
        if a.dtype.kind not in "biuf":
            return bits_beside(name, a, logits)
        if not a.flags.writeable or any(step < 0 for step in a.strides):  # no tensor is either
            a = a.copy()
        return on(torch.from_numpy(a), logits.device)
    if x.device != logits.device:
        if name in TABLES and x.device.type == "cpu":
            return on(x, logits.device)
        raise ValueError(
            f"`{name}` must be on the device of the logits, {logits.device}; got {x.device}. "
            f"Pass `{name}.to(logits.device)`."
        )
    return checked(name, x)


def on(x: Tensor, device: Any) -> Tensor:
    """`x` on the device, in float32 where the device has no float64."""
    if device.type == "cpu":
        return x
    if device.type == "mps" and x.dtype is torch.float64:
        x = x.float()
    return x.to(device, non_blocking=True)


def bits_beside(name: str, a: Array, logits: Tensor) -> Tensor:
    """A NumPy array of bfloat16 beside the logits; TypeError for anything that is not numbers."""
    if not backends.numpy.is_bfloat16(a.dtype):
        raise TypeError(f"`{name}` must hold bool, integer or floating-point numbers; got {a.dtype}.")
    return on(torch.from_numpy(a.view(np.int16).copy()).view(torch.bfloat16), logits.device)


def taken(out: Any, shape: Any, logits: Tensor) -> Tensor:
    """The caller's `out` if it can take a result in the dtype of the logits, of this shape where one is given."""
    if not isinstance(out, torch.Tensor):
        raise TypeError(f"`out` must be a tensor; got {type(out).__name__}.")
    if out.requires_grad:
        raise ValueError("`out` must not require a gradient; pass `out.detach()`.")
    if out.device != logits.device:
        raise ValueError(f"`out` must be on the device of the logits, {logits.device}; got {out.device}.")
    if out.dtype is not logits.dtype or (shape is not None and out.shape != shape):
        wanted = "" if shape is None else f"shape {tuple(shape)} and "
        raise ValueError(
            f"`out` must have {wanted}dtype {logits.dtype}; got shape {tuple(out.shape)} and dtype {out.dtype}."
        )
    return checked("out", out)


def filled(out: Tensor, found: Tensor) -> Tensor:
    """`out` with the result."""
    if out.shape != found.shape:
        raise ValueError(f"`out` must have shape {tuple(found.shape)}; got shape {tuple(out.shape)}.")
    return out.copy_(found)
