"""The drop-ins under compilers, exporters and transforms, and without values."""

import pytest
import torch
from dropins import FUNCTIONS, Y, Z, gradient, ordinary

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
