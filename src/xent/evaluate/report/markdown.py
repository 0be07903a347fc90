"""The score as GitHub-flavoured Markdown, for pasting.

Names come from files and may hold anything: every character that Markdown or HTML could read as its own is written as
a character reference, which no renderer takes for markup, and a line stays a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..analysis.records import Analysis, Slice
from ..scores import Score
from . import summary
from .findings import gain, named, of_weight, top, unit
from .tables import by_cost, ranking, where
from .words import bare_chance, chance, count, nats, percent, prob, shown, signed, signed_z

_MARKUP = re.compile(r"[\\`*~\[\]<>&|#@$]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.|^[-+](?= )|^ | $", re.IGNORECASE)


def escaped(said: str) -> str:
    """Text that renders as it is, on one line."""
    return _MARKUP.sub(lambda m: f"&#{ord(m.group())};", shown(said))


def prose(said: str) -> str:
    """A sentence of ours: what it has between backticks becomes code, and stays as it is."""
    parts = said.split("`")
    if len(parts) % 2 == 0:
        return escaped(said)
    return "".join(f"<code>{escaped(part)}</code>" if i % 2 else escaped(part) for i, part in enumerate(parts))


def markdown(score: Score) -> str:
    """The report as headings, lists and tables: paste it into an issue, a pull request or a notebook."""
    found: Analysis | None = getattr(score, "analysis", None)
    blocks = [_headline(score)]
    if found is not None:
        blocks += [_list(found.alerts), _spreads(found)]
    blocks += [_where(score, found)]
    if found is not None:
        blocks += [_repairs(found), _calibration(found), _tail(score, found)]
    blocks += [_classes(score)]
    if found is not None:
        blocks += [_slices("Slices", found.slices.given, False)]
        blocks += [_slices("Slices found", [s for s in found.slices.found if s.confirmed], True)]
    blocks += [_dearest(score), _list((*summary.notes(score), *(found.slices.notes + found.notes if found else ())))]
    return "\n\n".join(block for block in blocks if block) + "\n"


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A table whose first `words` columns are words, the others numbers."""
    lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    if not lines:
        return ""
    marks = ["---" if i < words else "---:" for i in range(len(head))]
    top = f"**{title}**\n\n" if title else ""
    return top + "\n".join(["| " + " | ".join(head) + " |", "| " + " | ".join(marks) + " |", *lines])


def _list(said: Iterable[str]) -> str:
    return "\n".join(f"- {prose(line)}" for line in said)


def _headline(s: Score) -> str:
    unit = "label" if s.kind == "multilabel" else "row"
    if s.infinite:
        first = f"**Log loss infinite**: {count(s.infinite)} of {count(s.rows)} rows give the truth probability 0;"
        first += f" finite part {nats(s.finite_part)} nats a {unit}"
    else:
        bounds = f" [{nats(s.low)}, {nats(s.high)}]" if s.low is not None else ""
        first = f"**Log loss {nats(s.log_loss)} nats a {unit}**{bounds}, perplexity {s.perplexity:.4g}"
    lines = [first, " · ".join(summary.problem(s)), *(" ".join(line.split()) for line in summary.claims(s))]
    if s.compat is not None:
        lines.append(prose(f"{s.compat.name}: {s.compat.log_loss:.10g} nats ({s.compat.says})"))
    return "  \n".join(lines)


def _spreads(found: Analysis) -> str:
    rows = [
        (s.method, escaped(s.column or ""), nats(s.standard_error), f"[{nats(s.low)}, {nats(s.high)}]", count(s.units))
        for s in found.spreads
        if len(found.spreads) > 1 and s.standard_error is not None
    ]
    return table("Error of the log loss", ("method", "column", "SE", "interval", "units"), rows, 2)


