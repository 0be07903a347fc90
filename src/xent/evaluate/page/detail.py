"""How much of an analysis the page shows, and what of the JSON it then embeds, so that no input makes it large."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

SENTENCE = 2000  # characters of a text that are shown
LIMIT = 500_000  # bytes of the finished page: pages of tens of megabytes are what readers of other reports complain of
_CLOSING = "<>&\u2028\u2029"
_LONE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Detail:
    """The most rows of every kind."""

    classes: int = 60
    labels: int = 12
    slices: int = 40
    dearest: int = 50
    files: int = 40
    models: int = 16
    pairs: int = 60
    notes: int = 40
    text: int = SENTENCE  # characters of a text
    data: bool = True  # a table of numbers beside every picture, whatever its length
    cells: bool = True  # the heat map of classes


DETAILS = (
    Detail(),
    Detail(classes=30, labels=8, slices=20, dearest=25, files=15, models=12, pairs=30, data=False),
    Detail(
        classes=10,
        labels=4,
        slices=8,
        dearest=10,
        files=5,
        models=8,
        pairs=10,
        notes=20,
        text=500,
        data=False,
        cells=False,
    ),
    Detail(
        classes=3, labels=1, slices=3, dearest=3, files=2, models=4, pairs=3, notes=5, text=200, data=False, cells=False
    ),
)


def embedded(data: dict[str, Any], whole: str, used: set[str], room: int, text: int) -> tuple[str, bool]:
    """The JSON for a script element, in at most `room` bytes where possible, and whether it is `whole`.

    What does not fit leaves out records of lists that the page shows no number of: they become null, so that places
    in the list stay what they are; and texts end after `text` characters.
    """
    if len(whole.encode()) <= room:
        return whole, True
    return scripted(_cut(data, "", _prefixes(used), text)), False


def scripted(data: Any) -> str:
    """JSON that is harmless inside a script element: no markup, no half characters; it parses to the same values."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for mark in _CLOSING:
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return _LONE.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def _prefixes(used: set[str]) -> set[str]:
    """Every path that was shown and every path above it."""
    found: set[str] = set()
    for path in used:
        keys = path.split(".")
        found.update(".".join(keys[:i]) for i in range(1, len(keys) + 1))
    return found


def _cut(value: Any, path: str, kept: set[str], text: int) -> Any:
    if isinstance(value, dict):
        return {key: _cut(v, f"{path}.{key}" if path else key, kept, text) for key, v in value.items()}
    if isinstance(value, list):
        cut = [_cut(v, at, kept, text) if (at := f"{path}.{i}") in kept else None for i, v in enumerate(value)]
        while cut and cut[-1] is None:
            cut.pop()
        return cut
    return value[:text] if isinstance(value, str) else value
