"""xent's losses inside libraries whose code one cannot edit: swapped by name, and back.

Three facts force the shape. torch.nn's modules look their functions up in torch.nn.functional when they are called, so
to swap them there is enough; whoever wrote `from torch.nn.functional import cross_entropy` before holds torch's own. A
process has one such module for all threads, so a swap is for all of them, and a lock guards the bookkeeping. And
torch.compile has looked the functions up when it compiled, so its caches are dropped with every swap.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from threading import RLock
from typing import Any

TORCH = (
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "kl_div",
    "multilabel_soft_margin_loss", "nll_loss",
)  # fmt: skip
OPTAX = (
    "kl_divergence", "poly_loss_cross_entropy", "safe_softmax_cross_entropy", "sigmoid_binary_cross_entropy",
    "sigmoid_focal_loss", "smooth_labels", "softmax_cross_entropy", "softmax_cross_entropy_with_integer_labels",
)  # fmt: skip


@dataclass
class Swap:
    """What is swapped in one library, and how it stands."""

    modules: tuple[str, ...]  # where the names are swapped; the first must be there
    drop_ins: str  # the module of ours
    names: tuple[str, ...]
    command: str  # that installs the library
    lasting: bool = False  # by `patch`
    depth: int = 0  # how many `with patched` are open
    swapped: list[tuple[Any, str, Any, Any]] = field(default_factory=list)  # (module, name, theirs, ours)

    def settle(self) -> None:
        """Swapped in or out, as it should be."""
        if (self.lasting or self.depth > 0) == bool(self.swapped):
            return
        if self.swapped:
            self.swap_out()
        else:
            self.swap_in()
        _forget_compiled()

    def swap_in(self) -> None:
        first, *others = self.modules
        places = [_imported(first, self.command), *(sys.modules[name] for name in others if name in sys.modules)]
        drop_ins = import_module(self.drop_ins)
        found = [
            (place, name, getattr(place, name), getattr(drop_ins, name))
            for place in places
            for name in self.names
            if hasattr(place, name)
        ]
        for place, name, _, ours in found:
            setattr(place, name, ours)
        self.swapped = found

    def swap_out(self) -> None:
        for place, name, theirs, ours in self.swapped:
            if getattr(place, name, None) is ours:  # else another has swapped it since
                setattr(place, name, theirs)
        self.swapped = []


SWAPS = {
    "torch": Swap(("torch.nn.functional",), "xent.torch", TORCH, 'pip install "xent[torch]"'),
    "torchvision": Swap(
        ("torchvision.ops", "torchvision.ops.focal_loss"), "xent.torch", ("sigmoid_focal_loss",),
        "pip install torchvision",
    ),
    "optax": Swap(("optax", "optax.losses"), "xent.jax", OPTAX, "pip install optax"),
}  # fmt: skip

_lock = RLock()


def _imported(place: str, command: str) -> Any:
    try:
        return import_module(place)
    except ModuleNotFoundError as error:
        library = place.partition(".")[0]
        raise ImportError(f"`{library}` cannot be patched: it is not installed: {command}") from error


def _forget_compiled() -> None:
    """Drops what torch.compile has compiled, if it has been used: it holds the functions of before."""
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is not None:
        dynamo.reset()


def _swap(library: str) -> Swap:
    if not isinstance(library, str) or library not in SWAPS:
        raise ValueError(f"`library` must be one of {', '.join(map(repr, SWAPS))}; got {library!r}.")
    return SWAPS[library]


def patch(library: str) -> None:
    """Swaps a library's cross-entropy losses for xent's, in the whole process, until `unpatch`.

    | library | where | what |
    |---|---|---|
    | "torch" | torch.nn.functional, and so torch.nn's modules | binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, kl_div, multilabel_soft_margin_loss, nll_loss |
    | "torchvision" | torchvision.ops | sigmoid_focal_loss |
    | "optax" | optax, optax.losses | kl_divergence, poly_loss_cross_entropy, safe_softmax_cross_entropy, sigmoid_binary_cross_entropy, sigmoid_focal_loss, smooth_labels, softmax_cross_entropy, softmax_cross_entropy_with_integer_labels |

    Twice is once. All threads see it. Code that holds a function already (`from torch.nn.functional import
    cross_entropy` before the patch) keeps the library's own. What torch.compile has compiled is compiled again.

    Raises:
        ValueError: a library not in the table. ImportError: one that is not installed.

    >>> import torch
    >>> patch("torch")
    >>> torch.nn.functional.cross_entropy.__module__
    'xent.torch.softmax'
    >>> unpatch("torch")
    >>> torch.nn.functional.cross_entropy.__module__
    'torch.nn.functional'
    """  # noqa: E501
    with _lock:
        swap = _swap(library)
        before, swap.lasting = swap.lasting, True
        try:
            swap.settle()
        except BaseException:
            swap.lasting = before
            raise


def unpatch(library: str) -> None:
    """Undoes `patch`. Without one nothing happens; inside `with patched` the swap lasts until that ends.

    A function that somebody else has swapped since is left alone.

    >>> unpatch("torch")
    """
    with _lock:
        swap = _swap(library)
        swap.lasting = False
        swap.settle()


@contextmanager
def patched(library: str) -> Iterator[None]:
    """`patch` for a `with` block; swapped back at its end, also when that is an exception.

    Blocks may nest and overlap in threads: the last to end swaps back. The swap is the process's, not the thread's:
    other threads see it while the block lasts.

    >>> import torch
    >>> with patched("torch"):
    ...     torch.nn.CrossEntropyLoss()(torch.tensor([[20.0, 0.0]]), torch.tensor([0]))
    tensor(2.0612e-09)
    """
    with _lock:
        swap = _swap(library)
        swap.depth += 1
        try:
            swap.settle()
        except BaseException:
            swap.depth -= 1
            raise
    try:
        yield
    finally:
        with _lock:
            swap.depth -= 1
            swap.settle()
