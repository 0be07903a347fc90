"""Values and derivatives: the definition against 120-digit arithmetic, the public functions against the definition."""

import mpmath as mp
import numpy as np
import pytest

import xent
from xent import SigmoidCrossEntropy, SoftmaxCrossEntropy, reference

H = mp.mpf(10) ** -20


def phi(nll, gamma=0.0, poly=0.0, gce=0.0):
    q = -mp.expm1(-nll)
    if gce:
        return -mp.expm1(-mp.mpf(gce) * nll) / gce
    return nll + poly * q if poly else q ** mp.mpf(gamma) * nll


def each(value, k, default):
    return mp.mpf(default if value is None else value[k] if isinstance(value, tuple) else value)


def piped(z, k, o):
    x, c = z + each(o.get("bias"), k, 0), o.get("softcap")
    return (c * mp.tanh(x / c) if c else x) / o.get("temperature", 1.0)


def law_of(o, **other):
    return {name: o[name] for name in ("gamma", "poly", "gce") if name in o} | other


def ignored(o):
    each = o.get("ignore_index", ())
    return each if isinstance(each, tuple) else (each,)


def sigmoid_loss(z, t, k, o):
    """One element by the formula of the docstring."""
    if t in ignored(o):
        return mp.mpf(0)
    pair = o.get("class_weight")
    pair = (1, 1) if pair is None else pair[k] if isinstance(pair[0], tuple) else (pair[k], pair[k])
    w = (1 - mp.mpf(t)) * pair[0] + mp.mpf(t) * pair[1]
    x, eps = piped(z, k, o), mp.mpf(o.get("label_smoothing", 0.0))
    s = (1 - eps) * t + eps * each(o.get("prior"), k, 0.5)
    a, b = each(o.get("pos_weight"), k, 1), mp.mpf(1)
    if o.get("alpha") is not None:
        a, b = a * each(o["alpha"], k, 1), 1 - each(o["alpha"], k, 1)
    gamma = o.get("gamma", 0.0)
    up, down = gamma if isinstance(gamma, tuple) else (gamma, gamma)
    nll_1, nll_0 = mp.log1p(mp.exp(-x)), mp.log1p(mp.exp(x))
    return w * (a * s * phi(nll_1, **law_of(o, gamma=up)) + b * (1 - s) * phi(nll_0, **law_of(o, gamma=down)))


def softmax_loss(z, t, o):
    """One row by the formula of the docstring."""
    classes = range(len(z))
    if any(0 <= i < len(z) and t[i] == 1 and sum(t) == 1 for i in ignored(o)):
        return mp.mpf(0)
    x = [piped(z[k], k, o) for k in classes]
    lse = mp.log(sum(mp.exp(v) for v in x))
    eps = mp.mpf(o.get("label_smoothing", 0.0))
    cw = [each(o.get("class_weight"), k, 1) for k in classes]
    w = sum(t[k] * cw[k] for k in classes)
    if w == 0:
        return mp.mpf(0)
    total = o.get("z_loss", 0.0) * w * lse**2
    for k in classes:
        s = (1 - eps) * t[k] + eps * each(o.get("prior"), k, mp.mpf(1) / len(z))
        total += s * cw[k] * each(o.get("alpha"), k, 1) * phi(lse - x[k], **law_of(o))
    return total


def derivatives(f, z):
    """First and second derivatives of f in every argument."""
    first, second = [], []
    middle = f(z)
    for k in range(len(z)):
        up, down = (f([*z[:k], z[k] + s, *z[k + 1 :]]) for s in (H, -H))
        first.append((up - down) / (2 * H))
        second.append((up - 2 * middle + down) / H**2)
    return first, second


def close(got, want, rtol=2e-13):
    """Relative to the largest entry: gradients of soft targets are differences."""
    want = np.asarray(want, np.float64)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * (abs(want).max() if want.size else 0))


def as_sum(options):
    return {name: value for name, value in options.items() if name not in ("denominator", "reduction")}


