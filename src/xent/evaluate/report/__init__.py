"""A score for reading: `text` for a terminal, `markdown` for pasting."""

from .markdown import markdown
from .text import text

__all__ = ["markdown", "text"]
