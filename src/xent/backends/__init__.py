"""Which module works on an array: decided by its type, remembered, and without importing a framework to find out.

Two facts force the shape. Importing a framework to ask whether an array is its own would cost seconds, so only
`sys.modules` is searched: an array cannot exist before its framework is imported. And a type never changes sides, so
the answer is kept per type.

A framework's module offers what `passes.Loss` offers, for its own arrays: `loss`, `value_and_grad`, `grad_and_hess`,
`hvp`, each `(record, logits, targets, [v,] arrays, out)`.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from xent.backends import numpy

FOREIGN = {"torch": "Tensor", "jax": "Array"}  # framework -> its array class

portable = os.environ.get("XENT_PORTABLE") == "1"  # frameworks use xent.portable even where they could use the kernels
checking = os.environ.get("XENT_CHECK") == "1"  # see checks.py

_known: dict[type, str] = {}
_modules: dict[type, ModuleType | None] = {}


def framework(x: Any) -> str:
    """The framework whose array `x` is, or "" for NumPy's and what becomes one."""
    try:
        return _known[type(x)]
    except KeyError:
        pass
    found = ""
    for name, kind in FOREIGN.items():
        foreign = getattr(sys.modules.get(name), kind, None)
        if foreign is not None and isinstance(x, foreign):
            found = name
    _known[type(x)] = found
    return found


def compiling() -> bool:
    """Whether torch's compiler is reading this code rather than Python running it."""
    compiler = getattr(sys.modules.get("torch"), "compiler", None)
    return compiler is not None and bool(compiler.is_compiling())


def foreign(x: Any) -> ModuleType | None:
    """The backend of an array that is not NumPy's; None for those that are."""
    if compiling():
        from xent.backends import torch  # a compiler reads this statement, and not what follows

        return torch
    try:
        return _modules[type(x)]
    except KeyError:
        pass
    name = framework(x)
    found = import_module(f"xent.backends.{name}") if name else None
    _modules[type(x)] = found
    return found


def of(x: Any) -> ModuleType:
    """The NumPy backend, for arrays beside NumPy logits; TypeError for another framework's."""
    if name := framework(x):
        raise TypeError(
            f"the arrays of one call must be of one kind; got a {name} {FOREIGN[name]} where NumPy's are expected. "
            f"Convert the logits to {name} too, or pass `np.asarray(x)`."
        )
    return numpy


def face(*arrays: Any) -> ModuleType | None:
    """How arrays of a framework go through functions that no loss is; None if all are NumPy's; no two frameworks."""
    found = ""
    for x in arrays:
        name = framework(x)
        if name and found and name != found:
            raise TypeError(f"the arrays of one call must be of one kind; got {found} and {name} arrays.")
        found = name or found
    if found == "torch":  # import statements, because torch's compiler traces no call of import_module
        from xent.backends.torch import face as module
    elif found == "jax":
        from xent.backends.jax import face as module  # type: ignore[no-redef]
    else:
        return None
    return module
