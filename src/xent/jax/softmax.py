"""One class of K, with optax's signatures."""

from __future__ import annotations

from numbers import Real
from typing import Any

import jax.numpy as jnp

from xent.jax.shapes import array, class_axes, exact, floating, gathered, joined, masks, rest
from xent.losses import softmax_cross_entropy as softmax_cross_entropy_of

Array = Any


def softmax_cross_entropy(logits: Any, labels: Any, axis: Any = -1, where: Any = None, **options: Any) -> Array:
    """-sum_k labels_k log softmax(logits)_k, one loss per example, exact in the tails; optax's signature.

    Args:
        logits: floating-point, with the class axis or axes.
        labels: probabilities in [0, 1], one-hot rows included (they need not sum to 1); the logits' shape, or without
            leading axes.
        axis: the class axis, a tuple of axes that together are the classes, or None for all of them.
        where: boolean. One per example: False gives 0. Or the logits' shape: False deletes the class, its label too.
        options: those of `xent.softmax_cross_entropy`, as keywords; `reduction` is "none" unless given.

    Returns:
        The losses in the logits' dtype and their shape without the class axes.

    Raises:
        TypeError: integer logits. ValueError: shapes, options; labels outside [0, 1], where they can be seen (under
            jit their row is NaN).

    A class at -inf is masked: it costs nothing unless its label is positive, and then the loss is +inf. Also called
    categorical cross-entropy.

    >>> import numpy as np
    >>> logits = [[1.2, -0.8, -0.5], [0.9, -1.2, 1.1]]
    >>> print(np.asarray(softmax_cross_entropy(logits, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])).round(4))
    [0.2761 2.9518]
    """
    z, t = floating("logits", logits), array("labels", labels)
    axes = class_axes(axis, z.ndim)
    if t.ndim < len(axes) or any(-a > t.ndim or t.shape[a] != z.shape[a] for a in axes):
        raise ValueError(
            f"`labels` must hold one probability per class: logits have shape {z.shape} with the class axis {axis}; "
            f"got shape {t.shape}. Class ids go to `softmax_cross_entropy_with_integer_labels`."
        )
    shape = joined("logits", z.shape, "labels", t.shape)
    z, t = jnp.broadcast_to(z, shape), jnp.broadcast_to(t, shape)
    rows, classes = masks(where, shape, axes)
    last = axes[0] if len(axes) == 1 and classes is None else -1
    if len(axes) > 1 or classes is not None:
        z, t = gathered(z, axes), gathered(t, axes)
    if classes is not None:  # a class left out is a class at -inf
        z, t, rows = jnp.where(classes, z, -jnp.inf), jnp.where(classes, t, 0), classes.any(-1)
    return exact(softmax_cross_entropy_of, z, t, axis=last, where=rows, **options)


def safe_softmax_cross_entropy(logits: Any, labels: Any, **options: Any) -> Array:
    """`softmax_cross_entropy` over the last axis: here that one is safe with -inf already, in every derivative.

    >>> import numpy as np
    >>> print(np.asarray(safe_softmax_cross_entropy([-float("inf"), 0.0, 0.0], [0.0, 0.5, 0.5])).round(4))
    0.6931
    """
    return softmax_cross_entropy(logits, labels, **options)


def softmax_cross_entropy_with_integer_labels(
    logits: Any, labels: Any, axis: Any = -1, where: Any = None, **options: Any
) -> Array:
    """-log softmax(logits)_label, one loss per example, exact in the tails; optax's signature.

    Args:
        logits: floating-point, with the class axis or axes.
        labels: class ids of any integer dtype in [0, K); the logits' shape without the class axes, or broadcasting to
            it. With a tuple of axes an id counts through them in C order.
        axis: the class axis, or a tuple of axes that together are the classes.
        where: boolean. One per example: False gives 0. Or the logits' shape: False deletes the class, and an example
            whose own class is deleted costs 0, as its one-hot row does in `softmax_cross_entropy`.
        options: those of `xent.softmax_cross_entropy`, as keywords; `reduction` is "none" unless given.

    Returns:
        The losses in the logits' dtype and their shape without the class axes.

    Raises:
        TypeError: integer logits, labels that are not integers. ValueError: shapes, options; ids out of range, where
            they can be seen (under jit their loss is NaN). Negative ids never wrap.

    Also called sparse categorical cross-entropy.

    >>> import numpy as np
    >>> logits = [[1.2, -0.8, -0.5], [0.9, -1.2, 1.1]]
    >>> print(np.asarray(softmax_cross_entropy_with_integer_labels(logits, jnp.array([0, 1]))).round(4))
    [0.2761 2.9518]
    """
    z, t = floating("logits", logits), array("labels", labels)
    if not jnp.issubdtype(t.dtype, jnp.integer):
        raise TypeError(f"`labels` must be class ids, integers; got {t.dtype}.")
    if axis is None:
        raise ValueError("`axis` must be an integer or a tuple of integers; got None.")
    axes = class_axes(axis, z.ndim)
    batch = rest(z.shape, axes)
    shape = joined("losses", batch, "labels", t.shape)
    rows, classes = masks(where, z.shape, axes)
    last = axes[0]
    if len(axes) > 1 or classes is not None or shape != batch:
        z, last = gathered(z, axes), -1
    if classes is not None:
        z, classes = jnp.where(classes, z, -jnp.inf), jnp.broadcast_to(classes, (*shape, z.shape[-1]))
    z, t = (z if shape == batch else jnp.broadcast_to(z, (*shape, z.shape[-1]))), jnp.broadcast_to(t, shape)
    if classes is not None:
        inside = (t >= 0) & (t < z.shape[-1])
        own = jnp.take_along_axis(classes, jnp.where(inside, t, 0)[..., None], -1)[..., 0]
        rows = classes.any(-1) & (own | ~inside)
    elif rows is not None:
        rows = jnp.broadcast_to(rows, shape)
    return exact(softmax_cross_entropy_of, z, t, axis=last, where=rows, **options)


def poly_loss_cross_entropy(
    logits: Any, labels: Any, *, epsilon: Any = 2.0, axis: Any = -1, where: Any = None, **options: Any
) -> Array:
    """sum_k labels_k (-log p_k + epsilon (1 - p_k)), p = softmax(logits); optax's signature.

    Shapes, `axis`, `where`, `options` and errors as in `softmax_cross_entropy`. `epsilon` is a number, or an array that
    broadcasts to the losses, traced or not. Also called poly-1 (Leng et al. 2022, arXiv:2204.12511, eq. 6).

    >>> import numpy as np
    >>> print(np.asarray(poly_loss_cross_entropy([4.0, 2.0, 1.0], [1.0, 0.0, 0.0])).round(4))
    0.4823
    """
    if isinstance(epsilon, Real):
        return softmax_cross_entropy(logits, labels, axis, where, poly=float(epsilon), **options)
    plain = softmax_cross_entropy(logits, labels, axis, where, **options)
    return plain + jnp.asarray(epsilon, plain.dtype) * softmax_cross_entropy(
        logits, labels, axis, where, gce=1.0, **options
    )
