"""Every fit is the best of its kind, whatever the scale, the form or the weights of what it is given."""

import numpy as np
import pytest
from scipy.optimize import minimize

from xent import softmax
from xent.calibrate import Beta, CalibrationWarning, Isotonic, Matrix, NoFiniteOptimum, Platt, Temperature, Vector
from xent.calibrate.newton import root

BINARY = [Temperature(), Platt(), Beta(), Isotonic()]
MANY = [Temperature(), Vector(), Matrix()]
EXTREMES = [1e-300, 1e-6, 1e6, 1e300]


def named(x):
    return type(x).__name__


def two(rng, n=400):
    z = rng.normal(0.3, 3.0, n)
    return z, (0.5 * z - 0.4 + rng.logistic(size=n) > 0).astype(int)


def many(rng, n=500, k=4):
    z = rng.normal(0.0, 2.5, (n, k))
    return z, (0.6 * z + [0.5, 0.0, 0.0, -0.5] + rng.gumbel(size=(n, k))).argmax(1)


def fresh(method, **options):
    return type(method)(**{**method.get_params(), **options})


def log_loss(method, z, t, **more):
    return -fresh(method).fit(z, t, **more).score(z, t)


@pytest.mark.parametrize(
    "method, design",
    [
        (Temperature(), lambda z: z[:, None]),
        (Platt(), lambda z: np.stack([z, np.ones_like(z)], 1)),
        (Beta(), lambda z: np.stack([-np.logaddexp(0, -z), np.logaddexp(0, z), np.ones_like(z)], 1)),
    ],
    ids=["Temperature", "Platt", "Beta"],
)  # fmt: skip
def test_two_classes_against_bfgs(rng, method, design):
    z, t = two(rng)
    x, sign = design(z), 2 * t - 1
    best = minimize(lambda a: np.logaddexp(0, -sign * (x @ a)).mean(), np.full(x.shape[1], 0.1), tol=1e-12).fun
    found = log_loss(method, z, t)
    assert abs(found - best) < 1e-9
    assert found < np.logaddexp(0, -sign * z).mean()


@pytest.mark.parametrize("ridge", [None, 0.5, 50.0])
def test_many_classes_against_bfgs(rng, ridge):
    z, t = many(rng)
    logs, row = z - np.log(np.exp(z).sum(1, keepdims=True)), np.arange(len(z))
    off = (1 - np.eye(4)) * (0 if ridge is None else ridge) / len(z) * logs.var(0)

    def objective(a):
        matrix = np.diag(a[:4]) if ridge is None else a[:16].reshape(4, 4)
        y = logs @ matrix.T + a[-4:]
        top = y.max(1)
        price = np.mean(top + np.log(np.exp(y - top[:, None]).sum(1)) - y[row, t])
        return price + 0.5 * (off * matrix**2).sum()

    fitted = (Vector() if ridge is None else Matrix(ridge=ridge)).fit(z, t)
    theta = fitted.scale_ if ridge is None else fitted.weight_.reshape(-1)
    start = np.ones(4) if ridge is None else np.eye(4).reshape(-1)
    best = minimize(objective, np.concatenate([start, np.zeros(4)]), tol=1e-10).fun
    assert objective(np.concatenate([theta, fitted.bias_])) - best < 1e-9
    assert abs(fitted.bias_.mean()) < 1e-12


def test_products_find_what_the_formed_hessian_finds(rng, monkeypatch):
    z, t = many(rng)
    formed = Vector().fit(z, t), Matrix(ridge=5.0).fit(z, t)
    monkeypatch.setattr("xent.calibrate.linear.DENSE", 2)
    for a, b in zip(formed, (Vector().fit(z, t), Matrix(ridge=5.0).fit(z, t)), strict=True):
        np.testing.assert_allclose(a.transform(z), b.transform(z), atol=1e-5)
        assert a.score(z, t) == pytest.approx(b.score(z, t), abs=1e-8)


def test_what_is_not_held_gives_the_same(rng, monkeypatch):
    z, t = many(rng)
    held = Vector().fit(z, t)
    monkeypatch.setattr("xent.calibrate.linear.HELD", 0)
    monkeypatch.setattr("xent.calibrate.inputs.ENTRIES", 64)
    np.testing.assert_allclose(Vector().fit(z, t).transform(z), held.transform(z), atol=1e-9)


