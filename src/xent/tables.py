"""What is one number per class or label: options from the record or the call, as the float64 tables kernels read.

A kernel knows no option names. For the sigmoid family everything that acts on a target is linear in it, so six numbers
per label say it all; for the softmax family, a factor of the loss, a class weight and a prior per class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xent import backends
from xent.objective import Objective, SigmoidObjective, SoftmaxObjective

Array = Any
Given = dict[str, Any] | None  # arrays that came with the call, by option
Pipe = tuple[Array, float, float] | None

RULES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "class_weight": ("finite and >= 0", lambda x: x >= 0),
    "pos_weight": ("finite and >= 0", lambda x: x >= 0),
    "alpha": ("finite and >= 0", lambda x: x >= 0),
    "prior": ("in [0, 1]", lambda x: (x >= 0) & (x <= 1)),
    "bias": ("finite", lambda x: x == x),
}


def given(objective: Objective, arrays: dict[str, Any]) -> tuple[Any, Any, Given]:
    """(sample_weight, where, the options that came with the call); what is unknown or given twice is an error."""
    found = {name: value for name, value in arrays.items() if value is not None}
    sample_weight, where = found.pop("sample_weight", None), found.pop("where", None)
    for name in arrays:
        if name not in ("sample_weight", "where", *objective.tables):
            raise TypeError(
                f"`{name}` does not travel with a call; these do: sample_weight, where, {', '.join(objective.tables)}, "
                f"out. Numbers go into the loss: `{type(objective).__name__}({name}=...)`."
            )
    for name in found:
        if getattr(objective, name) is not None:
            raise ValueError(
                f"`{name}` is given twice: {getattr(objective, name)!r} in the loss and again at the call; "
                "leave one of them out."
            )
    return sample_weight, where, found or None


def column(objective: Objective, arrays: Given, name: str, count: int, axis_name: str) -> Array | None:
    """The option as float64 of shape (1,) or (count,); None where it is absent. Checked if it came as an array."""
    value = getattr(objective, name)
    if arrays is not None and name in arrays:
        value = backends.of(arrays[name]).table(name, arrays[name])
        rule, holds = rule_of(objective, name)
        wrong = ~(holds(value) & np.isfinite(value))
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise ValueError(f"`{name}` must be {rule}; got {value[at]} at {axis_name} {show(at)}.")
    if value is None:
        return None
    vector = np.asarray(value, np.float64)
    fits(name, vector.shape, count, axis_name)
    return vector.reshape(-1)


def rule_of(objective: Objective, name: str) -> tuple[str, Callable[[Any], Any]]:
    """What the numbers of an option must be, in words and as a test; finite in any case."""
    return RULES["prior" if name == "alpha" and isinstance(objective, SigmoidObjective) else name]


def fits(name: str, shape: tuple[int, ...], count: int, axis_name: str) -> None:
    """ValueError unless this is the shape of a number or of one number per class."""
    if shape not in ((), (1,), (count,)):
        raise ValueError(
            f"`{name}` must be a number or hold one number per {axis_name}, shape ({count},); got shape {shape}."
        )


def show(at: tuple[int, ...]) -> str:
    """3 for (3,), (3, 1) for (3, 1)."""
    return str(at[0]) if len(at) == 1 else str(at)


def pipe(objective: Objective, arrays: Given, count: int, axis_name: str) -> Pipe:
    """(bias, softcap or 0, temperature), or None where logits are taken as they come."""
    bias = column(objective, arrays, "bias", count, axis_name)
    if bias is None and objective.softcap is None and objective.temperature == 1.0:
        return None
    return bias, objective.softcap or 0.0, objective.temperature


def _class_pair(objective: SigmoidObjective, arrays: Given, labels: int, single: bool) -> tuple[Array, Array] | None:
    """Weights of the classes 0 and 1, one pair or one per label."""
    name = "class_weight"
    value = arrays[name] if arrays is not None and name in arrays else objective.class_weight
    if value is None:
        return None
    value = backends.of(value).table(name, value)
    if paired(value.shape, labels, single):
        pairs = value
        if not (np.isfinite(pairs) & (pairs >= 0)).all():
            raise ValueError(f"`class_weight` must be finite and >= 0; got {pairs.tolist()}.")
        pairs = pairs.reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]
    each = column(objective, arrays, name, labels, "label")
    return each, each


def paired(shape: tuple[int, ...], labels: int, single: bool) -> bool:
    """Whether `class_weight` of this shape weighs the classes 0 and 1 apart; ValueError if it says nothing."""
    if shape == ((2,) if single else (labels, 2)):
        return True
    if single and shape not in ((), (1,)):
        raise ValueError(
            f"`class_weight` must be a number or hold the weights of classes 0 and 1, shape (2,); got shape {shape}."
        )
    if not single and len(shape) == 2:
        raise ValueError(
            f"`class_weight` must be a number, one per label, shape ({labels},), or a pair per label, "
            f"shape ({labels}, 2); got shape {shape}."
        )
    return False


def rates(a: Array, b: Array, eps: float, prior: Array) -> list[Array]:
    """P0, P1, Q0, Q1: what targets 0 and 1 pay for P = a t' and Q = b (1 - t'), t' = (1 - eps) t + eps prior."""
    return [a * eps * prior, a * (1.0 - eps * (1.0 - prior)), b * (1.0 - eps * prior), b * eps * (1.0 - prior)]


