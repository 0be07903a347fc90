"""From an optimum of cells or of a sample to that of all rows: a few Newton steps, each one pass over the files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xent.calibrate.affine import Solved
from xent.calibrate.logistic import Logistic, lowest
from xent.calibrate.newton import GAIN, direction
from xent.calibrate.temperature import near_beta

from .stream import Stream, label_logits

Array = Any
PASSES = 8


def refined_beta(stream: Stream, beta: float) -> float:
    """One inverse temperature for K classes, or for all labels."""
    rows = stream if stream.plan.kind == "multiclass" else _Flat(stream)
    return near_beta(rows, beta) if beta > 0.0 else beta  # type: ignore[arg-type]


class _Flat:
    """Yes/no problems of a stream as rows of one."""

    binary = True

    def __init__(self, stream: Stream) -> None:
        self.stream, self.total = stream, stream.total * stream.width

    def blocks(self, infinite: bool = False) -> Any:
        for x, t, w in self.stream.batches():
            yes = np.asarray(t, np.float64).reshape(-1)
            z = label_logits(x, self.stream.plan.form, self.stream.floor).reshape(-1)
            heavy = None if w is None else np.repeat(w, x.shape[1])
            finite = np.isfinite(z)
            yield (
                (z, yes, heavy) if finite.all() else (z[finite], yes[finite], None if heavy is None else heavy[finite])
            )


def refined_slopes(stream: Stream, found: Sequence[tuple[Logistic, Array] | None]) -> list[Array | None]:
    """Slopes and intercepts of every label, from those of its cells; a label without stays so."""
    best: list[Array | None] = [None if f is None else f[1] for f in found]
    open_ = [i for i, f in enumerate(found) if f is not None and (f[1][:-1] > 0).any()]
    for _ in range(PASSES):
        if not open_:
            break
        sums = _sums(stream, {i: (found[i], best[i]) for i in open_})
        left = []
        for i in open_:
            gradient, hessian = (s / stream.total for s in sums[i])
            x, least = best[i], lowest(len(gradient) - 1)
            step = direction(hessian, gradient, (x > least) | (gradient < 0))
            best[i] = np.maximum(x + step, least)
            if -0.5 * float(gradient @ step) > GAIN:
                left.append(i)
        open_ = left
    return best


def _sums(stream: Stream, at: dict[int, Any]) -> dict[int, list[Array]]:
    """Gradient and Hessian of each label, summed over all rows."""
    sums = {i: [np.zeros(len(x)), np.zeros((len(x), len(x)))] for i, (_, x) in at.items()}
    for x, t, w in stream.batches():
        z = label_logits(x, stream.plan.form, stream.floor)
        yes = np.asarray(t, np.float64).reshape(z.shape)
        for i, ((problem, _), here) in at.items():
            own, finite = z[:, i], np.isfinite(z[:, i])
            block = (
                (own, yes[:, i], w) if finite.all() else (own[finite], yes[finite, i], None if w is None else w[finite])
            )
            _, gradient, hessian = problem.of(here, *block)
            sums[i][0] += gradient
            sums[i][1] += hessian
    return sums


def refined_classes(stream: Stream, found: Solved) -> Array | None:
    """Vector or matrix scaling of all rows, by the Hessian of the sample; None where it does not get there."""
    return found.again(stream, dear=True)  # type: ignore[arg-type]
