"""Entropy and divergences of tensors and JAX arrays: NumPy's numbers, exact derivatives, none from what is masked."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
import torch
from frameworks import BFLOAT16, DIRECT, ROUTES, numbers, run, slopes, tensor

import xent
from xent import backends

KINDS = ("entropy", "cross_entropy", "kl_divergence", "js_divergence")
INF = np.inf

PAIRS = (
    ([0.1, 0.2, 0.7], [0.6, 0.3, 0.1]),
    ([0.1, 0.2, 0.7], [0.1, 0.2, 0.7]),
    ([1, 0, 0], [0.5, 0.5, 0]),
    ([0.5, 0.5, 0], [0.25, 0.25, 0.5]),
    ([0.25, 0.25, 0.5], [0.5, 0.5, 0]),
    ([1, 1e-300, 0], [0.5, 0.5, 0]),  # XLA has no subnormal numbers
    ([1 - 2.0**-53, 2.0**-53, 0], [1 - 2.0**-40, 2.0**-40, 0]),
)
P, Q = map(list, zip(*PAIRS, strict=True))


def pair(kind, log=False, p=P, q=Q):
    """What the measure takes."""
    given = [np.array(p), np.array(q)][: 1 if kind == "entropy" else 2]
    with np.errstate(divide="ignore"):
        return [np.log(x) for x in given] if log else given


def measure(kind, log=False, **options):
    return lambda *given: getattr(xent, kind)(*given, log=log, **options)


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("route", ROUTES)
def test_the_numbers_are_numpys(route, kind, log):
    given = pair(kind, log)
    want, got = getattr(xent, kind)(*given, log=log), run(route, measure(kind, log), *given)
    assert got.dtype == np.float64
    if route in DIRECT:
        np.testing.assert_array_equal(got, want)
    np.testing.assert_allclose(got, want, rtol=2e-15, atol=0)
    for reduction in () if route == "jax jit" else ("mean", "sum"):
        want = getattr(xent, kind)(*given, log=log, reduction=reduction)
        got = run(route, measure(kind, log, reduction=reduction), *given)
        assert got.shape == () and got == pytest.approx(want, rel=2e-15)


@pytest.mark.parametrize("kind", ["kl_divergence", "js_divergence"])
@pytest.mark.parametrize("route", ROUTES)
def test_nearly_equal_keeps_its_digits(rng, route, kind):
    p = rng.dirichlet(np.ones(100), 3)
    q = p * (1 + 1e-9 * rng.normal(size=p.shape))
    q /= q.sum(-1, keepdims=True)
    want = getattr(xent, kind)(p, q)
    assert (abs((p * np.log(p / q)).sum(-1) - want) > 1e-6 * want).any(), "this test can fail"
    np.testing.assert_allclose(run(route, measure(kind), p, q), want, rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16, np.float32, np.float64], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_dtypes(kind, dtype):
    """float64 out, in JAX without x64 float32; gradients in the dtype of the input."""
    given = [x.astype(dtype) for x in pair(kind, p=[[0.125, 0.25, 0.625]], q=[[0.5, 0.3125, 0.1875]])]  # exact in all
    want = getattr(xent, kind)(*given)
    for route in ROUTES:
        got = run(route, measure(kind), *given)
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, want, rtol=2e-15)
    exact = slopes("torch", measure(kind), *(x.astype(np.float64) for x in given))
    eps = {2: 2.0**-7 if dtype == BFLOAT16 else 2.0**-10, 4: 2.0**-23, 8: 2.0**-50}[np.dtype(dtype).itemsize]
    for framework in ("torch", "jax"):
        for found, slope in zip(slopes(framework, measure(kind), *given), exact, strict=True):
            assert found.dtype == dtype
            np.testing.assert_allclose(found.astype(float), slope, rtol=eps, atol=0)
    if dtype != np.float64:
        small = [jnp.asarray(x) for x in given]
        for got in (measure(kind)(*small), jax.jit(measure(kind))(*small)):
            assert got.dtype == jnp.float32
            np.testing.assert_allclose(got, want, rtol=1e-6)


def definition(kind, log):
    """The measure of two rows as mpmath has it; divergences of logarithms with the masses that they take to be 1."""
    x_log = lambda x, y: mp.mpf(0) if x == 0 else x * mp.log(x / y)  # noqa: E731

    def value(a, b):
        p, q = ([mp.exp(x) for x in row] if log else row for row in (a, b))
        m = [(x + y) / 2 for x, y in zip(p, q, strict=True)]
        return {
            "entropy": lambda: -sum(x_log(x, mp.mpf(1)) for x in p),
            "cross_entropy": lambda: -sum(x * mp.log(y) for x, y in zip(p, q, strict=True)),
            "kl_divergence": lambda: sum(x_log(x, y) for x, y in zip(p, q, strict=True)) + log * (sum(q) - sum(p)),
            "js_divergence": lambda: sum(x_log(x, z) + x_log(y, z) for x, y, z in zip(p, q, m, strict=True)) / 2,
        }[kind]()

    return value


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_gradients_are_exact(framework, kind, log):
    """Against mpmath, far apart and nearly equal, where a divergence is flat."""
    for p, q in ((P[0], Q[0]), ([0.1, 0.2, 0.7], [0.1 + 1e-9, 0.2 - 3e-9, 0.7 + 2e-9])):
        given = pair(kind, log, p, q)
        got = slopes(framework, measure(kind, log), *given)
        with mp.workdps(50):
            rows = [[mp.mpf(float(x)) for x in row] for row in (given * 2)[:2]]
            value = definition(kind, log)
            for which, found in enumerate(got):
                for k in range(3):

                    def one(x, which=which, k=k, rows=rows, value=value):
                        moved = [list(row) for row in rows]
                        moved[which][k] = x
                        return value(*moved)

                    want = float(mp.diff(one, rows[which][k], h=mp.mpf(10) ** -20))
                    assert found[k] == pytest.approx(want, rel=1e-14, abs=0), (which, k)


SLOPES = {  # kind: (p, q, gradients) where something has no mass: the limit where there is one
    "entropy": ([1.0, 0.0], None, [[-1.0, INF]]),
    "cross_entropy": ([0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [[-np.log(0.5), INF, -np.log(0.5)], [-1.0, -INF, 0.0]]),
    "kl_divergence": ([0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [[1.0, INF, -INF], [-1.0, -INF, 0.0]]),
    "js_divergence": ([0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [[0, np.log(2) / 2, -INF], [0, -INF, np.log(2) / 2]]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_slopes_at_the_ends(framework, kind):
    p, q, want = SLOPES[kind]
    given = [np.array(x) for x in (p, q) if x is not None]
    for found, slope in zip(slopes(framework, measure(kind), *given), want, strict=True):
        np.testing.assert_allclose(found, slope, rtol=1e-15)
    found = slopes(framework, measure(kind, True), *pair(kind, True))
    assert all(not np.isnan(x).any() for x in found)
    for x in found[:1]:
        assert (x[2][1:] == 0).all(), "the logarithm -inf has no slope"


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_what_is_masked_afterwards_moves_nothing(framework, kind, log):
    """A gradient of 0 times an infinite slope is 0, at first and at second order."""

    def masked(*given):
        rows = getattr(xent, kind)(*given, log=log)
        return torch.where(torch.zeros(7, dtype=bool), rows, 0.0) if framework == "torch" else jnp.where(False, rows, 0)

    for found in slopes(framework, masked, *pair(kind, log)):
        np.testing.assert_array_equal(found, np.zeros_like(found))
    if framework == "torch":
        given = [tensor(x).requires_grad_() for x in pair(kind, log)]
        first = torch.autograd.grad(masked(*given).sum(), given, create_graph=True)
        second = torch.autograd.grad(sum(x.sum() for x in first), given, allow_unused=True)
        assert all(x is None or (x == 0).all() for x in second)


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_masked_classes_have_no_part_in_the_entropy_of_a_softmax(framework):
    """The slope of p log p at p = 0 is infinite; the softmax that made the 0 lets none of it through."""
    z = np.array([[1.0, 2.0, -INF, 0.5], [-800.0, 0.0, 1.0, 2.0]])
    (found,) = slopes(framework, lambda z: xent.entropy(xent.softmax(z)), z)
    p = softmax(z)
    with np.errstate(divide="ignore", invalid="ignore"):
        h = np.where(p == 0, 0, -p * np.log(p)).sum(-1, keepdims=True)
        want = np.where(p == 0, 0, -p * (np.log(p) + h))
    np.testing.assert_allclose(found, want, rtol=1e-13, atol=1e-16)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # forward mode inside torch
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_order(rng, kind, log):
    """torch's own checks of first and second derivatives, in both modes; JAX has the same Hessian."""
    z = [rng.normal(size=(2, 3)) for _ in pair(kind)]

    def value(*z):
        act = xent.log_softmax if log else xent.softmax
        return getattr(xent, kind)(*(act(x) for x in z), log=log)

    given = tuple(tensor(x).requires_grad_() for x in z)
    assert torch.autograd.gradcheck(value, given, check_forward_ad=True, fast_mode=True)
    assert torch.autograd.gradgradcheck(value, given, fast_mode=True)
    hessian = torch.func.hessian(lambda x: value(x, *(y.detach() for y in given[1:])).sum())(given[0].detach())
    with jax.enable_x64(True):
        mine = [jnp.asarray(x) for x in z]
        theirs = jax.jit(jax.hessian(lambda x: value(x, *mine[1:]).sum()))(mine[0])
        batched = jax.vmap(value)(*mine)
    np.testing.assert_allclose(hessian, theirs, rtol=1e-10, atol=1e-14)
    want = numbers(value(*given))
    np.testing.assert_allclose(torch.func.vmap(value)(*(x.detach() for x in given)), want, rtol=1e-13)
    np.testing.assert_allclose(batched, want, rtol=1e-13)


