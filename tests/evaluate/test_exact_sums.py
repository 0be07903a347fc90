"""The sums are those of the rows themselves, to the last bit, whichever instruction set the tally was compiled for.

The tally runs the best clone that the machine offers; the constants below hold on every one of them, and mpmath, which
shares no code with it, says that they are right.
"""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

import xent

ROWS = 1000
# Weyl's sequence: the same float64 numbers everywhere, without a generator that could change.
P = (np.arange(1, ROWS + 1) * 40503 % 65536) / 65536.0
T = np.arange(ROWS) * 7 % 3 % 2
LOGITS = np.stack([(np.arange(ROWS) * k % 257 - 128) / 16.0 for k in (31, 67, 101)], axis=1)
IDS = np.arange(ROWS) * 5 % 3


def probs_loss(p, t):
    return -mpmath.log(mpmath.mpf(float(p if t else 1.0 - p)))


def logits_loss(z, y):
    return mpmath.log(mpmath.fsum(mpmath.exp(mpmath.mpf(float(v))) for v in z)) - mpmath.mpf(float(z[y]))


CASES = {
    "probs": ({"targets": T, "probs": P}, [(p, t) for p, t in zip(P, T, strict=True)], probs_loss),
    "logits": ({"targets": IDS, "logits": LOGITS}, list(zip(LOGITS, IDS, strict=True)), logits_loss),
}
STORED = {"probs": "0x1.00fa6dad0e9c8p+0", "logits": "0x1.0c34b3a5c651dp+2"}


@pytest.mark.parametrize("name", CASES)
def test_a_fixed_set_has_its_stored_value_and_mpmath_agrees(name):
    given, rows, loss = CASES[name]
    score = xent.score(**given, rows=ROWS)
    assert score.log_loss.hex() == STORED[name]
    with mpmath.workdps(50):
        true = float(mpmath.fsum(loss(x, t) for x, t in rows) / ROWS)
    assert true.hex() == STORED[name]


@pytest.mark.parametrize("name", CASES)
def test_the_mean_is_the_rows_summed_exactly_and_rounded_once(name):
    score = xent.score(**CASES[name][0], rows=ROWS)
    total = sum((Fraction(row.loss) for row in score.dearest), Fraction(0))
    assert len(score.dearest) == ROWS
    assert score.log_loss == float(total / ROWS)
