"""xent: exact, fast cross-entropy losses, and an account of where every nat went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

__version__ = "0.1.0"

__all__ = [
    "LogLoss",
    "Score",
    "SigmoidCrossEntropy",
    "SoftmaxCrossEntropy",
    "cross_entropy",
    "entropy",
    "js_divergence",
    "kl_divergence",
    "log_loss",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "score",
    "sigmoid",
    "sigmoid_cross_entropy",
    "softmax",
    "softmax_cross_entropy",
]

_LATE = {"Score": "xent.evaluate", "score": "xent.evaluate"}  # name -> module that is imported on first use
_DROP_INS = ("jax", "keras", "torch")  # submodules that import their framework, on first use too


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _DROP_INS:
        return import_module(f"xent.{name}")
    if name not in _LATE:
        raise AttributeError(f"module 'xent' has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_DROP_INS})
