"""Derivatives of every order and mode, in everything: against finite differences, and torch.func against loops."""

import pytest
import torch
from conftest import CLASSES, LABELS, SIGMOID, SOFTMAX
from torch.autograd import forward_ad, gradcheck, gradgradcheck

import xent
from xent import SigmoidCrossEntropy, SoftmaxCrossEntropy
from xent.backends.torch import fused

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own use of it
DOUBLE = {"dtype": torch.float64}
CASES = [(SigmoidCrossEntropy, name, options) for name, options in SIGMOID.items()]
CASES += [(SoftmaxCrossEntropy, name, options) for name, options in SOFTMAX.items()]
IDS = [kind.__name__[:3] + name for kind, name, _ in CASES]
every_case = pytest.mark.parametrize("kind, options", [c[::2] for c in CASES], ids=IDS)
few_cases = pytest.mark.parametrize(
    "kind, options",
    [
        (SigmoidCrossEntropy, {"reduction": "none"}),
        (SigmoidCrossEntropy, SIGMOID["all"]),
        (SoftmaxCrossEntropy, {"gamma": 1.5, "reduction": "none"}),
        (SoftmaxCrossEntropy, SOFTMAX["all"]),
    ],
    ids=["sigmoid", "sigmoid all", "softmax", "softmax all"],
)


def made(kind, rows=2, seed=0):
    """Logits, soft targets and weights of which derivatives may be asked."""
    g = torch.Generator().manual_seed(seed)
    count = LABELS if kind is SigmoidCrossEntropy else CLASSES
    z = 2 * torch.randn(rows, count, generator=g, **DOUBLE)
    t = 0.05 + 0.9 * torch.rand(rows, count, generator=g, **DOUBLE)
    w = 0.5 + torch.rand(rows, generator=g, **DOUBLE)
    return z.requires_grad_(), t.requires_grad_(), w.requires_grad_()


def ids_of(kind, t):
    """Class ids, which have no derivative, beside the targets that have one."""
    return t.detach() if kind is SigmoidCrossEntropy else t.detach().argmax(-1)


