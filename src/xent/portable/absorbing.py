"""Products in which 0 inf is 0, and rules of two arguments.

The slope of p log p at p = 0 is infinite, and infinity times a masked 0 would be NaN. Here an infinite factor is
applied as two finite ones, one after the other: that leaves 0 where 0 comes in, is infinite for everything else, and
stays linear, so that every framework can transpose and differentiate it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Array = Any
Unary = Callable[[Array], Array]
Binary = Callable[[Array, Array], Array]

LARGEST = {8: 2.0**1023, 4: 2.0**127}  # by itemsize; their squares are infinite


def applied(ops: Any, x: Array, factor: Array) -> Array:
    """x * factor, linear in x, with 0 * inf = 0 for an infinite factor."""
    big = LARGEST[factor.dtype.itemsize]
    endless = ops.isinf(factor)
    first = ops.where(endless, ops.where(factor > 0, ops.ones_like(factor) * big, -big), factor)
    return x * first * ops.where(endless, ops.ones_like(factor) * big, 1.0)


def of_one(ops: Any, f: Unary, df: Unary) -> Unary:
    """The elementwise f with derivative df, which may be infinite."""

    def linear(x: Array, dx: Array) -> Array:
        return applied(ops, dx, df(x))

    rule: Unary = ops.row_rule(f, linear, linear)
    return rule


def of_two(ops: Any, f: Binary, dx: Binary, dy: Binary, rows: bool = False) -> Binary:
    """The elementwise f(x, y) with derivatives dx and dy, which may be infinite; with `rows`, f sums the last axis."""

    def value(z: Array) -> Array:
        return f(z[..., 0, :], z[..., 1, :])

    def jvp(z: Array, dz: Array) -> Array:
        x, y = z[..., 0, :], z[..., 1, :]
        moved = applied(ops, dz[..., 0, :], dx(x, y)) + applied(ops, dz[..., 1, :], dy(x, y))
        return ops.sum(moved, -1) if rows else moved

    def vjp(z: Array, u: Array) -> Array:
        x, y = z[..., 0, :], z[..., 1, :]
        up = u[..., None] if rows else u
        return ops.stack([applied(ops, up, dx(x, y)), applied(ops, up, dy(x, y))], -2)

    rule = ops.row_rule(value, jvp, vjp)

    def paired(x: Array, y: Array) -> Array:
        if x.ndim == 0:
            return ops.reshape(paired(ops.reshape(x, (1,)), ops.reshape(y, (1,))), ())
        return rule(ops.stack([x, y], -2))

    return paired
