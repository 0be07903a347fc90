"""Soft labels: the truth as probabilities q. A row of weight w is a case of weight w q_k of every class k.

Three facts forced this shape. Cross-entropy is linear in q, so classes, the split and other libraries' clips are those
of the cases; the interval is not: a row is drawn as one, so rows have a group of their own (src/kernels/soft.cpp).
Whether fractions are meant can only be known once one is met: the targets are then read again, as probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .arrow import values
from .conventions import row_tolerance
from .dearest import DearRow, describe
from .faults import BadInput, number, place
from .sources import Batch, Source

if TYPE_CHECKING:
    from .classes import Request
    from .columns import Plan
    from .tally import Rules

PEEK = 1024  # rows looked at to tell one class of many from several yes/no labels
ONE = 1e-3  # a row that sums to 1 within this is meant to


class SoftTargets(BadInput):
    """Targets hold fractions where class ids or yes/no labels were expected."""


def again(sources: Sequence[Source], request: Request, met: SoftTargets) -> Request:
    """The request with soft labels, where nothing was said of them and the rows can be read again."""
    if request.soft is not None or not all(source.replays for source in sources):
        raise met
    return replace(request, soft=True)


def table(batch: Batch, columns: Sequence[str], source: str, start: int) -> np.ndarray:
    """Columns of numbers side by side, float64 [rows, columns]."""
    parts = [values(batch[name], name, source, start) for name in columns]
    for name, part in zip(columns, parts, strict=True):
        if part.dtype.kind not in "biuf":
            raise BadInput(f"{place(source, None, name)}: soft labels must be numbers in [0, 1]; got {part.dtype}.")
    joined = parts[0] if parts[0].ndim == 2 else np.stack(parts, axis=1)
    return np.ascontiguousarray(joined, np.float64)


def kind_of(sources: Sequence[Source], request: Request, targets: list[str], outputs: list[str], form: str) -> str:
    """binary, multiclass or multilabel: by the number of columns; several are classes where rows sum to 1."""
    first = sources[0]
    for name in targets:
        if first.columns[name].kind == "text":
            raise BadInput(f"{place(first.name, None, name)}: soft labels must be numbers in [0, 1]; it holds text.")
    if request.positive is not None:
        raise BadInput(
            "`positive` names one of two labels; soft labels are probabilities already, of the second class."
        )
    wide = len(targets) > 1 or first.columns[targets[0]].kind == "list"
    if not wide or request.kind is not None:
        return _narrow(first, outputs) if not wide else str(request.kind)
    if not first.replays:
        raise BadInput("a stream can be read only once: say `kind`=multiclass or `kind`=multilabel (--kind).")
    for batch in first.read(tuple(dict.fromkeys((*targets, *outputs))), PEEK):
        q = _sums(table(batch, targets, first.name, 0))
        p = q if form == "logits" else _sums(table(batch, outputs, first.name, 0))
        if q.all() or (form == "probs" and p.all()):  # a row that does not sum to 1 is then named
            return "multiclass"
        if not q.any():
            return "multilabel"
        break
    raise BadInput(
        "the soft labels are those of one class of many in some rows (they sum to 1) and of several yes/no labels in"
        " others; say `kind`=multiclass or `kind`=multilabel (--kind)."
    )


def _narrow(source: Source, outputs: list[str]) -> str:
    from .classes import outputs_of

    width = outputs_of(source, outputs)
    if width != 1:
        raise BadInput(f"soft labels need as many target columns as predictions a row; got 1 and {width}.")
    return "binary"


def _sums(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(x.sum(axis=1) - 1.0) < ONE)


def truth(plan: Plan, rules: Rules, source: Source, batch: Batch, start: int, width: int) -> np.ndarray:
    """The truth's probabilities, float64 [rows, width], checked."""
    q = table(batch, plan.targets, source.name, start)
    if q.shape[1] != width:
        raise BadInput(
            f"{place(source.name, start)}: soft labels need as many target columns as predictions a row; got"
            f" {q.shape[1]} and {width}."
        )
    classes = plan.kind == "multiclass"
    limit = max(rules.tolerance, row_tolerance(source.columns[plan.targets[0]].dtype, width))
    bad = ~((q >= 0.0) & (q <= (1.0 + limit if classes else 1.0)))
    if bad.any():
        row, at = (int(i) for i in np.argwhere(bad)[0])
        name = plan.targets[at] if len(plan.targets) > 1 else plan.targets[0] + (f"[{at}]" if width > 1 else "")
        raise BadInput(
            f"{place(source.name, start + row, name)}: soft labels must lie in [0, 1]; got {number(float(q[row, at]))}."
        )
    if classes:
        _refuse_sums(q, limit, source.name, start)
    return q


def _refuse_sums(q: np.ndarray, limit: float, source: str, start: int) -> None:
    total = q[:, 0].copy()
    for k in range(1, q.shape[1]):
        total += q[:, k]
    off = (np.abs(total - 1.0) > limit) | (total <= 0.0)
    if off.any():
        row = int(np.argmax(off))
        raise BadInput(
            f"{place(source, start + row)}: the {q.shape[1]} soft labels of a row must sum to 1 within {limit:.2g}; got"
            f" {number(float(total[row]))}. Divide the row by its sum, accept it with `tolerance` (--tolerance), or say"
            " `kind`=multilabel (--kind) if each is a yes/no label of its own."
        )


def likeliest(q: np.ndarray, kind: str) -> np.ndarray:
    """The labels as hard ones: ids int32 [rows], or [rows, labels] of 0 and 1."""
    if kind == "multiclass":
        return np.asarray(q.argmax(axis=1), np.int32)
    yes = np.ascontiguousarray(q >= 0.5, np.int32)
    return yes if kind == "multilabel" else np.ascontiguousarray(yes[:, 0])


def written_up(
    x: np.ndarray, q: np.ndarray, loss: float, plan: Plan, *, weight: float, file: str, row: int
) -> DearRow:  # fmt: skip
    """One row: its likeliest class, with that class's probability in the labels and in the predictions.

    Multi-label: the label that costs most.
    """
    logits, many = plan.form == "logits", plan.kind == "multilabel"
    target = likeliest(q[None], plan.kind)[0]
    names: tuple[str, ...] = plan.classes
    share = float(q[0] if target else 1.0 - q[0]) if plan.kind == "binary" else 0.0
    if many:
        at = int(np.argmax([_cost(float(v), float(s), logits) for v, s in zip(x, q, strict=True)]))
        x, target, names = x[at : at + 1], target[at : at + 1], (names[at],)
        share = float(q[at] if target[0] else 1.0 - q[at])
    elif plan.kind == "multiclass":
        share = float(q[target])
    found = describe(x, target, loss, names, logits=logits, weight=weight, file=file, row=row)
    return found if share == 1.0 else replace(found, target=f"{found.target} {share:.2g}")


def _cost(x: float, share: float, logits: bool) -> float:
    """Cross-entropy of one label, for ordering labels."""
    if logits:
        return max(x, 0.0) - x * share + math.log1p(math.exp(-abs(x))) if math.isfinite(x) else math.inf
    yes, no = (-math.log(p) if p > 0.0 else math.inf for p in (x, 1.0 - x))
    return (share * yes if share else 0.0) + ((1.0 - share) * no if share < 1.0 else 0.0)
