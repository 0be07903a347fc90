"""Derivatives of the portable losses, by torch and by JAX: right at every order, in everything, and never NaN."""

import numpy as np
import pytest
from conftest import SIGMOID, SOFTMAX

from xent import SigmoidCrossEntropy, SoftmaxCrossEntropy, laws, portable, reference
from xent.portable.rules import rules

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")
jnp = jax.numpy

from xent.backends.jax.ops import OPS as JAX  # noqa: E402 - where JAX is
from xent.backends.torch.ops import TORCH  # noqa: E402

# torch scripts a rule of its own when forward mode is first used
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.:DeprecationWarning")

INF, NAN = np.inf, np.nan
LAWS = [laws.Focal(2.0), laws.Focal(0.5), laws.Focal(5.5), laws.Poly(1.5), laws.Poly(-0.5), laws.Generalised(0.7)]
SCALARS = ["softplus", "sigma", "tanh", "sech2", *LAWS]


@pytest.fixture
def wide():
    with jax.enable_x64(True):
        yield


def scalar(ops, which):
    return getattr(rules(ops), which) if isinstance(which, str) else rules(ops).cost(which)


# ---- the rules ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", SCALARS, ids=str)
def test_elementwise_rules(which):
    x = torch.tensor([0.1, 0.7, 2.0, 5.0, *([-0.3, -4.0] if isinstance(which, str) else [])], dtype=torch.float64)
    f, x = scalar(TORCH, which), x.requires_grad_()
    assert torch.autograd.gradcheck(f, x, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(f, x)
    slope = lambda x: torch.autograd.grad(f(x).sum(), x, create_graph=True)[0]  # noqa: E731
    assert torch.autograd.gradgradcheck(slope, x)


@pytest.mark.parametrize("which", ["shares", "nll", "lse"])
def test_rules_of_rows(which):
    z = torch.tensor([[0.3, -1.0, 2.0], [5.0, 4.9, -3.0]], dtype=torch.float64, requires_grad=True)
    f = getattr(rules(TORCH), which)
    assert torch.autograd.gradcheck(f, z, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(f, z)

    def slope(z):
        y = torch.stack(f(z)) if which == "shares" else f(z)
        return torch.autograd.grad((y * y).sum(), z, create_graph=True)[0]

    assert torch.autograd.gradgradcheck(slope, z)


def chain(f, weights):
    """x -> f, and the first to third gradient of its weighted sum, one after the other."""
    yield f
    for weight in weights:
        f = jax.grad(lambda x, g=f, w=weight: (w * jnp.stack(jax.tree.leaves(g(x)))).sum())
        yield f


@pytest.mark.parametrize("which", [*SCALARS, "shares", "nll", "lse"], ids=str)
def test_rules_in_jax_are_those_in_torch(wide, which):
    """Value and three gradients, one of the other, in reverse mode; and the tangent of the first in forward mode."""
    x, rows = np.array([[0.3, 1.0, 2.0], [5.0, 4.9, 0.2]]), which in ("shares", "nll", "lse")
    mine, theirs = (getattr(rules(ops), which) if rows else scalar(ops, which) for ops in (TORCH, JAX))
    weights = (1.0, 0.3 + np.arange(6).reshape(2, 3) / 7, 1.7 - x)
    at = torch.tensor(x, requires_grad=True)
    wanted = [mine(at)]
    y = wanted[0]
    for weight in weights:
        y = torch.stack(y) if isinstance(y, tuple) else y
        (y,) = torch.autograd.grad((torch.as_tensor(weight) * y).sum(), at, create_graph=True)
        wanted.append(y)
    fs = list(chain(theirs, weights))
    found = jax.jit(lambda x: [f(x) for f in fs] + [jax.jvp(fs[1], (x,), (jnp.asarray(weights[1]),))[1]])(
        jnp.asarray(x)
    )
    for want, got in zip(wanted, found, strict=False):
        want = torch.stack(want) if isinstance(want, tuple) else want
        np.testing.assert_allclose(
            jnp.stack(got) if isinstance(got, tuple) else got, want.detach(), rtol=1e-12, atol=1e-14
        )
    np.testing.assert_allclose(found[-1], wanted[2].detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("which", ["softplus", "sigma", "sech2"])
def test_higher_orders_keep_their_tails(which):
    """The third derivative at 60 is of the size of e^-60 and right to float64's last digits, not 0."""
    x = torch.tensor([-40.0, 40.0, 60.0], dtype=torch.float64, requires_grad=True)
    y = scalar(TORCH, which)(x)
    for _ in range(3):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    e = np.exp(-abs(x.detach().numpy()))
    sign = np.sign(x.detach().numpy())
    want = {"softplus": -sign * e, "sigma": e, "sech2": -32 * sign * e**2}[which]
    np.testing.assert_allclose(y.detach(), want, rtol=1e-13)


def test_the_hessian_of_a_confident_row_keeps_its_digits():
    """p (1 - p) of the class on top, whose p rounds to 1."""
    z = torch.tensor([[50.0, 0.0, 1.0]], requires_grad=True)
    nll = rules(TORCH).nll(z)[0, 0]
    (g,) = torch.autograd.grad(nll, z, create_graph=True)
    (h,) = torch.autograd.grad(g[0, 0], z)
    want = reference.softmax_cross_entropy([[50.0, 0.0, 1.0]], [0], v=np.array([[1.0, 0.0, 0.0]])).product
    np.testing.assert_allclose(h, want, rtol=1e-6)


# ---- the losses, in logits, soft targets, weights and tables -----------------------------------------------------

ORDERS = ["plain", "smoothing", "focal below 1", "poly", "generalised", "softcap", "count", "none", "all"]


def case(kind, options):
    rng = np.random.default_rng(7)
    count = 3 if kind is SigmoidCrossEntropy else 4
    arrays = {name: np.array(options[name]) for name in kind.tables if name in options}
    numbers = {name: value for name, value in options.items() if name not in arrays}
    z, t, w = rng.normal(0, 1.5, (2, count)), rng.random((2, count)) * 0.9 + 0.05, rng.random(2) + 0.5
    arrays.pop("prior", None) if kind is SoftmaxCrossEntropy else None  # must sum to 1
    return kind(**numbers), z, t, {"sample_weight": w, **{n: x * 0.8 + 0.1 for n, x in arrays.items()}}


CASES = [(SigmoidCrossEntropy, name) for name in [*ORDERS, "pair", "positives"]] + [
    (SoftmaxCrossEntropy, name) for name in [*ORDERS, "z_loss"]
]


@pytest.mark.parametrize("kind, name", CASES, ids=lambda x: getattr(x, "__name__", x))
def test_torch(kind, name):
    loss, z, t, arrays = case(kind, (SIGMOID if kind is SigmoidCrossEntropy else SOFTMAX)[name])
    inputs = [torch.tensor(x, requires_grad=True) for x in (z, t, *arrays.values())]
    f = lambda z, t, *rest: portable.value(TORCH, loss, z, t, dict(zip(arrays, rest, strict=True))).sum()  # noqa: E731
    assert torch.autograd.gradcheck(f, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(f, inputs)


@pytest.mark.parametrize("kind, name", [c for c in CASES if c[1] in ("plain", "softcap", "z_loss", "all")], ids=str)
def test_jax_has_the_derivatives_of_torch(wide, kind, name):
    """Gradient and Hessian product in everything."""
    loss, z, t, arrays = case(kind, (SIGMOID if kind is SigmoidCrossEntropy else SOFTMAX)[name])
    given = (z, t, *arrays.values())
    inputs, v = (
        [torch.tensor(x, requires_grad=True) for x in given],
        [np.cos(np.arange(x.size)).reshape(x.shape) for x in given],
    )
    value = lambda ops, x: portable.value(ops, loss, *x[:2], dict(zip(arrays, x[2:], strict=True))).sum()  # noqa: E731
    first = torch.autograd.grad(value(TORCH, inputs), inputs, create_graph=True)
    second = torch.autograd.grad(first, inputs, [torch.tensor(x) for x in v])
    gradient = jax.grad(lambda x: value(JAX, x))
    got = jax.jit(lambda x: jax.jvp(gradient, (x,), ([jnp.asarray(u) for u in v],)))([jnp.asarray(x) for x in given])
    for x, y in zip((*got[0], *got[1]), (*first, *second), strict=True):
        np.testing.assert_allclose(x, y.detach(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", [SigmoidCrossEntropy, SoftmaxCrossEntropy])
def test_a_weight_of_zero_still_has_a_derivative(kind):
    """Learning to reweight starts there: d value / d weight is the row's loss, and mixed derivatives its gradient."""
    z = torch.tensor([[1.0, -2.0], [0.5, NAN]], dtype=torch.float64, requires_grad=True)
    t = torch.tensor([0, 1]) if kind is SoftmaxCrossEntropy else torch.tensor([[1, 0], [1, 0]])
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    loss = kind(reduction="sum")
    value = portable.value(TORCH, loss, z, t, {"sample_weight": w})
    dz, dw = torch.autograd.grad(value, (z, w), create_graph=True)
    alone = loss(z.detach()[:1].numpy(), t[:1].numpy())
    assert value == 0 and (dz == 0).all()
    assert dw[0].item() == pytest.approx(float(alone), rel=1e-14)
    (mixed,) = torch.autograd.grad(dw[0], z)
    np.testing.assert_allclose(mixed[:1], loss.value_and_grad(z.detach()[:1].numpy(), t[:1].numpy())[1], rtol=1e-14)


# ---- hostile rows: the reference's gradient, and no NaN from a branch that was not taken ---------------------------

ROWS = [
    [50, -INF, 0, 1], [INF, 0, -INF, 1], [-INF, -INF, 0, -INF], [3e38, 0, 0, 0], [-3e38, 0, 1, 0], [100, -100, 0, 0],
    [0, 0, 0, 0], [NAN, NAN, INF, 0], [INF, INF, 0, -INF],
]  # fmt: skip
HOSTILE = ["plain", "smoothing", "focal below 1", "generalised", "softcap", "all"]


def framework(name):
    """(Ops, array, (value, gradient) of a function)."""
    if name == "torch":

        def both(f, x):
            x = x.clone().requires_grad_()
            value = f(x)
            return value.detach(), torch.autograd.grad(value.sum(), x)[0]

        return TORCH, torch.tensor, both
    return JAX, jnp.asarray, lambda f, x: (f(x), jax.grad(lambda x: f(x).sum())(x))


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("module", ["torch", "jax"])
@pytest.mark.parametrize("kind", [SigmoidCrossEntropy, SoftmaxCrossEntropy])
def test_hostile_rows(kind, module, name):
    ops, array, both = framework(module)
    many = kind is SoftmaxCrossEntropy
    options = (SOFTMAX if many else SIGMOID)[name] | {"reduction": "none"}
    z = np.array(ROWS, np.float32)[:, : None if many else 3]
    keep = np.array([True] * 7 + [False] * 2)
    hard = np.array([[1, 0, 0]] * 9)
    if many:
        define, targets = reference.softmax_cross_entropy, [np.zeros(9, int), np.eye(4)[[2] * 9].astype(np.float32)]
    else:
        define, targets = reference.sigmoid_cross_entropy, [hard, 1 - hard, 0.25 + 0.5 * hard.astype(np.float32)]
    for t in targets:
        loss = kind(**options)
        f = lambda z, t=t: portable.value(ops, loss, z, array(t), {"where": array(keep)})  # noqa: B023, E731
        value, gradient = both(f, array(z))
        want = define(z.astype(float), t, where=keep, **options)
        np.testing.assert_allclose(value, want.value.astype(np.float32), rtol=2e-5, atol=1e-6)
        np.testing.assert_allclose(gradient, want.gradient, rtol=2e-5, atol=1e-6)
        assert not np.asarray(gradient)[7:].any()


@pytest.mark.parametrize("module", ["torch", "jax"])
def test_third_derivatives_of_hostile_rows_are_finite(module):
    z = np.array([[50, -INF, 0, 1], [0, 0, 0, -INF], [90, -90, 0, 1], [NAN, INF, 0, 0]], np.float32)
    keep, ids = np.array([True, True, True, False]), np.array([0, 1, 1, 0])
    for options in ({}, {"gamma": 0.5}, {"gamma": 2.0, "label_smoothing": 0.1, "z_loss": 0.1}, {"softcap": 5.0}):
        loss = SoftmaxCrossEntropy(reduction="sum", **options)
        if module == "torch":
            x = torch.tensor(z, requires_grad=True)
            y = portable.value(TORCH, loss, x, torch.tensor(ids), {"where": torch.tensor(keep)})
            for _ in range(3):
                (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
                assert torch.isfinite(y).all()
        else:
            f = lambda z: portable.value(JAX, loss, z, jnp.asarray(ids), {"where": jnp.asarray(keep)})  # noqa: B023, E731
            for _ in range(3):
                f = jax.grad(lambda x, g=f: g(x).sum())
            assert jnp.isfinite(jax.jit(f)(jnp.asarray(z))).all()