def sigmoid(objective: SigmoidObjective, arrays: Given, labels: int, single: bool) -> tuple[Array, bool, Pipe]:
    """The (6, 1) or (6, L) table P0 P1 Q0 Q1 W0 W1, whether classes weigh differently from 1, and the pipe.

    A target t pays P(t) phi+(softplus(-z)) + Q(t) phi-(softplus(z)) with weight W(t), each X(t) = (1 - t) X0 + t X1:
    P = A t', Q = B (1 - t'), t' = (1 - eps) t + eps prior. `single`: logits without a label axis.
    """
    labels = int(labels)  # a compiler's symbol becomes the number it stands for
    if arrays is None and (labels, single) in objective.memory:
        known: tuple[Array, bool, Pipe] = objective.memory[labels, single]
        return known
    eps = objective.label_smoothing
    a, b = 1.0, 1.0
    if (alpha := column(objective, arrays, "alpha", labels, "label")) is not None:
        a, b = alpha, 1.0 - alpha
    if (pos_weight := column(objective, arrays, "pos_weight", labels, "label")) is not None:
        a = a * pos_weight
    prior = column(objective, arrays, "prior", labels, "label")
    prior = np.array([0.5]) if prior is None else prior
    pair = _class_pair(objective, arrays, labels, single)
    w0, w1 = (1.0, 1.0) if pair is None else pair
    rows = [*rates(a, b, eps, prior), w0, w1]
    table = np.ascontiguousarray(np.stack(np.broadcast_arrays(*(np.atleast_1d(row) for row in rows))), np.float64)
    found = table, pair is not None, pipe(objective, arrays, labels, "label")
    if arrays is None:
        objective.memory[labels, single] = found
    return found


def softmax(objective: SoftmaxObjective, arrays: Given, classes: int) -> tuple[Array, Array, Array, Pipe]:
    """(class_loss = class_weight * alpha, class_weight, prior, pipe), each (K,) or None."""
    classes = int(classes)
    if arrays is None and classes in objective.memory:
        known: tuple[Array, Array, Array, Pipe] = objective.memory[classes]
        return known
    class_weight = column(objective, arrays, "class_weight", classes, "class")
    alpha = column(objective, arrays, "alpha", classes, "class")
    prior = column(objective, arrays, "prior", classes, "class")
    if prior is not None:
        if prior.shape != (classes,) or not abs(prior.sum() - 1.0) <= 1e-5:
            raise ValueError(
                f"`prior` must hold one probability per class, shape ({classes},), and sum to 1; "
                f"got shape {prior.shape} and sum {prior.sum():.9g}."
            )
        prior = prior / prior.sum()
    weights = [x for x in (class_weight, alpha) if x is not None]
    class_loss = np.broadcast_to(np.prod(np.broadcast_arrays(*weights), axis=0), (classes,)) if weights else None
    full = [
        None if x is None else np.ascontiguousarray(np.broadcast_to(x, (classes,))) for x in (class_loss, class_weight)
    ]
    found = full[0], full[1], prior, pipe(objective, arrays, classes, "class")
    if arrays is None:
        objective.memory[classes] = found
    return found
