"""A `pos_weight` of any shape that broadcasts, as one number per label of the last axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xent.torch.peer import spread

Tensor = Any


@dataclass(frozen=True)
class View:
    """The input seen so that `pos_weight` is one number per label: `axis` moved last, or the axes from it on flat."""

    pos_weight: Tensor
    axis: int
    shape: tuple[int, ...]
    moved: bool

    def there(self, x: Tensor) -> Tensor:
        """A tensor of the input's shape, seen so."""
        if self.moved:
            return x.movedim(self.axis, -1)
        return x.flatten(self.axis) if self.axis else x.reshape(1, x.numel())

    def back(self, x: Tensor) -> Tensor:
        """The losses in the input's shape."""
        return x.movedim(-1, self.axis) if self.moved else x.reshape(self.shape)


def view(input: Tensor, pos_weight: Any) -> View | None:
    """How to look at the input; None where `pos_weight` is a number or one per label already."""
    if pos_weight is None or not hasattr(pos_weight, "dim") or pos_weight.dim() == 0:
        return None
    spread("pos_weight", pos_weight, input)
    shape, last = tuple(input.shape), input.dim() - 1
    long = [k - pos_weight.dim() + input.dim() for k, n in enumerate(pos_weight.shape) if n != 1]
    if not long:
        return View(pos_weight.reshape(()), last, shape, True)
    first = long[0]
    if len(long) == 1 and last > 0:
        return View(pos_weight.reshape(-1), first, shape, True)
    block = pos_weight.expand(*pos_weight.shape[: -(last - first) - 1], *shape[first:])
    return View(block.reshape(-1), first, shape, False)
