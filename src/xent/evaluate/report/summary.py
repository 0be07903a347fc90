"""What every score says: the headline, what is infinite, the split of the loss, what the model claims, and notes."""

from __future__ import annotations

import math

from ..scores import Score
from .words import bar, count, gathered, nats, paragraph, percent, row, signed, signed_z


def headline(s: Score) -> list[str]:
    """The loss, its interval, and what it is to be held against."""
    unit = "a label" if s.kind == "multilabel" else "a row"
    if s.infinite:
        first = [f"infinite: {count(s.infinite)} of {count(s.rows)} rows give the truth probability 0"]
    else:
        bounds = f"  [{nats(s.low)}, {nats(s.high)}]" if s.low is not None else ""
        first = [f"{nats(s.log_loss)} nats{bounds}", f"{nats(s.bits)} bits {unit}", f"perplexity {s.perplexity:.4g}"]
    lines = [*gathered(first, row("log loss", "")), *gathered(problem(s), row("", ""), " · ")]
    if abs(s.effective_rows - s.rows) > 0.5:
        said = f"weighted: total weight {s.weight:.6g}, as informative as {s.effective_rows:.1f} equal rows"
        lines += paragraph(said, row("", ""), row("", ""))
    if s.weightless_rows:
        lines.append(row("", f"{count(s.weightless_rows)} further rows have weight 0 and count for nothing"))
    return lines


def problem(s: Score) -> list[str]:
    """Rows, kind, baseline and what is explained of it."""
    kinds = {"binary": "binary", "multiclass": f"{s.classes} classes", "multilabel": f"{s.classes} labels"}
    parts = [f"n {count(s.rows)}", kinds[s.kind], f"baseline {nats(s.baseline)}"]
    return [*parts, f"explained {percent(s.explained)}"] if s.explained is not None else parts


def compat(s: Score) -> list[str]:
    """Another convention's number."""
    if s.compat is None:
        return []
    c = s.compat
    what = ("cell" if s.kind == "multilabel" else "row") + ("" if c.rows_changed == 1 else "s")
    if c.nats_changed is not None:
        said = f"{count(c.rows_changed)} {what} changed, {c.nats_changed:+.4g} nats"
    else:
        said = f"{count(c.rows_changed)} {what} changed; an infinite one costs {nats(c.infinite_rows_cost)} nats"
    return [
        row("floored" if c.name.startswith("floor") else "as " + c.name, f"{c.log_loss:.10g} nats · {c.says}"),
        row("", said),
    ]


def infinite(s: Score) -> list[str]:
    """The finite part, and what the loss would be were p = 0 a small number."""
    if not s.infinite:
        return []
    r, n = (s.infinite_cells, s.rows * s.classes) if s.kind == "multilabel" else (s.infinite, s.rows)
    share = r / n
    at = {eps: s.finite_part - share * math.log(float(eps)) for eps in ("1e-3", "1e-7", "1e-15")}
    lines = [
        row("finite", f"part {nats(s.finite_part)} nats a row; mean of the other rows {nats(s.finite_mean)}"),
    ]
    if s.effective_rows == s.rows and s.label_entropy is None:
        said = " · ".join(f"{eps}: {nats(v)}" for eps, v in at.items())
        lines += paragraph(f"part + {r}/{n} log(1/eps) · {said}", row("if p = eps", ""), row("", ""))
    return lines


Parts = list[tuple[str, float]]


def parts(s: Score) -> list[Parts]:
    """Parts that add up to a finite loss, each list on its own: of soft labels, and of more than two classes."""
    found: list[Parts] = []
    if s.infinite or not s.log_loss:
        return found
    if s.label_entropy is not None:
        found.append([("entropy of labels", s.label_entropy), ("distance from them", s.log_loss - s.label_entropy)])
    if s.top1 is not None and s.ranking is not None and s.classes > 2:
        found.append([("top-1 confidence", s.top1), ("ranking of the rest", s.ranking)])
    return found


def split(s: Score, title: str = "where the nats go") -> list[str]:
    """The parts as bars."""
    lines = []
    for found in parts(s):
        lines += ["", f"{title:<47}{'nats':>10}{'share':>9}", *(part(n, x, s.log_loss) for n, x in found)]
    return lines


def part(name: str, nat: float, whole: float) -> str:
    """One part of a whole, as a bar from 0."""
    return f"  {name:<20} {bar(0.0, nat, whole)}{nats(nat):>10}{percent(nat / whole):>9}"


def claims(s: Score) -> list[str]:
    """Over- or under-confidence: what the model expects to suffer, and what it does."""
    if s.z is None or math.isinf(s.gap):
        return [row("claims", f"{nats(s.entropy)} nats (the model's own mean entropy)")]
    sure = abs(s.z) > 1.96
    label = ("overconfident" if s.gap > 0 else "underconfident") if sure else "consistent"
    said = [f"claims {nats(s.entropy)}, suffers {nats(s.log_loss)}", f"gap {signed(s.gap)}", f"z = {signed_z(s.z)}"]
    return gathered(said, f"{label:<15}")


def notes(s: Score) -> list[str]:
    """How it was reckoned."""
    how = (
        "from logits, nothing exponentiated first"
        if s.form == "logits"
        else f"from {s.dtype} probabilities, nothing clipped"
    )
    lines = [f"infinite rows: {s.infinite} · {how}"]
    if s.standard_error is not None:
        lines.append(
            f"{100 * s.confidence:g} % interval corrected for skewness; standard error {nats(s.standard_error)}"
        )
    if s.renormalized is not None:
        lines.append(
            f"RENORMALISED: every row divided by its sum (off by up to {s.row_sum_deviation:.2g}):"
            f" {s.renormalized:+.3g} nats"
        )
    elif s.row_sum_deviation is not None:
        lines.append(f"rows sum to 1 within {s.row_sum_deviation:.2g}")
    many = f"{len(s.files)} files, " if len(s.files) > 1 else ""
    return [*lines, *s.notes, f"{many}rows counted from 0"]
