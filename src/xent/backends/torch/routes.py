"""Which way a call goes: through the kernels, or by the portable path."""

from __future__ import annotations

from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd import forward_ad

from xent import backends

Tensor = Any
PLAIN = frozenset((torch.Tensor, torch.nn.Parameter))
_dispatch = torch.Tensor.__torch_dispatch__
_transforms, _modes = torch._C._are_functorch_transforms_active, torch._C._len_torch_dispatch_stack
_tracer = torch._C._get_tracing_state


def hosted(x: Tensor) -> bool:
    """Whether a tensor's memory can be read here and now: on the CPU, and no mode's or subclass's stand-in."""
    return bool((type(x) in PLAIN or type(x).__torch_dispatch__ is _dispatch) and x.is_cpu)


def fusible(logits: Tensor, rest: tuple[Tensor, ...]) -> bool:
    """Whether NumPy's kernels may have these tensors: no transform, no tracer, no forward mode would notice."""
    if backends.portable or forward_ad._current_level >= 0 or not hosted(logits):
        return False
    for x in rest:
        if not hosted(x):
            return False
    return not (_transforms() or _modes() or _tracer() is not None)


def watched(logits: Tensor, rest: tuple[Tensor, ...]) -> bool:
    """Whether a registered operator should be seen: by a mode that counts or traces operators, or by fake tensors."""
    tensors = (logits, *rest)
    return (
        not backends.portable
        and all(x.is_cpu and (type(x) in PLAIN or isinstance(x, FakeTensor)) for x in tensors)
        and (torch._C._len_torch_dispatch_stack() > 0 or any(type(x) not in PLAIN for x in tensors))
        and not (torch.is_grad_enabled() and any(x.requires_grad for x in rest))
        and forward_ad._current_level < 0
        and not torch._C._are_functorch_transforms_active()
    )


def batched(x: Tensor) -> bool:
    """Whether a tensor stands for a batch: under `vmap`, or as one of many upstream gradients."""
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(x) or torch._C._functorch.is_legacy_batchedtensor(x))
