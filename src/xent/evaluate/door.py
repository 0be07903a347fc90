"""The public door: `score` takes files, tables or arrays, plans, runs, and hands back a `Score`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .asked import Asked
from .classes import Request, outputs_of
from .columns import Plan, find
from .conventions import convention, row_tolerance
from .faults import BadInput, refuse_missing
from .opening import file_paths, opened
from .provenance import Hashing, provenance_of, twice
from .scores import Score, result
from .scoring import Progress, run
from .soft import SoftTargets, again
from .sources import Source
from .state import further
from .state.rows import Problem
from .state.state import Settings, State
from .tally import Rules


def score(
    data: Any = None,
    *,
    targets: Any = None,
    probs: Any = None,
    logits: Any = None,
    sample_weight: Any = None,
    classes: Sequence[Any] | None = None,
    positive: Any = None,
    kind: str | None = None,
    floor: float | None = None,
    compat: str | None = None,
    tolerance: float | None = None,
    renormalize: bool = False,
    soft: bool | None = None,
    confidence: float = 0.95,
    rows: int = 10,
    analyse: bool = False,
    by: Any = None,
    slices: Any = None,
    cluster: str | None = None,
    time: str | None = None,
    seed: int = 0,
    batch_rows: int | None = None,
    progress: Progress | None = None,
) -> Score:
    r"""Score predictions by log loss, honestly: where the truth has probability 0 the loss is infinite and says so.

    .. math:: L = \frac{\sum_i w_i \, (-\log p_i(y_i))}{\sum_i w_i} \quad \text{(nats; multi-label: mean over labels)}

    data
        A path (CSV, Parquet, Arrow IPC, JSON lines, NPY, NPZ), a glob, a folder, a list of these, a dict of arrays, or
        a table with the Arrow PyCapsule interface (pandas, polars, pyarrow). Left out: `targets` with `probs` or
        `logits` are arrays.
    targets, probs, logits, sample_weight
        With `data`: column names or globs, one or several; found by obvious names when left out
        (`sample_weight="none"`: no weights). Without `data`: arrays. probs/logits [rows] (binary) or [rows, classes];
        targets [rows] ids, text or bool, or [rows, labels] of 0 and 1 (multi-label).
    classes, positive, kind
        Class names in the order of the predictions; the label that one prediction column is for; binary, multiclass or
        multilabel where the shapes leave it open.
    floor, compat
        Also say what the loss would be with p held above `floor`, or by the convention of sklearn, torch, keras or
        xgboost. `Score.compat` holds it; `Score.log_loss` stays as it is.
    tolerance, renormalize
        How far a row of probabilities may be from summing to 1 (default classes * 2^-23); or divide each row by it.
    soft
        Targets are probabilities q: one column (of the second of two classes), or as many as predictions. The loss is
        then the cross-entropy, the entropy of q plus the divergence of the predictions from it. Left out: they are
        read so where they hold fractions and their number is that of the predictions.
    confidence, rows, batch_rows, progress
        Level of the interval; how many dearest rows to keep; rows read at a time (never changes a digit); a callable
        told (file, rows done, rows in all or None).

    analyse, by, slices, cluster, time, seed
        Also say where the nats go: `Score.analysis`. It is added when `analyse` is true or one of the others is given.
        by: columns whose values are slices of their own; slices: "auto" (the default: slices are sought in the other
        columns of the table, at most 32), "none", or columns; cluster: rows that share its value are alike; time: rows
        close in it are alike; seed: of everything resampled.

    Raises `BadInput` (a ValueError) naming file, row and column for anything that cannot be scored.

    >>> import xent
    >>> round(xent.score(targets=[1, 0], probs=[0.9, 0.3]).log_loss, 6)
    0.231018
    """
    state = gather(
        data, targets=targets, probs=probs, logits=logits, sample_weight=sample_weight, classes=classes,
        positive=positive, kind=kind, batch_rows=batch_rows, progress=progress, floor=floor, compat=compat,
        tolerance=tolerance, renormalize=renormalize, soft=soft, confidence=confidence, rows=rows, analyse=analyse,
        by=by, slices=slices, cluster=cluster, time=time, seed=seed,
    )  # fmt: skip
    return finish(state)


def gather(
    data: Any = None,
    *,
    targets: Any = None,
    probs: Any = None,
    logits: Any = None,
    sample_weight: Any = None,
    classes: Sequence[Any] | None = None,
    positive: Any = None,
    kind: str | None = None,
    batch_rows: int | None = None,
    progress: Progress | None = None,
    hashed: bool = False,
    **options: Any,
) -> State:
    """What `score` reads, as a state that can be saved, and merged with those of other files of the same problem.

    options: as those of `score`; hashed: keep hashes of the files without an analysis too, so that a file counted twice
    shows. `finish(gather(...))` is `score(...)`.
    """
    asked = Asked(**options)
    asked.check(batch_rows)
    if asked.analysed:
        refuse_missing("scipy", purpose="an analysis")
    given = {"targets": targets, "probs": probs, "logits": logits, "sample_weight": sample_weight}
    sources, request, found = opened(data, given, classes, positive, kind)
    for source in sources:
        if source.rows == 0:
            raise BadInput(f"{source.name or 'input'}: there are no rows to score.")
    request = replace(request, soft=asked.soft)
    with Hashing(file_paths(sources, given) if asked.analysed or hashed else ()) as hashing:
        try:
            state = _seen(sources, request, asked, progress, batch_rows)
        except SoftTargets as met:
            state = _seen(sources, again(sources, request, met), asked, progress, batch_rows)
        state.hashes = hashing.result()
    state.notes = dict.fromkeys(found, 0) | state.notes
    return state.finish()


def _seen(
    sources: Sequence[Source], request: Request, asked: Asked, progress: Progress | None, batch_rows: int | None
) -> State:
    """Plan, then act."""
    plan = find(sources, request)
    state = _state(sources, plan, asked)
    state.notes = {note: 1 + i for i, note in enumerate(plan.notes)}
    run(sources, plan, state, progress=progress, batch_rows=batch_rows)
    refuse_doubtful(state, plan, request.kind)
    return state


def _state(sources: Sequence[Source], plan: Plan, asked: Asked) -> State:
    """The empty state of a plan, and of what was asked for."""
    width = outputs_of(sources[0], plan.outputs)
    limit = row_tolerance(plan.dtype, width) if asked.tolerance is None else asked.tolerance
    clip = convention(asked.compat, asked.floor, plan.dtype)
    clamp = (clip.least, clip.most) if clip else None
    rules = Rules(limit, asked.renormalize, clamp, bool(clip and clip.normalised))
    problem = Problem(plan.kind, plan.form, plan.dtype, plan.classes, width, plan.weight is not None, plan.soft)
    if asked.analysed:
        problem = _sliced(problem, sources, plan, asked)
    settings = Settings(rules, clip, asked.confidence, asked.rows, asked.seed, asked.analysed)
    state = State.empty(problem, settings)
    state.said = {"targets": plan.targets, plan.form: plan.outputs, "weights": (plan.weight,) if plan.weight else ()}
    return state


def _sliced(problem: Problem, sources: Sequence[Source], plan: Plan, asked: Asked) -> Problem:
    """The problem with the columns that rows are told apart by."""
    by = further.chosen(sources, asked.by, "by")
    cluster = further.single(sources, asked.cluster, "cluster")
    time = further.single(sources, asked.time, "time")
    taken = tuple(name for name in (cluster, time) if name is not None)
    if asked.slices in (None, "auto"):
        sought = further.sought(sources, plan, (*by, *taken))
    else:
        sought = () if asked.slices == "none" else further.chosen(sources, asked.slices, "slices")
    moments = further.moments(sources, (*by, *sought, *((time,) if time else ())))
    return replace(problem, by=by, sought=sought, cluster=cluster, time=time, moments=moments)


def finish(state: State) -> Score:
    """The score of all that a state has seen, with its analysis where there is one."""
    score = result(state)
    if not state.settings.analysed:
        return replace(score, notes=(*score.notes, *twice(state)))
    refuse_missing("scipy", purpose="an analysis")
    from .analysis import analyse

    found = analyse(
        state, score, confidence=state.settings.confidence, seed=state.settings.seed, provenance=provenance_of(state)
    )
    return replace(score, analysis=replace(found, alerts=(*twice(state), *found.alerts)))


def refuse_doubtful(state: State, plan: Plan, kind: str | None) -> None:
    """What only shows once all rows are read: targets that could mean two things, and no weight at all."""
    if state.one_hot and plan.kind == "multilabel" and kind is None and state.problem.width > 1:
        raise BadInput(
            "every row of `targets` names exactly one of the classes: is this one class of many, written one-hot, or"
            " several yes/no labels? Say `kind`=multiclass or `kind`=multilabel (--kind)."
        )
    if not state.tally.count("rows", slice(None)):
        raise BadInput("every row has weight 0: there is nothing to average.")
