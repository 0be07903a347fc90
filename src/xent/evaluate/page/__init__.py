"""The page: a score with its analysis, or a comparison, as one small HTML file that works offline."""

from __future__ import annotations

from .document import render, write, write_comparison

__all__ = ["render", "write", "write_comparison"]
