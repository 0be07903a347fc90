"""A comparison as text for a terminal: 80 columns, plain when piped, ASCII where the terminal can do no better."""

from __future__ import annotations

from collections.abc import Sequence

from ..report.words import bare_chance, count, cut, gathered, left, nats, only_ascii, paragraph, percent, row, signed
from .records import Comparison, Model, Pair, PairSlice

MOST_SLICES = 8  # of a column that are shown
MOST_PAIRS = 15
METHODS = {"iid": "rows independent", "cluster": "clustered", "time": "along time"}


def text(found: Comparison, *, ascii_only: bool = False) -> str:
    """The whole comparison, lines of at most 80 columns where file names allow."""
    lines = paragraph(found.verdict, row("verdict", ""), row("", ""))
    lines += gathered(facts(found), row("", ""), " · ")
    for alert in found.alerts:
        lines += paragraph(alert, "! ", "  ")
    lines += ["", *_models(found), "", *_pairs(found)]
    if len(found.pairs) > 1:
        lines += ["", *_verdicts(found)]
    lines += [*_slices(found), *_infinite(found), ""]
    for note in told(found.notes):
        lines += paragraph(note, "! ", "  ")
    out = "\n".join(line.rstrip() for line in lines)
    return only_ascii_of(out) if ascii_only else out


def brief(x: float | None) -> str:
    """Nats in eight columns at most."""
    said = nats(x)
    return said if x is None or len(said) <= 8 else f"{x:.1e}"


def only_ascii_of(out: str) -> str:
    """In ASCII."""
    return only_ascii(out.replace("−", "-"))


def facts(found: Comparison) -> list[str]:
    """What was compared, in a few words."""
    kinds = {"binary": "binary", "multiclass": f"{found.classes} classes", "multilabel": f"{found.classes} labels"}
    said = [f"n {count(found.rows)}", kinds[found.kind], f"{len(found.models)} models"]
    if found.weight != found.rows:
        said.append(f"total weight {found.weight:.6g}")
    said.append("by position" if found.joined is None else f"matched by {found.joined}")
    if found.pairs:
        pair = found.pairs[0]
        units = (
            ""
            if pair.method == "iid"
            else f", {count(pair.units)} {'buckets' if pair.method == 'cluster' else 'steps'}"
        )
        said.append(METHODS[pair.method] + units)
    return said


def told(notes: Sequence[str]) -> list[str]:
    """Notes, those that only name columns left to --json where there are many models."""
    return [note for note in notes if len(notes) <= 8 or ": targets" not in note]


def _models(found: Comparison) -> list[str]:
    parts = any(m.miscalibration is not None for m in found.models)
    head = f"{'models, best first':<21}{'nats':>9}  {f'{100 * found.confidence:g} % interval':<18}{'accuracy':>9}"
    head += f"{'miscal.':>9}{'discr.':>9}" if parts else f"{'claims':>9}"
    return [head, *(_model(m, parts) for m in found.models)]


def _model(m: Model, parts: bool) -> str:
    if m.infinite:
        bounds = f"infinite rows: {count(m.infinite)}"
    else:
        bounds = f"[{nats(m.low)}, {nats(m.high)}]" if m.low is not None else ""
        if len(bounds) > 18:
            bounds = f"[{brief(m.low)}, {brief(m.high)}]"
    line = f"  {left(m.name, 19)}{nats(m.log_loss):>9}  {bounds:<18}{percent(m.accuracy):>9}"
    if parts:
        return line + f"{brief(m.miscalibration):>9}{brief(m.discrimination):>9}"
    return line + f"{brief(m.entropy):>9}"


def shown_pairs(found: Comparison, most: int) -> list[Pair]:
    """The pairs to show: those of the best model first, then in the order given."""
    best = found.models[0].name
    return sorted(found.pairs, key=lambda p: best not in (p.a, p.b))[:most]


def _pairs(found: Comparison) -> list[str]:
    lines = [f"{'A':<16}{'B':<15}{'A − B':>9}{'±':>9}{f'p{_holm(found)}':>10}{'B better':>9}{'80 % power':>11}"]
    for p in shown_pairs(found, MOST_PAIRS):
        half = None if p.high is None or p.difference != p.finite_difference else p.high - p.finite_difference
        own = p.p_holm
        difference = signed(p.difference) if p.difference is not None else "inf − inf"
        line = f"  {left(p.a, 14)}{left(p.b, 15)}{difference.replace('infinite', 'inf'):>9}{brief(half):>9}"
        lines.append(line + f"{bare_chance(own):>10}{percent(p.better):>9}{_needed(p):>11}")
    if len(found.pairs) > MOST_PAIRS:
        lines.append(f"… {len(found.pairs) - MOST_PAIRS} more in --json")
    return lines


def _holm(found: Comparison) -> str:
    return " (Holm)" if len(found.pairs) > 1 else ""


def _needed(p: Pair) -> str:
    if p.rows_for_power is None:
        return "-"
    return count(p.rows_for_power) if p.rows_for_power < 10**9 else f"{p.rows_for_power:.1e}"


def _verdicts(found: Comparison) -> list[str]:
    lines: list[str] = []
    for p in shown_pairs(found, max(3, len(found.models) - 1)):
        lines += paragraph(p.verdict, "· ", "  ")
    return lines


def slices_shown(found: Comparison) -> dict[str, list[PairSlice]]:
    """By column, the slices of one pair: the two models, or the two best."""
    names = [m.name for m in found.models[:2]]
    own = [s for s in found.slices if {s.a, s.b} == set(names)]
    return {column: [s for s in own if s.column == column] for column in dict.fromkeys(s.column for s in own)}


def _slices(found: Comparison) -> list[str]:
    lines: list[str] = []
    for column, own in slices_shown(found).items():
        if len(own) < 2:
            continue
        title = f"by {column.strip('()')}, {own[0].a} − {own[0].b}"
        lines += ["", f"{left(title, 31)}{'rows':>11}{'A − B':>10}{'SE':>10}{'part':>9}{'q':>8}"]
        for s in own[:MOST_SLICES]:
            line = f"  {left(s.value, 29)}{count(s.rows):>11}{signed(s.difference):>10}{brief(s.standard_error):>10}"
            lines.append(line + f"{signed(s.part):>9}{bare_chance(s.q_value):>8}")
        if len(own) > MOST_SLICES:
            lines.append(f"… {len(own) - MOST_SLICES} more in --json")
    return lines


def _infinite(found: Comparison) -> list[str]:
    if not found.infinite:
        return []
    keys = any(r.id is not None for r in found.infinite)
    lines = ["", f"{'infinite rows':<15}{'id' if keys else '':<15}{'truth':<18}{'given probability 0 by'}"]
    several = len({r.file for r in found.infinite}) > 1
    for r in found.infinite:
        line = f"  {count(r.row):<13}{left(r.id or '', 15)}{left(r.target, 18)}{cut(', '.join(r.models), 32)}"
        lines.append(line + (f"  {r.file}" if several else ""))
    return lines
