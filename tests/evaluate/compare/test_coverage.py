"""What intervals, p-values and the power formula promise, by simulation with a fixed seed.

Repeats run on the sums of a pair; that `compare` gives these numbers is the first test.
"""

import math

import numpy as np
import pytest

import xent
from xent.evaluate.compare.pairs import Method, error_of
from xent.evaluate.compare.sums import Sums, power_rows

REPEATS = 2000
NOISE = 3.3 * math.sqrt(0.05 * 0.95 / REPEATS)  # a share of 5 % counted over the repeats strays no further (p < 0.001)
PLAIN, CLUSTERED, ALONG = Method("iid", None, 0.95), Method("cluster", "g", 0.95), Method("time", "t", 0.95)


def losses(rng, rows, size=0.0, alike=1):
    """Losses of two forecasters that differ by `size` logits on average, as far for all rows of a cluster."""
    a, b = (np.repeat(rng.normal(size=rows // alike), alike) for _ in range(2))
    return np.logaddexp(0, size - a), np.logaddexp(0, -b)


def p_value(d, method=PLAIN, slot=None):
    """(p-value of no difference, standard error)."""
    slot = np.zeros(len(d), np.int32) if slot is None else slot.astype(np.int32)
    sums = Sums.empty(int(slot.max()) + 1, weighted=False)
    sums.add(slot, d, None)
    error = error_of(sums, method)
    return error.p_value(d.mean()), error.standard_error


def test_the_simulations_below_are_of_what_compare_says():
    rng = np.random.default_rng(7)
    y = rng.integers(0, 2, 500)
    sign = np.where(y == 1, 1.0, -1.0)
    z = rng.normal(size=(2, 500))
    pair = xent.compare(targets=y, models={"a": {"logits": sign * z[0]}, "b": {"logits": sign * z[1]}}).pairs[0]
    d = np.logaddexp(0, -z[0]) - np.logaddexp(0, -z[1])
    assert (pair.p_value, pair.standard_error) == pytest.approx(p_value(d), rel=1e-9)
    assert pair.rows_for_power == power_rows(500, pair.difference, pair.standard_error, 0.95)


def test_independent_rows_are_rejected_as_often_as_promised():
    rng = np.random.default_rng(0)
    p = np.array([p_value(np.subtract(*losses(rng, 50)))[0] for _ in range(REPEATS)])
    assert abs((p < 0.05).mean() - 0.05) < NOISE
    assert abs((p < 0.5).mean() - 0.5) < 3.3 * 0.5 / math.sqrt(REPEATS)


def test_clusters_ignored_reject_too_often_and_clusters_told_do_not():
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(20), 20)
    draws = [np.subtract(*losses(rng, 400, alike=20)) for _ in range(REPEATS)]
    assert np.mean([p_value(d)[0] < 0.05 for d in draws]) > 0.4
    assert abs(np.mean([p_value(d, CLUSTERED, cluster)[0] < 0.05 for d in draws]) - 0.05) < NOISE


def test_time_ignored_rejects_too_often_and_time_told_does_not():
    rng = np.random.default_rng(4)
    draws = []
    for _ in range(REPEATS // 2):
        shocks = rng.normal(size=420)
        d = np.convolve(shocks, 0.7 ** np.arange(20), "valid")[:400]  # autoregressive, 0.7
        draws.append(d)
    naive = np.mean([p_value(d)[0] < 0.05 for d in draws])
    told = np.mean([p_value(d, ALONG, np.arange(400))[0] < 0.05 for d in draws])
    assert naive > 0.25 and abs(told - 0.05) < NOISE * math.sqrt(2) + 0.015  # the lag window leaves a little


def test_rows_for_power_are_rows_that_show_it_four_times_in_five():
    rng = np.random.default_rng(2)
    d = np.subtract(*losses(rng, 400_000, size=0.3))
    error = p_value(d)[1]
    needed = power_rows(len(d), d.mean(), error, 0.95)
    assert needed == pytest.approx(400_000 * ((1.959964 + 0.841621) * error / d.mean()) ** 2, abs=1)
    shown = np.mean([p_value(np.subtract(*losses(rng, needed, size=0.3)))[0] < 0.05 for _ in range(REPEATS)])
    assert abs(shown - 0.8) < 3.3 * 0.4 / math.sqrt(REPEATS) + 0.01


def test_rows_for_power_grow_with_the_design_effect():
    rng = np.random.default_rng(3)
    d, cluster = np.subtract(*losses(rng, 4000, size=0.5, alike=20)), np.repeat(np.arange(200), 20)
    plain, told = p_value(d)[1], p_value(d, CLUSTERED, cluster)[1]
    effect = (told / plain) ** 2
    needed = [power_rows(len(d), d.mean(), error, 0.95) for error in (plain, told)]
    assert effect > 5 and needed[1] == pytest.approx(effect * needed[0], abs=effect + 1)
    assert power_rows(100, 0.0, 0.1, 0.95) is power_rows(100, 0.1, None, 0.95) is None
