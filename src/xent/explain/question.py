"""What is asked: numbers read, the family chosen, bad input answered."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from xent.explain.paper import num
from xent.explain.sigmoid import sigmoid_page
from xent.explain.softmax import softmax_page


def explain(logits: float | Sequence[float], targets: float | Sequence[float], *, family: str | None = None) -> str:
    """Walk through the cross-entropy of one small example, step by step, as plain text of at most 80 columns.

    As many targets as logits are read as yes-or-no labels (sigmoid family), one integer beside several logits as
    a class id (softmax family). ``family="softmax"`` reads as many targets as logits as a distribution.

    Raises ValueError for lengths that do not fit, targets outside their range, NaN, and logits without a limit.

    >>> print(explain([2.0, -1.0, 0.5], [1, 0, 1]).splitlines()[0])
    Sigmoid cross-entropy: every logit is a yes-or-no question of its own.
    """
    z, t = _numbers("logits", logits), _numbers("targets", targets)
    if family not in (None, "sigmoid", "softmax"):
        raise ValueError(f"`family` must be 'sigmoid', 'softmax' or None; got {family!r}.")
    if family is None:
        family = "softmax" if len(t) == 1 < len(z) else "sigmoid"
    if family == "softmax":
        return "\n".join(softmax_page(z, _distribution(z, t)))
    if len(t) != len(z):
        raise ValueError(
            f"`targets` must hold one value per logit ({len(z)}), or a single class id; got {len(t)} values."
        )
    for i, value in enumerate(t):
        if not 0.0 <= value <= 1.0:
            raise ValueError(
                f"`targets` must lie in [0, 1], one per logit; got {num(value)} at position {i}. "
                "For a class id, give it alone."
            )
    return "\n".join(sigmoid_page(z, t))


def _numbers(name: str, values: float | Sequence[float]) -> list[float]:
    try:
        numbers = [float(v) for v in np.atleast_1d(np.asarray(values))]
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be a number or a flat list of numbers; got {values!r}.") from None
    if not numbers:
        raise ValueError(f"`{name}` must hold at least one number; got none.")
    for i, value in enumerate(numbers):
        if math.isnan(value):
            raise ValueError(f"`{name}` must be numbers; got nan at position {i}.")
    return numbers


def _distribution(z: list[float], t: list[float]) -> list[float]:
    """Return the targets of a softmax as one probability per class; a class id becomes its one-hot row."""
    if len(z) < 2:
        raise ValueError(f"`logits` must hold at least two classes for family='softmax'; got {len(z)}.")
    top = max(z)
    if math.isinf(top) and (top < 0 or z.count(top) > 1):
        raise ValueError(
            "`logits` of a softmax must not be all -inf, nor hold +inf twice: the probabilities have no limit there."
        )
    if len(t) == 1:
        if not (math.isfinite(t[0]) and t[0] == int(t[0]) and 0 <= t[0] < len(z)):
            raise ValueError(f"`targets` must hold a class id in [0, {len(z)}); got {num(t[0])}.")
        return [float(k == t[0]) for k in range(len(z))]
    if len(t) != len(z):
        raise ValueError(
            f"`targets` must hold a single class id, or one probability per logit ({len(z)}); got {len(t)} values."
        )
    for i, value in enumerate(t):
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"`targets` must be probabilities in [0, 1]; got {num(value)} at position {i}.")
    if abs(math.fsum(t) - 1.0) > 1e-6:
        raise ValueError(f"`targets` must sum to 1 for family='softmax'; got a sum of {num(math.fsum(t))}.")
    return t
