"""Scores, targets and weights on the way into a fit, checked once, and the float64 logits that every map acts on.

Two facts force the shape. Logits are what calibration is linear in, and probabilities lose them at the ends, so a row
is read as logits whatever it was given as, and its infinities are kept. And scores may be large while a fit passes over
them ten times, so they stay in the caller's dtype and become float64 block by block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from xent import backends
from xent.information import log_softmax
from xent.probabilities import sum_tolerance

Array = Any
Block = tuple[Array, Array, Array]  # logits, targets, weight or None

ENTRIES = 1 << 19  # of a block: 4 MiB of float64; smaller ones wake the threads more often, and gain nothing


def scores(x: Any, probs: bool) -> Array:
    """Floating-point scores [N], [N, 1] or [N, K], as given."""
    name = "probs" if probs else "logits"
    if hasattr(x, "toarray"):
        raise TypeError(f"`{name}` must be dense, since sparse zeros are rarely scores; got {type(x).__name__}.")
    a = backends.of(x).floating(name, x)
    if a.ndim not in (1, 2) or 0 in a.shape:
        raise ValueError(
            f"`{name}` must have shape (N,), one score a row for two classes, or (N, K), one score a class, "
            f"with N and K at least 1; got shape {a.shape}."
        )
    return a


def columns(a: Array) -> int:
    """1 for one score a row, else K."""
    return 1 if a.ndim == 1 else int(a.shape[1])


def logits_of(x: Array, probs: bool, floor: float) -> Array:
    """Scores [n] or [n, K] as float64 logits: log p - log(1 - p), log p, or what they are; none below the floor's."""
    z = x.astype(np.float64)
    if probs:
        with np.errstate(divide="ignore"):
            z = np.log(z) - np.log1p(-z) if z.ndim == 1 else np.log(z)
    elif z.ndim == 2 and (sure := np.isposinf(z)).any():  # one class that is certain: the others are not there
        z = np.where(sure.any(1)[:, None], np.where(sure, 0.0, -np.inf), z)
    if not floor:
        return z
    least = np.log(floor)
    return np.clip(z, least - np.log1p(-floor), np.log1p(-floor) - least) if z.ndim == 1 else np.maximum(
        log_softmax(z), least
    )  # fmt: skip


