"""The sigmoid family within the bounds of docs/numerics.md, on dense and on adversarial logits.

Random logits alone hide the bugs worth finding, so each sample is stratified: every exponent, the points where the
reduction of exp changes its multiple of ln2, the split of log1p, the thresholds of blocks, the ends of the range; in
order (blocks of one magnitude) and shuffled (every block holds all magnitudes).
"""

import math

import ml_dtypes
import numpy as np
import pytest
from ulps import (
    EXTENDED,
    bound,
    check,
    needs_extended,
    sigmoid_hard,
    sigmoid_soft,
    sigmoid_soft_mp,
    spacing,
    ulps,
    ulps_mp,
)

import xent
import xent.reference

SIGMOID = xent.SigmoidCrossEntropy(reduction="none")


# ---- samples -------------------------------------------------------------------------------------


def around(points, dtype, reach):
    """Each point and its `reach` neighbours on both sides."""
    points = np.asarray(points, dtype)
    unsigned = {4: np.int32, 8: np.int64}[points.dtype.itemsize]
    steps = np.arange(-reach, reach + 1, dtype=unsigned)
    return (points.view(unsigned)[:, None] + steps).view(points.dtype).ravel()


def critical(dtype):
    """Positive logits where a kernel changes its mind, or may."""
    multiples = (np.arange(1100 if dtype == np.float64 else 155) + 0.5) * math.log(2)
    thresholds = "9.3e-10 .25 .5 .693147180559945 1 2 16 17 20 30 37 40 60 64 69 80 86 87 87.336 88 88.7228 103.2789 "
    thresholds += "103.9721 104 105 106 110 127 128 150 256"
    if dtype == np.float64:
        thresholds += " 300 512 690 700 707 708 708.3964 709 709.7827 744.4401 745.1332 746 750 760 800 1024"
    return around(np.concatenate([multiples, np.array(thresholds.split(), np.float64)]), dtype, 64)


