"""`xent calibrate`: fit a repair to files of predictions, say what it saves, and write the repaired predictions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xent.calibrate import NoFiniteOptimum

from ..analysis.cells import heard
from ..analysis.climb import choose
from ..analysis.ladder import METHODS, climbed
from ..analysis.records import Rung
from ..columns import find
from ..door import gather
from ..faults import BadInput
from ..opening import file_paths, opened
from ..output import ready, written
from ..provenance import twice
from ..scores import Score, result
from ..scoring import Progress
from ..sources import Batch, Source
from ..state.rows import FOLDS
from ..state.state import State
from .fit import maps_of
from .kept import Kept, about, kept
from .record import Repaired
from .rewrite import Outputs, metadata_of, rewritten, same_columns, verbatim
from .stream import Stream
from .unlabelled import predictions_of
from .writers import ending, write

CHOICES = {**METHODS, "multilabel": (*METHODS["multilabel"][:2], "beta", *METHODS["multilabel"][2:])}
KNOWN = ("auto", "temperature", "platt", "beta", "vector", "matrix", "isotonic")


def calibrate(
    data: Any = None,
    *,
    method: str = "auto",
    output: str | os.PathLike[str] | None = None,
    save: str | os.PathLike[str] | None = None,
    output_form: str | None = None,
    force: bool = False,
    floor: float | None = None,
    targets: Any = None,
    probs: Any = None,
    logits: Any = None,
    sample_weight: Any = None,
    classes: Sequence[Any] | None = None,
    positive: Any = None,
    kind: str | None = None,
    tolerance: float | None = None,
    renormalize: bool = False,
    cluster: str | None = None,
    confidence: float = 0.95,
    progress: Progress | None = None,
) -> Repaired:
    """Fit a repair to predictions, judge it on held-out folds, and write the table with repaired predictions.

    Args:
        data, targets, probs, logits, sample_weight, classes, positive, kind, tolerance, renormalize, cluster: as in
            `xent.score`; `data` must be readable again.
        method: auto (climbs the ladder), temperature, platt, beta, isotonic (two classes, or label by label), vector,
            matrix (more classes).
        output: .parquet, .arrow, .csv, .tsv, .npz or .npy: all columns, predictions replaced in the form and dtype they
            have, or as `output_form`: probs or logits. save: the map as JSON.
        force: write even if the gain is not sure to be above 0.
        floor: the least probability believed, in (0, 0.5); needed where the truth has probability 0.
        confidence: of the interval of the gain.

    Nothing is written where the interval of the cross-fitted gain includes 0 (`Repaired.wrote` is False), unless
    forced.

    Raises `BadInput` for what cannot be fitted, read or written.
    """
    _check(method, output_form, floor, force)
    given = {"targets": targets, "probs": probs, "logits": logits, "sample_weight": sample_weight}
    sources, request, _ = opened(data, given, classes, positive, kind)
    _refuse_places(sources, given, output, save)
    state = gather(
        data, **given, classes=classes, positive=positive, kind=kind, progress=progress, tolerance=tolerance,
        renormalize=renormalize, cluster=cluster, confidence=confidence, analyse=True, slices="none", rows=0,
    )  # fmt: skip
    if state.problem.soft:
        raise BadInput("soft labels are not calibrated from files; xent.calibrate takes them as arrays.")
    plan, score = find(sources, request), result(state)
    least = floor or 0.0
    rungs, best = _judged(state, score, method, confidence, least)
    rung = next((r for r in rungs if r.method == best), None)
    score = replace(score, notes=(*twice(state), *score.notes))
    found = Repaired.of(score, method, best, rungs, FOLDS, confidence, force)
    if rung is None or not (rung.pays or force) or (output is None and save is None):
        return found
    stream = Stream(sources, plan, state.problem.width, least, score.weight, _weights(state), progress)
    mended = _fitted(rung.method, state, stream)
    told = Outputs(plan.outputs, plan.form, plan.dtype, output_form or plan.form)
    with contextlib.ExitStack() as both:  # the map appears once the table has
        if save is not None:
            aside = both.enter_context(written(save, file_paths(sources, given)))
            aside.write_text(mended.to_json(about(score, rung, FOLDS)) + "\n", encoding="utf-8")
        rows = None if output is None else _write(output, sources, told, mended, progress)
    return found.written(output, save, rows, told)


def apply(
    data: Any,
    map_file: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    output_form: str | None = None,
    probs: Any = None,
    logits: Any = None,
    tolerance: float | None = None,
    progress: Progress | None = None,
) -> Repaired:
    """Write a table with its predictions repaired by a map that `calibrate` saved. The truth is not needed.

    Args: as in `calibrate`; map_file: the JSON. Columns are found by name, and by the classes that the map knows.

    Raises `BadInput` where the predictions do not fit the map, or cannot be read or written.
    """
    _check("auto", output_form, None, False)
    try:
        mended = kept(Path(map_file).read_text(encoding="utf-8"), os.fspath(map_file))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{os.fspath(map_file)}: cannot be read: {getattr(error, 'strerror', None) or error}."
        ) from error
    given = {"targets": None, "probs": probs, "logits": logits, "sample_weight": "none"}
    sources, request, _ = opened(data, given, None, None, None)
    _refuse_places(sources, given, output, None, read=(map_file,))
    told = predictions_of(sources, request, mended, output_form, tolerance)
    rows = _write(output, sources, told, mended, progress)
    return Repaired.applied(mended, told, rows, output, os.fspath(map_file))


def _check(method: str, output_form: str | None, floor: float | None, force: bool) -> None:
    if method not in KNOWN:
        raise BadInput(f"`method` must be one of {', '.join(KNOWN)}; got {method!r}.")
    if output_form not in (None, "probs", "logits"):
        raise BadInput(f"`output_form` must be probs or logits; got {output_form!r}.")
    if floor is not None and not (isinstance(floor, (int, float)) and 0.0 < floor < 0.5):
        raise BadInput(f"`floor` must be a number in (0, 0.5); got {floor!r}.")
    if force and method == "auto":
        raise BadInput("`force` needs a `method` (--method): auto has none to force where none pays.")


def _refuse_places(sources: Sequence[Source], given: dict[str, Any], *places: Any, read: Sequence[Any] = ()) -> None:
    """What is known to fail after a long pass fails before it. read: further files that are not to be written over."""
    inputs = [*file_paths(sources, given), *read]
    named = [os.fspath(p) for p in places if p is not None]
    if len({os.path.realpath(p) for p in named}) < len(named):
        raise BadInput(f"{named[0]}: the table and the map need files of their own.")
    if places and places[0] is not None:
        ending(named[0])
    for place in named:
        ready(place, inputs)
    if not all(source.replays for source in sources):
        raise BadInput(
            "a stream can be read only once, and a repair reads the rows several times; give a file or a table."
        )


def _judged(
    state: State, score: Score, method: str, confidence: float, floor: float
) -> tuple[tuple[Rung, ...], str | None]:
    """What each repair saves, and the one to take."""
    kind = state.problem.kind
    if method != "auto" and method not in CHOICES[kind]:
        hint = (
            " (two columns of probabilities: give that of the second class alone)" if state.problem.width == 2 else ""
        )
        raise BadInput(f"`method` must be one of {', '.join(CHOICES[kind])} for {_called(kind)}{hint}; got {method!r}.")
    mends = kind != "multiclass" and method in ("auto", "isotonic")
    if score.infinite and not floor and not mends:
        who = "map" if method == "auto" else method
        raise BadInput(
            f"{score.infinite} rows give the truth probability 0, which no {who} mends."
            " Give `floor` (--floor 1e-6), the least probability to believe"
            + (", or --method isotonic." if kind != "multiclass" else ".")
        )
    methods = METHODS[kind] if method == "auto" else (method,)
    rungs, beyond = climbed(state, methods, confidence, floor, patient=method != "auto")
    if method == "auto":
        return rungs, choose(rungs, beyond)
    if rungs[0].gain is None:
        raise BadInput(f"{method}: {rungs[0].trouble or 'there are too few rows to judge it'}.")
    return rungs, method


def _called(kind: str) -> str:
    return {"binary": "two classes", "multilabel": "yes/no labels", "multiclass": "several classes"}[kind]


def _weights(state: State) -> Any:
    """The weight of all rows of each class."""
    import numpy as np

    tally = state.tally
    groups = [slice(g, g + 1) for g in range(tally.classes)]
    return np.array([float(tally.total("w", g) + tally.total("w_inf", g)) for g in groups])


def _fitted(method: str, state: State, stream: Stream) -> Kept:
    try:
        maps = heard(lambda: maps_of(method, state, stream), [])  # what it warns of is said of its rung
    except NoFiniteOptimum as error:
        raise BadInput(f"{method}: {error}") from error
    return Kept(state.problem.kind, method, tuple(state.problem.classes), tuple(maps))


def _write(
    output: str | os.PathLike[str], sources: Sequence[Source], told: Outputs, mended: Kept, progress: Progress | None
) -> int:
    """The table, written aside and renamed; the number of its rows."""
    kind = ending(os.fspath(output))
    texts = [verbatim(source, told, kind) for source in sources]
    names = same_columns(texts)
    if kind == ".npy":
        names = told.outputs

    def batches(some: Sequence[str]) -> Iterator[Batch]:
        for source in texts:
            yield from rewritten(source, told, mended, some, progress)

    with written(output) as aside:
        return write(aside, kind, names, batches, metadata_of(sources[0]))
