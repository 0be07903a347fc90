"""Errors in the words of whoever was called: a drop-in's arguments have its peer's names."""

from __future__ import annotations


def reworded(error: Exception, **names: str) -> Exception:
    """The error with other names for xent's arguments, of the same kind."""
    message = str(error)
    for ours, theirs in names.items():
        message = message.replace(f"`{ours}`", f"`{theirs}`")
    return type(error)(message)