def _where(s: Score, found: Analysis | None) -> str:
    steps = found.waterfall if found is not None else ()
    rows = [
        (escaped(x.name), nats(x.nats) if x.kind in ("start", "total") else signed(x.nats), nats(x.standard_error))
        for x in steps
    ]
    parts = [[(name, nats(x), percent(x / s.log_loss)) for name, x in own] for own in summary.parts(s)]
    blocks = [table("Where the nats go", ("step", "nats", "±"), rows)]
    blocks += [table("Of which", ("part", "nats", "share"), own) for own in parts]
    return "\n\n".join(block for block in blocks if block)


def _repairs(found: Analysis) -> str:
    ladder = found.ladder
    if ladder is None:
        return ""
    rows = [
        (escaped(named(r)), gain(r) if r.gain is not None else escaped(r.trouble or "-"), "yes" if r.pays else "no")
        for r in ladder.rungs
    ]
    shown_rungs = table("Repairs", ("repair", f"change ({ladder.folds}-fold)", "pays"), rows)
    if ladder.command is None:
        return shown_rungs
    command = shown(ladder.command)
    fence = "`" * max(3, 1 + max((len(m) for m in re.findall("`+", command)), default=0))
    return f"{shown_rungs}\n\n{fence}sh\n{command}\n{fence}"


def _calibration(found: Analysis) -> str:
    rows = [
        (escaped(d.name), nats(d.score), nats(d.uncertainty), nats(d.discrimination), nats(d.miscalibration),
         nats(d.expected), escaped(bare_chance(d.p_value)))
        for d in found.decompositions
    ]  # fmt: skip
    head = ("problem", "score", "uncertainty", "discrimination", "miscalibration", "expected of it", "p")
    return table("Calibration", head, rows)


def _tail(s: Score, found: Analysis) -> str:
    t, said = found.tail, []
    if t.top_percent is not None:
        said.append(top(s, t.top_percent))
    if t.half_rows is not None:
        said.append(
            f"half of it lies in {count(t.half_rows)} {unit(s, t.half_rows)} ({percent(t.half_share)}{of_weight(s)})"
        )
    if found.suspects is not None:
        said += [
            f"{count(x.rows)} {unit(s, x.rows)} gave their label less than {x.prob:g}; a calibrated model would have"
            f" {x.expected:.3g} ({chance(x.p_value)})"
            for x in found.suspects.thresholds
            if x.prob == found.suspects.at
        ]
    return _list(said)


def _classes(s: Score) -> str:
    if len(s.by_class) < 2:
        return ""
    many = s.kind == "multilabel"
    rows = [
        (escaped(c.name), count(c.positive), nats(c.log_loss), nats(c.standard_error),
         percent(c.share) if c.share is not None else f"{c.infinite} inf", nats(c.entropy),
         signed_z(c.z) if many else signed(c.excess))
        for c in by_cost(s)
    ]  # fmt: skip
    head = ("label", "yes") if many else ("class", "rows")
    return table(
        "Labels" if many else "Classes", (*head, "nats", "SE", "share", "claims", "z" if many else "excess"), rows
    )


def _slices(title: str, found: Iterable[Slice], retested: bool) -> str:
    rows = [
        (escaped(where(s)), count(s.rows), f"{s.infinite} inf" if s.infinite else nats(s.log_loss),
         signed(s.difference), nats(s.standard_error), signed(s.excess),
         escaped(bare_chance(s.held_out_p if retested else s.p_value)))
        for s in ranking(list(found))
    ]  # fmt: skip
    head = ("slice", "rows", "nats", "over the mean", "±", "excess", "retest p" if retested else "p")
    return table(title, head, rows)


def _dearest(s: Score) -> str:
    several = len(s.files) > 1
    rows = [
        (*((escaped(r.file),) if several else ()), count(r.row), nats(r.loss), escaped(r.target), prob(r.prob),
         escaped(r.favourite), prob(r.favourite_prob))
        for r in s.dearest
    ]  # fmt: skip
    head = (*(("file",) if several else ()), "row", "nats", "truth", "its p", "favourite", "its p")
    return table("Dearest rows", head, rows, 1 if several else 0)