def test_sigmoid_definition(rng, sigmoid_options):
    z = np.concatenate([rng.normal(0, 2, (2, 3)), [[-40.0, 30.0, 1e-9]]])
    t = np.array([[1.0, 0.0, 0.25], [0.0, 1.0, 0.75], [1.0, 1.0, 0.0]])
    o = as_sum(sigmoid_options)
    out = reference.sigmoid_cross_entropy(z, t, reduction="none", **o)
    with mp.workdps(120):
        for i, k in np.ndindex(z.shape):
            f = lambda x, i=i, k=k: sigmoid_loss(x[0], t[i, k], k, o)  # noqa: E731
            first, second = derivatives(f, [mp.mpf(z[i, k])])
            close(out.losses[i, k], float(f([mp.mpf(z[i, k])])))
            close(out.gradient[i, k], float(first[0]), 1e-12)
            close(out.hessian[i, k], float(second[0]), 1e-11)


def test_softmax_definition(rng, softmax_options):
    z = np.concatenate([rng.normal(0, 2, (3, 4)), [[30.0, 0.0, 1.0, -40.0], [30.0, 0.0, 1.0, -40.0]]])
    t = np.array([[1.0, 0, 0, 0], [0.25, 0.5, 0.25, 0], [0, 1, 1, 0.5], [1, 0, 0, 0], [0, 0, 0, 1]])
    o = as_sum(softmax_options)
    out = reference.softmax_cross_entropy(z, t, reduction="none", **o)
    with mp.workdps(120):
        for i, row in enumerate(z):
            f = lambda x, i=i: softmax_loss(x, t[i], o)  # noqa: E731
            first, second = derivatives(f, [mp.mpf(v) for v in row])
            close(out.losses[i], float(f([mp.mpf(v) for v in row])))
            close(out.gradient[i], [float(x) for x in first], 1e-12)
            close(out.hessian[i], [float(x) for x in second], 1e-11)


@pytest.mark.parametrize("reach", [1.0, 30.0, 300.0, 700.0])
def test_row_statistics(rng, reach):
    """To a few ulp for margins up to 700: what rounding takes from z - max is given back."""
    z = rng.uniform(-reach, 0, (4, 6)) + np.pi
    z[1, 2] = 4.0
    p, q, nll, lse, _ = reference.statistics(z)
    with mp.workdps(1000):
        for i, row in enumerate(z):
            e = [mp.exp(mp.mpf(x)) for x in row]
            for k in range(6):
                rest = sum(e[:k] + e[k + 1 :])
                want = e[k] / sum(e), rest / sum(e), mp.log(sum(e) / e[k]), mp.log(sum(e))
                got = p[i, k], q[i, k], nll[i, k], lse[i]
                for x, y in zip(got, want, strict=True):
                    assert x == pytest.approx(float(y), rel=2e-15, abs=1e-15 if y is want[3] else 0)


def test_softmax_definition_of_hvp(rng, softmax_options):
    """Differences of the gradient along v."""
    z, t, v = rng.normal(0, 2, (3, 4)), rng.integers(0, 4, 3), rng.normal(size=(3, 4))
    step = 1e-5
    up, down = (reference.softmax_cross_entropy(z + s * v, t, **softmax_options).gradient for s in (step, -step))
    product = reference.softmax_cross_entropy(z, t, v=v, **softmax_options).product
    np.testing.assert_allclose(product, (up - down) / (2 * step), rtol=1e-5, atol=1e-8)


def same(loss, want, v, *args, **arrays):
    """Every way to call a loss gives what the definition says."""
    value, gradient = loss.value_and_grad(*args, **arrays)
    again, hessian = loss.grad_and_hess(*args, **arrays)
    close(value, want.value)
    close(loss(*args, **arrays), want.value)
    close(gradient, want.gradient, 1e-12)
    close(again, want.gradient, 1e-12)
    close(hessian, want.hessian, 1e-11)
    close(loss.hvp(*args, v, **arrays), want.product, 1e-11)


def test_sigmoid_options(rng, sigmoid_options):
    z, t = rng.normal(0, 4, (50, 3)), rng.integers(0, 2, (50, 3)).astype(float)
    t[:25] = rng.random((25, 3))
    v, arrays = rng.normal(size=z.shape), {"sample_weight": rng.random(50), "where": rng.random((50, 3)) < 0.8}
    for extra in ({}, arrays):
        want = reference.sigmoid_cross_entropy(z, t, v=v, **extra, **sigmoid_options)
        same(SigmoidCrossEntropy(**sigmoid_options), want, v, z, t, **extra)
        close(xent.sigmoid_cross_entropy(z, t, **extra, **sigmoid_options), want.value)