@every_case
def test_first_and_second_derivatives(kind, options):
    z, t, w = made(kind)
    loss, hard = kind(**options), ids_of(kind, t)
    assert gradcheck(lambda z, t, w: loss(z, t, sample_weight=w), (z, t, w))
    assert gradcheck(lambda z: loss(z, hard), z, check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(lambda z: loss(z, hard), z)


@few_cases
def test_second_derivatives_in_everything(kind, options):
    z, t, w = made(kind)
    loss = kind(**options)
    assert gradgradcheck(lambda z, t, w: loss(z, t, sample_weight=w), (z, t, w), check_batched_grad=True)
    assert gradcheck(lambda z, t: loss(z, t), (z, t), check_forward_ad=True, check_batched_forward_grad=True)


@pytest.mark.parametrize("name", ["class_weight", "pos_weight", "alpha", "prior", "bias"])
def test_tables_have_derivatives(name):
    z, t, w = made(SigmoidCrossEntropy)
    table = torch.tensor([0.3, 0.9, 0.5], **DOUBLE, requires_grad=True)
    loss = SigmoidCrossEntropy(label_smoothing=0.2)
    assert gradcheck(lambda z, x: loss(z, t, sample_weight=w, **{name: x}), (z, table))
    assert gradgradcheck(lambda z, x: loss(z, t, sample_weight=w, **{name: x}), (z, table))


def test_inputs_made_of_each_other_count_once():
    """Targets that are a function of the logits: each path adds its part, once."""
    z = torch.randn(3, 4, **DOUBLE, requires_grad=True)
    loss = SoftmaxCrossEntropy()
    assert gradcheck(lambda z: loss(z, torch.softmax(2 * z, -1)), z)
    assert gradgradcheck(lambda z: loss(z, torch.softmax(2 * z, -1)), z)
    assert gradcheck(lambda z: loss(z, torch.sigmoid(z), sample_weight=z.exp().sum(-1)), z)


def test_the_second_order_is_one_pass_of_the_kernels():
    """The first derivative of a graph keeps the kernels' digits, and the second is their Hessian-vector product."""
    for loss in (SigmoidCrossEntropy(gamma=2.0), SoftmaxCrossEntropy(label_smoothing=0.1)):
        z, t, _ = made(type(loss))
        hard, v = ids_of(type(loss), t), torch.randn_like(z)
        (slope,) = torch.autograd.grad(loss(z, hard), z, create_graph=True)
        assert torch.equal(slope, loss.value_and_grad(z, hard)[1])
        (product,) = torch.autograd.grad(slope, z, v)
        assert torch.equal(product, loss.hvp(z, hard, v))


def test_third_derivatives():
    z = torch.randn(4, **DOUBLE, requires_grad=True)
    loss = SoftmaxCrossEntropy(gamma=2.0)
    hessian = torch.func.hessian(lambda z: loss(z, 1))

    def diagonal(z):
        (slope,) = torch.autograd.grad(loss(z, 1), z, create_graph=True)
        return torch.stack([torch.autograd.grad(slope[i], z, create_graph=True)[0][i] for i in range(4)])

    assert torch.allclose(diagonal(z), hessian(z).diagonal(), rtol=1e-12)
    assert gradcheck(diagonal, z)


# ---- torch.func


@few_cases
def test_hessians_agree(kind, options):
    z, t, _ = made(kind)
    loss, hard = kind(**options), ids_of(kind, t)

    def value(z):
        return loss(z, hard).sum()

    want = torch.autograd.functional.hessian(value, z.detach())
    for way in (
        torch.func.hessian,
        lambda f: torch.func.jacrev(torch.func.grad(f)),
        lambda f: torch.func.jacfwd(torch.func.jacfwd(f)),  # torch turns forward mode off inside a rule of it
    ):
        assert torch.allclose(way(value)(z.detach()), want, rtol=1e-10, atol=1e-13)
    diagonal = want.reshape(z.numel(), z.numel()).diagonal().reshape(z.shape)
    assert torch.allclose(loss.grad_and_hess(z, hard)[1], diagonal, rtol=1e-10, atol=1e-13)


@few_cases
def test_per_sample_gradients(kind, options):
    z, t, w = (x.detach() for x in made(kind, rows=5))
    hard, loss = ids_of(kind, t), kind(**options)

    def one(z, t, w):
        return loss(z[None], t[None], sample_weight=w[None]).sum()

    gradients, values = torch.func.vmap(torch.func.grad_and_value(one))(z, hard, w)
    for i in range(5):
        leaf = z[i].clone().requires_grad_()
        value = one(leaf, hard[i], w[i])
        value.backward()
        assert torch.allclose(values[i], value, rtol=1e-12) and torch.allclose(gradients[i], leaf.grad, rtol=1e-10)
    pairs = torch.func.vmap(lambda z, t: kind(**options | {"reduction": "sum"}).value_and_grad(z[None], t[None]))(
        z, hard
    )
    assert pairs[1][:, 0].shape == z.shape


def test_jvp_and_vjp_are_transposes():
    z, t, _ = (x.detach() for x in made(SoftmaxCrossEntropy))
    f, v, u = SoftmaxCrossEntropy(reduction="none", z_loss=0.1), torch.randn_like(z), torch.randn(2, **DOUBLE)
    forward = torch.func.jvp(lambda z: f(z, t), (z,), (v,))[1]
    backward = torch.func.vjp(lambda z: f(z, t), z)[1](u)[0]
    assert torch.allclose((forward * u).sum(), (backward * v).sum(), rtol=1e-12)
    assert torch.equal(torch.func.vmap(lambda u: torch.func.vjp(lambda z: f(z, t), z)[1](u)[0])(u[None])[0], backward)


def test_forward_mode_is_seen_in_weights_too():
    z, t, w = (x.detach() for x in made(SigmoidCrossEntropy))
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(w, torch.ones_like(w))
        tangent = forward_ad.unpack_dual(SigmoidCrossEntropy(reduction="sum")(z, t, sample_weight=dual)).tangent
    assert torch.allclose(tangent, SigmoidCrossEntropy(reduction="sum")(z, t))


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_batches_of_upstream_gradients(reduction):
    z, t, _ = made(SoftmaxCrossEntropy)
    loss = SoftmaxCrossEntropy(reduction=reduction)(z, t.detach())
    ups = torch.randn(3, *loss.shape, **DOUBLE)
    many = torch.autograd.grad(loss, z, ups, is_grads_batched=True, retain_graph=True)[0]
    for up, got in zip(ups, many, strict=True):
        assert torch.allclose(torch.autograd.grad(loss, z, up, retain_graph=True)[0], got, rtol=1e-12)


def test_grad_of_a_function_of_the_face():
    z, t = torch.randn(6, 4), torch.randint(0, 4, (6,))
    want = SoftmaxCrossEntropy(gamma=1.0).value_and_grad(z, t)[1]
    assert torch.allclose(
        torch.func.grad(lambda z: xent.softmax_cross_entropy(z, t, gamma=1.0))(z), want, rtol=1e-5, atol=1e-8
    )


def test_what_is_fused_and_what_is_not(monkeypatch):
    """The kernels run where only first derivatives in the logits are asked, and only there."""
    calls = []
    original = fused.value_and_grad
    monkeypatch.setattr(fused, "value_and_grad", lambda *a, **k: calls.append(1) or original(*a, **k))
    z, t, _ = made(SoftmaxCrossEntropy)
    SoftmaxCrossEntropy()(z, t.detach()).backward()
    assert len(calls) == 1
    torch.func.grad(lambda z: SoftmaxCrossEntropy()(z, t.detach()))(z.detach())
    with forward_ad.dual_level():
        SoftmaxCrossEntropy()(forward_ad.make_dual(z.detach(), z.detach()), t.detach())
    assert len(calls) == 1
