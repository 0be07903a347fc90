"""The repair ladder: what each way to recalibrate saves on rows it was not fitted to, from few parameters to many."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..state.rows import FOLDS
from .classes import climb_classes
from .climb import Beyond, choose, climb_labels, climb_one, rungs
from .inflation import Together, freedom
from .records import Ladder, Rung
from .waterfall import waterfall

__all__ = ["COMMAND", "METHODS", "ladder", "waterfall"]

COMMAND = "xent calibrate {{files}} --method {method} -o calibrated.parquet"
METHODS = {
    "binary": ("temperature", "platt", "beta", "isotonic"),
    "multilabel": ("temperature", "platt", "isotonic"),
    "multiclass": ("temperature", "vector", "matrix"),
}


def ladder(state: Any, confidence: float, seed: int) -> Ladder | None:
    r"""What every repair would save, cross-fitted over the five folds of the state, in nats a row (a label).

    A repair is fitted by maximum likelihood to four folds and judged on the fifth,

    .. math:: gain = \frac{\sum_f \sum_{i \in f} w_i\,(l_i - l_i \circ m_{-f})}{\sum_i w_i}

    with the linearised error of that paired difference and Student's t at `confidence`. Binary: all rows, by their
    scores. Multi-label: one temperature for all labels; Platt and isotonic label by label. Classes: temperature from
    all rows, vector and matrix on the sample. With clusters errors are of buckets, or multiplied by the root of the
    difference's design effect (inflation.py). Rows infinite before and after count 0; one that becomes finite makes
    the gain infinite.

    best: the first rung whose interval lies above 0, and from there each richer one that saves more beyond the error of
    the paired difference between the two. None for soft labels. `seed` is not used: folds are part of the state.

    Source: cross-fitted calibration gain (Berta et al. 2025, arXiv:2501.19195); paired error as in Vuong 1989.
    """
    if state.problem.soft:
        return None
    found, beyond = climbed(state, METHODS[state.problem.kind], confidence)
    best = choose(found, beyond)
    gain = next((r.gain for r in found if r.method == best), None)
    command = None if best is None else COMMAND.format(method=best)
    return Ladder(found, best, gain or 0.0, FOLDS, command)


def climbed(
    state: Any, methods: tuple[str, ...], confidence: float, floor: float = 0.0, patient: bool = False
) -> tuple[tuple[Rung, ...], Beyond]:
    """The rungs of some repairs, and the question that decides between two of them.

    floor: the least probability that repairs believe; patient: whether many classes or labels may take their time.
    """
    if state.problem.kind == "multiclass":
        return climb_classes(state, methods, confidence, floor, patient)
    blocks = state.blocks
    if state.problem.kind == "binary":
        climb = climb_one(blocks.scores(0), methods, floor)
    else:
        climb = climb_labels(blocks, methods, floor, patient)
    return rungs(climb, confidence, Together(state, climb, floor), partial(freedom, state))
