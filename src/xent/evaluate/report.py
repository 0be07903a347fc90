"""The score as text for a terminal: 80 columns, plain when piped, ASCII where the terminal can do no better."""

from __future__ import annotations

import math

from .scores import ClassScore, Score

_ASCII = str.maketrans({"·": "|", "±": "+-", "…": "~", "█": "#", "░": "."})


def text(score: Score, *, ascii_only: bool = False, classes: int = 12) -> str:
    """The whole report, lines of at most 80 columns where names allow."""
    lines = [*_headline(score), *_compat(score), *_infinite(score), *_split(score), *_claims(score)]
    lines += ["", *_classes(score, classes)] if len(score.by_class) > 1 else []
    lines += ["", *_dearest(score)] if score.dearest else []
    lines += ["", *_notes(score)]
    out = "\n".join(line.rstrip() for line in lines)
    return out.translate(_ASCII) if ascii_only else out


def _row(label: str, rest: str) -> str:
    return f"{label:<10} {rest}"


def nats(x: float | None) -> str:
    """Four decimals, or as many as it takes to show four digits of a small number."""
    if x is None:
        return "-"
    if math.isinf(x):
        return "infinite" if x > 0 else "-infinite"
    return f"{x:.4f}" if x == 0 or abs(x) >= 0.001 else f"{x:.3e}"


def _signed(x: float) -> str:
    return f"{x:+.4f}" if x == 0 or abs(x) >= 0.001 else f"{x:+.1e}"


def count(n: int | float) -> str:
    return f"{n:,.0f}".replace(",", " ")


def _headline(s: Score) -> list[str]:
    unit = "a label" if s.kind == "multilabel" else "a row"
    if s.infinite:
        first = f"infinite: {count(s.infinite)} of {count(s.rows)} rows give the truth probability 0"
    else:
        bounds = f"  [{nats(s.low)}, {nats(s.high)}]" if s.low is not None else ""
        first = f"{nats(s.log_loss)} nats{bounds}   {nats(s.bits)} bits {unit}   perplexity {s.perplexity:.4g}"
    kinds = {"binary": "binary", "multiclass": f"{s.classes} classes", "multilabel": f"{s.classes} labels"}
    parts = [f"n {count(s.rows)}", kinds[s.kind], f"baseline {nats(s.baseline)}"]
    if s.explained is not None:
        parts.append(f"explained {100 * s.explained:.1f} %")
    lines = [_row("log loss", first), _row("", " · ".join(parts))]
    if abs(s.effective_rows - s.rows) > 0.5:
        lines.append(
            _row("", f"weighted: total weight {s.weight:.6g}, as informative as {s.effective_rows:.1f} equal rows")
        )
    if s.weightless_rows:
        lines.append(_row("", f"{count(s.weightless_rows)} further rows have weight 0 and count for nothing"))
    return lines


def _compat(s: Score) -> list[str]:
    if s.compat is None:
        return []
    c = s.compat
    what = ("cell" if s.kind == "multilabel" else "row") + ("" if c.rows_changed == 1 else "s")
    if c.nats_changed is not None:
        said = f"{count(c.rows_changed)} {what} changed, {c.nats_changed:+.4g} nats"
    else:
        said = f"{count(c.rows_changed)} {what} changed; an infinite one costs {nats(c.infinite_rows_cost)} nats"
    return [
        _row("floored" if c.name.startswith("floor") else "as " + c.name, f"{c.log_loss:.10g} nats · {c.says}"),
        _row("", said),
    ]


def _infinite(s: Score) -> list[str]:
    if not s.infinite:
        return []
    r, n = (s.infinite_cells, s.rows * s.classes) if s.kind == "multilabel" else (s.infinite, s.rows)
    share = r / n
    at = {eps: s.finite_part - share * math.log(eps) for eps in (1e-3, 1e-7, 1e-15)}
    lines = [
        _row("finite", f"part {nats(s.finite_part)} nats a row; mean of the other rows {nats(s.finite_mean)}"),
    ]
    if s.effective_rows == s.rows:
        said = "   ".join(f"{eps:g}: {nats(v)}" for eps, v in at.items())
        lines.append(_row("if p = 0", f"were p = eps: part + {r}/{n} log(1/eps)   {said}"))
    return lines


