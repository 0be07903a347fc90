"""torch tensors through the face: NumPy's digits, the gradient made once and handed out, the memory of nobody else."""

import copy
import gc
import os
import pickle
import threading
import tracemalloc

import numpy as np
import pytest
import torch
from conftest import CLASSES, LABELS, SIGMOID, SOFTMAX

import xent
from xent import SigmoidCrossEntropy, SoftmaxCrossEntropy
from xent.backends import memory
from xent.backends.numpy import BFLOAT16
from xent.backends.torch import fused, quick
from xent.backends.torch.views import view

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
CASES = [(SigmoidCrossEntropy, name, options) for name, options in SIGMOID.items()]
CASES += [(SoftmaxCrossEntropy, name, options) for name, options in SOFTMAX.items()]
every_case = pytest.mark.parametrize(
    "kind, options", [c[::2] for c in CASES], ids=[c[0].__name__[:3] + c[1] for c in CASES]
)
RECORDS = [SigmoidCrossEntropy(), SoftmaxCrossEntropy(), SoftmaxCrossEntropy(reduction="none")]


def made(kind, dtype=torch.float32, rows=5, seed=0):
    """Logits and targets."""
    g = torch.Generator().manual_seed(seed)
    count = LABELS if kind is SigmoidCrossEntropy else CLASSES
    z = (3 * torch.randn(rows, count, generator=g, dtype=torch.float64)).to(dtype)
    if kind is SigmoidCrossEntropy:
        return z, torch.rand(rows, count, generator=g, dtype=torch.float64)
    return z, torch.randint(0, count, (rows,), generator=g)


def bits(x):
    """What is compared: the bytes."""
    x = view(x) if isinstance(x, torch.Tensor) else x
    return np.ascontiguousarray(x).tobytes()


@every_case
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_digits_are_numpys(kind, options, dtype):
    loss = kind(**options)
    z, t = made(kind, dtype)
    host = view(z), view(t)
    assert host[0].dtype == (BFLOAT16 if dtype is torch.bfloat16 else host[0].dtype)
    leaf = z.clone().requires_grad_()
    value = loss(leaf, t)
    value.backward(torch.ones_like(value))
    assert bits(value) == bits(loss(z, t)) == bits(np.asarray(loss(*host)))
    wide = torch.float64 if dtype is torch.float64 else torch.float32
    assert value.dtype is (dtype if loss.reduction == "none" else wide)
    total, gradient = loss.value_and_grad(z, t)
    assert bits(total) == bits(value) and gradient.dtype is dtype and not gradient.requires_grad
    assert bits(gradient) == bits(leaf.grad) == bits(loss.value_and_grad(*host)[1])
    for got, want in zip(loss.grad_and_hess(z, t), loss.grad_and_hess(*host), strict=True):
        assert bits(got) == bits(want)
    assert bits(loss.hvp(z, t, z)) == bits(loss.hvp(*host, host[0]))


@pytest.mark.parametrize("kind", [SigmoidCrossEntropy, SoftmaxCrossEntropy])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
def test_any_strides(kind, dtype):
    z, t = made(kind, dtype, rows=6)
    loss = kind(reduction="sum")
    want = loss.value_and_grad(z, t)
    for seen in (
        z.T.contiguous().T,
        torch.stack([z, z], 1)[:, 0],
        torch.cat([z, z], 1)[:, : z.shape[1]],
        z.expand(1, *z.shape)[0],
    ):
        total, gradient = loss.value_and_grad(seen, t)
        assert torch.equal(total, want[0]) and torch.equal(gradient, want[1])
        assert gradient.stride() == torch.empty_like(seen).stride()
    assert torch.equal(loss.value_and_grad(z[::2], t[::2])[1], want[1][::2])
    image = z.reshape(1, 6, 1, -1).permute(0, 3, 1, 2) if kind is SoftmaxCrossEntropy else z[None, None]
    ids = t.reshape(1, 6, 1) if kind is SoftmaxCrossEntropy else t[None, None]
    leaf = image.clone(memory_format=torch.preserve_format).requires_grad_()
    (SoftmaxCrossEntropy(axis=1, reduction="sum") if kind is SoftmaxCrossEntropy else loss)(leaf, ids).backward()
    assert leaf.grad.stride() == leaf.stride()
    flat = leaf.grad.permute(0, 2, 3, 1).reshape(z.shape) if kind is SoftmaxCrossEntropy else leaf.grad[0, 0]
    assert torch.equal(flat, want[1])


