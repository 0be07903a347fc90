"""The functions people call and the two frozen loss objects."""

from __future__ import annotations

import json
from dataclasses import fields
from functools import lru_cache
from typing import Any

import numpy as np

from xent import backends, tables
from xent.objective import SigmoidObjective, SoftmaxObjective
from xent.passes import Loss
from xent.rows import SigmoidRows, SoftmaxRows

NUMBERS = frozenset((type(None), float, int, bool, tuple))


class SigmoidCrossEntropy(Loss, SigmoidObjective):
    """Sigmoid cross-entropy as a frozen, hashable, picklable record of numbers.

    The options are those of `sigmoid_cross_entropy`. Call it for the loss, or use `value_and_grad`, `grad_and_hess`
    (the Hessian is diagonal) and `hvp`. Arrays travel with the call: `sample_weight`, `where`, and `class_weight`,
    `pos_weight`, `alpha`, `prior`, `bias` where they are not numbers in the record; given twice is a ValueError.

    >>> loss = SigmoidCrossEntropy(gamma=2.0, alpha=0.25, reduction="sum")
    >>> loss
    SigmoidCrossEntropy(gamma=2.0, alpha=0.25, reduction='sum')
    >>> value, gradient = SigmoidCrossEntropy().value_and_grad([2.0, -1.0, 0.5], [1, 0, 1])
    >>> print(f"{value:.6f}", gradient.round(4))
    0.304756 [-0.0397  0.0896 -0.1258]
    """

    def rows(self, logits: Any, targets: Any, arrays: dict[str, Any]) -> SigmoidRows:
        if not arrays:
            return SigmoidRows(self, logits, targets, None, None, None)
        return SigmoidRows(self, logits, targets, *tables.given(self, arrays))


class SoftmaxCrossEntropy(Loss, SoftmaxObjective):
    """Softmax cross-entropy as a frozen, hashable, picklable record of numbers.

    The options are those of `softmax_cross_entropy`. Call it for the loss, or use `value_and_grad`, `grad_and_hess`
    (the diagonal) and `hvp`. Arrays travel with the call: `sample_weight`, `where`, and `class_weight`, `alpha`,
    `prior`, `bias` where they are not numbers in the record; given twice is a ValueError.

    >>> loss = SoftmaxCrossEntropy(label_smoothing=0.1, ignore_index=-100)
    >>> loss
    SoftmaxCrossEntropy(label_smoothing=0.1, ignore_index=-100)
    >>> value, gradient = SoftmaxCrossEntropy().value_and_grad([[2.0, 0.0, 0.0]], [0])
    >>> print(f"{value:.6f}", gradient.round(4))
    0.239545 [[-0.213   0.1065  0.1065]]
    """

    def rows(self, logits: Any, targets: Any, arrays: dict[str, Any]) -> SoftmaxRows:
        if not arrays:
            return SoftmaxRows(self, logits, targets, None, None, None)
        return SoftmaxRows(self, logits, targets, *tables.given(self, arrays))


for _kind in (SigmoidCrossEntropy, SoftmaxCrossEntropy):  # a misspelt option is an error of the class that was called
    _kind.__init__.__qualname__ = f"{_kind.__name__}.__init__"


@lru_cache(maxsize=256)
def record(text: str) -> Loss:
    """The loss whose `text()` this is."""
    options = json.loads(text)
    kinds = {kind.__name__: kind for kind in (SigmoidCrossEntropy, SoftmaxCrossEntropy)}
    return kinds[options.pop("kind")](**options)


class Records:
    """The loss of each set of options, in the order of the record's fields; the functions below keep their records
    here."""

    def __init__(self, kind: type[Loss]) -> None:
        self.kind, self.names = kind, [f.name for f in fields(kind)]
        self.known = lru_cache(maxsize=256, typed=True)(self.make)

    def make(self, *options: Any) -> Loss:
        return self.kind(**dict(zip(self.names, options, strict=True)))

    def call(self, logits: Any, targets: Any, sample_weight: Any, where: Any, out: Any, *options: Any) -> Any:
        if type(logits) is not np.ndarray and backends.compiling():
            from xent.backends.torch import traced

            given = {"sample_weight": sample_weight, "where": where}
            return traced.called(self, logits, targets, given, out, options)
        try:
            loss, arrays = self.known(*options), {}
        except TypeError:  # an option that cannot be a key: an array, which travels with the call, or a mistake
            given = dict(zip(self.names, options, strict=True))
            arrays = {name: given.pop(name) for name in self.kind.tables if type(given[name]) not in NUMBERS}
            loss = self.kind(**given)
        if sample_weight is not None:
            arrays["sample_weight"] = sample_weight
        if where is not None:
            arrays["where"] = where
        return loss(logits, targets, out=out, **arrays)


