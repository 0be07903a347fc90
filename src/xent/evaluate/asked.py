"""What a caller asked for beside the columns: options of a score and its analysis, checked before a row is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .faults import BadInput


@dataclass(frozen=True)
class Asked:
    """Options of `score`, as they were given."""

    floor: float | None = None
    compat: str | None = None
    tolerance: float | None = None
    renormalize: bool = False
    soft: bool | None = None
    confidence: float = 0.95
    rows: int = 10
    analyse: bool = False
    by: Any = None
    slices: Any = None
    cluster: str | None = None
    time: str | None = None
    seed: int = 0

    @property
    def analysed(self) -> bool:
        """Whether there is to be an analysis."""
        return self.analyse or any(v is not None for v in (self.by, self.slices, self.cluster, self.time))

    def check(self, batch_rows: int | None) -> None:
        """An error at the first option that makes no sense."""
        for name, value in (("rows", self.rows), ("batch_rows", batch_rows), ("seed", self.seed)):
            if value is not None and not (isinstance(value, (int, np.integer)) and not isinstance(value, bool)):
                raise BadInput(f"`{name}` must be a whole number; got {value!r}.")
        for name in ("confidence", "tolerance", "floor"):
            number = getattr(self, name)
            if number is not None and not isinstance(number, (int, float, np.number)):
                raise BadInput(f"`{name}` must be a number; got {number!r}.")
        if self.rows is None or self.confidence is None or self.seed is None:
            raise BadInput("`rows`, `confidence` and `seed` must be numbers; got None.")
        if not 0.0 < self.confidence < 1.0:
            raise BadInput(f"`confidence` must lie strictly between 0 and 1; got {self.confidence!r}.")
        if self.tolerance is not None and not 0.0 <= self.tolerance < float("inf"):
            raise BadInput(f"`tolerance` must be a number of 0 or more; got {self.tolerance!r}.")
        for name in ("rows", "seed"):
            if not 0 <= getattr(self, name) < 2**63:
                raise BadInput(f"`{name}` must be 0 or more, and below 2^63; got {getattr(self, name)!r}.")
        if batch_rows is not None and batch_rows < 1:
            raise BadInput(f"`batch_rows` must be 1 or more; got {batch_rows!r}.")
        for name in ("by", "slices", "cluster", "time"):
            self._check_columns(name, getattr(self, name))

    def _check_columns(self, name: str, value: Any) -> None:
        if value is None or (isinstance(value, str) and value):
            return
        many = name in ("by", "slices")
        if not (many and isinstance(value, (list, tuple)) and value and all(isinstance(v, str) for v in value)):
            kind = "a column name or several" if many else "the name of one column"
            raise BadInput(f"`{name}` must be {kind}; got {value!r}.")
