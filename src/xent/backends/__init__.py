"""Which module works on an array: decided by its type, remembered, and without importing a framework to find out.

Two facts force the shape. Importing a framework to ask whether an array is its own would cost seconds, so only
`sys.modules` is searched: an array cannot exist before its framework is imported. And a type never changes sides, so
the answer is kept per type.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from xent.backends import numpy

# framework -> (its array class, how its arrays become NumPy's)
FOREIGN = {
    "torch": ("Tensor", "x.detach().cpu().numpy()"),
    "jax": ("Array", "np.asarray(x)"),
}

_known: dict[type, ModuleType] = {}


def of(x: Any) -> ModuleType:
    """The backend of `x`; TypeError for arrays of a framework that has none yet."""
    try:
        return _known[type(x)]
    except KeyError:
        pass
    for name, (kind, way) in FOREIGN.items():
        foreign = getattr(sys.modules.get(name), kind, None)
        if foreign is not None and isinstance(x, foreign):
            raise TypeError(f"xent takes NumPy arrays here; got a {name} {kind}. Pass `{way}` instead.")
    _known[type(x)] = numpy
    return numpy
