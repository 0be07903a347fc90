"""Sigmoid, softmax and their logarithms of tensors and JAX arrays: NumPy's numbers, exact tails, masked classes."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
import torch
from frameworks import BFLOAT16, DIRECT, ROUTES, portable, run, slopes, tensor

import xent

ELEMENTS, ROWS = ("sigmoid", "log_sigmoid"), ("softmax", "log_softmax", "logsumexp")
ALL = ELEMENTS + ROWS
INF, NAN = np.inf, np.nan
Z = [[0, 1, 2], [-INF, 0, 1], [INF, 0, 1], [INF, INF, 0], [-INF] * 3, [NAN, 0, 1], [-60, 0, 60], [-9, -9, 9.5]]


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16, np.float32, np.float64], ids=str)
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("route", ROUTES)
def test_the_numbers_are_numpys(route, name, dtype):
    z = np.array(Z).astype(dtype)
    want, got = getattr(xent, name)(z), run(route, getattr(xent, name), z)
    assert got.dtype == dtype and got.shape == want.shape
    if route in DIRECT:
        np.testing.assert_array_equal(got.astype(float), want.astype(float))
    # the kernels work in float64 and round once; the portable path works in float32, in float64 for float64
    rtol = {2: 2.0**-7 if dtype == BFLOAT16 else 2.0**-10, 4: 4 * 2.0**-23, 8: 8 * 2.0**-52}[np.dtype(dtype).itemsize]
    tiny = 2.0**-24 if dtype == np.float16 else 2.0**-126
    np.testing.assert_allclose(got.astype(float), want.astype(float), rtol=rtol, atol=tiny)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("route", ROUTES)
def test_any_axis(rng, route, name):
    z = rng.normal(0, 3, (3, 4, 5)).astype(np.float32)
    for axis in (0, -2):
        got = run(route, lambda z, axis=axis: getattr(xent, name)(z, axis=axis), z)
        np.testing.assert_allclose(got, getattr(xent, name)(z, axis=axis), rtol=1e-6)


def exact(name, z, k):
    """Entry k of the activation, or of logsumexp, of a row of mpmath numbers."""
    if name == "sigmoid":
        return 1 / (1 + mp.exp(-z[k]))
    if name == "log_sigmoid":
        return -mp.log1p(mp.exp(-z[k]))
    lse = mp.log(sum(mp.exp(x) for x in z))
    return {"softmax": lambda: mp.exp(z[k] - lse), "log_softmax": lambda: z[k] - lse, "logsumexp": lambda: lse}[name]()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_gradients_keep_their_digits_in_the_tails(framework, name):
    """Of the first entry, and of the last: against mpmath, with the class far ahead and far behind."""
    for row in ([0.3, -1.2, 2.0], [-40.0, 0.5, 41.0], [300.0, 1.0, -300.0]):
        for k in (0, 2):

            def entry(z, k=k):
                found = getattr(xent, name)(z)
                return found if name == "logsumexp" else found[k]

            (got,) = slopes(framework, entry, np.array(row))
            with mp.workdps(600):
                for j in range(3):

                    def moved(x, j=j, k=k, row=row):
                        return exact(name, [x if i == j else mp.mpf(v) for i, v in enumerate(row)], k)

                    want = float(mp.diff(moved, mp.mpf(row[j]), h=mp.mpf(10) ** -200))
                    assert got[j] == pytest.approx(want, rel=3e-15, abs=0), (row, k, j)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_masked_classes(framework, name):
    """-inf has the slope 0; a row of nothing else moves nothing; what has no limit spoils its own row only."""
    (found,) = slopes(framework, getattr(xent, name), np.array(Z))
    lost = np.isnan(found)
    if name in ELEMENTS:
        assert lost.sum() == 1 and lost[5, 0]
    else:
        assert lost[3].all() and lost[5].all() and lost.sum() == 6
        assert (found[4] == 0).all()
    if name in ("softmax", "logsumexp", "sigmoid"):
        assert found[1, 0] == 0

    def masked(z):
        y = getattr(xent, name)(z)
        return torch.where(torch.zeros(y.shape, dtype=bool), y, 0.0) if framework == "torch" else jnp.where(False, y, 0)

    (found,) = slopes(framework, masked, np.array(Z)[[0, 1, 2, 4, 6, 7]])
    assert (found == 0).all()


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # forward mode inside torch
@pytest.mark.parametrize("name", ALL)
def test_every_order(rng, name):
    z, function = rng.normal(0, 2, (2, 3)), getattr(xent, name)
    x = tensor(z).requires_grad_()
    assert torch.autograd.gradcheck(function, (x,), check_forward_ad=True, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, (x,), fast_mode=True)
    hessian = torch.func.hessian(lambda z: (function(z) ** 2).sum())(x.detach())
    with jax.enable_x64(True):
        theirs = jax.jit(jax.hessian(lambda z: (function(z) ** 2).sum()))(jnp.asarray(z))
        batched = jax.vmap(function)(jnp.asarray(z))
    np.testing.assert_allclose(hessian, theirs, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(batched, function(z), rtol=1e-14)
    np.testing.assert_allclose(torch.func.vmap(function)(x.detach()), function(z), rtol=1e-14)


@pytest.mark.parametrize("name", ALL)
def test_out(rng, name):
    """Tensors take results where no derivative is asked; JAX arrays never."""
    z, function = rng.normal(size=(3, 4)).astype(np.float32), getattr(xent, name)
    want = function(z)
    out = torch.empty(want.shape)
    assert function(tensor(z), out=out) is out and (out.numpy() == want).all()
    with portable():
        out = torch.empty(want.shape)
        assert function(tensor(z), out=out) is out
        np.testing.assert_allclose(out, want, rtol=1e-6)
    with pytest.raises(ValueError, match="`out` takes what no derivative is asked of"):
        function(tensor(z).requires_grad_(), out=out)
    with pytest.raises(ValueError, match="`out` must not require a gradient"):
        function(tensor(z), out=out.requires_grad_())
    with pytest.raises(TypeError, match="`out` must be a tensor"):
        function(tensor(z), out=np.empty_like(want))
    with pytest.raises(ValueError, match="`out` must have"):
        function(tensor(z), out=torch.empty(want.shape, dtype=torch.float64))
    with pytest.raises(TypeError, match="JAX arrays never change"):
        function(jnp.asarray(z), out=jnp.asarray(want))
    np.testing.assert_array_equal(function(tensor(z).T if name in ELEMENTS else tensor(z)[:, ::2]),
                                  function(z.T if name in ELEMENTS else z[:, ::2]))  # fmt: skip


def test_compiled_and_errors():
    def total(z):
        elements = xent.sigmoid(z) + xent.log_sigmoid(z)
        return elements + xent.softmax(z) + xent.log_softmax(z, axis=0) + xent.logsumexp(z)[:, None]

    z = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    want, got = total(z), torch.compile(total, fullgraph=True, backend="aot_eager")(z)
    torch.testing.assert_close(got, want, rtol=1e-14, atol=1e-15)
    for one, two in zip(*(torch.autograd.grad((x**2).sum(), z) for x in (got, want)), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-14)
    for make in (torch.tensor, jnp.asarray):
        for ones in (make([1, 2]), make([True])):
            with pytest.raises(TypeError, match="`logits` must hold floating-point numbers"):
                xent.softmax(ones)
        with pytest.raises(ValueError, match="`axis` must name one of the logits' 1 axes"):
            xent.softmax(make([1.0, 2.0]), axis=1)
        with pytest.raises(ValueError, match="at least one class"):
            xent.logsumexp(make([[], []]))
        assert xent.softmax(make([[0.0]])[:0]).shape == (0, 1) and xent.sigmoid(make(0.5)).shape == ()
    meta = torch.empty(4, 3, dtype=torch.float16, device="meta")
    assert xent.logsumexp(meta).shape == (4,) and xent.softmax(meta).dtype == torch.float16
