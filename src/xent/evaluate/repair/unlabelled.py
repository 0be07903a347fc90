"""Which columns a saved map is for, in a table whose truth nobody asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .. import names
from ..classes import Request, class_names, outputs_of
from ..columns import predictions
from ..conventions import row_tolerance
from ..faults import BadInput
from ..sources import Source
from .kept import Kept
from .rewrite import Outputs


def predictions_of(
    sources: Sequence[Source], request: Request, mended: Kept, output_form: str | None, tolerance: float | None
) -> Outputs:
    """The prediction columns, in the order of the map's classes."""
    first = sources[0]
    if request.probs is None and request.logits is None and mended.classes and mended.kind != "binary":
        called = tuple(c for c in mended.classes if c in first.columns and names.is_score(first.columns[c]))
        if called == mended.classes:
            request = replace(request, probs=called)
    form, outputs, dtype = predictions(sources, request)
    width = outputs_of(first, outputs)
    if width != mended.width:
        raise BadInput(
            f"{first.name or 'input'}: the map takes {mended.width} predictions a row; {names.listed(outputs, 4)} give"
            f" {width}. Choose with `probs` or `logits` (--probs, --logits)."
        )
    limit = row_tolerance(dtype, width) if tolerance is None else tolerance
    return Outputs(_in_order(first, outputs, request, mended), form, dtype, output_form or form, limit)


def _in_order(source: Source, outputs: tuple[str, ...], request: Request, mended: Kept) -> tuple[str, ...]:
    """Columns that say which class they are for, in the order of the map."""
    if len(outputs) == 1 or not mended.classes:
        return outputs
    called, _ = class_names(source, list(outputs), replace(request, classes=None))
    if set(called) == set(mended.classes):
        return tuple(outputs[called.index(c)] for c in mended.classes)
    if all(c.isdecimal() for c in mended.classes) or request.probs or request.logits:
        return outputs
    raise BadInput(
        f"{source.name or 'input'}: the map knows the classes {names.listed(mended.classes, 6)}, the columns are for"
        f" {names.listed(called, 6)}; list them in the order of the map with `probs` or `logits` (--probs, --logits)."
    )
