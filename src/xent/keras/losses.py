"""The losses as Keras objects, for `compile(loss=...)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from xent.keras import functions
from xent.keras.arrays import aligned, counted, get_keras_mask, plain, same_rank, set_keras_mask, without
from xent.keras.probabilities import floor
from xent.losses import SigmoidCrossEntropy, SoftmaxCrossEntropy

Array = Any


class Reduction(keras.losses.Loss):  # type: ignore[misc]
    """Keras's own weighting and reduction, of losses that are there already."""

    def call(self, y_true: Array, y_pred: Array) -> Array:
        return y_pred


class CrossEntropy(keras.losses.Loss):  # type: ignore[misc]
    """What the losses below share; abstract. Each names its function and its arguments.

    Unlike Keras's own: labels keep their dtype on the way in (class ids of 300 survive bfloat16), a masked or
    weightless example costs exactly 0 whatever it holds, and weights are aligned with the batch axis.
    """

    function: Callable[..., Array]

    def __init__(self, reduction: Any, name: Any, dtype: Any, **arguments: Any) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.arguments = {key: plain(value) for key, value in arguments.items()}
        for key, value in self.arguments.items():
            setattr(self, key, value)

    def call(self, y_true: Any, y_pred: Any) -> Array:
        """The losses before any reduction."""
        return self.losses(*same_rank(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)), None)

    def losses(self, y_true: Array, y_pred: Array, where: Array) -> Array:
        return type(self).function(y_true, y_pred, where=where, **self.arguments)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Array:
        """The reduced loss."""
        mask = get_keras_mask(y_pred)
        with keras.name_scope(self.name):
            y_pred, y_true = ops.convert_to_tensor(y_pred, dtype=self.dtype), ops.convert_to_tensor(y_true)
            y_true, y_pred = same_rank(y_true, y_pred)
            shape = without(y_pred.shape, self.arguments.get("axis", -1))
            mask, weight = aligned(mask, shape, None), aligned(sample_weight, shape, self.dtype)
            losses = self.losses(y_true, y_pred, counted(mask, weight, shape))
            own = get_keras_mask(losses)
            both = own if mask is None else mask if own is None else ops.logical_and(ops.cast(mask, "bool"), own)
            if both is not None:
                set_keras_mask(losses, both)
                if weight is not None:  # Keras multiplies it in place: never the caller's own
                    weight = weight * ops.ones_like(losses) if len(weight.shape) == len(shape) else weight * 1.0
        return Reduction(reduction=self.reduction, name=self.name, dtype=self.dtype)(losses, losses, weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.arguments}


def checked(kind: type, from_logits: bool, epsilon: Any, numbers: dict[str, Any], options: dict[str, Any]) -> None:
    """Bad options are errors when the loss is made, not when it is called."""
    functions.entered(0, 0.0, numbers.get("axis", -1), options, from_logits)
    if epsilon is not None:
        floor(epsilon)
    kind(**numbers, **{key: plain(value) for key, value in options.items()})


@functions.registered
class BinaryCrossentropy(CrossEntropy):
    """Keras's `BinaryCrossentropy`: the arguments of `binary_crossentropy`, `reduction`, `name` and `dtype`.

    >>> print(f"{float(BinaryCrossentropy(from_logits=True)([[1.0, 0.0]], [[2.0, -1.0]])):.6f}")
    0.220095
    """

    function = functions.binary_crossentropy

    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1,
        reduction: str | None = "sum_over_batch_size", name: str = "binary_crossentropy", dtype: Any = None, *,
        epsilon: float | None = None, **options: Any,
    ) -> None:  # fmt: skip
        checked(SigmoidCrossEntropy, from_logits, epsilon, {"label_smoothing": label_smoothing}, options)
        super().__init__(
            reduction, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
            epsilon=epsilon, **options,
        )  # fmt: skip


@functions.registered
class BinaryFocalCrossentropy(CrossEntropy):
    """Keras's `BinaryFocalCrossentropy`: the arguments of `binary_focal_crossentropy`, `reduction`, `name`, `dtype`.

    >>> print(f"{float(BinaryFocalCrossentropy(from_logits=True)([[1.0]], [[2.0]])):.6f}")
    0.001804
    """

    function = functions.binary_focal_crossentropy

    def __init__(
        self, apply_class_balancing: bool = False, alpha: float = 0.25, gamma: float = 2.0, from_logits: bool = False,
        label_smoothing: float = 0.0, axis: int = -1, reduction: str | None = "sum_over_batch_size",
        name: str = "binary_focal_crossentropy", dtype: Any = None, *, epsilon: float | None = None,
    ) -> None:  # fmt: skip
        numbers = {"label_smoothing": label_smoothing, "gamma": gamma, "alpha": alpha}
        checked(SigmoidCrossEntropy, from_logits, epsilon, numbers, {})
        super().__init__(
            reduction, name, dtype, apply_class_balancing=apply_class_balancing, alpha=alpha, gamma=gamma,
            from_logits=from_logits, label_smoothing=label_smoothing, axis=axis, epsilon=epsilon,
        )  # fmt: skip