def test_views_share_memory():
    for dtype in DTYPES:
        x = torch.zeros(3, 4, dtype=dtype).T[::2].requires_grad_()
        a = view(x)
        assert (
            a.shape == (2, 3)
            and a.ctypes.data == x.data_ptr()
            and a.strides == tuple(s * x.itemsize for s in x.stride())
        )
    negated = torch.complex(torch.ones(3), torch.ones(3)).conj().imag
    assert negated.is_neg() and (view(negated) == -1).all()
    assert torch.equal(
        SigmoidCrossEntropy().value_and_grad(negated, torch.ones(3))[0],
        SigmoidCrossEntropy()(-torch.ones(3), torch.ones(3)),
    )


# ---- the gradient is made with the value, and handed out once


def spied(monkeypatch):
    """The addresses of the gradients that are made."""
    found = []

    def spied_on(original):
        def spy(*args, **kwargs):
            pair = original(*args, **kwargs)
            if pair is not None:
                found.append(pair[1].data_ptr())
            return pair

        return spy

    for room in (fused, quick):
        monkeypatch.setattr(room, "value_and_grad", spied_on(room.value_and_grad))
    return found


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_a_leaf_takes_the_buffer_itself(monkeypatch, dtype):
    addresses = spied(monkeypatch)
    z, t = made(SoftmaxCrossEntropy, dtype)
    for factor in (1.0, 0.5):
        z = z.detach().requires_grad_()
        (SoftmaxCrossEntropy()(z, t) * factor).backward()
        assert z.grad.data_ptr() == addresses.pop() and not addresses


def test_no_gradient_where_none_is_asked(monkeypatch):
    addresses = spied(monkeypatch)
    z, t = made(SoftmaxCrossEntropy)
    SoftmaxCrossEntropy()(z, t)
    z.requires_grad_()
    with torch.no_grad():
        assert not SoftmaxCrossEntropy()(z, t).requires_grad
    with torch.inference_mode():
        SoftmaxCrossEntropy()(z * 1, t)
    SoftmaxCrossEntropy(reduction="none")(z, t)
    assert not addresses


@pytest.mark.parametrize("loss", RECORDS, ids=str)
def test_backward_again_and_again(loss):
    z, t = made(type(loss))
    want = loss.value_and_grad(z, t)[1]
    z.requires_grad_()
    value = loss(z, t).sum()
    taken = [torch.autograd.grad(value, z, retain_graph=True)[0] for _ in range(3)]
    assert all(torch.equal(g, want) for g in taken)
    assert len({g.untyped_storage().data_ptr() for g in taken}) == 3
    taken[0].fill_(7)
    for times in (1, 2, 3):
        value.backward(retain_graph=True)
        assert torch.allclose(z.grad, times * want, rtol=1e-6)
    half = torch.autograd.grad(value, z, torch.tensor(-0.5))[0]
    assert torch.equal(half, -0.5 * want)


def test_what_was_changed_in_between_is_noticed():
    z, t = made(SigmoidCrossEntropy)
    z.requires_grad_()
    value = SigmoidCrossEntropy()(z, t)
    value.backward(retain_graph=True)
    with torch.no_grad():
        z.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("loss", [*RECORDS, SigmoidCrossEntropy(reduction="none", gamma=2.0)], ids=str)
def test_upstream_gradients_are_rounded_once(loss, dtype):
    z, t = made(type(loss), dtype)
    z.requires_grad_()
    value = loss(z, t)
    up = torch.randn(value.shape, generator=torch.Generator().manual_seed(1)).to(value.dtype)
    value.backward(up)
    wide = z.detach().double().requires_grad_()
    loss(wide, t).backward(up.double())
    close = {torch.float16: 2**-11, torch.bfloat16: 2**-8, torch.float32: 2**-22, torch.float64: 0}[dtype]
    assert torch.allclose(z.grad.double(), wide.grad, rtol=1.01 * close, atol=2**-25 if dtype is torch.float16 else 0)


