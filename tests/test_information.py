"""Entropy, divergences and activations against mpmath, nearly equal and far apart, and the identities between them."""

import mpmath as mp
import numpy as np
import pytest

import xent


def exact(kind, p, q=None):
    """By the definition, of the very floats given, in 60 digits."""
    with mp.workdps(60):
        p = [mp.mpf(float(x)) for x in p]
        q = None if q is None else [mp.mpf(float(x)) for x in q]
        cost = lambda a, b: mp.mpf(0) if a == 0 else -a * mp.log(b) if b else mp.inf  # noqa: E731
        if kind == "entropy":
            return float(sum(map(cost, p, p)))
        if kind == "cross_entropy":
            return float(sum(map(cost, p, q)))
        relative = lambda p, q: sum(cost(a, b) - cost(a, a) for a, b in zip(p, q, strict=True))  # noqa: E731
        if kind == "kl_divergence":
            return float(relative(p, q))
        m = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
        return float((relative(p, m) + relative(q, m)) / 2)


PAIRS = {
    "apart": ([0.1, 0.2, 0.7], [0.6, 0.3, 0.1]),
    "zeros": ([0.5, 0.5, 0.0, 0.0], [0.25, 0.25, 0.5, 0.0]),
    "certain": ([1.0, 0.0], [0.5, 0.5]),
    "nearly certain": ([1 - 2.0**-53, 2.0**-53], [1 - 2.0**-40, 2.0**-40]),
    "tiny": ([1.0, 1e-310], [0.5, 0.5]),
    "tiny in q": ([0.5, 0.5], [1.0, 1e-310]),
    "equal": ([0.1, 0.2, 0.7], [0.1, 0.2, 0.7]),
}


@pytest.mark.parametrize("kind", ["cross_entropy", "kl_divergence", "js_divergence"])
@pytest.mark.parametrize("pair", PAIRS)
def test_pairs(kind, pair):
    p, q = PAIRS[pair]
    assert getattr(xent, kind)(p, q) == pytest.approx(exact(kind, p, q), rel=4e-15, abs=0)


@pytest.mark.parametrize("kind", ["kl_divergence", "js_divergence"])
@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9, 1e-12, 1e-15])
@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_nearly_equal_keeps_its_digits(rng, kind, gap, classes):
    """The naive sum p log(p/q) has no digit left from a gap of 1e-8 on."""
    p = rng.dirichlet(np.ones(classes))
    q = p * (1 + gap * rng.normal(size=classes))
    q /= q.sum()
    want = exact(kind, p, q)
    assert getattr(xent, kind)(p, q) == pytest.approx(want, rel=1e-12, abs=1e-45)
    if gap <= 1e-9 and kind == "kl_divergence":
        assert abs(float((p * np.log(p / q)).sum()) - want) > 1e-12 * abs(want), "this test can fail"


@pytest.mark.parametrize("kind", ["kl_divergence", "js_divergence"])
def test_nearly_equal_beside_tiny_classes(rng, kind):
    """The first-order terms cancel exactly, though they span more bits than one float64 holds."""
    p = np.concatenate([rng.dirichlet(np.ones(5)), 1e-13 * rng.random(50)])
    q = p * (1 + 1e-6 * rng.normal(size=55))
    p, q = p / p.sum(), q / q.sum()
    assert getattr(xent, kind)(p, q) == pytest.approx(exact(kind, p, q), rel=1e-12, abs=0)


@pytest.mark.parametrize("kind", ["kl_divergence", "js_divergence"])
@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9])
def test_nearly_equal_logarithms(rng, kind, gap):
    """Log-probabilities are taken as normalised, so the oracle normalises them."""
    with mp.workdps(60):
        z = rng.normal(0, 2, 8)
        both = []
        for shift in (0.0, gap * rng.normal(size=8)):
            x = [mp.mpf(v) for v in z + shift]
            both.append([v - mp.log(sum(map(mp.exp, x))) for v in x])
        a, b = ([mp.exp(v) for v in x] for x in both)
        m = [(x + y) / 2 for x, y in zip(a, b, strict=True)]
        kl = lambda p, q: sum(x * mp.log(x / y) for x, y in zip(p, q, strict=True))  # noqa: E731
        want = float(kl(a, b) if kind == "kl_divergence" else (kl(a, m) + kl(b, m)) / 2)
        p, q = (np.array([float(v) for v in x]) for x in both)
    # rounding a logarithm of size 5 to float64 moves the gap by 1e-15
    assert getattr(xent, kind)(p, q, log=True) == pytest.approx(want, rel=1e-13 + 2e-15 / gap)


