"""Keras's arrays as the losses of xent take them: class ids, ranks that differ by one, masks and weights."""

from __future__ import annotations

from typing import Any, cast

from keras import ops
from keras.src.backend import get_keras_mask, set_keras_mask  # Keras has no public name for its masks

from xent.keras import backend

__all__ = [
    "aligned",
    "class_ids",
    "counted",
    "get_keras_mask",
    "kept",
    "left",
    "per_class",
    "plain",
    "same_rank",
    "set_keras_mask",
    "without",
]

Array = Any
Shape = tuple[int, ...]
NO_CLASS = -(2**31)  # an id that no number of classes contains


def same_rank(y_true: Array, y_pred: Array) -> tuple[Array, Array]:
    """Both with as many axes, where one of them has a last axis of length 1 more: Keras's rule for labels (N,) beside
    predictions (N, 1) and the like."""
    a, b = len(y_true.shape), len(y_pred.shape)
    if a == b + 1 and y_true.shape[-1] == 1:
        return (y_true, ops.expand_dims(y_pred, -1)) if b == 1 else (ops.squeeze(y_true, -1), y_pred)
    if b == a + 1 and y_pred.shape[-1] == 1:
        return (ops.expand_dims(y_true, -1), y_pred) if a == 1 else (y_true, ops.squeeze(y_pred, -1))
    return y_true, y_pred


def class_ids(y_true: Any, y_pred: Array, axis: int) -> Array:
    """Class ids as integers, in the shape of the losses. Keras hands labels over as floats; a fraction is no id."""
    ids = ops.convert_to_tensor(y_true)
    if len(ids.shape) == len(y_pred.shape) and ids.shape[axis] == 1:
        ids = ops.squeeze(ids, axis)
    if "int" in str(ids.dtype):
        return ids
    whole = ops.cast(ids, "int64" if backend.name == "torch" else "int32")
    return ops.where(ops.equal(ops.cast(whole, ids.dtype), ids), whole, NO_CLASS)


def without(shape: Any, axis: int) -> Shape:
    """The shape without one axis."""
    axis %= len(shape)
    return tuple(shape[:axis]) + tuple(shape[axis + 1 :])


def aligned(x: Any, shape: Shape, dtype: Any) -> Array:
    """Weights or a mask with as many axes as the losses: aligned from the first axis, the batch."""
    if x is None:
        return None
    x = ops.convert_to_tensor(x) if dtype is None else ops.convert_to_tensor(x, dtype=dtype)
    if 0 < len(x.shape) < len(shape):
        return ops.reshape(x, (*x.shape, *(1 for _ in range(len(shape) - len(x.shape)))))
    return x


def counted(mask: Array, weight: Array, shape: Shape) -> Array:
    """Which losses count: those a mask leaves and a weight does not make 0; None where all do."""
    keep = None
    for x in (mask, weight):
        if x is None:
            continue
        x = ops.not_equal(x, 0)
        if len(x.shape) == len(shape) + 1 and x.shape[-1] == 1:
            x = ops.squeeze(x, -1)
        if len(x.shape) > len(shape) or any(
            n not in (1, m) for n, m in zip(reversed(x.shape), reversed(shape), strict=False)
        ):
            return None  # Keras says what is wrong with it
        keep = x if keep is None else ops.logical_and(keep, x)
    return None if keep is None else cast(Array, ops.broadcast_to(keep, shape))


def left(losses: Array, where: Array) -> Array:
    """The losses, 0 where they do not count."""
    return losses if where is None else ops.where(where, losses, 0.0)


def kept(y_pred: Array, where: Array, axis: int, neutral: float) -> Array:
    """Probabilities, neutral where they do not count: what is left out has no part in a derivative."""
    return y_pred if where is None else ops.where(ops.expand_dims(where, axis), y_pred, neutral)


def plain(x: Any) -> Any:
    """An array of one number per class as a tuple, which a record can hold."""
    x = x.tolist() if hasattr(x, "tolist") else x
    return tuple(plain(each) for each in x) if isinstance(x, (list, tuple)) else x


def per_class(x: Any, p: Array, axis: int) -> Array:
    """A number per class, along the class axis."""
    table = ops.convert_to_tensor(plain(x), dtype=p.dtype)
    if len(table.shape) == 0:
        return table
    shape = [1] * len(p.shape)
    shape[axis] = p.shape[axis]
    return ops.reshape(table, shape)