def test_loss_scaling_saves_half_precision_from_underflow():
    z = torch.full((4, 3), -14.0, dtype=torch.float16, requires_grad=True)
    t = torch.zeros(4, 3)
    (SigmoidCrossEntropy()(z, t) * 65536).backward()
    want = 65536 * torch.sigmoid(torch.tensor(-14.0, dtype=torch.float64)) / 12
    assert torch.allclose(z.grad.double(), want.expand(4, 3), rtol=2**-11)


def test_upstream_gradients_that_are_not_finite():
    z, t = made(SoftmaxCrossEntropy)
    z.requires_grad_()
    SoftmaxCrossEntropy(reduction="none")(z, t).backward(torch.tensor([1.0, 2.0, torch.nan, torch.inf, 0.0]))
    assert (
        z.grad[2].isnan().all() and z.grad[3].isinf().all() and (z.grad[4] == 0).all() and z.grad[:2].isfinite().all()
    )


def test_many_losses_beside_weights():
    z, t = made(SigmoidCrossEntropy, torch.float64)
    w, up = torch.rand(5, dtype=torch.bfloat16), torch.randn(5, 3, dtype=torch.float64)
    loss = SigmoidCrossEntropy(reduction="none")
    z.requires_grad_()
    loss(z, t, sample_weight=w).backward(up)
    want = loss.value_and_grad(z.detach(), t, sample_weight=w)[1]
    assert torch.allclose(z.grad, up * want, rtol=1e-14)


def test_checkpointing_keeps_no_gradient(monkeypatch):
    addresses = spied(monkeypatch)
    z, t = made(SoftmaxCrossEntropy)
    z.requires_grad_()
    want = torch.autograd.grad(SoftmaxCrossEntropy()(2 * z, t), z)[0]
    addresses.clear()
    value = torch.utils.checkpoint.checkpoint(lambda x: SoftmaxCrossEntropy()(2 * x, t), z, use_reentrant=False)
    assert not addresses
    value.backward()
    assert torch.equal(z.grad, want)


