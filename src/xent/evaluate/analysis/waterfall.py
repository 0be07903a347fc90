"""From knowing only the base rate to the log loss, step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .records import Decomposition, Ladder, Rung, Step

STEPS = {
    "temperature": "temperature", "platt": "bias", "beta": "shape", "isotonic": "shape", "vector": "vector",
    "matrix": "matrix",
}  # fmt: skip
LEAST = 1e-12  # nats: what is left below it is rounding


class _Walk:
    """Steps that each start where the last one ended."""

    def __init__(self, name: str, level: float) -> None:
        self.level = level
        self.steps = [Step(name, "start", level, None, level)]

    def to(self, name: str, level: float, error: float | None = None) -> None:
        nats = level - self.level
        self.steps.append(Step(name, "up" if nats >= 0 else "down", nats, error, level))
        self.level = level

    def total(self, name: str) -> None:
        self.steps.append(Step(name, "total", self.level, None, self.level))


def waterfall(score: Any, decompositions: Sequence[Decomposition], ladder: Ladder | None) -> tuple[Step, ...]:
    """Steps from the best constant forecast to the log loss, nats a row (a label); each `after` is the last one's plus
    `nats`.

    Binary and multi-label: uncertainty, less what the scores tell apart, is the loss after a perfect recalibration;
    then what each rung of the ladder gets back beyond the rungs before it (cross-fitted, only where it is more), and
    the rest of the miscalibration, which is in sample. Classes: baseline, less what the repaired model explains, is the
    loss after the best repair; then what the repairs get back. Infinite rows are a last step.
    """
    finite = score.finite_part if score.infinite else score.log_loss
    climbs = _climbs(ladder)
    if score.kind == "multiclass" or not _complete(score, decompositions):
        walk = _Walk("baseline", score.baseline)
        most = climbs[-1][1] if climbs else 0.0
        walk.to("explained", finite - most)
        walk.total("after repair" if climbs else "log loss without infinite rows" if score.infinite else "log loss")
        rest = None
    else:
        share = 1.0 / len(decompositions)
        walk = _Walk("uncertainty", share * math.fsum(d.uncertainty for d in decompositions))
        walk.to("discrimination", walk.level - share * math.fsum(d.discrimination for d in decompositions))
        walk.total("refined loss")
        climbs = [] if score.infinite else climbs  # what mends infinite rows is in the refined loss already
        rest = "rest of the miscalibration" if climbs else "miscalibration"
    before = 0.0
    base = walk.level
    for name, gain, error in climbs:
        walk.to(name, finite if rest is None and name == climbs[-1][0] else base + gain, error if not before else None)
        before = gain
    if rest is not None and abs(finite - walk.level) > LEAST:
        walk.to(rest, finite)
    if score.infinite:
        walk.to("infinite rows", math.inf)
    if climbs or rest is not None or score.infinite:
        walk.total("log loss")
    return tuple(walk.steps)


def _complete(score: Any, decompositions: Sequence[Decomposition]) -> bool:
    return len(decompositions) == (score.classes if score.kind == "multilabel" else 1)


def _climbs(ladder: Ladder | None) -> list[tuple[str, float, float | None]]:
    """(name, gain so far, its error) of the rungs that save more than all before them; two of one name are one."""
    found: list[tuple[str, float, float | None]] = []
    for rung in ladder.rungs if ladder else ():
        if rung.gain is None or not math.isfinite(rung.gain) or rung.gain <= max((g for _, g, _ in found), default=0.0):
            continue
        name = _name(rung)
        if found and found[-1][0] == name:
            found.pop()
        found.append((name, rung.gain, rung.standard_error))
    return found


def _name(rung: Rung) -> str:
    return STEPS[rung.method]
