"""One model among several: its plan, its tally, and a batch of its rows judged, told in the classes of all models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import soft
from ..arrow import values
from ..classes import outputs_of
from ..columns import Plan, find
from ..conventions import row_tolerance
from ..door import refuse_doubtful
from ..faults import BadInput
from ..labels import MOST_LABELS
from ..names import listed
from ..scoring import fault_of, matrix, target_of
from ..state import further
from ..state.blocks import Blocks
from ..state.bounds import refuse_weights
from ..state.rows import Problem
from ..state.state import Settings, State
from ..tally import Details, Fault, Rules
from .entrants import Entrant
from .streams import Piece


@dataclass(frozen=True, eq=False)
class Judged:
    """Rows of one model. loss float64 [n]: inf where the truth has probability 0, -1 where the weight is 0.

    truth: int32 [n] ids in the classes of all models, int32 [n, labels], or float64 [n, columns] where labels are soft;
    margin float64 [n]: log-odds of the favourite (None: multi-label).
    """

    loss: np.ndarray
    truth: np.ndarray
    weight: np.ndarray | None
    margin: np.ndarray | None


class Judge:
    """Judges the rows of one model as `score` does, and keeps a state of its own."""

    def __init__(self, entrant: Entrant, tolerance: float | None, renormalize: bool, confidence: float) -> None:
        self.entrant, self.name = entrant, entrant.name
        self.plan = plan = _plan(entrant)
        self.width = outputs_of(entrant.sources[0], plan.outputs)
        if self.width > MOST_LABELS:
            raise BadInput(f"at most {MOST_LABELS} classes are scored; got {self.width}.")
        limit = row_tolerance(plan.dtype, self.width) if tolerance is None else tolerance
        self.settings = Settings(Rules(limit, renormalize), confidence=confidence, rows=0)
        self.order = np.arange(len(plan.classes), dtype=np.int32)
        self.restart()

    @property
    def multilabel(self) -> bool:
        return self.plan.kind == "multilabel"

    def restart(self) -> None:
        """Forget what was seen."""
        plan = self.plan
        weighted = plan.weight is not None
        problem = Problem(plan.kind, plan.form, plan.dtype, plan.classes, self.width, weighted, plan.soft)
        self.state = State.empty(problem, self.settings)
        self.state.notes = {note: i for i, note in enumerate(plan.notes)}
        if plan.kind == "binary" and not plan.soft:
            self.state.blocks = Blocks.empty(problem)

    def align(self, first: Judge) -> None:
        """Take over the order of the classes of the first model; the names must be the same."""
        mine, common = self.plan.classes, first.plan.classes
        if self.multilabel != first.multilabel or sorted(mine) != sorted(common):
            raise BadInput(
                f"every model must predict the same classes: {first.name} has {listed(common, 6)}"
                f" ({first.plan.kind}) and {self.name} has {listed(mine, 6)} ({self.plan.kind}). Name them with"
                " `classes` (--classes a,b,c), in the order of the predictions."
            )
        place = {name: i for i, name in enumerate(common)}
        self.order = np.array([place[name] for name in mine], np.int32)

    def take(self, piece: Piece, keep: np.ndarray | None = None) -> Judged:
        """Judge a piece (of it the rows that a mask keeps)."""
        plan, source, start = self.plan, piece.source, piece.start
        x = matrix(piece.columns, plan, source.name, start, self.width)
        logits, rules = plan.form == "logits", self.settings.rules
        if plan.soft:
            target = soft.truth(plan, rules, source, piece.columns, start, self.width)
        else:
            target = target_of(self.state, plan, source.name, piece.columns, start, self.width, x)
        weight = None
        if plan.weight is not None:
            given = values(piece.columns[plan.weight], plan.weight, source.name, start)
            weight = np.ascontiguousarray(given, np.float64)
            refuse_weights(weight, source.name, start, plan.weight, instead="")
        if keep is not None:
            x, target = x[keep], np.ascontiguousarray(target[keep])
            weight = None if weight is None else weight[keep]
        details = Details.room(len(x), self.width, multilabel=self.multilabel)
        loss = self.state.tally.add(x, target, weight, logits=logits, rules=rules, details=details)
        if isinstance(loss, Fault):
            row = int(np.flatnonzero(keep)[loss.row]) if keep is not None else loss.row
            fault = Fault(loss.kind, row, loss.column, loss.value)
            raise fault_of(fault, plan, rules, source, start, self.width)
        if self.state.blocks is not None:
            self.state.blocks.add(further.judged(
                self.state.problem, source, start, {}, x, target, weight, loss, details
            ))  # fmt: skip
        margin = None if self.multilabel else np.abs(details.margin) if plan.kind == "binary" else details.margin
        return Judged(loss, self._common(target), weight, margin)

    def _common(self, target: np.ndarray) -> np.ndarray:
        if target.ndim == 1:
            return np.asarray(self.order[target])
        if target.shape[1] < len(self.order):  # one soft column: of the second class
            return target if self.order[1] else 1.0 - target
        out = np.empty_like(target)
        out[:, self.order] = target
        return out

    def finish(self) -> None:
        """What only shows once all rows are read."""
        refuse_doubtful(self.state, self.plan, self.entrant.request.kind)


def _plan(entrant: Entrant) -> Plan:
    for source in entrant.sources:
        if source.rows == 0:
            raise BadInput(f"{source.name or 'input'}: there are no rows to score.")
    return find(entrant.sources, entrant.request)


def judges(
    found: Sequence[Entrant], tolerance: float | None, renormalize: bool, confidence: float
) -> list[Judge]:  # fmt: skip
    """A judge for every model, all in the classes of the first."""
    made = [Judge(entrant, tolerance, renormalize, confidence) for entrant in found]
    for judge in made[1:]:
        judge.align(made[0])
        if (judge.plan.weight is None) != (made[0].plan.weight is None):
            weighed, other = (judge, made[0]) if judge.plan.weight else (made[0], judge)
            raise BadInput(
                f"the weights of all models must agree: {weighed.name} has the weights `{weighed.plan.weight}`, and"
                f" {other.name} has none. Choose a column with `sample_weight` (--weight), or 'none'."
            )
    return made