BAD = {"nan": [0.5, np.nan, 0.5], "above": [0.5, 1.5, -1.0], "sum": [0.5, 0.4, 0.2]}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_distribution(monkeypatch, kind, bad):
    """Named where it can be read; NaN in its own row, value and gradient, where it cannot."""
    p = np.array([[0.5, 0.25, 0.25], BAD[bad]])
    given = pair(kind, p=p, q=np.full((2, 3), 1 / 3))
    for route in ("torch", "torch graph", "jax"):
        with pytest.raises(ValueError, match=r"`p` must hold probabilities.* at row 1"):
            run(route, measure(kind), *given)
    for route in ("torch portable", "jax jit"):
        got = run(route, measure(kind), *given)
        assert np.isfinite(got[0]) and np.isnan(got[1])
    found = slopes("jax", measure(kind), *given)
    assert all(np.isfinite(x[0]).all() and np.isnan(x[1]).all() for x in found)
    monkeypatch.setattr(backends, "checking", True)
    with pytest.raises(ValueError, match="`p` must hold probabilities that sum to 1"):
        run("torch portable", measure(kind), *given)


def test_compiled_and_exported():
    """Every measure in one graph, with its backward pass."""

    def total(z, w):
        p, q, a, b = xent.softmax(z), xent.softmax(w), xent.log_softmax(z), xent.log_softmax(w)
        return xent.kl_divergence(p, q, reduction="mean") + xent.entropy(p) + xent.js_divergence(a, b, log=True)

    generator = torch.Generator().manual_seed(0)
    z, w = (torch.randn(4, 5, dtype=torch.float64, generator=generator, requires_grad=True) for _ in range(2))
    want = total(z, w)
    got = torch.compile(total, fullgraph=True, backend="aot_eager")(z, w)
    torch.testing.assert_close(got, want, rtol=1e-14, atol=0)
    for one, two in zip(*(torch.autograd.grad(x.sum(), (z, w)) for x in (got, want)), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-15)

    class Total(torch.nn.Module):
        def forward(self, z, w):
            return total(z, w)

    with torch.no_grad():
        program = torch.export.export(Total(), (z.detach(), w.detach()))
        torch.testing.assert_close(program.module()(z.detach(), w.detach()), want, rtol=1e-14, atol=0)


