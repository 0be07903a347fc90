"""What an analysis adds to the text: alerts, the waterfall, repairs, calibration, the tail, suspects, slices."""

from __future__ import annotations

import math

from ..analysis.alerts import UNLIKELY
from ..analysis.records import Analysis, Decomposition, Rung, Step
from ..scores import Score
from . import summary
from .words import bar, chance, count, cut, gathered, left, nats, paragraph, percent, row, shown, signed


def spreads(found: Analysis) -> list[str]:
    """The interval for rows that are alike within clusters or over time."""
    lines = []
    for s in found.spreads:
        if s.method == "iid" or s.standard_error is None:
            continue
        bounds = f"  [{nats(s.low)}, {nats(s.high)}]" if s.low is not None else ""
        by = f"by `{cut(s.column or '', 24)}`"
        if s.method == "time" and s.lags is not None:
            by += f", {s.lags} lags"
        wider = f": {math.sqrt(s.design_effect):.1f} times iid" if s.design_effect is not None else ""
        name = "clustered" if s.method == "cluster" else "over time"
        lines += gathered([f"± {nats(s.standard_error)}{bounds}", f"{by}{wider}"], row(name, ""), "  ")
    return lines


def alerts(found: Analysis) -> list[str]:
    """What to know first."""
    said = [line for alert in found.alerts for line in paragraph(alert, "! ", "  ")]
    return ["", *said] if said else []


def waterfall(s: Score, found: Analysis) -> list[str]:
    """From what the class shares alone would cost to the loss, step by step; then the parts that add up to it."""
    lines = [_step(step, *ends) for step, ends in zip(found.waterfall, _ends(found.waterfall), strict=True)]
    if lines:
        lines = ["", f"{'where the nats go':<56}{'nats':>10}{'±':>10}", *lines]
    return lines + summary.split(s, "of which" if lines else "where the nats go")


def _ends(steps: tuple[Step, ...]) -> list[tuple[float, float, float]]:
    """(start, end, right end of the scale) of every bar; an infinite level fills the bar."""
    levels = [step.after for step in steps if math.isfinite(step.after)]
    whole = max(levels, default=0.0) or 1.0
    ends, before = [], 0.0
    for step in steps:
        start = 0.0 if step.kind in ("start", "total") else before
        ends.append((start, step.after, whole))
        before = step.after
    return ends


def _step(step: Step, start: float, end: float, whole: float) -> str:
    error = "" if step.standard_error is None else nats(step.standard_error)
    number = nats(step.nats) if step.kind in ("start", "total") else signed(step.nats)
    return f"  {left(step.name, 30)}{bar(min(start, whole), min(end, whole), whole)}{number:>10}{error:>10}"


def repair(s: Score, found: Analysis) -> list[str]:
    """The repair worth taking, with its gain and the command; and what the others would gain."""
    ladder = found.ladder
    if ladder is None or not ladder.rungs:
        return []
    best = next((r for r in ladder.rungs if r.method == ladder.best), None)
    others = [r for r in ladder.rungs if r is not best and r.gain is not None]
    lines = []
    if best is None:
        lines += paragraph("nothing: no repair's gain is sure to be above 0", row("repairable", ""), row("", ""))
    else:
        share = (
            f" ({percent(best.gain / s.log_loss)})" if best.gain and s.log_loss and math.isfinite(s.log_loss) else ""
        )
        said = f"{named(best)}   {gain(best)}{share}, {ladder.folds}-fold"
        lines += paragraph(said, row("repairable", ""), row("", ""))
        if ladder.command:
            lines.append(row("", f"-> {shown(ladder.command)}"))
    if others:
        said = ("others  " if best else "tried  ") + " · ".join(f"{r.method} {gain(r)}" for r in others)
        lines += paragraph(said, row("", ""), row("", ""))
    return lines


def named(rung: Rung) -> str:
    """`temperature T = 2.40`."""
    return f"{rung.method} {rung.said}".strip()


def gain(rung: Rung) -> str:
    """The change of the loss, with its error."""
    if rung.gain is not None and math.isinf(rung.gain):
        return "makes the loss finite" if rung.gain > 0 else "makes the loss infinite"
    error = "" if rung.standard_error is None else f" ± {nats(rung.standard_error)}"
    return f"{signed(None if rung.gain is None else -rung.gain)}{error}"