def _split(s: Score) -> list[str]:
    if s.top1 is None or s.ranking is None or s.infinite or s.classes < 3 or not s.log_loss:
        return []
    lines = ["", f"{'where the nats go':<47}{'nats':>10}{'share':>9}"]
    for name, part in (("top-1 confidence", s.top1), ("ranking of the rest", s.ranking)):
        share = part / s.log_loss
        filled = round(24 * min(max(share, 0.0), 1.0))
        lines.append(f"  {name:<20} {'█' * filled}{'░' * (24 - filled)}{nats(part):>10}{100 * share:>7.1f} %")
    return lines


def _claims(s: Score) -> list[str]:
    if s.z is None or math.isinf(s.gap):
        label = "claims"
        verdict = f"{nats(s.entropy)} nats (the model's own mean entropy)"
        return ["", _row(label, verdict)]
    sure = abs(s.z) > 1.96
    label = ("overconfident" if s.gap > 0 else "underconfident") if sure else "consistent"
    said = f"claims {nats(s.entropy)}, suffers {nats(s.log_loss)}   gap {_signed(s.gap)}   z = {s.z:+.1f}"
    return ["", f"{label:<15}{said}"]


def _classes(s: Score, most: int) -> list[str]:
    first = "label" if s.kind == "multilabel" else "class"
    ranked = sorted(s.by_class, key=lambda c: (-(c.share or 0.0), -c.infinite))
    shown = ranked[:most]
    counted = "yes" if s.kind == "multilabel" else "rows"
    last = "z" if s.kind == "multilabel" else "excess"
    lines = [f"{first:<20}{counted:>11}{'nats':>11}{'SE':>10}{'share':>9}{'claims':>10}{last:>9}"]
    lines += [_class(c, s.kind == "multilabel") for c in shown]
    if len(ranked) > most:
        lines.append(f"… {len(ranked) - most} more in --json")
    return lines


def _class(c: ClassScore, label: bool) -> str:
    share = f"{100 * c.share:.1f} %" if c.share is not None else f"{c.infinite} inf"
    if label:
        last = f"{c.z:+.1f}" if c.z is not None and math.isfinite(c.z) else "-"
    else:
        last = _signed(c.excess) if c.excess is not None else "-"
    error = nats(c.standard_error)
    own = f"{_cut(c.name, 19):<20}{count(c.positive):>11}{nats(c.log_loss):>11}{error:>10}"
    return own + f"{share:>9}{nats(c.entropy):>10}{last:>9}"


def _dearest(s: Score) -> list[str]:
    several = len(s.files) > 1
    lines = [f"{'dearest rows':<15}{'nats':>9}  {'truth':<16}{'its p':>10}  {'favourite':<16}{'its p':>7}"]
    for row in s.dearest:
        said = f"  {count(row.row):<13}{nats(row.loss):>9}  {_cut(row.target, 15):<16}{_prob(row.prob):>10}"
        said += f"  {_cut(row.favourite, 15):<16}{_prob(row.favourite_prob):>7}"
        lines.append(said + (f"  {row.file}" if several else ""))
    return lines


def _prob(p: float) -> str:
    if p == 0 or p == 1:
        return f"{p:g}"
    return f"{p:.4f}" if p >= 0.001 else f"{p:.2e}"


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _notes(s: Score) -> list[str]:
    how = (
        "from logits, nothing exponentiated first"
        if s.form == "logits"
        else f"from {s.dtype} probabilities, nothing clipped"
    )
    lines = [f"! infinite rows: {s.infinite} · {how}"]
    if s.standard_error is not None:
        lines.append(
            f"! {100 * s.confidence:g} % interval corrected for skewness; standard error {nats(s.standard_error)}"
        )
    if s.renormalized is not None:
        lines.append(
            f"! RENORMALISED: every row divided by its sum (off by up to {s.row_sum_deviation:.2g}):"
            f" {s.renormalized:+.3g} nats"
        )
    elif s.row_sum_deviation is not None:
        lines.append(f"! rows sum to 1 within {s.row_sum_deviation:.2g}")
    lines += [f"! {note}" for note in s.notes]
    many = f"{len(s.files)} files, " if len(s.files) > 1 else ""
    return [*lines, f"! {many}rows counted from 0"]