def test_kinds_that_meet():
    p, q = torch.tensor([0.5, 0.5]), [0.25, 0.75]
    want = xent.kl_divergence([0.5, 0.5], q)
    for other in (q, np.array(q), torch.tensor(q)):
        for got in (xent.kl_divergence(p, other), xent.kl_divergence(p.clone().requires_grad_(), other)):
            assert isinstance(got, torch.Tensor) and got.item() == pytest.approx(want, rel=1e-15)
    assert isinstance(xent.kl_divergence(q, p), torch.Tensor)
    for other in (q, np.array(q)):
        assert isinstance(xent.kl_divergence(jnp.asarray(p.numpy()), other), jax.Array)
    with pytest.raises(TypeError, match="of one kind; got torch and jax"):
        xent.kl_divergence(p, jnp.asarray(q))
    for ones in (torch.tensor([1, 0]), jnp.asarray([1, 0])):
        with pytest.raises(TypeError, match="`p` must hold floating-point numbers"):
            xent.entropy(ones)
    for make in (torch.tensor, jnp.asarray):
        with pytest.raises(ValueError, match=r"`p` and `q` must have the same shape; got \(2,\) and \(3,\)"):
            xent.js_divergence(make([0.5, 0.5]), make([0.5, 0.25, 0.25]))
        with pytest.raises(ValueError, match="`axis` must name one of the axes of `p`"):
            xent.entropy(make([0.5, 0.5]), axis=1)
        with pytest.raises(ValueError, match="`reduction` must be one of"):
            xent.entropy(make([0.5, 0.5]), reduction="max")
    meta = torch.empty(4, 3, device="meta")
    assert xent.entropy(meta).shape == (4,) and xent.entropy(meta, axis=0).device.type == "meta"
    with pytest.raises(ValueError, match="must be on one device; got `q` on cpu beside meta"):
        xent.kl_divergence(meta, torch.ones(4, 3) / 3)
    assert p.tolist() == [0.5, 0.5], "inputs are never written"