def calibration(s: Score, found: Analysis) -> list[str]:
    """Miscalibration against what a perfect forecaster would show."""
    parts = found.decompositions
    if not parts:
        return []
    if len(parts) == 1:
        return _miscalibration(parts[0])
    judged = [d for d in parts if d.p_value is not None]
    sure = sorted((d for d in judged if (d.p_value or 0.0) <= UNLIKELY), key=lambda d: -d.miscalibration)
    said = f"{len(sure)} of {len(judged)} labels are miscalibrated (p up to {UNLIKELY:g})"
    named = ", ".join(f"{cut(d.name, 16)} {nats(d.miscalibration)} for {nats(d.expected)}" for d in sure[:3])
    return paragraph(said + (f": {named}" if named else ""), row("calibration", ""), row("", ""))


def _miscalibration(d: Decomposition) -> list[str]:
    what = f" of the {d.name} claim" if d.name else ""
    said = (
        f"infinite ({count(d.infinite_rows)} row{'' if d.infinite_rows == 1 else 's'})"
        if math.isinf(d.miscalibration)
        else nats(d.miscalibration)
    )
    first = f"miscalibration{what} {said}"
    if d.expected is not None and d.expected_high is not None:
        first += f"; a perfect forecaster shows {nats(d.expected)}, at most {nats(d.expected_high)}"
    if d.p_value is not None:
        first += f" ({chance(d.p_value)})"
    rest = f"discrimination {nats(d.discrimination)} of {nats(d.uncertainty)}"
    if not d.exact:
        rest += f" (binned: up to {d.bound:.1g} more)"
    return [*paragraph(first, row("calibration", ""), row("", "")), row("", rest)]


def unit(s: Score, n: int = 2) -> str:
    """What is counted where every label of a multi-label row is one of its own."""
    return ("cell" if s.kind == "multilabel" else "row") + ("" if n == 1 else "s")


def top(s: Score, share: float) -> str:
    """What the dearest hundredth carries: of the rows, or of their weight."""
    whose = "the weight carries" if of_weight(s) else f"{unit(s)} carry"
    return f"1 % of {whose} {100 * share:.0f} % of the loss"


def of_weight(s: Score) -> str:
    """What shares of rows are of, where it is not their number."""
    return " of the weight" if abs(s.effective_rows - s.rows) > 0.5 else ""


def tail(s: Score, found: Analysis) -> list[str]:
    """How few rows carry how much."""
    t, said = found.tail, []
    if t.top_percent is not None:
        said.append(top(s, t.top_percent))
    if t.half_rows is not None and t.half_share is not None:
        said.append(
            f"half of it lies in {count(t.half_rows)} {unit(s, t.half_rows)} ({percent(t.half_share)}{of_weight(s)})"
        )
    if said and s.dearest and math.isfinite(s.dearest[0].loss):
        said.append(f"worst row {s.dearest[0].loss:.1f} nats (row {count(s.dearest[0].row)})")
    return paragraph(" · ".join(said), row("tail", ""), row("", "")) if said else []


def suspects(s: Score, found: Analysis) -> list[str]:
    """Dearest rows against how many a calibrated model would have."""
    if found.suspects is None or found.suspects.at is None:
        return []
    at = next((t for t in found.suspects.thresholds if t.prob == found.suspects.at), None)
    if at is None or at.p_value < UNLIKELY:  # an alert has said it
        return []
    said = f"{count(at.rows)} {unit(s, at.rows)} gave their label less than {at.prob:g}"
    said += f"; a calibrated model would have {at.expected:.3g} ({chance(at.p_value)})"
    return paragraph(said, row("suspects", ""), row("", ""))


def mix_ups(s: Score, found: Analysis) -> list[str]:
    """The dearest pairs of a true class and the one favoured instead."""
    if found.confusion is None or s.classes < 3:
        return []
    names, table = found.confusion.classes, found.confusion.nats
    kept = range(len(names) - (len(names) < s.classes))  # without those pooled as "others"
    cells = [(table[i][j], i, j) for i in kept for j in kept if i != j and table[i][j] > 0]
    whole = math.fsum(x for line in table for x in line)
    said = [
        f"{cut(names[i], 14)} taken for {cut(names[j], 14)} {percent(x / whole)}"
        for x, i, j in sorted(cells, key=lambda c: (-c[0], c[1], c[2]))[:3]
    ]
    return paragraph(" · ".join(said) + " of all nats", row("mix-ups", ""), row("", "")) if said else []


def slices(found: Analysis) -> list[str]:
    """How many slices were found; where there are none, a note says so."""
    s = found.slices
    holding = sum(bool(x.confirmed) for x in s.found)
    if not holding:
        return []
    columns = f"{len(s.columns)} column" + ("" if len(s.columns) == 1 else "s")
    said = f"{holding} of {count(s.tried)} tried in {columns} stand out, also on the rows that did not choose them"
    return paragraph(said, row("slices", ""), row("", ""))
