"""The out-of-sample gain: its arithmetic, its error, and that it tells a repair from noise."""

import math

import numpy as np
import pytest
from scipy.stats import t as student_t

from xent import sigmoid_cross_entropy, softmax_cross_entropy
from xent.calibrate import Isotonic, Matrix, Temperature, cross_fitted_gain
from xent.calibrate.gain import METHODS, fold_of, paired, student


def overconfident(rng, n=3000):
    z = rng.normal(size=n)
    return 3.0 * z, (z + rng.logistic(size=n) > 0).astype(int)


@pytest.mark.parametrize("tail", [0.05, 0.025, 0.005])
@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 7, 10, 20, 100, 100000])
def test_quantiles_of_student(freedom, tail):
    within = 1e-12 if freedom < 3 else {3: 0.02, 4: 0.006}.get(freedom, 2e-3)
    assert student(tail, freedom) == pytest.approx(student_t.isf(tail, freedom), rel=within)


@pytest.mark.parametrize("method", ["temperature", "platt", "beta", "isotonic"])
def test_a_repair_is_seen_and_noise_is_not(method, rng):
    z, t = overconfident(rng)
    found = cross_fitted_gain(method, z, t)
    assert found.pays and found.low < found.gain < found.high and found.method == method
    assert found.before == pytest.approx(sigmoid_cross_entropy(z, t)) and found.in_sample >= found.gain
    assert found.gain == pytest.approx(found.before - found.after, abs=1e-12)
    repaired = METHODS[method]().fit(z, t)
    again = cross_fitted_gain(method, repaired.transform(z), t)
    assert not again.pays and abs(again.gain) < 0.01


def test_the_gain_by_hand(rng):
    z, t = overconfident(rng, 60)
    w = rng.integers(0, 3, 60).astype(float)
    found = cross_fitted_gain(Temperature(), z, t, folds=3, sample_weight=w, seed=4)
    z, t, w = z[w > 0], t[w > 0], w[w > 0]
    fold = fold_of(t, None, 3, 4)
    after = np.empty(len(z))
    for f in range(3):
        beta = Temperature().fit(z[fold != f], t[fold != f], w[fold != f]).beta_
        after[fold == f] = sigmoid_cross_entropy(beta * z[fold == f], t[fold == f], reduction="none")
    d = sigmoid_cross_entropy(z, t, reduction="none") - after
    mean = np.average(d, weights=w)
    assert found.gain == pytest.approx(mean, rel=1e-12) and found.rows == len(z)
    error = math.sqrt(((w * (d - mean)) ** 2).sum() * len(z) / (len(z) - 1)) / w.sum()
    assert found.standard_error == pytest.approx(error, rel=1e-12)
    assert found.high - found.gain == pytest.approx(error * student_t.isf(0.025, len(z) - 1), rel=1e-4)


def test_clusters_stay_together_and_widen_the_error(rng):
    z, t = overconfident(rng, 200)
    z, t, cluster = np.repeat(z, 10), np.repeat(t, 10), np.repeat([f"game {i}" for i in range(200)], 10)
    naive = cross_fitted_gain("temperature", z, t)
    found = cross_fitted_gain("temperature", z, t, cluster=cluster)
    assert found.clusters == 200 and naive.clusters is None
    assert found.standard_error == pytest.approx(naive.standard_error * math.sqrt(10), rel=0.15)
    fold = fold_of(t, np.unique(cluster, return_inverse=True)[1], 5, 0)
    assert all(len(set(fold[cluster == c])) == 1 for c in np.unique(cluster)) and len(set(fold)) == 5


def test_folds_hold_classes_alike(rng):
    t = rng.permutation(np.repeat([0, 1, 2], [50, 30, 20]))
    fold = fold_of(t, None, 5, 0)
    counts = np.array([np.bincount(t[fold == f], minlength=3) for f in range(5)])
    assert (np.ptp(counts, 0) <= 1).all() and not np.array_equal(fold, fold_of(t, None, 5, 1))


def test_many_classes_and_a_calibrator_with_options(rng):
    z = rng.normal(size=(600, 4))
    t = (z + rng.gumbel(size=(600, 4))).argmax(1)
    method = Matrix(ridge=1e3)
    found = cross_fitted_gain(method, 2.5 * z, t, folds=3)
    assert found.before == pytest.approx(softmax_cross_entropy(2.5 * z, t)) and found.pays
    assert not hasattr(method, "map_")


def test_rows_that_cost_infinitely_much():
    z = np.tile([-2.0, -1.0, 0.0, 1.0, 2.0], 20)
    t = np.tile([0, 0, 1, 0, 1], 20)
    z[7] = np.inf if t[7] == 0 else -np.inf
    found = cross_fitted_gain(Isotonic(), z, t)
    assert (found.infinite_before, found.infinite_after) == (1, 0)
    assert found.before == found.gain == math.inf and math.isfinite(found.after) and found.pays
    assert found.standard_error is found.low is found.high is None


def test_a_difference_of_one_row_has_no_error():
    assert paired(np.array([0.5]), None, None) == (0.5, None, 0)
