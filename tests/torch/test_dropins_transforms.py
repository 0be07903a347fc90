"""The drop-ins under compilers, exporters and transforms, and without values."""

import pytest
import torch
import torch.nn.functional as F
from dropins import FUNCTIONS, P, Q, T, Y, Z, gradient, ordinary

import xent.torch as X

# ---- compilers and transforms


CALLS = {name: getattr(X, name) for name in (*FUNCTIONS, "sigmoid_focal_loss")} | {
    "weighted": lambda z, y: X.cross_entropy(z, y, torch.tensor([1.0, 2.0, 0.5, 1.0])),
    "smoothed": lambda z, y: X.cross_entropy(z, y, torch.tensor([1.0, 2.0, 0.5, 1.0]), label_smoothing=0.1),
    "soft": lambda z, y: X.cross_entropy(z, torch.softmax(z.detach(), 1)),
    "weighed": lambda z, t: X.binary_cross_entropy_with_logits(
        z, t, z.detach() ** 2, pos_weight=z.new_full((3, 1), 2.0)
    ),
    "kl_div": lambda q, p: X.kl_div(q, p, reduction="batchmean"),
}
ARGUMENTS = {"weighted": (Z, Y), "smoothed": (Z, Y), "soft": (Z, Y)}


@pytest.mark.parametrize("name", CALLS)
def test_one_graph_of_compile_and_export(name):
    a, b = ARGUMENTS.get(name) or ordinary(name)
    torch._dynamo.reset()
    whole = torch.compile(CALLS[name], fullgraph=True, backend="aot_eager")
    for ours, theirs in zip(gradient(whole, a, b), gradient(CALLS[name], a, b), strict=True):
        torch.testing.assert_close(ours, theirs)
    module = torch.nn.Module()
    module.forward = CALLS[name]
    torch.testing.assert_close(torch.export.export(module, (a, b)).module()(a, b), CALLS[name](a, b))


def test_the_mean_of_kl_div_is_one_graph_without_its_warning():
    torch._dynamo.reset()
    whole = torch.compile(X.kl_div, fullgraph=True, backend="eager")
    torch.testing.assert_close(whole(Q, P), X.kl_div(Q, P, reduction="sum") / Q.numel())


@pytest.mark.parametrize("name", [name for name in CALLS if name != "weighed"])  # one pos_weight per row
def test_per_sample_gradients(name):
    a, b = ARGUMENTS.get(name) or ordinary(name)
    one = torch.func.grad(lambda z, y: CALLS[name](z[None], y[None]).sum())
    each = torch.stack([gradient(CALLS[name], z[None], y[None])[1][0] for z, y in zip(a, b, strict=True)])
    torch.testing.assert_close(torch.func.vmap(one)(a, b), each)


def test_no_values_no_look():
    meta = {"device": "meta"}
    z, y = torch.empty(3, 4, **meta), torch.empty(3, dtype=torch.long, **meta)
    for name, function in CALLS.items():
        assert function(z, y if name in (*ARGUMENTS, "cross_entropy", "nll_loss") else z).device.type == "meta"


class Named(torch.Tensor):
    """A subclass that notes what it is given to."""

    seen: list = []  # noqa: RUF012

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        cls.seen.append(function)
        return super().__torch_function__(function, types, args, kwargs or {})


@pytest.mark.parametrize("name", CALLS)
def test_subclasses_and_modes_are_asked_as_torch_asks(name):
    a, b = ARGUMENTS.get(name) or ordinary(name)
    Named.seen.clear()
    ours = CALLS[name](a.as_subclass(Named), b)
    assert type(ours) is Named
    torch.testing.assert_close(ours.as_subclass(torch.Tensor), CALLS[name](a, b))
    assert any(getattr(f, "__module__", "").startswith("xent.torch") for f in Named.seen)
    with torch.device("cpu"):
        assert torch.equal(CALLS[name](a, b), CALLS[name](a, b))


@pytest.mark.parametrize("name", CALLS)
def test_batches_of_any_size_in_one_graph(name):
    a, b = ARGUMENTS.get(name) or ordinary(name)
    torch._dynamo.reset()
    whole = torch.compile(CALLS[name], fullgraph=True, dynamic=True, backend="eager")
    for times in (1,) if name == "weighed" else (1, 2, 3):
        more = a.repeat(times, 1), b.repeat(times, *(1,) * (b.dim() - 1))
        torch.testing.assert_close(whole(*more), CALLS[name](*more))


def test_gradients_of_weights():
    """Where torch has them, and where it has none."""
    weight = torch.tensor([1.0, 2.0, 0.5, 1.0], requires_grad=True)
    for ours, theirs in (
        (X.cross_entropy(Z, P, weight), F.cross_entropy(Z, P, weight)),
        (X.multilabel_soft_margin_loss(Z, T, weight), F.multilabel_soft_margin_loss(Z, T, weight)),
    ):
        (mine,), (other,) = torch.autograd.grad(ours, weight), torch.autograd.grad(theirs, weight)
        torch.testing.assert_close(mine, other)
    (by_weight,) = torch.autograd.grad(X.binary_cross_entropy_with_logits(Z, T, weight, reduction="sum"), weight)
    torch.testing.assert_close(by_weight, F.binary_cross_entropy_with_logits(Z, T, reduction="none").sum(0))
    loss = X.binary_cross_entropy_with_logits(Z, T, pos_weight=weight, reduction="sum")
    (by_pos_weight,) = torch.autograd.grad(loss, weight)
    torch.testing.assert_close(by_pos_weight, (T * F.softplus(-Z)).sum(0))
