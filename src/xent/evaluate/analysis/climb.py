"""From fitted repairs to rungs: what each saves, with its error, and which one to stop at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from .cells import Maps, Pooled, crossed, fit, losses, words
from .drops import Drop, bounds, drop, pays
from .records import Rung

Array = Any
Beyond = Callable[[str, str], bool]  # whether the second repair saves more than the first, beyond doubt
Inflation = Callable[[str | None, str], float]  # of the error of what the second saves beyond the first (or nothing)

MOST_LABELS = 200  # fitted label by label: about 25 ms each


@dataclass
class Climb:
    """Sums of what repairs save over one or more yes/no problems, and of what each saves beyond each before it."""

    methods: tuple[str, ...]
    held: dict[str, Drop] = field(default_factory=dict)
    inside: dict[str, Drop] = field(default_factory=dict)
    beyond: dict[tuple[str, str], Drop] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    trouble: dict[str, str | None] = field(default_factory=dict)
    maps: dict[str, list[Maps]] = field(default_factory=dict)  # of each problem
    rows: int = 0  # of a problem
    cells: int = 0  # of all problems

    def add(self, scores: Any, found: Mapping[str, Maps], before: Array) -> None:
        """Judge the maps of one problem on its cells, which cost `before` [2, m] as they stand; a repair that could not
        be fitted leaves it as it is."""
        after = {method: _after(maps, scores, before) for method, maps in found.items()}
        cells = scores.n, scores.w, scores.w2
        whole = tuple(x.sum(0) for x in cells)
        self.rows = int(scores.n.sum())
        self.cells += self.rows
        for method, maps in found.items():
            self._put(self.held, method, drop(np.broadcast_to(before, after[method].shape), after[method], *cells))
            new = before if maps.found is None else losses(maps.found.calibrated(scores.z))
            self._put(self.inside, method, drop(before, new, *whole))
            self.maps.setdefault(method, []).append(maps)
        for low, high in combinations(found, 2):
            self._put(self.beyond, (low, high), drop(after[low], after[high], *cells))

    @staticmethod
    def _put(table: dict[Any, Drop], key: Any, found: Drop) -> None:
        table[key] = table.get(key, Drop()) + found


def _after(maps: Maps, scores: Any, before: Array) -> Array:
    """The loss [folds, 2, m] of each fold's cells after the map of the others."""
    if maps.found is None:
        return np.broadcast_to(before, scores.w.shape)
    return np.stack([before if m is None else losses(m.calibrated(scores.z)) for m in maps.without])


def clipped(scores: Any, floor: float) -> Any:
    """Scores that believe no probability below `floor`."""
    return replace(scores, z=clipped_logits(scores.z, floor)) if floor else scores


def clipped_logits(z: Array, floor: float) -> Array:
    """Logits of probabilities of at least `floor`, where there is one."""
    if not floor:
        return z
    edge = math.log1p(-floor) - math.log(floor)
    return np.clip(z, -edge, edge)


def repairs(scores: Any, methods: Sequence[str]) -> dict[str, Maps]:
    """Repairs of one yes/no problem, fitted across its folds."""
    w, z = scores.w, scores.z
    folds = [bool(part.any()) for part in w]
    pooled = Pooled.alone(z, w)

    def fitted(method: str, some: list[int]) -> Any:
        rows = (z, w[some].sum(0)) if method == "isotonic" else pooled.of(some)
        return fit(method, *rows)

    return {method: crossed(folds, partial(fitted, method)) for method in methods}


def climb_one(scores: Any, methods: Sequence[str], floor: float = 0.0) -> Climb:
    """The climb of a single yes/no problem; floor: the least probability that repairs believe."""
    climb = Climb(tuple(methods))
    believed = clipped(scores, floor)
    found = repairs(believed, methods)
    climb.add(believed, found, losses(scores.z))
    for method, maps in found.items():
        climb.said[method] = "" if maps.found is None else words(maps.found)
        climb.trouble[method] = maps.fault or maps.warned
    return climb


def climb_labels(blocks: Any, methods: Sequence[str], floor: float = 0.0, patient: bool = False) -> Climb:
    """The climb of many labels: one temperature for all, the other repairs label by label."""
    climb = Climb(tuple(methods))
    single = [m for m in methods if m != "temperature"]
    shared = shared_temperature(blocks, floor) if "temperature" in methods else None
    if blocks.problems > MOST_LABELS and not patient:
        for method in single:
            climb.trouble[method] = f"fitted label by label up to {MOST_LABELS} labels; here are {blocks.problems}"
        single = []
    faults: dict[str, list[str]] = {m: [] for m in single}
    for i in range(blocks.problems):
        scores = blocks.scores(i)
        believed = clipped(scores, floor)
        found = ({"temperature": shared} if shared else {}) | repairs(believed, single)
        climb.add(believed, found, losses(scores.z))
        for method in single:
            if found[method].fault:
                faults[method].append(str(found[method].fault))
    for method in single:
        if len(faults[method]) == blocks.problems:
            climb.trouble[method] = faults[method][0]
        elif faults[method]:
            some = f"{len(faults[method])} of {blocks.problems} labels"
            climb.trouble[method] = f"{some} stay as they are: {faults[method][0]}"
        climb.said[method] = f"for each of {blocks.problems} labels"
    if shared:
        climb.said["temperature"] = "" if shared.found is None else words(shared.found) + " for all labels"
        climb.trouble["temperature"] = shared.fault or shared.warned
    return climb


def shared_temperature(blocks: Any, floor: float = 0.0) -> Maps:
    """One temperature for all labels."""
    pooled = None
    for i in range(blocks.problems):
        scores = clipped(blocks.scores(i), floor)
        pooled = pooled or Pooled.empty(len(scores.w))
        pooled.add(scores.z, scores.w)
    if pooled is None:
        return Maps(None, (), "there are no labels")
    cells = pooled
    return crossed([bool(part.any()) for part in cells.w], lambda some: fit("temperature", *cells.of(some)))


def rungs(
    climb: Climb, confidence: float, inflation: Inflation, freedom: Callable[[int], int]
) -> tuple[tuple[Rung, ...], Beyond]:
    """The rungs of a climb, and the question that decides between two of them."""

    def interval(found: Drop, low: str | None, high: str) -> tuple[float | None, ...]:
        error = found.error(inflation(low, high))
        return (found.gain, error, *bounds(found.gain, error, confidence, freedom(found.rows)))

    def rung(method: str) -> Rung:
        trouble = climb.trouble.get(method)
        if all(maps.found is None for maps in climb.maps.get(method, [])):
            return Rung(method, "", None, None, None, None, None, False, 0, trouble)
        held = climb.held[method]
        gain, error, low, high = interval(held, None, method)
        left = climb.cells - held.rows - held.mended
        if left and not trouble:
            trouble = f"{left} row{' stays' if left == 1 else 's stay'} infinite: no such map mends p = 0"
        inside, pay = climb.inside[method].gain, pays(gain, low)
        return Rung(method, climb.said[method], gain, error, low, high, inside, pay, climb.rows, trouble)

    def beyond(low: str, high: str) -> bool:
        gain, _, least, _ = interval(climb.beyond[low, high], low, high)
        return pays(gain, least)

    return tuple(rung(method) for method in climb.methods), beyond


def choose(found: Sequence[Rung], beyond: Beyond) -> str | None:
    """The first rung that pays, and from there each richer one that saves more beyond the error of the difference."""
    best: str | None = None
    for rung in found:
        if rung.pays and (best is None or beyond(best, rung.method)):
            best = rung.method
    return best
