"""What has been seen so far: exact sums by class, a monoid (`Tally.empty`, `add`, `merge`).

A group is a class (binary, multi-class: the rows whose truth it is) or a label (multi-label: its cells; one further
group holds the rows, each costing the mean of its labels). Every sum is exact, so tallies of any partition of the rows,
merged in any order, are equal byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from . import registers

# Registers, as in src/kernels/tally.hpp: l loss, h entropy, v varentropy, w weight. Without weights, the second list
# is read from the first one and from the counts.
PLAIN = ("wl", "w2l2", "w3l3", "wh", "w2v", "wtop", "wcompat", "wlogsum", "wh_inf", "w2v_inf")
WEIGHTED = ("w", "w2", "w3", "w2l", "w3l", "w3l2", "w_inf", "w2_inf", "w_right", "w_positive")
SOFT = ("wh_label",)  # further, where the truth is given as probabilities: the truth's own entropy
COUNTS = ("rows", "infinite", "right", "positive", "changed", "off")
_SAME = {"w2l": "wl", "w3l": "wl", "w3l2": "w2l2"}
_COUNTED = {"w_inf": "infinite", "w2_inf": "infinite", "w_right": "right", "w_positive": "positive"}


@dataclass(frozen=True)
class Rules:
    """How rows are judged: what a row sum may be off by, whether rows are divided by it, and another library's clip."""

    tolerance: float = 0.0
    renormalize: bool = False
    clamp: tuple[float, float] | None = None  # least and most a row may cost under the convention asked for
    clamp_normalised: bool = False

    def as_tuple(self) -> tuple[float, bool, bool, bool, float, float]:
        least, most = self.clamp or (0.0, 0.0)
        return (self.tolerance, self.renormalize, self.clamp is not None, self.clamp_normalised, least, most)


@dataclass(frozen=True)
class Fault:
    """The first row of a batch that cannot be judged."""

    kind: int
    row: int
    column: int
    value: float


@dataclass(frozen=True, eq=False)
class Details:
    """What is known of every row of a batch beside its loss; of a row of weight 0, what an even row would have.

    entropy and variance of the loss under the model's own probabilities, float64 [n]; margin float64: the logit of
    "yes" [n] (binary), of every label [n, labels], or of "the favourite is right", log c - log(1 - c) [n]; best int32
    [n]: the favourite class, None unless there are several. Infinite where a probability is 0 or 1.
    """

    entropy: np.ndarray
    variance: np.ndarray
    margin: np.ndarray
    best: np.ndarray | None

    @classmethod
    def room(cls, rows: int, columns: int, *, multilabel: bool = False) -> Details:
        """Space for a batch of predictions [rows, columns]."""
        margin = np.empty((rows, columns) if multilabel else rows)
        best = np.empty(rows, np.int32) if columns > 1 and not multilabel else None
        return cls(np.empty(rows), np.empty(rows), margin, best)

    def as_tuple(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
        return (self.entropy, self.variance, self.margin, self.best)


@dataclass(frozen=True)
class Tally:
    """Exact sums of rows seen. `classes` counts classes, or labels when `multilabel`.

    soft: the truth is given as probabilities q. A row of weight w is then a case of weight w q_k of every class with
    q_k > 0, and one further group holds the rows, as in multi-label problems.
    """

    classes: int
    multilabel: bool
    weighted: bool
    sums: np.ndarray
    counts: np.ndarray
    deviation: list[float]  # one number: the largest |row sum - 1| met
    soft: bool = False

    @classmethod
    def empty(
        cls, classes: int, *, multilabel: bool = False, weighted: bool = False, soft: bool = False
    ) -> Tally:  # fmt: skip
        weighted = weighted or soft
        groups = classes + 1 if multilabel or soft else classes
        slots = len(PLAIN) + (len(WEIGHTED) if weighted else 0) + (len(SOFT) if soft else 0)
        sums = np.zeros((groups, slots, registers.DIGITS), np.int64)
        return cls(classes, multilabel, weighted, sums, np.zeros((groups, len(COUNTS)), np.int64), [0.0], soft)

    @property
    def cells(self) -> slice:
        """Groups of classes or labels."""
        return slice(0, self.classes)

    @property
    def rows(self) -> slice:
        """Groups in which every row is once."""
        return slice(self.classes, self.classes + 1) if self.multilabel or self.soft else slice(None)

    def add(
        self,
        x: np.ndarray,
        targets: np.ndarray,
        weight: np.ndarray | None,
        *,
        logits: bool,
        rules: Rules,
        details: Details | None = None,
    ) -> np.ndarray | Fault:
        """Take in a batch (x [rows, columns], targets int32); returns each row's loss (-1 where its weight is 0).

        targets: int32 ids [rows], or 0 and 1 [rows, labels]; soft: float64 [rows, columns], each row's sum above 0.
        details: filled with what else is known of each row.
        """
        from xent import _kernels

        loss = np.empty(len(x))
        asked = None if details is None else details.as_tuple()
        into = (self.sums, self.counts, loss, rules.as_tuple(), asked)
        if self.soft:
            kind, row, column, number = _kernels.soft(x, targets, weight, logits, self.multilabel, *into)
        else:
            kind, row, column, number = _kernels.tally(x, targets, weight, logits, *into)
        if kind:
            return Fault(kind, row, column, number)
        self.deviation[0] = max(self.deviation[0], number)
        return loss

    def merge(self, other: Tally) -> Tally:
        """Both together; associative and commutative, exactly."""
        from xent import _kernels

        mine, theirs = ((t.classes, t.multilabel, t.weighted, t.soft) for t in (self, other))
        if mine != theirs:
            raise ValueError("`merge` needs two tallies of the same problem: same classes, kind and use of weights.")
        sums = self.sums + other.sums
        _kernels.settle(sums)
        deviation = [max(self.deviation[0], other.deviation[0])]
        counts = self.counts + other.counts
        return Tally(self.classes, self.multilabel, self.weighted, sums, counts, deviation, self.soft)

    def count(self, name: str, groups: slice) -> int:
        return int(self.counts[groups, COUNTS.index(name)].sum())

    def total(self, name: str, groups: slice) -> Fraction:
        """The exact sum called `name` over some groups."""
        if name in PLAIN:
            slot = PLAIN.index(name)
        elif self.weighted:
            slot = len(PLAIN) + (*WEIGHTED, *SOFT).index(name)
        elif name in _SAME:
            slot = PLAIN.index(_SAME[name])
        elif name in _COUNTED:
            return Fraction(self.count(_COUNTED[name], groups))
        else:  # w, w2, w3: rows with a finite loss
            return Fraction(self.count("rows", groups) - self.count("infinite", groups))
        return sum((registers.value(r) for r in self.sums[groups, slot]), Fraction(0))

    def weight(self, groups: slice) -> Fraction:
        """Of the rows of some groups, those of infinite loss among them."""
        return self.total("w", groups) + self.total("w_inf", groups)
