"""The score as text for a terminal: 80 columns, plain when piped, ASCII where the terminal can do no better."""

from __future__ import annotations

from ..analysis.records import Analysis
from ..scores import Score
from . import findings, summary, tables
from .words import only_ascii, paragraph, shown

FEWER = 6  # classes shown beside an analysis, so that all of it stays near a screen


def text(score: Score, *, ascii_only: bool = False, classes: int | None = None) -> str:
    """The whole report, lines of at most 80 columns where names allow.

    classes: how many classes to show (12; beside an analysis 6). ascii_only: for terminals that know nothing else.
    """
    analysis: Analysis | None = getattr(score, "analysis", None)
    if analysis is None:
        lines = _plain(score, 12 if classes is None else classes)
    else:
        lines = _analysed(score, analysis, FEWER if classes is None else classes)
    out = "\n".join(line.rstrip() for line in lines)
    return only_ascii(out) if ascii_only else out


def _plain(s: Score, classes: int) -> list[str]:
    lines = [*summary.headline(s), *summary.compat(s), *summary.infinite(s), *summary.split(s), "", *summary.claims(s)]
    return lines + _rows(s, classes) + ["", *(f"! {shown(note)}" for note in summary.notes(s))]


def _analysed(s: Score, found: Analysis, classes: int) -> list[str]:
    lines = [*summary.headline(s), *findings.spreads(found), *summary.compat(s), *summary.infinite(s)]
    lines += findings.alerts(found)
    lines += findings.waterfall(s, found)
    lines += ["", *findings.repair(s, found), *summary.claims(s), *findings.calibration(s, found)]
    lines += [
        *findings.tail(s, found),
        *findings.suspects(s, found),
        *findings.mix_ups(s, found),
        *findings.slices(found),
    ]
    lines += tables.slices(found.slices, 6, 6)
    lines += _rows(s, classes) + [""]
    for note in (*summary.notes(s), *found.slices.notes, *found.notes):
        lines += paragraph(note, "! ", "  ")
    return lines


def _rows(s: Score, classes: int) -> list[str]:
    lines = ["", *tables.classes(s, classes)] if len(s.by_class) > 1 else []
    return lines + (["", *tables.dearest(s)] if s.dearest else [])
