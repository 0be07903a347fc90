"""What the sums of an analysis have room for. What lies beyond is refused by row, never held or dropped.

Sums in fixed point have 128 bits behind the point and hold values at 2^100 (state/fixed.py): within these bounds the
square of a weight keeps 48 bits, and that of weight times loss fits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..faults import BadInput, number, place

LEAST_WEIGHT, MOST_WEIGHT = 2.0**-40, 2.0**40
MOST_LOSS = 2.0**49  # of weight times a finite loss; no float64 probability costs more than 745 nats, but a logit may
ALONE = ", or ask for the score alone (--quick)"


def refuse_weights(weight: Any, source: str, start: int, column: str | None, instead: str = ALONE) -> None:
    """An error at the first weight out of bounds. instead: what else can be done."""
    if weight is None:
        return
    out = (weight > MOST_WEIGHT) | ((weight > 0.0) & (weight < LEAST_WEIGHT))
    if out.any():
        row = int(np.argmax(out))
        raise BadInput(
            f"{place(source, start + row, column)}: here `sample_weight` must be 0 or between 2^-40 and 2^40 (1e-12 to"
            f" 1e12); got {number(float(weight[row]))}. Scale the weights (only their ratios count){instead}."
        )


def refuse_losses(loss: Any, weight: Any, source: str, start: int) -> None:
    """An error at the first finite loss out of bounds."""
    with np.errstate(over="ignore"):
        cost = loss if weight is None else loss * weight
    out = (cost > MOST_LOSS) & np.isfinite(loss)
    if out.any():
        row = int(np.argmax(out))
        times = "" if weight is None else f" times its weight {number(float(weight[row]))}"
        raise BadInput(
            f"{place(source, start + row)}: here a finite loss{times} must stay below 2^49 nats (5.6e14); got"
            f" {number(float(loss[row]))}. Is the logit of the truth a mask? Let it be -inf, mend the row{ALONE}."
        )
