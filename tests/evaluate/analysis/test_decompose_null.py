"""What a calibrated forecaster would show: against outcomes drawn row by row, and as a test that keeps its level."""

import math

import numpy as np
import pytest
from scipy.optimize import isotonic_regression
from yes_no import logit, scores

from xent.evaluate.analysis.claims import Claims, pooled
from xent.evaluate.analysis.null import LEAST, MOST, null


def claims(p, y, w=None):
    return Claims.of(scores(logit(p), y, w, p))


def miscalibration(p, y, w):
    """By SciPy's fit of the rows; equal claims are one."""
    at = np.unique(p, return_inverse=True)[1]
    whole, ones = np.bincount(at, w), np.bincount(at, w * y)
    rate = isotonic_regression(ones / whole, weights=whole).x[at]
    share, left = np.where(y, p, 1 - p), np.where(y, rate, 1 - rate)
    return (w * np.log(left / share)).sum() / w.sum()


def by_hand(p, w, draws, seed):
    """Miscalibration of `draws` data sets whose outcomes follow the claims, row by row."""
    rng = np.random.default_rng(seed)
    return np.array([miscalibration(p, rng.random(len(p)) < p, w) for _ in range(draws)])


def error(values):
    return values.std(ddof=1) / math.sqrt(len(values))


@pytest.mark.parametrize("weights", ["none", "alike in a cell", "mixed in a cell"])
def test_expected_is_that_of_outcomes_drawn_row_by_row(weights):
    rng = np.random.default_rng(5)
    p = np.repeat(rng.random(40).round(2).clip(0.01, 0.99), 10)
    choices = {"none": [1.0], "alike in a cell": [0.5, 3.0], "mixed in a cell": [1.0, 1.0, 6.0]}[weights]
    w = rng.choice(choices, 40).repeat(10) if weights == "alike in a cell" else rng.choice(choices, 400)
    y = rng.random(400) < p
    found = null(claims(p, y, w), (1,))
    drawn = by_hand(p, w, 1500, 6)
    assert found.resamples == MOST
    # 4.5 standard errors of the difference of two means; the tail point to 8 % (it wanders by 2 %)
    spread = math.hypot(error(drawn), drawn.std() / math.sqrt(MOST))
    assert found.expected == pytest.approx(drawn.mean(), abs=4.5 * spread)
    assert found.high == pytest.approx(np.quantile(drawn, 0.95), rel=0.08)
    assert found.p_value == pytest.approx(np.mean(drawn >= miscalibration(p, y, w)), abs=0.09)


def test_a_weight_is_one_outcome_that_counts_more_not_more_outcomes():
    rng = np.random.default_rng(7)
    p = rng.random(200)
    y = rng.random(200) < p
    heavy, plain = (null(claims(p, y, np.full(200, weight)), (1,)) for weight in (2.0, 1.0))
    assert heavy == plain
    twice = null(claims(np.tile(p, 2), np.tile(y, 2)), (1,))
    assert twice.expected < 0.75 * plain.expected


def test_p_values_of_a_calibrated_forecaster_are_uniform():
    rng = np.random.default_rng(8)
    found = []
    for i in range(200):
        p = rng.beta(0.6, 1.5, 150).round(2 + i % 3)  # ties, and claims of 0
        w = rng.choice([1.0, 2.5], 150) if i % 2 else None
        found.append(null(claims(p, rng.random(150) < p, w), (i,)).p_value)
    gap = np.abs(np.sort(found) - (np.arange(200) + 0.5) / 200).max()
    assert gap < 1.63 / math.sqrt(200)  # Kolmogorov and Smirnov, level 1 %
    assert min(found) >= 1 / (MOST + 1)


