"""The reliability picture: the isotonic curve in its band, the claims beneath it, and what each of them costs."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from .axes import Scale, bare, endless, steps, tops
from .ink import BAND, COOL, INK, MUTED, WARM, canvas, inked, svg
from .numbers import Numbers

DOTS = 30  # steps up to which each is marked


@inked
def picture(numbers: Numbers, path: str, key: str, *, stretched: bool) -> Markup:
    """Curve, histogram and nats of the decomposition at `path`; stretched: claims and rates by their logits."""
    part = numbers.raw(path)
    scale = _scale(part, stretched)
    figure, (curve, rows, cost) = canvas(5.6, (5, 1, 1.2))
    _curve(curve, part, scale)
    places, words = scale.ticks()
    curve.set(xticks=places, xticklabels=words, yticks=places, yticklabels=words)
    curve.set_title("came true, by claimed probability")
    curve.tick_params(labelbottom=True)
    _bars(rows, part["bins"], "rows", scale, COOL, "rows")
    _bars(cost, part["bins"], "nats", scale, WARM, "nats that recalibration would save")
    rows.tick_params(labelbottom=False)
    said = (
        f"Isotonic curve of {len(part['blocks'])} steps. Miscalibration {numbers.plain(path + '.miscalibration')} nats,"
        f" to be expected {numbers.plain(path + '.expected')}, p {numbers.plain(path + '.p_value', 'p')}."
        " The table below it holds the numbers."
    )
    axis = "logits" if stretched else "probabilities"
    return svg(figure, key, f"Reliability on an axis of {axis}", said)


@inked
def small(numbers: Numbers, path: str, key: str) -> Markup:
    """One label among many: the curve alone."""
    part = numbers.raw(path)
    scale = _scale(part, False)
    figure, (axes,) = canvas(2.2, wide=2.3)
    _curve(axes, part, scale)
    axes.set(xticks=[0, 1], yticks=[0, 1])
    axes.tick_params(length=0)
    said = f"Miscalibration {numbers.plain(path + '.miscalibration')} nats, p {numbers.plain(path + '.p_value', 'p')}."
    return svg(figure, key, f"Reliability of {part['name'][:80]}", said)


def _scale(part: dict[str, Any], stretched: bool) -> Scale:
    return Scale.of((p for b in part["blocks"] for p in (b["low"], b["high"], b["rate"])), stretched=stretched)


def _curve(axes: Any, part: dict[str, Any], scale: Scale) -> None:
    low, high = scale.limits
    margin = 0.02 * (high - low)
    axes.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin))
    band = part["band"]
    if band:
        axes.fill_between([scale(b["claimed"]) for b in band], [scale(b["low"]) for b in band],
                          [scale(b["high"]) for b in band], color=BAND, linewidth=0)  # fmt: skip
    axes.plot([low, high], [low, high], color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
    blocks = part["blocks"]
    xs = [scale(p) for b in blocks for p in (b["low"], b["high"])]
    ys = [scale(b["rate"]) for b in blocks for _ in range(2)]
    axes.plot(xs, ys, color=INK, clip_on=False)
    if len(blocks) <= DOTS:
        axes.plot([scale(b["claimed"]) for b in blocks], [scale(b["rate"]) for b in blocks], "o", color=INK,
                  markersize=3.5, clip_on=False)  # fmt: skip


def _bars(axes: Any, bins: list[dict[str, Any]], field: str, scale: Scale, colour: str, title: str) -> None:
    """Bars as wide as their bins; on stretched axes, where wide bins would look like many rows, sticks at the claims."""
    values = [float(b[field]) for b in bins]
    heights, most = tops(values)
    if scale.edge is not None:
        axes.vlines([scale(b["claimed"]) for b in bins], 0, heights, color=colour, linewidth=5)
    elif bins:
        axes.stairs(*steps([(b["low"], b["high"]) for b in bins], heights), fill=True, color=colour)
    axes.set_ylim(0, most * (1.3 if most < max(heights, default=0) else 1.05))
    bare(axes, title)
    endless(axes, [scale(b["claimed"]) for b, v in zip(bins, values, strict=True) if math.isinf(v)], most)
