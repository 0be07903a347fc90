"""Measures, activations and probabilities of tensors.

NumPy's own functions where values can be read and no derivative is asked, else the portable ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from xent import backends
from xent.backends.torch.ops import TORCH
from xent.backends.torch.routes import fusible
from xent.backends.torch.views import beside, checked, filled, taken, tensor, view
from xent.portable.divergences import divergences
from xent.portable.questions import QUESTIONS

Tensor = Any
Given = dict[str, Any]

divergences(TORCH)  # made here, because compilers cannot make rules while they trace


def through(
    given: Given,
    question: tuple[str, tuple[Any, ...]],
    *,
    numbers: Callable[..., Any],
    check: Callable[..., Any] | None = None,
    out: Any = None,
    detached: bool = False,
) -> Any:
    """`numbers` of the views of the tensors, as tensors; or the portable answer to the question.

    That comes after `check` where values can be read. What is None stays away, and what is no tensor becomes one
    beside those that are. `detached`: no graph remembers the answer.
    """
    like = next(x for x in given.values() if isinstance(x, torch.Tensor))
    tensors = {name: placed(name, x, like) for name, x in given.items() if x is not None}
    if detached:
        tensors = {name: x.detach() for name, x in tensors.items()}
    if backends.compiling():
        from xent.backends.torch import compiled  # a compiler reads this statement

        return compiled.answered(question, tensors, out)
    first, *rest = tensors.values()
    tracked = torch.is_grad_enabled() and any(x.requires_grad for x in tensors.values())
    if out is not None:
        taken(out, None, first)
        if tracked:
            raise ValueError("`out` takes what no derivative is asked of; leave it out, or use `torch.no_grad()`.")
    if not fusible(first, tuple(rest)):
        return answered(question, tensors, out)
    views = {name: view(x) for name, x in tensors.items()}
    if tracked:
        if check is not None:
            check(**views)
        return answered(question, tensors, out)
    if out is None:
        return wrapped(numbers(**views))
    numbers(**views, out=view(out))
    return out


def placed(name: str, x: Any, like: Tensor) -> Tensor:
    """A tensor on the device of the others; lists and NumPy arrays become one."""
    if not isinstance(x, torch.Tensor):
        return beside(name, x, like)
    if x.device == like.device:
        return checked(name, x)
    if name == "class_weight" and x.device.type == "cpu":
        return beside(name, x, like)
    raise ValueError(
        f"the tensors of one call must be on one device; got `{name}` on {x.device} beside {like.device}. "
        f"Pass `{name}.to({str(like.device)!r})`."
    )


def answered(question: tuple[str, tuple[Any, ...]], tensors: Given, out: Any) -> Any:
    """The portable answer, in `out` if given."""
    name, options = question
    found = QUESTIONS[name](TORCH, tensors, *options)
    return found if out is None else filled(out, found)


def wrapped(found: Any) -> Any:
    """NumPy's results as tensors over the same memory."""
    return tuple(map(wrapped, found)) if isinstance(found, tuple) else None if found is None else tensor(found)
