"""The few operations the portable losses are written in, for NumPy: the specification of every framework's own.

A framework's `Ops` has the same methods, and nothing else is asked of its arrays but `.shape`, `.ndim`, `.dtype`,
`.dtype.itemsize`, Python's operators (+ - * / ** == < <= & | ~) and the indices `[..., None]` and `[..., 0]`. A Python
number beside an array takes the array's dtype. No method reads a value on the host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any
Axis = int | tuple[int, ...] | None
Scalar = Callable[[Array], Array]
Linear = Callable[[Array, Any], Any]  # (point, tangent or cotangent) -> cotangent or tangent


class Ops:
    """The namespace; one instance per framework, which also keeps what rules.py makes of it."""

    rules: Any = None
    divergences: Any = None  # and divergences.py

    # elementwise
    exp: Any = staticmethod(np.exp)
    expm1: Any = staticmethod(np.expm1)
    log: Any = staticmethod(np.log)
    log1p: Any = staticmethod(np.log1p)
    tanh: Any = staticmethod(np.tanh)
    abs: Any = staticmethod(np.abs)
    where: Any = staticmethod(np.where)  # (mask, array or number, array or number)
    maximum: Any = staticmethod(np.maximum)  # of two arrays
    minimum: Any = staticmethod(np.minimum)
    isnan: Any = staticmethod(np.isnan)
    isinf: Any = staticmethod(np.isinf)
    isfinite: Any = staticmethod(np.isfinite)

    # shapes
    moveaxis: Any = staticmethod(np.moveaxis)
    reshape: Any = staticmethod(np.reshape)
    broadcast_to: Any = staticmethod(np.broadcast_to)
    stack: Any = staticmethod(np.stack)  # (list, axis)
    concatenate: Any = staticmethod(np.concatenate)  # (list, axis)
    zeros_like: Any = staticmethod(np.zeros_like)
    ones_like: Any = staticmethod(np.ones_like)

    def sum(self, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
        """In the dtype of `x`; of booleans in the framework's default integer."""
        return np.sum(x, axis=axis, keepdims=keepdims)

    def max(self, x: Array, axis: int, keepdims: bool = False) -> Array:
        """The largest, NaN if there is one. Never of an empty axis."""
        return np.max(x, axis=axis, keepdims=keepdims)

    def argmax(self, x: Array, axis: int, keepdims: bool = False) -> Array:
        """The index of one of the largest."""
        return np.argmax(x, axis=axis, keepdims=keepdims)

    def any(self, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
        """Of booleans."""
        return np.any(x, axis=axis, keepdims=keepdims)

    def all(self, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
        """Of booleans."""
        return np.all(x, axis=axis, keepdims=keepdims)

    def zeros(self, shape: tuple[int, ...], like: Array) -> Array:
        """In the dtype and on the device of `like`."""
        return np.zeros(shape, like.dtype)

    def arange(self, n: int, like: Array) -> Array:
        """0 to n - 1 in the framework's integers for indexing, on the device of `like`."""
        return np.arange(n)

    # indexing: ids are what `ids` returns, and lie in range
    def ids(self, x: Array) -> Array:
        """Integers or booleans as the framework's signed integers for indexing (int64; int32 in JAX without x64).

        Numbers those do not hold become their least number, so that none wraps into range.
        """
        if x.dtype == np.uint64:
            return np.where(x < 2**63, x.astype(np.int64), np.iinfo(np.int64).min)
        return x.astype(np.int64)

    def take_along_axis(self, x: Array, ids: Array, axis: int) -> Array:
        """x[..., ids[...], ...]: as many axes, as long as the ids along `axis`."""
        return np.take_along_axis(x, ids, axis)

    def scatter_add(self, shape: tuple[int, ...], ids: Array, values: Array) -> Array:
        """Zeros of this shape plus values[..., j] at [..., ids[..., j]] of the last axis; what meets there adds."""
        made = np.zeros(shape, values.dtype)
        flat, at = made.reshape(-1, shape[-1]), ids.reshape(-1, ids.shape[-1])
        np.add.at(flat, (np.arange(len(flat))[:, None], at), values.reshape(at.shape))
        return made

    def one_hot(self, ids: Array, n: int, like: Array) -> Array:
        """1 at [..., ids[...]] of a new last axis of length n, 0 elsewhere and for ids outside [0, n)."""
        return (ids[..., None] == np.arange(n)).astype(like.dtype)

    # dtypes and devices
    def kind(self, x: Array) -> str:
        """ "b", "i", "u" or "f": what NumPy calls `dtype.kind`; "f" for bfloat16 too."""
        return "f" if x.dtype.kind == "V" else str(x.dtype.kind)

    def cast(self, x: Array, to: Any) -> Array:
        """In the dtype of an array, or in this dtype; differentiable."""
        return x.astype(getattr(to, "dtype", to), copy=False)

    def constant(self, x: Array, like: Array) -> Array:
        """A NumPy array of float64 in the dtype and on the device of `like`."""
        return x.astype(like.dtype)

    def compute(self, x: Array) -> Array:
        """In the dtype losses are computed in: float32 for float16 and bfloat16 (and for bool and integers),
        else as it is."""
        return x if x.dtype in (np.float32, np.float64) else x.astype(np.float32)

    def wide(self, x: Array) -> Array:
        """In the dtype of sums: float64 where framework and device have it, else float32."""
        return x.astype(np.float64)

    # autodiff
    def stop(self, x: Array) -> Array:
        """`x` as a constant of every derivative."""
        return x

    def scalar_rule(self, f: Scalar, df: Scalar) -> Scalar:
        """The elementwise function with value f(x) and derivative df(x).

        `f` is never differentiated. `df` is what higher orders differentiate: mostly a rule itself.
        """
        return self.row_rule(f, lambda x, dx: dx * df(x), lambda x, u: u * df(x))

    def row_rule(self, f: Callable[[Array], Any], jvp: Linear, vjp: Linear) -> Callable[[Array], Any]:
        """The function f(z) of rows along the last axis (an array, or a tuple of arrays) with given derivatives.

        `jvp(z, dz)` is the tangent of f(z), `vjp(z, u)` the cotangent of z for the cotangent(s) u of f(z): transposes
        of each other, linear in dz and u, written in these operations and differentiable in all arguments. `f` is never
        differentiated.
        """
        return f

    # what must hold
    def check(self, ok: Array, message: str) -> None:
        """An error with this message unless `ok`, a boolean array, holds everywhere: on the device, perhaps later.

        Called only where `backends.checking` is on: elsewhere what is wrong becomes NaN.
        """
        if not np.all(ok):
            raise ValueError(message)

    def require(self, ok: Array, message: str) -> None:
        """An error with this message unless `ok`, one boolean, holds. Always called: it belongs to `empty`="raise".

        Where a compiler cannot raise, a ValueError while it traces that says what to use instead.
        """
        if not ok:
            raise ValueError(message)


NUMPY = Ops()
