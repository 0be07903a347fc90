"""Log loss of tensors and JAX arrays: NumPy's numbers and gradients, by every route, whatever does not count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from frameworks import BFLOAT16, DIRECT, ROUTES, numbers, run, slopes, tensor

import xent
from xent import LogLoss, backends

INF, NAN = np.inf, np.nan
RNG = np.random.default_rng(7)
ROWS = RNG.dirichlet(np.ones(4), 6)
ROWS[3] = [NAN, 3.0, -1.0, 0.0]  # has weight 0
ROWS[4] = [0.5, 0.25, 0.25, 0.0]  # ignored
ROWS[5] = [1.0, 0.0, 0.0, 0.0]
IDS = np.array([0, 3, 1, 99, -100, 0])
WEIGHT = np.array([1.0, 0.5, 2.0, 0.0, 1.0, 0.25])
SOFT = RNG.random((6, 4)) * (ROWS > 0)
SOFT[4] = -100
ONE = RNG.random(8)
ONE[:4] = [0.0, 1.0, 1e-300, NAN]
LABELS = np.array([0.0, 1.0, 1.0, 7.0, 0.25, 0.5, 0.0, 1.0])
COUNTS = np.array([1.0, 2.0, 0.5, 0.0, 1.0, 1.0, 3.0, 1.0])

CASES = {  # name: (probs, targets, options of the record, arrays)
    "ids": (ROWS, IDS, {"ignore_index": -100}, {"sample_weight": WEIGHT}),
    "class weights": (ROWS, IDS, {"ignore_index": -100, "class_weight": (1.0, 2.0, 0.5, 0.0)},
                      {"sample_weight": WEIGHT, "where": np.array([True] * 5 + [False])}),
    "along an axis": (ROWS.T, IDS, {"axis": 0, "ignore_index": (-100, 99)}, {"where": np.arange(6) != 3}),
    "dense": (ROWS, SOFT, {"multilabel": False, "ignore_index": -100},
              {"sample_weight": WEIGHT, "class_weight": np.array([1.0, 2.0, 0.5, 3.0])}),
    "labels": (ROWS[:3], (SOFT[:3] > 0.3).astype(int), {"multilabel": True, "class_weight": (1.0, 2.0, 0.5, 3.0)},
               {"sample_weight": WEIGHT[:3]}),
    "soft": (ONE, LABELS, {}, {"sample_weight": COUNTS}),
    "one": (np.array(0.25), np.array(1), {}, {}),
}  # fmt: skip


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("route", ROUTES)
def test_the_numbers_are_numpys(route, case, reduction):
    p, t, options, arrays = CASES[case]
    loss = LogLoss(**options, reduction=reduction)
    want, slope = loss.value_and_grad(p, t, **arrays)
    pair = run(route, loss.value_and_grad, p, t, **arrays)
    value = pair[0] if route == "jax jit" and reduction == "none" else run(route, loss, p, t, **arrays)
    assert value.dtype == pair[1].dtype == np.float64
    if route in DIRECT:
        np.testing.assert_array_equal(value, want)
        np.testing.assert_array_equal(pair[1], slope)
    for got in (value, pair[0]):
        np.testing.assert_allclose(got, want, rtol=2e-15, atol=0)
    np.testing.assert_allclose(pair[1], slope, rtol=4e-15, atol=0)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_the_slope_is_numpys(framework, case):
    """With what does not count at exactly 0, and every mean."""
    p, t, options, arrays = CASES[case]
    make = tensor if framework == "torch" else jnp.asarray
    for more in ({}, {"denominator": "count"}, {"denominator": 7.0}, {"reduction": "none"}):
        loss = LogLoss(**options, **more)
        want = loss.value_and_grad(p, t, **arrays)[1]

        def value(p, loss=loss):
            return loss(p, make(t), **{name: make(x) for name, x in arrays.items()})

        np.testing.assert_allclose(slopes(framework, value, p)[0], want, rtol=4e-15, atol=0)


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_zero_on_the_truth(framework):
    """Infinite, with an infinite slope there and nothing elsewhere; 0 where a mask follows."""
    p, t = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([1, 0])
    for route in ROUTES:
        np.testing.assert_array_equal(run(route, LogLoss(reduction="none"), p, t), [INF, np.log(2)])
        value, slope = run(route, LogLoss(reduction="sum").value_and_grad, p, t)
        assert value == INF and slope.tolist() == [[0, -INF], [-2, 0]]
    (found,) = slopes(framework, lambda p: xent.log_loss(p, [1, 0], reduction="sum"), p)
    assert found.tolist() == [[0, -INF], [-2, 0]]
    binary = lambda p: xent.log_loss(p, [0.0, 1.0, 1.0], reduction="none")  # noqa: E731
    (found,) = slopes(framework, binary, np.array([1.0, 0.0, 1.0]))
    assert found.tolist() == [INF, -INF, -1]

    def masked(p):
        y = xent.log_loss(p, [1, 0], reduction="none")
        return torch.where(torch.zeros(2, dtype=bool), y, 0.0) if framework == "torch" else jnp.where(False, y, 0.0)

    (found,) = slopes(framework, masked, p)
    assert (found == 0).all()


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16, np.float32, np.float64], ids=str)
@pytest.mark.parametrize("multilabel", [False, True])
def test_dtypes(dtype, multilabel):
    """Values in float32 or float64, all losses and gradients in the dtype of the probabilities, a few ulp of it."""
    p, t = np.array([[0.125, 0.25, 0.625], [0.5, 0.25, 0.25]]).astype(dtype), np.eye(3)[[1, 0]]
    eps = {2: 2.0**-8 if dtype == BFLOAT16 else 2.0**-11, 4: 3 * 2.0**-23, 8: 2.0**-51}[np.dtype(dtype).itemsize]
    for reduction in ("mean", "none"):
        loss = LogLoss(multilabel=multilabel, reduction=reduction)
        want, slope = loss.value_and_grad(p.astype(float), t)
        mean = np.float64 if dtype == np.float64 else np.float32
        for route in ROUTES:
            value, got = run(route, loss.value_and_grad, p, t)
            assert got.dtype == dtype and value.dtype == (mean if reduction == "mean" else dtype)
            np.testing.assert_allclose(got.astype(float), slope, rtol=eps, atol=0)
            np.testing.assert_allclose(value.astype(float), want, rtol=eps if reduction == "none" else 4e-7, atol=0)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # forward mode inside torch
@pytest.mark.parametrize("multilabel", [False, True])
def test_every_order_in_everything(rng, multilabel):
    """Derivatives in logits, soft targets, weights and the class table."""
    z, t, s, c = rng.normal(size=(3, 4)), rng.random((3, 4)), rng.random(3), rng.random(4) + 0.5
    loss = LogLoss(multilabel=multilabel)

    def value(z, t, s, c):
        p = xent.sigmoid(z) if multilabel else xent.softmax(z)
        return loss(p, t, sample_weight=s, class_weight=c)

    given = tuple(tensor(x).requires_grad_() for x in (z, t, s, c))
    assert torch.autograd.gradcheck(value, given, check_forward_ad=True, fast_mode=True)
    assert torch.autograd.gradgradcheck(value, given, fast_mode=True)
    hessian = torch.func.hessian(value)(*(x.detach() for x in given))
    with jax.enable_x64(True):
        arrays = [jnp.asarray(x) for x in (z, t, s, c)]
        theirs = jax.jit(jax.hessian(value))(*arrays)
        each = jax.vmap(loss, in_axes=(0, 0))(xent.sigmoid(arrays[0]), arrays[1]) if multilabel else None
    np.testing.assert_allclose(hessian, theirs, rtol=1e-10, atol=1e-13)
    if each is not None:
        p = xent.sigmoid(given[0].detach())
        np.testing.assert_allclose(each, [loss(*row) for row in zip(p, given[1].detach(), strict=True)], rtol=1e-13)


BAD = {
    "probs above 1": ([[0.5, 1.5, -1.0], [0.25, 0.5, 0.25]], [0, 1], {}, "`probs` must lie in"),
    "probs nan": ([[0.5, NAN, 0.5], [0.25, 0.5, 0.25]], [0, 1], {}, "`probs` must lie in"),
    "sum": ([[0.5, 0.4, 0.2], [0.25, 0.5, 0.25]], [0, 1], {}, "`probs` must sum to 1 within"),
    "id": ([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]], [3, 1], {}, "`targets` must hold class ids"),
    "negative id": ([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]], [-1, 1], {}, "`targets` must hold class ids"),
    "target": ([0.5, 0.5], [2.0, 1.0], {}, "`targets` must lie in"),
    "element": ([1.5, 0.5], [1.0, 1.0], {}, "`probs` must lie in"),
    "weight": ([0.5, 0.5], [1.0, 1.0], {"sample_weight": np.array([-1.0, 1.0])}, "`sample_weight` must be finite"),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_may_not_be(monkeypatch, bad):
    """An error where values can be read; NaN in its own row, value and gradient, where they cannot."""
    p, t, arrays, message = BAD[bad]
    p, t = np.array(p), np.array(t)
    loss = LogLoss(reduction="none")
    for route in ("torch", "torch graph", "jax"):
        with pytest.raises(ValueError, match=message):
            run(route, loss, p, t, **arrays)
    for route in ("torch portable", "jax jit"):
        value, slope = run(route, loss.value_and_grad, p, t, **arrays)
        assert np.isnan(value[0]) and np.isfinite(value[1])
        assert np.isnan(slope[0]).all() and np.isfinite(slope[1]).all()
    with jax.enable_x64(True):
        given = {name: jnp.asarray(x) for name, x in arrays.items()}
        found = jax.jit(jax.grad(lambda p: loss(p, jnp.asarray(t), **given).sum()))
        found = numbers(found(jnp.asarray(p)))
    assert np.isnan(found[0]).all() and np.isfinite(found[1]).all()
    monkeypatch.setattr(backends, "checking", True)
    with pytest.raises(ValueError, match=message):
        run("torch portable", loss, p, t, **arrays)


def test_nothing_left():
    p, t, none = torch.tensor([0.5, 0.5], requires_grad=True), torch.tensor([1, 0]), torch.zeros(2, dtype=bool)
    value = xent.log_loss(p, t, where=none)
    value.backward()
    assert value == 0 and (p.grad == 0).all(), "connected to the graph"
    assert xent.log_loss(p, t, where=none, empty="nan").isnan()
    with pytest.raises(ValueError, match="nothing is left to average"):
        xent.log_loss(p, t, where=none, empty="raise")
    lost = jax.jit(lambda p: xent.log_loss(p, jnp.asarray([1, 0]), where=jnp.zeros(2, bool)))
    assert lost(jnp.asarray([0.5, 0.5])) == 0


def test_compiled():
    """The function with its options and the record, in one graph with the backward pass."""
    record = LogLoss(reduction="sum", class_weight=(1.0, 2.0, 3.0, 4.0))

    def total(p, t):
        both = record.value_and_grad(p, t.clamp(min=0))
        return xent.log_loss(p, t, ignore_index=-100) + record(p, t.clamp(min=0)) + both[0] + both[1].sum()

    p = tensor(RNG.dirichlet(np.ones(4), 5)).requires_grad_()
    t = torch.tensor([0, 3, -100, 1, 2])
    want, got = total(p, t), torch.compile(total, fullgraph=True, backend="aot_eager")(p, t)
    torch.testing.assert_close(got, want, rtol=1e-14, atol=0)
    (one,), (two,) = (torch.autograd.grad(x, p) for x in (got, want))
    torch.testing.assert_close(one, two, rtol=1e-14, atol=0)


def test_ids_that_jax_would_wrap():
    p, ids = jnp.asarray([[0.2, 0.8], [0.5, 0.5]]), np.array([2**32 + 1, 0])
    for call in (lambda f: f, jax.jit, jax.grad):
        with pytest.raises(ValueError, match=r"`targets` must hold .*; got 4294967297"):
            call(lambda p: xent.log_loss(p, ids))(p)


def test_kinds_that_meet():
    p = torch.tensor([0.9, 0.3])
    want = xent.log_loss(p.numpy(), [1, 0])
    for targets in ([1, 0], np.array([1, 0], np.uint8), torch.tensor([1, 0]), torch.tensor([1.0, 0.0])):
        assert xent.log_loss(p, targets).item() == want
    assert isinstance(xent.log_loss(jnp.asarray([0.9, 0.3]), [1, 0]), jax.Array)
    with pytest.raises(TypeError, match="of one kind; got a torch Tensor where NumPy's are expected"):
        xent.log_loss([0.9, 0.3], torch.tensor([1, 0]))
    with pytest.raises(TypeError, match="of one kind"):
        xent.log_loss(p, jnp.asarray([1, 0]))
    for make in (torch.tensor, jnp.asarray):
        rows = make([[0.5, 0.5], [0.25, 0.75]])
        with pytest.raises(ValueError, match="can be read in two ways"):
            xent.log_loss(rows, make([[1, 0], [0, 1]]))
        with pytest.raises(TypeError, match="are class ids and must be integers"):
            xent.log_loss(rows, make([1.0, 0.0]))
        with pytest.raises(ValueError, match="must have the shape of `probs`"):
            xent.log_loss(rows, make([1, 0, 1]))
        with pytest.raises(ValueError, match="`denominator`='positives'"):
            xent.log_loss(rows, make([1, 0]), denominator="positives")
        with pytest.raises(TypeError, match="`probs` must hold floating-point numbers"):
            xent.log_loss(make([1, 0]), make([1, 0]))
    assert xent.log_loss(torch.empty(4, 3, device="meta"), torch.empty(4, dtype=torch.long, device="meta")).shape == ()
    assert p.tolist() == torch.tensor([0.9, 0.3]).tolist(), "inputs are never written"