@pytest.mark.parametrize("kind", ["ids", "one-hot", "soft", "sparse"])
def test_softmax_options(rng, softmax_options, kind):
    z, ids = rng.normal(0, 4, (50, 4)), rng.integers(0, 4, 50)
    t = {
        "ids": ids,
        "one-hot": np.eye(4)[ids],
        "soft": rng.random((50, 4)),
        "sparse": (rng.integers(0, 4, (50, 2)), rng.dirichlet(np.ones(2), 50)),
    }[kind]
    v, arrays = rng.normal(size=z.shape), {"sample_weight": rng.random(50), "where": rng.random(50) < 0.8}
    for extra in ({}, arrays):
        want = reference.softmax_cross_entropy(z, t, v=v, **extra, **softmax_options)
        same(SoftmaxCrossEntropy(**softmax_options), want, v, z, t, **extra)
        close(xent.softmax_cross_entropy(z, t, **extra, **softmax_options), want.value)


def test_arrays_at_the_call_are_numbers_in_the_record(rng):
    z, t = rng.normal(size=(5, 3)), rng.random((5, 3))
    numbers = {"class_weight": (1.0, 0.5, 2.0), "pos_weight": (3.0, 1.0, 2.0), "alpha": (0.2, 0.5, 0.9),
               "prior": (0.1, 0.5, 0.2), "bias": (0.1, 0.2, 0.3)}  # fmt: skip
    arrays = {name: np.array(x, np.float32).astype(np.float64) for name, x in numbers.items()}
    numbers = {name: tuple(x.tolist()) for name, x in arrays.items()}
    inside, outside = SigmoidCrossEntropy(label_smoothing=0.1, **numbers), SigmoidCrossEntropy(label_smoothing=0.1)
    assert inside(z, t) == outside(z, t, **arrays) == xent.sigmoid_cross_entropy(z, t, label_smoothing=0.1, **arrays)
    ids = rng.integers(0, 3, 5)
    numbers = {"class_weight": (1.0, 0.5, 2.0), "alpha": (0.25, 0.5, 3.0), "prior": (0.25, 0.5, 0.25),
               "bias": (0.1, 0.2, 0.3)}  # fmt: skip
    arrays = {name: np.array(x) for name, x in numbers.items()}
    inside, outside = SoftmaxCrossEntropy(label_smoothing=0.1, **numbers), SoftmaxCrossEntropy(label_smoothing=0.1)
    assert inside(z, ids) == outside(z, ids, **arrays)
    assert inside(z, ids) == xent.softmax_cross_entropy(z, ids, label_smoothing=0.1, **arrays)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_lower_precision_rounds_the_definition(rng, dtype, softmax_options):
    z, t = rng.normal(0, 4, (40, 4)).astype(dtype), rng.integers(0, 4, 40)
    want = reference.softmax_cross_entropy(z, t, **softmax_options)
    value, gradient = SoftmaxCrossEntropy(**softmax_options).value_and_grad(z, t)
    eps = float(np.finfo(dtype).eps)
    assert gradient.dtype == dtype
    close(gradient, want.gradient, 4 * eps)
    close(value, want.value, 4 * eps if softmax_options.get("reduction") == "none" else 1e-6)


def test_gradient_vanishes_at_the_optimum(rng):
    p = rng.dirichlet(np.ones(5), 20)
    gradient = SoftmaxCrossEntropy(reduction="sum").value_and_grad(np.log(p), p)[1]
    assert abs(gradient).max() < 1e-15
    t = rng.random(100)
    gradient = SigmoidCrossEntropy(reduction="sum").value_and_grad(np.log(t) - np.log1p(-t), t)[1]
    assert abs(gradient).max() < 1e-15
    # with smoothing the optimum moves to the smoothed target, which is then no longer the target
    smooth = SigmoidCrossEntropy(reduction="sum", label_smoothing=0.5).value_and_grad(np.log(t) - np.log1p(-t), t)[1]
    assert abs(smooth).max() > 0.1
