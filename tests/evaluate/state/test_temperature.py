"""Losses under scaled logits against their definition in extended precision; optima against a search of the truth."""

import numpy as np
import pytest
from batches import assert_a_monoid, fed, hostile, judged, softmax
from hypothesis import given, settings
from hypothesis import strategies as st
from real_data import real
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from xent.evaluate.state.temperature import BETAS, Temperatures, best, interpolate, slope


def definition(z, target, beta):
    """(loss, slope, curvature) of every row."""
    z = z.astype(np.longdouble)
    d = z - z.max(1, keepdims=True)
    with np.errstate(invalid="ignore"):
        e = np.exp(np.where(np.isneginf(d), -np.inf, beta * d))
    total = e.sum(1)
    p, d = e / total[:, None], np.where(np.isneginf(d), 0, d)
    mean = (p * d).sum(1)
    own = d[np.arange(len(z)), target]
    return np.log(total) - beta * own, mean - own, (p * d * d).sum(1) - mean**2


def mean_loss(z, target, beta):
    return -log_softmax(beta * z, axis=1)[np.arange(len(z)), target].mean()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("logits", [False, True])
@settings(max_examples=5)
@given(cuts=st.lists(st.integers(0, 400), max_size=4), seed=st.integers(0, 99))
def test_a_monoid(logits, weighted, cuts, seed):
    assert_a_monoid(Temperatures, *hostile("multiclass", logits=logits, weighted=weighted), cuts, seed)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("logits", [False, True])
def test_sums_are_those_of_the_definition(logits, weighted):
    problem, rows = hostile("multiclass", logits=logits, weighted=weighted)
    with np.errstate(divide="ignore"):
        z = rows.x.astype(np.longdouble) if logits else np.log(rows.x.astype(np.longdouble))
    z[np.isposinf(z).any(1)] = np.where(np.isposinf(z[np.isposinf(z).any(1)]), 0, -np.inf)
    there = np.isfinite(rows.loss)
    mild = np.abs(np.where(np.isinf(z), 0, z)).max(1) < 1e5  # the rest is held
    rows.bucket[:] = np.where(mild, rows.bucket % 7, 8)
    found = fed(Temperatures, problem, rows)
    assert 0 < (there & mild).sum() < mild.sum()
    for bucket in range(7):
        on = there & (rows.bucket == bucket)
        w = rows.weights[on].astype(np.longdouble)
        assert found.rows[bucket] == on.sum() and found.w[bucket] == pytest.approx(float(w.sum()), rel=1e-13)
        for i, beta in enumerate(BETAS):
            terms = definition(z[on], rows.target[on], np.longdouble(2) ** (np.longdouble(i - 8) / 2))
            for c, values in enumerate(terms):
                wanted, size = float((w * values).sum()), float((w * np.abs(values)).sum())
                assert found.sums[bucket, i, c] == pytest.approx(wanted, rel=1e-11, abs=1e-9 * (c > 0) * size + 1e-9)
                assert BETAS[i] == pytest.approx(beta)


def test_beta_one_is_the_loss_and_a_shift_changes_nothing():
    rng = np.random.default_rng(0)
    z, target = rng.normal(size=(2000, 7)) * 3, rng.integers(0, 7, 2000)
    problem, rows = judged("multiclass", z, target, logits=True)
    found = fed(Temperatures, problem, rows)
    assert found.sums[:, 8, 0].sum() == pytest.approx(rows.loss.sum(), rel=1e-12)
    assert -found.sums[:, 8, 1].sum() == pytest.approx((rows.entropy - rows.loss).sum(), rel=1e-10)
    shifted = fed(Temperatures, *judged("multiclass", z + 64.0, target, logits=True))
    probs = fed(Temperatures, *judged("multiclass", softmax(z), target, logits=False))
    for other in (shifted, probs):
        assert other.sums == pytest.approx(found.sums, rel=1e-9, abs=1e-8)


@pytest.mark.parametrize("sharpness", [0.07, 0.3, 0.71, 1.0, 1.4, 2.4, 5.0, 14.0])
@pytest.mark.parametrize("classes", [2, 10, 100])
def test_the_optimum_costs_what_the_real_one_costs(sharpness, classes):
    rng = np.random.default_rng(classes)
    z = rng.normal(size=(1500, classes)) * rng.gamma(2.0, 1.5, 1500)[:, None]
    target = (z + rng.gumbel(size=z.shape)).argmax(1)
    x = z * sharpness
    found = fed(Temperatures, *judged("multiclass", x, target, logits=True))
    beta, excess, beyond = best(found.sums.sum(0))
    ends = np.log(BETAS[[0, -1]])
    exact = minimize_scalar(lambda log: mean_loss(x, target, np.exp(log)), bounds=ends, options={"xatol": 1e-9})
    assert beyond == 0
    assert mean_loss(x, target, beta) - exact.fun <= 1e-8
    assert excess / 1500 == pytest.approx(mean_loss(x, target, 1.0) - exact.fun, abs=3e-7)
    assert float(interpolate(found.sums.sum(0), beta)) / 1500 == pytest.approx(mean_loss(x, target, beta), abs=3e-7)
    assert abs(float(slope(found.sums.sum(0), beta))) < 1e-9 * 1500


