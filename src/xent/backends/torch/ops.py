"""The operations of `xent.portable` in torch: on any device, under any transform, without a look at a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import forward_ad

from xent.portable.ops import Axis, Linear, Ops

Tensor = Any
LEAST = torch.iinfo(torch.int64).min
unpack_dual: Any = forward_ad.unpack_dual


def dims(x: Tensor, axis: Axis) -> tuple[int, ...]:
    """The axes a reduction runs over."""
    if axis is None:
        return tuple(range(x.ndim))
    return (axis,) if isinstance(axis, int) else tuple(axis)


def seen(x: Tensor) -> bool:
    """Whether a value can be read here and now, without waiting for a device."""
    return bool(
        not torch.compiler.is_compiling()
        and type(x) is torch.Tensor
        and x.device.type == "cpu"
        and torch._C._len_torch_dispatch_stack() == 0
    )


class TorchOps(Ops):
    """The namespace for torch tensors."""

    exp = staticmethod(torch.exp)
    expm1 = staticmethod(torch.expm1)
    log = staticmethod(torch.log)
    log1p = staticmethod(torch.log1p)
    tanh = staticmethod(torch.tanh)
    abs = staticmethod(torch.abs)
    where = staticmethod(torch.where)
    maximum = staticmethod(torch.maximum)
    minimum = staticmethod(torch.minimum)
    isnan = staticmethod(torch.isnan)
    isinf = staticmethod(torch.isinf)
    isfinite = staticmethod(torch.isfinite)
    moveaxis = staticmethod(torch.movedim)
    reshape = staticmethod(torch.reshape)
    broadcast_to = staticmethod(torch.broadcast_to)
    stack = staticmethod(torch.stack)
    concatenate = staticmethod(torch.concatenate)
    zeros_like = staticmethod(torch.zeros_like)
    ones_like = staticmethod(torch.ones_like)

    def sum(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        over = dims(x, axis)
        return torch.sum(x, over, keepdim=keepdims) if over else x + 0

    def max(self, x: Tensor, axis: int, keepdims: bool = False) -> Tensor:
        return torch.amax(x, axis, keepdim=keepdims)

    def argmax(self, x: Tensor, axis: int, keepdims: bool = False) -> Tensor:
        return torch.argmax(x, axis, keepdim=keepdims)

    def any(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        over = dims(x, axis)
        return torch.any(x, over, keepdim=keepdims) if over else x

    def all(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        over = dims(x, axis)
        return torch.all(x, over, keepdim=keepdims) if over else x

    def zeros(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        return torch.zeros(shape, dtype=like.dtype, device=like.device)

    def arange(self, n: int, like: Tensor) -> Tensor:
        return torch.arange(n, device=like.device)

    def ids(self, x: Tensor) -> Tensor:
        found = x.to(torch.int64)
        return torch.where(found < 0, LEAST, found) if x.dtype is torch.uint64 else found

    def take_along_axis(self, x: Tensor, ids: Tensor, axis: int) -> Tensor:
        return torch.take_along_dim(x, ids, axis)

    def scatter_add(self, shape: tuple[int, ...], ids: Tensor, values: Tensor) -> Tensor:
        return self.zeros(shape, values).scatter_add(-1, ids, values)

    def one_hot(self, ids: Tensor, n: int, like: Tensor) -> Tensor:
        return (ids[..., None] == self.arange(n, ids)).to(like.dtype)

    def kind(self, x: Tensor) -> str:
        if x.dtype is torch.bool:
            return "b"
        if x.is_floating_point():
            return "f"
        return "i" if x.dtype.is_signed else "u"

    def cast(self, x: Tensor, to: Any) -> Tensor:
        return x.to(getattr(to, "dtype", to))

    def constant(self, x: Any, like: Tensor) -> Tensor:
        return torch.tensor(x, dtype=like.dtype, device=like.device)

    def compute(self, x: Tensor) -> Tensor:
        return x if x.dtype in (torch.float32, torch.float64) else x.float()

    def wide(self, x: Tensor) -> Tensor:
        return x.float() if x.device.type == "mps" else x.double()

    def stop(self, x: Tensor) -> Tensor:
        return x.detach()

    def row_rule(self, f: Callable[[Tensor], Any], jvp: Linear, vjp: Linear) -> Callable[[Tensor], Any]:
        tangents = jvp

        class Traced(torch.autograd.Function):
            generate_vmap_rule = True

            @staticmethod
            def forward(z: Tensor) -> Any:
                return own(f(z), z)

            @staticmethod
            def setup_context(ctx: Any, inputs: tuple[Tensor], output: Any) -> None:
                ctx.save_for_backward(*inputs)
                ctx.save_for_forward(*inputs)

            @staticmethod
            def backward(ctx: Any, *up: Tensor) -> Tensor:
                (z,) = ctx.saved_tensors
                return vjp(z, up if len(up) > 1 else up[0])

        class Rule(Traced):
            @staticmethod
            def jvp(ctx: Any, dz: Tensor) -> Any:
                (z,) = ctx.saved_tensors
                return forward_mode(tangents, z, dz)

        return applied(Rule, Traced)

    def check(self, ok: Tensor, message: str) -> None:
        while torch._C._functorch.is_functorch_wrapped_tensor(ok):  # all rows of a vmap at once
            ok = torch._C._functorch.get_unwrapped(ok)
        if not seen(ok):
            torch._assert_async(ok.all(), message)
        elif not ok.all():
            raise ValueError(message)

    def require(self, ok: Tensor, message: str) -> None:
        self.check(ok, message)


def own(found: Any, x: Tensor) -> Any:
    """What a rule returns must not be its input."""
    return found.view_as(x) if found is x else found


def applied(rule: Any, traced: Any) -> Callable[[Tensor], Any]:
    """The function whose derivatives the rule holds; compilers get the one without forward mode, which they refuse."""

    def call(x: Tensor) -> Any:
        return traced.apply(x) if torch.compiler.is_compiling() else rule.apply(x)

    return call


def forward_mode(jvp: Linear, x: Tensor, dx: Tensor) -> Any:
    """`jvp` for forward mode over forward mode: torch turns it off inside a rule, where the level below needs it."""
    with forward_ad._set_fwd_grad_enabled(True):
        return jvp(unpack_dual(x).primal, dx)


TORCH = TorchOps()
