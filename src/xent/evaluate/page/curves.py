"""Pictures of the loss: suffered against claimed, its distribution, how few rows carry it, models in a plane."""

from __future__ import annotations

import itertools
import math
from typing import Any

from markupsafe import Markup

from .axes import Scale, bare, steps, tops
from .ink import BAND, COOL, INK, MUTED, RULE, WARM, canvas, inked, svg
from .numbers import Numbers, shown


@inked
def claims(numbers: Numbers, path: str, key: str) -> Markup:
    """Loss suffered and loss claimed (entropy) by the confidence of the favourite."""
    bins = numbers.raw(path)
    scale = Scale.around((b["confidence"] for b in bins), 0.3)
    xs = [scale(b["confidence"]) for b in bins]
    suffered, most = tops([float(b["log_loss"]) for b in bins])
    claimed = [float(b["entropy"]) for b in bins]
    figure, (axes,) = canvas(3.6)
    over = [s >= c for s, c in zip(suffered, claimed, strict=True)]
    for where, colour in ((over, WARM), ([not o for o in over], COOL)):
        axes.fill_between(xs, claimed, suffered, where=where, interpolate=True, color=colour, alpha=0.3, linewidth=0)
    axes.plot(xs, claimed, color=MUTED, linestyle=(0, (4, 2)), marker="o", markersize=3)
    axes.plot(xs, suffered, color=INK, marker="o", markersize=3.5)
    lost = [(x, y) for x, y, b in zip(xs, suffered, bins, strict=True) if math.isinf(float(b["log_loss"]))]
    axes.plot(*zip(*lost, strict=True), "^", color=WARM, markersize=8) if lost else None
    inner = range(1, len(bins) - 1) if len(bins) > 2 else range(len(bins))
    at = max(inner, key=lambda i: abs(suffered[i] - claimed[i]))
    for said, ys, other in (("suffered", suffered, claimed), ("claimed", claimed, suffered)):
        up = ys[at] >= other[at] or ys[at] < 0.15 * most
        near = ys[max(at - 1, 0) : at + 2]
        place = (xs[at], max(near) if up else min(near))
        axes.annotate(said, place, (0, 7 if up else -7), textcoords="offset points", color=INK,
                      va="bottom" if up else "top", ha="left" if at < len(bins) / 2 else "right")  # fmt: skip
    places, words = scale.ticks()
    top = max(most, *claimed) * (1.35 if lost else 1.15)
    axes.set(xticks=places, xticklabels=words, xlabel="confidence of the favourite", xlim=scale.limits, ylim=(0, top))
    bare(axes, "nats a row", ticks=4)
    return svg(figure, key, "Loss suffered against loss claimed, by confidence",
               "Two lines over the confidence of the favourite; where the suffered loss lies above the claimed one the"
               " model is over-confident. The table below it holds the numbers.")  # fmt: skip


