"""A repair as text for a terminal: 80 columns, plain when piped, ASCII where the terminal can do no better."""

from __future__ import annotations

import math
import textwrap

from ..analysis.records import Rung
from ..report.words import WIDTH, count, nats, only_ascii, paragraph, row
from .record import Repaired


def text(found: Repaired, *, ascii_only: bool = False) -> str:
    """What each repair saves, which one was taken and what was written."""
    lines = [*_table(found), *_verdict(found), *_written(found), ""]
    for note in found.notes:
        lines += paragraph(note, "! ", "  ")
    out = "\n".join(line.rstrip() for line in lines)
    return only_ascii(out) if ascii_only else out


def _table(found: Repaired) -> list[str]:
    if not found.rungs:
        return []
    level = f"{100 * found.confidence:g} % interval"
    unit = "label" if found.kind == "multilabel" else "row"
    lines = [f"{'nats a ' + unit + ' saved':<20}{'out of sample':>17}   {level:<22}{'in sample':>11}"]
    for rung in found.rungs:
        mark = ">" if rung.method == found.method else " "
        lines.append(f"{mark} {rung.method:<18}" + _numbers(rung))
        said = "; ".join(part for part in (rung.said, rung.trouble) if part)
        lines += textwrap.wrap(said, WIDTH - 4, initial_indent="    ", subsequent_indent="    ") if said else []
    return [*lines, ""]


def _numbers(rung: Rung) -> str:
    if rung.gain is None:
        return f"{'-':>17}"
    if math.isinf(rung.gain):
        return f"{'infinite':>17}   infinite rows become finite" if rung.gain > 0 else f"{'-infinite':>17}"
    error = f" ± {nats(rung.standard_error)}" if rung.standard_error is not None else ""
    between = f"[{nats(rung.low)}, {nats(rung.high)}]" if rung.low is not None else ""
    return f"{nats(rung.gain) + error:>17}   {between:<22}{nats(rung.in_sample):>11}"


def _verdict(found: Repaired) -> list[str]:
    if not found.rungs:
        return []
    before = "infinite" if found.infinite else nats(found.log_loss)
    after = "" if found.after is None or found.method is None else f" → {nats(found.after)}"
    lines = [row("log loss", f"{before}{after}   n {count(found.rows)}, {found.folds} folds")]
    if found.method is None:
        return [*lines, row("repair", "none: no gain is sure to be above 0; leave the predictions as they are")]
    if not found.pays:
        said = "the gain is not sure to be above 0; leave the predictions as they are"
        return [*lines, row("repair", f"{found.method} does not pay: {'forced' if found.forced else said}")]
    return lines


def _written(found: Repaired) -> list[str]:
    if not found.wrote:
        missing = found.method is not None and (found.pays or found.forced)
        return [row("wrote", "nothing" + (": name a file with -o, or --save the map" if missing else ""))]
    lines = []
    if found.output is not None:
        what = f"{found.columns[0]}" + (f" … {found.columns[-1]}" if len(found.columns) > 1 else "")
        rows = f", {count(found.rows)} rows" if not found.rungs else ""
        lines.append(row("wrote", f"{found.output}   {found.form} in {what}{rows}, by {found.method}"))
    if found.saved is not None:
        lines.append(row("wrote", f"{found.saved}   the map"))
    return lines
