"""A comparison as Markdown: paste it into an issue, a pull request or a notebook."""

from __future__ import annotations

from ..report.markdown import escaped, prose, table
from ..report.words import bare_chance, count, nats, percent, signed
from .records import Comparison
from .text import facts, shown_pairs, slices_shown, told

MOST_PAIRS, MOST_SLICES = 45, 12


def markdown(found: Comparison) -> str:
    """Verdict, models, pairs, slices, infinite rows and notes as headings, tables and lists."""
    blocks = [f"**{escaped(found.verdict)}**  \n{escaped(' · '.join(facts(found)))}"]
    blocks.append("\n".join(f"- {prose(alert)}" for alert in found.alerts))
    blocks += [_models(found), _pairs(found)]
    for column, own in slices_shown(found).items():
        rows = [
            (escaped(s.value), count(s.rows), signed(s.difference), nats(s.standard_error), signed(s.part),
             escaped(bare_chance(s.q_value)))
            for s in own[:MOST_SLICES]
        ]  # fmt: skip
        title = escaped(f"By {column.strip('()')}: {own[0].a} − {own[0].b}")
        blocks.append(table(title, ("value", "rows", "A − B", "SE", "part", "q"), rows))
    lost = [(escaped(r.file), count(r.row), escaped(r.id or ""), escaped(r.target), escaped(", ".join(r.models)))
            for r in found.infinite]  # fmt: skip
    blocks.append(table("Infinite rows", ("file", "row", "id", "truth", "given probability 0 by"), lost))
    blocks.append("\n".join(f"- {prose(note)}" for note in told(found.notes)))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _models(found: Comparison) -> str:
    parts = any(m.miscalibration is not None for m in found.models)
    rows = [
        (escaped(m.name), nats(m.log_loss), f"[{nats(m.low)}, {nats(m.high)}]" if m.low is not None else "",
         count(m.infinite), percent(m.accuracy), nats(m.entropy),
         *((nats(m.miscalibration), nats(m.discrimination)) if parts else ()))
        for m in found.models
    ]  # fmt: skip
    head = ("model", "nats", f"{100 * found.confidence:g} %", "infinite rows", "accuracy", "claims")
    return table("Models, best first", (*head, *(("miscalibration", "discrimination") if parts else ())), rows)


def _pairs(found: Comparison) -> str:
    rows = [
        (escaped(p.a), escaped(p.b), signed(p.difference) if p.difference is not None else "inf − inf",
         nats(None if p.high is None else p.high - p.finite_difference), escaped(bare_chance(p.p_value)),
         escaped(bare_chance(p.p_holm)), percent(p.better), percent(p.ties),
         "-" if p.rows_for_power is None else count(p.rows_for_power))
        for p in shown_pairs(found, MOST_PAIRS)
    ]  # fmt: skip
    head = ("A", "B", "A − B", "±", "p", "p (Holm)", "B better", "ties", "rows for 80 % power")
    return table("Pairs: log loss of A less that of B; above 0, B is better", head, rows)
