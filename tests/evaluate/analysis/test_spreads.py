"""The error of the mean against formulas written out, and against how often its interval holds the truth."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from xent.calibrate.gain import student
from xent.evaluate.analysis.spreads import jackknife, notes, over_time, spreads
from xent.evaluate.door import gather
from xent.evaluate.scores import result

SIMULATIONS = 400


def score_of(loss, weight, confidence=0.95):
    mean = float(np.average(loss, weights=weight))
    error = math.sqrt(float((weight**2 * (loss - mean) ** 2).sum())) / float(weight.sum())
    reach = 1.959964 * error
    return SimpleNamespace(
        log_loss=mean, standard_error=error, low=mean - reach, high=mean + reach, confidence=confidence,
        rows=len(loss), infinite=0,
    )  # fmt: skip


def state_of(loss, weight, *, bucket=None, step=None):
    def sums(index, many):
        return SimpleNamespace(
            w=np.bincount(index, weight, many), wl=np.bincount(index, weight * loss, many),
            infinite=np.zeros(many, np.int64),
        )  # fmt: skip

    problem = SimpleNamespace(cluster=None if bucket is None else "user", time=None if step is None else "day")
    return SimpleNamespace(
        problem=problem, buckets=None if bucket is None else sums(bucket, 256),
        times=None if step is None else sums(step, int(step.max()) + 1),
    )  # fmt: skip


@pytest.mark.parametrize("buckets", [2, 3, 40, 256])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_jackknife_is_that_of_leaving_each_bucket_out(buckets, weighted):
    rng = np.random.default_rng(buckets)
    loss, weight = rng.lognormal(size=2000), rng.uniform(0.1, 3, 2000) if weighted else np.ones(2000)
    bucket = rng.choice(rng.permutation(256)[:buckets], 2000)
    error, count = jackknife(np.bincount(bucket, weight * loss, 256), np.bincount(bucket, weight, 256))
    left = [np.average(loss[bucket != b], weights=weight[bucket != b]) for b in np.unique(bucket)]
    mean = np.average(loss, weights=weight)
    assert count == buckets
    assert error == pytest.approx(math.sqrt((buckets - 1) / buckets * sum((m - mean) ** 2 for m in left)), rel=1e-9)


def test_one_bucket_has_no_error():
    assert jackknife(np.array([0.0, 3.0]), np.array([0.0, 2.0])) == (None, 1)
    assert over_time(np.array([3.0]), np.array([2.0])) == (None, 1, 0, 0)


@pytest.mark.parametrize("steps", [2, 5, 60, 700])
def test_newey_west_is_the_double_sum_with_bartlett_weights(steps):
    rng = np.random.default_rng(steps)
    w, wl = rng.uniform(1, 3, steps), rng.lognormal(size=steps)
    error, count, lags, _ = over_time(wl, w)
    span = lags + 1
    u = wl - wl.sum() / w.sum() * w
    apart = np.abs(np.arange(steps)[:, None] - np.arange(steps)[None, :])
    brute = float((np.outer(u, u) * np.maximum(1 - apart / span, 0)).sum())
    b = span / steps
    assert count == steps and span == min(math.ceil(1.3 * math.sqrt(steps)), steps)
    assert error == pytest.approx(math.sqrt(max(brute, 0) / (1 - b + b * b / 3)) / w.sum(), rel=1e-9, abs=1e-12)


def test_the_reach_over_time_is_that_of_the_tabled_critical_values():
    """Kiefer & Vogelsang 2005, Bartlett, 97.5 %: 1.9600 + 2.9694 b + 0.4160 b^2 - 0.5324 b^3."""
    for b in (0.02, 0.05, 0.1, 0.2):
        tabled = 1.9600 + 2.9694 * b + 0.4160 * b**2 - 0.5324 * b**3
        ours = student(0.025, int(1.5 / b)) / math.sqrt(1 - b + b * b / 3)
        assert 0.99 * tabled < ours < 1.03 * tabled


def test_steps_without_rows_change_nothing():
    rng = np.random.default_rng(1)
    w, wl = rng.uniform(1, 3, 50), rng.lognormal(size=50)
    gaps = np.zeros(120)
    gaps_l = np.zeros(120)
    at = np.sort(rng.permutation(120)[:50])
    gaps[at], gaps_l[at] = w, wl
    assert over_time(gaps_l, gaps) == over_time(wl, w)


def test_only_what_the_problem_names_is_reckoned():
    rng = np.random.default_rng(2)
    loss, weight, group = rng.lognormal(size=500), np.ones(500), rng.integers(0, 30, 500)
    score = score_of(loss, weight)
    assert [s.method for s in spreads(state_of(loss, weight), score)] == ["iid"]
    found = spreads(state_of(loss, weight, bucket=group, step=group), score)
    assert [(s.method, s.column, s.units) for s in found] == [
        ("iid", None, 500), ("cluster", "user", 30), ("time", "day", 30)
    ]  # fmt: skip
    for s in found[1:]:
        assert s.low < score.log_loss < s.high
        assert s.design_effect == pytest.approx((s.standard_error / score.standard_error) ** 2)
    assert found[0].design_effect == 1.0


def test_an_infinite_row_leaves_no_error():
    loss, weight = np.ones(100) * np.arange(100), np.ones(100)
    score = score_of(loss, weight)
    score.infinite, score.log_loss, score.standard_error, score.low, score.high = 1, math.inf, None, None, None
    for s in spreads(state_of(loss, weight, bucket=np.arange(100) % 7, step=np.arange(100)), score):
        assert (s.standard_error, s.low, s.high, s.design_effect) == (None, None, None, None)


def test_too_few_units_are_said():
    loss, weight = np.arange(100.0), np.ones(100)
    found = spreads(state_of(loss, weight, bucket=np.arange(100) % 7, step=np.arange(100)), score_of(loss, weight))
    assert [s.units for s in found] == [100, 7, 100]
    (note,) = notes(found)
    assert "`user`" in note and "7 buckets" in note


def coverage(draw, key):
    """Shares of intervals that hold the truth: of independent rows, and of the reckoning asked for."""
    rng = np.random.default_rng(7)
    held = np.zeros(2)
    for _ in range(SIMULATIONS):
        loss, index, truth = draw(rng)
        weight = np.ones(len(loss))
        for k, s in enumerate(spreads(state_of(loss, weight, **{key: index}), score_of(loss, weight))):
            held[k] += s.low <= truth <= s.high
    return held / SIMULATIONS


def test_rows_alike_within_clusters_are_covered_honestly():
    def draw(rng):
        size = rng.integers(5, 30, 80)
        bucket = np.repeat(rng.integers(0, 256, 80), size)  # clusters that meet in a bucket are one unit
        own = np.repeat(rng.gamma(2.0, 0.5, 80), size)
        return own + rng.gamma(1.0, 0.5, len(own)), bucket, 1.5

    naive, honest = coverage(draw, "bucket")
    assert naive < 0.65  # seen: about 0.5
    assert abs(honest - 0.95) < 4 * math.sqrt(0.95 * 0.05 / SIMULATIONS)  # 4 errors of this many simulations


def test_rows_alike_over_time_are_covered_honestly():
    def draw(rng):
        drift = np.empty(400)
        drift[0] = rng.normal() / math.sqrt(1 - 0.6**2)
        for t in range(1, 400):
            drift[t] = 0.6 * drift[t - 1] + rng.normal()
        rows = rng.integers(1, 4, 400)
        step = np.repeat(np.arange(400), rows)
        return 8.0 + drift[step] + rng.normal(size=len(step)), step, 8.0

    naive, honest = coverage(draw, "step")
    assert naive < 0.75
    assert abs(honest - 0.95) < 4 * math.sqrt(0.95 * 0.05 / SIMULATIONS)


def test_independent_rows_are_not_punished():
    def draw(rng):
        return rng.gamma(2.0, 0.5, 600), rng.integers(0, 256, 600), 1.0

    assert abs(coverage(draw, "bucket")[1] - 0.95) < 4 * math.sqrt(0.95 * 0.05 / SIMULATIONS)
    assert abs(coverage(draw, "step")[1] - 0.95) < 4 * math.sqrt(0.95 * 0.05 / SIMULATIONS)


@pytest.mark.parametrize("weighted", [False, True])
def test_predictions_are_judged_by_their_own_clusters_and_times(weighted):
    rng = np.random.default_rng(8)
    user, day, w = rng.integers(0, 40, 3000), rng.integers(0, 90, 3000), rng.uniform(0.5, 2, 3000)
    p = rng.uniform(0.02, 0.98, 3000)
    y = (rng.uniform(size=3000) < p).astype(int)
    loss = -np.where(y == 1, np.log(p), np.log1p(-p))
    if not weighted:
        w = np.ones(3000)
    table = {"label": y, "prob": p, "user": user, "day": day, "w": w}
    state = gather(table, sample_weight="w", cluster="user", time="day", slices="none")
    iid, cluster, time = spreads(state, result(state))
    assert iid.standard_error == result(state).standard_error and (iid.low, iid.high) != (cluster.low, cluster.high)
    at = dict(zip(state.sample.loss.tolist(), state.sample.bucket.tolist(), strict=True))
    bucket = np.array([min(at.items(), key=lambda pair: abs(pair[0] - x))[1] for x in loss[:200]])
    assert all(len(set(bucket[user[:200] == u])) <= 1 for u in range(40))  # users are whole in their buckets
    place = {int(u): int(b) for u, b in zip(user[:200], bucket, strict=True)}
    home = np.array([place[int(u)] for u in user])
    expected = jackknife(np.bincount(home, w * loss, 256), np.bincount(home, w, 256))
    assert (cluster.standard_error, cluster.units) == (pytest.approx(expected[0], rel=1e-9), expected[1])
    steps = over_time(np.bincount(day, w * loss), np.bincount(day, w))
    assert (time.standard_error, time.units, time.lags) == (pytest.approx(steps[0], rel=1e-9), steps[1], steps[2])
    for s in (iid, cluster, time):
        assert all(x is None or type(x) in (str, float, int) for x in vars(s).values())
