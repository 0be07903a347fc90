"""Exact sums are exact, whatever the order."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xent import _kernels
from xent.evaluate.registers import DIGITS, root, value

FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=64)


def register(numbers):
    digits = np.zeros(DIGITS, np.int64)
    _kernels.accumulate(digits, np.asarray(numbers, np.float64))
    return digits


@given(st.lists(FLOATS))
def test_sum_is_exact(numbers):
    assert value(register(numbers)) == sum(map(Fraction, numbers), Fraction(0))


@given(st.lists(FLOATS), st.randoms())
def test_order_and_parts_do_not_matter(numbers, random):
    shuffled = random.sample(numbers, len(numbers))
    cut = random.randint(0, len(numbers))
    parts = register(shuffled[:cut]) + register(shuffled[cut:])
    _kernels.settle(parts)
    assert (parts == register(numbers)).all()


def test_many_additions_of_the_extremes():
    numbers = np.tile([np.finfo(float).max, -np.finfo(float).max, 5e-324, 2.0**-1022, -1.0], 4001)
    assert value(register(numbers)) == 4001 * sum(map(Fraction, [5e-324, 2.0**-1022, -1.0]))


def test_only_finite_numbers_have_a_sum():
    with pytest.raises(ValueError, match="finite"):
        register([1.0, math.inf])


@given(st.floats(min_value=0, allow_infinity=False), st.floats(min_value=1e-300, max_value=1e300))
def test_root(a, b):
    exact = Fraction(a) / Fraction(b)
    if 1e-300 < exact < 1e300:
        assert root(exact) == pytest.approx(math.sqrt(a) / math.sqrt(b), rel=4e-16)
