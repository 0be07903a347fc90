"""The maps of a repair: from cells of scores or from the sample, carried on over all rows where these are not all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from xent.calibrate import Map, NoFiniteOptimum
from xent.calibrate.affine import solved
from xent.calibrate.gain import METHODS
from xent.calibrate.inputs import Rows, read
from xent.calibrate.logistic import beta_features, platt_features, solve_slopes
from xent.calibrate.maps import BetaMap, PlattMap, TemperatureMap
from xent.calibrate.temperature import best_beta

from ..analysis.cells import fit
from ..analysis.climb import clipped, shared_temperature
from ..analysis.sampled import sample_of, temperature_by_sums
from ..state.rows import FOLDS
from .refine import refined_beta, refined_classes, refined_slopes
from .stream import Stream

Array = Any
FEATURES = {"platt": platt_features, "beta": beta_features}


def maps_of(method: str, state: Any, stream: Stream) -> list[Map | None]:
    """The map of every problem (one, or one a label: None where a label has no finite optimum), fitted to all rows.

    Within 1e-9 nats of the least loss; isotonic: of that of the cells that hold the scores.
    """
    many = state.problem.kind == "multiclass"
    frame = {
        "columns": state.problem.width if many else 1, "probs": state.problem.form == "probs", "floor": stream.floor
    }  # fmt: skip
    if many:
        return [_classes(method, state, stream, frame)]
    return _labels(method, state, stream, frame)


def _classes(method: str, state: Any, stream: Stream, frame: dict[str, Any]) -> Map:
    sample = sample_of(state, floor=stream.floor)
    rows = sample.read(range(FOLDS))
    whole = sample.part == 1.0
    base = temperature_by_sums(state, sample) if not stream.floor else None
    start = getattr(base.maps.found, "beta", None) if base else None
    if method == "temperature":
        beta = best_beta(rows, 0.0) if whole or start is None else start
        return TemperatureMap(beta=beta if whole else refined_beta(stream, beta), **frame)
    ridge = METHODS["matrix"]().get_params()["ridge"] if method == "matrix" else None
    found = solved(rows, 0.0, ridge, beta=start)
    if whole:
        return found.map(found.x, frame)
    x = refined_classes(stream, found)
    if x is None:
        found = solved(stream, 0.0, ridge, beta=start)  # type: ignore[arg-type]
        x = found.x
    return found.map(x, frame)


def _labels(method: str, state: Any, stream: Stream, frame: dict[str, Any]) -> list[Map | None]:
    scores = [clipped(state.blocks.scores(i), stream.floor) for i in range(state.blocks.problems)]
    exact = all(s.exact for s in scores)
    if method == "temperature":
        if exact and len(scores) == 1:
            beta = best_beta(_rows(scores[0]), 0.0)
        else:
            found = shared_temperature(state.blocks, stream.floor)
            if found.found is None:
                raise NoFiniteOptimum(str(found.fault))
            beta = refined_beta(stream, getattr(found.found, "beta"))  # noqa: B009 (a temperature's)
        return [TemperatureMap(beta=beta, **frame) for _ in scores]
    if method == "isotonic":
        return _each(scores, lambda s: replace(fit("isotonic", s.z, s.w.sum(0)), **frame))
    solutions = _each(scores, lambda s: solve_slopes(_rows(s), FEATURES[method], 0.0))
    best = [s and s[1] for s in solutions] if exact else refined_slopes(stream, solutions)
    made = PlattMap if method == "platt" else BetaMap
    names = ("slope", "intercept") if method == "platt" else ("a", "b", "c")
    return [
        None if s is None else made(**dict(zip(names, s[0].raw(x), strict=True)), **frame)
        for s, x in zip(solutions, best, strict=True)
    ]


def _each(scores: Sequence[Any], of: Callable[[Any], Any]) -> list[Any]:
    """One result a label; None where a label of many has no finite optimum."""
    found = []
    for s in scores:
        try:
            found.append(of(s))
        except NoFiniteOptimum:
            if len(scores) == 1:
                raise
            found.append(None)
    return found


def _rows(scores: Any) -> Rows:
    """The cells of a problem as the rows of a fit; infinite scores, which no slope moves, left out."""
    weight = scores.w.sum(0)
    total = weight.sum(0)
    some = (total > 0) & np.isfinite(scores.z)
    if not some.any():
        raise NoFiniteOptimum("no row with a finite score is left to fit")
    return read(
        scores.z[some], weight[1][some] / total[some], total[some], probs=False, floor=0.0, binary=True, impossible=None
    )
