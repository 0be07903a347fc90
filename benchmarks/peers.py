"""Who is measured: each peer computes a case's loss and gradient the way its own users write it.

A peer takes a case and its arrays and returns a call without arguments that gives (value, gradient), or None where it
has nothing comparable. Everything that a training loop would keep between steps (tensors, compiled functions, output
buffers where the library takes them) is prepared outside the call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from cases import ALPHA, GAMMA, POS_WEIGHT, SMOOTHING, Case

Arrays = dict[str, np.ndarray]
Call = Callable[[], tuple[Any, Any]]


def _xent_loss(case: Case) -> Any:
    import xent

    return {
        "sigmoid": lambda: xent.SigmoidCrossEntropy(),
        "weighted": lambda: xent.SigmoidCrossEntropy(pos_weight=POS_WEIGHT, label_smoothing=SMOOTHING),
        "focal": lambda: xent.SigmoidCrossEntropy(gamma=GAMMA, alpha=ALPHA),
        "softmax": lambda: xent.SoftmaxCrossEntropy(),
    }[case.kind]()


def xent(case: Case, arrays: Arrays) -> Call | None:
    import xent

    z, t = arrays["logits"], arrays["targets"]
    if case.kind == "log_loss":
        return lambda: (xent.log_loss(z, t), None)
    loss = _xent_loss(case)
    weights = {"sample_weight": arrays["weight"]} if "weight" in arrays else {}
    gradient = np.zeros_like(z)
    return lambda: loss.value_and_grad(z, t, out=gradient, **weights)


# ----------------------------------------------------------------------------------------------------------- PyTorch


def _torch_formula(case: Case) -> Callable[..., Any]:
    import torch
    from torch.nn import functional as F

    def weighted(z: Any, t: Any, w: Any) -> Any:
        soft = t * (1 - SMOOTHING) + SMOOTHING / 2
        total = F.binary_cross_entropy_with_logits(z, soft, w, reduction="sum", pos_weight=z.new_tensor(POS_WEIGHT))
        return total / w.sum()

    def focal(z: Any, t: Any) -> Any:  # torchvision.ops.sigmoid_focal_loss, reduction="mean"
        p = torch.sigmoid(z)
        ce = F.binary_cross_entropy_with_logits(z, t, reduction="none")
        p_t = p * t + (1 - p) * (1 - t)
        loss = ce * ((1 - p_t) ** GAMMA)
        return ((ALPHA * t + (1 - ALPHA) * (1 - t)) * loss).mean()

    return {
        "sigmoid": F.binary_cross_entropy_with_logits,
        "weighted": weighted,
        "focal": focal,
        "softmax": F.cross_entropy,
    }[case.kind]


def _torch_call(case: Case, arrays: Arrays, wrap: Callable[[Any], Any]) -> Call:
    import torch

    if case.kind == "log_loss":
        probs, targets = map(torch.from_numpy, (arrays["logits"], arrays["targets"]))
        score = wrap(torch.nn.functional.binary_cross_entropy)
        return lambda: (score(probs, targets), None)
    z, *rest = (torch.from_numpy(array.copy()) for array in arrays.values())
    z.requires_grad_(True)
    formula = wrap(_torch_formula(case))

    def call() -> tuple[Any, Any]:
        z.grad = None
        loss = formula(z, *rest)
        loss.backward()
        return loss.detach(), z.grad

    return call


def torch_eager(case: Case, arrays: Arrays) -> Call | None:
    return _torch_call(case, arrays, lambda formula: formula)


def torch_compile(case: Case, arrays: Arrays) -> Call | None:
    import torch

    torch._dynamo.reset()
    return _torch_call(case, arrays, lambda formula: torch.compile(formula, dynamic=False))


def _torch_xent(case: Case, arrays: Arrays, wrap: Callable[[Any], Any]) -> Call | None:
    """xent on torch tensors, through autograd."""
    import torch

    if case.kind == "log_loss":
        return None
    loss = _xent_loss(case)
    z, *rest = (torch.from_numpy(array.copy()) for array in arrays.values())
    z.requires_grad_(True)
    formula = wrap(lambda z, t, *w: loss(z, t, sample_weight=w[0]) if w else loss(z, t))

    def call() -> tuple[Any, Any]:
        z.grad = None
        value = formula(z, *rest)
        value.backward()
        return value.detach(), z.grad

    return call


def torch_xent(case: Case, arrays: Arrays) -> Call | None:
    return _torch_xent(case, arrays, lambda formula: formula)


def torch_compile_xent(case: Case, arrays: Arrays) -> Call | None:
    import torch

    torch._dynamo.reset()
    return _torch_xent(case, arrays, lambda formula: torch.compile(formula, dynamic=False, fullgraph=True))


# --------------------------------------------------------------------------------------------------------------- JAX


def jax_optax(case: Case, arrays: Arrays) -> Call | None:
    import jax
    import optax

    def weighted(z: Any, t: Any, w: Any) -> Any:
        soft = t * (1 - SMOOTHING) + SMOOTHING / 2
        each = -(POS_WEIGHT * soft * jax.nn.log_sigmoid(z) + (1 - soft) * jax.nn.log_sigmoid(-z))
        return (w * each).sum() / w.sum()

    formulas: dict[str, Callable[..., Any]] = {
        "sigmoid": lambda z, t: optax.sigmoid_binary_cross_entropy(z, t).mean(),
        "weighted": weighted,
        "focal": lambda z, t: optax.sigmoid_focal_loss(z, t, alpha=ALPHA, gamma=GAMMA).mean(),
        "softmax": lambda z, t: optax.softmax_cross_entropy_with_integer_labels(z, t).mean(),
    }
    if case.kind not in formulas:
        return None
    return _jax_call(formulas[case.kind], arrays)


def jax_xent(case: Case, arrays: Arrays) -> Call | None:
    """xent on JAX arrays under jit."""
    if case.kind == "log_loss":
        return None
    loss = _xent_loss(case)
    return _jax_call(lambda z, t, *w: loss(z, t, sample_weight=w[0]) if w else loss(z, t), arrays)


def _jax_call(formula: Callable[..., Any], arrays: Arrays) -> Call:
    import jax
    import jax.numpy as jnp

    device = [jnp.asarray(array) for array in arrays.values()]
    step = jax.jit(jax.value_and_grad(formula)).lower(*device).compile()
    return lambda: jax.block_until_ready(step(*device))


# ------------------------------------------------------------------------------------------------------ scikit-learn


def sklearn_loss(case: Case, arrays: Arrays) -> Call | None:
    """scikit-learn's private losses, gradient of the sum (no pass to divide it), two threads; log_loss from metrics."""
    from sklearn._loss.loss import HalfBinomialLoss, HalfMultinomialLoss
    from sklearn.metrics import log_loss

    z, t = arrays["logits"], arrays["targets"]
    if case.kind == "log_loss":
        return lambda: (log_loss(t, z), None)
    if case.kind not in ("sigmoid", "softmax"):
        return None
    loss = HalfBinomialLoss() if case.kind == "sigmoid" else HalfMultinomialLoss(n_classes=z.shape[1])
    each, gradient = np.full(len(z), 0.0, np.float32), np.zeros_like(z)  # touched, not just promised by the system
    labels = t.astype(np.float32)

    def call() -> tuple[Any, Any]:
        loss.loss_gradient(labels, z, loss_out=each, gradient_out=gradient, n_threads=2)
        return each.mean(), gradient

    return call