@pytest.mark.parametrize("upstream", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", [SigmoidCrossEntropy, SoftmaxCrossEntropy])
def test_what_does_not_count_stays_0_whatever_comes(kind, dtype, upstream):
    """A loss divided by the count of a group in which nothing counts, say."""
    z, t = made(kind, dtype)
    z.requires_grad_()
    where = torch.tensor([True, False, True, False, True])
    losses = kind(reduction="none")(z, t, where=where)
    up = torch.ones_like(losses)
    up[~where] = upstream
    losses.backward(up)
    assert (z.grad[~where] == 0).all() and z.grad[where].isfinite().all() and (z.grad[where] != 0).any()


@pytest.mark.parametrize("loss", RECORDS, ids=str)
def test_nothing_left_is_connected(loss):
    z, t = made(type(loss))
    z.requires_grad_()
    value = loss(z, t, where=torch.zeros(5, dtype=torch.bool))
    value.sum().backward()
    assert (value == 0).all() and (z.grad == 0).all()


# ---- memory, threads, processes


@pytest.mark.parametrize("kind", [SigmoidCrossEntropy, SoftmaxCrossEntropy])
def test_memory_is_the_gradient(kind):
    """NumPy tells tracemalloc what it allocates, and the profiler what torch does."""
    z, t = made(kind, rows=100_000)
    z.requires_grad_()
    loss, size = kind(), z.numel() * z.itemsize
    loss(z, t).backward()
    z.grad = None
    gc.collect()
    memory._kept.clear()  # else the next gradient lies where the last one lay
    tracemalloc.start()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as seen:
        loss(z, t).backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    own = sum(max(0, event.self_cpu_memory_usage) for event in seen.events())
    assert size <= peak + own < 1.1 * size


def test_threads():
    z, t = made(SoftmaxCrossEntropy, rows=300)
    want, wrong = SoftmaxCrossEntropy().value_and_grad(z, t)[1], []

    def work():
        for _ in range(20):
            leaf = z.clone().requires_grad_()
            SoftmaxCrossEntropy()(leaf, t).backward()
            wrong.extend([] if torch.equal(leaf.grad, want) else [1])

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fork.*:RuntimeWarning")
def test_after_fork():
    z, t = made(SoftmaxCrossEntropy)
    leaf = z.requires_grad_()
    child = os.fork()
    if child == 0:
        value = SoftmaxCrossEntropy()(leaf, t).item()
        os._exit(0 if np.isfinite(value) else 1)
    assert os.waitpid(child, 0)[1] == 0


# ---- what stands beside the logits


def test_lists_and_numpy_arrays_beside_tensors():
    z, t = made(SoftmaxCrossEntropy)
    loss, w = SoftmaxCrossEntropy(), [1.0, 2.0, 0.1, 3.0, 0.7]
    want = loss.value_and_grad(z, t, sample_weight=torch.tensor(w, dtype=torch.float64))
    frozen = t.numpy().copy()
    frozen.flags.writeable = False
    for ids in (t.tolist(), frozen, t.numpy()[::-1].copy()[::-1], t.to(torch.uint8), t.to(torch.uint64)):
        got = loss.value_and_grad(z, ids, sample_weight=w)
        assert torch.equal(got[0], want[0]) and torch.equal(got[1], want[1])
    soft = torch.rand(5, 4, dtype=torch.bfloat16)
    want = loss(z, soft)
    assert torch.equal(want, loss(z, soft.float())) and torch.equal(want, loss(z, view(soft)))
    sparse = loss(z, (t[:, None], torch.ones(5, 1)))
    assert torch.equal(sparse, loss(z, t)) and torch.equal(sparse, loss(z, (t[:, None].tolist(), np.ones((5, 1)))))
    assert xent.sigmoid_cross_entropy(torch.tensor(0.0), 1).item() == pytest.approx(np.log(2))


def test_out():
    for dtype in (torch.bfloat16, torch.float32):
        z, t = made(SoftmaxCrossEntropy, dtype)
        loss, out = SoftmaxCrossEntropy(reduction="none"), torch.empty_like(z)
        total, gradient = loss.value_and_grad(z, t, out=out)
        assert gradient is out and torch.equal(out, loss.value_and_grad(z, t)[1])
        rows = torch.empty_like(total)
        assert loss(z, t, out=rows) is rows and torch.equal(rows, total)
        pair = torch.empty_like(z), torch.empty_like(z)
        assert loss.grad_and_hess(z, t, out=pair) is pair and torch.equal(pair[1], loss.grad_and_hess(z, t)[1])
        assert loss.hvp(z, t, z, out=out) is out and torch.equal(out, loss.hvp(z, t, z))


def test_parameters_buffers_subclasses_and_autocast():
    z, t = made(SoftmaxCrossEntropy)
    want, loss = SoftmaxCrossEntropy()(z, t), SoftmaxCrossEntropy()

    class Named(torch.Tensor):
        pass

    for x in (torch.nn.Parameter(z), torch.nn.Buffer(z), z.as_subclass(Named)):
        assert torch.equal(loss(x, t).detach(), want)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = torch.nn.Linear(4, 4)(z)
        assert hidden.dtype is torch.bfloat16
        value = loss(hidden, t)
        value.backward()
    assert value.dtype is torch.float32 and torch.equal(value, loss(hidden.detach(), t))


def test_a_record_in_a_module():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.loss = SoftmaxCrossEntropy(gamma=2.0, class_weight=(1.0, 2.0, 3.0, 4.0))

        def forward(self, z, t):
            return self.loss(z, t)

    z, t = made(SoftmaxCrossEntropy)
    model = Model()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model.loss))):
        assert torch.equal(other(z, t), model(z, t))
    assert model.state_dict() == {}