_sigmoid, _softmax = Records(SigmoidCrossEntropy), Records(SoftmaxCrossEntropy)


def sigmoid_cross_entropy(
    logits: Any, targets: Any, *, sample_weight: Any = None, class_weight: Any = None, pos_weight: Any = None,
    label_smoothing: float = 0.0, prior: Any = None, gamma: Any = 0.0, alpha: Any = None, poly: float = 0.0,
    gce: float = 0.0, temperature: float = 1.0, softcap: float | None = None, bias: Any = None,
    ignore_index: Any = None, where: Any = None, reduction: str = "mean", denominator: str | float = "weight",
    empty: str = "zero", out: Any = None,
) -> Any:  # fmt: skip
    """Cross-entropy of Bernoulli targets, one per logit, straight from the logits.

    With p = sigmoid(z'), element by element,

        loss = w [A t' phi(-log p) + B (1 - t') phi(-log(1 - p))],   value = sum(loss) / denominator

    exact to the last digit or so in both tails, for loss and gradient.

    Args:
        logits: raw scores z, any shape; float16, bfloat16, float32 or float64. Labels lie along the last axis of logits
            with two or more axes.
        targets: t in [0, 1] (bool, integer or floating), the shape of the logits; or sparse, a tuple
            `(ids[..., S], probs[..., S])` of labels named, the others 0.
        sample_weight: >= 0, the shape of the logits or one per row (their shape without the last axis).
        class_weight: weighs targets 1 against targets 0 in loss and denominator: (1 - t) w0 + t w1. Logits with at most
            one axis: (w0, w1). Else one per label (L,), or a pair per label (L, 2).
        pos_weight: factor of the positive term, a number or (L,); not part of the denominator.
        label_smoothing: t' = (1 - eps) t + eps prior.
        prior: what smoothing moves towards, 1/2 by default; a number or (L,).
        gamma: focal loss, phi(nll) = (1 - e^-nll)^gamma nll; a pair is (gamma of positives, of negatives).
        alpha: in [0, 1]: positives weigh alpha, negatives 1 - alpha; a number or (L,). A = alpha pos_weight and
            B = 1 - alpha; without alpha A = pos_weight, B = 1.
        poly: poly-1, phi(nll) = nll + poly (1 - e^-nll).
        gce: generalised cross-entropy, phi(nll) = (1 - e^(-gce nll)) / gce, 0 < gce <= 1.
        temperature, softcap, bias: z' = softcap tanh((z + bias) / softcap) / temperature; bias a number or (L,).
        ignore_index: targets equal to it (or to one of several) do not count, whatever the logits hold.
        where: boolean, shaped like `sample_weight`: False does not count.
        reduction: "mean", "sum", or "none" (all losses, in the logits' dtype).
        denominator: of the mean: "weight" (sum of w), "count" (elements with w > 0), "elements" (all), "positives"
            (sum of targets that count, at least 1) or a number.
        empty: the mean of nothing: "zero", "nan" or "raise".
        out: a buffer for the losses of `reduction="none"`.

    Returns:
        The loss in nats: float32 for logits up to float32, float64 for float64.

    Raises:
        ValueError, TypeError: shapes that differ (nothing is broadcast), targets outside [0, 1], more than one of
            gamma, poly and gce, integer logits; always before a value is returned.

    Also called binary cross-entropy with logits, BCE, logistic loss, log loss; with `gamma` focal loss (Lin et al.
    2017, arXiv:1708.02002), with a pair asymmetric loss (Ridnik et al. 2021, arXiv:2009.14119), with `poly` poly loss
    (Leng et al. 2022, arXiv:2204.12511), with `gce` generalised cross-entropy (Zhang & Sabuncu 2018, arXiv:1805.07836).

    >>> print(f"{sigmoid_cross_entropy([2.0, -1.0, 0.5], [1, 0, 1]):.6f}")
    0.304756
    """
    return _sigmoid.call(
        logits, targets, sample_weight, where, out, class_weight, label_smoothing, prior, gamma, alpha, poly, gce, bias,
        softcap, temperature, ignore_index, reduction, denominator, empty, pos_weight,
    )  # fmt: skip


