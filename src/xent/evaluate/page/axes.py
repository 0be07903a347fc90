"""Where things stand on a picture's axes: probabilities stretched at both ends, steps with gaps, bars without end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .ink import MUTED

_NINES = (0.1, 0.01, 0.001, 1e-4, 1e-5, 1e-6)
FARTHEST = 14.0  # logits beyond it, 1e-6, stand on the rim
ROOM = 1.0  # logits shown beyond the outermost claims
NARROW = 50  # a bar is at least a 50th of the axis wide


def logit(p: float) -> float:
    return -math.inf if p <= 0 else math.inf if p >= 1 else math.log(p) - math.log1p(-p)


@dataclass(frozen=True)
class Scale:
    """A probability axis from `low` to `high`: as it is, or by logits, where everything beyond stands on the rim."""

    low: float = 0.0
    high: float = 1.0
    stretched: bool = False

    @classmethod
    def around(cls, probs: Iterable[float], room: float = ROOM) -> Scale:
        """The stretched scale that shows `probs`, as far as they have a logit that is not too far out."""
        finite = [min(max(z, -FARTHEST), FARTHEST) for z in map(logit, probs) if math.isfinite(z)] or [0.0]
        low, high = min(finite) - room, max(finite) + room
        middle = max(4.0 - (high - low), 0.0) / 2
        return cls(low - middle, high + middle, True)

    def __call__(self, p: float) -> float:
        return min(max(logit(p) if self.stretched else p, self.low), self.high)

    @property
    def limits(self) -> tuple[float, float]:
        """With a margin, so that lines on the rim are seen."""
        margin = 0.02 * (self.high - self.low)
        return self.low - margin, self.high + margin

    def ticks(self, most: int = 7) -> tuple[list[float], list[str]]:
        """Places and their probabilities in words, at most so many."""
        if not self.stretched:
            return [0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"]
        marks = [
            (logit(p), f"{p:g}".removeprefix("0") if p > 1e-5 else f"{p:.0e}".replace("e-0", "e−")) for p in _NINES
        ]
        marks += [(-z, f".{'9' * (i + 1)}" if i < 4 else f"1−{said}") for i, (z, said) in enumerate(marks)]
        fit = sorted(m for m in [*marks, (0.0, ".5")] if self.low <= m[0] <= self.high)
        wide = any(said.startswith("1−") for _, said in fit)
        while len(fit) > most - 2 * wide:
            fit = fit[len(fit) // 2 % 2 :: 2]
        return [z for z, _ in fit], [said for _, said in fit]


def area(
    scale: Scale, spans: Sequence[tuple[float, float]], values: Sequence[float]
) -> tuple[list[tuple[float, float]], list[float]]:
    """Spans on the scale and densities over them, neighbours pooled until each is wide enough to be seen."""
    least = (scale.high - scale.low) / NARROW
    found: list[tuple[float, float]] = []
    sums: list[float] = []
    for (low, high), value in zip(spans, values, strict=True):
        start, stop = scale(low), scale(high)
        if found and found[-1][1] - found[-1][0] < least and start - found[-1][1] < least:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
            sums[-1] += value
        else:
            found.append((start, stop))
            sums.append(value)
    for i in range(len(found) - 1, 0, -1):
        if found[i][1] - found[i][0] < least and found[i][0] - found[i - 1][1] < least:
            found[i - 1] = (found[i - 1][0], found.pop(i)[1])
            sums[i - 1] += sums.pop(i)
    found = [_widened(span, least, scale) for span in found]
    return found, [value / (high - low) for (low, high), value in zip(found, sums, strict=True)]


def _widened(span: tuple[float, float], least: float, scale: Scale) -> tuple[float, float]:
    low, high = span
    if high - low >= least:
        return span
    middle = min(max((low + high) / 2, scale.low + least / 2), scale.high - least / 2)
    return middle - least / 2, middle + least / 2


def steps(spans: Sequence[tuple[float, float]], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Values and edges for `Axes.stairs`, with a step of height 0 where spans leave a gap."""
    heights: list[float] = []
    edges: list[float] = []
    for (low, high), value in zip(spans, values, strict=True):
        if not edges:
            edges.append(low)
        elif low > edges[-1]:
            heights.append(0.0)
            edges.append(low)
        heights.append(value)
        edges.append(max(high, edges[-1]))
    return heights, edges


def tops(values: Sequence[float]) -> tuple[list[float], float]:
    """Finite heights: what is infinite goes a fifth above all else."""
    finite = [v for v in values if math.isfinite(v)]
    most = max([*finite, 0.0]) or 1.0
    return [v if math.isfinite(v) else most * 1.2 for v in values], most


def bare(axes: Any, title: str, *, ticks: int = 2, zero: bool = True) -> None:
    """An axis for bars: its title above it at the left, few ticks, nothing else."""
    axes.set_title(title)
    if axes.get_yscale() == "linear":
        axes.locator_params(axis="y", nbins=ticks)
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)
    if zero:
        axes.set_ylim(bottom=0)


def endless(axes: Any, places: Sequence[float], height: float) -> None:
    """An ∞ above each bar that has no end."""
    for place in places:
        axes.text(place, 1.2 * height, "∞", ha="center", va="bottom", color=MUTED)