@inked
def distribution(numbers: Numbers, path: str, key: str) -> Markup:
    """How many rows cost how much, against a calibrated model's; and the nats they add up to."""
    bins = numbers.raw(path)
    last = max((i for i, b in enumerate(bins) if b["rows"]), default=0)
    bins = bins[: last + 1]
    usual = sorted(float(b["high"]) - float(b["low"]) for b in bins)[len(bins) // 2]
    spans = [(float(b["low"]), min(float(b["high"]), float(b["low"]) + 2 * usual)) for b in bins]  # the last are wide
    figure, (rows, cost) = canvas(4.2, (1.5, 1))
    heights, edges = steps(spans, [b["rows"] for b in bins])
    rows.stairs(heights, edges, fill=True, color=COOL, baseline=0.5)
    expected, edges = steps(spans, [float(b["expected"]) for b in bins])
    rows.stairs([max(e, 1e-9) for e in expected], edges, color=INK, linewidth=1.4, baseline=None)
    most = max([*heights, *expected, 1.0])
    rows.set(yscale="log", ylim=(0.5, most * 2), yticks=[10.0**k for k in _powers(most)])
    rows.set_yticks([], minor=True)
    rows.set_yticklabels([f"{10**k:,d}".replace(",", "\u202f") for k in _powers(most)])
    bare(rows, "rows (a line: what a calibrated model would have)" if any(expected) else "rows", zero=False)
    heights, edges = steps(spans, tops([float(b["nats"]) for b in bins])[0])
    cost.stairs(heights, edges, fill=True, color=WARM)
    bare(cost, "nats they add up to")
    cost.set_xlabel("loss of a row, in bits (−log₂ p)")
    return svg(figure, key, "Distribution of the loss",
               "Rows by what they cost in bits, against the number to be expected of a calibrated model; beneath it the"
               " nats they add up to. The table below it holds the numbers.")  # fmt: skip


def _powers(most: float) -> range:
    """Exponents of ten up to the largest count, at most four."""
    top = int(math.log10(most))
    return range(0, top + 1, 1 + top // 4)


@inked
def lorenz(numbers: Numbers, path: str, key: str) -> Markup:
    """The share of all nats that the dearest rows carry."""
    tail = numbers.raw(path)
    xs, ys = [p[0] for p in tail["lorenz"]], [p[1] for p in tail["lorenz"]]
    figure, (axes,) = canvas(3.6)
    axes.fill_between(xs, xs, ys, color=BAND, linewidth=0)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
    axes.plot(xs, ys, color=INK, clip_on=False)
    half = tail["half_share"]
    if half is not None:
        axes.plot([half], [0.5], "o", color=WARM, markersize=6)
        axes.text(min(half + 0.03, 0.98), 0.47, numbers.plain(path + ".half_share", "percent"), va="top",
                  gid=f"json:{path}.half_share")  # fmt: skip
        axes.text(min(half + 0.03, 0.98), 0.39, "of the rows carry half", va="top", color=MUTED)
    places, words = [0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"]
    axes.set(xlim=(0, 1), ylim=(0, 1.01), xticks=places, xticklabels=words, yticks=places, yticklabels=words,
             xlabel="share of the rows, dearest first")  # fmt: skip
    axes.set_title("share of the nats")
    few, top = (numbers.plain(f"{path}.{field}", "percent") for field in ("half_share", "top_percent"))
    said = f"Lorenz curve, dearest rows first: {few} of the rows carry half of all nats, the dearest 1 % carry {top}."
    return svg(figure, key, "How few rows carry the loss", said)


@inked
def plane(models: list[dict[str, Any]], key: str) -> Markup:
    """Models by miscalibration and discrimination, with lines of equal loss; the infinite ones on the right edge."""
    xs, most = tops([float(m["miscalibration"]) for m in models])
    ys = [float(m["discrimination"]) for m in models]
    low, high = min(ys), max(ys)
    pad = max(0.15 * (high - low), 0.02 * max(high, most), 1e-6)
    bottom, top, right = max(0.0, low - pad), high + pad, most * 1.3
    figure, (axes,) = canvas(3.9)
    axes.set(xlim=(0, right), ylim=(bottom, top), xlabel="miscalibration, nats (less is better)")
    axes.set_title("discrimination, nats (more is better); slanted: equal loss", pad=20)
    _equal(axes, float(models[0]["uncertainty"]))
    names = {}
    places = _apart(ys, (top - bottom) * 0.075)
    for i, (x, y, model) in enumerate(zip(xs, ys, models, strict=True)):
        lost = math.isinf(float(model["miscalibration"]))
        x = right if lost else x
        axes.plot([x], [y], ">" if lost else "o", color=WARM if lost else COOL, markersize=7, clip_on=False, zorder=3)
        names[f"@{i}@"] = shown(model["name"])[:28] + (" ∞" if lost else "")
        left = x > 0.55 * right
        axes.annotate(f"@{i}@", (x, places[i]), (-8 if left else 8, 0), textcoords="offset points", va="center",
                      ha="right" if left else "left")  # fmt: skip
    axes.locator_params(nbins=5)
    said = (
        "Each model is a point; on a slanted line the loss is the same, up and to the left it is less. Models of"
        " infinite miscalibration stand on the right edge. The table of the models holds the numbers."
    )
    return svg(figure, key, "Models by miscalibration and discrimination", said, names)


def _equal(axes: Any, uncertainty: float) -> None:
    """Lines of equal loss, each with its loss where it leaves the box: discrimination = uncertainty - loss + mcb."""
    from matplotlib.ticker import MaxNLocator

    (_, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for loss in MaxNLocator(7).tick_values(uncertainty - top, uncertainty - bottom + right):
        axes.axline((0, uncertainty - loss), slope=1, color=RULE, linewidth=0.8)
        x = top - uncertainty + loss
        if 0.05 * right < x < 0.97 * right:
            axes.text(x, top, f"{loss:.4g}", ha="center", va="bottom", color=MUTED)


def _apart(ys: list[float], least: float) -> list[float]:
    """Places of labels, in the order of the points, none nearer than `least` to the next."""
    places = list(ys)
    order = sorted(range(len(ys)), key=lambda i: ys[i])
    for below, above in itertools.pairwise(order):
        places[above] = max(places[above], places[below] + least)
    return places


__all__ = ["claims", "distribution", "lorenz", "plane"]
