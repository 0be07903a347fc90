"""The tables of a report: classes, slices, dearest rows. Sorted by what they cost, cut where they get long."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..analysis.records import Slice, Slices
from ..scores import ClassScore, Score
from .words import bare_chance, count, cut, error, left, nats, percent, prob, shown, signed, signed_z

MORE = "… {} more in --json"


def by_cost(score: Score) -> list[ClassScore]:
    """Classes or labels, dearest first."""
    return sorted(score.by_class, key=lambda c: (-(c.share or 0.0), -c.infinite))


def classes(s: Score, most: int) -> list[str]:
    """Class by class, or label by label."""
    many = s.kind == "multilabel"
    counted, last = ("yes", "z") if many else ("rows", "excess")
    ranked = by_cost(s)
    first = "label" if many else "class"
    lines = [f"{first:<20}{counted:>11}{'nats':>11}{'SE':>10}{'share':>9}{'claims':>10}{last:>9}"]
    lines += [_class(c, many) for c in ranked[:most]]
    return [*lines, MORE.format(len(ranked) - most)] if len(ranked) > most else lines


def _class(c: ClassScore, label: bool) -> str:
    share = percent(c.share) if c.share is not None else f"{c.infinite} inf"
    last = signed_z(c.z) if label else signed(c.excess)
    own = f"{left(c.name, 20)}{count(c.positive):>11}{nats(c.log_loss):>11}{nats(c.standard_error):>10}"
    return own + f"{share:>9}{nats(c.entropy):>10}{last:>9}"


def dearest(s: Score) -> list[str]:
    """The rows that cost most."""
    several = len(s.files) > 1
    lines = [f"{'dearest rows':<15}{'nats':>9}  {'truth':<16}{'its p':>10}  {'favourite':<16}{'its p':>7}"]
    for r in s.dearest:
        said = f"  {count(r.row):<13}{nats(r.loss):>9}  {left(r.target, 16)}{prob(r.prob):>10}"
        said += f"  {left(r.favourite, 16)}{prob(r.favourite_prob):>7}"
        lines.append(said + (f"  {shown(r.file)}" if several else ""))
    return lines


def where(s: Slice) -> str:
    """`city = Oslo & hour = [5, 8)`."""
    return " & ".join(f"{column} = {value}" for column, value in s.where)


def slices(found: Slices, given: int, automatic: int) -> list[str]:
    """Slices of the columns asked for, then those found, each by what it costs all rows."""
    lines = []
    if found.given:
        ranked = ranking(found.given)
        lines += ["", *_table("slices", ranked[:given], retested=False)]
        lines += [MORE.format(len(ranked) - given)] if len(ranked) > given else []
    holding = ranking([s for s in found.found if s.confirmed])
    if holding:
        lines += ["", *_table("slices found", holding[:automatic], retested=True)]
        lines += [MORE.format(len(holding) - automatic)] if len(holding) > automatic else []
    return lines


def ranking(slices: Sequence[Slice]) -> list[Slice]:
    """By what they cost all rows, infinite ones first."""
    return sorted(slices, key=lambda s: (-s.infinite, -(s.excess if s.excess is not None else -math.inf)))


def _table(title: str, slices: Sequence[Slice], *, retested: bool) -> list[str]:
    said = "retest" if retested else "p"
    lines = [f"{title:<27}{'rows':>10}{'nats':>9}{'over the mean':>16}{'excess':>9}{said:>8}"]
    for s in slices:
        over = "-" if s.difference is None else signed(s.difference)
        spread = "" if s.standard_error is None else f" ±{error(s.standard_error)}"
        p = bare_chance(s.held_out_p if retested else s.p_value)
        cost = f"{s.infinite} inf" if s.infinite else nats(s.log_loss)
        lines.append(
            f"  {left(cut(where(s), 24), 25)}{count(s.rows):>10}{cost:>9}{over + spread:>16}{signed(s.excess):>9}{p:>8}"
        )
    return lines
