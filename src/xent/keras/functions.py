"""The functional forms: one loss per example, Keras's arguments, ours as keywords."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import keras
from keras import ops

from xent.keras import probabilities
from xent.keras.arrays import class_ids, kept, left, per_class, plain, set_keras_mask, without
from xent.keras.backend import OPS
from xent.losses import sigmoid_cross_entropy, softmax_cross_entropy
from xent.objective import axis_of
from xent.portable.blended import focal
from xent.wording import reworded

Array = Any
T = TypeVar("T")
KERAS = ("denominator", "empty", "ignore_index", "out", "reduction", "sample_weight")  # Keras has its own of these

registered: Callable[[T], T] = keras.saving.register_keras_serializable(package="xent")


def entered(y_true: Any, y_pred: Any, axis: Any, options: dict[str, Any], from_logits: bool) -> tuple[Array, Array]:
    """Both as tensors; the arguments that no loss takes are errors."""
    if isinstance(axis, bool):
        raise TypeError(f"`axis` must be an integer; got {axis!r}.")
    axis_of(axis)
    for name in options:
        if name in KERAS:
            raise TypeError(f"`{name}` is no argument here: reductions, weights and masks are Keras's own.")
        if not from_logits and name != "where" and options[name] is not None:
            raise ValueError(f"`{name}` acts on logits: it needs `from_logits=True`.")
    y_pred = ops.convert_to_tensor(y_pred)
    return ops.convert_to_tensor(y_true), y_pred


def chances(y_true: Array, y_pred: Array, label_smoothing: float, prior: float) -> tuple[Array, Array]:
    """Targets, smoothed, and probabilities in float32 or better and in one shape."""
    if tuple(y_true.shape) != tuple(y_pred.shape):
        raise ValueError(
            f"`y_true` must have the shape of `y_pred`, {tuple(y_pred.shape)}; got shape {tuple(y_true.shape)}. "
            "Nothing is broadcast."
        )
    dtype = "float64" if "float64" in str(y_pred.dtype) else "float32"
    t = ops.cast(y_true, dtype)
    t = t * (1.0 - label_smoothing) + label_smoothing * prior if label_smoothing else t
    return t, ops.cast(y_pred, dtype)


def exact(loss: Callable[..., Array], z: Array, t: Array, **options: Any) -> Array:
    """A loss of xent for each example; its errors speak of Keras's arguments."""
    try:
        return loss(z, t, reduction="none", **options)
    except (ValueError, TypeError) as error:
        raise reworded(error, logits="y_pred", targets="y_true") from None


@registered
def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1, *,
    epsilon: float | None = None, where: Any = None, **options: Any,
) -> Array:  # fmt: skip
    """mean over `axis` of -y log p - (1 - y) log(1 - p); Keras's signature.

    Args:
        y_true: in [0, 1], the shape of `y_pred`.
        y_pred: logits, or probabilities p.
        from_logits: which of the two. Logits have exact tails.
        label_smoothing: y' = (1 - eps) y + eps / 2.
        axis: the mean runs over it.
        epsilon: probabilities are clipped to [epsilon, 1 - epsilon]; `keras.config.epsilon()` unless given, 0 for no
            clip.
        where: boolean, one per loss: False gives 0, whatever `y_pred` holds.
        options: for logits, those of `xent.sigmoid_cross_entropy` that are not Keras's: pos_weight, class_weight,
            prior, gamma, alpha, poly, gce, temperature, softcap, bias.

    Returns:
        The losses in the dtype of `y_pred`, its shape without `axis`.

    Raises:
        ValueError, TypeError: as `xent.sigmoid_cross_entropy`.

    >>> print(f"{float(binary_crossentropy([[1.0, 0.0]], [[2.0, -1.0]], from_logits=True)[0]):.6f}")
    0.220095
    """
    t, z = entered(y_true, y_pred, axis, options, from_logits)
    if from_logits:
        keep = None if where is None else ops.broadcast_to(ops.expand_dims(where, axis), z.shape)
        losses = exact(sigmoid_cross_entropy, z, t, label_smoothing=label_smoothing, where=keep, **options)
        return ops.mean(losses, axis)
    t, p = chances(t, kept(z, where, axis, 0.5), label_smoothing, 0.5)
    return left(ops.cast(ops.mean(probabilities.binary(t, p, probabilities.floor(epsilon)), axis), z.dtype), where)


def _plain(z: Array, t: Array) -> Array:
    return exact(sigmoid_cross_entropy, z, t)


