"""The waterfall and other bars of a width in per cent, which the page draws with its own type."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .numbers import Numbers

HAIR = 0.4  # per cent: the least width that is seen


@dataclass(frozen=True)
class Bar:
    """A step of the waterfall: the JSON path of it, where its bar begins and how wide it is, in per cent."""

    path: str
    kind: str
    level: bool
    left: float
    width: float
    endless: bool


def waterfall(numbers: Numbers, path: str) -> list[Bar]:
    """Levels stand on 0, changes hang between the level before and the one after; infinite ones leave the box."""
    steps = numbers.raw(path)
    levels = [float(step["after"]) for step in steps]
    top = max((level for level in levels if math.isfinite(level)), default=0.0)
    top = top * (1.12 if any(math.isinf(level) for level in levels) else 1.0) or 1.0
    bars: list[Bar] = []
    before = 0.0
    for i, (step, after) in enumerate(zip(steps, levels, strict=True)):
        level = step["kind"] in ("start", "total")
        low, high = (0.0, after) if level else (min(before, after), max(before, after))
        left, right = (100 * min(max(x / top, 0.0), 1.0) for x in (low, high))
        width = max(right - left, HAIR)
        bars.append(
            Bar(f"{path}.{i}", _kind(step), level, round(min(left, 100 - HAIR), 2), round(width, 2), math.isinf(high))
        )
        before = after
    return bars


def _kind(step: dict[str, Any]) -> str:
    if step["kind"] in ("start", "total"):
        return "level"
    return "level" if step["nats"] == 0 else "cool" if step["kind"] == "down" else "warm"


@dataclass(frozen=True)
class Portion:
    """A part of a whole: its words, its path, its share by path, and the width of its bar in per cent."""

    words: str
    path: str
    share: str
    width: float
    kind: str


def portions(numbers: Numbers, whole: str, parts: list[tuple[str, str]]) -> list[Portion]:
    """Parts of a whole as one bar; none where the whole is 0 or without end."""
    total = numbers.value(whole)
    if not total or not math.isfinite(total):
        return []
    kinds = ("level", "warm", "cool")
    return [
        Portion(words, path, f"{path} / {whole}", round(100 * max(numbers.value(path) / total, 0.0), 2), kind)
        for (words, path), kind in zip(parts, kinds, strict=False)
    ]
