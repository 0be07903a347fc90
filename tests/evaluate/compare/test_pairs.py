"""Paired differences against brute force and formulas of others."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xent
from xent.evaluate.sources import Column
from xent.evaluate.state.keys import buckets, cluster_hashes

scipy_stats = pytest.importorskip("scipy.stats")


def models(seed, n=400, kinds=("binary", "binary")):
    """targets and, by model, probabilities or {"logits": ...} of several forecasters of the same rows."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n) * 2
    y = (rng.random(n) < 1 / (1 + np.exp(-z))).astype(int)
    found = {}
    for i, kind in enumerate(kinds):
        own = z * (0.5 + i) + rng.normal(size=n) * 0.5
        found["abcdefghijklmnop"[i]] = {"logits": own} if kind == "logits" else 1 / (1 + np.exp(-own))
    return y, found


def losses(y, model):
    if isinstance(model, dict):
        return np.logaddexp(0, np.where(y == 1, -model["logits"], model["logits"]))
    return -np.log(np.where(y == 1, model, 1 - model))


@pytest.mark.parametrize("kinds", [("binary", "binary"), ("binary", "logits")])
def test_a_pair_is_a_paired_t_test(kinds):
    y, found = models(1, kinds=kinds)
    pair = xent.compare(targets=y, models=found).pairs[0]
    a, b = (losses(y, m) for m in found.values())
    test = scipy_stats.ttest_rel(a, b)
    bounds = test.confidence_interval(0.95)
    assert pair.finite_difference == pair.difference == pytest.approx((a - b).mean(), rel=1e-12)
    assert pair.standard_error == pytest.approx((a - b).std(ddof=1) / math.sqrt(len(y)), rel=1e-10)
    assert (pair.low, pair.high) == pytest.approx((bounds.low, bounds.high), rel=1e-9)
    assert pair.p_value == pytest.approx(test.pvalue, rel=1e-8) and pair.p_holm == pair.p_value
    assert pair.better == np.mean(a > b) and pair.ties == 0 and pair.units == len(y)
    assert pair.ratio == pytest.approx(math.exp((a - b).mean()), rel=1e-12)
    assert pair.percent == pytest.approx(100 * (a - b).mean() / a.mean(), rel=1e-10)


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), weighted=st.booleans())
def test_every_model_has_the_score_of_its_own_rows_bit_for_bit(seed, weighted):
    y, found = models(seed, n=60)
    weight = np.random.default_rng(seed).random(60) + 0.1 if weighted else None
    for model in xent.compare(targets=y, models=found, sample_weight=weight).models:
        own = xent.score(targets=y, probs=found[model.name], sample_weight=weight)
        for name in ("log_loss", "standard_error", "low", "high", "finite_part", "infinite", "baseline", "accuracy"):
            assert getattr(model, name) == getattr(own, name), name


def test_weights_are_rows_told_several_times():
    y, found = models(2, n=120)
    times = np.random.default_rng(0).integers(0, 4, 120)
    weighted = xent.compare(targets=y, models=found, sample_weight=times).pairs[0]
    told = xent.compare(targets=y.repeat(times), models={k: m.repeat(times) for k, m in found.items()}).pairs[0]
    assert weighted.difference == pytest.approx(told.difference, rel=1e-14)
    assert (weighted.better, weighted.ties) == pytest.approx((told.better, told.ties), rel=1e-14)
    a, b = (losses(y, m) for m in found.values())
    r = times * (a - b - weighted.difference)
    n = (times > 0).sum()
    assert weighted.rows == n
    assert weighted.standard_error == pytest.approx(math.sqrt((r @ r) * n / (n - 1)) / times.sum(), rel=1e-10)


def apart(count):
    """Names of clusters that fall into buckets of their own."""
    names = np.arange(10 * count)
    return names[np.unique(buckets(cluster_hashes(names, Column("g", "int", "int64"))), return_index=True)[1]][:count]


