"""Compilers, exporters, tracers and stand-ins: one graph, the same digits, nothing looked at."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode

import xent
from xent import SigmoidCrossEntropy, SoftmaxCrossEntropy, backends
from xent.backends.torch.operators import NAMES

LOSS, FOCAL = SoftmaxCrossEntropy(label_smoothing=0.1), SigmoidCrossEntropy(gamma=2.0, reduction="none")
W = torch.tensor([1.0, 2.0, 0.5, 3.0])
OPERATORS = torch.ops.xent
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own use of it


def made(rows=6):
    g = torch.Generator().manual_seed(rows)
    return (
        torch.randn(rows, 4, generator=g),
        torch.randint(0, 4, (rows,), generator=g),
        torch.rand(rows, 4, generator=g),
    )


CALLS = {
    "sigmoid": lambda z, ids, t: xent.sigmoid_cross_entropy(z, t, pos_weight=2.0),
    "softmax": lambda z, ids, t: xent.softmax_cross_entropy(z, ids, label_smoothing=0.1, ignore_index=(1, -100)),
    "weights": lambda z, ids, t: xent.softmax_cross_entropy(z, ids, sample_weight=t[:, 0], class_weight=W),
    "numbers": lambda z, ids, t: xent.softmax_cross_entropy(z, ids, class_weight=(1.0, 2.0, 3.0, 4.0), reduction="sum"),
    "sparse": lambda z, ids, t: xent.softmax_cross_entropy(z, (ids[:, None], t[:, :1])),
    "record": lambda z, ids, t: LOSS(z, ids),
    "many": lambda z, ids, t: FOCAL(z, t, sample_weight=t[:, 1]).square().sum(),
    "one pass": lambda z, ids, t: (z * LOSS.value_and_grad(z, ids)[1]).sum(),
    "derivatives": lambda z, ids, t: (z * (FOCAL.grad_and_hess(z, t)[1] + LOSS.hvp(z, ids, z))).sum(),
}


@pytest.mark.parametrize("name", CALLS)
def test_one_graph_and_the_digits_of_eager(name):
    call, (z, ids, t) = CALLS[name], made()
    torch._dynamo.reset()
    compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
    first, second = z.clone().requires_grad_(), z.clone().requires_grad_()
    value, want = compiled(first, ids, t), call(second, ids, t)
    value.backward()
    want.backward()
    assert torch.equal(value, want) and torch.equal(first.grad, second.grad)
    with torch.no_grad():
        assert torch.equal(compiled(z, ids, t), want)


def test_portable_in_one_graph():
    """What the operators do not differentiate: soft targets made of the logits, and a weight."""
    z, _, t = made()

    def call(z, t):
        return LOSS(z, torch.softmax(t, -1), sample_weight=t.exp().sum(-1))

    torch._dynamo.reset()
    first, second = ([x.clone().requires_grad_() for x in (z, t)] for _ in range(2))
    torch.compile(call, fullgraph=True, backend="aot_eager")(*first).backward()
    call(*second).backward()
    for a, b in zip(first, second, strict=True):
        assert torch.allclose(a.grad, b.grad, rtol=1e-5, atol=1e-7)


def test_numbers_and_records_are_guarded():
    """Another number or record is another program: no stale constant."""
    z, ids, _ = made()
    torch._dynamo.reset()
    call = torch.compile(
        lambda z, g, e: xent.softmax_cross_entropy(z, ids, gamma=g, label_smoothing=e), backend="eager", fullgraph=True
    )
    for g, e in ((0.0, 0.0), (1.0, 0.0), (2.0, 0.1), (2.5, 0.2), (1, 0.2)):
        assert torch.equal(call(z, g, e), xent.softmax_cross_entropy(z, ids, gamma=g, label_smoothing=e))
    torch._dynamo.reset()
    call = torch.compile(lambda loss, z: loss(z, ids), backend="eager", fullgraph=True)
    for loss in (LOSS, SoftmaxCrossEntropy(gamma=1.0), SoftmaxCrossEntropy(gamma=2.0)):
        assert torch.equal(call(loss, z), loss(z, ids))


def test_shapes_may_change():
    torch._dynamo.reset()
    seen = []

    def backend(graph, inputs):
        seen.append(1)
        return graph.forward

    compiled = torch.compile(lambda z, ids: LOSS(z, ids), fullgraph=True, dynamic=True, backend=backend)
    for rows in (6, 7, 30):
        z, ids, _ = made(rows)
        assert torch.equal(compiled(z, ids), LOSS(z, ids))
    assert len(seen) == 1


def test_inductor():
    z, ids, _ = made()
    torch._dynamo.reset()
    first, second = z.clone().requires_grad_(), z.clone().requires_grad_()
    torch.compile(lambda z: 2 * LOSS(z.exp(), ids), fullgraph=True)(first).backward()
    (2 * LOSS(second.exp(), ids)).backward()
    assert torch.allclose(first.grad, second.grad, rtol=1e-5)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.loss = torch.nn.Linear(4, 4), SoftmaxCrossEntropy(gamma=1.0)

    def forward(self, z, ids):
        return self.loss(self.layer(z), ids) + xent.softmax_cross_entropy(z, ids)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("strict", [True, False])
def test_export(strict):
    z, ids, _ = made()
    rows, model = {0: torch.export.Dim("rows")}, Model()
    program = torch.export.export(model, (z, ids), strict=strict, dynamic_shapes={"z": rows, "ids": rows})
    assert sum("xent" in str(node.target) for node in program.graph.nodes) == 2
    z, ids, _ = made(9)
    assert torch.equal(program.module()(z, ids), model(z, ids))


def test_make_fx_keeps_the_operator():
    z, ids, _ = made()
    graph = make_fx(lambda z: LOSS(z, ids))(z)
    assert torch.equal(graph(2 * z), LOSS(2 * z, ids))
    with FlopCounterMode(display=False):
        assert torch.equal(LOSS(z, ids), graph(z))


# ---- tensors without values: whatever looked at one would raise


@pytest.mark.parametrize("kind", ["fake", "meta"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_nothing_is_looked_at(kind, dtype, monkeypatch):
    device = "meta" if kind == "meta" else "cpu"
    monkeypatch.setattr(backends, "portable", True)

    def check():
        z = torch.empty(6, 4, dtype=dtype, device=device, requires_grad=True)
        ids, t = torch.empty(6, dtype=torch.int32, device=device), torch.empty(6, 4, device=device)
        wide = torch.float64 if dtype is torch.float64 else torch.float32
        for loss, targets in (
            (LOSS, ids),
            (SoftmaxCrossEntropy(gamma=0.5, class_weight=(1.0, 2.0, 3.0, 4.0)), t),
            (FOCAL, t),
        ):
            arrays = {
                "sample_weight": torch.empty(6, device=device),
                "where": torch.empty(6, dtype=torch.bool, device=device),
            }
            value = loss(z, targets, bias=[0.0, 1.0, 2.0, 3.0], **arrays)
            assert value.shape == (z.shape if loss is FOCAL else ()) and value.dtype is (
                dtype if loss is FOCAL else wide
            )
            value.sum().backward()
            assert z.grad.shape == z.shape and z.grad.dtype is dtype and z.grad.device.type == device
            pair = loss.value_and_grad(z, targets), loss.grad_and_hess(z, targets)
            assert all(x.device.type == device for two in pair for x in two)
            assert loss.hvp(z, targets, z.detach()).dtype is dtype

    if kind == "meta":
        check()
    else:
        with FakeTensorMode():
            check()


def test_fake_cpu_tensors():
    with FakeTensorMode():
        z = torch.empty(6, 4, requires_grad=True)
        LOSS(z, torch.empty(6, dtype=torch.long), sample_weight=torch.empty(6, requires_grad=True)).backward()
        assert z.grad.shape == (6, 4)
        value = LOSS(z, torch.empty(6, dtype=torch.long))
        assert "xent" in type(value.grad_fn).__name__


# ---- the operators themselves


def arguments(loss, requires_grad=True, dtype=torch.float32, **arrays):
    z, ids, t = made()
    z = z.to(dtype).T.contiguous().T.requires_grad_(requires_grad)
    return (z, ids if isinstance(loss, SoftmaxCrossEntropy) else t, loss.text(), None, *(arrays.get(n) for n in NAMES))


@pytest.mark.parametrize(
    "loss, dtype",
    [
        (LOSS, torch.float32),
        (FOCAL, torch.bfloat16),
        (SoftmaxCrossEntropy(axis=0, reduction="none"), torch.float16),
    ],
    ids=str,
)
def test_opcheck(loss, dtype):
    z, targets, *rest = arguments(loss, dtype=dtype)
    if loss.reduction == "none" and isinstance(loss, SoftmaxCrossEntropy):
        targets = targets[:4]
    call = (z, targets, *rest)
    value, free = loss(z.detach(), targets), (z.detach(), targets, *rest)
    torch.library.opcheck(OPERATORS.loss.default, call)
    torch.library.opcheck(OPERATORS.value_and_grad.default, call)
    torch.library.opcheck(OPERATORS.pullback.default, (torch.randn_like(value), *call))
    torch.library.opcheck(OPERATORS.grad_and_hess.default, free)
    torch.library.opcheck(OPERATORS.hvp.default, (torch.randn_like(free[0]), *free))


def test_opcheck_with_weights():
    call = arguments(LOSS, sample_weight=torch.rand(6), class_weight=W)
    torch.library.opcheck(OPERATORS.loss.default, call)
    torch.library.opcheck(OPERATORS.value_and_grad.default, call)


@pytest.mark.parametrize("loss", [SigmoidCrossEntropy(), FOCAL, SoftmaxCrossEntropy()], ids=str)
def test_operators_differentiate_in_everything(loss):
    z, _, t = (x.double() for x in made(2))
    leaves = [x.clone().requires_grad_() for x in (z, t, torch.rand(2, dtype=torch.float64))]

    def value(z, t, w):
        return OPERATORS.loss(z, t, loss.text(), None, w)

    assert torch.autograd.gradcheck(value, leaves) and torch.autograd.gradgradcheck(value, leaves)
    assert torch.autograd.gradcheck(lambda z, t, w: OPERATORS.value_and_grad(z, t, loss.text(), None, w), leaves)


def test_operators_under_vmap():
    z, ids, _ = made()
    text = LOSS.text()
    many = torch.func.vmap(lambda z, i: OPERATORS.value_and_grad(z[None], i[None], text))(z, ids)
    each = [LOSS.value_and_grad(z[i : i + 1], ids[i : i + 1]) for i in range(6)]
    assert torch.allclose(many[0], torch.stack([v for v, _ in each])) and torch.allclose(
        many[1], torch.stack([g for _, g in each]), atol=1e-7
    )