@functions.registered
class CategoricalCrossentropy(CrossEntropy):
    """Keras's `CategoricalCrossentropy`: the arguments of `categorical_crossentropy`, `reduction`, `name`, `dtype`.

    >>> print(f"{float(CategoricalCrossentropy(from_logits=True)([[1.0, 0.0, 0.0]], [[2.0, 0.0, 0.0]])):.6f}")
    0.239545
    """

    function = functions.categorical_crossentropy

    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1,
        reduction: str | None = "sum_over_batch_size", name: str = "categorical_crossentropy", dtype: Any = None, *,
        epsilon: float | None = None, **options: Any,
    ) -> None:  # fmt: skip
        numbers = {"label_smoothing": label_smoothing, "axis": axis}
        checked(SoftmaxCrossEntropy, from_logits, epsilon, numbers, options)
        super().__init__(
            reduction, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
            epsilon=epsilon, **options,
        )  # fmt: skip


@functions.registered
class CategoricalFocalCrossentropy(CrossEntropy):
    """Keras's `CategoricalFocalCrossentropy`: the arguments of `categorical_focal_crossentropy`, `reduction`, `name`,
    `dtype`.

    >>> print(f"{float(CategoricalFocalCrossentropy(from_logits=True)([[1.0, 0.0]], [[2.0, 0.0]])):.6f}")
    0.000451
    """

    function = functions.categorical_focal_crossentropy

    def __init__(
        self, alpha: Any = 0.25, gamma: float = 2.0, from_logits: bool = False, label_smoothing: float = 0.0,
        axis: int = -1, reduction: str | None = "sum_over_batch_size", name: str = "categorical_focal_crossentropy",
        dtype: Any = None, *, epsilon: float | None = None, **options: Any,
    ) -> None:  # fmt: skip
        numbers = {"label_smoothing": label_smoothing, "gamma": gamma, "alpha": plain(alpha), "axis": axis}
        checked(SoftmaxCrossEntropy, from_logits, epsilon, numbers, options)
        super().__init__(
            reduction, name, dtype, alpha=alpha, gamma=gamma, from_logits=from_logits, label_smoothing=label_smoothing,
            axis=axis, epsilon=epsilon, **options,
        )  # fmt: skip


@functions.registered
class SparseCategoricalCrossentropy(CrossEntropy):
    """Keras's `SparseCategoricalCrossentropy`: the arguments of `sparse_categorical_crossentropy`, `reduction`, `name`,
    `dtype`.

    >>> print(f"{float(SparseCategoricalCrossentropy(from_logits=True)([0], [[2.0, 0.0, 0.0]])):.6f}")
    0.239545
    """

    function = functions.sparse_categorical_crossentropy

    def __init__(
        self, from_logits: bool = False, ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size", axis: int = -1, name: str = "sparse_categorical_crossentropy",
        dtype: Any = None, *, epsilon: float | None = None, label_smoothing: float = 0.0, **options: Any,
    ) -> None:  # fmt: skip
        numbers = {"label_smoothing": label_smoothing, "ignore_index": ignore_class, "axis": axis}
        checked(SoftmaxCrossEntropy, from_logits, epsilon, numbers, options)
        super().__init__(
            reduction, name, dtype, from_logits=from_logits, ignore_class=ignore_class, axis=axis, epsilon=epsilon,
            label_smoothing=label_smoothing, **options,
        )  # fmt: skip


@functions.registered
class KLDivergence(CrossEntropy):
    """Keras's `KLDivergence`: `reduction`, `name`, `dtype`, and `epsilon` of `kl_divergence`.

    >>> print(f"{float(KLDivergence()([[0.5, 0.5]], [[0.9, 0.1]])):.6f}")
    0.510826
    """

    function = functions.kl_divergence

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "kl_divergence", dtype: Any = None, *,
        epsilon: float | None = None,
    ) -> None:  # fmt: skip
        if epsilon is not None:
            floor(epsilon)
        super().__init__(reduction, name, dtype, epsilon=epsilon)
