"""The reliability picture: the isotonic curve in its band, the claims beneath it, and what each of them costs."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from .axes import Scale, area, bare, endless, steps, tops
from .ink import BAND, COOL, INK, MUTED, WARM, canvas, inked, svg
from .numbers import Numbers, shown

DOTS = 30  # steps up to which each is marked


@inked
def picture(numbers: Numbers, path: str, key: str, *, stretched: bool) -> Markup:
    """Curve, histogram and nats of the decomposition at `path`; stretched: claims and rates by their logits."""
    part = numbers.raw(path)
    bins, blocks = part["bins"], part["blocks"]
    across = Scale.around(b["claimed"] for b in bins or blocks) if stretched else Scale()
    up = Scale.around([b["rate"] for b in blocks] + [b["claimed"] for b in bins]) if stretched else Scale()
    figure, (curve, rows, cost) = canvas(5.6, (5, 1, 1.2))
    _curve(curve, part, across, up)
    (xs, along), (ys, beside) = across.ticks(6), up.ticks()
    curve.set(xticks=xs, xticklabels=along, yticks=ys, yticklabels=beside)
    curve.set_title("came true, by claimed probability")
    curve.tick_params(labelbottom=True)
    _bars(rows, bins, "rows", across, COOL, "rows, by area")
    _bars(cost, bins, "nats", across, WARM, "nats that recalibration would save, by area")
    rows.tick_params(labelbottom=False)
    said = (
        f"Isotonic curve of {len(blocks)} steps. Miscalibration {numbers.plain(path + '.miscalibration')} nats,"
        f" to be expected {numbers.plain(path + '.expected')}, p {numbers.plain(path + '.p_value', 'p')}."
        " The table below it holds the numbers."
    )
    axis = "logits" if stretched else "probabilities"
    return svg(figure, key, f"Reliability on an axis of {axis}", said)


@inked
def small(numbers: Numbers, path: str, key: str) -> Markup:
    """One label among many: the curve alone."""
    part = numbers.raw(path)
    figure, (axes,) = canvas(2.2, wide=2.3)
    _curve(axes, part, Scale(), Scale())
    axes.set(xticks=[0, 1], yticks=[0, 1])
    axes.tick_params(length=0)
    said = f"Miscalibration {numbers.plain(path + '.miscalibration')} nats, p {numbers.plain(path + '.p_value', 'p')}."
    return svg(figure, key, f"Reliability of {shown(part['name'])}", said)


def _curve(axes: Any, part: dict[str, Any], across: Scale, up: Scale) -> None:
    axes.set(xlim=across.limits, ylim=up.limits)
    band = part["band"]
    if band:
        axes.fill_between([across(b["claimed"]) for b in band], [up(b["low"]) for b in band],
                          [up(b["high"]) for b in band], color=BAND, linewidth=0)  # fmt: skip
    low, high = max(across.low, up.low), min(across.high, up.high)
    axes.plot([low, high], [low, high], color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
    blocks = part["blocks"]
    xs = [across(p) for b in blocks for p in (b["low"], b["high"])]
    ys = [up(b["rate"]) for b in blocks for _ in range(2)]
    axes.plot(xs, ys, color=INK, clip_on=False)
    if len(blocks) <= DOTS:
        axes.plot([across(b["claimed"]) for b in blocks], [up(b["rate"]) for b in blocks], "o", color=INK,
                  markersize=3.5, clip_on=False)  # fmt: skip


def _bars(axes: Any, bins: list[dict[str, Any]], field: str, scale: Scale, colour: str, title: str) -> None:
    spans, heights = area(scale, [(b["low"], b["high"]) for b in bins], [float(b[field]) for b in bins])
    drawn, most = tops(heights)
    if bins:
        axes.stairs(*steps(spans, drawn), fill=True, color=colour)
    axes.set_ylim(0, most * (1.6 if most < max(drawn, default=0) else 1.05))
    bare(axes, title)
    axes.set_yticks([])
    endless(axes, [(a + b) / 2 for (a, b), v in zip(spans, heights, strict=True) if math.isinf(v)], most)
