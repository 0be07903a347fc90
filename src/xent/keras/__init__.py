"""Keras 3's cross-entropy and focal losses with exact tails, on its torch and JAX backends: change the import.

    from xent import keras as losses               # instead of keras.losses
    model.compile(loss=losses.SparseCategoricalCrossentropy(from_logits=True), ...)

Names, arguments, reductions, masks, sample weights, dtype policies and serialisation are Keras's. `from_logits=True` is
the exact loss, and takes the options of `xent.sigmoid_cross_entropy` and `xent.softmax_cross_entropy` as keywords.
`from_logits=False` clips probabilities as Keras does unless `epsilon=0` says otherwise; docs/keras.md lists every
difference with its reason.
"""

from __future__ import annotations

from xent.keras import backend as _backend  # noqa: F401  # first: says what is missing before the modules below do
from xent.keras.functions import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    kl_divergence,
    sparse_categorical_crossentropy,
)
from xent.keras.losses import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    KLDivergence,
    SparseCategoricalCrossentropy,
)

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "KLDivergence",
    "SparseCategoricalCrossentropy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "kl_divergence",
    "sparse_categorical_crossentropy",
]
