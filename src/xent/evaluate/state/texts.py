"""Different texts of a column, as far as there are few enough to tell rows apart by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .values import Coded

Array = Any
MOST_TEXTS = 4096


class Texts:
    """Texts and their codes, in the order in which they were met; `full` once there are more than 4,096."""

    def __init__(self, names: Sequence[str] = (), full: bool = False) -> None:
        self._codes = {name: i for i, name in enumerate(names)}
        self.full = full
        self._refuse_too_many()

    def __len__(self) -> int:
        return len(self._codes)

    def codes(self, values: Coded) -> Array | None:
        """int32 [n]: the codes of a batch of texts; None once there are too many."""
        used = np.flatnonzero(np.bincount(values.codes, minlength=1))
        if self.full or len(used) > MOST_TEXTS:
            self._forget()
            return None
        table = np.zeros(len(values.names), np.int32)
        for at in used.tolist():
            table[at] = self._codes.setdefault(values.names[at], len(self._codes))
        self._refuse_too_many()
        return None if self.full else table[values.codes]

    def merge(self, other: Texts) -> Texts:
        """The texts of both, those of the first with the codes they have."""
        return Texts(tuple(dict.fromkeys((*self._codes, *other._codes))), self.full or other.full)

    def places(self, other: Texts) -> Array:
        """int32: the code here of each text of `other`."""
        return np.array([self._codes[name] for name in other._codes], np.int32)

    def sorted(self) -> Texts:
        """The same texts, with codes in their order."""
        return Texts(sorted(self._codes), self.full)

    @property
    def names(self) -> tuple[str, ...]:
        """Texts by code."""
        return tuple(self._codes)

    def _refuse_too_many(self) -> None:
        if len(self._codes) > MOST_TEXTS:
            self._forget()

    def _forget(self) -> None:
        self.full = True
        self._codes = {}
