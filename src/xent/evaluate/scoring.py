"""Rows in, tally out: a straight line that follows a `Plan` batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .arrow import values
from .columns import Plan
from .dearest import Dearest, DearRow, describe
from .faults import BadInput, kernel_fault, place
from .labels import MOST_LABELS, indicators
from .sources import Batch, Source
from .tally import Fault, Rules, Tally

VALUES = 1 << 20  # predictions held at a time: 8 MB in float64, large against the cost of a batch, small against memory
Progress = Callable[[str, int, int | None], None]  # (file, rows done in it, its rows if known)


@dataclass
class Seen:
    """What a run found: the tally, the dearest rows, rows by file, and whether yes/no targets might be one-hot."""

    tally: Tally
    dearest: Dearest
    files: list[tuple[str, int]] = field(default_factory=list)
    one_hot: bool = True


def run(
    sources: Sequence[Source],
    plan: Plan,
    rules: Rules,
    *,
    width: int,
    dearest: int,
    progress: Progress | None = None,
    batch_rows: int | None = None,
) -> Seen:
    """Read every source once and add every row to the tally."""
    if width > MOST_LABELS:
        raise BadInput(f"at most {MOST_LABELS} classes are scored; got {width}.")
    multilabel = plan.kind == "multilabel"
    tally = Tally.empty(width if multilabel else max(width, 2), multilabel=multilabel, weighted=plan.weight is not None)
    seen = Seen(tally, Dearest(dearest))
    size = batch_rows or max(1024, min(1 << 17, VALUES // width))
    for index, source in enumerate(sources):
        rows = 0
        for batch in source.read(plan.names, size):
            rows += _batch(seen, plan, rules, source, index, rows, batch, width)
            if progress is not None:
                progress(source.name, rows, source.rows)
        if not rows:
            raise BadInput(f"{source.name or 'input'}: there are no rows to score.")
        seen.files.append((source.name, rows))
    return seen


def _batch(
    seen: Seen, plan: Plan, rules: Rules, source: Source, index: int, start: int, batch: Batch, width: int
) -> int:
    x = matrix(batch, plan, source.name, start, width)
    rows = len(x)
    if not rows:
        return 0
    logits = plan.form == "logits"
    target = _target(seen, plan, source.name, batch, start, width, x)
    weight = None
    if plan.weight is not None:
        given = values(batch[plan.weight], plan.weight, source.name, start)
        weight = np.ascontiguousarray(given, np.float64)
    out = seen.tally.add(x, target, weight, logits=logits, rules=rules)
    if isinstance(out, Fault):
        raise _fault(out, plan, rules, source, start, width)

    def write_up(i: int) -> DearRow:
        own = 1.0 if weight is None else float(weight[i])
        return describe(
            x[i], target[i], float(out[i]), plan.classes, logits=logits, weight=own, file=source.name, row=start + i
        )

    seen.dearest.offer(out, index, start, write_up)
    return rows


def _target(seen: Seen, plan: Plan, source: str, batch: Batch, start: int, width: int, x: np.ndarray) -> np.ndarray:
    columns = [batch[name] for name in plan.targets]
    if plan.kind != "multilabel" and len(columns) == 1 and not _is_wide(columns[0]):
        return plan.encoder.ids(columns[0], plan.targets[0], source, start)
    yes = indicators(columns, plan.targets, source, start)
    if yes.ndim == 1:
        yes = yes[:, None]
    if yes.shape != x.shape:
        raise BadInput(
            f"{place(source, start)}: as many true labels as predictions are needed a row; got {yes.shape[1]} and"
            f" {width}."
        )
    single = yes.sum(axis=1) == 1
    if plan.kind == "multiclass":
        if not single.all():
            row = int(np.argmin(single))
            raise BadInput(
                f"{place(source, start + row)}: a one-hot row must name exactly one class; got {int(yes[row].sum())}."
            )
        return np.asarray(yes.argmax(axis=1), np.int32)
    if seen.one_hot:
        seen.one_hot = bool(single.all()) and (plan.form == "logits" or _sums_to_one(x))
    return yes


def _sums_to_one(x: np.ndarray) -> bool:
    return bool((np.abs(x.sum(axis=1, dtype=np.float64) - 1.0) < 1e-3).all())


def _is_wide(column: object) -> bool:
    kind = str(getattr(column, "type", ""))
    return getattr(column, "ndim", 1) == 2 or kind.startswith(("list", "large_list", "fixed_size_list"))


def matrix(batch: Batch, plan: Plan, source: str, start: int, width: int) -> np.ndarray:
    """Predictions [rows, width], float32 where stored in 32 bits or less, else float64."""
    parts = [values(batch[name], name, source, start) for name in plan.outputs]
    kind = np.float32 if plan.dtype in ("float16", "bfloat16", "float32") else np.float64
    if len(parts) == 1:
        x = parts[0].astype(kind, copy=False)
        x = x[:, None] if x.ndim == 1 else x
    else:
        x = np.empty((len(parts), len(parts[0])), kind)
        for row, part in zip(x, parts, strict=True):
            row[:] = part
        x = x.T
    if len(x) and x.shape[1] != width:
        name = plan.outputs[0] if len(plan.outputs) == 1 else None
        raise BadInput(f"{place(source, start, name)}: {width} predictions a row are expected; got {x.shape[1]}.")
    if any(stride % x.itemsize for stride in x.strides) or not x.flags.aligned:
        x = np.ascontiguousarray(x)
    return x


def _fault(fault: Fault, plan: Plan, rules: Rules, source: Source, start: int, width: int) -> BadInput:
    column = None
    if fault.kind == 5:
        column = plan.weight
    elif fault.column >= 0:
        column = (
            plan.outputs[fault.column]
            if len(plan.outputs) > 1
            else plan.outputs[0] + (f"[{fault.column}]" if width > 1 else "")
        )
    where = place(source.name, start + fault.row, column)
    return kernel_fault(
        fault.kind,
        fault.value,
        where,
        tolerance=rules.tolerance,
        total=width,
        renormalize=rules.renormalize,
        form=plan.form,
    )