@pytest.mark.parametrize("method", BINARY + MANY[1:], ids=named)
def test_a_larger_family_is_never_worse(rng, method):
    z, t = two(rng) if method in BINARY else many(rng)
    inside = {"Platt": Temperature(), "Beta": Platt(), "Vector": Temperature(), "Matrix": Vector()}.get(named(method))
    if inside is not None:
        assert log_loss(method, z, t) <= log_loss(inside, z, t) + 1e-10


@pytest.mark.parametrize("method", BINARY + MANY, ids=named)
def test_weight_two_is_the_row_twice(rng, method):
    z, t = two(rng) if method in BINARY else many(rng)
    weight = rng.integers(0, 4, len(z))
    once = fresh(method).fit(z, t, weight)
    often = fresh(method).fit(np.repeat(z, weight, 0), np.repeat(t, weight))
    np.testing.assert_allclose(once.transform(z), often.transform(z), atol=1e-6)
    assert once.score(z, t) == pytest.approx(often.score(z, t), abs=1e-8)


@pytest.mark.parametrize("method", BINARY + MANY, ids=named)
def test_a_row_of_weight_zero_is_not_looked_at(rng, method):
    z, t = two(rng) if method in BINARY else many(rng)
    weight = np.ones(len(z))
    weight[[3, 9]] = 0
    spoilt = z.copy()
    spoilt[[3, 9]] = np.nan
    left = np.flatnonzero(weight)
    assert fresh(method).fit(spoilt, t, weight).map_ == fresh(method).fit(z[left], t[left], weight[left]).map_


@pytest.mark.parametrize("method", BINARY + MANY, ids=named)
def test_ids_and_probabilities_of_them_are_one(rng, method):
    z, t = two(rng) if method in BINARY else many(rng)
    soft = t.astype(float) if z.ndim == 1 else np.eye(z.shape[1])[t]
    np.testing.assert_allclose(fresh(method).fit(z, soft).transform(z), fresh(method).fit(z, t).transform(z), atol=1e-8)


@pytest.mark.parametrize("method", BINARY + MANY, ids=named)
def test_logits_and_their_probabilities_give_one_map(rng, method):
    z, t = two(rng) if method in BINARY else many(rng)
    probs = 1 / (1 + np.exp(-z)) if z.ndim == 1 else softmax(z)
    a, b = fresh(method).fit(z, t), fresh(method, probs=True).fit(probs, t)
    np.testing.assert_allclose(a.predict_proba(z), b.predict_proba(probs), atol=1e-6)


@pytest.mark.parametrize("method", BINARY, ids=named)
def test_one_score_is_the_difference_of_two(rng, method):
    z, t = two(rng)
    pair = np.stack([1.0 - 0.25 * z, 1.0 + 0.75 * z], 1)
    np.testing.assert_allclose(
        fresh(method).fit(z, t).predict_proba(z), fresh(method).fit(pair, t).predict_proba(pair), atol=1e-8
    )
    column = fresh(method).fit(z[:, None], t).transform(z[:, None])
    np.testing.assert_array_equal(column[:, 0], fresh(method).fit(z, t).transform(z))


@pytest.mark.parametrize("method", MANY, ids=named)
def test_a_shift_of_a_row_changes_nothing(rng, method):
    z, t = many(rng)
    moved = z + rng.normal(0, 50, (len(z), 1))
    np.testing.assert_allclose(
        fresh(method).fit(moved, t).predict_proba(moved), fresh(method).fit(z, t).predict_proba(z), atol=1e-6
    )


@pytest.mark.parametrize("scale", EXTREMES)
@pytest.mark.parametrize("method", [Temperature(), Platt()], ids=named)
def test_any_scale_of_the_logits(rng, method, scale):
    z, t = two(rng)
    assert log_loss(method, z * scale, t) == pytest.approx(log_loss(method, z, t), rel=1e-12)


@pytest.mark.parametrize("scale", EXTREMES)
def test_any_scale_of_many(rng, scale):
    z, t = many(rng)
    assert log_loss(Temperature(), z * scale, t) == pytest.approx(log_loss(Temperature(), z, t), rel=1e-12)