@registered
def binary_focal_crossentropy(
    y_true: Any, y_pred: Any, apply_class_balancing: bool = False, alpha: float = 0.25, gamma: float = 2.0,
    from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1, *, epsilon: float | None = None,
    where: Any = None,
) -> Array:  # fmt: skip
    """mean over `axis` of alpha_t (1 - p_t)^gamma BCE, p_t = y p + (1 - y)(1 - p); Keras's signature.

    Arguments as in `binary_crossentropy`, and
        apply_class_balancing: whether alpha_t = alpha y + (1 - alpha)(1 - y), or 1.
        alpha, gamma: numbers, 0 <= alpha <= 1, gamma >= 0.

    Lin et al. 2017, arXiv:1708.02002.

    >>> print(f"{float(binary_focal_crossentropy([[1.0]], [[2.0]], from_logits=True)[0]):.6f}")
    0.001804
    """
    t, z = entered(y_true, y_pred, axis, {}, from_logits)
    weight = float(alpha) if apply_class_balancing else None
    if not (gamma >= 0 and 0 <= alpha <= 1):
        raise ValueError(f"`gamma` must be >= 0 and `alpha` in [0, 1]; got {gamma=}, {alpha=}.")
    if not from_logits:
        t, p = chances(t, kept(z, where, axis, 0.5), label_smoothing, 0.5)
        losses = probabilities.binary_focal(t, p, weight, gamma, probabilities.floor(epsilon))
    else:
        t = dense(t, z)
        if label_smoothing:
            t = ops.cast(t, z.dtype) * (1.0 - label_smoothing) + 0.5 * label_smoothing
        losses = focal(OPS, _plain, kept(z, where, axis, 0.0), t, weight, gamma)
    return left(ops.cast(ops.mean(losses, axis), z.dtype), where)


def one_class(name: str, y_pred: Array, axis: int) -> None:
    """The warning Keras gives too: a distribution over one class has no loss."""
    if y_pred.shape[axis] == 1:
        warnings.warn(
            f"{name}: `y_pred` of shape {tuple(y_pred.shape)} has one class, so every loss is 0; "
            "two classes by one number are binary_crossentropy's.",
            SyntaxWarning,
            stacklevel=3,
        )


@registered
def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1, *,
    epsilon: float | None = None, where: Any = None, **options: Any,
) -> Array:  # fmt: skip
    """-sum_k y_k log p_k; Keras's signature.

    Args:
        y_true: one-hot or soft, in [0, 1], the shape of `y_pred`.
        y_pred: logits, or probabilities, which are normalised along `axis`.
        from_logits: which of the two. Logits have exact tails.
        label_smoothing: y' = (1 - eps) y + eps / K.
        axis: the class axis.
        epsilon: probabilities are clipped to [epsilon, 1 - epsilon]; `keras.config.epsilon()` unless given, 0 takes
            them as they are.
        where: boolean, one per loss: False gives 0, whatever `y_pred` holds.
        options: for logits, those of `xent.softmax_cross_entropy` that are not Keras's: class_weight, prior, gamma,
            alpha, poly, gce, z_loss, temperature, softcap, bias.

    Returns:
        The losses in the dtype of `y_pred`, its shape without `axis`.

    Raises:
        ValueError, TypeError: as `xent.softmax_cross_entropy`.

    >>> print(f"{float(categorical_crossentropy([[1.0, 0.0, 0.0]], [[2.0, 0.0, 0.0]], from_logits=True)[0]):.6f}")
    0.239545
    """
    t, z = entered(y_true, y_pred, axis, options, from_logits)
    one_class("categorical_crossentropy", z, axis)
    if from_logits:
        return exact(
            softmax_cross_entropy, z, dense(t, z), axis=axis, label_smoothing=label_smoothing, where=where, **options
        )
    t, p = chances(t, kept(z, where, axis, 1.0), label_smoothing, 1.0 / z.shape[axis])
    return left(ops.cast(probabilities.categorical(t, p, axis, probabilities.floor(epsilon)), z.dtype), where)


def dense(t: Array, z: Array) -> Array:
    """Targets in the shape of the logits, so that none can be read as class ids."""
    if tuple(t.shape) != tuple(z.shape):
        chances(t, z, 0.0, 0.0)  # says so
    return t


