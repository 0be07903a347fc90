"""Sums in fixed point against fractions, whatever the order."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xent.evaluate.state import fixed

ANY = st.floats(allow_nan=False, allow_infinity=False)
BOUNDED = st.floats(-(2.0**61), 2.0**61)


def summed(values, *, wide):
    sums = fixed.zeros(1, wide=wide)
    fixed.scatter(sums, np.zeros(len(values), np.int32), np.array(values))
    return sums


@given(values=st.lists(BOUNDED, max_size=40), wide=st.booleans(), seed=st.integers(0, 9))
def test_sums_are_exact_to_the_last_place_and_know_no_order(values, wide, seed):
    sums = summed(values, wide=wide)
    place = Fraction(1, 2**128) if wide else Fraction(1, 2**63)
    truth = sum(map(Fraction, values), Fraction(0))
    assert abs(fixed.value(sums[0]) - truth) <= len(values) * place
    mixed = np.random.default_rng(seed).permutation(np.array(values))
    halves = [summed(half, wide=wide) for half in (mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :])]
    assert (fixed.merged(*halves) == sums).all() and (fixed.merged(*reversed(halves)) == sums).all()
    exact = float(fixed.value(sums[0]))
    assert fixed.floats(sums)[0] == pytest.approx(exact, rel=2.0**-51, abs=2.0**-120 if wide else 2.0**-62)


@given(value=ANY)
def test_a_value_and_its_negative_are_nothing_and_large_ones_are_held(value):
    sums = summed([value, -value], wide=True)
    assert not sums.any()
    held = max(-(2.0**100), min(2.0**100, value))
    assert abs(fixed.value(summed([value], wide=True)[0]) - Fraction(held)) < Fraction(1, 2**128)


def test_many_held_values_have_room():
    sums = summed([1e300] * 1000 + [-1e300] * 400, wide=True)
    assert fixed.value(sums[0]) == 600 * 2**100
    for _ in range(16):  # 4e7 of them
        sums = fixed.merged(sums, sums)
    assert fixed.value(sums[0]) == 600 * 2**116 and fixed.floats(sums)[0] == 600 * 2.0**116


@pytest.mark.parametrize("wide", [False, True])
def test_scatter_collect_and_merge_agree(wide):
    rng = np.random.default_rng(0)
    at, x = rng.integers(0, 7, 500).astype(np.int32), rng.normal(size=(500, 3)) * 2.0 ** rng.integers(-40, 40, (500, 1))
    sums = fixed.zeros(7, 3, wide=wide)
    fixed.scatter(sums, at, x)
    single = fixed.zeros(500, 3, wide=wide)
    fixed.scatter(single, np.arange(500), x)
    collected = fixed.zeros(7, 3, wide=wide)
    fixed.collect(collected, at, single)
    assert (collected == sums).all()
    for slot in range(7):
        for column in range(3):
            truth = math.fsum(x[at == slot, column])
            assert fixed.floats(sums)[slot, column] == pytest.approx(truth, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_only_finite_numbers_have_a_sum(bad):
    for wide in (False, True):
        with pytest.raises(ValueError, match="finite"):
            summed([1.0, bad], wide=wide)
    with pytest.raises(ValueError, match="below 2\\^62"):
        summed([2.0**62], wide=False)
    with pytest.raises(ValueError, match="out of range"):
        fixed.scatter(fixed.zeros(2), np.array([2]), np.ones(1))