@pytest.mark.parametrize("method", MANY[1:], ids=named)
def test_logits_that_saturate_every_softmax(rng, method):
    z, t = many(rng)
    assert log_loss(method, z * 1e300, t) == pytest.approx(log_loss(method, z * 1e6, t), abs=1e-6)
    assert log_loss(method, z * 1e6, t) < log_loss(Temperature(), z, t)


@pytest.mark.parametrize("method", MANY, ids=named)
def test_the_order_of_rows_changes_nothing(rng, method):
    z, t = many(rng)
    order = rng.permutation(len(z))
    assert log_loss(method, z[order], t[order]) == pytest.approx(log_loss(method, z, t), abs=1e-9)


def test_a_masked_class_is_not_there(rng):
    z, t = many(rng)
    z[np.arange(len(z)), (t + 1) % 4] = -np.inf
    beta = Temperature().fit(z, t).beta_
    kept = np.stack([np.delete(row, (y + 1) % 4) for row, y in zip(z, t, strict=True)])
    place = t - ((t + 1) % 4 < t)
    assert Temperature().fit(kept, place).beta_ == pytest.approx(beta, rel=1e-10)
    assert np.isneginf(Vector().fit(z, t).transform(z)).sum() == len(z)


def test_smoothing_tempts_the_separable(rng):
    z = rng.normal(size=(300, 3))
    t = z.argmax(1)
    for method in (Temperature(), Vector(), Matrix()):
        with pytest.raises(NoFiniteOptimum, match="`label_smoothing`"):
            method.fit(z, t)
        fitted = fresh(method, label_smoothing=1e-3).fit(z, t)
        assert np.isfinite(fitted.transform(z)).all() and fitted.score(z, t) > -0.05


def test_separated_in_disguise(rng):
    """Two classes that vector scaling alone can tell apart: the larger steps that each fit better are noticed."""
    z = rng.normal(0, 0.1, (400, 3))
    z[:, 2] -= 3.0
    t = rng.integers(0, 2, 400)
    hit = rng.choice(400, 30, replace=False)
    z[hit, 2], t[hit] = -1.0, 2
    with pytest.raises(NoFiniteOptimum, match="some classes can be told apart"):
        Vector().fit(z, t)


@pytest.mark.parametrize("method", [Temperature(), Platt(), Beta()], ids=named)
def test_anti_informative_scores_say_nothing_and_it_is_said(rng, method):
    z, t = two(rng)
    with pytest.warns(CalibrationWarning, match="anti-informative"):
        fitted = fresh(method).fit(-z, t)
    share = 0.5 if isinstance(method, Temperature) else t.mean()
    np.testing.assert_allclose(fitted.map_.probabilities(z), share, rtol=1e-9)
    if isinstance(method, Temperature):
        assert fitted.temperature_ == np.inf


def test_beta_holds_each_slope(rng):
    """Ones at both ends: the free optimum would turn the order around on one side."""
    z = rng.normal(0, 2, 2000)
    t = (rng.random(2000) < np.where(z < 0, 0.3 - 0.1 * z, 0.3 + 0.1 * z).clip(0, 1)).astype(int)
    fitted = Beta().fit(z, t)
    assert min(fitted.a_, fitted.b_) == 0.0 < max(fitted.a_, fitted.b_)
    x = np.stack([-np.logaddexp(0, -z), np.logaddexp(0, z)], 1)
    sign = 2 * t - 1
    bound = minimize(
        lambda a: np.logaddexp(0, -sign * (x @ a[:2] + a[2])).mean(), [0.1, 0.1, 0.0], method="L-BFGS-B",
        bounds=[(0, None), (0, None), (None, None)], options={"ftol": 1e-15, "gtol": 1e-10},
    )  # fmt: skip
    assert -fitted.score(z, t) - bound.fun < 1e-9


@pytest.mark.parametrize("solution", [1e-250, 1e-3, 1.0, 7e5, 1e250])
def test_root_of_a_step_that_newton_cannot_climb(solution):
    def slope(x):
        u = x / solution
        return np.tanh(u - 1.0), (1.0 / np.cosh(min(u - 1.0, 300.0)) ** 2) / solution

    assert root(slope) == pytest.approx(solution, rel=1e-12)