def test_an_overconfident_forecaster_is_found_out():
    rng = np.random.default_rng(9)
    p = rng.random(1000)
    y = rng.random(1000) < 0.5 + 0.6 * (p - 0.5)
    found = null(claims(p, y), (1,))
    assert found.p_value == 1 / (found.resamples + 1)
    assert miscalibration(p, y, np.ones(1000)) > found.high > found.expected > 0
    impossible = null(claims(np.append(p, 1.0), np.append(y, False)), (1,))
    assert impossible.p_value == 0.0 and impossible.expected == pytest.approx(found.expected, rel=0.1)


def test_the_band_holds_the_curve_of_a_calibrated_forecaster_with_95_percent():
    rng = np.random.default_rng(10)
    inside = []
    for i in range(200):
        p = np.repeat(np.linspace(0.05, 0.95, 19), 300)
        y = rng.random(len(p)) < p
        found = null(claims(p, y), (i,))
        curve = isotonic_regression(np.add.reduceat(y, np.arange(0, len(p), 300)) / 300).x
        assert [point.claimed for point in found.band] == pytest.approx(p[::300])
        inside.append(
            [point.low - 1e-12 <= rate <= point.high + 1e-12 for point, rate in zip(found.band, curve, strict=True)]
        )
    cover = np.mean(inside, axis=1)
    # 3.3 standard errors of 200 data sets, and 0.6 % that rates of the very ends of a band add
    assert cover.mean() == pytest.approx(0.953, abs=0.003 + 3.3 * cover.std() / math.sqrt(200))


def test_a_seed_is_an_answer_and_problems_draw_apart():
    rng = np.random.default_rng(11)
    p = rng.random(100)
    same = claims(p, rng.random(100) < p)
    assert null(same, (3, 0)) == null(same, (3, 0))
    assert len({null(same, seed).expected for seed in [(3, 0), (3, 1), (4, 0), (4, 1)]}) == 4


@pytest.mark.parametrize("problems", [20, 1000])
def test_many_problems_share_the_draws_and_pooling_takes_nothing_away(problems):
    rng = np.random.default_rng(12)
    p = 1 / (1 + np.exp(-rng.normal(0, 2, 200_000)))
    z = logit(p).round(3)
    held = Claims.of(scores(z, rng.random(200_000) < p))
    whole = [null(held, (1, i)) for i in range(4)]
    few = [null(held, (1, i), problems) for i in range(4)]
    assert {found.resamples for found in few} == {LEAST}
    expected = np.mean([found.expected for found in whole])
    # MCB* scatters by a tenth: 0.5 % in 396 resamples; what the pools hide scatters by a few per cent of the whole
    assert np.mean([found.expected for found in few]) == pytest.approx(expected, rel=0.08)
    assert np.mean([found.high for found in few]) == pytest.approx(np.mean([found.high for found in whole]), rel=0.08)


def test_pools_keep_rows_weights_claims_and_certainty():
    rng = np.random.default_rng(13)
    p = np.concatenate([np.zeros(50), rng.beta(0.3, 0.3, 5000), np.ones(70), [1e-300, 1 - 2**-53]])
    y, w = rng.random(len(p)) < p, rng.random(len(p)) + 0.5
    held = claims(p, y, w)
    few = pooled(held, 300)
    assert 150 < len(few.z) <= 302 and (np.diff(few.z) > 0).all()
    assert (few.rows[0], few.rows[-1]) == (50, 70) and (few.p[0], few.p[-1]) == (0.0, 1.0)
    for name in ("rows", "infinite", "zeros", "ones", "squares"):
        assert getattr(few, name).sum() == pytest.approx(getattr(held, name).sum(), rel=1e-12)
    assert (few.weight * few.p).sum() == pytest.approx((w * p).sum(), rel=1e-12)
    assert pooled(held, len(held.z)) is held


def test_the_numbers_are_plain_ones_where_claims_are_pooled_too():
    p = np.random.default_rng(0).random(3000)
    found = null(claims(p, p > 0.4), (1,), problems=100)
    assert {type(x) for x in (found.expected, found.high, found.p_value, *vars(found.band[0]).values())} == {float}
