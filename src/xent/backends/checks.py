"""Whether bad targets and weights are looked for where an error costs time: on devices and in compiled functions."""

from __future__ import annotations

from typing import Any

from xent import backends


class device_checks:
    """Turns bad targets and weights on devices and in compiled functions into errors, from now on or in a `with` block.

    NumPy arrays, and CPU tensors outside compilers, are always checked before a value is returned. Elsewhere looking
    would stall the device, so that a class id out of range, a target outside [0, 1] or a weight that is negative or NaN
    makes its own loss and gradient NaN. With `device_checks()` it raises instead, with some delay: PyTorch through
    `torch._assert_async`, JAX through a callback. The environment variable XENT_CHECK=1 turns it on from the start.
    What is compiled already keeps the setting it was compiled under.

    Args:
        on: True or False.

    >>> with device_checks():
    ...     backends.checking
    True
    >>> backends.checking
    False
    """

    def __init__(self, on: bool = True) -> None:
        if not isinstance(on, bool):
            raise TypeError(f"`on` must be True or False; got {on!r}.")
        self.before, backends.checking = backends.checking, on

    def __enter__(self) -> device_checks:
        return self

    def __exit__(self, *error: Any) -> None:
        backends.checking = self.before