@registered
def categorical_focal_crossentropy(
    y_true: Any, y_pred: Any, alpha: Any = 0.25, gamma: float = 2.0, from_logits: bool = False,
    label_smoothing: float = 0.0, axis: int = -1, *, epsilon: float | None = None, where: Any = None, **options: Any,
) -> Array:  # fmt: skip
    """-sum_k alpha_k (1 - p_k)^gamma y_k log p_k; Keras's signature.

    Arguments as in `categorical_crossentropy`, and
        alpha: a number, or one per class.
        gamma: a number >= 0.

    Lin et al. 2017, arXiv:1708.02002.

    >>> print(f"{float(categorical_focal_crossentropy([[1.0, 0.0]], [[2.0, 0.0]], from_logits=True)[0]):.6f}")
    0.000451
    """
    t, z = entered(y_true, y_pred, axis, options, from_logits)
    one_class("categorical_focal_crossentropy", z, axis)
    if from_logits:
        return exact(
            softmax_cross_entropy, z, dense(t, z), axis=axis, gamma=gamma, alpha=plain(alpha),
            label_smoothing=label_smoothing, where=where, **options,
        )  # fmt: skip
    t, p = chances(t, kept(z, where, axis, 1.0), label_smoothing, 1.0 / z.shape[axis])
    epsilon = probabilities.floor(epsilon)
    losses = probabilities.categorical_focal(t, p, per_class(alpha, p, axis), gamma, axis, epsilon)
    return left(ops.cast(losses, z.dtype), where)


@registered
def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1, *,
    epsilon: float | None = None, where: Any = None, label_smoothing: float = 0.0, **options: Any,
) -> Array:  # fmt: skip
    """-log p_y; Keras's signature.

    Args:
        y_true: class ids in [0, K) of any dtype, the shape of the losses, or with an axis of length 1 for the classes.
        y_pred: logits, or probabilities, which are normalised along `axis`.
        from_logits: which of the two. Logits have exact tails.
        ignore_class: a class id whose losses are 0 and leave the mean (through a Keras mask on the result), whatever
            `y_pred` holds there.
        axis: the class axis.
        epsilon, where, label_smoothing, options: as in `categorical_crossentropy`.

    Returns:
        The losses in the dtype of `y_pred`, its shape without `axis`.

    Raises:
        ValueError: an id out of range, where it can be seen (under jit its loss is NaN). Negative ids never wrap.

    >>> print(f"{float(sparse_categorical_crossentropy([0], [[2.0, 0.0, 0.0]], from_logits=True)[0]):.6f}")
    0.239545
    """
    _, z = entered(0, y_pred, axis, options, from_logits)
    ids = class_ids(y_true, z, axis)
    shape = without(z.shape, axis)
    if tuple(ids.shape) != shape:
        raise ValueError(f"`y_true` must hold one class id per loss, shape {shape}; got shape {tuple(ids.shape)}.")
    if from_logits:
        losses = exact(
            softmax_cross_entropy, z, ids, axis=axis, ignore_index=ignore_class, label_smoothing=label_smoothing,
            where=where, **options,
        )  # fmt: skip
    else:
        losses = _of_ids(ids, z, ignore_class, axis, probabilities.floor(epsilon), where, label_smoothing)
    if ignore_class is not None:
        set_keras_mask(losses, ops.not_equal(ids, ignore_class))
    return losses


def _of_ids(
    ids: Array, y_pred: Array, ignore_class: int | None, axis: int, epsilon: float, where: Array, smoothing: float
) -> Array:
    """-log p_y of probabilities; NaN for an id that is none."""
    if ignore_class is not None:
        counts = ops.not_equal(ids, ignore_class)
        where = counts if where is None else ops.logical_and(where, counts)
    classes = y_pred.shape[axis]
    hot = ops.one_hot(ops.where(ids < 0, 0, ids), classes, axis=axis)
    t, p = chances(hot, kept(y_pred, where, axis, 1.0), smoothing, 1.0 / classes)
    losses = probabilities.categorical(t, p, axis, epsilon)
    inside = ops.logical_and(ids >= 0, ids < classes)
    return left(ops.cast(ops.where(inside, losses, float("nan")), y_pred.dtype), where)


@registered
def kl_divergence(y_true: Any, y_pred: Any, *, epsilon: float | None = None, where: Any = None) -> Array:
    """sum_k y_k log(y_k / p_k) over the last axis; Keras's signature.

    Both are clipped to [epsilon, 1], `keras.config.epsilon()` unless given; with `epsilon=0` nothing is clipped:
    y_k = 0 costs 0 and p_k = 0 beside y_k > 0 costs +inf. Also called relative entropy.

    >>> print(f"{float(kl_divergence([[0.5, 0.5]], [[0.9, 0.1]])[0]):.6f}")
    0.510826
    """
    t, p = entered(y_true, y_pred, -1, {}, False)
    t, q = chances(t, kept(p, where, -1, 1.0), 0.0, 0.0)
    return left(ops.cast(probabilities.divergence(t, q, probabilities.floor(epsilon)), p.dtype), where)
