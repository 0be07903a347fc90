"""Rows in, tally out: a straight line that follows a `Plan` batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from . import soft
from .arrow import values
from .behind import Behind
from .columns import Plan
from .dearest import DearRow, describe
from .faults import BadInput, kernel_fault, place
from .labels import MOST_LABELS, indicators
from .sources import Batch, Source
from .state.bounds import refuse_losses, refuse_weights
from .state.further import further_names, judged
from .state.state import State
from .tally import Details, Fault, Rules

VALUES = 1 << 20  # predictions held at a time: 8 MB in float64, large against the cost of a batch, small against memory
# Allocated once and freed untouched: from then on glibc keeps freed blocks of up to that size (mallopt(3), "dynamic
# mmap threshold"), where it would hand every batch's arrays back to the system and fault them in again, 5 ns a number.
KEPT = 1 << 21
Progress = Callable[[str, int, int | None], None]  # (file, rows done in it, its rows if known)


class Seen(Protocol):
    """What the targets showed: whether all of them might be one class of many, written one-hot."""

    one_hot: bool


def batch_size(width: int, batch_rows: int | None = None) -> int:
    """Rows read at a time, of so many predictions each: those asked for, else about 2^20 predictions."""
    return batch_rows or max(1024, min(1 << 17, VALUES // width))


def run(
    sources: Sequence[Source],
    plan: Plan,
    state: State,
    *,
    progress: Progress | None = None,
    batch_rows: int | None = None,
) -> State:
    """Read every source once and add every row to the state."""
    width = state.problem.width
    if width > MOST_LABELS:
        raise BadInput(f"at most {MOST_LABELS} classes are scored; got {width}.")
    np.empty(KEPT)
    further = further_names(state.problem)
    wanted = tuple(dict.fromkeys((*plan.names, *further)))
    size = batch_size(width, batch_rows)
    with Behind() as behind:
        for source in sources:
            rows = 0
            for batch in source.read(wanted, size):
                rows += _batch(state, plan, source, rows, batch, behind)
                if progress is not None:
                    progress(source.name, rows, source.rows)
            if not rows:
                raise BadInput(f"{source.name or 'input'}: there are no rows to score.")
            state.files.append((source.name, rows))
    return state


def _batch(state: State, plan: Plan, source: Source, start: int, batch: Batch, behind: Behind) -> int:
    width, rules = state.problem.width, state.settings.rules
    x = matrix(batch, plan, source.name, start, width)
    rows = len(x)
    if not rows:
        return 0
    logits = plan.form == "logits"
    q = soft.truth(plan, rules, source, batch, start, width) if plan.soft else None
    target = target_of(state, plan, source.name, batch, start, width, x) if q is None else soft.likeliest(q, plan.kind)
    weight = None
    if plan.weight is not None:
        given = values(batch[plan.weight], plan.weight, source.name, start)
        weight = np.ascontiguousarray(given, np.float64)
    many = plan.kind == "multilabel"
    details = Details.room(rows, width, multilabel=many) if state.settings.analysed else None
    out = state.tally.add(x, target if q is None else q, weight, logits=logits, rules=rules, details=details)
    if isinstance(out, Fault):
        raise fault_of(out, plan, rules, source, start, width)

    def write_up(i: int) -> DearRow:
        own = 1.0 if weight is None else float(weight[i])
        if q is not None:
            return soft.written_up(x[i], q[i], float(out[i]), plan, weight=own, file=source.name, row=start + i)
        return describe(
            x[i], target[i], float(out[i]), plan.classes, logits=logits, weight=own, file=source.name, row=start + i
        )

    state.dearest.offer(out, source.name, start, write_up)
    if details is not None:
        refuse_weights(weight, source.name, start, plan.weight)
        refuse_losses(out, weight, source.name, start)
        behind.do(lambda: state.add(judged(state.problem, source, start, batch, x, target, weight, out, details, q)))
    return rows


def target_of(seen: Seen, plan: Plan, source: str, batch: Batch, start: int, width: int, x: np.ndarray) -> np.ndarray:
    """True labels of a batch: int32 ids [rows], or yes/no labels [rows, labels]."""
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


def fault_of(fault: Fault, plan: Plan, rules: Rules, source: Source, start: int, width: int) -> BadInput:
    """What the tally refused, as an error that says where."""
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