# ------------------------------------------------------------------------------------------------------------- SciPy


def scipy_special(case: Case, arrays: Arrays) -> Call | None:
    from scipy.special import expit, log_expit, log_softmax, xlog1py, xlogy

    z, t, w = arrays["logits"], arrays["targets"], arrays.get("weight")
    rows = np.arange(len(z))

    def softmax() -> tuple[Any, Any]:
        log_p = log_softmax(z, axis=1)
        value, gradient = -log_p[rows, t].mean(), np.exp(log_p)
        gradient[rows, t] -= 1
        gradient /= len(z)
        return value, gradient

    def sigmoid() -> tuple[Any, Any]:
        value = -(t * log_expit(z) + (1 - t) * log_expit(-z)).mean()
        return value, (expit(z) - t) / np.float32(len(z))

    def weighted() -> tuple[Any, Any]:
        a = np.float32(POS_WEIGHT) * (t * np.float32(1 - SMOOTHING) + np.float32(SMOOTHING / 2))
        b = (1 - t) * np.float32(1 - SMOOTHING) + np.float32(SMOOTHING / 2)
        total = w.sum()
        value = -(w * (a * log_expit(z) + b * log_expit(-z))).sum() / total
        return value, w * (b * expit(z) - a * expit(-z)) / total

    def log_loss() -> tuple[Any, Any]:
        return -(xlogy(t, z) + xlog1py(1 - t, -z)).mean(), None

    return {"softmax": softmax, "sigmoid": sigmoid, "weighted": weighted, "log_loss": log_loss}.get(case.kind)


PEERS: dict[str, Callable[[Case, Arrays], Call | None]] = {
    "PyTorch eager": torch_eager,
    "torch.compile": torch_compile,
    "JAX": jax_optax,
    "scikit-learn": sklearn_loss,
    "SciPy": scipy_special,
    "PyTorch + xent": torch_xent,
    "torch.compile + xent": torch_compile_xent,
    "JAX + xent": jax_xent,
}
NEEDS = {
    "xent": "xent",
    "PyTorch eager": "torch",
    "torch.compile": "torch",
    "JAX": "optax",
    "scikit-learn": "sklearn",
    "SciPy": "scipy",
    "PyTorch + xent": "torch",
    "torch.compile + xent": "torch",
    "JAX + xent": "jax",
}
