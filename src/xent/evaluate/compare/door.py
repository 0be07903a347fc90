"""The public door: `compare` takes models as files, columns or arrays and says which is better, by how much, where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..asked import Asked
from ..classes import Request
from ..faults import BadInput, refuse_missing
from ..opening import class_labels, column_names, label
from ..provenance import Hashing
from ..scoring import Progress
from ..soft import SoftTargets, again
from .entrants import Entrant, entrants
from .judging import Judge, judges
from .records import Comparison
from .result import result
from .running import Outcome, Plan, run

# Columns that arrays given without `data` go under.
TARGETS, WEIGHT, CLUSTER, TIME, ID = "targets", "sample_weight", "cluster", "time", "id"


def compare(
    data: Any = None,
    *,
    models: Any = None,
    targets: Any = None,
    probs: Any = None,
    logits: Any = None,
    sample_weight: Any = None,
    id: str | None = None,
    by: Any = None,
    cluster: Any = None,
    time: Any = None,
    classes: Sequence[Any] | None = None,
    positive: Any = None,
    kind: str | None = None,
    tolerance: float | None = None,
    renormalize: bool = False,
    soft: bool | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    batch_rows: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    r"""Compare models on the same rows by their log losses, row by row: which is better, by how much, how surely.

    .. math:: d_i = (-\log p^a_i(y_i)) - (-\log p^b_i(y_i)), \quad
        \bar d = \sum_i w_i d_i / \sum_i w_i \pm t \, SE(\bar d) \quad \text{(nats a row; above 0, b is better)}

    data
        Several files, each a model named by its stem; a dict of names and files, folders or tables (each as in
        `score`); or one file or table whose columns are the models. Left out: arrays.
    models
        Of one file or table: a dict of names and columns (a name, several or a glob; "logits:z_*" or "probs:p_*" says
        the form), or a list of columns. Without `data`: a dict of names and arrays, probabilities as in `score`;
        {"logits": array} for logits.
    targets, probs, logits, sample_weight, classes, positive, kind, tolerance, renormalize, soft
        As in `score`, for every model. Of one file without `models`, every column of `probs` and `logits` is a model of
        one prediction a row.
    id
        A column that rows are matched by; left out, row i of one model is row i of all, and the truth is checked.
    by, cluster, time
        Columns whose values are slices; whose rows are alike (delete-a-bucket jackknife); along which rows are alike
        (Newey-West). Without `data`: a dict of arrays, and arrays.
    confidence, seed, batch_rows, progress
        Level of intervals and verdicts; of what is resampled; rows read at a time (never changes a digit); a callable
        told (file, rows done, rows in all or None).

    A row infinite for one model decides against it and is listed; infinite for both, it is counted and left out.
    Raises `BadInput` (a ValueError) where rows cannot be scored, or are not the same rows.

    Source: paired differences as in Vuong (Econometrica 57, 1989) and Diebold & Mariano (J. Bus. Econ. Stat. 13, 1995).

    >>> import xent
    >>> y = [1, 0, 1, 1, 0, 0]
    >>> found = xent.compare(targets=y, models={"a": [.6, .4, .7, .5, .5, .3], "b": [.7, .2, .8, .6, .4, .1]})
    >>> found.models[0].name, round(found.pairs[0].difference, 4), found.pairs[0].better
    ('b', 0.1986, 1.0)
    """
    refuse_missing("scipy", purpose="comparing models")
    columns = {"cluster": cluster, "time": time, "by": by}
    if data is None:
        data, models, columns = _arrays(models, targets, probs, logits, sample_weight, id, columns)
        given: dict[str, Any] = {"targets": (TARGETS,), "probs": None, "logits": None}
        weight: str | None = WEIGHT if WEIGHT in data else "none"
    else:
        named = {"targets": targets, "probs": probs, "logits": logits}
        given = {name: None if value is None else column_names(name, value) for name, value in named.items()}
        weight = None if sample_weight is None else column_names("sample_weight", sample_weight)[0]
    asked = Asked(tolerance=tolerance, renormalize=renormalize, soft=soft, confidence=confidence, seed=seed, **columns)
    asked.check(batch_rows)
    if id is not None and not (isinstance(id, str) and id):
        raise BadInput(f"`id` must be the name of one column; got {id!r}.")
    request = Request(
        given["targets"], given["probs"], given["logits"], weight, class_labels(classes),
        None if positive is None else label(positive), kind, soft,
    )  # fmt: skip
    found, notes = entrants(data, models, request)
    plan = Plan(id, _listed(columns["by"]), columns["cluster"], columns["time"], confidence, seed)
    with Hashing(_files(found)) as hashing:
        try:
            held, outcome = _outcome(found, asked, plan, progress, batch_rows)
        except SoftTargets as met:
            softly = [replace(one, request=again(one.sources, one.request, met)) for one in found]
            held, outcome = _outcome(softly, asked, plan, progress, batch_rows)
        return result(held, outcome, plan, notes, hashing.result())


def _outcome(
    found: Sequence[Entrant], asked: Asked, plan: Plan, progress: Progress | None, batch_rows: int | None
) -> tuple[list[Judge], Outcome]:
    held = judges(found, asked.tolerance, asked.renormalize, asked.confidence)
    return held, run(held, plan, progress, batch_rows)


def _files(found: Sequence[Entrant]) -> list[str]:
    return list(dict.fromkeys(name for one in found for name in one.files))


def _listed(by: Any) -> tuple[str, ...]:
    return () if by is None else (by,) if isinstance(by, str) else tuple(by)


def _arrays(
    models: Any, targets: Any, probs: Any, logits: Any, weight: Any, key: Any, columns: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Arrays in memory as one table whose columns are the models: (table, models, further columns by name)."""
    if not isinstance(models, Mapping) or targets is None or probs is not None or logits is not None or key is not None:
        raise BadInput(
            "give `data` (files or a table), or arrays: `targets`, and `models` as a dict of names and arrays."
        )
    table: dict[str, Any] = {TARGETS: targets}
    if weight is not None and not (isinstance(weight, str) and weight == "none"):
        table[WEIGHT] = weight
    named: dict[str, Any] = {}
    for name, array in (("cluster", columns["cluster"]), ("time", columns["time"])):
        named[name] = None if array is None else name
        if array is not None:
            table[name] = array
    by = columns["by"]
    if by is not None and not isinstance(by, Mapping):
        raise BadInput("`by` must be a dict of names and arrays, as there is no `data`.")
    for name, array in (by or {}).items():
        _put(table, str(name), array, "by")
    named["by"] = [str(name) for name in by] if by else None
    forms: dict[str, Any] = {}
    for name, array in models.items():
        form = "probs"
        if isinstance(array, Mapping):
            if len(array) != 1 or next(iter(array)) not in ("probs", "logits"):
                raise BadInput(f"`models`, {name}: a dict must have one key, `probs` or `logits`; got {list(array)}.")
            form, array = next(iter(array.items()))
        column = f"{form} of {name}"
        _put(table, column, array, "models")
        forms[str(name)] = {form: [column]}
    return {name: np.asarray(v) if isinstance(v, (list, tuple)) else v for name, v in table.items()}, forms, named


def _put(table: dict[str, Any], name: str, array: Any, argument: str) -> None:
    if name in table:
        raise BadInput(f"`{argument}` names {name!r} twice, or as another array is called.")
    table[name] = array
