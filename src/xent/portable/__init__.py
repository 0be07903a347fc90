"""The losses written once over a small namespace of operations (ops.py), differentiable to any order in everything.

The same semantics as the kernels, for whatever they do not take: devices, tracers, batched and forward-mode values,
higher derivatives, derivatives in targets, weights and tables. Nothing looks at a value, so nothing can be raised for
one: a bad target or weight makes its loss and gradient NaN. `arrays` are the framework's, None where absent.
"""

from __future__ import annotations

from typing import Any

from xent.objective import Objective, SigmoidObjective
from xent.portable import sigmoid, softmax
from xent.portable.mean import reduced
from xent.portable.ops import Array, Ops

__all__ = ["Ops", "grad_and_hess", "value"]


def value(ops: Ops, record: Objective, logits: Array, targets: Any, arrays: dict[str, Any]) -> Array:
    """The value of the loss, as `passes.Loss.__call__` gives it."""
    family: Any = sigmoid if isinstance(record, SigmoidObjective) else softmax
    read = family.read(ops, record, logits, targets, arrays)
    return reduced(ops, record, family.losses(ops, record, read), read.weighed, logits)


def grad_and_hess(
    ops: Ops, record: Objective, logits: Array, targets: Any, arrays: dict[str, Any]
) -> tuple[Array, Array]:
    """(gradient, diagonal of the Hessian) of the value, in the dtype of the logits."""
    family: Any = sigmoid if isinstance(record, SigmoidObjective) else softmax
    read = family.read(ops, record, logits, targets, arrays)
    gradient, hessian = family.grad_and_hess(ops, record, read)
    return ops.cast(gradient, logits), ops.cast(hessian, logits)
