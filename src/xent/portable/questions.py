"""The portable functions that are no losses, by name: what a compiler can carry is their names, options and arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xent.portable.activations import activation
from xent.portable.measures import measure

QUESTIONS: dict[str, Callable[..., Any]] = {"activation": activation, "measure": measure}  # (ops, arrays, *options)
