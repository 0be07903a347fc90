"""Where things stand on a picture's axes: probabilities stretched at both ends, steps with gaps, bars without end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .ink import MUTED

_TICKS = (1e-6, 1e-5, 1e-4, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999)


def logit(p: float) -> float:
    return -math.inf if p <= 0 else math.inf if p >= 1 else math.log(p) - math.log1p(-p)


@dataclass(frozen=True)
class Scale:
    """A probability axis: as it is, or by logit between -edge and edge, where everything beyond is drawn."""

    edge: float | None

    @classmethod
    def of(cls, probs: Iterable[float], *, stretched: bool) -> Scale:
        """The scale that shows all of `probs`; 0 and 1, which have no logit, and the far tails stand on the rim."""
        if not stretched:
            return cls(None)
        finite = [abs(z) for z in map(logit, probs) if math.isfinite(z)]
        return cls(min(max([*finite, 3.0]) * 1.05, 14.0))

    def __call__(self, p: float) -> float:
        return p if self.edge is None else min(max(logit(p), -self.edge), self.edge)

    @property
    def limits(self) -> tuple[float, float]:
        return (0.0, 1.0) if self.edge is None else (-self.edge, self.edge)

    def ticks(self, low: float | None = None) -> tuple[list[float], list[str]]:
        """Places and their probabilities in words; at most seven; low: where the axis begins, if not at its end."""
        if self.edge is None:
            return [0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"]
        low = -self.edge if low is None else low
        fit = [p for p in _TICKS if low <= logit(p) <= self.edge]
        while len(fit) > 7:
            fit = [p for p in fit if p == 0.5 or round(abs(math.log10(min(p, 1 - p)))) % 2 == 0][:7]
        return [logit(p) for p in fit], [f"{p:.6f}".rstrip("0").removeprefix("0") for p in fit]


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
        axes.text(place, height, "∞", ha="center", va="bottom", color=MUTED)