def spans(rows: int, width: int) -> Iterator[slice]:
    step = max(1, ENTRIES // width)
    return (slice(start, start + step) for start in range(0, rows, step))


def _first(wrong: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def complaint(x: Array, probs: bool) -> tuple[str, int] | None:
    """What is wrong with a block of scores, and in which of its rows."""
    bad: Array = ~((x >= 0) & (x <= 1)) if probs else np.isnan(x)
    if bad.any():
        at = _first(bad)
        rule = "`probs` must lie in [0, 1]" if probs else "`logits` must not be NaN"
        return f"{rule}; got {x[at]}", at[0]
    if x.ndim == 1:
        return None
    if probs:
        total, slack = x.sum(1, dtype=np.float64), sum_tolerance(x.dtype, x.shape[1])
        off = ~(abs(total - 1.0) <= slack)
        rule = f"`probs` must sum to 1 within {slack:.2g} over the {x.shape[1]} classes; got {{:.9g}}"
        return (rule.format(total[_first(off)]), _first(off)[0]) if off.any() else None
    gone, sure = (x == side for side in (-np.inf, np.inf))
    lost = gone.all(1) | (sure.sum(1) > 1)
    if not lost.any():
        return None
    row = _first(lost)[0]
    got = "-inf everywhere" if gone[row].all() else f"+inf {sure[row].sum()} times"
    return f"`logits` must name one distribution: +inf on one class at most, not -inf on all of them; got {got}", row


def check_scores(x: Array, probs: bool, row: Array | None = None) -> None:
    """ValueError for the first row that is no distribution; `row` translates its number."""
    for span in spans(len(x), columns(x)):
        if found := complaint(x[span], probs):
            at = span.start + found[1]
            raise ValueError(f"{found[0]} at row {at if row is None else row[at]}.")


@dataclass(frozen=True, eq=False, slots=True)
class Rows:
    """The rows of a fit that count: scores as given; targets in [0, 1] (one score a row, or `binary`), class ids or
    rows of probabilities; weights > 0 or None."""

    scores: Array
    targets: Array
    weight: Array
    probs: bool
    floor: float
    binary: bool
    total: float  # sum of weights

    @property
    def width(self) -> int:
        """Scores a row."""
        return columns(self.scores)

    @property
    def size(self) -> int:
        """Numbers in all."""
        return int(self.scores.size)

    def blocks(self, infinite: bool = False) -> Iterator[Block]:
        """Float64 logits with targets and weights, part by part. Binary rows at +-inf cost nothing here (`read` has
        refused the others) and are left out unless asked for."""
        for span in spans(len(self.scores), columns(self.scores)):
            z, t = logits_of(self.scores[span], self.probs, self.floor), self.targets[span]
            w = None if self.weight is None else self.weight[span]
            if self.binary:
                z = z if z.ndim == 1 else z[:, 1] - z[:, 0]
                if not infinite and not (finite := np.isfinite(z)).all():
                    z, t, w = z[finite], t[finite], None if w is None else w[finite]
            yield z, t, w

    def class_weights(self) -> Array:
        """The sum of weights of each class, soft targets by their shares."""
        w = np.ones(len(self.targets)) if self.weight is None else self.weight
        if self.binary:
            ones = float(w @ self.targets)
            return np.array([float(w @ (1.0 - self.targets)), ones])
        if self.targets.ndim == 2:
            return np.asarray(w @ self.targets)
        return np.bincount(self.targets, w, self.scores.shape[1])


def _targets(y: Any, rows: int, classes: int) -> Array:
    """Class ids int64 (rows,), probabilities of class 1 (rows,) where there are two classes and no ids, or rows of
    probabilities (rows, classes)."""
    if y is None:
        raise ValueError("`targets` must say what happened: a fit requires y to be passed, but the target y is None.")
    t = backends.of(y).targets("targets", y)
    if t.shape == (rows, 1) and classes == 2:
        t = t[:, 0]
    if t.shape not in ((rows,), (rows, classes)):
        raise ValueError(
            f"`targets` must have one entry per row, ({rows},), or one row of {classes} probabilities each; "
            f"got shape {t.shape}."
        )
    return t


def _check_targets(t: Array, classes: int, row: Array) -> Array:
    """Targets of the rows that count, as a fit reads them."""
    ids = t.ndim == 1 and t.dtype.kind in "biu"
    if t.ndim == 1 and not ids and classes > 2:
        raise TypeError(f"`targets` of shape {t.shape} are class ids and must be integers; got {t.dtype}.")
    wrong = (t < 0) | (t >= classes) if ids else ~((t >= 0) & (t <= 1))
    if wrong.any():
        at = _first(wrong)
        rule = f"hold class ids in [0, {classes})" if ids else "lie in [0, 1]"
        raise ValueError(f"`targets` must {rule}; got {t[at]} at row {row[at[0]]}.")
    if ids:
        return t.astype(np.int64)
    t = t.astype(np.float64)
    if t.ndim == 2 and (off := ~(abs(t.sum(1) - 1.0) <= classes * 2.0**-23)).any():
        at = _first(off)
        raise ValueError(f"rows of `targets` must sum to 1; got {t[at].sum():.9g} at row {row[at[0]]}.")
    return t


def _weights(sample_weight: Any, rows: int) -> Array | None:
    if sample_weight is None:
        return None
    backend = backends.of(sample_weight)
    w = backend.nonnegative("sample_weight", backend.weights("sample_weight", sample_weight)).astype(np.float64)
    if w.shape != (rows,):
        raise ValueError(f"`sample_weight` must have one entry per row, ({rows},); got shape {w.shape}.")
    if not w.any():
        raise ValueError(f"`sample_weight` must leave something to fit; got zero weight in all {rows} rows.")
    if w.max() > 2.0**1023 / rows:
        raise ValueError("`sample_weight` must have a finite sum; multiply the weights by a constant.")
    return w


def read(
    x: Any, y: Any, sample_weight: Any, *, probs: bool, floor: float, binary: bool, impossible: str | None
) -> Rows:
    """The rows of a fit. `binary`: two classes are read as one logit. `impossible`: what cannot repair probability 0 on
    the truth; None where it can."""
    a = scores(x, probs)
    if a.ndim == 2 and a.shape[1] == 1:
        a = a[:, 0]
    width = columns(a)
    classes = 2 if width == 1 else width
    binary = binary or width == 1
    if binary and classes > 2:
        raise ValueError(
            f"`{'probs' if probs else 'logits'}` must be those of two classes, (N,) or (N, 2), for this map; got shape "
            f"{a.shape}. For more classes: Temperature, Vector or Matrix."
        )
    t, w = _targets(y, len(a), classes), _weights(sample_weight, len(a))
    row = np.arange(len(a)) if w is None else np.flatnonzero(w)
    if len(row) < len(a):
        a, t, w = a[row], t[row], None if w is None else w[row]
    t = _check_targets(t, classes, row)
    check_scores(a, probs, row)
    if binary:
        t = (t if t.ndim == 1 else t[:, 1]).astype(np.float64)
    elif t.ndim == 1 and t.dtype.kind == "f":  # soft targets of two classes in two columns
        t = np.stack([1.0 - t, t], 1)
    total = float(len(a) if w is None else w.sum())
    rows = Rows(a, t, w, probs, floor, binary, total)
    if impossible is not None:
        _check_possible(rows, impossible, row)
    return rows


def infinite_rows(z: Array, t: Array) -> Array:
    """Rows whose target has mass where the logits leave none."""
    if z.ndim == 1:
        return (np.isposinf(z) & (t < 1)) | (np.isneginf(z) & (t > 0))
    gone: Array = np.isneginf(z)
    return gone[np.arange(len(z)), t] if t.ndim == 1 else (gone & (t > 0)).any(1)


def _check_possible(rows: Rows, who: str, row: Array) -> None:
    count, first, start = 0, -1, 0
    for z, t, _ in rows.blocks(infinite=True):
        if (lost := infinite_rows(z, t)).any():
            first = start + int(np.argmax(lost)) if first < 0 else first
            count += int(lost.sum())
        start += len(z)
    if count:
        raise ValueError(
            f"`{'probs' if rows.probs else 'logits'}` must leave the truth a probability > 0, which {who} cannot mend; "
            f"got 0 in {count} of {start} rows, first at row {row[first]}. Give `floor`, the least probability to "
            f"believe (such as 1e-6), leave the rows out, or{' use Isotonic' if rows.binary else ' mend the model'}."
        )
