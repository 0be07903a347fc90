"""xent: exact, fast cross-entropy losses, and an account of where every nat went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xent.backends.checks import device_checks
from xent.information import (
    cross_entropy,
    entropy,
    js_divergence,
    kl_divergence,
    log_sigmoid,
    log_softmax,
    logsumexp,
    sigmoid,
    softmax,
)
from xent.losses import SigmoidCrossEntropy, SoftmaxCrossEntropy, sigmoid_cross_entropy, softmax_cross_entropy
from xent.probabilities import LogLoss, log_loss

if TYPE_CHECKING:
    from xent.evaluate import Score, score
    from xent.evaluate.compare import compare
    from xent.patching import patch, patched, unpatch

__version__ = "0.1.0"

__all__ = [
    "LogLoss",
    "Score",
    "SigmoidCrossEntropy",
    "SoftmaxCrossEntropy",
    "compare",
    "cross_entropy",
    "device_checks",
    "entropy",
    "js_divergence",
    "kl_divergence",
    "log_loss",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "patch",
    "patched",
    "score",
    "sigmoid",
    "sigmoid_cross_entropy",
    "softmax",
    "softmax_cross_entropy",
    "unpatch",
]

_LATE = {  # name -> module that is imported on first use
    "Score": "xent.evaluate",
    "compare": "xent.evaluate.compare",
    "patch": "xent.patching",
    "patched": "xent.patching",
    "score": "xent.evaluate",
    "unpatch": "xent.patching",
}
_ROOMS = ("calibrate", "jax", "keras", "torch")  # submodules imported on first use, three of them with their framework


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _ROOMS:
        return import_module(f"xent.{name}")
    if name not in _LATE:
        raise AttributeError(f"module 'xent' has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