def softmax_cross_entropy(
    logits: Any, targets: Any, *, axis: int = -1, sample_weight: Any = None, class_weight: Any = None,
    label_smoothing: float = 0.0, prior: Any = None, gamma: float = 0.0, alpha: Any = None, poly: float = 0.0,
    gce: float = 0.0, z_loss: float = 0.0, temperature: float = 1.0, softcap: float | None = None, bias: Any = None,
    ignore_index: Any = None, where: Any = None, reduction: str = "mean", denominator: str | float = "weight",
    empty: str = "zero", out: Any = None,
) -> Any:  # fmt: skip
    """Cross-entropy of one class out of K, straight from the logits.

    With p = softmax(z'), lse = log sum_k e^z'_k, row by row,

        loss = s sum_k t'_k cw_k alpha_k phi(-log p_k) + z_loss w lse^2,   w = s sum_k t_k cw_k,
        value = sum(loss) / denominator.

    A class id and its one-hot row give the same value, gradient and mean under every option.

    Args:
        logits: raw scores z with a class axis, any shape; float16, bfloat16, float32 or float64. -inf on a class that
            the target does not name masks it: the class is not there.
        targets: class ids of any integer dtype (the logits' shape without the class axis); or probabilities t,
            multi-hot rows included (the logits' shape, rows need not sum to 1); or sparse, a tuple `(ids, probs)` with
            the class axis as long as there are ids in a row (an id named twice adds).
        axis: the class axis.
        sample_weight: s >= 0, one per row.
        class_weight: cw >= 0, a number or (K,); part of loss and denominator.
        label_smoothing: t' = (1 - eps) t + eps prior.
        prior: what smoothing moves towards, (K,) summing to 1; uniform by default; renormalised where classes are
            masked.
        gamma: focal loss, phi(nll) = (1 - e^-nll)^gamma nll.
        alpha: factor of the loss, a number or (K,); not part of the denominator.
        poly: poly-1, phi(nll) = nll + poly (1 - e^-nll).
        gce: generalised cross-entropy, phi(nll) = (1 - e^(-gce nll)) / gce, 0 < gce <= 1.
        z_loss: adds z_loss w lse^2, which keeps lse near 0.
        temperature, softcap, bias: z' = softcap tanh((z + bias) / softcap) / temperature; bias a number or (K,).
        ignore_index: class ids that do not count (one or several), whatever the logits hold; a dense row is ignored if
            all its entries equal the id or if it is the id's one-hot row.
        where: boolean, one per row: False does not count.
        reduction: "mean", "sum", or "none" (all losses, in the logits' dtype).
        denominator: of the mean: "weight" (sum of w), "count" (rows with w > 0), "elements" (all rows) or a number,
            such as a global token count.
        empty: the mean of nothing: "zero", "nan" or "raise".
        out: a buffer for the losses of `reduction="none"`.

    Returns:
        The loss in nats: float32 for logits up to float32, float64 for float64.

    Raises:
        ValueError, TypeError: a class id out of range, targets outside [0, 1], shapes that differ, more than one of
            gamma, poly and gce, integer logits; always before a value is returned.

    Also called categorical cross-entropy, multinomial log loss, softmax loss, negative log-likelihood from logits; with
    `gamma` focal loss (Lin et al. 2017, arXiv:1708.02002), with `z_loss` as in PaLM (arXiv:2204.02311, section 5).

    >>> print(f"{softmax_cross_entropy([[2.0, 0.0, 0.0]], [0]):.6f}")
    0.239545
    """
    return _softmax.call(
        logits, targets, sample_weight, where, out, class_weight, label_smoothing, prior, gamma, alpha, poly, gce, bias,
        softcap, temperature, ignore_index, reduction, denominator, empty, axis, z_loss,
    )  # fmt: skip
