"""Tables of the page: records in a list of the JSON as rows, their fields as columns, each cell with its path."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from markupsafe import Markup

from .numbers import NONE, Numbers

_KINDS = {"text": ' class="l t"', "path": ' class="l path"'}
Z95 = 1.959963984540054  # a whisker reaches this many standard errors where no interval is given


class Column(NamedTuple):
    """form: one of `numbers.FORMS`, or name, path, hash, text, truth (yes or no), share (with a bar), where, forest."""

    head: str
    field: str
    form: str = "nats"
    hint: str = ""

    @property
    def left(self) -> bool:
        return self.form in ("name", "text", "where", "truth", "hash", "path")


@dataclass(frozen=True)
class Forest:
    """Points with whiskers on one scale; 0 is marked. value, low, high or the standard error: fields of a record."""

    value: str
    low: str | None = None
    high: str | None = None
    error: str | None = None
    zero: bool = True

    def span(self, record: dict[str, Any]) -> tuple[float, float, float] | None:
        """Point and whisker, or None where there is no point."""
        if record[self.value] is None:
            return None
        value = float(record[self.value])
        if math.isinf(value):
            return value, value, value
        if self.low is not None and self.high is not None and record[self.low] is not None:
            return value, float(record[self.low]), float(record[self.high])
        error = record[self.error] if self.error is not None else None
        reach = Z95 * error if error is not None else 0.0
        return value, value - reach, value + reach


@dataclass(frozen=True)
class Table:
    """Rows of the list at `base`. more: how many rows of it are left to the JSON."""

    numbers: Numbers
    caption: str
    base: str
    rows: Sequence[int]
    columns: Sequence[Column]
    forest: Forest | None = None
    more: int = 0
    sortable: bool = field(default=True)

    def cell(self, column: Column, row: int, first: bool) -> Markup:
        """One cell; the first of a row is its heading."""
        path = f"{self.base}.{row}.{column.field}"
        tag = Markup("th scope=row") if first else Markup("td")
        end = Markup("th") if first else Markup("td")
        kind = Markup(_KINDS.get(column.form, " class=l" if column.left else ""))
        if column.form == "forest":
            return Markup("<td class=forest>{}</td>").format(self._drawn(row))
        if column.form == "hash":
            return Markup("<td class=l><code data-json={}>{}</code></td>").format(path, self.numbers.raw(path) or NONE)
        if column.form in ("name", "path", "text", "where"):
            inner = self._where(path) if column.form == "where" else self._name(path, column.form)
            return Markup("<{}{}>{}</{}>").format(tag, kind, inner, end)
        value = self.numbers.value(path)
        if column.form == "truth":
            said = NONE if value is None else "yes" if value else "no"
            return Markup('<{}{} data-json="{}">{}</{}>').format(tag, kind, path, said, end)
        form = "percent" if column.form == "share" else column.form
        if column.form == "share" and value is not None:
            width = round(100 * max(value, 0.0) / self._most, 1)
            kind = Markup(' class=share style="--x:{}%"').format(f"{width:g}")
        return Markup('<{}{} data-json="{}">{}</{}>').format(tag, kind, path, self.numbers.plain(path, form), end)

    @cached_property
    def _most(self) -> float:
        """The longest bar of the shares fills its cell."""
        records = self.numbers.raw(self.base)
        return max((records[i]["share"] or 0.0 for i in self.rows), default=0.0) or 1.0

    def _name(self, path: str, form: str) -> Markup:
        value = self.numbers.raw(path)
        return self.numbers.name(path) if form in ("name", "path") or value is None else self.numbers.text(path)

    def _where(self, path: str) -> Markup:
        pairs = range(len(self.numbers.raw(path)))
        said = (self._pair(f"{path}.{i}") for i in pairs)
        return Markup(" <span class=and>and</span> ").join(said)

    def _pair(self, path: str) -> Markup:
        column, value = self.numbers.name(path + ".0"), self.numbers.name(path + ".1")
        return Markup("<span class=eq><span class=column>{}</span> = {}</span>").format(column, value)

    def _drawn(self, row: int) -> Markup:
        assert self.forest is not None  # a column of form `forest` comes with one
        span = self.forest.span(self.numbers.raw(f"{self.base}.{row}"))
        return whisker(span, self.scale) if span is not None else Markup("")

    @cached_property
    def scale(self) -> tuple[float, float, float | None]:
        """From where to where the forest reaches, and where its 0 stands."""
        assert self.forest is not None
        records = self.numbers.raw(self.base)
        spans = [span for i in self.rows if (span := self.forest.span(records[i])) is not None]
        points = [span[0] for span in spans if math.isfinite(span[0])]
        ends = [end for span in spans for end in span if math.isfinite(end)] + ([0.0] if self.forest.zero else [])
        return (*_reach(points, ends), 0.0 if self.forest.zero else None)


def _reach(points: Iterable[float], ends: list[float]) -> tuple[float, float]:
    """All points and zero, and of the whiskers no more than three times as far: longer ones are cut."""
    if not ends:
        return 0.0, 1.0
    known = [*points, *([0.0] if 0.0 in ends else [])] or ends
    low, high = min(known), max(known)
    room = 2 * (high - low) or math.inf
    low, high = max(min(ends), low - room), min(max(ends), high + room)
    pad = 0.06 * (high - low) or max(abs(high), 1e-9)
    return low - pad, high + pad


def whisker(span: tuple[float, float, float], scale: tuple[float, float, float | None]) -> Markup:
    """Point and whisker as a picture that fills its cell; the numbers stand beside it, so it has no words."""
    low, high, zero = scale

    def at(x: float) -> float:
        return round(100 * min(max((x - low) / (high - low), 0.0), 1.0), 1)

    drawn = (
        Markup("<line class=zero x1={0}% x2={0}% y1=0 y2=100% />").format(at(zero)) if zero is not None else Markup("")
    )
    value, start, stop = span
    side = "plain" if zero is None else "warm" if start > zero else "cool" if stop < zero else "open"
    if start < stop:
        drawn += Markup("<line x1={}% x2={}% y1=50% y2=50% />").format(at(start), at(stop))
    return Markup("<svg aria-hidden=true class={}>{}<circle cx={}% cy=50% r=4 /></svg>").format(side, drawn, at(value))
