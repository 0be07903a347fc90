"""What targets and weights may hold, read without looking: masks instead of errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from xent.portable.ops import Array, Ops
from xent.portable.options import sound
from xent.rows.shapes import Shape, are_ids, checked, sparse

Fits = Callable[[str, Array, Shape], bool]  # whether a weight has an entry for every loss, or else one per row
UNIT = "`targets` must lie in [0, 1]."


def floating(ops: Ops, name: str, x: Array) -> None:
    """TypeError unless these are floating-point numbers."""
    if ops.kind(x) != "f":
        raise TypeError(
            f"`{name}` must hold floating-point numbers (float16, bfloat16, float32, float64); got {x.dtype}. "
            "Convert to float32 if that is what they mean."
        )


def real(ops: Ops, name: str, x: Array) -> None:
    """TypeError unless these are real numbers."""
    if ops.kind(x) not in "biuf":
        raise TypeError(f"`{name}` must hold bool, integer or floating-point numbers; got {x.dtype}.")


# ---- weights


def known(ops: Ops, sample_weight: Array | None, where: Array | None, shape: Shape, like: Array, fits: Fits) -> Array:
    """Sample weights of this shape in float32 or float64: 0 where masked, NaN where they are not finite and >= 0."""
    s = ops.ones_like(like)
    if sample_weight is not None:
        real(ops, "sample_weight", sample_weight)
        x = sample_weight
        if ops.kind(x) != "f" or x.dtype.itemsize < like.dtype.itemsize:
            x = ops.cast(x, like)
        s = spread(ops, x, shape, fits("sample_weight", x, shape))
        s = sound(ops, (s >= 0) & ops.isfinite(s), s, "`sample_weight` must be finite and >= 0.")
    if where is not None:
        if ops.kind(where) != "b":
            raise TypeError(
                f"`where` must be boolean; got {where.dtype}. Write the condition out, as in `where=x > 0`."
            )
        s = ops.where(spread(ops, where, shape, fits("where", where, shape)), s, 0.0)
    return s


def per_row(name: str, x: Array, shape: Shape) -> bool:
    """Weights of the softmax family; those of the sigmoid family are `weight_axes`."""
    checked(name, x, shape, "one entry per row")
    return True


def spread(ops: Ops, x: Array, shape: Shape, whole: bool) -> Array:
    """Weights of rows over their labels."""
    return x if whole else ops.broadcast_to(x[..., None], shape)


def matched(ops: Ops, x: Array, numbers: tuple[float, ...]) -> Array:
    """Where `x` is one of the numbers."""
    hit = ops.zeros_like(x) != 0
    for number in numbers:
        if ops.kind(x) == "f":
            hit = hit | (x == number)
        elif number.is_integer() and abs(number) < 2 ** (8 * x.dtype.itemsize - 1):
            hit = hit | (x == int(number))
    return hit


# ---- sigmoid family


def labels(ops: Ops, targets: Any, ignored: tuple[float, ...], s: Array, like: Array) -> tuple[Array, Array]:
    """(targets in [0, 1], weights: 0 where ignored, NaN where a target that counts is outside)."""
    shape, exist = tuple(like.shape), None
    if type(targets) is tuple:
        targets, exist = scattered(ops, targets, shape, like)
    real(ops, "targets", targets)
    checked("targets", targets, shape, "the shape of the logits")
    t = ops.cast(targets, like)
    s = ops.where(matched(ops, t, ignored), 0.0, s)
    inside = (t >= 0) & (t <= 1)
    s = sound(ops, inside | (s == 0), s, UNIT)
    if exist is not None:
        s = sound(ops, exist, s, f"`targets` must hold label ids in [0, {shape[-1]}).")
    return ops.where(inside, t, 0.0), s


def scattered(ops: Ops, targets: tuple[Any, ...], shape: Shape, like: Array) -> tuple[Array, Array]:
    """Sparse targets as a dense array, and the elements in whose row all ids exist."""
    if not shape:
        raise ValueError("`targets` given as a tuple is sparse, which needs a label axis; got a single logit.")
    given, probs = sparse(targets, shape, len(shape) - 1, "label", lambda x: x, ops.kind)
    real(ops, "targets", probs)
    ids = ops.ids(given)
    inside = (ids >= 0) & (ids < shape[-1])
    dense = ops.scatter_add(shape, ops.where(inside, ids, 0), ops.where(inside, ops.cast(probs, like), 0.0))
    return dense, ops.broadcast_to(ops.all(inside, -1, keepdims=True), shape)


# ---- softmax family


class Classes(NamedTuple):
    """Targets of rows with the class axis last: class ids, or their probabilities."""

    ids: Array | None
    t: Array | None
    weight: Array  # 0 where ignored, NaN where bad


def classes(
    ops: Ops, targets: Any, ignored: tuple[float, ...], s: Array, axis: int, like: Array, full: Shape
) -> Classes:
    """Targets of any kind beside logits `like` with the class axis last, which was `axis` of the shape `full`."""
    rows, count = tuple(like.shape[:-1]), like.shape[-1]
    if type(targets) is tuple:
        given, probs = sparse(targets, full, axis, "class", lambda x: x, ops.kind)
        real(ops, "targets", probs)
        moved = ops.ids(ops.moveaxis(given, axis, -1)), ops.cast(ops.moveaxis(probs, axis, -1), like)
        return from_sparse(ops, *moved, ignored, s, (*rows, count))
    real(ops, "targets", targets)
    if are_ids(tuple(targets.shape), targets.dtype, ops.kind(targets), rows, full):
        checked("targets", targets, rows, "one class id per row")
        ids = ops.ids(ops.isnan(targets) if ops.kind(targets) == "f" else targets)  # floats: of size 0
        s = ops.where(matched(ops, ids, ignored), 0.0, s)
        inside = (ids >= 0) & (ids < count)
        s = sound(ops, inside | (s == 0), s, ids_rule(count))
        return Classes(ops.where(inside, ids, 0), None, s)
    checked("targets", targets, full, "the shape of the logits, or one class id per row")
    return from_dense(ops, ops.cast(ops.moveaxis(targets, axis, -1), like), ignored, s)


def ids_rule(count: int) -> str:
    return f"`targets` must hold class ids in [0, {count}) or `ignore_index`."


def from_dense(ops: Ops, t: Array, ignored: tuple[float, ...], s: Array) -> Classes:
    """A row is ignored if all its entries are the ignored number, or if it is the one-hot row of that class."""
    at = ops.arange(t.shape[-1], t)
    for number in ignored:
        hit = ops.all(t == number, -1)
        if number in range(t.shape[-1]):
            hit = hit | ops.all(t == ops.cast(at == int(number), t), -1)
        s = ops.where(hit, 0.0, s)
    inside = (t >= 0) & (t <= 1)
    s = sound(ops, ops.all(inside, -1) | (s == 0), s, UNIT)
    return Classes(None, ops.where(inside, t, 0.0), s)


def from_sparse(ops: Ops, ids: Array, probs: Array, ignored: tuple[float, ...], s: Array, shape: Shape) -> Classes:
    """A row is ignored if all its mass lies on the ignored id; ignored ids without mass are padding."""
    nothing = probs == 0
    for number in ignored:
        same = matched(ops, ids, (number,))
        s = ops.where(ops.any(same, -1) & ops.all(same | nothing, -1), 0.0, s)
    inside, unit = (ids >= 0) & (ids < shape[-1]), (probs >= 0) & (probs <= 1)
    s = sound(ops, ops.all(inside | (nothing & matched(ops, ids, ignored)), -1) | (s == 0), s, ids_rule(shape[-1]))
    s = sound(ops, ops.all(unit, -1) | (s == 0), s, UNIT)
    t = ops.scatter_add(shape, ops.where(inside, ids, 0), ops.where(inside & unit, probs, 0.0))
    return Classes(None, t, s)
