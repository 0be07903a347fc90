"""What the drop-ins keep of torch: the deprecated arguments, the dtype of the result, the kinds of errors.

Two facts force the shape. torch raises IndexError, RuntimeError or NotImplementedError where xent raises ValueError and
TypeError, so the drop-ins raise what is both. And torch's arguments have other names than xent's, so a message is
reworded once, at the door.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import _reduction as legacy
from torch.overrides import handle_torch_function, has_torch_function

from xent import backends
from xent.backends.torch.ops import TORCH
from xent.backends.torch.routes import batched, hosted
from xent.backends.torch.views import beside

Tensor = Any
HALF = (torch.float16, torch.bfloat16)
USUAL = (torch.float32, torch.float64)  # in which a loss has the dtype of its logits
UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)  # of which torch has no minimum


class BadValue(ValueError, RuntimeError):
    """A ValueError that code written for torch catches as RuntimeError."""


class BadIndex(BadValue, IndexError):
    """A class id out of range: torch's IndexError, and a ValueError."""


class BadType(TypeError, NotImplementedError):
    """A TypeError that code written for torch catches as RuntimeError or NotImplementedError."""


def reworded(error: Exception, names: dict[str, str]) -> Exception:
    """xent's error with torch's argument names, of torch's kind too."""
    message = str(error)
    if "`" not in message or isinstance(error, RuntimeError):
        return error
    for ours, theirs in names.items():
        message = re.sub(rf"`{ours}\b", f"`{theirs}", message)
    message = re.sub(r"\blogits\b", names.get("logits", "logits"), message)
    if isinstance(error, TypeError):
        return BadType(message)
    return (BadIndex if "ids in [" in message else BadValue)(message)


def drop_in(**names: str) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """A function that tensor subclasses can override, as torch's, and whose errors name torch's arguments.

    `names` says xent's name of each.
    """

    def around(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Tensor:
            if torch.compiler.is_compiling():
                return function(*args, **kwargs)
            given = (*args, *kwargs.values())
            if has_torch_function(given):  # of a tensor subclass, or a mode
                return handle_torch_function(call, given, *args, **kwargs)
            try:
                return function(*args, **kwargs)
            except (ValueError, TypeError) as error:
                raise reworded(error, names) from None

        return call

    return around


def tensor(name: str, x: Any) -> Tensor:
    """`x` if it is a tensor."""
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"`{name}` must be a tensor; got {type(x).__name__}. Pass `torch.as_tensor({name})`.")
    return x


def floating(name: str, x: Any) -> Tensor:
    """`x` if it is a tensor of floating-point numbers."""
    if not tensor(name, x).is_floating_point():
        raise TypeError(f"`{name}` must hold floating-point numbers; got {x.dtype}. Pass `{name}.float()`.")
    return x


def usual(input: Any, target: Any) -> bool:
    """Whether both are plain tensors in single or double precision or integers, and no compiler reads this."""
    return (
        type(input) is torch.Tensor
        and type(target) is torch.Tensor
        and input.dtype in USUAL
        and (target.dtype is input.dtype or not target.is_floating_point())
        and input.device == target.device
        and not torch.compiler.is_compiling()
    )


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str, *more: str) -> str:
    """The reduction, from torch's deprecated pair where one of it is given."""
    if size_average is not None or reduce is not None:
        return str(legacy.legacy_get_string(size_average, reduce))
    if reduction == "elementwise_mean":
        legacy.get_enum(reduction)  # torch's warning
        return "mean"
    if reduction not in ("mean", "sum", "none", *more):
        known = ", ".join(map(repr, ("mean", "sum", "none", *more)))
        raise ValueError(f"`reduction` must be one of {known}; got {reduction!r}.")
    return reduction


def dtype_of(input: Tensor, *others: Any, widened: bool = True) -> Any:
    """The dtype of the loss: the widest of those given, float32 under autocast where torch computes there (`widened`).

    `others` that are no floating-point tensors do not matter.
    """
    dtype = input.dtype
    for x in others:
        if isinstance(x, torch.Tensor) and x.is_floating_point():
            dtype = torch.promote_types(dtype, x.dtype)
    if widened and dtype in HALF and torch.is_autocast_enabled(input.device.type):
        return torch.float32
    return dtype


def compute(x: Tensor) -> Tensor:
    """float32 for half precision, else as it is."""
    return x.float() if x.dtype in HALF else x


def concrete(*tensors: Any) -> bool:
    """Whether Python may look at the tensors' values: on the CPU, and no compiler, tracer or batch behind them."""
    return (
        not torch.compiler.is_compiling()
        and not backends.portable
        and all(hosted(x) and not batched(x) for x in tensors)
        and torch._C._len_torch_dispatch_stack() == 0
        and torch._C._get_tracing_state() is None
    )


def signed_numbers(x: Tensor) -> Tensor:
    """Integers as int64: beside an unsigned tensor torch would wrap a negative number."""
    return x if x.is_floating_point() else TORCH.ids(x)


def spread(name: str, x: Any, input: Tensor) -> Tensor:
    """A tensor that broadcasts to the input's shape, in that shape without a copy."""
    x = beside(name, x, input)
    if x.shape == input.shape:
        return x
    full = tuple(input.shape)
    sides = zip(reversed(x.shape), reversed(full), strict=False)
    fits = x.dim() <= len(full) and all(a == 1 or a == b for a, b in sides)
    if not fits:
        raise ValueError(f"`{name}` must broadcast to the shape of the logits, {full}; got shape {tuple(x.shape)}.")
    return x.expand(full)


def span(x: Tensor) -> tuple[float, float]:
    """The least and the greatest entry of a tensor that Python may look at; 0 and 0 of none."""
    if not x.numel():
        return 0.0, 0.0
    low, high = (x.detach() if x.dtype not in UNSIGNED else x.long()).aminmax()
    return float(low), float(high)


def boolean(name: str, x: Tensor) -> Tensor:
    """`x`; a `where` must be boolean."""
    if name == "where" and x.dtype is not torch.bool:
        raise TypeError(f"`where` must be boolean; got {x.dtype}. Write the condition out, as in `where=x > 0`.")
    return x


def per_row(name: str, x: Any, shape: tuple[int, ...], input: Tensor) -> Tensor:
    """`sample_weight` or `where` of the softmax family: one per row."""
    x = boolean(name, beside(name, x, input))
    if tuple(x.shape) != tuple(shape):
        raise ValueError(f"`{name}` must have one entry per row, {tuple(shape)}; got shape {tuple(x.shape)}.")
    return x


def per_element(name: str, x: Any, input: Tensor) -> Tensor:
    """`sample_weight` or `where` of the sigmoid family: one per element or one per row, in the input's shape."""
    x = boolean(name, beside(name, x, input))
    if x.shape != input.shape and input.dim() >= 2 and x.shape == input.shape[:-1]:
        x = x.unsqueeze(-1)
    elif x.shape != input.shape:
        raise ValueError(
            f"`{name}` must have the shape of the logits, {tuple(input.shape)}, or one entry per row; "
            f"got shape {tuple(x.shape)}."
        )
    return x.expand(input.shape)