def stratified(dtype, per_exponent):
    """Logits of every exponent and both signs, the critical ones, zeros and infinities."""
    rng = np.random.default_rng(20240229)
    bits = {4: np.uint32, 8: np.uint64}[np.dtype(dtype).itemsize]
    fraction = int(np.finfo(dtype).nmant)
    exponents = np.arange(2 ** (np.dtype(dtype).itemsize * 8 - 1 - fraction) - 1, dtype=bits)
    steps = (2**fraction // per_exponent) * np.arange(per_exponent, dtype=bits)
    mantissas = steps + rng.integers(0, 2**fraction // per_exponent, (len(exponents), per_exponent), dtype=bits)
    mantissas[:, 0], mantissas[:, -1] = 0, 2**fraction - 1
    positive = ((exponents[:, None] << bits(fraction)) | mantissas).view(dtype).ravel()
    positive = np.concatenate([positive, critical(dtype), np.array([0, np.inf], dtype)])
    return np.concatenate([positive, -positive])


def ordered(logits, order):
    return np.sort(logits) if order == "sorted" else np.random.default_rng(7).permutation(logits)


# ---- hard targets ----------------------------------------------------------------------


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
@pytest.mark.parametrize("target", [0, 1])
def test_sigmoid_hard_float32(order, target):
    z = ordered(stratified(np.float32, 4096), order)
    assert len(z) > 2_000_000
    with np.errstate(all="ignore"):
        loss, slope = sigmoid_hard(z.astype(np.float64))[target]
    losses, grad = SIGMOID.value_and_grad(z, np.full(z.shape, target, np.float32))
    assert losses.dtype == grad.dtype == np.float32
    check(losses, loss, bound("sigmoid, hard targets", "float32", "loss"), z)
    check(grad, slope, bound("sigmoid, hard targets", "float32", "gradient"), z)


@needs_extended
@pytest.mark.parametrize("order", ["sorted", "shuffled"])
@pytest.mark.parametrize("target", [0, 1])
def test_sigmoid_hard_float64(order, target):
    z = np.concatenate([stratified(np.float64, 48), np.random.default_rng(1).normal(0, 4, 100_000)])
    z = ordered(z, order)
    with np.errstate(all="ignore"):
        loss, slope = sigmoid_hard(z.astype(EXTENDED))[target]
    losses, grad = SIGMOID.value_and_grad(z, np.full(z.shape, target, np.float64))
    assert losses.dtype == grad.dtype == np.float64
    check(losses, loss, bound("sigmoid, hard targets", "float64", "loss"), z)
    check(grad, slope, bound("sigmoid, hard targets", "float64", "gradient"), z)


@pytest.mark.parametrize("target", [0, 1])
def test_sigmoid_hard_float64_against_mpmath(target):
    z = np.random.default_rng(2).choice(np.concatenate([stratified(np.float64, 4), -critical(np.float64)]), 1500)
    z = np.concatenate([z, np.random.default_rng(3).normal(0, 8, 1500)])
    z = z[np.isfinite(z)]
    losses, grad = SIGMOID.value_and_grad(z, np.full(z.shape, target))
    for row in range(len(z)):
        loss, slope = sigmoid_soft_mp(z[row], target)
        assert ulps_mp(losses[row], loss) <= bound("sigmoid, hard targets", "float64", "loss"), z[row]
        assert ulps_mp(grad[row], slope) <= bound("sigmoid, hard targets", "float64", "gradient"), z[row]


def soft_targets(z, kind):
    """Targets in [0, 1] of z's dtype: spread out, at the ends, or where the gradient nearly vanishes."""
    rng = np.random.default_rng(11)
    if kind == "uniform":
        t = rng.random(z.shape)
    elif kind == "ends":
        t = np.exp(-rng.uniform(0, 100, z.shape))
        t = np.where(rng.random(z.shape) < 0.5, t, 1 - t)
    else:
        with np.errstate(all="ignore"):
            t = 1 / (1 + np.exp(-z.astype(np.float64)))
            t = t * (1 + rng.integers(-4, 5, z.shape) * float(np.finfo(z.dtype).eps))
    return np.clip(t, 0, 1).astype(z.dtype)


@needs_extended
@pytest.mark.parametrize("kind", ["uniform", "ends", "vanishing"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_soft(dtype, kind):
    rng = np.random.default_rng(5)
    z = np.concatenate([stratified(dtype, 256 if dtype == np.float32 else 16), rng.normal(0, 4, 200_000).astype(dtype)])
    z = rng.permutation(z[np.isfinite(z)])
    t = soft_targets(z, kind)
    with np.errstate(all="ignore"):
        loss, slope, terms = sigmoid_soft(z, t)
    losses, grad = SIGMOID.value_and_grad(z, t)
    check(losses, loss, bound("sigmoid, soft targets", dtype, "loss"), z, t)
    limit = bound("sigmoid, soft targets", dtype, "gradient")
    if dtype == np.float32:  # or 2^-55 of the larger term, where the two agree to more digits than double has
        error = np.abs(grad - slope)
        wrong = error > np.maximum(limit * spacing(slope, dtype), terms * 2.0**-55)
        assert not wrong.any(), (z[wrong][0], t[wrong][0], grad[wrong][0], slope[wrong][0])
    else:  # where both terms agree to 2^-53, their difference has no digits of its own left in double arithmetic
        distance = np.abs(grad - slope) / spacing(terms, dtype)
        assert distance.max() <= limit, (z[distance.argmax()], t[distance.argmax()])


@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
def test_sigmoid_half_is_the_float32_result_rounded_once(dtype, target):
    z = np.arange(65536, dtype=np.uint16).view(dtype)
    with np.errstate(all="ignore"):
        half = SIGMOID.value_and_grad(z, np.full(z.shape, target, np.float32))
        single = SIGMOID.value_and_grad(z.astype(np.float32), np.full(z.shape, target, np.float32))
        for got, wide in zip(half, single, strict=True):
            assert got.dtype == dtype
            np.testing.assert_array_equal(got.astype(np.float32), wide.astype(dtype).astype(np.float32))


# ---- sums ----------------------------------------------------------------------------------------


def test_the_sum_is_rounded_once():
    """float64 sums over float32 losses: 1 ulp of float32 where adding in float32 would lose half the digits."""
    z = np.random.default_rng(9).normal(0, 4, 1_000_003).astype(np.float32)
    t = np.zeros_like(z)
    total = np.asarray(xent.SigmoidCrossEntropy(reduction="sum")(z, t))
    assert total.dtype == np.float32
    truth = math.fsum(sigmoid_hard(z.astype(np.float64))[0][0])
    assert ulps(total.reshape(1), np.array([truth])) <= 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_mean_adds_one_ulp_to_the_gradient(dtype):
    z = np.random.default_rng(10).normal(0, 8, 100_003).astype(dtype)
    value, grad = xent.SigmoidCrossEntropy().value_and_grad(z, np.zeros_like(z))
    loss, slope = sigmoid_hard(z.astype(EXTENDED or np.float64))[0]
    limit = 1 if dtype == np.float32 else 1 + bound("sigmoid, hard targets", dtype, "loss")
    check(np.asarray(value).reshape(1), np.array([loss.mean()]), limit)
    check(grad, slope / len(z), bound("sigmoid, hard targets", dtype, "gradient") + 1, z)


@pytest.mark.parametrize("target", [0, 1])
def test_focal_with_gamma_2(target):
    spread = np.random.default_rng(5).normal(size=2**16)
    z = np.concatenate([*(spread * s for s in (0.1, 1, 5, 30)), np.linspace(-110, 110, 2**18)]).astype(np.float32)
    loss = xent.SigmoidCrossEntropy(gamma=2.0, reduction="none")
    losses, gradient = loss.value_and_grad(z, np.full(z.shape, target))
    truth = xent.reference.sigmoid_cross_entropy(z, np.full(z.shape, target), gamma=2.0, reduction="none")
    for got, want, most in ((losses, truth.losses, 9.0), (gradient, truth.gradient, 10.0)):
        last = np.spacing(abs(want).astype(np.float32)).astype(float)
        assert (abs(got - want) / last).max() <= most
