"""What is no loss as a compiler reads it: one portable function in its graph, whose options are constants.

Imported while a compiler traces, when torch's own machinery for it is loaded anyhow.
"""

from __future__ import annotations

from typing import Any

import torch

from xent.backends.torch.ops import TORCH
from xent.backends.torch.traced import fixed, unplaced
from xent.portable.questions import QUESTIONS

Tensor = Any


@torch.compiler.allow_in_graph  # type: ignore[untyped-decorator]
def answer(name: str, options: tuple[Any, ...], names: tuple[str, ...], *tensors: Tensor) -> Any:
    """The portable answer."""
    return QUESTIONS[name](TORCH, dict(zip(names, tensors, strict=True)), *options)


def answered(question: tuple[str, tuple[Any, ...]], tensors: dict[str, Tensor], out: Any) -> Any:
    """The portable answer as one piece of a graph."""
    unplaced(out)
    name, options = question
    return answer(name, fixed(options), tuple(tensors), *tensors.values())
