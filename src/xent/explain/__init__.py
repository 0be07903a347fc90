"""One cross-entropy worked by hand: `xent explain`."""

from xent.explain.question import explain

__all__ = ["explain"]
