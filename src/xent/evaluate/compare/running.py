"""All rows of all models, once, into the books of every pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..faults import BadInput
from ..scores import Score
from ..scores import result as score_of
from ..scoring import Progress
from .coding import Coder, clusters, owner, slices, steps
from .judging import Judge
from .ledger import SURE_LABELS, Chunk, Ledger
from .lockstep import Block, ByKey, Wanted, by_position
from .lost import Lost
from .matching import Matched, match
from .records import InfiniteRow

ALL_PAIRS = 10  # models up to which every pair is held against each other; of more, the best against every other
MOST_CLASSES = 1024  # of which the differences are told class by class
TRUTH, SURE = "(truth)", "(confidence)"
SLOT = "(slot)"  # the column that says which rows depend on each other


@dataclass(frozen=True)
class Plan:
    """What is asked for beside the models."""

    id: str | None
    by: tuple[str, ...]
    cluster: str | None
    time: str | None
    confidence: float
    seed: int

    @property
    def method(self) -> str:
        """How the error is reckoned: iid | cluster | time."""
        return "cluster" if self.cluster else "time" if self.time else "iid"


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run found. scores: by model, in the order given; labels: what the slots of a column stand for; ordered:
    columns of which the slots have an order of their own."""

    scores: list[Score]
    ledger: Ledger
    labels: Mapping[str, tuple[str, ...]]
    ordered: frozenset[str]
    infinite: tuple[InfiniteRow, ...]
    matched: Matched | None


def run(judges: Sequence[Judge], plan: Plan, progress: Progress | None, batch_rows: int | None) -> Outcome:
    """Read every row of every model (twice with more than ten models by position: first, which is the best)."""
    if plan.cluster and plan.time:
        raise BadInput("`cluster` and `time` are two ways to reckon one error; give one of them.")
    wanted = _wanted(judges, plan)
    labels = {c: wanted.coders[c].labels for c in plan.by}
    if judges[0].plan.kind != "multilabel":
        if len(judges[0].plan.classes) <= MOST_CLASSES and not judges[0].plan.soft:
            labels[TRUTH] = judges[0].plan.classes
        labels[SURE] = SURE_LABELS
    many = len(judges) > ALL_PAIRS
    matched, blocks = None, None
    if plan.id is not None:
        matched = match([j.entrant.sources for j in judges], [j.name for j in judges], plan.id)
        store = ByKey(judges, matched, wanted)
        store.read(progress, batch_rows)
        blocks = store.blocks()
    elif many:
        for _ in by_position(judges, Wanted({}, {}), progress, batch_rows):
            pass
    pairs = _against(_best(judges), len(judges)) if many else _all(len(judges))
    if blocks is None:
        for judge in judges if many else ():
            judge.restart()
        blocks = by_position(judges, wanted, progress, batch_rows)
    slots = wanted.coders[SLOT].slots if SLOT in wanted.coders else 1
    ledger = Ledger(
        len(judges), pairs, slots, {c: len(names) for c, names in labels.items()},
        clustered=plan.cluster is not None, alone=plan.method != "iid",
        weighted=judges[0].plan.weight is not None,
    )  # fmt: skip
    lost = Lost(judges)
    _enter(blocks, ledger, lost, labels)
    for judge in judges:
        judge.finish()
    ordered = frozenset({SURE, *(c for c in plan.by if wanted.coders[c].ordered)})
    return Outcome([score_of(judge.state) for judge in judges], ledger, labels, ordered, lost.rows(), matched)


def _wanted(judges: Sequence[Judge], plan: Plan) -> Wanted:
    sources = [judge.entrant.sources for judge in judges]
    coders: dict[str, Coder] = {}
    owners: dict[str, int] = {}
    for argument, column, name in (
        *(("by", column, column) for column in dict.fromkeys(plan.by)),
        ("cluster", plan.cluster, SLOT),
        ("time", plan.time, SLOT),
    ):
        if column is None:
            continue
        owners[name] = owner(sources, column, argument)
        make = {"by": slices, "cluster": clusters, "time": steps}[argument]
        coders[name] = make(sources[owners[name]], column)
    return Wanted(coders, owners)


def _enter(blocks: Iterable[Block], ledger: Ledger, lost: Lost, labels: Mapping[str, tuple[str, ...]]) -> None:
    for block in blocks:
        lost.offer(block)
        first = block.judged[0]
        on = None
        if first.weight is not None and not first.weight.all():
            on = np.flatnonzero(first.weight)

        def of(x: np.ndarray, on: np.ndarray | None = on) -> np.ndarray:
            return x if on is None else x[on]

        codes = {c: of(block.codes[c]) for c in labels if c in block.codes}
        if TRUTH in labels:
            codes[TRUTH] = of(first.truth)
        slot = of(block.codes[SLOT]) if SLOT in block.codes else np.zeros(len(of(first.loss)), np.int32)
        ledger.add(Chunk(
            [of(judged.loss) for judged in block.judged],
            [of(judged.margin) for judged in block.judged if judged.margin is not None] if SURE in labels else None,
            None if first.weight is None else of(first.weight), slot, codes,
        ))  # fmt: skip


def _all(models: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(models) for b in range(a + 1, models)]


def _against(best: int, models: int) -> list[tuple[int, int]]:
    return [(other, best) for other in range(models) if other != best]


def _best(judges: Sequence[Judge]) -> int:
    scores = [score_of(judge.state) for judge in judges]
    return ranked(scores)[0]


def ranked(scores: Sequence[Score]) -> list[int]:
    """Models by log loss, best first; infinite ones by how many rows are, then by what the other rows cost."""
    return sorted(range(len(scores)), key=lambda i: (scores[i].log_loss, scores[i].infinite, scores[i].finite_part, i))