@pytest.mark.parametrize(
    ("name", "temperature"),
    [("densenet-bc-100-cifar-100", 2.1176), ("lenet-5-cifar-10", 1.3968), ("wideresnet-16-4-cifar-10", 2.0526),
     ("wideresnet-16-4-cifar-100", 1.1111)],
)  # fmt: skip
def test_networks(name, temperature):
    with np.load(real(f"netcal_cifar/{name}.npz")) as stored:
        p, target = stored["predictions"], stored["ground_truth"].reshape(-1)
    sums = fed(Temperatures, *judged("multiclass", p, target, logits=False)).sums.sum(0)
    beta, excess, _ = best(sums)
    z = np.log(p.astype(np.float64))
    exact = minimize_scalar(
        lambda b: mean_loss(z, target, b), bounds=(beta * 0.99, beta * 1.01), options={"xatol": 1e-8}
    )
    assert mean_loss(z, target, beta) - exact.fun <= 1e-9 and 1 / beta == pytest.approx(temperature, abs=2e-4)
    assert excess / len(target) == pytest.approx(mean_loss(z, target, 1.0) - exact.fun, abs=2e-6)


def test_a_network_too_sure_of_itself():
    """Most rows sharp and right, some sharp and wrong: what a ResNet on small pictures does (best T about 2.4)."""
    rng = np.random.default_rng(2)
    n, k = 5000, 10
    z = rng.normal(size=(n, k)) + 14.0 * np.eye(k)[rng.integers(0, k, n)]
    target = (z / 2.4 + rng.gumbel(size=z.shape)).argmax(1)
    sums = fed(Temperatures, *judged("multiclass", z, target, logits=True)).sums.sum(0)
    grid = np.geomspace(0.3, 0.6, 60_001)
    beta = best(sums).beta
    assert beta == pytest.approx(1 / 2.4, rel=0.03)
    near = grid[np.abs(grid - beta) < 1e-3]
    exact = min(mean_loss(z, target, b) for b in near[::8])
    assert mean_loss(z, target, beta) - exact <= 1e-8


@given(st.floats(1 / 16, 16))
@settings(max_examples=30)
def test_between_the_points_the_loss_is_interpolated(beta):
    rng = np.random.default_rng(5)
    z, target = rng.normal(size=(200, 4)) * 2, rng.integers(0, 4, 200)
    sums = fed(Temperatures, *judged("multiclass", z, target, logits=True)).sums.sum(0)
    assert float(interpolate(sums, beta)) / 200 == pytest.approx(mean_loss(z, target, beta), abs=1e-5)
    step = 1e-5
    low, high = (float(interpolate(sums, np.clip(beta * f, 1 / 16, 16))) for f in (1 - step, 1 + step))
    if beta * (1 - step) > 1 / 16 and beta * (1 + step) < 16:
        assert float(slope(sums, beta)) == pytest.approx((high - low) / (2 * step), abs=1e-3)


@pytest.mark.parametrize(
    ("target", "beta", "beyond"), [(np.zeros(50), 16.0, 1), (np.ones(50), 1 / 16, -1)], ids=["all right", "all wrong"]
)
def test_no_optimum_within_reach_is_said(target, beta, beyond):
    z = np.array([[2.0, 0.0]]).repeat(50, 0)
    sums = fed(Temperatures, *judged("multiclass", z, target, logits=True)).sums.sum(0)
    found = best(sums)
    assert (found.beta, found.beyond) == (beta, beyond) and found.excess > 0
    assert best(np.zeros((17, 3))) == (1.0, 0.0, 0)


def test_even_rows_are_alike_at_every_beta_and_one_hot_rows_cost_nothing():
    x = np.array([[0.25] * 4, [0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    found = fed(Temperatures, *judged("multiclass", x, np.array([3, 1, 0]), logits=False))
    assert found.rows.sum() == 2  # the last truth has no probability at any beta
    assert found.sums.sum(0)[:, 0] == pytest.approx(np.log(4.0)) and not found.sums[..., 1:].any()
