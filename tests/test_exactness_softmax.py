"""The softmax family within the bounds of docs/numerics.md: confident, mistaken, tied, masked, wide and wider rows."""

import math

import ml_dtypes
import mpmath
import numpy as np
import pytest
from ulps import EXTENDED, bound, check, needs_extended, softmax_ids, softmax_ids_mp

import xent

SOFTMAX = xent.SoftmaxCrossEntropy(reduction="none")


# ---- samples ----------------------------------------------------------------------------------------


def top(rng, n, k, reach):
    """The true class ahead of the others by margins from 0 to `reach`."""
    z, y = rng.normal(0, 1, (n, k)), rng.integers(0, k, n)
    z[np.arange(n), y] = z.max(axis=1) + np.linspace(0, reach, n)
    return z, y


def behind(rng, n, k, reach):
    """Another class ahead of the true one, and of all the others, by margins from 0 to `reach`."""
    z, top_class = top(rng, n, k, reach)
    return z, (top_class + 1 + rng.integers(0, k - 1, n)) % k


def equal(rng, n, k, reach):
    return np.broadcast_to(rng.uniform(-reach, reach, (n, 1)), (n, k)).copy(), rng.integers(0, k, n)


def narrow(rng, n, k, reach):
    return rng.normal(0, 3, (n, k)), rng.integers(0, k, n)


def shifted(rng, n, k, reach):
    return rng.normal(50, 3, (n, k)), rng.integers(0, k, n)


def wide(rng, n, k, reach):
    return rng.uniform(-reach / 2, reach / 2, (n, k)), rng.integers(0, k, n)


def wider(rng, n, k, reach):
    """Beyond the normal numbers: probabilities down to 0 through the subnormal ones."""
    return rng.uniform(-reach, reach, (n, k)), rng.integers(0, k, n)


def masked(rng, n, k, reach):
    z, y = wide(rng, n, k, reach)
    z[rng.random((n, k)) < 0.4] = -np.inf
    z[np.arange(n), y] = rng.normal(0, reach / 8, n)
    return z, y


def alone(rng, n, k, reach):
    """All classes but the true one masked."""
    y = rng.integers(0, k, n)
    z = np.full((n, k), -np.inf)
    z[np.arange(n), y] = rng.normal(0, reach / 8, n)
    return z, y


KINDS = [top, behind, equal, narrow, shifted, wide, wider, masked, alone]
CLASSES = [2, 3, 7, 10, 16, 17, 31, 32, 33, 64, 65, 100, 128, 1000, 4096, 50_257, 200_000]


def rows(kind, k, dtype):
    rng = np.random.default_rng([k, KINDS.index(kind), np.dtype(dtype).itemsize])
    z, y = kind(rng, max(3, min(700, 60_000 // k)), k, 87.0 if dtype == np.float32 else 700.0)
    return z.astype(dtype), y


@needs_extended
@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_softmax(dtype, kind, k):
    z, y = rows(kind, k, dtype)
    loss, grad = softmax_ids(z, y)
    losses, gradient = SOFTMAX.value_and_grad(z, y)
    assert losses.dtype == gradient.dtype == dtype
    more = max(0.0, math.log2(k / 64))
    check(losses, loss, bound("softmax, class ids", dtype, "loss") + more, y)
    check(gradient, grad, bound("softmax, class ids", dtype, "gradient") + more, y, z)


@needs_extended
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("k", [2, 10, 32, 130])
def test_softmax_along_any_axis(k, axis):
    z, y = rows(wide, k, np.float32)
    n = len(y) // 8 * 8
    z, y = z[:n], y[:n]
    loss, grad = softmax_ids(z, y)
    inner = xent.SoftmaxCrossEntropy(axis=axis, reduction="none")
    if axis == 0:
        losses, gradient = inner.value_and_grad(np.ascontiguousarray(z.T), y)
        gradient = gradient.T
    else:
        cube = np.ascontiguousarray(z.reshape(8, -1, k).transpose(0, 2, 1))
        losses, gradient = inner.value_and_grad(cube, y.reshape(8, -1))
        losses, gradient = losses.reshape(-1), gradient.transpose(0, 2, 1).reshape(-1, k)
    more = max(0.0, math.log2(k / 64))
    check(losses, loss, bound("softmax, class ids", "float32", "loss") + more, y)
    check(np.ascontiguousarray(gradient), grad, bound("softmax, class ids", "float32", "gradient") + more, y, z)


@needs_extended
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("k", [2, 10, 128])
def test_softmax_half(k, kind, dtype):
    """Half precision is float32 or better, rounded once: 0.5 ulp and 4 ulp of float32 at most."""
    z, y = rows(kind, k, np.float32)
    z = z.astype(dtype)
    loss, grad = softmax_ids(z, y)
    losses, gradient = SOFTMAX.value_and_grad(z, y)
    assert losses.dtype == gradient.dtype == dtype
    check(losses, loss, 0.501, y)
    check(gradient, grad, 0.501, y, z)


@needs_extended
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [2, 10, 64])
def test_the_mean_adds_one_ulp_to_the_gradient(k, dtype):
    z, y = rows(narrow, k, dtype)
    loss, grad = softmax_ids(z, y)
    value, gradient = xent.SoftmaxCrossEntropy().value_and_grad(z, y)
    limit = 1 if dtype == np.float32 else 1 + bound("softmax, class ids", dtype, "loss")
    check(np.asarray(value).reshape(1), np.array([loss.mean()]), limit)
    check(gradient, grad / len(y), bound("softmax, class ids", dtype, "gradient") + 1, y, z)


# ---- the oracle -------------------------------------------------------------------------------------


def ulps_mp_extended(got, truth):
    """The distance of a long double from an mpf, in ulps of float64."""
    mantissa, exponent = np.frexp(got)
    head = float(mantissa)
    with mpmath.workdps(60):
        exact = mpmath.ldexp(mpmath.mpf(head) + mpmath.mpf(float(mantissa - EXTENDED(head))), int(exponent))
        return abs(exact - truth) * mpmath.mpf(2) ** (53 - max(mpmath.frexp(truth)[1], -1021)) if truth else abs(exact)


@needs_extended
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_extended_oracle_agrees_with_mpmath(kind):
    z, y = rows(kind, 10, np.float64)
    z, y = z[::23], y[::23]
    loss, grad = softmax_ids(z, y)
    for row in range(len(y)):
        true_loss, true_grad = softmax_ids_mp(z[row], y[row])
        assert float(ulps_mp_extended(loss[row], true_loss)) < 0.01
        for got, truth in zip(grad[row], true_grad, strict=True):
            assert float(ulps_mp_extended(got, truth)) < 0.01
