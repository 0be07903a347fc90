"""optax's classification losses with exact tails: change the import, keep the call.

    import xent.jax as losses                      # instead of optax.losses
    losses.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

Signatures, defaults and shapes are optax's: one loss per example, no reduction, `labels` broadcast over leading axes.
Values agree with optax on ordinary input; docs/jax.md lists every difference with its reason. The options of
`xent.sigmoid_cross_entropy` and `xent.softmax_cross_entropy` (`label_smoothing`, `class_weight`, `reduction`, ...) may
follow as keywords. Everything works under jit, grad, vmap, jvp, hessian and scan.
"""

from __future__ import annotations

try:
    import jax as _jax  # noqa: F401  # says what is missing before the modules below do
except ModuleNotFoundError as error:
    raise ImportError('`xent.jax` needs JAX, which is not installed: pip install "xent[jax]"') from error

from xent.jax.distributions import kl_divergence, kl_divergence_with_log_targets, smooth_labels
from xent.jax.sigmoid import sigmoid_binary_cross_entropy, sigmoid_focal_loss
from xent.jax.softmax import (
    poly_loss_cross_entropy,
    safe_softmax_cross_entropy,
    softmax_cross_entropy,
    softmax_cross_entropy_with_integer_labels,
)

__all__ = [
    "kl_divergence",
    "kl_divergence_with_log_targets",
    "poly_loss_cross_entropy",
    "safe_softmax_cross_entropy",
    "sigmoid_binary_cross_entropy",
    "sigmoid_focal_loss",
    "smooth_labels",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels",
]
