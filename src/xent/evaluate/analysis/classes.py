"""The rungs of a problem of many classes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from .cells import words
from .climb import Beyond
from .drops import bounds, pays
from .records import Rung
from .sampled import Sample, Saved, by_rows, sample_of, temperature_by_sums


def climb_classes(
    state: Any, methods: Sequence[str], confidence: float, floor: float = 0.0, patient: bool = False
) -> tuple[tuple[Rung, ...], Beyond]:
    """The rungs, and the question that decides between two of them. floor: the least probability that repairs believe;
    patient: whether matrix scaling may take its time."""
    sample = sample_of(state, floor=floor)
    base = temperature_by_sums(state, sample) if len(sample.t) and not floor else None
    found: dict[str, Saved | str] = {
        method: base if method == "temperature" and base is not None else by_rows(method, sample, base, patient)
        for method in methods
    }
    infinite = 0 if floor else state.tally.count("infinite", slice(None))
    pairs = {(a, b): _beyond(sample, found[a], found[b], confidence) for a, b in combinations(methods, 2)}
    return tuple(_rung(m, found[m], infinite, confidence) for m in methods), lambda low, high: pairs[low, high]


def _rung(method: str, saved: Saved | str, infinite: int, confidence: float) -> Rung:
    if isinstance(saved, str) or saved.maps.found is None:
        return Rung(method, "", None, None, None, None, None, False, 0, saved if isinstance(saved, str) else None)
    low, high = bounds(saved.gain, saved.error, confidence, saved.freedom)
    trouble = saved.maps.warned
    if infinite and not trouble:
        trouble = f"{infinite} row{' stays' if infinite == 1 else 's stay'} infinite: no such map mends p = 0"
    said, pay = words(saved.maps.found), pays(saved.gain, low)
    return Rung(method, said, saved.gain, saved.error, low, high, saved.inside, pay, saved.rows, trouble)


def _beyond(sample: Sample, low: Saved | str, high: Saved | str, confidence: float) -> bool:
    """Whether the second saves more than the first on the rows of the sample, beyond the error of the difference."""
    if isinstance(low, str) or isinstance(high, str):
        return False
    gain, error, freedom = sample.mean(low.after - high.after)
    return pays(gain, bounds(gain, error, confidence, freedom)[0])
