"""A section of the page: its anchor, which is also its template, its title in the table of contents, its variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .numbers import shown


@dataclass(frozen=True)
class Section:
    """key: anchor and template; v: what its template reads."""

    key: str
    title: str
    v: dict[str, Any]


def first(rows: Sequence[Any], most: int) -> list[int]:
    """The places of the first rows."""
    return list(range(min(len(rows), most)))


def short(source: str) -> str:
    """A file's name without its folders, where there is one."""
    return shown(source.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1] or source)