def test_certainty_and_ignorance():
    assert xent.entropy([1.0, 0.0, 0.0]) == 0 and not np.signbit(xent.entropy([1.0, 0.0, 0.0]))
    assert xent.entropy(np.full(8, 0.125)) == pytest.approx(3 * np.log(2), rel=1e-15)
    assert xent.kl_divergence([0.5, 0.5], [1.0, 0.0]) == np.inf
    assert xent.kl_divergence([1.0, 0.0], [0.5, 0.5]) == pytest.approx(np.log(2), rel=1e-15)
    assert xent.cross_entropy([0.5, 0.5], [1.0, 0.0]) == np.inf
    assert xent.js_divergence([1.0, 0.0], [0.0, 1.0]) == pytest.approx(np.log(2), rel=1e-15)
    ninf = -np.inf
    assert xent.entropy([0.0, ninf], log=True) == 0
    assert xent.kl_divergence([np.log(0.5)] * 2, [0.0, ninf], log=True) == np.inf
    assert xent.kl_divergence([0.0, ninf], [np.log(0.5)] * 2, log=True) == pytest.approx(np.log(2), rel=1e-15)
    assert xent.js_divergence([0.0, ninf], [ninf, 0.0], log=True) == pytest.approx(np.log(2), rel=1e-15)


def test_identities(rng):
    p, q = rng.dirichlet(np.ones(6), 50), rng.dirichlet(np.ones(6), 50)
    h, kl = xent.entropy(p), xent.kl_divergence(p, q)
    np.testing.assert_allclose(xent.cross_entropy(p, q), h + kl, rtol=1e-14)
    assert (kl > 0).all()
    np.testing.assert_array_equal(xent.js_divergence(p, q), xent.js_divergence(q, p))
    assert (xent.js_divergence(p, q) < np.log(2)).all()
    np.testing.assert_allclose(xent.entropy(np.log(p), log=True), h, rtol=1e-13)
    np.testing.assert_allclose(xent.cross_entropy(np.log(p), np.log(q), log=True), h + kl, rtol=1e-13)
    np.testing.assert_allclose(xent.kl_divergence(np.log(p), np.log(q), log=True), kl, rtol=1e-11)
    np.testing.assert_allclose(xent.js_divergence(np.log(p), np.log(q), log=True), xent.js_divergence(p, q), rtol=1e-11)
    z = rng.normal(size=(50, 6))
    losses = xent.softmax_cross_entropy(z, p, reduction="none")
    np.testing.assert_allclose(xent.cross_entropy(p, xent.softmax(z)), losses, rtol=1e-13)


def test_axis_and_reduction(rng):
    p, q = (np.moveaxis(rng.dirichlet(np.ones(3), (4, 5)), -1, 1) for _ in range(2))
    for function, args in ((xent.entropy, (p,)), (xent.kl_divergence, (p, q)), (xent.js_divergence, (p, q))):
        rows = function(*args, axis=1)
        assert rows.shape == (4, 5) and rows.dtype == np.float64
        assert function(*args, axis=1, reduction="mean") == pytest.approx(rows.mean(), rel=1e-15)
        assert function(*args, axis=1, reduction="sum") == pytest.approx(rows.sum(), rel=1e-15)
        assert np.isscalar(function(*(x[0, :, 0] for x in args)))
    with pytest.raises(ValueError, match="`reduction` must be one of"):
        xent.entropy(p, axis=1, reduction="max")


