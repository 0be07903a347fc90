"""Pooled blocks against the max-min formula in fractions (Barlow et al. 1972), which knows nothing of pooling."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xent import _kernels


def fitted(ones, weight):
    """The increasing fit at i: over all a <= i the largest, over all b >= i the least mean of a to b."""
    n = len(ones)
    mean = {
        (a, b): sum(map(Fraction, ones[a : b + 1])) / sum(map(Fraction, weight[a : b + 1]))
        for a in range(n) for b in range(a, n)
    }  # fmt: skip
    return [max(min(mean[a, b] for b in range(i, n)) for a in range(i + 1)) for i in range(n)]


def starts(ones, weight):
    fit = fitted(ones, weight)
    return [i for i in range(len(fit)) if i == 0 or fit[i] != fit[i - 1]]


def pav(ones, weight):
    return _kernels.pav(np.array(ones, np.float64), np.array(weight, np.float64)).tolist()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=9))
def test_counts(rows):
    weight = [n for _, n in rows]
    ones = [min(k, n) for k, n in rows]
    assert pav(ones, weight) == starts(ones, weight)


# Powers of two: sums of few of them are exact in float64, so that the oracle pools the same numbers.
@given(st.lists(st.tuples(st.sampled_from([0, 1, 2, 3, 4]), st.integers(-20, 20)), max_size=8))
def test_weights_and_ties(rows):
    weight = [2.0**e for _, e in rows]
    ones = [share / 4 * w for (share, _), w in zip(rows, weight, strict=True)]
    assert pav(ones, weight) == starts(ones, weight)


@pytest.mark.parametrize(
    ("ones", "weight", "expected"),
    [
        ([], [], []),
        ([0.5], [1.0], [0]),
        ([1, 1, 1], [1, 1, 1], [0]),
        ([0, 0, 1, 1], [1, 1, 1, 1], [0, 2]),
        ([1, 1, 0, 0], [1, 1, 1, 1], [0]),
        ([1.0, 1.0 + 2**-52], [1.0, 1.0], [0, 1]),  # one ulp apart is apart
        ([1.0, 1.0], [1.0, 1.0 + 2**-52], [0]),
        ([1e-310, 1e-310], [1e308, 5e307], [0, 1]),  # no mean is a number
        ([5e-324, 5e-324], [1.0, 1.0], [0]),
        ([3e307, 1e307], [3e307, 3e307], [0]),
    ],
)
def test_hostile_means(ones, weight, expected):
    assert pav(ones, weight) == expected


def test_time_is_linear_in_the_rows():
    n = 1 << 20
    assert pav(np.arange(n)[::-1] / n, np.ones(n)) == [0]
    assert len(pav(np.arange(n) / n, np.ones(n))) == n
    seesaw = np.where(np.arange(n) % 2 == 0, 0.75, 0.25)  # pools pairs, which all tie
    assert pav(seesaw, np.ones(n)) == [0]


@pytest.mark.parametrize(
    ("ones", "weight", "message"),
    [
        ([1.0], [0.0], "above 0"), ([1.0], [np.nan], "above 0"), ([np.inf], [1.0], "finite"),
        ([1.0, 1.0], [1e308, 1e308], "finite"), ([1.0], [1.0, 2.0], "as many"),
    ],
)  # fmt: skip
def test_what_cannot_be_pooled(ones, weight, message):
    with pytest.raises(ValueError, match=message):
        pav(ones, weight)
