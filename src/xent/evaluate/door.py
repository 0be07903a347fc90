"""The public door: `score` takes files, tables or arrays, plans, runs, and hands back a `Score`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .classes import Request, outputs_of
from .columns import Plan, find
from .conventions import convention, row_tolerance
from .faults import BadInput
from .scores import Score, result
from .scoring import Progress, Seen, run
from .sources import Source, open_sources
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
    confidence: float = 0.95,
    rows: int = 10,
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
    confidence, rows, batch_rows, progress
        Level of the interval; how many dearest rows to keep; rows read at a time (never changes a digit); a callable
        told (file, rows done, rows in all or None).

    Raises `BadInput` (a ValueError) naming file, row and column for anything that cannot be scored.

    >>> import xent
    >>> round(xent.score(targets=[1, 0], probs=[0.9, 0.3]).log_loss, 6)
    0.231018
    """
    _check(confidence, tolerance, floor, rows, batch_rows)
    given = {"targets": targets, "probs": probs, "logits": logits, "sample_weight": sample_weight}
    sources, request, found = _open(data, given, classes, positive, kind)
    for source in sources:
        if source.rows == 0:
            raise BadInput(f"{source.name or 'input'}: there are no rows to score.")
    plan = find(sources, request)
    width = outputs_of(sources[0], plan.outputs)
    limit = row_tolerance(plan.dtype, width) if tolerance is None else tolerance
    asked = convention(compat, floor, plan.dtype)
    clamp = (asked.least, asked.most) if asked else None
    rules = Rules(limit, renormalize, clamp, bool(asked and asked.normalised))
    seen = run(sources, plan, rules, width=width, dearest=rows, progress=progress, batch_rows=batch_rows)
    _refuse_doubtful(seen, plan, kind, width)
    return result(seen, plan, rules, asked, confidence, (*found, *plan.notes))


def _check(confidence: float, tolerance: float | None, floor: float | None, rows: int, batch_rows: int | None) -> None:
    for name, value in (("rows", rows), ("batch_rows", batch_rows)):
        if value is not None and not (isinstance(value, (int, np.integer)) and not isinstance(value, bool)):
            raise BadInput(f"`{name}` must be a whole number; got {value!r}.")
    for name, number in (("confidence", confidence), ("tolerance", tolerance), ("floor", floor)):
        if number is not None and not isinstance(number, (int, float, np.number)):
            raise BadInput(f"`{name}` must be a number; got {number!r}.")
    if rows is None or confidence is None:
        raise BadInput("`rows` and `confidence` must be numbers; got None.")
    if not 0.0 < confidence < 1.0:
        raise BadInput(f"`confidence` must lie strictly between 0 and 1; got {confidence!r}.")
    if tolerance is not None and not 0.0 <= tolerance < float("inf"):
        raise BadInput(f"`tolerance` must be a number of 0 or more; got {tolerance!r}.")
    if rows < 0:
        raise BadInput(f"`rows` must be 0 or more; got {rows!r}.")
    if batch_rows is not None and batch_rows < 1:
        raise BadInput(f"`batch_rows` must be 1 or more; got {batch_rows!r}.")


def _refuse_doubtful(seen: Seen, plan: Plan, kind: str | None, width: int) -> None:
    """What only shows once all rows are read: targets that could mean two things, and no weight at all."""
    if seen.one_hot and plan.kind == "multilabel" and kind is None and width > 1:
        raise BadInput(
            "every row of `targets` names exactly one of the classes: is this one class of many, written one-hot, or"
            " several yes/no labels? Say `kind`=multiclass or `kind`=multilabel (--kind)."
        )
    if not seen.tally.count("rows", slice(None)):
        raise BadInput("every row has weight 0: there is nothing to average.")


def _open(
    data: Any, given: dict[str, Any], classes: Sequence[Any] | None, positive: Any, kind: str | None
) -> tuple[list[Source], Request, tuple[str, ...]]:
    if isinstance(classes, str) or not isinstance(classes, (Iterable, type(None))):
        raise BadInput(f"`classes` must be a list of names; got {classes!r}.")
    named = None if classes is None else tuple(_label(c) for c in classes)
    chosen = None if positive is None else _label(positive)
    if data is None:
        if _single(given["sample_weight"]) == "none":
            given = {**given, "sample_weight": None}
        _refuse_names(given)
    if data is None and not _npy_paths(given):
        from .arrays import from_arrays

        arrays = {name: value for name, value in given.items() if value is not None}
        if "targets" not in arrays or ("probs" in arrays) == ("logits" in arrays):
            raise BadInput("give `data`, or arrays: `targets` with one of `probs` and `logits`.")
        columns = {name: (name,) for name in arrays}
        weighed = "sample_weight" if "sample_weight" in arrays else "none"
        request = Request(columns["targets"], columns.get("probs"), columns.get("logits"), weighed, named, chosen, kind)
        return [from_arrays(arrays)], request, ()
    if data is None:
        return _open_npy(given, Request(None, None, None, None, named, chosen, kind))
    names = {name: None if value is None else _names(name, value) for name, value in given.items()}
    weight = names["sample_weight"]
    request = Request(
        names["targets"], names["probs"], names["logits"], weight[0] if weight else None, named, chosen, kind
    )
    sources, notes = open_sources(data)
    return sources, request, notes


def _refuse_names(given: dict[str, Any]) -> None:
    """Without `data` there is no table in which a name could be looked up."""
    for name, value in given.items():
        bare = isinstance(value, (str, os.PathLike)) or (name in ("probs", "logits") and _single(value))
        if bare and not _npy_paths(given):
            raise BadInput(
                f"`{name}` is {_single(value)!r}, but there is no `data` with such a column; without `data` give"
                " arrays, or a .npy file for each."
            )


def _npy_paths(given: dict[str, Any]) -> bool:
    """Whether arrays are given as .npy files, one for each."""
    paths = [v for v in given.values() if v is not None]
    return bool(paths) and all(_single(v) and str(_single(v)).lower().endswith(".npy") for v in paths)


def _single(value: Any) -> str | None:
    if isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    return os.fspath(value) if isinstance(value, (str, os.PathLike)) else None


def _open_npy(given: dict[str, Any], request: Request) -> tuple[list[Source], Request, tuple[str, ...]]:
    """Arrays in .npy files of their own: each becomes a column named after its part."""
    from pathlib import Path

    from .arrays import joined

    paths = {name: Path(str(_single(value))) for name, value in given.items() if value is not None}
    if "targets" not in paths or ("probs" in paths) == ("logits" in paths):
        raise BadInput("give .npy files for `targets` and for one of `probs` and `logits`.")
    source = joined(paths)
    form = {"probs": ("probs",)} if "probs" in paths else {"logits": ("logits",)}
    weight = "sample_weight" if "sample_weight" in paths else "none"
    request = Request(
        ("targets",), form.get("probs"), form.get("logits"), weight, request.classes, request.positive, request.kind
    )
    return [source], request, ()


def _names(argument: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise BadInput(f"`{argument}` must be a column name or several, since `data` is given; got {type(value).__name__}.")


def _label(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)
