"""One call of a loss without its arrays: what a compiler may keep, carry as text, and compare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from xent import backends
from xent.losses import record as record_of
from xent.passes import Loss, reduced, scale_of
from xent.rows import Rows

Array = Any
Shape = tuple[int, ...]

RESULTS = {  # "hess" is the Hessian's diagonal, or its product with `v`
    "loss": ("loss",),
    "value_and_grad": ("loss", "grad"),
    "grad_and_hess": ("grad", "hess"),
    "hvp": ("hess",),
}


@dataclass(frozen=True)
class Call:
    """What is asked (`loss`, `value_and_grad`, `grad_and_hess` or `hvp`), of which record, and what each array is.

    The operands lie in the order of `names`: logits first, `ids` and `probs` where targets are sparse.
    """

    what: str
    record: Loss
    names: tuple[str, ...]

    def asks(self, what: str) -> Call:
        """Another question about the same arrays."""
        return replace(self, what=what)

    def unpack(self, operands: Sequence[Any]) -> tuple[Any, Any, dict[str, Any], Any]:
        """(logits, targets, arrays, v)."""
        arrays = dict(zip(self.names, operands, strict=True))
        logits, v = arrays.pop("logits"), arrays.pop("v", None)
        targets = (arrays.pop("ids"), arrays.pop("probs")) if "ids" in arrays else arrays.pop("targets")
        return logits, targets, arrays, v

    def results(self, shape: Shape, dtype: Any) -> list[tuple[Shape, Any]]:
        """Shape and dtype of every result, for logits of this shape and dtype."""
        return [self.value(shape, dtype) if name == "loss" else (shape, dtype) for name in RESULTS[self.what]]

    def value(self, shape: Shape, dtype: Any) -> tuple[Shape, Any]:
        """Shape and dtype of the reduced value, or of the losses."""
        if self.record.reduction != "none":
            return (), np.dtype(np.float64 if dtype == np.float64 else np.float32)
        return self.without_classes(shape), dtype

    def without_classes(self, axes: tuple[Any, ...]) -> tuple[Any, ...]:
        """What is known of each axis of the logits, for the axes of the losses."""
        if self.axis is None:
            return axes
        at = self.axis % len(axes)
        return axes[:at] + axes[at + 1 :]

    @property
    def axis(self) -> int | None:
        """The class axis; None where every element has a loss of its own."""
        return getattr(self.record, "axis", None)

    def rows(self, operands: Sequence[Any]) -> tuple[Rows, Array]:
        """(rows, v) of NumPy arrays: every check of the NumPy face that comes before the kernels."""
        logits, targets, arrays, v = self.unpack(operands)
        rows = self.record.rows(logits, targets, arrays)
        if self.what == "hvp":
            v = backends.of(v).floating("v", v)
            if v.shape != rows.logits.shape:
                raise ValueError(f"`v` must have the shape of the logits, {rows.logits.shape}; got shape {v.shape}.")
        return rows, v

    def fill(self, rows: Rows, v: Array, results: Sequence[Array]) -> None:
        """One pass of the kernels into C-contiguous `results`."""
        scale, instead = scale_of(self.record, rows)
        into = dict(zip(RESULTS[self.what], results, strict=True))
        losses = into.get("loss") if self.record.reduction == "none" else None
        total = rows.run(scale, losses, into.get("grad"), into.get("hess"), v) if rows.size else 0.0
        if losses is None and "loss" in into:
            into["loss"][...] = reduced(rows, total, instead)

    def text(self, dtypes: Sequence[Any]) -> str:
        """The call and the dtypes of its operands and results as a line that `read` understands."""
        bfloat16 = [np.dtype(dtype).name == "bfloat16" for dtype in dtypes]
        return json.dumps([self.what, self.record.text(), self.names, bfloat16])


@lru_cache(maxsize=256)
def read(text: str) -> tuple[Call, list[bool]]:
    """The call, and which of its operands and results hold bfloat16."""
    what, record, names, bfloat16 = json.loads(text)
    return Call(what, record_of(record), tuple(names)), bfloat16
