"""A call that torch's compiler reads: one operator on the CPU, the portable path in torch's operations elsewhere.

Two facts force the shape. The compiler reads Python, so nothing here may need what it cannot read: a record is its
text, which is a constant, and the portable path is one function that it puts into the graph unread. And a constant is
only known to be one after it has been a key of a dictionary.
"""

from __future__ import annotations

from typing import Any

import torch

from xent import backends, tables
from xent.backends.torch import composite
from xent.backends.torch.operators import NAMES
from xent.backends.torch.views import logits_of
from xent.losses import record as record_of

Tensor = Any
Arrays = dict[str, Any]


def written(records: Any, *options: Any) -> str:
    """The text of the record with these options."""
    return str(records.known(*options).text())


def at_once(text: str) -> bool:
    """Whether the gradient is worth making with the value; see fused.soon."""
    return record_of(text).reduction != "none"


def fixed(option: Any) -> Any:
    """A number as a constant of the compiled program, which is compiled anew where it changes."""
    if isinstance(option, tuple):
        return tuple([fixed(x) for x in option])
    return next(iter({option: None}))


def beside(x: Any, logits: Tensor) -> Any:
    """A tensor on the logits' device; see views.beside."""
    return x if x is None or isinstance(x, torch.Tensor) else torch.as_tensor(x, device=logits.device)


def operands(logits: Tensor, targets: Any, arrays: Arrays) -> list[Any]:
    """Targets, probs and the arrays as an operator takes them, None where absent."""
    first = targets if isinstance(targets, tuple) else (targets, None)
    return [beside(x, logits) for x in (*first, *[arrays.get(name) for name in NAMES])]


def called(records: Any, logits: Tensor, targets: Any, arrays: Arrays, out: Any, options: tuple[Any, ...]) -> Tensor:
    """A function of the face: options that are tensors travel with the call."""
    plain = []
    for name, option in zip(records.names, options, strict=True):
        array = name in records.kind.tables and isinstance(option, torch.Tensor)
        if array:
            arrays[name] = option
        plain.append(None if array else fixed(option))
    return loss(written(records, *plain), logits, targets, arrays, out)


def kernels(logits: Tensor, others: list[Any]) -> bool:
    """Whether an operator takes the call: nothing but the logits is to be differentiated."""
    tracked = torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in others)
    return logits.device.type == "cpu" and not tracked and not backends.portable


def unplaced(out: Any) -> None:
    """ValueError if a place for the result is given."""
    if out is not None:
        raise ValueError("`out` has no meaning in a compiled program, which plans its memory itself; leave it out.")


def loss(text: str, logits: Tensor, targets: Any, arrays: Arrays, out: Any) -> Tensor:
    """The loss."""
    logits_of(logits)
    unplaced(out)
    others = operands(logits, targets, arrays)
    if not kernels(logits, others):
        return portable_loss(text, logits, *others)
    target, *rest = others
    if torch.is_grad_enabled() and logits.requires_grad and logits.dtype is not torch.float16 and at_once(text):
        return torch.ops.xent.value_and_grad(logits, target, text, *rest)[0]
    return torch.ops.xent.loss(logits, target, text, *rest)


def named(record: Any, arrays: Arrays) -> str:
    """The record's text, once it is known that these arrays travel with it."""
    tables.given(record, arrays)
    return str(record.text())


def derivative(name: str, record: Any, logits: Tensor, targets: Any, arrays: Arrays, out: Any, v: Any = None) -> Any:
    """`value_and_grad`, `grad_and_hess` or `hvp`."""
    text = named(record, arrays)
    logits_of(logits)
    unplaced(out)
    ahead = [] if v is None else [beside(v, logits)]
    with torch.no_grad():
        others = operands(logits, targets, arrays)
        if kernels(logits, others):
            target, *rest = others
            return getattr(torch.ops.xent, name)(*ahead, logits, target, text, *rest)
        return portable_derivative(name, text, logits, *ahead, *others)


def call_of(text: str, logits: Tensor, targets: Tensor, others: tuple[Any, ...]) -> Any:
    """As composite.py takes a call."""
    form = tuple(name for name, x in zip(NAMES, others[1:], strict=True) if x is not None)
    return record_of(text), form, logits, (targets, *(x for x in others if x is not None))


def portable_loss(text: str, logits: Tensor, targets: Tensor, *others: Any) -> Tensor:
    """The portable loss, which the compiler looks into only when it is a graph of torch's operations."""
    return composite.value(*call_of(text, logits, targets, others))


def portable_derivative(name: str, text: str, logits: Tensor, *others: Any) -> Any:
    """A portable derivative."""
    ahead = (others[0],) if name == "hvp" else ()
    targets, *rest = others[len(ahead) :]
    return getattr(composite, name)(*call_of(text, logits, targets, tuple(rest)), *ahead)


_compiler: Any = torch.compiler
for _constant in (written, at_once):
    _compiler.assume_constant_result(_constant)
for _portable in (portable_loss, portable_derivative):
    _compiler.allow_in_graph(_portable)