def test_clusters_are_the_sandwich_formula():
    y, found = models(3, n=3000)
    cluster = apart(20)[np.arange(3000) // 150]
    pair = xent.compare(targets=y, models=found, cluster=cluster).pairs[0]
    d = np.subtract(*(losses(y, m) for m in found.values()))
    sums = np.bincount(np.arange(3000) // 150, d - d.mean())
    sandwich = math.sqrt((sums @ sums) * 20 / 19) / len(d)  # of equal clusters, the jackknife is the same
    assert (pair.method, pair.units) == ("cluster", 20)
    assert pair.standard_error == pytest.approx(sandwich, rel=1e-9)
    assert pair.high - pair.difference == pytest.approx(scipy_stats.t.ppf(0.975, 19) * sandwich, rel=1e-9)
    assert pair.p_value == pytest.approx(2 * scipy_stats.t.sf(abs(d.mean()) / sandwich, 19), rel=1e-8)


def test_a_jackknife_of_unequal_clusters_by_leaving_each_out():
    y, found = models(3, n=300)
    cluster = np.repeat(apart(5), [10, 20, 40, 80, 150])
    pair = xent.compare(targets=y, models=found, cluster=cluster).pairs[0]
    d = np.subtract(*(losses(y, m) for m in found.values()))
    left = np.array([d[cluster != c].mean() for c in np.unique(cluster)])
    assert pair.standard_error == pytest.approx(math.sqrt(4 / 5 * ((left - d.mean()) ** 2).sum()), rel=1e-9)


def test_time_is_newey_west_by_brute_force():
    y, found = models(4, n=300)
    order = np.random.default_rng(0).permutation(300)
    time = order // 2  # two rows a step, in any order
    pair = xent.compare(targets=y, models=found, time=time).pairs[0]
    d = np.subtract(*(losses(y, m) for m in found.values()))
    u = np.bincount(time, d - d.mean())
    steps, span = len(u), math.ceil(1.3 * math.sqrt(len(u)))
    weights = np.clip(1 - abs(np.subtract.outer(range(steps), range(steps))) / span, 0, None)
    b = span / steps
    assert pair.standard_error == pytest.approx(math.sqrt(u @ weights @ u / (1 - b + b * b / 3)) / len(d), rel=1e-9)
    assert (pair.method, pair.units, pair.lags) == ("time", steps, span - 1)


def test_holm_against_a_computation_by_hand():
    from xent.evaluate.compare.multiplicity import holm

    # sorted: .01 * 4, .02 * 3, .03 * 2 (held at .06), .04 * 1 (held at .06)
    assert holm([0.03, 0.01, None, 0.04, 0.02]) == pytest.approx([0.06, 0.04, None, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []
    y, found = models(5, kinds=("binary",) * 4)
    pairs = xent.compare(targets=y, models=found).pairs
    assert [p.p_holm for p in pairs] == holm([p.p_value for p in pairs]) and len(pairs) == 6


def test_models_swapped_turn_the_sign():
    y, found = models(6)
    one = xent.compare(targets=y, models=found).pairs[0]
    other = xent.compare(targets=y, models=dict(reversed(found.items()))).pairs[0]
    assert (one.a, one.b) == (other.b, other.a) and one.difference == -other.difference
    assert (one.low, one.high) == (-other.high, -other.low) and one.p_value == other.p_value
    assert one.better + one.ties + other.better == pytest.approx(1)


def test_a_model_and_itself_are_tied():
    y, found = models(7)
    pair = xent.compare(targets=y, models={"a": found["a"], "b": found["a"].copy()}).pairs[0]
    assert (pair.difference, pair.standard_error, pair.ties, pair.better, pair.p_value) == (0, 0, 1, 0, 1)
    assert pair.rows_for_power is None and "the same on every row" in pair.verdict


def test_more_than_ten_models_are_held_against_the_best():
    y, found = models(8, n=200, kinds=("binary",) * 12)
    result = xent.compare(targets=y, models=found)
    best = result.models[0].name
    assert len(result.pairs) == 11 and all(p.b == best and p.difference >= 0 for p in result.pairs)
    whole = xent.compare(targets=y, models={k: found[k] for k in (result.pairs[0].a, best)})
    assert whole.pairs[0].difference == result.pairs[0].difference
    assert whole.pairs[0].standard_error == result.pairs[0].standard_error


def test_differences_beyond_squares_leave_a_mean_without_an_error():
    y = np.array([1, 0, 1, 1])
    result = xent.compare(targets=y, models={"a": {"logits": np.array([-1e300, 0, 1, 2.0])}, "b": {"logits": y * 1.0}})
    pair = result.pairs[0]
    assert pair.difference == result.models[1].log_loss - result.models[0].log_loss > 1e299
    assert (pair.standard_error, pair.p_value, pair.low, pair.ratio) == (None, None, None, math.inf)
    assert "No difference is shown" in pair.verdict


def test_tiny_differences_keep_their_digits():
    """Two models a rounding apart: the error of differences around 1e-12 is not lost among losses around 1."""
    rng = np.random.default_rng(9)
    z, y = rng.normal(size=500), rng.integers(0, 2, 500)
    near = z + rng.normal(size=500) * 1e-10
    pair = xent.compare(targets=y, models={"a": {"logits": z}, "b": {"logits": near}}).pairs[0]
    d = losses(y, {"logits": z}) - losses(y, {"logits": near})
    assert pair.standard_error == pytest.approx(d.std(ddof=1) / math.sqrt(500), rel=1e-3)


@pytest.mark.parametrize("scale", [0.37, 1, 86_400_000_000])
def test_time_of_many_values_is_pooled_into_steps_of_one_width(scale):
    y, found = models(12, n=10_000)
    time = np.random.default_rng(0).permutation(10_000) * scale
    pair = xent.compare(targets=y, models=found, time=time).pairs[0]
    width = 2.0 ** math.ceil(math.log2(10_000 * scale / 4096))
    step = np.floor(time / width).astype(int)
    d = np.subtract(*(losses(y, m) for m in found.values()))
    u = np.bincount(step, d - d.mean())
    assert 2048 < pair.units <= 4096 and pair.units == len(u)
    span = pair.lags + 1
    autocovariances = [(1 - j / span) * (u[j:] @ u[: len(u) - j]) * (1 if j == 0 else 2) for j in range(span)]
    b = span / len(u)
    assert pair.standard_error == pytest.approx(math.sqrt(sum(autocovariances) / (1 - b + b * b / 3)) / 1e4, rel=1e-9)
