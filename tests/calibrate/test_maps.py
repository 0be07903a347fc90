"""Fitted maps as values: equal, hashable, pickled, written and read, applied in the dtype and shape of the input."""

import json
import pickle

import ml_dtypes
import numpy as np
import pytest

from xent import sigmoid, softmax
from xent.calibrate import Beta, Isotonic, Matrix, Platt, Temperature, Vector, from_json

KINDS = [Temperature, Platt, Beta, Isotonic, Vector, Matrix]
DTYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]


def fitted(kind, rng, **options):
    if kind in (Vector, Matrix):
        z = rng.normal(0, 2, (300, 3))
        t = (z / 2 + rng.gumbel(size=(300, 3))).argmax(1)
        x = softmax(z) if options.get("probs") else z
    else:
        z = rng.normal(0, 2, 300)
        t = (z / 2 + rng.logistic(size=300) > 0).astype(int)
        x = sigmoid(z) if options.get("probs") else z
    return kind(**options).fit(x, t), x, t


@pytest.mark.parametrize("probs", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_map_survives_every_road(kind, probs, rng):
    method, x, _ = fitted(kind, rng, probs=probs)
    told = method.map_.to_json()
    assert json.loads(told)["kind"] == kind.__name__.lower()
    for back in (from_json(told), from_json(told.encode()), pickle.loads(pickle.dumps(method.map_))):
        assert back == method.map_ and hash(back) == hash(method.map_)
        np.testing.assert_array_equal(back(x), method.transform(x))
    with pytest.raises(AttributeError):
        method.map_.floor = 0.1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_dtype_and_shape_are_those_of_the_scores(kind, dtype, rng):
    method, x, _ = fitted(kind, rng)
    x = x[:7]
    low = x.astype(dtype)
    for call in (method.transform, method.map_, method.map_.probabilities):
        out = call(low)
        assert out.dtype == low.dtype and out.shape == low.shape
        eps = float(ml_dtypes.finfo(dtype).eps)
        np.testing.assert_allclose(out.astype(float), call(low.astype(float)), rtol=eps, atol=eps)
    proba = method.predict_proba(low)
    assert proba.dtype == low.dtype and proba.shape == (7, 3 if x.ndim == 2 else 2)
    np.testing.assert_allclose(proba.astype(float).sum(1), 1.0, atol=4 * eps)


@pytest.mark.parametrize("kind", KINDS)
def test_strides_blocks_and_purity(kind, rng, monkeypatch):
    method, x, t = fitted(kind, rng)
    want = method.transform(x)
    for same in (np.asfortranarray(x), np.repeat(x, 2, 0)[::2], x.astype(x.dtype.newbyteorder())):
        same.flags.writeable = False
        np.testing.assert_array_equal(method.transform(same), want)
        assert type(method)().fit(same, t).map_ == method.map_
    monkeypatch.setattr("xent.calibrate.inputs.ENTRIES", 16)
    np.testing.assert_allclose(method.transform(x), want, rtol=1e-14)


def test_the_formulas(rng):
    z = np.array([-3.0, 0.2, 4.0])
    p = sigmoid(z)
    logs = np.log(softmax([[1.0, 0.0, -2.0]]))
    for method, x, want in (
        (fitted(Temperature, rng)[0], z, lambda m: z / m.temperature_),
        (fitted(Platt, rng)[0], z, lambda m: m.slope_ * z + m.intercept_),
        (fitted(Beta, rng)[0], z, lambda m: m.a_ * np.log(p) - m.b_ * np.log(1 - p) + m.c_),
        (fitted(Vector, rng)[0], logs, lambda m: m.scale_ * logs + m.bias_),
        (fitted(Matrix, rng)[0], logs, lambda m: logs @ m.weight_.T + m.bias_),
    ):
        np.testing.assert_allclose(method.transform(x), want(method), rtol=1e-12)


@pytest.mark.parametrize("kind", [Temperature, Platt, Beta, Isotonic])
def test_certain_scores(kind, rng):
    """+-inf stay certain under a slope, and become the outermost block of an isotonic map."""
    method = fitted(kind, rng)[0]
    low, high = method.transform([-np.inf, np.inf])
    assert (-low == high == np.inf) if kind is not Isotonic else (-100 < low < high < 100)
    pair = method.predict_proba([-np.inf, np.inf])
    assert np.isfinite(pair).all() and pair[0, 0] > 0.5 < pair[1, 1]


@pytest.mark.parametrize("kind", [Temperature, Platt, Beta, Vector, Matrix])
def test_the_floor(kind, rng):
    """What is less likely than the floor is read as the floor, in the fit and ever after."""
    method, x, t = fitted(kind, rng, probs=True)
    many = x.ndim == 2
    sure = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]) if many else np.array([0.0, 1.0])
    wrong = np.array([1, 0])
    floored = kind(probs=True, floor=1e-3).fit(np.concatenate([x, sure]), np.concatenate([t, wrong]))
    assert np.isfinite(floored.transform(sure)).all()
    if not many:
        near = floored.transform(np.array([1e-3, 1 - 1e-3]))
        np.testing.assert_allclose(floored.transform(sure), near, rtol=1e-9)
    inside = kind(probs=True, floor=1e-30).fit(x, t)
    np.testing.assert_allclose(inside.transform(x), method.transform(x), rtol=1e-8, atol=1e-10)


def test_platt_targets_are_those_of_1999(rng):
    _, z, t = fitted(Platt, rng)
    ones, zeros = t.sum(), (1 - t).sum()
    soft = np.where(t == 1, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    a, b = Platt(platt_targets=True).fit(z, t), Platt().fit(z, soft)
    assert (a.slope_, a.intercept_) == pytest.approx((b.slope_, b.intercept_), rel=1e-9)
    one_class = Platt(platt_targets=True)
    with pytest.warns(UserWarning, match="anti-informative"):
        assert 0.5 < one_class.fit(z, np.ones(300, int)).map_.probabilities([0.0])[0] < 1