def test_bad_distributions_are_named(rng):
    p = np.full((3, 4), 0.25)
    high, low, unsure, lost = p.copy(), p.copy(), p.copy(), p.copy()
    high[1, 2], low[2, 0], unsure[1, 1], lost[0, 3] = 1.5, -0.25, 0.26, np.nan
    for bad, message in (
        (high, r"`p` must hold probabilities; got 1.5 at row 1"),
        (low, r"`p` must hold probabilities; got -0.25 at row 2"),
        (unsure, r"`p` must hold probabilities that sum to 1 within 4.8e-07; got the sum 1.01 at row 1"),
        (lost, r"`p` must hold probabilities; got nan at row 0"),
    ):
        with pytest.raises(ValueError, match=message):
            xent.entropy(bad)
        with pytest.raises(ValueError, match=message.replace("`p`", "`q`")):
            xent.kl_divergence(p, bad)
    with pytest.raises(ValueError, match=r"`p` must hold log-probabilities; got 0.25"):
        xent.entropy(p, log=True)
    with pytest.raises(ValueError, match="same shape"):
        xent.kl_divergence(p, p[:2])
    with pytest.raises(ValueError, match="`axis` must name"):
        xent.entropy(p, axis=2)
    with pytest.raises(TypeError, match="floating-point"):
        xent.entropy(np.eye(3, dtype=int))
    assert (xent.entropy(p.astype(np.float32)) > 1.38).all()


def exact_rows(z):
    with mp.workdps(1000):
        x = [mp.mpf(float(v)) for v in z]
        total = sum(map(mp.exp, x))
        p = [mp.exp(v) / total for v in x]
        return [float(v) for v in p], [float(mp.log(v)) for v in p], float(mp.log(total))


def test_activations(rng):
    for z in (rng.normal(0, 3, 5), [200.0, 0.0, -200.0], [-700.0, -701.0], [1000.0, 1000.0], [3.0]):
        p, log_p, lse = exact_rows(z)
        np.testing.assert_allclose(xent.softmax(z), p, rtol=4e-15)
        np.testing.assert_allclose(xent.log_softmax(z), log_p, rtol=4e-15)
        assert xent.logsumexp(z) == pytest.approx(lse, rel=4e-15)
    with mp.workdps(60):
        for x in (0.0, 1e-20, 0.5, -0.5, 30.0, -30.0, 40.0, 700.0, -700.0):
            s = 1 / (1 + mp.exp(-mp.mpf(x)))
            assert xent.sigmoid(x) == pytest.approx(float(s), rel=8e-16, abs=0)
            assert xent.log_sigmoid(x) == pytest.approx(float(-mp.log1p(mp.exp(-mp.mpf(x)))), rel=8e-16, abs=0)


def test_activations_at_the_ends():
    inf, nan = np.inf, np.nan
    np.testing.assert_array_equal(xent.sigmoid([inf, -inf, nan]), [1, 0, nan])
    np.testing.assert_array_equal(xent.log_sigmoid([inf, -inf, nan]), [0, -inf, nan])
    for z, p, lse in (
        ([-inf, 0.0], [0, 1], 0),
        ([inf, 0.0], [1, 0], inf),
        ([-inf, -inf], [nan, nan], -inf),
        ([inf, inf], [nan, nan], inf),
        ([nan, 0.0], [nan, nan], nan),
    ):
        np.testing.assert_array_equal(xent.softmax(z), p)
        np.testing.assert_array_equal(xent.logsumexp(z), lse)
        with np.errstate(divide="ignore"):
            np.testing.assert_array_equal(xent.log_softmax(z), np.log(p))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_activations_keep_dtype_and_shape(rng, dtype):
    z = rng.normal(size=(3, 4)).astype(dtype)
    for function in (xent.sigmoid, xent.log_sigmoid, xent.softmax, xent.log_softmax):
        assert function(z).dtype == dtype and function(z).shape == z.shape and function(z[:0]).shape == (0, 4)
    assert xent.logsumexp(z).dtype == dtype and xent.logsumexp(z, axis=0).shape == (4,)
    with pytest.raises(ValueError, match="at least one class"):
        xent.softmax(z[:, :0])
    with pytest.raises(ValueError, match="`axis` must name"):
        xent.softmax(z, axis=2)
