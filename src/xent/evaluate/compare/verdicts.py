"""What a comparison comes to, in a sentence; and the gate that holds a model against all others."""

from __future__ import annotations

from collections.abc import Sequence

from ..report.words import count, nats
from .records import Comparison, Pair


def winner(pair: Pair, level: float) -> str | None:
    """The model shown to be better: an infinite row decides, else the difference at `level` after Holm."""
    if pair.infinite_a or pair.infinite_b:
        return pair.decided
    if pair.p_holm is None or pair.p_holm > 1.0 - level or not pair.finite_difference:
        return None
    return pair.b if pair.finite_difference > 0 else pair.a


def verdict(pair: Pair, level: float, pairs: int) -> str:
    """One sentence on a pair."""
    if pair.decided is not None:
        other = pair.a if pair.decided == pair.b else pair.b
        lost = pair.infinite_a or pair.infinite_b
        return (
            f"{pair.decided} is better: {other} gives the truth probability 0 on {_rows(lost, pair.rows)};"
            f" where both are finite, {_finite(pair, level)}."
        )
    if pair.infinite_a:
        return (
            f"Neither is better: {pair.a} is infinite on {_rows(pair.infinite_a, pair.rows)} of its own and {pair.b} on"
            f" {pair.infinite_b}; where both are finite, {_finite(pair, level)}."
        )
    left = f" ({_rows(pair.infinite_both, pair.rows)} infinite for both left out)" if pair.infinite_both else ""
    if pair.infinite_both == pair.rows:
        return f"{pair.a} and {pair.b} both give the truth probability 0 on every row: there is nothing to compare."
    if pair.ties == 1.0:
        return f"{pair.a} and {pair.b} cost the same on every row{left}."
    better = winner(pair, level)
    if better is None:
        rows = pair.rows_for_power or 0  # of this pair alone: after Holm even more rows may not have done
        need = f"; about {count(rows)} rows would show such a difference" if rows > pair.rows else ""
        return f"No difference is shown: {_finite(pair, level, pairs)}{left}{need}."
    other = pair.a if better == pair.b else pair.b
    share = _share(pair, other)
    p = f", p {p_said(pair.p_holm)}{' (Holm)' if pairs > 1 else ''}"
    return f"{better} is better than {other} by {size(pair, level)}{share}{p}{left}."


def _share(pair: Pair, other: str) -> str:
    """What part of the worse model's loss the difference is."""
    if not pair.percent or not pair.difference:
        return ""
    own = 100.0 * pair.difference / pair.percent  # a's loss
    whole = own if other == pair.a else own - pair.difference
    return f", {100.0 * abs(pair.difference) / whole:.2g} % of {other}'s loss"


def size(pair: Pair, level: float) -> str:
    """`0.0123 ± 0.0041 nats (95 %)`: the difference without its sign and half its interval."""
    if pair.high is None:
        return f"{nats(abs(pair.finite_difference))} nats"
    half = pair.high - pair.finite_difference
    said = nats(half) if half == 0 or half >= 0.001 else f"{half:.2g}"
    return f"{nats(abs(pair.finite_difference))} ± {said} nats ({100 * level:g} %)"


def _finite(pair: Pair, level: float, pairs: int = 1) -> str:
    if not pair.rows - pair.infinite_a - pair.infinite_b - pair.infinite_both:
        return "there is no row"
    if not pair.finite_difference:
        return "they cost the same"
    ahead, behind = (pair.b, pair.a) if pair.finite_difference > 0 else (pair.a, pair.b)
    adjusted = pairs > 1 and pair.p_holm is not None
    p = "" if pair.p_value is None else f", p {p_said(pair.p_holm if adjusted else pair.p_value)}"
    p += " (Holm)" if p and adjusted else ""
    return f"{ahead} costs {size(pair, level)} less than {behind}{p}"


def p_said(p: float | None) -> str:
    return "unknown" if p is None else f"= {p:.2g}" if p >= 1e-16 else "< 1e-16"


def _rows(some: int, rows: int) -> str:
    return f"{count(some)} of {count(rows)} rows"


def overall(order: Sequence[str], pairs: Sequence[Pair], level: float) -> str:
    """The comparison in a sentence or two. order: the models, best first."""
    if len(pairs) == 1:
        return pairs[0].verdict
    best = order[0]
    mine = [pair for pair in pairs if best in (pair.a, pair.b)]
    beaten = [_other(pair, best) for pair in mine if winner(pair, level) == best]
    open_ = [_other(pair, best) for pair in mine if winner(pair, level) is None]
    if not open_:
        return f"{best} is better than all {len(beaten)} others."
    if not beaten:
        return f"{best} has the lowest loss, but is not shown to be better than any other: {', '.join(open_)}."
    return f"{best} is better than {', '.join(beaten)}; not shown to be better than {', '.join(open_)}."


def _other(pair: Pair, name: str) -> str:
    return pair.a if pair.b == name else pair.b


def unbeaten(comparison: Comparison, name: str) -> list[str]:
    """Why a model is not better than all others, a sentence for each that it is not shown to beat; empty if it is.

    Raises KeyError for a model that is not there.
    """
    if name not in [model.name for model in comparison.models]:
        raise KeyError(name)
    told = {_other(p, name): p for p in comparison.pairs if name in (p.a, p.b)}
    missing = [m.name for m in comparison.models if m.name != name and m.name not in told]
    said = [p.verdict for p in told.values() if winner(p, comparison.confidence) != name]
    return said + [f"{name} is not the best, and was not held against {other}." for other in missing]
