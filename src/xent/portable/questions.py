"""The portable functions that are no losses, by name: what a compiler can carry is their names, options and arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xent.portable.activations import activation
from xent.portable.measures import measure
from xent.portable.probabilities import log_loss

QUESTIONS: dict[str, Callable[..., Any]] = {  # (ops, arrays, *options)
    "activation": activation,
    "log_loss": log_loss,
    "measure": measure,
}
