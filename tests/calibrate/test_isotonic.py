"""Pool adjacent violators against the definition, and what the smoothing promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xent.calibrate import Isotonic
from xent.calibrate.isotonic import pool


def least_squares(ones, weight):
    """The increasing fit by its min-max formula (Barlow et al. 1972): max over starts of min over ends of the mean."""
    n = len(ones)
    mean = [[sum(ones[a : b + 1]) / sum(weight[a : b + 1]) if a <= b else 0 for b in range(n)] for a in range(n)]
    return [max(min(mean[a][b] for b in range(i, n)) for a in range(i + 1)) for i in range(n)]


rows = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=25)


@given(rows)
def test_blocks_are_the_increasing_fit(drawn):
    ones = np.array([min(k, n) for k, n in drawn], float)
    weight = np.array([n for _, n in drawn], float)
    begin = pool(ones, weight)
    block = np.cumsum(np.isin(np.arange(len(ones)), begin)) - 1
    means = np.bincount(block, ones) / np.bincount(block, weight)
    np.testing.assert_allclose(means[block], least_squares(ones.tolist(), weight.tolist()), rtol=1e-12)
    assert (np.diff(means) > 0).all()


@given(st.lists(st.tuples(st.sampled_from([-np.inf, -1.0, 0.0, np.nextafter(0, 1), 1.0, np.nextafter(1, 2), np.inf]),
                          st.booleans(), st.integers(0, 3)), min_size=1, max_size=30))  # fmt: skip
def test_never_0_or_1_and_never_falling(drawn):
    z, t, w = (np.array(x) for x in zip(*drawn, strict=True))
    if not w.any():
        return
    fitted = Isotonic().fit(z, t.astype(int), w)
    asked = np.sort(np.concatenate([z, [-5.0, 0.3, 5.0, -1e308, 1e308, 5e-324]]))
    probs = fitted.map_.probabilities(asked)
    assert (probs > 0).all() and (probs < 1).all()
    assert (np.diff(fitted.transform(asked)) >= 0).all()


def test_scores_one_ulp_apart_are_two_and_equal_ones_one():
    """scikit-learn merges the first within its eps and answers NaN for the larger."""
    z = np.array([0.5, np.nextafter(0.5, 1), 0.5, np.nextafter(0.5, 1)])
    fitted = Isotonic().fit(z, [0, 1, 0, 1])
    low, high = fitted.map_.probabilities(z[:2])
    assert low == pytest.approx(0.5 / 3) and high == pytest.approx(2.5 / 3)
    assert Isotonic().fit([0.5] * 4, [0, 1, 0, 1]).blocks_ == 1


@pytest.mark.parametrize("gap", [5e-324, 1e-310, 1.7e308])
def test_interpolation_survives_any_gap(gap):
    fitted = Isotonic().fit([-gap, gap], [0, 1])
    out = fitted.transform([-gap, 0.0, gap])
    assert np.isfinite(out).all() and (np.diff(out) >= 0).all() and out[0] < out[2]


def test_the_block_formula():
    z, t = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0, 0, 1, 0, 1, 1, 1]
    pi = 5 / 9
    fitted = Isotonic(strength=2.0).fit(z, t)
    want = [2 * pi / 4] * 2 + [(1 + 2 * pi) / 4] * 2 + [(3 + 2 * pi) / 5] * 3
    np.testing.assert_allclose(fitted.map_.probabilities(z), want, rtol=1e-12)
    assert fitted.blocks_ == 3


def test_blocks_that_smoothing_disorders_are_pooled_again():
    """One row at 0 of 1 is pulled further than a thousand at 2 in 1000 below a base rate of a half."""
    z = np.concatenate([[0.0], np.full(1000, 1.0), np.full(1000, 2.0)])
    t = np.concatenate([[0], np.arange(1000) < 2, np.arange(1000) < 998]).astype(int)
    fitted = Isotonic().fit(z, t)
    assert fitted.blocks_ == 2
    assert (np.diff(fitted.transform([0.0, 1.0, 2.0])) >= 0).all()


def test_agrees_with_scikit_learn_where_it_is_sound(rng):
    isotonic = pytest.importorskip("sklearn.isotonic")
    z = rng.normal(size=3000)
    t = (z + rng.logistic(size=3000) > 0).astype(int)
    theirs = isotonic.IsotonicRegression(y_min=0, y_max=1).fit(z, t).predict(z)
    ours = Isotonic(strength=1e-12).fit(z, t).map_.probabilities(z)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_only_infinite_scores():
    fitted = Isotonic(probs=True).fit([0.0, 0.0, 1.0, 1.0, 1.0], [0, 0, 1, 1, 0])
    low, middle, high = fitted.map_.probabilities([0.0, 0.5, 1.0])
    assert 0 < low < middle < high < 1
